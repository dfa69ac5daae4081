//! Glorot's initializers.

use super::{cut_normal, fans, scaled, uniform};

scaled! {
    /// Truncated normal numbers of the standard deviation √(2 / (inputs + outputs)), which they have after the cut at two deviations of
    /// the normal distribution (Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010;
    /// [Keras](https://keras.io/api/layers/initializers/#glorotnormal-class)).
    GlorotNormal |shape, numbers| {
        let (inputs, outputs) = fans(shape);
        cut_normal(shape, numbers, (2.0 / (inputs + outputs)).sqrt())
    };
    /// Uniform numbers over ±√(6 / (inputs + outputs)) (Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010;
    /// [Keras](https://keras.io/api/layers/initializers/#glorotuniform-class)).
    GlorotUniform |shape, numbers| {
        let (inputs, outputs) = fans(shape);
        let limit = (6.0 / (inputs + outputs)).sqrt();
        uniform(shape, numbers, -limit, limit)
    };
}
