//! Training runs against Keras, and what a trainer must refuse.

mod common;

use common::golden::Golden;
use serde_json::Value;
use uncrumple::prelude::*;
use uncrumple::{losses, optimizers, programs};

/// The integer hash of `tests/goldens/README.md`, from which both sides make the same numbers.
fn bits(seed: u32, i: u32) -> u32 {
    let h = i.wrapping_mul(0x9E37_79B1).wrapping_add(seed.wrapping_mul(0x85EB_CA77));
    let h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
    let h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

fn draw(seed: u32, i: u32, scale: f32) -> f32 {
    ((bits(seed, i) >> 8) as f32 / 8_388_608.0 - 1.0) * scale
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// A dense program with the initial weights of its golden.
fn model(golden: &Golden) -> Result<Model> {
    let about = &golden.about;
    let mut chain = Sequential::new([about["input"].as_u64().unwrap() as usize]);
    for layer in about["dense"].as_array().unwrap() {
        let activation = ActivationFn::from_name(layer["activation"].as_str().unwrap())?;
        chain = chain.add(Dense::new(layer["units"].as_u64().unwrap() as usize).activation(activation));
    }
    let mut model = chain.build()?;
    for (path, weight) in paths(&model).iter().zip(about["weights"].as_array().unwrap()) {
        let dims: Vec<usize> =
            weight["shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
        let (seed, scale) = (number(weight, "seed") as u32, number(weight, "scale") as f32);
        let values: Vec<f32> = (0..dims.iter().product::<usize>() as u32).map(|i| draw(seed, i, scale)).collect();
        let head = golden.tensor(&format!("initial.head.{}", weight["path"].as_str().unwrap()))?.to_vec::<f32>()?;
        assert_eq!(values[..head.len()], head, "{}: the formula of the initial weights", golden.name);
        model.set_weight(path, &Tensor::from_slice(&values, &dims)?)?;
    }
    Ok(model)
}

fn paths(model: &Model) -> Vec<String> {
    model.weight_paths().map(String::from).collect()
}

/// The batches of a golden.
fn batches(golden: &Golden) -> Result<Vec<Dataset>> {
    let about = Value::Object(golden.about.clone());
    let (batch, features) = (number(&about, "batch") as usize, number(&about, "input") as usize);
    let (input_seed, label_seed) = (number(&about, "input_seed") as u32, number(&about, "label_seed") as u32);
    let width = about["label_shape"][1].as_u64().unwrap() as usize;
    let program = about["program"].as_str().unwrap();
    let batch_of = |step: usize| -> Result<Dataset> {
        let rows = step * batch..(step + 1) * batch;
        let inputs = (rows.start * features..rows.end * features).map(|i| draw(input_seed, i as u32, 1.0));
        let labels = (rows.start * width..rows.end * width).map(|i| i as u32);
        let targets = match program {
            "dense-categorical" => {
                let label = |i| ((bits(label_seed, i) >> 8) % 10) as i32;
                Tensor::from_slice(&labels.map(label).collect::<Vec<_>>(), [batch, width])?
            }
            "dense-regression" => {
                Tensor::from_slice(&labels.map(|i| draw(label_seed, i, 1.0)).collect::<Vec<_>>(), [batch, width])?
            }
            _ => {
                let label = |i| (bits(label_seed, i) >> 31) as f32;
                Tensor::from_slice(&labels.map(label).collect::<Vec<_>>(), [batch, width])?
            }
        };
        Dataset::new(Tensor::from_slice(&inputs.collect::<Vec<_>>(), [batch, features])?, targets)
    };
    (0..number(&about, "steps") as usize).map(batch_of).collect()
}

fn loss(golden: &Golden) -> Result<Vec<Box<dyn losses::Loss>>> {
    let loss = &golden.about["loss"];
    Ok(vec![losses::from_config(loss["class_name"].as_str().unwrap(), loss["config"].as_object().unwrap())?])
}

fn sampled(tensor: &Tensor, stride: usize) -> Result<Vec<f32>> {
    Ok(tensor.to_vec::<f32>()?.into_iter().step_by(stride).collect())
}

fn worst(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let off = |(g, w): (&f32, &f32)| (f64::from(*g) - f64::from(*w)).abs();
    // NaN is the worst of all.
    got.iter().zip(want).map(off).fold(0.0, |a, b| if b.is_nan() { f64::INFINITY } else { a.max(b) })
}

fn devices() -> Vec<Device> {
    let mut devices = vec![Device::Cpu];
    devices.extend(common::cuda());
    devices
}

#[test]
fn dense_programs_train_as_in_keras() -> Result<()> {
    for golden in Golden::all("programs") {
        for device in devices() {
            check_run(&golden, &device)?;
        }
    }
    Ok(())
}

fn check_run(golden: &Golden, device: &Device) -> Result<()> {
    let name = format!("{} on {device}", golden.name);
    let about = &golden.about["optimizer"];
    let config = about["config"].as_object().unwrap();
    let optimizer = optimizers::from_config(about["class_name"].as_str().unwrap(), config)?;
    let mut trainer = model(golden)?.on(device.clone()).compile(optimizer, loss(golden)?, ())?;
    let wanted = golden.tensor("losses")?.to_vec::<f32>()?;
    let mut before = 0.0;
    for (step, (batch, want)) in batches(golden)?.iter().zip(&wanted).enumerate() {
        trainer.train_on_batch(&batch.to_device(device)?)?;
        // The trainer knows the mean of the losses so far; all batches have one size.
        let sum = trainer.logs()?.get("loss").unwrap() * (step + 1) as f64;
        let (got, want) = (sum - before, f64::from(*want));
        before = sum;
        // The mean of up to 20 losses in f32 leaves an error of its own, a fifth of what is allowed.
        assert!((got - want).abs() <= 1e-4 * want.abs(), "{name}, step {step}: loss {got}, Keras's is {want}");
    }
    let trained = trainer.model();
    for (path, weight) in paths(trained).iter().zip(golden.about["weights"].as_array().unwrap()) {
        let stride = number(weight, "stride") as usize;
        let want = golden.tensor(&format!("final.{}", weight["path"].as_str().unwrap()))?.to_vec::<f32>()?;
        let off = worst(&sampled(&trained.weight(path)?, stride)?, &want);
        // AdamW's decay alone moves a weight of 0.05 by 4e-6 in 20 steps.
        assert!(off <= 1e-6 + 3.0 * number(&weight["reference_error"], "final"), "{name}: {path} is off by {off}");
    }
    Ok(())
}

#[test]
fn first_gradients_are_kerass() -> Result<()> {
    for golden in Golden::all("programs").into_iter().filter(|g| g.name.ends_with("_sgd")) {
        // A step of plain descent at rate 1 takes the gradient away from the weight.
        let mut trainer = model(&golden)?.compile(SGD::new(1.0), loss(&golden)?, ())?;
        let before = trainer.weights()?;
        trainer.train_on_batch(&batches(&golden)?[0])?;
        for ((path, before), weight) in
            paths(trainer.model()).iter().zip(before).zip(golden.about["weights"].as_array().unwrap())
        {
            let gradient = before.sub(&trainer.model().weight(path)?)?;
            let key = format!("first_gradient.{}", weight["path"].as_str().unwrap());
            let off = worst(&sampled(&gradient, number(weight, "stride") as usize)?, &golden.tensor(&key)?.to_vec()?);
            assert!(off <= 1e-7, "{}: {path} is off by {off}", golden.name);
        }
    }
    Ok(())
}

#[test]
fn the_goldens_are_the_programs() -> Result<()> {
    for golden in Golden::all("programs") {
        let program = programs::find(golden.about["program"].as_str().unwrap())?;
        let (ours, theirs) = (program.model()?, model(&golden)?);
        assert_eq!(ours.count_params(), theirs.count_params(), "{}", golden.name);
    }
    Ok(())
}

fn small() -> Result<Trainer> {
    let model = Sequential::new([4]).add(Dense::new(3).relu()).add(Dense::new(3).softmax()).build()?;
    model.compile(Adam::new(1e-2), SparseCategoricalCrossentropy::new(), [Accuracy::new()])
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
    let trainer = small()?.with_step(|model, batch| {
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

#[test]
fn a_rerun_gives_the_same_bits() -> Result<()> {
    let run = || -> Result<Vec<Vec<f32>>> {
        let input = Input::new([4]);
        let x = Dense::new(16).relu().call(&input)?;
        let x = Dropout::new(0.5).call(&x)?;
        let output = Dense::new(3).softmax().call(&x)?;
        let model = Model::new(&input, &output)?.seed(7)?;
        let mut trainer = model.compile(AdamW::new(1e-2), SparseCategoricalCrossentropy::new(), ())?;
        trainer.fit(&samples(&[0, 1, 2, 0, 1, 2, 1])?, Fit::epochs(5).batch_size(3))?;
        trainer.weights()?.iter().map(|w| w.to_vec()).collect()
    };
    assert_eq!(run()?, run()?);
    Ok(())
}

fn weight_bits(model: &Model) -> Result<Vec<Vec<u32>>> {
    paths(model).iter().map(|p| Ok(model.weight(p)?.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect())).collect()
}

/// Captured steps change the weights as steps that are not captured do, whatever other work takes of the device's memory
/// between them: two shapes of batches, of which the second runs as it is after the first was captured.
#[test]
fn captured_steps_are_the_steps() -> Result<()> {
    let Some(device) = common::cuda() else { return Ok(()) };
    let batches = [&[0, 1, 2][..], &[2, 1, 0], &[0, 1], &[1, 1, 2]].map(|labels| samples(labels)?.to_device(&device));
    let batches = batches.into_iter().collect::<Result<Vec<_>>>()?;
    let optimizers: [fn() -> Box<dyn optimizers::Optimizer>; 2] =
        [|| Adam::new(1e-2).into(), || SGD::new(0.1).momentum(0.9).clipnorm(0.1).into()];
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
    let mut trainer = small()?;
    let batch = samples(&[0, 1, 2])?;
    let mut in_use = Vec::new();
    for _ in 0..100 {
        trainer.train_on_batch(&batch)?;
        in_use.push(trainer.device().bytes_in_use());
    }
    // Other tests of this process use the pool too, so the least over each half is compared.
    let least = |part: &[usize]| part.iter().min().copied();
    assert_eq!(least(&in_use[10..50]), least(&in_use[50..]));
    Ok(())
}

#[test]
fn mixed_precision_learns() -> Result<()> {
    let data = samples(&[0, 1, 2, 0, 1, 2])?;
    let model = Sequential::new([4]).add(Dense::new(32).relu()).add(Dense::new(3).softmax()).build()?;
    let model = model.precision(Precision::MixedBf16);
    let mut trainer = model.compile(Adam::new(0.05), SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
    let history = trainer.fit(&data, Fit::epochs(60).batch_size(6))?;
    let losses = history.values("loss");
    assert!(losses[59] < 0.3 * losses[0], "{losses:?}");
    assert!(trainer.weights()?.iter().all(|w| w.dtype() == DType::F32));
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
