//! Speaks to MCP servers: asks what they offer, and calls their tools. Over streamable HTTP by the fetcher's guarded
//! clients, with a connection a call, so that nothing of it has to be kept alive; or to a process of
//! [`commands`](super::commands), which is kept for a while.

use okra_domain::error::Result;
use okra_domain::tool::server::{MAX_SERVED, Reach, ServedTool, ToolServer};
use okra_domain::{Error, ErrorKind, OrganizationId};
use rmcp::model::CallToolRequestParams;
use rmcp::service::{Peer, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Map, Value};

use super::commands::Using;
use crate::Engine;
use crate::fetch::secret_headers;

/// Bytes of a message that are read.
pub(super) const READ: usize = 1024 * 1024;
/// Characters of a name, a title and a description that are kept.
const NAME: usize = 128;
const TITLE: usize = 100;
const DESCRIPTION: usize = 1_000;
/// Bytes of a tool's schema at most; one with a longer one is left out.
const SCHEMA: usize = 16 * 1024;

/// A server that is spoken to.
enum Connection {
    Http(RunningService<RoleClient, ()>),
    Process(Using),
}

impl Connection {
    fn peer(&self) -> &Peer<RoleClient> {
        match self {
            Self::Http(service) => service.peer(),
            Self::Process(using) => using.peer(),
        }
    }

    /// What came of it, or why it failed.
    fn settled<T>(
        self,
        came: std::result::Result<T, ServiceError>,
    ) -> std::result::Result<T, String> {
        match self {
            Self::Http(_) => came.map_err(|error| error.to_string()),
            Self::Process(using) => using.settled(came),
        }
    }
}

impl Engine {
    /// The organization's server with what it offers now. Fails where it may not be reached, or does not answer in time.
    pub async fn asked_for_tools(
        &self,
        organization: OrganizationId,
        server: ToolServer,
    ) -> Result<ToolServer> {
        self.check_server_reach(&server)?;
        let limit = self.parts.options.tool_time;
        let asked = async {
            let connection = self.connect(organization, &server).await?;
            let listed = connection.peer().list_all_tools().await;
            let listed = connection.settled(listed);
            listed.map_err(|error| format!("The MCP server did not say what it offers: {error}"))
        };
        let failed = |message: String| Error::new(ErrorKind::Provider, brief(&message));
        let listed = tokio::time::timeout(limit, asked).await;
        let listed = listed.map_err(|_| {
            failed(format!(
                "The MCP server did not answer within {} seconds.",
                limit.as_secs()
            ))
        })?;
        let listed = listed.map_err(failed)?;
        let tools = listed.into_iter().filter_map(served).take(MAX_SERVED);
        Ok(ToolServer {
            tools: tools.collect(),
            ..server
        })
    }

    /// Calls a tool; gives what came of it, or why it failed, in words for the model.
    pub(crate) async fn call_served(
        &self,
        organization: OrganizationId,
        (server, tool): (&ToolServer, &str),
        arguments: &Map<String, Value>,
    ) -> std::result::Result<String, String> {
        // What the operator allows may have changed since it was set.
        self.check_server_reach(server).map_err(|error| {
            error
                .details
                .into_iter()
                .map(|it| it.problem)
                .collect::<String>()
        })?;
        let connection = self.connect(organization, server).await?;
        let mut params = CallToolRequestParams::new(tool.to_owned());
        params.arguments = Some(arguments.clone());
        let result = connection.peer().call_tool(params).await;
        let result = connection.settled(result);
        let result = result.map_err(|error| brief(&format!("The tool failed: {error}")))?;
        let mut text = String::new();
        for block in &result.content {
            if !text.is_empty() {
                text.push('\n');
            }
            match block.as_text() {
                Some(block) => text.push_str(&block.text),
                None => text.push_str("(Something that is no text was left out.)"),
            }
        }
        if let (true, Some(data)) = (text.is_empty(), &result.structured_content) {
            text = data.to_string();
        }
        match (result.is_error, text.is_empty()) {
            (Some(true), _) => Err(text),
            (_, true) => Ok("Done, with no content.".to_owned()),
            (_, false) => Ok(text),
        }
    }

    /// Fails where the operator does not allow the server to be reached.
    fn check_server_reach(&self, server: &ToolServer) -> Result<()> {
        match &server.reach {
            Reach::Url(url) => self.check_tool_address(url),
            Reach::Command(name) => self.parts.commands.check(name),
        }
    }

    async fn connect(
        &self,
        organization: OrganizationId,
        server: &ToolServer,
    ) -> std::result::Result<Connection, String> {
        let url = match &server.reach {
            Reach::Url(url) => url,
            Reach::Command(name) => {
                let using = self.parts.commands.using(organization, name).await;
                return using.map(Connection::Process);
            }
        };
        let client = self.parts.fetcher.client_to(url);
        let client = client.map_err(|error| error.message)?;
        let headers = server.headers.iter();
        let headers = secret_headers(headers.map(|it| (it.name.as_str(), it.value.expose())));
        let mut config =
            StreamableHttpClientTransportConfig::with_uri(url.as_str()).custom_headers(headers);
        config.max_json_response_size = READ;
        config.max_sse_event_size = READ;
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let connected = ().serve(transport).await;
        let connected = connected.map(Connection::Http);
        connected.map_err(|error| brief(&format!("The MCP server could not be spoken to: {error}")))
    }
}

/// A tool as it is kept; `None` for one that no model could be told of.
fn served(tool: rmcp::model::Tool) -> Option<ServedTool> {
    let name = tool.name.into_owned();
    let schema = Value::Object(tool.input_schema.as_ref().clone());
    let odd = name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control);
    if odd || schema.to_string().len() > SCHEMA {
        return None;
    }
    let title = tool.title.or(tool.annotations.and_then(|it| it.title));
    let title = title
        .filter(|title| !title.trim().is_empty())
        .unwrap_or_else(|| name.clone());
    Some(ServedTool {
        title: line(&title, TITLE),
        description: tool
            .description
            .unwrap_or_default()
            .replace('\0', "")
            .chars()
            .take(DESCRIPTION)
            .collect(),
        parameters: schema,
        name,
    })
}

fn line(text: &str, characters: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(characters)
        .collect()
}

/// A message of the library's, which may quote what the server sent.
pub(super) fn brief(message: &str) -> String {
    line(message, 500)
}
