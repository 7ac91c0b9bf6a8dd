//! MCP servers whose tools an organization's chatbots can be given.

use std::collections::BTreeMap;

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::tool::server::{Reach, ServerInput, ToolServer};
use okra_domain::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::{Admin, Caller};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::Json;

/// A tool that a server offers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServedToolBody {
    /// What chatbots choose it by, `SERVER/TOOL`.
    id: String,
    /// The server's name for it.
    name: String,
    /// What people are shown for it.
    title: String,
    /// What models are told of it, in the server's words.
    description: String,
    /// Its arguments, as a JSON Schema of an object.
    #[schema(value_type = Map<String, Value>)]
    parameters: Value,
    /// Whether the visitor must confirm a call before it is made.
    confirm: bool,
}

/// An MCP server: never the values of its headers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolServer)]
pub struct ToolServerBody {
    /// What its tools are chosen by.
    name: String,
    /// Where it answers; null of a command.
    url: Option<String>,
    /// The name of the command that it is; null where it has an address.
    command: Option<String>,
    /// The names of the headers that are sent to it.
    headers: Vec<String>,
    /// Tools that are called without asking the visitor.
    unconfirmed: Vec<String>,
    /// What it offered when it was set, 100 tools at most.
    tools: Vec<ServedToolBody>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<ToolServer> for ToolServerBody {
    fn from(server: ToolServer) -> Self {
        let tools = server.tools.iter().map(|tool| ServedToolBody {
            id: format!("{}/{}", server.name, tool.name),
            name: tool.name.clone(),
            title: tool.title.clone(),
            description: tool.description.clone(),
            parameters: tool.parameters.clone(),
            confirm: server.confirms(tool),
        });
        let tools = tools.collect();
        let (url, command) = match server.reach {
            Reach::Url(url) => (Some(url), None),
            Reach::Command(name) => (None, Some(name)),
        };
        Self {
            tools,
            headers: server
                .headers
                .iter()
                .map(|header| header.name.clone())
                .collect(),
            name: server.name,
            url,
            command,
            unconfirmed: server.unconfirmed,
            created_at: server.created_at,
            updated_at: server.updated_at,
        }
    }
}

/// `{"data": […]}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolServersReply {
    /// By name.
    data: Vec<ToolServerBody>,
    /// The names of the commands that may be servers: those that whoever runs Okra allows.
    commands: Vec<String>,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolServerReply {
    data: ToolServerBody,
}

/// A server, whole.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ToolServerInput {
    /// Its address (streamable HTTP), such as `https://tools.example.com/mcp`; which hosts are taken is as for actions.
    url: Option<String>,
    /// In place of an address: a command that is run on this machine and spoken to over its standard input and output,
    /// by its name in the list's `commands`. Its arguments and variables are set by whoever runs Okra (`tool_commands`).
    command: Option<String>,
    /// What is sent with each request, such as `{"authorization": "Bearer …"}`; 10 at most. Values are stored encrypted
    /// and never given back: null stands for the one that there is. Not given, the headers stay as they are, while the
    /// server is at the same host.
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    headers: Option<BTreeMap<String, Option<Secret>>>,
    /// Names of tools that are called without asking the visitor, since they change nothing. All others are confirmed
    /// first, whatever the server says of them.
    #[serde(default)]
    unconfirmed: Vec<String>,
}

/// Get MCP servers
#[utoipa::path(get, path = "/api/external/tool-servers", operation_id = "getToolServers", tag = "Tools",
    responses((status = 200, body = ToolServersReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Admin>,
) -> ApiResult<JsonBody<ToolServersReply>> {
    let servers = app.engine.store().tool_servers(caller.organization());
    let commands = app.engine.commands().names();
    Ok(JsonBody(ToolServersReply {
        commands: commands.map(str::to_owned).collect(),
        data: servers
            .await?
            .into_iter()
            .map(ToolServerBody::from)
            .collect(),
    }))
}

/// Set MCP server
///
/// Asks the server what it offers, and stores it under this name: 1 to 64 lower-case letters, digits and `_`; 20 servers
/// at most. What it offers later is not told to models before it is set again. 502 where it cannot be asked.
#[utoipa::path(put, path = "/api/external/tool-servers/{name}", operation_id = "setToolServer", tag = "Tools",
    params(("name" = String, Path, description = "The server's name.")), request_body = ToolServerInput,
    responses((status = 200, body = ToolServerReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 409, body = ErrorBody), (status = 502, body = ErrorBody)))]
pub async fn set(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
    Json(input): Json<ToolServerInput>,
) -> ApiResult<JsonBody<ToolServerReply>> {
    let (store, organization) = (app.engine.store(), caller.organization());
    let current = store.tool_server(organization, &name).await?;
    let input = ServerInput {
        url: input.url,
        command: input.command,
        headers: input.headers.map(|headers| headers.into_iter().collect()),
        unconfirmed: input.unconfirmed,
    };
    let server = ToolServer::of(&name, input, current.as_ref(), store.clock().now())?;
    let server = app.engine.asked_for_tools(organization, server).await?;
    store.set_tool_server(organization, &server).await?;
    Ok(JsonBody(ToolServerReply {
        data: server.into(),
    }))
}

/// Delete MCP server
///
/// Chatbots that chose tools of its go on without them.
#[utoipa::path(delete, path = "/api/external/tool-servers/{name}", operation_id = "deleteToolServer", tag = "Tools",
    params(("name" = String, Path, description = "The server's name.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<Admin>,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    let store = app.engine.store();
    store
        .delete_tool_server(caller.organization(), &name)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
