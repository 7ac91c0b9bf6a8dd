//! Sitemaps (sitemaps.org): a list of a site's pages, or an index of such lists; as XML, packed with
//! gzip or not, or as plain lines.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::address;
use crate::ExtractError;

/// A packed sitemap unpacks to this at most, in bytes: what the protocol allows.
const MAX_UNPACKED: u64 = 50 * 1024 * 1024;
/// Addresses of one sitemap at most: what the protocol allows.
const MAX_ADDRESSES: usize = 50_000;
/// Elements within one another: a sitemap has four, with whatever else is in an entry.
const MAX_DEPTH: usize = 50;

/// What a sitemap names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sitemap {
    /// Other sitemaps.
    pub sitemaps: Vec<String>,
    /// Pages.
    pub pages: Vec<String>,
}

/// Reads a sitemap. What follows damaged XML is left out, what came before it counts.
///
/// # Errors
/// `Empty`; `Damaged` where this is no sitemap; `TooLarge` where it unpacks to more than 50 MB.
pub fn sitemap(bytes: &[u8]) -> Result<Sitemap, ExtractError> {
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(bytes)
            .take(MAX_UNPACKED + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| ExtractError::damaged(format!("it cannot be unpacked ({error})")))?;
        if unpacked.len() as u64 > MAX_UNPACKED {
            return Err(ExtractError::too_large(
                "a sitemap unpacks to 50 MB at most",
            ));
        }
        return plain(&unpacked);
    }
    plain(bytes)
}

fn plain(bytes: &[u8]) -> Result<Sitemap, ExtractError> {
    let text = crate::decode::decode(bytes)?;
    let text = text.trim_start();
    let found = match text.starts_with('<') {
        true => xml(text),
        false => lines(text),
    };
    found.ok_or_else(|| ExtractError::damaged("it is no sitemap"))
}

/// One address a line.
fn lines(text: &str) -> Option<Sitemap> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pages: Vec<String> = lines
        .take(MAX_ADDRESSES)
        .map(|line| line.starts_with("http").then(|| address(line)).flatten())
        .collect::<Option<_>>()?;
    Some(Sitemap {
        sitemaps: Vec::new(),
        pages,
    })
}

/// `None` where neither a set of addresses nor an index begins it.
fn xml(text: &str) -> Option<Sitemap> {
    let mut found = Sitemap::default();
    let mut reader = Reader::from_str(text);
    let mut root: Option<bool> = None;
    // The innermost of the elements that matter: `loc` counts directly within an entry alone, since
    // images and videos have addresses too.
    let mut open: Vec<String> = Vec::new();
    let mut location = String::new();
    while found.pages.len() + found.sitemaps.len() < MAX_ADDRESSES && open.len() < MAX_DEPTH {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                let name = tag.local_name().as_ref().to_owned();
                if root.is_none() {
                    root = Some(match name.as_str() {
                        "urlset" => false,
                        "sitemapindex" => true,
                        _ => return None,
                    });
                }
                open.push(name);
                location.clear();
            }
            Ok(Event::Text(text)) if in_location(&open) => location.push_str(&text),
            Ok(Event::CData(text)) if in_location(&open) => location.push_str(&text),
            Ok(Event::GeneralRef(entity)) if in_location(&open) => {
                let known = quick_xml::escape::resolve_predefined_entity(&entity);
                let numbered = || entity.resolve_char_ref().ok().flatten();
                match known {
                    Some(text) => location.push_str(text),
                    None => location.extend(numbered()),
                }
            }
            Ok(Event::End(_)) => {
                if in_location(&open)
                    && let Some(found_address) = address(&location)
                {
                    match root {
                        Some(true) => found.sitemaps.push(found_address),
                        _ => found.pages.push(found_address),
                    }
                }
                location.clear();
                open.pop();
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    root.map(|_| found)
}

fn in_location(open: &[String]) -> bool {
    matches!(open, [_, entry, location]
        if matches!(entry.as_str(), "url" | "sitemap") && location == "loc")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    const PAGES: &str = "<?xml version=\"1.0\"?><!-- made -->\n<urlset \
        xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:image=\"x\"><url><loc> \
        https://a.example/?a=1&amp;b=&#50; </loc><lastmod>2025-01-22</lastmod><image:image>\
        <image:loc>https://a.example/x.png</image:loc></image:image></url>\
        <url><loc><![CDATA[https://a.example/2]]></loc></url></urlset>";

    #[test]
    fn pages_and_indexes_are_read_packed_or_not() {
        let expected = ["https://a.example/?a=1&b=2", "https://a.example/2"];
        for bytes in [PAGES.as_bytes().to_vec(), packed(PAGES.as_bytes())] {
            let found = sitemap(&bytes).expect("a sitemap");
            assert_eq!(found.pages, expected);
            assert!(found.sitemaps.is_empty());
        }
        let index = "<s:sitemapindex xmlns:s=\"x\"><s:sitemap><s:loc>https://a.example/1.xml.gz\
                     </s:loc></s:sitemap></s:sitemapindex>";
        let found = sitemap(index.as_bytes()).expect("an index");
        assert_eq!(found.sitemaps, ["https://a.example/1.xml.gz"]);
        let found = sitemap(b"https://a.example/1\n\nhttps://a.example/2\n").expect("lines");
        assert_eq!(found.pages.len(), 2);
    }

    #[test]
    fn what_is_no_sitemap_says_so() {
        for bytes in [
            &b"<html><body>Not found</body></html>"[..],
            b"Not found",
            b"\x1f\x8b\x08nothing",
            b"<",
            b"<?xml version=\"1.0\"?>",
        ] {
            let error = sitemap(bytes).expect_err("no sitemap");
            assert!(matches!(error, ExtractError::Damaged(_)), "{error}");
        }
        assert_eq!(sitemap(b""), Err(ExtractError::Empty));
    }

    #[test]
    fn bombs_are_bounded() {
        let zeros = packed(&vec![b' '; 51 * 1024 * 1024]);
        let error = sitemap(&zeros).expect_err("too large");
        assert!(matches!(error, ExtractError::TooLarge(_)), "{error}");
        let many = "<url><loc>https://a.example/1</loc></url>".repeat(60_000);
        let found = sitemap(format!("<urlset>{many}</urlset>").as_bytes()).expect("a sitemap");
        assert_eq!(found.pages.len(), MAX_ADDRESSES);
        let entities = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><urlset><url><loc>\
                        https://a.example/&b;</loc></url></urlset>";
        let found = sitemap(entities.as_bytes()).expect("a sitemap");
        assert_eq!(found.pages, ["https://a.example/"]);
        // Packed small, with a name to be remembered for every three bytes of it.
        let deep = format!("<urlset>{}", "<a>".repeat(16 * 1024 * 1024));
        assert_eq!(sitemap(&packed(deep.as_bytes())), Ok(Sitemap::default()));
        let cut = &PAGES[..PAGES.len() - 60];
        assert_eq!(
            sitemap(cut.as_bytes()).expect("its beginning").pages.len(),
            1
        );
    }
}
