//! What a network reads of pictures in files, and what its classes are called.

use crate::data::{ColorMode, load_img, resized};
use crate::error::{Error, Result};
use crate::layers::LayerRef;
use crate::model::{Graph, Model, Nested};
use crate::tensor::Tensor;
use serde_json::{Value, json};
use std::path::Path;

/// The entry of a model file that says so.
const ENTRY: &str = "pictures.json";

/// How pictures become the input of a network, and its classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictures {
    /// Height, width and channels: 1 of grey pictures, 3 of coloured ones, 4 where there is alpha.
    pub image: [usize; 3],
    /// What the numbers from 0 to 255 are multiplied by; 1 where the network has a
    /// [`Rescaling`](crate::layers::Rescaling) of its own.
    pub scale: f64,
    /// What the classes are called, in the order of the outputs; two where the output is one number, as
    /// [`class_scores`](crate::explain::class_scores) has it.
    pub classes: Vec<String>,
}

impl Pictures {
    /// The model with this beside it in its file, for [`Pictures::of`].
    ///
    /// # Errors
    /// As [`Model::attach`].
    pub fn attach(&self, model: Model) -> Result<Model> {
        let Pictures { image, scale, classes } = self;
        let value = json!({ "image": image, "scale": scale, "classes": classes });
        model.attach(ENTRY, value.to_string().into_bytes())
    }

    /// What is attached to a model. Where nothing is, the pictures are those that its input says, and classes are called
    /// by their numbers. Numbers are then as they are in files for a model that [scales them
    /// itself](Pictures::are_scaled_by); for all others they are divided by 255.
    ///
    /// # Errors
    /// An attachment that is damaged, or does not fit the model; without one, a model whose input is not pictures of one
    /// size and 1, 3 or 4 channels, or whose output is not a number for each class.
    pub fn of(model: &Model) -> Result<Pictures> {
        let graph = model.graph();
        let ([(name, input)], [output]) = (&graph.inputs[..], &graph.outputs[..]) else {
            let (inputs, outputs) = (graph.inputs.len(), graph.outputs.len());
            let message = format!("a model of pictures has one input and one output, this has {inputs} and {outputs}");
            return Err(Error::Data(message));
        };
        let count = match graph.spec(*output).map(|spec| &spec.dims[..]) {
            Some([_, Some(1)]) => 2,
            Some([_, Some(classes)]) => *classes,
            other => {
                let dims = other.unwrap_or_default();
                return Err(Error::Data(format!("a model of classes has an output (samples, classes), got {dims:?}")));
            }
        };
        if let Some(bytes) = model.attachment(ENTRY) {
            let damaged = |what: String| Error::Data(format!("the model's `{ENTRY}` is damaged: {what}"));
            let value: Value = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
            let pictures = Pictures::from_json(&value).ok_or_else(|| damaged("it does not say what is read".into()))?;
            let sample: Option<Vec<usize>> = input.dims.iter().skip(1).copied().collect();
            let size = pictures.image.iter().try_fold(1usize, |size, extent| size.checked_mul(*extent));
            let fits = sample.is_some_and(|dims| dims == pictures.image || size.is_some_and(|size| dims == [size]));
            return match fits && pictures.classes.len() == count {
                true => Ok(pictures),
                false => Err(damaged("it is that of another model".into())),
            };
        }
        match input.dims[..] {
            [_, Some(height), Some(width), Some(channels @ (1 | 3 | 4))] => {
                let classes = (0..count).map(|class| class.to_string()).collect();
                let scale = if Pictures::are_scaled_by(model) { 1.0 } else { 1.0 / 255.0 };
                Ok(Pictures { image: [height, width, channels], scale, classes })
            }
            _ => {
                let dims = input.dims.iter().map(|n| n.map_or_else(|| "None".into(), |n| n.to_string()));
                let dims = dims.collect::<Vec<_>>().join(", ");
                let message = "which are no pictures (samples, height, width, channels) of 1, 3 or 4 channels";
                Err(Error::Data(format!("input `{name}` of the model takes ({dims}), {message}")))
            }
        }
    }

    /// Whether the model begins by scaling numbers ([`Rescaling`](crate::layers::Rescaling),
    /// [`Normalization`](crate::layers::Normalization), also in a model inside it), before any other layer with weights.
    pub fn are_scaled_by(model: &Model) -> bool {
        begins_by_scaling(model.graph()) == Some(true)
    }

    /// The same with the numbers divided by this one, which is not 0, whatever the model says.
    pub fn divided_by(self, number: f64) -> Pictures {
        Pictures { scale: 1.0 / number, ..self }
    }

    /// The PNG and JPEG files as the input of a model that this is [of](Pictures::of): in the model's size, as
    /// [`resized`], and scaled.
    ///
    /// # Errors
    /// As [`load_img`]; no files.
    pub fn load(&self, model: &Model, files: &[impl AsRef<Path>]) -> Result<Tensor> {
        let [height, width, channels] = self.image;
        let mode = match channels {
            1 => ColorMode::Grayscale,
            3 => ColorMode::Rgb,
            _ => ColorMode::Rgba,
        };
        let read = |file| resized(&load_img(file, mode)?, [height, width])?.reshape([1, height, width, channels]);
        let pictures = files.iter().map(read).collect::<Result<Vec<_>>>()?;
        let pictures = Tensor::concatenate(&pictures.iter().collect::<Vec<_>>(), 0)?;
        let Some((_, spec)) = model.graph().inputs.first() else { return Ok(pictures) };
        let shape: Vec<usize> = [files.len()].into_iter().chain(spec.dims.iter().skip(1).flatten().copied()).collect();
        let pictures = pictures.cast(spec.dtype)?.reshape(&shape[..])?;
        if self.scale == 1.0 { Ok(pictures) } else { pictures.mul_scalar(self.scale) }
    }

