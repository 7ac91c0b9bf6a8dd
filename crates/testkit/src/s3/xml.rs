//! As much XML as S3's small documents need: elements without attributes that matter.

/// `<name>content</name>`; the content is XML already.
pub(super) fn element(name: &str, content: &str) -> String {
    format!("<{name}>{content}</{name}>")
}

/// The contents of the elements of this name, in order. Elements of one name don't nest here.
pub(super) fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let begin = rest.find(&open)? + open.len();
        let end = begin + rest[begin..].find(&close)?;
        let content = &rest[begin..end];
        rest = &rest[end + close.len()..];
        Some(content)
    })
}

/// Text as it stands in XML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The text that stands in XML.
pub(super) fn unescape(xml: &str) -> String {
    xml.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_order() {
        let xml = "<A><K>1</K><L>x</L></A><A><K>2 &amp; &lt;3</K></A><K>";
        let keys: Vec<String> = elements(xml, "K").map(unescape).collect();
        assert_eq!(keys, ["1", "2 & <3"]);
        assert_eq!(elements(xml, "A").count(), 2);
        assert_eq!(elements("", "A").count(), 0);
    }

    #[test]
    fn what_is_escaped_is_read_back() {
        for text in ["a&b<c>\"d\"", "&amp;", "한국어", ""] {
            assert_eq!(unescape(&escape(text)), text);
        }
    }
}
