import pytest

from clism_core.data.language import is_wrong_language
from clism_core.data.words import segment


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
    ],
)
def test_what_may_be_right(language: str, text: str) -> None:
    assert judge(text, language) is False
