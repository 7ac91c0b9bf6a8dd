//! HTTP actions: requests to an organization's own systems that its chatbots may make. Pure: nothing is sent here.
//!
//! Where a request may go is fixed by its definition: the arguments that a model writes fill places in the path and the
//! query, never the host.

use std::str::FromStr;

use serde_json::{Map, Value};
use url::{Origin, Url};

use super::BUILT_IN;
use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::knowledge::words;
use crate::{Secret, Timestamp};

/// Actions of one organization at most.
pub const MAX_ACTIONS: i64 = 100;
/// The most characters of an action's name, which every provider takes.
const MAX_NAME_CHARS: usize = 64;
/// The most characters of what people are shown for it.
const MAX_TITLE_CHARS: usize = 100;
/// The most characters of what the model is told of it.
const MAX_DESCRIPTION_CHARS: usize = 1_000;
/// The most characters of its address.
const MAX_URL_CHARS: usize = 2_000;
/// The most bytes of its parameters' schema.
const MAX_SCHEMA_BYTES: usize = 16 * 1024;
/// Parameters of one action at most.
const MAX_PARAMETERS: usize = 32;
/// Headers of one action at most.
const MAX_HEADERS: usize = 10;
/// The most bytes of a header's value.
const MAX_HEADER_BYTES: usize = 4 * 1024;

/// How an action asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads. Arguments that have no place in the address go into its query.
    Get,
    /// Arguments that have no place in the address go into a JSON body, as in the next two.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes. Arguments that have no place in the address go into its query.
    Delete,
}

words!(Method { Get = "GET", Post = "POST", Put = "PUT", Patch = "PATCH", Delete = "DELETE" });

impl Method {
    /// Whether its arguments go into a body.
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// A request that a chatbot may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What it is chosen and called by: its organization has no other of this name.
    pub name: String,
    /// What people are shown for it.
    pub title: String,
    /// What it does and when it is of use, for the model.
    pub description: String,
    /// How it asks.
    pub method: Method,
    /// Where, with `{name}` where an argument goes, in the path or the query.
    pub url: String,
    /// Its arguments, as a JSON Schema of an object.
    pub parameters: Value,
    /// Arguments that go into the query although the request has a body.
    pub query: Vec<String>,
    /// Whether the visitor must confirm it before it is made.
    pub confirm: bool,
    /// What is sent with it, such as its credential.
    pub headers: Vec<SecretHeader>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything above last changed.
    pub updated_at: Timestamp,
}

/// A header whose value nobody is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHeader {
    /// Its name, in lower case.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

/// An action as a caller describes it.
#[derive(Debug, Clone)]
pub struct ActionInput {
    /// See [`Action::title`]; the name where `None`.
    pub title: Option<String>,
    /// See [`Action::description`].
    pub description: String,
    /// See [`Action::method`].
    pub method: Method,
    /// See [`Action::url`].
    pub url: String,
    /// See [`Action::parameters`]; none where `None`.
    pub parameters: Option<Value>,
    /// See [`Action::query`].
    pub query: Vec<String>,
    /// See [`Action::confirm`]; where `None`, of whatever does not merely read.
    pub confirm: Option<bool>,
    /// All headers: with a value, or with the one that there is. `None` leaves them as they are.
    pub headers: Option<Vec<(String, Option<Secret>)>>,
}

