//! `uncrumple generate`: texts that a model writes.

mod answer;
mod vocabulary;
mod writing;

use crate::options::Compute;
use crate::{say, tell, warn};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use uncrumple::prelude::*;
use uncrumple::programs::sequences::Sequences;
use uncrumple::programs::tabular::Tabular;
use vocabulary::Vocabulary;
use writing::Writing;

/// Go on with a text as a language model would, or answer it: a translation, a pronunciation
#[derive(Args)]
#[command(
    after_help = "A model that `uncrumple train shakespeare` left has its characters in its file, and goes on with the \
    prompt; one of `train translate` or `train cmudict` has two vocabularies, and answers it. Each next token is drawn by \
    its probability, whose logits are divided by the temperature: the lower, the more of what is likely; 0 takes always \
    the likeliest. --top-k or --top-p leaves out unlikely tokens first; --beams searches the likeliest whole text \
    instead, which is often dull. Where a text has outgrown what the model sees at a time, it goes on from the last half of \
    that. The same seed writes the same text. Standard output has the texts, below their numbers where there are several, \
    or an answer a line; how fast a text was written is told on standard error. In a shell, --prompt $'HAMLET.\\n' has a line's end."
)]
pub struct Arguments {
    /// A .keras file of a language model, or of one that answers
    #[arg(value_name = "MODEL.keras")]
    model: PathBuf,

    /// How the text begins, or what is to be answered
    #[arg(long, value_name = "TEXT")]
    prompt: String,

    /// Tokens to write at most, 1 to 1,000,000, which are characters where the model's are; 400 unless given. An answer
    /// ends by itself
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_tokens: Option<u32>,

    /// What the logits are divided by; 0 takes always the likeliest token. 0.8 unless given, but 0 for
    /// an answer without --samples, --top-k and --top-p
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = temperature)]
    temperature: Option<f64>,

    /// Choose among the N likeliest tokens
    #[arg(long, value_name = "N", conflicts_with = "top_p", value_parser = clap::value_parser!(u32).range(1..))]
    top_k: Option<u32>,

    /// Choose among the likeliest tokens that have this probability together
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = share)]
    top_p: Option<f64>,

    /// Search the likeliest text with N texts at a time
    #[arg(long, value_name = "N", conflicts_with_all = ["temperature", "top_k", "top_p", "samples"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    beams: Option<u32>,

    /// What --beams compares of texts that have ended: the sums of logarithms of probabilities, divided by the lengths to
    /// this power
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, requires = "beams", allow_negative_numbers = true)]
    #[arg(value_parser = length_penalty)]
    length_penalty: f64,

    /// End before this text; with --beams it must be one token
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    stop: Option<String>,

    /// Write N texts together, each drawn by itself
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    samples: u32,

    /// Go through the whole text again for each token, instead of keeping what layers made of it: slower, to the same text
    #[arg(long)]
    no_cache: bool,

    /// What the model's tokens are, where its file does not say it: a tokenizer.json, or a folder with one or with a
    /// vocab.json and a merges.txt
    #[cfg(feature = "tokenizers")]
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,

    #[command(flatten)]
    compute: Compute,
}

/// Tokens that are written, and what logits are divided by, where nothing else is said.
const MOST: u32 = 400;
const TEMPERATURE: f64 = 0.8;

fn temperature(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|t| *t >= 0.0 && t.is_finite());
    number.ok_or_else(|| "a temperature is a number of at least 0".into())
}

fn length_penalty(text: &str) -> Result<f64, String> {
    let most = Sampler::LENGTH_PENALTY;
    let number = text.parse::<f64>().ok().filter(|number| number.abs() <= most);
    number.ok_or_else(|| format!("expected a number from -{most} to {most}"))
}

