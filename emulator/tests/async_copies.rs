//! `cp.async`: what arrives, and when.

mod common;

use common::{Device, run_ptx};
use cuda_emulator::machine::Kind;

const SHARED: &str = ".shared .align 16 .b8 s[64];\n";
const OUT: &str = "ld.shared.v4.u32 {%r1, %r2, %r3, %r4}, [s];\nst.global.v4.u32 [%a1], {%r1, %r2, %r3, %r4};";

/// The first 16 bytes of shared memory after `body`, whose source holds 1, 2, …
fn first(body: &str) -> Result<Vec<u32>, Kind> {
    let device = Device::new();
    let from = device.buffer(&(1..17).collect::<Vec<u32>>());
    let to = device.empty(16);
    run_ptx(&device, 1, &format!("{SHARED}{body}\n{OUT}"), &[&from, &to]).map_err(|f| f.kind)?;
    Ok(to.read())
}

#[test]
fn a_copy_arrives_at_its_wait() {
    let copy = "cp.async.cg.shared.global [s], [%a0], 16;";
    assert_eq!(first(&format!("{copy}\ncp.async.wait_all;")), Ok(vec![1, 2, 3, 4]));
    assert_eq!(first(&format!("{copy}\ncp.async.commit_group;\ncp.async.wait_group 0;")), Ok(vec![1, 2, 3, 4]));
    // No wait, a wait that leaves the group under way, and one for groups that does not cover what none holds.
    assert_eq!(first(copy), Err(Kind::Unwritten));
    assert_eq!(first(&format!("{copy}\ncp.async.commit_group;\ncp.async.wait_group 1;")), Err(Kind::Unwritten));
    assert_eq!(first(&format!("{copy}\ncp.async.wait_group 0;")), Err(Kind::Unwritten));
    let old = "mov.u32 %r9, 7;\nst.shared.v4.u32 [s], {%r9, %r9, %r9, %r9};";
    assert_eq!(first(&format!("{old}\n{copy}\ncp.async.commit_group;")), Ok(vec![7; 4]));
    let two = format!(
        "{copy}\ncp.async.commit_group;\ncp.async.ca.shared.global.L2::128B [s+16], [%a0+16], 8;\ncp.async.commit_group;\n\
         cp.async.wait_group 1;"
    );
    assert_eq!(first(&two), Ok(vec![1, 2, 3, 4]));
    assert_eq!(first(&format!("{two}\nld.shared.u32 %r5, [s+16];")), Err(Kind::Unwritten));
    assert_eq!(first(&format!("{two}\ncp.async.wait_group 0;\nld.shared.u32 %r5, [s+16];")), Ok(vec![1, 2, 3, 4]));
}

#[test]
fn less_than_all_is_followed_by_zeros() {
    let wait = "cp.async.wait_all;";
    let copy =
        |rest: &str| first(&format!("mov.u32 %r1, 6;\ncp.async.ca.shared.global [s], [%a0], 16, {rest};\n{wait}"));
    assert_eq!(copy("%r1"), Ok(vec![1, 2, 0, 0]));
    assert_eq!(copy("12"), Ok(vec![1, 2, 3, 0]));
    assert_eq!(copy("0"), Ok(vec![0; 4]));
    assert_eq!(copy("17"), Err(Kind::Undefined));
    let ignored = |set: &str| {
        first(&format!("setp.eq.u32 %p1, %t, {set};\ncp.async.cg.shared.global [s], [%a0], 16, %p1;\n{wait}"))
    };
    assert_eq!(ignored("0"), Ok(vec![0; 4]));
    assert_eq!(ignored("1"), Ok(vec![1, 2, 3, 4]));
    // The source is not touched where nothing is taken from it.
    let beyond = "cp.async.ca.shared.global [s], [%a0+64], 16, 0;\ncp.async.wait_all;";
    assert_eq!(first(beyond), Ok(vec![0; 4]));
}

#[test]
fn what_is_wrong_is_found() {
    assert_eq!(first("cp.async.ca.shared.global [s], [%a0+64], 4;"), Err(Kind::IllegalAddress));
    assert_eq!(first("cp.async.ca.shared.global [s+64], [%a0], 4;"), Err(Kind::IllegalAddress));
    assert_eq!(first("cp.async.cg.shared.global [s], [%a0+8], 16;"), Err(Kind::MisalignedAddress));
    assert_eq!(first("cp.async.cg.shared.global [s+8], [%a0], 16;"), Err(Kind::MisalignedAddress));
    let device = Device::new();
    let from = device.buffer(&[0u32; 4]);
    // Another warp may still read the place into which a copy begins.
    let body = format!(
        "{SHARED}setp.lt.u32 %p1, %t, 1;\n@%p1 st.shared.u32 [s], 1;\nbar.sync 0;\nld.shared.u32 %r1, [s];\n\
         setp.ne.u32 %p2, %t, 32;\n@%p2 bra END;\ncp.async.ca.shared.global [s], [%a0], 4;\nEND:"
    );
    assert_eq!(run_ptx(&device, 64, &body, &[&from]).unwrap_err().kind, Kind::Race);
    for (body, part) in [
        ("cp.async.cg.shared.global [s], [%a0], 8;", "8 bytes"),
        ("cp.async.mbarrier.arrive.shared.b64 [s];", "mbarrier"),
        ("cp.async.bulk.shared.global [s], [%a0], 16;", "bulk"),
        ("cp.async.ca.global.shared [%a0], [s], 16;", "shared.global"),
    ] {
        let module = device.load(&common::ptx(1, &format!("{SHARED}{body}")));
        let error = cuda_emulator::isa::kernel(&module.0, &module.0.functions[0], &module.1).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}
