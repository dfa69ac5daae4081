//! Convolutions over one to three spatial axes: forward, transposed, and the gradient of the kernel, each of which is
//! made of the other two backwards.

mod cases;
mod cuda;
mod kernels;

use super::activation::Activation;
use super::unary::SlopeOf;
use super::window::{SPATIAL, Slide, Window, spatial};
use crate::device::cpu::conv::{self, Axis, Geometry};
use crate::device::cpu::convert::require_float;
use crate::device::cpu::gemm::Finish;
use crate::device::cuda::CudaDevice;
use crate::error::{Error, Result};
use crate::profile;
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Tensor, apply_one, given, require_one_dtype};
use crate::with_float;
use cases::{CASES, Sizes};
use smallvec::SmallVec;
use std::iter;

/// `activation(x * kernel + bias)`: x is `(batch, …, channels)`, the kernel `(…, channels / groups, filters)`, the bias
/// `(filters,)` and may be left out, the output `(batch, …, filters)`.
///
/// y[n, i, f] = Σ x[n, i · stride + k · dilation − before, c] · kernel[k, c, f] over the kernel's positions k and the
/// channels c of f's group, with zeros around x. With as many groups as channels it is a depthwise convolution.
///
/// An activation whose slope is computed from its argument adds a second output, the sum before it.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    window: Window,
    groups: usize,
    activation: Activation,
}

/// What [`Conv`] is for its input, backwards: from y `(batch, …, filters)` and the kernel to `(batch, extents…,
/// channels)`.
#[derive(Clone, Copy, Debug)]
pub struct ConvTranspose {
    window: Window,
    groups: usize,
    /// The spatial extents of the output, the first ones 1 where there are fewer than three.
    extents: [usize; SPATIAL],
}

/// The gradient of [`Conv`]'s kernel, from x and the output's gradient.
#[derive(Clone, Copy, Debug)]
pub struct ConvKernelGrad {
    window: Window,
    groups: usize,
}

impl Tensor {
    /// `activation(self * kernel + bias)`, the convolution of [Keras](https://keras.io/api/ops/nn/#conv-function)
    /// (which is a cross-correlation): `(batch, …, channels) * (…, channels / groups, filters) → (batch, …, filters)`
    /// over one to three spatial axes. Floating-point, one dtype. With as many groups as channels it is a depthwise
    /// convolution.
    ///
    /// # Errors
    /// Shapes that do not fit each other or the window, groups that do not divide channels and filters, dtypes that
    /// differ or are no floats.
    pub fn conv(
        &self,
        kernel: &Tensor,
        bias: Option<&Tensor>,
        window: Window,
        groups: usize,
        activation: Activation,
    ) -> Result<Tensor> {
        let op = Conv { window, groups, activation };
        match bias {
            Some(bias) => apply_one(op, &[self, kernel, bias]),
            None => apply_one(op, &[self, kernel]),
        }
    }

    /// The transposed convolution ([Keras](https://keras.io/api/ops/nn/#conv_transpose-function)): what
    /// [`Tensor::conv`] over a tensor `(batch, extents…, channels)` with this kernel and window does to a gradient,
    /// `(batch, …, filters) → (batch, extents…, channels)`.
    ///
    /// # Errors
    /// As for [`Tensor::conv`]; extents over which the window does not make as many steps as `self` has.
    pub fn conv_transpose(&self, kernel: &Tensor, window: Window, groups: usize, extents: &[usize]) -> Result<Tensor> {
        if extents.len() != window.rank() {
            let message = format!("expected {} extents for the output, got {extents:?}", window.rank());
            return Err(Error::shape("conv_transpose", message));
        }
        let mut three = [1; SPATIAL];
        three[SPATIAL - extents.len()..].copy_from_slice(extents);
        apply_one(ConvTranspose { window, groups, extents: three }, &[self, kernel])
    }

