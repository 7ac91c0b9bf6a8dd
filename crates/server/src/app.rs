//! The composition root: builds store, models, engine and router by hand, top to bottom.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::PrometheusHandle;
use okra_ai::embed::openai::OpenAiEmbedderConfig;
use okra_ai::embed::transformer;
use okra_domain::Clock;
use okra_engine::browser::Browser;
use okra_engine::embedders::{Embedders, Embedding, ServerEmbedding};
use okra_engine::fetch::{FetchPolicy, Fetcher, Gate};
use okra_engine::mail::Mailer;
use okra_engine::providers::Models;
use okra_engine::sources::Places;
use okra_engine::tools::commands::Commands;
use okra_engine::{Engine, Options, Parts};
use okra_store::Store;
use okra_store::buckets::Buckets;

use crate::accounts::Accounts;
use crate::config::{self, Config};
use crate::limits::Limits;
use crate::visitor::Tokens;
use crate::{random, reference, routes, telemetry};

/// What handlers share.
#[derive(Clone)]
pub struct App {
    /// The use cases.
    pub engine: Arc<Engine>,
    /// The configuration.
    pub config: Arc<Config>,
    /// The metrics' renderer.
    pub metrics: PrometheusHandle,
    /// Who visitors are, and how much they may ask.
    pub visitors: Arc<Visitors>,
    /// When this process began to serve.
    pub started: Instant,
    /// How people sign in.
    pub accounts: Arc<Accounts>,
}

/// What the visitor API needs beside the engine.
pub struct Visitors {
    /// Makes and reads visitors' tokens.
    pub(crate) tokens: Tokens,
    /// Counts their requests.
    pub(crate) limits: Limits,
}

impl Visitors {
    async fn new(store: &Store, config: &Config) -> Result<Self> {
        let candidate = random::signing_key()?;
        let secret = store.server_secret("visitor_tokens", candidate).await?;
        Ok(Self {
            tokens: Tokens::new(&secret),
            limits: Limits::new(config.visitor_rates, store.clock()),
        })
    }
}

/// The API's description.
pub struct Spec {
    /// `openapi.json`.
    pub json: String,
    /// The reference page.
    pub page: String,
}

impl Spec {
    /// The description, rendered when it is first asked for: most servers never are, and it takes as much
    /// memory as a small index.
    pub fn get() -> Result<&'static Self> {
        static SPEC: OnceLock<Spec> = OnceLock::new();
        if let Some(spec) = SPEC.get() {
            return Ok(spec);
        }
        let rendered = Self::render()?;
        Ok(SPEC.get_or_init(|| rendered))
    }

    /// Renders both forms.
    pub fn render() -> Result<Self> {
        let value = serde_json::to_value(routes::openapi()).context("the API's description")?;
        Ok(Self {
            json: serde_json::to_string_pretty(&value)? + "\n",
            page: reference::render(&value),
        })
    }
}

/// Builds an engine over what `config` names.
pub async fn build_engine(config: &Config, clock: Clock) -> Result<Arc<Engine>> {
    create_private_folder(&config.data_dir).with_context(|| {
        let folder = config.data_dir.display();
        format!("cannot make the data folder {folder} (OKRA_DATA_DIR)")
    })?;
    let keys = &config.master_keys;
    let commands = Commands::new(config.tool_commands.clone(), clock.clone());
    let commands = commands.map_err(anyhow::Error::msg);
    let commands = commands.context("tool_commands (OKRA_TOOL_COMMANDS)")?;
    let store = Store::open(&config.database_url, &config.storage_url, keys, clock).await?;
    let gate = Gate::new(&config.provider_allow)
        .context("provider_allow (OKRA_PROVIDER_ALLOW) cannot be read")?;
    let fetcher = Fetcher::new(FetchPolicy {
        max_bytes: config.fetch_max_bytes,
        timeout: config.fetch_time,
        allow: config.fetch_allow.clone(),
        ..FetchPolicy::default()
    })?;
    let browser = config.chromium.as_ref();
    let (time, sandbox) = (config.chromium_time, config.chromium_sandbox);
    let memory = config.chromium_memory_bytes;
    let browser = browser.map(|program| Browser::new(program, time, memory, sandbox));
    let browser = browser.transpose().map_err(anyhow::Error::msg);
    let browser = browser.context("chromium (OKRA_CHROMIUM)")?;
    let variables = config.aws_variables.iter();
    let variables = variables.map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let buckets = Buckets::new(config.bucket_allow.clone(), variables.collect())
        .context("bucket_allow (OKRA_BUCKET_ALLOW)")?;
    let folders = config.folder_allow.clone();
    let engine = Engine::new(Parts {
        store,
        places: Places::new(folders, buckets, config.max_upload_bytes),
        embedders: Embedders::new(
            server_embedding(config)?,
            config.models_dir.clone(),
            gate.clone(),
        ),
        models: Models::new(config.providers.clone(), gate.clone())
            .context("a model provider's address cannot be used")?,
        gate,
        fetcher,
        browser,
        commands,
        mailer: config.smtp.as_ref().map(Mailer::new).transpose()?,
        options: Options {
            fallback: config.fallback,
            prompt_tokens: config.max_prompt_tokens,
            answer_tokens: config.max_answer_tokens,
            turn_time: config.turn_time,
            tool_time: config.tool_time,
            query_embedding_time: config.query_embedding_time,
            tool_hosts: config.tool_hosts.clone(),
            index_cache_bytes: config.index_cache_bytes,
            index_folder: Some(config.data_dir.join("indexes")),
            reading: config.reading.clone(),
            abandon_after: config.abandon_after,
            public_url: config.public_url.clone(),
            ..Options::default()
        },
    })?;
    Ok(engine)
}

/// Makes a folder that only this user may look into: it holds conversations and keys. One that is
/// there already keeps the rights that the operator gave it.
fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn server_embedding(config: &Config) -> Result<ServerEmbedding> {
    Ok(match &config.embedding {
        config::Embedding::Static => ServerEmbedding::Ready(Embedding::built_in()),
        config::Embedding::Transformer(model) => {
            let folder = &config.models_dir;
            let models = transformer::models(folder);
            anyhow::ensure!(
                models.contains(model),
                "embedding_model (OKRA_EMBEDDING_MODEL) is {model:?}, but {} holds {}; \
                 `okra models add` gets one",
                folder.display(),
                if models.is_empty() {
                    "no model".to_owned()
                } else {
                    models.join(", ")
                },
            );
            ServerEmbedding::Transformer(model.clone())
        }
        config::Embedding::Endpoint(endpoint) => {
            ServerEmbedding::Ready(Embedding::endpoint(OpenAiEmbedderConfig {
                api_key: endpoint.api_key.clone(),
                ..OpenAiEmbedderConfig::new(&endpoint.base_url, &endpoint.model)
            })?)
        }
    })
}

impl App {
    /// Puts a server together over `engine`. Where no public URL is configured, `address` is it.
    pub async fn new(engine: Arc<Engine>, mut config: Config, address: SocketAddr) -> Result<Self> {
        config
            .public_url
            .get_or_insert_with(|| format!("http://{}", reachable(address)));
        Ok(Self {
            visitors: Arc::new(Visitors::new(engine.store(), &config).await?),
            accounts: Arc::new(Accounts::new(&config, engine.store().clock())),
            engine,
            config: Arc::new(config),
            metrics: telemetry::start_metrics(),
            started: Instant::now(),
        })
    }
}

/// An address that a browser on this machine can open: "every address" means this machine.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}
