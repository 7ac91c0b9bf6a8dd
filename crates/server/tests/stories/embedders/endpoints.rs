//! A server's embedder behind an address that is slow, fails, hangs, or is another model than before.

use okra_engine::worker::Step;
use okra_testkit::provider::{EmbeddingScript, ErrorReply, MockProvider, RecordedRequest};
use serde_json::{Value, json};

use super::{cosine, explained};
use crate::support::{Bot, Stage, TestApp, list, text};

stories! {
    an_item_waits_for_its_endpoint_or_fails_in_its_words,
    another_model_behind_an_endpoint_spoils_nothing,
    a_question_does_not_wait_for_a_hanging_endpoint,
}

/// An application whose embedder is this provider, with a chatbot that knows one price.
async fn with_endpoint(
    provider: &MockProvider,
    stage: Stage,
    more: &[(&str, &str)],
) -> (TestApp, Bot) {
    let base_url = provider.base_url();
    let mut settings = vec![
        ("OKRA_EMBEDDER", "openai"),
        ("OKRA_EMBEDDING_BASE_URL", base_url.as_str()),
        ("OKRA_EMBEDDING_MODEL", "mock-embedding"),
    ];
    settings.extend(more);
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    bot.add(price(1)).await;
    app.work().await;
    (app, bot)
}

fn price(n: usize) -> Value {
    let question = format!("What costs number {n}?");
    json!({"type": "qna", "question": question, "answer": format!("It costs {n} euros.")})
}

async fn an_item_waits_for_its_endpoint_or_fails_in_its_words(stage: Stage) {
    let provider = MockProvider::start().await;
    let base_url = provider.base_url();
    let settings = [
        ("OKRA_EMBEDDER", "openai"),
        ("OKRA_EMBEDDING_BASE_URL", base_url.as_str()),
        ("OKRA_EMBEDDING_MODEL", "mock-embedding"),
        ("OKRA_EMBEDDING_API_KEY", "sk-embed-1234567890"),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    let pair = |n: usize| {
        let question = format!("What costs number {n}?");
        json!({"type": "qna", "question": question, "answer": format!("It costs {n} euros.")})
    };

    // Slow: the item is being read for as long as it takes, and everything else goes on.
    provider.reply_embeddings(EmbeddingScript::Hang);
    let slow = bot.add(pair(1)).await["id"].clone();
    let elsewhere = async {
        provider.wait_for_requests(1).await;
        let status = bot.item(&slow).await["status"].clone();
        assert_eq!(status, "processing");
        provider.release();
    };
    let (step, ()) = tokio::join!(app.step(), elsewhere);
    assert_eq!(step, Step::Done);
    assert_eq!(bot.item(&slow).await["status"], "ready");

    // Failing for now: it waits, longer each time, and is ready once the endpoint is.
    let busy = || EmbeddingScript::Error(ErrorReply::new(503, "Overloaded, says the endpoint."));
    provider.embed_by_default(busy());
    let waiting = bot.add(pair(2)).await["id"].clone();
    for wait in [2, 8] {
        assert_eq!(app.step().await, Step::Deferred);
        app.clock.advance(std::time::Duration::from_secs(wait - 1));
        assert_eq!(app.step().await, Step::Idle, "it rests for {wait} s");
        app.clock.advance(std::time::Duration::from_secs(1));
    }
    provider.embed_by_default(EmbeddingScript::Vectors);
    app.work().await;
    assert_eq!(bot.item(&waiting).await["status"], "ready");

    // Failing for ever, refusing, or answering with what are no vectors: it fails, and says why.
    let key = ErrorReply::new(401, "Incorrect API key provided: sk-embed-1234567890.");
    let mut failed = Vec::new();
    for (script, expected) in [
        (busy(), "Overloaded, says the endpoint."),
        (EmbeddingScript::Error(key), "Incorrect API key provided"),
        (EmbeddingScript::WrongDimension, "63 numbers"),
        (EmbeddingScript::NotANumber, "not what was asked for"),
        (EmbeddingScript::NotFinite, "not"),
        (EmbeddingScript::MissingOne, "0 vectors for 1 texts"),
    ] {
        provider.embed_by_default(script);
        let item = bot.add(pair(3 + failed.len())).await["id"].clone();
        for _ in 0..5 {
            app.work().await;
            app.clock.advance(std::time::Duration::from_secs(300));
        }
        let shown = bot.item(&item).await;
        assert_eq!(shown["status"], "failed", "{shown}");
        let said = text(&shown["error"]);
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("sk-embed-1234567890"), "{said}");
        failed.push(item);
    }
    assert_eq!(app.engine.store().open_jobs().await.expect("countable"), 0);

    // None of it is in anybody's way: what was read answers, and what failed is read when asked again.
    provider.embed_by_default(EmbeddingScript::Vectors);
    assert!(bot.found("What costs number 2?").await.contains("2 euros"));
    let again = bot.path(&format!("/knowledge-base/{}/retry", text(&failed[0])));
    bot.client.post(&again, json!({})).await.expect(202);
    app.work().await;
    assert_eq!(bot.item(&failed[0]).await["status"], "ready");
    assert!(bot.found("What costs number 3?").await.contains("3 euros"));
}

