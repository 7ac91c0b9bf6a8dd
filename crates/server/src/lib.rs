//! The HTTP edge, configuration, wiring and command line of the one binary `okra`.
//!
//! Start reading at [`routes`] (every route, grouped by caller) and [`app`] (how the parts are put
//! together).

pub mod access;
pub mod app;
mod avatar;
pub mod cli;
pub mod config;
pub mod error;
pub mod input;
mod reference;
pub mod routes;
pub mod telemetry;
pub mod wire;
