//! The search for the likeliest sequence that goes on with several at a time.

use super::source::Source;
use super::{Generate, sampler};
use crate::error::Result;
use crate::model::Model;
use crate::tensor::Tensor;

/// A sequence, and the logarithm of its probability.
#[derive(Clone, Debug)]
struct Beam {
    tokens: Vec<i32>,
    score: f64,
}

/// The likeliest sequence that is found for each prompt.
pub(super) fn search(
    model: &Model,
    others: &[&Tensor],
    prompts: &[Vec<i32>],
    options: &Generate,
    num_beams: usize,
) -> Result<Vec<Vec<i32>>> {
    let of = |(sample, prompt): (usize, &Vec<i32>)| {
        let row = |x: &&Tensor| x.slice(0, sample..sample + 1);
        let others = others.iter().map(row).collect::<Result<Vec<_>>>()?;
        let source = Source::new(model, &others.iter().collect::<Vec<_>>(), options)?;
        one(source, prompt, options, num_beams)
    };
    prompts.iter().enumerate().map(of).collect()
}

fn one(mut source: Source, prompt: &[i32], options: &Generate, num_beams: usize) -> Result<Vec<i32>> {
    let mut beams = vec![Beam { tokens: prompt.to_vec(), score: 0.0 }];
    let mut ended: Option<Beam> = None;
    while beams[0].tokens.len() < options.max_length {
        let logits = source.logits(&beams.iter().map(|beam| &beam.tokens[..]).collect::<Vec<_>>())?;
        let mut next: Vec<(usize, i32, f64)> = Vec::new();
        for (at, (beam, logits)) in beams.iter().zip(&logits).enumerate() {
            let scores = sampler::log_probabilities(logits)?;
            next.extend(scores.iter().enumerate().map(|(token, score)| (at, token as i32, beam.score + score)));
        }
        // Of equally likely ones the first.
        next.sort_by(|a, b| b.2.total_cmp(&a.2));
        next.truncate(num_beams);
        let (mut order, mut going) = (Vec::new(), Vec::new());
        for (at, token, score) in next {
            let mut tokens = beams[at].tokens.clone();
            tokens.push(token);
            let beam = Beam { tokens, score };
            if !options.stop_token_ids.contains(&token) {
                order.push(at as i32);
                going.push(beam);
            } else if ended.as_ref().is_none_or(|best| score > best.score) {
                ended = Some(beam);
            }
        }
        // A sequence only becomes less likely.
        let best = ended.as_ref().map_or(f64::NEG_INFINITY, |beam| beam.score);
        if going.first().is_none_or(|beam| beam.score <= best) {
            break;
        }
        source.reorder(&order)?;
        beams = going;
    }
    let last = beams.swap_remove(0);
    Ok(ended.filter(|best| best.score >= last.score || last.tokens.len() < options.max_length).unwrap_or(last).tokens)
}
