//! He's initializers.

use super::{cut_normal, fans, scaled, uniform};

scaled! {
    /// Truncated normal numbers of the standard deviation √(2 / inputs), which they have after the cut at two deviations of
    /// the normal distribution (He et al., *Delving deep into rectifiers*, 2015;
    /// [Keras](https://keras.io/api/layers/initializers/#henormal-class)).
    HeNormal |shape, numbers| {
        let (inputs, _) = fans(shape);
        cut_normal(shape, numbers, (2.0 / inputs).sqrt())
    };
    /// Uniform numbers over ±√(6 / inputs) (He et al., *Delving deep into rectifiers*, 2015;
    /// [Keras](https://keras.io/api/layers/initializers/#heuniform-class)).
    HeUniform |shape, numbers| {
        let (inputs, _) = fans(shape);
        let limit = (6.0 / inputs).sqrt();
        uniform(shape, numbers, -limit, limit)
    };
}
