//! `okra serve`: the server's life, from the first line to the last running answer.

use anyhow::{Context, Result};
use okra_domain::Clock;
use okra_engine::worker::Worker;
use okra_store::Store;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::{App, build_engine, reachable};
use crate::config::Config;
use crate::{accounts, connections, random, routes};

/// The organization that the first start makes.
const FIRST_ORGANIZATION: &str = "Default";

/// Serves until SIGINT or SIGTERM. Then no new request is taken, running answers are finished,
/// and jobs are given back for the next start.
pub async fn run(config: Config) -> Result<()> {
    let engine = build_engine(&config, Clock::system()).await?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; choose another address with --listen or OKRA_LISTEN",
            config.listen
        )
    })?;
    let address = listener.local_addr()?;
    // Listened for before anyone is told that the server runs: a stop that comes earlier than the
    // listening would end the process on the spot.
    let stop = StopSignal::listen()?;
    let first_key = first_key(engine.store(), &config).await?;
    let (workers, patience) = (config.workers, config.shutdown);
    let app = App::new(engine.clone(), config, address).await?;
    // Before anyone comes back to see what became of their question.
    engine.end_interrupted_turns().await?;
    let set_up_link = accounts::set_up_link(engine.store(), app.config.base_url()).await?;
    greet(&app, first_key.as_deref(), set_up_link.as_deref());

    let chatbots = engine.follow_server_embedder().await?;
    if chatbots > 0 {
        tracing::info!(
            chatbots,
            "embedder changed: making new vectors in the background"
        );
    }
    Worker::spawn(&engine, workers);
    let warmed = engine.clone();
    tokio::spawn(async move { warmed.warm_up().await });

    let stopping = CancellationToken::new();
    let router = routes::router(app);
    let serving = connections::serve(listener, router, connections::HEAD_TIME, stopping.clone());
    let mut server = tokio::spawn(serving);
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        signal = stop.received() => tracing::info!(signal, "stopping"),
    }
    stopping.cancel();
    // Streams end when their turns do; whoever keeps a connection open beyond that is cut off.
    let turns = engine.shut_down(patience);
    let (served, ()) = tokio::join!(tokio::time::timeout(patience, &mut server), turns);
    if served.is_err() {
        server.abort();
    }
    engine.store().close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Makes the first organization's key on an empty database; gives it where it is to be printed.
async fn first_key(store: &Store, config: &Config) -> Result<Option<String>> {
    if !store.organizations().await?.is_empty() {
        return Ok(None);
    }
    match &config.bootstrap_api_key {
        Some(key) => {
            store.create_key(FIRST_ORGANIZATION, key).await?;
            Ok(None)
        }
        None => {
            let key = random::api_key()?;
            store.create_key(FIRST_ORGANIZATION, &key).await?;
            Ok(Some(key.expose().to_owned()))
        }
    }
}

fn greet(app: &App, first_key: Option<&str>, set_up_link: Option<&str>) {
    let url = app.config.public_url.as_deref().unwrap_or_default();
    let config = &app.config;
    let mut text = format!("Okra listens on {url}\n  reference  {url}/docs\n");
    if config.providers.is_empty() {
        text.push_str(
            "  answers    from passages, word for word (no model provider is configured)\n",
        );
    }
    if let Some(link) = set_up_link {
        text.push_str(&format!(
            "\nNobody has an account yet. This link makes the first one, the owner's; it works \
             once,\nfor 7 days, until the next start:\n\n  {link}\n"
        ));
    }
    if let Some(key) = first_key {
        text.push_str(&format!(
            "\nThis is the first start. Your API key, shown this once:\n\n  {key}\n\n\
             Try it:\n\n  curl -s {url}/api/external/chatbots -H 'x-api-key: {key}' \\\n    \
             -H 'content-type: application/json' -d '{{\"name\": \"My first bot\"}}'\n"
        ));
    }
    // The URL is the outside's; where that is another, say where the server itself is.
    let local = format!("http://{}", reachable(config.listen));
    if config.listen.port() != 0 && local != url {
        text.push_str(&format!("  (on this machine: {local})\n"));
    }
    if let Err(error) = super::print(&text) {
        tracing::warn!(%error, "the greeting could not be printed");
    }
}

/// What an operator or a service manager stops the server with.
struct StopSignal {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    interrupt: Signal,
}

#[cfg(unix)]
impl StopSignal {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
impl StopSignal {
    fn listen() -> Result<Self> {
        Ok(Self {})
    }

    async fn received(self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(error) => {
                tracing::warn!(%error, "Ctrl-C cannot be listened for; end the process instead");
                std::future::pending().await
            }
        }
    }
}
