//! Vectors that are looked up by number.

use super::parameter::parameter_setters;
use super::{Call, Config, Layer, Mask, Parameter, Read, Spec, WeightSpec, object, one};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::RandomUniform;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// `embeddings[x]`: a vector for each number ([Keras](https://keras.io/api/layers/core_layers/embedding/)).
///
/// Input `(batch, …)` of whole numbers from 0 to `input_dim` − 1, output `(batch, …, output_dim)`. Floating-point input is cut off
/// to whole numbers, as in Keras. Weight: `embeddings` (input_dim, output_dim). Defaults: uniform values of ±0.05, no mask.
/// With `mask_zero` the output has a mask that is false where the number is 0, which then is none of the vocabulary.
///
/// A number out of range is an error on the CPU, which names it. On a CUDA card its vector is NaN, so that the loss shows it. Under
/// mixed precision the vectors are looked up in f32.
#[derive(Clone, Debug)]
pub struct Embedding {
    pub(super) input_dim: usize,
    pub(super) output_dim: usize,
    mask_zero: bool,
    pub(super) embeddings: Parameter,
}

impl Embedding {
    /// Vectors of `output_dim` numbers for the numbers below `input_dim`.
    pub fn new(input_dim: usize, output_dim: usize) -> Embedding {
        let embeddings = Parameter::new("embeddings", RandomUniform::new(-0.05, 0.05));
        Embedding { input_dim, output_dim, mask_zero: false, embeddings }
    }

    /// Whether 0 stands for no number, which masks its place; by default it is a number as all others.
    pub fn mask_zero(mut self, mask_zero: bool) -> Self {
        self.mask_zero = mask_zero;
        self
    }

    parameter_setters!(
        embeddings: embeddings_initializer "The vectors' first values; by default uniform in ±0.05.",
        embeddings_regularizer, embeddings_constraint
    );

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Embedding> {
        config.refuse(&["weights", "lora_rank", "lora_alpha", "quantization_config"])?;
        Ok(Embedding {
            input_dim: config.size("input_dim")?,
            output_dim: config.size("output_dim")?,
            mask_zero: config.flag("mask_zero", false)?,
            embeddings: Parameter::read(config, "embeddings", "uniform")?,
        })
    }
}

impl Layer for Embedding {
    fn class_name(&self) -> &'static str {
        "Embedding"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        for (name, value) in [("input_dim", self.input_dim), ("output_dim", self.output_dim)] {
            if value == 0 {
                return Err(Error::Config(format!("argument `{name}`: expected a positive integer, got 0")));
            }
        }
        let dims = one(inputs)?.dims.iter().copied().chain([Some(self.output_dim)]).collect();
        Ok(vec![Spec { dims, dtype: DType::F32 }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![self.embeddings.spec(Shape::new(&[self.input_dim, self.output_dim])?)?])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        if self.mask_zero {
            call.set_mask(0, Some(x.not_equal(&Tensor::zeros(&x.device(), (), x.dtype())?)?));
        }
        let numbers = match x.dtype() {
            DType::I32 | DType::I64 => x.clone(),
            _ => x.cast(DType::I32)?,
        };
        Ok(Tensors::from_elem(call.weight(0)?.gather(&numbers)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "mask_zero": self.mask_zero,
        }));
        self.embeddings.write(&mut config);
        config
    }

    /// Halves have not all whole numbers.
    fn full_precision(&self) -> bool {
        true
    }

    fn supports_masking(&self) -> bool {
        self.mask_zero
    }

    fn compute_mask(&self, _: usize, _: &[bool]) -> Mask {
        Mask::Set
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}
