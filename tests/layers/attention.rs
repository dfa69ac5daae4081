//! Attention beyond its goldens: what is masked, what training drops, what is refused.

use super::*;
use uncrumple::layers::{LayerRef, ScoreMode};
use uncrumple::model::Model;
use uncrumple::tensor::Tensors;

/// Values that look random.
fn values(shape: &[usize]) -> Result<Tensor> {
    let size: usize = shape.iter().product();
    Tensor::from_slice(&(0..size).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>(), shape)
}

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(difference(a, b, tolerance([DType::F32])).unwrap(), None);
}

/// The weights of a graph, which look random.
fn weights(graph: &Graph) -> Result<Vec<Tensor>> {
    graph.weights.iter().map(|(_, spec)| values(&spec.shape)?.mul_scalar(0.5)).collect()
}

/// A layer's outputs in a prediction, on the CPU.
fn outputs(layer: impl Into<LayerRef>, inputs: &[Tensor], masks: &[Option<Tensor>]) -> Result<Tensors> {
    let graph = graph_of(&layer.into(), inputs)?;
    let (weights, inputs) = (weights(&graph)?, inputs.iter().collect::<Vec<_>>());
    Ok(graph.run_masked(&weights, &inputs, masks, Mode::INFERENCE, &mut Updates::new())?.0)
}

#[test]
fn attention_in_one_piece_is_attention_with_scores() -> Result<()> {
    let (query, value) = (values(&[3, 5, 6])?, values(&[3, 4, 6])?);
    let every_third = |size: usize| (0..size).map(|i| i % 3 != 1).collect::<Vec<_>>();
    let mask = Tensor::from_slice(&every_third(3 * 5 * 4), [3, 5, 4])?;
    let keys = Tensor::from_slice(&every_third(3 * 4), [3, 4])?;
    for (causal, masked) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut inputs = vec![query.clone(), value.clone()];
        inputs.extend(masked.then(|| mask.clone()));
        let masks = [None, Some(keys.clone())];
        let own = |scores: bool| -> [LayerRef; 3] {
            let multi = MultiHeadAttention::new(2, 3).value_dim(5).attention_mask(masked).use_causal_mask(causal);
            let group = GroupQueryAttention::new(3, 4, 2).attention_mask(masked).use_causal_mask(causal);
            let one = GroupQueryAttention::new(3, 4, 1).attention_mask(masked).use_causal_mask(causal);
            [
                multi.return_attention_scores(scores).shared(),
                group.return_attention_scores(scores).shared(),
                one.return_attention_scores(scores).shared(),
            ]
        };
        for (plain, scored) in own(false).into_iter().zip(own(true)) {
            let scored = outputs(scored, &inputs, &masks)?;
            close(&outputs(plain, &inputs, &masks)?[0], &scored[0]);
            assert!(common::wide(&scored[1])?.into_iter().all(|p| (0.0..=1.0).contains(&p)));
        }
        let plain = Attention::new().use_scale(true).use_causal_mask(causal);
        let scored = outputs(plain.clone().return_attention_scores(true).shared(), &inputs[..2], &masks)?;
        close(&outputs(plain.shared(), &inputs[..2], &masks)?[0], &scored[0]);
    }
    Ok(())
}

#[test]
fn a_query_that_sees_no_key_gives_zeros() -> Result<()> {
    let (query, value) = (values(&[2, 3, 4])?, values(&[2, 5, 4])?);
    // The second query of each sample sees nothing.
    let seen: Vec<bool> = (0..2 * 3 * 5).map(|i| i / 5 % 3 != 1).collect();
    let inputs = [query.clone(), value.clone(), Tensor::from_slice(&seen, [2, 3, 5])?];
    for scores in [false, true] {
        let layer = MultiHeadAttention::new(2, 2).attention_mask(true).return_attention_scores(scores).shared();
        let graph = graph_of(&layer, &inputs)?;
        let weights = weights(&graph)?;
        let y = graph.run(&weights, &inputs.iter().collect::<Vec<_>>(), Mode::INFERENCE, &mut Updates::new())?;
        for sample in 0..2 {
            let row = y[0].slice(0, sample..sample + 1)?.slice(1, 1..2)?.reshape([4])?;
            assert_eq!(row.to_vec::<f32>()?, weights[7].to_vec::<f32>()?, "the bias alone");
        }
    }
    let nothing =
        [None, Some(Tensor::from_slice(&[true, true, true, true, true, false, false, false, false, false], [2, 5])?)];
    for mode in [ScoreMode::Dot, ScoreMode::Concat] {
        let y = outputs(Attention::new().score_mode(mode).shared(), &[query.clone(), value.clone()], &nothing)?;
        assert!(y[0].slice(0, 1..2)?.to_vec::<f32>()?.iter().all(|&x| x == 0.0));
        assert!(y[0].slice(0, 0..1)?.to_vec::<f32>()?.iter().any(|&x| x != 0.0));
    }
    Ok(())
}

