// Slow paths of functions, a lock between lanes, a switch.
extern "C" __global__ void slow(const float* x, float* sines, const double* y, double* powers, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    sines[i] = sinf(x[i]);
    powers[i] = pow(y[i], 1.7) + fmod(y[i], 0.3) / y[i];
}

extern "C" __global__ void lock(int* mutex, int* count) {
    for (bool done = false; !done;) {
        if (atomicCAS(mutex, 0, 1) == 0) {
            __threadfence();
            int seen = *(volatile int*)count;
            *(volatile int*)count = seen + 1;
            __threadfence();
            atomicExch(mutex, 0);
            done = true;
        }
    }
}

// As it is written for independent threads: each spins until it has the lock.
extern "C" __global__ void spin(int* mutex, int* count) {
    while (atomicCAS(mutex, 0, 1) != 0) {
    }
    __threadfence();
    *(volatile int*)count = *(volatile int*)count + 1;
    __threadfence();
    atomicExch(mutex, 0);
}

extern "C" __global__ void choose(const int* x, float* out) {
    int i = threadIdx.x;
    float y = x[i];
    switch (x[i]) {
        case 0: y = sqrtf(y + 2); break;
        case 1: y = __fdividef(y, 3); break;
        case 2: y = y * y * y; break;
        case 3: y = out[i] + 1; break;
        case 4: y = exp2f(y); break;
        case 5: y = fabsf(y - 9);  // and on
        case 6: y = y + 0.5f; break;
        case 7: y = -y; break;
        case 8: y = floorf(y / 3); break;
        case 9: y = log2f(y - 1); break;
        default: y = 100; break;
    }
    out[i] = y;
}

// A table of branches, which nvcc writes for large switches only.
extern "C" __global__ void table(const int* x, int* out) {
    int y = 0;
    asm volatile(
        "{\n"
        "TABLE: .branchtargets ZERO, ONE, TWO, ONE;\n"
        "brx.idx %1, TABLE;\n"
        "ZERO: mov.b32 %0, 10; bra.uni DONE;\n"
        "ONE: mov.b32 %0, 11;\n"
        "TWO: add.s32 %0, %0, 100;\n"
        "DONE:\n"
        "}"
        : "+r"(y)
        : "r"(x[threadIdx.x]));
    // All lanes are together again.
    out[threadIdx.x] = y + __popc(__activemask());
}
