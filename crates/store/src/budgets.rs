//! Tokens that organizations used today. Counted only where there is an end to them: one upsert in the
//! transaction that stores the answer.

use okra_domain::error::Result;
use okra_domain::models::{ModelSettings, TokensUsed};
use okra_domain::{OrganizationId, Timestamp};

use crate::Store;
use crate::db::{Row, Tx, params};

/// Tokens to be counted with an answer.
#[derive(Clone, Copy)]
pub(crate) struct Spending {
    pub organization: OrganizationId,
    pub day: i64,
    pub tokens: i64,
}

impl Store {
    /// Tokens that the organization's chatbots used since midnight UTC, those in the playground
    /// included.
    pub async fn tokens_today(&self, organization: OrganizationId) -> Result<i64> {
        let now = self.clock.now();
        let sql = "SELECT tokens AS count FROM organization_tokens \
                   WHERE organization_id = $1 AND day = $2";
        let values = params![organization.0, now.day_number()];
        let counted = self.db.fetch_optional(sql, values).await?;
        match counted {
            Some(row) => row.get("count"),
            None => {
                self.db
                    .count(SUM, params![organization.0, now.midnight()])
                    .await
            }
        }
    }
}

impl Store {
    /// Counts tokens that were used beside an answer, where the organization has an end to them.
    pub async fn spend_tokens(
        &self,
        organization: OrganizationId,
        settings: &ModelSettings,
        tokens: i64,
    ) -> Result<()> {
        if settings.tokens_a_day.is_none() || tokens <= 0 {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        let spending = Spending {
            organization,
            day: self.clock.now().day_number(),
            tokens,
        };
        spend(&mut tx, spending).await?;
        tx.commit().await
    }
}

/// Tokens of the answers that are stored.
const SUM: &str = "SELECT CAST(COALESCE(SUM(m.tokens_used), 0) AS BIGINT) AS count \
                   FROM messages m JOIN chatbots b ON b.id = m.chatbot_id \
                   WHERE b.organization_id = $1 AND m.created_at >= $2";

/// Begins to count with what was used today already.
pub(crate) async fn begin(tx: &mut Tx, organization: OrganizationId, now: Timestamp) -> Result<()> {
    let sql = "DELETE FROM organization_tokens WHERE organization_id = $1";
    tx.execute(sql, params![organization.0]).await?;
    let values = params![organization.0, now.midnight()];
    let row = tx.fetch_optional(SUM, values).await?;
    let tokens = row.map(|row| row.get("count")).transpose()?.unwrap_or(0);
    let day = now.day_number();
    spend(
        tx,
        Spending {
            organization,
            day,
            tokens,
        },
    )
    .await
}

/// Counts what an answer took; the first of a day begins at nothing. What ends after midnight by
/// another server's clock is not taken back to yesterday.
pub(crate) async fn spend(tx: &mut Tx, spending: Spending) -> Result<()> {
    let sql = "INSERT INTO organization_tokens (organization_id, day, tokens) \
               VALUES ($1, $2, $3) ON CONFLICT (organization_id) DO UPDATE SET \
               tokens = CASE WHEN organization_tokens.day < excluded.day \
               THEN excluded.tokens ELSE organization_tokens.tokens + excluded.tokens END, \
               day = CASE WHEN organization_tokens.day < excluded.day \
               THEN excluded.day ELSE organization_tokens.day END";
    let values = params![spending.organization.0, spending.day, spending.tokens];
    tx.execute(sql, values).await.map(|_| ())
}

/// What is in the columns `tokens_day` and `tokens_used`.
pub(crate) fn read(row: &Row) -> Result<TokensUsed> {
    Ok(TokensUsed {
        day: row.get::<Option<i64>>("tokens_day")?.unwrap_or_default(),
        tokens: row.get::<Option<i64>>("tokens_used")?.unwrap_or_default(),
    })
}
