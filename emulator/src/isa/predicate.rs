//! Predicates: `setp`, `set`, `selp`, `slct`, `testp`, and logic of predicates.

use super::Decoded;
use super::cursor::Cursor;
use super::half::Format;
use super::integer::with_integer;
use super::lanes::{Lane, map3};
use super::rounding::flush;
use crate::machine::{Block, Flow, Instruction, Lanes, Trouble, WARP, Warp};
use crate::ptx::Type;
use half::{bf16, f16};
use std::cmp::Ordering;

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    Some(match base {
        "setp" => setp(cursor),
        "set" => set(cursor),
        "selp" => selp(cursor),
        "slct" => slct(cursor),
        "and" | "or" | "xor" | "not" | "mov" if cursor.last_type() == Some(Type::Pred) => logic(base, cursor),
        _ => return None,
    })
}

/// Compares two registers: a bit a lane.
type Compare = Box<dyn Fn(&Lanes, &Lanes) -> u32 + Send + Sync>;

/// A comparison by its name, of what `read` makes of the bits.
fn comparison<T: Lane + PartialOrd>(
    name: &str,
    read: impl Fn(u64) -> T + Send + Sync + Copy + 'static,
) -> Option<Compare> {
    fn boxed<T>(
        read: impl Fn(u64) -> T + Send + Sync + 'static,
        f: impl Fn(T, T) -> bool + Send + Sync + 'static,
    ) -> Compare {
        Box::new(move |a, b| (0..WARP).fold(0, |bits, lane| bits | u32::from(f(read(a[lane]), read(b[lane]))) << lane))
    }
    Some(match name {
        "eq" => boxed(read, |a, b| a == b),
        // `ne` of an ordered comparison is false where either is NaN.
        "ne" => boxed(read, |a, b| matches!(a.partial_cmp(&b), Some(Ordering::Less | Ordering::Greater))),
        "lt" | "lo" => boxed(read, |a, b| a < b),
        "le" | "ls" => boxed(read, |a, b| a <= b),
        "gt" | "hi" => boxed(read, |a, b| a > b),
        "ge" | "hs" => boxed(read, |a, b| a >= b),
        "equ" => boxed(read, |a, b| matches!(a.partial_cmp(&b), None | Some(Ordering::Equal))),
        "neu" => boxed(read, |a, b| a != b),
        "ltu" => boxed(read, |a, b| matches!(a.partial_cmp(&b), None | Some(Ordering::Less))),
        "leu" => boxed(read, |a, b| !matches!(a.partial_cmp(&b), Some(Ordering::Greater))),
        "gtu" => boxed(read, |a, b| matches!(a.partial_cmp(&b), None | Some(Ordering::Greater))),
        "geu" => boxed(read, |a, b| !matches!(a.partial_cmp(&b), Some(Ordering::Less))),
        "num" => boxed(read, |a, b| a.partial_cmp(&b).is_some()),
        "nan" => boxed(read, |a, b| a.partial_cmp(&b).is_none()),
        _ => return None,
    })
}

const COMPARISONS: [&str; 18] = [
    "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan",
];

/// The comparison `name` of type `ty`.
fn compare(name: &str, ty: Type, ftz: bool) -> Result<Compare, String> {
    let unordered = matches!(name, "equ" | "neu" | "ltu" | "leu" | "gtu" | "geu" | "num" | "nan");
    if !ty.is_float() && unordered {
        return Err(format!("`.{name}` is for floating point"));
    }
    let found = match ty {
        Type::F32 if ftz => comparison(name, |a| flush(f32::from_bits(a as u32))),
        Type::F16 if ftz => comparison(name, |a| f16::from_bits(Format::F16.flush(a as u16))),
        _ if ftz => return Err("`.ftz` is for .f32 and .f16".to_owned()),
        Type::F32 => comparison(name, |a| f32::from_bits(a as u32)),
        Type::F64 => comparison(name, f64::from_bits),
        Type::F16 => comparison(name, |a| f16::from_bits(a as u16)),
        Type::BF16 => comparison(name, |a| bf16::from_bits(a as u16)),
        _ => with_integer!(ty, T => Ok::<_, String>(comparison(name, |a| a as T)))?,
    };
    found.ok_or_else(|| format!("`.{name}` is no comparison of .{}", ty.name()))
}

/// How a comparison is combined with a predicate.
#[derive(Clone, Copy)]
enum Combine {
    And,
    Or,
    Xor,
}

