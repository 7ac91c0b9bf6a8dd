//! Feeds, and folders of the server.

use okra_testkit::s3::MockS3;
use okra_testkit::website::{MockSite, Page};
use serde_json::json;

use super::{beginning, event, finished, page, sources};
use crate::support::{Stage, list, text};

stories! {
    a_feed_is_followed,
    a_folder_is_read_and_kept_fresh,
    what_a_list_leaves_out_takes_nothing_away,
    a_part_of_a_bucket_is_read_and_kept_fresh,
    places_are_shown_to_those_who_may_use_them,
}

fn put_feed(site: &MockSite, entries: &[&str]) {
    let items: String = entries
        .iter()
        .map(|entry| {
            format!(
                "<item><title>x</title><link>{}</link></item>",
                site.url(entry)
            )
        })
        .collect();
    let feed = format!("<rss version=\"2.0\"><channel><title>News</title>{items}</channel></rss>");
    site.put("/feed.xml", Page::typed("application/rss+xml", feed));
}

async fn a_feed_is_followed(stage: Stage) {
    let (app, bot, site) = beginning(stage).await;
    for (path, passage) in [
        ("/1", "The first cellar was dug in spring."),
        ("/2", "The second cellar was dug in summer."),
        ("/3", "The third cellar was dug in autumn."),
    ] {
        site.put(path, page(path, passage, &["/elsewhere"]));
    }
    put_feed(&site, &["/2", "/1"]);
    let sources = sources(&bot);
    let feed =
        json!({"type": "feed", "address": site.url("/feed.xml"), "options": {"max_pages": 2}});
    let source = sources.add(feed).await;
    app.work().await;
    assert_eq!(sources.paths(&source, "ready").await, ["/1", "/2"]);
    assert_eq!(
        site.asked("/elsewhere"),
        0,
        "entries are read, not their sites"
    );

    // A newer entry takes the oldest one's place.
    put_feed(&site, &["/3", "/1"]);
    sources.sync(&source).await;
    app.work().await;
    assert_eq!(sources.paths(&source, "ready").await, ["/1", "/3"]);
    let log = sources.log(&source).await;
    assert_eq!(log.last(), Some(&finished(1, 0, 2, 1, 0)));

    site.put("/feed.xml", Page::html("<h1>Moved</h1>"));
    sources.sync(&source).await;
    app.work().await;
    let failed = sources.show(&source).await;
    assert!(
        text(&failed["error"]).contains("no RSS or Atom feed"),
        "{failed}"
    );
    assert_eq!(bot.items().await.len(), 2);
}

