//! Watching an organization over HTTP.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::{Client, OUR_KEY, Stage, keys_of, said, sorted, text};

stories! {
    an_upload_is_watched_until_it_is_ready,
    a_conversation_is_watched,
    new_vectors_are_watched_until_they_are_there,
    a_stranger_hears_nothing,
    a_stopping_server_ends_the_stream,
}

/// A page that is told what happens.
struct Watcher {
    body: BodyDataStream,
    heard: String,
}

impl Watcher {
    async fn begin(client: &Client, key: &str) -> Self {
        let request = Request::get("/api/external/events").header("x-api-key", key);
        let request = request.body(Body::empty()).expect("a proper request");
        let response = client.open(request).await;
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"]
            .to_str()
            .expect("plain text");
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        let mut watcher = Self {
            body: response.into_body().into_data_stream(),
            heard: String::new(),
        };
        assert_eq!(watcher.block().await.as_deref(), Some(": watching"));
        watcher
    }

    /// What comes up to the next empty line; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        while !self.heard.contains("\n\n") {
            let more = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await;
            let piece = more.expect("something happens")?.expect("no fault");
            self.heard
                .push_str(std::str::from_utf8(&piece).expect("UTF-8"));
        }
        let (block, rest) = self.heard.split_once("\n\n").expect("just seen");
        let (block, rest) = (block.to_owned(), rest.to_owned());
        self.heard = rest;
        Some(block)
    }

    /// The next event's object, which must be of this name.
    async fn next(&mut self, name: &str) -> Value {
        let block = self.block().await.expect("an event");
        let (first, second) = block.split_once('\n').expect("a name and an object");
        assert_eq!(first, format!("event: {name}"), "{block}");
        let data = second.strip_prefix("data: ").expect("an object");
        serde_json::from_str(data).expect("JSON")
    }

    /// The first of the knowledge events that come next for which this holds.
    async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let told = self.next("knowledge").await;
            if holds(&told) {
                return told;
            }
        }
    }
}

async fn an_upload_is_watched_until_it_is_ready(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let mut watcher = Watcher::begin(&app.client, OUR_KEY).await;
    let item = bot.upload_one("hours.txt", "Open from ten.").await;
    let told = watcher.next("knowledge").await;
    assert_eq!(keys_of(&told), sorted("chatbot_id item_id item"));
    assert_eq!(
        (&told["chatbot_id"], &told["item_id"]),
        (&json!(bot.id), &item["id"])
    );
    assert_eq!(told["item"], item);
    app.work().await;
    // An event tells the item as it is by then: steps that follow closely may
    // be told as one, or twice as the last of them.
    let told = watcher
        .until(|told| told["item"]["status"] == "ready")
        .await;
    assert_eq!(told["item"], bot.item(&item["id"]).await);
    let gone = bot.path(&format!("/knowledge-base?id={}", text(&item["id"])));
    bot.client.delete(&gone).await.expect(200);
    let told = watcher.until(|told| told["item"].is_null()).await;
    assert_eq!(told["item_id"], item["id"]);
}

async fn a_conversation_is_watched(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let mut watcher = Watcher::begin(&app.client, OUR_KEY).await;
    let reply = bot.chat(said("Hello?")).await.expect(200);
    let (mut messages, mut session) = (Vec::new(), Value::Null);
    while messages.len() < 2 || session["last_message"]["id"] != reply["message"]["id"] {
        let block = watcher.block().await.expect("an event");
        let (name, data) = block.split_once('\n').expect("a name and an object");
        let data: Value = serde_json::from_str(&data["data: ".len()..]).expect("JSON");
        assert_eq!(data["chatbot_id"], json!(bot.id));
        match name {
            "event: message" => {
                assert_eq!(data["session_id"], reply["session_id"]);
                messages.push(data["message"].clone());
            }
            "event: conversation" => session = data["session"].clone(),
            other => panic!("{other}"),
        }
    }
    assert_eq!(messages, bot.messages(&reply["session_id"]).await);
    let listed = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    assert_eq!(session, listed["data"][0]);
}

async fn new_vectors_are_watched_until_they_are_there(stage: Stage) {
    let models = tempfile::tempdir().expect("a folder");
    okra_testkit::transformer::write(&models.path().join("tiny"));
    let folder = models.path().display().to_string();
    let app = stage.app_with(&[("OKRA_MODELS_DIR", &folder)]).await;
    let bot = app.bot("Shop").await;
    bot.add(json!({"type": "text", "content": "Ours."})).await;
    app.work().await;
    let mut watcher = Watcher::begin(&app.client, OUR_KEY).await;
    let choice = json!({"kind": "transformer", "model": "tiny"}).to_string();
    let path = bot.path("/embedder");
    app.client.json("PUT", &path, choice).await.expect(200);
    app.work().await;
    let told = loop {
        let told = watcher.next("embedder").await;
        assert_eq!(keys_of(&told), sorted("chatbot_id status done total error"));
        assert_eq!(told["chatbot_id"], json!(bot.id));
        if told["status"] == "ready" {
            break told;
        }
    };
    assert_eq!(told["error"], json!(null));
}

async fn a_stranger_hears_nothing(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let mut stranger = Watcher::begin(&app.client, &"b2".repeat(24)).await;
    bot.add(json!({"type": "text", "content": "Ours."})).await;
    bot.chat(said("Hello?")).await.expect(200);
    let made = app
        .stranger
        .post("/chatbots", json!({"name": "Theirs"}))
        .await;
    let theirs = text(&made.expect(200)["chatbot"]["id"]).to_owned();
    let path = format!("/chatbot/{theirs}/knowledge-base");
    let own = json!({"type": "text", "content": "Theirs."});
    app.stranger.post(&path, own).await.expect(202);
    let told = stranger.next("knowledge").await;
    assert_eq!(
        told["chatbot_id"],
        json!(theirs),
        "the first that is heard is their own"
    );
    app.nobody()
        .get("/events")
        .await
        .refused(401, "unauthorized", "");
}

async fn a_stopping_server_ends_the_stream(stage: Stage) {
    let app = stage.app().await;
    let mut watcher = Watcher::begin(&app.client, OUR_KEY).await;
    app.engine.shut_down(Duration::from_secs(5)).await;
    assert_eq!(watcher.block().await, None);
}
