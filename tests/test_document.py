"""The configuration document: what belongs to a value stands with it."""

from state import document


def test_a_reason_stands_above_its_value_whatever_is_named_first() -> None:
    """A script's own settings have no section, or one in another, and come in the order of its arguments."""
    values = {"training.seed": 1, "lr": 0.5, "data.crop.size": 2, "data.path": "x", "batch": 8}
    reasons = {"training.seed": "chance", "lr": "of the rate", "data.path": "of the path", "batch": "one\ntwo"}
    composed = document.compose(values, reasons, "Trial").as_string()
    assert [line for line in composed.splitlines() if line] == [
        "# Trial",
        "# of the rate",
        "lr = 0.5",
        "# one",
        "# two",
        "batch = 8",
        "[training]",
        "# chance",
        "seed = 1",
        "[data]",
        "# of the path",
        'path = "x"',
        "[data.crop]",
        "size = 2",
    ]
    assert document.values(document.parse(composed)) == values
