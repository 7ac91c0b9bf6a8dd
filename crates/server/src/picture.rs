//! Turns an uploaded picture into one that is safe to serve: small, freshly encoded, nothing in it but pixels.
//!
//! `routes/pictures` calls [`normalize`] on a blocking thread and bounds how many run at once, because decoding the
//! largest avatar allowed takes a third of a second and up to half a gigabyte for that long. It is a pure function: it
//! fails only on what is in the bytes, and each failure is a sentence for the person who uploaded them.
//!
//! What comes out is encoded from the pixels alone, so that a script behind a picture's end, a comment, a thumbnail or
//! the place where a photograph was taken cannot come along. Colour profiles are dropped with the rest: a picture in a
//! wider colour space than sRGB looks a little paler.

mod container;

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder};
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbaImage};

/// The largest file accepted, in bytes.
pub const MAX_BYTES: usize = 5 * 1024 * 1024;
/// The largest width and the largest height accepted, in pixels.
pub const MAX_SIDE: u32 = 8192;
/// Above this, artefacts at 512 pixels are not seen any more; the file only grows.
const JPEG_QUALITY: u8 = 88;
const BYTES_A_PIXEL: u64 = 4;

/// What a picture is for: how much of it is taken, and what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// The largest width and the largest height of what comes out, in pixels.
    pub side: u32,
    /// The most pixels accepted, at 8 bits a channel: what decoding may take.
    pub max_pixels: u64,
    /// Whether transparent pixels stay so, or are laid on white.
    pub transparent: bool,
}

/// A chatbot's face, set by those who own it.
pub const AVATAR: Purpose = Purpose {
    side: 512,
    max_pixels: MAX_SIDE as u64 * MAX_SIDE as u64,
    transparent: true,
};
/// What a visitor sends along: anyone may, so it may take less memory. Always a JPEG, whose size is bounded well by
/// its pixels, and which every model reads.
pub const ATTACHMENT: Purpose = Purpose {
    side: 2048,
    max_pixels: 24_000_000,
    transparent: false,
};

/// A picture ready to be stored and served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The encoded file.
    pub bytes: Vec<u8>,
    /// `png` or `jpg`.
    pub extension: &'static str,
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    /// In pixels, at most its purpose's.
    pub width: u32,
    /// In pixels, at most its purpose's.
    pub height: u32,
}

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The bytes are not one of the four formats, whatever the file is called.
    #[error("The file is {found}; a PNG, JPEG, WebP or GIF picture is needed.")]
    Unsupported {
        /// What the bytes look like, with an article.
        found: &'static str,
    },
    /// The file is larger than [`MAX_BYTES`].
    #[error("The picture has {bytes} bytes; at most {MAX_BYTES} (5 MB) are accepted.")]
    TooLarge {
        /// The size of the file.
        bytes: usize,
    },
    /// The picture, decoded, would be larger than the limits allow.
    #[error(
        "The picture has {width}×{height} pixels; at most {} million at 8 bits a channel are accepted, and at most \
         {MAX_SIDE} in a row.", .most / 1_000_000
    )]
    TooManyPixels {
        /// As the file's header states it.
        width: u32,
        /// As the file's header states it.
        height: u32,
        /// How many would be accepted.
        most: u64,
    },
    /// The file begins as a picture but cannot be read to its end.
    #[error("The {format} picture is damaged or cut off: {reason}.")]
    Damaged {
        /// `PNG`, `JPEG`, `WebP` or `GIF`.
        format: &'static str,
        /// What was wrong, for a person who knows the format.
        reason: String,
    },
}

/// Decodes a PNG, JPEG, WebP or GIF (its first frame) and encodes it anew, at most `purpose.side` pixels wide and high.
///
/// The format is told by the first bytes alone. A picture keeps its proportions and is never enlarged, and is turned as
/// its EXIF orientation asks. It comes out as a PNG if any pixel is and stays transparent, else as a
/// JPEG.
pub fn normalize(bytes: &[u8], purpose: Purpose) -> Result<Picture, PictureError> {
    if bytes.len() > MAX_BYTES {
        return Err(PictureError::TooLarge { bytes: bytes.len() });
    }
    let format = Format::of(bytes)?;
    let end = container::end(format, bytes).map_err(|reason| format.damaged(reason))?;
    let (picture, orientation) = decode(format, &bytes[..end], purpose)?;
    let mut small = shrink(picture, purpose);
    // After shrinking: turning the full picture would need its memory twice.
    small.apply_orientation(orientation);
    encode(&small).map_err(|error| format.damaged(error.to_string()))
}

/// The formats accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Jpeg,
    Webp,
    Gif,
}

impl Format {
    fn of(bytes: &[u8]) -> Result<Self, PictureError> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Ok(Format::Png),
            [0xFF, 0xD8, 0xFF, ..] => Ok(Format::Jpeg),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Ok(Format::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Format::Gif),
            _ => Err(PictureError::Unsupported {
                found: describe(bytes),
            }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Png => "PNG",
            Format::Jpeg => "JPEG",
            Format::Webp => "WebP",
            Format::Gif => "GIF",
        }
    }

    fn decoder(self) -> ImageFormat {
        match self {
            Format::Png => ImageFormat::Png,
            Format::Jpeg => ImageFormat::Jpeg,
            Format::Webp => ImageFormat::WebP,
            Format::Gif => ImageFormat::Gif,
        }
    }

    fn damaged(self, reason: impl Into<String>) -> PictureError {
        PictureError::Damaged {
            format: self.name(),
            reason: reason.into(),
        }
    }
}

