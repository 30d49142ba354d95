"""What a student gets to read: the score by criterion, the mistakes with evidence and cure, the curve."""

import itertools
from typing import Any

from companion.grade.clean_text import clean, one_line
from companion.grade.marking.grade import (
    CRASHED,
    CRITERIA,
    INTERNAL,
    UNREADABLE,
    UNSEEN,
    CriterionMark,
    Grade,
    QuizMark,
)
from companion.grade.output.gradebook import extras, score_text
from companion.grade.output.html import Element, page, table, tag
from companion.grade.output.loss_chart import curves
from companion.grade.output.sections import section_html, section_text

FIRST_BLOCK = "The code runs after the first block of lessons/what-fit-does.md."
SHOWN = 4000  # characters of what the submission printed


def headline(grade: Grade) -> str:
    """Return the score in a line."""
    if grade.score is None:
        return "no score yet: your instructor decides" + (", handed in late" if grade.late else "")
    text = f"{score_text(grade.score)} of {score_text(grade.maximum)} points"
    if grade.override is not None:
        reason = f": {grade.override.reason}" if grade.override.reason else ""
        judged = f" (graded {score_text(grade.graded)})" if grade.was_judged else ""
        text += f", set by hand{judged}{reason}"
    return text + (", handed in late" if grade.late else "")


def summary(grade: Grade) -> str:
    """Return a line: what came out, for a gradebook's comment."""
    names = "; ".join(mistake.title for mistake in grade.mistakes[:3])
    told = names or grade.told or ("all right" if grade.score == grade.maximum else "see the feedback")
    return one_line(f"{headline(grade)}. {told[:1].upper()}{told[1:]}.")


def next_step(grade: Grade) -> str:
    """Return what a student can do whose submission was not judged."""
    if grade.package:
        return (
            f"Your file needs the package {grade.package}, and the grader does not have it. Your instructor "
            "can install it; or hand in a file that does without it."
        )
    if grade.status == INTERNAL:
        return "The fault is the grader's, not yours. Your instructor grades your file again."
    if grade.status == UNSEEN:
        return (
            "Your losses and weights are right. The grader could not see how your code computes them, so "
            "your instructor reads it."
        )
    if grade.status == CRASHED:
        return (
            "The system ended the process in which your train ran. A library may be at fault, so your "
            "instructor looks at it. Try your file with python -m companion.check."
        )
    if grade.status == UNREADABLE:
        return "Hand in one file that defines train, as text in UTF-8."
    return (
        "train was not called: it is not there, or the code above it did not run to its end. Hand in a file "
        "that defines train and runs by itself. Nothing else is needed in it."
    )


def feedback_page(grade: Grade, title: str, setting: str = "") -> bytes:
    """Make a student's page, as HTML; `setting` says in a sentence what was run."""
    whose = f"{grade.name or grade.id}{f', in {grade.group}' if grade.group else ''}"
    parts = [tag("p", f"{whose} · {grade.source or 'no file'}", class_="dim")]
    parts.append(tag("p", headline(grade), class_="score"))
    if grade.told:
        parts.append(tag("p", f"{grade.status}: {grade.told}", class_="wrong"))
    parts.append(tag("p", setting, class_="dim"))
    if grade.needs_decision:
        parts += [tag("h2", "What to do next"), tag("p", next_step(grade))]
    else:
        parts += [tag("h2", "Score by criterion"), _criteria(grade)]
    if grade.mistakes or grade.unknown:
        parts += [tag("h2", "Where the loop differs from .fit"), *_mistakes(grade)]
    parts += _beside(grade)
    if grade.learner:
        first = grade.first_difference.epoch if grade.first_difference else None
        drawn = curves(grade.learner, grade.fit, first)
        key = "solid: your losses; dashed: those of .fit"
        key += "; dotted line: the first difference" if first is not None else ""
        parts += [tag("h2", "Your losses beside those of .fit"), tag("p", key, class_="dim"), drawn]
    for heading, text in (
        ("Where it stopped", grade.shown),
        ("What it printed", grade.printed[:SHOWN]),
    ):
        if text.strip():
            parts += [tag("h2", heading), tag("pre", text)]
    if grade.notes:
        parts += [tag("h2", "Notes"), tag("ul", *(tag("li", note) for note in grade.notes))]
    return page(title, *parts)


def _beside(grade: Grade) -> list[Element]:
    """Show the exercises and the quiz, if they were handed in."""
    parts, counted = [], extras(grade)
    if counted["exercises"]:
        rows: list[list[Any]] = [
            [tag("code", one.name), _state(one.status, one.status == "right"), one.told]
            for one in grade.exercises
        ]
        parts += [tag("h2", f"The exercises: {counted['exercises']} right")]
        parts.append(table(["function", "", ""], rows))
    if (quiz := grade.quiz) is not None:
        parts.append(tag("h2", quiz_heading(quiz)))
        if quiz.unreadable:
            parts.append(tag("p", quiz.unreadable, class_="wrong"))
        else:
            rows = [
                [
                    one.question,
                    one.given or "-",
                    _state("right" if one.right else "not right", one.right),
                ]
                for one in quiz.questions
            ]
            parts += [table(["question", "answer", ""], rows), tag("p", explained(quiz), class_="dim")]
        parts += [tag("p", note, class_="dim") for note in quiz.notes]
    return parts


def quiz_heading(quiz: QuizMark) -> str:
    """Return how many answers are right, or that they cannot be read."""
    if quiz.unreadable:
        return "The quiz: the answers cannot be read"
    return f"The quiz: {quiz.score} of {quiz.maximum} right"


