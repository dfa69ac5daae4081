//! From a function's statements to a kernel: names become numbers, and functions that are called are inlined.

use super::cursor::Cursor;
use super::{Decoded, FAMILIES};
use crate::machine::{Kernel, Param, Special, Step};
use crate::ptx::{Error, Function, Instruction, Module, Operand, Space, Statement, Type, Variable};
use std::collections::{HashMap, HashSet};

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

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Symbol {
    /// A register.
    Register(u32, Type),
    /// A predicate.
    Predicate(u32),
    /// A variable or a parameter: its address in its space.
    Place(Space, u64),
}

/// The names of a `{ … }`.
#[derive(Default)]
struct Scope<'m> {
    names: HashMap<&'m str, Symbol>,
    /// `%r<9>`: the prefix, the type and the count.
    ranges: HashMap<&'m str, (Type, u32)>,
    /// The registers of ranges that were used.
    used: HashMap<String, Symbol>,
}

/// A function that is being inlined, or the entry.
struct Frame<'m> {
    /// The scopes from here on are its own.
    first_scope: usize,
    labels: HashMap<String, usize>,
    targets: HashMap<&'m str, &'m [String]>,
    /// Where `ret` goes; the entry has none.
    end: Option<usize>,
}

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
                        instruction.operands.iter().for_each(|o| mentioned(o, &mut names));
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

    fn declare(&mut self, ty: Type, names: &'m [(String, Option<u32>)]) {
        for (name, count) in names {
            match count {
                Some(count) => {
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.ranges.insert(name, (ty, *count));
                    }
                }
                None => {
                    let symbol = self.new_symbol(ty);
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.names.insert(name, symbol);
                    }
                }
            }
        }
    }

    fn variable(&mut self, variable: &'m Variable) -> Result<(), Error> {
        let fail = |what: &str| Err(Error::new(variable.line, format!("`{}`: {what}", variable.name)));
        let symbol = match variable.space {
            Space::Shared => match self.shared.get(variable.name.as_str()) {
                Some(&at) => Symbol::Place(Space::Shared, at),
                None => return fail("a shared variable that no kernel reaches"),
            },
            // Parameters of a call lie in local memory, where the function that is inlined reads them.
            Space::Local | Space::Param => {
                let at = self.kernel.local.next_multiple_of(variable.align.max(8));
                let Some(bytes) = variable.bytes else { return fail("a local array without a size") };
                self.kernel.local = at.saturating_add(bytes).next_multiple_of(16);
                if self.kernel.local > LARGEST {
                    return fail("more local memory than a thread has");
                }
                Symbol::Place(Space::Local, at as u64)
            }
            _ => return fail("a variable of this space in a function"),
        };
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(&variable.name, symbol);
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

    pub fn symbol(&mut self, name: &str) -> Result<Symbol, String> {
        let first = self.frames.last().map_or(0, |f| f.first_scope);
        for i in (first..self.scopes.len()).rev() {
            if let Some(symbol) = self.scopes[i].names.get(name).or_else(|| self.scopes[i].used.get(name)) {
                return Ok(*symbol);
            }
            let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
            if let Some(&(ty, count)) = self.scopes[i].ranges.get(prefix)
                && name[prefix.len()..].parse().is_ok_and(|n: u32| n < count)
            {
                let symbol = self.new_symbol(ty);
                self.scopes[i].used.insert(name.to_owned(), symbol);
                return Ok(symbol);
            }
        }
        if let Some(&at) = self.shared.get(name) {
            return Ok(Symbol::Place(Space::Shared, at));
        }
        if let Some(&at) = self.globals.get(name) {
            let constant = self.constant_names.contains(name);
            return Ok(Symbol::Place(if constant { Space::Const } else { Space::Global }, at));
        }
        Err(format!("`{name}` is not declared"))
    }

    fn new_symbol(&mut self, ty: Type) -> Symbol {
        if ty == Type::Pred { Symbol::Predicate(self.new_predicate()) } else { Symbol::Register(self.register(ty), ty) }
    }

    fn register(&mut self, ty: Type) -> u32 {
        self.types.push(ty);
        self.kernel.registers += 1;
        self.kernel.registers as u32 - 1
    }

    pub fn new_register(&mut self) -> u32 {
        self.register(Type::B64)
    }

    /// The bits that a register has.
    pub fn register_mask(&self, register: u32) -> u64 {
        let bytes = self.types.get(register as usize).map_or(8, |t| t.bytes());
        if bytes >= 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 }
    }

    pub fn new_predicate(&mut self) -> u32 {
        self.kernel.predicates += 1;
        self.kernel.predicates as u32 - 1
    }

    pub fn carry(&mut self) -> u32 {
        let p = self.carry.unwrap_or_else(|| self.new_predicate());
        self.carry = Some(p);
        p
    }

    pub fn constant(&mut self, bits: u64) -> u32 {
        if let Some(&register) = self.constants.get(&bits) {
            return register;
        }
        let register = self.new_register();
        self.constants.insert(bits, register);
        register
    }

    /// A predicate that is always true or never: `setp` of a constant, made once at the start.
    pub fn constant_predicate(&mut self, value: bool) -> u32 {
        if let Some(p) = self.constant_predicates[usize::from(value)] {
            return p;
        }
        let p = self.new_predicate();
        self.constant_predicates[usize::from(value)] = Some(p);
        if value {
            self.kernel.true_predicates.push(p);
        }
        p
    }

    pub fn special(&mut self, special: Special) -> u32 {
        if let Some(&register) = self.specials.get(&special) {
            return register;
        }
        let register = self.new_register();
        self.specials.insert(special, register);
        register
    }

    fn new_label(&mut self) -> usize {
        self.labels.push(None);
        self.labels.len() - 1
    }

    /// The number of a label of the function that is being decoded.
    pub fn label(&mut self, name: &str) -> usize {
        let known = self.frames.last().and_then(|f| f.labels.get(name).copied());
        if let Some(label) = known {
            return label;
        }
        let label = self.new_label();
        if let Some(frame) = self.frames.last_mut() {
            frame.labels.insert(name.to_owned(), label);
        }
        label
    }

    pub fn targets(&mut self, name: &str) -> Result<Vec<usize>, String> {
        let found = self.frames.last().and_then(|f| f.targets.get(name).copied());
        let targets = found.ok_or_else(|| format!("`{name}` is no list of branch targets that stands above"))?;
        Ok(targets.iter().map(|t| self.label(t)).collect())
    }

    pub fn return_label(&self) -> Option<usize> {
        self.frames.last().and_then(|f| f.end)
    }
}

/// The names that an operand mentions.
fn mentioned<'m>(operand: &'m Operand, names: &mut HashSet<&'m str>) {
    match operand {
        Operand::Name(name) | Operand::Offset(name, _) | Operand::Address(Some(name), _) => drop(names.insert(name)),
        Operand::List(list) => list.iter().for_each(|o| mentioned(o, names)),
        _ => {}
    }
}
