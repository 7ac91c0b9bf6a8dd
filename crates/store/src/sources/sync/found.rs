//! The pages that a page names: found once each, within the source's limit.

use std::collections::HashSet;

use okra_domain::error::Result;
use okra_domain::source::{KnowledgeSource, PageState, SourceKind};
use okra_domain::{Error, ItemId, Timestamp};

use super::Found;
use super::outcome::{Column, count};
use crate::db::{Row, Tx, params, to_json};

/// The pages of a source while some are added.
pub(super) struct Pages<'a> {
    source: &'a KnowledgeSource,
    next: i64,
    room: i64,
}

impl<'a> Pages<'a> {
    pub(super) async fn of(tx: &mut Tx, source: &'a KnowledgeSource) -> Result<Self> {
        let sql = "SELECT COALESCE(MAX(number), 0) AS last, \
                   COUNT(CASE WHEN NOT is_list AND state <> 'moved' THEN 1 END) AS count \
                   FROM source_pages WHERE source_id = $1";
        let row = tx.fetch_optional(sql, params![source.id.0]).await?;
        let (last, count): (i64, i64) = match row {
            Some(row) => (row.get("last")?, row.get("count")?),
            None => (0, 0),
        };
        Ok(Self {
            source,
            next: last + 1,
            // A feed's newest pages replace its oldest, at the sync's end.
            room: match source.kind {
                SourceKind::Feed => i64::MAX,
                _ => i64::from(source.options.max_pages) - count,
            },
        })
    }

    /// The number of the page at this address, which is added where it is new; `None` where there is
    /// no room for it, unless it `must` be.
    pub(super) async fn add(
        &mut self,
        tx: &mut Tx,
        found: &Found,
        must: bool,
        now: Timestamp,
    ) -> Result<Option<i64>> {
        let sql = "SELECT number, etag, state FROM source_pages \
                   WHERE source_id = $1 AND address = $2";
        let values = params![self.source.id.0, found.address.as_str()];
        if let Some(row) = tx.fetch_optional(sql, values).await? {
            let number = row.get("number")?;
            self.revisit(tx, found, &row, now).await?;
            return Ok(Some(number));
        }
        if !must && !found.is_list {
            if self.room <= 0 {
                return Ok(None);
            }
            self.room -= 1;
        }
        let number = self.next;
        self.next += 1;
        let sql = "INSERT INTO source_pages (source_id, number, is_list, address, item_id, state, \
                   pending, due_at, attempts, depth, hops, missed, links, version) \
                   VALUES ($1, $2, $3, $4, $5, 'new', TRUE, $6, 0, $7, $8, 0, $9, $10)";
        let values = params![
            self.source.id.0,
            number,
            found.is_list,
            found.address.as_str(),
            ItemId::new().0,
            now,
            found.depth,
            found.hops,
            to_json(&Vec::<i64>::new())?,
            found.version.clone(),
        ];
        tx.execute(sql, values).await?;
        Ok(Some(number))
    }

    /// A list that says that a page has another version has it asked for; of the same version it
    /// counts as found.
    async fn revisit(&self, tx: &mut Tx, found: &Found, row: &Row, now: Timestamp) -> Result<()> {
        let Some(version) = &found.version else {
            return Ok(());
        };
        let (known, state): (Option<String>, PageState) = (row.get("etag")?, row.word("state")?);
        let settled = matches!(state, PageState::Ready | PageState::Duplicate);
        let mut values = params![now, self.source.id.0, found.address.as_str()];
        if settled && known.as_ref() == Some(version) {
            count(tx, self.source, Column::Unchanged).await?;
            let sql = "UPDATE source_pages SET seen_at = $1 WHERE source_id = $2 AND address = $3";
            tx.execute(sql, values).await?;
        } else if state != PageState::Removed {
            let sql = "UPDATE source_pages SET pending = TRUE, due_at = $1, attempts = 0, \
                       version = $4 WHERE source_id = $2 AND address = $3";
            values.push(version.as_str().into());
            tx.execute(sql, values).await?;
        }
        Ok(())
    }
}

/// The numbers of the pages that a page names; those that there is no room for are left out.
pub(super) async fn add_found(
    tx: &mut Tx,
    source: &KnowledgeSource,
    found: &[Found],
    now: Timestamp,
) -> Result<Vec<i64>> {
    let mut pages = Pages::of(tx, source).await?;
    let mut numbers = Vec::with_capacity(found.len());
    let mut seen = HashSet::new();
    let mut limit_reached = false;
    for page in found {
        match pages.add(tx, page, false, now).await? {
            Some(number) if seen.insert(number) => numbers.push(number),
            Some(_) => {}
            None => limit_reached = true,
        }
    }
    if limit_reached {
        let sql = "UPDATE sources SET limit_reached = TRUE WHERE id = $1";
        tx.execute(sql, params![source.id.0]).await?;
    }
    Ok(numbers)
}

/// The number of the page that another one leads to, which there is always room for.
pub(super) async fn place(
    tx: &mut Tx,
    source: &KnowledgeSource,
    to: &Found,
    now: Timestamp,
) -> Result<i64> {
    let mut pages = Pages::of(tx, source).await?;
    let number = pages.add(tx, to, true, now).await?;
    number.ok_or_else(|| Error::internal("a page found no room", to.address.clone()))
}
