//! Pictures that a network makes.

use super::{Row, film, grid, pictures, short};
use std::path::Path;
use uncrumple::diffusion::{Sample, SampleStep};
use uncrumple::prelude::*;
use uncrumple::programs::diffusion::{Denoiser, shown};

/// Pixels that a pixel of a picture has in height and width; in a film, whose noise no GIF makes smaller, fewer.
const SCALE: usize = 3;
const FILM_SCALE: usize = 2;
/// Noisy pictures of a film, at most: of more steps than that some are left out.
const FRAMES: usize = 60;
/// Letters of a row's name.
const NAME: usize = 40;

/// Pictures that a network is to make: so many of each prompt.
pub struct Samples<'a> {
    pub denoiser: &'a Denoiser,
    pub model: &'a Model,
    pub prompts: &'a [String],
    pub columns: usize,
    pub sample: Sample,
}

impl Samples<'_> {
    /// A grid with a row for each prompt, and if it is wanted a film of the same pictures coming out of noise.
    pub fn draw(&self, path: &Path, moving: Option<&Path>) -> Result<()> {
        let Samples { prompts, columns, ref sample, .. } = *self;
        let mut denoising = self.denoiser.denoising(self.model, &self.repeated(), sample)?;
        let frame = |values: &Tensor| pictures(&shown(values)?, |x| 255.0 * x);
        let (every, mut frames) = (sample.steps.div_ceil(FRAMES), Vec::new());
        for step in 0..sample.steps {
            if moving.is_some() && step % every == 0 {
                frames.push(frame(denoising.noisy())?);
            }
            let made = denoising.next().ok_or_else(|| Error::Internal("a step is missing".into()))??;
            if step + 1 == sample.steps {
                frames.push(frame(&made)?);
            }
        }
        if let Some(path) = moving {
            film(&frames, columns, FILM_SCALE, path)?;
        }
        let mut made = frames.pop().unwrap_or_default().into_iter();
        let row = |prompt: &String| Row { name: short(prompt, NAME), pictures: made.by_ref().take(columns).collect() };
        let rows: Vec<Row> = prompts.iter().map(row).collect();
        grid("Out of noise", &about(sample), &rows, SCALE, path)
    }

    /// Each prompt as often as there are columns.
    fn repeated(&self) -> Vec<&str> {
        self.prompts.iter().flat_map(|prompt| std::iter::repeat_n(prompt.as_str(), self.columns)).collect()
    }
}

/// How pictures are made, in words.
fn about(sample: &Sample) -> String {
    let Sample { steps, guidance, .. } = *sample;
    let step = match sample.step {
        SampleStep::Ddim => "DDIM",
        SampleStep::Ddpm => "DDPM",
    };
    format!("{steps} {} of {step}, guidance {guidance}", if steps == 1 { "step" } else { "steps" })
}
