"""Metrics over three successive batches of different sizes: the result after each, and the state at the end."""

import common
from common import keras, np

metrics = keras.metrics
SIZES = (5, 3, 8)


def write_metric(folder, name, metric, batches, weighted=False):
    """`batches`: a list of (y_true, y_pred)."""
    random = common.rng(name)
    arrays, results = {}, []
    for i, (y_true, y_pred) in enumerate(batches):
        sample_weight = None
        arrays |= {f"y_true.{i}": y_true, f"y_pred.{i}": y_pred}
        if weighted:
            sample_weight = random.uniform(0, 2, y_pred.shape[:1]).astype("float32")
            sample_weight[0] = 0
            arrays[f"sample_weight.{i}"] = sample_weight
        metric.update_state(y_true, y_pred, sample_weight)
        results.append(np.float32(metric.result()))
    arrays["results"] = np.array(results, "float32")
    arrays |= {f"state.{v.name}": v.value for v in metric.variables}
    golden = common.config(metric) | {"batches": len(batches), "sample_weight": weighted}
    common.write(folder, name, arrays, golden)


def both(folder, name, cls, batches, **options):
    write_metric(folder, name, cls(**options), batches)
    write_metric(folder, f"{name}_weighted", cls(**options), batches, weighted=True)


def accuracy(folder):
    random = common.rng("accuracy")
    labels = [(random.integers(0, 3, n), random.integers(0, 3, n)) for n in SIZES]
    both(folder, "accuracy_float", metrics.Accuracy, [(t.astype("float32"), p.astype("float32")) for t, p in labels])
    both(folder, "accuracy_int", metrics.Accuracy, [(t.astype("int32"), p.astype("int32")) for t, p in labels])
    table = [tuple(random.integers(0, 2, (2, n, 4)).astype("float32")) for n in SIZES]
    both(folder, "accuracy_table", metrics.Accuracy, table)


def binary(folder):
    random = common.rng("binary")
    # Values at the threshold itself count as below it.
    grid = np.array([0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 1], "float32")
    table = [(random.integers(0, 2, (n, 3)).astype("float32"), random.choice(grid, (n, 3))) for n in SIZES]
    column = [(t[:, :1], p[:, :1]) for t, p in table]
    both(folder, "binary_accuracy", metrics.BinaryAccuracy, column)
    both(folder, "binary_accuracy_int", metrics.BinaryAccuracy, [(t.astype("int32"), p) for t, p in column])
    both(folder, "binary_accuracy_rank_1", metrics.BinaryAccuracy, [(t[:, 0], p) for t, p in column])
    both(folder, "binary_accuracy_multilabel", metrics.BinaryAccuracy, table)
    both(folder, "binary_accuracy_threshold_quarter", metrics.BinaryAccuracy, table, threshold=0.25)
    both(folder, "binary_accuracy_threshold_0.7", metrics.BinaryAccuracy, column, threshold=0.7)


def categorical(folder):
    random = common.rng("categorical")
    predictions = [random.uniform(0, 1, (n, 4)).astype("float32") for n in SIZES]
    # Ties: the first of the largest wins.
    tied = [p.round() for p in predictions]
    tied[0][0], tied[0][1], tied[1][0], tied[2][0] = 0, 1, [0, 0.5, 0.5, 0], [-1, -1, -2, -2]
    labels = [random.integers(0, 4, n).astype("int32") for n in SIZES]
    labels[0][:2], labels[1][0], labels[2][0] = 0, 1, 1
    dense, sparse = metrics.CategoricalAccuracy, metrics.SparseCategoricalAccuracy
    for label, values in [("", predictions), ("_ties", tied)]:
        hot = [np.eye(4, dtype="float32")[l] for l in labels]
        both(folder, f"categorical_accuracy{label}", dense, list(zip(hot, values)))
        both(folder, f"sparse_categorical_accuracy{label}", sparse, list(zip(labels, values)))
    soft = [random.uniform(0, 1, (n, 4)).astype("float32") for n in SIZES]
    both(folder, "categorical_accuracy_soft_labels", dense, list(zip(soft, predictions)))
    column = [l[:, None] for l in labels]
    both(folder, "sparse_categorical_accuracy_column", sparse, list(zip(column, predictions)))
    three = [random.integers(0, 4, (n, 2)).astype("int32") for n in SIZES]
    scores = [common.normal(random, (n, 2, 4)) for n in SIZES]
    write_metric(folder, "sparse_categorical_accuracy_3d", sparse(), list(zip(three, scores)))
    hot = [np.eye(4, dtype="float32")[l] for l in three]
    write_metric(folder, "categorical_accuracy_3d", dense(), list(zip(hot, scores)))


def regression(folder):
    random = common.rng("regression")
    for cls in (metrics.MeanAbsoluteError, metrics.MeanSquaredError):
        name = cls().name
        table = [(common.normal(random, (n, 3)), common.normal(random, (n, 3))) for n in SIZES]
        both(folder, name, cls, table)
        both(folder, f"{name}_rank_1", cls, [(t[:, 0], p[:, :1]) for t, p in table])
        both(folder, f"{name}_int", cls, [(np.rint(t).astype("int32"), p) for t, p in table])


def main():
    folder = common.output_folder()
    for family in (accuracy, binary, categorical, regression):
        family(folder)


main()
