use cuda::{isa, ptx};
use std::collections::HashMap;

fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        let start = std::time::Instant::now();
        let module = match ptx::parse(&text) {
            Ok(m) => m,
            Err(e) => {
                println!("{path}: {e}");
                continue;
            }
        };
        let parsed = start.elapsed();
        let mut globals = HashMap::new();
        for v in &module.variables {
            globals.insert(v.name.clone(), 0x7000_0000_0000);
        }
        let (mut ok, mut bad) = (0, 0);
        for f in module.functions.iter().filter(|f| f.entry) {
            match isa::kernel(&module, f, &globals) {
                Ok(_) => ok += 1,
                Err(e) => {
                    bad += 1;
                    if bad < 4 {
                        println!("{path}: {}: {e}", f.name);
                    }
                }
            }
        }
        println!("{path}: {ok} decoded, {bad} not, parse {parsed:?}, all {:?}", start.elapsed());
    }
}
