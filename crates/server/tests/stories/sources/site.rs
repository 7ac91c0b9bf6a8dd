//! A site, read for the first time.

use okra_testkit::website::{MockSite, Page, gzip};
use serde_json::{Value, json};

use super::{beginning, event, finished, page, sources};
use crate::support::{Stage, list, text};

stories! {
    a_whole_site_is_read,
    patterns_and_limits_bound_it,
    twins_and_moved_pages_are_read_once,
    linked_documents_are_read_where_wished,
    what_cannot_be_used_is_refused,
    what_it_read_are_ordinary_items,
    a_sites_wish_for_pauses_is_kept,
    all_sources_of_a_site_keep_its_pause_together,
}

/// A shop of five pages, one of which only the sitemap names.
fn shop(site: &MockSite) {
    let robots = format!(
        "User-agent: *\nDisallow: /private\nSitemap: {}\n",
        site.url("/map")
    );
    site.put("/map", Page::redirect(301, "/maps.xml"));
    site.put("/robots.txt", Page::typed("text/plain", robots));
    let index = format!(
        "<sitemapindex><sitemap><loc>{}</loc></sitemap></sitemapindex>",
        site.url("/map.xml.gz")
    );
    site.put("/maps.xml", Page::typed("text/xml", index));
    let map = format!(
        "<urlset><url><loc>{}</loc></url><url><loc>https://elsewhere.example/</loc></url></urlset>",
        site.url("/warranty")
    );
    site.put(
        "/map.xml.gz",
        Page::typed("application/gzip", gzip(map.as_bytes())),
    );
    site.put(
        "/",
        page(
            "Shop",
            "Welcome to the shop of coffee machines and grinders.",
            &[
                "/returns?utm_source=home",
                "shipping#europe",
                "/private/plans",
                "https://elsewhere.example/",
                "mailto:kim@example.com",
                "/logo.png",
                "/guide.pdf",
            ],
        ),
    );
    site.put(
        "/returns",
        page(
            "Returns",
            "A machine may be returned within thirty days.",
            &["/"],
        ),
    );
    site.put(
        "/shipping",
        page(
            "Shipping",
            "Parcels to Europe travel four days.",
            &["/shipping/islands"],
        ),
    );
    site.put(
        "/shipping/islands",
        page(
            "Islands",
            "Parcels to islands travel nine days by ferry.",
            &["/returns"],
        ),
    );
    site.put(
        "/warranty",
        page(
            "Warranty",
            "The warranty covers the boiler for six years.",
            &[],
        ),
    );
    site.put("/private/plans", page("Plans", "Secret plans.", &[]));
}

async fn a_whole_site_is_read(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    shop(&site);
    let sources = sources(&bot);
    let added = sources.add_site(&site, json!({})).await;
    assert_eq!(
        (&added["state"], &added["run"]),
        (&json!("waiting"), &json!(0))
    );
    app.work().await;

    let source = sources.show(&added).await;
    assert_eq!(source["state"], "ready", "{source}");
    assert_eq!(
        sources.paths(&source, "ready").await,
        [
            "/",
            "/returns",
            "/shipping",
            "/shipping/islands",
            "/warranty"
        ]
    );
    assert_eq!(sources.paths(&source, "excluded").await, ["/private/plans"]);
    assert_eq!(
        source["pages"],
        json!({"total": 6, "pending": 0, "ready": 5, "failed": 0})
    );
    assert_eq!(source["limit_reached"], false);
    let log = sources.log(&source).await;
    assert_eq!(log[0], event("added", "/"));
    assert_eq!(log[5], finished(5, 0, 0, 0, 0));

    // Each page was asked for once, under our name, and nothing else was.
    let requests = site.requests();
    for (_, headers) in &requests {
        assert!(
            headers["user-agent"]
                .to_str()
                .expect("text")
                .starts_with("okra/")
        );
    }
    let mut paths: Vec<&str> = requests.iter().map(|(path, _)| path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "/",
            "/map",
            "/map.xml.gz",
            "/maps.xml",
            "/returns",
            "/robots.txt",
            "/shipping",
            "/shipping/islands",
            "/warranty"
        ]
    );

    // It answers, with where it stands, and without what stands on every page.
    let found = bot.query("How long do parcels to islands travel?").await;
    assert_eq!(found[0]["url"], json!(site.url("/shipping/islands")));
    assert_eq!(found[0]["title"], "Islands");
    let content = text(&found[0]["content"]);
    assert!(
        content.contains("nine days") && !content.contains("Basket"),
        "{content}"
    );
}

