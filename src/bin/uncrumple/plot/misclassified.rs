//! Pictures that were taken for what they are not.

use super::sheet::{Picture, Tile, sheet};
use super::short;
use std::path::Path;
use uncrumple::explain::{class_scores, likeliest};
use uncrumple::prelude::*;

/// How many are shown.
const SHOWN: usize = 40;
/// Characters of a name that are shown: a caption has two, and a row has eight captions.
const LONGEST: usize = 20;
const TITLE: &str = "Misclassified pictures";

/// A picture that was read wrong.
struct Mistake {
    sample: usize,
    label: usize,
    guess: usize,
    probability: f32,
}

/// A sheet of the pictures that were read wrong, those first that the model was surest of: `label → guess`, and the
/// probability of the guess.
///
/// `test` has one input, pictures of the extents (height, width, channels) however they are laid out, and their classes;
/// `probabilities` is what the model makes of them: (n, classes), or (n, 1) for that of the second of two. A class that has
/// no name is shown as its number.
pub fn misclassified(
    test: &Dataset,
    extents: [usize; 3],
    probabilities: &Tensor,
    names: &[impl AsRef<str>],
    path: &Path,
) -> Result<()> {
    let (line, tiles) = tiles(test, extents, probabilities, names)?;
    // What is larger than a digit would not be recognised as small.
    let side = if extents[0].max(extents[1]) > 64 { 192 } else { 112 };
    sheet(TITLE, &line, &tiles, side, path)
}

/// What there is to say of the mistakes, and those that are shown.
fn tiles(
    test: &Dataset,
    extents: [usize; 3],
    probabilities: &Tensor,
    names: &[impl AsRef<str>],
) -> Result<(String, Vec<Tile>)> {
    let mistakes = mistakes(&test.classes()?, probabilities)?;
    let shown = &mistakes[..mistakes.len().min(SHOWN)];
    let name = |class: usize| names.get(class).map_or_else(|| class.to_string(), |name| short(name.as_ref(), LONGEST));
    let mut tiles = Vec::new();
    for (mistake, picture) in shown.iter().zip(pictures(test, extents, shown)?) {
        let taken = format!("{} → {}", name(mistake.label), name(mistake.guess));
        tiles.push(Tile { picture, lines: vec![taken, format!("{:.1} %", mistake.probability * 100.0)] });
    }
    let line = match (mistakes.len(), test.len()) {
        (0, all) => format!("None of {all} test pictures was read wrong"),
        (wrong, all) if wrong <= SHOWN => format!("{wrong} of {all} test pictures were read wrong; the surest first"),
        (wrong, all) => format!("{wrong} of {all} test pictures were read wrong; the {SHOWN} surest are shown"),
    };
    Ok((line, tiles))
}

/// What is wrong, the surest first.
fn mistakes(labels: &[i64], probabilities: &Tensor) -> Result<Vec<Mistake>> {
    let shape = probabilities.shape();
    let [samples, classes] = shape[..] else {
        return Err(Error::Data(format!("expected probabilities (samples, classes), got {shape}")));
    };
    if samples != labels.len() || classes == 0 {
        let message = format!("expected probabilities of classes for {} pictures, got {shape}", labels.len());
        return Err(Error::Data(message));
    }
    let probabilities = probabilities.cast(DType::F32)?.to_vec::<f32>()?;
    let mut found = Vec::new();
    for (sample, (row, &label)) in probabilities.chunks_exact(classes).zip(labels).enumerate() {
        let scores = class_scores(row);
        let guess = likeliest(&scores);
        let probability = scores[guess];
        if let Ok(label) = usize::try_from(label)
            && label != guess
        {
            found.push(Mistake { sample, label, guess, probability });
        }
    }
    found.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    Ok(found)
}

