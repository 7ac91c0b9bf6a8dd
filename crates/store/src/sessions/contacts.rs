//! What visitors told a chatbot to be reached by. Beside a session's metadata, which their page writes anew with each
//! message.

use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::session::PLAYGROUND;
use okra_domain::tool::Contact;
use okra_domain::webhook::{self, EventKind};
use okra_domain::{Error, SessionId};

use super::read_session;
use crate::Store;
use crate::db::{params, to_json};
use crate::events::Change;
use crate::webhooks::Teller;

impl Store {
    /// Keeps what a visitor left to be reached by, beside what was kept before. An e-mail address that the session
    /// did not have makes a lead, of which endpoints are told.
    pub async fn record_contact(
        &self,
        chatbot: &Chatbot,
        id: SessionId,
        contact: Contact,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let sql = concat!(
            "UPDATE sessions SET takeovers = takeovers WHERE id = $1 AND chatbot_id = $2 RETURNING ",
            session_columns!()
        );
        let row = tx.fetch_optional(sql, params![id.0, chatbot.id.0]).await?;
        let row = row.ok_or_else(|| Error::not_found("conversation"))?;
        let before = read_session(&row)?;
        let earlier: Option<Contact> = row.optional_json("contact")?;
        let lead = contact.email.as_deref().filter(|email| {
            let known = before.metadata.get("email").and_then(|it| it.as_str());
            known != Some(*email) && before.platform != PLAYGROUND
        });
        let lead = lead.is_some();
        let contact = contact.over(earlier.unwrap_or_default());
        let sql = concat!(
            "UPDATE sessions SET contact = $1 WHERE id = $2 RETURNING ",
            session_columns!()
        );
        let row = tx
            .fetch_optional(sql, params![to_json(&contact)?, id.0])
            .await?;
        let session = row.as_ref().map(read_session).transpose()?;
        let session = session.ok_or_else(|| Error::not_found("conversation"))?;
        if lead {
            let (kind, at) = (EventKind::LeadCaptured, self.clock.now());
            let data = || webhook::session_data(&session);
            Teller::of(chatbot).tell(&mut tx, kind, at, data).await?;
        }
        tx.commit().await?;
        let change = Change::Session(chatbot.id, id);
        self.events.tell(chatbot.organization_id, change);
        Ok(())
    }
}
