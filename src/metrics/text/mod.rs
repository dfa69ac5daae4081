//! Scores of texts and other sequences: what a network wrote held against what it should have written.
//!
//! Unlike the other metrics these are not gathered on the device while a model trains: they want whole sequences, which
//! a decoder writes when training is done.

mod chrf;
mod error_rate;

pub use chrf::chrf;
pub use error_rate::{ErrorRate, error_rate};

use crate::error::{Error, Result};

/// Checks that there is something to score, and for each of it what it is held against.
fn check_lengths(hypotheses: usize, references: usize) -> Result<()> {
    match (hypotheses, references) {
        (0, 0) => Err(Error::Data("expected texts to score, got none".into())),
        (a, b) if a == b => Ok(()),
        _ => Err(Error::Data(format!("expected one reference for each of {hypotheses} hypotheses, got {references}"))),
    }
}
