//! The arithmetic that CPU ops are generic over, and the run-time choice of vector instructions.
//!
//! The `f32` functions are branch-free polynomials, so that a loop over them turns into vectors; each states its error,
//! which a test over many arguments holds it to. The `f64` ones are the standard library's: they are the oracle.
//! The polynomials are least-squares fits, reweighted towards the smallest largest relative error.

use super::simd::{self, Body};
use crate::dtype::Element;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};
use std::sync::LazyLock;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Runs `work` compiled for the best vector instructions that this machine has (AVX-512, AVX2 with FMA, or plain).
///
/// `work` and what it calls must be inlined, or they stay plain: write `vectorize(#[inline(always)] || …)`. A large closure
/// without the attribute loses its vectors without a word.
#[inline(always)]
pub fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    ARCH.dispatch(work)
}

/// The floating-point types that the CPU computes in.
pub trait Float:
    Element
    + PartialOrd
    + bytemuck::Pod
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + super::gemm::Kernels
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The value below every other.
    const NEG_INFINITY: Self;
    /// [`vectorize`] for `f32`. The oracle, `f64`, runs plainly: each loop would be compiled three times for it too.
    fn vectorize<R>(work: impl FnOnce() -> R) -> R;
    /// Work in vector registers, with `f32`'s widest ones; plainly for the oracle.
    fn in_vectors(body: impl Body<Self>);
    /// The nearest value.
    fn of(x: f64) -> Self;
    /// The same value as `f64`.
    fn wide(self) -> f64;
    /// `self · a + b`, rounded once where the machine can.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// eˣ − 1, accurate near 0.
    fn exp_m1(self) -> Self;
    /// ln x.
    fn ln(self) -> Self;
    /// ln(1 + x) for x ≥ 0, accurate near 0.
    fn ln_1p(self) -> Self;
    /// tanh x.
    fn tanh(self) -> Self;
    /// 1 less the Gauss error function, accurate where that is near 1.
    fn erfc(self) -> Self;
    /// sin x.
    fn sin(self) -> Self;
    /// cos x.
    fn cos(self) -> Self;
    /// xʸ.
    fn pow(self, y: Self) -> Self;
    /// Rounded towards −∞.
    fn floor(self) -> Self;

    /// Below this a gradient or an optimizer's number is nothing: far under what moves a weight, far above subnormals.
    ///
    /// Processors take a hundred times as long over subnormal operands, and what vanishes during training (gradients of
    /// samples that are learnt, means of squares of units that are dead) ends among them unless it is cut off. Rust has
    /// no sound way to let the processor do that.
    const NEGLIGIBLE: Self;

    /// 0 where this is negligible.
    #[inline(always)]
    fn flush(self) -> Self {
        if self.abs() < Self::NEGLIGIBLE { Self::ZERO } else { self }
    }

    /// 1 / (1 + e⁻ˣ).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }

    /// The larger of two; NaN if either is.
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        if self > other || self.is_nan() { self } else { other }
    }

    /// The smaller of two; NaN if either is.
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        if self < other || self.is_nan() { self } else { other }
    }

    /// Whether this is not a number.
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn is_nan(self) -> bool {
        self != self
    }
}

#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = f32::mul_add(sum, x, coefficients[i]);
    }
    sum
}

