//! How Keras's `call` names what a layer is called on.

use super::Spec;
use smallvec::SmallVec;

/// An argument of the `call` of Keras's class, under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The next input, if there is one: those at the end may be missing.
    Input(&'static str),
    /// All inputs that are left, as a list.
    Inputs(&'static str),
    /// An input behind those, if the layer was [told](Signature::tell) so.
    Optional(&'static str),
    /// A truth value that the layer was told, and its default.
    Flag(&'static str, bool),
    /// A number that the layer was told, and 0 by default; there is one at most.
    Number(&'static str),
    /// What the engine knows by itself, such as the masks of inputs, or does not have.
    Other(&'static str),
}

impl Argument {
    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            Argument::Input(name) | Argument::Inputs(name) | Argument::Optional(name) | Argument::Other(name) => name,
            Argument::Flag(name, _) | Argument::Number(name) => name,
        }
    }
}

/// What Keras's `call` of a layer takes, in its order, and what the layer was told of its calls: which of the inputs
/// that may be missing there are, its truth values and its number. In Keras each call says that; here it is an argument
/// of the layer or, where its calls differ, of a [handle](super::LayerRef::told) of it.
///
/// Inputs stand in the order of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    arguments: &'static [Argument],
    /// What was told, a bit for each argument.
    told: u32,
    /// The number that was told.
    number: u64,
    /// How many of the inputs stand without their names in the file that the layer is from.
    positional: Option<usize>,
}

impl Signature {
    /// One tensor, or a list of all.
    pub const PLAIN: Signature = Signature::new(&[Argument::Inputs("inputs")]);

    /// That of these arguments, at most 32, of which none that may be missing is there.
    pub const fn new(arguments: &'static [Argument]) -> Signature {
        let (mut told, mut i) = (0, 0);
        while i < arguments.len() {
            if matches!(arguments[i], Argument::Flag(_, true)) {
                told |= 1 << i;
            }
            i += 1;
        }
        Signature { arguments, told, number: 0, positional: None }
    }

    /// The arguments.
    pub fn arguments(&self) -> &'static [Argument] {
        self.arguments
    }

    /// Whether an input is there, or what a truth value is, by its name.
    pub fn is(&self, name: &str) -> bool {
        self.at(name).is_some_and(|i| self.told >> i & 1 == 1)
    }

    /// The same, told whether an input is there, or what a truth value is.
    pub fn tell(mut self, name: &str, told: bool) -> Signature {
        if let Some(i) = self.at(name) {
            self.told = self.told & !(1 << i) | u32::from(told) << i;
        }
        self
    }

    /// The number, 0 where the call takes none.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The same, told a value under a name: whether an input is there, a truth value as 0 or 1, or a number; `None`
    /// where it is no such argument or no such value.
    pub fn tell_value(self, name: &str, value: i64) -> Option<Signature> {
        match self.arguments.iter().find(|a| a.name() == name)? {
            Argument::Number(_) => u64::try_from(value).ok().map(|number| Signature { number, ..self }),
            Argument::Optional(_) | Argument::Flag(..) if (0..=1).contains(&value) => Some(self.tell(name, value == 1)),
            _ => None,
        }
    }

    fn at(&self, name: &str) -> Option<usize> {
        let told = |a: &Argument| matches!(a, Argument::Optional(_) | Argument::Flag(..)) && a.name() == name;
        self.arguments.iter().position(told)
    }

    /// Of so many inputs those that stand before the optional ones.
    pub fn required(&self, inputs: usize) -> usize {
        let optional = self.arguments.iter().filter(|a| matches!(a, Argument::Optional(name) if self.is(name)));
        inputs.saturating_sub(optional.count())
    }

    /// The name of each of so many inputs.
    pub(crate) fn names(&self, inputs: usize) -> SmallVec<[&'static str; 8]> {
        let mut left = self.required(inputs);
        let mut names = SmallVec::new();
        for argument in self.arguments {
            match *argument {
                Argument::Input(name) if left > 0 => {
                    names.push(name);
                    left -= 1;
                }
                Argument::Inputs(name) => names.extend(std::iter::repeat_n(name, std::mem::take(&mut left))),
                Argument::Optional(name) if self.is(name) => names.push(name),
                _ => {}
            }
        }
        names
    }

    /// The place of an optional input among so many, if it is there.
    pub fn place(&self, name: &str, inputs: usize) -> Option<usize> {
        self.names(inputs).iter().position(|n| *n == name)
    }

    /// How many of so many inputs stand without their names.
    pub(crate) fn positional(&self, inputs: usize) -> usize {
        let own = match self.arguments {
            [Argument::Inputs(_), ..] => inputs,
            arguments => {
                let named = arguments.iter().filter(|a| matches!(a, Argument::Input(_))).count();
                named.min(self.required(inputs))
            }
        };
        self.positional.unwrap_or(own).min(inputs)
    }

    /// The same with so many inputs without their names.
    pub(crate) fn with_positional(self, positional: usize) -> Signature {
        Signature { positional: Some(positional), ..self }
    }

    /// The inputs in the order in which Keras goes through them: those without names, then the others by their names.
    pub(crate) fn by_name(&self, inputs: usize) -> SmallVec<[usize; 8]> {
        let (names, positional) = (self.names(inputs), self.positional(inputs));
        let mut order: SmallVec<[usize; 8]> = (0..inputs).collect();
        order[positional..].sort_by_key(|&i| names.get(i));
        order
    }

    /// The inputs that Keras's `build` is told the shapes of, each with its name; none where it is told them in one
    /// list.
    pub(crate) fn built<'a>(&self, inputs: &'a [Spec]) -> SmallVec<[(&'static str, &'a Spec); 8]> {
        let own = |name| self.arguments.contains(&Argument::Input(name));
        self.names(inputs.len()).into_iter().zip(inputs).filter(|(name, _)| own(name)).collect()
    }
}

