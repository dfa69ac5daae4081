//! He's initializers.

super::scaled! {
    /// Truncated normal numbers of the standard deviation √(2 / inputs), which they have after the cut at two
    /// deviations of the normal distribution (He et al., *Delving deep into rectifiers*, 2015;
    /// [Keras](https://keras.io/api/layers/initializers/#henormal-class)).
    HeNormal 2.0 "fan_in" "truncated_normal";
    /// Uniform numbers over ±√(6 / inputs) (He et al., *Delving deep into rectifiers*, 2015;
    /// [Keras](https://keras.io/api/layers/initializers/#heuniform-class)).
    HeUniform 2.0 "fan_in" "uniform";
}
