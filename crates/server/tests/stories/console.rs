//! The console: one page under many paths, guarded from everything that is not this server's.

use axum::body::Body;
use axum::http::Request;
use okra_server::assets;

use crate::support::{Answer, Client, Stage};

stories! {
    browsers_get_the_console_at_each_of_its_pages,
    the_front_door_leads_programs_to_the_reference,
}

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

async fn ask(client: &Client, path: &str, accept: &str) -> Answer {
    let request = Request::get(path).header("accept", accept);
    let request = request.body(Body::empty()).expect("a request");
    client.send(request).await
}

async fn browsers_get_the_console_at_each_of_its_pages(stage: Stage) {
    let app = stage.app().await;
    let nobody = app.nobody();
    let paths = assets::CONSOLE.map(|path| path.replace("{*page}", "0198/knowledge"));
    for path in paths.iter().map(String::as_str) {
        let page = ask(&nobody, path, BROWSER).await;
        if !assets::has_console() {
            page.refused(404, "not_found", "");
            continue;
        }
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("cache-control"), "no-cache");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("access-control-allow-origin"), "");
        let policy = page.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        ] {
            let stands = policy.split(';').any(|part| part.trim() == rule);
            assert!(stands, "{rule} is not in {policy}");
        }
        // What the policy forbids does not stand in the page.
        let html = std::str::from_utf8(&page.body).expect("UTF-8");
        assert!(
            !html.contains("<style") && !html.contains("style="),
            "{html}"
        );
        let scripts = html.matches("<script").count();
        assert_eq!(html.matches("src=\"/assets/").count(), scripts, "{html}");
    }
    // A path that only looks like one of the API's stays an error in JSON.
    let beside = ask(&nobody, "/signin", BROWSER).await;
    beside.refused(404, "not_found", "");
}

async fn the_front_door_leads_programs_to_the_reference(stage: Stage) {
    let app = stage.app().await;
    let nobody = app.nobody();
    for accept in ["*/*", "application/json", ""] {
        let answer = ask(&nobody, "/", accept).await;
        assert_eq!(answer.status, 307, "{answer:?}");
        assert_eq!(answer.header("location"), "/docs");
        assert!(answer.header("vary").contains("accept"), "{answer:?}");
    }
    let answer = ask(&nobody, "/", BROWSER).await;
    assert!(answer.header("vary").contains("accept"), "{answer:?}");
    match assets::has_console() {
        true => {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(
                answer
                    .header("content-security-policy")
                    .contains("frame-ancestors 'none'")
            );
        }
        false => assert_eq!(answer.header("location"), "/docs"),
    }
}
