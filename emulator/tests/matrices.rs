//! `mma`, `ldmatrix`, `stmatrix`, `movmatrix`: the elements that each lane holds, and the products.

mod common;

use common::{Device, run_ptx};
use cuda_emulator::machine::Kind;
use half::{bf16, f16};

/// How elements of a type look in memory and what they are worth.
struct Kinds {
    bits: usize,
    to: fn(f64) -> u64,
    from: fn(u64) -> f64,
}

const F16: Kinds =
    Kinds { bits: 16, to: |x| f16::from_f64(x).to_bits().into(), from: |b| f16::from_bits(b as u16).to_f64() };
const BF16: Kinds =
    Kinds { bits: 16, to: |x| bf16::from_f64(x).to_bits().into(), from: |b| bf16::from_bits(b as u16).to_f64() };
const F32: Kinds = Kinds { bits: 32, to: |x| (x as f32).to_bits().into(), from: |b| f32::from_bits(b as u32).into() };
const TF32: Kinds = Kinds { bits: 32, to: F32.to, from: |b| f32::from_bits(b as u32 & 0xffff_e000).into() };
const F64: Kinds = Kinds { bits: 64, to: f64::to_bits, from: f64::from_bits };
const S8: Kinds = Kinds { bits: 8, to: |x| x as i8 as u8 as u64, from: |b| (b as i8).into() };
const U8: Kinds = Kinds { bits: 8, to: |x| x as u8 as u64, from: |b| (b as u8).into() };
const S32: Kinds = Kinds { bits: 32, to: |x| x as i32 as u32 as u64, from: |b| (b as i32).into() };

/// The lane and the element in it that hold (row, column) of a (m × k), by the figures of the PTX manual.
fn a_place(row: usize, column: usize, bits: usize, m: usize) -> (usize, usize) {
    // Elements of a register, which lie side by side; 8 rows by 4 registers are a block.
    let n = (32 / bits).max(1);
    let block = column / (4 * n) * (m / 8) + row / 8;
    (row % 8 * 4 + column % (4 * n) / n, block * n + column % n)
}

/// The same for b (k × 8).
fn b_place(row: usize, column: usize, bits: usize) -> (usize, usize) {
    let n = (32 / bits).max(1);
    (column * 4 + row % (4 * n) / n, row / (4 * n) * n + row % n)
}

/// The same for c and d (m × 8).
fn c_place(row: usize, column: usize) -> (usize, usize) {
    (row % 8 * 4 + column / 2, row / 8 * 2 + column % 2)
}

/// The registers of a matrix: for each lane its elements, packed.
fn pack(kind: &Kinds, elements: &[Vec<u64>]) -> Vec<u64> {
    let packed = (32 / kind.bits).max(1);
    let join = |c: &[u64]| c.iter().rev().fold(0, |all, &e| if kind.bits == 64 { e } else { all << kind.bits | e });
    elements.iter().flat_map(|lane| lane.chunks(packed).map(join).collect::<Vec<u64>>()).collect()
}

