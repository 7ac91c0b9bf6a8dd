//! Time as the product speaks it, and the clock that tells it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// A moment: microseconds since the Unix epoch, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

const MICROS_A_DAY: i64 = 24 * 60 * 60 * 1_000_000;

impl Timestamp {
    /// The moment `duration` after this one.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// The moment `duration` before this one.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// The moment that RFC 3339 text names, such as `2025-01-22T04:30:45Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self(time.timestamp_micros()))
    }

    /// The beginning of a day in UTC, such as `2025-01-22`.
    pub fn parse_day(text: &str) -> Option<Self> {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        let beginning = day.and_time(NaiveTime::MIN).and_utc();
        Some(Self(beginning.timestamp_micros()))
    }

    /// The day in UTC, such as `2025-01-22`.
    pub fn day(self) -> String {
        let time = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        time.format("%Y-%m-%d").to_string()
    }

    /// The number of the day in UTC, counted from the Unix epoch.
    pub fn day_number(self) -> i64 {
        self.0.div_euclid(MICROS_A_DAY)
    }

    /// The beginning of the day in UTC.
    pub fn midnight(self) -> Self {
        Self(self.day_number() * MICROS_A_DAY)
    }

    /// The beginning of the month in UTC.
    pub fn month(self) -> Self {
        let time = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        let first = time.date_naive().with_day(1).unwrap_or_default();
        Self(first.and_time(NaiveTime::MIN).and_utc().timestamp_micros())
    }

    /// The time from `earlier` to this moment; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 with microseconds and a numeric offset: `2025-01-22T04:30:45.790337+00:00`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, false))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Tells the time: the system's, or in tests one that moves only when told to.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it. Clones share the time.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.0))))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp(Utc::now().timestamp_micros()),
            Source::Manual(micros) => Timestamp(micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward. The system's clock is left alone.
    pub fn advance(&self, duration: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(micros(duration), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_microseconds_and_a_numeric_offset() {
        let check = |micros, expected: &str| assert_eq!(Timestamp(micros).to_string(), expected);
        check(1_737_520_245_790_337, "2025-01-22T04:30:45.790337+00:00");
        check(0, "1970-01-01T00:00:00.000000+00:00");
    }

    #[test]
    fn moments_and_days_are_read_as_written() {
        let moment = Timestamp::parse("2025-01-22T13:30:45.790337+09:00");
        assert_eq!(moment, Some(Timestamp(1_737_520_245_790_337)));
        let day = Timestamp::parse_day("2025-01-22").expect("a day");
        assert_eq!(day.to_string(), "2025-01-22T00:00:00.000000+00:00");
        let moment = moment.expect("a moment");
        assert_eq!(moment.day(), "2025-01-22");
        assert_eq!((moment.midnight(), moment.day_number()), (day, 20_110));
        assert_eq!(Some(moment.month()), Timestamp::parse_day("2025-01-01"));
        for odd in ["", "2025-13-01", "yesterday", "2025-01-22 04:30"] {
            assert_eq!(
                (Timestamp::parse(odd), Timestamp::parse_day(odd)),
                (None, None)
            );
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp(5));
        let shared = clock.clone();
        assert_eq!(shared.now(), Timestamp(5));
        clock.advance(Duration::from_micros(7));
        assert_eq!(shared.now(), Timestamp(12));
    }
}
