//! Masks where Keras has no value to compare with: through nested models and batches of a prediction, in warnings, in training
//! on every device, and layers inside of others.

mod common;

use common::Random;
use uncrumple::layers::{Call, Config, Inner, Layer, LayerRef, Masks, Spec, Updates, WeightSpec};
use uncrumple::model::Mode;
use uncrumple::prelude::*;
use uncrumple::tensor::Tensors;
use uncrumple::{losses, metrics, optimizers};

const STEPS: usize = 4;

fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain(common::cuda()).collect()
}

fn text<T>(result: Result<T>) -> String {
    result.err().map(|e| e.to_string()).unwrap_or_default()
}

fn random(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut random = Random(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| (random.next() * 2.0 - 1.0) as f32).collect();
    Tensor::from_slice(&values, shape)
}

/// Samples of which the steps are kept raggedly: numbers below 7, 0 where a step is none.
fn numbers() -> Result<Tensor> {
    Tensor::from_slice(&[3, 1, 0, 6, 0, 0, 0, 0, 0, 2, 0, 0i32], [3, STEPS])
}

fn kept() -> Result<Vec<bool>> {
    Ok(numbers()?.to_vec::<i32>()?.iter().map(|n| *n != 0).collect())
}

/// What a graph gives for numbers: values and the mask of its first output.
fn masks(model: &Model) -> Result<(Vec<f32>, Option<Vec<bool>>)> {
    let (outputs, masks) = model.call_masked(&[&numbers()?], &[])?;
    let mask = masks.first().and_then(Option::as_ref).map(|mask| mask.to_vec::<bool>()).transpose()?;
    Ok((outputs[0].to_vec()?, mask))
}

fn embedded() -> Sequential {
    Sequential::with([STEPS], DType::I32).add(Embedding::new(7, 3).mask_zero(true))
}

#[test]
fn masks_go_through_models_inside_of_models_and_shared_layers() -> Result<()> {
    let inside = Sequential::new([STEPS, 3]).add(Dense::new(3).tanh()).add(Dropout::new(0.5)).build()?.named("inside");
    let shared = inside.as_layer();
    let input = Input::with([STEPS], DType::I32, None);
    let x = Embedding::new(7, 3).mask_zero(true).call(&input)?;
    let y = shared.call(&shared.call(&x)?)?;
    let model = Model::new(&input, [&GlobalAveragePooling1D::new().call(&y)?, &y])?;
    assert_eq!(model.warnings(), Vec::<String>::new());
    let outputs = model.call_masked(&[&numbers()?], &[])?;
    let (means, mask) = (outputs.0[0].to_vec::<f32>()?, outputs.1[1].as_ref().unwrap().to_vec::<bool>()?);
    assert!(outputs.1[0].is_none());
    assert_eq!(mask, kept()?);
    let steps = outputs.0[1].to_vec::<f32>()?;
    for (at, mean) in means.iter().enumerate() {
        let (sample, channel) = (at / 3, at % 3);
        let values = (0..STEPS).filter(|step| mask[sample * STEPS + step]);
        let values: Vec<f32> = values.map(|step| steps[(sample * STEPS + step) * 3 + channel]).collect();
        match values.len() {
            0 => assert!(mean.is_nan(), "the mean of nothing, as in Keras"),
            n => assert!((mean - values.iter().sum::<f32>() / n as f32).abs() < 1e-6),
        }
    }
    // A prediction in batches is the same.
    let parts = model.predict_all(numbers()?, 2)?;
    assert_eq!(parts[1].to_vec::<f32>()?, steps);
    assert_eq!(parts[0].to_vec::<f32>()?[..3], means[..3]);
    Ok(())
}

#[test]
fn a_mask_that_is_given_must_fit() -> Result<()> {
    let model = Sequential::new([STEPS, 3]).add(Dense::new(2)).build()?;
    let x = random(&[3, STEPS, 3], 1)?;
    let mask = Tensor::from_slice(&kept()?, [3, STEPS])?;
    let (_, masks) = model.call_masked(&[&x], &[Some(mask.clone())])?;
    assert_eq!(masks[0].as_ref().unwrap().to_vec::<bool>()?, kept()?);
    for wrong in
        [mask.cast(DType::F32)?, mask.reshape([STEPS, 3])?, Tensor::ones(&Device::Cpu, [3, 4, 3, 1], DType::Bool)?]
    {
        let message = text(model.call_masked(&[&x], &[Some(wrong)]));
        assert!(message.contains("(3, 4, 3) begins with"), "{message}");
    }
    Ok(())
}

