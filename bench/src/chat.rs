//! A turn's cost beyond the model's, and how many turns a second one server answers.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::corpus::Corpus;
use crate::http::Connection;
use crate::mock::Mock;
use crate::server::{Server, processor_seconds};
use crate::table::{Samples, Table};
use crate::text::{Language, Random, Vocabulary};

const SEQUENTIAL: u64 = 400;
const WARM_UP: u64 = 40;
const CONNECTIONS: u64 = 32;
/// Turns of one throughput run, over all connections.
const TURNS: u64 = 6_400;
/// Turns of a conversation before a new visitor comes.
const CONVERSATION: u64 = 5;
/// Characters of a question.
const QUESTION: usize = 50;

/// Measures it.
pub async fn run(binary: &Path) -> Result<Table> {
    let mut table = Table::default();
    let mock = Mock::start().await?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(binary, &data, Some(&mock.base_url)).await?;
    let vocabulary = Vocabulary::new(Language::English);
    let mut connection = server.connect().await?;
    let corpus = Corpus::fill(&mut connection, &vocabulary).await?;
    let bot = corpus.bot.as_str();
    let provider: SocketAddr = mock
        .base_url
        .trim_start_matches("http://")
        .trim_end_matches("/v1")
        .parse()?;
    let mut turns = 0;
    for streamed in [false, true] {
        let mut direct = Connection::open(provider, "").await?;
        let asked = Asked {
            bot,
            vocabulary: &vocabulary,
            streamed,
        };
        turns += asked
            .added(&mut direct, &mut connection, &mut table)
            .await?;
        turns += asked.throughput(&server, &mock, &mut table).await?;
    }
    let stored = stored_messages(&mut connection, bot).await?;
    ensure!(
        stored == 2 * turns,
        "{turns} turns were answered, but {stored} messages are stored"
    );
    table.plain("messages stored, two a turn (checked)", stored as f64, "");
    table.plain("resident memory afterwards", server.resident_mb()?, "MB");
    server.stop().await?;
    Ok(table)
}

/// One way of asking.
struct Asked<'a> {
    bot: &'a str,
    vocabulary: &'a Vocabulary,
    streamed: bool,
}

impl Asked<'_> {
    fn name(&self) -> &'static str {
        match self.streamed {
            true => "streamed",
            false => "whole",
        }
    }

    /// What a turn takes longer than the model's own call, the two measured in turns so that whatever else the
    /// machine does strikes both alike. Gives how many turns were taken.
    async fn added(
        &self,
        direct: &mut Connection,
        connection: &mut Connection,
        table: &mut Table,
    ) -> Result<u64> {
        let (mut alone, mut whole) = (Samples::default(), Samples::default());
        let mut random = Random(3);
        for number in 0..WARM_UP + SEQUENTIAL {
            let question = self.vocabulary.phrase(QUESTION, &mut random);
            let begun = Instant::now();
            self.ask_model(direct, &question).await?;
            let model = begun.elapsed();
            let visitor = format!("one-{}-{}", self.name(), number / CONVERSATION);
            let begun = Instant::now();
            self.ask(connection, &question, &visitor).await?;
            if number >= WARM_UP {
                alone.push(model);
                whole.push(begun.elapsed());
            }
        }
        let figure = format!("turn {}, added to the model's call, p50", self.name());
        table.at_most(figure, whole.median() - alone.median(), 5.0, "ms");
        table.plain("  the model's call alone, p50", alone.median(), "ms");
        table.plain("  the turn, p50", whole.median(), "ms");
        table.plain("  the turn, p99", whole.percentile(0.99), "ms");
        Ok(WARM_UP + SEQUENTIAL)
    }

    async fn throughput(&self, server: &Server, mock: &Mock, table: &mut Table) -> Result<u64> {
        let processes = [
            ("server", server.process()?),
            ("mock provider", mock.process()?),
            ("this client", std::process::id()),
        ];
        let used = || -> Result<Vec<f64>> {
            let used = processes.iter().map(|(_, id)| processor_seconds(*id));
            used.collect()
        };
        let before = used()?;
        let begun = Instant::now();
        let clients = (0..CONNECTIONS).map(|client| self.client(server, client));
        let taken: Vec<Vec<Duration>> = try_join_all(clients).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let after = used()?;
        let mut samples = Samples::default();
        taken
            .into_iter()
            .flatten()
            .for_each(|taken| samples.push(taken));
        let figure = format!("turns/s {} at {CONNECTIONS} connections", self.name());
        table.at_least(figure, TURNS as f64 / seconds, 2_000.0, "/s");
        table.plain("  p50", samples.median(), "ms");
        table.plain("  p99", samples.percentile(0.99), "ms");
        // What a busy machine does not change, and so what to compare versions by.
        for ((name, _), (before, after)) in processes.iter().zip(before.iter().zip(after)) {
            let each = (after - before) / TURNS as f64 * 1e3;
            table.plain(format!("  processor time a turn, {name}"), each, "ms");
        }
        Ok(TURNS)
    }

    async fn client(&self, server: &Server, client: u64) -> Result<Vec<Duration>> {
        let mut connection = server.connect().await?;
        let mut random = Random(1_000 + client);
        let mut taken = Vec::new();
        for number in 0..TURNS / CONNECTIONS {
            let question = self.vocabulary.phrase(QUESTION, &mut random);
            let visitor = format!("{}-{client}-{}", self.name(), number / CONVERSATION);
            let begun = Instant::now();
            self.ask(&mut connection, &question, &visitor).await?;
            taken.push(begun.elapsed());
        }
        Ok(taken)
    }

    async fn ask(&self, connection: &mut Connection, question: &str, visitor: &str) -> Result<()> {
        let path = format!("{}/chat?stream={}", self.bot, self.streamed);
        let body = json!({
            "messages": [{ "role": "user", "content": question }],
            "sessionToken": visitor,
        });
        let body = body.to_string();
        let answer = connection.send(("POST", &path), "application/json", body.as_bytes());
        let answer = answer.await?;
        let complete = match self.streamed {
            true => answer.text()?.contains("event: done\n"),
            // The mock says the question back.
            false => answer.json()?["message"]["content"] == question,
        };
        ensure!(complete, "a wrong answer: {}", answer.text()?);
        Ok(())
    }

    /// The call that the turn makes, made directly; always a stream, since turns read one.
    async fn ask_model(&self, direct: &mut Connection, question: &str) -> Result<()> {
        let body = json!({
            "model": "mock-chat",
            "messages": [{ "role": "user", "content": question }],
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        let body = body.to_string();
        let path = ("POST", "/v1/chat/completions");
        let answer = direct.send(path, "application/json", body.as_bytes());
        ensure!(
            answer.await?.text()?.contains("[DONE]"),
            "a wrong answer of the mock"
        );
        Ok(())
    }
}

/// Counts the messages of every conversation.
async fn stored_messages(connection: &mut Connection, bot: &str) -> Result<u64> {
    let mut total = 0;
    let mut page = 1;
    loop {
        let path = format!("{bot}/conversations?limit=200&page={page}");
        let sessions = connection.get(&path).await?;
        let sessions = sessions["data"]
            .as_array()
            .context("no conversations")?
            .clone();
        if sessions.is_empty() {
            return Ok(total);
        }
        for session in &sessions {
            let id = session["id"].as_str().context("no id")?;
            let path = format!("{bot}/conversations/{id}/messages?limit=1");
            let messages: Value = connection.get(&path).await?;
            total += messages["pagination"]["total"]
                .as_u64()
                .context("no total")?;
        }
        page += 1;
    }
}
