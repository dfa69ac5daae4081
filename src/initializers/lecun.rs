//! LeCun's initializers.

super::scaled! {
    /// Truncated normal numbers of the standard deviation √(1 / inputs), which they have after the cut at two
    /// deviations of the normal distribution (LeCun et al., *Efficient backprop*, 1998;
    /// [Keras](https://keras.io/api/layers/initializers/#lecunnormal-class)).
    LecunNormal 1.0 "fan_in" "truncated_normal";
    /// Uniform numbers over ±√(3 / inputs) (LeCun et al., *Efficient backprop*, 1998;
    /// [Keras](https://keras.io/api/layers/initializers/#lecununiform-class)).
    LecunUniform 1.0 "fan_in" "uniform";
}
