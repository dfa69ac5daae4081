//! Integer arithmetic: `add`, `sub`, `mul`, `mad`, `div`, `rem`, `abs`, `neg`, `min`, `max`, `sad`, `dp4a`, `dp2a`, the 24-bit
//! products, and arithmetic with the carry.

use super::Decoded;
use super::cursor::Cursor;
use super::lanes::{map1, map2, map3};
use crate::machine::{Block, Flow, Instruction, Lanes, Trouble, WARP, Warp};
use crate::ptx::Type;

/// Runs `$body` with `$t` as the Rust integer of a type.
macro_rules! with_integer {
    ($ty:expr, $t:ident => $body:expr) => {
        match $ty {
            Type::U16 | Type::B16 => {
                type $t = u16;
                $body
            }
            Type::S16 => {
                type $t = i16;
                $body
            }
            Type::U32 | Type::B32 => {
                type $t = u32;
                $body
            }
            Type::S32 => {
                type $t = i32;
                $body
            }
            Type::U64 | Type::B64 => {
                type $t = u64;
                $body
            }
            Type::S64 => {
                type $t = i64;
                $body
            }
            other => Err(format!("integer arithmetic on .{} is not known", other.name())),
        }
    };
}
pub(super) use with_integer;

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    let names = [
        "add", "addc", "sub", "subc", "mul", "mad", "madc", "mul24", "mad24", "div", "rem", "abs", "neg", "min", "max",
        "sad", "dp4a", "dp2a",
    ];
    if !names.contains(&base) || cursor.last_type().is_some_and(Type::is_float) {
        return None;
    }
    Some(arithmetic(base, cursor))
}

