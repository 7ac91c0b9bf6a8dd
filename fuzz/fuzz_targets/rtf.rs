//! RTF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract};

fuzz_target!(|bytes: &[u8]| {
    let _ = extract(bytes, Format::Rtf, &Limits::default());
});
