//! Sets of eval questions and their runs, and what past questions make a first set of.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::eval::{EvalRun, EvalSet, KEPT_RUNS, MAX_SETS, Question};
use okra_domain::{ChatbotId, Error, ErrorKind, EvalId, EvalRunId, Page, PageRequest};

use crate::Store;
use crate::db::{Row, Tx, is_unique_violation, params, to_json};

/// A set of a list, with its latest run's scores; its questions are counted only.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedSet {
    /// The set, without its questions.
    pub set: EvalSet,
    /// How many questions it has.
    pub questions: i64,
    /// Its latest run, without results; `None` before the first.
    pub latest: Option<EvalRun>,
}

/// A question that was answered, with where its best passage came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredQuestion {
    /// Its words, as they were last written.
    pub question: String,
    /// The title of the item that was cited first, as it was then.
    pub cited: String,
}

macro_rules! select_runs {
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT r.id, r.eval_id, r.scores, r.took_micros, r.created_at",
            $columns,
            " FROM eval_runs r JOIN evals e ON e.id = r.eval_id ",
            $rest
        )
    };
}

/// Sets with their latest runs; the databases count a JSON list each by a function of its own.
macro_rules! listed {
    ($count:literal) => {
        concat!(
            "SELECT e.id, e.chatbot_id, e.name, e.created_at, e.updated_at, CAST(",
            $count,
            " AS BIGINT) AS count, r.id AS run_id, r.scores, r.took_micros, \
             r.created_at AS ran_at FROM evals e LEFT JOIN eval_runs r ON r.id = \
             (SELECT l.id FROM eval_runs l WHERE l.eval_id = e.id \
             ORDER BY l.created_at DESC, l.id DESC LIMIT 1) WHERE e.chatbot_id = $1 \
             ORDER BY e.created_at DESC, e.id DESC LIMIT $2 OFFSET $3"
        )
    };
}

impl Store {
    /// Stores a new set. A name that the chatbot's sets have already is a conflict, as is a set more
    /// than 100.
    pub async fn create_eval(&self, chatbot: &Chatbot, set: &EvalSet) -> Result<()> {
        let mut tx = self.db.begin().await?;
        insert(&mut tx, chatbot, set).await?;
        tx.commit().await
    }

    /// The chatbot's sets, newest first.
    pub async fn evals(&self, chatbot: &Chatbot, page: PageRequest) -> Result<Page<ListedSet>> {
        let total = "SELECT COUNT(*) AS count FROM evals WHERE chatbot_id = $1";
        let total = self.db.count(total, params![chatbot.id.0]).await?;
        let counted = match self.db.is_postgres() {
            true => listed!("JSONB_ARRAY_LENGTH(e.questions)"),
            false => listed!("JSON_ARRAY_LENGTH(e.questions)"),
        };
        let values = params![chatbot.id.0, page.limit(), page.offset()];
        let rows = self.db.fetch_all(counted, values).await?;
        let entries = rows.iter().map(read_listed).collect::<Result<_>>()?;
        Ok(page.of(entries, total))
    }

    /// The chatbot's set of this id.
    pub async fn eval(&self, chatbot: &Chatbot, id: EvalId) -> Result<EvalSet> {
        let sql = "SELECT id, chatbot_id, name, questions, created_at, updated_at FROM evals \
                   WHERE id = $1 AND chatbot_id = $2";
        let values = params![id.0, chatbot.id.0];
        match self.db.fetch_optional(sql, values).await? {
            Some(row) => read_set(&row, row.json("questions")?),
            None => Err(no_such_set()),
        }
    }

