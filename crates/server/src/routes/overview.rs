//! How the organization's chatbots do.

use axum::Json as JsonBody;
use axum::extract::State;
use okra_domain::{ChatbotId, Timestamp};
use okra_store::overview::{
    Conversations, Counts, Overview, Period, Ratings, Thumbs, UnansweredQuestion,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::access::{Caller, Viewer};
use crate::app::App;
use crate::error::{ApiResult, ErrorBody};
use crate::input::{QueryParams, parse_id};

/// Days looked at most.
const MAX_DAYS: u32 = 366;
/// The farthest that any place's time is from UTC, in minutes.
const MAX_OFFSET: i32 = 14 * 60;

/// Which part of an organization's time is looked at.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // Only its description is used; reading names the field at fault.
pub struct OverviewParams {
    /// How many days, today included.
    #[param(minimum = 1, maximum = 366, default = 30)]
    days: Option<u32>,
    /// One chatbot alone.
    chatbot: Option<Uuid>,
    /// Minutes by which the days' own time is ahead of UTC: 540 in Seoul, -300 in New York in
    /// winter. (`-new Date().getTimezoneOffset()` in JavaScript.)
    #[param(minimum = -840, maximum = 840, default = 0)]
    timezone_offset_minutes: Option<i32>,
}

/// How many questions, and how they were served. `questions` is the sum of the other three counts.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsBody {
    /// All of them.
    questions: i64,
    /// Those whose answer rests on at least one passage that was likely enough to answer from.
    answered: i64,
    /// Those the knowledge held nothing likely enough for.
    unanswered: i64,
    /// Those without a whole answer, because something failed.
    failed: i64,
    /// Milliseconds from the question to the end of the whole answer: half took less. Null where
    /// there is none.
    median_ms: Option<f64>,
}

impl From<Counts> for CountsBody {
    fn from(counts: Counts) -> Self {
        Self {
            questions: counts.questions,
            answered: counts.answered,
            unanswered: counts.unanswered,
            failed: counts.failed,
            median_ms: counts.median_micros.map(|micros| micros as f64 / 1e3),
        }
    }
}

/// One day.
#[derive(Debug, Serialize, ToSchema)]
pub struct DayBody {
    /// The day, such as `2025-01-22`.
    #[schema(format = Date)]
    date: String,
    /// What was asked on it.
    #[serde(flatten)]
    counts: CountsBody,
}

/// The whole period.
#[derive(Debug, Serialize, ToSchema)]
pub struct TotalsBody {
    /// What was asked in it.
    #[serde(flatten)]
    counts: CountsBody,
    /// The share of the questions that was answered from knowledge, 0 to 1; null where none was
    /// asked.
    answered_share: Option<f64>,
    /// The share of the questions that the knowledge held nothing likely enough for, 0 to 1; null where none was asked.
    unanswered_share: Option<f64>,
}

/// One chatbot.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatbotCountsBody {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// What it was asked.
    #[serde(flatten)]
    counts: CountsBody,
}

/// A question that the knowledge held nothing for.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnansweredBody {
    /// Its words, 2,000 characters at most, as they were last written.
    question: String,
    /// How often it was asked, letters' case aside.
    count: i64,
    /// When it was last asked.
    #[schema(value_type = String, format = DateTime)]
    last_asked_at: Timestamp,
    /// The chatbot that was asked.
    chatbot_id: Uuid,
    /// The conversation it was last asked in.
    session_id: Uuid,
    /// The visitor's message there.
    message_id: Uuid,
}

impl From<UnansweredQuestion> for UnansweredBody {
    fn from(asked: UnansweredQuestion) -> Self {
        Self {
            question: asked.question,
            count: asked.count,
            last_asked_at: asked.last_asked_at,
            chatbot_id: asked.chatbot_id.0,
            session_id: asked.session_id.0,
            message_id: asked.message_id.0,
        }
    }
}

/// How the conversations stand that began in the period. Those that nobody resolved are open.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationsBody {
    /// All of them.
    begun: i64,
    /// Those that no person was asked for or took over, and that are settled, or whose last question was answered from
    /// knowledge and that answer not rated down.
    resolved_by_chatbot: i64,
    /// Those that a person was asked for or took over, and that are settled.
    resolved_by_person: i64,
    /// Those that a person was asked for or took over.
    handed_over: i64,
    /// The share that the chatbot resolved, 0 to 1; null where none began.
    resolved_by_chatbot_share: Option<f64>,
    /// The share that persons resolved, 0 to 1; null where none began.
    resolved_by_person_share: Option<f64>,
}

