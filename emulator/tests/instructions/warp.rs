//! Instructions between lanes, where each lane's number is its operand.

use crate::run::{check, launch};

/// What the 32 lanes of a warp get in `d` (32 bits) from `body`, in which `t` is the lane.
fn lanes(body: &str) -> Vec<u32> {
    try_lanes(body).unwrap_or_else(|fault| panic!("{fault}"))
}

fn try_lanes(body: &str) -> Result<Vec<u32>, String> {
    let text = format!(
        ".version 8.0 .target sm_90 .address_size 64\n.visible .entry k(.param .u64 pin, .param .u64 pout) {{\n\
         .reg .b64 out, at; .reg .b32 t, d, x, y; .reg .pred p, q;\n\
         mov.u32 t, %tid.x; mov.u32 d, 0; ld.param.u64 out, [pout]; mul.wide.u32 at, t, 4; add.s64 out, out, at;\n\
         {body}\nst.global.b32 [out], d; ret; }}"
    );
    let bytes = launch(&text, 1, &[0; 8], 128).map_err(|fault| fault.to_string())?;
    Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect())
}

#[test]
fn shuffles() {
    let all = 0xffff_ffffu32;
    assert_eq!(
        lanes(&format!("shfl.sync.down.b32 d|p, t, 3, 31, {all};")),
        (0..32).map(|i| if i + 3 < 32 { i + 3 } else { i }).collect::<Vec<_>>()
    );
    assert_eq!(
        lanes(&format!("shfl.sync.up.b32 d, t, 3, 0, {all};")),
        (0..32).map(|i: u32| if i >= 3 { i - 3 } else { i }).collect::<Vec<_>>()
    );
    assert_eq!(lanes(&format!("shfl.sync.bfly.b32 d, t, 5, 31, {all};")), (0..32).map(|i| i ^ 5).collect::<Vec<_>>());
    assert_eq!(lanes(&format!("shfl.sync.idx.b32 d, t, 7, 31, {all};")), [7; 32]);
    // Segments of 8 lanes: the upper byte of c is 0x18.
    assert_eq!(
        lanes(&format!("shfl.sync.idx.b32 d, t, 2, {}, {all};", 0x181f)),
        (0..32).map(|i| i / 8 * 8 + 2).collect::<Vec<_>>()
    );
    assert_eq!(
        lanes(&format!("shfl.sync.down.b32 d|p, t, 4, {}, {all}; selp.b32 d, 1, 0, p;", 0x181f)),
        (0..32).map(|i| u32::from(i % 8 < 4)).collect::<Vec<_>>()
    );
}

#[test]
fn votes_and_matches() {
    let all = 0xffff_ffffu32;
    let odd = 0xaaaa_aaaa;
    assert_eq!(lanes(&format!("and.b32 x, t, 1; setp.ne.b32 p, x, 0; vote.sync.ballot.b32 d, p, {all};")), [odd; 32]);
    assert_eq!(lanes(&format!("setp.lt.u32 p, t, 40; vote.sync.all.pred q, p, {all}; selp.b32 d, 1, 0, q;")), [1; 32]);
    assert_eq!(lanes(&format!("setp.lt.u32 p, t, 4; vote.sync.any.pred q, p, {all}; selp.b32 d, 1, 0, q;")), [1; 32]);
    assert_eq!(lanes(&format!("setp.lt.u32 p, t, 4; vote.sync.uni.pred q, p, {all}; selp.b32 d, 1, 0, q;")), [0; 32]);
    assert_eq!(
        lanes(&format!("and.b32 x, t, 1; match.any.sync.b32 d, x, {all};")),
        (0..32).map(|i| if i % 2 == 1 { odd } else { !odd }).collect::<Vec<_>>()
    );
    assert_eq!(lanes(&format!("match.all.sync.b32 d|p, t, {all};")), [0; 32]);
    assert_eq!(lanes(&format!("mov.b32 x, 5; match.all.sync.b32 d|p, x, {all};")), [all; 32]);
    assert_eq!(lanes(&format!("redux.sync.add.u32 d, t, {all};")), [496; 32]);
    assert_eq!(lanes(&format!("sub.s32 x, 10, t; redux.sync.min.s32 d, x, {all};")), [-21i32 as u32; 32]);
    assert_eq!(lanes(&format!("redux.sync.xor.b32 d, t, {all};")), [0; 32]);
    assert_eq!(
        lanes("setp.lt.u32 p, t, 4; @!p bra E; activemask.b32 d; E:"),
        (0..32).map(|i| if i < 4 { 15 } else { 0 }).collect::<Vec<_>>()
    );
}

#[test]
fn lanes_meet_again_behind_a_branch() {
    // One side is longer; the ballot needs both.
    let body = "setp.lt.u32 p, t, 7; @p bra A; add.u32 x, t, 1; add.u32 x, x, 1; bra B; A: mov.u32 x, 0; B: setp.eq.u32 q, x, 0; \
                vote.sync.ballot.b32 d, q, 0xffffffff;";
    assert_eq!(lanes(body), [0x7f; 32]);
    // A loop whose trip count is the lane's number.
    let body =
        "mov.u32 x, 0; L: add.u32 x, x, 2; setp.le.u32 p, x, t; @p bra L; shfl.sync.idx.b32 d, x, 31, 31, 0xffffffff;";
    assert_eq!(lanes(body), [32; 32]);
}

#[test]
fn lanes_that_never_come_are_named() {
    let other =
        "setp.lt.u32 p, t, 7; @p bra A; vote.sync.ballot.b32 d, p, 0xffffffff; bra E; A: bar.warp.sync 0xffffffff; E:";
    let fault = try_lanes(other).unwrap_err();
    assert!(fault.contains("divergent") && fault.contains("0xffffff80"), "{fault}");
    let fault = try_lanes("setp.lt.u32 p, t, 7; @p exit; vote.sync.ballot.b32 d, p, 0xffffffff;").unwrap_err();
    assert!(fault.contains("have ended"), "{fault}");
    let fault = try_lanes("vote.sync.ballot.b32 d, p, 1;").unwrap_err();
    assert!(fault.contains("not among the members"), "{fault}");
}

#[test]
fn moves() {
    check("mov.b64 d, {a, b}; //", "b64", &["b32", "b32"], &[(&[1, 2], 2 << 32 | 1)]);
    check(".reg .b32 l; mov.b64 {l, d}, a; //", "b32", &["b64"], &[(&[2 << 32 | 1], 2)]);
    check("mov.b32 d, {a, b}; //", "b32", &["b16", "b16"], &[(&[1, 2], 2 << 16 | 1)]);
    check("mov.f32 d, 0f3F800000; //", "f32", &["b32"], &[(&[0], 0x3f80_0000)]);
    check("mov.b32 d, WARP_SZ; //", "b32", &["b32"], &[(&[0], 32)]);
    check("mov.u32 d, -1; //", "u32", &["b32"], &[(&[0], 0xffff_ffff)]);
}
