//! Which parts of a picture speak for a class.

use super::{class_scores, likeliest};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{ActivationFn, LayerRef, Spec, Updates};
use crate::model::{Graph, Mode, Model, Nested, Step};
use crate::ops::Activation;
use crate::tensor::{GradientTape, Tensor};

/// What [`grad_cam`] found.
#[derive(Clone, Debug)]
pub struct GradCam {
    /// How much each place of the layer's maps speaks for the class: float32 (height, width) from 0 to 1, on the CPU. All 0
    /// where nothing does.
    pub heatmap: Tensor,
    /// The class.
    pub class: usize,
    /// The class that the model takes the picture for.
    pub likeliest: usize,
    /// The layer.
    pub layer: String,
    /// What the model makes of the picture, as it gives it out.
    pub outputs: Vec<f32>,
}

/// Which parts of a picture speak for a class, by Grad-CAM (Selvaraju et al., 2017,
/// [paper](https://arxiv.org/abs/1610.02391)), as [Keras's example](https://keras.io/examples/vision/grad_cam/) has it:
/// relu(Σₖ αₖ · Aₖ) divided by its largest number, where Aₖ are the maps that a layer gives and αₖ is the mean over map k of
/// the gradient of the class's score.
///
/// `picture` is one, (1, height, width, channels) or without the first axis, as the model takes it. Without a class it is the
/// likeliest. Of a model with one output class 1 is what that is the probability of, and class 0 the other. The score is the
/// output before a softmax or a sigmoid that the model ends with: the gradient of a probability near 1 would be lost.
///
/// Without a layer it is the last whose maps are as many and as large as those of the last convolution, or, where there is no
/// convolution, the last that gives maps: an activation behind the convolution is taken with it, and a pooling is not. A
/// model inside the model that has a convolution counts as one. A layer that is called several times is looked at in its last call.
///
/// The model computes in float32 and in inference mode, on its device.
///
/// ```
/// use uncrumple::explain::grad_cam;
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let model = uncrumple::programs::find("convnet")?.model()?;
/// let picture = datasets::mnist()?.1.take(1)?.inputs()[0].clone();
/// let found = grad_cam(&model, &picture, None, Some(7))?;
/// assert_eq!((found.layer.as_str(), found.heatmap.shape().dims()), ("conv2d_2", &[3, 3][..]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A model of several inputs or outputs, or whose output is not a number for each class; a picture of another shape; a layer
/// that the model does not have, that gives no maps (batch, height, width, channels), or that the output does not depend on; a
/// class that the model does not have; a score that is not finite.
pub fn grad_cam(model: &Model, picture: &Tensor, layer: Option<&str>, class: Option<usize>) -> Result<GradCam> {
    let graph = model.graph();
    let ([(_, input)], [output]) = (&graph.inputs[..], &graph.outputs[..]) else {
        let (inputs, outputs) = (graph.inputs.len(), graph.outputs.len());
        let message = format!("grad_cam: expected a model of one input and one output, it has {inputs} and {outputs}");
        return Err(Error::Config(message));
    };
    if graph.spec(*output).is_none_or(|spec| spec.rank() != 2) {
        let shape = graph.spec(*output).map_or_else(String::new, Spec::to_string);
        let message = format!("grad_cam: expected a model with a number for each class, its output is {shape}");
        return Err(Error::Config(message));
    }
    let at = step(graph, layer)?;
    let shape = picture.shape();
    let picture = match shape.rank() + 1 == input.rank() {
        true => picture.reshape(&[&[1], shape.dims()].concat()[..])?,
        false => picture.clone(),
    };
    if picture.shape().first() != Some(&1) {
        return Err(Error::shape("grad_cam", format!("expected one picture, got {shape}")));
    }
    let picture = picture.to_device(&model.device)?;
    let input = graph.cast(&[&picture])?;
    let weights = model.weights_on_device()?;
    let outputs = graph.run(&weights, &[&input[0]], Mode::INFERENCE, &mut Updates::new())?;
    let outputs = outputs[0].cast(DType::F32)?.to_vec::<f32>()?;
    let scores = class_scores(&outputs);
    let likeliest = likeliest(&scores);
    let class = class.unwrap_or(likeliest);
    if class >= scores.len() {
        let message = format!("grad_cam: there is no class {class}, the model has {}", scores.len());
        return Err(Error::Config(message));
    }
    let (heatmap, _) = heatmap(graph, &weights, &input[0], at, class)?;
    let heatmap = heatmap.cast(DType::F32)?.to_device(&Device::Cpu)?;
    let layer = graph.layers[graph.steps[at].layer].name.clone();
    Ok(GradCam { heatmap, class, likeliest, layer, outputs })
}

