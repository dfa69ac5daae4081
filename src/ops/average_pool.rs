//! The mean of each window.

use super::pool::{self, CASES, Geometry, LANES, Sizes};
use super::window::{SPATIAL, Window, spatial};
use crate::device::cpu::Float;
use crate::device::cpu::threads::Parts;
use crate::device::cuda::{Arg, CudaDevice, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Tensor, apply_one, given};
use crate::with_float;

/// The mean of what each window sees of `(batch, …, channels)` over one to three spatial axes; the padding does not count.
#[derive(Clone, Copy, Debug)]
pub struct AveragePool {
    window: Window,
}

/// The backward of [`AveragePool`]: each element of dy goes in equal parts to what the window saw.
#[derive(Clone, Copy, Debug)]
pub struct AveragePoolGrad {
    window: Window,
    /// The spatial extents of the input, the first ones 1 where there are fewer than three.
    extents: [usize; SPATIAL],
}

static FORWARD: Kernel = Kernel::new("pool", "average_pool_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("pool", "average_pool_bwd", FLOATS);

impl Tensor {
    /// The mean of each window, channel by channel: `(batch, …, channels) → (batch, steps…, channels)` over one to three
    /// spatial axes ([Keras](https://keras.io/api/ops/nn/#average_pool-function)). It is divided by the number of the tensor's
    /// elements that the window sees: padding does not count.
    ///
    /// # Errors
    /// As for [`Tensor::max_pool`].
    pub fn average_pool(&self, window: Window) -> Result<Tensor> {
        apply_one(AveragePool { window }, &[self])
    }
}

fn forward<T: Float>(g: &Geometry, x: &[T], y: &mut [T]) {
    let (y, channels) = (Parts::new(y), g.channels());
    g.over_rows(&|rows| {
        // SAFETY: the parts of the rows that `over_rows` hands out do not overlap.
        let y = unsafe { y.slice(g.elements(&rows)) };
        T::vectorize(
            #[inline(always)]
            || {
                g.in_rows(
                    rows,
                    #[inline(always)]
                    |to, c, seen| {
                        let mut sum = [T::ZERO; LANES];
                        g.each(
                            seen,
                            #[inline(always)]
                            |from, _| {
                                let x = &x[from * channels + c..][..to.len()];
                                sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum += x);
                            },
                        );
                        let count = T::of(seen.count() as f64);
                        y[to].iter_mut().zip(sum).for_each(|(y, sum)| *y = sum / count);
                    },
                );
            },
        );
    });
}

fn backward<T: Float>(g: &Geometry, dy: &[T], dx: &mut [T]) {
    g.pull(
        dx,
        #[inline(always)]
        |from, dx, _, count| {
            let share = T::ONE / T::of(count as f64);
            dx.iter_mut().zip(&dy[from]).for_each(|(dx, &dy)| *dx += dy * share);
        },
    );
}

impl Op for AveragePool {
    fn name(&self) -> &'static str {
        "average_pool"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x] = inputs else {
            return Err(Error::shape("average_pool", format!("expected one tensor, got {}", given(inputs))));
        };
        Ok(Metas::from_elem(pool::infer("average_pool", &self.window, x)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let g = Geometry::new(&self.window, &inputs[0].shape(), &outputs[0].shape());
        with_float!(inputs[0].dtype(), "average_pool", T => {
            forward(&g, inputs[0].data::<T>()?, outputs[0].data_mut::<T>()?);
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let g = Geometry::new(&self.window, &inputs[0].shape(), &outputs[0].shape());
        let pointers = [Arg::output(&outputs[0])?, Arg::input(inputs[0])?];
        g.cuda(device, &FORWARD, inputs[0].dtype(), &pointers, false)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let grad = AveragePoolGrad { window: self.window, extents: spatial(&node.input_meta(0).shape) };
        Ok(Gradients::from_iter([Some(apply_one(grad, &[node.grad()?])?)]))
    }

    fn cases() -> Vec<Case> {
        CASES.iter().map(|case| case.case(AveragePool { window: case.window() })).collect()
    }
}

impl Op for AveragePoolGrad {
    fn name(&self) -> &'static str {
        "average_pool_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [dy] = inputs else {
            return Err(Error::shape("average_pool_grad", format!("expected one tensor, got {}", given(inputs))));
        };
        Ok(Metas::from_elem(pool::infer_grad("average_pool_grad", &self.window, &self.extents, dy)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let g = Geometry::new(&self.window, &outputs[0].shape(), &inputs[0].shape());
        with_float!(inputs[0].dtype(), "average_pool_grad", T => {
            backward(&g, inputs[0].data::<T>()?, outputs[0].data_mut::<T>()?);
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let g = Geometry::new(&self.window, &outputs[0].shape(), &inputs[0].shape());
        g.cuda(device, &BACKWARD, inputs[0].dtype(), &[Arg::output(&outputs[0])?, Arg::input(inputs[0])?], true)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        Ok(Gradients::from_iter([Some(node.grad()?.average_pool(self.window)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |sizes: &Sizes| {
            let op = AveragePoolGrad { window: sizes.window(), extents: spatial(&sizes.x().shape) };
            Case::new(op, [sizes.y()])
        };
        CASES.iter().map(case).collect()
    }
}
