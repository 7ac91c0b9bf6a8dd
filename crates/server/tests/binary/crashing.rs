//! The server dies at every named point of its pipeline and is started again: nothing that it accepted
//! is lost, stuck or there twice.
//!
//! Each round has a chatbot of its own in one data folder, so that what earlier rounds left would show.
//! `OKRA_TEST_KILLS` says how often the server dies at each point; without it once, and a few times at
//! those that are passed often.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use futures_util::future::join_all;
use okra_store::crash::{self, Point};
use okra_testkit::provider::{EMBEDDING_DIMENSION, MockProvider};
use okra_testkit::website::{MockSite, Page};
use serde_json::{Value, json};

use crate::killed::{assert_chunks_stored, is_over, outcome, stored_chunks};
use crate::okra::{Okra, Server, workspace_file};

/// What a process that ended by `abort` was ended by.
const SIGABRT: i32 = 6;
/// Sections of the long document, more than are embedded at once twice over.
const LONG: usize = 400;
/// Pages of the site that is crawled, the first one among them.
const PAGES: usize = 6;

/// What is done until the server dies.
#[derive(Clone, Copy)]
enum Work {
    Upload,
    Reembed,
    Crawl,
}

/// What leads to a point, and how often it passes there at least.
fn way_to(point: Point) -> (Work, usize) {
    use Point::*;
    match point {
        UploadStored | UploadAdded => (Work::Upload, 4),
        ExtractBegun => (Work::Upload, 5),
        Extracted | TextKept => (Work::Upload, 3),
        Embedded | IngestOpen | IngestDone => (Work::Upload, 4),
        ReembedBegun | SwitchOpen | SwitchDone => (Work::Reembed, 1),
        ReembedMade | ReembedKept => (Work::Reembed, 3),
        CrawlBegun | CrawlOver | CrawlEndOpen | CrawlEnded => (Work::Crawl, 1),
        CrawlTaken | CrawlAnswered | VisitOpen | VisitDone => (Work::Crawl, PAGES),
    }
}

fn documents() -> Vec<(String, Vec<u8>)> {
    let guide = workspace_file("crates/extract/tests/data/guide-writer.docx");
    let guide = std::fs::read(guide).expect("a file of this repository");
    vec![
        ("long.md".to_owned(), sections(LONG)),
        ("short.md".to_owned(), sections(3)),
        ("guide.docx".to_owned(), guide),
        ("broken.pdf".to_owned(), b"%PDF-1.7\nnothing more".to_vec()),
    ]
}

/// A document of so many sections, each a passage: more than are embedded at once.
fn sections(count: usize) -> Vec<u8> {
    let section = |n| {
        format!(
            "## Part {n}\n\nIn a house of {count} parts, machine {n} is cleaned every {n} days, and \
             부품 {n} lasts {n} weeks. {}\n\n",
            "It is wiped, rinsed and dried before anyone sits down to eat. ".repeat(8)
        )
    };
    (1..=count).map(section).collect::<String>().into_bytes()
}

fn put_site(site: &MockSite, version: usize) {
    for number in 0..PAGES {
        // Of the first page and one more nothing changes.
        let version = if number < 2 { 0 } else { version };
        let links: String = (0..PAGES)
            .map(|to| format!("<a href=\"/page{to}\">more</a> "))
            .collect();
        let html = format!(
            "<html><head><title>Page {number}</title></head><body><main><h1>Page {number}</h1>\
             <p>Cellar {number} was dug {} years ago, and is dry.</p></main><nav>{links}</nav>\
             </body></html>",
            100 + version
        );
        let path = match number {
            0 => "/".to_owned(),
            _ => format!("/page{number}"),
        };
        let etag = format!("\"{number}-{version}\"");
        site.put(&path, Page::html(html).with_header("etag", &etag));
    }
    let canonical = "<link rel=\"canonical\" href=\"/\"><main>The same.</main>";
    site.put("/page0", Page::html(canonical));
}

/// One data folder, what its server may reach, and the file that says where it dies.
struct Stage {
    okra: Okra,
    wish: PathBuf,
    /// What becomes of the documents where nothing disturbs.
    undisturbed: BTreeMap<String, (Value, i64)>,
    provider: MockProvider,
}

