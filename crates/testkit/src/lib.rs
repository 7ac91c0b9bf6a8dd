//! What tests and benchmarks of several crates share. No part of the product.

pub mod hub;
pub mod mail;
pub mod provider;
pub mod s3;
pub mod transformer;
pub mod website;

use std::time::Duration;

use tokio::sync::watch;

/// Waits until something has happened so many times; a minute at most, for what never comes must end its test.
async fn wait_until(counter: &watch::Sender<usize>, count: usize) {
    let mut changes = counter.subscribe();
    let waiting = changes.wait_for(|seen| *seen >= count);
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "{} of {count} times", *counter.borrow());
}
