//! What bytes are, from their beginning. Knows only enough of other formats to name them in a
//! refusal; the signatures are those of the formats' own specifications.

use super::Format;

/// What a file's first bytes say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing at all; refused later with a reason of its own.
    Empty,
    /// Text without further marks.
    Text,
    /// Text that begins like a web page.
    Html,
    Pdf,
    /// A zip archive, which many formats are.
    Zip,
    /// What only one readable format begins like.
    Known(Format),
    /// The container of Office files from before 2007, and of newer ones with a password.
    OldOffice,
    /// A known format that can't be read, with its article.
    Foreign(&'static str),
    /// Not text, and no known format.
    Binary,
}

impl Kind {
    /// The format of a file without an extension.
    pub(super) fn format(self) -> Option<Format> {
        match self {
            Self::Text | Self::Empty => Some(Format::Text),
            Self::Html => Some(Format::Html),
            Self::Pdf => Some(Format::Pdf),
            Self::Known(format) => Some(format),
            Self::Zip | Self::OldOffice | Self::Foreign(_) | Self::Binary => None,
        }
    }

    /// What a person calls it.
    pub(super) fn with_article(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::Text => "plain text",
            Self::Html => "a web page",
            Self::Pdf => "a PDF",
            Self::Zip => "a zip archive",
            Self::Known(format) => format.with_article(),
            Self::OldOffice => "an older Office file or an Office file protected by a password",
            Self::Foreign(name) => name,
            Self::Binary => "binary data of an unknown kind",
        }
    }
}

/// Finds out what a file is from its first bytes.
pub(super) fn kind_of(head: &[u8]) -> Kind {
    if head.is_empty() {
        return Kind::Empty;
    }
    let begins = |offset: usize, signature: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(signature))
    };
    for &(offset, signature, format) in KNOWN {
        if begins(offset, signature) {
            return Kind::Known(format);
        }
    }
    if begins(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Kind::OldOffice;
    }
    for &(offset, signature, name) in SIGNATURES {
        if begins(offset, signature) {
            return Kind::Foreign(name);
        }
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return zip_kind(head);
    }
    // Readers of PDF accept up to 1,024 bytes of something else before the mark.
    let start = &head[..head.len().min(1024)];
    if start.windows(5).any(|window| window == b"%PDF-") {
        return Kind::Pdf;
    }
    if !looks_like_text(head) {
        return Kind::Binary;
    }
    let lower = String::from_utf8_lossy(start).to_ascii_lowercase();
    let begin = lower.trim_start_matches('\u{feff}').trim_start();
    if begin.starts_with("<!doctype html") || begin.starts_with("<html") {
        return Kind::Html;
    }
    Kind::Text
}

/// A zip archive's own type, where its first entry names it as OpenDocument and EPUB demand.
fn zip_kind(head: &[u8]) -> Kind {
    let first = &head[..head.len().min(200)];
    let place = |text: &[u8]| first.windows(text.len()).position(|window| window == text);
    if let Some(start) = place(b"mimetypeapplication/") {
        let named = &first[start + "mimetype".len()..];
        let end = named.iter().position(|byte| !byte.is_ascii_graphic());
        let named = String::from_utf8_lossy(&named[..end.unwrap_or(named.len())]);
        // What follows the type is the next entry's mark.
        let named = named.split("PK").next().unwrap_or_default();
        if let Some(format) = Format::of_package_type(named) {
            return Kind::Known(format);
        }
        if named.starts_with("application/vnd.oasis.opendocument") {
            return Kind::Foreign("an OpenDocument file of another kind");
        }
    }
    if place(b"META-INF/MANIFEST.MF").is_some() {
        Kind::Foreign("a Java archive")
    } else {
        Kind::Zip
    }
}

/// Whether bytes may be text in some encoding: no NUL outside UTF-16 with its byte order mark, and
/// hardly any other control characters.
pub(crate) fn looks_like_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    // ESC is allowed for terminal logs and for ISO-2022, the older East Asian mail encodings.
    let odd = |byte: &&u8| matches!(byte, 0x01..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    let odd_bytes = head.iter().filter(odd).count();
    !head.contains(&0) && odd_bytes * 100 <= head.len()
}

/// Offset and signature of formats that can be read and begin like no other.
const KNOWN: &[(usize, &[u8], Format)] = &[
    (0, b"\x89PNG\r\n\x1a\n", Format::Png),
    (0, b"\xff\xd8\xff", Format::Jpeg),
    (0, b"GIF87a", Format::Gif),
    (0, b"GIF89a", Format::Gif),
    (8, b"WEBPVP8", Format::Webp),
    (0, b"II*\0", Format::Tiff),
    (0, b"MM\0*", Format::Tiff),
    (0, b"{\\rtf", Format::Rtf),
];

/// Offset, signature and name of formats that can't be read.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (8, b"WAVEfmt ", "a WAV sound file"),
    (8, b"AVI LIST", "an AVI video"),
    (0, b"\0\0\x01\0", "an icon"),
    (0, b"8BPS\0", "a Photoshop image"),
    (4, b"ftyphei", "a HEIC image"),
    (4, b"ftypmif1", "a HEIC image"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftypM4A", "an MP4 sound file"),
    (4, b"ftyp", "an MP4 video"),
    (0, b"ID3\x02", "an MP3 sound file"),
    (0, b"ID3\x03", "an MP3 sound file"),
    (0, b"ID3\x04", "an MP3 sound file"),
    (0, b"OggS\0", "an Ogg sound file"),
    (0, b"fLaC\0", "a FLAC sound file"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh91AY&SY", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"AT&TFORM", "a DjVu document"),
    (0, b"BOOKMOBI", "a Mobipocket book"),
    (60, b"BOOKMOBI", "a Mobipocket book"),
    (0, b"MZ", "a Windows program"),
    (0, b"\x7fELF", "a Linux program"),
    (0, b"\xcf\xfa\xed\xfe", "a macOS program"),
    (0, b"\xca\xfe\xba\xbe", "a compiled program"),
    (0, b"\0asm", "a WebAssembly program"),
    (0, b"SQLite format 3\0", "a SQLite database"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"wOFF", "a font"),
    (0, b"wOF2", "a font"),
    (0, b"OTTO\0", "a font"),
    (0, b"\0\x01\0\0\0", "a font"),
];
