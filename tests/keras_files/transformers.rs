//! Models with every layer of attention and every embedding: what a call says of itself comes back from their files.

use super::*;
use uncrumple::layers::{RopeType, ScoreMode};
use uncrumple::ops::Activation;

/// Every layer of attention, with arguments that are not the defaults and calls that say something.
pub fn attention() -> Model {
    let words = |steps: usize| Input::with([steps], DType::I32, None);
    let (source, target) = (words(5), words(4));
    let seen = Input::with([5, 5], DType::Bool, None);
    let padding = Input::with([4], DType::Bool, None);
    let embedded = |x: &Symbol| Embedding::new(9, 6).mask_zero(true).call(x).unwrap();
    let (s, t) = (embedded(&source), embedded(&target));
    let mixing = MultiHeadAttention::new(2, 3).use_bias(false).attention_mask(true).use_causal_mask(true);
    let mixed = mixing.return_attention_scores(true).shared().call_all([&s, &s, &s, &seen]).unwrap();
    let s = &mixed[0];
    let encoder = TransformerEncoder::new(7, 2).activation(Activation::Gelu).attention_mask(true);
    let encoded = encoder.call([s, &seen]).unwrap();
    let decoder = TransformerDecoder::new(7, 3)
        .activation(Activation::GeluTanh)
        .normalize_first(true)
        .decoder_padding_mask(true)
        .use_causal_mask(false);
    let t = decoder.call([&t, &encoded, &padding]).unwrap();
    let t = TransformerDecoder::new(5, 2).layer_norm_epsilon(1e-3).call(&t).unwrap();
    let sharing = GroupQueryAttention::new(3, 4, 2).use_gate(true).return_attention_scores(true);
    let shared = sharing.shared().call_all([&t, &encoded]).unwrap();
    let plain = Attention::new().use_scale(true).score_mode(ScoreMode::Concat).call([&shared[0], &encoded]).unwrap();
    let sums = AdditiveAttention::new().use_causal_mask(true).call([&plain, &t]).unwrap();
    let wide = MultiHeadAttention::new(1, 2).output_shape([2, 3]).call([&sums, &encoded]).unwrap();
    let y = Dense::new(3).softmax().call(&GlobalAveragePooling2D::new().call(&wide).unwrap()).unwrap();
    Model::new([&source, &target, &seen, &padding], [&y, &mixed[1], &shared[1]]).unwrap().seed(3).unwrap()
}

/// What it is called on.
pub fn attended() -> [Tensor; 4] {
    let source = Tensor::from_slice(&[3, 1, 8, 0, 0, 2, 2, 5, 7, 1], [2, 5]).unwrap();
    let target = Tensor::from_slice(&[1, 4, 0, 0, 6, 5, 3, 8], [2, 4]).unwrap();
    let seen: Vec<bool> = (0..50).map(|i| i % 3 != 1 || i / 5 % 5 == i % 5).collect();
    let padding = [true, true, false, false, true, true, true, false];
    [source, target, Tensor::from_slice(&seen, [2, 5, 5]).unwrap(), Tensor::from_slice(&padding, [2, 4]).unwrap()]
}

#[test]
fn calls_come_back_as_they_were_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let model = attention();
    model.save(&path).unwrap();
    let again = Model::load(&path).unwrap();
    assert_eq!(predict(&model, &attended()), predict(&again, &attended()));
    let signatures = |model: &Model| -> Vec<_> {
        let told = |entry: &uncrumple::model::Entry, name: &str| entry.layer.layer().signature().is(name);
        let names = ["attention_mask", "use_causal_mask", "return_attention_scores", "decoder_padding_mask"];
        model.graph().layers.iter().map(|entry| names.map(|name| told(entry, name))).collect()
    };
    assert_eq!(signatures(&model), signatures(&again));
    let path_of = |part: &str| model.weight_paths().any(|path| path == part);
    assert!(path_of("multi_head_attention/query_dense/kernel") && path_of("grouped_query_attention/_gate_dense/bias"));
    assert!(path_of("transformer_decoder/_cross_attention_layer/output_dense/kernel"));
}

/// Every embedding, with arguments that are not the defaults; one that is called in both ways, the way back first in
/// the file's order of outputs, and an attention that is called in two.
pub fn embeddings() -> Model {
    let ids = Input::with([5], DType::I32, None);
    let words = ReversibleEmbedding::new(9, 6).mask_zero(true).tie_weights(false).logit_soft_cap(3.0).shared();
    let x = words.call(&ids).unwrap();
    let places = PositionEmbedding::new(9).start_index(4).initializer(RandomUniform::new(-0.5, 0.5)).call(&x).unwrap();
    let sines = SinePositionEncoding::new().max_wavelength(50.0).start_index(2).shared();
    let (near, far) = (sines.call(&x).unwrap(), sines.told("start_index", 30).unwrap().call(&x).unwrap());
    let both = TokenAndPositionEmbedding::new(9, 8, 6).mask_zero(true).start_index(3).call(&ids).unwrap();
    let x = Add::new().call([&x, &places, &near, &far, &both]).unwrap();
    let turned = RotaryEmbedding::new().rope_type(RopeType::Yarn).scaling_factor(2.0).truncate(false);
    let x = turned.start_index(7).call(&x).unwrap();
    let attention = MultiHeadAttention::new(2, 3).shared();
    let seen = attention.call([&x, &x]).unwrap();
    let x = attention.told("use_causal_mask", true).unwrap().call([&seen, &x]).unwrap();
    let back = words.told("reverse", true).unwrap().call(&x).unwrap();
    Model::new(&ids, [&back, &seen]).unwrap().seed(4).unwrap()
}

#[test]
fn a_layer_that_is_called_in_several_ways_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.keras");
    let model = embeddings();
    model.save(&path).unwrap();
    let again = Model::load(&path).unwrap();
    let ids = words();
    assert_eq!(predict(&model, std::slice::from_ref(&ids)), predict(&again, std::slice::from_ref(&ids)));
    let ways = |model: &Model| -> Vec<_> {
        let signatures = model.graph().steps.iter().map(|step| step.called.layer().signature());
        signatures.map(|s| (s.is("reverse"), s.is("use_causal_mask"), s.number())).collect()
    };
    assert_eq!(ways(&model), ways(&again));
    assert_eq!(ways(&model).iter().filter(|(reverse, causal, start)| *reverse || *causal || *start == 30).count(), 3);
    assert_eq!(model.weight_paths().collect::<Vec<_>>(), again.weight_paths().collect::<Vec<_>>());
}

/// Numbers with gaps.
pub fn words() -> Tensor {
    Tensor::from_slice(&[3, 1, 8, 0, 0, 2, 0, 5, 7, 1], [2, 5]).unwrap()
}
