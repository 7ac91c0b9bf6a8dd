//! Images that visitors send along: what a model is shown, whose they are, and how they go.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use okra_testkit::provider::{MockProvider, Script};
use serde_json::{Value, json};

use crate::support::{
    Bot, Form, Page, Stage, TestApp, list, no_pictures, one_event, picture, public_bot, said, text,
    with_model,
};

stories! {
    a_model_that_sees_is_shown_the_images_of_the_question_and_of_before,
    a_model_that_cannot_see_never_gets_an_image,
    an_address_elsewhere_is_passed_on_as_it_stands,
    what_is_no_picture_is_not_taken,
    an_image_is_its_visitors_own,
    images_count_against_every_limit,
    an_image_goes_with_its_message_and_its_chatbot,
    an_answers_passages_can_be_read_afterwards,
}

/// Uploads a picture; gives the answer.
async fn uploaded(page: &Page, name: &str) -> Value {
    page.upload(name, picture(ImageFormat::Png))
        .await
        .expect(201)
}

/// The metadata of the latest answer, as the organization sees it.
async fn metadata(bot: &Bot) -> Value {
    let sessions = bot.client.get(&bot.path("/conversations")).await;
    let session = text(&sessions.expect(200)["data"][0]["id"]).to_owned();
    let path = bot.path(&format!("/conversations/{session}/messages?limit=200"));
    let messages = bot.client.get(&path).await.expect(200);
    let answers = list(&messages["data"]).iter();
    let mut answers = answers.filter(|message| message["sender_type"] == "bot");
    answers.next_back().expect("an answer")["metadata"].clone()
}

/// The images that the model was shown at last, message by message.
fn shown(provider: &MockProvider) -> Vec<Vec<String>> {
    provider.requests().last().expect("a request").images()
}

async fn use_model(bot: &Bot, model: &str) {
    let settings = json!({"settings": {"model": model}});
    bot.client.patch(&bot.path(""), settings).await.expect(200);
}

async fn a_model_that_sees_is_shown_the_images_of_the_question_and_of_before(stage: Stage) {
    let (provider, app, page, bot) = with_model(stage, &[]).await;
    use_model(&bot, "gpt-4o-mini").await;
    let config = page.call("GET", "", None).await.expect(200);
    assert_eq!(config["chatbot"]["accepts_images"], true);
    assert_eq!(config["limits"]["images"], 4);

    let kettle = uploaded(&page, "주전자.png").await;
    assert_eq!(kettle["name"], "주전자.png");
    let served = app.fetch(text(&kettle["url"])).await;
    assert_eq!(served.status, 200);
    assert_eq!(served.header("content-type"), "image/jpeg");
    assert_eq!(served.header("x-content-type-options"), "nosniff");
    assert!(served.header("content-security-policy").contains("sandbox"));
    let data = format!("data:image/jpeg;base64,{}", STANDARD.encode(&served.body));

    provider.reply(Script::text("A kettle."));
    let first = page.show("What is this?", &[&kettle["id"]]).await.events();
    assert_eq!(one_event(&first, "done")["content"], "A kettle.");
    assert_eq!(shown(&provider), [vec![], vec![data.clone()]]);
    let asked = provider.requests()[0].conversation();
    assert_eq!(
        asked.last().map(String::as_str),
        Some("user: What is this?")
    );
    assert_eq!(
        metadata(&bot).await["images"],
        json!({"sent": 1, "seen": 1})
    );
    let seen = page.messages().await;
    let attached = json!([{"name": "주전자.png", "url": kettle["url"]}]);
    assert_eq!(seen["data"][0]["attachments"], attached);
    assert_eq!(seen["data"][1]["attachments"], Value::Null);

    // The next question has no words, and the model still sees what was shown before.
    let cup = uploaded(&page, "cup.png").await;
    provider.reply(Script::text("A cup."));
    page.show("", &[&cup["id"]]).await.events();
    // What was asked nobody can tell, so it counts neither as answered nor as unanswered.
    assert_eq!(metadata(&bot).await["outcome"], Value::Null);
    let images = shown(&provider);
    assert_eq!(images[1], [data]);
    assert_eq!((images[2].len(), images[3].len()), (0, 1));
    page.ask("And now?").await.events();
    assert_eq!(metadata(&bot).await.get("images"), None);
}

