//! Parts of a model: called by themselves in a step of one's own, and changed by an optimizer of their own.

use super::{Running, Trainer};
use crate::error::{Error, Result};
use crate::model::{Graph, Mode, Nested};
use crate::optimizers::{self, Optimizer};
use crate::tensor::{Tensor, Tensors};
use smallvec::SmallVec;

/// A model that is a layer of the one in training, in the middle of a step.
pub struct Part<'a> {
    running: &'a Running<'a>,
    graph: &'a Graph,
    /// The place of its first weight among those of the whole.
    first: usize,
    frozen: bool,
}

impl<'a> Running<'a> {
    /// The model that is the layer of this name, to be called by itself: the critic of a generative adversarial network, on
    /// pictures that are real.
    ///
    /// # Errors
    /// A name that no layer has, a layer that is no model.
    pub fn get_layer(&'a self, name: &str) -> Result<Part<'a>> {
        let found = self.graph.layers.iter().find(|entry| entry.name == name);
        let nested = found.and_then(|entry| Some((entry, Nested::of(&entry.layer)?)));
        let (entry, nested) = nested.ok_or_else(|| {
            let models = self.graph.layers.iter().filter(|entry| Nested::of(&entry.layer).is_some());
            let models: Vec<&str> = models.map(|entry| entry.name.as_str()).collect();
            Error::Config(match models.is_empty() {
                true => format!("no layer `{name}` is a model, nor is any other"),
                false => format!("no layer `{name}` is a model; those that are: {}", models.join(", ")),
            })
        })?;
        Ok(Part { running: self, graph: &nested.graph, first: entry.weights.start, frozen: false })
    }
}

impl Part<'_> {
    /// The same with weights that no gradient reaches: what a generator learns by goes through the critic and leaves it as
    /// it is.
    pub fn frozen(self) -> Self {
        Part { frozen: true, ..self }
    }

    /// The outputs for a batch of inputs, which are converted to the dtypes that the model takes.
    ///
    /// # Errors
    /// Inputs of another number or shape.
    pub fn call(&self, inputs: &[&Tensor]) -> Result<Tensors> {
        let Running { weights, generator, precision, training, updates, .. } = self.running;
        let own = &weights[self.first..self.first + self.graph.weights.len()];
        let held: SmallVec<[Tensor; 16]> = match self.frozen {
            true => own.iter().map(Tensor::detach).collect(),
            false => own.iter().cloned().collect(),
        };
        let mode = Mode {
            training: *training,
            precision: *precision,
            generator: Some(generator),
            trainable: !self.frozen,
            first_weight: self.first,
            ..Mode::INFERENCE
        };
        let inputs = self.graph.cast(inputs)?;
        let borrowed: SmallVec<[&Tensor; 4]> = inputs.iter().collect();
        self.graph.run(&held, &borrowed, mode, &mut updates.borrow_mut())
    }
}

/// An optimizer of some of the trainable weights, and what it keeps.
pub(super) struct Own {
    /// Of the layer.
    pub name: String,
    pub optimizer: Box<dyn Optimizer>,
    pub state: optimizers::State,
    /// Its weights, as places among the model's, and their gradients, as places among those of all trainable weights.
    pub places: Vec<usize>,
    pub gradients: Vec<usize>,
}

