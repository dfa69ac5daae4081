//! Every layer against Keras: outputs, gradients, weights, configs.

mod common;

use common::golden::{Golden, config_difference};
use common::{difference, tolerance};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uncrumple::GradientTape;
use uncrumple::layers::{self, CLASSES, MODULES, Updates, object};
use uncrumple::model::{Graph, Mode};
use uncrumple::ops::Generator;
use uncrumple::prelude::*;

fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain(common::cuda()).collect()
}

/// A graph of one layer for these inputs.
fn graph_of(layer: &layers::LayerRef, inputs: &[Tensor]) -> Result<Graph> {
    let symbol = |t: &Tensor| Input::of(Spec::batch_of(&t.shape()[1..], t.dtype()), None);
    let inputs: Vec<_> = inputs.iter().map(symbol).collect();
    let output = layer.call(&inputs)?;
    Graph::new(&inputs, &[output])
}

/// What a graph gives.
struct Outcome {
    output: Tensor,
    /// Of the floating-point inputs.
    input_gradients: Vec<Option<Tensor>>,
    /// Of the trainable weights, in order.
    weight_gradients: Vec<Tensor>,
}

/// Output and gradients on a device, for the upstream gradient `upstream`.
fn run(
    graph: &Graph,
    weights: &[Tensor],
    inputs: &[Tensor],
    upstream: &Tensor,
    mode: Mode,
    on: &Device,
) -> Result<Outcome> {
    let tape = GradientTape::new();
    let watch = |t: &Tensor, wanted: bool| {
        let t = t.to_device(on)?;
        if wanted { tape.watch(&t) } else { Ok(t) }
    };
    let inputs = inputs.iter().map(|t| watch(t, t.dtype().is_float())).collect::<Result<Vec<_>>>()?;
    let pairs = weights.iter().zip(&graph.weights);
    let weights = pairs.map(|(t, (_, spec))| watch(t, spec.trainable)).collect::<Result<Vec<_>>>()?;
    let output = graph.run(&weights, &inputs.iter().collect::<Vec<_>>(), mode, &mut Updates::new())?.remove(0);
    let loss = output.cast(DType::F32)?.mul(&upstream.to_device(on)?)?.sum(&[], false)?;
    let floats: Vec<&Tensor> = inputs.iter().filter(|t| t.dtype().is_float()).collect();
    let trainable = weights.iter().zip(&graph.weights).filter(|(_, (_, spec))| spec.trainable).map(|(t, _)| t);
    let sources: Vec<&Tensor> = floats.iter().copied().chain(trainable).collect();
    let mut gradients = tape.gradient(&loss, &sources)?;
    let weight_gradients = gradients.split_off(floats.len()).into_iter().map(|g| g.expect("a weight's gradient"));
    let weight_gradients = weight_gradients.collect();
    let mut gradients = gradients.into_iter();
    let input_gradients = inputs.iter().map(|t| if t.dtype().is_float() { gradients.next()? } else { None }).collect();
    Ok(Outcome { output, input_gradients, weight_gradients })
}

/// The arrays `<prefix>.0`, `<prefix>.1`, ….
fn list(golden: &Golden, prefix: &str) -> Result<Vec<Tensor>> {
    (0..golden.about["inputs"].as_u64().unwrap()).map(|i| golden.tensor(&format!("{prefix}.{i}"))).collect()
}

/// The names of the weights and whether they are trainable.
fn weight_names(golden: &Golden) -> Vec<(String, bool)> {
    let weight = |w: &Value| (w["name"].as_str().unwrap().to_string(), w["trainable"].as_bool().unwrap());
    golden.about["weights"].as_array().unwrap().iter().map(weight).collect()
}

