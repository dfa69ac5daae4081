//! A U-Net that denoises.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::Zeros;
use crate::layers::{
    Add, AveragePooling2D, BatchNormalization, Concatenate, Conv2D, Conv2DTranspose, Embedding, Input,
    LayerNormalization, MultiHeadAttention, Precision, Reshape, SinusoidalEmbedding, Symbol, TokenAndPositionEmbedding,
    TransformerEncoder, UpSampling2D,
};
use crate::model::Model;
use crate::ops::Padding;

/// What a network is told of a picture that is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// Its class, int32 `(batch, 1)` from 1 to so many; 0 stands for none.
    Class(usize),
    /// A text, int32 `(batch, length)` of tokens below `tokens`, with 0 behind its end; 0 throughout stands for none.
    Text {
        /// How many numbers a token can be.
        tokens: usize,
        /// Tokens that a text has at most.
        length: usize,
    },
}

/// A U-Net that denoises pictures ([Ronneberger et al., 2015](https://arxiv.org/abs/1505.04597), as in [Keras's
/// example](https://keras.io/examples/generative/ddim/)).
///
/// It reads pictures `(batch, height, width, channels)`, the variance of their noise `(batch, 1, 1, 1)`, and its
/// [`Condition`] if there is one, and answers in the pictures' shape. Each level but the last is halved by average-pooling
/// on the way down, and doubled by repeating pixels on the way up, where it sees again what it saw on the way down. The
/// variance, as 32 sines and cosines, and the class stand beside the first features. A text is read by a transformer, and
/// the last two levels attend to its tokens (cross-attention, [Rombach et al.,
/// 2021](https://arxiv.org/abs/2112.10752)).
#[derive(Clone, Debug, PartialEq)]
pub struct UNet {
    image: [usize; 3],
    widths: Vec<usize>,
    blocks: usize,
    patch: usize,
    condition: Condition,
}

/// Numbers that stand for the variance of the noise, and for a class.
const EMBEDDING: usize = 32;
/// Numbers that stand for a token of a text, and for it in each of the attention's heads.
const TOKEN: usize = 64;
const HEAD: usize = 32;
/// Levels that attend to a text, from the last one up: those above have many pixels, and little to say of the whole.
const ATTENDING: usize = 2;

impl UNet {
    /// A network for pictures of these extents, with a level for each width, the features of a pixel there, and so many
    /// residual blocks a level on each way.
    pub fn new(image: [usize; 3], widths: impl Into<Vec<usize>>, blocks: usize) -> UNet {
        UNet { image, widths: widths.into(), blocks, patch: 1, condition: Condition::None }
    }

    /// The side of the squares of pixels that the first layer takes together, and the last takes apart; by default 1.
    pub fn patch(mut self, patch: usize) -> UNet {
        self.patch = patch;
        self
    }

    /// What the network is told; by default nothing.
    pub fn condition(mut self, condition: Condition) -> UNet {
        self.condition = condition;
        self
    }

