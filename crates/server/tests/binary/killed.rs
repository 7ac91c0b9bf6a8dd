//! A server that is killed loses nothing that it has acknowledged, whatever it was at.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use okra_domain::Clock;
use okra_domain::knowledge::Chunk;
use okra_store::Store;
use okra_store::sealing::MasterKeys;
use serde_json::{Value, json};

use crate::okra::{Okra, PATIENCE, Server, workspace_file};

/// Documents of several formats, long enough that reading one takes a while.
fn documents() -> Vec<(String, Vec<u8>)> {
    let mut documents = Vec::new();
    for name in [
        "examples/handbook.pdf",
        "crates/extract/tests/data/guide-writer.docx",
    ] {
        let path = workspace_file(name);
        let bytes = std::fs::read(&path).expect("a file of this repository");
        let file_name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        documents.push((file_name, bytes));
    }
    for number in 1..=5 {
        let paragraph = |n| {
            format!(
                "## Section {n}\n\nDocument {number} says in its paragraph {n} that machine {n} \
                 of series {number} is cleaned every {n} days, and that 부품 {n} lasts {n} weeks.\n\n"
            )
        };
        let text: String = (0..400 * number).map(paragraph).collect();
        documents.push((format!("series-{number}.md"), text.into_bytes()));
    }
    documents.push(("broken.pdf".to_owned(), b"%PDF-1.7\nnothing more".to_vec()));
    documents
}

pub fn is_over(item: &Value) -> bool {
    item["status"] == "ready" || item["status"] == "failed"
}

/// Uploads every document, each in a request of its own, all at once.
async fn upload_all(server: &Server, chatbot: &str) {
    let uploads = documents().into_iter().map(|(name, bytes)| {
        let request = server.upload(chatbot, &name, bytes);
        async move { server.send(request).await }
    });
    for (status, body) in join_all(uploads).await {
        assert_eq!(status, 202, "{body}");
    }
}

/// What became of each document, by its name: its status and how many chunks it has.
pub fn outcome(items: &[Value]) -> BTreeMap<String, (Value, i64)> {
    let one = |item: &Value| {
        let title = item["title"].as_str().expect("a title").to_owned();
        let chunks = item["chunks"].as_i64().expect("a number");
        (title, (item["status"].clone(), chunks))
    };
    items.iter().map(one).collect()
}

/// Asserts that the chunks that are stored are those that are counted, each once, and that no job is
/// left.
pub async fn assert_chunks_stored(okra: &Okra, chatbot: &str, items: &[Value]) {
    stored_chunks(okra, chatbot, items).await;
    let store = store_of(okra).await;
    let none = async {
        // What replaced texts leave behind is deleted by jobs of their own.
        let mut pause = tokio::time::interval(Duration::from_millis(3));
        while store.open_jobs().await.expect("countable") > 0 {
            pause.tick().await;
        }
    };
    let none = tokio::time::timeout(PATIENCE, none).await;
    none.expect("every job ends in time");
    store.close().await;
}

/// The chunks of the items as they are stored, which must be those that are counted, each once.
pub async fn stored_chunks(okra: &Okra, chatbot: &str, items: &[Value]) -> Vec<Chunk> {
    let store = store_of(okra).await;
    let chatbot = store
        .find_chatbot_as_operator(chatbot)
        .await
        .expect("there");
    let mut all = Vec::new();
    for item in items {
        let id = item["id"].as_str().expect("an id").parse().expect("an id");
        let chunks = store.item_chunks(&chatbot, id).await.expect("readable");
        let ordinals: Vec<i64> = chunks.iter().map(|chunk| chunk.ordinal.into()).collect();
        let expected: Vec<i64> = (1..=item["chunks"].as_i64().expect("a number")).collect();
        assert_eq!(ordinals, expected, "{item}");
        all.extend(chunks);
    }
    store.close().await;
    all
}

async fn store_of(okra: &Okra) -> Store {
    let (database, storage) = (okra.database_url(), okra.storage_url());
    let keys = MasterKeys::File(okra.master_key());
    let store = Store::open(&database, &storage, &keys, Clock::system()).await;
    store.expect("the database opens beside the server")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_being_read_when_the_server_was_killed_is_read_after_all() {
    let mut okra = Okra::new().with("OKRA_WORKERS", "3");
    let mut server = okra.serve_with_key().await;
    let chatbot = server.chatbot("Undisturbed").await;
    upload_all(&server, &chatbot).await;
    let items = server
        .items_when(&chatbot, |items| items.iter().all(is_over))
        .await;
    let undisturbed = outcome(&items);
    assert_eq!(undisturbed.len(), documents().len());
    let failed = undisturbed
        .values()
        .filter(|(status, _)| status == "failed");
    assert_eq!(failed.count(), 1, "the broken one: {undisturbed:?}");

    let mut taken_up = 0;
    for round in 0..21 {
        // On a busy machine a kill may come when all has been read; then there are more rounds.
        if round >= 7 && taken_up >= 5 {
            break;
        }
        let begun = round % 7 + 1;
        let chatbot = server.chatbot(&format!("Killed {round}")).await;
        upload_all(&server, &chatbot).await;
        let has_begun = |item: &&Value| item["status"] != "pending";
        server
            .items_when(&chatbot, |items| {
                items.iter().filter(has_begun).count() >= begun
            })
            .await;
        server.kill().await;

        server = okra.serve_with_key().await;
        let items = server
            .items_when(&chatbot, |items| items.iter().all(is_over))
            .await;
        let log = server.err.so_far();
        taken_up += usize::from(log.contains("taking up jobs of a process that was killed"));
        assert_eq!(
            outcome(&items),
            undisturbed,
            "killed after {begun} were begun"
        );
        for item in items.iter().filter(|item| item["status"] == "failed") {
            assert!(
                item["error"]
                    .as_str()
                    .is_some_and(|reason| reason.len() > 10),
                "{item}"
            );
        }
        assert_chunks_stored(&okra, &chatbot, &items).await;
    }
    assert!(
        taken_up >= 5,
        "only {taken_up} kills met the server at work"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_upload_that_was_acknowledged_before_a_kill_is_read() {
    let mut okra = Okra::new();
    let mut server = okra.serve_with_key().await;
    for wanted in 1..=5 {
        let chatbot = server.chatbot(&format!("Killed {wanted}")).await;
        let (sender, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
        for (name, bytes) in documents() {
            let (request, sender) = (server.upload(&chatbot, &name, bytes), sender.clone());
            tokio::spawn(async move {
                // Those that the kill cuts off are not acknowledged.
                if let Ok(response) = request.send().await
                    && let Ok(body) = response.json::<Value>().await
                {
                    let _ = sender.send(body["data"][0]["id"].clone());
                }
            });
        }
        drop(sender);
        let mut ids = Vec::new();
        while ids.len() < wanted {
            ids.push(acknowledged.recv().await.expect("more are acknowledged"));
        }
        server.kill().await;
        while let Some(id) = acknowledged.recv().await {
            ids.push(id);
        }

        server = okra.serve_with_key().await;
        let items = server
            .items_when(&chatbot, |items| items.iter().all(is_over))
            .await;
        for id in &ids {
            assert!(
                items.iter().any(|item| item["id"] == *id),
                "{id} is lost: {items:?}"
            );
        }
        for item in &items {
            let whole = item["title"] == "broken.pdf" || item["status"] == json!("ready");
            assert!(whole, "half an upload became an item: {item}");
        }
        assert_chunks_stored(&okra, &chatbot, &items).await;
    }
}