impl Float for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const NEG_INFINITY: f32 = f32::NEG_INFINITY;
    const NEGLIGIBLE: f32 = 1e-30;

    #[inline(always)]
    fn vectorize<R>(work: impl FnOnce() -> R) -> R {
        vectorize(work)
    }
    fn in_vectors(body: impl Body<f32>) {
        simd::widest(body);
    }

    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn mul_add(self, a: f32, b: f32) -> f32 {
        f32::mul_add(self, a, b)
    }

    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }

    /// Within 2 ulp; 0 where the result would be subnormal.
    #[inline(always)]
    fn exp(self) -> f32 {
        // Adding 1.5 · 2²³ leaves the nearest integer in the low bits.
        const MAGIC: f32 = 12_582_912.0;
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let x = if self < -105.0 { -105.0 } else { self };
        let x = if x > 89.0 { 89.0 } else { x };
        let shifted = f32::mul_add(x, std::f32::consts::LOG2_E, MAGIC);
        let n = shifted - MAGIC;
        let r = f32::mul_add(n, -LN2_LOW, f32::mul_add(n, -LN2_HIGH, x));
        let tail = polynomial(r, [0.5, 0.166_666_67, 0.041_666_463, 0.008_333_361, 0.001_393_368_7, 1.985_783_2e-4]);
        let y = f32::mul_add(r * r, tail, r) + 1.0;
        // 2ⁿ in two factors, since n reaches 128.
        let n = shifted.to_bits().wrapping_sub(MAGIC.to_bits()) as i32;
        let half = n >> 1;
        let power = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
        if self < -87.336_54 { 0.0 } else { y * power(half) * power(n - half) }
    }

    #[inline(always)]
    fn exp_m1(self) -> f32 {
        // eˣ − 1 = 2t / (1 − t) with t = tanh(x / 2), where subtracting 1 from eˣ would cancel.
        let t = (self * 0.5).tanh();
        if Float::abs(self) < 0.5 { 2.0 * t / (1.0 - t) } else { Float::exp(self) - 1.0 }
    }

    /// Within 2 ulp.
    #[inline(always)]
    fn ln(self) -> f32 {
        let subnormal = self < f32::MIN_POSITIVE;
        let x = if subnormal { self * 8_388_608.0 } else { self };
        // x = m · 2ᵉ with m in [√½, √2).
        let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
        let e = ((bits as i32) >> 23) as f32 - if subnormal { 23.0 } else { 0.0 };
        let f = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
        let tail = polynomial(
            f,
            [
                0.333_333_3,
                -0.249_999_94,
                0.200_007_14,
                -0.166_680_57,
                0.142_493_23,
                -0.124_201_44,
                0.116_770_04,
                -0.115_145_9,
                0.070_376_456,
            ],
        );
        let y = f32::mul_add(f * f * f, tail, -0.5 * f * f);
        let y = f32::mul_add(e, -2.121_944_4e-4, y) + f;
        let y = f32::mul_add(e, 0.693_359_4, y);
        let y = if self == 0.0 { f32::NEG_INFINITY } else { y };
        let y = if self < 0.0 || self.is_nan() { f32::NAN } else { y };
        if self == f32::INFINITY { self } else { y }
    }

    #[inline(always)]
    fn ln_1p(self) -> f32 {
        let u = 1.0 + self;
        let lost = self - (u - 1.0);
        if u == f32::INFINITY { u } else { Float::ln(u) + lost / u }
    }

    /// Within 3 ulp.
    #[inline(always)]
    fn tanh(self) -> f32 {
        let x = Float::abs(self);
        let s = self * self;
        let small = f32::mul_add(
            self * s,
            polynomial(
                s,
                [-0.333_333_34, 0.133_332_91, -0.053_956_356, 0.021_746_224, -0.008_272_557_5, 0.002_214_998],
            ),
            self,
        );
        let large = 1.0 - 2.0 / (Float::exp(2.0 * x) + 1.0);
        let large = if self < 0.0 { -large } else { large };
        if x < 0.6 { small } else { large }
    }

    /// Within 8 ulp.
    #[inline(always)]
    fn erfc(self) -> f32 {
        let x = Float::abs(self);
        let s = self * self;
        let small = polynomial(
            s,
            [
                std::f32::consts::FRAC_2_SQRT_PI,
                -0.376_126_38,
                0.112_837_82,
                -0.026_865_4,
                0.005_220_945_5,
                -8.482_829e-4,
                1.125_694_8e-4,
                -9.641_517e-6,
            ],
        );
        let small = f32::mul_add(-self, small, 1.0);
        // e^(−x²) · t P(t) with t = 1 / (1 + x / 2), up to 10.1, where e^(−x²) is 0. What rounding x² loses is put back.
        let c = if x > 10.1 { 10.1 } else { x };
        let t = 1.0 / (1.0 + 0.5 * c);
        let tail = polynomial(
            t,
            [
                0.282_098_86,
                0.282_030_28,
                0.247_039_74,
                0.178_450_2,
                0.061_830_38,
                0.081_264_4,
                -0.225_335_17,
                0.093_192_62,
            ],
        );
        let square = c * c;
        let power = Float::exp(-square);
        let power = f32::mul_add(-power, f32::mul_add(c, c, -square), power);
        let large = power * (t * tail);
        let large = if self < 0.0 { 2.0 - large } else { large };
        if x < 1.0 { small } else { large }
    }

    #[inline(always)]
    fn sin(self) -> f32 {
        f32::sin(self)
    }

    #[inline(always)]
    fn cos(self) -> f32 {
        f32::cos(self)
    }

    #[inline(always)]
    fn pow(self, y: f32) -> f32 {
        f32::powf(self, y)
    }

    #[inline(always)]
    fn floor(self) -> f32 {
        f32::floor(self)
    }
}

