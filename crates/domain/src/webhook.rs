//! Webhooks: whom an organization has told what happens, and how that went.
//!
//! What is sent follows Standard Webhooks (<https://www.standardwebhooks.com>): `type`, `timestamp` and
//! `data`, signed.

use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::knowledge::{Item, words};
use crate::session::{Feedback, Message, Session, SessionRating};
use crate::tool;
use crate::{
    ChatbotId, DeliveryId, MessageId, Secret, SessionId, Timestamp, WebhookEventId, WebhookId,
};

// Words are token trees: a `literal` would reach the derives wrapped, and utoipa would overlook it.
macro_rules! event_kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:tt,)*) => {
        /// What endpoints are told of. A new kind is a line here, and a call where it happens.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum EventKind {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)*
        }

        impl EventKind {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its word on the wire and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// What happened, in a sentence.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),* }
            }
        }
    };
}

event_kinds! {
    /// A visitor, the chatbot or an agent wrote a message.
    MessageCreated = "message.created",
    /// A visitor began a conversation.
    ConversationStarted = "conversation.started",
    /// A person took a conversation over from the chatbot, or a visitor asked for one.
    ConversationTakenOver = "conversation.taken_over",
    /// A conversation was settled.
    ConversationResolved = "conversation.resolved",
    /// A visitor left an e-mail address, or another one than before.
    LeadCaptured = "lead.captured",
    /// An item of knowledge was read and answers from now on.
    KnowledgeReady = "knowledge.ready",
    /// An item of knowledge could not be read.
    KnowledgeFailed = "knowledge.failed",
    /// A visitor rated an answer.
    FeedbackCreated = "feedback.created",
    /// A visitor rated a whole conversation.
    ConversationRated = "conversation.rated",
}

impl EventKind {
    /// The kind of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

/// The type of an event that an endpoint is sent to see whether it answers.
pub const TEST_EVENT: &str = "webhook.test";

/// Some kinds of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventKinds(u32);

impl EventKinds {
    /// Every kind.
    pub fn all() -> Self {
        EventKind::ALL.iter().copied().collect()
    }

    /// Whether it is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `kind` is among them.
    pub fn contains(self, kind: EventKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// These and those.
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// One by one, in the order of [`EventKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = EventKind> {
        EventKind::ALL
            .iter()
            .copied()
            .filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<EventKind> for EventKinds {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |all, kind| all | kind.bit()))
    }
}

/// Endpoints of one organization at most.
pub const MAX_ENDPOINTS: i64 = 20;
/// The most characters of an endpoint's address.
const MAX_URL_CHARS: usize = 2_000;
/// The most characters of an endpoint's description.
const MAX_DESCRIPTION_CHARS: usize = 200;

/// Where an organization has events sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: WebhookId,
    /// Its address.
    pub url: String,
    /// What it is for, in the words of whoever made it.
    pub description: Option<String>,
    /// What it is told of; none means everything, also what later versions tell.
    pub events: EventKinds,
    /// Whether it is sent anything.
    pub active: bool,
    /// Why it was switched off, where that was not a person's doing.
    pub disabled_reason: Option<String>,
    /// Until when the secret before signs too.
    pub previous_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything above last changed.
    pub updated_at: Timestamp,
}

/// What a caller may set of an endpoint. `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointChange {
    /// See [`Endpoint::url`].
    pub url: Option<String>,
    /// See [`Endpoint::description`]; `Some(None)` clears it.
    pub description: Option<Option<String>>,
    /// See [`Endpoint::events`].
    pub events: Option<EventKinds>,
    /// See [`Endpoint::active`].
    pub active: Option<bool>,
}

impl Endpoint {
    /// A new endpoint, or the first rule that it breaks.
    pub fn new(change: EndpointChange, now: Timestamp) -> Result<Self> {
        let empty = Self {
            id: WebhookId::new(),
            url: String::new(),
            description: None,
            events: EventKinds::default(),
            active: true,
            disabled_reason: None,
            previous_until: None,
            created_at: now,
            updated_at: now,
        };
        let made = empty.changed(change, now)?;
        match made.url.is_empty() {
            true => Err(Error::invalid_field("url", "is needed")),
            false => Ok(made),
        }
    }

