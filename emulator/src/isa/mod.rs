//! What each instruction means: one file per family. A family's `decode` reads modifiers and operands and gives what will
//! run; a modifier or an operand that it leaves unread is an error, so nothing is ever skipped.

mod address;
mod approximate;
mod async_copy;
mod atomic;
mod barrier;
mod bits;
mod branch;
mod contract;
mod convert;
mod cursor;
mod decode;
mod float;
mod half;
mod integer;
mod lanes;
mod ldmatrix;
mod matrix;
mod memory;
mod mov;
mod predicate;
mod rounding;
mod warp;
mod wmma;

pub use contract::contract;
pub use cursor::Cursor;
pub use decode::{Symbols, kernel};

use crate::machine::Instruction;

/// What decoding gives: something to run, or what is wrong.
pub type Decoded = Result<Box<dyn Instruction>, String>;

/// A family: decodes the instruction at the cursor, or gives `None` where its first word is not one of its own.
type Family = fn(&str, &mut Cursor) -> Option<Decoded>;

/// All families.
const FAMILIES: [Family; 17] = [
    mov::decode,
    integer::decode,
    bits::decode,
    half::decode,
    float::decode,
    approximate::decode,
    convert::decode,
    predicate::decode,
    branch::decode,
    barrier::decode,
    memory::decode,
    atomic::decode,
    warp::decode,
    async_copy::decode,
    matrix::decode,
    ldmatrix::decode,
    wmma::decode,
];
