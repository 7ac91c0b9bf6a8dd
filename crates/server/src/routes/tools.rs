//! The tools that an organization's chatbots can be given: the built-in ones, and actions of its own, which are
//! requests to its systems; [`servers`] offer more. Which of them a chatbot has stands in its settings.

pub mod servers;

use std::collections::BTreeMap;

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::tool::action::{Action, ActionInput, Method, parse_method};
use okra_domain::{Error, Secret, Timestamp};
use okra_engine::tools::openapi::{Draft, described, read_document};
use okra_engine::tools::{Trial, built_in_tools};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::access::{Admin, Caller};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::Json;

/// A built-in tool.
#[derive(Debug, Serialize, ToSchema)]
pub struct BuiltInTool {
    /// What chatbots choose it by.
    name: String,
    /// What people are shown for it.
    title: String,
    /// What models are told of it.
    description: String,
}

/// An action: never the values of its headers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tool)]
pub struct ToolBody {
    /// What chatbots choose it by, and models call.
    name: String,
    /// What people are shown for it.
    title: String,
    /// What models are told of it.
    description: String,
    method: Method,
    /// Where it is sent, with `{name}` where an argument goes.
    url: String,
    /// Its arguments, as a JSON Schema of an object.
    #[schema(value_type = Map<String, Value>)]
    parameters: Value,
    /// Arguments that go into the query although the request has a body.
    query: Vec<String>,
    /// Whether the visitor must confirm a call before it is made.
    confirm: bool,
    /// The names of the headers that are sent with it.
    headers: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Action> for ToolBody {
    fn from(action: Action) -> Self {
        Self {
            name: action.name,
            title: action.title,
            description: action.description,
            method: action.method,
            url: action.url,
            parameters: action.parameters,
            query: action.query,
            confirm: action.confirm,
            headers: action
                .headers
                .into_iter()
                .map(|header| header.name)
                .collect(),
            created_at: action.created_at,
            updated_at: action.updated_at,
        }
    }
}

/// The tools there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolsReply {
    /// Those that every organization has.
    built_in: Vec<BuiltInTool>,
    /// The organization's own, by name.
    data: Vec<ToolBody>,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolReply {
    data: ToolBody,
}

/// An action, whole: what is not given is what it is by default.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ToolInput {
    /// What people are shown for it, such as visitors who are to confirm it: 100 characters at most; the name where not
    /// given.
    title: Option<String>,
    /// What it does and when it is of use, for models: 1,000 characters at most.
    description: String,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    method: String,
    /// An https address of 2,000 characters at most, with `{name}` in its path or query where an argument goes. Arguments
    /// without a place go into the query of GET and DELETE, and else into a JSON body. Plain http and private networks
    /// are taken for hosts that the operator opened (`fetch_allow`); the operator may allow some hosts alone
    /// (`tool_hosts`).
    url: String,
    /// Its arguments, as a JSON Schema of an object: 32 properties and 16 KB at most.
    #[schema(value_type = Option<Map<String, Value>>)]
    parameters: Option<Value>,
    /// Arguments that go into the query although the request has a body.
    #[serde(default)]
    query: Vec<String>,
    /// Whether the visitor must confirm a call before it is made; where not given, of all methods but GET.
    confirm: Option<bool>,
    /// What is sent with it, such as `{"authorization": "Bearer …"}`; 10 at most. Values are stored encrypted and never
    /// given back: null stands for the one that there is. Not given, the headers stay as they are. Those that are there
    /// stay only while the action is sent to the same host.
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    headers: Option<BTreeMap<String, Option<Secret>>>,
}

impl ToolInput {
    fn parse(self) -> Result<ActionInput, Error> {
        Ok(ActionInput {
            title: self.title,
            description: self.description,
            method: parse_method(&self.method)?,
            url: self.url,
            parameters: self.parameters,
            query: self.query,
            confirm: self.confirm,
            headers: self.headers.map(|headers| headers.into_iter().collect()),
        })
    }
}

