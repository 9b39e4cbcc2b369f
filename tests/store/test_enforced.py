"""The highest change number this machine has enforced, kept where no copy of the database reaches it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from credenza.domain.model import ChangeNumber
from credenza.store import enforced
from credenza.store.enforced import OlderDatabase


def test_a_new_machine_has_enforced_nothing(tmp_path: Path) -> None:
    assert enforced.read(tmp_path) == 0
    enforced.check_not_older(tmp_path, ChangeNumber(0))


def test_the_number_never_goes_back(tmp_path: Path) -> None:
    enforced.write(tmp_path, ChangeNumber(7))
    enforced.write(tmp_path, ChangeNumber(5))

    assert enforced.read(tmp_path) == 7


def test_processes_that_write_at_once_leave_the_highest_number(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: enforced.write(tmp_path, ChangeNumber(number)), range(1, 65)))

    assert enforced.read(tmp_path) == 64
    assert [path.name for path in tmp_path.iterdir()] == [enforced.FILE]


def test_a_database_at_the_number_or_beyond_may_start(tmp_path: Path) -> None:
    enforced.write(tmp_path, ChangeNumber(7))

    enforced.check_not_older(tmp_path, ChangeNumber(7))
    enforced.check_not_older(tmp_path, ChangeNumber(8))


def test_an_older_database_may_not_start_and_is_told_the_cure(tmp_path: Path) -> None:
    enforced.write(tmp_path, ChangeNumber(7))

    with pytest.raises(OlderDatabase, match="credenza db restore"):
        enforced.check_not_older(tmp_path, ChangeNumber(6))


def test_a_damaged_file_lets_nothing_start(tmp_path: Path) -> None:
    (tmp_path / enforced.FILE).write_bytes(b"")

    with pytest.raises(OlderDatabase, match="damaged"):
        enforced.check_not_older(tmp_path, ChangeNumber(100))
