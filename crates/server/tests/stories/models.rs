//! Who answers: providers side by side, the one that stands in, and the tokens of a day.

use std::time::Duration;

use okra_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};

use crate::support::{Bot, Page, Stage, TestApp, list, one_event, said, text};

stories! {
    an_organizations_providers_answer_side_by_side,
    a_provider_is_tried_before_it_is_kept,
    providers_inside_private_networks_are_refused,
    the_servers_providers_are_told_of_and_not_their_keys,
    a_model_that_nobody_has_is_refused_with_the_remedy,
    another_model_stands_in_before_the_first_word,
    a_day_has_so_many_tokens_and_the_next_begins_anew,
    models_of_all_providers_are_listed_together,
    a_trial_counts_among_the_tokens_of_the_day,
}

const KEY: &str = "sk-1234567890abcdef";

/// An application whose organizations may reach this provider, with further settings.
async fn beside(provider: &MockProvider, stage: Stage, settings: &[(&str, &str)]) -> TestApp {
    let allow = provider.address().to_string();
    let mut all = vec![("OKRA_PROVIDER_ALLOW", allow.as_str())];
    all.extend(settings);
    stage.app_with(&all).await
}

async fn put(app: &TestApp, name: &str, body: &Value) -> crate::support::Answer {
    let path = format!("/providers/{name}");
    app.client.json("PUT", &path, body.to_string()).await
}

async fn set_model(bot: &Bot, settings: Value) -> crate::support::Answer {
    bot.client
        .patch(&bot.path(""), json!({"settings": settings}))
        .await
}

async fn an_organizations_providers_answer_side_by_side(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = beside(&provider, stage, &[]).await;
    let bot = app.bot("Shop").await;
    let none = app.client.get("/providers").await.expect(200);
    let expected = json!({"providers": [], "fallback_model": null, "tokens_a_day": null,
                          "tokens_today": 0});
    assert_eq!(none, expected);

    let url = provider.base_url();
    let office = json!({"kind": "openai", "base_url": url, "api_key": KEY});
    let shown = put(&app, "office", &office).await.expect(200)["provider"].clone();
    let expected = json!({"name": "office", "kind": "openai", "base_url": url,
        "api_key": "sk-…cdef", "api_version": null, "source": "organization", "default": true});
    assert_eq!(shown, expected);
    let claude = json!({"kind": "anthropic", "base_url": url, "api_key": "sk-ant-0987654321"});
    put(&app, "anthropic", &claude).await.expect(200);

    let asked = async |model: &str| {
        set_model(&bot, json!({"model": model})).await.expect(200);
        let reply = bot.chat(said("Do you ship abroad?")).await.expect(200);
        assert_eq!(reply["message"]["metadata"]["answered_by"], "model");
        let requests = provider.requests();
        let last = requests.last().expect("a request");
        let provider = text(&reply["message"]["provider"]).to_owned();
        let key = last.key().expect("a key").to_owned();
        (provider, last.path.clone(), last.body["model"].clone(), key)
    };
    let answered = |provider: &str, path: &str, model: &str, key: &str| {
        (
            provider.to_owned(),
            path.to_owned(),
            json!(model),
            key.to_owned(),
        )
    };
    let openai = "/v1/chat/completions";
    assert_eq!(
        asked("mock-1").await,
        answered("office", openai, "mock-1", KEY)
    );
    assert_eq!(
        asked("office/mock-2").await,
        answered("office", openai, "mock-2", KEY)
    );
    let expected = answered("anthropic", "/v1/messages", "claude-1", "sk-ant-0987654321");
    assert_eq!(asked("anthropic/claude-1").await, expected);
    // A chatbot's own key is for OpenAI's API, and goes to no other.
    let own = json!({"openai_api_key": "sk-of-the-chatbot"});
    bot.client.patch(&bot.path(""), own).await.expect(200);
    assert_eq!(asked("anthropic/claude-1").await.3, "sk-ant-0987654321");
    assert_eq!(asked("mock-1").await.3, "sk-of-the-chatbot");

    // Sent back as it was shown, the key stays; to another address or API it does not go.
    assert_eq!(
        put(&app, "office", &shown).await.expect(200)["provider"],
        shown
    );
    let elsewhere = json!({"base_url": "https://models.example.com/v1", "api_key": "sk-…cdef"});
    put(&app, "office", &elsewhere)
        .await
        .refused(400, "invalid_request", "api_key");
    for (name, body, field) in [
        ("Office", office.clone(), "name"),
        ("new", json!({"base_url": url}), "kind"),
        (
            "new",
            json!({"kind": "openai", "base_url": "ftp://x.example.com"}),
            "base_url",
        ),
        ("new", json!({"kind": "azure"}), "base_url"),
    ] {
        put(&app, name, &body)
            .await
            .refused(400, "invalid_request", field);
    }
    // Made the default, the other one has the names without a provider.
    put(&app, "anthropic", &json!({"default": true}))
        .await
        .expect(200);
    let listed = app.client.get("/providers").await.expect(200);
    let names: Vec<&str> = list(&listed["providers"])
        .iter()
        .map(|it| text(&it["name"]))
        .collect();
    assert_eq!(names, ["anthropic", "office"]);
    assert!(!listed.to_string().contains("567890ab"), "{listed}");
    // They are nobody else's.
    let theirs = app.stranger.get("/providers").await.expect(200);
    assert_eq!(theirs["providers"], json!([]));
    app.stranger
        .delete("/providers/office")
        .await
        .refused(404, "not_found", "");
    app.nobody()
        .get("/providers")
        .await
        .refused(401, "unauthorized", "");
    assert_eq!(app.client.delete("/providers/office").await.status, 204);
    app.client
        .delete("/providers/office")
        .await
        .refused(404, "not_found", "");
}

