//! `cvt`: between integers and floating-point numbers of all sizes, and `cvt.pack`.

use super::Decoded;
use super::cursor::Cursor;
use super::lanes::{boxed1, map1, map2, map3};
use super::rounding::{Rounding, adjust32, adjust64, canonical, flush, saturate, saturate64, to_f32};
use crate::ptx::Type;
use half::{bf16, f16};

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    (base == "cvt").then(|| if cursor.flag("pack") { pack(cursor) } else { convert(cursor) })
}

/// The modifiers of a conversion.
#[derive(Clone, Copy)]
struct How {
    /// How a result that is no number of its type is rounded.
    mode: Rounding,
    /// Whether ties go away from zero instead: `.rna`.
    away: bool,
    /// How a number is made whole first.
    whole: Option<Rounding>,
    ftz: bool,
    sat: bool,
    relu: bool,
}

fn convert(cursor: &mut Cursor) -> Decoded {
    let mut how = How { mode: Rounding::Near, away: false, whole: None, ftz: false, sat: false, relu: false };
    match cursor.one_of(&["rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi", "rna"]) {
        Some("rna") => how.away = true,
        Some(whole) if whole.ends_with('i') => how.whole = Rounding::from_name(&whole[..2]),
        Some(mode) => how.mode = Rounding::from_name(mode).unwrap_or(how.mode),
        None => {}
    }
    (how.ftz, how.sat, how.relu) = (cursor.flag("ftz"), cursor.flag("sat"), cursor.flag("relu"));
    if cursor.peek() == Some("satfinite") {
        return Err("`.satfinite` is not known".to_owned());
    }
    let to = cursor.ty()?;
    let from = cursor.ty()?;
    if to == Type::TF32 {
        return tf32(cursor, from, how);
    }
    if how.away {
        return Err("`.rna` is for .tf32".to_owned());
    }
    if let Type::F16x2 | Type::BF16x2 = to {
        return halves(cursor, to, from, how);
    }
    if how.relu && !matches!(to, Type::F16 | Type::BF16) {
        return Err("`.relu` is for halves".to_owned());
    }
    match (is_integer(to), is_integer(from)) {
        (true, true) if how.ftz || how.whole.is_some() => Err("this rounding is for floating point".to_owned()),
        (true, true) => integers(cursor, to, from, how.sat),
        (true, false) => to_integer(cursor, to, from, how),
        (false, true) => from_integer(cursor, to, from, how),
        (false, false) => floats(cursor, to, from, how),
    }
}

fn is_integer(ty: Type) -> bool {
    !ty.is_float() && ty != Type::Pred
}

