"""Names in the demo corpus: places, languages and currencies from the CLDR, people, organisations, dates.

Training text and held-out text use two gazetteers without common names. Facts about the real world stay true in both,
because a country is never separated from its cities, its language and its currency.
"""

import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any, cast

import yaml
from babel import Locale
from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies

LANGUAGES = ("en", "ar", "hi", "vi", "de", "es")
"""Languages of the demo: English, the source language, and the target languages."""

SOURCE_LANGUAGE, *_ = LANGUAGES

HELD_OUT_COUNTRIES = 14
HELD_OUT_MONTHS = 3
HELD_OUT_SHARE = 4
"""One in this many personal names, years and numbers is held out."""

YEARS = range(1930, 2025)
NUMBERS = range(32, 100)  # distinct from days of a month; from 11 to 99, Arabic uses the singular


@dataclass(frozen=True)
class Name:
    """A name in every language.

    `label` is its entity type in the OntoNotes scheme, which spaCy uses, or "" for other words (a profession).
    `genders` are "m", "f" or "n" per language, for agreement; `prefixes` are the words that may precede it, per
    language and grammatical case: articles and contractions (`articles` of names.yaml).
    """

    label: str
    forms: Mapping[str, str]
    genders: Mapping[str, str] = field(default_factory=dict)
    prefixes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.label, self.forms["en"]))


@dataclass(frozen=True)
class Country:
    """A country of the CLDR with its main official language, its currency and its cities in the CLDR."""

    name: Name
    language: Name
    currency: Name | None
    """None if the CLDR's name cannot be used in running text ("CFA-Franc (BCEAO)")."""
    cities: tuple[Name, ...]
    capital: Name | None

    def names(self) -> tuple[Name, ...]:
        """Return the names of the country, its language and its currency."""
        return (self.name, self.language, *([self.currency] if self.currency else []))


@dataclass(frozen=True)
class Gazetteer:
    """All names that one part of the corpus may use."""

    countries: tuple[Country, ...]
    given: Mapping[str, tuple[Name, ...]]
    """Given names per group ("european", ...); they determine the gender of a person."""
    family: Mapping[str, tuple[Name, ...]]
    months: tuple[int, ...]
    years: tuple[int, ...]
    numbers: tuple[int, ...]

    def atoms(self) -> Iterator[Name]:
        """Yield the names from which all others are composed: held-out ones must not occur in training text."""
        for country in self.countries:
            yield from (*country.names(), *country.cities)
        for names in (*self.given.values(), *self.family.values()):
            yield from names
        yield from (month_name(month) for month in self.months)
        yield from (number_name(number) for number in (*self.years, *self.numbers))


def read_data(file: str) -> Any:
    """Return the content of a YAML file of this package."""
    return yaml.safe_load(resources.files(__package__).joinpath(file).read_text(encoding="utf-8"))


@cache
def name_data() -> dict[str, Any]:
    """Return the content of names.yaml."""
    return cast(dict[str, Any], read_data("names.yaml"))


@cache
def _locale(language: str) -> Locale:
    return Locale(language)


def number_name(number: int, *, label: str = "CARDINAL") -> Name:
    """Return a number or a year, written with the same digits in every language."""
    return Name(label, dict.fromkeys(LANGUAGES, str(number)))


@cache
def month_name(month: int) -> Name:
    """Return the name of a month, 1 to 12."""
    return Name("DATE", {language: _locale(language).months["format"]["wide"][month] for language in LANGUAGES})


def date_name(*, year: int, month: int, day: int | None = None) -> Name:
    """Return a day, or a month of a year, as written in running text in each language."""
    formats = name_data()["dates"]["month" if day is None else "day"]
    months = month_name(month).forms
    return Name("DATE", {lang: formats[lang].format(year=year, month=months[lang], day=day) for lang in LANGUAGES})


def place_names(kind: Mapping[str, Any], place: Name, *, label: str) -> Name:
    """Return the name of an organisation or an event of `kind` (names.yaml) named after `place`."""
    forms = {lang: kind["names"][lang].format(city=place.forms[lang], country=place.forms[lang]) for lang in LANGUAGES}
    prefixes = {}
    for language, by_gender in name_data()["articles"].items():
        takes_article = language in kind.get("articles", (language,))
        prefixes[language] = by_gender[kind["gender"].get(language, "any") if takes_article else "none"]
    return Name(label, forms, kind["gender"], prefixes)


def contains_phrase(text: str, phrase: str) -> bool:
    """Return whether `phrase` occurs in `text` between word boundaries (case-sensitive)."""
    start = text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        if not (_is_word_character(text[start - 1 : start]) or _is_word_character(text[end : end + 1])):
            return True
        start = text.find(phrase, start + 1)
    return False


def build_gazetteers(rng: random.Random, *, fixed_text: str) -> tuple[Gazetteer, Gazetteer]:
    """Split all names at random into those of the training part and those of the held-out part.

    A held-out name does not occur in a training name or in `fixed_text`, the templates' own words; names that would are
    dropped from both parts.
    """
    kept, held_out = _split_countries(rng)
    given, held_out_given = _split_groups(rng, ("female", "male"))
    family, held_out_family = _split_groups(rng, ("family",))
    months = _split(rng, range(1, 13), HELD_OUT_MONTHS)
    years, numbers = _split_range(rng, YEARS), _split_range(rng, NUMBERS)
    train = Gazetteer(kept, given, family, months[0], years[0], numbers[0])
    training_text = {lang: "\n".join([fixed_text, *(name.forms[lang] for name in train.atoms())]) for lang in LANGUAGES}

    def is_new(name: Name) -> bool:
        return not any(contains_phrase(training_text[lang], name.forms[lang]) for lang in LANGUAGES)

    new_countries = (
        Country(c.name, c.language, c.currency, tuple(filter(is_new, c.cities)), c.capital)
        for c in held_out
        if all(map(is_new, (*c.names(), *([c.capital] if c.capital else []))))
    )
    return train, Gazetteer(
        tuple(country for country in new_countries if country.cities),
        {group: tuple(filter(is_new, names)) for group, names in held_out_given.items()},
        {group: tuple(filter(is_new, names)) for group, names in held_out_family.items()},
        tuple(month for month in months[1] if is_new(month_name(month))),
        years[1],
        numbers[1],
    )


