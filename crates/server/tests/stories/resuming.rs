//! Answers that outlive the connection they were asked over.

use std::time::Duration;

use axum::http::HeaderValue;
use futures_util::StreamExt;
use okra_testkit::provider::Script;
use serde_json::{Value, json};

use crate::support::{
    Bot, Client, Page, Reader, Stage, change, list, one_event, question, said, text, with_model,
};

stories! {
    an_answer_goes_on_after_the_connection_is_lost_and_is_taken_up_again,
    a_stopped_answer_keeps_what_was_written,
    an_answer_that_nobody_comes_back_for_is_stopped,
    a_question_sent_twice_is_asked_once,
    a_programs_question_sent_twice_under_one_key_is_asked_once,
    what_failed_under_a_key_stays_failed,
    a_question_under_a_key_is_answered_after_a_kill_where_it_stands,
    nobody_reads_on_from_what_has_not_happened,
}

async fn an_answer_goes_on_after_the_connection_is_lost_and_is_taken_up_again(stage: Stage) {
    let (provider, _app, page, _bot) = with_model(stage, &[]).await;
    provider.reply(Script::HangWithin {
        before: "Rinse it ".to_owned(),
        after: "with cold water.".to_owned(),
    });
    let asked = page.request("POST", "/chat", Some(question("How do I rinse it?")));
    let mut body = page.client.open(asked).await.into_body().into_data_stream();
    let mut seen = String::new();
    while !seen.contains("Rinse it") {
        let part = body
            .next()
            .await
            .expect("more of the stream")
            .expect("no fault");
        seen.push_str(std::str::from_utf8(&part).expect("UTF-8"));
    }
    drop(body);
    let messages = page.messages().await;
    let running = messages["running"].clone();
    assert!(running.is_string(), "{messages}");
    provider.release();
    let last: usize = seen
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .next_back()
        .expect("an id")
        .parse()
        .expect("a number");
    let rest = page.resume(&running, last).await.events();
    let heard: String = rest
        .iter()
        .filter(|(name, _)| name == "delta")
        .map(|(_, data)| text(&data["content"]))
        .collect();
    // The space before it was held back: a mark might have followed.
    assert_eq!(heard, " with cold water.");
    assert_eq!(
        one_event(&rest, "done")["content"],
        "Rinse it with cold water."
    );
    assert_eq!(provider.disconnects(), 0);
    // From the start, and from beyond the end.
    let whole = page.resume(&running, 0).await.events();
    let heard: String = whole
        .iter()
        .filter(|(name, _)| name == "delta")
        .map(|(_, data)| text(&data["content"]))
        .collect();
    assert_eq!(heard, "Rinse it with cold water.");
    assert_eq!(page.resume(&running, 1_000).await.events(), []);
    assert_eq!(page.messages().await["running"], Value::Null);
}

async fn nobody_reads_on_from_what_has_not_happened(stage: Stage) {
    let (provider, _app, page, _bot) = with_model(stage, &[]).await;
    provider.reply(Script::HangWithin {
        before: "Rinse it ".to_owned(),
        after: "with cold water.".to_owned(),
    });
    let asked = page.request("POST", "/chat", Some(question("How do I rinse it?")));
    let mut reader = Reader::open(&page.client, asked).await;
    reader.until("Rinse it").await;
    let running = page.messages().await["running"].clone();
    let mut again = page.request("GET", &format!("/chat/{}", text(&running)), None);
    let beyond = HeaderValue::from_static("1000");
    again.headers_mut().insert("last-event-id", beyond);
    let again = Reader::open(&page.client, again).await;
    provider.release();
    let heard = again.rest().await;
    assert!(heard.contains("with cold water."), "{heard}");
    assert!(heard.contains("event: done"), "{heard}");
}

