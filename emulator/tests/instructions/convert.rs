use crate::run::{check, d, f, i};
use half::{bf16, f16};

fn h(x: f32) -> u64 {
    u64::from(f16::from_f32(x).to_bits())
}

#[test]
fn integers_extend_truncate_and_saturate() {
    check("cvt.s64.s32", "s64", &["s32"], &[(&[i(-5)], -5i64 as u64)]);
    check("cvt.u64.u32", "u64", &["u32"], &[(&[i(-5)], 0xffff_fffb)]);
    check("cvt.u32.u64", "u32", &["u64"], &[(&[0x1_2345_6789], 0x2345_6789)]);
    check("cvt.s32.s8", "s32", &["b16"], &[(&[0x80], i(-128)), (&[0x17f], 127)]);
    check("cvt.u16.u8", "u16", &["b16"], &[(&[0x180], 0x80)]);
    check("cvt.sat.u8.s32", "u16", &["s32"], &[(&[i(-5)], 0), (&[300], 255), (&[7], 7)]);
    check("cvt.sat.s8.s32", "u16", &["s32"], &[(&[i(-500)], 0xff80), (&[300], 127)]);
    check("cvt.sat.u32.s64", "u32", &["s64"], &[(&[-1i64 as u64], 0), (&[1 << 40], 0xffff_ffff)]);
    check("cvt.pack.sat.s16.s32", "b32", &["s32", "s32"], &[(&[100_000, i(-100_000)], 0x7fff_8000)]);
    check("cvt.pack.sat.u8.s32.b32", "b32", &["s32", "s32", "b32"], &[(&[300, i(-1), 0xabcd], 0xabcd_ff00)]);
}

#[test]
fn floats_to_integers_clamp() {
    let to = |instruction: &str, cases: &[(f32, u64)]| {
        for &(x, expected) in cases {
            check(instruction, "s32", &["f32"], &[(&[f(x)], expected)]);
        }
    };
    to(
        "cvt.rzi.s32.f32",
        &[
            (1.9, 1),
            (-1.9, i(-1)),
            (3e10, i(i32::MAX)),
            (-3e10, 0x8000_0000),
            (f32::NAN, 0),
            (f32::INFINITY, i(i32::MAX)),
        ],
    );
    to("cvt.rni.s32.f32", &[(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, i(-2))]);
    to("cvt.rmi.s32.f32", &[(1.9, 1), (-1.1, i(-2))]);
    to("cvt.rpi.s32.f32", &[(1.1, 2), (-1.9, i(-1))]);
    to("cvt.rzi.u32.f32", &[(-5.0, 0), (5e9, 0xffff_ffff), (4e9, 4_000_000_000)]);
    check("cvt.rzi.s64.f64", "s64", &["f64"], &[(&[d(-1e30)], 1 << 63), (&[d(1e15)], 1_000_000_000_000_000)]);
    check("cvt.rzi.u8.f32", "u16", &["f32"], &[(&[f(300.0)], 255), (&[f(-1.0)], 0)]);
    check("cvt.rzi.s32.f64", "s32", &["f64"], &[(&[d(f64::NAN)], 0x8000_0000)]);
}

#[test]
fn floats_to_whole_floats() {
    check("cvt.rni.f32.f32", "f32", &["f32"], &[(&[f(2.5)], f(2.0)), (&[f(-0.4)], f(-0.0)), (&[f(1e30)], f(1e30))]);
    check("cvt.rzi.f32.f32", "f32", &["f32"], &[(&[f(-2.9)], f(-2.0))]);
    check("cvt.rmi.f64.f64", "f64", &["f64"], &[(&[d(-2.1)], d(-3.0))]);
    check("cvt.rpi.f64.f64", "f64", &["f64"], &[(&[d(2.1)], d(3.0))]);
    check(
        "cvt.sat.f32.f32",
        "f32",
        &["f32"],
        &[(&[f(2.0)], f(1.0)), (&[f(-2.0)], 0), (&[f(f32::NAN)], 0), (&[f(0.25)], f(0.25))],
    );
}

