//! `atom` and `red`.

mod common;

use common::{Device, run_ptx};
use cuda_emulator::machine::Kind;
use half::f16;

/// What `atom` returns and leaves behind, for one lane: `old op b`.
fn once(op: &str, old: u64, b: u64, c: Option<u64>) -> (u64, u64) {
    let wide = op.ends_with("64");
    let (register, bits) = if wide { ("%d", "b64") } else { ("%r", "b32") };
    let device = Device::new();
    let place = device.buffer(&[old]);
    let operands = device.buffer(&[b, c.unwrap_or(0)]);
    let out = device.buffer(&[0u64]);
    let third = if c.is_some() { format!(", {register}3") } else { String::new() };
    let body = format!(
        "ld.global.{bits} {register}2, [%a1];\nld.global.{bits} {register}3, [%a1+8];\n\
         atom.{op} {register}1, [%a0], {register}2{third};\nst.global.{bits} [%a2], {register}1;"
    );
    run_ptx(&device, 1, &body, &[&place, &operands, &out]).unwrap();
    (out.read::<u64>()[0], place.read::<u64>()[0])
}

#[test]
fn each_operation() {
    let float = |x: f32| u64::from(x.to_bits());
    let max = u64::from(u32::MAX);
    for (op, old, b, c, new) in [
        ("global.add.u32", max, 2, None, 1),
        ("global.add.s32", 5, max, None, 4),
        ("global.add.u64", u64::MAX, 3, None, 2),
        ("global.min.s32", 1, max, None, max),
        ("global.min.u32", 1, max, None, 1),
        ("global.max.s32", 1, max, None, 1),
        ("global.max.u32", 1, max, None, max),
        ("global.max.s64", 1, u64::MAX, None, 1),
        ("global.min.u64", 7, u64::MAX, None, 7),
        ("global.and.b32", 0b1100, 0b1010, None, 0b1000),
        ("global.or.b64", 0b1100, 0b1010, None, 0b1110),
        ("global.xor.b32", 0b1100, 0b1010, None, 0b0110),
        ("global.exch.b64", 3, 9, None, 9),
        ("global.inc.u32", 4, 5, None, 5),
        ("global.inc.u32", 5, 5, None, 0),
        ("global.inc.u32", 9, 5, None, 0),
        ("global.dec.u32", 0, 5, None, 5),
        ("global.dec.u32", 6, 5, None, 5),
        ("global.dec.u32", 5, 5, None, 4),
        ("global.cas.b32", 7, 7, Some(8), 8),
        ("acq_rel.gpu.global.cas.b32", 7, 6, Some(8), 7),
        ("relaxed.sys.global.cas.b64", 7, 7, Some(8), 8),
        // As nvcc writes `atomicMax_block` and its headers `cuda::atomic`.
        ("global.cta.max.s32", 1, 4, None, 4),
        ("add.acquire.sys.s32", 1, 4, None, 5),
        ("global.add.f32", float(1.5), float(-4.0), None, float(-2.5)),
        ("global.add.f32", float(f32::INFINITY), float(f32::NEG_INFINITY), None, 0x7fff_ffff),
        // Generic addresses that lie in global memory, and sums that flush there.
        ("add.f32", float(1e-40), float(1.0), None, float(1.0)),
        ("add.f32", float(1e-40), float(-1e-39), None, float(0.0)),
        ("global.add.f64", 1.5f64.to_bits(), 2f64.to_bits(), None, 3.5f64.to_bits()),
        ("global.add.noftz.f16x2", 0x3c00_3c00, 0x0001_4000, None, 0x3c00_4200),
        ("global.add.noftz.bf16x2", 0x3f80_3f80, 0x4000_bf80, None, 0x4040_0000),
    ] {
        assert_eq!(once(op, old, b, c), (old, new), "{op} of {old:#x} and {b:#x}");
    }
}

#[test]
fn shared_sums_keep_subnormal_numbers() {
    let device = Device::new();
    let out = device.empty(4);
    let body = ".shared .align 4 .b8 s[4];\nst.shared.f32 [s], 0f00000001;\nred.shared.add.f32 [s], 0f00000002;\n\
                ld.shared.b32 %r1, [s];\nst.global.b32 [%a0], %r1;";
    run_ptx(&device, 1, body, &[&out]).unwrap();
    assert_eq!(out.read::<u32>(), [3]);
}

