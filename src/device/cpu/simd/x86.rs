//! Vector registers of AVX2 and AVX-512, and a transpose in them.

use super::{Exponent, Lanes, Vector, sigmoid, tanh};
use crate::device::cpu::Float;
use std::arch::x86_64::*;

macro_rules! vector {
    (
        $type:ty, $element:ty, $lanes:literal, $set:ident, $load:ident, $store:ident, $fma:ident, $add:ident,
        mask($n:ident) $mask:expr, $load_first:ident, $store_first:ident
    ) => {
        impl Vector for $type {
            type T = $element;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(x: $element) -> Self {
                // SAFETY: the machine has the instruction, by the caller's promise; so below.
                unsafe { $set(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $element) -> Self {
                // SAFETY: as above.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: as above.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn load_first(from: *const $element, $n: usize) -> Self {
                // SAFETY: as above; lanes beyond the mask are not touched.
                unsafe { $load_first($mask, from) }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $element, $n: usize) {
                // SAFETY: as above; lanes beyond the mask are not touched.
                unsafe { $store_first(to, $mask, self) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                unsafe { $fma(self, a, b) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn prefetch(to: *mut $element) {
                // SAFETY: no address faults.
                unsafe { _mm_prefetch::<_MM_HINT_ET0>(to.cast()) }
            }
        }
    };
}
/// The arguments of AVX2's masked load in the order of AVX-512's.
#[inline(always)]
unsafe fn load_ps(mask: __m256i, from: *const f32) -> __m256 {
    // SAFETY: passed on from the caller; so below.
    unsafe { _mm256_maskload_ps(from, mask) }
}

#[inline(always)]
unsafe fn load_pd(mask: __m256i, from: *const f64) -> __m256d {
    // SAFETY: as above.
    unsafe { _mm256_maskload_pd(from, mask) }
}

/// All bits of the first `n` of eight lanes of 32 bits.
#[inline(always)]
unsafe fn first_32(n: usize) -> __m256i {
    // SAFETY: the machine has AVX2, by the caller's promise; so below.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

/// All bits of the first `n` of four lanes of 64 bits.
#[inline(always)]
unsafe fn first_64(n: usize) -> __m256i {
    // SAFETY: as above.
    unsafe { _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3)) }
}

vector!(
    __m512,
    f32,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    mask(n)(1u16 << n) - 1,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps
);
vector!(
    __m512d,
    f64,
    8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_fmadd_pd,
    _mm512_add_pd,
    mask(n)(1u8 << n) - 1,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd
);
vector!(
    __m256, f32, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_add_ps,
    mask(n) first_32(n), load_ps, _mm256_maskstore_ps
);
vector!(
    __m256d, f64, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd, _mm256_add_pd,
    mask(n) first_64(n), load_pd, _mm256_maskstore_pd
);

/// What the functions of a vector are, inside of its `impl Lanes`.
macro_rules! activations {
    ($mul:ident) => {
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: the machine has the instruction, by the caller's promise; so below.
            unsafe { $mul(self, other) }
        }
        #[inline(always)]
        unsafe fn sigmoid(self) -> Self {
            // SAFETY: as above.
            unsafe { sigmoid(self) }
        }
        #[inline(always)]
        unsafe fn tanh(self) -> Self {
            // SAFETY: as above.
            unsafe { tanh(self) }
        }
    };
}

macro_rules! exponent {
    (
        $type:ty, $div:ident, $set:ident, $min:ident, $max:ident, $set_whole:ident, $add_whole:ident, $shift:ident,
        $whole:ident, $float:ident
    ) => {
        impl Exponent for $type {
            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                // SAFETY: the machine has the instruction, by the caller's promise; so below.
                unsafe { $div(self, other) }
            }
            #[inline(always)]
            unsafe fn clamp(self, least: f32, most: f32) -> Self {
                // Of a number and NaN the second operand comes out.
                // SAFETY: as above.
                unsafe { $min($set(most), $max($set(least), self)) }
            }
            #[inline(always)]
            unsafe fn power_of_two(shifted: Self) -> Self {
                // The low bits hold n; the exponent of 1 is 127.
                // SAFETY: as above.
                unsafe { $float($add_whole($shift::<23>($whole(shifted)), $set_whole(127 << 23))) }
            }
        }
    };
}

impl Lanes for __m512 {
    type Mask = __mmask16;
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the machine has AVX-512, by the caller's promise; so below.
        unsafe { _mm512_sub_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn above(self, other: Self) -> __mmask16 {
        // Not below or equal (NaN is neither), where the other is a number.
        // SAFETY: as above.
        unsafe { _mm512_mask_cmp_ps_mask::<_CMP_NLE_UQ>(_mm512_cmp_ps_mask::<_CMP_ORD_Q>(other, other), self, other) }
    }
    #[inline(always)]
    unsafe fn select(self, mask: __mmask16, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_mask_blend_ps(mask, self, other) }
    }
    activations!(_mm512_mul_ps);
    #[inline(always)]
    unsafe fn flush(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let least = _mm512_set1_ps(<f32 as Float>::NEGLIGIBLE);
            // Not less: NaN stays.
            _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(_mm512_abs_ps(self), least), self)
        }
    }
}

