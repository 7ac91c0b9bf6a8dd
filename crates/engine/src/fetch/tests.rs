//! The fetcher against a website that redirects, floods and stalls.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use okra_testkit::website::{MockSite, Page, gzip};

use super::*;

/// A fetcher that may reach `site` and nothing else that is private.
fn fetcher(site: &MockSite) -> Fetcher {
    Fetcher::new(policy(site)).unwrap()
}

fn policy(site: &MockSite) -> FetchPolicy {
    FetchPolicy {
        max_bytes: 100_000,
        allow: vec![site.address().to_string()],
        ..FetchPolicy::default()
    }
}

#[track_caller]
fn assert_kind(result: Result<Fetched, FetchError>, kind: FetchErrorKind) {
    match result {
        Ok(page) => panic!("{} was fetched", page.url),
        Err(error) => {
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.ends_with('.'), "{error}");
        }
    }
}

#[tokio::test]
async fn a_page_comes_with_what_is_known_of_it() {
    let site = MockSite::start().await;
    site.put(
        "/docs/%ED%99%98%EB%B6%88?q=1",
        Page::html("<p>환불</p>")
            .with_header("etag", "\"v1\"")
            .with_header("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
    );
    let page = fetcher(&site)
        .get(&format!(" {}#part ", site.url("/docs/환불?q=1")))
        .await
        .unwrap();
    assert_eq!(page.body, "<p>환불</p>");
    assert_eq!(page.url.path(), "/docs/%ED%99%98%EB%B6%88");
    assert_eq!(
        page.content_type.as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.etag.as_deref(), Some("\"v1\""));
    assert_eq!(
        page.last_modified.as_deref(),
        Some("Wed, 21 Oct 2015 07:28:00 GMT")
    );
    let (_, headers) = &site.requests()[0];
    assert!(headers["user-agent"].to_str().unwrap().starts_with("okra/"));
    assert!(!headers.contains_key("authorization") && !headers.contains_key("cookie"));
}

#[tokio::test]
async fn redirects_are_followed_to_the_page() {
    let site = MockSite::start().await;
    for (step, status) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        let next = format!("../a/{}", step + 1);
        site.put(&format!("/a/{step}"), Page::redirect(status, &next));
    }
    site.put("/a/5", Page::html("found"));
    let page = fetcher(&site).get(&site.url("/a/0")).await.unwrap();
    assert_eq!(page.body, "found");
    assert_eq!(page.url.as_str(), site.url("/a/5"));

    site.put("/one-more", Page::redirect(302, "/a/0"));
    let result = fetcher(&site).get(&site.url("/one-more")).await;
    assert_kind(result, FetchErrorKind::TooManyRedirects);
    site.put("/loop", Page::redirect(302, "/loop"));
    let result = fetcher(&site).get(&site.url("/loop")).await;
    assert_kind(result, FetchErrorKind::TooManyRedirects);
}

#[tokio::test]
async fn a_redirect_is_checked_as_the_first_address_was() {
    use FetchErrorKind::{InvalidAddress, PrivateAddress};
    let site = MockSite::start().await;
    let other = MockSite::start().await;
    other.put("/", Page::html("secret"));
    let cases = [
        (other.url("/"), PrivateAddress),
        (
            format!("http://localhost:{}/", other.address().port()),
            PrivateAddress,
        ),
        (
            format!("//2130706433:{}/", other.address().port()),
            PrivateAddress,
        ),
        (
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            PrivateAddress,
        ),
        ("http://[::ffff:10.0.0.1]/".to_owned(), PrivateAddress),
        ("file:///etc/passwd".to_owned(), InvalidAddress),
        ("gopher://example.com/".to_owned(), InvalidAddress),
        (format!("http://me:pw@{}/", site.address()), InvalidAddress),
        ("http://[".to_owned(), InvalidAddress),
        (format!("/{}", "a".repeat(10_000)), InvalidAddress),
    ];
    for (target, kind) in cases {
        site.put("/", Page::redirect(302, &target));
        assert_kind(fetcher(&site).get(&site.url("/")).await, kind);
    }
    site.put("/", Page::html("").with_status(302));
    assert_kind(fetcher(&site).get(&site.url("/")).await, InvalidAddress);
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_spelling() {
    let site = MockSite::start().await;
    let port = site.address().port();
    let fetcher = Fetcher::new(FetchPolicy::default()).unwrap();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.1.",
        "１２７.０.０.１",
        "%31%32%37.0.0.1",
        "127。0。0。1",
        "0",
        "0.0.0.0",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "224.0.0.1",
    ];
    for host in hosts {
        let result = fetcher.get(&format!("http://{host}:{port}/")).await;
        assert_eq!(
            result.unwrap_err().message,
            "This address is inside a private network and cannot be fetched.",
            "{host}"
        );
    }
    assert!(site.requests().is_empty());
}

