//! Arithmetic of `.f16`, `.f16x2`, `.bf16` and `.bf16x2`, and their `ex2.approx` and `tanh.approx`.
//!
//! Each result is the exact one, rounded once. Sums and products of halves are computed in `f64` and rounded to odd on the
//! way, which keeps what the last rounding must know (Boldo and Melquiond, *Emulation of FMA and correctly rounded sums:
//! proved algorithms using rounding to odd*, 2008).

use super::Decoded;
use super::cursor::Cursor;
use super::lanes::{map1, map2, map3};
use crate::ptx::Type;

/// The NaN that the instructions give, in both formats.
const NAN: u16 = 0x7fff;

/// One of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// IEEE 754 binary16.
    F16,
    /// The upper half of an `f32`.
    BF16,
}

impl Format {
    /// The format of a half type, and whether a register holds two.
    pub fn of(ty: Type) -> Option<(Format, bool)> {
        Some(match ty {
            Type::F16 => (Format::F16, false),
            Type::F16x2 => (Format::F16, true),
            Type::BF16 => (Format::BF16, false),
            Type::BF16x2 => (Format::BF16, true),
            _ => return None,
        })
    }

    /// The value of `bits`, exactly.
    #[inline(always)]
    pub fn value(self, bits: u16) -> f32 {
        match self {
            // Shifted into place, the exponent is 112 too small, of infinities and NaN another 112: no branch a lane.
            Format::F16 => {
                let x = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
                let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
                f32::from_bits(x.to_bits() | special | u32::from(bits & 0x8000) << 16)
            }
            Format::BF16 => f32::from_bits(u32::from(bits) << 16),
        }
    }

    /// The nearest number of the format, ties to even.
    #[inline(always)]
    pub fn round(self, x: f64) -> u16 {
        if x.is_nan() {
            return NAN;
        }
        match self {
            Format::F16 => f16_of(to_odd(x)),
            Format::BF16 => {
                let bits = to_odd(x).to_bits();
                ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
            }
        }
    }

    fn is_subnormal(self, bits: u16) -> bool {
        let exponent = if self == Format::F16 { 0x7c00 } else { 0x7f80 };
        bits & exponent == 0 && bits & 0x7fff != 0
    }

    /// Zero with the number's sign, if it is subnormal.
    pub fn flush(self, bits: u16) -> u16 {
        if self.is_subnormal(bits) { bits & 0x8000 } else { bits }
    }

    fn is_nan(self, bits: u16) -> bool {
        self.value(bits).is_nan()
    }

    /// The nearest number to `a + b`.
    pub fn add(self, a: u16, b: u16) -> u16 {
        self.round(sum_to_odd(self.value(a).into(), self.value(b).into()))
    }

    /// The smaller of two numbers, or the larger; -0 is below +0, and a NaN gives way to a number.
    pub fn extremum(self, a: u16, b: u16, larger: bool) -> u16 {
        match (self.is_nan(a), self.is_nan(b)) {
            (true, true) => NAN,
            (true, false) => b,
            (false, true) => a,
            // As integers the bits of numbers of a sign have their order, and a sign bit is below none.
            _ => {
                let key = |x: u16| if x & 0x8000 != 0 { (x ^ 0x7fff) as i16 } else { x as i16 };
                if (key(a) > key(b)) == larger { a } else { b }
            }
        }
    }
}

/// The bits of the `f16` nearest to a number that is not NaN.
#[inline(always)]
fn f16_of(x: f32) -> u16 {
    let (sign, size) = ((x.to_bits() >> 16) as u16 & 0x8000, x.to_bits() & 0x7fff_ffff);
    let bits = if size < 0x3880_0000 {
        // Below 2⁻¹⁴ the fraction is counted in 2⁻²⁴, which is the last place of numbers from 0.5 to 1.
        (f32::from_bits(size) + 0.5).to_bits() - 0x3f00_0000
    } else {
        // What rounds up past the greatest number is infinity by its carry.
        ((size.min(0x4780_0000) + 0xfff + (size >> 13 & 1)) >> 13) - (112 << 10)
    };
    bits as u16 | sign
}

/// `x` as an `f32`, rounded to the neighbour whose last bit is set unless it is exact.
#[inline(always)]
fn to_odd(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) == x || near.to_bits() & 1 == 1 {
        return near;
    }
    // The other neighbour lies towards x; both it and an infinity's predecessor are odd.
    let away = (f64::from(near.abs())) < x.abs();
    f32::from_bits(if away { near.to_bits() + 1 } else { near.to_bits() - 1 })
}

