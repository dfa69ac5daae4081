//! Words and how they are spoken.

use super::{folder, unzipped};
use crate::data::Table;
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// A word and how it is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// In capital letters, A to Z.
    pub word: String,
    /// Its pronunciations, at least one, the usual one first: each a sequence of the 39 phonemes.
    pub variants: Vec<Vec<String>>,
}

/// The CMU Pronouncing Dictionary (Carnegie Mellon University): the columns `word`, in capital letters, and `phonemes`,
/// which of 39 American English sounds the word holds, without stress, in alphabetical order. Several pronunciations of
/// one word are several rows. What is not made of the letters A to Z alone (apostrophes, digits, punctuation) is left
/// out.
///
/// # Errors
/// The folder `datasets/cmudict` is not there, or not what it was.
pub fn cmudict() -> Result<Table> {
    let (mut words, mut sounds) = (Vec::new(), Vec::new());
    each(|word, spoken| {
        let spoken: BTreeSet<&str> = spoken.collect();
        words.push(word.to_string());
        sounds.push(spoken.into_iter().collect::<Vec<_>>().join(" "));
    })?;
    Table::from_columns([("word", words), ("phonemes", sounds)])
}

/// The same dictionary to learn from spelling what is spoken: 116 506 words, each once, in alphabetical order, with all
/// its pronunciations, so that no split can put two of them on two sides.
///
/// Phonemes are without stress, as usual where phoneme error rates of this dictionary are stated: pronunciations that
/// differ in nothing else are one. What a network says is held against the nearest of the pronunciations
/// ([`metrics::text::error_rate`](crate::metrics::text::error_rate)). Words with apostrophes are left out with all
/// others that [`cmudict`] leaves out; nearly all of them are a possessive of a word that is there.
///
/// # Errors
/// The folder `datasets/cmudict` is not there, or not what it was.
pub fn pronunciations() -> Result<Vec<Spoken>> {
    let mut all: Vec<Spoken> = Vec::new();
    each(|word, spoken| {
        let spoken: Vec<String> = spoken.map(String::from).collect();
        match all.last_mut().filter(|last| last.word == word) {
            Some(last) if last.variants.contains(&spoken) => {}
            Some(last) => last.variants.push(spoken),
            None => all.push(Spoken { word: word.into(), variants: vec![spoken] }),
        }
    })?;
    Ok(all)
}

/// Calls `take` with each word of the letters A to Z and one of its pronunciations, without stress. Those of one word
/// follow each other.
fn each(take: impl FnMut(&str, &mut dyn Iterator<Item = &str>)) -> Result<()> {
    let path = folder()?.join("cmudict/dict.txt.gz");
    each_of(&unzipped(&path)?, &path, take)
}

fn each_of(text: &str, path: &Path, mut take: impl FnMut(&str, &mut dyn Iterator<Item = &str>)) -> Result<()> {
    for line in text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())) {
        let Some((word, spoken)) = line.split_once("  ") else {
            return Err(Error::file(path, format!("`{line}` is no word and its sounds")));
        };
        // WORD(1) is another pronunciation of WORD.
        let word = word.split('(').next().unwrap_or(word);
        if word.bytes().all(|b| b.is_ascii_uppercase()) {
            take(word, &mut spoken.split(' ').map(|s| s.trim_end_matches(['0', '1', '2'])));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_whole() -> Result<()> {
        let table = cmudict()?;
        let phonemes = table.column("phonemes")?;
        let sounds: BTreeSet<&str> = phonemes.cells().flatten().flat_map(|cell| cell.split(' ')).collect();
        assert_eq!((table.rows(), sounds.len()), (124_567, 39));
        let words = table.column("word")?.cells().zip(phonemes.cells());
        let cat = words.filter(|(word, _)| *word == Some("CAT")).collect::<Vec<_>>();
        assert_eq!(cat, [(Some("CAT"), Some("AE K T"))]);
        Ok(())
    }

    #[test]
    fn each_word_is_there_once_with_all_that_is_said() -> Result<()> {
        let all = pronunciations()?;
        let words: BTreeSet<&str> = all.iter().map(|spoken| &spoken.word[..]).collect();
        assert_eq!((all.len(), words.len()), (116_506, 116_506));
        let variants = || all.iter().flat_map(|spoken| &spoken.variants);
        assert_eq!(variants().count(), 124_277);
        assert_eq!(variants().flatten().map(|s| &s[..]).collect::<BTreeSet<&str>>().len(), 39);
        let said = |word: &str| {
            let spoken = all.iter().find(|spoken| spoken.word == word);
            spoken.map(|s| s.variants.iter().map(|v| v.join(" ")).collect::<Vec<_>>()).unwrap_or_default()
        };
        assert_eq!(said("PHONEME"), ["F OW N IY M"]);
        assert_eq!(said("RECORD"), ["R AH K AO R D", "R EH K ER D", "R IH K AO R D"]);
        // They differ in stress alone.
        assert_eq!(said("ADVERSE"), ["AE D V ER S"]);
        Ok(())
    }

    #[test]
    fn a_line_without_sounds_is_an_error() {
        let error = each_of("CAT  K AE1 T\nDOG\n", Path::new("dict"), |_, _| {}).unwrap_err().to_string();
        assert!(error.contains("dict") && error.contains("`DOG`"), "{error}");
    }
}
