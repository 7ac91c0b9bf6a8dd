//! Q&A pairs as a CSV file, and back.

use std::sync::Arc;

use axum::Json as JsonBody;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use okra_domain::chatbot::Chatbot;
use okra_domain::{Error, ErrorKind, ItemId};
use okra_engine::Engine;
use okra_engine::pairs::{MAX_BYTES, PairLine, PairOutcome, PairsReport};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Admin, OwnChatbot, Viewer};
use crate::app::App;
use crate::download::Download;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::input::{QueryParams, form_error, multipart};
use crate::spreadsheet;

/// Pairs read at once.
const PAGE: u32 = 500;

/// A file of Q&A pairs.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Only its schema is used.
pub struct PairsForm {
    /// A CSV file of at most 16 MB and 10,000 lines, in any encoding, separated by commas,
    /// semicolons, tabs or bars.
    #[schema(value_type = String, format = Binary)]
    file: String,
}

/// What became of a file's lines.
#[derive(Debug, Serialize, ToSchema)]
pub struct PairsReply {
    /// Lines that are new items.
    taken: usize,
    /// Lines whose pair was there already.
    known: usize,
    /// Lines whose answer replaced another.
    changed: usize,
    /// Lines that cannot be taken.
    refused: usize,
    /// Each line that holds something, in order.
    lines: Vec<PairLineBody>,
}

/// What became of one line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PairLine)]
pub struct PairLineBody {
    /// The line it begins on, from 1.
    line: u64,
    /// What became of it.
    outcome: PairOutcomeBody,
    /// Its question; empty where it has none.
    question: String,
    /// Why it was refused or is known, in a sentence; else null.
    reason: Option<String>,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PairOutcome)]
pub enum PairOutcomeBody {
    /// It is a new item.
    Taken,
    /// The chatbot, or an earlier line, has the same pair.
    Known,
    /// The pair of the same question has this answer now.
    Changed,
    /// It cannot be taken; `reason` says why.
    Refused,
}

impl From<PairLine> for PairLineBody {
    fn from(line: PairLine) -> Self {
        Self {
            line: line.line,
            outcome: match line.outcome {
                PairOutcome::Taken => PairOutcomeBody::Taken,
                PairOutcome::Known => PairOutcomeBody::Known,
                PairOutcome::Changed => PairOutcomeBody::Changed,
                PairOutcome::Refused => PairOutcomeBody::Refused,
            },
            question: line.question,
            reason: line.reason,
        }
    }
}

impl From<PairsReport> for PairsReply {
    fn from(report: PairsReport) -> Self {
        let count = |outcome| {
            let lines = report.lines.iter();
            lines.filter(|line| line.outcome == outcome).count()
        };
        Self {
            taken: count(PairOutcome::Taken),
            known: count(PairOutcome::Known),
            changed: count(PairOutcome::Changed),
            refused: count(PairOutcome::Refused),
            lines: report.lines.into_iter().map(Into::into).collect(),
        }
    }
}

/// Export Q&A pairs
///
/// A CSV file with the columns `question` and `answer`, oldest first, disabled pairs included. Cells
/// that a spreadsheet would take for a formula begin with an apostrophe, which an import takes away.
#[utoipa::path(get, path = "/api/external/chatbot/{chatbotId}/knowledge-base/qna",
    operation_id = "exportQnaPairs", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot.")),
    responses((status = 200, body = String, content_type = "text/csv"),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn export(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Viewer>,
) -> ApiResult<Response> {
    let day = app.engine.store().clock().now().day();
    let file_name = format!("{}-qna-{day}.csv", chatbot.slug);
    let mut pairs = Box::pin(csv_of_pairs(app.engine.clone(), chatbot));
    // What fails at once is told as an error, not as a file that breaks off.
    let first = pairs.next().await.transpose()?;
    let download = Download {
        file_name: &file_name,
        media_type: spreadsheet::MEDIA_TYPE,
        size: None,
    };
    download.of(stream::iter(first.map(Ok)).chain(pairs))
}

/// The chatbot's pairs as a CSV file, written while they are read.
pub fn csv_of_pairs(
    engine: Arc<Engine>,
    chatbot: Chatbot,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    let begin: (Option<ItemId>, bool) = (None, true);
    stream::try_unfold(
        (engine, chatbot, begin),
        async |(engine, chatbot, (after, first))| {
            let pairs = engine.store().pairs_after(&chatbot, after, PAGE).await?;
            let mut text = Vec::new();
            if first {
                text.extend_from_slice(spreadsheet::BYTE_ORDER_MARK.as_bytes());
                spreadsheet::write_line(&mut text, ["question", "answer"])?;
            }
            for pair in &pairs {
                spreadsheet::write_line(&mut text, [pair.question.as_str(), pair.answer.as_str()])?;
            }
            let last = pairs.last().map(|pair| pair.id);
            Ok((!text.is_empty())
                .then(|| (text.into(), (engine, chatbot, (last.or(after), false)))))
        },
    )
}

/// Import Q&A pairs
///
/// A line of the file is a pair: in the columns that its header calls question and answer (in English,
/// Korean, Japanese, Chinese and some more), or the first two. Pairs that are there are recognised. A
/// question that is there with another answer is refused, or with `replace` gets the new one. Good
/// lines are taken although others are refused; `lines` tells of each. New pairs are read in the
/// background.
#[utoipa::path(post, path = "/api/external/chatbot/{chatbotId}/knowledge-base/qna",
    operation_id = "importQnaPairs", tag = "Knowledge",
    params(("chatbotId" = uuid::Uuid, Path, description = "The chatbot."),
           ("replace" = Option<bool>, Query, description = "Whether new answers replace those that \
             are there; `false` where not given.")),
    request_body(content = PairsForm, content_type = "multipart/form-data"),
    responses((status = 200, body = PairsReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
              (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
              (status = 415, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub async fn import(
    State(app): State<App>,
    OwnChatbot(chatbot, _): OwnChatbot<Admin>,
    query: QueryParams,
    request: Request,
) -> ApiResult<JsonBody<PairsReply>> {
    let replace = query.bool("replace")?.unwrap_or(false);
    let mut form = multipart(request).await?;
    while let Some(mut field) = form.next_field().await.map_err(form_error)? {
        if field.name() != Some("file") {
            continue;
        }
        let mut content = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(form_error)? {
            if content.len() + piece.len() > MAX_BYTES {
                let message = format!("The file is larger than {} MB.", MAX_BYTES >> 20);
                return Err(ApiError(Error::new(ErrorKind::TooLarge, message)));
            }
            content.extend_from_slice(&piece);
        }
        let report = app.engine.import_pairs(&chatbot, content.into(), replace);
        return Ok(JsonBody(report.await?.into()));
    }
    let problem = "send one CSV file in the form field \"file\"";
    Err(ApiError(Error::invalid_field("file", problem)))
}
