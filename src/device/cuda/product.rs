//! What a matrix product of row-major tensors is to cuBLAS, whose matrices are column-major.

use crate::device::Elements;
use crate::error::{Error, Result};

/// `out = a · b`, plus `bias`, for each item of a batch: `a` is (m, k), `b` (k, n) and `out` (m, n), row-major
/// and dense, all of one floating-point dtype; `bias` is (n).
#[derive(Clone, Copy)]
pub struct Product<'a> {
    /// The left factor; (k, m) if `transpose_a`.
    pub a: &'a dyn Elements,
    /// The right factor; (n, k) if `transpose_b`.
    pub b: &'a dyn Elements,
    /// Where the product goes.
    pub out: &'a dyn Elements,
    /// What is added to each row of it.
    pub bias: Option<&'a dyn Elements>,
    /// Rows of `out`.
    pub m: usize,
    /// Columns of `out`.
    pub n: usize,
    /// Terms of each sum; none make zeros.
    pub k: usize,
    /// How many products.
    pub batch: usize,
    /// Whether `a` stands transposed.
    pub transpose_a: bool,
    /// Whether `b` stands transposed.
    pub transpose_b: bool,
    /// Elements between the items of `a`; 0 takes the same one for each.
    pub stride_a: usize,
    /// Elements between the items of `b`; 0 takes the same one for each.
    pub stride_b: usize,
    /// Elements between the items of `out`: m · n.
    pub stride_out: usize,
}

impl<'a> Product<'a> {
    /// `out = a · b` for one item, nothing transposed.
    #[cfg(test)]
    pub fn new(a: &'a dyn Elements, b: &'a dyn Elements, out: &'a dyn Elements, [m, n, k]: [usize; 3]) -> Product<'a> {
        Product {
            a,
            b,
            out,
            bias: None,
            m,
            n,
            k,
            batch: 1,
            transpose_a: false,
            transpose_b: false,
            stride_a: m * k,
            stride_b: k * n,
            stride_out: m * n,
        }
    }

    /// Whether dtypes agree, and the tensors are as large as the sizes say: cuBLAS would read past their ends.
    pub(super) fn check(&self) -> Result<()> {
        let dtype = self.out.dtype();
        let tensors = [Some(self.a), Some(self.b), self.bias];
        if !dtype.is_float() || tensors.into_iter().flatten().any(|tensor| tensor.dtype() != dtype) {
            return Err(Error::dtype(
                "matmul",
                format!("cuBLAS takes one floating-point dtype, the output is {dtype}"),
            ));
        }
        let last = self.batch.saturating_sub(1);
        let has = |tensor: &dyn Elements, rows: usize, columns: usize, stride: usize| {
            let needed = last.checked_mul(stride).and_then(|start| start.checked_add(rows.checked_mul(columns)?));
            self.batch == 0 || needed.is_some_and(|needed| needed <= tensor.shape().size())
        };
        let fits = has(self.a, self.m, self.k, self.stride_a)
            && has(self.b, self.k, self.n, self.stride_b)
            && has(self.out, self.m, self.n, self.stride_out)
            && self.bias.is_none_or(|bias| bias.shape().size() == self.n)
            && (self.batch <= 1 || self.stride_out == self.m * self.n);
        if fits {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "a product of {} items of ({}, {}) · ({}, {}) was given a{}, b{}, out{}",
            self.batch,
            self.m,
            self.k,
            self.k,
            self.n,
            self.a.shape(),
            self.b.shape(),
            self.out.shape()
        )))
    }

    /// The call of cuBLAS that computes it; sizes are at least 1.
    pub(super) fn gemm(&self) -> Result<Gemm> {
        let sizes = Sizes {
            m: self.m,
            n: self.n,
            k: self.k,
            batch: self.batch,
            transpose_a: self.transpose_a,
            transpose_b: self.transpose_b,
            stride_a: self.stride_a,
            stride_b: self.stride_b,
            stride_out: self.stride_out,
        };
        let gemm = sizes.folded().gemm();
        gemm.ok_or_else(|| Error::shape("matmul", format!("cuBLAS counts to 2³¹ − 1, and {sizes:?} has more")))
    }
}

/// The numbers of a [`Product`].
#[derive(Clone, Copy, Debug)]
struct Sizes {
    m: usize,
    n: usize,
    k: usize,
    batch: usize,
    transpose_a: bool,
    transpose_b: bool,
    stride_a: usize,
    stride_b: usize,
    stride_out: usize,
}

/// A column-major product: `out = op(left) · op(right)`, where `left` is the row-major product's `b` and `right` its `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gemm {
    /// Rows and columns of `out`, and terms of each sum.
    pub m: i32,
    pub n: i32,
    pub k: i32,
    pub left: Factor,
    pub right: Factor,
    pub out: Factor,
    pub batch: i32,
}

/// How a matrix stands in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Factor {
    pub transposed: bool,
    /// Elements between columns, which is how many each has.
    pub leading: i32,
    /// Elements between the items of the batch.
    pub stride: i64,
}

impl Gemm {
    /// Rows and columns of the matrices as they stand in memory: left, right, out.
    pub fn stored(&self) -> [(i32, i32); 3] {
        let swap = |factor: Factor, (rows, columns)| if factor.transposed { (columns, rows) } else { (rows, columns) };
        [swap(self.left, (self.m, self.k)), swap(self.right, (self.k, self.n)), (self.m, self.n)]
    }
}

