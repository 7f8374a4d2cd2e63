from midcourse.cli.show import draw_steer, shorten


def test_colours_tell_the_sides() -> None:
    drawn = draw_steer("It was built in", (" 1832", " 1833"), " 1932", tail=" and more")
    assert drawn.plain == "It was built in 1832 |  1833 1932 and more"
    said = {drawn.plain[s.start : s.end]: str(s.style) for s in drawn.spans}
    assert said[" 1832"] == said[" 1833"] == "red strike"
    assert said[" 1932"] == "bold green"


def test_without_colour_it_is_critic_markup() -> None:
    assert draw_steer("a", ("b",), "c", colour=False).plain == "a{~~b~>c~~}"
    assert draw_steer("a", (), "c", colour=False).plain == "a{++c++}"
    assert draw_steer("a", ("b",), "", colour=False).plain == "a{--b--}"
    assert draw_steer("a", ("b",), "", ended=True, colour=False).plain == "a{~~b~>⏹~~}"


def test_long_texts_are_shortened() -> None:
    assert shorten("abcdef", 3) == "…def"
    assert shorten("abcdef", 3, end=True) == "abc…"
    assert shorten("abc", 3) == "abc"
    assert draw_steer("x" * 50 + "end", ("r" * 50,), "put", length=6, colour=False).plain == "…xxxend{~~rrrrrr…~>put~~}"


def test_text_is_no_markup() -> None:
    assert draw_steer("[red]a[/red]", ("[b]",), "c").plain.startswith("[red]a[/red][b]")
