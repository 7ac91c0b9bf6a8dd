//! Which model answers: the providers there are, and what a model's name means among them.
//!
//! A name is a provider's and the model's there, `anthropic/claude-sonnet-4-5`, or the model's alone,
//! `gpt-4o-mini`, which is the default provider's. Organizations' providers come before the server's.

use std::str::FromStr;

use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::provider::{OPENAI_URL, Provider, ProviderChange};
use crate::{Secret, Timestamp};

/// Providers of one organization at most.
pub const MAX_PROVIDERS: usize = 20;

/// The most tokens a day that can be set: more is no end worth setting.
pub const MAX_TOKENS_A_DAY: i64 = 1_000_000_000_000;

/// The most characters of a provider's name.
const MAX_NAME_CHARS: usize = 40;

/// An API that a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// OpenAI, and every server with its API: vLLM, llama.cpp, LM Studio, OpenRouter.
    OpenAi,
    /// OpenAI's models on Azure.
    Azure,
    /// Anthropic.
    Anthropic,
    /// Google Gemini.
    Gemini,
    /// Ollama, by its OpenAI-compatible API.
    Ollama,
}

impl ProviderKind {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::OpenAi,
        Self::Azure,
        Self::Anthropic,
        Self::Gemini,
        Self::Ollama,
    ];

    /// Its word, which is also what a model's name begins with by default.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// Where it answers unless told otherwise; an Azure resource has its own address.
    pub fn default_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some(OPENAI_URL),
            Self::Azure => None,
            Self::Anthropic => Some("https://api.anthropic.com/v1"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com/v1beta"),
            Self::Ollama => Some("http://127.0.0.1:11434/v1"),
        }
    }

    /// The variable that sets it for the whole server.
    pub fn variable(self) -> &'static str {
        match self {
            Self::OpenAi => "OPENAI_API_KEY",
            Self::Azure => "AZURE_OPENAI_ENDPOINT",
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::Gemini => "GEMINI_API_KEY",
            Self::Ollama => "OLLAMA_BASE_URL",
        }
    }
}

impl FromStr for ProviderKind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| {
            let problem = "must be openai, azure, anthropic, gemini or ollama";
            Error::invalid_field("kind", problem)
        })
    }
}

/// A provider under the name by which models' names call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedProvider {
    /// What stands before the `/` in the names of its models.
    pub name: String,
    /// The API that it speaks.
    pub kind: ProviderKind,
    /// Its address and key.
    pub endpoint: Provider,
    /// The version of Azure's API; `None` for the usual one.
    pub api_version: Option<String>,
}

/// What a caller may set of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedProviderChange {
    /// The API that it speaks.
    pub kind: ProviderKind,
    /// Its address, by default its kind's, and its key.
    pub endpoint: ProviderChange,
    /// See [`NamedProvider::api_version`].
    pub api_version: Option<String>,
}

impl NamedProvider {
    /// The provider that `change` makes of the present one of this name, or the first rule that it
    /// breaks.
    pub fn changed(
        current: Option<&Self>,
        name: &str,
        mut change: NamedProviderChange,
    ) -> Result<Self> {
        let given = change.endpoint.base_url.as_deref().map(str::trim);
        if given.is_none_or(str::is_empty) {
            let usual = change.kind.default_url().ok_or_else(|| {
                let problem = "is needed: the resource's, such as https://NAME.openai.azure.com";
                Error::invalid_field("base_url", problem)
            })?;
            change.endpoint.base_url = Some(usual.to_owned());
        }
        // A key is sent nowhere but where it was given for, and in no other API's header.
        let current = current.filter(|current| current.kind == change.kind);
        let api_version = change.api_version.map(|it| it.trim().to_owned());
        let api_version = api_version.filter(|version| !version.is_empty());
        if let Some(version) = &api_version {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            if version.len() > 40 || !version.bytes().all(plain) {
                let problem = "must be a version such as 2024-10-21";
                return Err(Error::invalid_field("api_version", problem));
            }
        }
        Ok(Self {
            name: parse_name(name)?,
            kind: change.kind,
            endpoint: Provider::changed(current.map(|it| &it.endpoint), change.endpoint)?,
            api_version,
        })
    }

    /// OpenAI itself, without a key.
    pub fn openai() -> Self {
        Self::openai_compatible(Provider {
            base_url: OPENAI_URL.to_owned(),
            api_key: None,
        })
    }

    /// A provider with OpenAI's API, named by its host: `openai`, `openrouter.ai`.
    pub fn openai_compatible(endpoint: Provider) -> Self {
        Self {
            name: endpoint.name(),
            kind: ProviderKind::OpenAi,
            endpoint,
            api_version: None,
        }
    }

