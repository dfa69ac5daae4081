//! Normalisation by a mean and a variance that are given for each channel.

use super::channels::{self, SHAPES, Tile, sample};
use crate::device::cpu::Float;
use crate::device::cuda::{Arg, CudaDevice, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply, apply_one};
use crate::with_float;
use smallvec::SmallVec;

/// γ · (x − mean) / √(variance + ε) + β over the last axis, for which each of the four has a number; γ and β may be left out.
#[derive(Clone, Copy, Debug)]
pub struct NormalizeChannels {
    epsilon: f64,
    scale: bool,
    center: bool,
}

/// The gradients of γ and β, Σ dy · (x − mean) / √(variance + ε) and Σ dy over all axes but the last, from x, mean, variance
/// and dy.
#[derive(Clone, Copy, Debug)]
pub struct NormalizeChannelsGrad {
    /// ε.
    pub epsilon: f64,
}

static NORMALIZE: Kernel = Kernel::new("batch_norm", "batch_norm_fwd", FLOATS);
static SUMS: Kernel = Kernel::new("batch_norm", "batch_norm_sums", FLOATS);
static SUMS_END: Kernel = Kernel::new("batch_norm", "batch_norm_sums_end", &[DType::F32, DType::F64]);

impl Tensor {
    /// `gamma · (x − mean) / √(variance + ε) + beta`, with a number of each for every place of the last axis
    /// ([Keras](https://keras.io/api/ops/nn/#batch_normalization-function)); without a gamma it is 1, without a beta 0.
    ///
    /// The four are of the dtype that is computed in: float32 for float16, bfloat16 and float32.
    ///
    /// # Errors
    /// No axis, a dtype that is no float, vectors of another dtype or shape, an ε that is not positive.
    pub fn normalize_channels(
        &self,
        mean: &Tensor,
        variance: &Tensor,
        gamma: Option<&Tensor>,
        beta: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<Tensor> {
        let op = NormalizeChannels { epsilon, scale: gamma.is_some(), center: beta.is_some() };
        let inputs: SmallVec<[&Tensor; 5]> = [self, mean, variance].into_iter().chain(gamma).chain(beta).collect();
        apply_one(op, &inputs)
    }
}

/// What `inputs` has behind `first` for γ and β, if they are there.
pub fn weights<T>(inputs: &[T], first: usize, scale: bool, center: bool) -> [Option<&T>; 2] {
    let at = |there: bool, i: usize| if there { inputs.get(i) } else { None };
    [at(scale, first), at(center, first + usize::from(scale))]
}

/// The argument for a tensor that may not be there.
pub fn optional(tensor: Option<&&Tensor>) -> Result<Arg> {
    tensor.map_or(Ok(Arg::Ptr(0)), |t| Arg::input(*t))
}

/// Normalises on the CPU.
pub fn cpu<T: Float>(
    x: &Tensor,
    [mean, variance]: [&Tensor; 2],
    [gamma, beta]: [Option<&&Tensor>; 2],
    epsilon: f64,
    y: &mut Tensor,
) -> Result<()> {
    let (channels, epsilon) = (x.shape().last(), T::of(epsilon));
    let (x, mean, variance) = (x.data::<T>()?, mean.data::<T>()?, variance.data::<T>()?);
    let gamma = gamma.map(|t| t.data::<T>()).transpose()?;
    let beta = beta.map(|t| t.data::<T>()).transpose()?;
    let numbers = channels::coefficients(channels, |c| {
        let scale = gamma.map_or(T::ONE, |gamma| gamma[c]) / (variance[c] + epsilon).sqrt();
        [mean[c], scale, beta.map_or(T::ZERO, |beta| beta[c])]
    })?;
    let numbers = numbers.data::<T>()?;
    let (mean, rest) = numbers.split_at(numbers.len() / 3);
    let (scale, offset) = rest.split_at(rest.len() / 2);
    channels::map(
        channels,
        y.data_mut::<T>()?,
        #[inline(always)]
        |at, y| {
            // About the mean first: what is large in both is gone before anything is rounded.
            for ((((y, &x), &mean), &scale), &offset) in y.iter_mut().zip(&x[at]).zip(mean).zip(scale).zip(offset) {
                *y = (x - mean).mul_add(scale, offset);
            }
        },
    );
    Ok(())
}

/// Normalises on a card.
pub fn cuda(
    device: &CudaDevice,
    x: &Tensor,
    [mean, variance]: [&Tensor; 2],
    [gamma, beta]: [Option<&&Tensor>; 2],
    epsilon: f64,
    y: &Tensor,
) -> Result<()> {
    let pointers =
        [Arg::output(y)?, Arg::input(x)?, Arg::input(mean)?, Arg::input(variance)?, optional(gamma)?, optional(beta)?];
    Tile::new(x).map(device, &NORMALIZE, x.dtype(), &pointers, epsilon)
}

impl Op for NormalizeChannels {
    fn name(&self) -> &'static str {
        "normalize_channels"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let vectors = 2 + usize::from(self.scale) + usize::from(self.center);
        channels::check("normalize_channels", inputs, vectors, false, self.epsilon)?;
        Ok(Metas::from_elem(inputs[0], 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let weights = weights(inputs, 3, self.scale, self.center);
        with_float!(inputs[0].dtype(), "normalize_channels", T => {
            cpu::<T>(inputs[0], [inputs[1], inputs[2]], weights, self.epsilon, &mut outputs[0])
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let weights = weights(inputs, 3, self.scale, self.center);
        cuda(device, inputs[0], [inputs[1], inputs[2]], weights, self.epsilon, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        // What is not there is not kept.
        Some(Keeps::inputs(&[0, 1, 2, 3]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let (x, mean, variance, dy) = (node.input(0)?, node.input(1)?, node.input(2)?, node.grad()?);
        let gamma = if self.scale { Some(node.input(3)?) } else { None };
        let zeros = Tensor::zeros(&mean.device(), mean.shape(), mean.dtype())?;
        let scaled = |t: &Tensor| t.normalize_channels(&zeros, variance, gamma, None, self.epsilon);
        let mut gradients = Gradients::new();
        gradients.push(if node.wants(0) { Some(scaled(dy)?) } else { None });
        if !(1..node.input_count()).any(|i| node.wants(i)) {
            return Ok(gradients);
        }
        let sums = apply(NormalizeChannelsGrad { epsilon: self.epsilon }, &[x, mean, variance, dy])?;
        let [of_gamma, of_beta] = &sums[..] else { return Err(Error::Internal("two gradients".into())) };
        gradients.push(if node.wants(1) { Some(scaled(of_beta)?.mul_scalar(-1.0)?) } else { None });
        gradients.push(if node.wants(2) {
            let scaled = gamma.map_or(Ok(of_gamma.clone()), |gamma| of_gamma.mul(gamma))?;
            Some(scaled.div(&variance.add_scalar(self.epsilon)?)?.mul_scalar(-0.5)?)
        } else {
            None
        });
        gradients.extend(self.scale.then(|| Some(of_gamma.clone())));
        gradients.extend(self.center.then(|| Some(of_beta.clone())));
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        let case = |(i, shape): (usize, &&[usize])| {
            let (scale, center) = (i % 2 == 0, i % 3 == 0);
            let vectors = [
                Some(sample(shape, -1.0..1.0)),
                Some(sample(shape, 0.5..2.0)),
                scale.then(|| sample(shape, 0.5..1.5)),
                center.then(|| sample(shape, -2.0..2.0)),
            ];
            let inputs = [Sample::new(*shape)].into_iter().chain(vectors.into_iter().flatten());
            Case::new(NormalizeChannels { epsilon: 0.1, scale, center }, inputs)
        };
        SHAPES.iter().enumerate().map(case).collect()
    }
}

impl Op for NormalizeChannelsGrad {
    fn name(&self) -> &'static str {
        "normalize_channels_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        channels::check("normalize_channels_grad", inputs, 2, true, self.epsilon)?;
        Ok(Metas::from_elem(channels::vector(&inputs[0])?, 2))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let [of_gamma, of_beta] = outputs else { return Err(Error::Internal("two outputs".into())) };
        with_float!(inputs[0].dtype(), "normalize_channels_grad", T => {
            let (x, dy) = (inputs[0].data::<T>()?, inputs[3].data::<T>()?);
            let (mean, variance) = (inputs[1].data::<T>()?, inputs[2].data::<T>()?);
            let (of_gamma, of_beta) = (of_gamma.data_mut::<T>()?, of_beta.data_mut::<T>()?);
            let rows = inputs[0].shape().rows();
            sums(rows, x, dy, mean, of_gamma, of_beta)?;
            for (sum, &variance) in of_gamma.iter_mut().zip(variance) {
                *sum /= (variance + <T as Float>::of(self.epsilon)).sqrt();
            }
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, mean, variance, dy) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        let pointers = [Arg::input(x)?, Arg::input(dy)?, Arg::input(mean)?];
        let end = [Arg::output(&outputs[0])?, Arg::output(&outputs[1])?, Arg::input(variance)?];
        Tile::new(x).reduce(device, x, [&SUMS, &SUMS_END], &pointers, &end, &[Arg::F64(self.epsilon)])
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &&[usize]| {
            let vectors = [sample(shape, -1.0..1.0), sample(shape, 0.5..2.0)];
            let inputs = [Sample::new(*shape)].into_iter().chain(vectors).chain([Sample::new(*shape)]);
            Case::new(NormalizeChannelsGrad { epsilon: 0.1 }, inputs)
        };
        SHAPES.iter().map(case).collect()
    }
}

/// Σ dy · (x − mean) and Σ dy of each channel.
fn sums<T: Float>(rows: usize, x: &[T], dy: &[T], mean: &[T], products: &mut [T], sums: &mut [T]) -> Result<()> {
    channels::reduce(
        rows,
        [products, sums],
        |block, [products, sums]| {
            T::vectorize(
                #[inline(always)]
                || {
                    let mean = block.spread(block.of(mean));
                    let (mut all_products, mut all_sums) = ([T::ZERO; channels::COLUMNS], [T::ZERO; channels::COLUMNS]);
                    for at in block.pieces() {
                        let each =
                            all_products.iter_mut().zip(&mut all_sums).zip(&x[at.clone()]).zip(&dy[at]).zip(&mean);
                        for ((((product, sum), &x), &dy), &mean) in each {
                            *product = (x - mean).mul_add(dy, *product);
                            *sum += dy;
                        }
                    }
                    block.gather(&all_products, products);
                    block.gather(&all_sums, sums);
                },
            );
        },
        |_, into, _, from| {
            for (into, from) in into.into_iter().zip(from) {
                into.iter_mut().zip(from).for_each(|(into, from)| *into += *from);
            }
        },
    )
}
