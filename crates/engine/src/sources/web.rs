//! Pages of the web: sites by their sitemaps and links, feeds by their entries.

use std::time::{Duration, Instant};

use bytes::Bytes;
use okra_domain::knowledge::Source;
use okra_domain::source::{KnowledgeSource, PageState, SourceKind};
use okra_extract::site::{PageLinks, page_links};
use okra_extract::{Format, Limits};
use okra_store::crash::{self, Point};
use okra_store::sources::{Found, Outcome, SourcePage, Visit};
use url::Url;

use super::scope::{Site, normal, resolved};
use super::{Body, NO_BROWSER, Syncing, Visited, first, item_for, sha256};
use crate::Engine;
use crate::fetch::{Answer, FetchError, FetchErrorKind, Fetched, Known};
use crate::ingest::{self, IngestError, blocking, page_error};
use crate::reading::Content;

/// Redirects, and pages that name another as the proper one, in a row that are followed.
const MAX_HOPS: u32 = 5;
/// Sitemaps that one index may name.
const MAX_SITEMAPS: usize = 100;
/// How long a site that asks for a pause without saying how long is left alone.
const PAUSE: Duration = Duration::from_secs(30);
/// The longest pause that a busy site gets.
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);

impl Engine {
    /// A site's first page, and the sitemaps that its robots.txt names, or the usual one.
    pub(super) async fn site_roots(&self, source: &KnowledgeSource) -> Vec<Found> {
        let mut roots = vec![first(&source.address)];
        let Some(start) = Url::parse(&source.address).ok().and_then(normal) else {
            return roots;
        };
        roots[0].address = start.to_string();
        if !source.options.sitemap {
            return roots;
        }
        // Where it cannot be learnt what the site wishes, the visits will say so.
        let named = match self.robots(&start).await {
            Ok(robots) => robots.sitemaps(),
            Err(_) => Vec::new(),
        };
        roots.extend(sitemaps(&start, &named).into_iter().map(|url| Found {
            is_list: true,
            ..first(url.as_str())
        }));
        roots
    }

    pub(super) async fn visit_web(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
    ) -> Result<Visited, IngestError> {
        let Some(url) = Url::parse(&page.address).ok().and_then(normal) else {
            return Err(IngestError::Unreadable(
                "This is no address of a web page.".to_owned(),
            ));
        };
        // The first page is read for its links whatever the patterns say.
        let first = page.is_list || page.depth == 0;
        if !first && !syncing.scope.admits(&url) {
            let reason = "The source's patterns leave this page out.";
            return Ok(Outcome::Excluded(reason.to_owned()).into());
        }
        let robots = self.robots(&url).await.map_err(unlearnt)?;
        if !robots.allows(url.as_str()) {
            let reason = "The site's robots.txt asks not to read this page.";
            return Ok(Outcome::Excluded(reason.to_owned()).into());
        }
        let (pause, now) = (robots.delay(), self.store().clock().now());
        let site = Site::of(&url);
        if let Some(site) = &site
            && let Err(at) = self.pace.take(site, now, pause)
        {
            return Ok(Visited {
                pause: at.since(now),
                ..Outcome::Wait(at).into()
            });
        }
        let answer = self.parts.fetcher.ask(&url, &known(page)).await;
        crash::pass(Point::CrawlAnswered);
        match answer {
            Ok(answer) => {
                let visit = self.read_answer(syncing, page, &url, answer).await?;
                Ok(Visited { visit, pause })
            }
            Err(error) => {
                let refused = refused(page, error, pause)?;
                if let Some(site) = site
                    && refused.pause > pause
                {
                    let until = self.store().clock().now().after(refused.pause);
                    self.pace.rest(site, until);
                }
                Ok(refused)
            }
        }
    }

    async fn read_answer(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
        url: &Url,
        answer: Answer,
    ) -> Result<Visit, IngestError> {
        match answer {
            Answer::Unchanged => Ok(as_it_was(page)),
            Answer::Moved(to) => Ok(moved(syncing, page, to)),
            Answer::Page(fetched) => {
                let body = Body {
                    hash: sha256(&fetched.body),
                    bytes: fetched.body.clone(),
                    etag: fetched.etag.clone(),
                    last_modified: fetched.last_modified.clone(),
                };
                if page.body_hash.as_ref() == Some(&body.hash) && is_settled(page) {
                    return Ok(Visit {
                        found: None,
                        ..visit(as_it_was(page).outcome, &body, None)
                    });
                }
                if page.is_list {
                    return self.read_list(syncing, page, url, body).await;
                }
                self.read_web_page(syncing, page, fetched, body).await
            }
        }
    }

