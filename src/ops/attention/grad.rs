//! The backward of [`Attention`].

use super::{Attention, Card, Sizes, cases, cpu_back};
use crate::device::cuda::CudaDevice;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Tensor, given};

/// The gradients of query, key and value. Inputs: those of [`Attention`], then its two outputs and the first one's gradient.
///
/// With p the probabilities and dp = dout · vᵀ they are dv = pᵀ · dout, ds = p · (dp − Σ out · dout), dq = scale · ds · k and dk =
/// scale · dsᵀ · q. Sums over queries and over the heads of a group run in a fixed order.
#[derive(Clone, Copy, Debug)]
pub struct AttentionGrad(pub(super) Attention);

const NAME: &str = "attention_grad";

impl Op for AttentionGrad {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let split = self.0.split(NAME, inputs)?;
        let sizes = self.0.check(NAME, &split)?;
        let fits = match split.rest {
            [out, logarithms, grad] => {
                let shape = [sizes.batch, sizes.queries, sizes.heads, sizes.value_size];
                out == grad
                    && out.shape.dims() == shape
                    && out.dtype == split.query.dtype
                    && logarithms.shape.dims() == [sizes.batch, sizes.heads, sizes.queries]
                    && logarithms.dtype == out.dtype.arithmetic()
            }
            _ => false,
        };
        if !fits {
            let message = format!("expected the inputs, outputs and gradient of an attention, got {}", given(inputs));
            return Err(Error::shape(NAME, message));
        }
        Ok(Metas::from_iter([*split.query, *split.key, *split.value]))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.0.split(NAME, inputs)?;
        let sizes = Sizes::of(&self.0, &inputs);
        sizes.count(&self.0, 2);
        cpu_back::backward(&self.0, sizes, &inputs, outputs)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.0.split(NAME, inputs)?;
        Sizes::of(&self.0, &inputs).count(&self.0, 2);
        Card::new(&self.0, device, &inputs).backward(outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        cases::backward()
    }
}
