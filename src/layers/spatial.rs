//! Arguments of layers that look at spatial axes through a window.

pub(super) use super::image::channels_last;
use super::{Config, Read};
use crate::error::{Error, Result};
use crate::ops::Padding;
use serde_json::{Value, json};

/// A whole number for each of `N` spatial axes, or one that stands for all of them: `3` or `[3, 5]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAxis<const N: usize>(pub [usize; N]);

impl<const N: usize> From<usize> for PerAxis<N> {
    fn from(n: usize) -> Self {
        PerAxis([n; N])
    }
}

impl<const N: usize> From<[usize; N]> for PerAxis<N> {
    fn from(sizes: [usize; N]) -> Self {
        PerAxis(sizes)
    }
}

impl<const N: usize> PerAxis<N> {
    /// The greatest number that an argument can have: a window that large, that far apart, still has its places counted in
    /// 64 bits.
    const MOST: usize = i32::MAX as usize;

    /// The argument `name`, unless it is absent or null.
    ///
    /// # Errors
    /// Anything but a whole number from 0 on or a list of `N`.
    pub(super) fn read(config: &Config, name: &str) -> Result<Option<Self>> {
        let Some(value) = config.find(name) else { return Ok(None) };
        let size = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
        let sizes = match value {
            Value::Array(items) => items.iter().map(size).collect::<Option<Vec<_>>>().and_then(|s| s.try_into().ok()),
            one => size(one).map(|n| [n; N]),
        };
        let wrong = || Error::Config(format!("argument `{name}`: expected a tuple of {N} integers, got {value}"));
        sizes.map(|sizes| Some(PerAxis(sizes))).ok_or_else(wrong)
    }

    /// Keras's form.
    pub(super) fn serialized(&self) -> Value {
        json!(&self.0[..])
    }

    /// Checks that each number is at least `least`.
    pub(super) fn check(&self, name: &str, least: usize) -> Result<()> {
        if self.0.iter().all(|n| (least..=Self::MOST).contains(n)) {
            return Ok(());
        }
        let message = format!("expected integers from {least} to {}, got {:?}", Self::MOST, self.0);
        Err(Error::Config(format!("argument `{name}`: {message}")))
    }
}

/// The argument `padding`, valid unless it is there.
pub(super) fn padding(config: &Config) -> Result<Padding> {
    let name = config.word("padding", "valid")?;
    Padding::from_name(&name.to_lowercase())
        .ok_or_else(|| Error::Config(format!("argument `padding`: expected one of valid, same, causal, got {name}")))
}
