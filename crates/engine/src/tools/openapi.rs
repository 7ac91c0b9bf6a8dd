//! Reads an OpenAPI document (3.0 and 3.1) into actions that an organization may keep. Pure; the document is
//! somebody else's, so whatever of it cannot be an action is left out with the reason. [`document`] makes it of a text.

mod document;

use std::collections::BTreeMap;

use okra_domain::Timestamp;
use okra_domain::error::{Error, Result};
use okra_domain::tool::action::{Action, ActionInput, Method, parse_method};
use serde_json::{Map, Value, json};

pub use document::read_document;

/// Operations of one document that are read; what is more is not looked at.
const MOST: usize = 200;
/// How deep references are followed.
const DEPTH: usize = 8;
/// Values of a schema that are looked at, so that references to references to references end.
const NODES: usize = 2_000;
/// Characters of a title and of a description, at most.
const TITLE_CHARS: usize = 100;
const DESCRIPTION_CHARS: usize = 1_000;

/// What a document holds.
#[derive(Debug, Default)]
pub struct Described {
    /// The actions that may be kept.
    pub drafts: Vec<Draft>,
    /// What cannot be one, as `GET /orders`, and why.
    pub skipped: Vec<(String, String)>,
}

/// An action as a document describes it.
#[derive(Debug)]
pub struct Draft {
    /// The action, without headers.
    pub action: Action,
    /// The names of headers that it has to be given, such as `authorization`.
    pub headers: Vec<String>,
}

/// The actions of a document; `server` takes the place of the address that it names.
pub fn described(document: &Value, server: Option<&str>, now: Timestamp) -> Result<Described> {
    let version = document
        .get("openapi")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !version.starts_with("3.") {
        let problem =
            "must be an OpenAPI document of version 3 (with a field openapi such as \"3.1.0\")";
        return Err(Error::invalid_field("document", problem));
    }
    let server = match server.map(str::trim).filter(|server| !server.is_empty()) {
        Some(server) => server.to_owned(),
        None => server_of(document)?,
    };
    let Some(paths) = document.get("paths").and_then(Value::as_object) else {
        return Err(Error::invalid_field("document", "has no paths"));
    };
    let mut described = Described::default();
    let mut names = BTreeMap::new();
    for (path, item) in paths {
        let item = resolved(document, item);
        for word in ["get", "post", "put", "patch", "delete"] {
            let Some(operation) = item.get(word) else {
                continue;
            };
            if described.drafts.len() + described.skipped.len() == MOST {
                let reason = format!("only the first {MOST} operations are read");
                described.skipped.push(("the rest".to_owned(), reason));
                return Ok(described);
            }
            let reader = Reader {
                document,
                server: server.trim_end_matches('/'),
                path,
                method: parse_method(word)?,
                common: item.get("parameters"),
                operation,
            };
            match reader.draft(&mut names, now) {
                Ok(draft) => described.drafts.push(draft),
                Err(reason) => {
                    let operation = format!("{} {path}", word.to_ascii_uppercase());
                    described
                        .skipped
                        .push((operation.chars().take(200).collect(), reason));
                }
            }
        }
    }
    Ok(described)
}

/// The address that the document names first, with what its variables are by default.
fn server_of(document: &Value) -> Result<String> {
    let server = document.pointer("/servers/0");
    let url = server
        .and_then(|server| server.get("url"))
        .and_then(Value::as_str);
    let mut url = url.unwrap_or_default().to_owned();
    let variables = server
        .and_then(|server| server.get("variables"))
        .and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = variable
            .get("default")
            .and_then(Value::as_str)
            .unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    match url.starts_with("https://") || url.starts_with("http://") {
        true => Ok(url),
        false => {
            let problem = "is needed: the document names no address that begins with https://";
            Err(Error::invalid_field("server", problem))
        }
    }
}

/// One operation.
struct Reader<'a> {
    document: &'a Value,
    server: &'a str,
    path: &'a str,
    method: Method,
    common: Option<&'a Value>,
    operation: &'a Value,
}

/// Arguments as they are gathered.
#[derive(Default)]
struct Arguments {
    properties: Map<String, Value>,
    required: Vec<String>,
    query: Vec<String>,
    headers: Vec<String>,
}

