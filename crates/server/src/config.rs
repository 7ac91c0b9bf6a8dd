//! Configuration in two levels: [`Written`] is what the operator wrote (defaults file < own file <
//! environment < flags), [`Config`] is what the program needs, checked once, with errors that name
//! the key and the fix.

mod providers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use okra_domain::account::parse_api_key;
use okra_domain::models::NamedProvider;
use okra_domain::provider::OPENAI_URL;
use okra_domain::{ChatbotId, Secret};
use okra_engine::Fallback;
use okra_engine::mail::Smtp;
use okra_engine::reading::Reading;
use okra_engine::tools::commands::CommandLine;
use okra_store::sealing::MasterKeys;
use serde::Deserialize;
use toml::{Table, Value};
use url::Url;

use crate::limits::Rates;

/// The defaults, which are the manual too.
pub const DEFAULTS: &str = include_str!("../../../okra.default.toml");

/// Settings whose environment variable is not `OKRA_` and the key in capitals.
const OTHER_VARIABLES: [(&str, &str); 11] = [
    ("openai_base_url", "OPENAI_BASE_URL"),
    ("openai_api_key", "OPENAI_API_KEY"),
    ("azure_openai_endpoint", "AZURE_OPENAI_ENDPOINT"),
    ("azure_openai_api_key", "AZURE_OPENAI_API_KEY"),
    ("azure_openai_api_version", "OPENAI_API_VERSION"),
    ("ollama_base_url", "OLLAMA_BASE_URL"),
    ("anthropic_base_url", "ANTHROPIC_BASE_URL"),
    ("anthropic_api_key", "ANTHROPIC_API_KEY"),
    ("gemini_base_url", "GEMINI_BASE_URL"),
    ("gemini_api_key", "GEMINI_API_KEY"),
    ("models_hub", "HF_ENDPOINT"),
];

/// Every setting as written; the defaults file documents each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    listen: String,
    data_dir: PathBuf,
    database_url: String,
    storage_url: String,
    public_url: String,
    bootstrap_api_key: Secret,
    master_key: Secret,
    openai_base_url: String,
    openai_api_key: Secret,
    azure_openai_endpoint: String,
    azure_openai_api_key: Secret,
    azure_openai_api_version: String,
    ollama_base_url: String,
    anthropic_base_url: String,
    anthropic_api_key: Secret,
    gemini_base_url: String,
    gemini_api_key: Secret,
    llm_fallback: String,
    max_prompt_tokens: usize,
    max_answer_tokens: u32,
    max_turn_seconds: usize,
    max_tool_seconds: usize,
    max_query_embedding_seconds: usize,
    embedder: String,
    embedding_model: String,
    embedding_base_url: String,
    embedding_api_key: Secret,
    models_dir: String,
    models_hub: String,
    index_cache_mb: usize,
    max_upload_mb: u64,
    max_import_mb: u64,
    max_json_kb: usize,
    extract_timeout_seconds: u64,
    extract_memory_mb: u64,
    ocr_languages: Vec<String>,
    workers: usize,
    shutdown_seconds: u64,
    visitor_messages_per_minute: NonZeroU32,
    chatbot_messages_per_minute: NonZeroU32,
    address_requests_per_minute: NonZeroU32,
    address_sessions_per_minute: NonZeroU32,
    address_images_per_minute: NonZeroU32,
    address_sign_ins_per_minute: NonZeroU32,
    smtp_url: Secret,
    smtp_from: String,
    abandon_seconds: u64,
    provider_allow: Vec<String>,
    fetch_allow: Vec<String>,
    tool_hosts: Vec<String>,
    tool_commands: BTreeMap<String, CommandLine>,
    fetch_max_mb: usize,
    fetch_timeout_seconds: u64,
    chromium: String,
    chromium_timeout_seconds: u64,
    chromium_memory_mb: u64,
    chromium_sandbox: bool,
    folder_allow: Vec<PathBuf>,
    bucket_allow: Vec<String>,
    log: String,
    log_format: String,
}

