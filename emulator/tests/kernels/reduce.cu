// Sums by shuffles: in the warp, over the warps of a block by shared memory, over blocks by an atomic.
extern "C" __global__ void reduce(const float* x, float* out, int n) {
    __shared__ float parts[32];
    float sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += x[i];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffff, sum, step);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? parts[threadIdx.x] : 0;
        for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffff, sum, step);
        if (threadIdx.x == 0) atomicAdd(out, sum);
    }
}

// The inclusive sum of a block: in each warp by shuffles, then over the warps.
extern "C" __global__ void scan(const int* x, int* out, int n) {
    __shared__ int parts[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int value = threadIdx.x < n ? x[threadIdx.x] : 0;
    for (int step = 1; step < 32; step *= 2) {
        int below = __shfl_up_sync(0xffffffff, value, step);
        if (lane >= step) value += below;
    }
    if (lane == 31) parts[warp] = value;
    __syncthreads();
    if (warp == 0) {
        int part = lane < blockDim.x / 32 ? parts[lane] : 0;
        for (int step = 1; step < 32; step *= 2) {
            int below = __shfl_up_sync(0xffffffff, part, step);
            if (lane >= step) part += below;
        }
        __syncwarp();
        parts[lane] = part;
    }
    __syncthreads();
    if (warp > 0) value += parts[warp - 1];
    if (threadIdx.x < n) out[threadIdx.x] = value;
}

extern "C" __global__ void transpose(const float* x, float* out, int rows, int columns) {
    __shared__ float tile[32][33];
    int column = blockIdx.x * 32 + threadIdx.x;
    for (int i = threadIdx.y; i < 32; i += blockDim.y) {
        int row = blockIdx.y * 32 + i;
        if (row < rows && column < columns) tile[i][threadIdx.x] = x[row * columns + column];
    }
    __syncthreads();
    int row = blockIdx.y * 32 + threadIdx.x;
    for (int i = threadIdx.y; i < 32; i += blockDim.y) {
        int column = blockIdx.x * 32 + i;
        if (row < rows && column < columns) out[column * rows + row] = tile[threadIdx.x][i];
    }
}

extern "C" __global__ void histogram(const unsigned char* x, unsigned* out, int n) {
    __shared__ unsigned bins[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) bins[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&bins[x[i]], 1);
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x) atomicAdd(&out[i], bins[i]);
}
