//! `okra models`: the sentence transformers that can be chosen.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use okra_ai::embed::{hub, transformer};

use super::print;
use crate::config::Config;

/// What can be done with models.
#[derive(Subcommand)]
pub enum Command {
    /// Print the names of the models in the folder of models
    List,
    /// Get a model of the BERT or XLM-R family from the hub; prints the name it is chosen by
    Add {
        /// Its name there, such as sentence-transformers/all-MiniLM-L6-v2
        name: String,
    },
}

/// Runs `okra models`.
pub async fn run(config: &Config, command: Command) -> Result<ExitCode> {
    let folder = &config.models_dir;
    match command {
        Command::List => {
            let names = transformer::models(folder);
            if names.is_empty() {
                eprintln!(
                    "There is no model in {}; `okra models add OWNER/NAME` gets one.",
                    folder.display()
                );
            }
            print(
                &names
                    .iter()
                    .map(|name| format!("{name}\n"))
                    .collect::<String>(),
            )
        }
        Command::Add { name } => {
            let bar = ProgressBar::new(0);
            let style = "{bar:30} {bytes} of {total_bytes}, {eta} left: {msg}";
            bar.set_style(ProgressStyle::with_template(style)?);
            let added = hub::add(&config.models_hub, &name, folder, |now| {
                bar.set_length(now.total);
                bar.set_position(now.done);
                bar.set_message(now.file.to_owned());
            });
            let added = added.await;
            bar.finish_and_clear();
            let hub = &config.models_hub;
            let added = added.with_context(|| format!("{name} was not got from {hub}"))?;
            eprintln!("It is in {}.", folder.join(&added).display());
            print(&format!("{added}\n"))
        }
    }
}