    /// A sitemap or feed, for what it names.
    async fn read_list(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
        url: &Url,
        body: Body,
    ) -> Result<Visit, IngestError> {
        let bytes = body.bytes.clone();
        if syncing.source.kind == SourceKind::Feed {
            let deadline = Some(Instant::now() + self.parts.options.reading.time);
            let limits = Limits {
                deadline,
                ..Limits::default()
            };
            let entries = blocking(move || okra_extract::site::feed(&bytes, &limits)).await?;
            let most = usize::try_from(syncing.source.options.max_pages).unwrap_or(usize::MAX);
            let pages = entries?.into_iter();
            let pages = pages.filter_map(|entry| resolved(url, &entry));
            let pages = pages.filter(|page| syncing.scope.follows(page));
            let found = pages.take(most).map(|url| linked(&url, page.depth));
            return Ok(visit(Outcome::Listed, &body, Some(found.collect())));
        }
        let read = blocking(move || okra_extract::site::sitemap(&bytes)).await?;
        let read = match read {
            Ok(read) => read,
            // Many sites answer every address with some page.
            Err(error) => return Ok(visit(Outcome::Excluded(error.to_string()), &body, None)),
        };
        let pages = read.pages.iter().filter_map(|entry| resolved(url, entry));
        let pages = pages.filter(|page| syncing.scope.follows(page));
        let mut found: Vec<Found> = pages.map(|url| linked(&url, 0)).collect();
        // An index names lists of pages, and no further indexes.
        if page.depth == 0 {
            let lists = read
                .sitemaps
                .iter()
                .filter_map(|entry| resolved(url, entry));
            let lists = lists.filter(|list| syncing.scope.is_here(list));
            found.extend(lists.take(MAX_SITEMAPS).map(|url| Found {
                is_list: true,
                depth: 1,
                ..first(url.as_str())
            }));
        }
        Ok(visit(Outcome::Listed, &body, Some(found)))
    }

    async fn read_web_page(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
        mut fetched: Fetched,
        body: Body,
    ) -> Result<Visit, IngestError> {
        let kind = kind_of(&fetched);
        let html = kind.is_none();
        if let Some(format) = kind
            && !syncing.scope.documents()
            && !matches!(format, Format::Text | Format::Markdown)
        {
            let reason = format!(
                "This is {}, and the source reads pages alone; turn on documents to read it too.",
                format.with_article()
            );
            return Ok(visit(Outcome::Strayed(reason), &body, None));
        }
        let mut body = body;
        if html && syncing.source.options.render {
            body.bytes = match self.drawn(&fetched.url).await {
                Err(IngestError::Unreadable(reason)) => {
                    return Ok(visit(Outcome::Failed(reason), &body, None));
                }
                drawn => drawn?,
            };
            // However it was sent, what a browser gives is UTF-8.
            fetched.content_type = Some("text/html; charset=utf-8".to_owned());
        }
        let mut found = None;
        if html {
            let (bytes, content_type) = (body.bytes.clone(), fetched.content_type.clone());
            let links = blocking(move || page_links(&bytes, content_type.as_deref())).await?;
            if let Some(to) = self.canonical(syncing, page, &fetched.url, &links).await? {
                let pages = Some(followed(syncing, page, &fetched.url, &links));
                return Ok(visit(Outcome::Canonical(to), &body, pages));
            }
            found = Some(followed(syncing, page, &fetched.url, &links));
        }
        // The first page may be there for its links alone.
        if page.depth == 0 && !syncing.scope.admits(&fetched.url) {
            return Ok(visit(Outcome::Listed, &body, found));
        }
        let content = match kind {
            Some(format) => Ok(Content::File(format)),
            None => ingest::fetched(page.address.clone(), fetched.content_type),
        };
        let document = match content {
            Ok(content) => self.read_document(content, body.bytes.clone()).await,
            Err(error) => Err(error),
        };
        let document = match document {
            Ok(document) => document,
            // Its links count all the same.
            Err(IngestError::Unreadable(reason)) => {
                return Ok(visit(Outcome::Failed(reason), &body, found));
            }
            Err(error) => return Err(error),
        };
        let from = Source::Url {
            url: page.address.clone(),
        };
        let now = self.store().clock().now();
        let item = item_for(syncing, page, None, from, now)?;
        let size = body.bytes.len();
        let outcome = self.judge(syncing, page, item, (document, size)).await?;
        Ok(visit(outcome, &body, found))
    }

