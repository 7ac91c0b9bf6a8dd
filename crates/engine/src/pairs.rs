//! Q&A pairs from a CSV file: what of each line was taken, was known, was changed or refused.

use std::collections::HashMap;

use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, ItemChange, Source};
use okra_domain::{Error, ErrorKind, ItemId};
use okra_extract::{CsvRow, csv_rows};
use okra_store::knowledge::{Added, Pair};

use crate::Engine;

/// Lines of a file at most.
pub const MAX_LINES: usize = 10_000;
/// Bytes of a file at most.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Pairs loaded at once.
const PAGE: u32 = 500;

/// What names the columns, in lower case.
const QUESTION: [&str; 12] = [
    "question",
    "questions",
    "q",
    "prompt",
    "질문",
    "문의",
    "質問",
    "問題",
    "问题",
    "frage",
    "pregunta",
    "domanda",
];
const ANSWER: [&str; 12] = [
    "answer",
    "answers",
    "a",
    "response",
    "답변",
    "답",
    "回答",
    "答案",
    "解答",
    "antwort",
    "respuesta",
    "risposta",
];

/// What became of a file's lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairsReport {
    /// Each line that holds something, in order.
    pub lines: Vec<PairLine>,
    /// The items that are new or changed, which are read in the background.
    pub items: Vec<ItemId>,
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairLine {
    /// The line it begins on, from 1.
    pub line: u64,
    /// What became of it.
    pub outcome: PairOutcome,
    /// Its question; empty where it has none.
    pub question: String,
    /// Why it was refused, in a sentence.
    pub reason: Option<String>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairOutcome {
    /// It is a new item.
    Taken,
    /// The chatbot, or an earlier line, has the same pair.
    Known,
    /// The pair of the same question has this answer now.
    Changed,
    /// It cannot be taken; the reason says why.
    Refused,
}

/// Where a question stands already.
enum Known {
    /// In an item, with its answer.
    Item(ItemId, String),
    /// On an earlier line of the file, with its answer.
    Line(u64, String),
}

impl Engine {
    /// Adds the pairs of a CSV file, in any encoding that documents may have, with the columns of its
    /// header or else the first two. A question that is there with another answer is refused, or with
    /// `replace` gets the new one. Bad lines are refused one by one; a file that is none fails whole.
    pub async fn import_pairs(
        &self,
        chatbot: &Chatbot,
        content: Bytes,
        replace: bool,
    ) -> Result<PairsReport> {
        let rows = tokio::task::spawn_blocking(move || csv_rows(&content)).await;
        let rows = rows.map_err(|error| Error::internal("the reading of a file stopped", error))?;
        let unreadable = |error: okra_extract::ExtractError| {
            Error::new(ErrorKind::Unprocessable, error.to_string())
        };
        let (columns, rows) = columns(rows.map_err(unreadable)?)?;
        let mut known = self.known_pairs(chatbot).await?;
        let mut report = PairsReport::default();
        let (mut new, mut changes) = (Vec::new(), Vec::new());
        for row in rows {
            let (question, answer) = columns.of(&row);
            let judged = judge(row.line, &question, &answer, &known, replace);
            let (outcome, reason) = match judged {
                Judged::New => match self.new_pair(chatbot, &question, &answer) {
                    Ok(item) => {
                        new.push(item);
                        (PairOutcome::Taken, None)
                    }
                    Err(error) => (PairOutcome::Refused, Some(error.message)),
                },
                Judged::Change(item) => match check(&question, &answer) {
                    Ok(()) => {
                        changes.push((item, answer.clone()));
                        (PairOutcome::Changed, None)
                    }
                    Err(error) => (PairOutcome::Refused, Some(error.message)),
                },
                Judged::Known(reason) => (PairOutcome::Known, reason),
                Judged::Refused(reason) => (PairOutcome::Refused, Some(reason)),
            };
            if matches!(outcome, PairOutcome::Taken | PairOutcome::Changed) {
                known.insert(key(&question), Known::Line(row.line, answer));
            }
            report.lines.push(PairLine {
                line: row.line,
                outcome,
                question,
                reason,
            });
        }
        self.store_pairs(chatbot, new, changes, &mut report).await?;
        Ok(report)
    }

    async fn store_pairs(
        &self,
        chatbot: &Chatbot,
        new: Vec<Item>,
        changes: Vec<(ItemId, String)>,
        report: &mut PairsReport,
    ) -> Result<()> {
        let store = &self.parts.store;
        let now = store.clock().now();
        for added in store.add_items(chatbot, new).await? {
            let (Added::New(item) | Added::Known(item)) = added;
            report.items.push(item.id);
        }
        for (item, answer) in changes {
            let change = ItemChange {
                answer: Some(answer),
                ..ItemChange::default()
            };
            let changed = store.update_item(chatbot, item, |item| item.changed(change, now));
            match changed.await {
                Ok(item) => report.items.push(item.id),
                // Deleted since it was looked up: whoever did that wants it gone.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.wake_workers();
        Ok(())
    }

    async fn known_pairs(&self, chatbot: &Chatbot) -> Result<HashMap<String, Known>> {
        let mut known = HashMap::new();
        let mut after = None;
        loop {
            let pairs = self.parts.store.pairs_after(chatbot, after, PAGE).await?;
            let Some(last) = pairs.last() else {
                return Ok(known);
            };
            after = Some(last.id);
            known.extend(
                pairs
                    .into_iter()
                    .map(|pair| (key(&pair.question), Known::Item(pair.id, pair.answer))),
            );
        }
    }

    /// The chatbot's pair of this question, whatever its case and spaces.
    pub(crate) async fn known_pair(
        &self,
        chatbot: &Chatbot,
        question: &str,
    ) -> Result<Option<Pair>> {
        let wanted = key(question);
        let mut after = None;
        loop {
            let pairs = self.parts.store.pairs_after(chatbot, after, PAGE).await?;
            let Some(last) = pairs.last() else {
                return Ok(None);
            };
            after = Some(last.id);
            let found = pairs.into_iter().find(|it| key(&it.question) == wanted);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    pub(crate) fn new_pair(&self, chatbot: &Chatbot, question: &str, answer: &str) -> Result<Item> {
        let source = Source::Qna {
            question: question.to_owned(),
            answer: answer.to_owned(),
        };
        Item::new(chatbot.id, None, source, self.parts.store.clock().now())
    }
}

fn check(question: &str, answer: &str) -> Result<()> {
    let source = Source::Qna {
        question: question.to_owned(),
        answer: answer.to_owned(),
    };
    source.check()
}

/// What tells questions apart: not their case, nor their spaces.
pub(crate) fn key(question: &str) -> String {
    let lower = question.to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

enum Judged {
    New,
    Change(ItemId),
    Known(Option<String>),
    Refused(String),
}

fn judge(
    line: u64,
    question: &str,
    answer: &str,
    known: &HashMap<String, Known>,
    replace: bool,
) -> Judged {
    match known.get(&key(question)) {
        _ if question.trim().is_empty() => Judged::Refused("It has no question.".to_owned()),
        _ if answer.trim().is_empty() => Judged::Refused("It has no answer.".to_owned()),
        None => Judged::New,
        Some(Known::Line(first, there)) if there.trim() == answer.trim() => {
            Judged::Known(Some(format!("It repeats line {first}.")))
        }
        Some(Known::Line(first, _)) => {
            debug_assert!(*first < line, "lines are judged in order");
            Judged::Refused(format!("Line {first} answers this question otherwise."))
        }
        Some(Known::Item(_, there)) if there.trim() == answer.trim() => Judged::Known(None),
        Some(Known::Item(item, _)) if replace => Judged::Change(*item),
        Some(Known::Item(..)) => {
            let reason =
                "The chatbot answers this question otherwise; replace answers to change it.";
            Judged::Refused(reason.to_owned())
        }
    }
}

/// Where question and answer stand in a row.
struct Columns {
    question: usize,
    answer: usize,
}

impl Columns {
    fn of(&self, row: &CsvRow) -> (String, String) {
        let cell = |column: usize| {
            let cell = row
                .cells
                .get(column)
                .map(String::as_str)
                .unwrap_or_default();
            unguarded(cell.trim()).to_owned()
        };
        (cell(self.question), cell(self.answer))
    }
}

/// A cell without the apostrophe that an export puts before what a spreadsheet would run.
fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest,
        _ => cell,
    }
}

/// The columns, and the rows below the header.
fn columns(mut rows: Vec<CsvRow>) -> Result<(Columns, Vec<CsvRow>)> {
    let unreadable = |message: &str| Err(Error::new(ErrorKind::Unprocessable, message));
    let Some(first) = rows.first() else {
        return unreadable("The file holds no lines.");
    };
    let named = |names: &[&str]| {
        let is_name = |cell: &String| names.contains(&cell.trim().to_lowercase().as_str());
        first.cells.iter().position(is_name)
    };
    let columns = match (named(&QUESTION), named(&ANSWER)) {
        (Some(question), Some(answer)) => {
            rows.remove(0);
            Columns { question, answer }
        }
        (Some(_), None) => {
            return unreadable("The header names no column for the answer, such as \"answer\".");
        }
        (None, Some(_)) => {
            return unreadable(
                "The header names no column for the question, such as \"question\".",
            );
        }
        (None, None) if first.cells.len() < 2 => {
            return unreadable("Two columns are needed: question and answer.");
        }
        (None, None) => Columns {
            question: 0,
            answer: 1,
        },
    };
    if rows.len() > MAX_LINES {
        let message = format!(
            "The file has {} lines; at most {MAX_LINES} are taken at once.",
            rows.len()
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok((columns, rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>> {
        let (columns, rows) = columns(csv_rows(text.as_bytes()).expect("CSV"))?;
        Ok(rows.iter().map(|row| columns.of(row)).collect())
    }

    #[test]
    fn columns_are_found_by_their_names_or_their_places() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|(question, answer)| ((*question).to_owned(), (*answer).to_owned()))
                .collect();
            assert_eq!(read(text).expect("pairs"), expected, "{text}");
        };
        check("Question,Answer\nA?,Yes\n", &[("A?", "Yes")]);
        check("id;답변;질문\n1;네;반품?\n", &[("반품?", "네")]);
        check("A?\tYes\nB?\tNo\n", &[("A?", "Yes"), ("B?", "No")]);
        check("A?,\"Yes, and\nmore\"\n\n,\n", &[("A?", "Yes, and\nmore")]);
        check(
            "Q,A\n'-5 degrees?,'=1+1\nit's,'quoted'\n",
            &[("-5 degrees?", "=1+1"), ("it's", "'quoted'")],
        );
        check("Q,A\nonly one\n", &[("only one", "")]);
        for bad in [
            "",
            "question,notes\na,b\n",
            "notes,answer\na,b\n",
            "one column\nof text\n",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
