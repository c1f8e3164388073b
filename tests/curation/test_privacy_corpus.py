"""The corpus of private strings and look-alikes, its measure, and the columns against single texts."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import privacy
from curation.privacy import KINDS, find_private, quarantine_reason, quarantine_reasons
from tests.curation.privacy_corpus.build import FRAMES, private
from tests.curation.privacy_corpus.measure import HALVES, figures, misses, read, table


@pytest.mark.parametrize("half", HALVES)
def test_the_corpus_is_large_and_covers_every_reason(half):
    rows = read(half)
    by_reason = {reason: sum(one == reason for one, _ in rows) for reason in privacy.REASONS}
    assert min(by_reason.values()) >= 16
    assert sum(by_reason.values()) >= 150
    assert sum(not reason for reason, _ in rows) >= 150
    assert len({text for _, text in rows}) == len(rows)


def test_the_files_are_what_the_generator_makes():
    for half in FRAMES:
        assert [row for row in read(half) if row[0]] == private(half)


@pytest.mark.parametrize(("half", "any_precision"), [("tuned", 0.99), ("held_out", 0.98)])
def test_nothing_private_passes_and_few_look_alikes_are_held_back(half, any_precision):
    found = figures(half)
    assert found["any"]["recall"] == 1.0, misses(half)
    assert found["any"]["precision"] >= any_precision
    assert min(row["recall"] for row in found.values()) >= 0.95
    assert min(row["precision"] for row in found.values()) >= 0.85


def test_the_table_names_every_reason():
    lines = table().splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == [*privacy.REASONS, "any"]


def test_a_column_is_judged_as_its_texts_are_one_by_one():
    texts = [text for half in HALVES for _, text in read(half)] + ["", " ", "\x00", "a\x00b@example.org", "\ud800 7"]
    random.Random(0).shuffle(texts)
    for kind in KINDS:
        assert quarantine_reasons(texts, kind) == [quarantine_reason(text, kind) for text in texts]
    assert quarantine_reasons([]) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet="a1@.:/\\-+ =#é\x00", max_size=40), max_size=8))
def test_a_column_of_anything_is_judged_as_its_texts(texts):
    assert quarantine_reasons(texts) == [quarantine_reason(text) for text in texts]


def test_nothing_that_the_detectors_find_is_lost_in_the_prefilter():
    """Every private string of the corpus, alone and without its sentence, in both cases of letters."""
    for half in FRAMES:
        for reason, text in private(half):
            for one in (text, text.upper(), text.lower()):
                findings = [
                    finding for detector, _ in privacy.search._DETECTORS_OF[privacy.QUERY] for finding in detector(one)
                ]
                assert bool(findings) == bool(quarantine_reason(one)), (reason, one)


# --- kinds of text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    return 9223372036854775808 + 4929123456789",
        "DIGEST = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
        'def send():\n    """Mail to user@example.com or list@python-dev.example."""',
        "HOST = '192.168.0.17'  # in the lab",
        "connect('postgresql://scott:tiger@localhost/test')",
        "CARD = 4111111111111111",
        "open('/home/alice/data.csv')",
        "NUMBERS = [0123456789, 4155552671]",
        "key = 'AKIAIOSFODNN7EXAMPLE'",
    ],
)
def test_constants_and_examples_in_code_pass(code):
    assert privacy.code_reason(code) == ""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("# written by grete.weber@uni-somewhere.se\ndef f(): pass", privacy.EMAIL),
        ("TOKEN = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a'", privacy.SECRET),
        ("open('/home/gweber/secret/data.csv')", privacy.USER_PATH),
        ("connect('postgresql://gweber:s3cr3tpw@db.firm.se/shop')", privacy.URL_LOGIN),
        ("account = 'DE89 3704 0044 0532 0130 00'", privacy.IBAN),
    ],
)
def test_what_names_somebody_or_opens_something_is_held_back_in_code(code, reason):
    assert privacy.code_reason(code) == reason


def test_a_docstring_is_looked_at_for_phone_numbers_and_code_is_not():
    text = "Call +49 30 23125 123 for help."
    assert privacy.code_reason("n = '+49 30 23125 123'") == ""
    assert privacy.code_reason("def f(): ...", text) == privacy.PHONE


def test_paths_hide_people_and_keep_the_rest():
    assert privacy.mask("src/home/gweber/tools.py", privacy.PATH) == "src/home/gweber/tools.py"
    assert privacy.mask("/home/gweber/tools.py", privacy.PATH) == "[user path]/tools.py"
    assert privacy.mask("mail/grete.weber@firm.se/notes.py", privacy.PATH) == "mail/[e-mail]/notes.py"
    assert (
        privacy.mask("build/20231105142209/1234567890123.py", privacy.PATH) == "build/20231105142209/1234567890123.py"
    )


@pytest.mark.parametrize(
    "text",
    [
        "steuer-id 86095742719 python",
        "python aadhaar 2341 2341 2346",
        "python bsn 111222333",
        "python nhs number 943 476 5919",
        "python 1-1-1 pesel 44051401359",
        "python tc kimlik 17291716060",
        "python check 756.9217.0769.85",
        "curp BOXW310820HNERXN09 python",
    ],
)
def test_national_ids_of_more_countries(text):
    assert quarantine_reason(text) == privacy.NATIONAL_ID


def test_the_place_of_a_finding_is_what_is_private():
    text = "python IBAN DE89 3704 0044 0532 0130 00 with spaces"
    (finding,) = find_private(text)
    assert text[finding.start : finding.end] == "DE89 3704 0044 0532 0130 00"
