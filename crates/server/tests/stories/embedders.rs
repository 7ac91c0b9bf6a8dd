//! Choosing who turns texts into vectors, and who puts what is found in order once more.

mod endpoints;

use okra_engine::worker::Step;
use okra_testkit::provider::{EmbeddingScript, ErrorReply, MockProvider, RerankScript};
use okra_testkit::transformer as tiny;
use serde_json::{Value, json};

use crate::support::{Bot, Stage, TestApp, list, text};

stories! {
    another_embedder_takes_over_once_it_has_all_vectors,
    what_comes_meanwhile_is_found_before_and_after,
    an_embedder_that_fails_leaves_the_old_one_answering,
    one_that_stops_the_server_each_time_is_given_up,
    an_endpoint_that_is_busy_is_asked_again,
    transformers_are_chosen_by_name,
    an_organizations_embedder_is_its_chatbots,
    choices_that_cannot_be_are_refused,
    a_reranker_puts_passages_in_order,
    a_reranker_that_fails_changes_nothing_and_is_told_of,
}

/// An application that may reach this provider, with a chatbot that knows something.
async fn beside(provider: &MockProvider, stage: Stage) -> (TestApp, Bot) {
    let allow = provider.address().to_string();
    let app = stage.app_with(&[("OKRA_PROVIDER_ALLOW", &allow)]).await;
    let bot = app.bot("Shop").await;
    for (question, answer) in [
        ("Do you ship abroad?", "Yes, to all of Europe."),
        ("How long may I return it?", "For 30 days after delivery."),
        ("Where do I park?", "Behind the shop."),
    ] {
        bot.add(json!({"type": "qna", "question": question, "answer": answer}))
            .await;
    }
    app.work().await;
    (app, bot)
}

fn endpoint(provider: &MockProvider) -> Value {
    json!({"kind": "endpoint", "base_url": provider.base_url(), "model": "mock-embedding",
           "api_key": "sk-embed-1234567890"})
}

async fn put(bot: &Bot, path: &str, body: &Value) -> Value {
    let path = bot.path(path);
    let answer = bot.client.json("PUT", &path, body.to_string()).await;
    answer.expect(200)
}

async fn embedder(bot: &Bot) -> Value {
    bot.client.get(&bot.path("/embedder")).await.expect(200)["embedder"].clone()
}

async fn explained(bot: &Bot, query: &str) -> Value {
    let body = json!({"query": query, "limit": 3, "explain": true});
    bot.client
        .post(&bot.path("/query-knowledge"), body)
        .await
        .expect(200)
}

/// The cosine of the best passage.
async fn cosine(bot: &Bot, query: &str) -> f64 {
    let found = explained(bot, query).await;
    found["results"][0]["scores"]["semantic"]
        .as_f64()
        .expect("a vector")
}

async fn another_embedder_takes_over_once_it_has_all_vectors(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = beside(&provider, stage).await;
    let before = embedder(&bot).await;
    assert_eq!(
        before,
        json!({"kind": "static", "model": null, "base_url": null, "api_key": null,
               "source": "server", "status": "ready", "done": 0, "total": 0, "error": null})
    );
    let question = "How long may I return it?";
    let static_cosine = cosine(&bot, question).await;

    let set = put(&bot, "/embedder", &endpoint(&provider)).await["embedder"].clone();
    assert_eq!(
        set,
        json!({"kind": "endpoint", "model": "mock-embedding", "base_url": provider.base_url(),
               "api_key": "sk-…7890", "source": "chatbot", "status": "embedding", "done": 0,
               "total": 3, "error": null})
    );
    // The old vectors answer, and the provider is not asked for the question's.
    assert_eq!(cosine(&bot, question).await, static_cosine);
    assert_eq!(provider.request_count(), 0);
    app.work().await;
    let after = embedder(&bot).await;
    assert_eq!(
        (&after["status"], &after["error"]),
        (&json!("ready"), &Value::Null)
    );
    let new = cosine(&bot, question).await;
    assert!((new - static_cosine).abs() > 1e-4, "{new} as before");
    let asked = provider.requests();
    assert!(
        asked
            .iter()
            .all(|request| request.key() == Some("sk-embed-1234567890"))
    );
    assert_eq!(
        bot.ask(question).await["message"]["content"],
        "For 30 days after delivery."
    );
    // Back again, without asking for anything to be read.
    bot.client.delete(&bot.path("/embedder")).await.expect(200);
    app.work().await;
    assert_eq!(embedder(&bot).await["source"], "server");
    assert!((cosine(&bot, question).await - static_cosine).abs() < 1e-6);
}