impl Float for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const NEG_INFINITY: f64 = f64::NEG_INFINITY;
    const NEGLIGIBLE: f64 = 1e-290;

    fn in_vectors(body: impl Body<f64>) {
        simd::plain(body);
    }
    fn vectorize<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    fn of(x: f64) -> f64 {
        x
    }

    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn mul_add(self, a: f64, b: f64) -> f64 {
        f64::mul_add(self, a, b)
    }

    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }

    fn abs(self) -> f64 {
        f64::abs(self)
    }

    fn exp(self) -> f64 {
        f64::exp(self)
    }

    fn exp_m1(self) -> f64 {
        f64::exp_m1(self)
    }

    fn ln(self) -> f64 {
        f64::ln(self)
    }

    fn ln_1p(self) -> f64 {
        f64::ln_1p(self)
    }

    fn tanh(self) -> f64 {
        f64::tanh(self)
    }

    fn erfc(self) -> f64 {
        libm::erfc(self)
    }

    fn sin(self) -> f64 {
        f64::sin(self)
    }

    fn cos(self) -> f64 {
        f64::cos(self)
    }

    fn pow(self, y: f64) -> f64 {
        f64::powf(self, y)
    }

    fn floor(self) -> f64 {
        f64::floor(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results do not tell: without the feature of `pulp` that makes them, machines of AVX2 would run plain loops.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn loops_run_in_the_vectors_that_the_machine_has() {
        let plain = !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"));
        assert_eq!(matches!(*ARCH, pulp::Arch::Scalar), plain);
    }

    /// The largest distance in units of the last place between `got` and `want` over arguments of every magnitude.
    fn worst_ulp(got: fn(f32) -> f32, want: fn(f64) -> f64, range: std::ops::Range<f32>) -> f64 {
        let mut worst = 0.0f64;
        for bits in (0..=u32::MAX).step_by(1009) {
            let x = f32::from_bits(bits);
            if !range.contains(&x) {
                continue;
            }
            let (got, want) = (got(x), want(f64::from(x)));
            let rounded = want as f32;
            if rounded.is_infinite() || got.is_infinite() {
                assert!((f64::from(got) - want).abs() < 1e32 || got == rounded, "{x}: {got} for {want}");
                continue;
            }
            if want.abs() < f64::from(f32::MIN_POSITIVE) {
                assert!(f64::from(got.abs()) <= f64::from(f32::MIN_POSITIVE), "{x}: {got} for {want}");
                continue;
            }
            let magnitude = rounded.abs();
            let ulp = f64::from(magnitude.next_up()) - f64::from(magnitude);
            let off = (f64::from(got) - want).abs() / ulp;
            assert!(!off.is_nan(), "{x}: {got} for {want}");
            worst = worst.max(off);
        }
        worst
    }

    #[test]
    fn polynomials_keep_their_word() {
        let all = f32::NEG_INFINITY..f32::INFINITY;
        let of = |name, ulp, limit| assert!(ulp <= limit, "{name} is off by {ulp} ulp, {limit} is its word");
        of("exp", worst_ulp(Float::exp, f64::exp, all.clone()), 2.0);
        of("exp_m1", worst_ulp(Float::exp_m1, f64::exp_m1, all.clone()), 6.0);
        of("ln", worst_ulp(Float::ln, f64::ln, 0.0..f32::INFINITY), 2.0);
        of("ln_1p", worst_ulp(Float::ln_1p, f64::ln_1p, 0.0..f32::INFINITY), 3.0);
        of("tanh", worst_ulp(Float::tanh, f64::tanh, all.clone()), 3.0);
        of("sigmoid", worst_ulp(Float::sigmoid, |x| 1.0 / (1.0 + (-x).exp()), -80.0..80.0), 3.0);
        of("erfc", worst_ulp(Float::erfc, libm::erfc, all), 8.0);
    }

    #[test]
    fn edges_are_exact() {
        for (got, want) in [
            (Float::exp(f32::INFINITY), f32::INFINITY),
            (Float::exp(f32::NEG_INFINITY), 0.0),
            (Float::exp(0f32), 1.0),
            (Float::ln(0f32), f32::NEG_INFINITY),
            (Float::ln(f32::INFINITY), f32::INFINITY),
            (Float::ln(1f32), 0.0),
            (Float::tanh(f32::NEG_INFINITY), -1.0),
            (Float::erfc(f32::INFINITY), 0.0),
            (Float::erfc(f32::NEG_INFINITY), 2.0),
            (Float::sigmoid(f32::NEG_INFINITY), 0.0),
            (Float::ln_1p(f32::INFINITY), f32::INFINITY),
        ] {
            assert_eq!(got, want);
        }
        for f in [Float::exp, Float::ln, Float::tanh, Float::erfc, Float::sigmoid, Float::ln_1p, Float::exp_m1] {
            assert!(f(f32::NAN).is_nan());
        }
        assert!(Float::ln(-1f32).is_nan());
    }
}
