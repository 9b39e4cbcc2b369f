"""The style sheet: tokens alone name colours, every pair of them that meets can be read, nothing is styled in place."""

import re
from itertools import product
from pathlib import Path

import pytest

PORTAL = Path(__file__).parents[2] / "src" / "credenza" / "portal"
SHEET = (PORTAL / "static" / "portal.css").read_text()
TEMPLATES = sorted((PORTAL / "templates").rglob("*.html"))
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", SHEET)
}
THEMES = {"light": 0, "dark": 1}

SURFACES = ("paper", "card", "well")
TEXT = [
    *product(("ink", "quiet", "link", "walnut", "good", "warn", "bad"), SURFACES),
    *product(("ink", "link"), ("good-wash", "warn-wash", "bad-wash")),
    ("good", "good-wash"),
    ("warn", "warn-wash"),
    ("bad", "bad-wash"),
    ("quiet", "bad-wash"),
    ("quiet", "warn-wash"),
    ("sandbox", "sandbox-wash"),
    ("sandbox", "card"),
    ("production", "production-wash"),
    ("production", "card"),
    ("on-walnut", "walnut"),
    ("card", "bad"),
]
"""Text and what it stands on: 4.5 to 1 (WCAG 2.2, 1.4.3)."""

SHAPES = [
    *product(("edge", "focus", "walnut", "good", "warn", "bad"), SURFACES),
    ("bad", "bad-wash"),
    ("warn", "warn-wash"),
    ("good", "good-wash"),
]
"""Borders of controls, the focus, bars of charts: 3 to 1 (WCAG 2.2, 1.4.11)."""


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: relative luminance, and the ratio of two of them."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "surface"), TEXT)
def test_text_can_be_read(text: str, surface: str, theme: str) -> None:
    assert contrast(TOKENS[text][THEMES[theme]], TOKENS[surface][THEMES[theme]]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("shape", "surface"), SHAPES)
def test_shapes_can_be_seen(shape: str, surface: str, theme: str) -> None:
    assert contrast(TOKENS[shape][THEMES[theme]], TOKENS[surface][THEMES[theme]]) >= 3


def test_the_ratio_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_colours_are_named_by_tokens_alone() -> None:
    rules = re.sub(r"/\*.*?\*/", "", SHEET, flags=re.DOTALL).partition("\n}\n")[2]

    # Shadows and what dims the page behind a dialog lie over any colour; a scanner wants black on white.
    left = [line for line in rules.splitlines() if not re.search(r"box-shadow|::backdrop|\.qr", line)]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsl\(", "\n".join(left)) == []


def test_every_token_that_is_used_is_there() -> None:
    used = set(re.findall(r"var\(--([\w-]+)\)", SHEET))

    assert used - set(re.findall(r"^  --([\w-]+):", SHEET, re.MULTILINE)) == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_styles_or_scripts_in_place(path: Path) -> None:
    text = path.read_text()

    assert re.findall(r"\sstyle=|\son[a-z]+=|<style|javascript:", text) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []


def test_motion_is_for_those_who_want_it() -> None:
    wanted = SHEET.partition("@media (prefers-reduced-motion: no-preference)")
    moving = r"\b(?:transition|animation)\b"

    assert re.findall(moving, wanted[0] + wanted[2].partition("\n}\n")[2]) == []
    assert re.search(moving, wanted[2])


@pytest.mark.parametrize("query", ["forced-colors: active", "max-width: 52rem", "print"])
def test_the_sheet_cares_for(query: str) -> None:
    assert f"({query})" in SHEET or f"@media {query}" in SHEET
