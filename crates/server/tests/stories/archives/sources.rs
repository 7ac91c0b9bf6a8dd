//! What keeps a chatbot's knowledge fresh, and who makes its vectors, moves with it.

use okra_testkit::provider::MockProvider;
use okra_testkit::transformer as tiny;
use okra_testkit::website::MockSite;
use serde_json::{Value, json};

use super::zipped::Zipped;
use super::{exported_from, imported};
use crate::sources::{finished, page, sources};
use crate::support::{Backend, Bot, Stage, list, text};

stories! {
    a_source_that_cannot_be_read_here_leaves_its_items,
    an_embedder_comes_along_where_it_is_known,
    sources_are_held_to_their_rules,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_moves_from_sqlite_to_postgres() {
    move_site(Backend::Sqlite, Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_moves_from_postgres_to_sqlite() {
    move_site(Backend::Postgres, Backend::Sqlite).await;
}

async fn only_source(bot: &Bot) -> Value {
    let listed = bot.client.get(&bot.path("/sources")).await.expect(200);
    let [source] = list(&listed["data"]).as_slice() else {
        panic!("one source: {listed}");
    };
    source.clone()
}

fn titles(items: &[Value]) -> Vec<&str> {
    let mut titles: Vec<&str> = items.iter().map(|item| text(&item["title"])).collect();
    titles.sort_unstable();
    titles
}

async fn move_site(from: Backend, to: Backend) {
    let (Some(from), Some(to)) = (Stage::on(from).await, Stage::on(to).await) else {
        return;
    };
    let site = MockSite::start().await;
    site.put(
        "/",
        page(
            "Home",
            "The museum has a garden.",
            &["/roses", "/dogs", "/old"],
        ),
    );
    site.put(
        "/roses",
        page("Roses", "The rose garden is behind the east wing.", &[]),
    );
    site.put("/dogs", page("Dogs", "Only guide dogs are allowed.", &[]));
    site.put("/old", page("Old", "The old garden was a car park.", &[]));
    let allow = site.address().to_string();
    let settings = [("OKRA_FETCH_ALLOW", allow.as_str())];
    let (here, there) = (from.app_with(&settings).await, to.app_with(&settings).await);
    let bot = here.bot("Museum").await;
    let options = json!({"exclude": ["/private"], "max_pages": 50});
    let source = json!({"type": "site", "address": site.url("/"), "name": "Our site",
                        "options": options, "cadence": "daily"});
    let source = sources(&bot).add(source).await;
    here.work().await;
    bot.add(json!({"type": "qna", "question": "Parking?", "answer": "Behind the house."}))
        .await;
    here.work().await;
    // Deleted by hand: it is not to come back, wherever the chatbot goes.
    let old = sources(&bot).page(&source, "/old").await["item_id"].clone();
    let deleted = format!("/knowledge-base?id={}", text(&old));
    bot.client.delete(&bot.path(&deleted)).await.expect(200);
    here.work().await;
    let archive = exported_from(&bot).await;
    site.forget_requests();

    let (copy, report) = imported(&there.client, archive).await;
    assert_eq!(report["notes"], json!([]));
    let counts = ["items", "sources", "to_read"].map(|name| report[name].as_u64());
    assert_eq!(counts, [Some(4), Some(1), Some(0)]);
    let arrived = only_source(&copy).await;
    for (name, expected) in [
        ("name", json!("Our site")),
        ("address", json!(site.url("/"))),
        ("cadence", json!("manual")),
        ("state", json!("ready")),
        ("next_at", Value::Null),
    ] {
        assert_eq!(arrived[name], expected, "{name}: {arrived}");
    }
    assert_eq!(
        arrived["options"],
        sources(&bot).show(&source).await["options"]
    );
    // At rest: however long it takes, nobody is asked for anything.
    there
        .clock
        .advance(std::time::Duration::from_secs(3 * 24 * 60 * 60));
    there.work().await;
    assert!(site.requests().is_empty(), "{:?}", site.requests());
    assert!(copy.found("Are dogs allowed?").await.contains("guide dogs"));
    let items = copy.items().await;
    assert_eq!(titles(&items), titles(&bot.items().await));

    // Asked for, it finds what it has: no page is there twice, and none that was deleted.
    let arrived_pages = ["/", "/dogs", "/roses"];
    assert_eq!(sources(&copy).paths(&arrived, "ready").await, arrived_pages);
    sources(&copy).sync(&arrived).await;
    there.work().await;
    assert_eq!(
        sources(&copy).log(&arrived).await.last(),
        Some(&finished(0, 0, 3, 0, 0))
    );
    assert_eq!(sources(&copy).paths(&arrived, "ready").await, arrived_pages);
    assert_eq!(copy.items().await, items, "nothing was read anew");
    site.put(
        "/dogs",
        page("Dogs", "All dogs are welcome, on a lead.", &[]),
    );
    site.remove("/roses");
    for expected in [finished(0, 1, 1, 0, 0), finished(0, 0, 2, 1, 0)] {
        sources(&copy).sync(&arrived).await;
        there.work().await;
        assert_eq!(sources(&copy).log(&arrived).await.last(), Some(&expected));
    }
    assert!(copy.found("Are dogs allowed?").await.contains("on a lead"));
    assert_eq!(copy.items().await.len(), 3);
}

async fn a_source_that_cannot_be_read_here_leaves_its_items(stage: Stage) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("hours.txt"), "The museum opens at nine.").expect("written");
    let Some(elsewhere) = Stage::on(Backend::Sqlite).await else {
        return;
    };
    let allowed = folder.path().display().to_string();
    let here = elsewhere.app_with(&[("OKRA_FOLDER_ALLOW", &allowed)]).await;
    let bot = here.bot("Museum").await;
    sources(&bot)
        .add(json!({"type": "folder", "address": allowed, "name": "Files"}))
        .await;
    here.work().await;
    let archive = exported_from(&bot).await;
    let there = stage.app().await;
    let (copy, report) = imported(&there.client, archive).await;
    assert_eq!(
        (&report["sources"], &report["items"]),
        (&json!(0), &json!(1))
    );
    let note = text(&report["notes"][0]);
    assert!(
        note.contains("\"Files\"") && note.contains("folder_allow"),
        "{note}"
    );
    assert!(
        copy.found("When does the museum open?")
            .await
            .contains("nine")
    );
    let listed = copy.client.get(&copy.path("/sources")).await.expect(200);
    assert!(list(&listed["data"]).is_empty());
}

async fn an_embedder_comes_along_where_it_is_known(stage: Stage) {
    let models = tempfile::tempdir().expect("a folder");
    tiny::write(&models.path().join("tiny-bert"));
    let folder = models.path().display().to_string();
    let provider = MockProvider::start().await;
    let allow = provider.address().to_string();
    let settings = [
        ("OKRA_MODELS_DIR", folder.as_str()),
        ("OKRA_PROVIDER_ALLOW", allow.as_str()),
    ];
    let app = stage.app_with(&settings).await;
    let bot = app.bot("Shop").await;
    bot.add(json!({"type": "text", "content": "The coffee machine may return in days."}))
        .await;
    app.work().await;
    let choose = async |choice: Value| {
        let path = bot.path("/embedder");
        let chosen = bot.client.json("PUT", &path, choice.to_string()).await;
        chosen.expect(200);
        app.work().await;
        exported_from(&bot).await
    };
    let embedder = async |bot: &Bot| {
        bot.client.get(&bot.path("/embedder")).await.expect(200)["embedder"].clone()
    };
    let by_transformer = choose(json!({"kind": "transformer", "model": "tiny-bert"})).await;
    let (copy, report) = imported(&app.client, by_transformer.clone()).await;
    assert_eq!(
        (&report["notes"], &report["to_read"]),
        (&json!([]), &json!(0))
    );
    let kept = embedder(&copy).await;
    assert_eq!(
        (
            &kept["kind"],
            &kept["model"],
            &kept["source"],
            &kept["status"]
        ),
        (
            &json!("transformer"),
            &json!("tiny-bert"),
            &json!("chatbot"),
            &json!("ready")
        )
    );

    // Where there is no such model, the default one makes the vectors, and the report says so.
    let Some(elsewhere) = Stage::on(Backend::Sqlite).await else {
        return;
    };
    let elsewhere = elsewhere.app().await;
    let (copy, report) = imported(&elsewhere.client, by_transformer).await;
    let note = text(&report["notes"][0]);
    assert!(
        note.contains("tiny-bert") && note.contains("default"),
        "{note}"
    );
    assert_eq!(report["to_read"], 1);
    elsewhere.work().await;
    let fallen = embedder(&copy).await;
    assert_eq!(
        (&fallen["kind"], &fallen["source"]),
        (&json!("static"), &json!("server"))
    );
    assert!(
        copy.found("coffee machine")
            .await
            .contains("return in days")
    );

    // An endpoint's key stays at home, and nobody is sent anything because an archive says so.
    let endpoint = json!({"kind": "endpoint", "base_url": provider.base_url(),
                          "model": "mock-embedding", "api_key": "sk-embed-1234567890"});
    let by_endpoint = choose(endpoint).await;
    let all = Zipped::read(&by_endpoint).all();
    assert!(!String::from_utf8_lossy(&all).contains("sk-embed"));
    let asked = provider.request_count();
    let (copy, report) = imported(&app.client, by_endpoint).await;
    app.work().await;
    let note = text(&report["notes"][0]);
    assert!(
        note.contains("mock-embedding") && note.contains("chosen anew"),
        "{note}"
    );
    assert_eq!(embedder(&copy).await["kind"], "static");
    assert_eq!(provider.request_count(), asked);
}

/// The archive with these lines about its sources.
fn with_lines(archive: &Zipped, lines: &str) -> Vec<u8> {
    let mut changed = archive.clone();
    changed.set("sources.jsonl", format!("{lines}\n"));
    changed.sealed()
}

async fn sources_are_held_to_their_rules(stage: Stage) {
    let site = MockSite::start().await;
    site.put("/", page("Home", "The museum has a garden.", &[]));
    let allow = site.address().to_string();
    let app = stage.app_with(&[("OKRA_FETCH_ALLOW", &allow)]).await;
    let bot = app.bot("Museum").await;
    sources(&bot)
        .add(json!({"type": "site", "address": site.url("/")}))
        .await;
    app.work().await;
    let archive = Zipped::read(&exported_from(&bot).await);
    let lines = archive.text("sources.jsonl");
    let [source, home] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("a source and a page: {lines}");
    };
    let private = source.replace(&site.url("/"), "file:///etc/passwd");
    for (lines, expected) in [
        (home.to_owned(), "a page stands before the first source"),
        (format!("{source}\n{source}"), "two at one address"),
        (format!("{source}\n{home}\n{home}"), "there twice"),
        (
            source.replace("\"max_pages\":500", "\"max_pages\":0"),
            "max_pages",
        ),
        ("{\"source\": 1}".to_owned(), "line 1 of sources.jsonl"),
    ] {
        let refused = super::import(&app.client, "", with_lines(&archive, &lines)).await;
        refused.refused(422, "unprocessable", "");
        let said = text(&refused.json()["error"]).to_owned();
        assert!(said.contains(expected), "{said}");
    }
    let left_out = with_lines(&archive, &format!("{private}\n{home}"));
    let (_, report) = imported(&app.client, left_out).await;
    assert_eq!(
        (&report["sources"], &report["items"]),
        (&json!(0), &json!(1))
    );
    assert!(
        text(&report["notes"][0]).contains("file:///etc/passwd"),
        "{report}"
    );
}
