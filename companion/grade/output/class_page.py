"""What the instructor reads: how the class did, and which mistakes it made."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from companion.check.catalogue import known_as
from companion.grade.intake.likeness import shapes_of_course
from companion.grade.marking.grade import CRITERIA, GRADED, MISSING, NOT_DONE, NOT_JUDGED, RIGHT, Grade
from companion.grade.output.gradebook import score_text
from companion.grade.output.html import Element, page, table, tag
from companion.grade.sandbox.ending import TIMEOUT

NARROW, WIDE = 12, 22  # rem


def class_page(grades: Sequence[Grade], title: str, about: Sequence[tuple[str, str]]) -> bytes:
    """Make the page of a class, as HTML; `about` has facts of the run to tell."""
    facts = [part for word, text in about for part in (tag("dt", word), tag("dd", text))]
    submissions = list({grade.group or grade.id: grade for grade in grades}.values())  # each group once
    parts = [tag("dl", *facts), *_undecided(submissions), tag("h2", "Scores"), _scores(grades)]
    parts += [
        tag("h2", "Criteria"),
        _criteria(grades),
        tag("h2", "Mistakes the class made"),
        _mistakes(grades),
    ]
    parts += _beside(grades) + _not_graded(grades)
    parts += _same_code(submissions) + _same_way(submissions) + _worth_a_look(submissions)
    return page(f"The class. {title}", *parts, tag("h2", "All students"), _students(grades))


def _bar(count: int, most: int, width: float) -> Element:
    if not count:
        return tag("span")
    share = width * count / max(most, 1)
    how = f"width: calc({share:.2f} * min(1rem, 1.4vw))"  # narrow on a phone
    return tag("span", class_="bar", style=how)


def _scores(grades: Sequence[Grade]) -> Element:
    scores = [grade.score for grade in grades if grade.score is not None]
    if not scores:
        return tag("p", "There are no scores.")
    maximum = max(grade.maximum for grade in grades)
    steps = 10
    counts = Counter(min(int(steps * score / maximum), steps) if maximum else 0 for score in scores)
    rows: list[list[Any]] = []
    for step in range(max(counts), -1, -1):
        low, high = maximum * step / steps, maximum * (step + 1) / steps
        label = f"{score_text(low)} to below {score_text(high)}" if step < steps else score_text(low)
        if step == steps and max(scores) > maximum:
            label += " or more"
        rows.append([label, _bar(counts[step], max(counts.values()), WIDE), str(counts[step])])
    mean, median = statistics.mean(scores), statistics.median(scores)
    told = f"{len(scores)} scores, mean {score_text(mean)}, median {score_text(median)}"
    told += f", maximum {score_text(maximum)}"
    return tag("div", tag("p", told), table(["score", "", "students"], rows, numbers=(2,)))


def _criteria(grades: Sequence[Grade]) -> Element:
    states = {name: Counter[str]() for name in CRITERIA}
    for grade in grades:
        for one in grade.criteria:
            states[one.name][one.state] += 1
    rows: list[list[Any]] = []
    for name, counts in states.items():
        wrong = counts.total() - counts[RIGHT] - counts[NOT_JUDGED]
        rows.append([CRITERIA[name], str(counts[RIGHT]), str(wrong), str(counts[NOT_JUDGED])])
    return table(["criterion", RIGHT, "wrong", NOT_JUDGED], rows, numbers=(1, 2, 3))


def _mistakes(grades: Sequence[Grade]) -> Element:
    made = Counter(name for grade in grades for name in {one.name for one in grade.mistakes})
    unknown = sum(1 for grade in grades if grade.unknown)
    if not made and not unknown:
        return tag("p", "No mistake was found.")
    most = max([*made.values(), unknown])
    rows: list[list[Any]] = [
        [tag("span", known_as(name).title, " ", tag("code", name)), _bar(count, most, NARROW), str(count)]
        for name, count in sorted(made.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    if unknown:
        told = "a difference that no known mistake explains"
        rows.append([told, _bar(unknown, most, NARROW), str(unknown)])
    return table(["mistake", "", "students"], rows, numbers=(2,))


def _beside(grades: Sequence[Grade]) -> list[Element]:
    """Count the right answers to each exercise and question, among the students who handed them in."""
    parts = []
    exercises = [one for grade in grades for one in grade.exercises]
    quizzes = [grade.quiz for grade in grades if grade.quiz and not grade.quiz.unreadable]
    questions = [one for quiz in quizzes for one in quiz.questions]
    named = [(one.name, one.status == "right") for one in exercises]
    asked = [(one.question, one.right) for one in questions]
    for heading, what, found in (("Exercises", "function", named), ("The quiz", "question", asked)):
        if found:
            most, right = (
                Counter(one for one, _ in found),
                Counter(one for one, is_right in found if is_right),
            )
            rows: list[list[Any]] = [
                [one, _bar(right[one], most[one], NARROW), f"{right[one]} of {most[one]}"] for one in most
            ]
            parts += [tag("h2", heading), table([what, "", "right"], rows, numbers=(2,))]
    return parts


def _undecided(grades: Sequence[Grade]) -> list[Element]:
    """List those about whom the instructor must decide, before all else."""
    rows: list[list[Any]] = [
        [_link(grade), grade.name, grade.told] for grade in grades if grade.needs_decision
    ]
    if not rows:
        return []
    told = (
        "These have no score, since what went wrong is not the loop. They are in no mean and in no gradebook "
        "of a course system. Write a score, or zero, into overrides.csv; or have the cause mended and run "
        "the grader again."
    )
    heading = tag("h2", f"Needs your decision ({len(rows)})")
    return [heading, tag("p", told), table(["student", "name", "reason"], rows)]


def _not_graded(grades: Sequence[Grade]) -> list[Element]:
    """List who timed out, and who else could not be run."""
    parts = []
    judged = [grade for grade in grades if not grade.needs_decision]
    late = [grade for grade in judged if grade.status == TIMEOUT]
    ran = (TIMEOUT, GRADED, MISSING, NOT_DONE)
    others = [grade for grade in judged if grade.status not in ran]
    missing = [grade for grade in grades if grade.status == MISSING]
    stubs = [grade for grade in grades if grade.status == NOT_DONE]
    for heading, some in (("Timed out", late), ("Could not be run to the end", others)):
        if some:
            rows: list[list[Any]] = [[_link(grade), grade.status, grade.told] for grade in some]
            parts += [tag("h2", f"{heading} ({len(some)})"), table(["student", "status", "reason"], rows)]
    for heading, some in (("Not done yet", stubs), ("Handed in no loop", missing)):
        if some:
            named = ", ".join(grade.name or grade.id for grade in some)
            parts += [tag("h2", f"{heading} ({len(some)})"), tag("p", named)]
    return parts


def _same_code(grades: Sequence[Grade]) -> list[Element]:
    """List students whose loops are alike in structure, also right ones, and those like the course's own."""
    course, groups = shapes_of_course(), dict[str, list[Grade]]()
    for grade in grades:
        if grade.shape:
            groups.setdefault(grade.shape, []).append(grade)
    rows: list[list[Any]] = []
    for shape, group in sorted(groups.items(), key=lambda pair: -len(pair[1])):
        if len(group) > 1 or shape in course:
            names = [part for grade in group for part in (_link(grade), " ")]
            rows.append([tag("span", *names), course.get(shape, ""), str(len(group))])
    if not rows:
        return []
    told = (
        "Their train is the same but for names, numbers, comments and layout. This is a hint, not a proof: "
        "short loops look alike, and so do those that follow one lesson."
    )
    heads = ["students", "like the course's own", "how many"]
    return [tag("h2", "Alike"), tag("p", told), table(heads, rows, numbers=(2,))]


