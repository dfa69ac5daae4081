// Normalisation of (rows, channels) by a mean and a variance for each channel: their moments, the map, and the backward.
//
// A block of 256 has a chunk of the rows and a part of the channels: `columns` threads, a power of two, lie along the channels,
// each with as many as fill sixteen bytes where they divide, and the others along the rows. What threads and blocks find is
// merged in an order that the shape alone decides.
#include "lanes.cuh"

constexpr int THREADS = 256;

// The rows and channels of a thread.
struct Tile {
    i64 channel, row, end;
    int step;

    __device__ __forceinline__ Tile(int lanes, i64 rows, i64 columns, i64 chunk) {
        const int across = static_cast<int>(columns), t = threadIdx.x;
        channel = (blockIdx.x * columns + t % across) * lanes;
        row = blockIdx.y * chunk + t / across;
        end = min((blockIdx.y + 1) * chunk, rows);
        step = THREADS / across;
    }
};

// Count, mean and sum of squares about it, of some rows (Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm
// for computing sample variances, 1979).
template <class A> struct Moments {
    A count, first, second;
    __device__ __forceinline__ void merge(const Moments& other) {
        const A all = count + other.count;
        if (all == 0) return;
        const A share = other.count / all, apart = other.first - first;
        first += apart * share;
        second += other.second + apart * apart * (count * share);
        count = all;
    }
};

// Two sums.
template <class A> struct Sums {
    A count, first, second;
    __device__ __forceinline__ void merge(const Sums& other) {
        first += other.first;
        second += other.second;
    }
};

// Merges what the threads of a block found that have the same channel, which are `columns` apart. Only the first ones have it.
template <class S, class A> __device__ __forceinline__ S merge_rows(S own, int columns) {
    __shared__ A found[3][THREADS];
    const int t = threadIdx.x;
    const auto put = [&]() {
        found[0][t] = own.count;
        found[1][t] = own.first;
        found[2][t] = own.second;
    };
    put();
    __syncthreads();
    for (int half = THREADS / 2; half >= columns; half /= 2) {
        if (t < half) {
            own.merge({found[0][t + half], found[1][t + half], found[2][t + half]});
            put();
        }
        __syncthreads();
    }
    return own;
}

// Writes what a block found of its channels, from the two numbers that each of its threads has for its own.
template <int N, class S, class A>
__device__ __forceinline__ void write_parts(A* parts, A count, const A (&first)[N], const A (&second)[N], const Tile& tile,
                                            i64 channels, i64 columns) {
#pragma unroll
    for (int l = 0; l < N; ++l) {
        const S all = merge_rows<S, A>({count, first[l], second[l]}, static_cast<int>(columns));
        const i64 channel = tile.channel + l;
        if (threadIdx.x < columns && channel < channels) {
            parts[(blockIdx.y * 2) * channels + channel] = all.first;
            parts[(blockIdx.y * 2 + 1) * channels + channel] = all.second;
        }
    }
}

// Merges what the blocks found of a channel: eight channels a block, 32 threads each. Only the first eight threads have it.
template <class S, class A>
__device__ __forceinline__ S merge_parts(const A* parts, i64 rows, i64 channels, i64 chunk, i64 channel) {
    S own = {0, 0, 0};
    if (channel < channels) {
        const i64 chunks = (rows + chunk - 1) / chunk;
#pragma unroll 1
        for (i64 i = threadIdx.x / 8; i < chunks; i += THREADS / 8) {
            const A count = static_cast<A>(min(chunk, rows - i * chunk));
            own.merge({count, parts[i * 2 * channels + channel], parts[(i * 2 + 1) * channels + channel]});
        }
    }
    return merge_rows<S, A>(own, 8);
}

// Four rows at a time about their own mean, so that four loads are under way and nothing cancels.
template <int N, class T>
__device__ __forceinline__ void moments(Acc<T>* parts, const T* x, i64 rows, i64 channels, i64 columns, i64 chunk) {
    using A = Acc<T>;
    const Tile tile(N, rows, columns, chunk);
    A count = 0, mean[N] = {}, squares[N] = {};
    if (tile.channel < channels) {
        const auto at = [&](i64 row) { return lanes<N>(x, (row * channels + tile.channel) / N); };
        i64 row = tile.row;
#pragma unroll 1
        for (; row + 3 * tile.step < tile.end; row += 4 * tile.step) {
            const Lanes<T, N> a = at(row), b = at(row + tile.step), c = at(row + 2 * tile.step), d = at(row + 3 * tile.step);
            const A share = A(4) / (count + A(4)), weight = count * share;
#pragma unroll
            for (int l = 0; l < N; ++l) {
                const A v = load(a.at, l), w = load(b.at, l), y = load(c.at, l), z = load(d.at, l);
                const A own = (v + w + (y + z)) * A(0.25), apart = own - mean[l];
                mean[l] += apart * share;
                squares[l] += (v - own) * (v - own) + (w - own) * (w - own) +
                              ((y - own) * (y - own) + (z - own) * (z - own)) + apart * apart * weight;
            }
            count += A(4);
        }
#pragma unroll 1
        for (; row < tile.end; row += tile.step) {
            const Lanes<T, N> a = at(row);
            const A share = A(1) / (count + A(1)), weight = count * share;
#pragma unroll
            for (int l = 0; l < N; ++l) {
                const A apart = load(a.at, l) - mean[l];
                mean[l] += apart * share;
                squares[l] += apart * apart * weight;
            }
            count += A(1);
        }
    }
    write_parts<N, Moments<A>>(parts, count, mean, squares, tile, channels, columns);
}

