//! Products of small matrices that a warp holds together: `mma.sync`, and what `wmma` shares with it.
//!
//! Inputs are taken as the hardware takes them (the low 13 bits of a `.tf32` are ignored), products are exact, and each
//! element of the result starts as its accumulator and takes its products in the order of k, each with one rounding to the
//! nearest: a chain of fused multiply-adds in `f32` (`f64` for `.f64`, exact for integers). PTX leaves the order and the
//! rounding open; tensor cores add several products at once and truncate. An `.f16` accumulator is rounded once, at the end.

use super::Decoded;
use super::cursor::Cursor;
use super::half::Format;
use super::lanes::vectorize;
use crate::machine::{Block, FULL, Flow, Instruction, Kind, Trouble, WARP, Warp};
use crate::ptx::Type;

/// The most elements of a matrix.
const LARGEST: usize = 512;

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    (base == "mma").then(|| mma(cursor))
}

/// What to do before all lanes of the warp have met here; `None` once they have.
///
/// # Errors
/// Lanes that have ended, never were, or do not take part.
pub fn whole(warp: &Warp, mask: u32) -> Result<Option<Flow>, Box<Trouble>> {
    if mask == FULL {
        return Ok(None);
    }
    let missing = !(mask | warp.live());
    if missing == 0 {
        return Ok(Some(Flow::Join(FULL)));
    }
    let message = format!(
        "the instruction needs all 32 lanes of the warp; the lanes {missing:#010x} have ended, never were, or are guarded off"
    );
    Err(Trouble::new(Kind::Undefined, mask.trailing_zeros() as usize, message))
}

/// Takes `.sync.aligned`.
pub fn aligned(cursor: &mut Cursor) -> Result<(), String> {
    match (cursor.one_of(&["sync"]), cursor.one_of(&["aligned"])) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err("expected `.sync.aligned`".to_owned()),
    }
}

/// A number of a matrix while it is computed with.
trait Number: Copy + Default {
    /// The element `i` of a register.
    fn unpack(ty: Type, register: u64, i: usize) -> Self;
    /// The bits of an element; `saturate` clamps integers instead of wrapping them.
    fn pack(self, ty: Type, saturate: bool) -> u64;
    /// `self + a b`.
    fn add_product(self, a: Self, b: Self) -> Self;
}

impl Number for f32 {
    #[inline(always)]
    fn unpack(ty: Type, register: u64, i: usize) -> f32 {
        match ty {
            Type::F16 => Format::F16.value((register >> (16 * i)) as u16),
            Type::BF16 => Format::BF16.value((register >> (16 * i)) as u16),
            Type::TF32 => f32::from_bits(register as u32 & !0x1fff),
            _ => f32::from_bits(register as u32),
        }
    }

    fn pack(self, ty: Type, _: bool) -> u64 {
        match ty {
            Type::F16 => Format::F16.round(self.into()).into(),
            _ if self.is_nan() => 0x7fff_ffff,
            _ => self.to_bits().into(),
        }
    }

    #[inline(always)]
    fn add_product(self, a: f32, b: f32) -> f32 {
        a.mul_add(b, self)
    }
}

impl Number for f64 {
    #[inline(always)]
    fn unpack(_: Type, register: u64, _: usize) -> f64 {
        f64::from_bits(register)
    }

    fn pack(self, _: Type, _: bool) -> u64 {
        self.to_bits()
    }

    #[inline(always)]
    fn add_product(self, a: f64, b: f64) -> f64 {
        a.mul_add(b, self)
    }
}

impl Number for i64 {
    #[inline(always)]
    fn unpack(ty: Type, register: u64, i: usize) -> i64 {
        match ty {
            Type::S8 => i64::from((register >> (8 * i)) as i8),
            Type::U8 => i64::from((register >> (8 * i)) as u8),
            _ => i64::from(register as i32),
        }
    }

    fn pack(self, _: Type, saturate: bool) -> u64 {
        let x = if saturate { self.clamp(i32::MIN.into(), i32::MAX.into()) } else { self };
        u64::from(x as u32)
    }

    #[inline(always)]
    fn add_product(self, a: i64, b: i64) -> i64 {
        self + a * b
    }
}

/// A matrix over the registers of a warp.
#[derive(Debug)]
pub struct Fragment {
    /// The elements' type.
    pub ty: Type,
    /// The registers.
    pub registers: Vec<u32>,
    /// Which element, counted by rows, each place holds: by register, lane, and place in the register.
    pub places: Vec<u16>,
}

