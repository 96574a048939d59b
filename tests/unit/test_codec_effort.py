"""codec.effort: what is spent is gone, for a message and all that is in it."""

from qscanner.codec.effort import Effort


def test_contents_are_bounded_in_number_and_octets() -> None:
    """Either bound ends it."""
    many = Effort(contents=2)
    assert [many.may_hand_on(1) for _ in range(3)] == [True, True, False]
    large = Effort(octets=10)
    assert [large.may_hand_on(6) for _ in range(2)] == [True, False]


def test_a_close_look_is_dearer() -> None:
    """It is counted four times."""
    effort = Effort(looks=100)
    assert effort.may_look(25, is_close=True)
    assert not effort.may_look(1, is_close=False)


def test_lines_and_paddings_are_dear() -> None:
    """Of a text of many short lines less is read again than of one of the same size."""
    text = b"QQ==\n" * 100_000
    assert Effort().may_read(b"A" * len(text))
    assert not Effort().may_read(text)


def test_larger_messages_may_have_more() -> None:
    """So that the time of a look at all of it is there."""
    assert Effort.of(1000).looks > Effort.of(0).looks
    assert Effort.of(1000).octets > Effort.of(0).octets


def test_nothing_is_new_twice() -> None:
    """But under another name it is."""
    effort = Effort()
    assert [effort.note(b"a"), effort.note(b"a"), effort.note(b"a", "b.exe")] == [
        True,
        False,
        True,
    ]
