//! Tokens from a cache against those from the whole sequence, and what is promised of streams, ends and beams.

use super::*;
use crate::device::Device;
use crate::dtype::DType;
use crate::layers::{
    Add, Dense, Embedding, GroupQueryAttention, Input, LSTM, LayerNormalization, MultiHeadAttention, PositionEmbedding,
    ReversibleEmbedding, RotaryEmbedding, SinePositionEncoding, Symbol, TokenAndPositionEmbedding, TransformerDecoder,
    TransformerEncoder,
};
use crate::ops::Activation;
use std::collections::BTreeSet;

const VOCABULARY: usize = 23;
const LENGTH: usize = 24;

/// Weights that make tokens depend on all before: wider than those that layers begin with.
fn lively(mut model: Model) -> Result<Model> {
    let paths: Vec<String> = model.weight_paths().map(String::from).collect();
    for path in paths.iter().filter(|path| path.contains("kernel") || path.contains("embeddings")) {
        let weight = model.weight(path)?.mul_scalar(2.5)?;
        model.set_weight(path, &weight)?;
    }
    Ok(model)
}

fn tokens() -> Symbol {
    Input::with([LENGTH], DType::I32, None)
}

fn gpt(normalize_first: bool) -> Result<Model> {
    let input = tokens();
    let mut x = Embedding::new(VOCABULARY, 12).mask_zero(true).call(&input)?;
    for _ in 0..2 {
        let block = TransformerDecoder::new(20, 3).activation(Activation::Gelu).normalize_first(normalize_first);
        x = block.call(&x)?;
    }
    let x = LayerNormalization::new().call(&x)?;
    lively(Model::new(&input, &Dense::new(VOCABULARY).softmax().call(&x)?)?)
}

/// Every layer of positions, a head that is the embedding, attention with heads in groups.
fn positions() -> Result<Model> {
    let input = tokens();
    let words = ReversibleEmbedding::new(VOCABULARY, 8).shared();
    let x = words.call(&input)?;
    let learned = PositionEmbedding::new(LENGTH).call(&x)?;
    let both = TokenAndPositionEmbedding::new(VOCABULARY, LENGTH, 8).call(&input)?;
    let x = Add::new().call([&x, &learned, &both, &SinePositionEncoding::new().call(&x)?])?;
    let turned = RotaryEmbedding::new().call(&x)?;
    let y = GroupQueryAttention::new(4, 4, 2).use_causal_mask(true).call([&turned, &x, &turned])?;
    let x = Add::new().call([&x, &y])?;
    lively(Model::new(&input, &words.told("reverse", true)?.call(&x)?)?)
}

/// Attention as a layer by itself, with a residual.
fn attention() -> Result<Model> {
    let input = tokens();
    let x = Embedding::new(VOCABULARY, 10).call(&input)?;
    let y = MultiHeadAttention::new(2, 5).use_causal_mask(true).call([&x, &x])?;
    let x = Add::new().call([&x, &y])?;
    lively(Model::new(&input, &Dense::new(VOCABULARY).call(&x)?)?)
}

fn translator() -> Result<Model> {
    let (source, target) = (Input::with([7], DType::I32, None), tokens());
    let x = Embedding::new(VOCABULARY, 12).mask_zero(true).call(&source)?;
    let encoded = TransformerEncoder::new(16, 2).call(&x)?;
    let y = Embedding::new(VOCABULARY, 12).call(&target)?;
    let y = TransformerDecoder::new(16, 2).call([&y, &encoded])?;
    let y = TransformerDecoder::new(16, 2).call([&y, &encoded])?;
    lively(Model::new([&source, &target], &Dense::new(VOCABULARY).call(&y)?)?)
}

fn prompts() -> Vec<Vec<i32>> {
    vec![vec![3, 1, 4], vec![15], vec![9, 2, 6, 5, 3, 5]]
}

