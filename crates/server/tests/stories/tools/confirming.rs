//! What changes something waits for the visitor: it is carried out once they confirm it, and by nobody else's word.

use std::time::Duration;

use okra_testkit::provider::{MockProvider, Script};
use okra_testkit::website::MockSite;
use serde_json::{Value, json};

use super::{calls, cancel_order, last, page, results, shop, with};
use crate::support::{Answer, Bot, Page, Stage, TestApp, list, one_event, question, said, text};

stories! {
    a_visitor_confirms_what_changes_something,
    a_call_is_carried_out_once,
    a_confirmation_lapses,
    nobody_confirms_for_somebody_else,
    what_fails_after_it_was_confirmed_is_told,
    only_one_thing_is_asked_at_a_time,
}

struct Shop {
    provider: MockProvider,
    site: MockSite,
    app: TestApp,
    bot: Bot,
}

/// A chatbot that may cancel orders.
async fn opened(stage: Stage) -> Shop {
    let (provider, site) = (MockProvider::start().await, MockSite::start().await);
    let app = with(&provider, &site, stage, &[]).await;
    cancel_order(&app, &site).await;
    site.put("/cancel", page("cancelled"));
    let bot = shop(&app, &["cancel_order"]).await;
    Shop {
        provider,
        site,
        app,
        bot,
    }
}

impl Shop {
    fn propose(&self) {
        self.provider
            .reply(calls(&[("cancel_order", "{\"order_id\": \"7\"}")]));
        self.provider.reply(Script::text("Shall I cancel order 7?"));
    }

    async fn page(&self) -> Page {
        let slug = self.bot.show().await["slug"].clone();
        Page::new(&self.app, text(&slug), None)
            .begun(json!({}))
            .await
    }

    /// Asks for a cancellation over the API; gives the reply.
    async fn asked(&self) -> Value {
        self.propose();
        self.bot.ask("Please cancel order 7.").await
    }
}

/// Says yes to the call of this reply.
fn yes(reply: &Value) -> Value {
    let mut body = said("Yes");
    body["session_id"] = reply["session_id"].clone();
    body["confirm"] = json!({"message_id": reply["message"]["id"], "call_id": reply["message"]["tool_calls"][0]["id"]});
    body
}

async fn confirmed(page: &Page, done: &Value) -> Answer {
    let mut body = question("Yes");
    body["confirm"] = json!({"message_id": done["id"], "call_id": done["calls"][0]["id"]});
    page.call("POST", "/chat", Some(body)).await
}

async fn a_visitor_confirms_what_changes_something(stage: Stage) {
    let shop = opened(stage).await;
    let visitor = shop.page().await;
    shop.propose();
    let events = visitor.ask("Please cancel order 7.").await.events();
    assert_eq!(shop.site.calls().len(), 0, "nothing is done yet");
    let told = results(&last(&shop.provider)).remove(0);
    assert!(told.contains("asked to confirm"), "{told}");
    let call = one_event(&events, "tool_call");
    let expected = json!({
        "id": "call_1", "title": "Cancel an order", "state": "awaiting_confirmation",
        "details": [{"name": "order_id", "value": "7"}],
    });
    assert_eq!(call, &expected);
    assert!(!events.iter().any(|(name, _)| name == "tool_result"));
    let (_, done) = events.last().expect("an end");
    assert_eq!(done["calls"], json!([expected]));
    // After a reload the visitor is asked still.
    let messages = visitor.messages().await;
    assert_eq!(messages["data"][1]["calls"], json!([expected]));

    shop.provider.reply(Script::text("Order 7 is cancelled."));
    let events = confirmed(&visitor, done).await.events();
    let sent = shop.site.calls();
    assert_eq!(
        (sent.len(), sent[0].body.as_str()),
        (1, "{\"order_id\":\"7\"}")
    );
    let call = one_event(&events, "tool_call");
    assert_eq!(
        (&call["state"], &call["details"]),
        (&json!("called"), &json!([]))
    );
    assert_eq!(
        one_event(&events, "tool_result"),
        &json!({"id": "call_1", "failed": false})
    );
    let (_, done) = events.last().expect("an end");
    assert_eq!(done["content"], "Order 7 is cancelled.");
    assert_eq!(done["calls"][0]["state"], "done");
    let request = last(&shop.provider);
    let system = request.conversation().remove(0);
    assert!(
        system.contains("was done just now: Cancel an order") && system.contains("<result-"),
        "{system}"
    );
    assert!(system.contains("cancelled"));
    // It stands in the conversation for those who answer for the organization.
    let sessions = shop
        .bot
        .client
        .get(&shop.bot.path("/conversations"))
        .await
        .expect(200);
    let messages = shop.bot.messages(&sessions["data"][0]["id"]).await;
    let said: Vec<&str> = messages
        .iter()
        .map(|message| text(&message["content"]))
        .collect();
    assert_eq!(
        said,
        [
            "Please cancel order 7.",
            "Shall I cancel order 7?",
            "Yes",
            "Order 7 is cancelled."
        ]
    );
    assert_eq!(
        messages[1]["tool_calls"][0]["state"],
        "awaiting_confirmation"
    );
    assert_eq!(messages[1]["tool_results"], json!([]));
    assert_eq!(messages[3]["tool_calls"][0]["state"], "called");
    assert_eq!(messages[3]["tool_results"][0]["content"], "cancelled");
    assert_eq!(events[0].1["user_message_id"], messages[2]["id"]);
}

