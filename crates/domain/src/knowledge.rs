//! Knowledge: the items a chatbot answers from, and the chunks they are searched by.

use serde::{Deserialize, Serialize};

use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::{ChatbotId, ItemId, OrganizationId, SourceId, Timestamp};

/// What an item is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// An uploaded document.
    File,
    /// A web page.
    Url,
    /// Text that was typed in.
    Text,
    /// A question with its answer.
    Qna,
}

/// How far an item has come. Every item ends `ready` or `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ItemStatus {
    /// Accepted and waiting.
    Pending,
    /// Being read.
    Processing,
    /// Searchable.
    Ready,
    /// Could not be read; the item's `error` says why. An earlier version keeps answering.
    Failed,
}

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// The word on the wire and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;

            fn from_str(word: &str) -> Result<Self> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(Error::invalid(format!("{word:?} is no {}", stringify!($name)))),
                }
            }
        }
    };
}
pub(crate) use words;

words!(ItemKind { File = "file", Url = "url", Text = "text", Qna = "qna" });
words!(ItemStatus {
    Pending = "pending",
    Processing = "processing",
    Ready = "ready",
    Failed = "failed",
});

/// Where an item's content comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Source {
    /// A question with its answer.
    Qna {
        /// The question.
        question: String,
        /// Its answer, given word for word where the question matches strongly.
        answer: String,
    },
    /// Text that was typed in.
    Text {
        /// The text.
        content: String,
    },
    /// A web page.
    Url {
        /// Its address.
        url: String,
    },
    /// An uploaded document, kept in blob storage.
    File {
        /// The file's name as uploaded.
        file_name: String,
        /// Its media type, from its content.
        media_type: String,
        /// SHA-256 of its bytes, in hex.
        sha256: String,
    },
}

impl Source {
    /// The kind of item that this makes.
    pub fn kind(&self) -> ItemKind {
        match self {
            Self::Qna { .. } => ItemKind::Qna,
            Self::Text { .. } => ItemKind::Text,
            Self::Url { .. } => ItemKind::Url,
            Self::File { .. } => ItemKind::File,
        }
    }

    /// Checks every rule of its kind.
    pub fn check(&self) -> Result<()> {
        let filled = |field: &str, text: &str, limit| {
            if text.trim().is_empty() {
                return Err(Error::invalid_field(field, "must not be empty"));
            }
            at_most(field, text, limit)
        };
        match self {
            Self::Qna { question, answer } => {
                filled("question", question, MAX_QUESTION_CHARS)?;
                filled("answer", answer, MAX_ANSWER_CHARS)
            }
            Self::Text { content } => filled("content", content, MAX_TEXT_CHARS),
            Self::Url { url } => filled("url", url, MAX_URL_CHARS),
            Self::File { file_name, .. } => filled("file_name", file_name, MAX_TITLE_CHARS),
        }
    }

    /// The title where the caller gives none.
    pub fn default_title(&self) -> String {
        let (Self::Qna { question: text, .. }
        | Self::Text { content: text }
        | Self::Url { url: text }
        | Self::File {
            file_name: text, ..
        }) = self;
        let line = text.lines().find(|line| !line.trim().is_empty());
        line.unwrap_or(text).trim().chars().take(120).collect()
    }

    /// The size of what was typed in, in bytes; zero for files and pages, whose size is learnt.
    pub fn typed_bytes(&self) -> i64 {
        let bytes = match self {
            Self::Qna { question, answer } => question.len() + answer.len(),
            Self::Text { content } => content.len(),
            Self::Url { .. } | Self::File { .. } => 0,
        };
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }
}

/// The most characters of a question.
pub const MAX_QUESTION_CHARS: usize = 2_000;
/// The most characters of an answer.
pub const MAX_ANSWER_CHARS: usize = 20_000;
/// The most characters of a typed text.
pub const MAX_TEXT_CHARS: usize = 1_000_000;
/// The most characters of an address.
pub const MAX_URL_CHARS: usize = 2_000;
/// The most characters of a title or file name.
pub const MAX_TITLE_CHARS: usize = 300;