/// The same tokens with a cache and without.
fn agree(model: &Model, others: &[&Tensor], sampler: Sampler) -> Result<Vec<Vec<i32>>> {
    let options = Generate::max_length(LENGTH).sampler(sampler).seed(7);
    let cached = model.generate_for(others, &prompts(), &options)?;
    let whole = model.generate_for(others, &prompts(), &options.cache(false))?;
    assert_eq!(cached, whole, "{sampler:?}");
    Ok(cached)
}

fn samplers() -> [Sampler; 5] {
    let temperature = 0.9;
    [
        Sampler::Greedy,
        Sampler::Random { temperature },
        Sampler::TopK { k: 5, temperature },
        Sampler::TopP { p: 0.8, temperature },
        Sampler::Beam { num_beams: 3, length_penalty: 1.0 },
    ]
}

fn agree_on(device: &Device) -> Result<()> {
    for model in [gpt(true)?, gpt(false)?, attention()?, positions()?] {
        let model = model.on(device.clone());
        let options = Generate::max_length(LENGTH);
        assert!(model.generation(&[], &prompts(), &options)?.is_cached());
        for sampler in samplers() {
            let sequences = agree(&model, &[], sampler)?;
            assert!(sequences.iter().zip(prompts()).all(|(s, p)| s.starts_with(&p) && s.len() == LENGTH));
            let distinct: std::collections::BTreeSet<_> = sequences.concat().into_iter().collect();
            assert!(distinct.len() > 5, "the weights are to make different tokens: {sequences:?}");
        }
    }
    let model = translator()?.on(device.clone());
    let numbers: Vec<i32> = (0..21).map(|i| i * 5 % 23).collect();
    let source = Tensor::from_slice(&numbers, [3, 7])?;
    assert!(model.generation(&[&source], &prompts(), &Generate::max_length(LENGTH))?.is_cached());
    for sampler in samplers() {
        agree(&model, &[&source], sampler)?;
    }
    Ok(())
}

#[test]
fn tokens_from_a_cache_are_those_from_the_whole_sequence() -> Result<()> {
    agree_on(&Device::Cpu)
}

#[test]
fn tokens_from_a_cache_on_a_card_too() -> Result<()> {
    let Some(cuda) = crate::device::cuda::testing::device() else { return Ok(()) };
    agree_on(&Device::Cuda(cuda))
}

#[test]
fn a_batch_is_written_as_its_sequences_alone() -> Result<()> {
    let model = gpt(true)?;
    let options = Generate::max_length(LENGTH);
    let together = model.generate(&prompts(), &options)?;
    for (prompt, want) in prompts().iter().zip(together) {
        assert_eq!(model.generate(std::slice::from_ref(prompt), &options)?, [want]);
    }
    Ok(())
}

#[test]
fn tokens_come_one_by_one_and_end() -> Result<()> {
    let model = gpt(true)?;
    let options = Generate::max_length(LENGTH);
    let whole = model.generate(&prompts(), &options)?;
    // Ends the first sequence in its midst.
    let stop = whole[0][8];
    for sampler in [Sampler::Greedy, Sampler::Beam { num_beams: 1, length_penalty: 0.0 }] {
        let options = options.clone().sampler(sampler).stop_token_ids([stop]);
        let mut generation = model.generation(&[], &prompts(), &options)?;
        let mut streamed = prompts();
        for step in &mut generation {
            for (sequence, token) in streamed.iter_mut().zip(step?) {
                sequence.extend(token);
            }
        }
        let sequences = generation.into_sequences();
        assert_eq!(streamed, sequences, "{sampler:?}");
        assert!(sequences[0].len() <= 9 && sequences[0].last() == Some(&stop), "{sequences:?}");
        for (sequence, (whole, prompt)) in sequences.iter().zip(whole.iter().zip(prompts())) {
            assert!(whole.starts_with(sequence));
            assert!(!sequence[prompt.len()..sequence.len() - 1].contains(&stop));
        }
    }
    Ok(())
}

/// A model of four tokens.
fn of_four() -> Result<Model> {
    let input = Input::with([4], DType::I32, None);
    let x = Embedding::new(4, 6).call(&input)?;
    let x = TransformerDecoder::new(8, 2).call(&x)?;
    lively(Model::new(&input, &Dense::new(4).call(&x)?)?)
}

