//! What a module declares.

use super::{Space, Type};

/// A module: its variables and functions in the order of the text.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// `.version`, major and minor.
    pub version: (u32, u32),
    /// The first word of `.target`, such as `sm_80`.
    pub target: String,
    /// Source files by their number in `.loc`.
    pub files: Vec<(u32, String)>,
    /// Variables outside functions.
    pub variables: Vec<Variable>,
    /// Entries and functions, with or without a body.
    pub functions: Vec<Function>,
}

/// A variable of any space; a parameter too.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Where it lives.
    pub space: Space,
    /// Its name.
    pub name: String,
    /// The alignment of its address.
    pub align: usize,
    /// Its size; `None` for an array without one, which dynamic shared memory is.
    pub bytes: Option<usize>,
    /// What it starts as; zeros follow the last value.
    pub init: Vec<Init>,
    /// Whether it is only declared here.
    pub external: bool,
    /// Its line.
    pub line: u32,
}

/// A piece of a variable's first value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    /// Bytes, in the device's order.
    Bytes(Vec<u8>),
    /// The 8-byte address of a variable, plus a number.
    Address(String, i64),
}

/// An entry (a kernel) or a device function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Whether it is a kernel.
    pub entry: bool,
    /// Its name.
    pub name: String,
    /// What it returns (device functions only).
    pub returns: Vec<Variable>,
    /// What it takes.
    pub params: Vec<Variable>,
    /// `.maxntid` or `.reqntid`: the largest block.
    pub max_threads: Option<u32>,
    /// Its statements; `None` for a declaration.
    pub body: Option<Vec<Statement>>,
    /// Its line.
    pub line: u32,
}

/// A statement of a function's body.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `.reg .b32 %r<9>;` is a prefix with a count, `.reg .b32 x, y;` are names.
    Registers(Type, Vec<(String, Option<u32>)>),
    /// A variable of the function.
    Variable(Variable),
    /// A label.
    Label(String, u32),
    /// `{`
    Open,
    /// `}`
    Close,
    /// `.loc`: the file's number and the line in it, for what follows.
    Location(u32, u32),
    /// `.branchtargets`: the labels that the label before it stands for.
    Targets(Vec<String>),
    /// An instruction.
    Instruction(Instruction),
}

/// An instruction as it is written.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// Its line.
    pub line: u32,
    /// `@p` or `@!p`: the predicate, and whether it is negated.
    pub guard: Option<(String, bool)>,
    /// The opcode with its modifiers: `ld.global.v4.f32`.
    pub opcode: String,
    /// Its operands.
    pub operands: Vec<Operand>,
}

/// An operand as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A register, a special register, a variable, a label or a function; `_` too.
    Name(String),
    /// A variable's address plus a number, or a register's lane: `name+8`.
    Offset(String, i64),
    /// An integer, as its 64 bits.
    Integer(i64),
    /// `0f…`, a decimal fraction, or `0d…`, as the value of an `f64`; an `f32` is exact in it but for a NaN's payload.
    Float(f64),
    /// `0f…`: the bits of an `f32`.
    Bits32(u32),
    /// `0d…`: the bits of an `f64`.
    Bits64(u64),
    /// `!p`.
    Not(String),
    /// `[name+8]` or `[8]`.
    Address(Option<String>, i64),
    /// `{a, b, c, d}`, or the parenthesised list of a call.
    List(Vec<Operand>),
    /// `p|q`.
    Pair(String, String),
}

impl Operand {
    /// Calls `f` with each name that it mentions.
    pub fn each_name<'a>(&'a self, f: &mut impl FnMut(&'a str)) {
        match self {
            Operand::Name(name) | Operand::Offset(name, _) | Operand::Not(name) | Operand::Address(Some(name), _) => {
                f(name)
            }
            Operand::Pair(first, second) => [first, second].into_iter().for_each(|name| f(name)),
            Operand::List(list) => list.iter().for_each(|operand| operand.each_name(f)),
            Operand::Integer(_)
            | Operand::Float(_)
            | Operand::Bits32(_)
            | Operand::Bits64(_)
            | Operand::Address(None, _) => {}
        }
    }

    /// Whether it mentions `name`.
    pub fn names(&self, name: &str) -> bool {
        let mut found = false;
        self.each_name(&mut |other| found |= other == name);
        found
    }
}
