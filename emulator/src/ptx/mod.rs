//! The text of a PTX module, as NVIDIA's *PTX ISA* defines it: tokens, then declarations and statements. What instructions
//! mean is not known here; [`crate::isa`] decodes them.

mod lexer;
mod module;
mod parser;
mod types;

pub use module::{Function, Init, Instruction, Module, Operand, Statement, Variable};
pub use types::{Space, Type};

/// What is wrong with a module, and in which line of its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PTX line {line}: {message}")]
pub struct Error {
    /// The line, counted from 1.
    pub line: u32,
    /// What was found and what was expected.
    pub message: String,
}

impl Error {
    /// The error of `line`.
    pub fn new(line: u32, message: impl Into<String>) -> Error {
        Error { line, message: message.into() }
    }
}

/// The module that `text` holds.
///
/// # Errors
/// The first line that is no PTX, with what was expected there.
pub fn parse(text: &str) -> Result<Module, Error> {
    parser::Parser::new(lexer::tokens(text)?).module()
}
