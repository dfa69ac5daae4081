//! Their files: Keras's are read, our own are what Keras opens (`scripts/goldens/text_input.py --check`), damaged ones are errors.

use super::*;
use std::path::Path;
use uncrumple::data::SplitOn;

#[test]
fn files_of_keras_are_read() -> Result<()> {
    let (folder, mut read) = (tempfile::tempdir().unwrap(), 0);
    for (name, case) in &cases() {
        let Some(file) = case.get("file").and_then(Value::as_str) else { continue };
        let class = case["class_name"].as_str().unwrap();
        let layer = Layer::load(class, &goldens().join(file))?;
        assert_eq!(check(&layer, case)?, None, "{name}");
        let path = folder.path().join(file);
        layer.save(&path)?;
        let again = Layer::load(class, &path)?;
        assert_eq!(check(&again, case)?, None, "{name}");
        // A last term that is empty makes the vocabulary an argument.
        let lines = case.get("vocabulary").is_none_or(|terms| terms.as_array().unwrap().last().unwrap() != "");
        assert!(again == layer || !lines, "{name}");
        read += 1;
    }
    assert!(read >= 12, "{read}");
    Ok(())
}

/// Writes every case as a file, for Keras to open: `scripts/goldens/text_input.py --check FOLDER`.
fn write_all(folder: &Path) -> Result<usize> {
    let mut written = 0;
    for (name, case) in &cases() {
        let class = case["class_name"].as_str().unwrap();
        let mut layer = Layer::from_config(class, case["arguments"].as_object().unwrap())?;
        case.get("adapt").map_or(Ok(()), |data| layer.adapt(data))?;
        let path = folder.join(format!("{name}.keras"));
        layer.save(&path)?;
        let again = Layer::load(class, &path)?;
        assert_eq!(check(&again, case)?, None, "{name}");
        let (output, shape): (Value, Value) = match again.call(&case["inputs"])? {
            Outputs::Strings(strings) => (strings.into(), case["shape"].clone()),
            Outputs::Numbers(tensor) if tensor.dtype() == DType::I64 => {
                (tensor.to_vec::<i64>()?.into(), tensor.shape().to_vec().into())
            }
            Outputs::Numbers(tensor) => (wide(&tensor)?.into(), tensor.shape().to_vec().into()),
        };
        let mut beside = serde_json::json!({"inputs": case["inputs"], "output": output, "shape": shape});
        if let Some(vocabulary) = again.vocabulary() {
            beside["vocabulary"] = vocabulary;
        }
        std::fs::write(path.with_extension("json"), beside.to_string()).unwrap();
        written += 1;
    }
    Ok(written)
}

#[test]
fn every_case_survives_its_file() -> Result<()> {
    assert!(write_all(tempfile::tempdir().unwrap().path())? > 100);
    Ok(())
}

#[test]
#[ignore = "writes files into UNCRUMPLE_WRITE_TEXT for Keras to open"]
fn write_files_for_keras() -> Result<()> {
    let folder = std::env::var_os("UNCRUMPLE_WRITE_TEXT").expect("UNCRUMPLE_WRITE_TEXT names a folder");
    println!("{} files", write_all(Path::new(&folder))?);
    Ok(())
}

/// Where the lines of an entry cannot hold a vocabulary, it is an argument.
#[test]
fn terms_with_line_breaks_survive() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.keras");
    let mut characters = TextVectorization::new().split(SplitOn::Character);
    characters.adapt(&["a\nb\u{2028}c\r\n\x1c"])?;
    let mut empty = StringLookup::new();
    empty.adapt(&["a", "a", ""])?;
    assert_eq!(empty.get_vocabulary().last().unwrap(), "");
    let mut padded = TextVectorization::new().tf_idf().max_tokens(9).pad_to_max_tokens(true);
    padded.adapt(&["a b", "b"])?;
    characters.save(&path)?;
    let again = TextVectorization::load(&path)?;
    assert_eq!(again.get_vocabulary(), characters.get_vocabulary());
    empty.save(&path)?;
    assert_eq!(StringLookup::load(&path)?.get_vocabulary(), empty.get_vocabulary());
    padded.save(&path)?;
    let again = TextVectorization::load(&path)?;
    assert_eq!(again.idf_weights(), padded.idf_weights());
    assert_eq!(wide(&again.call(&["b z"])?)?, wide(&padded.call(&["b z"])?)?);
    Ok(())
}

#[test]
fn what_is_no_file_of_one_is_refused() {
    let refused = |class: &str, file: &str| Layer::load(class, &goldens().join(file)).unwrap_err().to_string();
    let other = refused("StringLookup", "text_default.keras");
    assert!(other.ends_with("has no layer StringLookup, found InputLayer, TextVectorization"), "{other}");
    let model = repository().join("tests/data/keras.keras");
    assert!(Hashing::load(model).unwrap_err().to_string().contains("has no layer Hashing"));
    let name = Hashing::new(3).save("/tmp/none.h5").unwrap_err().to_string();
    assert!(name.contains("ends in .keras"), "{name}");
}

/// Files cut off and overwritten at many places end in a layer or in an error.
#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.keras");
    for (name, case) in &cases() {
        let Some(file) = case.get("file").and_then(Value::as_str) else { continue };
        let class = case["class_name"].as_str().unwrap();
        let sound = std::fs::read(goldens().join(file)).unwrap();
        let mut errors = 0;
        for i in 0..60 {
            let mut bytes = sound.clone();
            let at = i * bytes.len() / 60;
            match i % 3 {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 0xff,
                _ => bytes[at..].iter_mut().take(8).for_each(|b| *b = 0xff),
            }
            std::fs::write(&path, &bytes).unwrap();
            errors += usize::from(Layer::load(class, &path).is_err());
        }
        assert!(errors >= 20, "{name}: {errors}");
    }
}
