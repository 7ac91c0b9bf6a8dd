//! Making and changing chatbots: merges, slugs, keys, and what browsers see.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, Stage, list, text};

stories! {
    a_chatbot_is_changed_by_query_body_or_path,
    a_patch_leaves_what_it_does_not_name,
    a_rule_that_is_broken_is_named,
    a_rule_that_a_configuration_breaks_is_named,
    slugs_are_unique_and_readable,
    slugs_made_at_once_do_not_collide,
    a_provider_key_never_comes_back_in_clear,
    a_deleted_chatbot_is_gone_with_all_it_had,
    browsers_of_any_origin_may_call,
    every_answer_has_a_request_id,
    unknown_paths_and_methods_answer_in_json,
}

async fn a_chatbot_is_changed_by_query_body_or_path(stage: Stage) {
    let app = stage.app().await;
    let (bot, other) = (app.bot("Shop").await, app.bot("Other").await);
    let name = async || text(&bot.show().await["name"]).to_owned();
    let by_query = format!("/chatbots?id={}", bot.id);
    let both = json!({"name": "By query", "id": other.id});
    app.client.patch(&by_query, both).await.expect(200);
    assert_eq!(name().await, "By query");
    let by_body = json!({"name": "By body", "id": bot.id});
    app.client.patch("/chatbots", by_body).await.expect(200);
    assert_eq!(name().await, "By body");
    app.client
        .patch(&bot.path(""), json!({"name": "By path"}))
        .await
        .expect(200);
    assert_eq!(name().await, "By path");
    assert_eq!(other.show().await["name"], "Other");

    let nameless = app
        .client
        .patch("/chatbots", json!({"name": "Whose?"}))
        .await;
    nameless.refused(400, "invalid_request", "id");
    app.client
        .delete("/chatbots")
        .await
        .refused(400, "invalid_request", "id");
    let gone = app.client.delete(&by_query).await.expect(200);
    assert_eq!(gone, json!({"message": "Chatbot deleted successfully"}));
    app.client
        .get(&bot.path(""))
        .await
        .refused(404, "not_found", "");
    app.client
        .delete(&by_query)
        .await
        .refused(404, "not_found", "");
    other.show().await;
}

async fn a_patch_leaves_what_it_does_not_name(stage: Stage) {
    let app = stage.app().await;
    let given = json!({
        "name": "Shop", "description": "Sells tea", "is_public": true, "slug": "tea-shop",
        "personality_config": {"style": "Friendly", "tone": "Professional", "humour": 3},
        "settings": {"prompt": "Be kind.", "model": "gpt-5", "avatar": "https://evil.example/x.png",
                     "isRequestUserInfoEnabled": true,
                     "snippet": {"header": "Help", "primaryColor": "#abc"}},
        "suggestions": ["Do you ship?"], "unknown": {"deep": [1]},
    });
    let made = app
        .client
        .post("/chatbots", given.clone())
        .await
        .expect(200)["chatbot"]
        .clone();
    for field in [
        "name",
        "description",
        "is_public",
        "slug",
        "personality_config",
        "suggestions",
    ] {
        assert_eq!(made[field], given[field]);
    }
    assert!(
        made["settings"].get("avatar").is_none(),
        "only update-avatar sets it"
    );
    let path = format!("/chatbot/{}", text(&made["id"]));
    let patch = async |patch: Value| {
        let changed = app.client.patch(&path, patch).await;
        changed.expect(200)["chatbot"].clone()
    };
    let mut expected = made.clone();
    let check = |mut chatbot: Value, expected: &mut Value| {
        expected["updated_at"] = chatbot["updated_at"].take();
        chatbot["updated_at"] = expected["updated_at"].clone();
        assert_eq!(chatbot, *expected);
    };
    expected["settings"]["snippet"]["slogan"] = json!("Hi");
    check(
        patch(json!({"settings": {"snippet": {"slogan": "Hi"}}})).await,
        &mut expected,
    );
    expected["settings"]["prompt"] = json!("");
    expected["settings"]["snippet"]["primaryColor"] = json!("#4F46E5");
    let nulls = json!({"settings": {"prompt": null, "snippet": {"primaryColor": null}}});
    check(patch(nulls).await, &mut expected);
    expected["personality_config"] = json!({"tone": "Calm", "humour": 3});
    check(
        patch(json!({"personality_config": {"style": null, "tone": "Calm"}})).await,
        &mut expected,
    );
    expected["description"] = Value::Null;
    expected["suggestions"] = Value::Null;
    check(
        patch(json!({"description": null, "suggestions": null})).await,
        &mut expected,
    );
    expected["active"] = json!(false);
    check(patch(json!({"active": false})).await, &mut expected);
    check(patch(json!({})).await, &mut expected);
    // What a client got it can send back.
    check(patch(expected.clone()).await, &mut expected);
}

