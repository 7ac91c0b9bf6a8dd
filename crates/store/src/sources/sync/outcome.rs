//! What becomes of a page, written in the transaction of its visit.

use okra_domain::error::Result;
use okra_domain::knowledge::Item;
use okra_domain::source::{KnowledgeSource, LogEvent, PageState};
use okra_domain::{ItemId, Timestamp};

use super::Outcome;
use super::found::place;
use crate::Store;
use crate::db::{Tx, params};
use crate::jobs::Job;
use crate::knowledge::{self, Ingested};
use crate::sources::{NewEntry, SourcePage, note, read_page};

/// Which page of which source is written, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) job: &'a Job,
    pub(super) source: &'a KnowledgeSource,
    pub(super) page: &'a SourcePage,
}

impl Store {
    /// Writes an outcome; whether the page's item changed.
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        step: Step<'_>,
        outcome: Outcome,
        sign: Signature,
    ) -> Result<bool> {
        let Step { source, page, .. } = step;
        let now = self.clock.now();
        let mut end = End::of(page, sign);
        let end = match outcome {
            Outcome::Read(item, ingested, text_hash) => {
                end.title = self.take_text(tx, step, *item, *ingested).await?;
                end.text_hash = Some(text_hash);
                end.found(PageState::Ready, now).write(tx, source).await?;
                return Ok(true);
            }
            Outcome::Later(at, reason) => {
                let sql = "UPDATE source_pages SET due_at = $1, reason = $2 \
                           WHERE source_id = $3 AND number = $4";
                let values = params![at, reason, source.id.0, page.number];
                tx.execute(sql, values).await?;
                return Ok(false);
            }
            Outcome::Wait(at) => {
                let sql = "UPDATE source_pages SET due_at = $1, attempts = attempts - 1 \
                           WHERE source_id = $2 AND number = $3";
                tx.execute(sql, params![at, source.id.0, page.number])
                    .await?;
                return Ok(false);
            }
            Outcome::Listed | Outcome::ListedInPart => {
                let gone = retire(tx, step.job, source, page.number, now).await?;
                end.found(PageState::Ready, now).write(tx, source).await?;
                return Ok(gone.is_some());
            }
            Outcome::Excluded(reason) => {
                let gone = retire(tx, step.job, source, page.number, now).await?;
                release_twins(tx, source, page.number, now).await?;
                end.reason = Some(reason);
                let end = end.found(PageState::Excluded, now);
                end.write(tx, source).await?;
                return Ok(gone.is_some());
            }
            Outcome::Strayed(reason) => {
                release_twins(tx, source, page.number, now).await?;
                end.reason = Some(reason);
                end.found(PageState::Excluded, now)
            }
            Outcome::Same => {
                count(tx, source, Column::Unchanged).await?;
                end.twin = Twin::Kept;
                let state = if page.has_item {
                    PageState::Ready
                } else {
                    page.state
                };
                end.found(state, now)
            }
            Outcome::Twin(number) => end.beside(number, PageState::Duplicate, now),
            Outcome::Canonical(to) => {
                let number = place(tx, source, &to, now).await?;
                end.beside(number, PageState::Duplicate, now)
            }
            Outcome::Moved(to) => {
                let number = place(tx, source, &to, now).await?;
                end.beside(number, PageState::Moved, now)
            }
            Outcome::Failed(reason) => {
                count(tx, source, Column::Failed).await?;
                let entry = NewEntry::about(LogEvent::Failed, page, Some(reason.clone()));
                note(tx, source, entry, now).await?;
                release_twins(tx, source, page.number, now).await?;
                end.reason = Some(reason);
                end.lost(PageState::Failed)
            }
            Outcome::Gone => {
                release_twins(tx, source, page.number, now).await?;
                end.lost(PageState::Gone)
            }
        };
        end.write(tx, source).await?;
        Ok(false)
    }

    /// Swaps a page's text in and notes it; gives the title that the page gave itself.
    async fn take_text(
        &self,
        tx: &mut Tx,
        step: Step<'_>,
        item: Item,
        mut ingested: Ingested,
    ) -> Result<Option<String>> {
        let Step { job, source, page } = step;
        let title = ingested.title.clone().or(Some(item.title.clone()));
        let sql = "SELECT * FROM knowledge_items WHERE id = $1 AND chatbot_id = $2";
        let values = params![item.id.0, job.chatbot_id.0];
        let (event, column) = match tx.fetch_optional(sql, values).await? {
            None => {
                knowledge::insert(tx, &item).await?;
                (LogEvent::Added, Column::Added)
            }
            Some(row) => {
                let current = knowledge::read(&row)?;
                // A title that somebody chose stays.
                if page.title.as_ref() != Some(&current.title) {
                    ingested.title = None;
                }
                let next = Item {
                    source: item.source,
                    ..current
                };
                knowledge::write(tx, &next).await?;
                (LogEvent::Changed, Column::Changed)
            }
        };
        self.swap(tx, job, page.item_id, ingested).await?;
        count(tx, source, column).await?;
        let entry = NewEntry {
            title: title.clone(),
            ..NewEntry::about(event, page, None)
        };
        note(tx, source, entry, self.clock.now()).await?;
        Ok(title)
    }
}

/// What an answer is recognised by the next time.
pub(super) struct Signature {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) body_hash: Option<String>,
}

