//! Word documents, presentations and workbooks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract};

fuzz_target!(init: okra_fuzz::let_panics_be_caught(), |bytes: &[u8]| {
    let limits = Limits::default();
    let _ = extract(bytes, Format::Docx, &limits);
    let _ = extract(bytes, Format::Pptx, &limits);
    let _ = extract(bytes, Format::Xlsx, &limits);
    let _ = extract(bytes, Format::Xls, &limits);
});
