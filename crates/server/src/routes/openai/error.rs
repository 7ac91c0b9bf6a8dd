//! Errors in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use okra_domain::{Error, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{self, ApiError};

/// The word for a model that is no chatbot of the caller's.
const UNKNOWN_MODEL: &str = "model_not_found";

/// A failure that is told as OpenAI tells it.
#[derive(Debug)]
pub struct OpenAiError {
    error: Error,
    /// Whether the question is stored by now. OpenAI's clients try again by themselves, and would ask
    /// it a second time.
    asked: bool,
}

/// What a handler of OpenAI's API gives.
pub type OpenAiResult<T> = Result<T, OpenAiError>;

/// The body of every error under `/v1`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiError)]
pub struct OpenAiErrorBody {
    /// What is wrong.
    error: Told,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiErrorDetails)]
pub struct Told {
    /// One plain sentence.
    message: String,
    /// `invalid_request_error`, `authentication_error`, `permission_error`, `rate_limit_error` or
    /// `server_error`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The field at fault, where one is.
    param: Option<String>,
    /// The same word for programs as in all of Okra's errors, or `model_not_found`.
    code: &'static str,
}

impl OpenAiError {
    /// A failure after the question was stored.
    pub fn after_asking(error: Error) -> Self {
        Self { error, asked: true }
    }

    /// The body of the failure; logs what a client is not told.
    pub fn body(&self) -> OpenAiErrorBody {
        let told = error::body(&self.error);
        let param = match self.error.code {
            Some(UNKNOWN_MODEL) => Some("model".to_owned()),
            _ => told.details.into_iter().next().map(|it| it.field),
        };
        OpenAiErrorBody {
            error: Told {
                message: told.error,
                kind: kind(self.error.kind),
                param,
                code: told.code,
            },
        }
    }
}

impl From<Error> for OpenAiError {
    fn from(error: Error) -> Self {
        let asked = false;
        Self { error, asked }
    }
}

impl From<ApiError> for OpenAiError {
    fn from(ApiError(error): ApiError) -> Self {
        error.into()
    }
}

/// There is no chatbot of this slug for the caller.
pub fn unknown_model(slug: &str) -> Error {
    let slug: String = slug.chars().take(100).collect();
    let message = format!(
        "The model `{slug}` does not exist, or is not yours: a model is the slug of one of your \
         chatbots. GET /v1/models lists them."
    );
    Error::new(ErrorKind::NotFound, message).coded(UNKNOWN_MODEL)
}

fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthorized => "authentication_error",
        ErrorKind::Forbidden => "permission_error",
        ErrorKind::RateLimited(_) => "rate_limit_error",
        ErrorKind::Provider
        | ErrorKind::Unavailable
        | ErrorKind::OutOfSpace
        | ErrorKind::Internal => "server_error",
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::TooLarge
        | ErrorKind::UnsupportedType
        | ErrorKind::Unprocessable => "invalid_request_error",
    }
}

impl IntoResponse for OpenAiError {
    fn into_response(self) -> Response {
        let mut response = (error::status(self.error.kind).0, Json(self.body())).into_response();
        error::say_when(self.error.kind, &mut response);
        if self.asked {
            let no = HeaderValue::from_static("false");
            response.headers_mut().insert("x-should-retry", no);
        }
        response
    }
}

/// The one error that no [`ErrorKind`] stands for: only HTTP has methods.
pub async fn unknown_method() -> (StatusCode, Json<OpenAiErrorBody>) {
    let told = Told {
        message: "This path does not take this method; /docs lists what it takes.".to_owned(),
        kind: "invalid_request_error",
        param: None,
        code: "method_not_allowed",
    };
    (
        StatusCode::METHOD_NOT_ALLOWED,
        Json(OpenAiErrorBody { error: told }),
    )
}
