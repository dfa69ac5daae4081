//! What prepares texts, as `.keras` files: models of one layer.

use crate::config::{Config, object};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::keras::object::{Object, class_of, clip, input_layer, policy, sequential};
use crate::files::keras::{self, Contents};
use crate::files::{Array, h5};
use serde_json::{Value, json};
use std::path::Path;

/// What a file has of a layer.
#[derive(Debug)]
pub(super) struct State {
    /// Its arguments.
    pub config: Config,
    /// The lines of its vocabulary, where the arguments do not have it.
    pub vocabulary: Option<String>,
    /// What counts are multiplied by.
    pub weights: Option<Vec<f32>>,
    /// Keras's name for the type of its outputs.
    pub dtype: &'static str,
    /// Whether it takes numbers, not strings.
    pub numbers: bool,
    /// Whether it takes one string a sample.
    pub single: bool,
    /// The layer inside that has the vocabulary too.
    pub inner: Option<(&'static str, &'static str)>,
}

impl State {
    pub fn new(config: Config) -> State {
        let (vocabulary, weights, inner) = (None, None, None);
        State { config, vocabulary, weights, dtype: "float32", numbers: false, single: false, inner }
    }
}

/// What a file of one layer can hold.
pub(super) trait Saved: Sized {
    /// Keras's class.
    const CLASS: &'static str;
    /// The class in snake case.
    const NAME: &'static str;

    /// What a file has of it.
    fn saved(&self) -> Result<State>;
    /// The one that a file has this of.
    fn restored(state: State) -> Result<Self>;
}

/// The vocabulary's entry for the layer at `place`.
fn vocabulary_entry(place: &str) -> String {
    format!("assets/{place}/vocabulary.txt")
}

fn weights_entry(place: &str) -> String {
    format!("{place}/vars/idf_weights")
}

/// Writes a `Sequential` of the one layer.
pub(super) fn save<T: Saved>(layer: &T, path: &Path) -> Result<()> {
    let state = layer.saved()?;
    let mut config = object(json!({"name": T::NAME, "trainable": true, "dtype": policy(state.dtype)}));
    config.extend(state.config);
    let described = json!({
        "module": "keras.layers", "class_name": T::CLASS, "config": config, "registered_name": null,
    });
    let shape = [None, state.single.then_some(1)];
    let input = input_layer("input_layer", &shape, if state.numbers { "int64" } else { "string" });
    let layers = vec![Value::Object(input), described];
    let mut model = sequential("sequential", true, policy("float32"), &shape, layers);
    model.insert("compile_config".into(), json!({}));

    let place = format!("layers/{}", T::NAME);
    let mut places = vec![(place.clone(), T::NAME)];
    places.extend(state.inner.map(|(attribute, name)| (format!("{place}/{attribute}"), name)));
    let mut tree = h5::Tree::default();
    tree.put("", "sequential", []);
    let mut assets = Vec::new();
    for (place, name) in &places {
        tree.put(place, name, []);
        if let Some(weights) = &state.weights {
            tree.arrays.insert(weights_entry(place), Array::from_slice(&[weights.len()], weights)?);
        }
        assets.extend(state.vocabulary.as_ref().map(|lines| (vocabulary_entry(place), lines.as_bytes())));
    }
    let assets: Vec<_> = assets.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    keras::write(path, model, tree, &assets)
}

/// Reads the one layer of its class that a file's model has.
pub(super) fn load<T: Saved>(path: &Path) -> Result<T> {
    let mut contents = Contents::read(path)?;
    let config = the_one(&contents.config, T::CLASS).cloned().map_err(|e| contents.in_file(e))?;
    let place = format!("layers/{}", T::NAME);
    let weights = contents.weights()?.arrays.remove(&weights_entry(&place));
    let weights = weights.map(|array| {
        let weights = if array.dtype == DType::F32 { array.to_vec::<f32>() } else { Ok(vec![f32::NAN]) };
        weights
            .ok()
            .filter(|w| w.iter().all(|x| x.is_finite()))
            .ok_or_else(|| Error::file(path, format!("`{}` are not finite numbers of float32", weights_entry(&place))))
    });
    let weights = weights.transpose()?;
    let in_file = |e: Error| Error::file(path, e.in_layer(T::NAME).to_string());
    let lines = contents.rest().remove(&vocabulary_entry(&place)).map(String::from_utf8);
    let vocabulary = lines.transpose().map_err(|_| in_file(Error::Config("the vocabulary is not UTF-8".into())))?;
    T::restored(State { vocabulary, weights, ..State::new(config) }).map_err(in_file)
}

/// The config of the one layer of this class that a model has.
fn the_one<'a>(model: &'a Value, class: &str) -> Result<&'a Config> {
    let config = Object::read(model, "a model")?.config;
    let layers = config.get("layers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut found = layers.iter().filter(|layer| class_of(layer) == Some(class));
    match (found.next(), found.next()) {
        (Some(layer), None) => Ok(Object::read(layer, "a layer")?.config),
        (Some(_), Some(_)) => Err(Error::Config(format!("has several layers {class}: expected one"))),
        (None, _) => {
            let classes: Vec<_> = layers.iter().take(8).filter_map(class_of).map(clip).collect();
            Err(Error::Config(format!("has no layer {class}, found {}", classes.join(", "))))
        }
    }
}
