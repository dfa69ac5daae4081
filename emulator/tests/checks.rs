//! Every check catches a planted bug, names the place, and leaves the right code alone.

mod common;

use common::{Device, run_ptx};
use cuda_emulator::machine::{Fault, Kind};

/// Each thread's element of the first two buffers: its address in %d0, %d1.
const ELEMENT: &str = "mul.wide.u32 %d9, %t, 4; add.s64 %d0, %a0, %d9;\n";

fn fault(result: Result<u64, Box<Fault>>, kind: Kind, words: &[&str]) -> Fault {
    let fault = *result.expect_err("the bug goes unseen");
    assert_eq!(fault.kind, kind, "{fault}");
    for word in words {
        assert!(fault.to_string().contains(word), "no `{word}` in: {fault}");
    }
    fault
}

#[test]
fn out_of_bounds() {
    let device = Device::new();
    let buffer = device.buffer(&[1u32; 40]);
    let body = format!("{ELEMENT} ld.global.u32 %r0, [%d0];");
    run_ptx(&device, 40, &body, &[&buffer]).unwrap();
    let met = fault(
        run_ptx(&device, 41, &body, &[&buffer]),
        Kind::IllegalAddress,
        &[
            "kernel `f`",
            "block (0, 0, 0)",
            "thread (40, 0, 0)",
            "0 bytes behind the end of the allocation of 160 bytes",
        ],
    );
    assert_eq!(met.line, 17, "the line of the load");
    let body = format!("{ELEMENT} st.global.u32 [%d0+-4], %t;");
    fault(run_ptx(&device, 1, &body, &[&buffer]), Kind::IllegalAddress, &["4 bytes before the allocation"]);
    let body = "ld.global.u32 %r0, [%a0+158];";
    fault(run_ptx(&device, 1, body, &[&buffer]), Kind::MisalignedAddress, &["no multiple of 4"]);
    let body = "ld.global.v4.u32 {%r0, %r1, %r2, %r3}, [%a0+8];";
    fault(run_ptx(&device, 1, body, &[&buffer]), Kind::MisalignedAddress, &["no multiple of 16"]);
    let body = "mov.u64 %d0, 0; st.global.u32 [%d0], %t;";
    fault(run_ptx(&device, 1, body, &[&buffer]), Kind::IllegalAddress, &["null pointer"]);
    let host = 5u32;
    let body = format!("mov.u64 %d0, {}; ld.global.u32 %r0, [%d0];", &raw const host as u64);
    fault(run_ptx(&device, 1, &body, &[&buffer]), Kind::IllegalAddress, &["host pointer"]);
}

#[test]
fn shared_and_local_memory_have_bounds() {
    let device = Device::new();
    let body = ".shared .align 4 .b8 s[128]; mov.u32 %r0, s; mad.lo.u32 %r0, %t, 4, %r0; st.shared.u32 [%r0], %t;";
    run_ptx(&device, 32, body, &[]).unwrap();
    fault(run_ptx(&device, 33, body, &[]), Kind::IllegalAddress, &["thread (32, 0, 0)", "shared memory"]);
    let body = ".local .align 4 .b8 l[16]; mov.u64 %d0, l; mul.wide.u32 %d1, %t, 4; add.u64 %d0, %d0, %d1; st.local.u32 [%d0], %t;";
    run_ptx(&device, 4, body, &[]).unwrap();
    fault(run_ptx(&device, 5, body, &[]), Kind::IllegalAddress, &["thread (4, 0, 0)", "local memory"]);
}

#[test]
fn use_after_free() {
    let device = Device::new();
    let buffer = device.buffer(&[1u32; 8]);
    device.global.free(buffer.0.base).unwrap();
    fault(
        run_ptx(&device, 1, "ld.global.u32 %r0, [%a0+4];", &[&buffer]),
        Kind::IllegalAddress,
        &["that was freed", "4 bytes into"],
    );
}

#[test]
fn unwritten_memory() {
    let device = Device::new();
    let buffer = device.empty(64);
    fault(
        run_ptx(&device, 1, "ld.global.u32 %r0, [%a0+4];", &[&buffer]),
        Kind::Unwritten,
        &["never written", "allocation of 64 bytes"],
    );
    // Written in part is not written.
    fault(run_ptx(&device, 1, "st.global.u16 [%a0], %h0; ld.global.u32 %r0, [%a0];", &[&buffer]), Kind::Unwritten, &[]);
    run_ptx(&device, 1, "st.global.u16 [%a0], %h0; st.global.u16 [%a0+2], %h0; ld.global.u32 %r0, [%a0];", &[&buffer])
        .unwrap();
    let shared = ".shared .align 4 .b8 s[128]; ld.shared.u32 %r0, [s+8];";
    fault(run_ptx(&device, 1, shared, &[]), Kind::Unwritten, &["shared memory at 0x8"]);
    let shared =
        ".shared .align 4 .b8 s[128]; st.shared.u8 [s+9], %r0; ld.shared.u8 %r0, [s+9]; ld.shared.u8 %r0, [s+8];";
    fault(run_ptx(&device, 1, shared, &[]), Kind::Unwritten, &["shared memory at 0x8"]);
}

