//! The objects of the external API as they stand on the wire. Names and null fields are the
//! contract's, also those that nothing fills here.

pub mod evals;
pub mod gaps;
pub mod people;
mod source;

use okra_domain::chatbot::{Chatbot, Personality, Settings, VoiceWidgetConfig};
use okra_domain::knowledge::{Chunk, Item, ItemKind, ItemStatus, Source};
use okra_domain::page::Pagination;
use okra_domain::session::{
    Attachment, CitedSource, LastMessage, Message, SenderType, Session, SessionState,
};
use okra_domain::tool::{self, CalledTool, ToolOutcome};
use okra_domain::{ItemId, Timestamp};
use okra_engine::Scores;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::Config;

pub use source::{LogEntryBody, SourceBody, SourcePageBody};

/// A chatbot in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatbotSummary {
    /// Whether it answers.
    pub active: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// What it is for.
    pub description: Option<String>,
    /// Always null: kept for clients of the contract.
    pub enabled_plugins: Option<Value>,
    /// Its id.
    pub id: Uuid,
    /// Whether its hosted page may be seen by anyone.
    pub is_public: bool,
    /// Its name.
    pub name: String,
    /// The organization it belongs to.
    pub organization_id: Uuid,
    /// How it speaks.
    pub personality_config: Personality,
    /// Prompt, model, greeting and look.
    pub settings: SettingsBody,
    /// Its public short name.
    pub slug: String,
    /// Questions offered to the visitor.
    pub suggestions: Option<Vec<String>>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Always null: kept for clients of the contract.
    pub version_id: Option<Value>,
    /// The voice widget's configuration; null until set.
    pub voice_widget_config: Option<VoiceWidgetConfig>,
}

/// A chatbot in full.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatbotDetails {
    /// What the list shows too.
    #[serde(flatten)]
    pub summary: ChatbotSummary,
    /// Always null: kept for clients of the contract.
    pub docs_metadata: Option<Value>,
    /// Always null: kept for clients of the contract.
    pub managers: Option<Value>,
    /// Always false: kept for clients of the contract.
    pub migrated_data: bool,
    /// The chatbot's own provider key, masked: `sk-…WXYZ`.
    pub openai_api_key: Option<String>,
    /// Always null: kept for clients of the contract.
    pub v1_chatbot_id: Option<Value>,
}

/// A chatbot's settings with its avatar.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingsBody {
    /// Address of the avatar; absent until one is set. Set by update-avatar alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// What can be set.
    #[serde(flatten)]
    pub settings: Settings,
}

impl ChatbotSummary {
    /// The list form of `chatbot`.
    pub fn new(chatbot: Chatbot, config: &Config) -> Self {
        let avatar = chatbot.avatar.as_deref();
        Self {
            settings: SettingsBody {
                avatar: avatar.map(|file| config.avatar_url(chatbot.id, file)),
                settings: chatbot.settings,
            },
            active: chatbot.active,
            created_at: chatbot.created_at,
            description: chatbot.description,
            enabled_plugins: None,
            id: chatbot.id.0,
            is_public: chatbot.is_public,
            name: chatbot.name,
            organization_id: chatbot.organization_id.0,
            personality_config: chatbot.personality,
            slug: chatbot.slug,
            suggestions: chatbot.suggestions,
            updated_at: chatbot.updated_at,
            version_id: None,
            voice_widget_config: chatbot.voice_widget_config,
        }
    }
}

impl ChatbotDetails {
    /// The full form of `chatbot`.
    pub fn new(chatbot: Chatbot, config: &Config) -> Self {
        Self {
            openai_api_key: chatbot.openai_api_key.as_ref().map(|key| key.masked()),
            summary: ChatbotSummary::new(chatbot, config),
            docs_metadata: None,
            managers: None,
            migrated_data: false,
            v1_chatbot_id: None,
        }
    }
}

/// A knowledge item.
#[derive(Debug, Serialize, ToSchema)]
pub struct KnowledgeItem {
    /// Its id.
    pub id: Uuid,
    /// The chatbot it belongs to.
    pub chatbot_id: Uuid,
    /// What it is made of.
    #[serde(rename = "type")]
    pub kind: ItemKind,
    /// Its title.
    pub title: String,
    /// How far it has come. Every item ends `ready` or `failed`.
    pub status: ItemStatus,
    /// Why it failed, in a sentence.
    pub error: Option<String>,
    /// A disabled item is kept and never answers.
    pub enabled: bool,
    /// Where its content comes from.
    pub source: Source,
    /// The source that keeps it fresh; null where it was added by itself.
    pub source_id: Option<Uuid>,
    /// Size of its content, in bytes.
    pub size_bytes: i64,
    /// Passages that can be found.
    pub chunks: i64,
    /// Characters of text read.
    pub characters: i64,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When its content was last read in full.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub synced_at: Option<Timestamp>,
}

