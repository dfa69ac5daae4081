//! The sum of several steps' gradients.

use super::update::one;
use super::{Hyper, Piece};
use crate::device::cuda::Kernel;
use crate::dtype::DType;

pub(super) static KERNEL: Kernel = Kernel::new("optimizers", "accumulate_gradient", &[DType::F32]);

/// The numbers of a rule that adds the gradients to the sums, or of one that clears these.
pub(super) fn hyper(keep: bool) -> Hyper {
    [0.0, 0.0, f32::INFINITY, f32::from(u8::from(keep)), 0.0, 0.0, 0.0, 0.0]
}

/// `s ← s + g`, or 0.
pub(super) fn update(hyper: &Hyper, piece: Piece) {
    let keep = hyper[3] != 0.0;
    one(hyper, piece, move |w, g, s| (w, if keep { s + g } else { 0.0 }));
}
