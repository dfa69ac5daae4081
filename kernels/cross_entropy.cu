// Cross-entropies of logits: per row of `count` classes with a distribution or a label, per element for the binary one.
#include "exponentials.cuh"
#include "index.cuh"

// loss = sum of t * (ln sum e^x - x); a class without target adds 0 whatever its logit
template <class T, class Team>
__device__ void softmax_cross_entropy_fwd(Team team, T* loss, const T* x, const T* t, i64 rows, i64 count) {
    TEAM_ROWS(row, team, rows) {
        const T *logits = x + row * count, *targets = t + row * count;
        const Acc<T> log_sum = exponentials(team, logits, count, 1).log_sum();
        Acc<T> sum = 0;
        TEAM_ELEMENTS(j, team, count) {
            const Acc<T> target = load(targets, j);
            sum += target == 0 ? 0 : target * (log_sum - load(logits, j));
        }
        sum = team.sum(sum);
        if (team.rank() == 0) store(loss, row, sum);
    }
}

// out = (softmax(x) * sum of t - t) * dy, or (ln sum e^x - x) * dy for the targets
template <class T, class Team>
__device__ void softmax_cross_entropy_bwd(Team team, T* out, const T* x, const T* t, const T* dy, int of_targets,
                                          i64 rows, i64 count) {
    TEAM_ROWS(row, team, rows) {
        const T *logits = x + row * count, *targets = t + row * count;
        const auto sum = exponentials(team, logits, count, 1);
        const Acc<T> scale = load(dy, row);
        if (of_targets) {
            const Acc<T> log_sum = sum.log_sum();
            TEAM_ELEMENTS(j, team, count) store(out + row * count, j, (log_sum - load(logits, j)) * scale);
        } else {
            Acc<T> weight = 0;
            TEAM_ELEMENTS(j, team, count) weight += load(targets, j);
            weight = team.sum(weight) / sum.total;
            TEAM_ELEMENTS(j, team, count) {
                store(out + row * count, j, (exp(load(logits, j) - sum.top) * weight - load(targets, j)) * scale);
            }
        }
    }
}

// loss = ln sum e^x - x[label]; NaN for a label out of range
template <class T, class Team>
__device__ void sparse_softmax_cross_entropy_fwd(Team team, T* loss, const T* x, const void* labels, int size, i64 rows,
                                                 i64 count) {
    TEAM_ROWS(row, team, rows) {
        const Acc<T> log_sum = exponentials(team, x + row * count, count, 1).log_sum();
        if (team.rank() == 0) {
            const i64 label = index_at(labels, row, size);
            store(loss, row, in_range(label, count) ? log_sum - load(x + row * count, label) : Acc<T>(NAN));
        }
    }
}

// dx = (softmax(x) - one_hot(label)) * dy; NaN for a label out of range
template <class T, class Team>
__device__ void sparse_softmax_cross_entropy_bwd(Team team, T* dx, const T* x, const void* labels, int size,
                                                 const T* dy, i64 rows, i64 count) {
    TEAM_ROWS(row, team, rows) {
        const T* logits = x + row * count;
        const auto sum = exponentials(team, logits, count, 1);
        const i64 label = index_at(labels, row, size);
        const Acc<T> gradient = in_range(label, count) ? load(dy, row) : Acc<T>(NAN), scale = gradient / sum.total;
        TEAM_ELEMENTS(j, team, count) {
            const Acc<T> share = exp(load(logits, j) - sum.top) * scale;
            store(dx + row * count, j, j == label ? share - gradient : share);
        }
    }
}

// loss = max(x, 0) - x * z + ln(1 + e^-|x|)
template <class T> __device__ void sigmoid_cross_entropy_fwd(T* loss, const T* x, const T* z, i64 n) {
    GRID_STRIDE(i, n) {
        const Acc<T> logit = load(x, i);
        store(loss, i, (logit < 0 ? 0 : logit) - logit * load(z, i) + log1p(exp(-fabs(logit))));
    }
}

// out = (1 / (1 + e^-x) - z) * dy, or -x * dy for the targets
template <class T>
__device__ void sigmoid_cross_entropy_bwd(T* out, const T* x, const T* z, const T* dy, int of_targets, i64 n) {
    GRID_STRIDE(i, n) {
        const Acc<T> logit = load(x, i);
        const Acc<T> slope = of_targets ? -logit : 1 / (1 + exp(-logit)) - load(z, i);
        store(out, i, slope * load(dy, i));
    }
}

#define ENTRY(S, T)                                                                                                    \
    extern "C" __global__ void softmax_cross_entropy_fwd_##S(T* loss, const T* x, const T* t, i64 rows, i64 count,     \
                                                             int kind) {                                               \
        WITH_TEAM(kind, [=](auto team) { softmax_cross_entropy_fwd(team, loss, x, t, rows, count); })                  \
    }                                                                                                                  \
    extern "C" __global__ void softmax_cross_entropy_bwd_##S(T* out, const T* x, const T* t, const T* dy,              \
                                                             int of_targets, i64 rows, i64 count, int kind) {          \
        WITH_TEAM(kind, [=](auto team) { softmax_cross_entropy_bwd(team, out, x, t, dy, of_targets, rows, count); })   \
    }                                                                                                                  \
    extern "C" __global__ void sparse_softmax_cross_entropy_fwd_##S(T* loss, const T* x, const void* labels, int size, \
                                                                    i64 rows, i64 count, int kind) {                   \
        WITH_TEAM(kind, [=](auto team) {                                                                               \
            sparse_softmax_cross_entropy_fwd(team, loss, x, labels, size, rows, count);                                \
        })                                                                                                             \
    }                                                                                                                  \
    extern "C" __global__ void sparse_softmax_cross_entropy_bwd_##S(T* dx, const T* x, const void* labels, int size,   \
                                                                    const T* dy, i64 rows, i64 count, int kind) {      \
        WITH_TEAM(kind, [=](auto team) {                                                                               \
            sparse_softmax_cross_entropy_bwd(team, dx, x, labels, size, dy, rows, count);                              \
        })                                                                                                             \
    }                                                                                                                  \
    extern "C" __global__ void sigmoid_cross_entropy_fwd_##S(T* loss, const T* x, const T* z, i64 n) {                 \
        sigmoid_cross_entropy_fwd(loss, x, z, n);                                                                      \
    }                                                                                                                  \
    extern "C" __global__ void sigmoid_cross_entropy_bwd_##S(T* out, const T* x, const T* z, const T* dy,              \
                                                             int of_targets, i64 n) {                                  \
        sigmoid_cross_entropy_bwd(out, x, z, dy, of_targets, n);                                                       \
    }
FLOATS(ENTRY)
