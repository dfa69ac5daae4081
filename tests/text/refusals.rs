//! What is refused, and in which words.

use super::*;
use serde_json::json;
use uncrumple::data::{Ngrams, SplitOn};

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, words: &[&str]) {
    let error = result.unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn vocabularies_that_are_none() -> Result<()> {
    let lookup = StringLookup::new;
    let empty: [&str; 0] = [];
    refused(lookup().vocabulary(empty), &["empty vocabulary"]);
    refused(lookup().vocabulary(["a", "b", "a"]), &["repeated", "[\"a\"]"]);
    refused(lookup().vocabulary((0..100).map(|_| "x")), &["repeated", "(99 in all)"]);
    refused(lookup().mask_token("").vocabulary(["a", ""]), &["mask token", "place 1", "[\"\", \"[UNK]\"]"]);
    refused(lookup().invert(true).vocabulary(["a", "[UNK]"]), &["OOV token", "place 1"]);
    refused(lookup().max_tokens(2).vocabulary(["a", "b"]), &["3 tokens", "max_tokens", "2"]);
    refused(lookup().tf_idf().vocabulary(["a"]), &["idf_weights", "must be set"]);
    refused(lookup().vocabulary_with_idf(["a"], [1.0]), &["should only be set"]);
    refused(lookup().tf_idf().vocabulary_with_idf(["a"], [1.0, 2.0]), &["expected 1 weights, got 2"]);
    refused(lookup().call(&["a"]), &["no vocabulary", "adapt"]);
    refused(lookup().vocabulary(["a"])?.adapt(&["b"]), &["cannot adapt"]);
    refused(lookup().adapt(&empty), &["no term"]);
    refused(TextVectorization::new().adapt(&["", " ", "!?"]), &["no term"]);
    refused(TextVectorization::new().max_tokens(2).adapt(&["a"]), &["max_tokens", "more than 2", "got 2"]);
    refused(TextVectorization::new().vocabulary(["a"])?.tf_idf().call(&["a"]), &["idf_weights", "do not fit"]);

    let held = lookup().num_oov_indices(0).vocabulary(["a\0", "a", "\0"])?;
    assert_eq!(held.call(&["\0", "a", "a\0"])?.to_vec::<i32>()?, [2, 1, 0]);
    refused(held.call(&["z"]), &["num_oov_indices", "`z`"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.txt");
    std::fs::write(&path, "[UNK]\nant\r\nbee\n").unwrap();
    assert_eq!(lookup().vocabulary_file(&path)?.get_vocabulary(), ["[UNK]", "ant", "bee"]);
    refused(lookup().tf_idf().vocabulary_file(&path), &["tf_idf", "weights"]);
    refused(IntegerLookup::new().vocabulary_file(&path), &["words.txt", "line 1", "no whole number"]);
    refused(lookup().vocabulary_file(folder.path().join("none")), &["none"]);
    std::fs::write(&path, b"a\n\xff\n").unwrap();
    refused(lookup().vocabulary_file(&path), &["UTF-8"]);
    std::fs::write(&path, "a\na\n").unwrap();
    refused(lookup().vocabulary_file(&path), &["words.txt", "repeated"]);
    Ok(())
}

#[test]
fn arguments_out_of_range() -> Result<()> {
    let text = TextVectorization::new;
    refused(StringLookup::new().max_tokens(1).adapt(&["a"]), &["max_tokens", "got 1"]);
    refused(StringLookup::new().pad_to_max_tokens(true).adapt(&["a"]), &["pad_to_max_tokens", "max_tokens"]);
    refused(StringLookup::new().num_oov_indices(usize::MAX).adapt(&["a"]), &["num_oov_indices"]);
    refused(StringLookup::new().invert(true).count().adapt(&["a"]), &["output_mode", "invert"]);
    refused(IntegerLookup::new().salt(3).vocabulary([1]), &["salt", "farmhash"]);
    refused(StringLookup::new().invert(true).vocabulary(["a"])?.call(&["a"]), &["decode"]);
    for ngrams in [Ngrams::UpTo(0), Ngrams::UpTo(usize::MAX), Ngrams::Each(vec![]), Ngrams::Each(vec![1, 0])] {
        refused(text().ngrams(ngrams).adapt(&["a"]), &["ngrams"]);
    }
    refused(text().output_sequence_length(0).adapt(&["a"]), &["output_sequence_length", "got 0"]);
    refused(text().output_sequence_length(usize::MAX).adapt(&["a"]), &["output_sequence_length"]);
    refused(text().output_sequence_length(3).count().adapt(&["a"]), &["output_sequence_length", "count"]);
    let square = Strings::new(["a", "b", "c", "d"], [2, 2])?;
    refused(text().vocabulary(["a"])?.call(&square), &["(batch, 1)", "(2, 2)"]);
    refused(text().split(SplitOn::None).ngrams(2).vocabulary(["a"])?.call(&["a"]), &["(batch, length)", "(1,)"]);
    refused(text().ngrams(2).vocabulary(["a"])?.decode(&Tensor::from_slice(&[1i32], 1)?), &["ngrams"]);
    refused(text().count().vocabulary(["a"])?.decode(&Tensor::from_slice(&[1i32], 1)?), &["count"]);
    refused(text().vocabulary(["a"])?.decode(&Tensor::from_slice(&[1f32], 1)?), &["float32"]);
    refused(StringLookup::new().count().vocabulary(["a"])?.call(&Strings::new(["a"], [1, 1, 1])?), &["at most 2 axes"]);
    refused(Strings::new(["a"], [2, 2]), &["1 strings", "(2, 2)"]);

    refused(Hashing::new(0).call(&["a"]), &["num_bins", "got 0"]);
    refused(Hashing::new(usize::MAX).call(&["a"]), &["num_bins"]);
    let numbers = Tensor::from_slice(&[1i64, 2], 2)?;
    refused(Hashing::new(3).mask_value("").call(&numbers), &["mask_value", "numbers"]);
    refused(Hashing::new(3).mask_value(0).call(&["a"]), &["mask_value", "strings"]);
    refused(Hashing::new(3).call(&numbers.cast(DType::F32)?), &["int32", "float32"]);
    Ok(())
}

#[test]
fn configs_of_what_keras_cannot_mean() {
    let huge = u64::MAX;
    for (class, config, words) in [
        ("TextVectorization", json!({"standardize": "shout"}), ["standardize", "shout"]),
        ("TextVectorization", json!({"split": {"class_name": "function", "config": "mine"}}), ["split", "mine"]),
        ("TextVectorization", json!({"ragged": true}), ["ragged", "true"]),
        ("TextVectorization", json!({"sparse": true}), ["sparse", "true"]),
        ("TextVectorization", json!({"encoding": "latin-1"}), ["encoding", "latin-1"]),
        ("TextVectorization", json!({"ngrams": -1}), ["ngrams", "-1"]),
        ("TextVectorization", json!({"ngrams": [1, "a"]}), ["ngrams", "a"]),
        ("TextVectorization", json!({"ngrams": huge}), ["ngrams", "256"]),
        ("TextVectorization", json!({"output_mode": "one_hot"}), ["output_mode", "one_hot"]),
        ("TextVectorization", json!({"output_sequence_length": huge}), ["output_sequence_length", "16777216"]),
        ("TextVectorization", json!({"invert": true}), ["invert", "true"]),
        ("TextVectorization", json!({"max_tokens": huge}), ["max_tokens", "18446744073709551615"]),
        ("TextVectorization", json!({"vocabulary": "words.txt"}), ["vocabulary", "words.txt"]),
        ("TextVectorization", json!({"vocabulary": []}), ["empty", "vocabulary"]),
        ("TextVectorization", json!({"vocabulary": ["a", 3]}), ["vocabulary", "3"]),
        ("StringLookup", json!({"num_oov_indices": huge}), ["num_oov_indices", "1048576"]),
        ("StringLookup", json!({"num_oov_indices": -1}), ["num_oov_indices", "-1"]),
        ("StringLookup", json!({"oov_token": null}), ["oov_token", "null"]),
        ("StringLookup", json!({"mask_token": 3}), ["mask_token", "3"]),
        ("StringLookup", json!({"salt": [1, 2, 3]}), ["salt", "[1,2,3]"]),
        ("StringLookup", json!({"oov_method": "luck"}), ["oov_method", "luck"]),
        ("StringLookup", json!({"output_mode": "binary"}), ["output_mode", "binary"]),
        ("IntegerLookup", json!({"vocabulary_dtype": "int32"}), ["vocabulary_dtype", "int32"]),
        ("IntegerLookup", json!({"vocabulary": [1.5]}), ["vocabulary", "1.5"]),
        ("Hashing", json!({}), ["num_bins", "missing"]),
        ("Hashing", json!({"num_bins": 0}), ["num_bins", "0"]),
        ("Hashing", json!({"num_bins": 3, "output_mode": "tf_idf"}), ["output_mode", "tf_idf"]),
        ("Hashing", json!({"num_bins": 3, "mask_value": []}), ["mask_value", "[]"]),
    ] {
        refused(Layer::from_config(class, config.as_object().unwrap()), &words);
    }
}

/// Places that are there for their number alone take no memory.
#[test]
fn a_file_asks_for_no_memory_that_it_does_not_bring() -> Result<()> {
    let config = json!({"max_tokens": i32::MAX, "pad_to_max_tokens": true, "output_mode": "tf_idf", "vocabulary": ["a"],
        "idf_weights": [2.0]});
    let lookup = StringLookup::from_config(config.as_object().unwrap())?;
    assert_eq!(lookup.idf_weights(), Some(&[2.0f32, 2.0][..]));
    Ok(())
}
