//! Syncs: a holder's alone, stopped, limited, ended at once.

use std::time::Duration;

use okra_domain::ErrorKind;
use okra_domain::error::Result;
use okra_domain::source::{
    Cadence, KnowledgeSource, LogEvent, RunCounts, SourceChange, SourceKind, SourceState,
};
use okra_store::jobs::Task;
use okra_store::knowledge::ItemFilter;
use okra_store::sources::{Found, Outcome, Resting, Taken, Visit};

use super::{Begun, begun, found, lease, lease_any, new, page_of, visit};
use crate::on_every_database;
use crate::world::{LEASE, World, assert_fails, entries, page};

on_every_database! {
    a_sync_is_its_holders_alone,
    a_cancelled_source_waits_for_its_time,
    a_list_tells_which_files_changed,
    limits_hold,
    the_end_of_a_sync_is_one_change,
}

async fn a_sync_is_its_holders_alone(world: World) -> Result<()> {
    let begun = begun(&world, SourceKind::Site).await?;
    let page = begun.take(&world).await?;
    world.clock().advance(LEASE);
    let other = lease(&world, begun.source.id).await?;
    let lost = &begun.job;
    let id = begun.source.id;
    assert!(
        !begun
            .keep(&world, &page, visit(Outcome::Listed, None))
            .await?
    );
    assert_eq!(world.store.take_page(lost, id).await?, Taken::Lost);
    assert!(!world.store.continue_sync(lost, world.clock().now()).await?);
    assert!(!world.store.begin_sync(lost, &begun.source, &[]).await?);
    let rest = Resting::default();
    assert!(
        !world
            .store
            .end_sync(lost, &begun.chatbot, &begun.source, rest)
            .await?
    );
    // Given back, it comes up again with all its attempts, and the pages that were left.
    let later = world.clock().now().after(Duration::from_secs(5));
    assert!(world.store.continue_sync(&other, later).await?);
    assert_eq!(world.store.lease_job(LEASE).await?, None);
    world.clock().advance(Duration::from_secs(5));
    let job = lease(&world, id).await?;
    assert_eq!(job.attempts, 1);
    let begun = Begun { job, ..begun };
    assert_eq!(begun.take(&world).await?.attempts, 2);
    let (chatbot, source) = world
        .store
        .source_of(&begun.job, id)
        .await?
        .expect("it is there");
    assert_eq!(
        (chatbot.id, source.state),
        (begun.chatbot.id, SourceState::Syncing)
    );
    Ok(())
}

async fn a_cancelled_source_waits_for_its_time(world: World) -> Result<()> {
    let begun = begun(&world, SourceKind::Site).await?;
    let (chatbot, id) = (&begun.chatbot, begun.source.id);
    let page = begun.take(&world).await?;
    let cancelled = world.store.cancel_source(chatbot, id).await?;
    assert_eq!(cancelled.source.state, SourceState::Cancelled);
    assert_eq!(cancelled.pages.pending, 0);
    assert!(
        !begun
            .keep(&world, &page, visit(Outcome::Listed, None))
            .await?
    );
    assert_eq!(world.store.open_jobs().await?, 0);
    assert_eq!(
        world.store.cancel_source(chatbot, id).await?,
        cancelled,
        "once is enough"
    );
    let log = world.store.source_log(chatbot, id, page_of()).await?;
    assert_eq!(entries(log, 1, 1)[0].event, LogEvent::Cancelled);

    let now = world.clock().now();
    let daily = |source: &KnowledgeSource| {
        let change = SourceChange {
            cadence: Some(Cadence::Daily),
            ..SourceChange::default()
        };
        source.changed(change, now)
    };
    let report = world.store.update_source(chatbot, id, daily).await?;
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(report.source.next_at, Some(now.after(day)));
    let asked = world.store.sync_source(chatbot, id).await?;
    assert_eq!(
        (asked.source.state, asked.source.next_at),
        (SourceState::Waiting, None)
    );
    lease(&world, id).await?;
    assert_eq!(world.store.sync_source(chatbot, id).await?, asked);
    let cancelled = world.store.cancel_source(chatbot, id).await?;
    assert_eq!(cancelled.source.next_at, Some(now.after(day)));
    Ok(())
}