    fn from_json(value: &Value) -> Option<Pictures> {
        let image: Vec<usize> =
            value.get("image")?.as_array()?.iter().map(|n| usize::try_from(n.as_u64()?).ok()).collect::<Option<_>>()?;
        let image: [usize; 3] = image.try_into().ok()?;
        let classes = value.get("classes")?.as_array()?.iter();
        let classes = classes.map(|class| class.as_str().map(String::from)).collect::<Option<_>>()?;
        let scale = value.get("scale")?.as_f64().filter(|scale| scale.is_finite())?;
        (matches!(image[2], 1 | 3 | 4)).then_some(Pictures { image, scale, classes })
    }
}

/// Whether the first call that decides it scales numbers: a layer that has weights and is not there to scale them does
/// not; before both nothing is decided.
fn begins_by_scaling(graph: &Graph) -> Option<bool> {
    let decides = |layer: &LayerRef, weights: usize| match Nested::of(layer) {
        Some(nested) => begins_by_scaling(&nested.graph),
        None if matches!(layer.layer().class_name(), "Rescaling" | "Normalization") => Some(true),
        None => (weights > 0).then_some(false),
    };
    let entries = graph.steps.iter().map(|step| &graph.layers[step.layer]);
    entries.into_iter().find_map(|entry| decides(&entry.layer, entry.weights.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::repository;
    use crate::layers::{Conv2D, Dense, Flatten, Normalization, Rescaling};
    use crate::model::Sequential;

    fn flat(image: [usize; 3], units: usize) -> Model {
        Sequential::new(image).add(Flatten::new()).add(Dense::new(units)).build().unwrap()
    }

    #[test]
    fn what_is_attached_is_read_again() -> Result<()> {
        let pictures = Pictures { image: [4, 5, 1], scale: 1.0 / 255.0, classes: vec!["a".into(), "b".into()] };
        let model = pictures.attach(flat([4, 5, 1], 2))?;
        assert_eq!(Pictures::of(&model)?, pictures);
        let rows = pictures.attach(Sequential::new([20]).add(Dense::new(2)).build()?)?;
        assert_eq!(Pictures::of(&rows)?, pictures);
        let file = repository().join("tests/data/gray.jpg");
        let x = pictures.load(&rows, &[&file, &file])?;
        assert_eq!(x.shape()[..], [2, 20]);
        assert!(x.to_vec::<f32>()?.iter().all(|x| (0.0..=1.0).contains(x)));
        for other in [flat([5, 4, 1], 2), flat([4, 5, 1], 3)] {
            let message = Pictures::of(&pictures.attach(other)?).unwrap_err().to_string();
            assert!(message.contains("that of another model"), "{message}");
        }
        let large = r#"{"image":[4294967296,4294967296,3],"scale":1,"classes":["a","b"]}"#;
        for damaged in ["", "{}", r#"{"image":[4,5],"scale":1,"classes":["a","b"]}"#, large] {
            let model = flat([4, 5, 1], 2).attach(ENTRY, damaged.as_bytes())?;
            assert!(Pictures::of(&model).unwrap_err().to_string().contains("is damaged"), "{damaged}");
        }
        Ok(())
    }

    #[test]
    fn without_an_attachment_the_input_says_it() -> Result<()> {
        let of = Pictures::of(&flat([4, 5, 3], 2))?;
        let want = Pictures { image: [4, 5, 3], scale: 1.0 / 255.0, classes: vec!["0".into(), "1".into()] };
        assert_eq!(of, want);
        // One number is that of the second of two classes.
        assert_eq!(Pictures::of(&flat([4, 5, 3], 1))?, want);
        assert_eq!(of.divided_by(2.0).scale, 0.5);
        let message = Pictures::of(&Sequential::new([20]).add(Dense::new(2)).build()?).unwrap_err().to_string();
        assert!(message.contains("takes (None, 20), which are no pictures"), "{message}");
        Ok(())
    }

    #[test]
    fn pictures_are_scaled_once() -> Result<()> {
        let from = || Sequential::new([4, 4, 1]);
        let rescaling = || from().add(Rescaling::new(1.0 / 255.0));
        let normalization = || from().add(Flatten::new()).add(Normalization::new().mean_and_variance(2.0, 4.0));
        let late = || from().add(Conv2D::new(1, 1)).add(Rescaling::new(0.5));
        let inside = |first: Sequential| -> Result<Sequential> { Ok(from().add(first.build()?.as_layer())) };
        for (first, want) in [
            (from(), 1.0 / 255.0),
            (late(), 1.0 / 255.0),
            (inside(late())?, 1.0 / 255.0),
            (rescaling(), 1.0),
            (normalization(), 1.0),
            (inside(inside(rescaling())?)?, 1.0),
            (inside(from().add(Flatten::new()))?.add(Rescaling::new(0.5)), 1.0),
        ] {
            let model = first.add(Flatten::new()).add(Dense::new(2)).build()?;
            assert_eq!(Pictures::of(&model)?.scale, want, "{}", model.summary());
        }
        // What is attached holds, also where it is that nothing is to be done.
        let attached = Pictures { scale: 1.0, ..Pictures::of(&flat([4, 4, 1], 2))? };
        assert_eq!(Pictures::of(&attached.attach(flat([4, 4, 1], 2))?)?, attached);
        Ok(())
    }
}
