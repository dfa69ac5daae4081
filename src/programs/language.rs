//! A network that writes texts character by character, and what it knows of characters.

use super::transformers::{Sizes, gpt};
use crate::data::{Dataset, StringLookup};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::tensor::Tensor;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

/// Characters that the network sees at a time.
pub const CONTEXT: usize = 128;
/// Its causal blocks, the numbers that they pass on for each character, and the heads of their attention.
pub const BLOCKS: usize = 4;
/// As [`BLOCKS`].
pub const WIDTH: usize = 128;
/// As [`BLOCKS`].
pub const HEADS: usize = 4;

/// The entry of a model file that has its characters.
const ENTRY: &str = "vocabulary.json";
/// Characters that an error names.
const NAMED: usize = 20;

/// A network for so many characters: the logits of the one behind each of [`CONTEXT`].
///
/// # Errors
/// No characters.
pub fn network(characters: usize) -> Result<Model> {
    gpt(Sizes { steps: CONTEXT, vocabulary: characters, width: WIDTH, heads: HEADS }, BLOCKS)
}

/// The characters of a text as numbers: 0 stands for all that are unknown, then come the others by their code points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Characters {
    known: Vec<char>,
    numbers: HashMap<char, i32>,
}

impl Characters {
    /// Those that a text has.
    pub fn of_text(text: &str) -> Characters {
        Characters::new(text.chars().collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn new(known: Vec<char>) -> Characters {
        let numbers = known.iter().copied().zip(1..).collect();
        Characters { known, numbers }
    }

    /// How many there are, the one for all unknown included.
    pub fn count(&self) -> usize {
        self.known.len() + 1
    }

    /// The number of each character of a text.
    pub fn numbers(&self, text: &str) -> Vec<i32> {
        text.chars().map(|c| self.numbers.get(&c).copied().unwrap_or(0)).collect()
    }

    /// The same for a text of which every character must be known.
    ///
    /// # Errors
    /// Characters that are not, which it names.
    pub fn known_numbers(&self, text: &str) -> Result<Vec<i32>> {
        let unknown: BTreeSet<char> = text.chars().filter(|c| !self.numbers.contains_key(c)).collect();
        if unknown.is_empty() {
            return Ok(self.numbers(text));
        }
        let characters = if unknown.len() == 1 { "character" } else { "characters" };
        let unknown: Vec<String> = unknown.iter().take(NAMED).map(|c| format!("{c:?}")).collect();
        let (unknown, known) = (unknown.join(" "), self.known.iter().take(10 * NAMED).collect::<String>());
        Err(Error::Data(format!("the model does not know the {characters} {unknown}: it knows {known:?}")))
    }

    /// The text of these numbers, in which unknown characters are U+FFFD.
    pub fn text(&self, numbers: &[i32]) -> String {
        let character = |&number: &i32| {
            let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            at.and_then(|at| self.known.get(at)).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
        };
        numbers.iter().map(character).collect()
    }

    /// The model with this beside it in its file, for [`Characters::of`]: the config of the
    /// [`StringLookup`] that gives the same numbers.
    ///
    /// # Errors
    /// As [`Model::attach`]; no characters.
    pub fn attach(&self, model: Model) -> Result<Model> {
        let lookup = StringLookup::new().vocabulary(self.known.iter().copied().map(String::from))?;
        let value = json!({ "class_name": "StringLookup", "config": lookup.config() });
        model.attach(ENTRY, value.to_string().into_bytes())
    }

    /// What is attached to a model; nothing if nothing is.
    ///
    /// # Errors
    /// An attachment that is damaged, or does not fit the model.
    pub fn of(model: &Model) -> Result<Option<Characters>> {
        let Some(bytes) = model.attachment(ENTRY) else { return Ok(None) };
        let damaged = |what: &str| Error::Data(format!("the model's `{ENTRY}` is damaged: {what}"));
        let value: Value = serde_json::from_slice(bytes).map_err(|e| damaged(&e.to_string()))?;
        let config = value.get("config").and_then(Value::as_object).ok_or_else(|| damaged("it has no config"))?;
        let lookup = StringLookup::from_config(config).map_err(|e| damaged(&e.to_string()))?;
        let single = |term: &String| {
            let mut characters = term.chars();
            characters.next().filter(|_| characters.next().is_none())
        };
        // The first stands for all that are unknown.
        let known: Option<Vec<char>> = lookup.get_vocabulary().iter().skip(1).map(single).collect();
        let known = known.filter(|known| !known.is_empty());
        let characters = Characters::new(known.ok_or_else(|| damaged("it is no list of characters"))?);
        let plain = StringLookup::new().vocabulary(characters.known.iter().copied().map(String::from))?;
        if lookup.config() != plain.config() {
            return Err(damaged("it numbers characters in another way than from 1 on"));
        }
        let graph = model.graph();
        let gives = graph.outputs.first().and_then(|&output| graph.spec(output)?.dims.last().copied().flatten());
        match gives == Some(characters.count()) {
            true => Ok(Some(characters)),
            false => Err(damaged("it is that of another model")),
        }
    }
}

/// A text as windows of `length` characters, each with the ones behind them: but for the first and for what is too short to
/// be a window in the end, every character is to be foretold once.
///
/// # Errors
/// A text that is no longer than a window.
pub fn windows(text: &[i32], length: usize) -> Result<Dataset> {
    let count = text.len().saturating_sub(1).checked_div(length).unwrap_or(0);
    if count == 0 {
        let message = format!("a window has {length} characters and the one behind them, the text {}", text.len());
        return Err(Error::Data(message));
    }
    let rows = |first: usize| Tensor::from_slice(&text[first..first + count * length], [count, length]);
    Dataset::new(rows(0)?, rows(1)?)
}

/// How often characters follow others in a text: the forecast of who looks one character back, or at none.
#[derive(Clone, Debug)]
pub struct Frequencies {
    count: usize,
    /// Of each character, and behind each character of each.
    single: Vec<f64>,
    pairs: Vec<f64>,
}

impl Frequencies {
    /// Those of a text, of numbers below `count`; once more than they are, so that nothing is impossible.
    ///
    /// # Errors
    /// A number that is not below `count`, so many that all pairs do not fit in memory.
    pub fn new(text: &[i32], count: usize) -> Result<Frequencies> {
        if count > 1 << 12 || text.iter().any(|&n| usize::try_from(n).map_or(true, |n| n >= count)) {
            return Err(Error::Data(format!("expected numbers of at most 4096 characters, below {count}")));
        }
        let (mut single, mut pairs) = (vec![1.0; count], vec![1.0; count * count]);
        text.iter().for_each(|&n| single[n as usize] += 1.0);
        text.windows(2).for_each(|pair| pairs[pair[0] as usize * count + pair[1] as usize] += 1.0);
        let normalised = |counts: &mut [f64]| {
            let all: f64 = counts.iter().sum();
            counts.iter_mut().for_each(|n| *n /= all);
        };
        normalised(&mut single);
        pairs.chunks_mut(count).for_each(normalised);
        Ok(Frequencies { count, single, pairs })
    }

    /// The mean of −ln p over all characters that windows ask for, in nats: by how often each character is, and by which it
    /// follows.
    ///
    /// # Errors
    /// Windows of other numbers.
    pub fn losses(&self, windows: &Dataset) -> Result<[f64; 2]> {
        let [before, next] = [windows.inputs(), windows.targets()].map(|all| all[0].to_vec::<i32>());
        let (before, next) = (before?, next?);
        let mut sums = [0.0; 2];
        for (&a, &b) in before.iter().zip(&next) {
            let pair = (a as usize).checked_mul(self.count).and_then(|row| row.checked_add(b as usize));
            let p = [self.single.get(b as usize), pair.and_then(|pair| self.pairs.get(pair))];
            let [Some(single), Some(pair)] = p else {
                return Err(Error::Data(format!("expected characters below {}, got {a} and {b}", self.count)));
            };
            sums = [sums[0] - single.ln(), sums[1] - pair.ln()];
        }
        Ok(sums.map(|sum| sum / next.len() as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_numbers_and_back() -> Result<()> {
        let characters = Characters::of_text("to be,\nor");
        assert_eq!(characters.count(), 9);
        let numbers = characters.known_numbers("bore\n")?;
        assert_eq!(numbers, [4, 6, 7, 5, 1]);
        assert_eq!(characters.text(&numbers), "bore\n");
        assert_eq!(characters.text(&characters.numbers("oé")), "o\u{fffd}");
        assert_eq!(characters.text(&[-1, 0, 9]), "\u{fffd}\u{fffd}\u{fffd}");
        let error = characters.known_numbers("Übe!r!").unwrap_err().to_string();
        assert!(error.ends_with(r#"the characters '!' 'Ü': it knows "\n ,beort""#), "{error}");
        Ok(())
    }

    #[test]
    fn the_characters_are_in_the_file() -> Result<()> {
        let characters = Characters::of_text("\n abc\"é");
        let folder = tempfile::tempdir().map_err(|source| Error::Io { path: "folder".into(), source })?;
        let path = folder.path().join("m.keras");
        let model = network(characters.count())?;
        assert_eq!(Characters::of(&model)?, None);
        characters.attach(model.clone())?.save(&path)?;
        assert_eq!(Characters::of(&Model::load(&path)?)?, Some(characters.clone()));

        let text = String::from_utf8_lossy(characters.attach(model.clone())?.attachment(ENTRY).unwrap_or_default())
            .into_owned();
        for (from, to) in [
            ("\"a\"", "\"ab\""),
            ("\"a\"", "\"\""),
            ("\"a\"", "\"b\""),
            ("\"a\",", ""),
            ("\"num_oov_indices\":1", "\"num_oov_indices\":2"),
            ("\"output_mode\":\"int\"", "\"output_mode\":\"one_hot\""),
            ("\"invert\":false", "\"invert\":true"),
            ("config", "confi"),
            ("{", "["),
        ] {
            assert!(text.contains(from), "{from} in {text}");
            let error = Characters::of(&model.clone().attach(ENTRY, text.replace(from, to).into_bytes())?);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("`vocabulary.json` is damaged"), "{to}: {error}");
        }
        Ok(())
    }

    #[test]
    fn every_character_is_foretold_once() -> Result<()> {
        let text: Vec<i32> = (0..12).collect();
        let data = windows(&text, 5)?;
        assert_eq!(data.inputs()[0].shape()[..], [2, 5]);
        assert_eq!(data.inputs()[0].to_vec::<i32>()?, (0..10).collect::<Vec<_>>());
        assert_eq!(data.targets()[0].to_vec::<i32>()?, (1..11).collect::<Vec<_>>());
        assert_eq!(windows(&text[..11], 5)?.len(), 2);
        assert_eq!(windows(&text[..10], 5)?.len(), 1);
        assert!(windows(&text[..5], 5).is_err() && windows(&[], 5).is_err() && windows(&text, 0).is_err());
        Ok(())
    }

    #[test]
    fn frequencies_are_those_of_the_text() -> Result<()> {
        // 0 1 0 1 0 2: singles 3, 2, 1 and each once more; behind 0 there are 1, 1 and 2.
        let frequencies = Frequencies::new(&[0, 1, 0, 1, 0, 2], 3)?;
        let data = windows(&[0, 1, 2], 2)?;
        let [single, pair] = frequencies.losses(&data)?;
        let want = |p: [f64; 2]| -(p[0].ln() + p[1].ln()) / 2.0;
        assert!((single - want([3.0 / 9.0, 2.0 / 9.0])).abs() < 1e-12, "{single}");
        assert!((pair - want([3.0 / 6.0, 1.0 / 5.0])).abs() < 1e-12, "{pair}");
        assert!(Frequencies::new(&[3], 3).is_err() && Frequencies::new(&[-1], 3).is_err());
        assert!(frequencies.losses(&windows(&[0, 5], 1)?).is_err());
        Ok(())
    }

    #[test]
    fn the_network_sees_what_is_before_alone() -> Result<()> {
        let model = network(9)?;
        let mut text: Vec<i32> = (0..CONTEXT as i32).map(|i| i * 5 % 9).collect();
        let logits = |text: &[i32]| -> Result<Vec<f32>> {
            model.predict(&Tensor::from_slice(text, [1, CONTEXT])?)?.to_vec::<f32>()
        };
        let before = logits(&text)?;
        text[100] = (text[100] + 1) % 9;
        let after = logits(&text)?;
        let same = before.iter().zip(&after).take_while(|(a, b)| a.to_bits() == b.to_bits()).count();
        assert!((100 * 9..101 * 9).contains(&same), "{same}");
        Ok(())
    }
}
