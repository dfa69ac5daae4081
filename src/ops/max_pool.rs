//! The largest element of each window.

use super::pool::{self, CASES, Geometry, Sizes};
use super::window::{SPATIAL, Window, spatial};
use crate::device::cpu::Float;
use crate::device::cpu::simd::{Body, Lanes, load, store};
use crate::device::cpu::threads::Parts;
use crate::device::cuda::{Arg, CudaDevice, Kernel};
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;
use std::ops::Range;

/// The largest element of each window of `(batch, …, channels)` over one to three spatial axes.
///
/// The second output is which of the window's elements it is, for the backward: the first of equal ones, and the first NaN
/// before all numbers. It has a byte where the window has no more than 256 elements, so that the backward reads little.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    window: Window,
}

/// The backward of [`MaxPool`]: each element of dy goes to where the largest one was.
#[derive(Clone, Copy, Debug)]
pub struct MaxPoolGrad {
    window: Window,
    /// The spatial extents of the input, the first ones 1 where there are fewer than three.
    extents: [usize; SPATIAL],
}

static FORWARD_U8: Kernel = Kernel::new("pool", "max_pool_fwd_u8", FLOATS);
static FORWARD_I32: Kernel = Kernel::new("pool", "max_pool_fwd_i32", FLOATS);
static BACKWARD_U8: Kernel = Kernel::new("pool", "max_pool_bwd_u8", FLOATS);
static BACKWARD_I32: Kernel = Kernel::new("pool", "max_pool_bwd_i32", FLOATS);

impl Tensor {
    /// The largest element of each window, channel by channel: `(batch, …, channels) → (batch, steps…, channels)` over one to
    /// three spatial axes ([Keras](https://keras.io/api/ops/nn/#max_pool-function)). What lies around the tensor is never the
    /// largest; NaN is.
    ///
    /// The gradient goes to the largest element, to the first of those that are equal.
    ///
    /// # Errors
    /// A tensor of another rank, one over which the window does not fit once, a window with dilation or one that can see
    /// padding alone, a dtype that is no float.
    pub fn max_pool(&self, window: Window) -> Result<Tensor> {
        apply_one(MaxPool { window }, &[self])
    }
}

/// An integer that numbers a window's elements.
trait Number: Element {
    fn of(number: usize) -> Self;
}

impl Number for u8 {
    #[inline(always)]
    fn of(number: usize) -> u8 {
        number as u8
    }
}

impl Number for i32 {
    #[inline(always)]
    fn of(number: usize) -> i32 {
        number as i32
    }
}

/// The dtype of those numbers.
fn numbers(window: &Window) -> DType {
    if window.size() <= 256 { DType::U8 } else { DType::I32 }
}

fn forward<T: Float, N: Number>(g: &Geometry, x: &[T], y: &mut [T], at: &mut [N]) {
    let (y, at) = (Parts::new(y), Parts::new(at));
    g.over_rows(&|rows| {
        let part = g.elements(&rows);
        // SAFETY: the parts of the rows that `over_rows` hands out do not overlap.
        let (y, at) = unsafe { (y.slice(part.clone()), at.slice(part)) };
        T::in_vectors(Forward { g, rows, x, y, at });
    });
}

/// The largest elements, and their numbers, of some rows of the output.
struct Forward<'a, T, N> {
    g: &'a Geometry,
    rows: Range<usize>,
    x: &'a [T],
    y: &'a mut [T],
    at: &'a mut [N],
}

impl<T: Float, N: Number> Body<T> for Forward<'_, T, N> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        const { assert!(V::LANES <= MOST_LANES) };
        let Forward { g, rows, x, y, at } = self;
        let channels = g.channels();
        g.in_rows(
            rows,
            #[inline(always)]
            |to, c, seen| {
                for l in (0..to.len()).step_by(V::LANES) {
                    let lanes = V::LANES.min(to.len() - l);
                    let to = to.start + l..to.start + l + lanes;
                    let mut numbers = [T::ZERO; MOST_LANES];
                    // SAFETY: the slices have `lanes` elements; the machine has the instructions by the caller's promise.
                    unsafe {
                        let (mut best, mut number) = (V::splat(T::NEG_INFINITY), V::splat(as_bits(g.first(seen))));
                        g.each(
                            seen,
                            #[inline(always)]
                            |from, k| {
                                let x = load::<V>(x[from * channels + c + l..][..lanes].as_ptr(), lanes);
                                let larger = x.above(best);
                                (best, number) = (best.select(larger, x), number.select(larger, V::splat(as_bits(k))));
                            },
                        );
                        store(best, y[to.clone()].as_mut_ptr(), lanes);
                        store(number, numbers.as_mut_ptr(), lanes);
                    }
                    at[to].iter_mut().zip(numbers).for_each(|(at, number)| *at = N::of(from_bits(number)));
                }
            },
        );
    }
}