/// `a + b`, rounded to the neighbour whose last bit is set unless it is exact.
#[inline(always)]
fn sum_to_odd(a: f64, b: f64) -> f64 {
    let sum = a + b;
    // What the sum lost, exactly (Knuth's two-sum).
    let back = sum - a;
    let error = (a - (sum - back)) + (b - back);
    if error == 0.0 || !error.is_finite() || sum.to_bits() & 1 == 1 {
        return sum;
    }
    let away = (error > 0.0) == (sum > 0.0);
    f64::from_bits(if away { sum.to_bits() + 1 } else { sum.to_bits() - 1 })
}

/// What `.ftz`, `.sat` and `.relu` do with operands and results.
#[derive(Clone, Copy)]
struct Finish {
    format: Format,
    ftz: bool,
    sat: bool,
    relu: bool,
}

impl Finish {
    #[inline(always)]
    fn operand(self, bits: u16) -> u16 {
        if self.ftz { self.format.flush(bits) } else { bits }
    }

    #[inline(always)]
    fn value(self, bits: u16) -> f64 {
        self.format.value(self.operand(bits)).into()
    }

    #[inline(always)]
    fn result(self, x: f64) -> u16 {
        if self.sat && (x.is_nan() || x <= 0.0) || self.relu && x <= 0.0 {
            return 0;
        }
        self.operand(self.format.round(if self.sat { x.min(1.0) } else { x }))
    }
}

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    let names = ["add", "sub", "mul", "fma", "neg", "abs", "min", "max", "ex2", "tanh"];
    let (format, packed) = Format::of(cursor.last_type()?)?;
    names.contains(&base).then(|| arithmetic(base, cursor, format, packed))
}

fn arithmetic(base: &str, cursor: &mut Cursor, format: Format, packed: bool) -> Decoded {
    if matches!(base, "ex2" | "tanh") && !cursor.flag("approx") {
        return Err("expected `.approx`".to_owned());
    }
    let sums = matches!(base, "add" | "sub" | "mul" | "fma");
    if sums && cursor.one_of(&["rn"]).is_none() && base == "fma" {
        return Err("expected `.rn`".to_owned());
    }
    let full = format == Format::F16 || base == "ex2";
    let ftz = full && base != "tanh" && cursor.flag("ftz");
    let sat = full && sums && cursor.flag("sat");
    let relu = base == "fma" && cursor.flag("relu");
    let extremum = matches!(base, "min" | "max");
    let keep_nan = extremum && cursor.flag("NaN");
    let xorsign = extremum && cursor.flag("xorsign");
    if xorsign && !cursor.flag("abs") {
        return Err("expected `.xorsign.abs`".to_owned());
    }
    let ty = cursor.ty()?;
    if Format::of(ty) != Some((format, packed)) {
        return Err(format!("`{base}` on .{} with a half is not known", ty.name()));
    }
    let end = Finish { format, ftz, sat, relu };
    let larger = base == "max";
    let f = move |x: u16| end.value(x);
    match base {
        "add" => two(cursor, ty, packed, move |a, b| end.result(sum_to_odd(f(a), f(b)))),
        "sub" => two(cursor, ty, packed, move |a, b| end.result(sum_to_odd(f(a), -f(b)))),
        // A product of halves has few enough bits for an f64.
        "mul" => two(cursor, ty, packed, move |a, b| end.result(f(a) * f(b))),
        "fma" => three(cursor, ty, packed, move |a, b, c| end.result(sum_to_odd(f(a) * f(b), f(c)))),
        "neg" => one(cursor, ty, packed, move |a| end.operand(a) ^ 0x8000),
        "abs" => one(cursor, ty, packed, move |a| end.operand(a) & 0x7fff),
        "min" | "max" => two(cursor, ty, packed, move |a, b| {
            let (a, b) = (end.operand(a), end.operand(b));
            if keep_nan && (format.is_nan(a) || format.is_nan(b)) {
                return NAN;
            }
            if xorsign {
                let found = format.extremum(a & 0x7fff, b & 0x7fff, larger);
                return if format.is_nan(found) { NAN } else { found | (a ^ b) & 0x8000 };
            }
            format.extremum(a, b, larger)
        }),
        "ex2" => one(cursor, ty, packed, move |a| end.result(f(a).exp2())),
        _ => one(cursor, ty, packed, move |a| end.result(f(a).tanh())),
    }
}

