//! Words and how they are spoken.

use super::{folder, unzipped};
use crate::data::Table;
use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// The CMU Pronouncing Dictionary (Carnegie Mellon University): the columns `word`, in capital letters, and `phonemes`, which
/// of 39 American English sounds the word holds, without stress, in alphabetical order. Several pronunciations of one word
/// are several rows. What is not made of the letters A to Z alone (apostrophes, digits, punctuation) is left out.
///
/// # Errors
/// The folder `datasets/cmudict` is not there, or not what it was.
pub fn cmudict() -> Result<Table> {
    let path = folder()?.join("cmudict/dict.txt.gz");
    let text = unzipped(&path)?;
    let (mut words, mut sounds) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())) {
        let Some((word, spoken)) = line.split_once("  ") else {
            return Err(Error::file(&path, format!("`{line}` is no word and its sounds")));
        };
        // WORD(1) is another pronunciation of WORD.
        let word = word.split('(').next().unwrap_or(word);
        if word.bytes().all(|b| b.is_ascii_uppercase()) {
            let spoken: BTreeSet<&str> = spoken.split(' ').map(|s| s.trim_end_matches(['0', '1', '2'])).collect();
            words.push(word.to_string());
            sounds.push(spoken.into_iter().collect::<Vec<_>>().join(" "));
        }
    }
    Table::from_columns([("word", words), ("phonemes", sounds)])
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
}
