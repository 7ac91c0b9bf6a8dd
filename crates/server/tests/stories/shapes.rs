//! The shape of every object and list, key by key, as clients of the contract read them.

use serde_json::{Value, json};

use crate::support::{Bot, File, Form, Stage, TestApp, keys_of, list, said, sorted, text};

stories! {
    chatbots_have_their_documented_keys,
    knowledge_items_have_their_documented_keys,
    query_results_have_their_documented_keys,
    chats_sessions_and_messages_have_their_documented_keys,
    voice_and_widget_configurations_have_their_documented_keys,
    lists_are_paged,
}

const LIST_FORM: &str = "active created_at description enabled_plugins id is_public name \
    organization_id personality_config settings slug suggestions updated_at version_id \
    voice_widget_config";
const FULL_FORM_ONLY: &str = "docs_metadata managers migrated_data openai_api_key v1_chatbot_id";
const SETTINGS: &str = "greeting isEmailFollowUpEnabled isHumanHandoverEnabled isRatingEnabled \
    isRequestUserInfoEnabled isToolEnabled model prompt snippet";
const SNIPPET: &str = "header language logo name primaryColor secondaryColor slogan";
const ITEM: &str = "id chatbot_id type title status error enabled source source_id size_bytes chunks \
    characters created_at updated_at synced_at";
const SESSION: &str = "active agents_read_at assignee_id chatbot_id created_at id is_human_mode last_message metadata \
    migrated_data platform session_token sns_user_id state updated_at user_id visitor_read_at voice_path";
const MESSAGE: &str = "attachments content created_at id metadata migrated_data model provider \
    sender_type session_id session_token tokens_used tool_calls tool_results";

#[track_caller]
fn check_keys(value: &Value, expected: &str) {
    assert_eq!(keys_of(value), sorted(expected), "{value}");
}

#[track_caller]
fn check_nulls(value: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        assert!(value[field].is_null(), "{field} of {value}");
    }
}

/// RFC 3339 with microseconds and a numeric offset.
#[track_caller]
fn check_time(value: &Value) {
    let time = text(value);
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000+00:00");
    assert!(time.ends_with("+00:00"), "{time}");
}

#[track_caller]
fn check_id(value: &Value) {
    let id = text(value);
    let parsed: uuid::Uuid = id.parse().expect("a UUID");
    assert_eq!(parsed.to_string(), id);
}

#[track_caller]
fn check_full_form(chatbot: &Value) {
    check_keys(chatbot, &format!("{LIST_FORM} {FULL_FORM_ONLY}"));
    check_nulls(
        chatbot,
        "docs_metadata enabled_plugins managers v1_chatbot_id version_id",
    );
    assert_eq!(chatbot["migrated_data"], false);
    check_id(&chatbot["id"]);
    check_id(&chatbot["organization_id"]);
    check_time(&chatbot["created_at"]);
    check_time(&chatbot["updated_at"]);
}

async fn chatbots_have_their_documented_keys(stage: Stage) {
    let app = stage.app().await;
    let made = app
        .client
        .post("/chatbots", json!({"name": "API Docs Demo Chatbot"}));
    let made = made.await.expect(200);
    check_keys(&made, "chatbot");
    let chatbot = &made["chatbot"];
    check_full_form(chatbot);
    check_nulls(
        chatbot,
        "description openai_api_key suggestions voice_widget_config",
    );
    check_keys(&chatbot["settings"], SETTINGS);
    check_keys(&chatbot["settings"]["snippet"], SNIPPET);
    assert_eq!(chatbot["slug"], "api-docs-demo-chatbot");
    assert_eq!(chatbot["active"], true);
    assert_eq!(chatbot["created_at"], chatbot["updated_at"]);
    assert!(text(&chatbot["created_at"]).starts_with("2025-01-22T04:30:45.79"));

    let path = format!("/chatbot/{}", text(&chatbot["id"]));
    let shown = app.client.get(&path).await.expect(200);
    assert_eq!(shown, made);
    let changed = app
        .client
        .patch(&path, json!({"description": "Help"}))
        .await;
    let changed = changed.expect(200);
    check_keys(&changed, "chatbot");
    check_full_form(&changed["chatbot"]);
    assert_ne!(changed["chatbot"]["updated_at"], chatbot["updated_at"]);
    assert_eq!(changed["chatbot"]["created_at"], chatbot["created_at"]);

    let all = app.client.get("/chatbots").await.expect(200);
    check_keys(&all, "chatbots pagination");
    check_keys(&all["chatbots"][0], LIST_FORM);
    let picture = image::RgbImage::from_pixel(8, 8, image::Rgb([200, 10, 10]));
    let mut png = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("a picture");
    let form = Form::new().file("avatar", File::new("a.png", png.into_inner()));
    let pictured = app
        .client
        .form("PATCH", &format!("{path}/update-avatar"), form)
        .await;
    let pictured = pictured.expect(200);
    check_keys(&pictured, "chatbot message");
    assert_eq!(pictured["message"], "Avatar updated successfully");
    check_full_form(&pictured["chatbot"]);
    check_keys(
        &pictured["chatbot"]["settings"],
        &format!("{SETTINGS} avatar"),
    );
    let all = app.client.get("/chatbots").await.expect(200);
    let avatar = text(&all["chatbots"][0]["settings"]["avatar"]).to_owned();
    let start = format!("https://chat.example.com/files{path}/");
    assert!(avatar.starts_with(&start), "{avatar}");

    let deleted = app.client.delete(&path).await.expect(200);
    assert_eq!(deleted, json!({"message": "Chatbot deleted successfully"}));
}

