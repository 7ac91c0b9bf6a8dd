//! When sites may be asked again: the pause that one wishes holds for all sources that read it, in this
//! process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use okra_domain::Timestamp;

use super::scope::Site;

/// Sites from which on those whose pause is over are forgotten.
const REMEMBERED: usize = 1_000;

/// The times at which sites may be asked next.
#[derive(Default)]
pub(crate) struct Pace(Mutex<HashMap<Site, Timestamp>>);

impl Pace {
    /// Takes the turn at a site, which is then left alone for `pause`.
    ///
    /// # Errors
    /// The time of the next turn, where that is not yet.
    pub(super) fn take(
        &self,
        site: &Site,
        now: Timestamp,
        pause: Duration,
    ) -> Result<(), Timestamp> {
        let mut sites = self.lock();
        if let Some(at) = sites.get(site).filter(|at| **at > now) {
            return Err(*at);
        }
        if sites.len() >= REMEMBERED {
            sites.retain(|_, at| *at > now);
        }
        if !pause.is_zero() {
            sites.insert(site.clone(), now.after(pause));
        }
        Ok(())
    }

    /// Leaves a site alone until this time, where it would be asked sooner.
    pub(super) fn rest(&self, site: Site, until: Timestamp) {
        let mut sites = self.lock();
        let at = sites.entry(site).or_insert(until);
        *at = until.max(*at);
    }

    /// A poisoned lock guards a map that is whole between any two of its calls.
    fn lock(&self) -> MutexGuard<'_, HashMap<Site, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
