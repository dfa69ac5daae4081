//! A network that makes pictures of what it is asked for.

use super::unet::{Condition, UNet};
use crate::data::Dataset;
use crate::diffusion::{Denoising, Diffusion, Sample};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::programs::sequences::{Script, Side};
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// The entry of a model file that says what its pictures are.
const ENTRY: &str = "diffusion.json";

/// How pictures are made, and what the network is told of each.
#[derive(Clone, Debug)]
pub struct Denoiser {
    diffusion: Diffusion,
    told: Told,
}

/// What a network is told of a picture that is to be.
#[derive(Clone, Debug)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// Which of these classes it is of.
    Class(Vec<String>),
    /// A text.
    Text(Box<Side>),
}

impl Denoiser {
    /// Pictures that are made so, of which the network is told nothing.
    pub fn new(diffusion: Diffusion) -> Denoiser {
        Denoiser { diffusion, told: Told::Nothing }
    }

    /// The same, told which of these classes a picture is of.
    pub fn of_classes(self, classes: impl IntoIterator<Item = impl Into<String>>) -> Denoiser {
        Denoiser { told: Told::Class(classes.into_iter().map(Into::into).collect()), ..self }
    }

    /// The same, told words: those that these texts have, of which so many are read at most.
    ///
    /// # Errors
    /// Texts without a word.
    pub fn of_texts(self, texts: &[&str], length: usize) -> Result<Denoiser> {
        let side = Side::new(Script::SmallWords, length).adapt(texts, false)?;
        Ok(Denoiser { told: Told::Text(Box::new(side)), ..self })
    }

    /// How pictures are made.
    pub fn diffusion(&self) -> Diffusion {
        self.diffusion
    }

    /// What the network is told.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// The network, which is told what this tells it, and how pictures are made beside it for [`Denoiser::of`].
    ///
    /// # Errors
    /// As [`UNet::model`].
    pub fn model(&self, network: UNet) -> Result<Model> {
        let condition = match &self.told {
            Told::Nothing => Condition::None,
            Told::Class(classes) => Condition::Class(classes.len()),
            Told::Text(side) => Condition::Text { tokens: side.tokens(), length: side.length() },
        };
        let told = match &self.told {
            Told::Nothing => Value::Null,
            Told::Class(classes) => json!({ "classes": classes }),
            Told::Text(side) => json!({ "text": side.to_json() }),
        };
        let about = json!({ "diffusion": self.diffusion.to_json(), "told": told });
        network.condition(condition).model()?.attach(ENTRY, about.to_string().into_bytes())
    }

    /// What is attached to a model; nothing where nothing is.
    ///
    /// # Errors
    /// An attachment that is damaged, or does not fit the model.
    pub fn of(model: &Model) -> Result<Option<Denoiser>> {
        let Some(bytes) = model.attachment(ENTRY) else { return Ok(None) };
        let damaged = |what: String| Error::Data(format!("the model's `{ENTRY}` is damaged: {what}"));
        let value: Value = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        let diffusion = Diffusion::from_json(&value["diffusion"]).map_err(|e| damaged(e.to_string()))?;
        let told = match &value["told"] {
            Value::Null => Told::Nothing,
            told => match (told["classes"].as_array(), told.get("text")) {
                (Some(classes), None) => {
                    let classes: Option<Vec<String>> = classes.iter().map(|c| c.as_str().map(String::from)).collect();
                    Told::Class(classes.ok_or_else(|| damaged("a class without a name".into()))?)
                }
                (None, Some(text)) => {
                    Told::Text(Box::new(Side::from_json(text, false).map_err(|e| damaged(format!("its text: {e}")))?))
                }
                _ => return Err(damaged("it does not say what the network is told".into())),
            },
        };
        let denoiser = Denoiser { diffusion, told };
        match denoiser.fits(model) {
            true => Ok(Some(denoiser)),
            false => Err(damaged("it is that of another model".into())),
        }
    }