/// The logarithms of its probabilities behind a sequence.
fn next_of_four(model: &Model, tokens: &[i32]) -> Result<Vec<f64>> {
    let mut padded = tokens.to_vec();
    padded.resize(4, 0);
    let logits = model.call(&[&Tensor::from_slice(&padded, [1, 4])?])?[0].to_vec::<f32>()?;
    sampler::log_probabilities(&logits[4 * (tokens.len() - 1)..][..4])
}

fn with_beam(num_beams: usize, length_penalty: f64, stop: Option<i32>) -> Generate {
    let options = Generate::max_length(4).sampler(Sampler::Beam { num_beams, length_penalty });
    options.stop_token_ids(Vec::from_iter(stop))
}

#[test]
fn a_beam_of_all_finds_the_likeliest_sequence() -> Result<()> {
    let model = of_four()?;
    let mut lengths = BTreeSet::new();
    for (stop, length_penalty) in [(None, 1.0), (Some(0), 0.0), (Some(0), 1.0), (Some(0), 3.0), (Some(0), -1.0)] {
        let mut best = (f64::NEG_INFINITY, vec![]);
        for i in 0..64 {
            let tokens = [2, i / 16, i / 4 % 4, i % 4];
            // What is behind the end does not count.
            let written = tokens[1..].iter().position(|&token| Some(token) == stop).map_or(3, |end| end + 1);
            let sum: f64 = (1..=written)
                .map(|at| Ok(next_of_four(&model, &tokens[..at])?[tokens[at] as usize]))
                .sum::<Result<f64>>()?;
            let score = sum / (written as f64).powf(length_penalty);
            best = if score > best.0 { (score, tokens[..=written].to_vec()) } else { best };
        }
        lengths.extend(stop.map(|_| best.1.len()));
        let options = with_beam(64, length_penalty, stop);
        assert_eq!(model.generate(&[vec![2]], &options)?, [best.1], "stop {stop:?}, penalty {length_penalty}");
    }
    assert!(lengths.len() > 1, "{lengths:?}: the penalty changes nothing");
    Ok(())
}