impl From<Item> for KnowledgeItem {
    fn from(item: Item) -> Self {
        Self {
            id: item.id.0,
            chatbot_id: item.chatbot_id.0,
            kind: item.source.kind(),
            title: item.title,
            status: item.status,
            error: item.error,
            enabled: item.enabled,
            source: item.source,
            source_id: item.source_id.map(|source| source.0),
            size_bytes: item.size_bytes,
            chunks: item.chunks,
            characters: item.characters,
            created_at: item.created_at,
            updated_at: item.updated_at,
            synced_at: item.synced_at,
        }
    }
}

/// One passage that a query found.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueryResult {
    /// Title, chunk number and text in one block.
    pub content: String,
    /// How likely it is the right passage, 0 to 1.
    pub similarity: f32,
    /// The knowledge item.
    pub knowledge_id: Uuid,
    /// The item's title.
    pub title: String,
    /// The page's address, for items of type `url`.
    pub url: Option<String>,
    /// The chunk's number in the item, from 1.
    pub chunk: u32,
    /// The document's page, from 1, where it has pages.
    pub page: Option<u32>,
    /// Where `explain` was asked for: what the similarity is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoresBody>,
}

/// How well a passage matches, by each leg of the search.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoresBody {
    /// By its words: 0 nothing in common, about 1 where every word of the question is there, 2.2 at
    /// most.
    pub lexical: f32,
    /// By its meaning: the cosine, -1 to 1; null where the question or the passage has no vector.
    pub semantic: Option<f32>,
    /// Both weighed together: what passages are ranked by.
    pub combined: f32,
    /// Its place in that order, from 1: before any reranking.
    pub rank: usize,
    /// The reranker's score, where it was shown the passage; what it means is the model's own.
    pub rerank: Option<f32>,
}

impl From<Scores> for ScoresBody {
    fn from(scores: Scores) -> Self {
        Self {
            lexical: scores.lexical,
            semantic: scores.semantic,
            combined: scores.combined,
            rank: scores.rank,
            rerank: scores.rerank,
        }
    }
}

impl From<CitedSource> for QueryResult {
    fn from(source: CitedSource) -> Self {
        let ItemId(knowledge_id) = source.knowledge_id;
        Self {
            content: source.content,
            similarity: source.similarity,
            knowledge_id,
            title: source.title,
            url: source.url,
            chunk: source.chunk,
            page: source.page,
            scores: None,
        }
    }
}

/// One passage of an item, as it is searched.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChunkBody {
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
    /// Characters of its text.
    pub characters: usize,
}

impl From<Chunk> for ChunkBody {
    fn from(chunk: Chunk) -> Self {
        Self {
            characters: chunk.text.chars().count(),
            ordinal: chunk.ordinal,
            headings: chunk.headings,
            page: chunk.page,
            text: chunk.text,
            question: chunk.question,
        }
    }
}

/// A session with its last message as `L`: text where one session is asked for, an object in lists.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionBody<L> {
    /// Whether it goes on.
    pub active: bool,
    /// When the last message was written that an agent has seen; null for none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub agents_read_at: Option<Timestamp>,
    /// The person who has it, where one does.
    pub assignee_id: Option<Uuid>,
    /// The chatbot spoken with.
    pub chatbot_id: Uuid,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Its id.
    pub id: Uuid,
    /// Whether a person has taken over.
    pub is_human_mode: bool,
    /// The latest message.
    // Inline: a type parameter's schema is referred to by name and then not listed.
    #[schema(inline)]
    pub last_message: Option<L>,
    /// What is known of the visitor.
    pub metadata: Map<String, Value>,
    /// Always false: kept for clients of the contract.
    pub migrated_data: bool,
    /// Where the visitor is: `web`, or a channel's name.
    pub platform: String,
    /// Always null: kept for clients of the contract.
    pub session_token: Option<Value>,
    /// The visitor's token on the platform.
    pub sns_user_id: Option<String>,
    /// How it stands.
    pub state: SessionState,
    /// When something was last said.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Always null: kept for clients of the contract.
    pub user_id: Option<Value>,
    /// Always null: kept for clients of the contract.
    pub voice_path: Option<Value>,
    /// When the last message was written that the visitor has seen of people's; null for none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub visitor_read_at: Option<Timestamp>,
}

/// The latest message of a session, as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastMessageBody {
    /// Its text.
    pub content: String,
    /// Its id.
    pub id: Uuid,
    /// Who wrote it.
    pub sender_type: SenderType,
}

/// A session as one asks for it.
pub type SessionDetails = SessionBody<String>;
/// A session in the list.
pub type SessionSummary = SessionBody<LastMessageBody>;

