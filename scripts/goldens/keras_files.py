"""Model files saved by Keras, each with inputs, predictions and one more training step, which goes wrong unless the
optimizer's state was read."""

import itertools
import json
import warnings
import zipfile

import common
import hub
from common import keras, np

layers, optimizers = keras.layers, keras.optimizers


def steady(path):
    """Rewrites in place what Keras makes anew at each save, the date and the addresses under `shared_object_id`."""
    with zipfile.ZipFile(path) as old:
        entries = [(item, old.read(item)) for item in old.infolist()]
    numbers, fresh = {}, itertools.count(1)

    def renumber(node):
        if isinstance(node, dict) and "shared_object_id" in node:
            address = node["shared_object_id"]
            if address not in numbers:
                numbers[address] = next(fresh)
            node["shared_object_id"] = numbers[address]
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            renumber(child)

    with zipfile.ZipFile(path, "w") as new:
        for item, data in entries:
            document = json.loads(data) if item.filename.endswith(".json") else None
            if item.filename == "metadata.json":
                document["date_saved"] = "2026-01-01@00:00:00"
            if document is not None:
                renumber(document)
                data = json.dumps(document).encode()
            item.date_time = (1980, 1, 1, 0, 0, 0)
            new.writestr(item, data)


def set_weights(model, random):
    for weight in model.trainable_weights:
        weight.assign(common.normal(random, weight.shape, 0.5))


def compiled(model):
    return getattr(model, "optimizer", None) is not None


HOLDING = (layers.MultiHeadAttention, layers.GroupQueryAttention, hub.TransformerEncoder, hub.TransformerDecoder)


def paths(model):
    """The paths of a model's weights, of layers that hold others behind the attributes that hold the layers inside."""
    names = {}
    for layer in model.layers:
        if isinstance(layer, (layers.RNN, layers.Bidirectional)):
            names |= common.names_of(layer, f"{layer.name}/")
        elif isinstance(layer, HOLDING):
            names |= hub.names_of(layer, f"{layer.name}/")
    return [names.get(id(v), v.path) for v in model.weights]


def variables(model):
    arrays = {f"weight.{path}": np.array(v.value) for path, v in zip(paths(model), model.weights)}
    if compiled(model):
        arrays |= {f"state.{name}": np.array(v.value) for name, v in common.state(model.optimizer)}
    return arrays