#[test]
fn who_destroys_a_mask_is_named() -> Result<()> {
    let inside = Sequential::new([STEPS, 3]).add(Dense::new(2)).add(Flatten::new()).build()?.named("inside");
    let model = embedded().add(&inside).add(Dense::new(2)).build()?;
    let warnings = model.warnings();
    let want = "layer `inside/flatten` (Flatten) is passed an input with a mask, does not support masking and destroys the \
                mask: the layers behind it will not see it";
    assert_eq!(warnings, [want]);
    assert!(model.summary().to_string().ends_with(&format!("\nwarning: {want}")));
    assert_eq!(inside.warnings(), Vec::<String>::new());
    assert_eq!(masks(&model)?.1, None);

    let silent = [
        embedded().add(Dense::new(2)).add(GlobalAveragePooling1D::new()).add(Dense::new(2)).build()?,
        Sequential::with([STEPS], DType::I32).add(Embedding::new(7, 3)).add(Flatten::new()).build()?,
    ];
    assert!(silent.iter().all(|model| model.warnings().is_empty() && !model.summary().to_string().contains("warning")));
    let step = Sequential::new([3]).add(Reshape::new([3, 1])).build()?.named("step");
    let steps = embedded().add(TimeDistributed::new(step)).build()?;
    assert_eq!(steps.warnings().len(), 1);
    assert_eq!(masks(&steps)?.1, Some(kept()?), "the mask goes past what is inside");
    Ok(())
}

#[test]
fn softmax_and_batch_normalization_say_which_mask_they_take() -> Result<()> {
    let model = embedded().add(Softmax::new()).build()?;
    let message = text(masks(&model));
    assert!(message.contains("softmax") && message.contains("(3, 4, 3), got (3, 4)"), "{message}");
    let grid = Input::with([STEPS], DType::I32, None);
    let x = Embedding::new(7, 6).mask_zero(true).call(&grid)?;
    let y = TimeDistributed::new(Sequential::new([6]).add(Reshape::new([3, 2])).build()?).call(&x)?;
    let model = Model::new(&grid, &BatchNormalization::new().call(&y)?)?;
    let message = text(masks(&model));
    assert!(message.contains("batch_normalization") && message.contains("one axis less"), "{message}");
    Ok(())
}

#[test]
fn an_embedding_names_what_it_does_not_have() -> Result<()> {
    let model = Sequential::with([2], DType::I32).add(Embedding::new(5, 2)).build()?;
    let message = text(model.call(&[&Tensor::from_slice(&[1, 2, 3, 5i32], [2, 2])?]));
    let want = "layer `embedding`: gather: the index 5 at place 3 is out of range: there are 5 rows";
    assert!(message.contains(want), "{message}");
    let arguments = [(0, 2, "input_dim"), (2, 0, "output_dim")];
    for (input_dim, output_dim, name) in arguments {
        let message = text(Embedding::new(input_dim, output_dim).call(&Input::with([2], DType::I32, None)));
        assert!(message.contains(&format!("argument `{name}`: expected a positive integer, got 0")), "{message}");
    }
    let mut config = Embedding::new(5, 2).shared().layer().config();
    config.insert("lora_rank".into(), 2.into());
    assert!(text(uncrumple::layers::from_config("Embedding", &config)).contains("`lora_rank`"));
    // Whole numbers that a half has not.
    let ids = Tensor::from_slice(&[257f32, 1001.0], [1, 2])?;
    let model = Sequential::new([2]).add(Embedding::new(1002, 1)).build()?;
    let half = model.clone().precision(Precision::MixedBf16);
    let values = model.weight("embedding/embeddings")?.to_vec::<f32>()?;
    assert_eq!(half.predict(&ids)?.to_vec::<f32>()?, [values[257], values[1001]]);
    Ok(())
}

