//! Models: the graph that calls grow, shared layers, names, errors, precision, the summary.

mod common;

use common::{Random, difference, tolerance, wide};
use uncrumple::layers::{Spec, Updates};
use uncrumple::model::{Graph, Mode};
use uncrumple::prelude::*;
use uncrumple::{GradientTape, optimizers};

/// The text of the error.
fn text<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

fn random(shape: &[usize], seed: u64) -> Result<Tensor> {
    let mut random = Random(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| (random.next() * 2.0 - 1.0) as f32).collect();
    Tensor::from_slice(&values, shape)
}

/// Outputs, and the gradients of the sum of the first one with respect to the weights.
fn gradients(
    graph: &Graph,
    weights: &[Tensor],
    inputs: &[&Tensor],
    mode: Mode,
) -> Result<(Tensor, Vec<Option<Tensor>>)> {
    let tape = GradientTape::new();
    let weights = weights.iter().map(|w| tape.watch(w)).collect::<Result<Vec<_>>>()?;
    let output = graph.run(&weights, inputs, mode, &mut Updates::new())?.remove(0);
    let gradients = tape.gradient(&output.sum(&[], false)?, &weights.iter().collect::<Vec<_>>())?;
    Ok((output, gradients))
}

fn weights(model: &Model) -> Result<Vec<Tensor>> {
    model.weight_paths().map(|path| model.weight(path)).collect()
}

#[test]
fn errors_name_the_layer_the_expectation_and_the_shape() -> Result<()> {
    let flat = Input::new(4);
    let grid = Input::new([3, 5]);
    let open = Input::of(Spec { dims: vec![None, None], dtype: DType::F32 }, None);
    let whole = Input::with(4, DType::I32, None);
    let cases = [
        (Dense::new(0).call(&flat), "layer `dense`: argument `units`: expected at least 1, got 0"),
        (Dense::new(2).call([&flat, &flat]), "layer `dense`: expected one input, got 2"),
        (Dense::new(2).call(&open), "layer `dense`: expected axis -1 of the input to be known, got shape (None, None)"),
        (Dense::new(2).call(&Input::new(())), "layer `dense`: expected at least 2 axes, got shape (None,)"),
        (Dense::new(2).call(&whole), "layer `dense`: expected a floating-point input, got int32"),
        (Dense::new(2).named("head").call(&whole), "layer `head`: expected a floating-point input, got int32"),
        (
            Activation::softmax().call(&Input::new(())),
            "layer `activation`: expected at least 2 axes for softmax, got shape (None,)",
        ),
        (
            Reshape::new([3, 5]).call(&flat),
            "layer `reshape`: expected samples that [3, 5] holds, got samples of 4 elements, shape (None, 4)",
        ),
        (
            Reshape::new([-1, 4]).call(&grid),
            "layer `reshape`: expected samples that [-1, 4] holds, got samples of 15 elements, shape (None, 3, 5)",
        ),
        (
            Reshape::new([-1, -1]).call(&grid),
            "layer `reshape`: argument `target_shape`: expected extents of which one at most is -1, got [-1, -1]",
        ),
        (
            Add::new().call([&flat, &grid]),
            "layer `add`: expected inputs of compatible shapes, got (None, 4), (None, 3, 5)",
        ),
        (
            Multiply::new().call([&flat, &whole]),
            "layer `multiply`: expected inputs of one dtype, got float32 and int32",
        ),
        (
            Concatenate::new().call([&flat, &grid]),
            "layer `concatenate`: expected inputs with matching shapes except for the concatenation axis -1, got (None, 4), \
             (None, 3, 5)",
        ),
        (
            Concatenate::new().axis(2).call([&flat, &flat]),
            "layer `concatenate`: expected an input with an axis 2, got shape (None, 4)",
        ),
        (Dropout::new(1.5).call(&flat), "layer `dropout`: argument `rate`: expected a number in [0, 1], got 1.5"),
        (
            Dropout::new(0.5).noise_shape([None, Some(3)]).call(&flat),
            "layer `dropout`: expected an input that `noise_shape` (None, 3) stretches to, got shape (None, 4)",
        ),
        (
            Rescaling::new([1.0, 2.0, 3.0]).call(&flat),
            "layer `rescaling`: expected axis -1 of the input to be 3, as `scale` has 3 numbers, got shape (None, 4)",
        ),
        (Rescaling::new(f64::NAN).call(&flat), "layer `rescaling`: argument `scale`: expected finite numbers, got NaN"),
        (
            Normalization::new().call(&open),
            "layer `normalization`: expected axis -1 of the input to be known, got shape (None, None)",
        ),
        (
            Normalization::new().mean_and_variance([1.0, 2.0], 1.0).call(&flat),
            "layer `normalization`: expected `mean` to broadcast to (4,), the extents of `axis`, got [2] for the shape \
             (None, 4)",
        ),
        (
            Normalization::new().mean_and_variance(0.0, -1.0).call(&flat),
            "layer `normalization`: argument `variance`: expected numbers of at least 0",
        ),
        (
            Normalization::new().adapt(&Dataset::new(random(&[8, 3], 0)?, ())?)?.call(&flat),
            "layer `normalization`: expected extents [3] along `axis`, as in the data it adapted to, got shape (None, 4)",
        ),
    ];
    for (result, want) in cases {
        assert_eq!(text(result), want);
    }
    Ok(())
}

