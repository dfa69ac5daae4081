//! Trainings that go on from a file.

use super::*;

fn saved(trainer: &Trainer, folder: &Path) -> Result<Trainer> {
    let path = folder.join("m.keras");
    trainer.save(&path)?;
    Trainer::load(&path)
}

#[test]
fn a_run_that_was_stopped_goes_on_with_the_same_bits() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let data = samples(&[0, 1, 2, 0, 1, 2, 1])?;
    for shuffle in [false, true] {
        let fit = |epochs| Fit::epochs(epochs).batch_size(3).shuffle(shuffle);
        let mut whole = small()?.seed(7)?;
        let history = whole.fit(&data, fit(4))?;

        let mut first = small()?.seed(7)?;
        first.fit(&data, fit(2))?;
        let mut second = saved(&first, folder.path())?;
        assert_eq!(second.iterations(), 6);
        let rest = second.fit(&data, fit(2))?;
        assert_eq!(rest.epochs, history.epochs[2..]);
        assert_eq!(weights(&second)?, weights(&whole)?);
    }
    Ok(())
}

/// A schedule in the middle of its warm-up, half an accumulation, a moving average, and words that Keras's config lacks.
#[test]
fn what_an_optimizer_keeps_beside_its_rule_goes_on_with_the_same_bits() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let data = samples(&[0, 1, 2, 0, 1, 2, 1])?;
    let optimizer = || {
        AdamW::new(CosineDecay::new(0.0, 20).warmup(0.1, 8))
            .weight_decay(2.0)
            .exclude_from_weight_decay(["bias"])
            .gradient_accumulation_steps(2)
            .use_ema(true)
            .ema_momentum(0.5)
            .ema_overwrite_frequency(4)
            .loss_scale_factor(16.0)
    };
    let new = || chain()?.seed(7)?.compile(optimizer(), SparseCategoricalCrossentropy::new(), ());
    let steps = |mut trainer: Trainer, count: usize| -> Result<Trainer> {
        (0..count).try_for_each(|_| trainer.train_on_batch(&data))?;
        Ok(trainer)
    };
    let whole = steps(new()?, 11)?;
    for stop in [0, 5, 8] {
        let first = steps(new()?, stop)?;
        assert_eq!(first.learning_rate(), 0.1 * stop as f64 / 8.0);
        assert_eq!(weights(&steps(saved(&first, folder.path())?, 11 - stop)?)?, weights(&whole)?, "stopped at {stop}");
        assert_eq!(weights(&steps(first.on(Device::Cpu)?, 11 - stop)?)?, weights(&whole)?, "moved at {stop}");
    }
    refused(steps(new()?, 1)?.set_learning_rate(0.1), &["CosineDecay"]);
    Ok(())
}

#[test]
fn a_file_holds_all_that_training_needs() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    // The learning rate in force, and the losses' weights.
    let mut trainer = forked()?.compile(Adam::new(0.1), MeanSquaredError::new(), ())?.loss_weights([0.5, 2.0])?;
    trainer.set_learning_rate(0.0125)?;
    let data = Dataset::new(random(&[6, 4], 1)?, [random(&[6, 3], 2)?, random(&[6, 3], 3)?])?;
    trainer.train_on_batch(&data)?;
    let mut again = saved(&trainer, folder.path())?;
    assert_eq!(again.learning_rate(), 0.0125);
    for _ in 0..2 {
        again.train_on_batch(&data)?;
        trainer.train_on_batch(&data)?;
    }
    assert_eq!(weights(&again)?, weights(&trainer)?);

    // A step of one's own is given again; the optimizer's numbers are in the file.
    let step = |model: &uncrumple::train::Running, batch: &Dataset| {
        model.call(&[&batch.inputs()[0]])?[0].square()?.mean(&[], false)
    };
    let mut trainer = regression()?.into_model().compile(Adam::new(0.1), (), ())?.with_step(step);
    trainer.train_on_batch(&data)?;
    let loaded = saved(&trainer, folder.path())?;
    refused(saved(&trainer, folder.path())?.train_on_batch(&data), &["targets"]);
    let mut again = loaded.with_step(step);
    again.train_on_batch(&data)?;
    trainer.train_on_batch(&data)?;
    assert_eq!((weights(&again)?, again.iterations()), (weights(&trainer)?, 2));

    for name in ["m.h5", "m", "m.keras.bak"] {
        refused(trainer.save(folder.path().join(name)), &[name, ".keras"]);
        refused(trainer.model().save(folder.path().join(name)), &[name, ".keras"]);
    }
    let alone = folder.path().join("alone.keras");
    trainer.model().save(&alone)?;
    refused(Trainer::load(&alone), &["alone.keras", "not compiled"]);
    Ok(())
}

#[test]
fn a_trainer_of_a_file_goes_on_as_keras_does() -> Result<()> {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    let folder = PathBuf::from(root).join("tests/goldens/keras_files");
    let mut devices = vec![Device::Cpu];
    devices.extend(common::cuda());
    let mut seen = 0;
    for golden in Golden::all("keras_files").into_iter().filter(|g| g.about["next_step"] == Value::Bool(true)) {
        for device in &devices {
            let mut trainer = Trainer::load(folder.join(golden.about["file"].as_str().unwrap()))?.on(device.clone())?;
            let (x, y) = (golden.tensor("input.0")?, golden.tensor("target.0")?);
            trainer.train_on_batch(&Dataset::new(&x, y)?.to_device(device)?)?;
            let close = |what: &str, got: &[f32], want: &[f32]| {
                let near = |(g, w): (&f32, &f32)| (g - w).abs() <= 2e-6 + 1e-5 * w.abs();
                assert!(
                    got.len() == want.len() && got.iter().zip(want).all(near),
                    "{}: {what} is {got:?}, not {want:?}",
                    golden.name
                );
            };
            let loss = trainer.logs()?.get("loss").unwrap() as f32;
            close("loss", &[loss], &golden.tensor("next.loss")?.to_vec::<f32>()?);
            let output = trainer.predict(&x)?.to_vec::<f32>()?;
            close("output", &output, &golden.tensor("next.output.0")?.to_vec::<f32>()?);
            for path in trainer.model().weight_paths() {
                // Keras leaves out the models around a layer.
                let ends = std::iter::successors(Some(path), |path| path.split_once('/').map(|(_, end)| end));
                let mut known = ends.filter_map(|end| golden.find(&format!("next.weight.{end}")).transpose());
                let want = known.next().unwrap_or_else(|| panic!("{}: {path}", golden.name))?.to_vec::<f32>()?;
                close(path, &trainer.model().weight(path)?.to_vec::<f32>()?, &want);
            }
        }
        seen += 1;
    }
    assert!(seen >= 7, "{seen} files say what comes next");
    Ok(())
}
