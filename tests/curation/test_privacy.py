"""Private strings are found with their reason; look-alikes pass."""

import random

import pytest

from curation import privacy
from curation.privacy import find_private, keys, mask, passes_luhn, quarantine_reason
from tests.curation.privacy_corpus.measure import read

PRIVATE = [
    ("python send mail to anna.meier@example.org", privacy.EMAIL),
    ("smtplib login j_doe+work@mail.company.co.uk failed python", privacy.EMAIL),
    ("python twilio send sms to +49 170 1234567", privacy.PHONE),
    ("python call (415) 555-2671 with twilio", privacy.PHONE),
    ("415-555-2671 python regex", privacy.PHONE),
    ("my phone number is 5552671 python validate", privacy.PHONE),
    ("whatsapp 0171 2345678 python bot", privacy.PHONE),
    ("+442079460958 python phonenumbers", privacy.PHONE),
    ("validate 4111 1111 1111 1111 python", privacy.CARD),
    ("python stripe charge 5500005555555559", privacy.CARD),
    ("amex 378282246310005 python check", privacy.CARD),
    ("python parse DE89 3704 0044 0532 0130 00", privacy.IBAN),
    ("python check gb82west12345698765432", privacy.IBAN),
    ("python ping 84.23.119.7 timeout", privacy.IP),
    ("ssh 192.168.17.44 paramiko python", privacy.IP),
    ("python socket connect 2001:db8:85a3::8a2e:370:7334", privacy.IP),
    ("python wake on lan 3c:22:fb:9a:10:7e", privacy.MAC),
    ("boto3 AKIAIOSFODNN7EXAMPLE python", privacy.SECRET),
    ("python github ghp_16C7e42F292c6912E7710c838347Ae178B4a", privacy.SECRET),
    ("python requests bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", privacy.SECRET),
    ("openai sk-proj-abcdefghijklmnopqrstuvwx123 python", privacy.SECRET),
    ("python mysql connect password=Hunter2024", privacy.SECRET),
    ("python decrypt 9f86d081884c7d659a2feaa0c55ad015", privacy.SECRET),
    ("python decode xK9vQ2mT7pL4zR8wN3bY6cA1", privacy.SECRET),
    ("order 8400127731955 python", privacy.LONG_NUMBER),
    ("python format customer 731904455", privacy.LONG_NUMBER),
    ("python convert 4929 1234 5678 9010 to string", privacy.LONG_NUMBER),
    ("python ssn 078-05-1120 check", privacy.NATIONAL_ID),
    ("open /home/hmueller/notes.txt python", privacy.USER_PATH),
    ("python read c:\\users\\hmueller\\desktop\\data.csv", privacy.USER_PATH),
    ("python open '/Users/ada/Desktop/a.csv'", privacy.USER_PATH),
    ("python sqlalchemy postgresql://ada:s3cr3tpw@db.host/shop", privacy.URL_LOGIN),
    ("python get https://host.org/x?access_token=a8f3k29dk3l20dk3", privacy.URL_LOGIN),
]

