//! Webhooks: what endpoints are sent, signed, and as a log. [`failures`] is what becomes of those that do
//! not take it.

mod failures;
pub mod receiver;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use okra_engine::worker::Step;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::support::{Client, Page, Stage, at, change, list, public_bot, said, text};
use receiver::{Receiver, deliveries, endpoint, now, of, types};

stories! {
    whatever_happens_is_sent_and_verifies,
    an_endpoint_is_told_what_it_asked_for_alone,
    without_endpoints_nothing_is_written,
    an_item_that_cannot_be_read_is_told,
    a_lead_is_told_once_an_address,
    what_people_do_is_told,
    a_secret_is_rotated_with_an_overlap,
    a_delivery_outlives_the_server,
    only_addresses_that_may_be_reached_are_taken,
    endpoints_are_their_organizations_own,
    a_test_event_shows_whether_an_endpoint_answers,
}

async fn whatever_happens_is_sent_and_verifies(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    now(&app);
    let (id, secret) = endpoint(&app, &receiver, json!([])).await;
    let (bot, slug) = public_bot(&app).await;
    let events = receiver.events(&secret);
    assert_eq!(types(&events), ["knowledge.ready"]);
    let ready = of(&events, "knowledge.ready");
    let item = bot.items().await.remove(0);
    assert_eq!(ready["chatbot_id"], json!(bot.id));
    for field in ["id", "title", "status", "chunks", "type"] {
        assert_eq!(ready["item"][field], item[field], "{field}");
    }

    let page = Page::new(&app, &slug, None);
    let page = page.begun(json!({"email": "kim@example.com"})).await;
    page.ask("찻주전자는 어떻게 헹구나요?").await.events();
    app.work().await;
    let events = receiver.events(&secret);
    let expected = [
        "conversation.started",
        "lead.captured",
        "message.created",
        "message.created",
    ];
    assert_eq!(types(&events), expected);
    let sessions = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    let session = &sessions["data"][0];
    let lead = of(&events, "lead.captured");
    assert_eq!(lead["session"]["metadata"]["email"], "kim@example.com");
    assert_eq!(lead["session"]["id"], session["id"]);
    let messages = bot.messages(&session["id"]).await;
    for message in &messages {
        let told = events.iter().map(|event| &event["data"]);
        let mut told = told.filter(|data| data["message"]["id"] == message["id"]);
        let told = told.next().expect("each message is told");
        assert_eq!(told["session_id"], session["id"]);
        for field in [
            "sender_type",
            "content",
            "created_at",
            "metadata",
            "tokens_used",
        ] {
            assert_eq!(told["message"][field], message[field], "{field}");
        }
    }

    let rate = format!("/messages/{}/feedback", text(&messages[1]["id"]));
    let rating = json!({"rating": "down", "comment": "No."});
    page.call("PUT", &rate, Some(rating.clone()))
        .await
        .expect_nothing(204);
    app.work().await;
    let events = receiver.events(&secret);
    assert_eq!(types(&events), ["feedback.created"]);
    assert_eq!(of(&events, "feedback.created")["feedback"], rating);
    page.call("PUT", &rate, Some(json!({"rating": null})))
        .await
        .expect_nothing(204);
    app.work().await;
    assert_eq!(
        receiver.taken().len(),
        0,
        "taking a rating back creates none"
    );

    let log = deliveries(&app, &id).await;
    assert_eq!(log.len(), 6);
    for delivery in &log {
        assert_eq!(
            (&delivery["state"], &delivery["status"]),
            (&json!("delivered"), &json!(204))
        );
        assert_eq!(
            (&delivery["attempts"], &delivery["error"]),
            (&json!(1), &Value::Null)
        );
        let path = format!("/webhooks/{id}/deliveries/{}", text(&delivery["id"]));
        let shown = app.client.get(&path).await.expect(200);
        assert_eq!(shown["data"], *delivery);
        assert_eq!(shown["body"]["type"], delivery["event_type"]);
    }
    let paged = app
        .client
        .get(&format!("/webhooks/{id}/deliveries?page=2&limit=4"))
        .await;
    let paged = paged.expect(200);
    assert_eq!(list(&paged["data"]), &log[4..]);
    assert_eq!(paged["pagination"]["total"], 6);
}

