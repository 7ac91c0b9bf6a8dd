//! Gaps: what visitors asked in vain, like questions together, and how it gets an answer.

use std::time::Duration;

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::gap::{Gap, GapState};
use okra_domain::page::Pagination;
use okra_domain::{GapId, MessageId};
use okra_engine::gaps::GATHERED_DAYS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{Admin, Agent, OwnChatbot, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, PageParams, Paging, QueryParams, parse_id};
use crate::wire::KnowledgeItem;
use crate::wire::gaps::{
    AskedGapBody, GapBody, GapCountsBody, GapQuestionBody, PairDraftBody, TrialBody,
};

/// Questions told of one gap at most.
const QUESTIONS: u32 = 100;
/// Days looked at where none are asked for.
const DAYS: u32 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Which gaps are wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Only its description is used; reading names the field at fault.
pub struct GapParams {
    /// Those that stand like this.
    #[param(default = "open")]
    state: Option<GapState>,
    /// Those that something was asked of in so many days before now; only that is counted.
    #[param(minimum = 1, maximum = 366, default = 30)]
    days: Option<u32>,
}

/// Gaps of a chatbot.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapsReply {
    /// The one asked most first.
    data: Vec<AskedGapBody>,
    /// Where the page lies in the whole.
    pagination: Pagination,
    /// How many there are in the period, whichever are asked for.
    counts: GapCountsBody,
    /// Whether older questions are still to be gathered, 500 with each call: ask again.
    more: bool,
    /// Why the newest questions are missing; null where they are not.
    warning: Option<String>,
}

/// List gaps
///
/// What visitors asked in the last days and the knowledge held nothing for, or whose answer they rated down; questions
/// alike are one gap. They are compared by the embedder whose vectors answer, where it knows their language, else by
/// their words; a question with the 2,000 newest gaps. The call gathers up to 500 of the questions of the last 366 days
/// that came since it was last made.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/gaps",
    operation_id = "getGaps", tag = "Knowledge",
    params(("chatbotId" = Uuid, Path, description = "The chatbot."), GapParams, PageParams),
    responses((status = 200, body = GapsReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Paging(page): Paging,
    query: QueryParams,
) -> ApiResult<JsonBody<GapsReply>> {
    let state = query.word("state", "open, resolved or dismissed")?;
    let state = state.unwrap_or(GapState::Open);
    let days = query.number("days", 1..=GATHERED_DAYS)?.unwrap_or(DAYS);
    let gathering = app.engine.gather_gaps(&chatbot).await?;
    let store = app.engine.store();
    let since = store.clock().now().before(DAY * days);
    let (page, counts) = store.gaps(&chatbot, state, since, page).await?;
    Ok(JsonBody(GapsReply {
        data: page.entries.into_iter().map(Into::into).collect(),
        pagination: page.pagination,
        counts: counts.into(),
        more: gathering.more,
        warning: gathering.warning,
    }))
}

/// A gap with its questions.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapReply {
    data: AskedGapBody,
    /// Its questions, the latest first; 100 at most.
    questions: Vec<GapQuestionBody>,
}

