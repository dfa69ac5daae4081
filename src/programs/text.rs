//! Networks that read texts, and what each is given of one.

use super::tabular::Tabular;
use crate::data::{Dataset, Feature, FeatureSpace, Tokens};
use crate::error::{Error, Result};
use crate::layers::{
    Dense, Dropout, Embedding, GlobalAveragePooling1D, LSTM, Symbol, TokenAndPositionEmbedding, TransformerEncoder,
};
use crate::model::Model;

/// A network between a text and what is to be said of it.
pub struct Network {
    /// Its name: `lstm`.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// What it reads of a text.
    pub feature: Feature,
    /// From what it reads, of a sequence numbers below the second, to the features that an output adds up.
    body: fn(&Symbol, usize) -> Result<Symbol>,
}

/// Every network, in the order of a table that compares them.
pub const NETWORKS: &[Network] = &[BAG_OF_WORDS, LSTM_32, ENCODER];

/// Words of a text that are read in their order.
const WORDS: usize = 48;
const SEQUENCE: Feature =
    Feature::TextSequence { tokens: Tokens::Words, max_tokens: 5000, output_sequence_length: WORDS };

const BAG_OF_WORDS: Network = Network {
    name: "bag-of-words",
    about: "Dense 16 on which of the 2,000 most frequent words occur, in whatever order",
    feature: Feature::Text { tokens: Tokens::Words, ngrams: 1, max_tokens: 2000 },
    body: |words, _| Dropout::new(0.5).call(&Dense::new(16).relu().call(words)?),
};

const LSTM_32: Network = Network {
    name: "lstm",
    about: "Embedding 32, LSTM 32 over the first 48 words, of which the 5,000 most frequent are known: word after word",
    feature: SEQUENCE,
    body: |words, vocabulary| {
        let x = Embedding::new(vocabulary, 32).mask_zero(true).call(words)?;
        Dropout::new(0.5).call(&LSTM::new(32).call(&Dropout::new(0.5).call(&x)?)?)
    },
};

const ENCODER: Network = Network {
    name: "encoder",
    about: "Embedding 32 of the same words and of their places, TransformerEncoder 64 with 2 heads, their mean: all at once",
    feature: SEQUENCE,
    body: |words, vocabulary| {
        let x = TokenAndPositionEmbedding::new(vocabulary, WORDS, 32).mask_zero(true).call(words)?;
        let x = TransformerEncoder::new(64, 2).dropout(0.1).call(&Dropout::new(0.5).call(&x)?)?;
        Dropout::new(0.5).call(&GlobalAveragePooling1D::new().call(&x)?)
    },
};

impl Network {
    /// What it reads of a table with this column of texts; not adapted yet.
    pub fn space(&self, column: &str) -> FeatureSpace {
        FeatureSpace::new().feature(column, self.feature)
    }

    /// The model for a data set that `tabular` made, which must be the training part.
    ///
    /// # Errors
    /// A `tabular` of anything but one column of texts, read as this network reads them.
    pub fn model(&self, tabular: &Tabular, train: &Dataset) -> Result<Model> {
        let features: Vec<&str> = tabular.space.features().map(|(name, _)| name).collect();
        let [column] = features[..] else {
            return Err(Error::Config(format!("{}: reads one column, got {}", self.name, features.join(", "))));
        };
        let vocabulary = tabular.space.vocabulary_size(column);
        if vocabulary.is_some() != matches!(self.feature, Feature::TextSequence { .. }) {
            let message = format!("{}: column `{column}` is not read as this network reads it", self.name);
            return Err(Error::Config(message + ": take its `space`"));
        }
        tabular.model_around(train, |words| (self.body)(words, vocabulary.unwrap_or(0)))
    }
}