/// As many lanes as a vector has.
const MOST_LANES: usize = 16;

/// A window's number as the bits of an element, which select moves as they are.
#[inline(always)]
fn as_bits<T: Float>(number: usize) -> T {
    let mut x = T::ZERO;
    bytemuck::bytes_of_mut(&mut x)[..4].copy_from_slice(&(number as u32).to_le_bytes());
    x
}

/// The number of [`as_bits`].
#[inline(always)]
fn from_bits<T: Float>(x: T) -> usize {
    let bytes = bytemuck::bytes_of(&x);
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
}

fn backward<T: Float, N: Number>(g: &Geometry, at: &[N], dy: &[T], dx: &mut [T]) {
    g.pull(
        dx,
        #[inline(always)]
        |from, dx, number, _| {
            let number = N::of(number);
            for ((dx, &at), &dy) in dx.iter_mut().zip(&at[from.clone()]).zip(&dy[from]) {
                *dx += if at == number { dy } else { T::ZERO };
            }
        },
    );
}

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x] = inputs else {
            return Err(Error::shape("max_pool", format!("expected one tensor, got {}", given(inputs))));
        };
        let y = pool::infer("max_pool", &self.window, x)?;
        Ok(Metas::from_iter([y, Meta::new(y.shape, numbers(&self.window))]))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let [y, at] = outputs else { return Err(Error::Internal("max_pool has two outputs".into())) };
        let g = Geometry::new(&self.window, &inputs[0].shape(), &y.shape());
        with_float!(inputs[0].dtype(), "max_pool", T => {
            let (x, y) = (inputs[0].data::<T>()?, y.data_mut::<T>()?);
            match at.dtype() {
                DType::U8 => forward(&g, x, y, at.data_mut::<u8>()?),
                _ => forward(&g, x, y, at.data_mut::<i32>()?),
            }
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let g = Geometry::new(&self.window, &inputs[0].shape(), &outputs[0].shape());
        let pointers = [Arg::output(&outputs[0])?, Arg::output(&outputs[1])?, Arg::input(inputs[0])?];
        let kernel = if outputs[1].dtype() == DType::U8 { &FORWARD_U8 } else { &FORWARD_I32 };
        g.cuda(device, kernel, inputs[0].dtype(), &pointers, false)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::outputs(&[1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let grad = MaxPoolGrad { window: self.window, extents: spatial(&node.input_meta(0).shape) };
        Ok(Gradients::from_iter([Some(apply_one(grad, &[node.output(1)?, node.grad()?])?)]))
    }

    fn cases() -> Vec<Case> {
        CASES.iter().map(|case| case.case(MaxPool { window: case.window() }).shown(1)).collect()
    }
}

impl Op for MaxPoolGrad {
    fn name(&self) -> &'static str {
        "max_pool_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [at, dy] = inputs else {
            let message = format!("expected the places of the largest and dy, got {}", given(inputs));
            return Err(Error::shape("max_pool_grad", message));
        };
        let dx = pool::infer_grad("max_pool_grad", &self.window, &self.extents, dy)?;
        if *at != Meta::new(dy.shape, numbers(&self.window)) {
            let message = format!("expected {} places of shape {}, got {at}", numbers(&self.window), dy.shape);
            return Err(Error::shape("max_pool_grad", message));
        }
        Ok(Metas::from_elem(dx, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (at, dy) = (inputs[0], inputs[1]);
        let g = Geometry::new(&self.window, &outputs[0].shape(), &dy.shape());
        with_float!(dy.dtype(), "max_pool_grad", T => {
            let (dy, dx) = (dy.data::<T>()?, outputs[0].data_mut::<T>()?);
            match at.dtype() {
                DType::U8 => backward(&g, at.data::<u8>()?, dy, dx),
                _ => backward(&g, at.data::<i32>()?, dy, dx),
            }
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let g = Geometry::new(&self.window, &outputs[0].shape(), &inputs[1].shape());
        let pointers = [Arg::output(&outputs[0])?, Arg::input(inputs[0])?, Arg::input(inputs[1])?];
        let kernel = if inputs[0].dtype() == DType::U8 { &BACKWARD_U8 } else { &BACKWARD_I32 };
        g.cuda(device, kernel, inputs[1].dtype(), &pointers, true)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |sizes: &Sizes| {
            let (window, y) = (sizes.window(), sizes.y());
            // Numbers past the end of what the window sees are of the padding, where nothing goes.
            let at = Sample::below(y.shape, window.size()).dtype(numbers(&window));
            Case::new(MaxPoolGrad { window, extents: spatial(&sizes.x().shape) }, [at, y])
        };
        CASES.iter().map(case).collect()
    }
}
