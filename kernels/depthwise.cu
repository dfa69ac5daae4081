// Depthwise convolutions, each filter f seeing the one channel c = f / multiplier:
//
//     y[i, f]  = Σ x[i · stride + k · dilation − before, c] · w[k, f]      over k
//     dx[i, c] = Σ dy[(i + before − k · dilation) / stride, f] · w[k, f]   over k and the filters f of c
//     dw[k, f] = Σ x[i · stride + k · dilation − before, c] · dy[i, f]     over i
//
// They cost what they read and write: neighbouring threads have neighbouring channels, V at once. V filters are of one
// channel or of V, so that V is 1 unless it divides the filters, and the multiplier where that is not 1.
#include "pack.cuh"
#include "window.cuh"

// V elements from index i, or V times the one of the channel that the filters from i share.
template <int V, class T> __device__ __forceinline__ Pack<T, V> of_channel(const T* row, int i, int multiplier) {
    Pack<T, V> pack;
    if (multiplier == 1) return *reinterpret_cast<const Pack<T, V>*>(row + i);
    const T x = row[i / multiplier];
#pragma unroll
    for (int v = 0; v < V; ++v) pack.at[v] = x;
    return pack;
}

// y = x * w, plus the bias and cut off below 0 where that is asked for; or, of dy, dx. A thread has PLACES places along
// the last axis that see the other side through the same elements of the kernel.
constexpr int PLACES = 4;

template <int V, bool BACKWARD, class T>
__device__ __forceinline__ void correlate(T* to, const T* from, const T* kernel, const T* bias, const Geometry& g,
                                          int relu) {
    using A = Acc<T>;
    const int multiplier = g.width(), shared_by = BACKWARD ? 1 : multiplier;
    const int columns = BACKWARD ? g.channels : g.filters, row = BACKWARD ? g.filters : g.channels;
    int extents[3], classes = 1;
#pragma unroll
    for (int a = 0; a < 3; ++a) extents[a] = BACKWARD ? g.axes[a].input : g.axes[a].output;
    if (BACKWARD) classes = phases(g.axes[2]);
    const i64 packs = columns / V, runs = classes * tiles(tiles(extents[2], classes), PLACES) * packs;
    GRID_STRIDE(i, g.batch * extents[0] * extents[1] * runs) {
        i64 rest = i;
        const i64 image = take(rest, extents[0] * extents[1] * runs);
        const int z = static_cast<int>(take(rest, extents[1] * runs)), y = static_cast<int>(take(rest, runs));
        const int run = static_cast<int>(take(rest, packs)), column = static_cast<int>(rest) * V;
        const int place[3] = {z, y, run};
        Walk walk[3];
        int q[3];
#pragma unroll
        for (int a = 0; a < 3; ++a) {
            const int modulo = BACKWARD ? phases(g.axes[a]) : 1;
            walk[a] = BACKWARD ? backward(g.axes[a], place[a] % modulo) : forward(g.axes[a]);
            q[a] = place[a] / modulo * (a == 2 ? PLACES : 1) * walk[a].move + walk[a].start;
        }
        A sums[PLACES][V] = {};
#pragma unroll 1
        for (int j = 0; j < walk[0].taps; ++j) {
            const int z = q[0] + j * walk[0].reach;
            if (!inside(z, walk[0].extent)) continue;
#pragma unroll 1
            for (int k = 0; k < walk[1].taps; ++k) {
                const int y = q[1] + k * walk[1].reach;
                if (!inside(y, walk[1].extent)) continue;
                const T* line = from + ((image * walk[0].extent + z) * walk[1].extent + y) * walk[2].extent * row;
                i64 element = walk[0].tap + j * walk[0].tap_step;
                element = element * g.axes[1].size + walk[1].tap + k * walk[1].tap_step;
                element = element * g.axes[2].size + walk[2].tap;
#pragma unroll 1
                for (int l = 0; l < walk[2].taps; ++l) {
                    const T* w = kernel + (element + l * walk[2].tap_step) * g.filters;
                    const int x = q[2] + l * walk[2].reach;
#pragma unroll 1
                    for (int m = 0; m < (BACKWARD ? multiplier : 1); ++m) {
                        const int filter = BACKWARD ? column * multiplier + m : column;
                        const auto of_tap = *reinterpret_cast<const Pack<T, V>*>(w + filter);
#pragma unroll
                        for (int p = 0; p < PLACES; ++p) {
                            const int at = x + p * walk[2].move;
                            if (!inside(at, walk[2].extent)) continue;
                            const auto seen = of_channel<V>(line + static_cast<i64>(at) * row, filter, shared_by);
#pragma unroll
                            for (int v = 0; v < V; ++v) sums[p][v] += load(seen.at, v) * load(of_tap.at, v);
                        }
                    }
                }
            }
        }
        const i64 line = ((image * extents[0] + z) * extents[1] + y) * extents[2];
#pragma unroll
        for (int p = 0; p < PLACES; ++p) {
            const int at = run / classes * PLACES + p;
            if (at >= walk[2].places) break;
            Pack<T, V> out;
#pragma unroll
            for (int v = 0; v < V; ++v) {
                A y = sums[p][v];
                if (bias) y += load(bias, column + v);
                store(out.at, v, relu && y < 0 ? A(0) : y);
            }
            *reinterpret_cast<Pack<T, V>*>(to + (line + at * walk[2].spread + walk[2].shift) * columns + column) = out;
        }
    }
}

