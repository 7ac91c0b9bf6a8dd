//! The embedder that is compiled into Okra: a vector per English word piece, averaged.
//!
//! It needs no service, no download and microseconds a text, so search by meaning works on a fresh
//! start. Its vectors imitate those of the all-MiniLM-L6-v2 transformer;
//! `models/static-embedder/README.md` says how they were made and how good they are. The composition
//! root builds one with [`StaticEmbedder::built_in`]. Embedding cannot fail; only opening another
//! model file can, with [`ModelFileError`].

mod model_file;
mod word_piece;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use async_trait::async_trait;
use unicode_script::{Script, UnicodeScript};

use self::model_file::ModelFile;
use self::word_piece::WordPieces;
use crate::embed::{Embedder, Purpose};
use crate::error::ProviderError;

pub use self::model_file::ModelFileError;

/// How many numbers a vector of the built-in model has.
pub const DIMENSIONS: usize = 256;

/// The built-in model's vector space. Rename it whenever `model.bin` changes: stored vectors of the
/// old model must not be compared with new ones.
pub const SPACE: &str = "okra-static-en-256-v3";

/// What the spaces of all built-in models begin with, those of earlier versions too.
pub const SPACES: &str = "okra-static-";

static BUILT_IN: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../models/static-embedder/model.bin"
));

/// After this many texts of one batch, other tasks on the thread get a turn: about a millisecond.
const TEXTS_PER_TURN: usize = 32;

/// Embeds English (and, worse, other Latin-script) text by averaging a stored vector per word piece.
///
/// The same vector serves a document and a query. Time is proportional to the text's length; a text
/// of about 200 word pieces takes some tens of microseconds.
pub struct StaticEmbedder {
    model: ModelFile,
    pieces: WordPieces,
}

impl StaticEmbedder {
    /// The model that is compiled in. Takes about a millisecond: its vectors are read in place.
    pub fn built_in() -> Self {
        Self::from_bytes(BUILT_IN).expect("a test opens the compiled-in model, which cannot change")
    }

    /// Opens a model in the format that `models/static-embedder/model_file.py` describes.
    ///
    /// Fails where the bytes are not such a model. Nothing else about a model file is trusted:
    /// whatever opens also embeds without a panic.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, ModelFileError> {
        let model = ModelFile::open(bytes.into())?;
        let pieces = WordPieces::index(&model);
        Ok(Self { model, pieces })
    }

    /// How many numbers each vector has; [`DIMENSIONS`] for the built-in model.
    pub fn dimensions(&self) -> usize {
        self.model.dimensions()
    }

    /// The vector of one text: of length 1, or all zeros where no word piece is known.
    pub fn embed_one(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0; self.model.dimensions()];
        self.pieces.each(text, |token| {
            add_scaled(&mut sum, self.model.row(token), self.model.scale(token));
        });
        normalize(&mut sum);
        sum
    }

    /// Looks no further than the first known piece; words end at white space.
    fn knows_a_piece_of(&self, text: &str) -> bool {
        text.split_whitespace().any(|part| {
            let mut known = false;
            self.pieces.each(part, |_| known = true);
            known
        })
    }
}

#[async_trait]
impl Embedder for StaticEmbedder {
    fn space(&self) -> &str {
        SPACE
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn understands(&self, text: &str) -> bool {
        mostly_latin(text) && self.knows_a_piece_of(text)
    }

    async fn embed(
        &self,
        texts: &[String],
        _purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, ProviderError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for turn in texts.chunks(TEXTS_PER_TURN) {
            vectors.extend(turn.iter().map(|text| self.embed_one(text)));
            tokio::task::yield_now().await;
        }
        Ok(vectors)
    }
}

/// Whether at least three quarters of the letters are Latin.
///
/// Not just half: in "iPhone 배터리 교체" half of the letters are Latin, yet all that it asks is
/// Korean, because a syllable or an ideograph says as much as several Latin letters.
fn mostly_latin(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte.is_ascii_alphabetic());
    }
    let (mut latin, mut letters) = (0_usize, 0_usize);
    for character in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        latin += usize::from(character.is_ascii() || character.script() == Script::Latin);
    }
    letters > 0 && latin >= letters - letters / 4
}

/// Adds `scale` times `row`, whose bytes are signed, to `sum`.
fn add_scaled(sum: &mut [f32], row: &[u8], scale: f32) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 was detected just above.
        return unsafe { add_scaled_avx2(sum, row, scale) };
    }
    add_scaled_anywhere(sum, row, scale);
}

/// The same sums, since each component is added alone; eight at a time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_scaled_avx2(sum: &mut [f32], row: &[u8], scale: f32) {
    add_scaled_anywhere(sum, row, scale);
}

#[inline(always)]
fn add_scaled_anywhere(sum: &mut [f32], row: &[u8], scale: f32) {
    for (total, &component) in sum.iter_mut().zip(row) {
        *total += f32::from(component as i8) * scale;
    }
}

fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length.is_normal() {
        vector.iter_mut().for_each(|x| *x /= length);
    } else {
        vector.fill(0.0);
    }
}
