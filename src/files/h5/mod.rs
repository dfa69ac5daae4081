//! `model.weights.h5`: the arrays of a Keras 3 model, in HDF5.
//!
//! # Where Keras 3.15 puts what
//!
//! Every object with state (layer, model, optimizer) owns one group `<path>/vars`. It holds the object's variables as
//! datasets `0`, `1`, … (decimal, no padding: `10` sorts before `2`) and the string attribute `name`, the object's
//! name, which is never read. The group is there even if it is empty, as it is for every layer without weights.
//! The model's own path is empty, so that its group is `vars`: empty, named like the model. The root has no attributes.
//!
//! **Layers** of a `Sequential` or functional model: `layers/<class>`, where `<class>` is the *class* name in snake
//! case, never the layer's name. The second layer of one class is `<class>_1`, the third `<class>_2`, …, counted per
//! class in the order of `model.layers`:
//! - a `Sequential`'s are in the order in which they were added, and its `InputLayer` is none of them;
//! - a functional model's include each `InputLayer` (`layers/input_layer`, `layers/input_layer_1`, …). They are sorted
//!   by depth, the longest path to an output, deepest first (a shared layer by its deepest call; an input that nothing
//!   uses has depth 0 and comes first there), and within a depth in the order in which a depth-first walk from the
//!   outputs, first output first, each layer before its inputs and these left to right, first meets them.
//!
//! This order is that of `config.json` too, and Keras computes it anew when it loads a model.
//!
//! Snake case: take out what is no word character, put `_` before a capital that small letters follow (unless it is
//! the first character), then between a small letter and a capital, then lower all. `Conv2D` is `conv2d`,
//! `MaxPooling2D` `max_pooling2d`, `LSTMCell` `lstm_cell`, `ReLU` `re_lu`, `RMSprop` `rm_sprop`, `AdamW` `adam_w`.
//!
//! **Nested models** are layers of the classes `Sequential` and `Functional`:
//! `layers/sequential/layers/dense/vars/0`, `layers/functional/layers/input_layer/vars`.
//!
//! **Layers inside layers** hang on the attribute that holds them: `layers/bidirectional/forward_layer/cell/vars/0`,
//! `layers/multi_head_attention/query_dense/vars/0`, `…/_dropout_layer/vars`. Attributes are visited in the order of
//! their names, those that start with `_` last; an object met a second time is not written again. A list, tuple or
//! dict of them (a dict in its own order, without its keys) adds the attribute's name and then counts classes as
//! `layers` does: `blocks/dense`, `blocks/dense_1`; a container inside a container is `container`, `container_1`, ….
//! A class's counter goes up for an object that was written elsewhere before, too.
//!
//! **Variables of a layer**: its trainable ones, then its non-trainable ones, each in the order of their creation.
//! `Dense`, `Conv2D`: kernel, bias. `BatchNormalization`: gamma, beta, moving mean, moving variance. `LSTM` and `GRU`
//! own nothing, their `cell` holds kernel, recurrent kernel, bias. `Normalization`: mean, variance, count (an `int32`
//! scalar, which stays 0); with constants for mean and variance it has none. The seed generator of `Dropout` is *not*
//! saved, and neither are metrics, losses and the seed state of any layer; the compile configuration is in
//! `config.json`.
//!
//! **Optimizer** of a compiled model: `optimizer/vars/N`, the `name` being the optimizer's. With the model's trainable
//! variables *v* in the order of `model.trainable_variables` (layers in the order above, frozen ones left out):
//! - `0` is the iteration (an `int32` scalar on JAX and PyTorch), `1` the learning rate (a `float32` scalar). With a
//!   schedule there is no learning rate, and all that follows moves down by one;
//! - then, if they are asked for, all EMA averages or all gradient accumulators, one for each *v*;
//! - SGD: a momentum for each *v*, or nothing if `momentum` is 0;
//! - RMSprop: a velocity for each *v*; then, with `momentum`, a momentum for each; then, if `centered`, an average
//!   gradient for each;
//! - Adam and AdamW: momentum and velocity of the first *v*, momentum and velocity of the second, …; then, with
//!   `amsgrad`, a maximal velocity for each.
//!
//! An optimizer that has not stepped yet has the same variables, filled with zeros, once it is built; before that it
//! has `0` and `1` only. When the number differs from what Keras expects, it warns and leaves the optimizer as it is;
//! in a layer that is an error, as is a group that is missing where the layer has variables. What lies beside these
//! paths is not looked at.
//!
//! **Types**: datasets are contiguous, little endian, of the variable's own type; `float32` under `mixed_bfloat16`.
//! HDF5 had no `bfloat16`: those are opaque elements of two bytes, and the dataset's string attribute `dtype` is
//! `bfloat16` (that there is this attribute says enough, since two opaque bytes are nothing else here). A `bool` is HDF5's customary enumeration of `FALSE` and `TRUE` over `int8`.
//!
//! **Sharded weights** (`*.weights.json` beside `*_00000.weights.h5`, …) are another format, which Keras writes only
//! when `save_weights` is told a `max_shard_size`, never into a `.keras` file; each shard is a file of this form.
//!
//! **Links**: Keras refuses soft and external links, external and virtual datasets; so does this room.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

use crate::error::{Error, Result};
use crate::files::Array;
use std::collections::BTreeMap;

/// A tree of arrays; paths are like `layers/dense/vars/0`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    /// The datasets.
    pub arrays: BTreeMap<String, Array>,
    /// The groups, with their string attributes. Reading lists every group but the root, and no attributes: nobody asks
    /// for them, and a few bytes of a file can make many of them. For writing, a group that has members need not be
    /// listed.
    pub groups: BTreeMap<String, BTreeMap<String, String>>,
}

impl Tree {
    /// Puts the variables of the object at `path` where Keras looks for them.
    pub fn put(&mut self, path: &str, name: &str, variables: impl IntoIterator<Item = Array>) {
        let group = vars(path);
        for (i, variable) in variables.into_iter().enumerate() {
            self.arrays.insert(format!("{group}/{i}"), variable);
        }
        self.groups.insert(group, BTreeMap::from([("name".to_string(), name.to_string())]));
    }

    /// The variables of the object at `path`, in order; none if there is no such object.
    ///
    /// # Errors
    /// [`Error::Data`] if their numbers are not 0, 1, 2, ….
    pub fn get(&self, path: &str) -> Result<Option<Vec<&Array>>> {
        let group = vars(path);
        let prefix = format!("{group}/");
        let found = self.arrays.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix)).count();
        if found == 0 && !self.groups.contains_key(&group) {
            return Ok(None);
        }
        (0..found).map(|i| self.arrays.get(&format!("{prefix}{i}"))).collect::<Option<Vec<_>>>().map(Some).ok_or_else(
            || Error::Data(format!("the {found} variables in `{group}` are not numbered from 0 to {}", found - 1)),
        )
    }
}

fn vars(path: &str) -> String {
    if path.is_empty() { "vars".into() } else { format!("{path}/vars") }
}
