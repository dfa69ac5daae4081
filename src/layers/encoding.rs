//! Whole numbers as vectors, as the layers of categories give them.

use super::Spec;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How categories are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Each as its number.
    Int,
    /// Each as a vector with a 1 at its place.
    OneHot,
    /// Those of a sample together, with a 1 at the place of each that occurs.
    MultiHot,
    /// Those of a sample together, with how often each occurs.
    Count,
}

const ALL: [Output; 4] = [Output::Int, Output::OneHot, Output::MultiHot, Output::Count];

impl Output {
    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            Output::Int => "int",
            Output::OneHot => "one_hot",
            Output::MultiHot => "multi_hot",
            Output::Count => "count",
        }
    }

    /// The one that Keras calls so.
    pub fn from_name(name: &str) -> Result<Output> {
        ALL.into_iter().find(|o| o.name() == name).ok_or_else(|| {
            let known = ALL.map(Output::name).join(", ");
            Error::Config(format!("argument `output_mode`: expected one of {known}, got {name}"))
        })
    }

    /// The spec for inputs of these extents, the batch included, and this many categories.
    pub fn spec(self, x: &Spec, categories: usize) -> Result<Spec> {
        let mut dims = x.dims.clone();
        match self {
            Output::Int => return Ok(Spec { dims, dtype: DType::I32 }),
            // A last axis of one number is that number.
            Output::OneHot if x.rank() > 1 && dims.last() == Some(&Some(1)) => _ = dims.pop(),
            Output::OneHot => {}
            Output::MultiHot | Output::Count if x.rank() > 1 => _ = dims.pop(),
            Output::MultiHot | Output::Count => {
                let name = self.name();
                return Err(Error::Input(format!("expected at least 2 axes for {name}, got shape {x}")));
            }
        }
        dims.push(Some(categories));
        Ok(Spec { dims, dtype: DType::F32 })
    }

    /// The categories, whole numbers, as this says; one out of range is nowhere.
    pub fn encode(self, x: &Tensor, categories: usize) -> Result<Tensor> {
        let shape = x.shape();
        let whole = match self {
            Output::Int => return Ok(x.clone()),
            Output::OneHot if shape.rank() > 1 && shape.last() == 1 => {
                return x
                    .reshape(crate::shape::Shape::new(&shape[..shape.rank() - 1])?)?
                    .one_hot(categories, DType::F32);
            }
            _ => x.one_hot(categories, DType::F32)?,
        };
        match self {
            Output::MultiHot => whole.sum(&[-2], false)?.clip(0.0, 1.0),
            Output::Count => whole.sum(&[-2], false),
            _ => Ok(whole),
        }
    }
}
