//! Evals: sets of questions with what must be found for them, and their runs.

use axum::Json as JsonBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use okra_domain::eval::{EvalRun, EvalSet, Question, check_questions, parse_set_name};
use okra_domain::{Error, EvalId, EvalRunId};
use okra_store::Store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Admin, OwnChatbot, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{Json, PageParams, Paging, QueryParams, parse_id};
use crate::wire::ListBody;
use crate::wire::evals::{EvalDetails, EvalSummary, RunBody};

/// A set to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewEval {
    /// What to call it, 1 to 100 characters; unique in the chatbot.
    name: String,
    /// Its questions, 1 to 1,000.
    questions: Vec<Question>,
}

/// What to change of a set.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EvalInput {
    /// A new name.
    name: Option<String>,
    /// Other questions in place of all it has.
    questions: Option<Vec<Question>>,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvalReply {
    data: EvalDetails,
}

/// `{"data": …}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvalRunReply {
    data: RunBody,
}

/// A set that was drafted and is not kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvalDraft {
    /// Its questions; none where there are neither Q&A pairs nor past questions.
    questions: Vec<Question>,
}

/// Get evals
///
/// The chatbot's sets of questions, newest first, each with its latest run's scores.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/evals",
    operation_id = "getEvals", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."), PageParams),
    responses((status = 200, body = ListBody<EvalSummary>), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Paging(page): Paging,
) -> ApiResult<JsonBody<ListBody<EvalSummary>>> {
    let page = app.engine.store().evals(&chatbot, page).await?;
    Ok(JsonBody(ListBody::new(page)))
}

/// Create eval
///
/// Keeps questions with what must be found for them: the id or title of an item, text of a passage,
/// or answer words, of which all that is given must hold of one passage; or `"expect": "refusal"`. A
/// chatbot has at most 100 sets.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/evals",
    operation_id = "createEval", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    request_body = NewEval,
    responses((status = 201, body = EvalReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Json(input): Json<NewEval>,
) -> ApiResult<(StatusCode, JsonBody<EvalReply>)> {
    let store = app.engine.store();
    let now = store.clock().now();
    check(&input.questions)?;
    let set = EvalSet {
        id: EvalId::new(),
        chatbot_id: chatbot.id,
        name: parse_set_name(&input.name)?,
        questions: input.questions,
        created_at: now,
        updated_at: now,
    };
    store.create_eval(&chatbot, &set).await?;
    let data = EvalDetails::new(set, &[], None);
    Ok((StatusCode::CREATED, JsonBody(EvalReply { data })))
}

fn check(questions: &[Question]) -> Result<(), Error> {
    check_questions(questions, |index| format!("questions[{index}]"))
}

/// Draft eval
///
/// A first set to be looked through and kept with createEval: the questions of the chatbot's Q&A
/// pairs, then past questions with the item that was cited, at most 100 of each. Nothing is stored.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/evals/draft",
    operation_id = "draftEval", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = EvalDraft), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn draft(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
) -> ApiResult<JsonBody<EvalDraft>> {
    let questions = app.engine.draft_eval(&chatbot).await?;
    Ok(JsonBody(EvalDraft { questions }))
}

/// Get an eval
///
/// With its questions, its runs, and one run question by question: `?run=` or the latest.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/evals/{evalId}",
    operation_id = "getEval", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("evalId" = uuid::Uuid, Path, description = "The set."),
           ("run" = Option<uuid::Uuid>, Query, description = "The run that is wanted.")),
    responses((status = 200, body = EvalReply), (status = 401, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
    Path((_, id)): Path<(String, String)>,
    query: QueryParams,
) -> ApiResult<JsonBody<EvalReply>> {
    let store = app.engine.store();
    let set = store.eval(&chatbot, parse_id(&id, "eval")?).await?;
    details(store, set, query.text("run")).await
}

async fn details(store: &Store, set: EvalSet, run: Option<&str>) -> ApiResult<JsonBody<EvalReply>> {
    let runs = store.eval_runs(&set).await?;
    let wanted: Option<EvalRunId> = match run {
        Some(id) => Some(parse_id(id, "run of this eval")?),
        None => runs.first().map(|run| run.id),
    };
    let run = match wanted {
        Some(id) => {
            let run = store.eval_run(&set, id).await?;
            Some(compared(store, &set, run).await?)
        }
        None => None,
    };
    let data = EvalDetails::new(set, &runs, run);
    Ok(JsonBody(EvalReply { data }))
}

async fn compared(store: &Store, set: &EvalSet, run: EvalRun) -> Result<RunBody, Error> {
    let before = store.eval_run_before(set, &run).await?;
    Ok(RunBody::new(run, before.as_ref()))
}

/// Update eval
///
/// Its name, or all of its questions. Earlier runs stay; a question whose expectation changed is not
/// compared with them.
#[utoipa::path(patch, path = "/api/external/chatbot/{chatbotId}/evals/{evalId}",
    operation_id = "updateEval", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("evalId" = uuid::Uuid, Path, description = "The set.")),
    request_body = EvalInput,
    responses((status = 200, body = EvalReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
    Json(input): Json<EvalInput>,
) -> ApiResult<JsonBody<EvalReply>> {
    let id = parse_id(&id, "eval")?;
    let name = input.name.as_deref().map(parse_set_name).transpose()?;
    input.questions.as_deref().map(check).transpose()?;
    let store = app.engine.store();
    let set = store
        .update_eval(&chatbot, id, name, input.questions)
        .await?;
    details(store, set, None).await
}

/// Delete eval
///
/// With its runs.
#[utoipa::path(delete, path = "/api/external/chatbot/{chatbotId}/evals/{evalId}",
    operation_id = "deleteEval", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("evalId" = uuid::Uuid, Path, description = "The set.")),
    responses((status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let id = parse_id(&id, "eval")?;
    app.engine.store().delete_eval(&chatbot, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Run eval
///
/// Goes through the questions with the retrieval that answers rest on, asks no model, and answers
/// when it is done; 1,000 questions at most bound that. A run whose client leaves goes on, and is
/// kept. Each question is compared with the run before.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/evals/{evalId}/run",
    operation_id = "runEval", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("evalId" = uuid::Uuid, Path, description = "The set.")),
    responses((status = 200, body = EvalRunReply), (status = 401, body = ErrorBody),
              (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn run(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    Path((_, id)): Path<(String, String)>,
) -> ApiResult<JsonBody<EvalRunReply>> {
    let store = app.engine.store();
    let set = store.eval(&chatbot, parse_id(&id, "eval")?).await?;
    let run = app.engine.run_eval_to_its_end(chatbot, set.clone()).await?;
    let data = compared(store, &set, run).await?;
    Ok(JsonBody(EvalRunReply { data }))
}