/// The setters of what the field `signature` is told, and of its number.
macro_rules! told {
    ($(#[$doc:meta])+ number $name:ident;) => {
        $(#[$doc])+
        pub fn $name(mut self, $name: u32) -> Self {
            let told = self.signature.tell_value(stringify!($name), $name.into());
            self.signature = told.unwrap_or(self.signature);
            self
        }
    };
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        pub fn $name(mut self, $name: bool) -> Self {
            self.signature = self.signature.tell(stringify!($name), $name);
            self
        }
    )+};
}
pub(super) use told;

/// What is the same in `impl Layer` of every layer with the field `signature`.
macro_rules! signed {
    () => {
        fn signature(&self) -> $crate::layers::Signature {
            self.signature
        }

        fn with_signature(
            &self,
            signature: $crate::layers::Signature,
        ) -> Option<std::sync::Arc<dyn $crate::layers::Layer>> {
            Some(std::sync::Arc::new(Self { signature, ..self.clone() }))
        }
    };
}
pub(super) use signed;

#[cfg(test)]
mod tests {
    use super::{Argument, Signature};

    const CALL: Signature = Signature::new(&[
        Argument::Input("query"),
        Argument::Input("value"),
        Argument::Input("key"),
        Argument::Other("query_mask"),
        Argument::Optional("padding_mask"),
        Argument::Optional("attention_mask"),
        Argument::Flag("use_causal_mask", true),
    ]);

    #[test]
    fn inputs_have_the_names_of_keras() {
        assert_eq!(CALL.names(2)[..], ["query", "value"]);
        let masked = CALL.tell("attention_mask", true);
        assert_eq!(masked.names(4)[..], ["query", "value", "key", "attention_mask"]);
        assert_eq!((masked.place("attention_mask", 3), masked.place("padding_mask", 3)), (Some(2), None));
        assert_eq!((masked.required(4), masked.positional(4)), (3, 3));
        let named = masked.tell("padding_mask", true).with_positional(2);
        assert_eq!(named.by_name(5)[..], [0, 1, 4, 2, 3]);
        assert_eq!(Signature::PLAIN.names(2)[..], ["inputs", "inputs"]);
        assert_eq!(Signature::PLAIN.positional(2), 2);
    }

    #[test]
    fn truth_values_have_defaults() {
        assert!(CALL.is("use_causal_mask") && !CALL.tell("use_causal_mask", false).is("use_causal_mask"));
        assert!(!CALL.is("query") && !CALL.is("unknown"));
        assert_eq!(CALL.tell("query", true), CALL);
    }

    #[test]
    fn values_have_names() {
        const AT: Signature = Signature::new(&[Argument::Input("inputs"), Argument::Number("start_index")]);
        assert_eq!((AT.number(), AT.tell_value("start_index", 7).map(|s| s.number())), (0, Some(7)));
        assert!(CALL.tell_value("use_causal_mask", 0).is_some_and(|s| !s.is("use_causal_mask")));
        assert!(CALL.tell_value("attention_mask", 1).is_some_and(|s| s.is("attention_mask")));
        let unfit = [("start_index", -1), ("inputs", 1), ("other", 1)];
        assert!(unfit.iter().all(|(name, value)| AT.tell_value(name, *value).is_none()));
        assert!(CALL.tell_value("use_causal_mask", 2).is_none());
    }
}
