//! In which order the samples of an epoch come.

use crate::device::cpu::philox::Philox;

/// The stream of the shuffle's random numbers, beyond those that ops of a step have.
const STREAM: u32 = u32::MAX;

/// The numbers 0 to `n` − 1 in a random order that `seed` and `epoch` decide.
pub fn shuffled(n: usize, seed: i64, epoch: i64) -> Vec<i32> {
    Philox::new(seed, epoch, STREAM).shuffled(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_comes_once() {
        for n in [0, 1, 2, 1000] {
            let mut order = shuffled(n, 3, 1);
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(i, &x)| i as i32 == x));
        }
        assert_ne!(shuffled(100, 3, 1), shuffled(100, 3, 2));
        assert_eq!(shuffled(100, 3, 1), shuffled(100, 3, 1));
    }
}