async fn an_endpoint_is_told_what_it_asked_for_alone(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    now(&app);
    let (id, secret) = endpoint(&app, &receiver, json!(["message.created"])).await;
    let bot = app.bot("Shop").await;
    bot.add(json!({"type": "text", "content": "Open from ten."}))
        .await;
    app.work().await;
    assert_eq!(receiver.taken().len(), 0);
    bot.ask("When?").await;
    let mut trial = said("A builder's trial");
    trial["platform"] = json!("playground");
    bot.chat(trial).await.expect(200);
    app.work().await;
    assert_eq!(types(&receiver.events(&secret)), ["message.created"; 2]);

    let path = format!("/webhooks/{id}");
    let more = json!({"events": ["conversation.started", "feedback.created"]});
    let changed = app.client.patch(&path, more).await.expect(200);
    let told = json!(["conversation.started", "feedback.created"]);
    assert_eq!(changed["data"]["events"], told);
    bot.ask("When?").await;
    app.work().await;
    assert_eq!(types(&receiver.events(&secret)), ["conversation.started"]);
    app.client
        .patch(&path, json!({"active": false}))
        .await
        .expect(200);
    bot.ask("When?").await;
    app.work().await;
    assert_eq!(receiver.taken().len(), 0);
}

async fn without_endpoints_nothing_is_written(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    bot.ask("When?").await;
    assert_eq!(app.engine.store().open_jobs().await.expect("a count"), 0);
    // Another organization's endpoint hears nothing of it.
    let body = json!({"url": "https://hooks.example.com"});
    app.stranger.post("/webhooks", body).await.expect(201);
    bot.ask("When?").await;
    assert_eq!(app.engine.store().open_jobs().await.expect("a count"), 0);
}

async fn an_item_that_cannot_be_read_is_told(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    now(&app);
    let (_, secret) = endpoint(&app, &receiver, json!(["knowledge.failed"])).await;
    let bot = app.bot("Shop").await;
    let item = bot
        .upload_one("broken.pdf", b"%PDF-1.7 broken".to_vec())
        .await;
    app.work().await;
    let events = receiver.events(&secret);
    assert_eq!(types(&events), ["knowledge.failed"]);
    let failed = bot.item(&item["id"]).await;
    assert_eq!(failed["status"], "failed");
    let told = &of(&events, "knowledge.failed")["item"];
    assert_eq!(
        (&told["id"], &told["error"]),
        (&item["id"], &failed["error"])
    );
}

async fn a_lead_is_told_once_an_address(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    now(&app);
    let (_, slug) = public_bot(&app).await;
    let (_, secret) = endpoint(&app, &receiver, json!(["lead.captured"])).await;
    let mut page = Page::new(&app, &slug, None).begun(json!({})).await;
    let asked = async |page: &Page| {
        page.ask("Hello?").await.events();
        app.work().await;
        let events = receiver.events(&secret);
        events
            .iter()
            .map(|event| event["data"]["session"]["metadata"]["email"].clone())
            .collect()
    };
    let heard: Vec<Value> = asked(&page).await;
    assert_eq!(
        heard,
        Vec::<Value>::new(),
        "nothing is known of the visitor"
    );
    for (email, expected) in [
        ("a@example.com", vec![json!("a@example.com")]),
        ("a@example.com", vec![]),
        ("b@example.com", vec![json!("b@example.com")]),
    ] {
        let renewed = page
            .session(json!({"token": page.token, "email": email}))
            .await;
        page.token = text(&renewed.expect(200)["token"]).to_owned();
        let heard: Vec<Value> = asked(&page).await;
        assert_eq!(heard, expected);
    }
}

async fn what_people_do_is_told(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    now(&app);
    let kinds = json!([
        "conversation.taken_over",
        "conversation.resolved",
        "message.created"
    ]);
    let (_, secret) = endpoint(&app, &receiver, kinds).await;
    let bot = app.bot("Teapots").await;
    let session = bot.ask("Hello?").await["session_id"].clone();
    app.work().await;
    receiver.events(&secret);
    let written = json!({"content": "제가 도와드릴게요."});
    let path = at(&bot, &session, "/messages");
    app.client.post(&path, written).await.expect(201);
    app.work().await;
    let events = receiver.events(&secret);
    assert_eq!(
        types(&events),
        ["conversation.taken_over", "message.created"]
    );
    let taken = &of(&events, "conversation.taken_over")["session"];
    assert_eq!(
        (&taken["id"], &taken["is_human_mode"]),
        (&session, &json!(true))
    );
    let message = &of(&events, "message.created")["message"];
    assert_eq!(
        (&message["sender_type"], &message["content"]),
        (&json!("agent"), &json!("제가 도와드릴게요."))
    );
    // Twice is once.
    for _ in 0..2 {
        let resolved = change(&app.client, &bot, &session, json!({"state": "resolved"}));
        resolved.await.expect(200);
    }
    app.work().await;
    let events = receiver.events(&secret);
    assert_eq!(types(&events), ["conversation.resolved"]);
    let resolved = &of(&events, "conversation.resolved")["session"];
    assert_eq!(resolved["state"], "resolved");
}

