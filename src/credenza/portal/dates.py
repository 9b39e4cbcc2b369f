"""Dates and numbers as the reader's language writes them. Times are UTC; the page's script adds the reader's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

_LOCALES = {"en": "en_GB", "de": "de_DE"}


@dataclass(frozen=True, slots=True)
class Dates:
    locale: Locale

    def moment(self, at: datetime) -> Markup:
        utc = at.astimezone(UTC)
        return _time(utc, f"{format_date(utc, locale=self.locale)}, {utc:%H:%M} UTC")

    def day(self, at: datetime) -> Markup:
        utc = at.astimezone(UTC)
        return _time(utc, format_date(utc, locale=self.locale))

    def month(self, at: datetime) -> str:
        return format_skeleton("yMMMM", at.astimezone(UTC), locale=self.locale)

    def month_name(self, at: datetime) -> str:
        """The month alone, short: for the axis of a chart."""
        return format_datetime(at.astimezone(UTC), "LLL", locale=self.locale).removesuffix(".")

    def weekday(self, on: date) -> str:
        return format_date(on, "EEEE", locale=self.locale)

    def weekday_short(self, on: date) -> str:
        return format_date(on, "ccc", locale=self.locale).removesuffix(".")

    def decimal(self, number: float, digits: int = 0) -> str:
        return format_decimal(round(number, digits), locale=self.locale)

    def percent(self, share: float) -> str:
        pattern = self.locale.percent_formats[None].pattern
        return format_percent(share, pattern.replace("#0", "#0.0") if 0 < share < 1 else pattern, locale=self.locale)


def dates(language: str) -> Dates:
    return Dates(Locale.parse(_LOCALES[language]))


def _time(utc: datetime, text: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", text)
