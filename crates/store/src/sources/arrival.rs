//! Sources that leave and arrive with their chatbot, at rest.
//!
//! Of a page no more is kept than what ties it to its item and tells its text from another: the first
//! sync asks for all of it anew, and embeds nothing that has not changed.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::source::{KnowledgeSource, PageState};
use okra_domain::{Error, ItemId, PageRequest};
use uuid::Uuid;

use super::insert;
use crate::Store;
use crate::db::{Row, Tx, params, to_json};

/// A source with its pages.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivingSource {
    /// The source.
    pub source: KnowledgeSource,
    /// Those of its pages that are told of.
    pub pages: Vec<ArrivingPage>,
}

/// A page whose item is there, or was deleted by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivingPage {
    /// Its address, or its path within a folder or bucket.
    pub address: String,
    /// The item with its text; `None` where that was deleted by hand, so that it is not read again.
    pub item: Option<ItemId>,
    /// Links from the source's first page.
    pub depth: u32,
    /// The title that it gave itself.
    pub title: Option<String>,
    /// SHA-256 of its text, in hex.
    pub text_hash: Option<String>,
}

impl Store {
    /// The chatbot's sources with their pages, oldest first.
    pub async fn leaving_sources(&self, chatbot: &Chatbot) -> Result<Vec<ArrivingSource>> {
        let mut leaving = Vec::new();
        let all = PageRequest::new(Some(1), Some(PageRequest::MAX_LIMIT))?;
        let sources = self.sources(chatbot, all).await?.entries;
        for report in sources.into_iter().rev() {
            let sql = "SELECT address, item_id, state, depth, title, text_hash FROM source_pages p \
                       WHERE source_id = $1 AND NOT is_list AND (state = 'removed' \
                       OR EXISTS (SELECT 1 FROM knowledge_items i WHERE i.id = p.item_id)) \
                       ORDER BY number";
            let rows = self.db.fetch_all(sql, params![report.source.id.0]);
            let pages = rows.await?.iter().map(read).collect::<Result<_>>()?;
            leaving.push(ArrivingSource {
                source: report.source,
                pages,
            });
        }
        Ok(leaving)
    }
}

fn read(row: &Row) -> Result<ArrivingPage> {
    let removed = row.word::<PageState>("state")? == PageState::Removed;
    let item: Uuid = row.get("item_id")?;
    let depth: i64 = row.get("depth")?;
    Ok(ArrivingPage {
        address: row.get("address")?,
        item: (!removed).then_some(ItemId(item)),
        depth: u32::try_from(depth)
            .map_err(|error| Error::internal("cannot read column depth", error))?,
        title: row.get("title")?,
        text_hash: row.get("text_hash")?,
    })
}

/// Stores a source that arrives, in the caller's transaction: at rest, without a job.
pub(crate) async fn insert_arriving(tx: &mut Tx, arriving: &ArrivingSource) -> Result<()> {
    let source = &arriving.source;
    insert(tx, source).await?;
    let sql = "INSERT INTO source_pages (source_id, number, is_list, address, item_id, state, title, \
               pending, due_at, attempts, depth, hops, text_hash, missed, links) \
               VALUES ($1, $2, FALSE, $3, $4, $5, $6, FALSE, $7, 0, $8, 0, $9, 0, $10)";
    for (number, page) in (1_i64..).zip(&arriving.pages) {
        let (state, item) = match page.item {
            Some(item) => (PageState::Ready, item),
            None => (PageState::Removed, ItemId::new()),
        };
        let values = params![
            source.id.0,
            number,
            page.address.as_str(),
            item.0,
            state.as_str(),
            page.title.clone(),
            source.created_at,
            page.depth,
            page.text_hash.clone(),
            to_json(&Vec::<i64>::new())?,
        ];
        tx.execute(sql, values).await?;
    }
    Ok(())
}
