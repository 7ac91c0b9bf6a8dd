//! The store's contract: the same assertions on SQLite and Postgres, and the blobs' on a folder and
//! on S3. A new method of the store is not done until a case here holds it to its promise.
//!
//! Each case is a plain async function that begins with a fresh [`World`];
//! [`on_every_database`] makes one test of it a database.

mod arrival;
mod attachments;
mod blobs;
mod canned_replies;
mod chatbots;
mod duplicate;
mod embedders;
mod evals;
mod events;
mod finishing;
mod gaps;
mod handling;
mod ingesting;
mod interrupted;
mod jobs;
mod keys;
mod knowledge;
mod listing;
mod mails;
mod opening;
mod overview;
mod people;
mod providers;
mod ratings;
mod reading;
mod sealing;
mod sessions;
mod sources;
mod texts;
mod tools;
mod visitors;
mod webhooks;
mod world;

use world::World;

/// Makes tests `case::sqlite` and `case::postgres` of each `async fn case(world: World) -> Result<()>`.
macro_rules! on_every_database {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            use okra_store::testing::Backend;

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                crate::World::run(Backend::Sqlite, super::$case).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                crate::World::run(Backend::Postgres, super::$case).await;
            }
        }
    )*};
}
pub(crate) use on_every_database;
