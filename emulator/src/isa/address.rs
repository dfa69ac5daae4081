//! Addresses: from an operand to bytes of a space.

use crate::machine::{Block, Kind, Trouble, Warp};
use crate::memory::{LOCAL, PARAM, Problem, SHARED, WINDOW, is_aligned};
use crate::ptx::Space;

/// `[base + offset]` in a space.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The space that the instruction names.
    pub space: Space,
    /// The register, if there is one.
    pub base: Option<u32>,
    /// What is added.
    pub offset: u64,
}

/// The generic address of `at` in `space`.
pub fn generic(space: Space, at: u64) -> u64 {
    match space {
        Space::Shared => SHARED + at,
        Space::Local => LOCAL + at,
        Space::Param => PARAM + at,
        Space::Generic | Space::Global | Space::Const => at,
    }
}

/// The space of a generic address, and the address in it.
pub fn specific(address: u64) -> (Space, u64) {
    for (space, window) in [(Space::Shared, SHARED), (Space::Local, LOCAL), (Space::Param, PARAM)] {
        if (window..window + WINDOW).contains(&address) {
            return (space, address - window);
        }
    }
    (Space::Global, address)
}

impl Address {
    /// The space and the address for a lane.
    #[inline(always)]
    pub fn of(&self, warp: &Warp, lane: usize) -> (Space, u64) {
        let base = self.base.map_or(0, |base| warp.registers[base as usize][lane]);
        let at = base.wrapping_add(self.offset);
        match self.space {
            Space::Generic => specific(at),
            // A parameter's address may have been made generic and be used as one of its space.
            Space::Param if at >= PARAM => (Space::Param, at - PARAM),
            Space::Shared => (Space::Shared, at & (WINDOW - 1)),
            space => (space, at),
        }
    }
}

/// Reads 1, 2, 4 or 8 bytes.
pub fn load(
    warp: &mut Warp,
    block: &mut Block,
    lane: usize,
    (space, at): (Space, u64),
    bytes: usize,
) -> Result<u64, Box<Trouble>> {
    let trouble = |problem| Trouble::of(problem, lane);
    match space {
        Space::Shared => block.shared.load(at, bytes, &warp.place(lane)).map_err(trouble),
        Space::Local => {
            let at = local(warp, lane, at, bytes).map_err(trouble)?;
            Ok(number(&warp.local[at..at + bytes]))
        }
        Space::Param => {
            let params = block.launch.params;
            let range = usize::try_from(at).ok().and_then(|at| params.get(at..at.checked_add(bytes)?));
            range.map(number).ok_or_else(|| {
                trouble(Problem::OutOfBounds(format!("{at:#x} is not in the {} bytes of the parameters", params.len())))
            })
        }
        Space::Generic | Space::Global | Space::Const => {
            aligned(at, bytes).map_err(trouble)?;
            let (allocation, offset) = block.global.find(at, bytes).map_err(trouble)?;
            let (value, written) = allocation.load(offset, bytes);
            if !written && block.launch.checks {
                return Err(Trouble::new(
                    Kind::Unwritten,
                    lane,
                    format!(
                        "{bytes} bytes at {at:#x}, {offset} into the allocation of {} bytes at {:#x}",
                        allocation.size, allocation.base
                    ),
                ));
            }
            Ok(value)
        }
    }
}

/// Writes the low 1, 2, 4 or 8 bytes of `value`.
pub fn store(
    warp: &mut Warp,
    block: &mut Block,
    lane: usize,
    (space, at): (Space, u64),
    bytes: usize,
    value: u64,
) -> Result<(), Box<Trouble>> {
    let trouble = |problem| Trouble::of(problem, lane);
    match space {
        Space::Shared => block.shared.store(at, bytes, value, &warp.place(lane)).map_err(trouble),
        Space::Local => {
            let at = local(warp, lane, at, bytes).map_err(trouble)?;
            warp.local[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
            Ok(())
        }
        Space::Param | Space::Const => {
            Err(Trouble::new(Kind::IllegalAddress, lane, "a write to memory that a kernel can only read"))
        }
        Space::Generic | Space::Global => {
            aligned(at, bytes).map_err(trouble)?;
            let (allocation, offset) = block.global.find(at, bytes).map_err(trouble)?;
            allocation.store(offset, bytes, value);
            Ok(())
        }
    }
}

/// Checks that `at` is a multiple of `bytes`.
pub fn aligned(at: u64, bytes: usize) -> Result<(), Problem> {
    if is_aligned(at, bytes) {
        return Ok(());
    }
    Err(Problem::Misaligned(format!("{at:#x} is no multiple of {bytes}")))
}

/// Where a lane's local address lies among all lanes' local memory.
fn local(warp: &Warp, lane: usize, at: u64, bytes: usize) -> Result<usize, Problem> {
    let size = warp.local.len() / crate::machine::WARP;
    aligned(at, bytes)?;
    match usize::try_from(at).ok().filter(|at| at.checked_add(bytes).is_some_and(|end| end <= size)) {
        Some(at) => Ok(lane * size + at),
        None => Err(Problem::OutOfBounds(format!("{at:#x} is not in the thread's {size} bytes of local memory"))),
    }
}

fn number(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(number)
}
