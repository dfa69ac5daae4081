//! Every op on every case that it names, for every dtype and on every device: shapes, gradients, values, reruns.
//!
//! `UNCRUMPLE_ONLY=softmax` runs the cases of one op.

mod common;

use common::{bits, difference, fill, tolerance};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use uncrumple::autograd::check_gradients;
use uncrumple::tensor::{Case, GradientTape, Op, apply};
use uncrumple::{DType, Device, Error, Result, Shape, Tensor};

/// A case for one dtype.
struct Run {
    op: Arc<dyn Op>,
    dtype: DType,
    inputs: Vec<Tensor>,
    shown: usize,
}

/// What an op gave.
struct Outcome {
    outputs: Vec<Tensor>,
    /// Of the floating-point inputs, for an output gradient of fixed weights.
    gradients: Vec<Option<Tensor>>,
}

impl Run {
    fn new(case: &Case, dtype: DType) -> Result<Run> {
        let input = |(i, sample): (usize, &_)| fill(sample, sample.dtype_for(dtype), i as u64);
        Ok(Run {
            op: case.op.clone(),
            dtype,
            inputs: case.inputs.iter().enumerate().map(input).collect::<Result<_>>()?,
            shown: case.shown,
        })
    }

    /// The same with the same values in f64, for the oracle: exact, since every float is an f64.
    fn oracle(&self, case: &Case) -> Result<Run> {
        let input = |(t, sample): (&Tensor, &uncrumple::tensor::Sample)| match sample.dtype {
            None if t.dtype().is_float() => Tensor::from_slice(&common::wide(t)?, t.shape()),
            _ => Ok(t.clone()),
        };
        let inputs = self.inputs.iter().zip(&case.inputs).map(input).collect::<Result<_>>()?;
        Ok(Run { op: self.op.clone(), dtype: DType::F64, inputs, shown: self.shown })
    }

    fn label(&self, device: &Device) -> String {
        let shapes: Vec<String> = self.inputs.iter().map(|t| t.shape().to_string()).collect();
        format!("{} of {} {} on {device} [{:?}]", self.op.name(), shapes.join(" "), self.dtype, self.op)
    }

    fn on(&self, device: &Device) -> Result<Outcome> {
        let inputs = self.inputs.iter().map(|t| t.to_device(device)).collect::<Result<Vec<_>>>()?;
        let outputs = apply(self.op.clone(), &inputs.iter().collect::<Vec<_>>())?.into_iter().collect();
        Ok(Outcome { outputs, gradients: gradients(&self.op, &inputs, self.shown)? })
    }
}

/// The gradients of Σ w · y over the floating-point outputs that are shown; none where the op has none.
fn gradients(op: &Arc<dyn Op>, inputs: &[Tensor], shown: usize) -> Result<Vec<Option<Tensor>>> {
    if op.keeps().is_none() {
        return Ok(Vec::new());
    }
    let tape = GradientTape::new();
    let watch = |t: &Tensor| if t.dtype().is_float() { tape.watch(t) } else { Ok(t.clone()) };
    let watched = inputs.iter().map(watch).collect::<Result<Vec<_>>>()?;
    let outputs = apply(op.clone(), &watched.iter().collect::<Vec<_>>())?;
    let mut total: Option<Tensor> = None;
    for y in outputs.iter().take(shown).filter(|y| y.dtype().is_float()) {
        // Eighths are exact in every float.
        let weights: Vec<f32> = (0..y.shape().size()).map(|i| ((i * 7 + 3) % 17) as f32 / 8.0 - 1.0).collect();
        let weights = Tensor::from_slice(&weights, y.shape())?.cast(y.dtype())?.to_device(&y.device())?;
        let sum = y.mul(&weights)?.sum(&[], false)?.cast(DType::F64)?;
        total = Some(match total {
            None => sum,
            Some(total) => total.add(&sum)?,
        });
    }
    let sources: Vec<&Tensor> = watched.iter().filter(|t| t.dtype().is_float()).collect();
    match total {
        Some(total) if !sources.is_empty() => tape.gradient(&total, &sources),
        _ => Ok(Vec::new()),
    }
}

