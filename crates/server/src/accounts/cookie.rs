//! The cookie that carries a sign-in's token.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite, time};
use okra_domain::error::Result;
use okra_domain::person::SIGN_IN_LIFE;
use okra_domain::{Error, Secret};

/// How the cookie is called and kept. Scripts never see it, and browsers send it with requests of
/// Okra's own site alone.
pub struct SessionCookie {
    name: &'static str,
    secure: bool,
}

impl SessionCookie {
    /// For a server that the outside reaches at `public_url`. With https the cookie's prefix makes
    /// browsers refuse one that came without, or from a neighbouring host.
    pub fn new(public_url: &str) -> Self {
        let secure = public_url.starts_with("https://");
        let name = match secure {
            true => "__Host-okra_session",
            false => "okra_session",
        };
        Self { name, secure }
    }

    /// The token that a request carries.
    pub fn read(&self, headers: &HeaderMap) -> Option<Secret> {
        let texts = headers.get_all(header::COOKIE).iter();
        let texts = texts.filter_map(|text| text.to_str().ok());
        let mut cookies = texts.flat_map(Cookie::split_parse).flatten();
        let found = cookies.find(|cookie| cookie.name() == self.name)?;
        Some(Secret::new(found.value()))
    }

    /// The header that gives a browser its token.
    pub fn set(&self, token: &Secret) -> Result<HeaderValue> {
        let life = time::Duration::try_from(SIGN_IN_LIFE);
        let life = life.map_err(|error| Error::internal("cannot write a cookie", error))?;
        self.header(token.expose(), life)
    }

    /// The header that makes a browser forget its token.
    pub fn clear(&self) -> Result<HeaderValue> {
        self.header("", time::Duration::ZERO)
    }

    fn header(&self, value: &str, life: time::Duration) -> Result<HeaderValue> {
        let cookie = Cookie::build((self.name, value))
            .path("/")
            .max_age(life)
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(self.secure)
            .build();
        HeaderValue::from_str(&cookie.to_string())
            .map_err(|error| Error::internal("cannot write a cookie", error))
    }
}
