//! A large chatbot's index outlives the server in a file, which nobody has to trust.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::okra::{Okra, Server};

/// Enough that its index is kept in files.
fn long_document() -> Vec<u8> {
    let section = |n| {
        let detail = format!(
            "Part {n} of the machine is cleaned every {} days. ",
            n % 90 + 1
        );
        format!("## Section {n}\n\n{}\n\n", detail.repeat(16))
    };
    (0..2_600).map(section).collect::<String>().into_bytes()
}

async fn ask(server: &Server, chatbot: &str, question: &str) -> Value {
    let path = format!("/api/external/chatbot/{chatbot}/query-knowledge");
    let request = server.request("POST", &path);
    let (status, body) = server
        .send(request.json(&json!({ "query": question })))
        .await;
    assert_eq!(status, 200, "{body}");
    assert!(!body["results"].as_array().expect("a list").is_empty());
    body["results"].clone()
}

/// Waits until a file is there.
async fn there(path: &Path) {
    let mut pause = tokio::time::interval(Duration::from_millis(3));
    let waiting = async {
        while !path.exists() {
            pause.tick().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(120), waiting).await;
    waited.expect("the index is saved in time");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("readable").path())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_index_answers_after_a_kill_and_is_made_anew_where_it_is_damaged() {
    let mut okra = Okra::new();
    let server = okra.serve_with_key().await;
    let chatbot = server.chatbot("Large").await;
    let upload = server.upload(&chatbot, "machine.md", long_document());
    assert_eq!(server.send(upload).await.0, 202);
    let ready = |items: &[Value]| items.iter().all(|item| item["status"] == "ready");
    server.items_when(&chatbot, ready).await;
    let folder = okra.data().join("indexes").join(&chatbot);
    there(&folder.join("index")).await;
    let question = "How often is part 1234 cleaned?";
    let answer = ask(&server, &chatbot, question).await;
    server.kill().await;

    let server = okra.serve_with_key().await;
    assert_eq!(ask(&server, &chatbot, question).await, answer);
    let log = server.err.so_far();
    assert!(!log.contains("a saved index is not used"), "{log}");
    server.kill().await;

    for file in files(&folder) {
        let mut bytes = std::fs::read(&file).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).expect("writable");
    }
    let mut server = okra.serve_with_key().await;
    assert_eq!(ask(&server, &chatbot, question).await, answer);
    server.err.wait_for("a saved index is not used").await;
    there(&folder.join("index")).await;

    let path = format!("/api/external/chatbots?id={chatbot}");
    let (status, body) = server.send(server.request("DELETE", &path)).await;
    assert!(status < 300, "{status} {body}");
    let mut pause = tokio::time::interval(Duration::from_millis(3));
    let gone = async {
        while folder.exists() {
            pause.tick().await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(60), gone).await;
    gone.expect("a deleted chatbot's index is deleted");
    server.kill().await;
}
