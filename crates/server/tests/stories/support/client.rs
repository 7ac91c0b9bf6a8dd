//! A client of the API as a value: the router it speaks to and the headers it sends along, such as
//! its key.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request};
use okra_domain::Clock;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::multipart::{File, Form};
use super::{Reader, list, text};

/// Speaks to the application in process.
#[derive(Clone)]
pub struct Client {
    router: Router,
    clock: Clock,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    pub(super) fn new(router: Router, clock: Clock) -> Self {
        Self {
            router,
            clock,
            headers: Vec::new(),
        }
    }

    /// The same client, sending this header along in place of another of its name.
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.without(name);
        client.headers.push((name, value.to_owned()));
        client
    }

    /// The same client without this header.
    pub fn without(&self, name: &str) -> Self {
        let mut client = self.clone();
        client.headers.retain(|(kept, _)| *kept != name);
        client
    }

    /// The same client with this key.
    pub fn with_key(&self, key: &str) -> Self {
        self.with("x-api-key", key)
    }

    /// The same client as a browser on Okra's own pages that got this `set-cookie`.
    pub fn with_cookie(&self, set_cookie: &str) -> Self {
        let cookie = set_cookie.split(';').next().unwrap_or_default();
        self.with("cookie", cookie)
            .with("origin", "https://chat.example.com")
    }

    /// A call of `/api/account…`.
    pub async fn account(&self, method: &str, path: &str, body: Value) -> Answer {
        let path = format!("/api/account{path}");
        let body = (!body.is_null()).then(|| body.to_string());
        let media_type = body.as_ref().map(|_| "application/json");
        let body = body.map_or(Body::empty(), Body::from);
        self.request(method, &path, body, media_type).await
    }

    /// `GET /api/external…`.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Body::empty(), None).await
    }

    /// `DELETE /api/external…`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, Body::empty(), None).await
    }

    /// `POST /api/external…` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json("POST", path, body.to_string()).await
    }

    /// `PATCH /api/external…` with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json("PATCH", path, body.to_string()).await
    }

    /// A body that claims to be JSON.
    pub async fn json(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.call(method, path, body.into(), Some("application/json"))
            .await
    }

    /// A multipart form.
    pub async fn form(&self, method: &str, path: &str, form: Form) -> Answer {
        let media_type = form.media_type();
        self.call(
            method,
            path,
            Body::from(form.into_bytes()),
            Some(&media_type),
        )
        .await
    }

    /// Any method, body and content type under `/api/external`.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        body: Body,
        media_type: Option<&str>,
    ) -> Answer {
        let path = format!("/api/external{path}");
        self.request(method, &path, body, media_type).await
    }

    /// A message of the Model Context Protocol.
    pub async fn mcp(&self, message: Value) -> Answer {
        let body = Body::from(message.to_string());
        let media_type = Some("application/json");
        self.request("POST", "/mcp", body, media_type).await
    }

    /// A call of OpenAI's API, `/v1…`; without a body where it is null.
    pub async fn openai(&self, method: &str, path: &str, body: Value) -> Answer {
        let path = format!("/v1{path}");
        let media_type = (!body.is_null()).then_some("application/json");
        let body = media_type.map_or(Body::empty(), |_| Body::from(body.to_string()));
        self.request(method, &path, body, media_type).await
    }

    async fn request(
        &self,
        method: &str,
        path: &str,
        body: Body,
        media_type: Option<&str>,
    ) -> Answer {
        self.send(self.make(method, path, body, media_type)).await
    }

    /// A request with what the client sends along.
    fn make(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Body>,
        media_type: Option<&str>,
    ) -> Request<Body> {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        request.body(body.into()).expect("a proper request")
    }

    /// What a call with a body that fits nothing is answered: the status, and an error's code.
    pub async fn knock(&self, method: &str, path: &str) -> (u16, String) {
        let body = r#"{"base_url": 7, "messages": 7}"#;
        let request = self.make(method, path, body, Some("application/json"));
        let response = self.open(request).await;
        let status = response.status().as_u16();
        if status < 400 {
            return (status, String::new());
        }
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        let error: Value = serde_json::from_slice(&body.expect("whole")).expect("JSON");
        // Under /v1 errors have OpenAI's form.
        let code = error.pointer("/error/code").unwrap_or(&error["code"]);
        (status, text(code).to_owned())
    }

    /// Any request, as it is; gives the answer while its body may still be under way.
    pub async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.clock.advance(Duration::from_millis(1));
        let answered = self.router.clone().oneshot(request).await;
        answered.expect("the router never fails to answer")
    }

    /// Any request, as it is. What holds for every answer is checked here.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let asked = format!("{} {}", request.method(), request.uri());
        let (parts, body) = self.open(request).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let answer = Answer {
            asked,
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.expect("the answer comes to its end"),
        };
        answer.check();
        answer
    }
}

