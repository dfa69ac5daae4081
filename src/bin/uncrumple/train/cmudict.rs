//! `uncrumple train cmudict`: how a word is spoken, by its letters.

use super::sequences::{Defaults, EXAMPLES, Options, Pair, examples, figures};
use crate::say;
use clap::Args;
use std::collections::BTreeMap;
use uncrumple::data::datasets::Spoken;
use uncrumple::metrics::text::error_rate;
use uncrumple::prelude::*;
use uncrumple::programs::sequences::{Script, Sequences, Side, Sizes};

/// Learn to speak: the sounds of a word, in their order, from its letters
#[derive(Args)]
#[command(
    after_help = "The CMU Pronouncing Dictionary (datasets/cmudict): 116,506 English words and their pronunciations \
    of 39 phonemes without stress. Words of more than 16 letters or phonemes are left out. A twentieth is held out \
    for the test and a hundredth of the rest for validation, at random; forms of one word may be on several sides. \
    An encoder of transformers reads letters, a decoder writes phonemes; it learns the usual pronunciation of each \
    word (teacher forcing), by Adam and the cross-entropy. What it then writes for test words, the likeliest phoneme \
    each time, is held against the nearest of all their pronunciations, beside who speaks each letter by itself. By \
    default 2 + 2 layers of 128, batches of 64, 4 epochs without dropout, of all words: some 5 minutes of two CPU \
    cores. The learning rate rises to 0.001 in the first tenth of all steps, and falls to 0 along a cosine."
)]
pub struct Arguments {
    /// Words to take at most, evenly from the whole dictionary; 200 or more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(200..))]
    limit: Option<u32>,

    #[command(flatten)]
    options: Options,
}

/// Letters, and phonemes, of a word at most.
const LONGEST: usize = 16;

/// A word and its usual pronunciation, in phonemes between spaces.
type Entry = (String, String);

pub fn run(arguments: &Arguments) -> Result<()> {
    let started = arguments.options.start("cmudict")?;
    let mut all = datasets::pronunciations()?;
    if let Some(limit) = arguments.limit {
        let every = all.len().div_ceil(limit as usize);
        all = all.into_iter().step_by(every).collect();
    }
    let count = all.len();
    all.retain(|spoken| spoken.word.len() <= LONGEST && spoken.variants.iter().all(|v| v.len() <= LONGEST));
    let long = count - all.len();

    let seed = arguments.options.seed();
    let (rest, test) = Split::random().seed(seed).indices(all.len(), 0.05)?;
    let held_out = Split::random().seed(seed.wrapping_add(1)).indices(rest.len(), 0.01)?;
    let of = |rows: &[i32]| -> Vec<&Spoken> { rows.iter().map(|&row| &all[row as usize]).collect() };
    let (rest, test) = (of(&rest), of(&test));
    let [train, validation] = [held_out.0, held_out.1]
        .map(|rows| -> Vec<Entry> { rows.iter().map(|&row| entry(rest[row as usize])).collect() });
    let [train, validation] = [&train, &validation]
        .map(|part| part.iter().map(|(word, spoken)| (word.as_str(), spoken.as_str())).collect::<Vec<Pair>>());
    let [a, b, c] = [train.len(), validation.len(), test.len()];
    say(format!("words    {a} to train on, {b} for validation, {c} to be tested on (at random)"))?;
    say(format!("left out {long} of more than {LONGEST} letters or phonemes"))?;

    let [letters, phonemes] = [Script::Letters, Script::Symbols].map(|script| Side::new(script, LONGEST));
    let sequences = Sequences::adapt(&train, letters, phonemes)?;
    let defaults = Defaults {
        epochs: 4,
        batch_size: 64,
        sizes: Sizes { width: 128, depth: 2, dropout: 0.0 },
        learning_rate: 1e-3,
    };
    let parts = [&sequences.dataset(&train)?, &sequences.dataset(&validation)?];
    let Some(model) = started.learn(&sequences, parts, defaults)? else { return Ok(()) };

    let words: Vec<&str> = test.iter().map(|spoken| spoken.word.as_str()).collect();
    let written = sequences.write(&model, &words, &sequences.generate())?;
    let by_letter = by_letter(&train);
    let simple: Vec<String> = words.iter().map(|word| spell(&by_letter, word)).collect();
    let right: Vec<Vec<Vec<&str>>> = test.iter().map(|spoken| variants(spoken)).collect();
    let rate = |said: &[String]| -> Result<Vec<String>> {
        let said: Vec<Vec<&str>> =
            said.iter().map(|text| text.split(' ').filter(|s| !s.is_empty()).collect()).collect();
        let rate = error_rate(&said, &right)?;
        Ok([rate.tokens, rate.sequences].map(|share| format!("{:.2} %", share * 100.0)).to_vec())
    };
    let titles = [format!("{c} test words"), "wrong phonemes".into(), "wrong words".into()];
    figures(&titles, &[("network", rate(&written)?), ("baseline", rate(&simple)?)])?;
    say("The baseline speaks each letter by itself: as it is most often spoken in training words that have as many")?;
    say("phonemes as letters. Wrong phonemes are what must be put in, taken out or changed for the nearest variant.")?;

    let should: Vec<String> = test.iter().map(|spoken| entry(spoken).1).collect();
    let rows: Vec<[&str; 3]> = (0..test.len())
        .step_by(test.len().div_ceil(EXAMPLES))
        .map(|i| [words[i], written[i].as_str(), should[i].as_str()])
        .collect();
    examples(["word", "said", "should be"], &rows)?;
    started.finish()
}

fn entry(spoken: &Spoken) -> Entry {
    (spoken.word.clone(), spoken.variants.first().map(|variant| variant.join(" ")).unwrap_or_default())
}

fn variants(spoken: &Spoken) -> Vec<Vec<&str>> {
    spoken.variants.iter().map(|variant| variant.iter().map(String::as_str).collect()).collect()
}

/// The phoneme that most often has the place of each letter, in words with as many of either.
fn by_letter<'a>(train: &[Pair<'a>]) -> BTreeMap<char, &'a str> {
    let mut counts: BTreeMap<char, BTreeMap<&str, usize>> = BTreeMap::new();
    for (word, spoken) in train {
        let phonemes: Vec<&str> = spoken.split(' ').collect();
        if phonemes.len() == word.len() {
            for (letter, phoneme) in word.chars().zip(phonemes) {
                *counts.entry(letter).or_default().entry(phoneme).or_default() += 1;
            }
        }
    }
    let most = |counts: BTreeMap<&'a str, usize>| counts.into_iter().max_by_key(|(_, count)| *count);
    counts.into_iter().filter_map(|(letter, counts)| Some((letter, most(counts)?.0))).collect()
}

fn spell(by_letter: &BTreeMap<char, &str>, word: &str) -> String {
    word.chars().filter_map(|letter| by_letter.get(&letter).copied()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_spoken_as_in_words_of_one_phoneme_each() {
        let train = [("CAT", "K AE T"), ("CITY", "S IH T IY"), ("CAN", "K AE N"), ("THE", "DH AH")];
        let known = by_letter(&train);
        assert_eq!(spell(&known, "TACH"), "T AE K");
        assert_eq!(known.get(&'E'), None, "a word of fewer phonemes does not tell whose they are");
    }
}