async fn a_provider_is_tried_before_it_is_kept(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = beside(&provider, stage, &[]).await;
    let url = provider.base_url();
    let test = async |body: Value| app.client.post("/providers/test", body).await;
    let gemini_url = url.replace("/v1", "/v1beta");
    for (kind, base_url, models) in [
        ("openai", &url, json!(["mock-chat", "mock-embedding"])),
        ("gemini", &gemini_url, json!(["mock-chat"])),
    ] {
        let body = json!({"kind": kind, "base_url": base_url, "api_key": KEY});
        let tried = test(body).await.expect(200);
        assert_eq!(
            (&tried["ok"], &tried["models"]),
            (&json!(true), &models),
            "{tried}"
        );
        assert!(tried["milliseconds"].as_f64() > Some(0.0));
    }
    let none = app.client.get("/providers").await.expect(200);
    assert_eq!(none["providers"], json!([]), "nothing is kept");

    // One word of a model, of the provider that is stored.
    let body = json!({"kind": "anthropic", "base_url": url, "api_key": KEY});
    put(&app, "anthropic", &body).await.expect(200);
    let word = json!({"name": "anthropic", "model": "claude-1"});
    let tried = test(word.clone()).await.expect(200);
    assert_eq!(
        (&tried["ok"], &tried["models"]),
        (&json!(true), &json!([])),
        "{tried}"
    );
    let requests = provider.requests();
    let last = requests.last().expect("a request");
    assert_eq!(
        (last.path.as_str(), last.key()),
        ("/v1/messages", Some(KEY))
    );
    provider.reply(Script::error(401, format!("invalid x-api-key {KEY}")));
    let tried = test(word).await.expect(200);
    assert_eq!(tried["ok"], false);
    assert_eq!(tried["message"], "invalid x-api-key …");
    test(json!({"kind": "openai", "base_url": "models"}))
        .await
        .refused(400, "invalid_request", "base_url");
    test(json!({}))
        .await
        .refused(400, "invalid_request", "kind");
    test(json!({"name": "nobody"}))
        .await
        .refused(404, "not_found", "");
}

