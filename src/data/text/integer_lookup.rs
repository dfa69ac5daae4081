//! Whole numbers as their places in a vocabulary.

use super::file::{Saved, State};
use super::lookup::Lookup;
use super::methods::{lookup_methods, vocabulary_methods};
use super::salt::Salt;
use super::strings::integers;
use crate::config::Config;
use crate::error::Result;
use crate::tensor::Tensor;

/// Whole numbers as their places in a vocabulary
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/categorical/integer_lookup/)).
///
/// As [`StringLookup`](super::StringLookup), for tensors of int32, int64 or uint8: of equally frequent numbers the larger
/// comes first, unknown ones are decoded to −1, and the place of an unknown one is the number modulo `num_oov_indices`,
/// or that of the hash of its decimals with [`IntegerLookup::farmhash`].
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerLookup {
    lookup: Lookup<i64>,
}

lookup_methods!(IntegerLookup: i64, "integer_lookup", -1);

impl IntegerLookup {
    /// Places unknown numbers by their hashes: Keras's `oov_method` of that name. Default: by the remainder.
    pub fn farmhash(mut self) -> Self {
        self.lookup.farmhash = true;
        self
    }

    /// Learns the vocabulary of numbers, and for `tf_idf` in how many documents each is: a document is a last axis, or
    /// each number of a single axis.
    ///
    /// # Errors
    /// A vocabulary that was given; data without a term; a tensor of no whole numbers; `max_tokens` that leaves no place.
    pub fn adapt(&mut self, numbers: &Tensor) -> Result<()> {
        let mut counts = self.lookup.counts()?;
        counts.add_all(integers(numbers, "adapt")?.iter(), &numbers.shape());
        self.lookup.learn(counts)
    }

    /// The places of these numbers.
    ///
    /// # Errors
    /// No vocabulary; an unknown number where `num_oov_indices` is 0; more axes than the output takes.
    pub fn call(&self, numbers: &Tensor) -> Result<Tensor> {
        let places = self.lookup.finder()?.places(integers(numbers, "IntegerLookup")?.iter())?;
        self.lookup.output.encode(&places, numbers.shape(), self.lookup.depth(), self.lookup.idf())
    }

    /// The numbers at these places, int64: what the layer with `invert` does in Keras.
    ///
    /// # Errors
    /// A tensor of no whole numbers; an output other than numbers; no vocabulary.
    pub fn decode(&self, places: &Tensor) -> Result<Tensor> {
        Tensor::from_slice(&self.lookup.decode(places)?, places.shape())
    }
}