// The mean, and the variance of the population; 0 without rows.
template <class A>
__device__ __forceinline__ void moments_end(A* mean, A* variance, const A* parts, i64 rows, i64 channels, i64 chunk) {
    const i64 channel = blockIdx.x * 8ll + threadIdx.x % 8;
    const Moments<A> all = merge_parts<Moments<A>, A>(parts, rows, channels, chunk, channel);
    if (threadIdx.x >= 8 || channel >= channels) return;
    mean[channel] = all.first;
    variance[channel] = rows > 0 ? all.second / static_cast<A>(rows) : A(0);
}

// y = (x - mean) * gamma / sqrt(variance + epsilon) + beta; a null gamma or beta is none
template <int N, class T, class A>
__device__ __forceinline__ void forward(T* y, const T* x, const A* mean, const A* variance, const A* gamma, const A* beta,
                                        i64 rows, i64 channels, i64 columns, i64 chunk, double epsilon) {
    const Tile tile(N, rows, columns, chunk);
    if (tile.channel >= channels) return;
    A middle[N], scale[N], offset[N];
#pragma unroll
    for (int l = 0; l < N; ++l) {
        const i64 c = tile.channel + l;
        middle[l] = mean[c];
        scale[l] = (gamma ? gamma[c] : A(1)) / sqrt(variance[c] + static_cast<A>(epsilon));
        offset[l] = beta ? beta[c] : A(0);
    }
#pragma unroll 4
    for (i64 row = tile.row; row < tile.end; row += tile.step) {
        const i64 at = (row * channels + tile.channel) / N;
        Lanes<T, N> v = lanes<N>(x, at);
#pragma unroll
        for (int l = 0; l < N; ++l) store(v.at, l, (load(v.at, l) - middle[l]) * scale[l] + offset[l]);
        lanes<N>(y, at) = v;
    }
}

// Σ dy * (x - mean) and Σ dy
template <int N, class T, class A>
__device__ __forceinline__ void sums(A* parts, const T* x, const T* dy, const A* mean, i64 rows, i64 channels, i64 columns,
                                     i64 chunk) {
    const Tile tile(N, rows, columns, chunk);
    A products[N] = {}, total[N] = {};
    if (tile.channel < channels) {
        A middle[N];
#pragma unroll
        for (int l = 0; l < N; ++l) middle[l] = mean[tile.channel + l];
#pragma unroll 2
        for (i64 row = tile.row; row < tile.end; row += tile.step) {
            const i64 at = (row * channels + tile.channel) / N;
            const Lanes<T, N> v = lanes<N>(x, at), g = lanes<N>(dy, at);
#pragma unroll
            for (int l = 0; l < N; ++l) {
                products[l] += load(g.at, l) * (load(v.at, l) - middle[l]);
                total[l] += load(g.at, l);
            }
        }
    }
    write_parts<N, Sums<A>>(parts, A(0), products, total, tile, channels, columns);
}

template <class A>
__device__ __forceinline__ void sums_end(A* of_gamma, A* of_beta, const A* variance, const A* parts, i64 rows, i64 channels,
                                         i64 chunk, double epsilon) {
    const i64 channel = blockIdx.x * 8ll + threadIdx.x % 8;
    const Sums<A> all = merge_parts<Sums<A>, A>(parts, rows, channels, chunk, channel);
    if (threadIdx.x >= 8 || channel >= channels) return;
    of_gamma[channel] = all.first / sqrt(variance[channel] + static_cast<A>(epsilon));
    of_beta[channel] = all.second;
}

