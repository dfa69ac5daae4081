"""The programs of transformers, and the network of `programs::sequences`, which masks: 20 steps from the same start on
the same batches, as for the dense programs.

Vocabularies, widths and lengths are smaller than the programs' own; from 512 tokens on the engine computes a head
with its loss. The numbers that go in are computed on both sides, and of large weights every stride-th value is
stored. What float32 rounds is told by the same run in float64. Of a key's bias, which moves all scores of a query
alike, the gradient is 0 but for roundings.
"""

import contextlib
from unittest import mock

import common
import drawn
import hub
from common import jax, keras, np
from drawn import bits, draw

layers, losses, optimizers = keras.layers, keras.losses, keras.optimizers

STEPS, BATCH = 20, 8
LABEL_SEED, WEIGHT_SEED, INPUT_SEED, LENGTH_SEED = 1, 10, 100, 200
VECTOR_SCALE, EMBEDDING_SCALE = 0.1, 0.5
VANISHING = 1e-12  # a gradient in float64
MOST = 64  # values of a weight that are stored


def embedded(tokens, vocabulary, width, **own):
    return hub.TokenAndPositionEmbedding(vocabulary, tokens.shape[1], width, **own)(tokens)


def decoded(x, blocks, heads, activation):
    for _ in range(blocks):
        x = hub.TransformerDecoder(4 * x.shape[-1], heads, activation=activation, normalize_first=True)(x)
    return layers.LayerNormalization(epsilon=1e-5)(x)


def encoder(inputs, vocabularies, width, heads):
    x = hub.TransformerEncoder(width, heads)(embedded(inputs[0], vocabularies[0], width))
    return layers.Dense(1, "sigmoid")(layers.GlobalMaxPooling1D()(x))


def seq2seq(inputs, vocabularies, width, heads):
    # The engine counts layers of a class along what the outputs depend on, the first argument first.
    y, x = (embedded(inputs[k], vocabularies[k], width) for k in (1, 0))
    y = hub.TransformerDecoder(width, heads)(y, hub.TransformerEncoder(width, heads)(x))
    return layers.Dense(vocabularies[1], "softmax")(y)


def gpt(inputs, vocabularies, width, heads, blocks):
    x = decoded(embedded(inputs[0], vocabularies[0], width), blocks, heads, "gelu")
    return layers.Dense(vocabularies[0])(x)


def gpt2(inputs, vocabularies, width, heads, blocks):
    words = hub.ReversibleEmbedding(vocabularies[0], width)
    x = words(inputs[0])
    x = layers.Add()([x, hub.PositionEmbedding(inputs[0].shape[1])(x)])
    return words(decoded(x, blocks, heads, hub.gelu_approximate), reverse=True)


def sequences(inputs, vocabularies, width, heads, blocks):
    """Without its dropout, whose random bits are the engine's own."""
    own = {"dropout": 0.0, "normalize_first": True}
    y, x = (layers.Dropout(0.0)(embedded(inputs[k], vocabularies[k], width, mask_zero=True)) for k in (1, 0))
    for _ in range(blocks):
        x = hub.TransformerEncoder(2 * width, heads, **own)(x)
    x = layers.LayerNormalization()(x)
    for _ in range(blocks):
        y = hub.TransformerDecoder(2 * width, heads, **own)(y, x)
    # KerasHub's layers have some of their own, which count.
    y = layers.Dropout(0.0, name="dropout_2")(layers.LayerNormalization()(y))
    return layers.Dense(vocabularies[1], "softmax")(y)


def tokens_loss(**own):
    return lambda: losses.SparseCategoricalCrossentropy(**own)


def adamw():
    return optimizers.AdamW(1e-3)


