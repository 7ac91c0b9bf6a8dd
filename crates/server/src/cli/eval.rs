//! `okra eval`: a file of questions against a chatbot's knowledge, for people and for CI.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use okra_domain::chatbot::Chatbot;
use okra_domain::eval::{
    Change, Question, Scores, parse_questions, parse_set_name, write_questions,
};
use okra_engine::Engine;

use crate::wire::evals::{ComparedResult, RunBody};

/// A file that cannot be used, or a wrong name: as clap has it for wrong arguments.
const BAD_INPUT: u8 = 2;
/// A score lies below what was asked for.
const MISSED: u8 = 3;

#[derive(Args)]
#[command(
    override_usage = "okra eval [OPTIONS] <CHATBOT> <FILE>\n       okra eval [OPTIONS] <CHATBOT> --draft",
    group = clap::ArgGroup::new("what").required(true).args(["file", "draft"])
)]
pub struct Eval {
    /// The chatbot's id or slug
    chatbot: String,
    /// Questions in JSON, one a line: {"question": "…", "item" | "passage" | "answer": "…"}, or
    /// {"question": "…", "expect": "refusal"}
    file: Option<PathBuf>,
    /// Print such a file, drafted from the chatbot's Q&A pairs and past questions, and run nothing
    #[arg(long)]
    draft: bool,
    /// The name under which questions and runs are kept [default: the file's name without its ending]
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Show what became of each question since the last run of the same set
    #[arg(long)]
    compare: bool,
    /// Print the run as JSON, as the API does
    #[arg(long)]
    json: bool,
    /// Fail where a smaller share of questions has the right passage first
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_found_at_1: Option<f64>,
    /// Fail where a smaller share has it among the first five
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_found_at_5: Option<f64>,
    /// Fail where a smaller share has it among the first ten
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_found_at_10: Option<f64>,
    /// Fail where the mean of one divided by its place is smaller
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_mrr: Option<f64>,
    /// Fail where a smaller share of the questions that must be refused is
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_refusals: Option<f64>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1, such as 0.8".to_owned())
}

/// Runs `okra eval`: 0 where all is as asked for, 3 where a score is too low, 2 where the file cannot
/// be used, 1 where the embedder or the reranker failed, since the scores are not the chatbot's then.
pub async fn run(engine: &Engine, eval: Eval) -> Result<ExitCode> {
    let store = engine.store();
    let chatbot = store.find_chatbot_as_operator(&eval.chatbot).await?;
    let Some(file) = &eval.file else {
        return draft(engine, &chatbot).await;
    };
    let (name, questions) = match read(file, eval.set.as_deref()) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("okra: {error:#}");
            return Ok(BAD_INPUT.into());
        }
    };
    let set = store.save_eval(&chatbot, &name, questions).await?;
    let bar = ProgressBar::new(set.questions.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} questions") {
        bar.set_style(style);
    }
    let run = engine.run_eval(&chatbot, &set, |done| bar.set_position(done as u64));
    let run = run.await;
    bar.finish_and_clear();
    let run = run?;
    let before = store.eval_run_before(&set, &run).await?;
    let body = RunBody::new(run, before.as_ref());
    let text = match eval.json {
        true => serde_json::to_string_pretty(&body)? + "\n",
        false => report(&body, eval.compare),
    };
    super::print(&text)?;
    let missed = missed(&eval, &body.summary.scores);
    for problem in &missed {
        eprintln!("okra: {problem}");
    }
    if let Some(problem) = impaired(&body) {
        eprintln!("okra: {problem}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(match missed.is_empty() {
        true => ExitCode::SUCCESS,
        false => MISSED.into(),
    })
}

/// Prints a first set.
async fn draft(engine: &Engine, chatbot: &Chatbot) -> Result<ExitCode> {
    let questions = engine.draft_eval(chatbot).await?;
    if questions.is_empty() {
        anyhow::bail!("there are neither Q&A pairs nor answered questions to draft from");
    }
    super::print(&write_questions(&questions)?)
}

/// The set's name and its questions.
fn read(file: &Path, set: Option<&str>) -> Result<(String, Vec<Question>)> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let text = String::from_utf8(text).with_context(|| format!("{shown} is not UTF-8"))?;
    let questions = parse_questions(&text).map_err(|error| {
        let lines = error
            .details
            .iter()
            .map(|it| format!("\n  {}: {}", it.field, it.problem));
        anyhow::anyhow!("{shown} cannot be used:{}", lines.collect::<String>())
    })?;
    let name = set.map_or_else(|| stem(file), str::to_owned);
    Ok((parse_set_name(&name)?, questions))
}

