//! Images of messages: kept with their message, deleted where it does not come.

use std::time::Duration;

use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::Attachment;
use okra_store::attachments::UNSENT_FOR;
use okra_store::blobs::attachment_path;
use okra_store::jobs::Task;
use okra_store::sessions::{OpenTurn, SessionKey, UserMessage};

use crate::on_every_database;
use crate::world::{LEASE, World};

on_every_database! {
    an_image_is_deleted_after_a_day_unless_its_message_came,
    a_message_does_not_take_an_image_whose_deletion_has_begun,
}

async fn say(world: &World, chatbot: &Chatbot, files: &[&str]) -> Result<OpenTurn> {
    let key = SessionKey::Visitor {
        platform: "web".to_owned(),
        token: Some("visitor".to_owned()),
        profile: None,
    };
    let attachment = |file: &&str| Attachment {
        name: "a.png".to_owned(),
        url: format!("https://chat.example.com/{file}"),
        file: Some((*file).to_owned()),
    };
    let said = UserMessage {
        id: None,
        content: "Look!".to_owned(),
        attachments: Some(files.iter().map(attachment).collect()),
    };
    world.store.open_turn(chatbot, &key, said, 20).await
}

async fn an_image_is_deleted_after_a_day_unless_its_message_came(world: World) -> Result<()> {
    let (store, chatbot) = (&world.store, world.chatbot("Shop").await?);
    let jpeg = Bytes::from_static(b"a picture");
    let sent = store.add_attachment(&chatbot, jpeg.clone()).await?;
    let unsent = store.add_attachment(&chatbot, jpeg.clone()).await?;
    assert_ne!(sent, unsent);
    say(&world, &chatbot, &[&sent]).await?;
    // Once more, as a question that is asked again: its image is kept already.
    let again = say(&world, &chatbot, &[&sent]).await?;
    let before = again.history[0].attachments.as_ref().expect("kept");
    assert_eq!(before[0].file.as_deref(), Some(&*sent));
    let path = attachment_path(chatbot.id, &sent);
    assert_eq!(store.blobs().read(&path).await?, Some(jpeg));

    world.clock().advance(UNSENT_FOR - Duration::from_secs(1));
    assert_eq!(store.lease_job(LEASE).await?, None);
    world.clock().advance(Duration::from_secs(1));
    let job = store.lease_job(LEASE).await?.expect("the one not sent");
    assert_eq!(
        job.task,
        Task::DeleteBlobs(attachment_path(chatbot.id, &unsent))
    );
    assert_eq!(store.open_jobs().await?, 1);
    Ok(())
}

async fn a_message_does_not_take_an_image_whose_deletion_has_begun(world: World) -> Result<()> {
    let (store, chatbot) = (&world.store, world.chatbot("Shop").await?);
    let one = store
        .add_attachment(&chatbot, Bytes::from_static(b"x"))
        .await?;
    let two = store
        .add_attachment(&chatbot, Bytes::from_static(b"y"))
        .await?;
    world.clock().advance(UNSENT_FOR);
    let job = store.lease_job(LEASE).await?.expect("a job");
    let Task::DeleteBlobs(path) = &job.task else {
        panic!("{job:?}");
    };
    let (begun, waiting) = match path.ends_with(&one) {
        true => (&one, &two),
        false => (&two, &one),
    };
    let error = say(&world, &chatbot, &[begun]).await.expect_err("gone");
    assert_eq!(error.code, Some("attachment_gone"));
    assert_eq!(store.open_jobs().await?, 2, "the deletion goes on");
    // The other chatbot's message does not keep it either.
    let other = world.chatbot("Other").await?;
    say(&world, &other, &[waiting]).await?;
    assert_eq!(store.open_jobs().await?, 2);
    Ok(())
}