/// What the program needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The data folder.
    pub data_dir: PathBuf,
    /// For `Store::open`.
    pub database_url: String,
    /// For `Store::open`.
    pub storage_url: String,
    /// How the outside reaches this server, without a slash at the end; `None` until the listening
    /// address is known.
    pub public_url: Option<String>,
    /// What the secrets in the database are sealed with.
    pub master_keys: MasterKeys,
    /// The first organization's key, where the operator chose it.
    pub bootstrap_api_key: Option<Secret>,
    /// The model providers that are configured, the default first.
    pub providers: Vec<NamedProvider>,
    /// What answers where none is.
    pub fallback: Fallback,
    /// Tokens of a prompt at most.
    pub max_prompt_tokens: usize,
    /// Tokens of an answer at most.
    pub max_answer_tokens: Option<u32>,
    /// How long a turn may take.
    pub turn_time: Duration,
    /// How long one call of a tool may take.
    pub tool_time: Duration,
    /// How long a question waits for its vector.
    pub query_embedding_time: Duration,
    /// Who embeds for whoever has not chosen.
    pub embedding: Embedding,
    /// The folder of sentence transformers.
    pub models_dir: PathBuf,
    /// Where `okra models add` gets them.
    pub models_hub: String,
    /// Memory for search indexes, in bytes.
    pub index_cache_bytes: usize,
    /// Size of an upload at most, in bytes.
    pub max_upload_bytes: u64,
    /// The largest archive of a chatbot that is imported.
    pub max_import_bytes: u64,
    /// Size of a JSON body at most, in bytes.
    pub max_json_bytes: usize,
    /// How documents are read; the command line says by which program.
    pub reading: Reading,
    /// Documents read at the same time.
    pub workers: usize,
    /// How long a stopping server waits for running answers.
    pub shutdown: Duration,
    /// How much visitors may ask.
    pub visitor_rates: Rates,
    /// How often one address may try to sign in, a minute.
    pub address_sign_ins: NonZeroU32,
    /// What sends links by e-mail, where it is configured.
    pub smtp: Option<Smtp>,
    /// How long a visitor's answer goes on with nobody reading it.
    pub abandon_after: Duration,
    /// Where organizations' own providers may be, though private.
    pub provider_allow: Vec<String>,
    /// What may be fetched, though private.
    pub fetch_allow: Vec<String>,
    /// The hosts that tools may call; all that are reached where empty.
    pub tool_hosts: Vec<String>,
    /// The MCP servers that may be run on this machine, by name.
    pub tool_commands: BTreeMap<String, CommandLine>,
    /// Size of a fetched page at most, in bytes.
    pub fetch_max_bytes: usize,
    /// How long a fetch may take.
    pub fetch_time: Duration,
    /// The Chromium that draws pages, where there is one.
    pub chromium: Option<PathBuf>,
    /// How long it may take for a page.
    pub chromium_time: Duration,
    /// Memory that each of its processes may take, in bytes.
    pub chromium_memory_bytes: u64,
    /// Whether it confines its processes.
    pub chromium_sandbox: bool,
    /// Folders of the server that sources may name.
    pub folder_allow: Vec<PathBuf>,
    /// Buckets that sources may name.
    pub bucket_allow: Vec<String>,
    /// The `AWS_…` variables by which buckets are reached; the command line fills them in.
    pub aws_variables: Vec<(String, Secret)>,
    /// What is logged.
    pub log: String,
    /// Whether logs are JSON.
    pub log_json: bool,
}

/// Who turns texts into vectors.
#[derive(Debug, Clone)]
pub enum Embedding {
    /// The built-in model.
    Static,
    /// A sentence transformer, by its folder's name.
    Transformer(String),
    /// An OpenAI-compatible `/embeddings`.
    Endpoint(EmbeddingEndpoint),
}

/// An OpenAI-compatible `/embeddings`.
#[derive(Debug, Clone)]
pub struct EmbeddingEndpoint {
    /// Its address.
    pub base_url: String,
    /// Its key, where it needs one.
    pub api_key: Option<Secret>,
    /// The model's name.
    pub model: String,
}

/// Settings given as flags.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

impl Config {
    /// Reads every level. `variable` looks an environment variable up.
    pub fn load(flags: &Flags, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut table: Table = DEFAULTS.parse().context("the built-in defaults")?;
        if let Some(file) = &flags.file {
            overlay_file(&mut table, file)?;
        }
        overlay_environment(&mut table, variable)?;
        if let Some(listen) = &flags.listen {
            table.insert("listen".to_owned(), Value::String(listen.clone()));
        }
        if let Some(folder) = &flags.data_dir {
            let folder = folder.to_string_lossy().into_owned();
            table.insert("data_dir".to_owned(), Value::String(folder));
        }
        let written = Written::deserialize(table).map_err(|error| {
            anyhow::anyhow!("a setting has a value of the wrong type or range: {error}")
        })?;
        Self::resolve(written)
    }

