//! The pages that a page names: found once each, within the source's limit.

use std::collections::{HashMap, HashSet};

use okra_domain::error::Result;
use okra_domain::source::{KnowledgeSource, PageState, SourceKind};
use okra_domain::{Error, ItemId, Timestamp};

use super::Found;
use super::outcome::{Column, count};
use crate::db::{Many, Param, Row, Tx, params, to_json};
use crate::sources::SourcePage;

/// Pages that a source may know for each that it may have. Those that lead on take no place of a page that is
/// read, and may not be without end either.
const KNOWN: i64 = 4;

/// The pages of a source while some are added.
pub(super) struct Pages<'a> {
    source: &'a KnowledgeSource,
    next: i64,
    room: i64,
}

impl<'a> Pages<'a> {
    pub(super) async fn of(tx: &mut Tx, source: &'a KnowledgeSource) -> Result<Self> {
        let sql = "SELECT COALESCE(MAX(number), 0) AS last, \
                   COUNT(CASE WHEN NOT is_list THEN 1 END) AS known, \
                   COUNT(CASE WHEN NOT is_list AND state <> 'moved' THEN 1 END) AS count \
                   FROM source_pages WHERE source_id = $1";
        let row = tx.fetch_optional(sql, params![source.id.0]).await?;
        let (last, known, count): (i64, i64, i64) = match row {
            Some(row) => (row.get("last")?, row.get("known")?, row.get("count")?),
            None => (0, 0, 0),
        };
        let most = i64::from(source.options.max_pages);
        Ok(Self {
            source,
            next: last + 1,
            // A feed's newest pages replace its oldest, at the sync's end.
            room: match source.kind {
                SourceKind::Feed => i64::MAX,
                _ => (most - count).min(KNOWN * most - known),
            },
        })
    }

    /// The numbers of the pages at these addresses, each once, in order; those that are new are added. `None`
    /// stands for those that there is no room for, unless they `must` be.
    ///
    /// A sitemap may name fifty thousand, so they are looked for and added many at a time.
    pub(super) async fn add(
        &mut self,
        tx: &mut Tx,
        found: &[Found],
        must: bool,
        now: Timestamp,
    ) -> Result<Vec<Option<i64>>> {
        let mut known = self.known(tx, found).await?;
        let mut numbers = Vec::with_capacity(found.len());
        let (mut seen, mut new) = (HashSet::new(), Vec::new());
        for page in found {
            let address = page.address.as_str();
            if !seen.insert(address) {
                continue;
            }
            if let Some(row) = known.remove(address) {
                numbers.push(Some(row.get("number")?));
                self.revisit(tx, page, &row, now).await?;
                continue;
            }
            if !must && !page.is_list {
                if self.room <= 0 {
                    numbers.push(None);
                    continue;
                }
                self.room -= 1;
            }
            numbers.push(Some(self.next));
            new.push(self.row(page, now)?);
            self.next += 1;
        }
        INSERT.fetch(tx, new).await?;
        Ok(numbers)
    }

    /// Those of the pages that the source has, by their addresses.
    async fn known(&self, tx: &mut Tx, found: &[Found]) -> Result<HashMap<String, Row>> {
        let place = |page: &Found| params![self.source.id.0, page.address.as_str()];
        let rows = NAMED.fetch(tx, found.iter().map(place).collect()).await?;
        let by_address = |row: Row| Ok((row.get("address")?, row));
        rows.into_iter().map(by_address).collect()
    }

    /// The page as it is added, under the next number.
    fn row(&self, page: &Found, now: Timestamp) -> Result<Vec<Param>> {
        Ok(params![
            self.source.id.0,
            self.next,
            page.is_list,
            page.address.as_str(),
            ItemId::new().0,
            now,
            page.depth,
            page.hops,
            to_json(&Vec::<i64>::new())?,
            page.version.clone(),
        ])
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

static NAMED: Many = Many::new(
    "SELECT p.address, p.number, p.etag, p.state FROM (VALUES ",
    "(?, ?)",
    ", ",
    ") AS v JOIN source_pages p ON p.source_id = v.column1 AND p.address = v.column2",
);

static INSERT: Many = Many::new(
    "INSERT INTO source_pages (source_id, number, is_list, address, item_id, state, \
     pending, due_at, attempts, depth, hops, missed, links, version) VALUES ",
    "(?, ?, ?, ?, ?, 'new', TRUE, ?, 0, ?, ?, 0, ?, ?)",
    ", ",
    " RETURNING number",
);

/// The numbers of the pages that a page names; those that there is no room for are left out.
pub(super) async fn add_found(
    tx: &mut Tx,
    source: &KnowledgeSource,
    found: &[Found],
    now: Timestamp,
) -> Result<Vec<i64>> {
    let mut pages = Pages::of(tx, source).await?;
    let numbers = pages.add(tx, found, false, now).await?;
    let limit_reached = numbers.contains(&None);
    if limit_reached {
        note_limit(tx, source).await?;
    }
    Ok(numbers.into_iter().flatten().collect())
}

/// The pages that a list of which only a part is known named before, beside those that it was found to name
/// now; and notes that there was more.
pub(super) async fn left_unsaid(
    tx: &mut Tx,
    source: &KnowledgeSource,
    page: &SourcePage,
    named: &[i64],
) -> Result<Vec<i64>> {
    note_limit(tx, source).await?;
    let sql = "SELECT links FROM source_pages WHERE source_id = $1 AND number = $2";
    let values = params![source.id.0, page.number];
    let before: Vec<i64> = match tx.fetch_optional(sql, values).await? {
        Some(row) => row.json("links")?,
        None => Vec::new(),
    };
    let named: HashSet<&i64> = named.iter().collect();
    Ok(before
        .into_iter()
        .filter(|it| !named.contains(it))
        .collect())
}

async fn note_limit(tx: &mut Tx, source: &KnowledgeSource) -> Result<()> {
    let sql = "UPDATE sources SET limit_reached = TRUE WHERE id = $1";
    tx.execute(sql, params![source.id.0]).await.map(|_| ())
}

/// The number of the page that another one leads to, which there is always room for.
pub(super) async fn place(
    tx: &mut Tx,
    source: &KnowledgeSource,
    to: &Found,
    now: Timestamp,
) -> Result<i64> {
    let mut pages = Pages::of(tx, source).await?;
    let numbers = pages.add(tx, std::slice::from_ref(to), true, now).await?;
    let number = numbers.into_iter().flatten().next();
    number.ok_or_else(|| Error::internal("a page found no room", to.address.clone()))
}