async fn what_comes_meanwhile_is_found_before_and_after(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = beside(&provider, stage).await;
    put(&bot, "/embedder", &endpoint(&provider)).await;
    bot.add(json!({"type": "qna", "question": "Are dogs welcome?", "answer": "On a lead."}))
        .await;
    // The job for vectors came first; it stands behind what is due after its slice.
    app.work().await;
    assert!(bot.found("Are dogs welcome?").await.contains("On a lead."));
    assert_eq!(embedder(&bot).await["status"], "ready");
    let found = explained(&bot, "Are dogs welcome?").await;
    assert!(
        found["results"][0]["scores"]["semantic"].as_f64() > Some(0.5),
        "{found}"
    );
    // And what comes after is of the new space at once.
    bot.add(json!({"type": "qna", "question": "Is there wifi?", "answer": "Ask at the bar."}))
        .await;
    app.work().await;
    assert!(cosine(&bot, "Is there wifi?").await > 0.5);
    assert_eq!(app.step().await, Step::Idle);
}

async fn an_embedder_that_fails_leaves_the_old_one_answering(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = beside(&provider, stage).await;
    let question = "How long may I return it?";
    let static_cosine = cosine(&bot, question).await;
    let key = ErrorReply::new(401, "Incorrect API key provided: sk-embed-1234567890.");
    for (script, expected) in [
        (EmbeddingScript::Error(key), "Incorrect API key provided"),
        (EmbeddingScript::WrongDimension, "63 numbers"),
        (EmbeddingScript::NotANumber, "not what was asked for"),
        (EmbeddingScript::MissingOne, "2 vectors for 3 texts"),
    ] {
        provider.embed_by_default(script);
        put(&bot, "/embedder", &endpoint(&provider)).await;
        app.work().await;
        let failed = embedder(&bot).await;
        assert_eq!(failed["status"], "failed", "{failed}");
        let said = text(&failed["error"]);
        assert!(
            said.contains(expected) && !said.contains("sk-embed-1234567890"),
            "{said}"
        );
        assert_eq!(cosine(&bot, question).await, static_cosine);
    }
    // New knowledge goes on being read with the old one.
    bot.add(json!({"type": "qna", "question": "Are dogs welcome?", "answer": "On a lead."}))
        .await;
    app.work().await;
    assert!(bot.found("Are dogs welcome?").await.contains("On a lead."));
    provider.embed_by_default(EmbeddingScript::Vectors);
    put(&bot, "/embedder", &endpoint(&provider)).await;
    app.work().await;
    assert_eq!(embedder(&bot).await["status"], "ready");
}

async fn one_that_stops_the_server_each_time_is_given_up(stage: Stage) {
    let provider = MockProvider::start().await;
    let (mut app, bot) = beside(&provider, stage).await;
    let question = "How long may I return it?";
    let static_cosine = cosine(&bot, question).await;
    provider.embed_by_default(EmbeddingScript::Hang);
    put(&bot, "/embedder", &endpoint(&provider)).await;
    for begun in 1..=5 {
        // The step is dropped in its middle, as a killed process drops it.
        tokio::select! {
            step = app.step() => panic!("vectors came of a hanging endpoint: {step:?}"),
            () = provider.wait_for_requests(begun) => {}
        }
        app = app.killed_and_started().await;
        app.clock.advance(std::time::Duration::from_secs(15));
    }
    assert_eq!(app.step().await, Step::Failed);
    let failed = embedder(&bot).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let said = text(&failed["error"]);
    assert!(said.contains("stopped the server several times"), "{said}");
    assert_eq!(provider.request_count(), 5);
    assert_eq!(cosine(&bot, question).await, static_cosine);
    assert_eq!(app.step().await, Step::Idle);
}

async fn an_endpoint_that_is_busy_is_asked_again(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = beside(&provider, stage).await;
    let busy = || EmbeddingScript::Error(ErrorReply::new(503, "Overloaded."));
    provider.embed_by_default(busy());
    put(&bot, "/embedder", &endpoint(&provider)).await;
    assert_eq!(app.step().await, Step::Deferred);
    assert_eq!(app.step().await, Step::Idle, "it waits");
    let waiting = embedder(&bot).await;
    assert_eq!(
        (&waiting["status"], &waiting["done"]),
        (&json!("embedding"), &json!(0))
    );
    provider.embed_by_default(EmbeddingScript::Vectors);
    app.clock.advance(std::time::Duration::from_secs(10));
    app.work().await;
    assert_eq!(embedder(&bot).await["status"], "ready");
    // Where it never gets better, it is given up with the provider's words.
    let other = json!({"kind": "endpoint", "base_url": provider.base_url(), "model": "other"});
    provider.embed_by_default(busy());
    put(&bot, "/embedder", &other).await;
    for _ in 0..5 {
        app.work().await;
        app.clock.advance(std::time::Duration::from_secs(300));
    }
    let failed = embedder(&bot).await;
    assert_eq!(
        (&failed["status"], &failed["error"]),
        (&json!("failed"), &json!("Overloaded."))
    );
}

