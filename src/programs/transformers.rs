//! Networks of attention.

use super::{Kind, Objective, Program};
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{
    Add, Dense, GlobalMaxPooling1D, Input, LayerNormalization, PositionEmbedding, Precision, ReversibleEmbedding,
    Symbol, TokenAndPositionEmbedding, TransformerDecoder, TransformerEncoder,
};
use crate::losses::{BinaryCrossentropy, SparseCategoricalCrossentropy};
use crate::model::Model;
use crate::ops::Activation;
use crate::optimizers::{AdamW, Optimizer};

/// The sizes of a network that reads tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Tokens of a sequence.
    pub steps: usize,
    /// How many numbers a token can be.
    pub vocabulary: usize,
    /// Numbers that stand for a token within the network.
    pub width: usize,
    /// Heads of each attention.
    pub heads: usize,
}

const REVIEW: Sizes = Sizes { steps: 200, vocabulary: 20_000, width: 256, heads: 8 };
const SENTENCE: Sizes = Sizes { steps: 40, vocabulary: 8000, width: 256, heads: 8 };
const WINDOW: Sizes = Sizes { steps: 128, vocabulary: 8000, width: 256, heads: 8 };
/// Of GPT-2's 50,257 tokens so many as are a multiple of 128.
const PAGE: Sizes = Sizes { steps: 1024, vocabulary: 50_304, width: 768, heads: 12 };

impl Sizes {
    fn tokens(self) -> Symbol {
        Input::with([self.steps], DType::I32, None)
    }

    fn embed(self, tokens: &Symbol) -> Result<Symbol> {
        TokenAndPositionEmbedding::new(self.vocabulary, self.steps, self.width).call(tokens)
    }

    /// Blocks of a decoder alone, each of which normalises what it reads, and the normalisation behind them.
    fn decode(self, x: Symbol, blocks: usize, activation: Activation) -> Result<Symbol> {
        let block = || {
            TransformerDecoder::new(self.width.saturating_mul(4), self.heads)
                .activation(activation)
                .normalize_first(true)
        };
        let x = (0..blocks).try_fold(x, |x, _| block().call(&x))?;
        LayerNormalization::new().epsilon(1e-5).call(&x)
    }
}

/// The network of the program `encoder`: the probability of one of two classes.
///
/// # Errors
/// Sizes that are 0, more heads than the width.
pub fn encoder(sizes: Sizes) -> Result<Model> {
    let input = sizes.tokens();
    let x = TransformerEncoder::new(sizes.width, sizes.heads).call(&sizes.embed(&input)?)?;
    let output = Dense::new(1).sigmoid().call(&GlobalMaxPooling1D::new().call(&x)?)?;
    Model::new(&input, &output)
}

/// The network of the program `seq2seq`: a probability for each token at each place of the second sequence.
///
/// # Errors
/// As [`encoder`].
pub fn seq2seq(sizes: Sizes) -> Result<Model> {
    let (source, target) = (sizes.tokens(), sizes.tokens());
    let encoded = TransformerEncoder::new(sizes.width, sizes.heads).call(&sizes.embed(&source)?)?;
    let decoder = TransformerDecoder::new(sizes.width, sizes.heads);
    let decoded = decoder.call([&sizes.embed(&target)?, &encoded])?;
    Model::new([&source, &target], &Dense::new(sizes.vocabulary).softmax().call(&decoded)?)
}

/// The network of the program `gpt`, with so many blocks: the logits of the token behind each.
///
/// # Errors
/// As [`encoder`].
pub fn gpt(sizes: Sizes, blocks: usize) -> Result<Model> {
    let input = sizes.tokens();
    let x = sizes.decode(sizes.embed(&input)?, blocks, Activation::Gelu)?;
    Model::new(&input, &Dense::new(sizes.vocabulary).call(&x)?)
}

/// The network of the program `gpt2-124m`, with so many blocks: the logits of the token behind each, by the vectors
/// that stand for tokens.
///
/// # Errors
/// As [`encoder`].
pub fn gpt2(sizes: Sizes, blocks: usize) -> Result<Model> {
    let input = sizes.tokens();
    let words = ReversibleEmbedding::new(sizes.vocabulary, sizes.width).shared();
    let x = words.call(&input)?;
    let x = Add::new().call([&x, &PositionEmbedding::new(sizes.steps).call(&x)?])?;
    let x = sizes.decode(x, blocks, Activation::GeluTanh)?;
    Model::new(&input, &words.told("reverse", true)?.call(&x)?)
}

fn adamw() -> Box<dyn Optimizer> {
    AdamW::new(1e-3).into()
}

pub(super) const ENCODER: Program = Program {
    name: "encoder",
    about: "two classes: embedding 256, TransformerEncoder 256 with 8 heads, Dense 1 sigmoid on 200 tokens of 20,000",
    batch: (32, 256),
    inputs: &[Kind::Below(REVIEW.vocabulary, &[REVIEW.steps])],
    targets: &[Kind::Bits(&[1])],
    model: || encoder(REVIEW),
    objective: Objective::Loss(|| BinaryCrossentropy::new().into()),
    optimizer: adamw,
    precision: Precision::F32,
};

pub(super) const SEQ2SEQ: Program = Program {
    name: "seq2seq",
    about: "sentences to sentences: TransformerEncoder and TransformerDecoder 256 with 8 heads, 40 tokens of 8,000 each",
    batch: (32, 256),
    inputs: &[Kind::Below(SENTENCE.vocabulary, &[SENTENCE.steps]), Kind::Below(SENTENCE.vocabulary, &[SENTENCE.steps])],
    targets: &[Kind::Below(SENTENCE.vocabulary, &[SENTENCE.steps])],
    model: || seq2seq(SENTENCE),
    objective: Objective::Loss(|| SparseCategoricalCrossentropy::new().into()),
    optimizer: adamw,
    precision: Precision::F32,
};

pub(super) const GPT: Program = Program {
    name: "gpt",
    about: "the next token: 4 causal blocks of 256 with 8 heads, 128 tokens of 8,000",
    batch: (8, 64),
    inputs: &[Kind::Below(WINDOW.vocabulary, &[WINDOW.steps])],
    targets: &[Kind::Below(WINDOW.vocabulary, &[WINDOW.steps])],
    model: || gpt(WINDOW, 4),
    objective: Objective::Loss(|| SparseCategoricalCrossentropy::from_logits().into()),
    optimizer: adamw,
    precision: Precision::F32,
};

pub(super) const GPT2: Program = Program {
    name: "gpt2-124m",
    about: "GPT-2 small: 12 causal blocks of 768 with 12 heads, 1024 tokens of 50,304, the embedding is the output's too",
    batch: (1, 32),
    inputs: &[Kind::Below(PAGE.vocabulary, &[PAGE.steps])],
    targets: &[Kind::Below(PAGE.vocabulary, &[PAGE.steps])],
    model: || gpt2(PAGE, 12),
    objective: Objective::Loss(|| SparseCategoricalCrossentropy::from_logits().into()),
    optimizer: || AdamW::new(6e-4).global_clipnorm(1.0).into(),
    precision: Precision::MixedBf16,
};
