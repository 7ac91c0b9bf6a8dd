//! Webhooks: what endpoints are sent, signed, again where they failed, and as a log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use okra_domain::Timestamp;
use okra_engine::worker::Step;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::{Client, Page, Stage, TestApp, keys_of, list, public_bot, said, sorted, text};

stories! {
    whatever_happens_is_sent_and_verifies,
    an_endpoint_is_told_what_it_asked_for_alone,
    without_endpoints_nothing_is_written,
    an_item_that_cannot_be_read_is_told,
    a_lead_is_told_once_an_address,
    a_failing_endpoint_is_tried_again_until_it_is_given_up,
    what_failed_can_be_sent_again,
    an_endpoint_that_is_gone_is_switched_off,
    a_secret_is_rotated_with_an_overlap,
    a_delivery_outlives_the_server,
    only_addresses_that_may_be_reached_are_taken,
    endpoints_are_their_organizations_own,
    a_test_event_shows_whether_an_endpoint_answers,
}

/// An address that is sent events.
struct Receiver {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<(HeaderMap, Bytes)>>,
    answers: Mutex<VecDeque<(u16, &'static str)>>,
}

impl Receiver {
    async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            // It ends by being aborted; a failed accept shows as a failed test.
            let _ = axum::serve(listener, router).await;
        });
        Self {
            url: format!("http://{address}/hooks"),
            shared,
            server,
        }
    }

    /// The application, which may reach this address.
    async fn app(&self, stage: Stage) -> TestApp {
        let host = self.url.trim_start_matches("http://");
        let host = host.trim_end_matches("/hooks");
        stage.app_with(&[("OKRA_FETCH_ALLOW", host)]).await
    }

    /// What to answer to the next request that has no answer yet; else it is 204.
    fn answer(&self, status: u16, body: &'static str) {
        let mut answers = self.shared.answers.lock().expect("whole");
        answers.push_back((status, body));
    }

    /// What came since the last look.
    fn taken(&self) -> Vec<(HeaderMap, Bytes)> {
        std::mem::take(&mut *self.shared.received.lock().expect("whole"))
    }

    /// The events that came since the last look, each of which this secret signed.
    fn events(&self, secret: &str) -> Vec<Value> {
        let webhook = Webhook::new(secret).expect("a secret");
        let taken = self.taken().into_iter();
        let checked = taken.map(|(headers, body)| {
            assert_eq!(headers["content-type"], "application/json");
            webhook
                .verify(&body, &headers)
                .expect("the signature is right");
            let event: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(keys_of(&event), sorted("type timestamp data"));
            event
        });
        checked.collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    shared.received.lock().expect("whole").push((headers, body));
    let answer = shared.answers.lock().expect("whole").pop_front();
    let (status, body) = answer.unwrap_or((204, ""));
    let status = StatusCode::from_u16(status).expect("a status");
    // To where a redirect would lead, were it followed.
    (status, [("location", "/elsewhere")], body).into_response()
}

/// An endpoint of the organization that is told of these kinds; gives its id and its secret.
async fn endpoint(app: &TestApp, receiver: &Receiver, events: Value) -> (String, String) {
    let body = json!({"url": receiver.url, "events": events});
    let made = app.client.post("/webhooks", body).await.expect(201);
    let secret = text(&made["secret"]).to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    (text(&made["data"]["id"]).to_owned(), secret)
}

/// Moves the story to the present, by which the reference library judges timestamps.
fn now(app: &TestApp) {
    let time = std::time::SystemTime::now();
    let time = time
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let micros = i64::try_from(time.as_micros()).expect("not for long");
    app.clock.advance(Timestamp(micros).since(app.clock.now()));
}

async fn deliveries(app: &TestApp, id: &str) -> Vec<Value> {
    let path = format!("/webhooks/{id}/deliveries?limit=200");
    list(&app.client.get(&path).await.expect(200)["data"]).clone()
}

fn types(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = events.iter().map(|event| text(&event["type"])).collect();
    types.sort_unstable();
    types
}

fn of<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    let event = events.iter().find(|event| event["type"] == kind);
    &event.unwrap_or_else(|| panic!("no {kind}: {events:?}"))["data"]
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
    // The next event takes with it what is older than the log goes back.
    app.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    app.bot("Other").await.ask("Hello?").await;
    app.work().await;
    let log = deliveries(&app, &id).await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0]["state"], "delivered");
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