    /// Gives the chatbot's set of this name these questions, making it where there is none.
    pub async fn save_eval(
        &self,
        chatbot: &Chatbot,
        name: &str,
        questions: Vec<Question>,
    ) -> Result<EvalSet> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE evals SET questions = $1, updated_at = $2 \
                   WHERE chatbot_id = $3 AND name = $4 RETURNING id, created_at";
        let values = params![to_json(&questions)?, now, chatbot.id.0, name];
        let set = EvalSet {
            id: EvalId::new(),
            chatbot_id: chatbot.id,
            name: name.to_owned(),
            questions,
            created_at: now,
            updated_at: now,
        };
        let set = match tx.fetch_optional(sql, values).await? {
            Some(row) => EvalSet {
                id: EvalId(row.get("id")?),
                created_at: row.time("created_at")?,
                ..set
            },
            None => {
                insert(&mut tx, chatbot, &set).await?;
                set
            }
        };
        tx.commit().await?;
        Ok(set)
    }

    /// Changes a set's name, its questions or both.
    pub async fn update_eval(
        &self,
        chatbot: &Chatbot,
        id: EvalId,
        name: Option<String>,
        questions: Option<Vec<Question>>,
    ) -> Result<EvalSet> {
        let sql = "UPDATE evals SET name = COALESCE($1, name), \
                   questions = COALESCE($2, questions), updated_at = $3 \
                   WHERE id = $4 AND chatbot_id = $5";
        let json = questions.as_ref().map(to_json).transpose()?;
        let values = params![name.clone(), json, self.clock.now(), id.0, chatbot.id.0];
        let changed = self.db.execute(sql, values).await;
        let changed = changed.map_err(|error| named_already(error, name.as_deref()))?;
        match changed {
            0 => Err(no_such_set()),
            _ => self.eval(chatbot, id).await,
        }
    }

    /// Deletes a set with its runs.
    pub async fn delete_eval(&self, chatbot: &Chatbot, id: EvalId) -> Result<()> {
        let sql = "DELETE FROM evals WHERE id = $1 AND chatbot_id = $2";
        match self.db.execute(sql, params![id.0, chatbot.id.0]).await? {
            0 => Err(no_such_set()),
            _ => Ok(()),
        }
    }

    /// Stores a run of one of the chatbot's sets; the oldest beyond 20 go.
    pub async fn add_eval_run(&self, chatbot: &Chatbot, run: &EvalRun) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO eval_runs (id, eval_id, scores, results, took_micros, created_at) \
                   SELECT $1, id, $2, $3, $4, $5 FROM evals WHERE id = $6 AND chatbot_id = $7";
        let values = params![
            run.id.0,
            to_json(&run.scores)?,
            to_json(&run.results)?,
            run.took_micros,
            run.created_at,
            run.eval_id.0,
            chatbot.id.0,
        ];
        if tx.execute(sql, values).await? == 0 {
            return Err(no_such_set());
        }
        let sql = "DELETE FROM eval_runs WHERE eval_id = $1 AND id NOT IN (SELECT id FROM \
                   eval_runs WHERE eval_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2)";
        let kept = i64::try_from(KEPT_RUNS).unwrap_or(i64::MAX);
        tx.execute(sql, params![run.eval_id.0, kept]).await?;
        tx.commit().await
    }

    /// A set's runs, without results, newest first.
    pub async fn eval_runs(&self, set: &EvalSet) -> Result<Vec<EvalRun>> {
        let sql = select_runs!(
            "",
            "WHERE e.id = $1 AND e.chatbot_id = $2 ORDER BY r.created_at DESC, r.id DESC"
        );
        let values = params![set.id.0, set.chatbot_id.0];
        let rows = self.db.fetch_all(sql, values).await?;
        rows.iter().map(|row| read_run(row, Vec::new())).collect()
    }

    /// One of a set's runs, with its results.
    pub async fn eval_run(&self, set: &EvalSet, id: EvalRunId) -> Result<EvalRun> {
        let sql = select_runs!(
            ", r.results",
            "WHERE r.id = $1 AND e.id = $2 AND e.chatbot_id = $3"
        );
        let values = params![id.0, set.id.0, set.chatbot_id.0];
        match self.db.fetch_optional(sql, values).await? {
            Some(row) => read_run(&row, row.json("results")?),
            None => Err(Error::not_found("run of this eval")),
        }
    }

    /// The run of a set before `run`, with its results; `None` where `run` is its first.
    pub async fn eval_run_before(&self, set: &EvalSet, run: &EvalRun) -> Result<Option<EvalRun>> {
        let sql = select_runs!(
            ", r.results",
            "WHERE e.id = $1 AND e.chatbot_id = $2 AND (r.created_at, r.id) < ($3, $4) \
             ORDER BY r.created_at DESC, r.id DESC LIMIT 1"
        );
        let values = params![set.id.0, set.chatbot_id.0, run.created_at, run.id.0];
        let row = self.db.fetch_optional(sql, values).await?;
        row.map(|row| read_run(&row, row.json("results")?))
            .transpose()
    }

    /// Up to `limit` of the questions that visitors asked and got an answer to, unless they thought
    /// it bad; the most frequent first, each once.
    pub async fn answered_questions(
        &self,
        chatbot: &Chatbot,
        limit: u32,
    ) -> Result<Vec<AnsweredQuestion>> {
        let sql = "SELECT question, cited FROM (SELECT SUBSTR(q.content, 1, 2000) AS question, \
                   m.metadata -> 'sources' -> 0 ->> 'title' AS cited, \
                   q.created_at AS asked_at, q.id AS message_id, \
                   COUNT(*) OVER (PARTITION BY LOWER(TRIM(q.content))) AS count, \
                   ROW_NUMBER() OVER (PARTITION BY LOWER(TRIM(q.content)) \
                   ORDER BY q.created_at DESC, q.id DESC) AS place \
                   FROM messages m JOIN messages q ON q.id = m.question_id \
                   WHERE m.chatbot_id = $1 AND m.outcome = 'answered' \
                   AND (m.feedback IS NULL OR m.feedback <> 'down')) asked \
                   WHERE place = 1 AND cited IS NOT NULL \
                   ORDER BY count DESC, asked_at DESC, message_id LIMIT $2";
        let rows = self.db.fetch_all(sql, params![chatbot.id.0, limit]).await?;
        let read = |row: &Row| {
            Ok(AnsweredQuestion {
                question: row.get("question")?,
                cited: row.get("cited")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Inserts a set, in the caller's transaction.
pub(crate) async fn insert(tx: &mut Tx, chatbot: &Chatbot, set: &EvalSet) -> Result<()> {
    let sql = "SELECT COUNT(*) AS count FROM evals WHERE chatbot_id = $1";
    let row = tx.fetch_optional(sql, params![chatbot.id.0]).await?;
    if let Some(row) = row
        && row.get::<i64>("count")? >= MAX_SETS
    {
        let message = format!("A chatbot has at most {MAX_SETS} evals; delete one first.");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let sql = "INSERT INTO evals (id, chatbot_id, name, questions, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let values = params![
        set.id.0,
        chatbot.id.0,
        set.name.as_str(),
        to_json(&set.questions)?,
        set.created_at,
        set.updated_at,
    ];
    let inserted = tx.execute(sql, values).await;
    let inserted = inserted.map(|_| ());
    inserted.map_err(|error| named_already(error, Some(&set.name)))
}

fn named_already(error: Error, name: Option<&str>) -> Error {
    match name {
        Some(name) if is_unique_violation(&error) => {
            let problem = format!("an eval of this chatbot is called {name:?} already");
            let mut error = Error::invalid_field("name", problem);
            error.kind = ErrorKind::Conflict;
            error
        }
        _ => error,
    }
}

fn no_such_set() -> Error {
    Error::not_found("eval")
}

fn read_set(row: &Row, questions: Vec<Question>) -> Result<EvalSet> {
    Ok(EvalSet {
        id: EvalId(row.get("id")?),
        chatbot_id: ChatbotId(row.get("chatbot_id")?),
        name: row.get("name")?,
        questions,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn read_run(row: &Row, results: Vec<okra_domain::eval::QuestionResult>) -> Result<EvalRun> {
    Ok(EvalRun {
        id: EvalRunId(row.get("id")?),
        eval_id: EvalId(row.get("eval_id")?),
        scores: row.json("scores")?,
        results,
        took_micros: row.get("took_micros")?,
        created_at: row.time("created_at")?,
    })
}

fn read_listed(row: &Row) -> Result<ListedSet> {
    let set = read_set(row, Vec::new())?;
    let latest = match row.get::<Option<uuid::Uuid>>("run_id")? {
        Some(id) => Some(EvalRun {
            id: EvalRunId(id),
            eval_id: set.id,
            scores: row.json("scores")?,
            results: Vec::new(),
            took_micros: row.get("took_micros")?,
            created_at: row.time("ran_at")?,
        }),
        None => None,
    };
    Ok(ListedSet {
        questions: row.get("count")?,
        set,
        latest,
    })
}
