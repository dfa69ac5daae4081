// The three convolutions as products of tiles, in groups g of channels and filters:
//
//     y[i, f]  = Σ x[i · stride + k · dilation − before, c] · w[k, c, f]      over k, c: `Correlation<S, false>`
//     dx[i, c] = Σ dy[(i + before − k · dilation) / stride, f] · w[k, c, f]   over k, f: `Correlation<S, true>`
//     dw[k, c, f] = Σ x[i · stride + k · dilation − before, c] · dy[i, f]     over i: `KernelGrad<S>`
//
// No matrix of windows is ever in memory: a thread that fills a tile finds where each of its elements stands, and what
// lies outside or is not whole is zero.
//
// The gradient of the input is one correlation for each class of places modulo the stride, so that no term is
// multiplied that is not there (`backward` in window.cuh).
#pragma once
#include "tiles.cuh"
#include "window.cuh"

// Where a row of the left operand reads: the element and the place along each axis that a tap would see that reaches
// nowhere.
struct Row {
    i64 from;
    int at[3];
};

// Blocks are numbered with the columns first, so that those that run together read the same rows.

template <class S, bool BACKWARD> struct Correlation {
    using T = typename S::T;
    static constexpr Order A = K_INNER, B = BACKWARD ? K_INNER : K_OUTER;
    using Left = typename S::template Left<A>;
    using Right = typename S::template Right<B>;
    static constexpr int LINES = LINES_OF<Left, S::VECTOR>;

    const T *from, *kernel;
    Axis axes[3];
    Walk walk[3];
    int depth, seen, columns, first_column;  // channels of the group, terms of a tap, columns of group and block
    i64 from_row, kernel_row, kernel_at;  // elements of a place, of a row of the kernel, and before the group there
    // What this thread copies next: term `c` of the taps `tap`; and rows of the left operand.
    int c, tap[3], k;
    Row lines[LINES];
    using Begin = Row[S::M];

    // Fills `to`: where the rows of the block begin in the output, or -1 for one that is none.
    __device__ __forceinline__ Correlation(const T* from, const T* kernel, const Geometry& g, int row_tiles,
                                           Begin& rows, i64 (&to)[S::M])
        : from(from), kernel(kernel), c(0), tap{0, 0, 0} {
        depth = g.depth();
        seen = BACKWARD ? g.width() : depth;
        columns = BACKWARD ? depth : g.width();
        from_row = BACKWARD ? g.filters : g.channels;
        kernel_row = g.filters;
        unsigned block = blockIdx.x;
        first_column = next(block, tiles(columns, S::N)) * S::N;
        const i64 first_row = next(block, row_tiles) * static_cast<i64>(S::M);
#pragma unroll
        for (int a = 2; a >= 0; --a) {
            axes[a] = g.axes[a];
            walk[a] = BACKWARD ? backward(g.axes[a], next(block, phases(g.axes[a]))) : ::forward(g.axes[a]);
        }
        const i64 group = block;
        kernel_at = group * g.width();
        if (threadIdx.x < S::M) {
            const i64 to_column = group * columns + first_column;
            rows[threadIdx.x] = row(first_row + threadIdx.x, g, group * seen, to_column, to[threadIdx.x]);
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < LINES; ++i) lines[i] = rows[line<Left, S::VECTOR>(i)];
        __syncthreads();
        advance(column<Left, S::VECTOR>());
        k = BACKWARD ? 0 : line<Right, S::VECTOR>(0);
    }

    __device__ __forceinline__ Row row(i64 m, const Geometry& g, i64 from_channel, i64 to_channel, i64& to) const {
        Row row = {0, {-(1 << 30), 0, 0}};  // outside, whatever a tap adds
        to = -1;
        i64 rest = m;
        const i64 image = take(rest, static_cast<i64>(walk[0].places) * walk[1].places * walk[2].places);
        if (image >= g.batch) return row;
        const i64 z = take(rest, static_cast<i64>(walk[1].places) * walk[2].places), y = take(rest, walk[2].places);
        const int q[3] = {static_cast<int>(z), static_cast<int>(y), static_cast<int>(rest)};
        row.from = to = image;
#pragma unroll
        for (int a = 0; a < 3; ++a) {
            row.at[a] = q[a] * walk[a].move + walk[a].start;
            row.from = row.from * walk[a].extent + row.at[a];
            to = to * (BACKWARD ? g.axes[a].input : g.axes[a].output) + q[a] * walk[a].spread + walk[a].shift;
        }
        row.from = row.from * from_row + from_channel;
        to = to * (BACKWARD ? g.channels : g.filters) + to_channel;
        return row;
    }

    __device__ __forceinline__ i64 terms() const {
        return static_cast<i64>(seen) * walk[0].taps * walk[1].taps * walk[2].taps;
    }
    __device__ __forceinline__ int slabs() const { return static_cast<int>((terms() + S::K - 1) / S::K); }

    // Terms further; channels are counted first, then the taps from the last axis on.
    __device__ __forceinline__ void advance(int by) {
        c += by;
#pragma unroll 1
        while (c >= seen && tap[0] < walk[0].taps) {
            c -= seen;
            if (++tap[2] < walk[2].taps) continue;
            tap[2] = 0;
            if (++tap[1] < walk[1].taps) continue;
            tap[1] = 0;
            ++tap[0];
        }
    }

    __device__ __forceinline__ void load(Left& a, Right& b) {
        const bool live = tap[0] < walk[0].taps;
        int by[3];
        i64 reach = 0, element = 0;
#pragma unroll
        for (int a = 0; a < 3; ++a) {
            by[a] = tap[a] * walk[a].reach;
            reach = reach * walk[a].extent + by[a];
            element = element * axes[a].size + walk[a].tap + tap[a] * walk[a].tap_step;
        }
        const i64 offset = reach * from_row + c;
        fill<S::VECTOR>(a, [&](int i) -> Spot<T> {
            bool there = live;
#pragma unroll
            for (int a = 0; a < 3; ++a) there &= inside(lines[i].at[a] + by[a], walk[a].extent);
            return {there ? from + (lines[i].from + offset) : from, there};
        });
        if constexpr (BACKWARD) {
            const T* at = kernel + (element * depth * kernel_row + kernel_at + c);
            fill<S::VECTOR>(b, [&](int i) -> Spot<T> {
                const int n = first_column + line<Right, S::VECTOR>(i);
                const bool there = live && n < columns;
                return {there ? at + n * kernel_row : kernel, there};
            });
        } else {
            const int n = first_column + column<Right, S::VECTOR>();
            const T* at = kernel + (k * kernel_row + kernel_at + n);
            fill<S::VECTOR>(b, [&](int i) -> Spot<T> {
                const bool there = k + i * LINE_STEP<Right, S::VECTOR> < terms() && n < columns;
                return {there ? at + i * LINE_STEP<Right, S::VECTOR> * kernel_row : kernel, there};
            });
            k += S::K;
        }
        advance(S::K);
    }
};

