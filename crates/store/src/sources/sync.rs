//! A sync, step by step. Each step is one transaction that is written only while the job's lease
//! holds: page, item, chunks, what the page names, and the log belong together, so a server that is
//! killed anywhere leaves pages that are still to be asked for, and nothing half done.

mod found;
mod outcome;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::Item;
use okra_domain::source::{KnowledgeSource, LogEvent, PageState, SourceState};
use okra_domain::{ErrorKind, SourceId, Timestamp};

use super::{NewEntry, SourcePage, note, read_page, read_report, schedule, select};
use crate::Store;
use crate::crash::{self, Point};
use crate::db::{Row, Tx, params, to_json};
use crate::jobs::{self, Job};
use crate::knowledge::{self, Ingested};
use found::{Pages, add_found, left_unsaid};
use outcome::{Signature, Step, retire};

/// Syncs whose log is kept.
const KEPT_RUNS: i64 = 50;

/// A page that another one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its address.
    pub address: String,
    /// Whether it is read for what it names alone.
    pub is_list: bool,
    /// Links from the source's first page.
    pub depth: u32,
    /// Redirects, and pages that name another as the proper one, that led to it.
    pub hops: u32,
    /// What tells this version from another, where a list says so: a page of the same version is
    /// not asked for.
    pub version: Option<String>,
}

/// What asking for a page came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// What became of it.
    pub outcome: Outcome,
    /// The pages that it names; `None` where they are those of the last time.
    pub found: Option<Vec<Found>>,
    /// Its `ETag`, or what else tells this version from another.
    pub etag: Option<String>,
    /// Its `Last-Modified` as sent.
    pub last_modified: Option<String>,
    /// SHA-256 of its bytes, in hex.
    pub body_hash: Option<String>,
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It has a text that is new: the item to hold it, its chunks, and the text's hash.
    Read(Box<Item>, Box<Ingested>, String),
    /// It is as it was.
    Same,
    /// It was read for what it names alone; where it had an item, that goes.
    Listed,
    /// The same, but there was more than is read: what it named before and names no longer counts as named
    /// still, since nobody knows.
    ListedInPart,
    /// It has the text of the page of this number.
    Twin(i64),
    /// It names this page as its proper address.
    Canonical(Found),
    /// It leads on to this page.
    Moved(Found),
    /// It shall not be read, for this reason; where it had an item, that goes.
    Excluded(String),
    /// It answers with what is not read here, for this reason. That may be for a day, so an item that it had
    /// stays until it was so in two syncs in a row.
    Strayed(String),
    /// It cannot be read, for this reason.
    Failed(String),
    /// It is not there.
    Gone,
    /// It is to be asked for again at this time; the reason tells why it was in vain.
    Later(Timestamp, String),
    /// It was not asked for, since its site is to be left alone until this time: that was no try.
    Wait(Timestamp),
}

/// The next page of a sync.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// This one.
    Page(Box<SourcePage>),
    /// None before this time.
    Wait(Timestamp),
    /// All were asked for.
    Nothing,
    /// The sync is no longer the caller's: cancelled, deleted, or another worker's.
    Lost,
}

/// A page as the graph of a source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageNode {
    /// Its number.
    pub number: i64,
    /// Whether it is a list.
    pub is_list: bool,
    /// How it stands.
    pub state: PageState,
    /// Links from the first page; zero is the first page.
    pub depth: u32,
    /// The page that it repeats or leads to.
    pub twin: Option<i64>,
    /// Syncs in a row that did not find it.
    pub missed: i64,
    /// Whether its item is there.
    pub has_item: bool,
    /// The pages that it names.
    pub links: Vec<i64>,
}

/// How a sync ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resting {
    /// Pages whose count of syncs that missed them is another now.
    pub missed: Vec<(i64, i64)>,
    /// Pages that are forgotten, with their items.
    pub retired: Vec<i64>,
    /// Pages whose text is another page's, or that answer with nothing that is read: their items go, and they
    /// stay known.
    pub replaced: Vec<i64>,
    /// Why the sync came to nothing, where it did.
    pub error: Option<String>,
}