#[test]
fn steps_that_are_called_at_once_give_what_each_gives() -> Result<()> {
    let x = random(&[3, STEPS, 5], 3)?;
    let inner = Dense::new(2).gelu();
    let model = Sequential::new([STEPS, 5]).add(TimeDistributed::new(inner)).build()?;
    assert_eq!(
        model.weight_paths().collect::<Vec<_>>(),
        ["time_distributed/layer/kernel", "time_distributed/layer/bias"]
    );
    let y = model.predict(&x)?;
    let mut alone = Sequential::new([5]).add(Dense::new(2).gelu()).build()?;
    for name in ["kernel", "bias"] {
        let weight = model.weight(&format!("time_distributed/layer/{name}"))?;
        alone.set_weight(&format!("dense/{name}"), &weight)?;
    }
    for step in 0..STEPS {
        let one = alone.predict(x.slice(1, step..step + 1)?.reshape([3, 5])?)?.to_vec::<f32>()?;
        assert_eq!(y.slice(1, step..step + 1)?.to_vec::<f32>()?, one);
    }
    assert!(text(TimeDistributed::new(Dense::new(2)).call(&Input::new([5]))).contains("at least 3 axes"));
    let message = text(TimeDistributed::new(Dense::new(0).named("head")).call(&Input::new([2, 5])));
    assert!(message.contains("layer `time_distributed`") && message.contains("head"), "{message}");
    Ok(())
}

#[test]
fn what_is_frozen_inside_stays_and_files_say_so() -> Result<()> {
    let frozen = LayerRef::from(Dense::new(3)).trainable(false);
    let input = Input::new([STEPS, 5]);
    let x = TimeDistributed::new(frozen).call(&input)?;
    let x = TimeDistributed::new(BatchNormalization::new().shared().trainable(false)).call(&x)?;
    let deep = Sequential::new([3]).add(Dense::new(2)).build()?.named("deep");
    let y = TimeDistributed::new(TimeDistributed::new(deep)).named("twice").call(&Reshape::new([2, 2, 3]).call(&x)?)?;
    let model = Model::new(&input, &y)?;
    let folder = tempfile::tempdir().map_err(|e| Error::Config(e.to_string()))?;
    let path = folder.path().join("m.keras");
    model.save(&path)?;
    let again = Model::load(&path)?;
    let trainable = |model: &Model| -> Vec<String> {
        model.graph().weights.iter().filter(|(_, w)| w.trainable).map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(trainable(&again), ["twice/layer/layer/dense/kernel", "twice/layer/layer/dense/bias"]);
    assert_eq!(trainable(&again), trainable(&model));
    let x = random(&[2, STEPS, 5], 4)?;
    assert_eq!(again.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);

    let mut trainer = again.compile(optimizers::SGD::new(0.1), losses::MeanSquaredError::new(), ())?;
    let before = trainer.model().weight("time_distributed_1/layer/moving_mean")?.to_vec::<f32>()?;
    trainer.train_on_batch(&Dataset::new(&x, random(&[2, 2, 2, 2], 5)?)?)?;
    assert_eq!(trainer.model().weight("time_distributed_1/layer/moving_mean")?.to_vec::<f32>()?, before);
    Ok(())
}

/// A wrapper of the program's own, as recurrent layers are made.
#[derive(Debug)]
struct Twice(Inner);

impl Layer for Twice {
    fn class_name(&self) -> &'static str {
        "Twice"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        self.0.output_spec(&self.0.output_spec(inputs)?)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        self.0.weights(inputs)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let masks: Masks = [call.mask(0).cloned()].into_iter().collect();
        let (once, masks) = self.0.call(call, 0..2, inputs, &masks)?;
        let (twice, masks) = self.0.call(call, 0..2, &[&once[0]], &masks)?;
        masks.into_iter().enumerate().for_each(|(output, mask)| call.set_mask(output, mask));
        Ok(twice)
    }

    fn config(&self) -> Config {
        Config::new()
    }

    fn supports_masking(&self) -> bool {
        self.0.layer().layer().supports_masking()
    }

    fn inner(&self) -> Vec<&Inner> {
        vec![&self.0]
    }
}

