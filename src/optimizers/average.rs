//! The moving average of the weights.

use super::update::one;
use super::{Hyper, Piece, Settings};
use crate::device::cuda::Kernel;
use crate::dtype::DType;

pub(super) static KERNEL: Kernel = Kernel::new("optimizers", "average_weight", &[DType::F32]);

/// The rule's numbers after `updates` updates: the first makes the average the weight, and each
/// `ema_overwrite_frequency`-th makes the weight the average.
pub(super) fn hyper(settings: &Settings, updates: u64) -> Hyper {
    let momentum = if updates == 0 { 0.0 } else { settings.ema_momentum };
    let overwrites = settings.ema_overwrite_frequency.is_some_and(|n| (updates + 1).is_multiple_of(n));
    let overwrites = f32::from(u8::from(overwrites));
    [0.0, 0.0, f32::INFINITY, momentum as f32, (1.0 - momentum) as f32, overwrites, 0.0, 0.0]
}

/// `a ← μ·a + (1−μ)·w`, then `w ← a` where the average overwrites.
pub(super) fn update(hyper: &Hyper, piece: Piece) {
    let [_, _, _, momentum, rest, overwrites, ..] = *hyper;
    one(hyper, piece, move |w, _, a| {
        let a = momentum * a + rest * w;
        (if overwrites != 0.0 { a } else { w }, a)
    });
}
