//! What runs: kernels made of decoded instructions, and the warps, blocks and grids that execute them.

mod block;
mod copies;
mod fault;
mod grid;
mod kernel;
mod warp;

pub use block::{Answer, Barrier, Block};
pub use copies::{Copied, Copies, Queue};
pub use fault::{Fault, Kind, Trouble};
pub use grid::{Dim, Launch, run};
pub use kernel::{Flow, Instruction, Kernel, Param, Special, Step};
pub use warp::{FULL, Lanes, WARP, Warp};
