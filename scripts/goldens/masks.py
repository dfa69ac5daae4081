"""Masks that reach a loss: losses and metrics of masked predictions."""

import common
from common import jax, keras, np

losses, metrics = keras.losses, keras.metrics
RAGGED = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]], bool)


def reduced(folder):
    """The loss of masked predictions for every reduction, and two metrics, one of which knows no masks."""
    random = common.rng("reduced")
    t, p = common.normal(random, (3, 4, 2)), common.normal(random, (3, 4, 2))
    kinds = {"ragged": RAGGED, "kept": np.ones_like(RAGGED), "dropped": np.zeros_like(RAGGED)}
    weights = {
        "none": None,
        "sample": random.uniform(0, 2, (3, 1)).astype("float32"),
        "element": random.uniform(0, 2, (3, 4)).astype("float32"),
    }
    arrays = {"target": t, "prediction": p} | {f"mask.{k}": m for k, m in kinds.items()}
    arrays |= {f"weight.{k}": w for k, w in weights.items() if w is not None}
    reductions = ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none"]
    for kind, mask in kinds.items():
        y = jax.numpy.array(p)
        keras.src.backend.set_keras_mask(y, jax.numpy.array(mask))
        for weight, w in weights.items():
            for reduction in reductions:
                loss = losses.MeanSquaredError(reduction=None if reduction == "none" else reduction)
                arrays[f"loss.{reduction}.{kind}.{weight}"] = loss(t, y, w)
            for metric in metrics.MeanAbsoluteError(), metrics.RootMeanSquaredError():
                if isinstance(metric, metrics.RootMeanSquaredError) and w is not None:
                    continue
                metric.update_state(t, y, w)
                arrays[f"metric.{type(metric).__name__}.{kind}.{weight}"] = metric.result()
    names = {"masks": list(kinds), "weights": list(weights), "reductions": reductions}
    common.write(folder, "reduced", arrays, names | {"metrics": ["MeanAbsoluteError", "RootMeanSquaredError"]})


reduced(common.output_folder())
