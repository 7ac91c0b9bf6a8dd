//! Who a visitor is, as its browser carries it: a token that only this server can make.
//!
//! The token is `PAYLOAD.MAC`, both base64url: the payload is [`Visitor`] as JSON, the MAC is
//! HMAC-SHA256 (RFC 2104) of it under a secret that all processes over one database share. Nothing
//! is stored for a visitor who never asks.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use okra_domain::chatbot::Chatbot;
use okra_domain::error::Result;
use okra_domain::{ChatbotId, Error, ErrorKind, MessageId, Secret, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;
use uuid::Uuid;

/// How long a token is good for; each new session call begins it anew.
const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visitor {
    /// The chatbot it was made for; with another's it is worth nothing.
    chatbot: Uuid,
    /// The visitor's name for the store: random, or made from the site's own id for a visitor whom
    /// the site vouched for.
    pub id: String,
    /// When the token ends, in microseconds since 1970.
    expires: i64,
    /// What is known of the visitor.
    pub profile: Profile,
}

/// What is known of a visitor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// An e-mail address, as the visitor or the site gave it.
    pub email: Option<String>,
    /// A name.
    pub name: Option<String>,
    /// Whether the site vouched for this visitor.
    pub verified: bool,
    /// The page on which the chat was begun.
    pub page: Option<String>,
    /// The browser's language.
    pub language: Option<String>,
}

impl Profile {
    /// The profile as a session's metadata.
    pub fn metadata(&self) -> Map<String, Value> {
        let anonymous = self.email.is_none() && self.name.is_none() && !self.verified;
        let mut metadata = Map::from_iter([("anonymous".to_owned(), anonymous.into())]);
        for (field, value) in [
            ("email", &self.email),
            ("name", &self.name),
            ("page", &self.page),
            ("language", &self.language),
        ] {
            if let Some(value) = value {
                metadata.insert(field.to_owned(), value.clone().into());
            }
        }
        if self.verified {
            metadata.insert("verified".to_owned(), true.into());
        }
        metadata
    }
}

impl Visitor {
    /// A visitor nobody knows.
    pub fn anonymous(chatbot: &Chatbot, profile: Profile) -> Self {
        Self::new(chatbot, format!("visitor:{}", Uuid::new_v4()), profile)
    }

    /// The visitor whom the site calls `id`, the same on each of its devices.
    pub fn vouched_for(chatbot: &Chatbot, id: &str, profile: Profile) -> Self {
        Self::new(chatbot, format!("user:{id}"), profile)
    }

    fn new(chatbot: &Chatbot, id: String, profile: Profile) -> Self {
        Self {
            chatbot: chatbot.id.0,
            id,
            expires: 0,
            profile,
        }
    }

    /// The same visitor, of whom something else is known.
    pub fn with(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The ids of the message and the answer that a request of this visitor makes, the same each
    /// time the request is sent.
    pub fn turn_ids(&self, request: Uuid) -> (MessageId, MessageId) {
        turn_ids_of(&format!("{}/{}/{request}", self.chatbot, self.id))
    }

    fn owns(&self, image: &UploadedImage) -> bool {
        image.chatbot == self.chatbot && image.visitor == self.id
    }

    /// What tells this visitor from those of every chatbot.
    pub fn key(&self) -> String {
        format!("{}/{}", self.chatbot, self.id)
    }
}

/// The ids of the message and the answer of a request of this name, the same each time.
pub fn turn_ids_of(name: &str) -> (MessageId, MessageId) {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u128();
    // The answer's is the greater one, as of messages of the same moment the later one's must.
    let (message, answer) = (Uuid::from_u128(id & !1), Uuid::from_u128(id | 1));
    (MessageId(message), MessageId(answer))
}

/// An image that a visitor uploaded, as its id says: signed like a token, so that the id alone tells
/// whose it is and nothing has to be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedImage {
    chatbot: Uuid,
    visitor: String,
    /// Its file's name among the chatbot's images.
    pub file: String,
    /// What the visitor's file was called.
    pub name: String,
}

/// Keeps tokens and images' ids from being taken for each other.
const IMAGE: &[u8] = b"image:";
const TOKEN: &[u8] = b"";

