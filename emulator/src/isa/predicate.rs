//! (to come)

use super::Decoded;
use super::cursor::Cursor;

pub fn decode(_base: &str, _cursor: &mut Cursor) -> Option<Decoded> {
    None
}