def _split(rng: random.Random, items: Iterable[Any], held_out: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    items = list(items)
    chosen = set(rng.sample(range(len(items)), held_out))
    return (
        tuple(item for place, item in enumerate(items) if place not in chosen),
        tuple(item for place, item in enumerate(items) if place in chosen),
    )


def _split_range(rng: random.Random, numbers: range) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Hold out every n-th number, so that any n consecutive numbers include both training and held-out ones."""
    chosen = numbers[rng.randrange(HELD_OUT_SHARE) :: HELD_OUT_SHARE]
    return tuple(number for number in numbers if number not in chosen), tuple(chosen)


def _split_groups(
    rng: random.Random, kinds: tuple[str, ...]
) -> tuple[dict[str, tuple[Name, ...]], dict[str, tuple[Name, ...]]]:
    """Split the given (`female`, `male`) or the `family` names of each group of people."""
    train: dict[str, tuple[Name, ...]] = defaultdict(tuple)
    held_out: dict[str, tuple[Name, ...]] = defaultdict(tuple)
    for group, lists in name_data()["people"].items():
        for kind in kinds:
            gender = {"female": "f", "male": "m"}.get(kind)
            genders = dict.fromkeys(LANGUAGES, gender) if gender else {}
            names = [
                Name("PERSON", {**dict.fromkeys(LANGUAGES, latin), "ar": arabic, "hi": devanagari}, genders)
                for latin, arabic, devanagari in lists[kind]
            ]
            kept, chosen = _split(rng, names, max(1, len(names) // HELD_OUT_SHARE))
            train[group] += kept
            held_out[group] += chosen
    return dict(train), dict(held_out)


def _split_countries(rng: random.Random) -> tuple[tuple[Country, ...], tuple[Country, ...]]:
    """Hold out countries that share their language and currency with no other country."""
    countries = _countries()
    users = Counter(name.forms["en"] for country in countries for name in country.names())
    alone = [country for country in countries if all(users[name.forms["en"]] == 1 for name in country.names())]
    chosen = {country.name for country in rng.sample(alone, HELD_OUT_COUNTRIES)}
    return (
        tuple(country for country in countries if country.name not in chosen),
        tuple(country for country in countries if country.name in chosen),
    )


@cache
def _countries() -> tuple[Country, ...]:
    """Return the countries of names.yaml, with their names in the CLDR."""
    territories = get_global("zone_territories")
    aliases = {alias: territories.get(zone) for alias, zone in get_global("zone_aliases").items()}
    zones = defaultdict(list)
    for zone, territory in sorted({**territories, **aliases}.items()):  # locales name some zones by their older ids
        zones[territory].append(zone)
    return tuple(_country(territory, zones[territory]) for territory in name_data()["countries"])


def _country(territory: str, zones: list[str]) -> Country:
    data = name_data()
    forms = {lang: _locale(lang).territories[territory] for lang in LANGUAGES}
    gender = "m" if territory in data["masculine_in_arabic"] else "f"
    language = data["languages"].get(territory) or get_official_languages(territory)[0]
    languages = {lang: _locale(lang).languages[language.split("_")[0]] for lang in LANGUAGES}
    languages["vi"] = languages["vi"][0].lower() + languages["vi"][1:]  # "Tiếng" has a capital in lists only
    currency = get_territory_currencies(territory)[0]
    currencies = {lang: _locale(lang).currencies[currency] for lang in LANGUAGES}
    cities = {city["en"]: Name("GPE", city) for city in map(_city_forms, zones) if _is_usable(city, country=forms)}
    capitals = [city for english, city in cities.items() if english in data["capitals"]]
    return Country(
        Name("GPE", forms, {"ar": gender}),
        Name("LANGUAGE", languages),
        Name("MONEY", currencies) if _is_plain(currencies) else None,
        tuple(cities.values()),
        capitals[0] if capitals else None,
    )


def _city_forms(zone: str) -> dict[str, str]:
    """Return the exemplar city of a time zone per language; if the CLDR has none, the last part of the zone's id."""
    fallback = zone.rpartition("/")[2].replace("_", " ")
    return {
        lang: _locale(lang).time_zones.get(zone, {}).get("city", fallback).replace("\N{SOFT HYPHEN}", "")
        for lang in LANGUAGES
    }


def _is_usable(city: Mapping[str, str], *, country: Mapping[str, str]) -> bool:
    return (
        _is_plain(city)
        and city["en"] not in name_data()["excluded_cities"]
        and all(city[lang] != country[lang] for lang in LANGUAGES)
    )


def _is_plain(forms: Mapping[str, str]) -> bool:
    """Return whether a name consists of letters, which in Arabic and Hindi are of their own script."""
    letters = {lang: [c for c in form if _is_word_character(c) or c not in " -"] for lang, form in forms.items()}
    return all(map(_is_word_character, chain(*letters.values()))) and not any(
        letter.isascii() for lang in ("ar", "hi") for letter in letters[lang]
    )


def _is_word_character(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "LMN"
