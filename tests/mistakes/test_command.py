"""``python -m companion.mistakes``: every mistake can be made, is named, and its right loop is right."""

import pytest
from marks import a_few
from mistake_cases import ENDS_IN_AN_EXCEPTION, SPECIAL
from mistaken_loops import from_text

from companion import check_loop
from companion.check.catalogue import MISTAKES
from companion.check.problems import telling_problem
from companion.mistakes import __main__ as mistakes
from companion.mistakes.broken_loops import EDITS, broken_loop, right_loop


def run(capsys, *words):
    status = mistakes.main(list(words))
    return status, *capsys.readouterr()


def test_every_mistake_of_the_catalogue_can_be_made_and_is_listed(capsys):
    assert set(EDITS) == set(MISTAKES)
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    assert all(f"\n{name} " in out for name in MISTAKES)


@pytest.mark.parametrize("name", a_few(sorted(set(MISTAKES) - set(ENDS_IN_AN_EXCEPTION))[::6], 1))
def test_a_broken_loop_is_named_at_as_many_epochs_as_are_shown(name):
    train = from_text(broken_loop(name), f"{name}.py")
    check = check_loop(train, problem=telling_problem(name, mistakes.EPOCHS))
    assert [mistake.name for mistake in check.mistakes] == [name]


@pytest.mark.parametrize("name", a_few(["", *SPECIAL], 1))
def test_the_loop_that_is_broken_is_right_before(name):
    train = from_text(right_loop(name), "right.py")
    check = check_loop(train, problem=telling_problem(name, mistakes.EPOCHS))
    assert check.verdict in ("identical", "close"), check


def test_the_report_shows_diff_losses_and_what_the_check_says(capsys, tmp_path):
    picture, file = tmp_path / "broken.png", tmp_path / "broken.py"
    status, out, err = run(capsys, "no-update", "--plot", str(picture), "--save", str(file), "--epochs", "2")
    assert (status, err) == (0, "")
    assert "-        optimizer.apply(gradients, model.trainable_variables)\n" in out
    assert not [line for line in out.splitlines() if line.startswith("+")]
    assert "1. The weights are never updated  (no-update)" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert file.read_text().splitlines()[1:] == broken_loop("no-update").splitlines()[1:]
    assert file.read_text().startswith(
        '"""A loop with one mistake, no-update: python -m companion.check lesson3'
    )


def test_a_loop_that_was_saved_and_mended_is_not_written_over(capsys, tmp_path):
    file = tmp_path / "broken.py"
    run(capsys, "no-update", "--save", str(file), "--epochs", "1")
    _, out, _ = run(capsys, "no-update", "--save", str(file), "--epochs", "1")
    assert f"written: {file}" in out
    file.write_text("mended")
    with pytest.raises(SystemExit):
        mistakes.main(["no-update", "--save", str(file)])
    assert (file.read_text(), "would be lost" in capsys.readouterr().err) == ("mended", True)


def test_one_that_ends_in_an_exception_shows_it(command):
    # In a process of its own: TensorFlow remembers the file where it first converted the same code.
    done = command("companion.mistakes", "variables-in-tf-function")
    assert (done.returncode, "could not run: variables-in-tf-function.py, line 2" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no-updates"], "'no-updates' is no mistake known here: did you mean no-update? "),
        (["NO-UPDATE"], "did you mean no-update? "),
        (["sum"], "did you mean sum-instead-of-mean? "),
        (["qqq"], "'qqq' is no mistake known here: 'python -m companion.mistakes' lists them"),
        (["--plot", "x.png"], "name a mistake too, or leave them out"),
        (["no-update", "--plot", "x.doc"], "'x.doc' does not end in"),
        (["no-update", "--plot", "nowhere/x.png"], "the folder"),
        (["no-gradient", "--plot", "x.png"], "ends in an exception: there is no curve; leave --plot out"),
    ],
)
def test_misuse_gets_one_line_and_status_2(capsys, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    try:
        status = mistakes.main(words)
    except SystemExit as error:
        status = error.code
    err = capsys.readouterr().err
    assert (status, err.count("\n"), told in err) == (2, 1, True), err
    assert not list(tmp_path.iterdir())