async fn a_rule_that_is_broken_is_named(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let before = bot.show().await;
    let long = "x".repeat(40_000);
    let cases = [
        (json!({"name": ""}), "name"),
        (json!({"name": "  "}), "name"),
        (json!({"name": 5}), "name"),
        (json!({"name": "two\nlines"}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"description": ["a"]}), "description"),
        (json!({"description": &long}), "description"),
        (json!({"active": "yes"}), "active"),
        (json!({"is_public": 1}), "is_public"),
        (json!({"slug": "Not A Slug"}), "slug"),
        (json!({"settings": []}), "settings"),
        (json!({"settings": "prompt"}), "settings"),
        (json!({"settings": {"prompt": 1}}), "settings.prompt"),
        (json!({"settings": {"prompt": &long}}), "settings.prompt"),
        (json!({"settings": {"model": ""}}), "settings.model"),
        (
            json!({"settings": {"isToolEnabled": "no"}}),
            "settings.isToolEnabled",
        ),
        (json!({"settings": {"snippet": 1}}), "settings.snippet"),
        (
            json!({"settings": {"snippet": {"logo": "javascript:alert(1)"}}}),
            "settings.snippet.logo",
        ),
        (
            json!({"settings": {"snippet": {"primaryColor": "red"}}}),
            "settings.snippet.primaryColor",
        ),
        (
            json!({"personality_config": {"style": 5}}),
            "personality_config.style",
        ),
        (
            json!({"personality_config": {"notes": &long}}),
            "personality_config",
        ),
        (json!({"suggestions": "one"}), "suggestions"),
        (json!({"suggestions": [1]}), "suggestions[0]"),
        (json!({"openai_api_key": "has space"}), "openai_api_key"),
        (json!({"openai_api_key": 5}), "openai_api_key"),
    ];
    for (patch, field) in cases {
        let answer = app.client.patch(&bot.path(""), patch.clone()).await;
        answer.refused(400, "invalid_request", field);
        let by_query = format!("/chatbots?id={}", bot.id);
        app.client
            .patch(&by_query, patch)
            .await
            .refused(400, "invalid_request", field);
    }
    assert_eq!(bot.show().await, before);
    app.client
        .post("/chatbots", json!({}))
        .await
        .refused(400, "invalid_request", "name");
    let null = app.client.post("/chatbots", json!({"name": null})).await;
    null.refused(400, "invalid_request", "name");
}

async fn a_rule_that_a_configuration_breaks_is_named(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let before = bot.show().await;
    let voice = [
        (
            json!({"appearance": {"cardRadius": -1}}),
            "appearance.cardRadius",
        ),
        (json!({"model": {"temperature": 9}}), "model.temperature"),
        (json!({"vad": {"threshold": "loud"}}), "vad.threshold"),
        (json!({"vad": {"threshold": 7}}), "vad.threshold"),
        (
            json!({"avatar": {"imageUrl": "data:text/html,x"}}),
            "avatar.imageUrl",
        ),
        (json!({"text": []}), "text"),
    ];
    for (patch, field) in voice {
        let answer = bot.client.patch(&bot.path("/voice-agent"), patch).await;
        answer.refused(400, "invalid_request", field);
    }
    let widget = [
        (json!({"language": "?"}), "language"),
        (json!({"secondaryColor": 3}), "secondaryColor"),
        (json!({"logo": "//evil"}), "logo"),
        (json!([]), "body"),
    ];
    for (patch, field) in widget {
        let answer = bot.client.patch(&bot.path("/chat-widget"), patch).await;
        answer.refused(400, "invalid_request", field);
    }
    assert_eq!(bot.show().await, before);
}

