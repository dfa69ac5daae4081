//! What `fit` goes over and reports: Keras's histories, and the order of the samples.

use super::common::difference;
use super::common::golden::Golden;
use super::{devices, paths};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use uncrumple::layers::Read;
use uncrumple::prelude::*;
use uncrumple::{losses, metrics, optimizers};

/// The class and the arguments of a serialized object.
fn object(value: &Value) -> (&str, &uncrumple::layers::Config) {
    (value["class_name"].as_str().unwrap(), value["config"].as_object().unwrap())
}

fn number(golden: &Golden, key: &str) -> f64 {
    golden.about[key].as_f64().unwrap()
}

/// The model of a golden with its initial weights, compiled.
fn trainer(golden: &Golden, device: &Device) -> Result<Trainer> {
    let activation = ActivationFn::from_name(golden.about["activation"].as_str().unwrap())?;
    let last = Dense::new(number(golden, "outputs") as usize).activation(activation);
    let hidden = match golden.about.get("hidden").and_then(Value::as_object) {
        None => Dense::new(6).tanh().shared(),
        Some(config) => {
            let layer = uncrumple::layers::from_config("Dense", config)?;
            layer.activity_regularizer(config.regularizer("activity_regularizer")?.unwrap())
        }
    };
    let mut model = Sequential::new([5]).add(hidden);
    if let Some(normalized) = golden.about.get("normalized") {
        let (class, config) = object(normalized);
        model = model.add(uncrumple::layers::from_config(class, config)?);
    }
    let mut model = model.add(last).build()?;
    for path in paths(&model) {
        model.set_weight(&path, &golden.tensor(&format!("initial.{path}"))?)?;
    }
    let (class, config) = object(&golden.about["loss"]);
    let losses = vec![losses::from_config(class, config)?];
    let (class, config) = object(&golden.about["optimizer"]);
    let optimizer = optimizers::from_config(class, config)?;
    let metric = |metric| {
        let (class, config) = object(metric);
        metrics::from_config(class, config)
    };
    let list = |key| golden.about.get(key).and_then(Value::as_array).into_iter().flatten().map(metric);
    let weighted =
        list("weighted_metrics").map(|m| Ok(Box::new(metrics::Named::weighing(m?)) as Box<dyn metrics::Metric>));
    let metrics = list("metrics").chain(weighted).collect::<Result<Vec<_>>>()?;
    model.on(device.clone()).compile(optimizer, losses, metrics)
}

/// The last batch is smaller and weighs less, the validation data are the last samples, figures of an epoch are gathered
/// while the weights change and those of the validation after it.
#[test]
fn histories_are_kerass() -> Result<()> {
    let (mut split, mut given, mut weighted) = (0, 0, 0);
    for golden in Golden::all("fit") {
        for device in devices() {
            let mut data = Dataset::new(golden.tensor("x")?, golden.tensor("y")?)?;
            if let Some(weights) = golden.find("sample_weight")? {
                data = data.sample_weight(weights)?;
                weighted += 1;
            }
            let (batch, fraction) = (number(&golden, "batch") as usize, number(&golden, "validation_split"));
            let mut fit = Fit::epochs(number(&golden, "epochs") as usize).batch_size(batch).shuffle(false);
            if let Some(weights) = golden.about.get("class_weight") {
                fit = fit.class_weight(serde_json::from_value::<Vec<(i64, f64)>>(weights.clone()).unwrap());
                weighted += 1;
            }
            let mut held_back = None;
            if let Some(x) = golden.find("val_x")? {
                let validation = Dataset::new(x, golden.tensor("val_y")?)?;
                fit = fit.validation_data(&validation);
                held_back = Some(validation);
                given += 1;
            } else if fraction > 0.0 {
                fit = fit.validation_split(fraction);
                held_back = Some(data.split(fraction, &Split::in_order())?.1);
                split += 1;
            }
            let mut trainer = trainer(&golden, &device)?;
            let history = trainer.fit(&data, fit)?;

            let what = format!("{} on {device}", golden.name);
            let names: BTreeSet<&str> = history.epochs[0].iter().map(|(name, _)| name).collect();
            let wanted = golden.about["history"].as_array().unwrap().iter().map(|n| n.as_str().unwrap());
            assert_eq!(names, wanted.collect(), "{what}");
            for name in names {
                let got: Vec<f32> = history.values(name).into_iter().map(|v| v as f32).collect();
                let want = golden.tensor(&format!("history.{name}"))?;
                // A dozen steps in f32, each with its roundings.
                let off = difference(&Tensor::from_slice(&got, got.len())?, &want, 2e-6)?;
                assert_eq!(off, None, "{what}: {name} is {got:?}, Keras's {:?}", want.to_vec::<f32>()?);
            }
            for path in paths(trainer.model()) {
                let got = trainer.model().weight(&path)?.to_device(&Device::Cpu)?;
                assert_eq!(difference(&got, &golden.tensor(&format!("final.{path}"))?, 5e-6)?, None, "{what}: {path}");
            }
            if let Some(held_back) = held_back {
                let last = history.epochs.last().unwrap();
                for (name, value) in trainer.evaluate_with(&held_back.to_device(&device)?, batch)?.iter() {
                    assert_eq!(last.get(&format!("val_{name}")), Some(value), "{what}: {name}");
                }
            }
        }
    }
    assert!(split > 0 && given > 0 && weighted > 0);
    Ok(())
}

