// Convolutions of f16 and bf16 on the tensor cores, with sums in f32.
#include "conv.cuh"

CONVOLUTIONS(wide, f16, f16, true, 128, 64, 8)
CONVOLUTIONS(narrow, f16, f16, true, 128, 32, 8)
CONVOLUTIONS(gather, f16, f16, true, 32, 64, 1)
CONVOLUTIONS(wide, bf16, bf16, true, 128, 64, 8)
CONVOLUTIONS(narrow, bf16, bf16, true, 128, 32, 8)
CONVOLUTIONS(gather, bf16, bf16, true, 32, 64, 1)
