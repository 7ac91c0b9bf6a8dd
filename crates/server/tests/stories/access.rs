//! Who may touch what: keys, and what another organization's ids answer.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, Bot, Client, File, Form, Stage, TestApp, said, text};

stories! {
    without_a_good_key_nothing_answers,
    a_revoked_key_stops_at_once,
    another_organizations_ids_answer_like_ids_of_nothing,
    ids_of_another_chatbot_answer_like_ids_of_nothing,
}

/// A UUID that names nothing.
const NOTHING: &str = "019b0000-0000-7000-8000-000000000000";

/// The seventeen calls on these ids, each with a body that would do.
async fn every_call(client: &Client, bot: &str, item: &str, session: &str) -> Vec<Answer> {
    let at = |rest: &str| format!("/chatbot/{bot}{rest}");
    let file = || Form::new().file("files", File::new("a.txt", "Some text."));
    let picture = || Form::new().file("avatar", File::new("a.png", "no picture"));
    let conversation = format!("/conversations/{session}");
    let named = json!({"name": "Taken over"});
    vec![
        client
            .form("POST", &at("/knowledge-base/files"), file())
            .await,
        client
            .patch(&format!("/chatbots?id={bot}"), named.clone())
            .await,
        client
            .patch("/chatbots", json!({"id": bot, "name": "Taken over"}))
            .await,
        client.patch(&at(""), named).await,
        client.get(&at("")).await,
        client.form("PATCH", &at("/update-avatar"), picture()).await,
        client
            .patch(&at("/voice-agent"), json!({"voice": "alloy"}))
            .await,
        client
            .patch(&at("/chat-widget"), json!({"name": "Mine"}))
            .await,
        client.get(&at("/knowledge-base")).await,
        client
            .post(
                &at("/knowledge-base"),
                json!({"type": "text", "content": "Mine"}),
            )
            .await,
        client
            .patch(
                &at("/knowledge-base"),
                json!({"id": item, "enabled": false}),
            )
            .await,
        client
            .delete(&at(&format!("/knowledge-base?id={item}")))
            .await,
        client
            .post(&at("/query-knowledge"), json!({"query": "tea"}))
            .await,
        client.post(&at("/chat"), said("tea")).await,
        client.post(&at("/chat?stream=true"), said("tea")).await,
        client.get(&at(&conversation)).await,
        client.get(&at("/conversations")).await,
        client.get(&at(&format!("{conversation}/messages"))).await,
        client.delete(&at("")).await,
        client.delete(&format!("/chatbots?id={bot}")).await,
    ]
}

struct Held {
    bot: Bot,
    item: String,
    session: String,
}

/// A chatbot of the organization `Ours` with an item and a session.
async fn held(app: &TestApp, name: &str) -> Held {
    let bot = app.bot(name).await;
    let item = bot
        .add(json!({"type": "text", "title": "Tea", "content": "Tea is hot."}))
        .await;
    app.work().await;
    let session = bot.ask("Is tea hot?").await["session_id"].clone();
    Held {
        bot,
        item: text(&item["id"]).to_owned(),
        session: text(&session).to_owned(),
    }
}

/// Everything that can be read of `held`.
async fn everything(held: &Held) -> Value {
    let bot = &held.bot;
    let conversation = bot.path(&format!("/conversations/{}", held.session));
    json!([
        bot.show().await,
        bot.items().await,
        bot.client.get(&conversation).await.expect(200),
        bot.messages(&json!(held.session)).await,
        bot.query("tea").await,
    ])
}

