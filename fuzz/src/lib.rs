//! What the targets share.

use okra_extract::{ExtractError, Ocr};

/// Lets a panic unwind as it does in the server, where the readers' own thread ends with it and the document fails alone.
/// libFuzzer's hook would abort at once, so that a panic of a library is all that is ever found. One that escapes
/// still aborts.
pub fn let_panics_be_caught() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// A reader of pictures that is none: the text is how large the picture's file is, on two pages, and one in four cannot
/// be read.
pub fn reads_sizes() -> Ocr {
    Ocr::new(|picture| match picture.len() {
        length if length % 4 == 3 => Err(ExtractError::Empty),
        length => Ok(format!("A picture of {length} bytes.\u{c}Its second page.")),
    })
}