impl Arguments {
    fn add(
        &mut self,
        name: &str,
        schema: Value,
        required: bool,
    ) -> std::result::Result<(), String> {
        if self.properties.insert(name.to_owned(), schema).is_some() {
            return Err(format!("has two arguments named {name}"));
        }
        if required {
            self.required.push(name.to_owned());
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn draft(
        &self,
        names: &mut BTreeMap<String, usize>,
        now: Timestamp,
    ) -> std::result::Result<Draft, String> {
        let mut arguments = Arguments::default();
        for parameter in self.parameters() {
            self.add_parameter(&parameter, &mut arguments)?;
        }
        self.add_body(&mut arguments)?;
        self.add_credentials(&mut arguments)?;
        let text = |field: &str| {
            self.operation
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let id = match text("operationId") {
            "" => format!("{}_{}", self.method.as_str(), self.path),
            id => id.to_owned(),
        };
        let title = match text("summary") {
            "" => id.clone(),
            summary => summary.to_owned(),
        };
        let description = match (text("summary"), text("description")) {
            ("", "") => format!("{} {}", self.method.as_str(), self.path),
            (summary, "") => summary.to_owned(),
            ("", description) => description.to_owned(),
            (summary, description) => format!("{summary}\n{description}"),
        };
        let mut parameters = json!({"type": "object", "properties": arguments.properties});
        if !arguments.required.is_empty() {
            parameters["required"] = json!(arguments.required);
        }
        let input = ActionInput {
            title: Some(line(&title, TITLE_CHARS)),
            description: description.chars().take(DESCRIPTION_CHARS).collect(),
            method: self.method,
            url: format!("{}{}", self.server, self.path),
            parameters: Some(parameters),
            query: arguments.query,
            confirm: None,
            headers: None,
        };
        let name = unlike(named(&id), names);
        let action =
            Action::of(&name, input, None, now).map_err(|error| match error.details.first() {
                Some(problem) => format!("{} {}", problem.field, problem.problem),
                None => error.message,
            })?;
        Ok(Draft {
            action,
            headers: arguments.headers,
        })
    }

    /// The operation's parameters, with those of its path that it does not have itself.
    fn parameters(&self) -> Vec<Value> {
        let list = |value: Option<&Value>| -> Vec<Value> {
            let entries = value.and_then(Value::as_array).into_iter().flatten();
            entries
                .map(|it| resolved(self.document, it).clone())
                .collect()
        };
        let mut own = list(self.operation.get("parameters"));
        for common in list(self.common) {
            let is_same = |it: &Value| it["name"] == common["name"] && it["in"] == common["in"];
            if !own.iter().any(is_same) {
                own.push(common);
            }
        }
        own
    }

    fn add_parameter(
        &self,
        parameter: &Value,
        arguments: &mut Arguments,
    ) -> std::result::Result<(), String> {
        let name = parameter["name"]
            .as_str()
            .ok_or("has a parameter without a name")?;
        let required = parameter["required"] == true;
        let mut schema = self.schema(parameter.get("schema").unwrap_or(&Value::Null));
        if let (Some(schema), Some(text)) =
            (schema.as_object_mut(), parameter["description"].as_str())
        {
            schema.entry("description").or_insert_with(|| text.into());
        }
        match parameter["in"].as_str().unwrap_or_default() {
            "path" => arguments.add(name, schema, true),
            "query" => {
                if self.method.has_body() {
                    arguments.query.push(name.to_owned());
                }
                arguments.add(name, schema, required)
            }
            "header" if required => {
                arguments.headers.push(name.to_ascii_lowercase());
                Ok(())
            }
            "header" => Ok(()),
            _ if required => Err(format!("needs the cookie {name}")),
            _ => Ok(()),
        }
    }

    fn add_body(&self, arguments: &mut Arguments) -> std::result::Result<(), String> {
        let Some(body) = self.operation.get("requestBody") else {
            return Ok(());
        };
        let body = resolved(self.document, body);
        let content = body.get("content").and_then(Value::as_object);
        let is_json = |kind: &str| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind == "application/json" || kind.ends_with("+json") || kind == "*/*"
        };
        let json = content
            .into_iter()
            .flatten()
            .find(|(kind, _)| is_json(kind));
        let Some((_, json)) = json else {
            return match body["required"] == true {
                true => Err("takes no JSON".to_owned()),
                false => Ok(()),
            };
        };
        let schema = self.schema(json.get("schema").unwrap_or(&Value::Null));
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return match schema.get("type").and_then(Value::as_str) {
                None | Some("object") => Ok(()),
                Some(other) => Err(format!("takes a body of type {other}, not an object")),
            };
        };
        let required = schema.get("required").and_then(Value::as_array);
        let required: Vec<&str> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, property) in properties {
            let needed = body["required"] == true && required.contains(&name.as_str());
            arguments.add(name, property.clone(), needed)?;
        }
        Ok(())
    }

