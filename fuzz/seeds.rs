//! Writes what the targets start from, out of the files that the tests have: `SEEDS=FOLDER seeds` makes
//! `FOLDER/TARGET/…`, and `FOLDER/config.dict`, the words of the configs.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use uncrumple::data::{Feature, FeatureSpace, Table, Tokens};
use uncrumple::files::{Array, npy, safetensors};
use uncrumple::prelude::*;
use uncrumple::programs::language::Characters;
use uncrumple::programs::sequences::{Script, Sequences, Side, Sizes};
use uncrumple::programs::tabular::{Problem, Tabular, Target};

// What cargo-fuzz builds wants libFuzzer's `main`: this ends before that does anything.
libfuzzer_sys::fuzz_target!(init: start(), |_bytes: &[u8]| {});

fn start() {
    let folder = PathBuf::from(std::env::var_os("SEEDS").expect("SEEDS names a folder"));
    seeds(&folder).expect("the folder can be written to");
    std::process::exit(0);
}

fn seeds(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let put = |target: &str, name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let target = folder.join(target);
        fs::create_dir_all(&target)?;
        fs::write(target.join(name), bytes)
    };
    let mut words = BTreeSet::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let name_of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for path in files(&tests.join("goldens/keras_files"))?.into_iter().chain(files(&tests.join("data"))?) {
        let (name, bytes) = (name_of(&path), fs::read(&path)?);
        if bytes.len() > 64 << 10 {
            continue;
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("keras") => {
                put("keras", &name, &bytes)?;
                let config = uncrumple_fuzz::entry(&bytes, "config.json");
                let text = String::from_utf8_lossy(&config);
                words.extend(
                    text.split('"').skip(1).step_by(2).filter(|w| (1..=40).contains(&w.len())).map(String::from),
                );
                put("config", &name, &config)?;
                put("hdf5", &name, &uncrumple_fuzz::entry(&bytes, "model.weights.h5"))?;
            }
            Some("h5") => put("hdf5", &name, &bytes)?,
            Some("png" | "jpg") => put("image", &name, &bytes)?,
            _ => {}
        }
    }
    for path in files(&tests.join("goldens/losses"))?.iter().take(12) {
        put("safetensors", &name_of(path), &fs::read(path)?)?;
    }
    let words: String = words.iter().map(|w| format!("\"\\\"{w}\\\"\"\n")).collect();
    fs::write(folder.join("config.dict"), words)?;
    let mut arrays = BTreeMap::new();
    for dtype in DType::ALL.into_iter().filter(|&d| d != DType::BF16) {
        let array = Array::new(dtype, vec![2, 3], vec![1; 6 * dtype.size()])?;
        let path = folder.join("npy").join(format!("{dtype}.npy"));
        put("npy", &name_of(&path), b"")?;
        npy::write(path, &array)?;
        arrays.insert(dtype.to_string(), array);
    }
    let tables =
        ["\u{feff}age,city\r\n3.5,\"Rome, \"\"Italy\"\"\"\r\nNA,Bonn\r\n", "a;b\n1;x\n?;\n", "a\tb|c\n-1e3\tinf\n"];
    for (i, table) in tables.iter().enumerate() {
        put("csv", &i.to_string(), table.as_bytes())?;
    }
    let table = Table::parse(b"x,c,t,y\n1,a,a b,0\n,b,b,1\n3,a,c,1\n", Path::new("t.csv"))?;
    for (i, told) in [&["t"][..], &["t", "c"], &["c", "t", "x"]].into_iter().enumerate() {
        let text = Feature::Text { tokens: Tokens::Words, ngrams: 2, max_tokens: 9 };
        let space = told.iter().fold(FeatureSpace::new().exclude("y"), |space, name| space.feature(name, text));
        let target = Target::new(&table, "y", [None, Some(Problem::Regression), Some(Problem::Multilabel)][i])?;
        let tabular = Tabular { space: space.adapt(&table)?, target };
        put("feature_space", &i.to_string(), tabular.to_json().to_string().as_bytes())?;
    }
    let words = Feature::TextSequence { tokens: Tokens::Words, max_tokens: 9, output_sequence_length: 4 };
    let space = FeatureSpace::new().exclude("y").feature("t", words).adapt(&table)?;
    let tabular = Tabular { space, target: Target::new(&table, "y", None)? };
    put("feature_space", "sequence", tabular.to_json().to_string().as_bytes())?;
    let cases = fs::read(tests.join("goldens/text_input/text.json"))?;
    let cases: serde_json::Value = serde_json::from_slice(&cases)?;
    for (name, case) in cases["cases"].as_object().ok_or("cases by their names")?.iter().step_by(5) {
        put("text", name, case["arguments"].to_string().as_bytes())?;
    }
    let model = Sequential::new([1]).add(Dense::new(1)).build()?;
    let characters = Characters::of_text("to be").attach(model)?;
    put("text", "characters", characters.attachment("vocabulary.json").ok_or("characters")?)?;
    let [letters, symbols] = [Script::Letters, Script::Symbols].map(|script| Side::new(script, 4));
    let sequences = Sequences::adapt(&[("CAT", "K AE T")], letters, symbols)?;
    let sequences = sequences.model(Sizes { width: 32, depth: 1, dropout: 0.0 })?;
    put("text", "sequences", sequences.attachment("sequences.json").ok_or("sequences")?)?;
    for path in files(&tests.join("data/tokenizers"))? {
        put("tokenizer", &name_of(&path), &fs::read(&path)?)?;
    }
    let run = uncrumple_fuzz::Run::new();
    for step in [1, 3, 5] {
        put("backup", &step.to_string(), b"")?;
        let path = folder.join("backup").join(step.to_string());
        run.trainer().fit(&run.data, run.fit().backup(path).callback(Leave(step)))?;
    }
    put("npz", "all.npz", b"")?;
    npy::write_npz(folder.join("npz/all.npz"), &arrays)?;
    safetensors::write(folder.join("safetensors/all"), &safetensors::Contents { arrays, ..Default::default() })?;
    for kind in [8, 9, 11, 12, 13, 14] {
        let idx = [&[0, 0, kind, 2, 0, 0, 0, 2, 0, 0, 0, 1][..], &[7; 16]].concat();
        let idx = &idx[..12 + 2 * [1, 1, 0, 2, 4, 4, 8][usize::from(kind - 8)]];
        put("idx", &format!("{kind}"), idx)?;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(idx)?;
        put("idx", &format!("{kind}.gz"), &gzip.finish()?)?;
    }
    Ok(())
}

/// Ends a run after so many steps.
struct Leave(u64);

impl Callback for Leave {
    fn on_step_end(&mut self, trainer: &mut Trainer, _: &Epoch, _: usize) -> Result<Control> {
        Ok(if trainer.iterations() == self.0 { Control::Stop } else { Control::Continue })
    }
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}
