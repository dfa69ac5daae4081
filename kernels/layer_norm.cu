// The rows of x, or of the sum of x and a residual, with mean 0 (if centred) and variance 1, times gamma, plus beta, and their
// backward; a null tensor is none. A team has a row, and reads it from the cache again for each of its sums, as many
// neighbours at once as fill sixteen bytes where they divide a row.
#include "lanes.cuh"
#include "team.cuh"

// Runs its body for the groups of N elements of a row that a thread of the team takes.
#define TEAM_LANES(j, team, count) \
    _Pragma("unroll 2") for (i64 j = team.rank(); j < (count) / N; j += team.size())

// Of each row the mean, 0 where it is not centred, and 1 / √(mean of (x − mean)² + epsilon), are kept in `moments`.
template <int N, class T, class Team>
__device__ __forceinline__ void forward(Team team, T* y, T* sum, Acc<T>* moments, const T* x, const T* residual,
                                        const Acc<T>* gamma, const Acc<T>* beta, i64 rows, i64 count, double epsilon,
                                        int centred) {
    using A = Acc<T>;
    const A divisor = static_cast<A>(max(count, 1ll));
    TEAM_ROWS(row, team, rows) {
        const i64 at = row * count;
        const T* from = x + at;
        A mean = 0, squares = 0;
        if (residual || centred) {
            TEAM_LANES(j, team, count) {
                Lanes<T, N> v = lanes<N>(from, j);
                if (residual) {
                    const Lanes<T, N> r = lanes<N>(residual + at, j);
#pragma unroll
                    for (int l = 0; l < N; ++l) store(v.at, l, load(v.at, l) + load(r.at, l));
                    lanes<N>(sum + at, j) = v;
                }
#pragma unroll
                for (int l = 0; l < N; ++l) mean += load(v.at, l);
            }
        }
        // What a thread reads of it, it wrote itself.
        if (residual) from = sum + at;
        mean = centred ? team.sum(mean) / divisor : A(0);
        TEAM_LANES(j, team, count) {
            const Lanes<T, N> v = lanes<N>(from, j);
#pragma unroll
            for (int l = 0; l < N; ++l) squares += (load(v.at, l) - mean) * (load(v.at, l) - mean);
        }
        const A scale = A(1) / sqrt(team.sum(squares) / divisor + static_cast<A>(epsilon));
        TEAM_LANES(j, team, count) {
            Lanes<T, N> v = lanes<N>(from, j);
            Lanes<A, N> n;
#pragma unroll
            for (int l = 0; l < N; ++l) n.at[l] = (load(v.at, l) - mean) * scale;
            if (gamma) {
                const Lanes<A, N> by = lanes<N>(gamma, j);
#pragma unroll
                for (int l = 0; l < N; ++l) n.at[l] *= by.at[l];
            }
            if (beta) {
                const Lanes<A, N> plus = lanes<N>(beta, j);
#pragma unroll
                for (int l = 0; l < N; ++l) n.at[l] += plus.at[l];
            }
#pragma unroll
            for (int l = 0; l < N; ++l) store(v.at, l, n.at[l]);
            lanes<N>(y + at, j) = v;
        }
        if (team.rank() == 0) {
            moments[2 * row] = mean;
            moments[2 * row + 1] = scale;
        }
    }
}

// sums[j] += of(l) for neighbours that no other thread has.
template <int N, class A, class Of> __device__ __forceinline__ void add(A* sums, i64 j, Of of) {
    Lanes<A, N> all = lanes<N>(sums, j);
#pragma unroll
    for (int l = 0; l < N; ++l) all.at[l] += of(l);
    lanes<N>(sums, j) = all;
}

