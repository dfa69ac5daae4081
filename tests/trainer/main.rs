//! The trainer: what it reports, what it refuses and when (`refusals.rs`), and how it goes on from a file (`resuming.rs`).

#[path = "../common/mod.rs"]
mod common;
mod refusals;
mod resuming;

use common::golden::Golden;
use serde_json::Value;
use std::path::{Path, PathBuf};
use uncrumple::optimizers::{Hyper, Optimizer, Piece, Settings};
use uncrumple::prelude::*;
use uncrumple::{losses, metrics};

fn random(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut random = common::Random(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.next() as f32 * 2.0 - 1.0).collect();
    Tensor::from_slice(&values, shape)
}

fn samples(labels: &[i32]) -> Result<Dataset> {
    Dataset::new(random(&[labels.len(), 4], 5)?, Tensor::from_slice(labels, labels.len())?)
}

fn chain() -> Result<Model> {
    Sequential::new(4).add(Dense::new(8).tanh()).add(Dropout::new(0.3)).add(Dense::new(3).softmax()).build()
}

fn small() -> Result<Trainer> {
    chain()?.compile(Adam::new(1e-2), SparseCategoricalCrossentropy::new(), Accuracy::new())
}

fn regression() -> Result<Trainer> {
    Sequential::new(4).add(Dense::new(3)).build()?.compile(SGD::new(0.1), MeanSquaredError::new(), ())
}

/// A model with two outputs, `left` and `right`.
fn forked() -> Result<Model> {
    let input = Input::new(4);
    let x = Dense::new(5).tanh().call(&input)?;
    let outputs = [Dense::new(3).named("left").call(&x)?, Dense::new(3).named("right").call(&x)?];
    Model::new(&input, outputs.each_ref())
}

fn weights(trainer: &Trainer) -> Result<Vec<Vec<f32>>> {
    trainer.weights()?.iter().map(|w| w.to_vec()).collect()
}

#[track_caller]
fn refused<T>(result: Result<T>, words: &[&str]) {
    let text = result.map(|_| ()).expect_err("nothing was refused").to_string();
    assert!(words.iter().all(|word| text.contains(word)), "`{text}` lacks one of {words:?}");
}

/// A rule of one's own, for the CPU.
#[derive(Debug)]
struct Signs(Settings);

impl Optimizer for Signs {
    fn class_name(&self) -> &'static str {
        "Signs"
    }

    fn settings(&self) -> &Settings {
        &self.0
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.0
    }

    fn slots(&self) -> &'static [&'static str] {
        &[]
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        [learning_rate as f32, 0.0, f32::INFINITY, 0.0, 0.0, 0.0, 0.0, 0.0]
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        piece.weight.iter_mut().zip(piece.gradient).for_each(|(w, g)| *w -= hyper[0] * g.signum());
    }

    fn kernel(&self) -> Option<&'static uncrumple::device::cuda::Kernel> {
        None
    }

    fn config(&self) -> uncrumple::layers::Config {
        Default::default()
    }
}

#[test]
fn an_optimizer_of_ones_own_trains_without_a_kernel() -> Result<()> {
    let model = Sequential::new(4).add(Dense::new(1)).build()?;
    let data = Dataset::new(random(&[8, 4], 1)?, random(&[8, 1], 2)?)?;
    let signs = || Box::new(Signs(Settings::new(0.25))) as Box<dyn Optimizer>;
    let mut trainer = model.clone().compile(signs(), MeanSquaredError::new(), ())?;
    let before = weights(&trainer)?;
    trainer.train_on_batch(&data)?;
    for (before, after) in before.iter().flatten().zip(weights(&trainer)?.iter().flatten()) {
        assert!(((before - after).abs() - 0.25).abs() < 1e-6, "{before} to {after}");
    }
    if let Some(card) = common::cuda() {
        refused(
            model.on(card).compile(signs(), MeanSquaredError::new(), ()),
            &["Signs", "CUDA kernel", "`dense/kernel`"],
        );
    }
    Ok(())
}

