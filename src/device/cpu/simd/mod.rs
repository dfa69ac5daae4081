//! Vector registers, for the few loops whose sums must stay in them: what the compiler makes of plain loops (`vectorize`) does
//! for the rest.

#[cfg(target_arch = "x86_64")]
pub mod x86;

use super::Float;
use std::sync::LazyLock;

/// A vector register of elements, with what products of matrices take.
pub trait Vector: Copy {
    /// What it has lanes of.
    type T;
    const LANES: usize;
    unsafe fn splat(x: Self::T) -> Self;
    unsafe fn load(from: *const Self::T) -> Self;
    unsafe fn store(self, to: *mut Self::T);
    /// The first `n` lanes, fewer than all; the others are 0.
    unsafe fn load_first(from: *const Self::T, n: usize) -> Self;
    /// Stores the first `n` lanes, fewer than all.
    unsafe fn store_first(self, to: *mut Self::T, n: usize);
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// Fetches the line of an address that will be written.
    unsafe fn prefetch(to: *mut Self::T);
}

/// What other loops take besides: vectors of `f32`, and plain ones.
pub trait Lanes: Vector {
    /// A bit for each lane.
    type Mask: Copy;
    unsafe fn sub(self, other: Self) -> Self;
    /// Where a lane is larger than the other's, or the first NaN of the two.
    unsafe fn above(self, other: Self) -> Self::Mask;
    /// The lanes of `other` where the mask says so, else its own; all bits as they are.
    unsafe fn select(self, mask: Self::Mask, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// 1 / (1 + e⁻ˣ), within 3 ulp, or of 1e-30 below it; 0 where it would be subnormal.
    unsafe fn sigmoid(self) -> Self;
    /// tanh x, within 3 ulp.
    unsafe fn tanh(self) -> Self;
    /// 0 where a lane is negligible: see `Float::NEGLIGIBLE`.
    unsafe fn flush(self) -> Self;
}

/// What the exponential takes of a vector of `f32`.
trait Exponent: Lanes<T = f32> {
    unsafe fn div(self, other: Self) -> Self;
    /// The value between `least` and `most`; NaN stays.
    unsafe fn clamp(self, least: f32, most: f32) -> Self;
    /// 2ⁿ for a whole n from −126 to 127, which was added to 1.5 · 2²³.
    unsafe fn power_of_two(shifted: Self) -> Self;
}

/// eˣ − 1 as `2ⁿ · p + (2ⁿ − 1)`, which keeps its digits near 0: the power and p. x is held to where 2ⁿ is a normal number.
#[inline(always)]
unsafe fn exp_m1<V: Exponent>(x: V) -> (V, V) {
    const MAGIC: f32 = 12_582_912.0;
    // SAFETY: the caller's promise, that the machine has V's instructions.
    unsafe {
        let x = x.clamp(-87.0, 88.0);
        let shifted = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(MAGIC));
        let n = shifted.sub(V::splat(MAGIC));
        // ln 2 in two parts, of which the first has few digits.
        let r = n.mul_add(V::splat(-0.693_359_4), x);
        let r = n.mul_add(V::splat(2.121_944_4e-4), r);
        let mut tail = V::splat(1.985_783_2e-4);
        for coefficient in [0.001_393_368_7, 0.008_333_361, 0.041_666_463, 0.166_666_67, 0.5] {
            tail = tail.mul_add(r, V::splat(coefficient));
        }
        (V::power_of_two(shifted), r.mul(r).mul_add(tail, r))
    }
}

#[inline(always)]
unsafe fn sigmoid<V: Exponent>(x: V) -> V {
    // SAFETY: passed on from the caller.
    unsafe {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let (power, p) = exp_m1(zero.sub(x));
        // Further on it would be subnormal.
        one.div(power.mul_add(p, power.add(one))).select(V::splat(-87.0).above(x), zero)
    }
}

/// With E = e²ˣ − 1 it is E / (E + 2).
#[inline(always)]
unsafe fn tanh<V: Exponent>(x: V) -> V {
    // SAFETY: passed on from the caller.
    unsafe {
        // Beyond this it is 1 in f32.
        let (power, p) = exp_m1(x.add(x).clamp(-20.0, 20.0));
        let e = power.mul_add(p, power.sub(V::splat(1.0)));
        e.div(e.add(V::splat(2.0)))
    }
}

