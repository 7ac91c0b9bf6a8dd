//! Jobs: leased to one worker at a time, and never lost.

use std::collections::BTreeSet;
use std::time::Duration;

use okra_domain::error::Result;

use crate::on_every_database;
use crate::world::{LEASE, World};

on_every_database! {
    a_job_is_one_workers_at_a_time,
    a_lease_ends_unless_it_is_renewed,
    a_lost_lease_moves_nothing,
    a_retried_job_waits_its_delay,
    a_released_job_is_as_if_never_begun,
    jobs_are_taken_longest_due_first,
}

async fn a_job_is_one_workers_at_a_time(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    for n in 0..10 {
        world.add_text(&chatbot, &format!("text {n}")).await?;
    }
    // Five workers of this process and five of another take what they can, all at once.
    let other = world.open_again().await?;
    let workers = (0..10).map(|n| {
        let store = if n % 2 == 0 { &world.store } else { &other }.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Some(job) = store.lease_job(LEASE).await? {
                assert_eq!(job.attempts, 1);
                taken.push(job.id);
            }
            Result::Ok(taken)
        })
    });
    let mut taken = Vec::new();
    for worker in futures_util::future::join_all(workers).await {
        taken.extend(worker.expect("no panic")?);
    }
    let distinct: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), distinct.len()), (10, 10));
    assert_eq!(world.store.open_jobs().await?, 10, "leased is not done");
    Ok(())
}

async fn a_lease_ends_unless_it_is_renewed(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "text").await?;
    let job = world.lease_ingest(item.id).await?;
    assert_eq!(job.chatbot_id, chatbot.id);
    assert_eq!(job.organization_id, chatbot.organization_id);

    world.clock().advance(LEASE - Duration::from_micros(1));
    assert_eq!(world.store.lease_job(LEASE).await?, None);
    assert!(world.store.renew_job(&job, LEASE).await?);
    world.clock().advance(LEASE - Duration::from_micros(1));
    assert_eq!(world.store.lease_job(LEASE).await?, None, "renewed");

    world.clock().advance(Duration::from_micros(1));
    let again = world.lease_ingest(item.id).await?;
    assert_eq!((again.id, again.attempts), (job.id, 2));
    assert!(
        !world.store.renew_job(&job, LEASE).await?,
        "it is another's"
    );
    assert!(world.store.renew_job(&again, LEASE).await?);
    Ok(())
}

async fn a_lost_lease_moves_nothing(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "text").await?;
    let lost = world.lease_ingest(item.id).await?;
    world.clock().advance(LEASE);
    let held = world.lease_ingest(item.id).await?;

    world.store.finish_job(&lost).await?;
    world.store.release_job(&lost).await?;
    world
        .store
        .postpone_job(&lost, Duration::from_secs(3_600))
        .await?;
    world
        .store
        .retry_job(&lost, Duration::from_secs(3_600))
        .await?;
    assert_eq!(world.store.open_jobs().await?, 1);
    assert_eq!(world.store.lease_job(LEASE).await?, None, "still held");
    assert!(world.store.renew_job(&held, LEASE).await?);
    world.store.finish_job(&held).await?;
    assert_eq!(world.store.open_jobs().await?, 0);
    Ok(())
}

async fn a_retried_job_waits_its_delay(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "text").await?;
    let job = world.lease_ingest(item.id).await?;
    world.store.retry_job(&job, Duration::from_secs(8)).await?;
    assert!(!world.store.renew_job(&job, LEASE).await?, "given back");

    world.clock().advance(Duration::from_micros(7_999_999));
    assert_eq!(world.store.lease_job(LEASE).await?, None);
    world.clock().advance(Duration::from_micros(1));
    assert_eq!(world.lease_ingest(item.id).await?.attempts, 2);
    Ok(())
}

async fn a_released_job_is_as_if_never_begun(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "text").await?;
    let job = world.lease_ingest(item.id).await?;
    world.store.release_job(&job).await?;
    let again = world.lease_ingest(item.id).await?;
    assert_eq!((again.id, again.attempts), (job.id, 1));
    // The same later, for what is in every job's way.
    let delay = Duration::from_secs(10);
    world.store.postpone_job(&again, delay).await?;
    assert_eq!(world.store.lease_job(LEASE).await?, None);
    world.clock().advance(delay);
    let again = world.lease_ingest(item.id).await?;
    assert_eq!((again.id, again.attempts), (job.id, 1));
    Ok(())
}

async fn jobs_are_taken_longest_due_first(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let mut items = Vec::new();
    for n in 0..4 {
        items.push(world.add_text(&chatbot, &format!("text {n}")).await?.id);
        world.clock().advance(Duration::from_secs(1));
    }
    let first = world.lease_ingest(items[0]).await?;
    world
        .store
        .retry_job(&first, Duration::from_secs(2))
        .await?;
    world.clock().advance(Duration::from_secs(10));
    for item in [items[1], items[2], items[3], items[0]] {
        world.lease_ingest(item).await?;
    }
    assert_eq!(world.store.lease_job(LEASE).await?, None);
    Ok(())
}
