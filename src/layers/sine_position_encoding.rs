//! Sines and cosines of positions.

use super::positions::{Table, part, positions, steps_of};
use super::signature::{signed, told};
use super::{Argument, Call, Config, Layer, Read, Signature, Spec, WeightSpec, object, one};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// Sines and cosines of positions, of wavelengths that grow geometrically
/// ([KerasHub](https://keras.io/keras_hub/api/modeling_layers/sine_position_encoding/), [Vaswani et al.,
/// 2017](https://arxiv.org/abs/1706.03762)): at the position p, sin(p·w) for an even feature i and cos(p·w) for an odd
/// one, with w = max_wavelength^(−2⌊i/2⌋ / features).
///
/// Input `(batch, …, steps, features)`, of which only the shape counts, so that no gradient flows to it; output of the
/// same shape, to be added to the input. The first step has the position `start_index`. No weights. Defaults: 10000, 0.
/// Angles are f32 under mixed precision too, where Keras rounds the positions themselves.
///
/// Model files name it `keras_hub>SinePositionEncoding`.
#[derive(Clone, Debug)]
pub struct SinePositionEncoding {
    max_wavelength: f64,
    table: Table,
    signature: Signature,
}

/// How Keras calls what follows from positions alone.
pub(super) const CALL: Signature =
    Signature::new(&[Argument::Input("inputs"), Argument::Number("start_index"), Argument::Other("positions")]);

impl SinePositionEncoding {
    /// The encoding.
    #[allow(clippy::new_without_default)]
    pub fn new() -> SinePositionEncoding {
        SinePositionEncoding { max_wavelength: 10_000.0, table: Table::default(), signature: CALL }
    }

    /// What the wavelengths, divided by 2π, grow to; by default 10000.
    pub fn max_wavelength(mut self, max_wavelength: f64) -> Self {
        self.max_wavelength = max_wavelength;
        self
    }

    told! {
        /// The position of the first step; by default 0.
        number start_index;
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<SinePositionEncoding> {
        let max_wavelength = config.number("max_wavelength", 10_000.0)?;
        Ok(SinePositionEncoding { max_wavelength, ..SinePositionEncoding::new() })
    }

    /// The angles of so many features at the position 1; in Keras's f32.
    fn frequencies(&self, features: usize) -> Vec<f32> {
        let least = (1.0 / self.max_wavelength) as f32;
        (0..features).map(|i| least.powf((2 * (i / 2)) as f32 / features as f32)).collect()
    }

    /// The row of a position.
    fn fill(frequencies: &[f32], position: usize, row: &mut [f32]) {
        for (i, (value, frequency)) in row.iter_mut().zip(frequencies).enumerate() {
            let angle = position as f32 * frequency;
            *value = if i % 2 == 0 { angle.sin() } else { angle.cos() };
        }
    }
}

/// Checks an argument that must be a positive number.
pub(super) fn check_positive(name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Config(format!("argument `{name}`: expected a positive number, got {value}")))
}

impl Layer for SinePositionEncoding {
    fn class_name(&self) -> &'static str {
        "SinePositionEncoding"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        check_positive("max_wavelength", self.max_wavelength)?;
        let x = one(inputs)?;
        positions(&self.signature, 0, steps_of(x)?.unwrap_or(0))?;
        Ok(vec![Spec { dims: x.dims.clone(), dtype: DType::F32 }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(Vec::new())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let shape = x.shape();
        let (steps, features) = (shape[shape.rank() - 2], shape.last());
        let positions = positions(&self.signature, call.first_step(), steps)?;
        let frequencies = || self.frequencies(features);
        let (table, first) =
            self.table.covering(positions, features, &x.device(), frequencies, SinePositionEncoding::fill)?;
        let rows = part(&table, first..first + steps)?;
        let dtype = if x.dtype() == DType::F64 { DType::F64 } else { call.compute_dtype() };
        Ok(Tensors::from_elem(rows.cast(dtype)?.broadcast_to(shape)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({"max_wavelength": self.max_wavelength}))
    }

    signed!();

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}