#[test]
fn integers_to_floats_round_once() {
    check(
        "cvt.rn.f32.s32",
        "f32",
        &["s32"],
        &[(&[16_777_217], f(16_777_216.0)), (&[16_777_219], f(16_777_220.0)), (&[i(-7)], f(-7.0))],
    );
    check(
        "cvt.rz.f32.s32",
        "f32",
        &["s32"],
        &[(&[16_777_219], f(16_777_218.0)), (&[i(-16_777_219)], f(-16_777_218.0))],
    );
    check("cvt.rp.f32.u32", "f32", &["u32"], &[(&[16_777_217], f(16_777_218.0))]);
    // By way of f64 it would be rounded to the middle first, and then down.
    check("cvt.rn.f32.u64", "f32", &["u64"], &[(&[(1 << 60) + (1 << 36) + 1], f(2f32.powi(60) + 2f32.powi(37)))]);
    check("cvt.rn.f64.u64", "f64", &["u64"], &[(&[u64::MAX], d(2f64.powi(64)))]);
    check("cvt.rz.f64.u64", "f64", &["u64"], &[(&[u64::MAX], d(2f64.powi(64).next_down()))]);
    check(
        "cvt.rn.f16.s32",
        "f16",
        &["s32"],
        &[(&[2049], h(2048.0)), (&[70_000], h(f32::INFINITY)), (&[i(-3)], h(-3.0))],
    );
    check(
        "cvt.rn.bf16.u64",
        "bf16",
        &["u64"],
        &[(&[(1 << 60) + (1 << 52) + 1], u64::from(bf16::from_f32(2f32.powi(60) + 2f32.powi(53)).to_bits()))],
    );
}

#[test]
fn between_float_sizes() {
    check(
        "cvt.f64.f32",
        "f64",
        &["f32"],
        &[(&[f(0.1)], d(f64::from(0.1f32))), (&[f(1e-45)], d(f64::from(f32::from_bits(1))))],
    );
    check("cvt.rn.f32.f64", "f32", &["f64"], &[(&[d(0.1)], f(0.1)), (&[d(1e300)], f(f32::INFINITY)), (&[d(1e-46)], 0)]);
    check("cvt.rz.f32.f64", "f32", &["f64"], &[(&[d(1e300)], f(f32::MAX)), (&[d(-1e300)], f(f32::MIN))]);
    check("cvt.rp.f32.f64", "f32", &["f64"], &[(&[d(1e-60)], 1)]);
    check("cvt.f32.f16", "f32", &["f16"], &[(&[h(0.1)], f(f16::from_f32(0.1).to_f32())), (&[1], f(2f32.powi(-24)))]);
    check("cvt.f32.bf16", "f32", &["bf16"], &[(&[0x3f80], f(1.0))]);
    check(
        "cvt.rn.f16.f32",
        "f16",
        &["f32"],
        &[
            (&[f(0.1)], h(0.1)),
            (&[f(65_520.0)], h(f32::INFINITY)),
            (&[f(1e-8)], 0),
            (&[f(3e-8)], 1),
            (&[f(f32::NAN)], 0x7fff),
        ],
    );
    check("cvt.rz.f16.f32", "f16", &["f32"], &[(&[f(65_535.0)], 0x7bff), (&[f(-1e9)], 0xfbff), (&[f(1e-7)], 1)]);
    check(
        "cvt.rn.bf16.f32",
        "bf16",
        &["f32"],
        &[(&[f(1.0 + 1.0 / 256.0)], 0x3f80), (&[f(1.0 + 3.0 / 256.0)], 0x3f82), (&[f(3.4e38)], 0x7f80)],
    );
    check("cvt.rn.relu.bf16.f32", "bf16", &["f32"], &[(&[f(-2.0)], 0)]);
    check("cvt.rn.f16x2.f32", "f16x2", &["f32", "f32"], &[(&[f(1.0), f(2.0)], h(1.0) << 16 | h(2.0))]);
    check("cvt.rn.bf16x2.f32", "bf16x2", &["f32", "f32"], &[(&[f(1.0), f(2.0)], 0x3f80_4000)]);
    check(
        "cvt.rna.tf32.f32",
        "b32",
        &["f32"],
        &[(&[0x3f80_1000], 0x3f80_2000), (&[0x3f80_0fff], 0x3f80_0000), (&[f(f32::INFINITY)], f(f32::INFINITY))],
    );
}

#[test]
fn tf32_takes_each_rounding() {
    let to = &["f32"];
    check("cvt.rz.tf32.f32", "b32", to, &[(&[0x3f80_1fff], 0x3f80_0000), (&[0xbf80_1fff], 0xbf80_0000)]);
    check("cvt.rn.tf32.f32", "b32", to, &[(&[0x3f80_1000], 0x3f80_0000), (&[0x3f80_3000], 0x3f80_4000)]);
    check("cvt.rn.tf32.f32", "b32", to, &[(&[0x7f7f_ffff], 0x7f80_0000), (&[0x7f80_0001], 0x7fff_ffff)]);
    check("cvt.rn.relu.tf32.f32", "b32", to, &[(&[f(-1.0)], 0), (&[f(2.0)], f(2.0)), (&[0x7fc0_0000], 0x7fff_ffff)]);
}
