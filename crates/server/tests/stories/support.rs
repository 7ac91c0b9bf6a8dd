//! What the stories share: an application with a database of its own, its clients and chatbots,
//! and readers of answers.
//!
//! Every answer that passes through [`Client::send`] is held to what the contract says of all
//! answers: a request id, no fault of the server's own, and errors in their one form.

mod answering;
mod client;
mod multipart;
mod page;
mod people;
mod pictures;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use okra_domain::{ApiKeyId, Clock, Secret, Timestamp};
use okra_engine::Engine;
use okra_engine::worker::{Step, Worker};
use okra_server::app::{App, build_engine};
use okra_server::config::{Config, Flags};
use okra_server::routes;
pub use okra_store::testing::Backend;
use okra_store::testing::{Place, place};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use answering::{Reader, asked_and_left, at, begun, change, messages_when};
pub use client::{Answer, Bot, Client, keys_of, one_event, said, sorted};
pub use multipart::{BOUNDARY, File, Form};
pub use page::{Page, public_bot, question, with_model};
pub use people::PASSWORD;
pub use pictures::{no_pictures, picture};

/// Makes a test on each database of every story named: an `async fn(Stage)`.
macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(stage) = $crate::support::Stage::on($crate::support::Backend::Sqlite).await {
                    super::$name(stage).await;
                }
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(stage) = $crate::support::Stage::on($crate::support::Backend::Postgres).await {
                    super::$name(stage).await;
                }
            })*
        }
    };
}

/// 2025-01-22T04:30:45.790337Z, when every story begins.
const BEGINNING: Timestamp = Timestamp(1_737_520_245_790_337);

/// The key of the organization `Ours`.
pub const OUR_KEY: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const THEIR_KEY: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";

/// An empty database and an empty folder, on which an application is started.
pub struct Stage {
    place: Place,
}

impl Stage {
    /// `None` where this machine has no such database.
    pub async fn on(backend: Backend) -> Option<Self> {
        Some(Self {
            place: place(backend).await?,
        })
    }

    /// The application with its default settings.
    pub async fn app(self) -> TestApp {
        self.app_with(&[]).await
    }

    /// The application with these environment variables.
    pub async fn app_with(self, settings: &[(&str, &str)]) -> TestApp {
        TestApp::start(self.place, settings).await
    }
}

/// The application, two organizations and their keys.
pub struct TestApp {
    /// A client with a key of the organization that most stories are about.
    pub client: Client,
    /// A client of another organization.
    pub stranger: Client,
    /// The use cases, for what no call shows.
    pub engine: Arc<Engine>,
    /// The time, which moves a millisecond a request.
    pub clock: Clock,
    /// The settings.
    pub config: Config,
    router: Router,
    worker: Worker,
    place: Place,
}

impl TestApp {
    async fn start(place: Place, settings: &[(&str, &str)]) -> Self {
        let mut variables: HashMap<String, String> = HashMap::from([
            ("OKRA_DATA_DIR", place.folder.path().display().to_string()),
            ("OKRA_DATABASE_URL", place.database_url.clone()),
            ("OKRA_STORAGE_URL", place.storage_url.clone()),
            ("OKRA_PUBLIC_URL", "https://chat.example.com".to_owned()),
        ])
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        for (name, value) in settings {
            variables.insert((*name).to_owned(), (*value).to_owned());
        }
        let config = Config::load(&Flags::default(), |name| variables.get(name).cloned());
        let mut config = config.expect("the story's settings are valid");
        config.reading.program = Some(env!("CARGO_BIN_EXE_okra").into());
        let of_aws = variables
            .iter()
            .filter(|(name, _)| name.starts_with("AWS_"));
        let of_aws = of_aws.map(|(name, value)| (name.clone(), Secret::new(value.as_str())));
        config.aws_variables = of_aws.collect();
        let clock = Clock::manual(BEGINNING);
        let (engine, router) = built(&config, &clock).await;
        for (organization, key) in [("Ours", OUR_KEY), ("Theirs", THEIR_KEY)] {
            let key = Secret::new(key);
            let made = engine.store().create_key(organization, &key).await;
            made.expect("a key can be made");
        }
        Self::over(engine, router, config, clock, place)
    }