    /// The network, its weights drawn from seed 0.
    ///
    /// # Errors
    /// No levels, blocks or classes, a picture whose sides cannot be halved as often as there are levels, sizes that are 0.
    pub fn model(&self) -> Result<Model> {
        let UNet { image: [height, width, channels], ref widths, blocks, patch, condition } = *self;
        let Some((&last, above)) = widths.split_last() else {
            return Err(Error::Config("argument `widths`: expected one level at least, got none".into()));
        };
        if condition == Condition::Class(0) {
            return Err(Error::Config("argument `condition`: expected one class at least, got none".into()));
        }
        let parts = patch.saturating_mul(1usize.checked_shl(above.len() as u32).unwrap_or(0));
        if blocks == 0
            || parts == 0
            || !height.is_multiple_of(parts)
            || !width.is_multiple_of(parts)
            || height * width == 0
        {
            let levels = widths.len();
            return Err(Error::Config(format!(
                "a U-Net of {levels} levels, {blocks} blocks and patches of {patch} wants one block at least and pictures \
                 whose sides are multiples of {parts}, got {height} x {width}"
            )));
        }
        let (pictures, variance) = (Input::new([height, width, channels]), Input::new([1, 1, 1]));
        let mut inputs = vec![pictures.clone(), variance.clone()];
        let first = Conv2D::new(widths[0], patch).strides(patch).call(&pictures)?;
        // The highest frequency turns a thousand times between no noise and noise alone.
        let level = SinusoidalEmbedding::new(EMBEDDING).shared().precision(Precision::F32).call(&variance)?;
        let mut beside = vec![level];
        let mut text = None;
        match condition {
            Condition::None => {}
            Condition::Class(classes) => {
                let class = Input::with([1], DType::I32, None);
                let embedded = Embedding::new(classes.saturating_add(1), EMBEDDING).call(&class)?;
                beside.push(Reshape::new([1, 1, EMBEDDING as i64]).call(&embedded)?);
                inputs.push(class);
            }
            Condition::Text { tokens, length } => {
                let input = Input::with([length], DType::I32, None);
                let embedded = TokenAndPositionEmbedding::new(tokens, length, TOKEN).mask_zero(true).call(&input)?;
                let read = TransformerEncoder::new(2 * TOKEN, TOKEN / HEAD).normalize_first(true).call(&embedded)?;
                text = Some(LayerNormalization::new().call(&read)?);
                inputs.push(input);
            }
        }
        let of_all = match &beside[..] {
            [level] => level.clone(),
            several => Concatenate::new().call(several)?,
        };
        let repeated = UpSampling2D::new([height / patch, width / patch]).call(&of_all)?;
        let mut x = Concatenate::new().call([&first, &repeated])?;
        let mut features = widths[0] + EMBEDDING * beside.len();

        // A level, by how many there are below it.
        let attend = |x: Symbol, below: usize, extents: [usize; 3]| match &text {
            Some(text) if below < ATTENDING => attended(&x, text, extents),
            _ => Ok(x),
        };
        let extents = |level: usize| [(height / patch) >> level, (width / patch) >> level];
        let mut seen = Vec::new();
        for (level, &width) in above.iter().enumerate() {
            for _ in 0..blocks {
                let [h, w] = extents(level);
                x = attend(residual(&x, features, width)?, above.len() - level, [h, w, width])?;
                features = width;
                seen.push((x.clone(), width));
            }
            x = AveragePooling2D::new(2).call(&x)?;
        }
        for _ in 0..blocks {
            let [h, w] = extents(above.len());
            x = attend(residual(&x, features, last)?, 0, [h, w, last])?;
            features = last;
        }
        for (level, &width) in above.iter().enumerate().rev() {
            x = UpSampling2D::default().call(&x)?;
            for _ in 0..blocks {
                let (before, beside) = seen.pop().ok_or_else(|| Error::Internal("a level was not seen".into()))?;
                x = Concatenate::new().call([&x, &before])?;
                let [h, w] = extents(level);
                x = attend(residual(&x, features + beside, width)?, above.len() - level, [h, w, width])?;
                features = width;
            }
        }
        // It begins by predicting nothing.
        let output = match patch {
            1 => Conv2D::new(channels, 1).kernel_initializer(Zeros).call(&x)?,
            _ => Conv2DTranspose::new(channels, patch).strides(patch).kernel_initializer(Zeros).call(&x)?,
        };
        Model::new(&inputs, &output)
    }
}

/// `f(x) + x`, with a normalisation and two convolutions as f. Where the features become others, a window of one pixel
/// takes x along.
fn residual(x: &Symbol, features: usize, width: usize) -> Result<Symbol> {
    let conv = || Conv2D::new(width, 3).padding(Padding::Same);
    let y = BatchNormalization::new().call(x)?;
    let y = conv().call(&conv().silu().call(&y)?)?;
    let skip = if features == width { x.clone() } else { Conv2D::new(width, 1).call(x)? };
    Add::new().call([&y, &skip])
}

/// `f(x, text) + x`, with an attention of each pixel to the tokens of a text as f.
fn attended(x: &Symbol, text: &Symbol, [height, width, features]: [usize; 3]) -> Result<Symbol> {
    let size = |n: usize| n as i64;
    let pixels = Reshape::new([size(height * width), size(features)]).call(x)?;
    let pixels = LayerNormalization::new().call(&pixels)?;
    let heads = features.div_ceil(HEAD);
    let y = MultiHeadAttention::new(heads, HEAD).call([&pixels, text])?;
    Add::new().call([&Reshape::new([height, width, features].map(size)).call(&y)?, x])
}
