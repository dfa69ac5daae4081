//! Copies pieces of A and B into the order in which the kernel reads them.

use super::View;
use crate::device::cpu::Float;
use std::ops::Range;

/// Packs columns `j` of rows `p` of B: for each row its elements side by side, padded with zeros to `lanes`.
pub fn columns<T: Float>(b: View<T>, p: Range<usize>, j: Range<usize>, lanes: usize, out: &mut [T]) {
    if b.columns == 1 && j.len() == lanes {
        match lanes {
            32 => rows_of::<T, 32>(b, p, j.start, out),
            16 => rows_of::<T, 16>(b, p, j.start, out),
            8 => rows_of::<T, 8>(b, p, j.start, out),
            _ => rows_of::<T, 4>(b, p, j.start, out),
        }
    } else if b.columns == 1 {
        for (row, out) in p.zip(out.chunks_exact_mut(lanes)) {
            let from = &b.data[row * b.rows + j.start..row * b.rows + j.end];
            out[..from.len()].copy_from_slice(from);
            out[from.len()..].fill(T::ZERO);
        }
    } else {
        transpose(b.data, b.columns, b.rows, j, p, lanes, out);
    }
}

/// Whole rows of `N` elements from column `j` on: a copy of known length is a few moves instead of a call.
fn rows_of<T: Float, const N: usize>(b: View<T>, p: Range<usize>, j: usize, out: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || {
            for (row, out) in p.zip(out.as_chunks_mut::<N>().0) {
                out.copy_from_slice(&b.data[row * b.rows + j..][..N]);
            }
        },
    );
}

/// Packs rows `i` of columns `p` of A into groups of `height` rows: for each column the group's elements side by side.
pub fn rows<T: Float>(a: View<T>, i: Range<usize>, p: Range<usize>, height: usize, out: &mut [T]) {
    let depth = p.len();
    for (first, out) in i.clone().step_by(height).zip(out.chunks_mut(height * depth)) {
        let end = (first + height).min(i.end);
        // A's columns lie side by side as B's rows do.
        let columns = View { data: a.data, rows: a.columns, columns: 1 };
        match (a.rows, end - first == height, height) {
            (1, true, 12) => rows_of::<T, 12>(columns, p.clone(), first, out),
            (1, true, 6) => rows_of::<T, 6>(columns, p.clone(), first, out),
            (1, true, 4) => rows_of::<T, 4>(columns, p.clone(), first, out),
            (1, ..) => {
                for (column, out) in p.clone().zip(out.chunks_exact_mut(height)) {
                    let from = &a.data[column * a.columns + first..column * a.columns + end];
                    out[..from.len()].copy_from_slice(from);
                }
            }
            _ => {
                for (x, row) in (first..end).enumerate() {
                    for (y, column) in p.clone().enumerate() {
                        out[y * height + x] = a.data[row * a.rows + column * a.columns];
                    }
                }
            }
        }
    }
}

/// `out[y * lanes + x] = data[(j.start + x) * major + (p.start + y) * minor]`, zero for x beyond `j`.
///
/// Done in squares that fit a few cache lines, so that neither side strides over memory.
fn transpose<T: Float>(
    data: &[T],
    major: usize,
    minor: usize,
    j: Range<usize>,
    p: Range<usize>,
    lanes: usize,
    out: &mut [T],
) {
    let (width, depth) = (j.len(), p.len());
    if width < lanes {
        out[..depth * lanes].fill(T::ZERO);
    }
    let mut x = 0;
    if minor == 1 {
        while x + 8 <= width {
            let whole = depth / 8 * 8;
            for y in (0..whole).step_by(8) {
                let from: [&[T; 8]; 8] = std::array::from_fn(|r| {
                    let start = (j.start + x + r) * major + p.start + y;
                    let row: &[T; 8] = data[start..start + 8].try_into().unwrap_or_else(|_| unreachable!());
                    row
                });
                T::transpose_8x8(from, &mut out[y * lanes + x..], lanes);
            }
            for r in 0..8 {
                let start = (j.start + x + r) * major + p.start;
                for y in whole..depth {
                    out[y * lanes + x + r] = data[start + y];
                }
            }
            x += 8;
        }
    }
    for x in x..width {
        let start = (j.start + x) * major + p.start * minor;
        for y in 0..depth {
            out[y * lanes + x] = data[start + y * minor];
        }
    }
}