async fn a_programs_question_sent_twice_under_one_key_is_asked_once(stage: Stage) {
    let (provider, app, _page, bot) = with_model(stage, &[]).await;
    provider.reply(Script::HangWithin {
        before: "Rinse it ".to_owned(),
        after: "with cold water.".to_owned(),
    });
    let under = |key: &str| Bot {
        client: bot.client.with("idempotency-key", key),
        ..bot.clone()
    };
    let asked = said("How do I rinse the teapot?");
    let first = under("one");
    let mut reader = first.reader(&asked).await;
    reader.until("Rinse it").await;
    // Its reader leaves, and comes back with the same question: once for the events, once for the whole.
    drop(reader);
    let mut reader = first.reader(&asked).await;
    reader.until("Rinse it").await;
    let (whole, ()) = tokio::join!(first.chat(asked.clone()), async { provider.release() });
    let whole = whole.expect(200);
    assert_eq!(whole["message"]["content"], "Rinse it with cold water.");
    assert_eq!(whole["message"]["metadata"]["ended"], "complete");
    let heard = reader.rest().await;
    assert!(heard.contains("event: done"), "{heard}");
    assert_eq!(provider.request_count(), 1);
    // So it does later, and after a restart, by what is stored.
    let later = Bot {
        client: app.restarted().await.with("idempotency-key", "one"),
        ..bot.clone()
    };
    assert_eq!(later.chat(asked.clone()).await.expect(200), whole);
    let events = later.stream(asked.clone()).await.events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["session", "sources", "done"]);
    assert_eq!(events[2].1, whole["message"]);
    assert_eq!(bot.messages(&whole["session_id"]).await.len(), 2);
    assert_eq!(provider.request_count(), 1);
    // Another question under the key is refused, at once and later.
    let other = said("Is soap good for the teapot?");
    for bot in [&first, &later] {
        let refused = bot.chat(other.clone()).await;
        refused.refused(409, "already_used", "");
    }
    // Another key is another question, and so is the same key of another program.
    let reply = under("two").chat(asked.clone()).await.expect(200);
    assert_ne!(reply["session_id"], whole["session_id"]);
    let made = bot.client.post("/keys", json!({"name": "Other"})).await;
    let made = made.expect(201);
    let theirs = Bot {
        client: first.client.with_key(text(&made["key"])),
        ..bot.clone()
    };
    let reply = theirs.chat(asked.clone()).await.expect(200);
    assert_ne!(reply["session_id"], whole["session_id"]);
    for key in ["", &"x".repeat(201)] {
        let refused = under(key).chat(asked.clone()).await;
        refused.refused(400, "invalid_request", "Idempotency-Key");
    }
    // Where a person has the conversation, the question is there once.
    let mut asked = said("Are you there?");
    asked["session_id"] = whole["session_id"].clone();
    let taken = json!({"is_human_mode": true});
    change(&bot.client, &bot, &whole["session_id"], taken)
        .await
        .expect(200);
    for _ in 0..2 {
        let reply = under("three").chat(asked.clone()).await.expect(200);
        assert_eq!(
            (&reply["message"], &reply["is_human_mode"]),
            (&Value::Null, &json!(true))
        );
    }
    assert_eq!(bot.messages(&whole["session_id"]).await.len(), 3);
}

async fn a_question_under_a_key_is_answered_after_a_kill_where_it_stands(stage: Stage) {
    let (provider, app, _page, bot) = with_model(stage, &[]).await;
    provider.reply(Script::HangAfter {
        text: "Half an".to_owned(),
    });
    let under = |client: &Client| Bot {
        client: client.with("idempotency-key", "one"),
        ..bot.clone()
    };
    // Without a visitor's token: nothing but the key leads back to the conversation.
    let asked = said("How do I rinse the teapot?");
    let mut reader = under(&bot.client).reader(&asked).await;
    reader.until("Half an").await;
    let app = app.killed_and_started().await;
    let other = under(&app.client).chat(said("Do you ship abroad?")).await;
    other.refused(409, "already_used", "");
    provider.reply(Script::text("With cold water."));
    let reply = under(&app.client).chat(asked).await.expect(200);
    assert_eq!(reply["message"]["content"], "With cold water.");
    let bot = under(&app.client);
    let conversations = bot.client.get(&bot.path("/conversations")).await;
    let conversations = conversations.expect(200)["data"].clone();
    assert_eq!(list(&conversations).len(), 1, "{conversations}");
    assert_eq!(conversations[0]["id"], reply["session_id"]);
    assert_eq!(bot.messages(&reply["session_id"]).await.len(), 2);
}