async fn patterns_and_limits_bound_it(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    shop(&site);
    let sources = sources(&bot);
    let options = json!({"include": ["/shipping"], "exclude": ["*islands"], "sitemap": false});
    let source = sources.add_site(&site, options).await;
    app.work().await;
    // The first page is read for its links alone.
    assert_eq!(bot.items().await.len(), 1);
    assert!(
        bot.found("When do parcels come?")
            .await
            .contains("four days")
    );
    assert_eq!(site.asked("/returns") + site.asked("/shipping/islands"), 0);

    // Other patterns count from the next sync on.
    let path = sources.path(&source, "");
    let other = json!({"options": {"include": ["/returns"], "exclude": null}});
    bot.client.patch(&path, other).await.expect(200);
    sources.sync(&source).await;
    app.work().await;
    let items = bot.items().await;
    assert_eq!((items.len(), &items[0]["title"]), (1, &json!("Returns")));
    bot.client.delete(&path).await.expect(200);

    let source = sources
        .add_site(&site, json!({"max_pages": 2, "sitemap": false}))
        .await;
    app.work().await;
    let source = sources.show(&source).await;
    assert_eq!(sources.paths(&source, "ready").await, ["/", "/returns"]);
    assert_eq!(source["limit_reached"], true);
    bot.client
        .delete(&sources.path(&source, ""))
        .await
        .expect(200);

    let source = sources
        .add_site(&site, json!({"max_depth": 1, "sitemap": false}))
        .await;
    app.work().await;
    assert_eq!(
        sources.paths(&source, "ready").await,
        ["/", "/returns", "/shipping"]
    );
}

async fn twins_and_moved_pages_are_read_once(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    let links = ["/a", "/copy", "/print", "/moved", "/left", "/right", "/out"];
    site.put("/", page("Home", "The beginning of it all.", &links));
    site.put("/a", page("A", "The price of a grinder is ninety.", &[]));
    site.put("/copy", page("A", "The price of a grinder is ninety.", &[]));
    let named = |title: &str, passage: &str, to: &str| {
        let html = format!(
            "<title>{title}</title><link rel=canonical href=\"{to}\"><main><p>{passage}</p></main>"
        );
        Page::html(html)
    };
    site.put("/print", named("A", "Printed: the price is ninety.", "/a"));
    // Two pages that name each other as the proper one: one of them is.
    site.put("/left", named("Left", "The left door is green.", "/right"));
    site.put("/right", named("Right", "The right door is red.", "/left"));
    site.put("/moved", Page::redirect(301, "/new?utm_source=x#top"));
    site.put("/new", page("New", "The cellar opens at noon.", &[]));
    site.put("/out", Page::redirect(302, "https://elsewhere.example/"));
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({})).await;
    app.work().await;

    assert_eq!(
        sources.paths(&source, "ready").await,
        ["/", "/a", "/new", "/right"]
    );
    assert_eq!(
        sources.paths(&source, "duplicate").await,
        ["/copy", "/left", "/print"]
    );
    assert_eq!(sources.paths(&source, "moved").await, ["/moved"]);
    let out = sources.page(&source, "/out").await;
    assert!(text(&out["reason"]).contains("elsewhere.example"), "{out}");
    assert_eq!(bot.items().await.len(), 4);

    // The same at the next time: nothing is taken for another.
    sources.sync(&source).await;
    app.work().await;
    assert_eq!(
        sources.paths(&source, "ready").await,
        ["/", "/a", "/new", "/right"]
    );
    // Where the page that stood for others goes, one of them takes its place.
    site.remove("/a");
    sources.sync(&source).await;
    app.work().await;
    let found = bot.query("What is the price of a grinder?").await;
    let urls: Vec<&Value> = found.iter().map(|result| &result["url"]).collect();
    assert!(urls.contains(&&json!(site.url("/copy"))), "{urls:?}");
}

async fn linked_documents_are_read_where_wished(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put(
        "/",
        page(
            "Home",
            "Look at the handbook.",
            &["/handbook.pdf", "/download?id=1"],
        ),
    );
    let pdf = include_bytes!("../../../../../examples/handbook.pdf");
    site.put("/handbook.pdf", Page::typed("application/pdf", &pdf[..]));
    let rows = "name,weight\nGrinder,3 kg\nKettle,1 kg\n";
    site.put(
        "/download?id=1",
        Page::typed("text/csv; charset=utf-8", rows),
    );
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({})).await;
    app.work().await;
    assert_eq!(site.asked("/handbook.pdf"), 0);
    let left_out = sources.page(&source, "/download?id=1").await;
    assert!(text(&left_out["reason"]).contains("CSV"), "{left_out}");

    let wish = json!({"options": {"documents": true}});
    bot.client
        .patch(&sources.path(&source, ""), wish)
        .await
        .expect(200);
    sources.sync(&source).await;
    app.work().await;
    assert_eq!(
        sources.paths(&source, "ready").await,
        ["/", "/download?id=1", "/handbook.pdf"]
    );
    let found = bot.query("How long may I return a machine?").await;
    assert_eq!(found[0]["url"], json!(site.url("/handbook.pdf")));
    assert!(bot.found("How heavy is the kettle?").await.contains("1 kg"));
}

