//! The text formats: the first byte chooses one of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract};

const FORMATS: [Format; 7] = [
    Format::Text,
    Format::Markdown,
    Format::Csv,
    Format::Tsv,
    Format::Json,
    Format::WebVtt,
    Format::SubRip,
];

fuzz_target!(|input: &[u8]| {
    if let Some((&choice, bytes)) = input.split_first() {
        let format = FORMATS[usize::from(choice) % FORMATS.len()];
        if let Ok(document) = extract(bytes, format, &Limits::default()) {
            assert!(
                document
                    .blocks
                    .iter()
                    .all(|block| !block.text.trim().is_empty())
            );
        }
    }
});
