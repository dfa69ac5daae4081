// Attention of f16 and bf16 on the tensor cores, with sums in f32.
#include "attention.cuh"

ATTENTIONS(64, f16, f16, 64, 64, 64)
ATTENTIONS(128, f16, f16, 128, 64, 32)
ATTENTIONS(64, bf16, bf16, 64, 64, 64)
ATTENTIONS(128, bf16, bf16, 128, 64, 32)
