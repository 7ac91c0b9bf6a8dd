//! Organizations and the keys that act for them.

use crate::error::{Error, Result};
use crate::{ApiKeyId, OrganizationId, Secret, Timestamp};

/// The tenant: owns chatbots and keys, and sees nothing of other organizations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name, unique on this server.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is kept of an API key: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, by which it is revoked.
    pub id: ApiKeyId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The organization's name, for listings.
    pub organization_name: String,
    /// What its maker calls it, where they gave it a name.
    pub name: Option<String>,
    /// The key's last four characters, to tell keys apart.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked, where it was.
    pub revoked_at: Option<Timestamp>,
}

/// The bytes of randomness in an API key; it is written as twice as many hex characters.
pub const API_KEY_BYTES: usize = 24;

/// Checks that `text` has an API key's form: 48 hex characters, kept in lower case.
pub fn parse_api_key(text: &str) -> Result<Secret> {
    if text.len() == API_KEY_BYTES * 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(Secret::new(text.to_ascii_lowercase()))
    } else {
        Err(Error::invalid("An API key is 48 hexadecimal characters."))
    }
}

/// Checks a name of an organization, a person or a key, which stands in `field`: 1 to 100
/// characters that can be read, trimmed.
pub fn parse_name(field: &str, name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        let problem = "must be 1 to 100 characters without control characters";
        return Err(Error::invalid_field(field, problem));
    }
    Ok(name.to_owned())
}