async fn a_model_that_cannot_see_never_gets_an_image(stage: Stage) {
    let (provider, app, page, bot) = with_model(stage, &[]).await;
    use_model(&bot, "gpt-4o").await;
    let kettle = uploaded(&page, "kettle.png").await;
    page.show("Before", &[&kettle["id"]]).await.events();
    use_model(&bot, "llama3.1").await;
    let config = page.call("GET", "", None).await.expect(200);
    assert_eq!(config["chatbot"]["accepts_images"], false);
    let refused = page.upload("a.png", picture(ImageFormat::Png)).await;
    refused.refused(409, "images_not_accepted", "");
    // What was uploaded while it could is kept with its message, and withheld from the model.
    page.show("What is this?", &[&kettle["id"]]).await.events();
    assert!(shown(&provider).iter().all(Vec::is_empty));
    assert_eq!(
        metadata(&bot).await["images"],
        json!({"sent": 1, "seen": 0})
    );

    // Without a provider nobody sees, whatever the model is called.
    let (bot, slug) = public_bot(&app).await;
    use_model(&bot, "mock-vision").await;
    let seeing = Page::new(&app, &slug, None).call("GET", "", None).await;
    assert_eq!(seeing.expect(200)["chatbot"]["accepts_images"], true);
}

async fn an_address_elsewhere_is_passed_on_as_it_stands(stage: Stage) {
    let (provider, _app, _page, bot) = with_model(stage, &[]).await;
    use_model(&bot, "openai/gpt-4.1").await;
    let file = |name: &str, url: &str| json!({"name": name, "url": url});
    let mut body = said("Which one?");
    body["messages"][0]["attachments"] = json!([
        file("one", "http://127.0.0.1:9/a.PNG?size=1"),
        file("bill.pdf", "https://shop.example/bill.pdf"),
        file("two.webp", "https://shop.example/2"),
        {"name": "three", "url": "https://shop.example/3.jpg", "file": "3.jpg"},
        file("four.gif", "https://shop.example/4"),
        file("five.png", "https://shop.example/5"),
    ]);
    bot.chat(body).await.expect(200);
    let expected = [
        "http://127.0.0.1:9/a.PNG?size=1",
        "https://shop.example/2",
        "https://shop.example/3.jpg",
        "https://shop.example/4",
    ];
    assert_eq!(
        shown(&provider),
        [vec![], expected.map(str::to_owned).to_vec()]
    );
    assert_eq!(
        metadata(&bot).await["images"],
        json!({"sent": 4, "seen": 4})
    );
}

async fn what_is_no_picture_is_not_taken(stage: Stage) {
    let unlimited = [
        ("OKRA_VISITOR_MESSAGES_PER_MINUTE", "1000"),
        ("OKRA_ADDRESS_IMAGES_PER_MINUTE", "1000"),
    ];
    let (_provider, app, page, bot) = with_model(stage, &unlimited).await;
    use_model(&bot, "gpt-4o").await;
    for (name, bytes, status, code) in no_pictures() {
        let answer = page.upload(name, bytes).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        answer.refused(status, code, "");
    }
    let empty = page.form(Form::new().field("file", "text")).await;
    empty.refused(415, "unsupported_type", "");
    let nothing = page.form(Form::new().field("other", "x")).await;
    nothing.refused(400, "invalid_request", "file");
    let json = page.call("POST", "/attachments", Some(json!({}))).await;
    json.refused(415, "unsupported_type", "");
    app.stored_files(0).await;

    // A name names nothing but the file, and nothing hides behind the picture's end.
    let mut bytes = picture(ImageFormat::Jpeg);
    bytes.extend_from_slice(b"<script>alert(1)</script>");
    let taken = page.upload("../../<img src=x onerror=alert(1)>.jpg", bytes);
    let taken = taken.await.expect(201);
    assert_eq!(taken["name"], "<img src=x onerror=alert(1)>.jpg");
    let served = app.fetch(text(&taken["url"])).await;
    assert!(!served.body.windows(7).any(|window| window == b"<script"));
    let folder = text(&taken["url"]).rsplit_once('/').expect("a folder").0;
    for odd in [
        "x.jpg",
        "..%2F..%2Fokra.db",
        "..%2Favatar%2Fx.png",
        "%00.jpg",
    ] {
        let missing = app.fetch(&format!("{folder}/{odd}")).await;
        missing.refused(404, "not_found", "");
    }
}