#[test]
fn an_error_counts_the_layers_before_it() -> Result<()> {
    let input = Input::new(784);
    let x = Dense::new(5).call(&Dense::new(4).call(&input)?)?;
    let dense = Dense::new(3).shared();
    dense.call(&input)?;
    let want = "layer `dense_2`: expected axis -1 of the input to be 784, got shape (None, 5)";
    assert_eq!(text(dense.call(&x)), want);

    // A chain keeps its first error for the end.
    let chain = Sequential::new(784).add(Dense::new(3)).add(Reshape::new([2, 2])).add(Dense::new(0));
    let want = "layer `reshape`: expected samples that [2, 2] holds, got samples of 3 elements, shape (None, 3)";
    assert_eq!(text(chain.build()), want);
    Ok(())
}

#[test]
fn open_extents_stay_open_and_become_known_where_they_must() -> Result<()> {
    let open = Input::of(Spec { dims: vec![None, None, Some(3)], dtype: DType::F32 }, None);
    let shape = |symbol: Result<Symbol>| symbol.map(|s| s.spec().to_string());
    assert_eq!(shape(Flatten::new().call(&open))?, "(None, None)");
    assert_eq!(shape(Reshape::new([3, -1]).call(&open))?, "(None, 3, None)");
    assert_eq!(shape(Reshape::new([2, 6]).call(&open))?, "(None, 2, 6)");
    assert_eq!(shape(Dense::new(7).call(&open))?, "(None, None, 7)");
    assert_eq!(shape(Add::new().call([&open, &Input::new([5, 1])]))?, "(None, 5, 3)");
    assert_eq!(shape(Add::new().call([&open, &Input::new(3)]))?, "(None, None, 3)");
    assert_eq!(shape(Concatenate::new().call([&open, &Input::new([5, 4])]))?, "(None, 5, 7)");
    assert_eq!(shape(Concatenate::new().axis(1).call([&open, &Input::new([5, 3])]))?, "(None, None, 3)");
    assert_eq!(shape(Dot::new(1).call([&open, &Input::new([5, 4])]))?, "(None, 3, 4)");
    let numbers = RepeatVector::new(2).call(&Input::with(3, DType::I32, None))?;
    assert_eq!((numbers.spec().to_string().as_str(), numbers.spec().dtype), ("(None, 2, 3)", DType::I32));

    let model = Model::new(&open, &Flatten::new().call(&open)?)?;
    assert_eq!(model.call(&[&random(&[2, 5, 3], 0)?])?[0].shape().dims(), [2, 15]);
    assert!(model.summary().to_string().contains("depends on the data\n"));
    let model = Model::new(&open, &Reshape::new([2, 6]).call(&open)?)?;
    let want = "layer `reshape`: expected samples that [2, 6] holds, got samples of 15 elements";
    assert_eq!(text(model.call(&[&random(&[2, 5, 3], 0)?])), want);
    let other = Input::new([5, 4]);
    let model = Model::new([&open, &other], &Dot::new(1).call([&open, &other])?)?;
    let products = |extent| model.call(&[&random(&[2, extent, 3], 0)?, &random(&[2, 5, 4], 1)?]);
    assert_eq!(products(5)?[0].shape().dims(), [2, 3, 4]);
    assert!(text(products(6)).starts_with("layer `dot`: "));
    let model = Model::new(&open, &Reshape::new([2, 6]).call(&open)?)?;
    // No batch at all.
    assert_eq!(model.call(&[&random(&[0, 4, 3], 0)?])?[0].shape().dims(), [0, 2, 6]);
    Ok(())
}

