//! MCP servers: programs that offer tools of their own by the Model Context Protocol, at an address or started as a
//! command that the operator allows. Pure; nothing is asked here.
//!
//! What a server offers is stored when it is set: a model is told what somebody looked at, and not what the server says
//! of itself later.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Origin, Url};

use super::action::{SecretHeader, parse_headers, parse_name};
use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::{Secret, Timestamp};

/// Servers of one organization at most.
pub const MAX_SERVERS: i64 = 20;
/// Tools of one server that are kept.
pub const MAX_SERVED: usize = 100;
/// The most characters of a server's address.
const MAX_URL_CHARS: usize = 2_000;
/// The most characters of a command's name.
const MAX_COMMAND_CHARS: usize = 64;

/// A server of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolServer {
    /// What its tools are chosen by, as in `crm/find_customer`: its organization has no other of this name.
    pub name: String,
    /// How it is reached.
    pub reach: Reach,
    /// What is sent with each request, such as its credential.
    pub headers: Vec<SecretHeader>,
    /// Tools that are called without asking the visitor.
    pub unconfirmed: Vec<String>,
    /// What it offered when it was set.
    pub tools: Vec<ServedTool>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything above last changed.
    pub updated_at: Timestamp,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// At this address, over streamable HTTP.
    Url(String),
    /// By running the command of this name, over its standard input and output. What it runs is the operator's to say.
    Command(String),
}

/// A tool that a server offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedTool {
    /// The server's name for it.
    pub name: String,
    /// What people are shown for it.
    pub title: String,
    /// What it does, in the server's words.
    pub description: String,
    /// Its arguments, as a JSON Schema of an object.
    pub parameters: Value,
}

/// A server as a caller describes it.
#[derive(Debug, Clone)]
pub struct ServerInput {
    /// Its address, or
    pub url: Option<String>,
    /// the name of the command that it is.
    pub command: Option<String>,
    /// All headers: with a value, or with the one that there is. `None` leaves them as they are.
    pub headers: Option<Vec<(String, Option<Secret>)>>,
    /// See [`ToolServer::unconfirmed`].
    pub unconfirmed: Vec<String>,
}

