//! How much visitors may ask: per visitor, per address and per chatbot, each with its own rate. And
//! how often signing in may be tried.
//!
//! The counts are this process's own and begin anew with it. Rates are those of the generic cell
//! rate algorithm: a minute's worth may come at once, then as it drains.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use okra_domain::error::Result;
use okra_domain::{ChatbotId, Clock, Error, ErrorKind};

/// After so many checks the keys that are at rest are dropped, so that memory follows those who ask
/// and not those who ever asked.
const SWEEP_EVERY: u32 = 1_024;

/// Rates a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Messages of one visitor.
    pub visitor_messages: NonZeroU32,
    /// Messages to one chatbot, from all visitors together.
    pub chatbot_messages: NonZeroU32,
    /// Requests of any kind from one address.
    pub address_requests: NonZeroU32,
    /// Visitors begun from one address.
    pub address_sessions: NonZeroU32,
    /// Images from one address.
    pub address_images: NonZeroU32,
}

/// The counts.
pub struct Limits {
    visitor_messages: Limiter<String>,
    chatbot_messages: Limiter<ChatbotId>,
    address_requests: Limiter<IpAddr>,
    address_sessions: Limiter<IpAddr>,
    address_images: Limiter<IpAddr>,
}

impl Limits {
    /// Nothing counted yet.
    pub fn new(rates: Rates, clock: &Clock) -> Self {
        Self {
            visitor_messages: Limiter::new(rates.visitor_messages, clock),
            chatbot_messages: Limiter::new(rates.chatbot_messages, clock),
            address_requests: Limiter::new(rates.address_requests, clock),
            address_sessions: Limiter::new(rates.address_sessions, clock),
            address_images: Limiter::new(rates.address_images, clock),
        }
    }

    /// Counts a request from an address.
    pub fn request(&self, address: IpAddr) -> Result<()> {
        let waiting = "Too many requests come from your network.";
        self.address_requests.count(&network(address), waiting)
    }

    /// Counts a visitor begun from an address.
    pub fn session(&self, address: IpAddr) -> Result<()> {
        let waiting = "Too many chats were begun from your network.";
        self.address_sessions.count(&network(address), waiting)
    }

    /// Counts an image from an address.
    pub fn image(&self, address: IpAddr) -> Result<()> {
        let waiting = "Too many images come from your network.";
        self.address_images.count(&network(address), waiting)
    }

    /// Counts a visitor's message to a chatbot. `visitor` tells visitors of all chatbots apart.
    pub fn message(&self, visitor: String, chatbot: ChatbotId) -> Result<()> {
        let waiting = "You are sending messages very fast.";
        self.visitor_messages.count(&visitor, waiting)?;
        let waiting = "This chat is very busy just now.";
        self.chatbot_messages.count(&chatbot, waiting)
    }
}

/// Attempts to sign in with one e-mail address that may come at once; then one a minute.
const EMAIL_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// The counts of attempts to sign in: whatever shows a password or a link's token.
pub struct SignInLimits {
    addresses: Limiter<IpAddr>,
    emails: Limiter<String>,
}

impl SignInLimits {
    /// Nothing counted yet. `address_attempts` are those of one address a minute.
    pub fn new(address_attempts: NonZeroU32, clock: &Clock) -> Self {
        // Ten at once, then one a minute: 1,450 guesses a day.
        let emails = Quota::per_minute(NonZeroU32::MIN).allow_burst(EMAIL_ATTEMPTS);
        Self {
            addresses: Limiter::new(address_attempts, clock),
            emails: Limiter::with(emails, clock),
        }
    }

    /// Counts an attempt from an address.
    pub fn attempt_from(&self, address: IpAddr) -> Result<()> {
        let waiting = "Too many attempts to sign in come from your network.";
        self.addresses.count(&network(address), waiting)
    }

    /// Counts an attempt for an e-mail address, known or not.
    pub fn attempt_for(&self, email: &str) -> Result<()> {
        let waiting = "Too many attempts to sign in with this e-mail address.";
        self.emails.count(&email.to_owned(), waiting)
    }
}