impl Stage {
    /// From now on the server dies at this point, when it was passed so often.
    fn arm(&self, point: Point, unharmed: usize) {
        // Whole or not at all: the server may be reading it.
        let new = self.wish.with_extension("new");
        std::fs::write(&new, format!("{} {unharmed}", point.name())).expect("written");
        std::fs::rename(&new, &self.wish).expect("renamed");
    }

    /// Waits until the server has died of the wish, and starts it without one.
    async fn died(&mut self, mut server: Server, point: Point) -> Server {
        let status = server.ended().await;
        assert_eq!(status.signal(), Some(SIGABRT), "{}", point.name());
        std::fs::remove_file(&self.wish).expect("it was armed");
        self.okra.serve_with_key().await
    }

    async fn uploads(&mut self, mut server: Server, point: Point, unharmed: usize) -> Server {
        let chatbot = server
            .chatbot(&format!("{} {unharmed}", point.name()))
            .await;
        self.arm(point, unharmed);
        let pair = json!({"type": "qna", "question": "Are dogs welcome?", "answer": "On a lead."});
        let path = format!("/api/external/chatbot/{chatbot}/knowledge-base");
        let mut pair_added = server
            .request("POST", &path)
            .json(&pair)
            .send()
            .await
            .is_ok();
        // What the kill cuts off is not acknowledged, and sent again as a client does.
        let first = join_all(documents().into_iter().map(|(name, bytes)| {
            let request = server.upload(&chatbot, &name, bytes);
            async move { request.send().await.is_ok_and(|sent| sent.status() == 202) }
        }));
        let acknowledged = first.await;
        server = self.died(server, point).await;
        if !pair_added {
            // Pairs have no bytes by which they are known again: it may have been kept.
            let items = server.items(&chatbot).await;
            pair_added = items.iter().any(|item| item["type"] == "qna");
        }
        if !pair_added {
            let again = server.request("POST", &path).json(&pair);
            assert_eq!(server.send(again).await.0, 202);
        }
        for ((name, bytes), acknowledged) in documents().into_iter().zip(acknowledged) {
            if !acknowledged {
                let (status, body) = server.send(server.upload(&chatbot, &name, bytes)).await;
                assert_eq!(status, 202, "{body}");
            }
        }
        let items = server
            .items_when(&chatbot, |items| items.iter().all(is_over))
            .await;
        let (pairs, documents): (Vec<Value>, Vec<Value>) = items
            .iter()
            .cloned()
            .partition(|item| item["type"] == "qna");
        assert_eq!(pairs.len(), 1, "{items:?}");
        assert_eq!(documents.len(), self.undisturbed.len(), "{items:?}");
        assert_eq!(outcome(&documents), self.undisturbed, "{}", point.name());
        assert_found_once(&server, &chatbot, "Are dogs welcome?").await;
        assert_chunks_stored(&self.okra, &chatbot, &items).await;
        server
    }

