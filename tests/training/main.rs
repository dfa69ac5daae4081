//! Training: runs against Keras, recorded steps, precision, and what a trainer must refuse.

#[path = "../common/mod.rs"]
mod common;

mod backup;
mod callbacks;
mod captured;
mod fit;
mod parts;
mod precision;
mod profiled;
mod programs;
mod source;
mod statistics;
mod time_series;
mod weights;

use common::golden::draw;
use uncrumple::losses;
use uncrumple::prelude::*;

fn paths(model: &Model) -> Vec<String> {
    model.weight_paths().map(String::from).collect()
}

fn devices() -> Vec<Device> {
    let mut devices = vec![Device::Cpu];
    devices.extend(common::cuda());
    devices
}

fn small() -> Result<Trainer> {
    small_on(&Device::Cpu)
}

fn small_on(device: &Device) -> Result<Trainer> {
    let model = Sequential::new([4]).add(Dense::new(3).relu()).add(Dense::new(3).softmax()).build()?;
    model.on(device.clone()).compile(Adam::new(1e-2), SparseCategoricalCrossentropy::new(), [Accuracy::new()])
}

fn samples(labels: &[i32]) -> Result<Dataset> {
    let x: Vec<f32> = (0..labels.len() as u32 * 4).map(|i| draw(5, i, 1.0)).collect();
    Dataset::new(Tensor::from_slice(&x, [labels.len(), 4])?, Tensor::from_slice(labels, labels.len())?)
}

#[test]
fn bad_data_is_refused_in_words() -> Result<()> {
    let refused = |error: Option<Error>, words: &[&str]| {
        let text = error.map(|e| e.to_string()).unwrap_or_default();
        for word in words {
            assert!(text.contains(word), "`{text}` lacks `{word}`");
        }
    };
    let x = Tensor::from_slice(&[0f32, f32::NAN, 0.0, 0.0], [2, 2])?;
    refused(Dataset::new(&x, ()).err(), &["NaN", "sample 0"]);
    refused(Dataset::new(Tensor::from_slice(&[0f32; 0], [0, 4])?, ()).err(), &["empty", "(0, 4)"]);
    let (x, y) = (Tensor::from_slice(&[0f32; 8], [2, 4])?, Tensor::from_slice(&[0i32; 3], 3)?);
    refused(Dataset::new(&x, &y).err(), &["3 samples", "2"]);
    refused(small()?.fit(&samples(&[0, 1, 3])?, Fit::epochs(1)).err(), &["label", "3"]);
    refused(small()?.fit(&samples(&[0, 1])?, Fit::epochs(0)).err(), &["at least one epoch"]);
    let wide = Dataset::new(Tensor::from_slice(&[0f32; 10], [2, 5])?, Tensor::from_slice(&[0i32; 2], 2)?)?;
    refused(small()?.fit(&wide, Fit::epochs(1)).err(), &["(None, 4)", "(2, 5)"]);
    refused(small()?.fit(&Dataset::new(&x, ())?, Fit::epochs(1)).err(), &["targets"]);
    Ok(())
}

#[test]
fn a_weight_without_a_gradient_is_named() -> Result<()> {
    let model = small()?.into_model();
    let trainer = model.compile(SGD::new(0.1), (), ())?.with_step(|model, batch| {
        let y = model.call(&[&batch.inputs()[0]])?;
        // Only the constant part of it: nothing depends on the model.
        y[0].detach().mul_scalar(0.0)?.sum(&[], false)
    });
    let mut trainer = trainer;
    let error = trainer.fit(&samples(&[0, 1])?, Fit::epochs(1)).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("dense/kernel") && error.contains("dense_1/bias"), "{error}");
    Ok(())
}

