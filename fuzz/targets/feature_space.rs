//! Any text as what a model reads of a table, and tables read by it.
#![no_main]

use serde_json::Value;
use std::sync::LazyLock;
use uncrumple::Error;
use uncrumple::data::{FeatureSpace, Table};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::Tabular;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Sequential::new([1]).add(Dense::new(1)).build().expect("a model of one layer"));

// A word of a few bytes has a string, a place in a map, and a number in each row.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let model = MODEL.clone();
    uncrumple_fuzz::read(bytes.len(), 512, |path| {
        let wrong = |e: Error| Error::File { path: path.into(), message: e.to_string() };
        let whole = Tabular::of(&model.attach("feature_space.json", bytes)?);
        let value = serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let space = FeatureSpace::from_json(&value["inputs"]).map_err(wrong)?;
        // A few digits say how many numbers a text becomes: as many as the limit is for are tried.
        let tables = if space.width() <= 4096 + bytes.len() { 2 } else { 0 };
        for cells in [["1", "-2.5e3", ""], ["a", "b a. a", ""]].into_iter().take(tables) {
            let table = Table::from_columns(space.features().map(|(name, _)| (name, cells)));
            if let Ok(numbers) = table.and_then(|table| space.transform(&table)) {
                assert_eq!(numbers.shape()[..], [3, space.width()]);
            }
        }
        whole.map_err(wrong)
    });
});