LOOK_ALIKES = [
    "python get ip address of host",
    "python http server on 127.0.0.1",
    "bind 0.0.0.0 port 8000 python flask",
    "python subnet mask 255.255.255.0",
    "python ping 8.8.8.8",
    "pip install tensorflow==2.15.0.1",
    "python version 3.11.4.2 download",
    "chromedriver 114.0.5735.90 python",
    "python 3.10.12 install",
    "check isbn 978-3-16-148410-0 in python",
    "validate 9783161484100 python",
    "isbn 0306406152 check digit python",
    "python color #ff00aa to rgb",
    "convert hex 0xdeadbeef to int python",
    "convert timestamp 1609459200 to datetime python",
    "python unix time 1609459200000 ms to date",
    "python sleep 1000000000 nanoseconds",
    "python max int 9223372036854775807",
    "python 2147483647 overflow",
    "binary 1010101010101 to decimal python",
    "python 1234567890 to words",
    "round 3.14159265358979 python",
    "python parse date 2021-03-04 12:30:45",
    "20210304123045 to datetime python",
    "python a[1:10:2] slice",
    "python reverse list [::-1]",
    "c++ std::vector python binding",
    "python time format 12:30:45",
    "python @property decorator",
    "matrix multiplication a@b.T python",
    "git clone git@github.com in python",
    "python get password from user input",
    "python token = word_tokenize(text)",
    "python check password strength",
    "python generate api key flask",
    "python md5 of file d41d8cd98f00b204e9800998ecf8427e",
    "python uuid 123e4567-e89b-12d3-a456-426614174000 to int",
    "sklearn.feature_extraction.text.TfidfVectorizer python",
    "python test_get_user_by_id_returns_404_not_found",
    "python list files in /home/user/data",
    "flask route /users/profile python",
    "python open c:\\users\\public\\file.txt",
    "postgresql://user:password@localhost/db python",
    "https://docs.python.org/3/library/functions.html",
    "python range 100 200 300 list",
    "python 100-200 regex",
    "python plot years 2018 2019 2020 2021",
    "numpy reshape 1000 2000 3000",
    "python sum of 12 + 34 + 5678",
    "django rest framework url /api/users/list",
    "internationalization_of_applications python",
    "python phone number validation regex",
    "python email regex",
    "python random number between 1 and 999999999",
    "python mac address 00:00:00:00:00:00",
]


@pytest.mark.parametrize(("text", "reason"), PRIVATE)
def test_a_private_string_is_found_with_its_reason(text, reason):
    assert quarantine_reason(text) == reason


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_a_look_alike_passes(text):
    assert find_private(text) == []


@pytest.mark.parametrize(("text", "reason"), PRIVATE)
def test_lower_case_logs_are_protected_too(text, reason):
    if reason is not privacy.SECRET:  # a random token loses its shape with its case only in part
        assert quarantine_reason(text.lower()) == reason
    else:
        assert quarantine_reason(text.lower())


def test_masking_names_the_reason_and_keeps_the_rest():
    assert mask("python mail anna@example.org now") == "python mail [e-mail] now"
    assert mask("python sort list") == "python sort list"


def test_masking_leaves_nothing_to_find():
    for text, _ in PRIVATE:
        assert quarantine_reason(mask(text)) == "", text


def test_luhn_accepts_the_standard_example_and_refuses_a_swapped_digit():
    assert passes_luhn("79927398713")
    assert not passes_luhn("79927398731")


@pytest.mark.timeout(60)
def test_hostile_text_does_not_hide_what_stands_behind_it():
    rng = random.Random(0)
    for alphabet in ("1 ", "a@", "1.", "+1-", "/home/", "eyJ.", "a:", "://?key=", "password "):
        text = "".join(rng.choice(alphabet) for _ in range(1000))
        for hostile in (text, alphabet * (1000 // len(alphabet))):
            assert find_private(f"{hostile} mail me at ada.lovelace@example.org")


BEGINNINGS = [
    "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sk-", "sk-proj-", "sk_live_",
    "rk_test_", "xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "AIza", "hf_", "pypi-", "npm_", "dop_v1_",
    "SG.a1b2c3d4e5f6a7b8.",
    "eyJa1b2c3d4.", "123456789:AA", "-----BEGIN RSA PRIVATE KEY-----",
]  # fmt: skip


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_looking_for_beginnings_first_loses_no_key(beginning):
    rest = {"AKIA": "A1B2" * 4, "ASIA": "A1B2" * 4}.get(beginning, "a1b2c3d4e5" * 4)
    text = f"python read {beginning}{rest} now"
    plain = [hit.span() for hit in keys._KEY_SHAPES.finditer(text)]
    assert [(found.start, found.end) for found in keys.key_shapes(text)] == plain
    assert len(plain) == 1


def test_a_column_of_the_corpus_has_the_same_keys_both_ways():
    for _, text in read("tuned"):
        plain = [hit.span() for hit in keys._KEY_SHAPES.finditer(text)]
        assert [(found.start, found.end) for found in keys.key_shapes(text)] == plain
