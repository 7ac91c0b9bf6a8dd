//! Looking at sources: lists of them, of their pages, and of what changed.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::source::{PageState, SourceReport};
use okra_domain::{Page, PageRequest, SourceId};
use uuid::Uuid;

use super::{LogEntry, SourcePage, read_page, read_report, select};
use crate::Store;
use crate::db::{like, params};

/// Which pages of a list are wanted; `None` leaves a field out of the question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageFilter {
    /// How they stand.
    pub state: Option<PageState>,
    /// Whether the sync under way has still to ask for them.
    pub pending: Option<bool>,
    /// Words that the address or the title holds, in any case.
    pub search: Option<String>,
}

macro_rules! filtered {
    () => {
        "FROM source_pages p WHERE p.source_id = $1 AND NOT p.is_list \
         AND ($2 IS NULL OR p.state = $2) AND ($3 IS NULL OR p.pending = ($3 = 1)) \
         AND ($4 IS NULL OR LOWER(p.address) LIKE LOWER($4) ESCAPE '\\' \
         OR LOWER(p.title) LIKE LOWER($4) ESCAPE '\\')"
    };
}

impl Store {
    /// The chatbot's sources, newest first.
    pub async fn sources(
        &self,
        chatbot: &Chatbot,
        page: PageRequest,
    ) -> Result<Page<SourceReport>> {
        let sql = "SELECT COUNT(*) AS count FROM sources WHERE chatbot_id = $1";
        let total = self.db.count(sql, params![chatbot.id.0]).await?;
        let sql = select!(
            "WHERE s.chatbot_id = $1 ORDER BY s.created_at DESC, s.id DESC LIMIT $2 OFFSET $3"
        );
        let values = params![chatbot.id.0, page.limit(), page.offset()];
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(read_report).collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }

    /// The source's pages that pass `filter`, as they were found.
    pub async fn source_pages(
        &self,
        chatbot: &Chatbot,
        id: SourceId,
        filter: &PageFilter,
        page: PageRequest,
    ) -> Result<Page<SourcePage>> {
        let source = self.source(chatbot, id).await?.source;
        let values = || {
            params![
                source.id.0,
                filter.state.map(|state| state.as_str().to_owned()),
                filter.pending.map(i64::from),
                filter.search.as_deref().map(like),
            ]
        };
        let total = concat!("SELECT COUNT(*) AS count ", filtered!());
        let total = self.db.count(total, values()).await?;
        let sql = concat!(
            "SELECT p.*, EXISTS (SELECT 1 FROM knowledge_items i WHERE i.id = p.item_id) \
             AS has_item ",
            filtered!(),
            " ORDER BY p.number LIMIT $5 OFFSET $6"
        );
        let mut values = values();
        values.extend(params![page.limit(), page.offset()]);
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(read_page).collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }

    /// What the source's syncs changed, newest first.
    pub async fn source_log(
        &self,
        chatbot: &Chatbot,
        id: SourceId,
        page: PageRequest,
    ) -> Result<Page<LogEntry>> {
        let source = self.source(chatbot, id).await?.source;
        let sql = "SELECT COUNT(*) AS count FROM source_log WHERE source_id = $1";
        let total = self.db.count(sql, params![source.id.0]).await?;
        let sql = "SELECT id, run, event, address, title, detail, created_at FROM source_log \
                   WHERE source_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3";
        let values = params![source.id.0, page.limit(), page.offset()];
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(|row| {
            Ok(LogEntry {
                id: row.get::<Uuid>("id")?,
                run: row.get("run")?,
                event: row.word("event")?,
                address: row.get("address")?,
                title: row.get("title")?,
                detail: row.get("detail")?,
                created_at: row.time("created_at")?,
            })
        });
        Ok(page.of(entries.collect::<Result<_>>()?, total))
    }
}
