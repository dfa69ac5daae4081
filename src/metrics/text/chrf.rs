//! chrF: runs of letters that two texts share.

use super::check_lengths;
use crate::error::Result;
use std::collections::HashMap;

/// Runs of up to so many letters.
const ORDER: usize = 6;
/// How many times as much recall counts as precision.
const BETA: f64 = 2.0;

/// chrF2 of a corpus, from 0 to 100: a score of translations, of which `references[i]` is what `hypotheses[i]` should
/// be.
///
/// ```text
/// precision = mean over n of  |runs of n letters in both| / |runs of n letters of the hypotheses|
/// recall    = mean over n of  |runs of n letters in both| / |runs of n letters of the references|
/// chrF2     = 100 · 5 · precision · recall / (4 · precision + recall)
/// ```
///
/// n is 1 to 6, letters are all signs but whitespace, and upper case is not lower case. A run counts as often as the
/// hypothesis and its reference both have it; runs are counted over the whole corpus before anything is divided. An n
/// for which either side has no run at all is left out of the means. This is what `sacrebleu` (2.x, `corpus_chrf`)
/// computes by default; its signature is `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no`.
///
/// Popović, [chrF: character n-gram F-score for automatic MT evaluation](https://aclanthology.org/W15-3049), 2015.
///
/// # Errors
/// No texts, or not one reference for each hypothesis.
pub fn chrf<H: AsRef<str>, R: AsRef<str>>(hypotheses: &[H], references: &[R]) -> Result<f64> {
    check_lengths(hypotheses.len(), references.len())?;
    let mut counts = [Counts::default(); ORDER];
    for (hypothesis, reference) in hypotheses.iter().zip(references) {
        let (hypothesis, reference) = (letters(hypothesis.as_ref()), letters(reference.as_ref()));
        for (n, counts) in (1..).zip(&mut counts) {
            counts.add(&hypothesis, &reference, n);
        }
    }
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for Counts { hypothesis, reference, both } in counts {
        if hypothesis > 0 && reference > 0 {
            precision += both as f64 / hypothesis as f64;
            recall += both as f64 / reference as f64;
            orders += 1.0;
        }
    }
    // Nothing in common, or nothing at all.
    if precision + recall == 0.0 {
        return Ok(0.0);
    }
    let (precision, recall) = (precision / orders, recall / orders);
    let factor = BETA * BETA;
    Ok(100.0 * (1.0 + factor) * precision * recall / (factor * precision + recall))
}

/// How many runs of one length there are.
#[derive(Clone, Copy, Default)]
struct Counts {
    hypothesis: u64,
    reference: u64,
    both: u64,
}

impl Counts {
    fn add(&mut self, hypothesis: &[char], reference: &[char], n: usize) {
        // As in sacrebleu, what has no reference of this length does not count against the hypothesis.
        if reference.len() < n {
            return;
        }
        let mut left: HashMap<&[char], u64> = HashMap::new();
        for run in reference.windows(n) {
            *left.entry(run).or_default() += 1;
            self.reference += 1;
        }
        for run in hypothesis.windows(n) {
            self.hypothesis += 1;
            if let Some(count) = left.get_mut(run).filter(|count| **count > 0) {
                *count -= 1;
                self.both += 1;
            }
        }
    }
}

/// What is not whitespace, in Python's sense, which has four separators more than Unicode.
fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|&c| !c.is_whitespace() && !('\x1c'..='\x1f').contains(&c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_has_100_and_what_shares_nothing_0() -> Result<()> {
        assert_eq!(chrf(&["the cat sat"], &["the cat sat"])?, 100.0);
        assert_eq!(chrf(&["the cat sat"], &["thecatsat"])?, 100.0);
        assert_eq!(chrf(&["xyz"], &["the cat sat"])?, 0.0);
        assert_eq!(chrf(&["The"], &["tHE"])?, 0.0);
        assert_eq!(chrf(&["", "  "], &["", "\t"])?, 0.0);
        Ok(())
    }

    #[test]
    fn a_short_text_by_hand() -> Result<()> {
        // Of a, b, c two are in both; of ab, bc one; of abc none: precision and recall are (2/3 + 1/2 + 0) / 3.
        let half = (2.0 / 3.0 + 0.5) / 3.0;
        assert!((chrf(&["abc"], &["abd"])? - 100.0 * half).abs() < 1e-12);
        Ok(())
    }

    #[test]
    fn texts_without_partners_are_errors() {
        let error = |h: &[&str], r: &[&str]| chrf(h, r).unwrap_err().to_string();
        assert!(error(&["a", "b"], &["a"]).contains("2 hypotheses, got 1"), "{}", error(&["a", "b"], &["a"]));
        assert!(error(&[], &[]).contains("got none"));
    }
}
