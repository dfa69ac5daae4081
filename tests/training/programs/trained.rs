//! What a golden trains: a network, its weights, its batches.

use super::super::common::golden::{Golden, bits, draw};
use super::super::paths;
use serde_json::Value;
use uncrumple::diffusion::Diffusion;
use uncrumple::prelude::*;
use uncrumple::programs::diffusion::UNet;
use uncrumple::programs::sequences::{self, Script, Sequences, Side};
use uncrumple::programs::transformers::{self, Sizes};
use uncrumple::programs::vae::Vae;
use uncrumple::{layers, losses, optimizers, programs};

pub fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// A list of whole numbers, or one of them.
fn sizes(value: &Value) -> Vec<usize> {
    let size = |v: &Value| v.as_u64().unwrap() as usize;
    value.as_array().map_or_else(|| vec![size(value)], |list| list.iter().map(size).collect())
}

/// The inputs of a golden that are tokens; none of those that have others.
pub fn texts(golden: &Golden) -> &[Value] {
    golden.about.get("tokens").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a golden's program learns to make pictures, by a step of its own.
pub fn is_generative(golden: &Golden) -> bool {
    golden.about.contains_key("pictures")
}

fn size(value: &Value, key: &str) -> usize {
    number(value, key) as usize
}

/// The network of a golden whose inputs are tokens.
fn transformer(golden: &Golden) -> Result<Model> {
    let (texts, about) = (texts(golden), &golden.about["sizes"]);
    let (steps, vocabulary) = (size(&texts[0], "steps"), size(&texts[0], "vocabulary"));
    let sizes = Sizes { steps, vocabulary, width: size(about, "width"), heads: size(about, "heads") };
    match golden.about["program"].as_str().unwrap() {
        "encoder" => transformers::encoder(sizes),
        "seq2seq" => transformers::seq2seq(sizes),
        "gpt" => transformers::gpt(sizes, size(about, "blocks")),
        "gpt2-124m" => transformers::gpt2(sizes, size(about, "blocks")),
        _ => {
            // So many words as make its vocabularies, each a sentence.
            let words: Vec<String> = (2..vocabulary).map(|word| word.to_string()).collect();
            let pairs: Vec<_> = words.iter().map(|word| (word.as_str(), word.as_str())).collect();
            let source = Side::new(Script::Symbols, steps);
            let target = Side::new(Script::Symbols, size(&texts[1], "steps") - 1);
            let sizes = sequences::Sizes { width: sizes.width, depth: size(about, "blocks"), dropout: 0.0 };
            Sequences::adapt(&pairs, source, target)?.model(sizes)
        }
    }
}

/// The program of a golden, for inputs of its size.
fn program(golden: &Golden) -> Result<Model> {
    if !texts(golden).is_empty() {
        return transformer(golden);
    }
    if is_generative(golden) {
        let pictures = sizes(&golden.about["pictures"]).try_into().expect("height, width and channels");
        return match golden.about["program"].as_str().unwrap() {
            "vae" => Vae::new(pictures, 2).model(),
            _ => UNet::new(pictures, [32, 64, 96, 128], 2).model(),
        };
    }
    let input = sizes(&golden.about["input"]);
    if let Some(chain) = golden.about.get("chain").and_then(Value::as_array) {
        let layer =
            |l: &Value| layers::from_config(l["class_name"].as_str().unwrap(), l["config"].as_object().unwrap());
        let layers = chain.iter().map(layer).collect::<Result<Vec<_>>>()?;
        return layers.into_iter().fold(Sequential::new(&input[..]), Sequential::add).build();
    }
    let Some(layers) = golden.about.get("dense") else {
        let image = input.try_into().expect("height, width and channels");
        let network = match golden.about["program"].as_str().unwrap() {
            "convnet" => programs::image::convnet,
            "separable-convnet" => programs::image::separable_convnet,
            _ => programs::image::resnet,
        };
        return programs::image::of_ten(network, image);
    };
    let mut chain = Sequential::new(&input[..]);
    for layer in layers.as_array().unwrap() {
        let activation = ActivationFn::from_name(layer["activation"].as_str().unwrap())?;
        chain = chain.add(Dense::new(layer["units"].as_u64().unwrap() as usize).activation(activation));
    }
    chain.build()
}

/// The weights' paths and what the golden says of each.
pub fn weights<'a>(golden: &'a Golden, model: &Model) -> Vec<(String, &'a Value)> {
    let (paths, weights) = (paths(model), golden.about["weights"].as_array().unwrap());
    assert_eq!(paths.len(), weights.len(), "{}", golden.name);
    // Keras sorts layers by how far they are from the output, we along what the outputs depend on.
    let named = |path: &String| {
        let same = weights.iter().find(|weight| weight["path"] == path.as_str());
        same.unwrap_or_else(|| panic!("{} has no weight {path}", golden.name))
    };
    let weight = |(i, path)| {
        let in_order = texts(golden).is_empty() && !is_generative(golden);
        let weight = if in_order { &weights[i] } else { named(&path) };
        (path, weight)
    };
    paths.into_iter().enumerate().map(weight).collect()
}

/// The program of a golden with its initial weights.
pub fn model(golden: &Golden) -> Result<Model> {
    let mut model = program(golden)?;
    for (path, weight) in weights(golden, &model) {
        let dims = sizes(&weight["shape"]);
        let (seed, scale) = (number(weight, "seed") as u32, number(weight, "scale") as f32);
        let offset = weight["offset"].as_f64().unwrap_or(0.0) as f32;
        let values: Vec<f32> =
            (0..dims.iter().product::<usize>() as u32).map(|i| offset + draw(seed, i, scale)).collect();
        let head = golden.tensor(&format!("initial.head.{}", weight["path"].as_str().unwrap()))?.to_vec::<f32>()?;
        assert_eq!(values[..head.len()], head, "{}: the formula of the initial weights", golden.name);
        model.set_weight(&path, &Tensor::from_slice(&values, &dims)?)?;
    }
    Ok(model)
}