fn pair(low: u16, high: u16) -> u32 {
    u32::from(low) | u32::from(high) << 16
}

fn low(x: u32) -> u16 {
    x as u16
}

fn high(x: u32) -> u16 {
    (x >> 16) as u16
}

fn one(cursor: &mut Cursor, ty: Type, packed: bool, f: impl Fn(u16) -> u16 + Send + Sync + Copy + 'static) -> Decoded {
    if packed {
        return map1(cursor, [ty; 2], move |a: u32| pair(f(low(a)), f(high(a))));
    }
    map1(cursor, [ty; 2], f)
}

fn two(
    cursor: &mut Cursor,
    ty: Type,
    packed: bool,
    f: impl Fn(u16, u16) -> u16 + Send + Sync + Copy + 'static,
) -> Decoded {
    if packed {
        return map2(cursor, [ty; 3], move |a: u32, b: u32| pair(f(low(a), low(b)), f(high(a), high(b))));
    }
    map2(cursor, [ty; 3], f)
}

fn three(
    cursor: &mut Cursor,
    ty: Type,
    packed: bool,
    f: impl Fn(u16, u16, u16) -> u16 + Send + Sync + Copy + 'static,
) -> Decoded {
    if packed {
        return map3(cursor, [ty; 4], move |a: u32, b: u32, c: u32| {
            pair(f(low(a), low(b), low(c)), f(high(a), high(b), high(c)))
        });
    }
    map3(cursor, [ty; 4], f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_to_odd_rounds_once() {
        // Just above a tie of bf16: 1 + 2^-8 lies between 1 and 1 + 2^-7.
        assert_eq!(Format::BF16.round(1.0 + 1.0 / 256.0), 0x3f80);
        assert_eq!(Format::BF16.round(1.0 + 1.0 / 256.0 + f64::EPSILON), 0x3f81);
        assert_eq!(Format::BF16.round(sum_to_odd(1.0 + 1.0 / 256.0, 1e-30)), 0x3f81);
        assert_eq!(Format::BF16.round(sum_to_odd(1.0 + 3.0 / 256.0, -1e-30)), 0x3f81);
        assert_eq!(Format::F16.round(1.0 + 1.0 / 2048.0), 0x3c00);
        assert_eq!(Format::F16.round(1.0 + 1.0 / 2048.0 + 1e-15), 0x3c01);
        // The largest numbers, what rounds up to infinity, and the smallest.
        assert_eq!(Format::F16.round(65519.999), 0x7bff);
        assert_eq!(Format::F16.round(65520.0), 0x7c00);
        assert_eq!(Format::F16.round(2f64.powi(-25)), 0);
        assert_eq!(Format::F16.round(2f64.powi(-25) * 1.000001), 1);
        assert_eq!(Format::BF16.round(-1e300), 0xff80);
        assert_eq!(Format::BF16.round(f64::NAN), NAN);
    }

    #[test]
    fn every_half_comes_back_and_ties_go_to_even() {
        for bits in 0..=u16::MAX {
            let x = half::f16::from_bits(bits);
            if x.is_nan() {
                assert!(Format::F16.value(bits).is_nan() && Format::BF16.value(0x7f81).is_nan());
                continue;
            }
            assert_eq!(Format::F16.value(bits).to_bits(), x.to_f32().to_bits(), "{bits:#x}");
            assert_eq!(Format::F16.round(x.to_f64()), bits);
            // Around the middle between this one and the next.
            let middle = f64::midpoint(x.to_f64(), half::f16::from_bits(bits ^ 1).to_f64());
            for x in [middle.next_down(), middle, middle.next_up()].into_iter().filter(|x| x.is_finite()) {
                assert_eq!(Format::F16.round(x), half::f16::from_f32(to_odd(x)).to_bits(), "{x:e}");
                assert_eq!(Format::BF16.round(x), half::bf16::from_f32(to_odd(x)).to_bits(), "{x:e}");
            }
        }
    }

    #[test]
    fn extrema_know_zeros_and_nan() {
        let f = Format::F16;
        assert_eq!(f.extremum(0x8000, 0, false), 0x8000);
        assert_eq!(f.extremum(0x8000, 0, true), 0);
        assert_eq!(f.extremum(0xbc00, 0xc000, false), 0xc000);
        assert_eq!(f.extremum(0xbc00, 0xc000, true), 0xbc00);
        assert_eq!(f.extremum(0x7e01, 0x3c00, false), 0x3c00);
        assert_eq!(f.extremum(0x7e01, 0xfe00, false), NAN);
    }
}
