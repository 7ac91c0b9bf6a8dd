//! A disk without room: who asks is told so, the server stays up, nothing is half written, and all goes
//! on once there is room.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use okra_testkit::website::{MockSite, Page};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::killed::{assert_chunks_stored, is_over};
use crate::okra::{Okra, Server};

/// The program with its arguments that runs commands with mounts of their own; `None` where this machine
/// lets nobody have any.
async fn with_own_mounts() -> Option<&'static [&'static str]> {
    for words in [&["unshare", "-m"][..], &["unshare", "-Urm"]] {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command.args(["sh", "-c", "mount -t tmpfs -o size=1m okra /mnt"]);
        if command
            .output()
            .await
            .is_ok_and(|done| done.status.success())
        {
            return Some(words);
        }
    }
    eprintln!("skipped: nobody may mount a small disk here");
    None
}

/// A file that takes all the room there is but this much.
struct Ballast(PathBuf);

impl Ballast {
    fn leaving(server: &Server, okra: &Okra, room: usize) -> Self {
        let path = server.file(&okra.data().join("ballast"));
        let mut file = File::create(&path).expect("the disk is reached");
        let mut written = 0;
        let mut piece = 64 * 1024;
        while piece > 0 {
            match file.write(&vec![0; piece]) {
                Ok(count @ 1..) => written += count as u64,
                _ => piece /= 2,
            }
        }
        file.set_len(written - room as u64).expect("shorter");
        Self(path)
    }

    fn drop(self) {
        std::fs::remove_file(self.0).expect("it is there");
    }
}

/// Some 1 MB of text that hardly can be packed.
fn long_text() -> String {
    let mut state = 7_u64;
    let mut word = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{:08x}", state >> 32)
    };
    let mut paragraph = move || {
        let words: Vec<String> = (0..60).map(|_| word()).collect();
        format!("{}.\n\n", words.join(" "))
    };
    (0..2_000).map(|_| paragraph()).collect()
}

#[track_caller]
fn assert_full((status, body): (u16, Value)) {
    assert_eq!(
        (status, &body["code"]),
        (507, &json!("out_of_space")),
        "{body}"
    );
    let words = body["error"].as_str().expect("a sentence");
    assert!(
        words.contains("disk is full") && words.contains("Make room"),
        "{words}"
    );
}

/// How many files the server keeps of a chatbot, unfinished ones included.
fn files(server: &Server, okra: &Okra, chatbot: &str) -> usize {
    let folder = server.file(&okra.data().join("files/chatbot").join(chatbot));
    count(&folder)
}

