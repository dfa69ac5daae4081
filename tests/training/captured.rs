//! Steps that a CUDA device records as a graph and replays: they must be the steps that it would run one by one, and those of
//! the CPU.

use super::{common, devices, samples, weight_bits};
use uncrumple::optimizers::{self, Optimizer};
use uncrumple::prelude::*;
use uncrumple::programs;

/// All that a run leaves: the figures of its epochs, and the weights.
#[derive(PartialEq)]
struct Outcome {
    figures: Vec<f64>,
    weights: Vec<Vec<f32>>,
}

fn weights(trainer: &Trainer) -> Result<Vec<Vec<f32>>> {
    trainer.weights()?.iter().map(Tensor::to_vec).collect()
}

/// Dropout, clipping, whole and smaller batches in turn; then another learning rate, and other weights.
fn run(device: &Device, capture: bool, optimizer: impl Into<Box<dyn Optimizer>>) -> Result<Outcome> {
    let model = Sequential::new([4])
        .add(Dense::new(32).relu())
        .add(Dropout::new(0.5))
        .add(Dense::new(3).softmax())
        .build()?
        .seed(7)?
        .on(device.clone());
    let trainer = model.compile(optimizer, SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
    let mut trainer = trainer.capture(capture);
    let labels: Vec<i32> = (0..23).map(|i| i % 3).collect();
    // Batches of 8, 8 and 7.
    let data = samples(&labels)?;
    let fit = |epochs| Fit::epochs(epochs).batch_size(8);
    let first = trainer.weights()?;
    let mut epochs = trainer.fit(&data, fit(3))?.epochs;
    trainer.set_learning_rate(0.5 * trainer.learning_rate())?;
    epochs.extend(trainer.fit(&data, fit(2))?.epochs);
    trainer.set_weights(&first)?;
    epochs.extend(trainer.fit(&data, fit(2))?.epochs);
    let figures = epochs.iter().flat_map(|logs| logs.iter().map(|(_, value)| value).collect::<Vec<_>>()).collect();
    Ok(Outcome { figures, weights: weights(&trainer)? })
}

#[test]
fn a_recorded_step_is_the_step_bit_for_bit() -> Result<()> {
    let optimizers: [fn() -> Box<dyn Optimizer>; 6] = [
        || Adam::new(0.02).global_clipnorm(0.1).into(),
        || SGD::new(0.1).momentum(0.9).clipnorm(0.1).into(),
        || RMSprop::new(0.01).clipvalue(0.01).into(),
        || Adafactor::new(0.01).clipvalue(0.1).weight_decay(0.1).into(),
        || Muon::new(0.02).gradient_accumulation_steps(2).clipnorm(0.1).into(),
        || {
            let adam = Adam::new(0.02).gradient_accumulation_steps(2).clipnorm(0.1).loss_scale_factor(8.0);
            adam.use_ema(true).ema_momentum(0.5).ema_overwrite_frequency(3).into()
        },
    ];
    let Some(device) = common::cuda() else { return Ok(()) };
    for optimizer in optimizers {
        let (recorded, plain) = (run(&device, true, optimizer())?, run(&device, false, optimizer())?);
        assert_eq!(recorded.figures, plain.figures, "{:?}", optimizer());
        assert!(recorded == plain, "{:?}: other weights", optimizer());
    }
    Ok(())
}

/// Captured steps change the weights as steps that are not captured do, whatever other work takes of the device's memory
/// between them: two shapes of batches, of which the second runs as it is after the first was captured.
#[test]
fn captured_steps_are_the_steps() -> Result<()> {
    let Some(device) = common::cuda() else { return Ok(()) };
    let batches = [&[0, 1, 2][..], &[2, 1, 0], &[0, 1], &[1, 1, 2]].map(|labels| samples(labels)?.to_device(&device));
    let batches = batches.into_iter().collect::<Result<Vec<_>>>()?;
    let optimizers: [fn() -> Box<dyn optimizers::Optimizer>; 5] = [
        || Adam::new(1e-2).into(),
        || SGD::new(0.1).momentum(0.9).clipnorm(0.1).into(),
        || Nadam::new(ExponentialDecay::new(0.1, 2, 0.5)).into(),
        || Adafactor::new(0.1).into(),
        || Muon::new(0.1).into(),
    ];
    for optimizer in optimizers {
        let run = |capture: bool| -> Result<_> {
            let model = Sequential::new([4]).add(Dense::new(3).relu()).add(Dense::new(3).softmax()).build()?;
            let model = model.on(device.clone());
            let loss = SparseCategoricalCrossentropy::new();
            let mut trainer = model.compile(optimizer(), loss, ())?.capture(capture);
            let mut others = Vec::new();
            for _epoch in 0..3 {
                for batch in &batches {
                    trainer.train_on_batch(batch)?;
                    // Whoever reads memory that it let go reads addresses of nothing.
                    others.clear();
                    for size in (0..1024).step_by(8) {
                        others.push(Tensor::full(&device, size, DType::I64, -1.0)?);
                    }
                }
            }
            weight_bits(trainer.model())
        };
        assert_eq!(run(true)?, run(false)?, "{:?}", optimizer());
    }
    Ok(())
}

/// The same masks: with others the losses differ in their second digit.
#[test]
fn a_recorded_step_drops_what_the_cpu_drops() -> Result<()> {
    let optimizer = || SGD::new(0.1).global_clipnorm(0.5);
    let cpu = run(&Device::Cpu, true, optimizer())?;
    let Some(device) = common::cuda() else { return Ok(()) };
    let gpu = run(&device, true, optimizer())?;
    for (i, (cpu, gpu)) in cpu.figures.iter().zip(&gpu.figures).enumerate() {
        assert!((cpu - gpu).abs() <= 1e-4 * cpu.abs(), "figure {i} is {gpu}, the CPU's {cpu}");
    }
    Ok(())
}

/// Each step reads the learning rate and the weights of its time.
#[test]
fn rate_and_weights_may_change_between_steps() -> Result<()> {
    for device in devices() {
        let model = Sequential::new([4]).add(Dense::new(3).softmax()).build()?.on(device.clone());
        let mut trainer = model.compile(SGD::new(0.1), SparseCategoricalCrossentropy::new(), ())?;
        let batch = samples(&[0, 1, 2])?.to_device(&device)?;
        let first = trainer.weights()?;
        let mut seen = vec![weights(&trainer)?];
        for _ in 0..4 {
            trainer.train_on_batch(&batch)?;
            assert_ne!(seen.last(), Some(&weights(&trainer)?), "{device}");
            seen.push(weights(&trainer)?);
        }
        trainer.set_learning_rate(0.0)?;
        trainer.train_on_batch(&batch)?;
        assert_eq!(seen.last(), Some(&weights(&trainer)?), "{device}: a step at rate 0");
        trainer.set_weights(&first)?;
        trainer.set_learning_rate(0.1)?;
        for want in &seen[1..] {
            trainer.train_on_batch(&batch)?;
            assert_eq!(&weights(&trainer)?, want, "{device}: the same steps from the first weights");
        }
    }
    Ok(())
}

/// More shapes than are recorded: those beyond run as they are.
#[test]
fn shapes_in_turn() -> Result<()> {
    let run = |device: &Device, capture: bool| -> Result<Vec<Vec<f32>>> {
        let model = Sequential::new([4]).add(Dense::new(8).tanh()).add(Dense::new(3).softmax()).build()?;
        let trainer = model.on(device.clone()).compile(Adam::new(0.01), SparseCategoricalCrossentropy::new(), ())?;
        let mut trainer = trainer.capture(capture);
        for _ in 0..4 {
            for n in 1..=7 {
                let labels: Vec<i32> = (0..n).map(|i| i % 3).collect();
                trainer.train_on_batch(&samples(&labels)?.to_device(device)?)?;
            }
        }
        assert_eq!(trainer.iterations(), 28);
        weights(&trainer)
    };
    for device in devices() {
        assert_eq!(run(&device, true)?, run(&device, false)?, "{device}");
    }
    Ok(())
}

/// The dense programs for twenty steps: replayed, one launch after another, and on the CPU.
#[test]
fn dense_programs_train_by_replay() -> Result<()> {
    const STEPS: usize = 20;
    let Some(cuda) = common::cuda() else { return Ok(()) };
    for program in programs::ALL.iter().filter(|p| p.name.starts_with("dense")) {
        let (batch, _) = program.batch;
        let batches = (0..STEPS).map(|step| program.data(batch, step as u64)).collect::<Result<Vec<_>>>()?;
        // The loss of each step, and the weights in the end.
        let run = |device: &Device, capture: bool| -> Result<(Vec<f64>, Vec<Vec<f32>>)> {
            let mut trainer = program.compile(program.model()?.on(device.clone()), ())?.capture(capture);
            let mut losses = Vec::new();
            for batch in &batches {
                trainer.reset_metrics()?;
                trainer.train_on_batch(&batch.to_device(device)?)?;
                losses.push(trainer.logs()?.get("loss").expect("a trainer logs its loss"));
            }
            assert_eq!(trainer.captured(), usize::from(capture && !device.is_cpu()), "{}: graphs", program.name);
            Ok((losses, weights(&trainer)?))
        };
        let (replayed, plain, cpu) = (run(&cuda, true)?, run(&cuda, false)?, run(&Device::Cpu, true)?);
        assert!(replayed == plain, "{}: {:?} by replay, {:?} without", program.name, replayed.0, plain.0);
        for (step, (got, want)) in replayed.0.iter().zip(&cpu.0).enumerate() {
            let off = (got - want).abs() / want.abs();
            assert!(off <= 1e-4, "{}: step {step}: the loss is {got}, the CPU's {want}", program.name);
        }
    }
    Ok(())
}