    /// A second application over the same database and files, as after a restart.
    pub async fn restarted(&self) -> Client {
        let (_, router) = built(&self.config, &self.clock).await;
        Client::new(router, self.clock.clone()).with_key(OUR_KEY)
    }

    /// The application started anew over the same database, files and clock, after the first was
    /// killed: what that one was doing is left as it was.
    pub async fn killed_and_started(self) -> Self {
        let (engine, router) = built(&self.config, &self.clock).await;
        Self::over(engine, router, self.config, self.clock, self.place)
    }

    fn over(
        engine: Arc<Engine>,
        router: Router,
        config: Config,
        clock: Clock,
        place: Place,
    ) -> Self {
        let client = Client::new(router.clone(), clock.clone());
        Self {
            stranger: client.with_key(THEIR_KEY),
            client: client.with_key(OUR_KEY),
            worker: Worker::new(engine.clone()),
            engine,
            clock,
            config,
            router,
            place,
        }
    }

    /// A client without any key.
    pub fn nobody(&self) -> Client {
        Client::new(self.router.clone(), self.clock.clone())
    }

    /// What a browser gets at an address under the public URL.
    pub async fn fetch(&self, address: &str) -> Answer {
        let path = address
            .strip_prefix("https://chat.example.com")
            .expect("under the public URL");
        let request = Request::get(path).body(Body::empty()).expect("a request");
        self.nobody().send(request).await
    }

    /// A second key of the organization `Ours`, with the id by which it is revoked.
    pub async fn another_key(&self, key: &str) -> (Client, ApiKeyId) {
        let made = self
            .engine
            .store()
            .create_key("Ours", &Secret::new(key))
            .await;
        (
            self.client.with_key(key),
            made.expect("a key can be made").id,
        )
    }

    /// Works every due job off.
    pub async fn work(&self) {
        while self.step().await != Step::Idle {}
    }

    /// Works one due job off.
    pub async fn step(&self) -> Step {
        self.worker
            .run_one()
            .await
            .expect("the worker finds its jobs")
    }

    /// A new chatbot of the organization `Ours`.
    pub async fn bot(&self, name: &str) -> Bot {
        let made = self.client.post("/chatbots", json!({"name": name})).await;
        let chatbot = &made.expect(200)["chatbot"];
        Bot::new(self.client.clone(), text(&chatbot["id"]))
    }

    /// How many files the storage holds once those of refused uploads are deleted, which happens
    /// behind the answer: waits until there are `expected`, and fails after ten seconds.
    pub async fn stored_files(&self, expected: usize) {
        let folder = self.place.folder.path().join("blobs");
        let settled = async {
            while count_files(&folder) != expected {
                tokio::task::yield_now().await;
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(10), settled).await;
        let found = count_files(&folder);
        assert!(settled.is_ok(), "{found} files stored, not {expected}");
    }

    /// The application behind a real socket, for stories about connections.
    pub async fn serve(&self) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let router = self.router.clone();
        let server = tokio::spawn(async move {
            // It ends by being aborted; a failed accept shows as a failed test.
            let _ = axum::serve(listener, router).await;
        });
        Served {
            url: format!("http://{address}/api/external"),
            server,
        }
    }
}

/// An application that listens. Stops when dropped.
pub struct Served {
    /// The API's address.
    pub url: String,
    server: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => count_files(&entry.path()),
            _ => 1,
        })
        .sum()
}

/// The text in `value`.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("text expected, not {value}"))
}

/// The list in `value`.
#[track_caller]
pub fn list(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("a list expected, not {value}"))
}

async fn built(config: &Config, clock: &Clock) -> (Arc<Engine>, Router) {
    let engine = build_engine(config, clock.clone()).await;
    let engine = engine.expect("an engine over what the settings name");
    let address = SocketAddr::from(([127, 0, 0, 1], 8080));
    let app = App::new(engine.clone(), config.clone(), address)
        .await
        .expect("an application");
    (engine, routes::router(app))
}
