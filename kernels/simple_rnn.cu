// h ← φ(s + q), with the product q of h with the recurrent kernel. The plane is what the slope is computed from.
#include "recurrent.cuh"

struct SimpleRnn {
    static constexpr int GATES = 1, RECURRENT = 1, STATES = 1, PLANES = 1;

    template <class A>
    static __device__ __forceinline__ void step(const A (&sum)[1], const A (&product)[1], const A (&)[2], A (&now)[2],
                                                A (&plane)[4], Activations act) {
        now[0] = activation_of(act.own, sum[0] + product[0]);
        plane[0] = kept_of(act.own, sum[0] + product[0], now[0]);
    }

    template <class A>
    static __device__ __forceinline__ void step_back(const A (&plane)[4], const A (&)[2], const A (&)[2], A (&d)[2],
                                                     A (&own)[1], A (&through)[1], Activations act) {
        own[0] = through[0] = d[0] * slope_of(act.own, plane[0]);
        d[0] = A(0);
    }
};

CELL_ENTRIES(simple_rnn, SimpleRnn)