/// An answer, whole.
pub struct Answer {
    asked: String,
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// What holds for every answer.
    fn check(&self) {
        assert_ne!(self.status, 500, "{self:?}");
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
        // A page for people says it in words; whatever programs call, in the one form of errors.
        if self.status >= 400 && !self.header("content-type").starts_with("text/html") {
            let error = self.plain_error();
            let sentence = text(&error["error"]);
            let plain = sentence.len() > 10 && !sentence.contains('\n');
            assert!(plain, "{self:?}");
            let code = text(&error["code"]);
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{self:?}"
            );
            let keys = keys_of(&error);
            assert!(
                keys.iter()
                    .all(|key| ["error", "code", "details"].contains(&key.as_str())),
                "{self:?}"
            );
            for problem in error.get("details").map(list).into_iter().flatten() {
                assert_eq!(keys_of(problem), ["field", "problem"], "{self:?}");
            }
        }
    }

    /// An error as most calls tell it, of a call that may tell it as OpenAI does.
    fn plain_error(&self) -> Value {
        let error = self.json();
        let Some(told) = error["error"].as_object() else {
            return error;
        };
        assert!(self.asked.contains(" /v1"), "{self:?}");
        assert_eq!(keys_of(&error), ["error"], "{self:?}");
        let keys = sorted("code message param type");
        assert_eq!(keys_of(&error["error"]), keys, "{self:?}");
        assert!(!text(&told["type"]).is_empty(), "{self:?}");
        json!({"error": told["message"], "code": told["code"]})
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether the answer has this status and no body.
    #[track_caller]
    pub fn expect_nothing(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.body.is_empty(), "{self:?}");
    }

    /// The body as JSON, of an answer with this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// Whether it is this error, and where `field` is not empty names this field.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, field: &str) {
        let error = self.expect(status);
        assert_eq!(text(&error["code"]), code, "{self:?}");
        if !field.is_empty() {
            let named: Vec<&str> = list(&error["details"])
                .iter()
                .map(|problem| text(&problem["field"]))
                .collect();
            assert_eq!(named, [field], "{self:?}");
        }
    }

    /// A header's text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("plain text"))
    }

    /// The server-sent events of the body: name and object each.
    #[track_caller]
    pub fn events(&self) -> Vec<(String, Value)> {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(
            self.header("content-type").starts_with("text/event-stream"),
            "{self:?}"
        );
        parse_events(std::str::from_utf8(&self.body).expect("UTF-8"))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(1_500).collect();
        write!(f, "{} → {} {body}", self.asked, self.status)
    }
}

fn parse_events(stream: &str) -> Vec<(String, Value)> {
    stream
        .split("\n\n")
        .filter(|event| {
            event
                .lines()
                .any(|line| !line.is_empty() && !line.starts_with(':'))
        })
        .map(|event| {
            let field = |name: &str| {
                let mut lines = event.lines().filter_map(|line| line.strip_prefix(name));
                let value = lines
                    .next()
                    .unwrap_or_else(|| panic!("no {name} in {event:?}"));
                assert!(lines.next().is_none(), "one {name} each: {event:?}");
                value
            };
            let data: Value = serde_json::from_str(field("data: ")).expect("JSON");
            assert!(data.is_object(), "{event:?}");
            (field("event: ").to_owned(), data)
        })
        .collect()
}

/// The object of the only event of this name.
#[track_caller]
pub fn one_event<'a>(events: &'a [(String, Value)], name: &str) -> &'a Value {
    let found: Vec<&Value> = events
        .iter()
        .filter(|(event, _)| event == name)
        .map(|(_, data)| data)
        .collect();
    assert_eq!(found.len(), 1, "one {name}: {events:?}");
    found[0]
}