    /// The gradient of the kernel of [`Tensor::conv`] over `self` with this window, from the gradient `dy` of its output.
    ///
    /// # Errors
    /// As for [`Tensor::conv`].
    pub fn conv_kernel_grad(&self, dy: &Tensor, window: Window, groups: usize) -> Result<Tensor> {
        apply_one(ConvKernelGrad { window, groups }, &[self, dy])
    }
}

/// Checks a kernel against the channels that it sees, and gives its filters.
fn filters(op: &'static str, window: &Window, groups: usize, channels: Option<usize>, kernel: &Shape) -> Result<usize> {
    let sizes: SmallVec<[usize; SPATIAL]> = window.slides().iter().map(|s| s.size).collect();
    let rank = sizes.len();
    if kernel.rank() != rank + 2 || kernel[..rank] != sizes[..] {
        let message = format!("expected a kernel of shape {sizes:?} + (channels / groups, filters), got {kernel}");
        return Err(Error::shape(op, message));
    }
    let (depth, filters) = (kernel[rank], kernel[rank + 1]);
    if groups == 0 || filters % groups != 0 {
        return Err(Error::shape(op, format!("expected groups that divide {filters} filters, got {groups}")));
    }
    if let Some(channels) = channels.filter(|&c| depth.checked_mul(groups) != Some(c)) {
        let message = format!("expected {depth} channels in each of {groups} groups, got {channels} channels");
        return Err(Error::shape(op, message));
    }
    Ok(filters)
}

/// A tensor's shape with other spatial extents and channels.
fn image(batch: usize, extents: &[usize], channels: usize) -> Result<Shape> {
    let dims = iter::once(&batch).chain(extents).chain([&channels]).copied();
    Shape::new(&dims.collect::<SmallVec<[usize; SPATIAL + 2]>>())
}

/// The sizes that the devices work from; shapes have been checked.
fn geometry(window: &Window, groups: usize, x: [usize; SPATIAL], y: &Shape, channels: usize) -> Geometry {
    let (output, slides) = (spatial(y), window.three());
    let axis = |a: usize| {
        let Slide { size, stride, dilation, before, .. } = slides[a];
        Axis { input: x[a], output: output[a], size, stride, dilation, before }
    };
    let geometry = Geometry { batch: y[0], axes: std::array::from_fn(axis), channels, filters: y.last(), groups };
    profile::operations(2 * geometry.products());
    geometry
}

