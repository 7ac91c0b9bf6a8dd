//! The Model Context Protocol at `/mcp`: an assistant that speaks it can look into an organization's
//! chatbots and ask them, with the same key as every program.
//!
//! The protocol is `rmcp`'s, the official library. It is served without sessions: a request says all
//! that it needs, so any server may answer it, and a restart loses nothing. Who calls is found out here,
//! before the protocol is looked at; [`tools`] is what may be called.

mod tools;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use okra_domain::OrganizationId;
use okra_domain::person::Role;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use crate::access::{Caller, Viewer};
use crate::app::App;
use crate::error::ApiResult;

/// What an assistant is told of this server.
const INSTRUCTIONS: &str = "Okra's chatbots answer questions from what their organization gave them to \
                            know. List them with list_chatbots. To answer somebody, ask one of them; \
                            to see what it knows word for word, search its knowledge.";

type Service = StreamableHttpService<Server, NeverSessionManager>;

/// Who calls: goes along with a request.
#[derive(Debug, Clone, Copy)]
struct Asking {
    organization: OrganizationId,
    role: Role,
}

/// The route of the protocol.
pub fn router(app: &App) -> Router<App> {
    // Not with the engine's token of stopping: that would cut off the answers for which a stop waits, and nothing here
    // goes on for ever.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        // No page can lead a browser here by a name of its own: a request needs a key, or a cookie and
        // an origin of Okra's.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(app.config.max_json_bytes);
    let server = Server { app: app.clone() };
    let make = move || Ok(server.clone());
    let service = Service::new(make, Arc::new(NeverSessionManager::default()), config);
    let serve = move |State(app): State<App>, request: Request| {
        let service = service.clone();
        async move { serve(service, app, request).await }
    };
    Router::new().route("/mcp", any(serve))
}

async fn serve(service: Service, app: App, request: Request) -> Response {
    match known(&app, request).await {
        Ok(request) => service.handle(request).await.into_response(),
        Err(error) => {
            let mut response = error.into_response();
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
            response
        }
    }
}

/// The request with who sent it.
async fn known(app: &App, request: Request) -> ApiResult<Request> {
    use axum::extract::FromRequestParts;
    let (mut parts, body) = request.into_parts();
    let caller = Caller::<Viewer>::from_request_parts(&mut parts, app).await?;
    parts.extensions.insert(Asking {
        organization: caller.organization(),
        role: caller.role(),
    });
    Ok(Request::from_parts(parts, body))
}

/// The server of one request.
#[derive(Clone)]
struct Server {
    app: App,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("okra", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<axum::http::request::Parts>();
        let asking = parts.and_then(|parts| parts.extensions.get::<Asking>());
        // Every request passes `known`.
        let asking = asking.ok_or_else(|| ErrorData::internal_error("nobody asks", None))?;
        let arguments = request.arguments.unwrap_or_default();
        // The protocol has this run in a task of its own, which only the token tells that the client left.
        tokio::select! {
            called = tools::call(&self.app, *asking, &request.name, arguments) => called.map(Into::into),
            () = context.ct.cancelled() => Err(ErrorData::internal_error("nobody listens", None)),
        }
    }
}
