//! A rule over a piece of a parameter: the loops, with what all rules share.

use super::{Hyper, Piece};
use crate::device::cpu::{Float, vectorize};

/// Gradients below this are taken as 0: no rule makes of them a step that a weight could show. What a rule keeps is 0
/// below [`Float::NEGLIGIBLE`]. `kernels/optimizers.cu` does the same.
const SMALLEST: f32 = 1e-15;

/// What a rule starts from: the weight after its decay, and the gradient after clipping.
#[inline(always)]
fn start(hyper: &Hyper, scale: f32, w: f32, g: f32) -> (f32, f32) {
    let [_, decay, most, ..] = *hyper;
    let g = g * scale;
    // Comparisons that leave NaN as it is.
    let g = if g > most { most } else { g };
    let g = if g < -most { -most } else { g };
    // Rules square the gradient, and what is negligible of a square is more of it.
    let g = if g.abs() < SMALLEST { 0.0 } else { g };
    (w - w * decay, g)
}

/// Runs a rule that keeps nothing: from weight and gradient to the weight.
#[inline(always)]
pub(super) fn none(hyper: &Hyper, piece: Piece, rule: impl Fn(f32, f32) -> f32) {
    let Piece { weight, gradient, scale, .. } = piece;
    // Owned by the loop below: what it reads by reference, it would read again after each store.
    let hyper = *hyper;
    vectorize(
        #[inline(always)]
        move || {
            for (w, &g) in weight.iter_mut().zip(gradient) {
                let (start, g) = start(&hyper, scale, *w, g);
                *w = rule(start, g);
            }
        },
    );
}

/// Runs a rule that keeps one number a weight: from weight, gradient and it to the weight and it.
#[inline(always)]
pub(super) fn one(hyper: &Hyper, piece: Piece, rule: impl Fn(f32, f32, f32) -> (f32, f32)) {
    let Piece { weight, gradient, scale, slots } = piece;
    // Owned by the loop below: what it reads by reference, it would read again after each store.
    let hyper = *hyper;
    let [a, ..] = slots else { return };
    vectorize(
        #[inline(always)]
        move || {
            for ((w, &g), a) in weight.iter_mut().zip(gradient).zip(a.iter_mut()) {
                let (start, g) = start(&hyper, scale, *w, g);
                (*w, *a) = rule(start, g, *a);
                *a = a.flush();
            }
        },
    );
}

/// Runs a rule that keeps two numbers a weight.
#[inline(always)]
pub(super) fn two(hyper: &Hyper, piece: Piece, rule: impl Fn(f32, f32, f32, f32) -> (f32, f32, f32)) {
    let Piece { weight, gradient, scale, slots } = piece;
    // Owned by the loop below: what it reads by reference, it would read again after each store.
    let hyper = *hyper;
    let [a, b, ..] = slots else { return };
    vectorize(
        #[inline(always)]
        move || {
            for (((w, &g), a), b) in weight.iter_mut().zip(gradient).zip(a.iter_mut()).zip(b.iter_mut()) {
                let (start, g) = start(&hyper, scale, *w, g);
                (*w, *a, *b) = rule(start, g, *a, *b);
                (*a, *b) = (a.flush(), b.flush());
            }
        },
    );
}

/// Runs a rule that keeps three numbers a weight.
#[inline(always)]
pub(super) fn three(hyper: &Hyper, piece: Piece, rule: impl Fn(f32, f32, [f32; 3]) -> (f32, [f32; 3])) {
    let Piece { weight, gradient, scale, slots } = piece;
    // Owned by the loop below: what it reads by reference, it would read again after each store.
    let hyper = *hyper;
    let [a, b, c] = slots else { return };
    vectorize(
        #[inline(always)]
        move || {
            let slots = a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut());
            for ((w, &g), ((a, b), c)) in weight.iter_mut().zip(gradient).zip(slots) {
                let (start, g) = start(&hyper, scale, *w, g);
                (*w, [*a, *b, *c]) = rule(start, g, [*a, *b, *c]);
                (*a, *b, *c) = (a.flush(), b.flush(), c.flush());
            }
        },
    );
}
