//! How a chatbot answers: from what, how strictly, and where its answers may lead.

use serde::{Deserialize, Serialize};

use super::at_most;
use crate::error::{Error, Result};

/// Hosts of one chatbot's links at most.
pub const MAX_LINK_HOSTS: usize = 100;
/// The most tokens that an answer may be limited to.
pub const MAX_ANSWER_TOKENS: u32 = 128_000;

/// How questions are answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct Answering {
    /// Answer from the knowledge alone: where no passage is likely enough, the question is refused in the visitor's
    /// language, without asking the model.
    pub knowledge_only: bool,
    /// Give the answer of a Q&A pair that matches strongly word for word, without asking the model. Null: where no
    /// model answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbatim: Option<bool>,
    /// Have the model propose what the visitor may ask next.
    pub follow_ups: bool,
    /// The most tokens of an answer; null for the server's limit, which is never exceeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Hosts that answers may link to, as in `shop.example` or `*.shop.example`, beside those of their sources and
    /// the chatbot's own sites.
    pub link_hosts: Vec<String>,
}

impl Answering {
    /// Whether nothing was set.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(tokens) = self.max_tokens
            && !(1..=MAX_ANSWER_TOKENS).contains(&tokens)
        {
            let problem = format!("must be from 1 to {MAX_ANSWER_TOKENS}, or null");
            return Err(Error::invalid_field(
                "settings.answering.maxTokens",
                problem,
            ));
        }
        let field = "settings.answering.linkHosts";
        if self.link_hosts.len() > MAX_LINK_HOSTS {
            return Err(Error::invalid_field(
                field,
                format!("at most {MAX_LINK_HOSTS}"),
            ));
        }
        for (index, host) in self.link_hosts.iter().enumerate() {
            let field = format!("{field}[{index}]");
            at_most(&field, host, 253)?;
            if !is_host_pattern(host) {
                let problem = "must be a host such as shop.example or *.shop.example, without scheme, port and \
                               path, and in lower case; names of other scripts in their xn-- form";
                return Err(Error::invalid_field(field, problem));
            }
        }
        Ok(())
    }
}

fn is_host_pattern(text: &str) -> bool {
    // `*.com` would let in half the world.
    let name = match text.strip_prefix("*.") {
        Some(name) if !name.contains('.') => return false,
        Some(name) => name,
        None => text,
    };
    let proper = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    name.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(proper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_browsers_write_them() {
        let check = |host: &str, expected| assert_eq!(is_host_pattern(host), expected, "{host}");
        check("shop.example", true);
        check("*.shop.example", true);
        check("localhost", true);
        check("xn--hq1bm8jm9l.example", true);
        for bad in [
            "",
            "*",
            "*.com",
            "https://shop.example",
            "shop.example/x",
            "Shop.example",
            "a..b",
            "상점.example",
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn a_rule_that_is_broken_is_named() {
        let check = |answering: Answering, field: &str| {
            assert_eq!(
                answering.check().expect_err("a rule").details[0].field,
                field
            );
        };
        check(
            Answering {
                max_tokens: Some(0),
                ..Answering::default()
            },
            "settings.answering.maxTokens",
        );
        let hosts = vec!["shop.example".to_owned(), "*".to_owned()];
        check(
            Answering {
                link_hosts: hosts,
                ..Answering::default()
            },
            "settings.answering.linkHosts[1]",
        );
        let many = vec!["a.example".to_owned(); MAX_LINK_HOSTS + 1];
        check(
            Answering {
                link_hosts: many,
                ..Answering::default()
            },
            "settings.answering.linkHosts",
        );
        assert!(Answering::default().check().is_ok());
    }
}
