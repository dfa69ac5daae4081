// Images through maps, and boxes on them.
#include "dtypes.cuh"

// Which of `extent` elements stands for the one at `index`, in the order of FillMode::ALL; -1 where none does.
__device__ __forceinline__ i64 place(i64 index, i64 extent, int fill) {
    switch (fill) {
        case 0: return 0 <= index && index < extent ? index : -1;
        case 1: return min(max(index, 0ll), extent - 1);
        default: break;
    }
    const i64 period = fill == 2 ? 2 * extent : extent;
    i64 at = index % period;
    if (at < 0) at += period;
    return at < extent ? at : period - 1 - at;
}

// out[n, i, j, c] = x[n] at the column a0 j + a1 i + a2 and the row b0 j + b1 i + b2, with the six numbers of n in
// `maps`
template <class T>
__device__ void affine_transform(T* out, const T* x, const float* maps, i64 n, i64 height, i64 width, i64 channels,
                                 i64 out_height, i64 out_width, int bilinear, int fill, double value) {
    using A = Acc<T>;
    GRID_STRIDE(at, n) {
        const i64 pixel = at / channels, channel = at - pixel * channels;
        const i64 line = pixel / out_width, j = pixel - line * out_width;
        const i64 image = line / out_height, i = line - image * out_height;
        const float* map = maps + 6 * image;
        const T* from = x + image * height * width * channels + channel;
        const double column = map[0] * static_cast<double>(j) + map[1] * static_cast<double>(i) + map[2];
        const double row = map[3] * static_cast<double>(j) + map[4] * static_cast<double>(i) + map[5];
        const auto pixel_at = [&](i64 row, i64 column) {
            const i64 r = place(row, height, fill), c = place(column, width, fill);
            return r < 0 || c < 0 ? static_cast<A>(value) : load(from, (r * width + c) * channels);
        };
        if (!bilinear) {
            store(out, at, pixel_at(static_cast<i64>(round(row)), static_cast<i64>(round(column))));
            continue;
        }
        const double top = floor(row), left = floor(column);
        const i64 r = static_cast<i64>(top), c = static_cast<i64>(left);
        const A down = static_cast<A>(row - top), right = static_cast<A>(column - left);
        store(out, at,
              (A(1) - down) * ((A(1) - right) * pixel_at(r, c) + right * pixel_at(r, c + 1)) +
                  down * ((A(1) - right) * pixel_at(r + 1, c) + right * pixel_at(r + 1, c + 1)));
    }
}

// out[n, i, j] = start[n] <= (i, j) < end[n], in parts of the height and the width
extern "C" __global__ void box_mask_f32(bool* out, const float* start, const float* end, i64 n, i64 height, i64 width) {
    GRID_STRIDE(at, n) {
        const i64 line = at / width, j = at - line * width, image = line / height, i = line - image * height;
        const auto inside = [&](i64 at, int axis, i64 extent) {
            const float low = start[2 * image + axis] * extent, high = end[2 * image + axis] * extent;
            return low <= at && at < high;
        };
        out[at] = inside(i, 0, height) && inside(j, 1, width);
    }
}

#define ENTRY(S, T)                                                                                                   \
    extern "C" __global__ void affine_transform_##S(T* out, const T* x, const float* maps, i64 n, i64 height,         \
                                                    i64 width, i64 channels, i64 out_height, i64 out_width,           \
                                                    int bilinear, int fill, double value) {                           \
        affine_transform(out, x, maps, n, height, width, channels, out_height, out_width, bilinear, fill, value);     \
    }
FLOATS(ENTRY)