/// One file, page, text or Q&A pair of a chatbot.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: ItemId,
    /// Whose knowledge it is.
    pub chatbot_id: ChatbotId,
    /// Its title, which is searched with every chunk.
    pub title: String,
    /// How far it has come.
    pub status: ItemStatus,
    /// Why it failed, for the person who added it.
    pub error: Option<String>,
    /// A disabled item is kept and never answers.
    pub enabled: bool,
    /// Where its content comes from.
    pub source: Source,
    /// The source that keeps it fresh; `None` where it was added by itself.
    pub source_id: Option<SourceId>,
    /// Size of the content, in bytes.
    pub size_bytes: i64,
    /// Chunks that can be found.
    pub chunks: i64,
    /// Characters in those chunks' source text.
    pub characters: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its content was last read in full.
    pub synced_at: Option<Timestamp>,
}

impl Item {
    /// A new item, `pending`.
    pub fn new(
        chatbot_id: ChatbotId,
        title: Option<String>,
        source: Source,
        now: Timestamp,
    ) -> Result<Self> {
        source.check()?;
        let title = match title {
            Some(title) => parse_title(&title)?,
            None => source.default_title(),
        };
        Ok(Self {
            id: ItemId::new(),
            chatbot_id,
            title,
            status: ItemStatus::Pending,
            error: None,
            enabled: true,
            size_bytes: source.typed_bytes(),
            source,
            source_id: None,
            chunks: 0,
            characters: 0,
            created_at: now,
            updated_at: now,
            synced_at: None,
        })
    }

    /// This item with `change` applied, and whether its content must be read anew.
    pub fn changed(&self, change: ItemChange, now: Timestamp) -> Result<(Self, bool)> {
        let mut next = self.clone();
        if let (Some(_), Some(_)) = (self.source_id, &change.url) {
            let problem = "this page belongs to a source, which follows its address itself";
            return Err(Error::invalid_field("url", problem));
        }
        if let Some(title) = change.title {
            next.title = parse_title(&title)?;
        }
        next.enabled = change.enabled.unwrap_or(next.enabled);
        match &mut next.source {
            Source::Qna { question, answer } => {
                *question = change.question.unwrap_or_else(|| question.clone());
                *answer = change.answer.unwrap_or_else(|| answer.clone());
                refuse_others(&[("content", &change.content), ("url", &change.url)], "qna")?;
            }
            Source::Text { content } => {
                *content = change.content.unwrap_or_else(|| content.clone());
                let others = [
                    ("question", &change.question),
                    ("answer", &change.answer),
                    ("url", &change.url),
                ];
                refuse_others(&others, "text")?;
            }
            Source::Url { url } => {
                *url = change.url.unwrap_or_else(|| url.clone());
                let others = [
                    ("question", &change.question),
                    ("answer", &change.answer),
                    ("content", &change.content),
                ];
                refuse_others(&others, "url")?;
            }
            Source::File { .. } => {
                let others = [
                    ("question", &change.question),
                    ("answer", &change.answer),
                    ("content", &change.content),
                    ("url", &change.url),
                ];
                refuse_others(&others, "file")?;
            }
        }
        next.source.check()?;
        if next.title == self.source.default_title() {
            // Titles are searched: one made of the old content would go on answering.
            next.title = next.source.default_title();
        }
        next.updated_at = now;
        let reread = next.source != self.source || next.title != self.title;
        if next.source != self.source {
            next.size_bytes = next.source.typed_bytes();
        }
        Ok((next, reread))
    }
}

fn refuse_others(fields: &[(&str, &Option<String>)], kind: &str) -> Result<()> {
    match fields.iter().find(|(_, value)| value.is_some()) {
        Some((field, _)) => Err(Error::invalid_field(
            *field,
            format!("an item of type {kind} has no {field}"),
        )),
        None => Ok(()),
    }
}

fn parse_title(title: &str) -> Result<String> {
    let title = title.trim();
    if title.is_empty() {
        return Err(Error::invalid_field("title", "must not be empty"));
    }
    at_most("title", title, MAX_TITLE_CHARS)?;
    if title.chars().any(char::is_control) {
        return Err(Error::invalid_field("title", "must be a single line"));
    }
    Ok(title.to_owned())
}

/// What may be changed of an item; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemChange {
    /// A new title.
    pub title: Option<String>,
    /// Whether it may answer.
    pub enabled: Option<bool>,
    /// New text of a text item.
    pub content: Option<String>,
    /// New question of a Q&A pair.
    pub question: Option<String>,
    /// New answer of a Q&A pair.
    pub answer: Option<String>,
    /// New address of a page.
    pub url: Option<String>,
}

