//! Sentences in two languages.

use super::{folder, unzipped};
use crate::error::{Error, Result};
use std::path::Path;

/// A text in two languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Of 2 to 20 words.
    pub english: String,
    /// Of 1 to 24 words.
    pub spanish: String,
}

/// What LibreOffice says in English and in Spanish: 10 748 texts to train on and 1298 to test, from menu entries
/// (`Insert Row`) to sentences that explain them; five words of English on average.
///
/// Both parts are in an order that chance made. No English and no Spanish text of one part is in the other, whatever
/// its case, its punctuation and the numbers in it: texts that differ in nothing else are on one side.
///
/// # Errors
/// The folder `datasets/translations` is not there, or not what it was.
pub fn translations() -> Result<(Vec<Translation>, Vec<Translation>)> {
    let part = |name: &str| {
        let path = folder()?.join("translations").join(name);
        pairs(&unzipped(&path)?, &path)
    };
    Ok((part("train.tsv.gz")?, part("test.tsv.gz")?))
}

fn pairs(text: &str, path: &Path) -> Result<Vec<Translation>> {
    let pair = |(i, line): (usize, &str)| match line.split_once('\t') {
        Some((english, spanish)) => Ok(Translation { english: english.into(), spanish: spanish.into() }),
        None => Err(Error::file(path, format!("line {} is no English, tab and Spanish", i + 1))),
    };
    text.lines().enumerate().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn find<'a>(part: &'a [Translation], english: &str) -> Option<&'a str> {
        part.iter().find(|pair| pair.english == english).map(|pair| &pair.spanish[..])
    }

    #[test]
    fn the_translations_are_whole_and_plain() -> Result<()> {
        let (train, test) = translations()?;
        assert_eq!((train.len(), test.len()), (10_748, 1298));
        assert_eq!(find(&test, "Insert Row"), Some("Insertar fila"));
        assert_eq!(find(&test, "Delete Bitmap?"), Some("¿Quiere eliminar el mapa de bits?"));
        assert_eq!(
            find(&train, "Opens the editor and creates a new module."),
            Some("Abre el editor y crea un nuevo módulo.")
        );
        for Translation { english, spanish } in train.iter().chain(&test) {
            let words = [english, spanish].map(|text| text.split(' ').count());
            assert!((2..=20).contains(&words[0]) && (1..=24).contains(&words[1]), "{english}: {spanish}");
            let foreign = |c: char| "_~%$<>{}=|\\\t".contains(c) || c.is_control();
            assert!(!english.contains(foreign) && !spanish.contains(foreign), "{english}: {spanish}");
        }
        Ok(())
    }

    #[test]
    fn no_text_is_on_both_sides() -> Result<()> {
        let (train, test) = translations()?;
        let letters = |text: &str| -> String {
            let words = text.to_lowercase();
            let words = words.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(" ")
        };
        for side in [|pair: &Translation| pair.english.clone(), |pair: &Translation| pair.spanish.clone()] {
            let known: BTreeSet<String> = train.iter().map(|pair| letters(&side(pair))).collect();
            let leaks: Vec<_> = test.iter().filter(|pair| known.contains(&letters(&side(pair)))).collect();
            assert!(leaks.is_empty(), "{leaks:?}");
        }
        let all: Vec<_> = train.iter().chain(&test).map(|pair| pair.english.to_lowercase()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        Ok(())
    }

    #[test]
    fn a_line_without_a_tab_is_an_error() {
        let error = pairs("a\tb\nc\n", Path::new("train")).unwrap_err().to_string();
        assert!(error.contains("train") && error.contains("line 2"), "{error}");
    }
}
