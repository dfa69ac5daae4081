//! One instruction, run for many operands at once.

use cuda_emulator::machine::{Dim, Fault, Launch, run};
use cuda_emulator::memory::Global;
use cuda_emulator::{isa, ptx};
use std::collections::HashMap;

/// The type of a register that holds `ty`.
fn register(ty: &str) -> &str {
    match ty {
        "u8" | "s8" | "b8" | "f16" | "bf16" | "u16" | "s16" => "b16",
        "f16x2" | "bf16x2" | "tf32" | "u32" | "s32" => "b32",
        "u64" | "s64" => "b64",
        other => other,
    }
}

/// `instruction d, a, b, …;` for each row of operands' bits, as the bits of `d`; a predicate gives 0 or 1.
pub fn eval(instruction: &str, to: &str, from: &[&str], rows: &[&[u64]]) -> Vec<u64> {
    let names = ["a", "b", "c", "e"];
    let mut body = String::new();
    for (i, ty) in from.iter().enumerate() {
        let name = names[i];
        if *ty == "pred" {
            body += &format!(
                ".reg .pred {name}; .reg .b32 r{name};\n ld.global.b32 r{name}, [in+{}]; setp.ne.b32 {name}, r{name}, 0;\n",
                8 * i
            );
        } else {
            let ty = register(ty);
            body += &format!(".reg .{ty} {name}; ld.global.{ty} {name}, [in+{}];\n", 8 * i);
        }
    }
    let operands = names[..from.len()].join(", ");
    if to == "pred" {
        body += &format!(".reg .pred d; .reg .b64 w;\n{instruction} d, {operands};\nselp.b64 w, 1, 0, d;\n");
    } else {
        let ty = register(to);
        body += &format!(".reg .{ty} d; .reg .b64 w;\n{instruction} d, {operands};\n");
        body += match ty {
            "b16" => "cvt.u64.u16 w, d;\n",
            "b32" | "f32" => ".reg .b32 h; mov.b32 h, d; cvt.u64.u32 w, h;\n",
            _ => "mov.b64 w, d;\n",
        };
    }
    let stride = 8 * from.len();
    let text = format!(
        ".version 8.0 .target sm_90 .address_size 64\n.visible .entry k(.param .u64 pin, .param .u64 pout) {{\n\
         .reg .b64 in, out, at; .reg .b32 t, n;\n\
         mov.u32 t, %tid.x; mov.u32 n, %ctaid.x; mad.lo.u32 t, n, 32, t;\n\
         ld.param.u64 in, [pin]; ld.param.u64 out, [pout];\n\
         mul.wide.u32 at, t, {stride}; add.s64 in, in, at; mul.wide.u32 at, t, 8; add.s64 out, out, at;\n\
         {body} st.global.b64 [out], w; ret; }}"
    );
    let blocks = rows.len().div_ceil(32);
    let mut input = Vec::new();
    for i in 0..blocks * 32 {
        rows[i.min(rows.len() - 1)].iter().for_each(|x| input.extend(x.to_le_bytes()));
    }
    let out = launch(&text, blocks, &input, blocks * 32 * 8).unwrap_or_else(|fault| panic!("{instruction}: {fault}"));
    out.chunks_exact(8).take(rows.len()).map(|b| u64::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The bytes that the only kernel of `text`, whose parameters are an input and an output, writes with blocks of 32 threads.
pub fn launch(text: &str, blocks: usize, input: &[u8], output: usize) -> Result<Vec<u8>, Box<Fault>> {
    let module = ptx::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let kernel = isa::kernel(&module, &module.functions[0], &HashMap::new()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let global = Global::new(1 << 30);
    let (from, to) = (global.allocate(input.len()).unwrap(), global.allocate(output).unwrap());
    from.write(0, input);
    let params = [from.base.to_le_bytes(), to.base.to_le_bytes()].concat();
    let (grid, block) = (Dim([blocks as u32, 1, 1]), Dim([32, 1, 1]));
    let launch = Launch { grid, block, shared: 0, params: &params, checks: true, threads: 1 };
    run(&kernel, &launch, &global.view())?;
    let mut bytes = vec![0; output];
    to.read(0, &mut bytes);
    Ok(bytes)
}

/// Holds an instruction against what each row of operands gives.
pub fn check(instruction: &str, to: &str, from: &[&str], cases: &[(&[u64], u64)]) {
    let rows: Vec<&[u64]> = cases.iter().map(|c| c.0).collect();
    for ((row, expected), got) in cases.iter().zip(eval(instruction, to, from, &rows)) {
        assert_eq!(got, *expected, "{instruction} {row:x?}: got {got:#x}, expected {expected:#x}");
    }
}

/// The bits of an `f32`.
pub fn f(x: f32) -> u64 {
    u64::from(x.to_bits())
}

/// The bits of an `f64`.
pub fn d(x: f64) -> u64 {
    x.to_bits()
}

/// The bits of a signed number in 32 bits.
pub fn i(x: i32) -> u64 {
    u64::from(x as u32)
}

/// `f32` numbers with every sort of edge.
pub const EDGES: [f32; 26] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1.5,
    -2.5,
    3.0,
    1e-3,
    0.1,
    16_777_216.0,
    16_777_217.0,
    1e10,
    -1e10,
    3e38,
    -3e38,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    1e-40,
    -1e-45,
    f32::EPSILON,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    8.5e37,
];
