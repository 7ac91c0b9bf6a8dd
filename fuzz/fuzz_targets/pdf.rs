//! PDF, and the pictures of scanned pages up to whatever reads them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract_with_ocr};

fuzz_target!(init: okra_fuzz::let_panics_be_caught(), |bytes: &[u8]| {
    let ocr = okra_fuzz::reads_sizes();
    let _ = extract_with_ocr(bytes, Format::Pdf, &Limits::default(), Some(&ocr));
});
