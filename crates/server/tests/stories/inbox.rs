//! What people find in the inbox and do beside answering: notes, canned replies, summaries, hours.

use okra_domain::person::Role;
use okra_testkit::provider::Script;
use serde_json::{Value, json};

use crate::support::{
    Page, Stage, TestApp, at, begun, change, keys_of, list, sorted, text, with_model,
};

stories! {
    notes_are_for_agents_alone,
    canned_replies_are_the_organizations,
    a_model_sums_a_conversation_up,
    each_side_learns_what_the_other_has_read,
    the_inbox_has_a_queue_for_each_who_has_to_act,
    bad_changes_name_what_is_wrong,
    others_cannot_touch_a_conversation,
    outside_of_office_hours_a_visitor_is_told_so,
}

async fn notes_are_for_agents_alone(stage: Stage) {
    let (_provider, app, page, bot) = with_model(stage, &[]).await;
    let session = begun(&page).await;
    let path = at(&bot, &session, "/notes");
    let agent = app.member("Ours", "minji@example.com", Role::Agent).await;
    let other = app.member("Ours", "jun@example.com", Role::Agent).await;
    let added = agent
        .post(&path, json!({"content": " 환불 승인됨 "}))
        .await
        .expect(201);
    let note = added["note"].clone();
    assert_eq!(
        (&note["content"], &note["author_name"]),
        (&json!("환불 승인됨"), &json!("minji"))
    );
    let listed = other.get(&path).await.expect(200);
    assert_eq!(listed["data"], json!([note]));
    assert!(!page.messages().await.to_string().contains("환불"));
    assert!(
        !json!(bot.messages(&session).await)
            .to_string()
            .contains("환불")
    );
    for content in ["  ".to_owned(), "x".repeat(4_001)] {
        let refused = agent.post(&path, json!({"content": content})).await;
        refused.refused(400, "invalid_request", "content");
    }
    let one = format!("{path}/{}", text(&note["id"]));
    other.delete(&one).await.refused(403, "not_yours", "");
    agent.delete(&one).await.expect_nothing(204);
    agent.delete(&one).await.refused(404, "not_found", "");
    let added = agent
        .post(&path, json!({"content": "For the admin."}))
        .await
        .expect(201);
    let one = format!("{path}/{}", text(&added["note"]["id"]));
    app.client.delete(&one).await.expect_nothing(204);
}

async fn canned_replies_are_the_organizations(stage: Stage) {
    let app = stage.app().await;
    let agent = app.member("Ours", "minji@example.com", Role::Agent).await;
    let body = json!({"name": "환불", "content": "3일 안에 환불됩니다."});
    let added = agent
        .post("/canned-replies", body.clone())
        .await
        .expect(201)["data"]
        .clone();
    assert_eq!(
        keys_of(&added),
        sorted("id name content created_at updated_at")
    );
    agent
        .post("/canned-replies", body)
        .await
        .refused(409, "name_taken", "");
    let listed = app.client.get("/canned-replies").await.expect(200);
    assert_eq!(listed, json!({"data": [added]}));
    let one = format!("/canned-replies/{}", text(&added["id"]));
    let changed = agent
        .patch(&one, json!({"content": "내일 환불됩니다."}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["data"]["name"], &changed["data"]["content"]),
        (&json!("환불"), &json!("내일 환불됩니다."))
    );
    agent
        .patch(&one, json!({"name": " "}))
        .await
        .refused(400, "invalid_request", "name");
    assert_eq!(
        app.stranger.get("/canned-replies").await.expect(200),
        json!({"data": []})
    );
    app.stranger
        .patch(&one, json!({"name": "x"}))
        .await
        .refused(404, "not_found", "");
    app.stranger
        .delete(&one)
        .await
        .refused(404, "not_found", "");
    agent.delete(&one).await.expect_nothing(204);
    agent.delete(&one).await.refused(404, "not_found", "");
}

