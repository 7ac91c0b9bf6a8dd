//! Passwords as argon2id hashes (RFC 9106), with the parameters that OWASP names: 19 MB, two passes.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use okra_domain::error::Result;
use okra_domain::{Error, ErrorKind, Secret};
use tokio::sync::Semaphore;

use crate::random;

/// Hashes at work or waiting at the same time; whoever comes then is sent away for a moment.
const MAX_WAITING: usize = 64;

/// Nobody's password: an unknown address is checked against it, so that it takes as long as a known
/// one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
                      b2tyYW9rcmFva3Jhb2tyYQ$YXJnb24yaWQgb2Ygbm9ib2R5J3MgcGFzc3dvcmQgISE";

/// Hashes and checks passwords, off the threads that answer requests, and on half of the
/// processors at most: signing in must not keep visitors waiting.
pub struct Passwords {
    working: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Passwords {
    /// Nothing at work yet.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            working: Arc::new(Semaphore::new((processors / 2).max(1))),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }

    /// The hash under which a password is stored.
    pub async fn hash(&self, password: &Secret) -> Result<Secret> {
        let salt = SaltString::encode_b64(&random::bytes::<16>()?).map_err(failed)?;
        let password = password.clone();
        let hash = move || {
            let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
            Ok(Secret::new(hash.map_err(failed)?.to_string()))
        };
        self.work(hash).await
    }

    /// Whether `password` is the one of `hash`; never, but just as slowly, where there is no hash.
    pub async fn verify(&self, password: &Secret, hash: Option<&Secret>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.map_or(NOBODY, Secret::expose).to_owned();
        let password = password.clone();
        let verify = move || {
            let hash = PasswordHash::new(&hash).map_err(failed)?;
            let verified = Argon2::default().verify_password(password.expose().as_bytes(), &hash);
            match verified {
                Ok(()) => Ok(known),
                Err(argon2::password_hash::Error::Password) => Ok(false),
                Err(error) => Err(failed(error)),
            }
        };
        self.work(verify).await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _place = self.waiting.try_acquire().map_err(|_| {
            let message = "Too many people are signing in just now. Please try again in 2 s.";
            Error::new(ErrorKind::RateLimited(Duration::from_secs(2)), message)
        })?;
        let closed = |error| Error::internal("cannot wait for a processor", error);
        let turn = self.working.clone().acquire_owned().await;
        let turn = turn.map_err(closed)?;
        // The work goes on where its request is given up, and so does its turn.
        let work = move || {
            let _turn = turn;
            work()
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Error::internal("a password's hashing stopped", error))?
    }
}

fn failed(error: argon2::password_hash::Error) -> Error {
    Error::internal("cannot hash a password", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash() {
        let passwords = Passwords::new();
        let (right, wrong) = (Secret::new("열려라 참깨!"), Secret::new("열려라 참깨"));
        let hash = passwords.hash(&right).await.expect("a hash");
        let again = passwords.hash(&right).await.expect("a hash");
        assert_ne!(hash, again, "each has a salt of its own");
        let start = "$argon2id$v=19$m=19456,t=2,p=1$";
        assert!(hash.expose().starts_with(start), "{}", hash.expose());
        let check = async |password: &Secret, hash: Option<&Secret>| {
            let checked = passwords.verify(password, hash).await;
            checked.expect("a readable hash")
        };
        assert!(check(&right, Some(&hash)).await);
        assert!(!check(&wrong, Some(&hash)).await);
        assert!(!check(&right, None).await, "nobody has no password");
        assert!(!check(&Secret::new(""), None).await);
    }

    #[test]
    fn nobody_is_hashed_as_everybody() {
        let nobody = PasswordHash::new(NOBODY).expect("a readable hash");
        let params = argon2::Params::try_from(&nobody).expect("parameters");
        let cost = |of: &argon2::Params| (of.m_cost(), of.t_cost(), of.p_cost());
        assert_eq!(cost(&params), cost(Argon2::default().params()));
        assert_eq!(nobody.hash.map(|hash| hash.len()), Some(32));
    }

    #[tokio::test]
    async fn whoever_would_wait_too_long_is_sent_away() {
        let passwords = Passwords::new();
        let _all = passwords.waiting.acquire_many(64).await.expect("open");
        let error = passwords.hash(&Secret::new("password")).await;
        let error = error.expect_err("there is no place");
        assert_eq!(error.kind, ErrorKind::RateLimited(Duration::from_secs(2)));
    }
}
