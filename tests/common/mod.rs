//! What the tests share: the devices, inputs from a fixed seed, and the one comparison of tensors.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod golden;

use std::fmt::Write;
use std::sync::OnceLock;
use uncrumple::device::cpu::convert::{Convert, convert};
use uncrumple::tensor::Sample;
use uncrumple::{DType, Device, Result, Tensor, with_dtype};

/// How far an element may be from the oracle's, in parts of the sum of its magnitude and the root mean square of the
/// whole tensor: about eight roundings of the dtype, and for the wider types what long sums add to that.
const TOLERANCES: [(DType, f64); 4] =
    [(DType::F64, 1e-11), (DType::F32, 5e-6), (DType::F16, 4e-3), (DType::BF16, 3e-2)];

/// The tolerance for a computation that these types take part in: that of the coarsest; 0 where none is a float.
pub fn tolerance(dtypes: impl IntoIterator<Item = DType>) -> f64 {
    let of = |dtype| TOLERANCES.iter().find(|(d, _)| *d == dtype).map_or(0.0, |(_, t)| *t);
    dtypes.into_iter().map(of).fold(0.0, f64::max)
}

/// The CUDA device, or `None` and a line that says why not.
///
/// # Panics
/// Where there is none and `UNCRUMPLE_REQUIRE_CUDA=1` says that there must be.
pub fn cuda() -> Option<Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let find = || match Device::cuda(0) {
        Ok(device) => Some(device),
        Err(error) if std::env::var("UNCRUMPLE_REQUIRE_CUDA").is_ok_and(|v| v == "1") => {
            panic!("UNCRUMPLE_REQUIRE_CUDA=1, and there is no CUDA device: {error}")
        }
        Err(error) => {
            println!("SKIPPED on CUDA: {error}");
            None
        }
    };
    DEVICE.get_or_init(find).clone()
}

/// Numbers from 0 to 1 by SplitMix64: another generator than the one under test.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The values of a sample as a tensor on the CPU: rounded to a float dtype, floored for an integer one, and for `bool`
/// whether they lie above the middle of the range.
pub fn fill(sample: &Sample, dtype: DType, seed: u64) -> Result<Tensor> {
    let mut random = Random(seed);
    let (start, width) = (sample.range.start, sample.range.end - sample.range.start);
    let value = |share: f64| match dtype {
        DType::Bool => f64::from(u8::from(share > 0.5)),
        _ if dtype.is_float() => start + share * width,
        _ => (start + share * width).floor(),
    };
    let values: Vec<f64> = (0..sample.shape.size()).map(|_| value(random.next())).collect();
    tensor(&values, sample, dtype)
}

fn tensor(values: &[f64], sample: &Sample, dtype: DType) -> Result<Tensor> {
    with_dtype!(dtype, T => {
        let mut data = vec![T::default(); values.len()];
        convert(values, &mut data);
        Tensor::from_slice(&data, sample.shape)
    })
}

/// The values as `f64`, on the host.
pub fn wide(tensor: &Tensor) -> Result<Vec<f64>> {
    with_dtype!(tensor.dtype(), T => Ok(tensor.to_vec::<T>()?.into_iter().map(Convert::to_f64).collect()))
}

/// The bits of the values, on the host.
pub fn bits(tensor: &Tensor) -> Result<Vec<u64>> {
    Ok(wide(tensor)?.into_iter().map(f64::to_bits).collect())
}

/// What is wrong with `got` where `want` was expected, or `None`: another shape, NaN, or an element that is further off
/// than the tolerance allows.
pub fn difference(got: &Tensor, want: &Tensor, tolerance: f64) -> Result<Option<String>> {
    if got.shape() != want.shape() {
        return Ok(Some(format!("the shape is {}, not {}", got.shape(), want.shape())));
    }
    let (got, want) = (wide(got)?, wide(want)?);
    let finite = want.iter().filter(|w| w.is_finite());
    let mean_square = finite.clone().map(|w| w * w).sum::<f64>() / finite.count().max(1) as f64;
    let mut worst = (0.0, 0);
    for (i, (&got, &want)) in got.iter().zip(&want).enumerate() {
        let allowed = tolerance * (want.abs() + mean_square.sqrt());
        let off = match (got - want).abs() {
            _ if got == want => 0.0,
            _ if !got.is_finite() || !want.is_finite() || allowed == 0.0 => f64::INFINITY,
            distance => distance / allowed,
        };
        if off > worst.0 {
            worst = (off, i);
        }
    }
    let (off, i) = worst;
    if off <= 1.0 {
        return Ok(None);
    }
    let mut text = String::new();
    let _ =
        write!(text, "element {i} of {} is {:e}, not {:e}: {off:.3} times what is allowed", got.len(), got[i], want[i]);
    Ok(Some(text))
}
