//! Background jobs: rows that are leased, renewed while they run, and deleted in the very
//! transaction that keeps their promise. A worker that dies lets its lease run out, and the job is
//! taken again; on SQLite already by the next process that opens the database alone.
//!
//! One small table of ours rather than a job framework: finishing a job and swapping an item's
//! chunks must be one transaction, on two databases.

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::{
    ChatbotId, DeliveryId, Error, ItemId, JobId, OrganizationId, SessionId, SourceId, Timestamp,
    WebhookEventId,
};
use uuid::Uuid;

use crate::Store;
use crate::db::{Db, Row, Tx, params};

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Read an item's content and make it searchable.
    Ingest(ItemId),
    /// Read the next pages of a source.
    Sync(SourceId),
    /// Make vectors for whatever of the chatbot's knowledge has none of the embedder that it shall have.
    Embed,
    /// Delete the blob, or every blob in the folder, at this path.
    DeleteBlobs(String),
    /// Find the endpoints that are told of an event.
    Announce(WebhookEventId),
    /// Send an event to an endpoint.
    Deliver(DeliveryId),
    /// Send what people replied in a session by e-mail, where its visitor has not seen it.
    Mail(SessionId),
}

/// Which jobs a worker takes. What is sent waits for strangers' servers, so it has workers of its own:
/// none that is slow keeps a document waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// All.
    Any,
    /// All but [`Task::Deliver`] and [`Task::Mail`].
    Work,
    /// [`Task::Deliver`] and [`Task::Mail`] alone.
    Deliveries,
}

/// The chatbot of jobs that are no chatbot's: they outlive every one.
pub(crate) const NO_CHATBOT: ChatbotId = ChatbotId(Uuid::nil());

/// A job, leased to whoever holds this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The organization it works for.
    pub organization_id: OrganizationId,
    /// The chatbot it works on.
    pub chatbot_id: ChatbotId,
    /// What to do.
    pub task: Task,
    /// How often it was begun, this time included.
    pub attempts: i64,
    pub(crate) lease: Uuid,
}

/// What may be taken at the time `$1`. A delivery waits while another to its endpoint is under way: one that hangs
/// holds one sender, and not all of them.
macro_rules! free {
    ($lane:literal) => {
        concat!(
            "FROM jobs WHERE run_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)",
            $lane,
            " AND (kind <> 'webhook' OR NOT EXISTS (SELECT 1 FROM webhook_deliveries d \
             WHERE d.id = jobs.id AND d.endpoint_id IN (SELECT busy.endpoint_id FROM jobs held \
             JOIN webhook_deliveries busy ON busy.id = held.id WHERE held.kind IN ('webhook', \
             'mail') AND held.run_at <= $1 AND held.lease_until > $1)))"
        )
    };
}

macro_rules! due {
    ($lane:literal) => {
        concat!(
            "SELECT COUNT(*) AS count FROM (SELECT id ",
            free!($lane),
            " LIMIT 1) AS due"
        )
    };
}

macro_rules! claim {
    ($lane:literal, $lock:literal) => {
        concat!(
            "UPDATE jobs SET lease = $2, lease_until = $3, attempts = attempts + 1 WHERE id = \
             (SELECT id ",
            free!($lane),
            " ORDER BY run_at, id LIMIT 1",
            $lock,
            ") RETURNING id, kind, organization_id, chatbot_id, item_id, source_id, path, attempts, \
             lease"
        )
    };
}

impl Store {
    /// Takes the longest-due job for `lease_for`; `None` where nothing is due.
    pub async fn lease_job(&self, lease_for: Duration) -> Result<Option<Job>> {
        self.lease_job_in(Lane::Any, lease_for).await
    }

