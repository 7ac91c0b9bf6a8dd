//! How light the console is and how soon it is seen, in Chromium; and what visitors' open streams cost the server: a
//! thousand of them, each in the middle of an answer.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use okra_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::server::{Server, new_chatbot};
use crate::table::Table;

const STREAMS: usize = 1_000;
/// Streams that are opened at the same time.
const AT_ONCE: usize = 50;
const HALF: &str = "Half an answer";
/// Opens the console in Chromium, and prints what it sees as JSON.
const FIRST_PAINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/e2e/first-paint.mjs");

/// Measures them.
pub async fn run(binary: &Path) -> Result<Table> {
    let mut table = console(binary).await?;
    table.append(streams(binary).await?);
    Ok(table)
}

/// The console's first load, of whoever signs in and of whoever is signed in.
async fn console(binary: &Path) -> Result<Table> {
    let mut table = Table::default();
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(binary, &folder.path().join("data"), None).await?;
    let mut node = Command::new("node");
    node.arg(FIRST_PAINT).arg(server.set_up_link().await?);
    let output = node.stderr(Stdio::inherit()).output().await;
    let output = output.context("Node.js could not be started")?;
    if !output.status.success() {
        bail!("{FIRST_PAINT} ended with {}", output.status);
    }
    let seen: Value = serde_json::from_slice(&output.stdout)?;
    for (page, name) in [("sign_in", "sign-in page"), ("overview", "overview")] {
        let figure = |field| seen[page][field].as_f64().context("no figure");
        let kilobytes = figure("gzip_bytes")? / 1024.0;
        table.at_most(format!("{name}, gzip"), kilobytes, 150.0, "KB");
        let painted = figure("paint_ms")?;
        table.at_most(
            format!("{name}, first contentful paint"),
            painted,
            500.0,
            "ms",
        );
    }
    server.stop().await?;
    Ok(table)
}

/// A thousand visitors whose answers are half written.
async fn streams(binary: &Path) -> Result<Table> {
    let mut table = Table::default();
    let provider = MockProvider::start().await;
    provider.reply_by_default(Script::HangAfter {
        text: HALF.to_owned(),
    });
    let folder = tempfile::tempdir()?;
    let most = u32::MAX.to_string();
    let limits = [
        ("OKRA_ADDRESS_SESSIONS_PER_MINUTE", most.as_str()),
        ("OKRA_ADDRESS_REQUESTS_PER_MINUTE", most.as_str()),
        ("OKRA_CHATBOT_MESSAGES_PER_MINUTE", most.as_str()),
    ];
    let url = provider.base_url();
    let server =
        Server::start_with(binary, &folder.path().join("data"), Some(&url), &limits).await?;
    let mut connection = server.connect().await?;
    let bot = new_chatbot(&mut connection).await?;
    let body = json!({"is_public": true}).to_string();
    let shown = connection.send(("PATCH", &bot), "application/json", body.as_bytes());
    let shown = shown.await?.json()?;
    let slug = shown["chatbot"]["slug"].as_str().context("no slug")?;
    let path = format!("/api/public/chatbot/{slug}");
    table.plain("resident memory before", server.resident_mb()?, "MB");

    let mut open = Vec::with_capacity(STREAMS);
    while open.len() < STREAMS {
        let visitors = (0..AT_ONCE).map(|_| ask(&server, &path));
        open.extend(try_join_all(visitors).await?);
    }
    let figure = format!("resident memory, {STREAMS} open streams");
    table.at_most(figure, server.resident_mb()?, 200.0, "MB");
    drop(open);
    server.stop().await?;
    Ok(table)
}

/// A new visitor asks and reads half an answer; gives the connection, whose stream goes on.
async fn ask(server: &Server, path: &str) -> Result<TcpStream> {
    let mut connection = server.connect().await?;
    let session: Value = connection
        .post(&format!("{path}/session"), &json!({}))
        .await?;
    let token = session["token"].as_str().context("no token")?;
    let body = json!({"content": "How?", "request_id": uuid::Uuid::new_v4()}).to_string();
    let request = format!(
        "POST {path}/chat HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    let mut stream = TcpStream::connect(server.address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).await?;
        read.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&read);
        if text.contains(HALF) {
            return Ok(stream);
        }
        if count == 0 || !text.starts_with("HTTP/1.1 200") {
            bail!("no stream: {text}");
        }
    }
}
