// Attention by tiles (Dao, FlashAttention-2, 2023): a warp has 16 rows of scores in registers while tiles of columns pass
// through shared memory, and what it multiplies them by next stays there. Forward and for the gradient of the queries the rows
// are queries and the columns keys; for the gradients of keys and values the rows are keys and the columns queries. So every
// sum belongs to one warp and runs in a fixed order, without atomics, and the scores never reach memory.
//
// A block makes WIDTH columns of its output; a wider one is several blocks, each of which forms the scores anew.
#pragma once
#include "fragments.cuh"
#include "philox.cuh"

// What the host says of an attention, in the order of the kernels' arguments.
struct Attention {
    int queries, keys, key_rows, heads, key_heads, size, value_size;
    i64 mask_batch, mask_head, mask_query;  // elements between the batches, heads and queries of the mask
    double scale;
    int causal;  // query i sees keys up to i + causal; −1 for all
    unsigned stream;
    float rate;  // of dropout,
    double kept;  // and what the others are multiplied by
    int stages;  // how many tiles of columns are in shared memory
};
#define ATTENTION_ARGS                                                                                                    \
    const bool *mask, const i64 *state, int queries, int keys, int key_rows, int heads, int key_heads, int size,          \
        int value_size, i64 mask_batch, i64 mask_head, i64 mask_query, double scale, int causal, unsigned stream,         \
        float rate, double kept, int stages
#define ATTENTION                                                                                                         \
    Attention { queries, keys, key_rows, heads, key_heads, size, value_size, mask_batch, mask_head, mask_query, scale,    \
                causal, stream, rate, kept, stages }

constexpr double LOG2_E = 1.4426950408889634;

// A head's rows in memory: those of one sample, `stride` elements apart, so many of so many elements.
template <class T> struct Rows {
    const T* from;
    i64 stride;
    int count, size;
};
template <class T> __device__ __forceinline__ Rows<T> rows_of(const T* x, int batch, int steps, int heads, int head, int size, int count) {
    return {x + (static_cast<i64>(batch) * steps * heads + head) * size, static_cast<i64>(heads) * size, count, size};
}

// Elements of a row in shared memory: whole products, and 16 bytes more, so that the rows that a warp reads at once are in
// different banks.
template <class M> __device__ __forceinline__ int padded(int size) {
    using T = typename Multiply<M>::T;
    constexpr int TERMS = Multiply<M>::TERMS;
    return (size + TERMS - 1) / TERMS * TERMS + 16 / static_cast<int>(sizeof(T));
}

// Copies rows from `first` on, `width` of their elements from `column` on, zeros where nothing is there.
template <class T>
__device__ __forceinline__ void fill_rows(T* to, int stride, const Rows<T>& rows, int first, int count, int column, int width) {
    constexpr int VECTOR = 16 / sizeof(T);
    if (rows.size % VECTOR == 0) {
        const int across = width / VECTOR;
        for (int i = threadIdx.x; i < count * across; i += blockDim.x) {
            const int row = i / across, at = i % across * VECTOR;
            const bool there = first + row < rows.count && column + at < rows.size;
            copy<VECTOR>(to + row * stride + at, there ? rows.from + (first + row) * rows.stride + column + at : rows.from, there);
        }
    } else {
        for (int i = threadIdx.x; i < count * width; i += blockDim.x) {
            const int row = i / width, at = i % width;
            const bool there = first + row < rows.count && column + at < rows.size;
            copy<1>(to + row * stride + at, there ? rows.from + (first + row) * rows.stride + column + at : rows.from, there);
        }
    }
}

// Where a block is: tile of rows, part of the columns of the output, head, sample.
struct Place {
    int tile, part, head, batch;
    __device__ Place(int tiles, int parts, int heads) {
        unsigned rest = blockIdx.x;
        tile = rest % tiles, rest /= tiles;
        part = rest % parts, rest /= parts;
        head = rest % heads, batch = rest / heads;
    }
};

// What hides keys of a sample's head, and what drops probabilities.
struct Scores {
    const Attention& of;
    const bool* mask;  // null for none
    const i64* state;  // null for none
    unsigned long long row;  // the head's first query in the order of numbers

