//! Activations, losses, metrics, optimizers and initializers against Keras, chrF against sacrebleu,
//! the Fréchet distance against SciPy.

mod common;

use common::golden::{Golden, config_difference};
use common::{difference, wide};
use serde_json::Value;
use std::collections::BTreeSet;
use uncrumple::device::cpu::philox::Philox;
use uncrumple::initializers::Initializer;
use uncrumple::layers::ActivationFn;
use uncrumple::losses::{self, Reduction};
use uncrumple::metrics::{self, Metric};
use uncrumple::optimizers::{self, State};
use uncrumple::shape::Shape;
use uncrumple::{DType, Device, GradientTape, Result, Tensor, constraints, initializers, regularizers, schedules};

/// How far an element may be from Keras's, in parts of the sum of its magnitude and the root mean square of the array.
/// Both sides compute in f32 and sum in their own order; a dozen steps of an optimizer add up their roundings, and Keras's
/// own slope of tanh's gelu, where it is nearly 0, is 2.8e-6 from the true one.
const TOLERANCES: [(&str, f64); 6] = [
    ("activations", 4e-6),
    ("constraints", 1e-6),
    ("losses", 1e-6),
    ("metrics", 1e-6),
    ("optimizers", 2e-6),
    ("regularizers", 2e-6),
];

/// Cases for which this engine has no word, and why.
const SKIPPED: [(&str, &str, &str); 1] =
    [("activations", "elu_alpha_", "`alpha` is an argument of the layer ELU, which has goldens of its own")];