/// One searchable passage of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Its place in the item, from 1.
    pub ordinal: u32,
    /// The headings it stands under, outermost first.
    pub headings: Vec<String>,
    /// The page it begins on, from 1, where the document has pages.
    pub page: Option<u32>,
    /// Its text; a Q&A pair's answer.
    pub text: String,
    /// A Q&A pair's question.
    pub question: Option<String>,
    /// Its vector as the index keeps it, where the embedder understands the text.
    pub embedding: Option<Vec<u8>>,
}

/// A chunk with what is needed to show where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundChunk {
    /// The item it belongs to.
    pub item_id: ItemId,
    /// The item's title.
    pub title: String,
    /// The page's address, for items of type `url`.
    pub url: Option<String>,
    /// The chunk; its vector is left behind.
    pub chunk: Chunk,
}

impl FoundChunk {
    /// The contract's text block: title with headings and page, chunk number and content, or question
    /// and answer.
    pub fn block(&self) -> String {
        let head = format!("Title: {}\nChunk: {}", self.place(), self.chunk.ordinal);
        match &self.chunk.question {
            Some(question) => {
                let answer = &self.chunk.text;
                format!("{head}\n\nQuestion: {question}\n\nAnswer: {answer}")
            }
            None => format!("{head}\n\nContent:\n{}", self.chunk.text),
        }
    }

    /// The title, and where in the item the chunk is: `handbook.pdf > Returns > By post (page 3)`.
    fn place(&self) -> String {
        let mut place = self.title.clone();
        let inner = |heading: &&String| **heading != self.title;
        for heading in self.chunk.headings.iter().filter(inner) {
            place.push_str(" > ");
            place.push_str(heading);
        }
        if let Some(page) = self.chunk.page {
            place.push_str(&format!(" (page {page})"));
        }
        place
    }
}

/// What a job does, and to what.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestTask {
    /// The item's owner, so that loading stays scoped.
    pub organization_id: OrganizationId,
    /// The item's chatbot.
    pub chatbot_id: ChatbotId,
    /// The item to read.
    pub item_id: ItemId,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Item {
        let source = Source::Qna {
            question: "Do you ship abroad?".to_owned(),
            answer: "Yes, to all of Europe.".to_owned(),
        };
        Item::new(ChatbotId::new(), None, source, Timestamp(1)).expect("valid")
    }

    #[test]
    fn blocks_have_the_contracts_form() {
        let mut found = FoundChunk {
            item_id: ItemId::new(),
            title: "Shipping".to_owned(),
            url: None,
            chunk: Chunk {
                ordinal: 3,
                headings: vec![],
                page: None,
                text: "Yes.".to_owned(),
                question: None,
                embedding: None,
            },
        };
        assert_eq!(found.block(), "Title: Shipping\nChunk: 3\n\nContent:\nYes.");
        found.chunk.headings = vec!["Shipping".to_owned(), "Abroad".to_owned()];
        found.chunk.page = Some(2);
        let expected = "Title: Shipping > Abroad (page 2)\nChunk: 3\n\nContent:\nYes.";
        assert_eq!(found.block(), expected);
        (found.chunk.headings, found.chunk.page) = (vec![], None);
        found.chunk.question = Some("Abroad?".to_owned());
        let expected = "Title: Shipping\nChunk: 3\n\nQuestion: Abroad?\n\nAnswer: Yes.";
        assert_eq!(found.block(), expected);
    }

    #[test]
    fn a_changed_question_renames_a_pair_that_was_named_by_it() {
        let change = ItemChange {
            question: Some("Do you ship to Korea?".to_owned()),
            ..ItemChange::default()
        };
        let (next, reread) = pair().changed(change, Timestamp(2)).expect("valid");
        assert_eq!(next.title, "Do you ship to Korea?");
        assert!(reread);
    }

    #[test]
    fn only_a_change_of_content_is_read_anew() {
        let change = ItemChange {
            enabled: Some(false),
            ..ItemChange::default()
        };
        let (next, reread) = pair().changed(change, Timestamp(2)).expect("valid");
        assert!(!next.enabled && !reread);
    }

    #[test]
    fn fields_of_another_kind_are_named() {
        let change = ItemChange {
            url: Some("https://example.com".to_owned()),
            ..ItemChange::default()
        };
        let error = pair().changed(change, Timestamp(2)).expect_err("no url");
        assert_eq!(error.details[0].field, "url");
    }
}
