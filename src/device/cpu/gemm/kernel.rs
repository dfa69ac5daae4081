//! The innermost loop of a matrix product: one tile of C in vector registers.

use crate::device::cpu::Float;
#[cfg(target_arch = "x86_64")]
use crate::device::cpu::simd::x86;
use crate::device::cpu::simd::{LEVEL, Level, Plain, Vector};

/// As many rows as a tile of any kernel has.
pub const MAX_ROWS: usize = 12;

/// One call of the kernel: `c += a · b` for a tile of C.
///
/// The product's depth is cut into taps of equal depth: places from which the columns of A are read side by side, while the
/// rows of B follow each other. A matrix has one tap; a convolution reads its input where it lies with several.
pub struct Step<'a, T> {
    /// Where the columns of A begin, in elements.
    pub taps: &'a [usize],
    /// Columns of A, and rows of B, of one tap.
    pub depth: usize,
    /// Where the rows of A begin, in elements from a tap.
    pub rows: Rows<'a>,
    /// Columns of the tile, at most [`Tile::columns`].
    pub width: usize,
    /// A.
    pub a: &'a [T],
    /// B's rows, of as many lanes as hold `width`.
    pub b: &'a [T],
    /// The distance of B's rows.
    pub b_rows: usize,
    /// The first element of the tile of C.
    pub c: *mut T,
    /// Where the rows of C begin, in elements from `c`, for each row of A.
    pub c_rows: &'a [usize],
    /// Whether the product is added to C instead of replacing it.
    pub accumulate: bool,
}

/// The rows of A in one tile, at most [`Tile::rows`] of them.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    /// They begin at these places, and their elements lie side by side.
    Apart(&'a [usize]),
    /// So many rows lie side by side, and their elements are `distance` apart.
    SideBySide { height: usize, distance: usize },
}

/// The kernel that this machine runs for one element type, and the size of its tile.
pub struct Tile<T: 'static> {
    /// Rows of C in one tile.
    pub rows: usize,
    /// Columns of C in one tile: two vectors.
    pub columns: usize,
    /// Columns of one vector.
    pub lanes: usize,
    /// Indexed by rows − 1, then by vectors − 1, then by whether A's rows lie side by side.
    kernels: &'static [[[Raw<T>; 2]; 2]],
}

impl<T> Clone for Tile<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Tile<T> {}

/// `(taps, depth, a, where its rows begin, the distance of its columns, b, b_rows, c, c_rows, width, accumulate)`
type Raw<T> =
    unsafe fn(&[usize], usize, *const T, *const usize, usize, *const T, usize, *mut T, *const usize, usize, bool);

impl<T: Float> Tile<T> {
    /// Runs the kernel for one tile.
    ///
    /// # Safety
    /// From `c` on there are `width` elements at each of the first `c_rows`, that nobody else touches meanwhile.
    #[inline]
    pub unsafe fn run(&self, step: Step<T>) {
        let Step { taps, depth, rows, width, a, b, b_rows, c_rows, .. } = step;
        let lanes = width.next_multiple_of(self.lanes);
        let (height, distance, last) = match rows {
            Rows::Apart(starts) => (starts.len(), 1, starts.iter().max().copied().unwrap_or(0)),
            Rows::SideBySide { height, distance } => (height, distance, height.saturating_sub(1)),
        };
        let tap = taps.iter().max().copied().unwrap_or(0);
        assert!((1..=self.kernels.len()).contains(&height) && c_rows.len() >= height);
        assert!((1..=2 * self.lanes).contains(&width) && depth > 0 && !taps.is_empty());
        assert!(tap + last + (depth - 1) * distance < a.len());
        assert!((taps.len() * depth - 1) * b_rows + lanes <= b.len());
        // SAFETY: the assertions above bound every access to A and B, the caller's promise those to C.
        unsafe { self.run_unchecked(step) }
    }

