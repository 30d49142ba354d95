"""What happens before any training: imports, the index, TensorFlow's notes."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "numpy", "pandas", "sklearn", "matplotlib")


def heavy_modules_after(code):
    script = f"{code}\nimport sys\nprint(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr


def test_importing_the_package_imports_nothing_heavy():
    assert heavy_modules_after("import companion") == "[]\n"


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["lesson99"]])
def test_the_index_and_its_errors_answer_without_tensorflow(words):
    assert heavy_modules_after(f"from companion.__main__ import main\nmain({words!r})").endswith("[]\n")


@pytest.mark.parametrize("words", [["--help"], [], ["missing.py"], ["model.py", "--epochs", "0"]])
@pytest.mark.parametrize("tool", ["check", "compare", "conformance"])
def test_a_tools_help_and_usage_errors_answer_without_tensorflow(tool, words):
    if (tool, words) == ("conformance", []):
        words = ["--lists"]
    if tool == "check" and words[-1:] == ["missing.py"]:
        words = ["lesson3", *words]
    call = f"from companion.{tool}.__main__ import main\ntry: main({words!r})\nexcept SystemExit: pass"
    assert not {"tensorflow", "keras"} & set(eval(heavy_modules_after(call).splitlines()[-1]))


def test_the_index_lists_every_lesson_that_there_is(command, pytestconfig):
    done = command("companion")
    lessons = [path.stem for path in (pytestconfig.rootpath / "companion").glob("lesson[0-9].py")]
    assert lessons
    assert all(f"  {lesson}  " in done.stdout for lesson in lessons)
    assert max(len(line) for line in done.stdout.splitlines()) < 80
    assert "\n  lesson5  handwritten digits, 13,002 parameters: MNIST, accuracy beside loss\n" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_name_gets_one_line_and_status_2(command):
    done = command("companion", "lesson99")
    assert (done.returncode, done.stdout) == (2, "")
    names = "lesson1, lesson2, lesson3, lesson4, lesson5, check, quiz, mistakes, notebooks, grade, compare, "
    names += "conformance"
    assert done.stderr == f"companion: error: 'lesson99' is not one of {names}; try 'companion lesson3'\n"


def test_the_command_companion_hands_options_on_to_the_lesson(capsys):
    from companion.__main__ import main

    with pytest.raises(SystemExit, match="2"):
        main(["lesson3", "--epochs", "0"])
    assert "--epochs: '0' is not a whole number" in capsys.readouterr().err


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
    code = "import companion, tensorflow"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(path for path in sys.path if path)}"},
    )  # fmt: skip
    assert "oneDNN" not in done.stderr
    assert "instructions" not in done.stderr
    assert done.stderr.startswith("a warning that matters\n")
    assert "No module named 'module_that_is_missing'" in done.stderr
