//! Evals as they stand on the wire, and on the command line with `--json`.

use okra_domain::Timestamp;
use okra_domain::eval::{
    Change, EvalRun, EvalSet, Question, QuestionResult, Scores, earlier_results,
};
use okra_store::evals::ListedSet;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A set in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvalSummary {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// How many questions it has.
    pub questions: i64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its name or its questions last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Its latest run; null before the first.
    pub latest: Option<RunSummary>,
}

impl From<ListedSet> for EvalSummary {
    fn from(listed: ListedSet) -> Self {
        Self {
            id: listed.set.id.0,
            name: listed.set.name,
            questions: listed.questions,
            created_at: listed.set.created_at,
            updated_at: listed.set.updated_at,
            latest: listed.latest.as_ref().map(RunSummary::from),
        }
    }
}

/// A run without its results.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EvalRunSummary)]
pub struct RunSummary {
    /// Its id.
    pub id: Uuid,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// How long it took.
    pub milliseconds: f64,
    /// How the chatbot did.
    pub scores: Scores,
}

impl From<&EvalRun> for RunSummary {
    fn from(run: &EvalRun) -> Self {
        Self {
            id: run.id.0,
            created_at: run.created_at,
            milliseconds: run.took_micros as f64 / 1e3,
            scores: run.scores,
        }
    }
}

/// A set with its questions, and how the chatbot did.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvalDetails {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its name or its questions last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Its questions.
    pub questions: Vec<Question>,
    /// Its runs, newest first; 20 are kept.
    pub runs: Vec<RunSummary>,
    /// The run asked for, else the latest, question by question; null before the first.
    pub run: Option<RunBody>,
}

impl EvalDetails {
    /// The wire form of `set`.
    pub fn new(set: EvalSet, runs: &[EvalRun], run: Option<RunBody>) -> Self {
        Self {
            id: set.id.0,
            name: set.name,
            created_at: set.created_at,
            updated_at: set.updated_at,
            questions: set.questions,
            runs: runs.iter().map(RunSummary::from).collect(),
            run,
        }
    }
}

/// A run question by question, compared with the one before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EvalRun)]
pub struct RunBody {
    /// What lists show of it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// How it did with each question, in the set's order.
    pub results: Vec<ComparedResult>,
    /// The run before; null where this is the first.
    pub previous: Option<RunSummary>,
    /// How many questions did better or worse than in the run before; null where this is the first.
    pub changes: Option<Changes>,
}

/// A question's result beside that of the run before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ComparedEvalResult)]
pub struct ComparedResult {
    /// The result.
    #[serde(flatten)]
    pub result: QuestionResult,
    /// What became of it since the run before; null where this is the first.
    pub change: Option<Change>,
    /// The place of the right passage in the run before; null where there was none.
    pub previous_rank: Option<u32>,
    /// Whether the chatbot refused in the run before; null where that did not ask this.
    pub previously_refused: Option<bool>,
}

/// Questions by what became of them.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = EvalChanges)]
pub struct Changes {
    /// Whose passage came further up, or which are refused now as they should.
    pub better: usize,
    /// Whose passage came further down, or which are no longer refused as they should.
    pub worse: usize,
    /// As before.
    pub unchanged: usize,
    /// Which the run before did not ask like this.
    pub new: usize,
}

impl RunBody {
    /// `run` beside the run `before` it.
    pub fn new(run: EvalRun, before: Option<&EvalRun>) -> Self {
        let summary = RunSummary::from(&run);
        let known = before.map(|before| earlier_results(&run.results, &before.results));
        let mut changes = before.map(|_| Changes::default());
        let compared = |(index, result): (usize, QuestionResult)| {
            let earlier = known.as_ref().map(|known| known[index]);
            let change = earlier.map(|it| it.map_or(Change::New, |it| result.since(it)));
            if let (Some(changes), Some(change)) = (&mut changes, change) {
                match change {
                    Change::Better => changes.better += 1,
                    Change::Worse => changes.worse += 1,
                    Change::Unchanged => changes.unchanged += 1,
                    Change::New => changes.new += 1,
                }
            }
            ComparedResult {
                change,
                previous_rank: earlier.flatten().and_then(|it| it.rank),
                previously_refused: earlier.flatten().map(|it| it.refused),
                result,
            }
        };
        let results = run.results.into_iter().enumerate().map(compared).collect();
        Self {
            summary,
            results,
            previous: before.map(RunSummary::from),
            changes,
        }
    }
}
