//! Classes and functions of one's own in model files. `scripts/goldens/check_ours.py` has the same in Python.

use super::{predict, sample};
use uncrumple::initializers::Initializer;
use uncrumple::layers::{self, ActivationFn, Call, Config, Layer, Read, WeightSpec, object};
use uncrumple::losses::{self, Loss};
use uncrumple::prelude::*;
use uncrumple::schedules::Schedule;
use uncrumple::{Shape, initializers, schedules, tensor::Tensors};

/// factor · scale · x, with a scale for each feature.
#[derive(Debug)]
struct Scale {
    factor: f64,
    initializer: Box<dyn Initializer>,
}

impl Layer for Scale {
    fn class_name(&self) -> &'static str {
        "Scale"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        Ok(inputs.to_vec())
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let features = Shape::new(&[inputs[0].known(-1)?])?;
        Ok(vec![WeightSpec::new("scale", features, self.initializer.clone())])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_elem(inputs[0].mul(&call.weight(0)?)?.mul_scalar(self.factor)?, 1))
    }

    fn config(&self) -> Config {
        object(serde_json::json!({"factor": self.factor, "initializer": self.initializer.serialized()}))
    }
}

/// n / 2, n / 4, …
#[derive(Clone, Debug)]
struct Halves(f64);

impl Initializer for Halves {
    fn class_name(&self) -> &'static str {
        "Halves"
    }

    fn config(&self) -> Config {
        object(serde_json::json!({"n": self.0}))
    }

    fn values(&self, shape: &Shape, _: &uncrumple::device::cpu::philox::Philox) -> Result<Vec<f32>> {
        Ok((1..=shape.size()).map(|i| (self.0 / f64::exp2(i as f64)) as f32).collect())
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(self.clone())
    }
}

/// Σ (p − t)⁴.
#[derive(Debug)]
struct Fourth;

impl Loss for Fourth {
    fn class_name(&self) -> &'static str {
        "Fourth"
    }

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, _: bool) -> Result<Tensor> {
        y_pred.sub(y_true)?.square()?.square()?.sum(&[-1], false)
    }

    fn link(&self) -> Option<ActivationFn> {
        None
    }

    fn takes_logits(&self) -> bool {
        false
    }

    fn reduction(&self) -> losses::Reduction {
        losses::Reduction::default()
    }

    fn config(&self) -> Config {
        Config::new()
    }
}

/// 0.01 / (1 + step).
#[derive(Debug)]
struct Harmonic;

impl Schedule for Harmonic {
    fn class_name(&self) -> &'static str {
        "Harmonic"
    }

    fn at(&self, step: u64) -> f64 {
        0.01 / (1.0 + step as f64)
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn config(&self) -> Config {
        Config::new()
    }
}

fn register() -> Result<()> {
    layers::register("Tests>Scale", |config| {
        Ok(Scale { factor: config.number("factor", 1.0)?, initializer: config.initializer("initializer", "ones")? })
    })?;
    layers::register_function("Tests>squares", |x| Tensor::concatenate(&[x[0], &x[0].square()?], -1))?;
    initializers::register("Tests>Halves", |config| Ok(Halves(config.number("n", 1.0)?)))?;
    losses::register("Tests>Fourth", |_| Ok(Fourth))?;
    schedules::register("Tests>Harmonic", |_| Ok(Harmonic))
}

/// A trainer of a model with all of them.
pub fn trainer() -> Result<Trainer> {
    register()?;
    let scale = Scale { factor: 0.5, initializer: Box::new(Halves(4.0)) };
    let model = Sequential::new([4]).add(scale).add(Lambda::new("Tests>squares")).add(Dense::new(3)).build()?;
    let rate = uncrumple::schedules::LearningRate::Schedule(std::sync::Arc::new(Harmonic));
    model.compile(SGD::new(rate).momentum(0.5), Fourth, [MeanSquaredError::new()])
}

#[test]
fn what_is_registered_comes_back_and_trains_on() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let mut trainer = trainer()?;
    assert_eq!(trainer.model().weight("scale/scale")?.to_vec::<f32>()?, [2.0, 1.0, 0.5, 0.25]);
    assert_eq!(trainer.model().graph().outputs.len(), 1);
    let data = Dataset::new(sample(1, [8, 4]), sample(2, [8, 3]))?;
    trainer.train_on_batch(&data)?;
    trainer.save(&path)?;
    let mut again = Trainer::load(&path)?;
    trainer.train_on_batch(&data)?;
    again.train_on_batch(&data)?;
    assert_eq!(trainer.learning_rate(), 0.01 / 3.0);
    for (a, b) in trainer.weights()?.iter().zip(&again.weights()?) {
        assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?, "the same bits");
    }
    let x = [data.inputs()[0].clone()];
    assert_eq!(predict(trainer.model(), &x), predict(again.model(), &x));
    Ok(())
}

