// Matrix products by tiles: a block of 128 threads forms M × N sums, Σ a[m, k] · b[k, n], of any two operands that it
// is told to read line by line. Slabs of K terms pass through shared memory, two on their way while a third is
// multiplied.
//
// What is to be multiplied is a `Problem`:
//
//     static constexpr Order A, B;                  // how its operands stand in memory
//     using Begin = …;                              // what it needs in shared memory before the first slab
//     void load(Left& a, Right& b);                 // the next slab, by `fill`
#pragma once
#include "pack.cuh"

// As many BLOCKS are to fit a multiprocessor, which leaves a thread 168 registers.
constexpr int THREADS = 128, STAGES = 3, BLOCKS = 3;

// Which elements of an operand are neighbours in memory: terms of one sum, or one term of neighbouring sums.
enum Order { K_INNER, K_OUTER };

// An operand's slab in shared memory: SIDE rows (columns of b) by K terms, in the order of global memory. The padding
// keeps the lines that a warp reads at once in different banks.
template <class T, Order ORDER, int SIDE, int K> struct Tile {
    static constexpr Order order = ORDER;
    static constexpr int LINES = ORDER == K_INNER ? SIDE : K, LENGTH = ORDER == K_INNER ? K : SIDE;
    static constexpr int STRIDE = LENGTH + (ORDER == K_OUTER && sizeof(T) == 4 ? 32 : 16) / sizeof(T);
    alignas(16) T at[LINES * STRIDE];
};

// Copies SIZE elements to shared memory, or zeros; those of less than four bytes at once, the others while the thread
// goes on.
template <int SIZE, class T> __device__ __forceinline__ void copy(T* to, const T* from, bool there) {
    constexpr int BYTES = SIZE * sizeof(T);
    if constexpr (BYTES < 4) {
        *to = there ? *from : T(0);
    } else {
        const unsigned place = static_cast<unsigned>(__cvta_generic_to_shared(to));
        const int bytes = there ? BYTES : 0;
        if constexpr (BYTES == 16) {
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(place), "l"(from), "r"(bytes));
        } else {
            asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(place), "l"(from), "n"(BYTES),
                         "r"(bytes));
        }
    }
}
__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Until all but the last LEFT groups of this thread have arrived.
template <int LEFT> __device__ __forceinline__ void wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

// The column of a tile at which this thread copies; the same in every line and slab.
template <class Tile, int VECTOR> __device__ __forceinline__ int column() {
    return threadIdx.x % (Tile::LENGTH / VECTOR) * VECTOR;
}
// The lines of a tile from which a thread copies are `line(0)`, `line(1)`, …, `line(LINES_OF - 1)`.
template <class Tile, int VECTOR> constexpr int LINE_STEP = THREADS / (Tile::LENGTH / VECTOR);
template <class Tile, int VECTOR> constexpr int LINES_OF = Tile::LINES / LINE_STEP<Tile, VECTOR>;
template <class Tile, int VECTOR> __device__ __forceinline__ int line(int i) {
    return threadIdx.x / (Tile::LENGTH / VECTOR) + i * LINE_STEP<Tile, VECTOR>;
}

// Where a thread copies from; zeros where nothing is there.
template <class T> struct Spot {
    const T* from;
    bool there;
};

// Copies a slab: spot(i) is what this thread copies to its column of line(i).
template <int VECTOR, class Tile, class F> __device__ __forceinline__ void fill(Tile& tile, F spot) {
    const int first = line<Tile, VECTOR>(0) * Tile::STRIDE + column<Tile, VECTOR>();
#pragma unroll
    for (int i = 0; i < LINES_OF<Tile, VECTOR>; ++i) {
        const auto s = spot(i);
        copy<VECTOR>(tile.at + first + i * (LINE_STEP<Tile, VECTOR> * Tile::STRIDE), s.from, s.there);
    }
}

