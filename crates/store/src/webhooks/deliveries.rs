//! The log of what endpoints were sent, and the jobs that send it.

use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::webhook::{
    self, Attempt, Delivery, DeliveryState, Endpoint, EventKind, Sending, TEST_EVENT,
};
use okra_domain::{
    DeliveryId, Error, ErrorKind, OrganizationId, Page, PageRequest, Timestamp, WebhookEventId,
    WebhookId,
};
use serde_json::json;

use super::{note_told, read as read_endpoint, told};
use crate::Store;
use crate::db::{Row, Tx, params};
use crate::jobs::{self, Job};
use crate::sealing::Spot;

/// How long the log goes back. Whatever is pending is younger.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.event_id, v.kind, d.state, d.attempts, d.next_at, d.attempted_at, \
             d.status, d.error, d.response, d.created_at FROM webhook_deliveries d \
             JOIN webhook_events v ON v.id = d.event_id ",
            $rest
        )
    };
}

/// What becomes of a delivery after an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendNext {
    /// It is sent again after this time.
    After(Duration),
    /// It is given up.
    Never,
    /// It is given up, and the endpoint with it, which says that it is gone.
    Gone,
}

/// What was kept of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It is in the log.
    Kept,
    /// The job was no longer its holder's: nothing was written.
    Lost,
}

