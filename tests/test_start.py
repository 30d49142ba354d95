"""What happens before any training: imports, the index, TensorFlow's notes."""

import importlib
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from marks import only

from companion.__main__ import TOOLS
from companion.errors import UserError
from companion.terminal.lesson_list import LESSONS, course_file
from companion.terminal.quiet_start import started_module

ROOT = Path(__file__).resolve().parent.parent

HEAVY = ("tensorflow", "keras", "numpy", "pandas", "sklearn", "matplotlib")


def heavy_modules_after(code):
    script = f"{code}\nimport sys\nprint(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr


def test_importing_the_package_imports_nothing_heavy():
    assert heavy_modules_after("import companion") == "[]\n"


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["lesson99"]])
def test_the_index_and_its_errors_answer_without_tensorflow(words):
    assert heavy_modules_after(f"from companion.__main__ import main\nmain({words!r})").endswith("[]\n")


@pytest.mark.parametrize("words", [["--help"], ["--nonsense"]])
@pytest.mark.parametrize("name", [*LESSONS, *TOOLS])
def test_help_and_usage_errors_of_every_command_answer_without_tensorflow(name, words):
    command = [sys.executable, "-X", "importtime", "-m", f"companion.{name}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if words == ["--help"] else 2)
    told, imported = done.stdout, set(re.findall(r"\| +(\w+)$", done.stderr, re.MULTILINE))
    assert "companion" in imported
    assert not {"tensorflow", "keras"} & imported
    if words == ["--help"]:
        assert told.startswith(f"usage: python -m companion.{name} ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lesson3", "--epochs", "0"], "--epochs: '0' is not a whole number"),
        (["check", "lesson3", "missing.py"], "'missing.py' does not exist"),
        (["compare", "model.py", "--epochs", "0"], "--epochs: '0' is not a whole number"),
        (["grade", "lesson3", "nowhere", "--output", "x"], "'nowhere' does not exist"),
    ],
)
def test_what_is_wrong_with_the_words_is_told_without_tensorflow(words, told):
    code = f"from companion.__main__ import main\ntry: main({words!r})\nexcept SystemExit: pass"
    *lines, heavy = heavy_modules_after(code).splitlines()
    assert told in lines[0]
    assert not {"tensorflow", "keras"} & set(eval(heavy))


def test_importing_the_package_changes_nothing():
    code = "import os, signal, sys\n"
    code += (
        "before = dict(os.environ), list(sys.meta_path), signal.getsignal(signal.SIGINT)\nimport companion\n"
    )
    code += "assert before == (dict(os.environ), sys.meta_path, signal.getsignal(signal.SIGINT))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_packages_command_that_imports_this_one_changes_nothing(tmp_path):
    (tmp_path / "other").mkdir()
    code = "import os, sys\nbefore = dict(os.environ), list(sys.meta_path)\nimport companion\n"
    (tmp_path / "other" / "__init__.py").write_text(code)
    code = "import os, sys\nfrom other import before\nassert before == (dict(os.environ), sys.meta_path)\n"
    (tmp_path / "other" / "command.py").write_text(code + "print('as before')\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    words = [sys.executable, "-m", "other.command", "-m", "companion.lesson3", "--help"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "as before\n"


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["-m", "companion.lesson3", "--help"], "companion.lesson3"),
        (["-X", "dev", "-W", "error", "-I", "-m", "companion"], "companion"),
        (["-Wdefault", "-Xutf8", "-Bmcompanion.check", "lesson3"], "companion.check"),
        (["--check-hash-based-pycs", "never", "-m", "companion.quiz"], "companion.quiz"),
        (["script.py", "-m", "companion.lesson3"], ""),
        (["-c", "pass", "-m", "companion.lesson3"], ""),
        (["-", "-m", "companion.lesson3"], ""),
        (["-m"], ""),
        ([], ""),
    ],
)
def test_what_python_was_started_with_is_read_from_its_own_words(words, module):
    assert started_module(["python", *words]) == module


@pytest.mark.parametrize("name", ["lesson3", "check", "grade"])
def test_another_backend_is_refused_in_one_line(command, name):
    words = {
        "check": ["lesson3", str(course_file("right_loop.py"))],
        "grade": ["lesson3", "submissions", "--output", "grades"],
    }.get(name, [])
    done = command(f"companion.{name}", *words, KERAS_BACKEND="jax")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"python -m companion.{name}: error: Keras runs on 'jax' here, but the loops need TensorFlow: "
        "set KERAS_BACKEND to 'tensorflow', or unset it\n"
    )


@pytest.mark.parametrize("name", ["companion.batches", "companion.fit.keras_private"])
def test_another_backend_is_refused_in_python_too(monkeypatch, name):
    module = importlib.import_module(name)
    monkeypatch.setattr("keras.config.backend", lambda: "torch")
    with pytest.raises(UserError, match="Keras runs on 'torch' here"):
        importlib.reload(module)


