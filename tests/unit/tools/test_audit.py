"""What the image is built from."""

import pytest
from tools.audit import IMAGE, closure, is_permitted, offline_faults, pin_faults, pins

TEXT = """# made by make requirements
aiohttp==3.14.5 \\
    --hash=sha256:01 \\
    --hash=sha256:02
typing_extensions==4.16.0 ; python_full_version < '3.13' \\
    --hash=sha256:03
bare==1.0
"""


def test_pins_are_read_with_their_hashes() -> None:
    assert pins(TEXT) == {"aiohttp": ("3.14.5", 2), "typing-extensions": ("4.16.0", 1), "bare": ("1.0", 0)}


def test_a_pin_without_a_hash_or_of_another_version_is_a_fault() -> None:
    constraints = {"aiohttp": "3.14.4", "typing-extensions": "4.16.0", "bare": "1.0"}
    assert list(pin_faults("image.txt", pins(TEXT), constraints)) == [
        "image.txt: aiohttp is 3.14.5, and constraints.txt says 3.14.4: make requirements",
        "image.txt: bare has no hash: make requirements",
    ]


def test_the_requirements_of_this_version_are_right() -> None:
    assert offline_faults() == []


def test_a_requirement_that_is_missing_or_has_a_foreign_licence_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = IMAGE.read_text(encoding="utf-8").replace("\nkopf==", "\nother==", 1)
    monkeypatch.setattr("tools.audit.pins", lambda _text: pins(kept))
    monkeypatch.setattr("tools.audit.LICENCES", ("gpl",))
    faults = offline_faults()
    assert "image.txt lacks kopf, which is needed on Python 3.11: make requirements" in faults
    assert any("kopf has the licence" in fault for fault in faults)


def test_what_a_package_needs_goes_all_the_way() -> None:
    assert {"kopf", "aiohttp", "multidict", "cffi"} <= closure("thing-operator", 13)
    assert "pytest" not in closure("thing-operator", 13)


@pytest.mark.parametrize(
    ("licence", "permitted"),
    [
        ("Apache-2.0", True),
        ("MIT OR GPL-3.0", True),
        ("License :: OSI Approved :: BSD License", True),
        ("MPL-2.0 AND MIT", True),
        ("MIT AND GPL-3.0", False),
        ("GPL-3.0-only", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_licences(*, licence: str, permitted: bool) -> None:
    assert is_permitted(licence) is permitted
