"""The check of catalogues finds each kind of fault, and nothing in a sound house."""

from pathlib import Path

import pytest

from foundation.text_check import collect, text_findings

PLAIN = {"chat.hello": "Hello {name}", "chat.bye": "Bye"}
HEADER = 'msgid ""\nmsgstr ""\n"Language: {code}\\n"\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
CODE = 'from x import Text\na = Text("chat.hello", name="A")\nb = Text("chat.bye")\n'


@pytest.fixture
def house(tmp_path: Path) -> Path:
    write(tmp_path, "de", PLAIN)
    write(tmp_path, "en", PLAIN)
    code(tmp_path, "talk/hello.py", CODE)
    return tmp_path


def write(root: Path, language: str, texts: dict[str, str], more: str = "") -> None:
    path = root / "content" / "locale" / language / "LC_MESSAGES" / "foyer.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = "".join(f'msgid "{key}"\nmsgstr "{text}"\n\n' for key, text in texts.items())
    path.write_text(HEADER.format(code=language) + entries + more, encoding="utf-8")


def code(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def said(root: Path) -> str:
    return "\n".join(map(str, text_findings(root)))


def test_a_sound_house_has_no_findings(house: Path) -> None:
    assert said(house) == ""


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("talk/more.py", '\nText("chat.gone")', 2),
        ("talk/more.py", 'class Taken(Error):\n    key = "chat.gone"', 2),
        ("talk/more.py", 'key = "chat.bye" if x else "chat.gone"', 1),
        ("pages/templates/a.html", "<p>\n{{ t('chat.gone') }}", 2),
        ("web/src/A.svelte", "<p>{t(ok ? 'chat.bye' : 'chat.gone')}</p>", 1),
        ("web/src/a.ts", "\n\nconst a = t('chat.gone', { name });", 3),
    ],
)
def test_a_key_that_is_not_written(house: Path, name: str, text: str, line: int) -> None:
    code(house, name, text)
    assert f"{name}:{line}: chat.gone is not in the catalogue of de, en" in said(house)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("talk/more.py", 'Text("chat.hello", title="A")'),
        ("pages/templates/a.html", "{{ t('chat.hello', title=name) }}"),
        ("web/src/A.svelte", "{t('chat.hello', { title: one.name })}"),
    ],
)
def test_a_parameter_that_is_not_given(house: Path, name: str, text: str) -> None:
    code(house, name, text)
    assert "chat.hello needs name; pass it" in said(house)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("talk/more.py", 'Text("chat.hello", **params)'),
        ("pages/templates/a.html", "{{ t('chat.hello', name=office_name, more=f(1, 2)) }}"),
        (
            "web/src/A.svelte",
            "{t('chat.hello', { name })} {t('chat.hello', { a: f(b), name: c ? 'd' : 'e' })}",
        ),
        ("talk/more.py", 'ITEMS = ("chat.hello", "chat.bye")'),
    ],
)
def test_parameters_that_are_given(house: Path, name: str, text: str) -> None:
    code(house, name, text)
    assert said(house) == ""


def test_a_text_that_is_never_said(house: Path) -> None:
    for language in ("de", "en"):
        write(house, language, {**PLAIN, "chat.old": "Old"})
    assert "chat.old is never said" in said(house)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("talk/more.py", 'Text(f"outcome.{code}")'),
        ("web/src/a.ts", "t(`outcome.${code}`)"),
        ("pages/templates/a.html", "{{ t('outcome.' ~ code) }}"),
    ],
)
def test_a_key_put_together_keeps_its_texts(house: Path, name: str, text: str) -> None:
    code(house, name, text)
    assert "no text begins with outcome." in said(house)
    for language in ("de", "en"):
        write(house, language, {**PLAIN, "outcome.done": "Done"})
    assert said(house) == ""


def test_languages_must_agree(house: Path) -> None:
    write(house, "de", {"chat.hello": "Hallo", "chat.bye": ""})
    write(house, "en", {"chat.hello": "Hello {name}"})
    found = said(house)
    assert "chat.hello has not the same parameters everywhere (de: none, en: name)" in found
    assert "chat.bye: a text is empty" in found
    assert "chat.bye is missing in en" in found


def test_plurals_must_be_whole(house: Path) -> None:
    code(house, "talk/more.py", 'Text("chat.places", count=2)')
    plural = 'msgid "chat.places"\nmsgid_plural "chat.places"\nmsgstr[0] "one"\nmsgstr[1] "{text}"\n'
    for language in ("de", "en"):
        write(house, language, PLAIN, plural.format(text="{count} places"))
    assert said(house) == ""
    write(house, "en", PLAIN, plural.format(text="many"))
    assert "does not say {count}" in said(house)


def test_tests_are_not_the_program(house: Path) -> None:
    code(house, "tests/test_x.py", 'Text("chat.gone")')
    assert {use.key for use in collect(house).keys} == {"chat.hello", "chat.bye"}