    /// A page as a browser draws it.
    async fn drawn(&self, url: &Url) -> Result<Bytes, IngestError> {
        match &self.parts.browser {
            Some(browser) => browser.draw(&self.parts.fetcher, url).await,
            None => Err(IngestError::Unreadable(format!(
                "Reading it with its scripts {NO_BROWSER}."
            ))),
        }
    }

    /// The page that this one calls its proper address, where that is another one of the source that
    /// may stand for it. One that itself stands for nothing is not believed, so that two pages that
    /// name each other do not vanish together.
    async fn canonical(
        &self,
        syncing: &Syncing<'_>,
        page: &SourcePage,
        url: &Url,
        links: &PageLinks,
    ) -> Result<Option<Found>, IngestError> {
        let named = links.canonical.as_deref().and_then(|to| resolved(url, to));
        let Some(to) = named.filter(|to| to.as_str() != page.address) else {
            return Ok(None);
        };
        if page.hops >= MAX_HOPS || !syncing.scope.follows(&to) {
            return Ok(None);
        }
        let store = self.store();
        let state = store.page_state(syncing.source, to.as_str()).await?;
        let stands = matches!(state, None | Some((PageState::Ready | PageState::New, _)));
        Ok(stands.then(|| Found {
            depth: page.depth,
            hops: page.hops + 1,
            ..first(to.as_str())
        }))
    }
}

/// Of the sitemaps that a site names those that are its own; the usual one where it names none.
fn sitemaps(start: &Url, named: &[String]) -> Vec<Url> {
    let named = named.iter().filter_map(|address| resolved(start, address));
    let own: Vec<Url> = named
        .filter(|url| Site::of(url) == Site::of(start))
        .collect();
    match own.is_empty() {
        true => start.join("/sitemap.xml").into_iter().collect(),
        false => own,
    }
}

/// The pages of the source that a page links.
fn followed(syncing: &Syncing<'_>, page: &SourcePage, url: &Url, links: &PageLinks) -> Vec<Found> {
    if syncing.source.kind == SourceKind::Feed || page.depth >= syncing.source.options.max_depth {
        return Vec::new();
    }
    let base = links.base.as_deref().and_then(|base| url.join(base).ok());
    let base = base.as_ref().unwrap_or(url);
    let targets = links.links.iter().filter_map(|link| resolved(base, link));
    let targets = targets.filter(|target| syncing.scope.follows(target));
    targets.map(|target| linked(&target, page.depth)).collect()
}

fn linked(url: &Url, depth: u32) -> Found {
    Found {
        depth: depth + 1,
        ..first(url.as_str())
    }
}

fn moved(syncing: &Syncing<'_>, page: &SourcePage, to: Url) -> Visit {
    // The first page is read for its links whatever the patterns say.
    let allowed = |to: &Url| match page.depth {
        0 => syncing.scope.is_here(to),
        _ => syncing.scope.follows(to),
    };
    let outcome = match normal(to) {
        Some(to) if to.as_str() == page.address => {
            Outcome::Failed("This address redirects to itself.".to_owned())
        }
        Some(_) if page.hops >= MAX_HOPS => {
            Outcome::Failed("This address redirects too many times.".to_owned())
        }
        Some(to) if page.is_list || allowed(&to) => Outcome::Moved(Found {
            is_list: page.is_list,
            depth: page.depth,
            hops: page.hops + 1,
            ..first(to.as_str())
        }),
        Some(to) if !syncing.scope.is_here(&to) => Outcome::Strayed(format!(
            "This address leads to another site, {}://{}; add that as a source to read it.",
            to.scheme(),
            to.host_str().unwrap_or_default()
        )),
        Some(_) => {
            Outcome::Strayed("This address leads to a page that the source leaves out.".to_owned())
        }
        None => Outcome::Strayed("This address leads to no web page.".to_owned()),
    };
    Visited::from(outcome).visit
}

