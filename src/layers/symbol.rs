//! What layers are called on before there is data: symbols, and the graph that calls grow.

use super::{ActivationFn, Config, Layer, Mask, Precision, Read, Signature, Spec, Traversal, object};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::regularizers::Regularizer;
use crate::shape::{IntoShape, MAX_RANK, Shape};
use serde_json::json;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A tensor to be: the input of a model or the output of a layer's call. A cheap handle.
#[derive(Clone)]
pub struct Symbol(Arc<Node>);

struct Node {
    spec: Spec,
    source: Source,
    /// Why no tensor can be what it stands for.
    problem: Option<String>,
}

/// Where a symbol comes from.
#[derive(Clone)]
pub enum Source {
    /// An input, with its name if the user gave one.
    Input(Option<String>),
    /// An output of a call.
    Call(Arc<CallNode>, usize),
}

/// One call of a layer.
pub struct CallNode {
    /// The layer.
    pub layer: LayerRef,
    /// What it was called on.
    pub inputs: Vec<Symbol>,
    /// What it returns.
    pub outputs: Vec<Spec>,
}

impl Symbol {
    /// Shape and dtype.
    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    /// Where it comes from.
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    fn new(spec: Spec, source: Source, problem: Option<String>) -> Symbol {
        Symbol(Arc::new(Node { spec, source, problem }))
    }

    /// Answers the error that making the symbol ended in.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.problem.as_ref().map_or(Ok(()), |problem| Err(Error::Input(format!("Input: {problem}"))))
    }

    /// Whether two handles are of one symbol.
    pub fn same(&self, other: &Symbol) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The symbol's identity, for looking it up.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Symbol({}, {})", self.0.spec, self.0.spec.dtype)
    }
}

/// Makes the inputs of a model.
///
/// A shape that no tensor can have is an error of the first call on the input, or of the model.
pub struct Input;

impl Input {
    /// A batch of `float32` samples of this shape.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(sample: impl IntoShape) -> Symbol {
        Input::with(sample, DType::F32, None)
    }

    /// A batch of samples of this shape and dtype, under a name of one's own or Keras's default.
    pub fn with(sample: impl IntoShape, dtype: DType, name: Option<&str>) -> Symbol {
        let name = name.map(String::from);
        match sample.into_shape() {
            Ok(shape) => Input::of(Spec::batch_of(&shape, dtype), name),
            Err(error) => Symbol::new(Spec::batch_of(&[], dtype), Source::Input(name), Some(error.to_string())),
        }
    }

    /// Batches of exactly this shape, the number of samples in front, of `float32`: Keras's `batch_shape`, which a layer needs
    /// that keeps states from batch to batch.
    pub fn batch_shape(batch: impl IntoShape) -> Symbol {
        match batch.into_shape() {
            Ok(shape) => Input::of(Spec { dims: shape.iter().map(|&n| Some(n)).collect(), dtype: DType::F32 }, None),
            Err(error) => Symbol::new(Spec::batch_of(&[], DType::F32), Source::Input(None), Some(error.to_string())),
        }
    }

    /// An input of this spec.
    pub fn of(spec: Spec, name: Option<String>) -> Symbol {
        let rank = spec.rank();
        let problem = format!("a batch of shape {spec} has {rank} axes, at most {MAX_RANK} fit");
        Symbol::new(spec, Source::Input(name), (rank > MAX_RANK).then_some(problem))
    }
}

/// A layer with what every layer has: a name and whether it is trainable. A cheap handle: calls of its clones share the
/// weights.
#[derive(Clone)]
pub struct LayerRef {
    cell: Arc<Cell>,
    /// The same layer told otherwise for the calls of this handle.
    told: Option<Arc<dyn Layer>>,
}

#[derive(Clone)]
struct Cell {
    layer: Arc<dyn Layer>,
    name: Option<String>,
    trainable: bool,
    /// What it computes in, if not in what the model does.
    precision: Option<Precision>,
    /// A penalty on its outputs.
    activity: Option<Box<dyn Regularizer>>,
    /// What it was first called on, which decides the shapes of the weights, and these.
    built: OnceLock<(Vec<Spec>, Vec<Shape>)>,
}