fn stem(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn missed(eval: &Eval, scores: &Scores) -> Vec<String> {
    let asked = [
        ("found at 1", eval.min_found_at_1, scores.found_at_1),
        ("found at 5", eval.min_found_at_5, scores.found_at_5),
        ("found at 10", eval.min_found_at_10, scores.found_at_10),
        ("MRR@10", eval.min_mrr, scores.mrr_at_10),
        ("refusals right", eval.min_refusals, scores.refusals_right),
    ];
    let problem = |(name, least, score): (&str, Option<f64>, Option<f64>)| {
        let least = least?;
        match score {
            Some(score) if score >= least => None,
            Some(score) => Some(format!("{name} is {score:.3}, below {least}")),
            None => Some(format!("{name} has no questions to be told by")),
        }
    };
    asked.into_iter().filter_map(problem).collect()
}

/// How many questions were looked for without the embedder or the reranker, and why the first was.
fn impaired(run: &RunBody) -> Option<String> {
    let warning = run
        .results
        .iter()
        .find_map(|it| it.result.warning.as_ref())?;
    let (impaired, all) = (run.summary.scores.impaired, run.results.len());
    Some(format!(
        "for {impaired} of {all} questions the scores are not the chatbot's own. {warning}"
    ))
}

/// Scores, then a line a question: place, question, and what came first where that was not right.
fn report(run: &RunBody, compare: bool) -> String {
    let scores = &run.summary.scores;
    let before = run.previous.as_ref().filter(|_| compare);
    let before = before.map(|before| &before.scores);
    let mut text = String::new();
    let mut line = |name: &str, score: fn(&Scores) -> Option<f64>| {
        let Some(now) = score(scores) else { return };
        text += &format!("{name:15} {now:.3}");
        if let Some(then) = before.and_then(score) {
            text += &format!("  ({:+.3})", now - then);
        }
        text.push('\n');
    };
    line("found at 1", |scores| scores.found_at_1);
    line("found at 5", |scores| scores.found_at_5);
    line("found at 10", |scores| scores.found_at_10);
    line("MRR@10", |scores| scores.mrr_at_10);
    line("refusals right", |scores| scores.refusals_right);
    let (answerable, unanswerable) = (scores.answerable, scores.unanswerable);
    text += &format!("{answerable} questions to be answered, {unanswerable} to be refused");
    if scores.refused_wrongly > 0 {
        text += &format!(
            "; {} refused that should be answered",
            scores.refused_wrongly
        );
    }
    text.push('\n');
    if let (true, Some(changes)) = (compare, &run.changes) {
        let (better, worse) = (changes.better, changes.worse);
        let (unchanged, new) = (changes.unchanged, changes.new);
        text += &format!("{better} better, {worse} worse, {unchanged} unchanged, {new} new\n");
    } else if compare {
        text += "This is the first run: there is nothing to compare with.\n";
    }
    text.push('\n');
    for result in &run.results {
        text += &question_line(result, compare);
    }
    text
}

fn question_line(compared: &ComparedResult, compare: bool) -> String {
    let result = &compared.result;
    let standing = |rank: Option<u32>, refused: bool| match rank {
        Some(rank) => rank.to_string(),
        None if result.question.expects_refusal() && refused => "refused".to_owned(),
        None if result.question.expects_refusal() => "answered".to_owned(),
        None => "-".to_owned(),
    };
    let mut line = format!("{:>8}  ", standing(result.rank, result.refused));
    if compare {
        let change = match compared.change {
            Some(Change::Better) => "better",
            Some(Change::Worse) => "worse",
            Some(Change::New) => "new",
            Some(Change::Unchanged) | None => "",
        };
        line += &format!("{change:7} ");
        if matches!(compared.change, Some(Change::Better | Change::Worse)) {
            let refused = compared.previously_refused.unwrap_or_default();
            line += &format!("(was {}) ", standing(compared.previous_rank, refused));
        }
    }
    line += &result.question.question;
    let wrong = result.rank != Some(1) && !(result.right && result.question.expects_refusal());
    if let (true, Some(first)) = (wrong, &result.first) {
        let (title, similarity) = (&first.title, first.similarity);
        line += &format!(
            "\n{:10}first came {title}, chunk {} ({similarity:.2})",
            "", first.chunk
        );
    }
    line.push('\n');
    line
}
