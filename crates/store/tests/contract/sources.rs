//! Sources: pages found once, items swapped with them; [`syncs`] has who may write, and until when.

mod syncs;

use std::time::Duration;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{Item, Source};
use okra_domain::source::{
    Cadence, KnowledgeSource, LogEvent, NewSource, PageCounts, PageState, SourceChange, SourceKind,
};
use okra_domain::{ErrorKind, SourceId};
use okra_store::jobs::{Job, Task};
use okra_store::knowledge::ItemFilter;
use okra_store::sources::{Found, Outcome, PageFilter, SourcePage, Taken, Visit};

use crate::on_every_database;
use crate::world::{LEASE, World, assert_fails, assert_not_found, entries, ingested, page};

on_every_database! {
    a_source_is_added_listed_changed_and_deleted,
    pages_come_in_their_order_and_are_found_once,
    what_was_read_is_an_item_of_the_source,
    a_page_that_stands_for_others_is_missed_by_them,
}

fn new(chatbot: &Chatbot, kind: SourceKind, address: &str, world: &World) -> KnowledgeSource {
    let new = NewSource {
        kind,
        address: address.to_owned(),
        change: SourceChange {
            options: Some(serde_json::json!({"max_pages": 4})),
            ..SourceChange::default()
        },
    };
    KnowledgeSource::new(chatbot.id, new, world.clock().now()).expect("valid")
}

/// A site of a new chatbot, its sync begun at its first page and one list.
struct Begun {
    chatbot: Chatbot,
    source: KnowledgeSource,
    job: Job,
}

async fn begun(world: &World, kind: SourceKind) -> Result<Begun> {
    let chatbot = world.chatbot("Shop helper").await?;
    let source = new(&chatbot, kind, "https://example.com/", world);
    world.store.add_source(&chatbot, source.clone()).await?;
    let job = lease(world, source.id).await?;
    let list = Found {
        is_list: true,
        ..found("/sitemap.xml", 0)
    };
    let roots = [found("/", 0), list];
    assert!(world.store.begin_sync(&job, &source, &roots).await?);
    let source = world.store.source(&chatbot, source.id).await?.source;
    Ok(Begun {
        chatbot,
        source,
        job,
    })
}

async fn lease(world: &World, source: SourceId) -> Result<Job> {
    let job = world.store.lease_job(LEASE).await?.expect("a job is due");
    assert_eq!(job.task, Task::Sync(source));
    Ok(job)
}

fn found(address: &str, depth: u32) -> Found {
    Found {
        address: address.to_owned(),
        is_list: false,
        depth,
        hops: 0,
        version: None,
    }
}

fn visit(outcome: Outcome, found: Option<Vec<Found>>) -> Visit {
    Visit {
        outcome,
        found,
        etag: Some("\"1\"".to_owned()),
        last_modified: None,
        body_hash: Some("body".to_owned()),
    }
}

impl Begun {
    async fn take(&self, world: &World) -> Result<SourcePage> {
        match world.store.take_page(&self.job, self.source.id).await? {
            Taken::Page(page) => Ok(*page),
            other => panic!("a page was expected, not {other:?}"),
        }
    }

    async fn keep(&self, world: &World, page: &SourcePage, visit: Visit) -> Result<bool> {
        world
            .store
            .keep_visit(&self.job, &self.source, page, visit)
            .await
    }

    fn read(&self, page: &SourcePage, texts: &[&str], world: &World) -> Outcome {
        let source = Source::Url {
            url: page.address.clone(),
        };
        let item = Item::new(self.chatbot.id, None, source, world.clock().now()).expect("valid");
        let item = Item {
            id: page.item_id,
            source_id: Some(self.source.id),
            ..item
        };
        Outcome::Read(Box::new(item), Box::new(ingested(texts)), texts.join("|"))
    }

    async fn pages(&self, world: &World) -> Result<Vec<SourcePage>> {
        let all = PageFilter::default();
        let id = self.source.id;
        let pages = world
            .store
            .source_pages(&self.chatbot, id, &all, page(1, 50));
        Ok(pages.await?.entries)
    }
}

