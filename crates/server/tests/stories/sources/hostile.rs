//! Sites that mean no good: loops, traps, floods, and ways into the operator's own network.

use okra_testkit::website::{MockSite, Page, gzip};
use serde_json::json;

use super::{beginning, page, sources};
use crate::support::{Stage, text};

stories! {
    loops_and_calendars_come_to_an_end,
    redirects_without_end_are_bounded,
    proper_addresses_without_end_are_bounded,
    no_link_leads_into_a_private_network,
    huge_and_broken_pages_fail_alone,
    floods_of_addresses_are_bounded,
    a_site_whose_wishes_are_unknown_is_left_alone,
}

async fn loops_and_calendars_come_to_an_end(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put(
        "/",
        page(
            "Home",
            "The beginning.",
            &["/loop", "/ring/1", "/chain/0", "/day/0"],
        ),
    );
    site.put("/loop", Page::redirect(302, "/loop"));
    site.put("/ring/1", Page::redirect(302, "/ring/2"));
    site.put("/ring/2", Page::redirect(302, "/ring/1"));
    site.put_others(|path| {
        let (kind, rest) = path.strip_prefix('/')?.split_once('/')?;
        match (kind, rest.parse::<u32>().ok()) {
            ("chain", Some(n)) => Some(Page::redirect(302, &format!("/chain/{}", n + 1))),
            ("day", Some(n)) => {
                let days = [format!("/day/{}", 2 * n + 1), format!("/day/{}", 2 * n + 2)];
                let links = [days[0].as_str(), days[1].as_str(), "deeper/here"];
                Some(page(
                    &format!("Day {n}"),
                    &format!("Nothing on day {n}."),
                    &links,
                ))
            }
            _ => Some(page("Deep", rest, &["deeper/here"])),
        }
    });
    let sources = sources(&bot);
    let source = sources
        .add_site(&site, json!({"max_pages": 30, "sitemap": false}))
        .await;
    app.work().await;
    let source = sources.show(&source).await;
    assert_eq!(
        (&source["state"], &source["limit_reached"]),
        (&json!("ready"), &json!(true)),
        "{source}"
    );
    let asked = site.requests().len();
    assert!(asked <= 30 + 2 + 6, "{asked} requests");
    let chained = sources.page(&source, "/chain/5").await;
    assert_eq!(chained["reason"], "This address redirects too many times.");
    let looped = sources.page(&source, "/loop").await;
    assert_eq!(looped["state"], "failed");
    assert_eq!(sources.page(&source, "/ring/1").await["state"], "moved");
}

async fn redirects_without_end_are_bounded(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    // Each page names the next, and ten addresses of its own that all lead to the first one.
    let story = |n: u32| {
        let mut links: Vec<String> = (0..10).map(|i| format!("/go/{n}-{i}")).collect();
        links.push(format!("/page/{}", n + 1));
        let links: Vec<&str> = links.iter().map(String::as_str).collect();
        page(
            &format!("Page {n}"),
            &format!("What page {n} says."),
            &links,
        )
    };
    site.put("/", story(0));
    site.put_others(move |path| match path.strip_prefix("/page/") {
        Some(n) => Some(story(n.parse().ok()?)),
        None => path.starts_with("/go/").then(|| Page::redirect(302, "/")),
    });
    let sources = sources(&bot);
    let options = json!({"max_pages": 30, "max_depth": 20, "sitemap": false});
    let source = sources.add_site(&site, options).await;
    app.work().await;
    let source = sources.show(&source).await;
    assert_eq!(
        (&source["state"], &source["limit_reached"]),
        (&json!("ready"), &json!(true)),
        "{source}"
    );
    assert_eq!(source["pages"]["total"], 4 * 30, "{source}");
    let asked = site.requests().len();
    assert_eq!(asked, 4 * 30 + 1, "each once, and robots.txt");
}

async fn proper_addresses_without_end_are_bounded(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    // Each page names the next one as its proper address.
    site.put_others(|path| {
        let n: u32 = path.strip_prefix('/')?.parse().unwrap_or(0);
        let next = n + 1;
        let html = format!("<link rel=canonical href=\"/{next}\"><main>Step {n}.</main>");
        (n < 50).then(|| Page::html(html))
    });
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({"sitemap": false})).await;
    app.work().await;
    assert_eq!(sources.paths(&source, "ready").await, ["/5"]);
    assert_eq!(site.asked("/6"), 0);
}

async fn no_link_leads_into_a_private_network(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    let inside = MockSite::start().await;
    inside.put("/", page("Secret", "The word is pomegranate.", &[]));
    let port = inside.address().port();
    let ways = [
        inside.url("/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::ffff:7f00:1]:{port}/"),
        format!("http://localhost:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1:70/".to_owned(),
    ];
    let mut links: Vec<String> = ways.to_vec();
    for (number, way) in ways.iter().enumerate() {
        site.put(&format!("/to/{number}"), Page::redirect(302, way));
        links.push(format!("/to/{number}"));
    }
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    site.put("/", page("Home", "The beginning.", &links));
    let map: String = ways
        .iter()
        .map(|way| format!("<url><loc>{way}</loc></url>"))
        .collect();
    site.put(
        "/sitemap.xml",
        Page::typed("text/xml", format!("<urlset>{map}</urlset>")),
    );
    let feed: String = ways
        .iter()
        .map(|way| format!("<item><title>x</title><link>{way}</link></item>"))
        .collect();
    let feed = format!("<rss version=\"2.0\"><channel><title>F</title>{feed}</channel></rss>");
    site.put("/feed", Page::typed("application/rss+xml", feed));

    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({})).await;
    let feed = sources
        .add(json!({"type": "feed", "address": site.url("/feed")}))
        .await;
    // The site's own address may be private too, and then it is said.
    let direct = sources
        .add(json!({"type": "site", "address": inside.url("/")}))
        .await;
    app.work().await;
    assert!(inside.requests().is_empty(), "{:?}", inside.requests());
    assert_eq!(sources.paths(&source, "ready").await, ["/"]);
    let (excluded, failed) = (
        sources.paths(&source, "excluded").await,
        sources.paths(&source, "failed").await,
    );
    assert_eq!(
        excluded.len() + failed.len(),
        ways.len(),
        "{excluded:?} {failed:?}"
    );
    assert!(sources.paths(&feed, "ready").await.is_empty());
    for page in sources.pages(&feed, "").await {
        assert!(text(&page["reason"]).contains("private network"), "{page}");
    }
    let direct = sources.show(&direct).await;
    assert_eq!(direct["state"], "failed");
    assert!(
        text(&direct["error"]).contains("private network"),
        "{direct}"
    );
}