async fn knowledge_items_have_their_documented_keys(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let path = bot.path("/knowledge-base");
    let items = json!({"items": [
        {"type": "text", "title": "Hours", "content": "We open at nine."},
        {"type": "qna", "question": "Do you ship abroad?", "answer": "Yes."},
        {"type": "url", "url": "http://127.0.0.1:9/"},
    ]});
    let added = bot.client.post(&path, items).await.expect(202);
    check_keys(&added, "message data");
    let uploaded = bot
        .upload(vec![File::new("notes.md", "# Notes\n\nTea is hot.")])
        .await;
    let uploaded = uploaded.expect(202);
    check_keys(&uploaded, "message data");
    let kinds = [
        ("text", "content"),
        ("qna", "question answer"),
        ("url", "url"),
    ];
    for (item, (kind, source)) in list(&added["data"]).iter().zip(kinds) {
        check_keys(item, ITEM);
        assert_eq!(item["type"], kind);
        check_keys(&item["source"], source);
        assert_eq!(item["status"], "pending");
        check_nulls(item, "error source_id synced_at");
    }
    let file = &uploaded["data"][0];
    check_keys(file, ITEM);
    check_keys(&file["source"], "file_name media_type sha256");
    assert_eq!(
        (&file["type"], &file["title"]),
        (&json!("file"), &json!("notes.md"))
    );

    app.work().await;
    let listed = bot.client.get(&path).await.expect(200);
    check_keys(&listed, "data pagination");
    let newest = &listed["data"][0];
    assert_eq!(newest["id"], file["id"], "the newest is first");
    assert_eq!(newest["status"], "ready");
    for field in ["created_at", "updated_at", "synced_at"] {
        check_time(&newest[field]);
    }
    for field in ["size_bytes", "chunks", "characters"] {
        assert!(newest[field].as_u64().expect("a number") > 0, "{newest}");
    }

    let change = json!({"id": file["id"], "title": "Tea"});
    let changed = bot.client.patch(&path, change).await.expect(200);
    check_keys(&changed, "message data");
    check_keys(&changed["data"], ITEM);
    let one = format!("{path}?id={}", text(&file["id"]));
    let deleted = bot.client.delete(&one).await.expect(200);
    check_keys(&deleted, "message data");
    check_keys(&deleted["data"], ITEM);
    assert_eq!(deleted["data"]["id"], file["id"]);
}

async fn query_results_have_their_documented_keys(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    bot.add(json!({"type": "text", "title": "Hours", "content": "We open at nine."}))
        .await;
    bot.add(json!({"type": "qna", "question": "Do you ship abroad?", "answer": "Yes, gladly."}))
        .await;
    app.work().await;
    let body = json!({"query": "When do you open?"});
    let found = bot
        .client
        .post(&bot.path("/query-knowledge"), body)
        .await
        .expect(200);
    check_keys(&found, "results");
    let best = &found["results"][0];
    // `page` is ours: the page of a PDF, so that a source can be looked up.
    check_keys(best, "content similarity knowledge_id title url chunk page");
    assert_eq!(
        best["content"],
        "Title: Hours\nChunk: 1\n\nContent:\nWe open at nine."
    );
    assert_eq!(
        (&best["title"], &best["chunk"]),
        (&json!("Hours"), &json!(1))
    );
    check_nulls(best, "url page");

    let pair = &bot.query("Is shipping abroad possible?").await[0];
    let block = "Title: Do you ship abroad?\nChunk: 1\n\nQuestion: Do you ship abroad?\n\n\
                 Answer: Yes, gladly.";
    assert_eq!(pair["content"], block);
    let results = bot.query("Do you ship abroad, and when do you open?").await;
    let scores: Vec<f64> = results
        .iter()
        .map(|result| result["similarity"].as_f64().expect("a number"))
        .collect();
    assert!(
        scores.len() == 2 && scores.is_sorted_by(|a, b| a >= b),
        "{scores:?}"
    );
    assert!(
        scores.iter().all(|score| (0.0..=1.0).contains(score)),
        "{scores:?}"
    );
}

