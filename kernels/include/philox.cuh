// Philox 4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011), as src/device/cpu/philox.rs has
// it: the same bits for the same seed, step, stream and block of four elements.
#pragma once
#include "dtypes.cuh"

struct Philox {
    unsigned seed_low, seed_high, stream, step;

    __device__ Philox(const i64* state, unsigned stream)
        : seed_low(static_cast<unsigned>(state[0])), seed_high(static_cast<unsigned>(state[0] >> 32)), stream(stream),
          step(static_cast<unsigned>(state[1])) {}

    __device__ __forceinline__ uint4 block(unsigned long long index) const {
        uint4 c = {static_cast<unsigned>(index), static_cast<unsigned>(index >> 32), stream, step};
        unsigned k = seed_low, l = seed_high;
#pragma unroll
        for (int round = 0; round < 10; ++round) {
            const unsigned high_x = __umulhi(0xD2511F53u, c.x), low_x = 0xD2511F53u * c.x;
            const unsigned high_z = __umulhi(0xCD9E8D57u, c.z), low_z = 0xCD9E8D57u * c.z;
            c = {high_z ^ c.y ^ k, low_z, high_x ^ c.w ^ l, low_x};
            k += 0x9E3779B9u;
            l += 0xBB67AE85u;
        }
        return c;
    }

    // A multiple of 2^-24 in [0, 1).
    __device__ __forceinline__ static float unit(unsigned bits) { return (bits >> 8) * (1.0f / 16777216.0f); }

    __device__ __forceinline__ float4 uniform(unsigned long long index) const {
        const uint4 b = block(index);
        return {unit(b.x), unit(b.y), unit(b.z), unit(b.w)};
    }

    // Two standard normal numbers, by the Box-Muller transform.
    __device__ __forceinline__ static float2 normal_pair(unsigned a, unsigned b) {
        const float radius = sqrtf(-2.0f * logf(1.0f - unit(a)));
        float sin, cos;
        sincospif(2.0f * unit(b), &sin, &cos);
        return {radius * cos, radius * sin};
    }

    __device__ __forceinline__ float4 normal(unsigned long long index) const {
        const uint4 b = block(index);
        const float2 one = normal_pair(b.x, b.y), two = normal_pair(b.z, b.w);
        return {one.x, one.y, two.x, two.y};
    }

    // A normal number for one element, drawn again until it lies within two standard deviations.
    __device__ __forceinline__ float truncated_normal(unsigned long long element) const {
#pragma unroll 1
        for (unsigned long long attempt = 0; attempt < 64; ++attempt) {
            const float4 z = normal(element | attempt << 56);
            if (fabsf(z.x) <= 2) return z.x;
            if (fabsf(z.y) <= 2) return z.y;
            if (fabsf(z.z) <= 2) return z.z;
            if (fabsf(z.w) <= 2) return z.w;
        }
        return 0;
    }
};
