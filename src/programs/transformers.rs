//! Networks of attention.

use super::{Kind, Program};
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

const WIDTH: usize = 256;
const HEADS: usize = 8;

/// Steps, and how many numbers a token can be.
type Text = (usize, usize);

const REVIEW: Text = (200, 20_000);
const SENTENCE: Text = (40, 8000);
const WINDOW: Text = (128, 8000);
/// Of GPT-2's 50,257 tokens so many as are a multiple of 128.
const PAGE: Text = (1024, 50_304);

fn adamw() -> Box<dyn Optimizer> {
    AdamW::new(1e-3).into()
}

fn tokens((steps, _): Text) -> Symbol {
    Input::with([steps], DType::I32, None)
}

fn embedded((steps, vocabulary): Text, tokens: &Symbol) -> Result<Symbol> {
    TokenAndPositionEmbedding::new(vocabulary, steps, WIDTH).call(tokens)
}

/// Blocks of a decoder alone, each of which normalises what it reads, and the normalisation behind them.
pub(super) fn decoder(x: Symbol, blocks: usize, width: usize, heads: usize, activation: Activation) -> Result<Symbol> {
    let block = || TransformerDecoder::new(4 * width, heads).activation(activation).normalize_first(true);
    let x = (0..blocks).try_fold(x, |x, _| block().call(&x))?;
    LayerNormalization::new().epsilon(1e-5).call(&x)
}

pub(super) const ENCODER: Program = Program {
    name: "encoder",
    about: "two classes: embedding 256, TransformerEncoder 256 with 8 heads, Dense 1 sigmoid on 200 tokens of 20,000",
    batch: (32, 256),
    inputs: &[Kind::Below(REVIEW.1, &[REVIEW.0])],
    targets: &[Kind::Bits(&[1])],
    model: || {
        let input = tokens(REVIEW);
        let x = TransformerEncoder::new(WIDTH, HEADS).call(&embedded(REVIEW, &input)?)?;
        let output = Dense::new(1).sigmoid().call(&GlobalMaxPooling1D::new().call(&x)?)?;
        Model::new(&input, &output)
    },
    loss: || BinaryCrossentropy::new().into(),
    optimizer: adamw,
    precision: Precision::F32,
};

pub(super) const SEQ2SEQ: Program = Program {
    name: "seq2seq",
    about: "sentences to sentences: TransformerEncoder and TransformerDecoder 256 with 8 heads, 40 tokens of 8,000 each",
    batch: (32, 256),
    inputs: &[Kind::Below(SENTENCE.1, &[SENTENCE.0]), Kind::Below(SENTENCE.1, &[SENTENCE.0])],
    targets: &[Kind::Below(SENTENCE.1, &[SENTENCE.0])],
    model: || {
        let (source, target) = (tokens(SENTENCE), tokens(SENTENCE));
        let encoded = TransformerEncoder::new(WIDTH, HEADS).call(&embedded(SENTENCE, &source)?)?;
        let decoder = TransformerDecoder::new(WIDTH, HEADS);
        let decoded = decoder.call([&embedded(SENTENCE, &target)?, &encoded])?;
        Model::new([&source, &target], &Dense::new(SENTENCE.1).softmax().call(&decoded)?)
    },
    loss: || SparseCategoricalCrossentropy::new().into(),
    optimizer: adamw,
    precision: Precision::F32,
};

pub(super) const GPT: Program = Program {
    name: "gpt",
    about: "the next token: 4 causal blocks of 256 with 8 heads, 128 tokens of 8,000",
    batch: (8, 64),
    inputs: &[Kind::Below(WINDOW.1, &[WINDOW.0])],
    targets: &[Kind::Below(WINDOW.1, &[WINDOW.0])],
    model: || {
        let input = tokens(WINDOW);
        let x = decoder(embedded(WINDOW, &input)?, 4, WIDTH, HEADS, Activation::Gelu)?;
        Model::new(&input, &Dense::new(WINDOW.1).call(&x)?)
    },
    loss: || SparseCategoricalCrossentropy::from_logits().into(),
    optimizer: adamw,
    precision: Precision::F32,
};

pub(super) const GPT2: Program = Program {
    name: "gpt2-124m",
    about: "GPT-2 small: 12 causal blocks of 768 with 12 heads, 1024 tokens of 50,304, the embedding is the output's too",
    batch: (1, 32),
    inputs: &[Kind::Below(PAGE.1, &[PAGE.0])],
    targets: &[Kind::Below(PAGE.1, &[PAGE.0])],
    model: || {
        let input = tokens(PAGE);
        let words = ReversibleEmbedding::new(PAGE.1, 768).shared();
        let x = words.call(&input)?;
        let x = Add::new().call([&x, &PositionEmbedding::new(PAGE.0).call(&x)?])?;
        let x = decoder(x, 12, 768, 12, Activation::GeluTanh)?;
        Model::new(&input, &words.told("reverse", true)?.call(&x)?)
    },
    loss: || SparseCategoricalCrossentropy::from_logits().into(),
    optimizer: || AdamW::new(6e-4).global_clipnorm(1.0).into(),
    precision: Precision::MixedBf16,
};
