//! Sentences of film critics, and how people felt them.

use super::{folder, unzipped};
use crate::data::Table;
use crate::error::{Error, Result};

/// What is nearer to zero is neither positive nor negative.
const NEUTRAL: f64 = 0.05;

/// 10 555 sentences from reviews of films (Pang and Lee, 2004), each rated by twenty people from −4 to 4 (Hutto and Gilbert,
/// [VADER](https://doi.org/10.1609/icwsm.v8i1.14550), 2014): the columns `text`, and `sentiment`, which is `positive` above a
/// mean of 0.05 and `negative` below −0.05. The 50 sentences in between are left out.
///
/// # Errors
/// The folder `datasets/movie-reviews` is not there, or not what it was.
pub fn movie_reviews() -> Result<Table> {
    let path = folder()?.join("movie-reviews/ratings.tsv.gz");
    let (mut texts, mut sentiments) = (Vec::new(), Vec::new());
    let text = unzipped(&path)?;
    for (i, line) in text.lines().enumerate() {
        let mut cells = line.splitn(3, '\t').skip(1);
        let rating = cells.next().and_then(|cell| cell.parse::<f64>().ok());
        let (Some(rating), Some(text)) = (rating, cells.next()) else {
            return Err(Error::file(&path, format!("line {} is no number, rating and text", i + 1)));
        };
        if rating.abs() > NEUTRAL {
            texts.push(text);
            sentiments.push(if rating > 0.0 { "positive" } else { "negative" });
        }
    }
    Table::from_columns([("text", texts), ("sentiment", sentiments)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reviews_are_whole() -> Result<()> {
        let table = movie_reviews()?;
        assert_eq!(table.column("sentiment")?.counts(), [("negative", 5322), ("positive", 5233)]);
        let first = table.column("text")?.cells().next().flatten().unwrap_or_default().to_owned();
        assert!(first.starts_with("The Rock is destined to be the 21st Century's new"), "{first}");
        Ok(())
    }
}
