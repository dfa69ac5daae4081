//! Which samples are trained on and which are held out.

use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// The stream of the random numbers, apart from those of weights and training.
const STREAM: u32 = u32::MAX - 1;

/// Numbers of samples: those to train on and those held out.
pub type Parts = (Vec<i32>, Vec<i32>);

/// How samples are divided into a part that is trained on and a part that is held out
/// ([`Dataset::split`](super::Dataset::split), [`Table::split`](super::Table::split)), or into folds
/// ([`Dataset::k_fold`](super::Dataset::k_fold)), which are as scikit-learn's `KFold`, `StratifiedKFold`, `GroupKFold` and
/// `TimeSeriesSplit`.
#[derive(Clone, Debug)]
pub struct Split {
    by: By,
    seed: u64,
}

#[derive(Clone, Debug)]
enum By {
    Order,
    Chance,
    Classes(Vec<i64>),
    Groups(Vec<i64>),
    Times(Vec<f64>),
}

impl Split {
    /// The last samples are held out.
    pub fn in_order() -> Split {
        Split { by: By::Order, seed: 0 }
    }

    /// Samples are held out at random.
    pub fn random() -> Split {
        Split { by: By::Chance, seed: 0 }
    }

    /// Samples are held out at random, of each class the same fraction; `classes` holds the class of each sample.
    pub fn stratified(classes: impl Into<Vec<i64>>) -> Split {
        Split { by: By::Classes(classes.into()), seed: 0 }
    }

    /// Whole groups are held out at random, so that no group is on both sides: patients, houses, speakers; as many samples
    /// as whole groups allow. `groups` holds the group of each sample.
    pub fn grouped(groups: impl Into<Vec<i64>>) -> Split {
        Split { by: By::Groups(groups.into()), seed: 0 }
    }

    /// The latest samples are held out; samples of one moment stay together, on the later side. Of folds each holds out
    /// what follows, and trains on all that was before. `times` holds the time of each sample, in any unit.
    pub fn temporal(times: impl Into<Vec<f64>>) -> Split {
        Split { by: By::Times(times.into()), seed: 0 }
    }

    /// What chance draws from; 0 unless told otherwise.
    pub fn seed(mut self, seed: u64) -> Split {
        self.seed = seed;
        self
    }

    /// The numbers of `n` samples, divided so that about `fraction` of them are held out; both sides ascend, but for
    /// times, which they follow.
    ///
    /// # Errors
    /// A fraction that leaves a side empty, a list of another length than `n`, a class that cannot be on both sides, a time
    /// that is NaN.
    pub fn indices(&self, n: usize, fraction: f64) -> Result<Parts> {
        self.check(n)?;
        if !(fraction > 0.0 && fraction < 1.0) {
            let message = format!("expected a fraction between 0 and 1 to be held out, got {fraction}");
            return Err(Error::Config(message));
        }
        // As Keras cuts: the training part is rounded down.
        let kept = |n: usize| (n as f64 * (1.0 - fraction)).floor() as usize;
        let mut parts = match &self.by {
            By::Order => cut(numbers(0..n), kept(n)),
            By::Chance => cut(self.shuffled(n, 0), kept(n)),
            By::Times(times) => {
                let order = by_time(times);
                let mut at = kept(n);
                while at > 0 && at < n && times[order[at - 1] as usize] == times[order[at] as usize] {
                    at -= 1;
                }
                return self.both(cut(order, at), n, fraction);
            }
            By::Classes(classes) => {
                let mut parts = Parts::default();
                for (i, (class, members)) in members(classes).into_iter().enumerate() {
                    let at =
                        ((members.len() as f64 * (1.0 - fraction)).round() as usize).clamp(1, members.len().max(2) - 1);
                    if members.len() < 2 {
                        return Err(too_few(class, members.len(), 2));
                    }
                    let (a, b) = cut(self.shuffled(members.len(), i), at);
                    parts.0.extend(a.iter().map(|&i| members[i as usize]));
                    parts.1.extend(b.iter().map(|&i| members[i as usize]));
                }
                parts
            }
            By::Groups(groups) => {
                let groups: Vec<Vec<i32>> = members(groups).into_values().collect();
                let mut parts = Parts::default();
                // Groups in random order, the last ones first, are held out where that brings their samples nearer to the
                // number that is wanted. Each side has one group at least: the smallest, if none comes nearer.
                let wanted = n - kept(n);
                let order = self.shuffled(groups.len(), 0);
                let mut held_out = vec![false; groups.len()];
                let (mut count, mut samples) = (0, 0usize);
                for &group in order.iter().rev() {
                    let more = samples + groups[group as usize].len();
                    if more.abs_diff(wanted) < samples.abs_diff(wanted) && count + 1 < groups.len() {
                        held_out[group as usize] = true;
                        (count, samples) = (count + 1, more);
                    }
                }
                if count == 0 && groups.len() > 1 {
                    let smallest = order.iter().rev().min_by_key(|&&group| groups[group as usize].len());
                    smallest.into_iter().for_each(|&group| held_out[group as usize] = true);
                }
                for (group, held_out) in groups.iter().zip(held_out) {
                    let side = if held_out { &mut parts.1 } else { &mut parts.0 };
                    side.extend(group);
                }
                parts
            }
        };
        parts.0.sort_unstable();
        parts.1.sort_unstable();
        self.both(parts, n, fraction)
    }