async fn a_call_is_carried_out_once(stage: Stage) {
    let shop = opened(stage).await;
    let reply = shop.asked().await;
    shop.provider.reply(Script::text("Cancelled."));
    let done = shop.bot.chat(yes(&reply)).await.expect(200);
    assert_eq!(done["message"]["content"], "Cancelled.");
    assert_eq!(done["session_id"], reply["session_id"]);
    shop.bot
        .chat(yes(&reply))
        .await
        .refused(409, "already_confirmed", "");
    // At the same time too.
    let reply = shop.asked().await;
    let [one, two] = [shop.bot.chat(yes(&reply)), shop.bot.chat(yes(&reply))];
    let (one, two) = tokio::join!(one, two);
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(shop.site.calls().len(), 2);
    // A request that is sent again is the same one.
    let visitor = shop.page().await;
    shop.propose();
    let events = visitor.ask("Please cancel order 7.").await.events();
    let (_, done) = events.last().expect("an end");
    let mut body = question("Yes");
    body["confirm"] = json!({"message_id": done["id"], "call_id": "call_1"});
    let first = visitor
        .call("POST", "/chat", Some(body.clone()))
        .await
        .events();
    let again = visitor.call("POST", "/chat", Some(body)).await.events();
    assert_eq!(first.last(), again.last());
    assert_eq!(shop.site.calls().len(), 3);
}

async fn a_confirmation_lapses(stage: Stage) {
    let shop = opened(stage).await;
    // Something else was said since.
    let reply = shop.asked().await;
    let mut other = said("No, leave it.");
    other["session_id"] = reply["session_id"].clone();
    shop.bot.chat(other).await.expect(200);
    shop.bot
        .chat(yes(&reply))
        .await
        .refused(409, "confirmation_lapsed", "");
    // It was too long ago.
    let reply = shop.asked().await;
    shop.app.clock.advance(Duration::from_secs(60 * 60 + 1));
    shop.bot
        .chat(yes(&reply))
        .await
        .refused(409, "confirmation_lapsed", "");
    // A person has the conversation.
    let reply = shop.asked().await;
    let path = shop
        .bot
        .path(&format!("/conversations/{}", text(&reply["session_id"])));
    shop.bot
        .client
        .patch(&path, json!({"is_human_mode": true}))
        .await
        .expect(200);
    shop.bot
        .chat(yes(&reply))
        .await
        .refused(409, "confirmation_lapsed", "");
    // The tool was deleted meanwhile.
    let reply = shop.asked().await;
    shop.app
        .client
        .delete("/tools/cancel_order")
        .await
        .expect_nothing(204);
    shop.provider.reply(Script::text("I cannot."));
    let answered = shop.bot.chat(yes(&reply)).await.expect(200);
    assert_eq!(answered["message"]["tool_results"][0]["failed"], true);
    assert_eq!(shop.site.calls().len(), 0);
}

