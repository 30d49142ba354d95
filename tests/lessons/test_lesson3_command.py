"""What `python -m companion.lesson3` prints, writes, refuses and answers as its exit status."""

import csv
import io
import json
import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from marks import a_few, only

from companion import lesson3
from companion.report.questions import predictions_of
from companion.terminal.console import INTERRUPTED

KEYS = {
    "settings": ["batch_size", "dtype", "epochs", "hidden", "learning_rate", "seed"],
    "histories": ["by_hand", "fit", "numpy"],
    "comparison": [
        "first_difference", "identical", "max_abs_diff", "max_ulp",
        "weights_identical", "weights_max_abs_diff",
    ],
    "metrics": ["test_accuracy", "train_accuracy"],
    "versions": ["companion", "keras", "numpy", "python", "tensorflow"],
}  # fmt: skip


@pytest.fixture
def wrong_fit(monkeypatch):
    """A `.fit` that is off by one bit in its last loss."""
    right = lesson3.train_with_fit

    def wrong(*arguments, **settings):
        history = right(*arguments, **settings)
        last = np.array(history[-1], keras.config.floatx())
        return [*history[:-1], float(np.nextafter(last, last + 1))]

    monkeypatch.setattr(lesson3, "train_with_fit", wrong)


def test_the_report_has_its_five_parts_and_the_verdict_of_the_run(lesson3_main):
    status, out, err = lesson3_main("--epochs", "12")
    assert status == 0
    assert err == ""
    places = [out.index(f"\n{part}. ") for part in range(1, 6)]
    assert places == sorted(places)
    assert "768 patients" in out
    assert "161 parameters" in out
    assert "identical: 12 of 12 epochs, all 4 weight arrays" in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_one_bit_of_difference_changes_the_verdict_and_the_exit_status(lesson3_main, wrong_fit):
    status, out, _ = lesson3_main("--epochs", "12")
    words = " ".join(out.split())
    assert status == 1
    assert (
        "not identical: the same in 11 of 12 epochs, all 4 weight arrays; first difference at epoch 11"
        in words
    )
    assert "1 ulp apart" in words


def test_json_keeps_its_promised_keys_and_full_precision(lesson3_json):
    status, result = lesson3_json("--epochs", "5", "--hidden", "4", "--seed", "3", "--learning-rate", "0.2")
    assert status == 0
    assert sorted(result) == sorted(["lesson", "title", "scan", "printed", "others", "textbook_fit", *KEYS])
    for part, keys in KEYS.items():
        assert sorted(result[part]) == keys, part
    assert result["lesson"] == 3
    assert result["settings"] == dict(
        learning_rate=0.2, epochs=5, batch_size=576, seed=3, dtype="float64", hidden=4
    )
    assert result["comparison"] == dict(
        identical=True, max_abs_diff=0.0, max_ulp=0, first_difference=None,
        weights_identical=True, weights_max_abs_diff=0.0,
    )  # fmt: skip
    assert [row["learning_rate"] for row in result["scan"]] == [0.01, 0.1, 0.2, 1.0]
    assert {tuple(sorted(row)) for row in result["scan"]} == {("final_loss", "learning_rate", "steps_up")}
    assert {tuple(sorted(row)) for row in result["printed"]} == {("agrees", "figure", "measured", "printed")}
    assert result["histories"]["by_hand"] == result["histories"]["fit"]


def test_json_names_the_first_difference(lesson3_json, wrong_fit):
    status, result = lesson3_json("--epochs", "5")
    comparison, histories = result["comparison"], result["histories"]
    assert status == 1
    assert comparison["identical"] is False
    assert comparison["weights_identical"] is True
    assert comparison["max_ulp"] == 1
    assert comparison["first_difference"] == dict(
        what="loss", epoch=4, array=None, index=None, ulp=1, abs_diff=comparison["max_abs_diff"],
        by_hand=histories["by_hand"][4], fit=histories["fit"][4],
    )  # fmt: skip


@pytest.mark.full
def test_a_learning_rate_of_30_breaks_neither_report_nor_json(lesson3_main):
    words = ("--learning-rate", "30", "--dtype", "float32", "--epochs", "120")
    status, out, err = lesson3_main(*words)
    assert status == 0
    assert err == ""
    assert "identical: 120 of 120 epochs, all 4 weight arrays" in out
    assert "NaN" in out
    assert "blows up" in out
    status, out, _ = lesson3_main(*words, "--json", "-")
    assert status == 0

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    result = json.loads(out, parse_constant=refuse)
    assert result["histories"]["fit"][-1] == result["histories"]["by_hand"][-1] == "NaN"
    assert result["comparison"]["identical"] is True
    assert result["scan"][-1]["final_loss"] == "NaN"