async fn another_model_behind_an_endpoint_spoils_nothing(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = with_endpoint(&provider, stage, &[]).await;
    // After a start nothing is known of the endpoint but the vectors that it gave before.
    let app = app.killed_and_started().await;
    let bot = Bot {
        client: app.client.clone(),
        ..bot
    };
    provider.embed_by_default(EmbeddingScript::WrongDimension);
    let item = bot.add(price(2)).await["id"].clone();
    app.work().await;
    let failed = bot.item(&item).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let said = text(&failed["error"]);
    assert!(
        said.contains("63 numbers") && said.contains("have 64"),
        "{said}"
    );

    // The model is back: what it answered first holds nobody up.
    provider.embed_by_default(EmbeddingScript::Vectors);
    let again = bot.path(&format!("/knowledge-base/{}/retry", text(&item)));
    bot.client.post(&again, json!({})).await.expect(202);
    app.work().await;
    assert_eq!(bot.item(&item).await["status"], "ready");
    assert!(cosine(&bot, "What costs number 2?").await > 0.5);

    // A question of another dimension is looked up by its words, and that is said.
    provider.embed_by_default(EmbeddingScript::WrongDimension);
    let found = explained(&bot, "What costs number 2?").await;
    let warning = text(&found["warning"]);
    assert!(warning.contains("its vector has 63 numbers"), "{warning}");
    assert!(
        text(&found["results"][0]["content"]).contains("2 euros"),
        "{found}"
    );
    // A chatbot without other vectors takes what comes, and is read anew with the right ones.
    let fresh = app.bot("Fresh").await;
    let only = fresh.add(price(3)).await["id"].clone();
    app.work().await;
    assert_eq!(fresh.item(&only).await["status"], "ready");
    provider.embed_by_default(EmbeddingScript::Vectors);
    let again = fresh.path(&format!("/knowledge-base/{}/retry", text(&only)));
    fresh.client.post(&again, json!({})).await.expect(202);
    app.work().await;
    assert!(cosine(&fresh, "What costs number 3?").await > 0.5);
}

async fn a_question_does_not_wait_for_a_hanging_endpoint(stage: Stage) {
    let provider = MockProvider::start().await;
    let patience = [("OKRA_MAX_QUERY_EMBEDDING_SECONDS", "1")];
    let (app, bot) = with_endpoint(&provider, stage, &patience).await;
    let question = "What costs number 1?";
    provider.embed_by_default(EmbeddingScript::Hang);
    let found = explained(&bot, question).await;
    let warning = text(&found["warning"]);
    assert!(
        warning.contains("did not answer within 1 seconds"),
        "{warning}"
    );
    assert!(
        text(&found["results"][0]["content"]).contains("1 euros"),
        "{found}"
    );
    assert_eq!(
        bot.ask(question).await["message"]["content"],
        "It costs 1 euros."
    );
    // The embedder's cosines go on being measured behind the question that was the first: the second of
    // the two requests that it takes comes without another question.
    let measuring = async |expected| {
        let is_one = |request: &RecordedRequest| list(&request.body["input"]).len() == 32;
        while provider.requests().iter().filter(|it| is_one(it)).count() < expected {
            tokio::task::yield_now().await;
        }
    };
    measuring(1).await;
    provider.embed_by_default(EmbeddingScript::Vectors);
    provider.release();
    measuring(2).await;
    assert!(cosine(&bot, question).await > 0.5);
    assert_eq!(app.step().await, Step::Idle);
}