async fn what_cannot_be_used_is_refused(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    let at = bot.path("/sources");
    let web = |address: &str| json!({"type": "site", "address": address});
    for (source, field) in [
        (web("file:///etc/passwd"), "address"),
        (web("gopher://example.com/"), "address"),
        (web("https://me:pw@example.com/"), "address"),
        (web("example.com"), "address"),
        (web(" "), "address"),
        (
            json!({"type": "feed", "address": "ftp://example.com/"}),
            "address",
        ),
        (json!({"type": "folder", "address": "/etc"}), "address"),
        (
            json!({"type": "bucket", "address": "s3://other/x"}),
            "address",
        ),
        (
            json!({"type": "wiki", "address": "https://example.com/"}),
            "type",
        ),
        (
            json!({"type": "site", "address": "https://example.com/", "cadence": "yearly"}),
            "cadence",
        ),
        (
            json!({"type": "site", "address": "https://example.com/", "name": " "}),
            "name",
        ),
        (
            json!({"type": "site", "address": "https://example.com/", "options": {"max_pages": 0}}),
            "options.max_pages",
        ),
        (
            json!({"type": "site", "address": "https://example.com/", "options": {"deep": 1}}),
            "options.deep",
        ),
        (
            json!({"type": "site", "address": "https://example.com/", "options": []}),
            "options",
        ),
    ] {
        let answer = bot.client.post(&at, source).await;
        answer.refused(400, "invalid_request", field);
    }
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({})).await;
    let again = json!({"type": "site", "address": site.url("/?utm_source=x#y")});
    let answer = bot.client.post(&at, again).await;
    answer.refused(409, "source_exists", "");
    for (query, field) in [("state=lost", "state"), ("pending=perhaps", "pending")] {
        let path = sources.path(&source, &format!("/pages?{query}"));
        bot.client
            .get(&path)
            .await
            .refused(400, "invalid_request", field);
    }
    let (other, nothing) = (
        app.bot("Other").await,
        "019b0000-0000-7000-8000-000000000000",
    );
    for id in [text(&source["id"]), nothing, "no-id"] {
        let path = other.path(&format!("/sources/{id}"));
        for rest in ["", "/pages", "/log"] {
            let answer = other.client.get(&format!("{path}{rest}")).await;
            answer.refused(404, "not_found", "");
        }
        for rest in ["/sync", "/cancel"] {
            let answer = other.client.post(&format!("{path}{rest}"), json!({})).await;
            answer.refused(404, "not_found", "");
        }
        other
            .client
            .delete(&path)
            .await
            .refused(404, "not_found", "");
    }
}

async fn what_it_read_are_ordinary_items(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    shop(&site);
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({})).await;
    app.work().await;
    bot.add(json!({"type": "text", "content": "Typed in."}))
        .await;
    app.work().await;
    let at = bot.path(&format!("/knowledge-base?source={}", text(&source["id"])));
    let items = list(&bot.client.get(&at).await.expect(200)["data"]).clone();
    assert_eq!(items.len(), 5);
    assert!(
        items
            .iter()
            .all(|item| item["source_id"] == source["id"] && item["type"] == "url")
    );

    let of = |title: &str| {
        let found = items.iter().find(|item| item["title"] == title);
        found.unwrap_or_else(|| panic!("{title} in {items:?}"))["id"].clone()
    };
    let path = bot.path("/knowledge-base");
    // Its address is the source's matter, its name and whether it answers are not.
    let moved = json!({"id": of("Returns"), "url": "https://example.com/"});
    bot.client
        .patch(&path, moved)
        .await
        .refused(400, "invalid_request", "url");
    let named = json!({"id": of("Returns"), "title": "Sending back", "enabled": false});
    bot.client.patch(&path, named).await.expect(200);
    assert!(
        !bot.found("Can I return a machine?")
            .await
            .contains("thirty days")
    );
    // What was deleted by hand stays away.
    let gone = bot.path(&format!("/knowledge-base?id={}", text(&of("Warranty"))));
    bot.client.delete(&gone).await.expect(200);
    site.put(
        "/returns",
        page(
            "Returns",
            "A machine may be returned within forty days.",
            &["/"],
        ),
    );
    site.put(
        "/warranty",
        page("Warranty", "The warranty covers everything.", &[]),
    );
    sources.sync(&source).await;
    app.work().await;
    let returns = bot.item(&of("Returns")).await;
    assert_eq!(
        (&returns["title"], &returns["enabled"]),
        (&json!("Sending back"), &json!(false))
    );
    assert_eq!(sources.paths(&source, "removed").await, ["/warranty"]);
    assert_eq!(bot.items().await.len(), 5);

    // With the source goes what it read, and nothing else.
    app.stored_files(4).await;
    bot.client
        .delete(&sources.path(&source, ""))
        .await
        .expect(200);
    let left = bot.items().await;
    assert_eq!((left.len(), &left[0]["title"]), (1, &json!("Typed in.")));
    assert!(
        !bot.found("How long do parcels travel?")
            .await
            .contains("days")
    );
    app.work().await;
    app.stored_files(0).await;
    bot.client
        .get(&sources.path(&source, ""))
        .await
        .refused(404, "not_found", "");
}