/// A reader of words with 0 behind the last one, and what its layers make of each word.
fn reader(steps: usize, layers: impl Fn(Symbol) -> Result<Symbol>) -> Result<Model> {
    let words = Input::with([steps], DType::I32, None);
    let x = Embedding::new(9, 6).mask_zero(true).call(&words)?;
    Model::new(&words, &layers(x)?)
}

#[test]
fn padding_changes_nothing_of_what_counts() -> Result<()> {
    let layers: [fn(Symbol) -> Result<Symbol>; 4] = [
        |x| MultiHeadAttention::new(2, 3).call([&x, &x]),
        |x| GroupQueryAttention::new(3, 4, 2).use_causal_mask(true).call([&x, &x, &x]),
        |x| TransformerDecoder::new(5, 2).call([&TransformerEncoder::new(7, 2).call(&x)?, &x]),
        |x| AdditiveAttention::new().call([&x, &Attention::new().use_scale(true).call([&x, &x])?]),
    ];
    for layers in layers {
        let (short, mut long) = (reader(3, layers)?, reader(7, layers)?);
        let paths: Vec<String> = short.weight_paths().map(String::from).collect();
        for path in paths {
            long.set_weight(&path, &short.weight(&path)?)?;
        }
        let padded = Tensor::from_slice(&[1, 5, 2, 0, 0, 0, 0, 8, 3, 3, 0, 0, 0, 0], [2, 7])?;
        let whole = short.predict(&padded.slice(1, 0..3)?)?;
        close(&long.predict(&padded)?.slice(1, 0..3)?, &whole);
    }
    Ok(())
}

#[test]
fn a_decoder_without_a_view_of_what_comes_is_the_same_on_a_part() -> Result<()> {
    let x = values(&[2, 6, 4])?;
    let layer = TransformerDecoder::new(7, 2).normalize_first(true).shared();
    let whole = outputs(layer.clone(), std::slice::from_ref(&x), &[])?;
    let part = outputs(layer, &[x.slice(1, 0..4)?], &[])?;
    close(&whole[0].slice(1, 0..4)?, &part[0]);
    Ok(())
}

#[test]
fn training_drops_probabilities_and_keeps_their_mean() -> Result<()> {
    let x = values(&[64, 8, 4])?;
    for device in devices() {
        let layers = |rate: f64| -> [LayerRef; 4] {
            [
                MultiHeadAttention::new(2, 2).dropout(rate).shared(),
                GroupQueryAttention::new(2, 2, 1).dropout(rate).return_attention_scores(true).shared(),
                Attention::new().dropout(rate).shared(),
                AdditiveAttention::new().dropout(rate).shared(),
            ]
        };
        for (kept, dropped) in layers(0.0).into_iter().zip(layers(0.5)) {
            let graph = graph_of(&dropped, &[x.clone(), x.clone()])?;
            let run = |layer: &LayerRef, training: bool| -> Result<Tensor> {
                let graph = graph_of(layer, &[x.clone(), x.clone()])?;
                let weights = weights(&graph)?.iter().map(|w| w.to_device(&device)).collect::<Result<Vec<_>>>()?;
                let generator = Generator::new(7, &device)?;
                let mode = Mode { training, generator: Some(&generator), ..Mode::INFERENCE };
                let x = x.to_device(&device)?;
                let y = graph.run(&weights, &[&x, &x], mode, &mut Updates::new())?;
                y[0].to_device(&Device::Cpu)
            };
            let whole = run(&kept, true)?;
            assert_eq!(whole.to_vec::<f32>()?, run(&kept, false)?.to_vec::<f32>()?, "a rate of 0 drops nothing");
            let (once, again) = (run(&dropped, true)?, run(&dropped, true)?);
            assert_eq!(once.to_vec::<f32>()?, again.to_vec::<f32>()?, "the same numbers");
            assert_ne!(once.to_vec::<f32>()?, whole.to_vec::<f32>()?);
            let mean = |y: &Tensor| -> Result<Vec<f32>> { y.mean(&[0, 1], false)?.to_vec::<f32>() };
            for (a, b) in mean(&once)?.into_iter().zip(mean(&whole)?) {
                assert!((a - b).abs() < 0.1, "{} on {device}: {a} is not about {b}", graph.layers[0].name);
            }
        }
    }
    Ok(())
}

