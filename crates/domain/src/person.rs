//! People who sign in: what they may do in which organization, and the links that bring them in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::knowledge::words;
use crate::{ErrorKind, LinkId, OrganizationId, PersonId, Secret, Timestamp};

/// What a person may do in an organization. Each role may do what those before it may; docs/access.md
/// has the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Talks: the playground and visitors' conversations.
    Agent,
    /// Runs chatbots, keys and the people below owners. API keys act as admins.
    Admin,
    /// Names the organization and its owners.
    Owner,
}

words!(Role {
    Viewer = "viewer",
    Agent = "agent",
    Admin = "admin",
    Owner = "owner",
});

impl Role {
    /// Fails where the caller's role, `self`, is below `least`.
    pub fn require(self, least: Self) -> Result<()> {
        if self >= least {
            return Ok(());
        }
        let (own, least) = (self.as_str(), least.as_str());
        let message = format!("This takes the role {least} or a higher one; yours is {own}.");
        Err(Error::new(ErrorKind::Forbidden, message).coded("role_too_low"))
    }

    /// The least role that may give or take the role `self`: admins deal with everyone but owners.
    pub fn managed_by(self) -> Self {
        match self {
            Self::Owner => Self::Owner,
            Self::Viewer | Self::Agent | Self::Admin => Self::Admin,
        }
    }
}

/// Someone who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The person's id.
    pub id: PersonId,
    /// The e-mail address, in lower case, unique on this server.
    pub email: String,
    /// The name that others see.
    pub name: String,
    /// The language tag of the console (BCP 47); `None` follows the browser.
    pub language: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the person was last here, to within a minute.
    pub last_seen_at: Option<Timestamp>,
}

/// An organization that a person belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Its name.
    pub organization_name: String,
    /// What the person may do there.
    pub role: Role,
}

/// How long a sign-in is good for at most.
pub const SIGN_IN_LIFE: Duration = days(30);
/// How long it is good for while nobody uses it.
pub const SIGN_IN_IDLE: Duration = days(14);

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

/// Checks an e-mail address and puts it in the one form that is stored: trimmed, in lower case.
///
/// What an address may look like is the mail servers' to say; this finds slips of the finger.
pub fn parse_email(text: &str) -> Result<String> {
    let email = text.trim().to_lowercase();
    let proper = email.split_once('@').is_some_and(|(local, domain)| {
        let domain_is_proper = !domain.is_empty()
            && !domain.contains('@')
            && domain.split('.').all(|label| !label.is_empty());
        !local.is_empty() && domain_is_proper
    });
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';');
    if !proper || email.len() > 254 || email.chars().any(odd) {
        let problem = "must be an e-mail address such as kim@example.com";
        return Err(Error::invalid_field("email", problem));
    }
    Ok(email)
}

/// The fewest characters of a password.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// The most characters of a password: enough for a sentence, too few to keep a server hashing.
pub const MAX_PASSWORD_CHARS: usize = 200;

/// Checks a new password's length; `field` is named where it does not fit. What it is made of is
/// its owner's choice.
pub fn check_password(field: &str, password: &Secret) -> Result<()> {
    let length = password.expose().chars().count();
    if (MIN_PASSWORD_CHARS..=MAX_PASSWORD_CHARS).contains(&length) {
        return Ok(());
    }
    let problem = format!("must be {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters");
    Err(Error::invalid_field(field, problem))
}

/// Checks a language tag's form (BCP 47), such as `en`, `ko` or `pt-BR`.
pub fn parse_language(tag: &str) -> Result<String> {
    let part = |part: &str, most| {
        (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let proper = part(first, 3)
        && first.len() > 1
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && tag.len() <= 35
        && parts.all(|rest| part(rest, 8));
    if !proper {
        let problem = "must be a language tag such as en, ko or pt-BR";
        return Err(Error::invalid_field("language", problem));
    }
    Ok(tag.to_owned())
}

/// What a one-time link is for, with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The first person's account.
    SetUp {
        /// The organization that the person will own.
        organization: OrganizationId,
    },
    /// A place in an organization.
    Invitation {
        /// The organization.
        organization: OrganizationId,
        /// Who is invited, in the stored form of addresses.
        email: String,
        /// As what.
        role: Role,
    },
    /// A new password.
    Reset {
        /// Whose.
        person: PersonId,
    },
}

impl Purpose {
    /// How long a link of this purpose is good for.
    pub fn life(&self) -> Duration {
        match self {
            Self::SetUp { .. } | Self::Invitation { .. } => days(7),
            Self::Reset { .. } => days(1),
        }
    }
}

/// What is kept of a one-time link: never its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its id, by which an invitation is taken back.
    pub id: LinkId,
    /// What it is for.
    pub purpose: Purpose,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        let check = |text: &str, kept: &str| assert_eq!(parse_email(text).expect(text), kept);
        check("kim@example.com", "kim@example.com");
        check("  Kim@Example.COM ", "kim@example.com");
        check("kim+shop@localhost", "kim+shop@localhost");
        check("김@가게.example", "김@가게.example");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let check = |text: &str| {
            let error = parse_email(text).expect_err(text);
            assert_eq!(error.details[0].field, "email");
        };
        for text in [
            "",
            "kim",
            "@example.com",
            "kim@",
            "kim@@example.com",
            "a@b@c",
        ] {
            check(text);
        }
        for text in ["kim@.com", "kim@example.", "kim@a..b", "k im@example.com"] {
            check(text);
        }
        check("kim@example.com\r\nBcc: all@example.com");
        check("Kim <kim@example.com>");
        check("kim@example.com,lee@example.com");
        check(&format!("{}@example.com", "k".repeat(250)));
    }

    #[test]
    fn passwords_are_measured_in_characters() {
        let check = |password: String, good: bool| {
            let checked = check_password("password", &Secret::new(password));
            assert_eq!(checked.is_ok(), good);
        };
        check("1234567".to_owned(), false);
        check("12345678".to_owned(), true);
        check("비밀번호비밀번호".to_owned(), true);
        check("가".repeat(200), true);
        check("a".repeat(201), false);
        check(String::new(), false);
    }

    #[test]
    fn languages_are_tags() {
        for tag in ["en", "ko", "pt-BR", "zh-Hant-TW"] {
            assert_eq!(parse_language(tag).expect(tag), tag);
        }
        for tag in ["", "e", "english", "en_US", "en-", "12", "en-\"><script>"] {
            parse_language(tag).expect_err(tag);
        }
    }

    #[test]
    fn a_role_may_what_those_below_it_may() {
        let check = |own: Role, least: Role, may: bool| {
            let checked = own.require(least);
            assert_eq!(checked.is_ok(), may, "{own:?} {least:?}");
            let code = checked.err().and_then(|error| error.code);
            assert_eq!(code, (!may).then_some("role_too_low"));
        };
        check(Role::Viewer, Role::Viewer, true);
        check(Role::Viewer, Role::Agent, false);
        check(Role::Agent, Role::Admin, false);
        check(Role::Admin, Role::Agent, true);
        check(Role::Admin, Role::Owner, false);
        check(Role::Owner, Role::Owner, true);
    }
}
