//! How much a chatbot that answers from its knowledge alone refuses, and of what: the help pages of an invented shop,
//! the questions that they answer, and questions that they do not. Run with `--nocapture` to see the figures, which are
//! written down in `docs/turns.md`.

#![expect(clippy::print_stdout, reason = "it prints its figures")]

use std::path::Path;

use okra_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};

use crate::support::{Bot, Stage, text};

stories! {
    what_the_knowledge_does_not_answer_is_refused_and_counted,
}

/// The objects of a file of JSON lines below `crates`.
fn lines(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let read = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parse = |line: &str| serde_json::from_str(line).expect("an object a line");
    read.lines().map(parse).collect()
}

/// The share of these questions that were refused.
async fn refused(bot: &Bot, questions: &[&str]) -> f64 {
    let mut refused = 0;
    for question in questions {
        let reply = bot.ask(question).await;
        let metadata = &reply["message"]["metadata"];
        let is_refused = metadata["answered_by"] == "nothing";
        assert_eq!(
            metadata["outcome"] == "unanswered",
            is_refused,
            "{question}: {reply}"
        );
        assert_eq!(
            metadata.get("offer_person").is_some(),
            is_refused,
            "{question}: {reply}"
        );
        refused += usize::from(is_refused);
    }
    refused as f64 / questions.len() as f64
}

async fn what_the_knowledge_does_not_answer_is_refused_and_counted(stage: Stage) {
    let provider = MockProvider::start().await;
    provider.reply_by_default(Script::text("So it is [1]."));
    let app = stage
        .app_with(&[("OPENAI_BASE_URL", &provider.base_url())])
        .await;
    let bot = app.bot("Shop").await;
    let pages = lines("search/tests/data/faq_shop/corpus.jsonl");
    let item =
        |page: &Value| json!({"type": "text", "title": page["title"], "content": page["text"]});
    bot.add(json!({"items": pages.iter().map(item).collect::<Vec<_>>()}))
        .await;
    app.work().await;
    let settings = json!({"settings": {"answering": {"knowledgeOnly": true}}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);

    let answerable = lines("search/tests/data/faq_shop/queries.jsonl");
    let unanswerable = lines("engine/tests/data/unanswerable.jsonl");
    let of = |kind: &str, language: &str| -> Vec<&str> {
        let wanted = unanswerable
            .iter()
            .filter(|it| it["kind"] == kind && it["language"] == language);
        wanted.map(|it| text(&it["question"])).collect()
    };
    for (language, kept_at_least) in [("en", 0.64), ("ko", 0.49)] {
        let own = answerable
            .iter()
            .filter(|it| text(&it["id"]).starts_with(language));
        let own: Vec<&str> = own.map(|it| text(&it["text"])).collect();
        let kept = 1.0 - refused(&bot, &own).await;
        let elsewhere = refused(&bot, &of("elsewhere", language)).await;
        let missing = refused(&bot, &of("missing", language)).await;
        println!(
            "{language}: {kept:.3} of the answerable kept, {elsewhere:.3} of other subjects and {missing:.3} of its own refused"
        );
        assert!(kept >= kept_at_least, "{language}: {kept}");
        assert!(elsewhere >= 0.95, "{language}: {elsewhere}");
        // Of ten questions, one less than now.
        assert!(missing >= 0.8, "{language}: {missing}");
    }
    // The model was asked of nothing that was refused, and the overview counts both.
    let overview = app.client.get("/overview").await.expect(200);
    let asked = answerable.len() + unanswerable.len();
    let count = |name: &str| overview["totals"][name].as_u64().expect(name);
    assert_eq!(
        count("answered") + count("unanswered"),
        asked as u64,
        "{overview}"
    );
    assert_eq!(
        count("answered"),
        provider.request_count() as u64,
        "{overview}"
    );
}
