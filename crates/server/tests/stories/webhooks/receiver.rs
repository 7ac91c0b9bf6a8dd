//! An address that is sent events, and what the stories ask of endpoints.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use okra_domain::Timestamp;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::{Stage, TestApp, keys_of, list, sorted, text};

/// An address that is sent events.
pub struct Receiver {
    /// The address.
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<(HeaderMap, Bytes)>>,
    answers: Mutex<VecDeque<(u16, &'static str)>>,
}

impl Receiver {
    /// On a free port.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            // It ends by being aborted; a failed accept shows as a failed test.
            let _ = axum::serve(listener, router).await;
        });
        Self {
            url: format!("http://{address}/hooks"),
            shared,
            server,
        }
    }

    /// The application, which may reach this address.
    pub async fn app(&self, stage: Stage) -> TestApp {
        let host = self.url.trim_start_matches("http://");
        let host = host.trim_end_matches("/hooks");
        stage.app_with(&[("OKRA_FETCH_ALLOW", host)]).await
    }

    /// What to answer to the next request that has no answer yet; else it is 204.
    pub fn answer(&self, status: u16, body: &'static str) {
        let mut answers = self.shared.answers.lock().expect("whole");
        answers.push_back((status, body));
    }

    /// What came since the last look.
    pub fn taken(&self) -> Vec<(HeaderMap, Bytes)> {
        std::mem::take(&mut *self.shared.received.lock().expect("whole"))
    }

    /// The events that came since the last look, each of which this secret signed.
    pub fn events(&self, secret: &str) -> Vec<Value> {
        let webhook = Webhook::new(secret).expect("a secret");
        let taken = self.taken().into_iter();
        let checked = taken.map(|(headers, body)| {
            assert_eq!(headers["content-type"], "application/json");
            webhook
                .verify(&body, &headers)
                .expect("the signature is right");
            let event: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(keys_of(&event), sorted("type timestamp data"));
            event
        });
        checked.collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    shared.received.lock().expect("whole").push((headers, body));
    let answer = shared.answers.lock().expect("whole").pop_front();
    let (status, body) = answer.unwrap_or((204, ""));
    let status = StatusCode::from_u16(status).expect("a status");
    // To where a redirect would lead, were it followed.
    (status, [("location", "/elsewhere")], body).into_response()
}

/// An endpoint of the organization that is told of these kinds; gives its id and its secret.
pub async fn endpoint(app: &TestApp, receiver: &Receiver, events: Value) -> (String, String) {
    let body = json!({"url": receiver.url, "events": events});
    let made = app.client.post("/webhooks", body).await.expect(201);
    let secret = text(&made["secret"]).to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    (text(&made["data"]["id"]).to_owned(), secret)
}

/// Moves the story to the present, by which the reference library judges timestamps.
pub fn now(app: &TestApp) {
    let time = std::time::SystemTime::now();
    let time = time
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let micros = i64::try_from(time.as_micros()).expect("not for long");
    app.clock.advance(Timestamp(micros).since(app.clock.now()));
}

/// What the endpoint was sent, newest first.
pub async fn deliveries(app: &TestApp, id: &str) -> Vec<Value> {
    let path = format!("/webhooks/{id}/deliveries?limit=200");
    list(&app.client.get(&path).await.expect(200)["data"]).clone()
}

/// The types of events, sorted.
pub fn types(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = events.iter().map(|event| text(&event["type"])).collect();
    types.sort_unstable();
    types
}

/// The data of the event of this type.
pub fn of<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    let event = events.iter().find(|event| event["type"] == kind);
    &event.unwrap_or_else(|| panic!("no {kind}: {events:?}"))["data"]
}