#[test]
fn an_output_that_is_read_again_is_a_probability() -> Result<()> {
    // The first output feeds the second, so the model cannot be asked for its logits: the loss must take probabilities.
    let input = Input::new([4]);
    let first = Dense::new(3).softmax().call(&input)?;
    let second = Dense::new(3).softmax().call(&first)?;
    let model = Model::new(&input, [&first, &second])?;
    let x = Tensor::from_slice(&(0..8).map(|i| draw(9, i, 3.0)).collect::<Vec<_>>(), [2, 4])?;
    let y = Tensor::from_slice(&[0i32, 2], 2)?;
    let outputs = model.predict_all(&x, 2)?;
    let mut wanted = 0.0;
    for output in &outputs {
        let p = output.to_vec::<f32>()?;
        wanted -= (f64::from(p[0]).ln() + f64::from(p[5]).ln()) / 2.0;
    }
    let loss = || -> Box<dyn losses::Loss> { SparseCategoricalCrossentropy::new().into() };
    let mut trainer = model.compile(SGD::new(0.1), vec![loss(), loss()], ())?;
    let got = trainer.evaluate(&Dataset::new(&x, [y.clone(), y])?)?.get("loss").unwrap();
    assert!((got - wanted).abs() < 1e-5, "{got} is not {wanted}");
    Ok(())
}

/// From a probability that is rounded to 0 the loss would be ln 1e-7, and nothing would be learnt.
#[test]
fn a_softmax_layer_is_a_softmax_activation() -> Result<()> {
    let x = Tensor::from_slice(&[0f32, 200.0], [1, 2])?;
    let data = Dataset::new(&x, Tensor::from_slice(&[1f32, 0.0], [1, 2])?)?;
    for layer in [Softmax::new().shared(), Activation::softmax().shared()] {
        let dense = Dense::new(2).kernel_initializer(Identity::new(1.0));
        let model = Sequential::new([2]).add(dense).add(layer).build()?;
        let mut trainer = model.compile(SGD::new(0.1), CategoricalCrossentropy::new(), ())?;
        assert_eq!(trainer.evaluate(&data)?.get("loss"), Some(200.0));
        assert_eq!(trainer.predict(&x)?.to_vec::<f32>()?, [0.0, 1.0]);
    }
    Ok(())
}

#[test]
fn a_step_of_ones_own_trains() -> Result<()> {
    let data = samples(&[0, 1, 2, 0, 1, 2])?;
    let model = Sequential::new([4]).add(Dense::new(16).tanh()).add(Dense::new(3)).build()?;
    let mut trainer = model.compile(Adam::new(0.05), (), ())?.with_step(|model, batch| {
        let logits = model.call(&[&batch.inputs()[0]])?.remove(0);
        logits.sparse_softmax_cross_entropy(&batch.targets()[0])?.mean(&[], false)
    });
    let history = trainer.fit(&data, Fit::epochs(60).batch_size(3))?;
    let losses = history.values("loss");
    assert!(losses[59] < 0.2 * losses[0], "{losses:?}");
    Ok(())
}

/// Each batch that is looked at sees random numbers of its own, always the same, and training those that it would see anyway.
#[test]
fn a_step_of_ones_own_draws() -> Result<()> {
    let data = samples(&[0, 1, 2, 0, 1, 2])?;
    let model = Sequential::new([4]).add(Dense::new(3)).build()?;
    let new = || {
        let trainer = model.clone().compile(SGD::new(0.1), (), ())?.with_step(|model, batch| {
            let drawn = model.generator().uniform(batch.len(), DType::F32, 0.0, 1.0)?.mean(&[], false)?;
            model.call(&[&batch.inputs()[0]])?[0].mul(&drawn)?.mean(&[], false)?.mul_scalar(0.0)?.add(&drawn)
        });
        // It goes where the trainer goes.
        trainer.on(Device::Cpu)?.precision(Precision::F32)
    };
    let loss = |trainer: &mut Trainer, data: &Dataset| Ok::<_, Error>(trainer.evaluate_with(data, 2)?.get("loss"));
    let mut trainer = new()?;
    let (all, first) = (loss(&mut trainer, &data)?, loss(&mut trainer, &data.take(2)?)?);
    assert_ne!(all, first);
    assert_eq!(all, loss(&mut trainer, &data)?);
    let [looked, straight] = [trainer, new()?].map(|mut t| t.fit(&data, Fit::epochs(2)).map(|h| h.values("loss")));
    assert_eq!(looked?, straight?);
    Ok(())
}

