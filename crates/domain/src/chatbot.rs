//! The chatbot and everything that can be set on it.
//!
//! Settings are merged as JSON Merge Patch (RFC 7396): fields that are given replace, `null`
//! restores the default, fields that are absent stay.

mod answering;
mod office;
mod settings;
mod slug;

pub use answering::{Answering, MAX_ANSWER_TOKENS, MAX_LINK_HOSTS};
pub use office::{Day, OfficeHours, OpenHours};
pub use settings::{
    Personality, Settings, Snippet, VoiceAppearance, VoiceAvatar, VoiceDetection, VoiceModel,
    VoiceText, VoiceWidgetConfig, merge,
};
pub use slug::{numbered_slug, parse_slug, slug_from_name};

use crate::embedder::{Embedding, Reranker};
use crate::error::{Error, Result};
use crate::models::{ModelSettings, TokensUsed};
use crate::origin::OriginPattern;
use crate::webhook::EventKinds;
use crate::{ChatbotId, OrganizationId, Secret, Timestamp};

/// One chatbot, as stored. Obtained only through its organization, so holding one is the right to
/// touch what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chatbot {
    /// Its id.
    pub id: ChatbotId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Its public short name, unique on this server.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for, in a sentence or two.
    pub description: Option<String>,
    /// An inactive chatbot keeps its data and answers nobody.
    pub active: bool,
    /// Whether the hosted page may be seen by anyone.
    pub is_public: bool,
    /// How it speaks.
    pub personality: Personality,
    /// Prompt, model, greeting and the widget's look.
    pub settings: Settings,
    /// Questions offered to the visitor.
    pub suggestions: Option<Vec<String>>,
    /// The voice widget's look and ear; `None` until set.
    pub voice_widget_config: Option<VoiceWidgetConfig>,
    /// The avatar's file name in blob storage, `<uuid>.jpg`.
    pub avatar: Option<String>,
    /// A key used for this chatbot in place of the provider's, where that speaks OpenAI's API.
    pub openai_api_key: Option<Secret>,
    /// What its organization decided on models.
    pub models: ModelSettings,
    /// Tokens that its organization used last; counted where there is an end to them.
    pub tokens_used: TokensUsed,
    /// What its organization has endpoints told of.
    pub told: EventKinds,
    /// Who turns its texts into vectors.
    pub embedding: Embedding,
    /// Who puts the passages found in order once more; `None`: nobody.
    pub reranker: Option<Reranker>,
    /// The sites, other than Okra's own pages, that may show the chatbot.
    pub allowed_origins: Vec<OriginPattern>,
    /// The key with which a site's server vouches for who its visitors are; `None` until asked for.
    pub identity_secret: Option<Secret>,
    /// Counts every change to what can be found; an index at this version is up to date.
    pub knowledge_version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything above last changed.
    pub updated_at: Timestamp,
}

/// What a caller may set, checked. `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatbotChange {
    /// See [`Chatbot::name`].
    pub name: Option<String>,
    /// See [`Chatbot::slug`].
    pub slug: Option<String>,
    /// See [`Chatbot::description`]; `Some(None)` clears it.
    pub description: Option<Option<String>>,
    /// See [`Chatbot::active`].
    pub active: Option<bool>,
    /// See [`Chatbot::is_public`].
    pub is_public: Option<bool>,
    /// A merge patch of the personality.
    pub personality: Option<serde_json::Value>,
    /// A merge patch of the settings.
    pub settings: Option<serde_json::Value>,
    /// See [`Chatbot::suggestions`]; `Some(None)` clears them.
    pub suggestions: Option<Option<Vec<String>>>,
    /// See [`Chatbot::openai_api_key`]; `Some(None)` clears it.
    pub openai_api_key: Option<Option<Secret>>,
}

