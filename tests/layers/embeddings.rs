//! Embeddings beyond their goldens: what they are called on, in which way, and what they refuse.

use super::*;
use uncrumple::layers::{LayerRef, RopeType};
use uncrumple::model::Model;

fn ids(steps: usize) -> Symbol {
    Input::with([steps], DType::I32, None)
}

/// Two samples of so many numbers below 7.
fn numbers(steps: usize) -> Result<Tensor> {
    Tensor::from_slice(&(0..2 * steps).map(|i| (i * 3 % 7) as i32).collect::<Vec<_>>(), [2, steps])
}

/// Values that look random.
fn values(shape: &[usize]) -> Result<Tensor> {
    let size: usize = shape.iter().product();
    Tensor::from_slice(&(0..size).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>(), shape)
}

fn says<T: std::fmt::Debug>(result: Result<T>, words: &[&str]) {
    let text = result.unwrap_err().to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

/// What a layer without weights makes of a tensor.
fn output(layer: impl Into<LayerRef>, x: &Tensor) -> Result<Tensor> {
    let graph = graph_of(&layer.into(), from_ref(x))?;
    Ok(graph.run(&[], &[x], Mode::INFERENCE, &mut Updates::new())?.swap_remove(0))
}

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(difference(a, b, tolerance([DType::F32])).unwrap(), None);
}

#[test]
fn sequences_are_as_long_as_there_are_positions() -> Result<()> {
    let limit = ["positions below 4", "`sequence_length`", "position_embedding"];
    says(PositionEmbedding::new(4).call(&Input::new([5, 3])), &limit);
    says(PositionEmbedding::new(4).start_index(3).call(&Input::new([2, 3])), &["2 steps from position 3 on"]);
    says(PositionEmbedding::new(0).call(&Input::new([5, 3])), &["`sequence_length`", "positive"]);
    says(TokenAndPositionEmbedding::new(7, 4, 3).call(&ids(5)), &["token_and_position_embedding", "below 4"]);
    says(TokenAndPositionEmbedding::new(0, 4, 3).call(&ids(4)), &["`vocabulary_size`"]);
    // Where the data decides how long they are.
    let open = Input::of(Spec { dims: vec![None, None], dtype: DType::I32 }, None);
    let model = Model::new(&open, &TokenAndPositionEmbedding::new(7, 4, 3).call(&open)?)?;
    assert_eq!(model.predict(&numbers(4)?)?.shape().dims(), [2, 4, 3]);
    assert_eq!(model.predict(&numbers(1)?)?.shape().dims(), [2, 1, 3]);
    says(model.predict(&numbers(5)?), &["5 steps from position 0 on"]);
    let far = PositionEmbedding::new(4).shared().told("start_index", i64::MAX)?;
    says(far.call(&Input::new([2, 3])), &["below 4"]);
    Ok(())
}

#[test]
fn an_embedding_is_called_both_ways_with_one_set_of_weights() -> Result<()> {
    let x = ids(3);
    let words = ReversibleEmbedding::new(7, 4).shared();
    let back = words.told("reverse", true)?;
    let (vectors, scores) = (words.call(&x)?, back.call(&words.call(&x)?)?);
    let model = Model::new(&x, [&vectors, &scores])?;
    assert_eq!(model.weight_paths().collect::<Vec<_>>(), ["reversible_embedding/embeddings"]);
    let outputs = model.call(&[&numbers(3)?])?;
    let table = Tensor::from_slice(&model.weight("reversible_embedding/embeddings")?.to_vec::<f32>()?, [7, 4])?;
    close(&outputs[1], &outputs[0].reshape([6, 4])?.matmul_with(&table, false, true)?.reshape([2, 3, 7])?);

    says(words.told("backwards", true), &["ReversibleEmbedding", "backwards"]);
    says(words.told("reverse", 2), &["reverse", "2"]);
    says(back.call(&Input::new([3, 5])), &["axis -1", "4", "(None, 3, 5)"]);
    says(back.call(&x), &["floating-point"]);
    says(ReversibleEmbedding::new(7, 4).logit_soft_cap(0.0).call(&x), &["`logit_soft_cap`"]);
    says(ReversibleEmbedding::new(7, 4).reverse_dtype(DType::I32).call(&x), &["`reverse_dtype`"]);
    // A layer of the same arguments is another one, told the same.
    let other = back.named("other");
    let apart = Model::new(&x, &other.call(&vectors)?)?;
    assert_eq!(apart.weight_paths().count(), 2);
    Ok(())
}

#[test]
fn untied_vectors_are_trained_in_both_ways_or_not_at_all() -> Result<()> {
    let x = ids(3);
    let data = Dataset::new(&numbers(3)?, &numbers(3)?)?;
    let untied = ReversibleEmbedding::new(7, 4).tie_weights(false).shared();
    let model = Model::new(&x, &untied.told("reverse", true)?.call(&untied.call(&x)?)?)?;
    let mut trainer = model.compile(Adam::new(0.05), SparseCategoricalCrossentropy::from_logits(), ())?;
    let loss = |trainer: &mut Trainer| -> Result<f64> { Ok(trainer.evaluate(&data)?.get("loss").unwrap()) };
    let before = loss(&mut trainer)?;
    trainer.fit(&data, Fit::epochs(60))?;
    let after = loss(&mut trainer)?;
    assert!(after < 0.2 * before, "{before} to {after}");

    let unread = Model::new(&x, &TokenAndPositionEmbedding::new(7, 4, 3).tie_weights(false).call(&x)?)?;
    let mut trainer = unread.compile(Adam::new(0.05), MeanSquaredError::new(), ())?;
    let targets = Dataset::new(&numbers(3)?, &values(&[2, 3, 3])?)?;
    says(trainer.train_on_batch(&targets), &["token_embedding/reverse_embeddings"]);
    Ok(())
}

