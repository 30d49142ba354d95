"""Small quizzes, and the command that asks them, with what is typed."""

import io
import sys

from companion.quiz import __main__ as quiz

STATIC = """title = "a small one"

[[question]]
name = "letter"
kind = "choice"
question = "Which?"
choices = ["this", "that"]
answer = 2
explanation = "That."

[[question]]
name = "number"
kind = "number"
question = "How many?"
answer = 0.3
tolerance = 0.01
explanation = "So many."
"""
RUN = """
[[question]]
name = "run"
kind = "prediction"
question = "What is the loss at first?"
asks = "first loss"
tolerance = 0.001
run = { epochs = 1 }
explanation = "It is {first_loss:.4f}."
"""


def run(capsys, monkeypatch, words, typed=""):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    try:
        status = quiz.main([str(word) for word in words])
    except SystemExit as error:
        status = error.code
    return status, *capsys.readouterr()