def write_model(folder, name, model, inputs, targets=None):
    """Saves the model, opens it again as a user would, and writes what the opened one does. Of layers whose projections
    share the names by which Keras calls an optimizer's slots, these are not written: the next step says whether they
    were read."""
    path = folder / f"{name}.keras"
    model.save(path)
    steady(path)
    saved = variables(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras only warns of an optimizer's state that it cannot read
        warnings.filterwarnings("ignore", message=".*mask")  # nested models do carry them, whatever it says
        model = keras.models.load_model(path)
    arrays = variables(model)
    # In order and not by path: Keras names the weights of an opened Sequential without the model's own name.
    assert len(arrays) == len(saved), f"{name}: a variable was not saved"
    assert all(map(np.array_equal, arrays.values(), saved.values())), f"{name}: a variable was not read back"
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    arrays |= {f"input.{i}": x for i, x in enumerate(inputs)} | {f"output.{i}": y for i, y in enumerate(outputs)}
    shared = any(isinstance(layer, HOLDING) for layer in model.layers)
    state = [name for name, v in common.state(model.optimizer) if not (shared and v.shape)] if compiled(model) else []
    golden = {
        "file": path.name,
        "inputs": len(inputs),
        "outputs": len(outputs),
        "weights": paths(model),
        "state": state,
    }
    golden["next_step"] = targets is not None
    if targets is not None:
        arrays |= {f"target.{i}": y for i, y in enumerate(targets)}
        result = model.train_on_batch(inputs[0], targets[0], return_dict=True)
        arrays["next.loss"] = np.float32(result["loss"])
        arrays["next.output.0"] = model(inputs[0], training=False)
        arrays |= {f"next.{key}": value for key, value in variables(model).items()}
    common.write(folder, name, arrays, golden)


def mlp(folder):
    """A Sequential model after two steps of each optimizer, with the losses and metrics that go with it."""
    cases = {
        "sgd": optimizers.SGD(0.05),
        "sgd_nesterov": optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        "rmsprop": optimizers.RMSprop(0.01),
        "rmsprop_momentum": optimizers.RMSprop(0.01, momentum=0.9, centered=True),
        "adam": optimizers.Adam(0.01, global_clipnorm=0.5),
        "adamw": optimizers.AdamW(0.01, weight_decay=0.004, clipnorm=1.0),
        "adagrad": optimizers.Adagrad(0.01),
        "adadelta": optimizers.Adadelta(1.0),
        "adamax": optimizers.Adamax(0.01),
        "nadam": optimizers.Nadam(0.01),
        "lamb": optimizers.Lamb(0.01),
        "lion": optimizers.Lion(0.01),
        "ftrl": optimizers.Ftrl(0.1),
        "adafactor": optimizers.Adafactor(0.01),
        "muon": optimizers.Muon(0.01, exclude_layers=["output"]),
        "schedule": optimizers.Adam(optimizers.schedules.CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=4)),
        "ema": optimizers.RMSprop(0.01, momentum=0.5, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
        "accumulation": optimizers.Adam(0.01, gradient_accumulation_steps=3, use_ema=True),
        "loss_scale": optimizers.SGD(0.05, loss_scale_factor=256.0),
    }
    for name, optimizer in cases.items():
        random = common.rng("mlp")
        stack = [layers.Dense(7, "relu", name="hidden"), layers.Dense(3, "softmax", name="output")]
        model = keras.Sequential([keras.Input((5,), name="x"), *stack], name="mlp")
        set_weights(model, random)
        loss, metric = keras.losses.SparseCategoricalCrossentropy(), keras.metrics.SparseCategoricalAccuracy()
        model.compile(optimizer, loss, metrics=[metric])
        x, y = common.normal(random, (8, 5)), random.integers(0, 3, (8, 1)).astype("int32")
        for _ in range(2):
            model.train_on_batch(x, y)
        write_model(folder, f"mlp_{name}", model, [x], [y])


def names(folder):
    """Loss and metrics given by name, as most people compile."""
    random = common.rng("names")
    stack = [layers.Dense(6), layers.Activation("tanh"), layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((4,)), *stack])
    set_weights(model, random)
    model.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy", "mae"])
    x, y = common.normal(random, (8, 4)), random.integers(0, 2, (8, 1)).astype("float32")
    model.train_on_batch(x, y)
    write_model(folder, "compiled_by_name", model, [x], [y])


def layers_all(folder):
    """Every layer of the first floor in one chain, never compiled."""
    random = common.rng("chain")
    model = keras.Sequential(
        [
            keras.Input((4, 3), name="x"),
            layers.Rescaling(0.5, offset=-1.0),
            layers.Normalization(axis=-1, mean=[0.5, -1.0, 0.0], variance=[1.0, 4.0, 0.25]),
            layers.Reshape((2, -1)),
            layers.Dense(5, kernel_initializer="he_normal", bias_initializer=keras.initializers.Constant(0.1)),
            layers.Activation("gelu"),
            layers.Dropout(0.4, seed=3),
            layers.Flatten(),
            layers.Dense(6, "silu", use_bias=False, kernel_initializer=keras.initializers.RandomUniform(-0.1, 0.1)),
            layers.Dense(6, "elu"),
            layers.Dense(4, "softplus"),
            layers.Activation("softmax"),
        ],
        name="chain",
    )
    set_weights(model, random)
    write_model(folder, "chain", model, [common.normal(random, (6, 4, 3), 2.0)])


