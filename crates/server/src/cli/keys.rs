//! `okra keys`: the operator's way to make, list and revoke API keys.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use okra_domain::ApiKeyId;
use okra_domain::account::parse_name;
use okra_store::Store;

use crate::config::Config;
use crate::random;

#[derive(Subcommand)]
pub enum Command {
    /// Make a key; prints the key alone. It is shown this once and stored as a hash
    Create {
        /// The organization that the key acts for, made where there is none
        #[arg(long, value_name = "NAME")]
        organization: String,
    },
    /// List keys: id, organization, last characters, made, last used, state
    List,
    /// Make a new master key and seal everything in the database with it; the earlier one stays in
    /// the file, for backups. Stop other servers first
    RotateMaster,
    /// Revoke a key; requests with it fail from now on
    Revoke {
        /// The key's id, as `okra keys list` shows it
        id: ApiKeyId,
    },
}

/// Runs `okra keys`.
pub async fn run(store: &Store, config: &Config, command: Command) -> Result<ExitCode> {
    match command {
        Command::Create { organization } => {
            let organization = parse_name("organization", &organization)?;
            let key = random::api_key()?;
            store.create_key(&organization, &key).await?;
            super::print(&format!("{}\n", key.expose()))
        }
        Command::List => list(store).await,
        Command::RotateMaster => {
            let id = config.master_keys.rotate()?;
            // Opening seals with the first key whatever another sealed.
            let (database, storage) = (&config.database_url, &config.storage_url);
            let keys = &config.master_keys;
            let anew = Store::open(database, storage, keys, store.clock().clone()).await?;
            anew.close().await;
            eprintln!("The database is sealed with the master key {id} now. Back its file up.");
            Ok(ExitCode::SUCCESS)
        }
        Command::Revoke { id } => {
            if !store.revoke_key_as_operator(id).await? {
                bail!("there is no key {id} that could be revoked; `okra keys list` shows them");
            }
            eprintln!("Revoked. Requests with this key fail from now on.");
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn list(store: &Store) -> Result<ExitCode> {
    let keys = store.all_keys().await?;
    if keys.is_empty() {
        eprintln!("There are no keys yet; `okra keys create --organization NAME` makes one.");
    }
    let mut lines = String::new();
    for key in keys {
        let used = key
            .last_used_at
            .map_or("never".to_owned(), |time| time.to_string());
        let state = match key.revoked_at {
            Some(time) => format!("revoked {time}"),
            None => "active".to_owned(),
        };
        lines.push_str(&format!(
            "{}\t{}\t…{}\t{}\t{used}\t{state}\n",
            key.id, key.organization_name, key.hint, key.created_at
        ));
    }
    super::print(&lines)
}
