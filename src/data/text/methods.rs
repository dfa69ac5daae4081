//! The methods that all have which hold a vocabulary.

/// The methods of a class whose field `lookup` has terms of the type `$key`.
macro_rules! vocabulary_methods {
    ($class:ident: $key:ty) => {
        impl $class {
            /// How many places there are at most, those of the mask and of unknown terms included. Default: no limit.
            pub fn max_tokens(mut self, max_tokens: usize) -> Self {
                self.lookup.max_tokens = Some(max_tokens);
                self
            }

            /// Whether vectors have `max_tokens` elements, however few terms there are. Default: false.
            pub fn pad_to_max_tokens(mut self, pad: bool) -> Self {
                self.lookup.pad_to_max_tokens = pad;
                self
            }

            /// A vector with a 1 at the place of each term that occurs in a row.
            pub fn multi_hot(mut self) -> Self {
                self.lookup.output = $crate::data::text::output::Output::MultiHot;
                self
            }

            /// A vector of how often each term occurs in a row.
            pub fn count(mut self) -> Self {
                self.lookup.output = $crate::data::text::output::Output::Count;
                self
            }

            /// A vector of how often each term occurs in a row, times ln(1 + documents / (1 + documents with the term)).
            /// An unknown term has the mean of these weights.
            pub fn tf_idf(mut self) -> Self {
                self.lookup.output = $crate::data::text::output::Output::TfIdf;
                self
            }

            /// The vocabulary, which `adapt` then no longer learns, after all other arguments. It may begin with the
            /// terms for the mask and for unknown ones, all of them in their order, or has none of these.
            ///
            /// # Errors
            /// An empty vocabulary; one with a term twice, with the mask elsewhere, or longer than `max_tokens`; one
            /// without weights for `tf_idf`.
            pub fn vocabulary(mut self, terms: impl IntoIterator<Item = impl Into<$key>>) -> Result<Self> {
                self.lookup.give(terms.into_iter().map(Into::into).collect(), None)?;
                Ok(self)
            }

            /// The same with the weights of `tf_idf`, one for each of these terms.
            ///
            /// # Errors
            /// As for [`Self::vocabulary`]; another number of weights than terms.
            pub fn vocabulary_with_idf(
                mut self,
                terms: impl IntoIterator<Item = impl Into<$key>>,
                idf_weights: impl Into<Vec<f64>>,
            ) -> Result<Self> {
                self.lookup.give(terms.into_iter().map(Into::into).collect(), Some(idf_weights.into()))?;
                Ok(self)
            }

            /// The same from a file of UTF-8 with one term on each line. Unlike in Keras it may begin with the terms for
            /// the mask and for unknown ones too.
            ///
            /// # Errors
            /// As for [`Self::vocabulary`]; a file that cannot be read.
            pub fn vocabulary_file(mut self, path: impl AsRef<std::path::Path>) -> Result<Self> {
                self.lookup.give_file(path.as_ref())?;
                Ok(self)
            }

            /// Replaces the vocabulary.
            ///
            /// # Errors
            /// As for [`Self::vocabulary`].
            pub fn set_vocabulary(&mut self, terms: impl IntoIterator<Item = impl Into<$key>>) -> Result<()> {
                self.lookup.set(terms.into_iter().map(Into::into).collect(), None)
            }

            /// Replaces the vocabulary and the weights of `tf_idf`, one for each of these terms.
            ///
            /// # Errors
            /// As for [`Self::vocabulary_with_idf`].
            pub fn set_vocabulary_with_idf(
                &mut self,
                terms: impl IntoIterator<Item = impl Into<$key>>,
                idf_weights: &[f64],
            ) -> Result<()> {
                self.lookup.set(terms.into_iter().map(Into::into).collect(), Some(idf_weights))
            }

            /// The term of each place, those for the mask and for unknown ones included.
            pub fn get_vocabulary(&self) -> Vec<$key> {
                self.lookup.vocabulary()
            }

            /// How many places there are.
            pub fn vocabulary_size(&self) -> usize {
                self.lookup.size()
            }

            /// What a count of each place is multiplied by, for `tf_idf`.
            pub fn idf_weights(&self) -> Option<&[f32]> {
                self.lookup.idf()
            }

            /// Writes a `.keras` file, atomically: a `Sequential` of this one layer, which Keras opens.
            ///
            /// # Errors
            /// A name that does not end in `.keras`; a file that cannot be written; arguments out of range.
            pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
                $crate::data::text::file::save(self, path.as_ref())
            }

            #[doc = concat!("What the one layer `", stringify!($class), "` of a `.keras` file describes, of Keras or of")]
            /// this engine, with its vocabulary.
            ///
            /// # Errors
            /// A file that is damaged, or has no such layer or several; an argument that this engine lacks.
            pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self> {
                $crate::data::text::file::load(path.as_ref())
            }
        }
    };
}
pub(super) use vocabulary_methods;

/// The methods of lookups that [`vocabulary_methods`] does not have.
macro_rules! lookup_methods {
    ($class:ident: $key:ty, $name:literal, $oov:expr) => {
        vocabulary_methods!($class: $key);

        impl Default for $class {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $class {
            /// A lookup without a vocabulary.
            pub fn new() -> Self {
                $class { lookup: Lookup::new(None, $oov) }
            }

            /// Places of unknown terms. With several, a term's is found by its hash; with none, an unknown term is an
            /// error. Default: 1.
            pub fn num_oov_indices(mut self, places: usize) -> Self {
                self.lookup.num_oov_indices = places;
                self
            }

            /// The term that stands for nothing: 0 as a number, and nowhere in vectors. Default: none.
            pub fn mask_token(mut self, token: impl Into<$key>) -> Self {
                self.lookup.mask_token = Some(token.into());
                self
            }

            /// What unknown terms are decoded to, which no data teaches.
            pub fn oov_token(mut self, token: impl Into<$key>) -> Self {
                self.lookup.oov_token = token.into();
                self
            }

            /// Whether the layer in files turns numbers into terms. Default: false.
            pub fn invert(mut self, invert: bool) -> Self {
                self.lookup.invert = invert;
                self
            }

            /// A vector with a 1 at the place of the term, for each term.
            pub fn one_hot(mut self) -> Self {
                self.lookup.output = $crate::data::text::output::Output::OneHot;
                self
            }

            /// The key of another hash, SipHash-2-4, by which unknown terms are placed. Default: none.
            pub fn salt(mut self, salt: impl Into<Salt>) -> Self {
                self.lookup.salt = Some(salt.into());
                self
            }

            /// The arguments, under Keras's names.
            pub fn config(&self) -> Config {
                self.lookup.config()
            }

            /// What a Keras config describes.
            ///
            /// # Errors
            /// An argument that is not what it should be, or that this engine lacks.
            pub fn from_config(config: &Config) -> Result<Self> {
                Ok($class { lookup: Lookup::from_config(config, None, $oov, &[])? })
            }
        }

        impl Saved for $class {
            const CLASS: &'static str = stringify!($class);
            const NAME: &'static str = $name;

            fn saved(&self) -> Result<State> {
                self.lookup.save(self.config())
            }

            fn restored(state: State) -> Result<Self> {
                let mut restored = Self::from_config(&state.config)?;
                restored.lookup.restore(state)?;
                Ok(restored)
            }
        }
    };
}
pub(super) use lookup_methods;
