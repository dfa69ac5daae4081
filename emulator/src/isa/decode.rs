//! From a function's statements to a kernel: names become numbers, and functions that are called are inlined.

mod symbols;

pub use symbols::Symbol;

use super::cursor::Cursor;
use super::{Decoded, FAMILIES};
use crate::machine::{Kernel, Param, Special, Step};
use crate::ptx::{Error, Function, Instruction, Module, Operand, Space, Statement, Type, Variable};
use std::collections::{HashMap, HashSet};
use symbols::{Frame, Scope};

/// The most statements of a kernel, functions inlined.
const LONGEST: usize = 1 << 18;
/// How deep calls may nest.
const DEEPEST: usize = 64;
/// The most registers and predicates of a kernel.
const MOST_REGISTERS: usize = 1 << 16;
/// The most shared memory of a block and local memory of a thread.
const LARGEST: usize = 1 << 19;

/// The device addresses of a module's global and constant variables.
pub type Symbols = HashMap<String, u64>;

pub(super) struct Decoder<'m> {
    module: &'m Module,
    /// The functions that can be called.
    functions: HashMap<&'m str, (&'m Function, &'m [Statement])>,
    /// The constant variables.
    constant_names: HashSet<&'m str>,
    globals: &'m Symbols,
    shared: HashMap<&'m str, u64>,
    kernel: Kernel,
    scopes: Vec<Scope<'m>>,
    frames: Vec<Frame<'m>>,
    /// Where each label is, once it is known.
    labels: Vec<Option<usize>>,
    constants: HashMap<u64, u32>,
    specials: HashMap<Special, u32>,
    constant_predicates: [Option<u32>; 2],
    carry: Option<u32>,
    /// The type of each register.
    types: Vec<Type>,
    source: Option<(u32, u32)>,
    /// How many statements were decoded: calls of calls grow as a power, with or without instructions in them.
    statements: usize,
}

/// The kernel that the entry `function` of `module` is.
///
/// # Errors
/// The first line that cannot be decoded, with the reason.
pub fn kernel(module: &Module, function: &Function, globals: &Symbols) -> Result<Kernel, Error> {
    let mut decoder = Decoder {
        module,
        functions: module.functions.iter().filter_map(|f| Some((f.name.as_str(), (f, f.body.as_deref()?)))).collect(),
        constant_names: module.variables.iter().filter(|v| v.space == Space::Const).map(|v| v.name.as_str()).collect(),
        globals,
        shared: HashMap::new(),
        kernel: Kernel { name: function.name.clone(), ..Kernel::default() },
        scopes: Vec::new(),
        frames: Vec::new(),
        labels: Vec::new(),
        constants: HashMap::new(),
        specials: HashMap::new(),
        constant_predicates: [None; 2],
        carry: None,
        types: Vec::new(),
        source: None,
        statements: 0,
    };
    decoder.shared(function)?;
    decoder.entry(function)?;
    decoder.finish(function)
}

impl<'m> Decoder<'m> {
    /// Gives each shared variable that the kernel can reach its place; those without a size share the end.
    fn shared(&mut self, entry: &'m Function) -> Result<(), Error> {
        let (mut reached, mut names) = (HashSet::from([entry.name.as_str()]), HashSet::new());
        let mut open = vec![entry];
        let mut own = Vec::new();
        while let Some(function) = open.pop() {
            for statement in function.body.iter().flatten() {
                match statement {
                    Statement::Variable(v) if v.space == Space::Shared => own.push(v),
                    Statement::Instruction(instruction) => {
                        for operand in &instruction.operands {
                            operand.each_name(&mut |name| {
                                names.insert(name);
                            });
                        }
                        if instruction.opcode.starts_with("call") {
                            let called = instruction.operands.iter().filter_map(|o| match o {
                                Operand::Name(name) => self.functions.get(name.as_str()).map(|f| f.0),
                                _ => None,
                            });
                            open.extend(called.filter(|f| reached.insert(f.name.as_str())));
                        }
                    }
                    _ => {}
                }
            }
        }
        let outer =
            self.module.variables.iter().filter(|v| v.space == Space::Shared && names.contains(v.name.as_str()));
        own.extend(outer);
        let (sized, unsized_): (Vec<&Variable>, Vec<&Variable>) = own.into_iter().partition(|v| v.bytes.is_some());
        for v in sized {
            let at = self.kernel.shared.next_multiple_of(v.align);
            self.kernel.shared = at.saturating_add(v.bytes.unwrap_or(0));
            if self.kernel.shared > LARGEST {
                return Err(Error::new(v.line, format!("`{}`: more shared memory than any block has", v.name)));
            }
            self.shared.insert(&v.name, at as u64);
        }
        let end = self.kernel.shared.next_multiple_of(16);
        if !unsized_.is_empty() {
            self.kernel.shared = end;
        }
        for v in unsized_ {
            self.shared.insert(&v.name, end as u64);
        }
        Ok(())
    }

    fn entry(&mut self, function: &'m Function) -> Result<(), Error> {
        let Some(body) = &function.body else { return Err(Error::new(function.line, "an entry without a body")) };
        let mut scope = Scope::default();
        let mut at = 0usize;
        for param in &function.params {
            at = at.next_multiple_of(param.align);
            let bytes = param.bytes.unwrap_or(0);
            self.kernel.params.push(Param { offset: at, bytes });
            scope.names.insert(&param.name, Symbol::Place(Space::Param, at as u64));
            at = at.saturating_add(bytes);
            if at > 32_764 {
                return Err(Error::new(param.line, "more than 32764 bytes of parameters"));
            }
        }
        self.kernel.max_threads = function.max_threads;
        self.kernel.files.clone_from(&self.module.files);
        self.frames.push(Frame { first_scope: 0, labels: HashMap::new(), targets: HashMap::new(), end: None });
        self.scopes.push(scope);
        self.body(body)
    }

