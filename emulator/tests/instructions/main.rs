//! Every instruction against results computed by hand or in higher precision, on edge values.

mod bits;
mod convert;
mod float;
mod integer;
mod predicate;
mod run;
mod warp;