#[test]
fn mixed_precision_computes_the_same_more_or_less() -> Result<()> {
    let x = values(&[2, 5, 8])?;
    let input = Input::new([5, 8]);
    let y = TransformerEncoder::new(7, 2).call(&MultiHeadAttention::new(2, 4).call([&input, &input])?)?;
    let y = TransformerDecoder::new(7, 2).normalize_first(true).call([&y, &input])?;
    let model = Model::new(&input, &Attention::new().call([&y, &y])?)?;
    let whole = model.predict(&x)?;
    for precision in [Precision::MixedBf16, Precision::MixedF16] {
        let half = model.clone().precision(precision).call(&[&x])?.remove(0);
        assert_eq!(half.dtype(), precision.compute_dtype());
        for (a, b) in common::wide(&half)?.into_iter().zip(common::wide(&whole)?) {
            assert!((a - b).abs() < 0.1, "{a} is not about {b} in {}", precision.name());
        }
    }
    Ok(())
}

#[test]
fn a_layer_without_arguments_of_its_call_stays_as_it_is() {
    let layer = Dense::new(2).shared();
    let signature = layer.layer().signature().tell("use_causal_mask", true);
    assert_eq!(signature, layers::Signature::PLAIN);
    assert!(layer.called(signature).layer().with_signature(signature).is_none());
}

