//! A network that says in words what a picture shows.

use super::sequences::{Script, Side, Sizes, check_width, next_token};
use crate::data::{ColorMode, Dataset, load_img, resized};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::generate::Generate;
use crate::layers::{
    Activation, Add, BatchNormalization, Conv2D, Dropout, Input, LayerNormalization, PositionEmbedding,
    RandomTranslation, Reshape, Symbol, TokenAndPositionEmbedding, TransformerDecoder,
};
use crate::losses::SparseCategoricalCrossentropy;
use crate::metrics::SparseCategoricalAccuracy;
use crate::model::Model;
use crate::ops::Padding;
use crate::optimizers::AdamW;
use crate::schedules::LearningRate;
use crate::tensor::Tensor;
use crate::train::Trainer;
use serde_json::{Value, json};
use std::path::Path;

/// The entry of a model file that says what its captions are.
const ENTRY: &str = "captions.json";

/// The share of the words before that training does not tell.
const UNREAD: f64 = 0.3;

/// Captions that are written at once.
const TOGETHER: usize = 256;

/// Pictures of one size, and words for them.
#[derive(Clone, Debug)]
pub struct Captions {
    image: [usize; 3],
    words: Side,
}

impl Captions {
    /// Captions of so many words at most, made of those that these texts have, for pictures of these extents, of which
    /// height and width are multiples of 8, in one colour or three.
    ///
    /// # Errors
    /// Texts without a word, another number of channels.
    pub fn adapt(image: [usize; 3], texts: &[&str], length: usize) -> Result<Captions> {
        if !matches!(image[2], 1 | 3) {
            let message = format!("captions are of pictures of 1 or 3 channels, got {}", image[2]);
            return Err(Error::Config(message));
        }
        Ok(Captions { image, words: Side::new(Script::SmallWords, length).adapt(texts, true)? })
    }

    /// Height, width and channels of a picture.
    pub fn image(&self) -> [usize; 3] {
        self.image
    }

    /// What captions are made of.
    pub fn words(&self) -> &Side {
        &self.words
    }

    /// Pictures `(n, height, width, channels)` with values in [0, 1], and a caption for each, to learn from by teacher
    /// forcing: inputs are pictures and `[START] a caption`, targets `a caption [END]`, int32 `(n, length + 1)`.
    ///
    /// # Errors
    /// Another number of captions than of pictures.
    pub fn dataset(&self, pictures: &Tensor, texts: &[&str]) -> Result<Dataset> {
        let (given, wanted) = self.words.forced(texts)?;
        Dataset::new([pictures.clone(), given], wanted)
    }

    /// An encoder and a decoder, with weights of seed 0: the probabilities of the token at each place of the caption. What
    /// captions are is attached to it, for [`Captions::of`].
    ///
    /// Four convolutions make a vector of each 8 by 8 pixels; a decoder of transformers attends to them and to the words
    /// before ([Xu et al., 2015](https://arxiv.org/abs/1502.03044)). In training pictures are moved a little at random, and some
    /// words are not told.
    ///
    /// # Errors
    /// A width that is no multiple of 32, a dropout that is none, sides that are no multiples of 8.
    pub fn model(&self, sizes: Sizes) -> Result<Model> {
        let Sizes { width, depth, dropout } = sizes;
        let heads = check_width(width)?;
        let [height, across, _] = self.image;
        if !height.is_multiple_of(8) || !across.is_multiple_of(8) {
            let message = "captions are of pictures whose sides are multiples of 8";
            return Err(Error::Config(format!("{message}, got {height} x {across}")));
        }
        let (inner, steps) = (2 * width, self.words.length() + 1);
        let pictures = Input::new(self.image);
        let mut x = RandomTranslation::new(0.1, 0.1).call(&pictures)?;
        for (filters, strides) in [(width / 4, 1), (width / 2, 2), (width, 2), (width, 2)] {
            let conv = Conv2D::new(filters, 3).strides(strides).padding(Padding::Same).use_bias(false);
            x = Activation::relu().call(&BatchNormalization::new().call(&conv.call(&x)?)?)?;
        }
        let patches = height / 8 * (across / 8);
        let x = Reshape::new([patches as i64, width as i64]).call(&x)?;
        let places = PositionEmbedding::new(patches).call(&x)?;
        let seen = Dropout::new(dropout).call(&Add::new().call([&x, &places])?)?;
        let seen = LayerNormalization::new().call(&seen)?;
        let tokens = Input::with([steps], DType::I32, None);
        let embedding = TokenAndPositionEmbedding::new(self.words.tokens(), steps, width).mask_zero(true);
        let written = Dropout::new(dropout).call(&embedding.call(&tokens)?)?;
        // Whole words, so that the next one is not guessed from those before alone: names are soon known by heart.
        let mut written: Symbol = Dropout::new(UNREAD).noise_shape([None, None, Some(1)]).call(&written)?;
        for _ in 0..depth {
            let layer = TransformerDecoder::new(inner, heads).dropout(dropout).normalize_first(true);
            written = layer.call([&written, &seen])?;
        }
        let next = next_token(&written, dropout, self.words.tokens())?;
        let about = json!({ "image": self.image, "words": self.words.to_json() });
        Model::new([&pictures, &tokens], &next)?.attach(ENTRY, about.to_string().into_bytes())
    }

