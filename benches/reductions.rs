//! Sums, means and extremes over rows, columns and everything.

mod common;

use common::{Group, Work, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::{Result, Tensor};

type Reduction = fn(&Tensor, &[isize], bool) -> Result<Tensor>;

fn reductions(c: &mut Criterion) {
    let mut group = Group::new(c, "reductions");
    let functions: [(&str, Reduction); 4] =
        [("sum", Tensor::sum), ("mean", Tensor::mean), ("max", Tensor::max), ("min", Tensor::min)];
    let cases: [(&str, &[usize], &[isize]); 7] = [
        ("all", &[1 << 12, 1 << 12], &[]),
        ("rows", &[1 << 12, 1 << 12], &[-1]),
        ("columns", &[1 << 12, 1 << 12], &[0]),
        ("short_rows", &[1 << 20, 16], &[-1]),
        ("narrow_columns", &[1 << 20, 16], &[0]),
        ("middle", &[64, 64, 64, 64], &[1]),
        ("bias_128x512", &[128, 512], &[0]),
    ];
    for device in devices() {
        for (case, shape, axes) in cases {
            let x = normal(device, shape);
            // The four walk memory alike: all of them over everything, two over the other cases.
            let shown = if case == "all" { &functions[..] } else { &functions[..1] };
            for (name, function) in shown.iter().chain((case == "rows").then_some(&functions[2])) {
                group.bench(device, &format!("{name}_{case}"), Work::Bytes(x.size_in_bytes()), || {
                    function(&x, axes, false)
                });
            }
        }
        let x = normal(device, &[1 << 12, 1 << 12]);
        group.bench(device, "argmax_rows", Work::Bytes(x.size_in_bytes()), || x.argmax(-1));
        let x = normal(device, &[1 << 20, 10]);
        group.bench(device, "argmax_ten_classes", Work::Bytes(x.size_in_bytes()), || x.argmax(-1));
    }
}

criterion_group!(benches, reductions);
criterion_main!(benches);
