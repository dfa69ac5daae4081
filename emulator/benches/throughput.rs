//! Lane-instructions a second on one core: arithmetic, and memory with all checks.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cuda_emulator::machine::{Dim, Kernel, Launch, run};
use cuda_emulator::memory::{Global, View};
use cuda_emulator::{isa, ptx};
use std::collections::HashMap;
use std::time::Duration;

/// The trips of each loop, and the block that runs it.
const TRIPS: usize = 1000;
const THREADS: u32 = 256;

/// A kernel that repeats `body`, which may use %f0 to %f9, %r2, %r3, %q, the thread's %t, its word %at,
/// and the 16 bytes of its own at %a and, in shared memory, at %r4.
fn kernel(body: &str) -> Kernel {
    let zeros: String = (0..10).map(|i| format!("mov.f32 %f{i}, 0f3F000000;\n")).collect();
    let text = format!(
        ".version 8.0 .target sm_80 .address_size 64\n.visible .entry k(.param .u64 out) {{\n\
         .reg .f32 %f<10>; .reg .b32 %r<5>; .reg .b64 %at; .reg .b64 %d; .reg .b64 %a; .reg .b32 %t; .reg .pred %p; .reg .pred %q;\n\
         .shared .align 16 .b8 s[4096];\n\
         mov.u32 %t, %tid.x; mov.u32 %r1, 0; {zeros} ld.param.u64 %at, [out]; mul.wide.u32 %d, %t, 16;\n\
         add.s64 %a, %at, %d; mul.wide.u32 %d, %t, 4; add.s64 %at, %at, %d; st.global.v4.f32 [%a], {{%f0, %f1, %f2, %f3}};\n\
         mad.lo.u32 %r4, %t, 16, s; st.shared.v4.f32 [%r4], {{%f0, %f1, %f2, %f3}}; bar.sync 0;\n\
         mad.lo.u32 %r3, %t, 4, s; bar.sync 0;\n\
         L: {body}\nadd.s32 %r1, %r1, 1; setp.lt.s32 %p, %r1, {TRIPS}; @%p bra L; st.global.f32 [%at], %f0; ret; }}"
    );
    let module = ptx::parse(&text).expect("PTX");
    isa::kernel(&module, &module.functions[0], &HashMap::new()).expect("a kernel")
}

/// A product of matrices that adds to %f0 to %f3.
fn product(shape: &str, ty: &str, a: &str, b: &str) -> String {
    let c = "{%f0, %f1, %f2, %f3}";
    format!("mma.sync.aligned.{shape}.row.col.f32.{ty}.{ty}.f32 {c}, {{{a}}}, {{{b}}}, {c};\n")
}

fn once(kernel: &Kernel, params: &[u8], view: &View) -> u64 {
    let launch = Launch { grid: Dim([1; 3]), block: Dim([THREADS, 1, 1]), shared: 0, params, checks: true, threads: 1 };
    run(kernel, &launch, view).expect("a kernel without faults")
}

fn throughput(c: &mut Criterion) {
    let global = Global::new(1 << 20);
    let out = global.allocate(16 * THREADS as usize).expect("memory");
    let (params, view) = (out.base.to_le_bytes(), global.view());
    let mut group = c.benchmark_group("lane-instructions");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(10);
    let repeated = |line: &dyn Fn(usize) -> String| (0..8).map(line).collect::<String>();
    let bodies = [
        ("fma.rn.f32", repeated(&|i| format!("fma.rn.f32 %f{i}, %f{i}, %f8, %f9;\n"))),
        ("fma.rm.f32", repeated(&|i| format!("fma.rm.f32 %f{i}, %f{i}, %f8, %f9;\n"))),
        ("add.s32", repeated(&|_| "add.s32 %r2, %r2, %t;\n".to_owned())),
        ("ex2.approx.f32", repeated(&|i| format!("ex2.approx.f32 %f{i}, %f8;\n"))),
        ("ld.global.f32", repeated(&|i| format!("ld.global.f32 %f{i}, [%at];\n"))),
        ("st.global.f32", repeated(&|i| format!("st.global.f32 [%at], %f{i};\n"))),
        ("ld.shared.f32", repeated(&|i| format!("ld.shared.f32 %f{i}, [%r3];\n"))),
        ("shfl.sync", repeated(&|i| format!("shfl.sync.bfly.b32 %f{i}, %f{i}, 1, 31, 0xffffffff;\n"))),
        ("setp.lt.f32", repeated(&|_| "setp.lt.f32 %q, %f0, %f1;\n".to_owned())),
        ("cvt.rn.f16x2.f32", repeated(&|_| "cvt.rn.f16x2.f32 %r2, %f0, %f1;\n".to_owned())),
        ("fma.rn.f16x2", repeated(&|_| "fma.rn.f16x2 %r2, %f0, %f1, %f2;\n".to_owned())),
        ("ld.shared.v4.f32", repeated(&|_| "ld.shared.v4.f32 {%f4, %f5, %f6, %f7}, [%r4];\n".to_owned())),
        ("st.shared.v4.f32", repeated(&|_| "st.shared.v4.f32 [%r4], {%f4, %f5, %f6, %f7};\n".to_owned())),
        (
            "cp.async of 16 bytes",
            repeated(&|_| "cp.async.cg.shared.global [%r4], [%a], 16;\n".to_owned()) + "cp.async.wait_all;\n",
        ),
        (
            "ldmatrix.x4",
            repeated(&|_| "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%f4, %f5, %f6, %f7}, [%r4];\n".to_owned()),
        ),
        ("mma.m16n8k16 of f16", repeated(&|_| product("m16n8k16", "f16", "%f4, %f5, %f6, %f7", "%f8, %f9"))),
        ("mma.m16n8k16 of bf16", repeated(&|_| product("m16n8k16", "bf16", "%f4, %f5, %f6, %f7", "%f8, %f9"))),
        ("mma.m16n8k8 of tf32", repeated(&|_| product("m16n8k8", "tf32", "%f4, %f5, %f6, %f7", "%f8, %f9"))),
    ];
    for (name, body) in bodies {
        let kernel = kernel(&body);
        group.throughput(Throughput::Elements(once(&kernel, &params, &view)));
        group.bench_function(name, |b| b.iter(|| once(&kernel, &params, &view)));
    }
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
