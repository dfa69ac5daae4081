//! How far two sets of features are from each other.

use super::jacobi::{dot, orthogonalize};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The Fréchet distance of two sets of features, squared, as is usual: how unlike generated samples are to real ones.
///
/// ```text
/// |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½)
/// ```
///
/// μ and C are the mean and the covariance of the features, (n, d) and (m, d) of any dtype, with the divisor n − 1 as in
/// `numpy.cov`: it is the squared distance W₂ of two normal distributions that have them. It is 0 for equal sets and
/// changes nothing if the two are swapped. All is computed in f64 on the host, which waits for the device.
///
/// On what a layer of a classifier makes of pictures (Inception's pooling layer in the paper) it is known as FID: Heusel
/// et al., [GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
/// Equilibrium](https://arxiv.org/abs/1706.08500), 2017. Figures compare only if they are of the same features, and of
/// as many samples: few samples make it larger ([Chong and Forsyth](https://arxiv.org/abs/1911.07023), 2020).
///
/// With C = F·Fᵀ on both sides the trace of (C₁ C₂)^½, or of (C₁^½ C₂ C₁^½)^½, is the sum of the singular values of
/// F₁ᵀ·F₂, which takes no root of a rounding error. The time grows with d³, seconds for a few hundred features, or with
/// the number of samples where they are fewer.
///
/// ```
/// use uncrumple::metrics::frechet_distance;
/// # use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let real = Tensor::from_slice(&[0f32, 0., 2., 0., 0., 2., 2., 2.], [4, 2])?;
/// let moved = real.add_scalar(3.0)?;
/// assert!((frechet_distance(&real, &moved)? - 18.0).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Features that are no (n, d), of different d or without any; fewer than two samples on a side; NaN, infinity, or
/// numbers whose squares f64 does not hold.
pub fn frechet_distance(real: &Tensor, generated: &Tensor) -> Result<f64> {
    let widths = [width("real", real)?, width("generated", generated)?];
    if widths[0] != widths[1] {
        let message = format!("expected as many features on both sides, got {} and {}", widths[0], widths[1]);
        return Err(Error::shape("frechet_distance", message));
    }
    let (a, b) = (Moments::new("real", real)?, Moments::new("generated", generated)?);
    let apart: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b) * (a - b)).sum();
    // Rows are F₁ᵀ·F₂ or its transpose, whichever has fewer.
    let (short, long) = if a.factor.shape()[0] < b.factor.shape()[0] { (&a, &b) } else { (&b, &a) };
    let mut product = rows(&short.factor.matmul_with(&long.factor, false, true)?)?;
    orthogonalize(&mut product);
    let both: f64 = product.iter().map(|column| dot(column, column).sqrt()).sum();
    let distance = apart + a.trace + b.trace - 2.0 * both;
    if !distance.is_finite() {
        return Err(Error::Data(
            "the features are so large that their squares are no numbers; scale them first".into(),
        ));
    }
    // Rounding may take a distance of 0 below it.
    Ok(distance.max(0.0))
}

/// Checks that features are (n, d), and returns d.
fn width(side: &str, features: &Tensor) -> Result<usize> {
    let wrong = |expected: &str| {
        Error::shape("frechet_distance", format!("{side}: expected {expected}, got shape {}", features.shape()))
    };
    match features.shape()[..] {
        [0 | 1, _] => Err(wrong("at least two samples, of which there is a covariance")),
        [_, d] if d > 0 => Ok(d),
        _ => Err(wrong("features as (samples, features)")),
    }
}

/// What a normal distribution has of a set of features.
struct Moments {
    mean: Vec<f64>,
    /// Fᵀ, with the covariance F·Fᵀ.
    factor: Tensor,
    /// Of the covariance.
    trace: f64,
}

impl Moments {
    fn new(side: &str, features: &Tensor) -> Result<Moments> {
        let features = features.to_device(&Device::Cpu)?.cast(DType::F64)?;
        let (n, d) = (features.shape()[0], features.shape()[1]);
        let values = features.to_vec::<f64>()?;
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::Data(format!("{side}: sample {} holds {} as feature {}", at / d, values[at], at % d)));
        }
        let mean = features.mean(&[0], true)?;
        let scaled = features.sub(&mean)?.mul_scalar(1.0 / (n as f64 - 1.0).sqrt())?;
        // Of few samples the samples themselves are a factor.
        let factor = match n <= d {
            true => scaled,
            false => root(&scaled.matmul_with(&scaled, true, false)?)?,
        };
        let trace = factor.to_vec::<f64>()?.iter().map(|x| x * x).sum();
        Ok(Moments { mean: mean.to_vec()?, factor, trace })
    }
}

/// The eigenvectors of a covariance as rows, each as long as the root of its eigenvalue.
fn root(covariance: &Tensor) -> Result<Tensor> {
    let mut columns = rows(covariance)?;
    orthogonalize(&mut columns);
    for column in &mut columns {
        let value = dot(column, column).sqrt();
        if value > 0.0 {
            column.iter_mut().for_each(|x| *x /= value.sqrt());
        }
    }
    Tensor::from_slice(&columns.concat(), covariance.shape().dims())
}

