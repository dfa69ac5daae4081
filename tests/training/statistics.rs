//! Moving statistics: what training does to them, and when it uses them.

use super::{common, devices};
use common::difference;
use uncrumple::prelude::*;

/// Of three channels, with the means 2, 0 and 4 and the variances 1, 0 and 4.
fn batch() -> Result<Dataset> {
    let x = Tensor::from_slice(&[1.0f32, 0.0, 2.0, 3.0, 0.0, 6.0, 1.0, 0.0, 6.0, 3.0, 0.0, 2.0], [4, 3])?;
    Dataset::new(x, Tensor::from_slice(&[1.0f32, -1.0, 0.5, 0.0], [4, 1])?)
}

fn half() -> BatchNormalization {
    BatchNormalization::new().momentum(0.5)
}

fn trainer(model: Model, device: &Device) -> Result<Trainer> {
    model.seed(1)?.on(device.clone()).compile(SGD::new(0.1), MeanSquaredError::new(), ())
}

fn values(trainer: &Trainer, path: &str) -> Result<Vec<f32>> {
    trainer.model().weight(path)?.to_device(&Device::Cpu)?.to_vec()
}

#[test]
fn statistics_follow_the_batches_and_serve_predictions() -> Result<()> {
    for device in devices() {
        let model = Sequential::new([3]).add(half()).add(Dense::new(1)).build()?;
        assert_eq!(model.summary().trainable_parameters(), 3 + 3 + 3 + 1);
        assert_eq!(model.summary().parameters(), 6 + 10);
        let mut trainer = trainer(model, &device)?;
        let batch = batch()?.to_device(&device)?;
        // A prediction or an evaluation leaves them alone.
        trainer.predict(&batch.inputs()[0])?;
        trainer.evaluate(&batch)?;
        assert_eq!(values(&trainer, "batch_normalization/moving_mean")?, [0.0; 3], "{device}");
        // More steps than a recorded one needs: after the n-th, 1 − 2⁻ⁿ of the batch's.
        for step in 1..=5 {
            trainer.train_on_batch(&batch)?;
            let (new, old) = (1.0 - 0.5f32.powi(step), 0.5f32.powi(step));
            let mean = values(&trainer, "batch_normalization/moving_mean")?;
            let variance = values(&trainer, "batch_normalization/moving_variance")?;
            assert_eq!(mean, [2.0 * new, 0.0, 4.0 * new], "step {step} on {device}");
            assert_eq!(variance, [new + old, old, 4.0 * new + old], "step {step} on {device}");
        }
        let x = trainer.predict(&batch.inputs()[0])?;
        let by_hand = Sequential::new([3]).add(half()).add(Dense::new(1)).build()?;
        let mut by_hand = by_hand.on(device.clone());
        for path in by_hand.weight_paths().map(String::from).collect::<Vec<_>>() {
            by_hand.set_weight(&path, &trainer.model().weight(&path)?)?;
        }
        let y = by_hand.predict(&batch.inputs()[0])?;
        assert_eq!(
            x.to_vec::<f32>()?,
            y.to_vec::<f32>()?,
            "a prediction is the weights' and the moving statistics' alone"
        );
    }
    Ok(())
}

/// Keras's: a layer that is not trainable, or lies in a model that is not, normalises in training as it does in inference.
#[test]
fn frozen_statistics_stay_and_are_used() -> Result<()> {
    for device in devices() {
        let alone = Sequential::new([3]).add(half().shared().trainable(false)).add(Dense::new(1)).build()?;
        let inner = Sequential::new([3]).add(half()).build()?.named("inner").as_layer();
        let nested = Sequential::new([3]).add(inner.trainable(false)).add(Dense::new(1)).build()?;
        for (model, path) in [(alone, "batch_normalization"), (nested, "inner/batch_normalization")] {
            let mut trainer = trainer(model, &device)?;
            let batch = batch()?.to_device(&device)?;
            let before = trainer.evaluate(&batch)?.get("loss");
            trainer.reset_metrics()?;
            trainer.train_on_batch(&batch)?;
            let (in_training, before) = (trainer.logs()?.get("loss").unwrap(), before.unwrap());
            assert!((in_training - before).abs() <= 1e-6 * before, "{path} on {device}: {in_training}, not {before}");
            for (weight, want) in [("gamma", 1.0), ("beta", 0.0), ("moving_mean", 0.0), ("moving_variance", 1.0)] {
                assert_eq!(values(&trainer, &format!("{path}/{weight}"))?, [want; 3], "{path} on {device}");
            }
        }
    }
    Ok(())
}

#[test]
fn two_calls_in_a_step_are_two_batches() -> Result<()> {
    for device in devices() {
        let shared = || -> Result<Model> {
            let (layer, input) = (half().center(false).scale(false).shared(), Input::new([3]));
            let y = layer.call(&layer.call(&input)?)?;
            Model::new(&input, &Dense::new(1).call(&y)?)
        };
        // The same inside of another model, which is called twice.
        let nested = || -> Result<Model> {
            let inner = Sequential::new([3]).add(half().center(false).scale(false)).build()?.named("inner").as_layer();
            let input = Input::new([3]);
            let y = inner.call(&inner.call(&input)?)?;
            Model::new(&input, &Dense::new(1).call(&y)?)
        };
        for (model, path) in [(shared()?, "batch_normalization"), (nested()?, "inner/batch_normalization")] {
            let mut trainer = trainer(model, &device)?;
            trainer.train_on_batch(&batch()?.to_device(&device)?)?;
            // First the batch's means 2, 0, 4, then those of what was normalised.
            let mean = trainer.model().weight(&format!("{path}/moving_mean"))?;
            let want = Tensor::from_slice(&[0.5f32, 0.0, 1.0], 3)?;
            assert_eq!(difference(&mean, &want, 1e-6)?, None, "{path} on {device}");
            let variance = trainer.model().weight(&format!("{path}/moving_variance"))?;
            let second = |variance: f32| variance / (variance + 1e-3);
            let want = [(1.0 + 1.0) / 4.0 + second(1.0) / 2.0, 0.25, (1.0 + 4.0) / 4.0 + second(4.0) / 2.0];
            assert_eq!(difference(&variance, &Tensor::from_slice(&want, 3)?, 1e-6)?, None, "{path} on {device}");
        }
    }
    Ok(())
}

#[test]
fn statistics_are_f32_under_mixed_precision() -> Result<()> {
    for device in devices() {
        let model = Sequential::new([3]).add(half()).add(Dense::new(1)).build()?.precision(Precision::MixedBf16);
        let mut trainer = trainer(model, &device)?;
        trainer.train_on_batch(&batch()?.to_device(&device)?)?;
        assert_eq!(values(&trainer, "batch_normalization/moving_mean")?, [1.0, 0.0, 2.0], "{device}");
        assert_eq!(values(&trainer, "batch_normalization/moving_variance")?, [1.0, 0.5, 2.5], "{device}");
    }
    Ok(())
}
