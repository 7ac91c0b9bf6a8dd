//! The links of a web page, for whoever follows them.

use std::cell::RefCell;

use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};

use super::blocks::raw_kind;
use super::page::declared_encoding;
use crate::decode::decode_labelled;
use crate::site::address;

/// Links of one page at most.
const MAX_LINKS: usize = 1_000;

/// Where a page leads, as it is written there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageLinks {
    /// What relative addresses are relative to, where that is not the page itself.
    pub base: Option<String>,
    /// The address that the page calls its own.
    pub canonical: Option<String>,
    /// The targets of its links, in order, without repetition; 1,000 at most.
    pub links: Vec<String>,
}

/// Finds a page's links, also in its navigation. What is no text has none.
pub fn page_links(html: &[u8], content_type: Option<&str>) -> PageLinks {
    let Ok(html) = decode_labelled(html, declared_encoding(html, content_type)) else {
        return PageLinks::default();
    };
    super::tokenize(&html, Finder::default()).0.into_inner().0
}

#[derive(Default)]
struct Finder(RefCell<(PageLinks, std::collections::HashSet<String>)>);

impl TokenSink for Finder {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else {
            return TokenSinkResult::Continue;
        };
        if tag.kind != TagKind::StartTag {
            return TokenSinkResult::Continue;
        }
        let (found, seen) = &mut *self.0.borrow_mut();
        match &*tag.name {
            "a" | "area" => {
                if let Some(href) = attribute(&tag, "href").and_then(|href| address(&href))
                    && found.links.len() < MAX_LINKS
                    && seen.insert(href.clone())
                {
                    found.links.push(href);
                }
            }
            "base" if found.base.is_none() => {
                found.base = attribute(&tag, "href").and_then(|href| address(&href));
            }
            "link" if found.canonical.is_none() && is_canonical(&tag) => {
                found.canonical = attribute(&tag, "href").and_then(|href| address(&href));
            }
            _ => {}
        }
        match raw_kind(&tag.name) {
            Some(kind) => TokenSinkResult::RawData(kind),
            None => TokenSinkResult::Continue,
        }
    }
}

fn is_canonical(tag: &Tag) -> bool {
    attribute(tag, "rel").is_some_and(|rel| {
        rel.split_whitespace()
            .any(|word| word.eq_ignore_ascii_case("canonical"))
    })
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let found = tag.attrs.iter().find(|attr| &*attr.name.local == name);
    found.map(|attr| attr.value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_wherever_they_stand() {
        let html = "<head><base href='/docs/'><link rel='Canonical alternate' href='x'></head>\
                    <nav><a href=one>One</a></nav><A HREF='two?a=1&amp;b'>Two</A><a href=one>\
                    <map><area href=' three '></map><a>None</a><a href=''>Empty</a>\
                    <script>document.write('<a href=script>')</script><!-- <a href=hidden> -->";
        let found = page_links(html.as_bytes(), None);
        assert_eq!(found.base.as_deref(), Some("/docs/"));
        assert_eq!(found.canonical.as_deref(), Some("x"));
        assert_eq!(found.links, ["one", "two?a=1&b", "three"]);
    }

    #[test]
    fn hostile_pages_are_bounded() {
        let many: String = (0..5_000).map(|n| format!("<a href={n}>")).collect();
        assert_eq!(page_links(many.as_bytes(), None).links.len(), MAX_LINKS);
        let long = format!("<a href={}>", "x".repeat(5_000));
        assert!(page_links(long.as_bytes(), None).links.is_empty());
        assert_eq!(page_links(b"\x00\x01\x02\xff", None), PageLinks::default());
    }
}
