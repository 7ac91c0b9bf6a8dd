//! Links by e-mail, where a mail server is configured.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okra_domain::person::Role;
use okra_testkit::mail::MockMailServer;
use serde_json::{Value, json};

use crate::support::{Stage, TestApp, list, text};

stories! {
    links_are_sent_to_whom_they_are_for,
    a_link_that_cannot_be_sent_is_shown_all_the_same,
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