impl Combine {
    fn of(self, a: u32, b: u32) -> u32 {
        match self {
            Combine::And => a & b,
            Combine::Or => a | b,
            Combine::Xor => a ^ b,
        }
    }
}

fn combine(cursor: &mut Cursor) -> Option<Combine> {
    Some(match cursor.one_of(&["and", "or", "xor"])? {
        "and" => Combine::And,
        "or" => Combine::Or,
        _ => Combine::Xor,
    })
}

/// A comparison of two registers, perhaps combined with a predicate.
struct Comparison {
    compare: Compare,
    /// Whether the registers hold two halves each.
    packed: bool,
    a: u32,
    b: u32,
    with: Option<(Combine, (u32, bool))>,
}

impl Comparison {
    /// Where it holds and where it does not; of two halves, where it holds for the lower and for the upper.
    fn sides(&self, warp: &Warp) -> [u32; 2] {
        let (a, b) = (&warp.registers[self.a as usize], &warp.registers[self.b as usize]);
        let sides = if self.packed {
            [0, 16].map(|shift| (self.compare)(&a.map(|x| x >> shift & 0xffff), &b.map(|x| x >> shift & 0xffff)))
        } else {
            let holds = (self.compare)(a, b);
            [holds, !holds]
        };
        self.with.map_or(sides, |(combine, c)| sides.map(|side| combine.of(side, warp.predicate(c))))
    }
}

/// Reads the operands behind the destination: the comparison `name` of `ty`, with a predicate if `combine` says so.
fn comparands(
    cursor: &mut Cursor,
    name: &str,
    ty: Type,
    combine: Option<Combine>,
    ftz: bool,
) -> Result<Comparison, String> {
    let (element, packed) = match ty {
        Type::F16x2 => (Type::F16, true),
        Type::BF16x2 => (Type::BF16, true),
        _ => (ty, false),
    };
    let compare = compare(name, element, ftz)?;
    let (a, b) = (cursor.source(ty)?, cursor.source(ty)?);
    let with = match combine {
        Some(combine) => Some((combine, cursor.predicate()?)),
        None => None,
    };
    Ok(Comparison { compare, packed, a, b, with })
}

struct Setp {
    comparison: Comparison,
    p: u32,
    q: Option<u32>,
}

impl Instruction for Setp {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let [p, q] = self.comparison.sides(warp);
        warp.write_predicate(self.p, mask, p);
        if let Some(to) = self.q {
            warp.write_predicate(to, mask, q);
        }
        Ok(Flow::Next)
    }
}

fn setp(cursor: &mut Cursor) -> Decoded {
    let name = cursor.one_of(&COMPARISONS).ok_or("expected a comparison")?;
    let combine = combine(cursor);
    let ftz = cursor.flag("ftz");
    let ty = cursor.ty()?;
    let (p, q) = cursor.predicate_destinations()?;
    let comparison = comparands(cursor, name, ty, combine, ftz)?;
    if comparison.packed && q.is_none() {
        return Err("expected `p|q`".to_owned());
    }
    Ok(Box::new(Setp { comparison, p, q }))
}

/// `set`: all ones or 1.0 where the comparison holds, in each half where it is of halves.
struct Set {
    comparison: Comparison,
    d: u32,
    yes: u64,
}

impl Instruction for Set {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let [low, high] = self.comparison.sides(warp);
        let high = if self.comparison.packed { high } else { 0 };
        let one = |bits: u32, lane: usize| if bits >> lane & 1 != 0 { self.yes } else { 0 };
        let out = std::array::from_fn(|lane| one(low, lane) | one(high, lane) << 16);
        warp.write(self.d, mask, &out);
        Ok(Flow::Next)
    }
}

fn set(cursor: &mut Cursor) -> Decoded {
    let name = cursor.one_of(&COMPARISONS).ok_or("expected a comparison")?;
    let combine = combine(cursor);
    let ftz = cursor.flag("ftz");
    let (to, from) = (cursor.ty()?, cursor.ty()?);
    let packed = matches!(from, Type::F16x2 | Type::BF16x2);
    let yes = match to {
        Type::U32 | Type::S32 if packed => 0xffff,
        Type::F16x2 | Type::BF16x2 if to != from => 0,
        Type::F16x2 => u64::from(f16::ONE.to_bits()),
        Type::BF16x2 => u64::from(bf16::ONE.to_bits()),
        _ if packed => 0,
        Type::U32 | Type::S32 => 0xffff_ffff,
        Type::U16 | Type::S16 => 0xffff,
        Type::F32 => u64::from(1f32.to_bits()),
        Type::F16 => u64::from(f16::ONE.to_bits()),
        Type::BF16 => u64::from(bf16::ONE.to_bits()),
        _ => 0,
    };
    if yes == 0 {
        return Err(format!("`set` to .{} from .{} is not known", to.name(), from.name()));
    }
    let d = cursor.destination(to)?;
    Ok(Box::new(Set { comparison: comparands(cursor, name, from, combine, ftz)?, d, yes }))
}

