//! Documents that are read by a process of their own: the limits it keeps, and its end.

use std::io::{Cursor, Write};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use zip::write::SimpleFileOptions;

use crate::okra::{Okra, PATIENCE, workspace_file};

/// A Word document of so many short paragraphs; reading it takes far more memory than its size.
fn long_document(paragraphs: usize) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut part = |name: &str, text: &str| {
        let started = writer.start_file(name, SimpleFileOptions::default());
        started.expect("in memory");
        writer.write_all(text.as_bytes()).expect("in memory");
    };
    part(
        "[Content_Types].xml",
        "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Override PartName=\"/word/document.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/>\
         </Types>",
    );
    part(
        "_rels/.rels",
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/>\
         </Relationships>",
    );
    let mut body = String::from(
        "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>",
    );
    for number in 0..paragraphs {
        // Numbers that pack badly, or the packing would be refused.
        let text = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        body.push_str(&format!("<w:p><w:r><w:t>{text:x}</w:t></w:r></w:p>"));
    }
    body.push_str("</w:body></w:document>");
    part("word/document.xml", &body);
    writer.finish().expect("in memory").into_inner()
}

#[tokio::test]
async fn a_document_that_takes_all_memory_fails_alone() {
    let mut okra = Okra::new()
        .with("OKRA_EXTRACT_MEMORY_MB", "256")
        .with("OKRA_WORKERS", "1");
    let server = okra.serve_with_key().await;
    let bot = server.chatbot("Bot").await;
    for (name, paragraphs) in [("greedy.docx", 600_000), ("modest.docx", 3)] {
        let upload = server.upload(&bot, name, long_document(paragraphs));
        let (status, body) = server.send(upload).await;
        assert_eq!(status, 202, "{body}");
    }
    let is_over = |item: &Value| item["status"] == "ready" || item["status"] == "failed";
    let items = server.items_when(&bot, |items| items.iter().all(is_over));
    for item in items.await {
        if item["title"] == "modest.docx" {
            assert_eq!(item["status"], "ready", "{item}");
        } else {
            assert_eq!(
                item["error"],
                "The file is too large: reading it takes more than 256 MB of memory; whoever runs \
                 the server can allow more (OKRA_EXTRACT_MEMORY_MB)."
            );
        }
    }
}

#[tokio::test]
async fn text_in_pictures_is_read_where_tesseract_is_installed() {
    let path = std::env::var("PATH").unwrap_or_default();
    let is_installed =
        std::env::split_paths(&path).any(|folder| folder.join("tesseract").is_file());
    for (path, is_found) in [("/nowhere", false), (&*path, is_installed)] {
        let mut okra = Okra::new().with("PATH", path);
        let server = okra.serve_with_key().await;
        let bot = server.chatbot("Bot").await;
        let scan = workspace_file("crates/extract/tests/data/scanned.pdf");
        let scan = std::fs::read(scan).expect("a file of this repository");
        let (status, body) = server.send(server.upload(&bot, "scan.pdf", scan)).await;
        assert_eq!(status, 202, "{body}");
        let is_over = |item: &Value| item["status"] == "ready" || item["status"] == "failed";
        let items = server
            .items_when(&bot, |items| items.iter().all(is_over))
            .await;
        if is_found {
            assert_eq!(items[0]["status"], "ready", "{}", items[0]);
            let ask = server.request(
                "POST",
                &format!("/api/external/chatbot/{bot}/query-knowledge"),
            );
            let (status, found) = server
                .send(ask.json(&json!({"query": "fern kettle"})))
                .await;
            assert_eq!(status, 200, "{found}");
            assert!(found.to_string().contains("Fern Kettle Guide"), "{found}");
        } else {
            let reason = items[0]["error"].as_str().unwrap_or_default();
            assert!(reason.contains("apt install tesseract-ocr"), "{}", items[0]);
        }
    }
}

/// A process that reads, and what it was asked.
async fn reader(size: usize, bytes: &[u8]) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_okra"))
        .arg("read-document")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let request = json!({
        "content": {"File": "Docx"},
        "size": size,
        "time": {"secs": 600, "nanos": 0},
        "memory_bytes": 4_u64 << 30,
        "ocr_languages": [],
    });
    let mut stdin = child.stdin.take().expect("piped");
    let line = format!("{request}\n");
    stdin.write_all(line.as_bytes()).await.expect("taken");
    stdin.write_all(bytes).await.expect("taken");
    child.stdin = Some(stdin);
    child
}

async fn ended_after_the_server(mut child: Child) -> std::process::Output {
    drop(child.stdin.take());
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    output.expect("it ends by itself").expect("it ran")
}

#[tokio::test]
async fn a_reading_process_ends_with_its_server() {
    // While it waits for the document …
    let output = ended_after_the_server(reader(100, b"PK").await).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    // … and while it reads one that takes seconds.
    let document = long_document(600_000);
    let output = ended_after_the_server(reader(document.len(), &document).await).await;
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
}
