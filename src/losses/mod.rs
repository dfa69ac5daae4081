//! The losses, one file each: the formula, from probabilities or logits, and the Keras config.
//!
//! A new loss is a file here and one word in the list below.

mod gaussian_kl;
mod macros;
mod reduction;

pub use gaussian_kl::gaussian_kl;
pub use reduction::Reduction;

pub(crate) use sparse_categorical_crossentropy::whole;

use macros::{from_logits, label_smoothing, of_probabilities, of_values, plain};

use crate::error::{Error, Result};
use crate::layers::{ActivationFn, Config, Read, snake_case};
use crate::registry::registry;
use crate::shape::MAX_RANK;
use crate::tensor::Tensor;
use serde_json::{Value, json};
use smallvec::SmallVec;
use std::fmt;

/// How far predictions are from what they should be.
pub trait Loss: fmt::Debug + Send + Sync + 'static {
    /// Keras's class.
    fn class_name(&self) -> &'static str;

    /// Keras's name, the class's in snake case.
    fn name(&self) -> String {
        snake_case(self.class_name())
    }

    /// One number a sample, most often the loss averaged over the last axis of the predictions; or one for the batch.
    ///
    /// With `logits` the predictions are what [`Loss::link`] is still to be applied to.
    ///
    /// # Errors
    /// Targets that do not fit the predictions, labels out of range.
    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor>;

    /// The activation that makes predictions of logits. A model that ends with it is asked for its logits instead, from
    /// which the loss is exact also where a probability is rounded to 0 or 1.
    fn link(&self) -> Option<ActivationFn>;

    /// Whether the user said that the model returns logits.
    fn takes_logits(&self) -> bool;

    /// Whether targets are labels, whole numbers below the number of classes, which training looks at beforehand.
    fn takes_labels(&self) -> bool {
        false
    }

    /// Whether the loss is the cross-entropy of logits with labels, which [`Tensor::linear_cross_entropy`] computes from what the
    /// logits are a product of.
    fn takes_head(&self) -> bool {
        false
    }

    /// How one number is made of the samples' losses.
    fn reduction(&self) -> Reduction;

    /// Its own arguments, under Keras's names.
    fn config(&self) -> Config;
}

impl dyn Loss {
    /// All arguments, under Keras's names.
    pub fn full_config(&self) -> Config {
        let mut config = self.config();
        config.insert("name".into(), self.name().into());
        config.insert("reduction".into(), self.reduction().name().into());
        config
    }

    /// Keras's serialized form.
    pub fn serialized(&self) -> Value {
        REGISTRY.serialized(self.class_name(), self.full_config())
    }
}

/// Two tensors of which one may have a last axis of extent 1 more than the other, in one rank, as Keras does it: beside
/// a vector the axis is added, else it falls away.
pub(crate) fn same_rank(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    // The longer one and the shorter one.
    let fit = |long: &Tensor, short: &Tensor| -> Result<(Tensor, Tensor)> {
        let (l, s) = (long.shape(), short.shape());
        if l.rank() != s.rank() + 1 || l.last() != 1 {
            return Ok((long.clone(), short.clone()));
        }
        match s.rank() {
            1 => Ok((long.clone(), short.reshape([s[0], 1])?)),
            rank => Ok((long.reshape(l.without(rank))?, short.clone())),
        }
    };
    if a.shape().rank() >= b.shape().rank() {
        fit(a, b)
    } else {
        let (b, a) = fit(b, a)?;
        Ok((a, b))
    }
}

/// Values and their weights in one rank and dtype, the weights along the values' first axes.
///
/// Where Keras would align fewer weights with the last axes, and so a batch's weights with something else, the first
/// ones are meant here.
pub(crate) fn weights_for(values: &Tensor, weights: &Tensor) -> Result<(Tensor, Tensor)> {
    if values.shape().rank() == 0 {
        // One value for the whole batch, which Keras multiplies by each weight.
        return Ok((values.clone(), weights.cast(values.dtype())?));
    }
    let (values, weights) = same_rank(values, weights)?;
    let (shape, given) = (values.shape(), weights.shape());
    let fits = given.rank() <= shape.rank() && given.iter().zip(shape.iter()).all(|(&w, &v)| w == v || w == 1);
    if !fits {
        let message = format!("expected one a sample or one for each value, for values of shape {shape}, got {given}");
        return Err(Error::shape("sample weights", message));
    }
    let mut dims = given.to_vec();
    dims.resize(shape.rank(), 1);
    Ok((values.clone(), weights.reshape(&dims)?.cast(values.dtype())?))
}

/// Targets and predictions in one shape, the targets in the dtype of the predictions; an axis of extent 1 that one of
/// them lacks is added or taken away, as in Keras. Any other difference is an error: Keras stretches one of them.
pub(crate) fn matched(what: &'static str, y_true: &Tensor, y_pred: &Tensor) -> Result<(Tensor, Tensor)> {
    let (t, p) = same_rank(y_true, y_pred)?;
    if t.shape() != p.shape() || p.shape().rank() == 0 {
        let (target, shape) = (y_true.shape(), y_pred.shape());
        let message = format!("expected targets of the predictions' shape {shape}, got {target}");
        return Err(Error::shape(what, message));
    }
    let t = t.cast(p.dtype())?;
    Ok((t, p))
}

