//! (to come)

use super::Decoded;
use super::cursor::Cursor;

/// Copies to shared memory that a warp has begun.
#[derive(Debug, Default)]
pub struct Pending {}

pub fn decode(_base: &str, _cursor: &mut Cursor) -> Option<Decoded> {
    None
}
