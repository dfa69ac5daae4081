//! The innermost loop of a matrix product: one tile of C in vector registers.

#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::device::cpu::Float;
use std::sync::LazyLock;

/// One call of the kernel: `c += a · b` for a tile of C.
pub struct Step<'a, T> {
    /// Columns of A and rows of B.
    pub depth: usize,
    /// Rows of the tile, at most [`Tile::rows`].
    pub height: usize,
    /// Columns of the tile, at most [`Tile::columns`].
    pub width: usize,
    /// A's rows: packed in groups of [`Tile::rows`], or in place.
    pub a: &'a [T],
    /// The distance of A's rows where they are read in place.
    pub a_rows: Option<usize>,
    /// B's columns, packed; as many lanes a row as hold `width`.
    pub b: &'a [T],
    /// The first element of the tile of C.
    pub c: *mut T,
    /// The distance of C's rows.
    pub c_stride: usize,
    /// Whether the product is added to C instead of replacing it.
    pub accumulate: bool,
}

/// The kernel that this machine runs for one element type, and the size of its tile.
pub struct Tile<T: 'static> {
    /// Rows of C in one tile.
    pub rows: usize,
    /// Columns of C in one tile: two vectors.
    pub columns: usize,
    /// Columns of one vector.
    pub lanes: usize,
    /// Indexed by rows − 1, then by vectors − 1, then by whether A is packed.
    kernels: &'static [[[Raw<T>; 2]; 2]],
}

/// `(depth, a, a_rows, b, c, c_stride, width, accumulate)`
type Raw<T> = unsafe fn(usize, *const T, usize, *const T, *mut T, usize, usize, bool);

impl<T: Float> Tile<T> {
    /// Runs the kernel for one tile.
    ///
    /// # Safety
    /// From `c` on there are `height` rows of `width` elements, `c_stride` apart, that nobody else touches meanwhile.
    #[inline]
    pub unsafe fn run(&self, step: Step<T>) {
        let vectors = step.width.div_ceil(self.lanes);
        let lanes = vectors * self.lanes;
        let a_last = match step.a_rows {
            Some(stride) => (step.height - 1) * stride + step.depth,
            None => (step.depth - 1) * self.rows + step.height,
        };
        assert!(step.height - 1 < self.kernels.len() && (1..=2).contains(&vectors) && step.depth > 0);
        assert!(a_last <= step.a.len() && step.depth * lanes <= step.b.len());
        let kernel = self.kernels[step.height - 1][vectors - 1][usize::from(step.a_rows.is_none())];
        let (a, a_rows, b) = (step.a.as_ptr(), step.a_rows.unwrap_or(0), step.b.as_ptr());
        // SAFETY: the assertions above bound every access to A and B, the caller's promise those to C; the machine has the
        // instructions, or the table would be another.
        unsafe { kernel(step.depth, a, a_rows, b, step.c, step.c_stride, step.width, step.accumulate) }
    }
}

/// A vector register of elements.
pub(super) trait Vector: Copy {
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
}

/// # Safety
/// The pointers must reach as far as [`Tile::run`] asserts.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize, const PACKED: usize>(
    depth: usize,
    a: *const V::T,
    a_rows: usize,
    b: *const V::T,
    c: *mut V::T,
    c_stride: usize,
    width: usize,
    accumulate: bool,
) where
    V::T: Float,
{
    // SAFETY: every offset stays inside what `Tile::run` checked.
    unsafe {
        let mut sums = [[V::splat(V::T::ZERO); VECTORS]; ROWS];
        let mut b = b;
        for p in 0..depth {
            let mut columns = [V::splat(V::T::ZERO); VECTORS];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = V::load(b.add(j * V::LANES));
            }
            b = b.add(VECTORS * V::LANES);
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = V::splat(*if PACKED > 0 { a.add(p * PACKED + i) } else { a.add(i * a_rows + p) });
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = x.mul_add(column, *sum);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                let to = c.add(i * c_stride + j * V::LANES);
                let lanes = width - j * V::LANES;
                if lanes >= V::LANES {
                    let sum = if accumulate { V::load(to).add(*sum) } else { *sum };
                    sum.store(to);
                } else {
                    let sum = if accumulate { V::load_first(to, lanes).add(*sum) } else { *sum };
                    sum.store_first(to, lanes);
                }
            }
        }
    }
}

