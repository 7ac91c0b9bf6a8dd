//! The HTTP half of a model API, shared by chat models, embedders and rerankers: the address, the
//! pooled client, the key, the one retry, and what an error answer says.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use okra_domain::Secret;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url};
use serde_json::Value;
use url::Host;

use crate::error::{ProviderError, ProviderErrorKind};

/// Longest part of an error answer that is read, in bytes.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// Which addresses a provider may be at.
#[derive(Clone, Default)]
pub enum Reach {
    /// Any: whoever chose the provider runs the server.
    #[default]
    Anywhere,
    /// Those that this holds of, whatever a name resolves to, and no proxy in between.
    Only(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>),
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anywhere => "Anywhere",
            Self::Only(_) => "Only(…)",
        })
    }
}

/// What is said of an address that may not be reached.
const OUT_OF_REACH: &str = "this address is inside a private network, which this server's operator \
                            has not opened to providers (provider_allow, OKRA_PROVIDER_ALLOW)";

/// One provider's API: its address and the pooled client that talks to it.
pub(crate) struct Endpoint {
    client: Client,
    base: Url,
    key: Option<Secret>,
    auth: Auth,
    /// Sent with each request.
    query: Option<(&'static str, String)>,
    retry_pause: Duration,
}

/// How a key is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// A header that holds the key and nothing else.
    Header(&'static str),
}

/// What an [`Endpoint`] is made of.
pub(crate) struct EndpointConfig<'a> {
    pub base_url: &'a str,
    /// The path that is meant where the address has none.
    pub root: &'a str,
    pub key: Option<&'a Secret>,
    pub connect_timeout: Duration,
    pub retry_pause: Duration,
    /// Where the provider may be.
    pub reach: &'a Reach,
    pub auth: Auth,
    /// Headers of every request.
    pub headers: &'static [(&'static str, &'static str)],
    /// A parameter of every address.
    pub query: Option<(&'static str, String)>,
    /// Whether compressed answers are asked for. Not for token streams: a proxy that compresses
    /// them tends to hold tokens back.
    pub gzip: bool,
}

/// One POST: where to, what, and with which key.
pub(crate) struct Post<'a> {
    /// The segments of the path below the base address, such as `chat` and `completions`. Whatever
    /// they hold, they stay segments.
    pub path: &'a [&'a str],
    /// The address's query, where it has one beside the endpoint's.
    pub query: Option<(&'static str, &'static str)>,
    /// The JSON body; cheap to clone, so that a retry sends the same bytes.
    pub body: Bytes,
    /// Overrides the endpoint's own key.
    pub key: Option<&'a Secret>,
    /// The type of answer asked for.
    pub accept: &'static str,
}

impl Endpoint {
    pub(crate) fn new(config: EndpointConfig<'_>) -> Result<Self, ProviderError> {
        let base = base_url(config.base_url, config.root)?;
        // Redirects are refused, not followed: a POST turned into a GET elsewhere is never what
        // the operator meant, and the key would travel with it.
        let builder = Client::builder()
            .connect_timeout(config.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(fixed_headers(config.headers))
            .gzip(config.gzip)
            .user_agent(concat!("okra/", env!("CARGO_PKG_VERSION")));
        let client = within(builder, config.reach, &base)?
            .build()
            .map_err(|error| {
                ProviderError::new(
                    ProviderErrorKind::NotConfigured,
                    format!("The HTTP client could not start: {}", root_cause(&error)),
                )
            })?;
        Ok(Self {
            client,
            base,
            key: config.key.cloned(),
            auth: config.auth,
            query: config.query,
            retry_pause: config.retry_pause,
        })
    }

    /// Sends a request and gives the answer once its head is here and its status is a success.
    pub(crate) async fn post(&self, post: &Post<'_>) -> Result<Response, ProviderError> {
        let key = self.key_for(post.key);
        let request = self
            .client
            .post(self.url(post.path, post.query)?)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, post.accept)
            .body(post.body.clone());
        let request = self.with_key(request, key)?;
        let response = request.send().await.map_err(|error| self.unsent(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response, key).await)
    }

