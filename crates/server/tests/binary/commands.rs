//! Each command does what its help says, and says what was wrong.

use std::net::TcpListener;

use okra_store::testing;
use okra_testkit::mail::MockMailServer;
use serde_json::{Value, json};

use crate::okra::{Okra, workspace_file};

/// The words of a shell command line, as a shell splits them.
fn shell_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for character in text.replace("\\\n", " ").chars() {
        match character {
            '\'' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[tokio::test]
async fn the_first_start_prints_a_key_and_a_command_that_works() {
    let okra = Okra::new();
    let mut server = okra.serve().await;
    let greeting = server.out.wait_for("-d '").await;
    let greeting = match greeting.ends_with("}'\n") {
        true => greeting,
        false => server.out.wait_for("}'\n").await,
    };
    let command = &greeting[greeting.find("curl").expect("a command to paste")..];
    let words = shell_words(command);
    assert_eq!(words[..2], ["curl", "-s"]);
    let mut request = server.client.post(&words[2]);
    for option in words[3..].chunks(2) {
        request = match (option[0].as_str(), option[1].split_once(": ")) {
            ("-H", Some((name, value))) => request.header(name, value),
            ("-d", _) => request.body(option[1].clone()),
            _ => panic!("{option:?} is none of curl's options that are known here"),
        };
    }
    let (status, body) = server.send(request).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.to_string().contains("My first bot"), "{body}");
    let words: Vec<&str> = greeting.split_whitespace().collect();
    let key = words.iter().find(|word| word.len() == 48);
    let key = (*key.expect("a key of its own line")).to_owned();
    let link = words.iter().find(|word| word.contains("/link#"));
    let token = link.and_then(|link| link.split_once('#'));
    let (page, token) = token.expect("a link to set up with");
    assert_eq!(page, format!("{}/link", server.url));
    let token = token.to_owned();
    let (out, err) = server.stop().await;
    assert_eq!(out.matches(&key).count(), 2, "shown, and in the command");
    assert!(!err.contains(&token), "nor are links: {err}");
    assert!(!err.contains(&key), "keys are not logged: {err}");

    let mut server = okra.serve().await;
    server.key = key;
    let chatbots = server.get("/api/external/chatbots").await;
    assert_eq!(chatbots["chatbots"].as_array().map(Vec::len), Some(1));
    let (out, err) = server.stop().await;
    assert!(
        !out.contains("API key") && !err.contains(&out[..48]),
        "{out}"
    );
    assert!(
        out.contains("/link#") && !out.contains(&token),
        "a fresh link: {out}"
    );
}

#[tokio::test]
async fn keys_work_at_once_and_end_at_once() {
    let okra = Okra::new();
    let mut server = okra.serve().await;
    let made = okra
        .run(&["keys", "create", "--organization", "서울 상점"])
        .await;
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    let key = made.out.strip_suffix('\n').expect("a line").to_owned();
    let hex = key.len() == 48 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(hex, "the key alone: {key:?}");
    server.key = key.clone();
    let chatbots = server.get("/api/external/chatbots").await;
    assert_eq!(chatbots["chatbots"], json!([]));

    let listed = okra.run(&["keys", "list"]).await;
    let lines: Vec<&str> = listed.out.lines().collect();
    assert_eq!((listed.code, lines.len()), (Some(0), 2), "{listed:?}");
    assert!(!listed.out.contains(&key));
    let line = lines.iter().find(|line| line.contains("서울 상점"));
    let fields: Vec<&str> = line.expect("its line").split('\t').collect();
    assert_eq!(
        (fields[2], fields[5]),
        (format!("…{}", &key[44..]).as_str(), "active")
    );

    let revoked = okra.run(&["keys", "revoke", fields[0]]).await;
    assert_eq!((revoked.code, revoked.out.as_str()), (Some(0), ""));
    let request = server.request("GET", "/api/external/chatbots");
    assert_eq!(server.send(request).await.0, 401);
    let again = okra.run(&["keys", "revoke", fields[0]]).await;
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("okra keys list"), "{again:?}");
    let listed = okra.run(&["keys", "list"]).await;
    assert!(listed.out.contains("revoked 20"), "{listed:?}");
}

