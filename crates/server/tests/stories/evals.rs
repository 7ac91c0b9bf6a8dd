//! Evals over HTTP: kept, drafted, run with the retrieval that answers, and compared.

use okra_testkit::provider::{EmbeddingScript, ErrorReply, MockProvider, RerankScript};
use serde_json::{Value, json};

use crate::support::{Bot, Stage, TestApp, list, text};

stories! {
    a_set_is_run_and_compared_with_the_run_before,
    a_run_tells_where_its_embedder_or_reranker_failed,
    a_first_set_is_drafted_from_what_is_there,
    sets_are_listed_renamed_and_deleted,
    what_is_no_set_is_refused_by_its_place,
    anothers_sets_are_nothing,
}

/// A chatbot that knows two pages and a pair.
async fn museum(app: &TestApp) -> Bot {
    let bot = app.bot("Museum").await;
    bot.upload_one(
        "garden.md",
        "# Garden\n\nThe rose garden is behind the east wing.",
    )
    .await;
    bot.upload_one(
        "hours.md",
        "# Hours\n\nThe museum is open from nine to five.",
    )
    .await;
    bot.add(json!({"type": "qna", "question": "Are dogs allowed?", "answer": "Only guide dogs."}))
        .await;
    app.work().await;
    bot
}

async fn make(bot: &Bot, questions: Value) -> Value {
    let body = json!({"name": "Visitors", "questions": questions});
    let made = bot.client.post(&bot.path("/evals"), body).await;
    made.expect(201)["data"].clone()
}

async fn run(bot: &Bot, set: &Value) -> Value {
    let path = bot.path(&format!("/evals/{}/run", text(&set["id"])));
    bot.client.post(&path, json!({})).await.expect(200)["data"].clone()
}

