"""What a report looks like: in a narrow terminal, and in a notebook."""

import rich.console

from companion.terminal.console import Report


def test_texts_wrap_to_a_narrow_terminal_and_numbers_stay_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    report = Report()
    report.facts([("word", "a text of several words that is longer than the terminal is wide")])
    report.print("Another text, which goes on after the fortieth column of the terminal.")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert max(len(line.rstrip()) for line in lines) <= 40
    for first in ((), (0,)):  # numbers, words
        rows = [["training", "0.693703198536", "0.693703198536", "0"]]
        report.table(["", "by hand", ".fit", "difference"], rows, text_columns=first)
        assert capsys.readouterr().out.splitlines()[-1].split() == rows[0]
    assert report.width == 40


def test_a_report_in_a_notebook_is_one_output(capsys, monkeypatch):
    """IPython shows what is displayed, each time as an output of its own."""
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    shown = []
    monkeypatch.setattr("rich.jupyter.display", lambda segments, text: shown.append(text))
    report = Report()
    report.part("A title")
    report.print("a line")
    assert shown == []
    assert capsys.readouterr().out.splitlines() == ["", "1. A title", "a line"]


def test_a_long_path_is_folded_and_not_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    path = "optimizer/adam/sequential_1_dense_3_kernel_momentum/variable"
    Report().table(["", "after"], [["seen", f"lost: {path}"]], text_columns=(0, 1))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 60
    assert path in "".join(out.split())
