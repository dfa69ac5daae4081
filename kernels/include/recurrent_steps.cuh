// A step of a sequence a launch, where the products of the states come from elsewhere.
#pragma once
#include "sequence.cuh"

// A step of all samples, where the products of the states, (gates, batch, units), come from elsewhere. What is reset first
// takes two launches: `stage` 0 makes the reset state, for whose product `stage` 1 waits. `dropped_state` receives the state
// after the step for the next products, with dropout one for each gate.
template <class Cell, class T>
__device__ __forceinline__ void step(const T* sums, const T* bias, const T* products, Acc<T>* running,
                                     const bool* mask, const bool* dropout, double scale, T* dropped_state, T* y, T* states, T* kept,
                                     const Sequence& seq, Activations act, i64 place, int stage) {
    using A = Acc<T>;
    const i64 time = seq.time(place), all = seq.batch * seq.units;
    const int width = Cell::GATES * seq.units;
    GRID_STRIDE(i, all) {
        const i64 sample = i / seq.units;
        const int u = static_cast<int>(i % seq.units);
        A own[Cell::GATES], product[Cell::GATES], old[2], now[2], plane[4];
#pragma unroll
        for (int g = 0; g < Cell::GATES; g++) {
            own[g] = load(sums, (sample * seq.steps + time) * width + g * seq.units + u);
            product[g] = load(products, g * all + i) + (bias ? load(bias, g * seq.units + u) : A(0));
        }
#pragma unroll
        for (int s = 0; s < Cell::STATES; s++) old[s] = load(running, s * all + i);
        if constexpr (Cell::RECURRENT < Cell::GATES) {
            if (stage == 0) {
                const A factor = dropped(dropout, static_cast<A>(scale), seq, Cell::GATES - 1, sample, u);
                store(dropped_state, (Cell::GATES - 1) * all + i, Cell::reset(own, product, old, act) * factor);
                continue;
            }
        }
        Cell::step(own, product, old, now, plane, act);
        const bool counts = !mask || mask[sample * seq.steps + time], last = place + 1 == seq.steps;
#pragma unroll
        for (int s = 0; s < Cell::STATES; s++) {
            if (seq.is(RECORD) && place == 0) store(kept, seq.before(s, time, sample, u), old[s]);
            if (!counts) now[s] = old[s];
            store(running, s * all + i, now[s]);
            if (seq.is(RECORD)) store(kept, seq.after(s, time, sample, u), now[s]);
            if (last) store(states, s * all + i, now[s]);
        }
        if (seq.is(RECORD))
#pragma unroll
            for (int p = 0; p < Cell::PLANES; p++) store(kept, seq.plane(time, p, sample, u), plane[p]);
        const A out = !counts && seq.is(ZERO_OUTPUT) ? A(0) : now[0];
        if (seq.is(SEQUENCES))
            store(y, (sample * seq.steps + seq.output_time(place)) * seq.units + u, out);
        else if (last)
            store(y, i, out);
#pragma unroll
        for (int g = 0; g < Cell::RECURRENT; g++)
            store(dropped_state, g * all + i, now[0] * dropped(dropout, static_cast<A>(scale), seq, g, sample, u));
    }
}

// A step back of all samples. `products` are those of the gradients of the step after it with the transposed kernel, (gates,
// batch, units), which are added to the running gradient of the state first; `through` receives what goes into the next.
// Past the first step, `place` -1, only that is left to do. What is reset first takes two launches, as forward.
template <class Cell, class T>
__device__ __forceinline__ void step_back(const T* kept, const T* dy, const bool* mask, const bool* dropout, double scale_,
                                          const T* products, T* through_, Acc<T>* running, T* d_sums, T* d_products,
                                          T* before_, T* d_initial, const Sequence& seq, Activations act, i64 place, int stage) {
    using A = Acc<T>;
    const i64 time = seq.time(place), all = seq.batch * seq.units;
    const int width = Cell::GATES * seq.units;
    const A scale = static_cast<A>(scale_);
    const bool last = place + 1 == seq.steps;
    GRID_STRIDE(i, all) {
        const i64 sample = i / seq.units;
        const int u = static_cast<int>(i % seq.units);
        const auto product = [&](int g) {
            return load(products, g * all + i) * dropped(dropout, scale, seq, g, sample, u);
        };
        A d[2];
#pragma unroll
        for (int s = 0; s < Cell::STATES; s++) d[s] = running[s * all + i];
        if (stage == 0 && !last)
#pragma unroll
            for (int g = 0; g < Cell::RECURRENT; g++) d[0] += product(g);
        if (place < 0) {
#pragma unroll
            for (int s = 0; s < Cell::STATES; s++) store(d_initial, s * all + i, d[s]);
            continue;
        }
        const bool counts = !mask || mask[sample * seq.steps + time];
        A plane[4], old[2], now[2], own[Cell::GATES], through[Cell::GATES];
#pragma unroll
        for (int p = 0; p < Cell::PLANES; p++) plane[p] = load(kept, seq.plane(time, p, sample, u));
#pragma unroll
        for (int s = 0; s < Cell::STATES; s++) {
            old[s] = load(kept, seq.before(s, time, sample, u));
            now[s] = load(kept, seq.after(s, time, sample, u));
        }
        const i64 at = (sample * seq.steps + time) * width + u;
        if (stage == 0) {
            store(before_, (sample * seq.steps + time) * seq.units + u, old[0]);
            if (dy && (counts || !seq.is(ZERO_OUTPUT))) {
                if (seq.is(SEQUENCES))
                    d[0] += load(dy, (sample * seq.steps + seq.output_time(place)) * seq.units + u);
                else if (last)
                    d[0] += load(dy, i);
            }
            A before[2] = {d[0], d[1]};
            Cell::step_back(plane, old, now, before, own, through, act);
#pragma unroll
            for (int g = 0; g < Cell::GATES; g++) {
                own[g] = counts ? flushed(own[g]) : A(0);
                through[g] = counts ? flushed(through[g]) : A(0);
                store(through_, g * all + i, through[g]);
                store(d_sums, at + g * seq.units, own[g]);
                if (d_products) store(d_products, at + g * seq.units, through[g]);
            }
#pragma unroll
            for (int s = 0; s < Cell::STATES; s++) running[s * all + i] = counts ? flushed(before[s]) : d[s];
        } else if constexpr (Cell::RECURRENT < Cell::GATES) {
            if (!counts) continue;
            own[1] = A(0);
            running[i] = d[0] + Cell::reset_back(plane, old, product(Cell::GATES - 1), own, act);
            own[1] = flushed(own[1]);
            store(through_, all + i, own[1]);
            store(d_sums, at + seq.units, own[1]);
        }
    }
}