#[test]
fn attention_rejects_what_it_cannot_take() {
    let wrong = |layer: LayerRef, shapes: &[&[usize]]| {
        let inputs: Vec<_> = shapes.iter().map(|s| Input::new(*s)).collect();
        layer.call(&inputs).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let multi = || MultiHeadAttention::new(2, 3);
    let cases = [
        (
            wrong(multi().shared(), &[&[5, 6]]),
            "layer `multi_head_attention`: expected a query, a value and, if there is one, a key, got 1 inputs",
        ),
        (
            wrong(multi().shared(), &[&[5, 6], &[4, 6], &[3, 6]]),
            "layer `multi_head_attention`: expected a key of as many steps as the value, got shapes (None, 3, 6) and \
             (None, 4, 6)",
        ),
        (
            wrong(multi().shared(), &[&[5, 2, 6], &[4, 2, 6]]),
            "layer `multi_head_attention`: expected inputs of 3 axes (batch, steps, features), got shape (None, 5, \
             2, 6)",
        ),
        (
            wrong(multi().attention_mask(true).shared(), &[&[5, 6], &[4, 6], &[5, 3]]),
            "layer `multi_head_attention`: expected an attention mask of shape (None, 5, 4), or with an axis of 2 \
             heads behind the batch, got shape (None, 5, 3)",
        ),
        (
            wrong(multi().dropout(1.0).shared(), &[&[5, 6], &[4, 6]]),
            "layer `multi_head_attention`: argument `dropout`: expected a number from 0 to below 1, got 1",
        ),
        (
            wrong(GroupQueryAttention::new(3, 4, 3).shared(), &[&[5, 6], &[4, 6]]),
            "layer `grouped_query_attention`: expected `num_query_heads` to be a multiple of `num_key_value_heads`, \
             got 4 and 3",
        ),
        (
            wrong(GroupQueryAttention::new(3, 4, 2).shared(), &[&[5, 6], &[4, 7]]),
            "layer `grouped_query_attention`: expected a query and a value of as many features, got shapes (None, 5, \
             6) and (None, 4, 7)",
        ),
        (
            wrong(Attention::new().shared(), &[&[5, 6], &[4, 7]]),
            "layer `attention`: expected a query and a key of as many features, got shapes (None, 5, 6) and (None, \
             4, 7)",
        ),
        (
            wrong(TransformerEncoder::new(4, 8).shared(), &[&[5, 6]]),
            "layer `transformer_encoder`: expected at least 8 features, one for each head, got shape (None, 5, 6)",
        ),
        (
            wrong(TransformerEncoder::new(4, 2).shared(), &[&[5, 6], &[5]]),
            "layer `transformer_encoder`: expected an input and behind it the masks that the layer was told of, got \
             2 inputs",
        ),
        (
            wrong(TransformerEncoder::new(4, 2).padding_mask(true).shared(), &[&[5, 6], &[4]]),
            "layer `transformer_encoder`: expected a padding mask of shape (None, 5), got shape (None, 4)",
        ),
        (
            wrong(TransformerDecoder::new(4, 2).encoder_padding_mask(true).shared(), &[&[5, 6], &[5]]),
            "layer `transformer_decoder`: expected an encoder's sequence, whose masks there are",
        ),
        (
            wrong(multi().output_shape([3, 0]).shared(), &[&[5, 6], &[4, 6]]),
            "layer `multi_head_attention`: argument `output_shape`: expected 1 to 6 extents of at least 1, got [3, 0]",
        ),
        (
            wrong(EinsumDense::new("abc,bcd->abd", [None, Some(4)]).shared(), &[&[5, 6]]),
            "layer `einsum_dense`: argument `equation`: this engine has no kernel of its own for each place along b, \
             got `abc,bcd->abd`",
        ),
        (
            wrong(EinsumDense::new("ab...,bc->ac", [Some(4)]).shared(), &[&[5, 6]]),
            "layer `einsum_dense`: argument `equation`: expected ab,bc->ac, with ... in front or behind of input and \
             output or nowhere, got `ab...,bc->ac`",
        ),
        (
            wrong(EinsumDense::new("abc,cd->abd", [Some(4)]).shared(), &[&[5, 6]]),
            "layer `einsum_dense`: argument `equation`: expected an axis for each of `output_shape`, got `abc,cd->abd`",
        ),
        (
            wrong(EinsumDense::new("abc,cd->abd", [Some(7), Some(4)]).shared(), &[&[5, 6]]),
            "layer `einsum_dense`: expected the axis b of the input to be 7, got 5",
        ),
        (
            wrong(EinsumDense::new("abc,cd->abd", [None, Some(4)]).shared(), &[&[6]]),
            "layer `einsum_dense`: expected an input with the axes of `abc,cd->abd`, got shape (None, 6)",
        ),
    ];
    for (got, want) in cases {
        assert_eq!(got, want);
    }
    let read = |class: &str, config: Value| {
        layers::from_config(class, config.as_object().unwrap()).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let text = read("MultiHeadAttention", json!({"num_heads": 2, "key_dim": 3, "attention_axes": [1, 2]}));
    assert!(text.contains("`attention_axes`: expected [1]"), "{text}");
    let text = read("MultiHeadAttention", json!({"num_heads": 2, "key_dim": 3, "sliding_window": 4}));
    assert!(text.contains("`sliding_window`"), "{text}");
    let text = read("Attention", json!({"score_mode": "cosine"}));
    assert!(text.contains("expected one of dot, concat, got cosine"), "{text}");
    let heads = json!({"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2});
    for alias in ["GroupQueryAttention", "GroupedQueryAttention"] {
        assert_eq!(read(alias, heads.clone()), "");
    }
    for package in ["keras_hub", "keras_nlp"] {
        assert_eq!(read(&format!("{package}>TransformerEncoder"), json!({"intermediate_dim": 4, "num_heads": 2})), "");
    }
}
