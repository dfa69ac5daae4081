//! Numbers that a layer is given as an argument.

use super::{Config, Read, Spec};
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;
use serde_json::Value;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// One number, or an array of them: an argument such as the scale of `Rescaling`.
///
/// A number, an array, a vector or a nested array becomes one by `into`.
pub struct Constant {
    values: Vec<f64>,
    dims: Vec<usize>,
    /// Copies where they were last needed: a step must not wait for the host each time.
    copies: Mutex<Vec<Tensor>>,
}

impl Constant {
    fn new(values: Vec<f64>, dims: Vec<usize>) -> Constant {
        Constant { values, dims, copies: Mutex::default() }
    }

    /// The number, if it is one alone.
    pub fn number(&self) -> Option<f64> {
        if self.dims.is_empty() { self.values.first().copied() } else { None }
    }

    /// The numbers in row-major order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The extents; none for a number alone.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Whether it broadcasts to an array of these extents as in NumPy; one that is `None` fits.
    pub fn fits(&self, dims: &[Option<usize>]) -> bool {
        let fits = |(own, to): (&usize, &Option<usize>)| *own == 1 || to.is_none_or(|to| to == *own);
        self.dims.len() <= dims.len() && self.dims.iter().rev().zip(dims.iter().rev()).all(fits)
    }

    /// The numbers with the device and the dtype of `x`.
    pub fn like(&self, x: &Tensor) -> Result<Tensor> {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let (device, dtype) = (x.device(), x.dtype());
        if let Some(copy) = copies.iter().find(|c| c.dtype() == dtype && c.device() == device) {
            return Ok(copy.clone());
        }
        let host = Tensor::from_slice(&self.values, Shape::new(&self.dims)?)?;
        let copy = host.cast(dtype)?.to_device(&device)?;
        copies.push(copy.clone());
        Ok(copy)
    }

    /// The argument `name` of a config, if it is there.
    ///
    /// # Errors
    /// Anything but a number or an array of numbers, lists that differ in length.
    pub fn read(config: &Config, name: &str) -> Result<Option<Constant>> {
        let Some(value) = config.find(name) else { return Ok(None) };
        let mut dims = Vec::new();
        let mut inner = value;
        while let Value::Array(items) = inner {
            dims.push(items.len());
            match items.first() {
                Some(first) if dims.len() < MAX_RANK => inner = first,
                _ => break,
            }
        }
        let mut values = Vec::new();
        if !collect(value, &dims, &mut values) {
            return Err(Error::Config(format!("argument `{name}`: expected a number or an array of numbers")));
        }
        Ok(Some(Constant::new(values, dims)))
    }

    /// Keras's form: a number or nested lists.
    pub fn serialized(&self) -> Value {
        nest(&self.values, &self.dims)
    }

    /// Checks that the numbers are finite, and that they broadcast to the input `x`, the batch apart.
    pub(super) fn check(&self, name: &str, x: &Spec) -> Result<()> {
        self.check_finite(name)?;
        if self.fits(x.dims.get(1..).unwrap_or(&[])) {
            return Ok(());
        }
        if let [n] = self.dims[..] {
            let message =
                format!("expected axis -1 of the input to be {n}, as `{name}` has {n} numbers, got shape {x}");
            return Err(Error::Input(message));
        }
        let message = format!("expected `{name}` to broadcast to a sample, got {:?} for the shape {x}", self.dims);
        Err(Error::Input(message))
    }

    pub(super) fn check_finite(&self, name: &str) -> Result<()> {
        match self.values.iter().find(|v| !v.is_finite()) {
            Some(value) => Err(Error::Config(format!("argument `{name}`: expected finite numbers, got {value}"))),
            None => Ok(()),
        }
    }
}

/// Appends the numbers of an array of these extents; whether it is one.
fn collect(value: &Value, dims: &[usize], into: &mut Vec<f64>) -> bool {
    match (value, dims) {
        (Value::Array(items), [n, inner @ ..]) => items.len() == *n && items.iter().all(|v| collect(v, inner, into)),
        (Value::Number(number), []) => number.as_f64().map(|x| into.push(x)).is_some(),
        _ => false,
    }
}

fn nest(values: &[f64], dims: &[usize]) -> Value {
    match dims {
        [] => values.first().map_or(Value::Null, |&x| Value::from(x)),
        [n, inner @ ..] => {
            let size = inner.iter().product::<usize>();
            (0..*n).map(|i| nest(values.get(i * size..(i + 1) * size).unwrap_or(&[]), inner)).collect()
        }
    }
}

impl Clone for Constant {
    fn clone(&self) -> Self {
        Constant::new(self.values.clone(), self.dims.clone())
    }
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.serialized())
    }
}

impl From<f64> for Constant {
    fn from(value: f64) -> Constant {
        Constant::new(vec![value], vec![])
    }
}

impl From<Vec<f64>> for Constant {
    fn from(values: Vec<f64>) -> Constant {
        let dims = vec![values.len()];
        Constant::new(values, dims)
    }
}

impl<const N: usize> From<[f64; N]> for Constant {
    fn from(values: [f64; N]) -> Constant {
        values.to_vec().into()
    }
}

impl<const N: usize, const M: usize> From<[[f64; M]; N]> for Constant {
    fn from(values: [[f64; M]; N]) -> Constant {
        Constant::new(values.concat(), vec![N, M])
    }
}
