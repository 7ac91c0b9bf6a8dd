//! Looking for conversations, and taking them away as files.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Bot, Stage, TestApp, list, text};

stories! {
    filters_find_the_conversations_they_name,
    a_filter_that_makes_no_sense_is_named,
    an_export_holds_every_message,
    an_export_for_spreadsheets_starts_no_formula,
    an_export_longer_than_a_page_is_whole,
    nobody_exports_anothers_conversations,
}

async fn say(bot: &Bot, platform: &str, visitor: &str, content: &str) -> Value {
    let body = json!({"messages": [{"role": "user", "content": content}],
                      "platform": platform, "sessionToken": visitor});
    bot.chat(body).await.expect(200)["session_id"].clone()
}

async fn shop(app: &TestApp) -> Bot {
    let bot = app.bot("Shop").await;
    let pair = json!({"type": "qna", "question": "Do you ship?", "answer": "To Europe."});
    bot.add(pair).await;
    app.work().await;
    bot
}

async fn filters_find_the_conversations_they_name(stage: Stage) {
    let app = stage.app().await;
    let bot = shop(&app).await;
    say(&bot, "web", "kim", "Do you ship?").await;
    app.clock.advance(Duration::from_secs(24 * 60 * 60));
    say(&bot, "kakao", "v2", "배송 되나요?").await;
    let found = async |query: &str| -> Vec<Value> {
        let path = bot.path(&format!("/conversations?{query}"));
        let page = bot.client.get(&path).await.expect(200);
        let sessions = list(&page["data"]);
        assert_eq!(page["pagination"]["total"], json!(sessions.len()));
        sessions
            .iter()
            .map(|it| it["sns_user_id"].clone())
            .collect()
    };
    // Stories begin on 2025-01-22.
    assert_eq!(found("").await, ["v2", "kim"]);
    assert_eq!(found("platform=web").await, ["kim"]);
    assert_eq!(found("platform=sms").await, Vec::<Value>::new());
    assert_eq!(found("state=in_progress").await, ["v2", "kim"]);
    assert_eq!(found("state=resolved").await, Vec::<Value>::new());
    assert_eq!(found("from=2025-01-23").await, ["v2"]);
    assert_eq!(found("to=2025-01-22").await, ["kim"]);
    assert_eq!(found("from=2025-01-22&to=2025-01-23").await, ["v2", "kim"]);
    assert_eq!(found("to=2025-01-23T00:00:00Z").await, ["kim"]);
    assert_eq!(
        found("search=EUROPE").await,
        ["kim"],
        "the answer's words count too"
    );
    assert_eq!(found("search=%EB%B0%B0%EC%86%A1").await, ["v2"]);
    assert_eq!(
        found("search=KIM&platform=kakao").await,
        Vec::<Value>::new()
    );
}

async fn a_filter_that_makes_no_sense_is_named(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let long = format!("search={}", "x".repeat(201));
    for (query, field) in [
        ("platform=No%20Such", "platform"),
        ("state=open", "state"),
        ("from=yesterday", "from"),
        ("to=2025-02-30", "to"),
        (long.as_str(), "search"),
    ] {
        for path in ["/conversations", "/conversations/export"] {
            let path = bot.path(&format!("{path}?{query}"));
            let answer = bot.client.get(&path).await;
            answer.refused(400, "invalid_request", field);
        }
    }
    let path = bot.path("/conversations/export?format=xlsx");
    bot.client
        .get(&path)
        .await
        .refused(400, "invalid_request", "format");
}

