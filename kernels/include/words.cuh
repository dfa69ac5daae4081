// Elements whose bytes move and whose value does not matter: one unsigned integer for each size, under the suffix of a
// dtype of that size.
#pragma once
#include "dtypes.cuh"

#define WORDS(M) M(u8, u8) M(f16, unsigned short) M(f32, unsigned) M(f64, unsigned long long)
