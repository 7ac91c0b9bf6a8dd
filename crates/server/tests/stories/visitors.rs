//! Visitors: whose pages may show a chatbot, who they are, and what they may do.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Page, Stage, list, one_event, public_bot, text, with_model};

stories! {
    a_page_shows_what_it_is_allowed_to_and_private_slugs_stay_unknown,
    origins_are_kept_as_browsers_write_them_and_odd_ones_are_named,
    a_visitor_asks_reloads_and_sees_the_conversation_again,
    tokens_of_others_open_nothing,
    a_site_vouches_for_its_visitors,
    the_email_is_asked_for_where_the_chatbot_wants_it,
    who_asks_too_fast_is_told_how_long_to_wait,
    a_visitor_rates_the_answers_it_was_given,
    a_browser_may_send_what_the_calls_take,
    a_thousand_visitors_from_one_address_are_cut_short_and_leave_nothing,
    the_hosted_page_is_there_for_public_chatbots_alone,
    odd_input_is_an_error_that_names_its_field,
}

const SHOP: &str = "https://shop.example";

async fn a_page_shows_what_it_is_allowed_to_and_private_slugs_stay_unknown(stage: Stage) {
    let app = stage.app().await;
    let (bot, slug) = public_bot(&app).await;
    let hidden = app.bot("Secret plans").await;
    let hidden_slug = text(&hidden.show().await["slug"]).to_owned();
    let ask = |slug: &str, origin| {
        let page = Page::new(&app, slug, origin);
        async move { page.call("GET", "", None).await }
    };

    // Okra's own pages: with no Origin header, or with their own.
    let shown = ask(&slug, None).await.expect(200);
    assert_eq!(shown["chatbot"]["name"], "Teapots");
    assert_eq!(shown["chatbot"]["asks_email"], false);
    assert!(!shown.to_string().contains("openai_api_key"), "{shown}");
    ask(&slug, Some("https://chat.example.com"))
        .await
        .expect(200);
    let unknown = ask("no-such-bot", None).await.expect(404);
    assert_eq!(ask(&hidden_slug, None).await.expect(404), unknown);

    // Other sites: none until they are allowed, and then private chatbots too.
    let foreign = ask(&slug, Some(SHOP)).await;
    foreign.refused(403, "origin_not_allowed", "");
    assert_eq!(foreign.header("access-control-allow-origin"), "*");
    assert!(text(&foreign.json()["error"]).contains(SHOP));
    let unknown = ask("no-such-bot", Some(SHOP)).await.expect(403);
    assert_eq!(ask(&hidden_slug, Some(SHOP)).await.expect(403), unknown);
    let origins = json!({"allowed_origins": [SHOP]});
    for bot in [&bot, &hidden] {
        let set = bot
            .client
            .json("PUT", &bot.path("/deploy"), origins.to_string())
            .await;
        assert_eq!(set.expect(200)["allowed_origins"], json!([SHOP]));
    }
    ask(&slug, Some(SHOP)).await.expect(200);
    ask(&hidden_slug, Some(SHOP)).await.expect(200);
    for origin in [
        "https://shop.example.evil.example",
        "http://shop.example",
        "null",
    ] {
        ask(&hidden_slug, Some(origin))
            .await
            .refused(403, "origin_not_allowed", "");
    }

    // A chatbot that is switched off is unknown to visitors.
    let off = json!({"active": false});
    app.client.patch(&bot.path(""), off).await.expect(200);
    ask(&slug, None).await.refused(404, "not_found", "");
    ask(&slug, Some(SHOP))
        .await
        .refused(403, "origin_not_allowed", "");
}

