//! Where the logits of the next tokens come from.

use super::Generate;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::Updates;
use crate::model::{Incremental, Mode, Model};
use crate::tensor::{Tensor, no_grad};

/// The logits of the token behind sequences.
pub(super) struct Source<'a> {
    run: Run<'a>,
    /// How many tokens the model sees at most, where sequences slide past it.
    window: usize,
    /// The first of the tokens that it sees.
    start: usize,
}

/// How the model is run.
enum Run<'a> {
    /// From the tokens that are new, and what layers keep of those before.
    Cached(Incremental<'a>),
    /// From all tokens again.
    Whole(Whole<'a>),
}

/// A model that is run on whole sequences.
struct Whole<'a> {
    model: &'a Model,
    weights: Vec<Tensor>,
    /// In the order of the model's inputs; nothing where the sequence goes.
    inputs: Vec<Option<Tensor>>,
    /// The steps that the model asks for, if it asks for so many.
    length: Option<usize>,
    /// Whether it gives logits for the next token alone, and not for that behind each step.
    last_alone: bool,
}

impl<'a> Source<'a> {
    /// For this model and its inputs beside the sequence.
    pub fn new(model: &'a Model, others: &[&Tensor], options: &Generate) -> Result<Source<'a>> {
        let graph = model.graph();
        let count = graph.inputs.len();
        let input = options.input.unwrap_or(count.saturating_sub(1));
        if others.len() + 1 != count || input >= count {
            let (last, got) = (count.saturating_sub(1), others.len());
            let message = match input > last {
                true => format!("argument `input`: expected 0 to {last}, got {input}"),
                false => {
                    format!("generate: expected as many inputs beside the sequence as the model has, {last}, got {got}")
                }
            };
            return Err(Error::Config(message));
        }
        let (name, spec) = &graph.inputs[input];
        if spec.rank() != 2 {
            let message = format!("expected tokens (batch, steps) as input `{name}`");
            return Err(Error::Config(format!("generate: {message}, the model takes {spec}")));
        }
        let output = graph.outputs.first().and_then(|&output| graph.spec(output));
        let last_alone = match output.map(|spec| (spec.rank(), spec.dtype.is_float())) {
            Some((3, true)) => false,
            Some((2, true)) => true,
            _ => {
                let message = "expected logits (batch, steps, tokens) or (batch, tokens) as the first output";
                let got = output.map(|spec| spec.to_string()).unwrap_or_default();
                return Err(Error::Config(format!("generate: {message}, the model gives {got}")));
            }
        };
        let length = spec.dims[1];
        let window = length.filter(|&length| !last_alone && length < options.max_length);
        if let (Some(length), false) = (window, options.slide) {
            let message = format!("the model takes sequences of {length} tokens");
            return Err(Error::Config(format!("argument `max_length`: {message}, got {}", options.max_length)));
        }
        let source = |run: Run<'a>| Source { run, window: window.unwrap_or(usize::MAX), start: 0 };
        if options.cache
            && !last_alone
            && let Some(incremental) = model.incremental(others, input, window.unwrap_or(options.max_length))?
        {
            return Ok(source(Run::Cached(incremental)));
        }
        let mut inputs = others.iter().map(|x| x.to_device(&model.device).map(Some)).collect::<Result<Vec<_>>>()?;
        inputs.insert(input, None);
        let weights = model.weights_on_device()?;
        Ok(source(Run::Whole(Whole { model, weights, inputs, length, last_alone })))
    }

    /// Whether layers keep what they need of the tokens before.
    pub fn is_cached(&self) -> bool {
        matches!(self.run, Run::Cached(_))
    }

    /// The logits of the token behind these sequences, all of one length, a row for each.
    pub fn logits(&mut self, sequences: &[&[i32]]) -> Result<Vec<Vec<f32>>> {
        let all = sequences.first().map_or(0, |s| s.len());
        if all - self.start > self.window {
            self.start = all - self.window.div_ceil(2);
            if let Run::Cached(incremental) = &mut self.run {
                incremental.restart();
            }
        }
        let (start, steps) = (self.start, all - self.start);
        let sequences: Vec<&[i32]> = sequences.iter().map(|s| &s[start..]).collect();
        let logits = match &mut self.run {
            Run::Cached(incremental) => {
                let first = incremental.steps();
                let new: Vec<i32> = sequences.iter().flat_map(|s| &s[first..]).copied().collect();
                incremental.advance(&Tensor::from_slice(&new, [sequences.len(), steps - first])?)?
            }
            Run::Whole(whole) => whole.logits(&sequences, steps)?,
        };
        let rows = logits.cast(DType::F32)?.to_vec::<f32>()?;
        let tokens = logits.shape().last().max(1);
        Ok(rows.chunks(tokens).map(<[f32]>::to_vec).collect())
    }

    /// Puts the sequences in another order.
    pub fn reorder(&mut self, order: &[i32]) -> Result<()> {
        let order = Tensor::from_slice(order, order.len())?;
        match &mut self.run {
            Run::Cached(incremental) => incremental.reorder(&order),
            Run::Whole(whole) => whole.inputs.iter_mut().flatten().try_for_each(|input| {
                *input = input.gather(&order.to_device(&input.device())?)?;
                Ok(())
            }),
        }
    }
}

impl Whole<'_> {
    fn logits(&self, sequences: &[&[i32]], steps: usize) -> Result<Tensor> {
        let width = self.length.unwrap_or(steps);
        let row = |sequence: &&[i32]| -> Vec<i32> {
            let mut row = vec![0; width];
            if self.last_alone {
                // The last tokens, behind zeros where there are fewer.
                let kept = &sequence[steps.saturating_sub(width)..];
                row[width - kept.len()..].copy_from_slice(kept);
            } else {
                row[..steps].copy_from_slice(sequence);
            }
            row
        };
        let tokens: Vec<i32> = sequences.iter().flat_map(row).collect();
        let tokens = Tensor::from_slice(&tokens, [sequences.len(), width])?.to_device(&self.model.device)?;
        let inputs: Vec<&Tensor> = self.inputs.iter().map(|x| x.as_ref().unwrap_or(&tokens)).collect();
        let graph = self.model.graph();
        let logits = u64::from(graph.output_activation(0).is_some());
        let mode = Mode { precision: self.model.precision, logits, ..Mode::INFERENCE };
        no_grad(|| {
            let inputs = graph.cast(&inputs)?;
            let borrowed: Vec<&Tensor> = inputs.iter().collect();
            let outputs = graph.run(&self.weights, &borrowed, mode, &mut Updates::new())?;
            let first = outputs.into_iter().next().ok_or_else(|| Error::Internal("a model has an output".into()))?;
            if self.last_alone { Ok(first) } else { first.slice(1, steps - 1..steps) }
        })
    }
}
