//! The HTTP edge, configuration, wiring and command line of the one binary `okra`.
//!
//! Start reading at [`routes`] (every route, grouped by caller) and [`app`] (how the parts are put
//! together).

pub mod access;
pub mod accounts;
pub mod app;
pub mod assets;
pub mod cli;
mod client_address;
pub mod config;
mod connections;
mod download;
pub mod error;
pub mod input;
pub mod limits;
pub mod mail;
mod mcp;
mod origin;
mod page;
mod picture;
mod random;
mod reference;
pub mod routes;
mod spreadsheet;
pub mod telemetry;
mod visitor;
pub mod wire;
