//! Sources: sites, feeds, folders and buckets that are read whole and kept fresh. What is read from
//! one are ordinary knowledge items, which name it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chatbot::{at_most, merge};
use crate::error::{Error, Result};
use crate::knowledge::{MAX_TITLE_CHARS, MAX_URL_CHARS, words};
use crate::{ChatbotId, SourceId, Timestamp};

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A website: its sitemap, and the pages that it links.
    Site,
    /// An RSS, Atom or JSON feed: the pages of its entries.
    Feed,
    /// A folder of the server's, among those that the operator allowed.
    Folder,
    /// A part of an S3 bucket, among those that the operator allowed.
    Bucket,
}

impl SourceKind {
    /// Whether its pages are fetched over the web, each asked for anew; else one list of its files
    /// tells which of them changed.
    pub fn is_web(self) -> bool {
        matches!(self, Self::Site | Self::Feed)
    }
}

/// How often a source is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Cadence {
    /// Only when asked for.
    #[default]
    Manual,
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
}

impl Cadence {
    /// The time from one sync's beginning to the next one's; `None` where nobody asks.
    pub fn period(self) -> Option<Duration> {
        const HOUR: u64 = 60 * 60;
        match self {
            Self::Manual => None,
            Self::Hourly => Some(Duration::from_secs(HOUR)),
            Self::Daily => Some(Duration::from_secs(24 * HOUR)),
            Self::Weekly => Some(Duration::from_secs(7 * 24 * HOUR)),
        }
    }

    /// When a source whose last sync began then is due again, `now` being the present.
    pub fn next(self, began: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let period = self.period()?;
        let due = began.after(period);
        // One that took longer than its period rests for one.
        Some(if due > now { due } else { now.after(period) })
    }
}

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Its sync waits to begin.
    Waiting,
    /// It is being read.
    Syncing,
    /// Its last sync came to its end.
    Ready,
    /// Its last sync could not be done; `error` says why. What was read before keeps answering.
    Failed,
    /// Its last sync was stopped. What was read until then answers.
    Cancelled,
}

/// How a page of a source stands after it was last asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PageState {
    /// Found, and not asked for yet.
    New,
    /// Read: a knowledge item has its text.
    Ready,
    /// The same as another page: it has the same text, or names that one as the proper address.
    Duplicate,
    /// It leads on to another address.
    Moved,
    /// Left out: by robots.txt, or because it is nothing that shall be read. The reason says which.
    Excluded,
    /// It could not be read, for the reason given. What was read before keeps answering.
    Failed,
    /// It is not there. Gone at the next sync too, it is retired.
    Gone,
    /// Its knowledge item was deleted by hand; it is not read again.
    Removed,
}

/// What a sync noted about a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogEvent {
    /// A page was read for the first time.
    Added,
    /// A page's text changed.
    Changed,
    /// A page that is gone answers no longer.
    Retired,
    /// A page could not be read.
    Failed,
    /// The sync came to its end.
    Finished,
    /// The sync was stopped.
    Cancelled,
    /// The sync could not be done.
    Broken,
}

words!(SourceKind { Site = "site", Feed = "feed", Folder = "folder", Bucket = "bucket" });
words!(Cadence { Manual = "manual", Hourly = "hourly", Daily = "daily", Weekly = "weekly" });
words!(SourceState {
    Waiting = "waiting",
    Syncing = "syncing",
    Ready = "ready",
    Failed = "failed",
    Cancelled = "cancelled",
});
words!(PageState {
    New = "new",
    Ready = "ready",
    Duplicate = "duplicate",
    Moved = "moved",
    Excluded = "excluded",
    Failed = "failed",
    Gone = "gone",
    Removed = "removed",
});
words!(LogEvent {
    Added = "added",
    Changed = "changed",
    Retired = "retired",
    Failed = "failed",
    Finished = "finished",
    Cancelled = "cancelled",
    Broken = "broken",
});

/// Sources of one chatbot at most.
pub const MAX_SOURCES: i64 = 100;
/// Pages of one source at most, whatever its options say.
pub const MAX_PAGES: u32 = 10_000;
/// How far from its first page a site is followed at most.
pub const MAX_DEPTH: u32 = 20;
/// Patterns of one list at most.
pub const MAX_PATTERNS: usize = 50;
/// Characters of a pattern at most.
pub const MAX_PATTERN_CHARS: usize = 500;

