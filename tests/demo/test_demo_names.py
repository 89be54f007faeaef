import random

import pytest

from clism_core.demo.names import (
    LANGUAGES,
    Name,
    contains_phrase,
    date_name,
    month_name,
    name_data,
    place_names,
)
from clism_core.demo.sentences import split_names


def name(*forms: str) -> Name:
    return Name("GPE", dict(zip(LANGUAGES, forms, strict=True)))


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        pytest.param("born in Lima in 1962", "Lima", True, id="a word"),
        pytest.param("Lima", "Lima", True, id="the whole text"),
        pytest.param("born in Limassol", "Lima", False, id="the beginning of a word"),
        pytest.param("the colima of Lima", "lima", False, id="the end of a word, then another case"),
        pytest.param("tháng 12 năm", "tháng 1", False, id="the beginning of a number"),
        pytest.param("जापानी येन", "जापान", False, id="before a vowel sign"),
        pytest.param("في عمان، عام", "عمان", True, id="before an Arabic comma"),
    ],
)
def test_contains_phrase(text: str, phrase: str, found: bool) -> None:
    assert contains_phrase(text, phrase) is found


def test_dates_are_written_as_in_running_text() -> None:
    assert dict(date_name(year=1962, month=3, day=14).forms) == {
        "en": "March 14, 1962",
        "ar": "14 مارس 1962",
        "hi": "14 मार्च 1962",
        "vi": "ngày 14 tháng 3 năm 1962",
        "de": "14. März 1962",
        "es": "14 de marzo de 1962",
    }
    assert date_name(year=1962, month=3).forms["es"] == "marzo de 1962"


def test_organisation_is_named_after_its_place() -> None:
    lima = name("Lima", "ليما", "लीमा", "Lima", "Lima", "Lima")
    museum = place_names(name_data()["organisations"]["museum"], lima, label="ORG")
    assert museum.forms["ar"] == "متحف مدينة ليما"
    assert museum.forms["de"] == "Stadtmuseum Lima"
    assert (museum.prefixes["de"]["bei"], museum.prefixes["es"]["del"]) == ("beim ", "del ")


def test_brand_has_no_article_but_its_prepositions() -> None:
    lima = name("Lima", "ليما", "लीमा", "Lima", "Lima", "Lima")
    airline = place_names(name_data()["organisations"]["airline"], lima, label="ORG")
    assert (airline.prefixes["en"]["the"], airline.prefixes["de"]["bei"], airline.prefixes["es"]["del"]) == (
        "",
        "bei ",
        "de ",
    )


@pytest.mark.parametrize(
    ("kind", "german", "spanish"),
    [
        pytest.param("club", "zum FC Lima", "al FC Lima", id="with articles"),
        pytest.param("united", "zu Lima United", "al Lima United", id="without one in German"),
    ],
)
def test_articles_of_clubs_differ_by_language(kind: str, german: str, spanish: str) -> None:
    lima = name("Lima", "ليما", "लीमा", "Lima", "Lima", "Lima")
    club = place_names(name_data()["clubs"][kind], lima, label="ORG")
    assert club.prefixes["de"]["zu"] + club.forms["de"] == german
    assert club.prefixes["es"]["al"] + club.forms["es"] == spanish


def test_countries_keep_their_real_language_and_currency() -> None:
    countries = {c.name.forms["en"]: c for half in split_names(0) for c in half.countries}
    peru = countries["Peru"]
    assert peru.name.forms["hi"] == "पेरू"
    assert peru.language.forms["vi"] == "tiếng Tây Ban Nha"
    assert peru.currency is not None
    assert peru.currency.forms["es"] == "sol peruano"
    assert peru.capital is not None
    assert peru.capital.forms["ar"] == "ليما"
    assert len(countries) >= 90


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_both_parts_have_all_kinds_of_names(seed: int) -> None:
    for half, countries, months in zip(split_names(seed), (80, 8), (9, 1), strict=True):
        assert len(half.countries) >= countries
        assert all(country.cities for country in half.countries)
        assert {n.genders["en"] for names in half.given.values() for n in names} == {"m", "f"}
        assert sum(map(len, half.family.values())) >= 10
        assert len(half.months) >= months
        assert half.years
        assert half.numbers


def test_months_come_from_the_cldr() -> None:
    assert month_name(10).forms["hi"] == "अक्टूबर"


def test_split_depends_on_the_seed_only() -> None:
    random.seed(1)
    first = split_names(5)
    random.seed(2)
    assert split_names(5) == first
    assert split_names(6) != first
