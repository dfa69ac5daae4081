//! `wmma`: products of matrices that a warp loads, multiplies and stores as a whole.
//!
//! PTX leaves open which lane holds which element. Here the lanes hold the elements by rows, each lane its equal share of
//! neighbours, whatever the layout in memory; where the registers have room for more than the matrix, it is repeated. So
//! a, c and d of a shape and type agree element by element.

use super::Decoded;
use super::address::{self, Address};
use super::cursor::Cursor;
use super::matrix::{self, Fragment, Product, whole};
use crate::machine::{Block, Flow, Instruction, Kind, Trouble, WARP, Warp};
use crate::ptx::{Space, Type};

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    (base == "wmma").then(|| match cursor.one_of(&["load", "store", "mma"]) {
        Some("load") => transfer(true, cursor),
        Some("store") => transfer(false, cursor),
        Some(_) => product(cursor),
        None => Err("expected `.load`, `.store` or `.mma`".to_owned()),
    })
}

/// Takes the extents m, n and k.
fn shape(cursor: &mut Cursor) -> Result<[usize; 3], String> {
    Ok(match cursor.word()? {
        "m16n16k16" => [16, 16, 16],
        "m32n8k16" => [32, 8, 16],
        "m8n32k16" => [8, 32, 16],
        "m16n16k8" => [16, 16, 8],
        "m8n8k4" => [8, 8, 4],
        other => return Err(format!("the shape `.{other}` is not known")),
    })
}

/// Takes `.row` or `.col`; says whether the columns are contiguous in memory.
fn by_columns(cursor: &mut Cursor) -> Result<bool, String> {
    Ok(cursor.one_of(&["row", "col"]).ok_or("expected `.row` or `.col`")? == "col")
}

/// Rows and columns of a matrix of a product, and how many registers hold it.
fn extents(role: &str, ty: Type, [m, n, k]: [usize; 3]) -> (usize, usize, usize) {
    let (rows, columns) = match role {
        "a" => (m, k),
        "b" => (k, n),
        _ => (m, n),
    };
    let full = rows * columns / WARP / Fragment::packed(ty);
    // The fragments of f16 factors are of one size for all shapes.
    (rows, columns, if ty == Type::F16 && matches!(role, "a" | "b") { 8 } else { full })
}

/// Whether the types of factors go with the shape.
fn check_shape(factor: Type, shape: [usize; 3]) -> Result<(), String> {
    let fits = match factor {
        Type::TF32 => shape == [16, 16, 8],
        Type::F64 => shape == [8, 8, 4],
        _ => shape[2] == 16,
    };
    if fits { Ok(()) } else { Err(format!("the shape {shape:?} is not for .{}", factor.name())) }
}

fn fragment(role: &str, ty: Type, shape: [usize; 3], registers: Vec<u32>) -> Result<Fragment, String> {
    let (rows, columns, count) = extents(role, ty, shape);
    if registers.len() != count {
        return Err(format!("expected {count} registers for {role}, found {}", registers.len()));
    }
    let packed = Fragment::packed(ty);
    Ok(Fragment::new(ty, registers, |r, lane, i| ((lane * count + r) * packed + i) % (rows * columns)))
}

/// `wmma.load` and `wmma.store`.
struct Transfer {
    loads: bool,
    fragment: Fragment,
    columns: usize,
    by_columns: bool,
    address: Address,
    /// The register with the distance of rows (or columns) in elements.
    stride: u32,
}

