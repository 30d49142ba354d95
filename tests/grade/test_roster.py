"""Who should have handed in something: the roster, and who is not on it."""

import argparse

import pytest
from classes import lay

from companion.errors import UserError
from companion.grade.class_run import roster_of, take_in_all
from companion.grade.intake.roster import read_roster


def test_a_roster_gives_names_by_id(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text('\ufeffName,ID\n"Lovelace, Ada",s1\n\nAlan,s2\n', encoding="utf-8")
    assert read_roster(path) == {"s1": "Lovelace, Ada", "s2": "Alan"}


def test_who_is_on_no_roster_is_named_and_who_is_missing_added(tmp_path):
    lay(tmp_path / "in", {"s1.py": "def train(): ...", "S2.py": "def train(): ..."})
    (tmp_path / "roster.csv").write_text("id\ns1\ns2\n")
    options = argparse.Namespace(
        submissions=tmp_path / "in",
        roster=tmp_path / "roster.csv",
        due=None,
        output=None,
        groups=None,
        moodle=None,
    )
    _, submissions, strangers = take_in_all(options, roster_of(options))
    assert ([one.id for one in submissions], strangers) == (["S2", "s1", "s2"], ["S2"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name\nAda\n", "line 1: there is no column 'id'; there are name"),
        ("id,name\ns1,Ada\n,Alan\n", "line 3: there is no id"),
        ("id,name\ns1,Ada\ns1,Alan\n", "line 3: 's1' comes twice"),
    ],
)
def test_a_wrong_roster_is_refused_with_the_line(tmp_path, text, told):
    path = tmp_path / "roster.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        read_roster(path)
