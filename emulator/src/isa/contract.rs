//! What the driver's compiler makes of products and sums. PTX lets it fuse an unrounded `mul` with an unrounded `add` or
//! `sub`, and `ptxas` does so wherever nothing else reads the product: what should cancel then leaves the rounding of
//! that product. A kernel that must have it rounded says `mul.rn` (`__fmul_rn`).

use crate::ptx::{Instruction, Module, Operand, Statement};
use std::collections::HashMap;

/// A product that nothing but a sum can read: its register and its factors.
struct Product {
    register: String,
    /// The modifiers and the type.
    kind: &'static str,
    factors: [Operand; 2],
}

/// The modifiers with which products and sums are fused.
const KINDS: [&str; 3] = ["f32", "ftz.f32", "f64"];

/// Fuses what stands in one straight line. The product stays in its place, and its register, which nobody else reads, holds
/// what a difference negates.
pub fn contract(module: &mut Module) {
    for body in module.functions.iter_mut().filter_map(|function| function.body.as_mut()) {
        let uses = uses(body);
        let mut products: Vec<Product> = Vec::new();
        for statement in std::mem::take(body) {
            let Statement::Instruction(instruction) = statement else {
                // Others come here with other products, and behind a brace a name may mean something else.
                if matches!(statement, Statement::Label(..) | Statement::Open | Statement::Close) {
                    products.clear();
                }
                body.push(statement);
                continue;
            };
            let fused = fused(&instruction, &products);
            if let Some(written) = instruction.operands.first() {
                written.each_name(&mut |name| products.retain(|p| !p.factors.iter().any(|f| f.names(name))));
            }
            products.extend(product(&instruction, &uses));
            match fused {
                Some(fused) => body.extend(fused.into_iter().map(Statement::Instruction)),
                None => body.push(Statement::Instruction(instruction)),
            }
        }
    }
}

/// How often each name stands in operands.
fn uses(body: &[Statement]) -> HashMap<String, usize> {
    let mut uses = HashMap::new();
    for statement in body {
        if let Statement::Instruction(instruction) = statement {
            for operand in &instruction.operands {
                operand.each_name(&mut |name| *uses.entry(name.to_owned()).or_default() += 1);
            }
        }
    }
    uses
}

fn kind(rest: Option<&str>) -> Option<&'static str> {
    KINDS.into_iter().find(|&kind| rest == Some(kind))
}

fn product(instruction: &Instruction, uses: &HashMap<String, usize>) -> Option<Product> {
    let kind = kind(instruction.opcode.strip_prefix("mul."))?;
    let [Operand::Name(register), a, b] = instruction.operands.as_slice() else { return None };
    let only = instruction.guard.is_none() && uses.get(register) == Some(&2);
    only.then(|| Product { register: register.clone(), kind, factors: [a.clone(), b.clone()] })
}

/// The multiply-add that a sum is with one of the products, and before it the negation that a difference takes.
fn fused(sum: &Instruction, products: &[Product]) -> Option<Vec<Instruction>> {
    let (difference, rest) = match sum.opcode.split_once('.')? {
        ("add", rest) => (false, rest),
        ("sub", rest) => (true, rest),
        _ => return None,
    };
    let kind = kind(Some(rest))?;
    let [to, left, right] = sum.operands.as_slice() else { return None };
    let of =
        |operand: &Operand| products.iter().find(|p| p.kind == kind && *operand == Operand::Name(p.register.clone()));
    let (product, other, first) = match (of(left), of(right)) {
        (Some(product), _) => (product, right, true),
        (None, Some(product)) => (product, left, false),
        (None, None) => return None,
    };
    let instruction = |opcode: &str, operands| {
        let (line, guard) = (sum.line, sum.guard.clone());
        Instruction { line, guard, opcode: format!("{opcode}.{kind}"), operands }
    };
    let [a, b] = product.factors.clone();
    let negated = Operand::Name(product.register.clone());
    let (negate, factor, term) = match (difference, first) {
        (false, _) => (None, a, other.clone()),
        (true, true) => (Some(other.clone()), a, negated.clone()),
        (true, false) => (Some(a), negated.clone(), other.clone()),
    };
    let negation = negate.map(|operand| instruction("neg", vec![negated, operand]));
    Some(negation.into_iter().chain([instruction("fma.rn", vec![to.clone(), factor, b, term])]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The opcodes of a function's body, fused.
    fn opcodes(body: &str) -> Vec<String> {
        let text = format!(".version 8.0 .target sm_90 .address_size 64 .visible .entry k() {{ {body} ret; }}");
        let mut module = crate::ptx::parse(&text).unwrap();
        contract(&mut module);
        let body = module.functions.remove(0).body.unwrap();
        let opcode = |statement| match statement {
            Statement::Instruction(instruction) => Some(instruction.opcode),
            _ => None,
        };
        body.into_iter().filter_map(opcode).filter(|opcode| opcode != "ret").collect()
    }

    #[test]
    fn a_product_that_only_a_sum_reads_is_fused() {
        assert_eq!(opcodes("mul.f32 d, a, b; add.f32 e, c, d;"), ["mul.f32", "fma.rn.f32"]);
        assert_eq!(opcodes("mul.f64 d, a, b; sub.f64 e, d, c;"), ["mul.f64", "neg.f64", "fma.rn.f64"]);
        assert_eq!(
            opcodes("mul.ftz.f32 d, a, b; sub.ftz.f32 e, c, d;"),
            ["mul.ftz.f32", "neg.ftz.f32", "fma.rn.ftz.f32"]
        );
        assert_eq!(opcodes("mul.f32 d, a, b; @p bra L; @q add.f32 e, c, d; L:"), ["mul.f32", "bra", "fma.rn.f32"]);
    }

    #[test]
    fn what_ptx_or_ptxas_rounds_stays() {
        for body in [
            "mul.rn.f32 d, a, b; add.f32 e, c, d;",
            "mul.f32 d, a, b; add.rn.f32 e, c, d;",
            "mul.f32 d, a, b; add.ftz.f32 e, c, d;",
            "mul.sat.f32 d, a, b; add.f32 e, c, d;",
            "@p mul.f32 d, a, b; add.f32 e, c, d;",
            "mul.f32 d, a, b; add.f32 e, d, d;",
            "mul.f32 d, a, b; add.f32 e, c, d; mov.f32 f, d;",
            "mul.f32 d, a, b; mov.f32 a, c; add.f32 e, c, d;",
            "mul.f32 d, a, b; L: add.f32 e, c, d;",
            "mul.f32 d, a, b; { .reg .f32 b; add.f32 e, c, d; }",
        ] {
            assert!(!opcodes(body).iter().any(|opcode| opcode.starts_with("fma")), "{body}");
        }
    }
}