async fn chats_sessions_and_messages_have_their_documented_keys(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    bot.add(json!({"type": "qna", "question": "Do you ship abroad?", "answer": "Yes, gladly."}))
        .await;
    app.work().await;
    let body = json!({
        "messages": [{"role": "user", "content": "Do you ship abroad?",
                      "attachments": [{"name": "a.png", "url": "https://example.com/a.png"}]}],
        "platform": "web", "sessionToken": "sessionToken789",
    });
    let reply = bot.chat(body).await.expect(200);
    check_keys(&reply, "session_id message is_human_mode sources");
    check_keys(
        &reply["sources"][0],
        "knowledge_id title url chunk content similarity page excerpt",
    );
    check_keys(&reply["message"], MESSAGE);
    let messages = bot.messages(&reply["session_id"]).await;
    assert_eq!(messages.len(), 2, "oldest first, one each: {messages:?}");
    for (message, sender) in messages.iter().zip(["user", "bot"]) {
        check_keys(message, MESSAGE);
        check_nulls(
            message,
            "session_token tool_calls tool_results model provider",
        );
        check_id(&message["id"]);
        check_time(&message["created_at"]);
        assert_eq!(message["sender_type"], sender);
        assert_eq!(message["session_id"], reply["session_id"]);
        assert_eq!(
            (&message["tokens_used"], &message["migrated_data"]),
            (&json!(0), &json!(false))
        );
    }
    let attachment = json!([{"name": "a.png", "url": "https://example.com/a.png"}]);
    assert_eq!(messages[0]["attachments"], attachment);
    assert_eq!(messages[0]["metadata"], json!({}));
    check_nulls(&messages[1], "attachments");

    let path = bot.path(&format!("/conversations/{}", text(&reply["session_id"])));
    let one = bot.client.get(&path).await.expect(200);
    check_keys(&one, "session");
    let session = &one["session"];
    check_keys(session, SESSION);
    check_nulls(session, "assignee_id session_token user_id voice_path");
    assert_eq!(session["last_message"], "Yes, gladly.");
    assert_eq!(session["metadata"], json!({"anonymous": true}));
    assert_eq!(session["state"], "in_progress");
    assert_eq!(session["sns_user_id"], "sessionToken789");
    assert_eq!(
        (&session["platform"], &session["active"]),
        (&json!("web"), &json!(true))
    );
    assert_eq!(session["is_human_mode"], false);
    check_time(&session["created_at"]);
    check_time(&session["updated_at"]);

    let all = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    check_keys(&all, "data pagination");
    check_keys(&all["data"][0], SESSION);
    let last = &all["data"][0]["last_message"];
    let expected =
        json!({"content": "Yes, gladly.", "id": messages[1]["id"], "sender_type": "bot"});
    assert_eq!(*last, expected);
}

async fn voice_and_widget_configurations_have_their_documented_keys(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let voice = json!({
        "agentId": "somebody else's", "voice": "alloy",
        "appearance": {"buttonRadius": 8}, "vad": {"threshold": 0.5},
    });
    let voice = bot
        .client
        .patch(&bot.path("/voice-agent"), voice)
        .await
        .expect(200);
    check_keys(&voice, "message voice_widget_config");
    assert_eq!(voice["message"], "Voice widget config updated successfully");
    let config = &voice["voice_widget_config"];
    check_keys(config, "agentId appearance avatar model text vad voice");
    check_keys(
        &config["appearance"],
        "backgroundColor borderColor buttonColor buttonRadius buttonTextColor cardRadius \
         focusOutlineColor textColor",
    );
    check_keys(&config["avatar"], "imageUrl");
    check_keys(&config["model"], "max_output_tokens temperature");
    check_keys(
        &config["text"],
        "callToAction endCall listeningStatus speakingStatus startCall",
    );
    check_keys(
        &config["vad"],
        "prefix_padding_ms silence_duration_ms threshold",
    );
    assert_eq!(config["agentId"], json!(bot.id));
    assert_eq!(config["appearance"]["buttonRadius"], 8);
    assert_eq!(config["appearance"]["cardRadius"], 20);
    assert_eq!(config["vad"]["prefix_padding_ms"], 500);
    assert_eq!(bot.show().await["voice_widget_config"], *config);

    let widget = json!({"header": "Customer Support", "primaryColor": "#123456"});
    let widget = bot
        .client
        .patch(&bot.path("/chat-widget"), widget)
        .await
        .expect(200);
    check_keys(&widget, "chat_widget_config message");
    assert_eq!(widget["message"], "Chat widget config updated successfully");
    check_keys(&widget["chat_widget_config"], SNIPPET);
    assert_eq!(widget["chat_widget_config"]["language"], "auto");
    let again = bot
        .client
        .patch(&bot.path("/chat-widget"), json!({"slogan": "Hi"}))
        .await;
    let again = again.expect(200);
    assert_eq!(again["chat_widget_config"]["header"], "Customer Support");
    assert_eq!(
        bot.show().await["settings"]["snippet"],
        again["chat_widget_config"]
    );
}