async fn a_source_is_added_listed_changed_and_deleted(world: World) -> Result<()> {
    let (chatbot, other) = (
        world.chatbot("Shop helper").await?,
        world.chatbot("Other").await?,
    );
    let source = new(&chatbot, SourceKind::Site, "https://example.com/", &world);
    let added = world.store.add_source(&chatbot, source.clone()).await?;
    assert_eq!(added.source, source);
    assert_eq!(added.pages, PageCounts::default());
    let again = KnowledgeSource {
        id: SourceId::new(),
        ..source.clone()
    };
    assert_fails(
        world.store.add_source(&chatbot, again).await,
        ErrorKind::Conflict,
    );
    world.clock().advance(Duration::from_secs(1));
    let second = new(&chatbot, SourceKind::Feed, "https://example.com/", &world);
    world.store.add_source(&chatbot, second.clone()).await?;
    let listed = entries(world.store.sources(&chatbot, page(1, 1)).await?, 1, 2);
    assert_eq!(listed[0].source.id, second.id, "newest first");
    assert!(entries(world.store.sources(&other, page(1, 50)).await?, 1, 0).is_empty());
    assert_not_found(world.store.source(&other, source.id).await);
    assert_not_found(world.store.sync_source(&other, source.id).await);
    assert_not_found(world.store.cancel_source(&other, source.id).await);
    assert_not_found(world.store.delete_source(&other, source.id).await);
    assert_not_found(world.store.source_log(&other, source.id, page(1, 50)).await);
    let all = PageFilter::default();
    assert_not_found(
        world
            .store
            .source_pages(&other, source.id, &all, page(1, 50))
            .await,
    );

    let now = world.clock().now();
    let rename = |source: &KnowledgeSource| {
        let change = SourceChange {
            name: Some("우리 가게".to_owned()),
            options: Some(serde_json::json!({"include": ["/docs"]})),
            cadence: Some(Cadence::Weekly),
        };
        source.changed(change, now)
    };
    let changed = world
        .store
        .update_source(&chatbot, source.id, rename)
        .await?;
    assert_eq!(changed.source.name, "우리 가게");
    assert_eq!(changed.source.options.include, ["/docs"]);
    assert_eq!(
        (changed.source.cadence, changed.source.next_at),
        (Cadence::Weekly, None)
    );
    let deleted = world.store.delete_source(&chatbot, source.id).await?;
    assert_eq!(deleted.source.id, source.id);
    assert_not_found(world.store.source(&chatbot, source.id).await);
    assert_eq!(world.store.open_jobs().await?, 1, "the other one's");
    world.store.delete_chatbot(&chatbot).await?;
    assert!(
        world
            .store
            .source_of(&lease_any(&world).await?, second.id)
            .await?
            .is_none()
    );
    Ok(())
}

async fn lease_any(world: &World) -> Result<Job> {
    Ok(world.store.lease_job(LEASE).await?.expect("a job is due"))
}

async fn pages_come_in_their_order_and_are_found_once(world: World) -> Result<()> {
    let begun = begun(&world, SourceKind::Site).await?;
    let list = begun.take(&world).await?;
    assert_eq!(
        (list.address.as_str(), list.is_list, list.attempts),
        ("/sitemap.xml", true, 1)
    );
    let named = vec![found("/deep", 2), found("/near", 1), found("/near", 1)];
    assert!(
        begun
            .keep(&world, &list, visit(Outcome::Listed, Some(named)))
            .await?
    );
    for (address, depth) in [("/", 0), ("/near", 1), ("/deep", 2)] {
        let page = begun.take(&world).await?;
        assert_eq!((page.address.as_str(), page.depth), (address, depth));
        assert_eq!(
            (page.state, page.pending, page.has_item),
            (PageState::New, true, false)
        );
        let again = begun.take(&world).await?;
        assert_eq!(
            (again.number, again.attempts),
            (page.number, 2),
            "until its visit is kept"
        );
        let source = begun.source.id;
        world.store.put_page_back(source, &again).await?;
        let again = begun.take(&world).await?;
        assert_eq!((again.number, again.attempts), (page.number, 2));
        let later = world.clock().now().after(Duration::from_secs(8));
        if address == "/" {
            let wait = Outcome::Later(later, "busy".to_owned());
            assert!(begun.keep(&world, &page, visit(wait, None)).await?);
            continue;
        }
        assert!(
            begun
                .keep(&world, &page, visit(Outcome::Gone, None))
                .await?
        );
    }
    let Taken::Wait(until) = world.store.take_page(&begun.job, begun.source.id).await? else {
        panic!("one page waits for its time");
    };
    assert_eq!(until, world.clock().now().after(Duration::from_secs(8)));
    world.clock().advance(Duration::from_secs(8));
    let page = begun.take(&world).await?;
    assert_eq!(
        (page.address.as_str(), page.reason.as_deref()),
        ("/", Some("busy"))
    );
    assert!(
        begun
            .keep(
                &world,
                &page,
                visit(Outcome::Failed("500".to_owned()), None)
            )
            .await?
    );
    let taken = world.store.take_page(&begun.job, begun.source.id).await?;
    assert_eq!(taken, Taken::Nothing);
    let graph = world.store.page_graph(&begun.source).await?;
    let links: Vec<(i64, bool, Vec<i64>)> = graph
        .into_iter()
        .map(|node| (node.number, node.is_list, node.links))
        .collect();
    assert_eq!(
        links,
        [
            (1, false, vec![]),
            (2, true, vec![3, 4]),
            (3, false, vec![]),
            (4, false, vec![])
        ]
    );
    let filter = PageFilter {
        state: Some(PageState::Gone),
        pending: Some(false),
        search: Some("NEAR".to_owned()),
    };
    let id = begun.source.id;
    let near = world
        .store
        .source_pages(&begun.chatbot, id, &filter, page_of())
        .await?;
    assert_eq!(entries(near, 1, 1)[0].address, "/near");
    let reason = world.store.page_reason(&begun.chatbot, id, 1).await?;
    assert_eq!(reason.as_deref(), Some("500"));
    let state = world.store.page_state(&begun.source, "/near").await?;
    assert_eq!(state, Some((PageState::Gone, false)));
    assert_eq!(world.store.page_state(&begun.source, "/none").await?, None);
    Ok(())
}