async fn transformers_are_chosen_by_name(stage: Stage) {
    let models = tempfile::tempdir().expect("a folder");
    tiny::write(&models.path().join("tiny-bert"));
    std::fs::create_dir(models.path().join("no-model")).expect("a folder");
    let folder = models.path().display().to_string();
    let app = stage.app_with(&[("OKRA_MODELS_DIR", &folder)]).await;
    let listed = app.client.get("/embedders").await.expect(200);
    let kinds: Vec<(&str, &Value)> = list(&listed["data"])
        .iter()
        .map(|option| (text(&option["kind"]), &option["model"]))
        .collect();
    let expected = [
        ("static", &Value::Null),
        ("transformer", &json!("tiny-bert")),
        ("endpoint", &Value::Null),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(listed["server"]["kind"], "static");

    let bot = app.bot("Shop").await;
    bot.add(json!({"type": "text", "content": "The coffee machine may return in days."}))
        .await;
    app.work().await;
    let choice = json!({"kind": "transformer", "model": "tiny-bert"});
    put(&bot, "/embedder", &choice).await;
    app.work().await;
    let shown = embedder(&bot).await;
    assert_eq!(
        (&shown["status"], &shown["model"]),
        (&json!("ready"), &json!("tiny-bert"))
    );
    // The tiny model knows too few words to be asked about any script, so words find.
    assert!(bot.found("coffee machine").await.contains("coffee machine"));
    let unknown = json!({"kind": "transformer", "model": "../tiny-bert"}).to_string();
    let refused = app
        .client
        .json("PUT", &bot.path("/embedder"), unknown)
        .await;
    refused.refused(400, "invalid_request", "model");
    assert!(
        text(&refused.json()["error"]).contains("tiny-bert"),
        "{refused:?}"
    );
    // A model whose files are gone fails as it is to be used, with a reason.
    std::fs::remove_file(models.path().join("tiny-bert/model.safetensors")).expect("it is there");
    tiny::write(&models.path().join("broken"));
    std::fs::write(models.path().join("broken/model.safetensors"), b"none").expect("written");
    put(
        &bot,
        "/embedder",
        &json!({"kind": "transformer", "model": "broken"}),
    )
    .await;
    for _ in 0..5 {
        app.work().await;
        app.clock.advance(std::time::Duration::from_secs(300));
    }
    let failed = embedder(&bot).await;
    assert_eq!(failed["status"], "failed");
    assert!(
        text(&failed["error"]).contains("cannot be loaded"),
        "{failed}"
    );
}

async fn an_organizations_embedder_is_its_chatbots(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = beside(&provider, stage).await;
    let fresh = app.bot("Fresh").await;
    let choice = endpoint(&provider).to_string();
    let set = app
        .client
        .json("PUT", "/embedder", choice)
        .await
        .expect(200);
    assert_eq!(set["embedder"]["source"], "organization");
    assert_eq!(embedder(&bot).await["status"], "embedding");
    assert_eq!(embedder(&fresh).await["status"], "ready");
    app.work().await;
    assert_eq!(embedder(&bot).await["status"], "ready");
    let shown = app.client.get("/embedder").await.expect(200)["embedder"].clone();
    assert_eq!(
        (&shown["model"], &shown["api_key"]),
        (&json!("mock-embedding"), &json!("sk-…7890"))
    );
    // As it is shown, the key stays.
    app.client
        .json("PUT", "/embedder", shown.to_string())
        .await
        .expect(200);
    fresh
        .add(json!({"type": "qna", "question": "Is there wifi?", "answer": "Yes."}))
        .await;
    app.work().await;
    assert!(cosine(&fresh, "Is there wifi?").await > 0.5);
    let theirs = app.stranger.get("/embedder").await.expect(200);
    assert_eq!(theirs["embedder"]["source"], "server");
    app.client.delete("/embedder").await.expect(200);
    app.work().await;
    let back = embedder(&bot).await;
    assert_eq!(
        (&back["kind"], &back["status"]),
        (&json!("static"), &json!("ready"))
    );
}

async fn choices_that_cannot_be_are_refused(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let (own, all) = (bot.path("/embedder"), "/embedder".to_owned());
    for path in [&own, &all] {
        for (body, field) in [
            (json!({"kind": "transformer"}), "model"),
            (json!({"kind": "transformer", "model": "absent"}), "model"),
            (json!({"kind": "endpoint", "model": "m"}), "base_url"),
            (
                json!({"kind": "endpoint", "base_url": "https://x.example.com"}),
                "model",
            ),
            (
                json!({"kind": "endpoint", "base_url": "http://10.0.0.7/v1", "model": "m"}),
                "base_url",
            ),
            (
                json!({"kind": "endpoint", "base_url": "ftp://x.example.com", "model": "m"}),
                "base_url",
            ),
            (json!({"kind": "magic"}), "kind"),
        ] {
            let refused = app.client.json("PUT", path, body.to_string()).await;
            refused.refused(400, "invalid_request", field);
        }
    }
    for (body, field) in [
        (json!({"base_url": "http://10.0.0.7"}), "base_url"),
        (
            json!({"base_url": "https://x.example.com", "top_n": 0}),
            "top_n",
        ),
        (
            json!({"base_url": "https://x.example.com", "top_n": 101}),
            "top_n",
        ),
        (json!({}), "base_url"),
    ] {
        let path = bot.path("/reranker");
        let refused = app.client.json("PUT", &path, body.to_string()).await;
        refused.refused(400, "invalid_request", field);
    }
    app.stranger.get(&own).await.refused(404, "not_found", "");
    app.stranger
        .get(&bot.path("/reranker"))
        .await
        .refused(404, "not_found", "");
}

fn reranker(provider: &MockProvider) -> Value {
    json!({"base_url": provider.base_url(), "model": "mock-rerank", "top_n": 10,
           "api_key": "sk-rerank-1234567890"})
}

async fn a_reranker_puts_passages_in_order(stage: Stage) {
    let provider = MockProvider::start().await;
    let (_app, bot) = beside(&provider, stage).await;
    let none = bot.client.get(&bot.path("/reranker")).await.expect(200);
    assert_eq!(none, json!({"reranker": null}));
    let question = "Do you ship abroad, and how long may I return it?";
    let plain = explained(&bot, question).await;
    let titles = |found: &Value| -> Vec<String> {
        let results = list(&found["results"]).iter();
        results
            .map(|result| text(&result["title"]).to_owned())
            .collect()
    };
    assert_eq!(plain["results"][0]["scores"]["rerank"], Value::Null);
    provider.rerank_by_default(RerankScript::Reversed);
    let set = put(&bot, "/reranker", &reranker(&provider)).await["reranker"].clone();
    assert_eq!(
        set,
        json!({"base_url": provider.base_url(), "model": "mock-rerank", "top_n": 10,
               "api_key": "sk-…7890"})
    );
    let reranked = explained(&bot, question).await;
    let (mut turned, before) = (titles(&reranked), titles(&plain));
    assert_ne!(turned, before, "another order");
    turned.sort();
    let mut same = before.clone();
    same.sort();
    assert_eq!(turned, same, "of the same passages");
    let results = list(&reranked["results"]);
    let scores: Vec<f64> = results
        .iter()
        .map(|result| result["scores"]["rerank"].as_f64().expect("a score"))
        .collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    for result in results {
        let rank = result["scores"]["rank"].as_u64().expect("a place");
        let place = usize::try_from(rank).expect("a small number") - 1;
        assert_eq!(text(&result["title"]), before[place]);
    }
    assert!(reranked.get("warning").is_none(), "{reranked}");
    // Only the best that it is shown.
    let mut fewer = reranker(&provider);
    fewer["top_n"] = json!(1);
    put(&bot, "/reranker", &fewer).await;
    let one = explained(&bot, question).await;
    assert_eq!(titles(&one), before);
    assert_eq!(
        list(&provider.requests().pop().expect("asked").body["documents"]).len(),
        1
    );
    bot.client
        .delete(&bot.path("/reranker"))
        .await
        .expect_nothing(204);
    assert_eq!(titles(&explained(&bot, question).await), before);
}

async fn a_reranker_that_fails_changes_nothing_and_is_told_of(stage: Stage) {
    let provider = MockProvider::start().await;
    let (_app, bot) = beside(&provider, stage).await;
    let question = "How long may I return it?";
    let plain = explained(&bot, question).await["results"].clone();
    put(&bot, "/reranker", &reranker(&provider)).await;
    let refused = ErrorReply::new(402, "No credit left.");
    for (script, expected) in [
        (RerankScript::Error(refused), "No credit left."),
        (RerankScript::MissingOne, "without a score"),
        (RerankScript::Hang, "in time"),
    ] {
        provider.rerank_by_default(script);
        let found = explained(&bot, question).await;
        assert_eq!(found["results"], plain);
        assert!(text(&found["warning"]).contains(expected), "{found}");
    }
    let unexplained = json!({"query": question});
    let path = bot.path("/query-knowledge");
    provider.rerank_by_default(RerankScript::MissingOne);
    let found = bot.client.post(&path, unexplained).await.expect(200);
    assert!(found.get("warning").is_none(), "{found}");
    assert_eq!(
        bot.ask(question).await["message"]["content"],
        "For 30 days after delivery."
    );
}
