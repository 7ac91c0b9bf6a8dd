//! OpenDocument and EPUB: as packages, and the contents of a package that is sound.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use okra_extract::{Format, Limits, extract};
use zip::write::SimpleFileOptions;

const FORMATS: [Format; 4] = [Format::Odt, Format::Odp, Format::Ods, Format::Epub];

fuzz_target!(init: okra_fuzz::let_panics_be_caught(), |input: &[u8]| {
    let limits = Limits::default();
    if let Some((&choice, bytes)) = input.split_first() {
        let format = FORMATS[usize::from(choice) % FORMATS.len()];
        let _ = extract(bytes, format, &limits);
        let _ = extract(&packed(format, bytes), format, &limits);
    }
});

/// A package whose contents are these bytes.
fn packed(format: Format, contents: &[u8]) -> Vec<u8> {
    let container: &[u8] = b"<container><rootfile full-path=\"content.xml\"/></container>";
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, part) in [
        ("mimetype", format.media_type().as_bytes()),
        ("META-INF/container.xml", container),
        ("content.xml", contents),
    ] {
        let options = SimpleFileOptions::default();
        writer.start_file(name, options).expect("in memory");
        writer.write_all(part).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}
