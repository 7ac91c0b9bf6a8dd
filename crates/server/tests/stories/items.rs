//! One item of knowledge, looked at: lists by filter, its text and chunks, its file, reading it
//! again, and why a passage was found.

use okra_testkit::website::{MockSite, Page};
use serde_json::{Value, json};

use crate::support::{Bot, Stage, list, text};

stories! {
    filters_find_the_items_they_name,
    a_filter_that_makes_no_sense_is_named,
    an_items_text_and_chunks_are_what_was_read,
    an_uploaded_file_comes_back_as_it_was,
    a_failed_page_is_read_again,
    an_item_read_before_texts_were_kept_says_what_to_do,
    nobody_sees_anothers_item,
    a_query_explains_its_scores,
}

async fn listed(bot: &Bot, query: &str) -> Vec<String> {
    let path = bot.path(&format!("/knowledge-base?{query}"));
    let page = bot.client.get(&path).await.expect(200);
    let items = list(&page["data"]);
    assert_eq!(page["pagination"]["total"], json!(items.len()));
    items
        .iter()
        .map(|item| text(&item["title"]).to_owned())
        .collect()
}

async fn filters_find_the_items_they_name(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    bot.add(json!({"type": "text", "title": "Hours", "content": "From ten."}))
        .await;
    let pair = json!({"type": "qna", "question": "Do you ship?", "answer": "To Europe."});
    let pair = bot.add(pair).await;
    app.work().await;
    bot.upload_one("broken.pdf", "%PDF-1.7 and then nothing")
        .await;
    app.work().await;
    bot.add(json!({"type": "url", "url": "https://shop.example.com/terms"}))
        .await;
    let off = json!({"id": pair["id"], "enabled": false});
    bot.client
        .patch(&bot.path("/knowledge-base"), off)
        .await
        .expect(200);

    assert_eq!(listed(&bot, "status=failed").await, ["broken.pdf"]);
    assert_eq!(listed(&bot, "status=ready&type=text").await, ["Hours"]);
    assert_eq!(listed(&bot, "enabled=false").await, ["Do you ship?"]);
    assert_eq!(listed(&bot, "search=EUROPE").await, ["Do you ship?"]);
    assert_eq!(
        listed(&bot, "search=shop.example&status=pending").await,
        ["https://shop.example.com/terms"]
    );
    assert!(listed(&bot, "search=100%25").await.is_empty());
    assert_eq!(
        listed(&bot, "status=&type=&enabled=&search=").await.len(),
        4
    );
}

async fn a_filter_that_makes_no_sense_is_named(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let long = format!("search={}", "x".repeat(201));
    for (query, field) in [
        ("status=done", "status"),
        ("type=pdf", "type"),
        ("enabled=perhaps", "enabled"),
        (long.as_str(), "search"),
    ] {
        let path = bot.path(&format!("/knowledge-base?{query}"));
        let answer = bot.client.get(&path).await;
        answer.refused(400, "invalid_request", field);
    }
}