/// As many of the first lanes as there are elements; the others are 0.
///
/// # Safety
/// There are `lanes` elements, at least one, and the machine has V's instructions.
#[inline(always)]
pub unsafe fn load<V: Vector>(from: *const V::T, lanes: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if lanes >= V::LANES { V::load(from) } else { V::load_first(from, lanes) } }
}

/// Stores as many of the first lanes as there are elements.
///
/// # Safety
/// As for [`load`].
#[inline(always)]
pub unsafe fn store<V: Vector>(vector: V, to: *mut V::T, lanes: usize) {
    // SAFETY: the caller's promise.
    unsafe { if lanes >= V::LANES { vector.store(to) } else { vector.store_first(to, lanes) } }
}

/// Work that is written once and compiled for each kind of vector.
pub trait Body<T> {
    /// Does it. Mark it `#[inline(always)]`, and all that it calls: only so the instructions reach it. A closure that a
    /// `let` names cannot be marked, so none of them may touch vectors.
    ///
    /// # Safety
    /// The machine has V's instructions.
    unsafe fn run<V: Lanes<T = T>>(self);
}

/// Does the work with this machine's widest vectors of `f32`.
pub fn widest(body: impl Body<f32>) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        unsafe fn wide(body: impl Body<f32>) {
            // SAFETY: passed on from the caller; so below.
            unsafe { body.run::<std::arch::x86_64::__m512>() }
        }
        #[target_feature(enable = "avx2,fma")]
        unsafe fn narrow(body: impl Body<f32>) {
            // SAFETY: as above.
            unsafe { body.run::<std::arch::x86_64::__m256>() }
        }
        match *LEVEL {
            // SAFETY: the machine has what its level says; so below.
            Level::Avx512 => return unsafe { wide(body) },
            // SAFETY: as above.
            Level::Avx2 => return unsafe { narrow(body) },
            Level::Plain => {}
        }
    }
    plain(body);
}

/// Does the work with what every machine has.
pub fn plain<T: Float>(body: impl Body<T>) {
    // SAFETY: these vectors need no instructions of their own.
    unsafe { body.run::<Plain<T>>() }
}

/// Four elements that the compiler may keep in any register: for machines without AVX2.
#[derive(Clone, Copy)]
pub struct Plain<T>([T; 4]);