# The network, steps and vocabulary of each input, the other sizes, the loss, the program's own optimizer.
PROGRAMS = {
    "encoder": (encoder, [(11, 70)], {"width": 24, "heads": 4}, losses.BinaryCrossentropy, adamw),
    "seq2seq": (seq2seq, [(9, 520)] * 2, {"width": 24, "heads": 4}, tokens_loss(), adamw),
    "gpt": (gpt, [(12, 520)], {"width": 16, "heads": 2, "blocks": 4}, tokens_loss(from_logits=True), adamw),
    "gpt2-124m": (
        gpt2, [(12, 520)], {"width": 16, "heads": 2, "blocks": 2}, tokens_loss(from_logits=True),
        lambda: optimizers.AdamW(6e-4, global_clipnorm=1.0),
    ),
    "sequences": (
        sequences, [(7, 22), (6, 24)], {"width": 64, "heads": 2, "blocks": 2}, tokens_loss(),
        lambda: optimizers.Adam(1e-3),
    ),
}  # fmt: skip
MASKED = "sequences"
OPTIMIZERS = {"sgd": lambda own: optimizers.SGD(1e-2), "own": lambda own: own()}


def attention(query, key, value, bias=None, mask=None, *, scale, is_causal=False, implementation=None):
    """JAX's own takes the softmax of float64 in float32."""
    assert bias is None and not is_causal
    scores = jax.numpy.einsum("bthd,bshd->bhts", query, key) * scale
    if mask is not None:
        scores = jax.numpy.where(mask, scores, -1e30)
    return jax.numpy.einsum("bhts,bshd->bthd", jax.nn.softmax(scores), value)


@contextlib.contextmanager
def in_float64():
    """Keras's rules for JAX make float32 of float64 and another dtype."""
    dtypes = keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE
    with mock.patch.dict(dtypes, float64="float64"), mock.patch.object(jax.nn, "dot_product_attention", attention):
        yield


def numbers(seed, shape, below):
    return ((bits(seed, int(np.prod(shape))) >> np.uint32(8)) % np.uint32(below)).astype("int32").reshape(shape)


def padded(seed, length_seed, shape, below):
    """Tokens from 1 on, of which each row has as many as is drawn, at least 1; 0 behind them."""
    lengths = 1 + numbers(length_seed, shape[:1], shape[1])
    return np.where(np.arange(shape[1]) < lengths[:, None], 1 + numbers(seed, shape, below - 1), 0).astype("int32")


def start(weight):
    """Seeded values about 0, or about 1 where Keras begins with ones: offset and scale."""
    if weight.name == "gamma":
        return 1.0, VECTOR_SCALE
    if weight.name == "kernel":
        # Of heads side by side too the fans are the width.
        fans = sum(weight.shape) if len(weight.shape) == 2 else 2 * np.prod(weight.shape) ** 0.5
        return 0.0, float(np.float32((6 / fans) ** 0.5))
    return 0.0, VECTOR_SCALE if weight.name != "embeddings" else EMBEDDING_SCALE


