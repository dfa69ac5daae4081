// Rows, and the team of threads that shares one: a thread, a warp or a block (of at most 1024 threads).
// All of a team come by the same rows, and a reduction gives all of them the same bits.
#pragma once
#include "dtypes.cuh"

enum TeamKind { TEAM_THREAD, TEAM_WARP, TEAM_BLOCK };

template <class V> __device__ __forceinline__ V shuffle_down(V v, int by) { return __shfl_down_sync(~0u, v, by); }
template <class V> __device__ __forceinline__ V shuffle_first(V v) { return __shfl_sync(~0u, v, 0); }

template <class V, class Fold> __device__ __forceinline__ V warp_reduce(V v, Fold fold) {
#pragma unroll
    for (int by = 16; by > 0; by /= 2) v = fold(v, shuffle_down(v, by));
    return shuffle_first(v);
}

template <TeamKind KIND> struct Team {
    // The number of the team, how many teams there are, the thread's place in its team, the team's threads.
    __device__ static i64 number() {
        const i64 thread = blockIdx.x * static_cast<i64>(blockDim.x) + threadIdx.x;
        return KIND == TEAM_THREAD ? thread : KIND == TEAM_WARP ? thread / 32 : blockIdx.x;
    }
    __device__ static i64 teams() {
        const i64 threads = gridDim.x * static_cast<i64>(blockDim.x);
        return KIND == TEAM_THREAD ? threads : KIND == TEAM_WARP ? threads / 32 : gridDim.x;
    }
    __device__ static int rank() { return KIND == TEAM_THREAD ? 0 : KIND == TEAM_WARP ? threadIdx.x % 32 : threadIdx.x; }
    __device__ static int size() { return KIND == TEAM_THREAD ? 1 : KIND == TEAM_WARP ? 32 : blockDim.x; }

    template <class V, class Fold> __device__ static V reduce(V v, Fold fold) {
        if (KIND == TEAM_THREAD) return v;
        v = warp_reduce(v, fold);
        if (KIND == TEAM_BLOCK) {
            __shared__ V of_warps[32];
            if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = v;
            __syncthreads();
            v = of_warps[0];
            for (int warp = 1; warp < blockDim.x / 32; ++warp) v = fold(v, of_warps[warp]);
            __syncthreads();
        }
        return v;
    }
    template <class V> __device__ static V sum(V v) {
        return reduce(v, [](V a, V b) { return a + b; });
    }
};

// Calls WORK(team) with the team that the host chose.
#define WITH_TEAM(KIND, WORK)                       \
    switch (KIND) {                                 \
        case TEAM_THREAD: WORK(Team<TEAM_THREAD>()); break; \
        case TEAM_WARP: WORK(Team<TEAM_WARP>()); break;     \
        default: WORK(Team<TEAM_BLOCK>());          \
    }

// Runs its body for the rows that a team comes by.
#define TEAM_ROWS(row, team, rows) \
    _Pragma("unroll 1") for (i64 row = team.number(), row##_step = team.teams(); row < (rows); row += row##_step)

// Runs its body for the elements of a row that a thread of the team takes.
#define TEAM_ELEMENTS(j, team, count) \
    _Pragma("unroll 4") for (i64 j = team.rank(); j < (count); j += team.size())