impl Store {
    /// The source that a job reads, with its chatbot; `None` where either is gone.
    pub async fn source_of(
        &self,
        job: &Job,
        id: SourceId,
    ) -> Result<Option<(Chatbot, KnowledgeSource)>> {
        let chatbot = match self.chatbot(job.organization_id, job.chatbot_id).await {
            Ok(chatbot) => chatbot,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.source(&chatbot, id).await {
            Ok(report) => Ok(Some((chatbot, report.source))),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins the source's next sync at these pages. Every known page of a website is asked for
    /// again, of folders the lists are. `false` where the job is no longer the caller's.
    pub async fn begin_sync(
        &self,
        job: &Job,
        source: &KnowledgeSource,
        roots: &[Found],
    ) -> Result<bool> {
        let now = self.clock.now();
        let Some(mut tx) = self.held(job).await? else {
            return Ok(false);
        };
        let sql = "UPDATE sources SET state = 'syncing', error = NULL, run = run + 1, added = 0, \
                   changed = 0, unchanged = 0, retired = 0, failed = 0, limit_reached = FALSE, \
                   started_at = $1, finished_at = NULL WHERE id = $2";
        tx.execute(sql, params![now, source.id.0]).await?;
        let mut pages = Pages::of(&mut tx, source).await?;
        pages.add(&mut tx, roots, true, now).await?;
        let sql = match source.kind.is_web() {
            true => {
                "UPDATE source_pages SET pending = TRUE, due_at = $1, attempts = 0 \
                 WHERE source_id = $2 AND state <> 'removed'"
            }
            false => {
                "UPDATE source_pages SET pending = TRUE, due_at = $1, attempts = 0 \
                 WHERE source_id = $2 AND (is_list OR state IN ('failed', 'new', 'excluded'))"
            }
        };
        tx.execute(sql, params![now, source.id.0]).await?;
        tx.commit().await?;
        crash::pass(Point::CrawlBegun);
        self.tell_source(job.organization_id, job.chatbot_id, source.id);
        Ok(true)
    }

    /// Takes the next page that is to be asked for: lists first, then what is nearest to the first
    /// page. A page that was taken is counted as tried, whatever happens to its taker.
    pub async fn take_page(&self, job: &Job, id: SourceId) -> Result<Taken> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if !jobs::is_held(&mut tx, job).await? {
            return Ok(Taken::Lost);
        }
        let sql = "UPDATE source_pages SET attempts = attempts + 1 WHERE source_id = $1 \
                   AND number = (SELECT number FROM source_pages WHERE source_id = $1 AND pending \
                   AND due_at <= $2 ORDER BY is_list DESC, depth, number LIMIT 1) \
                   RETURNING *, EXISTS (SELECT 1 FROM knowledge_items i \
                   WHERE i.id = source_pages.item_id) AS has_item";
        if let Some(row) = tx.fetch_optional(sql, params![id.0, now]).await? {
            let page = read_page(&row)?;
            tx.commit().await?;
            crash::pass(Point::CrawlTaken);
            return Ok(Taken::Page(Box::new(page)));
        }
        let sql = "SELECT due_at FROM source_pages WHERE source_id = $1 AND pending \
                   ORDER BY due_at LIMIT 1";
        match tx.fetch_optional(sql, params![id.0]).await? {
            Some(row) => Ok(Taken::Wait(row.time("due_at")?)),
            None => Ok(Taken::Nothing),
        }
    }

    /// Puts a page back as if it had not been taken.
    pub async fn put_page_back(&self, id: SourceId, page: &SourcePage) -> Result<()> {
        let sql = "UPDATE source_pages SET attempts = attempts - 1 \
                   WHERE source_id = $1 AND number = $2 AND pending AND attempts > 0";
        let values = params![id.0, page.number];
        self.db.execute(sql, values).await.map(|_| ())
    }

    /// The number of another page of the source that answers with a text of this hash.
    pub async fn page_with_text(
        &self,
        source: &KnowledgeSource,
        text_hash: &str,
        other_than: i64,
    ) -> Result<Option<i64>> {
        let sql = "SELECT number FROM source_pages WHERE source_id = $1 AND text_hash = $2 \
                   AND number <> $3 AND state = 'ready' ORDER BY number LIMIT 1";
        let values = params![source.id.0, text_hash, other_than];
        let row = self.db.fetch_optional(sql, values).await?;
        row.map(|row| row.get("number")).transpose()
    }

    /// How the source's page at this address stands, and whether it is still to be asked for.
    pub async fn page_state(
        &self,
        source: &KnowledgeSource,
        address: &str,
    ) -> Result<Option<(PageState, bool)>> {
        let sql = "SELECT state, pending FROM source_pages WHERE source_id = $1 AND address = $2";
        let values = params![source.id.0, address];
        match self.db.fetch_optional(sql, values).await? {
            Some(row) => Ok(Some((row.word("state")?, row.get("pending")?))),
            None => Ok(None),
        }
    }

    /// Why a page of the chatbot's source stands as it does, where there is more to say.
    pub async fn page_reason(
        &self,
        chatbot: &Chatbot,
        id: SourceId,
        number: i64,
    ) -> Result<Option<String>> {
        let sql = "SELECT p.reason FROM source_pages p JOIN sources s ON s.id = p.source_id \
                   WHERE s.chatbot_id = $1 AND s.id = $2 AND p.number = $3";
        let values = params![chatbot.id.0, id.0, number];
        match self.db.fetch_optional(sql, values).await? {
            Some(row) => row.get("reason"),
            None => Ok(None),
        }
    }

    /// Keeps what asking for a page came to. `false` where the job is no longer the caller's, and
    /// nothing was written.
    pub async fn keep_visit(
        &self,
        job: &Job,
        source: &KnowledgeSource,
        page: &SourcePage,
        visit: Visit,
    ) -> Result<bool> {
        let now = self.clock.now();
        let Some(mut tx) = self.held(job).await? else {
            return Ok(false);
        };
        if let Some(found) = &visit.found {
            let mut numbers = add_found(&mut tx, source, found, now).await?;
            if visit.outcome == Outcome::ListedInPart {
                numbers.extend(left_unsaid(&mut tx, source, page, &numbers).await?);
            }
            let sql = "UPDATE source_pages SET links = $1 WHERE source_id = $2 AND number = $3";
            let values = params![to_json(&numbers)?, source.id.0, page.number];
            tx.execute(sql, values).await?;
        }
        let sign = Signature {
            etag: visit.etag,
            last_modified: visit.last_modified,
            body_hash: visit.body_hash,
        };
        let step = Step { job, source, page };
        let changed = self.apply(&mut tx, step, visit.outcome, sign).await?;
        crash::pass(Point::VisitOpen);
        tx.commit().await?;
        crash::pass(Point::VisitDone);
        self.tell_source(job.organization_id, job.chatbot_id, source.id);
        if changed {
            self.tell_item(job.organization_id, job.chatbot_id, page.item_id);
        }
        Ok(true)
    }

    /// Gives the job back, to go on with the source at a time.
    pub async fn continue_sync(&self, job: &Job, at: Timestamp) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let held = jobs::go_on(&mut tx, job, at).await?;
        tx.commit().await?;
        Ok(held)
    }

    /// The source's pages and what they name.
    pub async fn page_graph(&self, source: &KnowledgeSource) -> Result<Vec<PageNode>> {
        let sql = "SELECT number, is_list, state, depth, twin, missed, links, \
                   EXISTS (SELECT 1 FROM knowledge_items i WHERE i.id = item_id) AS has_item \
                   FROM source_pages WHERE source_id = $1 ORDER BY number";
        let rows = self.db.fetch_all(sql, params![source.id.0]).await?;
        rows.iter().map(read_node).collect()
    }

    /// Ends a sync, and puts the next one at its time. `false` where the job is no longer the
    /// caller's.
    pub async fn end_sync(
        &self,
        job: &Job,
        chatbot: &Chatbot,
        source: &KnowledgeSource,
        resting: Resting,
    ) -> Result<bool> {
        let now = self.clock.now();
        let Some(mut tx) = self.held(job).await? else {
            return Ok(false);
        };
        let sql = "UPDATE source_pages SET missed = $1 WHERE source_id = $2 AND number = $3";
        for (number, missed) in &resting.missed {
            tx.execute(sql, params![*missed, source.id.0, *number])
                .await?;
        }
        let mut gone = Vec::new();
        for number in &resting.replaced {
            gone.extend(retire(&mut tx, job, source, *number, now).await?);
        }
        for number in &resting.retired {
            gone.extend(retire(&mut tx, job, source, *number, now).await?);
            let sql = "DELETE FROM source_pages WHERE source_id = $1 AND number = $2";
            tx.execute(sql, params![source.id.0, *number]).await?;
        }
        finish(&mut tx, chatbot, source, resting.error, now).await?;
        crash::pass(Point::CrawlEndOpen);
        tx.commit().await?;
        crash::pass(Point::CrawlEnded);
        self.tell_source(job.organization_id, job.chatbot_id, source.id);
        for item in gone {
            self.tell_item(job.organization_id, job.chatbot_id, item);
        }
        Ok(true)
    }

    /// A transaction that holds the chatbot and the job; `None` where the job is no longer the
    /// caller's.
    async fn held(&self, job: &Job) -> Result<Option<Tx>> {
        let mut tx = self.db.begin().await?;
        knowledge::lock_chatbot(&mut tx, job.chatbot_id).await?;
        let held = jobs::is_held(&mut tx, job).await?;
        Ok(held.then_some(tx))
    }
}

/// Puts the source to rest, notes how the sync went, and forgets the oldest one's log.
async fn finish(
    tx: &mut Tx,
    chatbot: &Chatbot,
    source: &KnowledgeSource,
    error: Option<String>,
    now: Timestamp,
) -> Result<()> {
    let state = match error {
        None => SourceState::Ready,
        Some(_) => SourceState::Failed,
    };
    let sql = "UPDATE sources SET state = $1, error = $2, finished_at = $3 WHERE id = $4";
    let values = params![state.as_str(), error.clone(), now, source.id.0];
    tx.execute(sql, values).await?;
    let sql = "UPDATE source_pages SET pending = FALSE WHERE source_id = $1 AND pending";
    tx.execute(sql, params![source.id.0]).await?;
    let sql = select!("WHERE s.id = $1");
    let Some(row) = tx.fetch_optional(sql, params![source.id.0]).await? else {
        return Ok(());
    };
    let ended = read_report(&row)?.source;
    let entry = match error {
        None => {
            let done = ended.done;
            let detail = format!(
                "{} added, {} changed, {} unchanged, {} retired, {} failed",
                done.added, done.changed, done.unchanged, done.retired, done.failed
            );
            NewEntry {
                detail: Some(detail),
                ..NewEntry::of(LogEvent::Finished)
            }
        }
        error => NewEntry {
            detail: error,
            ..NewEntry::of(LogEvent::Broken)
        },
    };
    note(tx, &ended, entry, now).await?;
    let sql = "DELETE FROM source_log WHERE source_id = $1 AND run <= $2";
    tx.execute(sql, params![source.id.0, ended.run - KEPT_RUNS])
        .await?;
    schedule(tx, chatbot, &ended, now).await
}

fn read_node(row: &Row) -> Result<PageNode> {
    let depth: i64 = row.get("depth")?;
    Ok(PageNode {
        number: row.get("number")?,
        is_list: row.get("is_list")?,
        state: row.word("state")?,
        depth: u32::try_from(depth).unwrap_or(u32::MAX),
        twin: row.get("twin")?,
        missed: row.get("missed")?,
        has_item: row.get("has_item")?,
        links: row.json("links")?,
    })
}
