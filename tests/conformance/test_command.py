"""``python -m companion.conformance``: the table, what it counts, and what it does when a row differs."""

import itertools
import json
import threading
import time

import keras
import psutil
import pytest
from clusters import running_cluster

from companion import fit_by_hand
from companion.comparison import with_fit
from companion.conformance import compile_options, table
from companion.conformance.__main__ import main

ROW = "epochs=0, graph"


def test_a_summary_by_option_and_every_row_if_asked(capsys, tmp_path):
    assert main(["--only", ROW, "--rows", "--json", str(tmp_path / "rows.json")]) == 0
    printed = capsys.readouterr().out
    assert f"identical    calls: dropout, {ROW}\n" in printed
    assert "calls              1           1            0        0\n" in printed
    assert printed.endswith("all 1 combinations are identical, bit for bit\n")
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert (row["group"], row["network"], row["name"], row["identical"]) == ("calls", "dropout", ROW, True)


def test_a_row_that_differs_is_listed_with_its_size_and_gives_status_1(capsys, monkeypatch):
    def wrong(model, *data, **own):
        history = fit_by_hand(model, *data, **own)
        history.history["loss"][0] += 0.125
        return history

    monkeypatch.setattr(with_fit, "fit_by_hand", wrong)
    assert main(["--only", "calls: dropout, epochs=1"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "calls 2 0 0.125 " in printed
    assert (
        "2 of 2 combinations differ: - calls: dropout, epochs=1, graph: not identical: history loss"
        in printed
    )


def test_a_row_that_cannot_be_trained_counts_as_differing_and_stops_nothing(capsys, monkeypatch):
    monkeypatch.setattr(with_fit, "fit_by_hand", lambda *data, **own: 1 / 0)
    assert main(["--only", "calls: dropout, epochs=0"]) == 1
    assert capsys.readouterr().out.count("ZeroDivisionError: division by zero") == 2


def test_a_row_in_which_fit_does_not_equal_itself_is_listed_and_is_nobodys_fault(capsys, monkeypatch):
    """Here by chance: whoever trains adds a number that no seed repeats."""
    drawn = itertools.count(1)

    def by_chance(model, x, y, **own):
        history = model.fit(x, y, **own)
        history.history["loss"][0] += next(drawn)
        return history

    monkeypatch.setattr(with_fit, "fit_by_hand", by_chance)
    monkeypatch.setattr(with_fit, "fit", by_chance)
    assert main(["--only", "calls: dropout, epochs=1, steps"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    told = "in 1, .fit does not equal itself when it runs again, so no loop can equal it: - calls: dropout"
    assert told in printed


def test_wrong_words_get_one_line_and_status_2(capsys):
    assert main(["--only", "no such row"]) == 2
    assert "--only: no row has 'no such row' in it; --list shows all" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--json", "-", "--list"])
    assert "--json: with --list nothing is trained" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--json", "/no/such/folder/rows.json"])
    assert capsys.readouterr().err.count("\n") == 1


def test_list_names_the_rows_and_trains_nothing(capsys, monkeypatch):
    monkeypatch.setattr(table, "train", lambda row: 1 / 0)
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(table.combinations())


def test_every_optimizer_loss_and_metric_that_keras_ships_is_in_the_table():
    titles = "\n".join(row.title for row in table.combinations())
    assert len(compile_options.optimizer_classes()) >= 12
    assert all(f", {name}, use_ema\n" in titles for name in compile_options.optimizer_classes())
    without = {"Loss", "CTC", "Circle"}
    losses = {name for name, kind in vars(keras.losses).items() if isinstance(kind, type)} - without
    assert all(f", {name}, sum\n" in titles for name in losses)
    without = {"Metric", "Mean", "Sum", "MeanMetricWrapper", "ConcordanceCorrelation", "PearsonCorrelation"}
    metrics = {name for name, kind in vars(keras.metrics).items() if isinstance(kind, type)} - without
    assert all(f", {name}\n" in titles for name in metrics)


@pytest.mark.full
def test_on_a_cluster_the_same_table_comes_out_though_a_worker_is_killed(capsys, tmp_path):
    word, of = "losses: three answers, ", (tmp_path / "here.json", tmp_path / "cluster.json")
    assert main(["--only", word, "--json", str(of[0])]) == 0
    here = capsys.readouterr().out
    killed = []
    with running_cluster(tmp_path, 4) as (address, workers):

        def kill_one():
            while not killed:
                busy = [one for one in workers if psutil.Process(one.pid).children()]  # they train
                for one in busy[:1]:
                    one.kill()
                    killed.append(one.pid)
                time.sleep(0.1)

        threading.Thread(target=kill_one, daemon=True).start()
        assert main(["--only", word, "--json", str(of[1]), "--scheduler", address]) == 0
    assert len(killed) == 1
    assert capsys.readouterr().out == here
    assert json.loads(of[1].read_text()) == json.loads(of[0].read_text())


def test_jobs_and_a_cluster_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        main(["--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"])
    assert "--jobs: a cluster has as many processes as its workers have threads" in capsys.readouterr().err
