//! Conversations that people answer, and streams that are read while they go on.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt;
use serde_json::Value;

use super::client::{Answer, Bot, Client, one_event};
use super::page::Page;
use super::{OUR_KEY, TestApp, text};

/// A path of one of the bot's conversations.
pub fn at(bot: &Bot, session: &Value, rest: &str) -> String {
    bot.path(&format!("/conversations/{}{rest}", text(session)))
}

/// Changes who answers a conversation.
pub async fn change(client: &Client, bot: &Bot, session: &Value, body: Value) -> Answer {
    client.patch(&at(bot, session, ""), body).await
}

/// A visitor's conversation that the chatbot has answered once; gives its id.
pub async fn begun(page: &Page) -> Value {
    let told = page.ask("How do I rinse it?").await.events();
    one_event(&told, "session")["session_id"].clone()
}

/// Asks over a real connection, streamed, which is closed when `until` was heard.
pub async fn asked_and_left(app: &TestApp, bot: &Bot, body: &Value, until: &str) {
    let served = app.serve().await;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30));
    let client = client.build().expect("a client");
    let request = client
        .post(format!("{}{}?stream=true", served.url, bot.path("/chat")))
        .header("x-api-key", OUR_KEY)
        .json(body);
    let mut stream = request.send().await.expect("an answer").bytes_stream();
    let mut heard = String::new();
    while !heard.contains(until) {
        let bytes = stream.next().await.expect("more").expect("bytes");
        heard.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
    }
}

/// Waits until a conversation holds so many messages, ten seconds at most.
pub async fn messages_when(bot: &Bot, session: &Value, count: usize) -> Vec<Value> {
    let waiting = async {
        loop {
            let messages = bot.messages(session).await;
            if messages.len() >= count {
                return messages;
            }
            tokio::task::yield_now().await;
        }
    };
    let messages = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    messages.expect("they are stored")
}

/// A stream that is read piece by piece.
pub struct Reader {
    body: BodyDataStream,
    heard: String,
}

impl Reader {
    /// Sends a request, which must be answered well.
    pub async fn open(client: &Client, request: Request<Body>) -> Self {
        let response = client.open(request).await;
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body().into_data_stream(),
            heard: String::new(),
        }
    }

    /// Reads until that was heard.
    pub async fn until(&mut self, words: &str) {
        while !self.heard.contains(words) {
            let more = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await;
            let piece = more
                .expect("something happens")
                .expect("more of the stream");
            let piece = piece.expect("no fault");
            self.heard
                .push_str(std::str::from_utf8(&piece).expect("UTF-8"));
        }
    }

    /// The next event: its name and its object.
    pub async fn next(&mut self) -> (String, Value) {
        self.until("\n\n").await;
        let (block, rest) = self.heard.split_once("\n\n").expect("just seen");
        let field = |name: &str| {
            let found = block.lines().find_map(|line| line.strip_prefix(name));
            found
                .unwrap_or_else(|| panic!("no {name} in {block:?}"))
                .to_owned()
        };
        let event = (
            field("event: "),
            serde_json::from_str(&field("data: ")).expect("JSON"),
        );
        self.heard = rest.to_owned();
        event
    }

    /// What is left, to the end.
    pub async fn rest(mut self) -> String {
        while let Some(piece) = self.body.next().await {
            let piece = piece.expect("no fault");
            self.heard
                .push_str(std::str::from_utf8(&piece).expect("UTF-8"));
        }
        self.heard
    }
}
