//! Text that is no PTX, or that would take forever: an error with its line, soon. `scripts/fuzz` looks for more of it.

use cuda_emulator::{isa, ptx};
use std::collections::HashMap;

const SEEDS: [&str; 2] = [include_str!("../fuzz/seeds/arithmetic.ptx"), include_str!("../fuzz/seeds/tensor.ptx")];

/// Parses a module and decodes its entries.
fn decode(text: &str) -> Result<(), ptx::Error> {
    let module = ptx::parse(text)?;
    let variables: HashMap<_, _> = module.variables.iter().map(|v| (v.name.clone(), 1 << 40)).collect();
    module.functions.iter().filter(|f| f.entry).try_for_each(|f| isa::kernel(&module, f, &variables).map(drop))
}

/// The message of a text that is wrong.
fn refused(text: &str) -> String {
    decode(text).expect_err("an error").to_string()
}

#[test]
fn seeds_are_ptx() {
    for seed in SEEDS {
        assert_eq!(decode(seed), Ok(()));
    }
}

#[test]
fn truncated_text() {
    for seed in SEEDS {
        let end = seed.trim_end().len();
        for at in (0..end).filter(|&at| seed.is_char_boundary(at)) {
            // What ends between two functions is whole.
            let _ = decode(&seed[..at]);
        }
        assert!(decode(&seed[..end - 1]).is_err());
    }
}

/// Each word in the place of each other one: most are errors, and none is a panic.
#[test]
fn exchanged_words() {
    for seed in SEEDS {
        let words: Vec<&str> = seed.split(' ').collect();
        for i in 0..words.len() {
            for step in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89] {
                let mut words = words.clone();
                words.swap(i, (i + step) % seed.split(' ').count());
                let _ = decode(&words.join(" "));
            }
        }
    }
}

/// Each function calls the next one twice: 2⁶⁰ calls.
#[test]
fn calls_that_double() {
    let last = 60;
    let mut text = format!(".version 8.0\n.target sm_80\n.func f{last} {{ ret; }}\n");
    for i in (0..last).rev() {
        text += &format!(".func f{i} {{ call f{next}; call f{next}; }}\n", next = i + 1);
    }
    text += ".entry k { call f0; }\n";
    assert!(refused(&text).contains("the kernel is too long"));
}

#[test]
fn calls_without_end() {
    let text = ".version 8.0\n.target sm_80\n.func f { call f; }\n.entry k { call f; }\n";
    assert!(refused(text).contains("too deeply"));
}

#[test]
fn nests() {
    let head = ".version 8.0\n.target sm_80\n";
    assert!(refused(&format!("{head}.entry k {{ {}", "{".repeat(1 << 20))).contains("nest less deeply"));
    assert!(refused(&format!("{head}.entry k {{ mov.b32 {}", "{".repeat(1 << 20))).contains("nest less deeply"));
    assert!(refused(&format!("{head}.global .u32 x[] = {}", "{".repeat(1 << 20))).contains("nest less deeply"));
}

#[test]
fn names_with_two_definitions() {
    let head = ".version 8.0\n.target sm_80\n";
    for twice in [".global .u32 x;", ".entry x { ret; }", ".func x { ret; }"] {
        assert!(refused(&format!("{head}{twice}\n{twice}\n")).starts_with("PTX line 4: `x` is defined a second"));
    }
    assert_eq!(
        decode(&format!("{head}.extern .shared .u32 x[];.extern .shared .u32 x[];.func f;.func f {{ ret; }}")),
        Ok(())
    );
}

#[test]
fn sizes() {
    let head = ".version 8.0\n.target sm_80\n";
    assert!(refused(&format!("{head}.global .b64 x[4294967295][4294967295];")).contains("bytes"));
    for space in ["shared", "local"] {
        let message = refused(&format!("{head}.entry k {{ .{space} .b64 x[100000000]; ret; }}"));
        assert!(message.contains("more") && message.contains(space), "{message}");
    }
    let many = (0..1 << 17).map(|i| format!("r{i}")).collect::<Vec<_>>().join(",");
    assert!(refused(&format!("{head}.entry k {{ .reg .b32 {many}; ret; }}")).contains("too long"));
    assert!(refused(&format!("{head}.entry k {{ .reg .pred {many}; ret; }}")).contains("too long"));
}
