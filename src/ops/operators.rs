//! `+ - * /` between tensors and unary `-`, for users' convenience: they panic with the message of the method's error.

use crate::tensor::Tensor;
use std::ops::{Add, Div, Mul, Neg, Sub};

macro_rules! operators {
    ($($operator:ident $method:ident),*) => {$(
        operators!(@pair $operator $method Tensor, Tensor);
        operators!(@pair $operator $method Tensor, &Tensor);
        operators!(@pair $operator $method &Tensor, Tensor);
        operators!(@pair $operator $method &Tensor, &Tensor);
    )*};
    (@pair $operator:ident $method:ident $left:ty, $right:ty) => {
        impl $operator<$right> for $left {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: $right) -> Tensor {
                match Tensor::$method(&self, &other) {
                    Ok(tensor) => tensor,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
}
operators!(Add add, Sub sub, Mul mul, Div div);

macro_rules! negative {
    ($($type:ty),*) => {$(
        impl Neg for $type {
            type Output = Tensor;

            #[track_caller]
            fn neg(self) -> Tensor {
                match self.negative() {
                    Ok(tensor) => tensor,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    )*};
}
negative!(Tensor, &Tensor);