/// An object's keys, sorted.
#[track_caller]
pub fn keys_of(value: &Value) -> Vec<String> {
    let object = value
        .as_object()
        .unwrap_or_else(|| panic!("an object expected, not {value}"));
    let mut keys: Vec<String> = object.keys().cloned().collect();
    keys.sort();
    keys
}

/// The words of `text`, sorted, to be compared with [`keys_of`].
pub fn sorted(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    words.sort();
    words
}

/// A chatbot, and the client that calls it.
#[derive(Clone)]
pub struct Bot {
    /// Whoever calls.
    pub client: Client,
    /// The chatbot's id.
    pub id: String,
}

impl Bot {
    pub(super) fn new(client: Client, id: &str) -> Self {
        Self {
            client,
            id: id.to_owned(),
        }
    }

    /// A path below this chatbot.
    pub fn path(&self, rest: &str) -> String {
        format!("/chatbot/{}{rest}", self.id)
    }

    /// The chatbot in full.
    pub async fn show(&self) -> Value {
        self.client.get(&self.path("")).await.expect(200)["chatbot"].clone()
    }

    /// Adds one item of knowledge; gives it as answered.
    pub async fn add(&self, item: Value) -> Value {
        let added = self.client.post(&self.path("/knowledge-base"), item).await;
        list(&added.expect(202)["data"])[0].clone()
    }

    /// Uploads files; gives the answer.
    pub async fn upload(&self, files: Vec<File>) -> Answer {
        let form = files
            .into_iter()
            .fold(Form::new(), |form, file| form.file("files", file));
        self.client
            .form("POST", &self.path("/knowledge-base/files"), form)
            .await
    }

    /// Uploads one file that is accepted; gives its item.
    pub async fn upload_one(&self, name: &str, bytes: impl Into<Vec<u8>>) -> Value {
        let added = self.upload(vec![File::new(name, bytes)]).await;
        list(&added.expect(202)["data"])[0].clone()
    }

    /// An item as it is now.
    pub async fn item(&self, id: &Value) -> Value {
        let items = self.items().await;
        let found = items.iter().find(|item| item["id"] == *id);
        found.unwrap_or_else(|| panic!("{id} in {items:?}")).clone()
    }

    /// The first 200 items.
    pub async fn items(&self) -> Vec<Value> {
        let path = self.path("/knowledge-base?limit=200");
        list(&self.client.get(&path).await.expect(200)["data"]).clone()
    }

    /// What a query finds.
    pub async fn query(&self, query: &str) -> Vec<Value> {
        let body = json!({"query": query, "limit": 50});
        let found = self.client.post(&self.path("/query-knowledge"), body).await;
        list(&found.expect(200)["results"]).clone()
    }

    /// The texts of what a query finds, in one.
    pub async fn found(&self, query: &str) -> String {
        let results = self.query(query).await;
        let texts: Vec<&str> = results
            .iter()
            .map(|result| text(&result["content"]))
            .collect();
        texts.join("\n\n")
    }

    /// Asks in a new session, without streaming.
    pub async fn ask(&self, question: &str) -> Value {
        let answered = self.chat(said(question)).await;
        answered.expect(200)
    }

    /// A chat body, without streaming.
    pub async fn chat(&self, body: Value) -> Answer {
        self.client.post(&self.path("/chat"), body).await
    }

    /// A chat body, streamed.
    pub async fn stream(&self, body: Value) -> Answer {
        self.client
            .post(&self.path("/chat?stream=true"), body)
            .await
    }

    /// A chat body, streamed and read piece by piece. Whoever drops it has left at once.
    pub async fn reader(&self, body: &Value) -> Reader {
        let path = format!("/api/external{}", self.path("/chat?stream=true"));
        let body = body.to_string();
        let asked = self
            .client
            .make("POST", &path, body, Some("application/json"));
        Reader::open(&self.client, asked).await
    }

    /// The first 200 messages of a session.
    pub async fn messages(&self, session: &Value) -> Vec<Value> {
        let path = format!("/conversations/{}/messages?limit=200", text(session));
        let answer = self.client.get(&self.path(&path)).await;
        list(&answer.expect(200)["data"]).clone()
    }
}

/// The body of a first question.
pub fn said(question: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}]})
}
