//! Sends something to a user-given address, under the same guard as what is fetched.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use url::Url;

use super::{FetchError, FetchErrorKind, Fetcher, error, header, parsed};

/// How long an address may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of an answer that are read: enough to see what went wrong.
const READ: usize = 4 * 1024;

/// What is sent.
pub(crate) struct Post<'a> {
    /// Where to.
    pub url: &'a str,
    /// Headers beside the content type.
    pub headers: &'a [(&'static str, String)],
    /// JSON.
    pub body: String,
}

/// What it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    /// The HTTP status. Redirects are followed nowhere.
    pub status: u16,
    /// How long the host asks to be left alone, where it says so.
    pub retry_after: Option<Duration>,
    /// How the answer began.
    pub beginning: String,
}

impl Fetcher {
    /// Fails with a sentence where nothing may be posted to this address: it leads into a network that is
    /// not open, or would go unencrypted over one that is public.
    pub fn check_target(&self, url: &str) -> Result<(), FetchError> {
        let url = parsed(url)?;
        let literal = self.guard.check_literal(&url)?;
        let opened = self.guard.opens(&url) || literal.is_some_and(|ip| !super::is_public(ip));
        if url.scheme() != "https" && !opened {
            let message = "This address must begin with https://, since what is sent tells what \
                           people said.";
            return Err(FetchError::new(FetchErrorKind::InvalidAddress, message));
        }
        Ok(())
    }

    /// Sends a POST request, and reads how the answer begins.
    pub(crate) async fn post(&self, post: Post<'_>) -> Result<Posted, FetchError> {
        self.check_target(post.url)?;
        let url = parsed(post.url)?;
        tokio::time::timeout(PATIENCE, self.post_once(url, post))
            .await
            .unwrap_or_else(|_| Err(FetchError::of(FetchErrorKind::Timeout)))
    }

    async fn post_once(&self, url: Url, post: Post<'_>) -> Result<Posted, FetchError> {
        let mut request = self.client_for(&url)?.post(url.clone());
        request = request
            .header(CONTENT_TYPE, "application/json")
            .body(post.body);
        for (name, value) in post.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await;
        let mut response = response.map_err(|error| error::unsent(&url, &error))?;
        let retry_after = header(&response, RETRY_AFTER);
        let retry_after = retry_after.and_then(|text| text.trim().parse().ok());
        let status = response.status().as_u16();
        let mut beginning = Vec::new();
        // The status says it all: an answer that breaks off after it changes nothing.
        while let Ok(Some(piece)) = response.chunk().await {
            let room = READ - beginning.len();
            beginning.extend_from_slice(&piece[..piece.len().min(room)]);
            if beginning.len() == READ {
                break;
            }
        }
        Ok(Posted {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            beginning: String::from_utf8_lossy(&beginning).into_owned(),
        })
    }
}
