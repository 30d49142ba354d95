"""What the check says of loops with one mistake, with two, and with none; and how long one check takes.

Run ``python tests/benchmarks/check.py``; ``--pairs 200`` takes 200 of all the pairs that there are.

With all pairs it takes some twenty minutes. Exit status 1 if anything is named wrongly.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from mistake_cases import ENDS_IN_AN_EXCEPTION, SINGLES, all_pairs, loop, said_of, table
from right_loops import RIGHT_LOOPS

from companion import check_loop


def main() -> int:
    """Print the table and the seconds that checks take; give 1 if a name is wrong, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("pairs", "singles", "right"):
        parser.add_argument(f"--{name}", type=int, help="how many; all unless told")
    options = parser.parse_args()
    pairs = sorted(all_pairs())
    pairs = random.Random(1).sample(pairs, min(options.pairs or len(pairs), len(pairs)))
    said: dict[str, list[str]] = {"one mistake": [], "two at once": [], "right loops": []}
    seconds = []
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
    print(table(said))
    seconds.sort()
    median, most = seconds[len(seconds) // 2], seconds[-1]
    print(f"a check of a right loop: {median:.1f} s in the median, {most:.1f} s at most")
    return int(any("wrongly" in words for words in said.values()))


if __name__ == "__main__":
    raise SystemExit(main())
