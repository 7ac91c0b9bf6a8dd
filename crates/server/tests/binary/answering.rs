//! A server that is killed while it answers: the question is there once, its turn is marked, and the conversation goes
//! on.

use futures_util::StreamExt;
use okra_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};

use crate::okra::{Okra, PATIENCE, Server};

/// A visitor of a public chatbot.
struct Visitor {
    slug: String,
    token: String,
}

impl Visitor {
    async fn come(server: &Server, chatbot: &str) -> Self {
        let path = format!("/api/external/chatbot/{chatbot}");
        let public = server.request("PATCH", &path);
        let (status, body) = server.send(public.json(&json!({"is_public": true}))).await;
        assert_eq!(status, 200, "{body}");
        let slug = body["chatbot"]["slug"].as_str().expect("a slug").to_owned();
        let path = format!("/api/public/chatbot/{slug}/session");
        let (status, body) = server
            .send(server.request("POST", &path).json(&json!({})))
            .await;
        assert_eq!(status, 200, "{body}");
        let token = body["token"].as_str().expect("a token").to_owned();
        Self { slug, token }
    }

    fn request(&self, server: &Server, method: &str, path: &str) -> reqwest::RequestBuilder {
        let path = format!("/api/public/chatbot/{}{path}", self.slug);
        server.request(method, &path).bearer_auth(&self.token)
    }

    async fn messages(&self, server: &Server) -> Vec<Value> {
        let (status, body) = server.send(self.request(server, "GET", "/messages")).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["running"], Value::Null);
        body["data"].as_array().expect("a list").clone()
    }

    /// Asks, and reads the stream until these words or to its end.
    async fn ask(&self, server: &Server, question: &Value, until: &str) -> String {
        let request = self.request(server, "POST", "/chat").json(question);
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status().as_u16(), 200);
        let mut stream = response.bytes_stream();
        let mut heard = String::new();
        while !heard.contains(until) {
            let piece = tokio::time::timeout(PATIENCE, stream.next()).await;
            let Some(piece) = piece.expect("something comes") else {
                break;
            };
            heard.push_str(&String::from_utf8_lossy(&piece.expect("unbroken")));
        }
        heard
    }
}

fn question(content: &str) -> Value {
    json!({"content": content, "request_id": uuid::Uuid::new_v4()})
}

fn fields<'a>(messages: &'a [Value], name: &str) -> Vec<&'a Value> {
    messages.iter().map(|message| &message[name]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_a_kill_interrupts_is_marked_and_the_conversation_goes_on() {
    let provider = MockProvider::start().await;
    let mut okra = Okra::new().with("OPENAI_BASE_URL", &provider.base_url());
    let mut server = okra.serve_with_key().await;
    let chatbot = server.chatbot("Help").await;
    let points = [
        (Script::HangBeforeAnswer, "event: sources"),
        (
            Script::HangAfter {
                text: "The first words".to_owned(),
            },
            "The first words",
        ),
    ];
    for (script, until) in points {
        let visitor = Visitor::come(&server, &chatbot).await;
        // One that was answered before stays as it is.
        let settled = Visitor::come(&server, &chatbot).await;
        settled
            .ask(&server, &question("Hello?"), "event: done")
            .await;
        provider.reply(script);
        let asked = question("What is a teapot?");
        let before = provider.request_count();
        visitor.ask(&server, &asked, until).await;
        provider.wait_for_requests(before + 1).await;
        server.kill().await;

        server = okra.serve_with_key().await;
        let messages = visitor.messages(&server).await;
        assert_eq!(fields(&messages, "content"), ["What is a teapot?", ""]);
        assert_eq!(messages[1]["ended"], "failed", "{until}");
        let untouched = settled.messages(&server).await;
        assert_eq!(
            fields(&untouched, "ended"),
            [&Value::Null, &json!("complete")]
        );
        let path = format!("/api/external/chatbot/{chatbot}/conversations");
        let all = server.get(&path).await;
        let id = messages[1]["id"].as_str().expect("an id");
        let conversation = all["data"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|it| it["last_message"]["id"] == id);
        let session = conversation.expect("it ends with that")["id"]
            .as_str()
            .expect("an id");
        let stored = server.get(&format!("{path}/{session}/messages")).await;
        assert_eq!(stored["data"][1]["metadata"]["ended"], "interrupted");

        // The client sends its request again, having heard no end; then the visitor goes on.
        provider.reply(Script::text("A pot for tea."));
        let told = visitor.ask(&server, &asked, "event: done").await;
        assert!(told.contains("A pot for tea."), "{told}");
        visitor
            .ask(&server, &question("Who makes teapots?"), "event: done")
            .await;
        let messages = visitor.messages(&server).await;
        let expected = [
            "What is a teapot?",
            "",
            "A pot for tea.",
            "Who makes teapots?",
            "Who makes teapots?",
        ];
        assert_eq!(fields(&messages, "content"), expected, "{until}");

        // Another start finds nothing more to mark.
        server.kill().await;
        server = okra.serve_with_key().await;
        assert_eq!(visitor.messages(&server).await.len(), 5);
    }
}
