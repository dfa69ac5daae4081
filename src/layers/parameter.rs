//! What a layer's arguments say of one of its weights.

use super::{Config, Read, WeightSpec};
use crate::constraints::Constraint;
use crate::error::Result;
use crate::initializers::Initializer;
use crate::regularizers::Regularizer;
use crate::shape::Shape;
use serde_json::Value;

/// First values, penalty and bounds of a weight: the arguments `<name>_initializer`, `<name>_regularizer` and
/// `<name>_constraint`.
#[derive(Clone, Debug)]
pub struct Parameter {
    name: &'static str,
    /// The first values.
    pub initializer: Box<dyn Initializer>,
    /// What is added to the loss.
    pub regularizer: Option<Box<dyn Regularizer>>,
    /// What it is held to after each step.
    pub constraint: Option<Box<dyn Constraint>>,
}

impl Parameter {
    /// A weight of this name, without penalty and bounds.
    pub fn new(name: &'static str, initializer: impl Initializer) -> Parameter {
        Parameter { name, initializer: Box::new(initializer), regularizer: None, constraint: None }
    }

    /// What a config says of it.
    pub fn read(config: &Config, name: &'static str, initializer: &str) -> Result<Parameter> {
        Ok(Parameter {
            name,
            initializer: config.initializer(&format!("{name}_initializer"), initializer)?,
            regularizer: config.regularizer(&format!("{name}_regularizer"))?,
            constraint: config.constraint(&format!("{name}_constraint"))?,
        })
    }

    /// Adds the arguments to a config.
    pub fn write(&self, config: &mut Config) {
        let name = self.name;
        config.insert(format!("{name}_initializer"), self.initializer.serialized());
        let regularizer = self.regularizer.as_ref().map_or(Value::Null, |r| r.serialized());
        config.insert(format!("{name}_regularizer"), regularizer);
        let constraint = self.constraint.as_ref().map_or(Value::Null, |c| c.serialized());
        config.insert(format!("{name}_constraint"), constraint);
    }

    /// The weight, of this shape.
    ///
    /// # Errors
    /// A penalty or bounds with arguments out of range, bounds over axes that the weight does not have.
    pub fn spec(&self, shape: Shape) -> Result<WeightSpec> {
        self.spec_as(self.name, shape)
    }

    /// The weight, of this shape, under another name than the arguments have: `depthwise_initializer` is of the weight
    /// `kernel`.
    ///
    /// # Errors
    /// As [`Parameter::spec`].
    pub fn spec_as(&self, name: &str, shape: Shape) -> Result<WeightSpec> {
        self.regularizer.as_ref().map_or(Ok(()), |r| r.check())?;
        self.constraint.as_ref().map_or(Ok(()), |c| c.check(&shape))?;
        let (regularizer, constraint) = (self.regularizer.clone(), self.constraint.clone());
        Ok(WeightSpec { regularizer, constraint, ..WeightSpec::new(name, shape, self.initializer.clone()) })
    }
}

/// The setters of a [`Parameter`] that is a field of the layer, or of a field of it, which stands in brackets.
macro_rules! parameter_setters {
    ($([$outer:ident])? $field:ident: $initializer:ident $doc:literal, $regularizer:ident, $constraint:ident) => {
        #[doc = $doc]
        pub fn $initializer(mut self, initializer: impl $crate::initializers::Initializer) -> Self {
            self.$($outer.)?$field.initializer = Box::new(initializer);
            self
        }

        #[doc = concat!("A penalty on `", stringify!($field), "` that training adds to the loss; by default none.")]
        pub fn $regularizer(mut self, regularizer: impl $crate::regularizers::Regularizer) -> Self {
            self.$($outer.)?$field.regularizer = Some(Box::new(regularizer));
            self
        }

        #[doc = concat!("What `", stringify!($field), "` is held to after each step; by default nothing.")]
        pub fn $constraint(mut self, constraint: impl $crate::constraints::Constraint) -> Self {
            self.$($outer.)?$field.constraint = Some(Box::new(constraint));
            self
        }
    };
}
pub(super) use parameter_setters;
