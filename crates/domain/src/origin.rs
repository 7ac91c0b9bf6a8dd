//! Web origins (RFC 6454): which sites may show a chatbot.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The most origins of one chatbot.
pub const MAX_ORIGINS: usize = 200;

/// An origin that a chatbot may be shown on, in the form in which browsers write it:
/// `https://shop.example`, `http://localhost:3000`, or `https://*.shop.example` for every name
/// below `shop.example` (not `shop.example` itself).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OriginPattern(String);

impl OriginPattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its host, with `*.` before it where every name below is meant.
    pub fn host_pattern(&self) -> &str {
        let authority = self.0.split_once("://").map_or("", |(_, rest)| rest);
        split_port(authority).0
    }

    /// Whether `origin`, as a browser's `Origin` header holds it, is meant. `null`, the origin of
    /// sandboxed frames and files, never is.
    pub fn allows(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let Some((before, after)) = self.0.split_once('*') else {
            return origin == self.0;
        };
        let inner = origin.strip_prefix(before);
        let inner = inner.and_then(|rest| rest.strip_suffix(after));
        inner.is_some_and(|name| !name.is_empty() && is_host(name))
    }
}

impl FromStr for OriginPattern {
    type Err = Error;

    /// Fails with a sentence that says how the origin is written.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim().to_ascii_lowercase();
        let problem = |problem: &str| Err(Error::invalid(format!("{text:?} {problem}")));
        let Some((scheme, rest)) = text.split_once("://") else {
            return problem("is no origin: write it with its scheme, such as https://shop.example");
        };
        if !matches!(scheme, "http" | "https") {
            return problem("must begin with https:// or http://");
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return problem("must end after the host and its port, without a path");
        }
        let (host, port) = split_port(authority);
        if let Some(port) = port
            && !port.parse::<u16>().is_ok_and(|port| port > 0)
        {
            return problem("has a port that is no number from 1 to 65535");
        }
        let name = match host.strip_prefix("*.") {
            // `https://*.com` would let in half the world.
            Some(name) if !name.contains('.') => {
                return problem("must name a domain after *., such as https://*.shop.example");
            }
            Some(name) => name,
            None => host,
        };
        let is_ipv6 = name.starts_with('[') && name.ends_with(']');
        if authority.len() > 253 || !(is_host(name) || is_ipv6) {
            return problem(
                "has no valid host: write names of other scripts in their xn-- form, as browsers do",
            );
        }
        // Browsers leave a scheme's own port out.
        let port = match (scheme, port) {
            ("https", Some("443")) | ("http", Some("80")) | (_, None) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        Ok(Self(format!("{scheme}://{host}{port}")))
    }
}

/// The host and the port of an authority; the colons of an IPv6 address are the host's.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        let proper = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty() && label.bytes().all(proper)
    };
    name.split('.').all(label)
}

impl TryFrom<String> for OriginPattern {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<OriginPattern> for String {
    fn from(origin: OriginPattern) -> Self {
        origin.0
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        let check = |written: &str, kept: &str| {
            let origin: OriginPattern = written.parse().expect(written);
            assert_eq!(origin.as_str(), kept);
        };
        check("https://shop.example", "https://shop.example");
        check(" HTTPS://Shop.Example/ ", "https://shop.example");
        check("https://shop.example:443", "https://shop.example");
        check("http://localhost:3000", "http://localhost:3000");
        check("http://localhost:80", "http://localhost");
        check("http://[::1]:3000", "http://[::1]:3000");
        check("https://*.shop.example", "https://*.shop.example");
    }

    #[test]
    fn a_host_is_told_without_scheme_and_port() {
        let check = |written: &str, host: &str| {
            let origin: OriginPattern = written.parse().expect(written);
            assert_eq!(origin.host_pattern(), host);
        };
        check("https://shop.example", "shop.example");
        check("http://localhost:3000", "localhost");
        check("https://*.shop.example", "*.shop.example");
        check("http://[::1]:3000", "[::1]");
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_way_to_write_it() {
        let check = |written: &str, words: &str| {
            let error = written.parse::<OriginPattern>().expect_err(written);
            assert!(error.message.contains(words), "{error}");
        };
        check("shop.example", "with its scheme");
        check("", "with its scheme");
        check("null", "with its scheme");
        check("ftp://shop.example", "https://");
        check("https://shop.example/path", "without a path");
        check("https://user@shop.example", "without a path");
        check("https://shop.example:0", "port");
        check("https://shop.example:x", "port");
        check("https://", "host");
        check("https://*", "host");
        check("https://*.com", "*.shop.example");
        check("https://a.*.example", "host");
        check("https://가게.example", "xn--");
        check(&format!("https://{}.example", "a".repeat(300)), "host");
    }

    #[test]
    fn a_pattern_allows_its_own_names_alone() {
        let check = |pattern: &str, origin: &str, expected: bool| {
            let pattern: OriginPattern = pattern.parse().expect(pattern);
            assert_eq!(pattern.allows(origin), expected, "{pattern} {origin}");
        };
        check("https://shop.example", "https://shop.example", true);
        check("https://shop.example", "https://SHOP.example", true);
        check("https://shop.example", "http://shop.example", false);
        check("https://shop.example", "https://shop.example:8443", false);
        check(
            "https://shop.example",
            "https://shop.example.evil.example",
            false,
        );
        check("https://shop.example", "null", false);
        check("https://*.shop.example", "https://a.shop.example", true);
        check("https://*.shop.example", "https://a.b.shop.example", true);
        check("https://*.shop.example", "https://shop.example", false);
        check("https://*.shop.example", "https://.shop.example", false);
        check(
            "https://*.shop.example",
            "https://evil.example/.shop.example",
            false,
        );
        check("https://*.shop.example", "https://a@b.shop.example", false);
    }
}