def everyday(folder):
    """Normalisations, activation layers, merges, noise; once without noise, compiled, with penalties and bounds."""
    random = common.rng("everyday")
    model = keras.Sequential(
        [
            keras.Input((4, 3), name="x"),
            layers.GaussianNoise(0.1, seed=1),
            layers.Permute((2, 1)),
            layers.LayerNormalization(axis=[1, 2]),
            layers.PReLU(shared_axes=[1]),
            layers.AlphaDropout(0.2),
            layers.RMSNormalization(),
            layers.Dense(6, "selu", kernel_initializer="orthogonal"),
            layers.ReLU(max_value=2.0, negative_slope=0.1),
            layers.Flatten(),
            layers.Dense(5, "mish", kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")),
            layers.LeakyReLU(),
            layers.RepeatVector(2),
            layers.GaussianDropout(0.3),
            layers.ELU(0.5),
            layers.UnitNormalization(),
            layers.ActivityRegularization(0.1, 0.2),
            layers.Softmax(axis=[1, 2]),
        ],
        name="everyday",
    )
    set_weights(model, random)
    write_model(folder, "everyday", model, [common.normal(random, (6, 4, 3), 2.0)])

    random = common.rng("penalties")
    model = keras.Sequential(
        [
            keras.Input((5,), name="x"),
            layers.Dense(
                7,
                "hard_silu",
                kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02),
                bias_constraint="non_neg",
                activity_regularizer="l2",
                name="hidden",
            ),
            layers.LayerNormalization(gamma_regularizer="l1", beta_constraint=keras.constraints.MaxNorm(0.1)),
            layers.ActivityRegularization(l1=0.01),
            layers.PReLU(alpha_constraint=keras.constraints.MinMaxNorm(0.1, 0.2)),
            layers.Dense(
                3,
                kernel_regularizer=keras.regularizers.OrthogonalRegularizer(0.1, "columns"),
                kernel_constraint="unit_norm",
                name="output",
            ),
        ],
        name="penalties",
    )
    set_weights(model, random)
    model.compile(optimizers.SGD(0.05, momentum=0.9), "mean_squared_error", metrics=["mae"])
    x, y = common.normal(random, (8, 5)), common.normal(random, (8, 3))
    for _ in range(2):
        model.train_on_batch(x, y)
    write_model(folder, "penalties", model, [x], [y])


def statistics(folder):
    """Poolings and normalisations of images; once without what draws, compiled, so that statistics move in the next step."""
    random = common.rng("pooled")
    model = keras.Sequential(
        [
            keras.Input((9, 7, 4), name="x"),
            layers.GroupNormalization(2, gamma_regularizer="l2"),
            layers.MaxPooling2D(3, strides=2, padding="same"),
            layers.SpatialDropout2D(0.2),
            layers.BatchNormalization(axis=1, scale=False, moving_variance_initializer=keras.initializers.Constant(2.0)),
            layers.AveragePooling2D((2, 1)),
            layers.Reshape((8, 4)),
            layers.SpatialDropout1D(0.2),
            layers.AveragePooling1D(2),
            layers.GlobalMaxPooling1D(),
        ],
        name="pooled",
    )
    set_weights(model, random)
    write_model(folder, "pooled", model, [common.normal(random, (3, 9, 7, 4))])

    random = common.rng("statistics")
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3), name="x"),
            layers.BatchNormalization(momentum=0.8, gamma_regularizer="l2"),
            layers.MaxPooling2D(),
            layers.Dense(5, "relu"),
            layers.BatchNormalization(center=False),
            layers.GlobalAveragePooling2D(),
            layers.BatchNormalization(trainable=False),
            layers.Dense(3, "softmax"),
        ],
        name="statistics",
    )
    set_weights(model, random)
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = common.normal(random, (8, 6, 6, 3)), random.integers(0, 3, (8, 1)).astype("int32")
    for _ in range(2):
        model.train_on_batch(x, y)
    write_model(folder, "statistics", model, [x], [y])


def images(folder):
    """Every kind of convolution with normalisations and poolings between them, after two steps."""
    random = common.rng("images")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), name="x"),
            layers.Conv2D(4, 3, padding="same", activation="relu", kernel_regularizer="l2"),
            layers.SeparableConv2D(4, (3, 2), depth_multiplier=2, activation="gelu"),
            layers.BatchNormalization(momentum=0.9),
            layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
            layers.MaxPooling2D((2, 1), strides=1),
            layers.Conv2DTranspose(3, 3, strides=2, output_padding=1, activation="tanh", bias_constraint="non_neg"),
            layers.AveragePooling2D(2),
            layers.Conv2D(6, 2, groups=3, dilation_rate=2),
            layers.Reshape((-1, 6)),
            layers.Conv1D(5, 3, padding="causal"),
            layers.DepthwiseConv1D(2),
            layers.SeparableConv1D(4, 2),
            layers.Conv1DTranspose(4, 2, strides=2),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, "softmax"),
        ],
        name="images",
    )
    set_weights(model, random)
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = common.normal(random, (4, 8, 8, 3)), random.integers(0, 3, (4, 1)).astype("int32")
    for _ in range(2):
        model.train_on_batch(x, y)
    write_model(folder, "images", model, [x], [y])


