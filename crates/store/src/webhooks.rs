//! Webhooks: the endpoints of organizations. [`told`] writes what happens in the transaction that
//! makes it happen, [`deliveries`] is the log of what was sent.
//!
//! What an organization's endpoints are told of is a column beside the organization, which comes with
//! each chatbot: where nobody listens, nothing is asked and nothing is written.

mod deliveries;
mod told;

use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::webhook::{Endpoint, EventKind, EventKinds, MAX_ENDPOINTS};
use okra_domain::{Error, ErrorKind, OrganizationId, Secret, WebhookId};
use uuid::Uuid;

use crate::Store;
use crate::db::{Row, Tx, params, to_json};
use crate::sealing::{Sealer, Spot};

pub use deliveries::{Noted, SendNext};
pub(crate) use told::{News, Teller};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, url, description, events, active, disabled_reason, previous_until, \
             created_at, updated_at FROM webhook_endpoints ",
            $rest
        )
    };
}

impl Store {
    /// The organization's endpoints, oldest first.
    pub async fn webhooks(&self, organization: OrganizationId) -> Result<Vec<Endpoint>> {
        let sql = select!("WHERE organization_id = $1 ORDER BY created_at, id");
        let rows = self.db.fetch_all(sql, params![organization.0]).await?;
        rows.iter().map(read).collect()
    }

    /// The organization's endpoint of this id.
    pub async fn webhook(&self, organization: OrganizationId, id: WebhookId) -> Result<Endpoint> {
        let sql = select!("WHERE id = $1 AND organization_id = $2");
        let values = params![id.0, organization.0];
        let row = self.db.fetch_optional(sql, values).await?;
        row.as_ref().map_or_else(|| Err(missing()), read)
    }

