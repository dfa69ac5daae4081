"""The Fréchet distance of features that we make up, by SciPy: from the root of a matrix, as others compute FID, and
where covariances have no inverse from singular values."""

import common
import numpy as np
import scipy

# The two ways must agree this well, in parts of the traces; of a matrix without an inverse a root has half the digits.
AGREE = {True: 1e-9, False: 1e-5}


def distance(real, generated):
    real, generated = real.astype("float64"), generated.astype("float64")
    apart = np.square(real.mean(0) - generated.mean(0)).sum()
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, generated)]
    traces = sum(np.trace(c) for c in covariances)
    regular = min(len(real), len(generated)) > real.shape[1]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    by_root = apart + traces - 2 * np.trace(root).real
    scaled = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (real, generated)]
    by_values = apart + traces - 2 * scipy.linalg.svdvals(scaled[0] @ scaled[1].T).sum()
    if not abs(by_root - by_values) <= AGREE[regular] * traces:
        raise ValueError(f"{by_root} by the root, {by_values} by singular values")
    return by_root if regular else by_values


def main():
    folder = common.output_folder()
    # Name, samples of both sides, features.
    for name, n, m, d in [
        ("correlated", 200, 150, 16),
        ("one_feature", 30, 20, 1),
        ("few_samples", 12, 10, 24),
        ("few_generated", 120, 9, 20),
    ]:
        random = common.rng(name)
        real = common.normal(random, (n, d)) @ common.normal(random, (d, d)) + common.normal(random, d)
        generated = common.normal(random, (m, d), 0.7) @ common.normal(random, (d, d)) + common.normal(random, d)
        golden = {"distance": distance(real, generated), "scipy": scipy.__version__}
        common.write(folder, name, {"real": real, "generated": generated}, golden)


main()
