//! Any text as what layers of texts are told, and as what a network that writes keeps of its tokens.
#![no_main]

use serde_json::Value;
use std::sync::LazyLock;
use uncrumple::Error;
use uncrumple::prelude::*;
use uncrumple::programs::language::Characters;
use uncrumple::programs::sequences::Sequences;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Sequential::new([1]).add(Dense::new(1)).build().expect("a model of one layer"));
const TEXTS: [&str; 3] = ["To be, or not to be", "", "é \u{3000}Σ"];

/// A few digits say how large an output is: as many numbers as the limit is for are tried.
fn is_small(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() <= 64.0),
        Value::Array(values) => values.iter().all(is_small),
        Value::Object(values) => values.values().all(is_small),
        _ => true,
    }
}

fn layers(value: &Value) -> Result<()> {
    let Some(config) = value.as_object() else { return Ok(()) };
    let small = is_small(value);
    let numbers = Tensor::from_slice(&[3i64, -1, 0], [3, 1])?;
    if let Ok(mut layer) = TextVectorization::from_config(config)
        && small
    {
        let _ = (layer.call(&TEXTS), layer.adapt(&TEXTS), layer.call(&TEXTS));
    }
    if let Ok(mut layer) = StringLookup::from_config(config)
        && small
    {
        let _ = (layer.call(&TEXTS), layer.adapt(&TEXTS), layer.call(&TEXTS));
    }
    if let Ok(mut layer) = IntegerLookup::from_config(config)
        && small
    {
        let _ = (layer.call(&numbers), layer.adapt(&numbers), layer.call(&numbers));
    }
    match Hashing::from_config(config) {
        Ok(layer) if small => drop((layer.call(&TEXTS), layer.call(&numbers))),
        _ => {}
    }
    Ok(())
}

// A few bytes are a term, which has a string, a place in a map and a number in each row of an output.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let model = MODEL.clone();
    uncrumple_fuzz::read(bytes.len(), 512, |path| {
        let wrong = |e: Error| Error::File { path: path.into(), message: e.to_string() };
        let model = model.attach("vocabulary.json", bytes)?.attach("sequences.json", bytes)?;
        layers(&serde_json::from_slice(bytes).unwrap_or_default()).map_err(wrong)?;
        // What is the one is not the other: both read it, whatever becomes of the first.
        let (characters, sequences) = (Characters::of(&model), Sequences::of(&model));
        Ok((characters.map_err(wrong)?, sequences.map_err(wrong)?))
    });
});
