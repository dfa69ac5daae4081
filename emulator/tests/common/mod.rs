//! A device without a driver: memory, modules and launches for tests.

#![allow(dead_code)] // each test uses its part

use cuda_emulator::isa::{self, Symbols};
use cuda_emulator::machine::{self, Dim, Fault, Launch};
use cuda_emulator::memory::{Allocation, Global};
use cuda_emulator::ptx::{self, Init, Module, Space};
use std::sync::Arc;

/// Memory of the device.
pub struct Buffer(pub Arc<Allocation>);

/// What copies to and from a device as it is.
pub trait Plain: Copy {
    fn bytes(self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Self;
}

macro_rules! plain {
    ($($t:ty)+) => {$(
        impl Plain for $t {
            fn bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
            fn from_bytes(bytes: &[u8]) -> $t {
                <$t>::from_le_bytes(bytes.try_into().unwrap())
            }
        }
    )+};
}
plain! { u8 u16 u32 u64 i8 i32 i64 f32 f64 half::f16 half::bf16 }

impl Buffer {
    /// All of it, which the device must have written.
    pub fn read<T: Plain>(&self) -> Vec<T> {
        assert_eq!(self.0.first_unwritten(0, self.0.size), None, "nothing wrote this");
        let mut bytes = vec![0; self.0.size];
        self.0.read(0, &mut bytes);
        bytes.chunks_exact(size_of::<T>()).map(T::from_bytes).collect()
    }
}

/// A kernel's argument.
pub struct Arg(Vec<u8>);

impl From<&Buffer> for Arg {
    fn from(buffer: &Buffer) -> Arg {
        Arg(buffer.0.base.bytes())
    }
}

impl<T: Plain> From<T> for Arg {
    fn from(value: T) -> Arg {
        Arg(value.bytes())
    }
}

/// A list of arguments.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { &[$($crate::common::Arg::from($arg)),*] };
}

/// A device.
pub struct Device {
    pub global: Global,
}

impl Device {
    pub fn new() -> Device {
        Device { global: Global::new(1 << 30) }
    }

    /// Memory that holds `data`.
    pub fn buffer<T: Plain>(&self, data: &[T]) -> Buffer {
        let bytes: Vec<u8> = data.iter().flat_map(|&x| x.bytes()).collect();
        let buffer = self.empty(bytes.len());
        buffer.0.write(0, &bytes);
        buffer
    }

    /// Memory that nothing wrote.
    pub fn empty(&self, bytes: usize) -> Buffer {
        Buffer(self.global.allocate(bytes).unwrap())
    }

    /// The module's text and its variables.
    pub fn load(&self, text: &str) -> (Module, Symbols) {
        let module = ptx::parse(text).unwrap();
        let mut symbols = Symbols::new();
        let mut filled = Vec::new();
        for v in module.variables.iter().filter(|v| matches!(v.space, Space::Global | Space::Const)) {
            let place = self.global.allocate(v.bytes.unwrap()).unwrap();
            symbols.insert(v.name.clone(), place.base);
            filled.push((v, place));
        }
        for (v, place) in filled {
            let mut bytes = Vec::new();
            for piece in &v.init {
                match piece {
                    Init::Bytes(more) => bytes.extend(more),
                    Init::Address(name, offset) => bytes.extend(symbols[name].wrapping_add_signed(*offset).bytes()),
                }
            }
            bytes.resize(place.size, 0);
            place.write(0, &bytes);
        }
        (module, symbols)
    }

    /// Runs the entry `name` with all checks on.
    pub fn run(
        &self,
        (module, symbols): &(Module, Symbols),
        name: &str,
        [grid, block]: [[u32; 3]; 2],
        shared: usize,
        args: &[Arg],
    ) -> Result<u64, Box<Fault>> {
        let function = module.functions.iter().find(|f| f.entry && f.name == name).expect(name);
        let kernel = isa::kernel(module, function, symbols).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(kernel.params.len(), args.len(), "the number of arguments of {name}");
        let mut params = vec![0; kernel.param_bytes()];
        for (param, Arg(bytes)) in kernel.params.iter().zip(args) {
            assert_eq!(param.bytes, bytes.len(), "the size of an argument of {name}");
            params[param.offset..][..param.bytes].copy_from_slice(bytes);
        }
        let launch = Launch { grid: Dim(grid), block: Dim(block), shared, params: &params, checks: true, threads: 2 };
        machine::run(&kernel, &launch, &self.global.view())
    }
}

/// A module of one kernel `f` with 64-bit parameters p0, p1, … that are loaded to %a0, %a1, …; %t is the thread's number.
/// The body may use %r (b32), %h (b16), %d (b64), %f (f32), %g (f64) and %p.
pub fn ptx(params: usize, body: &str) -> String {
    let list: Vec<String> = (0..params).map(|i| format!(".param .u64 p{i}")).collect();
    let loads: String = (0..params).map(|i| format!("ld.param.u64 %a{i}, [p{i}];\n")).collect();
    format!(
        ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry f({})\n{{\n.reg .pred %p<9>;\n.reg .b16 %h<99>;\n\
         .reg .b32 %r<99>;\n.reg .b32 %t;\n.reg .b64 %d<99>;\n.reg .b64 %a<9>;\n.reg .f32 %f<99>;\n.reg .f64 %g<99>;\n\
         mov.u32 %t, %tid.x;\n{loads}{body}\nret;\n}}\n",
        list.join(", ")
    )
}

/// Runs such a kernel with one block of `threads`.
pub fn run_ptx(device: &Device, threads: u32, body: &str, buffers: &[&Buffer]) -> Result<u64, Box<Fault>> {
    let module = device.load(&ptx(buffers.len(), body));
    let args: Vec<Arg> = buffers.iter().map(|&b| b.into()).collect();
    device.run(&module, "f", [[1; 3], [threads, 1, 1]], 0, &args)
}
