//! Finds where a picture ends in its file, by walking the container's blocks without decoding them.
//!
//! Decoders forgive a missing end: they fill the rest of a cut-off JPEG with grey and report success. Whoever uploaded
//! half a file should be told so instead. The walk also bounds what decoders do not: how often a progressive JPEG may
//! go over its pixels.
//!
//! Layouts: PNG (RFC 2083, chapter 3), JPEG (ITU-T T.81, annex B), GIF89a (appendix "A"), WebP (RFC 9649).

use super::Format;

/// Real encoders write about ten scans. Each one visits every pixel, so that a small file with thousands of them
/// would keep a decoder busy for minutes.
const MAX_JPEG_SCANS: usize = 64;

const CUT_OFF: &str = "its end is missing";

/// The length of the picture in `bytes`, which begins with the signature of `format`; what follows is not part of it.
pub fn end(format: Format, bytes: &[u8]) -> Result<usize, &'static str> {
    match format {
        Format::Png => png(bytes).ok_or(CUT_OFF),
        Format::Jpeg => jpeg(bytes),
        Format::Gif => gif(bytes),
        Format::Webp => webp(bytes).ok_or(CUT_OFF),
    }
}

/// Chunks of length, type, content and checksum, up to IEND.
fn png(bytes: &[u8]) -> Option<usize> {
    let mut at = 8_usize;
    loop {
        let head = bytes.get(at..at.checked_add(8)?)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        at = at
            .checked_add(usize::try_from(length).ok()?)?
            .checked_add(12)?;
        if at > bytes.len() {
            return None;
        }
        if head[4..] == *b"IEND" {
            return Some(at);
        }
    }
}

/// Segments up to the end-of-image marker; after a start of scan, coded data up to the next marker.
fn jpeg(bytes: &[u8]) -> Result<usize, &'static str> {
    let mut at = 2_usize;
    let mut scans = 0;
    loop {
        let (marker, after) = jpeg_marker(bytes, at).ok_or(CUT_OFF)?;
        at = after;
        match marker {
            // End of image.
            0xD9 => return Ok(at),
            // A stuffed zero, a restart, or a marker without content: coded data goes on.
            0x00 | 0x01 | 0xD0..=0xD7 => continue,
            0xDA => scans += 1,
            _ => {}
        }
        if scans > MAX_JPEG_SCANS {
            return Err("it goes over its pixels more than 64 times");
        }
        let length = bytes.get(at..at + 2).ok_or(CUT_OFF)?;
        at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
    }
}

/// The next marker at or after `at`, and the position behind it. Fill bytes before a marker are skipped.
fn jpeg_marker(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = bytes.get(at..)?;
    let first = rest.iter().position(|&byte| byte == 0xFF)?;
    let code = first + rest[first..].iter().position(|&byte| byte != 0xFF)?;
    Some((rest[code], at + code + 1))
}

/// Extensions and images, each a list of sub-blocks, up to the trailer.
fn gif(bytes: &[u8]) -> Result<usize, &'static str> {
    let screen = bytes.get(6..13).ok_or(CUT_OFF)?;
    let mut at = 13 + color_table(screen[4]);
    loop {
        match bytes.get(at).ok_or(CUT_OFF)? {
            b';' => return Ok(at + 1),
            b'!' => at += 2,
            b',' => {
                let flags = bytes.get(at + 9).ok_or(CUT_OFF)?;
                // The descriptor, the table, and one byte for the code size.
                at += 10 + color_table(*flags) + 1;
            }
            _ => return Err("a block of an unknown kind is in it"),
        }
        loop {
            let length = usize::from(*bytes.get(at).ok_or(CUT_OFF)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
}

/// The size in bytes of the colour table that a GIF's flags announce.
fn color_table(flags: u8) -> usize {
    if flags & 0x80 == 0 {
        0
    } else {
        3 << ((flags & 7) + 1)
    }
}

/// One RIFF chunk, whose header states its length.
fn webp(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(4..8)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    (end <= bytes.len()).then_some(end)
}