    /// Takes the longest-due job of a lane for `lease_for`; `None` where nothing is due.
    pub async fn lease_job_in(&self, lane: Lane, lease_for: Duration) -> Result<Option<Job>> {
        let now = self.clock.now();
        // Idle workers look often; looking alone should not take the database's write lock.
        let due = match lane {
            Lane::Any => due!(""),
            Lane::Work => due!(" AND kind NOT IN ('webhook', 'mail')"),
            Lane::Deliveries => due!(" AND kind IN ('webhook', 'mail')"),
        };
        if self.db.count(due, params![now]).await? == 0 {
            return Ok(None);
        }
        let mut tx = self.db.begin().await?;
        if tx.is_postgres() && lane != Lane::Work {
            // Two that look at the same time would not see each other's delivery to the same endpoint.
            let alone = "SELECT pg_advisory_xact_lock(hashtext('okra deliveries'))";
            tx.execute(alone, params![]).await?;
        }
        let sql = match (lane, tx.is_postgres()) {
            (Lane::Any, true) => claim!("", " FOR UPDATE SKIP LOCKED"),
            (Lane::Any, false) => claim!("", ""),
            (Lane::Work, true) => claim!(
                " AND kind NOT IN ('webhook', 'mail')",
                " FOR UPDATE SKIP LOCKED"
            ),
            (Lane::Work, false) => claim!(" AND kind NOT IN ('webhook', 'mail')", ""),
            (Lane::Deliveries, true) => claim!(
                " AND kind IN ('webhook', 'mail')",
                " FOR UPDATE SKIP LOCKED"
            ),
            (Lane::Deliveries, false) => claim!(" AND kind IN ('webhook', 'mail')", ""),
        };
        let values = params![now, Uuid::new_v4(), now.after(lease_for)];
        let row = tx.fetch_optional(sql, values).await?;
        tx.commit().await?;
        row.as_ref().map(read).transpose()
    }

    /// Extends a lease; `false` where it was lost, and the work must stop.
    pub async fn renew_job(&self, job: &Job, lease_for: Duration) -> Result<bool> {
        let sql = "UPDATE jobs SET lease_until = $1 WHERE id = $2 AND lease = $3";
        let until = self.clock.now().after(lease_for);
        let values = params![until, job.id.0, job.lease];
        Ok(self.db.execute(sql, values).await? == 1)
    }

    /// Gives a job back, to be begun again after `delay`.
    pub async fn retry_job(&self, job: &Job, delay: Duration) -> Result<()> {
        let sql = "UPDATE jobs SET lease = NULL, lease_until = NULL, run_at = $1 \
                   WHERE id = $2 AND lease = $3";
        let at = self.clock.now().after(delay);
        self.db
            .execute(sql, params![at, job.id.0, job.lease])
            .await?;
        Ok(())
    }

    /// Gives a job back as if it had not been begun: what a server that stops does.
    pub async fn release_job(&self, job: &Job) -> Result<()> {
        let sql = "UPDATE jobs SET lease = NULL, lease_until = NULL, attempts = attempts - 1 \
                   WHERE id = $1 AND lease = $2";
        self.db.execute(sql, params![job.id.0, job.lease]).await?;
        Ok(())
    }

    /// Gives a job back as if it had not been begun, to be begun after `delay`: what was in its way is no
    /// fault of its own.
    pub async fn postpone_job(&self, job: &Job, delay: Duration) -> Result<()> {
        let sql = "UPDATE jobs SET lease = NULL, lease_until = NULL, attempts = attempts - 1, \
                   run_at = $1 WHERE id = $2 AND lease = $3";
        let at = self.clock.now().after(delay);
        self.db
            .execute(sql, params![at, job.id.0, job.lease])
            .await?;
        Ok(())
    }

    /// Ends a job whose work left no other trace in the database.
    pub async fn finish_job(&self, job: &Job) -> Result<()> {
        let sql = "DELETE FROM jobs WHERE id = $1 AND lease = $2";
        self.db.execute(sql, params![job.id.0, job.lease]).await?;
        Ok(())
    }

