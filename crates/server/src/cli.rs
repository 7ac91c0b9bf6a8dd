//! The command line. Results go to standard output, everything else to standard error.

mod archive;
mod ask;
mod chatbots;
mod eval;
mod ingest;
mod keys;
mod models;
mod people;
mod qna;
mod serve;
mod sources;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use okra_domain::models::NamedProvider;
use okra_domain::{Clock, Secret};
use okra_engine::mail::Mailer;
use okra_engine::{Engine, reading};

use crate::app::{Spec, build_engine};
use crate::config::{Config, DEFAULTS, Embedding, Flags};
use crate::telemetry;

/// Chatbots that answer from your documents: one binary, one data folder.
#[derive(Parser)]
#[command(
    name = "okra",
    version,
    after_help = "Settings come from okra.default.toml (built in; `okra check-config --defaults` \
                  prints it), then --config FILE, then the environment, then flags.\n\n\
                  First steps:\n  okra serve\n  okra keys create --organization \"My shop\"\n  \
                  okra ingest my-bot handbook.pdf\n  okra ask my-bot \"How long may I return it?\""
)]
struct Cli {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct SettingFlags {
    /// Settings file (TOML); see `okra check-config --defaults` for what it may hold
    #[arg(long, global = true, value_name = "FILE", env = "OKRA_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the database and the files [default: ./okra-data]
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server
    Serve {
        /// Address and port [default: 127.0.0.1:8080]; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Invite people, list them, and let them choose a new password
    #[command(subcommand)]
    People(people::Command),
    /// List and get sentence transformers, which turn texts into vectors
    #[command(subcommand)]
    Models(models::Command),
    /// Look at chatbots
    #[command(subcommand)]
    Chatbots(chatbots::Command),
    /// Have whole sites, feeds and folders read, and kept fresh
    #[command(subcommand)]
    Sources(sources::Command),
    /// Add files or folders to a chatbot's knowledge, and wait until they are read
    Ingest {
        /// The chatbot's id or slug
        chatbot: String,
        /// Files, or folders whose readable files are taken
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Ask a chatbot; the answer is streamed, its sources follow on standard error
    Ask {
        /// The chatbot's id or slug
        chatbot: String,
        /// What to ask
        question: String,
    },
    /// Try a file of questions on a chatbot's knowledge, and keep the run
    #[command(
        after_help = "Exits with 0 where all is as asked for, 3 where a score is below a --min, \
                            2 where the arguments or the file cannot be used, 1 where something else \
                            fails. Progress and problems go to standard error."
    )]
    Eval(eval::Eval),
    /// Write a chatbot into one file: settings, knowledge with its files, evals; never keys
    Export {
        /// The chatbot's id or slug
        chatbot: String,
        /// The file to write, such as shop.zip; docs/archive.md describes it
        file: PathBuf,
        /// Leave out what was read of the knowledge: smaller, and read anew where it is imported
        #[arg(long)]
        without_chunks: bool,
    },
    /// Make a chatbot of a file that `okra export` wrote; prints its id and slug
    Import {
        /// The file
        file: PathBuf,
        /// The organization that gets it, made where there is none
        #[arg(long, value_name = "NAME")]
        organization: String,
        /// What to call it [default: its name in the file]
        #[arg(long)]
        name: Option<String>,
    },
    /// Take question–answer pairs from a CSV file, or print them as one
    #[command(subcommand)]
    Qna(qna::Command),
    /// Print the API's description (OpenAPI 3.1, JSON)
    Openapi,
    /// Check the settings, and whether database, storage and mail server can be reached
    CheckConfig {
        /// Print the settings with their defaults and meaning instead
        #[arg(long)]
        defaults: bool,
    },
}

/// Runs the command line.
pub fn main() -> ExitCode {
    // Before anything else: a process that only reads one document needs neither a command line nor
    // a runtime, and there is one for each document.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == reading::worker::ARGUMENT)
    {
        return reading::worker::main();
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("okra: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    match &cli.command {
        Command::Openapi => return print(&Spec::render()?.json),
        Command::CheckConfig { defaults: true } => return print(DEFAULTS),
        _ => {}
    }
    let flags = Flags {
        file: cli.settings.config,
        data_dir: cli.settings.data_dir,
        listen: match &cli.command {
            Command::Serve { listen } => listen.clone(),
            _ => None,
        },
    };
    let mut config = Config::load(&flags, |name| std::env::var(name).ok())?;
    config.reading.program = Some(reading::this_program()?);
    config.aws_variables = aws_variables();
    match cli.command {
        Command::Serve { .. } => {
            telemetry::start_logs(&config.log, config.log_json)?;
            serve::run(config).await?;
        }
        Command::Models(command) => {
            telemetry::start_logs("warn", config.log_json)?;
            return models::run(&config, command).await;
        }
        command => {
            telemetry::start_logs("warn", config.log_json)?;
            let engine = build_engine(&config, Clock::system()).await?;
            let code = one_shot(&engine, &config, command).await;
            engine.shut_down(config.shutdown).await;
            engine.store().close().await;
            return code;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The commands that do one thing and end.
async fn one_shot(engine: &Arc<Engine>, config: &Config, command: Command) -> Result<ExitCode> {
    match command {
        Command::Keys(command) => keys::run(engine.store(), config, command).await,
        Command::People(command) => people::run(engine.store(), config, command).await,
        Command::Chatbots(command) => chatbots::run(engine.store(), command).await,
        Command::Sources(command) => sources::run(engine, command).await,
        Command::Ingest { chatbot, paths } => ingest::run(engine, config, &chatbot, paths).await,
        Command::Ask { chatbot, question } => ask::run(engine, &chatbot, question).await,
        Command::Export {
            chatbot,
            file,
            without_chunks,
        } => archive::export(engine, &chatbot, &file, !without_chunks).await,
        Command::Import {
            file,
            organization,
            name,
        } => archive::import(engine, config, file, &organization, name).await,
        Command::Qna(command) => qna::run(engine, command).await,
        Command::Eval(eval) => eval::run(engine, eval).await,
        Command::CheckConfig { .. } => check(engine, config).await,
        Command::Serve { .. } | Command::Models(_) | Command::Openapi => Ok(ExitCode::SUCCESS),
    }
}

async fn check(engine: &Engine, config: &Config) -> Result<ExitCode> {
    // Other commands than `serve` log warnings only, whatever the setting says.
    telemetry::parse_filter(&config.log)?;
    engine.store().check_database().await?;
    engine.store().blobs().check().await?;
    let at = |it: &NamedProvider| format!("{} at {}", it.name, it.endpoint.base_url);
    let providers: Vec<String> = config.providers.iter().map(at).collect();
    let provider = match providers.is_empty() {
        true => format!("none; {:?} answers", config.fallback).to_lowercase(),
        false => providers.join(", "),
    };
    let embedder = match &config.embedding {
        Embedding::Static => "built in".to_owned(),
        Embedding::Transformer(model) => format!("{model} in {}", config.models_dir.display()),
        Embedding::Endpoint(endpoint) => format!("{} at {}", endpoint.model, endpoint.base_url),
    };
    let mail = match &config.smtp {
        Some(smtp) => {
            Mailer::new(smtp)?.check().await?;
            format!("{}, reachable", smtp.host)
        }
        None => "none; links are shown to copy".to_owned(),
    };
    let pictures = match reading::ocr_languages(&config.reading.ocr_languages) {
        Ok(languages) => format!("tesseract reads {}", languages.join(", ")),
        Err(_) => "none; text in pictures is not read without tesseract".to_owned(),
    };
    let (database, _) = config.database_url.split_once(':').unwrap_or_default();
    let (storage, _) = config.storage_url.split_once(':').unwrap_or_default();
    print(&format!(
        "listen     {}\ndata       {}\ndatabase   {database}, reachable\n\
         storage    {storage}, reachable\nprovider   {provider}\nembedder   {embedder}\n\
         mail       {mail}\npictures   {pictures}\n\
         The settings are valid.\n",
        config.listen,
        config.data_dir.display(),
    ))
}

/// Writes to standard output. A reader that has gone (`| head`) is no failure.
#[allow(clippy::print_stdout)] // The one place that may.
fn print(text: &str) -> Result<ExitCode> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// What reaches buckets. Names and values that are no Unicode are none of AWS's.
fn aws_variables() -> Vec<(String, Secret)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("AWS_"))
        .map(|(name, value)| (name, Secret::new(value)))
        .collect()
}