async fn slugs_are_unique_and_readable(stage: Stage) {
    let app = stage.app().await;
    let slug = async |body: Value| {
        let made = app.client.post("/chatbots", body).await.expect(200);
        text(&made["chatbot"]["slug"]).to_owned()
    };
    for expected in ["고객-지원-봇", "고객-지원-봇-2", "고객-지원-봇-3"] {
        assert_eq!(slug(json!({"name": "고객 지원 봇!"})).await, expected);
    }
    assert_eq!(slug(json!({"name": "!!!"})).await, "chatbot");
    assert_eq!(slug(json!({"name": "A", "slug": "mine"})).await, "mine");
    let taken = app
        .client
        .post("/chatbots", json!({"name": "B", "slug": "mine"}))
        .await;
    taken.refused(409, "conflict", "");
    // Slugs are the server's: another organization's is taken too.
    let taken = app
        .stranger
        .post("/chatbots", json!({"name": "B", "slug": "mine"}))
        .await;
    taken.refused(409, "conflict", "");
    let bot = app.bot("Free").await;
    let taken = app
        .client
        .patch(&bot.path(""), json!({"slug": "mine"}))
        .await;
    taken.refused(409, "conflict", "");
    let same = app
        .client
        .patch(&bot.path(""), json!({"slug": "free"}))
        .await;
    assert_eq!(same.expect(200)["chatbot"]["slug"], "free");
    let renamed = app
        .client
        .patch(&bot.path(""), json!({"name": "Other name"}))
        .await;
    assert_eq!(
        renamed.expect(200)["chatbot"]["slug"],
        "free",
        "links stay good"
    );
}

async fn slugs_made_at_once_do_not_collide(stage: Stage) {
    let app = stage.app().await;
    let make = |n: usize| {
        let client = match n % 2 {
            0 => app.client.clone(),
            _ => app.stranger.clone(),
        };
        async move { client.post("/chatbots", json!({"name": "Same name"})).await }
    };
    let made: Vec<Answer> = futures_util::future::join_all((0..16).map(make)).await;
    let mut slugs: Vec<String> = made
        .iter()
        .map(|answer| text(&answer.expect(200)["chatbot"]["slug"]).to_owned())
        .collect();
    slugs.sort();
    slugs.dedup();
    assert_eq!(slugs.len(), 16, "{slugs:?}");
    let chosen = |_| {
        let client = app.client.clone();
        async move {
            client
                .post("/chatbots", json!({"name": "N", "slug": "chosen"}))
                .await
        }
    };
    let made = futures_util::future::join_all((0..8).map(chosen)).await;
    let mut statuses: Vec<u16> = made.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}

async fn a_provider_key_never_comes_back_in_clear(stage: Stage) {
    let app = stage.app().await;
    let secret = "sk-proj-0123456789abcdefWXYZ";
    let body = json!({"name": "Shop", "openai_api_key": secret});
    let made = app.client.post("/chatbots", body).await;
    let shown = made.expect(200)["chatbot"].clone();
    assert_eq!(shown["openai_api_key"], "sk-…WXYZ");
    let path = format!("/chatbot/{}", text(&shown["id"]));
    let answers = [
        made,
        app.client.get(&path).await,
        app.client.get("/chatbots").await,
        app.client.patch(&path, json!({"name": "Tea"})).await,
        app.client
            .patch(&format!("{path}/voice-agent"), json!({}))
            .await,
        app.client
            .patch(
                &path,
                json!({"openai_api_key": format!("{secret} "), "name": 5}),
            )
            .await,
        app.client
            .patch(&path, json!({"openai_api_key": format!("{secret}\u{7f}")}))
            .await,
        app.client
            .patch(&path, json!({"openai_api_key": {"key": secret}}))
            .await,
    ];
    for answer in answers {
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("0123456789"),
            "{answer:?}"
        );
    }
    // The masked form, sent back by a client that edits what it got, is no new key.
    let echoed = app
        .client
        .patch(&path, json!({"openai_api_key": "sk-…WXYZ"}))
        .await;
    assert_eq!(echoed.expect(200)["chatbot"]["openai_api_key"], "sk-…WXYZ");
    let cleared = app
        .client
        .patch(&path, json!({"openai_api_key": null}))
        .await;
    assert_eq!(
        cleared.expect(200)["chatbot"]["openai_api_key"],
        Value::Null
    );
}

