// i = σ(sᵢ + qᵢ), f = σ(s_f + q_f), g = φ(s_g + q_g), o = σ(sₒ + qₒ), c ← f·c + i·g, h ← o·φ(c), with the products q of h with
// the recurrent kernel. The states are h and c, the planes i, f, g and o.
#include "recurrent.cuh"

struct Lstm {
    static constexpr int GATES = 4, RECURRENT = 4, STATES = 2, PLANES = 4;

    template <class A>
    static __device__ __forceinline__ void step(const A (&sum)[4], const A (&product)[4], const A (&old)[2], A (&now)[2],
                                                A (&plane)[4], Activations act) {
        A value[4];
#pragma unroll
        for (int g = 0; g < 4; g++) {
            const int which = g == 2 ? act.own : act.recurrent;
            value[g] = activation_of(which, sum[g] + product[g]);
            plane[g] = kept_of(which, sum[g] + product[g], value[g]);
        }
        now[1] = value[1] * old[1] + value[0] * value[2];
        now[0] = value[3] * activation_of(act.own, now[1]);
    }

    template <class A>
    static __device__ __forceinline__ void step_back(const A (&plane)[4], const A (&old)[2], const A (&now)[2], A (&d)[2],
                                                     A (&own)[4], A (&through)[4], Activations act) {
        const A i = value_of(act.recurrent, plane[0]), f = value_of(act.recurrent, plane[1]);
        const A g = value_of(act.own, plane[2]), o = value_of(act.recurrent, plane[3]);
        const A squashed = activation_of(act.own, now[1]);
        const A dc = d[1] + d[0] * o * slope_of(act.own, kept_of(act.own, now[1], squashed));
        own[0] = dc * g * slope_of(act.recurrent, plane[0]);
        own[1] = dc * old[1] * slope_of(act.recurrent, plane[1]);
        own[2] = dc * i * slope_of(act.own, plane[2]);
        own[3] = d[0] * squashed * slope_of(act.recurrent, plane[3]);
        d[1] = dc * f;
        d[0] = A(0);
#pragma unroll
        for (int gate = 0; gate < 4; gate++) through[gate] = own[gate];
    }
};

CELL_ENTRIES(lstm, Lstm)
