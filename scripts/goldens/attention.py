"""Attention layers, the layers of transformers, and products by equations: outputs, probabilities, masks, and the
gradients of every input and weight for random upstream gradients of all outputs.

Inputs, weights and upstream gradients come from `draw`. What a call is told beside its tensors, and which of them are
masks, is `call`, under Keras's names.
"""

import common
import drawn
import hub
from common import jax, keras, np

layers = keras.layers
MOST = 150  # values of a result that are stored


def write_layer(folder, name, layer, shapes, masks=None, flags=None, flowing=(), training=False, in_list=False, spread=1.0):
    """`shapes`: of the tensors. `masks`: those that are inputs, by name. `flowing`: those that come with tensors.
    `spread`: of the inputs; where all queries are as good as alike, their gradients are little but roundings."""
    masks, flags = masks or {}, flags or {}
    seeds = iter(range(1, 100))
    about = {}

    def draw(what, shape, scale=1.0):
        about[what] = {"seed": next(seeds), "shape": list(shape), "scale": float(np.float32(scale))}
        return drawn.draw(about[what]["seed"], shape, scale)

    inputs = [draw(f"input.{i}", shape, spread) for i, shape in enumerate(shapes)]

    def call(*tensors):
        tensors = [jax.numpy.array(x) for x in tensors]
        for x, mask in zip(tensors, flowing):
            keras.src.backend.set_keras_mask(x, None if mask is None else jax.numpy.array(mask))
        options = {key: jax.numpy.array(mask) for key, mask in masks.items()} | flags
        tensors = [tensors] if in_list else tensors
        y = layer(*tensors, **options, training=training)
        return list(y) if isinstance(y, (tuple, list)) else [y]

    call(*inputs)
    names = hub.names_of(layer)
    for weight in layer.trainable_weights:
        fan = weight.shape[0] if weight.shape else 1
        weight.assign(draw(f"weight.{names[id(weight)]}", weight.shape, 1.2 / fan**0.5))

    def run(trainable, inputs):
        with keras.StatelessScope(list(zip(layer.trainable_variables, trainable))):
            return call(*inputs)

    trainable = [v.value for v in layer.trainable_variables]
    outputs, pull = jax.vjp(run, trainable, inputs)
    upstream = [draw(f"grad_output.{i}", y.shape) for i, y in enumerate(outputs)]
    grad_weights, grad_inputs = pull(upstream)

    results = {f"output.{i}": y for i, y in enumerate(outputs)}
    results |= {f"grad_input.{i}": g for i, g in enumerate(grad_inputs)}
    results |= {f"grad_weight.{names[id(w)]}": g for w, g in zip(layer.trainable_weights, grad_weights)}
    # Of a key's bias, or of a query and the one key that it sees, the gradient is 0, and what there is comes of
    # rounding.
    gradients = {what: np.abs(value).max() for what, value in results.items() if what.startswith("grad_")}
    bound = float(2e-6 * max(gradients.values()))
    vanishing = {what: bound for what, largest in gradients.items() if largest < bound}
    results = {what: value for what, value in results.items() if what not in vanishing}
    strides = {what: drawn.stride(value.size, MOST) for what, value in results.items()}
    arrays = {what: np.asarray(v).ravel()[:: strides[what]] if strides[what] > 1 else v for what, v in results.items()}
    arrays |= {f"input.{len(inputs) + i}": np.asarray(mask) for i, mask in enumerate(masks.values())}
    golden = common.config(layer) | {
        "inputs": len(inputs) + len(masks),
        "outputs": len(outputs),
        "training": training,
        "adapt": False,
        "call": dict.fromkeys(masks, True) | flags,
        "weights": [{"name": names[id(w)], "trainable": True} for w in layer.trainable_weights],
        "drawn": about,
        "vanishing": vanishing,
        "strides": {what: stride for what, stride in strides.items() if stride > 1},
    }
    # The engine's say how a sequence is called, which Keras has in the layer.
    for shape in ("decoder_sequence_shape", "encoder_sequence_shape"):
        golden["config"].pop(shape, None)
    arrays |= {f"mask.{i}": mask for i, mask in enumerate(flowing) if mask is not None}
    if flowing and flowing[0] is not None:
        arrays["output_mask"] = flowing[0]
    common.write(folder, name, arrays, golden)


