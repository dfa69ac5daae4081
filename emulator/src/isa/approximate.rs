//! `ex2`, `lg2`, `sin`, `cos`, `tanh` of `.f32`, which hardware only approximates. Here they are computed in `f64` and rounded, so
//! they lie within the errors that the PTX ISA allows, and differ from a card by no more than those.

use super::Decoded;
use super::cursor::Cursor;
use super::lanes::map1;
use super::rounding::{canonical, flush};
use crate::ptx::Type;

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    let f: fn(f64) -> f64 = match base {
        "ex2" => f64::exp2,
        "lg2" => f64::log2,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tanh" => f64::tanh,
        _ => return None,
    };
    if cursor.last_type() != Some(Type::F32) {
        return None;
    }
    Some((|| {
        if !cursor.flag("approx") {
            return Err("expected `.approx`".to_owned());
        }
        let ftz = cursor.flag("ftz");
        cursor.ty()?;
        map1(cursor, [Type::F32; 2], move |a: f32| {
            let y = f(f64::from(if ftz { flush(a) } else { a })) as f32;
            canonical(if ftz { flush(y) } else { y })
        })
    })())
}