impl ToolServer {
    /// The server of this description in place of `current`, or the first rule that it breaks; without its tools,
    /// which it is still to be asked for. Headers stay only while they are sent to the same host.
    pub fn of(
        name: &str,
        input: ServerInput,
        current: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self> {
        let reach = parse_reach(input.url, input.command)?;
        let kept = current.filter(|current| current.reach.origin() == reach.origin());
        let kept = kept
            .map(|current| current.headers.as_slice())
            .unwrap_or_default();
        if input.unconfirmed.len() > MAX_SERVED {
            return Err(Error::invalid_field(
                "unconfirmed",
                format!("at most {MAX_SERVED}"),
            ));
        }
        for (index, tool) in input.unconfirmed.iter().enumerate() {
            at_most(&format!("unconfirmed[{index}]"), tool, 128)?;
        }
        let headers = match input.headers {
            Some(headers) => parse_headers(headers, kept)?,
            None => kept.to_vec(),
        };
        if !headers.is_empty() && matches!(reach, Reach::Command(_)) {
            let problem =
                "are sent to an address; what a command is given is the operator's to say";
            return Err(Error::invalid_field("headers", problem));
        }
        Ok(Self {
            name: parse_name(name)?,
            headers,
            reach,
            unconfirmed: input.unconfirmed,
            tools: Vec::new(),
            created_at: current.map_or(now, |current| current.created_at),
            updated_at: now,
        })
    }

    /// Its tool that a chatbot chose by this name, `server/tool`.
    pub fn chosen(&self, name: &str) -> Option<&ServedTool> {
        let tool = name.strip_prefix(&self.name)?.strip_prefix('/')?;
        self.tools.iter().find(|it| it.name == tool)
    }

    /// Whether the visitor must confirm a call of this tool. What a server says of its tools itself is not relied on.
    pub fn confirms(&self, tool: &ServedTool) -> bool {
        !self.unconfirmed.contains(&tool.name)
    }
}

impl Reach {
    /// The host that it is at, with scheme and port; of a command one that is no other's.
    fn origin(&self) -> Origin {
        let url = match self {
            Self::Url(url) => Url::parse(url).ok(),
            Self::Command(_) => None,
        };
        url.map_or_else(Origin::new_opaque, |url| url.origin())
    }
}

fn parse_reach(url: Option<String>, command: Option<String>) -> Result<Reach> {
    match (url, command) {
        (Some(url), None) => parse_url(&url).map(Reach::Url),
        (None, Some(command)) => {
            at_most("command", &command, MAX_COMMAND_CHARS)?;
            Ok(Reach::Command(command.trim().to_owned()))
        }
        (Some(_), Some(_)) => Err(Error::invalid_field(
            "command",
            "cannot be given beside url: a server is at an address or is a command",
        )),
        (None, None) => Err(Error::invalid_field(
            "url",
            "is needed, or the name of a command that is allowed on this server",
        )),
    }
}

fn parse_url(url: &str) -> Result<String> {
    let url = url.trim();
    at_most("url", url, MAX_URL_CHARS)?;
    let plain = |url: &Url| {
        matches!(url.scheme(), "https" | "http")
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    };
    match Url::parse(url) {
        Ok(parsed) if plain(&parsed) => Ok(String::from(parsed)),
        _ => {
            let problem =
                "must be an address such as https://tools.example.com/mcp, without a user name";
            Err(Error::invalid_field("url", problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(url: Option<&str>, command: Option<&str>) -> ServerInput {
        ServerInput {
            url: url.map(str::to_owned),
            command: command.map(str::to_owned),
            headers: None,
            unconfirmed: vec!["find".to_owned()],
        }
    }

    fn set(url: &str, current: Option<&ToolServer>) -> Result<ToolServer> {
        ToolServer::of("crm", input(Some(url), None), current, Timestamp(1))
    }

    #[test]
    fn a_server_has_an_address_and_keeps_its_headers_there() {
        for odd in [
            "",
            "tools.example",
            "ftp://tools.example",
            "https://a:b@tools.example",
            "https://a.example#x",
        ] {
            assert_eq!(set(odd, None).expect_err(odd).details[0].field, "url");
        }
        let header = SecretHeader {
            name: "x-key".to_owned(),
            value: Secret::new("k"),
        };
        let first = ToolServer {
            headers: vec![header],
            ..set("https://a.example/mcp", None).expect("proper")
        };
        assert_eq!(
            set("https://a.example/v2", Some(&first))
                .expect("proper")
                .headers,
            first.headers
        );
        assert_eq!(
            set("https://b.example/mcp", Some(&first))
                .expect("proper")
                .headers,
            []
        );
    }

    #[test]
    fn a_server_may_be_a_command_and_then_has_nothing_else() {
        let of = |input: ServerInput, current: Option<&ToolServer>| {
            ToolServer::of("crm", input, current, Timestamp(1))
        };
        let command = of(input(None, Some(" crm ")), None).expect("proper");
        assert_eq!(command.reach, Reach::Command("crm".to_owned()));
        let check = |input: ServerInput, expected: &str| {
            assert_eq!(
                of(input, None).expect_err(expected).details[0].field,
                expected
            );
        };
        check(input(None, None), "url");
        check(input(Some("https://a.example"), Some("crm")), "command");
        check(input(None, Some(&"x".repeat(65))), "command");
        let key = || ("x-key".to_owned(), Some(Secret::new("k")));
        let with_key = |input| ServerInput {
            headers: Some(vec![key()]),
            ..input
        };
        check(with_key(input(None, Some("crm"))), "headers");
        // What was sent to an address goes nowhere else.
        let first = of(with_key(input(Some("https://a.example"), None)), None).expect("proper");
        let moved = of(input(None, Some("crm")), Some(&first)).expect("proper");
        assert_eq!(moved.headers, []);
    }

    #[test]
    fn tools_are_chosen_by_server_and_name() {
        let tool = |name: &str| ServedTool {
            name: name.to_owned(),
            title: name.to_owned(),
            description: String::new(),
            parameters: Value::Null,
        };
        let tools = vec![tool("find"), tool("a/b")];
        let server = ToolServer {
            tools,
            ..set("https://a.example", None).expect("proper")
        };
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(
                server.chosen(name).map(|tool| tool.name.as_str()),
                expected,
                "{name}"
            );
        };
        check("crm/find", Some("find"));
        check("crm/a/b", Some("a/b"));
        check("crm/other", None);
        check("crmfind", None);
        check("find", None);
        assert!(!server.confirms(&tool("find")) && server.confirms(&tool("a/b")));
    }
}
