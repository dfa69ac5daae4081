//! The fully connected layer over several axes.

use super::activation_fn::{activation_setters, activations};
use super::heads::as_matrix;
use super::parameter::parameter_setters;
use super::{ActivationFn, Call, Config, Layer, Parameter, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Zeros};
use crate::ops::Activation;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};
use smallvec::SmallVec;

/// A product of the input and a kernel that an equation describes
/// ([Keras](https://keras.io/api/layers/core_layers/einsum_dense/)): `abc,cd->abd` sums over the axis c, which input
/// and kernel have.
///
/// The equation has a letter for each axis of input, kernel and output; `...` in front or behind, of input and output,
/// stands for any number of axes. Each axis that the kernel shares with the input is summed over, and its others are
/// the output's: an axis that all three have, a kernel of its own for each place along it, is an error. `output_shape`
/// has the output's axes but for the batch and those of `...`; `None` is the input's. `bias_axes` are the letters of
/// the output along which a bias is added, none by default. Weights: `kernel` of its letters, `bias`. Defaults: no
/// activation, kernel Glorot uniform over all axes that are summed and all that are made, bias zeros.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Input::new([40, 64]);
/// let heads = EinsumDense::new("abc,cde->abde", [None, Some(8), Some(16)]).bias_axes("de").call(&x)?;
/// assert_eq!(heads.spec().to_string(), "(None, 40, 8, 16)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EinsumDense {
    equation: String,
    output_shape: Vec<Option<usize>>,
    activation: ActivationFn,
    bias_axes: Option<String>,
    kernel: Parameter,
    bias: Parameter,
}

type Labels = SmallVec<[char; MAX_RANK]>;
type Extents = SmallVec<[Option<usize>; MAX_RANK]>;

/// What an equation means for an input.
struct Plan {
    input: Labels,
    kernel: Labels,
    output: Labels,
    /// The output's extents.
    extents: Extents,
    /// What is summed over, in the kernel's order.
    summed: Labels,
    /// What the kernel makes, in its order.
    made: Labels,
    /// How many elements each of both has.
    matrix: [usize; 2],
    kernel_shape: Shape,
    bias_shape: Option<Shape>,
}

impl EinsumDense {
    /// The layer of an equation, with these axes of the output behind the batch.
    pub fn new(equation: &str, output_shape: impl Into<Vec<Option<usize>>>) -> EinsumDense {
        EinsumDense {
            equation: equation.into(),
            output_shape: output_shape.into(),
            activation: ActivationFn::default(),
            bias_axes: None,
            kernel: Parameter::new("kernel", GlorotUniform),
            bias: Parameter::new("bias", Zeros),
        }
    }

    activations!(activation_setters);

    /// The letters of the output along which a bias is added; by default none.
    pub fn bias_axes(mut self, bias_axes: &str) -> Self {
        self.bias_axes = Some(bias_axes.into());
        self
    }

    parameter_setters!(
        kernel: kernel_initializer "The kernel's first values; by default Glorot uniform.", kernel_regularizer,
        kernel_constraint
    );
    parameter_setters!(
        bias: bias_initializer "The bias's first values; by default zeros.", bias_regularizer, bias_constraint
    );

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<EinsumDense> {
        config.refuse(&["lora_rank", "quantization_config", "gptq_unpacked_column_size"])?;
        let wrong = |got: &Value| {
            let got: String = got.to_string().chars().take(80).collect();
            Error::Config(format!("argument `output_shape`: expected extents or nulls, got {got}"))
        };
        let extent = |value: &Value| match value {
            Value::Null => Some(None),
            value => value.as_u64().and_then(|n| usize::try_from(n).ok()).map(Some),
        };
        let output_shape = match config.get("output_shape") {
            Some(list @ Value::Array(items)) => {
                items.iter().map(extent).collect::<Option<Vec<_>>>().ok_or_else(|| wrong(list))?
            }
            Some(one) => vec![extent(one).ok_or_else(|| wrong(one))?],
            None => return Err(Error::Config("argument `output_shape` is missing".into())),
        };
        let missing = || Error::Config("argument `equation` is missing".into());
        let equation = config.find("equation").and_then(Value::as_str).ok_or_else(missing)?;
        Ok(EinsumDense {
            activation: ActivationFn::from_name(&config.word("activation", "linear")?)?,
            bias_axes: config.find("bias_axes").map(|_| config.word("bias_axes", "")).transpose()?,
            kernel: Parameter::read(config, "kernel", "GlorotUniform")?,
            bias: Parameter::read(config, "bias", "Zeros")?,
            ..EinsumDense::new(equation, output_shape)
        })
    }