def explained(quiz: QuizMark) -> str:
    """Return where the right answers are explained."""
    return f"To see each answer explained: python -m companion.quiz {quiz.lesson} --answers answers.toml"


def _state(word: str, right: bool) -> Element:
    return tag("span", word, class_="right" if right else "wrong")


def _criteria(grade: Grade) -> Element:
    rows: list[list[Any]] = [
        [
            CRITERIA[one.name],
            tag("span", one.state, class_=one.state.replace(" ", "-")),
            _points(grade, one),
            one.told,
        ]
        for one in grade.criteria
    ]
    return table(["criterion", "", "points", ""], rows, numbers=(2,))


def _points(grade: Grade, one: CriterionMark) -> str:
    """Return the points of a criterion, of how many, and whether they were set by hand."""
    by_hand = grade.override is not None and one.name in grade.override.points
    text = f"{score_text(grade.points_of(one))} / {score_text(one.maximum)}"
    return f"{text}, set by hand" if by_hand else text


def _mistakes(grade: Grade) -> list[Element]:
    parts, shown = [], set[str]()  # sections
    for number, mistake in enumerate(grade.mistakes, start=1):
        parts.append(tag("h3", f"{number}. {mistake.title} ", tag("code", mistake.name)))
        facts = [("evidence", tag("span", mistake.evidence)), ("cure", tag("span", mistake.cure))]
        if mistake.line:
            where = tag("span", f"{mistake.file}, line {mistake.line}: ", tag("code", mistake.code))
            facts.insert(0, ("where", where))
        parts.append(
            tag("dl", *(part for word, text in facts for part in (tag("dt", word), tag("dd", text))))
        )
        if mistake.section not in shown:
            shown.add(mistake.section)
            heading = tag("summary", f"What .fit does: {mistake.section}")
            about = tag("p", FIRST_BLOCK, class_="dim")
            parts.append(tag("details", heading, section_html(mistake.section), about))
    for evidence in grade.unknown:
        parts.append(tag("p", f"A difference that no known mistake explains: {evidence}"))
    return parts


def feedback_text(grade: Grade, title: str, setting: str = "") -> str:
    """Make the same as Markdown."""
    lines = [f"# {title}", "", f"**{plain(headline(grade))}**", ""]
    if grade.told:
        lines += [f"{grade.status}: {plain(grade.told)}", ""]
    lines += [plain(setting), ""] if setting else []
    if grade.needs_decision:
        lines += ["## What to do next", "", plain(next_step(grade))]
    else:
        lines += ["| criterion | | points | |", "| --- | --- | ---: | --- |"]
    for one in grade.criteria if not grade.needs_decision else ():
        told = f"{one.state} | {_points(grade, one)} | {plain(one.told)}"
        lines.append(f"| {CRITERIA[one.name]} | {told} |")
    for number, mistake in enumerate(grade.mistakes, start=1):
        lines += ["", f"## {number}. {plain(mistake.title)} ({mistake.name})", ""]
        if mistake.line:
            lines.append(f"- where: {plain(mistake.file or '')}, line {mistake.line}: {code(mistake.code)}")
        lines += [f"- evidence: {plain(mistake.evidence)}", f"- cure: {plain(mistake.cure)}"]
        lines.append(f"- read: What .fit does: {mistake.section}")
    lines += [
        "",
        *(f"A difference that no known mistake explains: {plain(text)}" for text in grade.unknown),
    ]
    lines += _beside_text(grade)
    if grade.learner:
        lines += [
            "",
            "## Your losses beside those of .fit",
            "",
            "| epoch | your loss | .fit |",
            "| ---: | ---: | ---: |",
        ]
        # The loop may have run for another number of epochs.
        mine, fit = ([f"{loss:.7g}" for loss in losses] for losses in (grade.learner, grade.fit))
        both = itertools.zip_longest(mine, fit, fillvalue="")
        lines += [f"| {epoch} | {one} | {other} |" for epoch, (one, other) in enumerate(both)]
    for heading, text in (
        ("Where it stopped", grade.shown),
        ("What it printed", grade.printed[:SHOWN]),
    ):
        if text.strip():
            indented = "\n".join("    " + line for line in clean(text).splitlines())
            lines += ["", f"## {heading}", "", indented]
    lines += ["", *(f"- {plain(note)}" for note in grade.notes)]
    for section in dict.fromkeys(mistake.section for mistake in grade.mistakes):
        lines += ["", f"## What .fit does: {plain(section)}", "", section_text(section), "", FIRST_BLOCK]
    return "\n".join(lines).rstrip() + "\n"


def _beside_text(grade: Grade) -> list[str]:
    lines, counted = [], extras(grade)
    if counted["exercises"]:
        lines += ["", f"## The exercises: {counted['exercises']} right", ""]
        lines += [
            f"- {plain(one.name)}: {one.status}{': ' if one.told else ''}{plain(one.told)}"
            for one in grade.exercises
        ]
    if (quiz := grade.quiz) is not None:
        lines += ["", f"## {quiz_heading(quiz)}", ""]
        for one in quiz.questions:
            right = "right" if one.right else "not right"
            lines.append(f"- {plain(one.question)} {plain(one.given) or 'no answer'}: {right}")
        notes = [quiz.unreadable or explained(quiz), *quiz.notes]
        lines += ["", *(f"{plain(note)}" for note in notes)]
    return lines


def plain(text: str) -> str:
    """Return a text in which nothing is taken for Markdown or HTML, in one line."""
    return "".join(f"\\{c}" if c in "\\|<>[]`*_#!" else c for c in one_line(text))


def code(text: str) -> str:
    """Return a line of code as Markdown, whatever stands in it."""
    line = one_line(text)
    return f"`` {line} ``" if "``" not in line else plain(line)
