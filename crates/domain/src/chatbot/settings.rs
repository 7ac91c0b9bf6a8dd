//! What can be set on a chatbot, with defaults and limits. The names on the wire are the
//! contract's, camel case and all.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answering::Answering;
use super::{OfficeHours, at_most};
use crate::error::{Error, Result};
use crate::models::parse_fallback;
use crate::tool::check_chosen;

/// How the chatbot speaks. `style` and `tone` reach the prompt; other entries are kept as given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Personality {
    /// For example `Friendly`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<String>,
    /// For example `Professional`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tone: Option<String>,
    /// Whatever else the client keeps here; 16 KB at most with the rest.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Personality {
    pub(super) fn check(&self) -> Result<()> {
        for (field, text) in [("style", &self.style), ("tone", &self.tone)] {
            if let Some(text) = text {
                at_most(&format!("personality_config.{field}"), text, 200)?;
            }
        }
        let size = serde_json::to_string(self).map_or(usize::MAX, |text| text.len());
        if size > 16 * 1024 {
            return Err(Error::invalid_field("personality_config", "at most 16 KB"));
        }
        Ok(())
    }
}

/// Prompt, model, greeting and the widget's look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Settings {
    /// The first thing the chatbot says.
    pub greeting: String,
    /// Ask the visitor's e-mail first.
    pub is_request_user_info_enabled: bool,
    /// Let visitors ask for a person in the widget; the chatbot is then silent until it is handed
    /// the conversation back.
    pub is_human_handover_enabled: bool,
    /// Let visitors end a conversation in the widget, and rate it once it is settled.
    pub is_rating_enabled: bool,
    /// Send what people reply to the e-mail address that the visitor left, where the visitor has not seen it within
    /// two minutes. It takes a mail server, which the operator names (`smtp_url`).
    pub is_email_follow_up_enabled: bool,
    /// When people answer; left out where no hours are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub office_hours: Option<OfficeHours>,
    /// Let the chatbot use its tools.
    pub is_tool_enabled: bool,
    /// The names of its tools: `search_knowledge`, `ask_for_person`, `record_contact`, and those of the organization's
    /// own; 32 at most. Absent while there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// The model that writes the answers: a provider and its name for the model, as in
    /// `anthropic/claude-sonnet-4-5`, or the name alone, which is then the default provider's.
    pub model: String,
    /// The model that answers where that one fails before its first word; null for the
    /// organization's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_model: Option<String>,
    /// The chatbot's instructions to the model.
    pub prompt: String,
    /// How questions are answered; absent while all of it is as it is by default.
    #[serde(skip_serializing_if = "Answering::is_default")]
    pub answering: Answering,
    /// The chat widget's look.
    pub snippet: Snippet,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            greeting: "Hello! How can I assist you today?".to_owned(),
            is_request_user_info_enabled: false,
            is_human_handover_enabled: true,
            is_rating_enabled: false,
            is_email_follow_up_enabled: false,
            office_hours: None,
            is_tool_enabled: true,
            tools: Vec::new(),
            model: "gpt-4o-mini".to_owned(),
            fallback_model: None,
            prompt: String::new(),
            answering: Answering::default(),
            snippet: Snippet::default(),
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<()> {
        at_most("settings.greeting", &self.greeting, 2_000)?;
        at_most("settings.prompt", &self.prompt, 32_000)?;
        at_most("settings.model", &self.model, 200)?;
        if self.model.trim().is_empty() || self.model.chars().any(char::is_control) {
            let problem = "must name a model, such as gpt-4o-mini";
            return Err(Error::invalid_field("settings.model", problem));
        }
        if let Some(office) = &self.office_hours {
            office.check()?;
        }
        parse_fallback("settings.fallbackModel", self.fallback_model.clone())?;
        self.answering.check()?;
        check_chosen("settings.tools", &self.tools)?;
        self.snippet.check("settings.snippet.")
    }
}

/// The chat widget's look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Snippet {
    /// The line at the top of the panel.
    pub header: String,
    /// The widget's language (BCP 47), or `auto` to follow the page.
    pub language: String,
    /// Address of a logo, or empty.
    pub logo: String,
    /// The assistant's name in the widget.
    pub name: String,
    /// Main colour, `#RRGGBB` or `#RGB`.
    pub primary_color: String,
    /// Second colour, `#RRGGBB` or `#RGB`.
    pub secondary_color: String,
    /// The line below the header.
    pub slogan: String,
}