/// A search that never ends early and sorts all there is.
fn searched(model: &Model, beams: usize, length_penalty: f64, stop: i32) -> Result<Vec<i32>> {
    let (mut going, mut whole) = (vec![(vec![2], 0.0)], Vec::new());
    for written in 1..=3 {
        let mut all = Vec::new();
        for (tokens, score) in &going {
            let step = next_of_four(model, tokens)?.into_iter().enumerate();
            all.extend(step.map(|(token, p)| ([&tokens[..], &[token as i32]].concat(), score + p)));
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let counts =
            |(tokens, score): &(Vec<i32>, f64)| (tokens.clone(), score / f64::from(written).powf(length_penalty));
        let ends = |(tokens, _): &(Vec<i32>, f64)| tokens.last() == Some(&stop);
        whole.extend(all[..beams].iter().filter(|text| ends(text) || written == 3).map(counts));
        going = all.into_iter().filter(|text| !ends(text)).take(beams).collect();
    }
    whole.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(whole.swap_remove(0).0)
}

#[test]
fn a_narrow_beam_goes_on_with_the_likeliest() -> Result<()> {
    let model = of_four()?;
    let mut found = BTreeSet::new();
    for beams in 1..=4 {
        for length_penalty in [-2.0, 0.0, 0.5, 1.0, 2.0] {
            for stop in 0..4 {
                let want = searched(&model, beams, length_penalty, stop)?;
                let options = with_beam(beams, length_penalty, Some(stop));
                let got = model.generate(&[vec![2]], &options)?;
                assert_eq!(got, [&want[..]], "{beams} beams, penalty {length_penalty}, stop {stop}");
                found.insert(want);
            }
        }
    }
    assert!(found.len() > 5, "{found:?}");
    Ok(())
}

#[test]
fn a_model_that_needs_the_whole_sequence_gets_it() -> Result<()> {
    let input = Input::with([6], DType::I32, None);
    let x = LSTM::new(9).call(&Embedding::new(VOCABULARY, 5).call(&input)?)?;
    let model = lively(Model::new(&input, &Dense::new(VOCABULARY).softmax().call(&x)?)?)?;
    let options = Generate::max_length(10);
    assert!(!model.generation(&[], &prompts(), &options)?.is_cached());
    let sequences = model.generate(&prompts(), &options)?;
    // The last token is that behind the six before.
    let window = Tensor::from_slice(&sequences[0][3..9], [1, 6])?;
    let likeliest = model.predict(&window)?.argmax(-1)?.to_vec::<i32>()?;
    assert_eq!(likeliest[0], sequences[0][9]);
    Ok(())
}

/// What a model writes that is given the last tokens anew each time it has seen all that it takes.
fn by_hand(model: &Model, prompt: &[i32], length: usize) -> Result<Vec<i32>> {
    let mut sequence = prompt.to_vec();
    while sequence.len() < length {
        let half = LENGTH / 2;
        let start = if sequence.len() > LENGTH { sequence.len() - half } else { 0 };
        let room = (length - start).min(LENGTH + 1);
        // The token behind the last of all that the model takes.
        for end in sequence.len() - start..room {
            let mut seen = sequence[start..].to_vec();
            seen.resize(LENGTH, 0);
            let logits = model.call(&[&Tensor::from_slice(&seen, [1, LENGTH])?])?[0].slice(1, end - 1..end)?;
            sequence.push(logits.argmax(-1)?.cast(DType::I32)?.to_vec::<i32>()?[0]);
        }
    }
    Ok(sequence)
}

#[test]
fn sequences_slide_past_what_the_model_takes() -> Result<()> {
    let model = gpt(true)?;
    let long: Vec<i32> = (0..30).map(|i| i * 7 % 23).collect();
    for prompt in [&[3, 1, 4][..], &long] {
        let options = Generate::max_length(70).slide(true);
        let got = model.generate(&[prompt.to_vec()], &options)?;
        assert_eq!(got, [by_hand(&model, prompt, 70)?]);
    }
    // As long as the model takes: nothing slides.
    let options = Generate::max_length(LENGTH);
    assert_eq!(model.generate(&prompts(), &options)?, model.generate(&prompts(), &options.slide(true))?);
    let source = Tensor::from_slice(&(0..21).map(|i| i * 5 % 23).collect::<Vec<i32>>(), [3, 7])?;
    let translator = translator()?;
    for sampler in samplers() {
        let options = Generate::max_length(60).slide(true).sampler(sampler).seed(7);
        for (model, others) in [(&model, &[][..]), (&translator, &[&source][..])] {
            let cached = model.generate_for(others, &prompts(), &options)?;
            assert_eq!(cached, model.generate_for(others, &prompts(), &options.clone().cache(false))?, "{sampler:?}");
            assert!(cached.iter().zip(prompts()).all(|(s, p)| s.starts_with(&p) && s.len() == 60));
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_is_said() -> Result<()> {
    let model = gpt(true)?;
    let refused = |prompts: &[Vec<i32>], options: Generate, words: &str| {
        let error = model.generate(prompts, &options).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(&[vec![]], Generate::max_length(5), "prompt 0: expected 1 to 5 tokens, got 0");
    refused(&[vec![1], vec![1; 6]], Generate::max_length(5), "prompt 1: expected 1 to 5 tokens, got 6");
    refused(&[vec![1]], Generate::max_length(25), "the model takes sequences of 24 tokens, got 25");
    refused(&[vec![1]], Generate::max_length(9).input(1), "argument `input`: expected 0 to 0, got 1");
    refused(&[vec![99]], Generate::max_length(9), "99");
    assert!(model.generate(&[], &Generate::max_length(9))?.is_empty());
    let input = Input::new([3, 2]);
    let other = Model::new(&input, &Dense::new(4).call(&input)?)?;
    let error = other.generate(&[vec![1]], &Generate::max_length(3)).unwrap_err().to_string();
    assert!(error.contains("expected tokens (batch, steps) as input"), "{error}");
    Ok(())
}
