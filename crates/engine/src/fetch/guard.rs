//! Which addresses may be connected to, so that what was checked is what is connected to: a name is
//! looked up once a connection, and what may not be reached is gone from the answer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::Openings;
use super::error::Lookup;
use super::{FetchError, FetchErrorKind};

/// Asks for the addresses of a name.
type LookUp = dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Looks names up and keeps only the addresses that may be connected to.
#[derive(Clone)]
pub(super) struct Guard {
    openings: Arc<Openings>,
    look_up: Arc<LookUp>,
}

impl Guard {
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

    /// The same without anything that the operator opened.
    pub(super) fn public_only(&self) -> Self {
        Self {
            openings: Arc::default(),
            look_up: self.look_up.clone(),
        }
    }

    /// Whether the operator opened the host of `url` by name, wherever it is.
    pub(super) fn opens(&self, url: &Url) -> bool {
        self.openings.name(url)
    }

    /// Fails where the host of `url` is written as an address that may not be connected to. Such a one is
    /// never looked up. `Url` has turned every other spelling (octal, hexadecimal, short) into the plain
    /// one by now.
    pub(super) fn check_literal(&self, url: &Url) -> Result<Option<IpAddr>, FetchError> {
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        if literal.is_some_and(|ip| !self.opens(url) && !self.openings.reachable(ip)) {
            return Err(FetchError::of(FetchErrorKind::PrivateAddress));
        }
        Ok(literal)
    }

    /// The addresses of `name` that may be connected to, with port 0.
    pub(super) async fn reachable(&self, name: &str) -> Result<Vec<SocketAddr>, Lookup> {
        let mut found = self.look_up(name).await?;
        found.retain(|address| self.openings.reachable(address.ip()));
        match found.is_empty() {
            true => Err(Lookup::Private),
            false => Ok(found),
        }
    }

    /// Where a connection for `url` may go.
    pub(super) async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchError> {
        let port = url.port_or_known_default().unwrap_or(80);
        if let Some(ip) = self.check_literal(url)? {
            return Ok(vec![(ip, port).into()]);
        }
        let name = url.host_str().unwrap_or_default();
        let found = match self.opens(url) {
            true => self.look_up(name).await,
            false => self.reachable(name).await,
        };
        let mut found = found.map_err(|error| match error {
            Lookup::Private => FetchError::of(FetchErrorKind::PrivateAddress),
            Lookup::Unknown => FetchError::of(FetchErrorKind::UnknownHost),
        })?;
        found.iter_mut().for_each(|address| address.set_port(port));
        Ok(found)
    }

    async fn look_up(&self, name: &str) -> Result<Vec<SocketAddr>, Lookup> {
        match (self.look_up)(name.to_owned()).await {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err(Lookup::Unknown),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("openings", &self.openings)
            .finish_non_exhaustive()
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let reachable = guard.reachable(name.as_str()).await?;
            Ok(Box::new(reachable.into_iter()) as Addrs)
        })
    }
}
