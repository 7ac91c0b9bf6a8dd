//! The lines of `sources.jsonl`: a source, then its pages. They arrive at rest: nobody's server is read
//! because an archive says so.

use std::collections::HashSet;
use std::io::Read;

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::knowledge::{MAX_TITLE_CHARS, MAX_URL_CHARS};
use okra_domain::source::{
    Cadence, KnowledgeSource, MAX_DEPTH, MAX_PAGES, MAX_SOURCES, NewSource, SourceChange,
    SourceKind, SourceState,
};
use okra_domain::{Error, Timestamp};
use okra_store::sources::{ArrivingPage, ArrivingSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::knowledge::Plan;
use super::reading::Lines;
use super::{MAX_ITEMS, too_large, unusable};
use crate::Engine;

/// A line: a source, then its pages.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SourceLine {
    Source(Box<ArchivedSource>),
    Page(ArchivedPage),
}

/// A source's settings by the names that the API has for them.
#[derive(Serialize, Deserialize)]
pub(super) struct ArchivedSource {
    #[serde(rename = "type")]
    kind: SourceKind,
    name: String,
    address: String,
    options: Value,
    /// How often it was read; an import leaves that to people.
    #[serde(default)]
    cadence: Cadence,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ArchivedPage {
    address: String,
    depth: u32,
    title: Option<String>,
    /// The item with its text, by its name in the archive; null where it was deleted by hand.
    item: Option<Uuid>,
    text_hash: Option<String>,
}

impl SourceLine {
    /// The lines of a source whose item has no name but its id.
    pub(super) fn of(leaving: ArrivingSource) -> serde_json::Result<Vec<Self>> {
        let source = leaving.source;
        let first = ArchivedSource {
            kind: source.kind,
            name: source.name,
            address: source.address,
            options: serde_json::to_value(&source.options)?,
            cadence: source.cadence,
        };
        let pages = leaving.pages.into_iter().map(|page| {
            Self::Page(ArchivedPage {
                address: page.address,
                depth: page.depth,
                title: page.title,
                item: page.item.map(|item| item.0),
                text_hash: page.text_hash,
            })
        });
        Ok([Self::Source(Box::new(first))]
            .into_iter()
            .chain(pages)
            .collect())
    }
}

/// Sources as they are stored, and what is told of those that are not.
#[derive(Default)]
pub(super) struct Arriving {
    pub(super) sources: Vec<ArrivingSource>,
    pub(super) notes: Vec<String>,
}

/// Reads all sources, each held to the rules it would have had to keep on its way in, and has the plan
/// know whose items are whose. One that this server cannot read is left out; its items stay.
pub(super) fn read<R: Read>(
    engine: &Engine,
    chatbot: &Chatbot,
    mut lines: Lines<R>,
    plan: &mut Plan,
) -> Result<Arriving> {
    let mut reading = Reading {
        engine,
        chatbot,
        arriving: Arriving::default(),
        seen: HashSet::new(),
        pages: 0,
        current: None,
    };
    while let Some((number, line)) = lines.next()? {
        let at = |problem: String| unusable(format!("line {number} of sources.jsonl: {problem}"));
        let line = serde_json::from_slice(&line).map_err(|error| at(error.to_string()))?;
        let taken = match line {
            SourceLine::Source(source) => reading.source(*source),
            SourceLine::Page(page) => reading.page(page, plan),
        };
        taken.map_err(|error| match error.kind {
            okra_domain::ErrorKind::Invalid => at(error.message),
            _ => error,
        })?;
    }
    Ok(reading.arriving)
}

struct Reading<'a> {
    engine: &'a Engine,
    chatbot: &'a Chatbot,
    arriving: Arriving,
    /// Kinds and addresses of sources, and addresses of the pages of the last one.
    seen: HashSet<(SourceKind, String)>,
    pages: usize,
    /// The pages of the last source; `None` before the first one.
    current: Option<Current>,
}

struct Current {
    addresses: HashSet<String>,
    left_out: bool,
}

impl Reading<'_> {
    fn source(&mut self, archived: ArchivedSource) -> Result<()> {
        let key = (archived.kind, archived.address.clone());
        if self.seen.len() as i64 == MAX_SOURCES || !self.seen.insert(key) {
            let problem = format!("over {MAX_SOURCES} sources, or two at one address");
            return Err(Error::invalid(problem));
        }
        let source = archived.into_source(self.chatbot, self.engine.store().clock().now())?;
        let (name, address) = (source.name.clone(), source.address.clone());
        let checked = self.engine.checked_source(source);
        let left_out = checked.is_err();
        match checked {
            Ok(source) => self.arriving.sources.push(ArrivingSource {
                source,
                pages: Vec::new(),
            }),
            Err(error) => self.arriving.notes.push(format!(
                "The source \"{name}\" ({address}) cannot be read from this server and was left out; \
                 what was read of it stays. {}",
                error.message
            )),
        }
        self.current = Some(Current {
            addresses: HashSet::new(),
            left_out,
        });
        Ok(())
    }

    fn page(&mut self, page: ArchivedPage, plan: &mut Plan) -> Result<()> {
        let Some(current) = &mut self.current else {
            return Err(Error::invalid("a page stands before the first source"));
        };
        self.pages += 1;
        if self.pages > MAX_ITEMS {
            return Err(too_large(format!("over {MAX_ITEMS} pages of sources")));
        }
        let short = |text: &str, most| text.chars().count() <= most;
        let proper = short(&page.address, MAX_URL_CHARS)
            && page.title.iter().all(|title| short(title, MAX_TITLE_CHARS))
            && page.text_hash.iter().all(|hash| short(hash, 64))
            && page.depth <= MAX_DEPTH + 1
            && current.addresses.len() < MAX_PAGES as usize;
        if !proper || !current.addresses.insert(page.address.clone()) {
            let problem = "a page is longer than any that is read, or there twice";
            return Err(Error::invalid(problem));
        }
        let Some(source) = self
            .arriving
            .sources
            .last_mut()
            .filter(|_| !current.left_out)
        else {
            return Ok(());
        };
        let item = match page.item.map(|item| plan.items.get_mut(&item)) {
            // Deleted while it was exported: it is found again.
            Some(None) => return Ok(()),
            Some(Some(planned)) => {
                if planned.source.replace(source.source.id).is_some() {
                    return Err(Error::invalid("an item belongs to two pages"));
                }
                Some(planned.id)
            }
            None => None,
        };
        source.pages.push(ArrivingPage {
            address: page.address,
            item,
            depth: page.depth,
            title: page.title,
            text_hash: page.text_hash,
        });
        Ok(())
    }
}

impl ArchivedSource {
    fn into_source(self, chatbot: &Chatbot, now: Timestamp) -> Result<KnowledgeSource> {
        let new = NewSource {
            kind: self.kind,
            address: self.address,
            change: SourceChange {
                name: Some(self.name),
                options: Some(self.options),
                cadence: None,
            },
        };
        Ok(KnowledgeSource {
            state: SourceState::Ready,
            ..KnowledgeSource::new(chatbot.id, new, now)?
        })
    }
}
