"""Numbers that any language computes to the last bit, so that a file need not hold them."""

from common import np


def bits(seed, size):
    """32 bits for each index 0, 1, … of the tensor with that seed: murmur3's finalizer over index and seed."""
    h = np.arange(size, dtype="uint32") * np.uint32(0x9E3779B1) + np.uint32(seed * 0x85EBCA77 % 2**32)
    for shift, factor in [(16, 0x85EBCA6B), (13, 0xC2B2AE35)]:
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    return h ^ (h >> np.uint32(16))


def draw(seed, shape, scale=1.0):
    """Uniform in [-scale, scale): the high 24 bits over 2^23, less 1, all exact in float32; then one product."""
    values = (bits(seed, int(np.prod(shape))) >> np.uint32(8)).astype("float32") / np.float32(2**23) - np.float32(1)
    return (values * np.float32(scale)).reshape(shape)


def stride(size, most):
    """Of a tensor with more values than `most` every stride-th is stored; odd, so that the sample visits every column of a
    table of even width."""
    return 1 if size <= most else size // most | 1
