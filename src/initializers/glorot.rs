//! Glorot's initializers.

super::scaled! {
    /// Truncated normal numbers of the standard deviation √(2 / (inputs + outputs)), which they have after the cut at
    /// two deviations of the normal distribution (Glorot and Bengio, *Understanding the difficulty of training deep
    /// feedforward neural networks*, 2010; [Keras](https://keras.io/api/layers/initializers/#glorotnormal-class)).
    GlorotNormal 1.0 "fan_avg" "truncated_normal";
    /// Uniform numbers over ±√(6 / (inputs + outputs)) (Glorot and Bengio, *Understanding the difficulty of training
    /// deep feedforward neural networks*, 2010;
    /// [Keras](https://keras.io/api/layers/initializers/#glorotuniform-class)).
    GlorotUniform 1.0 "fan_avg" "uniform";
}
