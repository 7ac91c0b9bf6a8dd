//! MCP servers that run as a command on this machine and are spoken to over its standard input and output.
//!
//! Which commands there are, with their arguments and variables, is the operator's to say: organizations choose one by
//! its name and give it nothing. A process is one organization's, since what a server remembers of one is not for
//! another; its calls share it. It is started when it is first called, and ended when it was not used for [`UNUSED`],
//! when an answer of its was not waited for, when it writes more than it may, and when Okra stops.

mod process;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use okra_domain::error::{Error, Result};
use okra_domain::tool::action::parse_name;
use okra_domain::{Clock, OrganizationId, Secret, Timestamp};
use rmcp::RoleClient;
use rmcp::service::{Peer, ServiceError};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::process::Process;

/// How long a process stays that nobody calls.
const UNUSED: Duration = Duration::from_secs(5 * 60);
/// Processes at once, of all organizations.
const AT_ONCE: usize = 32;

/// A command that the operator allows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandLine {
    /// The program by its whole path, and its arguments.
    pub run: Vec<String>,
    /// The variables that it sees beside `PATH`, `HOME` and `LANG`.
    #[serde(default)]
    pub env: BTreeMap<String, Secret>,
}

impl CommandLine {
    fn check(&self) -> std::result::Result<(), String> {
        let Some(program) = self.run.first() else {
            return Err(
                "names no program: write run = [\"/path/of/it\", \"an argument\"]".to_owned(),
            );
        };
        let program = Path::new(program);
        if !program.is_absolute() {
            return Err(format!(
                "runs {}, which is no absolute path",
                program.display()
            ));
        }
        match std::fs::metadata(program) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(format!("runs {}, which is no program", program.display())),
            Err(error) => {
                return Err(format!(
                    "runs {}, which cannot be run: {error}",
                    program.display()
                ));
            }
        }
        match self
            .env
            .keys()
            .find(|name| name.is_empty() || name.contains('='))
        {
            Some(name) => Err(format!("has a variable named {name:?}")),
            None => Ok(()),
        }
    }
}

type Key = (OrganizationId, String);

/// The commands that the operator allows, and their processes.
#[derive(Debug)]
pub struct Commands {
    allowed: BTreeMap<String, CommandLine>,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    room: Arc<Semaphore>,
    clock: Clock,
}

/// Where an organization's process of a command is, if there is one.
#[derive(Debug, Default)]
struct Slot {
    /// Held while one is started, so that calls which come together share it.
    starting: tokio::sync::Mutex<()>,
    running: Mutex<Option<Arc<Process>>>,
}

impl Commands {
    /// These commands by their names, none of them running. Fails with a sentence for the operator where one cannot be.
    pub fn new(
        allowed: BTreeMap<String, CommandLine>,
        clock: Clock,
    ) -> std::result::Result<Self, String> {
        for (name, line) in &allowed {
            parse_name(name).map_err(|error| error.message)?;
            line.check()
                .map_err(|problem| format!("{name} {problem}"))?;
        }
        Ok(Self {
            allowed,
            slots: Mutex::default(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            clock,
        })
    }

    /// What organizations may choose.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.allowed.keys().map(String::as_str)
    }