def functional(folder):
    """Two inputs, two outputs, one layer used on both, a model inside the model."""
    random = common.rng("functional")
    left, right = keras.Input((5,), name="left"), keras.Input((5,), name="right")
    normalization = layers.Normalization(name="normalization")
    normalization.adapt(common.normal(random, (31, 5), 2.0) + np.float32(1))
    shared = layers.Dense(6, "relu", name="shared")
    inner = keras.Sequential(
        [keras.Input((6,)), layers.Dense(4, "tanh", name="narrow"), layers.Dense(6, name="wide")], name="inner"
    )
    a = shared(normalization(left))
    b = shared(layers.Rescaling(0.5, offset=0.25, name="rescaling")(right))
    joined = layers.Concatenate(name="concatenate")(
        [layers.Add(name="add")([a, b]), layers.Multiply(name="multiply")([a, b]), inner(b)]
    )
    joined = layers.Dropout(0.3, seed=5, name="dropout")(joined)
    label = layers.Dense(3, "softmax", name="label")(joined)
    value = layers.Dense(1, name="value")(layers.Add(name="skip")([inner(a), b]))
    model = keras.Model([left, right], [label, value], name="functional")
    set_weights(model, random)
    inputs = [common.normal(random, (7, 5)), common.normal(random, (7, 5))]
    targets = [random.integers(0, 3, (7, 1)).astype("int32"), common.normal(random, (7, 1))]
    write_model(folder, "functional", model, inputs)
    model.compile(
        optimizers.Adam(0.01), ["sparse_categorical_crossentropy", "mean_squared_error"], loss_weights=[1.0, 0.5]
    )
    model.train_on_batch(inputs, targets)
    write_model(folder, "functional_compiled", model, inputs)


def nested(folder):
    """What is hard to put in order: a layer shared at two depths, a nested functional model called twice that makes an
    output itself, models three deep, a frozen layer, a dozen layers of one class in uneven branches."""
    random = common.rng("nested")
    core = keras.Sequential([keras.Input((4,)), layers.Dense(4, "tanh", name="core_dense")], name="core")
    entry = keras.Input((4,), name="entry")
    frozen = layers.Dense(4, name="frozen", trainable=False)
    block = keras.Model(entry, frozen(core(layers.Dense(4, "relu", name="block_dense")(entry))), name="block")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = layers.Dense(4, "sigmoid", name="shared")
    deep = shared(left)
    branches = []
    for i in range(12):
        deep = layers.Dense(4, "tanh", name=f"deep_{i}")(deep)
        if i % 4 == 1:
            branches.append(layers.Dense(4, name=f"branch_{i}")(deep))
    first = block(shared(deep))
    second = block(first)
    joined = layers.Concatenate()([branches[2], layers.Add()([first, right]), branches[0], second, branches[1]])
    model = keras.Model([right, left], [layers.Dense(3, "softmax", name="label")(joined), second], name="nested")
    for weight in model.weights:
        weight.assign(common.normal(random, weight.shape, 0.5))
    inputs = [common.normal(random, (6, 4)), common.normal(random, (6, 4))]
    targets = [random.integers(0, 3, (6, 1)).astype("int32"), common.normal(random, (6, 4))]
    model.compile(optimizers.Adam(0.01), ["sparse_categorical_crossentropy", "mse"], metrics=[["accuracy"], ["mae"]])
    model.train_on_batch(inputs, targets)
    write_model(folder, "nested", model, inputs)


