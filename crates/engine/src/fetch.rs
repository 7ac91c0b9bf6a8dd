//! The one way to a user-given address: fetches a page without letting it reach into the operator's
//! own network.
//!
//! The ingestion of web pages calls it. A request goes out only to addresses that are routable on
//! the public internet: a host name is looked up once, by a resolver that drops every other
//! address, so that what was checked is what is connected to and a name that changes its answer
//! (DNS rebinding) gains nothing. Redirects are followed by hand and each hop is checked anew.
//! Whatever fails is a [`FetchError`] with a sentence a person understands.

mod address;
mod call;
mod error;
mod gateway;
mod guard;
mod post;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use okra_ai::Reach;
use reqwest::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, ClientBuilder, Response};
use url::Url;

use address::Openings;
pub use address::is_public;
pub(crate) use call::{Call, secret_headers};
pub use error::{FetchError, FetchErrorKind};
pub(crate) use gateway::Gateway;
use guard::Guard;
pub(crate) use post::{Post, Posted};

/// The longest address that is followed, in bytes.
const MAX_URL: usize = 8 * 1024;

/// What Okra calls itself to the sites that it reads; robots.txt knows it as `okra`.
pub(crate) const USER_AGENT: &str = concat!("okra/", env!("CARGO_PKG_VERSION"));

/// What a fetch may take, and where it may go beyond the public internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchPolicy {
    /// The longest body, in bytes, counted after decompression.
    pub max_bytes: usize,
    /// The longest a fetch may take, all redirects and the body included.
    pub timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: usize,
    /// What the operator opened although it is not public, such as an intranet: `host`,
    /// `host:port`, an address, or a network as `10.1.0.0/16`.
    pub allow: Vec<String>,
}

/// A page as it was fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where it was found in the end, after redirects.
    pub url: Url,
    /// Its `Content-Type` as sent.
    pub content_type: Option<String>,
    /// Its content, decompressed.
    pub body: Bytes,
    /// Its `ETag` as sent.
    pub etag: Option<String>,
    /// Its `Last-Modified` as sent.
    pub last_modified: Option<String>,
}

/// What is known of a page from the last time, so that one that has not changed is not sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What one request for a page was answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The page.
    Page(Fetched),
    /// It is as it was.
    Unchanged,
    /// It is elsewhere.
    Moved(Url),
}

/// Which addresses something may connect to, beside the public internet.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Openings>);

impl Gate {
    /// A gate with these openings, in the form of [`FetchPolicy::allow`]. Fails with
    /// `Misconfigured` where one of them cannot be read.
    pub fn new(openings: &[String]) -> Result<Self, FetchError> {
        Ok(Self(Arc::new(Openings::parse(openings)?)))
    }

    /// What may be reached for the sake of `url`: anything where its host was opened by name, else
    /// what is public or within an opened network.
    pub fn reach(&self, url: &str) -> Reach {
        let openings = self.0.clone();
        match Url::parse(url) {
            Ok(url) if openings.name(&url) => Reach::Anywhere,
            _ => Reach::Only(Arc::new(move |ip| openings.reachable(ip))),
        }
    }
}

/// Fetches user-given addresses under a [`FetchPolicy`].
#[derive(Debug)]
pub struct Fetcher {
    /// Connects to public addresses and to opened networks.
    guarded: Client,
    /// Connects anywhere: for hosts that the operator opened by name.
    opened: Client,
    guard: Guard,
    policy: FetchPolicy,
}

impl Fetcher {
    /// A fetcher under `policy`. Fails with `Misconfigured` where an entry of `allow` cannot be
    /// read.
    pub fn new(policy: FetchPolicy) -> Result<Self, FetchError> {
        let guard = Guard::new(Arc::new(Openings::parse(&policy.allow)?));
        Self::guarded_by(guard, policy)
    }

    fn guarded_by(guard: Guard, policy: FetchPolicy) -> Result<Self, FetchError> {
        Ok(Self {
            guarded: built(client(&policy).dns_resolver(Arc::new(guard.clone())))?,
            opened: built(client(&policy))?,
            guard,
            policy,
        })
    }

    /// Fetches `url` with GET. Only `http` and `https`, no user name or password in the address.
    pub async fn get(&self, url: &str) -> Result<Fetched, FetchError> {
        tokio::time::timeout(self.policy.timeout, self.follow(url))
            .await
            .unwrap_or_else(|_| Err(FetchError::of(FetchErrorKind::Timeout)))
    }

    /// The longest body, in bytes.
    pub(crate) fn max_bytes(&self) -> usize {
        self.policy.max_bytes
    }

    /// Asks for `url` once, following no redirect: whoever crawls decides about each hop.
    pub async fn ask(&self, url: &Url, known: &Known) -> Result<Answer, FetchError> {
        let asked = async {
            let url = permitted(url.clone())?;
            self.ask_once(url, known).await
        };
        tokio::time::timeout(self.policy.timeout, asked)
            .await
            .unwrap_or_else(|_| Err(FetchError::of(FetchErrorKind::Timeout)))
    }