impl LayerRef {
    /// A handle of a layer.
    pub fn new(layer: impl Layer) -> LayerRef {
        LayerRef::of(Cell {
            layer: Arc::new(layer),
            name: None,
            trainable: true,
            precision: None,
            activity: None,
            built: OnceLock::new(),
        })
    }

    fn of(cell: Cell) -> LayerRef {
        LayerRef { cell: Arc::new(cell), told: None }
    }

    /// A layer of the same arguments under a name of one's own. It shares no weights with this one.
    pub fn named(self, name: &str) -> LayerRef {
        self.edit(|cell| cell.name = Some(name.to_string()))
    }

    /// A layer of the same arguments whose weights training leaves alone, or not. It shares no weights with this one.
    pub fn trainable(self, trainable: bool) -> LayerRef {
        self.edit(|cell| cell.trainable = trainable)
    }

    /// A layer of the same arguments that computes in this precision whatever the model does: Keras's `dtype`, such as
    /// f32 for the last layer of a mixed model. It shares no weights with this one.
    pub fn precision(self, precision: Precision) -> LayerRef {
        self.edit(|cell| cell.precision = Some(precision))
    }

    /// A layer of the same arguments with a penalty on its outputs, divided by the batch, that training adds to the
    /// loss: Keras's `activity_regularizer`. It shares no weights with this one.
    pub fn activity_regularizer(self, regularizer: impl Into<Box<dyn Regularizer>>) -> LayerRef {
        self.edit(|cell| cell.activity = Some(regularizer.into()))
    }

    /// The same recurrent layer going through its sequences in another way; another layer as it is.
    pub(crate) fn traversed(self, traversal: Traversal) -> LayerRef {
        match self.layer().recurrent().map(|layer| layer.traversed(traversal)) {
            Some(layer) => self.edit(|cell| cell.layer = layer),
            None => self,
        }
    }

    /// The layer told how it is called, as its [`Layer::signature`] can be; another layer as it is.
    pub fn called(self, signature: Signature) -> LayerRef {
        match self.layer().with_signature(signature) {
            Some(layer) => self.edit(|cell| cell.layer = layer),
            None => self,
        }
    }

    fn edit(self, edit: impl FnOnce(&mut Cell)) -> LayerRef {
        let mut cell = Cell { built: OnceLock::new(), ..Arc::unwrap_or_clone(self.cell) };
        cell.layer = self.told.unwrap_or(cell.layer);
        edit(&mut cell);
        LayerRef::of(cell)
    }

    /// A handle of the same layer, with the same weights, whose calls are told otherwise: what Keras says as `layer(x,
    /// reverse=True)` is `layer.told("reverse", true)?.call(&x)?` here.
    ///
    /// # Errors
    /// A name that Keras's `call` of the layer does not have, or a value that it does not take.
    pub fn told(&self, argument: &str, value: impl Into<i64>) -> Result<LayerRef> {
        let value = value.into();
        match self.layer().signature().tell_value(argument, value) {
            Some(signature) => Ok(self.in_calls(signature)),
            None => {
                let class = self.layer().class_name();
                Err(Error::Config(format!("a call of `{class}` takes no `{argument}` of the value {value}")))
            }
        }
    }

    /// A handle of the same layer whose calls are told so.
    pub(crate) fn in_calls(&self, signature: Signature) -> LayerRef {
        let told = (signature != self.layer().signature()).then(|| self.layer().with_signature(signature)).flatten();
        LayerRef { cell: self.cell.clone(), told: told.or_else(|| self.told.clone()) }
    }

    /// The layer, told what the calls of this handle are.
    pub fn layer(&self) -> &dyn Layer {
        &**self.told.as_ref().unwrap_or(&self.cell.layer)
    }

    /// Whether an output has a mask, `masked` being which inputs have one.
    pub fn gives_mask(&self, output: usize, masked: &[bool]) -> bool {
        let layer = self.layer();
        layer.supports_masking()
            && match layer.compute_mask(output, masked) {
                Mask::None => false,
                Mask::Of(input) => masked.get(input) == Some(&true),
                Mask::Set => true,
            }
    }

