//! What a model's outputs say of classes.

use std::borrow::Cow;

/// A number for each class, of what a model gives for one sample: its outputs as they are, but of a single one, p,
/// which is how likely the second of two classes is, \[1 − p, p\].
///
/// ```
/// use uncrumple::explain::class_scores;
/// assert_eq!(class_scores(&[0.75])[..], [0.25, 0.75]);
/// assert_eq!(class_scores(&[0.5, 0.25, 0.25])[..], [0.5, 0.25, 0.25]);
/// ```
pub fn class_scores(outputs: &[f32]) -> Cow<'_, [f32]> {
    match *outputs {
        [p] => vec![1.0 - p, p].into(),
        _ => outputs.into(),
    }
}

/// The classes, those of the largest [scores](class_scores) first; of equals the lower number, as argmax has it. NaN is
/// above all, so that it does not pass unseen.
pub fn ranked(scores: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..scores.len()).collect();
    classes.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    classes
}

/// The first of the classes as they are [`ranked`]; 0 where there is none.
pub fn likeliest(scores: &[f32]) -> usize {
    let classes = scores.iter().enumerate();
    classes.rev().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equals_the_first_is_likeliest() {
        for (scores, want) in [
            (&[0.25f32, 0.5, 0.5, 0.1][..], &[1usize, 2, 0, 3][..]),
            (&[0.5, 0.5], &[0, 1]),
            (&[1.0, f32::NAN, f32::INFINITY], &[1, 2, 0]),
        ] {
            assert_eq!((ranked(scores), likeliest(scores)), (want.to_vec(), want[0]));
        }
        assert_eq!((ranked(&[]), likeliest(&[])), (vec![], 0));
        // Half is not yet the second class.
        assert_eq!([0.5, 0.51, 0.49].map(|p| likeliest(&class_scores(&[p]))), [0, 1, 0]);
    }
}