impl Instruction for Transfer {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        if let Some(flow) = whole(warp, mask)? {
            return Ok(flow);
        }
        let (space, base) = self.address.of(warp, 0);
        let stride = warp.registers[self.stride as usize][0] as u32;
        let differs = |&lane: &usize| {
            self.address.of(warp, lane) != (space, base) || warp.registers[self.stride as usize][lane] as u32 != stride
        };
        if let Some(lane) = (1..WARP).find(differs) {
            let message = "the lanes name different addresses or strides";
            return Err(Trouble::new(Kind::Undefined, lane, message));
        }
        let (ty, bytes) = (self.fragment.ty, self.fragment.ty.bytes());
        let packed = Fragment::packed(ty);
        let mut places = self.fragment.places.chunks_exact(packed);
        for &register in &self.fragment.registers {
            for (lane, places) in places.by_ref().take(WARP).enumerate() {
                let mut bits = if self.loads { 0 } else { warp.registers[register as usize][lane] };
                for (i, &place) in places.iter().enumerate() {
                    let (row, column) = (usize::from(place) / self.columns, usize::from(place) % self.columns);
                    let (outer, inner) = if self.by_columns { (column, row) } else { (row, column) };
                    let offset = (outer as u64 * u64::from(stride) + inner as u64) * bytes as u64;
                    let (at, shift) = ((space, base.wrapping_add(offset)), 8 * bytes * i);
                    if self.loads {
                        bits |= address::load(warp, block, lane, at, bytes)? << shift;
                    } else {
                        address::store(warp, block, lane, at, bytes, bits >> shift)?;
                    }
                }
                if self.loads {
                    warp.registers[register as usize][lane] = bits;
                }
            }
        }
        Ok(Flow::Next)
    }
}

fn transfer(loads: bool, cursor: &mut Cursor) -> Decoded {
    let roles: &[&'static str] = if loads { &["a", "b", "c"] } else { &["d"] };
    let role = cursor.one_of(roles).ok_or_else(|| format!("expected one of {roles:?}"))?;
    matrix::aligned(cursor)?;
    let by_columns = by_columns(cursor)?;
    let shape = shape(cursor)?;
    let space = match cursor.space() {
        space @ (Space::Global | Space::Shared | Space::Generic) => space,
        other => return Err(format!("expected global or shared memory, found {other:?}")),
    };
    let ty = cursor.ty()?;
    match (role, ty) {
        ("a" | "b", Type::F16 | Type::BF16 | Type::TF32 | Type::F64 | Type::S8 | Type::U8) => check_shape(ty, shape)?,
        ("c" | "d", Type::F16 | Type::F32 | Type::F64 | Type::S32) => {}
        _ => return Err(format!("a matrix {role} of .{} is not known", ty.name())),
    }
    let held = matrix::register_type(ty);
    let (address, registers) = if loads {
        let registers = cursor.destinations(held)?;
        (cursor.address(space)?, registers)
    } else {
        (cursor.address(space)?, cursor.sources(held)?)
    };
    let (rows, columns, _) = extents(role, ty, shape);
    let stride = match cursor.left() {
        0 => cursor.constant(if by_columns { rows } else { columns } as u64),
        _ => cursor.source(Type::U32)?,
    };
    let fragment = fragment(role, ty, shape, registers)?;
    Ok(Box::new(Transfer { loads, fragment, columns, by_columns, address, stride }))
}

fn product(cursor: &mut Cursor) -> Decoded {
    matrix::aligned(cursor)?;
    // Where an element was in memory does not matter any more.
    by_columns(cursor)?;
    by_columns(cursor)?;
    let shape = shape(cursor)?;
    let mut types = vec![cursor.ty()?, cursor.ty()?];
    while types.len() < 4 && cursor.peek().and_then(Type::from_name).is_some() {
        types.push(cursor.ty()?);
    }
    let [d, a, b, c] = match types[..] {
        [d, c] => [d, Type::F16, Type::F16, c],
        [d, a, b, c] => [d, a, b, c],
        _ => return Err("expected the types of d and c, or of d, a, b and c".to_owned()),
    };
    matrix::check_types(d, a, b, c)?;
    check_shape(a, shape)?;
    let saturate = c == Type::S32 && cursor.flag("satfinite");
    let roles = [("d", d), ("a", a), ("b", b), ("c", c)];
    let counts = roles.map(|(role, ty)| extents(role, ty, shape).2);
    let [d, a, b, c] = matrix::registers(cursor, [d, a, b, c], counts)?;
    Ok(Box::new(Product {
        shape,
        d: fragment("d", d.0, shape, d.1)?,
        a: fragment("a", a.0, shape, a.1)?,
        b: fragment("b", b.0, shape, b.1)?,
        c: fragment("c", c.0, shape, c.1)?,
        saturate,
    }))
}
