//! A mail server of the local kind: it takes letters without TLS and keeps them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The one login it knows, `kim@example.com` with the password `pass word`, as `AUTH PLAIN` says it.
const LOGIN: &str = "AUTH PLAIN AGtpbUBleGFtcGxlLmNvbQBwYXNzIHdvcmQ=";

/// The server. It stops when dropped.
pub struct MockMailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    refuses: AtomicBool,
    puts_off: AtomicBool,
    denies: AtomicBool,
    commands: Mutex<Vec<String>>,
    letters: Mutex<Vec<String>>,
}

impl MockMailServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let kept = shared.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away in the middle shows as a failed test where it matters.
                let _ = converse(stream, &kept).await;
            }
        });
        Self {
            address,
            shared,
            server,
        }
    }

    /// Its URL with the login that it knows.
    pub fn url(&self) -> String {
        format!("smtp://kim%40example.com:pass%20word@{}", self.address)
    }

    /// From now on it takes no recipient.
    pub fn refuse(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
    }

    /// Whether from now on it takes recipients only later.
    pub fn put_off(&self, on: bool) {
        self.shared.puts_off.store(on, Ordering::SeqCst);
    }

    /// Whether from now on it takes letters and does not say so, as one that dies in between.
    pub fn deny(&self, on: bool) {
        self.shared.denies.store(on, Ordering::SeqCst);
    }

    /// The commands of all clients so far.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.shared.commands).clone()
    }

    /// The letters taken so far, each with its headers.
    pub fn letters(&self) -> Vec<String> {
        lock(&self.shared.letters).clone()
    }
}

impl Drop for MockMailServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn converse(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await?;
    let mut letter: Option<String> = None;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let text = line.trim_end_matches(['\r', '\n']);
        let answer = match &mut letter {
            Some(_) if text == "." => {
                lock(&shared.letters).extend(letter.take());
                match shared.denies.load(Ordering::SeqCst) {
                    true => "451 died",
                    false => "250 taken",
                }
            }
            Some(letter) => {
                letter.push_str(&line);
                ""
            }
            None => {
                lock(&shared.commands).push(text.to_owned());
                if text == "DATA" {
                    letter = Some(String::new());
                }
                answer(text, shared)
            }
        };
        if !answer.is_empty() {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        line.clear();
    }
    Ok(())
}

fn answer(command: &str, shared: &Shared) -> &'static str {
    match command.split_whitespace().next().unwrap_or_default() {
        "EHLO" => "250-mail.example.com\r\n250 AUTH PLAIN",
        "AUTH" if command == LOGIN => "235 signed in",
        "AUTH" => "535 no such login",
        "RCPT" if shared.refuses.load(Ordering::SeqCst) => "550 nobody here",
        "RCPT" if shared.puts_off.load(Ordering::SeqCst) => "451 later",
        "MAIL" | "RCPT" | "NOOP" => "250 fine",
        "DATA" => "354 go on",
        "QUIT" => "221 bye",
        _ => "502 unknown",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