async fn a_folder_is_read_and_kept_fresh(stage: Stage) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |path: &str| folder.path().join(path);
    std::fs::create_dir(at("docs")).expect("made");
    std::fs::write(at("docs/hours.txt"), "The workshop opens at nine.").expect("written");
    std::fs::write(at("docs/prices.csv"), "name,price\nKettle,30\n").expect("written");
    std::fs::write(at("docs/photo.png"), "no text").expect("written");
    std::fs::write(at("notes.md"), "# Notes\n\nNot these.").expect("written");
    std::os::unix::fs::symlink("/etc/passwd", at("docs/passwd.txt")).expect("linked");
    let allowed = folder.path().display().to_string();
    let app = stage.app_with(&[("OKRA_FOLDER_ALLOW", &allowed)]).await;
    let bot = app.bot("Shop").await;
    let sources = sources(&bot);
    let address = format!("{allowed}/docs");
    let source = sources
        .add(json!({"type": "folder", "address": address}))
        .await;
    app.work().await;
    let shown = sources.show(&source).await;
    assert_eq!(shown["state"], "ready", "{shown}");
    assert_eq!(
        sources.paths(&source, "ready").await,
        ["hours.txt", "prices.csv"]
    );
    assert!(bot.found("What does a kettle cost?").await.contains("30"));
    let item = sources.page(&source, "hours.txt").await["item_id"].clone();
    let shown = bot.item(&item).await;
    assert_eq!(
        (&shown["type"], &shown["title"]),
        (&json!("file"), &json!("hours.txt"))
    );
    let file = bot.path(&format!("/knowledge-base/{}/file", text(&item)));
    let file = bot.client.get(&file).await;
    assert_eq!(file.body.as_ref(), b"The workshop opens at nine.");

    // An upload of the same bytes is an item of its own.
    bot.upload_one("hours.txt", "The workshop opens at nine.")
        .await;
    app.work().await;
    std::fs::write(at("docs/hours.txt"), "The workshop opens at eleven.").expect("written");
    std::fs::remove_file(at("docs/prices.csv")).expect("removed");
    std::fs::create_dir(at("docs/new")).expect("made");
    std::fs::write(at("docs/new/hours.txt"), "The cafe closes at seven.").expect("written");
    sources.sync(&source).await;
    app.work().await;
    assert_eq!(bot.items().await.len(), 4);
    assert!(bot.found("What does a kettle cost?").await.contains("30"));
    sources.sync(&source).await;
    app.work().await;
    assert_eq!(
        sources.paths(&source, "ready").await,
        ["hours.txt", "new/hours.txt"]
    );
    assert!(
        bot.found("When does the workshop open?")
            .await
            .contains("eleven")
    );
    let log = sources.log(&source).await;
    assert!(log.contains(&event("changed", "hours.txt")), "{log:?}");
    assert!(log.contains(&event("retired", "prices.csv")), "{log:?}");
    assert_eq!(log.last(), Some(&finished(0, 0, 2, 1, 0)));

    // A folder that is away takes nothing with it.
    std::fs::rename(at("docs"), at("away")).expect("moved");
    for _ in 0..3 {
        sources.sync(&source).await;
        app.work().await;
    }
    let failed = sources.show(&source).await;
    assert_eq!(failed["state"], "failed");
    assert!(
        text(&failed["error"]).contains("cannot be opened"),
        "{failed}"
    );
    assert!(
        bot.found("When does the cafe close?")
            .await
            .contains("seven")
    );
}

async fn what_a_list_leaves_out_takes_nothing_away(stage: Stage) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |path: &str| folder.path().join(path);
    std::fs::write(at("hours.txt"), "The workshop opens at nine.").expect("written");
    std::fs::write(at("prices.csv"), "name,price\nKettle,30\n").expect("written");
    let allowed = folder.path().display().to_string();
    let app = stage.app_with(&[("OKRA_FOLDER_ALLOW", &allowed)]).await;
    let bot = app.bot("Shop").await;
    let sources = sources(&bot);
    let source = sources
        .add(json!({"type": "folder", "address": allowed}))
        .await;
    app.work().await;
    assert_eq!(sources.show(&source).await["limit_reached"], false);

    // Deeper than is looked: nobody can say that the file is not there.
    let deep = "d/".repeat(31);
    std::fs::create_dir_all(at(&deep)).expect("made");
    std::fs::rename(at("hours.txt"), at(&deep).join("hours.txt")).expect("moved");
    std::fs::write(at("new.txt"), "The cafe closes at seven.").expect("written");
    for _ in 0..3 {
        sources.sync(&source).await;
        app.work().await;
    }
    let shown = sources.show(&source).await;
    assert_eq!(
        (&shown["state"], &shown["limit_reached"]),
        (&json!("ready"), &json!(true)),
        "{shown}"
    );
    assert_eq!(
        sources.paths(&source, "ready").await,
        ["hours.txt", "new.txt", "prices.csv"]
    );
    std::fs::remove_dir_all(at("d")).expect("removed");
    for _ in 0..2 {
        sources.sync(&source).await;
        app.work().await;
    }
    assert_eq!(sources.show(&source).await["limit_reached"], false);
    assert_eq!(
        sources.paths(&source, "ready").await,
        ["new.txt", "prices.csv"]
    );
}