    /// Adds an endpoint, whose events `secret` signs. Fails as a conflict where there are
    /// [`MAX_ENDPOINTS`].
    pub async fn add_webhook(
        &self,
        organization: OrganizationId,
        endpoint: &Endpoint,
        secret: &Secret,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        lock(&mut tx, organization).await?;
        let sql = "SELECT COUNT(*) AS count FROM webhook_endpoints WHERE organization_id = $1";
        let row = tx.fetch_optional(sql, params![organization.0]).await?;
        let there = row.map_or(Ok(0), |row| row.get::<i64>("count"))?;
        if there >= MAX_ENDPOINTS {
            let message = format!("At most {MAX_ENDPOINTS} endpoints; delete one first.");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let sql = "INSERT INTO webhook_endpoints (id, organization_id, url, description, events, \
                   active, secret, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let spot = Spot::webhook(endpoint.id, &endpoint.url);
        let values = params![
            endpoint.id.0,
            organization.0,
            endpoint.url.as_str(),
            endpoint.description.clone(),
            words(endpoint.events)?,
            endpoint.active,
            self.sealer.seal(secret, &spot)?,
            endpoint.created_at,
            endpoint.updated_at,
        ];
        tx.execute(sql, values).await?;
        note_told(&mut tx, organization).await?;
        tx.commit().await
    }

    /// Changes an endpoint: `change` gets it as it is, locked, and gives it as it shall be.
    pub async fn change_webhook(
        &self,
        organization: OrganizationId,
        id: WebhookId,
        change: impl FnOnce(Endpoint) -> Result<Endpoint> + Send,
    ) -> Result<Endpoint> {
        let mut tx = self.db.begin().await?;
        lock(&mut tx, organization).await?;
        let (current, secrets) = locked(&mut tx, organization, id, &self.sealer).await?;
        let next = change(current)?;
        let spot = Spot::webhook(id, &next.url);
        let sql = "UPDATE webhook_endpoints SET url = $1, description = $2, events = $3, \
                   active = $4, disabled_reason = $5, secret = $6, previous_secret = $7, \
                   updated_at = $8 WHERE id = $9";
        let values = params![
            next.url.as_str(),
            next.description.clone(),
            words(next.events)?,
            next.active,
            next.disabled_reason.clone(),
            self.sealer.seal(&secrets.current, &spot)?,
            self.sealer.seal_some(secrets.previous.as_ref(), &spot)?,
            next.updated_at,
            id.0,
        ];
        tx.execute(sql, values).await?;
        note_told(&mut tx, organization).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Gives an endpoint a new secret; the one that it had signs too for as long as `overlap`.
    pub async fn rotate_webhook_secret(
        &self,
        organization: OrganizationId,
        id: WebhookId,
        secret: &Secret,
        overlap: Duration,
    ) -> Result<Endpoint> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        lock(&mut tx, organization).await?;
        let (mut endpoint, secrets) = locked(&mut tx, organization, id, &self.sealer).await?;
        let until = (!overlap.is_zero()).then(|| now.after(overlap));
        let previous = until.is_some().then_some(&secrets.current);
        let spot = Spot::webhook(id, &endpoint.url);
        let sql = "UPDATE webhook_endpoints SET secret = $1, previous_secret = $2, \
                   previous_until = $3, updated_at = $4 WHERE id = $5";
        let values = params![
            self.sealer.seal(secret, &spot)?,
            self.sealer.seal_some(previous, &spot)?,
            until.map(|until| until.0),
            now,
            id.0,
        ];
        tx.execute(sql, values).await?;
        tx.commit().await?;
        endpoint.previous_until = until;
        endpoint.updated_at = now;
        Ok(endpoint)
    }

    /// Deletes an endpoint with its log; what was still to be sent is not.
    pub async fn delete_webhook(&self, organization: OrganizationId, id: WebhookId) -> Result<()> {
        let mut tx = self.db.begin().await?;
        lock(&mut tx, organization).await?;
        let sql = "DELETE FROM jobs WHERE kind = 'webhook' AND id IN \
                   (SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints e \
                   ON e.id = d.endpoint_id WHERE e.id = $1 AND e.organization_id = $2)";
        tx.execute(sql, params![id.0, organization.0]).await?;
        let sql = "DELETE FROM webhook_endpoints WHERE id = $1 AND organization_id = $2";
        if tx.execute(sql, params![id.0, organization.0]).await? == 0 {
            return Err(missing());
        }
        // With the last one nobody is left who could see what was sent.
        let sql = "DELETE FROM webhook_events WHERE organization_id = $1 AND NOT EXISTS \
                   (SELECT 1 FROM webhook_endpoints WHERE organization_id = $1)";
        tx.execute(sql, params![organization.0]).await?;
        note_told(&mut tx, organization).await?;
        tx.commit().await
    }
}

fn missing() -> Error {
    Error::not_found("webhook endpoint")
}

/// Endpoints of one organization change one after another. An UPDATE that changes nothing locks on both
/// databases.
async fn lock(tx: &mut Tx, organization: OrganizationId) -> Result<()> {
    let sql = "UPDATE organizations SET name = name WHERE id = $1";
    match tx.execute(sql, params![organization.0]).await? {
        0 => Err(Error::not_found("organization")),
        _ => Ok(()),
    }
}

struct Secrets {
    current: Secret,
    previous: Option<Secret>,
}

async fn locked(
    tx: &mut Tx,
    organization: OrganizationId,
    id: WebhookId,
    sealer: &Sealer,
) -> Result<(Endpoint, Secrets)> {
    let sql = "SELECT id, url, description, events, active, disabled_reason, previous_until, \
               created_at, updated_at, secret, previous_secret FROM webhook_endpoints \
               WHERE id = $1 AND organization_id = $2";
    let row = tx
        .fetch_optional(sql, params![id.0, organization.0])
        .await?;
    let row = row.ok_or_else(missing)?;
    let endpoint = read(&row)?;
    let spot = Spot::webhook(id, &endpoint.url);
    let secrets = Secrets {
        current: sealer.open(&row.get::<String>("secret")?, &spot)?,
        previous: sealer.open_some(row.get("previous_secret")?, &spot)?,
    };
    Ok((endpoint, secrets))
}

/// Writes what the organization's endpoints are told of to where chatbots are read with it.
async fn note_told(tx: &mut Tx, organization: OrganizationId) -> Result<()> {
    let sql = select!("WHERE organization_id = $1");
    let rows = tx.fetch_all(sql, params![organization.0]).await?;
    let mut told = EventKinds::default();
    for row in &rows {
        told = told.and(read(row)?.told());
    }
    let told = (!told.is_empty()).then(|| words(told)).transpose()?;
    let sql = "UPDATE organizations SET webhooks = $1 WHERE id = $2";
    tx.execute(sql, params![told, organization.0]).await?;
    Ok(())
}

fn words(kinds: EventKinds) -> Result<serde_json::Value> {
    let words: Vec<&str> = kinds.iter().map(EventKind::as_str).collect();
    to_json(&words)
}

/// The kinds of these words; those of a newer version are nothing here.
fn kinds(words: &[String]) -> EventKinds {
    words
        .iter()
        .filter_map(|word| EventKind::of(word))
        .collect()
}

/// What is in the column `organization_webhooks`.
pub(crate) fn read_told(row: &Row) -> Result<EventKinds> {
    let words: Option<Vec<String>> = row.optional_json("organization_webhooks")?;
    Ok(words.map_or_else(EventKinds::default, |words| kinds(&words)))
}

fn read(row: &Row) -> Result<Endpoint> {
    Ok(Endpoint {
        id: WebhookId(row.get::<Uuid>("id")?),
        url: row.get("url")?,
        description: row.get("description")?,
        events: kinds(&row.json::<Vec<String>>("events")?),
        active: row.get("active")?,
        disabled_reason: row.get("disabled_reason")?,
        previous_until: row.optional_time("previous_until")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
