// Convolutions of f32 on the tensor cores, where its factors may be rounded to TF32.
#include "conv.cuh"

CONVOLUTIONS(wide_tf32, f32, float, true, 128, 64, 4)
CONVOLUTIONS(narrow_tf32, f32, float, true, 128, 32, 4)
CONVOLUTIONS(gather_tf32, f32, float, true, 32, 64, 1)