    __device__ Scores(const Attention& of, const bool* mask, const i64* state, int batch, int head)
        : of(of), mask(mask ? mask + batch * of.mask_batch + head * of.mask_head : nullptr), state(state),
          row((static_cast<unsigned long long>(batch) * of.heads + head) * of.queries) {}

    __device__ __forceinline__ bool sees(int query, int key) const {
        const bool before = of.causal < 0 || key <= query + of.causal;
        return query < of.queries && key < of.keys && before && (!mask || mask[query * of.mask_query + key]);
    }
    // Whether dropout leaves a probability as it is.
    __device__ __forceinline__ bool keeps(int query, int key) const {
        const float4 four = Philox(state, of.stream).uniform((row + query) * ((of.keys + 3) / 4) + key / 4);
        const float number = key % 4 == 0 ? four.x : key % 4 == 1 ? four.y : key % 4 == 2 ? four.z : four.w;
        return number >= of.rate;
    }
    // Whether so many queries see so many keys all alike.
    __device__ __forceinline__ bool sees_all(int query, int queries, int key, int keys) const {
        const bool before = of.causal < 0 || key + keys - 1 <= query + of.causal;
        return !mask && query + queries <= of.queries && key + keys <= of.keys && before;
    }
};

// Bits of a warp's 16 rows of COLUMNS scores: a lane has those of the two rows that it has sums of.
template <int COLUMNS> struct Bits {
    static constexpr int WORDS = (COLUMNS + 31) / 32;
    unsigned words[2][WORDS];

    __device__ explicit Bits(unsigned all) {
#pragma unroll
        for (int i = 0; i < 2 * WORDS; ++i) words[i / WORDS][i % WORDS] = all;
    }
    // Those for which f(row, column) holds.
    template <class F> __device__ __forceinline__ void set(F f) {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < 2 * WORDS; ++i) {
#pragma unroll 1
            for (int row = 0; row < 8; ++row) {
                const unsigned word = __ballot_sync(~0u, f(i / WORDS * 8 + row, i % WORDS * 32 + lane));
                if (lane / 4 == row) words[i / WORDS][i % WORDS] = word;
            }
        }
    }
    // That of the element e of this lane's sums j.
    __device__ __forceinline__ bool at(int j, int e) const {
        return words[e / 2][j / 4] >> (j % 4 * 8 + threadIdx.x % 4 * 2 + e % 2) & 1;
    }
};

// What a warp's rows of scores are multiplied by beside all else: which are seen, and which dropout keeps.
template <class A, int COLUMNS> struct Shown {
    Bits<COLUMNS> seen, kept;
    A factor;

    // Of rows of queries and columns of keys, or the other way round.
    template <bool KEYS_DOWN> __device__ __forceinline__ static Shown of(const Scores& scores, int row, int column) {
        Shown shown = {Bits<COLUMNS>(~0u), Bits<COLUMNS>(~0u), 1};
        const bool all = KEYS_DOWN ? scores.sees_all(column, COLUMNS, row, 16) : scores.sees_all(row, 16, column, COLUMNS);
        if (!all) {
            shown.seen.set([&](int i, int j) {
                return KEYS_DOWN ? scores.sees(column + j, row + i) : scores.sees(row + i, column + j);
            });
        }
        if (scores.state) {
            shown.factor = scores.of.kept;
            shown.kept.set([&](int i, int j) {
                return KEYS_DOWN ? scores.keeps(column + j, row + i) : scores.keeps(row + i, column + j);
            });
        }
        return shown;
    }
    __device__ __forceinline__ A kept_factor(int j, int e) const { return kept.at(j, e) ? factor : A(0); }
};

// Calls load(i, stage) and then work(i, stage) for i from 0 on; with two stages the next is loaded while one is worked on.
template <class Load, class Work> __device__ __forceinline__ void pipeline(int count, int stages, Load load, Work work) {
    const int ahead = stages - 1;
    if (ahead && count > 0) load(0, 0);
    commit();
#pragma unroll 1
    for (int i = 0; i < count; ++i) {
        if (i + ahead < count) load(i + ahead, (i + ahead) % stages);
        commit();
        if (ahead) wait<1>();
        else wait<0>();
        __syncthreads();
        work(i, i % stages);
        __syncthreads();
    }
}