def test_csv_has_a_row_an_epoch_in_full_precision(lesson3_main, tmp_path):
    assert lesson3_main("--epochs", "4", "--json", str(tmp_path / "j"), "--csv", str(tmp_path / "c"))[0] == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c").read_text())))
    histories = json.loads((tmp_path / "j").read_text())["histories"]
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    for key, history in histories.items():
        assert [float(row[key]) for row in rows] == history
    assert all(0 <= float(row["largest_difference"]) < 1e-15 for row in rows)


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_plot_is_written_in_the_format_of_its_name(lesson3_main, tmp_path, ending, start):
    path = tmp_path / f"curves.{ending}"
    assert lesson3_main("--epochs", "3", "--plot", str(path))[0] == 0
    assert path.read_bytes().startswith(start)


def test_a_result_on_standard_output_stands_there_alone(lesson3_main):
    _, out, err = lesson3_main("--epochs", "3", "--csv", "-")
    assert out.startswith("epoch,numpy,by_hand,fit,largest_difference\n0,")
    assert len(out.splitlines()) == 4
    assert err == ""


def test_quiet_prints_nothing_when_they_agree(lesson3_main):
    assert lesson3_main("--epochs", "3", "--quiet") == (0, "", "")


def test_quiet_prints_the_verdict_on_standard_error_when_they_differ(lesson3_main, wrong_fit):
    status, out, err = lesson3_main("--epochs", "3", "--quiet")
    assert (status, out) == (1, "")
    loss, textbook = err.splitlines()
    assert loss.startswith("by hand and .fit, loss: not identical")
    assert textbook.startswith("by hand and .fit, model.fit(x, y, ...): not identical")


def test_textbook_fit_is_what_the_option_runs(lesson3_main, monkeypatch):
    called = []
    right = lesson3.train_with_fit
    monkeypatch.setattr(lesson3, "train_with_fit", lambda *a, **k: called.append(k) or right(*a, **k))
    assert lesson3_main("--epochs", "3", "--textbook-fit")[0] == 0
    own = dict(learning_rate=0.1, batch_size=576, epochs=3)
    assert called == [own, own | {"learning_rate": 1.0}]  # the second with ready-made batches


REFUSED = [
    (["--learning-rate", "-1"], "--learning-rate: '-1' is not a finite number greater than 0; try 0.1"),
    (["--learning-rate", "-1e-3"], "--learning-rate: '-1e-3' is not a finite number greater than 0"),
    (["--learning-rate", "0"], "--learning-rate: '0' is not a finite number greater than 0"),
    (["--learning-rate", "nan"], "--learning-rate: 'nan' is not a finite number"),
    (["--learning-rate", "inf"], "--learning-rate: 'inf' is not a finite number"),
    (["--learning-rate", "fast"], "--learning-rate: 'fast' is not a finite number"),
    (["--epochs", "0"], "--epochs: '0' is not a whole number of 1 or more; try 2000"),
    (["--epochs", "2.5"], "--epochs: '2.5' is not a whole number of 1 or more"),
    (["--hidden", "0"], "--hidden: '0' is not a whole number from 1 to 10000; try 16"),
    (["--hidden", "1000000000"], "--hidden: '1000000000' is not a whole number from 1 to 10000"),
    (["--seed", "-1"], "--seed: '-1' is not a whole number from 0 to 4294967295; try 0"),
    (["--dtype", "float16"], "--dtype: invalid choice: 'float16' (choose from "),
    (
        ["--plot", "curves.jpg"],
        "--plot: 'curves.jpg' does not end in .png, .svg or .pdf; try 'curves.jpg.png'",
    ),
    (["--json", "-", "--csv", "-"], "--json and --csv both write to '-'; name two files"),
    (["--json", "a", "--csv", "./a"], "--json and --csv both write to './a'; name two files"),
    (["--json", "no/where"], "--json: 'no/where' cannot be written: the folder "),
    (["--csv"], "--csv: expected one argument; "),
    (["--quiet=3"], "--quiet: ignored explicit argument '3'; "),
    (
        ["--exercises", "--epochs", "5"],
        "--exercises: they are for epochs 2000, hidden 16, seed 0, dtype float64; ",
    ),
    (["--fast"], "unrecognized arguments: --fast; "),
    (["--show"], "--show: no display was found"),
    (["--brief", "--csv", "c"], "--brief: --csv needs the whole run; leave one of them out"),
    (["--predict", "--quiet"], "--predict asks questions and prints the results; leave out --predict or"),
    (["--predict", "--json", "-"], "or a result on standard output"),
]


