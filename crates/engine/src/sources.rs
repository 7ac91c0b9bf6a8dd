//! Reading sources whole: a sync asks for one page after another, in steps of a job, and everything it
//! learns lies in the database, so that a restart goes on where the last step ended.
//!
//! Pages of the web are fetched by the guarded fetcher alone, one at a time for each source, as often
//! as the site's robots.txt allows; files come from folders and buckets that the operator named. What
//! both have in common is here: how a page is judged by its hashes, and what a failure leads to.

mod files;
mod pace;
mod rest;
mod robots;
mod scope;
mod web;

use std::time::{Duration, Instant};

use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, Source};
use okra_domain::source::{KnowledgeSource, PageState, SourceKind, SourceState};
use okra_domain::{Error, ErrorKind, SourceId, Timestamp};
use okra_extract::Document;
use okra_store::crash::{self, Point};
use okra_store::jobs::Job;
use okra_store::sources::{Found, Outcome, PageNode, SourcePage, Taken, Visit};
use sha2::{Digest, Sha256};
use url::Url;

use crate::Engine;
use crate::ingest::{IngestError, blocking};
use crate::worker::{MAX_ATTEMPTS, Step, delay};
pub use files::Places;
pub(crate) use pace::Pace;
pub(crate) use robots::RobotsCache;
use scope::Scope;

/// Pages of one step at most, after which other jobs have their turn.
const STEP_PAGES: usize = 20;
/// How long a step goes on before other jobs have their turn.
const STEP_TIME: Duration = Duration::from_secs(5);

/// Why no page is drawn.
const NO_BROWSER: &str = "needs a Chromium, which this server's operator has not named (chromium, \
                          OKRA_CHROMIUM)";

/// What asking for a page came to, and how long its site is to be left alone.
struct Visited {
    visit: Visit,
    pause: Duration,
}

/// A page's bytes as they came.
struct Body {
    bytes: Bytes,
    hash: String,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What a step works for.
struct Syncing<'a> {
    job: &'a Job,
    chatbot: &'a Chatbot,
    source: &'a KnowledgeSource,
    scope: Scope,
}

impl Engine {
    /// The source as it is to be stored, where everything about it can be used: its patterns can be
    /// read, and its address is one that its kind may have on this server, in its one spelling.
    pub fn checked_source(&self, source: KnowledgeSource) -> Result<KnowledgeSource> {
        self.check_options(&source)?;
        if !source.kind.is_web() {
            self.parts.places.check(source.kind, &source.address)?;
            return Ok(source);
        }
        let Some(url) = Url::parse(&source.address).ok().and_then(scope::normal) else {
            let problem = "must be the http or https address of a site or feed, without a user \
                           name or password";
            return Err(Error::invalid_field("address", problem));
        };
        Ok(KnowledgeSource {
            address: url.into(),
            ..source
        })
    }

    /// Checks that the source's patterns can be read, and that this server can do what its options ask.
    pub fn check_options(&self, source: &KnowledgeSource) -> Result<()> {
        if source.options.render && self.parts.browser.is_none() {
            return Err(Error::invalid_field("options.render", NO_BROWSER));
        }
        Scope::of(source).map(|_| ())
    }

    /// Reads the next pages of a source.
    pub(crate) async fn sync_step(&self, job: &Job, id: SourceId) -> Result<Step> {
        match self.advance_sync(job, id).await {
            Err(error) if error.kind == ErrorKind::OutOfSpace => Err(error),
            Err(error) if error.kind != ErrorKind::NotFound && job.attempts < MAX_ATTEMPTS => {
                crate::worker::log("a source was not read; trying again later", &error);
                let store = self.store();
                store.retry_job(job, delay(job.attempts)).await?;
                Ok(Step::Deferred)
            }
            Err(error) => self.give_up(job, id, error).await,
            step => step,
        }
    }