/// Runs `mma.sync.aligned.{name}`, with numbers that make many rounding errors unless `small`; compares with f64.
fn check(name: &str, [m, k]: [usize; 2], kinds: [&Kinds; 4], tolerance: f64) {
    let [d_kind, a_kind, b_kind, c_kind] = kinds;
    let integers = d_kind.bits == 32 && a_kind.bits == 8;
    let value = |i: usize, signed: bool| {
        let x = (i * 7919 % 1000) as f64 / 1000.0;
        match integers {
            true if signed => (x * 255.0).floor() - 128.0,
            true => (x * 255.0).floor(),
            false => x * 4.0 - 2.0,
        }
    };
    // A matrix with its lanes' elements; what a type does not hold is rounded first.
    type Place<'a> = &'a dyn Fn(usize, usize) -> (usize, usize);
    let matrix = |kind: &Kinds, rows: usize, columns: usize, start: usize, place: Place| {
        let per_lane = (rows * columns / 32).max(1);
        let (mut numbers, mut lanes) = (vec![0.0; rows * columns], vec![vec![0; per_lane]; 32]);
        for (i, number) in numbers.iter_mut().enumerate() {
            let bits = (kind.to)(value(i + start, (kind.from)(0xff) < 0.0));
            *number = (kind.from)(bits);
            let (lane, element) = place(i / columns, i % columns);
            lanes[lane][element] = bits;
        }
        (numbers, lanes)
    };
    let (a, a_lanes) = matrix(a_kind, m, k, 0, &|r, c| a_place(r, c, a_kind.bits, m));
    let (b, b_lanes) = matrix(b_kind, k, 8, 3000, &|r, c| b_place(r, c, b_kind.bits));
    let (c, c_lanes) = matrix(c_kind, m, 8, 7000, &c_place);
    let inputs = [pack(a_kind, &a_lanes), pack(b_kind, &b_lanes), pack(c_kind, &c_lanes)];
    let device = Device::new();
    let [a_buffer, b_buffer, c_buffer] = inputs.each_ref().map(|x| device.buffer(x));
    let registers_d = m * 8 / 32 * d_kind.bits / d_kind.bits.max(32);
    let out = device.empty(32 * registers_d * 8);
    let mut body = String::new();
    let mut lists = vec![];
    for (i, (input, kind)) in inputs.iter().zip([a_kind, b_kind, c_kind]).enumerate() {
        let (n, wide) = (input.len() / 32, kind.bits == 64);
        let name = |j: usize| format!("%{}{}", if wide { "g" } else { "r" }, 10 + 20 * i + j);
        body += &format!("mul.wide.u32 %d0, %t, {};\nadd.s64 %d1, %a{i}, %d0;\n", n * 8);
        for j in 0..n {
            let ty = if wide { "f64" } else { "b32" };
            body += &format!("ld.global.{ty} {}, [%d1+{}];\n", name(j), 8 * j);
        }
        lists.push(format!("{{{}}}", (0..n).map(name).collect::<Vec<_>>().join(", ")));
    }
    let d = |j: usize| format!("%{}{}", if d_kind.bits == 64 { "g" } else { "r" }, 80 + j);
    let d_list = (0..registers_d).map(d).collect::<Vec<_>>().join(", ");
    body += &format!("mma.sync.aligned.{name} {{{d_list}}}, {};\n", lists.join(", "));
    body += &format!("mul.wide.u32 %d0, %t, {};\nadd.s64 %d1, %a3, %d0;\n", registers_d * 8);
    for j in 0..registers_d {
        if d_kind.bits == 64 {
            body += &format!("st.global.f64 [%d1+{}], {};\n", 8 * j, d(j));
        } else {
            body += &format!("cvt.u64.u32 %d2, {};\nst.global.u64 [%d1+{}], %d2;\n", d(j), 8 * j);
        }
    }
    run_ptx(&device, 32, &body, &[&a_buffer, &b_buffer, &c_buffer, &out]).unwrap_or_else(|e| panic!("{name}: {e}"));
    let found: Vec<u64> = out.read();
    let packed = (32 / d_kind.bits).max(1);
    for row in 0..m {
        for column in 0..8 {
            let expected: f64 = c[row * 8 + column] + (0..k).map(|i| a[row * k + i] * b[i * 8 + column]).sum::<f64>();
            let (lane, element) = c_place(row, column);
            let bits = found[lane * registers_d + element / packed] >> (d_kind.bits % 64 * (element % packed));
            let got = (d_kind.from)(bits);
            assert!((got - expected).abs() <= tolerance, "{name} ({row}, {column}): {got}, expected {expected}");
        }
    }
}

#[test]
fn products_of_every_shape_and_type() {
    check("m16n8k8.row.col.f32.f16.f16.f32", [16, 8], [&F32, &F16, &F16, &F32], 1e-5);
    check("m16n8k16.row.col.f32.f16.f16.f32", [16, 16], [&F32, &F16, &F16, &F32], 2e-5);
    check("m16n8k16.row.col.f16.f16.f16.f16", [16, 16], [&F16, &F16, &F16, &F16], 2e-2);
    check("m16n8k8.row.col.f16.f16.f16.f16", [16, 8], [&F16, &F16, &F16, &F16], 1e-2);
    check("m16n8k8.row.col.f32.bf16.bf16.f32", [16, 8], [&F32, &BF16, &BF16, &F32], 1e-5);
    check("m16n8k16.row.col.f32.bf16.bf16.f32", [16, 16], [&F32, &BF16, &BF16, &F32], 2e-5);
    check("m16n8k4.row.col.f32.tf32.tf32.f32", [16, 4], [&F32, &TF32, &TF32, &F32], 1e-5);
    check("m16n8k8.row.col.f32.tf32.tf32.f32", [16, 8], [&F32, &TF32, &TF32, &F32], 1e-5);
    check("m8n8k4.row.col.f64.f64.f64.f64", [8, 4], [&F64; 4], 1e-14);
    check("m16n8k16.row.col.f64.f64.f64.f64", [16, 16], [&F64; 4], 1e-13);
    check("m8n8k16.row.col.s32.s8.u8.s32", [8, 16], [&S32, &S8, &U8, &S32], 0.0);
    check("m16n8k16.row.col.satfinite.s32.u8.s8.s32", [16, 16], [&S32, &U8, &S8, &S32], 0.0);
    check("m16n8k32.row.col.s32.s8.s8.s32", [16, 32], [&S32, &S8, &S8, &S32], 0.0);
}

