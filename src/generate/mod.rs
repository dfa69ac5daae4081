//! Sequences that a model writes token by token.

mod beam;
mod sampler;
mod source;
#[cfg(test)]
mod tests;

pub use sampler::Sampler;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::tensor::Tensor;
use source::Source;

/// How a model goes on with sequences of tokens: [`Model::generate`].
///
/// By default the likeliest token follows, nothing stops a sequence before `max_length`, and layers keep what they need of the tokens
/// before ([`Layer::stepwise`](crate::layers::Layer::stepwise)); a model with a layer that needs the whole sequence is run on
/// all of it for each token.
#[derive(Clone, Debug)]
pub struct Generate {
    max_length: usize,
    sampler: Sampler,
    stop_token_ids: Vec<i32>,
    seed: u64,
    /// Sequences before these that have numbers of the same seed.
    before: usize,
    cache: bool,
    slide: bool,
    input: Option<usize>,
}

impl Generate {
    /// Sequences of at most so many tokens, those of the prompt included.
    pub fn max_length(max_length: usize) -> Generate {
        let (sampler, stop_token_ids, seed, before) = (Sampler::Greedy, Vec::new(), 0, 0);
        Generate { max_length, sampler, stop_token_ids, seed, before, cache: true, slide: false, input: None }
    }

    /// How the next token is chosen; by default the likeliest is.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// Tokens behind which a sequence ends; they are its last.
    pub fn stop_token_ids(mut self, ids: impl Into<Vec<i32>>) -> Self {
        self.stop_token_ids = ids.into();
        self
    }

    /// What decides which tokens are drawn; 0 unless told otherwise. Each sequence of a batch has numbers of its own.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same for sequences before which so many others are written.
    pub(crate) fn behind(&self, before: usize) -> Generate {
        Generate { before, ..self.clone() }
    }

    /// Whether layers keep what they need of the tokens before, where all can; by default they do. The tokens are the same.
    pub fn cache(mut self, cache: bool) -> Self {
        self.cache = cache;
        self
    }

    /// Whether sequences may be longer than those that the model takes; by default they may not. Where one has outgrown it, the
    /// model goes on from as many of the last tokens as are half of what it takes, and knows nothing of those before.
    pub fn slide(mut self, slide: bool) -> Self {
        self.slide = slide;
        self
    }

    /// The number of the input that the sequence is; by default it is the last.
    pub fn input(mut self, input: usize) -> Self {
        self.input = Some(input);
        self
    }
}

impl Model {
    /// The sequences that begin with these prompts, which are part of them.
    ///
    /// The model takes tokens `(batch, steps)` and gives, as its first output, logits or probabilities of the token behind each
    /// step, `(batch, steps, tokens)`, or of that behind the last one, `(batch, tokens)`; of fewer tokens than it takes then
    /// zeros stand before them. Prompts may have different lengths, and each has at least one token. The sequences of a batch
    /// are written together, whatever their samples are.
    ///
    /// ```
    /// use uncrumple::prelude::*;
    /// # fn main() -> Result<()> {
    /// let input = Input::with([16], DType::I32, None);
    /// let x = Embedding::new(50, 8).call(&input)?;
    /// let x = TransformerDecoder::new(16, 2).call(&x)?;
    /// let model = Model::new(&input, &Dense::new(50).call(&x)?)?;
    /// let sampler = Sampler::TopK { k: 5, temperature: 0.8 };
    /// let sequences = model.generate(&[vec![1, 2, 3], vec![4]], &Generate::max_length(12).sampler(sampler))?;
    /// assert!(sequences[0].starts_with(&[1, 2, 3]) && sequences[1].len() == 12);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A model with other inputs or outputs, prompts that are empty or longer than `max_length`, arguments without a meaning, what the
    /// model's call answers.
    pub fn generate(&self, prompts: &[Vec<i32>], options: &Generate) -> Result<Vec<Vec<i32>>> {
        self.generate_for(&[], prompts, options)
    }

    /// [`Model::generate`] for a model that has other inputs beside the sequence, such as the sentence to be translated: these, with
    /// a row for each prompt.
    ///
    /// # Errors
    /// As [`Model::generate`].
    pub fn generate_for(&self, others: &[&Tensor], prompts: &[Vec<i32>], options: &Generate) -> Result<Vec<Vec<i32>>> {
        let mut generation = self.generation(others, prompts, options)?;
        for step in &mut generation {
            step?;
        }
        Ok(generation.into_sequences())
    }