struct Selp {
    d: u32,
    a: u32,
    b: u32,
    p: (u32, bool),
}

impl Instruction for Selp {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let p = warp.predicate(self.p);
        let (a, b) = (&warp.registers[self.a as usize], &warp.registers[self.b as usize]);
        let out = std::array::from_fn(|lane| if p >> lane & 1 != 0 { a[lane] } else { b[lane] });
        warp.write(self.d, mask, &out);
        Ok(Flow::Next)
    }
}

fn selp(cursor: &mut Cursor) -> Decoded {
    let ty = cursor.ty()?;
    let d = cursor.destination(ty)?;
    Ok(Box::new(Selp { d, a: cursor.source(ty)?, b: cursor.source(ty)?, p: cursor.predicate()? }))
}

/// `slct`: the first where the third is not negative; −0 is not, NaN is.
fn slct(cursor: &mut Cursor) -> Decoded {
    let ftz = cursor.flag("ftz");
    let (ty, by) = (cursor.ty()?, cursor.ty()?);
    let types = [ty, ty, ty, by];
    match by {
        Type::S32 if !ftz => map3(cursor, types, |a: u64, b: u64, c: i32| if c >= 0 { a } else { b }),
        Type::F32 => map3(
            cursor,
            types,
            move |a: u64, b: u64, c: f32| if (if ftz { flush(c) } else { c }) >= 0.0 { a } else { b },
        ),
        _ => Err("`slct` chooses by .s32 or .f32".to_owned()),
    }
}

struct Logic {
    d: u32,
    a: (u32, bool),
    b: Option<(Combine, (u32, bool))>,
}

impl Instruction for Logic {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let a = warp.predicate(self.a);
        let bits = self.b.map_or(a, |(combine, b)| combine.of(a, warp.predicate(b)));
        warp.write_predicate(self.d, mask, bits);
        Ok(Flow::Next)
    }
}

fn logic(base: &str, cursor: &mut Cursor) -> Decoded {
    cursor.flag("pred");
    let (d, q) = cursor.predicate_destinations()?;
    if q.is_some() {
        return Err("expected one predicate".to_owned());
    }
    let (p, negated) = cursor.predicate()?;
    let a = (p, negated != (base == "not"));
    let b = match base {
        "and" => Some((Combine::And, cursor.predicate()?)),
        "or" => Some((Combine::Or, cursor.predicate()?)),
        "xor" => Some((Combine::Xor, cursor.predicate()?)),
        _ => None,
    };
    Ok(Box::new(Logic { d, a, b }))
}

/// `testp`: the class of a number.
pub fn test(cursor: &mut Cursor) -> Decoded {
    let names = ["finite", "infinite", "number", "notanumber", "normal", "subnormal"];
    let name = cursor.one_of(&names).ok_or("expected the class of a number, such as `.finite`")?;
    let ty = cursor.ty()?;
    let read: fn(u64) -> f64 = match ty {
        // A subnormal `f32` is normal as `f64`: it is moved to where it stays subnormal.
        Type::F32 => |a| {
            let x = f32::from_bits(a as u32);
            if x.is_subnormal() { f64::from_bits(1) } else { f64::from(x) }
        },
        Type::F64 => f64::from_bits,
        _ => return Err("`testp` is for .f32 and .f64".to_owned()),
    };
    let class: fn(f64) -> bool = match name {
        "finite" => f64::is_finite,
        "infinite" => f64::is_infinite,
        "number" => |x| !x.is_nan(),
        "notanumber" => f64::is_nan,
        "normal" => f64::is_normal,
        _ => f64::is_subnormal,
    };
    let (p, q) = cursor.predicate_destinations()?;
    let a = cursor.source(ty)?;
    let compare: Compare = Box::new(move |a, _| (0..WARP).fold(0, |bits, l| bits | u32::from(class(read(a[l]))) << l));
    Ok(Box::new(Setp { comparison: Comparison { compare, packed: false, a, b: a, with: None }, p, q }))
}
