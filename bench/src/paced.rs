//! A model provider that writes at a pace, in a process of its own: this program again.
//!
//! Each of its tokens says when it was sent and how long the provider had taken until then, so that whoever reads it
//! knows how late it is. It speaks just as much HTTP as that takes.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// The argument that makes this program the provider; a [`Pace`] follows in three numbers.
pub const ARGUMENT: &str = "serve-paced-provider";

/// How it writes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before the first token.
    pub first: Duration,
    /// Between two.
    pub interval: Duration,
    /// Tokens of an answer.
    pub tokens: u64,
}

/// A running provider. Ends when dropped.
pub struct Paced {
    _process: Child,
    /// Its address, ending in `/v1`.
    pub base_url: String,
}

impl Paced {
    /// Starts it.
    pub async fn start(pace: Pace) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .arg(pace.first.as_millis().to_string())
            .arg(pace.interval.as_millis().to_string())
            .arg(pace.tokens.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("no standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        Ok(Self {
            base_url: line.context("the paced provider ended")?,
            _process: process,
        })
    }
}

/// Bytes that are left of a text without a stamp.
const KEPT: usize = 16;

/// What a token says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When it was sent, in microseconds since 1970.
    pub sent: u64,
    /// Microseconds that the provider had taken until then.
    pub taken: u64,
}

impl Stamp {
    /// The stamps in a text, which is left with what may be the beginning of another.
    pub fn take_all(text: &mut Vec<u8>) -> Vec<Self> {
        let mut stamps = Vec::new();
        let mut done = 0;
        while let Some(start) = text[done..].iter().position(|byte| *byte == b'@') {
            let start = done + start;
            let Some(end) = text[start..].iter().position(|byte| *byte == b';') else {
                done = start;
                break;
            };
            let inner = std::str::from_utf8(&text[start + 1..start + end]).unwrap_or_default();
            if let Some((sent, taken)) = inner.split_once('+')
                && let (Ok(sent), Ok(taken)) = (sent.parse(), taken.parse())
            {
                stamps.push(Self { sent, taken });
            }
            done = start + end + 1;
        }
        // Of what is no stamp, the last bytes may be the beginning of an event's name.
        if !text[done..].contains(&b'@') {
            done = done.max(text.len().saturating_sub(KEPT));
        }
        text.drain(..done);
        stamps
    }
}

/// Microseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

/// Serves until standard input ends, which it does when the parent does.
pub async fn serve(pace: &[String]) -> Result<()> {
    let number = |at: usize| -> Result<u64> { Ok(pace.get(at).context("no pace")?.parse()?) };
    let pace = Pace {
        first: Duration::from_millis(number(0)?),
        interval: Duration::from_millis(number(1)?),
        tokens: number(2)?,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/v1", listener.local_addr()?);
    let answering = async {
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                // Whoever hangs up in the middle has read enough.
                let _ = answer(stream, pace).await;
            });
        }
    };
    let end_of_input = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::select! {
        failed = answering => failed,
        ended = tokio::task::spawn_blocking(end_of_input) => Ok(ended.map(|_| ())?),
    }
}

async fn answer(mut stream: TcpStream, pace: Pace) -> Result<()> {
    stream.set_nodelay(true)?;
    read_request(&mut stream).await?;
    let begun = Instant::now();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    tokio::time::sleep(pace.first).await;
    for token in 0..pace.tokens {
        if token > 0 && !pace.interval.is_zero() {
            tokio::time::sleep(pace.interval).await;
        }
        let stamp = format!("@{}+{};", now(), begun.elapsed().as_micros());
        let delta = format!(
            "{{\"index\":0,\"delta\":{{\"content\":\"{stamp} \"}},\"finish_reason\":null}}"
        );
        send(&mut stream, &delta, "null").await?;
    }
    let end = "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}";
    let usage = "{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}";
    send(&mut stream, end, usage).await?;
    stream.write_all(b"data: [DONE]\n\n").await?;
    stream.shutdown().await?;
    Ok(())
}

async fn send(stream: &mut TcpStream, choice: &str, usage: &str) -> Result<()> {
    let event = format!(
        "data: {{\"id\":\"paced\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"mock-chat\",\
         \"choices\":[{choice}],\"usage\":{usage}}}\n\n"
    );
    Ok(stream.write_all(event.as_bytes()).await?)
}

async fn read_request(stream: &mut TcpStream) -> Result<()> {
    let mut read = Vec::with_capacity(8 << 10);
    loop {
        stream.read_buf(&mut read).await?;
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some(head) = text.find("\r\n\r\n") {
            let mut lines = text[..head].lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.context("no content-length")?.trim().parse()?;
            let left = (head + 4 + length).saturating_sub(read.len());
            tokio::io::copy(&mut stream.take(left as u64), &mut tokio::io::sink()).await?;
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_across_the_pieces_of_a_stream() {
        let mut text = b"event: delta\ndata: {\"content\":\"@12+3; \"}\n\n@4+5; @6".to_vec();
        let stamp = |sent, taken| Stamp { sent, taken };
        assert_eq!(Stamp::take_all(&mut text), [stamp(12, 3), stamp(4, 5)]);
        assert_eq!(text, b"@6");
        text.extend_from_slice(b"+7; and no more");
        assert_eq!(Stamp::take_all(&mut text), [stamp(6, 7)]);
        assert!(Stamp::take_all(&mut text).is_empty());
        assert!(text.len() <= KEPT, "{text:?}");
    }
}