async fn a_sites_wish_for_pauses_is_kept(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put(
        "/robots.txt",
        Page::typed("text/plain", "User-agent: okra\nCrawl-delay: 20"),
    );
    site.put("/", page("Home", "The beginning.", &["/a"]));
    site.put("/a", page("A", "The end.", &[]));
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({"sitemap": false})).await;
    app.work().await;
    assert_eq!((site.asked("/"), site.asked("/a")), (1, 0));
    app.clock.advance(std::time::Duration::from_secs(19));
    app.work().await;
    assert_eq!(site.asked("/a"), 0);
    app.clock.advance(std::time::Duration::from_secs(1));
    app.work().await;
    assert_eq!(site.asked("/a"), 1);
    app.clock.advance(std::time::Duration::from_secs(20));
    app.work().await;
    assert_eq!(sources.show(&source).await["state"], "ready");

    // A busy site is left alone as long as it asks.
    site.put(
        "/a",
        Page::html("")
            .with_status(429)
            .with_header("retry-after", "300"),
    );
    sources.sync(&source).await;
    app.work().await;
    app.clock.advance(std::time::Duration::from_secs(21));
    app.work().await;
    assert_eq!(site.asked("/a"), 2);
    app.clock.advance(std::time::Duration::from_secs(290));
    app.work().await;
    assert_eq!(site.asked("/a"), 2);
    app.clock.advance(std::time::Duration::from_secs(10));
    app.work().await;
    assert_eq!(site.asked("/a"), 3, "after the pause that it asked for");
}

async fn all_sources_of_a_site_keep_its_pause_together(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    let robots = "User-agent: okra\nCrawl-delay: 20";
    site.put("/robots.txt", Page::typed("text/plain", robots));
    site.put("/", page("Home", "The beginning.", &["/a"]));
    site.put("/a", page("A", "The end.", &[]));
    site.put("/shop/", page("Shop", "The shop.", &["/shop/b"]));
    site.put("/shop/b", page("B", "The till.", &[]));
    let (ours, other) = (sources(&bot), app.bot("Other").await);
    let others = sources(&other);
    let home = ours.add_site(&site, json!({"sitemap": false})).await;
    let shop =
        json!({"type": "site", "address": site.url("/shop/"), "options": {"sitemap": false}});
    let shop = others.add(shop).await;
    let asked = || {
        let requests = site.requests();
        requests
            .iter()
            .filter(|(path, _)| path != "/robots.txt")
            .count()
    };
    let seconds = |n| app.clock.advance(std::time::Duration::from_secs(n));
    for turn in 1..=4 {
        app.work().await;
        assert_eq!(asked(), turn);
        seconds(19);
        app.work().await;
        assert_eq!(asked(), turn, "the pause is not over");
        seconds(1);
    }
    app.work().await;
    assert_eq!(ours.paths(&home, "ready").await, ["/", "/a"]);
    assert_eq!(others.paths(&shop, "ready").await, ["/shop/", "/shop/b"]);

    // Where one is asked to come back later, the other doesn't come sooner.
    let busy = Page::html("")
        .with_status(429)
        .with_header("retry-after", "300");
    site.put("/", busy);
    ours.sync(&home).await;
    app.work().await;
    assert_eq!(site.asked("/"), 2);
    others.sync(&shop).await;
    app.work().await;
    seconds(290);
    app.work().await;
    assert_eq!(site.asked("/shop/"), 1);
    site.put("/", page("Home", "The beginning.", &["/a"]));
    for _ in 0..5 {
        seconds(20);
        app.work().await;
    }
    assert_eq!((site.asked("/"), site.asked("/shop/")), (3, 2));
    for (sources, source) in [(&ours, &home), (&others, &shop)] {
        assert_eq!(sources.show(source).await["state"], "ready");
    }
}