fn count(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.path().is_dir() {
            true => count(&entry.path()),
            false => 1,
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_of_and_survived() {
    let Some(shell) = with_own_mounts().await else {
        return;
    };
    let site = MockSite::start().await;
    let mut okra = Okra::new()
        .with("OKRA_FETCH_ALLOW", &site.address().to_string())
        .run_by(
            shell,
            "mkdir -p \"$1\" && mount -t tmpfs -o size=24m okra \"$1\" && shift && exec \"$@\"",
        );
    let mut server = okra.serve_with_key().await;
    let chatbot = server.chatbot("Shop").await;
    let base = format!("/api/external/chatbot/{chatbot}");
    let add = |body: &Value| {
        server
            .request("POST", &format!("{base}/knowledge-base"))
            .json(body)
    };
    let known = json!({"type": "qna", "question": "Are dogs welcome?", "answer": "On a lead."});
    assert_eq!(server.send(add(&known)).await.0, 202);
    server
        .items_when(&chatbot, |items| items.iter().all(is_over))
        .await;

    // No room for what is sent: nothing is kept of it, and what was known answers.
    let text = long_text();
    let ballast = Ballast::leaving(&server, &okra, 0);
    for _ in 0..3 {
        let upload = server.upload(&chatbot, "long.md", text.clone().into_bytes());
        assert_full(server.send(upload).await);
        // More than the log of the database could take without growing.
        let items = json!({"type": "text", "content": &text[..900_000]});
        assert_full(server.send(add(&items)).await);
    }
    assert_eq!(server.items(&chatbot).await.len(), 1);
    let ask = json!({"query": "Are dogs welcome?"});
    let found = server.request("POST", &format!("{base}/query-knowledge"));
    let (status, body) = server.send(found.json(&ask)).await;
    assert_eq!(status, 200, "{body}");
    assert!(
        body["results"][0]["content"]
            .as_str()
            .is_some_and(|text| text.contains("lead"))
    );
    // An export takes no room.
    let export = server
        .request("GET", &format!("{base}/export"))
        .send()
        .await;
    let export = export.expect("it answers").bytes().await.expect("whole");
    assert!(export.len() > 500 && files(&server, &okra, &chatbot) == 0);
    ballast.drop();

    // Room for the file and none for what is made of it, and a page of a site likewise: both wait.
    let ballast = Ballast::leaving(&server, &okra, text.len() * 3 / 2);
    let upload = server.upload(&chatbot, "long.md", text.clone().into_bytes());
    let (status, body) = server.send(upload).await;
    assert_eq!(status, 202, "{body}");
    let html = format!("<title>Cellar</title><main><h1>Cellar</h1><p>{text}</p></main>");
    site.put("/", Page::html(html));
    let source = json!({"type": "site", "address": site.url("/")});
    let added = server
        .request("POST", &format!("{base}/sources"))
        .json(&source);
    assert_eq!(server.send(added).await.0, 202);
    server.err.wait_for("a job waits for room").await;
    let items = server.items(&chatbot).await;
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(
        items.iter().all(|item| item["status"] != "failed"),
        "{items:?}"
    );
    ballast.drop();

    let all_there = |items: &[Value]| items.len() == 3 && items.iter().all(is_over);
    let items = server.items_when(&chatbot, all_there).await;
    assert!(
        items.iter().all(|item| item["status"] == "ready"),
        "{items:?}"
    );
    let rested = |body: &Value| body["data"][0]["state"] == "ready";
    let sources = server.when(&format!("{base}/sources"), rested).await;
    assert_eq!(
        sources["data"][0]["counts"]["failed"].as_i64().unwrap_or(0),
        0
    );
    // And nothing is left of what was in vain: the file, and one text each.
    assert_chunks_stored_through(&server, &okra, &chatbot, &items).await;
    assert_eq!(files(&server, &okra, &chatbot), 3);
    server.stop().await;
}

/// As [`assert_chunks_stored`], for a database that lies on the server's own disk.
async fn assert_chunks_stored_through(
    server: &Server,
    okra: &Okra,
    chatbot: &str,
    items: &[Value],
) {
    let copy = Okra::new();
    std::fs::create_dir_all(copy.data()).expect("made");
    // The write-ahead log belongs to it, and the key that its secrets are sealed with.
    for name in ["okra.db", "okra.db-wal", "master.key"] {
        let from = server.file(&okra.data().join(name));
        std::fs::copy(from, copy.data().join(name)).expect("copied");
    }
    assert_chunks_stored(&copy, chatbot, items).await;
}

#[tokio::test]
async fn an_export_that_finds_no_room_leaves_no_part_of_a_file() {
    let mut okra = Okra::new();
    let server = okra.serve_with_key().await;
    let chatbot = server.chatbot("Coffee help").await;
    let upload = server.upload(&chatbot, "long.md", long_text().repeat(4).into_bytes());
    assert_eq!(server.send(upload).await.0, 202);
    server
        .items_when(&chatbot, |items| items.iter().all(is_over))
        .await;
    server.stop().await;
    // Beyond a megabyte nothing can be written, as on a disk that is full.
    let okra = okra.run_by(
        &[],
        "shift && trap '' XFSZ && ulimit -f 1024 && exec \"$@\"",
    );
    let target = okra.file("out/chatbot.zip");
    std::fs::create_dir(okra.data().join("out")).expect("made");
    let ran = okra.run(&["export", "coffee-help", &target]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains(&format!("cannot write {target}")),
        "{ran:?}"
    );
    assert!(ran.err.contains("File too large"), "{ran:?}");
    assert_eq!(count(&okra.data().join("out")), 0, "no part is left");
}
