"""The steps of the script: the loss, the training step, the test step."""

from collections.abc import Sequence

from companion.eject.data import Data
from companion.eject.data_lines import passed_to_step
from companion.eject.layout import as_word, indented
from companion.eject.plan import Plan

PRUNED = "# Without this output, TensorFlow may build another graph; the last bits change."


def by_model(plan: Plan) -> bool:
    """Return whether the metrics are those that the model was compiled with."""
    return plan.own_train_step or plan.by_methods


def _graph(plan: Plan, batches: str, data: Data, whole: bool) -> list[str]:
    """Write the decorator that makes a graph of a step."""
    if plan.eager:
        return []
    spec = f"{batches}.element_spec"
    if passed_to_step(data, whole) == "batch":
        spec = f"[{spec}]"
    jit = ", jit_compile=True" if plan.jit else ""
    return [f"@tf.function(input_signature={spec}, autograph=False{jit})"]


def _called(plan: Plan, training: bool) -> str:
    return f"model(x, training={training})" if plan.takes_training else "model(x)"


def _loss_call(plan: Plan, parts: Sequence[str], training: bool) -> str:
    y = "y" if "y" in parts else "None"
    weights = "weights" if "weights" in parts else ""
    if plan.by_methods:
        more = f", {weights}" if weights else ""
        more += f", training={training}" if plan.loss_takes_training else ""
        return f"model.compute_loss(x, {y}, y_pred{more})"
    if _has_loss_function(plan):
        return f"loss_of({y}, y_pred{', ' + weights if weights else ''})"
    weighed = f", sample_weight={weights}" if weights else ""
    factor = f" * {plan.losses[0].weight}" if plan.losses[0].weight else ""
    return f"loss_function({y}, y_pred{weighed}){factor}"


def _has_loss_function(plan: Plan) -> bool:
    several = len(plan.losses) != 1 or bool(plan.losses[0].output)
    return not by_model(plan) and (several or plan.penalties)


def loss_function(plan: Plan) -> list[str]:
    """Write a function for a loss that takes more than one call."""
    if not _has_loss_function(plan):
        return []
    weighed = any("weights" in data.parts for data in (plan.data, plan.held_out) if data is not None)
    lines = [f"def loss_of(y, y_pred{', weights=None' if weighed else ''}):"]
    terms = []
    for one in plan.losses:
        function = "loss_function" if len(plan.losses) == 1 else f"loss_of_{as_word(one.name)}"
        more = ", sample_weight=weights" if weighed else ""
        call = f"{function}(y{one.target}, y_pred{one.output}{more})"
        factor = f" * {one.weight}" if one.weight else ""
        if len(plan.losses) == 1:
            terms.append(call + factor)
            continue
        name = f"{as_word(one.name)}_loss"
        counted = f"sample_weight=y_pred{one.output}.shape[0]"
        lines += [f"    {name} = {call}", f"    mean_{as_word(one.name)}.update_state({name}, {counted})"]
        terms.append(name + factor)
    if len(plan.losses) > 1:
        lines.insert(1, "    # If the graph does not know the number of rows, a batch counts as one row.")
    total = " + ".join(terms)
    if plan.penalties:
        lines.append("    # The penalties of the layers count, in validation too.")
        inside = ", ".join(part for part in (total, "*model.losses") if part)
        return [*lines, f"    return tf.reduce_sum([{inside}])", ""]
    return [*lines, f"    return {total}", ""]


def train_step(plan: Plan) -> list[str]:
    """Write the step that makes an update."""
    if plan.own_train_step:
        return [
            *_graph(plan, "batches", plan.data, whole=True),
            "def train_step(batch):",
            "    return model.train_step(batch)  # your own",
            "",
            *_next_step(plan),
        ]
    differentiated = "scaled" if plan.scales else "loss"
    lines = [
        *_graph(plan, "batches", plan.data, whole=False),
        f"def train_step({', '.join(plan.data.parts)}):",
        "    with tf.GradientTape() as tape:",
        f"        y_pred = {_called(plan, True)}",
        f"        loss = {_loss_call(plan, plan.data.parts, True)}",
    ]
    if plan.scales:
        lines += ["        # Small gradients would round to 0; the optimizer divides by the scale."]
        lines += ["        scaled = optimizer.scale_loss(loss)"]
    lines += [
        f"    gradients = tape.gradient({differentiated}, model.trainable_variables)",
        "    optimizer.apply_gradients(zip(gradients, model.trainable_variables))",
        *indented(_updates(plan, plan.data)),
    ]
    if not plan.by_methods:
        lines += [*([] if plan.eager else [f"    {PRUNED}"]), "    return loss"]
    return [*lines, "", *_next_step(plan)]


def _next_step(plan: Plan) -> list[str]:
    """Write a step that fetches its batch, where nobody knows how many there are."""
    if not plan.fetches_in_graph:
        return []
    star = passed_to_step(plan.data, plan.own_train_step).removesuffix("batch")
    return [
        "@tf.function(autograph=False)",
        "def next_step(iterator):",
        "    # As in .fit, the graph fetches the batch. At the end of the data it finds none,",
        "    # but the optimizer and random layers may have counted the step.",
        f"    return train_step({star}iterator.get_next())",
        "",
    ]


def _updates(plan: Plan, data: Data) -> list[str]:
    """Write how the metrics see a batch."""
    lines = [
        "# The epoch's mean weights each batch by its rows.",
        f"mean_loss.update_state(loss, sample_weight=tf.shape({data.counted})[0])",
    ]
    parts = data.parts
    weights = "weights" if "weights" in parts else ""
    y = "y" if "y" in parts else "None"
    if plan.by_methods:
        more = f", {weights}" if weights else ", None"
        return [*lines, f"return model.compute_metrics(x, {y}, y_pred{more})"]
    for metric in plan.metrics:
        more = f", sample_weight={weights}" if metric.weighted and weights else ""
        lines.append(f"{metric.variable}.update_state({y}{metric.target}, y_pred{metric.output}{more})")
    return lines


def test_step(plan: Plan) -> list[str]:
    """Write the step that measures a batch of the validation."""
    if plan.held_out is None:
        return []
    parts = plan.held_out.parts
    if plan.own_train_step or plan.own_test_step:
        whose = "  # your own" if plan.own_test_step else ""
        return [
            *_graph(plan, "validation", plan.held_out, whole=True),
            "def test_step(batch):",
            f"    return model.test_step(batch){whose}",
            "",
        ]
    return [
        *_graph(plan, "validation", plan.held_out, whole=False),
        f"def test_step({', '.join(parts)}):",
        f"    y_pred = {_called(plan, False)}",
        f"    loss = {_loss_call(plan, parts, False)}",
        *indented(_updates(plan, plan.held_out)),
        *([] if plan.by_methods or plan.eager else ["    return loss"]),
        "",
    ]