@pytest.mark.parametrize(("words", "reason"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_bad_usage_gets_one_line_and_status_2(lesson3_main, monkeypatch, tmp_path, words, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    status, out, err = lesson3_main(*words)
    assert (status, out) == (2, "")
    assert reason in err
    assert err.startswith("python -m companion.lesson3: error: ")
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_damaged_data_get_one_line_and_status_2(lesson3_main, monkeypatch, tmp_path):
    monkeypatch.setattr("companion.datasets.data_path", lambda name: tmp_path / name)
    status, out, err = lesson3_main()
    assert (status, out) == (2, "")
    assert err.startswith("python -m companion.lesson3: error: data file ")
    assert len(err.splitlines()) == 1


def test_a_file_that_cannot_be_written_after_all_gets_one_line_and_status_2(
    lesson3_main, monkeypatch, tmp_path
):
    path = tmp_path / "result.json"
    path.write_text("old")

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", disk_full)
    status, _, err = lesson3_main("--epochs", "2", "--json", str(path))
    assert status == 2
    assert "No space left on device" in err
    assert path.read_text() == "old"


def test_a_fault_of_the_program_keeps_its_stack_trace(lesson3_main, monkeypatch):
    monkeypatch.setattr(lesson3, "train_by_hand", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lesson3_main("--epochs", "2")


def test_an_interruption_is_one_line(lesson3_main, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(lesson3, "train_by_hand", interrupt)
    status, _, err = lesson3_main("--epochs", "2")
    assert status == INTERRUPTED
    assert err == "python -m companion.lesson3: interrupted\n"


def test_a_reader_who_leaves_early_is_no_error_and_files_are_written_all_the_same(tmp_path):
    words = [sys.executable, "-m", "companion.lesson3", "--epochs", "3", "--json", str(tmp_path / "r.json")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait() == 0
    assert err == ""
    assert json.loads((tmp_path / "r.json").read_text())["comparison"]["identical"] is True


@pytest.mark.full
def test_exercises_work_out_all_three_of_the_page(lesson3_json):
    _, result = lesson3_json("--exercises")
    printed = {row["figure"]: row for row in result["printed"]}
    exercises = {figure: row for figure, row in printed.items() if figure.startswith("exercise")}
    assert len(exercises) == 6
    measured = {figure: row["measured"] for figure, row in printed.items()}
    assert measured["exercise 1: loss of 0.2 where 0 is true"] == pytest.approx(-math.log(0.8))
    # facts measured before this code was written
    for figure, expected in {
        "exercise 2: final loss at rate 0.05": 0.4202,
        "exercise 2: final loss at rate 0.1": 0.3824,
        "exercise 2: final loss at rate 0.3": 0.3295,
        "exercise 3: loss after 5000 epochs": 0.3421,
        "final loss at rate 0.01": 0.4580,
        "final loss at rate 1.0": 0.3619,
    }.items():
        assert round(measured[figure], 4) == expected, figure
    assert round(measured["exercise 3: test accuracy then"], 3) == 0.703
    assert round(measured["train accuracy at rate 0.1"], 3) == 0.821
    assert round(measured["test accuracy at rate 0.1"], 3) == 0.724
    for row in printed.values():
        if isinstance(row["printed"], float):
            assert row["agrees"] == math.isclose(row["printed"], row["measured"], rel_tol=0.01), row["figure"]


def test_figures_of_the_page_stand_only_beside_a_run_with_its_settings(lesson3_json, lesson3_main):
    _, result = lesson3_json("--epochs", "3")
    assert len(result["printed"]) == 7
    assert not any("rate" in row["figure"] for row in result["printed"])
    words = " ".join(lesson3_main("--epochs", "3")[1].split())
    assert "7 of 7 agree. The page's losses and accuracies are for epochs 2000, hidden 16, seed 0" in words


@pytest.mark.parametrize(
    "words",
    a_few(
        [
            ["--learning-rate", "1e305", "--epochs", "30", "--hidden", "1"],
            ["--learning-rate", "1e6", "--epochs", "60"],
            ["--learning-rate", "1e-320", "--epochs", "5"],
            ["--epochs", "1"],
        ],
        2,
    ),
)
def test_extreme_runs_are_drawn_and_reported_without_a_warning(lesson3_main, tmp_path, words):
    status, out, err = lesson3_main(*words, "--plot", str(tmp_path / "curves.png"))
    assert (status, err) == (0, "")
    assert "not exceeded in any epoch" in " ".join(out.split()) or "1e6" in words
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_what_the_rates_do_is_said_with_where_one_sees_it(lesson3_main):
    out = " ".join(lesson3_main("--learning-rate", "0.005", "--epochs", "100")[1].split())
    assert "0.005 0.6763 0 crawls: rate 1.0 gets that low by epoch 1" in out
    assert "1.0 0.4202 0 too short to tell: 100 updates, ends lowest" in out
    assert "(The loss before any update is 0.6937. too short to tell: not down to 60 %, and has one" in out


def test_forty_epochs_are_too_short_to_tell(lesson3_main):
    out = " ".join(lesson3_main("--epochs", "40")[1].split())
    assert out.count("too short to tell: 40 updates") == 3
    assert "crawls: " not in out


def test_brief_is_the_first_ten_lines_and_trains_no_more(lesson3_main, monkeypatch):
    whole = lesson3_main("--epochs", "12")[1].strip().splitlines()
    rates = []
    right = lesson3.train_by_hand
    monkeypatch.setattr(
        lesson3, "train_by_hand", lambda *a, **k: rates.append(k["learning_rate"]) or right(*a, **k)
    )
    status, out, err = lesson3_main("--epochs", "12", "--brief")
    lines = out.strip().splitlines()
    assert (status, err, lines) == (0, "", whole[: len(lines)])
    assert len([line for line in lines if line]) == 9
    assert "by hand and .fit: identical: 12 of 12 epochs, all 4 weight arrays" in lines
    assert "by hand and fit(x, ...): identical: 12 of 12 epochs, all 4 weight arrays" in lines
    assert rates == [0.1]


def test_brief_ends_with_status_1_where_they_differ(lesson3_main, wrong_fit):
    assert lesson3_main("--epochs", "3", "--brief")[0] == 1


def test_predict_asks_before_it_trains_and_sets_each_guess_beside_the_result(lesson3_main, monkeypatch):
    asked = [question.text for question in predictions_of("lesson3")]
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\nc\nx\nb\n\n0.5\n"))
    status, out, _ = lesson3_main("--predict", "--brief")
    assert status == 0
    before, after = " ".join(out.split()).split("epoch by hand .fit difference")
    for text in asked:
        assert before.count(text) == after.count(text) == 1
    assert "'x' is none of the answers" in before
    assert "a) not at all: the same to the last bit, as you thought By hand the last loss is 0.5827" in after
    assert "c) bounces, as you thought It goes up in " in after
    assert "c) 1.0; you thought b) 0.1 The final losses are " in after
    assert "b) different Batches of 192" in after
    assert "; you thought 0.5" not in after  # within the 0.03 that are allowed
    assert "0.501295, as you thought" in after
    assert "3 of 4 guesses right." in after


def test_the_command_asks_once_and_before_tensorflow_is_imported(command, tmp_path):
    for name in ("keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)\n")
    path = f"{tmp_path}{os.pathsep}{lesson3.__file__.removesuffix('companion/lesson3.py')}"
    done = command("companion.lesson3", "--predict", cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 7
    asked = " ".join(done.stdout.split())
    assert asked.count(predictions_of("lesson3")[0].text) == 1


def test_predict_goes_on_where_no_more_answers_come(lesson3_main, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n"))
    status, out, err = lesson3_main("--predict", "--brief")
    assert (status, err) == (0, "")
    assert out.rstrip().endswith("1 of 1 guesses right.")


@pytest.mark.parametrize(
    "words",
    only(
        [
            "companion >/dev/full",
            "companion.lesson3 --epochs 2 --json - >/dev/full",
            "companion.lesson3 --epochs 2 --csv - >&-",
        ],
        "companion >/dev/full",
    ),
)
def test_standard_output_that_is_full_or_closed_gets_one_line_and_status_2(words):
    line = f"{sys.executable} -m {words}"
    done = subprocess.run(line, shell=True, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert ": error: standard output " in done.stderr
    assert len(done.stderr.splitlines()) == 1