impl Fragment {
    /// How many elements a register holds.
    pub fn packed(ty: Type) -> usize {
        (4 / ty.bytes()).max(1)
    }

    /// The fragment whose element at (register, lane, place in the register) is the one with the number `place` gives.
    pub fn new(ty: Type, registers: Vec<u32>, place: impl Fn(usize, usize, usize) -> usize) -> Fragment {
        let packed = Fragment::packed(ty);
        let places = (0..registers.len() * WARP * packed)
            .map(|i| place(i / packed / WARP, i / packed % WARP, i % packed) as u16)
            .collect();
        Fragment { ty, registers, places }
    }

    fn gather<T: Number>(&self, warp: &Warp) -> [T; LARGEST] {
        let mut out = [T::default(); LARGEST];
        let packed = Fragment::packed(self.ty);
        for (&register, places) in self.registers.iter().zip(self.places.chunks_exact(WARP * packed)) {
            let lanes = &warp.registers[register as usize];
            for i in 0..packed {
                // All lanes are converted before they are spread, which vector instructions do.
                let mut numbers = [T::default(); WARP];
                numbers.iter_mut().zip(lanes).for_each(|(number, &bits)| *number = T::unpack(self.ty, bits, i));
                for (&number, &place) in numbers.iter().zip(places[i..].iter().step_by(packed)) {
                    out[usize::from(place) % LARGEST] = number;
                }
            }
        }
        out
    }

    fn scatter<T: Number>(&self, warp: &mut Warp, from: &[T; LARGEST], saturate: bool) {
        let packed = Fragment::packed(self.ty);
        for (&register, places) in self.registers.iter().zip(self.places.chunks_exact(WARP * packed)) {
            let lanes = &mut warp.registers[register as usize];
            for (bits, places) in lanes.iter_mut().zip(places.chunks_exact(packed)) {
                *bits = places.iter().enumerate().fold(0, |bits, (i, &place)| {
                    bits | from[usize::from(place)].pack(self.ty, saturate) << (8 * self.ty.bytes() * i)
                });
            }
        }
    }
}

/// `d = a b + c`, with the extents m, n and k.
#[derive(Debug)]
pub struct Product {
    pub shape: [usize; 3],
    pub d: Fragment,
    pub a: Fragment,
    pub b: Fragment,
    pub c: Fragment,
    pub saturate: bool,
}

impl Product {
    fn compute<T: Number>(&self, warp: &mut Warp) {
        let [m, n, k] = self.shape;
        let (a, b, mut c) = (self.a.gather::<T>(warp), self.b.gather::<T>(warp), self.c.gather::<T>(warp));
        // Without the machine's own instruction each multiply-add would be a call. Eight columns at a time stay in registers.
        vectorize(
            #[inline(always)]
            || {
                for (a, c) in a.chunks_exact(k).zip(c.chunks_exact_mut(n)).take(m) {
                    for (first, c) in c.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                        let mut sums = *c;
                        for (&a, b) in a.iter().zip(b.chunks_exact(n)) {
                            let Some(b) = b.as_chunks::<8>().0.get(first) else { break };
                            sums.iter_mut().zip(b).for_each(|(sum, &b)| *sum = sum.add_product(a, b));
                        }
                        *c = sums;
                    }
                }
            },
        );
        self.d.scatter(warp, &c, self.saturate);
    }
}

impl Instruction for Product {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        if let Some(flow) = whole(warp, mask)? {
            return Ok(flow);
        }
        match self.d.ty {
            Type::F64 => self.compute::<f64>(warp),
            Type::S32 => self.compute::<i64>(warp),
            _ => self.compute::<f32>(warp),
        }
        Ok(Flow::Next)
    }
}

/// The types that the elements of a, b, c and d have together.
///
/// # Errors
/// Any others.
pub fn check_types(d: Type, a: Type, b: Type, c: Type) -> Result<(), String> {
    let known = match a {
        Type::F16 => b == a && [c, d].iter().all(|t| matches!(t, Type::F16 | Type::F32)),
        Type::BF16 | Type::TF32 => b == a && (c, d) == (Type::F32, Type::F32),
        Type::F64 => b == a && (c, d) == (a, a),
        Type::S8 | Type::U8 => matches!(b, Type::S8 | Type::U8) && (c, d) == (Type::S32, Type::S32),
        _ => false,
    };
    if known {
        return Ok(());
    }
    let [d, a, b, c] = [d, a, b, c].map(Type::name);
    Err(format!(
        "a product with the types .{d}.{a}.{b}.{c} is not known; expected f16 with f16 or f32, bf16 or tf32 with f32, f64, or \
         s8 and u8 with s32"
    ))
}

