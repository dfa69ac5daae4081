//! Networks that denoise.

mod denoiser;
mod unet;

pub use denoiser::{Denoiser, Told, shown};
pub use unet::{Condition, UNet};

use super::{Kind, Objective, Program};
use crate::diffusion::Diffusion;
use crate::layers::Precision;
use crate::optimizers::AdamW;

const IMAGE: [usize; 3] = [32, 32, 3];

pub(super) const DIFFUSION: Program = Program {
    name: "diffusion",
    about: "noise from pictures: a U-Net of 32, 64, 96, 128 features, two residual blocks a level, on 32 × 32 pixels of 3 \
            colours",
    batch: (16, 128),
    inputs: &[Kind::Normal(&IMAGE)],
    targets: &[],
    model: || UNet::new(IMAGE, [32, 64, 96, 128], 2).model(),
    objective: Objective::Step(|running, batch| Diffusion::new().loss(running, batch)),
    optimizer: || AdamW::new(1e-3).into(),
    precision: Precision::F32,
};
