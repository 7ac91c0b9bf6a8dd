//! Links by e-mail, where a mail server is configured, and what people reply to visitors who are away.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okra_domain::person::Role;
use okra_engine::worker::Step;
use okra_testkit::mail::MockMailServer;
use serde_json::{Value, json};

use crate::support::{Bot, Page, Stage, TestApp, at, begun, list, public_bot, text};

stories! {
    links_are_sent_to_whom_they_are_for,
    a_link_that_cannot_be_sent_is_shown_all_the_same,
    a_reply_that_is_not_seen_is_mailed,
    a_reply_is_mailed_once_the_mail_server_takes_it,
    letters_are_few_and_go_to_whom_left_an_address,
}

const LEE: &str = "lee@example.com";

async fn app(stage: Stage, url: &str) -> TestApp {
    let from = ("OKRA_SMTP_FROM", "Okra <okra@example.com>");
    stage.app_with(&[("OKRA_SMTP_URL", url), from]).await
}

async fn invite(app: &TestApp, email: &str) -> Value {
    let input = json!({"email": email, "role": "agent"});
    app.client.post("/people", input).await.expect(201)
}

/// A letter's headers, and its text.
fn read(letter: &str) -> (&str, String) {
    let (headers, body) = letter.split_once("\r\n\r\n").expect("headers and a body");
    let bytes = STANDARD.decode(body.split_whitespace().collect::<String>());
    let text = String::from_utf8(bytes.expect("base64"));
    (headers, text.expect("UTF-8"))
}

async fn links_are_sent_to_whom_they_are_for(stage: Stage) {
    let server = MockMailServer::start().await;
    let app = app(stage, &server.url()).await;
    let invited = invite(&app, LEE).await;
    assert_eq!(invited["sent"], json!(true));
    app.member("Ours", "kim@example.com", Role::Viewer).await;
    let people = app.client.get("/people").await.expect(200);
    let path = format!(
        "/people/{}/reset-link",
        text(&list(&people["data"])[0]["id"])
    );
    let reset = app.client.post(&path, json!({})).await.expect(200);
    assert_eq!(reset["sent"], json!(true));

    let letters = server.letters();
    assert_eq!(letters.len(), 2);
    for (letter, answer, to) in [
        (&letters[0], &invited, LEE),
        (&letters[1], &reset, "kim@example.com"),
    ] {
        let (headers, words) = read(letter);
        let lines: Vec<&str> = headers.lines().collect();
        assert!(
            lines.contains(&"From: Okra <okra@example.com>"),
            "{headers}"
        );
        assert!(lines.contains(&format!("To: {to}").as_str()), "{headers}");
        let link = text(&answer["link"]);
        assert!(words.lines().any(|line| line == link), "{words}");
        assert!(words.contains("Ours") && words.contains("링크"), "{words}");
    }
    assert!(read(&letters[0]).1.contains("You are invited"));
    assert!(read(&letters[1]).1.contains("a new password"));
    let recipients: Vec<String> = server.commands();
    let recipients = recipients.iter().filter(|line| line.starts_with("RCPT"));
    let expected = ["RCPT TO:<lee@example.com>", "RCPT TO:<kim@example.com>"];
    assert!(recipients.eq(expected.iter()));
}

async fn a_link_that_cannot_be_sent_is_shown_all_the_same(stage: Stage) {
    let server = MockMailServer::start().await;
    let app = app(stage, &server.url()).await;
    let shown = async |email: &str| {
        let invited = invite(&app, email).await;
        let token = text(&invited["link"]).split_once('#').expect("a token").1;
        let input = json!({"token": token});
        let link = app.nobody().account("POST", "/links/show", input).await;
        assert_eq!(link.expect(200)["kind"], json!("invitation"));
        invited["sent"].clone()
    };
    // An address as Okra takes it, which mail does not.
    assert_eq!(shown("a..b@example.com").await, json!(false));
    assert_eq!(shown(LEE).await, json!(true));
    server.refuse();
    assert_eq!(shown(LEE).await, json!(false));
    drop(server);
    assert_eq!(shown(LEE).await, json!(false));
}

