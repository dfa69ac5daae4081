use crate::run::{check, d, f, i};

#[test]
fn comparisons_of_integers() {
    for (name, less, equal, more) in
        [("lt", 1, 0, 0), ("le", 1, 1, 0), ("gt", 0, 0, 1), ("ge", 0, 1, 1), ("eq", 0, 1, 0), ("ne", 1, 0, 1)]
    {
        check(
            &format!("setp.{name}.s32"),
            "pred",
            &["s32", "s32"],
            &[(&[i(-1), 1], less), (&[1, 1], equal), (&[1, i(-1)], more)],
        );
        check(
            &format!("setp.{name}.u32"),
            "pred",
            &["u32", "u32"],
            &[(&[1, i(-1)], less), (&[1, 1], equal), (&[i(-1), 1], more)],
        );
        check(&format!("setp.{name}.u16"), "pred", &["u16", "u16"], &[(&[1, 0xffff], less)]);
        check(&format!("setp.{name}.s64"), "pred", &["s64", "s64"], &[(&[u64::MAX, 1], less)]);
    }
    check("setp.lo.u64", "pred", &["u64", "u64"], &[(&[1, u64::MAX], 1)]);
    check("setp.hs.u32", "pred", &["u32", "u32"], &[(&[5, 5], 1)]);
}

#[test]
fn comparisons_of_floats_know_nan() {
    let nan = f(f32::NAN);
    for (name, with_nan, unordered) in
        [("eq", 0, "equ"), ("ne", 0, "neu"), ("lt", 0, "ltu"), ("le", 0, "leu"), ("gt", 0, "gtu"), ("ge", 0, "geu")]
    {
        check(
            &format!("setp.{name}.f32"),
            "pred",
            &["f32", "f32"],
            &[(&[nan, f(1.0)], with_nan), (&[f(1.0), nan], with_nan), (&[nan, nan], with_nan)],
        );
        check(&format!("setp.{unordered}.f32"), "pred", &["f32", "f32"], &[(&[nan, f(1.0)], 1), (&[nan, nan], 1)]);
    }
    check("setp.eq.f32", "pred", &["f32", "f32"], &[(&[f(0.0), f(-0.0)], 1), (&[f(1.0), f(2.0)], 0)]);
    check("setp.ne.f32", "pred", &["f32", "f32"], &[(&[f(1.0), f(2.0)], 1)]);
    check("setp.num.f64", "pred", &["f64", "f64"], &[(&[d(1.0), d(2.0)], 1), (&[d(1.0), d(f64::NAN)], 0)]);
    check("setp.nan.f32", "pred", &["f32", "f32"], &[(&[nan, f(1.0)], 1), (&[f(1.0), f(1.0)], 0)]);
    check("setp.eq.ftz.f32", "pred", &["f32", "f32"], &[(&[f(1e-40), f(0.0)], 1)]);
    check("setp.gt.f16", "pred", &["f16", "f16"], &[(&[0x4000, 0x3c00], 1)]);
    check("setp.lt.bf16", "pred", &["bf16", "bf16"], &[(&[0x3f80, 0x4000], 1)]);
}

#[test]
fn predicates_combine() {
    check("setp.lt.and.s32", "pred", &["s32", "s32", "pred"], &[(&[1, 2, 1], 1), (&[1, 2, 0], 0), (&[2, 1, 1], 0)]);
    check("setp.lt.or.s32", "pred", &["s32", "s32", "pred"], &[(&[2, 1, 1], 1), (&[2, 1, 0], 0)]);
    check("setp.lt.xor.s32", "pred", &["s32", "s32", "pred"], &[(&[1, 2, 1], 0), (&[2, 1, 1], 1)]);
    check(".reg .pred q; setp.lt.s32 q|d, a, b; //", "pred", &["s32", "s32"], &[(&[1, 2], 0), (&[2, 1], 1)]);
    check("setp.lt.and.s32 d, a, b, !c; //", "pred", &["s32", "s32", "pred"], &[(&[1, 2, 0], 1), (&[1, 2, 1], 0)]);
    check("and.pred", "pred", &["pred", "pred"], &[(&[1, 1], 1), (&[1, 0], 0)]);
    check("or.pred", "pred", &["pred", "pred"], &[(&[0, 0], 0), (&[1, 0], 1)]);
    check("xor.pred", "pred", &["pred", "pred"], &[(&[1, 1], 0), (&[1, 0], 1)]);
    check("not.pred", "pred", &["pred"], &[(&[1], 0), (&[0], 1)]);
    check("mov.pred", "pred", &["pred"], &[(&[1], 1), (&[0], 0)]);
}

