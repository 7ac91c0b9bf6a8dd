//! Reads the model file in place: tokens in the order of their bytes, and an int8 row for each.
//!
//! The layout is described in `models/static-embedder/model_file.py`, which writes it. Opening
//! checks everything that later reads rely on; after that no read can fail.

use std::borrow::Cow;
use std::ops::Range;

use thiserror::Error;

const MAGIC: &[u8; 8] = b"OKRASTAT";
const VERSION: u32 = 1;
const HEADER: usize = MAGIC.len() + 4 * 4;
/// No embedder of this kind is larger; the limits keep every size below free of overflow.
const MAX_DIMENSIONS: usize = 4096;
const MAX_TOKENS: usize = 1 << 20;
/// A word that is looked up has at most 100 characters, each of at most four bytes.
const MAX_TOKEN_BYTES: usize = 400;
/// The largest scale: the sum of many rows stays finite, and so does its square.
const MAX_SCALE: f32 = 1e6;

/// Why some bytes are not a usable model file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ModelFileError {
    /// The first bytes are not the format's.
    #[error("not a static embedding model: the file does not start with OKRASTAT")]
    NotAModel,
    /// The file is of a version of the format that this build does not read.
    #[error("the model file has format version {0}; this build reads version 1")]
    Version(u32),
    /// A size in the header is zero or absurd.
    #[error("the model file's header is damaged: {0} is out of range")]
    Header(&'static str),
    /// The file is shorter or longer than its header says.
    #[error("the model file has {found} bytes where its header asks for {expected}")]
    Length {
        /// Bytes the header asks for.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// A token is out of order, empty, too long or not UTF-8.
    #[error("the model file's token number {0} is damaged")]
    Token(u32),
    /// A row's scale is negative, absurdly large or not a number.
    #[error("the model file's scale of token number {0} is damaged")]
    Scale(u32),
}

/// A checked model file.
#[derive(Debug)]
pub(super) struct ModelFile {
    bytes: Cow<'static, [u8]>,
    dimensions: usize,
    count: u32,
    /// Where each part starts in `bytes`.
    vocabulary: usize,
    scales: usize,
    rows: usize,
}

impl ModelFile {
    pub(super) fn open(bytes: Cow<'static, [u8]>) -> Result<Self, ModelFileError> {
        if !bytes.starts_with(MAGIC) {
            return Err(ModelFileError::NotAModel);
        }
        if bytes.len() < HEADER {
            return Err(ModelFileError::Length {
                expected: HEADER,
                found: bytes.len(),
            });
        }
        let [version, dimensions, count, length] =
            [0, 1, 2, 3].map(|field| word(&bytes, MAGIC.len() + 4 * field));
        if version != VERSION {
            return Err(ModelFileError::Version(version));
        }
        let dimensions = within("dimensions", dimensions, MAX_DIMENSIONS)?;
        let tokens = within("token count", count, MAX_TOKENS)?;
        let length = within("vocabulary length", length, MAX_TOKENS * MAX_TOKEN_BYTES)?;
        let vocabulary = HEADER + 4 * (tokens + 1);
        let scales = vocabulary + length;
        let rows = scales + 4 * tokens;
        let expected = rows + tokens * dimensions;
        if bytes.len() != expected {
            return Err(ModelFileError::Length {
                expected,
                found: bytes.len(),
            });
        }
        let file = Self {
            bytes,
            dimensions,
            count,
            vocabulary,
            scales,
            rows,
        };
        file.check_tokens(length)?;
        file.check_scales()?;
        Ok(file)
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many tokens there are; they are numbered from 0.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The spelling of a token; one that continues a word starts with `##`.
    pub(super) fn token(&self, token: u32) -> &[u8] {
        let span = self.span(token);
        &self.bytes[self.vocabulary + span.start..self.vocabulary + span.end]
    }

    /// What the components of a token's row are to be multiplied with.
    pub(super) fn scale(&self, token: u32) -> f32 {
        f32::from_bits(word(&self.bytes, self.scales + 4 * token as usize))
    }

    /// The components of a token's vector, each a signed byte.
    pub(super) fn row(&self, token: u32) -> &[u8] {
        let start = self.rows + token as usize * self.dimensions;
        &self.bytes[start..start + self.dimensions]
    }

    fn span(&self, token: u32) -> Range<usize> {
        let at = HEADER + 4 * token as usize;
        word(&self.bytes, at) as usize..word(&self.bytes, at + 4) as usize
    }

    fn check_tokens(&self, length: usize) -> Result<(), ModelFileError> {
        let mut end = 0;
        let mut previous: &[u8] = &[];
        for token in 0..self.count {
            let span = self.span(token);
            let sound = span.start == end
                && span.start < span.end
                && span.end <= length
                && span.len() <= MAX_TOKEN_BYTES;
            let spelling = if sound { self.token(token) } else { &[] };
            // An empty spelling is never greater than the one before, so this refuses both.
            if spelling <= previous || std::str::from_utf8(spelling).is_err() {
                return Err(ModelFileError::Token(token));
            }
            (end, previous) = (span.end, spelling);
        }
        if end == length {
            Ok(())
        } else {
            Err(ModelFileError::Header("vocabulary length"))
        }
    }

    fn check_scales(&self) -> Result<(), ModelFileError> {
        match (0..self.count).find(|&token| !(0.0..=MAX_SCALE).contains(&self.scale(token))) {
            Some(token) => Err(ModelFileError::Scale(token)),
            None => Ok(()),
        }
    }
}

fn within(name: &'static str, value: u32, most: usize) -> Result<usize, ModelFileError> {
    match usize::try_from(value) {
        Ok(value) if (1..=most).contains(&value) => Ok(value),
        _ => Err(ModelFileError::Header(name)),
    }
}

/// The little-endian number at `at`, which lies within the checked length.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
