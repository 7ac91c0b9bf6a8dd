//! The lines of `knowledge.jsonl` as items with their chunks, each held to the rules that it would
//! have had to keep on its way in.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::str::FromStr;

use okra_domain::error::Result;
use okra_domain::knowledge::{Chunk, Item, ItemStatus, MAX_QUESTION_CHARS, MAX_TEXT_CHARS, Source};
use okra_domain::{ChatbotId, Error, ItemId, SourceId, Timestamp};
use okra_search::QuantizedVector;
use okra_store::ArrivingItem;
use uuid::Uuid;

use super::format::{ArchivedChunk, ArchivedItem, Line, vector_bytes};
use super::reading::Lines;
use super::{MAX_CHUNKS, MAX_ITEM_BYTES, MAX_ITEMS, too_large, unusable};

/// Headings above a chunk at most, and characters of one.
const MAX_HEADINGS: usize = 64;
const MAX_HEADING_CHARS: usize = 2_000;
/// Bytes of a vector at most: far more dimensions than any model has.
const MAX_VECTOR_BYTES: usize = 64 * 1024;
const MAX_SPACE_BYTES: usize = 500;
const MAX_ERROR_CHARS: usize = 2_000;

/// What is known of an item before it is drawn to be stored.
pub(super) struct Planned {
    /// The id it gets.
    pub(super) id: ItemId,
    /// Its original file, where the archive holds it.
    pub(super) file: Option<PlannedFile>,
    /// The name that the blob of its text gets.
    pub(super) text: Option<Uuid>,
    /// The source that it belongs to.
    pub(super) source: Option<SourceId>,
}

/// An original file as its item tells of it; once it was looked at, as it is.
#[derive(Clone)]
pub(super) struct PlannedFile {
    pub(super) file_name: String,
    pub(super) media_type: String,
    pub(super) sha256: String,
}

/// An item as it stands in the archive, with its chunks.
type Drawn = (ArchivedItem, Vec<ArchivedChunk>);

/// Draws items, with the chunks that follow each.
pub(super) struct Items<R> {
    lines: Lines<R>,
    /// The line after the last item drawn, which is the next item's.
    next: Option<ArchivedItem>,
    begun: bool,
}

impl<R: Read> Items<R> {
    pub(super) fn of(lines: Lines<R>) -> Self {
        Self {
            lines,
            next: None,
            begun: false,
        }
    }

    pub(super) fn draw(&mut self) -> Result<Option<Drawn>> {
        if !self.begun {
            self.begun = true;
            match self.line()? {
                Some((_, Line::Item(item), _)) => self.next = Some(*item),
                Some((number, Line::Chunk(_), _)) => {
                    return Err(at(number, "a chunk stands before the first item"));
                }
                None => {}
            }
        }
        let Some(item) = self.next.take() else {
            return Ok(None);
        };
        let (mut chunks, mut size) = (Vec::new(), 0_u64);
        while let Some((number, line, length)) = self.line()? {
            match line {
                Line::Item(item) => {
                    self.next = Some(*item);
                    break;
                }
                Line::Chunk(chunk) => {
                    size += length as u64;
                    if size > MAX_ITEM_BYTES {
                        let megabytes = MAX_ITEM_BYTES >> 20;
                        let problem = format!("the passages of one item take over {megabytes} MB");
                        return Err(too_large(format!("line {number}: {problem}")));
                    }
                    check_chunk(&chunk, chunks.len()).map_err(|problem| at(number, problem))?;
                    chunks.push(chunk);
                }
            }
        }
        Ok(Some((item, chunks)))
    }

    fn line(&mut self) -> Result<Option<(u64, Line, usize)>> {
        let Some((number, line)) = self.lines.next()? else {
            return Ok(None);
        };
        let parsed = serde_json::from_slice(&line).map_err(|error| at(number, error))?;
        Ok(Some((number, parsed, line.len())))
    }
}

fn at(line: u64, problem: impl std::fmt::Display) -> Error {
    unusable(format!("line {line} of knowledge.jsonl: {problem}"))
}

fn check_chunk(chunk: &ArchivedChunk, before: usize) -> Result<(), String> {
    if usize::try_from(chunk.ordinal) != Ok(before + 1) {
        return Err(format!("chunk {} is out of order", chunk.ordinal));
    }
    let chars = |text: &String, most: usize| text.len() <= most || text.chars().count() <= most;
    let proper = chars(&chunk.text, MAX_TEXT_CHARS)
        && chunk
            .question
            .iter()
            .all(|text| chars(text, MAX_QUESTION_CHARS))
        && chunk.headings.len() <= MAX_HEADINGS
        && chunk
            .headings
            .iter()
            .all(|text| chars(text, MAX_HEADING_CHARS));
    if !proper {
        return Err("a chunk is longer than any that is read".to_owned());
    }
    match &chunk.vector {
        Some(text) if !is_vector(text) => Err("a vector is none".to_owned()),
        _ => Ok(()),
    }
}

/// Whether the text is a vector as an index keeps it: of length one, or zero.
fn is_vector(text: &str) -> bool {
    let bytes = vector_bytes(text).filter(|bytes| bytes.len() <= MAX_VECTOR_BYTES);
    let vector = bytes.and_then(|bytes| QuantizedVector::from_bytes(&bytes));
    vector.is_some_and(|vector| {
        let squares: i64 = vector
            .codes
            .iter()
            .map(|code| i64::from(*code).pow(2))
            .sum();
        let length = f64::from(vector.scale) * (squares as f64).sqrt();
        vector.scale == 0.0 || (length - 1.0).abs() < 1e-3
    })
}

