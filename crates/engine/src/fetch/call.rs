//! Calls an organization's own system at a user-given address, under the same guard as what is fetched.

use std::collections::HashMap;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method};

use super::{FetchError, FetchErrorKind, Fetcher, error, parsed};

/// What is asked.
pub(crate) struct Call<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// Where.
    pub url: &'a str,
    /// Names and values. What they hold is secret.
    pub headers: Vec<(&'a str, &'a str)>,
    /// JSON.
    pub body: Option<String>,
    /// Bytes of the answer that are read.
    pub read: usize,
}

/// What it was answered.
#[derive(Debug)]
pub(crate) struct Called {
    /// The HTTP status. Redirects are followed nowhere.
    pub status: u16,
    /// How the answer begins.
    pub body: Vec<u8>,
    /// Whether there is more of it.
    pub cut: bool,
}

impl Called {
    /// The answer as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Headers of these names and values, for a client of [`Fetcher::client_to`]; what can be none is left out.
pub(crate) fn secret_headers<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> HashMap<HeaderName, HeaderValue> {
    let header = |(name, value): (&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    pairs.filter_map(header).collect()
}

impl Fetcher {
    /// The client that may connect to this address, under the guard like every other. It follows no redirect; whoever
    /// uses it sees to it that what it reads has an end, in bytes and in time.
    pub(crate) fn client_to(&self, url: &str) -> Result<Client, FetchError> {
        self.check_target(url)?;
        self.client_for(&parsed(url)?).cloned()
    }

    /// Sends a request, and reads the beginning of its answer. Whoever calls sees to it that it ends in time.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Called, FetchError> {
        self.check_target(call.url)?;
        let url = parsed(call.url)?;
        let unusable = || FetchError::of(FetchErrorKind::Misconfigured);
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|_| unusable())?;
        let mut request = self.client_for(&url)?.request(method, url.clone());
        request = request.header(ACCEPT, "application/json, text/*;q=0.9, */*;q=0.5");
        for (name, value) in call.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await;
        let mut response = response.map_err(|error| error::unsent(&url, &error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let mut cut = false;
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| error::broken(&error))?
        {
            let room = call.read - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() > room {
                cut = true;
                break;
            }
        }
        Ok(Called { status, body, cut })
    }
}
