//! A network that writes one sequence for another, such as a translation for a sentence, and what both are made of.

mod side;

pub use side::{Script, Side};

use crate::data::Dataset;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::generate::Generate;
use crate::layers::{
    Dense, Dropout, Input, LayerNormalization, Symbol, TokenAndPositionEmbedding, TransformerDecoder,
    TransformerEncoder,
};
use crate::losses::SparseCategoricalCrossentropy;
use crate::metrics::SparseCategoricalAccuracy;
use crate::model::Model;
use crate::optimizers::Adam;
use crate::schedules::LearningRate;
use crate::train::Trainer;
use serde_json::{Value, json};

/// The entry of a model file that says what its sequences are.
const ENTRY: &str = "sequences.json";

/// Sequences that are written at once.
const TOGETHER: usize = 256;

/// What a network reads and what it writes.
#[derive(Clone, Debug)]
pub struct Sequences {
    source: Side,
    target: Side,
}

/// The sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Numbers that stand for a token in each layer, a multiple of 32: each head of attention has 32 of them.
    pub width: usize,
    /// Layers of the encoder, and as many of the decoder.
    pub depth: usize,
    /// The share that training leaves out of what layers add.
    pub dropout: f64,
}

/// Numbers of a token that a head of attention compares.
pub const HEAD: usize = 32;

impl Sequences {
    /// What is read and what is written, each side with the vocabulary of its texts, which are those to learn from.
    ///
    /// # Errors
    /// Texts without a token, vocabularies without a place for one.
    pub fn adapt(pairs: &[(&str, &str)], source: Side, target: Side) -> Result<Sequences> {
        let (from, to): (Vec<&str>, Vec<&str>) = pairs.iter().copied().unzip();
        Ok(Sequences { source: source.adapt(&from, false)?, target: target.adapt(&to, true)? })
    }

    /// What the network reads.
    pub fn source(&self) -> &Side {
        &self.source
    }

    /// What it writes.
    pub fn target(&self) -> &Side {
        &self.target
    }

    /// Pairs to learn from by teacher forcing: at each place the decoder is given what should stand before it.
    ///
    /// ```text
    /// inputs    c a t 0 0    [START] K AE T 0 0
    /// targets                K AE T [END] 0 0
    /// ```
    ///
    /// Inputs int32 `(pairs, source length)` and `(pairs, target length + 1)`, targets like the second. What is longer
    /// than its side is cut off.
    ///
    /// # Errors
    /// No pairs.
    pub fn dataset(&self, pairs: &[(&str, &str)]) -> Result<Dataset> {
        let (from, to): (Vec<&str>, Vec<&str>) = pairs.iter().copied().unzip();
        let (given, wanted) = self.target.forced(&to)?;
        Dataset::new([self.source.numbers(&from)?, given], wanted)
    }

    /// An encoder and a decoder of transformers, with weights of seed 0: the probabilities of the token at each place
    /// of the target. What is read and written is attached to it, for [`Sequences::of`].
    ///
    /// Places behind the end of a sequence are masked, so that nothing attends to them and no loss counts them. What
    /// layers get is normalised (`normalize_first`), which trains without a rate that first grows.
    ///
    /// # Errors
    /// A width that is no multiple of 32, a dropout that is none.
    pub fn model(&self, sizes: Sizes) -> Result<Model> {
        let Sizes { width, depth, dropout } = sizes;
        let (heads, inner) = (check_width(width)?, 2 * width);
        let embedded = |side: &Side, steps: usize| -> Result<(Symbol, Symbol)> {
            let tokens = Input::with([steps], DType::I32, None);
            let embedding = TokenAndPositionEmbedding::new(side.tokens(), steps, width).mask_zero(true);
            let x = Dropout::new(dropout).call(&embedding.call(&tokens)?)?;
            Ok((tokens, x))
        };
        let (source, mut read) = embedded(&self.source, self.source.length())?;
        for _ in 0..depth {
            let layer = TransformerEncoder::new(inner, heads).dropout(dropout).normalize_first(true);
            read = layer.call(&read)?;
        }
        let read = LayerNormalization::new().call(&read)?;
        let (target, mut written) = embedded(&self.target, self.target.length() + 1)?;
        for _ in 0..depth {
            let layer = TransformerDecoder::new(inner, heads).dropout(dropout).normalize_first(true);
            written = layer.call([&written, &read])?;
        }
        let next = next_token(&written, dropout, self.target.tokens())?;
        let about = json!({ "source": self.source.to_json(), "target": self.target.to_json() });
        Model::new([&source, &target], &next)?.attach(ENTRY, about.to_string().into_bytes())
    }