#[test]
fn a_shared_layer_has_one_set_of_weights_and_the_sum_of_the_gradients() -> Result<()> {
    let (a, b) = (Input::new(4), Input::new(4));
    let dense = Dense::new(3).tanh().shared();
    let sum = Add::new().call([&dense.call(&a)?, &dense.call(&b)?])?;
    let model = Model::new([&a, &b], &sum)?;
    assert_eq!(model.weight_paths().collect::<Vec<_>>(), ["dense/kernel", "dense/bias"]);
    let (x, y) = (random(&[5, 4], 1)?, random(&[5, 4], 2)?);
    let (output, together) = gradients(model.graph(), &weights(&model)?, &[&x, &y], Mode::INFERENCE)?;

    let single = Model::new(&a, &dense.call(&a)?)?;
    let apart = [&x, &y].map(|x| gradients(single.graph(), &weights(&model).unwrap(), &[x], Mode::INFERENCE));
    let [(out_x, grad_x), (out_y, grad_y)] = [apart[0].as_ref().unwrap(), apart[1].as_ref().unwrap()];
    assert_eq!(difference(&output, &out_x.add(out_y)?, tolerance([DType::F32]))?, None);
    for ((together, x), y) in together.iter().zip(grad_x).zip(grad_y) {
        let (Some(together), Some(x), Some(y)) = (together, x, y) else { panic!("a gradient is missing") };
        assert_eq!(difference(together, &x.add(y)?, tolerance([DType::F32]))?, None);
    }

    // Another name makes another layer; the first one stays what it was.
    let other = dense.clone().named("other");
    let model = Model::new([&a, &b], &Add::new().call([&dense.call(&a)?, &other.call(&b)?])?)?;
    let paths: Vec<_> = model.weight_paths().collect();
    assert_eq!(paths, ["dense/kernel", "dense/bias", "other/kernel", "other/bias"]);
    Ok(())
}

#[test]
fn several_inputs_and_outputs_run_in_order() -> Result<()> {
    let (a, b) = (Input::new(3), Input::new([2, 3]));
    let hidden = Dense::new(4).relu().call(&a)?;
    let merged = Concatenate::new().call([&Flatten::new().call(&b)?, &hidden])?;
    let first = Dense::new(2).call(&merged)?;
    // An output that something reads, an output that is an input, and one of an input alone.
    let model = Model::new([&a, &b], [&first, &hidden, &a, &merged])?;
    let names: Vec<_> = model.graph().layers.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["flatten", "dense", "concatenate", "dense_1"]);
    let inputs: Vec<_> = model.graph().inputs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(inputs, ["input_layer", "input_layer_1"]);

    let (x, y) = (random(&[5, 3], 1)?, random(&[5, 2, 3], 2)?);
    let outputs = model.call(&[&x, &y])?;
    let shapes: Vec<_> = outputs.iter().map(|o| o.shape().to_string()).collect();
    assert_eq!(shapes, ["(5, 2)", "(5, 4)", "(5, 3)", "(5, 10)"]);
    assert_eq!(wide(&outputs[2])?, wide(&x)?);
    assert_eq!(wide(&outputs[3].slice(1, 6..10)?)?, wide(&outputs[1])?);
    assert_eq!(wide(&outputs[3].slice(1, 0..6)?)?, wide(&y)?);
    Ok(())
}

