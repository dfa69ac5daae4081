// Softmax and its logarithm along an axis of `count` elements, `inner` apart, and their backwards.
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
    BACKWARD(softmax_bwd, S, T)                                                                                   \
    BACKWARD(log_softmax_bwd, S, T)
FLOATS(ENTRY)