/// Each thread writes its word of shared memory and reads that of the thread `other` further on.
fn exchange(between: &str, other: u32) -> String {
    format!(
        ".shared .align 4 .b8 s[1024]; mov.u32 %r0, s; mad.lo.u32 %r1, %t, 4, %r0; st.shared.u32 [%r1], %t; {between}\n\
         mov.u32 %r5, %ntid.x; add.u32 %r2, %t, {other}; rem.u32 %r2, %r2, %r5; mad.lo.u32 %r2, %r2, 4, %r0; ld.shared.u32 %r3, [%r2];"
    )
}

#[test]
fn races_between_warps() {
    let device = Device::new();
    run_ptx(&device, 128, &exchange("bar.sync 0;", 64), &[]).unwrap();
    // Without the barrier the second warp's words are not there yet, or are there by chance.
    let met = run_ptx(&device, 128, &exchange("", 96), &[]).unwrap_err();
    assert!(matches!(met.kind, Kind::Race | Kind::Unwritten), "{met}");
    let twice = "bar.sync 0;\n".to_owned() + "mad.lo.u32 %r1, %t, 4, s; mov.u32 %r0, 7;\n";
    let rewrite = exchange("bar.sync 0;", 32) + &twice.replace("bar.sync 0;\n", "") + "st.shared.u32 [%r1], %r0;";
    fault(run_ptx(&device, 128, &rewrite, &[]), Kind::Race, &["read at PTX line", "no barrier between"]);
    let mended = exchange("bar.sync 0;", 32) + &twice + "st.shared.u32 [%r1], %r0;";
    run_ptx(&device, 128, &mended, &[]).unwrap();
    // All threads write one word.
    let same = ".shared .align 4 .b8 s[4]; st.shared.u32 [s], %t;";
    run_ptx(&device, 1, same, &[]).unwrap();
    fault(run_ptx(&device, 64, same, &[]), Kind::Race, &["writes shared memory at 0x0", "wrote at PTX line"]);
}

#[test]
fn races_within_a_warp() {
    let device = Device::new();
    fault(run_ptx(&device, 32, &exchange("", 1), &[]), Kind::Race, &["reads shared memory"]);
    run_ptx(&device, 32, &exchange("bar.warp.sync 0xffffffff;", 1), &[]).unwrap();
    run_ptx(&device, 32, &exchange("", 0), &[]).unwrap();
    let atomic = ".shared .align 4 .b8 s[4]; setp.eq.u32 %p0, %t, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0; atom.shared.add.u32 %r0, [s], 1;";
    run_ptx(&device, 128, atomic, &[]).unwrap();
}

/// Barriers of some of the warps order those, and no others.
#[test]
fn named_barriers_order_their_warps_only() {
    let device = Device::new();
    let body = |threads: u32| {
        format!(
            ".shared .align 4 .b8 s[4]; setp.lt.u32 %p0, %t, 32; setp.ge.u32 %p1, %t, 64;\n\
             @%p1 bra THIRD; setp.eq.u32 %p2, %t, 0; @%p2 st.shared.u32 [s], 1; bar.sync 1, {threads};\n\
             ld.shared.u32 %r0, [s]; bra END;\n THIRD: {} END: bar.sync 0;",
            if threads == 64 { "" } else { "bar.sync 1, 96; ld.shared.u32 %r0, [s];" }
        )
    };
    run_ptx(&device, 96, &body(64), &[]).unwrap();
    run_ptx(&device, 96, &body(96), &[]).unwrap();
    let outside = body(64).replace("THIRD: ", "THIRD: ld.shared.u32 %r0, [s];");
    let met = run_ptx(&device, 96, &outside, &[]).unwrap_err();
    assert!(matches!(met.kind, Kind::Race | Kind::Unwritten), "{met}");
    // A producer that only arrives.
    let producer = ".shared .align 4 .b8 s[4]; setp.lt.u32 %p0, %t, 32; @%p0 bra PUT; bar.sync 1, 64; ld.shared.u32 %r0, [s]; bra END;\n\
                    PUT: setp.eq.u32 %p1, %t, 0; @%p1 st.shared.u32 [s], 1; bar.arrive 1, 64; END:";
    run_ptx(&device, 64, producer, &[]).unwrap();
}

