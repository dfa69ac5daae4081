//! Bits: `and`, `or`, `xor`, `not`, `cnot`, shifts, `shf`, `lop3`, `prmt`, `bfe`, `bfi`, `bfind`, `brev`, `clz`, `popc`, `szext`,
//! `bmsk`, `fns`.

use super::Decoded;
use super::cursor::Cursor;
use super::lanes::{map1, map2, map3};
use crate::ptx::Type;

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    let decode = match base {
        // Logic of predicates is elsewhere.
        "and" | "or" | "xor" | "not" if cursor.last_type() == Some(Type::Pred) => return None,
        "and" | "or" | "xor" | "not" | "cnot" => logic,
        "shl" | "shr" => shift,
        "shf" => funnel,
        "lop3" => lop3,
        "prmt" => prmt,
        "bfe" | "bfi" => field,
        "bfind" | "brev" | "clz" | "popc" => count,
        "szext" | "bmsk" => mask,
        "fns" => fns,
        _ => return None,
    };
    Some(decode(base, cursor))
}

fn logic(base: &str, cursor: &mut Cursor) -> Decoded {
    let ty = cursor.ty()?;
    if !matches!(ty, Type::B16 | Type::B32 | Type::B64) {
        return Err(format!("`{base}` is for .b16, .b32 and .b64"));
    }
    match base {
        "and" => map2(cursor, [ty; 3], |a: u64, b: u64| a & b),
        "or" => map2(cursor, [ty; 3], |a: u64, b: u64| a | b),
        "xor" => map2(cursor, [ty; 3], |a: u64, b: u64| a ^ b),
        "not" => match ty {
            Type::B16 => map1(cursor, [ty; 2], |a: u16| !a),
            Type::B32 => map1(cursor, [ty; 2], |a: u32| !a),
            _ => map1(cursor, [ty; 2], |a: u64| !a),
        },
        _ => map1(cursor, [ty; 2], |a: u64| u64::from(a == 0)),
    }
}

fn shift(base: &str, cursor: &mut Cursor) -> Decoded {
    let ty = cursor.ty()?;
    let types = [ty, ty, Type::U32];
    // Shifts by more than the width move everything out.
    match (base, ty) {
        ("shl", Type::B16) => map2(cursor, types, |a: u16, n: u32| a.checked_shl(n).unwrap_or(0)),
        ("shl", Type::B32) => map2(cursor, types, |a: u32, n: u32| a.checked_shl(n).unwrap_or(0)),
        ("shl", Type::B64) => map2(cursor, types, |a: u64, n: u32| a.checked_shl(n).unwrap_or(0)),
        ("shr", Type::B16 | Type::U16) => map2(cursor, types, |a: u16, n: u32| a.checked_shr(n).unwrap_or(0)),
        ("shr", Type::B32 | Type::U32) => map2(cursor, types, |a: u32, n: u32| a.checked_shr(n).unwrap_or(0)),
        ("shr", Type::B64 | Type::U64) => map2(cursor, types, |a: u64, n: u32| a.checked_shr(n).unwrap_or(0)),
        ("shr", Type::S16) => map2(cursor, types, |a: i16, n: u32| a >> n.min(15)),
        ("shr", Type::S32) => map2(cursor, types, |a: i32, n: u32| a >> n.min(31)),
        ("shr", Type::S64) => map2(cursor, types, |a: i64, n: u32| a >> n.min(63)),
        _ => Err(format!("`{base}` on .{} is not known", ty.name())),
    }
}

/// `shf`: 32 bits out of the 64 of `b:a`, shifted.
fn funnel(_: &str, cursor: &mut Cursor) -> Decoded {
    let left = cursor.one_of(&["l", "r"]).ok_or("expected `.l` or `.r`")? == "l";
    let clamp = cursor.one_of(&["clamp", "wrap"]).ok_or("expected `.clamp` or `.wrap`")? == "clamp";
    let ty = cursor.ty()?;
    if ty != Type::B32 {
        return Err("`shf` is for .b32".to_owned());
    }
    map3(cursor, [ty; 4], move |a: u32, b: u32, c: u32| {
        let n = if clamp { c.min(32) } else { c & 31 };
        let both = u64::from(b) << 32 | u64::from(a);
        if left { (u128::from(both) << n >> 32) as u32 } else { (both >> n) as u32 }
    })
}