    fn finish(mut self, function: &Function) -> Result<Kernel, Error> {
        let end = self.kernel.code.len();
        let Some(labels) = self.labels.iter().copied().collect::<Option<Vec<usize>>>() else {
            return Err(Error::new(
                function.line,
                format!("`{}` jumps to a label that it does not have", function.name),
            ));
        };
        self.kernel.code.iter_mut().for_each(|step| step.run.link(&labels));
        debug_assert!(labels.iter().all(|&at| at <= end));
        self.kernel.constants = self.constants.into_iter().map(|(bits, register)| (register, bits)).collect();
        self.kernel.specials = self.specials.into_iter().map(|(special, register)| (register, special)).collect();
        Ok(self.kernel)
    }

    fn body(&mut self, body: &'m [Statement]) -> Result<(), Error> {
        let mut last_label = None;
        self.statements += body.len();
        for statement in body {
            match statement {
                Statement::Open => self.scopes.push(Scope::default()),
                Statement::Close => drop(self.scopes.pop()),
                Statement::Location(file, line) => self.source = Some((*file, *line)),
                Statement::Registers(ty, names) => self.declare(*ty, names),
                Statement::Variable(variable) => self.variable(variable)?,
                Statement::Label(name, line) => {
                    let label = self.label(name);
                    last_label = Some(name.as_str());
                    if self.labels[label].replace(self.kernel.code.len()).is_some() {
                        return Err(Error::new(*line, format!("the label `{name}` stands here a second time")));
                    }
                }
                Statement::Targets(targets) => {
                    if let (Some(label), Some(frame)) = (last_label, self.frames.last_mut()) {
                        frame.targets.insert(label, targets);
                    }
                }
                Statement::Instruction(instruction) => self.instruction(instruction)?,
            }
        }
        Ok(())
    }

    fn instruction(&mut self, instruction: &'m Instruction) -> Result<(), Error> {
        let wrong = |message: String| Error::new(instruction.line, format!("`{}`: {message}", instruction.opcode));
        if self.statements > LONGEST || self.kernel.registers + self.kernel.predicates > MOST_REGISTERS {
            return Err(wrong("the kernel is too long".to_owned()));
        }
        let guard = match &instruction.guard {
            Some((name, negated)) => match self.symbol(name).map_err(wrong)? {
                Symbol::Predicate(p) => Some((p, *negated)),
                _ => return Err(wrong(format!("`{name}` is no predicate"))),
            },
            None => None,
        };
        if instruction.opcode == "call" || instruction.opcode == "call.uni" {
            return self.call(instruction, guard);
        }
        let run = self.decode(instruction).map_err(wrong)?;
        self.kernel.code.push(Step { guard, run, line: instruction.line, source: self.source });
        Ok(())
    }

    fn decode(&mut self, instruction: &Instruction) -> Decoded {
        let (base, mut cursor) = Cursor::new(self, &instruction.opcode, &instruction.operands);
        for family in FAMILIES {
            if let Some(decoded) = family(base, &mut cursor) {
                let run = decoded?;
                cursor.finish()?;
                return Ok(run);
            }
        }
        Err("this emulator does not know the instruction".to_owned())
    }

    /// Inlines `call (results), function, (arguments);`: what it takes and returns are its caller's variables.
    fn call(&mut self, instruction: &'m Instruction, guard: Option<(u32, bool)>) -> Result<(), Error> {
        let wrong = |message: String| Error::new(instruction.line, format!("`call`: {message}"));
        let (results, name, arguments): (&[Operand], _, &[Operand]) = match instruction.operands.as_slice() {
            [Operand::Name(name)] => (&[], name, &[]),
            [Operand::Name(name), Operand::List(arguments)] => (&[], name, arguments),
            [Operand::List(results), Operand::Name(name)] => (results, name, &[]),
            [Operand::List(results), Operand::Name(name), Operand::List(arguments)] => (results, name, arguments),
            _ => {
                return Err(wrong(
                    "expected `(results), function, (arguments)`; calls by address are not known".to_owned(),
                ));
            }
        };
        let Some(&(function, body)) = self.functions.get(name.as_str()) else {
            return Err(wrong(format!("the module has no function `{name}` with a body")));
        };
        if self.frames.len() >= DEEPEST {
            return Err(wrong(format!("`{name}` is called too deeply, perhaps by itself")));
        }
        if (results.len(), arguments.len()) != (function.returns.len(), function.params.len()) {
            return Err(wrong(format!("`{name}` takes and returns another number of values")));
        }
        let mut scope = Scope::default();
        let formal = function.returns.iter().chain(&function.params);
        for (formal, actual) in formal.zip(results.iter().chain(arguments)) {
            let Operand::Name(actual) = actual else { return Err(wrong("expected names of parameters".to_owned())) };
            let symbol = self.symbol(actual).map_err(wrong)?;
            let Symbol::Place(..) = symbol else { return Err(wrong(format!("`{actual}` is no parameter"))) };
            scope.names.insert(&formal.name, symbol);
        }
        let end = self.new_label();
        if let Some((predicate, negated)) = guard {
            let run = super::branch::jump(end);
            let guard = Some((predicate, !negated));
            self.kernel.code.push(Step { guard, run, line: instruction.line, source: self.source });
        }
        let frame =
            Frame { first_scope: self.scopes.len(), labels: HashMap::new(), targets: HashMap::new(), end: Some(end) };
        self.frames.push(frame);
        self.scopes.push(scope);
        let source = self.source;
        self.body(body)?;
        self.source = source;
        self.scopes.pop();
        self.frames.pop();
        self.labels[end] = Some(self.kernel.code.len());
        Ok(())
    }
}
