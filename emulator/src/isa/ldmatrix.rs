//! Matrices of 8 by 8 `.b16` that move between shared memory and the registers of a warp, or are transposed: `ldmatrix`,
//! `stmatrix`, `movmatrix`.

use super::Decoded;
use super::address::{self, Address};
use super::cursor::Cursor;
use super::matrix::{aligned, whole};
use crate::machine::{Block, Flow, Instruction, Kind, Lanes, Trouble, Warp};
use crate::ptx::{Space, Type};

pub fn decode(base: &str, cursor: &mut Cursor) -> Option<Decoded> {
    Some(match base {
        "ldmatrix" | "stmatrix" => rows(base == "ldmatrix", cursor),
        "movmatrix" => transpose(cursor),
        _ => return None,
    })
}

/// `ldmatrix` and `stmatrix`: matrices of 8 rows of 16 bytes; lane 8 i + r has the address of row r of matrix i.
struct Rows {
    loads: bool,
    transposed: bool,
    address: Address,
    registers: Vec<u32>,
}

/// Row and column of the element `i` (0 or 1) that a lane holds of an 8 by 8 matrix.
fn place(lane: usize, i: usize, transposed: bool) -> (usize, usize) {
    let (row, column) = (lane / 4, lane % 4 * 2 + i);
    if transposed { (column, row) } else { (row, column) }
}

impl Instruction for Rows {
    fn run(&self, warp: &mut Warp, block: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        if let Some(flow) = whole(warp, mask)? {
            return Ok(flow);
        }
        for (i, &register) in self.registers.iter().enumerate() {
            let mut matrix = [[0u16; 8]; 8];
            if !self.loads {
                for (lane, &bits) in warp.registers[register as usize].iter().enumerate() {
                    for e in 0..2 {
                        let (row, column) = place(lane, e, self.transposed);
                        matrix[row][column] = (bits >> (16 * e)) as u16;
                    }
                }
            }
            for (row, data) in matrix.iter_mut().enumerate() {
                let lane = 8 * i + row;
                let (space, at) = self.address.of(warp, lane);
                if space != Space::Shared {
                    let message = format!("{at:#x} is not in shared memory");
                    return Err(Trouble::new(Kind::IllegalAddress, lane, message));
                }
                address::aligned(at, 16).map_err(|problem| Trouble::of(problem, lane))?;
                for (part, data) in data.chunks_exact_mut(4).enumerate() {
                    let at = (space, at + 8 * part as u64);
                    if self.loads {
                        let bits = address::load(warp, block, lane, at, 8)?;
                        data.iter_mut().enumerate().for_each(|(e, x)| *x = (bits >> (16 * e)) as u16);
                    } else {
                        let bits = data.iter().rev().fold(0, |bits, &x| bits << 16 | u64::from(x));
                        address::store(warp, block, lane, at, 8, bits)?;
                    }
                }
            }
            if self.loads {
                warp.registers[register as usize] = std::array::from_fn(|lane| {
                    let element = |e| {
                        let (row, column) = place(lane, e, self.transposed);
                        u64::from(matrix[row][column])
                    };
                    element(0) | element(1) << 16
                });
            }
        }
        Ok(Flow::Next)
    }
}

fn rows(loads: bool, cursor: &mut Cursor) -> Decoded {
    aligned(cursor)?;
    if cursor.one_of(&["m8n8"]).is_none() {
        return Err("only the shape `.m8n8` is known".to_owned());
    }
    let count = match cursor.one_of(&["x1", "x2", "x4"]) {
        Some("x1") => 1,
        Some("x2") => 2,
        Some(_) => 4,
        None => return Err("expected `.x1`, `.x2` or `.x4`".to_owned()),
    };
    let transposed = cursor.flag("trans");
    let space = match cursor.space() {
        space @ (Space::Shared | Space::Generic) => space,
        other => return Err(format!("expected shared memory, found {other:?}")),
    };
    if cursor.ty()? != Type::B16 {
        return Err("only `.b16` is known".to_owned());
    }
    let (address, registers) = if loads {
        let registers = cursor.destinations(Type::B32)?;
        (cursor.address(space)?, registers)
    } else {
        (cursor.address(space)?, cursor.sources(Type::B32)?)
    };
    if registers.len() != count {
        return Err(format!("expected {count} registers, found {}", registers.len()));
    }
    if loads && (1..count).any(|i| registers[..i].contains(&registers[i])) {
        return Err("a register stands twice among those to write".to_owned());
    }
    Ok(Box::new(Rows { loads, transposed, address, registers }))
}

struct Transpose {
    d: u32,
    a: u32,
}

impl Instruction for Transpose {
    fn run(&self, warp: &mut Warp, _: &mut Block, mask: u32) -> Result<Flow, Box<Trouble>> {
        if let Some(flow) = whole(warp, mask)? {
            return Ok(flow);
        }
        let a = &warp.registers[self.a as usize];
        let out: Lanes = std::array::from_fn(|lane| {
            let element = |e| {
                let (row, column) = place(lane, e, true);
                a[row * 4 + column / 2] >> (16 * (column % 2)) & 0xffff
            };
            element(0) | element(1) << 16
        });
        warp.write(self.d, mask, &out);
        Ok(Flow::Next)
    }
}

fn transpose(cursor: &mut Cursor) -> Decoded {
    aligned(cursor)?;
    if cursor.one_of(&["m8n8"]).is_none() || cursor.one_of(&["trans"]).is_none() || cursor.ty()? != Type::B16 {
        return Err("expected `.m8n8.trans.b16`".to_owned());
    }
    Ok(Box::new(Transpose { d: cursor.destination(Type::B32)?, a: cursor.source(Type::B32)? }))
}
