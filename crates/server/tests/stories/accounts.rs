//! People's accounts: how the first one is made, signing in and out, and what a cookie is good for.

use std::time::Duration;

use okra_domain::person::Role;
use serde_json::{Value, json};

use crate::support::{Client, OUR_KEY, PASSWORD, Stage, TestApp, text};

stories! {
    the_first_person_sets_the_server_up,
    each_start_voids_the_set_up_link_of_the_one_before,
    without_https_the_cookie_has_no_prefix,
    a_wrong_password_and_an_unknown_address_look_alike,
    who_guesses_is_told_how_long_to_wait,
    one_network_does_not_guess_for_everyone,
    other_sites_cannot_use_the_cookie,
    a_sign_in_ends_when_it_should,
    a_new_password_ends_the_other_sign_ins,
    a_person_names_the_organization,
    a_role_opens_what_it_should,
    odd_accounts_are_refused_with_the_field,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn me(browser: &Client) -> Value {
    browser.account("GET", "", Value::Null).await.expect(200)
}

/// Whether the browser's sign-in is over.
async fn signed_out(browser: &Client) {
    let answer = browser.account("GET", "", Value::Null).await;
    answer.refused(401, "unauthorized", "");
    let answer = browser.get("/chatbots").await;
    answer.refused(401, "unauthorized", "");
}

async fn the_first_person_sets_the_server_up(stage: Stage) {
    let app = stage.app().await;
    app.bot("Shop").await;
    let token = app.set_up_token().await.expect("nobody is there");
    let look = || {
        let (nobody, token) = (app.nobody(), json!({"token": token}));
        async move { nobody.account("POST", "/links/show", token).await }
    };
    let shown = look().await.expect(200);
    let expected = json!({"kind": "setup", "organization": "Ours", "email": null, "name": null,
        "has_account": false});
    assert_eq!(shown, expected);

    let accept = |body: Value| {
        let mut body = body;
        body["token"] = json!(token);
        app.accept(body)
    };
    // A slip of the finger does not use it up.
    let short = json!({"name": "Kim", "email": "kim@example.com", "password": "1234567"});
    accept(short)
        .await
        .refused(400, "invalid_request", "password");
    let nameless = json!({"email": "kim@example.com", "password": PASSWORD});
    accept(nameless)
        .await
        .refused(400, "invalid_request", "name");
    let taken = json!({"name": "Kim", "email": "kim@example.com", "password": PASSWORD,
        "organization": "Theirs"});
    accept(taken).await.refused(409, "conflict", "");

    let body = json!({"name": " Kim ", "email": " Kim@Example.com", "password": PASSWORD,
        "organization": "서울 상점"});
    let accepted = accept(body.clone()).await;
    let cookie = accepted.header("set-cookie");
    let mut parts: Vec<&str> = cookie.split("; ").collect();
    let value = parts.remove(0).strip_prefix("__Host-okra_session=");
    assert_eq!(value.map(str::len), Some(43), "32 random bytes: {cookie}");
    parts.sort_unstable();
    let flags = [
        "HttpOnly",
        "Max-Age=2592000",
        "Path=/",
        "SameSite=Strict",
        "Secure",
    ];
    assert_eq!(parts, flags);
    assert_eq!(accepted.header("cache-control"), "no-store");
    let browser = app.browser(&accepted);
    let me = me(&browser).await;
    assert_eq!(me, accepted.json());
    let person = &me["person"];
    assert_eq!(
        (&person["name"], &person["email"]),
        (&json!("Kim"), &json!("kim@example.com"))
    );
    let place = &me["organizations"][0];
    assert_eq!(
        (&place["name"], &place["role"]),
        (&json!("서울 상점"), &json!("owner"))
    );

    // What the key made is there for the owner, and the link is gone.
    let bots = browser.get("/chatbots").await.expect(200);
    assert_eq!(bots["chatbots"][0]["name"], "Shop");
    look().await.refused(404, "link_invalid", "");
    accept(body).await.refused(404, "link_invalid", "");
    assert_eq!(app.set_up_token().await, None);
}

async fn each_start_voids_the_set_up_link_of_the_one_before(stage: Stage) {
    let app = stage.app().await;
    let first = app.set_up_token().await.expect("nobody is there");
    let second = app.set_up_token().await.expect("nobody is there");
    let show = |token: &str| {
        let (nobody, token) = (app.nobody(), json!({"token": token}));
        async move { nobody.account("POST", "/links/show", token).await }
    };
    show(&first).await.refused(404, "link_invalid", "");
    show(&second).await.expect(200);
    for forged in ["", "x", &second[1..], &second.to_uppercase(), "' OR 1=1 --"] {
        show(forged).await.refused(404, "link_invalid", "");
    }
    app.clock.advance(7 * DAY);
    show(&second).await.refused(404, "link_invalid", "");
    // Nobody sets up a server that has people, whatever link was made before.
    let third = app.set_up_token().await.expect("nobody is there");
    app.member("Theirs", "lee@example.com", Role::Owner).await;
    show(&third).await.refused(404, "link_invalid", "");
    let body = json!({"token": third, "name": "Eve", "email": "eve@example.com",
        "password": PASSWORD});
    app.accept(body).await.refused(404, "link_invalid", "");
}

async fn without_https_the_cookie_has_no_prefix(stage: Stage) {
    let app = stage
        .app_with(&[("OKRA_PUBLIC_URL", "http://127.0.0.1:8080")])
        .await;
    let token = app
        .invitation("Ours", "kim@example.com", Role::Viewer)
        .await;
    let body = json!({"token": token, "name": "Kim", "password": PASSWORD});
    let accepted = app.accept(body).await;
    let cookie = accepted.header("set-cookie");
    assert!(cookie.starts_with("okra_session="), "{cookie}");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "{cookie}");
    let browser = app
        .browser(&accepted)
        .with("origin", "http://127.0.0.1:8080");
    browser.get("/chatbots").await.expect(200);
}

