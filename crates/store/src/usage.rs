//! What an organization's chatbots hold and spend.

use okra_domain::error::Result;
use okra_domain::{ChatbotId, OrganizationId, Timestamp};

use crate::Store;
use crate::db::{Row, params};

/// What one chatbot holds, and spent in a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatbotUsage {
    /// The chatbot.
    pub id: ChatbotId,
    /// Its name.
    pub name: String,
    /// Items of knowledge.
    pub items: i64,
    /// Passages that can be found.
    pub chunks: i64,
    /// Bytes of its items' content.
    pub storage_bytes: i64,
    /// Answers given in the time, the playground's included.
    pub messages: i64,
    /// Tokens read and written by models for them.
    pub tokens: i64,
}

impl Store {
    /// What each chatbot of the organization holds, and spent since `since`; oldest first.
    pub async fn usage(
        &self,
        organization: OrganizationId,
        since: Timestamp,
    ) -> Result<Vec<ChatbotUsage>> {
        // Each chatbot's numbers lie together in an index; a join would multiply items by messages.
        let sql = "SELECT b.id, b.name, \
                   (SELECT COUNT(*) FROM knowledge_items i WHERE i.chatbot_id = b.id) AS items, \
                   (SELECT CAST(COALESCE(SUM(i.chunks), 0) AS BIGINT) FROM knowledge_items i \
                   WHERE i.chatbot_id = b.id) AS chunks, \
                   (SELECT CAST(COALESCE(SUM(i.size_bytes), 0) AS BIGINT) FROM knowledge_items i \
                   WHERE i.chatbot_id = b.id) AS storage_bytes, \
                   (SELECT COUNT(*) FROM messages m WHERE m.chatbot_id = b.id \
                   AND m.created_at >= $2) AS messages, \
                   (SELECT CAST(COALESCE(SUM(m.tokens_used), 0) AS BIGINT) FROM messages m \
                   WHERE m.chatbot_id = b.id AND m.created_at >= $2) AS tokens \
                   FROM chatbots b WHERE b.organization_id = $1 ORDER BY b.created_at, b.id";
        let rows = self
            .db
            .fetch_all(sql, params![organization.0, since])
            .await?;
        rows.iter().map(read).collect()
    }

    /// Whether the database is Postgres rather than SQLite.
    pub fn is_on_postgres(&self) -> bool {
        self.db.is_postgres()
    }
}

fn read(row: &Row) -> Result<ChatbotUsage> {
    Ok(ChatbotUsage {
        id: ChatbotId(row.get("id")?),
        name: row.get("name")?,
        items: row.get("items")?,
        chunks: row.get("chunks")?,
        storage_bytes: row.get("storage_bytes")?,
        messages: row.get("messages")?,
        tokens: row.get("tokens")?,
    })
}