/// Whether a layer is a convolution, or a model that has one inside.
fn convolves(layer: &LayerRef) -> bool {
    match Nested::of(layer) {
        Some(nested) => nested.graph.layers.iter().any(|entry| convolves(&entry.layer)),
        None => layer.layer().class_name().contains("Conv"),
    }
}

/// The call whose maps are looked at.
fn step(graph: &Graph, layer: Option<&str>) -> Result<usize> {
    let maps = |step: &Step| step.specs.len() == 1 && step.specs[0].rank() == 4 && step.specs[0].dtype.is_float();
    let name = |step: &Step| &graph.layers[step.layer].name;
    let Some(wanted) = layer else {
        let last = graph.steps.iter().rfind(|step| maps(step) && convolves(&graph.layers[step.layer].layer));
        let last = last.map(|step| &step.specs[0]);
        let found = graph.steps.iter().rposition(|step| maps(step) && last.is_none_or(|last| step.specs[0] == *last));
        return found.ok_or_else(|| {
            Error::Config("grad_cam: no layer of the model gives maps (batch, height, width, channels)".into())
        });
    };
    let found = graph.steps.iter().rposition(|step| name(step) == wanted);
    match found {
        Some(at) if maps(&graph.steps[at]) => Ok(at),
        Some(at) => {
            let shapes: Vec<_> = graph.steps[at].specs.iter().map(Spec::to_string).collect();
            let expected = "expected one that gives maps (batch, height, width, channels)";
            Err(Error::Config(format!("grad_cam: layer `{wanted}` gives {}; {expected}", shapes.join(", "))))
        }
        None => {
            let known: Vec<&str> =
                graph.steps.iter().filter(|step| maps(step)).map(|step| name(step).as_str()).collect();
            let known = if known.is_empty() { "no layer does".into() } else { known.join(", ") };
            Err(Error::Config(format!("grad_cam: the model has no layer `{wanted}`; of those that give maps: {known}")))
        }
    }
}

/// The heatmap, in the dtype that the graph computes in, and the mean gradient of each map.
fn heatmap(graph: &Graph, weights: &[Tensor], input: &Tensor, at: usize, class: usize) -> Result<(Tensor, Tensor)> {
    let tape = GradientTape::new();
    let mut maps = None;
    let score = score(graph, weights, input, class, |step, output| {
        if step != at {
            return Ok(output);
        }
        let watched = tape.watch(&output)?;
        maps = Some(watched.clone());
        Ok(watched)
    })?;
    let maps = maps.ok_or_else(|| Error::Internal("a layer that was not called".into()))?;
    if !score.item()?.is_finite() {
        return Err(Error::Data(format!("grad_cam: the score of class {class} is {}", score.item()?)));
    }
    let gradient = tape.gradient(&score, &[&maps])?.remove(0).ok_or_else(|| {
        let name = &graph.layers[graph.steps[at].layer].name;
        Error::Config(format!("grad_cam: no gradient of the output reaches layer `{name}`"))
    })?;
    let alpha = gradient.mean(&[1, 2], true)?;
    let heat = maps.detach().mul(&alpha)?.sum(&[-1], false)?.relu()?;
    let shape = heat.shape();
    let heat = heat.reshape([shape[1], shape[2]])?;
    let largest = heat.max(&[], false)?;
    // Divided: one over a number that is next to nothing would be infinite.
    Ok((if largest.item()? > 0.0 { heat.div(&largest)? } else { heat }, alpha))
}