impl From<Conversations> for ConversationsBody {
    fn from(conversations: Conversations) -> Self {
        let begun = conversations.begun;
        let share = |part: i64| (begun > 0).then(|| part as f64 / begun as f64);
        Self {
            begun,
            resolved_by_chatbot: conversations.by_chatbot,
            resolved_by_person: conversations.by_person,
            handed_over: conversations.handed_over,
            resolved_by_chatbot_share: share(conversations.by_chatbot),
            resolved_by_person_share: share(conversations.by_person),
        }
    }
}

/// How visitors rated whole conversations in the period; of each conversation its latest rating.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingsBody {
    /// How many there are.
    count: i64,
    /// The share of 4 and 5 among them, 0 to 1; null without one.
    satisfied_share: Option<f64>,
    /// Their mean, 1 to 5; null without one.
    mean: Option<f64>,
    /// How often 1, 2, 3, 4 and 5 were given.
    #[schema(min_items = 5, max_items = 5)]
    scores: Vec<i64>,
}

impl From<Ratings> for RatingsBody {
    fn from(ratings: Ratings) -> Self {
        Self {
            count: ratings.count(),
            satisfied_share: ratings.satisfied(),
            mean: ratings.mean(),
            scores: ratings.0.to_vec(),
        }
    }
}

/// How visitors rated single answers of the period.
#[derive(Debug, Serialize, ToSchema)]
pub struct ThumbsBody {
    /// Helpful.
    up: i64,
    /// Not helpful.
    down: i64,
}

impl From<Thumbs> for ThumbsBody {
    fn from(thumbs: Thumbs) -> Self {
        Self {
            up: thumbs.up,
            down: thumbs.down,
        }
    }
}

/// How the organization's chatbots do.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverviewReply {
    /// Each day of the period, oldest first.
    days: Vec<DayBody>,
    /// The whole period.
    totals: TotalsBody,
    /// The chatbots that were asked, the one asked most first; 200 at most.
    by_chatbot: Vec<ChatbotCountsBody>,
    /// What was asked in vain, the most frequent first; 50 at most.
    unanswered: Vec<UnansweredBody>,
    /// How the conversations stand that began in the period.
    conversations: ConversationsBody,
    /// How visitors rated whole conversations.
    ratings: RatingsBody,
    /// How they rated single answers.
    feedback: ThumbsBody,
}

impl From<Overview> for OverviewReply {
    fn from(overview: Overview) -> Self {
        let totals = overview.totals;
        let asked = totals.questions;
        let share = |part: i64| (asked > 0).then(|| part as f64 / asked as f64);
        let day = |(day, counts): (Timestamp, Counts)| DayBody {
            date: day.day(),
            counts: counts.into(),
        };
        let chatbot = |(id, name, counts): (ChatbotId, String, Counts)| ChatbotCountsBody {
            id: id.0,
            name,
            counts: counts.into(),
        };
        Self {
            days: overview.days.into_iter().map(day).collect(),
            totals: TotalsBody {
                answered_share: share(totals.answered),
                unanswered_share: share(totals.unanswered),
                counts: totals.into(),
            },
            by_chatbot: overview.by_chatbot.into_iter().map(chatbot).collect(),
            unanswered: overview.unanswered.into_iter().map(Into::into).collect(),
            conversations: overview.conversations.into(),
            ratings: overview.ratings.into(),
            feedback: overview.thumbs.into(),
        }
    }
}

/// Get the overview
///
/// Questions by day and by chatbot, how they were served, and what was asked in vain. Counted are
/// the questions of visitors, not those of the playground, nor those that were stopped before
/// anything was looked for.
#[utoipa::path(get, path = "/api/external/overview",
    operation_id = "getOverview", tag = "Organization", params(OverviewParams),
    responses((status = 200, body = OverviewReply), (status = 400, body = ErrorBody),
              (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    caller: Caller<Viewer>,
    query: QueryParams,
) -> ApiResult<JsonBody<OverviewReply>> {
    let store = app.engine.store();
    let days = query.number("days", 1..=MAX_DAYS)?.unwrap_or(30);
    let offset = query.number("timezone_offset_minutes", -MAX_OFFSET..=MAX_OFFSET)?;
    let chatbot = match query.text("chatbot") {
        None => None,
        Some(id) => {
            let id = parse_id(id, "chatbot")?;
            Some(store.chatbot(caller.organization(), id).await?.id)
        }
    };
    let period = Period {
        days,
        offset_minutes: offset.unwrap_or(0),
        chatbot,
    };
    let overview = store.overview(caller.organization(), period).await?;
    Ok(JsonBody(overview.into()))
}