async fn a_secret_is_rotated_with_an_overlap(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    now(&app);
    let (id, old) = endpoint(&app, &receiver, json!(["conversation.started"])).await;
    let path = format!("/webhooks/{id}/secret");
    let bot = app.bot("Shop").await;
    let rotate = async |hours: u64| {
        let body = json!({"overlap_hours": hours});
        app.client.post(&path, body).await.expect(200)
    };
    let rotated = rotate(1).await;
    let new = text(&rotated["secret"]).to_owned();
    assert_ne!(new, old);
    assert!(rotated["data"]["previous_secret_until"].is_string());
    let sent = async || {
        bot.ask("Hello?").await;
        app.work().await;
        receiver.taken().remove(0)
    };
    let verifies = |secret: &str, (headers, body): &(HeaderMap, Bytes)| {
        let webhook = Webhook::new(secret).expect("a secret");
        webhook.verify(body, headers).is_ok()
    };
    let event = sent().await;
    assert!(verifies(&new, &event) && verifies(&old, &event));
    let changed = json!({"url": format!("{}?moved", receiver.url)});
    app.client
        .patch(&format!("/webhooks/{id}"), changed)
        .await
        .expect(200);
    let event = sent().await;
    assert!(
        verifies(&new, &event) && verifies(&old, &event),
        "also at another address"
    );
    let newer = text(&rotate(0).await["secret"]).to_owned();
    let event = sent().await;
    assert!(verifies(&newer, &event) && !verifies(&new, &event) && !verifies(&old, &event));
    rotate(1).await;
    app.clock.advance(Duration::from_secs(60 * 60));
    let (headers, _) = sent().await;
    let signatures = headers["webhook-signature"].to_str().expect("plain text");
    assert_eq!(signatures.split(' ').count(), 1, "the overlap is over");
    let shown = app.client.get(&format!("/webhooks/{id}")).await;
    assert!(!String::from_utf8_lossy(&shown.body).contains("whsec_"));
    assert_eq!(
        shown.expect(200)["data"]["previous_secret_until"],
        Value::Null
    );
    let long = app.client.post(&path, json!({"overlap_hours": 169})).await;
    long.refused(400, "invalid_request", "overlap_hours");
}

async fn a_delivery_outlives_the_server(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    let (id, _) = endpoint(&app, &receiver, json!(["conversation.started"])).await;
    let bot = app.bot("Shop").await;
    bot.ask("Hello?").await;
    let app = app.killed_and_started().await;
    assert_eq!(app.step().await, Step::Done, "the endpoints are found");
    let app = app.killed_and_started().await;
    receiver.answer(500, "");
    app.work().await;
    // The chatbot is no more, and what happened while it was is told all the same.
    app.client
        .delete(&format!("/chatbot/{}", bot.id))
        .await
        .expect(200);
    let app = app.killed_and_started().await;
    app.clock.advance(Duration::from_secs(5));
    app.work().await;
    assert_eq!(receiver.taken().len(), 2);
    assert_eq!(deliveries(&app, &id).await[0]["state"], "delivered");
}