/// The pictures of these samples. Numbers from 0 to 1 or to 255 are shown as they are, others between the smallest and the
/// largest of them.
fn pictures(test: &Dataset, extents: [usize; 3], shown: &[Mistake]) -> Result<Vec<Picture>> {
    let (size, input) = (extents.iter().product::<usize>(), &test.inputs()[0]);
    if input.shape().size() != size * test.len() {
        let message = format!("expected {} pictures of {extents:?}, got {}", test.len(), input.shape());
        return Err(Error::Data(message));
    }
    if shown.is_empty() || size == 0 {
        return Ok(Vec::new());
    }
    let samples: Vec<i32> = shown.iter().map(|mistake| mistake.sample as i32).collect();
    let samples = Tensor::from_slice(&samples, samples.len())?.to_device(&input.device())?;
    let numbers = input.gather(&samples)?.cast(DType::F32)?.to_vec::<f32>()?;
    let (low, high) = numbers.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    let (low, high) = match (low, high) {
        (0.0.., ..=1.0) if input.dtype().is_float() => (0.0, 1.0),
        (0.0.., ..=255.0) => (0.0, 255.0),
        other => other,
    };
    let shade = |x: f32| (x - low) / (high - low).max(f32::MIN_POSITIVE) * 255.0;
    Ok(numbers.chunks_exact(size).map(|numbers| Picture::of(extents, numbers, shade)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::sheet::assert_room;
    use super::*;

    fn set(pictures: &[f32], labels: &[i32]) -> Result<Dataset> {
        let n = labels.len();
        Dataset::new(Tensor::from_slice(pictures, [n, pictures.len() / n])?, Tensor::from_slice(labels, n)?)
    }

    #[test]
    fn the_surest_mistake_comes_first() -> Result<()> {
        let rows = [0.6f32, 0.3, 0.1, 0.2, 0.7, 0.1, 0.05, 0.9, 0.05, 0.4, 0.4, 0.2];
        let found = mistakes(&[1, 1, 2, 1], &Tensor::from_slice(&rows, [4, 3])?)?;
        let found: Vec<_> = found.iter().map(|m| (m.sample, m.label, m.guess, m.probability)).collect();
        assert_eq!(found, [(2, 2, 1, 0.9), (0, 1, 0, 0.6), (3, 1, 0, 0.4)]);
        // One number is the probability of the second of two classes.
        let found = mistakes(&[0, 1, 1], &Tensor::from_slice(&[0.75f32, 0.9, 0.125], [3, 1])?)?;
        let found: Vec<_> = found.iter().map(|m| (m.sample, m.label, m.guess, m.probability)).collect();
        assert_eq!(found, [(2, 1, 0, 0.875), (0, 0, 1, 0.75)]);
        assert!(mistakes(&[0], &Tensor::from_slice(&[0.5f32, 0.5], [2, 1])?).is_err());
        assert!(mistakes(&[0], &Tensor::from_slice(&[0.5f32], [1])?).is_err());
        Ok(())
    }

    #[test]
    fn numbers_of_every_range_become_shades() -> Result<()> {
        let shown = [Mistake { sample: 1, label: 0, guess: 1, probability: 1.0 }];
        for (numbers, want) in [([0.0, 0.2, 1.0], [0, 51, 255]), ([0.0, 51.0, 200.0], [0, 51, 200])] {
            let test = set(&[&[9.0; 3], &numbers[..]].concat(), &[0, 0])?;
            let picture = &pictures(&test, [1, 3, 1], &shown)?[0];
            assert_eq!(picture.pixels, want.map(|grey| [grey; 3]));
        }
        let test = set(&[9.0, 9.0, 9.0, -2.0, 0.0, 2.0], &[0, 0])?;
        assert_eq!(pictures(&test, [1, 3, 1], &shown)?[0].pixels, [[0; 3], [128; 3], [255; 3]]);
        assert!(pictures(&test, [2, 3, 1], &shown).is_err());
        Ok(())
    }

    #[test]
    fn a_sheet_is_made_with_and_without_mistakes() -> Result<()> {
        let folder = tempfile::tempdir().map_err(|e| Error::Config(e.to_string()))?;
        let path = folder.path().join("misclassified.png");
        let test = set(&(0..3 * 48).map(|i| i as f32 / 144.0).collect::<Vec<_>>(), &[0, 1, 0])?;
        for (rows, wrong) in [([0.9f32, 0.1, 0.2, 0.8, 1.0, 0.0], 0), ([0.1, 0.9, 0.8, 0.2, 0.4, 0.6], 3)] {
            let rows = Tensor::from_slice(&rows, [3, 2])?;
            for names in [["cat".into(), "dog".into()], ["c".repeat(200), "d".repeat(255)]] {
                let (line, tiles) = tiles(&test, [4, 4, 3], &rows, &names)?;
                assert_eq!(tiles.len(), wrong);
                assert!(tiles.iter().all(|tile| tile.lines[0].chars().count() <= 2 * LONGEST + 3));
                assert_room(TITLE, &line, &tiles, 112);
                misclassified(&test, [4, 4, 3], &rows, &names, &path)?;
                assert!(path.exists());
            }
        }
        Ok(())
    }
}