async fn huge_and_broken_pages_fail_alone(stage: Stage) {
    let site = MockSite::start().await;
    let allow = site.address().to_string();
    let settings = [
        ("OKRA_FETCH_ALLOW", allow.as_str()),
        ("OKRA_FETCH_MAX_MB", "1"),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    let links = ["/huge", "/cut", "/empty", "/packed", "/login", "/fine"];
    site.put("/", page("Home", "The beginning.", &links));
    site.put("/huge", Page::endless("<p>".repeat(10_000)));
    site.put("/cut", Page::then_cut("<p>Half a"));
    site.put("/empty", Page::html("<script>render()</script>"));
    site.put(
        "/packed",
        Page::typed("application/zip", &b"PK\x03\x04"[..]),
    );
    site.put("/login", Page::html("Who are you?").with_status(403));
    site.put("/fine", page("Fine", "The kettle holds two litres.", &[]));
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({"sitemap": false})).await;
    for _ in 0..6 {
        app.work().await;
        app.clock.advance(std::time::Duration::from_secs(200));
    }
    let source = sources.show(&source).await;
    assert_eq!(source["state"], "ready", "{source}");
    assert_eq!(sources.paths(&source, "ready").await, ["/", "/fine"]);
    for (path, reason) in [
        ("/huge", "larger than 1 MB"),
        // Where it is noticed is a matter of chance.
        ("/cut", ""),
        ("/empty", "no text"),
        ("/packed", "application/zip"),
        ("/login", "signing in"),
    ] {
        let page = sources.page(&source, path).await;
        assert_eq!(page["state"], "failed", "{page}");
        assert!(text(&page["reason"]).contains(reason), "{page}");
    }
    assert_eq!(site.asked("/cut"), 5, "what may pass is tried again");
    assert_eq!(site.asked("/huge"), 1, "what will not pass is not");
}

async fn floods_of_addresses_are_bounded(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    let links: String = (0..100_000)
        .map(|number| format!("<a href=\"/p{number}\">{number}</a>"))
        .collect();
    let html = format!("<title>Home</title><main><p>The beginning.</p>{links}</main>");
    site.put("/", Page::html(html));
    site.put_others(|path| path.starts_with("/p").then(|| page(path, path, &[])));
    let robots = format!(
        "Sitemap: {}\nSitemap: {}\nSitemap: {}",
        site.url("/bomb.xml.gz"),
        site.url("/deep.xml.gz"),
        site.url("/long.xml")
    );
    site.put("/robots.txt", Page::typed("text/plain", robots));
    let packed = |bytes: Vec<u8>| Page::typed("application/gzip", gzip(&bytes));
    site.put("/bomb.xml.gz", packed(vec![b' '; 51 * 1024 * 1024]));
    let deep = format!("<urlset>{}", "<a>".repeat(16 * 1024 * 1024));
    site.put("/deep.xml.gz", packed(deep.into_bytes()));
    let long: String = (0..60_000)
        .map(|number| format!("<url><loc>{}</loc></url>", site.url(&format!("/p{number}"))))
        .collect();
    let long = format!("<urlset>{long}</urlset>");
    site.put("/long.xml", Page::typed("text/xml", long));
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({"max_pages": 10})).await;
    app.work().await;
    let shown = sources.show(&source).await;
    assert_eq!(
        (&shown["state"], &shown["limit_reached"], &shown["error"]),
        (&json!("ready"), &json!(true), &serde_json::Value::Null),
        "{shown}"
    );
    assert_eq!(sources.paths(&source, "ready").await.len(), 10);
    assert!(bot.items().await.len() <= 10);
}

async fn a_site_whose_wishes_are_unknown_is_left_alone(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put("/robots.txt", Page::html("busy").with_status(503));
    site.put("/", page("Home", "The beginning.", &[]));
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({})).await;
    for _ in 0..6 {
        app.work().await;
        app.clock.advance(std::time::Duration::from_secs(200));
    }
    assert_eq!(site.asked("/"), 0);
    let failed = sources.show(&source).await;
    assert!(text(&failed["error"]).contains("robots.txt"), "{failed}");

    site.put(
        "/robots.txt",
        Page::typed("text/plain", "User-agent: *\nDisallow: /"),
    );
    sources.sync(&source).await;
    app.work().await;
    assert_eq!(site.asked("/"), 0);
    let refused = sources.show(&source).await;
    assert!(
        text(&refused["error"]).contains("asks not to read"),
        "{refused}"
    );
}
