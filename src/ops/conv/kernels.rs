//! The kernels of `conv*.cu` and `depthwise.cu`.

use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::tensor::FLOATS;

/// Tiles, as `CONVOLUTIONS` of `conv.cuh` makes them.
pub struct Tiles {
    pub forward: Kernel,
    pub input_grad: Kernel,
    pub kernel_grad: Kernel,
    /// Rows and columns of a block.
    pub rows: usize,
    pub columns: usize,
}

/// The tiles of one arithmetic: those that read 16 bytes at once, and one for channels and filters of a group that are
/// not whole numbers of that.
pub struct Arithmetic {
    pub vector: &'static [Tiles],
    pub gather: Tiles,
}

macro_rules! tiles {
    ($module:literal, $name:literal, $dtypes:expr, $rows:literal by $columns:literal) => {
        Tiles {
            forward: Kernel::new($module, concat!("conv_forward_", $name), $dtypes),
            input_grad: Kernel::new($module, concat!("conv_input_grad_", $name), $dtypes),
            kernel_grad: Kernel::new($module, concat!("conv_kernel_grad_", $name), $dtypes),
            rows: $rows,
            columns: $columns,
        }
    };
}

const HALVES: &[DType] = &[DType::F16, DType::BF16];
pub static F64: Arithmetic = Arithmetic { vector: &[], gather: tiles!("conv", "gather", &[DType::F64], 64 by 32) };
pub static F32: Arithmetic = Arithmetic {
    vector: &[tiles!("conv", "wide", &[DType::F32], 128 by 64), tiles!("conv", "narrow", &[DType::F32], 128 by 32)],
    gather: tiles!("conv", "gather", &[DType::F32], 32 by 64),
};
pub static TF32: Arithmetic = Arithmetic {
    vector: &[
        tiles!("conv_tf32", "wide_tf32", &[DType::F32], 128 by 64),
        tiles!("conv_tf32", "narrow_tf32", &[DType::F32], 128 by 32),
    ],
    gather: tiles!("conv_tf32", "gather_tf32", &[DType::F32], 32 by 64),
};
pub static HALF: Arithmetic = Arithmetic {
    vector: &[tiles!("conv_half", "wide", HALVES, 128 by 64), tiles!("conv_half", "narrow", HALVES, 128 by 32)],
    gather: tiles!("conv_half", "gather", HALVES, 32 by 64),
};
pub static ADD_PARTS: Kernel = Kernel::new("conv", "add_parts", FLOATS);

/// Kernels of `depthwise.cu` that take several channels at once, or one.
pub struct Depthwise {
    pub forward: Kernel,
    pub input_grad: Kernel,
    pub kernel_grad: Kernel,
}

macro_rules! depthwise {
    ($name:literal) => {
        Depthwise {
            forward: Kernel::new("depthwise", concat!("depthwise_forward_", $name), FLOATS),
            input_grad: Kernel::new("depthwise", concat!("depthwise_input_grad_", $name), FLOATS),
            kernel_grad: Kernel::new("depthwise", concat!("depthwise_kernel_grad_", $name), FLOATS),
        }
    };
}

pub static VECTOR: Depthwise = depthwise!("vector");
pub static SCALAR: Depthwise = depthwise!("scalar");
