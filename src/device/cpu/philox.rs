//! Philox 4×32-10, the one source of random numbers, the same on every device.
//!
//! A counter-based generator (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011): each number is a
//! function of the seed and of where it stands, so any thread computes any of them and a rerun gives the same.

/// Four 32-bit numbers for a 128-bit counter and a 64-bit key.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut k, mut l]) = (counter, key);
    for _ in 0..10 {
        let p = u64::from(a) * 0xD251_1F53;
        let q = u64::from(c) * 0xCD9E_8D57;
        (a, b, c, d) = ((q >> 32) as u32 ^ b ^ k, q as u32, (p >> 32) as u32 ^ d ^ l, p as u32);
        k = k.wrapping_add(0x9E37_79B9);
        l = l.wrapping_add(0xBB67_AE85);
    }
    [a, b, c, d]
}

/// The numbers of one random op: `seed` and `step` are the generator's state, `stream` tells the ops of a step apart.
#[derive(Clone, Copy, Debug)]
pub struct Philox {
    key: [u32; 2],
    stream: u32,
    step: u32,
}

impl Philox {
    /// The numbers for a generator's `seed` and `step` and an op's `stream`.
    pub fn new(seed: i64, step: i64, stream: u32) -> Philox {
        Philox { key: [seed as u32, (seed >> 32) as u32], stream, step: step as u32 }
    }

    /// Other numbers, for a second part of the same whole.
    pub fn sibling(&self) -> Philox {
        Philox { step: !self.step, ..*self }
    }

    /// The numbers of block `index`: those of the elements 4·index to 4·index + 3.
    #[inline(always)]
    pub fn block(&self, index: u64) -> [u32; 4] {
        philox([index as u32, (index >> 32) as u32, self.stream, self.step], self.key)
    }

    /// Uniform numbers in [0, 1), multiples of 2⁻²⁴.
    #[inline(always)]
    pub fn uniform(&self, index: u64) -> [f32; 4] {
        self.block(index).map(unit)
    }

    /// Standard normal numbers, by the Box–Muller transform of pairs.
    #[inline(always)]
    pub fn normal(&self, index: u64) -> [f32; 4] {
        let [a, b, c, d] = self.block(index);
        let pair = |a: u32, b: u32| {
            // 1 − u lies in (0, 1], where the logarithm is finite.
            let radius = (-2.0 * (1.0 - unit(a)).ln()).sqrt();
            let (sin, cos) = sin_cos_of_turn(unit(b));
            [radius * cos, radius * sin]
        };
        let ([x, y], [z, w]) = (pair(a, b), pair(c, d));
        [x, y, z, w]
    }

    /// The numbers 0 to `n` − 1 in random order (Fisher and Yates).
    pub fn shuffled(&self, n: usize) -> Vec<i32> {
        let mut order: Vec<i32> = (0..n as i32).collect();
        for i in (1..n).rev() {
            let [a, b, ..] = self.block(i as u64);
            // A 64-bit number scaled to 0..=i: its bias is below 2⁻³².
            let random = u64::from(a) << 32 | u64::from(b);
            let j = (u128::from(random) * (i as u128 + 1)) >> 64;
            order.swap(i, j as usize);
        }
        order
    }

    /// A normal number for element `element`, drawn again until it lies within two standard deviations.
    #[inline(always)]
    pub fn truncated_normal(&self, element: u64) -> f32 {
        for attempt in 0u64..64 {
            // A tensor has fewer than 2⁵⁶ elements, so attempts do not collide with other elements' blocks.
            let candidates = self.normal(element | attempt << 56);
            if let Some(&x) = candidates.iter().find(|x| x.abs() <= 2.0) {
                return x;
            }
        }
        0.0
    }
}

/// Sine and cosine of 2πx. The turn is taken apart exactly, into quarters and an eighth at most: 2πx itself would lose
/// digits.
#[inline(always)]
fn sin_cos_of_turn(x: f32) -> (f32, f32) {
    let quarters = (4.0 * x).round();
    let (sin, cos) = (std::f32::consts::TAU * (x - 0.25 * quarters)).sin_cos();
    match quarters as u32 & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

#[inline(always)]
fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the authors' Random123 library (`kat_vectors`, philox4x32 10).
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// Box and Muller's formula in f64.
    #[test]
    fn normal_numbers_are_exact() {
        let p = Philox::new(1, 2, 3);
        for index in 0..10_000 {
            let numbers = p.block(index).map(|bits| f64::from(unit(bits)));
            let got = p.normal(index);
            for (i, u) in numbers.chunks(2).enumerate() {
                let radius = (-2.0 * (1.0 - u[0]).ln()).sqrt();
                let (sin, cos) = (std::f64::consts::TAU * u[1]).sin_cos();
                for (got, want) in got[2 * i..].iter().zip([radius * cos, radius * sin]) {
                    let off = (f64::from(*got) - want).abs();
                    assert!(off <= 1.5e-7 * radius.max(1.0), "block {index}: {got}, not {want}");
                }
            }
        }
    }

    #[test]
    fn moments_are_right() {
        let p = Philox::new(7, 3, 1);
        let n = 100_000u64;
        let moments = |x: Vec<f32>| {
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / x.len() as f64;
            let var = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / x.len() as f64;
            (mean, var)
        };
        let (mean, var) = moments((0..n / 4).flat_map(|i| p.uniform(i)).collect());
        assert!((mean - 0.5).abs() < 0.005 && (var - 1.0 / 12.0).abs() < 0.002, "{mean} {var}");
        let (mean, var) = moments((0..n / 4).flat_map(|i| p.normal(i)).collect());
        assert!(mean.abs() < 0.015 && (var - 1.0).abs() < 0.02, "{mean} {var}");
        // A normal cut at two standard deviations has the variance 0.7737.
        let cut: Vec<f32> = (0..n).map(|i| p.truncated_normal(i)).collect();
        assert!(cut.iter().all(|x| x.abs() <= 2.0));
        let (mean, var) = moments(cut);
        assert!(mean.abs() < 0.015 && (var - 0.7737).abs() < 0.01, "{mean} {var}");
    }
}
