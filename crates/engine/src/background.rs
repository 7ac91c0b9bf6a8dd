//! Threads for work that nobody waits for: analysing and joining what searches will read. They give way to those that
//! answer, so that questions are answered at once while documents are taken in.

use okra_domain::Error;
use okra_domain::error::Result;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// See the module.
pub(crate) struct Background {
    pool: ThreadPool,
}

impl Background {
    /// As many threads as there are processors, at rest.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub(crate) fn new() -> Result<Self> {
        let builder = ThreadPoolBuilder::new()
            .thread_name(|number| format!("background-{number}"))
            .start_handler(|_| give_way());
        let pool = builder.build();
        let pool = pool.map_err(|error| Error::internal("cannot start threads", error))?;
        Ok(Self { pool })
    }

    /// Does `work` on one of the threads; what it does in parallel stays on them.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (send, done) = tokio::sync::oneshot::channel();
        self.pool.spawn(move || {
            // A panic must not take the process down: whoever waits hears that nothing comes.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            if let Ok(outcome) = outcome {
                // Whoever asked may have left.
                let _ = send.send(outcome);
            }
        });
        done.await
            .map_err(|error| Error::internal("work in the background stopped", error))
    }
}

/// Lowers the priority of this thread. Linux alone has one for each thread; elsewhere all are equal.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "a thread in the background keeps its priority");
    }
}
