//! What a model is made of, before the first step: shapes, parameters, bytes.

use super::Model;
use super::graph::Step;
use crate::layers::{Spec, WeightSpec};
use crate::optimizers::{Adam, Optimizer, Slot};
use std::fmt;

/// A table of a model's layers, and what it takes in memory. It prints itself.
pub struct Summary<'a> {
    model: &'a Model,
    batch: usize,
    /// The optimizer's class, and how many numbers it keeps.
    optimizer: (&'static str, usize),
}

impl<'a> Summary<'a> {
    /// About what ops on the CPU take beside activations while they run, in bytes for each thread: products and convolutions
    /// go through memory in pieces that stay in a core's cache, and each thread has pieces of its own.
    pub const SCRATCH_PER_THREAD: usize = 1 << 20;
    /// About what recurrent layers take besides, in bytes, whatever their number, in batches of up to 512 and with up to some
    /// 300 units, and more beyond: the gradients of some steps at a time, and what the weights' gradients are made from.
    pub const SCRATCH_OF_SEQUENCES: usize = 4 << 20;

    pub(crate) fn new(model: &'a Model) -> Summary<'a> {
        Summary { model, batch: 32, optimizer: ("", 0) }.optimizer(&Adam::new(0.001))
    }

    /// States activations for this batch size; 32 unless told otherwise.
    pub fn batch_size(self, batch: usize) -> Self {
        Summary { batch, ..self }
    }

    /// States the state of this optimizer; Adam's unless told otherwise.
    pub fn optimizer(self, optimizer: &dyn Optimizer) -> Self {
        let trainable = self.model.graph.weights.iter().filter(|(_, w)| w.trainable);
        let count = |(path, w): &(String, WeightSpec)| -> usize {
            let slots = (0..optimizer.all_slots().len()).map(|slot| optimizer.any_slot(slot, path, &w.shape));
            slots.map(|slot| if let Slot::Kept(shape) = slot { shape.size() } else { 0 }).sum()
        };
        Summary { optimizer: (optimizer.class_name(), trainable.map(count).sum()), ..self }
    }

    /// Numbers in all weights.
    pub fn parameters(&self) -> usize {
        self.model.count_params()
    }

    /// Numbers in weights that gradients change.
    pub fn trainable_parameters(&self) -> usize {
        let trainable = self.model.graph.weights.iter().filter(|(_, w)| w.trainable);
        trainable.map(|(_, w)| w.shape.size()).sum()
    }

    /// Bytes of the weights, in f32.
    pub fn parameter_bytes(&self) -> usize {
        4 * self.parameters()
    }

    /// Bytes of the optimizer's state, in f32.
    pub fn optimizer_bytes(&self) -> usize {
        4 * self.optimizer.1
    }

    /// Bytes of the layers' outputs for one batch, and of what else they keep, which training keeps for the backward; `None`
    /// where an extent is open, or where no memory could hold them.
    pub fn activation_bytes(&self) -> Option<usize> {
        let size = self.model.precision.compute_dtype().size();
        let specs = self.model.graph.steps.iter().flat_map(|step| step.specs.iter().cloned().chain(self.kept(step)));
        // A shape's size times eight bytes is known to fit.
        specs.into_iter().try_fold(0usize, |sum, s| sum.checked_add(s.shape(self.batch)?.size() * size))
    }

    /// About the bytes of scratch memory that training takes on the CPU with so many threads.
    pub fn scratch_bytes(&self, threads: usize) -> usize {
        threads * Self::SCRATCH_PER_THREAD + self.scratch_of_sequences()
    }

    fn scratch_of_sequences(&self) -> usize {
        let sequences = self.model.graph.steps.iter().any(|step| !self.kept(step).is_empty());
        if sequences { Self::SCRATCH_OF_SEQUENCES } else { 0 }
    }

    /// What a layer keeps beside its outputs.
    fn kept(&self, step: &Step) -> Vec<Spec> {
        let graph = &self.model.graph;
        let inputs: Vec<Spec> = step.inputs.iter().filter_map(|&i| graph.spec(i).cloned()).collect();
        step.called.layer().kept_spec(&inputs)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let graph = &self.model.graph;
        let mut rows =
            vec![["Layer (type)".to_string(), "Output shape".into(), "Params".into(), "Connected to".into()]];
        let shapes = |specs: &[Spec]| specs.iter().map(Spec::to_string).collect::<Vec<_>>().join(", ");
        for (name, spec) in &graph.inputs {
            rows.push([format!("{name} (Input)"), spec.to_string(), "0".into(), "-".into()]);
        }
        let mut seen = std::collections::HashSet::new();
        for step in &graph.steps {
            let entry = &graph.layers[step.layer];
            let params: usize = graph.weights[entry.weights.clone()].iter().map(|(_, w)| w.shape.size()).sum();
            let params = if seen.insert(step.layer) { grouped(params) } else { "shared".into() };
            let from = step.inputs.iter().map(|&i| graph.value_name(i)).collect::<Vec<_>>().join(", ");
            rows.push([
                format!("{} ({})", entry.name, entry.layer.layer().class_name()),
                shapes(&step.specs),
                params,
                from,
            ]);
        }
        let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
        let widths: [usize; 4] = std::array::from_fn(width);
        let rule = "─".repeat(widths.iter().sum::<usize>() + 6);
        writeln!(f, "Model: \"{}\"\n{rule}", self.model.name)?;
        for (i, [layer, shape, params, from]) in rows.iter().enumerate() {
            let [a, b, c, _] = widths;
            writeln!(f, "{layer:<a$}  {shape:<b$}  {params:>c$}  {from}")?;
            if i == 0 {
                writeln!(f, "{rule}")?;
            }
        }
        let trainable = self.trainable_parameters();
        writeln!(f, "{rule}")?;
        writeln!(f, "Parameters       {:>12}  ({})", grouped(self.parameters()), bytes(self.parameter_bytes()))?;
        writeln!(f, "  trainable      {:>12}", grouped(trainable))?;
        writeln!(f, "  non-trainable  {:>12}", grouped(self.parameters() - trainable))?;
        let (optimizer, numbers) = self.optimizer;
        let numbers = match numbers.checked_div(trainable) {
            Some(1) if numbers == trainable => "1 number a parameter".into(),
            Some(each) if numbers == each * trainable => format!("{each} numbers a parameter"),
            _ => format!("{} numbers", grouped(numbers)),
        };
        let state = bytes(self.optimizer_bytes());
        writeln!(f, "Optimizer state  {state:>12}  ({optimizer}: {numbers})")?;
        let open = |spec: &Spec| spec.dims.iter().skip(1).any(Option::is_none);
        match self.activation_bytes() {
            Some(size) => write!(f, "Activations      {:>12}  (batch of {})", bytes(size), self.batch)?,
            None if graph.steps.iter().flat_map(|s| &s.specs).any(open) => {
                write!(f, "Activations      {:>12}", "depends on the data")?;
            }
            None => write!(f, "Activations      {:>12}  (batch of {})", "too many", self.batch)?,
        }
        if self.model.device.is_cpu() {
            let besides = match self.scratch_of_sequences() {
                0 => String::new(),
                size => format!(", and {} besides", bytes(size)),
            };
            let each = bytes(Self::SCRATCH_PER_THREAD);
            write!(f, "\nScratch memory   {each:>12}  (about, for each thread{besides})")?;
        }
        self.model.warnings().iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

/// `669706` → `669,706`.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn bytes(n: usize) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.1} KiB", n as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", n as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", n as f64 / 1_073_741_824.0),
    }
}
