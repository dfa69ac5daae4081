//! Singular values by rotations of two columns.

/// Rotates pairs of columns until all are orthogonal: A becomes A·V with an orthogonal V, so that the lengths of the
/// columns are the singular values of A, in no order. Of a symmetric positive semi-definite A each column is then an
/// eigenvector, as long as its eigenvalue. Columns are as long as each other.
///
/// The one-sided cyclic Jacobi method: Hestenes, [Inversion of matrices by biorthogonalization and related
/// results](https://doi.org/10.1137/0106005), 1958; Golub and Van Loan, *Matrix Computations*, 4th edition, 8.6.3. It
/// converges quadratically, in some six to ten sweeps over all pairs. Other methods take a fraction of its time for
/// hundreds of columns; no other is as short, and small values come out as exactly as the matrix has them.
pub(super) fn orthogonalize(columns: &mut [Vec<f64>]) {
    /// Far more than are ever needed: what is left is then rounding, which no sweep takes away.
    const MOST_SWEEPS: usize = 40;
    let length = columns.first().map_or(0, Vec::len);
    let tolerance = f64::EPSILON * (length as f64).sqrt();
    let whole: f64 = columns.iter().map(|column| dot(column, column)).sum();
    // What is shorter is rounding, and has no direction.
    let nothing = f64::EPSILON * f64::EPSILON * whole;
    for _ in 0..MOST_SWEEPS {
        let mut rotated = false;
        for q in 1..columns.len() {
            let (before, rest) = columns.split_at_mut(q);
            let b = &mut rest[0];
            for a in before {
                let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
                if aa.min(bb) > nothing && ab.abs() > tolerance * (aa * bb).sqrt() {
                    rotate(a, b, (bb - aa) / (2.0 * ab));
                    rotated = true;
                }
            }
        }
        if !rotated {
            return;
        }
    }
}

/// Turns two columns in their plane by the smaller angle that makes them orthogonal; `zeta` is the cotangent of its
/// double.
fn rotate(a: &mut [f64], b: &mut [f64], zeta: f64) {
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = cosine * tangent;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Several sums at a time, which a processor adds at once.
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0; 4];
    for (a, b) in a4.zip(b4) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(mut columns: Vec<Vec<f64>>) -> Vec<f64> {
        orthogonalize(&mut columns);
        let mut lengths: Vec<f64> = columns.iter().map(|column| dot(column, column).sqrt()).collect();
        lengths.sort_by(f64::total_cmp);
        lengths
    }

    #[test]
    fn known_singular_values() {
        let close = |got: Vec<f64>, want: &[f64]| {
            assert_eq!(got.len(), want.len());
            assert!(
                got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-14 * want[want.len() - 1]),
                "{got:?} {want:?}"
            );
        };
        close(lengths(vec![]), &[]);
        close(lengths(vec![vec![3.0, 4.0]]), &[5.0]);
        close(lengths(vec![vec![4.0, 3.0], vec![0.0, -5.0]]), &[10f64.sqrt(), 40f64.sqrt()]);
        close(
            lengths(vec![vec![2.0, 1.0, 0.0], vec![1.0, 2.0, 1.0], vec![0.0, 1.0, 2.0]]),
            &[2.0 - 2f64.sqrt(), 2.0, 2.0 + 2f64.sqrt()],
        );
        // Of rank one, and nothing at all.
        close(lengths(vec![vec![1.0; 9]; 9]), &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0]);
        close(lengths(vec![vec![0.0; 3]; 2]), &[0.0, 0.0]);
    }

    /// Of Hilbert's matrix, whose eigenvalues go down to 1e-13 of the largest, the sum is the trace.
    #[test]
    fn columns_become_orthogonal() {
        const N: usize = 10;
        let mut columns: Vec<Vec<f64>> = (0..N).map(|i| (0..N).map(|j| 1.0 / (i + j + 1) as f64).collect()).collect();
        let trace: f64 = (0..N).map(|i| columns[i][i]).sum();
        orthogonalize(&mut columns);
        let length = |i: usize| dot(&columns[i], &columns[i]).sqrt();
        assert!(((0..N).map(length).sum::<f64>() - trace).abs() < 1e-14);
        for i in 0..N {
            for j in 0..i {
                assert!(dot(&columns[i], &columns[j]).abs() <= 1e-15 * length(i) * length(j), "{i} {j}");
            }
        }
    }
}
