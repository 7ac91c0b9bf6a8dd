//! `okra chatbots`: what the operator can see of every organization's chatbots.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use okra_domain::PageRequest;
use okra_store::Store;

#[derive(Subcommand)]
pub enum Command {
    /// List chatbots: id, slug, organization, name
    List,
}

/// Runs `okra chatbots`.
pub async fn run(store: &Store, command: Command) -> Result<ExitCode> {
    let Command::List = command;
    let mut lines = String::new();
    for organization in store.organizations().await? {
        for number in 1.. {
            let page = PageRequest::new(Some(number), Some(PageRequest::MAX_LIMIT))?;
            let chatbots = store.chatbots(organization.id, page).await?.entries;
            if chatbots.is_empty() {
                break;
            }
            for bot in chatbots {
                let organization = &organization.name;
                let line = format!("{}\t{}\t{organization}\t{}\n", bot.id, bot.slug, bot.name);
                lines.push_str(&line);
            }
        }
    }
    if lines.is_empty() {
        eprintln!("There are no chatbots yet; POST /api/external/chatbots makes one.");
    }
    super::print(&lines)
}
