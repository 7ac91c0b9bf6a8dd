//! The visitor API as a page in a browser calls it.

use axum::body::Body;
use axum::http::Request;
use okra_testkit::provider::MockProvider;
use serde_json::{Value, json};

use super::client::{Answer, Bot, Client};
use super::multipart::{File, Form};
use super::{Stage, TestApp, text};

/// A page in a visitor's browser.
pub struct Page {
    /// Whoever calls.
    pub client: Client,
    /// The chatbot's slug.
    pub slug: String,
    /// The page's origin, where it is not Okra's own.
    pub origin: Option<&'static str>,
    /// The visitor's token.
    pub token: String,
}

impl Page {
    /// A page of this origin that shows this chatbot.
    pub fn new(app: &TestApp, slug: &str, origin: Option<&'static str>) -> Self {
        Self {
            client: app.nobody(),
            slug: slug.to_owned(),
            origin,
            token: String::new(),
        }
    }

    /// A request of the visitor API, with what the page sends along.
    pub fn request(&self, method: &str, path: &str, body: Option<Value>) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/public/chatbot/{}{path}", self.slug))
            .header("host", "chat.example.com");
        if let Some(origin) = self.origin {
            request = request.header("origin", origin);
        }
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        request.body(body).expect("a proper request")
    }

    /// A call of the visitor API.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.client.send(self.request(method, path, body)).await
    }

    /// Asks for a token.
    pub async fn session(&self, body: Value) -> Answer {
        self.call("POST", "/session", Some(body)).await
    }

    /// Begins a session; gives the page with its token.
    pub async fn begun(mut self, body: Value) -> Self {
        let begun = self.session(body).await.expect(200);
        self.token = text(&begun["token"]).to_owned();
        self
    }

    /// Asks a question; gives the whole stream.
    pub async fn ask(&self, content: &str) -> Answer {
        self.call("POST", "/chat", Some(question(content))).await
    }

    /// Asks with images that were uploaded before.
    pub async fn show(&self, content: &str, images: &[&Value]) -> Answer {
        let mut question = question(content);
        question["attachments"] = json!(images);
        self.call("POST", "/chat", Some(question)).await
    }

    /// Uploads a file as an image.
    pub async fn upload(&self, name: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        self.form(Form::new().file("file", File::new(name, bytes)))
            .await
    }

    /// Sends a form where images are uploaded.
    pub async fn form(&self, form: Form) -> Answer {
        let mut request = self.request("POST", "/attachments", None);
        let media_type = form.media_type().parse().expect("a media type");
        request.headers_mut().insert("content-type", media_type);
        *request.body_mut() = Body::from(form.into_bytes());
        self.client.send(request).await
    }

    /// The visitor's messages.
    pub async fn messages(&self) -> Value {
        self.call("GET", "/messages", None).await.expect(200)
    }

    /// Takes an answer up after the event of this number.
    pub async fn resume(&self, id: &Value, after: usize) -> Answer {
        let path = format!("/chat/{}", text(id));
        let mut request = self.request("GET", &path, None);
        let after = after.to_string().parse().expect("a number");
        request.headers_mut().insert("last-event-id", after);
        self.client.send(request).await
    }
}

/// A question as it is sent, with a number of its own.
pub fn question(content: &str) -> Value {
    json!({"content": content, "request_id": uuid::Uuid::new_v4()})
}

/// A public chatbot that knows how teapots are rinsed, and its slug.
pub async fn public_bot(app: &TestApp) -> (Bot, String) {
    let bot = app.bot("Teapots").await;
    let shown = app
        .client
        .patch(&bot.path(""), json!({"is_public": true}))
        .await;
    let slug = text(&shown.expect(200)["chatbot"]["slug"]).to_owned();
    bot.add(
        json!({"type": "text", "title": "Care", "content": "Rinse the teapot with cold water."}),
    )
    .await;
    app.work().await;
    (bot, slug)
}

/// An application with a model, and a visitor on a public chatbot's page.
pub async fn with_model(stage: Stage, more: &[(&str, &str)]) -> (MockProvider, TestApp, Page, Bot) {
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let mut settings = vec![("OPENAI_BASE_URL", url.as_str())];
    settings.extend(more);
    let app = stage.app_with(&settings).await;
    let (bot, slug) = public_bot(&app).await;
    let page = Page::new(&app, &slug, None).begun(json!({})).await;
    (provider, app, page, bot)
}
