//! A chatbot as a file: it answers alike wherever it is taken in, on either database.

mod refused;
mod sources;
mod zipped;

use image::ImageFormat;
use serde_json::{Value, json};

use crate::support::{
    Answer, Backend, Bot, Client, File, Form, Stage, TestApp, list, picture, text,
};
use zipped::Zipped;

stories! {
    an_archive_without_passages_is_read_anew,
    vectors_of_another_embedder_are_made_anew,
    what_is_not_known_is_left_out_and_told,
    a_chatbot_can_be_taken_in_beside_itself,
}

/// What every chatbot here knows, and what is asked of it.
const QUESTIONS: [&str; 5] = [
    "Where is the rose garden?",
    "Are dogs allowed?",
    "How long is the museum open?",
    "장미 정원은 어디에 있나요?",
    "quantum chromodynamics lattice",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chatbot_moves_from_sqlite_to_postgres() {
    move_between(Backend::Sqlite, Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chatbot_moves_from_postgres_to_sqlite() {
    move_between(Backend::Postgres, Backend::Sqlite).await;
}

/// A chatbot with every kind of knowledge, an avatar, settings and evals.
async fn museum(app: &TestApp) -> Bot {
    let bot = app.bot("Museum").await;
    let settings = json!({
        "description": "Answers guests", "is_public": true, "suggestions": ["Dogs?"],
        "settings": {"prompt": "Be kind.", "greeting": "Welcome!", "snippet": {"primaryColor": "#112233"}},
        "personality_config": {"tone": "Warm", "own": [1, 2]},
    });
    bot.client.patch(&bot.path(""), settings).await.expect(200);
    let voice = json!({"text": {"title": "Call us"}});
    bot.client
        .patch(&bot.path("/voice-agent"), voice)
        .await
        .expect(200);
    let avatar = Form::new().file("avatar", File::new("a.png", picture(ImageFormat::Png)));
    let set = bot
        .client
        .form("PATCH", &bot.path("/update-avatar"), avatar)
        .await;
    set.expect(200);
    bot.upload_one(
        "정원.md",
        "# Garden\n\nThe rose garden is behind the east wing.\n\n장미 정원은 동관 뒤에 있습니다.",
    )
    .await;
    bot.upload_one("broken.pdf", b"%PDF-1.4\nnot a PDF at all".to_vec())
        .await;
    bot.add(json!({"type": "qna", "question": "Are dogs allowed?", "answer": "Only guide dogs."}))
        .await;
    bot.add(json!({"type": "text", "title": "Hours", "content": "The museum is open from nine to five, eight hours."}))
        .await;
    let hidden = bot
        .add(json!({"type": "text", "title": "Secret", "content": "The rose garden is closed to dogs at night."}))
        .await;
    app.work().await;
    let off = json!({"id": hidden["id"], "enabled": false});
    bot.client
        .patch(&bot.path("/knowledge-base"), off)
        .await
        .expect(200);
    let items = bot.items().await;
    let garden = items
        .iter()
        .find(|item| item["title"] == "정원.md")
        .expect("the file");
    let questions = json!([{"question": "Roses?", "item": garden["id"]},
                           {"question": "Dogs?", "answer": "guide dogs"}]);
    let evals = json!({"name": "Guests", "questions": questions});
    bot.client
        .post(&bot.path("/evals"), evals)
        .await
        .expect(201);
    bot
}

/// The bot's archive.
async fn exported_from(bot: &Bot) -> Vec<u8> {
    let answer = bot.client.get(&bot.path("/export")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.to_vec()
}

async fn exported(bot: &Bot, query: &str) -> Vec<u8> {
    let answer = bot.client.get(&bot.path(&format!("/export{query}"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/zip");
    assert!(
        answer
            .header("content-disposition")
            .contains("museum-2025-01-22.zip"),
        "{answer:?}"
    );
    answer.body.to_vec()
}

async fn import(client: &Client, query: &str, archive: Vec<u8>) -> Answer {
    let form = Form::new()
        .field("note", "x")
        .file("archive", File::new("museum.zip", archive));
    client
        .form("POST", &format!("/chatbot/import{query}"), form)
        .await
}

/// The chatbot of an import that was accepted, and its report.
async fn imported(client: &Client, archive: Vec<u8>) -> (Bot, Value) {
    let answer = import(client, "", archive).await.expect(201);
    let bot = Bot {
        client: client.clone(),
        id: text(&answer["chatbot"]["id"]).to_owned(),
    };
    (bot, answer["report"].clone())
}

/// What questions find, without the ids that are each chatbot's own.
async fn found(bot: &Bot) -> Vec<Value> {
    let mut all = Vec::new();
    for question in QUESTIONS {
        for mut result in bot.query(question).await {
            result["knowledge_id"] = json!(null);
            all.push(result);
        }
        let answer = bot.ask(question).await;
        all.push(answer["message"]["content"].clone());
    }
    all
}

/// All items by their titles, without what is each chatbot's own.
async fn items(bot: &Bot) -> Vec<Value> {
    let mut items = bot.items().await;
    for item in &mut items {
        item["id"] = json!(null);
        item["chatbot_id"] = json!(null);
    }
    items.sort_by_key(|item| text(&item["title"]).to_owned());
    items
}

async fn move_between(from: Backend, to: Backend) {
    let (Some(from), Some(to)) = (Stage::on(from).await, Stage::on(to).await) else {
        return;
    };
    let (here, there) = (from.app().await, to.app().await);
    let bot = museum(&here).await;
    let key = json!({"openai_api_key": "sk-abcdefghijklmnop"});
    bot.client.patch(&bot.path(""), key).await.expect(200);
    let archive = exported(&bot, "").await;
    // Asked with it, an answer would be the model's.
    let key = json!({"openai_api_key": null});
    bot.client.patch(&bot.path(""), key).await.expect(200);
    let text_of_it = String::from_utf8_lossy(&Zipped::read(&archive).all()).into_owned();
    for secret in ["sk-abcdefghijklmnop", "is_public", "allowed_origins"] {
        assert!(!text_of_it.contains(secret), "{secret}");
    }

    let (copy, report) = imported(&there.client, archive).await;
    assert_eq!(report["notes"], json!([]));
    let counts = ["items", "files", "to_read", "evals"].map(|name| report[name].as_u64());
    assert_eq!(counts, [Some(5), Some(2), Some(0), Some(1)]);
    assert_eq!(there.engine.store().open_jobs().await.expect("counted"), 0);
    assert_eq!(found(&copy).await, found(&bot).await);
    assert_eq!(items(&copy).await, items(&bot).await);
    same_settings(&bot.show().await, &copy.show().await);
    same_files(&bot, &copy).await;
    let avatar = copy.show().await;
    let served = there.fetch(text(&avatar["settings"]["avatar"])).await;
    assert_eq!(
        (served.status, served.header("content-type")),
        (200, "image/png")
    );
    assert_eq!(avatar["openai_api_key"], Value::Null);
    assert_eq!(avatar["is_public"], false);

    // An eval that names an item by its id names the item's new one.
    let sets = copy.client.get(&copy.path("/evals")).await.expect(200);
    let run = copy.path(&format!("/evals/{}/run", text(&sets["data"][0]["id"])));
    let run = copy.client.post(&run, json!({})).await.expect(200);
    assert_eq!(run["data"]["scores"]["found_at_10"], 1.0, "{run}");

    // What was disabled can be enabled, and answers at once.
    let hidden = copy.items().await;
    let hidden = hidden
        .iter()
        .find(|item| item["title"] == "Secret")
        .expect("it");
    let on = json!({"id": hidden["id"], "enabled": true});
    copy.client
        .patch(&copy.path("/knowledge-base"), on)
        .await
        .expect(200);
    assert!(
        copy.found("Is it closed at night?")
            .await
            .contains("closed to dogs")
    );
}

fn same_settings(one: &Value, other: &Value) {
    for field in [
        "name",
        "slug",
        "description",
        "active",
        "personality_config",
        "suggestions",
    ] {
        assert_eq!(one[field], other[field], "{field}");
    }
    for field in ["prompt", "greeting", "model", "snippet", "isToolEnabled"] {
        assert_eq!(one["settings"][field], other["settings"][field], "{field}");
    }
    let voice = &other["voice_widget_config"];
    assert_eq!(one["voice_widget_config"]["text"], voice["text"]);
    assert_eq!(voice["agentId"], other["id"]);
}

/// The original and the text of every file.
async fn same_files(one: &Bot, other: &Bot) {
    let mut seen = 0;
    for item in one.items().await {
        let others = other.items().await;
        let twin = others
            .iter()
            .find(|twin| twin["title"] == item["title"])
            .expect("a twin");
        for part in ["file", "text"] {
            let path = |item: &Value| format!("/knowledge-base/{}/{part}", text(&item["id"]));
            let first = one.client.get(&one.path(&path(&item))).await;
            let second = other.client.get(&other.path(&path(twin))).await;
            assert_eq!(
                (first.status, &first.body),
                (second.status, &second.body),
                "{item}"
            );
            seen += usize::from(first.status == 200);
        }
    }
    assert!(seen >= 4, "{seen}");
}

async fn an_archive_without_passages_is_read_anew(stage: Stage) {
    let app = stage.app().await;
    let bot = museum(&app).await;
    let archive = exported(&bot, "?chunks=false").await;
    let zipped = Zipped::read(&archive);
    assert!(!zipped.has("texts/") && zipped.has("files/"));
    assert!(!String::from_utf8_lossy(&zipped.all()).contains("\"vector\""));
    let (copy, report) = imported(&app.stranger, archive).await;
    assert_eq!(
        (&report["chunks"], &report["to_read"]),
        (&json!(0), &json!(5))
    );
    let waiting = copy.items().await;
    assert!(
        waiting.iter().all(|item| item["status"] == "pending"),
        "{waiting:?}"
    );
    assert!(copy.query("Are dogs allowed?").await.is_empty());
    app.work().await;
    assert_eq!(found(&copy).await, found(&bot).await);
    let (mut one, mut other) = (items(&bot).await, items(&copy).await);
    for item in one.iter_mut().chain(&mut other) {
        item["updated_at"] = json!(null);
        item["synced_at"] = json!(null);
    }
    assert_eq!(one, other);
}

async fn vectors_of_another_embedder_are_made_anew(stage: Stage) {
    let app = stage.app().await;
    let bot = museum(&app).await;
    let mut zipped = Zipped::read(&exported(&bot, "").await);
    let lines = zipped.text("knowledge.jsonl");
    let space = lines
        .split("\"embedding_space\":\"")
        .nth(1)
        .expect("a space");
    let space = space.split('"').next().expect("its end").to_owned();
    zipped.set("knowledge.jsonl", lines.replace(&space, "another-space"));
    let (copy, report) = imported(&app.client, zipped.sealed()).await;
    assert_eq!(report["to_read"], 4, "all but the one that failed");
    // Found by its words until then.
    let first = copy.query("Where is the rose garden?").await;
    assert!(
        text(&first[0]["content"]).contains("rose garden"),
        "{first:?}"
    );
    assert!(
        copy.items()
            .await
            .iter()
            .all(|item| item["status"] != "pending")
    );
    app.work().await;
    assert_eq!(found(&copy).await, found(&bot).await);
}

async fn what_is_not_known_is_left_out_and_told(stage: Stage) {
    let app = stage.app().await;
    let bot = museum(&app).await;
    let mut zipped = Zipped::read(&exported(&bot, "").await);
    let mut manifest = zipped.manifest();
    manifest["sections"]["themes"] = json!({"path": "themes.jsonl", "entries": 1, "sha256": "00"});
    manifest["later"] = json!({"a": 1});
    zipped.set("manifest.json", manifest.to_string());
    zipped.set("themes.jsonl", "{}\n");
    zipped.set("__MACOSX/junk", "x");
    let lines = zipped
        .text("knowledge.jsonl")
        .replace("\"enabled\":", "\"later\":1,\"enabled\":");
    zipped.set("knowledge.jsonl", lines);
    let (copy, report) = imported(&app.stranger, zipped.sealed()).await;
    let notes = list(&report["notes"]);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        text(&notes[0]).contains("\"themes\" is not known"),
        "{notes:?}"
    );
    assert!(text(&notes[1]).contains("1 files"), "{notes:?}");
    assert_eq!(found(&copy).await, found(&bot).await);
}

async fn a_chatbot_can_be_taken_in_beside_itself(stage: Stage) {
    let app = stage.app().await;
    let bot = museum(&app).await;
    let archive = exported(&bot, "").await;
    let (twin, _) = imported(&app.client, archive.clone()).await;
    let shown = twin.show().await;
    assert_eq!(
        (text(&shown["name"]), text(&shown["slug"])),
        ("Museum", "museum-2")
    );
    let named = import(&app.client, "?name=Night%20museum", archive.clone()).await;
    let named = named.expect(201)["chatbot"].clone();
    assert_eq!(
        (text(&named["name"]), text(&named["slug"])),
        ("Night museum", "night-museum")
    );
    let unnamed = import(&app.client, "?name=two%0Alines", archive).await;
    unnamed.refused(400, "invalid_request", "name");
    // Either goes without the other.
    bot.client.delete(&bot.path("")).await.expect(200);
    app.work().await;
    assert!(twin.found("Are dogs allowed?").await.contains("guide dogs"));
    let items = twin.items().await;
    let file = items
        .iter()
        .find(|item| item["title"] == "정원.md")
        .expect("the file");
    let path = twin.path(&format!("/knowledge-base/{}/file", text(&file["id"])));
    assert_eq!(twin.client.get(&path).await.status, 200);
}