/// Runs `check` over every case and dtype, and fails with everything that it found wrong.
fn for_all(check: impl Fn(&Case, &Run) -> Result<Vec<String>>) {
    let only = std::env::var("UNCRUMPLE_ONLY").ok();
    let mut wrong = Vec::new();
    let mut ran = 0;
    for case in uncrumple::ops::cases() {
        for &dtype in case.dtypes {
            let run = Run::new(&case, dtype).unwrap_or_else(|e| panic!("the inputs of a case: {e}"));
            if only.as_deref().is_some_and(|only| run.op.name() != only) {
                continue;
            }
            ran += 1;
            // Shown with a failure: the last line names the case that panicked.
            println!("{}", run.label(&Device::Cpu));
            match check(&case, &run) {
                Ok(found) => wrong.extend(found),
                Err(error) => wrong.push(format!("{}: {error}", run.label(&Device::Cpu))),
            }
        }
    }
    assert!(ran > 0, "no case ran");
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What differs between two outcomes, named.
fn compare(got: &Outcome, want: &Outcome, run: &Run, label: &str) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    // Random numbers of any type are computed in the case's own, from inputs that are no floats.
    let all = || run.inputs.iter().chain(&got.outputs).map(Tensor::dtype).chain([run.dtype]);
    for (i, (g, w)) in got.outputs.iter().zip(&want.outputs).enumerate() {
        // What is not a float is exact.
        let allowed = if g.dtype().is_float() { tolerance(all()) } else { 0.0 };
        wrong.extend(difference(g, w, allowed)?.map(|d| format!("{label}: output {i}: {d}")));
    }
    if got.gradients.len() != want.gradients.len() {
        wrong.push(format!("{label}: {} gradients, not {}", got.gradients.len(), want.gradients.len()));
    }
    for (i, pair) in got.gradients.iter().zip(&want.gradients).enumerate() {
        match pair {
            (Some(g), Some(w)) => {
                wrong.extend(difference(g, w, tolerance(all()))?.map(|d| format!("{label}: gradient {i}: {d}")));
            }
            (None, None) => {}
            (g, w) => wrong.push(format!("{label}: gradient {i} is there: {}, expected: {}", g.is_some(), w.is_some())),
        }
    }
    Ok(wrong)
}

/// Whether two outcomes are the same to the bit, named.
fn compare_bits(a: &Outcome, b: &Outcome, label: &str) -> Result<Vec<String>> {
    let tensors =
        |o: &Outcome| -> Vec<Tensor> { o.outputs.iter().chain(o.gradients.iter().flatten()).cloned().collect() };
    let (a, b) = (tensors(a), tensors(b));
    if a.len() != b.len() {
        return Ok(vec![format!("{label}: {} outputs and gradients, then {}", a.len(), b.len())]);
    }
    let mut wrong = Vec::new();
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        let what = "(outputs, then gradients)";
        if a.meta() != b.meta() {
            wrong.push(format!("{label}: tensor {i} {what}: {:?}, then {:?}", a.meta(), b.meta()));
        } else if let Some(at) = bits(a)?.iter().zip(&bits(b)?).position(|(a, b)| a != b) {
            wrong.push(format!("{label}: tensor {i} {what}: element {at} has other bits"));
        }
    }
    Ok(wrong)
}