fn arithmetic(base: &str, cursor: &mut Cursor) -> Decoded {
    if matches!(base, "dp4a" | "dp2a") {
        return dot(base, cursor);
    }
    let width = cursor.one_of(&["lo", "hi", "wide"]);
    let carry_out = cursor.flag("cc");
    let saturate = cursor.flag("sat");
    let ty = cursor.ty()?;
    if carry_out || base.ends_with('c') && base != "sad" {
        return carry(cursor, base, width, ty, carry_out);
    }
    let two = [ty; 3];
    if saturate {
        return match (base, ty) {
            ("add", Type::S32) => map2(cursor, two, |a: i32, b: i32| a.saturating_add(b)),
            ("sub", Type::S32) => map2(cursor, two, |a: i32, b: i32| a.saturating_sub(b)),
            ("mad", Type::S32) if width == Some("hi") => map3(cursor, [ty; 4], |a: i32, b: i32, c: i32| {
                (((i64::from(a) * i64::from(b)) >> 32) as i32).saturating_add(c)
            }),
            ("mad24", Type::S32) if width == Some("hi") => {
                map3(cursor, [ty; 4], |a: i32, b: i32, c: i32| (((low24(a) * low24(b)) >> 16) as i32).saturating_add(c))
            }
            _ => Err("`.sat` is for .s32".to_owned()),
        };
    }
    match (base, width) {
        ("add", None) => with_integer!(ty, T => map2(cursor, two, |a: T, b: T| a.wrapping_add(b))),
        ("sub", None) => with_integer!(ty, T => map2(cursor, two, |a: T, b: T| a.wrapping_sub(b))),
        ("mul", Some("lo")) => with_integer!(ty, T => map2(cursor, two, |a: T, b: T| a.wrapping_mul(b))),
        ("mul", Some("hi")) => {
            with_integer!(ty, T => map2(cursor, two, |a: T, b: T| high(a as i128, b as i128, T::BITS) as T))
        }
        ("mad", Some("lo")) => {
            with_integer!(ty, T => map3(cursor, [ty; 4], |a: T, b: T, c: T| a.wrapping_mul(b).wrapping_add(c)))
        }
        ("mad", Some("hi")) => with_integer!(ty, T => map3(cursor, [ty; 4], |a: T, b: T, c: T| {
            (high(a as i128, b as i128, T::BITS) as T).wrapping_add(c)
        })),
        ("mul", Some("wide")) => match ty {
            Type::U16 => map2(cursor, [Type::U32, ty, ty], |a: u16, b: u16| u32::from(a) * u32::from(b)),
            Type::S16 => map2(cursor, [Type::S32, ty, ty], |a: i16, b: i16| i32::from(a) * i32::from(b)),
            Type::U32 => map2(cursor, [Type::U64, ty, ty], |a: u32, b: u32| u64::from(a) * u64::from(b)),
            Type::S32 => map2(cursor, [Type::S64, ty, ty], |a: i32, b: i32| i64::from(a) * i64::from(b)),
            _ => Err("`.wide` is for 16 and 32 bits".to_owned()),
        },
        ("mad", Some("wide")) => match ty {
            Type::U16 => map3(cursor, [Type::U32, ty, ty, Type::U32], |a: u16, b: u16, c: u32| {
                (u32::from(a) * u32::from(b)).wrapping_add(c)
            }),
            Type::S16 => map3(cursor, [Type::S32, ty, ty, Type::S32], |a: i16, b: i16, c: i32| {
                (i32::from(a) * i32::from(b)).wrapping_add(c)
            }),
            Type::U32 => map3(cursor, [Type::U64, ty, ty, Type::U64], |a: u32, b: u32, c: u64| {
                (u64::from(a) * u64::from(b)).wrapping_add(c)
            }),
            Type::S32 => map3(cursor, [Type::S64, ty, ty, Type::S64], |a: i32, b: i32, c: i64| {
                (i64::from(a) * i64::from(b)).wrapping_add(c)
            }),
            _ => Err("`.wide` is for 16 and 32 bits".to_owned()),
        },
        ("mul24", Some(half)) => {
            let shift = if half == "hi" { 16 } else { 0 };
            match ty {
                Type::U32 => map2(cursor, two, move |a: u32, b: u32| {
                    ((u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff)) >> shift) as u32
                }),
                Type::S32 => map2(cursor, two, move |a: i32, b: i32| ((low24(a) * low24(b)) >> shift) as i32),
                _ => Err("24-bit products are for 32 bits".to_owned()),
            }
        }
        ("mad24", Some(half)) => {
            let shift = if half == "hi" { 16 } else { 0 };
            match ty {
                Type::U32 => map3(cursor, [ty; 4], move |a: u32, b: u32, c: u32| {
                    (((u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff)) >> shift) as u32).wrapping_add(c)
                }),
                Type::S32 => map3(cursor, [ty; 4], move |a: i32, b: i32, c: i32| {
                    (((low24(a) * low24(b)) >> shift) as i32).wrapping_add(c)
                }),
                _ => Err("24-bit products are for 32 bits".to_owned()),
            }
        }
        // What a division by zero gives is unspecified; the hardware gives all ones, and the dividend as the rest.
        ("div", None) => {
            with_integer!(ty, T => map2(cursor, two, |a: T, b: T| if b == 0 { !0 } else { a.wrapping_div(b) }))
        }
        ("rem", None) => {
            with_integer!(ty, T => map2(cursor, two, |a: T, b: T| if b == 0 { a } else { a.wrapping_rem(b) }))
        }
        ("min", None) => with_integer!(ty, T => map2(cursor, two, |a: T, b: T| a.min(b))),
        ("max", None) => with_integer!(ty, T => map2(cursor, two, |a: T, b: T| a.max(b))),
        ("abs", None) => match ty {
            Type::S16 => map1(cursor, [ty; 2], i16::wrapping_abs),
            Type::S32 => map1(cursor, [ty; 2], i32::wrapping_abs),
            Type::S64 => map1(cursor, [ty; 2], i64::wrapping_abs),
            _ => Err("`abs` is for signed integers".to_owned()),
        },
        ("neg", None) => match ty {
            Type::S16 => map1(cursor, [ty; 2], i16::wrapping_neg),
            Type::S32 => map1(cursor, [ty; 2], i32::wrapping_neg),
            Type::S64 => map1(cursor, [ty; 2], i64::wrapping_neg),
            _ => Err("`neg` is for signed integers".to_owned()),
        },
        ("sad", None) => {
            with_integer!(ty, T => map3(cursor, [ty; 4], |a: T, b: T, c: T| c.wrapping_add(a.abs_diff(b) as T)))
        }
        _ => Err("expected `.lo`, `.hi` or `.wide` here, or none of them".to_owned()),
    }
}

/// The sign-extended low 24 bits.
fn low24(x: i32) -> i64 {
    i64::from(x << 8 >> 8)
}

/// The upper half of a product of integers of `bits` bits.
fn high(a: i128, b: i128, bits: u32) -> i128 {
    // Two u64 may overflow an i128 only in its sign bit, which the shift back to 64 bits drops.
    (a.wrapping_mul(b) as u128 >> bits) as i128
}