impl Trainer {
    /// The same trainer, which changes the weights of the layer `layer` by this optimizer, and by its own those of all other
    /// layers: two optimizers for a generator and its critic. Both make a step each time. A learning rate that changes here is a
    /// [schedule](crate::schedules): [`Trainer::set_learning_rate`] and callbacks reach the trainer's own optimizer alone.
    ///
    /// A `.keras` file holds one optimizer, so that [`Trainer::save`] writes the model without any.
    ///
    /// ```
    /// use uncrumple::prelude::*;
    /// # fn main() -> Result<()> {
    /// let generator = Sequential::new([2]).add(Dense::new(3)).build()?.named("generator").as_layer();
    /// let critic = Sequential::new([3]).add(Dense::new(1)).build()?.named("critic").as_layer();
    /// let z = Input::new([2]);
    /// let model = Model::new(&z, &critic.call(&generator.call(&z)?)?)?;
    /// let trainer = model.compile(Adam::new(1e-3), (), ())?.with_optimizer("critic", Adam::new(4e-3))?;
    /// let mut trainer = trainer.with_step(|running, batch| {
    ///     let (generator, critic) = (running.get_layer("generator")?, running.get_layer("critic")?);
    ///     let real = &batch.inputs()[0];
    ///     let z = running.generator().normal([batch.len(), 2], DType::F32, 0.0, 1.0)?;
    ///     let fake = generator.call(&[&z])?.remove(0);
    ///     let (on_real, on_fake) = (&critic.call(&[real])?[0], &critic.call(&[&fake.detach()])?[0]);
    ///     let of_critic = on_real.negative()?.softplus()?.add(&on_fake.softplus()?)?.mean(&[], false)?;
    ///     let judged = &critic.frozen().call(&[&fake])?[0];
    ///     of_critic.add(&judged.negative()?.softplus()?.mean(&[], false)?)
    /// });
    /// let real = Tensor::ones(&Device::Cpu, [8, 3], DType::F32)?;
    /// trainer.train_on_batch(&Dataset::new(real, ())?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A layer that is not there, has no trainable weights or an optimizer of its own already, or has all that there are;
    /// a `loss_scale_factor` or `gradient_accumulation_steps` that the trainer's own optimizer does not have; a trainer
    /// that has made steps.
    pub fn with_optimizer(mut self, layer: &str, optimizer: impl Into<Box<dyn Optimizer>>) -> Result<Trainer> {
        let optimizer = optimizer.into();
        let refuse = |message: String| Err(Error::Config(format!("with_optimizer: {message}")));
        let graph = &self.model.graph;
        let Some(entry) = graph.layers.iter().find(|entry| entry.name == layer) else {
            let known: Vec<&str> = graph.layers.iter().map(|entry| entry.name.as_str()).collect();
            return refuse(format!("the model has no layer `{layer}`; it has {}", known.join(", ")));
        };
        if self.state.iteration > 0 {
            return refuse("the optimizer has made steps already".into());
        }
        let (own, main) = (optimizer.settings(), self.optimizer.settings());
        if own.loss_scale_factor != main.loss_scale_factor || own.steps() != main.steps() {
            return refuse("both optimizers need the same loss_scale_factor and gradient_accumulation_steps".into());
        }
        let (places, rest): (Vec<usize>, Vec<usize>) =
            self.main.iter().partition(|place| entry.weights.contains(place));
        if places.is_empty() || rest.is_empty() {
            let what =
                if places.is_empty() { "has no trainable weights of its own" } else { "has all weights there are" };
            return refuse(format!("`{layer}` {what}"));
        }
        let state = |optimizer: &dyn Optimizer, places: &[usize]| {
            let weights = places.iter().map(|&i| (&*graph.weights[i].0, &self.model.weights[i]));
            optimizers::State::new(optimizer, &weights.collect::<Vec<_>>())
        };
        let (of_part, of_rest) = (state(&*optimizer, &places)?, state(&*self.optimizer, &rest)?);
        let gradients = places.iter().filter_map(|place| self.trainable.iter().position(|i| i == place)).collect();
        self.owns.push(Own { name: layer.to_string(), optimizer, state: of_part, places, gradients });
        (self.state, self.main) = (of_rest, rest);
        self.forget_captures();
        Ok(self)
    }

    /// Brings the numbers of all optimizers' coming step to the device.
    pub(super) fn prepare_step(&mut self) -> Result<()> {
        self.state.prepare(&*self.optimizer)?;
        self.owns.iter_mut().try_for_each(|own| own.state.prepare(&*own.optimizer))
    }

    /// Changes the trainable weights by their gradients, each by its optimizer.
    pub(super) fn apply_gradients(&mut self, gradients: &[Tensor]) -> Result<()> {
        let weights = &mut self.model.weights;
        if self.owns.is_empty() {
            return self.state.step(&*self.optimizer, weights, &self.main, gradients);
        }
        let of = |places: &mut dyn Iterator<Item = usize>| -> SmallVec<[Tensor; 32]> {
            places.map(|i| gradients[i].clone()).collect()
        };
        for own in &mut self.owns {
            let gradients = of(&mut own.gradients.iter().copied());
            own.state.step(&*own.optimizer, weights, &own.places, &gradients)?;
        }
        let main = &self.main;
        let mut rest = (0..self.trainable.len()).filter(|&i| main.contains(&self.trainable[i]));
        self.state.step(&*self.optimizer, weights, main, &of(&mut rest))
    }

    /// Counts a step that all optimizers have made.
    pub(super) fn count_step(&mut self) {
        self.state.iteration += 1;
        self.owns.iter_mut().for_each(|own| own.state.iteration += 1);
    }

    /// Takes over the optimizers of parts from a trainer of the same model, with their states; this one is new.
    pub(super) fn with_owns(mut self, owns: Vec<Own>) -> Result<Trainer> {
        for own in owns {
            self = self.with_optimizer(&own.name, own.optimizer)?;
            let device = self.device().clone();
            let moved = |list: &Vec<Tensor>| list.iter().map(|t| t.copy()?.to_device(&device)).collect::<Result<_>>();
            let slots = own.state.slots.iter().map(moved).collect::<Result<_>>()?;
            if let Some(new) = self.owns.last_mut() {
                (new.state.slots, new.state.iteration) = (slots, own.state.iteration);
            }
        }
        Ok(self)
    }
}
