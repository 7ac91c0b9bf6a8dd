//! Sources: what of the outside a chatbot reads whole and keeps fresh.
//!
//! A source's job stands for the sync under way, or for the next one at its time; its lease says who
//! may write. Cancelling takes the job away, so nothing that was under way is written after that.

mod arrival;
mod listing;
mod sync;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::Item;
use okra_domain::source::{
    Cadence, KnowledgeSource, LogEvent, MAX_SOURCES, PageState, RunCounts, SourceReport,
    SourceState,
};
use okra_domain::{ChatbotId, Error, ErrorKind, ItemId, OrganizationId, SourceId, Timestamp};
use uuid::Uuid;

pub(crate) use arrival::insert_arriving;
pub use arrival::{ArrivingPage, ArrivingSource};
pub use listing::PageFilter;
pub use sync::{Found, Outcome, PageNode, Resting, Taken, Visit};

use crate::Store;
use crate::db::{Row, Tx, is_unique_violation, params, to_json};
use crate::events::Change;
use crate::jobs;
use crate::knowledge;

/// What is known of a page of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcePage {
    /// Its number within the source.
    pub number: i64,
    /// Whether it is read for what it names alone: a sitemap, a feed, a folder's list.
    pub is_list: bool,
    /// Its address, or its path within a folder or bucket.
    pub address: String,
    /// The item that has its text, once it was read.
    pub item_id: ItemId,
    /// Whether that item is there.
    pub has_item: bool,
    /// How it stands.
    pub state: PageState,
    /// Why, where there is more to say.
    pub reason: Option<String>,
    /// The title that it gave itself when it was last read.
    pub title: Option<String>,
    /// Whether the sync under way has still to ask for it.
    pub pending: bool,
    /// How often it was asked for without an end, this time included.
    pub attempts: i64,
    /// Links from the source's first page.
    pub depth: u32,
    /// Redirects, and pages that name another as the proper one, that led to it.
    pub hops: u32,
    /// Its `ETag`, or the version of a file as it was read.
    pub etag: Option<String>,
    /// The version that the list of its folder named last.
    pub version: Option<String>,
    /// Its `Last-Modified` as sent.
    pub last_modified: Option<String>,
    /// SHA-256 of its bytes, in hex.
    pub body_hash: Option<String>,
    /// SHA-256 of its text, in hex.
    pub text_hash: Option<String>,
    /// When it was last found.
    pub seen_at: Option<Timestamp>,
}

/// A line of a source's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Its id.
    pub id: Uuid,
    /// The sync that noted it, from 1.
    pub run: i64,
    /// What happened.
    pub event: LogEvent,
    /// To which page; `None` where it happened to the sync.
    pub address: Option<String>,
    /// That page's title.
    pub title: Option<String>,
    /// What else there is to say.
    pub detail: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.*, (SELECT j.run_at FROM jobs j WHERE j.source_id = s.id) AS next_at, \
             (SELECT COUNT(*) FROM source_pages p WHERE p.source_id = s.id AND NOT p.is_list) \
             AS pages, \
             (SELECT COUNT(*) FROM source_pages p WHERE p.source_id = s.id AND NOT p.is_list \
             AND p.pending) AS pages_pending, \
             (SELECT COUNT(*) FROM source_pages p WHERE p.source_id = s.id AND NOT p.is_list \
             AND p.state = 'ready') AS pages_ready, \
             (SELECT COUNT(*) FROM source_pages p WHERE p.source_id = s.id AND NOT p.is_list \
             AND p.state = 'failed') AS pages_failed \
             FROM sources s ",
            $rest
        )
    };
}
use select;

