"""A small fictional world over a gazetteer: birthplaces, careers, leaders of organisations, matches.

Its facts are consistent; those about countries, their languages, currencies and cities are real.
"""

import random
from dataclasses import dataclass
from typing import Any, TypeVar

from clism_core.demo.names import LANGUAGES, Country, Gazetteer, Name, date_name, name_data, number_name, place_names
from clism_core.demo.records import City, CountryRecord, Event, Match, Organisation, Person, Record

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """All records, by the section of patterns.yaml that describes them, and the newspapers that report them."""

    records: dict[str, tuple[Record, ...]]
    newspapers: tuple[Name, ...]


def build_world(gazetteer: Gazetteer, rng: random.Random) -> World:
    """Generate a world that uses all names of `gazetteer`."""
    return _WorldBuilder(gazetteer, rng).build()


class _WorldBuilder:
    """Random generator of a world's facts."""

    def __init__(self, gazetteer: Gazetteer, rng: random.Random) -> None:
        self.gazetteer, self.rng = gazetteer, rng
        self.cities = [(city, country) for country in gazetteer.countries for city in country.cities]
        data = name_data()
        self.organisations = {
            kind: self._named_after_places(spec, label="ORG") for kind, spec in data["organisations"].items()
        }
        self.employers = [name for names in self.organisations.values() for name in names]
        self.clubs = [rng.choice(names) for names in zip(*self._all_named(data["clubs"], label="ORG"), strict=True)]
        self.events = [name for names in self._all_named(data["events"], label="EVENT") for name in names]
        names = self._full_names()
        self.names, self.athletes = names[len(names) // 3 :], names[: len(names) // 3]

    def build(self) -> World:
        persons = self._persons()
        mayors, coaches = self.rng.sample(persons, len(self.cities)), self.rng.sample(self.names, len(self.clubs))
        ambassadors = self.rng.sample(self.names, len(self.gazetteer.countries))
        return World(
            {
                "person": persons,
                "country": tuple(map(self._country, self.gazetteer.countries, ambassadors)),
                "city": tuple(
                    self._city(city, country, mayor, persons)
                    for (city, country), mayor in zip(self.cities, mayors, strict=True)
                ),
                "organisation": tuple(self._organisation(name, persons) for name in self.employers),
                "event": tuple(self._event(name, persons) for name in self.events),
                "match": tuple(map(self._match, self.clubs, coaches)),
            },
            tuple(self.organisations["newspaper"]),
        )

    def _persons(self) -> tuple[Person, ...]:
        """Return the records of all people; as many as possible are married."""
        women, men = ([name for name in self.names if name.genders["en"] == gender] for gender in "fm")
        couples = zip(women, men, strict=False)
        partners = dict(couple if self.rng.random() < 0.5 else couple[::-1] for couple in couples)
        return tuple(self._person(name, partners.get(name)) for name in self.names)

    def _all_named(self, kinds: dict[str, Any], *, label: str) -> list[list[Name]]:
        return [self._named_after_places(kind, label=label) for kind in kinds.values()]

    def _named_after_places(self, kind: dict[str, Any], *, label: str) -> list[Name]:
        if "{country}" in kind["names"]["en"]:
            return [place_names(kind, country.name, label=label) for country in self.gazetteer.countries]
        return [place_names(kind, city, label=label) for city, _ in self.cities]

    def _full_names(self) -> list[Name]:
        pairs = [
            (given, family)
            for group, names in self.gazetteer.given.items()
            for given in names
            for family in self.gazetteer.family[group]
        ]
        return [
            Name("PERSON", {lang: f"{given.forms[lang]} {family.forms[lang]}" for lang in LANGUAGES}, given.genders)
            for given, family in self.rng.sample(pairs, len(pairs))
        ]

    def _other(self, items: list[T] | tuple[T, ...], *taken: T) -> T:
        """Sample one of `items` that is not in `taken`."""
        while (item := self.rng.choice(items)) in taken:
            pass
        return item

    def _city_name(self, *taken: Name) -> Name:
        return self._other([city for city, _ in self.cities], *taken)

    def _year_number(self, low: int, high: int) -> int:
        return self.rng.choice([year for year in self.gazetteer.years if low <= year <= high])

    def _year(self, low: int, high: int = 2024) -> Name:
        return number_name(self._year_number(low, high), label="DATE")

    def _month(self, year: int) -> Name:
        return date_name(year=year, month=self.rng.choice(self.gazetteer.months))

    def _day(self, year: int) -> Name:
        return date_name(year=year, month=self.rng.choice(self.gazetteer.months), day=self.rng.randint(1, 28))

    def _recent_month(self, since: int = 1990) -> Name:
        return self._month(self._year_number(since, 2024))

    def _recent_day(self, since: int = 1990) -> Name:
        return self._day(self._year_number(since, 2024))

    def _number(self) -> Name:
        return number_name(self.rng.choice(self.gazetteer.numbers))

    def _profession(self, gender: str) -> Name:
        """Return a profession in the form for a man or a woman, with the English and Arabic articles as prefixes."""
        spec = self.rng.choice(name_data()["professions"])

        def form(value: str | list[str]) -> str:
            return value if isinstance(value, str) else value["mf".index(gender)]

        forms = {lang: form(spec[lang]) for lang in LANGUAGES}
        article = "an " if forms["en"][0] in "aeiou" else "a "
        return Name("", forms, prefixes={"en": {"a": article}, "ar": {"definite": "ال"}})

    def _person(self, name: Name, partner: Name | None) -> Person:
        birth_city, country = self.rng.choice(self.cities)
        home_city = self._city_name(birth_city)
        birth_year = self._year_number(1935, 1980)
        graduation_year = self._year_number(birth_year + 21, birth_year + 28)
        joined_year = self._year_number(graduation_year + 1, graduation_year + 9)
        university = self.rng.choice(self.organisations["university"] + self.organisations["institute"])
        return Person(
            person=name,
            birth_country=country.name,
            birth_city=birth_city,
            birth_date=self._day(birth_year),
            birth_year=number_name(birth_year, label="DATE"),
            language=country.language,
            profession=self._profession(name.genders["en"]),
            university=university,
            graduation_year=number_name(graduation_year, label="DATE"),
            home_city=home_city,
            employer=self._other(self.employers, university),
            joined_year=number_name(joined_year, label="DATE"),
            visited_city=self._city_name(birth_city, home_city),
            visit_month=self._recent_month(joined_year),
            interviewer=self._other(self.names, name),
            interview_date=self._recent_day(joined_year),
            partner=partner,
            wedding_month=self._month(self._year_number(birth_year + 20, birth_year + 38)) if partner else None,
        )

    def _country(self, country: Country, ambassador: Name) -> CountryRecord:
        abroad = [city for city, other in self.cities if other is not country]
        return CountryRecord(
            country=country.name,
            language=country.language,
            currency=country.currency,
            partner_country=self._other([other.name for other in self.gazetteer.countries], country.name),
            treaty_city=self.rng.choice(abroad),
            treaty_date=self._recent_day(),
            ambassador=ambassador,
            embassy_city=self.rng.choice(abroad),
            embassy_year=self._year(1990),
            tourists=self._number(),
            tour_month=self._recent_month(),
            capital=country.capital,
        )

    def _city(self, city: Name, country: Country, mayor: Person, persons: tuple[Person, ...]) -> City:
        architect = self._other(persons, mayor, *(person for person in persons if person.birth_city == city))
        return City(
            city=city,
            country=country.name,
            mayor=mayor.person,
            mayor_year=self._year(2000),
            library_month=self._recent_month(),
            twin_city=self._city_name(city),
            twin_year=self._year(1960),
            airline=self.rng.choice(self.organisations["airline"]),
            flight_year=self._year(1990),
            students=self._number(),
            study_month=self._recent_month(),
            architect=architect.person,
            architect_city=architect.birth_city,
        )

    def _organisation(self, name: Name, persons: tuple[Person, ...]) -> Organisation:
        founder, director, guest = self.rng.sample(persons, 3)
        born = int(founder.birth_year.forms["en"])
        return Organisation(
            organisation=name,
            founder=founder.person,
            founder_city=founder.birth_city,
            founded_year=self._year(born + 24, born + 39),
            director=director.person,
            director_year=self._year(2005),
            employees=self._number(),
            partner_organisation=self._other(self.employers, name),
            deal_date=self._recent_day(),
            branch_city=self._city_name(),
            branch_month=self._recent_month(),
            guest=guest.person,
            guest_country=guest.birth_country,
            visit_date=self._recent_day(),
        )

    def _event(self, name: Name, persons: tuple[Person, ...]) -> Event:
        opener, winner = self.rng.sample(persons, 2)
        year = self._year_number(1990, 2024)
        return Event(
            event=name,
            event_date=self._day(year),
            event_year=number_name(year, label="DATE"),
            opener=opener.person,
            winner=winner.person,
            winner_country=winner.birth_country,
            guest_country=self.rng.choice(self.gazetteer.countries).name,
            guests=self._number(),
            sponsor=self.rng.choice(self.employers),
        )

    def _match(self, club: Name, coach: Name) -> Match:
        opponent, former_club = self.rng.sample([other for other in self.clubs if other != club], 2)
        return Match(
            club=club,
            opponent=opponent,
            former_club=former_club,
            match_city=self._city_name(),
            match_date=self._recent_day(),
            scorer=self.rng.choice(self.athletes),
            transfer_month=self._recent_month(),
            coach=coach,
            coach_year=self._year(1995),
        )