#[test]
fn turning_keeps_lengths_and_depends_on_distances_alone() -> Result<()> {
    let (query, key) = (values(&[1, 1, 8])?, values(&[1, 1, 8])?.mul_scalar(0.5)?.add_scalar(0.25)?);
    let turned = |x: &Tensor, start: u32| output(RotaryEmbedding::new().start_index(start).shared(), x);
    let product = |a: &Tensor, b: &Tensor| a.mul(b)?.sum(&[-1], false);
    for x in [&query, &key] {
        close(&product(&turned(x, 17)?, &turned(x, 17)?)?, &product(x, x)?);
    }
    close(&product(&turned(&query, 12)?, &turned(&key, 5)?)?, &product(&turned(&query, 107)?, &turned(&key, 100)?)?);
    close(&turned(&query, 0)?, &query);
    Ok(())
}

/// A layer keeps what it computed for positions, of which others need more, fewer or others.
#[test]
fn what_is_kept_for_positions_is_what_they_need() -> Result<()> {
    let open = |rank: usize| {
        let dims = (0..rank).map(|axis| (axis + 1 == rank).then_some(6)).collect();
        Input::of(Spec { dims, dtype: DType::F32 }, None)
    };
    let makers: [fn() -> LayerRef; 2] = [|| RotaryEmbedding::new().shared(), || SinePositionEncoding::new().shared()];
    for make in makers {
        let (x, layer) = (open(3), make());
        let near = Model::new(&x, &layer.call(&x)?)?;
        let far = Model::new(&x, &layer.told("start_index", 3)?.call(&x)?)?;
        for steps in [2, 5, 1, 9, 3] {
            let x = values(&[2, steps, 6])?;
            close(&near.predict(&x)?, &output(make(), &x)?);
            close(&far.predict(&x)?, &output(make().told("start_index", 3)?, &x)?);
        }
        let whole = output(make(), &values(&[1, 20, 6])?)?;
        for start in 0..20usize {
            let x = values(&[1, 20, 6])?.slice(1, start..start + 1)?;
            let step = output(make().told("start_index", start as i64)?, &x)?;
            close(&step, &whole.slice(1, start..start + 1)?);
        }
    }
    Ok(())
}

#[test]
fn rotary_embeddings_say_what_they_cannot_take() -> Result<()> {
    let x = Input::new([4, 6]);
    says(RotaryEmbedding::new().call(&Input::new([4, 5])), &["even", "(None, 4, 5)"]);
    says(RotaryEmbedding::new().call(&ids(4)), &["floating-point"]);
    says(RotaryEmbedding::new().sequence_axis(0).call(&x), &["behind the batch's"]);
    says(RotaryEmbedding::new().sequence_axis(2).call(&x), &["different axes"]);
    says(RotaryEmbedding::new().feature_axis(3).call(&x), &["axis 3"]);
    says(RotaryEmbedding::new().scaling_factor(0.0).call(&x), &["`scaling_factor`"]);
    says(RotaryEmbedding::new().rope_type(RopeType::Yarn).beta_fast(f64::NAN).call(&x), &["`beta_fast`"]);
    says(SinePositionEncoding::new().max_wavelength(-1.0).call(&x), &["`max_wavelength`"]);
    says(SinePositionEncoding::new().call(&Input::new([4])), &["at least 3 axes"]);
    for (name, value) in [("rope_type", json!("other")), ("rope_type", json!(null)), ("sequence_axis", json!(0.5))] {
        says(layers::from_config("RotaryEmbedding", &object(json!({name: value}))), &[name]);
    }
    for class in ["RotaryEmbedding", "SinePositionEncoding"] {
        for package in ["", "keras_hub>", "keras_nlp>"] {
            layers::from_config(&format!("{package}{class}"), &Default::default())?;
        }
    }
    Ok(())
}

#[test]
fn mixed_precision_looks_up_in_f32_and_multiplies_in_half() -> Result<()> {
    let x = ids(3);
    let words = ReversibleEmbedding::new(7, 4).shared();
    let forward = words.call(&x)?;
    let places = PositionEmbedding::new(5).start_index(1).call(&forward)?;
    let sines = SinePositionEncoding::new().call(&forward)?;
    let turned = RotaryEmbedding::new().call(&Add::new().call([&forward, &places, &sines])?)?;
    let back = words.told("reverse", true)?.call(&turned)?;
    let wide = ReversibleEmbedding::new(7, 4).reverse_dtype(DType::F32).logit_soft_cap(2.0).shared();
    let wide = wide.told("reverse", true)?.call(&turned)?;
    let both = TokenAndPositionEmbedding::new(7, 3, 4).call(&x)?;
    let outputs = [&forward, &places, &sines, &turned, &back, &wide, &both];
    let model = Model::new(&x, outputs)?.seed(5)?;
    let full = model.call(&[&numbers(3)?])?;
    for (precision, half) in [(Precision::MixedBf16, DType::BF16), (Precision::MixedF16, DType::F16)] {
        let mixed = model.clone().precision(precision).call(&[&numbers(3)?])?;
        let wanted = [DType::F32, half, half, half, half, DType::F32, DType::F32];
        for (i, ((got, want), dtype)) in mixed.iter().zip(&full).zip(wanted).enumerate() {
            assert_eq!(got.dtype(), dtype, "{i}");
            assert_eq!(difference(&got.cast(DType::F32)?, want, tolerance([half]))?, None, "output {i}");
        }
    }
    Ok(())
}