#[test]
fn weights_are_set_together_or_not_at_all() -> Result<()> {
    let mut trainer = small()?;
    let before = weights(&trainer)?;
    let mut other = trainer.weights()?;
    other[0] = Tensor::zeros(&Device::Cpu, other[0].shape(), DType::F32)?;
    refused(trainer.set_weights(&other[..3]), &["4 weights", "3"]);
    other[3] = Tensor::zeros(&Device::Cpu, [7], DType::F32)?;
    refused(trainer.set_weights(&other), &["dense_1/bias", "(3,)", "(7,)"]);
    assert_eq!(weights(&trainer)?, before);
    Ok(())
}

#[test]
fn a_step_that_fails_leaves_no_trace() -> Result<()> {
    let (batch, fine) = (random(&[6, 4], 1)?, random(&[6, 3], 2)?);
    let good = Dataset::new(&batch, &fine)?;
    // The loss takes them; the metric, which wants one label a sample, does not.
    let compile = |metrics: Vec<Box<dyn metrics::Metric>>| {
        let model = Sequential::new(4).add(Dropout::new(0.5)).add(Dense::new(3)).build()?;
        model.compile(SGD::new(0.1), MeanSquaredError::new(), metrics)
    };
    let mut trainer = compile(vec![SparseCategoricalAccuracy::new().into()])?;
    let before = weights(&trainer)?;
    refused(trainer.train_on_batch(&good), &["labels"]);
    assert_eq!((weights(&trainer)?, trainer.iterations()), (before, 0));

    let (mut failed, mut fresh) = (compile(vec![])?, compile(vec![])?);
    refused(failed.train_on_batch(&Dataset::new(&batch, random(&[6, 2], 3)?)?), &["(6, 2)"]);
    failed.train_on_batch(&good)?;
    fresh.train_on_batch(&good)?;
    assert_eq!(weights(&failed)?, weights(&fresh)?);
    Ok(())
}

#[test]
fn batches_add_up_until_the_figures_are_reset() -> Result<()> {
    let (a, b) = (samples(&[0, 1])?, samples(&[2, 2, 2])?);
    let mut trainer = Sequential::new(4).add(Dense::new(3).softmax()).build()?.compile(
        SGD::new(0.0),
        SparseCategoricalCrossentropy::new(),
        (),
    )?;
    let mut loss = |batches: &[&Dataset]| -> Result<f64> {
        trainer.reset_metrics()?;
        batches.iter().try_for_each(|batch| trainer.train_on_batch(batch))?;
        Ok(trainer.logs()?.get("loss").unwrap())
    };
    let (first, second, both) = (loss(&[&a])?, loss(&[&b])?, loss(&[&a, &b])?);
    assert!((both - (2.0 * first + 3.0 * second) / 5.0).abs() < 1e-6 && first != second, "{both}: {first}, {second}");
    Ok(())
}

#[test]
fn inputs_are_converted_to_what_the_model_takes() -> Result<()> {
    let pixels: Vec<u8> = (0..24).collect();
    let pixels = Tensor::from_slice(&pixels, [6, 4])?;
    let run = |inputs: Tensor| -> Result<(Vec<f64>, Vec<Vec<f32>>)> {
        let (mut trainer, targets) = (regression()?, random(&[6, 3], 2)?);
        trainer.set_learning_rate(1e-3)?;
        let data = Dataset::new(inputs, targets)?;
        let history = trainer.fit(&data, Fit::epochs(2).batch_size(4).validation_data(&data))?;
        Ok((history.values("val_loss"), weights(&trainer)?))
    };
    assert_eq!(run(pixels.clone())?, run(pixels.cast(DType::F32)?)?);
    Ok(())
}

#[test]
fn a_step_of_ones_own_is_validated_and_takes_no_metrics() -> Result<()> {
    let (model, data) = (chain()?, samples(&[0, 1, 2, 1])?);
    let step = |model: &uncrumple::train::Running, batch: &Dataset| {
        let p = model.call(&[&batch.inputs()[0]])?.remove(0);
        SparseCategoricalCrossentropy::new().reduced(&batch.targets()[0], &p)
    };
    let mut own = model.clone().compile(SGD::new(0.1), (), ())?.with_step(step);
    let mut usual = model.clone().compile(SGD::new(0.1), SparseCategoricalCrossentropy::new(), ())?;
    let fit = || Fit::epochs(2).batch_size(2).validation_data(&data);
    let (own_history, usual_history) = (own.fit(&data, fit())?, usual.fit(&data, fit())?);
    for name in ["loss", "val_loss"] {
        for (own, usual) in own_history.values(name).iter().zip(usual_history.values(name)) {
            assert!((own - usual).abs() < 1e-5, "{name}: {own} is not {usual}");
        }
    }
    // Validation draws nothing from the steps' random numbers.
    let mut alone = model.clone().compile(SGD::new(0.1), (), ())?.with_step(step);
    alone.fit(&data, Fit::epochs(2).batch_size(2))?;
    assert_eq!(weights(&alone)?, weights(&own)?);

    let mut measured = model.compile(SGD::new(0.1), (), [Accuracy::new()])?.with_step(step);
    for error in [measured.fit(&data, fit()).err(), measured.evaluate(&data).err()] {
        refused(error.map_or(Ok(()), Err), &["metrics", "step of one's own"]);
    }
    Ok(())
}

