//! Dropout.

use super::random::{Generator, blocks, check_state, philox, sample_state};
use crate::device::cpu::Float;
use crate::device::cpu::convert::require_float;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;

/// x / (1 − rate) where a uniform number is at least `rate`, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    rate: f64,
    stream: u32,
}

static DROPOUT: Kernel = Kernel::new("random", "dropout_fwd", FLOATS);

impl Tensor {
    /// Sets a fraction `rate` of the elements, chosen at random, to 0 and scales the others by 1 / (1 − rate), so that
    /// the mean stays ([Keras](https://keras.io/api/layers/regularization_layers/dropout/); Srivastava et al.,
    /// *Dropout*, JMLR 2014). The backward draws the same numbers again; no mask is kept.
    ///
    /// # Errors
    /// A rate outside [0, 1), a dtype that is no float.
    pub fn dropout(&self, rate: f64, generator: &Generator) -> Result<Tensor> {
        apply_one(Dropout { rate, stream: generator.stream() }, &[self, generator.state()])
    }
}

impl Dropout {
    fn scale(&self) -> f64 {
        1.0 / (1.0 - self.rate)
    }
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::Config(format!("dropout: expected a rate in [0, 1), got {}", self.rate)));
        }
        let [x, state] = inputs else {
            return Err(Error::shape(
                "dropout",
                format!("expected a tensor and a generator's state, got {}", given(inputs)),
            ));
        };
        check_state("dropout", state)?;
        require_float("dropout", x.dtype)?;
        Ok(Metas::from_elem(*x, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let philox = philox(inputs[1], self.stream)?;
        let rate = self.rate as f32;
        with_float!(inputs[0].dtype(), "dropout", T => {
            let x = inputs[0].data::<T>()?;
            let scale = <T as Float>::of(self.scale());
            blocks(outputs[0].data_mut::<T>()?, #[inline(always)] |i| philox.uniform(i), #[inline(always)] |start, out, numbers| {
                let x = &x[start..start + out.len()];
                for ((out, &x), &number) in out.iter_mut().zip(x).zip(numbers) {
                    // Multiplied before the choice, which is then one without a branch.
                    let scaled = x * scale;
                    *out = if number >= rate { scaled } else { 0.0 };
                }
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(inputs[0])?,
            Arg::input(inputs[1])?,
            Arg::I64(n as i64),
            Arg::U32(self.stream),
            Arg::F32(self.rate as f32),
            Arg::F64(self.scale()),
        ];
        device.launch(&DROPOUT, inputs[0].dtype(), Grid::elements(n.div_ceil(4)), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        Ok(Gradients::from_iter([Some(apply_one(*self, &[node.grad()?, node.input(1)?])?), None]))
    }

    fn cases() -> Vec<Case> {
        let case =
            |rate: f64, shape: &[usize]| Case::new(Dropout { rate, stream: 5 }, [Sample::new(shape), sample_state()]);
        vec![case(0.5, &[]), case(0.1, &[0]), case(0.0, &[33]), case(0.25, &[7, 131]), case(0.9, &[70_001])]
    }
}
