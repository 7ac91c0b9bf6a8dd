//! `okra export`, `okra import` and `okra qna`: a chatbot and its pairs as files.

use serde_json::json;

use crate::okra::{Okra, workspace_file};

const QUESTION: &str = "What does express shipping cost?";

#[tokio::test]
async fn a_chatbot_answers_on_another_server_as_on_the_first() {
    let mut okra = Okra::new();
    let server = okra.serve_with_key().await;
    server.chatbot("Coffee help").await;
    let handbook = workspace_file("examples/handbook.pdf");
    let handbook = handbook.to_str().expect("UTF-8");
    okra.run(&["ingest", "coffee-help", handbook]).await;
    let archive = okra.file("coffee.zip");
    let ran = okra.run(&["export", "coffee-help", &archive]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.err.contains("coffee-help is in "), "{ran:?}");
    let answer = okra.run(&["ask", "coffee-help", QUESTION]).await;

    let other = Okra::new();
    let ran = other
        .run(&["import", &archive, "--organization", "Elsewhere"])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.trim_end().ends_with("\tcoffee-help"), "{ran:?}");
    assert!(ran.err.contains("1 items, 1 files"), "{ran:?}");
    let there = other.run(&["ask", "coffee-help", QUESTION]).await;
    assert_eq!((there.out, there.err), (answer.out, answer.err));
    let named = [
        "import",
        &archive,
        "--organization",
        "Elsewhere",
        "--name",
        "Tea help",
    ];
    let ran = other.run(&named).await;
    assert!(ran.out.trim_end().ends_with("\ttea-help"), "{ran:?}");

    // A broken file says so, and leaves nothing; a whole one is not overwritten by a failed export.
    let whole = std::fs::read(&archive).expect("the archive");
    let cut = other.file("cut.zip");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    let ran = other
        .run(&["import", &cut, "--organization", "Elsewhere"])
        .await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("ends too early"), "{ran:?}");
    let ran = okra.run(&["export", "nobody", &archive]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(std::fs::read(&archive).expect("the archive"), whole);
    let listed = other.run(&["chatbots", "list"]).await;
    assert_eq!(listed.out.lines().count(), 2, "{listed:?}");
    server.stop().await;
}

#[tokio::test]
async fn pairs_come_from_a_spreadsheet_and_go_back() {
    let mut okra = Okra::new();
    let server = okra.serve_with_key().await;
    let id = server.chatbot("Coffee help").await;
    let file = okra.file("pairs.csv");
    std::fs::write(&file, "question;answer\nAre dogs allowed?;Yes.\nOpen?;\n").expect("written");
    let ran = okra.run(&["qna", "import", "coffee-help", &file]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    for part in [
        "line 3: It has no answer. (Open?)",
        "1 taken, 0 changed, 0 known, 1 refused",
    ] {
        assert!(ran.err.contains(part), "{part:?} in {ran:?}");
    }
    let items = server.items(&id).await;
    assert_eq!((items.len(), &items[0]["status"]), (1, &json!("ready")));
    std::fs::write(&file, "Are dogs allowed?,Only small ones.\n").expect("written");
    let ran = okra
        .run(&["qna", "import", "coffee-help", &file, "--replace"])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = okra.run(&["qna", "export", "coffee-help"]).await;
    let expected = "\u{feff}question,answer\r\nAre dogs allowed?,Only small ones.\r\n";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{ran:?}");
    let ran = okra
        .run(&["qna", "import", "coffee-help", "nothing.csv"])
        .await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    server.stop().await;
}
