//! Any name with any bytes gets an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::Format;

fuzz_target!(|input: (String, Vec<u8>)| {
    let (name, head) = input;
    if let Err(refusal) = Format::detect(&name, &head) {
        assert!(refusal.to_string().ends_with("."));
    }
});