impl Store {
    /// Adds a source and asks for its first sync. Fails as a conflict where the chatbot has a source
    /// of this kind at this address, or as many as it may have.
    pub async fn add_source(
        &self,
        chatbot: &Chatbot,
        source: KnowledgeSource,
    ) -> Result<SourceReport> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        knowledge::lock_chatbot(&mut tx, chatbot.id).await?;
        let sql = "SELECT COUNT(*) AS count FROM sources WHERE chatbot_id = $1";
        let row = tx.fetch_optional(sql, params![chatbot.id.0]).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.get("count"))?;
        if count >= MAX_SOURCES {
            let message = format!("A chatbot has {MAX_SOURCES} sources at most; delete one first.");
            return Err(Error::new(ErrorKind::Conflict, message).coded("too_many_sources"));
        }
        insert(&mut tx, &source).await?;
        jobs::sync(&mut tx, chatbot, source.id, now, now).await?;
        tx.commit().await?;
        self.tell_source(chatbot.organization_id, chatbot.id, source.id);
        self.source(chatbot, source.id).await
    }

    /// The chatbot's source of this id.
    pub async fn source(&self, chatbot: &Chatbot, id: SourceId) -> Result<SourceReport> {
        let sql = select!("WHERE s.id = $1 AND s.chatbot_id = $2");
        match self
            .db
            .fetch_optional(sql, params![id.0, chatbot.id.0])
            .await?
        {
            Some(row) => read_report(&row),
            None => Err(Error::not_found("source")),
        }
    }

    /// Changes a source's settings: `change` gets it as it is, locked, and gives it as it shall be.
    /// Other options count from the next page on.
    pub async fn update_source(
        &self,
        chatbot: &Chatbot,
        id: SourceId,
        change: impl FnOnce(&KnowledgeSource) -> Result<KnowledgeSource> + Send,
    ) -> Result<SourceReport> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let current = lock(&mut tx, chatbot, id).await?;
        let next = change(&current)?;
        let sql = "UPDATE sources SET name = $1, options = $2, cadence = $3, updated_at = $4 \
                   WHERE id = $5";
        let values = params![
            next.name.as_str(),
            to_json(&next.options)?,
            next.cadence.as_str(),
            next.updated_at,
            id.0,
        ];
        tx.execute(sql, values).await?;
        if next.options != current.options {
            // Other pages and links are wanted now, whether or not anything changed meanwhile; what
            // has the same text still costs no more than being looked at.
            let sql = "UPDATE source_pages SET etag = NULL, last_modified = NULL, \
                       body_hash = NULL WHERE source_id = $1";
            tx.execute(sql, params![id.0]).await?;
        }
        if next.cadence != current.cadence && !is_due(&current) {
            schedule(&mut tx, chatbot, &next, now).await?;
        }
        tx.commit().await?;
        self.tell_source(chatbot.organization_id, chatbot.id, id);
        self.source(chatbot, id).await
    }

    /// Asks for a source to be read now. One that waits or is being read is left to it.
    pub async fn sync_source(&self, chatbot: &Chatbot, id: SourceId) -> Result<SourceReport> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let current = lock(&mut tx, chatbot, id).await?;
        if !is_due(&current) {
            let sql = "UPDATE sources SET state = 'waiting', error = NULL WHERE id = $1";
            tx.execute(sql, params![id.0]).await?;
            jobs::sync(&mut tx, chatbot, id, now, now).await?;
        }
        tx.commit().await?;
        self.tell_source(chatbot.organization_id, chatbot.id, id);
        self.source(chatbot, id).await
    }

    /// Stops a sync that waits or is under way: it writes nothing more. What was read answers, and
    /// the next sync comes at its time. Without one there is nothing to stop, which is fine.
    pub async fn cancel_source(&self, chatbot: &Chatbot, id: SourceId) -> Result<SourceReport> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let current = lock(&mut tx, chatbot, id).await?;
        if is_due(&current) {
            let sql = "UPDATE sources SET state = 'cancelled', finished_at = $1 WHERE id = $2";
            tx.execute(sql, params![now, id.0]).await?;
            let sql = "UPDATE source_pages SET pending = FALSE WHERE source_id = $1 AND pending";
            tx.execute(sql, params![id.0]).await?;
            if current.state == SourceState::Syncing {
                let entry = NewEntry::of(LogEvent::Cancelled);
                note(&mut tx, &current, entry, now).await?;
            }
            schedule(&mut tx, chatbot, &current, now).await?;
        }
        tx.commit().await?;
        self.tell_source(chatbot.organization_id, chatbot.id, id);
        self.source(chatbot, id).await
    }

    /// Deletes a source with all that was read of it, which answers nobody from now on.
    pub async fn delete_source(&self, chatbot: &Chatbot, id: SourceId) -> Result<SourceReport> {
        let now = self.clock.now();
        let report = self.source(chatbot, id).await?;
        let mut tx = self.db.begin().await?;
        lock(&mut tx, chatbot, id).await?;
        jobs::forget_sync(&mut tx, id).await?;
        let items = items_of(&mut tx, id).await?;
        for item in &items {
            knowledge::remove(&mut tx, chatbot.into(), item, now).await?;
        }
        let sql = "DELETE FROM sources WHERE id = $1";
        tx.execute(sql, params![id.0]).await?;
        tx.commit().await?;
        self.tell_source(chatbot.organization_id, chatbot.id, id);
        for item in &items {
            self.tell_item(chatbot.organization_id, chatbot.id, item.id);
        }
        Ok(report)
    }

    pub(crate) fn tell_source(
        &self,
        organization: OrganizationId,
        chatbot: ChatbotId,
        source: SourceId,
    ) {
        let change = Change::Source(chatbot, source);
        self.events.tell(organization, change);
    }
}

/// Whether a source waits for a sync to begin at once, or is in the middle of one.
fn is_due(source: &KnowledgeSource) -> bool {
    matches!(source.state, SourceState::Waiting | SourceState::Syncing)
}

/// Puts the next sync at its time; none where nobody wants one.
async fn schedule(
    tx: &mut Tx,
    chatbot: &Chatbot,
    source: &KnowledgeSource,
    now: Timestamp,
) -> Result<()> {
    let began = source.started_at.unwrap_or(now);
    match source.cadence.next(began, now) {
        Some(at) => jobs::sync(tx, chatbot, source.id, at, now).await,
        None => jobs::forget_sync(tx, source.id).await,
    }
}