RAGGED = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
OTHERS = np.array([[1, 0, 0, 1], [1, 1, 1, 1], [0, 0, 1, 1]], bool)
STEPS, SHAPE, OTHER = 5, (3, 5, 6), (3, 4, 7)


def seen(shape, seed=1):
    """A mask of which keys are seen, where each query sees at least one."""
    mask = drawn.draw(seed, shape) > 0
    mask[..., 0] = True
    return mask


def options_of():
    return {
        f"{part}_{what}": value
        for part in ("kernel", "bias")
        for what, value in (
            ("initializer", keras.initializers.HeNormal()),
            ("regularizer", keras.regularizers.L1L2(0.01, 0.02)),
            ("constraint", keras.constraints.MaxNorm(3.0)),
        )
    }


def heads(folder):
    def case(name, shapes=(SHAPE, OTHER), heads=2, size=3, own=None, **call):
        layer = layers.MultiHeadAttention(heads, size, **(own or {}), name="layer")
        write_layer(folder, f"multi_head_attention_{name}", layer, shapes, **call)

    def grouped(name, shapes=(SHAPE, (3, 4, 6)), heads=4, key_heads=2, size=3, own=None, **call):
        layer = layers.GroupQueryAttention(size, heads, key_heads, **(own or {}), name="layer")
        write_layer(folder, f"group_query_attention_{name}", layer, shapes, **call)

    causal, scores = {"use_causal_mask": True}, {"return_attention_scores": True}
    case("default")
    case("self", [SHAPE, SHAPE], flags=causal)
    case("key", [SHAPE, OTHER, (3, 4, 5)])
    case("one_step", [(2, 1, 3), (2, 1, 3)], 1, 1)
    case("size_5", [SHAPE, OTHER], 3, 5)
    case("size_33", [(2, 3, 4), (2, 2, 4)], 1, 33)
    case("long", [(1, 70, 4), (1, 130, 4)], 2, 4, flags=causal)
    # Keras's own attention in one piece takes no values of another size on JAX; with dropout it has none.
    case("values", size=3, own={"value_dim": 5, "dropout": 0.1})
    case("output_shape", own={"output_shape": 4})
    case("output_shapes", own={"output_shape": (2, 3), "value_dim": 2, "dropout": 0.1})
    case("no_bias", own={"use_bias": False})
    case("gate", own={"use_gate": True})
    case("gate_values", own={"use_gate": True, "value_dim": 4, "use_bias": False}, flags=scores)
    case("options", own=options_of() | {"seed": 5, "attention_axes": 1})
    case("training", training=True)
    case("causal", flags=causal)
    for label, shape in ("each", (3, 5, 4)), ("one_batch", (1, 5, 4)), ("one_query", (3, 1, 4)):
        case(f"mask_{label}", masks={"attention_mask": seen(shape)})
    for label, shape in ("heads", (3, 2, 5, 4)), ("one_head", (3, 1, 5, 4)), ("head_of_all", (1, 2, 1, 4)):
        case(f"mask_{label}", masks={"attention_mask": seen(shape)})
    case("mask_causal", masks={"attention_mask": seen((3, 5, 4))}, flags=causal)
    case("mask_key", [SHAPE, OTHER, (3, 4, 5)], masks={"attention_mask": seen((3, 5, 4))})
    case("mask_numbers", masks={"attention_mask": seen((3, 5, 4)).astype("int32")})
    case("masked_query", flowing=[RAGGED, None])
    case("masked_dropout", own={"dropout": 0.1}, flowing=[RAGGED, None])
    case("masked_value", flowing=[None, OTHERS])
    case("masked_both", flowing=[RAGGED, OTHERS])
    case("masked_all", [SHAPE, OTHER, (3, 4, 5)], flowing=[RAGGED, OTHERS, np.roll(OTHERS, 1, 0) | OTHERS])
    case("masked_causal", [SHAPE, SHAPE], flowing=[RAGGED, RAGGED], flags=causal)
    case("masked_and_mask", masks={"attention_mask": seen((3, 5, 4))}, flowing=[RAGGED, OTHERS | (np.arange(4) == 0)])
    case("scores", flags=scores)
    case("scores_causal", flags=scores | causal)
    case("scores_mask", masks={"attention_mask": seen((3, 5, 4))}, flags=scores)
    case("scores_masked", flowing=[RAGGED, OTHERS], flags=scores)
    # With scores Keras gives zeros too where a query sees nothing.
    nothing = seen((3, 5, 4))
    nothing[1, 2], nothing[2] = False, False
    case("scores_nothing", masks={"attention_mask": nothing}, flags=scores | causal)
    grouped("default")
    grouped("one", key_heads=1)
    grouped("all", key_heads=4)
    grouped("size_33", [(2, 4, 4), (2, 3, 4)], 2, 1, 33)
    grouped("key", [SHAPE, (3, 4, 6), (3, 4, 5)])
    grouped("no_bias", own={"use_bias": False}, flags=causal)
    grouped("gate", own={"use_gate": True} | options_of() | {"seed": 5})
    grouped("mask", masks={"attention_mask": seen((3, 5, 4))}, flags=causal)
    grouped("mask_heads", masks={"attention_mask": seen((3, 4, 5, 4))})
    grouped("masked", flowing=[RAGGED, OTHERS])
    grouped("masked_causal", [SHAPE, SHAPE], flowing=[RAGGED, RAGGED], flags=causal)
    grouped("scores", flags=scores | causal)
    grouped("scores_masked", flowing=[RAGGED, OTHERS], flags=scores)
    grouped("training", training=True)