async fn without_a_good_key_nothing_answers(stage: Stage) {
    let app = stage.app().await;
    let held = held(&app, "Shop").await;
    let before = everything(&held).await;
    let unknown = "c3".repeat(24);
    let (short, odd) = ("a1".repeat(23), format!("{}zz", "a1".repeat(23)));
    let nobody = app.nobody();
    let strangers = [
        nobody.clone(),
        nobody.with_key(""),
        nobody.with_key(&short),
        nobody.with_key(&odd),
        nobody.with_key(&unknown),
        nobody.with_key("' OR 1=1 --"),
    ];
    for stranger in strangers {
        for answer in every_call(&stranger, &held.bot.id, &held.item, &held.session).await {
            answer.refused(401, "unauthorized", "");
        }
        stranger
            .get("/chatbots")
            .await
            .refused(401, "unauthorized", "");
        let made = stranger.post("/chatbots", json!({"name": "Mine"})).await;
        made.refused(401, "unauthorized", "");
    }
    assert_eq!(everything(&held).await, before);

    let send = |name: &'static str, value: String| {
        let request = Request::get("/api/external/chatbots").header(name, value);
        nobody.send(request.body(Body::empty()).expect("a request"))
    };
    let key = "a1".repeat(24);
    send("authorization", format!("Bearer {key}"))
        .await
        .expect(200);
    send("authorization", format!("bearer  {key} "))
        .await
        .expect(200);
    send("x-api-key", key.to_uppercase()).await.expect(200);
    send("authorization", format!("Basic {key}"))
        .await
        .refused(401, "unauthorized", "");
    send("authorization", "Bearer".to_owned())
        .await
        .refused(401, "unauthorized", "");
    send("authorization", key)
        .await
        .refused(401, "unauthorized", "");
}

async fn a_revoked_key_stops_at_once(stage: Stage) {
    let app = stage.app().await;
    let (client, id) = app.another_key(&"d4".repeat(24)).await;
    client.get("/chatbots").await.expect(200);
    let revoked = app.engine.store().revoke_key_as_operator(id).await;
    assert!(revoked.expect("revoked"));
    client
        .get("/chatbots")
        .await
        .refused(401, "unauthorized", "");
    app.client.get("/chatbots").await.expect(200);
}

async fn another_organizations_ids_answer_like_ids_of_nothing(stage: Stage) {
    let app = stage.app().await;
    let held = held(&app, "Shop").await;
    let before = everything(&held).await;
    let stranger = &app.stranger;
    let real = every_call(stranger, &held.bot.id, &held.item, &held.session).await;
    let nothing = every_call(stranger, NOTHING, NOTHING, NOTHING).await;
    for (real, nothing) in real.iter().zip(&nothing) {
        real.refused(404, "not_found", "");
        assert_eq!(real.body, nothing.body, "{real:?}");
        assert_eq!(real.headers.len(), nothing.headers.len(), "{real:?}");
    }
    // Inside a chatbot of their own, our items and sessions are nothing too.
    let own = stranger
        .post("/chatbots", json!({"name": "Theirs"}))
        .await
        .expect(200);
    let own = text(&own["chatbot"]["id"]).to_owned();
    compare_inside(stranger, &own, &held).await;
    assert_eq!(everything(&held).await, before);
    let all = stranger.get("/chatbots").await.expect(200);
    assert_eq!(all["pagination"]["total"], 1, "{all}");
}

/// The ids of `held` inside the chatbot `own` answer as ids of nothing do.
async fn compare_inside(client: &Client, own: &str, held: &Held) {
    let inside = async |item: &str, session: &str| {
        let at = |rest: &str| format!("/chatbot/{own}{rest}");
        let mut body = said("tea");
        body["session_id"] = json!(session);
        [
            client
                .patch(&at("/knowledge-base"), json!({"id": item, "title": "x"}))
                .await,
            client
                .delete(&at(&format!("/knowledge-base?id={item}")))
                .await,
            client.get(&at(&format!("/conversations/{session}"))).await,
            client
                .get(&at(&format!("/conversations/{session}/messages")))
                .await,
            client.post(&at("/chat"), body.clone()).await,
            client.post(&at("/chat?stream=true"), body).await,
        ]
    };
    let real = inside(&held.item, &held.session).await;
    let nothing = inside(NOTHING, NOTHING).await;
    let malformed = inside("no-id", "%F0%9F%8D%B5").await;
    for ((real, nothing), malformed) in real.iter().zip(&nothing).zip(&malformed) {
        real.refused(404, "not_found", "");
        assert_eq!(real.body, nothing.body, "{real:?}");
        assert_eq!(real.body, malformed.body, "{real:?}");
    }
    let query = format!("/chatbot/{own}/query-knowledge");
    let found = client.post(&query, json!({"query": "tea"})).await;
    assert_eq!(found.expect(200), json!({"results": []}));
}

async fn ids_of_another_chatbot_answer_like_ids_of_nothing(stage: Stage) {
    let app = stage.app().await;
    let held = held(&app, "Shop").await;
    let before = everything(&held).await;
    let other = app.bot("Other").await;
    compare_inside(&app.client, &other.id, &held).await;
    assert_eq!(everything(&held).await, before);
}