// The row, below 16, and the column of the element e of this lane's sums j.
__device__ __forceinline__ int row_of(int e) { return threadIdx.x % 32 / 4 + e / 2 * 8; }
__device__ __forceinline__ int column_of(int j, int e) { return j * 8 + threadIdx.x % 4 * 2 + e % 2; }

// Over the four lanes that share rows.
template <class A, class F> __device__ __forceinline__ A over_row(A x, F fold) {
    x = fold(x, __shfl_xor_sync(~0u, x, 1));
    return fold(x, __shfl_xor_sync(~0u, x, 2));
}

// Writes the columns of a block from sums of this warp, whose first row is `row`.
template <class T, int COLUMNS>
__device__ __forceinline__ void write(T* out, i64 stride, int row, int rows, int column, int columns, const Acc<T> (&sums)[COLUMNS][4]) {
#pragma unroll
    for (int j = 0; j < COLUMNS; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int at = row + row_of(e), to = column + column_of(j, e);
            if (at < rows && to < columns) store(out, at * stride + to, sums[j][e]);
        }
    }
}

template <class M, int WIDTH, int COLUMNS, class T = typename Multiply<M>::T>
__device__ void attention_forward(T* out, Acc<T>* logarithms, const T* query, const T* key, const T* value, const bool* mask,
                                  const i64* state, const Attention& of) {
    using A = Acc<T>;
    extern __shared__ __align__(16) unsigned char shared[];
    const int rows = blockDim.x / 2, tiles = (of.queries + rows - 1) / rows;
    const Place place(tiles, (of.value_size + WIDTH - 1) / WIDTH, of.heads);
    // The last queries see most keys where that depends on the place, so they begin.
    const int first = (tiles - 1 - place.tile) * rows, column = place.part * WIDTH;
    const int key_head = place.head / (of.heads / of.key_heads);
    const Rows<T> q = rows_of(query, place.batch, of.queries, of.heads, place.head, of.size, of.queries);
    const Rows<T> k = rows_of(key, place.batch, of.key_rows, of.key_heads, key_head, of.size, of.keys);
    const Rows<T> v = rows_of(value, place.batch, of.key_rows, of.key_heads, key_head, of.value_size, of.keys);
    const Scores scores(of, mask, state, place.batch, place.head);

    constexpr int PADDING = 16 / sizeof(T), V_STRIDE = WIDTH + PADDING;
    const int stride = padded<M>(of.size), terms = stride - PADDING;
    T* const left = reinterpret_cast<T*>(shared);
    T* const right = left + rows * stride;
    const auto stage_at = [&](int stage) { return right + stage * COLUMNS * (stride + V_STRIDE); };
    fill_rows(left, stride, q, first, rows, 0, terms);

    const int last = of.causal < 0 ? of.keys : min(of.keys, first + rows + of.causal);
    const int row = threadIdx.x / 32 * 16;
    A largest[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0}, sums[WIDTH / 8][4] = {};
    const A scale = of.scale * LOG2_E;
    pipeline((last + COLUMNS - 1) / COLUMNS, of.stages,
             [&](int i, int stage) {
                 fill_rows(stage_at(stage), stride, k, i * COLUMNS, COLUMNS, 0, terms);
                 fill_rows(stage_at(stage) + COLUMNS * stride, V_STRIDE, v, i * COLUMNS, COLUMNS, column, WIDTH);
             },
             [&](int i, int stage) {
                 const T* const keys = stage_at(stage);
                 A p[COLUMNS / 8][4] = {};
                 add_dot<M>(p, left + row * stride, stride, keys, stride, terms);
                 const auto shown = Shown<A, COLUMNS>::template of<false>(scores, first + row, i * COLUMNS);
                 A before[2];
#pragma unroll
                 for (int half = 0; half < 2; ++half) {
                     A top = largest[half];
#pragma unroll
                     for (int j = 0; j < COLUMNS / 8; ++j) {
#pragma unroll
                         for (int e = half * 2; e < half * 2 + 2; ++e) {
                             p[j][e] = shown.seen.at(j, e) ? p[j][e] * scale : A(-INFINITY);
                             top = p[j][e] > top ? p[j][e] : top;
                         }
                     }
                     top = over_row(top, [](A a, A b) { return a > b ? a : b; });
                     // Where nothing is seen yet, any shift leaves 2^-infinity at 0.
                     const A shift = top == -INFINITY ? A(0) : top;
                     before[half] = exp2(largest[half] - shift);
                     largest[half] = top;
                     total[half] *= before[half];
#pragma unroll
                     for (int j = 0; j < COLUMNS / 8; ++j) {
#pragma unroll
                         for (int e = half * 2; e < half * 2 + 2; ++e) {
                             p[j][e] = exp2(p[j][e] - shift);
                             total[half] += p[j][e];
                             p[j][e] *= shown.kept_factor(j, e);
                         }
                     }
                 }
#pragma unroll
                 for (int j = 0; j < WIDTH / 8; ++j) {
#pragma unroll
                     for (int e = 0; e < 4; ++e) sums[j][e] *= before[e / 2];
                 }
                 add_product<M>(sums, p, keys + COLUMNS * stride, V_STRIDE, of.value_size - column);
             });
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        total[half] = over_row(total[half], [](A a, A b) { return a + b; });
        const int at = first + row + row_of(half * 2);
        if (place.part == 0 && at < of.queries && threadIdx.x % 4 == 0)
            logarithms[scores.row + at] = largest[half] / static_cast<A>(LOG2_E) + log(total[half]);
        // A query that sees no key.
        total[half] = total[half] == 0 ? A(0) : 1 / total[half];
    }
