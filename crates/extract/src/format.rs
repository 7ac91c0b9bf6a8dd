//! Which formats can be read, and which one a file is: by its name's extension and by its first
//! bytes, which must agree. Called by the engine when a file is uploaded, before anything is stored.

use std::fmt;

use magic::Kind;
use serde::{Deserialize, Serialize};

pub(crate) use magic::looks_like_text;

mod magic;

/// A file format whose text can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// Plain text in any common encoding.
    Text,
    /// Markdown (CommonMark with tables), front matter allowed.
    Markdown,
    /// A web page saved as a file.
    Html,
    /// A PDF; where its pages are pictures, it takes OCR.
    Pdf,
    /// A Word document (Office Open XML).
    Docx,
    /// A PowerPoint presentation (Office Open XML).
    Pptx,
    /// An Excel workbook (Office Open XML).
    Xlsx,
    /// A workbook of Excel 97 to 2003.
    Xls,
    /// An OpenDocument text.
    Odt,
    /// An OpenDocument presentation.
    Odp,
    /// An OpenDocument spreadsheet.
    Ods,
    /// An EPUB book.
    Epub,
    /// A Rich Text Format document.
    Rtf,
    /// Comma- or semicolon-separated values with a header row.
    Csv,
    /// Tab-separated values with a header row.
    Tsv,
    /// JSON, or JSON Lines.
    Json,
    /// YAML, one document or several.
    Yaml,
    /// XML of any kind.
    Xml,
    /// An e-mail with its attachments (RFC 5322).
    Email,
    /// Subtitles in WebVTT.
    WebVtt,
    /// Subtitles in SubRip.
    SubRip,
    /// A PNG image; images take OCR.
    Png,
    /// A JPEG image.
    Jpeg,
    /// A WebP image.
    Webp,
    /// A GIF image, whose first picture is read.
    Gif,
    /// A TIFF image of one page or several.
    Tiff,
}

/// What is known of a format.
struct Facts {
    extensions: &'static [&'static str],
    media_type: &'static str,
    with_article: &'static str,
}

impl Format {
    /// Every format, in the order in which they are listed to people.
    pub const ALL: [Self; 26] = [
        Self::Text,
        Self::Markdown,
        Self::Html,
        Self::Pdf,
        Self::Docx,
        Self::Pptx,
        Self::Xlsx,
        Self::Xls,
        Self::Odt,
        Self::Odp,
        Self::Ods,
        Self::Epub,
        Self::Rtf,
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::Yaml,
        Self::Xml,
        Self::Email,
        Self::WebVtt,
        Self::SubRip,
        Self::Png,
        Self::Jpeg,
        Self::Webp,
        Self::Gif,
        Self::Tiff,
    ];

    /// Finds the format of a file from its name and its first bytes (a few kilobytes are enough; fewer
    /// only where the file is shorter).
    ///
    /// The extension says which of the text formats it is, since Markdown can't be told from plain
    /// text; the bytes only confirm or contradict it. A name without an extension goes by the bytes.
    ///
    /// # Errors
    /// [`Unsupported`] where the name's format can't be read, or the bytes are of another kind than
    /// the name says.
    pub fn detect(file_name: &str, head: &[u8]) -> Result<Self, Unsupported> {
        let found = magic::kind_of(head);
        let Some(extension) = extension_of(file_name) else {
            return found
                .format()
                .ok_or_else(|| Unsupported::content(found, None));
        };
        let Some(format) = Self::from_extension(&extension) else {
            return Err(match found {
                Kind::Foreign(_) => Unsupported::content(found, None),
                _ => Unsupported::extension(&extension),
            });
        };
        if format.accepts(found) {
            Ok(format)
        } else {
            Err(Unsupported::content(found, Some(extension)))
        }
    }

