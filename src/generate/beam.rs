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

/// What a search goes by.
#[derive(Clone, Copy)]
pub(super) struct Search {
    pub num_beams: usize,
    pub length_penalty: f64,
}

/// The likeliest sequence that is found for each prompt.
pub(super) fn search(
    model: &Model,
    others: &[&Tensor],
    prompts: &[Vec<i32>],
    options: &Generate,
    by: Search,
) -> Result<Vec<Vec<i32>>> {
    let of = |(sample, prompt): (usize, &Vec<i32>)| {
        let row = |x: &&Tensor| x.slice(0, sample..sample + 1);
        let others = others.iter().map(row).collect::<Result<Vec<_>>>()?;
        let source = Source::new(model, &others.iter().collect::<Vec<_>>(), options)?;
        one(source, prompt, options, by)
    };
    prompts.iter().enumerate().map(of).collect()
}

fn one(mut source: Source, prompt: &[i32], options: &Generate, search: Search) -> Result<Vec<i32>> {
    let Search { num_beams, length_penalty } = search;
    // A text's score with so many tokens behind the prompt, by which those that end are compared.
    let counts = |score: f64, tokens: usize| score / (tokens as f64).powf(length_penalty);
    let most = options.max_length.saturating_sub(prompt.len());
    let mut beams = vec![Beam { tokens: prompt.to_vec(), score: 0.0 }];
    let mut ended: Option<(Vec<i32>, f64)> = None;
    for written in 1..=most {
        let logits = source.logits(&beams.iter().map(|beam| &beam.tokens[..]).collect::<Vec<_>>())?;
        let mut next: Vec<(usize, i32, f64)> = Vec::new();
        for (at, (beam, logits)) in beams.iter().zip(&logits).enumerate() {
            let scores = sampler::log_probabilities(logits)?;
            next.extend(scores.iter().enumerate().map(|(token, score)| (at, token as i32, beam.score + score)));
        }
        // Of equally likely ones the first. Those that end leave room for others.
        let by_score =
            |a: &(usize, i32, f64), b: &(usize, i32, f64)| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1)));
        let enough = num_beams.saturating_add(beams.len().saturating_mul(options.stop_token_ids.len()));
        if enough < next.len() {
            next.select_nth_unstable_by(enough, by_score);
            next.truncate(enough);
        }
        next.sort_unstable_by(by_score);
        let (mut order, mut going) = (Vec::new(), Vec::new());
        for (rank, (at, token, score)) in next.into_iter().enumerate() {
            let tokens = || beams[at].tokens.iter().copied().chain([token]).collect();
            let best = ended.as_ref().map_or(f64::NEG_INFINITY, |(_, best)| *best);
            if !options.stop_token_ids.contains(&token) {
                if going.len() < num_beams {
                    order.push(at as i32);
                    going.push(Beam { tokens: tokens(), score });
                }
            } else if rank < num_beams && (ended.is_none() || counts(score, written) > best) {
                ended = Some((tokens(), counts(score, written)));
            }
        }
        // Its sum only falls, so that a text counts at most what this one would at its length now, or at the longest.
        let reaches = |beam: &Beam| counts(beam.score, written).max(counts(beam.score, most));
        let best = ended.as_ref().map_or(f64::NEG_INFINITY, |(_, best)| *best);
        if going.first().is_none_or(|beam| reaches(beam) <= best) {
            break;
        }
        source.reorder(&order)?;
        beams = going;
    }
    // Where the search did not end before, what goes on counts more than what has ended.
    let last = beams.swap_remove(0).tokens;
    Ok(ended.filter(|_| last.len() < options.max_length).map_or(last, |(tokens, _)| tokens))
}
