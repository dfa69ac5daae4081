//! Which bin a string falls into.

use super::farmhash::fingerprint64;
use crate::config::{Config, find, wrong};
use crate::error::Result;
use serde_json::Value;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// The key of a hash: a number, which counts twice, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt([i64; 2]);

impl From<i64> for Salt {
    fn from(salt: i64) -> Salt {
        Salt([salt; 2])
    }
}

impl From<[i64; 2]> for Salt {
    fn from(salt: [i64; 2]) -> Salt {
        Salt(salt)
    }
}

impl Salt {
    /// The argument `salt` of a config.
    pub(super) fn read(config: &Config) -> Result<Option<Salt>> {
        let Some(value) = find(config, "salt") else { return Ok(None) };
        let salt = match value {
            Value::Array(two) => match &two[..] {
                [a, b] => a.as_i64().zip(b.as_i64()).map(|(a, b)| Salt([a, b])),
                _ => None,
            },
            one => one.as_i64().map(Salt::from),
        };
        salt.map(Some).ok_or_else(|| wrong("salt", "a whole number or two", value))
    }

    pub(super) fn to_json(self) -> Value {
        self.0.to_vec().into()
    }
}

/// The number, below `bins`, of the bin of these bytes: FarmHash's Fingerprint64, or SipHash-2-4 with a salt, modulo
/// `bins`, as TensorFlow's `to_hash_bucket_fast` and `to_hash_bucket_strong`.
pub(super) fn bin(bytes: &[u8], salt: Option<Salt>, bins: usize) -> usize {
    let hash = match salt {
        None => fingerprint64(bytes),
        Some(Salt([a, b])) => {
            let mut hasher = SipHasher24::new_with_keys(a as u64, b as u64);
            hasher.write(bytes);
            hasher.finish()
        }
    };
    (hash % bins.max(1) as u64) as usize
}