async fn a_wrong_password_and_an_unknown_address_look_alike(stage: Stage) {
    let app = stage.app().await;
    app.member("Ours", "kim@example.com", Role::Viewer).await;
    let wrong = app.sign_in("kim@example.com", "wrong horse").await;
    wrong.refused(401, "sign_in_failed", "");
    let unknown = app.sign_in("nobody@example.com", "wrong horse").await;
    assert_eq!((unknown.status, &unknown.body), (401, &wrong.body));
    let huge = app.sign_in("kim@example.com", &"x".repeat(1_000_000)).await;
    assert_eq!((huge.status, &huge.body), (401, &wrong.body));
    for answer in [&wrong, &unknown] {
        assert_eq!(answer.header("set-cookie"), "");
    }
    let right = app.sign_in("KIM@example.com ", PASSWORD).await;
    assert_eq!(
        me(&app.browser(&right)).await["person"]["email"],
        "kim@example.com"
    );
}

async fn who_guesses_is_told_how_long_to_wait(stage: Stage) {
    let app = stage
        .app_with(&[("OKRA_ADDRESS_SIGN_INS_PER_MINUTE", "1000")])
        .await;
    app.member("Ours", "kim@example.com", Role::Viewer).await;
    for email in ["kim@example.com", "nobody@example.com"] {
        for _ in 0..10 {
            let wrong = app.sign_in(email, "wrong horse").await;
            wrong.refused(401, "sign_in_failed", "");
        }
        let stopped = app.sign_in(email, PASSWORD).await;
        stopped.refused(429, "rate_limited", "");
        assert_eq!(stopped.header("retry-after"), "60");
    }
    // Others are not kept waiting, and it goes on after the minute.
    let lee = app.sign_in("lee@example.com", PASSWORD).await;
    lee.refused(401, "sign_in_failed", "");
    app.clock.advance(Duration::from_secs(60));
    app.browser(&app.sign_in("kim@example.com", PASSWORD).await);
}

