//! `okra people`: the operator's way to let people in, also when nobody can sign in any more.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use okra_domain::account::parse_name;
use okra_domain::person::{Purpose, Role, parse_email};
use okra_store::Store;

use crate::accounts::make_link;
use crate::app::reachable;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Invite someone; prints the link alone. It works once, for 7 days
    Invite {
        /// The organization, made where there is none
        #[arg(long, value_name = "NAME")]
        organization: String,
        /// The person's e-mail address
        #[arg(long)]
        email: String,
        /// viewer, agent, admin or owner
        #[arg(long)]
        role: Role,
    },
    /// List people: address, name, last seen, organizations with roles
    List,
    /// Make a link to a new password; prints the link alone. It works once, for a day
    ResetLink {
        /// The person's e-mail address
        email: String,
    },
}

/// Runs `okra people`.
pub async fn run(store: &Store, config: &Config, command: Command) -> Result<ExitCode> {
    let purpose = match command {
        Command::List => return list(store).await,
        Command::Invite {
            organization,
            email,
            role,
        } => {
            let name = parse_name("organization", &organization)?;
            Purpose::Invitation {
                email: parse_email(&email)?,
                organization: store.organization_named(&name).await?.id,
                role,
            }
        }
        Command::ResetLink { email } => match store.person_of(&parse_email(&email)?).await? {
            Some(person) => Purpose::Reset { person: person.id },
            None => bail!("nobody has the address {email}; `okra people list` shows everyone"),
        },
    };
    let address = format!("http://{}", reachable(config.listen));
    let url = config.public_url.as_deref().unwrap_or(&address);
    let made = make_link(store, url, purpose).await?;
    super::print(&format!("{}\n", made.url))
}

async fn list(store: &Store) -> Result<ExitCode> {
    let people = store.people_as_operator().await?;
    if people.is_empty() {
        eprintln!("Nobody has an account yet; `okra serve` prints a link to make the first.");
    }
    let mut lines = String::new();
    for (person, memberships) in people {
        let seen = person
            .last_seen_at
            .map_or("never".to_owned(), |time| time.to_string());
        lines.push_str(&format!("{}\t{}\t{seen}", person.email, person.name));
        for place in memberships {
            let role = place.role.as_str();
            lines.push_str(&format!("\t{} ({role})", place.organization_name));
        }
        lines.push('\n');
    }
    super::print(&lines)
}
