"""The first line of an error."""

from motion_shards.plain_text import first_line


def test_it_is_the_type_where_there_is_no_text():
    assert first_line(ValueError("\n no room\nat all")) == "no room"
    assert first_line(ValueError(" ")) == first_line(ValueError()) == "ValueError"
