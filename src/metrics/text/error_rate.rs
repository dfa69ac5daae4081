//! How many tokens are wrong.

use super::check_lengths;
use crate::error::{Error, Result};

/// How far sequences are from what they should be ([`error_rate`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorRate {
    /// Insertions, deletions and substitutions for each token of the references: the phoneme error rate where tokens
    /// are phonemes, the word error rate where they are words. It is above 1 where too much was written.
    pub tokens: f64,
    /// The fraction of sequences that have any error: for spelling to sound the word error rate.
    pub sequences: f64,
}

/// The error rate of sequences, such as phonemes of words or words of sentences; `references[i]` are all sequences that
/// `hypotheses[i]` may be.
///
/// ```text
/// tokens    = Σ distance(hypothesis, nearest reference) / Σ length(nearest reference)
/// sequences = |hypotheses that are none of their references| / |hypotheses|
/// ```
///
/// The distance is Levenshtein's: the fewest insertions, deletions and substitutions of one token. Of references that
/// are as near the first counts.
///
/// ```
/// use uncrumple::metrics::text::error_rate;
///
/// let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
/// let (heard, said) = (words("the cat sat on mat"), words("the cat sat on the mat"));
/// let rate = error_rate(&[heard], &[vec![said]])?;
/// assert_eq!((rate.tokens, rate.sequences), (1.0 / 6.0, 1.0));
/// # Ok::<(), uncrumple::Error>(())
/// ```
///
/// # Errors
/// No sequences, not one list of references for each hypothesis, a list that is empty, references without any token.
pub fn error_rate<T: PartialEq>(hypotheses: &[Vec<T>], references: &[Vec<Vec<T>>]) -> Result<ErrorRate> {
    check_lengths(hypotheses.len(), references.len())?;
    let (mut errors, mut tokens, mut wrong) = (0, 0, 0);
    for (i, (hypothesis, references)) in hypotheses.iter().zip(references).enumerate() {
        let distances = references.iter().map(|r| (strsim::generic_levenshtein(hypothesis, r), r.len()));
        let Some((distance, length)) = distances.min_by_key(|(distance, _)| *distance) else {
            return Err(Error::Data(format!("hypothesis {i} has no reference: expected at least one")));
        };
        errors += distance;
        tokens += length;
        wrong += usize::from(distance > 0);
    }
    if tokens == 0 {
        return Err(Error::Data("expected references with tokens, got empty ones alone".into()));
    }
    Ok(ErrorRate { tokens: errors as f64 / tokens as f64, sequences: wrong as f64 / hypotheses.len() as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    fn one(hypothesis: &str, references: &[&str]) -> ErrorRate {
        error_rate(&[letters(hypothesis)], &[references.iter().map(|r| letters(r)).collect()]).unwrap()
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, distance) in [
            ("kitten", "sitting", 3),
            ("saturday", "sunday", 3),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("ab", "ba", 2),
            ("aaaa", "a", 3),
            ("intention", "execution", 5),
        ] {
            assert_eq!(one(a, &[b]).tokens, f64::from(distance) / b.len() as f64, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_reference_counts() -> Result<()> {
        assert_eq!(one("abcd", &["xxxx", "abc", "abcde"]), ErrorRate { tokens: 1.0 / 3.0, sequences: 1.0 });
        assert_eq!(one("abcd", &["xxxx", "abcd"]), ErrorRate { tokens: 0.0, sequences: 0.0 });
        // Errors and lengths are added up before they are divided.
        let rate = error_rate(
            &[letters("a"), letters("abcd"), letters("xy")],
            &[vec![letters("b")], vec![letters("abcd")], vec![letters("xyz"), letters("")]],
        )?;
        assert_eq!(rate, ErrorRate { tokens: 2.0 / 8.0, sequences: 2.0 / 3.0 });
        Ok(())
    }

    #[test]
    fn what_has_no_reference_is_an_error() {
        let error = |h: &[Vec<u8>], r: &[Vec<Vec<u8>>]| error_rate(h, r).unwrap_err().to_string();
        assert!(error(&[], &[]).contains("got none"));
        assert!(error(&[vec![1]], &[]).contains("1 hypotheses, got 0"));
        assert!(error(&[vec![1]], &[vec![]]).contains("hypothesis 0 has no reference"));
        assert!(error(&[vec![1]], &[vec![vec![]]]).contains("empty ones alone"));
    }
}