/// A layer that nobody registers.
#[derive(Debug)]
struct Stranger;

impl Layer for Stranger {
    fn class_name(&self) -> &'static str {
        "Stranger"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        Ok(inputs.to_vec())
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_elem(inputs[0].clone(), 1))
    }

    fn config(&self) -> Config {
        Config::new()
    }
}

/// An error's words; nothing was written.
#[track_caller]
fn refused(saved: Result<()>, path: &std::path::Path, words: &[&str]) {
    let error = saved.unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "`{error}` lacks one of {words:?}");
    assert!(!path.exists());
}

#[test]
fn what_nobody_registered_is_not_saved() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let model = Sequential::new([2]).add(Stranger).add(Dense::new(1)).build()?;
    refused(model.save(&path), &path, &["m.keras", "layer `stranger`", "unknown layer `Stranger`", "layers::register"]);

    #[derive(Debug)]
    struct Nothing;
    impl Loss for Nothing {
        fn class_name(&self) -> &'static str {
            "Nothing"
        }
        fn call(&self, _: &Tensor, y_pred: &Tensor, _: bool) -> Result<Tensor> {
            y_pred.mul_scalar(0.0)
        }
        fn link(&self) -> Option<ActivationFn> {
            None
        }
        fn takes_logits(&self) -> bool {
            false
        }
        fn reduction(&self) -> losses::Reduction {
            losses::Reduction::default()
        }
        fn config(&self) -> Config {
            Config::new()
        }
    }
    let trainer = Sequential::new([2]).add(Dense::new(1)).build()?.compile(SGD::new(0.1), Nothing, ())?;
    refused(trainer.save(&path), &path, &["unknown loss `Nothing`", "losses::register"]);
    trainer.model().save(&path)
}

#[test]
fn names_are_kerass_and_one_class_s_alone() -> Result<()> {
    register()?;
    let scale = |_: &Config| Ok(Stranger);
    let refused = |name: &str| layers::register(name, scale).unwrap_err().to_string();
    for (name, word) in [("Scale", "`Package>Class`"), (">Scale", "`>Scale`"), ("Other>Scale", "`Tests>Scale`")] {
        assert!(refused(name).contains(word), "{name}: {}", refused(name));
    }
    assert!(refused("Tests>Dense").contains("`Dense`"));
    let call = |name: &str| Lambda::new(name).call(&Input::new([3])).map(|y| y.spec().to_string());
    assert_eq!(call("Tests>squares")?, "(None, 6)");
    let unknown = call("Tests>cubes").unwrap_err().to_string();
    assert!(unknown.starts_with("layer `lambda`: ") && unknown.contains("layers::register_function(\"Tests>cubes\""));
    Ok(())
}

#[test]
fn a_function_gives_the_shape_that_it_says() -> Result<()> {
    register()?;
    layers::register_function("Tests>total", |x| x[0].sum(&[0], true))?;
    let input = Input::of(Spec { dims: vec![None, None, Some(3)], dtype: DType::F32 }, None);
    assert_eq!(Lambda::new("Tests>squares").call(&input)?.spec().to_string(), "(None, None, 6)");
    let error = Lambda::new("Tests>total").call(&input).unwrap_err().to_string();
    assert!(error.contains("as many samples"), "{error}");
    let large = Input::new([1 << 11, 1 << 11]);
    let error = Lambda::new("Tests>squares").call(&large).unwrap_err().to_string();
    assert!(error.contains("output_shape"), "{error}");
    let said = Lambda::new("Tests>squares").output_shape([Some(1 << 11), Some(1 << 12)]).call(&large)?;
    assert_eq!(said.spec().to_string(), "(None, 2048, 4096)");
    let wrong = Sequential::new([3]).add(Lambda::new("Tests>squares").output_shape([Some(3)])).build()?;
    let error = wrong.predict(sample(1, [2, 3])).unwrap_err().to_string();
    assert!(error.starts_with("layer `lambda`: ") && error.contains("(2, 6)"), "{error}");
    Ok(())
}
