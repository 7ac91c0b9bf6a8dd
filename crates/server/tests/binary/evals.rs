//! `okra eval`: what CI sees of a chatbot's knowledge.

use okra_testkit::provider::{ErrorReply, MockProvider, RerankScript};
use serde_json::{Value, json};

use crate::okra::{Okra, workspace_file};

/// Writes the file of questions; gives its path.
fn write(okra: &Okra, text: &str) -> String {
    let path = okra.file("returns.jsonl");
    std::fs::write(&path, text).expect("written");
    path
}

#[tokio::test]
async fn an_eval_tells_ci_how_much_is_found() {
    let mut okra = Okra::new();
    let server = okra.serve_with_key().await;
    server.chatbot("Coffee help").await;
    let handbook = workspace_file("examples/handbook.pdf");
    let handbook = handbook.to_str().expect("UTF-8");
    okra.run(&["ingest", "coffee-help", handbook]).await;
    let good =
        "{\"question\": \"How long do I have to return a machine?\", \"answer\": \"30 days\"}\n";
    let file = write(&okra, good);
    let eval = async |more: &[&str]| {
        let mut arguments = vec!["eval", "coffee-help", file.as_str()];
        arguments.extend(more);
        okra.run(&arguments).await
    };
    let ran = eval(&["--min-found-at-5", "1"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("found at 5      1.000"), "{ran:?}");

    let both = format!("{good}{{\"question\": \"Who owns the moon?\", \"answer\": \"xyzzy\"}}\n");
    write(&okra, &both);
    let ran = eval(&[
        "--compare",
        "--min-found-at-5",
        "0.8",
        "--min-refusals",
        "1",
    ])
    .await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for part in [
        "found at 5 is 0.500, below 0.8",
        "refusals right has no questions",
    ] {
        assert!(ran.err.contains(part), "{part:?} in {ran:?}");
    }
    for part in [
        "(-0.500)",
        "0 better, 0 worse, 1 unchanged, 1 new",
        "first came",
    ] {
        assert!(ran.out.contains(part), "{part:?} in {ran:?}");
    }
    let ran = eval(&["--json"]).await;
    let run: Value = serde_json::from_str(&ran.out).expect("JSON alone");
    assert_eq!(run["results"][1]["change"], "unchanged", "{run}");
    assert_eq!(
        (ran.code, &run["scores"]["found_at_1"]),
        (Some(0), &json!(0.5))
    );

    write(&okra, &format!("{good}{{\"question\": 7}}\n\nno\n"));
    let ran = eval(&[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    for part in ["returns.jsonl", "line 2: ", "line 4: "] {
        assert!(ran.err.contains(part), "{part:?} in {ran:?}");
    }
    let ran = okra.run(&["eval", "coffee-help", "nothing.jsonl"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let ran = eval(&["--min-mrr", "2"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("from 0 to 1"), "{ran:?}");
    let ran = okra.run(&["eval", "coffee-help"]).await;
    assert_eq!(ran.code, Some(2), "a file or a draft: {ran:?}");
    let ran = eval(&["--draft"]).await;
    assert_eq!(ran.code, Some(2), "not both: {ran:?}");
    let ran = okra.run(&["eval", "nobody", file.as_str()]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_first_file_of_questions_is_drafted() {
    let mut okra = Okra::new();
    let server = okra.serve_with_key().await;
    server.chatbot("Coffee help").await;
    let ran = okra.run(&["eval", "coffee-help", "--draft"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("neither Q&A pairs nor"), "{ran:?}");
    let pairs = okra.file("pairs.csv");
    let text = "question,answer\nAre dogs allowed?,Only guide dogs.\n";
    std::fs::write(&pairs, text).expect("written");
    let imported = okra.run(&["qna", "import", "coffee-help", &pairs]).await;
    assert_eq!(imported.code, Some(0), "{imported:?}");
    let ran = okra.run(&["eval", "coffee-help", "--draft"]).await;
    let line = "{\"question\":\"Are dogs allowed?\",\"passage\":\"Only guide dogs.\"}\n";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), line), "{ran:?}");
    let file = write(&okra, &ran.out);
    let ran = okra.run(&["eval", "coffee-help", &file]).await;
    assert_eq!(ran.code, Some(0), "what is drafted can be run: {ran:?}");
    server.stop().await;
}

#[tokio::test]
async fn scores_that_are_not_the_chatbots_own_are_a_failure() {
    let provider = MockProvider::start().await;
    let allow = provider.address().to_string();
    let mut okra = Okra::new().with("OKRA_PROVIDER_ALLOW", &allow);
    let server = okra.serve_with_key().await;
    let bot = server.chatbot("Coffee help").await;
    let handbook = workspace_file("examples/handbook.pdf");
    let handbook = handbook.to_str().expect("UTF-8");
    okra.run(&["ingest", "coffee-help", handbook]).await;
    let path = format!("/api/external/chatbot/{bot}/reranker");
    let reranker = json!({"base_url": provider.base_url(), "model": "mock-reranker"});
    let (status, body) = server
        .send(server.request("PUT", &path).json(&reranker))
        .await;
    assert_eq!(status, 200, "{body}");
    let file = write(
        &okra,
        "{\"question\": \"How long do I have to return a machine?\", \"answer\": \"30 days\"}\n",
    );
    let arguments = [
        "eval",
        "coffee-help",
        file.as_str(),
        "--min-found-at-10",
        "1",
    ];
    let ran = okra.run(&arguments).await;
    assert_eq!(
        (ran.code, ran.err.contains("own")),
        (Some(0), false),
        "{ran:?}"
    );
    provider.rerank_by_default(RerankScript::Error(ErrorReply::new(400, "Not today.")));
    let ran = okra.run(&arguments).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told = "for 1 of 1 questions the scores are not the chatbot's own. The reranker failed";
    assert!(
        ran.err.contains(told) && ran.err.contains("Not today."),
        "{ran:?}"
    );
    assert!(ran.out.contains("found at 10     1.000"), "{ran:?}");
    server.stop().await;
}
