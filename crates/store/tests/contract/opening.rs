//! Opening a store: on a fresh database, on its own again, on one from the future, and after a
//! crash.

use okra_domain::error::Result;
use okra_domain::{Clock, ErrorKind};
use okra_store::Store;
use okra_store::sealing::MasterKeys;
use okra_store::testing::{self, Backend};

use crate::on_every_database;
use crate::world::{LEASE, World, assert_fails};

on_every_database! {
    what_was_stored_is_there_after_a_restart,
    a_newer_database_is_refused,
    a_store_answers_its_checks,
    leases_of_the_living_are_kept,
}

async fn what_was_stored_is_there_after_a_restart(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_ready(&chatbot, &["one", "둘"]).await?;
    world.store.close().await;
    let again = world.open_again().await?;
    let organization = chatbot.organization_id;
    assert_eq!(
        again.chatbot(organization, chatbot.id).await?.name,
        "Shop helper"
    );
    assert_eq!(again.item(&chatbot, item.id).await?, item);
    assert_eq!(again.item_chunks(&chatbot, item.id).await?.len(), 2);
    assert_fails(world.store.check_database().await, ErrorKind::Internal);
    Ok(())
}

async fn a_newer_database_is_refused(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    testing::pretend_newer(&world.place.database_url).await;
    let error = world
        .open_again()
        .await
        .err()
        .expect("a newer database is refused");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    for part in ["made by a newer Okra", "99999999", "Start the newer binary"] {
        assert!(error.message.contains(part), "{error}");
    }
    // Refusing it changed nothing: the binary that made it goes on.
    let organization = chatbot.organization_id;
    assert_eq!(
        world.store.chatbot(organization, chatbot.id).await?,
        chatbot
    );
    world
        .raw("DELETE FROM _sqlx_migrations WHERE version = 99999999")
        .await;
    world.open_again().await?.check_database().await
}

async fn a_store_answers_its_checks(world: World) -> Result<()> {
    world.store.check_database().await?;
    world.store.blobs().check().await
}

async fn leases_of_the_living_are_kept(world: World) -> Result<()> {
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "text").await?;
    let job = world.lease_ingest(item.id).await?;
    // A command beside the server: it neither takes nor voids what the server is at.
    let beside = world.open_again().await?;
    assert_eq!(beside.lease_job(LEASE).await?, None);
    beside.close().await;
    drop(beside);
    assert!(world.store.renew_job(&job, LEASE).await?);
    Ok(())
}

#[tokio::test]
async fn leases_of_the_dead_are_void_on_sqlite() -> Result<()> {
    let (store, place) = testing::store(Backend::Sqlite)
        .await
        .expect("SQLite is built in");
    let world = World {
        store,
        place,
        backend: Backend::Sqlite,
    };
    let chatbot = world.chatbot("Shop helper").await?;
    let item = world.add_text(&chatbot, "text").await?;
    world.lease_ingest(item.id).await?;
    let World { store, place, .. } = world;
    let clock = store.clock().clone();
    // As a kill does: nothing is given back, the handles are gone.
    store.close().await;
    drop(store);

    let store = place.open(clock).await?;
    let job = store
        .lease_job(LEASE)
        .await?
        .expect("due at once, the clock stands");
    assert_eq!(job.attempts, 2, "the attempt that died counts");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_open_a_fresh_database_at_once() -> Result<()> {
    let place = testing::place(Backend::Sqlite)
        .await
        .expect("SQLite is built in");
    let place = std::sync::Arc::new(place);
    let opening = (0..8).map(|_| {
        let place = place.clone();
        tokio::spawn(async move { place.open(Clock::system()).await })
    });
    for opened in futures_util::future::join_all(opening).await {
        opened.expect("no panic")?.check_database().await?;
    }
    Ok(())
}

#[tokio::test]
async fn addresses_that_cannot_be_used_name_their_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = format!("file://{}", folder.path().display());
    let database = format!("sqlite:{}/okra.db", folder.path().display());
    let check = async |database: &str, storage: &str, expected: &str| {
        let keys = MasterKeys::File(folder.path().join("master.key"));
        let opened = Store::open(database, storage, &keys, Clock::system()).await;
        let error = opened.err().expect("it cannot be used");
        assert!(error.message.contains(expected), "{error:?}");
    };
    check("mysql://x/y", &storage, "OKRA_DATABASE_URL").await;
    check("postgres://", &storage, "Postgres").await;
    check("postgres://x:abc/y", &storage, "OKRA_DATABASE_URL").await;
    check(
        "sqlite:/no/such/folder/okra.db",
        &storage,
        "/no/such/folder",
    )
    .await;
    check(&database, "nonsense", "OKRA_STORAGE_URL").await;
    check(&database, "ftp://x/y", "OKRA_STORAGE_URL").await;
    check(&database, "file://host/x", "OKRA_STORAGE_URL").await;
}