async fn only_addresses_that_may_be_reached_are_taken(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    let check = async |url: Value| {
        let body = json!({"url": url});
        let refused = app.client.post("/webhooks", body).await;
        refused.refused(400, "invalid_request", "url");
    };
    for url in [
        "http://hooks.example.com/plain",
        "https://127.0.0.1/admin",
        "https://[::1]/admin",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1",
        "http://2130706433/",
        "https://user:password@hooks.example.com",
        "ftp://hooks.example.com",
        "hooks.example.com",
        "",
    ] {
        check(json!(url)).await;
    }
    check(json!(format!(
        "https://hooks.example.com/{}",
        "a".repeat(2_000)
    )))
    .await;
    check(Value::Null).await;
    let odd =
        json!({"url": "https://hooks.example.com", "events": ["message.created", "tea.brewed"]});
    let odd = app.client.post("/webhooks", odd).await;
    odd.refused(400, "invalid_request", "events[1]");
    // A name that leads inside is found out where the connection is made.
    let body = json!({"url": "https://localhost/admin"});
    let made = app.client.post("/webhooks", body).await.expect(201);
    let id = text(&made["data"]["id"]);
    app.client
        .post(&format!("/webhooks/{id}/test"), json!({}))
        .await
        .expect(202);
    app.work().await;
    let log = deliveries(&app, id).await;
    assert_eq!(log[0]["status"], Value::Null);
    assert!(text(&log[0]["error"]).contains("private"), "{log:?}");
    assert_eq!(receiver.taken().len(), 0);
}

async fn endpoints_are_their_organizations_own(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    let (id, _) = endpoint(&app, &receiver, json!([])).await;
    let described = json!({"description": " 고객 관리 "});
    let path = format!("/webhooks/{id}");
    let changed = app.client.patch(&path, described).await.expect(200);
    assert_eq!(changed["data"]["description"], "고객 관리");
    let sent = app
        .client
        .post(&format!("{path}/test"), json!({}))
        .await
        .expect(202);
    let delivery = text(&sent["data"]["id"]).to_owned();
    let calls = async |client: &Client, path: &str| {
        let one = format!("{path}/deliveries/{delivery}");
        [
            client.get(path).await,
            client.patch(path, json!({"active": false})).await,
            client.post(&format!("{path}/secret"), json!({})).await,
            client.post(&format!("{path}/test"), json!({})).await,
            client
                .post(&format!("{path}/replay"), json!({"since": "2025-01-01"}))
                .await,
            client.get(&format!("{path}/deliveries")).await,
            client.get(&one).await,
            client.post(&format!("{one}/replay"), json!({})).await,
            client.delete(path).await,
        ]
    };
    let nothing = "/webhooks/019b0000-0000-7000-8000-000000000000";
    let real = calls(&app.stranger, &path).await;
    for (real, nothing) in real.iter().zip(calls(&app.stranger, nothing).await) {
        real.refused(404, "not_found", "");
        assert_eq!(real.body, nothing.body);
    }
    // A delivery of another endpoint is nothing either.
    let (other, _) = endpoint(&app, &receiver, json!([])).await;
    let one = format!("/webhooks/{other}/deliveries/{delivery}");
    app.client.get(&one).await.refused(404, "not_found", "");
    app.client
        .post(&format!("{one}/replay"), json!({}))
        .await
        .refused(404, "not_found", "");

    let listed = app.client.get("/webhooks").await.expect(200);
    let data = list(&listed["data"]);
    assert_eq!((text(&data[0]["id"]), data.len()), (id.as_str(), 2));
    assert!(
        list(&listed["event_types"])
            .iter()
            .any(|it| it["name"] == "lead.captured")
    );
    for _ in 2..20 {
        endpoint(&app, &receiver, json!([])).await;
    }
    let body = json!({"url": receiver.url});
    app.client
        .post("/webhooks", body)
        .await
        .refused(409, "conflict", "");
    // With the endpoint goes what was still to be sent.
    app.client.delete(&path).await.expect_nothing(204);
    app.client.delete(&path).await.refused(404, "not_found", "");
    app.work().await;
    assert_eq!(receiver.taken().len(), 0);
}

async fn a_test_event_shows_whether_an_endpoint_answers(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    now(&app);
    let (id, secret) = endpoint(&app, &receiver, json!(["feedback.created"])).await;
    let sent = app
        .client
        .post(&format!("/webhooks/{id}/test"), json!({}))
        .await
        .expect(202);
    assert_eq!(sent["data"]["event_type"], "webhook.test");
    assert_eq!(sent["data"]["state"], "pending");
    app.work().await;
    let events = receiver.events(&secret);
    assert_eq!(types(&events), ["webhook.test"]);
    assert_eq!(events[0]["data"]["endpoint_id"], json!(id));
    let log = deliveries(&app, &id).await;
    assert_eq!(
        (&log[0]["id"], &log[0]["state"]),
        (&sent["data"]["id"], &json!("delivered"))
    );
}