/// What is wrong with our layer in the case of a golden.
fn check(golden: &Golden) -> Result<Vec<String>> {
    layers::register_function("Goldens>sum_and_product", |x| {
        Tensor::concatenate(&[&x[0].add(x[1])?, &x[0].mul(x[1])?], -1)
    })?;
    let layer = layers::from_config(golden.class(), golden.config())?;
    let mut wrong = Vec::new();

    // The handle adds these.
    let mut keras = golden.config().clone();
    keras.retain(|k, _| !["name", "trainable", "dtype", "activity_regularizer"].contains(&k.as_str()));
    let config = layer.layer().config();
    wrong.extend(config_difference(&config.clone().into(), &keras.into()).map(|d| format!("config: {d}")));
    let again = layers::from_config(golden.class(), &config)?.layer().config();
    if again != config {
        wrong.push(format!("config: {config:?} comes back as {again:?}"));
    }

    let inputs = list(golden, "input")?;
    let graph = graph_of(&layer, &inputs)?;
    let names = weight_names(golden);
    let name_of = |path: &str| path.split_once('/').map_or(path, |(_, name)| name).to_string();
    let ours: Vec<_> = graph.weights.iter().map(|(path, spec)| (name_of(path), spec.trainable)).collect();
    if ours != names {
        wrong.push(format!("weights: {ours:?}, not {names:?}"));
        return Ok(wrong);
    }
    let weights = names.iter().map(|(n, _)| golden.tensor(&format!("weight.{n}"))).collect::<Result<Vec<_>>>()?;
    for (weight, (path, spec)) in weights.iter().zip(&graph.weights) {
        if (weight.shape(), weight.dtype()) != (spec.shape, spec.dtype) {
            wrong.push(format!("{path}: {} {}, not {} {}", spec.dtype, spec.shape, weight.dtype(), weight.shape()));
        }
    }

    for device in devices() {
        let generator = Generator::new(0, &device)?;
        let training = golden.about["training"].as_bool().unwrap();
        let mode = Mode { training, generator: Some(&generator), ..Mode::INFERENCE };
        let outcome = run(&graph, &weights, &inputs, &golden.tensor("grad_output")?, mode, &device)?;
        let spec = graph.spec(graph.outputs[0]).unwrap();
        if spec.shape(inputs[0].shape()[0]) != Some(outcome.output.shape()) || spec.dtype != outcome.output.dtype() {
            wrong.push(format!("the spec {spec} is not that of {} {}", outcome.output.shape(), outcome.output.dtype()));
        }
        let mut compare = |what: &str, got: &Tensor| -> Result<()> {
            let off = difference(got, &golden.tensor(what)?, tolerance([DType::F32]))?;
            wrong.extend(off.map(|off| format!("{what} on {device}: {off}")));
            Ok(())
        };
        compare("output", &outcome.output)?;
        for (i, gradient) in outcome.input_gradients.iter().enumerate() {
            match gradient {
                Some(gradient) => compare(&format!("grad_input.{i}"), gradient)?,
                None => assert!(golden.find(&format!("grad_input.{i}"))?.is_none(), "no gradient of input {i}"),
            }
        }
        let trainable = names.iter().filter(|(_, trainable)| *trainable);
        for ((name, _), gradient) in trainable.zip(&outcome.weight_gradients) {
            compare(&format!("grad_weight.{name}"), gradient)?;
        }
    }
    Ok(wrong)
}