def _same_way(grades: Sequence[Grade]) -> list[Element]:
    """List students whose wrong runs went the same way."""
    groups: dict[tuple[int, str], list[Grade]] = {}
    for grade in grades:
        if grade.trajectory:
            groups.setdefault((grade.seed, grade.trajectory), []).append(grade)
    shared = [group for group in groups.values() if len(group) > 1]
    if not shared:
        return []
    shared.sort(key=lambda group: (-_rarity(group[0]), -len(group)))
    rows: list[list[Any]] = []
    for group in shared:
        names = [part for grade in group for part in (_link(grade), " ")]
        why = ", ".join(mistake.name for mistake in group[0].mistakes) or "not explained"
        rows.append([tag("span", *names), why, str(len(group))])
    told = (
        "Their losses and weights went wrong in the same way. This is a hint, not a proof: two students who "
        "make the same common mistake in an otherwise right loop get the same numbers. Several mistakes at "
        "once, or an unexplained difference, are less likely to be shared by chance; these come first."
    )
    heading = "Students with the same wrong trajectory"
    return [
        tag("h2", heading),
        tag("p", told),
        table(["students", "mistakes", "how many"], rows, numbers=(2,)),
    ]


def _rarity(grade: Grade) -> int:
    return len(grade.mistakes) + 3 * len(grade.unknown)


def _worth_a_look(grades: Sequence[Grade]) -> list[Element]:
    """List submissions that name what no loop needs."""
    rows: list[list[Any]] = [[_link(grade), ", ".join(grade.look)] for grade in grades if grade.look]
    if not rows:
        return []
    told = (
        "These submissions use names that a training loop does not need, and that could help to get around "
        "the grader. Most are innocent. Read them before their grades count."
    )
    return [tag("h2", "Worth reading"), tag("p", told), table(["student", "names"], rows)]


def _students(grades: Sequence[Grade]) -> Element:
    rows: list[list[Any]] = []
    for grade in grades:
        score = "" if grade.score is None else score_text(grade.score)
        score += " (by hand)" if grade.override is not None else ""
        first = grade.mistakes[0].name if grade.mistakes else ""
        late = "late" if grade.late else ""
        status = grade.status + (", needs your decision" if grade.needs_decision else "")
        rows.append([_link(grade, grade.id), grade.name, score, status, first, late])
    return table(["student", "name", "score", "status", "first mistake", "late"], rows, numbers=(2,))


def _link(grade: Grade, text: str = "") -> Element:
    return tag("a", text or grade.group or grade.id, href=f"feedback/{grade.page}.html")
