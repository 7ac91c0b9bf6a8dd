//! The inbox: the conversations of all of an organization's chatbots, by who has to act.

use axum::Json as JsonBody;
use axum::extract::State;
use okra_domain::handling::InboxQueue;
use okra_domain::page::Pagination;
use okra_domain::{Error, PersonId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::access::{Caller, Viewer};
use crate::app::App;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{PageParams, Paging, QueryParams};
use crate::wire::SessionSummary;
use crate::wire::people::QueueCountsBody;

/// One queue of the inbox.
#[derive(Debug, Serialize, ToSchema)]
pub struct InboxReply {
    /// The one last spoken in first.
    data: Vec<SessionSummary>,
    /// Where the page lies in the whole.
    pagination: Pagination,
    /// How many want a person, whichever queue is asked for.
    counts: QueueCountsBody,
}

/// Which conversations are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Only its description is used; reading names the field at fault.
pub struct InboxParams {
    /// `bot` (the chatbot answers), `waiting` (for a person), `mine` (those that whoever signed in
    /// has), `all` (that are not settled), or `resolved`.
    #[param(default = "all")]
    queue: Option<String>,
}

fn queue(query: &QueryParams, person: Option<PersonId>) -> ApiResult<InboxQueue> {
    let problem = match (query.text("queue"), person) {
        (None | Some("all"), _) => return Ok(InboxQueue::All),
        (Some("bot"), _) => return Ok(InboxQueue::Bot),
        (Some("waiting"), _) => return Ok(InboxQueue::Waiting),
        (Some("resolved"), _) => return Ok(InboxQueue::Resolved),
        (Some("mine"), Some(person)) => return Ok(InboxQueue::Mine(person)),
        (Some("mine"), None) => "mine is for people who sign in: a program has no conversations",
        (Some(_), _) => "must be bot, waiting, mine, all or resolved",
    };
    Err(ApiError(Error::invalid_field("queue", problem)))
}

/// Inbox
///
/// The conversations of all chatbots, without those of the playground.
#[utoipa::path(get, path = "/api/external/inbox", operation_id = "getInbox", tag = "Conversations",
    params(InboxParams, PageParams),
    responses((status = 200, body = InboxReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Viewer>,
    Paging(page): Paging,
    query: QueryParams,
) -> ApiResult<JsonBody<InboxReply>> {
    let person = caller.person().map(|person| person.id);
    let queue = queue(&query, person)?;
    let (store, organization) = (app.engine.store(), caller.organization());
    let page = store.inbox(organization, queue, page).await?;
    let counts = store.inbox_counts(organization, person).await?;
    Ok(JsonBody(InboxReply {
        data: page.entries.into_iter().map(Into::into).collect(),
        pagination: page.pagination,
        counts: counts.into(),
    }))
}