/// What becomes of the page that a page repeats.
enum Twin {
    None,
    Kept,
    Is(i64),
}

/// A page after it was asked for.
struct End {
    number: i64,
    state: PageState,
    reason: Option<String>,
    title: Option<String>,
    sign: Option<Signature>,
    text_hash: Option<String>,
    twin: Twin,
    seen_at: Option<Timestamp>,
}

impl End {
    fn of(page: &SourcePage, sign: Signature) -> Self {
        Self {
            number: page.number,
            state: page.state,
            reason: None,
            title: page.title.clone(),
            sign: Some(sign),
            text_hash: page.text_hash.clone(),
            twin: Twin::None,
            seen_at: page.seen_at,
        }
    }

    fn found(self, state: PageState, now: Timestamp) -> Self {
        Self {
            state,
            seen_at: Some(now),
            ..self
        }
    }

    /// Found as what another page stands for.
    fn beside(self, number: i64, state: PageState, now: Timestamp) -> Self {
        Self {
            twin: Twin::Is(number),
            ..self.found(state, now)
        }
    }

    /// Nothing was learnt of what it holds, so what was known of that stays.
    fn lost(self, state: PageState) -> Self {
        Self {
            state,
            sign: None,
            twin: Twin::Kept,
            ..self
        }
    }

    async fn write(self, tx: &mut Tx, source: &KnowledgeSource) -> Result<()> {
        if let Some(sign) = self.sign {
            let sql = "UPDATE source_pages SET etag = $1, last_modified = $2, body_hash = $3 \
                       WHERE source_id = $4 AND number = $5";
            let values = params![
                sign.etag,
                sign.last_modified,
                sign.body_hash,
                source.id.0,
                self.number
            ];
            tx.execute(sql, values).await?;
        }
        if let Twin::None | Twin::Is(_) = self.twin {
            let twin = match self.twin {
                Twin::Is(number) => Some(number),
                _ => None,
            };
            let sql = "UPDATE source_pages SET twin = $1 WHERE source_id = $2 AND number = $3";
            tx.execute(sql, params![twin, source.id.0, self.number])
                .await?;
        }
        let sql = "UPDATE source_pages SET state = $1, reason = $2, title = $3, text_hash = $4, \
                   seen_at = $5, pending = FALSE, attempts = 0 \
                   WHERE source_id = $6 AND number = $7";
        let values = params![
            self.state.as_str(),
            self.reason,
            self.title,
            self.text_hash,
            self.seen_at,
            source.id.0,
            self.number,
        ];
        tx.execute(sql, values).await.map(|_| ())
    }
}

/// Has the pages that repeat this one asked for again, since it cannot stand for them.
async fn release_twins(
    tx: &mut Tx,
    source: &KnowledgeSource,
    number: i64,
    now: Timestamp,
) -> Result<()> {
    let sql = "UPDATE source_pages SET pending = TRUE, due_at = $1, attempts = 0, etag = NULL, \
               last_modified = NULL, body_hash = NULL, twin = NULL \
               WHERE source_id = $2 AND twin = $3 AND state = 'duplicate'";
    tx.execute(sql, params![now, source.id.0, number])
        .await
        .map(|_| ())
}

/// Deletes the item of a page, where it has one, and notes it; gives that item.
pub(super) async fn retire(
    tx: &mut Tx,
    job: &Job,
    source: &KnowledgeSource,
    number: i64,
    now: Timestamp,
) -> Result<Option<ItemId>> {
    let sql = "SELECT i.* FROM knowledge_items i JOIN source_pages p ON p.item_id = i.id \
               WHERE p.source_id = $1 AND p.number = $2";
    let row = tx.fetch_optional(sql, params![source.id.0, number]).await?;
    let Some(item) = row.as_ref().map(knowledge::read).transpose()? else {
        return Ok(None);
    };
    knowledge::remove(tx, job.into(), &item, now).await?;
    count(tx, source, Column::Retired).await?;
    let sql = "SELECT p.*, FALSE AS has_item FROM source_pages p \
               WHERE p.source_id = $1 AND p.number = $2";
    if let Some(row) = tx.fetch_optional(sql, params![source.id.0, number]).await? {
        let page = read_page(&row)?;
        note(
            tx,
            source,
            NewEntry::about(LogEvent::Retired, &page, None),
            now,
        )
        .await?;
    }
    Ok(Some(item.id))
}

/// The counts of a sync.
#[derive(Clone, Copy)]
pub(super) enum Column {
    Added,
    Changed,
    Unchanged,
    Retired,
    Failed,
}

pub(super) async fn count(tx: &mut Tx, source: &KnowledgeSource, column: Column) -> Result<()> {
    let sql = match column {
        Column::Added => "UPDATE sources SET added = added + 1 WHERE id = $1",
        Column::Changed => "UPDATE sources SET changed = changed + 1 WHERE id = $1",
        Column::Unchanged => "UPDATE sources SET unchanged = unchanged + 1 WHERE id = $1",
        Column::Retired => "UPDATE sources SET retired = retired + 1 WHERE id = $1",
        Column::Failed => "UPDATE sources SET failed = failed + 1 WHERE id = $1",
    };
    tx.execute(sql, params![source.id.0]).await.map(|_| ())
}