fn visit(outcome: Outcome, body: &Body, found: Option<Vec<Found>>) -> Visit {
    Visit {
        outcome,
        found,
        etag: body.etag.clone(),
        last_modified: body.last_modified.clone(),
        body_hash: Some(body.hash.clone()),
    }
}

/// What the page is known by, where knowing it is enough.
fn known(page: &SourcePage) -> Known {
    match is_settled(page) {
        true => Known {
            etag: page.etag.clone(),
            last_modified: page.last_modified.clone(),
        },
        false => Known::default(),
    }
}

/// Whether a page that did not change needs no second look.
fn is_settled(page: &SourcePage) -> bool {
    let read = page.has_item && page.text_hash.is_some();
    read || page.is_list
        || matches!(page.state, PageState::Duplicate | PageState::Excluded)
        || (page.depth == 0 && page.state == PageState::Ready)
}

/// A page that is as it was, in bytes or by its own word.
fn as_it_was(page: &SourcePage) -> Visit {
    let outcome = match page.state {
        PageState::Excluded => Outcome::Strayed(page.reason.clone().unwrap_or_default()),
        _ if page.is_list => Outcome::Listed,
        _ => Outcome::Same,
    };
    Visit {
        outcome,
        found: None,
        etag: page.etag.clone(),
        last_modified: page.last_modified.clone(),
        body_hash: page.body_hash.clone(),
    }
}

/// The format of what is no HTML, as its sender says, or for want of that its name.
fn kind_of(page: &Fetched) -> Option<Format> {
    let media_type = page.content_type.as_deref().unwrap_or("text/html");
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/octet-stream") {
        let name = page.url.path_segments()?.next_back()?;
        return Format::detect(name, &page.body).ok();
    }
    Format::from_media_type(media_type).filter(|format| *format != Format::Html)
}

/// What a request in vain means for its page.
fn refused(page: &SourcePage, error: FetchError, pause: Duration) -> Result<Visited, IngestError> {
    if let FetchErrorKind::Status(404 | 410) = error.kind {
        return Ok(Visited {
            pause,
            ..Outcome::Gone.into()
        });
    }
    let busy = matches!(error.kind, FetchErrorKind::Status(429 | 503));
    if busy && page.attempts < crate::worker::MAX_ATTEMPTS {
        let pause = error.retry_after.unwrap_or(PAUSE).clamp(pause, MAX_PAUSE);
        let reason = error.to_string();
        return Ok(Visited {
            // The page comes up again when the site does.
            visit: Visited::from(Outcome::Later(okra_domain::Timestamp(0), reason)).visit,
            pause,
        });
    }
    Err(page_error(error))
}

/// Nothing may be read of a site whose wishes are not known.
fn unlearnt(error: FetchError) -> IngestError {
    let message = format!("The site's robots.txt cannot be read: {error}");
    match page_error(error) {
        IngestError::Later(error) => IngestError::Later(okra_domain::Error { message, ..error }),
        IngestError::Unreadable(reason) => IngestError::Unreadable(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sitemaps_are_the_sites_own_under_either_of_its_names() {
        let check = |named: &[&str], expected: &[&str]| {
            let start = Url::parse("https://shop.example/help").expect("an address");
            let named: Vec<String> = named.iter().map(|it| (*it).to_owned()).collect();
            let found = sitemaps(&start, &named);
            let found: Vec<&str> = found.iter().map(Url::as_str).collect();
            assert_eq!(found, expected, "{named:?}");
        };
        check(
            &["https://www.shop.example/map.xml", "/more.xml"],
            &[
                "https://www.shop.example/map.xml",
                "https://shop.example/more.xml",
            ],
        );
        check(
            &["http://shop.example/map.xml"],
            &["http://shop.example/map.xml"],
        );
        let usual = "https://shop.example/sitemap.xml";
        check(&["https://elsewhere.example/map.xml"], &[usual]);
        check(&["https://shop.example:8443/map.xml"], &[usual]);
        check(&[], &[usual]);
    }
}