async fn what_failed_under_a_key_stays_failed(stage: Stage) {
    let (provider, app, _page, bot) = with_model(stage, &[]).await;
    provider.reply(Script::error(400, "No."));
    let asked = said("How do I rinse the teapot?");
    let later = app.restarted().await;
    for client in [&bot.client, &bot.client, &later] {
        let bot = Bot {
            client: client.with("idempotency-key", "one"),
            ..bot.clone()
        };
        let failed = bot.chat(asked.clone()).await;
        failed.refused(502, "provider_failed", "");
        assert!(text(&failed.json()["error"]).contains("No."));
        let events = bot.stream(asked.clone()).await.events();
        assert_eq!(one_event(&events, "error")["code"], "provider_failed");
    }
    assert_eq!(provider.request_count(), 1);
}

async fn a_stopped_answer_keeps_what_was_written(stage: Stage) {
    let (provider, _app, page, _bot) = with_model(stage, &[]).await;
    provider.reply(Script::HangWithin {
        before: "Rinse it ".to_owned(),
        after: "never heard".to_owned(),
    });
    let asked = page.request("POST", "/chat", Some(question("How do I rinse it?")));
    let mut body = page.client.open(asked).await.into_body().into_data_stream();
    let mut seen = String::new();
    let mut stopped = false;
    while let Some(part) = body.next().await {
        seen.push_str(std::str::from_utf8(&part.expect("no fault")).expect("UTF-8"));
        if !stopped && seen.contains("Rinse it") {
            stopped = true;
            let running = page.messages().await["running"].clone();
            let path = format!("/chat/{}", text(&running));
            let answer = page.call("DELETE", &path, None).await;
            assert_eq!(answer.status, 204);
        }
    }
    provider.wait_for_disconnects(1).await;
    assert!(seen.contains("event: done"), "{seen}");
    let messages = page.messages().await;
    assert_eq!(messages["data"][1]["content"], "Rinse it ");
    assert_eq!(messages["data"][1]["ended"], "cancelled");
    let path = format!("/chat/{}", text(&messages["data"][1]["id"]));
    assert_eq!(
        page.call("DELETE", &path, None).await.status,
        204,
        "over already"
    );
}

async fn an_answer_that_nobody_comes_back_for_is_stopped(stage: Stage) {
    let (provider, _app, page, _bot) = with_model(stage, &[("OKRA_ABANDON_SECONDS", "0")]).await;
    provider.reply(Script::HangWithin {
        before: "Rinse it ".to_owned(),
        after: "never heard".to_owned(),
    });
    let asked = page.request("POST", "/chat", Some(question("How do I rinse it?")));
    let mut body = page.client.open(asked).await.into_body().into_data_stream();
    let mut seen = String::new();
    while !seen.contains("Rinse it") {
        let next = body.next().await.expect("more of the stream");
        seen.push_str(std::str::from_utf8(&next.expect("no fault")).expect("UTF-8"));
    }
    drop(body);
    provider.wait_for_disconnects(1).await;
    let settled = async {
        loop {
            let messages = page.messages().await;
            if list(&messages["data"]).len() == 2 {
                return messages;
            }
            tokio::task::yield_now().await;
        }
    };
    let messages = tokio::time::timeout(Duration::from_secs(10), settled)
        .await
        .expect("it is stored");
    assert_eq!(messages["data"][1]["ended"], "cancelled");
}

async fn a_question_sent_twice_is_asked_once(stage: Stage) {
    let (provider, app, page, _bot) = with_model(stage, &[]).await;
    let asked = question("How do I rinse it?");
    let again = || page.call("POST", "/chat", Some(asked.clone()));
    let (first, second) = tokio::join!(again(), again());
    assert_eq!(first.events(), second.events());
    assert_eq!(again().await.events(), first.events());
    assert_eq!(provider.request_count(), 1);
    assert_eq!(list(&page.messages().await["data"]).len(), 2);
    // After a restart only the stored answer is left.
    let restarted = Page {
        client: app.restarted().await,
        ..page
    };
    let told = restarted
        .call("POST", "/chat", Some(asked.clone()))
        .await
        .events();
    assert_eq!(one_event(&told, "done"), one_event(&first.events(), "done"));
    assert_eq!(provider.request_count(), 1);
    let id = &one_event(&told, "done")["id"];
    let resumed = restarted.resume(id, 3).await.events();
    assert_eq!(one_event(&resumed, "done")["id"], *id);
}
