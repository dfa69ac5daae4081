//! Random numbers of a symmetric beta distribution.

use super::random::{Generator, check_state, philox, sample_state};
use crate::device::cpu::philox::Philox;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Tensor, apply_one, given};

/// Numbers of the distribution Beta(α, α), with one α for all of them, uniform between two numbers.
///
/// By Jöhnk's method: x = u^(1/α) and y = v^(1/α) for uniform u and v, drawn again until x + y ≤ 1, give x / (x + y).
/// One in two is taken at α = 1, nearly all at small α. It is computed in f64, so that every device takes the same
/// ones.
#[derive(Clone, Copy, Debug)]
pub struct RandomBeta {
    count: usize,
    alpha: [f64; 2],
    stream: u32,
}

static KERNEL: Kernel = Kernel::new("random", "random_beta", &[DType::F32]);

/// How often a number is drawn again, which no number in 2⁶⁴ is.
const ATTEMPTS: u64 = 64;

impl Generator {
    /// `count` numbers, float32, of the distribution Beta(α, α) with one α for all, which is uniform between those of
    /// `alpha` ([Keras](https://keras.io/api/random/random_ops/#beta-function)).
    ///
    /// # Errors
    /// Ends that do not lie in (0, 1], or in the wrong order.
    pub fn beta(&self, count: usize, alpha: [f64; 2]) -> Result<Tensor> {
        apply_one(RandomBeta { count, alpha, stream: self.stream() }, &[self.state()])
    }
}

/// The number of an element.
fn beta(philox: &Philox, element: u64, alpha: f64) -> f64 {
    // 1 − u lies in (0, 1], where the logarithm is finite.
    let power = |u: f32| (1.0 - f64::from(u)).ln() / alpha;
    for attempt in 0..ATTEMPTS {
        let [a, b, c, d] = philox.uniform(element | attempt << 56);
        for (x, y) in [(power(a), power(b)), (power(c), power(d))] {
            if x.exp() + y.exp() <= 1.0 {
                return 1.0 / (1.0 + (y - x).exp());
            }
        }
    }
    0.5
}

impl Op for RandomBeta {
    fn name(&self) -> &'static str {
        "random_beta"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [state] = inputs else {
            return Err(Error::shape("random_beta", format!("expected a generator's state, got {}", given(inputs))));
        };
        check_state("random_beta", state)?;
        let [low, high] = self.alpha;
        if !(0.0 < low && low <= high && high <= 1.0) {
            return Err(Error::Config(format!("random_beta: expected 0 < low <= high <= 1, got {low} and {high}")));
        }
        Ok(Metas::from_elem(Meta::new(Shape::new(&[self.count])?, DType::F32), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let philox = philox(inputs[0], self.stream)?;
        let [low, high] = self.alpha;
        // A block that no element's attempt draws.
        let alpha = low + (high - low) * f64::from(philox.uniform(ATTEMPTS << 56)[0]);
        for (out, element) in outputs[0].data_mut::<f32>()?.iter_mut().zip(0..) {
            *out = beta(&philox, element, alpha) as f32;
        }
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let [low, high] = self.alpha.map(Arg::F64);
        let (n, stream) = (Arg::I64(self.count as i64), Arg::U32(self.stream));
        let args = [Arg::output(&outputs[0])?, Arg::input(inputs[0])?, n, stream, low, high];
        device.launch(&KERNEL, DType::F32, Grid::elements(self.count), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |count, alpha| {
            Case::new(RandomBeta { count, alpha, stream: 7 }, [sample_state()]).dtypes(&[DType::F32])
        };
        vec![case(0, [0.2; 2]), case(33, [1.0; 2]), case(513, [0.2; 2]), case(513, [1e-6, 1.0]), case(7, [1e-6; 2])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    #[test]
    fn moments_are_those_of_the_distribution() -> Result<()> {
        let g = Generator::new(3, &Device::Cpu)?;
        let n = 40_000;
        for alpha in [0.1, 0.4, 1.0] {
            let x = g.beta(n, [alpha; 2])?.to_vec::<f32>()?;
            assert!(x.iter().all(|x| (0.0..=1.0).contains(x)));
            let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
            let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n as f64;
            let want = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            // Five standard errors; those of the variance are at most as large.
            let allowed = 5.0 * (want / n as f64).sqrt();
            assert!((mean - 0.5).abs() < allowed && (variance - want).abs() < allowed, "{alpha}: {mean}, {variance}");
        }
        assert!(g.beta(3, [0.0, 0.5]).is_err() && g.beta(3, [0.5, 1.5]).is_err());
        assert!(g.beta(3, [0.5, 0.2]).is_err() && g.beta(3, [f64::NAN; 2]).is_err());
        Ok(())
    }
}
