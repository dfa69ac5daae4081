// c = a b of f16 by one warp a tile of 16 by 8: ldmatrix and mma.sync.
#include <cuda_fp16.h>

extern "C" __global__ void gemm(const __half* a, const __half* b, float* c, int n, int k) {
    __shared__ alignas(16) __half as[16][16], bs[16][8];
    int row = blockIdx.y * 16, column = blockIdx.x * 8, lane = threadIdx.x;
    float d[4] = {0, 0, 0, 0};
    for (int at = 0; at < k; at += 16) {
        for (int i = lane; i < 256; i += 32) as[i / 16][i % 16] = a[(row + i / 16) * k + at + i % 16];
        for (int i = lane; i < 128; i += 32) bs[i / 8][i % 8] = b[(at + i / 8) * n + column + i % 8];
        __syncwarp();
        unsigned ra[4], rb[2];
        unsigned pa = __cvta_generic_to_shared(&as[lane % 16][lane / 16 * 8]);
        unsigned pb = __cvta_generic_to_shared(&bs[lane % 16][0]);
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(ra[0]), "=r"(ra[1]), "=r"(ra[2]), "=r"(ra[3]) : "r"(pa));
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                     : "=r"(rb[0]), "=r"(rb[1]) : "r"(pb));
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                     "{%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]));
        __syncwarp();
    }
    for (int i = 0; i < 4; i++) c[(row + lane / 4 + i / 2 * 8) * n + column + lane % 4 * 2 + i % 2] = d[i];
}
