//! Callbacks in runs, against what Keras's do.

use super::{samples, small, weight_bits};
use std::sync::{Arc, Mutex};
use uncrumple::callbacks::{JSONLogger, ReduceLROnPlateau, TensorBoard, TerminateOnNaN};
use uncrumple::prelude::*;

fn data() -> Result<Dataset> {
    samples(&(0..12).map(|i| i % 3).collect::<Vec<i32>>())
}

fn trainer(optimizer: impl Into<Box<dyn uncrumple::optimizers::Optimizer>>) -> Result<Trainer> {
    let model = Sequential::new([4]).add(Dense::new(3).softmax()).build()?;
    model.compile(optimizer, SparseCategoricalCrossentropy::new(), [Accuracy::new()])
}

/// Shows another callback figures of its own choice, and notes the learning rates that it sets.
struct Scripted<C> {
    inner: C,
    figures: Vec<f64>,
    rates: Arc<Mutex<Vec<f64>>>,
}

impl<C: Callback> Callback for Scripted<C> {
    fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        self.inner.on_train_begin(trainer)
    }

    fn on_epoch_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, _: &Logs) -> Result<Control> {
        let mut logs = Logs::default();
        ["val_loss", "val_accuracy"].iter().for_each(|name| logs.push(*name, self.figures[epoch.number]));
        let control = self.inner.on_epoch_end(trainer, epoch, &logs)?;
        self.rates.lock().unwrap().push(trainer.learning_rate());
        Ok(control)
    }

    fn state(&self) -> Result<uncrumple::train::CallbackState> {
        self.inner.state()
    }

    fn restore(&mut self, state: uncrumple::train::CallbackState) -> Result<()> {
        self.inner.restore(state)
    }
}

const FIGURES: [f64; 18] =
    [1.0, 0.9, 0.89995, 0.9, 0.91, 0.85, 0.86, 0.87, 0.88, 0.84999, 0.9, 0.95, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85];

/// The learning rates after each epoch, from 1 on.
fn rates(callback: fn() -> ReduceLROnPlateau) -> Result<Vec<f64>> {
    let rates = Arc::new(Mutex::new(Vec::new()));
    let scripted = || Scripted { inner: callback(), figures: FIGURES.to_vec(), rates: rates.clone() };
    let fit = |epochs: usize| Ok::<_, Error>(Fit::epochs(epochs).validation_data(&data()?).callback(scripted()));
    trainer(SGD::new(1.0))?.fit(&data()?, fit(FIGURES.len())?)?;
    let whole = std::mem::take(&mut *rates.lock().unwrap());

    // The same from two runs, the second of which goes on with what the first has waited.
    let backup = tempfile::tempdir().unwrap();
    let path = backup.path().join("run.safetensors");
    trainer(SGD::new(1.0))?.fit(&data()?, fit(7)?.backup(&path))?;
    trainer(SGD::new(1.0))?.fit(&data()?, fit(FIGURES.len())?.resume(&path))?;
    assert_eq!(*rates.lock().unwrap(), whole);
    Ok(whole)
}

/// Keras 3.15.1's callback with the same figures in its logs.
#[test]
fn learning_rates_fall_as_in_keras() -> Result<()> {
    let plateau = ReduceLROnPlateau::new;
    assert_eq!(
        rates(|| ReduceLROnPlateau::new().factor(0.5).patience(2))?,
        [
            1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.0625, 0.03125, 0.03125,
            0.015625, 0.015625
        ]
    );
    assert_eq!(
        rates(|| ReduceLROnPlateau::new().factor(0.5).patience(2).cooldown(2).min_delta(0.0))?,
        [
            1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.0625,
            0.03125
        ]
    );
    assert_eq!(
        rates(|| ReduceLROnPlateau::new().monitor("val_accuracy").factor(0.5).patience(3).cooldown(1))?,
        [
            1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.0625, 0.03125,
            0.03125, 0.03125
        ]
    );
    let least = rates(|| ReduceLROnPlateau::new().patience(1).min_lr(0.01))?;
    assert!(least[1] == 1.0 && (least[2] - 0.1).abs() < 1e-9 && least[3..].iter().all(|r| (r - 0.01).abs() < 1e-9));

    let fit = |callback| Ok::<_, Error>(Fit::epochs(1).validation_data(&data()?).callback(callback));
    assert!(trainer(SGD::new(1.0))?.fit(&data()?, fit(plateau().factor(1.0))?).is_err());
    let scheduled = trainer(SGD::new(ExponentialDecay::new(0.1, 10, 0.5)))?.fit(&data()?, fit(plateau())?);
    assert!(scheduled.unwrap_err().to_string().contains("ExponentialDecay"));
    Ok(())
}

#[test]
fn a_lost_loss_ends_the_run_at_its_step() -> Result<()> {
    // The errors of these targets overflow float32 when they are squared, from the first step on.
    let x = Tensor::from_slice(&[1.0f32; 40], [40, 1])?;
    let data = Dataset::new(&x, Tensor::from_slice(&[1e30f32; 40], [40, 1])?)?;
    let steps = |callback: Option<TerminateOnNaN>| -> Result<(u64, Option<Error>)> {
        let model = Sequential::new([1]).add(Dense::new(1)).build()?;
        let mut trainer = model.compile(SGD::new(1e-3), MeanSquaredError::new(), ())?;
        let mut fit = Fit::epochs(1).batch_size(4);
        if let Some(callback) = callback {
            fit = fit.callback(callback);
        }
        let error = trainer.fit(&data, fit).err();
        Ok((trainer.iterations(), error))
    };
    for (callback, want) in [(Some(TerminateOnNaN::new()), 1), (Some(TerminateOnNaN::new().every(4)), 4), (None, 10)] {
        let (made, error) = steps(callback)?;
        assert!(matches!(error, Some(Error::Diverged { epoch: 1, .. })), "{error:?}");
        assert_eq!(made, want);
    }
    Ok(())
}

