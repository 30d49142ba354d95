"""What the check says of loops with one mistake, with two, and with none; and how long one check takes.

Run ``python tests/benchmarks/check.py``; ``--pairs 200`` takes 200 of all the pairs that there are.

With all pairs it takes some twenty minutes. Exit status 1 if anything is named wrongly.
"""

import argparse
import contextlib
import io
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from mistake_cases import ENDS_IN_AN_EXCEPTION, SINGLES, all_pairs, loop, said_of, table
from right_loops import RIGHT_LOOPS
from script_cases import RIGHT, WRONG

from companion import check_loop
from companion.check.script.check_script import check_script


def main() -> int:
    """Print the table and the seconds that checks take; give 1 if a name is wrong, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("pairs", "singles", "right", "scripts"):
        parser.add_argument(f"--{name}", type=int, help="how many; all unless told")
    options = parser.parse_args()
    pairs = sorted(all_pairs())
    pairs = random.Random(1).sample(pairs, min(options.pairs or len(pairs), len(pairs)))
    said: dict[str, list[str]] = {"one mistake": [], "two at once": [], "right loops": []}
    said |= {"one, in a script": [], "right scripts": []}
    seconds, beyond = [], []
    for style, name in SINGLES[: options.singles]:
        if name in ENDS_IN_AN_EXCEPTION:
            check = check_loop(loop(style, name), problem="revealing")
            said["one mistake"].append("rightly" if [m.name for m in check.mistakes] == [name] else "wrongly")
        else:
            said["one mistake"].append(said_of(style, name))
    for style, one, other in pairs:
        said["two at once"].append(said_of(style, one, other))
        if said["two at once"][-1] != "rightly":
            print(f"{style} {one} + {other}: {said['two at once'][-1]}", flush=True)
    for lesson, train in list(RIGHT_LOOPS.values())[: options.right]:
        check = check_loop(train, lesson)
        said["right loops"].append("rightly" if check.verdict in ("identical", "close") else "wrongly")
        seconds.append(check.seconds)
    for text, expected in list(WRONG.values())[: options.scripts]:
        word, took = said_of_script(text, expected)
        said["one, in a script"].append(word)
        beyond.append(took)
    for text in list(RIGHT.values())[: options.scripts]:
        word, took = said_of_script(text, {})
        said["right scripts"].append(word)
        beyond.append(took)
    print(table(said))
    seconds.sort()
    beyond.sort()
    median, most = seconds[len(seconds) // 2], seconds[-1]
    print(f"a check of a right loop: {median:.1f} s in the median, {most:.1f} s at most")
    median, most = beyond[len(beyond) // 2], beyond[-1]
    print(f"a check of a script, beyond the script: {median:.1f} s in the median, {most:.1f} s at most")
    return int(any("wrongly" in words for words in said.values()))


def said_of_script(text: str, expected: dict[str, str]) -> tuple[str, float]:
    """Check a script; return how well its mistakes and their lines are named, and the seconds beyond it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        file = Path(folder, "my_script.py")
        file.write_text(text, encoding="utf-8")
        check = check_script(str(file))
    found = {mistake.name: mistake.code for one in check.trainings for mistake in one.mistakes}
    unknown = any(one.unknown for one in check.trainings)
    if set(found) - set(expected):
        return "wrongly", check.seconds
    if set(found) == set(expected) and not unknown and check.trainings:
        in_line = all(line in found[name] for name, line in expected.items())
        return "rightly" if in_line else "partly", check.seconds
    return "unknown", check.seconds


if __name__ == "__main__":
    raise SystemExit(main())
