"""`fit` as a whole: the history of a run whose last batch is smaller, with validation data and metrics.

The data is in its order (`shuffle=False`), since no two engines share a generator.
"""

import common
from common import keras, np

layers, losses, metrics, optimizers = keras.layers, keras.losses, keras.metrics, keras.optimizers
EPOCHS, BATCH, FEATURES = 3, 8, 5


def run(folder, name, outputs, activation, compiled, targets, samples, **options):
    keras.utils.clear_session()
    random = common.rng(name)
    hidden, normalized = options.pop("hidden", {}), options.pop("normalized", None)
    model = keras.Sequential(name="model", layers=[
        keras.Input((FEATURES,)),
        layers.Dense(6, "tanh", name="dense", **hidden),
        *([normalized] if normalized else []),
        layers.Dense(outputs, activation, name="dense_1"),
    ])
    for weight in model.trainable_weights:
        weight.assign(common.normal(random, weight.shape, 0.5))
    arrays = {f"initial.{w.path.removeprefix('model/')}": np.array(w.value) for w in model.weights}
    x, y = common.normal(random, (samples, FEATURES)), targets(random, samples)
    arrays |= {"x": x, "y": y}
    if count := options.pop("validation_samples", 0):
        val = common.normal(random, (count, FEATURES)), targets(random, count)
        arrays |= {"val_x": val[0], "val_y": val[1]}
        options["validation_data"] = val
    if options.pop("weighted", False):
        options["sample_weight"] = random.uniform(0, 2, samples).astype("float32")
        options["sample_weight"][::4] = 0
        arrays["sample_weight"] = options["sample_weight"]
    epochs = options.pop("epochs", EPOCHS)
    loss, optimizer, measured, *weighted = compiled()
    golden = {
        "outputs": outputs,
        "activation": activation,
        "loss": common.config(loss),
        "optimizer": common.config(optimizer),
        "metrics": [common.config(m) for m in measured],
        "epochs": epochs,
        "batch": BATCH,
        "validation_split": options.get("validation_split", 0.0),
    }
    if hidden:
        golden["hidden"] = common.config(model.layers[0])["config"]
    if normalized:
        golden["normalized"] = common.config(normalized)
    if weighted:
        golden["weighted_metrics"] = [common.config(m) for m in weighted[0]]
    if "class_weight" in options:
        golden["class_weight"] = list(options["class_weight"].items())
    model.compile(optimizer, loss, metrics=measured, weighted_metrics=weighted[0] if weighted else None)
    history = model.fit(x, y, BATCH, epochs, verbose=0, shuffle=False, **options).history
    arrays |= {f"history.{key}": np.array(values, "float32") for key, values in history.items()}
    golden["history"] = list(history)
    arrays |= {f"final.{w.path.removeprefix('model/')}": np.array(w.value) for w in model.weights}
    common.write(folder, name, arrays, golden)


