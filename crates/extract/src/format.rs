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
    /// A PDF with a text layer.
    Pdf,
    /// A Word document (Office Open XML).
    Docx,
    /// Comma-, semicolon- or tab-separated values with a header row.
    Csv,
    /// JSON, or JSON Lines.
    Json,
    /// An Excel workbook (Office Open XML).
    Xlsx,
}

impl Format {
    /// Every format, in the order in which they are listed to people.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::Markdown,
        Self::Html,
        Self::Pdf,
        Self::Docx,
        Self::Csv,
        Self::Json,
        Self::Xlsx,
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
        match self {
            Self::Text => &["txt", "text", "log"],
            Self::Markdown => &["md", "markdown", "mdx"],
            Self::Html => &["html", "htm", "xhtml"],
            Self::Pdf => &["pdf"],
            Self::Docx => &["docx", "docm"],
            Self::Csv => &["csv", "tsv"],
            Self::Json => &["json", "jsonl", "ndjson"],
            Self::Xlsx => &["xlsx", "xlsm"],
        }
    }

    /// Its media type, as in a `Content-Type` header.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// What a person calls it, with its article: "a PDF".
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Text => "a text file",
            Self::Markdown => "a Markdown file",
            Self::Html => "a web page",
            Self::Pdf => "a PDF",
            Self::Docx => "a Word document",
            Self::Csv => "a CSV file",
            Self::Json => "a JSON file",
            Self::Xlsx => "an Excel workbook",
        }
    }

    fn accepts(self, found: Kind) -> bool {
        match self {
            Self::Pdf => matches!(found, Kind::Pdf | Kind::Empty),
            Self::Docx | Self::Xlsx => matches!(found, Kind::Zip | Kind::Empty),
            // Text of one kind can be shown as text of another: a saved page named .txt, JSON in .md.
            _ => matches!(found, Kind::Text | Kind::Html | Kind::Empty),
        }
    }
}

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

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.extension {
            Some(extension) => write!(
                f,
                "The file is named .{extension} but its contents are {}. ",
                self.found
            )?,
            None => write!(f, "This is {}, which can't be read. ", self.found)?,
        }
        f.write_str("Files that can be read: ")?;
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
