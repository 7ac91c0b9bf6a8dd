//! What tests and benchmarks of several crates share. No part of the product.

pub mod hub;
pub mod mail;
pub mod provider;
pub mod s3;
pub mod transformer;
pub mod website;