#[test]
fn every_layer_agrees_with_keras() {
    let only = std::env::var("UNCRUMPLE_ONLY").ok();
    let mut failures = Vec::new();
    for golden in Golden::all("layers").iter().filter(|g| only.as_ref().is_none_or(|o| g.class() == o)) {
        let wrong = check(golden).unwrap_or_else(|error| vec![error.to_string()]);
        failures.extend(wrong.into_iter().map(|w| format!("{}: {w}", golden.name)));
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_layer_has_a_golden() {
    let goldens = Golden::all("layers");
    let tested: BTreeSet<_> = goldens.iter().map(Golden::class).collect();
    assert_eq!(tested, BTreeSet::from_iter(CLASSES.iter().copied()));
}

#[test]
fn the_list_of_layers_is_the_folder() {
    let helpers =
        ["activation_fn", "call", "config", "constant", "encoding", "merge", "mod", "moved", "parameter", "symbol"];
    let folder = std::fs::read_dir(uncrumple::files::repository().join("src/layers")).unwrap();
    let files = folder.map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
    let files: BTreeSet<String> = files.filter(|f| !helpers.contains(&f.as_str())).collect();
    assert_eq!(files, MODULES.iter().map(|m| m.to_string()).collect());
}

#[test]
fn normalization_adapts_as_in_keras() -> Result<()> {
    let mut adapted = 0;
    for golden in Golden::all("layers").iter().filter(|g| g.about["adapt"] == json!(true)) {
        let axis: Vec<isize> =
            golden.config()["axis"].as_array().unwrap().iter().map(|a| a.as_i64().unwrap() as isize).collect();
        let layer = Normalization::new().axis(axis).adapt(&Dataset::new(golden.tensor("adapt")?, ())?)?.shared();
        let model = {
            let input = Input::new(&list(golden, "input")?[0].shape()[1..]);
            uncrumple::model::Model::new(&input, &layer.call(&input)?)?
        };
        for name in ["mean", "variance", "count"] {
            let (got, want) =
                (model.weight(&format!("normalization/{name}"))?, golden.tensor(&format!("weight.{name}"))?);
            assert_eq!(got.dtype(), want.dtype(), "{} {name}", golden.name);
            assert_eq!(difference(&got, &want, tolerance([DType::F32]))?, None, "{} {name}", golden.name);
        }
        adapted += 1;
    }
    assert!(adapted >= 7, "only {adapted}");
    Ok(())
}

#[test]
fn normalization_adapts_in_blocks_to_integers_far_from_zero() -> Result<()> {
    // More elements than are widened at a time; the squares of the values do not fit the digits of f32.
    let rows = 400_000;
    let data: Vec<i32> = (0..rows).flat_map(|i| [20_000 + i % 2, -7, i % 4]).collect();
    let layer = Normalization::new().adapt(&Dataset::new(Tensor::from_slice(&data, [rows as usize, 3])?, ())?)?;
    let input = Input::with(3, DType::I32, None);
    let model = uncrumple::model::Model::new(&input, &layer.call(&input)?)?;
    assert_eq!(model.weight("normalization/mean")?.to_vec::<f32>()?, [20_000.5, -7.0, 1.5]);
    assert_eq!(model.weight("normalization/variance")?.to_vec::<f32>()?, [0.25, 0.0, 1.25]);
    let y = model.call(&[&Tensor::from_slice(&[20_001, -7, 4], [1, 3])?])?.remove(0);
    assert_eq!(y.to_vec::<f32>()?, [1.0, 0.0, 2.5 / 1.25f32.sqrt()]);
    Ok(())
}

#[test]
fn normalization_refuses_data_that_it_cannot_adapt_to() -> Result<()> {
    let text = |data: Tensor| -> Result<String> {
        Ok(Normalization::new().adapt(&Dataset::new(data, ())?).unwrap_err().to_string())
    };
    let empty = text(Tensor::zeros(&Device::Cpu, [3, 0], DType::F32)?)?;
    assert_eq!(empty, "a Normalization layer cannot adapt to data of shape (3, 0)");
    assert_eq!(
        text(Tensor::ones(&Device::Cpu, 3, DType::F32)?)?,
        "argument `axis`: expected different axes behind the batch's, got [-1] for the shape (None,)"
    );
    let one = Tensor::ones(&Device::Cpu, [3, 1], DType::F32)?;
    let given = Normalization::new().mean_and_variance(0.0, 1.0).adapt(&Dataset::new(&one, ())?);
    assert!(given.unwrap_err().to_string().contains("cannot adapt"));
    let two = Dataset::new([&one, &one], ())?;
    assert!(Normalization::new().adapt(&two).unwrap_err().to_string().contains("choose with `input(i)`"));
    assert!(Normalization::new().adapt(&two.input(1)?).is_ok() && two.input(2).is_err());
    Ok(())
}

#[test]
fn layers_learn_nothing_from_what_is_held_out() -> Result<()> {
    let whole = Dataset::new(Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0f32], [4, 1])?, ())?;
    let (train, test) = whole.split(0.25, &Split::random())?;
    for (data, want) in [(&whole, "was split"), (&whole.input(0)?, "was split"), (&test.take(1)?, "held out")] {
        assert!(Normalization::new().adapt(data).unwrap_err().to_string().contains(want), "{want}");
        assert!(Discretization::adapted(2, data).unwrap_err().to_string().contains(want), "{want}");
    }
    Normalization::new().adapt(&train)?;
    Discretization::adapted(2, &train)?;
    assert!(train.split(0.5, &Split::random()).unwrap_err().to_string().contains("adapted to all of it"));
    Ok(())
}