async fn providers_inside_private_networks_are_refused(stage: Stage) {
    let app = stage.app().await;
    for inside in [
        "http://10.0.0.7/v1",
        "http://127.0.0.1:8080/v1",
        "http://[::1]/v1",
        "http://169.254.169.254/latest",
    ] {
        let body = json!({"kind": "openai", "base_url": inside});
        let answer = put(&app, "inside", &body).await;
        answer.refused(400, "invalid_request", "base_url");
        let words = answer.json()["error"].clone();
        assert!(text(&words).contains("OKRA_PROVIDER_ALLOW"), "{words}");
        let tried = app.client.post("/providers/test", body).await.expect(200);
        assert_eq!(tried["ok"], false);
        assert!(
            text(&tried["message"]).contains("OKRA_PROVIDER_ALLOW"),
            "{tried}"
        );
    }
    // A name is known by what it resolves to.
    let body = json!({"kind": "openai", "base_url": "http://localhost:8080"});
    let tried = app.client.post("/providers/test", body).await.expect(200);
    assert!(
        text(&tried["message"]).contains("OKRA_PROVIDER_ALLOW"),
        "{tried}"
    );
    // Ollama's own port on this machine is open; whether it listens is another matter.
    put(&app, "ollama", &json!({"kind": "ollama"}))
        .await
        .expect(200);
}

async fn the_servers_providers_are_told_of_and_not_their_keys(stage: Stage) {
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let settings = [
        ("OPENAI_BASE_URL", url.as_str()),
        ("OPENAI_API_KEY", "sk-server-server"),
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", "sk-server-claude"),
    ];
    let app = stage.app_with(&settings).await;
    let shown = app.client.get("/providers").await.expect(200);
    let one = |name: &str, kind: &str, default: bool| {
        json!({"name": name, "kind": kind, "base_url": url, "api_key": "…", "api_version": null,
               "source": "server", "default": default})
    };
    let expected = json!([
        one("127.0.0.1", "openai", true),
        one("anthropic", "anthropic", false)
    ]);
    assert_eq!(shown["providers"], expected);
    let tried = app
        .client
        .post("/providers/test", json!({"name": "anthropic"}));
    assert_eq!(tried.await.expect(200)["ok"], true);
    let bot = app.bot("Shop").await;
    set_model(&bot, json!({"model": "anthropic/claude-1"}))
        .await
        .expect(200);
    let reply = bot.chat(said("Hello?")).await.expect(200);
    assert_eq!(reply["message"]["provider"], "anthropic");
    let requests = provider.requests();
    assert_eq!(
        requests.last().and_then(|it| it.key()),
        Some("sk-server-claude")
    );
}

async fn a_model_that_nobody_has_is_refused_with_the_remedy(stage: Stage) {
    let provider = MockProvider::start().await;
    let app = beside(&provider, stage, &[]).await;
    let bot = app.bot("Shop").await;
    let refused = |answer: crate::support::Answer, field: &str, remedy: &str| {
        answer.refused(400, "invalid_request", field);
        let words = answer.json()["error"].clone();
        assert!(text(&words).contains(remedy), "{words}");
    };
    let claude = json!({"model": "anthropic/claude-1"});
    let answer = set_model(&bot, claude.clone()).await;
    refused(answer, "settings.model", "ANTHROPIC_API_KEY");
    let body = json!({"name": "New", "settings": claude});
    refused(
        app.client.post("/chatbots", body).await,
        "settings.model",
        "ANTHROPIC_API_KEY",
    );
    let answer = set_model(&bot, json!({"fallbackModel": "gemini/g"})).await;
    refused(answer, "settings.fallbackModel", "GEMINI_API_KEY");
    let stand_in = json!({"fallback_model": "azure/g"});
    let answer = app.client.patch("/providers", stand_in).await;
    refused(answer, "fallback_model", "AZURE_OPENAI_ENDPOINT");

    let url = provider.base_url();
    let body = json!({"kind": "anthropic", "base_url": url, "api_key": KEY});
    put(&app, "anthropic", &body).await.expect(200);
    set_model(&bot, claude).await.expect(200);
    let answer = set_model(&bot, json!({"model": "antropic/claude-1"})).await;
    refused(answer, "settings.model", "anthropic");
    let answer = set_model(&bot, json!({"model": "gpt-4o-mini"})).await;
    refused(answer, "settings.model", "not one of anthropic's");
    // The provider is gone; other settings can still be saved, and a turn says what is wrong.
    assert_eq!(app.client.delete("/providers/anthropic").await.status, 204);
    set_model(&bot, json!({"greeting": "Hi"})).await.expect(200);
    let answer = bot.chat(said("Hello?")).await;
    answer.refused(503, "unavailable", "");
    assert!(
        text(&answer.json()["error"]).contains("ANTHROPIC_API_KEY"),
        "{answer:?}"
    );
    assert_eq!(provider.request_count(), 0);
}