async fn insert(tx: &mut Tx, source: &KnowledgeSource) -> Result<()> {
    let sql = "INSERT INTO sources (id, chatbot_id, kind, name, address, options, cadence, state, \
               run, added, changed, unchanged, retired, failed, limit_reached, created_at, \
               updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 0, 0, 0, FALSE, $9, $9)";
    let values = params![
        source.id.0,
        source.chatbot_id.0,
        source.kind.as_str(),
        source.name.as_str(),
        source.address.as_str(),
        to_json(&source.options)?,
        source.cadence.as_str(),
        source.state.as_str(),
        source.created_at,
    ];
    match tx.execute(sql, values).await {
        Err(error) if is_unique_violation(&error) => {
            let message = "This chatbot has a source at this address already.";
            Err(Error::new(ErrorKind::Conflict, message).coded("source_exists"))
        }
        done => done.map(|_| ()),
    }
}

/// The source, locked together with its chatbot until the transaction ends.
async fn lock(tx: &mut Tx, chatbot: &Chatbot, id: SourceId) -> Result<KnowledgeSource> {
    knowledge::lock_chatbot(tx, chatbot.id).await?;
    let sql = select!("WHERE s.id = $1 AND s.chatbot_id = $2");
    match tx.fetch_optional(sql, params![id.0, chatbot.id.0]).await? {
        Some(row) => Ok(read_report(&row)?.source),
        None => Err(Error::not_found("source")),
    }
}

/// The items that a source has.
async fn items_of(tx: &mut Tx, id: SourceId) -> Result<Vec<Item>> {
    let sql = "SELECT * FROM knowledge_items WHERE source_id = $1";
    let rows = tx.fetch_all(sql, params![id.0]).await?;
    rows.iter().map(knowledge::read).collect()
}

/// A line to be noted.
struct NewEntry {
    event: LogEvent,
    address: Option<String>,
    title: Option<String>,
    detail: Option<String>,
}

impl NewEntry {
    /// Of the sync as a whole.
    fn of(event: LogEvent) -> Self {
        Self {
            event,
            address: None,
            title: None,
            detail: None,
        }
    }

    /// Of one of its pages.
    fn about(event: LogEvent, page: &SourcePage, detail: Option<String>) -> Self {
        Self {
            event,
            address: Some(page.address.clone()),
            title: page.title.clone(),
            detail,
        }
    }
}

async fn note(
    tx: &mut Tx,
    source: &KnowledgeSource,
    entry: NewEntry,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO source_log (id, source_id, run, event, address, title, detail, \
               created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = params![
        Uuid::now_v7(),
        source.id.0,
        source.run,
        entry.event.as_str(),
        entry.address,
        entry.title,
        entry.detail,
        now,
    ];
    tx.execute(sql, values).await.map(|_| ())
}

fn read_report(row: &Row) -> Result<SourceReport> {
    let state = row.word("state")?;
    let at_rest = !matches!(state, SourceState::Waiting | SourceState::Syncing);
    let next_at = row.optional_time("next_at")?.filter(|_| at_rest);
    let source = KnowledgeSource {
        id: SourceId(row.get("id")?),
        chatbot_id: ChatbotId(row.get("chatbot_id")?),
        kind: row.word("kind")?,
        name: row.get("name")?,
        address: row.get("address")?,
        options: row.json("options")?,
        cadence: row.word::<Cadence>("cadence")?,
        state,
        error: row.get("error")?,
        run: row.get("run")?,
        done: RunCounts {
            added: row.get("added")?,
            changed: row.get("changed")?,
            unchanged: row.get("unchanged")?,
            retired: row.get("retired")?,
            failed: row.get("failed")?,
        },
        limit_reached: row.get("limit_reached")?,
        started_at: row.optional_time("started_at")?,
        finished_at: row.optional_time("finished_at")?,
        next_at,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    };
    let pages = okra_domain::source::PageCounts {
        total: row.get("pages")?,
        pending: row.get("pages_pending")?,
        ready: row.get("pages_ready")?,
        failed: row.get("pages_failed")?,
    };
    Ok(SourceReport { source, pages })
}

fn read_page(row: &Row) -> Result<SourcePage> {
    let small = |column| -> Result<u32> {
        let value: i64 = row.get(column)?;
        u32::try_from(value)
            .map_err(|error| Error::internal(format!("cannot read column {column}"), error))
    };
    Ok(SourcePage {
        number: row.get("number")?,
        is_list: row.get("is_list")?,
        address: row.get("address")?,
        item_id: ItemId(row.get("item_id")?),
        has_item: row.get("has_item")?,
        state: row.word("state")?,
        reason: row.get("reason")?,
        title: row.get("title")?,
        pending: row.get("pending")?,
        attempts: row.get("attempts")?,
        depth: small("depth")?,
        hops: small("hops")?,
        etag: row.get("etag")?,
        version: row.get("version")?,
        last_modified: row.get("last_modified")?,
        body_hash: row.get("body_hash")?,
        text_hash: row.get("text_hash")?,
        seen_at: row.optional_time("seen_at")?,
    })
}