    /// The equation for an error.
    fn shown(&self) -> String {
        self.equation.chars().take(80).collect()
    }

    fn wrong(&self, why: impl std::fmt::Display) -> Error {
        Error::Config(format!("argument `equation`: {why}, got `{}`", self.shown()))
    }

    /// What the equation means for an input of these extents.
    fn plan(&self, x: &[Option<usize>]) -> Result<Plan> {
        let form = || self.wrong("expected ab,bc->ac, with ... in front or behind of input and output or nowhere");
        let (inputs, output) = self.equation.split_once("->").ok_or_else(form)?;
        let (input, kernel) = inputs.split_once(',').ok_or_else(form)?;
        let (front, behind) = (input.strip_prefix("..."), input.strip_suffix("..."));
        let (letters, of_output) = match (front, behind) {
            (Some(input), _) => (input, output.strip_prefix("...").ok_or_else(form)?),
            (None, Some(input)) => (input, output.strip_suffix("...").ok_or_else(form)?),
            (None, None) => (input, output),
        };
        let named = |letters: &str| -> Result<Labels> {
            let labels: Labels = letters.chars().take(MAX_RANK + 1).collect();
            let each = labels.iter().enumerate().all(|(i, c)| c.is_ascii_alphabetic() && !labels[..i].contains(c));
            if each && !labels.is_empty() && labels.len() <= MAX_RANK { Ok(labels) } else { Err(form()) }
        };
        let (mut input, kernel, mut output) = (named(letters)?, named(kernel)?, named(of_output)?);
        let elided = x.len().checked_sub(input.len()).filter(|&n| n == 0 || front.is_some() || behind.is_some());
        let elided = elided.ok_or_else(|| {
            let x = Spec { dims: x.to_vec(), dtype: crate::DType::F32 };
            Error::Input(format!("expected an input with the axes of `{}`, got shape {x}", self.shown()))
        })?;
        let at = |labels: &Labels| if front.is_some() { 0 } else { labels.len() };
        // Axes without a letter have a digit.
        let digits: Labels = ('0'..='9').take(elided).collect();
        let (in_input, in_output) = (at(&input), at(&output));
        input.insert_many(in_input, digits.iter().copied());
        output.insert_many(in_output, digits.iter().copied());
        if output.len() > MAX_RANK {
            return Err(Error::Input(format!("expected an output of at most {MAX_RANK} axes, got {}", output.len())));
        }

        // Keras's list has no batch, and none of the axes without a letter.
        let listed = output.iter().skip(1).filter(|label| !label.is_ascii_digit()).count();
        if listed != self.output_shape.len() {
            return Err(self.wrong("expected an axis for each of `output_shape`"));
        }
        let of_input = |label: char| input.iter().position(|&l| l == label).map(|i| x[i]);
        let mut listed = self.output_shape.iter().copied();
        let mut extents = Extents::new();
        for (i, &label) in output.iter().enumerate() {
            let own = of_input(label);
            let told = if i == 0 || label.is_ascii_digit() { own } else { listed.next() }.flatten();
            if let (Some(Some(own)), Some(told)) = (own, told)
                && own != told
            {
                return Err(Error::Input(format!("expected the axis {label} of the input to be {told}, got {own}")));
            }
            extents.push(told.or(own.flatten()));
        }
        let shared = |label: &char| input.contains(label);
        if let Some(own) = kernel.iter().find(|l| shared(l) && output.contains(l)) {
            return Err(self.wrong(format!("this engine has no kernel of its own for each place along {own}")));
        }
        let (summed, made): (Labels, Labels) = kernel.iter().copied().partition(shared);
        let lost = input.iter().find(|l| !kernel.contains(l) && !output.contains(l));
        let unknown = output.iter().find(|l| !input.contains(l) && !made.contains(l));
        let unmade = made.iter().find(|l| !output.contains(l));
        if let Some(label) = lost.or(unknown).or(unmade) {
            return Err(self.wrong(format!("expected the axis {label} in two of input, kernel and output")));
        }
        let known = |label: char| -> Result<usize> {
            let of_output = || output.iter().position(|&l| l == label).map(|i| extents[i]);
            let extent = of_input(label).or_else(of_output).flatten();
            extent.ok_or_else(|| Error::Input(format!("expected the axis {label} of `{}` to be known", self.shown())))
        };
        let shape = |labels: &[char]| -> Result<Shape> {
            Shape::new(&labels.iter().map(|&l| known(l)).collect::<Result<SmallVec<[usize; MAX_RANK]>>>()?)
        };
        let bias_shape = self.bias_axes.as_ref().map(|axes| -> Result<Shape> {
            let letters =
                output.iter().position(|&l| axes.contains(l)).filter(|_| axes.chars().all(|l| of_output.contains(l)));
            let first = letters.ok_or_else(|| {
                let axes: String = axes.chars().take(80).collect();
                Error::Config(format!("argument `bias_axes`: expected letters of the output {of_output}, got `{axes}`"))
            })?;
            let extent = |&label: &char| if axes.contains(label) { known(label) } else { Ok(1) };
            Shape::new(&output[first..].iter().map(extent).collect::<Result<SmallVec<[usize; MAX_RANK]>>>()?)
        });
        let (kernel_shape, bias_shape) = (shape(&kernel)?, bias_shape.transpose()?);
        let matrix = [shape(&summed)?.size(), shape(&made)?.size()];
        Ok(Plan { input, kernel, output, extents, summed, made, matrix, kernel_shape, bias_shape })
    }
}