async fn origins_are_kept_as_browsers_write_them_and_odd_ones_are_named(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Teapots").await;
    let put = |origins: Value| {
        let (client, path) = (bot.client.clone(), bot.path("/deploy"));
        async move {
            let body = json!({"allowed_origins": origins}).to_string();
            client.json("PUT", &path, body).await
        }
    };
    let kept = put(json!(["HTTPS://Shop.example/", "https://shop.example"]))
        .await
        .expect(200);
    assert_eq!(kept["allowed_origins"], json!([SHOP]));
    assert_eq!(
        kept["embed"],
        "<script src=\"https://chat.example.com/widget.js\" data-chatbot=\"teapots\" async></script>"
    );
    assert_eq!(kept["page_url"], "https://chat.example.com/c/teapots");
    let odd = put(json!([SHOP, "shop.example"])).await;
    odd.refused(400, "invalid_request", "allowed_origins[1]");
    put(json!(vec!["https://a.example"; 201])).await.refused(
        400,
        "invalid_request",
        "allowed_origins",
    );
    let still = bot.client.get(&bot.path("/deploy")).await.expect(200);
    assert_eq!(still["allowed_origins"], json!([SHOP]));
    let theirs = app.stranger.get(&bot.path("/deploy")).await;
    theirs.refused(404, "not_found", "");
}

async fn a_visitor_asks_reloads_and_sees_the_conversation_again(stage: Stage) {
    let (_provider, _app, page, bot) = with_model(stage, &[]).await;
    let before = page.messages().await;
    assert_eq!(
        before,
        json!({"data": [], "running": null, "handling": null, "score": null, "has_more": false})
    );
    let first = page.ask("How do I rinse the teapot?").await;
    let events = first.events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(&names[..2], ["session", "sources"]);
    assert_eq!(names.last(), Some(&"done"));
    let ids: Vec<&str> = std::str::from_utf8(&first.body)
        .expect("UTF-8")
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect();
    let expected: Vec<String> = (0..events.len()).map(|n| n.to_string()).collect();
    assert_eq!(
        ids, expected,
        "events count from 1, after the greeting of the connection"
    );
    let done = one_event(&events, "done");
    assert_eq!(done["sender_type"], "bot");
    assert_eq!(done["ended"], "complete");
    assert_eq!(done["sources"][0]["title"], "Care");

    // The same token after a reload, renewed: the same visitor.
    let renewed = page.session(json!({"token": page.token})).await.expect(200);
    assert_eq!(
        renewed["session_id"],
        one_event(&events, "session")["session_id"]
    );
    let page = Page {
        token: text(&renewed["token"]).to_owned(),
        ..page
    };
    page.ask("And then?").await.events();
    let seen = page.messages().await;
    let said: Vec<&str> = list(&seen["data"])
        .iter()
        .map(|m| text(&m["sender_type"]))
        .collect();
    assert_eq!(said, ["user", "bot", "user", "bot"]);
    assert_eq!(seen["data"][1], *done);

    // Page by page, newest first.
    let latest = page
        .call("GET", "/messages?limit=1", None)
        .await
        .expect(200);
    assert_eq!(latest["data"][0], seen["data"][3]);
    assert_eq!(latest["has_more"], true);
    let path = format!("/messages?before={}", text(&seen["data"][1]["id"]));
    let earlier = page.call("GET", &path, None).await.expect(200);
    assert_eq!(earlier["data"], json!([seen["data"][0]]));
    assert_eq!(earlier["has_more"], false);

    // The organization sees it as a conversation.
    let sessions = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    assert_eq!(sessions["data"][0]["platform"], "web");
    assert_eq!(sessions["data"][0]["metadata"], json!({"anonymous": true}));
}

async fn tokens_of_others_open_nothing(stage: Stage) {
    let (_provider, app, page, _bot) = with_model(stage, &[]).await;
    let answered = page.ask("How do I rinse it?").await.events();
    let id = one_event(&answered, "done")["id"].clone();
    let other = app.bot("Kettles").await;
    let shown = app
        .client
        .patch(&other.path(""), json!({"is_public": true}))
        .await
        .expect(200);
    let other = text(&shown["chatbot"]["slug"]).to_owned();
    let elsewhere = Page {
        slug: other,
        client: page.client.clone(),
        origin: None,
        token: page.token.clone(),
    };
    for token in ["", "x.y", &page.token[..page.token.len() - 2]] {
        let nobody = Page {
            token: token.to_owned(),
            client: page.client.clone(),
            slug: page.slug.clone(),
            origin: None,
        };
        nobody
            .call("GET", "/messages", None)
            .await
            .refused(401, "visitor_token_invalid", "");
        nobody
            .ask("Hi")
            .await
            .refused(401, "visitor_token_invalid", "");
    }
    elsewhere
        .call("GET", "/messages", None)
        .await
        .refused(401, "visitor_token_invalid", "");
    // Another visitor of the same chatbot finds nothing of this one's.
    let neighbour = Page::new(&app, &page.slug, None).begun(json!({})).await;
    neighbour.resume(&id, 0).await.refused(404, "not_found", "");
    let path = format!("/chat/{}", text(&id));
    neighbour
        .call("DELETE", &path, None)
        .await
        .refused(404, "not_found", "");
    let path = format!("/messages/{}/feedback", text(&id));
    neighbour
        .call("PUT", &path, Some(json!({"rating": "down"})))
        .await
        .refused(404, "not_found", "");
    assert_eq!(neighbour.messages().await["data"], json!([]));
    // A month later the token has ended; a session with it is begun anew, as someone else.
    app.clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    page.call("GET", "/messages", None)
        .await
        .refused(401, "visitor_token_invalid", "");
    let anew = page.session(json!({"token": page.token})).await.expect(200);
    assert_eq!(anew["session_id"], Value::Null);
}