/// A visitor on the page of a chatbot that has replies sent, and the person who answers.
struct Talk {
    app: TestApp,
    bot: Bot,
    page: Page,
    session: Value,
}

impl Talk {
    async fn begin(app: TestApp, visitor: Value) -> Self {
        let (bot, slug) = public_bot(&app).await;
        let settings = json!({"settings": {"isEmailFollowUpEnabled": true}});
        app.client.patch(&bot.path(""), settings).await.expect(200);
        let page = Page::new(&app, &slug, None).begun(visitor).await;
        let session = begun(&page).await;
        Self {
            app,
            bot,
            page,
            session,
        }
    }

    async fn reply(&self, words: &str) -> Value {
        let path = at(&self.bot, &self.session, "/messages");
        let input = json!({"content": words, "name": "Minji"});
        self.app.client.post(&path, input).await.expect(201)["message"].clone()
    }

    /// Works off what is due after a time.
    async fn after(&self, time: Duration) {
        self.app.clock.advance(time);
        self.app.work().await;
    }

    /// What the person is shown of each of their messages' letters.
    async fn notes(&self) -> Vec<Value> {
        let messages = self.bot.messages(&self.session).await;
        let agents = messages.iter().filter(|it| it["sender_type"] == "agent");
        agents
            .map(|it| it["metadata"]["mail"]["state"].clone())
            .collect()
    }
}

/// As long as a visitor has to see a reply, and a little more.
const AWAY: Duration = Duration::from_secs(125);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn kim() -> Value {
    json!({"email": "kim@example.com", "language": "en"})
}

async fn a_reply_that_is_not_seen_is_mailed(stage: Stage) {
    let server = MockMailServer::start().await;
    let talk = Talk::begin(app(stage, &server.url()).await, kim()).await;
    talk.reply("We have <b>one</b>.").await;
    talk.after(Duration::from_secs(60)).await;
    talk.reply("한 개 남았어요.").await;
    assert_eq!(
        server.letters().len(),
        0,
        "who is still there reads it there"
    );
    talk.after(Duration::from_secs(65)).await;
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    let (headers, words) = read(&letters[0]);
    for line in [
        "From: Okra <okra@example.com>",
        "To: kim@example.com",
        "Subject: Teapots: you have a reply",
        "Content-Type: text/plain; charset=utf-8",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(headers.lines().any(|it| it == line), "{line}: {headers}");
    }
    let link = format!("https://chat.example.com/c/{}", talk.page.slug);
    for part in ["Minji:\r\nWe have <b>one</b>.", "한 개 남았어요.", &link] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!(talk.notes().await, ["sent", "sent"]);
    // The link leads to a page that is there.
    assert_eq!(talk.app.fetch(&link).await.status, 200);
    // What went out does not go out again, nor what was read, nor what was answered.
    talk.after(AWAY).await;
    let said = talk.reply("Are you there?").await;
    let seen = json!({"message_id": said["id"]});
    let read = talk.page.call("PUT", "/read", Some(seen)).await;
    read.expect_nothing(204);
    talk.after(AWAY).await;
    talk.reply("And now?").await;
    talk.page.ask("Yes!").await.events();
    talk.after(AWAY).await;
    // What comes after something that was read has its own two minutes.
    let said = talk.reply("Good.").await;
    talk.app.clock.advance(Duration::from_secs(90));
    talk.reply("We are sending it.").await;
    let seen = json!({"message_id": said["id"]});
    let read = talk.page.call("PUT", "/read", Some(seen)).await;
    read.expect_nothing(204);
    talk.after(Duration::from_secs(60)).await;
    assert_eq!(server.letters().len(), 1);
    talk.after(Duration::from_secs(60)).await;
    assert_eq!(server.letters().len(), 2);
    assert_eq!(
        talk.app.engine.store().open_jobs().await.expect("counted"),
        0
    );
}