#[test]
fn logs_are_lines_of_json() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/log.jsonl");
    let history = small()?.fit(&data()?, Fit::epochs(3).callback(JSONLogger::new(&path)))?;
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    for (i, line) in text.lines().enumerate() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["epoch"], i + 1);
        assert_eq!(object["loss"].as_f64(), history.epochs[i].get("loss"));
        assert_eq!(object["accuracy"].as_f64(), history.epochs[i].get("accuracy"));
    }
    Ok(())
}

/// The events of a file: each record's length and checksums are right.
fn records(file: &std::path::Path) -> Vec<Vec<u8>> {
    let masked = |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let bytes = std::fs::read(file).unwrap();
    let (mut rest, mut events) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(rest[8..12], masked(&rest[..8]));
        let event = &rest[12..12 + length];
        assert_eq!(rest[12 + length..16 + length], masked(event));
        events.push(event.to_vec());
        rest = &rest[16 + length..];
    }
    events
}

#[test]
fn event_files_hold_the_figures() -> Result<()> {
    // The checksum behind the length of 24 with which event files of TensorFlow begin.
    assert_eq!(crc32c::crc32c(&24u64.to_le_bytes()).rotate_right(15).wrapping_add(0xa282_ead8), 0x224B_7FA3);
    let folder = tempfile::tempdir().unwrap();
    let fit = Fit::epochs(2).validation_data(&data()?).callback(TensorBoard::new(folder.path()));
    let history = small()?.fit(&data()?, fit)?;
    for (part, prefix) in [("train", ""), ("validation", "val_")] {
        let files: Vec<_> = std::fs::read_dir(folder.path().join(part)).unwrap().map(|f| f.unwrap().path()).collect();
        assert!(files.len() == 1 && files[0].to_str().unwrap().contains("events.out.tfevents."), "{files:?}");
        let events = records(&files[0]);
        assert_eq!(events.len(), 3);
        // After the time (tag 9 and eight bytes): `file_version`, which TensorBoard looks for first.
        assert_eq!(&events[0][9..], b"\x1a\x0dbrain.Event:2");
        for (i, event) in events[1..].iter().enumerate() {
            assert_eq!(event[9..11], [0x10, i as u8], "the step");
            for name in ["loss", "accuracy"] {
                // A value of a summary: its tag, then `simple_value`, a float.
                let tag = format!("epoch_{name}");
                let value = history.epochs[i].get(&format!("{prefix}{name}")).unwrap() as f32;
                let want = [&[0x0a, tag.len() as u8], tag.as_bytes(), &[0x15], &value.to_le_bytes()].concat();
                assert!(event.windows(want.len()).any(|window| window == want), "{part} {i} {tag}");
            }
            let has_rate = event.windows(19).any(|window| window == b"epoch_learning_rate");
            assert_eq!(has_rate, part == "train");
        }
    }
    Ok(())
}

#[test]
fn checkpoints_come_every_few_epochs() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("{epoch:02d}.keras");
    let every = ModelCheckpoint::new(path.to_str().unwrap()).every(3);
    let mut trainer = small()?;
    trainer.fit(&data()?, Fit::epochs(7).callback(every))?;
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["03.keras", "06.keras"]);
    // What the sixth holds goes on to what the seventh had.
    let mut again = Trainer::load(folder.path().join("06.keras"))?;
    again.fit(&data()?, Fit::epochs(1))?;
    assert_eq!(weight_bits(again.model())?, weight_bits(trainer.model())?);
    Ok(())
}

#[test]
fn learning_rates_are_tried_and_forgotten() -> Result<()> {
    let data = data()?;
    for optimizer in [true, false] {
        let make = || if optimizer { trainer(Adam::new(0.02)) } else { trainer(SGD::new(0.02).momentum(0.9)) };
        let (mut plain, mut tried) = (make()?, make()?);
        plain.fit(&data, Fit::epochs(2))?;
        tried.fit(&data, Fit::epochs(2))?;
        let found = tried.find_learning_rate(&data, 4, 1e-5..1e3, 60)?;
        assert!(found.rates.len() >= 20 && found.rates[0] == 1e-5, "{found:?}");
        let factor = found.rates[1] / found.rates[0];
        assert!(found.rates.windows(2).all(|pair| (pair[1] / pair[0] / factor - 1.0).abs() < 1e-9));
        let suggested = found.suggested.unwrap();
        assert!((1e-4..100.0).contains(&suggested), "{suggested}");
        assert_eq!((tried.learning_rate(), tried.iterations()), (0.02, 2));
        plain.fit(&data, Fit::epochs(2))?;
        tried.fit(&data, Fit::epochs(2))?;
        assert_eq!(weight_bits(tried.model())?, weight_bits(plain.model())?);
    }
    for (rates, steps) in [(1.0..0.1, 60), (0.0..1.0, 60), (1e-3..1.0, 5)] {
        assert!(small()?.find_learning_rate(&data, 4, rates, steps).is_err());
    }
    Ok(())
}
