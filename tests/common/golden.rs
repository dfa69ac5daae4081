//! The reference values of `tests/goldens`; its README.md has the format.

use serde_json::{Map, Value};
use std::path::PathBuf;
use uncrumple::files::safetensors::{self, Contents};
use uncrumple::{Result, Tensor, with_dtype};

/// What Keras computed in one case.
pub struct Golden {
    pub name: String,
    /// What the case is.
    pub about: Map<String, Value>,
    contents: Contents,
}

impl Golden {
    /// All cases of a kind, such as `layers`, in the order of their names.
    ///
    /// # Panics
    /// Where there are none, or one cannot be read.
    pub fn all(kind: &str) -> Vec<Golden> {
        let folder = uncrumple::files::repository().join("tests/goldens").join(kind);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut paths: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
        paths.retain(|p| p.extension().is_some_and(|e| e == "safetensors"));
        paths.sort();
        assert!(!paths.is_empty(), "{} is empty", folder.display());
        let read = |path: PathBuf| {
            let contents = safetensors::read(&path).unwrap();
            let about = serde_json::from_str(&contents.metadata["golden"]).unwrap();
            Golden { name: path.file_stem().unwrap().to_string_lossy().into_owned(), about, contents }
        };
        paths.into_iter().map(read).collect()
    }

    /// The array `name` on the CPU, if there is one.
    pub fn find(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(array) = self.contents.arrays.get(name) else { return Ok(None) };
        with_dtype!(array.dtype, T => Tensor::from_slice(&array.to_vec::<T>()?, &array.shape).map(Some))
    }

    /// The array `name`, which must be there, or which [`draw`] makes.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        if let Some(drawn) = self.about.get("drawn").and_then(|drawn| drawn.get(name)) {
            let dims = drawn["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
            let (dims, scale) = (dims.collect::<Vec<_>>(), drawn["scale"].as_f64().unwrap() as f32);
            let seed = drawn["seed"].as_u64().unwrap() as u32;
            let values: Vec<f32> = (0..dims.iter().product::<usize>() as u32).map(|i| draw(seed, i, scale)).collect();
            return Tensor::from_slice(&values, &dims);
        }
        Ok(self.find(name)?.unwrap_or_else(|| panic!("{} has no array {name}", self.name)))
    }

    /// Of a result of which the array `name` has every so many-th value: those values; else the result.
    pub fn stored(&self, name: &str, result: &Tensor) -> Result<Tensor> {
        let stride = self.about.get("strides").and_then(|strides| strides.get(name)).and_then(Value::as_u64);
        let Some(stride) = stride else { return Ok(result.clone()) };
        let values: Vec<f32> = result.to_vec::<f32>()?.into_iter().step_by(stride as usize).collect();
        Tensor::from_slice(&values, values.len())
    }

    pub fn class(&self) -> &str {
        self.about["class_name"].as_str().unwrap()
    }

    pub fn config(&self) -> &Map<String, Value> {
        self.about["config"].as_object().unwrap()
    }
}

/// The integer hash of `tests/goldens/README.md`, from which both sides make the same numbers.
pub fn bits(seed: u32, i: u32) -> u32 {
    let h = i.wrapping_mul(0x9E37_79B1).wrapping_add(seed.wrapping_mul(0x85EB_CA77));
    let h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
    let h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

/// A number in [−scale, scale) of it.
pub fn draw(seed: u32, i: u32, scale: f32) -> f32 {
    ((bits(seed, i) >> 8) as f32 / 8_388_608.0 - 1.0) * scale
}

/// What differs between a config of ours and Keras's: a key that we write has Keras's value, and one that we do not write
/// is null there, which is its default. Whole numbers equal floats.
pub fn config_difference(ours: &Value, keras: &Value) -> Option<String> {
    match (ours, keras) {
        (Value::Object(ours), Value::Object(keras)) => {
            let unknown = ours.keys().find(|k| !keras.contains_key(*k)).map(|k| format!("Keras has no `{k}`"));
            let missing = keras.iter().find(|(k, v)| !ours.contains_key(*k) && !v.is_null());
            let differs = |(k, v): (&String, &Value)| {
                config_difference(v, keras.get(k)?).map(|difference| format!("{k}: {difference}"))
            };
            unknown.or(missing.map(|(k, v)| format!("`{k}`: {v} is missing"))).or_else(|| ours.iter().find_map(differs))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).find_map(|(a, b)| config_difference(a, b))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        _ if ours == keras => None,
        _ => Some(format!("{ours} is not {keras}")),
    }
}
