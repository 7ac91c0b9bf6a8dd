//! Tools: what a chatbot may call while it answers, and how its calls are recorded.
//!
//! A chatbot's tools are chosen by their names (`settings.tools`): the built-in ones below, and the organization's own
//! [`action`]s and those of its [`server`]s.

pub mod action;
pub mod server;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chatbot::at_most;
use crate::error::{Error, Result};

/// Looks something else up in the knowledge.
pub const SEARCH_KNOWLEDGE: &str = "search_knowledge";
/// Has the visitor offered a person.
pub const ASK_FOR_PERSON: &str = "ask_for_person";
/// Keeps the name, e-mail address or phone number that the visitor wrote.
pub const RECORD_CONTACT: &str = "record_contact";

/// The tools that every chatbot may be given.
pub const BUILT_IN: [&str; 3] = [SEARCH_KNOWLEDGE, ASK_FOR_PERSON, RECORD_CONTACT];

/// Tools of one chatbot at most: models choose badly among more.
pub const MAX_TOOLS: usize = 32;
/// The most characters of a chosen tool's name.
const MAX_CHOSEN_CHARS: usize = 200;

/// Checks the names of a chatbot's tools. Whether they exist is seen when it answers: one that was deleted is not
/// offered.
pub fn check_chosen(field: &str, names: &[String]) -> Result<()> {
    if names.len() > MAX_TOOLS {
        return Err(Error::invalid_field(field, format!("at most {MAX_TOOLS}")));
    }
    for (index, name) in names.iter().enumerate() {
        let field = format!("{field}[{index}]");
        at_most(&field, name, MAX_CHOSEN_CHARS)?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(Error::invalid_field(field, "must name a tool"));
        }
        if names[..index].contains(name) {
            return Err(Error::invalid_field(field, "is named twice"));
        }
    }
    Ok(())
}

/// What became of a call when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// It was carried out, or failed: its result says which.
    Called,
    /// It changes something, and waits for the visitor to confirm it; it has no result yet.
    AwaitingConfirmation,
}

/// A call of a tool, as it is recorded with the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CalledTool {
    /// Tells the calls of an answer apart.
    pub id: String,
    /// The name that the model called, which need not be a tool's.
    pub name: String,
    /// What people are shown for it.
    pub title: String,
    /// The arguments: an object, or the text that the model wrote where that is none.
    pub arguments: Value,
    /// What became of it.
    pub state: CallState,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolOutcome {
    /// The call's id.
    pub tool_call_id: String,
    /// The name that was called.
    pub name: String,
    /// What the model was told, cut to the length that it was told.
    pub content: String,
    /// Whether the call failed; `content` says why.
    pub failed: bool,
    /// How long it took.
    pub milliseconds: f64,
}

/// The key of an answer's calls in its metadata, which on the wire stand beside it.
pub const CALLS: &str = "tool_calls";
/// The key of their results.
pub const RESULTS: &str = "tool_results";

/// The calls that an answer's metadata holds.
pub fn calls_in(metadata: &Map<String, Value>) -> Vec<CalledTool> {
    read(metadata, CALLS)
}

/// Their results.
pub fn results_in(metadata: &Map<String, Value>) -> Vec<ToolOutcome> {
    read(metadata, RESULTS)
}

/// Only the engine writes these; what a later version writes otherwise is nothing here.
fn read<T: serde::de::DeserializeOwned>(metadata: &Map<String, Value>, key: &str) -> Vec<T> {
    let entries = metadata.get(key).and_then(Value::as_array);
    let entries = entries.into_iter().flatten();
    entries.filter_map(|it| T::deserialize(it).ok()).collect()
}

/// What a visitor left to be reached by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// A name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// The most characters of a name or an e-mail address.
const MAX_CONTACT_CHARS: usize = 200;