impl<T: Float> Vector for Plain<T> {
    type T = T;
    const LANES: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Plain([x; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Plain(from.cast::<[T; 4]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[T; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const T, n: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Plain(std::array::from_fn(|i| if i < n { *from.add(i) } else { T::ZERO })) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, n: usize) {
        for (i, &x) in self.0.iter().enumerate().take(n) {
            // SAFETY: the caller's promise.
            unsafe { *to.add(i) = x }
        }
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // Two roundings: without the instruction a fused multiply-add is a library call.
        Plain(std::array::from_fn(|i| self.0[i] * a.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn prefetch(_: *mut T) {}
}

impl<T: Float> Lanes for Plain<T> {
    type Mask = [bool; 4];
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
    #[inline(always)]
    unsafe fn above(self, other: Self) -> [bool; 4] {
        std::array::from_fn(|i| self.0[i] > other.0[i] || self.0[i].is_nan() && !other.0[i].is_nan())
    }
    #[inline(always)]
    unsafe fn select(self, mask: [bool; 4], other: Self) -> Self {
        Plain(std::array::from_fn(|i| if mask[i] { other.0[i] } else { self.0[i] }))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }
    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        Plain(self.0.map(Float::sigmoid))
    }
    #[inline(always)]
    unsafe fn tanh(self) -> Self {
        Plain(self.0.map(Float::tanh))
    }
    #[inline(always)]
    unsafe fn flush(self) -> Self {
        Plain(self.0.map(Float::flush))
    }
}

/// Instructions that vectors need.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub enum Level {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// What this machine has.
pub static LEVEL: LazyLock<Level> = LazyLock::new(|| {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return Level::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
    }
    Level::Plain
});

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f32 = f32::NAN;
    const A: [f32; 16] = [1.0, -2.0, NAN, 4.0, NAN, 0.5, -7.0, 8.0, 9.0, NAN, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    const B: [f32; 16] = [2.0, -2.0, NAN, NAN, 5.0, 0.25, 7.0, -8.0, 9.5, 1.0, NAN, 2.0, 2.0, 5.0, 4.0, 7.0];

    /// Each function of a vector against the same of its lanes, for all counts of lanes.
    struct EachLane;

    impl Body<f32> for EachLane {
        #[inline(always)]
        unsafe fn run<V: Lanes<T = f32>>(self) {
            for n in 1..=V::LANES {
                let mut out = [[0f32; 16]; 5];
                // SAFETY: all arrays have as many lanes as any vector; the machine has the instructions by the caller's
                // promise.
                unsafe {
                    let (a, b) = (load::<V>(A.as_ptr(), n), load::<V>(B.as_ptr(), n));
                    let results = [a.add(b), a.sub(b), a.mul_add(b, a), b.select(a.above(b), a), V::splat(3.0)];
                    results.into_iter().zip(&mut out).for_each(|(x, out)| store(x, out.as_mut_ptr(), n));
                }
                for i in 0..16 {
                    let (a, b) = (A[i], B[i]);
                    let larger = if a > b || a.is_nan() && !b.is_nan() { a } else { b };
                    let want = if i < n { [a + b, a - b, a * b + a, larger, 3.0] } else { [0.0; 5] };
                    for (out, want) in out.iter().zip(want) {
                        assert!(out[i] == want || out[i].is_nan() && want.is_nan(), "{n} lanes: {} for {want}", out[i]);
                    }
                }
            }
        }
    }

    /// The functions against f64's, over what they are given and far beyond.
    struct Functions;

    impl Body<f32> for Functions {
        #[inline(always)]
        unsafe fn run<V: Lanes<T = f32>>(self) {
            let magnitudes = (0..40_000).map(|i| 1e-30 * 10f64.powf(f64::from(i) / 1000.0)).filter(|x| *x < 1e4);
            let arguments: Vec<f32> = magnitudes.flat_map(|x| [x as f32, -x as f32]).collect();
            let mut worst = [0f64; 2];
            for x in arguments.chunks_exact(16) {
                let mut out = [[0f32; 16]; 2];
                for at in (0..16).step_by(V::LANES) {
                    // SAFETY: 16 is a number of whole vectors; the machine has the instructions by the caller's promise.
                    unsafe {
                        let v = V::load(x[at..].as_ptr());
                        v.sigmoid().store(out[0][at..].as_mut_ptr());
                        v.tanh().store(out[1][at..].as_mut_ptr());
                    }
                }
                for (i, &x) in x.iter().enumerate() {
                    let x = f64::from(x);
                    for (k, want) in [1.0 / (1.0 + (-x).exp()), x.tanh()].into_iter().enumerate() {
                        let ulp = f64::from(f32::EPSILON) * want.abs().max(1e-30);
                        worst[k] = worst[k].max((f64::from(out[k][i]) - want).abs() / ulp);
                    }
                }
            }
            assert!(worst.iter().all(|&worst| worst <= 3.0), "sigmoid and tanh are off by {worst:?} ulp");
            for (x, sigmoid, tanh) in [(f32::INFINITY, 1.0, 1.0), (f32::NEG_INFINITY, 0.0, -1.0), (0.0, 0.5, 0.0)] {
                let mut out = [[0f32; 16]; 2];
                // SAFETY: as above.
                unsafe {
                    V::splat(x).sigmoid().store(out[0].as_mut_ptr());
                    V::splat(x).tanh().store(out[1].as_mut_ptr());
                }
                assert!(
                    (out[0][0] - sigmoid).abs() < 1e-37 && out[1][0] == tanh,
                    "of {x}: {} {}",
                    out[0][0],
                    out[1][0]
                );
            }
            let mut out = [[0f32; 16]; 4];
            // SAFETY: as above.
            unsafe {
                V::splat(NAN).sigmoid().store(out[0].as_mut_ptr());
                V::splat(NAN).tanh().store(out[1].as_mut_ptr());
                V::splat(1e-31).flush().store(out[2].as_mut_ptr());
                V::splat(-2e-30).flush().store(out[3].as_mut_ptr());
            }
            assert!(out[0][0].is_nan() && out[1][0].is_nan());
            assert_eq!([out[2][0], out[3][0]], [0.0, -2e-30]);
        }
    }

    #[test]
    fn all_vectors_of_the_machine_compute_as_their_lanes() {
        plain::<f32>(EachLane);
        plain::<f32>(Functions);
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            unsafe fn narrow() {
                // SAFETY: passed on from the caller.
                unsafe {
                    EachLane.run::<std::arch::x86_64::__m256>();
                    Functions.run::<std::arch::x86_64::__m256>();
                }
            }
            if *LEVEL >= Level::Avx2 {
                // SAFETY: the machine has it.
                unsafe { narrow() }
            } else {
                println!("not tested: AVX2, which this machine does not have");
            }
        }
        widest(EachLane);
        widest(Functions);
    }
}
