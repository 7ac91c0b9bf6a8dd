//! Tools: what a chatbot may call while it answers. Which they are comes with the chatbot; a chatbot that chose none
//! asks the store for nothing and shows its model nothing more than without this module.
//!
//! A tool that changes something ([`Offer::confirm`]) is not carried out when a model calls it: the visitor is asked,
//! who sees what would be sent. So whatever talked the model into a call (a page, a document, another tool's result)
//! carries nothing out.

pub mod commands;
mod http;
mod mcp;
pub mod openapi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use okra_ai::chat::Tool;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::{Error, Result};
use okra_domain::tool::action::Action;
use okra_domain::tool::server::{ServedTool, ToolServer};
use okra_domain::tool::{ASK_FOR_PERSON, BUILT_IN, RECORD_CONTACT, SEARCH_KNOWLEDGE};
use serde_json::{Map, Value, json};
use url::Url;

use crate::Engine;
use crate::tokens::estimate;

/// The tools that a turn offers its model.
#[derive(Debug, Default)]
pub(crate) struct Tools(Vec<Offer>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Offer {
    /// As the model is told of it.
    pub(crate) tool: Tool,
    /// What people are shown for it.
    pub(crate) title: String,
    /// Whether the visitor must confirm a call of it.
    pub(crate) confirm: bool,
    pub(crate) does: Does,
}

/// What a call does.
#[derive(Debug)]
pub(crate) enum Does {
    SearchKnowledge,
    AskForPerson,
    RecordContact,
    Action(Box<Action>),
    /// A tool of a server's, by the server's name for it.
    Served(Arc<ToolServer>, String),
}

impl Tools {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tool of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Offer> {
        self.0.iter().find(|offer| offer.tool.name == name)
    }

    /// As a request to a model names them.
    pub(crate) fn told(&self) -> Vec<Tool> {
        self.0.iter().map(|offer| offer.tool.clone()).collect()
    }

    /// Tokens that telling of them takes, by our estimate.
    pub(crate) fn tokens(&self) -> usize {
        let tokens = |Tool {
                          name,
                          description,
                          parameters,
                      }: &Tool| {
            estimate(name) + estimate(description) + estimate(&parameters.to_string())
        };
        self.0.iter().map(|offer| tokens(&offer.tool)).sum()
    }
}

impl Engine {
    /// The tools of a chatbot, in the order in which they were chosen. One that does not exist any more is left out.
    pub(crate) async fn tools_of(&self, chatbot: &Chatbot) -> Result<Tools> {
        let settings = &chatbot.settings;
        if !settings.is_tool_enabled || settings.tools.is_empty() {
            return Ok(Tools::default());
        }
        let store = &self.parts.store;
        let (mut actions, mut servers) = (Vec::new(), Vec::new());
        for name in settings
            .tools
            .iter()
            .filter(|name| !BUILT_IN.contains(&name.as_str()))
        {
            match name.contains('/') {
                true if servers.is_empty() => {
                    servers = store.tool_servers(chatbot.organization_id).await?
                }
                false if actions.is_empty() => {
                    actions = store.actions(chatbot.organization_id).await?
                }
                _ => {}
            }
        }
        let servers: Vec<Arc<ToolServer>> = servers.into_iter().map(Arc::new).collect();
        let mut tools = Tools::default();
        for name in &settings.tools {
            let offer = match name.as_str() {
                // Nobody could be reached.
                ASK_FOR_PERSON if !settings.is_human_handover_enabled => None,
                SEARCH_KNOWLEDGE | ASK_FOR_PERSON | RECORD_CONTACT => Some(built_in(name)),
                name => match actions.iter().position(|action| action.name == name) {
                    Some(place) => Some(Offer::of(actions.swap_remove(place))),
                    None => servers.iter().find_map(|server| {
                        let tool = server.chosen(name)?;
                        Some(Offer::served(server, tool))
                    }),
                },
            };
            // Names of servers' tools are made to suit models, and may then be another's.
            tools
                .0
                .extend(offer.filter(|offer| tools.named(&offer.tool.name).is_none()));
        }
        Ok(tools)
    }
}

/// The built-in tools: name, title and description of each.
pub fn built_in_tools() -> Vec<(String, String, String)> {
    let told = |name: &&str| {
        let offer = built_in(name);
        (offer.tool.name, offer.title, offer.tool.description)
    };
    BUILT_IN.iter().map(told).collect()
}

/// What trying an action came to.
#[derive(Debug)]
pub struct Trial {
    /// What the called system answered, as a model would be told; or why it failed.
    pub outcome: std::result::Result<String, String>,
    /// How long that took.
    pub took: Duration,
}

/// Characters of a trial's answer that are shown.
const SHOWN_CHARS: usize = 8_000;

impl Engine {
    /// Fails where the action may not be called: its host is none that the operator allows for tools, or it leads into
    /// a network that is not open, as far as its address tells.
    pub fn check_action(&self, action: &Action) -> Result<()> {
        // Arguments never stand in what is looked at here.
        self.check_tool_address(&action.url.replace(['{', '}'], ""))
    }

    fn check_tool_address(&self, address: &str) -> Result<()> {
        let refused = |problem: String| Err(Error::invalid_field("url", problem));
        let host = Url::parse(address).ok();
        let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
        let hosts = &self.parts.options.tool_hosts;
        if !hosts.is_empty() && !hosts.iter().any(|pattern| allows(pattern, host)) {
            return refused(format!(
                "{host} is no host that tools may call on this server (tool_hosts)"
            ));
        }
        self.parts
            .fetcher
            .check_target(address)
            .or_else(|error| refused(error.message))
    }

    /// Carries an action out, for whoever makes it.
    pub async fn try_action(&self, action: &Action, arguments: &Map<String, Value>) -> Trial {
        let started = Instant::now();
        let limit = self.parts.options.tool_time;
        let acted = tokio::time::timeout(limit, self.act(action, arguments)).await;
        let seconds = limit.as_secs();
        let outcome = acted
            .unwrap_or_else(|_| Err(format!("The tool did not answer within {seconds} seconds.")));
        let shown = |text: String| text.chars().take(SHOWN_CHARS).collect();
        Trial {
            outcome: outcome.map(shown).map_err(shown),
            took: started.elapsed(),
        }
    }
}

fn allows(pattern: &str, host: &str) -> bool {
    let pattern = pattern.trim().to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.')),
        None => pattern == host,
    }
}

