//! Batch normalisation: by the mean and the variance that each channel has in the batch.

use super::channels::{self, SHAPES, Tile, sample};
use super::normalize_channels::{self, NormalizeChannelsGrad, optional, weights};
use crate::device::cpu::Float;
use crate::device::cuda::{Arg, CudaDevice, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply, apply_one};
use crate::with_float;
use smallvec::SmallVec;

/// γ · (x − mean) / √(variance + ε) + β over the last axis with the mean and the variance (of the population) that each place
/// of it has in x; γ and β may be left out.
///
/// The other outputs are mean and variance; without rows they are 0. One pass over x finds them, and one normalises.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    epsilon: f64,
    scale: bool,
    center: bool,
}

/// The gradient of x: γ / √(variance + ε) · (dy − dβ / n − x̂ · dγ / n) with the normalised x̂, for n rows, from x, mean,
/// variance, γ if it is there, the gradients of γ and β, and dy.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormGrad {
    epsilon: f64,
    scale: bool,
}

static MOMENTS: Kernel = Kernel::new("batch_norm", "batch_norm_moments", FLOATS);
static MOMENTS_END: Kernel = Kernel::new("batch_norm", "batch_norm_moments_end", &[DType::F32, DType::F64]);
static BACKWARD: Kernel = Kernel::new("batch_norm", "batch_norm_bwd", FLOATS);