    /// A trainer of `model` with Adam, by the cross-entropy of the tokens, beside it the share of them that is right.
    ///
    /// # Errors
    /// As [`Model::compile`].
    pub fn compile(&self, model: Model, learning_rate: impl Into<LearningRate>) -> Result<Trainer> {
        let accuracy = SparseCategoricalAccuracy::new().named("accuracy");
        model.compile(Adam::new(learning_rate), SparseCategoricalCrossentropy::new(), accuracy)
    }

    /// What is attached to a model; nothing where nothing is.
    ///
    /// # Errors
    /// An attachment that is damaged, or does not fit the model.
    pub fn of(model: &Model) -> Result<Option<Sequences>> {
        let Some(bytes) = model.attachment(ENTRY) else { return Ok(None) };
        let damaged = |what: String| Error::Data(format!("the model's `{ENTRY}` is damaged: {what}"));
        let value: Value = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        let side = |name: &str, framed: bool| {
            Side::from_json(&value[name], framed).map_err(|e| damaged(format!("its {name}: {e}")))
        };
        let sequences = Sequences { source: side("source", false)?, target: side("target", true)? };
        match sequences.fit(model) {
            true => Ok(Some(sequences)),
            false => Err(damaged("it is that of another model".into())),
        }
    }

    /// Whether a model takes and gives sequences like these.
    fn fit(&self, model: &Model) -> bool {
        let graph = model.graph();
        let steps = [self.source.length(), self.target.length() + 1];
        let taken = graph.inputs.iter().map(|(_, spec)| spec.dims.get(1).copied().flatten());
        let given = graph.outputs.first().and_then(|&output| graph.spec(output)).map(|spec| spec.dims.clone());
        taken.eq(steps.map(Some)) && given == Some(vec![None, Some(steps[1]), Some(self.target.tokens())])
    }

    /// How sequences are written unless told otherwise: the likeliest token at each place, until that is the end.
    pub fn generate(&self) -> Generate {
        Generate::max_length(self.target.length() + 1).stop_token_ids([self.target.end()])
    }

    /// What a model writes for each of these texts; what is longer than the source's length is cut off.
    ///
    /// # Errors
    /// As [`Model::generate_for`].
    pub fn write(&self, model: &Model, texts: &[&str], generate: &Generate) -> Result<Vec<String>> {
        let mut written = Vec::with_capacity(texts.len());
        for texts in texts.chunks(TOGETHER) {
            let prompts = vec![vec![self.target.begin()]; texts.len()];
            let generate = generate.behind(written.len());
            let sequences = model.generate_for(&[&self.source.numbers(texts)?], &prompts, &generate)?;
            written.extend(sequences.iter().map(|numbers| self.target.text(numbers)));
        }
        Ok(written)
    }
}

/// The heads of an attention of this width.
pub(super) fn check_width(width: usize) -> Result<usize> {
    match width > 0 && width.is_multiple_of(HEAD) {
        true => Ok(width / HEAD),
        false => Err(Error::Config(format!("argument `width`: expected a multiple of {HEAD}, got {width}"))),
    }
}

/// The probabilities of the token behind each place, of so many.
pub(super) fn next_token(written: &Symbol, dropout: f64, tokens: usize) -> Result<Symbol> {
    let written = Dropout::new(dropout).call(&LayerNormalization::new().call(written)?)?;
    Dense::new(tokens).softmax().call(&written)
}

#[cfg(test)]
mod tests;
