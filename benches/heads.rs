//! The head of a vocabulary with its cross-entropy, forward and backward, in one op and in two, and the memory of each.

mod common;

use common::{Group, Work, below, devices, measures, memory, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::ops::Activation;
use uncrumple::{Device, GradientTape, Result, Tensor};

/// Rows, features and tokens: those of `seq2seq` and `gpt`, and a vocabulary of GPT-2's size.
const HEADS: &[[usize; 3]] = &[[1280, 256, 8000], [1024, 256, 8000], [1024, 256, 50_304]];

struct Case {
    x: Tensor,
    kernel: Tensor,
    labels: Tensor,
    factors: Tensor,
}

impl Case {
    fn new(device: &Device, [rows, features, tokens]: [usize; 3]) -> Case {
        let factors = Tensor::from_slice(&vec![1.0 / rows as f32; rows], rows).and_then(|t| t.to_device(device));
        Case {
            x: normal(device, &[rows, features]),
            kernel: normal(device, &[features, tokens]),
            labels: below(device, &[rows], tokens),
            factors: factors.expect("a factor for each row"),
        }
    }

    /// The gradients of rows and kernel, without the logits of all rows.
    fn together(&self) -> Result<Vec<Option<Tensor>>> {
        let tape = GradientTape::new();
        let (x, kernel) = (tape.watch(&self.x)?, tape.watch(&self.kernel)?);
        let loss = x.linear_cross_entropy((&kernel, false), None, &self.labels, &self.factors)?;
        tape.gradient(&loss, &[&x, &kernel])
    }

    /// The same by a product and a cross-entropy.
    fn apart(&self) -> Result<Vec<Option<Tensor>>> {
        let tape = GradientTape::new();
        let (x, kernel) = (tape.watch(&self.x)?, tape.watch(&self.kernel)?);
        let losses = x.linear(&kernel, None, Activation::Linear)?.sparse_softmax_cross_entropy(&self.labels)?;
        tape.gradient(&losses.mul(&self.factors)?.sum(&[], false)?, &[&x, &kernel])
    }
}

fn heads(c: &mut Criterion) {
    let mut taken = Vec::new();
    let mut group = Group::new(c, "heads");
    for device in devices() {
        for &head in HEADS {
            let case = Case::new(device, head);
            let [rows, features, tokens] = head;
            let id = format!("{rows}x{features}x{tokens}");
            if device.is_cpu() && measures() {
                let of = [memory(|| case.together()), memory(|| case.apart())].map(|m| m.expect("a step"));
                taken.push((id.clone(), of));
            }
            let work = Work::Flops(3 * 2 * rows * features * tokens);
            group.bench(device, &format!("{id}/linear_cross_entropy"), work, || case.together());
            group.bench(device, &format!("{id}/linear, then cross_entropy"), work, || case.apart());
        }
    }
    drop(group);
    for (id, bytes) in taken {
        let [together, apart] = bytes.map(|bytes| bytes as f64 / 1e6);
        println!("heads/{id:<28} {together:>9.1} MB beside its inputs; in two ops {apart:.1} MB");
    }
}

criterion_group!(benches, heads);
criterion_main!(benches);
