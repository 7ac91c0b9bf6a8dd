//! A thread that embeds one batch after another, and the bounded queue before it.
//!
//! A model has two: questions never wait behind documents that are being read. Callers that left are
//! skipped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use super::Model;
use crate::error::{ProviderError, ProviderErrorKind};

/// Jobs that may wait. Beyond that callers wait for a place.
const WAITING: usize = 32;

/// Texts that are gathered from several waiting jobs.
const GATHERED: usize = 64;

/// Tokens that go through the network together: enough for the products of matrices to be at their
/// best, and some tens of milliseconds to the next look at who still waits.
const PASS_TOKENS: usize = 768;

/// Where callers leave texts. Ends its thread when it is dropped.
pub(super) struct Lane {
    jobs: mpsc::Sender<Job>,
    patience: Duration,
}

type Vectors = Result<Vec<Vec<f32>>, ProviderError>;

/// Texts of one caller.
struct Job {
    texts: Vec<String>,
    reply: oneshot::Sender<Vectors>,
}

impl Lane {
    /// Starts the thread. `threads` of them compute; `patience` is how long a caller waits for a place
    /// in the queue.
    pub(super) fn start(
        model: Arc<Model>,
        name: &str,
        threads: usize,
        patience: Duration,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let numbered = name.to_owned();
        // A pool of its own, so that it never takes every processor.
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |at| format!("{numbered}-{at}"))
            .build()
            .map_err(std::io::Error::other)?;
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&model, waiting, &pool))?;
        Ok(Self { jobs, patience })
    }

    pub(super) async fn embed(&self, texts: Vec<String>) -> Vectors {
        let (reply, answer) = oneshot::channel();
        let job = Job { texts, reply };
        let sent = self.jobs.send_timeout(job, self.patience).await;
        sent.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => ProviderError::new(
                ProviderErrorKind::Timeout,
                "The embedding model has more waiting than it can work off in time.",
            ),
            SendTimeoutError::Closed(_) => stopped(),
        })?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn stopped() -> ProviderError {
    let message = "The embedding model's thread has stopped.";
    ProviderError::new(ProviderErrorKind::Interrupted, message)
}

fn run(model: &Model, mut waiting: mpsc::Receiver<Job>, pool: &ThreadPool) {
    while let Some(first) = waiting.blocking_recv() {
        let mut texts = first.texts.len();
        let mut jobs = vec![first];
        while texts < GATHERED
            && let Ok(job) = waiting.try_recv()
        {
            texts += job.texts.len();
            jobs.push(job);
        }
        pool.install(|| work(model, jobs));
    }
}

/// A text that waits, and where its vector belongs.
struct Place {
    job: usize,
    text: usize,
    tokens: Vec<u32>,
}

fn work(model: &Model, jobs: Vec<Job>) {
    let mut answers: Vec<Vectors> = jobs
        .iter()
        .map(|job| Ok(vec![vec![0.0; model.dimensions]; job.texts.len()]))
        .collect();
    let mut places = Vec::new();
    for (job, waiting) in jobs.iter().enumerate() {
        for (text, words) in waiting.texts.iter().enumerate() {
            match model.tokens(words) {
                Ok(tokens) if tokens.is_empty() => {}
                Ok(tokens) => places.push(Place { job, text, tokens }),
                Err(error) => answers[job] = Err(error),
            }
        }
    }
    let left = |job: usize| jobs[job].reply.is_closed();
    let passes = passes(&places);
    let embedded = passes.par_iter().map(|pass| {
        let texts: Vec<&[u32]> = pass.iter().map(|place| place.tokens.as_slice()).collect();
        if pass.iter().all(|place| left(place.job)) {
            return Err(broken("nobody waits for it"));
        }
        let done = catch_unwind(AssertUnwindSafe(|| model.embed(&texts)));
        done.unwrap_or_else(|_| Err(broken("it panicked")))
    });
    let embedded: Vec<Vectors> = embedded.collect();
    for (pass, found) in passes.iter().zip(embedded) {
        match found {
            Ok(found) => {
                for (place, vector) in pass.iter().zip(found) {
                    if let Ok(vectors) = &mut answers[place.job] {
                        vectors[place.text] = vector;
                    }
                }
            }
            Err(error) => {
                for place in *pass {
                    answers[place.job] = Err(error.clone());
                }
            }
        }
    }
    for (job, answer) in jobs.into_iter().zip(answers) {
        // Whoever has left meanwhile wants no answer.
        let _ = job.reply.send(answer);
    }
}

/// Cuts texts into what goes through the network together.
fn passes(places: &[Place]) -> Vec<&[Place]> {
    let mut passes = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (end, place) in places.iter().enumerate() {
        if end > start && tokens + place.tokens.len() > PASS_TOKENS {
            passes.push(&places[start..end]);
            (start, tokens) = (end, 0);
        }
        tokens += place.tokens.len();
    }
    if start < places.len() {
        passes.push(&places[start..]);
    }
    passes
}

pub(super) fn broken(why: impl std::fmt::Display) -> ProviderError {
    let message = format!("The embedding model failed on a text: {why}.");
    ProviderError::new(ProviderErrorKind::Malformed, message)
}
