//! Weights of samples and classes, and metrics of all kinds, in training: which samples count, what the figures are called,
//! and that a recorded step measures what a plain one does.

use super::{common, devices};
use common::difference;
use serde_json::{Value, json};
use uncrumple::losses;
use uncrumple::metrics::{self, Metric};
use uncrumple::prelude::*;

const N: usize = 23;

fn random(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut random = common::Random(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.next() as f32 * 2.0 - 1.0).collect();
    Tensor::from_slice(&values, shape)
}

/// One-hot targets of three classes.
fn data() -> Result<Dataset> {
    let labels: Vec<i32> = (0..N as i32).map(|i| i * i % 3).collect();
    Dataset::new(random(&[N, 4], 1)?, Tensor::from_slice(&labels, N)?.one_hot(3, DType::F32)?)
}

fn model(device: &Device) -> Result<Model> {
    let model = Sequential::new([4]).add(Dense::new(8).tanh()).add(Dense::new(3).softmax()).build()?;
    Ok(model.seed(7)?.on(device.clone()))
}

fn weights(trainer: &Trainer) -> Result<Vec<Tensor>> {
    trainer.weights()?.iter().map(|w| w.to_device(&Device::Cpu)).collect()
}

/// Metrics for one-hot targets, with and without the weights of samples.
fn list() -> Result<Vec<Box<dyn Metric>>> {
    let plain = [
        ("RootMeanSquaredError", json!({})),
        ("TopKCategoricalAccuracy", json!({"k": 2})),
        ("Precision", json!({"thresholds": [0.3, 0.4]})),
        ("Recall", json!({"class_id": 1})),
        ("AUC", json!({})),
        ("AUC", json!({"curve": "PR", "multi_label": true, "name": "pr"})),
        ("F1Score", json!({})),
        ("R2Score", json!({})),
        ("OneHotMeanIoU", json!({"num_classes": 3})),
        ("PrecisionAtRecall", json!({"recall": 0.5})),
        ("CategoricalCrossentropy", json!({})),
    ];
    let read = |(class, config): &(&str, Value)| metrics::from_config(class, config.as_object().unwrap());
    let mut all = plain.iter().map(read).collect::<Result<Vec<_>>>()?;
    for metric in plain.iter().map(read) {
        all.push(Box::new(metrics::Named::weighing(metric?)));
    }
    Ok(all)
}

fn figures(history: &History) -> Vec<f64> {
    history.epochs.iter().flat_map(|logs| logs.iter().map(|(_, value)| value).collect::<Vec<_>>()).collect()
}

#[test]
fn a_recorded_step_measures_what_a_plain_one_does() -> Result<()> {
    let data = data()?.sample_weight(random(&[N], 3)?.abs()?)?;
    let run = |device: &Device, capture: bool| -> Result<(Vec<f64>, Vec<Tensor>)> {
        let loss = CategoricalFocalCrossentropy::new().reduction(losses::Reduction::MeanWithSampleWeight);
        let mut trainer = model(device)?.compile(SGD::new(0.3), loss, list()?)?.capture(capture);
        // Batches of 8, 8 and 7.
        let history = trainer.fit(&data, Fit::epochs(3).batch_size(8))?;
        assert_eq!(trainer.captured(), if capture && !device.is_cpu() { 2 } else { 0 });
        Ok((figures(&history), weights(&trainer)?))
    };
    let cpu = run(&Device::Cpu, true)?;
    let Some(cuda) = common::cuda() else { return Ok(()) };
    let (recorded, plain) = (run(&cuda, true)?, run(&cuda, false)?);
    assert_eq!(recorded.0, plain.0);
    for (i, (cuda, cpu)) in plain.0.iter().zip(&cpu.0).enumerate() {
        assert!((cuda - cpu).abs() <= 1e-5 + 1e-4 * cpu.abs(), "figure {i} is {cuda}, the CPU's {cpu}");
    }
    for ((recorded, plain), cpu) in recorded.1.iter().zip(&plain.1).zip(&cpu.1) {
        assert_eq!(recorded.to_vec::<f32>()?, plain.to_vec::<f32>()?);
        assert_eq!(difference(plain, cpu, 1e-5)?, None);
    }
    Ok(())
}