/// Products are exact and NaN and infinities go the way of IEEE 754: one product per element of the result.
#[test]
fn edges_of_f16_products() {
    let device = Device::new();
    let edges: [(u16, u16, u32); 7] = [
        (0x0001, 0x0001, 2f32.powi(-48).to_bits()),
        (0x7bff, 0x7bff, (65504f32 * 65504.0).to_bits()),
        (0x7c00, 0x0000, 0x7fff_ffff),
        (0x7c00, 0xbc00, f32::NEG_INFINITY.to_bits()),
        (0x7e00, 0x3c00, 0x7fff_ffff),
        (0x03ff, 0x8400, (-(1023.0 * 2f32.powi(-24)) * 2f32.powi(-14)).to_bits()),
        (0x8000, 0x3c00, 0),
    ];
    for (a, b, expected) in edges {
        let out = device.empty(4);
        // Element (0, 0) is all that there is.
        let body = format!(
            "mov.b32 %r9, 0;\nsetp.eq.u32 %p1, %t, 0;\nselp.b32 %r1, {a}, 0, %p1;\nselp.b32 %r2, {b}, 0, %p1;\n\
             mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {{%r5, %r6, %r7, %r8}}, {{%r1, %r9}}, {{%r2}}, \
             {{%r9, %r9, %r9, %r9}};\n@%p1 st.global.b32 [%a0], %r5;"
        );
        run_ptx(&device, 32, &body, &[&out]).unwrap();
        assert_eq!(out.read::<u32>(), [expected], "{a:04x} {b:04x}");
    }
}

#[test]
fn integers_wrap_or_saturate() {
    let device = Device::new();
    for (modifier, expected) in [("", i32::MIN + 15), (".satfinite", i32::MAX)] {
        let out = device.empty(4);
        // Each element is the largest number plus 16 times 1.
        let body = format!(
            "mov.b32 %r1, 0x01010101;\nmov.b32 %r2, 0x7fffffff;\nsetp.eq.u32 %p1, %t, 31;\n\
             mma.sync.aligned.m8n8k16.row.col{modifier}.s32.s8.s8.s32 {{%r3, %r4}}, {{%r1}}, {{%r1}}, {{%r2, %r2}};\n\
             @%p1 st.global.b32 [%a0], %r4;"
        );
        run_ptx(&device, 32, &body, &[&out]).unwrap();
        assert_eq!(out.read::<i32>(), [expected]);
    }
}

const ROWS: &str = ".shared .align 16 .b8 s[512];\nmov.u32 %r0, s;\nmad.lo.u32 %r0, %t, 16, %r0;\n";

/// Fills shared memory with 0, 1, 2, … as b16: lane l writes row l of 8.
const FILL: &str = "shl.b32 %r1, %t, 3;\nmad.lo.u32 %r1, %r1, 65537, 65536;\nadd.u32 %r2, %r1, 131074;\n\
                    add.u32 %r3, %r2, 131074;\nadd.u32 %r4, %r3, 131074;\nst.shared.v4.b32 [%r0], {%r1, %r2, %r3, %r4};\n\
                    bar.warp.sync -1;\n";

fn element(matrix: usize, row: usize, column: usize) -> u32 {
    (matrix * 64 + row * 8 + column) as u32
}

fn halves(low: u32, high: u32) -> u32 {
    low | high << 16
}

#[test]
fn ldmatrix_gives_each_lane_its_pair() {
    let device = Device::new();
    for transposed in [false, true] {
        let trans = if transposed { ".trans" } else { "" };
        let out = device.empty(32 * 16);
        let body = format!(
            "{ROWS}{FILL}ldmatrix.sync.aligned.m8n8.x4{trans}.shared.b16 {{%r5, %r6, %r7, %r8}}, [%r0];\n\
             mul.wide.u32 %d0, %t, 16;\nadd.s64 %d0, %d0, %a0;\nst.global.v4.b32 [%d0], {{%r5, %r6, %r7, %r8}};"
        );
        run_ptx(&device, 32, &body, &[&out]).unwrap();
        for (i, found) in out.read::<u32>().into_iter().enumerate() {
            let (lane, matrix) = (i / 4, i % 4);
            let (row, column) = (lane / 4, lane % 4 * 2);
            let expected = if transposed {
                halves(element(matrix, column, row), element(matrix, column + 1, row))
            } else {
                halves(element(matrix, row, column), element(matrix, row, column + 1))
            };
            assert_eq!(found, expected, "lane {lane}, matrix {matrix}, transposed: {transposed}");
        }
    }
}

