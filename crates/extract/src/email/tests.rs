//! Messages of several parts, attachments, and messages in messages.

use super::*;

fn read_text(mail: &str) -> Document {
    read(
        mail.replace('\n', "\r\n").as_bytes(),
        &Limits::default(),
        None,
    )
    .expect("readable")
}

fn texts(document: &Document) -> Vec<&str> {
    document
        .blocks
        .iter()
        .map(|block| block.text.as_str())
        .collect()
}

#[test]
fn a_message_is_read_with_who_wrote_it() {
    let document = read_text(
        "From: Kim <kim@example.com>\nTo: shop@example.com\n\
         Subject: =?UTF-8?B?67CY7ZKI?= please\nDate: Tue, 3 Mar 2026 10:00:00 +0900\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
         I would like to return it.=20\n\nCaf=C3=A9 Kim\n",
    );
    assert_eq!(document.title.as_deref(), Some("반품 please"));
    assert_eq!(
        texts(&document),
        [
            "반품 please",
            "From: Kim <kim@example.com>\nTo: shop@example.com\nDate: 2026-03-03T10:00:00+09:00",
            "I would like to return it.",
            "Café Kim",
        ]
    );
}

#[test]
fn pages_and_attachments_are_read() {
    let document = read_text(
        "From: Kim <kim@example.com>\nSubject: Prices\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"b\"\n\n\
         --b\nContent-Type: text/html; charset=euc-kr\nContent-Transfer-Encoding: base64\n\n\
         PGgyPrndx7A8L2gyPjxwPjMwIGRheXM8L3A+\n\
         --b\nContent-Type: text/csv; name=\"prices.csv\"\nContent-Disposition: attachment; filename=\"prices.csv\"\n\n\
         Part,Price\nLid,6.50\n\
         --b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"film.mp4\"\n\
         Content-Transfer-Encoding: base64\n\nAAAAGGZ0eXBpc29t\n\
         --b\nContent-Type: message/rfc822\n\nFrom: Lee <lee@example.com>\nSubject: Inner\n\nThe inner text.\n\
         --b--\n",
    );
    assert_eq!(
        texts(&document),
        [
            "Prices",
            "From: Kim <kim@example.com>",
            "반품",
            "30 days",
            "prices.csv",
            "Part: Lid; Price: 6.50",
            "Attachment: film.mp4 (its text could not be read: This is an MP4 video, which can't be read.)",
            "Inner",
            "From: Lee <lee@example.com>",
            "The inner text.",
        ]
    );
}

#[test]
fn messages_in_messages_end() {
    let mut mail = "Subject: innermost\n\nText.\n".to_owned();
    for level in 0..12 {
        mail = format!(
            "Subject: level {level}\nContent-Type: multipart/mixed; boundary=\"b{level}\"\n\n\
             --b{level}\nContent-Type: message/rfc822\n\n{mail}\n--b{level}--\n"
        );
    }
    let document = read_text(&mail);
    let all = texts(&document).join("\n");
    assert!(
        all.contains("level 11") && !all.contains("innermost\n"),
        "{all}"
    );

    let attached = |inner: &str, level: usize| {
        format!(
            "Subject: file {level}\nContent-Type: multipart/mixed; boundary=\"f{level}\"\n\n\
             --f{level}\nContent-Type: application/octet-stream\n\
             Content-Disposition: attachment; filename=\"inner.eml\"\n\n{inner}\n--f{level}--\n"
        )
    };
    let mail = (0..12).fold("Subject: core\n\nText.\n".to_owned(), |mail, n| {
        attached(&mail, n)
    });
    let all = texts(&read_text(&mail)).join("\n");
    assert!(
        all.contains("file 11") && all.contains("inner.eml (it lies too deep in other messages)"),
        "{all}"
    );
}

/// A message with these files.
fn with_files(boundary: &str, files: &[(&str, &str)]) -> String {
    let file = |(name, text): &(&str, &str)| {
        format!(
            "--{boundary}\nContent-Type: application/octet-stream\n\
             Content-Disposition: attachment; filename=\"{name}\"\n\n{text}\n"
        )
    };
    let files: String = files.iter().map(file).collect();
    format!(
        "Subject: files\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\n{files}--{boundary}--\n"
    )
}

#[test]
fn an_attachment_that_is_not_read_says_why() {
    let document = read_text(&with_files(
        "b",
        &[("prices.csv", "%PDF-1.7"), ("cut.json", "{\"a\": ")],
    ));
    let all = texts(&document);
    let named = "(its text could not be read: The file is named .csv but its contents are a PDF.)";
    assert!(all[1].ends_with(named), "{all:?}");
    let cut = "Attachment: cut.json (its text could not be read: The file is damaged: ";
    assert!(all[2].starts_with(cut), "{all:?}");
}

#[test]
fn all_messages_together_have_one_limit_of_attachments() {
    let inner = with_files("inner", &[("prices.csv", "Part,Price\nLid,6.50"); 30]);
    let outer = with_files("outer", &[("inner.eml", inner.as_str()); 2]);
    let document = read_text(&outer);
    let count = |words: &str| {
        texts(&document)
            .iter()
            .filter(|it| it.contains(words))
            .count()
    };
    // Each of the two messages is one, too.
    assert_eq!(count("Part: Lid"), MAX_ATTACHMENTS - 2);
    assert_eq!(count("there are too many of them"), 62 - MAX_ATTACHMENTS);
}

#[test]
fn text_without_headers_is_no_message() {
    for bytes in [&b"\n\n\n"[..], b"\xff\xfe\x00"] {
        let outcome = read(bytes, &Limits::default(), None);
        assert!(
            matches!(outcome, Err(ExtractError::Damaged(_))),
            "{outcome:?}"
        );
    }
}