// dx = scale * (g - mean of g - n * mean of g n) + ds, with g = dy * gamma and n = (x - mean) * scale; not centred, the mean of
// g stays. Of the sums over rows of dy * n and dy, those that are wanted, a block writes its part to `parts` (sums, blocks,
// count): its teams have their own in shared memory, where they fit.
template <int N, class T, class Team>
__device__ __forceinline__ void backward(Team team, T* dx, Acc<T>* parts, const T* x, const Acc<T>* gamma,
                                         const Acc<T>* moments, const T* dy, const T* ds, i64 rows, i64 count, int centred,
                                         int of_gamma, int of_beta, int shares) {
    using A = Acc<T>;
    extern __shared__ __align__(128) unsigned char shared[];
    A* const of_teams = reinterpret_cast<A*>(shared);
    const int sums = of_gamma + of_beta, teams = blockDim.x / team.size();
    // Those of the team, and from one sum's to the next one's.
    A* const own = shares ? of_teams + threadIdx.x / team.size() * (sums * count) : parts + blockIdx.x * count;
    const i64 apart = shares ? count : gridDim.x * count;
    A* const gammas = of_gamma ? own : nullptr;
    A* const betas = of_beta ? own + of_gamma * apart : nullptr;
    TEAM_LANES(j, team, count) {
        if (gammas) lanes<N>(gammas, j) = {};
        if (betas) lanes<N>(betas, j) = {};
    }
    TEAM_ROWS(row, team, rows) {
        const i64 at = row * count;
        const A mean = moments[2 * row], scale = moments[2 * row + 1];
        // Calls use(j, n, d, g) with what dx is made of; g is rounded, so that a row of one element has a gradient of exactly 0.
        const auto each = [&](auto use) {
            TEAM_LANES(j, team, count) {
                const Lanes<T, N> v = lanes<N>(x + at, j), u = lanes<N>(dy + at, j);
                Lanes<A, N> n, d, g;
#pragma unroll
                for (int l = 0; l < N; ++l) {
                    n.at[l] = (load(v.at, l) - mean) * scale;
                    g.at[l] = d.at[l] = load(u.at, l);
                }
                if (gamma) {
                    const Lanes<A, N> by = lanes<N>(gamma, j);
#pragma unroll
                    for (int l = 0; l < N; ++l) g.at[l] = rounded_product(d.at[l], by.at[l]);
                }
                use(j, n, d, g);
            }
        };
        A sum = 0, product = 0;
        each([&](i64 j, const Lanes<A, N>& n, const Lanes<A, N>& d, const Lanes<A, N>& g) {
#pragma unroll
            for (int l = 0; l < N; ++l) {
                sum += g.at[l];
                product += g.at[l] * n.at[l];
            }
            if (gammas) add<N>(gammas, j, [&](int l) { return d.at[l] * n.at[l]; });
            if (betas) add<N>(betas, j, [&](int l) { return d.at[l]; });
        });
        if (!dx) continue;
        sum = centred ? team.sum(sum) / static_cast<A>(count) : A(0);
        product = team.sum(product) / static_cast<A>(count);
        each([&](i64 j, const Lanes<A, N>& n, const Lanes<A, N>&, const Lanes<A, N>& g) {
            Lanes<A, N> out;
#pragma unroll
            for (int l = 0; l < N; ++l) out.at[l] = scale * (g.at[l] - sum - n.at[l] * product);
            if (ds) {
                const Lanes<T, N> other = lanes<N>(ds + at, j);
#pragma unroll
                for (int l = 0; l < N; ++l) out.at[l] += load(other.at, l);
            }
            Lanes<T, N> to;
#pragma unroll
            for (int l = 0; l < N; ++l) store(to.at, l, out.at[l]);
            lanes<N>(dx + at, j) = to;
        });
    }
    if (!shares) return;
    __syncthreads();
    for (int s = 0; s < sums; ++s) {
        for (i64 j = threadIdx.x; j < count; j += blockDim.x) {
            A all = 0;
            for (int other = 0; other < teams; ++other) all += of_teams[(other * sums + s) * count + j];
            parts[(s * static_cast<i64>(gridDim.x) + blockIdx.x) * count + j] = all;
        }
    }
}

// The sums of what `blocks` found: 32 columns a block, of the sum blockIdx.y.
template <class A> __device__ __forceinline__ void backward_end(A* first, A* second, const A* parts, i64 blocks, i64 count) {
    __shared__ A found[8][32];
    const int column = threadIdx.x % 32, lane = threadIdx.x / 32;
    const i64 j = blockIdx.x * 32ll + column;
    parts += blockIdx.y * blocks * count;
    A all = 0;
    if (j < count) {
#pragma unroll 4
        for (i64 i = lane; i < blocks; i += 8) all += parts[i * count + j];
    }
    found[lane][column] = all;
    __syncthreads();
    if (lane > 0 || j >= count) return;
    for (int other = 1; other < 8; ++other) all += found[other][column];
    (blockIdx.y ? second : first)[j] = all;
}

// Calls WORK<N>(team, …) with a warp or a block for a row.
#define BY_LANES(T, WARP, WORK, ...)                                         \
    constexpr int N = 16 / sizeof(T);                                        \
    if (WARP) {                                                              \
        if (count % N == 0) WORK<N>(Team<TEAM_WARP>(), __VA_ARGS__);         \
        else WORK<1>(Team<TEAM_WARP>(), __VA_ARGS__);                        \
    } else {                                                                 \
        if (count % N == 0) WORK<N>(Team<TEAM_BLOCK>(), __VA_ARGS__);        \
        else WORK<1>(Team<TEAM_BLOCK>(), __VA_ARGS__);                       \
    }

#define ENTRY(S, T)                                                                                                       \
    extern "C" __global__ void layer_norm_fwd_##S(T* y, T* sum, Acc<T>* moments, const T* x, const T* residual,           \
                                                  const Acc<T>* gamma, const Acc<T>* beta, i64 rows, i64 count,           \
                                                  double epsilon, int centred, int kind) {                                \
        BY_LANES(T, kind == TEAM_WARP, forward, y, sum, moments, x, residual, gamma, beta, rows, count, epsilon, centred) \
    }                                                                                                                     \
    extern "C" __global__ void layer_norm_bwd_##S(T* dx, Acc<T>* parts, const T* x, const Acc<T>* gamma,                  \
                                                  const Acc<T>* moments, const T* dy, const T* ds, i64 rows, i64 count,   \
                                                  int centred, int of_gamma, int of_beta, int shares, int warps) {        \
        BY_LANES(T, warps, backward, dx, parts, x, gamma, moments, dy, ds, rows, count, centred, of_gamma, of_beta,       \
                 shares)                                                                                                  \
    }
FLOATS(ENTRY)

#define END(S, A)                                                                                                       \
    extern "C" __global__ void layer_norm_bwd_end_##S(A* first, A* second, const A* parts, i64 blocks, i64 count) {     \
        backward_end(first, second, parts, blocks, count);                                                              \
    }
END(f32, float)
END(f64, double)
