//! HTML as an uploaded file and as a fetched page.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract, web_page};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let _ = extract(bytes, Format::Html, &limits);
    let _ = web_page(bytes, "https://okra.example/page", None, &limits);
});
