//! Plays and poems.

use super::{folder, unzipped};
use crate::error::{Error, Result};

/// A text and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Such as `Hamlet`.
    pub title: String,
    /// From the title page to the last line, in ASCII, as it was printed: speakers, stage directions, empty lines.
    pub text: String,
}

/// Shakespeare: 37 plays and 5 poems, 5 057 239 letters, one after the other in the order of Project Gutenberg's names
/// of them, which mixes comedies, histories and tragedies.
///
/// The last four works (two comedies, a tragedy, a romance) are a tenth of the letters, which makes them the part to
/// hold out: `works.split_at(38)`. Of their lines of 25 letters or more, 6 in 9730 stand in the other works too.
///
/// # Errors
/// The folder `datasets/shakespeare` is not there, or not what it was.
pub fn shakespeare() -> Result<Vec<Work>> {
    let path = folder()?.join("shakespeare/works.txt.gz");
    let all = unzipped(&path)?;
    // A form feed stands before each title.
    let works = all.split('\x0c').skip(1).map(|work| {
        let (title, text) = work.split_once('\n')?;
        Some(Work { title: title.into(), text: text.into() })
    });
    let works: Option<Vec<Work>> = works.collect();
    works
        .filter(|works| !works.is_empty())
        .ok_or_else(|| Error::file(&path, "does not hold works: each is a form feed, a title, a line feed and a text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_works_are_whole() -> Result<()> {
        let works = shakespeare()?;
        assert_eq!((works.len(), works.iter().map(|work| work.text.len()).sum::<usize>()), (42, 5_057_239));
        assert!(works.iter().all(|work| work.text.is_ascii() && !work.title.is_empty()));
        let hamlet = works.iter().find(|work| work.title == "Hamlet").map_or("", |work| &work.text);
        assert!(hamlet.starts_with("HAMLET, PRINCE OF DENMARK\n\nby William Shakespeare\n"));
        assert!(hamlet.contains("\nTo be, or not to be,--that is the question:--\n"));
        assert!(
            hamlet
                .ends_with("[Exeunt, bearing off the dead bodies; after the which a peal of\nordnance is shot off.]\n")
        );
        Ok(())
    }

    #[test]
    fn the_last_works_are_a_tenth_and_new() -> Result<()> {
        let works = shakespeare()?;
        let (kept, held_out) = works.split_at(38);
        let titles: Vec<&str> = held_out.iter().map(|work| &work.title[..]).collect();
        assert_eq!(titles, ["Troilus and Cressida", "Twelfth Night", "Two Gentlemen of Verona", "The Winter's Tale"]);
        let letters = |works: &[Work]| works.iter().map(|work| work.text.len()).sum::<usize>();
        assert_eq!(100 * letters(held_out) / letters(&works), 10);
        let long = |works: &[Work]| -> Vec<String> {
            let lines = works.iter().flat_map(|work| work.text.lines().map(str::trim));
            lines.filter(|line| line.len() >= 25).map(String::from).collect()
        };
        let known: BTreeSet<String> = long(kept).into_iter().collect();
        let lines = long(held_out);
        assert_eq!((lines.len(), lines.iter().filter(|line| known.contains(*line)).count()), (9730, 6));
        Ok(())
    }
}