#[test]
fn a_layer_can_hold_another_and_pay_its_penalty() -> Result<()> {
    let inner = Inner::new("layer", Dense::new(3).activity_regularizer(L2::new(0.5)));
    let model = embedded().add(Twice(inner)).build()?;
    let (y, mask) = masks(&model)?;
    assert_eq!(mask, Some(kept()?));
    assert_eq!(y.len(), 3 * STEPS * 3);
    let mut updates = Updates::new().with_losses();
    let weights: Vec<Tensor> = model.weight_paths().map(|p| model.weight(p)).collect::<Result<_>>()?;
    model.graph().run(&weights, &[&numbers()?], Mode::INFERENCE, &mut updates)?;
    assert_eq!(updates.losses.map(|losses| losses.len()), Some(2));
    Ok(())
}

#[test]
fn training_leaves_out_what_is_masked_and_runs_as_a_graph() -> Result<()> {
    let targets = Tensor::from_slice(&[0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2i32], [3, STEPS])?;
    // Where nothing counts, targets may be anything.
    let other = Tensor::from_slice(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0i32], [3, STEPS])?;
    let run = |device: &Device, targets: &Tensor, capture: bool| -> Result<(Vec<f64>, Vec<f32>)> {
        let model = embedded()
            .add(TimeDistributed::new(Dense::new(4).tanh()))
            .add(BatchNormalization::new())
            .add(Dense::new(3).softmax())
            .build()?
            .on(device.clone());
        let metric = metrics::SparseCategoricalAccuracy::new();
        let loss = losses::SparseCategoricalCrossentropy::new();
        let mut trainer = model.compile(optimizers::SGD::new(0.1), loss, metric)?.capture(capture);
        let data = Dataset::new(numbers()?, targets)?.to_device(device)?;
        for _ in 0..4 {
            trainer.train_on_batch(&data)?;
        }
        assert_eq!(trainer.captured() > 0, capture && !device.is_cpu());
        let figures = trainer.evaluate(&data)?.iter().map(|(_, value)| value).collect();
        Ok((figures, trainer.predict(numbers()?)?.to_vec()?))
    };
    let (figures, want) = run(&Device::Cpu, &targets, false)?;
    assert_eq!(run(&Device::Cpu, &other, false)?, (figures.clone(), want.clone()));
    // Loss and accuracy are those of the four steps that count.
    let labels = targets.to_vec::<i32>()?;
    let counted: Vec<(usize, i32)> =
        labels.into_iter().enumerate().zip(kept()?).filter(|(_, k)| *k).map(|(x, _)| x).collect();
    let loss: f32 = counted.iter().map(|&(step, label)| -want[step * 3 + label as usize].ln()).sum();
    assert!((figures[0] - f64::from(loss) / counted.len() as f64).abs() < 1e-6, "{figures:?}");
    for device in devices() {
        for capture in [false, true] {
            let (other, outputs) = run(&device, &targets, capture)?;
            assert!(other.iter().zip(&figures).all(|(a, b)| (a - b).abs() < 1e-5), "{other:?}, not {figures:?}");
            assert!(outputs.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-5), "on {device}");
        }
    }
    Ok(())
}

#[test]
fn a_step_of_ones_own_sees_the_masks() -> Result<()> {
    let model = embedded().add(Dense::new(1)).build()?;
    let trainer = model.compile(optimizers::SGD::new(0.1), losses::MeanSquaredError::new(), ())?;
    let mut trainer = trainer.with_step(|running, batch| {
        let (outputs, masks) = running.call_masked(&[&batch.inputs()[0]])?;
        let mask = masks[0].as_ref().ok_or_else(|| Error::Config("no mask".into()))?;
        let reduction = losses::Reduction::Mean;
        reduction.apply(&outputs[0].square()?.reshape([3, STEPS])?, Some(&reduction.mask(mask, None)?))
    });
    trainer.train_on_batch(&Dataset::new(numbers()?, random(&[3, STEPS, 1], 2)?)?)?;
    assert!(trainer.logs()?.get("loss").is_some_and(f64::is_finite));
    Ok(())
}