#pragma unroll
    for (int j = 0; j < WIDTH / 8; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[j][e] *= total[e / 2];
    }
    const i64 out_stride = static_cast<i64>(of.heads) * of.value_size;
    write(out + place.batch * of.queries * out_stride + place.head * of.value_size, out_stride, first + row, of.queries, column,
          of.value_size, sums);
}

// The gradient of the queries.
template <class M, int WIDTH, int COLUMNS, class T = typename Multiply<M>::T>
__device__ void attention_query_grad(T* dq, const T* query, const T* key, const T* value, const Acc<T>* logarithms,
                                     const Acc<T>* deltas, const T* grad, const bool* mask, const i64* state,
                                     const Attention& of) {
    using A = Acc<T>;
    extern __shared__ __align__(16) unsigned char shared[];
    const int rows = blockDim.x / 2, tiles = (of.queries + rows - 1) / rows;
    const Place place(tiles, (of.size + WIDTH - 1) / WIDTH, of.heads);
    const int first = (tiles - 1 - place.tile) * rows, column = place.part * WIDTH;
    const int key_head = place.head / (of.heads / of.key_heads);
    const Rows<T> q = rows_of(query, place.batch, of.queries, of.heads, place.head, of.size, of.queries);
    const Rows<T> d = rows_of(grad, place.batch, of.queries, of.heads, place.head, of.value_size, of.queries);
    const Rows<T> k = rows_of(key, place.batch, of.key_rows, of.key_heads, key_head, of.size, of.keys);
    const Rows<T> v = rows_of(value, place.batch, of.key_rows, of.key_heads, key_head, of.value_size, of.keys);
    const Scores scores(of, mask, state, place.batch, place.head);

    constexpr int PADDING = 16 / sizeof(T);
    const int stride = padded<M>(of.size), v_stride = padded<M>(of.value_size);
    T* const left = reinterpret_cast<T*>(shared);
    T* const left_grad = left + rows * stride;
    T* const right = left_grad + rows * v_stride;
    const auto stage_at = [&](int stage) { return right + stage * COLUMNS * (stride + v_stride); };
    fill_rows(left, stride, q, first, rows, 0, stride - PADDING);
    fill_rows(left_grad, v_stride, d, first, rows, 0, v_stride - PADDING);

    const int last = of.causal < 0 ? of.keys : min(of.keys, first + rows + of.causal);
    const int row = threadIdx.x / 32 * 16;
    A logarithm[2], delta[2], sums[WIDTH / 8][4] = {};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int at = first + row + row_of(half * 2);
        logarithm[half] = at < of.queries ? logarithms[scores.row + at] * static_cast<A>(LOG2_E) : A(0);
        delta[half] = at < of.queries ? deltas[scores.row + at] : A(0);
    }
    const A scale = of.scale * LOG2_E;
    pipeline((last + COLUMNS - 1) / COLUMNS, of.stages,
             [&](int i, int stage) {
                 T* const to = stage_at(stage);
                 fill_rows(to, stride, k, i * COLUMNS, COLUMNS, 0, stride - PADDING);
                 fill_rows(to + COLUMNS * stride, v_stride, v, i * COLUMNS, COLUMNS, 0, v_stride - PADDING);
             },
             [&](int i, int stage) {
                 const T* const keys = stage_at(stage);
                 A p[COLUMNS / 8][4] = {}, dp[COLUMNS / 8][4] = {};
                 add_dot<M>(p, left + row * stride, stride, keys, stride, stride - PADDING);
                 add_dot<M>(dp, left_grad + row * v_stride, v_stride, keys + COLUMNS * stride, v_stride, v_stride - PADDING);
                 const auto shown = Shown<A, COLUMNS>::template of<false>(scores, first + row, i * COLUMNS);
#pragma unroll
                 for (int j = 0; j < COLUMNS / 8; ++j) {
#pragma unroll
                     for (int e = 0; e < 4; ++e) {
                         const A probability = shown.seen.at(j, e) ? exp2(p[j][e] * scale - logarithm[e / 2]) : A(0);
                         dp[j][e] = probability * (dp[j][e] * shown.kept_factor(j, e) - delta[e / 2]) * static_cast<A>(of.scale);
                     }
                 }
                 add_product<M>(sums, dp, keys + column, stride, of.size - column);
             });
    const i64 out_stride = static_cast<i64>(of.heads) * of.size;
    write(dq + place.batch * of.queries * out_stride + place.head * of.size, out_stride, first + row, of.queries, column, of.size,
          sums);
}

