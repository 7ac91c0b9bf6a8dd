//! The promise to whoever uploads a picture, and to whoever sees it afterwards.

use std::time::Instant;

use image::codecs::gif::GifEncoder;
use image::codecs::webp::WebPEncoder;
use image::{Frame, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba};

use super::*;

fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([200, (x % 200) as u8, (y % 200) as u8])
    })
}

fn written(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// One file of each format, larger than an avatar in both directions.
fn one_of_each() -> Vec<(&'static str, Vec<u8>)> {
    let large = photo(700, 600);
    let mut webp = Vec::new();
    DynamicImage::from(large.clone())
        .write_with_encoder(WebPEncoder::new_lossless(&mut webp))
        .unwrap();
    vec![
        ("PNG", written(large.clone(), ImageFormat::Png)),
        ("JPEG", written(large.clone(), ImageFormat::Jpeg)),
        ("GIF", written(large, ImageFormat::Gif)),
        ("WebP", webp),
    ]
}

/// Decodes what came out; fails if its bytes are not what it says they are.
fn pixels(avatar: &Picture) -> DynamicImage {
    let (format, media_type) = match avatar.extension {
        "png" => (ImageFormat::Png, "image/png"),
        "jpg" => (ImageFormat::Jpeg, "image/jpeg"),
        other => panic!("an extension that is not served: {other}"),
    };
    assert_eq!(avatar.media_type, media_type);
    let picture = image::load_from_memory_with_format(&avatar.bytes, format).unwrap();
    assert_eq!(
        (picture.width(), picture.height()),
        (avatar.width, avatar.height)
    );
    picture
}

fn too_many(width: u32, height: u32) -> PictureError {
    PictureError::TooManyPixels {
        width,
        height,
        most: AVATAR.max_pixels,
    }
}

fn near(picture: &DynamicImage, x: u32, y: u32, expected: [u8; 4]) {
    let found = picture.to_rgba8().get_pixel(x, y).0;
    let close = found
        .iter()
        .zip(expected)
        .all(|(&found, expected)| found.abs_diff(expected) <= 12);
    assert!(close, "at {x},{y}: {found:?}, not {expected:?}");
}

#[test]
fn every_format_is_accepted_and_fits_the_square() {
    for (name, bytes) in one_of_each() {
        let avatar = normalize(&bytes, AVATAR).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (avatar.width, avatar.height, avatar.extension),
            (512, 439, "jpg"),
            "{name}"
        );
        near(&pixels(&avatar), 0, 0, [200, 0, 0, 255]);
    }
}

#[test]
fn proportions_are_kept_and_nothing_is_enlarged() {
    for ((width, height), expected) in [
        ((1, 1), (1, 1)),
        ((512, 512), (512, 512)),
        ((40, 30), (40, 30)),
        ((513, 100), (512, 100)),
        ((1000, 500), (512, 256)),
        ((300, 1200), (128, 512)),
        ((2100, 700), (512, 171)),
        ((4000, 1), (512, 1)),
        ((1, 4000), (1, 512)),
    ] {
        let avatar = normalize(&written(photo(width, height), ImageFormat::Png), AVATAR).unwrap();
        assert_eq!((avatar.width, avatar.height), expected, "{width}×{height}");
        pixels(&avatar);
    }
}

#[test]
fn transparency_decides_between_png_and_jpeg() {
    let with_alpha = |alpha| {
        written(
            RgbaImage::from_pixel(600, 600, Rgba([9, 99, 199, alpha])),
            ImageFormat::Png,
        )
    };
    assert_eq!(
        normalize(&with_alpha(255), AVATAR).unwrap().extension,
        "jpg"
    );
    let avatar = normalize(&with_alpha(100), AVATAR).unwrap();
    assert_eq!(avatar.extension, "png");
    near(&pixels(&avatar), 256, 256, [9, 99, 199, 100]);
}

#[test]
fn the_colour_of_invisible_pixels_does_not_stain_the_edge() {
    // A white disc on transparent black: averaged without regard to opacity, its edge would be grey.
    let picture = RgbaImage::from_fn(1024, 1024, |x, y| {
        let inside = x.abs_diff(512).pow(2) + y.abs_diff(512).pow(2) < 400 * 400;
        if inside { Rgba([255; 4]) } else { Rgba([0; 4]) }
    });
    let small = pixels(&normalize(&written(picture, ImageFormat::Png), AVATAR).unwrap()).to_rgba8();
    assert!(
        small.pixels().any(|pixel| (1..255).contains(&pixel.0[3])),
        "the edge is smooth"
    );
    for pixel in small.pixels().filter(|pixel| pixel.0[3] > 8) {
        assert!(
            pixel.0[..3].iter().all(|&channel| channel > 240),
            "{pixel:?}"
        );
    }
}