impl Sizes {
    /// A batch of dense `a` with one `b` is one product of more rows.
    fn folded(self) -> Sizes {
        let dense = self.stride_a == self.m * self.k && self.stride_out == self.m * self.n;
        if self.batch > 1 && self.stride_b == 0 && !self.transpose_a && dense {
            return Sizes { m: self.m * self.batch, batch: 1, ..self };
        }
        self
    }

    /// Row-major memory read column by column is the transposed matrix, and `outᵀ = bᵀ · aᵀ`: the factors change places
    /// and keep their flags, and the leading dimensions are the lengths of the rows.
    fn gemm(self) -> Option<Gemm> {
        let factor = |transposed, leading: usize, stride: usize| {
            Some(Factor { transposed, leading: leading.try_into().ok()?, stride: stride.try_into().ok()? })
        };
        Some(Gemm {
            m: self.n.try_into().ok()?,
            n: self.m.try_into().ok()?,
            k: self.k.try_into().ok()?,
            left: factor(self.transpose_b, if self.transpose_b { self.k } else { self.n }, self.stride_b)?,
            right: factor(self.transpose_a, if self.transpose_a { self.m } else { self.k }, self.stride_a)?,
            out: factor(false, self.n, self.stride_out)?,
            batch: self.batch.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Tensor;

    /// What cuBLAS computes: column-major, element by element.
    fn column_major(g: &Gemm, left: &[f64], right: &[f64], out: &mut [f64]) {
        let at = |f: Factor, item: i32, row: i32, column: i32| {
            let (row, column) = if f.transposed { (column, row) } else { (row, column) };
            assert!(row < f.leading, "a column of {f:?} has no row {row}");
            (item as i64 * f.stride + column as i64 * f.leading as i64 + row as i64) as usize
        };
        for item in 0..g.batch {
            for i in 0..g.m {
                for j in 0..g.n {
                    let terms = (0..g.k).map(|l| left[at(g.left, item, i, l)] * right[at(g.right, item, l, j)]);
                    out[at(g.out, item, i, j)] = terms.sum();
                }
            }
        }
    }

    fn row_major(s: &Sizes, a: &[f64], b: &[f64]) -> Vec<f64> {
        let mut out = Vec::new();
        for item in 0..s.batch {
            let (a, b) = (&a[item * s.stride_a..], &b[item * s.stride_b..]);
            for i in 0..s.m {
                for j in 0..s.n {
                    let a = |l| if s.transpose_a { a[l * s.m + i] } else { a[i * s.k + l] };
                    let b = |l| if s.transpose_b { b[j * s.k + l] } else { b[l * s.n + j] };
                    out.push((0..s.k).map(|l| a(l) * b(l)).sum());
                }
            }
        }
        out
    }

    #[test]
    fn row_major_products_are_column_major_ones() {
        let numbers: Vec<f64> = (0..200).map(|i| (i * 37 % 101) as f64 - 50.0).collect();
        for (m, n, k) in [(1, 1, 1), (2, 3, 4), (5, 1, 3), (1, 4, 2), (4, 2, 1)] {
            for flags in 0..16 {
                let flag = |bit: usize| flags & bit != 0;
                for batch in [1, 3] {
                    let sizes = Sizes {
                        m,
                        n,
                        k,
                        batch,
                        transpose_a: flag(1),
                        transpose_b: flag(2),
                        stride_a: if flag(4) { 0 } else { m * k },
                        stride_b: if flag(8) { 0 } else { k * n },
                        stride_out: m * n,
                    };
                    let (a, b) = (&numbers[..batch * m * k], &numbers[100..100 + batch * k * n]);
                    let expected = row_major(&sizes, a, b);
                    for sizes in [sizes, sizes.folded()] {
                        let mut out = vec![f64::NAN; batch * m * n];
                        column_major(&sizes.gemm().unwrap(), b, a, &mut out);
                        assert_eq!(out, expected, "{sizes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn stored_matrices_have_their_leading_dimension() {
        let sizes = Sizes {
            m: 2,
            n: 3,
            k: 4,
            batch: 1,
            transpose_a: false,
            transpose_b: true,
            stride_a: 8,
            stride_b: 12,
            stride_out: 6,
        };
        let gemm = sizes.gemm().unwrap();
        assert_eq!(gemm.stored(), [(4, 3), (4, 2), (3, 2)]);
        assert_eq!([gemm.left.leading, gemm.right.leading, gemm.out.leading], [4, 4, 3]);
        assert!(Sizes { m: 1 << 31, ..sizes }.gemm().is_none());
    }

    #[test]
    fn tensors_that_are_too_small_are_refused() -> Result<()> {
        let tensor = |n| Tensor::from_slice(&vec![0.0f32; n], n);
        let (a, b, out, bias) = (tensor(6)?, tensor(12)?, tensor(8)?, tensor(4)?);
        let product = Product { bias: Some(&bias), ..Product::new(&a, &b, &out, [2, 4, 3]) };
        assert!(product.check().is_ok());
        assert!(Product { m: 3, ..product }.check().is_err());
        assert!(Product { batch: 2, ..product }.check().is_err());
        assert!(Product { batch: 2, stride_a: 0, stride_b: 0, stride_out: 0, ..product }.check().is_err());
        assert!(Product { bias: Some(&a), ..product }.check().is_err());
        assert!(Product { n: usize::MAX, ..product }.check().is_err());
        let double = Tensor::from_slice(&[0.0f64; 12], 12)?;
        assert!(matches!(Product { b: &double, ..product }.check(), Err(Error::DType { .. })));
        Ok(())
    }
}
