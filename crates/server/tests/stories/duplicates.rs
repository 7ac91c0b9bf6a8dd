//! A copy of a chatbot answers like the original.

use serde_json::json;

use crate::support::{Bot, Stage, list, said, text};

stories! {
    a_copy_answers_like_the_original,
    a_copy_needs_a_proper_name_and_an_original,
}

async fn a_copy_answers_like_the_original(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Museum").await;
    let settings = json!({"settings": {"greeting": "Welcome!"}, "is_public": true});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
    let pair =
        json!({"type": "qna", "question": "Are dogs allowed?", "answer": "Only guide dogs."});
    let pair = bot.add(pair).await;
    bot.upload_one(
        "garden.md",
        "# Garden\n\nThe rose garden is behind the east wing.",
    )
    .await;
    app.work().await;
    bot.chat(said("Are dogs allowed?")).await.expect(200);

    let path = bot.path("/duplicate");
    let made = bot.client.post(&path, json!({"name": "Museum 2"})).await;
    let made = made.expect(201)["chatbot"].clone();
    assert_eq!(
        (&made["name"], &made["slug"]),
        (&json!("Museum 2"), &json!("museum-2"))
    );
    assert_eq!(made["settings"]["greeting"], "Welcome!");
    assert_eq!(made["is_public"], false);
    let copy = Bot {
        id: text(&made["id"]).to_owned(),
        ..bot.clone()
    };
    let items = copy.items().await;
    assert_eq!(items.len(), 2);
    assert!(
        items
            .iter()
            .all(|item| item["status"] == "ready" && item["chatbot_id"] == made["id"])
    );
    for question in ["Are dogs allowed?", "Where is the rose garden?"] {
        let (one, other) = (bot.query(question).await, copy.query(question).await);
        assert_eq!(one.len(), other.len());
        assert_eq!(one[0]["content"], other[0]["content"]);
        assert_eq!(one[0]["similarity"], other[0]["similarity"]);
        let (one, other) = (bot.ask(question).await, copy.ask(question).await);
        assert_eq!(one["message"]["content"], other["message"]["content"]);
    }
    let talks = copy
        .client
        .get(&copy.path("/conversations"))
        .await
        .expect(200);
    assert_eq!(talks["pagination"]["total"], 2, "the two just asked");

    // Either may change without the other.
    let gone = bot.path(&format!("/knowledge-base?id={}", text(&pair["id"])));
    bot.client.delete(&gone).await.expect(200);
    assert!(!bot.found("Are dogs allowed?").await.contains("guide dogs"));
    assert!(copy.found("Are dogs allowed?").await.contains("guide dogs"));
    bot.client.delete(&bot.path("")).await.expect(200);
    app.work().await;
    let file = items
        .iter()
        .find(|item| item["type"] == "file")
        .expect("the file");
    let file = copy.path(&format!("/knowledge-base/{}/file", text(&file["id"])));
    assert_eq!(copy.client.get(&file).await.status, 200);

    let unnamed = copy.client.post(&copy.path("/duplicate"), json!({})).await;
    assert_eq!(unnamed.expect(201)["chatbot"]["name"], "Museum 2 (copy)");
    let bots = copy.client.get("/chatbots").await.expect(200);
    assert_eq!(list(&bots["chatbots"]).len(), 2);
}

async fn a_copy_needs_a_proper_name_and_an_original(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Museum").await;
    let path = bot.path("/duplicate");
    for name in ["", "  ", "two\nlines", &"x".repeat(101)] {
        let answer = bot.client.post(&path, json!({"name": name})).await;
        answer.refused(400, "invalid_request", "name");
    }
    let answer = app.stranger.post(&path, json!({})).await;
    answer.refused(404, "not_found", "");
    app.nobody()
        .post(&path, json!({}))
        .await
        .refused(401, "unauthorized", "");
}
