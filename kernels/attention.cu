// Attention of f32 that stays f32, by three products of TF32 each, and of f64.
#include "attention.cuh"
#include "team.cuh"

ATTENTIONS(64, f32, float, 64, 32, 32)
ATTENTIONS(32, f64, double, 32, 16, 16)

// deltas[b, h, t] = Σ out[b, t, h, ·] · grad[b, t, h, ·]
template <class T, class Team>
__device__ void attention_deltas(Team team, Acc<T>* deltas, const T* out, const T* grad, i64 rows, int queries, int heads, int size) {
    TEAM_ROWS(row, team, rows) {
        Acc<T> sum = 0;
        TEAM_ELEMENTS(j, team, size) sum += load(out, row * size + j) * load(grad, row * size + j);
        sum = team.sum(sum);
        const i64 head = row % heads, query = row / heads % queries, batch = row / heads / queries;
        if (team.rank() == 0) deltas[(batch * heads + head) * queries + query] = sum;
    }
}
#define DELTAS(S, T)                                                                                                      \
    extern "C" __global__ void attention_deltas_##S(Acc<T>* deltas, const T* out, const T* grad, i64 rows, int queries,   \
                                                    int heads, int size, int kind) {                                      \
        WITH_TEAM(kind, [=](auto team) { attention_deltas(team, deltas, out, grad, rows, queries, heads, size); })        \
    }
FLOATS(DELTAS)