async fn one_network_does_not_guess_for_everyone(stage: Stage) {
    let app = stage
        .app_with(&[("OKRA_ADDRESS_SIGN_INS_PER_MINUTE", "3")])
        .await;
    for n in 0..3 {
        let wrong = app
            .sign_in(&format!("kim{n}@example.com"), "wrong horse")
            .await;
        wrong.refused(401, "sign_in_failed", "");
    }
    let stopped = app.sign_in("kim3@example.com", "wrong horse").await;
    stopped.refused(429, "rate_limited", "");
    assert_eq!(stopped.header("retry-after"), "20");
    // Links are guessed no faster.
    let body = json!({"token": "x"});
    for path in ["/links/show", "/links/accept"] {
        let mut body = body.clone();
        body["password"] = json!(PASSWORD);
        let stopped = app.nobody().account("POST", path, body).await;
        stopped.refused(429, "rate_limited", "");
    }
}

async fn other_sites_cannot_use_the_cookie(stage: Stage) {
    let app = stage.app().await;
    let browser = app.member("Ours", "kim@example.com", Role::Owner).await;
    let named = || json!({"name": "Mine"});
    let refuse = async |client: Client, why: &str| {
        let made = client.post("/chatbots", named()).await;
        made.refused(403, "foreign_origin", "");
        let changed = client.account("PATCH", "", named()).await;
        assert_eq!(changed.status, 403, "{why}");
        changed.refused(403, "foreign_origin", "");
        assert_eq!(changed.header("access-control-allow-origin"), "", "{why}");
        let out = client.account("POST", "/sign-out", Value::Null).await;
        out.refused(403, "foreign_origin", "");
    };
    let origin = |origin: &str| browser.with("origin", origin);
    refuse(browser.without("origin"), "no origin").await;
    refuse(origin("https://evil.example"), "another site").await;
    refuse(
        origin("https://chat.example.com.evil.example"),
        "a longer name",
    )
    .await;
    refuse(origin("http://chat.example.com"), "without TLS").await;
    refuse(origin("null"), "a sandbox").await;
    let claims = origin("https://evil.example").with("sec-fetch-site", "same-origin");
    refuse(claims, "an origin counts more").await;
    let sibling = browser
        .without("origin")
        .with("sec-fetch-site", "same-site");
    refuse(sibling, "a neighbour").await;
    // Reading is closed to other sites too, and no answer lets a page in with its cookies.
    let read = origin("https://evil.example").get("/chatbots").await;
    read.refused(403, "foreign_origin", "");
    assert_eq!(read.header("access-control-allow-origin"), "*");
    assert_eq!(read.header("access-control-allow-credentials"), "");
    // Nor does another site sign its visitors in under an account of its own.
    let body = json!({"email": "kim@example.com", "password": PASSWORD});
    let foreign = app.nobody().with("origin", "https://evil.example");
    let signed = foreign.account("POST", "/sign-in", body).await;
    signed.refused(403, "foreign_origin", "");
    assert_eq!(
        me(&browser).await["person"]["name"],
        "kim",
        "nothing was changed"
    );

    browser.without("origin").get("/chatbots").await.expect(200);
    let fetched = browser
        .without("origin")
        .with("sec-fetch-site", "same-origin");
    fetched.post("/chatbots", named()).await.expect(200);
    // A key is no cookie: it works from anywhere, and wins over one.
    let both = origin("https://evil.example").with_key(OUR_KEY);
    both.post("/chatbots", named()).await.expect(200);
    let bad = browser.with_key(&"c3".repeat(24)).get("/chatbots").await;
    bad.refused(401, "unauthorized", "");
}

