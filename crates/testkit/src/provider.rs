//! A model provider that does as it is told: a server on a loopback port of its own that speaks the
//! APIs of OpenAI, Azure, Anthropic and Google, whose answers and faults a test scripts, and which records what it was asked.
//!
//! Faults are made at the HTTP boundary, where real ones happen; what hangs is released by the
//! test, so nothing here sleeps. With its default reply it answers as fast as it can and serves as
//! the zero-delay provider of benchmarks.

mod chat;
mod dialect;
mod embeddings;
mod obey;
mod rerank;
mod script;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait_until;
use dialect::Dialect;
pub use embeddings::embedding;
pub use obey::NOTHING_TO_OBEY;
pub use script::{CutOff, EmbeddingScript, ErrorReply, RerankScript, Script};

/// How many of the latest requests are kept, so that a benchmark doesn't fill the memory.
const KEPT_REQUESTS: usize = 1_000;

/// The dimension of the vectors given by `/v1/embeddings`.
pub const EMBEDDING_DIMENSION: usize = 64;

/// A scripted provider. Stops listening when dropped.
pub struct MockProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// The path, such as `/v1/chat/completions`, with its query where it has one.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body; null where it was not JSON.
    pub body: Value,
}

impl MockProvider {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/v1/chat/completions", post(chat_completions))
            .route("/v1/embeddings", post(embeddings))
            .route("/v1/rerank", post(reranking))
            .route("/v1/models", get(models))
            .route("/v1/messages", post(chat_completions))
            .route("/v1beta/models", get(models))
            .route("/v1beta/models/{call}", post(chat_completions))
            .route("/openai/models", get(models))
            .route(
                "/openai/deployments/{name}/chat/completions",
                post(chat_completions),
            )
            .layer(DefaultBodyLimit::disable())
            .with_state(shared.clone());
        // Without it each small frame waits for the acknowledgement of the one before.
        let listener = listener.tap_io(|socket| {
            let _ = socket.set_nodelay(true);
        });
        let server = tokio::spawn(async move {
            // It ends by being aborted; a failed accept shows as a failed test.
            let _ = axum::serve(listener, router).await;
        });
        Self {
            address,
            shared,
            server,
        }
    }

    /// The address to configure, ending in `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Queues the reply to the next chat request that has none yet.
    pub fn reply(&self, script: Script) {
        self.shared.lock().chat_queue.push_back(script);
    }

    /// Sets the reply to chat requests for which none is queued. At first [`Script::Echo`].
    pub fn reply_by_default(&self, script: Script) {
        self.shared.lock().chat_default = script;
    }

    /// Queues the reply to the next embeddings request that has none yet; without one it answers
    /// with [`embedding`] of each text.
    pub fn reply_embeddings(&self, script: EmbeddingScript) {
        self.shared.lock().embedding_queue.push_back(script);
    }

    /// Sets how passages are scored; at first by the words that they share with the query.
    pub fn rerank_by_default(&self, script: RerankScript) {
        self.shared.lock().rerank = script;
    }

    /// Sets the answer to embeddings requests for which none is queued.
    pub fn embed_by_default(&self, script: EmbeddingScript) {
        self.shared.lock().embedding_default = script;
    }

    /// The latest requests, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().requests.iter().cloned().collect()
    }

    /// How many requests arrived in all.
    pub fn request_count(&self) -> usize {
        *self.shared.arrived.borrow()
    }

    /// Waits until `count` requests have arrived in all.
    pub async fn wait_for_requests(&self, count: usize) {
        wait_until(&self.shared.arrived, count).await;
    }

    /// How many answers lost their reader before they were finished.
    pub fn disconnects(&self) -> usize {
        *self.shared.disconnects.borrow()
    }

    /// Waits until `count` answers have lost their reader.
    pub async fn wait_for_disconnects(&self, count: usize) {
        wait_until(&self.shared.disconnects, count).await;
    }

    /// Lets everything that hangs now go on.
    pub fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }
}

impl Drop for MockProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RecordedRequest {
    /// The key it was sent with, without `Bearer`, in whichever of the providers' headers.
    pub fn key(&self) -> Option<&str> {
        let header = |name: &str| self.headers.get(name)?.to_str().ok();
        let bearer = || header("authorization")?.strip_prefix("Bearer ");
        let own = ["api-key", "x-api-key", "x-goog-api-key"];
        bearer().or_else(|| own.into_iter().find_map(header))
    }

    /// The contents of the chat messages sent, as `role: content`, for assertions on prompts.
    pub fn conversation(&self) -> Vec<String> {
        let said = dialect_of(&self.path).conversation(&self.body).into_iter();
        said.map(|(role, text)| format!("{role}: {text}")).collect()
    }