#[test]
fn gradients_agree_with_finite_differences() {
    let compared = RefCell::new(BTreeSet::new());
    for_all(|_, run| {
        let is_checked = |t: &Tensor| t.dtype() == DType::F64;
        let checked: Vec<Tensor> = run.inputs.iter().filter(|t| is_checked(t)).cloned().collect();
        if run.dtype != DType::F64 || run.op.keeps().is_none() || checked.is_empty() {
            return Ok(Vec::new());
        }
        // An output that is rounded to another type has no differences so fine.
        let metas: Vec<_> = run.inputs.iter().map(Tensor::meta).collect();
        if run.op.infer(&metas)?.iter().any(|m| m.dtype.is_float() && m.dtype != DType::F64) {
            return Ok(Vec::new());
        }
        let function = |moved: &[Tensor]| -> Result<Vec<Tensor>> {
            let mut moved = moved.iter();
            let input = |t| if is_checked(t) { moved.next().unwrap_or(t) } else { t };
            let inputs: Vec<&Tensor> = run.inputs.iter().map(input).collect();
            let outputs = apply(run.op.clone(), &inputs)?;
            Ok(outputs.into_iter().take(run.shown).filter(|t| t.dtype().is_float()).collect())
        };
        if function(&checked)?.is_empty() {
            return Ok(Vec::new());
        }
        // A central difference is off by 1e-10 for the curvature, and by 1e-11 of the output's magnitude for rounding: sums
        // of thousands reach 1e-7.
        let check = check_gradients(&checked, 1e-5, function)?;
        let elements: usize = checked.iter().map(|t| t.shape().size()).sum();
        let label = run.label(&Device::Cpu);
        if check.compared > 0 {
            compared.borrow_mut().insert(run.op.name().to_string());
        }
        Ok(match check.worst {
            _ if check.compared == 0 && elements > 0 => vec![format!("{label}: nothing was compared")],
            worst if worst < 1e-6 => Vec::new(),
            worst => vec![format!("{label}: a gradient is off by {worst:e}")],
        })
    });
    if std::env::var_os("UNCRUMPLE_ONLY").is_none() {
        let cases = uncrumple::ops::cases();
        let with_gradient = cases.iter().filter(|c| c.op.keeps().is_some()).map(|c| c.op.name().to_string());
        let unchecked: BTreeSet<_> = with_gradient.filter(|name| !compared.borrow().contains(name)).collect();
        assert!(unchecked.is_empty(), "no case compares the gradient of {unchecked:?}");
    }
}

/// What is listed is checked: every op has a case in f32, and a gradient unless it is one of these.
#[test]
fn every_op_of_the_list_is_checked() {
    let without_gradient = [
        "AffineTransform",
        "Argmax",
        "BoxMask",
        "Compare",
        "MovingStatistics",
        "OneHot",
        "RandomAffine",
        "RandomBeta",
        "RandomNormal",
        "RandomPermutation",
        "RandomTruncatedNormal",
        "RandomUniform",
    ];
    for (name, cases) in uncrumple::ops::all() {
        assert!(cases.iter().any(|c| c.dtypes.contains(&DType::F32)), "{name} has no case in float32");
        let has_gradient = cases.iter().any(|c| c.op.keeps().is_some());
        let is_gradient = name.ends_with("Grad") || name.ends_with("Slope");
        assert!(
            has_gradient || is_gradient || without_gradient.contains(&name),
            "{name} has no gradient, and is not listed as such"
        );
    }
}

/// Runs every case twice on `device`: shapes and dtypes are the inferred ones, values and gradients the oracle's, and the
/// second run's bits the first one's.
fn conforms(device: &Device) {
    for_all(|case, run| {
        let label = run.label(device);
        let (outcome, want) = (run.on(device)?, run.oracle(case)?.on(&Device::Cpu)?);
        let mut wrong = compare(&outcome, &want, run, &label)?;
        let metas: Vec<_> = run.inputs.iter().map(Tensor::meta).collect();
        let (inferred, real) = (run.op.infer(&metas)?, outcome.outputs.iter().map(Tensor::meta).collect::<Vec<_>>());
        if real[..] != inferred[..] {
            wrong.push(format!("{label}: inferred {inferred:?}, got {real:?}"));
        }
        wrong.extend(compare_bits(&outcome, &run.on(device)?, &label)?);
        Ok(wrong)
    });
}

#[test]
fn cpu_conforms() {
    conforms(&Device::Cpu);
}

#[test]
fn cuda_conforms() {
    let Some(cuda) = common::cuda() else { return };
    conforms(&cuda);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap_or_else(|e| panic!("a thread pool: {e}"))
    };
    let (one, five) = (pool(1), pool(5));
    for_all(|_, run| {
        let alone = one.install(|| run.on(&Device::Cpu))?;
        let together = five.install(|| run.on(&Device::Cpu))?;
        compare_bits(&alone, &together, &run.label(&Device::Cpu))
    });
}

