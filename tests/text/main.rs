//! Texts and categories against Keras: what they become, what is learnt of them, their configs and files.

#[path = "../common/mod.rs"]
mod common;
mod files;
mod refusals;
#[cfg(feature = "tokenizers")]
mod tokenizers;

use common::golden::config_difference;
use common::{difference, wide};
use serde_json::{Map, Value};
use std::path::PathBuf;
use uncrumple::data::{Hashing, IntegerLookup, StringLookup, Strings, TextVectorization};
use uncrumple::files::repository;
use uncrumple::{DType, Result, Tensor};

fn goldens() -> PathBuf {
    repository().join("tests/goldens/text_input")
}

/// The cases that Keras computed, by their names.
fn cases() -> Map<String, Value> {
    let text = std::fs::read_to_string(goldens().join("text.json")).unwrap();
    let mut golden: Value = serde_json::from_str(&text).unwrap();
    let Value::Object(cases) = golden["cases"].take() else { panic!("there are no cases") };
    assert!(cases.len() > 100);
    cases
}

/// One of the four classes.
#[derive(Clone, Debug, PartialEq)]
enum Layer {
    Text(TextVectorization),
    String(StringLookup),
    Integer(IntegerLookup),
    Hashing(Hashing),
}

impl Layer {
    fn from_config(class: &str, config: &Map<String, Value>) -> Result<Layer> {
        Ok(match class {
            "TextVectorization" => Layer::Text(TextVectorization::from_config(config)?),
            "StringLookup" => Layer::String(StringLookup::from_config(config)?),
            "IntegerLookup" => Layer::Integer(IntegerLookup::from_config(config)?),
            "Hashing" => Layer::Hashing(Hashing::from_config(config)?),
            other => panic!("{other}"),
        })
    }

    fn load(class: &str, path: &std::path::Path) -> Result<Layer> {
        Ok(match class {
            "TextVectorization" => Layer::Text(TextVectorization::load(path)?),
            "StringLookup" => Layer::String(StringLookup::load(path)?),
            "IntegerLookup" => Layer::Integer(IntegerLookup::load(path)?),
            "Hashing" => Layer::Hashing(Hashing::load(path)?),
            other => panic!("{other}"),
        })
    }

    fn save(&self, path: &std::path::Path) -> Result<()> {
        match self {
            Layer::Text(layer) => layer.save(path),
            Layer::String(layer) => layer.save(path),
            Layer::Integer(layer) => layer.save(path),
            Layer::Hashing(layer) => layer.save(path),
        }
    }

    fn config(&self) -> Map<String, Value> {
        match self {
            Layer::Text(layer) => layer.config(),
            Layer::String(layer) => layer.config(),
            Layer::Integer(layer) => layer.config(),
            Layer::Hashing(layer) => layer.config(),
        }
    }

    fn adapt(&mut self, data: &Value) -> Result<()> {
        match self {
            Layer::Text(layer) => layer.adapt(strings(data)),
            Layer::String(layer) => layer.adapt(strings(data)),
            Layer::Integer(layer) => layer.adapt(&numbers(data)),
            Layer::Hashing(_) => panic!("Hashing learns nothing"),
        }
    }

    /// The outputs, numbers or strings, and their shape.
    fn call(&self, inputs: &Value) -> Result<Outputs> {
        let text = |strings: Strings<'_>| Outputs::Strings(strings.iter().map(String::from).collect());
        Ok(match self {
            Layer::Text(layer) => Outputs::Numbers(layer.call(strings(inputs))?),
            Layer::String(layer) if layer.config()["invert"] == true => text(layer.decode(&numbers(inputs))?),
            Layer::String(layer) => Outputs::Numbers(layer.call(strings(inputs))?),
            Layer::Integer(layer) if layer.config()["invert"] == true => {
                Outputs::Numbers(layer.decode(&numbers(inputs))?)
            }
            Layer::Integer(layer) => Outputs::Numbers(layer.call(&numbers(inputs))?),
            Layer::Hashing(layer) => Outputs::Numbers(match flat(inputs).0[0].is_string() {
                true => layer.call(strings(inputs))?,
                false => layer.call(&numbers(inputs))?,
            }),
        })
    }

    fn vocabulary(&self) -> Option<Value> {
        match self {
            Layer::Text(layer) => Some(layer.get_vocabulary().into()),
            Layer::String(layer) => Some(layer.get_vocabulary().into()),
            Layer::Integer(layer) => Some(layer.get_vocabulary().into()),
            Layer::Hashing(_) => None,
        }
    }
}

enum Outputs {
    Numbers(Tensor),
    Strings(Vec<String>),
}

/// The leaves of nested lists, and the extents.
fn flat(value: &Value) -> (Vec<&Value>, Vec<usize>) {
    let (mut leaves, mut shape) = (vec![value], Vec::new());
    while let Some(Value::Array(first)) = leaves.first() {
        shape.push(first.len());
        leaves = leaves.iter().flat_map(|list| list.as_array().unwrap()).collect();
    }
    (leaves, shape)
}

fn strings(value: &Value) -> Strings<'_> {
    let (leaves, shape) = flat(value);
    let shape = uncrumple::shape::Shape::new(&shape).unwrap();
    Strings::new(leaves.into_iter().map(|v| v.as_str().unwrap()), shape).unwrap()
}