    /// The endpoint that `change` makes of this one, or the first rule that it breaks.
    pub fn changed(mut self, change: EndpointChange, now: Timestamp) -> Result<Self> {
        if let Some(url) = change.url {
            self.url = parse_url(&url)?;
        }
        if let Some(description) = change.description {
            let description = description.map(|it| it.trim().to_owned());
            let description = description.filter(|it| !it.is_empty());
            if let Some(description) = &description {
                at_most("description", description, MAX_DESCRIPTION_CHARS)?;
            }
            self.description = description;
        }
        if let Some(events) = change.events {
            self.events = events;
        }
        if let Some(active) = change.active {
            self.active = active;
            self.disabled_reason = None;
        }
        self.updated_at = now;
        Ok(self)
    }

    /// What it is told of.
    pub fn told(&self) -> EventKinds {
        match (self.active, self.events.is_empty()) {
            (false, _) => EventKinds::default(),
            (true, true) => EventKinds::all(),
            (true, false) => self.events,
        }
    }
}

fn parse_url(url: &str) -> Result<String> {
    let url = url.trim();
    at_most("url", url, MAX_URL_CHARS)?;
    let problem = "must be an https address such as https://example.com/hooks, without a user name";
    let refused = || Error::invalid_field("url", problem);
    let parsed = Url::parse(url).map_err(|_| refused())?;
    let plain = matches!(parsed.scheme(), "https" | "http")
        && parsed.username().is_empty()
        && parsed.password().is_none();
    if !plain {
        return Err(refused());
    }
    Ok(String::from(parsed))
}

/// How the sending of one event to one endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Still to be sent, for the first time or again.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// Given up; it can be sent again.
    Failed,
}

words!(DeliveryState { Pending = "pending", Delivered = "delivered", Failed = "failed" });

/// The sending of one event to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event, whose id is `webhook-id`.
    pub event_id: WebhookEventId,
    /// The event's type.
    pub event_type: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was sent since it was last asked for.
    pub attempts: i64,
    /// What the last attempt came to.
    pub last: Option<Attempt>,
    /// When it is sent next, while it is pending.
    pub next_at: Option<Timestamp>,
    /// When the event happened.
    pub created_at: Timestamp,
}

/// What one attempt at sending came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it was made.
    pub at: Timestamp,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Why it failed, in a sentence; `None` where it did not.
    pub error: Option<String>,
    /// How the answer began, where it was a refusal.
    pub response: Option<String>,
}

/// Everything that a delivery needs to be sent.
#[derive(Debug, Clone)]
pub struct Sending {
    /// Where to.
    pub url: String,
    /// Whether the endpoint is switched on.
    pub active: bool,
    /// What signs: the secret, and the one before while that counts.
    pub secrets: Vec<Secret>,
    /// The event.
    pub event_id: WebhookEventId,
    /// What is sent.
    pub body: String,
}

/// An event as it is sent.
pub fn body(kind: &str, at: Timestamp, data: &Value) -> String {
    json!({"type": kind, "timestamp": at, "data": data}).to_string()
}

/// The `data` of `message.created`.
pub fn message_data(chatbot: ChatbotId, message: &Message) -> Value {
    // On the wire they stand beside the metadata.
    let mut metadata = message.metadata.clone();
    let (calls, results) = (metadata.remove(tool::CALLS), metadata.remove(tool::RESULTS));
    json!({
        "chatbot_id": chatbot,
        "session_id": message.session_id,
        "message": {
            "id": message.id,
            "sender_type": message.sender_type,
            "content": message.content,
            "attachments": message.attachments,
            "metadata": metadata,
            "tool_calls": calls,
            "tool_results": results,
            "model": message.model,
            "provider": message.provider,
            "tokens_used": message.tokens_used,
            "created_at": message.created_at,
        },
    })
}

/// The `data` of whatever happens to a conversation: `conversation.started`, `lead.captured`.
pub fn session_data(session: &Session) -> Value {
    json!({
        "chatbot_id": session.chatbot_id,
        "session": {
            "id": session.id,
            "platform": session.platform,
            "sns_user_id": session.visitor,
            "is_human_mode": session.is_human_mode,
            "state": session.state,
            "metadata": session.metadata,
            "created_at": session.created_at,
            "updated_at": session.updated_at,
        },
    })
}

