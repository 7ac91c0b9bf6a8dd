//! E-mails and their attachments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract_with_ocr};

fuzz_target!(|bytes: &[u8]| {
    let ocr = okra_fuzz::reads_sizes();
    let _ = extract_with_ocr(bytes, Format::Email, &Limits::default(), Some(&ocr));
});