    fn both(&self, parts: Parts, n: usize, fraction: f64) -> Result<Parts> {
        if !parts.0.is_empty() && !parts.1.is_empty() {
            return Ok(parts);
        }
        let hint = match &self.by {
            By::Groups(_) => ": groups stay whole, and there is only one; take a column that tells more groups apart",
            By::Times(_) => ": samples of one moment stay together; take another fraction, or times that differ more",
            _ => "",
        };
        Err(Error::Data(format!("a split that holds out {fraction} of {n} samples leaves one side empty{hint}")))
    }

    /// The numbers of `n` samples, `k` times divided: each sample is held out once, but for the earliest in time.
    ///
    /// # Errors
    /// Fewer than two folds, more folds than there are samples, groups, moments, or members of a class; a list of another
    /// length than `n`; a time that is NaN.
    pub fn folds(&self, n: usize, k: usize) -> Result<Vec<Parts>> {
        self.check(n)?;
        if k < 2 {
            return Err(Error::Config(format!("expected at least 2 folds, got {k}")));
        }
        let few = |what: &str, got: usize| Error::Data(format!("{k} folds of {got} {what}: one would be empty"));
        // The fold in which each sample is held out.
        let mut fold = vec![0; n];
        match &self.by {
            By::Order | By::Chance => {
                if n < k {
                    return Err(few("samples", n));
                }
                let order = if matches!(self.by, By::Order) { numbers(0..n) } else { self.shuffled(n, 0) };
                order.iter().enumerate().for_each(|(i, &sample)| fold[sample as usize] = i * k / n);
            }
            By::Classes(classes) => {
                let mut next = 0;
                for (i, (class, members)) in members(classes).into_iter().enumerate() {
                    if members.len() < k {
                        return Err(too_few(class, members.len(), k));
                    }
                    // Dealt out one by one, from where the class before ended, so that the folds are of one size.
                    for member in self.shuffled(members.len(), i) {
                        fold[members[member as usize] as usize] = next % k;
                        next += 1;
                    }
                }
            }
            By::Groups(groups) => {
                let mut groups: Vec<Vec<i32>> = members(groups).into_values().collect();
                if groups.len() < k {
                    return Err(few("groups", groups.len()));
                }
                // The largest first, each into the smallest fold.
                groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
                let mut sizes = vec![0; k];
                for group in groups {
                    let smallest = (0..k).min_by_key(|&i| sizes[i]).unwrap_or(0);
                    sizes[smallest] += group.len();
                    group.iter().for_each(|&sample| fold[sample as usize] = smallest);
                }
            }
            By::Times(times) => {
                return forward_chain(times, k).ok_or_else(|| few("moments (and one to begin with)", n));
            }
        }
        Ok((0..k).map(|k| numbers(0..n).into_iter().partition(|&i| fold[i as usize] != k)).collect())
    }

    fn shuffled(&self, n: usize, part: usize) -> Vec<i32> {
        Philox::new(self.seed as i64, part as i64, STREAM).shuffled(n)
    }

