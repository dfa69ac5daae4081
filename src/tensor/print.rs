//! How a tensor prints: as NumPy prints an array, with shape, dtype and device.

use super::Tensor;
use crate::device::{Device, cpu::convert::Convert};
use crate::dtype::DType;
use crate::error::Result;
use crate::with_dtype;
use std::fmt;

/// A tensor of more elements than this is summarised: the first and last few along each axis.
const FULL: usize = 1000;
const EDGE: usize = 3;

/// Numbers have four decimals or the precision that is asked for; the scientific notation where the largest is 10⁸ or more,
/// the smallest but 0 has no digit among them, or the one is a thousand times the other.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.shape();
        let summarise = shape.size() > FULL;
        let mut places = vec![0];
        for (&extent, &stride) in shape.iter().zip(&shape.strides()) {
            places = places.iter().flat_map(|&p| shown(extent, summarise).map(move |i| p + i * stride)).collect();
        }
        match cells(self, &places, f.precision().unwrap_or(4)) {
            Ok(cells) => write_axis(f, shape.dims(), summarise, 1, &mut cells.iter())?,
            Err(error) => write!(f, "[{error}]")?,
        }
        write!(f, "\nshape {shape} dtype {} device {}", self.dtype(), self.device())
    }
}

/// The indices along an axis that are printed.
fn shown(extent: usize, summarise: bool) -> impl Iterator<Item = usize> {
    (0..extent).filter(move |&i| !summarise || i < EDGE || i + EDGE >= extent)
}

/// The elements at these places as texts of one width.
fn cells(tensor: &Tensor, places: &[usize], decimals: usize) -> Result<Vec<String>> {
    let host = tensor.to_device(&Device::Cpu)?;
    let cells: Vec<String> = with_dtype!(tensor.dtype(), T => {
        let data = host.data::<T>()?;
        let values = places.iter().map(|&at| data[at]);
        if tensor.dtype().is_float() {
            let values: Vec<f64> = values.map(Convert::to_f64).collect();
            let magnitudes = values.iter().map(|x| x.abs()).filter(|&x| x > 0.0 && x.is_finite());
            let (least, most) = magnitudes.fold((f64::INFINITY, 0f64), |(a, b), x| (a.min(x), b.max(x)));
            let digits = 0.1f64.powi(decimals.min(300) as i32) * (1.0 - 1e-9);
            let scientific = most >= 1e8 || least < digits || most / least > 1000.0;
            let cell = |x: f64| if scientific { format!("{x:.decimals$e}") } else { format!("{x:.decimals$}") };
            values.into_iter().map(cell).collect()
        } else if tensor.dtype() == DType::Bool {
            values.map(|x| (x.to_i64() != 0).to_string()).collect()
        } else {
            values.map(|x| x.to_i64().to_string()).collect()
        }
    });
    let width = cells.iter().map(String::len).max().unwrap_or(0);
    Ok(cells.into_iter().map(|cell| format!("{cell:>width$}")).collect())
}

fn write_axis(
    f: &mut fmt::Formatter<'_>,
    dims: &[usize],
    summarise: bool,
    depth: usize,
    cells: &mut std::slice::Iter<'_, String>,
) -> fmt::Result {
    let Some((&extent, inner)) = dims.split_first() else {
        return f.write_str(cells.next().map_or("", String::as_str));
    };
    let gap = |f: &mut fmt::Formatter<'_>| match inner {
        [] => f.write_str(" "),
        _ => write!(f, "{:\n<1$}{2:3$}", "", inner.len(), "", depth),
    };
    f.write_str("[")?;
    let mut next = 0;
    for i in shown(extent, summarise) {
        if i > 0 {
            gap(f)?;
        }
        if i > next {
            f.write_str("…")?;
            gap(f)?;
        }
        next = i + 1;
        write_axis(f, inner, summarise, depth + 1, cells)?;
    }
    f.write_str("]")
}

/// Shape, dtype and device, without the values.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {}, {})", self.shape(), self.dtype(), self.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(tensor: &Tensor) -> Vec<String> {
        tensor.to_string().lines().map(String::from).collect()
    }

    #[test]
    fn prints_as_numpy_does() -> Result<()> {
        let x = Tensor::from_slice(&[1f32, -2.5, f32::NAN, 0.0], [2, 2])?;
        assert_eq!(lines(&x), ["[[ 1.0000 -2.5000]", " [    NaN  0.0000]]", "shape (2, 2) dtype float32 device cpu"]);
        assert_eq!(lines(&Tensor::scalar(1e-7f64)?)[0], "1.0000e-7");
        assert_eq!(lines(&Tensor::scalar(1e-4f64)?)[0], "0.0001");
        assert_eq!(format!("{:.1}", Tensor::from_slice(&[0.5f32, 100.0], 2)?).lines().next(), Some("[  0.5 100.0]"));
        assert_eq!(lines(&Tensor::from_slice(&[(1i64 << 53) + 1, -1], 2)?)[0], "[9007199254740993               -1]");
        assert_eq!(lines(&Tensor::from_slice(&[true, false], 2)?)[0], "[ true false]");
        assert_eq!(lines(&Tensor::from_slice::<f32>(&[], [0, 3])?)[0], "[]");
        let cube = Tensor::from_slice(&[1u8, 2, 3, 4], [2, 1, 2])?;
        assert_eq!(lines(&cube)[..3], ["[[[1 2]]", "", " [[3 4]]]"]);
        Ok(())
    }

    #[test]
    fn many_elements_are_summarised_along_each_axis() -> Result<()> {
        let x = Tensor::from_slice(&(0..1500).collect::<Vec<i32>>(), [3, 500])?;
        assert_eq!(lines(&x)[0], "[[   0    1    2 …  497  498  499]");
        assert_eq!(lines(&x).len(), 4);
        let x = Tensor::from_slice(&(0..1500).collect::<Vec<i32>>(), [500, 3])?;
        assert_eq!(lines(&x)[2..5], [" [   6    7    8]", " …", " [1491 1492 1493]"]);
        assert_eq!(lines(&x.reshape(1500)?).len(), 2);
        Ok(())
    }
}