async fn a_list_tells_which_files_changed(world: World) -> Result<()> {
    let begun = begun(&world, SourceKind::Folder).await?;
    let list = begun.take(&world).await?;
    let versioned = |version: &str| Found {
        version: Some(version.to_owned()),
        ..found("a.txt", 1)
    };
    begun
        .keep(
            &world,
            &list,
            visit(Outcome::Listed, Some(vec![versioned("1")])),
        )
        .await?;
    let first = begun.take(&world).await?;
    begun
        .keep(&world, &first, visit(Outcome::Gone, None))
        .await?;
    let file = begun.take(&world).await?;
    assert_eq!(file.version.as_deref(), Some("1"));
    let read = Visit {
        etag: file.version.clone(),
        ..visit(begun.read(&file, &["one"], &world), None)
    };
    begun.keep(&world, &file, read).await?;
    let rest = Resting::default();
    assert!(
        world
            .store
            .end_sync(&begun.job, &begun.chatbot, &begun.source, rest)
            .await?
    );

    for (version, asked) in [("1", false), ("2", true)] {
        world
            .store
            .sync_source(&begun.chatbot, begun.source.id)
            .await?;
        let job = lease(&world, begun.source.id).await?;
        assert!(world.store.begin_sync(&job, &begun.source, &[]).await?);
        let begun = Begun {
            job,
            chatbot: begun.chatbot.clone(),
            source: begun.source.clone(),
        };
        let list = begun.take(&world).await?;
        assert!(list.is_list);
        let named = Some(vec![versioned(version)]);
        begun
            .keep(&world, &list, visit(Outcome::Listed, named))
            .await?;
        let pages = begun.pages(&world).await?;
        let file = pages
            .iter()
            .find(|page| page.address == "a.txt")
            .expect("it is known");
        assert_eq!(file.pending, asked, "version {version}");
        let unchanged = world
            .store
            .source(&begun.chatbot, begun.source.id)
            .await?
            .source
            .done;
        assert_eq!(unchanged.unchanged, i64::from(!asked));
        world
            .store
            .cancel_source(&begun.chatbot, begun.source.id)
            .await?;
    }
    Ok(())
}

async fn limits_hold(world: World) -> Result<()> {
    let begun = begun(&world, SourceKind::Site).await?;
    let list = begun.take(&world).await?;
    let named = (1..=9)
        .map(|number| found(&format!("/{number}"), 1))
        .collect();
    begun
        .keep(&world, &list, visit(Outcome::Listed, Some(named)))
        .await?;
    let report = world.store.source(&begun.chatbot, begun.source.id).await?;
    assert_eq!((report.pages.total, report.source.limit_reached), (4, true));
    let chatbot = &begun.chatbot;
    for number in 1..100 {
        let address = format!("https://example.com/{number}");
        let source = new(chatbot, SourceKind::Site, &address, &world);
        world.store.add_source(chatbot, source).await?;
    }
    let one_more = new(chatbot, SourceKind::Site, "https://example.com/x", &world);
    assert_fails(
        world.store.add_source(chatbot, one_more).await,
        ErrorKind::Conflict,
    );
    Ok(())
}

async fn the_end_of_a_sync_is_one_change(world: World) -> Result<()> {
    let begun = begun(&world, SourceKind::Site).await?;
    let list = begun.take(&world).await?;
    let named = vec![found("/a", 1), found("/b", 1)];
    begun
        .keep(&world, &list, visit(Outcome::Listed, Some(named)))
        .await?;
    for text in ["home", "a", "b"] {
        let page = begun.take(&world).await?;
        let read = begun.read(&page, &[text], &world);
        begun.keep(&world, &page, visit(read, None)).await?;
    }
    let rest = Resting {
        missed: vec![(1, 1)],
        retired: vec![3],
        replaced: vec![4],
        error: None,
    };
    let Begun {
        chatbot,
        source,
        job,
    } = &begun;
    assert!(
        world
            .store
            .end_sync(job, chatbot, source, rest.clone())
            .await?
    );
    assert!(
        !world.store.end_sync(job, chatbot, source, rest).await?,
        "once"
    );
    let report = world.store.source(chatbot, source.id).await?;
    assert_eq!(report.source.state, SourceState::Ready);
    let expected = RunCounts {
        added: 3,
        retired: 2,
        ..RunCounts::default()
    };
    assert_eq!(report.source.done, expected);
    let numbers: Vec<i64> = begun
        .pages(&world)
        .await?
        .iter()
        .map(|page| page.number)
        .collect();
    assert_eq!(
        numbers,
        [1, 4],
        "the list is none, and the retired one is forgotten"
    );
    let items = world
        .store
        .items(chatbot, &ItemFilter::default(), page_of())
        .await?;
    assert_eq!(items.entries.len(), 1);
    assert_eq!(world.store.page_graph(source).await?[0].missed, 1);
    let log = world
        .store
        .source_log(chatbot, source.id, page(1, 1))
        .await?;
    let last = &entries(log, 1, 6)[0];
    let counts = "3 added, 0 changed, 0 unchanged, 2 retired, 0 failed";
    assert_eq!(
        (last.event, last.detail.as_deref()),
        (LogEvent::Finished, Some(counts))
    );

    world.store.sync_source(chatbot, source.id).await?;
    // The blobs of the items that went are deleted first, by jobs that are older.
    let job = loop {
        let job = lease_any(&world).await?;
        match job.task {
            Task::Sync(_) => break job,
            _ => world.store.finish_job(&job).await?,
        }
    };
    world.store.begin_sync(&job, source, &[]).await?;
    let broken = Resting {
        error: Some("No such host.".to_owned()),
        ..Resting::default()
    };
    world.store.end_sync(&job, chatbot, source, broken).await?;
    let report = world.store.source(chatbot, source.id).await?;
    assert_eq!(report.source.error.as_deref(), Some("No such host."));
    assert_eq!(
        (report.source.state, report.pages.pending),
        (SourceState::Failed, 0)
    );
    Ok(())
}