    fn check(&self, n: usize) -> Result<()> {
        let (what, got) = match &self.by {
            By::Order | By::Chance => return Ok(()),
            By::Classes(list) => ("classes", list.len()),
            By::Groups(list) => ("groups", list.len()),
            By::Times(list) => {
                if let Some(at) = list.iter().position(|t| t.is_nan()) {
                    return Err(Error::Data(format!("the time of sample {at} is NaN: remove or fill in such samples")));
                }
                ("times", list.len())
            }
        };
        if got == n { Ok(()) } else { Err(Error::Data(format!("{got} {what} for {n} samples: give one for each"))) }
    }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<i32> {
    range.map(|i| i as i32).collect()
}

fn cut(mut order: Vec<i32>, at: usize) -> Parts {
    let held_out = order.split_off(at);
    (order, held_out)
}

fn too_few(class: i64, got: usize, want: usize) -> Error {
    let message =
        format!("class {class} has {got} samples, too few for {want} parts: leave it out, or split at random");
    Error::Data(message)
}

/// The samples of each class or group.
fn members(list: &[i64]) -> BTreeMap<i64, Vec<i32>> {
    let mut members: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
    list.iter().enumerate().for_each(|(i, &key)| members.entry(key).or_default().push(i as i32));
    members
}

/// The samples from the earliest to the latest.
fn by_time(times: &[f64]) -> Vec<i32> {
    let mut order = numbers(0..times.len());
    order.sort_by(|&a, &b| times[a as usize].total_cmp(&times[b as usize]));
    order
}

/// `k` stretches of time, each held out after all that was before it; nothing if there are too few moments.
fn forward_chain(times: &[f64], k: usize) -> Option<Vec<Parts>> {
    let order = by_time(times);
    let n = order.len();
    let moment = |at: usize| times[order[at] as usize];
    // Where each stretch begins: never amid one moment.
    let begins: Vec<usize> = (1..=k)
        .map(|i| {
            let mut at = i * n / (k + 1);
            while at > 0 && at < n && moment(at - 1) == moment(at) {
                at += 1;
            }
            at
        })
        .chain([n])
        .collect();
    let sound = begins[0] > 0 && begins.windows(2).all(|pair| pair[0] < pair[1]);
    let parts = |pair: &[usize]| (order[..pair[0]].to_vec(), order[pair[0]..pair[1]].to_vec());
    sound.then(|| begins.windows(2).map(parts).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sample is on one side.
    fn whole((a, b): &Parts, n: usize) -> bool {
        let mut all = [&a[..], b].concat();
        all.sort_unstable();
        all == numbers(0..n)
    }

    #[test]
    fn every_split_is_whole() -> Result<()> {
        let classes: Vec<i64> = (0..100).map(|i| i64::from(i % 10 == 0)).collect();
        let groups: Vec<i64> = (0..100).map(|i| i / 7).collect();
        let times: Vec<f64> = (0..100).map(|i| f64::from((i * 37 % 100) / 4)).collect();
        let of = |parts: &Parts, list: &[i64]| {
            [&parts.0, &parts.1].map(|side| side.iter().map(|&i| list[i as usize]).collect::<Vec<_>>())
        };

        let parts = Split::in_order().indices(100, 0.2)?;
        assert_eq!((parts.0[79], parts.1[0]), (79, 80));
        let random = Split::random().indices(100, 0.2)?;
        assert!(whole(&random, 100) && random.1.len() == 20 && random != parts);
        assert_ne!(random, Split::random().seed(1).indices(100, 0.2)?);
        assert_eq!(random, Split::random().indices(100, 0.2)?);

        let stratified = Split::stratified(&classes[..]).indices(100, 0.2)?;
        assert!(whole(&stratified, 100));
        assert_eq!(of(&stratified, &classes).map(|side| side.iter().sum::<i64>()), [8, 2]);

        let grouped = Split::grouped(&groups[..]).indices(100, 0.2)?;
        let [a, b] = of(&grouped, &groups);
        assert!(whole(&grouped, 100) && a.iter().all(|group| !b.contains(group)) && (19..=21).contains(&b.len()));

        let temporal = Split::temporal(&times[..]).indices(100, 0.21)?;
        let time = |i: &i32| times[*i as usize];
        let (last, first) =
            (temporal.0.iter().map(time).fold(0.0, f64::max), temporal.1.iter().map(time).fold(1e9, f64::min));
        assert!(whole(&temporal, 100) && last < first, "{last} {first}");
        assert_eq!(temporal.1.len(), 24, "a moment of four is not divided");
        Ok(())
    }

    #[test]
    fn few_groups_are_on_both_sides() -> Result<()> {
        for groups in 2..=5 {
            let list: Vec<i64> = (0..100).map(|i| i % groups).collect();
            for seed in 0..20 {
                let (a, b) = Split::grouped(&list[..]).seed(seed).indices(100, 0.2)?;
                let one = 100 / groups as usize;
                assert!(b.len().abs_diff(one) <= 1 && a.len() + b.len() == 100, "{groups} {seed}: {}", b.len());
            }
        }
        // A large group among small ones does not keep the others from being held out.
        let list: Vec<i64> = (0..100).map(|i| (i - 70).max(0)).collect();
        for seed in 0..20 {
            let (a, b) = Split::grouped(&list[..]).seed(seed).indices(100, 0.2)?;
            assert_eq!((a.len(), b.len()), (80, 20), "{seed}");
        }
        Ok(())
    }

    #[test]
    fn every_fold_is_held_out_once() -> Result<()> {
        let classes: Vec<i64> = (0..50).map(|i| i64::from(i % 5 == 0)).collect();
        let groups: Vec<i64> = (0..50).map(|i| i % 9).collect();
        for split in [Split::in_order(), Split::random(), Split::stratified(&classes[..]), Split::grouped(&groups[..])]
        {
            let folds = split.folds(50, 5)?;
            assert!(folds.iter().all(|parts| whole(parts, 50) && (6..=12).contains(&parts.1.len())), "{split:?}");
            let held_out: Vec<i32> = folds.iter().flat_map(|(_, b)| b.clone()).collect();
            assert!(whole(&(held_out, vec![]), 50), "{split:?}");
            if let By::Classes(_) = split.by {
                assert!(folds.iter().all(|(_, b)| b.iter().filter(|&&i| i % 5 == 0).count() == 2));
            }
            if let By::Groups(_) = split.by {
                let apart = |(a, b): &Parts| a.iter().all(|i| b.iter().all(|j| i % 9 != j % 9));
                assert!(folds.iter().all(apart));
            }
        }
        let times: Vec<f64> = (0..50).map(|i| f64::from(49 - i)).collect();
        let folds = Split::temporal(times).folds(50, 4)?;
        assert_eq!(
            folds.iter().map(|(a, b)| (a.len(), b.len())).collect::<Vec<_>>(),
            [(10, 10), (20, 10), (30, 10), (40, 10)]
        );
        assert!(
            folds.iter().all(|(a, b)| a.iter().min() > b.iter().max()),
            "the latest have the smallest numbers here"
        );
        Ok(())
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let error = |result: Result<Parts>| result.unwrap_err().to_string();
        for fraction in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(Split::random().indices(10, fraction).is_err());
        }
        assert!(error(Split::random().indices(1, 0.5)).contains("one side empty"));
        assert!(error(Split::stratified([0, 0, 1]).indices(3, 0.5)).contains("class 1 has 1 samples"));
        assert!(error(Split::stratified([0, 0]).indices(3, 0.5)).contains("2 classes for 3 samples"));
        assert!(error(Split::grouped([1, 1, 1]).indices(3, 0.5)).contains("one side empty"));
        assert!(error(Split::temporal([1.0, 1.0, 1.0]).indices(3, 0.5)).contains("one side empty"));
        assert!(error(Split::temporal([1.0, f64::NAN]).indices(2, 0.5)).contains("sample 1 is NaN"));
        assert!(Split::random().folds(3, 4).is_err() && Split::random().folds(3, 1).is_err());
        assert!(Split::grouped([1, 1, 2]).folds(3, 3).is_err());
        assert!(Split::stratified([0, 0, 1]).folds(3, 2).is_err());
        assert!(Split::temporal([1.0, 1.0, 2.0]).folds(3, 2).is_err());
    }
}