/// Get tools
///
/// What the organization's chatbots can be given (`settings.tools`).
#[utoipa::path(get, path = "/api/external/tools", operation_id = "getTools", tag = "Tools",
    responses((status = 200, body = ToolsReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<ToolsReply>> {
    let actions = app.engine.store().actions(caller.organization()).await?;
    let built_in = built_in_tools().into_iter();
    let built_in = built_in.map(|(name, title, description)| BuiltInTool {
        name,
        title,
        description,
    });
    Ok(JsonBody(ToolsReply {
        built_in: built_in.collect(),
        data: actions.into_iter().map(ToolBody::from).collect(),
    }))
}

/// Get tool
#[utoipa::path(get, path = "/api/external/tools/{name}", operation_id = "getTool", tag = "Tools",
    params(("name" = String, Path, description = "The action's name.")),
    responses((status = 200, body = ToolReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
) -> ApiResult<JsonBody<ToolReply>> {
    let store = app.engine.store();
    let action = store.action(caller.organization(), &name).await?;
    Ok(JsonBody(ToolReply {
        data: action.into(),
    }))
}

/// Set tool
///
/// Makes an action of this name, or puts it in place of the one there is: 1 to 64 lower-case letters, digits and `_`.
/// 100 actions at most.
#[utoipa::path(put, path = "/api/external/tools/{name}", operation_id = "setTool", tag = "Tools",
    params(("name" = String, Path, description = "The action's name.")), request_body = ToolInput,
    responses((status = 200, body = ToolReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 409, body = ErrorBody)))]
pub async fn set(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
    Json(input): Json<ToolInput>,
) -> ApiResult<JsonBody<ToolReply>> {
    let store = app.engine.store();
    let (engine, now) = (&app.engine, store.clock().now());
    let input = input.parse()?;
    let change = |current: Option<&Action>| {
        let action = Action::of(&name, input, current, now)?;
        engine.check_action(&action)?;
        Ok(action)
    };
    let action = store
        .set_action(caller.organization(), &name, change)
        .await?;
    Ok(JsonBody(ToolReply {
        data: action.into(),
    }))
}

/// Delete tool
///
/// Chatbots that chose it go on without it.
#[utoipa::path(delete, path = "/api/external/tools/{name}", operation_id = "deleteTool", tag = "Tools",
    params(("name" = String, Path, description = "The action's name.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    let store = app.engine.store();
    store.delete_action(caller.organization(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an action is tried with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ToolTrialInput {
    /// Its arguments.
    #[serde(default)]
    arguments: Map<String, Value>,
}

/// How a trial went.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolTrialReply {
    /// Whether the system took it.
    ok: bool,
    /// What it answered, as a model would be told, or why it failed; the first 8,000 characters.
    content: String,
    /// How long that took.
    milliseconds: f64,
}

impl From<Trial> for ToolTrialReply {
    fn from(trial: Trial) -> Self {
        let ok = trial.outcome.is_ok();
        Self {
            ok,
            content: trial.outcome.unwrap_or_else(|error| error),
            milliseconds: (trial.took.as_secs_f64() * 1e6).round() / 1e3,
        }
    }
}

/// Try tool
///
/// Carries the action out, as a chatbot would; nobody is asked to confirm it.
#[utoipa::path(post, path = "/api/external/tools/{name}/test", operation_id = "testTool", tag = "Tools",
    params(("name" = String, Path, description = "The action's name.")), request_body = ToolTrialInput,
    responses((status = 200, body = ToolTrialReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn test(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
    Json(input): Json<ToolTrialInput>,
) -> ApiResult<JsonBody<ToolTrialReply>> {
    let store = app.engine.store();
    let action = store.action(caller.organization(), &name).await?;
    let trial = app.engine.try_action(&action, &input.arguments).await;
    Ok(JsonBody(trial.into()))
}

/// An OpenAPI document.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DocumentInput {
    /// The document, of version 3, as an object or as a text of JSON or YAML. YAML may have 4 MB, 128 levels of nesting,
    /// and with all that its aliases stand for 500,000 values and 20 MB of text.
    document: Value,
    /// The address that its paths stand below, where not the one that it names.
    server: Option<String>,
}

/// An action as a document describes it: what can be set as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolDraft {
    name: String,
    title: String,
    description: String,
    method: Method,
    url: String,
    #[schema(value_type = Map<String, Value>)]
    parameters: Value,
    query: Vec<String>,
    confirm: bool,
    /// The names of headers that it has to be given values for.
    needs_headers: Vec<String>,
}

/// An operation that cannot be an action.
#[derive(Debug, Serialize, ToSchema)]
pub struct SkippedOperation {
    /// Such as `GET /orders`.
    operation: String,
    /// Why.
    reason: String,
}

/// What a document holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftsReply {
    data: Vec<ToolDraft>,
    skipped: Vec<SkippedOperation>,
}

/// Read an OpenAPI document
///
/// Gives the actions that it describes, 200 at most, and stores nothing: set those that are wanted, with their headers.
#[utoipa::path(post, path = "/api/external/tool-drafts", operation_id = "readToolDrafts", tag = "Tools",
    request_body = DocumentInput,
    responses((status = 200, body = DraftsReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 413, body = ErrorBody)))]
pub async fn drafts(
    State(app): State<App>,
    _caller: Caller<Admin>,
    Json(input): Json<DocumentInput>,
) -> ApiResult<JsonBody<DraftsReply>> {
    let document = match input.document {
        Value::String(text) => read_document(text).await?,
        document => document,
    };
    let now = app.engine.store().clock().now();
    let found = described(&document, input.server.as_deref(), now)?;
    let draft = |Draft { action, headers }: Draft| ToolDraft {
        name: action.name,
        title: action.title,
        description: action.description,
        method: action.method,
        url: action.url,
        parameters: action.parameters,
        query: action.query,
        confirm: action.confirm,
        needs_headers: headers,
    };
    let skipped = found.skipped.into_iter();
    Ok(JsonBody(DraftsReply {
        data: found.drafts.into_iter().map(draft).collect(),
        skipped: skipped
            .map(|(operation, reason)| SkippedOperation { operation, reason })
            .collect(),
    }))
}