#[test]
fn a_graph_that_is_no_model_is_refused() -> Result<()> {
    let (a, b) = (Input::new(3), Input::new(2));
    let x = Dense::new(2).call(&a)?;
    let both = Add::new().call([&x, &b])?;
    assert_eq!(text(Model::new([&a, &b], &x)), "no output depends on input `input_layer_1`");
    assert_eq!(
        text(Model::new(&a, &both)),
        "the outputs depend on an input of shape (None, 2) that is not among the model's"
    );
    assert_eq!(text(Model::new(&x, &both)), "a model's inputs must be made by Input::new");
    assert_eq!(text(Model::new([] as [&Symbol; 0], &x)), "a model needs at least one input and one output");
    assert_eq!(text(Model::new([&a, &a], &x)), "input `input_layer` is given twice");

    let y = Dense::new(2).named("same").call(&Dense::new(2).named("same").call(&a)?)?;
    assert_eq!(text(Model::new(&a, &y)), "two layers are named `same`; names in a model must differ");
    let named = Input::with(3, DType::F32, Some("same"));
    let y = Dense::new(2).named("same").call(&named)?;
    assert_eq!(text(Model::new(&named, &y)), "two layers are named `same`; names in a model must differ");
    Ok(())
}

#[test]
fn names_that_are_given_are_not_given_again() -> Result<()> {
    let input = Input::new(3);
    let x = Dense::new(2).named("dense_1").call(&input)?;
    let x = Dense::new(2).call(&Dense::new(2).call(&x)?)?;
    let x = Dense::new(2).named("dense").call(&x)?;
    let model = Model::new(&input, &x)?;
    let names: Vec<_> = model.graph().layers.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["dense_1", "dense_2", "dense_3", "dense"]);
    Ok(())
}

#[test]
fn frozen_layers_are_not_trainable() -> Result<()> {
    let model = Sequential::new(3).add(Dense::new(2).shared().trainable(false)).add(Dense::new(1)).build()?;
    let trainable: Vec<_> = model.graph().weights.iter().map(|(_, w)| w.trainable).collect();
    assert_eq!(trainable, [false, false, true, true]);
    Ok(())
}

#[test]
fn every_activation_has_its_setter() -> Result<()> {
    macro_rules! setters {
        ($($name:ident)*) => { [$((Dense::new(4).$name(), Activation::$name())),*] };
    }
    let setters = setters!(
        linear relu sigmoid tanh gelu gelu_tanh silu elu softplus celu
        exponential hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid mish relu6
        selu soft_shrink softsign sparse_plus sparse_sigmoid squareplus tanh_shrink softmax log_softmax
        sparsemax glu
    );
    let input = Input::new(4);
    let x = random(&[5, 4], 3)?;
    let names: Vec<&str> = ActivationFn::all().map(ActivationFn::name).collect();
    assert_eq!(names.len(), setters.len());
    for (name, (dense, layer)) in names.into_iter().zip(setters) {
        let chosen = Dense::new(4).activation(ActivationFn::from_name(name)?);
        let config = |layer: LayerRef| layer.layer().config()["activation"].clone();
        assert_eq!(config(dense.shared()), config(chosen.clone().shared()), "{name}");
        assert_eq!(config(layer.clone().shared()), config(chosen.clone().shared()), "{name}");
        // The fused activation is that of the layer behind a linear one.
        let fused = Model::new(&input, &chosen.call(&input)?)?;
        let apart = Model::new(&input, &layer.call(&Dense::new(4).call(&input)?)?)?;
        let (fused, apart) = (fused.call(&[&x])?.remove(0), apart.call(&[&x])?.remove(0));
        assert_eq!(difference(&fused, &apart, tolerance([DType::F32]))?, None, "{name}");
    }
    Ok(())
}