exponent!(
    __m512,
    _mm512_div_ps,
    _mm512_set1_ps,
    _mm512_min_ps,
    _mm512_max_ps,
    _mm512_set1_epi32,
    _mm512_add_epi32,
    _mm512_slli_epi32,
    _mm512_castps_si512,
    _mm512_castsi512_ps
);

impl Lanes for __m256 {
    type Mask = __m256;
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the machine has AVX2, by the caller's promise; so below.
        unsafe { _mm256_sub_ps(self, other) }
    }
    #[inline(always)]
    unsafe fn above(self, other: Self) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(self, other), _mm256_cmp_ps::<_CMP_ORD_Q>(other, other)) }
    }
    #[inline(always)]
    unsafe fn select(self, mask: __m256, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_blendv_ps(self, other, mask) }
    }
    activations!(_mm256_mul_ps);
    #[inline(always)]
    unsafe fn flush(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), self);
            let least = _mm256_set1_ps(<f32 as Float>::NEGLIGIBLE);
            // Not less: NaN stays.
            _mm256_and_ps(_mm256_cmp_ps::<_CMP_NLT_UQ>(magnitude, least), self)
        }
    }
}

exponent!(
    __m256,
    _mm256_div_ps,
    _mm256_set1_ps,
    _mm256_min_ps,
    _mm256_max_ps,
    _mm256_set1_epi32,
    _mm256_add_epi32,
    _mm256_slli_epi32,
    _mm256_castps_si256,
    _mm256_castsi256_ps
);

#[target_feature(enable = "avx2")]
pub fn transpose_8x8(from: [&[f32; 8]; 8], out: &mut [f32], stride: usize) {
    assert!(out.len() >= 7 * stride + 8);
    // SAFETY: each row holds 8 elements.
    let r = from.map(|row| unsafe { _mm256_loadu_ps(row.as_ptr()) });
    // Pairs, then quads, then halves change places.
    let mut t = r;
    for i in 0..4 {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    let mut s = t;
    for i in [0, 4] {
        s[i] = _mm256_shuffle_ps::<0x44>(t[i], t[i + 2]);
        s[i + 1] = _mm256_shuffle_ps::<0xee>(t[i], t[i + 2]);
        s[i + 2] = _mm256_shuffle_ps::<0x44>(t[i + 1], t[i + 3]);
        s[i + 3] = _mm256_shuffle_ps::<0xee>(t[i + 1], t[i + 3]);
    }
    for i in 0..4 {
        let low = _mm256_permute2f128_ps::<0x20>(s[i], s[i + 4]);
        let high = _mm256_permute2f128_ps::<0x31>(s[i], s[i + 4]);
        // SAFETY: the assertion above bounds both rows.
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr().add(i * stride), low);
            _mm256_storeu_ps(out.as_mut_ptr().add((i + 4) * stride), high);
        }
    }
}