async fn an_export_holds_every_message(stage: Stage) {
    let app = stage.app().await;
    let bot = shop(&app).await;
    let empty = bot.client.get(&bot.path("/conversations/export")).await;
    assert_eq!(empty.expect(200), json!({"data": []}));

    let first = say(&bot, "web", "v1", "Do you ship?").await;
    say(&bot, "web", "v2", "Hello \"you\"").await;
    say(&bot, "web", "v1", "To Korea?").await;
    let export = bot
        .client
        .get(&bot.path("/conversations/export?format=json"))
        .await;
    assert_eq!(export.header("content-type"), "application/json");
    let saved = export.header("content-disposition");
    assert!(saved.starts_with("attachment; filename=\"shop-conversations-2025-01-22.json\""));
    let conversations = export.expect(200)["data"].clone();
    let conversations = list(&conversations);
    assert_eq!(conversations.len(), 2);
    let messages = bot.messages(&first).await;
    assert_eq!(conversations[0]["session"]["id"], first);
    assert_eq!(conversations[0]["messages"], json!(messages));
    assert_eq!(messages.len(), 4);
    assert_eq!(conversations[1]["messages"][0]["content"], "Hello \"you\"");

    let path = bot.path("/conversations/export?search=korea");
    let narrowed = bot.client.get(&path).await.expect(200);
    assert_eq!(list(&narrowed["data"]).len(), 1);
}

async fn an_export_for_spreadsheets_starts_no_formula(stage: Stage) {
    let app = stage.app().await;
    let bot = shop(&app).await;
    for (n, said) in [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "a, \"b\"\nc",
        "배송",
    ]
    .iter()
    .enumerate()
    {
        say(&bot, "web", &format!("={n}"), said).await;
    }
    let export = bot
        .client
        .get(&bot.path("/conversations/export?format=csv"))
        .await;
    assert_eq!(export.status, 200);
    assert_eq!(export.header("content-type"), "text/csv; charset=utf-8");
    assert!(export.header("content-disposition").contains(".csv"));
    let file = std::str::from_utf8(&export.body).expect("UTF-8");
    let file = file
        .strip_prefix('\u{feff}')
        .expect("Excel is told that it is UTF-8");
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let columns = reader.headers().expect("a first line").clone();
    let column = |name: &str| {
        let found = columns.iter().position(|column| column == name);
        found.unwrap_or_else(|| panic!("{name} in {columns:?}"))
    };
    let (sender, content, visitor) = (column("sender"), column("content"), column("visitor"));
    let lines: Vec<csv::StringRecord> = reader
        .records()
        .map(|line| line.expect("a proper line"))
        .collect();
    assert_eq!(lines.len(), 14);
    let said: Vec<&str> = lines
        .iter()
        .filter(|line| &line[sender] == "user")
        .map(|line| &line[content])
        .collect();
    let expected = [
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\t=1",
        "a, \"b\"\nc",
        "배송",
    ];
    assert_eq!(said, expected);
    assert_eq!(&lines[0][visitor], "'=0");
    for cell in lines.iter().flatten() {
        assert!(
            !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
            "{cell:?}"
        );
    }
}

async fn an_export_longer_than_a_page_is_whole(stage: Stage) {
    let app = stage.app().await;
    let bot = shop(&app).await;
    // More sessions than are read at once, and one with more messages than are.
    for n in 0..120 {
        say(&bot, "web", &format!("v{n}"), &"words ".repeat(60)).await;
    }
    for n in 0..260 {
        say(&bot, "web", "v3", &format!("message {n}")).await;
    }
    let export = bot
        .client
        .get(&bot.path("/conversations/export"))
        .await
        .expect(200);
    let conversations = list(&export["data"]);
    assert_eq!(conversations.len(), 120);
    let mut ids = std::collections::HashSet::new();
    for conversation in conversations {
        for message in list(&conversation["messages"]) {
            assert_eq!(message["session_id"], conversation["session"]["id"]);
            assert!(
                ids.insert(text(&message["id"]).to_owned()),
                "{message} twice"
            );
        }
    }
    assert_eq!(ids.len(), 2 * (120 + 260));
    assert_eq!(list(&conversations[3]["messages"]).len(), 2 * 261);
}

async fn nobody_exports_anothers_conversations(stage: Stage) {
    let app = stage.app().await;
    let bot = shop(&app).await;
    say(&bot, "web", "v1", "Do you ship?").await;
    let path = bot.path("/conversations/export");
    app.stranger.get(&path).await.refused(404, "not_found", "");
    app.nobody()
        .get(&path)
        .await
        .refused(401, "unauthorized", "");
    let other = app.bot("Other").await;
    let export = other.client.get(&other.path("/conversations/export")).await;
    assert_eq!(export.expect(200), json!({"data": []}));
}