impl Contact {
    /// The contact of these fields, trimmed, or the first rule that they break. The message is read by models.
    pub fn parse(name: Option<&str>, email: Option<&str>, phone: Option<&str>) -> Result<Self> {
        let line = |field: &str, text: Option<&str>| {
            let text = text.map(str::trim).filter(|text| !text.is_empty());
            let Some(text) = text else { return Ok(None) };
            at_most(field, text, MAX_CONTACT_CHARS)?;
            match text.chars().any(char::is_control) {
                true => Err(Error::invalid_field(field, "must be one line")),
                false => Ok(Some(text.to_owned())),
            }
        };
        let contact = Self {
            name: line("name", name)?,
            email: line("email", email)?,
            phone: line("phone", phone)?,
        };
        if let Some(email) = &contact.email {
            let proper = email.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && domain.contains('.') && !domain.contains('@')
            });
            if !proper || email.contains(char::is_whitespace) {
                return Err(Error::invalid_field("email", "is no e-mail address"));
            }
        }
        if let Some(phone) = &contact.phone {
            let digits = phone.chars().filter(char::is_ascii_digit).count();
            let proper = |c: char| c.is_ascii_digit() || " +-().".contains(c);
            if !(5..=20).contains(&digits) || !phone.chars().all(proper) {
                return Err(Error::invalid_field("phone", "is no phone number"));
            }
        }
        if contact == Self::default() {
            return Err(Error::invalid(
                "Give a name, an e-mail address or a phone number.",
            ));
        }
        Ok(contact)
    }

    /// The first field that the visitor did not write in any of these messages: what nobody said is not recorded,
    /// whoever had the model call for it.
    pub fn not_said_in<'a>(&self, messages: impl Iterator<Item = &'a str>) -> Option<&'static str> {
        let said: Vec<String> = messages.map(folded).collect();
        let is_said = |text: &str| said.iter().any(|message| message.contains(&folded(text)));
        let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
        let is_dialled = |phone: &str| {
            let phone = digits(phone);
            said.iter().any(|message| digits(message).contains(&phone))
        };
        match self {
            Self {
                name: Some(name), ..
            } if !is_said(name) => Some("name"),
            Self {
                email: Some(email), ..
            } if !is_said(email) => Some("email"),
            Self {
                phone: Some(phone), ..
            } if !is_dialled(phone) => Some("phone"),
            _ => None,
        }
    }

    /// This one, with what it lacks taken from an earlier one.
    pub fn over(self, earlier: Self) -> Self {
        Self {
            name: self.name.or(earlier.name),
            email: self.email.or(earlier.email),
            phone: self.phone.or(earlier.phone),
        }
    }

    /// Puts it into a session's metadata, where that does not say otherwise.
    pub fn told_in(self, metadata: &mut Map<String, Value>) {
        metadata.insert("anonymous".to_owned(), Value::Bool(false));
        for (field, value) in [
            ("name", self.name),
            ("email", self.email),
            ("phone", self.phone),
        ] {
            if let Some(value) = value {
                metadata.entry(field).or_insert(Value::String(value));
            }
        }
    }
}

/// Lower case, with single spaces.
fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_tools_are_few_and_named_once() {
        let check = |names: &[&str], expected: Option<&str>| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let field = check_chosen("tools", &names)
                .err()
                .map(|error| error.details[0].field.clone());
            assert_eq!(field.as_deref(), expected, "{names:?}");
        };
        check(&[], None);
        check(&BUILT_IN, None);
        check(&["search_knowledge", "search_knowledge"], Some("tools[1]"));
        check(&[""], Some("tools[0]"));
        check(&["a\nb"], Some("tools[0]"));
        check(&["a"; 33], Some("tools"));
    }

    #[test]
    fn a_contact_is_one_that_somebody_can_be_reached_by() {
        let check = |name, email, phone, expected: bool| {
            let parsed = Contact::parse(name, email, phone);
            assert_eq!(parsed.is_ok(), expected, "{name:?} {email:?} {phone:?}");
        };
        check(Some("Kim"), None, None, true);
        check(None, Some(" kim@shop.example "), None, true);
        check(None, None, Some("+82 (10) 1234-5678"), true);
        check(None, None, None, false);
        check(Some("  "), None, None, false);
        check(None, Some("kim"), None, false);
        check(None, Some("k im@shop.example"), None, false);
        check(None, None, Some("12"), false);
        check(None, None, Some("call me 12345"), false);
        check(Some("a\nb"), None, None, false);
        let long = "a".repeat(201);
        check(Some(&long), None, None, false);
    }

    #[test]
    fn only_what_the_visitor_wrote_is_recorded() {
        let check = |contact: (Option<&str>, Option<&str>, Option<&str>),
                     expected: Option<&str>| {
            let contact = Contact::parse(contact.0, contact.1, contact.2).expect("proper");
            let said = [
                "I am Kim\n Minsu.",
                "Write to KIM@shop.example or call 010 1234 5678",
            ];
            assert_eq!(
                contact.not_said_in(said.into_iter()),
                expected,
                "{contact:?}"
            );
        };
        check((Some("kim minsu"), None, None), None);
        check((None, Some("kim@shop.example"), None), None);
        check((None, None, Some("010-1234-5678")), None);
        check((Some("Kim"), Some("evil@bad.example"), None), Some("email"));
        check((Some("Mallory"), None, None), Some("name"));
        check((None, None, Some("999-9999")), Some("phone"));
    }

    #[test]
    fn a_contact_adds_to_what_is_known_and_replaces_none_of_it() {
        let kim = |email| Contact::parse(Some("Kim"), email, None).expect("proper");
        let newer = Contact::parse(None, Some("b@x.example"), None).expect("proper");
        let both = newer.over(kim(Some("a@x.example")));
        assert_eq!(both, kim(Some("b@x.example")));
        let mut metadata = Map::from_iter([
            ("name".to_owned(), "Lee".into()),
            ("anonymous".to_owned(), true.into()),
        ]);
        both.told_in(&mut metadata);
        assert_eq!(
            Value::Object(metadata),
            serde_json::json!({"name": "Lee", "email": "b@x.example", "anonymous": false})
        );
    }
}