#[tokio::test]
async fn what_the_operator_opened_is_fetched() {
    let site = MockSite::start().await;
    site.put("/", Page::html("intranet"));
    let port = site.address().port();
    let by_name = format!("http://localhost:{port}/");
    for (allow, url, open) in [
        ("localhost", &by_name, true),
        ("127.0.0.0/8", &by_name, true),
        ("127.0.0.1", &site.url("/"), true),
        ("10.0.0.0/8", &by_name, false),
        ("localhost:1", &by_name, false),
        ("localhost", &site.url("/"), false),
    ] {
        let fetcher = Fetcher::new(FetchPolicy {
            allow: vec![allow.to_owned()],
            ..FetchPolicy::default()
        });
        let result = fetcher.unwrap().get(url).await;
        assert_eq!(result.is_ok(), open, "{allow} and {url}: {result:?}");
    }
}

#[tokio::test]
async fn a_name_is_connected_to_at_its_public_addresses_only() {
    let openings = Openings::parse(&["10.9.0.0/16".to_owned()]).unwrap();
    let found = [
        "127.0.0.1:0",
        "8.8.8.8:0",
        "10.0.0.1:0",
        "10.9.1.1:0",
        "[::1]:0",
    ];
    let found = found.map(|address| address.parse().unwrap());
    let guard = Guard::asking(Arc::new(openings), move |_| {
        Box::pin(async move { Ok(found.to_vec()) })
    });
    let kept = guard.reachable("example.com").await.unwrap();
    let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["8.8.8.8:0", "10.9.1.1:0"]);
}

