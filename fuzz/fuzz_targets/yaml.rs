//! YAML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract, yaml_value};

fuzz_target!(|bytes: &[u8]| {
    let _ = extract(bytes, Format::Yaml, &Limits::default());
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = yaml_value(text, &Limits::default());
    }
});
