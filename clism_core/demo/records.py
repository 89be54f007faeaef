"""Records of facts about the subjects of the demo world.

The fields of a record are the slots in the clauses of patterns.yaml: the first is the subject, and the name of every
other field is its relation to the subject.
"""

from dataclasses import dataclass, fields

from clism_core.demo.names import Name


@dataclass(frozen=True)
class Person:
    """A person with a career."""

    person: Name
    birth_country: Name
    birth_city: Name
    birth_date: Name
    birth_year: Name
    language: Name
    profession: Name
    university: Name
    graduation_year: Name
    home_city: Name
    employer: Name
    joined_year: Name
    visited_city: Name
    visit_month: Name
    interviewer: Name
    interview_date: Name
    partner: Name | None
    """Given in the record of one of the two partners only."""
    wedding_month: Name | None


@dataclass(frozen=True)
class CountryRecord:
    """A country, its foreign affairs and, if known from the CLDR, its capital."""

    country: Name
    language: Name
    currency: Name | None
    partner_country: Name
    treaty_city: Name
    treaty_date: Name
    ambassador: Name
    embassy_city: Name
    embassy_year: Name
    tourists: Name
    tour_month: Name
    capital: Name | None


@dataclass(frozen=True)
class City:
    """A city, its mayor and its twin city."""

    city: Name
    country: Name
    mayor: Name
    mayor_year: Name
    library_month: Name
    twin_city: Name
    twin_year: Name
    airline: Name
    flight_year: Name
    students: Name
    study_month: Name
    architect: Name
    architect_city: Name


@dataclass(frozen=True)
class Organisation:
    """An organisation, such as a university, a company or a museum."""

    organisation: Name
    founder: Name
    founder_city: Name
    founded_year: Name
    director: Name
    director_year: Name
    employees: Name
    partner_organisation: Name
    deal_date: Name
    branch_city: Name
    branch_month: Name
    guest: Name
    guest_country: Name
    visit_date: Name


@dataclass(frozen=True)
class Event:
    """A festival or a fair."""

    event: Name
    event_date: Name
    event_year: Name
    opener: Name
    winner: Name
    winner_country: Name
    guest_country: Name
    guests: Name
    sponsor: Name


@dataclass(frozen=True)
class Match:
    """A match between two football clubs, with scorer and coach of the winner."""

    club: Name
    opponent: Name
    former_club: Name
    match_city: Name
    match_date: Name
    scorer: Name
    transfer_month: Name
    coach: Name
    coach_year: Name


Record = Person | CountryRecord | City | Organisation | Event | Match


def slots(record: Record) -> dict[str, Name]:
    """Return the known facts of a record, by the name of their slot."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    return {slot: name for slot, name in values.items() if name is not None}