/// Makes and reads tokens.
pub struct Tokens {
    key: Hmac<Sha256>,
}

impl Tokens {
    /// Tokens under a secret of at least 32 random bytes.
    pub fn new(secret: &Secret) -> Self {
        Self {
            key: keyed(secret.expose()),
        }
    }

    /// The visitor's token and when it ends.
    pub fn issue(&self, visitor: &Visitor, now: Timestamp) -> Result<(String, Timestamp)> {
        let expires = now.after(LIFE);
        let visitor = Visitor {
            expires: expires.0,
            ..visitor.clone()
        };
        Ok((self.signed(TOKEN, &visitor)?, expires))
    }

    /// The visitor of a token, where it is good for this chatbot and has not ended.
    pub fn read(&self, token: &str, chatbot: ChatbotId, now: Timestamp) -> Result<Visitor> {
        let visitor: Option<Visitor> = self.verified(TOKEN, token);
        let good = visitor.filter(|it| it.chatbot == chatbot.0 && it.expires > now.0);
        good.ok_or_else(|| {
            let message = "This visitor token is not valid for this chatbot, or has expired: \
                           begin a new session.";
            Error::new(ErrorKind::Unauthorized, message).coded("visitor_token_invalid")
        })
    }

    /// The id of an image that this visitor uploaded.
    pub fn issue_image(&self, visitor: &Visitor, file: &str, name: &str) -> Result<String> {
        let image = UploadedImage {
            chatbot: visitor.chatbot,
            visitor: visitor.id.clone(),
            file: file.to_owned(),
            name: name.to_owned(),
        };
        self.signed(IMAGE, &image)
    }

    /// The image of an id, where this visitor uploaded it.
    pub fn read_image(&self, id: &str, visitor: &Visitor) -> Option<UploadedImage> {
        self.verified(IMAGE, id).filter(|image| visitor.owns(image))
    }

    fn signed<T: Serialize>(&self, purpose: &[u8], what: &T) -> Result<String> {
        let payload = serde_json::to_vec(what);
        let payload = payload.map_err(|error| Error::internal("cannot write a token", error))?;
        let mac = self.mac(purpose, &payload).finalize();
        Ok(format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(&payload),
            URL_SAFE_NO_PAD.encode(mac.into_bytes())
        ))
    }

    fn verified<T: DeserializeOwned>(&self, purpose: &[u8], token: &str) -> Option<T> {
        let (payload, mac) = token
            .split_once('.')
            .filter(|_| token.len() <= MAX_TOKEN_BYTES)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        // Compares in constant time.
        self.mac(purpose, &payload).verify_slice(&mac).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    fn mac(&self, purpose: &[u8], payload: &[u8]) -> Hmac<Sha256> {
        self.key.clone().chain_update(purpose).chain_update(payload)
    }
}

/// Whether the site vouches for `id`: `hash` is the hex HMAC-SHA256 of it under the chatbot's
/// identity secret, which the site's server keeps.
pub fn is_vouched_for(chatbot: &Chatbot, id: &str, hash: &str) -> bool {
    let Some(secret) = &chatbot.identity_secret else {
        return false;
    };
    let mac = keyed(secret.expose()).chain_update(id);
    hex::decode(hash).is_ok_and(|hash| mac.verify_slice(&hash).is_ok())
}

fn keyed(secret: &str) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    Hmac::new_from_slice(secret.as_bytes()).expect("a key")
}

#[cfg(test)]
mod tests {
    use okra_domain::OrganizationId;

    use super::*;

    fn bot() -> Chatbot {
        Chatbot::new(OrganizationId::new(), "Shop", Timestamp(1)).expect("a name")
    }

    fn tokens() -> Tokens {
        Tokens::new(&Secret::new("0123456789abcdef0123456789abcdef"))
    }

