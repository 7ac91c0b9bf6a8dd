//! A chatbot that arrives with all that belongs to it, from a copy or an archive.
//!
//! Its files are stored first, then all rows in one transaction. A job that would delete its folder
//! stands from before the first file on until that transaction takes it away: whatever stops the
//! arrival half-way leaves nothing behind.

use std::time::Duration;

use futures_util::stream::{Stream, StreamExt};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::eval::EvalSet;
use okra_domain::knowledge::{Chunk, Item};
use okra_domain::{Error, ErrorKind};
use uuid::Uuid;

use super::{SlugChoice, insert};
use crate::Store;
use crate::blobs;
use crate::db::{Tx, params};
use crate::embedders;
use crate::jobs;
use crate::knowledge;
use crate::sources::{self, ArrivingSource};

/// How long storing the files may take.
const ARRIVING: Duration = Duration::from_secs(60 * 60);

/// An item that arrives; its blobs are stored already.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivingItem {
    /// The item.
    pub item: Item,
    /// Its chunks, in order.
    pub chunks: Vec<Chunk>,
    /// The space that their vectors lie in; `None` where it has never been read.
    pub embedding_space: Option<String>,
    /// Names the blob that holds its text.
    pub text_file: Option<Uuid>,
    /// Whether it is to be read anew, for which it gets a job.
    pub reread: bool,
}

/// What arrives with a chatbot beside its items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Belongings {
    /// Its sets of questions.
    pub evals: Vec<EvalSet>,
    /// Its sources, at rest.
    pub sources: Vec<ArrivingSource>,
}

impl Store {
    /// Stands for the files of a chatbot that is to come: its folder is deleted in an hour unless
    /// [`Store::arrive`] comes first.
    pub async fn promise_deletion(&self, chatbot: &Chatbot) -> Result<()> {
        let folder = blobs::chatbot_folder(chatbot.id);
        let mut tx = self.db.begin().await?;
        let give_up = self.clock.now().after(ARRIVING);
        jobs::delete_blobs(&mut tx, chatbot.into(), &folder, give_up).await?;
        tx.commit().await
    }

    /// Has the folder of a chatbot that came to nothing deleted now.
    pub async fn hasten_deletion(&self, chatbot: &Chatbot) -> Result<()> {
        let sql = "UPDATE jobs SET run_at = $1 WHERE chatbot_id = $2 AND kind = 'delete_blobs'";
        let values = params![self.clock.now(), chatbot.id.0];
        self.db.execute(sql, values).await.map(|_| ())
    }

    /// Stores a chatbot with its choice of embedder, its items, evals and sources, all or nothing, under a
    /// slug that is free; ends the promise of [`Store::promise_deletion`]. Gives it back with the slug it got. The transaction
    /// stands while `items` are drawn, so these should come quickly.
    pub async fn arrive(
        &self,
        chatbot: Chatbot,
        mut items: impl Stream<Item = Result<ArrivingItem>> + Unpin + Send,
        with: Belongings,
    ) -> Result<Chatbot> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        take_back_deletion(&mut tx, &chatbot).await?;
        let chatbot = Chatbot {
            knowledge_version: 1,
            ..chatbot
        };
        let chatbot = insert(&mut tx, chatbot, SlugChoice::Derived, &self.sealer).await?;
        embedders::set_own(&mut tx, &chatbot, &self.sealer).await?;
        while let Some(arriving) = items.next().await {
            let arriving = arriving?;
            let (id, reread) = (arriving.item.id, arriving.reread);
            knowledge::insert_arriving(&mut tx, arriving).await?;
            if reread {
                jobs::ingest(&mut tx, &chatbot, id, now).await?;
            }
        }
        let sql = "INSERT INTO knowledge_changes (chatbot_id, item_id, version) \
                   SELECT chatbot_id, id, 1 FROM knowledge_items WHERE chatbot_id = $1";
        tx.execute(sql, params![chatbot.id.0]).await?;
        for set in &with.evals {
            crate::evals::insert(&mut tx, &chatbot, set).await?;
        }
        for source in &with.sources {
            sources::insert_arriving(&mut tx, source).await?;
        }
        tx.commit().await?;
        Ok(chatbot)
    }
}

/// Ends the promise that the chatbot's folder is deleted, in the caller's transaction.
pub(super) async fn take_back_deletion(tx: &mut Tx, chatbot: &Chatbot) -> Result<()> {
    let sql = "DELETE FROM jobs WHERE chatbot_id = $1 AND kind = 'delete_blobs' \
               AND lease IS NULL";
    if tx.execute(sql, params![chatbot.id.0]).await? == 0 {
        let message = "Storing the chatbot's files took too long; try again.";
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    Ok(())
}
