//! `uncrumple train caption`: what emoji show, in words.

use super::sequences::{Defaults, EXAMPLES, Options, examples, figures};
use crate::say;
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use uncrumple::data::datasets::EmojiSet;
use uncrumple::prelude::*;
use uncrumple::programs::captions::Captions;
use uncrumple::programs::sequences::Sizes;

/// Learn to say what a picture shows
#[derive(Args)]
#[command(
    after_help = "Pictures and names of emoji (datasets/emoji): 1696 to train on, of which a twentieth is for validation, \
    and 157 to be tested on, of which no person, man and woman who do the same stand on both sides. Four convolutions make \
    a vector of each 8 by 8 pixels, a decoder of transformers attends to them and writes the name word by word. It learns by \
    teacher forcing, AdamW and the cross-entropy, from pictures that are moved a little at random; of the words before, which \
    it would soon know by heart, three in ten are kept from it. Judged is what it writes by itself: which share of the words \
    of the names it finds, and which share of its own words is right. Beside it stands the name of the training picture that \
    is nearest, pixel by pixel, and those words that are most frequent, as many as are best. Of the held-out names' words 1 \
    in 3 is in no name to learn from: nobody can find it. By default 1 layer of 128, batches of 32, 100 epochs with a dropout \
    of 0.1: some minutes of two CPU cores. The learning rate rises to 0.002 in the first tenth of all steps, and falls to 0 \
    along a cosine; the last epoch's weights are kept. `caption MODEL IMAGE` says what other pictures show."
)]
pub struct Arguments {
    /// Take only the first N emoji to train on, and to be tested on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    limit: Option<u32>,

    #[command(flatten)]
    options: Options,
}

const IMAGE: [usize; 3] = [32, 32, 3];
/// Words of a name that are written at most.
const WORDS: usize = 6;

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { limit, options } = arguments;
    let started = options.start("caption")?;
    let (all, test) = datasets::emoji()?;
    let (all, test) = (some(all, *limit)?, some(test, *limit)?);
    let (kept, held_out) = Split::grouped(all.groups()).seed(options.seed()).indices(all.emoji.len(), 0.05)?;
    let (train, validation) = (all.choose(&kept)?, all.choose(&held_out)?);
    let [a, b, c] = [&train, &validation, &test].map(|part| part.emoji.len());
    say(format!("emoji    {a} to train on, {b} for validation, {c} to be tested on"))?;
    let captions = Captions::adapt(IMAGE, &names(&train), WORDS)?;
    say(format!("words    {} different ones", captions.words().vocabulary().count()))?;
    let defaults = Defaults {
        epochs: 100,
        batch_size: 32,
        sizes: Sizes { width: 128, depth: 1, dropout: 0.1 },
        learning_rate: 2e-3,
    };
    let parts = [&train, &validation].map(|part| captions.dataset(&part.pictures, &names(part)));
    let [train_data, validation_data] = parts;
    let Some(model) = started.learn(&captions, [&train_data?, &validation_data?], defaults)? else { return Ok(()) };

    let written = captions.write(&model, &test.pictures, &captions.generate())?;
    let nearest = nearest(&train, &test)?;
    let frequent = vec![frequent(&names(&train)); c];
    let asked = names(&test);
    let known: BTreeSet<String> = names(&train).into_iter().flat_map(words).collect();
    let count = |part: &dyn Fn(&String) -> bool| asked.iter().flat_map(|name| words(name)).filter(part).count();
    let findable = count(&|word| known.contains(word)) as f64 / count(&|_| true).max(1) as f64;
    let rows = [
        ("the network", score(&written, &asked)),
        ("the name of the nearest picture to train on", score(&nearest, &asked)),
        ("always the most frequent words", score(&frequent, &asked)),
    ];
    let titles =
        ["names of test pictures".to_string(), "words found".into(), "words right".into(), "  both (F1)".into()];
    figures(&titles, &rows)?;
    say(format!("Of all words {:.1} % can be found: the others are in no name to train on.", 100.0 * findable))?;

    let shown = (0..c).step_by(c.div_ceil(EXAMPLES).max(1));
    let rows: Vec<[&str; 3]> = shown.map(|i| [nearest[i].as_str(), written[i].as_str(), asked[i]]).collect();
    examples(["nearest picture", "written", "should be"], &rows)?;
    started.finish()
}

/// So many emoji from the whole, whose neighbours are alike; all of them where no limit is given.
fn some(set: EmojiSet, limit: Option<u32>) -> Result<EmojiSet> {
    let count = set.emoji.len();
    let Some(limit) = limit.map(|n| (n as usize).min(count)) else { return Ok(set) };
    set.choose(&(0..limit).map(|i| (i * count / limit) as i32).collect::<Vec<_>>())
}

fn names(set: &EmojiSet) -> Vec<&str> {
    set.emoji.iter().map(|emoji| emoji.name.as_str()).collect()
}

/// The different words of a name.
fn words(name: &str) -> BTreeSet<String> {
    let letters = |c: char| c.is_alphanumeric() || "'-.".contains(c);
    name.to_lowercase()
        .split(|c| !letters(c))
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(String::from)
        .collect()
}

/// Of the words of all names the share that was written, of the written ones the share that is right, and F1 of both.
fn score(written: &[String], names: &[&str]) -> Vec<String> {
    let (mut right, mut said, mut there) = (0, 0, 0);
    for (written, name) in written.iter().zip(names) {
        let (written, name) = (words(written), words(name));
        right += written.intersection(&name).count();
        said += written.len();
        there += name.len();
    }
    let share = |of: f64| format!("{:.1} %", 100.0 * right as f64 / of.max(1.0));
    vec![share(there as f64), share(said as f64), share((said + there) as f64 / 2.0)]
}

/// The name of the training picture whose pixels are nearest to each test picture's.
fn nearest(train: &EmojiSet, test: &EmojiSet) -> Result<Vec<String>> {
    let rows = |part: &EmojiSet| part.pictures.reshape([part.emoji.len(), IMAGE.iter().product()]);
    let (known, asked) = (rows(train)?, rows(test)?);
    // |a − b|² but for |b|², which is the same for all.
    let products = asked.matmul(&known.transpose(&[1, 0])?)?;
    let distances = products.mul_scalar(-2.0)?.add(&known.square()?.sum(&[1], false)?)?;
    let places = distances.negative()?.argmax(-1)?.cast(DType::I32)?.to_vec::<i32>()?;
    Ok(places.into_iter().map(|place| train.emoji[place as usize].name.clone()).collect())
}

/// The most frequent words, as many as have the best F1 with the names themselves.
fn frequent(names: &[&str]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    names.iter().flat_map(|name| words(name)).for_each(|word| *counts.entry(word).or_default() += 1);
    let there: usize = counts.values().sum();
    let mut order: Vec<(String, usize)> = counts.into_iter().collect();
    order.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let f1 = |said: usize| {
        let right: usize = order[..said].iter().map(|(_, count)| count).sum();
        2.0 * right as f64 / (said * names.len() + there) as f64
    };
    let best = (1..=order.len()).max_by(|&a, &b| f1(a).total_cmp(&f1(b))).unwrap_or(0);
    order[..best].iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_once() {
        let names = ["woman and man", "t-rex"];
        // Two of four words, of three that were written.
        assert_eq!(score(&["Man man woman".into(), "rex".into()], &names), ["50.0 %", "66.7 %", "57.1 %"]);
        assert_eq!(score(&["".into(), "".into()], &names), ["0.0 %", "0.0 %", "0.0 %"]);
        assert_eq!(frequent(&["red car", "red bus", "red car", "cat"]), "red car");
    }
}