    /// Whether any model's name may be meant for it as it stands, slashes and all: a router or a
    /// server of one's own knows names such as `meta-llama/Llama-3.1-8B`, where the vendors know only
    /// their own.
    fn takes_any_name(&self) -> bool {
        match self.kind {
            ProviderKind::OpenAi => self.endpoint.name() != ProviderKind::OpenAi.as_str(),
            ProviderKind::Ollama => true,
            ProviderKind::Azure | ProviderKind::Anthropic | ProviderKind::Gemini => false,
        }
    }

    /// Whether `model` is plainly another vendor's.
    fn is_foreign(&self, model: &str) -> bool {
        let of = |kind| match kind {
            ProviderKind::Anthropic => model.starts_with("claude"),
            ProviderKind::Gemini => model.starts_with("gemini"),
            _ => model.starts_with("gpt-") || model.starts_with("chatgpt-"),
        };
        match self.kind {
            ProviderKind::OpenAi | ProviderKind::Azure | ProviderKind::Ollama => false,
            kind => ProviderKind::ALL
                .into_iter()
                .any(|other| of(other) && !of(kind)),
        }
    }
}

/// Checks a provider's name: what stands before the slash of a model's name, so it holds none.
fn parse_name(name: &str) -> Result<String> {
    at_most("name", name, MAX_NAME_CHARS)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inside = |byte: u8| plain(byte) || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(inside) || !name.bytes().next().is_some_and(plain) {
        let problem =
            "must be lower-case letters, digits, -, _ and ., such as anthropic or our-vllm";
        return Err(Error::invalid_field("name", problem));
    }
    Ok(name.to_owned())
}

/// What an organization decided on models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelSettings {
    /// Its own providers. The first is its default.
    pub providers: Vec<NamedProvider>,
    /// The model that answers where a chatbot's own fails and the chatbot names no other.
    pub fallback_model: Option<String>,
    /// Tokens that its chatbots may use a day, counted from midnight UTC; `None` for no end.
    pub tokens_a_day: Option<i64>,
}

/// Tokens that an organization used on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokensUsed {
    /// The day, by [`Timestamp::day_number`].
    pub day: i64,
    /// Tokens of its answers, as providers counted them.
    pub tokens: i64,
}

impl TokensUsed {
    /// What is left at `now` of so many tokens a day; none once they are used up.
    pub fn left_of(self, tokens_a_day: i64, now: Timestamp) -> i64 {
        let today = if self.day == now.day_number() {
            self.tokens
        } else {
            0
        };
        tokens_a_day.saturating_sub(today).max(0)
    }
}

impl ModelSettings {
    /// What `change` makes of the fallback and the end of a day, or the first rule that it breaks.
    pub fn changed(self, change: ModelSettingsChange) -> Result<Self> {
        let mut next = self;
        if let Some(model) = change.fallback_model {
            next.fallback_model = parse_fallback("fallback_model", model)?;
        }
        if let Some(tokens) = change.tokens_a_day {
            if tokens.is_some_and(|tokens| !(1..=MAX_TOKENS_A_DAY).contains(&tokens)) {
                let problem = format!("must be from 1 to {MAX_TOKENS_A_DAY}, or null for no end");
                return Err(Error::invalid_field("tokens_a_day", problem));
            }
            next.tokens_a_day = tokens;
        }
        Ok(next)
    }

    /// The provider of this name.
    pub fn provider(&self, name: &str) -> Option<&NamedProvider> {
        self.providers.iter().find(|it| it.name == name)
    }

    /// Puts a provider in the place of the one of its name, or at the end; with `first`, in front,
    /// which makes it the default.
    pub fn put(&mut self, provider: NamedProvider, first: bool) -> Result<()> {
        let place = self
            .providers
            .iter()
            .position(|it| it.name == provider.name);
        if place.is_none() && self.providers.len() == MAX_PROVIDERS {
            let message = format!("At most {MAX_PROVIDERS} providers; delete one first.");
            return Err(Error::invalid(message));
        }
        match (place, first) {
            (Some(place), false) => self.providers[place] = provider,
            (place, true) => {
                if let Some(place) = place {
                    self.providers.remove(place);
                }
                self.providers.insert(0, provider);
            }
            (None, false) => self.providers.push(provider),
        }
        Ok(())
    }
}

/// What a caller may set beside providers. `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelSettingsChange {
    /// See [`ModelSettings::fallback_model`].
    pub fallback_model: Option<Option<String>>,
    /// See [`ModelSettings::tokens_a_day`].
    pub tokens_a_day: Option<Option<i64>>,
}

/// Checks the name of a model that answers in another's place; an empty one is none.
pub(crate) fn parse_fallback(field: &str, model: Option<String>) -> Result<Option<String>> {
    let model = model.map(|model| model.trim().to_owned());
    let model = model.filter(|model| !model.is_empty());
    if let Some(model) = &model {
        at_most(field, model, 200)?;
        if model.chars().any(char::is_control) {
            let problem = "must name a model, such as openai/gpt-4o-mini";
            return Err(Error::invalid_field(field, problem));
        }
    }
    Ok(model)
}

