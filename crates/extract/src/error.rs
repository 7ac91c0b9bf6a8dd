//! Why a file could not be read, each reason a sentence for the person who uploaded it. The engine
//! stores the sentence with the failed item; none of them is worth a retry with the same bytes.

use crate::Format;

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// Zero bytes.
    #[error("The file is empty.")]
    Empty,
    /// A sound file without any text in it.
    #[error("The file holds no text.")]
    NoText,
    /// A PDF whose pages are pictures.
    #[error("This PDF holds only scanned images; no text could be read.")]
    ScannedImages,
    /// The text is in pictures, and nothing that reads pictures is there.
    #[error(
        "Its text is in pictures, and reading those takes tesseract, which is not installed on the \
         server. Install it (on Debian and Ubuntu: apt install tesseract-ocr, and tesseract-ocr-kor \
         and the like for other languages than English), then read this item again."
    )]
    NoOcr,
    /// The text is in pictures of a language for which the reader of pictures has no data.
    #[error(
        "Its text is in pictures, and tesseract on the server knows none of the languages {0}. \
         Install them (on Debian and Ubuntu: apt install tesseract-ocr-kor and the like) or change \
         OKRA_OCR_LANGUAGES, then read this item again."
    )]
    NoOcrLanguage(String),
    /// A book whose text is encrypted.
    #[error("This book is protected against copying (DRM), so its text can't be read.")]
    CopyProtected,
    /// A file that can't be opened without a password.
    #[error("This {0} is protected by a password. Remove the password and upload it again.")]
    Password(&'static str),
    /// The bytes break the format's rules.
    #[error("The file is damaged: {0}.")]
    Damaged(String),
    /// The bytes are sound but of another kind than the file's name says.
    #[error("The file is not {} but {found}.", expected.with_article())]
    WrongContent {
        /// What the name promised.
        expected: Format,
        /// What the bytes are, with its article: "an Excel workbook".
        found: &'static str,
    },
    /// Some limit on size was passed; holds what is too large and the limit.
    #[error("The file is too large: {0}.")]
    TooLarge(String),
    /// Values or tags nested deeper than the limit.
    #[error("The file is nested too deeply: more than {0} levels.")]
    TooDeep(usize),
    /// The deadline passed.
    #[error("Reading the file took too long and was stopped.")]
    OutOfTime,
}

impl ExtractError {
    /// The bytes break the format's rules; `detail` completes "The file is damaged: ".
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged(detail.into())
    }

    /// `what` completes "The file is too large: ".
    pub(crate) fn too_large(what: impl Into<String>) -> Self {
        Self::TooLarge(what.into())
    }
}
