//! Every layer against Keras: outputs, gradients, weights, configs.

mod attention;
#[path = "../common/mod.rs"]
mod common;
mod drawing;
mod embeddings;
mod refusals;
mod sequences;

use common::golden::{Golden, config_difference};
use common::{difference, tolerance};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref;
use uncrumple::layers::{self, CLASSES, MODULES, Updates, object};
use uncrumple::model::{Graph, Mode};
use uncrumple::ops::Generator;
use uncrumple::prelude::*;
use uncrumple::{GradientTape, Shape};

fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain(common::cuda()).collect()
}

/// A graph of one layer for these inputs.
fn graph_of(layer: &layers::LayerRef, inputs: &[Tensor]) -> Result<Graph> {
    // States of samples are for a known number of them.
    let config = layer.layer().config().into();
    let stateful = |config: &Value| config["stateful"] == json!(true);
    let fixed = stateful(&config) || stateful(&config["layer"]["config"]);
    let spec = |t: &Tensor| Spec { dims: t.shape().iter().map(|&n| Some(n)).collect(), dtype: t.dtype() };
    let open = |t: &Tensor| Spec::batch_of(&t.shape()[1..], t.dtype());
    let symbol = |t: &Tensor| Input::of(if fixed { spec(t) } else { open(t) }, None);
    let inputs: Vec<_> = inputs.iter().map(symbol).collect();
    Graph::new(&inputs, &layer.call_all(&inputs)?)
}

/// The goldens of layers.
fn goldens() -> Vec<Golden> {
    ["layers", "recurrent", "attention", "embeddings"].into_iter().flat_map(Golden::all).collect()
}

/// What a graph gives.
struct Outcome {
    outputs: Vec<Tensor>,
    /// Of the floating-point inputs.
    input_gradients: Vec<Option<Tensor>>,
    /// Of the trainable weights, in order.
    weight_gradients: Vec<Option<Tensor>>,
    /// The weights that the layer sets by itself, and what to.
    updates: Vec<(usize, Tensor)>,
    mask: Option<Tensor>,
}

/// Outputs and gradients on a device, for the upstream gradients of the outputs.
fn run(
    graph: &Graph,
    weights: &[Tensor],
    inputs: &[Tensor],
    masks: &[Option<Tensor>],
    upstream: &[Tensor],
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
    let mut updates = Updates::new();
    let masks = masks.iter().map(|m| m.as_ref().map(|m| m.to_device(on)).transpose()).collect::<Result<Vec<_>>>()?;
    let whole: Vec<&Tensor> = inputs.iter().collect();
    let (outputs, masks) = graph.run_masked(&weights, &whole, &masks, mode, &mut updates)?;
    let mask = masks.into_iter().next().flatten();
    let weighed =
        |(y, upstream): (&Tensor, &Tensor)| y.cast(DType::F32)?.mul(&upstream.to_device(on)?)?.sum(&[], false);
    let losses = outputs.iter().zip(upstream).map(weighed).collect::<Result<Vec<_>>>()?;
    let loss = losses[1..].iter().try_fold(losses[0].clone(), |sum, loss| sum.add(loss))?;
    let floats: Vec<&Tensor> = inputs.iter().filter(|t| t.dtype().is_float()).collect();
    let trainable = weights.iter().zip(&graph.weights).filter(|(_, (_, spec))| spec.trainable).map(|(t, _)| t);
    let sources: Vec<&Tensor> = floats.iter().copied().chain(trainable).collect();
    let mut gradients = tape.gradient(&loss, &sources)?;
    let weight_gradients = gradients.split_off(floats.len());
    let mut gradients = gradients.into_iter();
    let input_gradients = inputs.iter().map(|t| if t.dtype().is_float() { gradients.next()? } else { None }).collect();
    // The last of several for a weight counts.
    let updates = updates.values.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
    let outputs = outputs.into_iter().collect();
    Ok(Outcome { outputs, input_gradients, weight_gradients, updates, mask })
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

/// Takes out what Keras writes of how the layers inside were built.
fn forget_how_built(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("build_config");
            object.values_mut().for_each(forget_how_built);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_how_built),
        _ => {}
    }
}