fn page_of() -> okra_domain::PageRequest {
    page(1, 50)
}

async fn what_was_read_is_an_item_of_the_source(world: World) -> Result<()> {
    let begun = begun(&world, SourceKind::Site).await?;
    let list = begun.take(&world).await?;
    begun
        .keep(
            &world,
            &list,
            visit(Outcome::Excluded("no sitemap".to_owned()), None),
        )
        .await?;
    let first = begun.take(&world).await?;
    let read = begun.read(&first, &["one", "two"], &world);
    assert!(begun.keep(&world, &first, visit(read, None)).await?);
    let item = world.store.item(&begun.chatbot, first.item_id).await?;
    assert_eq!((item.source_id, item.chunks), (Some(begun.source.id), 2));
    assert_eq!(
        world
            .store
            .item_chunks(&begun.chatbot, item.id)
            .await?
            .len(),
        2
    );
    let of_source = ItemFilter {
        source: Some(begun.source.id),
        ..ItemFilter::default()
    };
    let items = world
        .store
        .items(&begun.chatbot, &of_source, page(1, 50))
        .await?;
    assert_eq!(entries(items, 1, 1)[0].id, item.id);
    let twin = world
        .store
        .page_with_text(&begun.source, "one|two", 99)
        .await?;
    assert_eq!(twin, Some(first.number));
    let own = world
        .store
        .page_with_text(&begun.source, "one|two", first.number)
        .await?;
    assert_eq!(own, None);
    let report = world.store.source(&begun.chatbot, begun.source.id).await?;
    assert_eq!((report.pages.total, report.pages.ready), (1, 1));
    assert_eq!(report.source.done.added, 1);

    // Read anew, its text is swapped and its name follows; one that somebody chose stays.
    let version = world
        .store
        .knowledge_changes(&begun.chatbot, 0)
        .await?
        .version;
    let now = begun.pages(&world).await?.remove(0);
    assert_eq!((now.has_item, now.title.as_deref()), (true, Some("/")));
    let mut again = begun.read(&now, &["three"], &world);
    if let Outcome::Read(_, ingested, _) = &mut again {
        ingested.title = Some("Shop".to_owned());
    }
    begun.keep(&world, &now, visit(again, None)).await?;
    let item = world.store.item(&begun.chatbot, first.item_id).await?;
    assert_eq!((item.title.as_str(), item.chunks), ("Shop", 1));
    assert!(
        world
            .store
            .knowledge_changes(&begun.chatbot, version)
            .await?
            .version
            > version
    );
    let log = world
        .store
        .source_log(&begun.chatbot, begun.source.id, page(1, 50))
        .await?;
    let events: Vec<LogEvent> = log.entries.iter().map(|entry| entry.event).collect();
    assert_eq!(events, [LogEvent::Changed, LogEvent::Added], "newest first");

    // Deleted by hand, it is asked for no more; with the source goes every item.
    world.store.delete_item(&begun.chatbot, item.id).await?;
    let removed = begun.pages(&world).await?.remove(0);
    assert_eq!(
        (removed.state, removed.has_item),
        (PageState::Removed, false)
    );
    Ok(())
}

async fn a_page_that_stands_for_others_is_missed_by_them(world: World) -> Result<()> {
    let begun = begun(&world, SourceKind::Site).await?;
    let list = begun.take(&world).await?;
    let named = vec![found("/copy", 1), found("/old", 1)];
    begun
        .keep(&world, &list, visit(Outcome::Listed, Some(named)))
        .await?;
    let first = begun.take(&world).await?;
    let read = begun.read(&first, &["one"], &world);
    begun.keep(&world, &first, visit(read, None)).await?;
    let copy = begun.take(&world).await?;
    begun
        .keep(&world, &copy, visit(Outcome::Twin(first.number), None))
        .await?;
    let old = begun.take(&world).await?;
    begun
        .keep(&world, &old, visit(Outcome::Moved(found("/new", 1)), None))
        .await?;
    let graph = world.store.page_graph(&begun.source).await?;
    let twins: Vec<Option<i64>> = graph.iter().map(|node| node.twin).collect();
    assert_eq!(twins, [None, None, Some(1), Some(5), None]);
    let new = begun.take(&world).await?;
    begun
        .keep(&world, &new, visit(Outcome::Canonical(found("/", 0)), None))
        .await?;
    assert_eq!(
        world.store.take_page(&begun.job, begun.source.id).await?,
        Taken::Nothing
    );
    // It cannot be read any more: those that it stood for are asked again, with nothing known.
    begun
        .keep(&world, &first, visit(Outcome::Gone, None))
        .await?;
    let asked = begun.take(&world).await?;
    assert_eq!((asked.number, asked.etag), (copy.number, None));
    Ok(())
}
