// The cross-entropy of a chunk of rows of logits with their labels, and its gradient in the logits' place.
#include "exponentials.cuh"
#include "index.cuh"

// loss = ln sum e^x - x[label]; then, where it is wanted, x = (softmax(x) - one_hot(label)) * factor. Both are NaN for a label
// out of range. Losses, labels and factors are those of all rows, of which the first `from` have had their turn.
template <class T, class Team>
__device__ void losses(Team team, Acc<T>* loss, T* x, const void* labels, int size, const Acc<T>* factors, int gradient,
                       i64 from, i64 rows, i64 count) {
    using A = Acc<T>;
    TEAM_ROWS(row, team, rows) {
        T* logits = x + row * count;
        const i64 label = index_at(labels, from + row, size);
        const bool known = in_range(label, count);
        // Before anybody writes: the sum is where all have read.
        const A own = known ? load(logits, label) : A(NAN);
        const auto sum = exponentials(team, logits, count, 1);
        if (team.rank() == 0) loss[from + row] = sum.log_sum() - own;
        if (!gradient) continue;
        const A factor = known ? factors[from + row] : A(NAN), scale = factor / sum.total;
        TEAM_ELEMENTS(j, team, count) {
            const A share = exp(load(logits, j) - sum.top) * scale;
            store(logits, j, j == label ? share - factor : share);
        }
    }
}

// sum += part, or sum = part
template <class T> __device__ void add(Acc<T>* sum, const T* part, i64 n, int first) {
    GRID_STRIDE(i, n) sum[i] = (first ? Acc<T>(0) : sum[i]) + load(part, i);
}

#define ENTRY(S, T)                                                                                                       \
    extern "C" __global__ void linear_cross_entropy_losses_##S(Acc<T>* loss, T* x, const void* labels, int size,         \
                                                               const Acc<T>* factors, int gradient, i64 from, i64 rows,   \
                                                               i64 count, int kind) {                                     \
        WITH_TEAM(kind, [=](auto team) {                                                                                  \
            losses(team, loss, x, labels, size, factors, gradient, from, rows, count);                                    \
        })                                                                                                                \
    }                                                                                                                     \
    extern "C" __global__ void linear_cross_entropy_add_##S(Acc<T>* sum, const T* part, i64 n, int first) {               \
        add(sum, part, n, first);                                                                                         \
    }
FLOATS(ENTRY)
