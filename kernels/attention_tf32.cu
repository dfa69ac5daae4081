// Attention of f32 on the tensor cores, where its factors may be rounded to TF32.
#include "attention.cuh"

ATTENTIONS(tf32_64, f32, Tf32, 64, 32, 32)
