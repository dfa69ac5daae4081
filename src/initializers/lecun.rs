//! LeCun's initializers.

use super::{cut_normal, fans, scaled, uniform};

scaled! {
    /// Truncated normal numbers of the standard deviation √(1 / inputs), which they have after the cut at two deviations of
    /// the normal distribution (LeCun et al., *Efficient backprop*, 1998;
    /// [Keras](https://keras.io/api/layers/initializers/#lecunnormal-class)).
    LecunNormal |shape, numbers| {
        let (inputs, _) = fans(shape);
        cut_normal(shape, numbers, (1.0 / inputs).sqrt())
    };
    /// Uniform numbers over ±√(3 / inputs) (LeCun et al., *Efficient backprop*, 1998;
    /// [Keras](https://keras.io/api/layers/initializers/#lecununiform-class)).
    LecunUniform |shape, numbers| {
        let (inputs, _) = fans(shape);
        let limit = (3.0 / inputs).sqrt();
        uniform(shape, numbers, -limit, limit)
    };
}
