"""The house: imports go one way, and lessons keep their form."""

import ast
import importlib
import inspect
import re
from graphlib import CycleError, TopologicalSorter

import pytest

from companion.terminal import lesson_list

LESSONS = [importlib.import_module(f"companion.{name}") for name in lesson_list.LESSONS]

# From the ground up: a room imports only from rooms above it in this list.
FLOORS = f"""
errors
precision batches datasets
fit terminal
loop
comparison
plots
{" ".join(lesson_list.LESSONS)}
report
check
compare conformance live quiz mistakes notebooks
eject
grade
__main__
"""
# And inside the two big ones; what stands in no room of theirs may import from all of these.
INSIDE = {"check": "learner recording", "grade": "clean_text sandbox marking workers intake output"}
# Inside a function: a lesson that is run hands over to its report, and an option to another command.
STEPS_DOWN = {("lesson4", "live"), ("report", "live"), *((name, "report") for name in lesson_list.LESSONS)}


@pytest.fixture(scope="module")
def files(pytestconfig):
    """Give the package's files by their module's name, each with the modules of ours that it imports."""
    package = pytestconfig.rootpath / "companion"
    paths = {
        ".".join(("companion", *path.relative_to(package).with_suffix("").parts)): path
        for path in package.rglob("*.py")
    }
    return {
        name: (path.read_text(encoding="utf-8"), set(imports_of(path, paths))) for name, path in paths.items()
    }


def imports_of(path, known):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "companion":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("companion."))


def room(name):
    """Give the room at the top of the package in which a module stands; "" for the package itself."""
    return [*name.split("."), ""][1]


def test_imports_go_one_way(files):
    floor = {name: number for number, line in enumerate(FLOORS.strip().splitlines()) for name in line.split()}
    assert {room(name) for name in files} == {*floor, "__init__"}
    for name, (_, imported) in files.items():
        for other in imported - {"companion"} if room(name) != "__init__" else ():
            allowed = room(name) == room(other) or (room(name), room(other)) in STEPS_DOWN
            assert allowed or floor[room(other)] < floor[room(name)], f"{name} imports {other}"


@pytest.mark.parametrize("house", INSIDE)
def test_imports_go_one_way_inside_a_big_command(files, house):
    rooms = INSIDE[house].split()
    for name, (_, imported) in files.items():
        inside = name.split(".")[2:3]
        if room(name) != house or inside[0] not in rooms:
            continue
        for other in imported:
            if room(other) == house:
                allowed = rooms[: rooms.index(inside[0]) + 1]
                assert other.split(".")[2] in allowed, f"{name} imports {other}"


def test_no_file_imports_itself_by_way_of_others(files):
    graph = {
        name: {o for o in imported if o in files and (room(name), room(o)) not in STEPS_DOWN}
        for name, (_, imported) in files.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" imports ".join(error.args[1][::-1])) from None


def test_nothing_imports_a_command_s_main(files):
    assert not [
        (name, o) for name, (_, imported) in files.items() for o in imported if o.endswith("__main__")
    ]


def test_what_a_library_is_for_stands_in_one_place(files):
    def users(pattern):
        return {name for name, (text, _) in files.items() if re.search(pattern, text, re.MULTILINE)}

    drawing = {room(name) for name in users(r"^\s*(from|import) matplotlib\b")}
    assert drawing == {"plots"}
    assert {room(name) for name in users(r"^\s*(from|import) bokeh\b")} == {"live"}
    assert {room(name) for name in users(r"^\s*(from|import) rich\b")} == {"terminal"}
    private = users(r"keras\.src|\bmodel\._|\boptimizer\._")
    assert private == {"companion.fit.keras_private"}


@pytest.mark.parametrize(("module", "name"), list(zip(LESSONS, lesson_list.LESSONS, strict=True)))
def test_the_list_of_lessons_says_of_each_what_its_file_says(module, name):
    listed = lesson_list.LESSONS[name]
    assert module.__name__ == f"companion.{name}"
    own = (
        module.LEARNING_RATE,
        module.EPOCHS,
        module.HIDDEN,
        getattr(module, "BATCH_SIZE", None),
    )
    assert own == (listed.learning_rate, listed.epochs, listed.hidden, listed.batch_size)
    report = importlib.import_module(f"companion.report.{name}")
    assert listed.exercises_at in (None, report.PAGE_SETTINGS)
    assert listed.dial[0] <= listed.learning_rate <= listed.dial[1]


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_has_the_names_and_signatures_that_all_lessons_have(lesson):
    training = ["model", "x", "y", "learning_rate", "batch_size", "epochs"]
    assert not inspect.signature(lesson.load_data).parameters
    assert next(iter(inspect.signature(lesson.build_model).parameters.values())).default == 0
    for train in (lesson.train_by_hand, lesson.train_with_fit):
        parameters = inspect.signature(train).parameters
        assert list(parameters) == training
        assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in training[3:])
    names = ["load_data", "build_model", "train_by_hand", "train_with_fit"]
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
