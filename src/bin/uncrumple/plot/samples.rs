//! Pictures that a network makes.

use super::{Row, film, grid, pictures, short};
use std::path::Path;
use uncrumple::diffusion::{Sample, SampleStep};
use uncrumple::prelude::*;
use uncrumple::programs::diffusion::{Denoiser, shown};

/// Pixels that a pixel of a picture has in height and width; in a film, whose noise no GIF makes smaller, fewer.
const SCALE: usize = 3;
const FILM_SCALE: usize = 2;
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
    /// A grid with a row for each prompt.
    pub fn draw_grid(&self, path: &Path) -> Result<()> {
        let Samples { prompts, columns, sample, .. } = self;
        let made = self.denoiser.sample(self.model, &self.repeated(), sample)?;
        let mut made = pictures(&made, |x| 255.0 * x)?.into_iter();
        let row = |prompt: &String| Row { name: short(prompt, NAME), pictures: made.by_ref().take(*columns).collect() };
        let rows: Vec<Row> = prompts.iter().map(row).collect();
        grid("Out of noise", &about(sample), &rows, SCALE, path)
    }

    /// A film of the same pictures coming out of noise.
    pub fn draw_film(&self, path: &Path) -> Result<()> {
        let mut denoising = self.denoiser.denoising(self.model, &self.repeated(), &self.sample)?;
        let (mut frames, mut last) = (Vec::new(), None);
        let frame = |values: &Tensor| pictures(&shown(values)?, |x| 255.0 * x);
        loop {
            let noisy = frame(denoising.noisy())?;
            let Some(made) = denoising.next().transpose()? else { break };
            frames.push(noisy);
            last = Some(made);
        }
        frames.extend(last.map(|made| frame(&made)).transpose()?);
        film(&frames, self.columns, FILM_SCALE, path)
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