// The gradients of the keys and values: sums over the queries of all heads that share them.
template <class M, int WIDTH, int COLUMNS, class T = typename Multiply<M>::T>
__device__ void attention_key_grad(T* dk, T* dv, const T* query, const T* key, const T* value, const Acc<T>* logarithms,
                                   const Acc<T>* deltas, const T* grad, const bool* mask, const i64* state,
                                   const Attention& of) {
    using A = Acc<T>;
    extern __shared__ __align__(16) unsigned char shared[];
    const int rows = blockDim.x / 2, tiles = (of.key_rows + rows - 1) / rows, widest = max(of.size, of.value_size);
    const Place place(tiles, (widest + WIDTH - 1) / WIDTH, of.key_heads);
    const int first = place.tile * rows, column = place.part * WIDTH, group = of.heads / of.key_heads;
    const Rows<T> k = rows_of(key, place.batch, of.key_rows, of.key_heads, place.head, of.size, of.keys);
    const Rows<T> v = rows_of(value, place.batch, of.key_rows, of.key_heads, place.head, of.value_size, of.keys);

    constexpr int PADDING = 16 / sizeof(T);
    const int stride = padded<M>(of.size), v_stride = padded<M>(of.value_size);
    T* const left = reinterpret_cast<T*>(shared);
    T* const left_values = left + rows * stride;
    T* const right = left_values + rows * v_stride;
    const auto stage_at = [&](int stage) { return right + stage * COLUMNS * (stride + v_stride); };
    fill_rows(left, stride, k, first, rows, 0, stride - PADDING);
    fill_rows(left_values, v_stride, v, first, rows, 0, v_stride - PADDING);

    // The first queries do not see these keys where that depends on the place.
    const int skipped = of.causal < 0 ? 0 : max(0, first - of.causal) / COLUMNS;
    const int each = first < of.keys ? max(0, (of.queries + COLUMNS - 1) / COLUMNS - skipped) : 0;
    const int row = threadIdx.x / 32 * 16;
    A of_keys[WIDTH / 8][4] = {}, of_values[WIDTH / 8][4] = {};
    const A scale = of.scale * LOG2_E;
    pipeline(group * each, of.stages,
             [&](int i, int stage) {
                 const int head = place.head * group + i / each, from = (skipped + i % each) * COLUMNS;
                 const Rows<T> q = rows_of(query, place.batch, of.queries, of.heads, head, of.size, of.queries);
                 const Rows<T> d = rows_of(grad, place.batch, of.queries, of.heads, head, of.value_size, of.queries);
                 T* const to = stage_at(stage);
                 fill_rows(to, stride, q, from, COLUMNS, 0, stride - PADDING);
                 fill_rows(to + COLUMNS * stride, v_stride, d, from, COLUMNS, 0, v_stride - PADDING);
             },
             [&](int i, int stage) {
                 const int from = (skipped + i % each) * COLUMNS;
                 const Scores scores(of, mask, state, place.batch, place.head * group + i / each);
                 const T* const queries = stage_at(stage);
                 const T* const grads = queries + COLUMNS * stride;
                 A p[COLUMNS / 8][4] = {}, dp[COLUMNS / 8][4] = {};
                 add_dot<M>(p, left + row * stride, stride, queries, stride, stride - PADDING);
                 add_dot<M>(dp, left_values + row * v_stride, v_stride, grads, v_stride, v_stride - PADDING);
                 const auto shown = Shown<A, COLUMNS>::template of<true>(scores, first + row, from);
#pragma unroll
                 for (int j = 0; j < COLUMNS / 8; ++j) {
#pragma unroll
                     for (int e = 0; e < 2; ++e) {
                         const i64 at = scores.row + min(from + column_of(j, e), of.queries - 1);
                         const A logarithm = logarithms[at] * static_cast<A>(LOG2_E), delta = deltas[at];
#pragma unroll
                         for (int of_row = e; of_row < 4; of_row += 2) {
                             const A probability = shown.seen.at(j, of_row) ? exp2(p[j][of_row] * scale - logarithm) : A(0);
                             const A factor = shown.kept_factor(j, of_row);
                             p[j][of_row] = probability * factor;
                             dp[j][of_row] = probability * (dp[j][of_row] * factor - delta) * static_cast<A>(of.scale);
                         }
                     }
                 }
                 add_product<M>(of_values, p, grads + column, v_stride, of.value_size - column);
                 add_product<M>(of_keys, dp, queries + column, stride, of.size - column);
             });
    const auto put = [&](T* out, int size, const A(&sums)[WIDTH / 8][4]) {
        const i64 out_stride = static_cast<i64>(of.key_heads) * size;
        write(out + place.batch * of.key_rows * out_stride + place.head * size, out_stride, first + row, of.key_rows, column, size,
              sums);
    };
    put(dk, of.size, of_keys);
    put(dv, of.value_size, of_values);
}

