//! Measures the hot paths and prints a table of figures beside their targets.
//!
//! `cargo xtask bench` builds and runs it, and names the server's binary in `OKRA_BENCH_SERVER`. The server is always
//! that binary in a process of its own, on a free loopback port and with a data folder that is deleted afterwards. A
//! missed target is printed, not failed: how fast a machine is says nothing about whether the code is right. What
//! fails is a measurement that could not be made, or a wrong answer.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod chat;
mod chunks;
mod corpus;
mod http;
mod ingest;
mod mock;
mod paced;
mod pdf;
mod query;
mod retrieval;
mod scale;
mod server;
mod start;
mod streams;
mod table;
mod text;
mod vectors;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

/// Those that take minutes are run where they are named.
const LONG: [&str; 3] = ["streams", "scale", "vectors"];
const NAMES: [&str; 10] = [
    "start",
    "query",
    "chat",
    "streams",
    "ingest",
    "web",
    "retrieval",
    "chunks",
    "scale",
    "vectors",
];

const HELP: &str = "\
Measure the hot paths and print a table.

Usage: cargo xtask bench [name…]      all but streams, scale and vectors where none is named

  start      start to the first answer, resident memory, size of the binary
  query      query-knowledge over HTTP at 10,000 passages; the index alone at 100,000
  chat       what a turn costs beyond the model, and turns a second at 32 connections
  streams    the first token at 32 connections, a takeover, and 10,000 open streams, for which the limit of open files
             (`ulimit -n`) has to be at least 20,500. Some two minutes
  ingest     how long after an upload's answer a file is found; the memory that reading a 1,000-page PDF takes
  web        the console's weight and first paint in Chromium; memory of a thousand visitors' open streams
  retrieval  quality of the ranking on the judged sets in OKRA_RETRIEVAL_SETS
  chunks     how much of an answer reaches the model by size of chunks, on chunk_en there
  scale      a chatbot of 100,000 passages: taking in, memory, first query, queries while another takes in;
             10,000 chatbots in one server. Some two minutes
  vectors    the scan of vectors at 100,000 and 1,000,000, beside FAISS where OKRA_BENCH_PYTHON names a Python
             that has faiss-cpu. Some minutes, and 4 GB of memory
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((first, [])) if first == mock::ARGUMENT => return mock::serve().await,
        Some((first, pace)) if first == paced::ARGUMENT => return paced::serve(pace).await,
        _ => {}
    }
    if let Some(unknown) = arguments.iter().find(|a| !NAMES.contains(&a.as_str())) {
        bail!("there is no benchmark named {unknown:?}; --help lists them");
    }
    let wanted = |name: &str| match arguments {
        [] => !LONG.contains(&name),
        named => named.iter().any(|a| a == name),
    };
    for name in NAMES.into_iter().filter(|name| wanted(name)) {
        println!("\n{name}  ({})", table::load());
        match name {
            "start" => start::run(&binary()?).await?.print(),
            "query" => query::run(&binary()?).await?.print(),
            "chat" => chat::run(&binary()?).await?.print(),
            "streams" => streams::run(&binary()?).await?.print(),
            "ingest" => ingest::run(&binary()?).await?.print(),
            "web" => web::run(&binary()?).await?.print(),
            "chunks" => chunks::run()?,
            "scale" => scale::run(&binary()?).await?.print(),
            "vectors" => tokio::task::spawn_blocking(vectors::run).await??.print(),
            _ => retrieval::run().await?,
        }
    }
    Ok(())
}

/// The server's binary.
fn binary() -> Result<PathBuf> {
    let path = std::env::var_os("OKRA_BENCH_SERVER");
    let path = path.context("OKRA_BENCH_SERVER names no binary; run `cargo xtask bench`")?;
    Ok(path.into())
}