#[test]
fn selections() {
    check("selp.b32", "b32", &["b32", "b32", "pred"], &[(&[1, 2, 1], 1), (&[1, 2, 0], 2)]);
    check("selp.f64", "f64", &["f64", "f64", "pred"], &[(&[1, 2, 1], 1)]);
    check("slct.b32.s32", "b32", &["b32", "b32", "s32"], &[(&[1, 2, 0], 1), (&[1, 2, i(-1)], 2)]);
    check(
        "slct.f32.f32",
        "f32",
        &["f32", "f32", "f32"],
        &[(&[1, 2, f(-0.0)], 1), (&[1, 2, f(f32::NAN)], 2), (&[1, 2, f(-1e-40)], 2)],
    );
    check("slct.ftz.f32.f32", "f32", &["f32", "f32", "f32"], &[(&[1, 2, f(-1e-40)], 1)]);
    check("set.lt.u32.f32", "u32", &["f32", "f32"], &[(&[f(1.0), f(2.0)], 0xffff_ffff), (&[f(2.0), f(1.0)], 0)]);
    check("set.lt.f32.s32", "f32", &["s32", "s32"], &[(&[1, 2], f(1.0))]);
}

#[test]
fn classes() {
    check("testp.finite.f32", "pred", &["f32"], &[(&[f(1.0)], 1), (&[f(f32::INFINITY)], 0), (&[f(f32::NAN)], 0)]);
    check("testp.infinite.f64", "pred", &["f64"], &[(&[d(f64::NEG_INFINITY)], 1), (&[d(0.0)], 0)]);
    check("testp.number.f32", "pred", &["f32"], &[(&[f(f32::NAN)], 0), (&[f(1e-40)], 1)]);
    check("testp.notanumber.f32", "pred", &["f32"], &[(&[f(f32::NAN)], 1)]);
    check("testp.normal.f32", "pred", &["f32"], &[(&[f(1e-40)], 0), (&[f(0.0)], 0), (&[f(1.0)], 1)]);
    check("testp.subnormal.f32", "pred", &["f32"], &[(&[f(1e-40)], 1), (&[f(0.0)], 0)]);
}

#[test]
fn halves_are_compared_side_by_side() {
    // 1 and 2 above, 2 and 1 below; NaN compares with nothing.
    let (a, b, nan) = (0x3c00_4000, 0x4000_3c00, 0x7e00_3c00);
    let two = &["f16x2", "f16x2"];
    check("set.lt.f16x2.f16x2", "f16x2", two, &[(&[a, b], 0x3c00_0000), (&[b, a], 0x3c00), (&[nan, a], 0x3c00)]);
    check("set.geu.u32.f16x2", "u32", two, &[(&[a, b], 0xffff), (&[nan, a], 0xffff_0000)]);
    check("set.eq.ftz.f16x2.f16x2", "f16x2", two, &[(&[0x0001_3c00, 0x8001_3c00], 0x3c00_3c00)]);
    check("set.gt.bf16x2.bf16x2", "bf16x2", &["bf16x2", "bf16x2"], &[(&[0x4000_3f80, 0x3f80_3f80], 0x3f80_0000)]);
    check("setp.eq.ftz.f16", "pred", &["f16", "f16"], &[(&[1, 0x8000], 1), (&[0x400, 0], 0)]);
    let both = ".reg .pred p, q; setp.lt.and.f16x2 p|q, a, b, !c; selp.b32 d, 1, 0, p; @q or.b32 d, d, 2; //";
    check(both, "b32", &["f16x2", "f16x2", "pred"], &[(&[a, b, 0], 2), (&[b, a, 0], 1), (&[a, b, 1], 0)]);
}