async fn lists_are_paged(stage: Stage) {
    let app = stage.app().await;
    let bots: Vec<Bot> = many(&app).await;
    let bot = &bots[0];
    let items: Vec<Value> = (0..53)
        .map(|n| json!({"type": "text", "title": format!("T{n:02}"), "content": "Tea."}))
        .collect();
    let base = bot.path("/knowledge-base");
    bot.client
        .post(&base, json!({"items": items}))
        .await
        .expect(202);
    let mut session = Value::Null;
    for n in 0..26 {
        let mut body = said(&format!("Question {n}"));
        body["sessionToken"] = json!("one");
        session = bot.chat(body).await.expect(200)["session_id"].clone();
        bot.chat(said(&format!("Alone {n}"))).await.expect(200);
    }
    let messages = bot.path(&format!("/conversations/{}/messages", text(&session)));
    let list = |path: &str, key, total, field, edges| List {
        path: path.to_owned(),
        key,
        total,
        field,
        edges,
    };
    let bots = ["Bot 00", "Bot 49", "Bot 50", "Bot 51"];
    let said = ["Question 0", "", "Question 25", ""];
    for list in [
        list("/chatbots", "chatbots", 52, "name", bots),
        list(&base, "data", 53, "title", ["T52", "T03", "T02", "T00"]),
        list(&messages, "data", 52, "content", said),
    ] {
        check_pages(&app, &list).await;
        check_bad_pages(&app, &list.path).await;
    }
    let sessions = bot
        .client
        .get(&bot.path("/conversations?limit=2"))
        .await
        .expect(200);
    assert_eq!(sessions["pagination"]["total"], 27);
    assert_eq!(
        sessions["data"][1]["id"], session,
        "the one last spoken in is first"
    );
}

/// A list with more entries than a page of the default size.
struct List {
    path: String,
    key: &'static str,
    total: usize,
    field: &'static str,
    /// What the first and last entries of two pages hold in that field; empty for anything.
    edges: [&'static str; 4],
}

async fn check_pages(app: &TestApp, list: &List) {
    let page = async |query: &str| {
        let answer = app.client.get(&format!("{}{query}", list.path)).await;
        answer.expect(200)
    };
    let entries = |page: &Value| page[list.key].as_array().expect("a list").clone();
    let is = |entry: &Value, edge: usize| {
        let expected = list.edges[edge];
        let right = expected.is_empty() || entry[list.field] == expected;
        assert!(right, "{expected}: {entry}");
    };
    let default = page("").await;
    let pagination = json!({"page": 1, "limit": 50, "total": list.total});
    assert_eq!(default["pagination"], pagination);
    let (first, second) = (entries(&default), entries(&page("?page=2").await));
    assert_eq!((first.len(), second.len()), (50, list.total - 50));
    is(&first[0], 0);
    is(&first[49], 1);
    is(&second[0], 2);
    is(&second[list.total - 51], 3);
    let whole = entries(&page("?limit=200").await);
    assert_eq!(whole, [first, second].concat());
    let beyond = page("?page=4000000000&limit=200").await;
    assert!(entries(&beyond).is_empty());
    assert_eq!(beyond["pagination"]["total"], list.total);
    assert_eq!(entries(&page("?page=3&limit=7").await), whole[14..21]);
}

async fn check_bad_pages(app: &TestApp, path: &str) {
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=", "page"),
        ("page=99999999999", "page"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1.5", "limit"),
        ("limit=NaN", "limit"),
    ] {
        let answer = app.client.get(&format!("{path}?{query}")).await;
        answer.refused(400, "invalid_request", field);
    }
}

async fn many(app: &TestApp) -> Vec<Bot> {
    let mut bots = Vec::new();
    for n in 0..52 {
        bots.push(app.bot(&format!("Bot {n:02}")).await);
    }
    bots
}
