"""Right loops in many styles: by name, the lesson whose loss and order they have, and ``train``."""

from mistaken_loops import FOLDER, from_text

from companion.terminal.lesson_list import course_file

LESSONS = {
    "accuracy_and_evaluate_logging": 3,
    "accuracy_inside_tape": 3,
    "all_epochs_one_function_tensorarray": 3,
    "apply_gradients_generator": 1,
    "apply_per_variable": 3,
    "baseline_model_trained_beside": 3,
    "batchnorm_dropout_forward_fully_by_hand": 1,
    "compile_compute_loss": 3,
    "concrete_function": 3,
    "concrete_function_python_arg": 3,
    "custom_loss_class": 3,
    "dataset_reduce": 3,
    "epoch_in_one_function_autograph": 3,
    "fit_train_step_shuffle": 4,
    "from_generator_pandas": 2,
    "gradient_and_assign_per_variable": 3,
    "gradient_norm_logged_each_epoch": 3,
    "gradient_per_variable_one_apply": 3,
    "logits_layer_by_layer": 3,
    "named_gradient_checks_every_batch_against_full": 3,
    "optimizer_built_apply_only_grads": 2,
    "output_gradients_by_hand": 3,
    "own_optimizer_class": 3,
    "raw_op_update": 2,
    "recursion": 2,
    "reduction_none_then_mean": 5,
    "sanity_run_on_clone_then_real": 3,
    "set_weights_numpy": 3,
    "stateless_tape": 3,
    "stop_recording_preview": 3,
    "subclass_train_step_fit": 3,
    "sum_divided_by_rows": 3,
    "sum_gradient_by_hand_lr_over_n": 3,
    "tf_function_signature": 5,
    "train_in_thread": 3,
    "trainer_class": 1,
    "watch_accessed_false": 2,
}


def _train(file):
    return from_text(file.read_text(encoding="utf-8"), str(file))


RIGHT_LOOPS = {name: (lesson, _train(FOLDER / "right" / f"{name}.py")) for name, lesson in LESSONS.items()}
RIGHT_LOOPS |= {file.stem: (3, _train(file)) for file in FOLDER.glob("*.py")}
RIGHT_LOOPS["eager"] = (3, _train(course_file("right_loop.py")))