    /// [`Model::generate_for`] token by token: an iterator over what is written at each place of the sequences.
    ///
    /// ```
    /// # use uncrumple::prelude::*;
    /// # fn main() -> Result<()> {
    /// # let input = Input::with([16], DType::I32, None);
    /// # let x = TransformerDecoder::new(16, 2).call(&Embedding::new(50, 8).call(&input)?)?;
    /// # let model = Model::new(&input, &Dense::new(50).call(&x)?)?;
    /// for step in model.generation(&[], &[vec![1, 2, 3]], &Generate::max_length(8))? {
    ///     println!("{:?}", step?[0]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Model::generate`].
    pub fn generation<'a>(
        &'a self,
        others: &[&Tensor],
        prompts: &[Vec<i32>],
        options: &Generate,
    ) -> Result<Generation<'a>> {
        options.sampler.check()?;
        if let Some((at, prompt)) =
            prompts.iter().enumerate().find(|(_, p)| p.is_empty() || p.len() > options.max_length)
        {
            let message = format!("expected 1 to {} tokens, got {}", options.max_length, prompt.len());
            return Err(Error::Data(format!("prompt {at}: {message}")));
        }
        if let Some(other) = others.iter().find(|x| x.shape().first() != Some(&prompts.len())) {
            let message = format!("expected inputs with a row for each of {} prompts", prompts.len());
            return Err(Error::Data(format!("generate: {message}, got shape {}", other.shape())));
        }
        let place = prompts.iter().map(Vec::len).min().unwrap_or(0);
        let mut generation = Generation { source: None, options: options.clone(), place, sequences: Vec::new() };
        generation.sequences = match options.sampler {
            Sampler::Beam { num_beams, length_penalty } => {
                let by = beam::Search { num_beams, length_penalty };
                let written = beam::search(self, others, prompts, options, by)?;
                prompts.iter().zip(written).map(|(prompt, tokens)| Sequence::written(prompt, tokens)).collect()
            }
            _ => {
                if !prompts.is_empty() {
                    generation.source = Some(Source::new(self, others, options)?);
                }
                prompts.iter().map(|prompt| Sequence::begun(prompt, place)).collect()
            }
        };
        Ok(generation)
    }
}

/// What is written at each place: the iterator that [`Model::generation`] makes.
///
/// An item has for each sequence the token that was chosen there; nothing while its prompt lasts, and behind its end. After the last
/// one [`Generation::into_sequences`] has them whole.
pub struct Generation<'a> {
    /// Nothing where all is written already.
    source: Option<Source<'a>>,
    options: Generate,
    place: usize,
    sequences: Vec<Sequence>,
}

/// A sequence while it is written.
struct Sequence {
    prompt: Vec<i32>,
    /// What it is so far; behind its end there may be more.
    tokens: Vec<i32>,
    /// Its length, once it has ended.
    end: Option<usize>,
}

impl Sequence {
    /// One of which the first `place` tokens of its prompt are there.
    fn begun(prompt: &[i32], place: usize) -> Sequence {
        Sequence { prompt: prompt.to_vec(), tokens: prompt[..place].to_vec(), end: None }
    }

    /// One that is there as a whole.
    fn written(prompt: &[i32], tokens: Vec<i32>) -> Sequence {
        Sequence { prompt: prompt.to_vec(), end: Some(tokens.len()), tokens }
    }

    /// The token that was chosen at a place, if one was.
    fn chosen(&self, place: usize) -> Option<i32> {
        let there = place >= self.prompt.len() && self.end.is_none_or(|end| place < end);
        self.tokens.get(place).copied().filter(|_| there)
    }
}

impl Generation<'_> {
    /// Whether layers keep what they need of the tokens before.
    pub fn is_cached(&self) -> bool {
        self.source.as_ref().is_some_and(Source::is_cached)
    }

    /// The sequences as far as they are written, prompts included; a stop token is the last of one.
    pub fn into_sequences(self) -> Vec<Vec<i32>> {
        let cut = |mut sequence: Sequence| {
            sequence.tokens.truncate(sequence.end.unwrap_or(usize::MAX));
            sequence.tokens
        };
        self.sequences.into_iter().map(cut).collect()
    }

    /// Writes the next token of each sequence.
    fn write(&mut self) -> Result<()> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let tokens: Vec<&[i32]> = self.sequences.iter().map(|s| &s.tokens[..]).collect();
        let logits = source.logits(&tokens)?;
        for (sample, (logits, sequence)) in logits.iter().zip(&mut self.sequences).enumerate() {
            let place = sequence.tokens.len();
            let token = match sequence.prompt.get(place) {
                Some(&token) => token,
                // What stands behind the end is nobody's.
                None if sequence.end.is_some() => 0,
                None => {
                    let number = sampler::number(self.options.seed, place, self.options.before + sample);
                    let token = self.options.sampler.choose(logits, number)? as i32;
                    sequence.end = self.options.stop_token_ids.contains(&token).then_some(place + 1);
                    token
                }
            };
            sequence.tokens.push(token);
        }
        Ok(())
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<Vec<Option<i32>>>;

    fn next(&mut self) -> Option<Self::Item> {
        let most = self.options.max_length;
        if self.sequences.iter().all(|s| self.place >= s.end.unwrap_or(most).min(most)) {
            return None;
        }
        if let Err(error) = self.write() {
            // Nothing comes behind an error.
            self.place = most;
            return Some(Err(error));
        }
        self.place += 1;
        Some(Ok(self.sequences.iter().map(|s| s.chosen(self.place - 1)).collect()))
    }
}
