//! Read again: what did not change, what did, what is gone; stopped and gone on with.

use std::time::Duration;

use okra_testkit::provider::MockProvider;
use okra_testkit::website::{MockSite, Page};
use serde_json::json;

use super::{Sources, beginning, event, finished, page, sources};
use crate::support::{Stage, TestApp, text};

stories! {
    what_did_not_change_costs_one_small_request,
    a_changed_page_is_swapped_without_a_dark_moment,
    what_is_gone_twice_is_retired,
    what_leads_away_for_a_day_is_kept,
    a_failing_site_takes_nothing_away,
    a_cancelled_sync_writes_nothing_more,
    a_killed_server_goes_on_where_it_was,
    a_source_is_read_again_at_its_time,
    its_progress_is_told,
}

async fn two_pages(
    app: &TestApp,
    sources: &Sources<'_>,
    site: &okra_testkit::website::MockSite,
) -> serde_json::Value {
    site.put("/", page("Home", "We sell coffee machines.", &["/a", "/b"]));
    site.put("/a", page("A", "The workshop opens at nine.", &[]));
    site.put("/b", page("B", "The cafe closes at seven.", &[]));
    let source = sources.add_site(site, json!({"sitemap": false})).await;
    app.work().await;
    source
}

async fn what_did_not_change_costs_one_small_request(stage: Stage) {
    let (site, provider) = (MockSite::start().await, MockProvider::start().await);
    let (allow, base_url) = (site.address().to_string(), provider.base_url());
    let settings = [
        ("OKRA_FETCH_ALLOW", allow.as_str()),
        ("OKRA_EMBEDDER", "openai"),
        ("OKRA_EMBEDDING_BASE_URL", base_url.as_str()),
        ("OKRA_EMBEDDING_MODEL", "mock-embedding"),
        ("OKRA_EMBEDDING_API_KEY", "sk-embed-1234567890"),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    let sources = sources(&bot);
    let source = two_pages(&app, &sources, &site).await;
    // One page without an ETag, which is known by its bytes; one whose text alone is the same.
    site.put(
        "/b",
        Page::html("<main><p>The cafe closes at seven.</p></main>"),
    );
    sources.sync(&source).await;
    app.work().await;
    let before = bot.items().await;
    let version = version(&app, &bot).await;
    site.put(
        "/b",
        Page::html("<main><p>The  cafe closes at seven.</p></main><!-- 2 -->"),
    );
    site.forget_requests();
    let embedded = provider.request_count();
    assert!(embedded > 0, "what is new is embedded");
    sources.sync(&source).await;
    app.work().await;
    assert_eq!(provider.request_count(), embedded, "and nothing else");

    let requests = site.requests();
    assert_eq!(requests.len(), 3, "one request a page: {requests:?}");
    for (path, headers) in &requests {
        assert_eq!(
            headers.contains_key("if-none-match"),
            path != "/b",
            "{path}"
        );
    }
    assert_eq!(bot.items().await, before);
    assert_eq!(
        self::version(&app, &bot).await,
        version,
        "no index has anything to do"
    );
    let log = sources.log(&source).await;
    assert_eq!(log.last(), Some(&finished(0, 0, 3, 0, 0)));
}

/// The chatbot's knowledge version.
async fn version(app: &TestApp, bot: &crate::support::Bot) -> i64 {
    let organization = text(&bot.show().await["organization_id"])
        .parse()
        .expect("an id");
    let chatbot = bot.id.parse().expect("an id");
    let chatbot = app.engine.store().chatbot(organization, chatbot).await;
    chatbot.expect("the chatbot").knowledge_version
}

async fn a_changed_page_is_swapped_without_a_dark_moment(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    let sources = sources(&bot);
    let source = two_pages(&app, &sources, &site).await;
    let item = sources.page(&source, "/a").await["item_id"].clone();
    site.put(
        "/a",
        page("A, moved", "The workshop opens at eleven.", &["/c"]),
    );
    site.put("/c", page("C", "The attic is new.", &[]));
    sources.sync(&source).await;
    loop {
        // Between any two steps one of the two answers.
        let found = bot.found("When does the workshop open?").await;
        let (old, new) = (found.contains("at nine"), found.contains("at eleven"));
        assert!(old != new, "{found}");
        assert_eq!(bot.item(&item).await["status"], "ready");
        if app.step().await == okra_engine::worker::Step::Idle {
            assert!(new, "{found}");
            break;
        }
    }
    let page = sources.page(&source, "/a").await;
    assert_eq!(
        (&page["item_id"], &page["title"]),
        (&item, &json!("A, moved"))
    );
    assert_eq!(bot.item(&item).await["title"], "A, moved");
    let log = sources.log(&source).await;
    assert!(log.contains(&event("changed", "/a")) && log.contains(&event("added", "/c")));
    assert_eq!(log.last(), Some(&finished(1, 1, 2, 0, 0)));
}

async fn what_is_gone_twice_is_retired(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    let sources = sources(&bot);
    let source = two_pages(&app, &sources, &site).await;
    // One page is no longer there, the other is, but nothing names it.
    site.remove("/a");
    site.put(
        "/",
        page("Home", "We sell coffee machines and tea.", &["/a"]),
    );
    sources.sync(&source).await;
    app.work().await;
    assert!(
        bot.found("When does the workshop open?")
            .await
            .contains("nine")
    );
    assert!(
        bot.found("When does the cafe close?")
            .await
            .contains("seven")
    );
    assert_eq!(sources.paths(&source, "gone").await, ["/a"]);
    // Back in time, it is as if it had never been away.
    site.put("/a", page("A", "The workshop opens at nine.", &["/b"]));
    sources.sync(&source).await;
    app.work().await;
    assert_eq!(sources.paths(&source, "ready").await, ["/", "/a", "/b"]);

    site.remove("/a");
    for _ in 0..2 {
        sources.sync(&source).await;
        app.work().await;
    }
    assert_eq!(sources.paths(&source, "ready").await, ["/"]);
    assert!(
        !bot.found("When does the workshop open?")
            .await
            .contains("nine")
    );
    assert!(
        !bot.found("When does the cafe close?")
            .await
            .contains("seven")
    );
    assert_eq!(bot.items().await.len(), 1);
    let log = sources.log(&source).await;
    assert!(log.contains(&event("retired", "/a")) && log.contains(&event("retired", "/b")));
    assert_eq!(log.last(), Some(&finished(0, 0, 2, 2, 0)));
}

async fn what_leads_away_for_a_day_is_kept(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put("/", page("Home", "We sell coffee machines.", &["/a"]));
    let workshop = || page("A", "The workshop opens at nine.", &[]);
    site.put("/a", workshop());
    let sources = sources(&bot);
    let options = json!({"sitemap": false, "exclude": ["/maintenance"]});
    let source = sources.add_site(&site, options).await;
    let synced = async || {
        sources.sync(&source).await;
        app.work().await;
    };
    let found = async || {
        let found = bot.found("When does the workshop open?").await;
        found.contains("nine")
    };
    app.work().await;
    for (away, reason) in [
        (
            Page::redirect(302, "https://elsewhere.example/"),
            "leads to another site, https://elsewhere.example",
        ),
        (Page::redirect(302, "/maintenance"), "the source leaves out"),
        (
            Page::typed("application/pdf", "%PDF-1.7").with_header("etag", "\"pdf\""),
            "turn on documents",
        ),
    ] {
        site.put("/a", away.clone());
        synced().await;
        assert!(found().await, "{reason}: once may be for a day");
        let shown = sources.page(&source, "/a").await;
        assert_eq!(shown["state"], "excluded", "{shown}");
        assert!(text(&shown["reason"]).contains(reason), "{shown}");

        // Back in time, it is as if it had never been away.
        site.put("/a", workshop());
        synced().await;
        assert_eq!(
            sources.log(&source).await.last(),
            Some(&finished(0, 0, 2, 0, 0))
        );
        site.put("/a", away);
        synced().await;
        assert!(found().await, "{reason}: the count began anew");
        synced().await;
        assert!(!found().await, "{reason}: twice in a row");
        assert_eq!(
            sources.log(&source).await.last(),
            Some(&finished(0, 0, 1, 1, 0))
        );
        site.put("/a", workshop());
        synced().await;
        assert!(found().await, "{reason}: it is read again");
    }
    // What its owner asks not to have read goes at once.
    let robots = Page::typed("text/plain", "User-agent: *\nDisallow: /a");
    site.put("/robots.txt", robots);
    app.clock.advance(Duration::from_secs(60 * 60));
    synced().await;
    assert!(!found().await);
}

async fn a_failing_site_takes_nothing_away(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    let sources = sources(&bot);
    let source = two_pages(&app, &sources, &site).await;
    for path in ["/", "/a", "/b"] {
        site.put(path, Page::html("Out of order").with_status(500));
    }
    for _ in 0..3 {
        sources.sync(&source).await;
        for _ in 0..6 {
            app.work().await;
            app.clock.advance(Duration::from_secs(200));
        }
        let source = sources.show(&source).await;
        assert_eq!(source["state"], "failed", "{source}");
        assert!(text(&source["error"]).contains("500"), "{source}");
    }
    assert!(
        bot.found("When does the workshop open?")
            .await
            .contains("nine")
    );
    assert_eq!(bot.items().await.len(), 3);
}

async fn a_cancelled_sync_writes_nothing_more(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put(
        "/robots.txt",
        Page::typed("text/plain", "User-agent: *\nCrawl-delay: 1"),
    );
    site.put("/", page("Home", "We sell coffee machines.", &["/a", "/b"]));
    site.put("/a", page("A", "The workshop opens at nine.", &[]));
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({"sitemap": false})).await;
    app.work().await;
    let syncing = sources.show(&source).await;
    assert_eq!(syncing["state"], "syncing");
    assert_eq!(
        syncing["pages"],
        json!({"total": 3, "pending": 2, "ready": 1, "failed": 0})
    );
    // Nobody can have two syncs at once.
    sources.sync(&source).await;
    assert_eq!(sources.show(&source).await["state"], "syncing");

    let cancel = sources.path(&source, "/cancel");
    let cancelled = bot.client.post(&cancel, json!({})).await.expect(200)["data"].clone();
    assert_eq!(
        (&cancelled["state"], &cancelled["pages"]["pending"]),
        (&json!("cancelled"), &json!(0))
    );
    app.clock.advance(Duration::from_secs(60));
    app.work().await;
    assert_eq!(site.asked("/a"), 0);
    assert_eq!(app.engine.store().open_jobs().await.expect("a count"), 0);
    assert_eq!(
        sources.log(&source).await.last(),
        Some(&event("cancelled", ""))
    );
    // Once more is fine, and what was read answers.
    bot.client.post(&cancel, json!({})).await.expect(200);
    assert!(
        bot.found("What do you sell?")
            .await
            .contains("coffee machines")
    );

    sources.sync(&source).await;
    for _ in 0..4 {
        app.work().await;
        app.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(sources.paths(&source, "ready").await, ["/", "/a"]);
}

async fn a_killed_server_goes_on_where_it_was(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put("/", page("Home", "We sell coffee machines.", &["/a", "/b"]));
    site.put("/a", Page::then_nothing("<p>The workshop"));
    site.put("/b", page("B", "The cafe closes at seven.", &[]));
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({"sitemap": false})).await;
    // The step is dropped in the middle of a page, as a killed process drops it.
    let killed = async {
        while site.asked("/a") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        step = app.step() => panic!("a page without an end came to one: {step:?}"),
        () = killed => {}
    }
    assert_eq!(sources.paths(&source, "ready").await, ["/"]);
    site.put("/a", page("A", "The workshop opens at nine.", &[]));
    let again = app.killed_and_started().await;
    again.clock.advance(Duration::from_secs(15));
    again.work().await;

    assert_eq!(sources.show(&source).await["state"], "ready");
    assert_eq!(sources.paths(&source, "ready").await, ["/", "/a", "/b"]);
    assert_eq!(site.asked("/"), 1, "what was read is not read again");
    assert_eq!(bot.items().await.len(), 3);
    assert_eq!(
        sources.log(&source).await.last(),
        Some(&finished(3, 0, 0, 0, 0))
    );
}

