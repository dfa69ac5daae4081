// h ← z·h + (1 − z)·n with z = σ(s_z + q_z), r = σ(s_r + q_r) and the products q of h with the recurrent kernel; n = φ(s_n + r·q_n)
// resets after the product, and n = φ(s_n + (r·h)·R_n) before it.
#include "recurrent.cuh"

template <class A> __device__ __forceinline__ A mixed(A z, A n, A old) { return n + z * (old - n); }

// The planes are z, r, n and q_n.
struct ResetAfter {
    static constexpr int GATES = 3, RECURRENT = 3, STATES = 1, PLANES = 4;

    template <class A>
    static __device__ __forceinline__ void step(const A (&sum)[3], const A (&product)[3], const A (&old)[2], A (&now)[2],
                                                A (&plane)[4], Activations act) {
        const A z_sum = sum[0] + product[0], r_sum = sum[1] + product[1];
        const A z = activation_of(act.recurrent, z_sum), r = activation_of(act.recurrent, r_sum);
        const A n_sum = sum[2] + r * product[2], n = activation_of(act.own, n_sum);
        plane[0] = kept_of(act.recurrent, z_sum, z);
        plane[1] = kept_of(act.recurrent, r_sum, r);
        plane[2] = kept_of(act.own, n_sum, n);
        plane[3] = product[2];
        now[0] = mixed(z, n, old[0]);
    }

    template <class A>
    static __device__ __forceinline__ void step_back(const A (&plane)[4], const A (&old)[2], const A (&)[2], A (&d)[2],
                                                     A (&own)[3], A (&through)[3], Activations act) {
        const A z = value_of(act.recurrent, plane[0]), r = value_of(act.recurrent, plane[1]);
        const A n = value_of(act.own, plane[2]);
        own[0] = through[0] = d[0] * (old[0] - n) * slope_of(act.recurrent, plane[0]);
        own[2] = d[0] * (A(1) - z) * slope_of(act.own, plane[2]);
        own[1] = through[1] = own[2] * plane[3] * slope_of(act.recurrent, plane[1]);
        through[2] = own[2] * r;
        d[0] *= z;
    }
};

// The planes are z, r and n.
struct ResetFirst {
    static constexpr int GATES = 3, RECURRENT = 2, STATES = 1, PLANES = 3;

    template <class A>
    static __device__ __forceinline__ A reset(const A (&sum)[3], const A (&product)[3], const A (&old)[2],
                                              Activations act) {
        return activation_of(act.recurrent, sum[1] + product[1]) * old[0];
    }

    template <class A>
    static __device__ __forceinline__ void step(const A (&sum)[3], const A (&product)[3], const A (&old)[2], A (&now)[2],
                                                A (&plane)[4], Activations act) {
        const A z_sum = sum[0] + product[0], r_sum = sum[1] + product[1], n_sum = sum[2] + product[2];
        const A z = activation_of(act.recurrent, z_sum), r = activation_of(act.recurrent, r_sum);
        const A n = activation_of(act.own, n_sum);
        plane[0] = kept_of(act.recurrent, z_sum, z);
        plane[1] = kept_of(act.recurrent, r_sum, r);
        plane[2] = kept_of(act.own, n_sum, n);
        now[0] = mixed(z, n, old[0]);
    }

    template <class A>
    static __device__ __forceinline__ void step_back(const A (&plane)[4], const A (&old)[2], const A (&)[2], A (&d)[2],
                                                     A (&own)[3], A (&through)[3], Activations act) {
        const A z = value_of(act.recurrent, plane[0]), n = value_of(act.own, plane[2]);
        own[0] = through[0] = d[0] * (old[0] - n) * slope_of(act.recurrent, plane[0]);
        own[1] = through[1] = A(0);
        own[2] = through[2] = d[0] * (A(1) - z) * slope_of(act.own, plane[2]);
        d[0] *= z;
    }

    // From the gradient of the reset state that of the reset gate's sum; returns that of the state.
    template <class A>
    static __device__ __forceinline__ A reset_back(const A (&plane)[4], const A (&old)[2], A d_reset, A (&own)[3],
                                                   Activations act) {
        own[1] = d_reset * old[0] * slope_of(act.recurrent, plane[1]);
        return d_reset * value_of(act.recurrent, plane[1]);
    }
};

CELL_ENTRIES(gru, ResetAfter)
CELL_ENTRIES(gru_reset_first, ResetFirst)
