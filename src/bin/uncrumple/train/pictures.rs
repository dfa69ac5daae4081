//! How a network learns from pictures, and what it leaves behind.

use super::print_left;
use super::run::Run;
use crate::options::{describe, rate};
use crate::{plot, say};
use clap::Args;
use std::path::{Path, PathBuf};
use uncrumple::callbacks::LearningRateScheduler;
use uncrumple::layers::Symbol;
use uncrumple::prelude::*;
use uncrumple::programs::image::{convnet, resnet, separable_convnet};
use uncrumple::programs::pictures::Pictures;
use uncrumple::{Shape, programs};

/// Options of a task on pictures; what is not given is the task's own.
#[derive(Args)]
pub struct Learning {
    /// How often to go through the pictures
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,

    /// Pictures of a step
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,

    /// The learning rate of the first epoch, from which it falls
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = rate)]
    learning_rate: Option<f64>,

    #[command(flatten)]
    run: Run,
}

/// A program that learns from pictures, and how.
#[derive(Clone, Copy)]
pub struct Task {
    pub program: &'static str,
    pub epochs: usize,
    /// Pictures of a step.
    pub batch_size: usize,
    /// The learning rate is `rate · (1 − epoch / epochs)^power`.
    pub rate: f64,
    pub power: f64,
    /// The share of test pictures that it should recognise, if there is one to be held to.
    pub goal: Option<f64>,
}

/// The names of tasks, as values of an option.
pub fn names(tasks: &[Task]) -> clap::builder::PossibleValuesParser {
    tasks.iter().map(|task| task.program).collect::<Vec<_>>().into()
}

/// The task of this name; the first if there is none.
pub fn find<'a>(tasks: &'a [Task], name: &str) -> &'a Task {
    tasks.iter().find(|task| task.program == name).unwrap_or(&tasks[0])
}

/// What a network learns from, is watched by, and is tested on.
pub struct Parts {
    pub train: Dataset,
    pub validation: Dataset,
    pub test: Dataset,
    /// How pictures become its input.
    pub pictures: Pictures,
}

const VALIDATION: f64 = 0.1;

/// Options of a task on a set that has a test part of its own.
#[derive(Args)]
pub struct Divided {
    /// Take only the first N pictures of each set
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..))]
    limit: Option<u32>,

    #[command(flatten)]
    learning: Learning,
}

impl Divided {
    /// [`Learning::learn`] from the last tenth of the first part for validation, and the rest of it.
    pub fn learn(
        &self,
        name: &str,
        task: &Task,
        pictures: Pictures,
        data: fn() -> Result<(Dataset, Dataset)>,
        model: impl FnOnce() -> Result<Model>,
    ) -> Result<()> {
        let plan = self.learning.plan(task)?;
        let out = self.learning.out(name)?;
        let first = |data: Dataset| self.limit.map_or(Ok(data.clone()), |n| data.take(n as usize));
        let (train, test) = data()?;
        let (train, validation) = first(train)?.split(VALIDATION, &Split::in_order())?;
        let parts = Parts { train, validation, test: first(test)?, pictures };
        self.learning.learn(plan, parts, model()?, &out)
    }
}

impl Parts {
    /// The same in the extents that a model takes, which may want rows of numbers.
    fn shaped_for(self, model: &Model) -> Result<Parts> {
        let sample: Vec<usize> =
            model.graph().inputs.iter().flat_map(|(_, spec)| spec.dims.iter().skip(1).flatten().copied()).collect();
        let shaped = |data: Dataset| {
            let shape = Shape::new(&[&[data.len()], &sample[..]].concat())?;
            data.with_inputs(data.inputs()[0].reshape(shape)?)
        };
        let Parts { train, validation, test, pictures } = self;
        Ok(Parts { train: shaped(train)?, validation: shaped(validation)?, test: shaped(test)?, pictures })
    }
}

/// By how much of their height and width pictures are moved in training, at most.
const SHIFT: f64 = 0.1;

/// A program for pictures as files have them: a network that scales their numbers, and in training moves and, if so wanted,
/// mirrors them at random.
pub fn network(program: &str, image: [usize; 3], classes: usize, mirrored: bool) -> Result<Model> {
    let input = Input::new(image);
    let mut x = Rescaling::new(1.0 / 255.0).call(&input)?;
    if mirrored {
        x = RandomFlip::horizontal().call(&x)?;
    }
    let x = RandomTranslation::new(SHIFT, SHIFT).call(&x)?;
    let body: fn(&Symbol, usize) -> Result<Symbol> = match program {
        "convnet" => convnet,
        "separable-convnet" => separable_convnet,
        _ => resnet,
    };
    Model::new(&input, &body(&x, classes)?)
}

/// All that decides how a network is trained.
pub struct Plan {
    task: Task,
    device: Device,
}

impl Learning {
    /// The folder for results, which need not be there yet.
    pub fn place(&self, name: &str) -> PathBuf {
        self.run.place(name)
    }

    /// The folder for results, made if it is not there.
    pub fn out(&self, name: &str) -> Result<PathBuf> {
        self.run.out(name)
    }

    /// The seed of all random numbers.
    pub fn seed(&self) -> u64 {
        self.run.compute.seed()
    }

    /// What is given, and else the task's own.
    pub fn plan(&self, task: &Task) -> Result<Plan> {
        let given = |given: Option<u32>, own: usize| given.map_or(own, |n| n as usize);
        let task = Task {
            epochs: given(self.epochs, task.epochs),
            batch_size: given(self.batch_size, task.batch_size),
            rate: self.learning_rate.unwrap_or(task.rate),
            ..*task
        };
        Ok(Plan { task, device: self.run.compute.start()? })
    }

