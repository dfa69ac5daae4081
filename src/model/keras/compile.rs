//! The compile config: optimizer, losses, metrics.

use super::{Training, TrainingState};
use crate::error::{Error, Result};
use crate::files::keras::object::{clip, named, short};
use crate::layers::{Config, object};
use crate::losses::{self, Loss};
use crate::metrics::{self, Metric, Named};
use crate::model::Model;
use crate::optimizers::{self, Optimizer};
use serde_json::{Value, json};

/// What a compile config says; the state comes from the weights file.
pub(super) fn read(config: &Config, model: &Model) -> Result<TrainingState> {
    let outputs = model.graph.output_names();
    let get = |key| config.get(key).filter(|v: &&Value| !v.is_null());
    let optimizer =
        get("optimizer").ok_or_else(|| Error::Config("the file was compiled without an optimizer".into()))?;
    // Keras uses one loss for all outputs where only one is given; with none, a step of one's own knows the loss.
    let losses = match get("loss") {
        None => Vec::new(),
        Some(Value::Array(list)) if list.len() == 1 && outputs.len() > 1 => vec![Some(&list[0]); outputs.len()],
        Some(loss) if loss.is_array() || is_dict(loss) => by_output(loss, &outputs, "loss")?,
        Some(loss) => vec![Some(loss); outputs.len()],
    };
    let without = |name: &String| Error::Config(format!("output `{name}` has no loss: leave it out of the model"));
    let losses = losses.into_iter().zip(&outputs).map(|(l, name)| read_loss(l.ok_or_else(|| without(name))?));
    let loss_weights = match get("loss_weights") {
        None => None,
        Some(weights) if weights.is_number() => Some(vec![Some(weights); outputs.len()]),
        Some(weights) => Some(by_output(weights, &outputs, "loss_weights")?),
    };
    let number = |w: Option<&Value>| w.map_or(Some(1.0), Value::as_f64);
    let wrong = || Error::Config("`loss_weights`: expected numbers".into());
    let loss_weights = loss_weights
        .map(|list| list.into_iter().map(number).collect::<Option<Vec<f64>>>().ok_or_else(wrong))
        .transpose()?;
    let lists = |key| {
        let lists = match get(key) {
            None => vec![None; outputs.len()],
            // With one output all metrics are that one's, however they are nested.
            Some(all) if outputs.len() == 1 => vec![Some(all)],
            Some(Value::Array(list)) if list.is_empty() => vec![None; outputs.len()],
            Some(all) => by_output(all, &outputs, key)?,
        };
        let read = |m: Option<&Value>| m.map_or_else(|| Ok(Vec::new()), read_metrics);
        lists.into_iter().map(read).collect::<Result<Vec<_>>>()
    };
    let mut metrics = lists("metrics")?;
    for (list, weighted) in metrics.iter_mut().zip(lists("weighted_metrics")?) {
        list.extend(weighted.into_iter().map(|metric| Box::new(Named::weighing(metric)) as Box<dyn Metric>));
    }
    Ok(TrainingState {
        optimizer: read_optimizer(optimizer)?,
        iteration: 0,
        slots: Vec::new(),
        losses: losses.collect::<Result<_>>()?,
        loss_weights,
        metrics,
    })
}

/// Whether a value is a dict of the user's and no serialized object.
fn is_dict(value: &Value) -> bool {
    value.is_object() && value.get("class_name").is_none()
}

/// The entry of each output in a list, or in a dict by name; null where there is none.
fn by_output<'a>(value: &'a Value, outputs: &[String], key: &str) -> Result<Vec<Option<&'a Value>>> {
    let given = |v: &'a Value| (!v.is_null()).then_some(v);
    match value {
        Value::Array(list) if list.len() == outputs.len() => Ok(list.iter().map(given).collect()),
        Value::Object(dict) if is_dict(value) => {
            if let Some(unknown) = dict.keys().find(|key| !outputs.contains(key)) {
                let message =
                    format!("`{key}` names the output `{}`; the model has {}", clip(unknown), outputs.join(", "));
                return Err(Error::Config(message));
            }
            Ok(outputs.iter().map(|name| dict.get(name).and_then(given)).collect())
        }
        _ => Err(Error::Config(format!(
            "`{key}`: expected one for each of {} outputs, got {}",
            outputs.len(),
            short(value)
        ))),
    }
}

fn read_optimizer(value: &Value) -> Result<Box<dyn Optimizer>> {
    let (class, config) = named(value, "an optimizer")?;
    optimizers::from_config(class, config.unwrap_or(&Config::new()))
}

fn read_loss(value: &Value) -> Result<Box<dyn Loss>> {
    let (class, config) = named(value, "a loss")?;
    losses::from_config(class, config.unwrap_or(&Config::new()))
}

fn read_metrics(value: &Value) -> Result<Vec<Box<dyn Metric>>> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => {
            let nested = list.iter().map(read_metrics).collect::<Result<Vec<_>>>()?;
            Ok(nested.into_iter().flatten().collect())
        }
        dict if is_dict(dict) => match dict.as_object().map(|d| d.values().collect::<Vec<_>>()).as_deref() {
            Some([one]) => read_metrics(one),
            _ => Err(Error::Config(format!("`metrics`: expected those of one output, got {}", short(value)))),
        },
        one => {
            let (class, config) = named(one, "a metric")?;
            Ok(vec![metrics::from_config(class, config.unwrap_or(&Config::new()))?])
        }
    }
}

/// Keras's compile config.
pub(super) fn write(training: &Training, model: &Model) -> Result<Config> {
    let outputs = model.graph.outputs.len();
    let (losses, metrics) = (training.losses.len(), training.metrics.len());
    if ![0, 1, outputs].contains(&losses) || ![0, outputs].contains(&metrics) {
        return Err(Error::Internal(format!(
            "a model with {outputs} outputs needs as many losses and lists of metrics"
        )));
    }
    // Keras takes weights of losses only where there are as many.
    let repeated = if losses == 1 { outputs } else { 1 };
    let losses: Vec<Value> =
        training.losses.iter().map(|loss| loss.serialized()).cycle().take(losses * repeated).collect();
    let single = |mut values: Vec<Value>| match values.len() {
        0 => Value::Null,
        1 => values.swap_remove(0),
        _ => Value::Array(values),
    };
    // Those that samples' weights count for, or those that they do not.
    let lists = |weighted: bool| {
        let of = |metrics: &Vec<Box<dyn Metric>>| -> Vec<Value> {
            metrics.iter().filter(|m| m.is_weighted() == weighted).map(|metric| metric.serialized()).collect()
        };
        let lists: Vec<Vec<Value>> = training.metrics.iter().map(of).collect();
        match lists.iter().all(Vec::is_empty) {
            true => Value::Null,
            false => single(lists.into_iter().map(Value::Array).collect()),
        }
    };
    Ok(object(json!({
        "optimizer": training.optimizer.serialized(),
        "loss": single(losses),
        "loss_weights": training.loss_weights,
        "metrics": lists(false),
        "weighted_metrics": lists(true),
        "run_eagerly": false,
        "steps_per_execution": 1,
        "jit_compile": "auto",
    })))
}