    fn resolve(written: Written) -> Result<Self> {
        let listen = written.listen.parse().with_context(|| {
            let value = &written.listen;
            format!("listen (OKRA_LISTEN) must be an address and a port, such as 127.0.0.1:8080, not {value:?}")
        })?;
        let data_dir = std::path::absolute(&written.data_dir)
            .with_context(|| format!("data_dir (OKRA_DATA_DIR) {:?}", written.data_dir))?;
        let database_url = match text(&written.database_url) {
            Some(url) => url,
            None => format!("sqlite:{}", data_dir.join("okra.db").display()),
        };
        let storage_url = match text(&written.storage_url) {
            Some(url) => url,
            None => Url::from_directory_path(data_dir.join("files"))
                .map_err(|()| anyhow::anyhow!("data_dir (OKRA_DATA_DIR) is not a usable path"))?
                .into(),
        };
        let bootstrap = secret(&written.bootstrap_api_key)
            .map(|key| parse_api_key(key.expose()))
            .transpose()
            .context("bootstrap_api_key (OKRA_BOOTSTRAP_API_KEY)")?;
        Ok(Self {
            providers: providers::providers(&written)?,
            embedding: embedding(&written)?,
            models_hub: web_url("models_hub (HF_ENDPOINT)", &written.models_hub)?,
            models_dir: match text(&written.models_dir) {
                Some(folder) => PathBuf::from(folder),
                None => data_dir.join("models"),
            },
            fallback: match written.llm_fallback.as_str() {
                "extractive" => Fallback::Extractive,
                "error" => Fallback::Error,
                other => bail!(
                    "llm_fallback (OKRA_LLM_FALLBACK) must be extractive or error, not {other:?}"
                ),
            },
            log_json: match written.log_format.as_str() {
                "text" => false,
                "json" => true,
                other => bail!("log_format (OKRA_LOG_FORMAT) must be text or json, not {other:?}"),
            },
            public_url: text(&written.public_url)
                .map(|url| web_url("public_url (OKRA_PUBLIC_URL)", &url))
                .transpose()?,
            master_keys: match secret(&written.master_key) {
                Some(keys) => MasterKeys::Given(keys),
                None => MasterKeys::File(data_dir.join("master.key")),
            },
            bootstrap_api_key: bootstrap,
            listen,
            data_dir,
            database_url,
            storage_url,
            max_prompt_tokens: at_least(written.max_prompt_tokens, 500, "max_prompt_tokens")?,
            turn_time: Duration::from_secs(at_least(
                written.max_turn_seconds,
                1,
                "max_turn_seconds",
            )? as u64),
            tool_time: Duration::from_secs(at_least(
                written.max_tool_seconds,
                1,
                "max_tool_seconds",
            )? as u64),
            query_embedding_time: Duration::from_secs(at_least(
                written.max_query_embedding_seconds,
                1,
                "max_query_embedding_seconds",
            )? as u64),
            max_answer_tokens: Some(written.max_answer_tokens).filter(|tokens| *tokens > 0),
            index_cache_bytes: written.index_cache_mb.saturating_mul(1024 * 1024),
            max_upload_bytes: written.max_upload_mb.saturating_mul(1024 * 1024),
            max_import_bytes: written.max_import_mb.saturating_mul(1024 * 1024),
            max_json_bytes: written.max_json_kb.saturating_mul(1024),
            reading: reading(&written)?,
            workers: at_least(written.workers, 1, "workers")?,
            shutdown: Duration::from_secs(written.shutdown_seconds),
            visitor_rates: Rates {
                visitor_messages: written.visitor_messages_per_minute,
                chatbot_messages: written.chatbot_messages_per_minute,
                address_requests: written.address_requests_per_minute,
                address_sessions: written.address_sessions_per_minute,
                address_images: written.address_images_per_minute,
            },
            address_sign_ins: written.address_sign_ins_per_minute,
            smtp: secret(&written.smtp_url)
                .map(|url| Smtp::parse(url.expose(), written.smtp_from.trim()))
                .transpose()?,
            abandon_after: Duration::from_secs(written.abandon_seconds),
            provider_allow: written.provider_allow,
            fetch_allow: written.fetch_allow,
            tool_hosts: written.tool_hosts,
            tool_commands: written.tool_commands,
            fetch_max_bytes: written.fetch_max_mb.saturating_mul(1024 * 1024),
            fetch_time: Duration::from_secs(written.fetch_timeout_seconds),
            chromium: text(&written.chromium).map(PathBuf::from),
            chromium_time: Duration::from_secs(written.chromium_timeout_seconds),
            chromium_memory_bytes: written.chromium_memory_mb.saturating_mul(1024 * 1024),
            chromium_sandbox: written.chromium_sandbox,
            folder_allow: folders(written.folder_allow)?,
            bucket_allow: written.bucket_allow,
            aws_variables: Vec::new(),
            log: written.log,
        })
    }

    /// How the outside reaches this server; empty until the listening address is known.
    pub fn base_url(&self) -> &str {
        self.public_url.as_deref().unwrap_or_default()
    }

    /// Where an avatar can be seen.
    pub fn avatar_url(&self, chatbot: ChatbotId, file: &str) -> String {
        let base = self.public_url.as_deref().unwrap_or_default();
        format!("{base}/files/chatbot/{chatbot}/{file}")
    }

    /// Where an image of a visitor's message can be seen.
    pub fn attachment_url(&self, chatbot: ChatbotId, file: &str) -> String {
        let base = self.public_url.as_deref().unwrap_or_default();
        format!("{base}/files/chatbot/{chatbot}/attachments/{file}")
    }
}

