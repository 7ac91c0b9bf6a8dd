//! Images that visitors upload before the message that they go with.
//!
//! An upload comes with the job that deletes it again, due after [`UNSENT_FOR`]; the transaction
//! that stores the message takes the job away. So an image lies here for a day, or as long as its
//! chatbot: there is no table of them, and none is forgotten. The job's id is the image's name.

use std::time::Duration;

use bytes::Bytes;
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::Attachment;
use okra_domain::{ChatbotId, Error, JobId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Store;
use crate::blobs::attachment_path;
use crate::db::{Tx, params};
use crate::jobs::{self, Due};

/// How long an image is kept whose message never comes.
pub const UNSENT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

impl Store {
    /// Keeps a JPEG for a message that is still to come; gives its file's name, which nobody can
    /// guess.
    pub async fn add_attachment(&self, chatbot: &Chatbot, jpeg: Bytes) -> Result<String> {
        let name = Uuid::new_v4();
        let file = format!("{name}.jpg");
        let path = attachment_path(chatbot.id, &file);
        // Before the image, so that there is never one without its end.
        let now = self.clock.now();
        let due = Due {
            id: JobId(name),
            at: now.after(UNSENT_FOR),
        };
        let mut tx = self.db.begin().await?;
        jobs::delete_blobs_at(&mut tx, chatbot.into(), &path, due, now).await?;
        tx.commit().await?;
        self.blobs.put(&path, jpeg).await?;
        Ok(file)
    }
}

/// Attachments as a message's row holds them: with their files' names.
pub(crate) fn stored(attachments: &[Attachment]) -> Value {
    let object = |attachment: &Attachment| {
        let Attachment { name, url, file } = attachment;
        match file {
            Some(file) => json!({"name": name, "url": url, "file": file}),
            None => json!({"name": name, "url": url}),
        }
    };
    attachments.iter().map(object).collect()
}

/// Keeps an image for good, in the transaction that stores its message. Fails where its deletion
/// has begun.
pub(crate) async fn keep(tx: &mut Tx, chatbot: ChatbotId, file: &str) -> Result<()> {
    let name = file.split_once('.').map_or(file, |(name, _)| name);
    let name: Uuid = name.parse().map_err(|_| gone())?;
    let sql = "DELETE FROM jobs WHERE id = $1 AND chatbot_id = $2 AND kind = 'delete_blobs' \
               RETURNING lease";
    // No job: a message that came before has kept it.
    match tx.fetch_optional(sql, params![name, chatbot.0]).await? {
        Some(row) if row.get::<Option<Uuid>>("lease")?.is_some() => Err(gone()),
        _ => Ok(()),
    }
}

/// What a message is told whose image was deleted before it came.
pub fn gone() -> Error {
    let problem = "an image was not sent within a day and is gone: upload it again";
    Error::invalid_field("attachments", problem).coded("attachment_gone")
}