impl Default for Snippet {
    fn default() -> Self {
        Self {
            header: String::new(),
            language: "auto".to_owned(),
            logo: String::new(),
            name: String::new(),
            primary_color: "#4F46E5".to_owned(),
            secondary_color: "#10B981".to_owned(),
            slogan: String::new(),
        }
    }
}

impl Snippet {
    /// Checks every rule; a problem's field is named with `prefix` before it.
    pub fn check(&self, prefix: &str) -> Result<()> {
        let path = |field: &str| format!("{prefix}{field}");
        at_most(&path("header"), &self.header, 200)?;
        at_most(&path("name"), &self.name, 200)?;
        at_most(&path("slogan"), &self.slogan, 500)?;
        check_language(&path("language"), &self.language)?;
        check_web_address(&path("logo"), &self.logo)?;
        check_color(&path("primaryColor"), &self.primary_color)?;
        check_color(&path("secondaryColor"), &self.secondary_color)
    }
}

/// The voice widget: its look, its words, its voice and its ear. `voice` and `vad` speak the words
/// of the OpenAI Realtime API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct VoiceWidgetConfig {
    /// The chatbot's id; whatever a client writes here, this is what is kept.
    pub agent_id: String,
    /// Colours and corners.
    pub appearance: VoiceAppearance,
    /// The picture on the card.
    pub avatar: VoiceAvatar,
    /// Limits for the spoken answer.
    pub model: VoiceModel,
    /// The words on the card.
    pub text: VoiceText,
    /// Voice-activity detection.
    pub vad: VoiceDetection,
    /// The voice that speaks.
    pub voice: String,
}

impl Default for VoiceWidgetConfig {
    fn default() -> Self {
        Self {
            agent_id: String::new(),
            appearance: VoiceAppearance::default(),
            avatar: VoiceAvatar::default(),
            model: VoiceModel::default(),
            text: VoiceText::default(),
            vad: VoiceDetection::default(),
            voice: "shimmer".to_owned(),
        }
    }
}

/// Colours and corners of the voice widget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)] // Each is what its name says: a colour, or a radius in pixels.
pub struct VoiceAppearance {
    pub background_color: String,
    pub border_color: String,
    pub button_color: String,
    pub button_radius: u32,
    pub button_text_color: String,
    pub card_radius: u32,
    pub focus_outline_color: String,
    pub text_color: String,
}

impl Default for VoiceAppearance {
    fn default() -> Self {
        Self {
            background_color: "#ffffff".to_owned(),
            border_color: "#e1e1e1".to_owned(),
            button_color: "#000000".to_owned(),
            button_radius: 32,
            button_text_color: "#ffffff".to_owned(),
            card_radius: 20,
            focus_outline_color: "#000000".to_owned(),
            text_color: "#000000".to_owned(),
        }
    }
}

/// The picture on the voice card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct VoiceAvatar {
    /// Its address, or empty.
    pub image_url: String,
}

/// Limits for the spoken answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct VoiceModel {
    /// The most tokens of an answer, 1 to 128,000.
    pub max_output_tokens: u32,
    /// How freely the model chooses words, 0 to 2.
    pub temperature: f64,
}

impl Default for VoiceModel {
    fn default() -> Self {
        Self {
            max_output_tokens: 2_048,
            temperature: 0.7,
        }
    }
}

/// The words on the voice card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)] // Each is the label that its name says.
pub struct VoiceText {
    pub call_to_action: String,
    pub end_call: String,
    pub listening_status: String,
    pub speaking_status: String,
    pub start_call: String,
}

impl Default for VoiceText {
    fn default() -> Self {
        Self {
            call_to_action: "Talk to us".to_owned(),
            end_call: "End".to_owned(),
            listening_status: "Listening".to_owned(),
            speaking_status: "Talk to interrupt".to_owned(),
            start_call: "Start a call".to_owned(),
        }
    }
}

/// Server voice-activity detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct VoiceDetection {
    /// Audio kept from before speech began, in milliseconds, at most 10,000.
    pub prefix_padding_ms: u32,
    /// Silence that ends a turn, in milliseconds, at most 60,000.
    pub silence_duration_ms: u32,
    /// How sure the detector must be, 0 to 1.
    pub threshold: f64,
}

impl Default for VoiceDetection {
    fn default() -> Self {
        Self {
            prefix_padding_ms: 500,
            silence_duration_ms: 1_000,
            threshold: 0.8,
        }
    }
}