    /// Whether a model makes pictures, and is told what this tells.
    fn fits(&self, model: &Model) -> bool {
        let graph = model.graph();
        let told = match &self.told {
            Told::Nothing => None,
            Told::Class(classes) => Some((1, classes.len() + 1)),
            Told::Text(side) => Some((side.length(), side.tokens())),
        };
        let dims = |value: usize| graph.spec(value).map(|spec| &spec.dims);
        // The layer that reads the third input has a row for each number that it may be.
        let reads = |(extent, numbers): (usize, usize)| {
            let reader = graph.steps.iter().find(|step| step.inputs[..] == [2]).map(|step| &graph.layers[step.layer]);
            let weight = reader.and_then(|entry| graph.weights.get(entry.weights.start));
            numbers > 1
                && weight.is_some_and(|(_, spec)| spec.shape.first() == Some(&numbers))
                && dims(2).is_some_and(|dims| dims.last() == Some(&Some(extent)))
        };
        graph.inputs.len() == 2 + usize::from(told.is_some())
            && dims(0).is_some_and(|dims| dims.len() == 4)
            && graph.outputs.first().and_then(|&output| dims(output)) == dims(0)
            && told.is_none_or(reads)
    }

    /// What the network reads of prompts, one for each picture: nothing, or `(prompts, 1)` or `(prompts, length)`, int32.
    ///
    /// # Errors
    /// A class that is none, a text of whose words none is known.
    pub fn conditions(&self, prompts: &[&str]) -> Result<Vec<Tensor>> {
        match &self.told {
            Told::Nothing => Ok(Vec::new()),
            Told::Class(classes) => {
                let class = |prompt: &&str| {
                    let found = classes.iter().position(|class| class.eq_ignore_ascii_case(prompt));
                    found.map(|class| class as i32 + 1).ok_or_else(|| {
                        let known = classes.join(", ");
                        Error::Data(format!("the model makes no pictures of `{prompt}`; it knows {known}"))
                    })
                };
                let numbers = prompts.iter().map(class).collect::<Result<Vec<_>>>()?;
                Ok(vec![Tensor::from_slice(&numbers, [prompts.len(), 1])?])
            }
            Told::Text(side) => match prompts.iter().find(|prompt| !side.knows(prompt)) {
                None => Ok(vec![side.numbers(prompts)?]),
                Some(prompt) => {
                    let message = "the model knows none of the words of";
                    let words = side.vocabulary().filter(|term| term.contains(char::is_alphabetic)).take(8);
                    let words = words.collect::<Vec<_>>().join(", ");
                    Err(Error::Data(format!("{message} `{prompt}`: it was trained on words such as {words}")))
                }
            },
        }
    }

    /// Pictures `(n, height, width, channels)` with values in [0, 1] and a prompt for each, as the network learns from them:
    /// with values in [−1, 1], and what it is told.
    ///
    /// # Errors
    /// As [`Denoiser::conditions`]; another number of prompts than of pictures.
    pub fn dataset(&self, pictures: &Tensor, prompts: &[&str]) -> Result<Dataset> {
        let mut inputs = vec![pictures.rescale(2.0, -1.0)?];
        inputs.extend(self.conditions(prompts)?);
        Dataset::new(inputs, ())
    }

    /// Pictures of these prompts, `(prompts, height, width, channels)` with values in [0, 1].
    ///
    /// # Errors
    /// As [`Denoiser::conditions`] and [`Diffusion::sample`].
    pub fn sample(&self, model: &Model, prompts: &[&str], sample: &Sample) -> Result<Tensor> {
        shown(&self.diffusion.sample(model, &self.conditions(prompts)?, &sample.count(prompts.len()))?)
    }

    /// The same step by step: see [`Diffusion::denoising`]. [`shown`] makes pictures of what comes.
    ///
    /// # Errors
    /// As [`Denoiser::sample`].
    pub fn denoising<'a>(&self, model: &'a Model, prompts: &[&str], sample: &Sample) -> Result<Denoising<'a>> {
        self.diffusion.denoising(model, &self.conditions(prompts)?, &sample.count(prompts.len()))
    }
}

/// Values in [−1, 1] as those of pictures, in [0, 1].
///
/// # Errors
/// A dtype that is no float.
pub fn shown(pictures: &Tensor) -> Result<Tensor> {
    pictures.rescale(0.5, 0.5)?.clip(0.0, 1.0)
}