#[test]
fn dropout_drops_in_training_and_scales_the_rest() -> Result<()> {
    let x = Tensor::ones(&Device::Cpu, [100, 200], DType::F32)?;
    for device in devices() {
        let generator = Generator::new(7, &device)?;
        let mode = Mode { training: true, generator: Some(&generator), ..Mode::INFERENCE };
        let drop = |layer: Dropout| -> Result<(Vec<f32>, Vec<f32>)> {
            let graph = graph_of(&layer.shared(), std::slice::from_ref(&x))?;
            let outcome = run(&graph, &[], std::slice::from_ref(&x), &x, mode, &device)?;
            Ok((outcome.output.to_vec()?, outcome.input_gradients[0].as_ref().unwrap().to_vec()?))
        };
        let (y, dx) = drop(Dropout::new(0.25))?;
        assert_eq!(y, dx, "the backward drops what the forward dropped");
        assert!(y.iter().all(|&y| y == 0.0 || (y - 4.0 / 3.0).abs() < 1e-6));
        let dropped = y.iter().filter(|y| **y == 0.0).count() as f64 / y.len() as f64;
        // Five standard deviations of the share.
        assert!((dropped - 0.25).abs() < 5.0 * (0.25f64 * 0.75 / 20_000.0).sqrt(), "{dropped}");
        assert_ne!(drop(Dropout::new(0.25))?.0, y, "two layers draw numbers of their own");

        let (y, dx) = drop(Dropout::new(1.0))?;
        assert!(y.iter().chain(&dx).all(|x| *x == 0.0), "all is dropped");

        // Rows live and die together.
        let (y, dx) = drop(Dropout::new(0.5).noise_shape([None, Some(1)]))?;
        assert_eq!(y, dx);
        assert!(y.chunks(200).all(|row| row.iter().all(|y| *y == row[0] && (*y == 0.0 || *y == 2.0))));
        let rows = y.chunks(200).filter(|row| row[0] == 0.0).count();
        assert!((25..=75).contains(&rows), "{rows} of 100");
    }
    let config = Dropout::new(0.5).noise_shape([None, Some(1)]).shared().layer().config();
    assert_eq!(Value::from(config.clone()), json!({"rate": 0.5, "seed": null, "noise_shape": [null, 1]}));
    assert_eq!(layers::from_config("Dropout", &config)?.layer().config(), config);
    Ok(())
}