fn share(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|p| *p > 0.0 && *p <= 1.0).ok_or_else(|| "a share is above 0 and at most 1".into())
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start()?;
    let model = Model::load(&arguments.model)?.on(device);
    model.warnings().into_iter().for_each(warn);
    if let Some(sequences) = Sequences::of(&model)? {
        return answer::run(&model, &sequences, arguments);
    }
    check(&model, arguments)?;
    let vocabulary = arguments.vocabulary(&model)?;
    let prompt = vocabulary.tokens(&arguments.prompt)?;
    if prompt.is_empty() {
        return Err(Error::Config("--prompt: is empty: begin the text with a character at least".into()));
    }
    let samples = arguments.samples as usize;
    let mut ends = vocabulary.ends();
    if let Some(stop) = &arguments.stop {
        match (&vocabulary.tokens(stop).map_err(|e| Error::Config(format!("--stop: {e}")))?[..], arguments.beams) {
            (&[token], Some(_)) => ends.push(token),
            (tokens, Some(_)) => {
                let message = "texts of a search end at one token, which is a character where the model's are";
                return Err(Error::Config(format!("--stop: {message}; {stop:?} has {}", tokens.len())));
            }
            _ => {}
        }
    }
    let options = Generate::max_length(prompt.len() + arguments.max_tokens.unwrap_or(MOST) as usize)
        .sampler(arguments.sampler(TEMPERATURE)?)
        .stop_token_ids(ends)
        .seed(arguments.compute.seed())
        .cache(!arguments.no_cache)
        .slide(true);
    let begin = Instant::now();
    let (mut written, mut rest) = (0, vec![String::new(); samples]);
    let mut texts: Vec<_> =
        (0..samples).map(|_| Writing::behind(&prompt, &vocabulary, arguments.stop.as_deref())).collect();
    // Nothing is written for nobody.
    let mut read = tell(head(0, arguments))?;
    for step in model.generation(&[], &vec![prompt.clone(); samples], &options)? {
        for (sample, token) in step?.into_iter().enumerate() {
            let Some(token) = token.filter(|_| !texts[sample].has_ended()) else { continue };
            written += 1;
            let new = texts[sample].push(token)?;
            // The first text is read while it is written; the others wait for it.
            match sample {
                0 => read &= tell(new)?,
                _ => rest[sample].push_str(&new),
            }
        }
        if !read || texts.iter().all(Writing::has_ended) {
            break;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    say(texts[0].rest()?)?;
    for (sample, text) in rest.iter().enumerate().skip(1) {
        say(format!("\n{}{text}{}", head(sample, arguments), texts[sample].rest()?))?;
    }
    let speed = written as f64 / seconds;
    let tokens = if written == 1 { "token" } else { "tokens" };
    let _ = writeln!(std::io::stderr(), "{written} {tokens} in {seconds:.2} s: {speed:.0} tokens/s");
    Ok(())
}

/// Where a text begins: with its number, if there are several.
fn head(sample: usize, arguments: &Arguments) -> String {
    let Arguments { prompt, samples, .. } = arguments;
    if *samples > 1 { format!("--- {} of {samples} ---\n{prompt}", sample + 1) } else { prompt.clone() }
}

/// Refuses a model of anything but sequences of tokens.
fn check(model: &Model, arguments: &Arguments) -> Result<()> {
    let wrong = |message: String| Err(Error::File { path: arguments.model.clone(), message });
    if let Some(tabular) = Tabular::of(model)? {
        let column = tabular.target.column();
        return wrong(format!("is no language model: it tells `{column}` of a table's rows, by `uncrumple predict`"));
    }
    let graph = model.graph();
    let output = graph.outputs.first().and_then(|&output| graph.spec(output));
    match (&graph.inputs[..], output) {
        ([(_, input)], Some(output)) if input.rank() == 2 && matches!(output.rank(), 2 | 3) => Ok(()),
        (inputs, output) => {
            let takes: Vec<String> = inputs.iter().map(|(_, spec)| spec.to_string()).collect();
            let (takes, gives) = (takes.join(" and "), output.map(Spec::to_string).unwrap_or_default());
            let message = "is no language model, which takes tokens (None, steps) and gives the logits of the next";
            wrong(format!("{message}: it takes {takes} and gives {gives}"))
        }
    }
}

impl Arguments {
    fn vocabulary(&self, model: &Model) -> Result<Vocabulary> {
        #[cfg(feature = "tokenizers")]
        if let Some(path) = &self.tokenizer {
            return Vocabulary::read(path);
        }
        Vocabulary::of(model, &self.model)
    }

    /// Whether an option asks for tokens that are drawn.
    fn draws(&self) -> bool {
        self.samples > 1 || self.top_k.is_some() || self.top_p.is_some()
    }

    /// How tokens are chosen, at this temperature unless one is given.
    fn sampler(&self, temperature: f64) -> Result<Sampler> {
        let temperature = self.temperature.unwrap_or(temperature);
        if temperature == 0.0 && self.draws() {
            let message = "at a temperature of 0 the likeliest token is taken, always the same: leave out";
            return Err(Error::Config(format!("--temperature: {message} --samples, --top-k and --top-p")));
        }
        Ok(match (self.beams, self.top_k, self.top_p) {
            (Some(beams), ..) => Sampler::Beam { num_beams: beams as usize, length_penalty: self.length_penalty },
            _ if temperature == 0.0 => Sampler::Greedy,
            (_, Some(k), _) => Sampler::TopK { k: k as usize, temperature },
            (.., Some(p)) => Sampler::TopP { p, temperature },
            _ => Sampler::Random { temperature },
        })
    }
}