/// Get a gap
///
/// With its questions, and what persons replied to them.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/gaps/{gapId}",
    operation_id = "getGap", tag = "Knowledge",
    params(("chatbotId" = Uuid, Path, description = "The chatbot."),
           ("gapId" = Uuid, Path, description = "The gap.")),
    responses((status = 200, body = GapReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<GapReply>> {
    let store = app.engine.store();
    let gap = store.gap(&chatbot, gap_id(&id)?).await?;
    let asked = store.asked_gap(&chatbot, &gap).await?;
    let questions = store.gap_questions(&chatbot, &gap, QUESTIONS).await?;
    Ok(JsonBody(GapReply {
        data: asked.map_or_else(|| AskedGapBody::unasked(gap), Into::into),
        questions: questions.into_iter().map(Into::into).collect(),
    }))
}

/// What to change of a gap.
#[derive(Debug, Deserialize, ToSchema)]
pub struct GapInput {
    /// How it shall stand.
    state: GapState,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedGapReply {
    data: GapBody,
}

/// Resolve or dismiss a gap
///
/// A resolved gap opens again when one of its questions is asked in vain after that; a dismissed one stays, however
/// often it is asked.
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}/gaps/{gapId}",
    operation_id = "updateGap", tag = "Knowledge",
    params(("chatbotId" = Uuid, Path, description = "The chatbot."),
           ("gapId" = Uuid, Path, description = "The gap.")),
    request_body = GapInput,
    responses((status = 200, body = ChangedGapReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<GapInput>,
) -> ApiResult<JsonBody<ChangedGapReply>> {
    let store = app.engine.store();
    let gap = store
        .settle_gap(&chatbot, gap_id(&id)?, input.state)
        .await?;
    Ok(JsonBody(ChangedGapReply { data: gap.into() }))
}

/// Where a draft shall come from.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DraftFrom {
    /// What a person wrote later in the conversation of a question.
    Reply,
    /// The chatbot's model.
    Model,
}

/// A draft to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DraftInput {
    /// Who writes it.
    from: DraftFrom,
    /// With `reply`: the visitor's message whose reply is taken; the latest question that has one where it is left
    /// out.
    message_id: Option<Uuid>,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftReply {
    data: PairDraftBody,
}

/// Draft an answer to a gap
///
/// A Q&A pair to be looked through and given to answerGap: what a person replied, four messages in a row at most; or
/// what the chatbot's model writes from the gap's questions, such replies and the passages that come near, with
/// brackets where a fact is missing. Nothing is stored, and nobody is answered from it.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/gaps/{gapId}/draft",
    operation_id = "draftGapAnswer", tag = "Knowledge",
    params(("chatbotId" = Uuid, Path, description = "The chatbot."),
           ("gapId" = Uuid, Path, description = "The gap.")),
    request_body = DraftInput,
    responses((status = 200, body = DraftReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
              (status = 429, body = ErrorBody), (status = 502, body = ErrorBody),
              (status = 503, body = ErrorBody)))]
pub async fn draft(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<DraftInput>,
) -> ApiResult<JsonBody<DraftReply>> {
    let engine = &app.engine;
    let gap = engine.store().gap(&chatbot, gap_id(&id)?).await?;
    let draft = match input.from {
        DraftFrom::Reply => {
            let message = input.message_id.map(MessageId);
            engine.draft_from_reply(&chatbot, &gap, message).await?
        }
        DraftFrom::Model => engine.draft_by_model(&chatbot, &gap).await?,
    };
    Ok(JsonBody(DraftReply { data: draft.into() }))
}

/// A Q&A pair that was approved.
#[derive(Debug, Deserialize, ToSchema)]
pub struct GapAnswerInput {
    /// Its question, 2,000 characters at most.
    question: String,
    /// Its answer, 20,000 characters at most.
    answer: String,
    /// Whether a pair of this question with another answer gets this one.
    #[serde(default)]
    replace: bool,
}

/// A gap with the pair that answers it.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapAnswerReply {
    data: GapBody,
    /// The pair, which is read in the background.
    item: KnowledgeItem,
}

/// Answer a gap
///
/// Adds the pair to the chatbot's knowledge, which answers from it once it is read. The gap stays open until testGap
/// finds that it does. A pair of the same question with another answer is a conflict (409 `already_answered`), or is
/// replaced.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/gaps/{gapId}/answer",
    operation_id = "answerGap", tag = "Knowledge",
    params(("chatbotId" = Uuid, Path, description = "The chatbot."),
           ("gapId" = Uuid, Path, description = "The gap.")),
    request_body = GapAnswerInput,
    responses((status = 202, body = GapAnswerReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn answer(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<GapAnswerInput>,
) -> ApiResult<(StatusCode, JsonBody<GapAnswerReply>)> {
    let pair = (input.question.as_str(), input.answer.as_str());
    let answered = app
        .engine
        .answer_gap(&chatbot, gap_id(&id)?, pair, input.replace);
    let (gap, item): (Gap, _) = answered.await?;
    let reply = GapAnswerReply {
        data: gap.into(),
        item: item.into(),
    };
    Ok((StatusCode::ACCEPTED, JsonBody(reply)))
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrialReply {
    data: TrialBody,
}

/// Test a gap
///
/// Looks its latest 20 wordings up as questions of visitors are, and asks no model. An open gap is resolved where its
/// pair is found for each of them, likely enough to answer from.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/gaps/{gapId}/test",
    operation_id = "testGap", tag = "Knowledge",
    params(("chatbotId" = Uuid, Path, description = "The chatbot."),
           ("gapId" = Uuid, Path, description = "The gap.")),
    responses((status = 200, body = TrialReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn test(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Agent>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<TrialReply>> {
    let trial = app.engine.try_gap(&chatbot, gap_id(&id)?).await?;
    Ok(JsonBody(TrialReply { data: trial.into() }))
}

fn gap_id(id: &str) -> ApiResult<GapId> {
    parse_id(id, "gap")
}
