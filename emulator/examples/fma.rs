use cuda::machine::{Dim, Launch, run};
use cuda::memory::Global;
use cuda::{isa, ptx};
use std::collections::HashMap;

fn main() {
    let fmas: String = (0..8).map(|i| format!("fma.rn.f32 %f{i}, %f{i}, %f8, %f9;\n")).collect();
    let text = format!(
        ".version 9.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 out){{\n.reg .f32 %f<10>;.reg .b32 %r<4>;.reg .b64 %rd<4>;.reg .pred %p;\n\
        mov.u32 %r0, %tid.x; cvt.rn.f32.u32 %f8, %r0; mov.f32 %f9, 0f3F800000; mov.u32 %r1, 0;\n{}L:\n{}add.s32 %r1, %r1, 1; setp.lt.s32 %p, %r1, 10000; @%p bra L;\n\
        ld.param.u64 %rd0, [out]; mul.wide.u32 %rd1, %r0, 4; add.s64 %rd0, %rd0, %rd1; st.global.f32 [%rd0], %f0; ret; }}",
        (0..8).map(|i| format!("mov.f32 %f{i}, 0f00000000;\n")).collect::<String>(),
        fmas
    );
    let module = ptx::parse(&text).unwrap();
    let kernel = isa::kernel(&module, &module.functions[0], &HashMap::new()).unwrap();
    let global = Global::new(1 << 20);
    let out = global.allocate(256 * 4).unwrap();
    let view = global.view();
    for _ in 0..3 {
        let launch = Launch {
            grid: Dim([1, 1, 1]),
            block: Dim([256, 1, 1]),
            shared: 0,
            params: &out.base.to_le_bytes(),
            checks: true,
            threads: 1,
        };
        let start = std::time::Instant::now();
        let n = run(&kernel, &launch, &view).unwrap();
        let s = start.elapsed().as_secs_f64();
        println!("{n} lane-instructions in {s:.3} s: {:.0} million/s", n as f64 / s / 1e6);
    }
}