/// The least and the greatest number of an integer type.
fn range(ty: Type) -> (i128, i128) {
    let bits = 8 * ty.bytes() as u32;
    if ty.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

/// The number in a register's low bits.
#[inline(always)]
fn number(bits: u64, width: u32, signed: bool) -> i128 {
    if signed {
        i128::from((bits << (64 - width)) as i64 >> (64 - width))
    } else {
        i128::from(bits << (64 - width) >> (64 - width))
    }
}

fn integers(cursor: &mut Cursor, to: Type, from: Type, sat: bool) -> Decoded {
    let (d, a) = (cursor.wide_destination(to)?, cursor.wide_source(from)?);
    let (width, signed) = (8 * from.bytes() as u32, from.is_signed());
    let (low, high) = range(to);
    // A register that is wider than its type is extended as the type is.
    let keep = if to.is_signed() { u64::MAX } else { high as u64 };
    let keep = cursor.width(d, keep);
    if sat {
        return Ok(boxed1(d, a, move |a: u64| number(a, width, signed).clamp(low, high) as u64 & keep));
    }
    let (to_width, to_signed) = (8 * to.bytes() as u32, to.is_signed());
    Ok(boxed1(d, a, move |a: u64| {
        let shift = 64 - width;
        let a = if signed { ((a << shift) as i64 >> shift) as u64 } else { a << shift >> shift };
        let shift = 64 - to_width;
        (if to_signed { ((a << shift) as i64 >> shift) as u64 } else { a << shift >> shift }) & keep
    }))
}

/// Floating point to its exact value in `f64`.
fn exact(from: Type) -> Result<fn(u64) -> f64, String> {
    Ok(match from {
        Type::F16 => |a| f16::from_bits(a as u16).to_f64(),
        Type::BF16 => |a| bf16::from_bits(a as u16).to_f64(),
        Type::F32 => |a| f64::from(f32::from_bits(a as u32)),
        Type::F64 => f64::from_bits,
        _ => return Err(format!("`cvt` from .{} is not known", from.name())),
    })
}

fn whole(x: f64, mode: Rounding) -> f64 {
    match mode {
        Rounding::Near => x.round_ties_even(),
        Rounding::Zero => x.trunc(),
        Rounding::Down => x.floor(),
        Rounding::Up => x.ceil(),
    }
}

/// Clamped always. NaN gives 0, or the highest bit alone where either side has 64 bits.
fn to_integer(cursor: &mut Cursor, to: Type, from: Type, how: How) -> Decoded {
    let Some(mode) = how.whole else { return Err("expected `.rni`, `.rzi`, `.rmi` or `.rpi`".to_owned()) };
    let value = exact(from)?;
    let (d, a) = (cursor.wide_destination(to)?, cursor.wide_source(from)?);
    let (low, high) = range(to);
    let keep = cursor.width(d, if to.is_signed() { u64::MAX } else { high as u64 });
    let nan = if from == Type::F64 || to.bytes() == 8 { 1u64 << (8 * to.bytes() - 1) } else { 0 };
    let ftz = how.ftz && from == Type::F32;
    let (low, high) = (low as i64, high as i64);
    Ok(boxed1(d, a, move |a: u64| {
        let x = value(a);
        if x.is_nan() {
            return nan & keep;
        }
        let x = whole(if ftz && x.abs() < f64::from(f32::MIN_POSITIVE) { 0.0 } else { x }, mode);
        // Rust's conversion clamps, too.
        (if to == Type::U64 { x as u64 } else { (x as i64).clamp(low, high) as u64 }) & keep
    }))
}

fn from_integer(cursor: &mut Cursor, to: Type, from: Type, how: How) -> Decoded {
    let (width, signed, mode, sat) = (8 * from.bytes() as u32, from.is_signed(), how.mode, how.sat);
    if how.ftz || how.whole.is_some() {
        return Err("`.ftz` and whole numbers mean nothing for integers".to_owned());
    }
    let (d, a) = (cursor.destination(to)?, cursor.wide_source(from)?);
    let rounded = move |a: u64| {
        let x = number(a, width, signed);
        let near = x as f64;
        // What the nearest number lost, as a sign.
        (x, near, (x - near as i128) as f64)
    };
    let shift = 64 - width;
    Ok(match to {
        // The usual case needs no more than the machine's own conversion.
        Type::F32 if mode == Rounding::Near && !sat => match signed {
            true => boxed1(d, a, move |a: u64| ((a << shift) as i64 >> shift) as f32),
            false => boxed1(d, a, move |a: u64| (a << shift >> shift) as f32),
        },
        Type::F64 => boxed1(d, a, move |a: u64| {
            let (_, near, loss) = rounded(a);
            let x = adjust64(near, loss, mode);
            if sat { saturate64(x) } else { x }
        }),
        Type::F32 => boxed1(d, a, move |a: u64| {
            let x = number(a, width, signed);
            let near = x as f32;
            let x = adjust32(near, (x - near as i128) as f64, mode);
            if sat { saturate(x) } else { x }
        }),
        Type::F16 | Type::BF16 => {
            let bf = to == Type::BF16;
            boxed1(d, a, move |a: u64| {
                let (_, near, loss) = rounded(a);
                // A last bit that is odd keeps the second rounding from falling into the middle.
                let odd = if loss != 0.0 && near.to_bits() & 1 == 0 { adjust64(near, loss, away(loss)) } else { near };
                to_half(odd, bf, mode)
            })
        }
        _ => return Err(format!("`cvt` to .{} is not known", to.name())),
    })
}

/// The mode that takes the neighbour in the direction of `loss`.
fn away(loss: f64) -> Rounding {
    if loss > 0.0 { Rounding::Up } else { Rounding::Down }
}

/// `x` as an `f32` whose last bit is 1 where bits were lost, so that rounding it again gives what rounding `x` once would
/// (Boldo and Melquiond, *When double rounding is odd*, 2005).
fn to_odd(x: f64) -> f32 {
    let near = x as f32;
    let back = f64::from(near);
    if back == x || x.is_nan() {
        return near;
    }
    f32::from_bits(if back.abs() > x.abs() { near.to_bits() - 1 } else { near.to_bits() } | 1)
}

/// The bits of `x` as a half.
fn to_half(x: f64, bf: bool, mode: Rounding) -> u16 {
    let odd = to_odd(x);
    let (near, back) = if bf {
        let h = bf16::from_f32(odd);
        (h.to_bits(), h.to_f64())
    } else {
        let h = f16::from_f32(odd);
        (h.to_bits(), h.to_f64())
    };
    if x.is_nan() {
        return 0x7fff;
    }
    let loss = x - back;
    let (down, up) = match mode {
        Rounding::Near => return near,
        Rounding::Zero => (back > 0.0 && loss < 0.0, back < 0.0 && loss > 0.0),
        Rounding::Down => (loss < 0.0, false),
        Rounding::Up => (false, loss > 0.0),
    };
    // Among the bits of one sign the order is that of the numbers.
    let step = |towards_zero: bool| if towards_zero { near.wrapping_sub(1) } else { near.wrapping_add(1) };
    match (down, up) {
        (true, _) if near & 0x7fff == 0 => 0x8001,
        (_, true) if near & 0x7fff == 0 => 0x0001,
        (true, _) => step(near & 0x8000 == 0),
        (_, true) => step(near & 0x8000 != 0),
        _ => near,
    }
}

fn floats(cursor: &mut Cursor, to: Type, from: Type, how: How) -> Decoded {
    let value = exact(from)?;
    let (d, a) = (cursor.destination(to)?, cursor.wide_source(from)?);
    let How { mode, whole: made_whole, ftz, sat, relu, .. } = how;
    let before = move |a: u64| {
        let x = value(a);
        let x = if ftz && from == Type::F32 && x.abs() < f64::from(f32::MIN_POSITIVE) { 0f64.copysign(x) } else { x };
        made_whole.map_or(x, |mode| whole(x, mode))
    };
    Ok(match (to, from) {
        (Type::F32, Type::F32) => boxed1(d, a, move |a: f32| {
            let x = if ftz { flush(a) } else { a };
            let x = made_whole.map_or(x, |mode| whole(f64::from(x), mode) as f32);
            canonical(if sat { saturate(x) } else { x })
        }),
        (Type::F32, _) => boxed1(d, a, move |a: u64| {
            let x = to_f32(before(a), 0.0, mode);
            let x = if ftz { flush(x) } else { x };
            canonical(if sat { saturate(x) } else { x })
        }),
        (Type::F64, _) => boxed1(d, a, move |a: u64| if sat { saturate64(before(a)) } else { before(a) }),
        (Type::F16 | Type::BF16, _) => {
            let bf = to == Type::BF16;
            boxed1(d, a, move |a: u64| {
                let x = before(a);
                let x = if sat { saturate64(x) } else { x };
                to_half(if relu && x < 0.0 { 0.0 } else { x }, bf, mode)
            })
        }
        _ => return Err(format!("`cvt` to .{} is not known", to.name())),
    })
}

/// `cvt.rn.f16x2.f32 d, a, b`: `a` becomes the upper half, `b` the lower.
fn halves(cursor: &mut Cursor, to: Type, from: Type, how: How) -> Decoded {
    if from != Type::F32 || how.whole.is_some() {
        return Err(format!("`cvt` to .{} is from two .f32", to.name()));
    }
    let (bf, How { mode, relu, ftz, sat, .. }) = (to == Type::BF16x2, how);
    let one = move |x: f32| {
        let x = f64::from(if ftz { flush(x) } else { x });
        let x = if sat { saturate64(x) } else { x };
        u32::from(to_half(if relu && x < 0.0 { 0.0 } else { x }, bf, mode))
    };
    map2(cursor, [to, from, from], move |a: f32, b: f32| one(a) << 16 | one(b))
}

/// To 10 bits of the fraction.
fn tf32(cursor: &mut Cursor, from: Type, how: How) -> Decoded {
    let How { mode, away, whole, ftz, sat, relu } = how;
    if from != Type::F32 || ftz || sat || whole.is_some() || away && relu {
        return Err("`cvt` to .tf32 is from .f32, by `.rna`, or by `.rn` or `.rz` with or without `.relu`".to_owned());
    }
    if !matches!(mode, Rounding::Near | Rounding::Zero) {
        return Err("`cvt` to .tf32 rounds by `.rna`, `.rn` or `.rz`".to_owned());
    }
    map1(cursor, [Type::B32, Type::F32], move |a: f32| {
        let bits = a.to_bits();
        if a.is_nan() {
            return 0x7fff_ffff;
        }
        if relu && a <= 0.0 {
            return 0;
        }
        let half = match mode {
            _ if a.is_infinite() => 0,
            _ if away => 0x1000,
            Rounding::Near => 0xfff + (bits >> 13 & 1),
            _ => 0,
        };
        (bits + half) & !0x1fff
    })
}

/// `cvt.pack.sat.type.s32`: two numbers into 16 bits each (or 8, 4, 2 bits each beside what stands in `c`).
fn pack(cursor: &mut Cursor) -> Decoded {
    if !cursor.flag("sat") {
        return Err("expected `.sat`".to_owned());
    }
    let to = cursor.ty()?;
    if cursor.ty()? != Type::S32 {
        return Err("`cvt.pack` is from .s32".to_owned());
    }
    let (low, high) = range(to);
    let clamp = move |x: i32| i128::from(x).clamp(low, high) as u32;
    match to {
        Type::S16 | Type::U16 => map2(cursor, [Type::B32; 3], move |a: i32, b: i32| clamp(a) << 16 | clamp(b) & 0xffff),
        Type::S8 | Type::U8 => {
            if !cursor.flag("b32") {
                return Err("expected `.b32`".to_owned());
            }
            map3(cursor, [Type::B32; 4], move |a: i32, b: i32, c: u32| {
                c << 16 | (clamp(a) & 0xff) << 8 | clamp(b) & 0xff
            })
        }
        _ => Err(format!("`cvt.pack` to .{} is not known", to.name())),
    }
}