    /// Asks for what is at `path`, a JSON document of `limit` bytes at most.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: Option<(&'static str, &'static str)>,
        key: Option<&Secret>,
        limit: usize,
    ) -> Result<Value, ProviderError> {
        let key = self.key_for(key);
        let url = self.url(path, query)?;
        let request = self.client.get(url).header(ACCEPT, "application/json");
        let request = self.with_key(request, key)?;
        let response = request.send().await.map_err(|error| self.unsent(&error))?;
        if !response.status().is_success() {
            return Err(refusal(response, key).await);
        }
        let mut response = response;
        let body = read_body(&mut response, limit).await?;
        serde_json::from_slice(&body).map_err(|_| {
            let message = format!(
                "{} answers, but not with JSON; is this the API's address?",
                self.base.origin().ascii_serialization()
            );
            ProviderError::new(ProviderErrorKind::Malformed, message)
        })
    }

    /// Makes the call, and once more after a pause where that may help: the connection failed, or
    /// the provider answered 429 or 5xx.
    pub(crate) async fn with_one_retry<T, F, Call>(&self, mut call: F) -> Result<T, ProviderError>
    where
        F: FnMut() -> Call,
        Call: Future<Output = Result<T, ProviderError>>,
    {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let Some(pause) = error.pause_before_retry(self.retry_pause) else {
            return Err(error);
        };
        tracing::info!(kind = ?error.kind, provider = self.host(), "model call failed; trying once more");
        tokio::time::sleep(pause).await;
        call().await
    }

    /// The key that a request with its own `key`, or none, is sent with.
    pub(crate) fn key_for<'a>(&'a self, key: Option<&'a Secret>) -> Option<&'a Secret> {
        key.or(self.key.as_ref())
            .filter(|key| !key.expose().trim().is_empty())
    }

    fn url(
        &self,
        path: &[&str],
        query: Option<(&'static str, &'static str)>,
    ) -> Result<Url, ProviderError> {
        // A segment of dots would be taken for a way out of the path, and is left out by `extend`.
        if path
            .iter()
            .any(|segment| matches!(*segment, "" | "." | ".."))
        {
            let message = "This name cannot be part of an address.";
            return Err(ProviderError::new(
                ProviderErrorKind::NotConfigured,
                message,
            ));
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("a base address has a host, and so a path")
            .pop_if_empty()
            .extend(path);
        let own = self
            .query
            .as_ref()
            .map(|(name, value)| (*name, value.as_str()));
        if own.is_some() || query.is_some() {
            url.query_pairs_mut()
                .extend_pairs(own.into_iter().chain(query));
        }
        Ok(url)
    }

    fn with_key(
        &self,
        request: RequestBuilder,
        key: Option<&Secret>,
    ) -> Result<RequestBuilder, ProviderError> {
        let Some(key) = key.map(|key| key.expose().trim()) else {
            return Ok(request);
        };
        Ok(match self.auth {
            Auth::Bearer => request.header(AUTHORIZATION, key_header(&format!("Bearer {key}"))?),
            Auth::Header(name) => request.header(name, key_header(key)?),
        })
    }

    fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// What it means that no answer came at all.
    fn unsent(&self, error: &reqwest::Error) -> ProviderError {
        let place = self.base.origin().ascii_serialization();
        let cause = root_cause(error);
        if error.is_builder() {
            let message = format!("The request to {place} could not be made: {cause}");
            return ProviderError::new(ProviderErrorKind::NotConfigured, message);
        }
        let message = if error.is_connect() || error.is_timeout() {
            format!("The model provider at {place} could not be reached: {cause}")
        } else {
            format!(
                "The model provider at {place} closed the connection without an answer: {cause}"
            )
        };
        ProviderError::new(ProviderErrorKind::Connect, message)
    }
}

/// The client, kept to what is within reach. An address that is written out is never looked up, so
/// it is checked here; names are checked by what they resolve to, each time.
fn within(
    builder: ClientBuilder,
    reach: &Reach,
    base: &Url,
) -> Result<ClientBuilder, ProviderError> {
    let Reach::Only(permits) = reach else {
        return Ok(builder);
    };
    let literal = match base.host() {
        Some(Host::Ipv4(ip)) => Some(ip.into()),
        Some(Host::Ipv6(ip)) => Some(ip.into()),
        Some(Host::Domain(_)) | None => None,
    };
    if literal.is_some_and(|ip| !permits(ip)) {
        let message = format!("The model provider could not be reached: {OUT_OF_REACH}.");
        return Err(ProviderError::new(
            ProviderErrorKind::NotConfigured,
            message,
        ));
    }
    let resolver = Within(permits.clone());
    Ok(builder.no_proxy().dns_resolver(Arc::new(resolver)))
}