/// The loss of a batch, as a step of one's own computes it.
trait Reduced {
    fn reduced(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor>;
}

impl Reduced for SparseCategoricalCrossentropy {
    fn reduced(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        use losses::Loss;
        Loss::reduction(self).apply(&self.call(y_true, y_pred, false)?, None)
    }
}

#[test]
fn another_step_is_not_the_recorded_one() -> Result<()> {
    let Some(device) = common::cuda() else { return Ok(()) };
    let (data, model) = (samples(&[0, 1, 2, 1])?.to_device(&device)?, chain()?.on(device));
    let step = |sign: f64| {
        move |model: &uncrumple::train::Running, batch: &Dataset| {
            model.call(&[&batch.inputs()[0]])?[0].square()?.mean(&[], false)?.mul_scalar(sign)
        }
    };
    let mut trainer = model.compile(SGD::new(0.1), (), ())?.with_step(step(1.0));
    (0..4).try_for_each(|_| trainer.train_on_batch(&data))?;
    let mut trainer = trainer.with_step(step(-1.0));
    trainer.reset_metrics()?;
    (0..4).try_for_each(|_| trainer.train_on_batch(&data))?;
    assert!(trainer.logs()?.get("loss").unwrap() < 0.0);
    Ok(())
}

#[test]
fn losses_are_weighted_and_each_output_has_its_own_figure() -> Result<()> {
    let (x, targets) = (random(&[6, 4], 1)?, [random(&[6, 3], 2)?, random(&[6, 3], 3)?]);
    let data = Dataset::new(x, targets)?;
    let figures = |weights: Option<[f64; 2]>| -> Result<[f64; 3]> {
        // One loss is every output's.
        let mut trainer = forked()?.compile(SGD::new(0.0), MeanSquaredError::new(), ())?;
        if let Some(weights) = weights {
            trainer = trainer.loss_weights(weights)?;
        }
        let history = trainer.fit(&data, Fit::epochs(1).batch_size(4).validation_data(&data))?;
        let logs = &history.epochs[0];
        let names: Vec<&str> = logs.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["loss", "left_loss", "right_loss", "val_loss", "val_left_loss", "val_right_loss"]);
        assert_eq!(trainer.figures(), names);
        Ok(["val_loss", "val_left_loss", "val_right_loss"].map(|name| logs.get(name).unwrap()))
    };
    let [loss, left, right] = figures(None)?;
    assert!((loss - left - right).abs() < 1e-6 && left != right, "{loss}: {left}, {right}");
    let [weighted, same_left, same_right] = figures(Some([0.25, 3.0]))?;
    assert!((weighted - 0.25 * left - 3.0 * right).abs() < 1e-6, "{weighted}: {left}, {right}");
    assert_eq!([same_left, same_right], [left, right]);
    Ok(())
}

#[test]
fn figures_have_names_of_their_own() -> Result<()> {
    let encoder = Sequential::new(4).add(Dense::new(3)).build()?.named("encoder").as_layer();
    let (a, b) = (Input::new(4), Input::new(4));
    let model = Model::new([&a, &b], [&encoder.call(&a)?, &encoder.call(&b)?])?;
    let list = || -> Vec<Box<dyn metrics::Metric>> {
        vec![metrics::MeanAbsoluteError::new().into(), metrics::MeanAbsoluteError::new().into()]
    };
    let (mse, mae) = (losses::MeanSquaredError::new(), losses::MeanAbsoluteError::new());
    let trainer = model.compile(SGD::new(0.1), (mse, mae), vec![list(), list()])?;
    let names: Vec<String> = trainer.logs()?.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names[..3], ["loss", "encoder_loss", "encoder_1_loss"]);
    let mae = "mean_absolute_error";
    let [a, b] = ["encoder", "encoder_1"].map(|output| format!("{output}_{mae}"));
    assert_eq!(names[3..], [a.clone(), a + "_1", b.clone(), b + "_1"]);
    Ok(())
}

