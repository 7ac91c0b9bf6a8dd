//! What happens, written for endpoints in the transaction that makes it happen: told if and only if it
//! stands.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::{Message, PLAYGROUND, Session};
use okra_domain::webhook::{self, EventKind, EventKinds};
use okra_domain::{ChatbotId, OrganizationId, Timestamp, WebhookEventId};
use serde_json::{Map, Value};

use super::read_told;
use crate::db::{Tx, params};
use crate::jobs::{self, Owner};

/// Whose events they are, and which of them somebody is told of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Teller {
    organization: OrganizationId,
    chatbot: ChatbotId,
    kinds: EventKinds,
}

impl Teller {
    /// Of a chatbot that was read: what is told came with it, so that a turn asks nothing more.
    pub fn of(chatbot: &Chatbot) -> Self {
        Self {
            organization: chatbot.organization_id,
            chatbot: chatbot.id,
            kinds: chatbot.told,
        }
    }

    /// Of a job's chatbot: for what is no turn, and may ask.
    pub async fn of_owner(tx: &mut Tx, owner: Owner) -> Result<Self> {
        let sql = "SELECT webhooks AS organization_webhooks FROM organizations WHERE id = $1";
        let organization = owner.organization();
        let row = tx.fetch_optional(sql, params![organization.0]).await?;
        let kinds = row.as_ref().map(read_told).transpose()?;
        Ok(Self {
            organization,
            chatbot: owner.chatbot(),
            kinds: kinds.unwrap_or_default(),
        })
    }

    /// Of a chatbot that is nowhere.
    #[cfg(test)]
    pub fn of_nobody() -> Self {
        Self {
            organization: OrganizationId::new(),
            chatbot: ChatbotId::new(),
            kinds: EventKinds::default(),
        }
    }

    /// The organization that is told.
    pub fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// The chatbot that it happens to.
    pub fn chatbot(&self) -> ChatbotId {
        self.chatbot
    }

    /// Whether nobody is told of anything.
    pub fn is_silent(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether somebody is told of events of this kind.
    pub fn tells(&self, kind: EventKind) -> bool {
        self.kinds.contains(kind)
    }

    /// Writes an event with the `data` that is made of it only where somebody is told.
    pub async fn tell(
        &self,
        tx: &mut Tx,
        kind: EventKind,
        at: Timestamp,
        data: impl FnOnce() -> Value + Send,
    ) -> Result<()> {
        if !self.tells(kind) {
            return Ok(());
        }
        let body = webhook::body(kind.as_str(), at, &data());
        let id = insert(tx, self.organization, kind.as_str(), &body, at).await?;
        jobs::announce(tx, self.organization, id, at).await
    }

    /// Tells of a message. Builders' trials are nobody's business.
    pub async fn message(&self, tx: &mut Tx, platform: &str, message: &Message) -> Result<()> {
        if platform == PLAYGROUND {
            return Ok(());
        }
        let (kind, at) = (EventKind::MessageCreated, message.created_at);
        let data = || webhook::message_data(self.chatbot, message);
        self.tell(tx, kind, at, data).await
    }

    /// Tells of what a visitor's message made of its session.
    pub async fn asked(
        &self,
        tx: &mut Tx,
        session: &Session,
        message: &Message,
        news: News,
    ) -> Result<()> {
        if self.is_silent() || session.platform == PLAYGROUND {
            return Ok(());
        }
        let at = message.created_at;
        for (kind, happened) in [
            (EventKind::ConversationStarted, news.began),
            (EventKind::LeadCaptured, news.lead),
        ] {
            if happened {
                self.tell(tx, kind, at, || webhook::session_data(session))
                    .await?;
            }
        }
        self.message(tx, &session.platform, message).await
    }

    /// Whether this profile brings an e-mail address that the visitor's session does not have. Asks only
    /// where somebody is told.
    pub async fn is_lead(
        &self,
        tx: &mut Tx,
        (platform, token): (&str, Option<&str>),
        profile: Option<&Map<String, Value>>,
    ) -> Result<bool> {
        let email = profile.and_then(|profile| profile.get("email"));
        let (true, Some(email)) = (self.tells(EventKind::LeadCaptured), email) else {
            return Ok(false);
        };
        let Some(token) = token else {
            return Ok(true);
        };
        let sql = "SELECT metadata FROM sessions \
                   WHERE chatbot_id = $1 AND platform = $2 AND visitor = $3";
        let values = params![self.chatbot.0, platform, token];
        let Some(row) = tx.fetch_optional(sql, values).await? else {
            return Ok(true);
        };
        let before: Map<String, Value> = row.json("metadata")?;
        Ok(before.get("email") != Some(email))
    }
}

/// What is new with a visitor's message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News {
    /// Whether it began its session.
    pub began: bool,
    /// See [`Teller::is_lead`].
    pub lead: bool,
}

/// Writes an event; whoever calls sees to it that it is sent.
pub(super) async fn insert(
    tx: &mut Tx,
    organization: OrganizationId,
    kind: &str,
    body: &str,
    at: Timestamp,
) -> Result<WebhookEventId> {
    let id = WebhookEventId::new();
    let sql = "INSERT INTO webhook_events (id, organization_id, kind, body, created_at) \
               VALUES ($1, $2, $3, $4, $5)";
    let values = params![id.0, organization.0, kind, body, at];
    tx.execute(sql, values).await?;
    Ok(id)
}