def one_head(folder):
    def case(name, cls, shapes=((3, 5, 6), (3, 4, 6)), own=None, **call):
        kind = keras.src.utils.naming.to_snake_case(cls.__name__)
        layer = cls(**(own or {}), name="layer")
        write_layer(folder, f"{kind}_{name}", layer, shapes, in_list=True, **call)

    causal, scores = {"use_causal_mask": True}, {"return_attention_scores": True}
    for cls, modes in (layers.Attention, ("dot", "concat")), (layers.AdditiveAttention, ("",)):
        for mode in modes:
            own = {"score_mode": mode} if mode else {}
            label = f"{mode}_" if mode else ""
            for scaled in False, True:
                case(f"{label}{'scaled' if scaled else 'plain'}", cls, own=own | {"use_scale": scaled})
            own["use_scale"] = True
            spread = 2.0 if mode == "concat" else 1.0
            case(f"{label}key", cls, [(3, 5, 6), (3, 4, 2), (3, 4, 6)], own, spread=spread)
            case(f"{label}one_step", cls, [(2, 1, 3), (2, 1, 3)], own)
            case(f"{label}causal", cls, [SHAPE, SHAPE], own, flags=causal)
            case(f"{label}scores", cls, own=own, flags=scores)
            case(f"{label}scores_causal", cls, own=own, flags=scores | causal)
            case(f"{label}masked", cls, own=own, flowing=[RAGGED, OTHERS])
            case(f"{label}masked_value", cls, own=own, flowing=[None, OTHERS], flags=scores)
            case(f"{label}masked_causal", cls, own=own, flowing=[RAGGED, OTHERS | (np.arange(4) == 0)], flags=causal)
            case(f"{label}training", cls, own=own | {"seed": 3}, training=True)