def main():
    folder = common.output_folder()
    classes = lambda random, n: random.integers(0, 3, n).astype("int32")
    # Of 37 samples 27 are trained on, as 8 + 8 + 8 + 3, and 10 held back, as 8 + 2.
    run(folder, "classes_validation_split", 3, "softmax",
        lambda: (losses.SparseCategoricalCrossentropy(), optimizers.SGD(0.3, momentum=0.9, nesterov=True),
                 [metrics.SparseCategoricalAccuracy(name="acc")]),
        classes, 37, validation_split=0.27)
    run(folder, "numbers_validation_data", 2, "linear",
        lambda: (losses.MeanSquaredError(), optimizers.SGD(0.1, momentum=0.5),
                 [metrics.MeanAbsoluteError(), metrics.MeanSquaredError(name="mse")]),
        lambda random, n: common.normal(random, (n, 2)), 29, validation_samples=11)
    # A sum grows with the batch: how the epoch weighs it shows.
    run(folder, "bits_sum", 4, "sigmoid",
        lambda: (losses.BinaryCrossentropy(reduction="sum"), optimizers.SGD(0.01), [metrics.BinaryAccuracy()]),
        lambda random, n: random.integers(0, 2, (n, 4)).astype("float32"), 19)
    # Weights of classes are for the samples that are trained on, and those of samples for all.
    run(folder, "class_weight", 3, "softmax",
        lambda: (losses.SparseCategoricalCrossentropy(), optimizers.SGD(0.3),
                 [metrics.SparseCategoricalAccuracy()], [metrics.SparseCategoricalAccuracy()]),
        classes, 37, validation_split=0.27, class_weight={0: 2.5, 2: 0.25})
    run(folder, "class_weight_one_hot", 3, "softmax",
        lambda: (losses.CategoricalCrossentropy(), optimizers.SGD(0.3), [metrics.F1Score(average="macro")]),
        lambda random, n: np.eye(3, dtype="float32")[random.integers(0, 3, n)], 19, class_weight={1: 3.0})
    run(folder, "sample_weight", 2, "linear",
        lambda: (losses.Huber(), optimizers.SGD(0.1), [metrics.MeanSquaredError(name="mse")],
                 [metrics.MeanSquaredError(name="mse"), metrics.RootMeanSquaredError()]),
        lambda random, n: common.normal(random, (n, 2)), 29, validation_split=0.3, weighted=True)
    run(folder, "sample_weight_mean", 1, "sigmoid",
        lambda: (losses.BinaryFocalCrossentropy(reduction="mean_with_sample_weight"), optimizers.SGD(0.3),
                 [metrics.AUC(name="auc")], [metrics.Precision(name="precision"), metrics.Recall(name="recall")]),
        lambda random, n: random.integers(0, 2, (n, 1)).astype("float32"), 29, validation_samples=11, weighted=True)
    # Twenty steps with each of the other losses.
    numbers = lambda random, n: common.normal(random, (n, 3))
    positive = lambda random, n: random.uniform(0.5, 3, (n, 3)).astype("float32")
    counts = lambda random, n: random.poisson(2, (n, 3)).astype("float32")
    bits = lambda random, n: random.integers(0, 2, (n, 3)).astype("float32")
    hot = lambda random, n: np.eye(3, dtype="float32")[random.integers(0, 3, n)]
    for cls, activation, targets in [
        (losses.MeanAbsoluteError, "linear", numbers),
        (losses.MeanAbsolutePercentageError, "linear", positive),
        (losses.MeanSquaredLogarithmicError, "softplus", positive),
        (losses.LogCosh, "linear", numbers),
        (losses.Huber, "linear", numbers),
        (losses.Poisson, "softplus", counts),
        (losses.CosineSimilarity, "linear", numbers),
        (losses.Hinge, "tanh", bits),
        (losses.SquaredHinge, "tanh", bits),
        (losses.CategoricalHinge, "linear", hot),
        (losses.KLDivergence, "softmax", hot),
        (losses.CategoricalCrossentropy, "softmax", hot),
        (losses.BinaryFocalCrossentropy, "sigmoid", bits),
        (losses.CategoricalFocalCrossentropy, "softmax", hot),
        (losses.Dice, "sigmoid", bits),
        (losses.Tversky, "sigmoid", bits),
    ]:
        rate = 1e-3 if cls is losses.MeanAbsolutePercentageError else 0.1
        run(folder, f"loss_{cls().name}", 3, activation, lambda: (cls(), optimizers.SGD(rate), []), targets, 29, epochs=5)
    # Statistics that follow twenty batches, the last of an epoch smaller, and that validation uses.
    run(folder, "batch_normalization", 2, "linear",
        lambda: (losses.MeanSquaredError(), optimizers.SGD(0.1, momentum=0.5), [metrics.MeanAbsoluteError()]),
        lambda random, n: common.normal(random, (n, 2)), 29, validation_samples=11, epochs=5,
        normalized=layers.BatchNormalization(momentum=0.8, name="batch_normalization"))
    # What is added to the loss, in validation too, and what the weights are held to.
    run(folder, "penalties", 2, "linear",
        lambda: (losses.MeanSquaredError(), optimizers.SGD(0.1, momentum=0.5), [metrics.MeanAbsoluteError()]),
        lambda random, n: common.normal(random, (n, 2)), 29, validation_samples=11,
        hidden={
            "kernel_regularizer": keras.regularizers.L1L2(0.02, 0.03),
            "bias_regularizer": "l2",
            "activity_regularizer": keras.regularizers.L2(0.01),
            "kernel_constraint": keras.constraints.MaxNorm(0.8),
            "bias_constraint": "non_neg",
        })


main()
