//! A fetched web page to a document: its main content where that can be found, else its whole body.

use encoding_rs::Encoding;

use super::sanitize::sanitize;
use super::{blocks, whole_body};
use crate::decode::decode_labelled;
use crate::sink::BlockSink;
use crate::{Document, ExtractError, Limits, guard};

/// Main content shorter than this is checked against the whole body.
const LITTLE_CHARS: usize = 500;

/// Reads a fetched web page. `url` is where it was found, for links and the reader of error messages;
/// `content_type` the `Content-Type` header, whose charset is believed unless the bytes contradict it.
///
/// The main content is what the Readability algorithm picks. Where that is little and less than half of
/// what the body holds (a shop's short pages, a list of questions), the whole body is taken instead:
/// some navigation in the text does less harm than a missing answer.
///
/// # Errors
/// As [`extract`](crate::extract()): `Empty`, `NoText`, `Damaged`, `TooLarge`, `OutOfTime`.
pub fn web_page(
    html: &[u8],
    url: &str,
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Document, ExtractError> {
    if html.is_empty() {
        return Err(ExtractError::Empty);
    }
    let html = decode_labelled(html, declared_encoding(html, content_type))?;
    let body = whole_body(&html, limits)?;
    let mut document = match main_content(&html, url, limits)? {
        Some(main) if is_enough(&main, &body) => main,
        _ => body.clone(),
    };
    document.title = document.title.or(body.title);
    if document.blocks.is_empty() {
        return Err(ExtractError::NoText);
    }
    Ok(document)
}

fn is_enough(main: &Document, body: &Document) -> bool {
    let main_chars = chars(main);
    main_chars > 0 && (main_chars >= LITTLE_CHARS || main_chars * 2 >= chars(body))
}

fn chars(document: &Document) -> usize {
    document
        .blocks
        .iter()
        .map(|block| block.text.chars().count())
        .sum()
}

/// The main content, `None` where the page has none that stands out.
fn main_content(html: &str, url: &str, limits: &Limits) -> Result<Option<Document>, ExtractError> {
    let html = sanitize(html);
    let url = url.to_owned();
    let found = guard::run(limits, move |_| {
        // Its errors mean "no main content"; an address it can't parse only costs absolute links.
        let readability = dom_smoothie::Readability::new(html.as_str(), Some(&url), None)
            .or_else(|_| dom_smoothie::Readability::new(html.as_str(), None, None));
        let article = readability.and_then(|mut readability| readability.parse());
        Ok(article
            .ok()
            .map(|article| (article.title.to_string(), article.content.to_string())))
    });
    let (title, content) = match found {
        Ok(Some(article)) => article,
        // A page that makes the finder panic still has a body.
        Ok(None) | Err(ExtractError::Damaged(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut sink = BlockSink::new(limits);
    sink.set_title(&title);
    blocks::read_into(&content, &mut sink, true)?;
    Ok(Some(sink.finish()))
}

/// The encoding that the header, or a `meta` element near the beginning, names.
pub(super) fn declared_encoding(
    html: &[u8],
    content_type: Option<&str>,
) -> Option<&'static Encoding> {
    let from_header = content_type.and_then(|header| charset_in(header.as_bytes()));
    from_header.or_else(|| charset_in(&html[..html.len().min(1024)]))
}

fn charset_in(text: &[u8]) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    let start = lower.windows(8).position(|window| window == b"charset=")? + 8;
    let label = lower[start..]
        .split(|byte| matches!(byte, b'"' | b'\'' | b';' | b'>' | b'/' | b' '))
        .find(|label| !label.is_empty())?;
    Encoding::for_label(label)
}
