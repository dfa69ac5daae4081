"""The engine's random numbers (src/device/cpu/philox.rs), so that what Keras trains draws the same noise."""

from common import np


def blocks(seed, step, stream, count):
    """The four 32-bit numbers of the first `count` blocks, (count, 4)."""
    index = np.arange(count, dtype="uint64")
    low = np.uint64(0xFFFFFFFF)
    a, b = index & low, index >> np.uint64(32)
    c, d = (np.full(count, value % 2**32, dtype="uint64") for value in (stream, step))
    k, l = seed % 2**32, seed >> 32 & 0xFFFFFFFF
    for _ in range(10):
        p, q = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = q >> np.uint64(32) ^ b ^ np.uint64(k), q & low, p >> np.uint64(32) ^ d ^ np.uint64(l), p & low
        k, l = (k + 0x9E3779B9) % 2**32, (l + 0xBB67AE85) % 2**32
    return np.stack([a, b, c, d], axis=1)


def unit(numbers):
    return (numbers >> np.uint64(8)).astype("float64") / 2**24


def shaped(values, shape):
    return values.ravel()[: int(np.prod(shape))].reshape(shape)


def uniform(seed, step, stream, shape):
    """Uniform in [0, 1), exact."""
    count = -(-int(np.prod(shape)) // 4)
    return shaped(unit(blocks(seed, step, stream, count)), shape).astype("float32")


def normal(seed, step, stream, shape):
    """Standard normal, by Box and Muller in float64: the engine's float32 is within its rounding."""
    count = -(-int(np.prod(shape)) // 4)
    u = unit(blocks(seed, step, stream, count)).reshape(-1, 2)
    radius, turn = np.sqrt(-2 * np.log(1 - u[:, 0])), 2 * np.pi * u[:, 1]
    return shaped(np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1), shape).astype("float32")