#[test]
fn stmatrix_and_movmatrix_undo_a_transpose() {
    let device = Device::new();
    let out = device.empty(32 * 16);
    let body = format!(
        "{ROWS}{FILL}ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {{%r5, %r6, %r7, %r8}}, [%r0];\n\
         movmatrix.sync.aligned.m8n8.trans.b16 %r5, %r5;\nmovmatrix.sync.aligned.m8n8.trans.b16 %r6, %r6;\n\
         bar.warp.sync -1;\n\
         stmatrix.sync.aligned.m8n8.x2.shared.b16 [%r0], {{%r5, %r6}};\n\
         add.u32 %r9, %r0, 256;\n\
         stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%r9], {{%r7, %r8}};\nbar.warp.sync -1;\n\
         ld.shared.v4.b32 {{%r1, %r2, %r3, %r4}}, [%r0];\n\
         mul.wide.u32 %d0, %t, 16;\nadd.s64 %d0, %d0, %a0;\nst.global.v4.b32 [%d0], {{%r1, %r2, %r3, %r4}};"
    );
    run_ptx(&device, 32, &body, &[&out]).unwrap();
    assert_eq!(out.read::<u32>(), (0..128).map(|i| halves(2 * i, 2 * i + 1)).collect::<Vec<_>>());
}

#[test]
fn what_is_wrong_is_found() {
    let device = Device::new();
    let load = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r5, %r6, %r7, %r8}, [%r0];";
    let kind = |threads, body: &str| run_ptx(&device, threads, &format!("{ROWS}{body}"), &[]).map_err(|f| f.kind);
    assert_eq!(kind(32, load), Err(Kind::Unwritten));
    assert_eq!(kind(32, &format!("{FILL}add.u32 %r0, %r0, 8;\n{load}")), Err(Kind::MisalignedAddress));
    assert_eq!(kind(32, &format!("{FILL}add.u32 %r0, %r0, 16;\n{load}")), Err(Kind::IllegalAddress));
    // A warp that is not whole: some lanes never were, are guarded off, or have ended.
    assert_eq!(kind(24, &format!("{FILL}{load}")), Err(Kind::Undefined));
    let some = "setp.lt.u32 %p1, %t, 9;\n";
    assert_eq!(kind(32, &format!("{FILL}{some}@%p1 {load}")), Err(Kind::Undefined));
    assert_eq!(kind(32, &format!("{FILL}{some}@%p1 exit;\n{load}")), Err(Kind::Undefined));
    // Lanes that come by different ways meet.
    let ways = format!("{FILL}{some}@%p1 bra ON;\nadd.u32 %r9, %t, 1;\nON:\n{load}");
    assert!(kind(32, &ways).is_ok());
    for (body, part) in [
        ("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%f1}, {%r1}, {%r2}, {%f1};", "m8n8k4"),
        ("mma.sync.aligned.m16n8k8.row.col.f16.bf16.bf16.f16 {%r1}, {%r1}, {%r2}, {%r1};", "bf16"),
        ("mma.sync.aligned.m16n8k8.row.row.f32.f16.f16.f32 {%r1}, {%r1}, {%r2}, {%r1};", ".row.col"),
        ("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r1}, {%r1}, {%r2}, {%r1};", "4 registers for d"),
        ("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f16 {%r1}, {%r1}, {%r2}, {%r1};", "one type"),
        ("mma.m16n8k8.row.col.f32.f16.f16.f32 {%r1}, {%r1}, {%r2}, {%r1};", "sync.aligned"),
        ("ldmatrix.sync.aligned.m8n8.x3.shared.b16 {%r1}, [%r2];", "x4"),
        ("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1}, [%r2];", "2 registers"),
        ("wmma.load.a.sync.aligned.row.m16n16k4.f16 {%r1}, [%a0];", "m16n16k4"),
        ("wmma.load.d.sync.aligned.row.m16n16k16.f16 {%r1}, [%a0];", "expected one of"),
        ("wmma.load.a.sync.aligned.row.m16n16k8.f16 {%r1}, [%a0];", "f16"),
    ] {
        let module = device.load(&common::ptx(1, body));
        let error = cuda_emulator::isa::kernel(&module.0, &module.0.functions[0], &module.1).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}
