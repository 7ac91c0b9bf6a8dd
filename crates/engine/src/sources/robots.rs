//! The robots.txt of every site that is being read, for an hour each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use okra_domain::Timestamp;
use okra_extract::site::Robots;
use url::{Origin, Url};

use crate::Engine;
use crate::fetch::{FetchError, FetchErrorKind};

/// The name under which robots.txt speaks to us.
const AGENT: &str = "okra";
/// How long a robots.txt counts; RFC 9309 allows a day.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// Sites that are remembered.
const REMEMBERED: usize = 1_000;

/// What sites asked for.
#[derive(Default)]
pub(crate) struct RobotsCache(Mutex<HashMap<String, (Timestamp, Arc<Robots>)>>);

impl RobotsCache {
    /// A poisoned lock guards a map that is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Timestamp, Arc<Robots>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// The wishes of the site that `url` lies on. Fails where they cannot be learnt just now, and
    /// then nothing of the site may be read.
    pub(super) async fn robots(&self, url: &Url) -> Result<Arc<Robots>, FetchError> {
        let origin = url.origin();
        let name = origin.ascii_serialization();
        let now = self.parts.store.clock().now();
        let known = self.robots.lock().get(&name).cloned();
        if let Some((learnt, robots)) = known
            && now.since(learnt) < FRESH
        {
            return Ok(robots);
        }
        let robots = Arc::new(self.fetch_robots(&origin).await?);
        let mut sites = self.robots.lock();
        if sites.len() >= REMEMBERED {
            sites.retain(|_, (learnt, _)| now.since(*learnt) < FRESH);
        }
        if sites.len() < REMEMBERED {
            sites.insert(name, (now, robots.clone()));
        }
        Ok(robots)
    }

    async fn fetch_robots(&self, origin: &Origin) -> Result<Robots, FetchError> {
        let address = format!("{}/robots.txt", origin.ascii_serialization());
        match self.parts.fetcher.get(&address).await {
            Ok(page) => Ok(Robots::parse(AGENT, &page.body)),
            Err(error) => match error.kind {
                // It may have none, or may not say; RFC 9309, section 2.3.1.
                FetchErrorKind::Status(408 | 425 | 429) => Err(error),
                FetchErrorKind::Status(400..500) | FetchErrorKind::TooManyRedirects => {
                    Ok(Robots::none())
                }
                _ => Err(error),
            },
        }
    }
}