impl<L> SessionBody<L> {
    fn with(session: Session, last_message: impl FnOnce(LastMessage) -> L) -> Self {
        Self {
            active: session.state != SessionState::Resolved,
            agents_read_at: session.agents_read_at,
            assignee_id: session.assignee.map(|person| person.0),
            chatbot_id: session.chatbot_id.0,
            created_at: session.created_at,
            id: session.id.0,
            is_human_mode: session.is_human_mode,
            last_message: session.last_message.map(last_message),
            metadata: session.metadata,
            migrated_data: false,
            platform: session.platform,
            session_token: None,
            sns_user_id: session.visitor,
            state: session.state,
            updated_at: session.updated_at,
            user_id: None,
            voice_path: None,
            visitor_read_at: session.visitor_read_at,
        }
    }
}

impl From<Session> for SessionDetails {
    fn from(session: Session) -> Self {
        Self::with(session, |message| message.content)
    }
}

impl From<Session> for SessionSummary {
    fn from(session: Session) -> Self {
        Self::with(session, |message| LastMessageBody {
            content: message.content,
            id: message.id.0,
            sender_type: message.sender_type,
        })
    }
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageBody {
    /// Files that go with it, or null.
    pub attachments: Option<Vec<Attachment>>,
    /// What it says.
    pub content: String,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Its id.
    pub id: Uuid,
    /// How it came about: `answered_by` (`model`, `qna`, `passage`, `nothing`), `model_used`, `ended` (`complete`,
    /// `cancelled`, `failed`, or `interrupted` where the server was killed), `finish` (only where the model was cut off:
    /// `length` by the limit of tokens, `content_filter` by its provider), `outcome` (see the overview), `sources`
    /// (the passages that it rests on, each with the `excerpt` that says so), `offer_person` (true where the answer is
    /// that there is none, or its model called for a person that nobody had asked for, and the chatbot hands over to
    /// people), `called_person` (true where the visitor had asked for one, and the conversation now waits for one),
    /// `suggestions` (what the visitor may ask next), `looked_up` (what was searched for, where the question leans on
    /// earlier ones), `link_hosts` (hosts that the Q&A pairs it rests on link to), `timings_ms`, `images` (how many came
    /// with the question, and how many of them the model was shown), `completion_tokens` (those of `tokens_used` that
    /// the model wrote), `tokens_estimated` (true where a call of the model's was cut off, and what it took is partly an
    /// estimate), and `feedback` where the visitor gave one. Of an agent's: `agent` (`id`, `name`).
    pub metadata: Map<String, Value>,
    /// Always false: kept for clients of the contract.
    pub migrated_data: bool,
    /// The model that wrote it.
    pub model: Option<String>,
    /// That model's provider.
    pub provider: Option<String>,
    /// Who wrote it.
    pub sender_type: SenderType,
    /// The session it belongs to.
    pub session_id: Uuid,
    /// Always null: kept for clients of the contract.
    pub session_token: Option<Value>,
    /// Tokens read and written by the model.
    pub tokens_used: i64,
    /// The tools that were called, in their order; null where none were.
    pub tool_calls: Option<Vec<CalledTool>>,
    /// What came of the calls, in the order in which they ended; of one that waits for the visitor there is none. Null
    /// where nothing was called.
    pub tool_results: Option<Vec<ToolOutcome>>,
}

impl From<Message> for MessageBody {
    fn from(mut message: Message) -> Self {
        if let Some(feedback) = message.feedback {
            let metadata = &mut message.metadata;
            metadata.insert("feedback".to_owned(), serde_json::json!(feedback));
        }
        let called = message.metadata.contains_key(tool::CALLS);
        let calls = called.then(|| tool::calls_in(&message.metadata));
        let results = called.then(|| tool::results_in(&message.metadata));
        message.metadata.remove(tool::CALLS);
        message.metadata.remove(tool::RESULTS);
        Self {
            attachments: message.attachments,
            content: message.content,
            created_at: message.created_at,
            id: message.id.0,
            metadata: message.metadata,
            migrated_data: false,
            model: message.model,
            provider: message.provider,
            sender_type: message.sender_type,
            session_id: message.session_id.0,
            session_token: None,
            tokens_used: message.tokens_used,
            tool_calls: calls,
            tool_results: results,
        }
    }
}

/// A page of a list, under `data`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListBody<T> {
    /// The entries of this page.
    pub data: Vec<T>,
    /// Where the page lies in the whole.
    pub pagination: Pagination,
}

impl<T> ListBody<T> {
    /// The wire form of a page.
    pub fn new<D: Into<T>>(page: okra_domain::Page<D>) -> Self {
        Self {
            data: page.entries.into_iter().map(Into::into).collect(),
            pagination: page.pagination,
        }
    }
}
