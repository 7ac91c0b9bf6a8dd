//! Okra's words and rules: what a chatbot, a knowledge item, a session and a message are, and
//! which values they may take. No IO, no async, no HTTP: every other crate speaks these types.

pub mod account;
pub mod canned;
pub mod chatbot;
pub mod clock;
pub mod embedder;
pub mod error;
pub mod eval;
pub mod gap;
pub mod handling;
pub mod id;
pub mod knowledge;
pub mod models;
pub mod origin;
pub mod page;
pub mod person;
pub mod provider;
pub mod secret;
pub mod session;
pub mod source;
pub mod tool;
pub mod webhook;

pub use clock::{Clock, Timestamp};
pub use error::{Error, ErrorKind, FieldProblem};
pub use id::{
    ApiKeyId, CannedReplyId, ChatbotId, DeliveryId, EvalId, EvalRunId, GapId, ItemId, JobId,
    LinkId, MessageId, NoteId, OrganizationId, PersonId, SessionId, SourceId, WebhookEventId,
    WebhookId,
};
pub use page::{Page, PageRequest};
pub use secret::Secret;
