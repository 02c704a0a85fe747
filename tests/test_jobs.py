"""Which output belongs to which input."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from videostyle.errors import MediaError, UsageError
from videostyle.rendering.jobs import plan_jobs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.png", "notes.txt", "left.part.mp4", "._a.mp4"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_one_file_goes_where_it_is_told(folder: Path) -> None:
    assert plan_jobs([folder / "a.mp4"], folder / "out.mkv", "dusk") == [
        (folder / "a.mp4", folder / "out.mkv")
    ]


def test_a_folder_takes_its_pictures_and_videos_only(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    assert plan_jobs([folder], out, "dusk") == [
        (folder / "a.mp4", out / "a_dusk.mp4"),
        (folder / "b.png", out / "b_dusk.png"),
    ]


def test_folders_in_a_folder_are_left_out(folder: Path) -> None:
    (folder / "folder.mp4").mkdir()
    sources = [source for source, _ in plan_jobs([folder], folder / "out", "dusk")]
    assert sources == [folder / "a.mp4", folder / "b.png"]


def test_an_animated_picture_becomes_a_video(folder: Path) -> None:
    still, other = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "red")
    for name in ("moves.png", "slides.webp"):
        still.save(folder / name, save_all=True, append_images=[other])
    still.save(folder / "still.webp")
    jobs = plan_jobs([folder], folder / "out", "dusk")
    assert [output.name for _, output in jobs] == [
        "a_dusk.mp4",
        "b_dusk.png",
        "moves_dusk.mp4",
        "slides_dusk.mp4",
        "still_dusk.png",
    ]


def test_a_still_picture_is_told_by_what_it_is(tmp_path: Path) -> None:
    names = ("photo.jfif", "photo", "named.mp4")
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name, "JPEG")
    for name in names:
        ((_, output),) = plan_jobs([tmp_path / name], tmp_path / "out", "dusk")
        assert output.suffix == ".png"
    (tmp_path / "named.mp4").unlink()
    sources = [source for source, _ in plan_jobs([tmp_path], tmp_path / "out", "dusk")]
    assert sources == [tmp_path / "photo.jfif"]


def test_a_pattern_means_what_it_matches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "c.mp4").write_bytes(b"x")
    out = folder / "out"
    assert [source for source, _ in plan_jobs([folder / "*.mp4"], out, "dusk")] == [
        folder / "a.mp4"
    ]
    monkeypatch.chdir(folder)
    assert plan_jobs([Path("**/*.mp4")], out, "dusk") == [
        (Path("a.mp4"), out / "a_dusk.mp4"),
        (Path("deep/c.mp4"), out / "c_dusk.mp4"),
    ]
    with pytest.raises(UsageError, match="folder or a template"):
        plan_jobs([Path("*.mp4")], folder / "out.mp4", "dusk")
    (folder / "[x]*.mp4").write_bytes(b"x")
    assert plan_jobs([folder / "[x]*.mp4"], folder / "o.mp4", "dusk") == [
        (folder / "[x]*.mp4", folder / "o.mp4")
    ]


def test_a_template_names_the_outputs(folder: Path) -> None:
    inputs = [folder / "a.mp4", folder / "b.png"]
    jobs = plan_jobs(inputs, folder / "{timeline}-{stem}.mkv", "dusk")
    assert [output.name for _, output in jobs] == ["dusk-a.mkv", "dusk-b.mkv"]
    with pytest.raises(
        UsageError, match=r"\{style\} is unknown; write \{stem\}, \{timeline\} or \{f"
    ):
        plan_jobs(inputs, folder / "{stem}_{style}.mp4", "dusk")


def test_several_inputs_do_not_go_into_one_file(folder: Path) -> None:
    with pytest.raises(UsageError, match="folder or a template"):
        plan_jobs([folder / "a.mp4", folder / "b.png"], folder / "out.mp4", "dusk")


def test_outputs_never_collide(folder: Path) -> None:
    twin = folder / "twin"
    twin.mkdir()
    (twin / "a.mp4").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"both .*; rename one, or render one at a time"):
        plan_jobs([folder / "a.mp4", twin / "a.mp4"], folder / "{stem}_x.mp4", "dusk")


def test_a_template_tells_folders_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in ("monday", "friday"):
        (folder / day).mkdir()
        (folder / day / "a.mp4").write_bytes(b"x")
    monkeypatch.chdir(folder / "monday")
    inputs = [Path("a.mp4"), Path("../friday/../friday/a.mp4"), folder / "a.mp4"]
    with pytest.raises(UsageError, match=r"one at a time, or put \{folder\} into the output's"):
        plan_jobs(inputs, "out/{stem}.mp4", "dusk")
    names = ("monday", "friday", folder.name)
    jobs = plan_jobs(inputs, "out/{folder}_{stem}.mp4", "dusk")
    assert [output for _, output in jobs] == [Path("out", f"{name}_a.mp4") for name in names]
    jobs = plan_jobs(inputs, "out/{folder}.mp4", "dusk")
    assert [output for _, output in jobs] == [Path("out", f"{name}.mp4") for name in names]
    ((_, output),) = plan_jobs([folder / "f_%d.png"], "{folder}/{stem}.mp4", "dusk")
    assert output == Path(folder.name, "f.mp4")


def test_a_template_never_leads_to_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videostyle.rendering.jobs.Path.exists", lambda path: True)
    ((_, output),) = plan_jobs([Path("/a.mp4")], "{folder}/{stem}_x.mp4", "dusk")
    assert output == Path("a_x.mp4")


@pytest.mark.parametrize("names", [("A.MP4", "a.mp4"), ("\xe4.mp4", "a\u0308.mp4")])
def test_outputs_that_many_disks_take_for_one_are_refused(
    folder: Path, names: tuple[str, str]
) -> None:
    (folder / "in").mkdir()
    sources = [folder / "in" / name for name in names]
    for source in sources:
        source.write_bytes(b"x")
    with pytest.raises(UsageError, match="which many disks take for"):
        plan_jobs(sources, folder / "out", "dusk")


def test_an_input_is_never_an_output(folder: Path) -> None:
    (folder / "link.mp4").symlink_to(folder / "a.mp4")
    for output in ("a.mp4", "link.mp4"):
        with pytest.raises(UsageError, match="is also an input"):
            plan_jobs([folder / "a.mp4"], folder / output, "dusk")


def test_what_an_earlier_run_made_of_a_folder_is_no_source_of_the_next(folder: Path) -> None:
    jobs = plan_jobs([folder], f"{folder}/", "dusk")
    for _, output in jobs:
        output.write_bytes(b"painted")
    assert plan_jobs([folder], f"{folder}/", "dusk") == jobs
    assert plan_jobs([folder / "*.*4"], f"{folder}/", "dusk") == jobs[:1]
    sequence = folder / "{stem}_%03d.png"
    (folder / "a_001.png").write_bytes(b"painted")
    sources = [source.name for source, _ in plan_jobs([folder / "a*"], sequence, "dusk")]
    assert sources == ["a.mp4", "a_dusk.mp4"]
    with pytest.raises(UsageError, match="is also an input"):  # named one by one
        plan_jobs([folder / "a.mp4", folder / "a_dusk.mp4"], f"{folder}/", "dusk")
    left_out: list[Path] = []
    plan_jobs([folder], f"{folder}/", "dusk", left_out.append)
    assert left_out == [output for _, output in jobs]
    (folder / f"{folder.name}.mp4").write_bytes(b"mine")
    with pytest.raises(UsageError, match="would be written there"):
        plan_jobs([folder], folder / "{folder}.mp4", "dusk")


def test_missing_inputs_are_named(folder: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        plan_jobs([folder / "gone.mp4"], folder / "out.mp4", "dusk")
    with pytest.raises(MediaError, match="is an address; download it first"):
        plan_jobs([Path("https://example.org/a.mp4")], folder / "out.mp4", "dusk")
    for pattern in ("*.mov", "**.mp4", "a**.mp4", "?"):
        with pytest.raises(MediaError, match="no such file or folder"):
            plan_jobs([folder / "twin" / pattern], folder / "out", "dusk")
    (folder / "empty").mkdir()
    with pytest.raises(MediaError, match="no pictures or videos"):
        plan_jobs([folder / "empty"], folder / "out", "dusk")


def test_a_template_names_folders_too(folder: Path) -> None:
    inputs = [folder / "a.mp4", folder / "b.png"]
    jobs = plan_jobs(inputs, folder / "{stem}" / "{timeline}.mkv", "dusk")
    assert [output for _, output in jobs] == [folder / "a/dusk.mkv", folder / "b/dusk.mkv"]


def test_an_output_without_an_ending_is_a_folder(folder: Path) -> None:
    jobs = plan_jobs([folder / "a.mp4"], folder / "new", "dusk")
    assert jobs == [(folder / "a.mp4", folder / "new" / "a_dusk.mp4")]


def test_a_slash_makes_a_folder_of_a_name_with_a_dot(folder: Path) -> None:
    jobs = plan_jobs([folder / "a.mp4"], f"{folder}/v1.5/", "dusk")
    assert jobs == [(folder / "a.mp4", folder / "v1.5" / "a_dusk.mp4")]


def test_on_windows_a_backslash_makes_a_folder_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videostyle.rendering.jobs._SEPARATORS", ("\\", "/"))
    ((_, output),) = plan_jobs([folder / "a.mp4"], "results.v2\\", "dusk")
    assert output.name == "a_dusk.mp4"


def test_a_name_with_braces_is_left_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "{timeline}.mp4"
    source.write_bytes(b"x")
    ((_, output),) = plan_jobs([source], tmp_path / "out", "dusk")
    assert output.name == "{timeline}_dusk.mp4"


def test_a_file_given_twice_is_named_once(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.mp4: given twice"):
        plan_jobs([folder / "a.mp4"] * 2, folder / "out", "dusk")
