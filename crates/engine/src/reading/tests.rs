//! What becomes of a document whose reading process misbehaves. The processes are shell scripts, since
//! no document that our readers crash on is known; the real one is driven by the server's tests.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use okra_extract::{Block, BlockKind, Format};

/// What reading by this script comes to, and the folder it stood in.
async fn read_by(script: &str, time: Duration) -> Result<Document, IngestError> {
    let folder = tempfile::tempdir().expect("a folder");
    let program = written(folder.path(), script);
    let reading = Reading {
        program: None,
        time,
        memory_bytes: 300 << 20,
        ocr_languages: Vec::new(),
    };
    let content = Content::File(Format::Pdf);
    let bytes = Bytes::from(vec![b'x'; 1 << 20]);
    let request = Request::new(content, bytes.len(), &reading);
    let reader = started(&program, &reading);
    reader.read(request, bytes).await
}

/// The reader of this program. Until a process that another test starts meanwhile has become its own program it holds
/// what that test's parent had open, be it this script for writing; such a script can't be run yet.
fn started<'r>(program: &PathBuf, reading: &'r Reading) -> Reader<'r> {
    loop {
        match Reader::start(program, reading) {
            Err(error) if format!("{error:?}").contains("ExecutableFileBusy") => {
                std::thread::yield_now();
            }
            reader => return reader.expect("started"),
        }
    }
}

fn written(folder: &Path, script: &str) -> PathBuf {
    let program = folder.join("reader");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
    let runnable = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&program, runnable).expect("runnable");
    program
}

async fn check(script: &str, expected: &str) {
    let outcome = read_by(script, Duration::from_secs(60)).await;
    match outcome.expect_err("not readable") {
        IngestError::Unreadable(reason) => assert_eq!(reason, expected, "{script}"),
        IngestError::Later(error) => panic!("{script}: {error:?}"),
    }
}

#[tokio::test]
async fn a_process_that_ends_early_fails_its_document_with_the_reason() {
    let damaged = "The file is damaged: its contents could not be understood.";
    let memory = "The file is too large: reading it takes more than 300 MB of memory; whoever runs \
                  the server can allow more (OKRA_EXTRACT_MEMORY_MB).";
    let time = "Reading the file took more than 60 seconds and was stopped; whoever runs the server \
                can allow more (OKRA_EXTRACT_TIMEOUT_SECONDS).";
    check("exit 1", damaged).await;
    check("kill -SEGV $$", damaged).await;
    check(
        "echo \"thread has overflowed its stack\" >&2; kill -ABRT $$",
        damaged,
    )
    .await;
    check(
        "echo \"memory allocation of 99 bytes failed\" >&2; kill -ABRT $$",
        memory,
    )
    .await;
    check("kill -KILL $$", memory).await;
    check("kill -XCPU $$", time).await;
}

#[tokio::test]
async fn a_process_without_end_is_ended() {
    let outcome = read_by("sleep 600", Duration::ZERO).await;
    assert!(
        matches!(&outcome, Err(IngestError::Unreadable(reason)) if reason.contains("more than 0 seconds")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn output_without_end_is_cut_off() {
    check(
        "cat >/dev/null & exec yes",
        "The file is too large: its text takes more than 128 MB.",
    )
    .await;
    // On the other channel it is thrown away.
    check(
        "yes | head -c 10000000 >&2; exit 1",
        "The file is damaged: its contents could not be understood.",
    )
    .await;
}

#[tokio::test]
async fn an_answer_is_taken_only_whole() {
    let outcome = read_by(
        "cat >/dev/null & echo '{\"Ok\":{\"title\"'",
        Duration::from_secs(60),
    )
    .await;
    assert!(matches!(outcome, Err(IngestError::Later(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_process_nobody_waits_for_is_killed_with_what_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let seen = folder.path().join("started");
    let script = format!(
        "sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait",
        seen.display()
    );
    let program = written(folder.path(), &script);
    let reading = Reading::default();
    let reader = started(&program, &reading);
    let started = loop {
        match std::fs::read_to_string(&seen) {
            Ok(id) => break id.trim().to_owned(),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    drop(reader);
    // A killed process is gone, or a zombie until whoever inherited it has looked.
    let is_gone = || match std::fs::read_to_string(format!("/proc/{started}/stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !is_gone() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn large_markdown_is_read_where_memory_has_an_end() {
    let check = |format, bytes, expected| {
        assert_eq!(
            Content::File(format).is_plain(bytes),
            expected,
            "{format:?} {bytes}"
        );
    };
    check(Format::Markdown, 4 << 20, true);
    check(Format::Markdown, (4 << 20) + 1, false);
    check(Format::Text, 50 << 20, true);
    check(Format::Pdf, 1, false);
}

#[test]
fn a_long_answer_is_parsed_off_the_threads_that_answer() {
    let mut answer = Vec::new();
    wire::write_answer(&Ok(Document::default()), &mut answer).expect("written");
    let parsed = crate::ingest::tests::off_the_thread(parsed(answer));
    let document = parsed.expect("parsed").expect("an answer");
    assert_eq!(document, Ok(Document::default()));
}

#[test]
fn both_ends_understand_each_other() {
    let document = Document {
        title: Some("안내".to_owned()),
        blocks: vec![Block {
            kind: BlockKind::Heading(2),
            text: "a \"b\"\nc".to_owned(),
            page: Some(7),
        }],
    };
    let mut answer = Vec::new();
    wire::write_answer(&Ok(document.clone()), &mut answer).expect("written");
    assert_eq!(wire::parse_answer(&answer).expect("parsed"), Ok(document));

    let mut answer = Vec::new();
    let reason = reason(&ExtractError::NoText, Duration::ZERO);
    wire::write_answer(&Err(reason.clone()), &mut answer).expect("written");
    assert_eq!(wire::parse_answer(&answer).expect("parsed"), Err(reason));

    let content = Content::Page {
        url: "https://example.com/?q=\n\"".to_owned(),
        content_type: None,
    };
    let request = Request::new(content.clone(), 5, &Reading::default());
    let sent = request.to_line() + "bytes";
    let mut received = sent.as_bytes();
    let request = Request::receive(&mut received).expect("a request");
    assert_eq!((request.content, request.size), (content, 5));
    assert_eq!(received, b"bytes");
}
