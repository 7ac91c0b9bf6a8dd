//! Secrets at rest: sealed with a master key that is not in the database.
//!
//! A sealed secret names the key it was sealed with, and opens only at the place it was sealed for: a
//! row, and where it is sent, so that neither a copied cell nor a changed address gets another's key.
//! The master key is made when the first store is opened, and lies in a file beside the data or in the
//! environment. [`moving`] seals what an earlier Okra left in clear, and whatever an earlier key sealed.

mod moving;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use okra_domain::error::Result;
use okra_domain::{ChatbotId, Error, ErrorKind, OrganizationId, Secret, WebhookId};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

pub(crate) use moving::settle;

/// What every sealed secret begins with.
const MARK: &str = "okra-sealed";

/// Bytes of a master key.
const KEY_BYTES: usize = 32;

/// Where the master keys come from.
#[derive(Debug, Clone)]
pub enum MasterKeys {
    /// Given by the operator: hexadecimal, the one in use first, earlier ones behind it, separated by
    /// commas or lines.
    Given(Secret),
    /// In this file, which is made with a new key where the database has none yet.
    File(PathBuf),
}

impl MasterKeys {
    /// A new key, as [`MasterKeys::Given`] takes it.
    pub fn generate() -> Result<Secret> {
        let mut key = [0; KEY_BYTES];
        let filled = SystemRandom::new().fill(&mut key);
        filled.map_err(|_| Error::internal("cannot make a master key", "no randomness"))?;
        Ok(Secret::new(hex::encode(key)))
    }

    /// The keys, `None` where the file is not there.
    fn read(&self) -> Result<Option<Sealer>> {
        match self {
            Self::Given(keys) => Sealer::parse(keys, "OKRA_MASTER_KEY").map(Some),
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => {
                    Sealer::parse(&Secret::new(text), &path.display().to_string()).map(Some)
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(file_error("read", path, error)),
            },
        }
    }

    /// The keys, made where there are none yet.
    fn read_or_make(&self) -> Result<Sealer> {
        if let (None, Self::File(path)) = (self.read()?, self) {
            make_file(path)?;
        }
        let read = self.read()?;
        read.ok_or_else(|| Error::internal("cannot make a master key", "its file is gone"))
    }

    /// Puts a new key before those in the file, so that the next store that is opened with it seals
    /// everything anew; gives the new key's id. The others stay, for backups that they sealed.
    pub fn rotate(&self) -> Result<String> {
        let Self::File(path) = self else {
            let message = "The master key comes from OKRA_MASTER_KEY: write a new one before it \
                           (OKRA_MASTER_KEY=NEW,OLD; `openssl rand -hex 32` makes one) and start \
                           again.";
            return Err(Error::invalid(message));
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| file_error("read", path, error))?;
        let key = Self::generate()?;
        let new = Secret::new(format!("{}\n{}", key.expose(), text.trim_start()));
        let id = Sealer::parse(&new, &path.display().to_string())?
            .id()
            .to_owned();
        let written = private_file(path, &new).and_then(|file| Ok(file.persist(path)?));
        written.map_err(|error| file_error("write", path, error))?;
        Ok(id)
    }
}

fn make_file(path: &Path) -> Result<()> {
    let key = MasterKeys::generate()?;
    let text = Secret::new(format!("{}\n", key.expose()));
    let made = private_file(path, &text).and_then(|file| Ok(file.persist_noclobber(path)?));
    match made {
        // Another process on the same folder was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made
            .map(|_| ())
            .map_err(|error| file_error("make", path, error)),
    }
}

/// A whole file beside `path`, which only this user may read. It takes its place at once, since a key
/// that is half written loses everything.
fn private_file(path: &Path, text: &Secret) -> std::io::Result<NamedTempFile> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // For this user alone, as all temporary files are.
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.expose().as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn file_error(doing: &str, path: &Path, error: std::io::Error) -> Error {
    let message = format!(
        "cannot {doing} the master key's file {}: {error}",
        path.display()
    );
    Error::new(ErrorKind::Unavailable, message)
}

