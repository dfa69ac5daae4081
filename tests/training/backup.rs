//! Runs that are left in their midst and gone on with: every step of one is a place to leave it.

use super::{devices, samples};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use uncrumple::callbacks::Mode;
use uncrumple::prelude::*;

/// Ends the run after this many steps.
struct Leave(usize);

impl Callback for Leave {
    fn on_step_end(&mut self, trainer: &mut Trainer, _: &Epoch, _: usize) -> Result<Control> {
        Ok(if trainer.iterations() as usize == self.0 { Control::Stop } else { Control::Continue })
    }
}

fn trainer(device: &Device) -> Result<Trainer> {
    let model = Sequential::new([4]).add(Dense::new(8).relu()).add(Dropout::new(0.3)).add(Dense::new(3).softmax());
    let model = model.build()?.seed(7)?.on(device.clone());
    model.compile(Adam::new(0.05), SparseCategoricalCrossentropy::new(), [Accuracy::new()])
}

/// All that a run leaves; each callback that decides something has something to decide.
fn run(device: &Device, leave: usize, fit: impl FnOnce(Fit) -> Fit) -> Result<(Vec<Vec<f32>>, f64, History)> {
    let data = samples(&(0..23).map(|i| i % 3).collect::<Vec<i32>>())?;
    let schedule = LearningRateScheduler::new(|_, rate| rate * 0.9);
    let plateau = ReduceLROnPlateau::new().factor(0.5).patience(1).min_delta(0.02).cooldown(1);
    let stop = EarlyStopping::new().patience(2).mode(Mode::Max).restore_best_weights();
    let callbacks = Fit::epochs(6).callback(schedule).callback(plateau).callback(stop).callback(Leave(leave));
    let mut trainer = trainer(device)?;
    // Batches of 8, 8 and 2, and 5 samples to validate on.
    trainer.fit(&data, fit(callbacks.batch_size(8).validation_split(0.2)))?;
    let weights = trainer.weights()?.iter().map(Tensor::to_vec).collect::<Result<_>>()?;
    Ok((weights, trainer.learning_rate(), trainer.history().clone()))
}

#[test]
fn a_run_goes_on_from_any_step_to_the_same_bits() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for device in devices() {
        let whole = run(&device, usize::MAX, |fit| fit)?;
        let steps = 3 * whole.2.epochs.len();
        assert!(
            whole.2.epochs.len() < 6,
            "the run is to be stopped early, so that what has stopped it is restored too"
        );
        for step in (1..=steps).filter(|step| device.is_cpu() || step % 4 == 0) {
            let path = folder.path().join(format!("{device:?}-{step}.safetensors").replace(['(', ')'], "-"));
            let left = run(&device, step, |fit| fit.backup(&path))?;
            assert_eq!(left.2.epochs.len(), (step - 1) / 3);
            assert!(run(&device, usize::MAX, |fit| fit.resume(&path))? == whole, "left after step {step}");
            // The run is over, and so it stays.
            assert!(run(&device, usize::MAX, |fit| fit.resume(&path))? == whole, "left after step {step}");
        }
    }
    Ok(())
}

#[test]
fn backups_at_each_step_change_nothing() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/run.safetensors");
    let whole = run(&Device::Cpu, usize::MAX, |fit| fit)?;
    assert!(run(&Device::Cpu, usize::MAX, |fit| fit.resume(&path).backup_every(Duration::ZERO))? == whole);
    Ok(())
}

/// What decides a run beside its length.
#[derive(Clone, Copy)]
struct Decided {
    rate: f64,
    dropout: f64,
    metric: bool,
    shift: i32,
    validation: i32,
    weight: f64,
    stop: bool,
}

#[test]
fn a_run_goes_on_as_it_was_decided() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let run = |decided: &Decided, epochs: usize, resume: bool| -> Result<usize> {
        let samples = |shift: i32| samples(&(0..12).map(|i| (i + shift) % 3).collect::<Vec<i32>>());
        let model = Sequential::new([4]).add(Dense::new(8).relu()).add(Dropout::new(decided.dropout));
        let model = model.add(Dense::new(3).softmax()).build()?.seed(7)?;
        let metrics = if decided.metric { vec![Accuracy::new()] } else { vec![] };
        let metrics = vec![metrics.into_iter().map(Into::into).collect::<Vec<_>>()];
        let mut trainer = model.compile(Adam::new(decided.rate), SparseCategoricalCrossentropy::new(), metrics)?;
        let mut fit = Fit::epochs(epochs).batch_size(4).class_weight([(0, decided.weight)]);
        fit = fit.validation_data(&samples(decided.validation)?);
        if decided.stop {
            fit = fit.callback(EarlyStopping::new().patience(99));
        }
        let fit = if resume { fit.resume(&path) } else { fit.backup(&path) };
        Ok(trainer.fit(&samples(decided.shift)?, fit)?.epochs.len())
    };
    let first = Decided { rate: 0.05, dropout: 0.3, metric: false, shift: 0, validation: 0, weight: 2.0, stop: true };
    run(&first, 2, false)?;
    for (decided, want) in [
        (Decided { rate: 0.5, ..first }, "config.learning_rate` is 0.05 there and 0.5 here"),
        (Decided { dropout: 0.4, ..first }, "config.rate` is 0.3 there and 0.4 here"),
        (Decided { metric: true, ..first }, "`figures"),
        (Decided { shift: 1, ..first }, "`checksum of the data` is \""),
        (Decided { validation: 1, ..first }, "`checksum of the validation data` is \""),
        (Decided { weight: 3.0, ..first }, "`class_weight.0.1` is 2.0 there and 3.0 here"),
        (Decided { stop: false, ..first }, "the callback EarlyStopping was there and is not here"),
    ] {
        let message = run(&decided, 4, true).unwrap_err().to_string();
        assert!(message.contains(want) && message.contains("remove it to begin anew"), "{message}");
    }
    assert_eq!(run(&first, 4, true)?, 4, "there may be more epochs");
    Ok(())
}

#[test]
fn a_backup_of_another_run_is_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    run(&Device::Cpu, 4, |fit| fit.backup(&path))?;
    let refused = |fit: fn(Fit, &Path) -> Fit, word: &str| {
        let message = run(&Device::Cpu, usize::MAX, |f| fit(f, &path)).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("remove it"), "{message}");
    };
    refused(|fit, path| fit.resume(path).batch_size(4), "`batch_size` is 8 there and 4 here");
    refused(|fit, path| fit.resume(path).shuffle(false), "`shuffle`");
    refused(
        |fit, path| fit.resume(path).identity(json!({ "beta": 4.0 })),
        r#"`identity` is null there and {"beta":4.0}"#,
    );
    refused(|fit, path| fit.resume(path).validation_split(0.0).validation_split(0.5), "`samples`");
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, 100, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert!(run(&Device::Cpu, usize::MAX, |f| f.resume(&path)).is_err());
    }
    let model = folder.path().join("model.safetensors");
    trainer(&Device::Cpu)?.model().save_weights(&model)?;
    let message = run(&Device::Cpu, usize::MAX, |f| f.resume(&model)).unwrap_err().to_string();
    assert!(message.contains("does not say where a run stands"), "{message}");
    Ok(())
}
