//! Looking names up so that what was checked is what is connected to: a name is asked for once a
//! connection, and what may not be reached is gone from the answer.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Openings;
use super::error::Lookup;

/// Asks for the addresses of a name.
type LookUp = dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Looks names up and keeps only the addresses that may be connected to.
#[derive(Clone)]
pub(super) struct Resolver {
    openings: Arc<Openings>,
    look_up: Arc<LookUp>,
}

impl Resolver {
    /// One that asks the system.
    pub(super) fn new(openings: Arc<Openings>) -> Self {
        Self::asking(openings, |name| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.collect())
            })
        })
    }

    /// One that asks `look_up`.
    pub(super) fn asking(
        openings: Arc<Openings>,
        look_up: impl Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            openings,
            look_up: Arc::new(look_up),
        }
    }

    /// The addresses of `name` that may be connected to, with port 0.
    pub(super) async fn reachable(&self, name: &str) -> Result<Vec<SocketAddr>, Lookup> {
        let found = (self.look_up)(name.to_owned()).await;
        let mut found = found.map_err(|_| Lookup::Unknown)?;
        if found.is_empty() {
            return Err(Lookup::Unknown);
        }
        found.retain(|address| self.openings.reachable(address.ip()));
        match found.is_empty() {
            true => Err(Lookup::Private),
            false => Ok(found),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let reachable = resolver.reachable(name.as_str()).await?;
            Ok(Box::new(reachable.into_iter()) as Addrs)
        })
    }
}