// The part of dw that a chunk of the output's places makes, for `add_parts`: a block has `lanes` × V filters, a power
// of two, and TAPS elements of the kernel; its threads share the places.
constexpr int BLOCK = 256, TAPS = 9;

template <int V, class T>
__device__ __forceinline__ void kernel_grad(Acc<T>* parts, const T* x, const T* dy, const Geometry& g, int lanes,
                                            i64 chunk) {
    using A = Acc<T>;
    const int multiplier = g.width(), taps = g.axes[0].size * g.axes[1].size * g.axes[2].size;
    unsigned block = blockIdx.x;
    const int filters = lanes * V, first_filter = next(block, tiles(g.filters, filters)) * filters;
    const int first_tap = next(block, tiles(taps, TAPS)) * TAPS;
    const i64 part = block;
    __shared__ int reaches[TAPS][3];
    if (threadIdx.x < TAPS) {
        unsigned tap = first_tap + threadIdx.x;
#pragma unroll
        for (int a = 2; a >= 0; --a) {
            const Axis& axis = g.axes[a];
            // One behind the last reaches where nothing is.
            const int at = a > 0 ? next(tap, axis.size) : static_cast<int>(tap);
            reaches[threadIdx.x][a] = at < axis.size ? at * axis.dilation - axis.before : -(1 << 30);
        }
    }
    __syncthreads();

    const i64 places = static_cast<i64>(g.axes[0].output) * g.axes[1].output * g.axes[2].output;
    i64 first = part * chunk;
    const i64 count = min(chunk, g.batch * places - first);
    dy += first * g.filters;
    x += take(first, places) * g.axes[0].input * g.axes[1].input * g.axes[2].input * g.channels;
    const Divisor over_z(g.axes[0].output), over_y(g.axes[1].output), over_x(g.axes[2].output);

    const int lane = threadIdx.x % lanes, filter = first_filter + lane * V, rows = BLOCK / lanes;
    A sums[TAPS][V] = {};
    if (filter < g.filters) {
#pragma unroll 1
        for (unsigned i = threadIdx.x / lanes; i < count; i += rows) {
            unsigned q[3];
            q[2] = static_cast<unsigned>(first) + i;
            q[1] = over_x.take(q[2]);
            q[0] = over_y.take(q[1]);
            const i64 image = over_z.take(q[0]);
            const auto slope = *reinterpret_cast<const Pack<T, V>*>(dy + i * static_cast<i64>(g.filters) + filter);
#pragma unroll
            for (int t = 0; t < TAPS; ++t) {
                i64 at = image;
                bool there = true;
#pragma unroll
                for (int a = 0; a < 3; ++a) {
                    const int place = static_cast<int>(q[a]) * g.axes[a].stride + reaches[t][a];
                    there &= inside(place, g.axes[a].input);
                    at = at * g.axes[a].input + place;
                }
                if (!there) continue;
                const auto seen = of_channel<V>(x + at * g.channels, filter, multiplier);
#pragma unroll
                for (int v = 0; v < V; ++v) sums[t][v] += load(seen.at, v) * load(slope.at, v);
            }
        }
    }
    __shared__ A of_threads[BLOCK * V];
#pragma unroll
    for (int t = 0; t < TAPS; ++t) {
#pragma unroll
        for (int v = 0; v < V; ++v) of_threads[threadIdx.x * V + v] = sums[t][v];
        __syncthreads();
        const int own = threadIdx.x;
        if (own < filters && first_filter + own < g.filters && first_tap + t < taps) {
            A sum = 0;
            for (int r = 0; r < rows; ++r) sum += of_threads[r * filters + own];
            parts[(part * taps + first_tap + t) * g.filters + first_filter + own] = sum;
        }
        __syncthreads();
    }
}

#define ENTRIES(NAME, S, T, V, FEW) \
    extern "C" __global__ void __launch_bounds__(BLOCK, 2) depthwise_forward_##NAME##_##S( \
        T* y, const T* x, const T* kernel, const T* bias, GEOMETRY, int relu) { \
        correlate<V, false>(y, x, kernel, bias, GEOMETRY_OF, relu); \
    } \
    extern "C" __global__ void __launch_bounds__(BLOCK, 2) depthwise_input_grad_##NAME##_##S( \
        T* dx, const T* dy, const T* kernel, GEOMETRY) { \
        correlate<V, true>(dx, dy, kernel, static_cast<const T*>(nullptr), GEOMETRY_OF, 0); \
    } \
    extern "C" __global__ void __launch_bounds__(BLOCK, 2) depthwise_kernel_grad_##NAME##_##S( \
        Acc<T>* parts, const T* x, const T* dy, GEOMETRY, int lanes, i64 chunk) { \
        kernel_grad<FEW>(parts, x, dy, GEOMETRY_OF, lanes, chunk); \
    }
#define EACH(S, T) \
    ENTRIES(vector, S, T, Pack<T>::SIZE, (Pack<T>::SIZE < 4 ? Pack<T>::SIZE : 4)) \
    ENTRIES(scalar, S, T, 1, 1)
FLOATS(EACH)
