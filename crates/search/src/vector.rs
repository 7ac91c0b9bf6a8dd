//! Embedding vectors as eight-bit codes, and the scan over them.
//!
//! A vector keeps its direction only: codes in −127..=127 and one scale, chosen so that the decoded vector has
//! length one. A dot product of two decoded vectors is then their cosine.

use std::num::NonZero;

/// An embedding in eight bits a dimension. The database stores it as [`QuantizedVector::to_bytes`].
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedVector {
    /// What each code is multiplied with; zero for a vector without direction.
    pub scale: f32,
    /// One code a dimension.
    pub codes: Box<[i8]>,
}

impl QuantizedVector {
    /// Quantizes a vector of any length. One without direction (all zeros, or holding NaN or an infinity) becomes
    /// zero, whose cosine to everything is zero.
    pub fn from_f32(vector: &[f32]) -> Self {
        let largest = largest_magnitude(vector);
        let codes: Box<[i8]> = vector
            .iter()
            .map(|value| largest.map_or(0, |largest| (value / largest * 127.0).round() as i8))
            .collect();
        let squares: i64 = codes
            .iter()
            .map(|&code| i64::from(code) * i64::from(code))
            .sum();
        let scale = if squares == 0 {
            0.0
        } else {
            (1.0 / (squares as f64).sqrt()) as f32
        };
        Self { scale, codes }
    }

    /// The scale in little-endian order, then the codes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.codes.len());
        bytes.extend_from_slice(&self.scale.to_le_bytes());
        bytes.extend(self.codes.iter().map(|&code| code as u8));
        bytes
    }

    /// Reads what [`QuantizedVector::to_bytes`] wrote; `None` where the bytes are too few or the scale no scale.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (scale, codes) = bytes.split_first_chunk::<4>()?;
        let scale = f32::from_le_bytes(*scale);
        (scale.is_finite() && scale >= 0.0).then(|| Self {
            scale,
            codes: codes.iter().map(|&byte| byte as i8).collect(),
        })
    }
}

/// The largest magnitude, or `None` where the vector has no direction.
fn largest_magnitude(vector: &[f32]) -> Option<f32> {
    let mut largest = 0.0_f32;
    for value in vector {
        if !value.is_finite() {
            return None;
        }
        largest = largest.max(value.abs());
    }
    // Below this the division could overflow; nothing an embedder returns is so small.
    (largest > f32::MIN_POSITIVE * 256.0).then_some(largest)
}

/// A query vector in up to 13 bits a dimension: finer than the documents', so that its rounding doesn't count, yet
/// integer, so that every machine adds up the same cosine whatever the width of its registers.
pub(crate) struct QueryVector {
    scale: f32,
    codes: Vec<i16>,
}

impl QueryVector {
    /// `None` where the vector is empty or has no direction, so that it can tell nothing.
    pub(crate) fn from_f32(vector: &[f32]) -> Option<Self> {
        let largest = largest_magnitude(vector)?;
        // Keeps the sum over all dimensions within 32 bits: codes · 127 · dimensions < 2³¹.
        let most = (i32::MAX as usize / 127 / vector.len()).min(4095) as f32;
        if most < 1.0 {
            return None;
        }
        let codes: Vec<i16> = vector
            .iter()
            .map(|value| (value / largest * most).round() as i16)
            .collect();
        let squares: i64 = codes
            .iter()
            .map(|&code| i64::from(code) * i64::from(code))
            .sum();
        let scale = (1.0 / (squares as f64).sqrt()) as f32;
        Some(Self { scale, codes })
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.codes.len()
    }

    /// Cosines to the vectors laid end to end in `codes`, one scale and one place in `cosines` each. Codes are signed,
    /// scales little-endian, as they lie in a segment. Many are shared among the processors.
    pub(crate) fn scan(&self, codes: &[u8], scales: &[[u8; 4]], cosines: &mut [f32]) {
        if scales.len() < MANY_VECTORS {
            return self.scan_here(codes, scales, cosines);
        }
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let share = scales.len().div_ceil(processors);
        let shares = (codes.chunks(share * self.codes.len()))
            .zip(scales.chunks(share))
            .zip(cosines.chunks_mut(share));
        std::thread::scope(|scope| {
            for ((codes, scales), cosines) in shares {
                scope.spawn(|| self.scan_here(codes, scales, cosines));
            }
        });
    }

    fn scan_here(&self, codes: &[u8], scales: &[[u8; 4]], cosines: &mut [f32]) {
        let rows = (codes.chunks_exact(self.codes.len()).zip(scales)).zip(cosines);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: AVX2 was detected just above.
            return unsafe { scan_avx2(&self.codes, self.scale, rows) };
        }
        scan_rows(&self.codes, self.scale, rows, dot);
    }
}

/// Vectors from which on a scan is shared: it takes milliseconds, and starting a thread some hundredths of one. Threads
/// of its own do not queue behind those that take documents in.
const MANY_VECTORS: usize = 262_144;

/// Rows to compare, each with its scale and the place for its cosine.
type Rows<'a> = std::iter::Zip<
    std::iter::Zip<std::slice::ChunksExact<'a, u8>, std::slice::Iter<'a, [u8; 4]>>,
    std::slice::IterMut<'a, f32>,
>;

#[inline(always)]
fn scan_rows(query: &[i16], scale: f32, rows: Rows<'_>, dot: impl Fn(&[i16], &[u8]) -> i32) {
    for ((row, row_scale), cosine) in rows {
        *cosine = dot(query, row) as f32 * f32::from_le_bytes(*row_scale) * scale;
    }
}

