//! Mixed precision: bf16 between weights of f32.

use super::{devices, draw, samples};
use uncrumple::prelude::*;

/// The losses of 20 steps, and how far each weight moved in them.
fn run(device: &Device, precision: Precision) -> Result<(Vec<f64>, Vec<Vec<f32>>)> {
    let model = Sequential::new([4]).add(Dense::new(32).relu()).add(Dense::new(3).softmax()).build()?.seed(3)?;
    let model = model.precision(precision).on(device.clone());
    let mut trainer = model.compile(SGD::new(1e-3), SparseCategoricalCrossentropy::new(), ())?;
    let labels: Vec<i32> =
        (0..64).map(|i| i32::from(draw(6, i, 1.0) > 0.0) + i32::from(draw(5, 4 * i, 1.0) > 0.0)).collect();
    let first: Vec<Vec<f32>> = trainer.weights()?.iter().map(Tensor::to_vec).collect::<Result<_>>()?;
    let losses = trainer.fit(&samples(&labels)?, Fit::epochs(20).batch_size(64))?.values("loss");
    let moved = |(w, first): (&Tensor, &Vec<f32>)| -> Result<Vec<f32>> {
        assert_eq!(w.dtype(), DType::F32);
        Ok(w.to_vec::<f32>()?.iter().zip(first).map(|(w, first)| w - first).collect())
    };
    let moved = trainer.weights()?.iter().zip(&first).map(moved).collect::<Result<_>>()?;
    Ok((losses, moved))
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// bf16 keeps 8 bits, so each rounding is off by at most 2⁻⁹. Up to a gradient there are eight: input, kernels, the two
/// outputs, and those of the backward. The steps are far smaller than what bf16 can tell of a weight: were the weights
/// themselves of bf16, most would not move.
#[test]
fn mixed_precision_trains_as_f32_does() -> Result<()> {
    let tolerance = 8.0 / 512.0;
    for device in devices() {
        let (losses, moved) = run(&device, Precision::MixedBf16)?;
        let (exact_losses, exact) = run(&device, Precision::F32)?;
        for (step, (loss, exact)) in losses.iter().zip(&exact_losses).enumerate() {
            assert!((loss - exact).abs() <= tolerance * exact, "{device}, step {step}: loss {loss}, in f32 {exact}");
        }
        assert_ne!(losses, exact_losses, "{device}: nothing was computed in bf16");
        for (i, (moved, exact)) in moved.iter().zip(&exact).enumerate() {
            let off = norm(moved.iter().zip(exact).map(|(m, e)| m - e)) / norm(exact.iter().copied());
            assert!(off <= tolerance, "{device}: weight {i} moved elsewhere by {off} of its way");
        }
    }
    Ok(())
}
