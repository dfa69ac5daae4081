//! What a model writes for a text: a translation, a pronunciation.

use super::{Arguments, TEMPERATURE};
use crate::{say, warn};
use uncrumple::prelude::*;
use uncrumple::programs::sequences::Sequences;

pub fn run(model: &Model, sequences: &Sequences, arguments: &Arguments) -> Result<()> {
    if arguments.stop.is_some() || arguments.max_tokens.is_some() {
        let most = sequences.target().length();
        let message = "an answer ends by itself, and has so many tokens at most";
        return Err(Error::Config(format!("--stop, --max-tokens: {message}: {most}")));
    }
    let (source, prompt) = (sequences.source(), arguments.prompt.as_str());
    let unknown = source.unknown(prompt);
    if !unknown.is_empty() {
        warn(format!("--prompt: the model does not know {}", unknown.join(" ")));
    }
    if !source.holds(prompt) {
        warn(format!("--prompt: the model reads the first {} tokens of it", source.length()));
    }
    let several = arguments.samples > 1 || arguments.top_k.is_some() || arguments.top_p.is_some();
    let options = sequences
        .generate()
        .sampler(arguments.sampler(if several { TEMPERATURE } else { 0.0 })?)
        .seed(arguments.compute.seed())
        .cache(!arguments.no_cache);
    let answers = sequences.write(model, &vec![prompt; arguments.samples as usize], &options)?;
    answers.into_iter().try_for_each(say)
}
