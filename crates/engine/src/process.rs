//! Ends processes that Okra started, with whatever they started themselves.

use tokio::process::Child;

/// Kills a process that leads a group of its own, and its group. Once it was waited for there is nothing to end.
pub(crate) fn kill_group(child: &mut Child) {
    #[cfg(unix)]
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok())
        && let Some(group) = rustix::process::Pid::from_raw(id)
        && let Err(error) =
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL)
    {
        tracing::debug!(%error, "a process was gone already");
    }
    #[cfg(not(unix))]
    if let Err(error) = child.start_kill() {
        tracing::debug!(%error, "a process was gone already");
    }
}
