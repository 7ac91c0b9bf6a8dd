//! The gateway as a browser speaks to it, and as a page would like to use it.

use okra_testkit::website::{MockSite, Page};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::fetch::FetchPolicy;

/// A gateway for `page`, where the operator opened all of 127.0.0.1.
async fn gateway(page: &str) -> Gateway {
    let fetcher = Fetcher::new(FetchPolicy {
        allow: vec!["127.0.0.1".to_owned()],
        ..FetchPolicy::default()
    });
    let page = Url::parse(page).expect("an address");
    let gateway = fetcher.expect("a fetcher").gateway(&page).await;
    gateway.expect("a loopback port is free")
}

async fn say(gateway: &Gateway, request: &str) -> String {
    let mut stream = TcpStream::connect(gateway.address())
        .await
        .expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // A connection that is cut off has answered with what came.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(url: &str) -> String {
    format!("GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

fn connect(authority: &str, head: &str, then: &str) -> String {
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{head}\r\n{then}")
}

#[tokio::test]
async fn the_page_and_nothing_else_inside_is_reached() {
    let (site, inside) = (MockSite::start().await, MockSite::start().await);
    site.put("/app.js", Page::typed("text/javascript", "write()"));
    inside.put("/", Page::html("secret"));
    let gateway = gateway(&site.url("/")).await;
    let answer = say(&gateway, &get(&site.url("/app.js"))).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("write()"),
        "{answer}"
    );
    let (_, headers) = &site.requests()[0];
    assert!(!headers.contains_key("proxy-connection"));

    let address = inside.address();
    let port = address.port();
    let forbidden = |answer: &str| answer.starts_with("HTTP/1.1 403");
    for url in [
        inside.url("/"),
        format!("http://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://[fd00::1]/".to_owned(),
        "http://update.googleapis.com/".to_owned(),
        "ftp://127.0.0.1/".to_owned(),
        "/not-a-proxy-request".to_owned(),
    ] {
        let answer = say(&gateway, &get(&url)).await;
        assert!(forbidden(&answer), "{url}: {answer}");
    }
    for authority in [
        address.to_string(),
        format!("localhost:{port}"),
        format!("2130706433:{port}"),
        format!("[::ffff:7f00:1]:{port}"),
        "169.254.169.254:80".to_owned(),
        "10.0.0.1:443".to_owned(),
    ] {
        let answer = say(&gateway, &connect(&authority, "Connection: close\r\n", "")).await;
        assert!(forbidden(&answer), "{authority}: {answer}");
    }
    assert!(inside.requests().is_empty());
    assert!(!gateway.page_refused());

    // A tunnel to the page's own host carries whatever is sent through it.
    let through = get("/app.js");
    let answer = say(
        &gateway,
        &connect(&site.address().to_string(), "", &through),
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("write()"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_page_that_may_not_be_reached_is_told_of() {
    let gateway = gateway("http://10.0.0.1/").await;
    let answer = say(&gateway, &get("http://10.0.0.1/")).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(gateway.page_refused());
}

#[tokio::test]
async fn what_a_page_loads_is_bounded() {
    let site = MockSite::start().await;
    site.put("/endless", Page::endless(vec![b'a'; 64 * 1024]));
    site.put("/small", Page::html("small"));
    let gateway = gateway(&site.url("/")).await;
    let answer = say(&gateway, &get(&site.url("/endless"))).await;
    let (most, slack) = (BYTES as usize, 4 * 1024 * 1024);
    assert!(answer.len() < most + slack, "{} bytes came", answer.len());
    // And nothing more comes, from wherever.
    let answer = say(&gateway, &get(&site.url("/small"))).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn a_page_has_so_many_connections() {
    let site = MockSite::start().await;
    site.put("/", Page::html("page"));
    let gateway = gateway(&site.url("/")).await;
    gateway
        .session
        .connections
        .store(CONNECTIONS - 1, Ordering::SeqCst);
    assert!(say(&gateway, &get(&site.url("/"))).await.contains("200 OK"));
    assert!(say(&gateway, &get(&site.url("/"))).await.contains("403"));
}

#[tokio::test]
async fn it_ends_with_whoever_opened_it() {
    let site = MockSite::start().await;
    site.put("/slow", Page::then_nothing("beginning"));
    let gateway = gateway(&site.url("/")).await;
    let address = gateway.address();
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = get(&site.url("/slow"));
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut piece = [0; 16];
    stream.read_exact(&mut piece).await.expect("it begins");
    drop(gateway);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest));
    let _ = ended.await.expect("the connection ends");
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(30), refused).await;
    refused.expect("nobody listens any more");
}
