//! What a mail server may be named as, and what it is told.

use okra_testkit::mail::MockMailServer;
use tokio::net::TcpListener;

use super::*;

const FROM: &str = "Okra <okra@example.com>";

#[test]
fn tls_is_required_but_on_this_machine() {
    let url = |url: &str| {
        let smtp = Smtp::parse(url, FROM).expect("valid");
        smtp.url.expose().to_owned()
    };
    for there in [
        "smtp://example.com",
        "smtp://k:p@127.example.com:25",
        "smtp://0.0.0.0",
    ] {
        assert!(url(there).ends_with("?tls=required"), "{there}");
    }
    for here in ["smtp://localhost:25", "smtp://k:p@127.0.0.1:2525"] {
        assert!(!url(here).contains("tls"), "{here}");
    }
    assert_eq!(url("smtps://k:p@example.com"), "smtps://k:p@example.com");
}

#[test]
fn what_cannot_be_used_is_refused_without_the_password() {
    for odd in [
        "example.com:587",
        "http://k:hush@example.com",
        "smtp://",
        "smtp://k:hush@[::1]:25",
        "smtp://k:hush@example.com/?tls=opportunistic",
        "smtp://k:hush@example.com/name",
        "smtp://k:hush@example.com#x",
        "smtp://k@example.com",
        "smtp://:hush@example.com",
        "smtp://k:hush@example.com:99999",
    ] {
        let error = Smtp::parse(odd, FROM).expect_err(odd).to_string();
        assert!(
            error.contains("OKRA_SMTP_URL") && !error.contains("hush"),
            "{error}"
        );
    }
    for odd in ["", "okra", "okra@example.com\nBcc: eve@example.com"] {
        let refused = Smtp::parse("smtp://k:hush@example.com", odd).expect_err(odd);
        let error = refused.to_string();
        assert!(
            error.contains("OKRA_SMTP_FROM") && !error.contains("hush"),
            "{error}"
        );
    }
    let smtp = Smtp::parse("smtp://k:hush@example.com", FROM).expect("valid");
    assert!(!format!("{smtp:?}").contains("hush"));
}

#[tokio::test]
async fn nothing_is_told_to_another_machine_without_tls() {
    let server = MockMailServer::start().await;
    // Reaches this machine, and is not known to be it.
    let url = server.url().replace("127.0.0.1", "0.0.0.0");
    let mailer = Mailer::new(&Smtp::parse(&url, FROM).expect("valid")).expect("TLS starts");
    mailer.check().await.expect_err("there is no TLS");
    let unsent = mailer.send(letter()).await.expect_err("not taken");
    assert!(matches!(unsent, Unsent::Later(_)), "{unsent:?}");
    let commands = server.commands();
    assert!(
        commands.iter().any(|command| command.starts_with("EHLO ")),
        "{commands:?}"
    );
    let told = |command: &String| command.starts_with("AUTH") || command.starts_with("MAIL");
    assert!(!commands.iter().any(told), "{commands:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("smtp://{}", silent.local_addr().expect("bound"));
    let mut mailer = Mailer::new(&Smtp::parse(&url, FROM).expect("valid")).expect("TLS starts");
    assert_eq!(mailer.patience, Duration::from_secs(10));
    mailer.patience = Duration::from_millis(20);
    let unsent = mailer.send(letter()).await.expect_err("not taken");
    assert!(matches!(unsent, Unsent::Later(_)), "{unsent:?}");
    let error = mailer.check().await.expect_err("nobody answers");
    assert!(error.to_string().contains("OKRA_SMTP_URL"), "{error}");
}

fn letter() -> Letter<'static> {
    Letter {
        id: Uuid::nil(),
        to: "lee@example.com",
        subject: "About",
        text: "Text.",
    }
}
