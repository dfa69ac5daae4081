//! Floating-point arithmetic of `.f32` and `.f64`: `add`, `sub`, `mul`, `fma`, `mad`, `div`, `rcp`, `sqrt`, `rsqrt`, `abs`,
//! `neg`, `min`, `max`, `copysign`, `testp`.

use super::Decoded;
use super::cursor::Cursor;
use super::lanes::{map1, map2, map3};
use super::rounding::*;
use crate::ptx::Type;

const F32: Type = Type::F32;
const F64: Type = Type::F64;

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    let decode = match base {
        "add" | "sub" | "mul" => two,
        "fma" | "mad" => three,
        "div" | "rcp" | "sqrt" | "rsqrt" => quotient,
        "abs" | "neg" => sign,
        "min" | "max" => extreme,
        "copysign" => copysign,
        "testp" => return Some(super::predicate::test(cursor)),
        _ => return None,
    };
    matches!(cursor.last_type(), Some(F32 | F64)).then(|| decode(base, cursor))
}

fn rounding(cursor: &mut Cursor) -> Rounding {
    cursor.one_of(&["rn", "rz", "rm", "rp"]).and_then(Rounding::from_name).unwrap_or(Rounding::Near)
}

/// What stands before and behind an `f32` operation.
fn with(ftz: bool, sat: bool) -> (impl Fn(f32) -> f32 + Copy + Send + Sync, impl Fn(f32) -> f32 + Copy + Send + Sync) {
    (
        #[inline(always)]
        move |x: f32| if ftz { flush(x) } else { x },
        #[inline(always)]
        move |x: f32| {
            let x = if ftz { flush(x) } else { x };
            canonical(if sat { saturate(x) } else { x })
        },
    )
}

fn two(base: &str, cursor: &mut Cursor) -> Decoded {
    let mode = rounding(cursor);
    let (ftz, sat) = (cursor.flag("ftz"), cursor.flag("sat"));
    match cursor.ty()? {
        F32 => {
            let (before, after) = with(ftz, sat);
            let types = [F32; 3];
            // The nearest rounding, which is nearly always meant, has loops of its own that become vectors.
            match (base, mode) {
                ("add", Rounding::Near) => map2(cursor, types, move |a: f32, b: f32| after(before(a) + before(b))),
                ("sub", Rounding::Near) => map2(cursor, types, move |a: f32, b: f32| after(before(a) - before(b))),
                ("mul", Rounding::Near) => map2(cursor, types, move |a: f32, b: f32| after(before(a) * before(b))),
                ("add", _) => map2(cursor, types, move |a: f32, b: f32| after(add32(before(a), before(b), mode))),
                ("sub", _) => map2(cursor, types, move |a: f32, b: f32| after(add32(before(a), -before(b), mode))),
                _ => map2(cursor, types, move |a: f32, b: f32| after(mul32(before(a), before(b), mode))),
            }
        }
        F64 if !ftz && !sat => match (base, mode) {
            ("add", Rounding::Near) => map2(cursor, [F64; 3], |a: f64, b: f64| a + b),
            ("sub", Rounding::Near) => map2(cursor, [F64; 3], |a: f64, b: f64| a - b),
            ("mul", Rounding::Near) => map2(cursor, [F64; 3], |a: f64, b: f64| a * b),
            ("add", _) => map2(cursor, [F64; 3], move |a: f64, b: f64| add64(a, b, mode)),
            ("sub", _) => map2(cursor, [F64; 3], move |a: f64, b: f64| add64(a, -b, mode)),
            _ => map2(cursor, [F64; 3], move |a: f64, b: f64| mul64(a, b, mode)),
        },
        _ => Err("expected .f32, or .f64 without `.ftz` and `.sat`".to_owned()),
    }
}

fn three(_: &str, cursor: &mut Cursor) -> Decoded {
    let mode = rounding(cursor);
    let (ftz, sat) = (cursor.flag("ftz"), cursor.flag("sat"));
    match cursor.ty()? {
        F32 => {
            let (before, after) = with(ftz, sat);
            match (mode, ftz || sat) {
                (Rounding::Near, false) => map3(
                    cursor,
                    [F32; 4],
                    #[inline(always)]
                    |a: f32, b: f32, c: f32| canonical(f32::mul_add(a, b, c)),
                ),
                (Rounding::Near, true) => map3(
                    cursor,
                    [F32; 4],
                    #[inline(always)]
                    move |a: f32, b: f32, c: f32| after(f32::mul_add(before(a), before(b), before(c))),
                ),
                _ => map3(
                    cursor,
                    [F32; 4],
                    #[inline(always)]
                    move |a: f32, b: f32, c: f32| after(fma32(before(a), before(b), before(c), mode)),
                ),
            }
        }
        F64 if !ftz && !sat && mode == Rounding::Near => map3(
            cursor,
            [F64; 4],
            #[inline(always)]
            |a: f64, b: f64, c: f64| f64::mul_add(a, b, c),
        ),
        F64 if !ftz && !sat => map3(cursor, [F64; 4], move |a: f64, b: f64, c: f64| fma64(a, b, c, mode)),
        _ => Err("expected .f32, or .f64 without `.ftz` and `.sat`".to_owned()),
    }
}

