//! A load generator's HTTP/1.1 client: one kept-alive connection, one request at a time.
//!
//! Client and server share the machine, so whatever the client costs is missing from the server. A general-purpose
//! client costs several times what this does, most of it for features that a loopback call has no use for.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest answer that is read, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    host: SocketAddr,
    /// Sent with every request, each line ending in CR LF.
    headers: String,
    read: Vec<u8>,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects; `key` goes with every request.
    pub async fn open(host: SocketAddr, key: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host,
            headers: format!("host: {host}\r\nx-api-key: {key}\r\n"),
            read: Vec::with_capacity(16 << 10),
        })
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(
        &mut self,
        (method, path): (&str, &str),
        content_type: &str,
        body: &[u8],
    ) -> Result<Answer> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\n{}content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            self.headers,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        let answer = self.answer().await;
        answer.with_context(|| format!("{method} {path} at {}", self.host))
    }

    /// GETs JSON; any status but success fails.
    pub async fn get(&mut self, path: &str) -> Result<Value> {
        self.send(("GET", path), "application/json", b"")
            .await?
            .json()
    }

    /// POSTs JSON and reads JSON; any status but success fails.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        self.send(("POST", path), "application/json", body.as_bytes())
            .await?
            .json()
    }

    async fn answer(&mut self) -> Result<Answer> {
        self.read.clear();
        let head = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(&self.read[..head])?.to_ascii_lowercase();
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.context("no status")?;
        let header = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines.find(|line| line.0 == name).map(|line| line.1.trim())
        };
        let body = if header("transfer-encoding") == Some("chunked") {
            self.chunks(head).await?
        } else {
            let length: usize = header("content-length").unwrap_or("0").parse()?;
            while self.read.len() < head + length {
                self.more().await?;
            }
            self.read[head..head + length].to_vec()
        };
        Ok(Answer { status, body })
    }

    async fn chunks(&mut self, mut at: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(length) = find(&self.read[at..], b"\r\n") {
                    break at..at + length;
                }
                self.more().await?;
            };
            let size = std::str::from_utf8(&self.read[line.clone()])?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or(size), 16)?;
            let start = line.end + 2;
            while self.read.len() < start + size + 2 {
                self.more().await?;
            }
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&self.read[start..start + size]);
            at = start + size + 2;
        }
    }

    async fn more(&mut self) -> Result<()> {
        if self.read.len() > MOST_BYTES {
            bail!("the answer is longer than {MOST_BYTES} bytes");
        }
        match self.stream.read_buf(&mut self.read).await? {
            0 => bail!("the connection was closed within an answer"),
            _ => Ok(()),
        }
    }
}

impl Answer {
    /// The body as JSON, where the status is a success.
    pub fn json(&self) -> Result<Value> {
        self.success()?;
        serde_json::from_slice(&self.body).context("the answer is no JSON")
    }

    /// The body as text, where the status is a success.
    pub fn text(&self) -> Result<&str> {
        self.success()?;
        Ok(std::str::from_utf8(&self.body)?)
    }

    fn success(&self) -> Result<()> {
        if (200..300).contains(&self.status) {
            return Ok(());
        }
        let shown: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(300)
            .collect();
        bail!("status {}: {shown}", self.status)
    }
}

/// One file as a multipart form; gives the content type and the body.
pub fn form(files: &[(String, Vec<u8>)]) -> (String, Vec<u8>) {
    let boundary = "okra-bench-b47c1e0f5d";
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn check(raw: &[&str], expected: (u16, &str)) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap();
        let pieces: Vec<String> = raw.iter().map(|piece| (*piece).to_owned()).collect();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            // Twice, to see that nothing of an answer is left over for the next.
            for _ in 0..2 {
                assert!(socket.read(&mut request).await.unwrap() > 0);
                for piece in &pieces {
                    socket.write_all(piece.as_bytes()).await.unwrap();
                    socket.flush().await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut connection = Connection::open(host, "key").await.unwrap();
        for _ in 0..2 {
            let answer = connection.send(("GET", "/"), "text/plain", b"").await;
            let answer = answer.unwrap();
            let body = String::from_utf8(answer.body).unwrap();
            assert_eq!((answer.status, body.as_str()), expected, "{raw:?}");
        }
        server.await.unwrap();
    }

    #[tokio::test]
    async fn answers_are_read_whole_however_they_are_cut() {
        check(
            &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "he", "llo"],
            (200, "hello"),
        )
        .await;
        check(&["HTTP/1.1 404 Not Found\r\n", "\r\n"], (404, "")).await;
        check(
            &[
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r",
                "\n2;x=y\r\nlo\r\n0\r\n",
                "\r\n",
            ],
            (200, "hello"),
        )
        .await;
    }
}