/// The type of the registers that hold elements.
pub fn register_type(ty: Type) -> Type {
    if ty == Type::F64 { ty } else { Type::B32 }
}

fn mma(cursor: &mut Cursor) -> Decoded {
    aligned(cursor)?;
    let word = cursor.word()?;
    let shape = match word {
        "m8n8k4" => [8, 8, 4],
        "m8n8k16" => [8, 8, 16],
        "m16n8k4" => [16, 8, 4],
        "m16n8k8" => [16, 8, 8],
        "m16n8k16" => [16, 8, 16],
        "m16n8k32" => [16, 8, 32],
        other => return Err(format!("the shape `.{other}` is not known")),
    };
    if (cursor.one_of(&["row"]), cursor.one_of(&["col"])) != (Some("row"), Some("col")) {
        return Err("expected `.row.col`".to_owned());
    }
    let saturate = cursor.flag("satfinite");
    let [d, a, b, c] = [cursor.ty()?, cursor.ty()?, cursor.ty()?, cursor.ty()?];
    check_types(d, a, b, c)?;
    if d != c {
        return Err(format!("d is .{} and c .{}; `mma` takes both of one type", d.name(), c.name()));
    }
    let shapes: &[_] = match a {
        Type::F16 | Type::BF16 => &["m16n8k8", "m16n8k16"],
        Type::TF32 => &["m16n8k4", "m16n8k8"],
        Type::F64 => &["m8n8k4", "m16n8k4", "m16n8k8", "m16n8k16"],
        _ => &["m8n8k16", "m16n8k16", "m16n8k32"],
    };
    if !shapes.contains(&word) || saturate && c != Type::S32 {
        return Err(format!("`.{word}` with .{} is not known; expected one of {shapes:?}", a.name()));
    }
    let [m, n, k] = shape;
    // A group of four lanes holds a row of a, c and d and a column of b; further registers go 8 rows down, then right.
    let packed = Fragment::packed(a);
    let halves = m / 8;
    let a_place = |r: usize, lane: usize, i: usize| {
        let (row, column) = (lane / 4 + 8 * (r % halves), lane % 4 * packed + i + 4 * packed * (r / halves));
        row * k + column
    };
    let b_place = |r: usize, lane: usize, i: usize| (lane % 4 * packed + i + 4 * packed * r) * n + lane / 4;
    let c_place = |e: usize, lane: usize| (lane / 4 + 8 * (e / 2)) * n + lane % 4 * 2 + e % 2;
    let accumulator = |ty: Type, registers| {
        let packed = Fragment::packed(ty);
        Fragment::new(ty, registers, |r, lane, i| c_place(r * packed + i, lane))
    };
    let counts = [(m * n, d), (m * k, a), (k * n, b), (m * n, c)].map(|(n, ty)| n / WARP / Fragment::packed(ty));
    let [d, a, b, c] = registers(cursor, [d, a, b, c], counts)?;
    Ok(Box::new(Product {
        shape,
        d: accumulator(d.0, d.1),
        a: Fragment::new(a.0, a.1, a_place),
        b: Fragment::new(b.0, b.1, b_place),
        c: accumulator(c.0, c.1),
        saturate,
    }))
}

/// Takes the registers of d, a, b and c.
pub fn registers(cursor: &mut Cursor, types: [Type; 4], counts: [usize; 4]) -> Result<[(Type, Vec<u32>); 4], String> {
    let mut taken = types.map(|ty| (ty, Vec::new()));
    for (i, ((ty, registers), count)) in taken.iter_mut().zip(counts).enumerate() {
        let held = register_type(*ty);
        *registers = if i == 0 { cursor.destinations(held)? } else { cursor.sources(held)? };
        if registers.len() != count {
            let name = ["d", "a", "b", "c"][i];
            return Err(format!("expected {count} registers for {name}, found {}", registers.len()));
        }
    }
    Ok(taken)
}
