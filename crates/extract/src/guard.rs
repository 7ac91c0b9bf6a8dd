//! Runs a third-party parser where it can do no harm: on a thread of its own with a large stack,
//! where a panic becomes an error and a deadline is kept from outside.
//!
//! The stack is 64 MB because PDF, XML and HTML parsers recurse over nesting that the file chooses;
//! an overflow would end the whole process, and address space is free until it is touched. What
//! recurses over tags or values is bounded beforehand as well (see the callers).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use crate::{ExtractError, Limits};

/// Stack of a parser thread in bytes.
const STACK_BYTES: usize = 64 << 20;

/// Tells a parser thread that nobody waits for it any more.
#[derive(Clone, Default)]
pub(crate) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Fails once the caller has left, so that a reader that checks between pages stops.
    pub(crate) fn check(&self) -> Result<(), ExtractError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(ExtractError::OutOfTime);
        }
        Ok(())
    }
}

/// Runs `work` on a guarded thread and waits for it until the deadline.
///
/// On the deadline the thread is left to itself rather than waited for: a parser caught in an endless
/// loop must not keep its caller, and Rust can't end a thread from outside. It stops at its next
/// [`Abandoned::check`].
///
/// # Errors
/// What `work` returns, `Damaged` when it panics, `OutOfTime` on the deadline.
pub(crate) fn run<T: Send + 'static>(
    limits: &Limits,
    work: impl FnOnce(&Abandoned) -> Result<T, ExtractError> + Send + 'static,
) -> Result<T, ExtractError> {
    limits.check_deadline()?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let abandoned = Abandoned::default();
    let seen_by_thread = abandoned.clone();
    thread::Builder::new()
        .name("extract".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let outcome =
                catch_unwind(AssertUnwindSafe(|| work(&seen_by_thread))).unwrap_or_else(|_| {
                    Err(ExtractError::damaged(
                        "its contents could not be understood",
                    ))
                });
            // The receiver is gone only when the caller has stopped waiting.
            let _ = sender.send(outcome);
        })
        .map_err(|error| {
            ExtractError::too_large(format!("no memory is left to read it ({error})"))
        })?;
    let received = match limits.time_left() {
        None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(left) => receiver.recv_timeout(left),
    };
    received.unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => {
            abandoned.0.store(true, Ordering::Relaxed);
            Err(ExtractError::OutOfTime)
        }
        RecvTimeoutError::Disconnected => Err(ExtractError::damaged(
            "its contents could not be understood",
        )),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_panic_becomes_damaged() {
        let outcome: Result<(), _> = run(&Limits::default(), |_| panic!("as a parser might"));
        assert!(matches!(outcome, Err(ExtractError::Damaged(_))));
    }

    #[test]
    fn an_endless_parser_is_left_at_the_deadline() {
        let limits = Limits {
            deadline: Some(Instant::now() + std::time::Duration::from_millis(20)),
            ..Limits::default()
        };
        let (ended, has_ended) = mpsc::channel();
        let outcome: Result<(), _> = run(&limits, move |abandoned| {
            while abandoned.check().is_ok() {
                thread::yield_now();
            }
            let _ = ended.send(());
            Ok(())
        });
        assert_eq!(outcome, Err(ExtractError::OutOfTime));
        assert!(
            has_ended.recv().is_ok(),
            "the thread stops at its next check"
        );
    }

    #[test]
    fn deep_recursion_fits_the_stack() {
        fn depth(n: usize) -> usize {
            let frame = std::hint::black_box([n; 64]);
            if n == 0 { 0 } else { 1 + depth(frame[0] - 1) }
        }
        assert_eq!(run(&Limits::default(), |_| Ok(depth(20_000))), Ok(20_000));
    }
}
