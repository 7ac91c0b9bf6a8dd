//! Answers on their way: how soon the first word comes at 32 connections, how late words are in ten thousand open
//! streams, and how soon a takeover is seen.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::corpus::Corpus;
use crate::paced::{Pace, Paced, Stamp, now};
use crate::server::{KEY, Server, new_chatbot};
use crate::table::{Samples, Table};
use crate::text::{Language, Random, Vocabulary};

const CONNECTIONS: u64 = 32;
/// Turns of each connection.
const TURNS: u64 = 40;
/// Before them, of each: the first question builds the index.
const WARM_UP: u64 = 3;
const QUESTION: usize = 50;
/// Fewer where the limit of open files does not let the server hold so many, two files each.
const STREAMS: usize = 10_000;
/// Files that the server has open beside them, at most.
const OTHER_FILES: usize = 500;
/// Streams that are opened at the same time.
const AT_ONCE: usize = 200;
/// Tokens that are timed in each stream, one a second, once all are open.
const TIMED: u64 = 20;
/// Seconds in which all have to be open.
const OPENING: u64 = 60;
const TAKEOVERS: usize = 50;

/// Measures them.
pub async fn run(binary: &Path) -> Result<Table> {
    let mut table = Table::default();
    first_words(binary, &mut table).await?;
    takeovers(binary, &mut table).await?;
    open_streams(binary, &mut table).await?;
    Ok(table)
}

/// At a provider that takes a tenth of a second until its first token, so that the processors are not the limit.
async fn first_words(binary: &Path, table: &mut Table) -> Result<()> {
    let pace = Pace {
        first: Duration::from_millis(100),
        interval: Duration::from_millis(10),
        tokens: 10,
    };
    let provider = Paced::start(pace).await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(binary, &data, Some(&provider.base_url)).await?;
    let vocabulary = Vocabulary::new(Language::English);
    let mut connection = server.connect().await?;
    let corpus = Corpus::fill(&mut connection, &vocabulary).await?;
    let client = |number: u64| {
        let (server, corpus, vocabulary) = (&server, &corpus, &vocabulary);
        async move {
            let mut random = Random(number);
            let mut added = Vec::new();
            for turn in 0..WARM_UP + TURNS {
                let question = vocabulary.phrase(QUESTION, &mut random);
                let visitor = format!("first-{number}-{turn}");
                let begun = Instant::now();
                let mut stream = Stream::open(server, &corpus.bot, &question, &visitor).await?;
                let stamp = stream.next_stamps().await?;
                let taken = Duration::from_micros(stamp.first().context("no token")?.taken);
                if turn >= WARM_UP {
                    added.push(begun.elapsed().saturating_sub(taken));
                }
                while !stream.ended {
                    stream.next_stamps().await?;
                }
            }
            anyhow::Ok(added)
        }
    };
    let added = try_join_all((0..CONNECTIONS).map(client)).await?;
    let mut samples = Samples::default();
    added.into_iter().flatten().for_each(|it| samples.push(it));
    let figure = format!("first token at {CONNECTIONS} connections, added to the provider's, p50");
    table.at_most(figure, samples.median(), 5.0, "ms");
    table.at_most("  p99", samples.percentile(0.99), 15.0, "ms");
    server.stop().await
}

/// From an agent's call to the end of the stream that the visitor reads.
async fn takeovers(binary: &Path, table: &mut Table) -> Result<()> {
    let pace = Pace {
        first: Duration::ZERO,
        interval: Duration::from_millis(5),
        tokens: 2_000,
    };
    let provider = Paced::start(pace).await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(binary, &data, Some(&provider.base_url)).await?;
    let mut connection = server.connect().await?;
    let bot = new_chatbot(&mut connection).await?;
    let mut samples = Samples::default();
    for number in 0..TAKEOVERS {
        let mut stream = Stream::open(&server, &bot, "How?", &format!("over-{number}")).await?;
        for _ in 0..3 {
            stream.next_stamps().await?;
        }
        let session = stream.session.clone().context("no session id")?;
        let path = format!("{bot}/conversations/{session}");
        let body = json!({"is_human_mode": true}).to_string();
        let begun = Instant::now();
        let taking = async {
            let answer = connection.send(("PATCH", &path), "application/json", body.as_bytes());
            answer.await?.json()
        };
        let reading = async {
            while !stream.ended {
                stream.next_stamps().await?;
            }
            anyhow::Ok(begun.elapsed())
        };
        let (taken, seen): (Result<Value>, Result<Duration>) = tokio::join!(taking, reading);
        taken?;
        samples.push(seen?);
    }
    table.at_most(
        "a takeover reaches the visitor, p50",
        samples.median(),
        50.0,
        "ms",
    );
    table.at_most("  slowest", samples.percentile(1.0), 50.0, "ms");
    server.stop().await
}