    /// Jobs that wait or run, for metrics and tests.
    pub async fn open_jobs(&self) -> Result<i64> {
        let sql = "SELECT COUNT(*) AS count FROM jobs";
        self.db.count(sql, params![]).await
    }
}

/// Voids every lease, where it is known that no worker is alive. The attempts that died stay
/// counted: a document that takes the process down must not do so for ever.
pub(crate) async fn void_leases(db: &Db) -> Result<()> {
    let sql = "UPDATE jobs SET lease = NULL, lease_until = NULL WHERE lease IS NOT NULL";
    match db.execute(sql, params![]).await? {
        0 => {}
        jobs => tracing::info!(jobs, "taking up jobs of a process that was killed"),
    }
    Ok(())
}

/// Asks for an item to be read, in the caller's transaction. A wish for the same item that is
/// waiting or running is replaced: its lease is void, so what it made of the old content is
/// dropped.
pub(crate) async fn ingest(
    tx: &mut Tx,
    chatbot: &Chatbot,
    item: ItemId,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, item_id, attempts, \
               run_at, created_at) VALUES ($1, 'ingest', $2, $3, $4, 0, $5, $5) \
               ON CONFLICT (item_id) DO UPDATE SET attempts = 0, run_at = excluded.run_at, \
               lease = NULL, lease_until = NULL";
    let organization = chatbot.organization_id.0;
    let values = params![JobId::new().0, organization, chatbot.id.0, item.0, now];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Asks for a source to be read at a time, in the caller's transaction. A sync that is under way is
/// stopped: its lease is void.
pub(crate) async fn sync(
    tx: &mut Tx,
    chatbot: &Chatbot,
    source: SourceId,
    at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, source_id, attempts, \
               run_at, created_at) VALUES ($1, 'sync', $2, $3, $4, 0, $5, $6) \
               ON CONFLICT (source_id) DO UPDATE SET attempts = 0, run_at = excluded.run_at, \
               lease = NULL, lease_until = NULL";
    let organization = chatbot.organization_id.0;
    let id = JobId::new().0;
    let values = params![id, organization, chatbot.id.0, source.0, at, now];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Takes back what [`sync`] asked for.
pub(crate) async fn forget_sync(tx: &mut Tx, source: SourceId) -> Result<()> {
    let sql = "DELETE FROM jobs WHERE source_id = $1";
    tx.execute(sql, params![source.0]).await.map(|_| ())
}

/// Whether a job is still its holder's, inside the caller's transaction, until whose end it stays so.
pub(crate) async fn is_held(tx: &mut Tx, job: &Job) -> Result<bool> {
    let sql = "UPDATE jobs SET attempts = attempts WHERE id = $1 AND lease = $2";
    Ok(tx.execute(sql, params![job.id.0, job.lease]).await? == 1)
}

/// Gives a job back inside the caller's transaction, to go on at a time with all its attempts.
pub(crate) async fn go_on(tx: &mut Tx, job: &Job, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE jobs SET lease = NULL, lease_until = NULL, attempts = 0, run_at = $1 \
               WHERE id = $2 AND lease = $3";
    let values = params![at, job.id.0, job.lease];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Asks for the chatbot's vectors to be brought to the embedder that it shall have; gives how many jobs
/// that is. There is one a chatbot, which has the chatbot's id; asking anew replaces it.
pub(crate) async fn embed(tx: &mut Tx, owner: Owner, now: Timestamp) -> Result<u64> {
    let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, attempts, run_at, \
               created_at) VALUES ($2, 'embed', $1, $2, 0, $3, $3) \
               ON CONFLICT (id) DO UPDATE SET attempts = 0, run_at = excluded.run_at, \
               lease = NULL, lease_until = NULL";
    let values = params![owner.organization.0, owner.chatbot.0, now];
    tx.execute(sql, values).await
}