/// The order in which samples come, epoch by epoch: each sample is its own number.
fn orders(runs: &[(usize, bool)]) -> Result<Vec<Vec<i32>>> {
    orders_of(runs, None, 50)
}

/// The same where an epoch has so many steps, which are so many samples of 50.
fn orders_of(runs: &[(usize, bool)], steps: Option<usize>, samples: usize) -> Result<Vec<Vec<i32>>> {
    let n = 50;
    let x = Tensor::from_slice(&(0..n).map(|i| i as f32).collect::<Vec<_>>(), [n, 1])?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let model = Sequential::new([1]).add(Dense::new(1)).build()?;
    let mut trainer = model.compile(SGD::new(0.0), (), ())?.with_step(move |model, batch| {
        let x = &batch.inputs()[0];
        notes.lock().unwrap().extend(x.to_vec::<f32>()?.into_iter().map(|x| x as i32));
        model.call(&[x])?[0].sum(&[], false)
    });
    for &(epochs, shuffle) in runs {
        let fit = Fit::epochs(epochs).batch_size(7).shuffle(shuffle);
        let fit = steps.into_iter().fold(fit, Fit::steps_per_epoch);
        trainer.fit(&Dataset::new(&x, ())?, fit)?;
    }
    let seen = seen.lock().unwrap();
    Ok(seen.chunks(samples).map(<[i32]>::to_vec).collect())
}

#[test]
fn every_epoch_of_every_fit_has_an_order_of_its_own() -> Result<()> {
    let all = orders(&[(2, true), (1, true)])?;
    let in_order: Vec<i32> = (0..50).collect();
    assert_eq!(all.len(), 3);
    for (i, order) in all.iter().enumerate() {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, in_order, "epoch {i}: each sample once");
        assert_ne!(*order, in_order, "epoch {i}");
        assert!(!all[..i].contains(order), "epoch {i} repeats an order");
    }
    assert_eq!(orders(&[(3, true)])?, all, "where a fit ends does not matter");
    assert!(orders(&[(2, false), (1, false)])?.iter().all(|order| *order == in_order));
    Ok(())
}

#[test]
fn an_epoch_may_have_a_part_of_the_batches() -> Result<()> {
    let drawn = orders_of(&[(3, true)], Some(3), 21)?;
    let each: Vec<BTreeSet<i32>> = drawn.iter().map(|order| order.iter().copied().collect()).collect();
    assert!(each.len() == 3 && each.iter().all(|samples| samples.len() == 21), "no sample comes twice: {drawn:?}");
    assert!(each[0] != each[1] && each[1] != each[2], "others are drawn each time");
    assert!(orders_of(&[(2, false)], Some(3), 21)?.iter().all(|order| order.iter().copied().eq(0..21)));
    assert_eq!(orders_of(&[(2, true)], Some(9), 50)?, orders(&[(2, true)])?, "there are no more");
    let model = Sequential::new([1]).add(Dense::new(1)).build()?;
    let x = Tensor::from_slice(&[1f32, 2.0], [2, 1])?;
    let mut trainer = model.compile(SGD::new(0.0), MeanSquaredError::new(), ())?;
    let error = trainer.fit(&Dataset::new(&x, &x)?, Fit::epochs(1).steps_per_epoch(0)).unwrap_err().to_string();
    assert!(error.contains("at least one step an epoch"), "{error}");
    Ok(())
}
