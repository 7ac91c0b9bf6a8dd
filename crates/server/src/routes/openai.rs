//! OpenAI's API as its clients speak it: a chatbot is a model, named by its slug. docs/apis.md says
//! what is taken, what is ignored and what is refused.
//!
//! Errors here have OpenAI's form, see [`OpenAiError`]; everything else is as in [`super::chat`].

mod error;
mod input;
mod reply;
mod stream;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use okra_domain::{Error, ErrorKind};
use okra_engine::chat::TurnRequest;
use okra_store::sessions::{SessionKey, UserMessage};

pub use error::{OpenAiError, OpenAiErrorBody, unknown_method};
use error::{OpenAiResult, unknown_model};
pub use input::{CompletionInput, Opened};
pub use reply::{Completion, Model, Models};
use stream::Head;

use crate::access::{Caller, Viewer};
use crate::app::App;

/// The platform of conversations that are held here.
const PLATFORM: &str = "api";

/// Chat completions
///
/// OpenAI's call: `model` is the chatbot's slug. The last message of role `user` is answered, those
/// before it are the history. With `stream` the answer comes as `chat.completion.chunk` events. The
/// passages that it rests on stand under `sources` (in a stream, of the chunk with the `finish_reason`), the
/// conversation under `session_id` (of the first chunk).
#[utoipa::path(post, path = "/v1/chat/completions", operation_id = "createChatCompletion",
    tag = "OpenAI", request_body = CompletionInput,
    responses((status = 200, content((Completion = "application/json"), (String = "text/event-stream"))),
              (status = 400, body = OpenAiErrorBody), (status = 401, body = OpenAiErrorBody),
              (status = 403, body = OpenAiErrorBody), (status = 404, body = OpenAiErrorBody),
              (status = 413, body = OpenAiErrorBody), (status = 429, body = OpenAiErrorBody),
              (status = 502, body = OpenAiErrorBody), (status = 503, body = OpenAiErrorBody)))]
pub async fn complete(State(app): State<App>, opened: Opened) -> OpenAiResult<Response> {
    let Opened { chatbot, input } = opened;
    let streamed = input.streamed()?;
    let asked = input.asked()?;
    let session = SessionKey::Visitor {
        platform: PLATFORM.to_owned(),
        token: asked.user,
        profile: None,
    };
    let attachments = asked.images.attached(&app, &chatbot).await?;
    let request = TurnRequest {
        session,
        message: UserMessage {
            id: None,
            content: asked.content,
            attachments,
        },
        answer_id: None,
        earlier: asked.earlier,
        // A client of this API sends the whole conversation each time, and may have changed it.
        own_history: true,
        confirms: None,
    };
    let turn = app.engine.begin_turn(&chatbot, request).await?;
    let head = Head::new(&turn, &chatbot, app.engine.store().clock().now());
    match streamed {
        Some(options) => stream::respond(turn, head, options).await,
        None => {
            let answered = turn.answer().await.map_err(OpenAiError::after_asking)?;
            Ok(Json(Completion::new(head, answered)).into_response())
        }
    }
}

/// List models
///
/// The organization's chatbots that are switched on, oldest first.
#[utoipa::path(get, path = "/v1/models", operation_id = "listModels", tag = "OpenAI",
    responses((status = 200, body = Models), (status = 401, body = OpenAiErrorBody)))]
pub async fn models(
    State(app): State<App>,
    Looking(caller): Looking,
) -> OpenAiResult<Json<Models>> {
    let store = app.engine.store();
    let listed = store.listed_chatbots(caller.organization()).await?;
    Ok(Json(Models::new(listed)))
}

/// Retrieve a model
#[utoipa::path(get, path = "/v1/models/{model}", operation_id = "retrieveModel", tag = "OpenAI",
    params(("model" = String, Path, description = "The chatbot's slug.")),
    responses((status = 200, body = Model), (status = 401, body = OpenAiErrorBody),
              (status = 404, body = OpenAiErrorBody)))]
pub async fn model(
    State(app): State<App>,
    Looking(caller): Looking,
    Path(slug): Path<String>,
) -> OpenAiResult<Json<Model>> {
    let store = app.engine.store();
    let found = store.chatbot_by_slug(caller.organization(), &slug).await?;
    match found.filter(|chatbot| chatbot.active) {
        Some(chatbot) => Ok(Json(Model::new(chatbot.slug, chatbot.created_at))),
        None => Err(unknown_model(&slug).into()),
    }
}

/// Whoever asks for something that is not here.
pub async fn unknown_path() -> OpenAiError {
    let message = "Of OpenAI's API there are POST /v1/chat/completions, GET /v1/models and GET \
                   /v1/models/MODEL; /docs describes them.";
    Error::new(ErrorKind::NotFound, message).into()
}

/// Whoever may look, told in OpenAI's form where they may not.
pub struct Looking(Caller<Viewer>);

impl FromRequestParts<App> for Looking {
    type Rejection = OpenAiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> OpenAiResult<Self> {
        Ok(Self(Caller::from_request_parts(parts, app).await?))
    }
}