    /// Which headers carry the credential. Of several ways the first that is one of headers alone.
    fn add_credentials(&self, arguments: &mut Arguments) -> std::result::Result<(), String> {
        let security = self
            .operation
            .get("security")
            .or_else(|| self.document.get("security"));
        let ways = security
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if ways.is_empty() {
            return Ok(());
        }
        let headers_of = |way: &Value| -> Option<Vec<String>> {
            let schemes = way.as_object()?.keys();
            schemes.map(|name| self.header_of(name)).collect()
        };
        let headers = ways.iter().find_map(headers_of);
        let headers = headers.ok_or("takes its credential otherwise than in a header")?;
        for header in headers {
            if !arguments.headers.contains(&header) {
                arguments.headers.push(header);
            }
        }
        Ok(())
    }

    fn header_of(&self, scheme: &str) -> Option<String> {
        let schemes = self.document.pointer("/components/securitySchemes")?;
        let scheme = resolved(self.document, schemes.get(scheme)?);
        match (scheme["type"].as_str()?, scheme["in"].as_str()) {
            ("apiKey", Some("header")) => Some(scheme["name"].as_str()?.to_ascii_lowercase()),
            ("apiKey", _) => None,
            ("http" | "oauth2" | "openIdConnect", _) => Some("authorization".to_owned()),
            _ => None,
        }
    }

    fn schema(&self, schema: &Value) -> Value {
        let mut nodes = NODES;
        plain_schema(self.document, schema, DEPTH, &mut nodes)
    }
}

/// What a reference within the document leads to; itself where it is none.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    for _ in 0..DEPTH {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            break;
        };
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer));
        value = target.unwrap_or(&Value::Null);
    }
    value
}

/// Members of a schema that models are told; what else it holds some providers refuse.
const TOLD: [&str; 14] = [
    "type",
    "description",
    "enum",
    "format",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "required",
    "title",
];

/// The schema without references, as deep as they are followed.
fn plain_schema(document: &Value, schema: &Value, depth: usize, nodes: &mut usize) -> Value {
    let mut plain = Map::new();
    let schema = resolved(document, schema);
    let Some(object) = schema.as_object() else {
        return Value::Object(plain);
    };
    if depth == 0 || *nodes == 0 {
        return Value::Object(plain);
    }
    *nodes -= 1;
    for (key, value) in object {
        match (key.as_str(), value) {
            ("items", value) => {
                plain.insert(key.clone(), plain_schema(document, value, depth - 1, nodes));
            }
            ("properties", Value::Object(properties)) => {
                let inner = properties.iter();
                let inner = inner
                    .map(|(name, it)| (name.clone(), plain_schema(document, it, depth - 1, nodes)));
                plain.insert(key.clone(), Value::Object(inner.collect()));
            }
            // What it is made of is put together; of what it may be, the first is taken.
            ("allOf", Value::Array(parts)) => {
                for part in parts {
                    join(&mut plain, plain_schema(document, part, depth - 1, nodes));
                }
            }
            ("anyOf" | "oneOf", Value::Array(parts)) => {
                let first = parts.iter().find(|part| part["type"] != "null");
                if let Some(first) = first {
                    join(&mut plain, plain_schema(document, first, depth - 1, nodes));
                }
            }
            (key, value) if TOLD.contains(&key) => {
                plain.insert(key.to_owned(), value.clone());
            }
            _ => {}
        }
    }
    Value::Object(plain)
}

/// Adds a part to a schema that is made of several.
fn join(whole: &mut Map<String, Value>, part: Value) {
    let Value::Object(part) = part else { return };
    for (key, value) in part {
        match (whole.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (Some(Value::Array(there)), Value::Array(more)) if key == "required" => {
                there.extend(more)
            }
            (Some(_), _) => {}
            (None, value) => {
                whole.insert(key, value);
            }
        }
    }
}

/// A tool's name of an operation's id: `listOrders` is `list_orders`.
fn named(id: &str) -> String {
    let mut name = String::new();
    let mut before = ' ';
    for c in id.chars() {
        let begins =
            c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit());
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => {
                if begins {
                    name.push('_');
                }
                name.push(c);
            }
            _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            _ => {}
        }
        before = c;
    }
    let name = name.trim_matches('_');
    let name = match name.bytes().next() {
        Some(byte) if byte.is_ascii_lowercase() => name.to_owned(),
        _ => format!("call_{name}"),
    };
    name.chars().take(60).collect()
}

/// The name, with a number where it was given before.
fn unlike(name: String, names: &mut BTreeMap<String, usize>) -> String {
    let count = names.entry(name.clone()).or_default();
    *count += 1;
    match *count {
        1 => name,
        count => format!("{name}_{count}"),
    }
}

/// The beginning of a text as one line.
fn line(text: &str, characters: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(characters)
        .collect()
}

#[cfg(test)]
mod tests;
