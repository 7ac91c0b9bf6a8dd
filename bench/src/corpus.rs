//! A chatbot that knows ten thousand passages, filled over HTTP as a user would.

use std::time::Instant;

use anyhow::Result;

use crate::http::Connection;
use crate::server::{all_read, new_chatbot, upload};
use crate::text::{Random, Vocabulary};

/// Passages that a chatbot is filled with, at least.
pub const PASSAGES: usize = 10_000;
/// Files of one upload, and characters of each: a long manual.
const FILES: usize = 10;
const FILE_CHARACTERS: usize = 120_000;

/// A filled chatbot.
pub struct Corpus {
    /// The path that its calls begin with.
    pub bot: String,
    /// How many passages it holds.
    pub passages: usize,
    /// Passages read, embedded and stored a second.
    pub rate: f64,
}

impl Corpus {
    /// Makes a chatbot and uploads files until it holds [`PASSAGES`].
    pub async fn fill(connection: &mut Connection, vocabulary: &Vocabulary) -> Result<Self> {
        let bot = new_chatbot(connection).await?;
        let mut random = Random(1);
        let begun = Instant::now();
        let (mut passages, mut files) = (0, 0);
        while passages < PASSAGES {
            let batch: Vec<(String, Vec<u8>)> = (files..files + FILES)
                .map(|number| {
                    let text = vocabulary.prose(FILE_CHARACTERS, &mut random);
                    (format!("manual-{number}.txt"), text.into_bytes())
                })
                .collect();
            files += FILES;
            upload(connection, &bot, &batch).await?;
            passages = all_read(connection, &bot).await?;
        }
        Ok(Self {
            bot,
            passages,
            rate: passages as f64 / begun.elapsed().as_secs_f64(),
        })
    }
}
