//! Sources, their pages and their log on the wire.

use okra_domain::Timestamp;
use okra_domain::source::{
    Cadence, LogEvent, PageCounts, PageState, RunCounts, SourceKind, SourceOptions, SourceReport,
    SourceState,
};
use okra_store::sources::{LogEntry, SourcePage};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A source of knowledge.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceBody {
    /// Its id, which its knowledge items name as `source_id`.
    pub id: Uuid,
    /// The chatbot it belongs to.
    pub chatbot_id: Uuid,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// Where it is: a web address, a folder of the server, or `s3://BUCKET/PREFIX`.
    pub address: String,
    /// What is read of it.
    pub options: SourceOptions,
    /// How often it is read again.
    pub cadence: Cadence,
    /// How it stands.
    pub state: SourceState,
    /// Why its last sync failed, in a sentence.
    pub error: Option<String>,
    /// Its pages as they stand now.
    pub pages: PageCountsBody,
    /// Its last sync's number, from 1; 0 before the first.
    pub run: i64,
    /// What that sync did so far.
    pub done: RunCountsBody,
    /// Whether that sync left pages out because there were more than `options.max_pages`, or because a folder
    /// was too large or too deep to be looked through.
    pub limit_reached: bool,
    /// When that sync began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// When the next one begins; null where nothing is settled.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its settings last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// The pages of a source, counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageCountsBody {
    /// All that are known.
    pub total: i64,
    /// Those that the sync under way has still to ask for.
    pub pending: i64,
    /// Those that answer.
    pub ready: i64,
    /// Those that could not be read.
    pub failed: i64,
}

/// What a sync did, in pages.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunCountsBody {
    /// Read for the first time.
    pub added: i64,
    /// Read anew because their text changed.
    pub changed: i64,
    /// Found as they were.
    pub unchanged: i64,
    /// Gone, so that they answer no longer.
    pub retired: i64,
    /// Not readable.
    pub failed: i64,
}

impl From<SourceReport> for SourceBody {
    fn from(report: SourceReport) -> Self {
        let SourceReport { source, pages } = report;
        Self {
            id: source.id.0,
            chatbot_id: source.chatbot_id.0,
            kind: source.kind,
            name: source.name,
            address: source.address,
            options: source.options,
            cadence: source.cadence,
            state: source.state,
            error: source.error,
            pages: pages.into(),
            run: source.run,
            done: source.done.into(),
            limit_reached: source.limit_reached,
            started_at: source.started_at,
            finished_at: source.finished_at,
            next_at: source.next_at,
            created_at: source.created_at,
            updated_at: source.updated_at,
        }
    }
}

impl From<PageCounts> for PageCountsBody {
    fn from(pages: PageCounts) -> Self {
        Self {
            total: pages.total,
            pending: pages.pending,
            ready: pages.ready,
            failed: pages.failed,
        }
    }
}

impl From<RunCounts> for RunCountsBody {
    fn from(done: RunCounts) -> Self {
        Self {
            added: done.added,
            changed: done.changed,
            unchanged: done.unchanged,
            retired: done.retired,
            failed: done.failed,
        }
    }
}

/// A page of a source, or a file of a folder.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourcePageBody {
    /// Its number within the source.
    pub number: i64,
    /// Its web address, or its path within the folder.
    pub address: String,
    /// The title that it gave itself.
    pub title: Option<String>,
    /// How it stands.
    pub state: PageState,
    /// Why, where there is more to say.
    pub reason: Option<String>,
    /// Whether the sync under way has still to ask for it.
    pub pending: bool,
    /// Links from the source's first page.
    pub depth: u32,
    /// The knowledge item with its text; null where there is none.
    pub item_id: Option<Uuid>,
    /// When it was last found.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub seen_at: Option<Timestamp>,
}

impl From<SourcePage> for SourcePageBody {
    fn from(page: SourcePage) -> Self {
        Self {
            number: page.number,
            address: page.address,
            title: page.title,
            state: page.state,
            reason: page.reason,
            pending: page.pending,
            depth: page.depth,
            item_id: page.has_item.then_some(page.item_id.0),
            seen_at: page.seen_at,
        }
    }
}

/// A line of a source's log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogEntryBody {
    /// Its id.
    pub id: Uuid,
    /// The sync that noted it, from 1.
    pub run: i64,
    /// What happened: to a page `added`, `changed`, `retired` or `failed`; to the sync `finished`,
    /// `cancelled` or `broken`.
    pub event: LogEvent,
    /// The page's address; null where it happened to the sync.
    pub address: Option<String>,
    /// The page's title.
    pub title: Option<String>,
    /// What else there is to say: the reason, or the counts of a sync.
    pub detail: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<LogEntry> for LogEntryBody {
    fn from(entry: LogEntry) -> Self {
        Self {
            id: entry.id,
            run: entry.run,
            event: entry.event,
            address: entry.address,
            title: entry.title,
            detail: entry.detail,
            created_at: entry.created_at,
        }
    }
}