impl Tensor {
    /// Each place of the last axis with the mean 0 and the variance 1 over all other axes, times `gamma` and plus `beta` where
    /// they are given; and the mean and the variance that each had
    /// ([Keras](https://keras.io/api/layers/normalization_layers/batch_normalization/),
    /// [paper](https://arxiv.org/abs/1502.03167)).
    ///
    /// Vectors are of the dtype that is computed in: float32 for float16, bfloat16 and float32. The variance is that of the
    /// population, about the mean, so that it keeps its digits. Mean and variance carry no gradient by themselves, and are 0
    /// where there are no rows.
    ///
    /// # Errors
    /// As for [`Tensor::normalize_channels`].
    pub fn batch_norm(
        &self,
        gamma: Option<&Tensor>,
        beta: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<(Tensor, [Tensor; 2])> {
        let op = BatchNorm { epsilon, scale: gamma.is_some(), center: beta.is_some() };
        let inputs: SmallVec<[&Tensor; 3]> = [self].into_iter().chain(gamma).chain(beta).collect();
        match &apply(op, &inputs)?[..] {
            [y, mean, variance] => Ok((y.clone(), [mean.detach(), variance.detach()])),
            _ => Err(Error::Internal("batch_norm has three outputs".into())),
        }
    }
}

/// Mean and variance of each channel, in one pass: those of a block about its own mean while it is in the cache, and those of
/// two blocks merged as in Chan, Golub and LeVeque, *Updating formulae and a pairwise algorithm for computing sample
/// variances*, 1979.
fn moments<T: Float>(rows: usize, x: &[T], mean: &mut [T], variance: &mut [T]) -> Result<()> {
    let number = |n: usize| T::of(n as f64);
    channels::reduce(
        rows,
        [&mut *mean, &mut *variance],
        |block, [mean, squares]| {
            T::vectorize(
                #[inline(always)]
                || {
                    let mut all = [T::ZERO; channels::COLUMNS];
                    for at in block.pieces() {
                        all.iter_mut().zip(&x[at]).for_each(|(sum, &x)| *sum += x);
                    }
                    block.gather(&all, mean);
                    let rows = number(block.rows());
                    mean.iter_mut().for_each(|mean| *mean = *mean / rows);
                    let (centre, mut all) = (block.spread(mean), [T::ZERO; channels::COLUMNS]);
                    for at in block.pieces() {
                        for ((sum, &x), &mean) in all.iter_mut().zip(&x[at]).zip(&centre) {
                            *sum = (x - mean).mul_add(x - mean, *sum);
                        }
                    }
                    block.gather(&all, squares);
                },
            );
        },
        |n, [mean, squares], more, [mean_of_more, squares_of_more]| {
            let share = number(more) / number(n + more);
            let more = mean_of_more.iter().zip(squares_of_more);
            for ((mean, squares), (&mean_of_more, squares_of_more)) in mean.iter_mut().zip(squares).zip(more) {
                let apart = mean_of_more - *mean;
                *mean = apart.mul_add(share, *mean);
                *squares += *squares_of_more + apart * apart * (number(n) * share);
            }
        },
    )?;
    if rows > 0 {
        variance.iter_mut().for_each(|squares| *squares = *squares / number(rows));
    }
    Ok(())
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let vectors = usize::from(self.scale) + usize::from(self.center);
        channels::check("batch_norm", inputs, vectors, false, self.epsilon)?;
        let vector = channels::vector(&inputs[0])?;
        Ok(Metas::from_iter([inputs[0], vector, vector]))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let [y, mean, variance] = outputs else {
            return Err(Error::Internal("batch_norm has three outputs".into()));
        };
        let (x, weights) = (inputs[0], weights(inputs, 1, self.scale, self.center));
        with_float!(x.dtype(), "batch_norm", T => {
            moments(x.shape().rows(), x.data::<T>()?, mean.data_mut::<T>()?, variance.data_mut::<T>()?)?;
            normalize_channels::cpu::<T>(x, [mean, variance], weights, self.epsilon, y)
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let x = inputs[0];
        let [y, mean, variance] = outputs else {
            return Err(Error::Internal("batch_norm has three outputs".into()));
        };
        let end = [Arg::output(mean)?, Arg::output(variance)?];
        Tile::new(x).reduce(device, x, [&MOMENTS, &MOMENTS_END], &[Arg::input(x)?], &end, &[])?;
        let weights = weights(inputs, 1, self.scale, self.center);
        normalize_channels::cuda(device, x, [mean, variance], weights, self.epsilon, y)
    }

    fn keeps(&self) -> Option<Keeps> {
        // Of γ and β the first, which is γ if it is there.
        Some(Keeps { inputs: &[0, 1], outputs: &[1, 2] })
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let (x, mean, variance, dy) = (node.input(0)?, node.output(1)?, node.output(2)?, node.grad()?);
        let sums = apply(NormalizeChannelsGrad { epsilon: self.epsilon }, &[x, mean, variance, dy])?;
        let [of_gamma, of_beta] = &sums[..] else { return Err(Error::Internal("two gradients".into())) };
        let mut gradients = Gradients::new();
        gradients.push(if node.wants(0) {
            let gamma = if self.scale { Some(node.input(1)?) } else { None };
            let inputs: SmallVec<[&Tensor; 7]> =
                [x, mean, variance].into_iter().chain(gamma).chain([of_gamma, of_beta, dy]).collect();
            Some(apply_one(BatchNormGrad { epsilon: self.epsilon, scale: self.scale }, &inputs)?)
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
            let vectors = [scale.then(|| sample(shape, 0.5..1.5)), center.then(|| sample(shape, -2.0..2.0))];
            let inputs = [Sample::new(*shape)].into_iter().chain(vectors.into_iter().flatten());
            Case::new(BatchNorm { epsilon: EPSILON, scale, center }, inputs).shown(1)
        };
        SHAPES.iter().enumerate().map(case).collect()
    }
}

impl Op for BatchNormGrad {
    fn name(&self) -> &'static str {
        "batch_norm_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        channels::check("batch_norm_grad", inputs, 4 + usize::from(self.scale), true, self.epsilon)?;
        Ok(Metas::from_elem(inputs[0], 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (shape, [gamma, _]) = (inputs[0].shape(), weights(inputs, 3, self.scale, false));
        let (channels, [.., of_gamma, of_beta, dy]) = (shape.last(), inputs) else {
            return Err(Error::Internal("batch_norm_grad has at least six inputs".into()));
        };
        with_float!(inputs[0].dtype(), "batch_norm_grad", T => {
            let (x, mean, variance) = (inputs[0].data::<T>()?, inputs[1].data::<T>()?, inputs[2].data::<T>()?);
            let (of_gamma, of_beta, dy) = (of_gamma.data::<T>()?, of_beta.data::<T>()?, dy.data::<T>()?);
            let gamma = gamma.map(|t| t.data::<T>()).transpose()?;
            let (epsilon, rows) = (<T as Float>::of(self.epsilon), <T as Float>::of(shape.rows() as f64));
            let numbers = channels::coefficients(channels, |c| {
                let inverse = 1.0 / (variance[c] + epsilon).sqrt();
                let scale = gamma.map_or(1.0, |gamma| gamma[c]) * inverse;
                [mean[c], scale, inverse * of_gamma[c] / rows, of_beta[c] / rows]
            })?;
            let numbers = numbers.data::<T>()?;
            let (first, last) = numbers.split_at(numbers.len() / 2);
            let ((mean, scale), (slope, offset)) = (first.split_at(first.len() / 2), last.split_at(last.len() / 2));
            channels::map(channels, outputs[0].data_mut::<T>()?, #[inline(always)] |at, dx| {
                let upstream = dx.iter_mut().zip(&x[at.clone()]).zip(&dy[at]);
                for (((((dx, &x), &dy), &mean), &scale), (&slope, &offset)) in
                    upstream.zip(mean).zip(scale).zip(slope.iter().zip(offset))
                {
                    // Differences first: of one row nothing is left, not a rounding.
                    *dx = Float::flush(Float::mul_add(x - mean, -slope, dy - offset) * scale);
                }
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let [gamma, _] = weights(inputs, 3, self.scale, false);
        let [x, mean, variance, .., of_gamma, of_beta, dy] = inputs else {
            return Err(Error::Internal("batch_norm_grad has at least six inputs".into()));
        };
        let pointers = [
            Arg::output(&outputs[0])?,
            Arg::input(*x)?,
            Arg::input(*dy)?,
            Arg::input(*mean)?,
            Arg::input(*variance)?,
            optional(gamma)?,
            Arg::input(*of_gamma)?,
            Arg::input(*of_beta)?,
        ];
        Tile::new(x).map(device, &BACKWARD, x.dtype(), &pointers, self.epsilon)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |(i, shape): (usize, &&[usize])| {
            let scale = i % 2 == 0;
            let vectors = [
                Some(sample(shape, -1.0..1.0)),
                Some(sample(shape, 0.5..2.0)),
                scale.then(|| sample(shape, 0.5..1.5)),
                Some(sample(shape, -2.0..2.0)),
                Some(sample(shape, -2.0..2.0)),
            ];
            let inputs = [Sample::new(*shape)].into_iter().chain(vectors.into_iter().flatten());
            Case::new(BatchNormGrad { epsilon: EPSILON, scale }, inputs.chain([Sample::new(*shape)]))
        };
        SHAPES.iter().enumerate().map(case).collect()
    }
}

/// In the tests: large enough that channels of few rows that happen to be close do not magnify roundings.
const EPSILON: f64 = 0.1;
