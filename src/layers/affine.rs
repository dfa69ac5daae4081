//! What normalisations do to what is normalised: the weights gamma and beta.

use super::{Config, Parameter, Read, WeightSpec};
use crate::error::Result;
use crate::initializers::{Ones, Zeros};
use crate::shape::Shape;
use serde_json::json;

/// The arguments `epsilon`, `center` and `scale`, and the weights `gamma` if `scale` and `beta` if `center`, in this order.
#[derive(Clone, Debug)]
pub struct Affine {
    /// What is added to the variance.
    pub epsilon: f64,
    /// Whether beta is added.
    pub center: bool,
    /// Whether it is multiplied by gamma.
    pub scale: bool,
    /// The offset.
    pub beta: Parameter,
    /// The factor.
    pub gamma: Parameter,
}

impl Affine {
    /// Keras's defaults: epsilon 1e-3, both weights, gamma ones and beta zeros.
    pub fn new() -> Affine {
        let (beta, gamma) = (Parameter::new("beta", Zeros), Parameter::new("gamma", Ones));
        Affine { epsilon: 1e-3, center: true, scale: true, beta, gamma }
    }

    /// What a config says of it.
    pub fn read(config: &Config) -> Result<Affine> {
        Ok(Affine {
            epsilon: config.number("epsilon", 1e-3)?,
            center: config.flag("center", true)?,
            scale: config.flag("scale", true)?,
            beta: Parameter::read(config, "beta", "Zeros")?,
            gamma: Parameter::read(config, "gamma", "Ones")?,
        })
    }

    /// Adds the arguments to a config.
    pub fn write(&self, config: &mut Config) {
        for (name, value) in
            [("epsilon", json!(self.epsilon)), ("center", json!(self.center)), ("scale", json!(self.scale))]
        {
            config.insert(name.into(), value);
        }
        self.beta.write(config);
        self.gamma.write(config);
    }

    /// The weights, of this shape.
    pub fn weights(&self, shape: Shape) -> Result<Vec<WeightSpec>> {
        let gamma = self.scale.then(|| self.gamma.spec(shape));
        gamma.into_iter().chain(self.center.then(|| self.beta.spec(shape))).collect()
    }

    /// The places of gamma and beta among the weights, for those that are there.
    pub fn places(&self) -> [Option<usize>; 2] {
        [self.scale.then_some(0), self.center.then_some(usize::from(self.scale))]
    }

    /// How many weights there are.
    pub fn count(&self) -> usize {
        usize::from(self.scale) + usize::from(self.center)
    }
}

/// The setters of an [`Affine`] that is a field of the layer.
macro_rules! affine_setters {
    ($field:ident) => {
        /// What is added to the variance; by default 1e-3.
        pub fn epsilon(mut self, epsilon: f64) -> Self {
            self.$field.epsilon = epsilon;
            self
        }

        /// Whether beta is added; by default it is.
        pub fn center(mut self, center: bool) -> Self {
            self.$field.center = center;
            self
        }

        /// Whether it is multiplied by gamma; by default it is.
        pub fn scale(mut self, scale: bool) -> Self {
            self.$field.scale = scale;
            self
        }

        $crate::layers::parameter::parameter_setters!(
            [$field] gamma: gamma_initializer "The scale's first values; by default ones.", gamma_regularizer,
            gamma_constraint
        );
        $crate::layers::parameter::parameter_setters!(
            [$field] beta: beta_initializer "The offset's first values; by default zeros.", beta_regularizer,
            beta_constraint
        );
    };
}
pub(super) use affine_setters;
