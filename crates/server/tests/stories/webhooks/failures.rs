//! Endpoints that do not take what they are sent: tried again, given up, asked again, gone.

use std::time::Duration;

use okra_engine::worker::Step;
use serde_json::{Value, json};

use super::receiver::{Receiver, deliveries, endpoint};
use crate::support::{Stage, TestApp, text};

stories! {
    a_failing_endpoint_is_tried_again_until_it_is_given_up,
    what_failed_can_be_sent_again,
    an_endpoint_that_is_gone_is_switched_off,
}

/// The delays between the attempts, in seconds.
const DELAYS: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

async fn a_failing_endpoint_is_tried_again_until_it_is_given_up(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    let (id, _) = endpoint(&app, &receiver, json!(["conversation.started"])).await;
    app.bot("Shop").await.ask("Hello?").await;
    let mut first = None;
    for (attempt, delay) in DELAYS.iter().map(Some).chain([None]).enumerate() {
        let (status, said) = match attempt {
            0 => (302, ""),
            1 => (429, "slow down"),
            _ => (500, "out of order"),
        };
        receiver.answer(status, said);
        app.work().await;
        let mut taken = receiver.taken();
        assert_eq!(taken.len(), 1, "attempt {attempt}");
        let (headers, body) = taken.remove(0);
        let (id_header, first_body) =
            first.get_or_insert_with(|| (headers["webhook-id"].clone(), body.clone()));
        assert_eq!((&headers["webhook-id"], &body), (&*id_header, &*first_body));
        let delivery = deliveries(&app, &id).await.remove(0);
        assert_eq!(delivery["attempts"], json!(attempt + 1));
        assert_eq!(delivery["status"], json!(status));
        assert!(
            text(&delivery["error"]).contains(&status.to_string()),
            "{delivery}"
        );
        let expected = if said.is_empty() {
            Value::Null
        } else {
            json!(said)
        };
        assert_eq!(delivery["response"], expected);
        match delay {
            Some(delay) => {
                assert_eq!(delivery["state"], "pending");
                app.clock.advance(Duration::from_secs(delay - 1));
                assert_eq!(app.step().await, Step::Idle, "not before its time");
                app.clock.advance(Duration::from_secs(1));
            }
            None => {
                assert_eq!(
                    (&delivery["state"], &delivery["next_at"]),
                    (&json!("failed"), &Value::Null)
                );
            }
        }
    }
    app.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(app.step().await, Step::Idle, "given up");
    assert_eq!(deliveries(&app, &id).await.len(), 1);
    // What is older than the log goes back is deleted, though nothing happens any more.
    app.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    assert_eq!(app.step().await, Step::Idle);
    let log = deliveries(&app, &id).await;
    assert!(log.is_empty(), "{log:?}");
}

/// An endpoint that gave up three events, and took one.
async fn given_up(app: &TestApp, receiver: &Receiver) -> (String, String) {
    let (id, secret) = endpoint(app, receiver, json!(["conversation.started"])).await;
    let bot = app.bot("Shop").await;
    bot.ask("Taken").await;
    app.work().await;
    assert_eq!(receiver.taken().len(), 1);
    for question in ["One", "Two", "Three"] {
        bot.ask(question).await;
    }
    for _ in 0..30 {
        receiver.answer(503, "");
    }
    for delay in [0].iter().chain(&DELAYS) {
        app.clock.advance(Duration::from_secs(*delay));
        app.work().await;
    }
    assert_eq!(receiver.taken().len(), 30);
    (id, secret)
}

async fn what_failed_can_be_sent_again(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    let (id, _) = given_up(&app, &receiver).await;
    let failed = format!("/webhooks/{id}/deliveries?state=failed");
    let failed = app.client.get(&failed).await.expect(200);
    assert_eq!(failed["pagination"]["total"], 3);
    let one = text(&failed["data"][0]["id"]).to_owned();
    let replay = format!("/webhooks/{id}/deliveries/{one}/replay");
    let replayed = app.client.post(&replay, json!({})).await.expect(202);
    assert_eq!(replayed["data"]["state"], "pending");
    assert_eq!(replayed["data"]["attempts"], 0);
    // Twice asked for, it is sent once.
    app.client.post(&replay, json!({})).await.expect(202);
    app.work().await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 1);
    let event = text(&failed["data"][0]["event_id"]);
    assert_eq!(taken[0].0["webhook-id"], event, "the same id as before");

    let all = format!("/webhooks/{id}/replay");
    let since = |since: &str| json!({"since": since});
    let later = app.client.post(&all, since("2030-01-01")).await.expect(202);
    assert_eq!(later["replayed"], 0);
    let replayed = app
        .client
        .post(&all, since("2025-01-22T04:00:00Z"))
        .await
        .expect(202);
    assert_eq!(replayed["replayed"], 2);
    app.work().await;
    assert_eq!(receiver.taken().len(), 2);
    let log = deliveries(&app, &id).await;
    assert!(
        log.iter().all(|delivery| delivery["state"] == "delivered"),
        "{log:?}"
    );
    let again = app.client.post(&all, since("2025-01-01")).await.expect(202);
    assert_eq!(again["replayed"], 0);
    // What was delivered may be sent again too.
    app.client.post(&replay, json!({})).await.expect(202);
    app.work().await;
    assert_eq!(receiver.taken().len(), 1);
    let odd = app.client.post(&all, since("yesterday")).await;
    odd.refused(400, "invalid_request", "since");
}

async fn an_endpoint_that_is_gone_is_switched_off(stage: Stage) {
    let receiver = Receiver::start().await;
    let app = receiver.app(stage).await;
    let (id, _) = endpoint(&app, &receiver, json!(["conversation.started"])).await;
    let bot = app.bot("Shop").await;
    receiver.answer(500, "");
    bot.ask("One").await;
    app.work().await;
    receiver.answer(410, "gone fishing");
    bot.ask("Two").await;
    app.work().await;
    let path = format!("/webhooks/{id}");
    let shown = app.client.get(&path).await.expect(200);
    assert_eq!(shown["data"]["active"], false);
    assert!(text(&shown["data"]["disabled_reason"]).contains("410"));
    assert_eq!(receiver.taken().len(), 2);
    // Nothing more is sent: neither what waited, nor what happens.
    app.clock.advance(Duration::from_secs(5));
    bot.ask("Three").await;
    app.work().await;
    assert_eq!(receiver.taken().len(), 0);
    let log = deliveries(&app, &id).await;
    assert_eq!(log.len(), 2);
    assert!(
        log.iter().all(|delivery| delivery["state"] == "failed"),
        "{log:?}"
    );
    let one = text(&log[0]["id"]);
    for call in [
        format!("{path}/deliveries/{one}/replay"),
        format!("{path}/test"),
    ] {
        let off = app.client.post(&call, json!({})).await;
        off.refused(409, "endpoint_off", "");
    }
    let on = app
        .client
        .patch(&path, json!({"active": true}))
        .await
        .expect(200);
    assert_eq!(on["data"]["disabled_reason"], Value::Null);
    let since = json!({"since": "2025-01-01"});
    let replayed = app
        .client
        .post(&format!("{path}/replay"), since)
        .await
        .expect(202);
    assert_eq!(replayed["replayed"], 2);
    app.work().await;
    assert_eq!(receiver.taken().len(), 2);
}