    async fn follow(&self, url: &str) -> Result<Fetched, FetchError> {
        let mut url = parsed(url)?;
        for _ in 0..=self.policy.max_redirects {
            match self.ask_once(url.clone(), &Known::default()).await? {
                Answer::Page(page) => return Ok(page),
                Answer::Moved(next) => url = next,
                // Nothing was said to be known.
                Answer::Unchanged => return Err(FetchError::of(FetchErrorKind::Status(304))),
            }
        }
        Err(FetchError::of(FetchErrorKind::TooManyRedirects))
    }

    async fn ask_once(&self, url: Url, known: &Known) -> Result<Answer, FetchError> {
        let mut request = self
            .client_for(&url)?
            .get(url.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
        // What was sent to us goes back as it came; what is no header value was none.
        for (name, value) in [
            (IF_NONE_MATCH, &known.etag),
            (IF_MODIFIED_SINCE, &known.last_modified),
        ] {
            if let Some(Ok(value)) = value.as_deref().map(HeaderValue::from_str) {
                request = request.header(name, value);
            }
        }
        let response = request.send().await;
        let response = response.map_err(|error| error::unsent(&url, &error))?;
        if response.status().as_u16() == 304 && *known != Known::default() {
            return Ok(Answer::Unchanged);
        }
        match redirect(&url, &response)? {
            Some(next) => Ok(Answer::Moved(next)),
            None => self.read(url, response).await.map(Answer::Page),
        }
    }

    /// The client that may connect to this address, if any may.
    fn client_for(&self, url: &Url) -> Result<&Client, FetchError> {
        if self.guard.opens(url) {
            return Ok(&self.opened);
        }
        self.guard.check_literal(url)?;
        Ok(&self.guarded)
    }

    async fn read(&self, url: Url, mut response: Response) -> Result<Fetched, FetchError> {
        let status = response.status();
        if !status.is_success() {
            let error = FetchError::of(FetchErrorKind::Status(status.as_u16()));
            return Err(error.not_before(header(&response, RETRY_AFTER)));
        }
        // What could be decompressed has lost this header; what is left could not be.
        if let Some(encoding) = header(&response, CONTENT_ENCODING)
            && !encoding.eq_ignore_ascii_case("identity")
        {
            return Err(error::undecodable(&encoding));
        }
        let too_large = || error::too_large(self.policy.max_bytes);
        let limit = self.policy.max_bytes;
        if response
            .content_length()
            .is_some_and(|length| length > limit as u64)
        {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| error::broken(&error))?
        {
            if body.len() + piece.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
        }
        Ok(Fetched {
            url,
            content_type: header(&response, CONTENT_TYPE),
            body: body.freeze(),
            etag: header(&response, ETAG),
            last_modified: header(&response, LAST_MODIFIED),
        })
    }
}

impl Default for FetchPolicy {
    /// 10 MB, 20 seconds, 5 redirects, the public internet only.
    fn default() -> Self {
        Self {
            max_bytes: 10 * 1024 * 1024,
            timeout: Duration::from_secs(20),
            max_redirects: 5,
            allow: Vec::new(),
        }
    }
}

/// What both clients share. No proxy from the environment: a proxy would do the look-up itself,
/// and nothing here would see where the request goes.
fn client(policy: &FetchPolicy) -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(policy.timeout)
        .http1_max_headers(100)
        .http2_max_header_list_size(64 * 1024)
        .pool_max_idle_per_host(1)
        .user_agent(USER_AGENT)
}

fn built(builder: ClientBuilder) -> Result<Client, FetchError> {
    builder.build().map_err(|error| {
        FetchError::new(
            FetchErrorKind::Misconfigured,
            format!("The HTTP client could not start: {error}."),
        )
    })
}

fn parsed(url: &str) -> Result<Url, FetchError> {
    let url = url.trim();
    if url.len() > MAX_URL {
        return Err(error::invalid("is too long"));
    }
    let url = Url::parse(url).map_err(|_| error::invalid("cannot be read"))?;
    permitted(url)
}

fn permitted(url: Url) -> Result<Url, FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(error::invalid("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(error::invalid("must not hold a user name or password"));
    }
    if url.as_str().len() > MAX_URL {
        return Err(error::invalid("is too long"));
    }
    Ok(url)
}

/// Where the answer sends on to; `None` where it is the page itself.
fn redirect(url: &Url, response: &Response) -> Result<Option<Url>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let target = header(response, LOCATION).ok_or_else(|| error::invalid_redirect("nowhere"))?;
    let next = url
        .join(target.trim())
        .map_err(|_| error::invalid_redirect("an address that cannot be read"))?;
    permitted(next).map(Some)
}

/// A header as text. Bytes beyond ASCII are kept as far as they are UTF-8.
fn header(response: &Response, name: HeaderName) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;
