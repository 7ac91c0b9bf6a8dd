//! How a model provider fails, told apart by what can be done about it.
//!
//! Chat models and embedders fail with nothing else. The message is the provider's own words where
//! it gave any, so that an operator reads "insufficient quota" rather than "status 429"; it is
//! bounded and never holds an API key.

use std::time::Duration;

/// A failed call to a model provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What sort of failure it is.
    pub kind: ProviderErrorKind,
    /// One readable sentence or the provider's own words, at most [`MAX_MESSAGE_CHARS`] characters.
    pub message: String,
}

/// The longest message kept, in characters.
pub const MAX_MESSAGE_CHARS: usize = 500;

/// The longest `Retry-After` that is waited out within a call; a longer one is handed to the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What sort of failure a [`ProviderError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderErrorKind {
    /// No usable address or key was configured; nothing was sent.
    NotConfigured,
    /// No connection could be made, or it broke before the provider said anything.
    Connect,
    /// The provider took longer than the limits allow.
    Timeout,
    /// 429: too many requests, or the quota is spent.
    RateLimited {
        /// How long the provider asked to be left alone, where it said so.
        retry_after: Option<Duration>,
    },
    /// The provider understood the request and refuses it: a wrong key, an unknown model, a prompt
    /// too long. Sending it again would not help.
    Rejected {
        /// The HTTP status, 3xx or 4xx.
        status: u16,
    },
    /// 5xx: the provider is overloaded or broken.
    Unavailable {
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not what the protocol says.
    Malformed,
    /// The answer broke off: the stream ended without its end mark, or with an error.
    Interrupted,
    /// The answer holds neither text nor a tool call.
    Empty,
    /// The provider's filter, or the model itself, declined to answer. Nothing was said.
    Blocked,
}

impl ProviderError {
    /// A failure with its message, cut to [`MAX_MESSAGE_CHARS`].
    pub fn new(kind: ProviderErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE_CHARS) {
            message.truncate(end);
            message.pop();
            message.push('…');
        }
        Self { kind, message }
    }

    /// Whether the same call may well succeed when made again later.
    pub fn retryable(&self) -> bool {
        match self.kind {
            ProviderErrorKind::Connect
            | ProviderErrorKind::Timeout
            | ProviderErrorKind::RateLimited { .. }
            | ProviderErrorKind::Unavailable { .. }
            | ProviderErrorKind::Interrupted
            | ProviderErrorKind::Empty => true,
            ProviderErrorKind::NotConfigured
            | ProviderErrorKind::Rejected { .. }
            | ProviderErrorKind::Malformed
            | ProviderErrorKind::Blocked => false,
        }
    }

    /// How long to wait before the one retry within a call; `None` where there is to be none. A
    /// timeout is not retried there: its caller has waited long enough already.
    pub(crate) fn pause_before_retry(&self, default: Duration) -> Option<Duration> {
        match self.kind {
            ProviderErrorKind::Connect | ProviderErrorKind::Unavailable { .. } => Some(default),
            ProviderErrorKind::RateLimited { retry_after } => {
                Some(retry_after.unwrap_or(default)).filter(|pause| *pause <= LONGEST_WAIT)
            }
            _ => None,
        }
    }

    /// The failure an HTTP status stands for.
    pub(crate) fn from_status(
        status: u16,
        retry_after: Option<Duration>,
        message: impl Into<String>,
    ) -> Self {
        let kind = match status {
            429 => ProviderErrorKind::RateLimited { retry_after },
            500.. => ProviderErrorKind::Unavailable { status },
            _ => ProviderErrorKind::Rejected { status },
        };
        Self::new(kind, message)
    }
}