#[test]
fn mixed_precision_is_close_and_has_gradients_in_f32() -> Result<()> {
    let input = Input::new([4, 5]);
    let x = Flatten::new().call(&Rescaling::new(0.5).call(&input)?)?;
    let a = Dense::new(16).gelu().call(&x)?;
    let b = Dense::new(16).tanh().call(&x)?;
    let merged = Concatenate::new().call([&Multiply::new().call([&a, &b])?, &Add::new().call([&a, &b])?])?;
    let model = Model::new(&input, &Dense::new(3).softmax().call(&merged)?)?;
    let x = random(&[8, 4, 5], 4)?;
    let full = model.call(&[&x])?.remove(0);
    for (precision, dtype) in [(Precision::MixedBf16, DType::BF16), (Precision::MixedF16, DType::F16)] {
        let mixed = model.clone().precision(precision).call(&[&x])?.remove(0);
        assert_eq!(mixed.dtype(), DType::F32, "softmax is computed in f32");
        assert_eq!(difference(&mixed, &full, tolerance([dtype]))?, None, "{dtype}");
        assert!(difference(&mixed, &full, tolerance([DType::F32]))?.is_some(), "{dtype} was not used");

        // Half of it in bf16 still: the logits.
        let mode = Mode { precision, logits: 1, ..Mode::INFERENCE };
        let (logits, mixed) = gradients(model.graph(), &weights(&model)?, &[&x], mode)?;
        assert_eq!(logits.dtype(), dtype);
        let (_, full) = gradients(model.graph(), &weights(&model)?, &[&x], Mode { logits: 1, ..Mode::INFERENCE })?;
        for ((mixed, full), path) in mixed.iter().zip(&full).zip(model.weight_paths()) {
            let (Some(mixed), Some(full)) = (mixed, full) else { panic!("no gradient for {path}") };
            assert_eq!(mixed.dtype(), DType::F32, "{path}");
            assert_eq!(difference(mixed, full, tolerance([dtype]))?, None, "{path} with {dtype}");
        }
    }
    Ok(())
}

#[test]
fn the_summary_counts_parameters_and_bytes() -> Result<()> {
    let input = Input::new(4);
    let x = Normalization::new().call(&input)?;
    let dense = Dense::new(4).relu().shared();
    let x = dense.call(&dense.call(&x)?)?;
    let model = Model::new(&input, &Dense::new(300).named("head").call(&x)?)?;
    let want = "\
Model: \"functional\"
──────────────────────────────────────────────────────────────────
Layer (type)                   Output shape  Params  Connected to
──────────────────────────────────────────────────────────────────
input_layer (Input)            (None, 4)          0  -
normalization (Normalization)  (None, 4)          9  input_layer
dense (Dense)                  (None, 4)         20  normalization
dense (Dense)                  (None, 4)     shared  dense
head (Dense)                   (None, 300)    1,500  dense
──────────────────────────────────────────────────────────────────
Parameters              1,529  (6.0 KiB)
  trainable             1,520
  non-trainable             9
Optimizer state      11.9 KiB  (Adam: 2 numbers a parameter)
Activations          39.0 KiB  (batch of 32)
Scratch memory        1.0 MiB  (about, for each thread)";
    let summary = model.summary();
    assert_eq!(summary.to_string(), want);
    assert_eq!((summary.parameters(), summary.trainable_parameters()), (1529, 1520));
    assert_eq!((summary.parameter_bytes(), summary.optimizer_bytes()), (4 * 1529, 4 * 2 * 1520));
    assert_eq!(summary.activation_bytes(), Some(4 * 32 * (4 + 4 + 4 + 300)));
    let sgd: Box<dyn optimizers::Optimizer> = SGD::new(0.1).momentum(0.9).into();
    let summary = model.summary().batch_size(1).optimizer(&*sgd);
    assert_eq!((summary.optimizer_bytes(), summary.activation_bytes()), (4 * 1520, Some(4 * 312)));
    assert!(summary.to_string().contains("(SGD: 1 number a parameter)"), "{summary}");
    let summary = model.summary().batch_size(usize::MAX / 4000);
    assert_eq!(summary.activation_bytes(), None);
    assert!(summary.to_string().contains("too many"), "{summary}");
    Ok(())
}