/// What an archive holds, told by going through it once.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) items: HashMap<Uuid, Planned>,
    /// The items' names in the archive, in its order.
    pub(super) order: Vec<Uuid>,
    pub(super) chunks: usize,
}

/// How items of an archive are stored.
pub(super) struct Target<'a> {
    /// Whose they become.
    pub(super) chatbot: ChatbotId,
    /// The space that the embedder in use gives vectors in.
    pub(super) space: &'a str,
    /// Whether the archive says what was read of the items; else all are read.
    pub(super) chunks: bool,
}

impl Plan {
    /// Goes through all items, holding each to its rules.
    pub(super) fn of<R: Read>(mut items: Items<R>, target: &Target<'_>) -> Result<Self> {
        let mut plan = Self::default();
        let mut hashes = HashSet::new();
        while let Some((item, chunks)) = items.draw()? {
            let id = item.id;
            plan.chunks += chunks.len();
            if plan.order.len() == MAX_ITEMS || plan.chunks > MAX_CHUNKS {
                let problem = format!("over {MAX_ITEMS} items or {MAX_CHUNKS} passages");
                return Err(too_large(problem));
            }
            if let Source::File {
                file_name, sha256, ..
            } = &item.source
                && !hashes.insert(sha256.to_ascii_lowercase())
            {
                return Err(unusable(format!("two items hold the file {file_name:?}")));
            }
            if plan.items.insert(id, planned(&item)).is_some() {
                return Err(unusable(format!("two items have the id {id}")));
            }
            plan.order.push(id);
            plan.arriving(item, chunks, target)?;
        }
        Ok(plan)
    }

    /// The item as it is stored.
    pub(super) fn arriving(
        &self,
        archived: ArchivedItem,
        chunks: Vec<ArchivedChunk>,
        target: &Target<'_>,
    ) -> Result<ArrivingItem> {
        let id = archived.id;
        let planned = self.items.get(&id);
        let planned =
            planned.ok_or_else(|| unusable(format!("the item {id} came from nowhere")))?;
        let space = archived.embedding_space.clone();
        let mut item = item_of(archived, planned, target.chatbot)
            .map_err(|error| unusable(format!("the item {id}: {}", error.message)))?;
        if !target.chunks && !chunks.is_empty() {
            return Err(unusable(format!(
                "the item {id} has passages, and the manifest says none do"
            )));
        }
        if !target.chunks || item.status == ItemStatus::Processing {
            item.status = ItemStatus::Pending;
        }
        if item.status != ItemStatus::Failed {
            item.error = None;
        }
        item.chunks = i64::try_from(chunks.len()).unwrap_or(i64::MAX);
        let foreign = space.as_deref().is_some_and(|space| space != target.space);
        Ok(ArrivingItem {
            reread: item.status == ItemStatus::Pending || foreign,
            item,
            chunks: chunks.into_iter().map(chunk).collect(),
            embedding_space: space.filter(|_| target.chunks),
            text_file: planned.text,
        })
    }
}

fn planned(item: &ArchivedItem) -> Planned {
    let file = match &item.source {
        Source::File {
            file_name,
            media_type,
            sha256,
        } if item.file => Some(PlannedFile {
            file_name: file_name.clone(),
            media_type: media_type.clone(),
            sha256: sha256.clone(),
        }),
        _ => None,
    };
    Planned {
        id: ItemId::new(),
        file,
        text: item.text.then(Uuid::new_v4),
        source: None,
    }
}

fn item_of(archived: ArchivedItem, planned: &Planned, chatbot: ChatbotId) -> Result<Item> {
    let mut source = archived.source;
    if let Source::File {
        file_name,
        media_type,
        sha256,
    } = &mut source
    {
        if let Some(file) = &planned.file {
            (*file_name, *media_type) = (file.file_name.clone(), file.media_type.clone());
        }
        sha256.make_ascii_lowercase();
        let proper = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        let typed =
            media_type.len() <= 100 && media_type.bytes().all(|byte| byte.is_ascii_graphic());
        if !proper || !typed {
            return Err(Error::invalid("sha256 or media_type is none"));
        }
    }
    let title = archived.title.replace(char::is_control, " ");
    // A title that was made of the content is made again, with whatever the content has in its line.
    let title = (archived.title != source.default_title()).then_some(title);
    let item = Item::new(chatbot, title, source, moment(&archived.created_at)?)?;
    let error = archived
        .error
        .map(|error| error.chars().take(MAX_ERROR_CHARS).collect());
    if archived
        .embedding_space
        .iter()
        .any(|space| space.len() > MAX_SPACE_BYTES)
    {
        return Err(Error::invalid("embedding_space is too long"));
    }
    Ok(Item {
        id: planned.id,
        source_id: planned.source,
        status: ItemStatus::from_str(&archived.status)?,
        error,
        enabled: archived.enabled,
        size_bytes: archived.size_bytes.max(0),
        characters: archived.characters.max(0),
        updated_at: moment(&archived.updated_at)?,
        synced_at: archived.synced_at.as_deref().map(moment).transpose()?,
        ..item
    })
}

fn moment(text: &str) -> Result<Timestamp> {
    Timestamp::parse(text).ok_or_else(|| Error::invalid(format!("{text:?} is no time")))
}

fn chunk(archived: ArchivedChunk) -> Chunk {
    Chunk {
        ordinal: archived.ordinal,
        headings: archived.headings,
        page: archived.page,
        text: archived.text,
        question: archived.question,
        embedding: archived.vector.as_deref().and_then(vector_bytes),
    }
}
