"""A checkpoint counts when it is whole."""

from pathlib import Path

from midcourse.train.checkpoint import BESIDE, beside, commit, complete, newest_complete, prune


def made(root: Path, step: int) -> Path:
    written = root / ".writing" / f"checkpoint-{step}"
    written.mkdir(parents=True)
    (written / "weights").write_bytes(bytes([step]) * 1000)
    commit(written, root / f"checkpoint-{step}")
    return root / f"checkpoint-{step}"


def test_the_newest_complete_one_is_taken(tmp_path: Path):
    first, second = made(tmp_path, 3), made(tmp_path, 12)
    assert newest_complete(tmp_path) == second
    (second / "weights").write_bytes(b"cut short")
    assert not complete(second)
    assert newest_complete(tmp_path) == first
    (tmp_path / "checkpoint-99").mkdir()
    assert newest_complete(tmp_path) == first


def test_old_ones_go_but_the_best_stays(tmp_path: Path):
    best = made(tmp_path, 1)
    for step in (2, 3, 4):
        made(tmp_path, step)
    prune(tmp_path, 2, str(best))
    assert sorted(p.name for p in tmp_path.glob("checkpoint-*")) == ["checkpoint-1", "checkpoint-3", "checkpoint-4"]


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "mine").write_text("mine")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / BESIDE).symlink_to(victim)
    with beside(tmp_path / "runs") as folder:
        (folder / "a").write_text("a")
        assert not folder.is_symlink()
    assert [p.name for p in victim.iterdir()] == ["mine"]