fn lop3(_: &str, cursor: &mut Cursor) -> Decoded {
    if let Some("or" | "and") = cursor.peek() {
        return Err("`lop3` with a predicate is not known".to_owned());
    }
    let ty = cursor.ty()?;
    if ty != Type::B32 {
        return Err("`lop3` is for .b32".to_owned());
    }
    let table = cursor.last_integer()? as u32;
    // All ones where the table has a 1: no branch a lane.
    let rows: [u32; 8] = std::array::from_fn(|i| if table >> i & 1 != 0 { u32::MAX } else { 0 });
    map3(cursor, [ty; 4], move |a: u32, b: u32, c: u32| {
        // Which half, quarter and row each bit takes.
        let pick = |bits: u32, zero: u32, one: u32| zero & !bits | one & bits;
        let quarter = |i: usize| pick(b, pick(c, rows[i], rows[i + 1]), pick(c, rows[i + 2], rows[i + 3]));
        pick(a, quarter(0), quarter(4))
    })
}

fn prmt(_: &str, cursor: &mut Cursor) -> Decoded {
    let ty = cursor.ty()?;
    if ty != Type::B32 {
        return Err("`prmt` is for .b32".to_owned());
    }
    let mode = cursor.one_of(&["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"]);
    map3(cursor, [ty; 4], move |a: u32, b: u32, c: u32| {
        let both = u64::from(b) << 32 | u64::from(a);
        let byte = |i: u32| (both >> (8 * (i & 7))) as u8;
        let bytes: [u8; 4] = std::array::from_fn(|i| {
            let (i, n) = (i as u32, c & 3);
            match mode {
                None => {
                    let selector = c >> (4 * i) & 0xf;
                    let b = byte(selector);
                    // The upper bit asks for the byte's sign in all bits.
                    if selector & 8 != 0 { (b as i8 >> 7) as u8 } else { b }
                }
                Some("f4e") => byte(n + i),
                Some("b4e") => byte(n.wrapping_sub(i)),
                Some("rc8") => byte(n),
                Some("ecl") => byte(i.max(n)),
                Some("ecr") => byte(i.min(n)),
                _ => byte((n & 1) * 2 + (i & 1)),
            }
        });
        u32::from_le_bytes(bytes)
    })
}

/// `bfe` and `bfi`: position and length are the low bytes of their operands.
fn field(base: &str, cursor: &mut Cursor) -> Decoded {
    let ty = cursor.ty()?;
    let bits = 8 * ty.bytes() as u32;
    if base == "bfi" {
        if !matches!(ty, Type::B32 | Type::B64) {
            return Err("`bfi` is for .b32 and .b64".to_owned());
        }
        return super::lanes::map4(
            cursor,
            [ty, ty, ty, Type::U32, Type::U32],
            move |a: u64, b: u64, at: u32, n: u32| {
                let (at, n) = (at & 0xff, n & 0xff);
                let width = if n >= 64 { u64::MAX } else { (1 << n) - 1 };
                let mask = width.checked_shl(at).unwrap_or(0) & (u64::MAX >> (64 - bits));
                b & !mask | a.checked_shl(at).unwrap_or(0) & mask
            },
        );
    }
    if !matches!(ty, Type::U32 | Type::S32 | Type::U64 | Type::S64) {
        return Err("`bfe` is for .u32, .s32, .u64 and .s64".to_owned());
    }
    let (signed, rest) = (ty.is_signed(), 64 - bits);
    map3(cursor, [ty, ty, Type::U32, Type::U32], move |a: u64, at: u32, n: u32| {
        let (at, n) = (at & 0xff, n & 0xff);
        // What lies beyond the operand is its sign, and so is what lies beyond the field.
        let a = if signed { ((a << rest) as i64 >> rest >> at.min(63)) as u64 } else { a.checked_shr(at).unwrap_or(0) };
        let out = match 64 - n.min(64) {
            64 => 0,
            past if signed => ((a << past) as i64 >> past) as u64,
            past => a << past >> past,
        };
        out & (u64::MAX >> rest)
    })
}

