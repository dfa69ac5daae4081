//! The rectified linear unit with its arguments.

use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;

/// min(x, most) above `threshold`, else slope · (x − threshold).
#[derive(Clone, Copy, Debug)]
pub struct Rectify {
    slope: f64,
    most: f64,
    threshold: f64,
}

/// The backward of [`Rectify`]: dy times 0 above `most`, 1 above `threshold`, else the slope.
#[derive(Clone, Copy, Debug)]
pub struct RectifyGrad(Rectify);

static FORWARD: Kernel = Kernel::new("unary", "rectify_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("unary", "rectify_bwd", FLOATS);

impl Tensor {
    /// min(x, most) where x is above `threshold`, else slope · (x − threshold), element by element:
    /// [Keras's relu](https://keras.io/api/layers/activations/#relu-function) with all its arguments, which are
    /// `negative_slope`, `max_value` (infinity for none) and `threshold`.
    ///
    /// The slope 0 gives 0 up to `threshold`, for −∞ too; NaN stays. At `threshold` the gradient is that of the left side.
    ///
    /// # Errors
    /// A dtype that is no float, an argument that is NaN, a `threshold` or slope that is infinite.
    pub fn rectify(&self, slope: f64, most: f64, threshold: f64) -> Result<Tensor> {
        apply_one(Rectify { slope, most, threshold }, &[self])
    }
}

impl Rectify {
    fn args(&self, n: usize) -> [Arg; 4] {
        [Arg::I64(n as i64), Arg::F64(self.slope), Arg::F64(self.most), Arg::F64(self.threshold)]
    }

    fn check(&self) -> Result<()> {
        if self.slope.is_finite() && self.threshold.is_finite() && !self.most.is_nan() {
            return Ok(());
        }
        let Rectify { slope, most, threshold } = self;
        let message = format!("a finite slope and threshold and a maximum, got {slope}, {threshold} and {most}");
        Err(Error::Config(format!("rectify: expected {message}")))
    }
}

impl Op for Rectify {
    fn name(&self) -> &'static str {
        "rectify"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        self.check()?;
        match inputs {
            [x] => require_float("rectify", x.dtype).map(|()| Metas::from_elem(*x, 1)),
            _ => Err(Error::shape("rectify", format!("expected one tensor, got {}", inputs.len()))),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "rectify", T => {
            let (slope, most, threshold) = (self.slope as T, self.most as T, self.threshold as T);
            let x = inputs[0].data::<T>()?;
            let left = |x: T| {
                if slope != 0.0 { slope * (x - threshold) } else if Float::is_nan(x) { x } else { 0.0 }
            };
            let f = |x: T| if x > threshold { Float::minimum(x, most) } else { left(x) };
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, 1 << 15, |start, out| {
                let x = &x[start..start + out.len()];
                T::vectorize(#[inline(always)] || out.iter_mut().zip(x).for_each(|(out, &x)| *out = f(x)));
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let [count, slope, most, threshold] = self.args(n);
        let args = [Arg::input(inputs[0])?, Arg::output(&outputs[0])?, count, slope, most, threshold];
        device.launch(&FORWARD, inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let dx = apply_one(RectifyGrad(*self), &[node.input(0)?, node.grad()?])?;
        Ok(Gradients::from_iter([Some(dx)]))
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize, slope, most, threshold| Case::new(Rectify { slope, most, threshold }, [Sample::new(n)]);
        vec![
            case(0, 0.0, 1.0, 0.0),
            case(33, 0.2, f64::INFINITY, 0.0),
            case(1021, 0.0, 1.5, 0.5),
            case(70_001, 0.1, 1.25, 0.5),
        ]
    }
}

impl Op for RectifyGrad {
    fn name(&self) -> &'static str {
        "rectify_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        self.0.check()?;
        match inputs {
            [x, dy] if x == dy => require_float("rectify_grad", dy.dtype).map(|()| Metas::from_elem(*dy, 1)),
            _ => {
                let message = format!("expected two tensors of one shape and dtype, got {}", given(inputs));
                Err(Error::shape("rectify_grad", message))
            }
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "rectify_grad", T => {
            let (slope, most, threshold) = (self.0.slope as T, self.0.most as T, self.0.threshold as T);
            let (x, dy) = (inputs[0].data::<T>()?, inputs[1].data::<T>()?);
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, 1 << 15, |start, out| {
                let (x, dy) = (&x[start..start + out.len()], &dy[start..start + out.len()]);
                T::vectorize(#[inline(always)] || {
                    for ((out, &x), &dy) in out.iter_mut().zip(x).zip(dy) {
                        let right = if x > most { 0.0 } else { 1.0 };
                        *out = Float::flush(dy * if x > threshold { right } else { slope });
                    }
                });
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let [count, slope, most, threshold] = self.0.args(n);
        let pointers = [Arg::input(inputs[0])?, Arg::input(inputs[1])?, Arg::output(&outputs[0])?];
        let args = [pointers[0], pointers[1], pointers[2], count, slope, most, threshold];
        device.launch(&BACKWARD, inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize, slope, most, threshold| {
            Case::new(RectifyGrad(Rectify { slope, most, threshold }), [Sample::new(n), Sample::new(n)])
        };
        vec![case(0, 0.0, 1.0, 0.0), case(1021, 0.1, 1.25, 0.5)]
    }
}