impl Conv {
    fn keeps_sum(&self) -> bool {
        self.activation.slope_of() == Some(SlopeOf::Input)
    }
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let (x, kernel, bias) = match inputs {
            [x, kernel] => (x, kernel, None),
            [x, kernel, bias] => (x, kernel, Some(bias)),
            _ => return Err(Error::shape("conv", format!("expected two or three tensors, got {}", given(inputs)))),
        };
        require_float("conv", x.dtype)?;
        require_one_dtype("conv", inputs)?;
        let steps = self.window.steps("conv", &x.shape)?;
        let filters = filters("conv", &self.window, self.groups, Some(x.shape.last()), &kernel.shape)?;
        if let Some(bias) = bias.filter(|b| b.shape.dims() != [filters]) {
            return Err(Error::shape("conv", format!("expected a bias of shape ({filters},), got {}", bias.shape)));
        }
        let out = Meta::new(image(x.shape[0], &steps, filters)?, x.dtype);
        Ok(Metas::from_elem(out, if self.keeps_sum() { 2 } else { 1 }))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let x = inputs[0];
        let (activation, keeps_sum) = (self.activation, self.keeps_sum());
        let geometry = geometry(&self.window, self.groups, spatial(&x.shape()), &outputs[0].shape(), x.shape().last());
        with_float!(x.dtype(), "conv", T => {
            let bias = inputs.get(2).map(|b| b.data::<T>()).transpose()?;
            let fused = if keeps_sum { Activation::Linear } else { activation };
            let after = fused.after(bias);
            let finish: Option<Finish<T>> = (bias.is_some() || fused != Activation::Linear).then_some(&after);
            let (x, kernel) = (x.data::<T>()?, inputs[1].data::<T>()?);
            let [out, sums @ ..] = outputs else { return Err(Error::Internal("conv has an output".into())) };
            match sums {
                [] => conv::forward(&geometry, x, kernel, out.data_mut()?, finish),
                [sum, ..] => {
                    conv::forward(&geometry, x, kernel, sum.data_mut()?, finish)?;
                    activation.cpu_from(sum.data::<T>()?, out.data_mut::<T>()?);
                    Ok(())
                }
            }
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let x = inputs[0];
        let sum = outputs.last().ok_or_else(|| Error::Internal("conv has an output".into()))?;
        let geometry = geometry(&self.window, self.groups, spatial(&x.shape()), &sum.shape(), x.shape().last());
        let fused = self.activation == Activation::Relu;
        let conv = cuda::Conv::new(device, &geometry, x.dtype());
        conv.forward(x, inputs[1], inputs.get(2).copied(), sum, fused)?;
        // In place where the sum is not kept: an element-wise kernel reads each element before it writes it.
        if fused { Ok(()) } else { self.activation.cuda(device, sum, &outputs[0]) }
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(match self.activation.slope_of() {
            None => Keeps::inputs(&[0, 1]),
            Some(SlopeOf::Output) => Keeps { inputs: &[0, 1], outputs: &[0] },
            Some(SlopeOf::Input) => Keeps { inputs: &[0, 1], outputs: &[1] },
        })
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let Conv { window, groups, .. } = *self;
        let (x, kernel) = (node.input(0)?, node.input(1)?);
        let dz = match self.activation.slope_of() {
            None => node.grad()?.clone(),
            Some(SlopeOf::Output) => self.activation.grad(node.output(0)?, node.grad()?)?,
            Some(SlopeOf::Input) => self.activation.grad(node.output(1)?, node.grad()?)?,
        };
        let transpose = ConvTranspose { window, groups, extents: spatial(&x.shape()) };
        let mut gradients = Gradients::new();
        gradients.push(if node.wants(0) { Some(apply_one(transpose, &[&dz, kernel])?) } else { None });
        gradients.push(if node.wants(1) {
            Some(apply_one(ConvKernelGrad { window, groups }, &[x, &dz])?)
        } else {
            None
        });
        if node.input_count() > 2 {
            let rows = dz.reshape([dz.shape().rows(), dz.shape().last()])?;
            gradients.push(if node.wants(2) { Some(rows.sum(&[0], false)?) } else { None });
        }
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        let mut cases: Vec<Case> =
            CASES.iter().enumerate().map(|(i, case)| case.conv(i % 2 == 0, Activation::Linear)).collect();
        let smooth = [Activation::Sigmoid, Activation::Tanh, Activation::Gelu, Activation::Silu];
        cases.extend(smooth.iter().map(|&activation| CASES[0].conv(true, activation)));
        cases
    }
}

impl Op for ConvTranspose {
    fn name(&self) -> &'static str {
        "conv_transpose"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [y, kernel] = inputs else {
            return Err(Error::shape("conv_transpose", format!("expected two tensors, got {}", given(inputs))));
        };
        require_float("conv_transpose", y.dtype)?;
        require_one_dtype("conv_transpose", inputs)?;
        let filters = filters("conv_transpose", &self.window, self.groups, None, &kernel.shape)?;
        let channels = kernel.shape[kernel.shape.rank() - 2].saturating_mul(self.groups);
        let out =
            image(y.shape.first().copied().unwrap_or(0), &self.extents[SPATIAL - self.window.rank()..], channels)?;
        let want = image(out[0], &self.window.steps("conv_transpose", &out)?, filters)?;
        if y.shape != want {
            let message = format!("expected an input of shape {want} for an output of {out}, got {}", y.shape);
            return Err(Error::shape("conv_transpose", message));
        }
        Ok(Metas::from_elem(Meta::new(out, y.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let geometry = geometry(&self.window, self.groups, self.extents, &inputs[0].shape(), outputs[0].shape().last());
        with_float!(inputs[0].dtype(), "conv_transpose", T => {
            conv::input_grad(&geometry, inputs[0].data::<T>()?, inputs[1].data::<T>()?, outputs[0].data_mut::<T>()?)
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (y, dx) = (inputs[0], &outputs[0]);
        let geometry = geometry(&self.window, self.groups, self.extents, &y.shape(), dx.shape().last());
        cuda::Conv::new(device, &geometry, y.dtype()).input_grad(y, inputs[1], dx)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0, 1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let ConvTranspose { window, groups, .. } = *self;
        let (y, kernel, g) = (node.input(0)?, node.input(1)?, node.grad()?);
        let mut gradients = Gradients::new();
        gradients.push(if node.wants(0) {
            Some(g.conv(kernel, None, window, groups, Activation::Linear)?)
        } else {
            None
        });
        gradients.push(if node.wants(1) { Some(apply_one(ConvKernelGrad { window, groups }, &[g, y])?) } else { None });
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        CASES.iter().map(Sizes::transpose).collect()
    }
}

impl Op for ConvKernelGrad {
    fn name(&self) -> &'static str {
        "conv_kernel_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x, dy] = inputs else {
            return Err(Error::shape("conv_kernel_grad", format!("expected two tensors, got {}", given(inputs))));
        };
        require_float("conv_kernel_grad", x.dtype)?;
        require_one_dtype("conv_kernel_grad", inputs)?;
        let (channels, filters) = (x.shape.last(), dy.shape.last());
        let want =
            image(x.shape.first().copied().unwrap_or(0), &self.window.steps("conv_kernel_grad", &x.shape)?, filters)?;
        if dy.shape != want {
            return Err(Error::shape("conv_kernel_grad", format!("expected a gradient of {want}, got {}", dy.shape)));
        }
        if self.groups == 0 || channels % self.groups != 0 || filters % self.groups != 0 {
            let message =
                format!("expected groups that divide {channels} channels and {filters} filters, got {}", self.groups);
            return Err(Error::shape("conv_kernel_grad", message));
        }
        let sizes = self.window.slides().iter().map(|s| s.size).chain([channels / self.groups, filters]);
        Ok(Metas::from_elem(Meta::new(Shape::new(&sizes.collect::<SmallVec<[usize; SPATIAL + 2]>>())?, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, dy) = (inputs[0], inputs[1]);
        let geometry = geometry(&self.window, self.groups, spatial(&x.shape()), &dy.shape(), x.shape().last());
        with_float!(x.dtype(), "conv_kernel_grad", T => {
            conv::kernel_grad(&geometry, x.data::<T>()?, dy.data::<T>()?, outputs[0].data_mut::<T>()?)
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, dy) = (inputs[0], inputs[1]);
        let geometry = geometry(&self.window, self.groups, spatial(&x.shape()), &dy.shape(), x.shape().last());
        cuda::Conv::new(device, &geometry, x.dtype()).kernel_grad(x, dy, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0, 1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let ConvKernelGrad { window, groups } = *self;
        let (x, dy, g) = (node.input(0)?, node.input(1)?, node.grad()?);
        let transpose = ConvTranspose { window, groups, extents: spatial(&x.shape()) };
        let mut gradients = Gradients::new();
        gradients.push(if node.wants(0) { Some(apply_one(transpose, &[dy, g])?) } else { None });
        gradients.push(if node.wants(1) { Some(x.conv(g, None, window, groups, Activation::Linear)?) } else { None });
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        CASES.iter().map(Sizes::kernel_grad).collect()
    }
}
