//! The pictures of a scanned page, as files that a reader of pictures takes.

use pdf_oxide::{PdfDocument, PdfFilter, PdfImageHandle};

use crate::ExtractError;

/// A picture with fewer pixels across or down than this holds no text worth reading.
const MIN_PIXELS: u32 = 100;

/// Pixels of a picture from which on it may be a whole page: half a page at 100 dots an inch.
const PAGE_PIXELS: u64 = 400_000;

/// Pixels of a picture that is still decoded; A4 at 1,200 dots an inch has 140 million.
const MAX_PIXELS: u64 = 150_000_000;

/// Pictures of one page that are read, largest first; scanners cut pages into a few stripes.
const MAX_PICTURES: usize = 16;

/// The pictures on a page that may hold text, top to bottom.
pub(super) fn on_page(pdf: &PdfDocument, page: usize) -> Vec<PdfImageHandle<'_>> {
    let mut pictures = pdf.page_image_handles(page).unwrap_or_default();
    pictures.retain(|picture| {
        picture.width >= MIN_PIXELS && picture.height >= MIN_PIXELS && pixels(picture) <= MAX_PIXELS
    });
    pictures.sort_by_key(|picture| std::cmp::Reverse(pixels(picture)));
    pictures.truncate(MAX_PICTURES);
    let top = |picture: &PdfImageHandle<'_>| picture.bbox.y + picture.bbox.height;
    pictures.sort_by(|one, other| top(other).total_cmp(&top(one)));
    pictures
}

/// Whether one of the pictures may be the page.
pub(super) fn cover_page(pictures: &[PdfImageHandle<'_>]) -> bool {
    pictures.iter().map(pixels).sum::<u64>() >= PAGE_PIXELS
}

fn pixels(picture: &PdfImageHandle<'_>) -> u64 {
    u64::from(picture.width) * u64::from(picture.height)
}

/// The picture as a file: a JPEG as it lies there, all else as PNG.
pub(super) fn file(picture: &PdfImageHandle<'_>) -> Result<Vec<u8>, ExtractError> {
    let is_file = matches!(
        picture.filter_chain[..],
        [PdfFilter::DCTDecode] | [PdfFilter::JPXDecode]
    );
    let bytes = if is_file {
        picture.raw_compressed_bytes()
    } else {
        picture.decode().and_then(|picture| picture.to_png_bytes())
    };
    bytes.map_err(|_| ExtractError::damaged("a picture in it could not be understood"))
}