    async fn reembeds(&mut self, mut server: Server, point: Point, unharmed: usize) -> Server {
        let chatbot = server
            .chatbot(&format!("{} {unharmed}", point.name()))
            .await;
        let upload = server.upload(&chatbot, "long.md", sections(LONG));
        assert_eq!(server.send(upload).await.0, 202);
        server
            .items_when(&chatbot, |items| items.iter().all(is_over))
            .await;
        self.arm(point, unharmed);
        let path = format!("/api/external/chatbot/{chatbot}/embedder");
        let choice = json!({"kind": "endpoint", "base_url": self.provider.base_url(),
                            "model": "mock-embedding"});
        // The server may be gone before it has answered; the choice was stored before its job ran.
        let _ = server.request("PUT", &path).json(&choice).send().await;
        server = self.died(server, point).await;
        // Whichever vectors answer just now, they do.
        assert_found_once(&server, &chatbot, "machine 77 is cleaned").await;
        let embedder = server
            .when(&path, |body| body["embedder"]["status"] != "embedding")
            .await;
        let embedder = &embedder["embedder"];
        assert_eq!(embedder["status"], "ready", "{}: {embedder}", point.name());
        assert_eq!(embedder["kind"], "endpoint", "{embedder}");
        let items = server.items(&chatbot).await;
        let chunks = stored_chunks(&self.okra, &chatbot, &items).await;
        assert!(
            chunks.len() > 2 * 64,
            "{} passages are too few",
            chunks.len()
        );
        let sizes = chunks
            .iter()
            .map(|chunk| chunk.embedding.as_ref().map(Vec::len));
        let mut sizes: Vec<Option<usize>> = sizes.collect();
        sizes.dedup();
        let [Some(size)] = sizes[..] else {
            panic!("vectors of one kind, and one for each passage: {sizes:?}");
        };
        assert!((EMBEDDING_DIMENSION..EMBEDDING_DIMENSION + 16).contains(&size));
        assert_found_once(&server, &chatbot, "machine 77 is cleaned").await;
        assert_chunks_stored(&self.okra, &chatbot, &items).await;
        server
    }

    /// A site's first sync, or, where `again`, its second after some pages changed.
    async fn crawls(
        &mut self,
        mut server: Server,
        (point, unharmed): (Point, usize),
        again: bool,
        site: &MockSite,
    ) -> Server {
        let chatbot = server
            .chatbot(&format!("{} {unharmed}", point.name()))
            .await;
        let path = format!("/api/external/chatbot/{chatbot}/sources");
        let source = json!({"type": "site", "address": site.url("/")});
        put_site(site, 0);
        if !again {
            self.arm(point, unharmed);
        }
        // The server may be gone before it has answered.
        let _ = server.request("POST", &path).json(&source).send().await;
        let mut unanswered = None;
        if again {
            let rested = |body: &Value| body["data"][0]["state"] == "ready";
            let body = server.when(&path, rested).await;
            put_site(site, 1);
            self.arm(point, unharmed);
            let id = body["data"][0]["id"].as_str().expect("an id");
            let sync = format!("{path}/{id}/sync");
            let answer = server.request("POST", &sync).json(&json!({})).send().await;
            unanswered = answer.is_err().then_some(sync);
        }
        server = self.died(server, point).await;
        // It may have died of the first sync's last steps, before it heard of the second: what was not
        // acknowledged is asked for again, as a client would.
        if let Some(sync) = unanswered {
            let again = server.request("POST", &sync).json(&json!({}));
            let (status, body) = server.send(again).await;
            assert!((200..300).contains(&status), "{body}");
        }
        let at_rest = |body: &Value| {
            let state = &body["data"][0]["state"];
            state != "waiting" && state != "syncing"
        };
        let body = server.when(&path, at_rest).await;
        let source = &body["data"][0];
        assert_eq!(source["state"], "ready", "{}: {source}", point.name());
        let items = server.items(&chatbot).await;
        let mut titles: Vec<&str> = items
            .iter()
            .map(|item| item["title"].as_str().expect("a title"))
            .collect();
        titles.sort_unstable();
        let expected: Vec<String> = (0..PAGES).map(|number| format!("Page {number}")).collect();
        assert_eq!(titles, expected, "{}", point.name());
        assert!(
            items.iter().all(|item| item["status"] == "ready"),
            "{items:?}"
        );
        let id = source["id"].as_str().expect("an id");
        let log = server.get(&format!("{path}/{id}/log?limit=200")).await;
        assert_eq!(
            happened(&log, "added"),
            expected_addresses(site, 0),
            "{log}"
        );
        let changed = if again {
            expected_addresses(site, 2)
        } else {
            Vec::new()
        };
        assert_eq!(happened(&log, "changed"), changed, "{log}");
        let years = if again { 101 } else { 100 };
        let found = self.best(&server, &chatbot, "When was cellar 3 dug?").await;
        assert!(found.contains(&format!("{years} years")), "{found}");
        assert_chunks_stored(&self.okra, &chatbot, &items).await;
        server
    }