/// What is wrong with our layer in the case of a golden.
fn check(golden: &Golden) -> Result<Vec<String>> {
    layers::register_function("Goldens>sum_and_product", |x| {
        Tensor::concatenate(&[&x[0].add(x[1])?, &x[0].mul(x[1])?], -1)
    })?;
    let layer = layers::from_config(golden.class(), golden.config())?;
    let told = golden.about.get("call").and_then(Value::as_object).into_iter().flatten();
    let signature = told.fold(layer.layer().signature(), |signature, (name, told)| {
        let value = told.as_i64().unwrap_or_else(|| told.as_bool().unwrap().into());
        signature.tell_value(name, value).unwrap_or_else(|| panic!("{name} is no argument of the call"))
    });
    let layer = layer.called(signature);
    let mut wrong = Vec::new();

    // The handle adds these.
    let mut keras = golden.config().clone();
    keras.retain(|k, _| !["name", "trainable", "dtype", "activity_regularizer"].contains(&k.as_str()));
    let config = layer.layer().config();
    // What Keras writes of how a layer inside was built follows from what is around it.
    keras.values_mut().for_each(forget_how_built);
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
    // Those of layers inside of layers stand together here.
    let sorted = |names: &[(String, bool)]| names.iter().cloned().collect::<BTreeSet<_>>();
    let inside = ours.iter().any(|(name, _)| name.contains('/'));
    if ours != names && !(inside && sorted(&ours) == sorted(&names)) {
        wrong.push(format!("weights: {ours:?}, not {names:?}"));
        return Ok(wrong);
    }
    let names = ours;
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
        let masks: Vec<_> = (0..inputs.len()).map(|i| golden.find(&format!("mask.{i}"))).collect::<Result<_>>()?;
        let several = golden.about.get("outputs").and_then(Value::as_u64);
        let output = |i: u64| if several.is_some() { format!("output.{i}") } else { "output".into() };
        let upstream = |i: u64| golden.tensor(&format!("grad_{}", output(i)));
        let upstream = (0..several.unwrap_or(1)).map(upstream).collect::<Result<Vec<_>>>()?;
        let outcome = run(&graph, &weights, &inputs, &masks, &upstream, mode, &device)?;
        let masked: Vec<bool> = masks.iter().map(Option::is_some).collect();
        let (mask, known) = (golden.find("output_mask")?, layer.gives_mask(0, &masked));
        let values = |mask: &Tensor| -> Result<(Shape, Vec<bool>)> { Ok((mask.shape(), mask.to_vec::<bool>()?)) };
        let (got, want) = (outcome.mask.as_ref().map(values).transpose()?, mask.as_ref().map(values).transpose()?);
        if got != want || known != want.is_some() {
            wrong.push(format!("the mask is {got:?} on {device} and known before as {known}, not {want:?}"));
        }
        if outcome.outputs.len() != upstream.len() {
            wrong.push(format!("{} outputs, not {}", outcome.outputs.len(), upstream.len()));
        }
        for (y, &value) in outcome.outputs.iter().zip(&graph.outputs) {
            let spec = graph.spec(value).unwrap();
            if spec.shape(inputs[0].shape()[0]) != Some(y.shape()) || spec.dtype != y.dtype() {
                wrong.push(format!("the spec {spec} is not that of {} {}", y.shape(), y.dtype()));
            }
        }
        let mut unchanged = 0;
        let mut compare = |what: &str, got: &Tensor| -> Result<()> {
            // What is 0 but for roundings.
            if let Some(bound) = golden.about.get("vanishing").and_then(|bounds| bounds.get(what)) {
                let bound = bound.as_f64().unwrap();
                let within = common::wide(got)?.into_iter().all(|x| x.abs() <= bound);
                wrong.extend((!within).then(|| format!("{what} on {device} is not within ±{bound:e}")));
                return Ok(());
            }
            let got = golden.stored(what, got)?;
            let off = difference(&got, &golden.tensor(what)?, tolerance([DType::F32]))?;
            wrong.extend(off.map(|off| format!("{what} on {device}: {off}")));
            Ok(())
        };
        for (i, y) in (0..).zip(&outcome.outputs) {
            compare(&output(i), y)?;
        }
        for (i, gradient) in outcome.input_gradients.iter().enumerate() {
            match gradient {
                Some(gradient) => compare(&format!("grad_input.{i}"), gradient)?,
                None => assert!(golden.find(&format!("grad_input.{i}"))?.is_none(), "no gradient of input {i}"),
            }
        }
        for (i, value) in &outcome.updates {
            // What is set to what it was is no array.
            let [updated, was] = ["updated", "weight"].map(|what| format!("{what}.{}", names[*i].0));
            let changed = golden.find(&updated)?.is_some();
            unchanged += usize::from(!changed);
            compare(if changed { &updated } else { &was }, value)?;
        }
        let updated = names.iter().filter(|(n, _)| golden.find(&format!("updated.{n}")).unwrap().is_some()).count();
        let trainable = names.iter().filter(|(_, trainable)| *trainable);
        for ((name, _), gradient) in trainable.zip(&outcome.weight_gradients) {
            match gradient {
                Some(gradient) => compare(&format!("grad_weight.{name}"), gradient)?,
                None => assert!(golden.find(&format!("grad_weight.{name}"))?.is_none(), "no gradient of {name}"),
            }
        }
        if outcome.updates.len() != updated + unchanged {
            wrong.push(format!("{} weights are set on {device}, not {updated}", outcome.updates.len()));
        }
    }
    Ok(wrong)
}

