//! Random numbers: the generator, and what the ops that draw from it share.
//!
//! A number is a function of the seed, the step, the op's stream and the element ([`crate::device::cpu::philox`]), so
//! any thread computes any of them, a rerun gives the same, and every device gives the same.

use crate::device::Device;
use crate::device::cpu::convert::require_float;
use crate::device::cpu::philox::Philox;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{IntoShape, Shape};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A source of random numbers on a device: a seed, and the number of the step that it is at.
///
/// Both are in a tensor (int64, shape `(2,)`) that the random ops read, so that a captured CUDA graph draws new numbers
/// each time it is replayed. Within a step each op has a stream of its own, in the order in which they ask for it.
#[derive(Debug)]
pub struct Generator {
    state: Tensor,
    next_stream: AtomicU32,
}

static ADVANCE: Kernel = Kernel::new("random", "random_advance", &[DType::I64]);

impl Generator {
    /// The generator of this seed, at step 0.
    pub fn new(seed: i64, device: &Device) -> Result<Generator> {
        Generator::at_step(seed, 0, device)
    }

    /// The generator of this seed at a later step: what goes on from a checkpoint starts here.
    pub fn at_step(seed: i64, step: i64, device: &Device) -> Result<Generator> {
        let state = Tensor::from_slice(&[seed, step], 2)?.to_device(device)?;
        Ok(Generator { state, next_stream: AtomicU32::new(0) })
    }

    /// Seed and step, as the random ops read them: int64, shape `(2,)`.
    pub fn state(&self) -> &Tensor {
        &self.state
    }

    /// The stream of the next random op of this step.
    pub fn stream(&self) -> u32 {
        self.next_stream.fetch_add(1, Relaxed)
    }

    /// The number of the next stream.
    pub(crate) fn position(&self) -> u32 {
        self.next_stream.load(Relaxed)
    }

    /// Lets the next stream have this number: what is drawn again is drawn alike.
    pub(crate) fn go_to(&self, position: u32) {
        self.next_stream.store(position, Relaxed);
    }

    /// Lets the streams of this step start anew: after a step that failed, and after a look that changes nothing.
    pub(crate) fn rewind(&self) {
        self.next_stream.store(0, Relaxed);
    }

    /// Goes to the next step, where the streams start anew. It belongs behind the step's backward, which draws again
    /// what the forward drew.
    ///
    /// On a CUDA card it writes in place, as a replayed graph needs; on the CPU in place where nothing else holds the state.
    ///
    /// # Errors
    /// A CUDA card's state that a gradient tape still holds, since its walk back would draw other numbers; a device that
    /// fails.
    pub fn advance(&mut self) -> Result<()> {
        match self.state.device() {
            Device::Cpu => {
                self.state.make_unique()?;
                let state = self.state.data_mut::<i64>()?;
                state[1] = state[1].wrapping_add(1);
            }
            Device::Cuda(_) if !self.state.is_unique() => {
                let message =
                    "advance: a gradient tape still holds this step's random numbers; walk back or drop it first";
                return Err(Error::Config(message.into()));
            }
            Device::Cuda(device) => {
                let one_thread = Grid { blocks: [1, 1, 1], threads: 1, shared: 0 };
                device.launch(&ADVANCE, DType::I64, one_thread, &[Arg::output(&self.state)?])?;
            }
        }
        self.rewind();
        Ok(())
    }
}

/// A distribution of random numbers with two parameters. [`Random`] makes an op of it.
pub trait Distribution: Clone + Copy + Debug + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;
    /// What the parameters must be, in words.
    const EXPECTS: &'static str;
    /// `kernel(out, state, n, stream, scale, shift)`, which does what [`Random`] does on the CPU.
    fn kernel() -> &'static Kernel;
    /// The numbers of a block of four elements, before they are scaled and shifted.
    fn numbers(philox: &Philox, block: u64) -> [f32; 4];
    /// The scale and shift for the parameters.
    fn scale_and_shift(parameters: [f64; 2]) -> [f64; 2];
}

/// The op of a [`Distribution`]: `number · scale + shift`, in f32 whatever the dtype.
#[derive(Clone, Copy, Debug)]
pub struct Random<D> {
    shape: Shape,
    dtype: DType,
    stream: u32,
    parameters: [f64; 2],
    distribution: PhantomData<D>,
}

