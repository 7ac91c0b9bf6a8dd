//! PDF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract};

fuzz_target!(init: okra_fuzz::let_panics_be_caught(), |bytes: &[u8]| {
    let _ = extract(bytes, Format::Pdf, &Limits::default());
});
