//! What is kept of a web page.

use proptest::prelude::*;

use super::*;
use crate::BlockKind::{self, Code, Heading, List, Paragraph, Table};
use crate::Limits;

#[track_caller]
fn check(html: &str, expected: &[(BlockKind, &str)]) {
    let document = read(html.as_bytes(), &Limits::default()).expect("readable");
    let blocks: Vec<_> = document
        .blocks
        .iter()
        .map(|block| (block.kind, block.text.as_str()))
        .collect();
    assert_eq!(blocks, expected);
}

#[test]
fn blocks_are_told_apart() {
    check(
        "<title>T</title><h2>Re<b>turns</b></h2><p>Within\n 30 <i>days</i>.<p>Always<br>so.<div>x<span> y</span></div>",
        &[
            (Heading(2), "Returns"),
            (Paragraph, "Within 30 days."),
            (Paragraph, "Always\nso."),
            (Paragraph, "x y"),
        ],
    );
    check(
        "<pre>\n a\n  b &lt;\n</pre>c",
        &[(Code, " a\n  b <"), (Paragraph, "c")],
    );
    check(
        "<h1>Open<p>text<p>more",
        &[
            (Heading(1), "Open"),
            (Paragraph, "text"),
            (Paragraph, "more"),
        ],
    );
    check(
        "<p>안녕&nbsp;하세요 &amp; 감사합니다",
        &[(Paragraph, "안녕 하세요 & 감사합니다")],
    );
}

#[test]
fn lists_and_tables() {
    check(
        "<ul><li>a<li>b<ol><li>c</ol></li><li></li><li><p>d</p><p>e</p></ul>",
        &[(List, "- a\n- b\n  1. c\n- d\n  e")],
    );
    check(
        "<table><caption>Parts</caption><tr><th>Part<th>Price<tr><td><p>Gasket</p><td>4 <b>€</b></table>",
        &[
            (Paragraph, "Parts"),
            (Table, "| Part | Price |\n| --- | --- |\n| Gasket | 4 € |"),
        ],
    );
    check(
        "<table><tr><td>layout</td></tr></table>",
        &[(Paragraph, "layout")],
    );
    check(
        "<table><tr><td>a<table><tr><td>b</table><td>c</table>",
        &[(Table, "| a b | c |\n| --- | --- |")],
    );
}

#[test]
fn what_is_no_text_is_left_out() {
    check(
        "<nav>Menu <div>x</div></nav><script>var a = '<p>no</p>'</script><style>p{}</style>\
         <p>yes</p><svg><title>no</title><text>no</text></svg><footer>no</footer><p hidden>seen</p><div hidden>no</div>",
        &[(Paragraph, "yes"), (Paragraph, "seen")],
    );
    check("<nav><p>never closed", &[(Paragraph, "never closed")]);
    check(
        "<img src=x alt='A red machine'> standing",
        &[(Paragraph, "A red machine standing")],
    );
}

#[test]
fn encodings_of_pages() {
    let korean = "<meta charset=euc-kr><p>반품은 30일";
    let (bytes, _, _) = encoding_rs::EUC_KR.encode(korean);
    let document = read(&bytes, &Limits::default()).expect("readable");
    assert_eq!(document.blocks[0].text, "반품은 30일");
    let (bytes, _, _) = encoding_rs::EUC_KR.encode("<p>반품");
    let page = web_page(
        &bytes,
        "https://okra.example",
        Some("text/html; charset=\"EUC-KR\""),
        &Limits::default(),
    );
    assert_eq!(page.expect("readable").blocks[0].text, "반품");
}

fn article_page() -> String {
    let paragraph = "You may return a machine within thirty days of delivery, whatever the reason, and we \
                     refund the whole price including the shipping that you paid. ";
    format!(
        "<html><head><title>Returns | Okra</title></head><body>\
         <div class=menu><a href=/a>Home</a> <a href=/b>Shop</a> <a href=/c>Cart</a></div>\
         <article><h1>Returns</h1>{}<h2>Exchanges</h2>{}<p>See <a href=/form>the form</a>.</p></article>\
         <div class=sidebar><a href=/x>Buy now</a></div></body></html>",
        format!("<p>{}</p>", paragraph.repeat(3)).repeat(4),
        format!("<p>{}</p>", paragraph.repeat(2)).repeat(3),
    )
}

#[test]
fn the_main_content_of_a_page_is_found() {
    let page = web_page(
        article_page().as_bytes(),
        "https://okra.example/help/",
        None,
        &Limits::default(),
    )
    .expect("readable");
    let text: Vec<_> = page
        .blocks
        .iter()
        .map(|block| block.text.as_str())
        .collect();
    let text = text.join("\n");
    assert!(
        text.contains("within thirty days") && text.contains("Exchanges"),
        "{text}"
    );
    assert!(
        !text.contains("Cart") && !text.contains("Buy now"),
        "{text}"
    );
    assert!(
        text.contains("the form (https://okra.example/form)"),
        "{text}"
    );
    assert!(page.title.is_some_and(|title| title.contains("Returns")));
}

