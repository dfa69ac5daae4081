//! Instructions that do the same in each lane: from registers to a register.

use super::Decoded;
use super::cursor::Cursor;
use crate::machine::{Block, Flow, Instruction, Lanes, Trouble, WARP, Warp};
use crate::ptx::Type;
use std::sync::LazyLock;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Runs `work` compiled for the best vector instructions of this machine.
#[inline(always)]
pub fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    ARCH.dispatch(work)
}

/// A value in a lane of a register, whose low bits it is.
pub trait Lane: Copy + Send + Sync + 'static {
    /// From the register's bits.
    fn from_bits(bits: u64) -> Self;
    /// To the register's bits, zero-extended.
    fn bits(self) -> u64;
}

macro_rules! integers {
    ($($signed:ty, $unsigned:ty;)+) => {$(
        impl Lane for $signed {
            #[inline(always)]
            fn from_bits(bits: u64) -> $signed {
                bits as $signed
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                u64::from(self as $unsigned)
            }
        }
        impl Lane for $unsigned {
            #[inline(always)]
            fn from_bits(bits: u64) -> $unsigned {
                bits as $unsigned
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                u64::from(self)
            }
        }
    )+};
}
integers! { i8, u8; i16, u16; i32, u32; i64, u64; }

macro_rules! floats {
    ($($float:ty, $bits:ty;)+) => {$(
        impl Lane for $float {
            #[inline(always)]
            fn from_bits(bits: u64) -> $float {
                <$float>::from_bits(bits as $bits)
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                u64::from(self.to_bits())
            }
        }
    )+};
}
floats! { f32, u32; f64, u64; half::f16, u16; half::bf16, u16; }

struct Map1<A, R, F> {
    f: F,
    d: u32,
    a: u32,
    types: std::marker::PhantomData<fn(A) -> R>,
}

impl<A: Lane, R: Lane, F: Fn(A) -> R + Send + Sync> Instruction for Map1<A, R, F> {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let a = &warp.registers[self.a as usize];
        let mut out: Lanes = [0; WARP];
        for (out, &a) in out.iter_mut().zip(a) {
            *out = (self.f)(A::from_bits(a)).bits();
        }
        warp.write(self.d, mask, &out);
        Ok(Flow::Next)
    }
}

struct Map2<A, B, R, F> {
    f: F,
    d: u32,
    a: u32,
    b: u32,
    types: std::marker::PhantomData<fn(A, B) -> R>,
}

impl<A: Lane, B: Lane, R: Lane, F: Fn(A, B) -> R + Send + Sync> Instruction for Map2<A, B, R, F> {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let (a, b) = (&warp.registers[self.a as usize], &warp.registers[self.b as usize]);
        let mut out: Lanes = [0; WARP];
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = (self.f)(A::from_bits(a), B::from_bits(b)).bits();
        }
        warp.write(self.d, mask, &out);
        Ok(Flow::Next)
    }
}

struct Map3<A, B, C, R, F> {
    f: F,
    d: u32,
    s: [u32; 3],
    types: std::marker::PhantomData<fn(A, B, C) -> R>,
}

impl<A: Lane, B: Lane, C: Lane, R: Lane, F: Fn(A, B, C) -> R + Send + Sync + Copy> Instruction for Map3<A, B, C, R, F> {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let [a, b, c] = self.s.map(|s| &warp.registers[s as usize]);
        let mut out: Lanes = [0; WARP];
        let f = self.f;
        // Without the machine's own instruction each multiply-add would be a call.
        vectorize(
            #[inline(always)]
            || {
                for (((out, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
                    *out = f(A::from_bits(a), B::from_bits(b), C::from_bits(c)).bits();
                }
            },
        );
        warp.write(self.d, mask, &out);
        Ok(Flow::Next)
    }
}

/// `d = f(a)`, with a result of type `to` from an operand of type `from`.
pub fn map1<A: Lane, R: Lane>(
    cursor: &mut Cursor,
    [to, from]: [Type; 2],
    f: impl Fn(A) -> R + Send + Sync + 'static,
) -> Decoded {
    let (d, a) = (cursor.destination(to)?, cursor.source(from)?);
    Ok(Box::new(Map1 { f, d, a, types: std::marker::PhantomData }))
}

/// As [`map1`], for registers that are known already.
pub fn boxed1<A: Lane, R: Lane>(d: u32, a: u32, f: impl Fn(A) -> R + Send + Sync + 'static) -> Box<dyn Instruction> {
    Box::new(Map1 { f, d, a, types: std::marker::PhantomData })
}

/// `d = f(a, b)`.
pub fn map2<A: Lane, B: Lane, R: Lane>(
    cursor: &mut Cursor,
    [to, a, b]: [Type; 3],
    f: impl Fn(A, B) -> R + Send + Sync + 'static,
) -> Decoded {
    let (d, a, b) = (cursor.destination(to)?, cursor.source(a)?, cursor.source(b)?);
    Ok(Box::new(Map2 { f, d, a, b, types: std::marker::PhantomData }))
}

/// `d = f(a, b, c)`.
pub fn map3<A: Lane, B: Lane, C: Lane, R: Lane>(
    cursor: &mut Cursor,
    [to, a, b, c]: [Type; 4],
    f: impl Fn(A, B, C) -> R + Send + Sync + Copy + 'static,
) -> Decoded {
    let d = cursor.destination(to)?;
    let s = [cursor.source(a)?, cursor.source(b)?, cursor.source(c)?];
    Ok(Box::new(Map3 { f, d, s, types: std::marker::PhantomData }))
}

/// What a function of four lanes takes and gives.
type Types4<A, B, C, D, R> = std::marker::PhantomData<fn(A, B, C, D) -> R>;

struct Map4<A, B, C, D, R, F> {
    f: F,
    d: u32,
    s: [u32; 4],
    types: Types4<A, B, C, D, R>,
}

impl<A: Lane, B: Lane, C: Lane, D: Lane, R: Lane, F: Fn(A, B, C, D) -> R + Send + Sync> Instruction
    for Map4<A, B, C, D, R, F>
{
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        let s = self.s.map(|s| &warp.registers[s as usize]);
        let out: Lanes = std::array::from_fn(|lane| {
            let [a, b, c, d] = s.map(|s| s[lane]);
            (self.f)(A::from_bits(a), B::from_bits(b), C::from_bits(c), D::from_bits(d)).bits()
        });
        warp.write(self.d, mask, &out);
        Ok(Flow::Next)
    }
}

/// `d = f(a, b, c, e)`.
pub fn map4<A: Lane, B: Lane, C: Lane, D: Lane, R: Lane>(
    cursor: &mut Cursor,
    [to, a, b, c, d]: [Type; 5],
    f: impl Fn(A, B, C, D) -> R + Send + Sync + 'static,
) -> Decoded {
    let out = cursor.destination(to)?;
    let s = [cursor.source(a)?, cursor.source(b)?, cursor.source(c)?, cursor.source(d)?];
    Ok(Box::new(Map4 { f, d: out, s, types: std::marker::PhantomData }))
}