async fn an_items_text_and_chunks_are_what_was_read(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let page = "<h1>Returns</h1><p>Within 30 days.</p><ul><li>a label</li></ul>\
                <script>alert(1)</script>";
    let item = bot.upload_one("returns.html", page).await;
    let path = bot.path(&format!("/knowledge-base/{}", text(&item["id"])));
    let early = bot.client.get(&format!("{path}/text")).await;
    early.refused(404, "no_text", "");
    assert!(text(&early.json()["error"]).contains("being read"));
    app.work().await;

    let shown = bot.client.get(&path).await.expect(200)["data"].clone();
    assert_eq!(
        (&shown["id"], &shown["status"]),
        (&item["id"], &json!("ready"))
    );
    let read = bot.client.get(&format!("{path}/text")).await;
    assert_eq!(read.header("content-type"), "text/markdown; charset=utf-8");
    assert_eq!(read.header("x-content-type-options"), "nosniff");
    let markdown = std::str::from_utf8(&read.body).expect("UTF-8");
    assert_eq!(markdown, "# Returns\n\nWithin 30 days.\n\n- a label\n");

    let chunks = bot.client.get(&format!("{path}/chunks")).await.expect(200);
    assert_eq!(chunks["pagination"]["total"], shown["chunks"]);
    let chunk = &list(&chunks["data"])[0];
    assert_eq!(chunk["ordinal"], 1);
    assert_eq!(chunk["headings"], json!(["Returns"]));
    let said = text(&chunk["text"]);
    assert!(said.contains("Within 30 days."), "{chunk}");
    assert_eq!(chunk["characters"], json!(said.chars().count()));
    assert_eq!(
        (&chunk["question"], &chunk["page"]),
        (&Value::Null, &Value::Null)
    );

    // The text goes with the item.
    app.stored_files(2).await;
    let gone = bot.path(&format!("/knowledge-base?id={}", text(&item["id"])));
    bot.client.delete(&gone).await.expect(200);
    app.work().await;
    app.stored_files(0).await;
}

async fn an_uploaded_file_comes_back_as_it_was(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let bytes = "name,price\nTea,\"4\"\n".repeat(5_000);
    let item = bot.upload_one("가격 2025.csv", bytes.clone()).await;
    let path = bot.path(&format!("/knowledge-base/{}/file", text(&item["id"])));
    let file = bot.client.get(&path).await;
    assert_eq!((file.status, file.body.as_ref()), (200, bytes.as_bytes()));
    assert_eq!(file.header("content-length"), bytes.len().to_string());
    assert_eq!(file.header("content-type"), "text/csv");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    let saved = file.header("content-disposition");
    assert!(saved.starts_with("attachment; "), "{saved}");
    assert!(
        saved.contains("filename*=UTF-8''%EA%B0%80%EA%B2%A9%202025.csv"),
        "{saved}"
    );

    let typed = bot.add(json!({"type": "text", "content": "Typed."})).await;
    let path = bot.path(&format!("/knowledge-base/{}/file", text(&typed["id"])));
    bot.client.get(&path).await.refused(404, "not_found", "");
}

async fn a_failed_page_is_read_again(stage: Stage) {
    let site = MockSite::start().await;
    site.put("/hours", Page::html("Gone.").with_status(404));
    let allow = site.address().to_string();
    let app = stage.app_with(&[("OKRA_FETCH_ALLOW", &allow)]).await;
    let bot = app.bot("Museum").await;
    let page = json!({"type": "url", "url": site.url("/hours")});
    let id = bot.add(page).await["id"].clone();
    app.work().await;
    let failed = bot.item(&id).await;
    assert_eq!(failed["status"], "failed", "{failed}");

    site.put(
        "/hours",
        Page::html("<main><p>Open from half past ten.</p></main>"),
    );
    let retry = bot.path(&format!("/knowledge-base/{}/retry", text(&id)));
    let accepted = bot.client.post(&retry, json!({})).await.expect(202)["data"].clone();
    assert_eq!(
        (&accepted["status"], &accepted["error"]),
        (&json!("pending"), &Value::Null)
    );
    // Asking twice is asking once.
    let again = bot.client.post(&retry, json!({})).await.expect(202)["data"].clone();
    assert_eq!(again["updated_at"], accepted["updated_at"]);
    app.work().await;
    assert_eq!(bot.item(&id).await["status"], "ready");
    assert!(
        bot.found("When do you open?")
            .await
            .contains("half past ten")
    );

    // A page that was read well is fetched anew as well.
    site.put("/hours", Page::html("<main><p>Open from noon.</p></main>"));
    bot.client.post(&retry, json!({})).await.expect(202);
    app.work().await;
    let found = bot.found("When do you open?").await;
    assert!(
        found.contains("noon") && !found.contains("half past"),
        "{found}"
    );
}