/// The score of a class. `seen` is handed what each call gives, and returns what the others read in its place.
fn score(
    graph: &Graph,
    weights: &[Tensor],
    input: &Tensor,
    class: usize,
    mut seen: impl FnMut(usize, Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let last = graph.output_activation(0);
    let undone = matches!(last, Some(ActivationFn::Softmax | ActivationFn::Element(Activation::Sigmoid)));
    let mode = Mode { logits: u64::from(undone), ..Mode::INFERENCE };
    let (outputs, _) = graph.run_with(weights, &[input], &[], mode, &mut Updates::new(), |step, mut outputs| {
        if let [output] = &mut outputs[..] {
            *output = seen(step, output.clone())?;
        }
        Ok(outputs)
    })?;
    match outputs[0].shape().last() {
        1 => outputs[0].mul_scalar(if class == 0 { -1.0 } else { 1.0 })?.reshape(()),
        _ => outputs[0].slice(-1, class..class + 1)?.reshape(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Add, Conv2D, Dense, Flatten, GlobalAveragePooling2D, Input, MaxPooling2D};
    use crate::model::Sequential;

    fn picture(shape: [usize; 4]) -> Result<Tensor> {
        let numbers: Vec<f64> =
            (0..shape.iter().product()).map(|i| (i as f64 * 0.618_033_988_75).fract() - 0.4).collect();
        Tensor::from_slice(&numbers, shape)
    }

    fn text<T>(result: Result<T>) -> String {
        result.err().map(|e| e.to_string()).unwrap_or_default()
    }

    /// The means of the gradients are those of central differences: all of a map moved at once.
    #[test]
    fn the_means_are_those_of_finite_differences() -> Result<()> {
        let input = Input::new([7, 6, 2]);
        let x = Conv2D::new(3, 3).tanh().call(&input)?;
        let y = Conv2D::new(3, [1, 1]).sigmoid().call(&x)?;
        let x = Flatten::new().call(&MaxPooling2D::new(2).call(&Add::new().call([&x, &y])?)?)?;
        for last in [Dense::new(4).softmax(), Dense::new(4), Dense::new(1).sigmoid()] {
            let model = Model::new(&input, &last.call(&x)?)?.seed(5)?;
            let graph = model.graph();
            let weights = model.weights.iter().map(|w| w.cast(DType::F64)).collect::<Result<Vec<_>>>()?;
            let picture = picture([1, 7, 6, 2])?;
            let moved = |map: usize, by: f64, class: usize| -> Result<f64> {
                let shift = Tensor::from_slice(&[0, 1, 2].map(|k| if k == map { by } else { 0.0 }), [3])?;
                score(graph, &weights, &picture, class, |step, y| if step == 0 { y.add(&shift) } else { Ok(y) })?.item()
            };
            for class in 0..graph.spec(graph.outputs[0]).and_then(|spec| spec.dims[1]).unwrap_or(0).max(2) {
                let (_, alpha) = heatmap(graph, &weights, &picture, 0, class)?;
                for (map, alpha) in alpha.to_vec::<f64>()?.into_iter().enumerate() {
                    let step = 1e-6;
                    // 5 rows of 4 places.
                    let mean = (moved(map, step, class)? - moved(map, -step, class)?) / (2.0 * step) / 20.0;
                    assert!((alpha - mean).abs() < 1e-9 && alpha != 0.0, "class {class}, map {map}: {alpha} {mean}");
                }
            }
        }
        Ok(())
    }

    /// One map passes the picture on and one its opposite; a class looks at each.
    #[test]
    fn what_is_bright_speaks_for_the_bright_class() -> Result<()> {
        let mut model = Sequential::new([2, 2, 1])
            .add(Conv2D::new(2, 1).relu())
            .add(GlobalAveragePooling2D::new())
            .add(Dense::new(2).softmax())
            .build()?;
        model.set_weight("conv2d/kernel", &Tensor::from_slice(&[1f32, -1.0], [1, 1, 1, 2])?)?;
        model.set_weight("dense/kernel", &Tensor::from_slice(&[3f32, -1.0, -1.0, 2.0], [2, 2])?)?;
        let picture = Tensor::from_slice(&[4f32, 1.0, -2.0, -1.0], [2, 2, 1])?;
        let bright = grad_cam(&model, &picture, None, None)?;
        // Maps (4, 1, 0, 0) and (0, 0, 2, 1) with the means 3 / 4 and -1 / 4.
        assert_eq!((bright.class, bright.layer.as_str()), (0, "conv2d"));
        assert_eq!(bright.heatmap.to_vec::<f32>()?, [1.0, 0.25, 0.0, 0.0]);
        assert_eq!(bright.outputs, model.predict(picture.reshape([1, 2, 2, 1])?)?.to_vec::<f32>()?);
        let dark = grad_cam(&model, &picture.reshape([1, 2, 2, 1])?, Some("conv2d"), Some(1))?;
        assert_eq!(dark.heatmap.to_vec::<f32>()?, [0.0, 0.0, 1.0, 0.5]);
        // Where nothing speaks for the class all is 0.
        let none = grad_cam(&model, &Tensor::from_slice(&[1f32; 4], [2, 2, 1])?, None, Some(1))?;
        assert_eq!(none.heatmap.to_vec::<f32>()?, [0.0; 4]);
        // Maps and means whose products are the smallest numbers there are.
        model.set_weight("conv2d/kernel", &Tensor::from_slice(&[1e-20f32, -1e-20], [1, 1, 1, 2])?)?;
        model.set_weight("dense/kernel", &Tensor::from_slice(&[3e-20f32, -1e-20, -1e-20, 2e-20], [2, 2])?)?;
        let faint = grad_cam(&model, &picture, None, Some(0))?.heatmap.to_vec::<f32>()?;
        for (x, want) in faint.iter().zip([1.0, 0.25, 0.0, 0.0]) {
            assert!((x - want).abs() < 1e-3, "{faint:?}");
        }
        Ok(())
    }

    #[test]
    fn the_layer_is_chosen_or_named() -> Result<()> {
        let input = Input::new([16, 16, 3]);
        let model = Model::new(&input, &crate::programs::image::resnet(&input, 10)?)?;
        let graph = model.graph();
        let chosen = |layer| Ok::<_, Error>(graph.layers[graph.steps[step(graph, layer)?].layer].name.clone());
        // The activation behind the last sum.
        assert_eq!((chosen(None)?.as_str(), chosen(Some("conv2d_1"))?.as_str()), ("activation_11", "conv2d_1"));
        let said = text(chosen(Some("dense")));
        assert!(said.contains("layer `dense` gives (None, 10); expected one that gives maps"), "{said}");
        let said = text(chosen(Some("conv")));
        assert!(said.contains("no layer `conv`; of those that give maps: conv2d, "), "{said}");
        let pooled = crate::programs::find("convnet")?.model()?;
        let inside = Sequential::new([28, 28, 1]).add(pooled.as_layer()).build()?;
        assert!(text(step(inside.graph(), None)).contains("no layer of the model gives maps"));
        // A model inside is a convolution if it has one.
        let maps = |inside: Sequential| -> Result<usize> {
            let inside = inside.build()?.as_layer();
            step(Sequential::new([8, 8, 1]).add(Conv2D::new(2, 1)).add(inside).build()?.graph(), None)
        };
        let pooling = || Sequential::new([8, 8, 2]).add(MaxPooling2D::new(2));
        assert_eq!((maps(pooling())?, maps(pooling().add(Conv2D::new(1, 1)))?), (0, 1));

        let pixels = picture([1, 16, 16, 3])?.cast(DType::F32)?;
        assert!(text(grad_cam(&model, &pixels, None, Some(10))).contains("no class 10, the model has 10"));
        let two = Tensor::concatenate(&[&pixels, &pixels], 0)?;
        assert!(text(grad_cam(&model, &two, None, None)).contains("expected one picture, got (2, 16, 16, 3)"));
        assert!(text(grad_cam(&model, &two.slice(1, 0..3)?, None, None)).contains("expected one picture"));
        Ok(())
    }
}