#[test]
fn other_kinds_of_pixels_are_read() {
    let grey = GrayImage::from_pixel(20, 20, Luma([90]));
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(20, 20, Rgb([90 * 257; 3]));
    let deep_grey: ImageBuffer<Luma<u16>, Vec<u16>> =
        ImageBuffer::from_pixel(20, 20, Luma([90 * 257]));
    for bytes in [
        written(grey.clone(), ImageFormat::Png),
        written(grey, ImageFormat::Jpeg),
        written(deep, ImageFormat::Png),
        written(deep_grey, ImageFormat::Png),
    ] {
        near(
            &pixels(&normalize(&bytes, AVATAR).unwrap()),
            10,
            10,
            [90, 90, 90, 255],
        );
    }
}

#[test]
fn pictures_of_other_programs_are_read() {
    for (name, bytes, extension, corner) in [
        (
            "CMYK",
            &include_bytes!("data/cmyk.jpg")[..],
            "jpg",
            [200, 60, 40, 255],
        ),
        (
            "progressive",
            include_bytes!("data/progressive.jpg"),
            "jpg",
            [200, 60, 40, 255],
        ),
        (
            "lossy WebP",
            include_bytes!("data/lossy.webp"),
            "jpg",
            [200, 60, 40, 255],
        ),
        (
            "animated WebP",
            include_bytes!("data/animated.webp"),
            "jpg",
            [255, 0, 0, 255],
        ),
        (
            "palette",
            include_bytes!("data/palette.png"),
            "png",
            [200, 61, 46, 255],
        ),
        (
            "one bit",
            include_bytes!("data/onebit.png"),
            "jpg",
            [0, 0, 0, 255],
        ),
    ] {
        let avatar = normalize(bytes, AVATAR).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (avatar.extension, avatar.width, avatar.height),
            (extension, 40, 30),
            "{name}"
        );
        let picture = pixels(&avatar);
        if name != "palette" {
            near(&picture, 0, 0, corner);
        } else {
            let alphas = picture
                .to_rgba8()
                .pixels()
                .map(|pixel| pixel.0[3])
                .collect::<std::collections::HashSet<_>>();
            assert_eq!(
                alphas,
                [0, 255].into(),
                "one colour of the palette is transparent"
            );
        }
    }
}

#[test]
fn an_animation_becomes_its_first_frame() {
    let mut bytes = Vec::new();
    let frame = |colour| Frame::new(RgbaImage::from_pixel(30, 20, Rgba(colour)));
    GifEncoder::new(&mut bytes)
        .encode_frames([frame([250, 0, 0, 255]), frame([0, 0, 250, 255])])
        .unwrap();
    let avatar = normalize(&bytes, AVATAR).unwrap();
    near(&pixels(&avatar), 15, 10, [250, 0, 0, 255]);
}

/// A TIFF block whose only entry is the orientation, as EXIF stores it.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

/// A JPEG, red above green, that asks to be turned.
fn turned_jpeg(exif: &[u8]) -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 32, |_, y| {
        if y < 16 {
            Rgb([250, 0, 0])
        } else {
            Rgb([0, 250, 0])
        }
    });
    let plain = written(picture, ImageFormat::Jpeg);
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xFF, 0xE1]);
    bytes.extend(u16::try_from(exif.len() + 8).unwrap().to_be_bytes());
    bytes.extend(b"Exif\0\0");
    bytes.extend(exif);
    bytes.extend(&plain[2..]);
    bytes
}

#[test]
fn the_orientation_of_a_photograph_is_applied() {
    let (red, green) = ([250, 0, 0, 255], [0, 250, 0, 255]);
    for (orientation, size, left_top, right_bottom) in [
        (1, (64, 32), red, green),
        (3, (64, 32), green, red),
        (6, (32, 64), green, red),
        (8, (32, 64), red, green),
    ] {
        let avatar = normalize(&turned_jpeg(&exif(orientation)), AVATAR).unwrap();
        assert_eq!(
            (avatar.width, avatar.height),
            size,
            "orientation {orientation}"
        );
        let picture = pixels(&avatar);
        near(&picture, 1, 1, left_top);
        near(&picture, size.0 - 2, size.1 - 2, right_bottom);
    }
}

