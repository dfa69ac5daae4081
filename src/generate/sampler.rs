//! How the next token is chosen of all.

use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};

/// How the next token is chosen by its logits ([KerasHub](https://keras.io/keras_hub/api/samplers/)).
///
/// A temperature divides the logits before their softmax: below 1 likely tokens become likelier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampler {
    /// The likeliest.
    Greedy,
    /// By its probability.
    Random {
        /// What logits are divided by.
        temperature: f64,
    },
    /// By its probability among the `k` likeliest.
    TopK {
        /// How many there are to choose from.
        k: usize,
        /// What logits are divided by.
        temperature: f64,
    },
    /// By its probability among the fewest likely ones that have at least the probability `p` together (Holtzman et al., [*The
    /// curious case of neural text degeneration*](https://arxiv.org/abs/1904.09751), 2020).
    TopP {
        /// What they have together.
        p: f64,
        /// What logits are divided by.
        temperature: f64,
    },
    /// The likeliest whole sequence that a search finds which goes on with so many at a time: that with the largest sum of the
    /// logarithms of its tokens' probabilities, divided by how many they are, the one that ends it included, to the power of
    /// `length_penalty` (a simpler form of what Wu et al. divide by, [*Google's neural machine translation
    /// system*](https://arxiv.org/abs/1609.08144), 2016, section 7).
    Beam {
        /// How many sequences it goes on with.
        num_beams: usize,
        /// 0 compares the probabilities of whole sequences, which favours short ones; 1 the mean per token. At most
        /// [`LENGTH_PENALTY`](Sampler::LENGTH_PENALTY), of either sign.
        length_penalty: f64,
    },
}

impl Sampler {
    /// The largest `length_penalty`: beyond it the powers of lengths leave f64's range.
    pub const LENGTH_PENALTY: f64 = 10.0;

    /// Checks the arguments.
    pub(super) fn check(self) -> Result<()> {
        let refuse = |name: &str, expected: &str, got: String| {
            Err(Error::Config(format!("argument `{name}`: expected {expected}, got {got}")))
        };
        let most = Sampler::LENGTH_PENALTY;
        let temperature = match self {
            Sampler::Random { temperature } | Sampler::TopK { temperature, .. } | Sampler::TopP { temperature, .. } => {
                temperature
            }
            Sampler::Greedy | Sampler::Beam { .. } => 1.0,
        };
        match self {
            _ if !(temperature > 0.0 && temperature.is_finite()) => {
                refuse("temperature", "a positive number", temperature.to_string())
            }
            Sampler::TopK { k: 0, .. } => refuse("k", "at least 1", "0".into()),
            Sampler::TopP { p, .. } if !(p > 0.0 && p <= 1.0) => {
                refuse("p", "a number above 0 and at most 1", p.to_string())
            }
            Sampler::Beam { num_beams: 0, .. } => refuse("num_beams", "at least 1", "0".into()),
            Sampler::Beam { length_penalty, .. } if !(-most..=most).contains(&length_penalty) => {
                refuse("length_penalty", &format!("a number from -{most} to {most}"), length_penalty.to_string())
            }
            _ => Ok(()),
        }
    }

    /// The token that a row of logits and a number in [0, 1) choose.
    pub(super) fn choose(self, logits: &[f32], number: f64) -> Result<usize> {
        let (temperature, k, p) = match self {
            Sampler::Greedy | Sampler::Beam { .. } => return likeliest(logits),
            Sampler::Random { temperature } => (temperature, logits.len(), 1.0),
            Sampler::TopK { k, temperature } => (temperature, k, 1.0),
            Sampler::TopP { p, temperature } => (temperature, logits.len(), p),
        };
        let top = f64::from(logits[likeliest(logits)?]);
        let weight = |&x: &f32| ((f64::from(x) - top) / temperature).exp();
        let mut tokens: Vec<(usize, f64)> = logits.iter().map(weight).enumerate().collect();
        if k < tokens.len() || p < 1.0 {
            // Of equally likely ones the first.
            tokens.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            tokens.truncate(k);
        }
        let all: f64 = tokens.iter().map(|(_, weight)| weight).sum();
        let mut kept = 0.0;
        let enough = tokens.iter().position(|(_, weight)| {
            kept += weight;
            kept >= p * all
        });
        tokens.truncate(enough.map_or(tokens.len(), |last| last + 1));
        let mut left = number * tokens.iter().map(|(_, weight)| weight).sum::<f64>();
        let chosen = tokens.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave a little at the end.
        let last = tokens.iter().rev().find(|(_, weight)| *weight > 0.0);
        chosen.or(last).map(|(token, _)| *token).ok_or_else(|| Error::Internal("there is no token".into()))
    }
}

