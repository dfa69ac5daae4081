//! Texts and categories as numbers: Keras's layers for them, which are steps before a model here, since tensors have no
//! strings.
//!
//! One file each. They learn from data by `adapt`, and are saved as models of the one layer, which Keras opens.

mod farmhash;
mod file;
mod hashing;
mod integer_lookup;
mod lookup;
mod methods;
mod output;
mod salt;
mod string_lookup;
mod strings;
mod text_vectorization;
#[cfg(feature = "tokenizers")]
mod tokenizer;

pub use hashing::{Hashing, MaskValue};
pub use integer_lookup::IntegerLookup;
pub use salt::Salt;
pub use string_lookup::StringLookup;
pub use strings::{Keys, Strings};
pub use text_vectorization::{Ngrams, SplitOn, Standardize, TextVectorization};
#[cfg(feature = "tokenizers")]
pub use tokenizer::{Encoding, Tokenizer};