/// What is read of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SourceOptions {
    /// Only paths that one of these matches; empty for all. `*` stands for any characters, `/` among
    /// them, `?` for one; without either a pattern names a path and all below it. At most 50.
    pub include: Vec<String>,
    /// No paths that one of these matches. At most 50.
    pub exclude: Vec<String>,
    /// Pages at most, 1 to 10,000.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10_000))]
    pub max_pages: u32,
    /// Links followed from a site's first page at most, 0 to 20.
    #[cfg_attr(feature = "openapi", schema(maximum = 20))]
    pub max_depth: u32,
    /// Whether documents that pages link, such as PDFs, are read too.
    pub documents: bool,
    /// Whether a site's sitemap is read.
    pub sitemap: bool,
    /// Whether pages are drawn by a browser first, so that what their scripts write is read too.
    pub render: bool,
}

impl Default for SourceOptions {
    /// 500 pages, five links deep, with the sitemap, without documents, as they are sent.
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            max_pages: 500,
            max_depth: 5,
            documents: false,
            sitemap: true,
            render: false,
        }
    }
}

impl SourceOptions {
    /// Checks every rule.
    fn check(&self) -> Result<()> {
        for (field, patterns) in [
            ("options.include", &self.include),
            ("options.exclude", &self.exclude),
        ] {
            if patterns.len() > MAX_PATTERNS {
                let problem = format!("at most {MAX_PATTERNS} patterns");
                return Err(Error::invalid_field(field, problem));
            }
            for pattern in patterns {
                if pattern.trim().is_empty() {
                    return Err(Error::invalid_field(field, "a pattern must not be empty"));
                }
                at_most(field, pattern, MAX_PATTERN_CHARS)?;
            }
        }
        if self.max_pages == 0 || self.max_pages > MAX_PAGES {
            let problem = format!("must be from 1 to {MAX_PAGES}");
            return Err(Error::invalid_field("options.max_pages", problem));
        }
        if self.max_depth > MAX_DEPTH {
            let problem = format!("must be from 0 to {MAX_DEPTH}");
            return Err(Error::invalid_field("options.max_depth", problem));
        }
        Ok(())
    }
}

/// A source of a chatbot.
#[derive(Debug, Clone, PartialEq)]
pub struct KnowledgeSource {
    /// Its id.
    pub id: SourceId,
    /// Whose knowledge it feeds.
    pub chatbot_id: ChatbotId,
    /// What it is.
    pub kind: SourceKind,
    /// Its name for people.
    pub name: String,
    /// Where it is: a web address, a folder's path, or `s3://BUCKET/PREFIX`.
    pub address: String,
    /// What is read of it.
    pub options: SourceOptions,
    /// How often it is read again.
    pub cadence: Cadence,
    /// How it stands.
    pub state: SourceState,
    /// Why its last sync failed, for the person who added it.
    pub error: Option<String>,
    /// Its last sync's number, from 1; zero before the first.
    pub run: i64,
    /// What that sync did.
    pub done: RunCounts,
    /// Whether that sync left pages out because there were too many.
    pub limit_reached: bool,
    /// When that sync began.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it goes on.
    pub finished_at: Option<Timestamp>,
    /// When it is read again, where that is settled.
    pub next_at: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its settings last changed.
    pub updated_at: Timestamp,
}

/// What a sync did so far, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunCounts {
    /// Read for the first time.
    pub added: i64,
    /// Read anew because their text changed.
    pub changed: i64,
    /// Found as they were.
    pub unchanged: i64,
    /// Gone for good.
    pub retired: i64,
    /// Not readable.
    pub failed: i64,
}

/// A source with how far it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceReport {
    /// The source.
    pub source: KnowledgeSource,
    /// Its pages.
    pub pages: PageCounts,
}

/// The pages of a source, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageCounts {
    /// All that are known.
    pub total: i64,
    /// Those that the sync under way has still to ask for.
    pub pending: i64,
    /// Those that answer.
    pub ready: i64,
    /// Those that could not be read.
    pub failed: i64,
}