def masked(folder):
    """Masks that reach the loss, and that a pooling uses. Layers inside of `TimeDistributed` are called
    `layer`, which files call the place where they are."""

    def steps(name, model, loss, x, y):
        set_weights(model, common.rng(name))
        # Of one sample that counts, the normalised values are roundings, which Adam would make as large as all others.
        model.compile(optimizers.SGD(0.05, momentum=0.9), loss)
        for _ in range(2):
            model.train_on_batch(x, y)
        write_model(folder, name, model, [x], [y])

    random = common.rng("masked")
    kept = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]], "int32")
    numbers = random.integers(1, 7, (3, 4)).astype("int32") * kept
    labels = random.integers(0, 3, (3, 4)).astype("int32")
    model = keras.Sequential([
        keras.Input((4,), dtype="int32", name="x"),
        layers.Embedding(7, 5, mask_zero=True, name="embedding"),
        layers.TimeDistributed(layers.Dense(4, "tanh", name="layer"), name="steps"),
        layers.BatchNormalization(name="normalization"),
        layers.Dense(3, "softmax", name="label"),
    ], name="tagger")
    steps("masked_tagger", model, "sparse_categorical_crossentropy", numbers, labels)

    x = common.normal(random, (3, 4, 5)) * kept[..., None].astype("float32")
    x[1, 2] = 1.0  # a mean of nothing is NaN
    source = keras.Input((4, 5), name="x")
    masked = layers.Masking(name="masking")(source)
    inner = keras.Sequential([
        keras.Input((5,)), layers.Dense(4, "relu", name="a"), layers.BatchNormalization(name="b"),
    ], name="layer")
    chain = [keras.Input((4, 5)), layers.Dense(4, "tanh", name="c"), layers.Dropout(0.0)]
    inside = keras.Sequential(chain, name="inside")
    left, right = layers.TimeDistributed(inner, name="steps")(masked), inside(masked)
    merged = layers.Multiply(name="times")([left, right]), layers.Maximum(name="most")([left, right])
    joined = layers.Concatenate(name="joined")(list(merged))
    y = layers.Dense(2, name="out")(layers.GlobalAveragePooling1D(name="pool")(joined))
    steps("masked_pooled", keras.Model(source, y, name="pooled"), "mean_squared_error", x, common.normal(random, (3, 2)))


def recurrent(folder):
    """Recurrent layers in both directions over words with gaps; first states that other layers end with; cells one upon the
    other, step by step; sequences of images."""
    random = common.rng("recurrent")
    source = keras.Input((6,), dtype="int32", name="x")
    embedded = layers.Embedding(9, 4, mask_zero=True, name="embedding")(source)
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True, name="memory"), name="both")(embedded)
    y, h, c = layers.LSTM(4, return_sequences=True, return_state=True, dropout=0.0, name="encoder")(both)
    once = layers.GRU(4, reset_after=False, name="once")(y, initial_state=h)
    twice = layers.Bidirectional(layers.SimpleRNN(4), merge_mode="sum", name="twice")(embedded, initial_state=[h, c])
    cells = layers.StackedRNNCells([layers.LSTMCell(4, name="low"), layers.GRUCell(4, name="high")], name="cells")
    stacked = layers.RNN(cells, go_backwards=True, name="stacked")(y, initial_state=[[h, c], [h]])
    joined = layers.Concatenate(name="joined")([once, twice, stacked])
    model = keras.Model(source, layers.Dense(3, "softmax", name="label")(joined), name="words")
    set_weights(model, random)
    model.compile(optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    x = random.integers(1, 9, (4, 6)).astype("int32")
    x[0, 3:], x[1], x[2, 2] = 0, 0, 0
    labels = random.integers(0, 3, (4, 1)).astype("int32")
    for _ in range(2):
        model.train_on_batch(x, labels)
    write_model(folder, "recurrent", model, [x], [labels])

    random = common.rng("films")
    model = keras.Sequential([
        keras.Input((3, 5, 4, 2), name="x"),
        layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True),
        layers.ConvLSTM2D(3, 2, recurrent_activation="hard_sigmoid", unit_forget_bias=False),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1),
    ], name="films")
    set_weights(model, random)
    model.compile(optimizers.SGD(0.05), "mean_squared_error")
    x, y = common.normal(random, (4, 3, 5, 4, 2)), common.normal(random, (4, 1))
    write_model(folder, "films", model, [x], [y])