async fn a_reply_is_mailed_once_the_mail_server_takes_it(stage: Stage) {
    let server = MockMailServer::start().await;
    let mut talk = Talk::begin(app(stage, &server.url()).await, kim()).await;
    server.put_off(true);
    talk.reply("We have one.").await;
    talk.app.clock.advance(AWAY);
    assert_eq!(talk.app.step().await, Step::Deferred);
    talk.app = talk.app.killed_and_started().await;
    server.put_off(false);
    assert_eq!(talk.app.step().await, Step::Idle, "not at once");
    talk.app.clock.advance(Duration::from_secs(61));
    assert_eq!(talk.app.step().await, Step::Done);
    assert_eq!(server.letters().len(), 1);
    talk.after(100 * HOUR).await;
    assert_eq!(server.letters().len(), 1, "once");
    // Where nobody knows whether it was taken it is sent again, and mailboxes tell that they have it.
    server.deny(true);
    talk.reply("And a cup.").await;
    talk.app.clock.advance(AWAY);
    assert_eq!(talk.app.step().await, Step::Deferred);
    server.deny(false);
    talk.after(AWAY).await;
    let letters = server.letters();
    let ids = letters.iter().map(|it| {
        let mut lines = read(it).0.lines();
        lines
            .find(|line| line.starts_with("Message-ID: "))
            .expect("an id")
            .to_owned()
    });
    let ids: Vec<String> = ids.collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[0] != ids[1] && ids[1] == ids[2], "{ids:?}");
    // What the server refuses for good is not tried again; what it puts off is given up in the end.
    server.refuse();
    talk.reply("And another.").await;
    talk.app.clock.advance(AWAY);
    assert_eq!(talk.app.step().await, Step::Failed);
    drop(server);
    talk.reply("And a third.").await;
    for _ in 0..6 {
        talk.app.clock.advance(25 * HOUR);
        let expected = [Step::Deferred, Step::Failed];
        assert!(expected.contains(&talk.app.step().await));
    }
    assert_eq!(talk.app.step().await, Step::Idle);
    assert_eq!(talk.notes().await, ["sent", "sent", "failed", "failed"]);
    assert_eq!(
        talk.app.engine.store().open_jobs().await.expect("counted"),
        0
    );
}

async fn letters_are_few_and_go_to_whom_left_an_address(stage: Stage) {
    let server = MockMailServer::start().await;
    let talk = Talk::begin(app(stage, &server.url()).await, kim()).await;
    for number in 0..12 {
        talk.reply(&format!("Reply {number}")).await;
        talk.after(AWAY).await;
    }
    assert_eq!(server.letters().len(), 10, "ten a day");
    talk.after(24 * HOUR).await;
    let letters = server.letters();
    assert_eq!(letters.len(), 11);
    let words = read(&letters[10]).1;
    assert!(
        words.contains("Reply 10") && words.contains("Reply 11"),
        "{words}"
    );
    // Switched off, nothing more goes out, not even what waits.
    talk.reply("Reply 12").await;
    let settings = json!({"settings": {"isEmailFollowUpEnabled": false}});
    talk.bot
        .client
        .patch(&talk.bot.path(""), settings)
        .await
        .expect(200);
    talk.after(AWAY).await;
    // An address that Okra takes and mail does not; one that would write a header; and none.
    for (visitor, states) in [
        (json!({"email": "a..b@example.com"}), json!("failed")),
        (json!({}), Value::Null),
    ] {
        let settings = json!({"settings": {"isEmailFollowUpEnabled": true}});
        talk.bot
            .client
            .patch(&talk.bot.path(""), settings)
            .await
            .expect(200);
        let page = Page::new(&talk.app, &talk.page.slug, None)
            .begun(visitor)
            .await;
        let session = begun(&page).await;
        let path = at(&talk.bot, &session, "/messages");
        let said = talk
            .app
            .client
            .post(&path, json!({"content": "Hello?"}))
            .await;
        said.expect(201);
        talk.after(AWAY).await;
        let messages = talk.bot.messages(&session).await;
        let last = messages.last().expect("the person's");
        assert_eq!(last["metadata"]["mail"]["state"], states);
    }
    let odd = json!({"email": "kim@example.com\r\nBcc: eve@example.com"});
    let odd = Page::new(&talk.app, &talk.page.slug, None)
        .session(odd)
        .await;
    odd.refused(400, "invalid_request", "email");
    assert_eq!(server.letters().len(), 11);
}