fn count(base: &str, cursor: &mut Cursor) -> Decoded {
    let shift_amount = cursor.flag("shiftamt");
    let ty = cursor.ty()?;
    let to = [Type::U32, ty];
    match (base, ty) {
        ("popc", Type::B32) => map1(cursor, to, u32::count_ones),
        ("popc", Type::B64) => map1(cursor, to, u64::count_ones),
        ("clz", Type::B32) => map1(cursor, to, u32::leading_zeros),
        ("clz", Type::B64) => map1(cursor, to, u64::leading_zeros),
        ("brev", Type::B32) => map1(cursor, [ty; 2], u32::reverse_bits),
        ("brev", Type::B64) => map1(cursor, [ty; 2], u64::reverse_bits),
        ("bfind", Type::U32 | Type::S32 | Type::U64 | Type::S64) => {
            let (bits, signed) = (8 * ty.bytes() as u32, ty.is_signed());
            map1(cursor, to, move |a: u64| {
                let negative = signed && a >> (bits - 1) & 1 != 0;
                let a = if negative { !a & (u64::MAX >> (64 - bits)) } else { a };
                match a {
                    0 => u32::MAX,
                    a if shift_amount => bits - 1 - (63 - a.leading_zeros()),
                    a => 63 - a.leading_zeros(),
                }
            })
        }
        _ => Err(format!("`{base}` on .{} is not known", ty.name())),
    }
}

fn mask(base: &str, cursor: &mut Cursor) -> Decoded {
    let clamp = cursor.one_of(&["clamp", "wrap"]).ok_or("expected `.clamp` or `.wrap`")? == "clamp";
    let ty = cursor.ty()?;
    match (base, ty) {
        ("bmsk", Type::B32) => map2(cursor, [ty; 3], move |at: u32, n: u32| {
            let (at, n) = if clamp { (at.min(32), n.min(32)) } else { (at & 31, n & 31) };
            (((1u64 << n) - 1) << at) as u32
        }),
        ("szext", Type::U32) => map2(cursor, [ty, ty, Type::U32], move |a: u32, n: u32| {
            let n = if clamp { n.min(32) } else { n & 31 };
            (u64::from(a) & ((1 << n) - 1)) as u32
        }),
        ("szext", Type::S32) => map2(cursor, [ty, ty, Type::U32], move |a: u32, n: u32| {
            let n = if clamp { n.min(32) } else { n & 31 };
            if n == 0 { 0 } else { ((a << (32 - n)) as i32 >> (32 - n)) as u32 }
        }),
        _ => Err(format!("`{base}` on .{} is not known", ty.name())),
    }
}

/// `fns`: the place of the n-th set bit from a base, up or down.
fn fns(_: &str, cursor: &mut Cursor) -> Decoded {
    let ty = cursor.ty()?;
    if ty != Type::B32 {
        return Err("`fns` is for .b32".to_owned());
    }
    map3(cursor, [ty, ty, Type::U32, Type::S32], |mask: u32, base: u32, offset: i32| {
        let set = |i: i64| (0..32).contains(&i) && mask >> i & 1 != 0;
        let base = i64::from(base & 31);
        if offset == 0 {
            return if set(base) { base as u32 } else { u32::MAX };
        }
        let (step, mut left) = (i64::from(offset.signum()), offset.unsigned_abs());
        let mut at = base;
        while (0..32).contains(&at) {
            if set(at) {
                left -= 1;
                if left == 0 {
                    return at as u32;
                }
            }
            at += step;
        }
        u32::MAX
    })
}