impl Action {
    /// The action of this description in place of `current`, or the first rule that it breaks. Headers that are to
    /// stay as they are do so only while they are sent to the same host: whoever may change an address must not be
    /// sent what it was not meant for.
    pub fn of(
        name: &str,
        input: ActionInput,
        current: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self> {
        let name = parse_name(name)?;
        let title = input
            .title
            .as_deref()
            .map(str::trim)
            .filter(|title| !title.is_empty());
        let title = title.unwrap_or(&name).to_owned();
        at_most("title", &title, MAX_TITLE_CHARS)?;
        if title.chars().any(char::is_control) {
            return Err(Error::invalid_field("title", "must be one line"));
        }
        let description = input.description.trim().to_owned();
        if description.is_empty() {
            let problem = "is needed: it tells the model what the tool does and when it is of use";
            return Err(Error::invalid_field("description", problem));
        }
        at_most("description", &description, MAX_DESCRIPTION_CHARS)?;
        let parameters = parse_schema(input.parameters)?;
        let url = parse_template(&input.url, &parameters)?;
        for (index, parameter) in input.query.iter().enumerate() {
            if !properties(&parameters).is_some_and(|it| it.contains_key(parameter)) {
                return Err(Error::invalid_field(
                    format!("query[{index}]"),
                    "names no parameter",
                ));
            }
        }
        let kept = current.filter(|current| current.origin() == origin_of(&url));
        let kept = kept
            .map(|current| current.headers.as_slice())
            .unwrap_or_default();
        let headers = match input.headers {
            Some(headers) => parse_headers(headers, kept)?,
            None => kept.to_vec(),
        };
        Ok(Self {
            name,
            title,
            description,
            method: input.method,
            url,
            parameters,
            query: input.query,
            confirm: input.confirm.unwrap_or(input.method != Method::Get),
            headers,
            created_at: current.map_or(now, |current| current.created_at),
            updated_at: now,
        })
    }

    /// The host that it is sent to, with scheme and port.
    pub fn origin(&self) -> Origin {
        origin_of(&self.url)
    }

    /// What of these arguments does not suit its schema, in words that a model can mend it by. Looked at are the
    /// names, whether those are there that are needed, the types and the values to choose from, of the arguments
    /// themselves and not of what is within them: the rest is for the called system to say.
    pub fn fault_of(&self, arguments: &Map<String, Value>) -> Option<String> {
        let none = Map::new();
        let properties = properties(&self.parameters).unwrap_or(&none);
        let needed = self.parameters.get("required").and_then(Value::as_array);
        for name in needed.into_iter().flatten().filter_map(Value::as_str) {
            if arguments.get(name).is_none_or(Value::is_null) {
                return Some(format!("The argument {name} is needed."));
            }
        }
        for (name, value) in arguments {
            let Some(schema) = properties.get(name) else {
                let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                return Some(format!(
                    "There is no argument {name:?}. There are: {}.",
                    known.join(", ")
                ));
            };
            if value.is_null() {
                continue;
            }
            if let Some(expected) = schema.get("type").and_then(Value::as_str)
                && !is_of(value, expected)
            {
                return Some(format!("The argument {name} must be of type {expected}."));
            }
            if let Some(choices) = schema.get("enum").and_then(Value::as_array)
                && !choices.contains(value)
            {
                return Some(format!(
                    "The argument {name} must be one of {}.",
                    Value::Array(choices.clone())
                ));
            }
        }
        None
    }
}

fn is_of(value: &Value, expected: &str) -> bool {
    match expected {
        "string" => value.is_string(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|it| it.fract() == 0.0)
        }
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// Checks an action's name: lower-case letters, digits and `_`, beginning with a letter; not that of a built-in tool.
pub fn parse_name(name: &str) -> Result<String> {
    let proper = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || name.len() > MAX_NAME_CHARS || !name.bytes().all(proper) {
        let problem = "must be 1 to 64 lower-case letters, digits and _, beginning with a letter, such as get_order";
        return Err(Error::invalid_field("name", problem));
    }
    if BUILT_IN.contains(&name) {
        return Err(Error::invalid_field("name", "is that of a built-in tool"));
    }
    Ok(name.to_owned())
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

fn parse_schema(schema: Option<Value>) -> Result<Value> {
    let field = "parameters";
    let Some(mut schema) = schema.filter(|schema| !schema.is_null()) else {
        return Ok(serde_json::json!({"type": "object", "properties": {}}));
    };
    let Some(object) = schema.as_object_mut() else {
        return Err(Error::invalid_field(
            field,
            "must be a JSON Schema of an object",
        ));
    };
    let kind = object.entry("type").or_insert_with(|| "object".into());
    if *kind != "object" {
        return Err(Error::invalid_field(
            format!("{field}.type"),
            "must be object",
        ));
    }
    let properties = object
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(properties) = properties.as_object() else {
        return Err(Error::invalid_field(
            format!("{field}.properties"),
            "must be an object",
        ));
    };
    if properties.len() > MAX_PARAMETERS {
        let problem = format!("at most {MAX_PARAMETERS}");
        return Err(Error::invalid_field(format!("{field}.properties"), problem));
    }
    for (name, property) in properties {
        let proper = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty()
            || name.len() > MAX_NAME_CHARS
            || !name.chars().all(proper)
            || !property.is_object()
        {
            let problem =
                "must be a schema under a name of letters, digits, _, - and ., 64 at most";
            return Err(Error::invalid_field(
                format!("{field}.properties.{name}"),
                problem,
            ));
        }
    }
    let needed = object.get("required");
    let names = needed.and_then(Value::as_array).into_iter().flatten();
    let known = |name: &Value| {
        name.as_str().is_some_and(|name| {
            object
                .get("properties")
                .and_then(Value::as_object)
                .is_some_and(|it| it.contains_key(name))
        })
    };
    if needed.is_some_and(|needed| !needed.is_array()) || !names.into_iter().all(known) {
        return Err(Error::invalid_field(
            format!("{field}.required"),
            "must be a list of names of properties",
        ));
    }
    if schema.to_string().len() > MAX_SCHEMA_BYTES {
        return Err(Error::invalid_field(field, "at most 16 KB"));
    }
    if holds_zero(&schema) {
        return Err(Error::invalid_field(
            field,
            "must not hold the character U+0000",
        ));
    }
    Ok(schema)
}

/// Postgres keeps no such character in JSON.
fn holds_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(entries) => entries.iter().any(holds_zero),
        Value::Object(entries) => entries
            .iter()
            .any(|(key, value)| key.contains('\0') || holds_zero(value)),
        _ => false,
    }
}

/// The pieces of an address with places for arguments: text, and names in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Stays as it is.
    Text(&'a str),
    /// Is filled with the argument of this name.
    Argument(&'a str),
}

/// The pieces of `url`; `None` where its braces do not match.
pub fn pieces(url: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = url;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        if text.contains('}') || name.is_empty() || name.contains('{') {
            return None;
        }
        pieces.extend([Piece::Text(text), Piece::Argument(name)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    (!rest.contains('}')).then_some(pieces)
}

fn parse_template(url: &str, parameters: &Value) -> Result<String> {
    let url = url.trim();
    let refused = |problem: &str| Err(Error::invalid_field("url", problem));
    at_most("url", url, MAX_URL_CHARS)?;
    let Some(pieces) = pieces(url) else {
        return refused("holds a brace without its other half");
    };
    // Scheme and host lie in what comes before the first argument, and end there.
    let fixed = match pieces.first() {
        Some(Piece::Text(fixed)) => *fixed,
        _ => "",
    };
    let authority = fixed.split_once("://").map_or("", |(_, rest)| rest);
    if authority.is_empty() || authority.starts_with(['/', '?']) {
        return refused("must begin with https:// and a host");
    }
    if pieces.len() > 1 && !authority.contains(['/', '?']) {
        return refused("may have arguments in its path and query alone");
    }
    let plain = |parsed: &Url| {
        matches!(parsed.scheme(), "https" | "http")
            && parsed.has_host()
            && parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.fragment().is_none()
    };
    if url.contains(['\0', '\n', '\r', '\t', '\\'])
        || !Url::parse(fixed).is_ok_and(|it| plain(&it))
        || url.contains('#')
    {
        return refused(
            "must be an address such as https://api.example.com/orders/{order_id}, without a user name",
        );
    }
    for piece in pieces {
        if let Piece::Argument(name) = piece
            && !properties(parameters).is_some_and(|it| it.contains_key(name))
        {
            return Err(Error::invalid_field(
                "url",
                format!("names {{{name}}}, which is no parameter"),
            ));
        }
    }
    Ok(url.to_owned())
}

/// Of an address that was checked. Its braces are no letters of a host.
fn origin_of(url: &str) -> Origin {
    let fixed = url.split('{').next().unwrap_or_default();
    Url::parse(fixed).map_or_else(|_| Origin::new_opaque(), |url| url.origin())
}

/// Headers that make the request what it is are the client's to set.
const NOT_OURS: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "accept-encoding",
];

pub(super) fn parse_headers(
    headers: Vec<(String, Option<Secret>)>,
    kept: &[SecretHeader],
) -> Result<Vec<SecretHeader>> {
    if headers.len() > MAX_HEADERS {
        return Err(Error::invalid_field(
            "headers",
            format!("at most {MAX_HEADERS}"),
        ));
    }
    let mut parsed: Vec<SecretHeader> = Vec::new();
    for (name, value) in headers {
        let field = format!("headers.{name}");
        let name = name.trim().to_ascii_lowercase();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME_CHARS || !name.bytes().all(token) {
            return Err(Error::invalid_field(
                field,
                "must be named with letters, digits, - and _",
            ));
        }
        if NOT_OURS.contains(&name.as_str()) || parsed.iter().any(|it| it.name == name) {
            return Err(Error::invalid_field(
                field,
                "cannot be set, or is set twice",
            ));
        }
        let present = || {
            kept.iter()
                .find(|it| it.name == name)
                .map(|it| it.value.clone())
        };
        let Some(value) = value.or_else(present) else {
            let problem = "needs its value: there is none that stays, since it is new or would go to another host";
            return Err(Error::invalid_field(field, problem));
        };
        let text = value.expose();
        let visible = |byte: u8| (b' '..=b'~').contains(&byte);
        if text.is_empty() || text.len() > MAX_HEADER_BYTES || !text.bytes().all(visible) {
            return Err(Error::invalid_field(
                field,
                "must be 1 to 4,096 characters of plain ASCII",
            ));
        }
        parsed.push(SecretHeader { name, value });
    }
    Ok(parsed)
}

/// The method of this word, in upper or lower case.
pub fn parse_method(word: &str) -> Result<Method> {
    Method::from_str(&word.to_ascii_uppercase())
        .map_err(|_| Error::invalid_field("method", "must be GET, POST, PUT, PATCH or DELETE"))
}

#[cfg(test)]
mod tests;