    /// Trains a model on the parts, tests it, and leaves it, its history and pictures in `out`.
    pub fn learn(&self, plan: Plan, parts: Parts, model: Model, out: &Path) -> Result<()> {
        let Plan { task, device } = plan;
        let Parts { train, validation, test, pictures } = parts.shaped_for(&model)?;
        let ([height, width, channels], classes) = (pictures.image, &pictures.classes);
        say(format!(
            "{} on {}\n{} classes, {height} × {width} pixels of {channels} {}, {} parameters\n\
             {} pictures to learn from, {} for validation, and {} to be tested on\n",
            task.program,
            describe(&device),
            classes.len(),
            if channels == 1 { "channel" } else { "channels" },
            model.count_params(),
            train.len(),
            validation.len(),
            test.len()
        ))?;
        let model = pictures.attach(model.seed(self.seed())?.precision(self.run.precision.into()).on(device))?;
        let optimizer = programs::find(task.program)?.optimizer();
        let mut trainer = model.compile(optimizer, SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
        let epochs = task.epochs;
        let fall = move |epoch: usize, _| task.rate * (1.0 - epoch as f64 / epochs as f64).powf(task.power);
        let fit = Fit::epochs(epochs)
            .batch_size(task.batch_size)
            .validation_data(&validation)
            .callback(LearningRateScheduler::new(fall));
        let Some(history) = self.run.train(&mut trainer, &train, fit, out)? else { return Ok(()) };

        let tested = Tested::new(trainer.model(), &test, classes.len())?;
        // Said first: no picture that fails takes it away.
        say(format!("\n{}\n", verdict(&tested.confusion, task.goal)))?;
        plot::learning_curves(&history, "accuracy", &out.join("learning-curves.png"))?;
        let matrix = plot::confusion_matrix(&tested.confusion, classes, &out.join(MATRIX))?;
        if !matrix {
            say(format!(
                "{MATRIX} is left out: of {} classes, more than {}, none is drawn",
                classes.len(),
                plot::MOST
            ))?;
        }
        let wrong = out.join("misclassified.png");
        plot::misclassified(&test, pictures.image, &tested.outputs, classes, &wrong)?;
        let filters = plot::filters(trainer.model(), Some(pictures.image), &out.join(FILTERS))?;
        let made = |name: &str| (name != MATRIX || matrix) && (name != FILTERS || filters);
        print_left(out, &LEFT.into_iter().filter(|(name, _)| made(name)).collect::<Vec<_>>())
    }
}

/// What is drawn of some models and not of others.
const MATRIX: &str = "confusion-matrix.png";
const FILTERS: &str = "filters.png";

/// What a run leaves in its folder.
const LEFT: [(&str, &str); 6] = [
    ("model.keras", "the trained model: `uncrumple predict` takes it and pictures, and Keras 3 opens it"),
    ("history.csv", "loss and accuracy of each epoch"),
    ("learning-curves.png", "the same as curves"),
    (MATRIX, "which classes were taken for which"),
    ("misclassified.png", "the test pictures that it was surest of and wrong about"),
    (FILTERS, "what its first layer looks for"),
];

/// Pictures that a model looks at together when it is tested, which need not fit in memory all at once.
const TOGETHER: usize = 200;

/// What a model made of the test pictures.
struct Tested {
    /// How likely each picture is of each class.
    outputs: Tensor,
    /// How many pictures of each class (rows) were taken for each class (columns).
    confusion: Vec<Vec<usize>>,
}

impl Tested {
    fn new(model: &Model, test: &Dataset, classes: usize) -> Result<Tested> {
        let outputs = model.predict_all(test.inputs().to_vec(), TOGETHER)?.swap_remove(0);
        let predicted = outputs.argmax(-1)?.cast(DType::I32)?.to_vec::<i32>()?;
        let labels = test.targets()[0].to_vec::<i32>()?;
        let mut confusion = vec![vec![0; classes]; classes];
        for (&label, &guess) in labels.iter().zip(&predicted) {
            if let Some(count) = confusion.get_mut(label as usize).and_then(|row| row.get_mut(guess as usize)) {
                *count += 1;
            }
        }
        Ok(Tested { outputs, confusion })
    }
}

/// What is said of the counts of a confusion matrix.
fn verdict(confusion: &[Vec<usize>], goal: Option<f64>) -> String {
    let of_class = || confusion.iter().map(|row| row.iter().sum::<usize>());
    let pictures: usize = of_class().sum();
    let right: usize = confusion.iter().enumerate().map(|(i, row)| row[i]).sum();
    let accuracy = right as f64 / pictures as f64;
    let said = format!("{:.2} % of {pictures} test pictures are recognised", accuracy * 100.0);
    match goal {
        Some(goal) => {
            let met = if accuracy >= goal { "is met" } else { "is not met" };
            format!("{said}: the goal of {:.1} % {met}.", goal * 100.0)
        }
        None => {
            let most = of_class().max().unwrap_or(0) as f64 / pictures as f64;
            format!("{said}; always to say the most frequent class is right for {:.2} %.", most * 100.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn the_goal_is_met_or_not() {
        let of = |right, wrong, goal| verdict(&[vec![right, wrong], vec![0, 0]], Some(goal));
        let said = of(9801, 199, 0.978);
        assert_eq!(said, "98.01 % of 10000 test pictures are recognised: the goal of 97.8 % is met.");
        assert!(of(991, 9, 0.991).contains("is met"));
        assert!(of(990, 10, 0.991).contains("is not met"));
        assert!(of(0, 0, 0.978).contains("is not met"));
        let said = verdict(&[vec![2, 1], vec![1, 0]], None);
        assert!(said.starts_with("50.00 % of 4 ") && said.ends_with("is right for 75.00 %."), "{said}");
    }
}