/// One list behind another.
fn joined<T: Copy>(a: &[T], b: &[T]) -> SmallVec<[T; MAX_RANK]> {
    a.iter().chain(b).copied().collect()
}

/// x with its axes, which have these labels, in another order.
fn ordered(x: &Tensor, labels: &[char], order: &[char]) -> Result<Tensor> {
    let place = |label: &char| labels.iter().position(|l| l == label).unwrap_or(0) as isize;
    if labels == order {
        return Ok(x.clone());
    }
    x.transpose(&order.iter().map(place).collect::<SmallVec<[isize; MAX_RANK]>>())
}

impl Layer for EinsumDense {
    fn class_name(&self) -> &'static str {
        "EinsumDense"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        let dims = self.plan(&x.dims)?.extents.into_vec();
        Ok(vec![self.activation.output(Spec { dims, dtype: x.dtype })?])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let plan = self.plan(&one(inputs)?.dims)?;
        let kernel = self.kernel.spec(plan.kernel_shape)?;
        let initializer = as_matrix(kernel.initializer, plan.matrix);
        let bias = plan.bias_shape.map(|shape| self.bias.spec(shape)).transpose()?;
        Ok(std::iter::once(WeightSpec { initializer, ..kernel }).chain(bias).collect())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let plan = self.plan(&x.shape().iter().map(|&n| Some(n)).collect::<Extents>())?;
        let [rows, columns] = plan.matrix;
        let kept: Labels = plan.input.iter().copied().filter(|l| !plan.summed.contains(l)).collect();
        let x = ordered(x, &plan.input, &joined(&kept, &plan.summed))?;
        let kernel = ordered(&call.weight(0)?, &plan.kernel, &joined(&plan.summed, &plan.made))?;
        let shape = x.shape();
        let outer = &shape[..kept.len()];
        let x = x.reshape([outer.iter().product(), rows])?;
        let bias = plan.bias_shape.map(|_| call.weight(1)).transpose()?;
        // Of all axes that are made, if they stand behind the others, the product can add it.
        let made = joined(&kept, &plan.made);
        let whole = bias.as_ref().filter(|bias| made == plan.output && bias.shape().size() == columns);
        let fused = if bias.is_none() || whole.is_some() { self.activation.fused(call) } else { Activation::Linear };
        let whole = whole.map(|bias| bias.reshape([columns])).transpose()?;
        let y = x.linear(&kernel.reshape([rows, columns])?, whole.as_ref(), fused)?;
        let of_made = kernel.shape();
        let y = y.reshape(Shape::new(&joined(outer, &of_made[plan.summed.len()..]))?)?;
        let y = ordered(&y, &made, &plan.output)?;
        let y = match (bias, whole) {
            (Some(bias), None) => {
                let y = y.add(&bias)?;
                match self.activation {
                    ActivationFn::Element(_) if !call.wants_logits() => self.activation.call(&y)?,
                    _ => y,
                }
            }
            _ => y,
        };
        Ok(Tensors::from_elem(self.activation.rest(call, y)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "equation": self.equation,
            "output_shape": self.output_shape,
            "activation": self.activation.to_json(),
            "bias_axes": self.bias_axes,
        }));
        self.kernel.write(&mut config);
        self.bias.write(&mut config);
        config
    }

    fn output_activation(&self) -> Option<ActivationFn> {
        Some(self.activation)
    }

    fn is_samplewise(&self, _: bool) -> bool {
        // The batch is the first axis of both.
        self.equation.starts_with("...")
            || self.equation.chars().next() == self.equation.split("->").nth(1).and_then(|output| output.chars().next())
    }
}
