//! A website on a loopback port of its own, for whatever fetches pages: a test puts pages on it,
//! among them redirects, endless bodies and bodies that never come. A page with an `ETag` or a
//! `Last-Modified` is not sent to whoever has it already.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait_until;

/// A website. Goes offline when dropped.
pub struct MockSite {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// What is served under one path.
#[derive(Debug, Clone)]
pub struct Page {
    status: u16,
    headers: Vec<(String, String)>,
    body: PageBody,
}

#[derive(Debug, Clone)]
enum PageBody {
    Whole(Bytes),
    Endless(Bytes),
    ThenNothing(Bytes),
    ThenCut(Bytes),
    Held(Bytes),
}

/// Makes the pages that were not put.
type Others = Box<dyn Fn(&str) -> Option<Page> + Send>;

struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    others: Mutex<Option<Others>>,
    requests: Mutex<Vec<(String, HeaderMap)>>,
    calls: Mutex<Vec<SentTo>>,
    called: watch::Sender<usize>,
    released: watch::Sender<usize>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            pages: Mutex::default(),
            others: Mutex::default(),
            requests: Mutex::default(),
            calls: Mutex::default(),
            called: watch::Sender::new(0),
            released: watch::Sender::new(0),
        }
    }
}

/// A request as it came, whole.
#[derive(Debug, Clone)]
pub struct SentTo {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl MockSite {
    /// Goes online on a free port of 127.0.0.1, without pages.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(serve).with_state(shared.clone());
        let server = tokio::spawn(async move {
            // It ends by being aborted; a failed accept shows as a failed test.
            let _ = axum::serve(listener, router).await;
        });
        Self {
            address,
            shared,
            server,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the page at `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Puts a page at `path`; all others are 404.
    pub fn put(&self, path: &str, page: Page) {
        lock(&self.shared.pages).insert(path.to_owned(), page);
    }

    /// Takes the page at `path` away: it is 404 from now on.
    pub fn remove(&self, path: &str) {
        lock(&self.shared.pages).remove(path);
    }

    /// Serves what `make` makes of a path where no page was put; `None` is 404.
    pub fn put_others(&self, make: impl Fn(&str) -> Option<Page> + Send + 'static) {
        *lock(&self.shared.others) = Some(Box::new(make));
    }

    /// Forgets what was asked for so far.
    pub fn forget_requests(&self) {
        lock(&self.shared.requests).clear();
    }

    /// How often this path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        let requests = lock(&self.shared.requests);
        requests.iter().filter(|(asked, _)| asked == path).count()
    }

    /// What came so far, whole.
    pub fn calls(&self) -> Vec<SentTo> {
        lock(&self.shared.calls).clone()
    }

    /// Waits until `count` requests have come in all.
    pub async fn wait_for_calls(&self, count: usize) {
        wait_until(&self.shared.called, count).await;
    }

    /// Sends the pages that are held now.
    pub fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }

    /// The paths asked for so far, with the headers sent.
    pub fn requests(&self) -> Vec<(String, HeaderMap)> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for MockSite {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Page {
    /// An HTML page.
    pub fn html(body: impl Into<Bytes>) -> Self {
        Self::of("text/html; charset=utf-8", PageBody::Whole(body.into()))
    }

    /// `body` under a content type.
    pub fn typed(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::of(content_type, PageBody::Whole(body.into()))
    }

    /// An HTML page that repeats `piece` for ever.
    pub fn endless(piece: impl Into<Bytes>) -> Self {
        Self::of("text/html", PageBody::Endless(piece.into()))
    }

    /// An HTML page that stays open after `beginning`.
    pub fn then_nothing(beginning: impl Into<Bytes>) -> Self {
        Self::of("text/html", PageBody::ThenNothing(beginning.into()))
    }

    /// An HTML page whose connection is cut after `beginning`.
    pub fn then_cut(beginning: impl Into<Bytes>) -> Self {
        Self::of("text/html", PageBody::ThenCut(beginning.into()))
    }

    /// A text that comes when the site is told to release it.
    pub fn held(body: impl Into<Bytes>) -> Self {
        Self::of("text/plain", PageBody::Held(body.into()))
    }

    /// A redirect to `target`, which may be relative.
    pub fn redirect(status: u16, target: &str) -> Self {
        Self::html("")
            .with_status(status)
            .with_header("location", target)
    }

    /// The same with another status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same with a header.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether the sender of these headers has this very page (RFC 9110, section 13).
    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let known = |own: &str, theirs: &str| {
            let own = self.headers.iter().find(|(name, _)| name == own);
            let theirs = headers.get(theirs).and_then(|value| value.to_str().ok());
            theirs.zip(own).map(|(theirs, (_, own))| theirs == own)
        };
        known("etag", "if-none-match")
            .or_else(|| known("last-modified", "if-modified-since"))
            .unwrap_or(false)
    }

    fn of(content_type: &str, body: PageBody) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body,
        }
    }

    fn response(self, released: watch::Receiver<usize>) -> Response {
        let mut response = Response::builder()
            .status(StatusCode::from_u16(self.status).expect("a test names a valid status"));
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response
            .body(self.body.into_body(released))
            .expect("a test names valid headers")
    }
}

impl PageBody {
    fn into_body(self, mut released: watch::Receiver<usize>) -> Body {
        let sent = |piece: Bytes| Ok::<_, std::io::Error>(piece);
        match self {
            Self::Whole(body) => Body::from(body),
            Self::Endless(piece) => Body::from_stream(stream::repeat(piece).map(sent)),
            Self::ThenNothing(piece) => {
                let beginning = stream::iter([sent(piece)]);
                Body::from_stream(beginning.chain(stream::pending()))
            }
            Self::Held(piece) => Body::from_stream(stream::once(async move {
                if released.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                sent(piece)
            })),
            Self::ThenCut(piece) => {
                let cut = Err(std::io::Error::other("cut by the test"));
                Body::from_stream(stream::iter([sent(piece), cut]))
            }
        }
    }
}

/// `body` compressed with gzip, as hard as it can be.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(body)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    // From before the call is known of: whoever waits for it may release at once.
    let released = shared.released.subscribe();
    let path = request.uri().to_string();
    let mut page = lock(&shared.pages).get(&path).cloned();
    if page.is_none()
        && let Some(make) = &*lock(&shared.others)
    {
        page = make(&path);
    }
    let headers = request.headers().clone();
    let method = request.method().to_string();
    // Nothing that a test sends is longer.
    let body = axum::body::to_bytes(request.into_body(), 1024 * 1024).await;
    let sent = SentTo {
        method,
        path: path.clone(),
        headers: headers.clone(),
        body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
    };
    lock(&shared.calls).push(sent);
    shared.called.send_modify(|count| *count += 1);
    let page = match page {
        Some(page) if page.is_known_to(&headers) => Page::html("").with_status(304),
        Some(page) => page,
        None => Page::html("nothing here").with_status(404),
    };
    lock(&shared.requests).push((path, headers));
    page.response(released)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