    async fn advance_sync(&self, job: &Job, id: SourceId) -> Result<Step> {
        let store = self.store();
        let Some((chatbot, mut source)) = store.source_of(job, id).await? else {
            store.finish_job(job).await?;
            return Ok(Step::Dropped);
        };
        if source.state != SourceState::Syncing {
            let roots = self.roots(&source).await;
            if !store.begin_sync(job, &source, &roots).await? {
                return Ok(Step::Dropped);
            }
            source = store.source(&chatbot, id).await?.source;
        }
        let syncing = Syncing {
            job,
            chatbot: &chatbot,
            source: &source,
            scope: Scope::of(&source)?,
        };
        let begun = Instant::now();
        for _ in 0..STEP_PAGES {
            let page = match store.take_page(job, id).await? {
                Taken::Page(page) => page,
                Taken::Wait(at) => return self.rest_until(job, at).await,
                Taken::Nothing => return self.end(&syncing).await,
                Taken::Lost => return Ok(Step::Dropped),
            };
            let pause = match self.visit_and_keep(&syncing, &page).await {
                Ok(Some(pause)) => pause,
                Ok(None) => return Ok(Step::Dropped),
                Err(error) if error.kind == ErrorKind::OutOfSpace => {
                    store.put_page_back(source.id, &page).await?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
            if !pause.is_zero() {
                return self.rest_until(job, store.clock().now().after(pause)).await;
            }
            if begun.elapsed() > STEP_TIME {
                break;
            }
        }
        self.rest_until(job, store.clock().now()).await
    }

    /// Asks for a page and keeps what comes of it; gives how long its site is to be left alone, or
    /// `None` where the job is no longer ours.
    async fn visit_and_keep(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
    ) -> Result<Option<Duration>> {
        let Visited { visit, pause } = self.visit(syncing, page).await?;
        let kept = self.keep(syncing, page, visit).await?;
        Ok(kept.then_some(pause))
    }

    async fn rest_until(&self, job: &Job, at: Timestamp) -> Result<Step> {
        let held = self.store().continue_sync(job, at).await?;
        Ok(if held { Step::Deferred } else { Step::Dropped })
    }

    /// Where a sync begins.
    async fn roots(&self, source: &KnowledgeSource) -> Vec<Found> {
        if source.kind == SourceKind::Site {
            return self.site_roots(source).await;
        }
        vec![Found {
            is_list: true,
            ..first(&source.address)
        }]
    }

    async fn visit(&self, syncing: &Syncing<'_>, page: &SourcePage) -> Result<Visited> {
        // One that takes the whole process down is never seen to fail; its attempts tell.
        if page.attempts > MAX_ATTEMPTS {
            let reason = "Reading this page stopped the server several times; it was given up.";
            return Ok(Outcome::Failed(reason.to_owned()).into());
        }
        let visited = match syncing.source.kind.is_web() {
            true => self.visit_web(syncing, page).await,
            false => self.visit_file(syncing, page).await,
        };
        visited.or_else(|error| {
            let outcome = match error {
                IngestError::Unreadable(reason) => Outcome::Failed(reason),
                IngestError::Later(error) if error.kind == ErrorKind::OutOfSpace => {
                    return Err(error);
                }
                IngestError::Later(error) if page.attempts < MAX_ATTEMPTS => {
                    let at = self.store().clock().now().after(delay(page.attempts));
                    Outcome::Later(at, reason_of(error))
                }
                IngestError::Later(error) => Outcome::Failed(reason_of(error)),
            };
            Ok(outcome.into())
        })
    }

    /// Keeps a visit; a text that came too late to count is deleted again.
    async fn keep(&self, syncing: &Syncing<'_>, page: &SourcePage, visit: Visit) -> Result<bool> {
        let read = match &visit.outcome {
            Outcome::Read(item, ingested, _) => Some((item.clone(), ingested.text_file)),
            _ => None,
        };
        let (job, source) = (syncing.job, syncing.source);
        let kept = self.store().keep_visit(job, source, page, visit).await;
        if let Some((item, text)) = read {
            self.drop_unkept_text(&kept, &item, text).await?;
        }
        kept
    }

    /// What a page's bytes come to: as it was, another page's text, or a text to be taken in.
    async fn judge(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
        item: Item,
        (document, size): (Document, usize),
    ) -> Result<Outcome, IngestError> {
        let (document, hash) = hashed(document).await?;
        if page.has_item && page.text_hash.as_ref() == Some(&hash) {
            return Ok(Outcome::Same);
        }
        let store = self.store();
        let twin = store.page_with_text(syncing.source, &hash, page.number);
        if let Some(twin) = twin.await? {
            return Ok(Outcome::Twin(twin));
        }
        let ingested = self.take_in(syncing.chatbot, &item, document, size).await?;
        Ok(Outcome::Read(Box::new(item), Box::new(ingested), hash))
    }

    async fn end(&self, syncing: &Syncing<'_>) -> Result<Step> {
        let Syncing {
            job,
            chatbot,
            source,
            ..
        } = syncing;
        crash::pass(Point::CrawlOver);
        let store = self.store();
        let pages = store.page_graph(source).await?;
        let mut resting = rest::resting(source, &pages);
        resting.error = self.failure(source, chatbot, &pages).await?;
        let failed = resting.error.is_some();
        let ended = store.end_sync(job, chatbot, source, resting).await?;
        self.wake_workers();
        tracing::info!(source = %source.id, failed, "source read");
        Ok(match (ended, failed) {
            (false, _) => Step::Dropped,
            (true, true) => Step::Failed,
            (true, false) => Step::Done,
        })
    }

    /// Why a sync came to nothing: what it begins with could not be read, and of a site no page else.
    async fn failure(
        &self,
        source: &KnowledgeSource,
        chatbot: &Chatbot,
        pages: &[PageNode],
    ) -> Result<Option<String>> {
        let of_site = source.kind == SourceKind::Site;
        let begins = |page: &&PageNode| page.depth == 0 && page.is_list != of_site;
        let lost = [PageState::Failed, PageState::Gone, PageState::Excluded];
        let read = |page: &PageNode| page.state == PageState::Ready;
        if pages.iter().filter(begins).any(read) || of_site && pages.iter().any(read) {
            return Ok(None);
        }
        let mut beginnings = pages.iter().filter(begins);
        let Some(page) = beginnings.find(|page| lost.contains(&page.state)) else {
            return Ok(None);
        };
        let reason = self.store().page_reason(chatbot, source.id, page.number);
        let none = || "There is no page at this address.".to_owned();
        Ok(Some(reason.await?.unwrap_or_else(none)))
    }

    /// Ends a sync that the server cannot go on with.
    async fn give_up(&self, job: &Job, id: SourceId, error: Error) -> Result<Step> {
        crate::worker::log("a source was given up", &error);
        let store = self.store();
        let Some((chatbot, source)) = store.source_of(job, id).await? else {
            store.finish_job(job).await?;
            return Ok(Step::Dropped);
        };
        let resting = okra_store::sources::Resting {
            error: Some(reason_of(error)),
            ..Default::default()
        };
        let ended = store.end_sync(job, &chatbot, &source, resting).await?;
        Ok(if ended { Step::Failed } else { Step::Dropped })
    }
}

impl From<Outcome> for Visited {
    fn from(outcome: Outcome) -> Self {
        Self {
            visit: Visit {
                outcome,
                found: None,
                etag: None,
                last_modified: None,
                body_hash: None,
            },
            pause: Duration::ZERO,
        }
    }
}

/// The page that a source begins with.
fn first(address: &str) -> Found {
    Found {
        address: address.to_owned(),
        is_list: false,
        depth: 0,
        hops: 0,
        version: None,
    }
}

/// The item that a page's text goes into: it has had its id since the page was found.
fn item_for(
    syncing: &Syncing<'_>,
    page: &SourcePage,
    title: Option<String>,
    from: Source,
    now: Timestamp,
) -> Result<Item> {
    Ok(Item {
        id: page.item_id,
        source_id: Some(syncing.source.id),
        ..Item::new(syncing.chatbot.id, title, from, now)?
    })
}

/// What a person is told; what went wrong inside stands in the log.
fn reason_of(error: Error) -> String {
    match error.kind {
        ErrorKind::Internal => "Reading this failed several times for a reason on the server, \
                                which its log tells."
            .to_owned(),
        _ => error.message,
    }
}

/// A document with the hash of its text.
async fn hashed(document: Document) -> Result<(Document, String)> {
    blocking(move || {
        let mut hash = Sha256::new();
        hash.update(document.title.as_deref().unwrap_or_default());
        hash.update("\n");
        hash.update(document.to_markdown());
        let hash = hex::encode(hash.finalize());
        (document, hash)
    })
    .await
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_hashed_off_the_threads_that_answer() {
        let document = Document {
            title: Some("Hours".to_owned()),
            ..Document::default()
        };
        let hashed = crate::ingest::tests::off_the_thread(hashed(document.clone()));
        assert_eq!(hashed.expect("hashed"), (document, sha256(b"Hours\n")));
    }
}