/// `dp4a` and `dp2a`: a dot product of bytes (and halves) plus a number.
fn dot(base: &str, cursor: &mut Cursor) -> Decoded {
    let high = match (base, cursor.one_of(&["lo", "hi"])) {
        ("dp4a", None) => None,
        ("dp2a", Some(half)) => Some(half == "hi"),
        _ => return Err("expected `dp4a.type.type`, `dp2a.lo` or `dp2a.hi`".to_owned()),
    };
    let [a_signed, b_signed] = [cursor.ty()?, cursor.ty()?].map(Type::is_signed);
    let byte = move |x: u32, i: u32, signed: bool| {
        let b = (x >> (8 * i)) as u8;
        if signed { i32::from(b as i8) } else { i32::from(b) }
    };
    map3(cursor, [Type::B32; 4], move |a: u32, b: u32, c: u32| {
        let sum: i32 = match high {
            None => (0..4).map(|i| byte(a, i, a_signed) * byte(b, i, b_signed)).fold(0, i32::wrapping_add),
            Some(high) => (0..2)
                .map(|i| {
                    let half = (a >> (16 * i)) as u16;
                    let half = if a_signed { i32::from(half as i16) } else { i32::from(half) };
                    half.wrapping_mul(byte(b, i + 2 * u32::from(high), b_signed))
                })
                .fold(0, i32::wrapping_add),
        };
        c.wrapping_add(sum as u32)
    })
}

/// Arithmetic that reads or writes the carry.
struct Carry {
    d: u32,
    a: u32,
    b: u32,
    c: Option<u32>,
    /// The carry's predicate.
    carry: u32,
    reads: bool,
    writes: bool,
    bits: u32,
    sum: fn(u128, u128, u128, bool, u32) -> (u128, bool),
}

impl Instruction for Carry {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let carry = if self.reads { warp.predicates[self.carry as usize] } else { 0 };
        let (mut out, mut carries): (Lanes, u32) = ([0; WARP], 0);
        for (lane, out) in out.iter_mut().enumerate() {
            let register = |r: u32| u128::from(warp.registers[r as usize][lane]);
            let c = self.c.map_or(0, register);
            let (value, carried) = (self.sum)(register(self.a), register(self.b), c, carry >> lane & 1 != 0, self.bits);
            *out = (value & ((1 << self.bits) - 1)) as u64;
            carries |= u32::from(carried) << lane;
        }
        warp.write(self.d, mask, &out);
        if self.writes {
            warp.write_predicate(self.carry, mask, carries);
        }
        Ok(Flow::Next)
    }
}

fn carry(cursor: &mut Cursor, base: &str, width: Option<&str>, ty: Type, writes: bool) -> Decoded {
    let bits = match ty {
        Type::U32 | Type::S32 => 32,
        Type::U64 | Type::S64 => 64,
        _ => return Err("arithmetic with the carry is for 32 and 64 bits".to_owned()),
    };
    type Sum = fn(u128, u128, u128, bool, u32) -> (u128, bool);
    let sum: Sum = match (base, width, ty.is_signed()) {
        ("add" | "addc", None, _) => |a, b, _, carry, bits| {
            let sum = a + b + u128::from(carry);
            (sum, sum >> bits != 0)
        },
        ("sub" | "subc", None, _) => |a, b, _, borrow, _| {
            let b = b + u128::from(borrow);
            (a.wrapping_sub(b), a < b)
        },
        ("mad" | "madc", Some("lo"), _) => |a, b, c, carry, bits| {
            let low = a.wrapping_mul(b) & ((1 << bits) - 1);
            let sum = low + c + u128::from(carry);
            (sum, sum >> bits != 0)
        },
        ("mad" | "madc", Some("hi"), false) => |a, b, c, carry, bits| {
            let sum = (a.wrapping_mul(b) >> bits) + c + u128::from(carry);
            (sum, sum >> bits != 0)
        },
        ("mad" | "madc", Some("hi"), true) => |a, b, c, carry, bits| {
            let sign = |x: u128| (x << (128 - bits)) as i128 >> (128 - bits);
            let high = (sign(a).wrapping_mul(sign(b)) >> bits) as u128 & ((1 << bits) - 1);
            let sum = high + c + u128::from(carry);
            (sum, sum >> bits != 0)
        },
        _ => return Err("expected `add`, `sub`, `mad.lo` or `mad.hi` with the carry".to_owned()),
    };
    let d = cursor.destination(ty)?;
    let (a, b) = (cursor.source(ty)?, cursor.source(ty)?);
    let c = if base.starts_with("mad") { Some(cursor.source(ty)?) } else { None };
    let reads = base.ends_with('c');
    Ok(Box::new(Carry { d, a, b, c, carry: cursor.carry(), reads, writes, bits, sum }))
}
