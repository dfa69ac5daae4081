//! A sequence gone through in both directions.

use super::traversal::{SEQUENCES, Traversal, first};
use super::{Call, Config, Inner, Layer, LayerRef, Mask, Read, ReadLayer, Signature, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use smallvec::SmallVec;

/// A recurrent layer in both directions, and what both give, merged
/// ([Keras](https://keras.io/api/layers/recurrent_layers/bidirectional/), [Schuster and Paliwal,
/// 1997](https://doi.org/10.1109/78.650093)).
///
/// Input, masks and initial states are those of the layer, first the states of the way forwards, then of the way backwards. The
/// output is what [`Merge`] makes of both layers' outputs, each of which stands at its own time; with `return_state` of the layer,
/// the last states of both follow. With `return_sequences` outputs of masked steps are 0. Weights: those of both layers,
/// `forward_layer/…` and `backward_layer/…`. Default: the way back has a layer of the same arguments, the outputs are joined.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Input::new([120, 14]);
/// let y = Bidirectional::new(LSTM::new(16).return_sequences(true)).call(&x)?;
/// assert_eq!(y.spec().to_string(), "(None, 120, 32)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Bidirectional {
    forward: Inner,
    backward: Inner,
    merge_mode: Option<Merge>,
}

/// How a [`Bidirectional`] merges its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// One beside the other, along the last axis.
    Concat,
    /// Their sum.
    Sum,
    /// Their product.
    Mul,
    /// Their mean.
    Ave,
}

impl Merge {
    const ALL: [(&'static str, Merge); 4] =
        [("concat", Merge::Concat), ("sum", Merge::Sum), ("mul", Merge::Mul), ("ave", Merge::Ave)];

    fn call(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self {
            Merge::Concat => Tensor::concatenate(&[a, b], -1),
            Merge::Sum => a.add(b),
            Merge::Mul => a.mul(b),
            Merge::Ave => a.add(b)?.mul_scalar(0.5),
        }
    }
}

/// The layer under a name with `prefix`, which gets what Bidirectional changes of its way.
fn directed(layer: LayerRef, prefix: &str, change: impl FnOnce(&mut Traversal)) -> LayerRef {
    let Some(mut traversal) = layer.layer().recurrent().map(|r| *r.traversal()) else { return layer };
    let name = layer.base_name();
    let name = format!("{prefix}{}", name.strip_prefix(prefix).unwrap_or(&name));
    change(&mut traversal);
    traversal.zero_output_for_mask = traversal.return_sequences;
    traversal.in_time = traversal.go_backwards;
    layer.traversed(traversal).named(&name)
}

impl Bidirectional {
    /// The layer, which goes forwards, in both directions.
    pub fn new(layer: impl Into<LayerRef>) -> Bidirectional {
        let layer = layer.into();
        let backward = directed(layer.clone(), "backward_", |traversal| traversal.go_backwards = true);
        Bidirectional {
            forward: Inner::new("forward_layer", directed(layer, "forward_", |_| {})).argument("layer"),
            backward: Inner::new("backward_layer", backward),
            merge_mode: Some(Merge::Concat),
        }
    }

    /// The layer of the way back, which must go backwards; by default one like that of the way forwards.
    pub fn backward_layer(mut self, layer: impl Into<LayerRef>) -> Bidirectional {
        let layer = layer.into();
        let name = layer.base_name();
        self.backward = Inner::new("backward_layer", directed(layer, "", |_| {}).named(&name));
        self
    }

    /// What is made of both outputs; by default they are joined. With `None` both are outputs.
    pub fn merge_mode(mut self, merge_mode: impl Into<Option<Merge>>) -> Bidirectional {
        self.merge_mode = merge_mode.into();
        self
    }

    /// The layer that a Keras config describes, and `read` the layers in it.
    pub(super) fn from_config(config: &Config, read: &mut ReadLayer) -> Result<Bidirectional> {
        config.refuse(&["weights"])?;
        let layer = config.find("layer").ok_or_else(|| Error::Config("argument `layer` is missing".into()))?;
        let mut layers = Bidirectional::new(read(layer)?);
        if let Some(backward) = config.find("backward_layer") {
            layers = layers.backward_layer(read(backward)?);
        }
        let merge_mode = match config.get("merge_mode") {
            Some(serde_json::Value::Null) => None,
            _ => Some(config.word("merge_mode", "concat")?),
        };
        let known = |name: String| {
            Merge::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, merge)| merge).ok_or_else(|| {
                Error::Config(format!(
                    "argument `merge_mode`: expected one of sum, mul, ave, concat or null, got {name}"
                ))
            })
        };
        Ok(layers.merge_mode(merge_mode.map(known).transpose()?))
    }