    /// A trainer of `model` with AdamW, by the cross-entropy of the tokens, beside it the share of them that is right.
    ///
    /// # Errors
    /// As [`Model::compile`].
    pub fn compile(&self, model: Model, learning_rate: impl Into<LearningRate>) -> Result<Trainer> {
        let accuracy = SparseCategoricalAccuracy::new().named("accuracy");
        model.compile(AdamW::new(learning_rate), SparseCategoricalCrossentropy::new(), accuracy)
    }

    /// What is attached to a model; nothing where nothing is.
    ///
    /// # Errors
    /// An attachment that is damaged, or does not fit the model.
    pub fn of(model: &Model) -> Result<Option<Captions>> {
        let Some(bytes) = model.attachment(ENTRY) else { return Ok(None) };
        let damaged = |what: String| Error::Data(format!("the model's `{ENTRY}` is damaged: {what}"));
        let value: Value = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        let image: Option<Vec<usize>> =
            value["image"].as_array().and_then(|dims| dims.iter().map(|n| usize::try_from(n.as_u64()?).ok()).collect());
        let image = image.and_then(|dims| <[usize; 3]>::try_from(dims).ok());
        let image = image.ok_or_else(|| damaged("it does not say what pictures are".into()))?;
        let words = Side::from_json(&value["words"], true).map_err(|e| damaged(format!("its words: {e}")))?;
        let captions = Captions { image, words };
        match captions.fits(model) {
            true => Ok(Some(captions)),
            false => Err(damaged("it is that of another model".into())),
        }
    }

    /// Whether a model reads pictures and gives tokens like these.
    fn fits(&self, model: &Model) -> bool {
        let graph = model.graph();
        let steps = self.words.length() + 1;
        let of_pictures: Vec<Option<usize>> = std::iter::once(None).chain(self.image.map(Some)).collect();
        let taken = [of_pictures, vec![None, Some(steps)]];
        let given = graph.outputs.first().and_then(|&output| graph.spec(output)).map(|spec| spec.dims.clone());
        graph.inputs.iter().map(|(_, spec)| &spec.dims).eq(&taken)
            && given == Some(vec![None, Some(steps), Some(self.words.tokens())])
            && matches!(self.image[2], 1 | 3)
    }

    /// The PNG and JPEG files as the network reads them, `(files, height, width, channels)`: in its size, as
    /// [`resized`], what is transparent on white.
    ///
    /// # Errors
    /// As [`load_img`].
    pub fn load(&self, files: &[impl AsRef<Path>]) -> Result<Tensor> {
        let [height, width, channels] = self.image;
        let read = |file| -> Result<Tensor> {
            let whole = load_img(file, ColorMode::Rgba)?.cast(DType::F32)?.mul_scalar(1.0 / 255.0)?;
            let alpha = whole.slice(2, 3..4)?;
            let on_white = whole.slice(2, 0..3)?.mul(&alpha)?.add(&alpha.rescale(-1.0, 1.0)?)?;
            let bytes = on_white.rescale(255.0, 0.5)?.cast(DType::U8)?;
            let picture = resized(&bytes, [height, width])?.cast(DType::F32)?.mul_scalar(1.0 / 255.0)?;
            let picture = if channels == 1 { picture.mean(&[2], true)? } else { picture };
            picture.reshape([1, height, width, channels])
        };
        let pictures = files.iter().map(read).collect::<Result<Vec<_>>>()?;
        Tensor::concatenate(&pictures.iter().collect::<Vec<_>>(), 0)
    }

    /// How captions are written unless told otherwise: the likeliest token at each place, until that is the end.
    pub fn generate(&self) -> Generate {
        Generate::max_length(self.words.length() + 1).stop_token_ids([self.words.end()])
    }

    /// What a model writes for each of these pictures, `(n, height, width, channels)` with values in [0, 1].
    ///
    /// # Errors
    /// As [`Model::generate_for`].
    pub fn write(&self, model: &Model, pictures: &Tensor, generate: &Generate) -> Result<Vec<String>> {
        let count = pictures.shape().first().copied().unwrap_or(0);
        let mut written = Vec::with_capacity(count);
        for first in (0..count).step_by(TOGETHER) {
            let some = pictures.slice(0, first..(first + TOGETHER).min(count))?;
            let prompts = vec![vec![self.words.begin()]; some.shape()[0]];
            let sequences = model.generate_for(&[&some], &prompts, &generate.behind(first))?;
            written.extend(sequences.iter().map(|numbers| self.words.text(numbers).to_lowercase()));
        }
        Ok(written)
    }
}
