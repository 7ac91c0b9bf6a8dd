//! How an organization stands: its overview, and what it uses.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Bot, Stage, TestApp, keys_of, list, said, sorted, text};

stories! {
    the_overview_counts_what_visitors_asked,
    an_overview_of_nonsense_is_refused,
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
        sorted("days totals by_chatbot unanswered conversations ratings feedback")
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
    let share = totals["unanswered_share"].as_f64().expect("a share");
    assert!((share - 2.0 / 3.0).abs() < 1e-9, "{totals}");
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
    assert_eq!(strangers["conversations"]["begun"], 0);
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