/// As [`embed`], at a start: the attempts of a job that is there stay counted, since they may be what ended
/// the server before.
pub(crate) async fn embed_at_start(tx: &mut Tx, owner: Owner, now: Timestamp) -> Result<u64> {
    let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, attempts, run_at, \
               created_at) VALUES ($2, 'embed', $1, $2, 0, $3, $3) \
               ON CONFLICT (id) DO UPDATE SET run_at = excluded.run_at, \
               lease = NULL, lease_until = NULL";
    let values = params![owner.organization.0, owner.chatbot.0, now];
    tx.execute(sql, values).await
}

/// Asks for an event's endpoints to be found; the job has the event's id.
pub(crate) async fn announce(
    tx: &mut Tx,
    organization: OrganizationId,
    event: WebhookEventId,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, attempts, run_at, \
               created_at) VALUES ($1, 'webhook_event', $2, $3, 0, $4, $4)";
    let values = params![event.0, organization.0, NO_CHATBOT.0, now];
    tx.execute(sql, values).await.map(|_| ())
}

/// Asks for a delivery to be sent at once with all its attempts; the job has the delivery's id. One that
/// waits or is under way is replaced.
pub(crate) async fn deliver(
    tx: &mut Tx,
    organization: OrganizationId,
    delivery: DeliveryId,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, attempts, run_at, \
               created_at) VALUES ($1, 'webhook', $2, $3, 0, $4, $4) \
               ON CONFLICT (id) DO UPDATE SET attempts = 0, run_at = excluded.run_at, \
               lease = NULL, lease_until = NULL";
    let values = params![delivery.0, organization.0, NO_CHATBOT.0, now];
    tx.execute(sql, values).await.map(|_| ())
}

/// Asks for what people replied in a session to be sent by e-mail at a time; the job has the session's id. One that
/// waits for a sooner time keeps it, one that failed starts over, and one that is under way goes on and is begun again:
/// stopping it in the middle of a letter would send the letter twice.
pub(crate) async fn mail(
    tx: &mut Tx,
    owner: Owner,
    session: SessionId,
    at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, attempts, run_at, \
               created_at) VALUES ($1, 'mail', $2, $3, 0, $4, $5) ON CONFLICT (id) DO UPDATE SET \
               attempts = CASE WHEN jobs.lease IS NULL THEN 0 ELSE jobs.attempts END, \
               run_at = CASE WHEN jobs.lease IS NULL AND jobs.attempts = 0 \
               AND jobs.run_at < excluded.run_at THEN jobs.run_at ELSE excluded.run_at END";
    let (organization, chatbot) = (owner.organization.0, owner.chatbot.0);
    let values = params![session.0, organization, chatbot, at, now];
    tx.execute(sql, values).await.map(|_| ())
}

/// Ends a job that [`mail`] asked for, inside the caller's transaction; where it was asked for again since it was
/// begun, it waits for its time anew.
pub(crate) async fn end_mail(tx: &mut Tx, job: &Job, now: Timestamp) -> Result<()> {
    let sql = "DELETE FROM jobs WHERE id = $1 AND lease = $2 AND run_at <= $3";
    tx.execute(sql, params![job.id.0, job.lease, now]).await?;
    let sql = "UPDATE jobs SET lease = NULL, lease_until = NULL, attempts = 0 \
               WHERE id = $1 AND lease = $2";
    let values = params![job.id.0, job.lease];
    tx.execute(sql, values).await.map(|_| ())
}

/// Gives a job back inside the caller's transaction, to be begun again at a time; `false` where its lease
/// was lost.
pub(crate) async fn again(tx: &mut Tx, job: &Job, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE jobs SET lease = NULL, lease_until = NULL, run_at = $1 \
               WHERE id = $2 AND lease = $3";
    let values = params![at, job.id.0, job.lease];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Whose a job is.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    organization: OrganizationId,
    chatbot: ChatbotId,
}

impl Owner {
    pub(crate) fn new(organization: OrganizationId, chatbot: ChatbotId) -> Self {
        Self {
            organization,
            chatbot,
        }
    }