def train(program, optimizer, floats):
    """Losses before each update, the first step's gradients, the weights at the end, and what was built."""
    keras.utils.clear_session()
    keras.config.set_floatx(floats)
    keras.config.set_dtype_policy(floats)
    network, texts, sizes, loss, own = PROGRAMS[program]
    exact = floats == "float64"
    with jax.enable_x64(exact), in_float64() if exact else contextlib.nullcontext():
        shapes = [(STEPS * BATCH, steps) for steps, _ in texts]
        if program == MASKED:
            x = [padded(INPUT_SEED + k, LENGTH_SEED + k, shape, texts[k][1]) for k, shape in enumerate(shapes)]
        else:
            x = [numbers(INPUT_SEED + k, shape, texts[k][1]) for k, shape in enumerate(shapes)]
        if loss is losses.BinaryCrossentropy:
            y = (bits(LABEL_SEED, STEPS * BATCH) >> np.uint32(31)).astype(floats).reshape(-1, 1)
        else:
            y = numbers(LABEL_SEED, shapes[-1], texts[-1][1])
        inputs = [keras.Input(shape[1:], dtype="int32") for shape in shapes]
        model = keras.Model(inputs, network(inputs, [vocabulary for _, vocabulary in texts], **sizes))
        starts = [start(weight) for weight in model.weights]
        for k, (weight, (offset, scale)) in enumerate(zip(model.weights, starts)):
            weight.assign((np.float32(offset) + draw(WEIGHT_SEED + k, weight.shape, scale)).astype(floats))
        optimizer, loss = OPTIMIZERS[optimizer](own), loss()
        optimizer.build(model.trainable_variables)

        @jax.jit
        @jax.value_and_grad
        def slope(weights, x, y):
            outputs = model.stateless_call(weights, [], x, training=True)[0]
            assert (keras.src.backend.get_keras_mask(outputs) is not None) == (program == MASKED)
            return loss(y, outputs)

        values, first = [], None
        for step in range(STEPS):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            value, gradients = slope([v.value for v in model.trainable_variables], [part[rows] for part in x], y[rows])
            assert value.dtype == floats and all(g.dtype == floats for g in gradients)
            first = first or [np.array(g) for g in gradients]
            values.append(np.array(value))
            optimizer.apply(gradients, model.trainable_variables)
        final = [np.array(v.value) for v in model.trainable_variables]
    return np.array(values), first, final, (model, starts, optimizer, loss, x, y)


def paths_of(model):
    """The weights' paths as files have them."""
    paths = {}
    for layer in model.layers:
        for variable, name in hub.names_of(layer).items():
            paths.setdefault(variable, f"{layer.name}/{name}")
    return [paths[id(weight)] for weight in model.weights]


def main():
    folder = common.output_folder()
    for program, (_, texts, sizes, *_) in PROGRAMS.items():
        for name in OPTIMIZERS:
            exact_losses, exact_first, exact_final, _ = train(program, name, "float64")
            values, first, final, (model, starts, built, loss, x, y) = train(program, name, "float32")
            arrays = {"losses": values, "label.head": y[:8].ravel()[:8]}
            arrays |= {f"input.{i}.head": part.ravel()[:8] for i, part in enumerate(x)}
            weights = []
            for k, (path, weight, (offset, scale)) in enumerate(zip(paths_of(model), model.weights, starts)):
                step = drawn.stride(final[k].size, MOST)
                head = np.float32(offset) + draw(WEIGHT_SEED + k, weight.shape, scale).ravel()[:8]
                arrays[f"initial.head.{path}"] = head
                arrays[f"first_gradient.{path}"] = first[k].ravel()[::step]
                arrays[f"final.{path}"] = final[k].ravel()[::step]
                weights.append({
                    "path": path,
                    "shape": weight.shape,
                    "seed": WEIGHT_SEED + k,
                    "offset": offset,
                    "scale": scale,
                    "stride": step,
                    "vanishing": bool(np.abs(exact_first[k]).max() < VANISHING),
                    "reference_error": {
                        "first_gradient": float(np.abs(first[k] - exact_first[k]).max()),
                        "final": float(np.abs(final[k] - exact_final[k]).max()),
                    },
                })
            inputs = [
                {"steps": steps, "vocabulary": vocabulary, "seed": INPUT_SEED + k}
                | ({"length_seed": LENGTH_SEED + k} if program == MASKED else {})
                for k, (steps, vocabulary) in enumerate(texts)
            ]
            golden = {
                "program": program,
                "tokens": inputs,
                "sizes": sizes,
                "layers": {layer.name: common.config(layer) for layer in model.layers},
                "loss": common.config(loss),
                "optimizer": common.config(built),
                "batch": BATCH,
                "steps": STEPS,
                "label_seed": LABEL_SEED,
                "label_shape": y.shape,
                "weights": weights,
                "losses_float64": exact_losses.tolist(),
                "reference_error": {"losses_relative": float(np.abs(values / exact_losses - 1).max())},
            }
            common.write(folder, f"{program}_{name}", arrays, golden)


main()