async fn an_item_read_before_texts_were_kept_says_what_to_do(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let item = bot.upload_one("hours.txt", "Open from ten.").await;
    app.work().await;
    let id = text(&item["id"]);
    let chatbot = bot.id.parse().expect("an id");
    let organization = text(&bot.show().await["organization_id"])
        .parse()
        .expect("an id");
    let store = app.engine.store();
    let chatbot = store
        .chatbot(organization, chatbot)
        .await
        .expect("the chatbot");
    let folder = okra_store::blobs::texts_folder(chatbot.id, id.parse().expect("an id"));
    store
        .blobs()
        .delete(&folder)
        .await
        .expect("the storage answers");

    let path = bot.path(&format!("/knowledge-base/{id}"));
    let missing = bot.client.get(&format!("{path}/text")).await;
    missing.refused(404, "no_text", "");
    assert!(
        text(&missing.json()["error"]).contains("retry"),
        "{missing:?}"
    );
    bot.client
        .post(&format!("{path}/retry"), json!({}))
        .await
        .expect(202);
    app.work().await;
    let read = bot.client.get(&format!("{path}/text")).await;
    assert_eq!(
        (read.status, read.body.as_ref()),
        (200, &b"Open from ten.\n"[..])
    );
}

async fn nobody_sees_anothers_item(stage: Stage) {
    let app = stage.app().await;
    let (bot, other) = (app.bot("Shop").await, app.bot("Other").await);
    let item = bot
        .upload_one("secret.txt", "The word is pomegranate.")
        .await;
    app.work().await;
    for rest in ["", "/chunks", "/text", "/file"] {
        let rest = format!("/knowledge-base/{}{rest}", text(&item["id"]));
        other
            .client
            .get(&other.path(&rest))
            .await
            .refused(404, "not_found", "");
        app.stranger
            .get(&bot.path(&rest))
            .await
            .refused(404, "not_found", "");
        app.nobody()
            .get(&bot.path(&rest))
            .await
            .refused(401, "unauthorized", "");
    }
    let retry = format!("/knowledge-base/{}/retry", text(&item["id"]));
    let answer = other.client.post(&other.path(&retry), json!({})).await;
    answer.refused(404, "not_found", "");
    let odd = bot.client.get(&bot.path("/knowledge-base/no-id")).await;
    odd.refused(404, "not_found", "");
}

async fn a_query_explains_its_scores(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let content = "Machines can be returned within 30 days of delivery.";
    bot.add(json!({"type": "text", "content": content})).await;
    app.work().await;
    let ask = async |query: &str, explain: bool| {
        let body = json!({"query": query, "explain": explain});
        bot.client
            .post(&bot.path("/query-knowledge"), body)
            .await
            .expect(200)
    };
    let plain = ask("How long can I return a machine?", false).await;
    assert!(plain.get("threshold").is_none() && plain["results"][0].get("scores").is_none());

    let told = ask("How long can I return a machine?", true).await;
    assert_eq!(
        told["results"][0]["similarity"],
        plain["results"][0]["similarity"]
    );
    let threshold = told["threshold"].as_f64().expect("a number");
    assert!(told["milliseconds"].as_f64() > Some(0.0) && threshold > 0.0 && threshold < 1.0);
    let scores = &told["results"][0]["scores"];
    let (lexical, combined) = (scores["lexical"].as_f64(), scores["combined"].as_f64());
    let semantic = scores["semantic"].as_f64().expect("English has a vector");
    assert!(lexical > Some(0.0) && combined > Some(0.0), "{told}");
    assert!((-1.0..=1.0).contains(&semantic), "{told}");

    // The built-in embedder knows no Korean: words alone count there.
    bot.add(json!({"type": "text", "content": "반품은 30일 이내에 가능합니다."}))
        .await;
    app.work().await;
    let told = ask("반품은 며칠 이내에 가능한가요?", true).await;
    let scores = &told["results"][0]["scores"];
    assert_eq!(scores["semantic"], Value::Null);
    assert_eq!(scores["lexical"], scores["combined"]);
}