/// The `data` of `knowledge.ready` and `knowledge.failed`.
pub fn item_data(item: &Item) -> Value {
    json!({
        "chatbot_id": item.chatbot_id,
        "item": {
            "id": item.id,
            "type": item.source.kind(),
            "title": item.title,
            "status": item.status,
            "error": item.error,
            "source_id": item.source_id,
            "chunks": item.chunks,
            "characters": item.characters,
            "created_at": item.created_at,
            "updated_at": item.updated_at,
        },
    })
}

/// The `data` of `feedback.created`.
pub fn feedback_data(
    chatbot: ChatbotId,
    session: SessionId,
    message: MessageId,
    feedback: &Feedback,
) -> Value {
    json!({
        "chatbot_id": chatbot,
        "session_id": session,
        "message_id": message,
        "feedback": feedback,
    })
}

/// The `data` of `conversation.rated`.
pub fn rating_data(session: &Session, rating: &SessionRating) -> Value {
    let mut data = session_data(session);
    data["rating"] = json!(rating);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_words() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::of(kind.as_str()), Some(*kind));
            assert_eq!(json!(kind), kind.as_str());
            assert!(kind.sentence().ends_with('.'), "{}", kind.sentence());
        }
        assert_eq!(EventKind::of("message.deleted"), None);
        let two = EventKinds::from_iter([EventKind::FeedbackCreated, EventKind::MessageCreated]);
        assert!(
            two.contains(EventKind::MessageCreated) && !two.contains(EventKind::KnowledgeReady)
        );
        let words: Vec<&str> = two.iter().map(EventKind::as_str).collect();
        assert_eq!(words, ["message.created", "feedback.created"]);
        assert_eq!(EventKinds::default().and(two), two);
        assert_eq!(EventKinds::all().iter().count(), EventKind::ALL.len());
    }

    #[test]
    fn the_documentation_names_every_kind_and_no_other() {
        let page = include_str!("../../../docs/apis.md");
        let (_, table) = page.split_once("| type | `data` |").expect("the table");
        let rows = table.trim_start().lines().skip(1);
        let rows = rows.take_while(|row| row.starts_with('|'));
        let mut named: Vec<&str> = rows
            .filter_map(|row| row.split('|').nth(1))
            .flat_map(|kinds| kinds.split('`').skip(1).step_by(2))
            .collect();
        let kinds = EventKind::ALL.iter().map(|kind| kind.as_str());
        let mut all: Vec<&str> = kinds.chain([TEST_EVENT]).collect();
        named.sort_unstable();
        all.sort_unstable();
        assert_eq!(named, all);
    }

    #[test]
    fn an_endpoint_is_held_to_the_rules() {
        let now = Timestamp(1);
        let of = |url: &str| EndpointChange {
            url: Some(url.to_owned()),
            ..EndpointChange::default()
        };
        let made = Endpoint::new(of(" https://a.example/hooks?x=1 "), now).expect("proper");
        assert_eq!(made.url, "https://a.example/hooks?x=1");
        assert_eq!(made.told(), EventKinds::all());
        for odd in [
            "",
            "a.example",
            "ftp://a.example",
            "https://a:b@a.example",
            "https://",
        ] {
            let error = Endpoint::new(of(odd), now).expect_err(odd);
            assert_eq!(error.details[0].field, "url", "{odd}");
        }
        assert!(
            Endpoint::new(of(&format!("https://a.example/{}", "a".repeat(2_000))), now).is_err()
        );
        assert!(Endpoint::new(EndpointChange::default(), now).is_err());
        let off = EndpointChange {
            active: Some(false),
            description: Some(Some("  ".to_owned())),
            ..EndpointChange::default()
        };
        let off = made.changed(off, Timestamp(2)).expect("proper");
        assert_eq!(
            (off.told(), off.description.clone()),
            (EventKinds::default(), None)
        );
        let long = EndpointChange {
            description: Some(Some("가".repeat(201))),
            ..EndpointChange::default()
        };
        assert!(off.changed(long, now).is_err());
    }
}
