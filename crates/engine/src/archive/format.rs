//! What stands in an archive, as docs/archive.md says.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okra_domain::chatbot::Chatbot;
use okra_domain::embedder::EmbedderChoice;
use okra_domain::eval::Question;
use okra_domain::knowledge::{Chunk, Item, Source};
use okra_store::knowledge::ExportedItem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What an archive calls itself.
pub(super) const FORMAT: &str = "okra-chatbot";
/// The version that is written, and the latest that is read.
pub(super) const VERSION: u32 = 1;
/// The manifest's entry.
pub(super) const MANIFEST: &str = "manifest.json";

/// Names and paths of the sections that this version knows.
pub(super) const AVATAR: &str = "avatar";
pub(super) const KNOWLEDGE: &str = "knowledge";
pub(super) const FILES: &str = "files";
pub(super) const TEXTS: &str = "texts";
pub(super) const EVALS: &str = "evals";
pub(super) const SOURCES: &str = "sources";
pub(super) const SECTIONS: [&str; 6] = [AVATAR, KNOWLEDGE, FILES, TEXTS, EVALS, SOURCES];

/// The first look at a manifest, whatever its version.
#[derive(Deserialize)]
pub(super) struct ManifestHead {
    pub(super) format: String,
    pub(super) version: u32,
}

/// `manifest.json`.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) version: u32,
    /// The version of Okra that wrote it, to be told to people.
    pub(super) okra: String,
    pub(super) exported_at: String,
    pub(super) chatbot: ArchivedChatbot,
    /// The chatbot's own choice of who makes its vectors, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) embedder: Option<ArchivedEmbedder>,
    /// Whether items come with what was read of them.
    pub(super) chunks: bool,
    pub(super) sections: BTreeMap<String, Section>,
}

/// A part of the archive: one entry, or a folder of them where `path` ends with a slash.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) path: String,
    /// Lines of the entry, or entries of the folder.
    pub(super) entries: u64,
    /// Of the entry, unpacked, in hex; absent of folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
}

/// A choice of embedder by its name, without its key.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum ArchivedEmbedder {
    Static,
    Transformer {
        model: String,
    },
    Endpoint {
        base_url: String,
        model: String,
    },
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl From<&EmbedderChoice> for ArchivedEmbedder {
    fn from(choice: &EmbedderChoice) -> Self {
        match choice {
            EmbedderChoice::Static => Self::Static,
            EmbedderChoice::Transformer { model } => Self::Transformer {
                model: model.clone(),
            },
            EmbedderChoice::Endpoint { provider, model } => Self::Endpoint {
                base_url: provider.base_url.clone(),
                model: model.clone(),
            },
        }
    }
}

/// A chatbot's settings by the names that the API has for them.
#[derive(Serialize, Deserialize)]
pub(super) struct ArchivedChatbot {
    pub(super) name: String,
    pub(super) slug: String,
    pub(super) description: Option<String>,
    pub(super) active: bool,
    pub(super) personality_config: Value,
    pub(super) settings: Value,
    pub(super) suggestions: Option<Vec<String>>,
    pub(super) voice_widget_config: Option<Value>,
}

impl ArchivedChatbot {
    pub(super) fn of(chatbot: &Chatbot) -> serde_json::Result<Self> {
        let voice = chatbot.voice_widget_config.as_ref();
        Ok(Self {
            name: chatbot.name.clone(),
            slug: chatbot.slug.clone(),
            description: chatbot.description.clone(),
            active: chatbot.active,
            personality_config: serde_json::to_value(&chatbot.personality)?,
            settings: serde_json::to_value(&chatbot.settings)?,
            suggestions: chatbot.suggestions.clone(),
            voice_widget_config: voice.map(serde_json::to_value).transpose()?,
        })
    }
}

/// A line of `knowledge.jsonl`: an item, then its chunks.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    Item(Box<ArchivedItem>),
    Chunk(ArchivedChunk),
}

#[derive(Serialize, Deserialize)]
pub(super) struct ArchivedItem {
    /// Names the item within the archive; an import gives it another id.
    pub(super) id: Uuid,
    pub(super) title: String,
    pub(super) enabled: bool,
    /// `pending`, `ready` or `failed`.
    pub(super) status: String,
    pub(super) error: Option<String>,
    #[serde(with = "TaggedSource")]
    pub(super) source: Source,
    pub(super) size_bytes: i64,
    pub(super) characters: i64,
    /// Names the space that the chunks' vectors lie in.
    pub(super) embedding_space: Option<String>,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    pub(super) synced_at: Option<String>,
    /// Whether `files/ID` holds its original file.
    pub(super) file: bool,
    /// Whether `texts/ID.md` holds what was read of it.
    pub(super) text: bool,
}

/// How a [`Source`] is written: with its type beside its fields, which stored ones are told by.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Source", tag = "type", rename_all = "lowercase")]
enum TaggedSource {
    Qna {
        question: String,
        answer: String,
    },
    Text {
        content: String,
    },
    Url {
        url: String,
    },
    File {
        file_name: String,
        media_type: String,
        sha256: String,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct ArchivedChunk {
    pub(super) ordinal: u32,
    pub(super) headings: Vec<String>,
    pub(super) page: Option<u32>,
    pub(super) text: String,
    pub(super) question: Option<String>,
    /// The vector as the index keeps it, in base64: a little-endian f32 scale, then an i8 a dimension.
    pub(super) vector: Option<String>,
}

/// A line of `evals.jsonl`.
#[derive(Serialize, Deserialize)]
pub(super) struct ArchivedEval {
    pub(super) name: String,
    pub(super) questions: Vec<Question>,
}

impl ArchivedItem {
    /// The item's line, where `file` and `text` say what was packed of it.
    pub(super) fn of(exported: ExportedItem, chunks: bool, file: bool, text: bool) -> Self {
        let Item {
            id,
            title,
            status,
            error,
            enabled,
            source,
            size_bytes,
            characters,
            created_at,
            updated_at,
            synced_at,
            ..
        } = exported.item;
        Self {
            id: id.0,
            title,
            enabled,
            status: status.as_str().to_owned(),
            error,
            source,
            size_bytes,
            characters,
            embedding_space: exported.embedding_space.filter(|_| chunks),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
            synced_at: synced_at.map(|time| time.to_string()),
            file,
            text,
        }
    }
}

impl From<Chunk> for ArchivedChunk {
    fn from(chunk: Chunk) -> Self {
        Self {
            ordinal: chunk.ordinal,
            headings: chunk.headings,
            page: chunk.page,
            text: chunk.text,
            question: chunk.question,
            vector: chunk.embedding.map(|bytes| STANDARD.encode(bytes)),
        }
    }
}

/// The bytes of a vector; `None` where it is no base64.
pub(super) fn vector_bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
