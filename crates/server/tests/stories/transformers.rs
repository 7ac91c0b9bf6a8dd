//! A sentence transformer in the product: what its vectors find, and what becomes of them when it is chosen and left.

use okra_testkit::transformer as tiny;
use serde_json::{Value, json};

use crate::support::{Bot, Stage, list, text};

stories! {
    a_transformers_vectors_put_passages_in_order,
}

/// The first passage and its cosine.
async fn best(bot: &Bot, query: &str) -> (String, Value) {
    let body = json!({"query": query, "limit": 3, "explain": true});
    let found = bot.client.post(&bot.path("/query-knowledge"), body).await;
    let found = found.expect(200);
    let first = &list(&found["results"])[0];
    (
        text(&first["content"]).to_owned(),
        first["scores"]["semantic"].clone(),
    )
}

async fn a_transformers_vectors_put_passages_in_order(stage: Stage) {
    let models = tempfile::tempdir().expect("a folder");
    tiny::write_for_latin(&models.path().join("tiny-latin"));
    let folder = models.path().display().to_string();
    let app = stage.app_with(&[("OKRA_MODELS_DIR", &folder)]).await;
    let bot = app.bot("Shop").await;
    // The same words: only where they stand tells one from the other.
    let texts = [
        "refund coffee machine days return",
        "return days machine coffee refund",
        "machine refund return coffee days",
    ];
    for content in texts {
        bot.add(json!({"type": "text", "title": "it", "content": content}))
            .await;
    }
    app.work().await;
    let choice = json!({"kind": "transformer", "model": "tiny-latin"}).to_string();
    let set = bot.client.json("PUT", &bot.path("/embedder"), choice).await;
    set.expect(200);
    app.work().await;
    for content in texts {
        let (first, cosine) = best(&bot, &format!("it\n{content}")).await;
        assert!(first.contains(content), "{content}: {first}");
        let cosine = cosine.as_f64().expect("it is asked");
        assert!(cosine > 0.98, "{content}: {cosine}");
    }
    // Of a script that it has no words of it is asked nothing.
    bot.add(
        json!({"type": "text", "title": "환불", "content": "기계는 30일 안에 반품할 수 있습니다."}),
    )
    .await;
    app.work().await;
    let (first, cosine) = best(&bot, "기계 반품").await;
    assert!(first.contains("30일"), "{first}");
    assert_eq!(cosine, Value::Null);
    // After a restart the stored vectors serve.
    let again = Bot {
        client: app.restarted().await,
        ..bot.clone()
    };
    let (first, cosine) = best(&again, &format!("it\n{}", texts[1])).await;
    assert!(first.contains(texts[1]), "{first}");
    assert!(cosine.as_f64() > Some(0.98), "{cosine}");
}