/// What one visitor's connection is told by: an IPv4 address, or the /64 network that an IPv6
/// customer is given whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::V6(octets.into())
        }
    }
}

struct Limiter<K: Hash + Eq + Clone> {
    counts: RateLimiter<K, HashMapStateStore<K>, Ticks, NoOpMiddleware<Nanos>>,
    clock: Ticks,
    checks: AtomicU32,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(a_minute: NonZeroU32, clock: &Clock) -> Self {
        Self::with(Quota::per_minute(a_minute), clock)
    }

    fn with(quota: Quota, clock: &Clock) -> Self {
        let clock = Ticks(clock.clone());
        Self {
            counts: RateLimiter::new(quota, HashMapStateStore::default(), clock.clone()),
            clock,
            checks: AtomicU32::new(0),
        }
    }

    fn count(&self, key: &K, waiting: &str) -> Result<()> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.counts.retain_recent();
            self.counts.shrink_to_fit();
        }
        let Err(early) = self.counts.check_key(key) else {
            return Ok(());
        };
        let wait = early.wait_time_from(self.clock.now());
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let message = format!("{waiting} Please try again in {} s.", seconds.max(1));
        let wait = Duration::from_secs(seconds.max(1));
        Err(Error::new(ErrorKind::RateLimited(wait), message))
    }
}

/// Our clock as the counts read it.
#[derive(Clone)]
struct Ticks(Clock);

impl governor::clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let micros = u64::try_from(self.0.now().0).unwrap_or(0);
        Nanos::new(micros.saturating_mul(1_000))
    }
}

#[cfg(test)]
mod tests {
    use okra_domain::Timestamp;

    use super::*;

    fn limits(clock: &Clock) -> Limits {
        let rate = |a_minute| NonZeroU32::new(a_minute).expect("not zero");
        let rates = Rates {
            visitor_messages: rate(2),
            chatbot_messages: rate(3),
            address_requests: rate(1_000),
            address_sessions: rate(60),
            address_images: rate(30),
        };
        Limits::new(rates, clock)
    }

    fn wait(result: Result<()>) -> Option<u64> {
        match result.err()?.kind {
            ErrorKind::RateLimited(wait) => Some(wait.as_secs()),
            kind => panic!("{kind:?}"),
        }
    }

    #[test]
    fn a_visitor_waits_as_long_as_it_is_told() {
        let clock = Clock::manual(Timestamp(1_000_000));
        let limits = limits(&clock);
        let bot = ChatbotId::new();
        let say = |visitor: &str| wait(limits.message(visitor.to_owned(), bot));
        assert_eq!(say("a"), None);
        assert_eq!(say("a"), None);
        assert_eq!(say("a"), Some(30));
        assert_eq!(say("b"), None, "another visitor has a count of its own");
        assert_eq!(say("b"), Some(20), "but the chatbot is the same");
        clock.advance(Duration::from_secs(30));
        assert_eq!(say("a"), None);
    }

    #[test]
    fn a_thousand_sessions_of_one_address_are_cut_short_and_forgotten() {
        let clock = Clock::manual(Timestamp(1_000_000));
        let limits = limits(&clock);
        let address: IpAddr = "203.0.113.9".parse().expect("an address");
        let begun = (0..1_000).filter(|_| limits.session(address).is_ok());
        assert_eq!(begun.count(), 60);
        let other: IpAddr = "203.0.113.10".parse().expect("an address");
        assert!(limits.session(other).is_ok());
        clock.advance(Duration::from_secs(120));
        assert!(limits.session(address).is_ok());
        for n in 0..4 * SWEEP_EVERY {
            let address = IpAddr::V4((0x0A00_0000 + n).into());
            clock.advance(Duration::from_secs(60));
            limits.session(address).expect("a first session");
        }
        assert!(limits.address_sessions.counts.len() <= SWEEP_EVERY as usize);
    }

    #[test]
    fn addresses_of_one_customer_count_together() {
        let check = |address: &str, expected: &str| {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(network(address).to_string(), expected);
        };
        check("203.0.113.9", "203.0.113.9");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        check("::ffff:203.0.113.9", "203.0.113.9");
    }
}