impl<D: Distribution> Random<D> {
    /// Numbers from the next stream of `generator`.
    pub fn of(generator: &Generator, shape: impl IntoShape, dtype: DType, parameters: [f64; 2]) -> Result<Tensor> {
        let (shape, stream) = (shape.into_shape()?, generator.stream());
        apply_one(Random { shape, dtype, stream, parameters, distribution: PhantomData::<D> }, &[generator.state()])
    }

    fn scale_and_shift(&self) -> [f32; 2] {
        D::scale_and_shift(self.parameters).map(|x| x as f32)
    }
}

impl<D: Distribution> Op for Random<D> {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        // As f32, which the numbers are computed in.
        let [scale, shift] = self.scale_and_shift();
        if !(scale >= 0.0 && shift.is_finite() && (scale + shift).is_finite()) {
            let [a, b] = self.parameters;
            return Err(Error::Config(format!("{}: expected {} within float32, got {a} and {b}", D::NAME, D::EXPECTS)));
        }
        match inputs {
            [state] => check_state(D::NAME, state)?,
            _ => {
                let message = format!("expected a generator's state, got {} inputs", inputs.len());
                return Err(Error::shape(D::NAME, message));
            }
        }
        require_float(D::NAME, self.dtype)?;
        Ok(Metas::from_elem(Meta::new(self.shape, self.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let philox = philox(inputs[0], self.stream)?;
        let [scale, shift] = self.scale_and_shift();
        with_float!(outputs[0].dtype(), D::NAME, T => {
            let out = outputs[0].data_mut::<T>()?;
            blocks(out, #[inline(always)] |i| D::numbers(&philox, i), #[inline(always)] |_, out, numbers| {
                out.iter_mut().zip(numbers).for_each(|(out, x)| *out = T::of(x.mul_add(scale, shift).into()));
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = outputs[0].shape().size();
        let [scale, shift] = self.scale_and_shift().map(Arg::F32);
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(inputs[0])?,
            Arg::I64(n as i64),
            Arg::U32(self.stream),
            scale,
            shift,
        ];
        device.launch(D::kernel(), self.dtype, Grid::elements(n.div_ceil(4)), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let shapes: [&[usize]; 5] = [&[], &[0], &[33], &[7, 131], &[70_001]];
        let shapes = || shapes.into_iter().flat_map(Shape::new).zip(0..);
        let case = |dtype, shape, i: u32| {
            let op = Random { shape, dtype, stream: 3 * i, parameters: [0.5, 2.0], distribution: PhantomData::<D> };
            Case::new(op, [sample_state()]).dtypes(&[DType::F32])
        };
        FLOATS.iter().flat_map(|&dtype| shapes().map(move |(shape, i)| case(dtype, shape, i))).collect()
    }
}

/// Checks that an input is a generator's state.
pub fn check_state(op: &'static str, state: &Meta) -> Result<()> {
    if state.dtype == DType::I64 && state.shape.dims() == [2] {
        return Ok(());
    }
    let message = format!("expected a generator's state, int64 of shape (2,), got {} {}", state.dtype, state.shape);
    Err(Error::shape(op, message))
}

/// A state that random ops are tested on.
pub fn sample_state() -> Sample {
    Sample::within(2, 0.0..1e6).dtype(DType::I64)
}

/// The numbers of a stream.
pub fn philox(state: &Tensor, stream: u32) -> Result<Philox> {
    match state.data::<i64>()? {
        &[seed, step] => Ok(Philox::new(seed, step, stream)),
        _ => Err(Error::Internal("a generator's state of another size".into())),
    }
}

/// Calls `work(first element, elements, their numbers)` for pieces of `out`, over the threads, with the numbers that
/// `draw` gives for each block of four elements.
pub fn blocks<T: Float>(
    out: &mut [T],
    draw: impl Fn(u64) -> [f32; 4] + Sync + Copy,
    work: impl Fn(usize, &mut [T], &[f32]) + Sync + Copy,
) {
    const PIECE: usize = 16;
    let parts = threads::Parts::new(out);
    let n = out.len();
    threads::split(n.div_ceil(4 * PIECE), 1 << 7, &|range| {
        let start = range.start * 4 * PIECE;
        // SAFETY: `split` hands out ranges that do not overlap.
        let out = unsafe { parts.slice(start..(range.end * 4 * PIECE).min(n)) };
        T::vectorize(
            #[inline(always)]
            || {
                for (i, out) in range.zip(out.chunks_mut(4 * PIECE)) {
                    let mut numbers = [[0f32; 4]; PIECE];
                    for (k, numbers) in numbers.iter_mut().enumerate() {
                        *numbers = draw((i * PIECE + k) as u64);
                    }
                    work(i * 4 * PIECE, out, &numbers.as_flattened()[..out.len()]);
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_seed_step_and_stream_alone() -> Result<()> {
        let draw = |g: &Generator, n: usize| g.uniform(n, DType::F32, 0.0, 1.0)?.to_vec::<f32>();
        let mut g = Generator::new(-7, &Device::Cpu)?;
        let (first, second) = (draw(&g, 10_001)?, draw(&g, 10_001)?);
        assert_ne!(first, second);
        assert_eq!(first[..33], draw(&Generator::new(-7, &Device::Cpu)?, 33)?);
        let philox = Philox::new(-7, 0, 0);
        assert!(first.chunks(4).zip(0..).all(|(chunk, i)| *chunk == philox.uniform(i)[..chunk.len()]));
        g.advance()?;
        let third = draw(&g, 10_001)?;
        assert!(third != first && third != second);
        assert_eq!(third, draw(&Generator::at_step(-7, 1, &Device::Cpu)?, 10_001)?);
        assert_eq!(g.state().to_vec::<i64>()?, [-7, 1]);
        Ok(())
    }

    #[test]
    fn moments_are_those_asked_for() -> Result<()> {
        let g = Generator::new(3, &Device::Cpu)?;
        let n = 40_000;
        let check = |x: Tensor, mean: f64, variance: f64| -> Result<()> {
            let x = x.to_vec::<f64>()?;
            let m = x.iter().sum::<f64>() / n as f64;
            let v = x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n as f64;
            // Five standard errors; of the variance, those of a normal distribution, which has the most.
            assert!((m - mean).abs() < 5.0 * (variance / n as f64).sqrt(), "mean {m}, expected {mean}");
            assert!((v / variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "variance {v}, expected {variance}");
            Ok(())
        };
        check(g.uniform(n, DType::F64, -1.0, 3.0)?, 1.0, 16.0 / 12.0)?;
        check(g.normal(n, DType::F64, 2.0, 0.5)?, 2.0, 0.25)?;
        check(g.truncated_normal(n, DType::F64, -1.0, 3.0)?, -1.0, 9.0 * 0.773_741)
    }

    #[test]
    fn rejects_parameters_without_a_meaning() -> Result<()> {
        let g = Generator::new(3, &Device::Cpu)?;
        assert!(g.uniform(3, DType::F32, 1.0, 0.0).is_err());
        assert!(g.uniform(3, DType::I32, 0.0, 1.0).is_err());
        assert!(g.normal(3, DType::F32, 0.0, -1.0).is_err());
        assert!(g.truncated_normal(3, DType::F32, f64::NAN, 1.0).is_err());
        // The numbers are f32 in f64 tensors too.
        assert!(g.uniform(3, DType::F64, -3e38, 3e38).is_err());
        assert!(g.uniform(3, DType::F64, 1e38, 3.5e38).is_err());
        assert!(g.normal(3, DType::F64, 1e39, 1.0).is_err());
        let text = g.normal(3, DType::F32, 0.0, f64::INFINITY).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(text.contains("random_normal") && text.contains("stddev") && text.contains("inf"), "{text}");
        Ok(())
    }

    #[test]
    fn dropout_keeps_the_mean_and_drops_its_share() -> Result<()> {
        let g = Generator::new(11, &Device::Cpu)?;
        let n = 100_003;
        let ones = Tensor::ones(&Device::Cpu, n, DType::F32)?;
        for rate in [0.1, 0.5, 0.9] {
            let y = ones.dropout(rate, &g)?.to_vec::<f32>()?;
            let dropped = y.iter().filter(|&&y| y == 0.0).count() as f64;
            let sigma = (n as f64 * rate * (1.0 - rate)).sqrt();
            assert!((dropped - n as f64 * rate).abs() < 5.0 * sigma, "{dropped} of {n} at rate {rate}");
            let kept = (1.0 / (1.0 - rate)) as f32;
            assert!(y.iter().all(|&y| y == 0.0 || y == kept));
        }
        let x = g.normal(1001, DType::F32, 0.0, 1.0)?;
        assert_eq!(x.dropout(0.0, &g)?.to_vec::<f32>()?, x.to_vec::<f32>()?);
        for rate in [1.0, -0.1, f64::NAN] {
            assert!(x.dropout(rate, &g).is_err());
        }
        Ok(())
    }
}
