//! Strings as their places in a vocabulary.

use super::file::{Saved, State};
use super::lookup::Lookup;
use super::methods::{lookup_methods, vocabulary_methods};
use super::salt::Salt;
use super::strings::Strings;
use crate::config::Config;
use crate::error::Result;
use crate::tensor::Tensor;

/// Strings as their places in a vocabulary
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/categorical/string_lookup/)).
///
/// The mask, if there is one, has place 0; then come the places of unknown terms, then those of the vocabulary. In vectors
/// the mask has none. A vocabulary that is learnt has the most frequent terms first, of equally frequent ones the last by
/// their bytes. The place of an unknown term among `num_oov_indices` is its hash modulo their number: FarmHash's
/// Fingerprint64, or SipHash-2-4 with a `salt`.
///
/// Input: strings of any shape. Output: int32 of the same shape, or float32 vectors with an element for each place:
/// `one_hot` one for each string, which replaces a last axis of one string; `multi_hot`, `count` and `tf_idf` one for
/// those of the last axis together, of at most two. Default: the numbers.
///
/// ```
/// # use uncrumple::data::StringLookup;
/// # fn main() -> uncrumple::Result<()> {
/// let mut lookup = StringLookup::new();
/// lookup.adapt(&["b", "a", "b", "c"])?;
/// assert_eq!(lookup.get_vocabulary(), ["[UNK]", "b", "c", "a"]);
/// let places = lookup.call(&["a", "z"])?;
/// assert_eq!(places.to_vec::<i32>()?, [3, 0]);
/// assert_eq!(lookup.decode(&places)?.into_vec(), ["a", "[UNK]"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StringLookup {
    lookup: Lookup<String>,
}

lookup_methods!(StringLookup: String, "string_lookup", "[UNK]".to_string());

impl StringLookup {
    /// Learns the vocabulary of strings, and for `tf_idf` in how many documents each is: a document is a last axis, or
    /// each string of a single axis.
    ///
    /// # Errors
    /// A vocabulary that was given; data without a term; `max_tokens` that leaves no place for one.
    pub fn adapt<'a>(&mut self, strings: impl Into<Strings<'a>>) -> Result<()> {
        let (mut counts, strings) = (self.lookup.counts()?, strings.into());
        counts.add_all(strings.iter(), &strings.shape());
        self.lookup.learn(counts)
    }

    /// The places of these strings.
    ///
    /// # Errors
    /// No vocabulary; an unknown string where `num_oov_indices` is 0; more axes than the output takes.
    pub fn call<'a>(&self, strings: impl Into<Strings<'a>>) -> Result<Tensor> {
        let strings = strings.into();
        let places = self.lookup.finder()?.places(strings.iter())?;
        self.lookup.output.encode(&places, strings.shape(), self.lookup.depth(), self.lookup.idf())
    }

    /// The strings at these places: what the layer with `invert` does in Keras.
    ///
    /// # Errors
    /// A tensor of no whole numbers; an output other than numbers; no vocabulary.
    pub fn decode(&self, places: &Tensor) -> Result<Strings<'static>> {
        Strings::new(self.lookup.decode(places)?, places.shape())
    }
}