    /// The addresses of the images that each chat message shows, the system's message first.
    pub fn images(&self) -> Vec<Vec<String>> {
        let shown = |message: &Value| {
            let parts = message["content"].as_array().into_iter().flatten();
            let addresses = parts.filter_map(|part| part["image_url"]["url"].as_str());
            addresses.map(str::to_owned).collect()
        };
        let messages = self.body["messages"].as_array();
        messages.into_iter().flatten().map(shown).collect()
    }
}

/// What the handlers and the test share.
struct Shared {
    state: Mutex<Scripted>,
    arrived: watch::Sender<usize>,
    disconnects: watch::Sender<usize>,
    released: watch::Sender<usize>,
}

struct Scripted {
    chat_queue: VecDeque<Script>,
    chat_default: Script,
    embedding_queue: VecDeque<EmbeddingScript>,
    embedding_default: EmbeddingScript,
    rerank: RerankScript,
    requests: VecDeque<RecordedRequest>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: Mutex::new(Scripted {
                chat_queue: VecDeque::new(),
                chat_default: Script::Echo,
                embedding_queue: VecDeque::new(),
                embedding_default: EmbeddingScript::Vectors,
                rerank: RerankScript::Words,
                requests: VecDeque::new(),
            }),
            arrived: watch::Sender::new(0),
            disconnects: watch::Sender::new(0),
            released: watch::Sender::new(0),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Scripted> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, path: impl Into<String>, headers: HeaderMap, body: &Value) {
        let mut state = self.lock();
        if state.requests.len() == KEPT_REQUESTS {
            state.requests.pop_front();
        }
        state.requests.push_back(RecordedRequest {
            path: path.into(),
            headers,
            body: body.clone(),
        });
        drop(state);
        self.arrived.send_modify(|count| *count += 1);
    }
}

/// Counts a disconnect when it is dropped before [`Watch::finished`]: the server drops an answer
/// whose reader has gone.
struct Watch {
    shared: Arc<Shared>,
    finished: bool,
}

impl Watch {
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            finished: false,
        }
    }

    fn finished(mut self) {
        self.finished = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.disconnects.send_modify(|count| *count += 1);
        }
    }
}

async fn chat_completions(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let released = shared.released.subscribe();
    let script = {
        let mut state = shared.lock();
        state
            .chat_queue
            .pop_front()
            .unwrap_or_else(|| state.chat_default.clone())
    };
    shared.record(uri.to_string(), headers, &request);
    let path = uri.path();
    let named = || path.rsplit('/').next()?.split(':').next();
    let asked = chat::Asked {
        dialect: dialect_of(path),
        streamed: request["stream"] == true || path.ends_with(":streamGenerateContent"),
        model: request["model"]
            .as_str()
            .or_else(named)
            .unwrap_or("mock-chat"),
        request: &request,
    };
    chat::reply(Watch::new(&shared), script, &asked, released).await
}

fn dialect_of(path: &str) -> Dialect {
    match path {
        _ if path.starts_with("/v1beta/") => Dialect::Gemini,
        "/v1/messages" => Dialect::Anthropic,
        _ => Dialect::OpenAi,
    }
}

async fn embeddings(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let released = shared.released.subscribe();
    let script = {
        let mut state = shared.lock();
        let queued = state.embedding_queue.pop_front();
        queued.unwrap_or_else(|| state.embedding_default.clone())
    };
    shared.record("/v1/embeddings", headers, &request);
    let watch = Watch::new(&shared);
    let response = embeddings::reply(script, &request, released).await;
    watch.finished();
    response
}

async fn reranking(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let released = shared.released.subscribe();
    let script = shared.lock().rerank.clone();
    shared.record("/v1/rerank", headers, &request);
    rerank::reply(script, &request, released).await
}

async fn models(uri: Uri) -> Json<Value> {
    if dialect_of(uri.path()) == Dialect::Gemini {
        let model = |name: &str, method: &str| json!({"name": format!("models/{name}"), "supportedGenerationMethods": [method]});
        let models = [
            model("mock-chat", "generateContent"),
            model("mock-embedding", "embedContent"),
        ];
        return Json(json!({"models": models}));
    }
    Json(json!({
        "object": "list",
        "data": [
            { "id": "mock-chat", "object": "model", "owned_by": "mock" },
            { "id": "mock-embedding", "object": "model", "owned_by": "mock" },
        ],
    }))
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("a fixed header is valid")
}

/// Waits for [`MockProvider::release`]; for ever where the provider is gone.
async fn hang(released: &mut watch::Receiver<usize>) {
    if released.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