// y = x * w, plus the bias and cut off below 0 where that is asked for; or dx. A null bias is none.
template <class S, bool BACKWARD, class T>
__device__ __forceinline__ void correlate(T* to, const T* from, const T* kernel, const T* bias, const Geometry& g,
                                          int row_tiles, int relu) {
    using A = Acc<T>;
    using Problem = Correlation<S, BACKWARD>;
    __shared__ Memory<S, Problem> memory;
    __shared__ i64 rows[S::M];
    Problem problem(from, kernel, g, row_tiles, memory.begin, rows);
    multiply(memory, problem, problem.slabs(), [&](int row, int column, const Pack<A, S::VECTOR>& sums) {
        const i64 at = rows[row];
        if (at < 0 || problem.first_column + column >= problem.columns) return;
        Pack<T, S::VECTOR> out;
#pragma unroll
        for (int v = 0; v < S::VECTOR; ++v) {
            A y = sums.at[v];
            if (bias) y += load(bias, problem.kernel_at + problem.first_column + column + v);
            store(out.at, v, relu && y < 0 ? A(0) : y);
        }
        *reinterpret_cast<Pack<T, S::VECTOR>*>(to + at + column) = out;
    });
}

template <class S> struct KernelGrad {
    using T = typename S::T;
    static constexpr Order A = K_OUTER, B = K_OUTER;
    using Begin = char;
    using Left = typename S::template Left<A>;
    using Right = typename S::template Right<B>;

    const T *x, *dy;
    Axis axes[3];
    int columns, first_row, rows, first_column, split;
    i64 from_row, to_row, image, offset;
    i64 to_column;  // where the block's columns begin in a row of the gradient
    bool row_is_there, column_is_there;
    int by[3];  // how far this thread's tap reaches
    Divisor over_x, over_y, over_z;
    // The output's places are counted from the first of the image in which the block begins.
    unsigned at, end;

    // Places first..first + chunk of the output are this block's, of as many as there are.
    __device__ __forceinline__ KernelGrad(const T* x_, const T* dy_, const Geometry& g, int splits, i64 chunk)
        : over_x(g.axes[2].output), over_y(g.axes[1].output), over_z(g.axes[0].output) {
        columns = g.width();
        from_row = g.channels, to_row = g.filters;
        const int depth = g.depth(), taps_y = g.axes[1].size, taps_x = g.axes[2].size;
        rows = g.axes[0].size * taps_y * taps_x * depth;
        unsigned block = blockIdx.x;
        first_column = next(block, tiles(columns, S::N)) * S::N;
        first_row = next(block, tiles(rows, S::M)) * S::M;
        split = next(block, splits);
        const i64 group = block;
        to_column = group * columns + first_column;

        const int row = first_row + column<Left, S::VECTOR>(), n = first_column + column<Right, S::VECTOR>();
        const int tap = row / depth, tap_z = tap / (taps_y * taps_x);
        const int tap_of[3] = {tap_z, tap / taps_x - tap_z * taps_y, tap % taps_x};
        row_is_there = row < rows, column_is_there = n < columns;
        i64 first = split * chunk, all = g.batch;
        image = 1, offset = 0;
#pragma unroll
        for (int a = 0; a < 3; ++a) {
            axes[a] = g.axes[a];
            by[a] = tap_of[a] * axes[a].dilation - axes[a].before;
            offset = offset * axes[a].input + by[a];
            image *= axes[a].input;
        }
        const i64 places = static_cast<i64>(axes[0].output) * axes[1].output * axes[2].output;
        all *= places;
        offset = offset * from_row + group * depth + row % depth;
        dy = dy_ + (first + line<Right, S::VECTOR>(0)) * to_row + group * columns + n;
        const i64 count = min(chunk, all - first);
        const i64 images = take(first, places);
        x = x_ + images * image * from_row;
        at = static_cast<unsigned>(first);
        end = static_cast<unsigned>(first + count);
    }

    __device__ __forceinline__ int slabs() const { return static_cast<int>((end - at + S::K - 1) / S::K); }

    __device__ __forceinline__ void load(Left& a, Right& b) {
        fill<S::VECTOR>(a, [&](int i) -> Spot<T> {
            const unsigned place = at + line<Left, S::VECTOR>(i);
            unsigned q[3];
            q[2] = place;
            q[1] = over_x.take(q[2]);
            q[0] = over_y.take(q[1]);
            i64 from = over_z.take(q[0]);
            bool there = row_is_there && place < end;
#pragma unroll
            for (int a = 0; a < 3; ++a) {
                const int start = static_cast<int>(q[a]) * axes[a].stride;
                there &= inside(start + by[a], axes[a].input);
                from = from * axes[a].input + start;
            }
            return {there ? x + (from * from_row + offset) : x, there};
        });
        fill<S::VECTOR>(b, [&](int i) -> Spot<T> {
            const bool there = column_is_there && at + line<Right, S::VECTOR>(i) < end;
            return {there ? dy + i * LINE_STEP<Right, S::VECTOR> * to_row : x, there};
        });
        at += S::K;
        dy += S::K * to_row;
    }
};