async fn a_site_vouches_for_its_visitors(stage: Stage) {
    let app = stage.app().await;
    let (bot, slug) = public_bot(&app).await;
    let page = || Page::new(&app, &slug, None);
    let identity = |hash: &str| json!({"identity": {"id": "customer-7", "name": "한결", "email": "a@b.example", "hash": hash}});
    let before = page().session(identity("00")).await;
    before.refused(401, "identity_invalid", "");
    let secret = bot
        .client
        .post(&bot.path("/deploy/secret"), json!({}))
        .await
        .expect(200);
    let secret = text(&secret["identity_secret"]).to_owned();
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    let hash = hex::encode(mac.chain_update("customer-7").finalize().into_bytes());
    let one = page().begun(identity(&hash)).await;
    one.ask("How do I rinse the teapot?").await.events();
    // Another device, the same customer: the same conversation.
    let begun = page().session(identity(&hash)).await.expect(200);
    assert_eq!(
        begun["visitor"],
        json!({"email": "a@b.example", "name": "한결", "verified": true})
    );
    assert!(begun["session_id"].is_string(), "{begun}");
    let session = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    let metadata = &session["data"][0]["metadata"];
    assert_eq!(metadata["name"], "한결");
    assert_eq!(metadata["verified"], true);
    assert_eq!(metadata["anonymous"], false);
    // A new secret makes the old hash worthless.
    bot.client
        .post(&bot.path("/deploy/secret"), json!({}))
        .await
        .expect(200);
    page()
        .session(identity(&hash))
        .await
        .refused(401, "identity_invalid", "");
    // What a page claims without a hash is kept, and not believed.
    let claimed = page()
        .session(json!({"profile": {"name": "Someone"}}))
        .await
        .expect(200);
    assert_eq!(claimed["visitor"]["verified"], false);
    assert_eq!(claimed["session_id"], Value::Null);
}

async fn the_email_is_asked_for_where_the_chatbot_wants_it(stage: Stage) {
    let app = stage.app().await;
    let (bot, slug) = public_bot(&app).await;
    let wanted = json!({"settings": {"isRequestUserInfoEnabled": true}});
    app.client.patch(&bot.path(""), wanted).await.expect(200);
    let page = Page::new(&app, &slug, None);
    let config = page.call("GET", "", None).await.expect(200);
    assert_eq!(config["chatbot"]["asks_email"], true);
    page.session(json!({}))
        .await
        .refused(400, "email_needed", "email");
    page.session(json!({"email": "not an address"}))
        .await
        .refused(400, "invalid_request", "email");
    let page = page.begun(json!({"email": " kim@example.com "})).await;
    page.ask("Hi").await.events();
    let sessions = bot
        .client
        .get(&bot.path("/conversations"))
        .await
        .expect(200);
    assert_eq!(
        sessions["data"][0]["metadata"],
        json!({"anonymous": false, "email": "kim@example.com"})
    );
    // Asked once: the renewed token still knows it.
    page.session(json!({"token": page.token})).await.expect(200);
}

