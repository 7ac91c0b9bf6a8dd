//! What operators and curious developers look at: health, metrics, the API's description.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use okra_domain::Error;
use serde::Serialize;

use crate::app::{App, Spec};
use crate::error::{ApiError, ApiResult};
use crate::reference;

/// Is the process up?
pub async fn healthz() -> &'static str {
    "ok\n"
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    database: &'static str,
    storage: &'static str,
}

/// Can it serve: do database and storage answer?
pub async fn readyz(State(app): State<App>) -> Response {
    let store = app.engine.store();
    let (database, storage) = tokio::join!(store.check_database(), store.blobs().check());
    let word = |part: &str, result: Result<(), okra_domain::Error>| match result {
        Ok(()) => "ok",
        Err(error) => {
            let cause = error.source.as_ref().map(ToString::to_string);
            tracing::warn!(part, %error, cause, "not ready");
            "unreachable"
        }
    };
    let (database, storage) = (word("database", database), word("storage", storage));
    let ready = database == "ok" && storage == "ok";
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = Readiness {
        ready,
        database,
        storage,
    };
    (status, Json(body)).into_response()
}

/// Counters and histograms in Prometheus' text format.
pub async fn metrics(State(app): State<App>) -> Response {
    if let Ok(open) = app.engine.store().open_jobs().await {
        metrics::gauge!("okra_jobs_open").set(open as f64);
    }
    let media_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, media_type)], app.metrics.render()).into_response()
}

/// The API's description for programs.
pub async fn openapi() -> ApiResult<Response> {
    let media_type = "application/json";
    Ok(([(header::CONTENT_TYPE, media_type)], spec()?.json.as_str()).into_response())
}

/// The API's description for people: one page, without script, that works offline.
pub async fn docs() -> ApiResult<Response> {
    let policy = reference::CONTENT_SECURITY_POLICY;
    let headers = [(header::CONTENT_SECURITY_POLICY, policy)];
    Ok((headers, Html(spec()?.page.as_str())).into_response())
}

fn spec() -> ApiResult<&'static Spec> {
    let failed =
        |error: anyhow::Error| Error::internal("cannot render the API's description", error);
    Spec::get().map_err(|error| ApiError(failed(error)))
}