// dw, or the part of it that each of several splits of the output's places makes, for `add_parts`.
template <class S, class T>
__device__ __forceinline__ void kernel_grad(T* dw, Acc<T>* parts, const T* x, const T* dy, const Geometry& g,
                                            int splits, i64 chunk) {
    using A = Acc<T>;
    __shared__ Memory<S, KernelGrad<S>> memory;
    KernelGrad<S> problem(x, dy, g, splits, chunk);
    multiply(memory, problem, problem.slabs(), [&](int row, int column, const Pack<A, S::VECTOR>& sums) {
        row += problem.first_row;
        if (row >= problem.rows || problem.first_column + column >= problem.columns) return;
        const i64 at = row * problem.to_row + problem.to_column + column;
        if (parts) {
            const i64 part = static_cast<i64>(problem.split) * problem.rows * problem.to_row;
            *reinterpret_cast<Pack<A, S::VECTOR>*>(parts + part + at) = sums;
        } else {
            Pack<T, S::VECTOR> out;
#pragma unroll
            for (int v = 0; v < S::VECTOR; ++v) store(out.at, v, sums.at[v]);
            *reinterpret_cast<Pack<T, S::VECTOR>*>(dw + at) = out;
        }
    });
}

// The kernels NAME of a shape, for the dtype of suffix S.
#define CONVOLUTIONS(NAME, S, T, ...) \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv_forward_##NAME##_##S( \
        T* y, const T* x, const T* kernel, const T* bias, GEOMETRY, int row_tiles, int relu) { \
        correlate<Shape<T, __VA_ARGS__>, false>(y, x, kernel, bias, GEOMETRY_OF, row_tiles, relu); \
    } \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv_input_grad_##NAME##_##S( \
        T* dx, const T* dy, const T* kernel, GEOMETRY, int row_tiles) { \
        const T* none = nullptr; \
        correlate<Shape<T, __VA_ARGS__>, true>(dx, dy, kernel, none, GEOMETRY_OF, row_tiles, 0); \
    } \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv_kernel_grad_##NAME##_##S( \
        T* dw, Acc<T>* parts, const T* x, const T* dy, GEOMETRY, int splits, i64 chunk) { \
        kernel_grad<Shape<T, __VA_ARGS__>>(dw, parts, x, dy, GEOMETRY_OF, splits, chunk); \
    }
