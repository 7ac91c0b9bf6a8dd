//! How an organization stands: its overview, its provider, what it uses.

use std::time::Duration;

use okra_testkit::provider::MockProvider;
use serde_json::{Value, json};

use crate::support::{Bot, Stage, TestApp, keys_of, list, said, sorted, text};

stories! {
    the_overview_counts_what_visitors_asked,
    an_overview_of_nonsense_is_refused,
    an_organizations_provider_answers_for_its_chatbots,
    a_provider_is_tried_before_it_is_kept,
    providers_inside_private_networks_are_refused,
    the_servers_provider_is_told_of_and_not_its_key,
    without_any_provider_the_calls_say_so,
    usage_and_health_are_told,
}

async fn ask(bot: &Bot, platform: &str, question: &str) -> Value {
    let mut body = said(question);
    body["platform"] = json!(platform);
    bot.chat(body).await.expect(200)
}

async fn shop(app: &TestApp) -> Bot {
    let bot = app.bot("Shop").await;
    let pair = json!({"type": "qna", "question": "Do you ship abroad?", "answer": "To Europe."});
    bot.add(pair).await;
    app.work().await;
    bot
}

async fn the_overview_counts_what_visitors_asked(stage: Stage) {
    let app = stage.app().await;
    let bot = shop(&app).await;
    let answered = ask(&bot, "web", "Do you ship abroad?").await;
    assert_eq!(answered["message"]["metadata"]["outcome"], "answered");
    let unanswered = ask(&bot, "web", "What is the capital of Mars?").await;
    assert_eq!(unanswered["message"]["metadata"]["outcome"], "unanswered");
    ask(&bot, "playground", "What is the capital of Venus?").await;
    app.clock.advance(Duration::from_secs(24 * 60 * 60));
    ask(&bot, "web", "what is the capital of MARS?").await;

    let overview = app.client.get("/overview?days=3").await.expect(200);
    assert_eq!(
        keys_of(&overview),
        sorted("days totals by_chatbot unanswered")
    );
    let days = list(&overview["days"]);
    let dates: Vec<&str> = days.iter().map(|day| text(&day["date"])).collect();
    assert_eq!(dates, ["2025-01-21", "2025-01-22", "2025-01-23"]);
    let keys = sorted("date questions answered unanswered failed median_ms");
    assert_eq!(keys_of(&days[0]), keys);
    assert_eq!(
        (&days[0]["questions"], &days[0]["median_ms"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(
        (&days[1]["answered"], &days[1]["unanswered"]),
        (&json!(1), &json!(1))
    );
    assert!(days[1]["median_ms"].as_f64() > Some(0.0), "{overview}");
    let totals = &overview["totals"];
    assert_eq!(
        (&totals["questions"], &totals["unanswered"]),
        (&json!(3), &json!(2))
    );
    let share = totals["answered_share"].as_f64().expect("a share");
    assert!((share - 1.0 / 3.0).abs() < 1e-9, "{totals}");
    let by_chatbot = list(&overview["by_chatbot"]);
    assert_eq!(
        (by_chatbot.len(), &by_chatbot[0]["name"]),
        (1, &json!("Shop"))
    );
    let vain = list(&overview["unanswered"]);
    assert_eq!(vain.len(), 1, "the playground's does not count");
    assert_eq!(vain[0]["question"], "what is the capital of MARS?");
    assert_eq!(
        (&vain[0]["count"], &vain[0]["chatbot_id"]),
        (&json!(2), &json!(bot.id))
    );
    let thread = bot.messages(&vain[0]["session_id"]).await;
    assert_eq!(thread[0]["id"], vain[0]["message_id"]);

    // 04:30 UTC is still the day before in New York.
    let west = app
        .client
        .get("/overview?days=1&timezone_offset_minutes=-300")
        .await;
    let west = west.expect(200);
    assert_eq!(west["days"][0]["date"], "2025-01-22");
    assert_eq!(west["totals"]["questions"], 1);
    let of_bot = app
        .client
        .get(&format!("/overview?chatbot={}", bot.id))
        .await;
    assert_eq!(of_bot.expect(200)["totals"]["questions"], 3);
    let strangers = app.stranger.get("/overview").await.expect(200);
    assert_eq!(strangers["totals"]["answered_share"], Value::Null);
    assert_eq!(list(&strangers["days"]).len(), 30);
}

async fn an_overview_of_nonsense_is_refused(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    for (query, field) in [
        ("days=0", "days"),
        ("days=367", "days"),
        ("days=many", "days"),
        ("timezone_offset_minutes=841", "timezone_offset_minutes"),
    ] {
        let answer = app.client.get(&format!("/overview?{query}")).await;
        answer.refused(400, "invalid_request", field);
    }
    let foreign = format!("/overview?chatbot={}", bot.id);
    app.stranger
        .get(&foreign)
        .await
        .refused(404, "not_found", "");
    app.nobody()
        .get("/overview")
        .await
        .refused(401, "unauthorized", "");
}

/// An application that may reach this provider, and its chatbot.
async fn beside(provider: &MockProvider, stage: Stage) -> (TestApp, Bot) {
    let url = provider.base_url();
    let host = url.trim_start_matches("http://").split('/').next();
    let allow = host.expect("an address").to_owned();
    let app = stage.app_with(&[("OKRA_PROVIDER_ALLOW", &allow)]).await;
    let bot = shop(&app).await;
    (app, bot)
}

async fn an_organizations_provider_answers_for_its_chatbots(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, bot) = beside(&provider, stage).await;
    let none = app.client.get("/provider").await.expect(200)["provider"].clone();
    assert_eq!(
        none,
        json!({"base_url": null, "api_key": null, "source": "none"})
    );

    let body = json!({"base_url": provider.base_url(), "api_key": "sk-1234567890abcdef"});
    let put = async |body: &Value| app.client.json("PUT", "/provider", body.to_string()).await;
    let set = put(&body).await.expect(200)["provider"].clone();
    let expected = json!({"base_url": provider.base_url(), "api_key": "sk-…cdef",
                          "source": "organization"});
    assert_eq!(set, expected);
    assert_eq!(
        app.client.get("/provider").await.expect(200)["provider"],
        expected
    );
    let models = app.client.get("/provider/models").await.expect(200);
    assert_eq!(models, json!({"data": ["mock-chat", "mock-embedding"]}));

    let sent_key = || {
        let sent = provider.requests();
        let last = sent.last().expect("a request");
        last.headers["authorization"]
            .to_str()
            .expect("plain text")
            .to_owned()
    };
    let reply = ask(&bot, "web", "Do you ship abroad?").await;
    assert_eq!(reply["message"]["metadata"]["answered_by"], "model");
    assert_eq!(reply["message"]["provider"], "127.0.0.1");
    assert_eq!(sent_key(), "Bearer sk-1234567890abcdef");
    // A chatbot's own key takes the place of the organization's.
    let own = json!({"openai_api_key": "sk-of-the-chatbot"});
    bot.client.patch(&bot.path(""), own).await.expect(200);
    ask(&bot, "web", "Do you ship abroad?").await;
    assert_eq!(sent_key(), "Bearer sk-of-the-chatbot");

    // Sent back as it was shown, the key stays; to another address it does not go.
    assert_eq!(put(&set).await.expect(200)["provider"], expected);
    let elsewhere = json!({"base_url": "https://models.example.com/v1", "api_key": "sk-…cdef"});
    put(&elsewhere)
        .await
        .refused(400, "invalid_request", "api_key");
    for odd in [
        "models",
        "ftp://x.example.com",
        "https://kim:secret@x.example.com",
    ] {
        let answer = put(&json!({"base_url": odd, "api_key": null})).await;
        answer.refused(400, "invalid_request", "base_url");
    }
    // It is nobody else's.
    let theirs = app.stranger.get("/provider").await.expect(200);
    assert_eq!(theirs["provider"]["source"], "none");
    assert_eq!(app.client.delete("/provider").await.status, 204);
    let gone = app.client.get("/provider").await.expect(200);
    assert_eq!(gone["provider"]["source"], "none");
}

async fn a_provider_is_tried_before_it_is_kept(stage: Stage) {
    let provider = MockProvider::start().await;
    let (app, _) = beside(&provider, stage).await;
    let body = json!({"base_url": provider.base_url(), "api_key": "sk-1234567890abcdef"});
    let tried = app.client.post("/provider/test", body).await.expect(200);
    assert_eq!(tried["ok"], true, "{tried}");
    assert_eq!(tried["models"], json!(["mock-chat", "mock-embedding"]));
    assert!(tried["milliseconds"].as_f64() > Some(0.0));
    assert_eq!(
        app.client.get("/provider").await.expect(200)["provider"]["source"],
        "none"
    );

    let wrong = format!("{}/nowhere", provider.base_url());
    let failed = app
        .client
        .post("/provider/test", json!({"base_url": wrong}))
        .await
        .expect(200);
    assert_eq!(
        (&failed["ok"], &failed["models"]),
        (&json!(false), &json!([]))
    );
    assert!(text(&failed["message"]).len() > 10, "{failed}");
    let odd = app
        .client
        .post("/provider/test", json!({"base_url": "models"}))
        .await;
    odd.refused(400, "invalid_request", "base_url");
}

async fn providers_inside_private_networks_are_refused(stage: Stage) {
    let app = stage.app().await;
    for inside in [
        "http://10.0.0.7/v1",
        "http://127.0.0.1:8080/v1",
        "http://[::1]/v1",
        "http://169.254.169.254/latest",
    ] {
        let body = json!({"base_url": inside});
        let answer = app.client.json("PUT", "/provider", body.to_string()).await;
        answer.refused(400, "invalid_request", "base_url");
        assert!(
            text(&answer.json()["error"]).contains("OKRA_PROVIDER_ALLOW"),
            "{answer:?}"
        );
        let tried = app.client.post("/provider/test", body).await.expect(200);
        assert_eq!(tried["ok"], false);
        assert!(
            text(&tried["message"]).contains("OKRA_PROVIDER_ALLOW"),
            "{tried}"
        );
    }
    // A name is known by what it resolves to.
    let tried = app.client.post(
        "/provider/test",
        json!({"base_url": "http://localhost:8080"}),
    );
    let tried = tried.await.expect(200);
    assert!(
        text(&tried["message"]).contains("OKRA_PROVIDER_ALLOW"),
        "{tried}"
    );
    // Ollama's own port on this machine is open; whether it listens is another matter.
    for ollama in ["http://localhost:11434/v1", "http://127.0.0.1:11434/v1"] {
        let body = json!({"base_url": ollama}).to_string();
        app.client.json("PUT", "/provider", body).await.expect(200);
    }
}

async fn the_servers_provider_is_told_of_and_not_its_key(stage: Stage) {
    let provider = MockProvider::start().await;
    let url = provider.base_url();
    let settings = [
        ("OPENAI_BASE_URL", url.as_str()),
        ("OPENAI_API_KEY", "sk-server-server"),
    ];
    let app = stage.app_with(&settings).await;
    let shown = app.client.get("/provider").await.expect(200)["provider"].clone();
    assert_eq!(
        shown,
        json!({"base_url": url, "api_key": "…", "source": "server"})
    );
    let tried = app
        .client
        .post("/provider/test", json!({}))
        .await
        .expect(200);
    assert_eq!(tried["ok"], true, "{tried}");
    app.nobody()
        .get("/provider")
        .await
        .refused(401, "unauthorized", "");
}

async fn without_any_provider_the_calls_say_so(stage: Stage) {
    let app = stage.app().await;
    app.client
        .get("/provider/models")
        .await
        .refused(503, "no_provider", "");
    let tried = app.client.post("/provider/test", json!({})).await;
    tried.refused(503, "no_provider", "");
}

async fn usage_and_health_are_told(stage: Stage) {
    let app = stage.app().await;
    let bot = shop(&app).await;
    ask(&bot, "web", "Do you ship abroad?").await;
    let usage = app.client.get("/usage").await.expect(200);
    assert_eq!(
        (&usage["chatbots"], &usage["items"], &usage["chunks"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        usage["storage_bytes"],
        json!("Do you ship abroad?".len() + "To Europe.".len())
    );
    assert_eq!(
        (&usage["messages"], &usage["tokens"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(usage["by_chatbot"][0]["name"], "Shop");
    let health = &usage["health"];
    let keys = sorted("version database storage jobs_open index_bytes uptime_seconds");
    assert_eq!(keys_of(health), keys);
    assert_eq!(
        (&health["storage"], &health["jobs_open"]),
        (&json!("folder"), &json!(0))
    );
    assert!(
        health["index_bytes"].as_u64() > Some(0),
        "the question built an index"
    );
    assert!(["sqlite", "postgres"].contains(&text(&health["database"])));
    let theirs = app.stranger.get("/usage").await.expect(200);
    assert_eq!(
        (&theirs["chatbots"], &theirs["by_chatbot"]),
        (&json!(0), &json!([]))
    );
}
