//! API keys: known by their text, kept as hashes only.

use std::time::Duration;

use okra_domain::error::Result;
use okra_domain::{ApiKeyId, Secret};
use okra_store::KnownKey;
use okra_store::testing::Backend;
use sqlx::{Connection, PgConnection};

use crate::on_every_database;
use crate::world::{World, random_key};

on_every_database! {
    a_key_is_known_by_its_text,
    a_revoked_key_is_unknown_at_once,
    keys_of_one_name_share_an_organization,
    the_last_use_is_noted_once_a_minute,
    only_a_hash_of_the_key_is_kept,
}

async fn a_key_is_known_by_its_text(world: World) -> Result<()> {
    let secret = random_key();
    let made = world.store.create_key("서울 카페 ☕", &secret).await?;
    assert_eq!(made.organization_name, "서울 카페 ☕");
    assert_eq!(made.hint, secret.expose()[44..]);
    assert_eq!(made.created_at, world.clock().now());

    let known = world.store.authenticate(&secret).await?;
    let expected = KnownKey {
        id: made.id,
        organization_id: made.organization_id,
        last_used_at: None,
    };
    assert_eq!(known, Some(expected));
    for unknown in [
        "",
        &secret.expose()[1..],
        &secret.expose().to_uppercase(),
        "' OR 1=1 --",
    ] {
        // A key of digits alone has no other case.
        if unknown != secret.expose() {
            let known = world.store.authenticate(&Secret::new(unknown)).await?;
            assert_eq!(known, None, "{unknown:?}");
        }
    }
    assert_eq!(world.store.all_keys().await?, [made]);
    Ok(())
}

async fn a_revoked_key_is_unknown_at_once(world: World) -> Result<()> {
    let (secret, other) = (random_key(), random_key());
    let key = world.store.create_key("Shop", &secret).await?;
    world.store.create_key("Shop", &other).await?;
    world.clock().advance(Duration::from_secs(5));

    let revoke = async |id| world.store.revoke_key_as_operator(id).await;
    assert!(revoke(key.id).await?);
    assert_eq!(world.store.authenticate(&secret).await?, None);
    assert!(world.store.authenticate(&other).await?.is_some());
    assert!(!revoke(key.id).await?, "revoked before");
    assert!(!revoke(ApiKeyId::new()).await?, "unknown");

    let keys = world.store.all_keys().await?;
    let revoked = keys.iter().find(|listed| listed.id == key.id);
    let revoked_at = revoked.and_then(|key| key.revoked_at);
    assert_eq!(revoked_at, Some(world.clock().now()));
    Ok(())
}

async fn keys_of_one_name_share_an_organization(world: World) -> Result<()> {
    // All at once: the first to come makes the organization, the others find it.
    let making = (0..8).map(|_| {
        let store = world.store.clone();
        tokio::spawn(async move { store.create_key("Shop", &random_key()).await })
    });
    let mut organizations = Vec::new();
    for made in futures_util::future::join_all(making).await {
        let key = made.expect("no panic")?;
        organizations.push(key.organization_id);
    }
    organizations.dedup();
    assert_eq!(organizations.len(), 1);
    let other = world.organization("Another shop").await?;
    assert_ne!(organizations[0], other);

    let listed = world.store.organizations().await?;
    let names: Vec<&str> = listed.iter().map(|each| each.name.as_str()).collect();
    assert_eq!(names, ["Another shop", "Shop"]);
    assert_eq!(world.store.all_keys().await?.len(), 9);
    Ok(())
}

async fn the_last_use_is_noted_once_a_minute(world: World) -> Result<()> {
    let secret = random_key();
    world.store.create_key("Shop", &secret).await?;
    let use_it = async || {
        let key = world.store.authenticate(&secret).await?;
        let key = key.expect("a good key");
        world.store.note_key_use(&key).await?;
        let key = world.store.authenticate(&secret).await?;
        Result::Ok(key.expect("a good key").last_used_at)
    };
    let first = world.clock().now();
    assert_eq!(use_it().await?, Some(first));
    world.clock().advance(Duration::from_secs(59));
    assert_eq!(use_it().await?, Some(first), "within the minute");
    world.clock().advance(Duration::from_secs(1));
    assert_eq!(use_it().await?, Some(world.clock().now()));
    Ok(())
}

async fn only_a_hash_of_the_key_is_kept(world: World) -> Result<()> {
    let secret = random_key();
    world.store.create_key("Shop", &secret).await?;
    let kept = match world.backend {
        Backend::Sqlite => {
            world.store.close().await;
            let mut bytes = Vec::new();
            let files = std::fs::read_dir(world.place.folder.path()).expect("a folder");
            for file in files {
                let path = file.expect("an entry").path();
                if path.is_file() {
                    bytes.extend(std::fs::read(path).expect("a readable file"));
                }
            }
            bytes
        }
        Backend::Postgres => {
            let connection = PgConnection::connect(&world.place.database_url).await;
            let mut connection = connection.expect("the database answers");
            let rows = "SELECT string_agg(k::text, '') FROM api_keys k";
            let text: String = sqlx::query_scalar(rows)
                .fetch_one(&mut connection)
                .await
                .expect("one row");
            text.into_bytes()
        }
    };
    let text = String::from_utf8_lossy(&kept).to_lowercase();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(secret.expose().as_bytes());
    match world.backend {
        Backend::Sqlite => assert!(kept.windows(32).any(|bytes| bytes == &digest[..])),
        Backend::Postgres => assert!(text.contains(&hex::encode(digest))),
    }
    // Not as text, not as the bytes that the hex stands for, and no greater part than the hint.
    let key = secret.expose();
    let bytes = hex::decode(key).expect("a key is hex");
    assert!(!text.contains(&key[40..]), "the key's end is there");
    assert!(!text.contains(&key[..8]), "the key's beginning is there");
    assert!(!kept.windows(bytes.len()).any(|window| window == bytes));
    Ok(())
}