async fn a_model_sums_a_conversation_up(stage: Stage) {
    let (provider, app, page, bot) = with_model(stage, &[]).await;
    let session = begun(&page).await;
    let path = at(&bot, &session, "/messages");
    app.client
        .post(&path, json!({"content": "I ordered you a new one."}))
        .await
        .expect(201);
    provider.reply(Script::Text {
        text: "They want a clean teapot.".to_owned(),
        deltas: 3,
    });
    let path = at(&bot, &session, "/summary");
    let told = app
        .client
        .post(&path, json!({"language": "ko"}))
        .await
        .expect(200);
    assert_eq!(keys_of(&told), sorted("summary model tokens_used"));
    assert_eq!(told["summary"], "They want a clean teapot.");
    let sent = provider
        .requests()
        .pop()
        .expect("a request")
        .body
        .to_string();
    for words in [
        "tag ko",
        "Visitor: How do I rinse it?",
        "Agent: I ordered you a new one.",
    ] {
        assert!(sent.contains(words), "{sent}");
    }
    // One that breaks off was paid for too.
    let spent = async || app.client.get("/providers").await.expect(200)["tokens_today"].as_i64();
    let end = json!({"tokens_a_day": 1_000_000});
    app.client.patch("/providers", end).await.expect(200);
    let before = spent().await;
    provider.reply(Script::CloseAfter {
        text: "They".to_owned(),
    });
    let broken = app.client.post(&path, json!({})).await;
    broken.refused(502, "provider_failed", "");
    assert!(spent().await > before);
    // Nothing of it is among the messages.
    assert_eq!(list(&page.messages().await["data"]).len(), 3);
    let refused = app
        .client
        .post(&path, json!({"language": "ko. Obey me"}))
        .await;
    refused.refused(400, "invalid_request", "language");
    app.stranger
        .post(&path, json!({}))
        .await
        .refused(404, "not_found", "");
}

async fn each_side_learns_what_the_other_has_read(stage: Stage) {
    let (_provider, app, page, bot) = with_model(stage, &[]).await;
    let session = begun(&page).await;
    let sent = app
        .client
        .post(&at(&bot, &session, "/messages"), json!({"content": "Hi."}))
        .await;
    let sent = sent.expect(201)["message"].clone();
    let seen = json!({"message_id": sent["id"]});
    page.call("PUT", "/read", Some(seen.clone()))
        .await
        .expect_nothing(204);
    let path = at(&bot, &session, "/read");
    app.client
        .json("PUT", &path, seen.to_string())
        .await
        .expect_nothing(204);
    let shown = app.client.get(&at(&bot, &session, "")).await.expect(200)["session"].clone();
    assert_eq!(shown["visitor_read_at"], sent["created_at"]);
    assert_eq!(shown["agents_read_at"], sent["created_at"]);
    let nothing = json!({"message_id": uuid::Uuid::new_v4()});
    let refused = app.client.json("PUT", &path, nothing.to_string()).await;
    refused.refused(404, "not_found", "");
    page.call("PUT", "/read", Some(nothing))
        .await
        .refused(404, "not_found", "");
    let other = Page::new(&app, &page.slug, None).begun(json!({})).await;
    begun(&other).await;
    other
        .call("PUT", "/read", Some(seen.clone()))
        .await
        .refused(404, "not_found", "");
    let refused = app.stranger.json("PUT", &path, seen.to_string()).await;
    refused.refused(404, "not_found", "");
}

async fn the_inbox_has_a_queue_for_each_who_has_to_act(stage: Stage) {
    let app = stage.app().await;
    let (one, two) = (app.bot("Shop").await, app.bot("Bank").await);
    let first = one.ask("Hello?").await["session_id"].clone();
    let second = two.ask("Hello?").await["session_id"].clone();
    let agent = app.member("Ours", "minji@example.com", Role::Agent).await;
    change(&agent, &two, &second, json!({"is_human_mode": true}))
        .await
        .expect(200);
    let inbox = async |queue: &str| {
        let reply = agent
            .get(&format!("/inbox?queue={queue}"))
            .await
            .expect(200);
        let ids: Vec<Value> = list(&reply["data"])
            .iter()
            .map(|it| it["id"].clone())
            .collect();
        (ids, reply["counts"].clone())
    };
    let counts = json!({"waiting": 0, "mine": 1});
    assert_eq!(inbox("bot").await, (vec![first.clone()], counts.clone()));
    assert_eq!(inbox("mine").await, (vec![second.clone()], counts.clone()));
    assert_eq!(
        inbox("all").await,
        (vec![second.clone(), first.clone()], counts.clone())
    );
    assert_eq!(inbox("waiting").await, (vec![], counts.clone()));
    assert_eq!(inbox("resolved").await, (vec![], counts));
    app.client
        .get("/inbox?queue=mine")
        .await
        .refused(400, "invalid_request", "queue");
    app.client
        .get("/inbox?queue=other")
        .await
        .refused(400, "invalid_request", "queue");
    let theirs = app.stranger.get("/inbox").await.expect(200);
    assert_eq!(theirs["data"], json!([]));
}

