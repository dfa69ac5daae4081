//! What the benchmarks share: the devices, random tensors, and the measured peak that every rate is held against.
#![allow(dead_code)] // each benchmark is a crate of its own and uses a part

mod peak;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use peak::Peak;
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use uncrumple::device::cpu::{pool, threads};
use uncrumple::ops::Generator;
use uncrumple::{DType, Device, Result, Tensor};

/// The CPU, and the first CUDA card if it can be used; if not, the reason is printed.
pub fn devices() -> &'static [Device] {
    static DEVICES: LazyLock<Vec<Device>> = LazyLock::new(|| match Device::cuda(0) {
        Ok(cuda) => vec![Device::Cpu, cuda],
        Err(error) => {
            eprintln!("CUDA is skipped: {error}");
            vec![Device::Cpu]
        }
    });
    &DEVICES
}

/// Standard normal numbers, the same on every device.
pub fn normal(device: &Device, shape: &[usize]) -> Tensor {
    numbers(device, |g| g.normal(shape, DType::F32, 0.0, 1.0))
}

/// Numbers between `low` and `high`.
pub fn uniform(device: &Device, shape: &[usize], low: f64, high: f64) -> Tensor {
    numbers(device, |g| g.uniform(shape, DType::F32, low, high))
}

/// Whole numbers below `end`.
pub fn below(device: &Device, shape: &[usize], end: usize) -> Tensor {
    numbers(device, |g| g.uniform(shape, DType::F32, 0.0, end as f64)?.cast(DType::I32))
}

fn numbers(device: &Device, draw: impl Fn(&Generator) -> Result<Tensor>) -> Tensor {
    Generator::new(0, &Device::Cpu).and_then(|g| draw(&g)?.to_device(device)).expect("a tensor to measure with")
}

/// Bytes that a step on the CPU takes beside what is there.
pub fn memory<R>(step: impl FnOnce() -> Result<R>) -> Result<usize> {
    pool::release_all();
    let before = pool::bytes_held();
    step()?;
    Ok(pool::bytes_held() - before)
}

/// What one call does at least, by which its speed is judged.
#[derive(Clone, Copy)]
pub enum Work {
    /// Floating-point operations.
    Flops(usize),
    /// Bytes read and written.
    Bytes(usize),
    /// Steps of training.
    Step,
}

/// A criterion group that remembers its rates, and prints them with their share of the peak when it ends.
pub struct Group<'a> {
    name: String,
    inner: BenchmarkGroup<'a, WallTime>,
    rates: Vec<(String, Device, Work, f64)>,
}

impl<'a> Group<'a> {
    /// A group with short measurements: all benchmarks together take a few minutes.
    pub fn new(c: &'a mut Criterion, name: &str) -> Group<'a> {
        let mut inner = c.benchmark_group(name);
        inner.sample_size(10).nresamples(2000);
        inner.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
        Group { name: name.into(), inner, rates: Vec::new() }
    }

    /// Measures `run` on `device`, inside the pool of threads as a training loop is.
    pub fn bench<R>(&mut self, device: &Device, id: &str, work: Work, mut run: impl FnMut() -> Result<R> + Send) {
        self.inner.throughput(match work {
            Work::Flops(n) | Work::Bytes(n) if n == 0 => Throughput::Elements(1),
            Work::Flops(n) => Throughput::Elements(n as u64),
            Work::Bytes(n) => Throughput::Bytes(n as u64),
            Work::Step => Throughput::Elements(1),
        });
        let mut seconds = Vec::new();
        self.inner.bench_function(BenchmarkId::new(id, kind(device)), |b| {
            b.iter_custom(|calls| {
                let took = threads::enter(|| {
                    let start = Instant::now();
                    for _ in 0..calls {
                        black_box(run().expect("what is measured works"));
                    }
                    device.synchronize().expect("the device works");
                    start.elapsed()
                });
                seconds.push(took.as_secs_f64() / calls as f64);
                took
            });
        });
        // The best sample, as the peak is the best one; none where a filter left the benchmark out.
        if let Some(best) = seconds.into_iter().min_by(f64::total_cmp) {
            self.rates.push((id.into(), device.clone(), work, best));
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !measures() {
            return;
        }
        for (id, device, work, seconds) in &self.rates {
            let name = format!("{}/{id}/{}", self.name, kind(device));
            let time = seconds * 1e6;
            match *work {
                Work::Step => println!("{name:<58} {time:>11.1} µs {:>9.1} steps/s", 1.0 / seconds),
                Work::Flops(n) => {
                    let rate = n as f64 / seconds;
                    println!(
                        "{name:<58} {time:>11.1} µs {:>9.1} GFLOP/s {}",
                        rate / 1e9,
                        share(rate, device, |p| p.flops)
                    );
                }
                Work::Bytes(n) => {
                    let rate = n as f64 / seconds;
                    println!(
                        "{name:<58} {time:>11.1} µs {:>9.1} GB/s {}",
                        rate / 1e9,
                        share(rate, device, |p| p.bytes)
                    );
                }
            }
        }
        println!();
    }
}

fn share(rate: f64, device: &Device, of: impl Fn(&Peak) -> f64) -> String {
    format!("{:>5.1} % of the peak", 100.0 * rate / of(peak::of(device)))
}

/// Whether this run measures, rather than trying every benchmark once or listing them.
pub fn measures() -> bool {
    std::env::args().any(|a| a == "--bench") && !std::env::args().any(|a| a == "--test" || a == "--list")
}

fn kind(device: &Device) -> &'static str {
    if device.is_cpu() { "cpu" } else { "cuda" }
}