/// Runs `work` on every case of a kind that is not skipped, on every device; it returns what is wrong.
fn for_all(kind: &str, work: impl Fn(&Golden, &Device) -> Result<Vec<String>>) {
    let devices: Vec<Device> = std::iter::once(Device::Cpu).chain(common::cuda()).collect();
    let skips: Vec<_> = SKIPPED.iter().filter(|(k, ..)| *k == kind).collect();
    let (mut wrong, mut ran) = (Vec::new(), 0);
    for case in Golden::all(kind) {
        if let Some((_, _, reason)) = skips.iter().find(|(_, prefix, _)| case.name.starts_with(prefix)) {
            println!("SKIPPED {kind}/{}: {reason}", case.name);
            continue;
        }
        for device in &devices {
            ran += 1;
            let found = work(&case, device).unwrap_or_else(|error| vec![error.to_string()]);
            wrong.extend(found.into_iter().map(|text| format!("{kind}/{} on {device}: {text}", case.name)));
        }
    }
    println!("{kind}: {ran} cases");
    assert!(wrong.is_empty(), "{} of {ran}:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with `got`, under the name of what it is.
fn check(kind: &str, what: &str, got: &Tensor, want: &Tensor) -> Result<Option<String>> {
    let tolerance = TOLERANCES.iter().find(|(k, _)| *k == kind).map_or(0.0, |(_, t)| *t);
    let found = difference(&got.to_device(&Device::Cpu)?, want, tolerance)?;
    Ok(found.map(|text| format!("{what}: {text}")))
}

/// What is wrong with a config that was read and written again.
fn check_config(ours: uncrumple::layers::Config, case: &Golden) -> Option<String> {
    config_difference(&Value::Object(ours), &case.about["config"]).map(|text| format!("config: {text}"))
}

/// The gradient of Σ value · upstream with respect to `source`.
fn pull(tape: GradientTape, value: &Tensor, upstream: &Tensor, source: &Tensor) -> Result<Tensor> {
    let target = value.mul(upstream)?.sum(&[], false)?;
    let gradient = tape.gradient(&target, &[source])?.swap_remove(0);
    Ok(gradient.expect("the value depends on the source"))
}

#[test]
fn what_a_mask_leaves_out_counts_in_no_loss_and_no_mean() {
    for_all("masks", |case, device| {
        let list = |key: &str| case.about[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap());
        let on = |name: &str| case.find(name)?.map(|t| t.to_device(device)).transpose();
        let (t, p) = (on("target")?.unwrap(), on("prediction")?.unwrap());
        let losses = Box::<dyn losses::Loss>::from(losses::MeanSquaredError::new()).call(&t, &p, false)?;
        let mut wrong = Vec::new();
        for (kind, weight) in list("masks").flat_map(|kind| list("weights").map(move |weight| (kind, weight))) {
            let (mask, weights) = (on(&format!("mask.{kind}"))?.unwrap(), on(&format!("weight.{weight}"))?);
            for name in list("reductions") {
                let config = uncrumple::layers::object(serde_json::json!({"reduction": name}));
                let reduction = losses::from_config("MeanSquaredError", &config)?.reduction();
                let loss = reduction.apply(&losses, Some(&reduction.mask(&mask, weights.as_ref())?))?;
                let what = format!("loss.{name}.{kind}.{weight}");
                wrong.extend(check("losses", &what, &loss, &case.tensor(&what)?)?);
            }
            for name in list("metrics") {
                let what = format!("metric.{name}.{kind}.{weight}");
                let Some(want) = case.find(&what)? else { continue };
                let metric = metrics::from_config(name, &uncrumple::layers::Config::new())?;
                let masked = match metric.is_masked() {
                    true => Some(Reduction::Sum.mask(&mask, weights.as_ref())?),
                    false => weights.clone(),
                };
                let zero = [0, 1].map(|_| Tensor::zeros(device, (), DType::F32));
                let state = metric.update(&zero.into_iter().collect::<Result<Vec<_>>>()?, &t, &p, masked.as_ref())?;
                let state = state.iter().map(|s| s.to_vec::<f32>()).collect::<Result<Vec<_>>>()?;
                let result = Tensor::scalar(metric.result(&state)[0] as f32)?;
                wrong.extend(check("metrics", &what, &result, &want)?);
            }
        }
        Ok(wrong)
    });
}

#[test]
fn activations_are_kerass() {
    for_all("activations", |case, device| {
        let tape = GradientTape::new();
        let x = tape.watch(&case.tensor("input.0")?.to_device(device)?)?;
        let arguments = &case.about["arguments"];
        let number = |name: &str, default| arguments.get(name).and_then(Value::as_f64).unwrap_or(default);
        let no_arguments = arguments.as_object().is_none_or(|a| a.is_empty());
        let axis = arguments["axis"].as_i64().unwrap_or(-1) as isize;
        let y = match case.about["function"].as_str().unwrap() {
            "glu" => x.glu(axis)?,
            "threshold" => x.threshold(number("threshold", 0.0), number("default_value", 0.0))?,
            "celu" if arguments.get("alpha").is_some() => x.celu(number("alpha", 1.0))?,
            "leaky_relu" if !no_arguments => x.rectify(number("negative_slope", 0.2), f64::INFINITY, 0.0)?,
            "relu" if !no_arguments => {
                let most = number("max_value", f64::INFINITY);
                x.rectify(number("negative_slope", 0.0), most, number("threshold", 0.0))?
            }
            "softmax" => x.softmax(axis)?,
            "log_softmax" => x.log_softmax(axis)?,
            "gelu" if arguments["approximate"] == true => x.gelu_tanh()?,
            name => ActivationFn::from_name(name)?.call(&x)?,
        };
        let gradient = pull(tape, &y, &case.tensor("grad_output")?.to_device(device)?, &x)?;
        let output = check("activations", "output", &y, &case.tensor("output")?)?;
        let input = check("activations", "gradient", &gradient, &case.tensor("grad_input.0")?)?;
        Ok(output.into_iter().chain(input).collect())
    });
}

#[test]
fn regularizers_are_kerass() {
    for_all("regularizers", |case, device| {
        let tape = GradientTape::new();
        let x = tape.watch(&case.tensor("x")?.to_device(device)?)?;
        let regularizer = regularizers::from_config(case.class(), case.config())?;
        let penalty = regularizer.penalty(&x)?;
        let gradient = tape.gradient(&penalty, &[&x])?.swap_remove(0).expect("the penalty depends on x");
        let mut wrong = Vec::from_iter(check("regularizers", "penalty", &penalty, &case.tensor("penalty")?)?);
        wrong.extend(check("regularizers", "gradient", &gradient, &case.tensor("gradient")?)?);
        wrong.extend(check_config(regularizer.config(), case));
        Ok(wrong)
    });
    let bad = serde_json::json!({"l2": -1.0});
    let text = regularizers::from_config("l2", bad.as_object().unwrap()).unwrap_err().to_string();
    assert_eq!(text, "argument `l2` of a regularizer: expected a non-negative number, got -1");
    let unknown = regularizers::from_config("l3", &serde_json::Map::new()).unwrap_err().to_string();
    assert_eq!(
        unknown,
        "unknown regularizer `l3`; known are L1, L1L2, L2, OrthogonalRegularizer, and what regularizers::register made known"
    );
}

#[test]
fn constraints_are_kerass() {
    for_all("constraints", |case, device| {
        let constraint = constraints::from_config(case.class(), case.config())?;
        let held = constraint.apply(&case.tensor("weight")?.to_device(device)?)?;
        let mut wrong = Vec::from_iter(check("constraints", "constrained", &held, &case.tensor("constrained")?)?);
        wrong.extend(check_config(constraint.config(), case));
        Ok(wrong)
    });
    let unknown = constraints::from_config("non_pos", &serde_json::Map::new()).unwrap_err().to_string();
    assert_eq!(
        unknown,
        "unknown constraint `non_pos`; known are MaxNorm, MinMaxNorm, NonNeg, UnitNorm, and what constraints::register made known"
    );
}

#[test]
fn orthogonal_and_identity_matrices_are_that() -> Result<()> {
    for dims in [&[7, 5][..], &[5, 7], &[3, 2, 4, 9], &[64, 64]] {
        let shape = Shape::new(dims)?;
        let values = initializers::Orthogonal::new(2.0).values(&shape, &Philox::new(1, -1, 0))?;
        let columns = dims[dims.len() - 1];
        let w = Tensor::from_slice(&values, [values.len() / columns, columns])?;
        let tall = values.len() / columns > columns;
        let products = w.matmul_with(&w, tall, !tall)?;
        let n = products.shape()[0];
        let eye = initializers::Identity::new(4.0).values(&products.shape(), &Philox::new(1, -1, 0))?;
        assert_eq!((0..n * n).filter(|i| eye[*i] == 4.0 && i / n == i % n).count(), n);
        assert_eq!(eye.iter().filter(|x| **x != 0.0).count(), n);
        // As of f32, of which each product sums some dozens.
        assert_eq!(difference(&products, &Tensor::from_slice(&eye, [n, n])?, 1e-6)?, None, "{shape}");
    }
    let fails = |shape: &[usize], initializer: &dyn initializers::Initializer| {
        initializer.values(&Shape::new(shape).unwrap(), &Philox::new(1, -1, 0)).unwrap_err().to_string()
    };
    let orthogonal = fails(&[3], &initializers::Orthogonal::default());
    assert_eq!(orthogonal, "Orthogonal: expected a weight of at least 2 axes, got shape (3,)");
    let identity = fails(&[3, 3, 3], &initializers::Identity::default());
    assert_eq!(identity, "Identity: expected a weight of 2 axes, got shape (3, 3, 3)");
    assert!(initializers::VarianceScaling::new(0.0, "fan_in", "uniform").is_err());
    assert!(initializers::VarianceScaling::new(1.0, "fan", "uniform").is_err());
    Ok(())
}

#[test]
fn losses_are_kerass() {
    for_all("losses", |case, device| {
        let mut wrong = Vec::new();
        let loss = losses::from_config(case.class(), case.config())?;
        wrong.extend(check_config(loss.full_config(), case));
        let y_true = case.tensor("y_true")?.to_device(device)?;
        let y_pred = case.tensor("y_pred")?.to_device(device)?;
        let weights = case.find("sample_weight")?.map(|w| w.to_device(device)).transpose()?;
        for reduction in case.about["reductions"].as_array().unwrap() {
            let mut config = case.config().clone();
            config.insert("reduction".into(), reduction.clone());
            let (loss, reduction) = (losses::from_config(case.class(), &config)?, reduction.as_str().unwrap());
            assert_eq!(loss.reduction().name(), reduction);
            let tape = GradientTape::new();
            let p = tape.watch(&y_pred)?;
            let values = loss.call(&y_true, &p, loss.takes_logits())?;
            let value = loss.reduction().apply(&values, weights.as_ref())?;
            let upstream = case.tensor(&format!("grad_loss.{reduction}"))?.to_device(device)?;
            let gradient = pull(tape, &value, &upstream, &p)?;
            wrong.extend(check("losses", reduction, &value, &case.tensor(&format!("loss.{reduction}"))?)?);
            let name = format!("grad_y_pred.{reduction}");
            wrong.extend(check("losses", &name, &gradient, &case.tensor(&name)?)?);
        }
        Ok(wrong)
    });
}

/// A loss of logits and that of what its link makes of them are one function, where nothing is clipped.
#[test]
fn a_link_leads_from_logits_to_probabilities() {
    for_all("losses", |case, device| {
        let loss = losses::from_config(case.class(), case.config())?;
        let Some(link) = loss.link().filter(|_| loss.takes_logits() && !case.name.contains("extreme")) else {
            return Ok(Vec::new());
        };
        let (y_true, x) = (case.tensor("y_true")?.to_device(device)?, case.tensor("y_pred")?.to_device(device)?);
        let values = [loss.call(&y_true, &x, true)?, loss.call(&y_true, &link.call(&x)?, false)?];
        let found = difference(&values[1].to_device(&Device::Cpu)?, &values[0].to_device(&Device::Cpu)?, 1e-5)?;
        Ok(found.into_iter().collect())
    });
}

/// A metric's results after each batch of a case, and its state after the last.
fn gather(metric: &dyn Metric, case: &Golden, device: &Device) -> Result<(Vec<f64>, Vec<Tensor>)> {
    let zeros = |shape: &Shape| Tensor::zeros(device, *shape, DType::F32);
    let outputs = case.tensor("y_pred.0")?.shape().last();
    let mut state = metric.state(outputs)?.iter().map(zeros).collect::<Result<Vec<_>>>()?;
    let mut results = Vec::new();
    for i in 0..case.about["batches"].as_u64().unwrap() {
        let y_true = case.tensor(&format!("y_true.{i}"))?.to_device(device)?;
        let y_pred = case.tensor(&format!("y_pred.{i}"))?.to_device(device)?;
        let weights = case.find(&format!("sample_weight.{i}"))?.map(|w| w.to_device(device)).transpose()?;
        state = metric.update(&state, &y_true, &y_pred, weights.as_ref())?.into_vec();
        results.extend(metric.result(&state.iter().map(Tensor::to_vec).collect::<Result<Vec<_>>>()?));
    }
    Ok((results, state))
}

#[test]
fn metrics_are_kerass() {
    for_all("metrics", |case, device| {
        let metric = metrics::from_config(case.class(), case.config())?;
        let mut wrong: Vec<String> = check_config(metric.config(), case).into_iter().collect();
        assert_eq!(metric.name(), case.config()["name"].as_str().unwrap());
        let (results, state) = gather(&*metric, case, device)?;
        let want = case.tensor("results")?;
        wrong.extend(check("metrics", "results", &Tensor::from_slice(&results, want.shape())?, &want)?);
        for (got, name) in state.iter().zip(["state.total", "state.count"]) {
            let want = case.find(name)?.map_or(Ok(None), |want| check("metrics", name, got, &want))?;
            wrong.extend(want);
        }
        Ok(wrong)
    });
}

/// Keras's word `"accuracy"` means the class that fits the shapes.
#[test]
fn accuracy_is_the_one_that_fits() {
    let ran = std::cell::Cell::new(0);
    for_all("metrics", |case, device| {
        let fits = match case.class() {
            "BinaryAccuracy" => {
                case.config()["threshold"].as_f64() == Some(0.5) && case.tensor("y_pred.0")?.shape().last() == 1
            }
            class => class == "CategoricalAccuracy" || class == "SparseCategoricalAccuracy",
        };
        if !fits {
            return Ok(Vec::new());
        }
        ran.set(ran.get() + 1);
        let (results, _) = gather(&metrics::Accuracy::new(), case, device)?;
        let want = case.tensor("results")?;
        let found = check("metrics", "accuracy", &Tensor::from_slice(&results, want.shape())?, &want)?;
        Ok(found.into_iter().collect())
    });
    assert!(ran.get() >= 3);
}

#[test]
fn chrf_is_sacrebleus() {
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let cases = Golden::all("text");
    for case in &cases {
        let (hypotheses, references) = (texts(&case.about["hypotheses"]), texts(&case.about["references"]));
        let agrees = |got: f64, want: &Value, what: &dyn std::fmt::Debug| {
            let want = want.as_f64().unwrap();
            assert!((got - want).abs() <= 1e-9, "{}: {what:?}: got {got}, expected {want}", case.name);
        };
        agrees(metrics::text::chrf(&hypotheses, &references).unwrap(), &case.about["score"], &"all");
        for (i, want) in case.about["scores"].as_array().unwrap().iter().enumerate() {
            let (hypothesis, reference) = (&hypotheses[i], &references[i]);
            agrees(metrics::text::chrf(&[hypothesis], &[reference]).unwrap(), want, &(hypothesis, reference));
        }
    }
    assert_eq!(cases.len(), 3);
}

#[test]
fn the_frechet_distance_is_scipys() {
    for_all("frechet", |case, device| {
        let on = |name: &str| case.tensor(name)?.to_device(device);
        let (got, want) =
            (metrics::frechet_distance(&on("real")?, &on("generated")?)?, case.about["distance"].as_f64().unwrap());
        let close = (got - want).abs() <= 1e-9 * want;
        Ok((!close).then(|| format!("got {got}, expected {want}")).into_iter().collect())
    });
    assert_eq!(Golden::all("frechet").len(), 4);
}

#[test]
fn schedules_are_kerass() {
    let (mut wrong, cases) = (Vec::new(), Golden::all("schedules"));
    for case in &cases {
        let rate = schedules::from_config(case.class(), case.config()).unwrap();
        let schedules::LearningRate::Schedule(schedule) = &rate else { panic!("{}: {rate:?}", case.name) };
        wrong.extend(check_config(schedule.config(), case));
        let steps = case.tensor("steps").unwrap().to_vec::<i32>().unwrap();
        let want = case.tensor("values").unwrap().to_vec::<f32>().unwrap();
        for (&step, want) in steps.iter().zip(want) {
            let (got, want) = (rate.at(step as u64), f64::from(want));
            // Keras computes in f32, where a cosine near its end loses digits.
            let close = (got - want).abs() <= 1e-6 * want + 3e-8;
            if !close {
                wrong.push(format!("{} at step {step}: {got}, Keras has {want}", case.name));
            }
        }
    }
    assert!(!cases.is_empty() && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn optimizers_are_kerass() {
    for_all("optimizers", |case, device| {
        let mut optimizer = optimizers::from_config(case.class(), case.config())?;
        if let Some(words) = case.about.get("exclude") {
            let words = words.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_string());
            optimizer.settings_mut().exclude_from_weight_decay = words.collect();
        }
        let mut wrong: Vec<String> = check_config(optimizer.full_config(), case).into_iter().collect();
        let text = |value: &Value| value.as_str().unwrap().to_string();
        let list = |key: &str| case.about[key].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
        let paths = list("variables");
        let array = |of: &str, path: &str| case.tensor(&format!("{of}.{path}"));
        let mut weights =
            paths.iter().map(|path| array("initial", path)?.to_device(device)?.copy()).collect::<Result<Vec<_>>>()?;
        let parameters: Vec<_> = paths.iter().map(String::as_str).zip(&weights).collect();
        let mut state = State::new(&*optimizer, &parameters)?;
        let places: Vec<usize> = (0..weights.len()).collect();
        let row = |all: &Tensor, step: usize, shape: Shape| all.slice(0, step..step + 1)?.reshape(shape);
        let steps = case.about["steps"].as_u64().unwrap() as usize;
        for step in 0..steps {
            let gradient =
                |(path, w): (&String, &Tensor)| row(&array("gradients", path)?, step, w.shape())?.to_device(device);
            let gradients = paths.iter().zip(&weights).map(gradient).collect::<Result<Vec<_>>>()?;
            state.prepare(&*optimizer)?;
            state.step(&*optimizer, &mut weights, &places, &gradients)?;
            state.iteration += 1;
            for (path, weight) in paths.iter().zip(&weights) {
                let want = row(&array("after", path)?, step, weight.shape())?;
                wrong.extend(check("optimizers", &format!("{path} after step {}", step + 1), weight, &want)?);
            }
        }
        // Every variable that Keras's optimizer has, by its name there.
        let prefix = case.config()["name"].as_str().unwrap();
        let mut unseen: BTreeSet<String> = list("state").into_iter().collect();
        let [iteration, rate] = ["iteration", "learning_rate"].map(|name| format!("{prefix}/{name}"));
        assert_eq!(array("state", &iteration)?.item()?, state.iteration as f64);
        unseen.remove(&iteration);
        if let Some(constant) = optimizer.settings().learning_rate.constant() {
            assert_eq!(array("state", &rate)?.item()?, constant);
            unseen.remove(&rate);
        }
        for (path, slots) in paths.iter().zip(&state.slots) {
            for (name, slot) in optimizer.all_slots().iter().zip(slots).filter(|(_, slot)| slot.shape().size() > 0) {
                let name = format!("{prefix}/{}_{name}", path.replace('/', "_"));
                assert!(unseen.remove(&name), "Keras has no {name}");
                wrong.extend(check("optimizers", &name, slot, &array("state", &name)?)?);
            }
        }
        if let Some(scalar) = optimizer.scalar(state.iteration) {
            // Keras gives it no name of its own.
            let name = format!("{prefix}/variable");
            assert!(unseen.remove(&name));
            let got = Tensor::from_slice(&[scalar as f32], ())?;
            wrong.extend(check("optimizers", "scalar", &got, &array("state", &name)?)?);
        }
        assert!(unseen.is_empty(), "{}: not kept: {unseen:?}", case.name);
        Ok(wrong)
    });
}

#[test]
fn initializers_draw_from_kerass_distributions() {
    for_all("initializers", |case, device| {
        let mut wrong = Vec::new();
        if !device.is_cpu() {
            return Ok(wrong);
        }
        let initializer = initializers::from_config(case.class(), case.config())?;
        wrong.extend(check_config(initializer.config(), case));
        let one = |name: &str, i: usize| -> Result<f64> { Ok(wide(&case.tensor(name)?)?[i]) };
        for (i, shape) in case.about["shapes"].as_array().unwrap().iter().enumerate() {
            let dims: Vec<usize> = serde_json::from_value(shape.clone()).unwrap();
            let shape = Shape::new(&dims)?;
            let values = initializer.values(&shape, &Philox::new(2024, -1, i as u32))?;
            let n = values.len() as f64;
            assert_eq!(values.len(), shape.size());
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let draw = case.about["draw"].as_str().unwrap();
            if draw == "fixed" {
                if values != wide(&case.tensor(&format!("values.{i}"))?)? {
                    wrong.push(format!("{shape}: other values"));
                }
                continue;
            }
            let mean = values.iter().sum::<f64>() / n;
            let stddev = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            let (want_mean, want_stddev) = (one("expected_mean", i)?, one("expected_stddev", i)?);
            let close = (mean - want_mean).abs() <= 5.0 * want_stddev / n.sqrt();
            if !close {
                wrong.push(format!("{shape}: the mean is {mean:e}, not {want_mean:e}"));
            }
            // A normal distribution's; the others have less spread of the spread.
            let close = (stddev / want_stddev - 1.0).abs() <= 5.0 / (2.0 * n).sqrt();
            if n >= 1000.0 && !close {
                wrong.push(format!("{shape}: the standard deviation is {stddev:e}, not {want_stddev:e}"));
            }
            let (low, high) = match draw {
                "uniform" => (one("minval", i)?, one("maxval", i)?),
                "normal" => (f64::NEG_INFINITY, f64::INFINITY),
                _ => {
                    let mean = case.find("mean")?.map_or(Ok(0.0), |_| one("mean", i))?;
                    let reach = 2.0 * one("stddev", i)?;
                    (mean - reach, mean + reach)
                }
            };
            let slack = 1e-6 * (high - low);
            let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
            if !(least >= low - slack && most <= high + slack) {
                wrong.push(format!("{shape}: {least:e} to {most:e} reaches beyond {low:e} to {high:e}"));
            }
            // Of n uniform numbers the outermost is this far inside once in e²⁵ times.
            if draw == "uniform" && !(least - low <= 25.0 * (high - low) / n && high - most <= 25.0 * (high - low) / n)
            {
                wrong.push(format!("{shape}: {least:e} to {most:e} does not reach from {low:e} to {high:e}"));
            }
            if values.iter().all(|&x| x == values[0]) {
                wrong.push(format!("{shape}: one number everywhere"));
            }
        }
        Ok(wrong)
    });
}

const OPTIMIZER_HELPERS: &[&str] =
    &["mod", "accumulate", "average", "clip", "moments", "pass", "settings", "state", "update"];

#[test]
fn the_lists_are_the_folders() {
    let rooms: [(&str, &[&str], &[&str]); 7] = [
        ("constraints", constraints::MODULES, &["mod"]),
        ("regularizers", regularizers::MODULES, &["mod"]),
        ("losses", losses::MODULES, &["gaussian_kl", "macros", "mod", "reduction"]),
        (
            "metrics",
            metrics::MODULES,
            &[
                "at_constraint",
                "confusion_matrix",
                "counts",
                "frechet_distance",
                "jacobi",
                "mean",
                "mod",
                "named",
                "overlap",
                "text",
            ],
        ),
        ("optimizers", optimizers::MODULES, OPTIMIZER_HELPERS),
        ("schedules", schedules::MODULES, &["mod"]),
        ("initializers", initializers::MODULES, &["mod", "seeded"]),
    ];
    let sources = uncrumple::files::repository().join("src");
    for (room, modules, helpers) in rooms {
        let files = std::fs::read_dir(sources.join(room)).unwrap();
        let name = |file: std::io::Result<std::fs::DirEntry>| file.unwrap().file_name().to_string_lossy().into_owned();
        let folder: BTreeSet<String> = files.map(|f| name(f).trim_end_matches(".rs").to_string()).collect();
        let listed = modules.iter().chain(helpers).map(|s| s.to_string()).collect();
        assert_eq!(folder, listed, "src/{room} and the list in src/{room}/mod.rs differ");
        assert!(modules.is_sorted(), "the list in src/{room}/mod.rs is not in order");
    }
}

#[test]
fn every_skip_names_a_case() {
    for (kind, prefix, _) in SKIPPED {
        assert!(Golden::all(kind).iter().any(|case| case.name.starts_with(prefix)), "{kind} has no {prefix}");
    }
}

#[test]
fn a_reduction_that_keras_lacks_is_an_error() {
    assert_eq!(Reduction::default().name(), "sum_over_batch_size");
    let config = serde_json::json!({"reduction": "max"});
    let error = losses::from_config("mse", config.as_object().unwrap()).unwrap_err().to_string();
    assert!(error.contains("reduction") && error.contains("max"), "{error}");
}

#[test]
fn metrics_keep_their_names() -> Result<()> {
    let none = serde_json::Map::new();
    for (class, name) in
        [("mae", "mae"), ("acc", "acc"), ("accuracy", "accuracy"), ("MeanSquaredError", "mean_squared_error")]
    {
        assert_eq!(metrics::from_config(class, &none)?.name(), name);
    }
    assert_eq!(metrics::from_config("acc", &none)?.serialized(), "acc");
    let named: Box<dyn Metric> = Box::new(metrics::BinaryAccuracy::new().threshold(0.25).named("hits"));
    let written = named.serialized();
    let again = metrics::from_config("BinaryAccuracy", written["config"].as_object().unwrap())?;
    assert_eq!((again.name(), again.serialized()), ("hits".to_string(), written));
    assert_eq!(again.result(&[vec![0.0], vec![0.0]]), [0.0], "the mean of nothing");
    Ok(())
}

#[test]
fn metrics_refuse_what_they_cannot_do_with() {
    for (class, config, words) in [
        ("MeanIoU", serde_json::json!({"num_classes": 1_000_000_000_000u64}), ["num_classes", "4096"]),
        ("AUC", serde_json::json!({"num_thresholds": 1_000_000_000_000u64}), ["num_thresholds", "4096"]),
        ("PrecisionAtRecall", serde_json::json!({"recall": 1.5}), ["recall", "1.5"]),
        ("IoU", serde_json::json!({"num_classes": 2, "target_class_ids": [2]}), ["target_class_ids", "[2]"]),
        ("AUC", serde_json::json!({"curve": "PRGAIN"}), ["curve", "PRGAIN"]),
    ] {
        let error = metrics::from_config(class, config.as_object().unwrap()).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    // What nobody read: `compile` asks for the state.
    let metrics: [(Box<dyn Metric>, &str); 13] = [
        (metrics::AUC::new().thresholds([2.0]).into(), "thresholds"),
        (metrics::AUC::new().num_thresholds(1).into(), "num_thresholds"),
        (metrics::AUC::new().num_thresholds(usize::MAX).into(), "num_thresholds"),
        (metrics::AUC::new().label_weights([1.0, 3.0]).into(), "label_weights"),
        (metrics::AUC::new().multi_label(true).label_weights([1.0, 3.0]).into(), "label_weights"),
        (metrics::AUC::new().label_weights([1.0, 3.0, -1.0]).into(), "label_weights"),
        (metrics::Precision::new().thresholds([1.5]).into(), "thresholds"),
        (metrics::TruePositives::new().thresholds([f64::NAN]).into(), "thresholds"),
        (metrics::PrecisionAtRecall::new(1.5).into(), "recall"),
        (metrics::SensitivityAtSpecificity::new(0.5).num_thresholds(0).into(), "num_thresholds"),
        (metrics::RecallAtPrecision::new(0.5).num_thresholds(usize::MAX).into(), "num_thresholds"),
        (metrics::MeanIoU::new(usize::MAX).into(), "num_classes"),
        (metrics::IoU::new(2, [2]).into(), "target_class_ids"),
    ];
    for (metric, word) in metrics {
        let error = metric.state(3).unwrap_err().to_string();
        assert!(error.contains(&format!("`{word}`")), "{metric:?}: {error}");
    }
}

/// What Keras 3.15.1 computes with these weights of labels, with those of the samples as well, and of each label alone.
#[test]
fn areas_count_labels_by_their_weights() -> Result<()> {
    let labels = [1f32, 0., 1., 0., 1., 1., 1., 1., 0., 0., 0., 1.];
    let predictions = [0.9f32, 0.4, 0.3, 0.2, 0.6, 0.7, 0.4, 0.1, 0.8, 0.3, 0.5, 0.55];
    let (t, p) = (Tensor::from_slice(&labels, [4, 3])?, Tensor::from_slice(&predictions, [4, 3])?);
    let samples = Tensor::from_slice(&[1f32, 2., 1., 3.], 4)?;
    let auc = || metrics::AUC::new().label_weights([1.0, 3.0, 2.0]);
    for (auc, weights, want) in [
        (auc(), None, 0.517_857_193_946_838_4),
        (auc(), Some(&samples), 0.696_796_357_631_683_3),
        (auc().multi_label(true), None, 0.416_666_656_732_559_2),
    ] {
        let state =
            auc.state(3)?.iter().map(|s| Tensor::zeros(&Device::Cpu, *s, DType::F32)).collect::<Result<Vec<_>>>()?;
        let state = auc.update(&state, &t, &p, weights)?;
        let state = state.iter().map(|s| s.to_vec::<f32>()).collect::<Result<Vec<_>>>()?;
        let got = auc.result(&state);
        assert!(got.len() == 1 && (got[0] - want).abs() < 1e-6, "{got:?}, not {want}");
    }
    Ok(())
}

#[test]
fn initializers_keep_their_seeds() -> Result<()> {
    for (class, seed) in
        [("HeNormal", serde_json::json!(7)), ("random_uniform", serde_json::json!({"class_name": "SeedGenerator"}))]
    {
        let config = serde_json::json!({"seed": seed});
        let initializer = initializers::from_config(class, config.as_object().unwrap())?;
        assert_eq!(initializer.clone().config()["seed"], seed);
        let (numbers, shape) = (Philox::new(1, -1, 0), Shape::new(&[3, 5])?);
        let plain = initializers::from_config(class, &serde_json::Map::new())?;
        assert_eq!(initializer.values(&shape, &numbers)?, plain.values(&shape, &numbers)?);
    }
    Ok(())
}