/// The same sums as without AVX2, since integers add exactly.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn scan_avx2(query: &[i16], scale: f32, rows: Rows<'_>) {
    scan_rows(query, scale, rows, |query, vector| dot_avx2(query, vector));
}

/// [`dot`] by 64 codes at a time in four sums that do not wait for each other: half the time of what the
/// compiler makes of the loop.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn dot_avx2(query: &[i16], vector: &[u8]) -> i32 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi32,
        _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_extracti128_si256,
        _mm256_loadu_si256, _mm256_madd_epi16, _mm256_setzero_si256,
    };
    let (queries, query_rest) = query.as_chunks::<64>();
    let (vectors, vector_rest) = vector.as_chunks::<64>();
    let mut sums = [_mm256_setzero_si256(); 4];
    for (query, vector) in queries.iter().zip(vectors) {
        let (queries, _) = query.as_chunks::<16>();
        let (vectors, _) = vector.as_chunks::<16>();
        for ((sum, query), vector) in sums.iter_mut().zip(queries).zip(vectors) {
            // SAFETY: both hold 16 codes, of two bytes and of one, and need no alignment.
            let (query, vector) = unsafe {
                (
                    _mm256_loadu_si256(query.as_ptr().cast::<__m256i>()),
                    _mm_loadu_si128(vector.as_ptr().cast::<__m128i>()),
                )
            };
            let products = _mm256_madd_epi16(_mm256_cvtepi8_epi16(vector), query);
            *sum = _mm256_add_epi32(*sum, products);
        }
    }
    let [a, b, c, d] = sums;
    let sums = _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
    let (low, high) = (
        _mm256_castsi256_si128(sums),
        _mm256_extracti128_si256::<1>(sums),
    );
    let sums = _mm_add_epi32(low, high);
    let sums = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b01_00_11_10>(sums));
    let sums = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b10_11_00_01>(sums));
    _mm_cvtsi128_si32(sums) + dot(query_rest, vector_rest)
}

#[inline(always)]
fn dot(query: &[i16], vector: &[u8]) -> i32 {
    query
        .iter()
        .zip(vector)
        .map(|(&q, &v)| i32::from(q) * i32::from(v as i8))
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()) as f32
    }

    fn bytes(codes: &[i8]) -> Vec<u8> {
        codes.iter().map(|&code| code as u8).collect()
    }

    #[test]
    fn bytes_are_read_back() {
        let vector = QuantizedVector::from_f32(&[0.5, -1.0, 0.25]);
        assert_eq!(vector.codes.as_ref(), [64, -127, 32]);
        assert_eq!(
            QuantizedVector::from_bytes(&vector.to_bytes()),
            Some(vector)
        );
        assert_eq!(QuantizedVector::from_bytes(&[0, 0, 0]), None);
        assert_eq!(QuantizedVector::from_bytes(&f32::NAN.to_le_bytes()), None);
        let empty = QuantizedVector::from_f32(&[]);
        assert_eq!(QuantizedVector::from_bytes(&empty.to_bytes()), Some(empty));
    }

    #[test]
    fn vectors_without_direction_are_zero() {
        for vector in [
            &[0.0, 0.0][..],
            &[f32::NAN, 1.0],
            &[1.0, f32::NEG_INFINITY],
            &[1e-42, 0.0],
        ] {
            let quantized = QuantizedVector::from_f32(vector);
            assert_eq!(quantized.scale, 0.0);
            assert!(quantized.codes.iter().all(|&code| code == 0));
            assert!(QueryVector::from_f32(vector).is_none());
        }
        assert!(QueryVector::from_f32(&[]).is_none());
    }

    #[test]
    fn sums_do_not_overflow() {
        for dimensions in [1, 4096, 100_000] {
            let vector = vec![1.0; dimensions];
            let query = QueryVector::from_f32(&vector).unwrap();
            let stored = QuantizedVector::from_f32(&vector);
            let mut cosine = [0.0];
            query.scan(
                &bytes(&stored.codes),
                &[stored.scale.to_le_bytes()],
                &mut cosine,
            );
            assert!((cosine[0] - 1.0).abs() < 1e-3, "{dimensions}: {cosine:?}");
        }
    }

    proptest! {
        #[test]
        fn a_scan_gives_cosines_on_every_path(
            (query, vectors) in prop_oneof![1_usize..70, 60_usize..200, Just(256), Just(384)].prop_flat_map(|dimensions| (
                prop::collection::vec(-1.0_f32..1.0, dimensions),
                prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, dimensions), 1..5),
            )),
        ) {
            let Some(quantized) = QueryVector::from_f32(&query) else { return Ok(()) };
            let stored: Vec<QuantizedVector> = vectors.iter().map(|vector| QuantizedVector::from_f32(vector)).collect();
            let codes: Vec<u8> = stored.iter().flat_map(|vector| bytes(&vector.codes)).collect();
            let scales: Vec<[u8; 4]> = stored.iter().map(|vector| vector.scale.to_le_bytes()).collect();
            let mut got = vec![f32::NAN; vectors.len()];
            quantized.scan(&codes, &scales, &mut got);
            for ((vector, stored), got) in vectors.iter().zip(&stored).zip(&got) {
                prop_assert!((cosine(&query, vector) - got).abs() < 0.02);
                prop_assert_eq!(*got, dot(&quantized.codes, &bytes(&stored.codes)) as f32 * stored.scale * quantized.scale);
            }
        }
    }
}
