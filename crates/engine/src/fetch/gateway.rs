//! The only way out for a browser that draws pages: a proxy on a loopback port, which connects to what
//! the fetcher would connect to, and to nothing else.
//!
//! Names are looked up here, by the same resolver, and the connection goes to an address that was
//! checked; the browser itself never sees one. What the operator opened beyond the public internet is
//! open to the page that is drawn alone: a public page must not command a browser into an intranet. One
//! gateway serves one page, and what it may take in time, bytes and connections is counted here.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, UPGRADE,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use super::{Fetcher, Guard};

/// Connections of one page at once; more wait.
const AT_ONCE: usize = 32;
/// Connections of one page in all.
const CONNECTIONS: u64 = 500;
/// Bytes that one page may load, all that it is made of together.
const BYTES: u64 = 64 * 1024 * 1024;
/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);
/// Hosts that Chromium asks for its own sake, whatever it is told.
const ERRANDS: [&str; 4] = [
    "accounts.google.com",
    "clients2.google.com",
    "update.googleapis.com",
    "optimizationguide-pa.googleapis.com",
];
/// Headers that are about one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    UPGRADE,
];

type Body = BoxBody<Bytes, hyper::Error>;

/// A proxy that listens until it is dropped, and then ends whatever goes through it.
pub(crate) struct Gateway {
    address: SocketAddr,
    session: Arc<Session>,
    _end: DropGuard,
}

struct Session {
    /// For the page's own host.
    own: Guard,
    /// For all others.
    others: Guard,
    page: Url,
    at_once: Arc<Semaphore>,
    connections: AtomicU64,
    bytes: AtomicU64,
    page_refused: AtomicBool,
    end: CancellationToken,
}

/// Why a request goes nowhere; for the log.
struct Refused(&'static str);

impl Fetcher {
    /// Opens a gateway for a browser that draws `page`.
    pub(crate) async fn gateway(&self, page: &Url) -> io::Result<Gateway> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let session = Arc::new(Session {
            own: self.guard.clone(),
            others: self.guard.public_only(),
            page: page.clone(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            connections: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            page_refused: AtomicBool::new(false),
            end: end.clone(),
        });
        tokio::spawn(
            end.clone()
                .run_until_cancelled_owned(session.clone().listen(listener)),
        );
        Ok(Gateway {
            address,
            session,
            _end: end.drop_guard(),
        })
    }
}

impl Gateway {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the page's own host was refused, so that what was drawn is no page.
    pub(crate) fn page_refused(&self) -> bool {
        self.session.page_refused.load(Ordering::SeqCst)
    }
}

impl Session {
    async fn listen(self: Arc<Self>, listener: TcpListener) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file handles, most likely; the next one may do better.
                    tracing::warn!(%error, "a browser's connection was not taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let serving = self.clone().serve(stream);
            tokio::spawn(self.end.clone().run_until_cancelled_owned(serving));
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(|request| {
            let session = self.clone();
            async move { Ok::<_, Infallible>(session.answer(request).await) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = served.await {
            tracing::debug!(%error, "a browser's connection broke off");
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let target = request.uri().clone();
        let answered = match *request.method() == Method::CONNECT {
            true => self.tunnel(request).await,
            false => self.pass_on(request).await,
        };
        answered.unwrap_or_else(|Refused(reason)| {
            tracing::debug!(host = target.host(), reason, "a browser was refused");
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        })
    }

    /// `CONNECT host:port`: bytes go to and fro, for TLS and web sockets.
    async fn tunnel(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refused> {
        let authority = request.uri().authority().ok_or(Refused("no host"))?;
        let url = Url::parse(&format!("https://{authority}/")).map_err(|_| Refused("no host"))?;
        let mut upstream = self.connect(&url).await?;
        let end = self.end.clone();
        tokio::spawn(end.run_until_cancelled_owned(async move {
            let Ok(browser) = hyper::upgrade::on(request).await else {
                return;
            };
            let mut browser = TokioIo::new(browser);
            if let Err(error) = tokio::io::copy_bidirectional(&mut browser, &mut upstream).await {
                tracing::debug!(%error, "a browser's tunnel broke off");
            }
        }));
        Ok(Response::new(empty()))
    }

    /// `GET http://…`: the request goes to its host, and the answer back.
    async fn pass_on(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Refused> {
        let url = Url::parse(&request.uri().to_string()).map_err(|_| Refused("no address"))?;
        if url.scheme() != "http" {
            return Err(Refused("no address of the web"));
        }
        let upstream = TokioIo::new(self.connect(&url).await?);
        let handshake = hyper::client::conn::http1::handshake(upstream).await;
        let (mut sender, connection) = handshake.map_err(|_| Refused("not reachable"))?;
        tokio::spawn(self.end.clone().run_until_cancelled_owned(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a page's connection broke off");
            }
        }));
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
        for name in &HOP_BY_HOP {
            request.headers_mut().remove(name);
        }
        let answer = sender.send_request(request).await;
        let mut answer = answer.map_err(|_| Refused("no answer"))?;
        for name in &HOP_BY_HOP {
            answer.headers_mut().remove(name);
        }
        Ok(answer.map(BodyExt::boxed))
    }

    /// Connects to a host at one of its addresses that were checked.
    async fn connect(self: &Arc<Self>, url: &Url) -> Result<Metered, Refused> {
        if url.host_str().is_some_and(|host| ERRANDS.contains(&host)) {
            return Err(Refused("an errand of the browser's"));
        }
        let is_own = url.host() == self.page.host()
            && url.port_or_known_default() == self.page.port_or_known_default();
        let guard = if is_own { &self.own } else { &self.others };
        let connected = self.connect_by(guard, url).await;
        if is_own && connected.is_err() {
            self.page_refused.store(true, Ordering::SeqCst);
        }
        connected
    }

    async fn connect_by(self: &Arc<Self>, guard: &Guard, url: &Url) -> Result<Metered, Refused> {
        if self.connections.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            return Err(Refused("too many connections"));
        }
        let permit = self.at_once.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Refused("the page is over"))?;
        let connecting = async {
            let addresses = guard.addresses(url).await;
            let addresses = addresses.map_err(|_| Refused("not to be reached"))?;
            let stream = TcpStream::connect(addresses.as_slice()).await;
            stream.map_err(|_| Refused("not reachable"))
        };
        let stream = tokio::time::timeout(PATIENCE, connecting).await;
        Ok(Metered {
            stream: stream.map_err(|_| Refused("not reachable in time"))??,
            session: self.clone(),
            _permit: permit,
        })
    }
}

fn empty() -> Body {
    Empty::new()
        .map_err(|never: Infallible| match never {})
        .boxed()
}

/// A connection to a host, whose bytes are counted.
struct Metered {
    stream: TcpStream,
    session: Arc<Session>,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        if self.session.bytes.fetch_add(read, Ordering::SeqCst) + read > BYTES {
            return Poll::Ready(Err(io::Error::other("the page loads too much")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
