//! The worker: takes one job after another, keeps its lease while it works, and sees to it that
//! every accepted job ends. Steppable: tests call [`Worker::run_one`] and never sleep.

use std::sync::Arc;
use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind, ItemId};
use okra_store::blobs;
use okra_store::crash::{self, Point};
use okra_store::jobs::{Job, Lane, Task};

use crate::Engine;
use crate::ingest::IngestError;
use crate::reembed::{ReembedError, Slice};

/// How long a job is another worker's before it may be taken over, unless renewed.
const LEASE: Duration = Duration::from_secs(15);
/// How often a lease is renewed while its job runs.
const RENEW: Duration = Duration::from_secs(5);
/// How often an idle worker looks for jobs that another process stored.
const POLL: Duration = Duration::from_secs(1);
/// How long a job rests while the disk is full.
const ROOM: Duration = Duration::from_secs(10);
/// How often a job is begun before it is given up.
pub(crate) const MAX_ATTEMPTS: i64 = 5;

/// What became of the job that a step took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing was due.
    Idle,
    /// A job's work is done.
    Done,
    /// An item ended as failed, with its reason.
    Failed,
    /// The job will be tried again later.
    Deferred,
    /// The job was no longer ours: changed, deleted, or given back at a shutdown.
    Dropped,
}

/// Workers that do nothing but send events and e-mail: each waits for a stranger's server.
const SENDERS: usize = 4;

/// Runs jobs of one engine.
pub struct Worker {
    engine: Arc<Engine>,
    lane: Lane,
}

impl Worker {
    /// A worker at rest, which takes every job.
    pub fn new(engine: Arc<Engine>) -> Self {
        let lane = Lane::Any;
        Self { engine, lane }
    }

    /// Starts `count` workers, and those that send events, which run until the engine is shut down.
    pub fn spawn(engine: &Arc<Engine>, count: usize) {
        let workers = std::iter::repeat_n(Lane::Work, count);
        for lane in workers.chain([Lane::Deliveries; SENDERS]) {
            let worker = Self {
                engine: engine.clone(),
                lane,
            };
            engine.running.spawn(async move { worker.run().await });
        }
    }

    async fn run(&self) {
        let engine = &self.engine;
        while !engine.stopping.is_cancelled() {
            // Registered before looking, so that a job stored in between is not slept through.
            let woken = engine.jobs.notified();
            engine.end_unused_commands();
            match self.run_one().await {
                Ok(Step::Idle) => {}
                Ok(_) => continue,
                Err(error) => log("a job could not be taken or ended", &error),
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(POLL) => {}
                () = engine.stopping.cancelled() => {}
            }
        }
    }

    /// Takes the next due job and works it off.
    pub async fn run_one(&self) -> Result<Step> {
        self.engine.trim_deliveries().await;
        let Some(job) = self.engine.store().lease_job_in(self.lane, LEASE).await? else {
            return Ok(Step::Idle);
        };
        tokio::select! {
            step = self.work(&job) => step,
            () = self.keep_lease(&job) => Ok(Step::Dropped),
            () = self.engine.stopping.cancelled() => {
                self.engine.store().release_job(&job).await?;
                Ok(Step::Dropped)
            }
        }
    }

    /// Renews the lease until it is lost.
    async fn keep_lease(&self, job: &Job) {
        loop {
            tokio::time::sleep(RENEW).await;
            match self.engine.store().renew_job(job, LEASE).await {
                Ok(true) => {}
                Ok(false) => return,
                // The lease may yet be renewed in time; if not, another worker takes over.
                Err(error) => log("a job's lease was not renewed", &error),
            }
        }
    }

    async fn work(&self, job: &Job) -> Result<Step> {
        match self.attempt(job).await {
            // It is not the job's fault, so it waits for room however long that takes.
            Err(error) if error.kind == ErrorKind::OutOfSpace => {
                log("the disk is full; a job waits for room", &error);
                self.engine.store().postpone_job(job, ROOM).await?;
                Ok(Step::Deferred)
            }
            step => step,
        }
    }

    async fn attempt(&self, job: &Job) -> Result<Step> {
        let store = self.engine.store();
        let step = match &job.task {
            Task::DeleteBlobs(path) => match store.blobs().delete(path).await {
                Ok(()) => {
                    if *path == blobs::chatbot_folder(job.chatbot_id) {
                        self.engine.indexes.forget(job.chatbot_id).await;
                    }
                    store.finish_job(job).await?;
                    Step::Done
                }
                Err(error) => {
                    log("blobs were not deleted; trying again later", &error);
                    store.retry_job(job, delay(job.attempts)).await?;
                    Step::Deferred
                }
            },
            Task::Ingest(item) => self.ingest(job, *item).await?,
            Task::Sync(source) => self.engine.sync_step(job, *source).await?,
            Task::Embed => self.reembed(job).await?,
            Task::Announce(event) => self.engine.announce(job, *event).await?,
            Task::Deliver(delivery) => self.engine.deliver(job, *delivery).await?,
            Task::Mail(session) => self.engine.mail_replies(job, *session).await?,
        };
        let name = match job.task {
            Task::Ingest(_) => "ingest",
            Task::Sync(_) => "sync",
            Task::Embed => "embed",
            Task::Announce(_) => "webhook_event",
            Task::Deliver(_) => "webhook",
            Task::Mail(_) => "mail",
            Task::DeleteBlobs(_) => "delete_blobs",
        };
        let outcome = format!("{step:?}").to_lowercase();
        metrics::counter!("okra_jobs_total", "kind" => name, "outcome" => outcome).increment(1);
        Ok(step)
    }

