"""Who else could change what lies at a path: owners, modes and links on the way."""

import grp
import os
import pwd
import stat
from types import SimpleNamespace

import pytest

from motion_shards import private
from motion_shards.private import trouble


def test_what_only_this_user_can_write_is_in_order(tmp_path):
    (tmp_path / "a").mkdir(mode=0o755)
    (tmp_path / "a/f").write_text("")
    (tmp_path / "link").symlink_to("a/../a")
    for path in ("a", "a/f", "link/f", "not/there/yet"):
        assert trouble(tmp_path / path) == ""


def test_a_folder_like_tmp_is_in_order_on_the_way_but_not_at_the_end(tmp_path):
    tmp_path.chmod(0o1777)
    (tmp_path / "f").write_text("")
    assert trouble(tmp_path / "f") == trouble(tmp_path / "to be made") == ""
    assert trouble(tmp_path) == f"others can write {tmp_path}"
    tmp_path.chmod(0o777)
    assert trouble(tmp_path / "f") == trouble(tmp_path / "g") == trouble(tmp_path)


def test_a_link_leads_the_look_to_where_it_points(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open/f").write_text("")
    (tmp_path / "link").symlink_to("open")
    assert trouble(tmp_path / "link/f") == f"others can write {tmp_path}/open"
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="more than 40 links"):
        trouble(tmp_path / "round")


def test_a_group_of_this_user_alone_is_no_other(monkeypatch):
    found = os.stat_result((stat.S_IFDIR | 0o775, 0, 0, 0, 7, 7, 0, 0, 0, 0))
    group = SimpleNamespace(gr_name="anna", gr_mem=[])
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name="anna"))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: group)
    assert not private.writable_by_others(found)
    group.gr_mem = ["anna", "ben"]
    assert private.writable_by_others(found)
    group.gr_name, group.gr_mem = "students", []
    assert private.writable_by_others(found)
