//! Parts of a model with optimizers of their own, and steps that call them by themselves.

use super::devices;
use uncrumple::optimizers::Optimizer;
use uncrumple::prelude::*;
use uncrumple::train::{Batch, Running};

/// A generator of three numbers from two, and a critic.
fn model() -> Result<Model> {
    let generator = Sequential::new([2]).add(Dense::new(4).tanh()).add(Dense::new(3)).build()?;
    let critic = Sequential::new([3]).add(Dense::new(4).tanh()).add(BatchNormalization::new()).add(Dense::new(1));
    let (generator, critic) = (generator.named("generator").as_layer(), critic.build()?.named("critic").as_layer());
    let z = Input::new([2]);
    Model::new(&z, &critic.call(&generator.call(&z)?)?)
}

/// What a generator and its critic learn by in one step.
fn adversarial(running: &Running, batch: &Batch) -> Result<Tensor> {
    let (generator, critic) = (running.get_layer("generator")?, running.get_layer("critic")?);
    let real = &batch.inputs()[0];
    let z = running.generator().normal([batch.len(), 2], DType::F32, 0.0, 1.0)?;
    let fake = generator.call(&[&z])?.remove(0);
    let (on_real, on_fake) = (&critic.call(&[real])?[0], &critic.call(&[&fake.detach()])?[0]);
    let of_critic = on_real.negative()?.softplus()?.add(&on_fake.softplus()?)?.mean(&[], false)?;
    of_critic.add(&critic.frozen().call(&[&fake])?[0].negative()?.softplus()?.mean(&[], false)?)
}

fn real() -> Result<Dataset> {
    let x: Vec<f32> = (0..24).map(|i| (i * 37 % 11) as f32 / 5.0 - 1.0).collect();
    Dataset::new(Tensor::from_slice(&x, [8, 3])?, ())
}

fn trainer(device: &Device, main: impl Into<Box<dyn Optimizer>>) -> Result<Trainer> {
    Ok(model()?.on(device.clone()).compile(main, (), ())?.with_step(adversarial))
}

/// All weights, by path.
fn weights(trainer: &Trainer) -> Result<Vec<(String, Vec<f32>)>> {
    let model = trainer.model();
    model.weight_paths().map(|path| Ok((path.to_string(), model.weight(path)?.to_vec()?))).collect()
}

#[test]
fn each_part_has_its_optimizer() -> Result<()> {
    for device in devices() {
        let run = |mut trainer: Trainer| -> Result<_> {
            let data = real()?.to_device(&device)?;
            (0..4).try_for_each(|_| trainer.train_on_batch(&data))?;
            weights(&trainer)
        };
        // Two optimizers that are alike are one.
        let one = run(trainer(&device, SGD::new(0.1).momentum(0.9))?)?;
        let two =
            trainer(&device, SGD::new(0.1).momentum(0.9))?.with_optimizer("critic", SGD::new(0.1).momentum(0.9))?;
        assert_eq!(run(two)?, one, "{device}");
        let still = run(trainer(&device, Adam::new(0.01))?.with_optimizer("critic", SGD::new(0.0))?)?;
        let before = weights(&trainer(&device, Adam::new(0.01))?)?;
        for ((path, now), (_, was)) in still.iter().zip(&before) {
            let moves = path.starts_with("generator") || path.contains("moving_");
            assert_eq!(now != was, moves, "{device}: {path}");
        }
    }
    Ok(())
}