impl Chatbot {
    /// A new chatbot with default settings; `slug` is already checked.
    pub fn new(organization_id: OrganizationId, name: &str, now: Timestamp) -> Result<Self> {
        let name = parse_name(name)?;
        Ok(Self {
            id: ChatbotId::new(),
            organization_id,
            slug: slug_from_name(&name),
            name,
            description: None,
            active: true,
            is_public: false,
            personality: Personality::default(),
            settings: Settings::default(),
            suggestions: None,
            voice_widget_config: None,
            avatar: None,
            openai_api_key: None,
            models: ModelSettings::default(),
            tokens_used: TokensUsed::default(),
            told: EventKinds::default(),
            embedding: Embedding::default(),
            reranker: None,
            allowed_origins: Vec::new(),
            identity_secret: None,
            knowledge_version: 0,
            created_at: now,
            updated_at: now,
        })
    }

    /// A chatbot that is set up like this one, under a name of its own or "… (copy)". Left behind is
    /// what makes a chatbot known or trusted: slug, hosted page, allowed origins, provider key and
    /// identity secret.
    pub fn copied(&self, name: Option<&str>, now: Timestamp) -> Result<Self> {
        let name = match name {
            Some(name) => parse_name(name)?,
            None => {
                let kept: String = self.name.chars().take(MAX_NAME_CHARS - 7).collect();
                format!("{} (copy)", kept.trim_end())
            }
        };
        let id = ChatbotId::new();
        let voice = self
            .voice_widget_config
            .clone()
            .map(|voice| VoiceWidgetConfig {
                agent_id: id.to_string(),
                ..voice
            });
        Ok(Self {
            id,
            slug: slug_from_name(&name),
            name,
            is_public: false,
            voice_widget_config: voice,
            openai_api_key: None,
            allowed_origins: Vec::new(),
            identity_secret: None,
            knowledge_version: 0,
            created_at: now,
            updated_at: now,
            ..self.clone()
        })
    }

    /// This chatbot with `change` applied, or the first rule that the change breaks.
    pub fn changed(&self, change: ChatbotChange, now: Timestamp) -> Result<Self> {
        let mut next = self.clone();
        if let Some(name) = change.name {
            next.name = parse_name(&name)?;
        }
        if let Some(slug) = change.slug {
            next.slug = parse_slug(&slug)?;
        }
        if let Some(description) = change.description {
            if let Some(text) = &description {
                at_most("description", text, 2_000)?;
            }
            next.description = description;
        }
        next.active = change.active.unwrap_or(next.active);
        next.is_public = change.is_public.unwrap_or(next.is_public);
        if let Some(patch) = change.personality {
            next.personality = merge("personality_config", &next.personality, &patch)?;
            next.personality.check()?;
        }
        if let Some(patch) = change.settings {
            next.settings = merge("settings", &next.settings, &patch)?;
            next.settings.check()?;
        }
        if let Some(suggestions) = change.suggestions {
            check_suggestions(suggestions.as_deref().unwrap_or_default())?;
            next.suggestions = suggestions;
        }
        if let Some(key) = change.openai_api_key {
            next.openai_api_key = changed_key(self.openai_api_key.as_ref(), key)?;
        }
        next.updated_at = now;
        Ok(next)
    }
}

/// The most characters of a chatbot's name.
const MAX_NAME_CHARS: usize = 100;

/// Checks a chatbot's name: 1 to 100 characters, trimmed.
fn parse_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::invalid_field("name", "must not be empty"));
    }
    at_most("name", name, MAX_NAME_CHARS)?;
    if name.chars().any(char::is_control) {
        return Err(Error::invalid_field("name", "must be a single line"));
    }
    Ok(name.to_owned())
}

fn check_suggestions(suggestions: &[String]) -> Result<()> {
    if suggestions.len() > 20 {
        return Err(Error::invalid_field("suggestions", "at most 20"));
    }
    for (index, suggestion) in suggestions.iter().enumerate() {
        at_most(&format!("suggestions[{index}]"), suggestion, 200)?;
    }
    Ok(())
}

