//! What padding and cropping share: how many elements before and behind each spatial axis.

use super::image::spatial;
use super::{Config, Read, Spec};
use crate::error::{Error, Result};
use serde_json::{Value, json};

/// A number of elements before and one behind each of `N` spatial axes.
///
/// It is made by `into` from one number for all of them, from a number for each axis, or from a pair for each axis;
/// over one axis also from the pair alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<const N: usize>([[usize; 2]; N]);

impl<const N: usize> Frame<N> {
    /// Before and behind each axis.
    pub fn sides(&self) -> &[[usize; 2]; N] {
        &self.0
    }

    /// The argument `name` of a config, in any of Keras's forms.
    pub(super) fn read(config: &Config, name: &str, default: usize) -> Result<Frame<N>> {
        let Some(value) = config.find(name) else { return Ok(default.into()) };
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        let pair = |value: &Value| match (number(value), value.as_array().map(Vec::as_slice)) {
            (Some(n), _) => Some([n; 2]),
            (_, Some([a, b])) => Some([number(a)?, number(b)?]),
            _ => None,
        };
        let frame = match value {
            Value::Array(items) if N > 1 => {
                items.iter().map(pair).collect::<Option<Vec<_>>>().and_then(|list| list.try_into().ok())
            }
            one => pair(one).map(|sides| [sides; N]),
        };
        frame.map(Frame).ok_or_else(|| {
            let each = if N > 1 { format!(", or {N} numbers or pairs of them") } else { ", or a pair".into() };
            Error::Config(format!("argument `{name}`: expected a whole number{each}, got {value}"))
        })
    }

    /// Keras's form: a pair for each axis, over one axis the pair alone.
    pub(super) fn serialized(&self) -> Value {
        if N == 1 { json!(self.0[0]) } else { Value::from(self.0.iter().map(|side| json!(side)).collect::<Vec<_>>()) }
    }

    /// The spec of an input `(batch, N axes, channels)` whose known extents become `change(extent, sides)`.
    pub(super) fn spec(&self, x: &Spec, change: impl Fn(usize, [usize; 2]) -> Result<usize>) -> Result<Spec> {
        spatial::<N>(x)?;
        let mut spec = x.clone();
        for (extent, &sides) in spec.dims[1..].iter_mut().zip(&self.0) {
            *extent = extent.map(|n| change(n, sides)).transpose()?;
        }
        Ok(spec)
    }
}

impl<const N: usize> From<usize> for Frame<N> {
    fn from(all: usize) -> Frame<N> {
        Frame([[all; 2]; N])
    }
}

impl<const N: usize> From<[usize; N]> for Frame<N> {
    fn from(each: [usize; N]) -> Frame<N> {
        Frame(each.map(|n| [n; 2]))
    }
}

impl<const N: usize> From<[(usize, usize); N]> for Frame<N> {
    fn from(each: [(usize, usize); N]) -> Frame<N> {
        Frame(each.map(|(before, behind)| [before, behind]))
    }
}

impl From<(usize, usize)> for Frame<1> {
    fn from((before, behind): (usize, usize)) -> Frame<1> {
        Frame([[before, behind]])
    }
}
