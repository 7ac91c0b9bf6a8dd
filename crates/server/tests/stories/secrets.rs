//! Keys stay secret: they are in no log line, whatever fails.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use okra_testkit::provider::{MockProvider, Script};
use serde_json::json;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Backend, OUR_KEY, Stage, said};

const OWN_KEY: &str = "sk-of-this-chatbot-0123456789";
const SERVER_KEY: &str = "sk-of-the-server-9876543210";

/// What was logged so far.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn subscriber(log: Log) -> impl Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log)
        .finish()
}

// On one thread, since a subscriber for a test is a thread's.
#[tokio::test]
async fn no_key_is_logged_at_any_level() {
    let log = Log::default();
    // With one subscriber alive, other stories' threads, which have none, decide which places in
    // the code may log at all; with two, all that is alive decides.
    let _other = Dispatch::new(subscriber(Log::default()));
    let _guard = tracing::subscriber::set_default(subscriber(log.clone()));
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let settings = [("OPENAI_BASE_URL", &*url), ("OPENAI_API_KEY", SERVER_KEY)];
    let stage = Stage::on(Backend::Sqlite)
        .await
        .expect("SQLite is always there");
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    for key in [SERVER_KEY, OWN_KEY] {
        let words = format!("Incorrect API key provided: {key}.");
        provider.reply_by_default(Script::error(401, words));
        bot.chat(said("Hello?"))
            .await
            .refused(502, "provider_failed", "");
        bot.stream(said("Hello?")).await.events();
        let own = json!({"openai_api_key": OWN_KEY});
        bot.client.patch(&bot.path(""), own).await.expect(200);
    }
    let wrong = json!({"openai_api_key": format!("{OWN_KEY} ")});
    bot.client
        .patch(&bot.path(""), wrong)
        .await
        .refused(400, "invalid_request", "openai_api_key");
    let half = format!("{{\"openai_api_key\": \"{OWN_KEY}\"");
    bot.client
        .json("PATCH", &bot.path(""), half)
        .await
        .refused(400, "invalid_request", "");
    app.nobody()
        .with_key(&OUR_KEY[1..])
        .get("/chatbots")
        .await
        .refused(401, "unauthorized", "");
    let logged = log.text();
    assert!(
        logged.contains("answered") && logged.contains("provider"),
        "{logged}"
    );
    for secret in [OUR_KEY, &OUR_KEY[1..], "0123456789", "9876543210"] {
        let line = logged.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
