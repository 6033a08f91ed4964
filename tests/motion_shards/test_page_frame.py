"""The head of a page, and its colours in two schemes."""

import re

from motion_shards.page_frame import DARK, LIGHT, colours, head


def test_own_and_common_colours_are_in_the_scheme_that_they_are_for() -> None:
    light, dark = colours("--good: #010203;", "--good: #040506;").splitlines()
    assert dark.startswith("@media (prefers-color-scheme: dark)")
    for text, common, good in ((light, LIGHT, "#010203"), (dark, DARK, "#040506")):
        found = dict(re.findall(r"--(\w+): (#\w{6});", text))
        assert found == {**common, "good": good}
        assert text.count("{") == text.count("}")
    assert LIGHT.keys() == DARK.keys()


def test_titles_are_text() -> None:
    page = head("</title><script>", "p { margin: 0; }\n", meta="<meta name='a'>\n")
    assert "<title>&lt;/title&gt;&lt;script&gt;</title>" in page
    assert page.index("utf-8") < page.index("name='a'") < page.index("<style>")
    assert page.endswith("<style>\np { margin: 0; }\n</style>\n</head>\n<body>\n")