fn numbers(value: &Value) -> Tensor {
    let (leaves, shape) = flat(value);
    let values: Vec<i64> = leaves.into_iter().map(|v| v.as_i64().unwrap()).collect();
    Tensor::from_slice(&values, uncrumple::shape::Shape::new(&shape).unwrap()).unwrap()
}

/// What is wrong with what a layer makes of a case's inputs.
fn check(layer: &Layer, case: &Value) -> Result<Option<String>> {
    let (want, _) = flat(&case["output"]);
    let shape: Vec<usize> = case["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let wrong = match layer.call(&case["inputs"])? {
        Outputs::Strings(got) => {
            (want != got.iter().map(String::as_str).collect::<Vec<_>>()).then(|| format!("{got:?}"))
        }
        Outputs::Numbers(got) if got.dtype() == DType::I64 => {
            let want: Vec<i64> = want.iter().map(|v| v.as_i64().unwrap()).collect();
            (got.shape()[..] != shape || got.to_vec::<i64>()? != want).then(|| format!("{got}"))
        }
        Outputs::Numbers(got) => {
            let want: Vec<f64> = want.iter().map(|v| v.as_f64().unwrap()).collect();
            let exact = case["config"]["output_mode"] != "tf_idf";
            let want = Tensor::from_slice(&want, uncrumple::shape::Shape::new(&shape)?)?;
            // Keras takes the logarithms in float64 and means in float32.
            let tolerance = if exact { 0.0 } else { 1e-6 };
            match got.dtype() {
                DType::I32 | DType::F32 => difference(&got, &want, tolerance)?,
                other => Some(format!("the outputs are {other}")),
            }
        }
    };
    let vocabulary = layer.vocabulary();
    let learnt = vocabulary.filter(|got| *got != case["vocabulary"]).map(|got| format!("the vocabulary is {got}"));
    Ok(wrong.or(learnt))
}

/// Keras's config without what every layer has.
fn own_config(case: &Value) -> Value {
    let mut config = case["config"].clone();
    for name in ["name", "trainable", "dtype"] {
        config.as_object_mut().unwrap().remove(name);
    }
    // Keras writes a tuple as an object.
    if let Some(items) = config["ngrams"].get("items").cloned() {
        config["ngrams"] = items;
    }
    config
}

#[test]
fn all_is_as_in_keras() -> Result<()> {
    let mut wrong = Vec::new();
    for (name, case) in &cases() {
        let class = case["class_name"].as_str().unwrap();
        let made = || -> Result<Layer> {
            let mut layer = Layer::from_config(class, case["arguments"].as_object().unwrap())?;
            case.get("adapt").map_or(Ok(()), |data| layer.adapt(data))?;
            Ok(layer)
        };
        match made().and_then(|layer| Ok((check(&layer, case)?, layer))) {
            Ok((found, layer)) => {
                wrong.extend(found.map(|text| format!("{name}: {text}")));
                let found = config_difference(&Value::Object(layer.config()), &own_config(case));
                wrong.extend(found.map(|text| format!("{name}: config: {text}")));
                // Keras's own config, with what every layer has.
                let again = Layer::from_config(class, case["config"].as_object().unwrap())?;
                let found = config_difference(&own_config(case), &Value::Object(again.config()));
                let size = |text: &String| !text.starts_with("vocabulary_size");
                wrong.extend(found.filter(size).map(|text| format!("{name}: config read again: {text}")));
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn a_text_of_any_length_and_script() -> Result<()> {
    let long = "Straße, ПРИВЕТ! ".repeat(100_000);
    let mut vectorize = TextVectorization::new();
    vectorize.adapt(&[&*long, "\0 a\0b", ""])?;
    assert_eq!(vectorize.get_vocabulary(), ["", "[UNK]", "ПРИВЕТ", "straße", "a\0b", "\0"]);
    let numbers = vectorize.call(&[&*long, "", "\u{a0}straße"])?;
    assert_eq!(numbers.shape()[..], [3, 200_000]);
    let values = numbers.to_vec::<i32>()?;
    assert_eq!((&values[..4], &values[200_000..200_002], values[400_000]), (&[3, 2, 3, 2][..], &[0, 0][..], 1));
    assert_eq!(vectorize.decode(&vectorize.call(&["PRIVET straße", ""])?)?, ["[UNK] straße", ""]);
    let none: [&str; 0] = [];
    assert_eq!(vectorize.call(&none)?.shape()[..], [0, 0]);
    Ok(())
}

#[test]
fn the_same_bits_with_any_number_of_threads() -> Result<()> {
    let texts: Vec<String> = (0..300).map(|i| format!("a{} b{} c{}", i % 7, i % 11, i % 13)).collect();
    let mut layer = TextVectorization::new().tf_idf();
    layer.adapt(&texts)?;
    let all = wide(&layer.call(&texts)?)?;
    let one_by_one = texts.iter().map(|text| wide(&layer.call(&[text])?)).collect::<Result<Vec<_>>>()?.concat();
    assert_eq!(all, one_by_one);
    Ok(())
}
