//! Values as the bins that their hashes fall into.

use super::file::{self, Saved, State};
use super::output::Output;
use super::salt::{Salt, bin};
use super::strings::{Keys, integers};
use crate::config::{Config, find, object, refuse, size, word, wrong};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde_json::{Value, json};
use std::path::Path;

/// Strings or whole numbers as the bins that their hashes fall into, without a vocabulary
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/categorical/hashing/)).
///
/// The bin of a string is FarmHash's Fingerprint64 of its UTF-8 modulo `num_bins`, with a `salt` SipHash-2-4 by it; that
/// of a number is that of its decimals. With a `mask_value` bin 0 is for that value alone, and the others begin at 1.
/// Input: strings or a tensor of int32, int64 or uint8, of any shape. Output: int32 of the same shape, or float32 vectors
/// of `num_bins` elements: `one_hot` one for each value, which replaces a last axis of one value; `multi_hot` and `count`
/// one for those of the last axis together, of at most two. Default: the numbers.
///
/// # Errors
/// No bins, or more than int32 can number; a mask of numbers for strings, or of strings for numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Hashing {
    num_bins: usize,
    mask_value: Option<MaskValue>,
    salt: Option<Salt>,
    output: Output,
}

/// What is in no bin: a string or a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskValue {
    /// A string.
    String(String),
    /// A whole number.
    Number(i64),
}

impl From<&str> for MaskValue {
    fn from(value: &str) -> MaskValue {
        MaskValue::String(value.into())
    }
}

impl From<i64> for MaskValue {
    fn from(value: i64) -> MaskValue {
        MaskValue::Number(value)
    }
}

impl Hashing {
    /// Hashes into this many bins, that of the mask included.
    pub fn new(num_bins: usize) -> Hashing {
        Hashing { num_bins, mask_value: None, salt: None, output: Output::Int }
    }

    /// The value that has bin 0 for itself.
    pub fn mask_value(mut self, value: impl Into<MaskValue>) -> Self {
        self.mask_value = Some(value.into());
        self
    }

    /// The key of another hash: one number or two.
    pub fn salt(mut self, salt: impl Into<Salt>) -> Self {
        self.salt = Some(salt.into());
        self
    }

    /// A vector with a 1 at the bin, for each value.
    pub fn one_hot(mut self) -> Self {
        self.output = Output::OneHot;
        self
    }

    /// A vector with a 1 at each bin that occurs along the last axis.
    pub fn multi_hot(mut self) -> Self {
        self.output = Output::MultiHot;
        self
    }

    /// A vector of how often each bin occurs along the last axis.
    pub fn count(mut self) -> Self {
        self.output = Output::Count;
        self
    }

    /// The bins of these values.
    ///
    /// # Errors
    /// As for [`Hashing`].
    pub fn call<'a>(&self, values: impl Into<Keys<'a>>) -> Result<Tensor> {
        self.check()?;
        let mask = self.mask_value.as_ref().filter(|_| self.num_bins > 1);
        let mixed = |values: &str, mask: &str| {
            Error::Input(format!("argument `mask_value`: expected {values} for inputs of {values}, got {mask}"))
        };
        let (first, bins) = (usize::from(mask.is_some()), self.num_bins - usize::from(mask.is_some()));
        let place = |bytes: &[u8], masked: bool| if masked { 0 } else { (first + bin(bytes, self.salt, bins)) as i32 };
        let (places, shape): (Vec<i32>, _) = match values.into() {
            Keys::Strings(strings) => {
                let mask = match mask {
                    Some(MaskValue::Number(_)) => return Err(mixed("strings", "a number")),
                    Some(MaskValue::String(mask)) => Some(mask.as_str()),
                    None => None,
                };
                (strings.iter().map(|s| place(s.as_bytes(), mask == Some(s))).collect(), strings.shape())
            }
            Keys::Numbers(tensor) => {
                let mask = match mask {
                    Some(MaskValue::String(_)) => return Err(mixed("numbers", "a string")),
                    Some(MaskValue::Number(mask)) => Some(*mask),
                    None => None,
                };
                let numbers = integers(&tensor, "Hashing")?;
                let of = |&n: &i64| place(n.to_string().as_bytes(), mask == Some(n));
                (numbers.iter().map(of).collect(), tensor.shape())
            }
        };
        self.output.encode(&places, shape, self.num_bins, None)
    }

    /// The arguments, under Keras's names.
    pub fn config(&self) -> Config {
        let mask = match &self.mask_value {
            None => Value::Null,
            Some(MaskValue::String(mask)) => mask.as_str().into(),
            Some(MaskValue::Number(mask)) => (*mask).into(),
        };
        object(json!({
            "num_bins": self.num_bins,
            "salt": self.salt.map(Salt::to_json),
            "mask_value": mask,
            "output_mode": self.output.name(),
            "sparse": false,
        }))
    }

    /// What a Keras config describes.
    ///
    /// # Errors
    /// An argument that is not what it should be, or that this engine lacks.
    pub fn from_config(config: &Config) -> Result<Hashing> {
        refuse(config, &["sparse"])?;
        let mask_value = find(config, "mask_value").map(|value| match value {
            Value::String(mask) => Ok(MaskValue::String(mask.clone())),
            _ => {
                value.as_i64().map(MaskValue::Number).ok_or_else(|| wrong("mask_value", "a string or a number", value))
            }
        });
        let hashing = Hashing {
            num_bins: size(config, "num_bins")?,
            mask_value: mask_value.transpose()?,
            salt: Salt::read(config)?,
            output: Output::from_name(&word(config, "output_mode", "int")?, &[Output::TfIdf])?,
        };
        hashing.check()?;
        Ok(hashing)
    }

    /// Writes a `.keras` file, atomically: a `Sequential` of this one layer, which Keras opens.
    ///
    /// # Errors
    /// A name that does not end in `.keras`; a file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        file::save(self, path.as_ref())
    }

    /// What the one layer `Hashing` of a `.keras` file describes, of Keras or of this engine.
    ///
    /// # Errors
    /// A file that is damaged, or has none or several.
    pub fn load(path: impl AsRef<Path>) -> Result<Hashing> {
        file::load(path.as_ref())
    }

    fn check(&self) -> Result<()> {
        if self.num_bins == 0 || i32::try_from(self.num_bins).is_err() {
            let got = self.num_bins;
            return Err(Error::Config(format!("argument `num_bins`: expected 1 to {}, got {got}", i32::MAX)));
        }
        Ok(())
    }
}

impl Saved for Hashing {
    const CLASS: &'static str = "Hashing";
    const NAME: &'static str = "hashing";

    fn saved(&self) -> Result<State> {
        self.check()?;
        let numbers = matches!(self.mask_value, Some(MaskValue::Number(_)));
        let dtype = if self.output == Output::Int { "int64" } else { "float32" };
        Ok(State { numbers, dtype, ..State::new(self.config()) })
    }

    fn restored(state: State) -> Result<Hashing> {
        Hashing::from_config(&state.config)
    }
}