    /// The format that files with this extension (no dot, any case) are in.
    pub fn from_extension(extension: &str) -> Option<Self> {
        let extension = extension.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| format.extensions().contains(&extension.as_str()))
    }

    /// The extensions of its files without the dot, the usual one first.
    pub const fn extensions(self) -> &'static [&'static str] {
        self.facts().extensions
    }

    /// Its media type, as in a `Content-Type` header.
    pub const fn media_type(self) -> &'static str {
        self.facts().media_type
    }

    /// What a person calls it, with its article: "a PDF".
    pub const fn with_article(self) -> &'static str {
        self.facts().with_article
    }

    /// The format of a file that is sent under a media type (without parameters, in any case).
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let is_it = |format: &Self| format.media_type().eq_ignore_ascii_case(media_type);
        let other = |(name, _): &&(&str, Self)| name.eq_ignore_ascii_case(media_type);
        let formats = Self::ALL.into_iter();
        formats.clone().find(is_it).or_else(|| {
            OTHER_MEDIA_TYPES
                .iter()
                .find(other)
                .map(|&(_, format)| format)
        })
    }

    /// The format of a package that names this type in itself, as OpenDocument and EPUB demand.
    pub(crate) fn of_package_type(named: &str) -> Option<Self> {
        let named = named.strip_suffix("-template").unwrap_or(named);
        [Self::Odt, Self::Odp, Self::Ods, Self::Epub]
            .into_iter()
            .find(|format| format.media_type() == named)
    }

    const fn facts(self) -> Facts {
        let (extensions, media_type, with_article): (&[&str], _, _) = match self {
            Self::Text => (&["txt", "text", "log"], "text/plain", "a text file"),
            Self::Markdown => (
                &["md", "markdown", "mdx"],
                "text/markdown",
                "a Markdown file",
            ),
            Self::Html => (&["html", "htm", "xhtml"], "text/html", "a web page"),
            Self::Pdf => (&["pdf"], "application/pdf", "a PDF"),
            Self::Docx => (
                &["docx", "docm"],
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                "a Word document",
            ),
            Self::Pptx => (
                &["pptx", "pptm", "ppsx"],
                "application/vnd.openxmlformats-officedocument.presentationml.presentation",
                "a PowerPoint presentation",
            ),
            Self::Xlsx => (
                &["xlsx", "xlsm"],
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "an Excel workbook",
            ),
            Self::Xls => (
                &["xls"],
                "application/vnd.ms-excel",
                "an older Excel workbook",
            ),
            Self::Odt => (
                &["odt", "ott"],
                "application/vnd.oasis.opendocument.text",
                "an OpenDocument text",
            ),
            Self::Odp => (
                &["odp", "otp"],
                "application/vnd.oasis.opendocument.presentation",
                "an OpenDocument presentation",
            ),
            Self::Ods => (
                &["ods", "ots"],
                "application/vnd.oasis.opendocument.spreadsheet",
                "an OpenDocument spreadsheet",
            ),
            Self::Epub => (&["epub"], "application/epub+zip", "an EPUB book"),
            Self::Rtf => (&["rtf"], "application/rtf", "an RTF document"),
            Self::Csv => (&["csv"], "text/csv", "a CSV file"),
            Self::Tsv => (&["tsv", "tab"], "text/tab-separated-values", "a TSV file"),
            Self::Json => (
                &["json", "jsonl", "ndjson"],
                "application/json",
                "a JSON file",
            ),
            Self::Yaml => (&["yaml", "yml"], "application/yaml", "a YAML file"),
            Self::Xml => (&["xml"], "application/xml", "an XML file"),
            Self::Email => (&["eml"], "message/rfc822", "an e-mail"),
            Self::WebVtt => (&["vtt"], "text/vtt", "a file of subtitles"),
            Self::SubRip => (&["srt"], "application/x-subrip", "a file of subtitles"),
            Self::Png => (&["png"], "image/png", "a PNG image"),
            Self::Jpeg => (&["jpg", "jpeg"], "image/jpeg", "a JPEG image"),
            Self::Webp => (&["webp"], "image/webp", "a WebP image"),
            Self::Gif => (&["gif"], "image/gif", "a GIF image"),
            Self::Tiff => (&["tiff", "tif"], "image/tiff", "a TIFF image"),
        };
        Facts {
            extensions,
            media_type,
            with_article,
        }
    }

    /// Whether a file of this extension may begin so.
    fn accepts(self, found: Kind) -> bool {
        match found {
            Kind::Empty => true,
            Kind::Pdf => self == Self::Pdf,
            Kind::Zip => self.is_package(),
            Kind::Known(format) => self == format || (self.is_picture() && format.is_picture()),
            Kind::OldOffice => self == Self::Xls,
            // Text of one kind can be shown as text of another: a saved page named .txt, JSON in .md.
            Kind::Text | Kind::Html => self.is_text(),
            Kind::Foreign(_) | Kind::Binary => false,
        }
    }

    fn is_package(self) -> bool {
        matches!(
            self,
            Self::Docx | Self::Pptx | Self::Xlsx | Self::Odt | Self::Odp | Self::Ods | Self::Epub
        )
    }

    fn is_picture(self) -> bool {
        matches!(
            self,
            Self::Png | Self::Jpeg | Self::Webp | Self::Gif | Self::Tiff
        )
    }

    fn is_text(self) -> bool {
        !self.is_package()
            && !self.is_picture()
            && !matches!(self, Self::Pdf | Self::Xls | Self::Rtf)
    }
}

/// Other media types under which servers send these formats.
const OTHER_MEDIA_TYPES: &[(&str, Format)] = &[
    ("application/xhtml+xml", Format::Html),
    ("text/x-markdown", Format::Markdown),
    ("text/rtf", Format::Rtf),
    ("application/x-yaml", Format::Yaml),
    ("text/yaml", Format::Yaml),
    ("text/x-yaml", Format::Yaml),
    ("text/xml", Format::Xml),
    ("application/x-ndjson", Format::Json),
    ("text/json", Format::Json),
    ("image/jpg", Format::Jpeg),
];

/// A file that can't be read; its text says what it is and what can be read instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    found: String,
    extension: Option<String>,
}

impl Unsupported {
    fn content(found: Kind, extension: Option<String>) -> Self {
        Self {
            found: found.with_article().to_owned(),
            extension,
        }
    }

    fn extension(extension: &str) -> Self {
        let shown: String = extension.chars().take(20).collect();
        Self {
            found: format!("a .{shown} file"),
            extension: None,
        }
    }
}

impl Unsupported {
    /// What it is, in a sentence.
    pub fn reason(&self) -> String {
        let found = &self.found;
        match &self.extension {
            Some(extension) => {
                format!("The file is named .{extension} but its contents are {found}.")
            }
            None => format!("This is {found}, which can't be read."),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Files that can be read: ", self.reason())?;
        for (place, format) in Format::ALL.into_iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{}", format.extensions()[0])?;
        }
        f.write_str(".")
    }
}

impl std::error::Error for Unsupported {}

/// The lower-case extension of a file name, `None` where it has none. A leading dot starts no
/// extension (`.env`), and neither does a dot followed by white space (`Dr. Kim`).
fn extension_of(file_name: &str) -> Option<String> {
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
    let (stem, extension) = base.rsplit_once('.')?;
    let plausible =
        !stem.is_empty() && !extension.is_empty() && !extension.contains(char::is_whitespace);
    plausible.then(|| extension.to_lowercase())
}

#[cfg(test)]
mod tests;