    /// The name that the user gave.
    pub fn given_name(&self) -> Option<&str> {
        self.cell.name.as_deref()
    }

    /// Whether training may change the weights.
    pub fn is_trainable(&self) -> bool {
        self.cell.trainable
    }

    /// What it computes in, if not in what the model does.
    pub(crate) fn own_precision(&self) -> Option<Precision> {
        self.cell.precision
    }

    /// The dtype that it computes in, where what is around it computes in `precision`.
    pub(crate) fn compute_dtype(&self, precision: Precision) -> DType {
        let own = self.cell.precision.unwrap_or(precision);
        if self.layer().full_precision() { DType::F32 } else { own.compute_dtype() }
    }

    /// The layer with those of a config's arguments that every layer has, name and trainable apart; what is around it computes in
    /// `around`.
    pub(crate) fn with_arguments(mut self, config: &Config, around: Precision) -> Result<LayerRef> {
        if let Some(regularizer) = config.regularizer("activity_regularizer")? {
            self = self.activity_regularizer(regularizer);
        }
        let precision = Precision::read(config.find("dtype"))?;
        Ok(if precision == around { self } else { self.precision(precision) })
    }

    /// Its own arguments and those that every layer has, under Keras's names; what is around it computes in `around`.
    pub(crate) fn full_config(&self, name: &str, trainable: bool, around: Precision) -> Config {
        let policy = self.own_precision().unwrap_or(around).serialized();
        let mut config = object(json!({"name": name, "trainable": trainable, "dtype": policy}));
        config.extend(self.layer().config());
        // Keras's own do not take it.
        if self.layer().class_name().starts_with("SpatialDropout") {
            config.remove("trainable");
        }
        if let Some(regularizer) = self.activity() {
            config.insert("activity_regularizer".into(), regularizer.serialized());
        }
        config
    }

    /// The penalty on its outputs.
    pub(crate) fn activity(&self) -> Option<&dyn Regularizer> {
        self.cell.activity.as_deref()
    }

    /// The activation that the output went through last, if a loss can be computed from what it was applied to: not
    /// where a penalty is on the output itself.
    pub(crate) fn output_activation(&self) -> Option<ActivationFn> {
        self.activity().map_or_else(|| self.layer().output_activation(), |_| None)
    }

    /// The layer's identity, for looking it up.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.cell) as *const () as usize
    }

    /// The name that Keras would give: the class in snake case.
    pub fn base_name(&self) -> String {
        self.cell.name.clone().unwrap_or_else(|| snake_case(self.cell.layer.class_name()))
    }

    /// Calls the layer on symbols; its first output.
    ///
    /// # Errors
    /// Inputs that the layer cannot take, in Keras's words and with the layer's name.
    pub fn call(&self, inputs: impl Inputs) -> Result<Symbol> {
        let mut outputs = self.call_all(inputs)?;
        if outputs.is_empty() {
            return Err(Error::Internal(format!("layer `{}` has no output", self.base_name())));
        }
        Ok(outputs.swap_remove(0))
    }

    /// Calls the layer on symbols; all its outputs.
    ///
    /// # Errors
    /// As [`LayerRef::call`].
    pub fn call_all(&self, inputs: impl Inputs) -> Result<Vec<Symbol>> {
        let inputs = inputs.symbols();
        let specs: Vec<Spec> = inputs.iter().map(|s| s.spec().clone()).collect();
        let outputs = inputs.iter().try_for_each(Symbol::check).and_then(|()| self.build(&specs));
        let outputs = outputs.map_err(|e| e.in_layer(&provisional_name(self, &inputs)))?;
        let call = Arc::new(CallNode { layer: self.clone(), inputs, outputs });
        let symbol = |(i, spec): (usize, &Spec)| Symbol::new(spec.clone(), Source::Call(call.clone(), i), None);
        Ok(call.outputs.iter().enumerate().map(symbol).collect())
    }

    /// The outputs for these inputs, which must need the weights that the first call needed.
    fn build(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let shapes = |inputs: &[Spec]| -> Result<Vec<Shape>> {
            Ok(self.layer().weights(inputs)?.iter().map(|w| w.shape).collect())
        };
        self.activity().map_or(Ok(()), |r| r.check())?;
        let outputs = self.layer().output_spec(inputs)?;
        let wanted = shapes(inputs)?;
        let (first, have) = self.cell.built.get_or_init(|| (inputs.to_vec(), wanted.clone()));
        if wanted == *have {
            return Ok(outputs);
        }
        // The axis that must be another one for the weights to fit, if it is one alone.
        for (at, (x, first)) in inputs.iter().zip(first).enumerate() {
            for axis in (1..=x.rank().min(first.rank())).map(|i| -(i as isize)) {
                let extent = first.dims[first.axis(axis)?];
                let mut other = inputs.to_vec();
                let place = x.axis(axis)?;
                other[at].dims[place] = extent;
                if let (Some(extent), Ok(true)) = (extent, shapes(&other).map(|shapes| shapes == *have)) {
                    return Err(Error::Input(format!(
                        "expected axis {axis} of the input to be {extent}, got shape {x}"
                    )));
                }
            }
        }
        let list = |specs: &[Spec]| specs.iter().map(Spec::to_string).collect::<Vec<_>>().join(", ");
        let (first, got) = (list(first), list(inputs));
        Err(Error::Input(format!("expected inputs of shape {first}, on which it was called first, got shape {got}")))
    }
}