async fn a_part_of_a_bucket_is_read_and_kept_fresh(stage: Stage) {
    let s3 = MockS3::start().await;
    s3.put("docs/public/hours.txt", "The workshop opens at nine.");
    s3.put("docs/public/a b/prices.csv", "name,price\nKettle,30\n");
    s3.put("docs/public/setup.exe", "no text");
    s3.put("docs/secret.txt", "The safe opens at midnight.");
    let allowed = s3.url("docs/public");
    let mut settings = s3.variables();
    settings.push(("OKRA_BUCKET_ALLOW".to_owned(), allowed.clone()));
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    let sources = sources(&bot);
    let elsewhere = json!({"type": "bucket", "address": s3.url("docs")});
    let refused = bot.client.post(&bot.path("/sources"), elsewhere).await;
    refused.refused(400, "invalid_request", "address");
    let source = sources
        .add(json!({"type": "bucket", "address": allowed}))
        .await;
    app.work().await;
    let files = ["a b/prices.csv", "hours.txt"];
    assert_eq!(sources.paths(&source, "ready").await, files);
    assert!(bot.found("What does a kettle cost?").await.contains("30"));
    let item = sources.page(&source, "hours.txt").await["item_id"].clone();
    let file = bot.path(&format!("/knowledge-base/{}/file", text(&item)));
    let file = bot.client.get(&file).await;
    assert_eq!(file.body.as_ref(), b"The workshop opens at nine.");
    assert!(
        !bot.found("When does the safe open?")
            .await
            .contains("midnight")
    );

    // What did not change costs the list and nothing else.
    s3.forget_requests();
    sources.sync(&source).await;
    app.work().await;
    assert!(s3.read().iter().all(String::is_empty), "{:?}", s3.read());
    assert!(!s3.read().is_empty());
    let log = sources.log(&source).await;
    assert_eq!(log.last(), Some(&finished(0, 0, 2, 0, 0)));

    // A changed object is read alone, and takes the place of its old text.
    s3.put("docs/public/hours.txt", "The workshop opens at eleven.");
    s3.forget_requests();
    sources.sync(&source).await;
    app.work().await;
    let mut read = s3.read();
    read.retain(|key| !key.is_empty());
    assert_eq!(read, ["docs/public/hours.txt"]);
    assert!(
        bot.found("When does the workshop open?")
            .await
            .contains("eleven")
    );
    assert_eq!(bot.items().await.len(), 2);

    // One that is gone answers until it is gone twice, and a bucket that refuses takes nothing away.
    s3.remove("docs/public/a b/prices.csv");
    sources.sync(&source).await;
    app.work().await;
    assert!(bot.found("What does a kettle cost?").await.contains("30"));
    s3.refuse(true);
    sources.sync(&source).await;
    for _ in 0..6 {
        app.work().await;
        app.clock.advance(std::time::Duration::from_secs(300));
    }
    assert_eq!(sources.show(&source).await["state"], "failed");
    assert!(bot.found("What does a kettle cost?").await.contains("30"));
    s3.refuse(false);
    // A sync that learnt nothing stands between two that missed it, so these count anew.
    for _ in 0..2 {
        sources.sync(&source).await;
        app.work().await;
    }
    let log = sources.log(&source).await;
    assert!(log.contains(&event("retired", "a b/prices.csv")), "{log:?}");
    assert_eq!(log.last(), Some(&finished(0, 0, 1, 1, 0)));
    assert_eq!(bot.items().await.len(), 1);
    assert!(!bot.found("What does a kettle cost?").await.contains("30"));
}

async fn places_are_shown_to_those_who_may_use_them(stage: Stage) {
    let settings = [
        ("OKRA_FOLDER_ALLOW", "/srv/docs"),
        ("OKRA_BUCKET_ALLOW", "s3://docs/public/"),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    let answer = bot.client.get(&bot.path("/sources")).await.expect(200);
    assert_eq!(
        answer["places"],
        json!({"folders": ["/srv/docs"], "buckets": ["s3://docs/public"]})
    );
    assert!(list(&answer["data"]).is_empty());
    for address in ["/srv", "/srv/docs/../x", "/srv/docs-2", "srv/docs"] {
        let folder = json!({"type": "folder", "address": address});
        let answer = bot.client.post(&bot.path("/sources"), folder).await;
        answer.refused(400, "invalid_request", "address");
    }
    // One that may be named and is not there says so when it is read.
    let sources = sources(&bot);
    let source = sources
        .add(json!({"type": "folder", "address": "/srv/docs/none"}))
        .await;
    app.work().await;
    let failed = sources.show(&source).await;
    assert!(
        text(&failed["error"]).contains("/srv/docs/none"),
        "{failed}"
    );
}