#[test]
fn every_op_with_a_gradient_gives_one() {
    for_all(|_, run| {
        let gradients = run.on(&Device::Cpu)?.gradients;
        let missing = !gradients.is_empty() && gradients.iter().all(Option::is_none);
        Ok(if missing { vec![format!("{}: no input has a gradient", run.label(&Device::Cpu))] } else { Vec::new() })
    });
}

#[test]
fn no_case_takes_no_or_too_many_inputs() {
    for_all(|_, run| {
        let mut metas: Vec<_> = run.inputs.iter().map(Tensor::meta).collect();
        let label = run.label(&Device::Cpu);
        let mut wrong = Vec::new();
        if run.op.infer(&[]).is_ok() {
            wrong.push(format!("{label}: takes no inputs at all"));
        }
        metas.extend(std::iter::repeat_n(metas[0], 20));
        if run.op.infer(&metas).is_ok() && run.op.name() != "concatenate" {
            wrong.push(format!("{label}: takes twenty inputs too many"));
        }
        Ok(wrong)
    });
}

#[test]
fn a_dtype_that_no_case_names_is_an_error_with_words() {
    let takes = |op: &str, dtype| {
        uncrumple::ops::cases().iter().any(|case| case.op.name() == op && case.dtypes.contains(&dtype))
    };
    for_all(|case, run| {
        if case.inputs.iter().all(|s| s.dtype.is_some()) || takes(run.op.name(), DType::I32) {
            return Ok(Vec::new());
        }
        let inputs = Run::new(case, DType::I32)?.inputs;
        let label = run.label(&Device::Cpu);
        Ok(match apply(run.op.clone(), &inputs.iter().collect::<Vec<_>>()) {
            Ok(_) => vec![format!("{label}: takes int32, which no case names")],
            Err(Error::DType { message, .. }) if message.contains("int32") => Vec::new(),
            Err(error) => vec![format!("{label}: the error for int32 says only: {error}")],
        })
    });
}

#[test]
fn the_list_of_ops_is_the_folder() -> std::io::Result<()> {
    // Files that several ops share, and the operators that stand for methods.
    let helpers = [
        "mod",
        "activation",
        "binary",
        "channels",
        "copy",
        "fold",
        "index",
        "operators",
        "pool",
        "random",
        "reduce",
        "rows",
        "unary",
        "window",
    ];
    let mut folder = BTreeSet::new();
    for entry in std::fs::read_dir(uncrumple::files::repository().join("src/ops"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        folder.insert(name.trim_end_matches(".rs").to_string());
    }
    let listed: Vec<&str> = uncrumple::ops::MODULES.iter().copied().chain(helpers).collect();
    assert_eq!(folder, listed.iter().map(|s| s.to_string()).collect(), "src/ops and the list in src/ops/mod.rs differ");
    assert!(listed.windows(2).take(uncrumple::ops::MODULES.len() - 1).all(|w| w[0] < w[1]), "the list is not in order");
    Ok(())
}

#[test]
fn the_comparison_can_fail() -> Result<()> {
    let tensor = |x: &[f64]| Tensor::from_slice(x, x.len());
    let differ = |a: &[f64], b: &[f64]| -> Result<bool> { Ok(difference(&tensor(a)?, &tensor(b)?, 1e-6)?.is_some()) };
    assert!(!differ(&[1.0, f64::INFINITY], &[1.0 + 1e-7, f64::INFINITY])?);
    assert!(differ(&[1.0], &[1.0 + 1e-5])?);
    assert!(differ(&[f64::NAN], &[1.0])? && differ(&[1.0], &[f64::NAN])? && differ(&[f64::NAN], &[f64::NAN])?);
    assert!(differ(&[f64::INFINITY], &[1.0])? && differ(&[1.0], &[f64::INFINITY])?);
    assert!(differ(&[f64::NEG_INFINITY], &[f64::INFINITY])?);
    assert!(differ(&[1.0], &[1.0, 2.0])?);
    assert!(difference(&tensor(&[0.0])?, &Tensor::zeros(&Device::Cpu, Shape::SCALAR, DType::F64)?, 1.0)?.is_some());
    Ok(())
}
