//! What the machine can do at most: a short measurement, for the tables of a profile.

use crate::device::Device;
use crate::device::cpu::{Float, threads, vectorize};
use crate::dtype::DType;
use crate::error::Result;
use crate::profile::Peak;
use crate::tensor::Tensor;
use std::hint::black_box;
use std::time::Instant;

/// Runs of each measurement, of which the best counts.
const RUNS: usize = 5;

/// The rate of a copy of 128 MiB and of floating-point operations in f32: on the CPU of multiplications with additions in
/// registers on all threads, on a card of a product of 2048 × 2048.
///
/// # Errors
/// A device that fails.
pub fn peak(device: &Device) -> Result<Peak> {
    let best = |work: &dyn Fn() -> Result<()>| -> Result<f64> {
        // Once for what the first time takes.
        work()?;
        device.synchronize()?;
        (0..RUNS).try_fold(f64::INFINITY, |best, _| {
            let start = Instant::now();
            work()?;
            device.synchronize()?;
            Ok(best.min(start.elapsed().as_secs_f64()))
        })
    };
    let from = Tensor::ones(device, 1 << 25, DType::F32)?;
    let bytes = 2.0 * 4.0 * from.shape().size() as f64;
    let copy = || from.copy().map(drop);
    let bytes = bytes / best(&copy)?;
    if device.is_cpu() {
        let pieces = threads::count();
        let rate = |lanes: usize, work: fn()| -> Result<f64> {
            let fma = || {
                threads::for_each(pieces, &|_| work());
                Ok(())
            };
            Ok(2.0 * (lanes * ROUNDS * pieces) as f64 / best(&fma)?)
        };
        // Eight registers keep both units of a core busy: of AVX2, where twice as many would leave none for the factor, and of
        // AVX-512.
        let operations = rate(64, multiply_and_add::<64>)?.max(rate(128, multiply_and_add::<128>)?);
        return Ok(Peak { bytes, operations });
    }
    let a = Tensor::ones(device, [2048, 2048], DType::F32)?;
    let product = || a.matmul(&a).map(drop);
    Ok(Peak { bytes, operations: 2.0 * 2048f64.powi(3) / best(&product)? })
}

const ROUNDS: usize = 1 << 18;

/// `ROUNDS` multiplications and additions of each of so many numbers, all under way at once.
fn multiply_and_add<const LANES: usize>() {
    vectorize(
        #[inline(always)]
        || {
            let (factor, term) = (black_box(0.999f32), black_box(1e-3f32));
            let mut sums: [f32; LANES] = black_box([1.0; LANES]);
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = Float::mul_add(*sum, factor, term);
                }
            }
            black_box(sums);
        },
    );
}