/// A fetcher that may reach 127.0.0.1, which stands for the public internet here, and the number of
/// times that a name was looked up; the answers come in turn, the last one again and again.
fn rebound(answers: Vec<Vec<SocketAddr>>) -> (Fetcher, Arc<AtomicUsize>) {
    let policy = FetchPolicy {
        allow: vec!["127.0.0.1".to_owned()],
        ..FetchPolicy::default()
    };
    let openings = Arc::new(Openings::parse(&policy.allow).unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let guard = Guard::asking(openings, move |name| {
        assert_eq!(name, "shop.example.com");
        let turn = count.fetch_add(1, Ordering::SeqCst);
        let answer = answers[turn.min(answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    });
    let fetcher = Fetcher::guarded_by(guard, policy);
    (fetcher.unwrap(), asked)
}

#[tokio::test]
async fn a_name_that_changes_its_answer_gains_nothing() {
    let site = MockSite::start().await;
    let close = |body: &str| Page::html(body.to_owned()).with_header("connection", "close");
    site.put("/", close("public"));
    let port = site.address().port();
    let url = format!("http://shop.example.com:{port}/");
    // At the same port of another address, inside, something listens that must not be reached.
    let inside = tokio::net::TcpListener::bind(("::1", port)).await.unwrap();
    let public: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let private: SocketAddr = "[::1]:0".parse().unwrap();

    // The address that was checked is the one that is connected to: the name is asked for once.
    let (fetcher, asked) = rebound(vec![vec![public], vec![private]]);
    assert_eq!(fetcher.get(&url).await.unwrap().body, "public");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // The next connection is checked anew.
    assert_kind(fetcher.get(&url).await, FetchErrorKind::PrivateAddress);
    assert_eq!(asked.load(Ordering::SeqCst), 2);

    // Between a page and where it redirects to, which is the same name.
    site.put(
        "/moved",
        Page::redirect(302, "/").with_header("connection", "close"),
    );
    let (fetcher, _) = rebound(vec![vec![public], vec![private]]);
    let moved = fetcher.get(&format!("{url}moved")).await;
    assert_kind(moved, FetchErrorKind::PrivateAddress);

    // And of an answer that has both, one is never tried.
    let (fetcher, _) = rebound(vec![vec![private, public]]);
    assert_eq!(fetcher.get(&url).await.unwrap().body, "public");
    let reached = tokio::time::timeout(Duration::ZERO, inside.accept()).await;
    assert!(reached.is_err(), "something came to the address inside");
}

#[tokio::test]
async fn what_is_no_address_of_a_page_is_refused() {
    let fetcher = Fetcher::new(FetchPolicy::default()).unwrap();
    let long = format!("http://example.com/{}", "a".repeat(10_000));
    let addresses = [
        "",
        "example.com",
        "/docs",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html,hi",
        "http://",
        "http://a b/",
        "http://1.2.3.4.5/",
        "http://256.256.256.256/",
        "http://me@example.com/",
        "http://:pw@example.com/",
        "http://[::1/",
        "http://example.com:99999/",
        &long,
    ];
    for address in addresses {
        assert_kind(fetcher.get(address).await, FetchErrorKind::InvalidAddress);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_cut_off() {
    let site = MockSite::start().await;
    site.put("/exact", Page::html(vec![b'a'; 100_000]));
    site.put("/over", Page::html(vec![b'a'; 100_001]));
    site.put("/endless", Page::endless(vec![b'a'; 4096]));
    let bomb = gzip(&vec![0; 5_000_000]);
    assert!(bomb.len() < 100_000);
    site.put(
        "/bomb",
        Page::html(bomb).with_header("content-encoding", "gzip"),
    );
    let fetcher = fetcher(&site);
    assert_eq!(
        fetcher.get(&site.url("/exact")).await.unwrap().body.len(),
        100_000
    );
    for path in ["/over", "/endless", "/bomb"] {
        assert_kind(fetcher.get(&site.url(path)).await, FetchErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn compressed_pages_are_read_and_damaged_ones_refused() {
    let site = MockSite::start().await;
    let gzipped = gzip("<p>압축</p>".as_bytes());
    let encoded =
        |body: Vec<u8>, encoding| Page::html(body).with_header("content-encoding", encoding);
    site.put("/good", encoded(gzipped.clone(), "gzip"));
    site.put("/plain", encoded(b"plain".to_vec(), "identity"));
    site.put(
        "/half",
        encoded(gzipped[..gzipped.len() / 2].to_vec(), "gzip"),
    );
    site.put("/false", encoded(b"not gzip at all".to_vec(), "gzip"));
    site.put("/twice", encoded(gzip(&gzipped), "gzip, gzip"));
    site.put("/brotli", encoded(gzipped, "br"));
    let fetcher = fetcher(&site);
    assert_eq!(
        fetcher.get(&site.url("/good")).await.unwrap().body,
        "<p>압축</p>"
    );
    assert_eq!(
        fetcher.get(&site.url("/plain")).await.unwrap().body,
        "plain"
    );
    for path in ["/half", "/false", "/twice", "/brotli"] {
        assert_kind(fetcher.get(&site.url(path)).await, FetchErrorKind::Broken);
    }
}

#[tokio::test]
async fn slow_and_broken_answers_are_given_up() {
    let site = MockSite::start().await;
    site.put("/slow", Page::then_nothing("beginning"));
    site.put("/cut", Page::then_cut("beginning"));
    let hasty = Fetcher::new(FetchPolicy {
        timeout: Duration::from_millis(100),
        ..policy(&site)
    });
    let error = hasty.unwrap().get(&site.url("/slow")).await.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Timeout);
    assert!(error.retryable());
    let error = fetcher(&site).get(&site.url("/cut")).await.unwrap_err();
    assert!(
        matches!(error.kind, FetchErrorKind::Broken | FetchErrorKind::Connect),
        "{error:?}"
    );
    assert!(error.retryable());

    let closed = MockSite::start().await;
    let gone = closed.url("/");
    let fetcher = fetcher(&closed);
    drop(closed);
    tokio::task::yield_now().await;
    assert_kind(fetcher.get(&gone).await, FetchErrorKind::Connect);
}

#[tokio::test]
async fn statuses_that_are_no_page_are_told_in_words() {
    let site = MockSite::start().await;
    let fetcher = fetcher(&site);
    for (status, retryable, words) in [
        (404, false, "no page"),
        (401, false, "signing in"),
        (403, false, "signing in"),
        (429, true, "429"),
        (503, true, "503"),
        (304, false, "304"),
    ] {
        site.put("/", Page::html("").with_status(status));
        let error = fetcher.get(&site.url("/")).await.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::Status(status));
        assert_eq!(error.retryable(), retryable, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test]
async fn any_content_type_is_handed_on_as_it_was_sent() {
    let site = MockSite::start().await;
    site.put(
        "/image",
        Page::typed("image/png", &b"\x89PNG\r\n\x1a\n\0\xff"[..]),
    );
    let page = fetcher(&site).get(&site.url("/image")).await.unwrap();
    assert_eq!(page.content_type.as_deref(), Some("image/png"));
    assert_eq!(&page.body[..], b"\x89PNG\r\n\x1a\n\0\xff");
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let site = MockSite::start().await;
    let page = (0..200).fold(Page::html("hi"), |page, n| {
        page.with_header(&format!("x-{n}"), "y")
    });
    site.put("/", page);
    assert_kind(
        fetcher(&site).get(&site.url("/")).await,
        FetchErrorKind::Connect,
    );
}
