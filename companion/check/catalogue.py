"""The mistakes that are known by name: what each is called, its cure, and where to read on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from companion.check.learner.lines import Location

DOCUMENT = "lessons/what-fit-does.md"

# Sections of the document, by what they are about.
RUNNING_MEAN = "The loss is a running mean of losses before their updates"
SHORT_BATCH = "The short last batch is kept, and counts by its rows"
ORDER = "Under a seed the order repeats"
PENALTIES = "Penalties are in the loss, in validation too"
TRAINING = "The network is called with `training=True`"
RANK = "Labels take the rank of the predictions"
WEIGHTED = "Weighted losses are divided by the count"
REPLICAS = "Under a strategy a loss is divided by the replicas"
MEAN_GRADIENT = "The gradient is that of the batch's mean loss"
LOSS_CALL = "The loss takes labels first, and probabilities"
ONE_OPTIMIZER = "One optimizer makes one update a batch, of all trainable weights"
MORE_THAN_STEP = "The optimizer does more than subtract"
GIVEN_MODEL = "Training goes on from the weights that are there"


@dataclass(frozen=True)
class Known:
    """A mistake of the catalogue.

    Attributes
    ----------
    title : str
        What it is, in a sentence.
    cure : str
        What to do instead, in a sentence.
    section : str
        The heading in ``lessons/what-fit-does.md``.
    """

    title: str
    cure: str
    section: str

    @property
    def link(self) -> str:
        """Return the path and anchor of the section."""
        kept = "".join(c for c in self.section.lower() if c.isalnum() or c in " -_")
        return f"{DOCUMENT}#{kept.replace(' ', '-')}"


MISTAKES: dict[str, Known] = {
    "fit-called-inside": Known(
        "The loop is not written by hand: .fit, or a loop like it, is called inside",
        "Write the loop: forward, loss and gradient in a tf.GradientTape, update, record.",
        RUNNING_MEAN,
    ),
    "another-model-trained": Known(
        "The loop trains a different model from the one it was given",
        "Train the model that is passed to train. Do not clone it, and do not build another one.",
        GIVEN_MODEL,
    ),
    "already-trained": Known(
        "The model was already trained before the first reported epoch",
        "Start from the given model: no training before the loop, no model kept from an earlier call.",
        GIVEN_MODEL,
    ),
    "other-initial-weights": Known(
        "The training does not start from the weights of the given model",
        "Keep the weights of the given model. Do not build or initialize the model again.",
        GIVEN_MODEL,
    ),
    "last-batch-dropped": Known(
        "The short batch at the end of an epoch is dropped",
        "Keep it: drop_remainder=False, and a range that goes up to the number of rows.",
        SHORT_BATCH,
    ),
    "batches-over-the-epoch": Known(
        "A batch goes over the end of an epoch",
        "Cut each epoch into batches separately: call batch() first, then repeat().",
        SHORT_BATCH,
    ),
    "rows-left-out": Known(
        "Some rows are not used in the updates",
        "Use each row once per epoch.",
        SHORT_BATCH,
    ),
    "other-batch-size": Known(
        "The batches do not have the size batch_size",
        "Cut the rows into batches of the size that .fit has, and update once per batch.",
        SHORT_BATCH,
    ),
    "drawn-with-replacement": Known(
        "Rows are drawn with replacement",
        "Go through a permutation, so that each row comes once per epoch.",
        ORDER,
    ),
    "not-shuffled": Known(
        "The rows are not shuffled",
        "Feed the rows in the order of companion.batches.order_of_fit(len(x)).",
        ORDER,
    ),
    "shuffled-otherwise": Known(
        "The rows come in a different order from that of .fit",
        "Feed the rows in the given order; if .fit shuffles, use companion.batches.order_of_fit(len(x)).",
        ORDER,
    ),
    "training-left-out": Known(
        "The network is not called in training mode",
        "Call model(x_batch, training=True) inside the tape.",
        TRAINING,
    ),
    "extra-training-pass": Known(
        "The network is called an extra time in training mode",
        "Outside of the tape, call it with training=False; or use the predictions from inside the tape.",
        TRAINING,
    ),
    "labels-broadcast": Known(
        "Labels of shape (n,) and predictions of shape (n, 1) are broadcast to (n, n)",
        "Give the labels the shape of the predictions: y[:, None], or use the loss object.",
        RANK,
    ),
    "loss-arguments-swapped": Known(
        "Labels and predictions are swapped in the call of the loss",
        "Call loss(y_true, y_pred).",
        LOSS_CALL,
    ),
    "from-logits-mismatch": Known(
        "from_logits does not fit the network's last layer",
        "Use from_logits=False if the network gives probabilities, and True if it gives any number.",
        LOSS_CALL,
    ),
    "another-loss": Known(
        "The loop trains with a different loss",
        "Use the loss that .fit is compiled with.",
        LOSS_CALL,
    ),
    "vector-of-losses": Known(
        "The tape gets one loss per row instead of their mean",
        "Reduce before the gradient: tf.reduce_mean(losses); the gradient of a vector is that of its sum.",
        MEAN_GRADIENT,
    ),
    "sum-instead-of-mean": Known(
        "The loss is summed over the batch instead of averaged",
        "Take the mean: the default reduction of the loss classes, or tf.reduce_mean.",
        MEAN_GRADIENT,
    ),
    "divided-by-all-rows": Known(
        "The batch's loss is divided by the number of all rows",
        "Divide by the number of rows in this batch: tf.reduce_mean.",
        MEAN_GRADIENT,
    ),
    "divided-by-batch-size": Known(
        "The loss of the short last batch is divided by the full batch size",
        "Divide by the number of rows in this batch: tf.reduce_mean.",
        MEAN_GRADIENT,
    ),
    "gradient-scaled": Known(
        "The gradient is the gradient of .fit times a constant",
        "Differentiate the loss itself, without a factor.",
        MEAN_GRADIENT,
    ),
    "penalty-left-out": Known(
        "The penalty that the layers add to the loss is left out",
        "Add sum(model.losses) to the loss inside the tape.",
        PENALTIES,
    ),
    "penalty-twice": Known(
        "The penalty that the layers add to the loss is added twice",
        "Add sum(model.losses) once.",
        PENALTIES,
    ),
    "penalty-in-gradient-only": Known(
        "The penalty is in the gradient, but not in the reported loss",
        "Differentiate and report the same number: loss = data loss + sum(model.losses).",
        PENALTIES,
    ),
    "penalty-in-report-only": Known(
        "The penalty is in the reported loss, but not in the gradient",
        "Differentiate and report the same number: loss = data loss + sum(model.losses).",
        PENALTIES,
    ),
    "class-weights-left-out": Known(
        "The weights of the rows, or of their classes, are left out",
        "Pass sample_weight, the weight of each row's class, to the loss.",
        WEIGHTED,
    ),
    "class-weights-normalized": Known(
        "The weighted loss is divided by the sum of the weights",
        "Divide by the number of rows, as the loss classes do.",
        WEIGHTED,
    ),
    "no-update": Known(
        "The weights are never updated",
        "Hand the gradients to optimizer.apply_gradients(zip(gradients, model.trainable_variables)).",
        ONE_OPTIMIZER,
    ),
    "update-uphill": Known(
        "The updates go uphill",
        "Subtract the learning rate times the gradient of the loss, not of the negative loss.",
        ONE_OPTIMIZER,
    ),
    "two-updates-a-step": Known(
        "Each batch makes two updates",
        "Update once per batch.",
        ONE_OPTIMIZER,
    ),
    "some-variables-only": Known(
        "Only some of the variables are updated",
        "Take gradients of all model.trainable_variables and apply all of them.",
        ONE_OPTIMIZER,
    ),
    "new-optimizer-every-step": Known(
        "A new optimizer is made for every step",
        "Make the optimizer once, before the epochs: momentum, Adam and the like remember earlier steps.",
        ONE_OPTIMIZER,
    ),
    "new-optimizer-every-epoch": Known(
        "A new optimizer is made for every epoch",
        "Make the optimizer once, before the epochs: momentum, Adam and the like remember earlier steps.",
        ONE_OPTIMIZER,
    ),
    "another-optimizer": Known(
        "The optimizer, or one of its settings, differs from that of .fit",
        "Use the optimizer that .fit is compiled with.",
        ONE_OPTIMIZER,
    ),
    "wrong-learning-rate": Known(
        "The learning rate is not that of .fit",
        "Use the learning rate of .fit, in each update.",
        ONE_OPTIMIZER,
    ),
    "schedule-missing": Known(
        "The learning rate stays constant, but .fit changes it",
        "Give the optimizer the schedule, or do in each epoch what the callback does.",
        ONE_OPTIMIZER,
    ),
    "gradients-clipped": Known(
        "The gradients are limited in size, but .fit does not limit them here",
        "Leave out clipping and normalizing, or set the same clipping in both optimizers.",
        MORE_THAN_STEP,
    ),
    "clipping-left-out": Known(
        "The gradients are not clipped, but .fit clips them here",
        "Give the optimizer the clipnorm, clipvalue or global_clipnorm that .fit has.",
        MORE_THAN_STEP,
    ),
    "updates-by-assign": Known(
        "Updates by assignment skip a part of what the optimizer does",
        "Use optimizer.apply_gradients, which also clips, decays and keeps constraints.",
        MORE_THAN_STEP,
    ),
    "metric-never-reset": Known(
        "The running mean of the losses is never reset",
        "Reset it at the beginning of each epoch: mean.reset_state().",
        RUNNING_MEAN,
    ),
    "plain-mean-over-batches": Known(
        "The short batch counts as much as a full batch in the reported loss",
        "Weight each batch's loss by its rows: mean.update_state(loss, sample_weight=len(x_batch)).",
        SHORT_BATCH,
    ),
    "last-batch-reported": Known(
        "The loss of the last batch is reported",
        "Report the mean over the batches of the epoch, each weighted by its rows.",
        RUNNING_MEAN,
    ),
    "batch-losses-added-up": Known(
        "The batches' losses are added up and not divided",
        "Multiply each batch's loss by its rows, and divide the sum by all rows; or use keras.metrics.Mean.",
        RUNNING_MEAN,
    ),
    "loss-after-update": Known(
        "The reported loss is measured after the update",
        "Report the loss that the tape differentiated, as it was before the update.",
        RUNNING_MEAN,
    ),
    "evaluate-reported": Known(
        "The reported loss is measured on all rows after the epoch",
        "Report the running mean of the batches' losses, each measured before its update.",
        RUNNING_MEAN,
    ),
    "no-gradient": Known(
        "The tape finds no path from the loss to the weights",
        "Call the model inside the tape and use only TensorFlow there: no float(), no .numpy(), no NumPy.",
        MEAN_GRADIENT,
    ),
    "variables-in-tf-function": Known(
        "Variables are made inside a tf.function",
        "Make model, optimizer and metrics outside, and build the optimizer before the first step.",
        ONE_OPTIMIZER,
    ),
}


# Others, which the command ``mistakes`` does not make: they need a network, labels or callbacks of one's own.
FURTHER: dict[str, Known] = {
    "penalty-scaled": Known(
        "The penalty that the layers add to the loss is scaled",
        "Add sum(model.losses) as it is: tf.nn.l2_loss is half of what keras.regularizers.L2 adds.",
        PENALTIES,
    ),
    "means-divided-by-rows": Known(
        "The batches' mean losses are added up and divided by the number of rows",
        "Weight each batch's mean by its rows before you divide.",
        SHORT_BATCH,
    ),
    "means-divided-by-full-batches": Known(
        "The batches' losses are divided by the number of full batches, without the short batch",
        "Weight each batch's mean by its rows, and divide by the number of rows.",
        SHORT_BATCH,
    ),
    "schedule-late": Known(
        "The learning rate is changed an epoch later than .fit changes it",
        "Set the rate at the beginning of an epoch, before its first update.",
        MORE_THAN_STEP,
    ),
    "frozen-number": Known(
        "A tf.function goes on with the Python number of its first call",
        "Hand what changes to the tf.function as a tensor, or keep it in a tf.Variable.",
        MORE_THAN_STEP,
    ),
    "rates-differ": Known(
        "Some variables move with another learning rate than others",
        "Use one optimizer with one learning rate for all trainable variables.",
        ONE_OPTIMIZER,
    ),
    "gradients-not-applied": Known(
        "Fewer updates are made than gradients are computed",
        "Call optimizer.apply_gradients once per batch, inside the loop over the batches.",
        ONE_OPTIMIZER,
    ),
    "gradients-added-up": Known(
        "The gradients of several batches are added up instead of averaged",
        "Divide the sum of the gradients, or each loss, by the number of batches in it.",
        MEAN_GRADIENT,
    ),
    "gradients-misaligned": Known(
        "Gradients are applied to other variables than their own",
        "Zip the gradients with the very list that tape.gradient was given.",
        ONE_OPTIMIZER,
    ),
    "loss-not-scaled": Known(
        "The optimizer divides the gradient by a scale that did not multiply the loss",
        "Differentiate optimizer.scale_loss(loss): LossScaleOptimizer divides the gradient again.",
        MORE_THAN_STEP,
    ),
    "tape-thrown-away": Known(
        "The loss of some forward passes is never differentiated",
        "Take the gradient of each batch inside the loop, or add the losses up in one tape.",
        MEAN_GRADIENT,
    ),
    "weights-put-back": Known(
        "The weights are set once more after the last update",
        "Let .fit do so too, by EarlyStopping(restore_best_weights=True), or leave it out.",
        GIVEN_MODEL,
    ),
    "other-epochs": Known(
        "The loop runs for another number of epochs",
        "Run as many epochs as you are asked for, or stop by the same rule as the callback of .fit.",
        RUNNING_MEAN,
    ),
    "loss-scaled-by-replicas": Known(
        "The losses of a strategy's replicas are scaled wrongly",
        "Divide your own loss and penalty once by strategy.num_replicas_in_sync; keras.losses divides "
        "already.",
        REPLICAS,
    ),
    "gradients-not-added-up": Known(
        "The replicas of a strategy do not add up their gradients",
        "Let optimizer.apply(...) update: it adds up the gradients of all replicas. By hand, add them up "
        "first: tf.distribute.get_replica_context().all_reduce('SUM', gradients).",
        REPLICAS,
    ),
    "gradients-added-up-twice": Known(
        "The gradients of a strategy's replicas are added up twice",
        "Leave out all_reduce: optimizer.apply(...) adds up the gradients of all replicas.",
        REPLICAS,
    ),
    "labels-of-other-rows": Known(
        "Rows meet the labels of other rows",
        "Take the same rows of x and y: x[order] and y[order].",
        ORDER,
    ),
    "frozen-updated": Known(
        "Variables of a frozen layer are updated",
        "Take model.trainable_variables after the layers are frozen, and use that list.",
        ONE_OPTIMIZER,
    ),
}


@dataclass(frozen=True)
class Mistake:
    """A mistake found in a loop.

    Attributes
    ----------
    name : str
        Such as ``sum-instead-of-mean``.
    title : str
        What it is, in a sentence.
    evidence : str
        The numbers.
    file : str or None
        The learner's file; for a notebook, with the cell.
    line : int or None
        The number of the line in it.
    code : str
        The text of that line.
    cure : str
        What to do instead.
    link : str
        Where to read on: a document and the anchor in it.
    section : str
        The heading in that document.
    problems : list of str
        The problems on which it showed.
    """

    name: str
    title: str
    evidence: str
    file: str | None
    line: int | None
    code: str
    cure: str
    link: str
    section: str
    problems: list[str] = field(default_factory=list)


def known_as(name: str) -> Known:
    """Return the entry of a mistake."""
    return MISTAKES[name] if name in MISTAKES else FURTHER[name]


OF_PARTS = "Divide by the rows of this batch in all replicas, as tf.nn.compute_average_loss(losses) does."
# What to do under a strategy with several replicas, where that is something else.
UNDER_REPLICAS = {
    "report of replicas": "Leave the loss. Report the sum over the replicas: strategy.reduce('SUM', ...), or "
    "the result of the metric times strategy.num_replicas_in_sync.",
    "penalty-left-out": "Add tf.nn.scale_regularization_loss(sum(model.losses)) to the loss inside the tape.",
    "plain-mean-over-batches": "Multiply the loss of each batch by the rows of the whole batch, add "
    "these up, and divide by the number of all rows.",
    "divided-by-batch-size": OF_PARTS,
    "divided-by-all-rows": OF_PARTS,
    "sum-instead-of-mean": OF_PARTS,
}


def mistake(
    name: str, evidence: str, place: Location | None, code: str, problems: Sequence[str] = ()
) -> Mistake:
    """Return all that is known of a mistake."""
    known = known_as(name)
    file, line = (place.file, place.line) if place else (None, None)
    about = (known.cure, known.link, known.section)
    return Mistake(name, known.title, evidence, file, line, code, *about, list(problems))


@dataclass(frozen=True)
class ExerciseResult:
    """What became of an exercise.

    Attributes
    ----------
    name : str
        Of the function.
    status : {"right", "wrong", "not done yet", "error", "missing"}
        In a word; "not handed in" where a submission lacks it.
    told : str
        What was called, what it returned and what is right; empty if the answer is right.
    """

    name: str
    status: str
    told: str
