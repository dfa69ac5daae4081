//! What a model writes for a text: a translation, a pronunciation.

use super::{Arguments, TEMPERATURE};
use crate::{say, warn};
use uncrumple::prelude::*;
use uncrumple::programs::sequences::Sequences;

/// How many tokens that are not known are named.
const NAMED: usize = 20;

pub fn run(model: &Model, sequences: &Sequences, arguments: &Arguments) -> Result<()> {
    let wrong = |message: String| Err(Error::Config(message));
    for (option, given) in [
        ("--stop", arguments.stop.is_some()),
        ("--max-tokens", arguments.max_tokens.is_some()),
        #[cfg(feature = "tokenizers")]
        ("--tokenizer", arguments.tokenizer.is_some()),
    ] {
        if given {
            let message = "this model answers with tokens of its own, and ends by itself: leave it out";
            return wrong(format!("{option}: {message}"));
        }
    }
    let (source, prompt) = (sequences.source(), arguments.prompt.as_str());
    let (tokens, unknown) = (source.tokens_of(prompt).len(), source.unknown(prompt));
    if tokens == 0 {
        return wrong("--prompt: is empty: say what is to be answered".into());
    }
    if !unknown.is_empty() {
        let named: Vec<&str> = unknown.iter().take(NAMED).map(String::as_str).collect();
        let message = format!("--prompt: the model does not know {}", named.join(" "));
        let example = source.vocabulary().take(NAMED).collect::<Vec<_>>().join(" ");
        if tokens <= source.length() && source.tokens_of(prompt).iter().all(|token| unknown.contains(token)) {
            return wrong(format!("{message}, which is all of it: it knows {example} …"));
        }
        warn(message);
    }
    if tokens > source.length() {
        warn(format!("--prompt: the model reads the first {} of its {tokens} tokens", source.length()));
    }
    let temperature = if arguments.draws() { TEMPERATURE } else { 0.0 };
    let options = sequences
        .generate()
        .sampler(arguments.sampler(temperature)?)
        .seed(arguments.compute.seed())
        .cache(!arguments.no_cache);
    let answers = sequences.write(model, &vec![prompt; arguments.samples as usize], &options)?;
    answers.into_iter().try_for_each(say)
}