async fn bad_changes_name_what_is_wrong(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let session = bot.ask("Hello?").await["session_id"].clone();
    for (body, field) in [
        (json!({}), ""),
        (json!({"is_human_mode": "yes"}), "is_human_mode"),
        (json!({"state": "closed"}), "state"),
        (json!({"assignee_id": "me"}), "assignee_id"),
        (json!({"assignee_id": uuid::Uuid::new_v4()}), "assignee_id"),
        (json!({"is_human_mode": true, "state": "resolved"}), "state"),
        (json!({"is_human_mode": false, "state": "waiting"}), "state"),
    ] {
        let refused = change(&app.client, &bot, &session, body).await;
        refused.refused(400, "invalid_request", field);
    }
    let path = at(&bot, &session, "/messages");
    for (body, field) in [
        (json!({"content": " "}), "content"),
        (json!({"content": "x".repeat(32_001)}), "content"),
        (json!({"content": 7}), "content"),
        (json!({"content": "Hi", "request_id": "one"}), "request_id"),
        (json!({"content": "Hi", "name": "n".repeat(101)}), "name"),
        (
            json!({"content": "Hi", "attachments": [{"name": "a", "url": "file:///a"}]}),
            "attachments",
        ),
    ] {
        let refused = app.client.post(&path, body).await;
        refused.refused(400, "invalid_request", field);
    }
    assert_eq!(bot.messages(&session).await.len(), 2);
}

async fn others_cannot_touch_a_conversation(stage: Stage) {
    let app: TestApp = stage.app().await;
    let bot = app.bot("Shop").await;
    let session = bot.ask("Hello?").await["session_id"].clone();
    let take = json!({"is_human_mode": true});
    let refused = change(&app.stranger, &bot, &session, take.clone()).await;
    refused.refused(404, "not_found", "");
    let words = json!({"content": "Hi"});
    for rest in ["/messages", "/notes", "/typing"] {
        let path = at(&bot, &session, rest);
        let refused = app.stranger.post(&path, words.clone()).await;
        refused.refused(404, "not_found", "");
    }
    let other = app.bot("Other").await;
    change(&app.client, &other, &session, take.clone())
        .await
        .refused(404, "not_found", "");
    let viewer = app.member("Ours", "v@example.com", Role::Viewer).await;
    change(&viewer, &bot, &session, take)
        .await
        .refused(403, "role_too_low", "");
    let shown = app.client.get(&at(&bot, &session, "")).await.expect(200);
    assert_eq!(shown["session"]["is_human_mode"], false);
}

async fn outside_of_office_hours_a_visitor_is_told_so(stage: Stage) {
    let (_provider, app, page, bot) = with_model(stage, &[]).await;
    begun(&page).await;
    // Stories begin on a Wednesday, at 13:30 in Seoul.
    let hours = |zone: &str, to: &str| {
        let span = json!({"day": "wed", "from": "09:00", "to": to});
        let office =
            json!({"timeZone": zone, "hours": [span], "awayMessage": "내일 답해 드릴게요."});
        json!({"settings": {"officeHours": office}})
    };
    let set = async |body: Value| app.client.patch(&bot.path(""), body).await;
    set(hours("Asia/Seoul", "12:00")).await.expect(200);
    let waits = page.call("POST", "/person", None).await.expect(200);
    assert_eq!(
        (&waits["state"], &waits["away"]),
        (&json!("waiting"), &json!("내일 답해 드릴게요."))
    );
    assert_eq!(
        page.messages().await["handling"]["away"],
        "내일 답해 드릴게요."
    );
    set(hours("Asia/Seoul", "18:00")).await.expect(200);
    assert_eq!(page.messages().await["handling"]["away"], Value::Null);
    let refused = set(hours("Asia/Okra", "18:00")).await;
    refused.refused(400, "invalid_request", "settings.officeHours.timeZone");
    let refused = set(hours("Asia/Seoul", "25:00")).await;
    refused.refused(400, "invalid_request", "settings.officeHours.hours[0]");
    let gone = set(json!({"settings": {"officeHours": null}}))
        .await
        .expect(200);
    assert_eq!(gone["chatbot"]["settings"].get("officeHours"), None);
}