/// Names what somebody uploaded instead of a picture we read.
fn describe(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => return "empty",
        [b'B', b'M', ..] => return "a BMP picture",
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => return "a TIFF picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', ..] => return "an AVIF picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => return "a HEIC picture or a video",
        [0, 0, 1, 0, ..] => return "an icon (ICO)",
        [b'%', b'P', b'D', b'F', ..] => return "a PDF",
        [b'P', b'K', 3, 4, ..] => return "a ZIP archive or an office document",
        _ => {}
    }
    let start = &bytes[..bytes.len().min(4096)];
    if start.contains(&0) {
        return "of an unknown kind";
    }
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    if start.contains("<svg") {
        "an SVG drawing"
    } else if start.contains("<html") || start.contains("<!doctype") || start.contains("<script") {
        "an HTML page"
    } else if start.contains('\u{FFFD}') {
        "of an unknown kind"
    } else {
        "a text file"
    }
}

/// Decodes under limits that are checked against the header before any pixel is read.
fn decode(
    format: Format,
    bytes: &[u8],
    purpose: Purpose,
) -> Result<(DynamicImage, Orientation), PictureError> {
    let fail = |error: ImageError| format.damaged(error.to_string());
    let most = purpose.max_pixels;
    let too_many = |width, height| PictureError::TooManyPixels {
        width,
        height,
        most,
    };
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most * BYTES_A_PIXEL);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.decoder());
    reader.limits(limits.clone());
    let mut decoder = reader
        .into_decoder()
        .map_err(|error| match (error, png_size(bytes)) {
            // The PNG decoder reserves its first line as it opens the file.
            (ImageError::Limits(_), Some((width, height))) => too_many(width, height),
            (other, _) => fail(other),
        })?;
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE || decoder.total_bytes() > most * BYTES_A_PIXEL {
        return Err(too_many(width, height));
    }
    decoder.set_limits(limits).map_err(fail)?;
    // A picture whose EXIF block is broken is still a picture; it is shown as it lies in the file.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| match error {
        ImageError::Limits(_) => too_many(width, height),
        other => fail(other),
    })?;
    Ok((picture, orientation))
}

/// Width and height in a PNG's header, which is its first chunk.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes
        .strip_prefix(b"\x89PNG")?
        .get(8..20)?
        .strip_prefix(b"IHDR")?;
    let number = |part: &[u8]| part.try_into().ok().map(u32::from_be_bytes);
    Some((number(&header[..4])?, number(&header[4..])?))
}

/// Fits the picture into its purpose's square, and reduces it to 8 bits a channel with or without transparency.
fn shrink(picture: DynamicImage, purpose: Purpose) -> DynamicImage {
    let side = purpose.side;
    let fits = picture.width() <= side && picture.height() <= side;
    if !picture.color().has_alpha() {
        let small = if fits { picture } else { fit(picture, side) };
        return DynamicImage::ImageRgb8(small.into_rgb8());
    }
    let mut pixels = picture.into_rgba8();
    if !fits {
        // A transparent pixel has a colour too, which nobody sees. Averaged as it is, it would colour the edge.
        multiply_by_alpha(&mut pixels);
        pixels = fit(DynamicImage::ImageRgba8(pixels), side).into_rgba8();
        divide_by_alpha(&mut pixels);
    }
    if !purpose.transparent {
        lay_on_white(&mut pixels);
    }
    let picture = DynamicImage::ImageRgba8(pixels);
    if is_opaque(&picture) {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    } else {
        picture
    }
}

/// Shrinks a picture that is larger than `side` by `side` to fit it.
fn fit(picture: DynamicImage, side: u32) -> DynamicImage {
    // The filter visits each pixel many times. Above four times the size, averaging down to twice the size first is
    // several times faster, and no difference can be seen.
    let large = picture.width().max(picture.height()) > 4 * side;
    let picture = if large {
        picture.thumbnail(2 * side, 2 * side)
    } else {
        picture
    };
    picture.resize(side, side, FilterType::Lanczos3)
}

fn is_opaque(picture: &DynamicImage) -> bool {
    picture
        .as_rgba8()
        .is_none_or(|pixels| pixels.pixels().all(|pixel| pixel.0[3] == u8::MAX))
}

fn multiply_by_alpha(pixels: &mut RgbaImage) {
    for pixel in pixels.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0;
        let scale = |channel: u8| ((u16::from(channel) * u16::from(alpha) + 127) / 255) as u8;
        pixel.0 = [scale(red), scale(green), scale(blue), alpha];
    }
}

fn divide_by_alpha(pixels: &mut RgbaImage) {
    for pixel in pixels.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0;
        // A pixel without opacity leaves with no colour, which also compresses best.
        let scale = |channel: u8| match u16::from(alpha) {
            0 => 0,
            alpha => ((u16::from(channel) * 255 + alpha / 2) / alpha).min(255) as u8,
        };
        pixel.0 = [scale(red), scale(green), scale(blue), alpha];
    }
}

fn lay_on_white(pixels: &mut RgbaImage) {
    for pixel in pixels.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0.map(u16::from);
        let lay = |channel: u16| ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        pixel.0 = [lay(red), lay(green), lay(blue), u8::MAX];
    }
}

fn encode(picture: &DynamicImage) -> Result<Picture, ImageError> {
    let mut bytes = Vec::new();
    let (extension, media_type) = if picture.color().has_alpha() {
        let encoder =
            PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, PngFilter::Adaptive);
        picture.write_with_encoder(encoder)?;
        ("png", "image/png")
    } else {
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
        ("jpg", "image/jpeg")
    };
    Ok(Picture {
        bytes,
        extension,
        media_type,
        width: picture.width(),
        height: picture.height(),
    })
}

#[cfg(test)]
mod tests;
