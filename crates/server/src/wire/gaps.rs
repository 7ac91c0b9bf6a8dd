//! Gaps as they stand on the wire: questions alike that got no answer, drafts of one, and trials.

use okra_domain::Timestamp;
use okra_domain::gap::{AskedGap, Gap, GapQuestion, GapState};
use okra_engine::gaps::{PairDraft, PairOrigin, Trial, TriedQuestion};
use okra_store::gaps::GapCounts;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::KnowledgeItem;

/// A gap.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gap)]
pub struct GapBody {
    /// Its id.
    pub id: Uuid,
    /// Its first question; the others are like it.
    pub question: String,
    /// How it stands.
    pub state: GapState,
    /// The Q&A pair that was written for it, which may be gone; null without one.
    pub item_id: Option<Uuid>,
    /// When it was resolved or dismissed; null while it is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
    /// When it came up.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Gap> for GapBody {
    fn from(gap: Gap) -> Self {
        Self {
            id: gap.id.0,
            question: gap.question,
            state: gap.state,
            item_id: gap.item.map(|item| item.0),
            settled_at: gap.settled_at,
            created_at: gap.created_at,
        }
    }
}

/// A gap with what was asked of it: in the period that is looked at, or ever where one gap is asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AskedGap)]
pub struct AskedGapBody {
    /// The gap.
    #[serde(flatten)]
    pub gap: GapBody,
    /// Questions that got no answer, or whose answer was rated down.
    pub questions: i64,
    /// Those of them that the knowledge held nothing for.
    pub unanswered: i64,
    /// Those of them whose answer was rated down.
    pub disliked: i64,
    /// When the first of them was asked; null where none counts any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first_asked_at: Option<Timestamp>,
    /// When the last of them was asked; null where none counts any more.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_asked_at: Option<Timestamp>,
}

impl From<AskedGap> for AskedGapBody {
    fn from(asked: AskedGap) -> Self {
        Self {
            gap: asked.gap.into(),
            questions: asked.questions,
            unanswered: asked.unanswered,
            disliked: asked.disliked,
            first_asked_at: Some(asked.first_asked_at),
            last_asked_at: Some(asked.last_asked_at),
        }
    }
}

impl AskedGapBody {
    /// Of a gap that nothing was asked of, which counts any more.
    pub fn unasked(gap: Gap) -> Self {
        Self {
            gap: gap.into(),
            questions: 0,
            unanswered: 0,
            disliked: 0,
            first_asked_at: None,
            last_asked_at: None,
        }
    }
}

/// How many gaps of the period there are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GapCounts)]
pub struct GapCountsBody {
    /// Nobody has seen to them.
    pub open: i64,
    /// They find an answer now.
    pub resolved: i64,
    /// They need none.
    pub dismissed: i64,
}

impl From<GapCounts> for GapCountsBody {
    fn from(counts: GapCounts) -> Self {
        Self {
            open: counts.open,
            resolved: counts.resolved,
            dismissed: counts.dismissed,
        }
    }
}

/// A question of a gap.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GapQuestion)]
pub struct GapQuestionBody {
    /// The visitor's message.
    pub message_id: Uuid,
    /// The conversation it was asked in.
    pub session_id: Uuid,
    /// Its words, 2,000 characters at most.
    pub question: String,
    /// What was looked up in its place, where it leaned on what was said before.
    pub looked_up: Option<String>,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: Timestamp,
    /// Whether the knowledge held nothing for it.
    pub unanswered: bool,
    /// Whether its answer was rated down.
    pub disliked: bool,
    /// What the visitor said about that answer.
    pub comment: Option<String>,
    /// The first message that a person wrote later in that conversation, 2,000 characters at most.
    pub reply: Option<String>,
}

impl From<GapQuestion> for GapQuestionBody {
    fn from(asked: GapQuestion) -> Self {
        Self {
            message_id: asked.message_id.0,
            session_id: asked.session_id.0,
            question: asked.question,
            looked_up: asked.looked_up,
            asked_at: asked.asked_at,
            unanswered: asked.unanswered,
            disliked: asked.disliked,
            comment: asked.comment,
            reply: asked.reply.map(|reply| reply.content),
        }
    }
}

/// A Q&A pair to be looked through. It is stored nowhere.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PairDraft)]
pub struct PairDraftBody {
    /// Its question.
    pub question: String,
    /// Its answer.
    pub answer: String,
    /// Where it comes from: `reply` or `model`.
    pub origin: &'static str,
    /// The conversation of the reply that it is; null where a model wrote it.
    pub session_id: Option<Uuid>,
    /// The model that wrote it; null where a person did.
    pub model: Option<String>,
    /// Tokens read and written for it.
    pub tokens_used: i64,
}

impl From<PairDraft> for PairDraftBody {
    fn from(draft: PairDraft) -> Self {
        Self {
            question: draft.question,
            answer: draft.answer,
            origin: match draft.origin {
                PairOrigin::Reply => "reply",
                PairOrigin::Model => "model",
            },
            session_id: draft.session_id.map(|session| session.0),
            model: draft.model,
            tokens_used: draft.tokens_used,
        }
    }
}

/// How a gap's questions fare now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GapTrial)]
pub struct TrialBody {
    /// The gap as it stands then.
    pub gap: GapBody,
    /// The pair that was written for it; null where there is none, or it was deleted.
    pub item: Option<KnowledgeItem>,
    /// Each wording, the latest first; 20 at most.
    pub questions: Vec<TriedQuestionBody>,
}

/// How one wording fares.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriedQuestion)]
pub struct TriedQuestionBody {
    /// The question.
    pub question: String,
    /// The place of the gap's pair among the passages that an answer would be given, from 1; null where it is not
    /// among them, or there is no pair.
    pub place: Option<usize>,
    /// The similarity of the pair, or where it was not found of what came first; null where nothing was found.
    pub similarity: Option<f32>,
    /// Whether that is likely enough to answer from.
    pub answers: bool,
    /// The title of what came first; null where nothing was found.
    pub first_title: Option<String>,
    /// The item of what came first.
    pub first_id: Option<Uuid>,
}

impl From<TriedQuestion> for TriedQuestionBody {
    fn from(tried: TriedQuestion) -> Self {
        let first = tried.first.as_ref().map(|it| &it.found);
        Self {
            place: tried.place,
            similarity: tried.similarity,
            answers: tried.answers,
            first_title: first.map(|it| it.title.clone()),
            first_id: first.map(|it| it.item_id.0),
            question: tried.question,
        }
    }
}

impl From<Trial> for TrialBody {
    fn from(trial: Trial) -> Self {
        Self {
            gap: trial.gap.into(),
            item: trial.item.map(Into::into),
            questions: trial.questions.into_iter().map(Into::into).collect(),
        }
    }
}
