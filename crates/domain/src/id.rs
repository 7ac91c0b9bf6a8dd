//! Typed ids: a chatbot's id cannot be passed where a session's belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by the time it is made (UUID version 7, RFC 9562).
            #[allow(clippy::new_without_default)] // An id that differs on every call is no default.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// Names an organization: the tenant that owns chatbots and keys.
    OrganizationId
    /// Names an API key (never the key itself).
    ApiKeyId
    /// Names a person: someone who signs in.
    PersonId
    /// Names a one-time link: an invitation, a reset, or the set-up.
    LinkId
    /// Names a chatbot.
    ChatbotId
    /// Names a knowledge item: one file, page, text or Q&A pair.
    ItemId
    /// Names a source: a site, feed, folder or bucket whose pages are knowledge items.
    SourceId
    /// Names a session: one visitor's conversation with one chatbot.
    SessionId
    /// Names a message of a session.
    MessageId
    /// Names a reply that agents keep at hand.
    CannedReplyId
    /// Names a note that agents leave at a session.
    NoteId
    /// Names a background job.
    JobId
    /// Names a set of eval questions.
    EvalId
    /// Names one run of such a set.
    EvalRunId
    /// Names a gap: questions alike that the knowledge held nothing for.
    GapId
    /// Names an endpoint that is sent events.
    WebhookId
    /// Names an event that endpoints are sent.
    WebhookEventId
    /// Names the sending of one event to one endpoint.
    DeliveryId
}