/// The first of the largest.
fn likeliest(logits: &[f32]) -> Result<usize> {
    if let Some(at) = logits.iter().position(|x| x.is_nan()) {
        return Err(Error::Data(format!("the logit of token {at} is NaN: the model is not one that learnt")));
    }
    let better = |best: usize, at: usize| if logits[at] > logits[best] { at } else { best };
    (0..logits.len()).reduce(better).ok_or_else(|| Error::Data("the model gives no logits to choose from".into()))
}

/// The logarithms of the probabilities.
pub(super) fn log_probabilities(logits: &[f32]) -> Result<Vec<f64>> {
    let top = f64::from(logits[likeliest(logits)?]);
    let log = logits.iter().map(|&x| (f64::from(x) - top).exp()).sum::<f64>().ln() + top;
    Ok(logits.iter().map(|&x| f64::from(x) - log).collect())
}

/// The number in [0, 1) that chooses the token of a sample at a place.
pub(super) fn number(seed: u64, place: usize, sample: usize) -> f64 {
    f64::from(Philox::new(seed as i64, place as i64, 0).uniform(sample as u64 / 4)[sample % 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of tokens 0 to 3.
    const PROBABILITIES: [f32; 4] = [0.4, 0.1, 0.3, 0.2];

    fn shares(sampler: Sampler) -> [f64; 4] {
        let (logits, mut counts) = (PROBABILITIES.map(f32::ln), [0.0; 4]);
        let draws = 20_000;
        for i in 0..draws {
            counts[sampler.choose(&logits, (f64::from(i) + 0.5) / f64::from(draws)).unwrap()] += 1.0 / f64::from(draws);
        }
        counts
    }

    fn close(got: [f64; 4], want: [f64; 4]) {
        assert!(got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 2e-4), "{got:?} for {want:?}");
    }

    #[test]
    fn tokens_are_chosen_as_often_as_they_are_likely() {
        let temperature = 1.0;
        close(shares(Sampler::Greedy), [1.0, 0.0, 0.0, 0.0]);
        close(shares(Sampler::Random { temperature }), [0.4, 0.1, 0.3, 0.2]);
        close(shares(Sampler::TopK { k: 2, temperature }), [4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]);
        close(shares(Sampler::TopK { k: 9, temperature }), [0.4, 0.1, 0.3, 0.2]);
        // 0.4 + 0.3 are not yet 0.75.
        close(shares(Sampler::TopP { p: 0.75, temperature }), [4.0 / 9.0, 0.0, 3.0 / 9.0, 2.0 / 9.0]);
        close(shares(Sampler::TopP { p: 0.1, temperature }), [1.0, 0.0, 0.0, 0.0]);
        // Probabilities to the power of 2.
        close(shares(Sampler::Random { temperature: 0.5 }), [16.0, 1.0, 9.0, 4.0].map(|x| x / 30.0));
    }

    #[test]
    fn what_cannot_choose_is_refused() {
        for (sampler, words) in [
            (Sampler::Random { temperature: 0.0 }, "`temperature`: expected a positive number, got 0"),
            (Sampler::TopK { k: 0, temperature: 1.0 }, "`k`: expected at least 1"),
            (Sampler::TopP { p: 1.5, temperature: 1.0 }, "`p`: expected a number above 0 and at most 1, got 1.5"),
            (Sampler::Beam { num_beams: 0, length_penalty: 0.0 }, "`num_beams`"),
            (
                Sampler::Beam { num_beams: 2, length_penalty: f64::NAN },
                "`length_penalty`: expected a number from -10 to 10, got NaN",
            ),
        ] {
            assert!(sampler.check().unwrap_err().to_string().contains(words));
        }
        assert!(Sampler::Greedy.choose(&[0.0, f32::NAN], 0.5).unwrap_err().to_string().contains("token 1 is NaN"));
        assert_eq!(Sampler::Random { temperature: 1.0 }.choose(&[f32::NEG_INFINITY, 0.0], 0.999_999).unwrap(), 1);
    }
}
