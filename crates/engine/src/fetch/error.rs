//! How a fetch fails, in sentences for the person who gave the address.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use url::Url;

/// A failed fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError {
    /// What sort of failure it is.
    pub kind: FetchErrorKind,
    /// One sentence for the person who gave the address.
    pub message: String,
    /// How long the host asks to be left alone, where it says so.
    pub retry_after: Option<Duration>,
}

/// What sort of failure a [`FetchError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchErrorKind {
    /// The policy itself cannot be used; an operator must mend it.
    Misconfigured,
    /// The address is malformed, of another scheme, or holds credentials.
    InvalidAddress,
    /// The address leads into a private network, or is reserved.
    PrivateAddress,
    /// There is no such host.
    UnknownHost,
    /// No connection could be made.
    Connect,
    /// It took longer than the policy allows.
    Timeout,
    /// More redirects than the policy allows.
    TooManyRedirects,
    /// The body is longer than the policy allows.
    TooLarge,
    /// The answer broke off or cannot be decompressed.
    Broken,
    /// The host answered with this HTTP status instead of a page.
    Status(u16),
}

impl FetchError {
    /// A failure with its sentence.
    pub(super) fn new(kind: FetchErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The same failure of a host that sent this `Retry-After`. Dates are left out: they would be
    /// measured by the host's clock.
    pub(super) fn not_before(self, retry_after: Option<String>) -> Self {
        let seconds = retry_after.and_then(|text| text.trim().parse().ok());
        Self {
            retry_after: seconds.map(Duration::from_secs),
            ..self
        }
    }

    /// A failure with its kind's own sentence.
    pub(super) fn of(kind: FetchErrorKind) -> Self {
        Self::new(kind, sentence(kind))
    }

    /// Whether the same fetch may well succeed later. An unknown host is not: mostly it is a
    /// misspelt one, and its author should hear so at once.
    pub fn retryable(&self) -> bool {
        match self.kind {
            FetchErrorKind::Connect | FetchErrorKind::Timeout | FetchErrorKind::Broken => true,
            FetchErrorKind::Status(status) => matches!(status, 408 | 425 | 429 | 500..),
            _ => false,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for FetchError {}

/// Why a look-up gave no address to connect to. Travels through the HTTP client's errors.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lookup {
    Unknown,
    Private,
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no such host",
            Self::Private => "the host has private addresses only",
        })
    }
}

impl Error for Lookup {}

/// The failure behind a request that got no answer.
pub(super) fn unsent(url: &Url, error: &reqwest::Error) -> FetchError {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let mut cause: &dyn Error = error;
    loop {
        match cause.downcast_ref::<Lookup>() {
            Some(Lookup::Private) => return FetchError::of(FetchErrorKind::PrivateAddress),
            Some(Lookup::Unknown) => {
                let message = format!("There is no host named {host}.");
                return FetchError::new(FetchErrorKind::UnknownHost, message);
            }
            None => {}
        }
        match cause.source() {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    if error.is_timeout() {
        return FetchError::of(FetchErrorKind::Timeout);
    }
    let message = format!("{host} could not be reached: {cause}.");
    FetchError::new(FetchErrorKind::Connect, message)
}

pub(super) fn invalid(why: &str) -> FetchError {
    let message = format!("This address {why}.");
    FetchError::new(FetchErrorKind::InvalidAddress, message)
}

pub(super) fn invalid_redirect(whither: &str) -> FetchError {
    let message = format!("This address redirects to {whither}.");
    FetchError::new(FetchErrorKind::InvalidAddress, message)
}

pub(super) fn too_large(limit: usize) -> FetchError {
    let message = match limit / (1024 * 1024) {
        0 => format!("The page at this address is larger than {limit} bytes."),
        megabytes => format!("The page at this address is larger than {megabytes} MB."),
    };
    FetchError::new(FetchErrorKind::TooLarge, message)
}

pub(super) fn broken(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::of(FetchErrorKind::Timeout);
    }
    FetchError::of(FetchErrorKind::Broken)
}

pub(super) fn undecodable(encoding: &str) -> FetchError {
    let encoding: String = encoding.chars().take(40).collect();
    let message = format!(
        "The page at this address is compressed in a way that cannot be read ({encoding})."
    );
    FetchError::new(FetchErrorKind::Broken, message)
}

fn sentence(kind: FetchErrorKind) -> String {
    match kind {
        FetchErrorKind::Misconfigured => "Fetching is not configured correctly.",
        FetchErrorKind::InvalidAddress => "This is not an address of a web page.",
        FetchErrorKind::PrivateAddress => {
            "This address is inside a private network and cannot be fetched."
        }
        FetchErrorKind::UnknownHost => "There is no such host.",
        FetchErrorKind::Connect => "The host could not be reached.",
        FetchErrorKind::Timeout => "This address took too long to answer.",
        FetchErrorKind::TooManyRedirects => "This address redirects too many times.",
        FetchErrorKind::TooLarge => "The page at this address is too large.",
        FetchErrorKind::Broken => {
            "The page at this address broke off before its end or is damaged."
        }
        FetchErrorKind::Status(401 | 403) => "This address may not be read without signing in.",
        FetchErrorKind::Status(404 | 410) => "There is no page at this address.",
        FetchErrorKind::Status(status) => {
            return format!("This address answered with the error {status}.");
        }
    }
    .to_owned()
}