    async fn best(&self, server: &Server, chatbot: &str, query: &str) -> String {
        found(server, chatbot, query).await[0]["content"]
            .as_str()
            .expect("a passage")
            .to_owned()
    }
}

/// The addresses that the log has under an event, sorted: one that happened twice is there twice.
fn happened(log: &Value, event: &str) -> Vec<String> {
    let entries = log["data"].as_array().expect("a list").iter();
    let mut addresses: Vec<String> = entries
        .filter(|entry| entry["event"] == event)
        .map(|entry| entry["address"].as_str().expect("an address").to_owned())
        .collect();
    addresses.sort();
    addresses
}

fn expected_addresses(site: &MockSite, from: usize) -> Vec<String> {
    let address = |number| match number {
        0 => site.url("/"),
        _ => site.url(&format!("/page{number}")),
    };
    (from..PAGES).map(address).collect()
}

async fn found(server: &Server, chatbot: &str, query: &str) -> Vec<Value> {
    let path = format!("/api/external/chatbot/{chatbot}/query-knowledge");
    let body = json!({"query": query, "limit": 10});
    let (status, body) = server.send(server.request("POST", &path).json(&body)).await;
    assert_eq!(status, 200, "{body}");
    body["results"].as_array().expect("a list").clone()
}

/// Asserts that the best passage is found, and no other of the same text.
async fn assert_found_once(server: &Server, chatbot: &str, query: &str) {
    let results = found(server, chatbot, query).await;
    let best = results.first().expect("something is found");
    let same = results
        .iter()
        .filter(|result| result["content"] == best["content"]);
    assert_eq!(same.count(), 1, "{results:?}");
}

/// What becomes of the documents where the server lives.
async fn undisturbed(server: &Server) -> BTreeMap<String, (Value, i64)> {
    let chatbot = server.chatbot("Undisturbed").await;
    for (name, bytes) in documents() {
        assert_eq!(
            server.send(server.upload(&chatbot, &name, bytes)).await.0,
            202
        );
    }
    let over = |items: &[Value]| items.iter().all(is_over);
    let items = server.items_when(&chatbot, over).await;
    let undisturbed = outcome(&items);
    assert!(undisturbed["long.md"].1 > 2 * 64, "{undisturbed:?}");
    assert_eq!(undisturbed["broken.pdf"].0, "failed");
    undisturbed
}

/// How often the server dies at each point.
fn rounds(passes: usize) -> usize {
    match std::env::var("OKRA_TEST_KILLS") {
        Ok(kills) => kills.parse().expect("OKRA_TEST_KILLS is a number"),
        Err(_) => passes.min(2),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_anywhere_loses_nothing_and_doubles_nothing() {
    if !cfg!(debug_assertions) {
        eprintln!("skipped: a release build has no points to die at");
        return;
    }
    let (site, provider) = (MockSite::start().await, MockProvider::start().await);
    let folder = tempfile::tempdir().expect("a folder");
    let wish = folder.path().join("die");
    let mut okra = Okra::new()
        .with("OKRA_FETCH_ALLOW", &site.address().to_string())
        .with("OKRA_PROVIDER_ALLOW", &provider.address().to_string())
        .with(crash::VARIABLE, wish.to_str().expect("UTF-8"));
    let mut server = okra.serve_with_key().await;
    let undisturbed = undisturbed(&server).await;
    let mut stage = Stage {
        okra,
        wish,
        undisturbed,
        provider,
    };
    let most = Point::ALL.iter().map(|point| rounds(way_to(*point).1));
    for round in 0..most.max().expect("there are points") {
        for point in Point::ALL {
            let (work, passes) = way_to(*point);
            if round >= rounds(passes) {
                continue;
            }
            let unharmed = round % passes;
            server = match work {
                Work::Upload => stage.uploads(server, *point, unharmed).await,
                Work::Reembed => stage.reembeds(server, *point, unharmed).await,
                Work::Crawl => {
                    let again = round % 2 == 1;
                    let at = (*point, unharmed);
                    stage.crawls(server, at, again, &site).await
                }
            };
        }
        eprintln!("died at each point, {} times over", round + 1);
    }
    server.stop().await;
}
