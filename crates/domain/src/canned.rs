//! Replies that agents keep at hand, for what is asked again and again.

use crate::chatbot::at_most;
use crate::error::{Error, Result};
use crate::{CannedReplyId, Timestamp};

/// A reply kept at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannedReply {
    /// Its id.
    pub id: CannedReplyId,
    /// What agents find it by, unique in the organization.
    pub name: String,
    /// The text to send.
    pub content: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The most characters of a name.
const MAX_NAME_CHARS: usize = 60;
/// The most characters of a text.
const MAX_CONTENT_CHARS: usize = 4_000;
/// The most replies of an organization.
pub const MOST_REPLIES: i64 = 500;

impl CannedReply {
    /// A new reply, checked.
    pub fn new(name: &str, content: &str, now: Timestamp) -> Result<Self> {
        let reply = Self {
            id: CannedReplyId::new(),
            name: String::new(),
            content: String::new(),
            created_at: now,
            updated_at: now,
        };
        reply.changed(Some(name), Some(content), now)
    }

    /// This reply with another name or text; `None` leaves either as it is.
    pub fn changed(
        mut self,
        name: Option<&str>,
        content: Option<&str>,
        now: Timestamp,
    ) -> Result<Self> {
        if let Some(name) = name {
            let name = name.trim();
            if name.is_empty() || name.chars().any(char::is_control) {
                return Err(Error::invalid_field("name", "must be a line of text"));
            }
            at_most("name", name, MAX_NAME_CHARS)?;
            self.name = name.to_owned();
        }
        if let Some(content) = content {
            let content = content.trim();
            if content.is_empty() {
                return Err(Error::invalid_field("content", "must not be empty"));
            }
            at_most("content", content, MAX_CONTENT_CHARS)?;
            self.content = content.to_owned();
        }
        self.updated_at = now;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_a_name_and_a_text() {
        let now = Timestamp(1);
        let reply = CannedReply::new(" 환불 ", " 3일 안에 환불됩니다.\n감사합니다. ", now);
        let reply = reply.expect("a good reply");
        let (name, content) = (reply.name.as_str(), reply.content.as_str());
        assert_eq!(
            (name, content),
            ("환불", "3일 안에 환불됩니다.\n감사합니다.")
        );
        let later = reply.clone().changed(None, Some("Soon."), Timestamp(2));
        let later = later.expect("a good change");
        assert_eq!(
            (later.name, later.content),
            (reply.name, "Soon.".to_owned())
        );
        assert_eq!((later.created_at, later.updated_at), (now, Timestamp(2)));
        let check = |name: &str, content: &str, field: &str| {
            let error = CannedReply::new(name, content, now).expect_err("refused");
            assert_eq!(error.details[0].field, field);
        };
        check(" ", "text", "name");
        check("two\nlines", "text", "name");
        check(&"x".repeat(61), "text", "name");
        check("name", " ", "content");
        check("name", &"x".repeat(4_001), "content");
    }
}