/// One token a second in each.
async fn open_streams(binary: &Path, table: &mut Table) -> Result<()> {
    let pace = Pace {
        first: Duration::from_secs(1),
        interval: Duration::from_secs(1),
        tokens: OPENING + TIMED + 20,
    };
    let provider = Paced::start(pace).await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(binary, &data, Some(&provider.base_url)).await?;
    let mut connection = server.connect().await?;
    let bot = new_chatbot(&mut connection).await?;
    let streams = STREAMS.min(open_files()?.saturating_sub(OTHER_FILES) / 2 / AT_ONCE * AT_ONCE);
    let begun = Instant::now();
    let mut open = Vec::with_capacity(streams);
    while open.len() < streams {
        let more = (open.len()..open.len() + AT_ONCE).map(|number| {
            let (server, bot) = (&server, &bot);
            async move { Stream::open(server, bot, "How?", &format!("open-{number}")).await }
        });
        open.extend(try_join_all(more).await?);
        ensure!(
            begun.elapsed() < Duration::from_secs(OPENING),
            "only {} streams could be opened in {OPENING} s",
            open.len()
        );
    }
    let opened = begun.elapsed().as_secs_f64();
    let until = Instant::now() + Duration::from_secs(TIMED);
    // What came while others were still opened was not read at once, and so is not timed.
    let from = now() + 2_000_000;
    let readers = open.into_iter().map(|mut stream| {
        tokio::spawn(async move {
            let mut late = Vec::new();
            while Instant::now() < until && !stream.ended {
                let stamps = stream.next_stamps().await?;
                let now = now();
                let timed = stamps.iter().filter(|stamp| stamp.sent >= from);
                late.extend(
                    timed.map(|stamp| Duration::from_micros(now.saturating_sub(stamp.sent))),
                );
            }
            anyhow::Ok((stream, late))
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut samples = Samples::default();
    let mut read = Vec::with_capacity(streams);
    let mut tokens = 0;
    for reader in readers {
        let (stream, late) = reader.await??;
        ensure!(!late.is_empty(), "a stream stood still");
        tokens += late.len();
        read.push(stream);
        late.into_iter().for_each(|it| samples.push(it));
    }
    let figure = format!("resident memory, {streams} open streams at a token a second");
    match server.resident_mb()? {
        // The target is for all of them.
        resident if streams < STREAMS => table.plain(figure, resident, "MB"),
        resident => table.at_most(figure, resident, 1_000.0, "MB"),
    }
    table.at_most(
        "  a token is late by, p99",
        samples.percentile(0.99),
        100.0,
        "ms",
    );
    table.plain("  p50", samples.median(), "ms");
    table.plain("  slowest", samples.percentile(1.0), "ms");
    table.plain("  tokens timed", tokens as f64, "");
    table.plain("  opened within", opened, "s");
    drop(read);
    server.stop().await
}

/// How many files this program and the server may have open each.
fn open_files() -> Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    Ok(soft
        .context("no limit of open files")?
        .parse()
        .unwrap_or(usize::MAX))
}

/// An answer that is being read.
struct Stream {
    socket: TcpStream,
    read: Vec<u8>,
    /// The session, once it was told.
    session: Option<String>,
    /// Whether the last event came.
    ended: bool,
}

impl Stream {
    /// Asks, and reads until the answer's stream begins.
    async fn open(server: &Server, bot: &str, question: &str, visitor: &str) -> Result<Self> {
        let body = json!({
            "messages": [{ "role": "user", "content": question }],
            "sessionToken": visitor,
        });
        let body = body.to_string();
        let request = format!(
            "POST {bot}/chat?stream=true HTTP/1.1\r\nhost: {}\r\nx-api-key: {KEY}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            server.address,
            body.len()
        );
        let mut socket = TcpStream::connect(server.address).await?;
        socket.set_nodelay(true)?;
        socket.write_all(request.as_bytes()).await?;
        let mut stream = Self {
            socket,
            read: Vec::new(),
            session: None,
            ended: false,
        };
        while stream.session.is_none() {
            stream.more().await?;
            let text = String::from_utf8_lossy(&stream.read);
            ensure!(text.starts_with("HTTP/1.1 200"), "no stream: {text}");
            let session = text.split_once("\"session_id\":\"").map(|(_, rest)| rest);
            stream.session = session.and_then(|rest| Some(rest.split_once('"')?.0.to_owned()));
        }
        Ok(stream)
    }

    /// The next stamps; none once the stream has ended.
    async fn next_stamps(&mut self) -> Result<Vec<Stamp>> {
        loop {
            let ended = find(&self.read, b"event: done") || find(&self.read, b"event: error");
            let stamps = Stamp::take_all(&mut self.read);
            self.ended |= ended;
            if !stamps.is_empty() || self.ended {
                return Ok(stamps);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<()> {
        match self.socket.read_buf(&mut self.read).await? {
            0 => bail!("the connection was closed within an answer"),
            _ => Ok(()),
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|part| part == wanted)
}