/// Seals and opens secrets. Clones share the keys.
#[derive(Clone)]
pub(crate) struct Sealer(Arc<[Key]>);

struct Key {
    id: String,
    aead: LessSafeKey,
}

/// What a secret is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot(String);

impl Spot {
    /// A secret of a chatbot's, by its column.
    pub fn chatbot(id: ChatbotId, column: &str) -> Self {
        Self(format!("chatbot {} {column}", id.0))
    }

    /// A key that a chatbot's row sends to this address.
    pub fn chatbot_endpoint(id: ChatbotId, base_url: &str) -> Self {
        Self(format!("chatbot {} to {base_url}", id.0))
    }

    /// A key that an organization's row sends to this address.
    pub fn organization_endpoint(id: OrganizationId, base_url: &str) -> Self {
        Self(format!("organization {} to {base_url}", id.0))
    }

    /// A secret that signs what an endpoint at this address is sent.
    pub fn webhook(id: WebhookId, url: &str) -> Self {
        Self(format!("webhook {} to {url}", id.0))
    }

    /// Headers that an organization's action of this name sends to this host.
    pub fn action(id: OrganizationId, name: &str, origin: &str) -> Self {
        Self(format!("action {} {name} to {origin}", id.0))
    }

    /// Headers that an organization sends to its tool server of this name at this address.
    pub fn tool_server(id: OrganizationId, name: &str, url: &str) -> Self {
        Self(format!("tool server {} {name} at {url}", id.0))
    }

    /// A secret of the server's, by its name.
    pub fn server(name: &str) -> Self {
        Self(format!("server {name}"))
    }
}

impl Sealer {
    /// `origin` is named where the text holds no key.
    fn parse(text: &Secret, origin: &str) -> Result<Self> {
        let words = text.expose().split([',', '\n']).map(str::trim);
        let keys = words.filter(|word| !word.is_empty()).map(Key::parse);
        let keys: Option<Vec<Key>> = keys.collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self(keys.into())),
            _ => Err(Error::invalid(format!(
                "{origin} does not hold a master key: 64 hexadecimal characters, as `openssl rand \
                 -hex 32` makes them."
            ))),
        }
    }

    /// The id of the key in use.
    pub fn id(&self) -> &str {
        &self.current().id
    }

    fn current(&self) -> &Key {
        self.0.first().expect("parsed with one key at least")
    }

    fn key(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// Seals a secret for its place.
    pub fn seal(&self, secret: &Secret, spot: &Spot) -> Result<String> {
        let failed = || Error::internal("cannot seal a secret", "the cipher refused");
        let key = self.current();
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| failed())?;
        let mut sealed = nonce.to_vec();
        let mut text = secret.expose().as_bytes().to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let place = Aad::from(spot.0.as_bytes());
        key.aead
            .seal_in_place_append_tag(nonce, place, &mut text)
            .map_err(|_| failed())?;
        sealed.append(&mut text);
        Ok(format!("{MARK}:{}:{}", key.id, hex::encode(sealed)))
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, sealed: &str, spot: &Spot) -> Result<Secret> {
        let failed = |why: &str| Error::internal("cannot open a sealed secret", why);
        let mut parts = sealed.split(':');
        let (mark, id, bytes) = (parts.next(), parts.next(), parts.next());
        let (Some(MARK), Some(id), Some(bytes)) = (mark, id, bytes) else {
            return Err(failed("it is not sealed"));
        };
        let key = self
            .key(id)
            .ok_or_else(|| failed("it names another master key"))?;
        let bytes = hex::decode(bytes).map_err(|_| failed("it is damaged"))?;
        let (nonce, text) = bytes
            .split_first_chunk()
            .ok_or_else(|| failed("it is damaged"))?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut text = text.to_vec();
        let opened = key
            .aead
            .open_in_place(nonce, Aad::from(spot.0.as_bytes()), &mut text)
            .map_err(|_| failed("it is damaged, or was sealed for another place"))?;
        let opened = String::from_utf8(opened.to_vec());
        Ok(Secret::new(opened.map_err(|_| failed("it is no text"))?))
    }

    /// Seals a secret that may not be there.
    pub fn seal_some(&self, secret: Option<&Secret>, spot: &Spot) -> Result<Option<String>> {
        secret.map(|secret| self.seal(secret, spot)).transpose()
    }

    /// Opens a secret that may not be there.
    pub fn open_some(&self, sealed: Option<String>, spot: &Spot) -> Result<Option<Secret>> {
        sealed.map(|sealed| self.open(&sealed, spot)).transpose()
    }
}