fn overlay_file(table: &mut Table, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the settings file {}", file.display()))?;
    let own: Table = text
        .parse()
        .with_context(|| format!("{} is not valid TOML", file.display()))?;
    for (key, value) in own {
        if !table.contains_key(&key) {
            bail!(
                "{} sets {key:?}, which is no setting; `okra check-config --defaults` lists them",
                file.display()
            );
        }
        table.insert(key, value);
    }
    Ok(())
}

/// Takes every variable that is set; its text is read as the default's type.
fn overlay_environment(table: &mut Table, variable: impl Fn(&str) -> Option<String>) -> Result<()> {
    for (key, value) in table.iter_mut() {
        let name = variable_of(key);
        let Some(text) = variable(&name) else {
            continue;
        };
        *value = match value {
            Value::Integer(_) => text
                .trim()
                .parse()
                .map(Value::Integer)
                .with_context(|| format!("{name} must be a whole number, not {text:?}"))?,
            Value::Boolean(_) => text
                .trim()
                .parse()
                .map(Value::Boolean)
                .with_context(|| format!("{name} must be true or false, not {text:?}"))?,
            Value::Array(_) => {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
            }
            // Without the reader's own words, which would quote what may be a secret.
            Value::Table(_) => match text.trim().parse() {
                Ok(table @ Value::Table(_)) => table,
                _ => bail!(
                    "{name} must be a table of TOML on one line, such as {{ crm = {{ run = [\"/usr/bin/crm-mcp\"] }} }}"
                ),
            },
            _ => Value::String(text),
        };
    }
    Ok(())
}

/// The environment variable of a setting.
pub fn variable_of(key: &str) -> String {
    let other = OTHER_VARIABLES.iter().find(|(other, _)| *other == key);
    match other {
        Some((_, name)) => (*name).to_owned(),
        None => format!("OKRA_{}", key.to_ascii_uppercase()),
    }
}

fn embedding(written: &Written) -> Result<Embedding> {
    let model = text(&written.embedding_model)
        .context("embedding_model (OKRA_EMBEDDING_MODEL) must name a model for this embedder");
    match written.embedder.as_str() {
        "static" => Ok(Embedding::Static),
        "transformer" => Ok(Embedding::Transformer(model?)),
        "openai" => {
            let own = text(&written.embedding_base_url);
            let base_url = own.or_else(|| text(&written.openai_base_url));
            let base_url = base_url.unwrap_or_else(|| OPENAI_URL.to_owned());
            Ok(Embedding::Endpoint(EmbeddingEndpoint {
                base_url: web_url("embedding_base_url (OKRA_EMBEDDING_BASE_URL)", &base_url)?,
                api_key: secret(&written.embedding_api_key)
                    .or_else(|| secret(&written.openai_api_key)),
                model: model?,
            }))
        }
        other => {
            bail!("embedder (OKRA_EMBEDDER) must be static, transformer or openai, not {other:?}")
        }
    }
}

fn reading(written: &Written) -> Result<Reading> {
    let megabytes = written.extract_memory_mb;
    if megabytes < LEAST_READING_MB {
        bail!(
            "extract_memory_mb (OKRA_EXTRACT_MEMORY_MB) must be at least {LEAST_READING_MB}, not \
             {megabytes}"
        );
    }
    Ok(Reading {
        program: None,
        time: Duration::from_secs(written.extract_timeout_seconds),
        memory_bytes: megabytes.saturating_mul(1024 * 1024),
        ocr_languages: written.ocr_languages.clone(),
    })
}

/// Memory that a reading process takes before it has read anything, with some to read in.
const LEAST_READING_MB: u64 = 256;

fn web_url(setting: &str, url: &str) -> Result<String> {
    let parsed = Url::parse(url).with_context(|| format!("{setting} is not a URL: {url:?}"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
        bail!("{setting} must be an http or https URL, not {url:?}");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Folders by their whole paths, without dots, as sources have to name them.
fn folders(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let whole = |path: &PathBuf| {
        let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
        path.is_absolute() && path.components().all(plain)
    };
    match paths.iter().find(|path| !whole(path)) {
        Some(path) => bail!(
            "folder_allow (OKRA_FOLDER_ALLOW) must list whole paths such as /srv/docs, not {path:?}"
        ),
        None => Ok(paths),
    }
}

fn at_least(value: usize, least: usize, key: &str) -> Result<usize> {
    if value < least {
        let name = variable_of(key);
        bail!("{key} ({name}) must be at least {least}, not {value}");
    }
    Ok(value)
}

fn text(value: &str) -> Option<String> {
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn secret(value: &Secret) -> Option<Secret> {
    text(value.expose()).map(Secret::new)
}

#[cfg(test)]
mod tests;
