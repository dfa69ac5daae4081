// c = a b with tiles of 16 by 16 that two stages of asynchronous copies bring.
#include <cuda_pipeline.h>

extern "C" __global__ void gemm(const float* a, const float* b, float* c, int n, int k) {
    __shared__ alignas(16) float as[2][16][16], bs[2][16][16];
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    int row = blockIdx.y * 16, column = blockIdx.x * 16;
    auto fetch = [&](int stage, int at) {
        if (threadIdx.x < 64) {
            int r = threadIdx.x / 4, q = threadIdx.x % 4 * 4;
            __pipeline_memcpy_async(&as[stage][r][q], &a[(row + r) * k + at + q], 16);
            __pipeline_memcpy_async(&bs[stage][r][q], &b[(at + r) * n + column + q], 16);
        }
        __pipeline_commit();
    };
    fetch(0, 0);
    float sum = 0;
    for (int at = 0, stage = 0; at < k; at += 16, stage ^= 1) {
        if (at + 16 < k) {
            fetch(stage ^ 1, at + 16);
            __pipeline_wait_prior(1);
        } else {
            __pipeline_wait_prior(0);
        }
        __syncthreads();
        for (int i = 0; i < 16; i++) sum = fmaf(as[stage][ty][i], bs[stage][i][tx], sum);
        __syncthreads();
    }
    c[(row + ty) * n + column + tx] = sum;
}

// The same without the wait.
extern "C" __global__ void hasty(const float* a, float* c) {
    __shared__ alignas(16) float s[128];
    __pipeline_memcpy_async(&s[threadIdx.x * 4], &a[threadIdx.x * 4], 16);
    __pipeline_commit();
    __syncthreads();
    c[threadIdx.x] = s[threadIdx.x * 4];
}