    pub(crate) fn organization(self) -> OrganizationId {
        self.organization
    }

    pub(crate) fn chatbot(self) -> ChatbotId {
        self.chatbot
    }
}

impl From<&Chatbot> for Owner {
    fn from(chatbot: &Chatbot) -> Self {
        Self {
            organization: chatbot.organization_id,
            chatbot: chatbot.id,
        }
    }
}

impl From<&Job> for Owner {
    fn from(job: &Job) -> Self {
        Self {
            organization: job.organization_id,
            chatbot: job.chatbot_id,
        }
    }
}

/// Asks for blobs to be deleted once the caller's transaction stands.
pub(crate) async fn delete_blobs(
    tx: &mut Tx,
    owner: Owner,
    path: &str,
    now: Timestamp,
) -> Result<()> {
    let due = Due {
        id: JobId::new(),
        at: now,
    };
    delete_blobs_at(tx, owner, path, due, now).await
}

/// A job that is not for at once, under an id by which it can be taken back.
pub(crate) struct Due {
    pub(crate) id: JobId,
    pub(crate) at: Timestamp,
}

/// Asks for blobs to be deleted at a later time.
pub(crate) async fn delete_blobs_at(
    tx: &mut Tx,
    owner: Owner,
    path: &str,
    due: Due,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO jobs (id, kind, organization_id, chatbot_id, path, attempts, run_at, \
               created_at) VALUES ($1, 'delete_blobs', $2, $3, $4, 0, $5, $6)";
    let (organization, chatbot) = (owner.organization.0, owner.chatbot.0);
    let values = params![due.id.0, organization, chatbot, path, due.at, now];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Ends a job inside the caller's transaction; `false` where its lease was lost.
pub(crate) async fn finish(tx: &mut Tx, job: &Job) -> Result<bool> {
    let sql = "DELETE FROM jobs WHERE id = $1 AND lease = $2";
    Ok(tx.execute(sql, params![job.id.0, job.lease]).await? == 1)
}

/// Whether a job is still its holder's, in the caller's transaction; where it `gets_on`, its attempts
/// are counted from one again.
pub(crate) async fn keep(tx: &mut Tx, job: &Job, gets_on: bool) -> Result<bool> {
    let sql = "UPDATE jobs SET attempts = CASE WHEN $1 = 1 THEN 1 ELSE attempts END \
               WHERE id = $2 AND lease = $3";
    let values = params![i64::from(gets_on), job.id.0, job.lease];
    Ok(tx.execute(sql, values).await? == 1)
}

fn read(row: &Row) -> Result<Job> {
    let kind: String = row.get("kind")?;
    let task = match (kind.as_str(), row.get::<Option<Uuid>>("item_id")?) {
        ("ingest", Some(item)) => Task::Ingest(ItemId(item)),
        ("sync", _) => match row.get::<Option<Uuid>>("source_id")? {
            Some(source) => Task::Sync(SourceId(source)),
            None => {
                return Err(Error::internal(
                    "cannot read a job",
                    "a sync without a source",
                ));
            }
        },
        ("embed", _) => Task::Embed,
        ("webhook_event", _) => Task::Announce(WebhookEventId(row.get("id")?)),
        ("webhook", _) => Task::Deliver(DeliveryId(row.get("id")?)),
        ("mail", _) => Task::Mail(SessionId(row.get("id")?)),
        ("delete_blobs", _) => Task::DeleteBlobs(row.get("path")?),
        (other, _) => {
            let what = format!("no job is of kind {other:?}");
            return Err(Error::internal("cannot read a job", what));
        }
    };
    Ok(Job {
        id: JobId(row.get("id")?),
        organization_id: OrganizationId(row.get("organization_id")?),
        chatbot_id: ChatbotId(row.get("chatbot_id")?),
        task,
        attempts: row.get("attempts")?,
        lease: row.get("lease")?,
    })
}