def transformers(folder):
    def encoder(name, shapes=(SHAPE,), heads=2, own=None, **call):
        layer = hub.TransformerEncoder(7, heads, **(own or {}), name="layer")
        write_layer(folder, f"transformer_encoder_{name}", layer, shapes, **call)

    def decoder(name, shapes=(SHAPE, OTHER), heads=2, own=None, **call):
        layer = hub.TransformerDecoder(7, heads, **(own or {}), name="layer")
        write_layer(folder, f"transformer_decoder_{name}", layer, shapes, **call)

    options = {
        "activation": "gelu",
        "layer_norm_epsilon": 1e-3,
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.02),
        "bias_initializer": "ones",
    }
    first = {"normalize_first": True}
    padded = RAGGED | (np.arange(STEPS) == 0)
    for label, own in ("", {}), ("first_", first):
        encoder(f"{label}default", own=own)
        encoder(f"{label}padding", own=own, masks={"padding_mask": padded})
        encoder(f"{label}mask", own=own, masks={"attention_mask": seen((3, 5, 5)).astype("int32")})
        encoder(f"{label}masked", own=own, flowing=[RAGGED])
        both = {"padding_mask": padded, "attention_mask": seen((3, 5, 5))}
        encoder(f"{label}all", own=own, masks=both, flowing=[padded], flags={"return_attention_scores": True})
        decoder(f"{label}default", own=own)
        decoder(f"{label}alone", [SHAPE], own=own)
        decoder(f"{label}not_causal", own=own, flags={"use_causal_mask": False})
        decoder(f"{label}masked", own=own, flowing=[padded, OTHERS])
        decoder(f"{label}padding", own=own, masks={"decoder_padding_mask": padded, "encoder_padding_mask": OTHERS})
        masks = {"decoder_attention_mask": seen((3, 5, 5)), "encoder_attention_mask": seen((3, 5, 4))}
        decoder(f"{label}masks", own=own, masks=masks)
    encoder("one_step", [(2, 1, 4)])
    encoder("scores", flags={"return_attention_scores": True})
    encoder("odd", [(2, 3, 35)], 7)
    encoder("uneven", [(2, 3, 7)], 2)
    encoder("options", own=options | first, training=True)
    decoder("all", masks={
        "decoder_padding_mask": padded, "decoder_attention_mask": seen((3, 5, 5)), "encoder_padding_mask": OTHERS,
        "encoder_attention_mask": seen((3, 5, 4)) | True,
    }, flowing=[RAGGED, None])
    decoder("options", own=options, training=True)


def products(folder):
    def case(name, equation, output_shape, shape, **options):
        layer = layers.EinsumDense(equation, output_shape, **options, name="layer")
        write_layer(folder, f"einsum_dense_{name}", layer, [shape])

    case("default", "ab,bc->ac", (4,), (3, 5))
    case("heads", "abc,cde->abde", (None, 2, 4), (3, 5, 6), bias_axes="de", activation="relu")
    case("joined", "abcd,cde->abe", (None, 6), (3, 4, 2, 5), bias_axes="e", activation="gelu")
    case("front", "...x,xy->...y", (4,), (3, 2, 5, 6), bias_axes="y")
    case("behind", "ab...,bc->ac...", (4,), (3, 5, 2, 6), bias_axes="c", activation="tanh")
    case("turned", "abc,dc->adb", (4, 5), (3, 5, 6), bias_axes="d")
    case("both_biases", "abc,cd->abd", (5, 4), (3, 5, 6), bias_axes="bd", **options_of())
    case("softmax", "abc,cd->abd", (None, 4), (2, 5, 6), bias_axes="d", activation="softmax")
    case("kernel_turned", "abcd,edc->abe", (None, 6), (3, 4, 2, 5))


def main():
    folder = common.output_folder()
    products(folder)
    heads(folder)
    one_head(folder)
    transformers(folder)


main()