#[tokio::test]
async fn a_file_is_taken_in_and_answers() {
    let mut okra = Okra::new();
    let server = okra.serve_with_key().await;
    server.chatbot("Coffee help").await;
    // Beside the running server; whoever is first reads the file.
    let handbook = workspace_file("examples/handbook.pdf");
    let handbook = handbook.to_str().expect("UTF-8");
    let ingested = okra.run(&["ingest", "coffee-help", handbook]).await;
    assert_eq!(
        (ingested.code, ingested.out.as_str()),
        (Some(0), ""),
        "{ingested:?}"
    );
    assert!(
        ingested
            .err
            .contains("1 of 1 in the knowledge of coffee-help"),
        "{ingested:?}"
    );
    let again = okra.run(&["ingest", "coffee-help", handbook]).await;
    assert_eq!(again.code, Some(0), "{again:?}");

    let question = "What does express shipping cost?";
    let answer = okra.run(&["ask", "coffee-help", question]).await;
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.out.contains("12.50"), "{answer:?}");
    assert!(answer.err.contains("handbook.pdf, chunk "), "{answer:?}");
    assert!(answer.err.contains(", page "), "{answer:?}");

    let listed = okra.run(&["chatbots", "list"]).await;
    let fields: Vec<&str> = listed.out.trim_end().split('\t').collect();
    assert_eq!(fields[1..], ["coffee-help", "Default", "Coffee help"]);
    let items = server.items(fields[0]).await;
    assert_eq!((items.len(), &items[0]["status"]), (1, &json!("ready")));

    let missing = okra
        .run(&["ingest", "coffee-help", "no-such-file.pdf"])
        .await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("no-such-file.pdf"), "{missing:?}");
    let unknown = okra.run(&["ask", "nobody", question]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), ""));
    assert!(unknown.err.contains("okra chatbots list"), "{unknown:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_fails_the_command_with_its_reason() {
    let mut okra = Okra::new();
    let server = okra.serve_with_key().await;
    server.chatbot("Help").await;
    server.stop().await;
    let folder = okra.data().join("inbox/deeper");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("좋은 글.md"), "# Hours\n\nWe open at nine.").expect("written");
    std::fs::write(folder.join("bad.pdf"), "%PDF-1.4\nnot a PDF at all").expect("written");
    let inbox = okra.data().join("inbox");
    let ran = okra
        .run(&["ingest", "help", inbox.to_str().expect("UTF-8")])
        .await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains("ready    좋은 글.md (1 chunks)"),
        "{ran:?}"
    );
    assert!(ran.err.contains("failed   bad.pdf: "), "{ran:?}");
    assert!(
        ran.err.contains("1 of 2 in the knowledge of help"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn the_description_and_the_settings_are_printed_without_touching_anything() {
    let okra = Okra::new();
    let printed = okra.run(&["openapi"]).await;
    assert_eq!(printed.code, Some(0));
    let api: Value = serde_json::from_str(&printed.out).expect("JSON");
    assert!(
        api["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    assert!(
        api["paths"]
            .as_object()
            .is_some_and(|paths| paths.len() > 5)
    );

    let defaults = okra.run(&["check-config", "--defaults"]).await;
    assert_eq!(defaults.code, Some(0));
    assert!(defaults.out.contains("OKRA_LISTEN"));
    assert!(!okra.data().exists());
}

#[tokio::test]
async fn settings_are_checked_and_the_fix_is_named() {
    let good = Okra::new().with("OPENAI_API_KEY", "sk-secret-1234567");
    let ran = good.run(&["check-config"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("The settings are valid."), "{ran:?}");
    assert!(!ran.out.contains("sk-secret"), "{ran:?}");

    let check = async |name: &str, value: &str, parts: &[&str]| {
        let okra = Okra::new().with(name, value);
        for command in ["check-config", "serve"] {
            let ran = okra.run(&[command]).await;
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
            assert!(ran.err.starts_with("okra: "), "{ran:?}");
            for part in parts {
                assert!(ran.err.contains(part), "{part:?} in {ran:?}");
            }
        }
    };
    check(
        "OKRA_LISTEN",
        "8080",
        &["OKRA_LISTEN", "127.0.0.1:8080", "\"8080\""],
    )
    .await;
    check("OKRA_WORKERS", "many", &["OKRA_WORKERS", "whole number"]).await;
    check(
        "OKRA_DATABASE_URL",
        "mysql://x",
        &["OKRA_DATABASE_URL", "postgres://"],
    )
    .await;
    check(
        "OKRA_STORAGE_URL",
        "ftp://x",
        &["OKRA_STORAGE_URL", "s3://"],
    )
    .await;
    check("OKRA_CONFIG", "no-such.toml", &["no-such.toml"]).await;
    check("OKRA_LOG", "a=b=c", &["OKRA_LOG"]).await;
    check(
        "OKRA_SMTP_URL",
        "smtp://kim:hush@mail.example.com",
        &["OKRA_SMTP_FROM", "okra@example.com"],
    )
    .await;
}

#[tokio::test]
async fn the_mail_server_is_signed_in_to_before_it_is_needed() {
    let server = MockMailServer::start().await;
    let check = async |url: &str| {
        let okra = Okra::new().with("OKRA_SMTP_URL", url);
        let okra = okra.with("OKRA_SMTP_FROM", "Okra <okra@example.com>");
        okra.run(&["check-config"]).await
    };
    let ran = check(&server.url()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("127.0.0.1, reachable"), "{ran:?}");
    let ran = check(&server.url().replace("pass%20word", "guess")).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    for part in ["127.0.0.1", "OKRA_SMTP_URL", "no such login"] {
        assert!(ran.err.contains(part), "{part:?} in {ran:?}");
    }
    assert!(!ran.err.contains("guess"), "{ran:?}");
    assert_eq!(server.letters(), Vec::<String>::new());
}

#[tokio::test]
async fn a_port_in_use_is_told_and_the_key_is_not_lost() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let okra = Okra::new();
    let ran = okra.run(&["serve", "--listen", &address]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    for part in ["cannot listen on", &address, "--listen", "OKRA_LISTEN"] {
        assert!(ran.err.contains(part), "{ran:?}");
    }
    // The key is made only once there is a server that it is good for.
    let server = okra.serve().await;
    let (out, _) = server.stop().await;
    assert!(out.contains("Your API key, shown this once"), "{out}");
}

#[tokio::test]
async fn a_newer_database_is_refused_by_every_command() {
    let okra = Okra::new();
    okra.serve().await.stop().await;
    testing::pretend_newer(&okra.database_url()).await;
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["keys", "list"]] {
        let ran = okra.run(command).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.contains("made by a newer Okra"), "{ran:?}");
        assert!(ran.err.contains("Start the newer binary"), "{ran:?}");
    }
}
