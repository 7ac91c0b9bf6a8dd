//! The one place that turns kinds of failure into HTTP answers. Faults of ours are logged here,
//! once, and never shown.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use okra_domain::{Error, ErrorKind, FieldProblem};
use serde::Serialize;
use utoipa::ToSchema;

/// A handler's failure.
#[derive(Debug)]
pub struct ApiError(pub Error);

/// What a handler gives.
pub type ApiResult<T> = Result<T, ApiError>;

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// One plain sentence.
    pub error: String,
    /// A word for programs, such as `not_found`.
    pub code: &'static str,
    /// The fields at fault, where the input is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FieldProblemBody>)]
    pub details: Vec<FieldProblem>,
}

/// One field at fault.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldProblem)]
#[allow(dead_code)] // Only its schema is used.
pub struct FieldProblemBody {
    /// The field's path, such as `settings.snippet.primaryColor`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// The status and the code of a kind.
pub fn status(kind: ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request"),
        ErrorKind::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
        ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        ErrorKind::UnsupportedType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type"),
        ErrorKind::Unprocessable => (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable"),
        ErrorKind::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        ErrorKind::Provider => (StatusCode::BAD_GATEWAY, "provider_failed"),
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        ErrorKind::OutOfSpace => (StatusCode::INSUFFICIENT_STORAGE, "out_of_space"),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

/// What a client is told of `error`; logs what it is not told.
pub fn body(error: &Error) -> ErrorBody {
    let (_, code) = status(error.kind);
    let code = error.code.unwrap_or(code);
    let cause = error.source.as_ref().map(|cause| {
        // The whole chain: a database error's own message seldom says what caused it.
        let mut text = cause.to_string();
        let mut inner = cause.source();
        while let Some(error) = inner {
            text.push_str(&format!(": {error}"));
            inner = error.source();
        }
        text
    });
    match error.kind {
        ErrorKind::Internal => tracing::error!(doing = error.message, cause, "internal error"),
        ErrorKind::OutOfSpace => tracing::error!(cause, "the disk is full"),
        ErrorKind::Provider | ErrorKind::Unavailable => {
            tracing::warn!(
                error = error.message,
                cause,
                "a service that is needed failed"
            );
        }
        _ => {}
    }
    let message = match error.kind {
        ErrorKind::Internal => {
            "Something went wrong on the server. Its log tells more under this request's id."
                .to_owned()
        }
        _ => error.message.clone(),
    };
    ErrorBody {
        error: message,
        code,
        details: error.details.clone(),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let kind = self.0.kind;
        let (status, _) = status(kind);
        let mut response = (status, Json(body(&self.0))).into_response();
        say_when(kind, &mut response);
        response
    }
}

/// Says in a header when to try again, where that is known.
pub fn say_when(kind: ErrorKind, response: &mut Response) {
    if let ErrorKind::RateLimited(wait) = kind {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
}