// dx = gamma * inverse * (dy - of_beta / rows - (x - mean) * inverse * of_gamma / rows), inverse = 1 / sqrt(variance + epsilon)
template <int N, class T, class A>
__device__ __forceinline__ void backward(T* dx, const T* x, const T* dy, const A* mean, const A* variance, const A* gamma,
                                         const A* of_gamma, const A* of_beta, i64 rows, i64 channels, i64 columns, i64 chunk,
                                         double epsilon) {
    const Tile tile(N, rows, columns, chunk);
    if (tile.channel >= channels) return;
    A middle[N], scale[N], slope[N], offset[N];
#pragma unroll
    for (int l = 0; l < N; ++l) {
        const i64 c = tile.channel + l;
        const A inverse = A(1) / sqrt(variance[c] + static_cast<A>(epsilon));
        middle[l] = mean[c];
        scale[l] = (gamma ? gamma[c] : A(1)) * inverse;
        slope[l] = inverse * of_gamma[c] / static_cast<A>(rows);
        offset[l] = of_beta[c] / static_cast<A>(rows);
    }
#pragma unroll 2
    for (i64 row = tile.row; row < tile.end; row += tile.step) {
        const i64 at = (row * channels + tile.channel) / N;
        const Lanes<T, N> v = lanes<N>(x, at);
        Lanes<T, N> g = lanes<N>(dy, at);
#pragma unroll
        for (int l = 0; l < N; ++l) {
            store(g.at, l, ((load(g.at, l) - offset[l]) - (load(v.at, l) - middle[l]) * slope[l]) * scale[l]);
        }
        lanes<N>(dx, at) = g;
    }
}

#define BY_LANES(T, WORK, ...)                              \
    constexpr int N = 16 / sizeof(T);                       \
    if (channels % N == 0) WORK<N>(__VA_ARGS__);            \
    else WORK<1>(__VA_ARGS__);

#define TILE i64 rows, i64 channels, i64 columns, i64 chunk
#define ENTRY(S, T)                                                                                                       \
    extern "C" __global__ void batch_norm_moments_##S(Acc<T>* parts, const T* x, TILE) {                                  \
        BY_LANES(T, moments, parts, x, rows, channels, columns, chunk)                                                    \
    }                                                                                                                     \
    extern "C" __global__ void batch_norm_fwd_##S(T* y, const T* x, const Acc<T>* mean, const Acc<T>* variance,           \
                                                  const Acc<T>* gamma, const Acc<T>* beta, TILE, double epsilon) {        \
        BY_LANES(T, forward, y, x, mean, variance, gamma, beta, rows, channels, columns, chunk, epsilon)                  \
    }                                                                                                                     \
    extern "C" __global__ void batch_norm_sums_##S(Acc<T>* parts, const T* x, const T* dy, const Acc<T>* mean, TILE) {    \
        BY_LANES(T, sums, parts, x, dy, mean, rows, channels, columns, chunk)                                             \
    }                                                                                                                     \
    extern "C" __global__ void batch_norm_bwd_##S(T* dx, const T* x, const T* dy, const Acc<T>* mean,                     \
                                                  const Acc<T>* variance, const Acc<T>* gamma, const Acc<T>* of_gamma,    \
                                                  const Acc<T>* of_beta, TILE, double epsilon) {                          \
        BY_LANES(T, backward, dx, x, dy, mean, variance, gamma, of_gamma, of_beta, rows, channels, columns, chunk,        \
                 epsilon)                                                                                                 \
    }
FLOATS(ENTRY)

#define END(S, A)                                                                                                       \
    extern "C" __global__ void batch_norm_moments_end_##S(A* mean, A* variance, const A* parts, i64 rows, i64 channels, \
                                                          i64 chunk) {                                                  \
        moments_end(mean, variance, parts, rows, channels, chunk);                                                      \
    }                                                                                                                   \
    extern "C" __global__ void batch_norm_sums_end_##S(A* of_gamma, A* of_beta, const A* variance, const A* parts,      \
                                                       i64 rows, i64 channels, i64 chunk, double epsilon) {             \
        sums_end(of_gamma, of_beta, variance, parts, rows, channels, chunk, epsilon);                                   \
    }
END(f32, float)
END(f64, double)

// out = moving * momentum + new * (1 - momentum), for a mean and a variance
#define MOVING(S, T)                                                                                                     \
    extern "C" __global__ void moving_statistics_fwd_##S(T* mean, T* variance, const T* moving_mean,                     \
                                                         const T* moving_variance, const T* new_mean,                    \
                                                         const T* new_variance, i64 n, double momentum) {                \
        const Acc<T> keep = static_cast<Acc<T>>(momentum), take = static_cast<Acc<T>>(1 - momentum);                     \
        GRID_STRIDE(i, n) {                                                                                              \
            store(mean, i, load(moving_mean, i) * keep + load(new_mean, i) * take);                                      \
            store(variance, i, load(moving_variance, i) * keep + load(new_variance, i) * take);                          \
        }                                                                                                                \
    }
FLOATS(MOVING)