#[test]
fn a_trainer_that_moves_takes_them_along() -> Result<()> {
    let data = real()?;
    let new = || trainer(&Device::Cpu, Adam::new(0.01))?.with_optimizer("critic", RMSprop::new(0.02));
    let mut straight = new()?;
    (0..4).try_for_each(|_| straight.train_on_batch(&data))?;
    let mut moved = new()?;
    (0..2).try_for_each(|_| moved.train_on_batch(&data))?;
    let mut moved = moved.on(Device::Cpu)?;
    (0..2).try_for_each(|_| moved.train_on_batch(&data))?;
    assert_eq!(weights(&moved)?, weights(&straight)?);

    // A run that is put down and gone on with, and a file of the model alone.
    let folder = tempfile::tempdir().unwrap();
    let (backup, path) = (folder.path().join("run.safetensors"), folder.path().join("m.keras"));
    let fit = |epochs| Fit::epochs(epochs).batch_size(3).shuffle(false);
    let mut whole = new()?;
    whole.fit(&data, fit(3))?;
    // It ends in the midst of the second epoch.
    let mut ended = new()?.with_step(|running, batch| match running.generator().state().to_vec::<i64>()?[1] {
        4 => Err(Error::Data("enough".into())),
        _ => adversarial(running, batch),
    });
    let message = ended.fit(&data, fit(3).backup(&backup).backup_every(std::time::Duration::ZERO)).unwrap_err();
    assert!(message.to_string().contains("enough"), "{message}");
    let mut again = new()?;
    again.fit(&data, fit(3).resume(&backup))?;
    assert_eq!(weights(&again)?, weights(&whole)?);
    let mut other = trainer(&Device::Cpu, Adam::new(0.01))?.with_optimizer("critic", RMSprop::new(0.03))?;
    let message = other.fit(&data, fit(3).resume(&backup)).unwrap_err().to_string();
    assert!(message.contains("config.learning_rate` is 0.02 there and 0.03 here"), "{message}");
    again.save(&path)?;
    let x = &real()?.inputs()[0].slice(1, 0..2)?;
    assert_eq!(Model::load(&path)?.predict(x)?.to_vec::<f32>()?, again.predict(x)?.to_vec::<f32>()?);
    assert!(Trainer::load(&path).is_err_and(|e| e.to_string().contains("was not compiled")));
    Ok(())
}

#[test]
fn no_gradient_reaches_what_is_frozen() -> Result<()> {
    let mut trainer = model()?.compile(SGD::new(0.1), (), ())?.with_step(|running, batch| {
        running.get_layer("critic")?.frozen().call(&[&batch.inputs()[0]])?[0].mean(&[], false)
    });
    let message = trainer.train_on_batch(&real()?).unwrap_err().to_string();
    assert!(message.contains("critic/dense/kernel") && message.contains("generator/dense/kernel"), "{message}");
    Ok(())
}

#[test]
fn what_cannot_have_an_optimizer_is_refused() -> Result<()> {
    let message = |trainer: Result<Trainer>| trainer.map(drop).unwrap_err().to_string();
    let new = || trainer(&Device::Cpu, SGD::new(0.1));
    assert!(
        message(new()?.with_optimizer("judge", SGD::new(0.1))).contains("no layer `judge`; it has generator, critic")
    );
    let twice = new()?.with_optimizer("critic", SGD::new(0.1))?;
    assert!(message(twice.with_optimizer("critic", SGD::new(0.1))).contains("has no trainable weights of its own"));
    let all = new()?.with_optimizer("critic", SGD::new(0.1))?.with_optimizer("generator", SGD::new(0.1));
    assert!(message(all).contains("has all weights there are"));
    let other = SGD::new(0.1).gradient_accumulation_steps(2);
    assert!(message(new()?.with_optimizer("critic", other)).contains("the same loss_scale_factor"));
    let anew = new()?.with_optimizer("critic", SGD::new(0.1))?.recompile(Some(SGD::new(0.2).into()), None, None);
    assert!(message(anew).contains("the layer `critic` has an optimizer of its own"));
    let mut late = new()?;
    late.train_on_batch(&real()?)?;
    assert!(message(late.with_optimizer("critic", SGD::new(0.1))).contains("has made steps"));
    let mut two = new()?.with_optimizer("critic", SGD::new(0.1))?;
    let rates = two.find_learning_rate(&real()?, 4, 1e-4..1.0, 40).map(drop).unwrap_err().to_string();
    assert!(rates.contains("knows one optimizer"), "{rates}");
    let mut nowhere = model()?
        .compile(SGD::new(0.1), (), ())?
        .with_step(|running, batch| running.get_layer("dense")?.call(&[&batch.inputs()[0]])?[0].mean(&[], false));
    let none = nowhere.train_on_batch(&real()?).unwrap_err().to_string();
    assert!(none.contains("no layer `dense` is a model; those that are: generator, critic"), "{none}");
    Ok(())
}