// The kernels of a way to multiply: WIDTH columns of output a block, tiles of so many columns forward and back.
#define ATTENTIONS(NAME, S, M, WIDTH, FORWARD, BACK)                                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, WIDTH > 64 ? 2 : 3) attention_forward_##NAME##_##S(                                    \
        Multiply<M>::T* out, Acc<Multiply<M>::T>* logarithms, const Multiply<M>::T* query, const Multiply<M>::T* key,        \
        const Multiply<M>::T* value, ATTENTION_ARGS) {                                                                       \
        attention_forward<M, WIDTH, FORWARD>(out, logarithms, query, key, value, mask, state, ATTENTION);                    \
    }                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) attention_query_grad_##NAME##_##S(                                 \
        Multiply<M>::T* dq, const Multiply<M>::T* query, const Multiply<M>::T* key, const Multiply<M>::T* value,             \
        const Acc<Multiply<M>::T>* logarithms, const Acc<Multiply<M>::T>* deltas, const Multiply<M>::T* grad,                \
        ATTENTION_ARGS) {                                                                                                    \
        attention_query_grad<M, WIDTH, BACK>(dq, query, key, value, logarithms, deltas, grad, mask, state, ATTENTION);       \
    }                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) attention_key_grad_##NAME##_##S(                                   \
        Multiply<M>::T* dk, Multiply<M>::T* dv, const Multiply<M>::T* query, const Multiply<M>::T* key,                      \
        const Multiply<M>::T* value, const Acc<Multiply<M>::T>* logarithms, const Acc<Multiply<M>::T>* deltas,               \
        const Multiply<M>::T* grad, ATTENTION_ARGS) {                                                                        \
        attention_key_grad<M, WIDTH, BACK>(dk, dv, query, key, value, logarithms, deltas, grad, mask, state, ATTENTION);     \
    }
