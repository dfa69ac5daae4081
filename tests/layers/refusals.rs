//! What layers refuse, and in which words.

use super::*;

#[test]
fn normalization_refuses_data_that_it_cannot_adapt_to() -> Result<()> {
    let text = |data: Tensor| -> Result<String> {
        Ok(Normalization::new().adapt(&Dataset::new(data, ())?).unwrap_err().to_string())
    };
    let empty = text(Tensor::zeros(&Device::Cpu, [3, 0], DType::F32)?)?;
    assert_eq!(empty, "a Normalization layer cannot adapt to data of shape (3, 0)");
    assert_eq!(
        text(Tensor::ones(&Device::Cpu, 3, DType::F32)?)?,
        "argument `axis`: expected different axes behind the batch's, got [-1] for the shape (None,)"
    );
    let one = Tensor::ones(&Device::Cpu, [3, 1], DType::F32)?;
    let given = Normalization::new().mean_and_variance(0.0, 1.0).adapt(&Dataset::new(&one, ())?);
    assert!(given.unwrap_err().to_string().contains("cannot adapt"));
    let two = Dataset::new([&one, &one], ())?;
    assert!(Normalization::new().adapt(&two).unwrap_err().to_string().contains("choose with `input(i)`"));
    assert!(Normalization::new().adapt(&two.input(1)?).is_ok() && two.input(2).is_err());
    Ok(())
}

