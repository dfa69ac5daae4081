//! How a tensor prints: as NumPy prints an array, with shape and dtype.

use super::Tensor;
use crate::device::{Device, cpu::convert::Convert};
use crate::dtype::DType;
use crate::with_dtype;
use std::fmt;

/// More elements than this are summarised: the first and last few along each axis.
const FULL: usize = 1000;
const EDGE: usize = 3;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.to_device(&Device::Cpu).map_err(|_| fmt::Error)?;
        let values: Vec<f64> = with_dtype!(self.dtype(), T => {
            host.data::<T>().map_err(|_| fmt::Error)?.iter().map(|x| x.to_f64()).collect()
        });
        let places = f.precision().unwrap_or(4);
        let cell = |x: f64| match self.dtype() {
            DType::Bool => (x != 0.0).to_string(),
            d if d.is_float() => format!("{x:>width$.places$}", width = places + 3),
            _ => format!("{x:>3.0}"),
        };
        write_axis(f, &values, self.shape().dims(), 0, &cell)?;
        write!(f, "\nshape {} dtype {} device {}", self.shape(), self.dtype(), self.device())
    }
}

fn write_axis(
    f: &mut fmt::Formatter<'_>,
    values: &[f64],
    dims: &[usize],
    depth: usize,
    cell: &impl Fn(f64) -> String,
) -> fmt::Result {
    let Some((&extent, inner)) = dims.split_first() else {
        return f.write_str(&values.first().map(|&x| cell(x)).unwrap_or_default());
    };
    let step: usize = inner.iter().product();
    let summarise = values.len() > FULL || (depth > 0 && extent > FULL);
    f.write_str("[")?;
    let mut skipped = false;
    for i in 0..extent {
        if summarise && extent > 2 * EDGE && (EDGE..extent - EDGE).contains(&i) {
            if !skipped {
                f.write_str(" …")?;
            }
            skipped = true;
            continue;
        }
        if i > 0 {
            if inner.is_empty() { f.write_str(" ")? } else { write!(f, "\n{:1$}", "", depth + 1)? }
        }
        write_axis(f, &values[i * step..(i + 1) * step], inner, depth + 1, cell)?;
    }
    f.write_str("]")
}

/// Shape, dtype and device, without the values.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {}, {})", self.shape(), self.dtype(), self.device())
    }
}
