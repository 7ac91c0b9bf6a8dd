//! Randomness for credentials, from the operating system.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use okra_domain::account::API_KEY_BYTES;
use okra_domain::error::Result;
use okra_domain::{Error, Secret};
use okra_engine::webhooks::SECRET_PREFIX;
use rand::TryRngCore;
use rand::rngs::OsRng;

/// So many random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = OsRng.try_fill_bytes(&mut bytes);
    filled.map_err(|error| Error::internal("cannot make a random value", error))?;
    Ok(bytes)
}

/// A token for a cookie or a link: 32 bytes, base64url.
pub fn token() -> Result<Secret> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes::<32>()?)))
}

/// A key that others sign with: 32 bytes, in hex.
pub fn signing_key() -> Result<Secret> {
    Ok(Secret::new(hex::encode(bytes::<32>()?)))
}

/// A new API key: 24 bytes, in hex.
pub fn api_key() -> Result<Secret> {
    Ok(Secret::new(hex::encode(bytes::<API_KEY_BYTES>()?)))
}

/// A secret that signs webhooks: 32 bytes, base64 behind `whsec_`, as Standard Webhooks has it.
pub fn webhook_secret() -> Result<Secret> {
    let key = STANDARD.encode(bytes::<32>()?);
    Ok(Secret::new(format!("{SECRET_PREFIX}{key}")))
}
