//! `uncrumple train emoji`: pictures of what a name says.

use super::denoising::{Defaults, Options, Part, Set};
use clap::Args;
use uncrumple::data::datasets::{EMOJI_CATEGORIES, EmojiSet};
use uncrumple::prelude::*;
use uncrumple::programs::diffusion::{Denoiser, UNet};

/// Learn to draw emoji from their names
#[derive(Args)]
#[command(
    after_help = "1696 emoji and their names (datasets/emoji) to learn from, and 157 held out, of which no person, man and \
    woman who do the same stand on both sides; 46 of these have no word that another name has, and are left out. A transformer reads the words of the name, and a U-Net that denoises \
    attends to them (cross-attention) on its last two levels; each tenth picture it learns without the name. What it draws \
    for names that it never saw is judged by a small classifier that learns to tell the categories of real ones apart: by \
    the Fréchet distance of what it sees in them and in the held-out pictures, beside the same of pictures to learn from \
    and of noise, and by how many it recognizes as of the category. So few pictures are learnt by heart in the end; what \
    the network makes of a name that it does not know shows what it has learnt beyond. By default 80 epochs of batches of \
    32, some nine minutes of two CPU cores, with AdamW and a learning rate that rises to 0.002 in the first twentieth of \
    all steps, and falls to 0 along a cosine; the last epoch's weights are kept. `sample MODEL --prompt TEXT` draws more."
)]
pub struct Arguments {
    /// Take only the first N emoji of each part
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..))]
    limit: Option<u32>,

    #[command(flatten)]
    options: Options,
}

/// Words of a name that are read at most.
const WORDS: usize = 8;
/// Names of which pictures are drawn in the end, known ones and then held-out ones.
const DRAWN: usize = 6;

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { limit, options } = arguments;
    let started = options.start("emoji")?;
    let (train, test) = datasets::emoji()?;
    let part = |set: EmojiSet| -> Result<Part> {
        let all = Part {
            classes: set.categories()?.to_vec()?,
            prompts: set.emoji.into_iter().map(|emoji| emoji.name).collect(),
            pictures: set.pictures,
        };
        // From the whole: neighbours are alike.
        limit.map_or(Ok(all.clone()), |n| all.some(n as usize))
    };
    let mut set = Set { train: part(train)?, test: part(test)?, classes: EMOJI_CATEGORIES.len() };
    let denoiser = Denoiser::new(options.diffusion()).of_texts(&set.train.prompts(), WORDS)?;
    // What has no known word cannot be asked for.
    let known = |prompt: &str| denoiser.conditions(&[prompt]).is_ok();
    let places: Vec<usize> = (0..set.test.len()).filter(|&i| known(&set.test.prompts[i])).collect();
    let unknown = set.test.len() - places.len();
    set.test = set.test.choose(&places)?;
    crate::say(format!("left out {unknown} of the held-out emoji, none of whose words another name has"))?;
    let defaults = Defaults {
        epochs: 80,
        batch_size: 32,
        learning_rate: 2e-3,
        network: UNet::new([32, 32, 3], [48, 64, 96], 1).patch(2),
    };
    let Some(model) = started.learn(&denoiser, &set, &defaults)? else { return Ok(()) };
    let from = |part: &Part| -> Result<Vec<String>> { Ok(part.some(DRAWN)?.prompts) };
    started.draw(&denoiser, &model, &[from(&set.train)?, from(&set.test)?].concat())?;
    started.judge(&denoiser, &model, &set)?;
    started.finish()
}
