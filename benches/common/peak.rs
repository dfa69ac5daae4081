//! What the machine can do at most, measured once a process.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use uncrumple::device::cpu::threads;
use uncrumple::{DType, Device, Result, Tensor};

/// The most that was measured of a device.
pub struct Peak {
    /// Floating-point operations a second, in float32.
    pub flops: f64,
    /// Bytes a second, read and written, of a large copy.
    pub bytes: f64,
}

/// The peak of a device.
pub fn of(device: &Device) -> &'static Peak {
    static CPU: OnceLock<Peak> = OnceLock::new();
    static CUDA: OnceLock<Peak> = OnceLock::new();
    let (place, how) = match device {
        Device::Cpu => (&CPU, "a loop of fused multiply-adds in registers; a copy of 256 MiB by all threads"),
        Device::Cuda(_) => (&CUDA, "cuBLAS at 8192³ in float32; a copy of 1 GiB"),
    };
    place.get_or_init(|| {
        let peak = match device {
            Device::Cpu => Peak { flops: cpu_flops(), bytes: cpu_bytes() },
            Device::Cuda(_) => cuda(device).expect("the peak of a device that works"),
        };
        println!("\npeak of {device}: {:.1} GFLOP/s, {:.1} GB/s ({how})", peak.flops / 1e9, peak.bytes / 1e9);
        peak
    })
}

/// The shortest time of one call over `during`.
fn best(during: Duration, mut run: impl FnMut()) -> f64 {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < during {
        let call = Instant::now();
        run();
        best = best.min(call.elapsed().as_secs_f64());
    }
    best
}

const ROUNDS: usize = 1 << 18;
/// Independent sums: twice what four cycles of latency and two units need, and still all in registers.
const SUMS: usize = 12;

fn cpu_flops() -> f64 {
    let lanes = multiply_adds(1.0);
    let flops = (2 * SUMS * lanes * ROUNDS * threads::count()) as f64;
    let all = || {
        threads::for_each(threads::count(), &|_| {
            multiply_adds(black_box(0.5));
        });
    };
    flops / threads::enter(|| best(Duration::from_millis(300), all))
}

/// `SUMS · ROUNDS` fused multiply-adds of the widest vectors; returns their lanes.
fn multiply_adds(x: f32) -> usize {
    macro_rules! loop_of {
        ($features:literal, $vector:ty, $splat:ident, $fma:ident) => {{
            use std::arch::x86_64::*;
            #[target_feature(enable = $features)]
            fn run(x: f32) -> [$vector; SUMS] {
                let (x, y) = ($splat(x), $splat(1.0));
                let mut sums: [$vector; SUMS] = std::array::from_fn(|i| $splat(i as f32));
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = $fma(*sum, x, y);
                    }
                }
                sums
            }
            // SAFETY: the caller found these instructions.
            black_box(unsafe { run(x) });
            return size_of::<$vector>() / 4;
        }};
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        loop_of!("avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps)
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        loop_of!("avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps)
    }
    let mut sums: [[f32; 4]; SUMS] = std::array::from_fn(|i| [i as f32; 4]);
    for _ in 0..ROUNDS {
        sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = *sum * x + 1.0);
    }
    black_box(sums);
    4
}

fn cpu_bytes() -> f64 {
    const SIZE: usize = 256 << 20;
    let (from, mut to) = (vec![1u8; SIZE], vec![2u8; SIZE]);
    let copy = || {
        threads::split_rows(&mut to, 1, 1 << 20, |start, to| to.copy_from_slice(&from[start..start + to.len()]));
        black_box(&mut to);
    };
    2.0 * SIZE as f64 / threads::enter(|| best(Duration::from_millis(500), copy))
}

fn cuda(device: &Device) -> Result<Peak> {
    const CALLS: usize = 10;
    let measure = |run: &dyn Fn() -> Result<Tensor>| -> Result<f64> {
        run()?;
        device.synchronize()?;
        let start = Instant::now();
        for _ in 0..CALLS {
            run()?;
        }
        device.synchronize()?;
        Ok(start.elapsed().as_secs_f64() / CALLS as f64)
    };
    let (n, size) = (8192, 1usize << 30);
    let square = Tensor::ones(device, [n, n], DType::F32)?;
    let flops = 2.0 * (n as f64).powi(3) / measure(&|| square.matmul(&square))?;
    let large = Tensor::ones(device, size / 4, DType::F32)?;
    let bytes = 2.0 * size as f64 / measure(&|| large.copy())?;
    Ok(Peak { flops, bytes })
}