/// The elements that products exist for.
pub trait Kernels: Sized + 'static {
    /// The kernel for this machine.
    fn tile() -> Tile<Self>;
    /// Writes the transpose of an 8×8 block: `out[c * stride + r] = from[r][c]`.
    fn transpose_8x8(from: [&[Self; 8]; 8], out: &mut [Self], stride: usize);
}

macro_rules! kernels {
    ($vector:ty, $element:ty, $features:literal, $rows:literal: $($height:literal)*) => {{
        #[target_feature(enable = $features)]
        #[allow(clippy::too_many_arguments)]
        unsafe fn run<const ROWS: usize, const VECTORS: usize, const PACKED: usize>(
            depth: usize,
            a: *const $element,
            a_rows: usize,
            b: *const $element,
            c: *mut $element,
            c_stride: usize,
            width: usize,
            accumulate: bool,
        ) {
            // SAFETY: passed on from the caller.
            unsafe { tile::<$vector, ROWS, VECTORS, PACKED>(depth, a, a_rows, b, c, c_stride, width, accumulate) }
        }
        Tile {
            rows: $rows,
            columns: 2 * <$vector as Vector>::LANES,
            lanes: <$vector as Vector>::LANES,
            kernels: &[$([[run::<$height, 1, 0>, run::<$height, 1, $rows>], [run::<$height, 2, 0>, run::<$height, 2, $rows>]]),*],
        }
    }};
}

/// Four elements that the compiler may keep in any register: for machines without AVX2.
#[derive(Clone, Copy)]
struct Plain<T>([T; 4]);

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
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Level {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

static LEVEL: LazyLock<Level> = LazyLock::new(|| {
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

fn plain_transpose<T: Copy>(from: [&[T; 8]; 8], out: &mut [T], stride: usize) {
    for (r, row) in from.iter().enumerate() {
        for (c, &x) in row.iter().enumerate() {
            out[c * stride + r] = x;
        }
    }
}

macro_rules! element {
    ($element:ty, $wide:ident, $narrow:ident, $transpose:item) => {
        impl Kernels for $element {
            fn tile() -> Tile<$element> {
                match *LEVEL {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => {
                        kernels!(std::arch::x86_64::$wide, $element, "avx512f", 12: 1 2 3 4 5 6 7 8 9 10 11 12)
                    }
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => kernels!(std::arch::x86_64::$narrow, $element, "avx2,fma", 6: 1 2 3 4 5 6),
                    Level::Plain => plain::<$element>(),
                }
            }
            $transpose
        }
    };
}

fn plain<T: Float>() -> Tile<T> {
    Tile {
        rows: 4,
        columns: 8,
        lanes: 4,
        kernels: const {
            &[
                [
                    [tile::<Plain<T>, 1, 1, 0>, tile::<Plain<T>, 1, 1, 4>],
                    [tile::<Plain<T>, 1, 2, 0>, tile::<Plain<T>, 1, 2, 4>],
                ],
                [
                    [tile::<Plain<T>, 2, 1, 0>, tile::<Plain<T>, 2, 1, 4>],
                    [tile::<Plain<T>, 2, 2, 0>, tile::<Plain<T>, 2, 2, 4>],
                ],
                [
                    [tile::<Plain<T>, 3, 1, 0>, tile::<Plain<T>, 3, 1, 4>],
                    [tile::<Plain<T>, 3, 2, 0>, tile::<Plain<T>, 3, 2, 4>],
                ],
                [
                    [tile::<Plain<T>, 4, 1, 0>, tile::<Plain<T>, 4, 1, 4>],
                    [tile::<Plain<T>, 4, 2, 0>, tile::<Plain<T>, 4, 2, 4>],
                ],
            ]
        },
    }
}

element!(
    f32,
    __m512,
    __m256,
    fn transpose_8x8(from: [&[f32; 8]; 8], out: &mut [f32], stride: usize) {
        match *LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: both levels above `Plain` have AVX2.
            Level::Avx2 | Level::Avx512 => unsafe { x86::transpose_8x8(from, out, stride) },
            Level::Plain => plain_transpose(from, out, stride),
        }
    }
);
element!(
    f64,
    __m512d,
    __m256d,
    fn transpose_8x8(from: [&[f64; 8]; 8], out: &mut [f64], stride: usize) {
        plain_transpose(from, out, stride);
    }
);