async fn nobody_confirms_for_somebody_else(stage: Stage) {
    let shop = opened(stage).await;
    let visitor = shop.page().await;
    shop.propose();
    let events = visitor.ask("Please cancel order 7.").await.events();
    let (_, done) = events.last().expect("an end");
    let stranger = shop.page().await;
    confirmed(&stranger, done)
        .await
        .refused(404, "not_found", "");
    stranger
        .ask("Hello, can kettles be returned?")
        .await
        .events();
    confirmed(&stranger, done)
        .await
        .refused(404, "not_found", "");
    // What waits is looked for by its names alone.
    for (message, call) in [
        (&done["id"], json!("call_2")),
        (
            &json!("019b0000-0000-7000-8000-000000000000"),
            json!("call_1"),
        ),
        (&events[0].1["user_message_id"], json!("call_1")),
        (&json!("nonsense"), json!("call_1")),
    ] {
        let mut body = question("Yes");
        body["confirm"] = json!({"message_id": message, "call_id": call});
        visitor
            .call("POST", "/chat", Some(body))
            .await
            .refused(404, "not_found", "");
    }
    let mut body = question("Yes");
    body["confirm"] = json!({"message_id": 7});
    visitor.call("POST", "/chat", Some(body)).await.refused(
        400,
        "invalid_request",
        "confirm.message_id",
    );
    assert_eq!(shop.site.calls().len(), 0);
    assert_eq!(
        list(&visitor.messages().await["data"]).len(),
        2,
        "nothing was said either"
    );
}

async fn what_fails_after_it_was_confirmed_is_told(stage: Stage) {
    let shop = opened(stage).await;
    shop.site
        .put("/cancel", page("It was sent already.").with_status(409));
    let reply = shop.asked().await;
    shop.provider.reply(Script::text("It was sent already."));
    let answered = shop.bot.chat(yes(&reply)).await.expect(200);
    let result = &answered["message"]["tool_results"][0];
    assert_eq!(result["failed"], true);
    assert!(last(&shop.provider).conversation()[0].contains("it failed just now"));
    // The model fails behind a call that was carried out: the call is recorded all the same.
    shop.site.put("/cancel", page("cancelled"));
    let reply = shop.asked().await;
    shop.provider.reply(Script::error(400, "No."));
    shop.bot
        .chat(yes(&reply))
        .await
        .refused(502, "provider_failed", "");
    let messages = shop.bot.messages(&reply["session_id"]).await;
    let message = messages.last().expect("an answer");
    assert_eq!(message["metadata"]["ended"], "failed");
    assert_eq!(message["tool_results"][0]["content"], "cancelled");
}

async fn only_one_thing_is_asked_at_a_time(stage: Stage) {
    let shop = opened(stage).await;
    shop.provider.reply(calls(&[
        ("cancel_order", "{\"order_id\": 7}"),
        ("cancel_order", "{\"order_id\": \"7\"}"),
        ("cancel_order", "{\"order_id\": \"8\"}"),
    ]));
    shop.provider.reply(Script::text("Shall I?"));
    let reply = shop.bot.ask("Cancel orders 7 and 8.").await;
    let states: Vec<&Value> = list(&reply["message"]["tool_calls"])
        .iter()
        .map(|call| &call["state"])
        .collect();
    assert_eq!(
        states,
        [
            &json!("called"),
            &json!("awaiting_confirmation"),
            &json!("called")
        ]
    );
    let told = results(&last(&shop.provider));
    assert!(
        told[0].contains("of type string") && told[2].contains("asked something already"),
        "{told:?}"
    );
    assert_eq!(shop.site.calls().len(), 0);
}
