"""The key-encryption key: kept from others' eyes, refused when it is not one, and every wrapped value in its place."""

import base64
from pathlib import Path

import pytest

from credenza.adapters import vault
from credenza.adapters.vault import LocalVault, WrongKey

KEY = bytes(range(32))
SECRET = b"a private key"


def test_what_is_wrapped_is_unwrapped_for_the_same_purpose() -> None:
    wrapped = LocalVault(KEY).wrap("authority 1", SECRET)

    assert LocalVault(KEY).unwrap("authority 1", wrapped) == SECRET
    assert SECRET not in wrapped


def test_the_same_secret_is_never_wrapped_in_the_same_bytes() -> None:
    assert LocalVault(KEY).wrap("pepper", SECRET) != LocalVault(KEY).wrap("pepper", SECRET)


@pytest.mark.parametrize(
    ("key", "purpose", "damage"),
    [
        pytest.param(bytes(32), "authority 1", slice(None), id="another key"),
        pytest.param(KEY, "authority 2", slice(None), id="another purpose: wrapped values are bound to theirs"),
        pytest.param(KEY, "authority 1", slice(-1), id="cut off"),
        pytest.param(KEY, "authority 1", slice(7), id="hardly anything left"),
        pytest.param(KEY, "authority 1", slice(0), id="nothing left"),
    ],
)
def test_nothing_else_opens_it(key: bytes, purpose: str, damage: slice) -> None:
    wrapped = LocalVault(KEY).wrap("authority 1", SECRET)

    with pytest.raises(WrongKey, match=purpose):
        LocalVault(key).unwrap(purpose, wrapped[damage])


def test_every_flipped_bit_is_noticed() -> None:
    wrapped = LocalVault(KEY).wrap("pepper", SECRET)

    for place in range(len(wrapped) * 8):
        flipped = bytearray(wrapped)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(WrongKey):
            LocalVault(KEY).unwrap("pepper", bytes(flipped))


def test_a_derived_key_belongs_to_its_label_and_never_changes() -> None:
    """A fixed vector: sealed answers of an earlier release must open."""
    assert LocalVault(KEY).derive("idempotency").hex() == (
        "fb711702d32523f7a862fb5376a918e09921d5dd4df35f6c41be161ce0143251"
    )
    assert LocalVault(KEY).derive("idempotency") != LocalVault(KEY).derive("other")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("AAAA", id="too short"),
        pytest.param(base64.b64encode(bytes(33)).decode(), id="too long"),
        pytest.param("!" * 44, id="not base64"),
        pytest.param("ü" * 44, id="not even ASCII"),
    ],
)
def test_a_key_that_is_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(WrongKey) as refused:
        vault.vault_from_text(text)

    assert not text or text not in str(refused.value)


def test_a_new_key_file_is_for_its_owner_alone_and_opens(tmp_path: Path) -> None:
    path = tmp_path / "below" / "key"

    vault.make_key_file(path)

    assert path.stat().st_mode & 0o777 == 0o600
    wrapped = vault.vault_from_file(path).wrap("pepper", SECRET)
    assert vault.vault_from_file(path).unwrap("pepper", wrapped) == SECRET


def test_a_key_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    vault.make_key_file(path)
    before = path.read_text()

    with pytest.raises(FileExistsError):
        vault.make_key_file(path)

    assert path.read_text() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_file_that_others_can_read_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    vault.make_key_file(path)
    path.chmod(mode)

    with pytest.raises(WrongKey, match=f"mode {mode:04o}.*chmod 600"):
        vault.vault_from_file(path)


def test_a_file_of_any_other_bytes_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(range(128, 172)))
    path.chmod(0o600)

    with pytest.raises(WrongKey):
        vault.vault_from_file(path)


def test_the_key_does_not_show(tmp_path: Path) -> None:
    shown = repr(LocalVault(KEY)) + str(LocalVault(KEY))

    assert KEY.hex() not in shown
    assert repr(KEY) not in shown
