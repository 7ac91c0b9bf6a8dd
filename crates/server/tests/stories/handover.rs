//! People who take conversations over: from the moment they do, the chatbot says nothing more.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use okra_domain::person::Role;
use okra_testkit::provider::Script;
use serde_json::{Value, json};

use crate::support::{
    Page, Reader, Stage, at, begun, change, keys_of, list, one_event, question, said, sorted,
    with_model,
};

stories! {
    a_takeover_cuts_off_an_answer_that_is_being_written,
    a_takeover_cuts_off_a_programs_stream_too,
    while_a_person_has_it_the_chatbot_is_silent,
    a_visitor_asks_for_a_person_and_takes_it_back,
    of_two_agents_the_first_has_it,
    an_agents_message_sent_twice_is_stored_once,
    a_settled_conversation_goes_on_with_the_chatbot,
    a_restart_loses_nothing_and_doubles_nothing,
    what_people_do_reaches_the_visitors_stream_at_once,
}

/// A model that says the first words and then hangs.
fn hanging() -> Script {
    Script::HangWithin {
        before: "Rinse it ".to_owned(),
        after: "never heard".to_owned(),
    }
}

async fn a_takeover_cuts_off_an_answer_that_is_being_written(stage: Stage) {
    let (provider, app, page, bot) = with_model(stage, &[]).await;
    let session = begun(&page).await;
    provider.reply(hanging());
    let asked = page.request(
        "POST",
        "/chat",
        Some(question("Which cloth dries a teapot best?")),
    );
    let mut reader = Reader::open(&page.client, asked).await;
    reader.until("Rinse it").await;
    let running = page.messages().await["running"].clone();
    let taken = change(&app.client, &bot, &session, json!({"is_human_mode": true})).await;
    let taken = &taken.expect(200)["session"];
    assert_eq!(
        (&taken["is_human_mode"], &taken["state"]),
        (&json!(true), &json!("in_progress"))
    );
    let heard = reader.rest().await;
    provider.wait_for_disconnects(1).await;
    assert!(!heard.contains("never heard"), "{heard}");
    assert!(heard.contains(r#""ended":"handed_over""#), "{heard}");
    assert_eq!(heard.matches("event: done").count(), 1, "{heard}");
    // Nothing of it is stored, and whoever takes the stream up again hears nothing of it either.
    let messages = page.messages().await;
    assert_eq!(
        list(&messages["data"]).len(),
        3,
        "two questions, one answer: {messages}"
    );
    assert_eq!(messages["running"], Value::Null);
    assert_eq!(messages["handling"]["is_human_mode"], true);
    let again = page.resume(&running, 0).await.events();
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(one_event(&again, "done")["id"], Value::Null);
}

async fn a_takeover_cuts_off_a_programs_stream_too(stage: Stage) {
    let (provider, app, _page, bot) = with_model(stage, &[]).await;
    let session = bot.ask("Hello?").await["session_id"].clone();
    provider.reply(hanging());
    let mut body = said("Which cloth dries a teapot best?");
    body["session_id"] = session.clone();
    let request = Request::post(format!("/api/external{}", bot.path("/chat?stream=true")))
        .header("x-api-key", crate::support::OUR_KEY)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .expect("a proper request");
    let mut reader = Reader::open(&app.nobody(), request).await;
    reader.until("Rinse it").await;
    // An agent's message is a takeover of its own.
    let path = at(&bot, &session, "/messages");
    let written = app
        .client
        .post(&path, json!({"content": "제가 도와드릴게요."}))
        .await;
    written.expect(201);
    let heard = reader.rest().await;
    assert!(
        heard.contains(r#""ended":"handed_over""#) && !heard.contains("never"),
        "{heard}"
    );
    provider.wait_for_disconnects(1).await;
    let messages = bot.messages(&session).await;
    let last = messages.last().expect("messages");
    assert_eq!((messages.len(), &last["sender_type"]), (4, &json!("agent")));
    // Without streaming the answer says so as well.
    let mut body = said("Are you there?");
    body["session_id"] = session;
    let reply = bot.chat(body.clone()).await.expect(200);
    assert_eq!(
        keys_of(&reply),
        sorted("session_id message is_human_mode sources")
    );
    assert_eq!(
        (&reply["message"], &reply["is_human_mode"]),
        (&Value::Null, &json!(true))
    );
    let told = bot.stream(body).await.events();
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["session", "done"]);
    let done = one_event(&told, "done");
    assert_eq!(
        keys_of(done),
        sorted("id session_id sender_type content ended is_human_mode")
    );
}

async fn while_a_person_has_it_the_chatbot_is_silent(stage: Stage) {
    let (provider, app, page, bot) = with_model(stage, &[]).await;
    let session = begun(&page).await;
    let agent = app.member("Ours", "minji@example.com", Role::Agent).await;
    let taken = change(&agent, &bot, &session, json!({"is_human_mode": true})).await;
    let taken = taken.expect(200)["session"].clone();
    let me = agent.account("GET", "", Value::Null).await.expect(200);
    assert_eq!(taken["assignee_id"], me["person"]["id"]);
    let asked = provider.request_count();
    let told = page.ask("Is anybody there?").await.events();
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["session", "done"], "no word of the chatbot's");
    assert_eq!(one_event(&told, "done")["ended"], "handed_over");
    assert_eq!(provider.request_count(), asked, "no model is asked");
    let path = at(&bot, &session, "/messages");
    agent
        .post(&path, json!({"content": "Yes, I am."}))
        .await
        .expect(201);
    let messages = page.messages().await;
    let last = list(&messages["data"]).last().expect("a message").clone();
    assert_eq!(
        (&last["sender_type"], &last["agent"]),
        (&json!("agent"), &json!("minji"))
    );
    assert_eq!(messages["handling"]["agent"], "minji");
    // Handed back, the chatbot goes on and knows all that was said.
    let back = change(&agent, &bot, &session, json!({"is_human_mode": false})).await;
    assert_eq!(back.expect(200)["session"]["assignee_id"], Value::Null);
    let told = page.ask("And how often?").await.events();
    assert_eq!(one_event(&told, "done")["ended"], "complete");
    let sent = provider
        .requests()
        .pop()
        .expect("a request")
        .body
        .to_string();
    for words in ["Is anybody there?", "Yes, I am."] {
        assert!(sent.contains(words), "{sent}");
    }
}

async fn a_visitor_asks_for_a_person_and_takes_it_back(stage: Stage) {
    let (provider, app, page, bot) = with_model(stage, &[]).await;
    page.call("POST", "/person", None)
        .await
        .refused(404, "not_found", "");
    let session = begun(&page).await;
    provider.reply(hanging());
    let asked = page.request("POST", "/chat", Some(question("A person, please.")));
    let mut reader = Reader::open(&page.client, asked).await;
    reader.until("Rinse it").await;
    let waits = page.call("POST", "/person", None).await.expect(200);
    assert_eq!(
        waits,
        json!({"is_human_mode": true, "state": "waiting", "agent": null, "away": null})
    );
    let heard = reader.rest().await;
    assert!(
        heard.contains("handed_over") && !heard.contains("never heard"),
        "{heard}"
    );
    let shown = app.client.get(&at(&bot, &session, "")).await.expect(200);
    assert_eq!(shown["session"]["state"], "waiting");
    // Nobody came: the chatbot goes on.
    let back = page.call("DELETE", "/person", None).await.expect(200);
    assert_eq!(back["is_human_mode"], false);
    let told = page.ask("Well then, how?").await.events();
    assert_eq!(one_event(&told, "done")["ended"], "complete");
    // Once a person has it, it is theirs to hand back.
    page.call("POST", "/person", None).await.expect(200);
    let agent = app.member("Ours", "minji@example.com", Role::Agent).await;
    let taken = change(&agent, &bot, &session, json!({"is_human_mode": true})).await;
    assert_eq!(taken.expect(200)["session"]["state"], "in_progress");
    let back = page.call("DELETE", "/person", None).await.expect(200);
    assert_eq!(
        back,
        json!({"is_human_mode": true, "state": "in_progress", "agent": "minji", "away": null})
    );
    // Where it is switched off nobody asks.
    let off = json!({"settings": {"isHumanHandoverEnabled": false}});
    app.client.patch(&bot.path(""), off).await.expect(200);
    let config = page.call("GET", "", None).await.expect(200);
    assert_eq!(config["chatbot"]["offers_person"], false);
    page.call("POST", "/person", None)
        .await
        .refused(403, "handover_disabled", "");
}

async fn of_two_agents_the_first_has_it(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let session = bot.ask("Hello?").await["session_id"].clone();
    let one = app.member("Ours", "minji@example.com", Role::Agent).await;
    let two = app.member("Ours", "jun@example.com", Role::Agent).await;
    let take = || json!({"is_human_mode": true});
    let (first, second) = tokio::join!(
        change(&one, &bot, &session, take()),
        change(&two, &bot, &session, take()),
    );
    let (won, lost, loser) = match first.status {
        200 => (first, second, &two),
        _ => (second, first, &one),
    };
    won.expect(200);
    lost.refused(409, "taken", "");
    // By name it goes all the same, and both may write.
    let me = loser.account("GET", "", Value::Null).await.expect(200);
    let mine = json!({"assignee_id": me["person"]["id"]});
    let taken = change(loser, &bot, &session, mine).await.expect(200);
    assert_eq!(taken["session"]["assignee_id"], me["person"]["id"]);
    let path = at(&bot, &session, "/messages");
    for (client, words) in [(&one, "From one."), (&two, "From two.")] {
        client
            .post(&path, json!({"content": words}))
            .await
            .expect(201);
    }
    let now = app.client.get(&at(&bot, &session, "")).await.expect(200);
    assert_eq!(now["session"]["assignee_id"], me["person"]["id"]);
    let written = bot.messages(&session).await;
    let agents = written.iter().filter(|it| it["sender_type"] == "agent");
    assert_eq!(agents.count(), 2);
}

async fn an_agents_message_sent_twice_is_stored_once(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let session = bot.ask("Hello?").await["session_id"].clone();
    let path = at(&bot, &session, "/messages");
    let body =
        json!({"content": "지금 확인할게요.", "request_id": uuid::Uuid::new_v4(), "name": "민지"});
    let (first, second) = tokio::join!(
        app.client.post(&path, body.clone()),
        app.client.post(&path, body.clone()),
    );
    let statuses = [first.status, second.status];
    assert!(
        statuses.contains(&201) && statuses.contains(&200),
        "{statuses:?}"
    );
    assert_eq!(first.json(), second.json());
    let message = &first.json()["message"];
    assert_eq!(
        message["metadata"]["agent"],
        json!({"id": null, "name": "민지"})
    );
    // By the header that programs know it by.
    let keyed = app.client.with("idempotency-key", "order-7/first");
    let sent = keyed
        .post(&path, json!({"content": "Once."}))
        .await
        .expect(201);
    assert_eq!(
        keyed
            .post(&path, json!({"content": "Once."}))
            .await
            .expect(200),
        sent
    );
    let other = keyed.post(&path, json!({"content": "Twice."})).await;
    other.refused(409, "already_used", "");
    // Another person's same key is another message.
    let agent = app.member("Ours", "minji@example.com", Role::Agent).await;
    agent.post(&path, body.clone()).await.expect(201);
    assert_eq!(bot.messages(&session).await.len(), 5);
    let long = app.client.with("idempotency-key", &"k".repeat(201));
    let refused = long.post(&path, json!({"content": "Hi"})).await;
    refused.refused(400, "invalid_request", "Idempotency-Key");
}

async fn a_settled_conversation_goes_on_with_the_chatbot(stage: Stage) {
    let (_provider, app, page, bot) = with_model(stage, &[]).await;
    let session = begun(&page).await;
    change(&app.client, &bot, &session, json!({"is_human_mode": true}))
        .await
        .expect(200);
    let settled = change(&app.client, &bot, &session, json!({"state": "resolved"})).await;
    let settled = settled.expect(200)["session"].clone();
    assert_eq!(
        (&settled["active"], &settled["is_human_mode"]),
        (&json!(false), &json!(false))
    );
    let listed = app
        .client
        .get(&bot.path("/conversations?state=resolved"))
        .await
        .expect(200);
    assert_eq!(listed["data"][0]["id"], session);
    // The visitor says thanks: it is open again, the chatbot answers, and that is all.
    let told = page.ask("Thanks!").await.events();
    assert_eq!(one_event(&told, "done")["ended"], "complete");
    let now = app.client.get(&at(&bot, &session, "")).await.expect(200);
    assert_eq!(now["session"]["state"], "in_progress");
    change(&app.client, &bot, &session, json!({"state": "resolved"}))
        .await
        .expect(200);
    let opened = change(&app.client, &bot, &session, json!({"state": "in_progress"})).await;
    assert_eq!(opened.expect(200)["session"]["active"], true);
}

async fn a_restart_loses_nothing_and_doubles_nothing(stage: Stage) {
    let (_provider, app, page, bot) = with_model(stage, &[]).await;
    let session = begun(&page).await;
    let path = at(&bot, &session, "/messages");
    let body = json!({"content": "Hold on.", "request_id": uuid::Uuid::new_v4()});
    let sent = app.client.post(&path, body.clone()).await.expect(201);
    let app = app.killed_and_started().await;
    let page = Page {
        client: app.nobody(),
        ..page
    };
    // The same request again, which nobody knows whether it arrived.
    assert_eq!(app.client.post(&path, body).await.expect(200), sent);
    let told = page.ask("Still there?").await.events();
    assert_eq!(one_event(&told, "done")["ended"], "handed_over");
    let messages = page.messages().await;
    assert_eq!(list(&messages["data"]).len(), 4);
    assert_eq!(messages["handling"]["is_human_mode"], true);
    let asked = page.request("GET", "/events", None);
    let mut reader = Reader::open(&page.client, asked).await;
    assert_eq!(
        reader.next().await,
        ("handling".to_owned(), messages["handling"].clone())
    );
}

async fn what_people_do_reaches_the_visitors_stream_at_once(stage: Stage) {
    let (_provider, app, page, bot) = with_model(stage, &[]).await;
    page.call("GET", "/events", None)
        .await
        .refused(404, "not_found", "");
    let session = begun(&page).await;
    let other = Page::new(&app, &page.slug, None).begun(json!({})).await;
    begun(&other).await;
    let asked = page.request("GET", "/events", None);
    let mut reader = Reader::open(&page.client, asked).await;
    let none = json!({"is_human_mode": false, "state": "in_progress", "agent": null, "away": null});
    assert_eq!(reader.next().await, ("handling".to_owned(), none));
    other.call("POST", "/person", None).await.expect(200);
    let agent = app.member("Ours", "minji@example.com", Role::Agent).await;
    change(&agent, &bot, &session, json!({"is_human_mode": true}))
        .await
        .expect(200);
    let has =
        json!({"is_human_mode": true, "state": "in_progress", "agent": "minji", "away": null});
    assert_eq!(reader.next().await, ("handling".to_owned(), has.clone()));
    agent
        .post(&at(&bot, &session, "/typing"), json!({}))
        .await
        .expect_nothing(204);
    assert_eq!(reader.next().await, ("typing".to_owned(), json!({})));
    let sent = agent
        .post(
            &at(&bot, &session, "/messages"),
            json!({"content": "안녕하세요!"}),
        )
        .await;
    let sent = sent.expect(201)["message"].clone();
    let (name, message) = reader.next().await;
    assert_eq!((name.as_str(), &message["id"]), ("message", &sent["id"]));
    assert_eq!(
        (&message["content"], &message["agent"]),
        (&json!("안녕하세요!"), &json!("minji"))
    );
    assert_eq!(
        keys_of(&message),
        sorted(
            "id sender_type content created_at attachments sources feedback agent ended link_hosts \
             offer_person suggestions calls"
        )
    );
    page.call("POST", "/typing", None).await.expect_nothing(204);
    assert_eq!(reader.next().await.0, "handling");
    app.engine.shut_down(Duration::from_secs(5)).await;
    assert_eq!(reader.rest().await, "", "the server's end is the stream's");
}
