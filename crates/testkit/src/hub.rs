//! A hub of models with one model, which it gives as a test says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is wrong with the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    /// Nothing.
    Nothing,
    /// Bytes are missing at the end.
    Shorter,
    /// There are bytes too many.
    Longer,
    /// A byte is another.
    Other,
    /// They are listed and not there.
    Missing,
    /// They are not listed.
    Unlisted,
    /// The connection ends within them.
    BrokenOff,
}

/// The hub. Stops listening when dropped.
pub struct Hub {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    name: String,
    folder: PathBuf,
    spoilt: Mutex<Spoilt>,
}

const WEIGHTS: &str = "model.safetensors";
const FILES: [&str; 4] = [
    "config.json",
    "tokenizer.json",
    "1_Pooling/config.json",
    WEIGHTS,
];

impl Hub {
    /// Offers the model in `folder` under `name`.
    pub async fn start(name: &str, folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            folder: folder.to_owned(),
            spoilt: Mutex::new(Spoilt::Nothing),
        });
        let router = Router::new()
            .route("/api/models/{owner}/{name}", get(list))
            .route("/{owner}/{name}/resolve/{revision}/{*file}", get(resolve))
            .route("/cdn/{*file}", get(give))
            .with_state(shared.clone());
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

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says what is wrong from now on.
    pub fn spoil(&self, spoilt: Spoilt) {
        *self
            .shared
            .spoilt
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = spoilt;
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn spoilt(&self) -> Spoilt {
        *self.spoilt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(file)).unwrap_or_default()
    }
}

async fn list(
    State(hub): State<Arc<Shared>>,
    UrlPath((owner, name)): UrlPath<(String, String)>,
) -> Response {
    if format!("{owner}/{name}") != hub.name {
        return StatusCode::NOT_FOUND.into_response();
    }
    let listed = FILES
        .into_iter()
        .filter(|file| *file != WEIGHTS || hub.spoilt() != Spoilt::Unlisted);
    let siblings = listed.map(|file| {
        let bytes = hub.read(file);
        let mut about = json!({"rfilename": file, "size": bytes.len()});
        if file == WEIGHTS {
            let hash: String = Sha256::digest(&bytes)
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            about["lfs"] = json!({"sha256": hash, "size": bytes.len()});
        }
        about
    });
    let siblings: Vec<Value> = siblings
        .chain([json!({"rfilename": "README.md", "size": 9})])
        .collect();
    Json(json!({"id": hub.name, "sha": "0a1b2c", "siblings": siblings})).into_response()
}

/// Large files lie elsewhere, as on the real hub.
async fn resolve(
    UrlPath((_, _, revision, file)): UrlPath<(String, String, String, String)>,
) -> Response {
    match revision.as_str() {
        "0a1b2c" => Redirect::temporary(&format!("/cdn/{file}")).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn give(State(hub): State<Arc<Shared>>, UrlPath(file): UrlPath<String>) -> Response {
    let mut bytes = hub.read(&file);
    if file == WEIGHTS {
        match hub.spoilt() {
            Spoilt::Nothing | Spoilt::Unlisted => {}
            Spoilt::Shorter => bytes.truncate(bytes.len() / 2),
            Spoilt::Longer => bytes.push(0),
            Spoilt::Other => *bytes.last_mut().expect("weights are there") ^= 1,
            Spoilt::Missing => return StatusCode::NOT_FOUND.into_response(),
            Spoilt::BrokenOff => return broken_off(bytes),
        }
    }
    Bytes::from(bytes).into_response()
}

/// Promises all and gives half.
fn broken_off(mut bytes: Vec<u8>) -> Response {
    let length = bytes.len();
    bytes.truncate(length / 2);
    let half = Ok::<_, std::io::Error>(Bytes::from(bytes));
    let end = Err(std::io::Error::other("the connection ends"));
    let body = Body::from_stream(futures_util::stream::iter([half, end]));
    ([(header::CONTENT_LENGTH, length)], body).into_response()
}