/// What Keras keeps probabilities away from 0 and 1 by.
const EPSILON: f64 = 1e-7;

/// ln p of class probabilities that are divided by their sum and kept within [1e-7, 1 − 1e-7], as in Keras.
fn log_probabilities(y_pred: &Tensor) -> Result<Tensor> {
    y_pred.div(&y_pred.sum(&[-1], true)?)?.clip(EPSILON, 1.0 - EPSILON)?.log()
}

/// −t ln p − (1 − t) ln(1 − p) element by element, p from logits or kept within [1e-7, 1 − 1e-7], as in Keras.
fn binary_cross_entropy(t: &Tensor, p: &Tensor, logits: bool) -> Result<Tensor> {
    if logits {
        return p.sigmoid_cross_entropy(t);
    }
    let p = p.clip(EPSILON, 1.0 - EPSILON)?;
    let (yes, no) = (t.mul(&p.log()?)?, t.rescale(-1.0, 1.0)?.mul(&p.rescale(-1.0, 1.0)?.log()?)?);
    yes.add(&no)?.negative()
}

/// What is left to 1 to the power of γ, by which a focal loss multiplies. Kept from 0, where the slope of a power below
/// 1 has no end.
fn focus(left: &Tensor, gamma: f64) -> Result<Tensor> {
    left.clip(EPSILON, 1.0)?.pow(&Tensor::full(&left.device(), (), left.dtype(), gamma)?)
}

/// Targets −1 and 1: those of a batch that has only 0 and 1 are stretched to them, as Keras does it.
fn signs(y_true: &Tensor) -> Result<Tensor> {
    let stretched = y_true.rescale(2.0, -1.0)?;
    let zero = Tensor::zeros(&y_true.device(), (), y_true.dtype())?;
    let other = y_true.sub(&y_true.square()?)?.abs()?.sum(&[], false)?;
    other.equal(&zero)?.select(&stretched, y_true)
}

/// Sums over these axes, over all if none are named.
fn over(x: &Tensor, axes: Option<&[i64]>) -> Result<Tensor> {
    let axes: SmallVec<[isize; MAX_RANK]> = axes.unwrap_or(&[]).iter().map(|&axis| axis as isize).collect();
    x.sum(&axes, false)
}

/// Axes as Keras's configs have them: a list, a number for one, null for all.
fn axes_named(axes: Option<&[i64]>) -> Value {
    match axes {
        Some(&[axis]) => axis.into(),
        axes => json!(axes),
    }
}

/// Checks that an argument names the last axis, the only one that the losses here know.
fn last_axis(config: &Config) -> Result<()> {
    match config.number("axis", -1.0)? {
        -1.0 => Ok(()),
        axis => Err(Error::Config(format!("argument `axis`: expected -1, got {axis}"))),
    }
}

/// Targets with the share `smoothing` of each given to `elsewhere`.
fn smoothed(y_true: Tensor, smoothing: f64, elsewhere: f64) -> Result<Tensor> {
    if smoothing == 0.0 {
        return Ok(y_true);
    }
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(Error::Config(format!("argument `label_smoothing`: expected 0 to 1, got {smoothing}")));
    }
    y_true.rescale(1.0 - smoothing, smoothing * elsewhere)
}

/// Lists the losses: `module: Class "name" "alias" …;`, the names that Keras takes beside the class.
macro_rules! losses {
    ($($module:ident: $class:ident $($name:literal)+;)*) => {
        $(
            mod $module;
            pub use $module::$class;
            impl From<$class> for Box<dyn Loss> {
                fn from(loss: $class) -> Self {
                    Box::new(loss)
                }
            }
            impl $class {
                /// How one number is made of the samples' losses; by default their mean.
                pub fn reduction(mut self, reduction: Reduction) -> Self {
                    self.reduction = reduction;
                    self
                }
            }
        )*

        /// Every loss, for the prelude.
        pub mod all {
            $(pub use super::$module::$class;)*
        }

        /// The modules that hold a loss, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The classes that a model file can name.
        pub const CLASSES: &[&str] = &[$(stringify!($class)),*];

        /// The loss that a Keras config describes; `class` may be another of Keras's names for it, such as `mse`.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Config) -> Result<Box<dyn Loss>> {
            match class {
                $(stringify!($class) $(| $name)+ => Ok(Box::new($class::from_config(config)?)),)*
                _ => REGISTRY.make(class, config),
            }
        }
    };
}

registry!(losses: "loss" in "keras.losses", Loss);