/// `.approx` and `.full` are rounded to the nearest here, which lies within their errors.
fn quotient(base: &str, cursor: &mut Cursor) -> Decoded {
    let approximate = cursor.one_of(&["approx", "full"]);
    let mode = rounding(cursor);
    let ftz = cursor.flag("ftz");
    let (before, after) = with(ftz, false);
    match (base, cursor.ty()?) {
        // Where 2¹²⁶ < |b| < 2¹²⁸, `div.approx` gives 0.
        ("div", F32) if approximate == Some("approx") => map2(cursor, [F32; 3], move |a: f32, b: f32| {
            let (a, b) = (before(a), before(b));
            // The reciprocal is 0 there, so that infinities and NaN give NaN.
            let huge = b.abs() > 8.507_059e37 && b.is_finite();
            after(if huge { a * 0f32.copysign(b) } else { a / b })
        }),
        ("div", F32) => map2(cursor, [F32; 3], move |a: f32, b: f32| after(div32(before(a), before(b), mode))),
        ("rcp", F32) => map1(cursor, [F32; 2], move |a: f32| after(div32(1.0, before(a), mode))),
        ("sqrt", F32) => map1(cursor, [F32; 2], move |a: f32| after(sqrt32(before(a), mode))),
        ("rsqrt", F32) if approximate.is_some() => {
            map1(cursor, [F32; 2], move |a: f32| after((1.0 / f64::from(before(a)).sqrt()) as f32))
        }
        ("div", F64) if approximate.is_none() && !ftz => {
            map2(cursor, [F64; 3], move |a: f64, b: f64| div64(a, b, mode))
        }
        ("sqrt", F64) if approximate.is_none() && !ftz => map1(cursor, [F64; 2], move |a: f64| sqrt64(a, mode)),
        ("rcp", F64) if approximate.is_none() && !ftz => map1(cursor, [F64; 2], move |a: f64| div64(1.0, a, mode)),
        // With `.ftz` the coarse starting values of an iteration: 20 bits of the fraction, and subnormal numbers as 0.
        ("rcp", F64) if approximate.is_some() && ftz => map1(cursor, [F64; 2], move |a: f64| coarse(1.0 / flush64(a))),
        ("rsqrt", F64) if approximate.is_some() => {
            map1(cursor, [F64; 2], move |a: f64| if ftz { coarse(1.0 / flush64(a).sqrt()) } else { 1.0 / a.sqrt() })
        }
        (_, ty) => Err(format!("`{base}` with these modifiers on .{} is not known", ty.name())),
    }
}

fn flush64(x: f64) -> f64 {
    if x.abs() < f64::MIN_POSITIVE { 0f64.copysign(x) } else { x }
}

/// The upper 32 bits.
fn coarse(x: f64) -> f64 {
    if x.is_nan() { x } else { flush64(f64::from_bits(x.to_bits() & !0xffff_ffff)) }
}

fn sign(base: &str, cursor: &mut Cursor) -> Decoded {
    let ftz = cursor.flag("ftz");
    let (before, _) = with(ftz, false);
    match (base, cursor.ty()?) {
        ("abs", F32) => map1(cursor, [F32; 2], move |a: f32| before(a).abs()),
        ("neg", F32) => map1(cursor, [F32; 2], move |a: f32| -before(a)),
        ("abs", F64) if !ftz => map1(cursor, [F64; 2], f64::abs),
        ("neg", F64) if !ftz => map1(cursor, [F64; 2], |a: f64| -a),
        _ => Err("`.ftz` is for .f32".to_owned()),
    }
}

/// The number that is not NaN, unless `.NaN` asks for NaN; −0 is less than +0.
fn extreme(base: &str, cursor: &mut Cursor) -> Decoded {
    let (ftz, nan, signs) = (cursor.flag("ftz"), cursor.flag("NaN"), cursor.flag("xorsign"));
    if signs && !cursor.flag("abs") {
        return Err("`.xorsign` is followed by `.abs`".to_owned());
    }
    let larger = base == "max";
    match cursor.ty()? {
        F32 => {
            let (before, after) = with(ftz, false);
            let pick = move |a: f32, b: f32| {
                if a.is_nan() || b.is_nan() {
                    return if nan || a.is_nan() && b.is_nan() {
                        f32::NAN
                    } else if a.is_nan() {
                        b
                    } else {
                        a
                    };
                }
                let a_first = if a == b { a.is_sign_positive() == larger } else { (a > b) == larger };
                if a_first { a } else { b }
            };
            if cursor.left() == 4 {
                return map3(cursor, [F32; 4], move |a: f32, b: f32, c: f32| {
                    after(pick(pick(before(a), before(b)), before(c)))
                });
            }
            map2(cursor, [F32; 3], move |a: f32, b: f32| {
                let (a, b) = (before(a), before(b));
                if !signs {
                    return after(pick(a, b));
                }
                let negative = a.is_sign_negative() != b.is_sign_negative();
                let out = after(pick(a.abs(), b.abs()));
                if negative && !out.is_nan() { -out } else { out }
            })
        }
        F64 if !ftz && !nan && !signs => map2(cursor, [F64; 3], move |a: f64, b: f64| {
            if a.is_nan() || b.is_nan() {
                return if a.is_nan() { b } else { a };
            }
            let a_first = if a == b { a.is_sign_positive() == larger } else { (a > b) == larger };
            if a_first { a } else { b }
        }),
        _ => Err("these modifiers are for .f32".to_owned()),
    }
}

/// The size of the second with the sign of the first.
fn copysign(_: &str, cursor: &mut Cursor) -> Decoded {
    match cursor.ty()? {
        F32 => map2(cursor, [F32; 3], |a: u32, b: u32| a & 0x8000_0000 | b & 0x7fff_ffff),
        _ => map2(cursor, [F64; 3], |a: u64, b: u64| a & (1 << 63) | b & !(1 << 63)),
    }
}