async fn a_deleted_chatbot_is_gone_with_all_it_had(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let item = bot.upload_one("tea.txt", "Tea is hot.").await;
    app.work().await;
    let session = bot.ask("Is tea hot?").await["session_id"].clone();
    bot.upload_one("late.txt", "Not read yet.").await;
    app.client.delete(&bot.path("")).await.expect(200);
    let conversation = format!("/conversations/{}", text(&session));
    for path in ["", "/knowledge-base", "/conversations", &conversation] {
        app.client
            .get(&bot.path(path))
            .await
            .refused(404, "not_found", "");
    }
    app.work().await;
    let chatbot = bot.id.parse().expect("an id");
    let item = text(&item["id"]).parse().expect("an id");
    let blob = okra_store::blobs::item_path(chatbot, item);
    let blob = app
        .engine
        .store()
        .blobs()
        .read(&blob)
        .await
        .expect("readable");
    assert!(blob.is_none(), "its files go with it");
    let all = app.client.get("/chatbots").await.expect(200);
    assert!(list(&all["chatbots"]).is_empty());
}

async fn browsers_of_any_origin_may_call(stage: Stage) {
    let app = stage.app().await;
    let request = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(format!("/api/external{path}"))
            .header("origin", "https://shop.example")
    };
    let preflight = |path| {
        request("OPTIONS", path)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "x-api-key,content-type")
            .body(Body::empty())
            .expect("a request")
    };
    for path in [
        "/chatbots",
        "/chatbot/x/chat?stream=true",
        "/chatbot/x/update-avatar",
    ] {
        let answer = app.nobody().send(preflight(path)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let mut methods: Vec<&str> = answer
            .header("access-control-allow-methods")
            .split(',')
            .collect();
        methods.sort_unstable();
        assert_eq!(
            methods,
            ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"]
        );
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "x-api-key,content-type"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let plain = request("GET", "/chatbots")
        .body(Body::empty())
        .expect("a request");
    let refused = app.nobody().send(plain).await;
    refused.refused(401, "unauthorized", "");
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "*",
        "a page may read the error"
    );
    assert_eq!(refused.header("access-control-allow-credentials"), "");
    let exposed = refused.header("access-control-expose-headers");
    assert!(exposed.contains("x-request-id"), "{exposed}");
    let wrong = request("DELETE", "/chatbot/x/chat")
        .body(Body::empty())
        .expect("a request");
    let wrong = app.nobody().send(wrong).await;
    assert_eq!(
        (wrong.status, wrong.header("access-control-allow-origin")),
        (405, "*")
    );
}

async fn every_answer_has_a_request_id(stage: Stage) {
    let app = stage.app().await;
    let ask = async |path: &str, id: &[u8]| {
        let request = Request::get(path).header("x-request-id", id);
        let request = request.body(Body::empty()).expect("a request");
        app.nobody().send(request).await
    };
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/external/chatbots",
        "/nowhere",
        "/docs",
    ] {
        let kept = ask(path, b"Order-77_a.b").await;
        assert_eq!(kept.header("x-request-id"), "Order-77_a.b");
        let long = "x".repeat(65);
        let hostile: [&[u8]; 5] = [b"", b"a b", b"<script>", "표".as_bytes(), long.as_bytes()];
        for id in hostile {
            let made = ask(path, id).await;
            let made = made.header("x-request-id").parse::<uuid::Uuid>();
            assert!(made.is_ok(), "{path} with {id:?}: {made:?}");
        }
    }
}

async fn unknown_paths_and_methods_answer_in_json(stage: Stage) {
    let app = stage.app().await;
    for path in [
        "",
        "/",
        "/nothing",
        "/chatbot",
        "/chatbot/",
        "/chatbots/",
        "/chatbot/a/b/c/d/e",
    ] {
        app.client.get(path).await.refused(404, "not_found", "");
    }
    let bot = app.bot("Shop").await;
    for (method, path) in [
        ("PUT", "/chatbots".to_owned()),
        ("POST", bot.path("")),
        ("GET", bot.path("/chat")),
        ("GET", bot.path("/query-knowledge")),
        ("POST", bot.path("/conversations")),
        ("GET", bot.path("/knowledge-base/files")),
        ("BREW", bot.path("/chat")),
    ] {
        let answer = app.client.call(method, &path, Body::empty(), None).await;
        answer.refused(405, "method_not_allowed", "");
        assert!(!answer.header("allow").is_empty(), "{answer:?}");
    }
    let odd = Request::get("/files/chatbot/%FF/%FE.png")
        .body(Body::empty())
        .expect("a request");
    let odd = app.nobody().send(odd).await;
    assert!((400..500).contains(&odd.status), "{odd:?}");
    let odd = app.client.get("/chatbot/%FF").await;
    odd.refused(400, "invalid_request", "");
    let odd = app.client.get("/chatbots?page=%FF").await;
    odd.refused(400, "invalid_request", "page");
}
