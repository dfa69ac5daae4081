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
    model = keras.Sequential(name="model", layers=[
        keras.Input((FEATURES,)),
        layers.Dense(6, "tanh", name="dense"),
        layers.Dense(outputs, activation, name="dense_1"),
    ])
    for weight in model.weights:
        weight.assign(common.normal(random, weight.shape, 0.5))
    arrays = {f"initial.{w.path.removeprefix('model/')}": np.array(w.value) for w in model.weights}
    x, y = common.normal(random, (samples, FEATURES)), targets(random, samples)
    arrays |= {"x": x, "y": y}
    if count := options.pop("validation_samples", 0):
        val = common.normal(random, (count, FEATURES)), targets(random, count)
        arrays |= {"val_x": val[0], "val_y": val[1]}
        options["validation_data"] = val
    loss, optimizer, measured = compiled()
    golden = {
        "outputs": outputs,
        "activation": activation,
        "loss": common.config(loss),
        "optimizer": common.config(optimizer),
        "metrics": [common.config(m) for m in measured],
        "epochs": EPOCHS,
        "batch": BATCH,
        "validation_split": options.get("validation_split", 0.0),
    }
    model.compile(optimizer, loss, metrics=measured)
    history = model.fit(x, y, BATCH, EPOCHS, verbose=0, shuffle=False, **options).history
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


main()