#[test]
fn all_lanes_of_all_blocks_count_in_their_order() {
    let device = Device::new();
    let (place, order) = (device.buffer(&[0u32]), device.empty(64 * 4));
    let body = "atom.global.add.u32 %r1, [%a0], 1;\nmul.wide.u32 %d0, %t, 4;\nadd.s64 %d0, %d0, %a1;\nst.global.u32 [%d0], %r1;";
    run_ptx(&device, 64, body, &[&place, &order]).unwrap();
    assert_eq!(place.read::<u32>(), [64]);
    assert_eq!(order.read::<u32>(), (0..64).collect::<Vec<_>>());
}

#[test]
fn vectors_and_16_bits() {
    let device = Device::new();
    let place = device.buffer(&[1f32, 2.0, 3.0, 4.0]);
    let body = "mov.f32 %f1, 0f3F800000;\nmov.f32 %f2, 0f40000000;\nred.global.add.v4.f32 [%a0], {%f1, %f2, %f1, %f2};\n\
                atom.global.add.v2.f32 {%f3, %f4}, [%a0+8], {%f1, %f1};\nred.global.add.f32 [%a0], %f4;";
    run_ptx(&device, 1, body, &[&place]).unwrap();
    assert_eq!(place.read::<f32>(), [8.0, 4.0, 5.0, 7.0]);
    let place = device.buffer(&[0x1111u16, 0x2222]);
    let body = "mov.b16 %h1, 0x2222;\nmov.b16 %h2, 0x4444;\natom.global.cas.b16 %h3, [%a0+2], %h1, %h2;\n\
                atom.global.add.noftz.f16 %h3, [%a0], %h3;";
    run_ptx(&device, 1, body, &[&place]).unwrap();
    let sum = f16::from_bits(0x1111).to_f32() + f16::from_bits(0x2222).to_f32();
    assert_eq!(place.read::<u16>(), [f16::from_f32(sum).to_bits(), 0x4444]);
}

#[test]
fn what_is_wrong_is_found() {
    let device = Device::new();
    let fresh = device.empty(8);
    let fault = run_ptx(&device, 1, "red.global.add.u32 [%a0], 1;", &[&fresh]).unwrap_err();
    assert_eq!(fault.kind, Kind::Unwritten);
    let place = device.buffer(&[0u32, 0]);
    let fault = run_ptx(&device, 1, "red.global.add.u32 [%a0+8], 1;", &[&place]).unwrap_err();
    assert_eq!(fault.kind, Kind::IllegalAddress);
    let fault = run_ptx(&device, 1, "red.global.add.u32 [%a0+2], 1;", &[&place]).unwrap_err();
    assert_eq!(fault.kind, Kind::MisalignedAddress);
    let body = ".shared .align 4 .b8 s[4];\nred.shared.add.u32 [s], 1;";
    assert_eq!(run_ptx(&device, 1, body, &[&place]).unwrap_err().kind, Kind::Unwritten);
    // Atomic operations do not race with each other, but with plain ones.
    let body = ".shared .align 4 .b8 s[4];\nsetp.eq.u32 %p1, %t, 0;\n@%p1 st.shared.u32 [s], 0;\nbar.sync 0;\n\
                red.shared.add.u32 [s], 1;\n";
    run_ptx(&device, 64, body, &[&place]).unwrap();
    let body = format!("{body}@%p1 st.shared.u32 [s], 0;");
    assert_eq!(run_ptx(&device, 64, &body, &[&place]).unwrap_err().kind, Kind::Race);
    for (body, part) in [
        ("atom.global.exch.b128 %d1, [%a0], %d2;", "128"),
        ("red.global.exch.b32 [%a0], %r1;", "no `.exch`"),
        ("red.async.relaxed.cluster.shared.add.u32 [%a0], %r1;", "red.async"),
        ("atom.global.max.f32 %f1, [%a0], %f2;", "max"),
        ("atom.global.add.f16 %h1, [%a0], %h2;", "noftz"),
        ("atom.local.add.u32 %r1, [%a0], %r2;", "global or shared"),
    ] {
        let module = device.load(&common::ptx(1, body));
        let error = cuda_emulator::isa::kernel(&module.0, &module.0.functions[0], &module.1).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}