#[test]
fn a_page_with_little_main_content_keeps_its_body() {
    let html = "<title>Hours</title><div>Open nine to five</div><div>Closed on Sundays</div>";
    let page = web_page(
        html.as_bytes(),
        "https://okra.example",
        None,
        &Limits::default(),
    )
    .expect("readable");
    assert_eq!(page.blocks.len(), 2);
    assert_eq!(page.title.as_deref(), Some("Hours"));
    let nothing = web_page(
        b"<title>x</title><script>1</script>",
        "not an address",
        None,
        &Limits::default(),
    );
    assert_eq!(nothing, Err(ExtractError::NoText));
}

/// The text of a fetched page.
fn page_text(html: &str) -> String {
    let page = web_page(
        html.as_bytes(),
        "https://okra.example",
        None,
        &Limits::default(),
    );
    let blocks = page.expect("readable").blocks;
    let texts: Vec<_> = blocks.into_iter().map(|block| block.text).collect();
    texts.join("\n")
}

#[test]
fn what_lies_over_a_page_is_none_of_it() {
    let asks = "<h2>We value your privacy</h2><p>We use cookies to measure visits and to show you what you like. \
                <div>By going on you agree to that.</div></p><button>Accept all</button>";
    for overlay in [
        format!("<div id=cookie-banner>{asks}</div>"),
        format!("<div class='bottom cookie-consent'>{asks}</div>"),
        format!("<section class=cookieconsent>{asks}</section>"),
        format!("<aside class=gdpr-banner>{asks}</aside>"),
        format!("<div id=onetrust-consent-sdk>{asks}</div>"),
        format!("<div id=CybotCookiebotDialog>{asks}</div>"),
        format!("<cookie-banner>{asks}</cookie-banner>"),
        format!("<main><div role=dialog>{asks}</div></main>"),
        format!("<div role=alertdialog>{asks}</div>"),
        format!("<section aria-modal=true>{asks}</section>"),
    ] {
        let little = format!(
            "<title>Hours</title><div>Open nine to five</div>{overlay}<div>Closed on Sundays</div>"
        );
        assert_eq!(
            page_text(&little),
            "Open nine to five\nClosed on Sundays",
            "{overlay}"
        );
        let long = article_page().replace("<article>", &format!("{overlay}<article>"));
        let text = page_text(&long);
        assert!(
            text.contains("within thirty days") && !text.contains("cookies"),
            "{overlay}: {text}"
        );
    }
    // A page that is nothing else keeps it.
    let alone = page_text(&format!("<div class=cookie-banner>{asks}</div>"));
    assert!(alone.contains("We use cookies"), "{alone}");
}

#[test]
fn a_page_about_cookies_is_read() {
    let paragraph: &str = "<p>A cookie banner asks for consent before anything is stored on the visitor's device.</p>";
    for page in [
        format!(
            "<article class=post-cookie-banner><div id=cookie-banner>{paragraph}</div></article>"
        ),
        format!("<main><div class=cookie-consent><h2>Cookie consent</h2>{paragraph}</div></main>"),
        format!("<section id=cookie-consent><h2>Cookie consent</h2>{paragraph}</section>"),
        format!("<div class=section id=cookie-banner><h2>Cookie banners</h2>{paragraph}</div>"),
        format!("<div class='page has-cookie-banner'>{paragraph}</div>"),
        format!("<div class=cookie-policy>{paragraph}</div>"),
        format!("<div id=cookie-recipes>{paragraph}</div>"),
    ] {
        for times in [1, 12] {
            let body = page.replace(paragraph, &paragraph.repeat(times));
            let html = format!(
                "<title>Cookies</title><p>Of what we store.</p>{body}<p>Written in May.</p>"
            );
            let kept = page_text(&html).matches("asks for consent").count();
            assert_eq!(kept, times, "{page}");
        }
    }
}

#[test]
fn hostile_nesting_is_harmless() {
    for unit in [
        "<div>",
        "<table><tr><td>",
        "<b><p>",
        "<ul><li>",
        "<svg><style>",
        "<blockquote><a href=x>",
        "<!--",
        "<p ",
    ] {
        let html = format!("{}text", unit.repeat(200_000 / unit.len()));
        let started = std::time::Instant::now();

        let _ = read(html.as_bytes(), &Limits::default());
        let _ = web_page(
            html.as_bytes(),
            "https://okra.example",
            None,
            &Limits::default(),
        );
        assert!(
            started.elapsed().as_secs() < 60,
            "{unit:?} took {:?}",
            started.elapsed()
        );
    }
}

proptest! {
    #[test]
    fn any_tag_soup_is_read(
        html in "(<(/?)(p|div|table|tr|td|li|ul|nav|pre|script|h1|a href=x|b|title|svg|!--|template)>|[a-z<>&; \n]|\\PC){0,120}"
    ) {
        let _ = read(html.as_bytes(), &Limits::default());
        let _ = web_page(html.as_bytes(), "https://okra.example", None, &Limits::default());
    }
}