#[test]
fn a_rerun_gives_the_same_bits() -> Result<()> {
    let run = |device: &Device| -> Result<Vec<Vec<f32>>> {
        let input = Input::new([4]);
        let x = Dense::new(16).relu().call(&input)?;
        let x = Dropout::new(0.5).call(&x)?;
        let output = Dense::new(3).softmax().call(&x)?;
        let model = Model::new(&input, &output)?.seed(7)?.on(device.clone());
        let mut trainer = model.compile(AdamW::new(1e-2), SparseCategoricalCrossentropy::new(), ())?;
        trainer.fit(&samples(&[0, 1, 2, 0, 1, 2, 1])?, Fit::epochs(5).batch_size(3))?;
        trainer.weights()?.iter().map(|w| w.to_vec()).collect()
    };
    for device in devices() {
        assert_eq!(run(&device)?, run(&device)?, "{device}");
    }
    Ok(())
}

fn weight_bits(model: &Model) -> Result<Vec<Vec<u32>>> {
    paths(model).iter().map(|p| Ok(model.weight(p)?.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect())).collect()
}

#[test]
fn a_clone_of_the_model_stays_as_it_was() -> Result<()> {
    for device in devices() {
        let batch = samples(&[0, 1, 2])?.to_device(&device)?;
        let run = |look: bool| -> Result<_> {
            let input = Input::new([4]);
            let x = Dense::new(3).relu().call(&input)?;
            let model = Model::new(&input, &Dense::new(3).softmax().call(&x)?)?.on(device.clone());
            let mut trainer = model.compile(Adam::new(1e-2), SparseCategoricalCrossentropy::new(), ())?;
            let first = trainer.weights()?;
            for step in 0..8 {
                let before = look.then(|| trainer.model().clone());
                let bits = weight_bits(trainer.model())?;
                if step == 5 {
                    trainer.set_weights(&first)?;
                }
                trainer.train_on_batch(&batch)?;
                assert_ne!(weight_bits(trainer.model())?, bits, "{device}");
                if let Some(before) = before {
                    assert_eq!(weight_bits(&before)?, bits, "{device}, step {step}");
                }
            }
            weight_bits(trainer.model())
        };
        // Looking changes nothing.
        assert_eq!(run(true)?, run(false)?, "{device}");
    }
    Ok(())
}

#[test]
fn memory_is_flat() -> Result<()> {
    for device in devices() {
        let mut trainer = small_on(&device)?;
        let batch = samples(&[0, 1, 2])?.to_device(&device)?;
        // Other tests of this process use the pool too: one that begins or ends meanwhile is no growth. What grows does so
        // between any two stretches of steps.
        let mut least = Vec::new();
        for _ in 0..40 {
            let steps = 0..50;
            let in_use = steps.map(|_| trainer.train_on_batch(&batch).map(|()| device.bytes_in_use()));
            least.push(in_use.collect::<Result<Vec<_>>>()?.into_iter().min());
        }
        assert!(least[1..].windows(2).any(|pair| pair[0] == pair[1]), "{device}: {least:?}");
    }
    Ok(())
}

#[test]
fn without_a_card_the_reason_is_typed() {
    if let Err(error) = Device::cuda(0) {
        assert!(matches!(error, Error::Cuda(_)), "{error}");
        assert!(Device::first_cuda().is_ok() || Device::best() == Device::Cpu);
    }
    assert!("cuda:x".parse::<Device>().is_err() && "tpu".parse::<Device>().is_err());
}

#[test]
fn the_readme_shows_the_example() {
    let example = include_str!("../../examples/library.rs");
    let program = &example[example.find("use ").unwrap()..];
    assert!(include_str!("../../README.md").contains(program), "README.md shows another program");
}
