"""The order of the house: imports go down only, and lessons keep their form."""

import ast
import inspect
import re

import pytest

from companion import __main__, lesson1, lesson2, lesson3, lesson4, lesson5, lesson_files
from companion.problems import ASSIGNMENTS

LESSONS = [lesson1, lesson2, lesson3, lesson4, lesson5]

# From the ground up: a file imports only from files before it.
HOUSE = [
    ["startup", "errors", "ulp", "curves", "formats", "keras_private", "retracing", "small_data"],
    ["lesson_files", "beside", "trajectory"],
    ["broken_loops"],
    ["precision", "batches", "pipeline", "support", "datasets", "outputs", "plots", "gradients", "toml_file"],
    ["comparison", "execution", "training", "user_file", "progress", "console", "arguments", "panels"],
    ["diagnosis.recording", "diagnosis.catalogue", "diagnosis.surroundings"],
    ["diagnosis.lines", "diagnosis.fed", "diagnosis.replaced", "diagnosis.concrete", "diagnosis.steps"],
    ["diagnosis.followed"],
    ["diagnosis.recorder"],
    ["diagnosis.problem"],
    ["diagnosis.replay"],
    ["diagnosis.findings"],
    ["diagnosis.rows", "diagnosis.clipping", "diagnosis.explanation"],
    ["diagnosis.gradients"],
    ["diagnosis.simulation", "diagnosis.reports"],
    ["diagnosis.by_hand"],
    ["diagnosis.updates"],
    ["diagnosis.diagnose"],
    ["loop_error", "source", "outcome"],
    ["learner"],
    ["loop_run"],
    ["exercise_call"],
    ["judging"],
    ["lesson_arguments", "runs", "result", "loop", "inputs", "networks"],
    ["report", "rates", "gap", "trace", "landscape", "both_ways"],
    ["combination"],
    ["compile_options", "fit_options", "model_file"],
    ["table"],
    ["dial"],
    ["live_figure"],
    ["live"],
    ["lesson1", "lesson2", "lesson3", "lesson4", "lesson5"],
    ["problems", "loop_check", "questions", "exercises"],
    ["predictions", "answers"],
    ["checking"],
    ["__main__", "compare", "conformance", "check", "quiz", "notebooks"],
    ["mistakes"],
    [
        "grading.text",
        "grading.checked",
        "grading.limits",
        "grading.criteria",
        "grading.frames",
        "grading.outcome",
        "grading.usage",
        "grading.probe",
    ],
    ["grading.watch", "grading.sandbox", "grading.peer", "grading.wire", "grading.assignment"],
    ["grading.warden", "grading.child", "grading.rubric", "grading.forked"],
    ["grading.exercises", "grading.quiz_marks"],
    ["grading.separate", "grading.judge"],
    ["grading.machine", "grading.nursery"],
    ["grading.solo", "grading.grader"],
    ["grading.tree", "grading.layouts", "grading.roster", "grading.journal", "grading.html", "grading.files"],
    ["grading.metadata", "grading.overrides", "grading.curve", "grading.gradebook", "grading.cluster"],
    ["grading.intake", "grading.feedback", "grading.class_page", "grading.lms", "grading.gradescope"],
    ["grading.session", "grading.publish"],
    ["grading.class_run"],
    ["grading.container"],
    ["grade"],
]
PACKAGES = ("companion", "companion.diagnosis", "companion.grading")
FLOOR = {name: floor for floor, names in enumerate(HOUSE) for name in names}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in PACKAGES:
            inside = node.module.removeprefix("companion").removeprefix(".")
            yield from (f"{inside}.{alias.name}".removeprefix(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("companion."):
            yield node.module.removeprefix("companion.")
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.removeprefix("companion.")
                for alias in node.names
                if alias.name.startswith("companion.")
            )


def modules(pytestconfig):
    package = pytestconfig.rootpath / "companion"
    return {
        ".".join(path.relative_to(package).with_suffix("").parts): path
        for path in package.rglob("*.py")
        if path.parent == package or path.name != "__init__.py"
    }


def test_the_lessons_are_those_that_the_tools_know():
    names = tuple(lesson.__name__.removeprefix("companion.") for lesson in LESSONS)
    assert names == lesson_files.LESSONS == tuple(__main__.LESSONS)
    assert tuple(f"lesson{number}" for number in ASSIGNMENTS) == names


def test_every_file_has_its_floor(pytestconfig):
    assert sorted(modules(pytestconfig)) == sorted([*FLOOR, "__init__"])


def test_imports_go_down_only(pytestconfig):
    for name, path in modules(pytestconfig).items():
        for imported in imports_of(path):
            assert name == "__init__" or FLOOR[imported] < FLOOR[name], f"{name} imports {imported}"


def test_only_what_draws_knows_matplotlib_and_only_console_and_progress_know_rich(pytestconfig):
    for library, known_by in (
        ("matplotlib", {"plots", "panels", "live", "live_figure"}),
        ("rich", {"console", "progress"}),
    ):
        pattern = re.compile(rf"^\s*(from|import) {library}\b", re.MULTILINE)
        users = {name for name, path in modules(pytestconfig).items() if pattern.search(path.read_text())}
        assert users == known_by


def test_only_one_file_uses_what_keras_does_not_export(pytestconfig):
    private = re.compile(r"keras\.src|\bmodel\._|\boptimizer\._")
    users = {name for name, path in modules(pytestconfig).items() if private.search(path.read_text())}
    assert users == {"keras_private"}


def test_files_stay_short(pytestconfig):
    lengths = {name: len(path.read_text().splitlines()) for name, path in modules(pytestconfig).items()}
    assert max(lengths.values()) <= 300, lengths


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_has_the_names_and_signatures_that_all_lessons_have(lesson):
    training = ["model", "x", "y", "learning_rate", "batch_size", "epochs"]
    assert not inspect.signature(lesson.load_data).parameters
    assert next(iter(inspect.signature(lesson.build_model).parameters.values())).default == 0
    for train in (lesson.train_by_hand, lesson.train_with_fit):
        parameters = inspect.signature(train).parameters
        assert list(parameters) == training
        assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in training[3:])
    names = ["load_data", "build_model", "train_by_hand", "train_with_fit", "main"]
    lines = [inspect.getsourcelines(inspect.unwrap(getattr(lesson, name)))[1] for name in names]
    assert lines == sorted(lines)


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_two_halves_stand_on_one_screen_and_carry_the_same_tags(lesson):
    by_hand, hand_starts = inspect.getsourcelines(lesson.train_by_hand)
    with_fit, fit_starts = inspect.getsourcelines(lesson.train_with_fit)
    assert fit_starts + len(with_fit) - hand_starts <= 50
    tags = [
        re.findall(r"\[(\d+)\]", "".join(re.findall("#.*", "".join(source))))
        for source in (by_hand, with_fit)
    ]
    assert (
        sorted(tags[0], key=int) == sorted(tags[1], key=int) == [str(n) for n in range(1, len(tags[0]) + 1)]
    )
