//! All durable state: the only place with SQL and object storage.
//!
//! One [`Store`] speaks to SQLite or Postgres, and to a folder or S3; the same contract suite runs
//! on every pair. What belongs to a chatbot is reached only with a [`Chatbot`] in hand, and a
//! chatbot only through its organization, so no query can forget its scope.
//!
//! [`Chatbot`]: okra_domain::chatbot::Chatbot

mod accounts;
mod actions;
pub mod attachments;
pub mod blobs;
pub mod buckets;
mod budgets;
mod canned_replies;
mod chatbots;
pub mod crash;
mod db;
pub mod embedders;
pub mod evals;
pub mod events;
pub mod gaps;
pub mod jobs;
pub mod knowledge;
pub mod links;
pub mod overview;
pub mod people;
mod providers;
pub mod sealing;
mod secrets;
pub mod sessions;
pub mod sources;
#[cfg(feature = "testing")]
pub mod testing;
mod tool_servers;
pub mod usage;
pub mod webhooks;

use std::sync::Arc;

use okra_domain::Clock;
use okra_domain::error::Result;

pub use accounts::KnownKey;
pub use chatbots::{ArrivingItem, Belongings, ListedChatbot, SlugChoice};

use blobs::Blobs;
use db::{Db, params};
use sealing::{MasterKeys, Sealer};

/// The database and the blobs. Clones share them.
#[derive(Clone)]
pub struct Store {
    db: Db,
    blobs: Blobs,
    clock: Clock,
    sealer: Sealer,
    turns: Arc<sessions::Queue>,
    opened_alone: bool,
    events: Arc<events::Events>,
}

impl Store {
    /// Opens the database at `database_url` (`sqlite:PATH` or `postgres://…`), bringing its schema
    /// up to date, and the blobs at `storage_url` (`file:///FOLDER` or `s3://BUCKET/PREFIX`).
    ///
    /// Secrets in it are sealed with the first of the master `keys`.
    ///
    /// Fails with a sentence for the operator where either can't be reached, where the database was
    /// made by a newer Okra, or where the keys are not those that sealed it.
    pub async fn open(
        database_url: &str,
        storage_url: &str,
        keys: &MasterKeys,
        clock: Clock,
    ) -> Result<Self> {
        let blobs = Blobs::open(storage_url)?;
        let db = Db::connect(database_url).await?;
        let sealer = sealing::settle(&db, keys, clock.now()).await?;
        let opened_alone = db.is_alone();
        if opened_alone {
            jobs::void_leases(&db).await?;
        }
        db.let_others_in().await?;
        Ok(Self {
            events: events::Events::new(&db),
            db,
            blobs,
            clock,
            sealer,
            turns: Arc::default(),
            opened_alone,
        })
    }

    /// Large objects: uploaded files and avatars.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// The clock that dates what is stored.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether no other process had the database open when this one opened it: what others had begun
    /// until then nobody goes on with. On Postgres it is never known.
    pub fn opened_alone(&self) -> bool {
        self.opened_alone
    }

    /// Whether the database answers.
    pub async fn check_database(&self) -> Result<()> {
        let sql = "SELECT CAST(1 AS BIGINT) AS count";
        self.db.count(sql, params![]).await?;
        Ok(())
    }

    /// Closes the database, after running statements have ended.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
