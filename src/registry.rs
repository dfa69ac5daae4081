//! Classes that a program adds to those of the lists, so that model files can name them.
//!
//! A file says what a class is called and what its arguments are; it brings no code. Keras calls a class of one's own
//! `Package>Class`, its `registered_name`
//! ([`register_keras_serializable`](https://keras.io/api/models/model_saving_apis/serialization_utils/)). Each room has
//! a `register` that says how the class of that name is made of its config: see [`crate::layers::register`].

use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// How one is made of its config.
type Make<T> = Arc<dyn Fn(&Map<String, Value>) -> Result<T> + Send + Sync>;

/// The classes of a room: those of its list, and those that the program registered.
pub(crate) struct Registry<T> {
    /// What they are, for errors: `layer`.
    noun: &'static str,
    /// Where Keras has them: `keras.layers`.
    module: &'static str,
    /// What registers one: `layers::register`.
    register: &'static str,
    /// The names in the list.
    listed: &'static [&'static str],
    registered: RwLock<BTreeMap<String, Make<T>>>,
}

impl<T> Registry<T> {
    pub const fn new(
        noun: &'static str,
        module: &'static str,
        register: &'static str,
        listed: &'static [&'static str],
    ) -> Registry<T> {
        Registry { noun, module, register, listed, registered: RwLock::new(BTreeMap::new()) }
    }

    /// Registers a class, or another way to make it.
    ///
    /// # Errors A name that is no `Package>Class`, or whose class is another's too: a config has the class, and so it
    /// must be enough.
    pub fn add(
        &self,
        name: &str,
        make: impl Fn(&Map<String, Value>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<()> {
        let noun = self.noun;
        let Some((_, class)) = name.split_once('>').filter(|(package, class)| !package.is_empty() && !class.is_empty())
        else {
            return Err(Error::Config(format!("a {noun} is registered as `Package>Class`, not as `{name}`")));
        };
        let mut registered = self.registered.write().unwrap_or_else(PoisonError::into_inner);
        let taken = registered.keys().map(String::as_str).find(|other| *other != name && class_of(other) == class);
        if let Some(other) = taken.or(self.listed.iter().copied().find(|listed| *listed == class)) {
            let message = format!("there is a {noun} `{other}` already, of which a file could not tell `{name}`");
            return Err(Error::Config(format!("{message}: give the class another name")));
        }
        registered.insert(name.into(), Arc::new(make));
        Ok(())
    }

    /// What a config describes whose class the list does not have.
    ///
    /// # Errors
    /// A class that is not registered.
    pub fn make(&self, name: &str, config: &Map<String, Value>) -> Result<T> {
        let make = self.registered.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        // The lock is free again: the class may hold others of its kind.
        make.map_or_else(|| Err(self.unknown(name)), |make| make(config))
    }

    fn unknown(&self, name: &str) -> Error {
        let (noun, register) = (self.noun, self.register);
        let name: String = name.chars().take(80).collect();
        let known = self.listed.join(", ");
        Error::Config(match name.contains('>') {
            true => format!(
                "unknown {noun} `{name}`: a file brings no custom code along, so the program must call \
                 {register}(\"{name}\", …) before"
            ),
            false => format!("unknown {noun} `{name}`; known are {known}, and what {register} made known"),
        })
    }

    /// Keras's serialized form of an object of a class.
    pub fn serialized(&self, class: &str, config: Map<String, Value>) -> Value {
        let registered = self.registered.read().unwrap_or_else(PoisonError::into_inner);
        let name = registered.keys().find(|name| class_of(name) == class);
        let module = name.is_none().then_some(self.module);
        json!({"module": module, "class_name": class, "config": config, "registered_name": name})
    }
}

/// The class of a registered name.
fn class_of(name: &str) -> &str {
    name.split_once('>').map_or(name, |(_, class)| class)
}

/// The name under which an object in a config is registered, where it is of somebody's own class.
pub(crate) fn registered_name(object: &Value) -> Option<&str> {
    object.get("registered_name").and_then(Value::as_str).filter(|name| name.contains('>'))
}

/// A room's registry and its `register`.
macro_rules! registry {
    ($room:ident: $noun:literal in $module:literal, $trait:ident) => {
        registry!($room: $noun in $module, $trait => Box<dyn $trait>, |new| Box::new(new););
    };
    (
        $room:ident: $noun:literal in $module:literal, $trait:ident => $made:ty, |$new:ident| $make:expr;
        $(#[$doc:meta])*
    ) => {
        static REGISTRY: $crate::registry::Registry<$made> =
            $crate::registry::Registry::new($noun, $module, concat!(stringify!($room), "::register"), CLASSES);

        #[doc = concat!("Makes a ", $noun, " of one's own known to model files, under Keras's `registered_name`, and")]
        /// how it is made of its config; the name after the `>` is its `class_name`. Registered again, it is made the new
        /// way.
        $(#[$doc])*
        ///
        /// # Errors
        /// A name that is no `Package>Class`, or whose class another has.
        pub fn register<C: $trait>(
            name: &str,
            from_config: impl Fn(&serde_json::Map<String, serde_json::Value>) -> Result<C> + Send + Sync + 'static,
        ) -> Result<()> {
            REGISTRY.add(name, move |config| {
                let $new = from_config(config)?;
                Ok($make)
            })
        }
    };
}
pub(crate) use registry;