    /// How the sequence is gone through forwards, once both layers are known to fit.
    fn check(&self) -> Result<&Traversal> {
        let of = |inner: &Inner| {
            let message = "expected a recurrent layer, such as LSTM, GRU or RNN";
            Error::Config(format!("{message}, got {}", inner.layer().layer().class_name()))
        };
        let layer =
            |inner: &Inner| -> Result<()> { inner.layer().layer().recurrent().map(|_| ()).ok_or_else(|| of(inner)) };
        layer(&self.forward)?;
        layer(&self.backward)?;
        let [forward, backward] = [&self.forward, &self.backward].map(|i| i.layer().layer().recurrent());
        let (Some(forward), Some(backward)) = (forward, backward) else {
            return Err(Error::Internal("both layers are recurrent".into()));
        };
        let (forward, backward) = (forward.traversal(), backward.traversal());
        if forward.go_backwards || !backward.go_backwards {
            let message = "expected a layer that goes forwards and a backward layer that goes backwards";
            let (one, other) = (forward.go_backwards, backward.go_backwards);
            return Err(Error::Config(format!("{message}, got go_backwards={one} and {other}")));
        }
        let pairs = [
            ("stateful", forward.stateful, backward.stateful),
            ("return_sequences", forward.return_sequences, backward.return_sequences),
            ("return_state", forward.return_state, backward.return_state),
        ];
        if let Some((name, one, other)) = pairs.into_iter().find(|(_, one, other)| one != other) {
            return Err(Error::Config(format!(
                "forward layer and backward layer are expected to have the same value for attribute \"{name}\", got {one} \
                 for forward layer and {other} for backward layer"
            )));
        }
        Ok(forward)
    }

    /// The inputs of both layers.
    fn halves<T: Clone>(inputs: &[T]) -> [SmallVec<[T; 4]>; 2] {
        let (forward, backward) = inputs[1..].split_at((inputs.len() - 1) / 2);
        [forward, backward].map(|states| inputs[..1].iter().chain(states).cloned().collect())
    }
}

impl Layer for Bidirectional {
    fn class_name(&self) -> &'static str {
        "Bidirectional"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        first(inputs)?;
        self.check()?;
        let [to, fro] = Bidirectional::halves(inputs);
        let (mut to, mut fro) = (self.forward.output_spec(&to)?, self.backward.output_spec(&fro)?);
        let (mut y, back) = (to.remove(0), fro.remove(0));
        let mut outputs = match self.merge_mode {
            None => vec![y, back],
            Some(Merge::Concat) => {
                let last = y.known(-1)? + back.known(-1)?;
                y.dims.pop();
                y.dims.push(Some(last));
                vec![y]
            }
            Some(_) if y != back => {
                return Err(Error::Input(format!("expected outputs of one shape to merge, got {y} and {back}")));
            }
            Some(_) => vec![y],
        };
        outputs.extend(to.into_iter().chain(fro));
        Ok(outputs)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        first(inputs)?;
        let [to, fro] = Bidirectional::halves(inputs);
        Ok(self.forward.weights(&to)?.into_iter().chain(self.backward.weights(&fro)?).collect())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (mask, count) = (call.mask(0).cloned(), self.forward.count());
        let [to, fro] = Bidirectional::halves(inputs);
        let masks = [mask];
        let (to, _) = self.forward.call(call, 0..count, &to, &masks)?;
        let (fro, _) = self.backward.call(call, count..call.weights.len(), &fro, &masks)?;
        let mut outputs = match self.merge_mode {
            Some(merge) => Tensors::from_elem(merge.call(&to[0], &fro[0])?, 1),
            None => Tensors::from_iter([to[0].clone(), fro[0].clone()]),
        };
        outputs.extend(to.into_iter().skip(1).chain(fro.into_iter().skip(1)));
        Ok(outputs)
    }

    fn kept_spec(&self, inputs: &[Spec]) -> Vec<Spec> {
        // What is merged has a place beside the result.
        let outputs = |layer: &dyn Layer| match self.merge_mode {
            Some(_) => layer.output_spec(&inputs[..inputs.len().min(1)]).unwrap_or_default(),
            None => Vec::new(),
        };
        let of = |inner: &Inner| {
            let layer = inner.layer().layer();
            [layer.kept_spec(inputs), outputs(layer)].concat()
        };
        [of(&self.forward), of(&self.backward)].concat()
    }

    fn config(&self) -> Config {
        let name = Merge::ALL.into_iter().find(|(_, merge)| Some(*merge) == self.merge_mode).map(|(name, _)| name);
        let mut config = Config::from_iter([("merge_mode".into(), name.into())]);
        self.forward.write(&mut config);
        self.backward.write(&mut config);
        config
    }

    fn signature(&self) -> Signature {
        SEQUENCES
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn compute_mask(&self, output: usize, _: &[bool]) -> Mask {
        let traversal = self.forward.layer().layer().recurrent().map(|r| r.traversal());
        let sequences = traversal.is_some_and(|t| t.return_sequences);
        if sequences && output <= usize::from(self.merge_mode.is_none()) { Mask::Of(0) } else { Mask::None }
    }

    fn inner(&self) -> Vec<&Inner> {
        vec![&self.forward, &self.backward]
    }

    fn is_samplewise(&self, training: bool) -> bool {
        [&self.forward, &self.backward].iter().all(|inner| inner.layer().layer().is_samplewise(training))
    }
}