// The sums of a block by multiply-adds: each thread has a small matrix of them, its rows and columns spread so that the
// threads of a warp read neighbours.
template <class T, int M, int N, int K, Order A, Order B> struct Fma {
    static constexpr int ACROSS = M < N ? 16 : 8, DOWN = THREADS / ACROSS, ROWS = M / DOWN, COLUMNS = N / ACROSS;
    static constexpr int VECTOR = 16 / sizeof(T), TERMS = 2;
    T sums[ROWS][COLUMNS] = {};

    // The place along its side of the element `i` of thread `t`.
    template <Order ORDER, int LANES> static __device__ __forceinline__ int place(int i, int t) {
        return ORDER == K_INNER ? i * LANES + t : (i / VECTOR * LANES + t) * VECTOR + i % VECTOR;
    }

    template <int LANES, int COUNT, class Tile>
    static __device__ __forceinline__ void load(T (&to)[COUNT][TERMS], const Tile& tile, int t, int k) {
        if constexpr (Tile::order == K_INNER) {
#pragma unroll
            for (int i = 0; i < COUNT; ++i) {
                const T* from = tile.at + place<K_INNER, LANES>(i, t) * Tile::STRIDE + k;
                const auto some = *reinterpret_cast<const Pack<T, TERMS>*>(from);
#pragma unroll
                for (int j = 0; j < TERMS; ++j) to[i][j] = some.at[j];
            }
        } else {
#pragma unroll
            for (int j = 0; j < TERMS; ++j) {
#pragma unroll
                for (int i = 0; i < COUNT; i += VECTOR) {
                    const T* from = tile.at + (k + j) * Tile::STRIDE + place<K_OUTER, LANES>(i, t);
                    const auto some = *reinterpret_cast<const Pack<T>*>(from);
#pragma unroll
                    for (int v = 0; v < VECTOR; ++v) to[i + v][j] = some.at[v];
                }
            }
        }
    }

    __device__ __forceinline__ void add(const Tile<T, A, M, K>& a, const Tile<T, B, N, K>& b) {
        const int row = threadIdx.x / ACROSS, column = threadIdx.x % ACROSS;
#pragma unroll 2
        for (int k = 0; k < K; k += TERMS) {
            T left[ROWS][TERMS], right[COLUMNS][TERMS];
            load<DOWN>(left, a, row, k);
            load<ACROSS>(right, b, column, k);
#pragma unroll
            for (int term = 0; term < TERMS; ++term) {
#pragma unroll
                for (int i = 0; i < ROWS; ++i) {
#pragma unroll
                    for (int j = 0; j < COLUMNS; ++j) sums[i][j] += left[i][term] * right[j][term];
                }
            }
        }
    }

    template <class F> __device__ __forceinline__ void each(F f) const {
        const int row = threadIdx.x / ACROSS, column = threadIdx.x % ACROSS;
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j) f(place<A, DOWN>(i, row), place<B, ACROSS>(j, column), sums[i][j]);
        }
    }
};

// c += a · b on the tensor cores: 16 × 8 sums over 32 bytes of terms; f32 is rounded to TF32 before (`rounded`).
#define MMA(T, SHAPE) \
    __device__ __forceinline__ void mma(T, float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { \
        asm("mma.sync.aligned." SHAPE " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) \
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1)); \
    }
MMA(f16, "m16n8k16.row.col.f32.f16.f16.f32")
MMA(bf16, "m16n8k16.row.col.f32.bf16.bf16.f32")
MMA(float, "m16n8k8.row.col.f32.tf32.tf32.f32")

__device__ __forceinline__ unsigned rounded_to_tf32(unsigned bits) {
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(bits)));
    return rounded;
}

// The sums of a block on the tensor cores: each warp has a part of M / DOWN × N / ACROSS of them.
template <class T, int M, int N, int K, Order A, Order B> struct Mma {
    static constexpr int DOWN = M / (M < N ? 32 : N), ACROSS = THREADS / 32 / DOWN;
    static constexpr int ROWS = M / DOWN / 16, COLUMNS = N / ACROSS / 8;
    static constexpr int CHUNK = 16 / sizeof(T), TERMS = 2 * CHUNK;
    float sums[ROWS][COLUMNS][4] = {};

    // 16 places along a side by TERMS terms, in the registers that mma takes them in: places 0–7 and 8–15 of the first
    // half of the terms, then of the second.
    template <class Tile>
    static __device__ __forceinline__ void load(unsigned (&to)[4], const Tile& tile, int side, int k) {
        const int lane = threadIdx.x % 32;
        if constexpr (Tile::order == K_OUTER && sizeof(T) == 4) {
            const T* from = tile.at + (k + lane % 4) * Tile::STRIDE + side + lane / 4;
#pragma unroll
            for (int i = 0; i < 4; ++i) to[i] = __float_as_uint(from[i / 2 * 4 * Tile::STRIDE + i % 2 * 8]);
        } else {
            const T* from = Tile::order == K_INNER
                                ? tile.at + (side + lane % 16) * Tile::STRIDE + k + lane / 16 * CHUNK
                                : tile.at + (k + lane / 16 * 8 + lane % 8) * Tile::STRIDE + side + lane / 8 % 2 * 8;
            const unsigned place = static_cast<unsigned>(__cvta_generic_to_shared(from));
            if constexpr (Tile::order == K_INNER) {
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                             : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                             : "r"(place));
            } else {
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                             : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                             : "r"(place));
            }
        }
        if constexpr (sizeof(T) == 4) {
#pragma unroll
            for (int i = 0; i < 4; ++i) to[i] = rounded_to_tf32(to[i]);
        }
    }

    static __device__ __forceinline__ int first_row() { return threadIdx.x / 32 / ACROSS * (M / DOWN); }
    static __device__ __forceinline__ int first_column() { return threadIdx.x / 32 % ACROSS * (N / ACROSS); }

    __device__ __forceinline__ void add(const Tile<T, A, M, K>& a, const Tile<T, B, N, K>& b) {
#pragma unroll
        for (int k = 0; k < K; k += TERMS) {
            unsigned left[ROWS][4], right[COLUMNS / 2][4];
#pragma unroll
            for (int i = 0; i < ROWS; ++i) load(left[i], a, first_row() + i * 16, k);
#pragma unroll
            for (int j = 0; j < COLUMNS / 2; ++j) load(right[j], b, first_column() + j * 16, k);
#pragma unroll
            for (int i = 0; i < ROWS; ++i) {
#pragma unroll
                for (int j = 0; j < COLUMNS; ++j) {
                    const auto& two = right[j / 2];
                    mma(T(), sums[i][j], left[i], two[j % 2], two[j % 2 + 2]);
                }
            }
        }
    }

    template <class F> __device__ __forceinline__ void each(F f) const {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j) {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    const int row = i * 16 + e / 2 * 8 + lane / 4, column = j * 8 + lane % 4 * 2 + e % 2;
                    f(first_row() + row, first_column() + column, sums[i][j][e]);
                }
            }
        }
    }
};