def attention(folder):
    """Attention and layers of transformers over words with gaps: masks that flow in and masks that are inputs, of calls
    with names and without."""
    random = common.rng("attention")
    source, target = keras.Input((5,), dtype="int32", name="source"), keras.Input((4,), dtype="int32", name="target")
    padding, seen = keras.Input((4,), dtype="bool", name="padding"), keras.Input((5, 5), dtype="int32", name="seen")
    s = layers.Embedding(9, 6, mask_zero=True, name="source_embedding")(source)
    s = layers.MultiHeadAttention(2, 3, name="mixing")(s, s, attention_mask=seen, use_causal_mask=True)
    s = hub.TransformerEncoder(7, 2, name="encoder")(s)
    t = layers.Embedding(9, 6, mask_zero=True, name="target_embedding")(target)
    t = hub.TransformerDecoder(7, 2, normalize_first=True, name="decoder")(
        t, s, use_causal_mask=False, decoder_padding_mask=padding
    )
    t = hub.TransformerDecoder(5, 3, name="upper", activation="gelu")(t)
    shared = layers.GroupQueryAttention(3, 4, 2, name="sharing")(key=s, query=t, value=s)
    plain, scores = layers.Attention(use_scale=True, name="plain")([shared, s], return_attention_scores=True)
    sums = layers.AdditiveAttention(name="sums")([plain, t], use_causal_mask=True)
    pooled = layers.GlobalAveragePooling1D(name="pool")(sums)
    model = keras.Model(
        [source, target, seen, padding], [layers.Dense(3, "softmax", name="label")(pooled), scores], name="translation"
    )
    set_weights(model, random)
    words = [random.integers(1, 9, (3, n)).astype("int32") for n in (5, 4)]
    words[0][0, 3:], words[0][1, 2], words[1][2, 3] = 0, 0, 0
    masks = [np.maximum(random.integers(0, 2, (3, 5, 5)), np.eye(5, dtype=int)).astype("int32"), words[1] != 0]
    write_model(folder, "attention", model, words + masks)

    random = common.rng("attention_compiled")
    x = layers.Embedding(9, 6, mask_zero=True, name="embedding")(source)
    x = layers.MultiHeadAttention(2, 3, name="mixing")(query=x, value=x)
    x = hub.TransformerDecoder(7, 2, name="decoder")(hub.TransformerEncoder(7, 2, name="encoder")(x))
    x = layers.GroupQueryAttention(3, 4, 1, name="sharing")(x, x, use_causal_mask=True)
    y = layers.Dense(3, "softmax", name="label")(layers.GlobalMaxPooling1D(name="pool")(x))
    model = keras.Model(source, y, name="reader")
    set_weights(model, random)
    # Gradients of keys' biases are roundings, which Adam would make as large as all others.
    model.compile(optimizers.SGD(0.02, momentum=0.9), "sparse_categorical_crossentropy")
    labels = random.integers(0, 3, (3, 1)).astype("int32")
    for _ in range(2):
        model.train_on_batch(words[0], labels)
    write_model(folder, "attention_compiled", model, [words[0]], [labels])


def embeddings(folder):
    """Embeddings of positions, and embeddings that are called forward and in reverse; an attention that is called in two
    ways."""
    random = common.rng("embeddings")
    ids = keras.Input((5,), dtype="int32", name="ids")
    words = layers.ReversibleEmbedding(9, 6, mask_zero=True, name="words")
    x = words(ids)
    places = hub.PositionEmbedding(8, name="places")(x, start_index=2)
    sines = hub.SinePositionEncoding(name="sines")(x, start_index=1)
    x = layers.Add(name="sum")([x, places, sines])
    x = hub.RotaryEmbedding(name="turned", max_wavelength=100)(x, start_index=3)
    x = layers.Dense(6, "tanh", name="mixing")(x)
    model = keras.Model(ids, words(x, reverse=True), name="language")
    set_weights(model, random)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.SGD(0.05, momentum=0.9), loss)
    numbers = random.integers(1, 9, (4, 5)).astype("int32")
    numbers[0, 3:], numbers[2, 1] = 0, 0
    labels = random.integers(0, 9, (4, 5)).astype("int32")
    for _ in range(2):
        model.train_on_batch(numbers, labels)
    write_model(folder, "embeddings", model, [numbers], [labels])

    random = common.rng("embeddings_untied")
    words = hub.ReversibleEmbedding(9, 6, tie_weights=False, logit_soft_cap=2.0, name="words")
    both = hub.TokenAndPositionEmbedding(9, 8, 6, mask_zero=True, name="both")(ids)
    x = layers.Add(name="sum")([words(ids), both])
    x = hub.RotaryEmbedding(scaling_factor=4.0, rope_type="yarn", name="turned")(x)
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    x = attention(attention(x, x), x, use_causal_mask=True)
    model = keras.Model(ids, words(x, reverse=True), name="untied")
    set_weights(model, random)
    model.compile(optimizers.SGD(0.05, momentum=0.9), loss)
    for _ in range(2):
        model.train_on_batch(numbers, labels)
    write_model(folder, "embeddings_untied", model, [numbers], [labels])


def main():
    folder = common.output_folder()
    families = (
        mlp, names, layers_all, everyday, statistics, images, functional, nested, masked, recurrent, attention,
        embeddings,
    )
    for family in families:
        keras.utils.clear_session()
        keras.utils.set_random_seed(1)
        family(folder)


main()