async fn who_asks_too_fast_is_told_how_long_to_wait(stage: Stage) {
    let settings = [
        ("OKRA_VISITOR_MESSAGES_PER_MINUTE", "2"),
        ("OKRA_ADDRESS_SESSIONS_PER_MINUTE", "3"),
    ];
    let app = stage.app_with(&settings).await;
    let (_bot, slug) = public_bot(&app).await;
    let page = Page::new(&app, &slug, None).begun(json!({})).await;
    page.ask("One").await.events();
    page.ask("Two").await.events();
    let refused = page.ask("Three").await;
    refused.refused(429, "rate_limited", "");
    assert_eq!(refused.header("retry-after"), "30");
    assert!(text(&refused.json()["error"]).contains("30 s"));
    let exposed = refused.header("access-control-expose-headers");
    assert!(exposed.contains("retry-after"), "{exposed}");
    assert_eq!(
        list(&page.messages().await["data"]).len(),
        4,
        "nothing was stored of it"
    );
    app.clock.advance(Duration::from_secs(30));
    page.ask("Three").await.events();
    // A renewed token is the same visitor; new visitors are limited by their address.
    for _ in 0..3 {
        page.session(json!({})).await.expect(200);
    }
    let refused = page.session(json!({})).await;
    refused.refused(429, "rate_limited", "");
    page.session(json!({"token": page.token})).await.expect(200);
}

async fn a_thousand_visitors_from_one_address_are_cut_short_and_leave_nothing(stage: Stage) {
    let app = stage
        .app_with(&[("OKRA_ADDRESS_REQUESTS_PER_MINUTE", "2000")])
        .await;
    let (bot, slug) = public_bot(&app).await;
    let page = Page::new(&app, &slug, None);
    let mut begun = 0;
    for _ in 0..1_000 {
        let answer = page.session(json!({})).await;
        match answer.status {
            200 => begun += 1,
            _ => answer.refused(429, "rate_limited", ""),
        }
    }
    // Sixty at once, and one more in the second that a thousand requests take on this clock.
    assert!((60..=62).contains(&begun), "{begun}");
    let path = bot.path("/conversations");
    let kept = bot.client.get(&path).await.expect(200);
    assert_eq!(kept["data"], json!([]));
}

async fn a_visitor_rates_the_answers_it_was_given(stage: Stage) {
    let app = stage.app().await;
    let (bot, slug) = public_bot(&app).await;
    let page = Page::new(&app, &slug, None).begun(json!({})).await;
    let events = page.ask("How do I rinse the teapot?").await.events();
    let (begun, done) = (one_event(&events, "session"), one_event(&events, "done"));
    let rate = |id: &Value, body: Value| {
        let path = format!("/messages/{}/feedback", text(id));
        let page = &page;
        async move { page.call("PUT", &path, Some(body)).await }
    };
    let up = rate(&done["id"], json!({"rating": "up", "comment": "Clear!"})).await;
    assert_eq!(up.status, 204);
    assert_eq!(page.messages().await["data"][1]["feedback"], "up");
    let seen = bot.messages(&begun["session_id"]).await;
    assert_eq!(
        seen[1]["metadata"]["feedback"],
        json!({"rating": "up", "comment": "Clear!"})
    );
    rate(&done["id"], json!({"rating": null})).await;
    assert_eq!(page.messages().await["data"][1]["feedback"], Value::Null);
    rate(&done["id"], json!({"rating": "sideways"}))
        .await
        .refused(400, "invalid_request", "rating");
    let long = json!({"rating": "down", "comment": "x".repeat(2_001)});
    rate(&done["id"], long)
        .await
        .refused(400, "invalid_request", "comment");
    rate(&begun["user_message_id"], json!({"rating": "up"}))
        .await
        .refused(404, "not_found", "");
    rate(&json!("no-id"), json!({"rating": "up"}))
        .await
        .refused(404, "not_found", "");
}

async fn a_browser_may_send_what_the_calls_take(stage: Stage) {
    let app = stage.app().await;
    let asked = Request::builder()
        .method("OPTIONS")
        .uri("/api/public/chatbot/any/chat")
        .header("origin", SHOP)
        .header("access-control-request-method", "PUT")
        .header(
            "access-control-request-headers",
            "authorization,content-type,last-event-id",
        );
    let asked = asked.body(Body::empty()).expect("a proper request");
    let answer = app.nobody().send(asked).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let headers = answer.header("access-control-allow-headers");
    // A `*` would leave the first of them out.
    for header in ["authorization", "content-type", "last-event-id"] {
        assert!(headers.contains(header), "{headers}");
    }
    let methods = answer.header("access-control-allow-methods");
    for method in ["GET", "POST", "PUT", "DELETE"] {
        assert!(methods.contains(method), "{methods}");
    }
}