async fn a_sign_in_ends_when_it_should(stage: Stage) {
    let app = stage.app().await;
    app.member("Ours", "kim@example.com", Role::Viewer).await;
    let sign_in = async || app.browser(&app.sign_in("kim@example.com", PASSWORD).await);
    let (phone, laptop) = (sign_in().await, sign_in().await);

    let out = phone.account("POST", "/sign-out", Value::Null).await;
    out.expect_nothing(204);
    assert!(
        out.header("set-cookie").contains("okra_session=; "),
        "{out:?}"
    );
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    signed_out(&phone).await;
    me(&laptop).await;
    let again = phone.account("POST", "/sign-out", Value::Null).await;
    again.expect_nothing(204);

    let phone = sign_in().await;
    let out = laptop
        .account("POST", "/sign-out-everywhere", Value::Null)
        .await;
    out.expect_nothing(204);
    signed_out(&phone).await;
    signed_out(&laptop).await;

    // Two weeks without use, or thirty days.
    let (idle, busy) = (sign_in().await, sign_in().await);
    for _ in 0..3 {
        app.clock.advance(9 * DAY);
        me(&busy).await;
    }
    signed_out(&idle).await;
    app.clock.advance(3 * DAY);
    signed_out(&busy).await;
    for forged in ["", "x", "okra", &"A".repeat(43)] {
        let cookie = format!("__Host-okra_session={forged}");
        signed_out(&app.nobody().with_cookie(&cookie)).await;
    }
}

async fn a_new_password_ends_the_other_sign_ins(stage: Stage) {
    let app = stage.app().await;
    let here = app.member("Ours", "kim@example.com", Role::Viewer).await;
    let there = app.browser(&app.sign_in("kim@example.com", PASSWORD).await);
    let change = |current: &str, new: &str| {
        let (here, body) = (here.clone(), json!({"current": current, "new": new}));
        async move { here.account("POST", "/password", body).await }
    };
    let fresh = "완전히 새로운 비밀번호";
    change("wrong horse", fresh)
        .await
        .refused(400, "invalid_request", "current");
    change(PASSWORD, "short")
        .await
        .refused(400, "invalid_request", "new");
    change(PASSWORD, &"x".repeat(201))
        .await
        .refused(400, "invalid_request", "new");
    me(&there).await;
    change(PASSWORD, fresh).await.expect_nothing(204);
    me(&here).await;
    signed_out(&there).await;
    let old = app.sign_in("kim@example.com", PASSWORD).await;
    old.refused(401, "sign_in_failed", "");
    app.browser(&app.sign_in("kim@example.com", fresh).await);
}

/// A browser of someone who views `Ours` and owns `Theirs`, with the ids of both.
async fn of_two(app: &TestApp) -> (Client, [String; 2]) {
    app.member("Ours", "kim@example.com", Role::Viewer).await;
    let token = app
        .invitation("Theirs", "kim@example.com", Role::Owner)
        .await;
    let joined = app
        .accept(json!({"token": token, "password": PASSWORD}))
        .await;
    let browser = app.browser(&joined);
    let me = me(&browser).await;
    let places = me["organizations"].as_array().expect("a list");
    let named: Vec<&str> = places.iter().map(|place| text(&place["name"])).collect();
    assert_eq!(named, ["Ours", "Theirs"], "the one joined first is first");
    let id = |place: &Value| text(&place["id"]).to_owned();
    (browser, [id(&places[0]), id(&places[1])])
}

async fn a_person_names_the_organization(stage: Stage) {
    let app = stage.app().await;
    app.bot("Our bot").await;
    let (browser, [ours, theirs]) = of_two(&app).await;
    let named = async |browser: &Client, path: &str| {
        let bots = browser.get(path).await.expect(200);
        let bots = bots["chatbots"].as_array().expect("a list").clone();
        bots.iter()
            .map(|bot| text(&bot["name"]).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&browser, "/chatbots").await, ["Our bot"]);
    let there = browser.with("x-organization", &theirs);
    assert_eq!(named(&there, "/chatbots").await, [""; 0]);
    there
        .post("/chatbots", json!({"name": "Their bot"}))
        .await
        .expect(200);
    assert_eq!(named(&there, "/chatbots").await, ["Their bot"]);
    assert_eq!(
        named(&browser, &format!("/chatbots?organization={theirs}")).await,
        ["Their bot"]
    );
    let here = browser.with("x-organization", &ours);
    assert_eq!(named(&here, "/chatbots").await, ["Our bot"]);
    // The role is that of the organization meant.
    let made = here.post("/chatbots", json!({"name": "Mine"})).await;
    made.refused(403, "role_too_low", "");

    let stranger = app.member("Ours", "lee@example.com", Role::Owner).await;
    for odd in [&theirs, "019b0000-0000-7000-8000-000000000000", "x", ""] {
        let answer = stranger.with("x-organization", odd).get("/chatbots").await;
        answer.refused(404, "not_found", "");
    }
}

