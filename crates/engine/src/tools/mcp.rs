//! Speaks to MCP servers: asks what they offer, and calls their tools. Over streamable HTTP, by the fetcher's guarded
//! clients; a connection a call, so that nothing of it has to be kept alive.

use okra_domain::error::Result;
use okra_domain::tool::server::{MAX_SERVED, ServedTool, ToolServer};
use okra_domain::{Error, ErrorKind};
use rmcp::model::CallToolRequestParams;
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Map, Value};

use crate::Engine;
use crate::fetch::secret_headers;

/// Bytes of a message that are read.
const READ: usize = 1024 * 1024;
/// Characters of a name, a title and a description that are kept.
const NAME: usize = 128;
const TITLE: usize = 100;
const DESCRIPTION: usize = 1_000;
/// Bytes of a tool's schema at most; one with a longer one is left out.
const SCHEMA: usize = 16 * 1024;

type Connection = RunningService<RoleClient, ()>;

impl Engine {
    /// The server with what it offers now. Fails where it may not be reached, or does not answer in time.
    pub async fn asked_for_tools(&self, server: ToolServer) -> Result<ToolServer> {
        self.check_tool_address(&server.url)?;
        let limit = self.parts.options.tool_time;
        let asked = async {
            let connection = self.connect(&server).await?;
            let listed = connection.list_all_tools().await;
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
        server: &ToolServer,
        tool: &str,
        arguments: &Map<String, Value>,
    ) -> std::result::Result<String, String> {
        self.check_tool_address(&server.url).map_err(|error| {
            error
                .details
                .into_iter()
                .map(|it| it.problem)
                .collect::<String>()
        })?;
        let connection = self.connect(server).await?;
        let mut params = CallToolRequestParams::new(tool.to_owned());
        params.arguments = Some(arguments.clone());
        let result = connection.call_tool(params).await;
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

    async fn connect(&self, server: &ToolServer) -> std::result::Result<Connection, String> {
        let client = self
            .parts
            .fetcher
            .client_to(&server.url)
            .map_err(|error| error.message)?;
        let headers = server.headers.iter();
        let headers = secret_headers(headers.map(|it| (it.name.as_str(), it.value.expose())));
        let mut config = StreamableHttpClientTransportConfig::with_uri(server.url.as_str())
            .custom_headers(headers);
        config.max_json_response_size = READ;
        config.max_sse_event_size = READ;
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let connected = ().serve(transport).await;
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
fn brief(message: &str) -> String {
    line(message, 500)
}
