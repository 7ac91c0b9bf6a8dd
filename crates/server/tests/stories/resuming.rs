//! Answers that outlive the connection they were asked over.

use std::time::Duration;

use futures_util::StreamExt;
use okra_testkit::provider::Script;
use serde_json::Value;

use crate::support::{Page, Stage, list, one_event, question, text, with_model};

stories! {
    an_answer_goes_on_after_the_connection_is_lost_and_is_taken_up_again,
    a_stopped_answer_keeps_what_was_written,
    an_answer_that_nobody_comes_back_for_is_stopped,
    a_question_sent_twice_is_asked_once,
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
