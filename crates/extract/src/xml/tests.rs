//! XML that is data, XML that is prose, and XML that is hostile.

use super::*;

#[track_caller]
fn check(xml: &str, expected: &[&str]) {
    let document = read(xml.as_bytes(), &Limits::default()).expect("readable");
    let texts = document.blocks.iter().map(|block| block.text.as_str());
    assert_eq!(texts.collect::<Vec<_>>(), expected);
}

#[track_caller]
fn check_reason(xml: &str, reason: &str) {
    let error = read(xml.as_bytes(), &Limits::default()).expect_err("not readable");
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn data_becomes_records() {
    check(
        "<?xml version=\"1.0\"?><shop xmlns=\"urn:x\"><name>Okra &amp; Co</name><parts>\
         <part number=\"FK-10\"><name>Lid</name><price>6.50</price></part>\
         <part number=\"FK-11\"><name>Filter</name><price>3.20</price></part></parts></shop>",
        &[
            "name: Okra & Co",
            "part.number: FK-10\npart.name: Lid\npart.price: 6.50",
            "part.number: FK-11\npart.name: Filter\npart.price: 3.20",
        ],
    );
    check(
        "<a><tag>one</tag><tag>two</tag></a>",
        &["tag: one\ntag: two"],
    );
    check("<a>only text</a>", &["only text"]);
}

#[test]
fn prose_becomes_paragraphs_under_headings() {
    let xml = "<book><title>Guide</title><section><title>Returns</title>\
               <para>Within <emphasis>30</emphasis> days.</para>\
               <para><![CDATA[In the <box>.]]> Please <b>do</b>.</para></section></book>";
    check(
        xml,
        &[
            "Guide",
            "Returns",
            "Within 30 days.",
            "In the <box>. Please do.",
        ],
    );
    let document = read(xml.as_bytes(), &Limits::default()).expect("readable");
    let kinds: Vec<BlockKind> = document.blocks.iter().map(|block| block.kind).collect();
    assert_eq!(kinds[..2], [BlockKind::Heading(1), BlockKind::Heading(2)]);
}

#[test]
fn the_named_encoding_is_used() {
    let (bytes, _, _) =
        encoding_rs::EUC_KR.encode("<?xml version='1.0' encoding='EUC-KR'?><a>반품</a>");
    let document = read(&bytes, &Limits::default()).expect("readable");
    assert_eq!(document.blocks[0].text, "반품");
}

#[test]
fn entities_are_not_expanded() {
    let mut entities = String::from("<!ENTITY e0 \"lol\">");
    for level in 1..30 {
        let inner = format!("&e{};", level - 1).repeat(10);
        entities.push_str(&format!("<!ENTITY e{level} \"{inner}\">"));
    }
    check(
        &format!("<!DOCTYPE a [{entities}]><a><b c=\"&e29;\">&e29; plain</b></a>"),
        &["b.c: &e29;\nb: &e29; plain"],
    );
    check(
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
        &["&x;"],
    );
}

#[test]
fn broken_xml_says_where() {
    check_reason("<a><b></a>", "not valid XML");
    check_reason("<a><b>text", "ends too early");
    check_reason(&"<a>".repeat(200_000), "nested too deeply");
}
