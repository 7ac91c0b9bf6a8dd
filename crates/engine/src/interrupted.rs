//! Turns that a server left behind when it was killed: the next start marks them, so that no question stands there as
//! if its answer were still to come.

use std::sync::Arc;
use std::time::Duration;

use okra_domain::Timestamp;
use okra_domain::error::Result;

use crate::Engine;

/// How much longer than its time a turn may be under way: until its end is stored.
const LATE: Duration = Duration::from_secs(60);
/// How far back turns of a server are looked for that others went on without.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Engine {
    /// Ends the turns that were left behind before this server started. At once where it is known that nobody goes on
    /// with them; else, as over Postgres, when every turn of before must be over, and in the background.
    pub async fn end_interrupted_turns(self: &Arc<Self>) -> Result<()> {
        let started = self.parts.store.clock().now();
        let longest = self.parts.options.turn_time + LATE;
        if self.parts.store.opened_alone() {
            return self.end_turns_before(started, longest).await;
        }
        let engine = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = engine.stopping.cancelled() => return,
                () = tokio::time::sleep(longest) => {}
            }
            if let Err(error) = engine.end_turns_before(started, DAY).await {
                let cause = error.source.as_ref().map(ToString::to_string);
                tracing::error!(%error, cause, "turns of a killed server were not marked");
            }
        });
        Ok(())
    }

    async fn end_turns_before(&self, started: Timestamp, reach: Duration) -> Result<()> {
        let store = &self.parts.store;
        match store.end_interrupted_turns(started, reach).await? {
            0 => {}
            turns => tracing::info!(
                turns,
                "marked as interrupted what a killed server was answering"
            ),
        }
        Ok(())
    }
}
