//! The process that reads one document: the program itself, started with [`ARGUMENT`]. It limits
//! itself before it looks at a byte, and ends when its standard input does, since the server that
//! held it is then gone.

use std::io::{BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use super::wire::{self, Request};

/// The argument by which the program knows that it is to read a document. Not for people.
pub const ARGUMENT: &str = "read-document";

/// Variables of the server's environment that a reading process sees; none of them is a secret.
const PASSED_ON: &[&str] = &["PATH", "LANG", "TZ", "TMPDIR", "TESSDATA_PREFIX"];

/// The environment of a reading process.
pub(super) fn environment() -> impl Iterator<Item = (String, std::ffi::OsString)> {
    let passed = PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?)));
    // The allocator sets a gigabyte of addresses aside at its start, which the limit would count.
    let arena = ("MIMALLOC_ARENA_RESERVE".to_owned(), "65536".into());
    passed.chain(std::iter::once(arena))
}

/// Reads the document on standard input and answers on standard output.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("okra: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> std::io::Result<()> {
    let mut input = BufReader::new(std::io::stdin());
    let request = Request::receive(&mut input)?;
    limit(&request)?;
    let mut bytes = Vec::with_capacity(request.size);
    (&mut input)
        .take(request.size as u64)
        .read_to_end(&mut bytes)?;
    if bytes.len() < request.size {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    end_with_the_server(input)?;
    let ocr = super::ocr::reader(&request.ocr_languages);
    let limits = super::limits(request.time);
    let outcome = request.content.read(&bytes, &limits, &ocr);
    let outcome = outcome.map_err(|error| super::reason(&error, request.time));
    let mut out = BufWriter::new(std::io::stdout().lock());
    wire::write_answer(&outcome, &mut out)?;
    out.flush()?;
    // Giving large trees back piece by piece would take longer than the answer.
    std::process::exit(0)
}

/// Ends this process, and what it started, when standard input ends.
fn end_with_the_server(mut input: impl Read + Send + 'static) -> std::io::Result<()> {
    let wait = move || {
        // An error means the same as the end: nobody is there.
        let mut more = [0; 64];
        while input.read(&mut more).is_ok_and(|length| length > 0) {}
        end_group();
    };
    std::thread::Builder::new()
        .name("server-watch".to_owned())
        .spawn(wait)?;
    Ok(())
}

#[cfg(unix)]
fn end_group() {
    use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};
    // Started by hand, the group is the shell's.
    if getpgrp() != getpid() || kill_current_process_group(Signal::KILL).is_err() {
        std::process::exit(1);
    }
}

#[cfg(not(unix))]
fn end_group() {
    std::process::exit(1);
}

/// Takes memory, processor time, files and core dumps from this process and whatever it starts.
#[cfg(unix)]
fn limit(request: &Request) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let seconds = request.time.as_secs().max(1);
    // What the program itself takes, most of it addresses without memory, is none of the document's.
    let memory = request.memory_bytes.saturating_add(own_addresses());
    let limits = [
        (Resource::As, memory, memory),
        // The first makes a signal that tells the reason, the second kills who ignores it.
        (Resource::Cpu, seconds + 1, seconds + 3),
        (Resource::Fsize, 0, 0),
        (Resource::Core, 0, 0),
        (Resource::Nofile, 64, 64),
    ];
    for (resource, current, maximum) in limits {
        // Whoever runs the server may have set narrower limits, which can't be widened.
        let widest = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Rlimit {
            current: Some(current.min(widest)),
            maximum: Some(maximum.min(widest)),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

/// Bytes of addresses that this process has so far, as Linux counts them; 0 where it isn't told.
#[cfg(unix)]
fn own_addresses() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes =
        size.and_then(|size| size.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Other systems bound the time alone.
#[cfg(not(unix))]
fn limit(_: &Request) -> std::io::Result<()> {
    Ok(())
}