COMMANDS = {
    "lesson3": ["companion.lesson3"],
    "lesson1 by the index": ["companion", "lesson1"],
    "check": ["companion.check", "lesson3", str(course_file("right_loop.py"))],
    "quiz": ["companion.quiz", "lesson4", "--key", "-"],
    "mistakes": ["companion.mistakes", "no-update"],
    "conformance": ["companion.conformance", "--only", "LSTM"],
    "grade": ["companion.grade", "lesson3", str(ROOT / "tests" / "helpers" / "solutions"), "--output", "{}"],
}


def listen_to_ctrl_c():
    """Undo what a shell does to a job in the background, in which these tests may run."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize(
    ("name", "seconds"),
    only(list(itertools.product(COMMANDS, (0.3, 1, 2, 3))), ("lesson3", 2), ("check", 2)),
)
def test_ctrl_c_during_the_import_of_tensorflow_ends_a_command_in_one_line(name, seconds, tmp_path):
    words = [sys.executable, "-m", *(word.format(tmp_path) for word in COMMANDS[name])]
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", ""], check=True)
    startup = time.monotonic() - started  # of Python itself, in which nothing of ours runs
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen_to_ctrl_c
    )
    time.sleep(max(seconds, 8 * startup))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    # Python, once interrupted inside an exec, ends by the signal itself; a shell says 130 of both.
    assert process.returncode in (130, -signal.SIGINT), err
    begun = ".".join(words[2:4]) if name == "lesson1 by the index" else words[2]  # once the lesson has begun
    names = [words[2], f"python -m {words[2]}", f"python -m {begun}"]
    assert err in [f"{one}: interrupted\n" for one in names]


def test_the_index_lists_every_lesson_that_there_is(command, pytestconfig):
    done = command("companion")
    lessons = [path.stem for path in (pytestconfig.rootpath / "companion").glob("lesson[0-9].py")]
    assert lessons
    assert all(f"  {lesson}  " in done.stdout for lesson in lessons)
    assert max(len(line) for line in done.stdout.splitlines()) < 80
    assert "\n  lesson5  handwritten digits, 13,002 parameters: MNIST, accuracy beside loss\n" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_name_gets_one_line_and_status_2(command):
    done = command("companion", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    names = "lesson1, lesson2, lesson3, lesson4, lesson5, check, live, quiz, mistakes, notebooks, grade, "
    names += "compare, eject, conformance"
    assert done.stderr == f"companion: error: 'nonsense' is not one of {names}; try 'companion lesson3'\n"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["companion", "chek"], "check"),
        (["companion.lesson3", "--epoch", "3"], "--epochs"),
        (["companion.check", "lesson33", "x.py"], "lesson3"),
        (["companion.grade", "lesson3", "in", "--ouput", "out"], "--output"),
        (["companion.mistakes", "no-updat"], "no-update"),
    ],
)
def test_a_misspelt_word_is_told_with_the_nearest(command, words, meant):
    done = command(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"did you mean {meant}?" in done.stderr


def test_the_command_companion_hands_options_on_to_the_lesson(capsys):
    from companion.__main__ import main

    with pytest.raises(SystemExit, match="2"):
        main(["lesson3", "--epochs", "0"])
    assert "--epochs: '0' is not a whole number" in capsys.readouterr().err


@pytest.mark.full
def test_whoever_wants_tensorflows_notes_gets_them(command):
    """That a user sees none, the tests of the commands say."""
    loud = command("companion.lesson3", "--epochs", "2", "--quiet", TF_CPP_MIN_LOG_LEVEL="0")
    assert loud.returncode == 0
    assert "tensorflow" in loud.stderr.lower() or "onednn" in loud.stderr.lower()


def test_a_reader_of_the_index_who_leaves_early_is_no_error():
    line = f"{sys.executable} -m companion | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_notes_are_held_back_and_everything_else_on_standard_error_is_not(tmp_path):
    """A stand-in for TensorFlow writes a note and a warning, then fails to import."""
    (tmp_path / "tensorflow.py").write_text(
        "import os\n"
        "os.write(2, b'I0000 00:00:1795310109.164166    2211 port.cc:153] oneDNN is on\\n')\n"
        "os.write(2, b'2026-01-01 10:00:00.123456: I tensorflow/core: instructions\\n')\n"
        "os.write(2, b'a warning that matters\\n')\n"
        "import module_that_is_missing\n"
    )
    code = "from companion.terminal.quiet_start import begin; begin('x'); import tensorflow"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(path for path in sys.path if path)}"},
    )  # fmt: skip
    assert "oneDNN" not in done.stderr
    assert "instructions" not in done.stderr
    assert done.stderr.startswith("a warning that matters\n")
    assert "No module named 'module_that_is_missing'" in done.stderr
