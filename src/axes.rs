//! Axes as an argument of a config: one, or a list.

use crate::error::{Error, Result};
use crate::shape::MAX_RANK;
use serde_json::{Value, json};

/// One axis or several, in the form in which a config has them; negative ones count from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    list: Vec<isize>,
    one: bool,
}

impl Axes {
    /// The axes.
    pub fn list(&self) -> &[isize] {
        &self.list
    }

    /// Keras's form: a number, or a list of them.
    pub fn serialized(&self) -> Value {
        if self.one { json!(self.list.first()) } else { json!(self.list) }
    }

    /// The argument `name`; absent or null it is `default`.
    ///
    /// # Errors
    /// Anything but a whole number or a list of at least one of them.
    pub fn read(value: Option<&Value>, name: &str, default: isize) -> Result<Axes> {
        let axis = |v: &Value| v.as_i64().and_then(|n| isize::try_from(n).ok());
        let axes = match value {
            None | Some(Value::Null) => Some(Axes::from(default)),
            Some(Value::Array(items)) if (1..=MAX_RANK).contains(&items.len()) => {
                items.iter().map(axis).collect::<Option<Vec<_>>>().map(Axes::from)
            }
            Some(one) => axis(one).map(Axes::from),
        };
        axes.ok_or_else(|| Error::Config(format!("argument `{name}`: expected an axis or a list of axes")))
    }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Axes {
        Axes { list: vec![axis], one: true }
    }
}

impl From<Vec<isize>> for Axes {
    fn from(list: Vec<isize>) -> Axes {
        Axes { list, one: false }
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(list: [isize; N]) -> Axes {
        list.to_vec().into()
    }
}