#[test]
fn every_layer_agrees_with_keras() {
    let only = std::env::var("UNCRUMPLE_ONLY").ok();
    let mut failures = Vec::new();
    for golden in goldens().iter().filter(|g| only.as_ref().is_none_or(|o| g.class() == o)) {
        let wrong = check(golden).unwrap_or_else(|error| vec![error.to_string()]);
        failures.extend(wrong.into_iter().map(|w| format!("{}: {w}", golden.name)));
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}

/// The classes of what a config holds, such as the cell of a recurrence.
fn classes_in<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    found.extend(value.get("class_name").and_then(Value::as_str));
    match value {
        Value::Object(object) => object.values().for_each(|value| classes_in(value, found)),
        Value::Array(list) => list.iter().for_each(|value| classes_in(value, found)),
        _ => {}
    }
}

#[test]
fn every_layer_has_a_golden() {
    let goldens = goldens();
    let mut tested = BTreeSet::new();
    for golden in &goldens {
        tested.insert(golden.class());
        golden.config().values().for_each(|value| classes_in(value, &mut tested));
    }
    let untested: Vec<_> = CLASSES.iter().filter(|class| !tested.contains(*class)).collect();
    assert!(untested.is_empty(), "{untested:?} have none");
}

#[test]
fn the_list_of_layers_is_the_folder() {
    let helpers = [
        "activation_fn",
        "affine",
        "attend",
        "call",
        "config",
        "constant",
        "convolution",
        "encoding",
        "frame",
        "headed_attention",
        "heads",
        "image",
        "inner",
        "mask",
        "merge",
        "mixing",
        "mod",
        "moved",
        "parameter",
        "pooling",
        "positions",
        "recurrent",
        "recurrent_cell",
        "signature",
        "spatial",
        "spec",
        "steps",
        "symbol",
        "tone",
        "transformer",
        "traversal",
        "warp",
        "weighing",
    ];
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
fn poolings_take_extents_that_the_data_decides_and_short_names() -> Result<()> {
    let open = || Input::of(Spec { dims: vec![None, None, Some(9), Some(3)], dtype: DType::F32 }, None);
    let spec = |y: Symbol| y.spec().to_string();
    assert_eq!(spec(MaxPool2D::new(2).call(&open())?), "(None, None, 4, 3)");
    assert_eq!(spec(AvgPool2D::new([3, 2]).strides(1).padding(Padding::Same).call(&open())?), "(None, None, 9, 3)");
    assert_eq!(spec(GlobalAvgPool2D::new().call(&open())?), "(None, 3)");
    assert_eq!(spec(GlobalMaxPool2D::new().keepdims(true).call(&open())?), "(None, 1, 1, 3)");
    for short in ["MaxPool1D", "AvgPool2D", "GlobalMaxPool3D", "GlobalAvgPool1D"] {
        let class = layers::from_config(short, &object(json!({})))?.layer().class_name();
        assert_eq!(class, short.replace("Avg", "Average").replace("Pool", "Pooling"));
    }
    Ok(())
}

/// Outputs and gradients of a batch without samples have their shapes, and the weights' are 0.
#[test]
fn convolutions_take_an_empty_batch() -> Result<()> {
    let image = |extents: &[usize]| Tensor::zeros(&Device::Cpu, Shape::new(&[&[0], extents].concat())?, DType::F32);
    let cases = [
        (Conv1D::new(3, 2).padding(Padding::Causal).relu().shared(), image(&[5, 2])?, vec![0, 5, 3]),
        (Conv2D::new(4, 2).groups(2).use_bias(false).shared(), image(&[5, 4, 2])?, vec![0, 4, 3, 4]),
        (DepthwiseConv2D::new(3).depth_multiplier(2).shared(), image(&[5, 4, 2])?, vec![0, 3, 2, 4]),
        (SeparableConv2D::new(3, 3).strides(2).softmax().shared(), image(&[5, 4, 2])?, vec![0, 2, 1, 3]),
        (Conv3DTranspose::new(3, 2).strides(2).gelu().shared(), image(&[2, 3, 4, 2])?, vec![0, 4, 6, 8, 3]),
    ];
    for (layer, x, shape) in cases {
        let graph = graph_of(&layer, from_ref(&x))?;
        let ones = |(_, spec): &(String, layers::WeightSpec)| Tensor::ones(&Device::Cpu, spec.shape, DType::F32);
        let weights = graph.weights.iter().map(ones).collect::<Result<Vec<_>>>()?;
        let upstream = Tensor::zeros(&Device::Cpu, &shape[..], DType::F32)?;
        for device in devices() {
            let outcome = run(&graph, &weights, from_ref(&x), &[], from_ref(&upstream), Mode::INFERENCE, &device)?;
            assert_eq!(outcome.outputs[0].shape().dims(), shape, "{layer:?}");
            assert_eq!(outcome.input_gradients[0].as_ref().unwrap().shape(), x.shape(), "{layer:?}");
            for (gradient, weight) in outcome.weight_gradients.iter().zip(&weights) {
                let gradient = gradient.as_ref().unwrap();
                assert_eq!(gradient.shape(), weight.shape(), "{layer:?}");
                assert!(gradient.to_vec::<f32>()?.iter().all(|&g| g == 0.0), "{layer:?}");
            }
        }
    }
    Ok(())
}

/// An image whose extents the data decides.
#[test]
fn convolutions_take_images_of_any_size() -> Result<()> {
    let input = Input::of(Spec { dims: vec![None, None, Some(5), Some(2)], dtype: DType::F32 }, None);
    let x = Conv2D::new(3, 3).padding(Padding::Same).strides(2).call(&input)?;
    let output = Conv2DTranspose::new(2, 3).strides(2).call(&x)?;
    assert_eq!(output.spec().dims, [None, None, Some(7), Some(2)]);
    let model = uncrumple::model::Model::new(&input, &output)?;
    for (height, want) in [(4, 5), (7, 9)] {
        let x = Tensor::ones(&Device::Cpu, [2, height, 5, 2], DType::F32)?;
        assert_eq!(model.predict(&x)?.shape().dims(), [2, want, 7, 2]);
    }
    let none = Tensor::ones(&Device::Cpu, [2, 0, 5, 2], DType::F32)?;
    let text = model.predict(&none).unwrap_err().to_string();
    assert!(text.contains("layer `conv2d`") && text.contains("(2, 0, 5, 2)"), "{text}");
    Ok(())
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
fn preprocessing_computes_in_f32_under_mixed_precision() -> Result<()> {
    // 1000.5 is no bfloat16.
    let x = Tensor::from_slice(&[1000.5f32, 1001.0], [2, 1])?;
    let mode = Mode { precision: Precision::MixedBf16, ..Mode::INFERENCE };
    for layer in
        [Rescaling::new(1.0).offset(-1000.0).shared(), Normalization::new().mean_and_variance(1000.0, 1.0).shared()]
    {
        let y = graph_of(&layer, from_ref(&x))?.run(&[], &[&x], mode, &mut Updates::new())?.remove(0);
        assert_eq!(y.to_vec::<f32>()?, [0.5, 1.0], "{layer:?}");
    }
    Ok(())
}

/// The numbers are those of Keras 3.15.1. Its root mean square normalisation rounds the scale first, which changes none of these.
#[test]
fn rows_are_normalised_from_halves_by_f32_weights() -> Result<()> {
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 6.0, -0.5, 0.25, 8.0, 1.0], [2, 4])?.cast(DType::BF16)?;
    let mode = Mode { precision: Precision::MixedBf16, ..Mode::INFERENCE };
    let vector = |values: [f32; 4]| Tensor::from_slice(&values, 4);
    let (gamma, beta) = (vector([1.003, 0.997, 300.7, -2.503])?, vector([0.001, 100.3, 0.0, -1.0])?);
    let scale = vector([1.0, 0.996_093_75, 300.0, -2.5])?;
    let cases = [
        (
            LayerNormalization::new().shared(),
            vec![gamma, beta],
            [-1.0703125, 100.0, 0.0, -5.0, -0.79296875, 99.5, 516.0, -0.125],
        ),
        (
            RMSNormalization::new().shared(),
            vec![scale],
            [0.283_203_12, 0.5625, 255.0, -4.25, -0.123_535_156, 0.061_523_438, 592.0, -0.6171875],
        ),
    ];
    for (layer, weights, want) in cases {
        let y = graph_of(&layer, from_ref(&x))?.run(&weights, &[&x], mode, &mut Updates::new())?.remove(0);
        assert_eq!(y.dtype(), DType::BF16, "{layer:?}");
        assert_eq!(y.cast(DType::F32)?.to_vec::<f32>()?, want, "{layer:?}");
    }
    Ok(())
}

#[test]
fn nan_is_in_the_last_bin_and_no_category() -> Result<()> {
    let encode = |layer: layers::LayerRef, x: &Tensor| {
        let graph = graph_of(&layer, from_ref(x))?;
        graph.run(&[], &[x], Mode::INFERENCE, &mut Updates::new())?.remove(0).cast(DType::I32)?.to_vec::<i32>()
    };
    let x = Tensor::from_slice(&[f32::NAN, -1.0, 0.5, 2.0], [4, 1])?;
    assert_eq!(encode(Discretization::new([0.0, 1.0]).shared(), &x)?, [2, 0, 1, 2], "as in Keras 3.15.1");
    assert_eq!(encode(CategoryEncoding::new(2).shared(), &x)?, [0, 0, 0, 0, 1, 0, 0, 0]);
    let far = Tensor::from_slice(&[(1i64 << 32) + 1, 1], [2, 1])?;
    assert_eq!(encode(CategoryEncoding::new(2).shared(), &far)?, [0, 0, 0, 1]);
    Ok(())
}