#[test]
fn a_broken_exif_block_does_not_spoil_a_picture() {
    for block in [
        &b""[..],
        b"II*\0",
        b"II*\0\xFF\xFF\xFF\xFF",
        &exif(0),
        &exif(99),
        b"nonsense",
    ] {
        assert_eq!(
            normalize(&turned_jpeg(block), AVATAR).unwrap().width,
            64,
            "{block:?}"
        );
    }
}

#[test]
fn nothing_but_pixels_comes_out() {
    const SCRIPT: &[u8] = b"<html><script>alert(document.cookie)</script></html>";
    for (name, mut bytes) in one_of_each() {
        let clean = normalize(&bytes, AVATAR).unwrap();
        bytes.extend(SCRIPT);
        let avatar = normalize(&bytes, AVATAR).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            avatar, clean,
            "{name}: what follows the picture changes nothing"
        );
        assert!(!contains(&avatar.bytes, b"script"), "{name}");
    }
    let mut with_place = exif(1);
    with_place.extend(b"GPS 37.5665 N 126.9780 E");
    let avatar = normalize(&turned_jpeg(&with_place), AVATAR).unwrap();
    assert!(!contains(&avatar.bytes, b"GPS") && !contains(&avatar.bytes, b"Exif"));
}

#[test]
fn a_comment_inside_a_picture_does_not_come_out() {
    let png = written(photo(20, 20), ImageFormat::Png);
    // Behind the header chunk, which ends at byte 33.
    let mut bytes = png[..33].to_vec();
    bytes.extend(chunk(b"tEXt", b"Comment\0<script>alert(1)</script>"));
    bytes.extend(&png[33..]);
    assert!(!contains(
        &normalize(&bytes, AVATAR).unwrap().bytes,
        b"script"
    ));
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A PNG chunk with its checksum (CRC-32 as in RFC 2083, chapter 15).
fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), content].concat();
    let checksum = !body.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 {
                (sum >> 1) ^ 0xEDB8_8320
            } else {
                sum >> 1
            }
        })
    });
    let length = u32::try_from(content.len()).unwrap();
    [
        &length.to_be_bytes(),
        body.as_slice(),
        &checksum.to_be_bytes(),
    ]
    .concat()
}

/// A PNG that announces a size and holds next to nothing.
fn hollow_png(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let header = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[depth, colour, 0, 0, 0],
    ]
    .concat();
    let signature = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];
    [
        &signature[..],
        &chunk(b"IHDR", &header),
        &chunk(b"IDAT", &[0x78, 0x9C, 3, 0, 0, 0, 0, 1]),
        &chunk(b"IEND", b""),
    ]
    .concat()
}

