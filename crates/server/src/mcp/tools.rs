//! The tools: what an assistant may call, and with which arguments.
//!
//! A call that goes wrong is an answer that says so in a sentence, since the assistant can mend it; only
//! a tool that there is not is an error of the protocol.

use std::sync::Arc;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::person::Role;
use okra_domain::session::{CitedSource, parse_message};
use okra_domain::{Error, ErrorKind, SessionId};
use okra_engine::chat::TurnRequest;
use okra_store::sessions::{SessionKey, UserMessage};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Asking;
use crate::app::App;
use crate::error;
use crate::wire::QueryResult;

/// The platform of conversations that are held here.
const PLATFORM: &str = "mcp";
/// Passages of a search, where no number is given, and at most.
const LIMIT: usize = 5;
const MAX_LIMIT: usize = 20;

/// The tools there are.
pub fn all() -> Vec<Tool> {
    let chatbot =
        json!({"type": "string", "description": "The chatbot's slug, from list_chatbots."});
    let list = Tool::new(
        "list_chatbots",
        "Lists the chatbots that can be asked: slug, name and what each is for.",
        object(json!({}), &[]),
    );
    let search = Tool::new(
        "search_knowledge",
        "Searches what a chatbot knows and gives the passages that answer a query best, each with its \
         title, its address where it is a page, and how likely it is the right one (similarity, 0 to 1).",
        object(
            json!({
                "chatbot": chatbot,
                "query": {"type": "string", "description": "A question or words, in any language."},
                "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT,
                          "description": "How many passages at most."},
            }),
            &["chatbot", "query"],
        ),
    );
    let ask = Tool::new(
        "ask",
        "Asks a chatbot a question; it answers from what it knows, and names its sources. The \
         conversation is kept.",
        object(
            json!({
                "chatbot": chatbot,
                "question": {"type": "string", "description": "The question, in any language."},
                "session_id": {"type": "string", "format": "uuid",
                               "description": "Goes on with a conversation: the session_id of an earlier answer."},
            }),
            &["chatbot", "question"],
        ),
    );
    let reads = ToolAnnotations::new().read_only(true).open_world(false);
    let asks = ToolAnnotations::new()
        .read_only(false)
        .destructive(false)
        .idempotent(false);
    vec![
        list.with_title("List chatbots")
            .with_annotations(reads.clone()),
        search
            .with_title("Search knowledge")
            .with_annotations(reads),
        ask.with_title("Ask a chatbot")
            .with_annotations(asks.open_world(false)),
    ]
}

fn object(properties: Value, required: &[&str]) -> Arc<JsonObject> {
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    match schema {
        Value::Object(schema) => Arc::new(schema),
        _ => Arc::default(),
    }
}

/// Calls a tool for whoever asks.
pub async fn call(
    app: &App,
    asking: Asking,
    name: &str,
    arguments: JsonObject,
) -> std::result::Result<CallToolResult, ErrorData> {
    let called = match name {
        "list_chatbots" => list_chatbots(app, asking).await,
        "search_knowledge" => search_knowledge(app, asking, arguments).await,
        "ask" => ask(app, asking, arguments).await,
        _ => {
            let name: String = name.chars().take(100).collect();
            let message = format!("There is no tool named {name}.");
            return Err(ErrorData::invalid_params(message, None));
        }
    };
    Ok(called.unwrap_or_else(|error| {
        let told = error::body(&error).error;
        CallToolResult::error(vec![ContentBlock::text(told)])
    }))
}

/// A result in words, and as data for who can read it.
fn told(words: String, data: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(words)]);
    result.structured_content = Some(data);
    result
}

async fn list_chatbots(app: &App, asking: Asking) -> Result<CallToolResult> {
    let store = app.engine.store();
    let listed = store.listed_chatbots(asking.organization).await?;
    let listed = listed
        .into_iter()
        .map(|it| json!({"slug": it.slug, "name": it.name, "description": it.description}));
    let data = json!({"chatbots": listed.collect::<Vec<_>>()});
    Ok(told(data.to_string(), data))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    chatbot: String,
    query: String,
    limit: Option<usize>,
}

async fn search_knowledge(
    app: &App,
    asking: Asking,
    arguments: JsonObject,
) -> Result<CallToolResult> {
    let search: Search = read(arguments)?;
    let query = parse_message("query", &search.query)?;
    let limit = search.limit.unwrap_or(LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let problem = format!("must be from 1 to {MAX_LIMIT}");
        return Err(Error::invalid_field("limit", problem));
    }
    let chatbot = named(app, asking, &search.chatbot).await?;
    let found = app.engine.retrieve(&chatbot, &query, limit, 0.0).await?;
    let passages = found.passages.iter().map(|passage| passage.cited());
    let passages: Vec<QueryResult> = passages.map(QueryResult::from).collect();
    let data = json!({"passages": passages});
    Ok(told(data.to_string(), data))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    chatbot: String,
    question: String,
    session_id: Option<String>,
}

async fn ask(app: &App, asking: Asking, arguments: JsonObject) -> Result<CallToolResult> {
    asking.role.require(Role::Agent)?;
    let asked: Ask = read(arguments)?;
    let content = parse_message("question", &asked.question)?;
    let session = match asked.session_id.as_deref() {
        None => SessionKey::Visitor {
            platform: PLATFORM.to_owned(),
            token: None,
            profile: None,
        },
        Some(id) => {
            let id = id.parse::<SessionId>();
            SessionKey::Id(id.map_err(|_| Error::not_found("conversation"))?)
        }
    };
    let chatbot = named(app, asking, &asked.chatbot).await?;
    let request = TurnRequest {
        session,
        message: UserMessage {
            id: None,
            content,
            attachments: None,
        },
        answer_id: None,
        earlier: Vec::new(),
        own_history: false,
        confirms: None,
    };
    // Dropped with this call where the client leaves, which stops the answer.
    let turn = app.engine.begin_turn(&chatbot, request).await?;
    let session = turn.session.id;
    let Some((answer, sources)) = turn.answer().await? else {
        let content =
            "A person has this conversation; the chatbot is silent until they hand it back.";
        let data =
            json!({"answer": null, "session_id": session, "sources": [], "is_human_mode": true});
        return Ok(told(content.to_owned(), data));
    };
    let data = json!({"answer": answer.content, "session_id": session, "sources": sources});
    let mut result = told(answer.content, data);
    if !sources.is_empty() {
        result.content.push(ContentBlock::text(listed(&sources)));
    }
    Ok(result)
}

/// The sources by their titles, for who reads words alone.
fn listed(sources: &[CitedSource]) -> String {
    let mut lines = vec!["Sources:".to_owned()];
    for source in sources {
        let line = match &source.url {
            Some(url) => format!("- {} ({url})", source.title),
            None => format!("- {}", source.title),
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

async fn named(app: &App, asking: Asking, slug: &str) -> Result<Chatbot> {
    let store = app.engine.store();
    let found = store.chatbot_by_slug(asking.organization, slug).await?;
    found.ok_or_else(|| {
        let message = "There is no such chatbot; list_chatbots tells the slugs there are.";
        Error::new(ErrorKind::NotFound, message)
    })
}

/// A tool's arguments; the error names the one at fault.
fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T> {
    let value = Value::Object(arguments);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        match path.as_str() {
            "." => Error::invalid(format!("The arguments are not right: {problem}.")),
            path => Error::invalid_field(path, problem),
        }
    })
}