/// Looks names up and keeps only the addresses that may be connected to.
struct Within(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl Resolve for Within {
    fn resolve(&self, name: Name) -> Resolving {
        let permits = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.filter(|it| permits(it.ip())).collect();
            match found.is_empty() {
                true => Err(OUT_OF_REACH.into()),
                false => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// Reads a whole answer, up to `limit` bytes.
pub(crate) async fn read_body(
    response: &mut Response,
    limit: usize,
) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| broken_off(&error))? {
        if body.len() + piece.len() > limit {
            return Err(ProviderError::new(
                ProviderErrorKind::Malformed,
                format!("The model provider's answer is longer than {limit} bytes."),
            ));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The connection died within an answer.
pub(crate) fn broken_off(error: &reqwest::Error) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Interrupted,
        format!(
            "The model provider's answer broke off: {}",
            root_cause(error)
        ),
    )
}

/// The failure that an `error` member of an answer describes, whatever shape it has: a string, or
/// an object with `message` and perhaps `code` and `type`. `otherwise` is its kind where neither
/// tells.
pub(crate) fn described_error(error: &Value, otherwise: ProviderErrorKind) -> ProviderError {
    let message = error_words(error)
        .unwrap_or("The model provider reported an error without saying which.")
        .to_owned();
    let code = &error["code"];
    let status = code
        .as_u64()
        .or_else(|| code.as_str().and_then(|code| code.parse().ok()))
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (400..600).contains(code));
    if let Some(status) = status {
        return ProviderError::from_status(status, None, message);
    }
    let named = |word: &str| {
        [code, &error["type"]]
            .iter()
            .any(|name| name.as_str().is_some_and(|name| name.contains(word)))
    };
    if named("rate_limit") {
        return ProviderError::from_status(429, None, message);
    }
    if named("server_error") || named("overloaded") || named("unavailable") {
        return ProviderError::from_status(503, None, message);
    }
    ProviderError::new(otherwise, message)
}

/// The base address with its path settled: `root` (`/v1`) where the operator gave a bare host, as
/// Ollama's and vLLM's own pages do.
fn base_url(written: &str, root: &str) -> Result<Url, ProviderError> {
    let refuse = |why: &str| {
        ProviderError::new(
            ProviderErrorKind::NotConfigured,
            format!("The model provider's address {why}"),
        )
    };
    let mut url = Url::parse(written.trim())
        .map_err(|error| refuse(&format!("cannot be read ({error}).")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse(
            "must begin with http:// or https:// and name a host.",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(
            "must not hold a user name or password; set the API key instead.",
        ));
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let ends = ["/chat/completions", "/messages", "/rerank"];
    let path = ends
        .iter()
        .find_map(|end| path.strip_suffix(end))
        .unwrap_or(path);
    let path = if path.is_empty() { root } else { path }.to_owned();
    url.set_path(&path);
    Ok(url)
}

fn fixed_headers(headers: &'static [(&'static str, &'static str)]) -> HeaderMap {
    let pairs = headers.iter().map(|(name, value)| {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        (name, value)
    });
    pairs.collect()
}

fn key_header(value: &str) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        ProviderError::new(
            ProviderErrorKind::NotConfigured,
            "The API key holds characters that cannot be sent in a header.",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The failure that a non-success answer stands for, in the provider's own words where it has any.
async fn refusal(mut response: Response, key: Option<&Secret>) -> ProviderError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let location = response.headers().get(LOCATION).cloned();
    let body = read_prefix(&mut response, MAX_ERROR_BODY).await;
    let mut body_json = serde_json::from_slice::<Value>(&body).ok();
    // Google's wraps its error in a list where a stream was asked for.
    if let Some(Value::Array(list)) = &mut body_json {
        body_json = list.first_mut().map(Value::take);
    }
    let retry_after = retry_after.or_else(|| retry_delay(body_json.as_ref()?));
    let words = body_json
        .and_then(|body| error_words(body.get("error").unwrap_or(&body)).map(ToOwned::to_owned))
        .or_else(|| plain_words(&body));
    let message = match (words, location) {
        (_, Some(location)) if status.is_redirection() => format!(
            "The model provider redirects to {}; configure its final address.",
            String::from_utf8_lossy(location.as_bytes())
        ),
        (Some(words), _) => words,
        (None, _) => format!("The model provider answered {status}."),
    };
    ProviderError::from_status(status.as_u16(), retry_after, redact(&message, key))
}

/// As much of the body as there is within the limit; a body that breaks off still explains itself.
async fn read_prefix(response: &mut Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < limit {
        match response.chunk().await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(limit);
    body
}

fn error_words(error: &Value) -> Option<&str> {
    [error, &error["message"], &error["detail"], &error["error"]]
        .into_iter()
        .find_map(Value::as_str)
        .map(str::trim)
        .filter(|words| !words.is_empty())
}

/// A plain-text body as words; an HTML page has none worth showing.
fn plain_words(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let plain = !text.is_empty() && !text.starts_with(['<', '{', '[']);
    plain.then(|| text.to_owned())
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3). The date form is not read: providers don't use it,
/// and a clock that is off would turn it into nonsense.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Google's place for it: `error.details[].retryDelay`, such as `"7s"`.
fn retry_delay(body: &Value) -> Option<Duration> {
    let details = body["error"]["details"].as_array()?;
    let delay = details.iter().find_map(|it| it["retryDelay"].as_str())?;
    Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
}

/// Hides the key that was sent, and whatever looks like an OpenAI key: providers like to repeat
/// part of the key in their complaint about it.
pub(crate) fn redact(text: &str, key: Option<&Secret>) -> String {
    let key = key.map_or("", |key| key.expose().trim());
    let text = if key.is_empty() {
        text.to_owned()
    } else {
        text.replace(key, "…")
    };
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find("sk-") {
        let (before, found) = rest.split_at(start);
        let end = found
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.')))
            .unwrap_or(found.len());
        let within_word = before.ends_with(|c: char| c.is_alphanumeric());
        let key_like = end >= 12 && !within_word;
        redacted.push_str(before);
        redacted.push_str(if key_like { "sk-…" } else { &found[..end] });
        rest = &found[end..];
    }
    redacted.push_str(rest);
    redacted
}

/// The innermost cause, which is the part a person can act on ("Connection refused").
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