impl KnowledgeSource {
    /// A new source, waiting for its first sync. What its address has to be is its kind's matter,
    /// and checked by the engine.
    pub fn new(chatbot_id: ChatbotId, new: NewSource, now: Timestamp) -> Result<Self> {
        let address = new.address.trim().to_owned();
        if address.is_empty() {
            return Err(Error::invalid_field("address", "must not be empty"));
        }
        at_most("address", &address, MAX_URL_CHARS)?;
        let source = Self {
            id: SourceId::new(),
            chatbot_id,
            kind: new.kind,
            name: address.chars().take(MAX_TITLE_CHARS).collect(),
            address,
            options: SourceOptions::default(),
            cadence: Cadence::default(),
            state: SourceState::Waiting,
            error: None,
            run: 0,
            done: RunCounts::default(),
            limit_reached: false,
            started_at: None,
            finished_at: None,
            next_at: None,
            created_at: now,
            updated_at: now,
        };
        source.changed(new.change, now)
    }

    /// This source with `change` applied.
    pub fn changed(&self, change: SourceChange, now: Timestamp) -> Result<Self> {
        let mut next = self.clone();
        if let Some(name) = change.name {
            next.name = parse_name(&name)?;
        }
        if let Some(patch) = change.options {
            next.options = merge("options", &next.options, &patch)?;
        }
        next.options.check()?;
        next.cadence = change.cadence.unwrap_or(next.cadence);
        next.updated_at = now;
        Ok(next)
    }
}

fn parse_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::invalid_field("name", "must not be empty"));
    }
    at_most("name", name, MAX_TITLE_CHARS)?;
    if name.chars().any(char::is_control) {
        return Err(Error::invalid_field("name", "must be a single line"));
    }
    Ok(name.to_owned())
}

/// A source to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSource {
    /// What it is.
    pub kind: SourceKind,
    /// Where it is.
    pub address: String,
    /// Everything else, over the defaults.
    pub change: SourceChange,
}

/// What may be changed of a source; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceChange {
    /// A new name.
    pub name: Option<String>,
    /// A merge patch of the options.
    pub options: Option<serde_json::Value>,
    /// A new cadence.
    pub cadence: Option<Cadence>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(options: serde_json::Value) -> Result<KnowledgeSource> {
        let new = NewSource {
            kind: SourceKind::Site,
            address: " https://example.com/ ".to_owned(),
            change: SourceChange {
                options: Some(options),
                ..SourceChange::default()
            },
        };
        KnowledgeSource::new(ChatbotId::new(), new, Timestamp(1))
    }

    #[test]
    fn options_are_merged_over_the_defaults() {
        let source = made(json!({"include": ["/docs"], "max_pages": 20})).expect("valid");
        assert_eq!(source.address, "https://example.com/");
        assert_eq!(source.name, source.address);
        assert_eq!(source.options.include, ["/docs"]);
        assert_eq!(
            (source.options.max_pages, source.options.max_depth),
            (20, 5)
        );
    }

    #[test]
    fn every_option_has_its_limit() {
        let check = |options, field: &str| {
            let error = made(options).expect_err("out of range");
            assert_eq!(error.details[0].field, field, "{error}");
        };
        check(json!({"max_pages": 0}), "options.max_pages");
        check(json!({"max_pages": 10_001}), "options.max_pages");
        check(json!({"max_depth": 21}), "options.max_depth");
        check(json!({"max_depth": "deep"}), "options.max_depth");
        check(json!({"include": [" "]}), "options.include");
        check(json!({"exclude": ["x".repeat(501)]}), "options.exclude");
        check(json!({"exclude": vec!["/a"; 51]}), "options.exclude");
        check(json!({"colour": "red"}), "options.colour");
    }

    #[test]
    fn a_sync_that_took_longer_than_its_period_rests_for_one() {
        let hour = 60 * 60 * 1_000_000;
        let check = |cadence: Cadence, now, expected: Option<i64>| {
            let next = cadence.next(Timestamp(0), Timestamp(now));
            assert_eq!(next, expected.map(Timestamp));
        };
        check(Cadence::Manual, 5, None);
        check(Cadence::Hourly, 5, Some(hour));
        check(Cadence::Hourly, hour, Some(2 * hour));
        check(Cadence::Weekly, 5, Some(7 * 24 * hour));
    }
}
