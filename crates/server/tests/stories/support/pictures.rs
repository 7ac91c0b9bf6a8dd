//! Files that are pictures, and files that only look like some.

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

/// A picture of 700×350 pixels, half of it transparent.
pub fn picture(format: ImageFormat) -> Vec<u8> {
    let alpha = |x| if x < 350 { 0 } else { 255 };
    let image = RgbaImage::from_fn(700, 350, |x, y| {
        Rgba([(x % 256) as u8, (y % 256) as u8, 90, alpha(x)])
    });
    let image = DynamicImage::ImageRgba8(image);
    let image = match format {
        ImageFormat::Jpeg => DynamicImage::ImageRgb8(image.to_rgb8()),
        _ => image,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("a picture");
    bytes.into_inner()
}

/// Files that no call takes for a picture: name, content, status and code.
pub fn no_pictures() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec();
    let png = picture(ImageFormat::Png);
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let mut padded = png.clone();
    padded.resize(6 * 1024 * 1024, 0);
    vec![
        ("text.png", b"just text".to_vec(), 415, "unsupported_type"),
        ("drawing.svg", svg.clone(), 415, "unsupported_type"),
        ("drawing.png", svg, 415, "unsupported_type"),
        (
            "page.gif",
            b"<html>GIF89a</html>".to_vec(),
            415,
            "unsupported_type",
        ),
        ("empty.png", Vec::new(), 415, "unsupported_type"),
        ("cut.png", cut(&png), 422, "unprocessable"),
        (
            "cut.jpg",
            cut(&picture(ImageFormat::Jpeg)),
            422,
            "unprocessable",
        ),
        (
            "cut.webp",
            cut(&picture(ImageFormat::WebP)),
            422,
            "unprocessable",
        ),
        ("signature.png", png[..8].to_vec(), 422, "unprocessable"),
        ("huge.png", png_of_size(30_000, 30_000), 413, "too_large"),
        ("wide.png", png_of_size(u32::MAX, 1), 413, "too_large"),
        ("heavy.png", padded, 413, "too_large"),
    ]
}

/// A PNG that claims this size and is whole, but for its missing pixels.
fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend_from_slice(&[8, 6, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [
        (b"IHDR", header),
        (b"IDAT", vec![0; 64]),
        (b"IEND", Vec::new()),
    ] {
        let length = u32::try_from(data.len()).expect("short");
        let body = [&name[..], &data].concat();
        png.extend_from_slice(&length.to_be_bytes());
        png.extend_from_slice(&body);
        png.extend_from_slice(&checksum(&body).to_be_bytes());
    }
    png
}

/// CRC-32 as PNG's annex D has it.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| match crc & 1 {
        1 => (crc >> 1) ^ 0xEDB8_8320,
        _ => crc >> 1,
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), step)
    })
}