async fn an_image_is_its_visitors_own(stage: Stage) {
    let (provider, app, page, bot) = with_model(stage, &[]).await;
    use_model(&bot, "gpt-4o").await;
    let image = uploaded(&page, "kettle.png").await;
    let id = text(&image["id"]);
    let (other, other_slug) = {
        let other = app.bot("Kettles").await;
        let open = json!({"is_public": true, "settings": {"model": "gpt-4o"}});
        let shown = app.client.patch(&other.path(""), open).await.expect(200);
        (other, text(&shown["chatbot"]["slug"]).to_owned())
    };
    let neighbour = Page::new(&app, &page.slug, None).begun(json!({})).await;
    let elsewhere = Page::new(&app, &other_slug, None).begun(json!({})).await;
    for asking in [&neighbour, &elsewhere] {
        let answer = asking.show("Mine?", &[&image["id"]]).await;
        answer.refused(400, "invalid_request", "attachments[0]");
    }
    let url = image["url"].clone();
    let file = json!(text(&url).rsplit('/').next());
    let cut = json!(&id[..id.len() - 4]);
    for forged in [
        &json!(""),
        &json!("x.y"),
        &json!(page.token),
        &url,
        &file,
        &cut,
    ] {
        let answer = page.show("Forged?", &[&image["id"], forged]).await;
        answer.refused(400, "invalid_request", "attachments[1]");
    }
    let many = page.show("Many?", &[&image["id"]; 5]).await;
    many.refused(400, "invalid_request", "attachments");
    assert_eq!(provider.request_count(), 0);
    assert_eq!(page.messages().await["data"], json!([]));
    // Without a token nothing is taken at all, and the address says nothing of the visitor.
    let nobody = Page::new(&app, &page.slug, None);
    let refused = nobody.upload("a.png", picture(ImageFormat::Png)).await;
    refused.refused(401, "visitor_token_invalid", "");
    let swapped = text(&url).replace(&bot.id, &other.id);
    app.fetch(&swapped).await.refused(404, "not_found", "");
}

async fn images_count_against_every_limit(stage: Stage) {
    let limits = [
        ("OKRA_VISITOR_MESSAGES_PER_MINUTE", "3"),
        ("OKRA_ADDRESS_IMAGES_PER_MINUTE", "4"),
    ];
    let (_provider, app, page, bot) = with_model(stage, &limits).await;
    use_model(&bot, "gpt-4o").await;
    let send = async |page: &Page| page.upload("a.gif", picture(ImageFormat::Gif)).await;
    let image = send(&page).await.expect(201);
    send(&page).await.expect(201);
    page.show("These?", &[&image["id"]]).await.events();
    let refused = send(&page).await;
    refused.refused(429, "rate_limited", "");
    assert_eq!(refused.header("retry-after"), "20");
    page.ask("And?").await.refused(429, "rate_limited", "");
    // Another visitor, of the same address.
    let other = Page::new(&app, &page.slug, None).begun(json!({})).await;
    send(&other).await.expect(201);
    let refused = send(&other).await;
    refused.refused(429, "rate_limited", "");
    assert!(text(&refused.json()["error"]).contains("from your network"));
}

async fn an_image_goes_with_its_message_and_its_chatbot(stage: Stage) {
    let (_provider, app, page, bot) = with_model(stage, &[]).await;
    use_model(&bot, "gpt-4o").await;
    let (sent, unsent) = (
        uploaded(&page, "a.png").await,
        uploaded(&page, "b.png").await,
    );
    page.show("This?", &[&sent["id"]]).await.events();
    app.work().await;
    app.stored_files(2).await;
    app.clock.advance(Duration::from_secs(24 * 60 * 60));
    app.work().await;
    app.stored_files(1).await;
    let gone = page.show("And this?", &[&unsent["id"]]).await;
    gone.refused(400, "attachment_gone", "attachments");
    app.fetch(text(&unsent["url"]))
        .await
        .refused(404, "not_found", "");
    // What a message has can be sent along again, as a question that is asked again does.
    page.show("This again?", &[&sent["id"]]).await.events();
    assert_eq!(app.fetch(text(&sent["url"])).await.status, 200);
    bot.client.delete(&bot.path("")).await.expect(200);
    app.work().await;
    app.fetch(text(&sent["url"]))
        .await
        .refused(404, "not_found", "");
    app.stored_files(0).await;
}

async fn an_answers_passages_can_be_read_afterwards(stage: Stage) {
    let app: TestApp = stage.app().await;
    let (bot, slug) = public_bot(&app).await;
    let page = Page::new(&app, &slug, None).begun(json!({})).await;
    let events = page.ask("How do I rinse the teapot?").await.events();
    let given = one_event(&events, "sources")["sources"].clone();
    let id = text(&one_event(&events, "done")["id"]).to_owned();
    let path = format!("/messages/{id}/sources");
    let read = page.call("GET", &path, None).await.expect(200);
    for field in ["knowledge_id", "title", "url", "chunk", "page", "content"] {
        assert_eq!(read["data"][0][field], given[0][field], "{field}");
    }
    assert_eq!(list(&read["data"]).len(), list(&given).len());
    let neighbour = Page::new(&app, &slug, None).begun(json!({})).await;
    neighbour
        .call("GET", &path, None)
        .await
        .refused(404, "not_found", "");
    let items = bot.items().await;
    let item = format!("/knowledge-base?id={}", text(&items[0]["id"]));
    bot.client.delete(&bot.path(&item)).await.expect(200);
    let read = page.call("GET", &path, None).await.expect(200);
    assert_eq!(read["data"], json!([]));
}
