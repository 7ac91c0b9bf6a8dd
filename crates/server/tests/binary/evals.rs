//! `okra eval`: what CI sees of a chatbot's knowledge.

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
    let ran = okra.run(&["eval", "nobody", file.as_str()]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    server.stop().await;
}
