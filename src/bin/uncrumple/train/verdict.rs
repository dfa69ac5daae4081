//! How far a network is beyond common sense.

use crate::say;
use uncrumple::prelude::*;
use uncrumple::programs::tabular::Problem;

/// Prints the network's figures on the test part beside those of who always says the same.
pub fn print(problem: Problem, train: &Dataset, test: &Dataset, figures: &Logs) -> Result<()> {
    let (what, baseline) = common_sense(problem, train, test)?;
    say(format!("{:<32} {:>12} {:>12}", format!("{} test rows", test.len()), "network", "baseline"))?;
    for (name, value) in figures.iter() {
        let own = baseline.iter().find(|(n, _)| *n == name);
        let own = own.map_or_else(|| "–".to_string(), |(_, value)| format!("{value:.4}"));
        say(format!("{name:<32} {value:>12.4} {own:>12}"))?;
    }
    say(format!("The baseline is {what}."))
}

/// What is reached without looking at the inputs.
pub fn common_sense(problem: Problem, train: &Dataset, test: &Dataset) -> Result<(String, Vec<(&'static str, f64)>)> {
    if problem == Problem::Multilabel {
        return majority(train, test);
    }
    if problem != Problem::Regression {
        let counts = train.class_counts()?;
        let (most, _) = counts.iter().rev().max_by_key(|(_, count)| *count).copied().unwrap_or_default();
        let right = test.classes()?.iter().filter(|&&class| class == most).count();
        let mut figures = vec![("accuracy", right as f64 / test.len() as f64)];
        if problem == Problem::Binary {
            figures.push(("auc", 0.5));
        }
        return Ok(("always the most frequent class of the training part".into(), figures));
    }
    let mut known: Vec<f64> = train.targets()[0].to_vec::<f32>()?.into_iter().map(f64::from).collect();
    let targets: Vec<f64> = test.targets()[0].to_vec::<f32>()?.into_iter().map(f64::from).collect();
    known.sort_unstable_by(f64::total_cmp);
    let (mean, median) = (known.iter().sum::<f64>() / known.len() as f64, known[known.len() / 2]);
    let mean_of = |f: &dyn Fn(f64) -> f64| targets.iter().map(|&y| f(y)).sum::<f64>() / targets.len() as f64;
    let squared = mean_of(&|y| (y - mean) * (y - mean));
    let centre = mean_of(&|y| y);
    let variance = mean_of(&|y| (y - centre) * (y - centre));
    let figures = vec![
        ("loss", squared),
        ("mean_absolute_error", mean_of(&|y| (y - median).abs())),
        ("root_mean_squared_error", squared.sqrt()),
        ("r2_score", 1.0 - squared / variance),
    ];
    Ok(("always the training part's mean, and its median for the absolute error".into(), figures))
}

/// For the accuracy: of each label what most samples of the training part have. For F1, which that brings to nothing where
/// every label is rare: always the same labels, as many of the most frequent as are best for the training part.
fn majority(train: &Dataset, test: &Dataset) -> Result<(String, Vec<(&'static str, f64)>)> {
    let share = |data: &Dataset| -> Result<Vec<f64>> {
        let share = data.targets()[0].mean(&[0], false)?.to_vec::<f32>()?;
        Ok(share.into_iter().map(f64::from).collect())
    };
    let (known, there) = (share(train)?, share(test)?);
    let labels = known.len() as f64;
    let right =
        known.iter().zip(&there).map(|(known, there)| if *known > 0.5 { *there } else { 1.0 - there }).sum::<f64>();
    let f1 = |both: f64, said: f64, there: f64| 2.0 * both / (said + there).max(f64::MIN_POSITIVE);
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_by(|&a, &b| known[b].total_cmp(&known[a]));
    let micro = |shares: &[f64], said: usize| {
        let both = order[..said].iter().map(|&i| shares[i]).sum();
        f1(both, said as f64, shares.iter().sum())
    };
    let said = (1..=known.len()).max_by(|&a, &b| micro(&known, a).total_cmp(&micro(&known, b))).unwrap_or(1);
    let macro_ = order[..said].iter().map(|&i| f1(there[i], 1.0, there[i])).sum::<f64>() / labels;
    let figures = vec![("accuracy", right / labels), ("f1_micro", micro(&there, said)), ("f1_macro", macro_)];
    let what =
        format!("of each label what most of the training part has; for F1 always its {said} most frequent labels");
    Ok((what, figures))
}