/// The key to keep. The masked form of the present one is what clients are shown: sent back with
/// the rest of the chatbot, it means no change.
fn changed_key(current: Option<&Secret>, given: Option<Secret>) -> Result<Option<Secret>> {
    if let (Some(current), Some(given)) = (current, &given)
        && given.expose() == current.masked()
    {
        return Ok(Some(current.clone()));
    }
    if let Some(given) = &given {
        check_provider_key("openai_api_key", given)?;
    }
    Ok(given)
}

/// Checks a key that is sent to a provider.
pub(crate) fn check_provider_key(field: &str, key: &Secret) -> Result<()> {
    let key = key.expose();
    let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || key.len() > 512 || !printable {
        let problem = "must be 1 to 512 visible ASCII characters without spaces";
        return Err(Error::invalid_field(field, problem));
    }
    Ok(())
}

/// Fails where `text` has more than `limit` characters.
pub(crate) fn at_most(field: &str, text: &str, limit: usize) -> Result<()> {
    // The byte length bounds the count from above, so most texts are never counted.
    if text.len() > limit && text.chars().count() > limit {
        let problem = format!("at most {limit} characters");
        return Err(Error::invalid_field(field, problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bot() -> Chatbot {
        Chatbot::new(OrganizationId::new(), " Shop helper ", Timestamp(1)).expect("a good name")
    }

    fn settings(patch: serde_json::Value) -> Result<Chatbot> {
        let change = ChatbotChange {
            settings: Some(patch),
            ..ChatbotChange::default()
        };
        bot().changed(change, Timestamp(2))
    }

    #[test]
    fn a_patch_replaces_what_it_names_and_leaves_the_rest() {
        let once = settings(json!({"prompt": "Be kind.", "snippet": {"header": "Help"}}));
        let once = once.expect("valid");
        assert_eq!(once.settings.prompt, "Be kind.");
        assert_eq!(once.settings.snippet.header, "Help");
        assert_eq!(once.settings.greeting, Settings::default().greeting);
        assert_eq!(
            once.settings.snippet.primary_color,
            Snippet::default().primary_color
        );

        let change = ChatbotChange {
            settings: Some(json!({"prompt": null, "unknown": {"deep": 1}})),
            ..ChatbotChange::default()
        };
        let twice = once.changed(change, Timestamp(3)).expect("valid");
        assert_eq!(twice.settings.prompt, Settings::default().prompt);
        assert_eq!(twice.settings.snippet.header, "Help");
    }

    #[test]
    fn a_copy_has_a_name_that_fits_and_no_keys() {
        let mut original = bot();
        original.is_public = true;
        original.openai_api_key = Some(Secret::new("sk-1234567890abcdef"));
        let copy = original.copied(None, Timestamp(2)).expect("a copy");
        assert_eq!(
            (copy.name.as_str(), copy.slug.as_str()),
            ("Shop helper (copy)", "shop-helper-copy")
        );
        assert!(!copy.is_public && copy.openai_api_key.is_none() && copy.id != original.id);
        original.name = "가".repeat(100);
        let copy = original.copied(None, Timestamp(2)).expect("a copy");
        assert_eq!(copy.name.chars().count(), 100);
        assert!(original.copied(Some(" "), Timestamp(2)).is_err());
    }

    #[test]
    fn a_broken_rule_is_named_by_its_path() {
        let check = |patch, field: &str| {
            let error = settings(patch).expect_err("the patch breaks a rule");
            assert_eq!(error.details[0].field, field, "{error}");
        };
        check(json!({"greeting": 5}), "settings.greeting");
        check(
            json!({"snippet": {"primaryColor": "red"}}),
            "settings.snippet.primaryColor",
        );
        check(
            json!({"snippet": {"primaryColor": 7}}),
            "settings.snippet.primaryColor",
        );
        check(
            json!({"snippet": {"logo": "javascript:alert(1)"}}),
            "settings.snippet.logo",
        );
        check(json!({"prompt": "x".repeat(32_001)}), "settings.prompt");
        check(json!("prompt"), "settings");
        check(json!({"snippet": []}), "settings.snippet");
    }
}
