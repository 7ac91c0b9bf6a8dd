//! What the organization's chatbots hold and spend, and how the server is.

use axum::Json as JsonBody;
use axum::extract::State;
use okra_store::usage::ChatbotUsage;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::{Caller, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};

/// What one chatbot holds and spends.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatbotUsageBody {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// Items of knowledge.
    items: i64,
    /// Passages that can be found.
    chunks: i64,
    /// Bytes of its items' content.
    storage_bytes: i64,
    /// Answers given this month.
    messages: i64,
    /// Tokens that models read and wrote for them.
    tokens: i64,
}

impl From<ChatbotUsage> for ChatbotUsageBody {
    fn from(usage: ChatbotUsage) -> Self {
        Self {
            id: usage.id.0,
            name: usage.name,
            items: usage.items,
            chunks: usage.chunks,
            storage_bytes: usage.storage_bytes,
            messages: usage.messages,
            tokens: usage.tokens,
        }
    }
}

/// A kind of database.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseKind {
    /// A file that one server has for itself.
    Sqlite,
    /// A server that several Okras may share.
    Postgres,
}

/// A kind of file storage.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// A folder.
    Folder,
    /// An object storage with S3's API.
    S3,
}

/// How the server is; the same for every organization on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthBody {
    /// Okra's version.
    version: &'static str,
    /// Where rows lie.
    database: DatabaseKind,
    /// Where files lie.
    storage: StorageKind,
    /// Jobs that wait or run.
    jobs_open: i64,
    /// Memory that search indexes take.
    index_bytes: usize,
    /// How long this process has been running.
    uptime_seconds: u64,
}

/// What the organization's chatbots hold and spend. The month is the calendar's, in UTC; trials in
/// the playground count, since they cost the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageReply {
    /// Chatbots.
    chatbots: usize,
    /// Items of knowledge.
    items: i64,
    /// Passages that can be found.
    chunks: i64,
    /// Bytes of the items' content.
    storage_bytes: i64,
    /// Answers given this month.
    messages: i64,
    /// Tokens that models read and wrote for them.
    tokens: i64,
    /// Each chatbot, oldest first.
    by_chatbot: Vec<ChatbotUsageBody>,
    /// How the server is.
    health: HealthBody,
}

/// Get usage and health
#[utoipa::path(get, path = "/api/external/usage",
    operation_id = "getUsage", tag = "Organization",
    responses((status = 200, body = UsageReply), (status = 401, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller<Viewer>,
) -> ApiResult<JsonBody<UsageReply>> {
    let store = app.engine.store();
    let month = store.clock().now().month();
    let usage = store.usage(caller.organization(), month).await?;
    let sum = |count: fn(&ChatbotUsage) -> i64| usage.iter().map(count).sum();
    Ok(JsonBody(UsageReply {
        chatbots: usage.len(),
        items: sum(|it| it.items),
        chunks: sum(|it| it.chunks),
        storage_bytes: sum(|it| it.storage_bytes),
        messages: sum(|it| it.messages),
        tokens: sum(|it| it.tokens),
        health: HealthBody {
            version: env!("CARGO_PKG_VERSION"),
            database: match store.is_on_postgres() {
                true => DatabaseKind::Postgres,
                false => DatabaseKind::Sqlite,
            },
            storage: match store.blobs().is_folder() {
                true => StorageKind::Folder,
                false => StorageKind::S3,
            },
            jobs_open: store.open_jobs().await?,
            index_bytes: app.engine.index_bytes(),
            uptime_seconds: app.started.elapsed().as_secs(),
        },
        by_chatbot: usage.into_iter().map(Into::into).collect(),
    }))
}
