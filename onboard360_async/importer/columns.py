"""Which column of a list is which field: by the user's word, by the API's own names, or by usual ones.

Knows no file and no row. Names are compared by their letters and digits alone, whatever their case and accents.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from onboard360_async.errors import ValidationError
from onboard360_async.importer.rows import FIELDS, OURS

__all__ = ["columns_of"]

# English, German, French and Spanish, a line each; what is the same in two of them stands once.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "campaign_id": (
        *("campaign id", "campaign", "campaign name", "campaign uuid"),
        *("Kampagne", "Kampagnen-ID", "Kampagne ID", "Kampagnenname", "Name der Kampagne"),
        *("campagne", "ID campagne", "ID de campagne", "ID de la campagne", "nom de campagne", "nom de la campagne"),
        *("campaña", "ID campaña", "ID de campaña", "ID de la campaña", "nombre de campaña", "nombre de la campaña"),
    ),
    "email": (
        *("email", "email address", "email id", "mail", "mail address", "electronic mail"),
        *("E-Mail-Adresse", "Mailadresse"),
        *("adresse email", "adresse mail", "adresse de messagerie", "adresse électronique", "courriel", "mél"),
        *("adresse courriel", "courrier électronique"),
        *("correo", "correo electrónico", "dirección de correo", "dirección de correo electrónico"),
        *("dirección de email", "dirección email", "dirección electrónica"),
    ),
    "first_name": (
        *("first name", "given name", "forename", "first", "fname"),
        *("Vorname", "Rufname"),
        *("prénom", "prénoms"),
        *("nombre", "nombres", "nombre de pila", "primer nombre"),
    ),
    "last_name": (
        *("last name", "surname", "family name", "last", "lname"),
        *("Nachname", "Familienname", "Zuname"),
        *("nom", "nom de famille"),
        *("apellido", "apellidos", "primer apellido"),
    ),
    "company_name": (
        *("company name", "company", "organisation", "organization", "organisation name", "organization name"),
        *("business", "business name", "employer"),
        *("Firma", "Firmenname", "Unternehmen", "Unternehmensname", "Name der Firma"),
        *("société", "entreprise", "nom de société", "nom de la société", "nom de l'entreprise", "raison sociale"),
        *("empresa", "nombre de empresa", "nombre de la empresa", "compañía", "organización", "razón social"),
    ),
    "phone": (
        *("phone", "phone number", "phone no", "telephone", "telephone number", "tel", "tel no", "telephone no"),
        *("mobile", "mobile phone", "mobile number", "mobile phone number", "cell", "cell phone", "contact number"),
        *("Telefon", "Telefonnummer", "Telefon-Nr.", "Tel.-Nr.", "Rufnummer"),
        *("Handy", "Handynummer", "Handy-Nr.", "Mobil", "Mobilnummer", "Mobiltelefon", "Mobilfunk"),
        *("numéro de téléphone", "n° de téléphone", "portable", "téléphone portable", "téléphone mobile"),
        *("numéro de portable",),
        *("teléfono", "número de teléfono", "nº de teléfono", "móvil", "teléfono móvil", "número de móvil", "celular"),
        *("teléfono celular",),
    ),
}


def columns_of(header: Sequence[str], mapping: Mapping[str, str] | None) -> tuple[dict[str, int], list[str]]:
    """Which column holds which field, and the columns that nobody knows.

    By `mapping` (field to column), else by names; a column with the API's own name wins over others that could be the
    same. ValidationError if there is no email column, if a mapped column is not there, or if two could be meant.
    """
    columns = dict(_mapped(header, mapping or {}))
    names = [plain(name) for name in header]
    for field, aliases in _PLAIN_ALIASES.items():
        if field in columns:
            continue
        fits = [index for index, name in enumerate(names) if name in aliases and index not in columns.values()]
        exact = [index for index in fits if header[index] == field]
        fits = exact if len(exact) == 1 else fits
        if len(fits) > 1:
            both = tuple(header[index] for index in fits)
            raise ValidationError(f"More than one column could be {field}; say which with a mapping:", field, both)
        if fits:
            columns[field] = fits[0]
    if "email" not in columns:
        message = "There is no email column; map one of these with email=COLUMN:"
        raise ValidationError(message, "email", tuple(header))
    known = set(columns.values())
    return columns, [name for index, name in enumerate(header) if index not in known and name not in OURS]


def _mapped(header: Sequence[str], mapping: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for field, wanted in mapping.items():
        if field not in FIELDS:
            raise ValidationError(f"There is no field {field!r} to map; the fields are:", "mapping", FIELDS)
        fits = [index for index, name in enumerate(header) if name == wanted]
        fits = fits or [index for index, name in enumerate(header) if plain(name) == plain(wanted) != ""]
        if len(fits) != 1:
            raise ValidationError(f"There is no one column {wanted!r}; the columns are:", "mapping", tuple(header))
        yield field, fits[0]


def plain(name: str) -> str:
    """What is compared of a name: its letters and digits in NFKC, without case, accents and punctuation."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"[\W_]+", "", folded)


_PLAIN_ALIASES: Final = {field: {plain(alias) for alias in aliases} for field, aliases in _ALIASES.items()}