impl Key {
    fn parse(word: &str) -> Option<Self> {
        let bytes: [u8; KEY_BYTES] = hex::decode(word).ok()?.try_into().ok()?;
        let digest = Sha256::new_with_prefix(b"okra master key").chain_update(bytes);
        let aead = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?);
        Some(Self {
            id: hex::encode(&digest.finalize()[..4]),
            aead,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(keys: &[&Secret]) -> Sealer {
        let keys: Vec<&str> = keys.iter().map(|key| key.expose()).collect();
        Sealer::parse(&Secret::new(keys.join(",")), "the test").expect("keys")
    }

    #[test]
    fn a_secret_opens_at_its_place_and_nowhere_else() {
        let key = MasterKeys::generate().expect("randomness");
        let sealer = sealer(&[&key]);
        let (secret, id) = (Secret::new("sk-비밀-1234"), ChatbotId::new());
        let spot = Spot::chatbot_endpoint(id, "https://a.example.com");
        let sealed = sealer.seal(&secret, &spot).expect("sealed");
        assert!(!sealed.contains("sk-") && sealed.starts_with("okra-sealed:"));
        assert_eq!(sealer.open(&sealed, &spot).expect("opened"), secret);
        assert_ne!(sealer.seal(&secret, &spot).expect("sealed"), sealed);
        for other in [
            Spot::chatbot_endpoint(ChatbotId::new(), "https://a.example.com"),
            Spot::chatbot_endpoint(id, "https://b.example.com"),
            Spot::chatbot(id, "openai_api_key"),
        ] {
            assert!(sealer.open(&sealed, &other).is_err(), "{other:?}");
        }
        let mut damaged = sealed.clone().into_bytes();
        let last = damaged.last_mut().expect("not empty");
        *last = if *last == b'0' { b'1' } else { b'0' };
        let damaged = String::from_utf8(damaged).expect("ASCII");
        for odd in [&damaged, "", "sk-plain", "okra-sealed:", "okra-sealed:1:00"] {
            assert!(sealer.open(odd, &spot).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_earlier_key_opens_and_the_first_one_seals() {
        let [old, new] = [(); 2].map(|()| MasterKeys::generate().expect("randomness"));
        let spot = Spot::server("tokens");
        let by_old = sealer(&[&old])
            .seal(&Secret::new("x"), &spot)
            .expect("sealed");
        let both = sealer(&[&new, &old]);
        assert_eq!(both.open(&by_old, &spot).expect("opened").expose(), "x");
        let by_new = both.seal(&Secret::new("x"), &spot).expect("sealed");
        assert!(sealer(&[&old]).open(&by_new, &spot).is_err());
        assert!(sealer(&[&new]).open(&by_new, &spot).is_ok());
        for odd in ["", " , ", "abc", &format!("{},abc", new.expose())] {
            assert!(
                Sealer::parse(&Secret::new(odd), "the test").is_err(),
                "{odd}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_keys_file_is_this_users_alone_and_is_turned_in_place() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        let keys = MasterKeys::File(path.clone());
        assert!(keys.read().expect("no file yet").is_none());
        let first = keys.read_or_make().expect("made").id().to_owned();
        let mode = || {
            std::fs::metadata(&path)
                .expect("a file")
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(mode(), 0o600);
        assert_eq!(keys.read_or_make().expect("kept").id(), first);
        let second = keys.rotate().expect("turned");
        let both = keys.read().expect("read").expect("there");
        assert_eq!((both.id(), mode()), (second.as_str(), 0o600));
        assert!(both.key(&first).is_some());
        assert!(MasterKeys::Given(Secret::new("x")).rotate().is_err());
    }
}