#[test]
fn noise_has_the_moments_that_it_says() -> Result<()> {
    let n = 40_000;
    let x = Tensor::full(&Device::Cpu, [200, 200], DType::F32, 2.0)?;
    for device in devices() {
        let generator = Generator::new(7, &device)?;
        let mode = Mode { training: true, generator: Some(&generator), ..Mode::INFERENCE };
        let noisy = |layer: layers::LayerRef| -> Result<(Vec<f32>, Vec<f32>)> {
            let graph = graph_of(&layer, std::slice::from_ref(&x))?;
            let outcome = run(&graph, &[], std::slice::from_ref(&x), &x, mode, &device)?;
            Ok((outcome.output.to_vec()?, outcome.input_gradients[0].as_ref().unwrap().to_vec()?))
        };
        let moments = |y: &[f32]| {
            let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / n as f64;
            (mean, (y.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / n as f64).sqrt())
        };
        let close = |got: (f64, f64), mean: f64, stddev: f64| {
            // Five standard errors.
            assert!((got.0 - mean).abs() < 5.0 * stddev / (n as f64).sqrt(), "the mean {} is not {mean}", got.0);
            assert!((got.1 / stddev - 1.0).abs() < 5.0 / (n as f64).sqrt(), "the deviation {} is not {stddev}", got.1);
        };
        let (y, dx) = noisy(GaussianNoise::new(0.3).shared())?;
        close(moments(&y), 2.0, 0.3);
        assert!(dx.iter().all(|&d| d == 2.0), "what is added has no part in the gradient");

        let (y, dx) = noisy(GaussianDropout::new(0.2).shared())?;
        close(moments(&y), 2.0, 2.0 * 0.5);
        assert_eq!(y, dx, "the gradient has the factor of the forward");

        let (y, dx) = noisy(AlphaDropout::new(0.25).shared())?;
        let (alpha, rate) = (-1.758_099_34_f64, 0.25);
        let a = ((1.0 - rate) * (1.0 + rate * alpha * alpha)).powf(-0.5);
        let (kept, dropped) = (a * (2.0 - alpha * rate), a * alpha * (1.0 - rate));
        assert!(y.iter().all(|&y| (f64::from(y) - kept).abs() < 1e-5 || (f64::from(y) - dropped).abs() < 1e-5));
        let lost = y.iter().zip(&dx).filter(|(y, dx)| f64::from(**y) < 0.0 && **dx == 0.0).count();
        assert_eq!(lost, dx.iter().filter(|dx| **dx == 0.0).count());
        let share = lost as f64 / n as f64;
        assert!((share - rate).abs() < 5.0 * (rate * (1.0 - rate) / n as f64).sqrt(), "{share}");
        let (y, _) = noisy(AlphaDropout::new(0.5).noise_shape([None, Some(1)]).shared())?;
        assert!(y.chunks(200).all(|row| row.iter().all(|y| *y == row[0])), "rows live and die together");
    }
    Ok(())
}