#[test]
fn a_sample_of_weight_0_is_as_if_it_were_not_there() -> Result<()> {
    let whole = data()?;
    let mask: Vec<f32> = (0..N).map(|i| if i < 15 { 1.0 } else { 0.0 }).collect();
    let masked = whole.clone().sample_weight(Tensor::from_slice(&mask, [N, 1])?)?;
    for device in devices() {
        for reduction in [losses::Reduction::Sum, losses::Reduction::MeanWithSampleWeight] {
            let run = |data: &Dataset| -> Result<(Trainer, Logs)> {
                let loss = CategoricalCrossentropy::new().reduction(reduction);
                let weighted: Vec<_> = list()?.into_iter().filter(|m| m.is_weighted()).collect();
                let mut trainer = model(&device)?.compile(SGD::new(0.05), loss, weighted)?;
                let data = data.to_device(&device)?;
                (0..3).try_for_each(|_| trainer.train_on_batch(&data))?;
                let logs = trainer.evaluate_with(&data, N)?;
                Ok((trainer, logs))
            };
            let ((masked, logs), (alone, want)) = (run(&masked)?, run(&whole.take(15)?)?);
            for (got, want) in weights(&masked)?.iter().zip(&weights(&alone)?) {
                assert_eq!(difference(got, want, 2e-6)?, None, "{device}, {reduction:?}");
            }
            for ((name, got), (_, want)) in logs.iter().zip(want.iter()) {
                assert!(
                    (got - want).abs() <= 1e-5 + 1e-5 * want.abs(),
                    "{device}, {reduction:?}: {name}: {got}, {want}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn weights_of_classes_are_those_of_their_samples() -> Result<()> {
    let of_classes = [(0, 2.0), (2, 0.25)];
    let labels = Dataset::new(random(&[5, 4], 2)?, Tensor::from_slice(&[0i32, 1, 2, 2, 0], [5, 1])?)?;
    let want = [2.0f32, 1.0, 0.25, 0.25, 2.0];
    assert_eq!(labels.clone().class_weight(&of_classes)?.weights(0).unwrap().to_vec::<f32>()?, want);
    let hot = labels.targets()[0].reshape([5])?.one_hot(3, DType::F32)?;
    let hot = Dataset::new(&labels.inputs()[0], hot)?;
    assert_eq!(hot.class_weight(&of_classes)?.weights(0).unwrap().to_vec::<f32>()?, want);

    let run = |data: &Dataset, fit: Fit| -> Result<_> {
        let loss = SparseCategoricalCrossentropy::new();
        let mut trainer = model(&Device::Cpu)?.compile(SGD::new(0.1), loss, ())?;
        let history = trainer.fit(data, fit.batch_size(2))?;
        Ok(history)
    };
    let by_sample = labels.clone().sample_weight(Tensor::from_slice(&want, 5)?)?;
    let by_class = run(&labels, Fit::epochs(2).class_weight(of_classes))?;
    assert_eq!(by_class, run(&by_sample, Fit::epochs(2))?);
    assert_ne!(by_class, run(&labels, Fit::epochs(2))?);
    let both = run(&by_sample, Fit::epochs(1).class_weight(of_classes)).unwrap_err().to_string();
    assert!(both.contains("class_weight") && both.contains("sample weights"), "{both}");
    Ok(())
}

#[test]
fn weights_that_do_not_fit_are_refused() -> Result<()> {
    let ones = |shape: &[usize]| Tensor::ones(&Device::Cpu, shape, DType::F32);
    for (weights, words) in [
        (vec![ones(&[N - 1])?], "22 samples"),
        (vec![ones(&[N])?, ones(&[N])?], "2 sample weights"),
        (vec![Tensor::full(&Device::Cpu, N, DType::F32, f64::NAN)?], "NaN"),
        (vec![ones(&[])?], "single number"),
    ] {
        let error = data()?.sample_weight(weights).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(data()?.class_weight(&[(0, f64::INFINITY)]).is_err());
    // One weight for each output of a loss that has one for each sample: nothing is learnt of it.
    let mut trainer = model(&Device::Cpu)?.compile(SGD::new(0.1), CategoricalCrossentropy::new(), ())?;
    let before = weights(&trainer)?[0].to_vec::<f32>()?;
    let error = trainer.train_on_batch(&data()?.sample_weight(ones(&[N, 3])?)?).unwrap_err().to_string();
    assert!(error.contains("sample weights") && error.contains("(23, 3)"), "{error}");
    assert_eq!(weights(&trainer)?[0].to_vec::<f32>()?, before);
    Ok(())
}

/// A figure for each class, and metrics that are there with weights and without: by Keras's names, from a file too.
#[test]
fn figures_say_what_they_are() -> Result<()> {
    let metrics = (
        metrics::F1Score::new(),
        metrics::AUC::new().multi_label(true).named("area"),
        metrics::AUC::new().multi_label(true).named("area").weighted(),
        Accuracy::new().weighted(),
    );
    let mut trainer = model(&Device::Cpu)?.compile(SGD::new(0.1), CategoricalCrossentropy::new(), metrics)?;
    let names = |trainer: &Trainer| trainer.logs().map(|logs| logs.iter().map(|(n, _)| n.to_string()).collect());
    let want = ["loss", "f1_score_0", "f1_score_1", "f1_score_2", "area", "weighted_area", "accuracy"];
    let got: Vec<String> = names(&trainer)?;
    assert_eq!(got, want);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    trainer.save(&path)?;
    let mut again = Trainer::load(&path)?;
    assert_eq!(names(&again)?, got);
    let data = data()?.sample_weight(random(&[N], 3)?.abs()?)?;
    assert_eq!(again.evaluate(&data)?, trainer.evaluate(&data)?);
    Ok(())
}