/// A batch of whole numbers. Where there are lengths, so many of each row are tokens from 1 on; 0 stands behind them.
fn tokens(about: &Value, rows: std::ops::Range<usize>) -> Result<Tensor> {
    let (steps, below, seed) = (size(about, "steps"), size(about, "vocabulary"), number(about, "seed") as u32);
    let numbers = |seed, i: usize, below: usize| (bits(seed, i as u32) >> 8) as usize % below;
    let token = |i: usize| match about.get("length_seed") {
        None => numbers(seed, i, below),
        Some(lengths) if i % steps > numbers(lengths.as_u64().unwrap() as u32, i / steps, steps) => 0,
        Some(_) => 1 + numbers(seed, i, below - 1),
    };
    let all: Vec<i32> = (rows.start * steps..rows.end * steps).map(|i| token(i) as i32).collect();
    Tensor::from_slice(&all, [rows.len(), steps])
}

/// The batches of a golden.
pub fn batches(golden: &Golden) -> Result<Vec<Dataset>> {
    let about = Value::Object(golden.about.clone());
    if is_generative(golden) {
        return pictures(golden);
    }
    let (batch, label_seed) = (size(&about, "batch"), number(&about, "label_seed") as u32);
    let width = about["label_shape"][1].as_u64().unwrap() as usize;
    let classes = texts(golden).last().map_or(10, |text| size(text, "vocabulary") as u32);
    let class = |i| ((bits(label_seed, i) >> 8) % classes) as i32;
    let batch_of = |step: usize| -> Result<Dataset> {
        let rows = step * batch..(step + 1) * batch;
        let inputs = match texts(golden) {
            [] => {
                let (sample, seed) = (sizes(&about["input"]), number(&about, "input_seed") as u32);
                let features = sample.iter().product::<usize>();
                let values = (rows.start * features..rows.end * features).map(|i| draw(seed, i as u32, 1.0));
                vec![Tensor::from_slice(&values.collect::<Vec<_>>(), [&[batch], &sample[..]].concat())?]
            }
            texts => texts.iter().map(|about| tokens(about, rows.clone())).collect::<Result<Vec<_>>>()?,
        };
        let labels = (rows.start * width..rows.end * width).map(|i| i as u32);
        let targets = match about["loss"]["class_name"].as_str().unwrap() {
            "SparseCategoricalCrossentropy" => {
                Tensor::from_slice(&labels.map(class).collect::<Vec<_>>(), [batch, width])?
            }
            "CategoricalCrossentropy" => {
                let classes: Vec<i32> = rows.map(|row| class(row as u32)).collect();
                Tensor::from_slice(&classes, batch)?.one_hot(width, DType::F32)?
            }
            "MeanSquaredError" => {
                Tensor::from_slice(&labels.map(|i| draw(label_seed, i, 1.0)).collect::<Vec<_>>(), [batch, width])?
            }
            _ => {
                let label = |i| (bits(label_seed, i) >> 31) as f32;
                Tensor::from_slice(&labels.map(label).collect::<Vec<_>>(), [batch, width])?
            }
        };
        Dataset::new(inputs, targets)
    };
    (0..number(&about, "steps") as usize).map(batch_of).collect()
}

/// The batches of a golden that are pictures alone; of `vae` with values in [0, 1).
fn pictures(golden: &Golden) -> Result<Vec<Dataset>> {
    let about = Value::Object(golden.about.clone());
    let (batch, seed) = (size(&about, "batch"), size(&about, "input_seed") as u32);
    let sample = sizes(&about["pictures"]);
    let value = |i: usize| match draw(seed, i as u32, 1.0) {
        x if about["program"] == "vae" => (x + 1.0) / 2.0,
        x => x,
    };
    let head = golden.tensor("input.head")?.to_vec::<f32>()?;
    assert!((0..head.len()).map(value).eq(head), "{}: the formula of the pictures", golden.name);
    let count = batch * sample.iter().product::<usize>();
    let batch_of = |step: usize| {
        let values: Vec<f32> = (step * count..(step + 1) * count).map(value).collect();
        Dataset::new(Tensor::from_slice(&values, [&[batch], &sample[..]].concat())?, ())
    };
    (0..size(&about, "steps")).map(batch_of).collect()
}

/// The losses of a golden; none where the program has a step of its own.
pub fn loss(golden: &Golden) -> Result<Vec<Box<dyn losses::Loss>>> {
    if is_generative(golden) {
        return Ok(Vec::new());
    }
    let loss = &golden.about["loss"];
    Ok(vec![losses::from_config(loss["class_name"].as_str().unwrap(), loss["config"].as_object().unwrap())?])
}

/// A trainer of a golden's network as it says.
pub fn compiled(model: Model, golden: &Golden, optimizer: Box<dyn optimizers::Optimizer>) -> Result<Trainer> {
    let trainer = model.compile(optimizer, loss(golden)?, ())?;
    Ok(match golden.about["program"].as_str().unwrap() {
        "vae" => trainer.with_step(Vae::new([28, 28, 1], 2).step()),
        "diffusion" => trainer.with_step(Diffusion::new().step()),
        _ => trainer,
    })
}
