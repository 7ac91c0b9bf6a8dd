//! The router is the table of contents: every route, grouped by caller.

mod account;
pub mod archives;
mod avatars;
mod canned_replies;
mod chat;
mod chatbots;
mod conversations;
mod deploy;
mod embedders;
mod evals;
mod events;
mod gaps;
mod health;
mod inbox;
mod keys;
pub mod knowledge;
mod openai;
mod organization;
mod overview;
mod pages;
mod people;
mod pictures;
mod providers;
mod reranker;
mod retrieval;
mod sources;
mod tools;
mod usage;
mod visitors;
mod webhooks;

use axum::extract::DefaultBodyLimit;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use okra_domain::{Error, ErrorKind};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::assets;
use crate::error::{ApiError, ErrorBody};
use crate::mcp;
use crate::telemetry;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Okra external API",
        description = "Chatbots that answer from what they are given. A call takes an API key in \
                       the header `x-api-key` and sees that key's organization alone, or the cookie \
                       of a person who signed in, with the header `x-organization` where they belong \
                       to several."
    ),
    tags(
        (name = "Chatbots", description = "Make, change and delete chatbots."),
        (name = "Knowledge", description = "Feed a chatbot, and see what it finds."),
        (name = "Visitors", description = "What the widget and the hosted page call, without an API key."),
        (name = "Conversations", description = "Ask a chatbot, and read what was said."),
        (name = "OpenAI", description = "What OpenAI's clients call, with a chatbot's slug as the model."),
        (name = "Organization", description = "Its people and keys, what goes on, and how it stands."),
        (name = "Tools", description = "What chatbots may call: requests to systems of your own, and the tools of MCP servers."),
        (name = "Webhooks", description = "Have what happens sent to addresses of your own, signed as Standard Webhooks has it."),
        (name = "Accounts", description = "What Okra's own pages call: signing in, links, passwords."),
    ),
    components(schemas(crate::error::ErrorBody, crate::error::FieldProblemBody)),
    security(("api_key" = []), ("bearer" = []), ("session" = [])),
)]
struct Spec;

/// The external API with its description.
fn external() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Spec::openapi())
        .routes(routes!(
            chatbots::list,
            chatbots::create,
            chatbots::update_by_query,
            chatbots::delete_by_query
        ))
        .routes(routes!(chatbots::show, chatbots::update, chatbots::delete))
        .routes(routes!(chatbots::duplicate))
        .routes(routes!(archives::export))
        .routes(routes!(archives::import))
        .routes(routes!(avatars::update))
        .routes(routes!(chatbots::update_voice))
        .routes(routes!(chatbots::update_widget))
        .routes(routes!(
            knowledge::list,
            knowledge::add,
            knowledge::update,
            knowledge::delete
        ))
        .routes(routes!(knowledge::upload))
        .routes(routes!(knowledge::pairs::export, knowledge::pairs::import))
        .routes(routes!(knowledge::items::show))
        .routes(routes!(knowledge::items::chunks))
        .routes(routes!(knowledge::items::text))
        .routes(routes!(knowledge::items::file))
        .routes(routes!(knowledge::items::retry))
        .routes(routes!(sources::list, sources::create))
        .routes(routes!(sources::show, sources::update, sources::delete))
        .routes(routes!(sources::sync))
        .routes(routes!(sources::cancel))
        .routes(routes!(sources::pages))
        .routes(routes!(sources::log))
        .routes(routes!(retrieval::query))
        .routes(routes!(
            embedders::show_chatbots,
            embedders::set_chatbots,
            embedders::delete_chatbots
        ))
        .routes(routes!(reranker::show, reranker::set, reranker::delete))
        .routes(routes!(evals::list, evals::create))
        .routes(routes!(evals::draft))
        .routes(routes!(evals::show, evals::update, evals::delete))
        .routes(routes!(evals::run))
        .routes(routes!(gaps::list))
        .routes(routes!(gaps::show, gaps::update))
        .routes(routes!(gaps::draft))
        .routes(routes!(gaps::answer))
        .routes(routes!(gaps::test))
        .routes(routes!(chat::chat))
        .routes(routes!(deploy::show, deploy::update))
        .routes(routes!(deploy::make_secret))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::export::export))
        .routes(routes!(
            conversations::show,
            conversations::handling::update
        ))
        .routes(routes!(conversations::messages, conversations::agents::say))
        .routes(routes!(conversations::agents::typing))
        .routes(routes!(conversations::agents::read))
        .routes(routes!(conversations::summary::make))
        .routes(routes!(conversations::rating::show))
        .routes(routes!(
            conversations::notes::list,
            conversations::notes::add
        ))
        .routes(routes!(conversations::notes::delete))
        .routes(routes!(inbox::list))
        .routes(routes!(canned_replies::list, canned_replies::add))
        .routes(routes!(canned_replies::update, canned_replies::delete))
        .routes(routes!(organization::show, organization::update))
        .routes(routes!(people::list, people::invite))
        .routes(routes!(people::update, people::remove))
        .routes(routes!(people::take_back))
        .routes(routes!(people::reset_link))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(events::watch))
        .routes(routes!(overview::show))
        .routes(routes!(providers::list, providers::update))
        .routes(routes!(providers::test))
        .routes(routes!(providers::set, providers::delete))
        .routes(routes!(providers::models))
        .routes(routes!(embedders::show, embedders::set, embedders::delete))
        .routes(routes!(embedders::list))
        .routes(routes!(usage::show))
        .routes(routes!(tools::list))
        .routes(routes!(tools::show, tools::set, tools::delete))
        .routes(routes!(tools::test))
        .routes(routes!(tools::drafts))
        .routes(routes!(tools::servers::list))
        .routes(routes!(tools::servers::set, tools::servers::delete))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::deliveries::test))
        .routes(routes!(webhooks::deliveries::list))
        .routes(routes!(webhooks::deliveries::show))
        .routes(routes!(webhooks::deliveries::replay))
        .routes(routes!(webhooks::deliveries::replay_failed))
}

