// softmax(q k^T / sqrt(d)) v for one query a warp, in one pass over the keys: the maximum and the sum are kept up to date.
extern "C" __global__ void attention(const float* q, const float* k, const float* v, float* out, int n) {
    int query = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    float mine[2] = {q[query * 64 + lane] * 0.125f, q[query * 64 + lane + 32] * 0.125f};
    float top = -INFINITY, sum = 0, acc[2] = {0, 0};
    for (int key = 0; key < n; key++) {
        float score = mine[0] * k[key * 64 + lane] + mine[1] * k[key * 64 + lane + 32];
        for (int step = 16; step > 0; step /= 2) score += __shfl_xor_sync(0xffffffff, score, step);
        float higher = fmaxf(top, score), shrink = __expf(top - higher), weight = __expf(score - higher);
        sum = sum * shrink + weight;
        for (int i = 0; i < 2; i++) acc[i] = acc[i] * shrink + weight * v[key * 64 + lane + 32 * i];
        top = higher;
    }
    for (int i = 0; i < 2; i++) out[query * 64 + lane + 32 * i] = acc[i] / sum;
}