    /// The same for a caller that made sure of what [`Tile::run`] asserts, of many tiles at once.
    ///
    /// # Safety
    /// As for [`Tile::run`], and what it asserts holds.
    #[inline]
    pub unsafe fn run_unchecked(&self, step: Step<T>) {
        let Step { taps, depth, rows, width, a, b, b_rows, c, c_rows, accumulate } = step;
        let (height, distance, starts) = match rows {
            Rows::Apart(starts) => (starts.len(), 1, starts.as_ptr()),
            Rows::SideBySide { height, distance } => (height, distance, std::ptr::null()),
        };
        let kernel = self.kernels[height - 1][width.div_ceil(self.lanes) - 1][usize::from(starts.is_null())];
        // SAFETY: the caller's promise; the machine has the instructions, or the table would be another.
        unsafe {
            kernel(
                taps,
                depth,
                a.as_ptr(),
                starts,
                distance,
                b.as_ptr(),
                b_rows,
                c,
                c_rows.as_ptr(),
                width,
                accumulate,
            );
        }
    }
}

/// # Safety
/// The pointers must reach as far as [`Tile::run`] asserts.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize, const SIDE_BY_SIDE: bool>(
    taps: &[usize],
    depth: usize,
    a: *const V::T,
    starts: *const usize,
    distance: usize,
    b: *const V::T,
    b_rows: usize,
    c: *mut V::T,
    c_rows: *const usize,
    width: usize,
    accumulate: bool,
) where
    V::T: Float,
{
    // SAFETY: every offset stays inside what `Tile::run` checked.
    unsafe {
        for i in 0..ROWS {
            for j in 0..VECTORS {
                V::prefetch(c.wrapping_add(*c_rows.add(i) + j * V::LANES));
            }
        }
        let mut sums = [[V::splat(V::T::ZERO); VECTORS]; ROWS];
        let mut b = b;
        for &tap in taps {
            let rows: [*const V::T; ROWS] =
                std::array::from_fn(|i| a.add(if SIDE_BY_SIDE { tap + i } else { tap + *starts.add(i) }));
            for p in 0..depth {
                let mut columns = [V::splat(V::T::ZERO); VECTORS];
                for (j, column) in columns.iter_mut().enumerate() {
                    *column = V::load(b.add(j * V::LANES));
                }
                b = b.wrapping_add(b_rows);
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = V::splat(*rows[i].add(if SIDE_BY_SIDE { p * distance } else { p }));
                    for (sum, &column) in sums.iter_mut().zip(&columns) {
                        *sum = x.mul_add(column, *sum);
                    }
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                let to = c.add(*c_rows.add(i) + j * V::LANES);
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
        unsafe fn run<const ROWS: usize, const VECTORS: usize, const SIDE_BY_SIDE: bool>(
            taps: &[usize],
            depth: usize,
            a: *const $element,
            starts: *const usize,
            distance: usize,
            b: *const $element,
            b_rows: usize,
            c: *mut $element,
            c_rows: *const usize,
            width: usize,
            accumulate: bool,
        ) {
            // SAFETY: passed on from the caller.
            unsafe {
                tile::<$vector, ROWS, VECTORS, SIDE_BY_SIDE>(
                    taps, depth, a, starts, distance, b, b_rows, c, c_rows, width, accumulate,
                )
            }
        }
        Tile {
            rows: $rows,
            columns: 2 * <$vector as Vector>::LANES,
            lanes: <$vector as Vector>::LANES,
            kernels: &[$([[run::<$height, 1, false>, run::<$height, 1, true>], [run::<$height, 2, false>, run::<$height, 2, true>]]),*],
        }
    }};
}

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
                    [tile::<Plain<T>, 1, 1, false>, tile::<Plain<T>, 1, 1, true>],
                    [tile::<Plain<T>, 1, 2, false>, tile::<Plain<T>, 1, 2, true>],
                ],
                [
                    [tile::<Plain<T>, 2, 1, false>, tile::<Plain<T>, 2, 1, true>],
                    [tile::<Plain<T>, 2, 2, false>, tile::<Plain<T>, 2, 2, true>],
                ],
                [
                    [tile::<Plain<T>, 3, 1, false>, tile::<Plain<T>, 3, 1, true>],
                    [tile::<Plain<T>, 3, 2, false>, tile::<Plain<T>, 3, 2, true>],
                ],
                [
                    [tile::<Plain<T>, 4, 1, false>, tile::<Plain<T>, 4, 1, true>],
                    [tile::<Plain<T>, 4, 2, false>, tile::<Plain<T>, 4, 2, true>],
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