#[test]
fn layers_reject_what_they_cannot_take() {
    let wrong = |layer: layers::LayerRef, shapes: &[&[usize]]| {
        let inputs: Vec<_> = shapes.iter().map(|s| Input::new(*s)).collect();
        layer.call(&inputs).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let cases = [
        (
            wrong(ReLU::new().threshold(-1.0).shared(), &[&[3]]),
            "layer `re_lu`: argument `threshold`: expected a non-negative number, got -1",
        ),
        (
            wrong(GaussianDropout::new(1.0).shared(), &[&[3]]),
            "layer `gaussian_dropout`: argument `rate`: expected a number in [0, 1), got 1",
        ),
        (
            wrong(Softmax::new().axis([0, 1]).shared(), &[&[3]]),
            "layer `softmax`: argument `axis`: expected different axes behind the batch's, got [0, 1] for the shape \
             (None, 3)",
        ),
        (
            wrong(LayerNormalization::new().axis([1, -1]).shared(), &[&[3]]),
            "layer `layer_normalization`: argument `axis`: expected different axes behind the batch's, got [1, -1] for \
             the shape (None, 3)",
        ),
        (
            wrong(Permute::new([2, 2]).shared(), &[&[3, 4]]),
            "layer `permute`: argument `dims`: expected each axis once, counted from 1, got [2, 2]",
        ),
        (wrong(Subtract::new().shared(), &[&[3], &[3], &[3]]), "layer `subtract`: expected 2 inputs, got 3"),
        (
            wrong(Dot::new([1, 2]).shared(), &[&[3], &[4, 5]]),
            "layer `dot`: expected axis 1 of the first input and axis 2 of the second to agree, got shapes (None, 3), \
             (None, 4, 5)",
        ),
        (
            wrong(Activation::glu().shared(), &[&[3]]),
            "layer `activation`: expected an even last axis for glu, got shape (None, 3)",
        ),
        (
            wrong(Dense::new(3).glu().shared(), &[&[3]]),
            "layer `dense`: expected an even last axis for glu, got shape (None, 3)",
        ),
        (
            wrong(Discretization::new([2.0, 1.0]).shared(), &[&[3]]),
            "layer `discretization`: argument `bin_boundaries`: expected ascending numbers, got [2.0,1.0]",
        ),
        (
            wrong(Dense::new(3).kernel_regularizer(L2::new(-1.0)).shared(), &[&[3]]),
            "layer `dense`: argument `l2` of a regularizer: expected a non-negative number, got -1",
        ),
        (
            wrong(Dense::new(3).kernel_constraint(MaxNorm::new(-1.0)).shared(), &[&[3]]),
            "layer `dense`: argument `max_value` of a constraint: expected a finite number of at least 0, got -1",
        ),
        (
            wrong(Dense::new(3).kernel_constraint(MinMaxNorm::new(0.5, f64::INFINITY)).shared(), &[&[3]]),
            "layer `dense`: argument `max_value` of a constraint: expected a finite number of at least 0.5, got inf",
        ),
        (
            wrong(Dense::new(3).kernel_constraint(MinMaxNorm::new(2.0, 1.0)).shared(), &[&[3]]),
            "layer `dense`: argument `max_value` of a constraint: expected a finite number of at least 2, got 1",
        ),
        (
            wrong(Dense::new(3).kernel_constraint(MinMaxNorm::default().rate(f64::NAN)).shared(), &[&[3]]),
            "layer `dense`: argument `rate` of a constraint: expected a finite number of at least 0, got NaN",
        ),
        (
            wrong(Dense::new(3).bias_constraint(UnitNorm::new().axis(1)).shared(), &[&[3]]),
            "layer `dense`: argument `axis` of a constraint: axis 1 is out of range for the shape (3,)",
        ),
        (
            wrong(Dense::new(3).activity_regularizer(L1::new(f64::NAN)), &[&[3]]),
            "layer `dense`: argument `l1` of a regularizer: expected a non-negative number, got NaN",
        ),
    ];
    for (got, want) in cases {
        assert_eq!(got, want);
    }
}

#[test]
fn other_names_of_activations_are_known() -> Result<()> {
    for (other, name) in [("swish", "silu"), ("hard_swish", "hard_silu")] {
        let layer = layers::from_config("Activation", &object(json!({"activation": other})))?;
        assert_eq!(layer.layer().config()["activation"], name);
    }
    Ok(())
}

#[test]
fn dropout_without_random_numbers_is_an_error() -> Result<()> {
    let x = Tensor::ones(&Device::Cpu, [2, 3], DType::F32)?;
    let graph = graph_of(&Dropout::new(0.5).shared(), std::slice::from_ref(&x))?;
    let result = graph.run(&[], &[&x], Mode { training: true, ..Mode::INFERENCE }, &mut Updates::new());
    let text = result.err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(text, "layer `dropout`: random layers need a generator: call the model by a trainer");
    Ok(())
}

#[test]
fn preprocessing_computes_in_f32_under_mixed_precision() -> Result<()> {
    // 1000.5 is no bfloat16.
    let x = Tensor::from_slice(&[1000.5f32, 1001.0], [2, 1])?;
    let mode = Mode { precision: Precision::MixedBf16, ..Mode::INFERENCE };
    for layer in
        [Rescaling::new(1.0).offset(-1000.0).shared(), Normalization::new().mean_and_variance(1000.0, 1.0).shared()]
    {
        let y = graph_of(&layer, std::slice::from_ref(&x))?.run(&[], &[&x], mode, &mut Updates::new())?.remove(0);
        assert_eq!(y.to_vec::<f32>()?, [0.5, 1.0], "{layer:?}");
    }
    Ok(())
}

#[test]
fn nan_is_in_the_last_bin_and_no_category() -> Result<()> {
    let encode = |layer: layers::LayerRef, x: &Tensor| {
        let graph = graph_of(&layer, std::slice::from_ref(x))?;
        graph.run(&[], &[x], Mode::INFERENCE, &mut Updates::new())?.remove(0).cast(DType::I32)?.to_vec::<i32>()
    };
    let x = Tensor::from_slice(&[f32::NAN, -1.0, 0.5, 2.0], [4, 1])?;
    assert_eq!(encode(Discretization::new([0.0, 1.0]).shared(), &x)?, [2, 0, 1, 2], "as in Keras 3.15.1");
    assert_eq!(encode(CategoryEncoding::new(2).shared(), &x)?, [0, 0, 0, 0, 1, 0, 0, 0]);
    let far = Tensor::from_slice(&[(1i64 << 32) + 1, 1], [2, 1])?;
    assert_eq!(encode(CategoryEncoding::new(2).shared(), &far)?, [0, 0, 0, 1]);
    Ok(())
}

#[test]
fn configs_say_what_is_wrong_with_them() {
    let cases = [
        ("Dense", json!({}), "argument `units` is missing"),
        (
            "Dense",
            json!({"units": 3, "activation": "quelu"}),
            "unknown activation `quelu`; known are linear, relu, sigmoid, tanh, gelu, silu, elu, softplus, celu, \
             exponential, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, log_sigmoid, mish, relu6, selu, \
             soft_shrink, softsign, sparse_plus, sparse_sigmoid, squareplus, tanh_shrink, softmax, log_softmax, \
             sparsemax, glu",
        ),
        (
            "Dense",
            json!({"units": 3, "bias_constraint": {"class_name": "NonNeg"}}),
            "argument `bias_constraint`: expected a constraint, got {\"class_name\":\"NonNeg\"}",
        ),
        (
            "LayerNormalization",
            json!({"rms_scaling": true}),
            "argument `rms_scaling`: expected null, since this engine does not have it, got true",
        ),
        ("Permute", json!({}), "argument `dims` is missing"),
        ("Dot", json!({}), "argument `axes` is missing"),
        ("Softmax", json!({"axis": "last"}), "argument `axis`: expected an axis or a list of axes"),
        ("Discretization", json!({"num_bins": 4}), "argument `bin_boundaries`: expected a list of numbers"),
        (
            "CategoryEncoding",
            json!({"num_tokens": 4, "output_mode": "tf_idf"}),
            "argument `output_mode`: expected one of int, one_hot, multi_hot, count, got tf_idf",
        ),
        (
            "Flatten",
            json!({"data_format": "channels_first"}),
            "argument `data_format`: expected channels_last, got channels_first",
        ),
        ("Reshape", json!({}), "argument `target_shape` is missing"),
        (
            "Reshape",
            json!({"target_shape": [2, "x"]}),
            "argument `target_shape`: expected whole numbers, got [2,\"x\"]",
        ),
        ("Concatenate", json!({"axis": [1, 2]}), "argument `axis`: expected one axis, got [1, 2]"),
        ("Rescaling", json!({"offset": 1}), "argument `scale` is missing"),
        ("Rescaling", json!({"scale": [1, [2]]}), "argument `scale`: expected a number or an array of numbers"),
        ("Normalization", json!({"mean": 1.0}), "arguments `mean` and `variance`: expected both or neither"),
        (
            "Dropout",
            json!({"rate": 0.1, "noise_shape": [-1]}),
            "argument `noise_shape`: expected a list of extents or nulls, got [-1]",
        ),
        ("Dropout", json!({"rate": "half"}), "argument `rate`: expected a number, got \"half\""),
    ];
    for (class, config, want) in cases {
        assert_eq!(layers::from_config(class, &object(config)).unwrap_err().to_string(), want, "{class}");
    }
    let unknown = layers::from_config("GRUCell", &object(json!({}))).unwrap_err().to_string();
    assert!(
        unknown.starts_with("unknown layer `GRUCell`; known are Activation, ActivityRegularization, Add, "),
        "{unknown}"
    );
}