fn rows(matrix: &Tensor) -> Result<Vec<Vec<f64>>> {
    let values = matrix.to_vec::<f64>()?;
    Ok(values.chunks(matrix.shape()[1]).map(<[f64]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features whose sum of squares is known: ±deviation in each column, the signs of a Hadamard matrix, so that the
    /// covariance is diagonal.
    fn diagonal(mean: [f64; 3], deviation: [f64; 3]) -> Result<Tensor> {
        let signs = [[1., 1., 1.], [1., -1., -1.], [-1., 1., -1.], [-1., -1., 1.]];
        // Four samples have 4/3 of the variance of their population.
        let rows = signs.map(|row| [0, 1, 2].map(|i| mean[i] + row[i] * deviation[i] * 0.75f64.sqrt()));
        Tensor::from_slice(rows.as_flattened(), [4, 3])
    }

    fn noise(seed: u32, n: usize, d: usize) -> Result<Tensor> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) - 0.5
        };
        Tensor::from_slice(&(0..n * d).map(|_| next()).collect::<Vec<_>>(), [n, d])
    }

    #[test]
    fn equal_sets_have_no_distance() -> Result<()> {
        for (n, d) in [(2, 1), (40, 7), (7, 40), (300, 24)] {
            let x = noise(1, n, d)?.mul_scalar(100.0)?;
            let trace = Moments::new("x", &x)?.trace;
            let distance = frechet_distance(&x, &x)?;
            assert!(distance <= 1e-13 * trace, "{n} × {d}: {distance} of {trace}");
        }
        // What does not vary at all.
        let same = Tensor::full(&Device::Cpu, [5, 3], DType::F32, 7.0)?;
        assert_eq!(frechet_distance(&same, &same)?, 0.0);
        Ok(())
    }

    /// |μ₁ − μ₂|² + Σ (σ₁ − σ₂)².
    #[test]
    fn normal_distributions_with_diagonal_covariances() -> Result<()> {
        let (a, b) = (diagonal([1., 2., 3.], [1., 2., 0.])?, diagonal([0., 2., 5.], [3., 0.5, 4.])?);
        let want = 1.0 + 0.0 + 4.0 + (4.0 + 2.25 + 16.0);
        for (a, b) in [(&a, &b), (&b, &a)] {
            assert!((frechet_distance(a, b)? - want).abs() < 1e-12, "{}", frechet_distance(a, b)?);
        }
        let small = [&a, &b].map(|x| x.cast(DType::F32)).into_iter().collect::<Result<Vec<_>>>()?;
        assert!((frechet_distance(&small[0], &small[1])? - want).abs() < 1e-5);
        // More samples than features, by writing each down four times: 15 for 12 of 16 for 4.
        let often = Tensor::concatenate(&[&a, &a, &a, &a], 0)?;
        let shrunk = 12.0 / 15.0;
        let want = 1.0 + 4.0 + shrunk * (1.0 + 4.0) + (9.0 + 0.25 + 16.0) - 2.0 * f64::sqrt(shrunk) * (3.0 + 1.0);
        assert!((frechet_distance(&often, &b)? - want).abs() < 1e-12, "{}", frechet_distance(&often, &b)?);
        Ok(())
    }

    /// Fewer samples than features on one side or on both, by both ways to a factor.
    #[test]
    fn covariances_without_an_inverse() -> Result<()> {
        let (few, many) = (noise(1, 5, 12)?, noise(2, 60, 12)?);
        let by_root = |x: &Tensor| -> Result<Tensor> {
            let mut moments = Moments::new("x", x)?;
            let covariance = moments.factor.matmul_with(&moments.factor, true, false)?;
            moments.factor = root(&covariance)?;
            moments.factor.matmul_with(&moments.factor, true, false)?.sub(&covariance)
        };
        for x in [&few, &many] {
            assert!(by_root(x)?.to_vec::<f64>()?.iter().all(|x| x.abs() < 1e-15));
        }
        // Features that are there twice have a covariance of rank 6, and twice the distance.
        let doubled = |x: &Tensor| Tensor::concatenate(&[x, x], 1);
        for (a, b) in [(&few, &many), (&many, &noise(3, 50, 12)?), (&few, &noise(4, 3, 12)?)] {
            let (once, twice) = (frechet_distance(a, b)?, frechet_distance(&doubled(a)?, &doubled(b)?)?);
            assert!(once > 0.01 && (twice - 2.0 * once).abs() < 1e-7 * once, "{once} {twice}");
        }
        Ok(())
    }

    #[test]
    fn what_has_no_distance_is_an_error() -> Result<()> {
        let zeros = |shape: &[usize]| Tensor::zeros(&Device::Cpu, shape, DType::F32);
        let good = zeros(&[3, 4])?;
        let error = |x: &Tensor| {
            let [a, b] = [frechet_distance(&good, x), frechet_distance(x, &good)].map(|r| r.unwrap_err().to_string());
            assert!(a.contains("generated") || a.contains("both sides") || a.contains("squares"), "{a}");
            b
        };
        assert!(error(&zeros(&[3, 5])?).contains("got 5 and 4"));
        assert!(error(&zeros(&[1, 4])?).contains("at least two samples"));
        assert!(error(&zeros(&[0, 4])?).contains("at least two samples"));
        assert!(error(&zeros(&[12])?).contains("(samples, features), got shape (12"));
        assert!(error(&zeros(&[3, 2, 2])?).contains("(samples, features)"));
        assert!(error(&zeros(&[3, 0])?).contains("(samples, features)"));
        let nan = Tensor::from_slice(&[0f32, 0., 0., 0., 0., 0., f32::NAN, 0.], [2, 4])?;
        assert!(error(&nan).contains("real: sample 1 holds NaN as feature 2"), "{}", error(&nan));
        let large = Tensor::from_slice(&[1e200, 0., 0., 0., -1e200, 0., 0., 0.], [2, 4])?;
        assert!(error(&large).contains("scale them"), "{}", error(&large));
        Ok(())
    }
}
