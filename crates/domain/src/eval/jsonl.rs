//! Sets as files: a question a line, in JSON.

use super::{MAX_QUESTIONS, Question, check_questions};
use crate::error::{Error, FieldProblem, Result};

/// Problems told of at most: the first lines of a file in the wrong format tell what is wrong.
const MAX_PROBLEMS: usize = 20;

/// Reads a set's questions, one JSON object a line; blank lines are passed over. An error names each
/// line at fault, 20 at most.
pub fn parse_questions(text: &str) -> Result<Vec<Question>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut questions, mut lines, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        match parse(line) {
            Ok(question) => {
                questions.push(question);
                lines.push(number);
            }
            Err(problem) => problems.push(FieldProblem {
                field: place(number),
                problem,
            }),
        }
        if problems.len() == MAX_PROBLEMS || questions.len() > MAX_QUESTIONS {
            break;
        }
    }
    if let Some(first) = problems.first() {
        let mut error = Error::invalid(format!("{}: {}", first.field, first.problem));
        error.details = problems;
        return Err(error);
    }
    check_questions(&questions, |index| place(lines[index]))?;
    Ok(questions)
}

/// Writes questions as [`parse_questions`] reads them.
pub fn write_questions(questions: &[Question]) -> Result<String> {
    let mut text = String::new();
    for question in questions {
        let line = serde_json::to_string(question);
        text += &line.map_err(|error| Error::internal("cannot write a question", error))?;
        text.push('\n');
    }
    Ok(text)
}

fn place(line: usize) -> String {
    format!("line {line}")
}

fn parse(line: &str) -> Result<Question, String> {
    let question: Question = serde_json::from_str(line).map_err(|error| {
        // The place in the line is told in words, since serde counts each line as its first.
        let text = error.to_string();
        let (what, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
        format!("{what}, at character {}", error.column())
    })?;
    question.check().map_err(|error| error.message)?;
    Ok(question)
}