impl VoiceWidgetConfig {
    /// Checks every rule.
    pub fn check(&self) -> Result<()> {
        let look = &self.appearance;
        for (field, color) in [
            ("appearance.backgroundColor", &look.background_color),
            ("appearance.borderColor", &look.border_color),
            ("appearance.buttonColor", &look.button_color),
            ("appearance.buttonTextColor", &look.button_text_color),
            ("appearance.focusOutlineColor", &look.focus_outline_color),
            ("appearance.textColor", &look.text_color),
        ] {
            check_color(field, color)?;
        }
        in_range(
            "appearance.buttonRadius",
            look.button_radius.into(),
            0.0,
            1_000.0,
        )?;
        in_range(
            "appearance.cardRadius",
            look.card_radius.into(),
            0.0,
            1_000.0,
        )?;
        check_web_address("avatar.imageUrl", &self.avatar.image_url)?;
        let tokens = self.model.max_output_tokens.into();
        in_range("model.max_output_tokens", tokens, 1.0, 128_000.0)?;
        in_range("model.temperature", self.model.temperature, 0.0, 2.0)?;
        for (field, words) in [
            ("text.callToAction", &self.text.call_to_action),
            ("text.endCall", &self.text.end_call),
            ("text.listeningStatus", &self.text.listening_status),
            ("text.speakingStatus", &self.text.speaking_status),
            ("text.startCall", &self.text.start_call),
        ] {
            at_most(field, words, 200)?;
        }
        let vad = &self.vad;
        in_range(
            "vad.prefix_padding_ms",
            vad.prefix_padding_ms.into(),
            0.0,
            10_000.0,
        )?;
        in_range(
            "vad.silence_duration_ms",
            vad.silence_duration_ms.into(),
            0.0,
            60_000.0,
        )?;
        in_range("vad.threshold", vad.threshold, 0.0, 1.0)?;
        if self.voice.is_empty() || self.voice.len() > 64 || !self.voice.is_ascii() {
            let problem = "must name a voice, such as shimmer";
            return Err(Error::invalid_field("voice", problem));
        }
        Ok(())
    }
}

/// `current` with a JSON Merge Patch (RFC 7396) applied. A value of the wrong type is named by its
/// path below `field`; `field` may be empty for a patch that is the whole body.
pub fn merge<T>(field: &str, current: &T, patch: &Value) -> Result<T>
where
    T: Serialize + DeserializeOwned,
{
    let mut value = serde_json::to_value(current)
        .map_err(|error| Error::internal("settings could not be written as JSON", error))?;
    if !patch.is_object() {
        let name = if field.is_empty() { "body" } else { field };
        return Err(Error::invalid_field(name, "must be a JSON object"));
    }
    merge_value(&mut value, patch, field)?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = match (field, path.as_str()) {
            (field, ".") => field.to_owned(),
            ("", path) => path.to_owned(),
            (field, path) => format!("{field}.{path}"),
        };
        Error::invalid_field(path, error.into_inner().to_string())
    })
}

/// RFC 7396, save that a list never replaces an object: serde would read a struct from it.
fn merge_value(target: &mut Value, patch: &Value, path: &str) -> Result<()> {
    let Value::Object(patch) = patch else {
        if target.is_object() && patch.is_array() {
            return Err(Error::invalid_field(path, "must be a JSON object"));
        }
        *target = patch.clone();
        return Ok(());
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return Ok(());
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
            continue;
        }
        let separator = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{separator}{key}");
        merge_value(
            target.entry(key.as_str()).or_insert(Value::Null),
            value,
            &path,
        )?;
    }
    Ok(())
}

fn in_range(field: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid_field(
        field,
        format!("must be from {low} to {high}"),
    ))
}

fn check_color(field: &str, color: &str) -> Result<()> {
    let digits = color.strip_prefix('#').unwrap_or_default();
    let proper = matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if proper {
        return Ok(());
    }
    Err(Error::invalid_field(
        field,
        "must be a colour such as #4F46E5",
    ))
}

fn check_language(field: &str, language: &str) -> Result<()> {
    let proper = (2..=35).contains(&language.len())
        && language
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if proper {
        return Ok(());
    }
    let problem = "must be auto or a language tag such as en or ko-KR";
    Err(Error::invalid_field(field, problem))
}

/// Addresses that browsers will load: only http and https, so that no script can hide in one.
fn check_web_address(field: &str, address: &str) -> Result<()> {
    let lower = address.get(..8).unwrap_or(address).to_ascii_lowercase();
    let web = lower.starts_with("https://") || lower.starts_with("http://");
    let clean = !address
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || "\"'<>".contains(c));
    if address.is_empty() || (web && clean && address.len() <= 2_000) {
        return Ok(());
    }
    let problem = "must be empty or an http(s) address of at most 2,000 characters";
    Err(Error::invalid_field(field, problem))
}
