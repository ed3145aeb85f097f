"""Which column is which field, in four languages."""

from pathlib import Path

import pytest

from onboard360_async import errors
from onboard360_async.importer import columns as columns_module
from onboard360_async.importer.columns import columns_of
from onboard360_async.importer.rows import FIELDS
from onboard360_async.importer.source import open_list
from tests.importer.lists import write


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (
            "E-Mail,First name,Surname,Organisation,Mobile",
            ("email", "first_name", "last_name", "company_name", "phone"),
        ),
        ("EMAIL_ADDRESS;Given-Name;family name", ("email", "first_name", "last_name")),
        (
            "E-Mail-Adresse;Vorname;Nachname;Firma;Telefon",
            ("email", "first_name", "last_name", "company_name", "phone"),
        ),
        ("email|Shoe size", ("email",)),
    ],
)
def test_usual_headers_are_understood(tmp_path: Path, header: str, fields: tuple[str, ...]) -> None:
    """English and German names of columns, however they are written; what is unknown is named."""
    file = open_list(write(tmp_path, f"{header}\na@x.de\n"))
    assert set(file.columns) == set(fields)
    assert set(file.unknown) == ({"Shoe size"} if "Shoe" in header else set())


def test_a_mapping_says_which_column_is_which(tmp_path: Path) -> None:
    """It wins over the names; what it names must be there."""
    path = write(tmp_path, "email,work\nhome@x.de,work@x.de\n")
    assert next(open_list(path, mapping={"email": "Work"}).rows()).values["email"] == "work@x.de"
    for mapping in ({"email": "nothing"}, {"shoe": "work"}):
        with pytest.raises(errors.ValidationError) as caught:
            open_list(path, mapping=mapping)
        assert caught.value.candidates


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ("Adresse e-mail;Prénom;Nom de famille;Société;Tél.;Campagne", "all"),
        ("ADRESSE EMAIL;PRENOM;NOM;SOCIETE;TELEPHONE;ID DE CAMPAGNE", "all"),
        ("Correo electrónico;Nombre;Apellidos;Compañía;Teléfono;Campaña", "all"),
        ("correo_electronico;nombre;apellido;empresa;telefono;campana", "all"),
        ("Pre\u0301nom;Courriel", "first email"),
        ("E\uff0dMail;\uff36orname;Straße", "email first -"),
        ("EMail;FirstName;lastName;companyName;PhoneNumber;campaignId", "all"),
        ("E-Mail:;First Name*;(Phone);Campaign name", "email first phone campaign"),
        ("E-Mail-Adresse;Kampagne;Mobil;Tel-Vorwahl", "email campaign phone -"),
        ("email;Name;***;", "email - - -"),
    ],
)
def test_names_in_four_languages(header: str, fields: str) -> None:
    """Accents may be missing, and nobody counts hyphens."""
    fields = fields.replace("all", "email first last company phone campaign")
    full = {name.partition("_")[0]: name for name in FIELDS}
    wanted = {full[name]: index for index, name in enumerate(fields.split()) if name != "-"}
    assert columns_of(header.split(";"), None)[0] == wanted


def test_no_name_is_two_fields() -> None:
    """Nor does one stand in the table twice: a language has it from another, and which field wins is nobody's guess."""
    names = [columns_module.plain(name) for aliases in columns_module._ALIASES.values() for name in aliases]
    assert len(names) == len(set(names))
    assert "" not in names
    for field, aliases in columns_module._ALIASES.items():
        assert columns_module.plain(field) in map(columns_module.plain, aliases)
    assert set(columns_module._ALIASES) == set(FIELDS)


def test_the_apis_own_name_wins(tmp_path: Path) -> None:
    """Over others that could be the same, which then are columns that nobody knows; it must stand there once."""
    path = write(tmp_path, "E-Mail,email,Phone,phone,mobile\nold@x.de,a@x.de,1,2,3\n")
    file = open_list(path)
    assert next(file.rows()).values == {"email": "a@x.de", "phone": "2"}
    assert file.unknown == ("E-Mail", "Phone", "mobile")
    for header in ("email,email", "Email,E-Mail", "email,phone,phone,mobile"):
        with pytest.raises(errors.ValidationError, match="More than one column"):
            columns_of(header.split(","), None)


def test_a_mapping_means_the_column_with_that_very_name(tmp_path: Path) -> None:
    """Where two are alike but for case or accents, the exact one; else the only one that is alike."""
    header = ["Größe", "GROSSE", "***", ""]
    assert columns_of(header, {"email": "GROSSE"})[0] == {"email": 1}
    assert columns_of(header, {"email": "***"})[0] == {"email": 2}
    assert columns_of(["a b", "c"], {"email": "A-B"})[0] == {"email": 0}
    for wanted in ("grosse", "!!!"):
        with pytest.raises(errors.ValidationError, match="There is no one column"):
            columns_of(header, {"email": wanted})