/// Whose model it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A provider of the organization.
    Organization(&'a NamedProvider),
    /// A provider of the server.
    Server(&'a NamedProvider),
    /// OpenAI itself, with the chatbot's own key.
    OpenAi,
}

/// A model, and who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Whose it is.
    pub place: Place<'a>,
    /// The model's name there.
    pub model: &'a str,
    /// Whether the chatbot's own key takes the place of the provider's: that key is one for OpenAI's
    /// API, and goes to no other.
    pub with_own_key: bool,
}

/// Why a model's name means none, in a sentence that names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoModel {
    /// It begins with a provider that nobody set.
    #[error(
        "The model {model} needs the provider {name}, which is not set: add it (PUT \
         /api/external/providers/{name}), or start the server with {variable}."
    )]
    NotSet {
        /// The model.
        model: String,
        /// The provider.
        name: &'static str,
        /// What sets it for the whole server.
        variable: &'static str,
    },
    /// It begins with something that is no provider.
    #[error(
        "The model {model} begins with {prefix:?}, and there is no provider of that name. \
         There {there}; GET /api/external/models lists their models."
    )]
    Unknown {
        /// The model.
        model: String,
        /// What it begins with.
        prefix: String,
        /// `are openai, office`.
        there: String,
    },
    /// The default provider cannot have it.
    #[error(
        "The model {model} is not one of {provider}'s, which answers where a name begins with no \
         provider: choose another model, or set the provider that has it."
    )]
    Foreign {
        /// The model.
        model: String,
        /// The default provider.
        provider: String,
    },
}

/// The model that `name` means, `None` where no provider is set at all.
pub fn choose<'a>(
    name: &'a str,
    own_key: Option<&Secret>,
    organization: &'a [NamedProvider],
    server: &'a [NamedProvider],
) -> Result<Option<Choice<'a>>, NoModel> {
    let all = || {
        let ours = organization.iter().map(Place::Organization);
        ours.chain(server.iter().map(Place::Server))
    };
    let default = all().next();
    let has_own = own_key.is_some();
    let chosen = |place: Place<'a>, model: &'a str| {
        let speaks_openai = place
            .provider()
            .is_none_or(|it| it.kind == ProviderKind::OpenAi);
        Ok(Some(Choice {
            place,
            model,
            with_own_key: has_own && speaks_openai,
        }))
    };
    let Some((prefix, rest)) = name.split_once('/') else {
        return match default {
            // The key is for OpenAI's API, so what it was given for is there.
            Some(place) if has_own && !place.speaks_openai() => chosen(Place::OpenAi, name),
            Some(place) => match place.provider().filter(|it| it.is_foreign(name)) {
                Some(provider) => Err(NoModel::Foreign {
                    model: name.to_owned(),
                    provider: provider.name.clone(),
                }),
                None => chosen(place, name),
            },
            None if has_own => chosen(Place::OpenAi, name),
            None => Ok(None),
        };
    };
    let named = all().find(|place| place.provider().is_some_and(|it| it.name == prefix));
    if let Some(place) = named {
        return chosen(place, rest);
    }
    let open = default.filter(|it| it.provider().is_some_and(NamedProvider::takes_any_name));
    match (open, prefix.parse::<ProviderKind>()) {
        (_, Ok(ProviderKind::OpenAi)) if has_own && open.is_none() => chosen(Place::OpenAi, rest),
        (Some(place), _) => chosen(place, name),
        (None, Ok(kind)) => Err(NoModel::NotSet {
            model: name.to_owned(),
            name: kind.as_str(),
            variable: kind.variable(),
        }),
        (None, Err(_)) if default.is_none() && !has_own => Ok(None),
        (None, Err(_)) => {
            let names = all().filter_map(|it| it.provider().map(|it| it.name.as_str()));
            let names: Vec<&str> = names.collect();
            Err(NoModel::Unknown {
                model: name.to_owned(),
                prefix: prefix.to_owned(),
                there: match names.is_empty() {
                    true => "is OpenAI, by the chatbot's own key".to_owned(),
                    false => format!("are {}", names.join(", ")),
                },
            })
        }
    }
}

impl<'a> Place<'a> {
    /// The provider, where it is one that was set.
    pub fn provider(self) -> Option<&'a NamedProvider> {
        match self {
            Self::Organization(provider) | Self::Server(provider) => Some(provider),
            Self::OpenAi => None,
        }
    }

    fn speaks_openai(self) -> bool {
        self.provider()
            .is_none_or(|it| it.kind == ProviderKind::OpenAi)
    }
}

#[cfg(test)]
mod tests;