#[test]
fn models_built_alike_start_apart_inside_another_one() -> Result<()> {
    let tower = |name: &str| -> Result<Model> { Ok(Sequential::new(4).add(Dense::new(3).relu()).build()?.named(name)) };
    let (left, mut right) = (tower("left")?, tower("right")?);
    let given = Tensor::from_slice(&[1f32, 2., 3.], 3)?;
    right.set_weight("dense/bias", &given)?;
    let kernel = |model: &Model, name: &str| wide(&model.weight(&format!("{name}/dense/kernel"))?);
    let pair = |a: &Model, b: &Model| -> Result<Model> {
        let input = Input::new(4);
        Model::new(&input, &Add::new().call([&a.as_layer().call(&input)?, &b.as_layer().call(&input)?])?)
    };
    let apart = pair(&left, &tower("right")?)?;
    assert_ne!(kernel(&apart, "left")?, kernel(&apart, "right")?);
    // A model of which one weight was set keeps all of them.
    let kept = pair(&left, &right)?;
    assert_eq!(kernel(&kept, "right")?, wide(&right.weight("dense/kernel")?)?);
    assert_eq!(wide(&kept.weight("right/dense/bias")?)?, wide(&given)?);
    Ok(())
}

#[test]
fn an_input_that_no_tensor_can_be_is_an_error_of_its_first_call() {
    let said = text(Dense::new(2).call(&Input::new([1; 9])));
    assert!(said.starts_with("layer `dense`: ") && said.contains("9 axes, at most 8"), "{said}");
    let said = text(Flatten::new().call(&Input::new([1; 8])));
    assert!(said.contains("has 9 axes, at most 8"), "{said}");
    let input = Input::new([1 << 40, 1 << 40]);
    assert!(text(Model::new(&input, &input)).contains("more elements than memory can hold"));
    assert!(text(Sequential::new([1; 9]).add(Dense::new(2)).build()).contains("9 axes"));
}

#[test]
fn inputs_are_converted_to_what_the_model_takes() -> Result<()> {
    let model = Sequential::new(4).add(Dense::new(3)).build()?;
    let pixels = Tensor::from_slice(&[0u8, 1, 2, 255, 7, 7, 7, 7], [2, 4])?;
    let floats = pixels.cast(DType::F32)?;
    for other in [&pixels, &pixels.cast(DType::I64)?, &pixels.cast(DType::F64)?] {
        assert_eq!(wide(&model.call(&[other])?[0])?, wide(&model.call(&[&floats])?[0])?);
        assert_eq!(wide(&model.predict(other)?)?, wide(&model.predict(&floats)?)?);
    }
    // The graph itself converts nothing.
    let run = |x: &Tensor| model.graph().run(&weights(&model)?, &[x], Mode::INFERENCE, &mut Default::default());
    assert_eq!(text(run(&pixels)), "model: expected input `input_layer` to be float32, got uint8");
    Ok(())
}

#[test]
fn outputs_have_names_of_their_own() -> Result<()> {
    let encoder = Sequential::new(4).add(Dense::new(3)).build()?.named("encoder").as_layer();
    let (a, b) = (Input::new(4), Input::new(4));
    let (x, y) = (encoder.call(&a)?, encoder.call(&b)?);
    let model = Model::new([&a, &b], [&x, &y, &a])?;
    assert_eq!(model.graph().output_names(), ["encoder", "encoder_1", "input_layer"]);
    Ok(())
}