impl fmt::Debug for LayerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer().fmt(f)
    }
}

/// The name that the layer will have in a model of what it is called on: its class and how many came before.
fn provisional_name(layer: &LayerRef, inputs: &[Symbol]) -> String {
    let base = layer.base_name();
    if layer.given_name().is_some() {
        return base;
    }
    let mut seen = HashSet::new();
    let mut layers = HashSet::new();
    let mut open: Vec<Symbol> = inputs.to_vec();
    while let Some(symbol) = open.pop() {
        if let Source::Call(call, _) = symbol.source()
            && seen.insert(Arc::as_ptr(call))
        {
            if call.layer.base_name() == base && call.layer.id() != layer.id() {
                layers.insert(call.layer.id());
            }
            open.extend(call.inputs.iter().cloned());
        }
    }
    if layers.is_empty() { base } else { format!("{base}_{}", layers.len()) }
}

/// `BatchNormalization` → `batch_normalization`, `Conv2D` → `conv2d`, as Keras does it.
pub(crate) fn snake_case(class: &str) -> String {
    // Exported under one name and called by another.
    let class = if class == "GroupQueryAttention" { "GroupedQueryAttention" } else { class };
    let chars: Vec<char> = class.chars().collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let starts_word = i > 0
            && c.is_uppercase()
            && (chars.get(i + 1).is_some_and(|n| n.is_lowercase()) || chars[i - 1].is_lowercase());
        if starts_word {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// What a layer can be called on: one symbol or several.
pub trait Inputs {
    /// The symbols.
    fn symbols(self) -> Vec<Symbol>;
}

impl Inputs for &Symbol {
    fn symbols(self) -> Vec<Symbol> {
        vec![self.clone()]
    }
}

impl<const N: usize> Inputs for [&Symbol; N] {
    fn symbols(self) -> Vec<Symbol> {
        self.into_iter().cloned().collect()
    }
}

impl Inputs for &[Symbol] {
    fn symbols(self) -> Vec<Symbol> {
        self.to_vec()
    }
}

impl Inputs for &Vec<Symbol> {
    fn symbols(self) -> Vec<Symbol> {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn names_are_kerass() {
        let pairs = [
            ("Dense", "dense"),
            ("BatchNormalization", "batch_normalization"),
            ("Conv2D", "conv2d"),
            ("ReLU", "re_lu"),
            ("MaxPooling2D", "max_pooling2d"),
            ("LSTM", "lstm"),
            ("GroupQueryAttention", "grouped_query_attention"),
            ("GlobalAveragePooling1D", "global_average_pooling1d"),
        ];
        for (class, name) in pairs {
            assert_eq!(snake_case(class), name);
        }
    }
}