    /// Fails, saying who can help, where there is no command of this name.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        if self.allowed.contains_key(name) {
            return Ok(());
        }
        let names: Vec<&str> = self.names().collect();
        let known = match names.as_slice() {
            [] => "this server runs none".to_owned(),
            names => format!("those that this server runs are {}", names.join(", ")),
        };
        let problem = format!(
            "{name} is no command that is allowed; {known}. Whoever runs this server allows them in its settings \
             (tool_commands)"
        );
        Err(Error::invalid_field("command", problem))
    }

    /// The organization's process of a command, started where there is none; why not, in words for a model.
    pub(super) async fn using(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> std::result::Result<Using, String> {
        let Some(line) = self.allowed.get(name) else {
            return Err("The command of this tool is not allowed any more.".to_owned());
        };
        let key = (organization, name.to_owned());
        let slot = locked(&self.slots).entry(key).or_default().clone();
        let _starting = slot.starting.lock().await;
        let process = match slot.usable() {
            Some(process) => process,
            None => {
                let started = Process::start(name, line, self.room()?, self.clock.now()).await?;
                let process = Arc::new(started);
                *locked(&slot.running) = Some(process.clone());
                process
            }
        };
        process.begin();
        Ok(Using {
            slot: slot.clone(),
            process,
            clock: self.clock.clone(),
            is_well: false,
        })
    }

    /// Room for one more process, for which the one that is unused the longest gives way.
    fn room(&self) -> std::result::Result<OwnedSemaphorePermit, String> {
        let take = || self.room.clone().try_acquire_owned();
        if let Ok(room) = take() {
            return Ok(room);
        }
        let now = self.clock.now();
        let slots: Vec<Arc<Slot>> = locked(&self.slots).values().cloned().collect();
        let unused = slots
            .iter()
            .filter_map(|slot| Some((slot.unused(now)?, slot)));
        if let Some((_, slot)) = unused.max_by_key(|(unused, _)| *unused) {
            slot.end();
        }
        take()
            .map_err(|_| "Too many tools run on this server just now; try again later.".to_owned())
    }

    /// Ends the processes that were not used for [`UNUSED`].
    pub(crate) fn end_unused(&self) {
        let now = self.clock.now();
        let mut ended = Vec::new();
        let mut slots = locked(&self.slots);
        slots.retain(|_, slot| {
            if slot.unused(now).is_some_and(|unused| unused >= UNUSED) {
                ended.push(locked(&slot.running).take());
            }
            // One that somebody holds is about to have a process.
            locked(&slot.running).is_some() || Arc::strong_count(slot) > 1
        });
        drop(slots);
        drop(ended);
    }

    /// Ends all processes, whoever waits for them.
    pub(crate) fn end(&self) {
        let slots = std::mem::take(&mut *locked(&self.slots));
        slots.values().for_each(|slot| slot.end());
    }
}

impl Slot {
    /// Its process, where that can be called.
    fn usable(&self) -> Option<Arc<Process>> {
        let mut running = locked(&self.running);
        let is_gone = |process: &mut Arc<Process>| process.is_gone();
        let gone = running.take_if(is_gone);
        let usable = running.clone();
        drop(running);
        drop(gone);
        usable
    }

    /// How long its process was not used; `None` where there is none, or where it is being used.
    fn unused(&self, now: Timestamp) -> Option<Duration> {
        let running = locked(&self.running);
        let process = running.as_ref()?;
        (Arc::strong_count(process) == 1).then(|| process.unused(now))
    }

    /// Ends its process; a call under way keeps it until it is over.
    fn end(&self) {
        let ended = locked(&self.running).take();
        drop(ended);
    }

    /// Has the next call start another process than this one.
    fn forget(&self, process: &Arc<Process>) {
        let mut running = locked(&self.running);
        let is_it = |it: &mut Arc<Process>| Arc::ptr_eq(it, process);
        // Held by whoever calls this, so it is not ended under the lock.
        drop(running.take_if(is_it));
    }
}

/// A process while it is called. One whose answer did not come is not called again: whatever holds it up would hold the
/// next call up too.
pub(super) struct Using {
    slot: Arc<Slot>,
    process: Arc<Process>,
    clock: Clock,
    is_well: bool,
}

impl Using {
    /// Whom to ask.
    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        self.process.peer()
    }

    /// What came of it, or why it failed.
    pub(super) fn settled<T>(
        mut self,
        came: std::result::Result<T, ServiceError>,
    ) -> std::result::Result<T, String> {
        self.is_well = matches!(came, Ok(_) | Err(ServiceError::McpError(_)));
        came.map_err(|error| match self.is_well {
            true => error.to_string(),
            false => self.process.failed(&error),
        })
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        match self.is_well {
            true => self.process.used_until(self.clock.now()),
            false => self.slot.forget(&self.process),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_command_is_refused_with_the_reason() {
        let check = |name: &str, run: &[&str], variable: &str, expected: &str| {
            let line = CommandLine {
                run: run.iter().map(|it| (*it).to_owned()).collect(),
                env: BTreeMap::from([(variable.to_owned(), Secret::new("hidden-1234"))]),
            };
            let allowed = BTreeMap::from([(name.to_owned(), line)]);
            let refused = Commands::new(allowed, Clock::manual(Timestamp(0)));
            let said = refused.expect_err(expected);
            assert!(
                said.contains(expected) && !said.contains("hidden"),
                "{said}"
            );
        };
        check("crm", &[], "A", "names no program");
        check("crm", &["crm-mcp"], "A", "no absolute path");
        check("crm", &["/nowhere/crm-mcp"], "A", "cannot be run");
        check("crm", &["/tmp"], "A", "no program");
        check("crm", &["/bin/sh"], "A=B", "variable named \"A=B\"");
        check("My CRM", &["/bin/sh"], "A", "lower-case letters");
    }
}
