//! Any text is a module or an error with its line: no panic, no hang, no unbounded memory. `scripts/fuzz` runs it.
#![no_main]

use cuda_emulator::{isa, ptx};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(module) = ptx::parse(text) else { return };
    let variables = module.variables.iter().map(|v| (v.name.clone(), 1 << 40)).collect();
    for entry in module.functions.iter().filter(|f| f.entry) {
        let _ = isa::kernel(&module, entry, &variables);
    }
});