impl Offer {
    fn of(action: Action) -> Self {
        let mut description = action.description.clone();
        if action.confirm {
            description.push_str(" The visitor is asked to confirm it before it is done.");
        }
        Self {
            tool: Tool {
                name: action.name.clone(),
                description,
                parameters: action.parameters.clone(),
            },
            title: action.title.clone(),
            confirm: action.confirm,
            does: Does::Action(Box::new(action)),
        }
    }

    /// A tool of a server's, under a name that every model can be told.
    fn served(server: &Arc<ToolServer>, tool: &ServedTool) -> Self {
        let proper = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let name = format!("{}_{}", server.name, tool.name);
        let mut description = tool.description.clone();
        let confirm = server.confirms(tool);
        if confirm {
            description.push_str(" The visitor is asked to confirm it before it is done.");
        }
        Self {
            tool: Tool {
                name: name.chars().map(proper).take(NAME_CHARS).collect(),
                description,
                parameters: tool.parameters.clone(),
            },
            title: tool.title.clone(),
            confirm,
            does: Does::Served(server.clone(), tool.name.clone()),
        }
    }
}

/// The most characters of a tool's name that every provider takes.
const NAME_CHARS: usize = 64;

/// A tool of [`BUILT_IN`].
fn built_in(name: &str) -> Offer {
    let (title, description, parameters, does) = match name {
        SEARCH_KNOWLEDGE => (
            "Search the knowledge",
            "Finds more passages in the knowledge. Use it where the passages that you were given do not hold the \
             answer, with other words than the question's.",
            json!({"query": {"type": "string", "description": "What to look for, in a short sentence."}}),
            Does::SearchKnowledge,
        ),
        ASK_FOR_PERSON => (
            "Ask for a person",
            "Has a person answer the visitor from then on. Use it when they ask for one, or are not helped by you; who \
             did not ask for one is offered it.",
            json!({}),
            Does::AskForPerson,
        ),
        _ => (
            "Record contact details",
            "Keeps how the visitor can be reached. Use it only for what they wrote themselves in this conversation, \
             letter by letter.",
            json!({
                "name": {"type": "string", "description": "The visitor's name."},
                "email": {"type": "string", "description": "The visitor's e-mail address."},
                "phone": {"type": "string", "description": "The visitor's phone number."},
            }),
            Does::RecordContact,
        ),
    };
    let needed = match does {
        Does::SearchKnowledge => vec!["query"],
        _ => Vec::new(),
    };
    Offer {
        tool: Tool {
            name: name.to_owned(),
            description: description.to_owned(),
            parameters: json!({"type": "object", "properties": parameters, "required": needed}),
        },
        title: title.to_owned(),
        confirm: false,
        does,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_allowed_by_name_or_domain() {
        let check = |pattern: &str, host: &str, expected| {
            assert_eq!(allows(pattern, host), expected, "{pattern} {host}")
        };
        check("shop.example", "shop.example", true);
        check("Shop.example ", "shop.example", true);
        check("shop.example", "api.shop.example", false);
        check("*.shop.example", "api.shop.example", true);
        check("*.shop.example", "a.b.shop.example", true);
        check("*.shop.example", "shop.example", false);
        check("*.shop.example", "evilshop.example", false);
        check("*", "shop.example", false);
    }

    #[test]
    fn every_built_in_tool_is_told_of() {
        for (name, title, description) in built_in_tools() {
            assert!(
                BUILT_IN.contains(&name.as_str())
                    && !title.is_empty()
                    && description.ends_with('.')
            );
        }
    }
}
