import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from clism_core.preparation.corpus import CappedRows, CorpusConfig, check_corpus
from clism_core.utils.errors import InputError

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "corpora.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
EXAMPLES = [CorpusConfig(**yaml.safe_load(block)[0]) for block in BLOCKS]
FORMATS = get_args(get_type_hints(CorpusConfig)["format"])


def test_every_format_has_an_example() -> None:
    assert {example.format for example in EXAMPLES} == set(FORMATS)


@pytest.mark.parametrize(
    "example", [example for example in EXAMPLES if "://" not in example.path], ids=lambda example: example.path
)
def test_examples_are_valid_but_for_missing_files(
    example: CorpusConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"{example.path}\S* cannot be read"):
        check_corpus(example)


def table1() -> list[CorpusConfig]:
    preset = yaml.safe_load((ROOT / "jobs" / "configs" / "table1.yaml").read_text())
    return [CorpusConfig(**corpus) for corpus in preset["corpora"]]


def test_table_1_has_the_amounts_of_the_paper() -> None:
    assert {corpus.pair: corpus.max_pairs for corpus in table1()} == {
        "en-ar": 400_000,
        "en-hi": 300_000,
        "en-vi": 300_000,
    }


@pytest.mark.skipif(not (shutil.which("shuf") and shutil.which("openssl")), reason="needs shuf and openssl")
def test_table_1_reads_samples_of_the_files_in_the_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = {
        "MultiUN.ar-en": ("en", "The meeting was held in Geneva.", "ar", "عقد الاجتماع في جنيف."),
        "parallel/IITB.en-hi": ("en", "She was born in Delhi.", "hi", "उनका जन्म दिल्ली में हुआ था।"),
        "OpenSubtitles.en-vi": ("en", "We live in Hanoi.", "vi", "Chúng tôi sống ở Hà Nội."),
    }
    (tmp_path / "corpora" / "parallel").mkdir(parents=True)
    for stem, (source_lang, source, target_lang, target) in sentences.items():
        for language, text in ((source_lang, source), (target_lang, target)):
            lines = "".join(f"{number} {text}\n" for number in range(20))
            (tmp_path / "corpora" / f"{stem}.{language}").write_text(lines)
    (draw,) = re.findall(r"```bash\n(random\(\).*?)```", (ROOT / "docs" / "data.md").read_text(), re.DOTALL)
    subprocess.run(["bash", "-ec", draw], cwd=tmp_path / "corpora", check=True)
    monkeypatch.chdir(tmp_path)
    for corpus, (_, source, _, target) in zip(table1(), sentences.values(), strict=True):
        check_corpus(corpus)
        rows = [(row.source, row.target) for row in CappedRows(corpus)]
        in_order = [(f"{number} {source}", f"{number} {target}") for number in range(20)]
        assert rows != in_order
        assert sorted(rows) == sorted(in_order)
