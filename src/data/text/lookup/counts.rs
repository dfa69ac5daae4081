//! How a vocabulary is learnt.

use super::{Key, Lookup};
use crate::data::text::output::Output;
use crate::error::{Error, Result};
use std::collections::HashMap;

impl<K: Key> Lookup<K> {
    /// Begins to learn a vocabulary.
    pub fn counts(&self) -> Result<Counts<K>> {
        self.check()?;
        if self.fixed {
            let message = "cannot adapt to data after the vocabulary was given as an argument or a file";
            return Err(Error::Config(message.into()));
        }
        Ok(Counts { terms: HashMap::new(), documents: 0 })
    }

    /// Takes the terms that were counted as the vocabulary: the most frequent first, of equally frequent ones the last by
    /// their bytes.
    pub fn learn(&mut self, mut counts: Counts<K>) -> Result<()> {
        for special in self.mask_token.iter().chain([&self.oov_token]) {
            counts.terms.remove(special.borrow());
        }
        let start = self.token_start();
        let most = match self.max_tokens {
            Some(most) if most <= start => {
                let message = format!("expected more than {start}, which stand for no term, got {most}");
                return Err(Error::Config(format!("argument `max_tokens`: {message}")));
            }
            Some(most) => most - start,
            None => usize::MAX,
        };
        if counts.terms.is_empty() {
            return Err(Error::Data("there is no term in the data: expected at least one".into()));
        }
        let mut terms: Vec<(K, Count)> = counts.terms.into_iter().collect();
        terms.sort_unstable_by(|a, b| b.1.all.cmp(&a.1.all).then_with(|| b.0.cmp(&a.0)));
        terms.truncate(most);
        if i32::try_from(start + terms.len()).is_err() {
            return Err(Error::Data(format!("{} terms are more than int32 can number", terms.len())));
        }
        if self.output == Output::TfIdf {
            let documents = counts.documents as f64;
            let idf = |count: &Count| (1.0 + documents / (1.0 + count.documents as f64)).ln() as f32;
            let weights: Vec<f32> = terms.iter().map(|(_, count)| idf(count)).collect();
            let mean = (weights.iter().map(|&w| f64::from(w)).sum::<f64>() / weights.len() as f64) as f32;
            self.weights = Some(std::iter::repeat_n(mean, start).chain(weights).collect());
        }
        self.terms = Some(terms.into_iter().map(|(term, _)| term).collect());
        Ok(())
    }
}

/// How often a term is there, and in how many documents.
#[derive(Default)]
struct Count {
    all: u64,
    documents: u64,
    /// The last document that it was in.
    last: u64,
}

/// How often terms are there.
pub(in crate::data::text) struct Counts<K> {
    terms: HashMap<K, Count>,
    documents: u64,
}

impl<K: Key> Counts<K> {
    /// What follows is of another document.
    pub fn document(&mut self) {
        self.documents += 1;
    }

    pub fn add(&mut self, term: &K::Ref) {
        let count = match self.terms.get_mut(term) {
            Some(count) => count,
            None => self.terms.entry(term.to_owned()).or_default(),
        };
        count.all += 1;
        if count.last != self.documents {
            (count.last, count.documents) = (self.documents, count.documents + 1);
        }
    }

    /// The same for all terms of a shape, of which a last axis is a document, or each one of a single axis.
    pub fn add_all<'k>(&mut self, terms: impl Iterator<Item = &'k K::Ref>, axes: &[usize])
    where
        K::Ref: 'k,
    {
        let length = if axes.len() < 2 { 1 } else { axes[axes.len() - 1] };
        for (i, term) in terms.enumerate() {
            if i.is_multiple_of(length.max(1)) {
                self.document();
            }
            self.add(term);
        }
    }
}
