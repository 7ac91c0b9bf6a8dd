//! Replies kept at hand: each name once, and none of another organization's.

use okra_domain::canned::CannedReply;
use okra_domain::error::Result;
use okra_domain::{CannedReplyId, ErrorKind};

use crate::on_every_database;
use crate::world::{World, assert_fails, assert_not_found};

on_every_database! {
    replies_are_kept_changed_and_deleted,
}

async fn replies_are_kept_changed_and_deleted(world: World) -> Result<()> {
    let (ours, theirs) = (
        world.organization("Ours").await?,
        world.organization("Theirs").await?,
    );
    let reply = |name: &str| CannedReply::new(name, "3일 안에 환불됩니다.", world.clock().now());
    let (refund, hours) = (reply("refund")?, reply("hours")?);
    let store = &world.store;
    store.add_canned_reply(ours, &refund).await?;
    store.add_canned_reply(ours, &hours).await?;
    store.add_canned_reply(theirs, &reply("refund")?).await?;
    assert_eq!(
        store.canned_replies(ours).await?,
        [hours.clone(), refund.clone()]
    );
    assert_fails(
        store.add_canned_reply(ours, &reply("refund")?).await,
        ErrorKind::Conflict,
    );
    world.clock().advance(std::time::Duration::from_secs(1));
    let now = world.clock().now();
    let rename = |name: &'static str| move |it: CannedReply| it.changed(Some(name), None, now);
    let renamed = store
        .change_canned_reply(ours, refund.id, rename("a refund"))
        .await?;
    assert_eq!(
        (renamed.updated_at, renamed.content.as_str()),
        (now, refund.content.as_str())
    );
    assert_eq!(store.canned_replies(ours).await?, [renamed, hours.clone()]);
    let taken = store
        .change_canned_reply(ours, refund.id, rename("hours"))
        .await;
    assert_fails(taken, ErrorKind::Conflict);
    assert_not_found(
        store
            .change_canned_reply(theirs, refund.id, rename("x"))
            .await,
    );
    assert_not_found(store.delete_canned_reply(theirs, refund.id).await);
    assert_not_found(store.delete_canned_reply(ours, CannedReplyId::new()).await);
    store.delete_canned_reply(ours, refund.id).await?;
    assert_eq!(store.canned_replies(ours).await?, [hours]);
    assert_eq!(store.canned_replies(theirs).await?.len(), 1);
    Ok(())
}