/// OpenAI's API, with its description.
fn openai() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(openai::complete))
        .routes(routes!(openai::models))
        .routes(routes!(openai::model))
}

/// What visitors' browsers call, with its description.
fn public() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(visitors::config))
        .routes(routes!(visitors::begin))
        .routes(routes!(visitors::attachments::upload))
        .routes(routes!(visitors::chat::ask))
        .routes(routes!(visitors::chat::resume, visitors::chat::stop))
        .routes(routes!(visitors::messages::list))
        .routes(routes!(visitors::messages::sources))
        .routes(routes!(visitors::messages::rate))
        .routes(routes!(visitors::people::call, visitors::people::call_off))
        .routes(routes!(visitors::people::watch))
        .routes(routes!(visitors::people::typing))
        .routes(routes!(visitors::people::read))
        .routes(routes!(visitors::ratings::end))
        .routes(routes!(visitors::ratings::rate))
}

/// What Okra's own pages call for people's accounts, with its description.
fn accounts() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(account::sign_in))
        .routes(routes!(account::sign_out))
        .routes(routes!(account::sign_out_everywhere))
        .routes(routes!(account::show, account::update))
        .routes(routes!(account::change_password))
        .routes(routes!(account::links::show))
        .routes(routes!(account::links::accept))
}

/// The API's description, as `openapi.json` holds it.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let spec = external().merge(openai()).merge(public());
    let mut spec = spec.merge(accounts()).into_openapi();
    spec.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = spec.components.get_or_insert_default();
    let header = ApiKey::Header(ApiKeyValue::new("x-api-key"));
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(header));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.clone()));
    components.add_security_scheme("visitor", SecurityScheme::Http(bearer));
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
        "okra_session",
        "Of a person who signed in; `__Host-okra_session` where Okra is reached by https. Requests \
         that change something need an `origin` of Okra's own.",
    ));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    spec
}

/// Every route of the server.
pub fn router(app: App) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        // Named one by one: browsers do not count `authorization` under a `*`.
        .allow_headers(AllowHeaders::mirror_request())
        .allow_methods([
            Method::GET,
            Method::OPTIONS,
            Method::PATCH,
            Method::DELETE,
            Method::POST,
            Method::PUT,
        ])
        .expose_headers([telemetry::REQUEST_ID, axum::http::header::RETRY_AFTER]);
    let (external, _) = external().merge(public()).split_for_parts();
    let (accounts, _) = accounts().split_for_parts();
    let (openai, _) = openai().split_for_parts();
    let openai = openai
        .route("/v1/{*rest}", any(openai::unknown_path))
        .method_not_allowed_fallback(openai::unknown_method);
    let no_store = HeaderValue::from_static("no-store");
    Router::new()
        // Developers and their clients.
        // Its own answer to wrong methods comes first, so that CORS is around that too: preflight
        // requests are of a method that no route takes.
        .merge(
            external
                .method_not_allowed_fallback(unknown_method)
                .layer(cors.clone()),
        )
        .merge(openai.layer(cors.clone()))
        .merge(mcp::router(&app).layer(cors))
        // People, from Okra's own pages: other sites have no business here, so there is no CORS.
        .merge(accounts.layer(SetResponseHeaderLayer::overriding(CACHE_CONTROL, no_store)))
        .route("/openapi.json", get(health::openapi))
        .route("/docs", get(health::docs))
        // Browsers: visitors' and builders'.
        .route("/widget.js", get(assets::widget))
        .route("/assets/{file}", get(assets::hashed))
        .route("/c/{slug}", get(pages::hosted))
        .route("/files/chatbot/{chatbotId}/{file}", get(avatars::show))
        .route(
            "/files/chatbot/{chatbotId}/attachments/{file}",
            get(visitors::attachments::show),
        )
        .route("/", get(assets::index))
        .merge(console())
        // Operators and their monitoring.
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // Every body has a limit of its own, where it is read: axum's would cut uploads at 2 MB.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(telemetry::observe))
        .with_state(app)
}

/// The pages of the console, which are one page to the server.
fn console() -> Router<App> {
    let pages = assets::CONSOLE.into_iter();
    pages.fold(Router::new(), |router, path| {
        router.route(path, get(assets::console))
    })
}

async fn unknown_path() -> ApiError {
    let message = "There is nothing at this path; /docs lists what there is.";
    ApiError(Error::new(ErrorKind::NotFound, message))
}

/// The one error that no [`ErrorKind`] stands for: only HTTP has methods.
async fn unknown_method() -> (StatusCode, Json<ErrorBody>) {
    let body = ErrorBody {
        error: "This path does not take this method; /docs lists what it takes.".to_owned(),
        code: "method_not_allowed",
        details: Vec::new(),
    };
    (StatusCode::METHOD_NOT_ALLOWED, Json(body))
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    use axum::response::IntoResponse;
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    ApiError(Error::internal("a handler panicked", text.to_owned())).into_response()
}
