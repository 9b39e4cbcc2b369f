"""What browsers load: all of it is in the wheel, it is little, and none of it comes from elsewhere."""

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PORTAL = ROOT / "src" / "credenza" / "portal"
STATIC = PORTAL / "static"
SIZES = {str(path.relative_to(STATIC)): len(gzip.compress(path.read_bytes())) for path in sorted(STATIC.rglob("*.js"))}
LOCKED = json.loads((ROOT / "assets" / "package-lock.json").read_text())["packages"]
SCRIPT_BUDGET_BYTES = 25_000
CEREMONY_BUDGET_BYTES = 8_000


def test_the_wheel_carries_every_template_and_static_file(tmp_path: Path) -> None:
    build_wheel(ROOT, tmp_path)

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("credenza/portal/") for name in archive.namelist() if "/portal/" in name}
    files = [path for folder in ("static", "templates") for path in PORTAL.joinpath(folder).rglob("*")]
    assert {"static/htmx.js"} <= packed
    assert {str(path.relative_to(PORTAL)) for path in files if path.is_file()} <= packed


def test_no_wheel_is_built_without_the_built_script(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "scripts/wheel.py", "src/credenza/__init__.py"):
        tmp_path.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(name).write_bytes((ROOT / name).read_bytes())

    with pytest.raises(subprocess.CalledProcessError) as caught:
        build_wheel(tmp_path, tmp_path / "dist")

    assert "`scripts/setup assets` makes it" in caught.value.stderr


def build_wheel(tree: Path, directory: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True)


def test_the_script_of_all_pages_keeps_the_budget_on_the_wire() -> None:
    loaded = {name: size for name, size in SIZES.items() if not name.startswith("ceremony/")}

    assert sum(loaded.values()) <= SCRIPT_BUDGET_BYTES, loaded


def test_the_key_ceremony_which_a_dialog_loads_when_a_key_is_made_is_small() -> None:
    loaded = {name: size for name, size in SIZES.items() if name.startswith("ceremony/")}

    assert 0 < sum(loaded.values()) <= CEREMONY_BUDGET_BYTES, loaded


def test_the_built_script_is_core_and_event_stream_in_one_file() -> None:
    built = (STATIC / "htmx.js").read_text()

    assert built.startswith("var htmx=")
    assert "hx-sse:connect" in built
    assert "sourceMappingURL" not in built


@pytest.mark.parametrize("package", [name for name in LOCKED if name])
def test_a_package_is_locked_by_its_hash_and_not_by_an_address(package: str) -> None:
    assert LOCKED[package]["integrity"].startswith("sha512-")
    assert "resolved" not in LOCKED[package]