impl Store {
    /// Makes deliveries of the event that a job is about, one an endpoint that is told of it, each with
    /// its job. `false` where the lease was lost: nothing is written.
    pub async fn announce(&self, job: &Job, id: WebhookEventId) -> Result<bool> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if !jobs::finish(&mut tx, job).await? {
            return Ok(false);
        }
        let sql = "SELECT kind, created_at FROM webhook_events WHERE id = $1";
        let Some(event) = tx.fetch_optional(sql, params![id.0]).await? else {
            tx.commit().await?;
            return Ok(true);
        };
        let kind = EventKind::of(&event.get::<String>("kind")?);
        let at = event.time("created_at")?;
        for endpoint in listening(&mut tx, job.organization_id).await? {
            if kind.is_some_and(|kind| endpoint.told().contains(kind)) {
                let delivery = insert(&mut tx, endpoint.id, id, at).await?;
                jobs::deliver(&mut tx, job.organization_id, delivery, now).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes what is older than the log goes back, of all organizations.
    pub async fn trim_deliveries(&self) -> Result<()> {
        // One look into the index for each organization.
        let sql = "DELETE FROM webhook_events WHERE created_at < $1 \
                   AND organization_id IN (SELECT id FROM organizations)";
        let values = params![self.clock.now().before(KEPT)];
        self.db.execute(sql, values).await.map(|_| ())
    }

    /// Has an endpoint sent an event of type [`TEST_EVENT`].
    pub async fn test_webhook(
        &self,
        organization: OrganizationId,
        id: WebhookId,
    ) -> Result<Delivery> {
        let now = self.clock.now();
        let endpoint = self.switched_on(organization, id).await?;
        let data = json!({"endpoint_id": endpoint.id});
        let body = webhook::body(TEST_EVENT, now, &data);
        let mut tx = self.db.begin().await?;
        let event = told::insert(&mut tx, organization, TEST_EVENT, &body, now).await?;
        let delivery = insert(&mut tx, id, event, now).await?;
        jobs::deliver(&mut tx, organization, delivery, now).await?;
        tx.commit().await?;
        self.delivery(&endpoint, delivery).await
    }

    /// What a delivery's job has to send; `None` where it is no more.
    pub async fn sending(&self, id: DeliveryId) -> Result<Option<Sending>> {
        let sql = "SELECT e.id, e.url, e.active, e.secret, e.previous_secret, e.previous_until, \
                   v.id AS event_id, v.body FROM webhook_deliveries d \
                   JOIN webhook_endpoints e ON e.id = d.endpoint_id \
                   JOIN webhook_events v ON v.id = d.event_id WHERE d.id = $1";
        let Some(row) = self.db.fetch_optional(sql, params![id.0]).await? else {
            return Ok(None);
        };
        let url: String = row.get("url")?;
        let spot = Spot::webhook(WebhookId(row.get("id")?), &url);
        let mut secrets = vec![self.sealer.open(&row.get::<String>("secret")?, &spot)?];
        let until = row.optional_time("previous_until")?;
        if until.is_some_and(|until| until > self.clock.now()) {
            secrets.extend(self.sealer.open_some(row.get("previous_secret")?, &spot)?);
        }
        Ok(Some(Sending {
            url,
            active: row.get("active")?,
            secrets,
            event_id: WebhookEventId(row.get("event_id")?),
            body: row.get("body")?,
        }))
    }

    /// Keeps what came of an attempt, and has the delivery sent again or not.
    pub async fn note_attempt(
        &self,
        job: &Job,
        id: DeliveryId,
        attempt: &Attempt,
        next: SendNext,
    ) -> Result<Noted> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let state = match (&attempt.error, next) {
            (None, _) => DeliveryState::Delivered,
            (Some(_), SendNext::After(_)) => DeliveryState::Pending,
            (Some(_), SendNext::Never | SendNext::Gone) => DeliveryState::Failed,
        };
        let next_at = match (state, next) {
            (DeliveryState::Pending, SendNext::After(delay)) => Some(now.after(delay)),
            _ => None,
        };
        let held = match next_at {
            Some(at) => jobs::again(&mut tx, job, at).await?,
            None => jobs::finish(&mut tx, job).await?,
        };
        if !held {
            return Ok(Noted::Lost);
        }
        let sql = "UPDATE webhook_deliveries SET state = $1, attempts = $2, next_at = $3, \
                   attempted_at = $4, status = $5, error = $6, response = $7 WHERE id = $8";
        let values = params![
            state.as_str(),
            job.attempts,
            next_at.map(|at| at.0),
            attempt.at,
            attempt.status.map(i64::from),
            attempt.error.clone(),
            attempt.response.clone(),
            id.0,
        ];
        tx.execute(sql, values).await?;
        if state == DeliveryState::Failed && next == SendNext::Gone {
            let reason = "The endpoint answered 410 Gone: it wants nothing more.";
            let sql = "UPDATE webhook_endpoints SET active = FALSE, disabled_reason = $1, \
                       updated_at = $2 WHERE organization_id = $3 AND id = \
                       (SELECT endpoint_id FROM webhook_deliveries WHERE id = $4)";
            let values = params![reason, now, job.organization_id.0, id.0];
            tx.execute(sql, values).await?;
            note_told(&mut tx, job.organization_id).await?;
        }
        tx.commit().await?;
        Ok(Noted::Kept)
    }

    /// An endpoint's log, newest first; `state` leaves out the rest.
    pub async fn deliveries(
        &self,
        endpoint: &Endpoint,
        state: Option<DeliveryState>,
        page: PageRequest,
    ) -> Result<Page<Delivery>> {
        let word = state.map(|state| state.as_str().to_owned());
        let total = "SELECT COUNT(*) AS count FROM webhook_deliveries \
                     WHERE endpoint_id = $1 AND ($2 IS NULL OR state = $2)";
        let total = self
            .db
            .count(total, params![endpoint.id.0, word.clone()])
            .await?;
        let sql = select!(
            "WHERE d.endpoint_id = $1 AND ($2 IS NULL OR d.state = $2) \
             ORDER BY d.created_at DESC, d.id DESC LIMIT $3 OFFSET $4"
        );
        let values = params![endpoint.id.0, word, page.limit(), page.offset()];
        let rows = self.db.fetch_all(sql, values).await?;
        let entries = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }

    /// One delivery of an endpoint.
    pub async fn delivery(&self, endpoint: &Endpoint, id: DeliveryId) -> Result<Delivery> {
        let sql = select!("WHERE d.id = $1 AND d.endpoint_id = $2");
        let values = params![id.0, endpoint.id.0];
        let row = self.db.fetch_optional(sql, values).await?;
        row.as_ref()
            .map_or_else(|| Err(Error::not_found("delivery")), read)
    }

    /// What a delivery sends.
    pub async fn delivery_body(&self, endpoint: &Endpoint, id: DeliveryId) -> Result<String> {
        let sql = "SELECT v.body FROM webhook_deliveries d \
                   JOIN webhook_events v ON v.id = d.event_id \
                   WHERE d.id = $1 AND d.endpoint_id = $2";
        let values = params![id.0, endpoint.id.0];
        match self.db.fetch_optional(sql, values).await? {
            Some(row) => row.get("body"),
            None => Err(Error::not_found("delivery")),
        }
    }

    /// Sends a delivery again at once, with all its attempts; under the same `webhook-id`. Fails as a
    /// conflict where the endpoint is switched off.
    pub async fn replay(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Delivery> {
        let now = self.clock.now();
        let endpoint = self.switched_on(organization, webhook).await?;
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_at = $1 \
                   WHERE id = $2 AND endpoint_id = $3";
        let values = params![now, id.0, endpoint.id.0];
        if tx.execute(sql, values).await? == 0 {
            return Err(Error::not_found("delivery"));
        }
        jobs::deliver(&mut tx, organization, id, now).await?;
        tx.commit().await?;
        self.delivery(&endpoint, id).await
    }

    /// Sends again at once whatever failed of what happened since `since`; gives how many that is.
    pub async fn replay_failed(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        since: Timestamp,
    ) -> Result<u64> {
        let now = self.clock.now();
        let endpoint = self.switched_on(organization, webhook).await?;
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, attempts, run_at, \
                   created_at) SELECT id, 'webhook', $1, $2, 0, $3, $3 FROM webhook_deliveries \
                   WHERE endpoint_id = $4 AND state = 'failed' AND created_at >= $5 \
                   ON CONFLICT (id) DO NOTHING";
        let nobody = jobs::NO_CHATBOT.0;
        let values = params![organization.0, nobody, now, endpoint.id.0, since];
        tx.execute(sql, values).await?;
        let sql = "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_at = $1 \
                   WHERE endpoint_id = $2 AND state = 'failed' AND created_at >= $3";
        let replayed = tx.execute(sql, params![now, endpoint.id.0, since]).await?;
        tx.commit().await?;
        Ok(replayed)
    }

    async fn switched_on(&self, organization: OrganizationId, id: WebhookId) -> Result<Endpoint> {
        let endpoint = self.webhook(organization, id).await?;
        if !endpoint.active {
            let message = "This endpoint is switched off (active is false); switch it on first.";
            return Err(Error::new(ErrorKind::Conflict, message).coded("endpoint_off"));
        }
        Ok(endpoint)
    }
}

async fn listening(tx: &mut Tx, organization: OrganizationId) -> Result<Vec<Endpoint>> {
    let sql = "SELECT id, url, description, events, active, disabled_reason, previous_until, \
               created_at, updated_at FROM webhook_endpoints \
               WHERE organization_id = $1 AND active ORDER BY created_at, id";
    let rows = tx.fetch_all(sql, params![organization.0]).await?;
    rows.iter().map(read_endpoint).collect()
}

async fn insert(
    tx: &mut Tx,
    endpoint: WebhookId,
    event: WebhookEventId,
    at: Timestamp,
) -> Result<DeliveryId> {
    let id = DeliveryId::new();
    let sql = "INSERT INTO webhook_deliveries (id, endpoint_id, event_id, state, attempts, next_at, \
               created_at) VALUES ($1, $2, $3, 'pending', 0, $4, $4)";
    tx.execute(sql, params![id.0, endpoint.0, event.0, at])
        .await?;
    Ok(id)
}

fn read(row: &Row) -> Result<Delivery> {
    let last = match row.optional_time("attempted_at")? {
        None => None,
        Some(at) => {
            let status: Option<i64> = row.get("status")?;
            let status = status.map(u16::try_from).transpose();
            let status = status.map_err(|error| Error::internal("cannot read a status", error))?;
            Some(Attempt {
                at,
                status,
                error: row.get("error")?,
                response: row.get("response")?,
            })
        }
    };
    Ok(Delivery {
        id: DeliveryId(row.get("id")?),
        event_id: WebhookEventId(row.get("event_id")?),
        event_type: row.get("kind")?,
        state: row.word("state")?,
        attempts: row.get("attempts")?,
        last,
        next_at: row.optional_time("next_at")?,
        created_at: row.time("created_at")?,
    })
}