async fn another_model_stands_in_before_the_first_word(stage: Stage) {
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let settings = [
        ("OPENAI_BASE_URL", url.as_str()),
        ("ANTHROPIC_BASE_URL", url.as_str()),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    let stand_in = json!({"fallback_model": "anthropic/claude-1"});
    let shown = app.client.patch("/providers", stand_in).await.expect(200);
    assert_eq!(shown["fallback_model"], "anthropic/claude-1");

    provider.reply(Script::error(400, "Out of order"));
    provider.reply(Script::text("I stand in."));
    let reply = bot.chat(said("Hello?")).await.expect(200)["message"].clone();
    assert_eq!(
        (&reply["content"], &reply["provider"]),
        (&json!("I stand in."), &json!("anthropic"))
    );
    assert_eq!(reply["model"], "claude-1");
    let instead_of = json!({"model": "gpt-4o-mini", "error": "Out of order"});
    assert_eq!(reply["metadata"]["instead_of"], instead_of);
    // A chatbot's own choice comes first.
    set_model(&bot, json!({"fallbackModel": "mock-2"}))
        .await
        .expect(200);
    provider.reply(Script::error(400, "Out of order"));
    provider.reply(Script::text("So do I."));
    let reply = bot.chat(said("Hello?")).await.expect(200)["message"].clone();
    assert_eq!(
        (&reply["model"], &reply["content"]),
        (&json!("mock-2"), &json!("So do I."))
    );
    // Once a word was said it is too late.
    let asked = provider.request_count();
    provider.reply(Script::CloseAfter {
        text: "So far".to_owned(),
    });
    let events = bot.stream(said("Hello?")).await.events();
    assert_eq!(one_event(&events, "error")["code"], "provider_failed");
    assert_eq!(provider.request_count(), asked + 1);
    // Where both fail, both say why.
    provider.reply(Script::error(400, "Out of order"));
    provider.reply(Script::error(400, "So am I"));
    let answer = bot.chat(said("Hello?")).await;
    answer.refused(502, "provider_failed", "");
    let words = answer.json()["error"].clone();
    assert!(
        ["Out of order", "mock-2", "So am I"]
            .iter()
            .all(|it| text(&words).contains(it))
    );
    // A turn without a fault tells of none.
    let reply = bot.chat(said("Hello?")).await.expect(200);
    assert_eq!(reply["message"]["metadata"]["instead_of"], Value::Null);
}

async fn a_day_has_so_many_tokens_and_the_next_begins_anew(stage: Stage) {
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let app = stage.app_with(&[("OPENAI_BASE_URL", url.as_str())]).await;
    let bot = app.bot("Shop").await;
    let first = bot.chat(said("Hello?")).await.expect(200);
    let spent = first["message"]["tokens_used"].as_i64().expect("a number");
    for (tokens, field) in [(json!(0), "tokens_a_day"), (json!(-1), "tokens_a_day")] {
        let answer = app
            .client
            .patch("/providers", json!({"tokens_a_day": tokens}))
            .await;
        answer.refused(400, "invalid_request", field);
    }
    let end = json!({"tokens_a_day": spent + 1});
    let shown = app.client.patch("/providers", end).await.expect(200);
    assert_eq!(
        (&shown["tokens_a_day"], &shown["tokens_today"]),
        (&json!(spent + 1), &json!(spent))
    );
    // One is left, so the next answer is given; the one after it is not.
    bot.chat(said("Hello?")).await.expect(200);
    let refused = bot.chat(said("Hello?")).await;
    refused.refused(429, "budget_spent", "");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!(wait > 0 && wait <= 24 * 60 * 60, "{wait}");
    let events = bot.stream(said("Hello?")).await.events();
    assert_eq!(one_event(&events, "error")["code"], "budget_spent");
    // A visitor is told so in words that name nobody's account.
    let public = json!({"is_public": true});
    let shown = bot.client.patch(&bot.path(""), public).await.expect(200);
    let page = Page::new(&app, text(&shown["chatbot"]["slug"]), None)
        .begun(json!({}))
        .await;
    let events = page.ask("Hello?").await.events();
    let error = one_event(&events, "error");
    assert_eq!(error["code"], "budget_spent");
    assert!(!text(&error["error"]).contains("tokens"), "{error}");
    // Another organization's tokens are its own.
    let asked = provider.request_count();
    app.clock.advance(Duration::from_secs(wait));
    bot.chat(said("Hello?")).await.expect(200);
    assert_eq!(
        provider.request_count(),
        asked + 1,
        "those that were refused asked nobody"
    );
    app.client
        .patch("/providers", json!({"tokens_a_day": null}))
        .await
        .expect(200);
    for _ in 0..2 {
        bot.chat(said("Hello?")).await.expect(200);
    }
}

async fn models_of_all_providers_are_listed_together(stage: Stage) {
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let beta = url.replace("/v1", "/v1beta");
    let settings = [("GEMINI_BASE_URL", beta.as_str())];
    let app = beside(&provider, stage, &settings).await;
    let office = json!({"kind": "openai", "base_url": url});
    put(&app, "office", &office).await.expect(200);
    let silent = json!({"kind": "openai", "base_url": format!("{url}/nowhere")});
    put(&app, "silent", &silent).await.expect(200);
    let listed = app.client.get("/models").await.expect(200);
    let one = |id: &str, provider: &str| json!({"id": id, "provider": provider});
    let expected = json!([
        one("mock-chat", "office"),
        one("mock-embedding", "office"),
        one("gemini/mock-chat", "gemini"),
    ]);
    assert_eq!(listed["data"], expected);
    assert_eq!(listed["silent"][0]["provider"], "silent");
    assert!(text(&listed["silent"][0]["message"]).len() > 10, "{listed}");
    let theirs = app.stranger.get("/models").await.expect(200);
    assert_eq!(
        theirs["data"],
        json!([one("mock-chat", "gemini")]),
        "they have one provider"
    );
    app.nobody()
        .get("/models")
        .await
        .refused(401, "unauthorized", "");
}

async fn a_trial_counts_among_the_tokens_of_the_day(stage: Stage) {
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let app = stage.app_with(&[("OPENAI_BASE_URL", url.as_str())]).await;
    let test = async |body: Value| app.client.post("/providers/test", body).await;
    let spent = async || {
        let shown = app.client.get("/providers").await.expect(200);
        shown["tokens_today"].as_i64().expect("a number")
    };
    let end = json!({"tokens_a_day": 7});
    app.client.patch("/providers", end).await.expect(200);
    let word = json!({"name": "127.0.0.1", "model": "mock-1"});
    // Words stand for tokens at this provider: three read, two written.
    provider.reply(Script::text("OK then"));
    assert_eq!(test(word.clone()).await.expect(200)["ok"], true);
    assert_eq!(spent().await, 5);
    // One that it refuses takes nothing; one that breaks off, what was sent, by our estimate.
    provider.reply(Script::error(401, "No."));
    assert_eq!(test(word.clone()).await.expect(200)["ok"], false);
    assert_eq!(spent().await, 5);
    provider.reply(Script::MalformedAfter {
        text: String::new(),
    });
    assert_eq!(test(word.clone()).await.expect(200)["ok"], false);
    assert_eq!(spent().await, 9);
    let asked = provider.request_count();
    test(word).await.refused(429, "budget_spent", "");
    assert_eq!(provider.request_count(), asked);
    let models = json!({"name": "127.0.0.1"});
    assert_eq!(test(models).await.expect(200)["ok"], true, "free of charge");
}
