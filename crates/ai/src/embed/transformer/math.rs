//! The few operations that a transformer is made of, on plain slices. Products of matrices are a
//! library's; the rest are loops that the compiler turns into vector instructions.

/// `c = a · b` for sides `[rows of a, columns of a, columns of b]`. `a` and `b` come with the distances
/// between their rows and between their columns, `c` with that between its rows.
///
/// # Panics
/// Where a slice is too short for its sides.
pub(super) fn multiply(
    [rows, inner, columns]: [usize; 3],
    (a, a_steps): (&[f32], [usize; 2]),
    (b, b_steps): (&[f32], [usize; 2]),
    (c, c_rows): (&mut [f32], usize),
) {
    let needs = |[rows, columns]: [usize; 2], steps: [usize; 2]| match rows * columns {
        0 => 0,
        _ => (rows - 1) * steps[0] + (columns - 1) * steps[1] + 1,
    };
    assert!(a.len() >= needs([rows, inner], a_steps), "a is too short");
    assert!(
        b.len() >= needs([inner, columns], b_steps),
        "b is too short"
    );
    assert!(
        c.len() >= needs([rows, columns], [c_rows, 1]),
        "c is too short"
    );
    assert!(columns <= c_rows || rows <= 1, "the rows of c overlap");
    let step = |steps: usize| isize::try_from(steps).expect("slices are shorter than isize::MAX");
    // SAFETY: the assertions above hold every element that the strides lead to within its slice, and no
    // two elements of `c` are the same.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            inner,
            columns,
            1.0,
            a.as_ptr(),
            step(a_steps[0]),
            step(a_steps[1]),
            b.as_ptr(),
            step(b_steps[0]),
            step(b_steps[1]),
            0.0,
            c.as_mut_ptr(),
            step(c_rows),
            1,
        );
    }
}

pub(super) fn add(to: &mut [f32], what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += what;
    }
}

/// Brings each row to mean 0 and variance 1, then scales and shifts it.
pub(super) fn normalize_rows(rows: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let count = weight.len() as f32;
    for row in rows.chunks_exact_mut(weight.len()) {
        let mean = row.iter().sum::<f32>() / count;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for ((x, weight), bias) in row.iter_mut().zip(weight).zip(bias) {
            *x = (*x - mean) * scale * weight + bias;
        }
    }
}

/// Scores, scaled, to shares that sum to 1.
pub(super) fn softmax(scores: &mut [f32], scale: f32) {
    let highest = scores.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    scores
        .iter_mut()
        .for_each(|x| *x = exp((*x - highest) * scale));
    let total = scores.iter().sum::<f32>();
    scores.iter_mut().for_each(|x| *x /= total);
}

/// `x · Φ(x)`, where Φ is the normal distribution.
pub(super) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The approximation of [`gelu`] that some models were trained with.
pub(super) fn gelu_tanh(x: f32) -> f32 {
    let inner = 0.797_884_6 * (x + 0.044_715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

/// Abramowitz and Stegun 7.1.26: off by 1.5e-7 at most.
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let series = t
        * (0.254_829_6
            + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    (1.0 - series * exp(-size * size)).copysign(x)
}

/// The exponential function of numbers up to 88, within 2e-7 of its value; the system's is a call for
/// each number, which keeps loops from being vectorized.
fn exp(x: f32) -> f32 {
    // 2^n · e^r with r within ±ln 2 / 2. Adding and taking 1.5 · 2^23 rounds to a whole number.
    // Not `max`, which would make a number of what is none.
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = shifted - 12_582_912.0;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let series = 1.0
        + r * (1.0
            + r * (0.5
                + r * (0.166_666_66 + r * (0.041_666_42 + r * (0.008_333_69 + r * 0.001_388_9)))));
    let power = f32::from_bits(((n as i32 + 127) as u32) << 23);
    series * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_functions_are_the_slow_ones() {
        for step in -8_700..8_700 {
            let x = f64::from(step) / 100.0;
            let (got, expected) = (f64::from(exp(x as f32)), f64::from(x as f32).exp());
            assert!((got / expected - 1.0).abs() < 5e-7, "exp({x}) is {got}");
        }
        assert!(exp(-1e9) < 1e-37 && exp(f32::NAN).is_nan());
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_500),
            (1.0, 0.842_701),
            (-2.0, -0.995_322),
            (9.0, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 1e-6, "erf({x}) is {}", erf(x));
        }
        assert!((gelu_tanh(1.0) - gelu(1.0)).abs() < 1e-3);
    }

    #[test]
    fn products_follow_their_strides() {
        // [[1 2] [3 4]] · [[5 6] [7 8]], and with the second one laid out the other way.
        let (a, b, turned) = (
            [1.0, 2.0, 3.0, 4.0],
            [5.0, 6.0, 7.0, 8.0],
            [5.0, 7.0, 6.0, 8.0],
        );
        for (b, steps) in [(b, [2, 1]), (turned, [1, 2])] {
            let mut c = [9.0; 5];
            multiply([2, 2, 2], (&a, [2, 1]), (&b, steps), (&mut c, 3));
            assert_eq!(c, [19.0, 22.0, 9.0, 43.0, 50.0]);
        }
    }
}
