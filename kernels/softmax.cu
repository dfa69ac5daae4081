// Softmax, its logarithm and sparsemax along an axis of `count` elements, `inner` apart, and their backwards.
#include "exponentials.cuh"

__device__ __forceinline__ i64 row_start(i64 row, i64 count, i64 inner) {
    const i64 outer = row / inner;
    return outer * count * inner + (row - outer * inner);
}

// out = e^(x - top) / total
template <class T, class Team> __device__ void softmax_fwd(Team team, T* out, const T* x, i64 rows, i64 count, i64 inner) {
    TEAM_ROWS(row, team, rows) {
        const i64 start = row_start(row, count, inner);
        const auto sum = exponentials(team, x + start, count, inner);
        const Acc<T> scale = 1 / sum.total;
        TEAM_ELEMENTS(j, team, count) store(out + start, j * inner, exp(load(x + start, j * inner) - sum.top) * scale);
    }
}

// out = x - top - ln total
template <class T, class Team>
__device__ void log_softmax_fwd(Team team, T* out, const T* x, i64 rows, i64 count, i64 inner) {
    TEAM_ROWS(row, team, rows) {
        const i64 start = row_start(row, count, inner);
        const auto sum = exponentials(team, x + start, count, inner);
        const Acc<T> log_total = log(sum.total);
        TEAM_ELEMENTS(j, team, count) store(out + start, j * inner, load(x + start, j * inner) - sum.top - log_total);
    }
}

// dx = y * (dy - sum of y * dy)
template <class T, class Team>
__device__ void softmax_bwd(Team team, T* dx, const T* y, const T* dy, i64 rows, i64 count, i64 inner) {
    TEAM_ROWS(row, team, rows) {
        const i64 start = row_start(row, count, inner);
        Acc<T> sum = 0;
        TEAM_ELEMENTS(j, team, count) sum += load(y + start, j * inner) * load(dy + start, j * inner);
        sum = team.sum(sum);
        TEAM_ELEMENTS(j, team, count) {
            store(dx + start, j * inner, load(y + start, j * inner) * (load(dy + start, j * inner) - sum));
        }
    }
}

// dx = dy - e^y * sum of dy
template <class T, class Team>
__device__ void log_softmax_bwd(Team team, T* dx, const T* y, const T* dy, i64 rows, i64 count, i64 inner) {
    TEAM_ROWS(row, team, rows) {
        const i64 start = row_start(row, count, inner);
        Acc<T> sum = 0;
        TEAM_ELEMENTS(j, team, count) sum += load(dy + start, j * inner);
        sum = team.sum(sum);
        TEAM_ELEMENTS(j, team, count) {
            store(dx + start, j * inner, load(dy + start, j * inner) - exp(load(y + start, j * inner)) * sum);
        }
    }
}

// out = max(x - tau, 0), with the tau for which the sum is 1: from the elements less than 1 below the largest, those that
// are not above the tau of the others fall away until none does (Michelot, 1986)
template <class T, class Team>
__device__ void sparsemax_fwd(Team team, T* out, const T* x, i64 rows, i64 count, i64 inner) {
    using A = Acc<T>;
    TEAM_ROWS(row, team, rows) {
        const i64 start = row_start(row, count, inner);
        A top = -INFINITY, bad = 0;
        TEAM_ELEMENTS(j, team, count) {
            const A v = load(x + start, j * inner);
            top = v > top ? v : top;
            bad += v != v || v == INFINITY ? A(1) : A(0);
        }
        top = team.reduce(top, [](A a, A b) { return a > b ? a : b; });
        bad = team.sum(bad);
        A tau = -1, before = static_cast<A>(count + 1);
        if (bad > 0 || top == -INFINITY) tau = NAN;
        while (tau == tau) {
            A sum = 0, kept = 0;
            TEAM_ELEMENTS(j, team, count) {
                const A v = load(x + start, j * inner) - top;
                if (v > tau) sum += v, kept += 1;
            }
            sum = team.sum(sum), kept = team.sum(kept);
            if (kept >= before || kept == 0) break;
            before = kept;
            tau = (sum - 1) / kept;
        }
        TEAM_ELEMENTS(j, team, count) {
            const A v = load(x + start, j * inner) - top - tau;
            store(out + start, j * inner, v > 0 || v != v ? v : A(0));
        }
    }
}

// dx = dy - its mean over the elements where y > 0, and 0 at the others
template <class T, class Team>
__device__ void sparsemax_bwd(Team team, T* dx, const T* y, const T* dy, i64 rows, i64 count, i64 inner) {
    using A = Acc<T>;
    TEAM_ROWS(row, team, rows) {
        const i64 start = row_start(row, count, inner);
        A sum = 0, kept = 0;
        TEAM_ELEMENTS(j, team, count) {
            if (load(y + start, j * inner) > 0) sum += load(dy + start, j * inner), kept += 1;
        }
        const A mean = team.sum(sum) / team.sum(kept);
        TEAM_ELEMENTS(j, team, count) {
            const bool in = load(y + start, j * inner) > 0;
            store(dx + start, j * inner, in ? load(dy + start, j * inner) - mean : A(0));
        }
    }
}

#define FORWARD(NAME, S, T)                                                                                       \
    extern "C" __global__ void NAME##_##S(T* out, const T* x, i64 rows, i64 count, i64 inner, int kind) {         \
        WITH_TEAM(kind, [=](auto team) { NAME(team, out, x, rows, count, inner); })                               \
    }
#define BACKWARD(NAME, S, T)                                                                                      \
    extern "C" __global__ void NAME##_##S(T* dx, const T* y, const T* dy, i64 rows, i64 count, i64 inner,         \
                                          int kind) {                                                             \
        WITH_TEAM(kind, [=](auto team) { NAME(team, dx, y, dy, rows, count, inner); })                            \
    }
#define ENTRY(S, T)                                                                                               \
    FORWARD(softmax_fwd, S, T)                                                                                    \
    FORWARD(log_softmax_fwd, S, T)                                                                                \
    FORWARD(sparsemax_fwd, S, T)                                                                                  \
    BACKWARD(softmax_bwd, S, T)                                                                                   \
    BACKWARD(log_softmax_bwd, S, T)                                                                               \
    BACKWARD(sparsemax_bwd, S, T)
FLOATS(ENTRY)
