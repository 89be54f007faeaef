import pytest

from clism_core.utils.language_codes import code_problem


@pytest.mark.parametrize(
    "code",
    [
        *("en", "ar", "hi", "vi", "no", "nb", "tl", "sh", "kr", "se"),
        *("ast", "ceb", "kmr", "fil", "yue", "apc", "prs", "gpe", "mni"),
        *("pt-BR", "zh-TW", "zh-Hant", "zh-Hans-CN", "sr-Latn", "es-419", "hi-Latn", "de-1996", "ca-valencia"),
        *("qaa", "x-klingon", "en-x-nmt"),
    ],
)
def test_codes(code: str) -> None:
    assert code_problem(code) is None


@pytest.mark.parametrize(
    ("code", "right"),
    [
        pytest.param("EN", "en", id="upper-case"),
        pytest.param("zh_CN", "zh-CN", id="underscore"),
        pytest.param("pt-br", "pt-BR", id="region-in-lower-case"),
        pytest.param("ZH_hant_tw", "zh-Hant-TW", id="script-and-region"),
        pytest.param("eng", "en", id="three-letters"),
        pytest.param("ger", "de", id="of-bibliographies"),
        pytest.param("cmn", "zh", id="standard-variety"),
        pytest.param("deu_Latn", "de-Latn", id="flores"),
        pytest.param("iw", "he", id="old"),
        pytest.param(" en", "en", id="space"),
    ],
)
def test_other_forms_of_codes(code: str, right: str) -> None:
    assert code_problem(code) == f"{code!r} is not in the usual form; give {right}"


@pytest.mark.parametrize(
    ("code", "right"),
    [
        pytest.param("cn", "zh", id="china"),
        pytest.param("jp", "ja", id="japan"),
        pytest.param("CZ", "cs", id="czechia"),
        pytest.param("ua", "uk", id="ukraine"),
        pytest.param("gb-en", "en", id="region-first"),
        pytest.param("english", "en", id="name"),
        pytest.param("Portugese", "pt", id="misspelt-name"),
        pytest.param("deutsch", "de", id="name-in-the-language"),
        pytest.param("日本語", "ja", id="name-in-its-script"),
    ],
)
def test_other_names_of_languages(code: str, right: str) -> None:
    assert code_problem(code) == f"{code!r} is not a language code; did you mean {right}?"


@pytest.mark.parametrize("code", ["", "../x", "e", "xx", "zz-ZZ", "qq1", "en-", "en--US", "en US", "und", "mul"])
def test_what_is_no_code(code: str) -> None:
    problem = code_problem(code)
    assert problem is not None
    assert problem.startswith(f"{code!r} is not a language code; ")