    async fn ingest(&self, job: &Job, id: ItemId) -> Result<Step> {
        let store = self.engine.store();
        // A document that takes the whole process down is never seen to fail; its attempts tell.
        if job.attempts > MAX_ATTEMPTS {
            let reason = "Reading this item stopped the server several times; it was given up.";
            return self.fail(job, id, reason).await;
        }
        let chatbot = match store.chatbot(job.organization_id, job.chatbot_id).await {
            Ok(chatbot) => chatbot,
            Err(error) if error.kind == ErrorKind::NotFound => return self.drop_job(job).await,
            Err(error) => return Err(error),
        };
        let Some(item) = store.begin_ingest(&chatbot, id).await? else {
            return self.drop_job(job).await;
        };
        crash::pass(Point::ExtractBegun);
        match self.engine.read_item(&chatbot, &item).await {
            Ok(done) => {
                let (chunks, text) = (done.chunks.len(), done.text_file);
                let kept = store.finish_ingest(job, id, done).await;
                self.engine.drop_unkept_text(&kept, &item, text).await?;
                let kept = kept?;
                tracing::info!(item = %id, chunks, kept, "item read");
                self.engine
                    .refresh_index(job.organization_id, job.chatbot_id);
                Ok(if kept { Step::Done } else { Step::Dropped })
            }
            Err(IngestError::Unreadable(reason)) => self.fail(job, id, &reason).await,
            Err(IngestError::Later(error)) if error.kind == ErrorKind::OutOfSpace => Err(error),
            Err(IngestError::Later(error)) if job.attempts < MAX_ATTEMPTS => {
                log("an item was not read; trying again later", &error);
                store.retry_job(job, delay(job.attempts)).await?;
                Ok(Step::Deferred)
            }
            Err(IngestError::Later(error)) => {
                log("an item was given up", &error);
                let reason = match error.kind {
                    ErrorKind::Internal => "Reading this item failed several times for a reason \
                                            on the server, which its log tells."
                        .to_owned(),
                    _ => error.message,
                };
                self.fail(job, id, &reason).await
            }
        }
    }

    async fn reembed(&self, job: &Job) -> Result<Step> {
        let store = self.engine.store();
        let chatbot = match store.chatbot(job.organization_id, job.chatbot_id).await {
            Ok(chatbot) => chatbot,
            Err(error) if error.kind == ErrorKind::NotFound => return self.drop_job(job).await,
            Err(error) => return Err(error),
        };
        // As of a document: what takes the process down is never seen to fail.
        if job.attempts > MAX_ATTEMPTS {
            let reason = "Making vectors stopped the server several times; it was given up.";
            return self.fail_reembedding(job, reason).await;
        }
        let reason = match self.engine.reembed(job, &chatbot).await {
            Ok(Slice::Done) => {
                tracing::info!(chatbot = %chatbot.id, "new vectors are in place");
                return Ok(Step::Done);
            }
            Ok(Slice::More) => {
                // Behind whatever else is due; it got on, so it was no attempt.
                store.postpone_job(job, Duration::ZERO).await?;
                return Ok(Step::Deferred);
            }
            Ok(Slice::Lost) => return Ok(Step::Dropped),
            Err(ReembedError::Later(error)) if error.kind == ErrorKind::OutOfSpace => {
                return Err(error);
            }
            Err(ReembedError::Later(error)) if job.attempts < MAX_ATTEMPTS => {
                log("vectors were not made; trying again later", &error);
                store.retry_job(job, delay(job.attempts)).await?;
                return Ok(Step::Deferred);
            }
            Err(ReembedError::Later(error)) => {
                log("making vectors was given up", &error);
                match error.kind {
                    ErrorKind::Internal => "Making vectors failed several times for a reason on \
                                            the server, which its log tells."
                        .to_owned(),
                    _ => error.message,
                }
            }
            Err(ReembedError::Refused(reason)) => reason,
        };
        self.fail_reembedding(job, &reason).await
    }

    async fn fail_reembedding(&self, job: &Job, reason: &str) -> Result<Step> {
        let kept = self.engine.store().fail_reembedding(job, reason).await?;
        tracing::warn!(chatbot = %job.chatbot_id, reason, kept, "new vectors were not made");
        Ok(if kept { Step::Failed } else { Step::Dropped })
    }

    async fn fail(&self, job: &Job, id: ItemId, reason: &str) -> Result<Step> {
        let kept = self.engine.store().fail_ingest(job, id, reason).await?;
        tracing::info!(item = %id, reason, kept, "item not readable");
        Ok(if kept { Step::Failed } else { Step::Dropped })
    }

    async fn drop_job(&self, job: &Job) -> Result<Step> {
        self.engine.store().finish_job(job).await?;
        Ok(Step::Dropped)
    }
}

/// 2, 8, 32, 128 seconds: quick for a hiccup, patient with an outage.
pub(crate) fn delay(attempts: i64) -> Duration {
    let exponent = u32::try_from(attempts.clamp(1, 5) - 1).unwrap_or(0);
    Duration::from_secs(2 * 4_u64.pow(exponent))
}

pub(crate) fn log(what: &str, error: &Error) {
    let cause = error.source.as_ref().map(ToString::to_string);
    tracing::warn!(%error, cause, "{what}");
}