// What a block makes: M × N sums of elements of T, on the tensor cores or not, read VECTOR elements at once; a slab is
// 64 bytes deep.
template <class Element, bool TENSOR, int M_, int N_, int VECTOR_> struct Shape {
    using T = Element;
    static constexpr int M = M_, N = N_, K = 64 / sizeof(T), VECTOR = VECTOR_;
    template <Order A> using Left = Tile<T, A, M, K>;
    template <Order B> using Right = Tile<T, B, N, K>;
    template <bool, Order A, Order B> struct Choose { using Type = Fma<T, M, N, K, A, B>; };
    template <Order A, Order B> struct Choose<true, A, B> { using Type = Mma<T, M, N, K, A, B>; };
    template <Order A, Order B> using Sums = typename Choose<TENSOR, A, B>::Type;
};

// A block's shared memory: slabs, then sums, which pass through it so that whole lines are written whoever formed them;
// before, what the problem needs to begin.
template <class S, class Problem> union Memory {
    struct {
        typename S::template Left<Problem::A> a;
        typename S::template Right<Problem::B> b;
    } stages[STAGES];
    alignas(16) Acc<typename S::T> sums[S::M][S::N + 4];
    typename Problem::Begin begin;
};

// Forms the sums of a problem over `slabs` slabs, and calls finish(row, column, sums) for VECTOR neighbours of a row.
template <class S, class Problem, class F>
__device__ __forceinline__ void multiply(Memory<S, Problem>& memory, Problem& problem, int slabs, F finish) {
    using A = Acc<typename S::T>;
    typename S::template Sums<Problem::A, Problem::B> sums;

#pragma unroll
    for (int slab = 0; slab < STAGES - 1; ++slab) {
        if (slab < slabs) problem.load(memory.stages[slab].a, memory.stages[slab].b);
        commit();
    }
    int from = 0, to = STAGES - 1;
#pragma unroll 1
    for (int slab = 0; slab < slabs; ++slab) {
        wait<STAGES - 2>();
        __syncthreads();
        if (slab + STAGES - 1 < slabs) problem.load(memory.stages[to].a, memory.stages[to].b);
        commit();
        sums.add(memory.stages[from].a, memory.stages[from].b);
        from = from + 1 == STAGES ? 0 : from + 1;
        to = to + 1 == STAGES ? 0 : to + 1;
    }
    wait<0>();
    __syncthreads();
    sums.each([&](int row, int column, A sum) { memory.sums[row][column] = sum; });
    __syncthreads();
    constexpr int ACROSS = S::N / S::VECTOR;
#pragma unroll 1
    for (int i = threadIdx.x; i < S::M * ACROSS; i += THREADS) {
        const int row = i / ACROSS, column = i % ACROSS * S::VECTOR;
        finish(row, column, *reinterpret_cast<const Pack<A, S::VECTOR>*>(&memory.sums[row][column]));
    }
}
