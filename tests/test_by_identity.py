"""What a function makes of an object that cannot be hashed is remembered."""

from xds.by_identity import by_identity


def test_results_are_remembered_by_identity() -> None:
    """Equal objects are different ones. With too many, all are forgotten."""
    asked: list[list[int]] = []

    @by_identity(2)
    def count(one: list[int]) -> int:
        asked.append(one)
        return len(one)

    first, second, third = [1], [1], [1, 2]
    assert [count(first), count(second), count(first), count(second)] == [1, 1, 1, 1]
    assert [id(one) for one in asked] == [id(first), id(second)]
    assert [count(third), count(first)] == [2, 1]
    assert [id(one) for one in asked[2:]] == [id(third), id(first)]
