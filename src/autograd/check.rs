//! Gradients held against finite differences.

use crate::error::{Error, Result};
use crate::tensor::{GradientTape, Tensor};

/// The largest difference that [`check_gradients`] found.
#[derive(Clone, Copy, Debug)]
pub struct GradientCheck {
    /// |analytic − numeric| / (max(|analytic|, |numeric|) + the root mean square of that input's gradient), the largest
    /// over all elements.
    pub worst: f64,
    /// How many elements were compared.
    pub compared: usize,
}

/// Compares the gradients of `function` in `inputs` (f64, on any device) with central differences.
///
/// The outputs of `function` are weighted by fixed numbers of both signs and summed, so that errors do not cancel. Each
/// element is moved by ±`step`; of large inputs an even selection is. The error of a central difference is about
/// `step²`, and 1e-16 / `step` from rounding: 1e-5 or so is best.
///
/// # Errors
/// Inputs that are not f64, a function that fails, or one that gives NaN.
pub fn check_gradients(
    inputs: &[Tensor],
    step: f64,
    function: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<GradientCheck> {
    let device = inputs.first().map(Tensor::device).ok_or_else(|| Error::Config("nothing to check".into()))?;
    let weights_of = |t: &Tensor, k: usize| -> Vec<f64> {
        // Multiples of the golden ratio repeat along no axis: equal weights would hide what sums to a constant.
        (0..t.shape().size()).map(|i| ((i * 7 + k * 3) as f64 * 0.618_033_988_75).fract() * 2.2 - 0.93).collect()
    };

    // One tape an output: a walk starts from one.
    let mut analytic: Vec<Vec<f64>> = inputs.iter().map(|t| vec![0.0; t.shape().size()]).collect();
    for k in 0..function(inputs)?.len() {
        let tape = GradientTape::new();
        let watched = inputs.iter().map(|t| tape.watch(t)).collect::<Result<Vec<_>>>()?;
        let output = function(&watched)?.swap_remove(k);
        let weights = Tensor::from_slice(&weights_of(&output, k), output.shape())?.to_device(&device)?;
        let mut found = Vec::new();
        tape.walk(&output, Some(weights), |node, gradient| found.push((node, gradient)))?;
        for (node, gradient) in found {
            // Inputs are watched first and in order, so their nodes have their numbers.
            let sum = &mut analytic[node as usize];
            sum.iter_mut().zip(gradient.to_vec::<f64>()?).for_each(|(s, g)| *s += g);
        }
    }

    let mut check = GradientCheck { worst: 0.0, compared: 0 };
    for (which, input) in inputs.iter().enumerate() {
        let values = input.to_vec::<f64>()?;
        let analytic = &analytic[which];
        let scale = (analytic.iter().map(|g| g * g).sum::<f64>() / analytic.len().max(1) as f64).sqrt();
        for i in (0..values.len()).step_by(values.len().div_ceil(40).max(1)) {
            let moved = |by: f64| -> Result<Vec<Tensor>> {
                let mut values = values.clone();
                values[i] += by;
                let mut inputs = inputs.to_vec();
                inputs[which] = Tensor::from_slice(&values, input.shape())?.to_device(&device)?;
                function(&inputs)
            };
            // Differences before sums: what did not move takes no part, and its rounding neither.
            let mut numeric = 0.0;
            for (k, (up, down)) in moved(step)?.iter().zip(&moved(-step)?).enumerate() {
                let pairs = up.to_vec::<f64>()?.into_iter().zip(down.to_vec::<f64>()?);
                numeric += pairs.zip(weights_of(up, k)).map(|((up, down), w)| (up - down) * w).sum::<f64>();
            }
            numeric /= 2.0 * step;
            let analytic = analytic[i];
            let off = match (analytic - numeric).abs() {
                0.0 => 0.0,
                off => off / (analytic.abs().max(numeric.abs()) + scale),
            };
            if off.is_nan() {
                let message = format!("input {which}, element {i}: gradient {analytic}, difference {numeric}");
                return Err(Error::Data(message));
            }
            check.worst = check.worst.max(off);
            check.compared += 1;
        }
    }
    Ok(check)
}