async fn the_hosted_page_is_there_for_public_chatbots_alone(stage: Stage) {
    let app = stage.app().await;
    let (bot, slug) = public_bot(&app).await;
    let open = |slug: &str| {
        let request = Request::builder()
            .uri(format!("/c/{slug}"))
            .header("accept-language", "ko-KR,ko;q=0.9");
        let request = request.body(Body::empty()).expect("a proper request");
        let client = app.nobody();
        async move { client.send(request).await }
    };
    let described = json!({"description": "Tea & <b>pots</b>"});
    app.client.patch(&bot.path(""), described).await.expect(200);
    let page = open(&slug).await;
    assert_eq!(page.status, 200);
    let html = String::from_utf8_lossy(&page.body).into_owned();
    assert!(html.contains("<title>Teapots</title>"), "{html}");
    assert!(
        html.contains("content=\"Tea &amp; &lt;b&gt;pots&lt;/b&gt;\""),
        "{html}"
    );
    for part in [
        "og:title",
        "og:description",
        "og:url",
        "twitter:card",
        "<html lang=\"ko-KR\">",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(policy.ends_with("frame-ancestors 'self'"), "{policy}");
    let unknown = open("no-such-bot").await;
    assert_eq!(unknown.status, 404);
    let words = String::from_utf8_lossy(&unknown.body).into_owned();
    assert!(
        words.contains("There is no chat at this address."),
        "{words}"
    );
    assert!(!words.contains("no-such-bot"), "{words}");
    assert_eq!(unknown.header("content-type"), "text/html; charset=utf-8");
    let policy = unknown.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let private = json!({"is_public": false});
    app.client.patch(&bot.path(""), private).await.expect(200);
    let hidden = open(&slug).await;
    assert_eq!(hidden.status, 404);
    assert_eq!(hidden.body, unknown.body);
}

async fn odd_input_is_an_error_that_names_its_field(stage: Stage) {
    let app = stage.app().await;
    let (_bot, slug) = public_bot(&app).await;
    let page = Page::new(&app, &slug, None).begun(json!({})).await;
    let id = uuid::Uuid::new_v4();
    for (body, field) in [
        (json!({"content": "", "request_id": id}), "content"),
        (
            json!({"content": "x".repeat(4_001), "request_id": id}),
            "content",
        ),
        (json!({"content": 5, "request_id": id}), "content"),
        (
            json!({"content": "Hi", "request_id": "no uuid"}),
            "request_id",
        ),
    ] {
        page.call("POST", "/chat", Some(body))
            .await
            .refused(400, "invalid_request", field);
    }
    page.call("POST", "/chat", Some(json!({"content": "Hi"})))
        .await
        .refused(400, "invalid_request", "");
    for (body, field) in [
        (json!({"email": "a@b.example\n"}), ""),
        (json!({"email": "a b@c.example"}), "email"),
        (json!({"page": "x".repeat(2_001)}), "page"),
        (json!({"language": "x".repeat(36)}), "language"),
        (json!({"profile": {"name": "a\u{7}b"}}), "profile.name"),
        (json!({"token": 5}), "token"),
    ] {
        let answer = page.session(body).await;
        match field {
            "" => assert_eq!(answer.status, 200, "{answer:?}"),
            field => answer.refused(400, "invalid_request", field),
        }
    }
    for limit in ["0", "51", "x"] {
        let path = format!("/messages?limit={limit}");
        page.call("GET", &path, None)
            .await
            .refused(400, "invalid_request", "limit");
    }
    page.call("GET", "/messages?before=x", None)
        .await
        .refused(404, "not_found", "");
    page.call("GET", "/chat/x", None)
        .await
        .refused(404, "not_found", "");
    let slug = "../../../etc/passwd".replace('/', "%2F");
    let odd = Page::new(&app, &slug, None);
    odd.call("GET", "", None)
        .await
        .refused(404, "not_found", "");
}
