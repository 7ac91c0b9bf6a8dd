//! Addresses and patterns, by examples and by any input.

use okra_domain::source::{NewSource, SourceChange};
use okra_domain::{ChatbotId, Timestamp};
use proptest::prelude::*;

use super::*;

fn scope(options: serde_json::Value) -> Scope {
    let new = NewSource {
        kind: SourceKind::Site,
        address: "https://www.example.com/docs".to_owned(),
        change: SourceChange {
            options: Some(options),
            ..SourceChange::default()
        },
    };
    let source = KnowledgeSource::new(ChatbotId::new(), new, Timestamp(1)).expect("valid");
    Scope::of(&source).expect("valid patterns")
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("an address")
}

#[test]
fn a_site_is_one_whatever_it_is_called() {
    let scope = scope(serde_json::json!({}));
    let check = |address, expected| assert_eq!(scope.follows(&url(address)), expected, "{address}");
    check("http://example.com/a", true);
    check("https://www.example.com./a", true);
    check("https://shop.example.com/a", false);
    check("https://example.com:8443/a", false);
    check("https://example.com.evil.example/a", false);
    check("https://example.com/a.PNG", false);
    check("https://example.com/a.html", true);
    check("https://example.com/v1.2", true);
    check("https://example.com/a.pdf", false);
    check("https://example.com/a/b/a/b/a/b/a/b", false);
    check(
        &format!("https://example.com{}", "/x1/y1".repeat(16)),
        false,
    );
}

#[test]
fn patterns_choose_paths() {
    let scope = scope(serde_json::json!({
        "include": ["/docs", "blog/", "/환불*", "*?lang=en", "/a[1]/*.html"],
        "exclude": ["/docs/old/", "*/print"],
        "documents": true,
    }));
    let check = |path: &str, expected| {
        let address = format!("https://example.com{path}");
        assert_eq!(scope.follows(&url(&address)), expected, "{path}");
    };
    check("/docs", true);
    check("/docs/a/b", true);
    check("/docs?page=2", true);
    check("/docs-old", false);
    check("/docs/old", false);
    check("/docs/old/x", false);
    check("/docs/x/print", false);
    check("/docs/guide.pdf", true);
    check("/blog/1", true);
    check("/환불정책", true);
    check("/%ED%99%98%EB%B6%88", true);
    check("/x?lang=en", true);
    check("/a[1]/deep/er.html?x=1", true);
    check("/a1/er.html", false);
    check("/", false);
}

#[test]
fn an_address_has_one_spelling() {
    let check = |address: &str, expected: Option<&str>| {
        let normal = normal(url(address));
        assert_eq!(normal.as_ref().map(Url::as_str), expected);
    };
    check(
        "HTTP://Example.com:80/a/../b#c",
        Some("http://example.com/b"),
    );
    check(
        "https://example.com/?utm_source=x&b=2&fbclid=1&a=1&",
        Some("https://example.com/?b=2&a=1"),
    );
    check(
        "https://example.com/?utm_source=x",
        Some("https://example.com/"),
    );
    check("https://me:pw@example.com/", None);
    check("file:///etc/passwd", None);
    check("gopher://example.com/1", None);
    check("mailto:kim@example.com", None);
    check(&format!("https://example.com/{}", "x".repeat(2_000)), None);
    let base = url("https://example.com/a/b");
    for link in [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://[",
        "tel:1",
    ] {
        assert_eq!(resolved(&base, link), None, "{link}");
    }
    assert_eq!(
        resolved(&base, " ../c?x=1#y ").map(String::from),
        Some("https://example.com/c?x=1".to_owned())
    );
}

proptest! {
    #[test]
    fn one_spelling_stays_that_spelling(path in "[ -~]{0,60}", query in "[ -~]{0,60}") {
        let text = format!("https://example.com/{path}?{query}");
        if let Some(once) = Url::parse(&text).ok().and_then(normal) {
            prop_assert_eq!(normal(once.clone()), Some(once.clone()));
            prop_assert!(once.fragment().is_none());
            prop_assert_eq!(Url::parse(once.as_str()).ok(), Some(once));
        }
    }

    #[test]
    fn no_link_leaves_the_web(link in "\\PC{0,80}") {
        let base = url("https://example.com/a/b");
        if let Some(found) = resolved(&base, &link) {
            prop_assert!(matches!(found.scheme(), "http" | "https"));
            prop_assert!(found.username().is_empty() && found.password().is_none());
        }
    }

    #[test]
    fn every_pattern_can_be_read(text in "\\PC{1,60}", path in "[ -~]{0,40}") {
        let Ok(patterns) = patterns("options.include", std::slice::from_ref(&text)) else {
            return Err(TestCaseError::fail(format!("{text:?} was refused")));
        };
        patterns[0].matches(&path);
    }

    #[test]
    fn a_path_matches_itself_and_what_is_below(path in "(/[a-z0-9]{1,8}){1,5}") {
        let patterns = patterns("options.include", std::slice::from_ref(&path)).expect("valid");
        prop_assert!(patterns[0].matches(&path));
        let (below, beside) = (format!("{path}/x"), format!("{path}x"));
        prop_assert!(patterns[0].matches(&below));
        prop_assert!(!patterns[0].matches(&beside));
    }
}
