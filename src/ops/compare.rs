//! Comparisons.

use super::binary;
use crate::device::cuda::{CudaDevice, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_dtype;

macro_rules! comparisons {
    ($($(#[$doc:meta])* $variant:ident $name:ident $operator:tt;)*) => {
        /// Whether two elements stand in a relation, with broadcasting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Compare {
            $($(#[$doc])* $variant,)*
        }

        impl Compare {
            const ALL: &[Compare] = &[$(Compare::$variant),*];

            fn kernel(self) -> &'static Kernel {
                match self {
                    $(Compare::$variant => {
                        static KERNEL: Kernel = Kernel::new("compare", concat!(stringify!($name), "_fwd"), &DType::ALL);
                        &KERNEL
                    })*
                }
            }

            fn text(self) -> &'static str {
                match self {
                    $(Compare::$variant => stringify!($name),)*
                }
            }

            #[allow(clippy::bool_comparison)]
            fn run(self, inputs: &[&Tensor], output: &mut Tensor) -> Result<()> {
                let shape = output.shape();
                with_dtype!(inputs[0].dtype(), T => {
                    let a = (inputs[0].data::<T>()?, inputs[0].shape());
                    let b = (inputs[1].data::<T>()?, inputs[1].shape());
                    let out = (output.data_mut::<bool>()?, shape);
                    match self {
                        $(Compare::$variant => binary::cpu(a, b, out, &|a, b, out| binary::zip(a, b, out, |a, b| a $operator b)),)*
                    }
                });
                Ok(())
            }
        }

        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// As `bool`, for any dtype; the shapes broadcast as in NumPy. Of NaN, only ≠ is true. No gradient.
                ///
                /// # Errors
                /// Shapes that do not broadcast, dtypes that differ.
                pub fn $name(&self, other: &Tensor) -> Result<Tensor> {
                    apply_one(Compare::$variant, &[self, other])
                }
            )*
        }
    };
}

comparisons! {
    /// a = b element by element ([Keras](https://keras.io/api/ops/numpy/#equal-function)).
    Equal equal ==;
    /// a ≠ b element by element ([Keras](https://keras.io/api/ops/numpy/#notequal-function)).
    NotEqual not_equal !=;
    /// a < b element by element ([Keras](https://keras.io/api/ops/numpy/#less-function)).
    Less less <;
    /// a ≤ b element by element ([Keras](https://keras.io/api/ops/numpy/#lessequal-function)).
    LessEqual less_equal <=;
    /// a > b element by element ([Keras](https://keras.io/api/ops/numpy/#greater-function)).
    Greater greater >;
    /// a ≥ b element by element ([Keras](https://keras.io/api/ops/numpy/#greaterequal-function)).
    GreaterEqual greater_equal >=;
}

impl Op for Compare {
    fn name(&self) -> &'static str {
        self.text()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let shape = binary::infer(self.text(), inputs)?.shape;
        Ok(Metas::from_elem(Meta::new(shape, DType::Bool), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        self.run(inputs, &mut outputs[0])
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        binary::cuda(device, self.kernel(), inputs[0].dtype(), inputs, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Err(Error::Internal(format!("{} has no gradient", self.text())))
    }

    fn cases() -> Vec<Case> {
        let case =
            |op: Compare, a: &[usize], b: &[usize]| Case::new(op, [Sample::new(a), Sample::new(b)]).dtypes(&DType::ALL);
        let mut cases: Vec<_> = Compare::ALL.iter().map(|&op| case(op, &[5, 1031], &[5, 1031])).collect();
        cases.extend(binary::CASES.iter().map(|&(a, b)| case(Compare::Less, a, b)));
        cases
    }
}