    #[test]
    fn a_token_gives_its_visitor_back_until_it_ends() {
        let (bot, tokens) = (bot(), tokens());
        let profile = Profile {
            email: Some("a@b.example".to_owned()),
            ..Profile::default()
        };
        let visitor = Visitor::anonymous(&bot, profile);
        let now = Timestamp(5);
        let (token, expires) = tokens.issue(&visitor, now).expect("a token");
        let read = tokens.read(&token, bot.id, now).expect("a good token");
        assert_eq!((&read.id, &read.profile), (&visitor.id, &visitor.profile));
        assert_eq!(expires, now.after(LIFE));
        let error = tokens.read(&token, bot.id, expires).expect_err("it ended");
        assert_eq!(error.code, Some("visitor_token_invalid"));
    }

    #[test]
    fn what_another_made_is_worth_nothing() {
        let (ours, theirs, tokens) = (bot(), bot(), tokens());
        let visitor = Visitor::anonymous(&ours, Profile::default());
        let (token, _) = tokens.issue(&visitor, Timestamp(5)).expect("a token");
        let forger = Tokens::new(&Secret::new("another secret of thirty-two bytes"));
        let (forged, _) = forger.issue(&visitor, Timestamp(5)).expect("a token");
        let check = |token: &str, chatbot: ChatbotId| {
            assert!(
                tokens.read(token, chatbot, Timestamp(6)).is_err(),
                "{token}"
            );
        };
        check(&token, theirs.id);
        check(&forged, ours.id);
        let (payload, mac) = token.split_once('.').expect("two parts");
        check(&format!("{}.{mac}", URL_SAFE_NO_PAD.encode("{}")), ours.id);
        check(payload, ours.id);
        check(&format!("{payload}."), ours.id);
        check(&format!("{payload}.{}", &mac[..20]), ours.id);
        check("", ours.id);
        check("ä.ö", ours.id);
        check(&"a.".repeat(10_000), ours.id);
    }

    #[test]
    fn an_image_is_its_visitors_own_and_no_token() {
        let (ours, theirs, tokens) = (bot(), bot(), tokens());
        let kim = Visitor::anonymous(&ours, Profile::default());
        let id = tokens
            .issue_image(&kim, "1.jpg", "사진.png")
            .expect("an id");
        let image = tokens.read_image(&id, &kim).expect("Kim's");
        assert_eq!((&*image.file, &*image.name), ("1.jpg", "사진.png"));
        let another = Visitor::anonymous(&ours, Profile::default());
        assert_eq!(tokens.read_image(&id, &another), None);
        let elsewhere = Visitor {
            chatbot: theirs.id.0,
            ..kim.clone()
        };
        assert_eq!(tokens.read_image(&id, &elsewhere), None);
        assert!(tokens.read(&id, ours.id, Timestamp(5)).is_err());
        let (token, _) = tokens.issue(&kim, Timestamp(5)).expect("a token");
        assert_eq!(tokens.read_image(&token, &kim), None);
        assert_eq!(tokens.read_image(&id[..id.len() - 3], &kim), None);
    }

    #[test]
    fn a_site_vouches_with_the_chatbots_own_secret() {
        let mut bot = bot();
        // From `printf 42 | openssl dgst -sha256 -hmac secret`.
        let hash = "93c121e7aa437a1e01e3c512c6f0ce3c821a839025dca4408f85616de4aaee70";
        assert!(!is_vouched_for(&bot, "42", hash), "there is no secret yet");
        bot.identity_secret = Some(Secret::new("secret"));
        assert!(is_vouched_for(&bot, "42", hash));
        assert!(is_vouched_for(&bot, "42", &hash.to_uppercase()));
        assert!(!is_vouched_for(&bot, "43", hash));
        assert!(!is_vouched_for(&bot, "42", &hash[..32]));
        assert!(!is_vouched_for(&bot, "42", "no hex"));
    }

    #[test]
    fn a_request_sent_twice_names_the_same_turn() {
        let bot = bot();
        let (one, other) = (
            Visitor::anonymous(&bot, Profile::default()),
            Visitor::anonymous(&bot, Profile::default()),
        );
        let request = Uuid::new_v4();
        assert_eq!(one.turn_ids(request), one.turn_ids(request));
        assert_ne!(one.turn_ids(request), other.turn_ids(request));
        assert_ne!(one.turn_ids(request), one.turn_ids(Uuid::new_v4()));
        let (message, answer) = one.turn_ids(request);
        assert!(message.0 < answer.0);
    }
}