#[test]
fn too_many_pixels_are_refused_from_the_header() {
    let start = Instant::now();
    for (width, height, depth) in [
        (30_000, 30_000, 8),
        (8193, 1, 8),
        (1, 8193, 8),
        (0x7FFF_FFFF, 1, 8),
        (8192, 8192, 16),
    ] {
        let error = normalize(&hollow_png(width, height, depth, 6), AVATAR).unwrap_err();
        assert_eq!(error, too_many(width, height));
        assert!(
            error
                .to_string()
                .contains(&format!("{width}×{height} pixels")),
            "{error}"
        );
    }
    let mut gif = written(photo(4, 4), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    assert_eq!(
        normalize(&gif, AVATAR).unwrap_err(),
        too_many(65_535, 65_535)
    );
    assert!(
        start.elapsed().as_secs() < 2,
        "no pixel may be decoded for this: {:?}",
        start.elapsed()
    );
}

#[test]
fn a_large_picture_within_the_limits_is_accepted() {
    let bytes = written(
        GrayImage::from_pixel(8192, 2000, Luma([7])),
        ImageFormat::Png,
    );
    assert!(bytes.len() < MAX_BYTES);
    let avatar = normalize(&bytes, AVATAR).unwrap();
    assert_eq!((avatar.width, avatar.height), (512, 125));
}

#[test]
fn too_many_bytes_are_refused() {
    let mut bytes = written(photo(20, 20), ImageFormat::Png);
    bytes.resize(MAX_BYTES, 0);
    assert!(normalize(&bytes, AVATAR).is_ok(), "exactly 5 MB");
    bytes.push(0);
    let error = normalize(&bytes, AVATAR).unwrap_err();
    assert_eq!(
        error,
        PictureError::TooLarge {
            bytes: MAX_BYTES + 1
        }
    );
    assert!(error.to_string().contains("5 MB"), "{error}");
}

#[test]
fn what_is_not_a_picture_is_named() {
    for (bytes, found) in [
        (&b""[..], "empty"),
        (b"hello", "a text file"),
        ("안녕하세요".as_bytes(), "a text file"),
        (
            b"<?xml version=\"1.0\"?><SVG onload=\"alert(1)\"/>",
            "an SVG drawing",
        ),
        (b"<!DOCTYPE html><p>", "an HTML page"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04", "a ZIP archive or an office document"),
        (b"BM\0\0", "a BMP picture"),
        (b"II*\0rest", "a TIFF picture"),
        (b"\0\0\0\x20ftypavif", "an AVIF picture"),
        (b"\0\0\0\x20ftypheic", "a HEIC picture or a video"),
        (b"\0\0\x01\0\x01", "an icon (ICO)"),
        (b"\x7FELF\0", "of an unknown kind"),
        (b"RIFF\0\0\0\0WAVE", "of an unknown kind"),
        (b"\xFF\xD8", "of an unknown kind"),
        (b"\x89PN", "of an unknown kind"),
    ] {
        let error = normalize(bytes, AVATAR).unwrap_err();
        assert_eq!(error, PictureError::Unsupported { found }, "{bytes:?}");
        assert!(
            error.to_string().contains("PNG, JPEG, WebP or GIF"),
            "{error}"
        );
    }
}

#[test]
fn a_file_cut_off_anywhere_is_damaged() {
    let mut files = one_of_each();
    files.extend([
        ("JPEG", include_bytes!("data/progressive.jpg").to_vec()),
        ("WebP", include_bytes!("data/animated.webp").to_vec()),
        ("PNG", include_bytes!("data/palette.png").to_vec()),
    ]);
    for (name, bytes) in files {
        let step = (bytes.len() / 200).max(1);
        let lengths = (12..bytes.len())
            .step_by(step)
            .chain(bytes.len().saturating_sub(20)..bytes.len());
        for length in lengths {
            match normalize(&bytes[..length], AVATAR) {
                Err(PictureError::Damaged { format, .. }) => assert_eq!(format, name),
                other => panic!("{name} cut at {length} of {}: {other:?}", bytes.len()),
            }
        }
    }
}

#[test]
fn a_jpeg_that_repeats_its_scans_is_refused_quickly() {
    let bytes = include_bytes!("data/progressive.jpg");
    let last_scan = bytes
        .windows(2)
        .rposition(|pair| pair == [0xFF, 0xDA])
        .unwrap();
    let scan = &bytes[last_scan..bytes.len() - 2];
    let mut bomb = bytes[..bytes.len() - 2].to_vec();
    for _ in 0..10_000 {
        bomb.extend(scan);
    }
    bomb.extend([0xFF, 0xD9]);
    let error = normalize(&bomb, AVATAR).unwrap_err().to_string();
    assert!(error.contains("more than 64 times"), "{error}");
}

#[test]
fn no_change_to_a_file_makes_it_panic() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        // Marsaglia's xorshift: the same changes on every run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let small = photo(24, 18);
    let mut webp = Vec::new();
    DynamicImage::from(small.clone())
        .write_with_encoder(WebPEncoder::new_lossless(&mut webp))
        .unwrap();
    let files = [
        written(small.clone(), ImageFormat::Png),
        written(small.clone(), ImageFormat::Jpeg),
        written(small, ImageFormat::Gif),
        webp,
        include_bytes!("data/progressive.jpg").to_vec(),
        include_bytes!("data/lossy.webp").to_vec(),
        include_bytes!("data/palette.png").to_vec(),
        turned_jpeg(&exif(6)),
    ];
    for file in files {
        for _ in 0..300 {
            let mut bytes = file.clone();
            for _ in 0..1 + random(4) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            match normalize(&bytes, AVATAR) {
                Ok(avatar) => assert!(avatar.width <= AVATAR.side && avatar.height <= AVATAR.side),
                Err(error) => assert!(error.to_string().ends_with('.'), "{error}"),
            }
        }
    }
}

#[test]
fn what_is_sent_along_stays_large_lies_on_white_and_may_take_less() {
    let half = RgbaImage::from_fn(4000, 1000, |x, _| match x {
        0..2000 => Rgba([0, 0, 0, 0]),
        _ => Rgba([0, 0, 200, 255]),
    });
    let sent = normalize(&written(half, ImageFormat::Png), ATTACHMENT).unwrap();
    assert_eq!(
        (sent.width, sent.height, sent.extension),
        (2048, 512, "jpg")
    );
    near(&pixels(&sent), 10, 10, [255, 255, 255, 255]);
    near(&pixels(&sent), 2000, 10, [0, 0, 200, 255]);
    let error = normalize(&hollow_png(6000, 6000, 8, 6), ATTACHMENT).unwrap_err();
    assert!(error.to_string().contains("at most 24 million"), "{error}");
}
