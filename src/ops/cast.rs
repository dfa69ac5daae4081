//! Another element type.

use crate::device::cpu::convert::convert;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_dtype;

/// The same values as another element type.
#[derive(Clone, Copy, Debug)]
pub struct Cast(DType);

/// A kernel for each type that is cast from; its suffix is the type that is cast to.
fn kernel(from: DType) -> &'static Kernel {
    macro_rules! kernels {
        ($($dtype:ident $name:literal),*) => {
            match from {
                $(DType::$dtype => {
                    static KERNEL: Kernel = Kernel::new("cast", concat!("cast_", $name, "_to"), &DType::ALL);
                    &KERNEL
                })*
            }
        };
    }
    kernels!(F32 "f32", F64 "f64", F16 "f16", BF16 "bf16", I32 "i32", I64 "i64", U8 "u8", Bool "bool")
}

impl Tensor {
    /// The values as another element type ([Keras](https://keras.io/api/ops/core/#cast-function)); shared where they
    /// have it already.
    ///
    /// Floats go to integers towards zero and saturate, NaN becomes 0, integers wrap, and anything but 0 is true. Between
    /// floats the gradient is cast back; through an integer none flows.
    ///
    /// # Errors
    /// A device that fails or whose memory is full.
    pub fn cast(&self, dtype: DType) -> Result<Tensor> {
        if dtype == self.dtype() { Ok(self.clone()) } else { apply_one(Cast(dtype), &[self]) }
    }
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x] => Ok(Metas::from_elem(Meta::new(x.shape, self.0), 1)),
            _ => Err(Error::shape("cast", format!("expected one tensor, got {}", inputs.len()))),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        // The output's own dtype: a half is computed as f32 and narrowed afterwards.
        let (from, to) = (inputs[0], &mut outputs[0]);
        with_dtype!(from.dtype(), S => with_dtype!(to.dtype(), D => convert(from.data::<S>()?, to.data_mut::<D>()?)));
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let args = [Arg::input(inputs[0])?, Arg::output(&outputs[0])?, Arg::I64(n as i64)];
        device.launch(kernel(inputs[0].dtype()), self.0, Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        Ok(Gradients::from_iter([Some(node.grad()?.cast(node.input_meta(0).dtype)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |to, n: usize| Case::new(Cast(to), [Sample::within(n, -300.0..300.0)]).dtypes(&DType::ALL);
        DType::ALL.into_iter().flat_map(|to| [case(to, 0), case(to, 1021)]).collect()
    }
}