async fn a_source_is_read_again_at_its_time(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put("/", page("Home", "We sell coffee machines.", &[]));
    let sources = sources(&bot);
    let daily = json!({"type": "site", "address": site.url("/"), "cadence": "daily"});
    let source = sources.add(daily).await;
    app.work().await;
    let shown = sources.show(&source).await;
    assert_eq!(
        (&shown["state"], &shown["run"]),
        (&json!("ready"), &json!(1))
    );
    assert!(
        text(&shown["next_at"]).starts_with("2025-01-23T04:30"),
        "{shown}"
    );
    app.clock.advance(Duration::from_secs(23 * 60 * 60));
    app.work().await;
    assert_eq!(sources.show(&source).await["run"], 1);
    app.clock.advance(Duration::from_secs(60 * 60));
    app.work().await;
    assert_eq!(sources.show(&source).await["run"], 2);

    let path = sources.path(&source, "");
    let hourly = bot.client.patch(&path, json!({"cadence": "hourly"})).await;
    assert!(text(&hourly.expect(200)["data"]["next_at"]).starts_with("2025-01-23T05:30"));
    let manual = bot
        .client
        .patch(&path, json!({"cadence": "manual", "name": "Our shop"}))
        .await;
    let manual = manual.expect(200)["data"].clone();
    assert_eq!(
        (&manual["next_at"], &manual["name"]),
        (&json!(null), &json!("Our shop"))
    );
    app.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    app.work().await;
    assert_eq!(sources.show(&source).await["run"], 2);
}

async fn its_progress_is_told(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    site.put("/", page("Home", "We sell coffee machines.", &["/a"]));
    site.put("/a", page("A", "The workshop opens at nine.", &[]));
    let organization = text(&bot.show().await["organization_id"])
        .parse()
        .expect("an id");
    let mut watch = app
        .engine
        .store()
        .watch(organization)
        .await
        .expect("a watch");
    let sources = sources(&bot);
    let source = sources.add_site(&site, json!({"sitemap": false})).await;
    app.work().await;
    // Several may tell of the same state: the story is about the one that tells of the end.
    loop {
        let event = watch.next().await.expect("more is told");
        if let okra_store::events::Event::Source {
            source: Some(told),
            source_id,
            ..
        } = &*event
        {
            assert_eq!(json!(source_id.to_string()), source["id"]);
            if told.source.state == okra_domain::source::SourceState::Ready {
                assert_eq!((told.pages.ready, told.pages.pending), (2, 0));
                break;
            }
        }
    }
    bot.client
        .delete(&sources.path(&source, ""))
        .await
        .expect(200);
    loop {
        let event = watch.next().await.expect("more is told");
        if let okra_store::events::Event::Source { source: None, .. } = &*event {
            break;
        }
    }
}