async fn a_role_opens_what_it_should(stage: Stage) {
    let app = stage.app().await;
    let bot = app.bot("Shop").await;
    let people = [
        (app.member("Ours", "vi@example.com", Role::Viewer).await, 0),
        (app.member("Ours", "ag@example.com", Role::Agent).await, 1),
        (app.member("Ours", "ad@example.com", Role::Admin).await, 2),
        (app.member("Ours", "ow@example.com", Role::Owner).await, 3),
    ];
    for (browser, rank) in &people {
        browser.get(&bot.path("")).await.expect(200);
        let query = json!({"query": "tea"});
        let found = browser.post(&bot.path("/query-knowledge"), query).await;
        found.expect(200);
        let asked = browser
            .post(&bot.path("/chat"), crate::support::said("tea"))
            .await;
        let changed = browser.patch(&bot.path(""), json!({"name": "Shop"})).await;
        for (answer, least) in [(asked, 1), (changed, 2)] {
            match rank >= &least {
                true => assert_eq!(answer.status, 200, "{answer:?}"),
                false => answer.refused(403, "role_too_low", ""),
            }
        }
    }
    // The key that vouches for visitors is shown in full to those who may make it.
    app.client
        .json("POST", &bot.path("/deploy/secret"), "")
        .await
        .expect(200);
    let secret = async |browser: &Client| {
        let shown = browser.get(&bot.path("/deploy")).await.expect(200);
        text(&shown["identity_secret"]).chars().count()
    };
    assert_eq!(
        (secret(&people[1].0).await, secret(&people[2].0).await),
        (8, 64)
    );
}

async fn odd_accounts_are_refused_with_the_field(stage: Stage) {
    let app = stage
        .app_with(&[("OKRA_ADDRESS_SIGN_INS_PER_MINUTE", "1000")])
        .await;
    let token = app.set_up_token().await.expect("nobody is there");
    let check = async |field: &str, value: Value, refused: &str| {
        let mut body = json!({"token": token, "name": "Kim", "email": "kim@example.com",
            "password": PASSWORD, "organization": "Shop"});
        body[field] = value;
        let answer = app.accept(body).await;
        answer.refused(400, "invalid_request", refused);
    };
    for email in [
        "",
        "kim",
        "kim@",
        "kim@example.com\r\nBcc: x@y.example",
        "Kim <k@x.example>",
    ] {
        check("email", json!(email), "email").await;
    }
    check(
        "email",
        json!(format!("{}@example.com", "k".repeat(250))),
        "email",
    )
    .await;
    check("email", json!(7), "email").await;
    check("name", json!("  "), "name").await;
    check("name", json!("x".repeat(101)), "name").await;
    check("name", json!("a\nb"), "name").await;
    check("name", json!("a\0b"), "").await;
    check("password", json!("1234567"), "password").await;
    check("password", json!("x".repeat(201)), "password").await;
    check("password", json!("correct\0horse"), "").await;
    check("organization", json!(""), "organization").await;
    check("organization", json!("x".repeat(101)), "organization").await;

    let browser = app.member("Ours", "kim@example.com", Role::Viewer).await;
    let set = |body: Value| {
        let browser = browser.clone();
        async move { browser.account("PATCH", "", body).await }
    };
    for language in ["", "english", "en_US", "<b>"] {
        let answer = set(json!({"language": language})).await;
        answer.refused(400, "invalid_request", "language");
    }
    let changed = set(json!({"language": "ko", "name": "김"}))
        .await
        .expect(200);
    assert_eq!(changed["person"]["language"], "ko");
    set(json!({})).await.expect(200);
    assert_eq!(me(&browser).await, changed);
    let cleared = set(json!({"language": null})).await.expect(200);
    assert_eq!(
        (&cleared["person"]["language"], &cleared["person"]["name"]),
        (&json!(null), &json!("김"))
    );
}