async fn a_set_is_run_and_compared_with_the_run_before(stage: Stage) {
    let app = stage.app().await;
    let bot = museum(&app).await;
    let questions = json!([
        {"question": "Where is the rose garden?", "item": "garden.md", "answer": "east wing"},
        {"question": "Are dogs allowed?", "passage": "only guide dogs"},
        {"question": "Where is the cloakroom?", "answer": "beside the ticket desk"},
        {"question": "quantum chromodynamics lattice", "expect": "refusal"},
    ]);
    let set = make(&bot, questions.clone()).await;
    assert_eq!((&set["questions"], &set["run"]), (&questions, &Value::Null));

    let first = run(&bot, &set).await;
    let scores = &first["scores"];
    assert_eq!(
        (&scores["answerable"], &scores["unanswerable"]),
        (&json!(3), &json!(1))
    );
    let share = |name: &str| scores[name].as_f64().expect("a share");
    assert!((share("found_at_1") - 2.0 / 3.0).abs() < 1e-9, "{scores}");
    assert!((share("mrr_at_10") - 2.0 / 3.0).abs() < 1e-9, "{scores}");
    assert_eq!(share("refusals_right"), 1.0);
    assert_eq!(
        (&first["previous"], &first["changes"]),
        (&Value::Null, &Value::Null)
    );
    let results = list(&first["results"]);
    assert_eq!(
        (&results[0]["rank"], &results[0]["right"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(results[0]["first"]["title"], "garden.md");
    assert_eq!(
        (&results[2]["rank"], &results[2]["right"]),
        (&Value::Null, &json!(false))
    );
    assert_eq!(
        (&results[3]["refused"], &results[3]["right"]),
        (&json!(true), &json!(true))
    );
    assert!(results.iter().all(|result| result["change"].is_null()));

    // What was missing is added, and what was there is taken away.
    bot.add(json!({"type": "text", "title": "Cloakroom",
                   "content": "The cloakroom is beside the ticket desk."}))
        .await;
    let items = bot.items().await;
    let pair = items
        .iter()
        .find(|item| item["type"] == "qna")
        .expect("the pair");
    bot.client
        .delete(&bot.path(&format!("/knowledge-base?id={}", text(&pair["id"]))))
        .await
        .expect(200);
    app.work().await;
    let second = run(&bot, &set).await;
    assert_eq!(
        second["changes"],
        json!({"better": 1, "worse": 1, "unchanged": 2, "new": 0})
    );
    assert_eq!(second["previous"]["id"], first["id"]);
    let results = list(&second["results"]);
    let changes: Vec<&Value> = results.iter().map(|result| &result["change"]).collect();
    assert_eq!(changes, ["unchanged", "worse", "better", "unchanged"]);
    assert_eq!(
        (&results[1]["previous_rank"], &results[1]["rank"]),
        (&json!(1), &Value::Null)
    );

    // Another expectation is another question.
    let path = bot.path(&format!("/evals/{}", text(&set["id"])));
    let mut edited = questions.clone();
    edited[0] = json!({"question": "Where is the rose garden?", "answer": "east"});
    let edit = json!({"questions": edited});
    bot.client.patch(&path, edit).await.expect(200);
    let third = run(&bot, &set).await;
    assert_eq!(third["changes"]["new"], 1, "{}", third["changes"]);

    let shown = bot.client.get(&path).await.expect(200)["data"].clone();
    let runs = list(&shown["runs"]);
    let ids: Vec<&Value> = runs.iter().map(|run| &run["id"]).collect();
    assert_eq!(ids, [&third["id"], &second["id"], &first["id"]]);
    assert_eq!(shown["run"], third);
    let path = format!("{path}?run={}", text(&second["id"]));
    let shown = bot.client.get(&path).await.expect(200);
    assert_eq!(shown["data"]["run"], second);
    let path = path.replace(text(&second["id"]), text(&set["id"]));
    bot.client.get(&path).await.refused(404, "not_found", "");
}

async fn a_run_tells_where_its_embedder_or_reranker_failed(stage: Stage) {
    let provider = MockProvider::start().await;
    let allow = provider.address().to_string();
    let app = stage.app_with(&[("OKRA_PROVIDER_ALLOW", &allow)]).await;
    let bot = museum(&app).await;
    let endpoint =
        json!({"kind": "endpoint", "base_url": provider.base_url(), "model": "mock-embedding"});
    let client = &bot.client;
    let path = bot.path("/embedder");
    let chosen = client.json("PUT", &path, endpoint.to_string()).await;
    chosen.expect(200);
    app.work().await;
    let questions = json!([
        {"question": "Where is the rose garden?", "item": "garden.md"},
        {"question": "Are dogs allowed?", "passage": "only guide dogs"},
        {"question": "quantum chromodynamics lattice", "expect": "refusal"},
    ]);
    let set = make(&bot, questions).await;
    let told = |run: &Value| {
        let impaired = run["scores"]["impaired"].clone();
        let warnings = list(&run["results"]).iter().map(|it| it["warning"].clone());
        (impaired, warnings.collect::<Vec<_>>())
    };
    let whole = run(&bot, &set).await;
    assert_eq!(told(&whole), (json!(0), vec![Value::Null; 3]));

    let no_key = ErrorReply::new(401, "No such key, says the endpoint.");
    provider.embed_by_default(EmbeddingScript::Error(no_key));
    let without = run(&bot, &set).await;
    let (impaired, warnings) = told(&without);
    assert_eq!(impaired, 3);
    assert_eq!(without["scores"]["found_at_1"], 1.0, "by words alone");
    for warning in &warnings {
        let warning = text(warning);
        let expected = ["was not embedded", "says the endpoint"];
        assert!(expected.iter().all(|it| warning.contains(it)), "{warning}");
    }
    // It is kept with the run, in lists too.
    let path = bot.path("/evals");
    let listed = client.get(&path).await.expect(200);
    assert_eq!(listed["data"][0]["latest"]["scores"]["impaired"], 3);
    let path = format!("{path}/{}", text(&set["id"]));
    let shown = client.get(&path).await.expect(200);
    assert_eq!(shown["data"]["run"], without);

    provider.embed_by_default(EmbeddingScript::Vectors);
    let reranker = json!({"base_url": provider.base_url(), "model": "mock-reranker"});
    let path = bot.path("/reranker");
    let chosen = client.json("PUT", &path, reranker.to_string()).await;
    chosen.expect(200);
    provider.rerank_by_default(RerankScript::Error(ErrorReply::new(400, "Not today.")));
    let (impaired, warnings) = told(&run(&bot, &set).await);
    let warned: Vec<&Value> = warnings.iter().filter(|it| !it.is_null()).collect();
    assert_eq!(impaired, warned.len(), "{warnings:?}");
    assert!(text(warned[0]).contains("reranker failed"), "{warned:?}");
}

async fn a_first_set_is_drafted_from_what_is_there(stage: Stage) {
    let app = stage.app().await;
    let empty = app.bot("Empty").await;
    let draft = empty
        .client
        .get(&empty.path("/evals/draft"))
        .await
        .expect(200);
    assert_eq!(draft, json!({"questions": []}));

    let bot = museum(&app).await;
    bot.ask("Where is the rose garden?").await;
    bot.ask("are dogs allowed?").await;
    bot.ask("quantum chromodynamics lattice").await;
    let draft = bot.client.get(&bot.path("/evals/draft")).await.expect(200);
    let expected = json!([
        {"question": "Are dogs allowed?", "passage": "Only guide dogs."},
        {"question": "Where is the rose garden?", "item": "garden.md"},
    ]);
    assert_eq!(draft["questions"], expected);
    let run = run(&bot, &make(&bot, expected).await).await;
    assert_eq!(run["scores"]["found_at_1"], 1.0);
}

async fn sets_are_listed_renamed_and_deleted(stage: Stage) {
    let app = stage.app().await;
    let bot = museum(&app).await;
    let path = bot.path("/evals");
    let none = bot.client.get(&path).await.expect(200);
    assert_eq!(
        (&none["data"], &none["pagination"]["total"]),
        (&json!([]), &json!(0))
    );
    let set = make(
        &bot,
        json!([{"question": "Dogs?", "item": "Are dogs allowed?"}]),
    )
    .await;
    let listed = bot.client.get(&path).await.expect(200);
    assert_eq!(listed["data"][0]["questions"], 1);
    assert_eq!(listed["data"][0]["latest"], Value::Null);
    let ran = run(&bot, &set).await;
    let listed = bot.client.get(&path).await.expect(200);
    let latest = &listed["data"][0]["latest"];
    assert_eq!(
        (&latest["id"], &latest["scores"]),
        (&ran["id"], &ran["scores"])
    );

    let body = json!({"name": "Visitors", "questions": [{"question": "Q?", "answer": "x"}]});
    bot.client
        .post(&path, body)
        .await
        .refused(409, "conflict", "name");
    let one = format!("{path}/{}", text(&set["id"]));
    let renamed = bot.client.patch(&one, json!({"name": " Guests "})).await;
    assert_eq!(renamed.expect(200)["data"]["name"], "Guests");
    let gone = bot.client.delete(&one).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    for answer in [
        bot.client.get(&one).await,
        bot.client.delete(&one).await,
        bot.client.patch(&one, json!({"name": "x"})).await,
        bot.client.post(&format!("{one}/run"), json!({})).await,
        bot.client.get(&format!("{path}/no-id")).await,
    ] {
        answer.refused(404, "not_found", "");
    }
}

async fn what_is_no_set_is_refused_by_its_place(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Museum").await;
    let good = json!({"question": "Q?", "answer": "x"});
    let check = async |questions: Value, field: &str| {
        let body = json!({"name": "Set", "questions": questions});
        let answer = bot.client.post(&bot.path("/evals"), body).await;
        answer.refused(400, "invalid_request", field);
    };
    check(json!([]), "questions").await;
    check(json!(vec![good.clone(); 1_001]), "questions").await;
    check(json!([good, good]), "questions[1]").await;
    check(json!([good, {"question": "R?"}]), "questions[1].expect").await;
    check(
        json!([{"question": " ", "answer": "x"}]),
        "questions[0].question",
    )
    .await;
    check(
        json!([{"question": "R?", "anwser": "x"}]),
        "questions[0].anwser",
    )
    .await;
    check(
        json!([{"question": "R?", "expect": "silence"}]),
        "questions[0].expect",
    )
    .await;
    check(
        json!([{"question": "R?", "answer": "x".repeat(501)}]),
        "questions[0].answer",
    )
    .await;
    for name in ["", "two\nlines", &"x".repeat(101)] {
        let body = json!({"name": name, "questions": [good]});
        let answer = bot.client.post(&bot.path("/evals"), body).await;
        answer.refused(400, "invalid_request", "name");
    }
    let listed = bot.client.get(&bot.path("/evals")).await.expect(200);
    assert_eq!(listed["data"], json!([]));
}

async fn anothers_sets_are_nothing(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Museum").await;
    let set = make(&bot, json!([{"question": "Q?", "answer": "x"}])).await;
    let other = app.bot("Other").await;
    let id = text(&set["id"]);
    for (client, bot) in [(&app.stranger, &bot), (&app.client, &other)] {
        let path = bot.path(&format!("/evals/{id}"));
        client.get(&path).await.refused(404, "not_found", "");
        client.delete(&path).await.refused(404, "not_found", "");
        let change = client.patch(&path, json!({"name": "Mine"})).await;
        change.refused(404, "not_found", "");
        let run = client.post(&format!("{path}/run"), json!({})).await;
        run.refused(404, "not_found", "");
    }
    let shown = bot.client.get(&bot.path(&format!("/evals/{id}"))).await;
    assert_eq!(shown.expect(200)["data"]["name"], "Visitors");
}
