from importlib.util import find_spec
from pathlib import Path

import pycld2
import pytest

from clism_core.preparation.entities.stop_words import stop_words
from clism_core.preparation.language import is_wrong_language
from clism_core.utils.words import segment


def judge(text: str, language: str) -> bool:
    return is_wrong_language(text, segment(text), language=language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        pytest.param("hi", "Mera malik komal aur susangit tha", id="hindi-in-latin"),
        pytest.param("ar", "This is what they asked us to do.", id="english-as-arabic"),
        pytest.param("ar", "DUW # some mobile phones", id="words-among-codes"),
        pytest.param("en", "联合国秘书长昨天在日内瓦发表了讲话。", id="chinese-as-english"),
        pytest.param("ru", "Das ist nicht, was wir heute von ihnen wollten.", id="german-as-russian"),
        pytest.param("sr", "ويجيئون بمجد الأمم وكرامتهم إليها", id="arabic-as-serbian"),
        pytest.param("vi", "She did not want to speak to me about it.", id="english-as-vietnamese"),
        pytest.param("es", "The house was built by the brothers of my father.", id="english-as-spanish"),
        pytest.param("en", "La casa fue construida por los hermanos de mi padre.", id="spanish-as-english"),
        pytest.param("en", "Chúng tôi không biết vì sao họ đã đi khỏi đó.", id="vietnamese-as-english"),
        pytest.param("de", "Nous ne savons pas pourquoi ils sont partis de cette maison.", id="french-as-german"),
        pytest.param("deu", "Nous ne savons pas pourquoi ils sont partis de cette maison.", id="three-letter-code"),
        pytest.param("no", "Nous ne savons pas pourquoi ils sont partis de cette maison.", id="french-as-norwegian"),
        pytest.param("ara", "This is what they asked us to do.", id="script-of-three-letter-code"),
        pytest.param("hi-Latn", "वे उन से क्या चाहते हैं?", id="not-in-the-script-of-the-tag"),
        pytest.param("uz-Arab", "Bu mening uyim va bog‘im", id="not-in-the-one-script-of-the-tag"),
        pytest.param("hsb", "La casa fue construida por los hermanos de mi padre.", id="hint-unknown-to-cld2"),
    ],
)
def test_wrong_language(language: str, text: str) -> None:
    assert judge(text, language) is True


@pytest.mark.parametrize(
    ("language", "text"),
    [
        pytest.param("hi", "वे उन से क्या चाहते हैं?", id="hindi"),
        pytest.param("ar", "إن قلنا إنه ليس لنا خطية نضل أنفسنا", id="arabic"),
        pytest.param("zh-TW", "我們在臺灣。", id="chinese"),
        pytest.param("ja", "東京に行く", id="japanese"),
        pytest.param("sr", "Ово је наша кућа", id="serbian-in-cyrillic"),
        pytest.param("sr", "Ovo je naša kuća", id="serbian-in-latin"),
        pytest.param("vi", "Tôi sống ở Sarajevo.", id="vietnamese"),
        pytest.param("en", "I want to go to Tokyo, Ichiro.", id="english-with-names"),
        pytest.param("en", "Seraiah, Azariah, Jeremiah, Pashhur, Amariah, Malchijah,", id="nothing-but-names"),
        pytest.param("hi", "PostgreSQL", id="name"),
        pytest.param("hi", "Adobe Photoshop CS5", id="names"),
        pytest.param("ar", "https://www.mediawiki.org/wiki/Special:MyLanguage", id="address"),
        pytest.param("ar", "ps -aux", id="code"),
        pytest.param("ar", "وحدة MathCAPTCHA لConfirm Edit", id="names-within"),
        pytest.param("vi", "Xóa Main Page với lý do Preparing for move.", id="quotation-within"),
        pytest.param("vi", "Gone with the Wind", id="title"),
        pytest.param("es", "No, no.", id="short"),
        pytest.param("hi", "10:30, 3.14 %", id="no-letters"),
        pytest.param("en", "a \ufdd0\ufffe\U0010ffff b c d e f", id="what-is-no-character"),
        pytest.param("tlh", "This is what they asked us to do.", id="language-without-a-list"),
        pytest.param("hi", "", id="empty"),
        pytest.param("hi-Latn", "Mera malik komal aur susangit tha", id="hindi-in-latin-as-said"),
        pytest.param("ja_Latn", "Watashi wa Tokyo he itte, sore to kore wo tabeta no", id="japanese-in-latin"),
        pytest.param("sa-Latn", "dharmakṣetre kurukṣetre samavetā yuyutsavaḥ", id="sanskrit-in-latin-as-said"),
        pytest.param("zh-Hant", "我們在臺灣。", id="chinese-with-script"),
        pytest.param("hi-Abcd", "Mera malik komal aur susangit tha", id="script-that-is-not"),
        pytest.param("crh", "Bütün insanlar serbest, menlik ve uquqlarda musaviy olıp", id="crimean-tatar-in-latin"),
        pytest.param("kaa", "barlıq adamlar óz qádir-qımbatı menen teń", id="karakalpak-in-latin"),
        pytest.param("nan", "só͘-ū ê lâng lóng ū chū-iû kap pêng-téng", id="southern-min-in-latin"),
        pytest.param("zgh", "akk imdanen lulen d ilelliyen", id="amazigh-in-latin"),
        pytest.param("lad", "todos los umanos nasen libres i iguales", id="ladino-in-latin"),
        pytest.param("mni", "ꯃꯤ ꯈꯨꯗꯤꯡꯃꯛ ꯄꯣꯛꯄꯗ ꯅꯤꯡꯇꯝꯃꯤ", id="manipuri-in-its-own-script"),
        pytest.param("iu", "inulimaat aniguqtaujut namminiirunnarlutik", id="inuktitut-in-latin"),
        pytest.param("ks", "सॉरी इन्सान छि आज़ाद", id="kashmiri-in-devanagari"),
        pytest.param("tg", "hamai odamon ozod ba dunyo omadaand", id="tajik-in-latin"),
        pytest.param("dsb", "Wšykne luźe su lichotne roźone", id="lower-sorbian"),
    ],
)
def test_doubtful_sentences_pass(language: str, text: str) -> None:
    assert judge(text, language) is False


def stop_list_languages() -> list[str]:
    (folder,) = find_spec("spacy.lang").submodule_search_locations  # type: ignore[union-attr,misc]
    return sorted(path.parent.name for path in Path(folder).glob("*/stop_words.py"))


@pytest.mark.parametrize("language", [*stop_list_languages(), "no", "iw", "tlh"])
def test_any_language_can_be_checked_by_all_criteria(language: str) -> None:
    """Text without function words is passed to CLD2, which raises an error for hints that it does not support."""
    letters = sorted(filter(str.isalpha, "".join(stop_words(language)))) or ["x"]
    word = 4 * letters[len(letters) // 2]  # from the middle, since a few lists contain letters of another script
    assert judge(" ".join([word] * 6), language) is False


def test_list_in_another_script_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """spaCy's Serbian stop words are in Cyrillic letters; many are also Croatian words, in Latin letters."""
    monkeypatch.setattr(pycld2, "detect", lambda *_, **__: (True, 66, [("CROATIAN", "hr", 99, 1000.0)]))
    text = "Nisam znao da je on tako dugo bio tamo, jer mi to niko nije rekao."
    assert judge(text, "sr") is False
    assert judge(text, "fi") is True