losses! {
    binary_crossentropy: BinaryCrossentropy "binary_crossentropy" "bce" "BCE";
    binary_focal_crossentropy: BinaryFocalCrossentropy "binary_focal_crossentropy";
    categorical_crossentropy: CategoricalCrossentropy "categorical_crossentropy";
    categorical_focal_crossentropy: CategoricalFocalCrossentropy "categorical_focal_crossentropy";
    categorical_hinge: CategoricalHinge "categorical_hinge";
    cosine_similarity: CosineSimilarity "cosine_similarity";
    dice: Dice "dice";
    hinge: Hinge "hinge";
    huber: Huber "huber";
    kl_divergence: KLDivergence "kl_divergence" "kld" "KLD";
    log_cosh: LogCosh "log_cosh" "logcosh";
    mean_absolute_error: MeanAbsoluteError "mean_absolute_error" "mae" "MAE";
    mean_absolute_percentage_error: MeanAbsolutePercentageError "mean_absolute_percentage_error" "mape" "MAPE";
    mean_squared_error: MeanSquaredError "mean_squared_error" "mse" "MSE";
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError "mean_squared_logarithmic_error" "msle" "MSLE";
    poisson: Poisson "poisson";
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy "sparse_categorical_crossentropy";
    squared_hinge: SquaredHinge "squared_hinge";
    tversky: Tversky "tversky";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dims: &[usize]) -> Result<Tensor> {
        let n: usize = dims.iter().product();
        Tensor::from_slice(&(0..n).map(|i| i as f32).collect::<Vec<_>>(), dims)
    }

    #[test]
    fn weights_of_samples_lie_along_the_first_axis() -> Result<()> {
        let losses = tensor(&[3, 3])?;
        let weights = Tensor::from_slice(&[1f32, 0., 2.], [3])?;
        let weighted = Reduction::None.apply(&losses, Some(&weights))?;
        assert_eq!(weighted.to_vec::<f32>()?, [0., 1., 2., 0., 0., 0., 12., 14., 16.]);
        for dims in [&[4][..], &[3, 2], &[3, 3, 3]] {
            let error = Reduction::Sum.apply(&losses, Some(&tensor(dims)?)).map(|_| ());
            assert!(error.is_err_and(|e| e.to_string().contains("(3, 3)")), "{dims:?}");
        }
        Ok(())
    }

    #[test]
    fn targets_that_keras_would_stretch_are_an_error() -> Result<()> {
        let all: [Box<dyn Loss>; 4] = [
            BinaryCrossentropy::new().into(),
            CategoricalCrossentropy::new().into(),
            MeanAbsoluteError::new().into(),
            MeanSquaredError::new().into(),
        ];
        for loss in all {
            for (t, p) in [(&[4, 1][..], &[4, 3][..]), (&[3], &[4, 3]), (&[4], &[3]), (&[], &[])] {
                assert!(loss.call(&tensor(t)?, &tensor(p)?, false).is_err(), "{loss:?} of {t:?} and {p:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn labels_out_of_range_are_an_error_from_probabilities_too() -> Result<()> {
        let p = Tensor::from_slice(&[0.25f32, 0.75, 0.5, 0.5], [2, 2])?;
        for bad in [-1i32, 2] {
            let labels = Tensor::from_slice(&[0, bad], 2)?;
            let error = SparseCategoricalCrossentropy::new().call(&labels, &p, false).map(|_| ());
            assert!(error.is_err_and(|e| e.to_string().contains("out of range")));
        }
        // Labels may be whole floats, as files of numbers have them.
        let labels = Tensor::from_slice(&[1f32, 0.], [2, 1])?;
        let losses = SparseCategoricalCrossentropy::new().call(&labels, &p, false)?.to_vec::<f32>()?;
        assert!((losses[0] + 0.75f32.ln()).abs() < 1e-6 && (losses[1] + 0.5f32.ln()).abs() < 1e-6, "{losses:?}");
        let labels = Tensor::from_slice(&[1f32, 0.7], 2)?;
        for logits in [false, true] {
            let error = SparseCategoricalCrossentropy::new().call(&labels, &p, logits).map(|_| ());
            assert!(error.is_err_and(|e| e.to_string().contains("0.7 (element 1) is no whole number")));
        }
        Ok(())
    }

    /// Keras's files do not say it, so no golden does.
    #[test]
    fn huber_keeps_its_delta() -> Result<()> {
        let (t, p) = (Tensor::from_slice(&[0f32, 0.], [2, 1])?, Tensor::from_slice(&[1f32, -3.], [2, 1])?);
        let loss: Box<dyn Loss> = Huber::new().delta(2.0).into();
        let again = from_config("Huber", &loss.full_config())?;
        assert_eq!(again.call(&t, &p, false)?.to_vec::<f32>()?, [0.5, 4.0]);
        assert!(Huber::new().delta(0.0).call(&t, &p, false).is_err());
        Ok(())
    }

    #[test]
    fn arguments_without_a_meaning_are_errors() -> Result<()> {
        let x = tensor(&[2, 2])?;
        for smoothing in [-0.1, 1.5, f64::NAN] {
            assert!(BinaryCrossentropy::new().label_smoothing(smoothing).call(&x, &x, true).is_err());
        }
        let axis = crate::layers::object(json!({"axis": 1}));
        assert!(from_config("BinaryCrossentropy", &axis).is_err() && from_config("Hunge", &Config::new()).is_err());
        Ok(())
    }
}
