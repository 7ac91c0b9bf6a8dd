//! Signing in: passwords, the cookie that carries a sign-in, and how often it may be tried.

mod cookie;
mod passwords;

use std::net::IpAddr;

use okra_domain::error::Result;
use okra_domain::person::{Link, Purpose, check_password};
use okra_domain::{Clock, Error, ErrorKind, Secret};
use okra_store::Store;
use okra_store::people::Credentials;

use crate::config::Config;
use crate::limits::SignInLimits;
use crate::random;

pub use cookie::SessionCookie;
use passwords::Passwords;

/// What handlers of accounts share.
pub struct Accounts {
    /// Reads and writes the cookie.
    pub cookie: SessionCookie,
    passwords: Passwords,
    limits: SignInLimits,
}

impl Accounts {
    /// For a server whose public URL `config` knows.
    pub fn new(config: &Config, clock: &Clock) -> Self {
        let public_url = config.public_url.as_deref().unwrap_or_default();
        Self {
            cookie: SessionCookie::new(public_url),
            passwords: Passwords::new(),
            limits: SignInLimits::new(config.address_sign_ins, clock),
        }
    }

    /// Counts an attempt from an address.
    pub fn attempt_from(&self, address: IpAddr) -> Result<()> {
        self.limits.attempt_from(address)
    }

    /// Checks a password. An unknown address takes as long as a wrong password and is told the same.
    pub async fn check(
        &self,
        store: &Store,
        email: &str,
        password: &Secret,
    ) -> Result<Credentials> {
        self.limits.attempt_for(email)?;
        let known = store.credentials(email).await?;
        let hash = known.as_ref().map(|known| &known.password);
        let right = self.passwords.verify(password, hash).await?;
        known.filter(|_| right).ok_or_else(|| {
            let message = "This e-mail address and this password do not belong together.";
            Error::new(ErrorKind::Unauthorized, message).coded("sign_in_failed")
        })
    }

    /// The hash of a new password; `field` is named where the password is too short or too long.
    pub async fn hash(&self, field: &str, password: &Secret) -> Result<Secret> {
        check_password(field, password)?;
        self.passwords.hash(password).await
    }

    /// Begins a sign-in; gives its token.
    pub async fn begin(&self, store: &Store, checked: &Credentials) -> Result<Secret> {
        let token = random::token()?;
        match store.sign_in(checked, &token).await? {
            true => Ok(token),
            false => {
                let message = "The password was changed just now: sign in with the new one.";
                Err(Error::new(ErrorKind::Unauthorized, message).coded("sign_in_failed"))
            }
        }
    }
}

/// The link to the set-up, where nobody has an account yet. Earlier ones are void from then on.
pub async fn set_up_link(store: &Store, public_url: &str) -> Result<Option<String>> {
    if store.has_people().await? {
        return Ok(None);
    }
    let Some(organization) = store.first_organization().await? else {
        return Ok(None);
    };
    let organization = organization.id;
    let made = make_link(store, public_url, Purpose::SetUp { organization }).await?;
    Ok(Some(made.url))
}

/// A new link.
pub struct MadeLink {
    /// What is kept of it.
    pub link: Link,
    /// The address to hand on; it is kept nowhere.
    pub url: String,
}

/// Makes a link. Its token stands in the fragment of the address, which browsers do not send: it
/// appears in no log and no referrer.
pub async fn make_link(store: &Store, public_url: &str, purpose: Purpose) -> Result<MadeLink> {
    let token = random::token()?;
    let link = store.create_link(purpose, &token).await?;
    let url = format!("{public_url}/link#{}", token.expose());
    Ok(MadeLink { link, url })
}
