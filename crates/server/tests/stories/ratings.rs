//! The end of a conversation: the visitor says that it is settled, or an agent does, and is asked how it was.

use okra_engine::worker::Step;
use serde_json::{Value, json};

use crate::support::{
    Answer, Bot, Page, Stage, TestApp, at, begun, change, keys_of, public_bot, sorted, text,
};
use crate::webhooks::receiver::{Receiver, endpoint, now, of, types};

stories! {
    a_visitor_ends_a_conversation_and_rates_it_once,
    what_an_agent_settled_is_rated_too,
    a_rating_is_told_to_endpoints,
    only_ended_conversations_of_chatbots_that_ask_are_rated,
    the_overview_tells_how_conversations_ended,
}

/// A chatbot whose visitors rate, and the page of one who has asked something.
async fn rated(app: &TestApp) -> (Bot, Page, Value) {
    let (bot, slug) = public_bot(app).await;
    enable(&bot).await;
    let page = Page::new(app, &slug, None).begun(json!({})).await;
    let session = begun(&page).await;
    (bot, page, session)
}

async fn enable(bot: &Bot) {
    let settings = json!({"settings": {"isRatingEnabled": true}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
}

async fn rate(page: &Page, body: Value) -> Answer {
    page.call("PUT", "/rating", Some(body)).await
}

async fn rating(bot: &Bot, session: &Value) -> Value {
    let path = at(bot, session, "/rating");
    bot.client.get(&path).await.expect(200)["rating"].clone()
}

async fn a_visitor_ends_a_conversation_and_rates_it_once(stage: Stage) {
    let app = stage.app().await;
    let (bot, page, session) = rated(&app).await;
    let shown = page.call("GET", "", None).await.expect(200);
    assert_eq!(shown["chatbot"]["asks_rating"], true);
    assert_eq!(rating(&bot, &session).await, Value::Null);
    rate(&page, json!({"score": 5}))
        .await
        .refused(409, "not_ended", "");
    let ended = page.call("POST", "/end", None).await.expect(200);
    assert_eq!(
        (&ended["state"], &ended["is_human_mode"]),
        (&json!("resolved"), &json!(false))
    );
    assert_eq!(page.messages().await["score"], Value::Null);
    let given = rate(&page, json!({"score": 2, "comment": " Slow. "}))
        .await
        .expect(200);
    assert_eq!(keys_of(&given), sorted("score comment rated_at"));
    assert_eq!(
        (&given["score"], &given["comment"]),
        (&json!(2), &json!("Slow."))
    );
    assert_eq!(rating(&bot, &session).await, given);
    assert_eq!(page.messages().await["score"], 2);
    // One a conversation: another one takes its place.
    let given = rate(&page, json!({"score": 5, "comment": ""}))
        .await
        .expect(200);
    assert_eq!(
        (&given["score"], &given["comment"]),
        (&json!(5), &Value::Null)
    );
    assert_eq!(rating(&bot, &session).await, given);
    let told = app.client.get("/overview").await.expect(200);
    assert_eq!(told["ratings"]["scores"], json!([0, 0, 0, 0, 1]));
    // Whoever writes again goes on, and what they thought before stays known to agents.
    page.ask("One more thing?").await.events();
    let messages = page.messages().await;
    assert_eq!(
        (&messages["handling"]["state"], &messages["score"]),
        (&json!("in_progress"), &Value::Null)
    );
    rate(&page, json!({"score": 1}))
        .await
        .refused(409, "not_ended", "");
    assert_eq!(rating(&bot, &session).await, given);
}

async fn what_an_agent_settled_is_rated_too(stage: Stage) {
    let app = stage.app().await;
    let (bot, page, session) = rated(&app).await;
    let taken = json!({"is_human_mode": true});
    change(&app.client, &bot, &session, taken).await.expect(200);
    let settled = json!({"state": "resolved"});
    change(&app.client, &bot, &session, settled)
        .await
        .expect(200);
    rate(&page, json!({"score": 4})).await.expect(200);
    assert_eq!(rating(&bot, &session).await["score"], 4);
    // A visitor may also end what a person has.
    change(&app.client, &bot, &session, json!({"is_human_mode": true}))
        .await
        .expect(200);
    page.call("POST", "/end", None).await.expect(200);
    let path = at(&bot, &session, "");
    let shown = app.client.get(&path).await.expect(200)["session"].clone();
    assert_eq!(
        (
            &shown["state"],
            &shown["is_human_mode"],
            &shown["assignee_id"]
        ),
        (&json!("resolved"), &json!(false), &Value::Null)
    );
}

async fn a_rating_is_told_to_endpoints(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    now(&app);
    let events = json!(["conversation.rated", "conversation.resolved"]);
    let (_, secret) = endpoint(&app, &receiver, events).await;
    let (_, page, session) = rated(&app).await;
    page.call("POST", "/end", None).await.expect(200);
    rate(&page, json!({"score": 3, "comment": "So so."}))
        .await
        .expect(200);
    while app.step().await != Step::Idle {}
    let events = receiver.events(&secret);
    assert_eq!(
        types(&events),
        ["conversation.rated", "conversation.resolved"]
    );
    let told = of(&events, "conversation.rated");
    assert_eq!(
        (&told["rating"]["score"], &told["rating"]["comment"]),
        (&json!(3), &json!("So so."))
    );
    assert_eq!(told["session"]["id"], session);
}

async fn only_ended_conversations_of_chatbots_that_ask_are_rated(stage: Stage) {
    let app = stage.app().await;
    let (bot, slug) = public_bot(&app).await;
    let page = Page::new(&app, &slug, None).begun(json!({})).await;
    let session = begun(&page).await;
    page.call("POST", "/end", None)
        .await
        .refused(403, "ratings_disabled", "");
    rate(&page, json!({"score": 5}))
        .await
        .refused(403, "ratings_disabled", "");
    enable(&bot).await;
    page.call("POST", "/end", None).await.expect(200);
    for (body, field) in [
        (json!({"score": 0}), "score"),
        (json!({"score": 6}), "score"),
        (json!({"score": 4.5}), "score"),
        (json!({"score": "5"}), "score"),
        (json!({"score": 5, "comment": "x".repeat(2_001)}), "comment"),
    ] {
        rate(&page, body)
            .await
            .refused(400, "invalid_request", field);
    }
    rate(&page, json!({}))
        .await
        .refused(400, "invalid_request", "");
    assert_eq!(rating(&bot, &session).await, Value::Null);
    let nobody = Page::new(&app, &slug, None).begun(json!({})).await;
    rate(&nobody, json!({"score": 5}))
        .await
        .refused(404, "not_found", "");
    let path = at(&bot, &session, "/rating");
    app.stranger.get(&path).await.refused(404, "not_found", "");
    let other = app.bot("Other").await;
    let path = at(&other, &session, "/rating");
    app.client.get(&path).await.refused(404, "not_found", "");
}

async fn the_overview_tells_how_conversations_ended(stage: Stage) {
    let app = stage.app().await;
    let (bot, page, session) = rated(&app).await;
    let told = async || app.client.get("/overview").await.expect(200);
    let keys = "begun resolved_by_chatbot resolved_by_person handed_over resolved_by_chatbot_share \
                resolved_by_person_share";
    let first = told().await;
    assert_eq!(keys_of(&first["conversations"]), sorted(keys));
    assert_eq!(
        keys_of(&first["ratings"]),
        sorted("count satisfied_share mean scores")
    );
    assert_eq!(first["ratings"]["satisfied_share"], Value::Null);
    // It was answered from knowledge, so nobody has to do anything.
    assert_eq!(first["conversations"]["resolved_by_chatbot"], 1);
    let answer = page.messages().await["data"][1]["id"].clone();
    let thumb = format!("/messages/{}/feedback", text(&answer));
    page.call("PUT", &thumb, Some(json!({"rating": "down"})))
        .await
        .expect_nothing(204);
    let disliked = told().await;
    assert_eq!(disliked["conversations"]["resolved_by_chatbot"], 0);
    assert_eq!(disliked["feedback"], json!({"up": 0, "down": 1}));
    change(&app.client, &bot, &session, json!({"is_human_mode": true}))
        .await
        .expect(200);
    change(&app.client, &bot, &session, json!({"state": "resolved"}))
        .await
        .expect(200);
    rate(&page, json!({"score": 4})).await.expect(200);
    bot.ask("What is the capital of Mars?").await;
    let last = told().await;
    let conversations = &last["conversations"];
    assert_eq!(
        (
            &conversations["begun"],
            &conversations["resolved_by_person"]
        ),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        (
            &conversations["handed_over"],
            &conversations["resolved_by_person_share"]
        ),
        (&json!(1), &json!(0.5))
    );
    assert_eq!(
        (
            &last["ratings"]["mean"],
            &last["ratings"]["satisfied_share"]
        ),
        (&json!(4.0), &json!(1.0))
    );
    let theirs = app.stranger.get("/overview").await.expect(200);
    assert_eq!(
        (&theirs["ratings"]["count"], &theirs["feedback"]["down"]),
        (&json!(0), &json!(0))
    );
}
