//! `uncrumple train translate`: English into Spanish.

use super::sequences::{Defaults, EXAMPLES, Options, Pair, examples, figures};
use crate::say;
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use uncrumple::data::datasets::Translation;
use uncrumple::metrics::text::chrf;
use uncrumple::prelude::*;
use uncrumple::programs::sequences::{Script, Sequences, Side, Sizes};

/// Learn to translate what a program says from English into Spanish
#[derive(Args)]
#[command(
    after_help = "What LibreOffice says in both languages (datasets/translations): 10,748 texts to train on, of \
    which a twentieth is for validation, and 1,298 to be tested on. Tokens are words and marks of punctuation: of \
    English in small letters, those that the training part has twice or more often; of Spanish all that it has, the \
    first of a text small where it is no name, and written with a capital again. What the training part does not \
    have cannot be written: of the test's Spanish about 3 words of 100. Texts of more than 20 tokens are not learnt \
    from; of the test's the first 20 are read. An encoder of transformers reads, a decoder writes; they learn by \
    teacher forcing, Adam and the cross-entropy. Judged is what it writes by itself, by chrF, runs of letters in \
    common, from 0 to 100: the likeliest word each time, and of a beam of 4 the text whose words are likeliest on \
    average. By default 1 + 1 layers of 128, batches of 64, 20 epochs with a dropout of 0.2: some 4 minutes of two \
    CPU cores. The learning rate rises to 0.002 in the first tenth of all steps, and falls to 0 along a cosine."
)]
pub struct Arguments {
    /// Texts to take at most of the training part, and of the test; 100 or more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    limit: Option<u32>,

    #[command(flatten)]
    options: Options,
}

/// Words and marks of a text at most.
const LONGEST: usize = 20;

pub fn run(arguments: &Arguments) -> Result<()> {
    let started = arguments.options.start("translate")?;
    let (mut all, mut test) = datasets::translations()?;
    if let Some(limit) = arguments.limit {
        all.truncate(limit as usize);
        test.truncate(limit as usize);
    }
    let (english, spanish) = (Side::new(Script::SmallWords, LONGEST), Side::new(Script::Words, LONGEST));
    let count = all.len();
    all.retain(|text| english.holds(&text.english) && spanish.holds(&text.spanish));
    let long = count - all.len();
    let held_out = Split::random().seed(arguments.options.seed()).indices(all.len(), 0.05)?;
    let [train, validation] =
        [held_out.0, held_out.1].map(|rows| rows.iter().map(|&row| pair(&all[row as usize])).collect::<Vec<Pair>>());
    let (sources, references): (Vec<&str>, Vec<&str>) = test.iter().map(pair).unzip();
    let [a, b, c] = [train.len(), validation.len(), test.len()];
    say(format!("texts    {a} to train on, {b} for validation, {c} to be tested on"))?;
    say(format!("left out {long} of the training part that have more than {LONGEST} words and marks"))?;

    let sequences = Sequences::adapt(&train, english.max_tokens(twice(&train)), spanish)?;
    let [known, written] = [sequences.source(), sequences.target()].map(Side::tokens);
    say(format!("tokens   {known} of English, {written} of Spanish"))?;
    let defaults = Defaults {
        epochs: 20,
        batch_size: 64,
        sizes: Sizes { width: 128, depth: 1, dropout: 0.2 },
        learning_rate: 2e-3,
    };
    let parts = [&sequences.dataset(&train)?, &sequences.dataset(&validation)?];
    let Some(model) = started.learn(&sequences, parts, defaults)? else { return Ok(()) };

    let greedy = sequences.write(&model, &sources, &sequences.generate())?;
    let search = Sampler::Beam { num_beams: 4, length_penalty: 1.0 };
    let beam = sequences.write(&model, &sources, &sequences.generate().sampler(search))?;
    let nearest = nearest(&train, &sources);
    let commonest = vec![commonest(&train); c];
    let rows = [
        ("network, the likeliest word each time", score(&greedy, &references)?),
        ("network, a beam of 4", score(&beam, &references)?),
        ("the Spanish of the training text with most words in common", score(&nearest, &references)?),
        ("the English as it is", score(&sources, &references)?),
        ("the training part's most frequent Spanish", score(&commonest, &references)?),
    ];
    figures(&[format!("{c} test texts"), " chrF".into()], &rows)?;

    let shown = (0..c).step_by(c.div_ceil(EXAMPLES));
    let rows: Vec<[&str; 3]> = shown.map(|i| [sources[i], beam[i].as_str(), references[i]]).collect();
    examples(["English", "written", "should be"], &rows)?;
    started.finish()
}

fn score(written: &[impl AsRef<str>], references: &[&str]) -> Result<Vec<String>> {
    Ok(vec![format!("{:.2}", chrf(written, references)?)])
}

fn pair(text: &Translation) -> Pair<'_> {
    (&text.english, &text.spanish)
}

/// How many tokens of the sources are there twice or more often, with the two that every vocabulary has.
fn twice(train: &[Pair]) -> usize {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (text, _) in train {
        Script::SmallWords.tokens(text).into_iter().for_each(|token| *counts.entry(token).or_default() += 1);
    }
    2 + counts.values().filter(|&&count| count > 1).count().max(1)
}

/// For each text the target of the training source that shares most words with it, of both their words; of equals the
/// first.
fn nearest<'a>(train: &[Pair<'a>], texts: &[&str]) -> Vec<&'a str> {
    let words = |text: &str| Script::SmallWords.tokens(text).into_iter().collect::<BTreeSet<_>>();
    let mut holding: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut sizes = Vec::with_capacity(train.len());
    for (i, (source, _)) in train.iter().enumerate() {
        let words = words(source);
        sizes.push(words.len());
        words.into_iter().for_each(|word| holding.entry(word).or_default().push(i));
    }
    let of = |text: &&str| {
        let words = words(text);
        let mut common = vec![0usize; train.len()];
        words.iter().filter_map(|word| holding.get(word)).flatten().for_each(|&i| common[i] += 1);
        let share = |i: usize| common[i] as f64 / (words.len() + sizes[i] - common[i]).max(1) as f64;
        let best = (0..train.len()).rev().max_by(|&a, &b| share(a).total_cmp(&share(b)));
        best.map_or("", |i| train[i].1)
    };
    texts.iter().map(of).collect()
}

/// The most frequent target; of equals the first by its letters.
fn commonest<'a>(train: &[Pair<'a>]) -> &'a str {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    train.iter().for_each(|(_, target)| *counts.entry(target).or_default() += 1);
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or("", |(target, _)| target)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAIN: [Pair; 4] =
        [("Insert Row", "Insertar fila"), ("Delete row", "Eliminar fila"), ("a b c d", "x"), ("a", "Insertar fila")];

    #[test]
    fn the_nearest_shares_most_of_both_texts_words() {
        assert_eq!(
            nearest(&TRAIN, &["insert rows", "row", "a b c", "none"]),
            ["Insertar fila", "Insertar fila", "x", "Insertar fila"]
        );
        assert_eq!(commonest(&TRAIN), "Insertar fila");
    }

    #[test]
    fn rare_tokens_are_unknown() {
        // Those of no token and of unknown ones, `row` and `a`.
        assert_eq!(twice(&TRAIN), 4);
    }
}
