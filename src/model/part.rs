//! A layer of a model as a model.

use super::{Graph, Model, Nested};
use crate::error::{Error, Result};
use crate::layers::{Input, Symbol};

impl Model {
    /// The layer of this name as a model, with the weights that it has here: Keras's `get_layer`, whose layers can be
    /// called by themselves. A model that is a layer of this one, such as the decoder of an autoencoder, comes back as it
    /// went in; any other layer reads what it was called on first. It runs where this model runs, and is trained apart
    /// from it.
    ///
    /// ```
    /// use uncrumple::prelude::*;
    /// # fn main() -> Result<()> {
    /// let decoder = Sequential::new([2]).add(Dense::new(8)).build()?.named("decoder").as_layer();
    /// let input = Input::new([8]);
    /// let autoencoder = Model::new(&input, &decoder.call(&Dense::new(2).call(&input)?)?)?;
    /// let decoder = autoencoder.get_layer("decoder")?;
    /// assert_eq!(decoder.predict(&Tensor::zeros(&Device::Cpu, [3, 2], DType::F32)?)?.shape().dims(), [3, 8]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A name that no layer has.
    pub fn get_layer(&self, name: &str) -> Result<Model> {
        let Some(entry) = self.graph.layers.iter().find(|entry| entry.name == name) else {
            let known: Vec<_> = self.graph.layers.iter().map(|entry| entry.name.as_str()).collect();
            let known = known.join(", ");
            return Err(Error::Config(format!("the model has no layer `{name}`; it has {known}")));
        };
        let nested = Nested::of(&entry.layer);
        let graph = match nested {
            Some(nested) => (*nested.graph).clone(),
            None => {
                let inputs: Vec<Symbol> = entry.inputs.iter().map(|spec| Input::of(spec.clone(), None)).collect();
                Graph::new(&inputs, &entry.layer.call_all(&inputs)?)?
            }
        };
        let mut part = Model::from_graph(graph, self.weights[entry.weights.clone()].to_vec())?;
        part.name = name.to_string();
        part.sequential = nested.is_some_and(|nested| nested.sequential);
        part.device = self.device.clone();
        part.precision = self.precision;
        part.seed = self.seed;
        Ok(part)
    }
}
