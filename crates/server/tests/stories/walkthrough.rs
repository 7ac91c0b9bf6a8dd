//! The README's own walk-through: a key, a chatbot, a real PDF, a question, a streamed answer with
//! its source.

use serde_json::json;

use crate::support::{Stage, one_event, text};

stories! {
    a_stranger_gets_an_answer_from_a_real_pdf,
}

const HANDBOOK: &[u8] = include_bytes!("../../../../examples/handbook.pdf");

async fn a_stranger_gets_an_answer_from_a_real_pdf(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Okra Coffee").await;
    let item = bot.upload_one("handbook.pdf", HANDBOOK).await;
    assert_eq!(item["status"], "pending");
    app.work().await;
    let item = bot.item(&item["id"]).await;
    assert_eq!(item["status"], "ready", "{item}");
    assert_eq!(item["error"], json!(null));

    let question = "How long do I have to return a machine?";
    let best = &bot.query(question).await[0];
    assert!(text(&best["content"]).contains("30 days"), "{best}");
    let body = json!({
        "messages": [{"role": "user", "content": question}],
        "platform": "web", "sessionToken": "visitor-1",
    });
    let events = bot.stream(body).await.events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["session", "sources", "delta", "done"]);
    let done = one_event(&events, "done");
    let answer = text(&done["content"]);
    assert!(answer.contains("30 days"), "{answer}");
    assert_eq!(done["metadata"]["model_used"], false);
    assert_eq!(done["metadata"]["answered_by"], "passage");
    let sources = &one_event(&events, "sources")["sources"];
    assert_eq!(sources[0]["title"], "handbook.pdf");
    assert_eq!(sources[0]["knowledge_id"], item["id"]);
    assert!(
        text(&sources[0]["content"]).contains("30 days"),
        "{sources}"
    );

    let session = &one_event(&events, "session")["session_id"];
    let messages = bot.messages(session).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0]["content"], question);
    assert_eq!(messages[1], *done);
}