#[test]
fn layers_reject_what_they_cannot_take() {
    let wrong = |layer: layers::LayerRef, shapes: &[&[usize]]| {
        let inputs: Vec<_> = shapes.iter().map(|s| Input::new(*s)).collect();
        layer.call(&inputs).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let cases = [
        (
            wrong(ReLU::new().threshold(-1.0).shared(), &[&[3]]),
            "layer `re_lu`: argument `threshold`: expected a non-negative number, got -1",
        ),
        (
            wrong(MaxPooling2D::new(2).shared(), &[&[4, 3]]),
            "layer `max_pooling2d`: expected 4 axes (batch, 2 spatial, channels), got shape (None, 4, 3)",
        ),
        (
            wrong(AveragePooling1D::new(5).shared(), &[&[4, 3]]),
            "layer `average_pooling1d`: computed output size would be zero or negative: got inputs shape=(None, 4, 3), \
             pool_size=[5], strides=[5], padding=valid",
        ),
        (
            wrong(MaxPooling1D::new(2).padding(Padding::Causal).shared(), &[&[4, 3]]),
            "layer `max_pooling1d`: argument `padding`: expected valid or same, got causal",
        ),
        (
            wrong(BatchNormalization::new().momentum(1.5).shared(), &[&[3]]),
            "layer `batch_normalization`: argument `momentum`: expected a number in [0, 1], got 1.5",
        ),
        (
            wrong(BatchNormalization::new().axis(0).shared(), &[&[3]]),
            "layer `batch_normalization`: argument `axis`: expected different axes behind the batch's, got [0] for the \
             shape (None, 3)",
        ),
        (
            wrong(GroupNormalization::new(32).shared(), &[&[4, 48]]),
            "layer `group_normalization`: argument `groups`: expected a number that divides the 48 channels, got 32",
        ),
        (
            wrong(GroupNormalization::new(-2).shared(), &[&[4, 48]]),
            "layer `group_normalization`: argument `groups`: expected a positive integer, or -1 for instance \
             normalization, got -2",
        ),
        (
            wrong(SpatialDropout1D::new(0.5).shared(), &[&[3]]),
            "layer `spatial_dropout1d`: expected 3 axes (batch, 1 spatial, channels), got shape (None, 3)",
        ),
        (
            wrong(GaussianDropout::new(1.0).shared(), &[&[3]]),
            "layer `gaussian_dropout`: argument `rate`: expected a number in [0, 1), got 1",
        ),
        (
            wrong(Softmax::new().axis([0, 1]).shared(), &[&[3]]),
            "layer `softmax`: argument `axis`: expected different axes behind the batch's, got [0, 1] for the shape \
             (None, 3)",
        ),
        (
            wrong(LayerNormalization::new().axis([1, -1]).shared(), &[&[3]]),
            "layer `layer_normalization`: argument `axis`: expected different axes behind the batch's, got [1, -1] for \
             the shape (None, 3)",
        ),
        (
            wrong(Permute::new([2, 2]).shared(), &[&[3, 4]]),
            "layer `permute`: argument `dims`: expected each axis once, counted from 1, got [2, 2]",
        ),
        (wrong(Subtract::new().shared(), &[&[3], &[3], &[3]]), "layer `subtract`: expected 2 inputs, got 3"),
        (
            wrong(Dot::new([1, 2]).shared(), &[&[3], &[4, 5]]),
            "layer `dot`: expected axis 1 of the first input and axis 2 of the second to agree, got shapes (None, 3), \
             (None, 4, 5)",
        ),
        (
            wrong(Activation::glu().shared(), &[&[3]]),
            "layer `activation`: expected an even last axis for glu, got shape (None, 3)",
        ),
        (
            wrong(Dense::new(3).glu().shared(), &[&[3]]),
            "layer `dense`: expected an even last axis for glu, got shape (None, 3)",
        ),
        (
            wrong(Discretization::new([2.0, 1.0]).shared(), &[&[3]]),
            "layer `discretization`: argument `bin_boundaries`: expected ascending numbers, got [2.0,1.0]",
        ),
        (
            wrong(Conv2D::new(4, 3).shared(), &[&[28, 28]]),
            "layer `conv2d`: expected 4 axes (batch, 2 spatial, channels), got shape (None, 28, 28)",
        ),
        (
            wrong(Conv2D::new(4, [3, 5]).shared(), &[&[3, 4, 1]]),
            "layer `conv2d`: computed output size would be zero or negative: got inputs shape=(None, 3, 4, 1), \
             kernel_size=[3, 5], dilation_rate=[1, 1], strides=[1, 1], padding=valid",
        ),
        (
            wrong(SeparableConv1D::new(4, 3).dilation_rate(2).shared(), &[&[4, 1]]),
            "layer `separable_conv1d`: computed output size would be zero or negative: got inputs shape=(None, 4, 1), \
             kernel_size=[3], dilation_rate=[2], strides=[1], padding=valid",
        ),
        (
            wrong(Conv2DTranspose::new(4, 2).padding(Padding::Same).output_padding(0).shared(), &[&[1, 4, 1]]),
            "layer `conv2d_transpose`: computed output size would be zero or negative: got inputs shape=(None, 1, 4, 1), \
             kernel_size=[2, 2], dilation_rate=[1, 1], strides=[1, 1], padding=same",
        ),
        (
            wrong(Conv2DTranspose::new(4, 2).strides([3, 2]).output_padding([2, 2]).shared(), &[&[3, 4, 1]]),
            "layer `conv2d_transpose`: `output_padding` must be strictly less than `strides` for all dimensions: got \
             output_padding=[2, 2], strides=[3, 2]",
        ),
        (
            wrong(Conv1D::new(4, 3).groups(3).shared(), &[&[9, 3]]),
            "layer `conv1d`: the number of filters must be evenly divisible by the number of groups: got groups=3, \
             filters=4",
        ),
        (
            wrong(Conv2D::new(6, 3).groups(3).shared(), &[&[9, 9, 4]]),
            "layer `conv2d`: the number of input channels must be evenly divisible by the number of groups: got \
             groups=3, but the input has 4 channels (full input shape is (None, 9, 9, 4))",
        ),
        (
            wrong(Conv3D::new(6, 3).strides([1, 2, 1]).dilation_rate([1, 1, 2]).shared(), &[&[9, 9, 9, 4]]),
            "layer `conv3d`: `strides > 1` not supported in conjunction with `dilation_rate > 1`: got strides=[1, 2, 1] \
             and dilation_rate=[1, 1, 2]",
        ),
        (
            wrong(Conv2D::new(0, 3).shared(), &[&[9, 9, 4]]),
            "layer `conv2d`: argument `filters`: expected a strictly positive value, got 0",
        ),
        (
            wrong(DepthwiseConv2D::new(3).depth_multiplier(0).shared(), &[&[9, 9, 4]]),
            "layer `depthwise_conv2d`: argument `depth_multiplier`: expected a strictly positive value, got 0",
        ),
        (
            wrong(DepthwiseConv1D::new(3).depth_multiplier(usize::MAX).shared(), &[&[9, 4]]),
            "layer `depthwise_conv1d`: shape: [3, 4, 18446744073709551615] has more elements than memory can hold",
        ),
        (
            wrong(Conv2D::new(4, [3, 0]).shared(), &[&[9, 9, 4]]),
            "layer `conv2d`: argument `kernel_size`: expected integers from 1 to 2147483647, got [3, 0]",
        ),
        (
            wrong(Conv1DTranspose::new(4, 3).strides(0).shared(), &[&[9, 4]]),
            "layer `conv1d_transpose`: argument `strides`: expected integers from 1 to 2147483647, got [0]",
        ),
        (
            wrong(DepthwiseConv1D::new(3).padding(Padding::Causal).shared(), &[&[9, 4]]),
            "layer `depthwise_conv1d`: argument `padding`: expected valid or same, got causal",
        ),
        (
            wrong(Dense::new(3).kernel_regularizer(L2::new(-1.0)).shared(), &[&[3]]),
            "layer `dense`: argument `l2` of a regularizer: expected a non-negative number, got -1",
        ),
        (
            wrong(Dense::new(3).kernel_constraint(MaxNorm::new(-1.0)).shared(), &[&[3]]),
            "layer `dense`: argument `max_value` of a constraint: expected a finite number of at least 0, got -1",
        ),
        (
            wrong(Dense::new(3).kernel_constraint(MinMaxNorm::new(0.5, f64::INFINITY)).shared(), &[&[3]]),
            "layer `dense`: argument `max_value` of a constraint: expected a finite number of at least 0.5, got inf",
        ),
        (
            wrong(Dense::new(3).kernel_constraint(MinMaxNorm::new(2.0, 1.0)).shared(), &[&[3]]),
            "layer `dense`: argument `max_value` of a constraint: expected a finite number of at least 2, got 1",
        ),
        (
            wrong(Dense::new(3).kernel_constraint(MinMaxNorm::default().rate(f64::NAN)).shared(), &[&[3]]),
            "layer `dense`: argument `rate` of a constraint: expected a finite number of at least 0, got NaN",
        ),
        (
            wrong(Dense::new(3).bias_constraint(UnitNorm::new().axis(1)).shared(), &[&[3]]),
            "layer `dense`: argument `axis` of a constraint: axis 1 is out of range for the shape (3,)",
        ),
        (
            wrong(Dense::new(3).activity_regularizer(L1::new(f64::NAN)), &[&[3]]),
            "layer `dense`: argument `l1` of a regularizer: expected a non-negative number, got NaN",
        ),
    ];
    for (got, want) in cases {
        assert_eq!(got, want);
    }
}

#[test]
fn dropout_without_random_numbers_is_an_error() -> Result<()> {
    let x = Tensor::ones(&Device::Cpu, [2, 3], DType::F32)?;
    let graph = graph_of(&Dropout::new(0.5).shared(), from_ref(&x))?;
    let result = graph.run(&[], &[&x], Mode { training: true, ..Mode::INFERENCE }, &mut Updates::new());
    let text = result.err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(text, "layer `dropout`: random layers need a generator: call the model by a trainer");
    Ok(())
}

#[test]
fn configs_say_what_is_wrong_with_them() {
    let cases = [
        ("Dense", json!({}), "argument `units` is missing"),
        (
            "Dense",
            json!({"units": 3, "activation": "quelu"}),
            "unknown activation `quelu`; known are linear, relu, sigmoid, tanh, gelu, gelu_approximate, silu, elu, softplus, celu, \
             exponential, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, log_sigmoid, mish, relu6, selu, \
             soft_shrink, softsign, sparse_plus, sparse_sigmoid, squareplus, tanh_shrink, softmax, log_softmax, \
             sparsemax, glu",
        ),
        (
            "Dense",
            json!({"units": 3, "bias_constraint": {"class_name": "NonNeg"}}),
            "argument `bias_constraint`: expected a constraint, got {\"class_name\":\"NonNeg\"}",
        ),
        ("Conv2D", json!({"filters": 3}), "argument `kernel_size` is missing"),
        (
            "Conv2D",
            json!({"filters": 3, "kernel_size": [3]}),
            "argument `kernel_size`: expected a tuple of 2 integers, got [3]",
        ),
        (
            "Convolution1DTranspose",
            json!({"filters": 3, "kernel_size": 3, "data_format": "channels_first"}),
            "argument `data_format`: expected channels_last, got channels_first",
        ),
        (
            "SeparableConv2D",
            json!({"filters": 3, "kernel_size": 3, "padding": "full"}),
            "argument `padding`: expected one of valid, same, causal, got full",
        ),
        (
            "LayerNormalization",
            json!({"rms_scaling": true}),
            "argument `rms_scaling`: expected null, since this engine does not have it, got true",
        ),
        (
            "BatchNormalization",
            json!({"synchronized": true}),
            "argument `synchronized`: expected null, since this engine does not have it, got true",
        ),
        ("BatchNormalization", json!({"axis": [1, 2]}), "argument `axis`: expected one axis, got several"),
        (
            "MaxPooling2D",
            json!({"data_format": "channels_first"}),
            "argument `data_format`: expected channels_last, got channels_first",
        ),
        (
            "AvgPool2D",
            json!({"pool_size": [2, 2, 2]}),
            "argument `pool_size`: expected a tuple of 2 integers, got [2,2,2]",
        ),
        ("Permute", json!({}), "argument `dims` is missing"),
        ("Dot", json!({}), "argument `axes` is missing"),
        ("Softmax", json!({"axis": "last"}), "argument `axis`: expected an axis or a list of axes"),
        ("Discretization", json!({"num_bins": 4}), "argument `bin_boundaries`: expected a list of numbers"),
        (
            "CategoryEncoding",
            json!({"num_tokens": 4, "output_mode": "tf_idf"}),
            "argument `output_mode`: expected one of int, one_hot, multi_hot, count, got tf_idf",
        ),
        (
            "Flatten",
            json!({"data_format": "channels_first"}),
            "argument `data_format`: expected channels_last, got channels_first",
        ),
        ("Reshape", json!({}), "argument `target_shape` is missing"),
        (
            "Reshape",
            json!({"target_shape": [2, "x"]}),
            "argument `target_shape`: expected whole numbers, got [2,\"x\"]",
        ),
        ("Concatenate", json!({"axis": [1, 2]}), "argument `axis`: expected one axis, got [1, 2]"),
        ("Rescaling", json!({"offset": 1}), "argument `scale` is missing"),
        ("Rescaling", json!({"scale": [1, [2]]}), "argument `scale`: expected a number or an array of numbers"),
        ("Normalization", json!({"mean": 1.0}), "arguments `mean` and `variance`: expected both or neither"),
        (
            "Dropout",
            json!({"rate": 0.1, "noise_shape": [-1]}),
            "argument `noise_shape`: expected a list of extents or nulls, got [-1]",
        ),
        ("Dropout", json!({"rate": "half"}), "argument `rate`: expected a number, got \"half\""),
    ];
    for (class, config, want) in cases {
        assert_eq!(layers::from_config(class, &object(config)).unwrap_err().to_string(), want, "{class}");
    }
    let unknown = layers::from_config("CuDNNGRU", &object(json!({}))).unwrap_err().to_string();
    assert!(
        unknown.starts_with("unknown layer `CuDNNGRU`; known are Activation, ActivityRegularization, Add, "),
        "{unknown}"
    );
}
