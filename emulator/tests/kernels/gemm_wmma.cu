// c = relu(a b + c): a by rows, b by columns, one warp a tile; and the same in bf16 and tf32.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;

template <typename T, typename F, int K, typename S>
__device__ void tile(const S* a, const S* b, float* c, int n, int k) {
    wmma::fragment<wmma::matrix_a, 16, 16, K, F, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, K, F, wmma::col_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, K, float> fc;
    float* at = c + blockIdx.y * 16 * n + blockIdx.x * 16;
    wmma::load_matrix_sync(fc, at, n, wmma::mem_row_major);
    for (int i = 0; i < k; i += K) {
        wmma::load_matrix_sync(fa, a + blockIdx.y * 16 * k + i, k);
        wmma::load_matrix_sync(fb, b + blockIdx.x * 16 * k + i, k);
        wmma::mma_sync(fc, fa, fb, fc);
    }
    for (int i = 0; i < fc.num_elements; i++) fc.x[i] = fmaxf(fc.x[i], 0);
    wmma::store_matrix_sync(at, fc, n, wmma::mem_row_major);
}

extern "C" __global__ void gemm_f16(const __half* a, const __half* b, float* c, int n, int k) {
    tile<__half, __half, 16>(a, b, c, n, k);
}
extern "C" __global__ void gemm_bf16(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c, int n, int k) {
    tile<__nv_bfloat16, __nv_bfloat16, 16>(a, b, c, n, k);
}
extern "C" __global__ void gemm_tf32(const float* a, const float* b, float* c, int n, int k) {
    tile<float, wmma::precision::tf32, 8>(a, b, c, n, k);
}

// Through shared memory by columns, with an f16 accumulator that is scaled by an accumulator of the same shape.
extern "C" __global__ void scale(const __half* a, const __half* b, __half* out) {
    __shared__ __half s[256];
    wmma::fragment<wmma::matrix_a, 32, 8, 16, __half, wmma::col_major> fa;
    wmma::fragment<wmma::matrix_b, 32, 8, 16, __half, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 32, 8, 16, __half> fc, fd;
    wmma::fill_fragment(fc, __float2half(0));
    wmma::load_matrix_sync(fa, a, 32);
    wmma::load_matrix_sync(fb, b, 8);
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::store_matrix_sync(s, fc, 32, wmma::mem_col_major);
    __syncwarp();
    wmma::load_matrix_sync(fd, s, 32, wmma::mem_col_major);
    for (int i = 0; i < fc.num_elements; i++) fc.x[i] = __hmul(fc.x[i], fd.x[i]);
    wmma::store_matrix_sync(out, fc, 8, wmma::mem_row_major);
}

extern "C" __global__ void bytes(const signed char* a, const signed char* b, int* c) {
    wmma::fragment<wmma::matrix_a, 8, 32, 16, signed char, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 8, 32, 16, signed char, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 8, 32, 16, int> fc;
    wmma::fill_fragment(fc, -5);
    wmma::load_matrix_sync(fa, a, 16);
    wmma::load_matrix_sync(fb, b, 32);
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::store_matrix_sync(c, fc, 32, wmma::mem_row_major);
}