#[test]
fn metrics_of_several_kinds_are_a_tuple() -> Result<()> {
    let metrics = (Accuracy::new(), metrics::MeanAbsoluteError::new());
    let trainer = chain()?.compile(SGD::new(0.1), CategoricalCrossentropy::new(), metrics)?;
    let logs = trainer.logs()?;
    assert_eq!(logs.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["loss", "accuracy", "mean_absolute_error"]);
    Ok(())
}

#[test]
fn a_seed_of_training_leaves_the_weights() -> Result<()> {
    let data = samples(&[0, 1, 2, 0, 1, 2, 1])?;
    let run = |seed: u64| -> Result<_> {
        let mut trainer = small()?.seed(seed)?;
        let before = weights(&trainer)?;
        trainer.fit(&data, Fit::epochs(2).batch_size(3))?;
        Ok((before, weights(&trainer)?))
    };
    let (one, two) = (run(1)?, run(2)?);
    assert_eq!(one.0, two.0);
    assert_ne!(one.1, two.1);
    assert_eq!(run(1)?, one);
    Ok(())
}

#[test]
fn a_training_ends_with_the_average_of_the_weights() -> Result<()> {
    let data = samples(&[0, 1, 2, 0, 1, 2, 1])?;
    // An average that never moves stays at the weights after the first update.
    let optimizer = SGD::new(0.1).use_ema(true).ema_momentum(1.0);
    let trainer = || chain()?.seed(7)?.compile(optimizer.clone(), SparseCategoricalCrossentropy::new(), ());
    let (mut one, mut many) = (trainer()?, trainer()?);
    one.finalize_variable_values()?;
    one.train_on_batch(&data)?;
    many.fit(&data, Fit::epochs(5).batch_size(7).shuffle(false))?;
    assert_eq!(weights(&one)?, weights(&many)?);
    many.train_on_batch(&data)?;
    assert_ne!(weights(&one)?, weights(&many)?, "the average changes with the weight that was set to it");
    many.finalize_variable_values()?;
    assert_eq!(weights(&one)?, weights(&many)?);
    Ok(())
}

/// By a power of two it changes no bit in f32, and in f16 it keeps gradients that would be 0.
#[test]
fn a_scaled_loss_trains_alike() -> Result<()> {
    let data = samples(&[0, 1, 2, 0, 1, 2, 1])?;
    let train = |precision, optimizer: SGD| -> Result<_> {
        let model = Sequential::new(4).add(Dense::new(8).tanh()).add(Dense::new(3)).build()?.seed(7)?;
        let loss = SparseCategoricalCrossentropy::from_logits();
        let mut trainer = model.precision(precision).compile(optimizer, loss, ())?;
        let before = weights(&trainer)?;
        trainer.train_on_batch(&data)?;
        let figure = trainer.logs()?.get("loss").unwrap();
        let moved = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).filter(|(a, b)| a != b).count();
        let moved: usize = before.iter().zip(&weights(&trainer)?).map(moved).sum();
        Ok((figure, moved, weights(&trainer)?))
    };
    let rate = || SGD::new(0.1).clipnorm(0.01);
    assert_eq!(train(Precision::F32, rate())?, train(Precision::F32, rate().loss_scale_factor(1024.0))?);
    let (full, all, _) = train(Precision::F32, SGD::new(0.1))?;
    let (half, moved, _) = train(Precision::MixedF16, SGD::new(0.1).loss_scale_factor(1024.0))?;
    assert!((full - half).abs() < 2e-3 && moved == all, "{full} {half}, {moved} of {all}");
    // A scale that makes them vanish shows that it does something.
    let (_, moved, _) = train(Precision::MixedF16, SGD::new(0.1).loss_scale_factor(1e-8))?;
    assert_eq!(moved, 0);
    Ok(())
}