#[test]
fn divergent_barriers() {
    let device = Device::new();
    // Half of a warp waits, the other half at another barrier.
    let body = "setp.lt.u32 %p0, %t, 16; @%p0 bra A; bar.sync 0; bra B; A: bar.sync 0; B:";
    fault(run_ptx(&device, 32, body, &[]), Kind::Divergence, &["0xffff0000", "divergent"]);
    // A warp that never comes to a barrier for all.
    let body = "setp.lt.u32 %p0, %t, 32; @%p0 bra A; bar.sync 0, 64; A: bar.sync 1;";
    fault(
        run_ptx(&device, 64, body, &[]),
        Kind::Divergence,
        &["32 of 64 threads have arrived at barrier 0", "barrier 1"],
    );
    // Threads that have ended are not waited for.
    run_ptx(&device, 64, "setp.lt.u32 %p0, %t, 32; @%p0 exit; bar.sync 0;", &[]).unwrap();
    fault(run_ptx(&device, 32, "bar.sync 0, 33;", &[]), Kind::Undefined, &["multiple of 32"]);
    fault(run_ptx(&device, 32, "mov.u32 %r0, 16; bar.sync %r0;", &[]), Kind::Undefined, &["barrier 16"]);
}

#[test]
fn reductions_at_barriers() {
    let device = Device::new();
    let out = device.buffer(&[0u32; 96]);
    let body = format!("{ELEMENT} setp.lt.u32 %p0, %t, 40; bar.red.popc.u32 %r0, 0, %p0; st.global.u32 [%d0], %r0;");
    run_ptx(&device, 96, &body, &[&out]).unwrap();
    assert_eq!(out.read::<u32>(), [40; 96]);
    for (op, bound, expected) in [("and", 40, 0u32), ("and", 96, 1), ("or", 1, 1), ("or", 0, 0)] {
        let body = format!(
            "{ELEMENT} setp.lt.u32 %p0, %t, {bound}; bar.red.{op}.pred %p1, 0, %p0; selp.b32 %r0, 1, 0, %p1; st.global.u32 [%d0], %r0;"
        );
        run_ptx(&device, 96, &body, &[&out]).unwrap();
        assert_eq!(out.read::<u32>(), [expected; 96], "{op} of {bound}");
    }
}

#[test]
fn traps_are_told() {
    let device = Device::new();
    fault(run_ptx(&device, 64, "setp.eq.u32 %p0, %t, 40; @%p0 trap;", &[]), Kind::Trap, &["thread (40, 0, 0)"]);
}

/// A lane that waits for another of its warp gets its turn, as since Volta.
#[test]
fn lanes_of_a_warp_make_progress_by_themselves() {
    let device = Device::new();
    let (lock, sum) = (device.buffer(&[0u32]), device.buffer(&[0u32]));
    let body = "TRY: atom.global.cas.b32 %r0, [%a0], 0, 1; setp.ne.u32 %p0, %r0, 0; @%p0 bra TRY;\n\
                ld.global.u32 %r1, [%a1]; add.u32 %r1, %r1, 1; st.global.u32 [%a1], %r1; atom.global.exch.b32 %r0, [%a0], 0;";
    run_ptx(&device, 96, body, &[&lock, &sum]).unwrap();
    assert_eq!(sum.read::<u32>(), [96]);
}

/// Neighbouring bytes are different memory: threads that keep to their own do not race.
#[test]
fn bytes_of_one_word_race_by_themselves() {
    let device = Device::new();
    let own = ".shared .align 4 .b8 s[64]; mov.u32 %r0, s; add.u32 %r0, %r0, %t; st.shared.u8 [%r0], %t; ld.shared.u8 %r1, [%r0]; \
               st.shared.u8 [%r0], %r1;";
    run_ptx(&device, 64, own, &[]).unwrap();
    let word = ".shared .align 4 .b8 s[64]; mov.u32 %r0, s; add.u32 %r0, %r0, %t; st.shared.u8 [%r0], %t; ld.shared.u32 %r1, [s];";
    fault(run_ptx(&device, 4, word, &[]), Kind::Race, &["reads shared memory"]);
    let apart = word.replace("ld.shared", "bar.sync 0; ld.shared");
    run_ptx(&device, 4, &apart, &[]).unwrap();
}
