use crate::run::{check, eval, i};

const MIN: u64 = 0x8000_0000;
const TOP: u64 = 1 << 63;

#[test]
fn sums_wrap_around_and_saturate() {
    let two = &["s32", "s32"];
    check("add.s32", "s32", two, &[(&[i(i32::MAX), 1], MIN), (&[i(-1), 1], 0), (&[3, 4], 7)]);
    check("add.sat.s32", "s32", two, &[(&[i(i32::MAX), 1], i(i32::MAX)), (&[MIN, i(-1)], MIN), (&[3, 4], 7)]);
    check("sub.s32", "s32", two, &[(&[MIN, 1], i(i32::MAX)), (&[3, 4], i(-1))]);
    check("sub.sat.s32", "s32", two, &[(&[MIN, 1], MIN), (&[i(i32::MAX), i(-1)], i(i32::MAX))]);
    check("add.u64", "u64", &["u64", "u64"], &[(&[u64::MAX, 2], 1)]);
    check("add.u16", "u16", &["u16", "u16"], &[(&[0xffff, 2], 1)]);
    check("sub.s16", "s16", &["s16", "s16"], &[(&[0, 1], 0xffff)]);
}

#[test]
fn products() {
    check("mul.lo.s32", "s32", &["s32", "s32"], &[(&[i(-3), 5], i(-15)), (&[0x10000, 0x10000], 0)]);
    check("mul.hi.s32", "s32", &["s32", "s32"], &[(&[i(-1), 5], i(-1)), (&[MIN, MIN], 0x4000_0000)]);
    check("mul.hi.u32", "u32", &["u32", "u32"], &[(&[0xffff_ffff, 0xffff_ffff], 0xffff_fffe)]);
    check("mul.hi.u64", "u64", &["u64", "u64"], &[(&[u64::MAX, u64::MAX], u64::MAX - 1), (&[TOP, 2], 1)]);
    check("mul.hi.s64", "s64", &["s64", "s64"], &[(&[u64::MAX, 5], u64::MAX), (&[TOP, TOP], 1 << 62)]);
    check("mul.wide.s32", "s64", &["s32", "s32"], &[(&[i(-3), 5], -15i64 as u64), (&[MIN, MIN], 1 << 62)]);
    check("mul.wide.u32", "u64", &["u32", "u32"], &[(&[0xffff_ffff, 0xffff_ffff], 0xffff_fffe_0000_0001)]);
    check("mul.wide.s16", "s32", &["s16", "s16"], &[(&[0xffff, 5], i(-5))]);
    check("mul24.lo.u32", "u32", &["u32", "u32"], &[(&[0xff00_0003, 5], 15)]);
    check("mul24.hi.s32", "s32", &["s32", "s32"], &[(&[0x80_0000, 0x80_0000], 0x4000_0000)]);
    check("mad.lo.s32", "s32", &["s32"; 3], &[(&[3, i(-4), 5], i(-7))]);
    check("mad.hi.u32", "u32", &["u32"; 3], &[(&[MIN, 4, 7], 9)]);
    check("mad.hi.sat.s32", "s32", &["s32"; 3], &[(&[i(i32::MAX), i(i32::MAX), i(i32::MAX)], i(i32::MAX))]);
    check("mad.wide.u32", "u64", &["u32", "u32", "u64"], &[(&[0xffff_ffff, 2, 1], 0x1_ffff_ffff)]);
    check("mad24.lo.s32", "s32", &["s32"; 3], &[(&[0xff_ffff, 2, 10], 8)]);
    check("dp4a.s32.s32", "s32", &["b32"; 3], &[(&[0x01ff_02fe, 0x0101_0101, 10], 10)]);
    check("dp4a.u32.u32", "u32", &["b32"; 3], &[(&[0x01ff_02fe, 0x0101_0101, 10], 10 + 1 + 255 + 2 + 254)]);
    check("dp2a.hi.s32.s32", "s32", &["b32"; 3], &[(&[0xffff_0002, 0x0305_0000, 1], 1 + 2 * 5 - 3)]);
}

#[test]
fn quotients() {
    check("div.s32", "s32", &["s32", "s32"], &[(&[i(-7), 2], i(-3)), (&[MIN, i(-1)], MIN), (&[5, 0], i(-1))]);
    check("rem.s32", "s32", &["s32", "s32"], &[(&[i(-7), 2], i(-1)), (&[MIN, i(-1)], 0), (&[5, 0], 5)]);
    check("div.u64", "u64", &["u64", "u64"], &[(&[u64::MAX, 10], u64::MAX / 10)]);
    check("rem.u16", "u16", &["u16", "u16"], &[(&[0xffff, 10], 5)]);
}

#[test]
fn signs_and_extremes() {
    check("abs.s32", "s32", &["s32"], &[(&[i(-5)], 5), (&[MIN], MIN)]);
    check("neg.s64", "s64", &["s64"], &[(&[5], -5i64 as u64), (&[TOP], TOP)]);
    check("min.s32", "s32", &["s32", "s32"], &[(&[i(-1), 1], i(-1))]);
    check("min.u32", "u32", &["u32", "u32"], &[(&[i(-1), 1], 1)]);
    check("max.s64", "s64", &["s64", "s64"], &[(&[u64::MAX, 1], 1)]);
    check("max.u16", "u16", &["u16", "u16"], &[(&[0xffff, 1], 0xffff)]);
    check("sad.u32", "u32", &["u32"; 3], &[(&[3, 10, 100], 107)]);
    check("sad.s32", "s32", &["s32"; 3], &[(&[i(-3), 10, 100], 113)]);
}

/// 128-bit arithmetic, as nvcc writes it.
#[test]
fn the_carry_is_carried() {
    let numbers: [u128; 5] = [0, 1, u128::MAX, 0xffff_ffff_ffff_ffff, 0x1234_5678_9abc_def0_ffff_ffff_0000_0001];
    for (operation, low, high) in [("add", "add.cc.u64", "addc.u64"), ("sub", "sub.cc.u64", "subc.u64")] {
        let pairs: Vec<(u128, u128)> = numbers.iter().flat_map(|&a| numbers.iter().map(move |&b| (a, b))).collect();
        let rows: Vec<[u64; 4]> =
            pairs.iter().map(|(a, b)| [*a as u64, (a >> 64) as u64, *b as u64, (b >> 64) as u64]).collect();
        let rows: Vec<&[u64]> = rows.iter().map(|r| &r[..]).collect();
        // The low words' carry reaches the high words; the template's own instruction is a move.
        let template = format!(".reg .b64 l; {low} l, a, c; {high} b, b, e; mov.b64 d, b; //");
        for ((a, b), got) in pairs.iter().zip(eval(&template, "b64", &["b64"; 4], &rows)) {
            let sum = if operation == "add" { a.wrapping_add(*b) } else { a.wrapping_sub(*b) };
            assert_eq!(got, (sum >> 64) as u64, "{operation} {a:#x} {b:#x}");
        }
    }
    let template = ".reg .b32 l; mad.lo.cc.u32 l, a, b, c; madc.hi.u32 d, a, b, e; //";
    check(template, "b32", &["b32"; 4], &[(&[0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 1], 0)]);
}
