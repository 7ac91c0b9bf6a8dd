//! Where answers come from: a server with an OpenAI-compatible API.

use url::Url;

use crate::Secret;
use crate::chatbot::at_most;
use crate::chatbot::check_provider_key;
use crate::error::{Error, Result};

/// Where OpenAI answers.
pub const OPENAI_URL: &str = "https://api.openai.com/v1";

/// The most characters of an address.
const MAX_URL_CHARS: usize = 500;

/// A model provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its API's address, without a slash at the end.
    pub base_url: String,
    /// Its key, where it needs one.
    pub api_key: Option<Secret>,
}

/// What a caller may set of a provider. `None` stands for the default, or for what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderChange {
    /// A new address; OpenAI's where `None`.
    pub base_url: Option<String>,
    /// A new key; `Some(None)` is none. `None`, or the masked form of the present key, keeps the
    /// present one, which is only ever sent to the address that it was given for.
    pub api_key: Option<Option<Secret>>,
}

impl Provider {
    /// The name that answers record: `openai`, or the host.
    pub fn name(&self) -> String {
        let url = Url::parse(&self.base_url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        match host == "openai.com" || host.ends_with(".openai.com") {
            true => "openai".to_owned(),
            false => host.to_owned(),
        }
    }

    /// The provider that `change` makes of `current`, or the first rule that it breaks.
    pub fn changed(current: Option<&Self>, change: ProviderChange) -> Result<Self> {
        let base_url = match change.base_url.as_deref().map(str::trim) {
            None | Some("") => OPENAI_URL.to_owned(),
            Some(url) => parse_base_url(url)?,
        };
        let kept = current.and_then(|current| current.api_key.as_ref());
        let keeps = match (&change.api_key, kept) {
            (None, _) => true,
            (Some(Some(given)), Some(kept)) => given.expose() == kept.masked(),
            _ => false,
        };
        let same_place = current.is_some_and(|current| current.base_url == base_url);
        let api_key = match (keeps, change.api_key) {
            (true, _) if kept.is_none() => None,
            (true, _) if same_place => kept.cloned(),
            (true, _) => {
                let problem = "give the key again: it was given for another address";
                return Err(Error::invalid_field("api_key", problem));
            }
            (false, given) => given.flatten().filter(|key| !key.expose().is_empty()),
        };
        if let Some(key) = &api_key {
            check_provider_key("api_key", key)?;
        }
        Ok(Self { base_url, api_key })
    }
}

fn parse_base_url(text: &str) -> Result<String> {
    at_most("base_url", text, MAX_URL_CHARS)?;
    let problem = |problem: &str| Error::invalid_field("base_url", problem);
    let url = Url::parse(text).map_err(|_| {
        problem("must be an address such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1")
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(problem("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem(
            "must not hold a user name or password; give the key as api_key",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(problem("must end with its path, without ? or #"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(base_url: &str, api_key: Option<Option<&str>>) -> ProviderChange {
        ProviderChange {
            base_url: Some(base_url.to_owned()),
            api_key: api_key.map(|key| key.map(Secret::new)),
        }
    }

    #[test]
    fn a_key_stays_with_the_address_it_was_given_for() {
        let first = change(
            "https://models.example.com/v1/",
            Some(Some("sk-1234567890abcdef")),
        );
        let provider = Provider::changed(None, first).expect("valid");
        assert_eq!(provider.base_url, "https://models.example.com/v1");
        assert_eq!(provider.name(), "models.example.com");
        let again = |change| Provider::changed(Some(&provider), change);
        let same = "https://models.example.com/v1";
        for kept in [None, Some(Some("sk-…cdef"))] {
            assert_eq!(again(change(same, kept)).expect("valid"), provider);
            let error = again(change("https://evil.example.com", kept)).expect_err("elsewhere");
            assert_eq!(error.details[0].field, "api_key");
        }
        let without = again(change(same, Some(None))).expect("valid");
        assert_eq!(without.api_key, None);
        let moved = change("https://other.example.com", Some(Some("sk-other")));
        let moved = again(moved).expect("valid");
        assert_eq!(moved.api_key, Some(Secret::new("sk-other")));
    }

    #[test]
    fn addresses_are_plain_web_addresses() {
        let openai = Provider::changed(None, ProviderChange::default()).expect("valid");
        assert_eq!(
            (openai.base_url.as_str(), openai.name().as_str()),
            (OPENAI_URL, "openai")
        );
        for odd in [
            "models",
            "ftp://models.example.com",
            "https://kim:secret@models.example.com",
            "https://models.example.com/v1?key=1",
            "https://models.example.com/#v1",
        ] {
            let error = Provider::changed(None, change(odd, None)).expect_err(odd);
            assert_eq!(error.details[0].field, "base_url", "{odd}");
        }
    }
}
