//! RSS, Atom and JSON feeds to the addresses of their entries. `feed-rs` reads them all; it builds a
//! tree as deep as the feed's own, so it runs where its recursion and its panics do no harm.

use super::address;
use crate::{ExtractError, Limits, guard};

/// Entries of one feed at most.
const MAX_ENTRIES: usize = 10_000;

/// The addresses that a feed's entries lead to, in the feed's order, without repetition.
///
/// # Errors
/// `Empty`; `Damaged` where this is no feed; `OutOfTime`.
pub fn feed(bytes: &[u8], limits: &Limits) -> Result<Vec<String>, ExtractError> {
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    let bytes = bytes.to_vec();
    guard::run(limits, move |_| {
        let feed = feed_rs::parser::parse(bytes.as_slice()).map_err(|error| {
            ExtractError::damaged(format!("it is no RSS or Atom feed ({error})"))
        })?;
        let mut seen = std::collections::HashSet::new();
        let links = feed.entries.iter().filter_map(|entry| {
            let page = |link: &&feed_rs::model::Link| {
                link.rel.as_deref().is_none_or(|rel| rel == "alternate")
            };
            let link = entry.links.iter().find(page);
            let permanent = || entry.id.starts_with("http").then_some(entry.id.as_str());
            let target = link.map(|link| link.href.as_str()).or_else(permanent)?;
            address(target)
        });
        Ok(links
            .filter(|link| seen.insert(link.clone()))
            .take(MAX_ENTRIES)
            .collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_every_kind_of_feed_are_found() {
        let check = |text: &str, expected: &[&str]| {
            let found = feed(text.as_bytes(), &Limits::default()).expect("a feed");
            assert_eq!(found, expected);
        };
        check(
            "<rss version=\"2.0\"><channel><title>News</title><link>https://a.example/</link>\
             <item><title>One</title><link>https://a.example/1</link></item>\
             <item><title>Again</title><link> https://a.example/1 </link></item>\
             <item><title>Two</title><guid>https://a.example/2</guid></item>\
             <item><title>No page</title></item></channel></rss>",
            &["https://a.example/1", "https://a.example/2"],
        );
        check(
            "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>News</title><id>x</id>\
             <updated>2025-01-22T00:00:00Z</updated><entry><id>urn:1</id><title>One</title>\
             <updated>2025-01-22T00:00:00Z</updated>\
             <link rel=\"self\" href=\"https://a.example/1.atom\"/>\
             <link rel=\"alternate\" href=\"https://a.example/1\"/></entry></feed>",
            &["https://a.example/1"],
        );
        check(
            "{\"version\": \"https://jsonfeed.org/version/1.1\", \"title\": \"News\", \
             \"items\": [{\"id\": \"1\", \"url\": \"https://a.example/1\"}]}",
            &["https://a.example/1"],
        );
    }

    #[test]
    fn what_is_no_feed_says_so() {
        let limits = Limits::default();
        assert_eq!(feed(b"", &limits), Err(ExtractError::Empty));
        let deep = "<rss>".to_owned() + &"<a>".repeat(200_000);
        for text in ["hello", "<html><p>Hello</p></html>", "{}", &deep] {
            let error = feed(text.as_bytes(), &limits).expect_err("no feed");
            assert!(matches!(error, ExtractError::Damaged(_)), "{error}");
        }
    }
}
