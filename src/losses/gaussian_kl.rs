//! How far a normal distribution is from the standard one.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The Kullback–Leibler divergence of normal distributions from the standard one, −½ Σ (1 + v − m² − eᵛ) over the last
/// axis, with the means m and the logarithms v of the variances, averaged over the others: the second term of a
/// variational autoencoder's loss ([Kingma and Welling, 2013](https://arxiv.org/abs/1312.6114), appendix B;
/// [Keras's example](https://keras.io/examples/generative/vae/)).
///
/// Means and logarithms `(batch, …, n)`, of one shape and a floating-point dtype; a number.
///
/// # Errors
/// Shapes or dtypes that differ, a dtype that is no float.
pub fn gaussian_kl(z_mean: &Tensor, z_log_var: &Tensor) -> Result<Tensor> {
    if z_mean.shape() != z_log_var.shape() {
        let (means, logarithms) = (z_mean.shape(), z_log_var.shape());
        let message = format!("expected means and logarithms of one shape, got {means} and {logarithms}");
        return Err(Error::shape("gaussian_kl", message));
    }
    let terms = z_log_var.exp()?.add(&z_mean.square()?)?.sub(z_log_var)?.rescale(0.5, -0.5)?;
    terms.sum(&[-1], false)?.mean(&[], false)
}
