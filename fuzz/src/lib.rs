//! What the targets share.

/// Lets a panic unwind as it does in the server, where the readers' own thread ends with it and the document fails alone.
/// libFuzzer's hook would abort at once, so that a panic of a library is all that is ever found. One that escapes
/// still aborts.
pub fn let_panics_be_caught() {
    std::panic::set_hook(Box::new(|_| {}));
}
