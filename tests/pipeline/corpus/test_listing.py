import csv
import json
import os
from pathlib import Path
from urllib.parse import quote_from_bytes

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.media.inputs import to_path
from pipeline.console import UserError
from pipeline.corpus.listing import VIDEO_SUFFIXES, list_inputs
from pipeline.settings.config import load


@pytest.fixture
def tree(tmp_path):
    """A folder with videos at two depths, things that are no videos, and a link to a video outside of it."""
    root = tmp_path / "corpus"
    for name in ("b.mp4", "a.MKV", "notes.txt", ".hidden.mp4", "deep/c.webm", ".git/d.mp4"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"x")
    (root / "link.mp4").symlink_to(outside)
    (root / "alias.mp4").symlink_to(root / "b.mp4")
    return root


def names_of(files, root):
    return [Path(name).relative_to(root.resolve()).as_posix() for name in files]


def test_a_folder_is_listed_to_its_bottom_in_a_fixed_order(tree):
    listing = list_inputs(str(tree))
    assert names_of(listing.files, tree) == ["a.MKV", "alias.mp4", "b.mp4", "deep/c.webm"]
    assert listing.passed_over == 1, "the text file"


def test_a_link_that_leads_out_of_the_folder_is_refused_by_name(tree):
    ((uri, why),) = list_inputs(str(tree)).refused.items()
    assert uri == str(tree.resolve() / "link.mp4")
    assert "leads out of" in why


def test_a_limit_keeps_the_first_files(tree):
    assert list_inputs(str(tree), 2).files == list_inputs(str(tree)).files[:2]


def test_a_link_to_a_folder_outside_is_not_entered(tree, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret.mp4").write_bytes(b"x")
    (tree / "more").symlink_to(tmp_path / "other")
    listing = list_inputs(str(tree))
    assert not any("secret" in name for name in listing.files)
    assert "link to a folder" in listing.refused[str(tree.resolve() / "more")]


def test_a_file_uri_names_the_same_folder(tree):
    assert list_inputs(f"file://{tree}") == list_inputs(str(tree))


def test_one_file_is_a_corpus_of_its_own(tree):
    assert names_of(list_inputs(str(tree / "b.mp4")).files, tree) == ["b.mp4"]


def test_globs_follow_links_name_each_file_once_and_reach_below_with_two_stars(tree):
    assert names_of(list_inputs(f"{tree}/*.mp4").files, tree.parent) == ["corpus/b.mp4", "outside.mp4"]
    assert names_of(list_inputs(f"{tree}/**/*.webm").files, tree) == ["deep/c.webm"]


@pytest.mark.parametrize("given_path", ["{}/none", "{}/*.avi", "{}/only-text", "{}/list.csv"])
def test_nothing_there_is_a_usage_error_that_names_the_choices(tree, given_path):
    (tree / "only-text").mkdir()
    (tree / "only-text" / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"no video there.*; name a folder, a glob in quotes, or a CSV") as caught:
        list_inputs(given_path.format(tree))
    assert caught.value.exit_code == 2


def manifest(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".txt":
        path.write_text("".join(row["uri"] + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("name", ["list.csv", "list.parquet", "LIST.CSV", "list.tsv", "list.jsonl", "list.txt"])
def test_a_manifest_keeps_its_order_names_each_file_once_and_counts_from_its_own_folder(tree, name):
    absolute = str(tree / "deep" / "c.webm")
    uris = ["b.mp4", "", absolute, "deep/../a.MKV", f"file://{absolute}"]
    path = manifest(tree / name, [{"title": "t", "uri": uri} for uri in uris])
    listing = list_inputs(str(path))
    assert listing.files == [str(tree.resolve() / "b.mp4"), absolute, str(tree.resolve() / "a.MKV")]
    assert listing.passed_over == 0


@pytest.mark.parametrize("name", ["list.csv", "list.parquet", "list.tsv", "list.jsonl"])
def test_a_manifest_without_the_column_says_what_it_has(tmp_path, name):
    path = manifest(tmp_path / name, [{"file": "a.mp4", "mos": "3"}])
    with pytest.raises(UserError, match="no column uri; found file, mos"):
        list_inputs(str(path))


@pytest.mark.parametrize("name", ["list.csv", "list.parquet", "list.tsv", "list.jsonl", "list.txt"])
def test_an_empty_manifest_is_a_usage_error(tmp_path, name):
    path = manifest(tmp_path / name, [{"uri": ""}])
    with pytest.raises(UserError, match="no video there"):
        list_inputs(str(path))


def test_an_empty_csv_file_has_no_column(tmp_path):
    (tmp_path / "list.csv").touch()
    with pytest.raises(UserError, match="no column uri; found nothing"):
        list_inputs(str(tmp_path / "list.csv"))


def test_spaces_around_the_names_of_columns_and_after_commas_do_not_count(tree):
    (tree / "list.csv").write_text("id, uri\n1, b.mp4\n2, deep/c.webm \n")
    assert names_of(list_inputs(str(tree / "list.csv")).files, tree) == ["b.mp4", "deep/c.webm"]
    (tree / " first.mp4").write_bytes(b"x")
    (tree / "list.csv").write_text("id,uri\n1, first.mp4\n")
    assert names_of(list_inputs(str(tree / "list.csv")).files, tree) == [" first.mp4"], "a name may begin with a space"
    pq.write_table(pa.table({" uri": ["b.mp4"]}), tree / "list.parquet")
    assert names_of(list_inputs(str(tree / "list.parquet")).files, tree) == ["b.mp4"]


def test_a_line_of_jsonl_is_an_object_or_a_name(tree):
    path = tree / "list.jsonl"
    path.write_text('{"uri": "b.mp4", "mos": 3}\n\n"deep/c.webm"\n{"uri": null}\n')
    assert names_of(list_inputs(str(path)).files, tree) == ["b.mp4", "deep/c.webm"]
    for line, why in (
        ("{", "line 2: this is not valid JSON"),
        ('{"uri": 7}', "line 2: the uri is 7, which is no name"),
    ):
        path.write_text(f'"b.mp4"\n{line}\n')
        with pytest.raises(UserError, match=why):
            list_inputs(str(path))


def test_a_text_file_names_one_file_in_each_line(tree):
    (tree / "two words, a comma.mp4").write_bytes(b"x")
    path = tree / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfb.mp4\r\n  \r\ntwo words, a comma.mp4\r\n../outside.mp4")
    listing = list_inputs(str(path))
    assert names_of(listing.files, tree) == ["b.mp4", "two words, a comma.mp4"]
    assert ["leads out of" in why for why in listing.refused.values()] == [True]


@pytest.fixture
def mixed(tmp_path):
    """A folder with raw streams, discs, animations, pictures and other files."""
    root = tmp_path / "mixed"
    root.mkdir()
    videos, others = (
        ("a.vob", "b.h264", "c.hevc", "d.H265", "e.apng", "f.gif"),
        ("g.webp", "h.JPG", "i.png", "j.yuv", "k.wav", "l"),
    )
    for name in videos + others:
        (root / name).write_bytes(b"x")
    return root


def test_pictures_in_a_folder_are_no_corpus_of_videos_unless_they_are_asked_for(mixed):
    listing = list_inputs(str(mixed))
    assert names_of(listing.files, mixed) == ["a.vob", "b.h264", "c.hevc", "d.H265", "e.apng", "f.gif"]
    assert listing.endings == {".webp": 1, ".jpg": 1, ".png": 1, ".yuv": 1, ".wav": 1, "": 1}
    assert listing.passed_over == 6
    with_stills = list_inputs(str(mixed), stills=True)
    assert names_of(with_stills.files, mixed)[6:] == ["g.webp", "h.JPG", "i.png"]
    assert names_of(list_inputs(f"{mixed}/*.png").files, mixed) == ["i.png"], "a glob asks for them"
    text = "6 files that are no videos by their names (.jpg 1, .png 1, .wav 1, .webp 1, .yuv 1, no ending 1)"
    assert sorted(listing.passed_over_text()) == sorted(text)


def test_a_folder_of_pictures_says_how_to_train_on_them(mixed):
    for path in mixed.iterdir():
        if path.suffix.lower() in VIDEO_SUFFIXES:
            path.unlink()
    with pytest.raises(
        UserError, match=r"no video there, only 6 files .*to train on still pictures, name them with a glob"
    ):
        list_inputs(str(mixed))


HOSTILE = [
    "two words.mp4",
    "-leading dash.mp4",
    "line\nbreak.mp4",
    "quote'\".mp4",
    "%03d.mp4",
    "100%25.mp4",
    "f" * 251 + ".mp4",
    "bytes-\udcff\udcfe.mp4",
]


@pytest.fixture
def hostile(tmp_path):
    root = tmp_path / "names"
    root.mkdir()
    for name in HOSTILE:
        (root / name).write_bytes(os.fsencode(name))
    return root


def assert_same_files(uris, root):
    pa.array(uris, pa.string())
    assert sorted(Path(to_path(uri)).read_bytes() for uri in uris) == sorted(os.fsencode(name) for name in HOSTILE)
    assert {str(Path(to_path(uri)).parent) for uri in uris} == {str(root.resolve())}


def test_every_name_that_a_file_system_allows_is_listed_and_leads_back_to_its_file(hostile):
    assert_same_files(list_inputs(str(hostile)).files, hostile)
    assert_same_files(list_inputs(f"{hostile}/*.mp4").files, hostile)


def test_a_manifest_may_name_such_files_as_they_are_or_percent_encoded(hostile):
    plain = hostile / "list.csv"
    with plain.open("w", newline="", errors="surrogateescape") as file:
        csv.writer(file).writerows([["uri"], *([name] for name in HOSTILE)])
    assert_same_files(list_inputs(str(plain)).files, hostile)
    uris = ["file://" + quote_from_bytes(os.fsencode(hostile / name)) for name in HOSTILE]
    assert_same_files(
        list_inputs(str(manifest(hostile / "list.parquet", [{"uri": uri} for uri in uris]))).files, hostile
    )


def test_a_folder_whose_name_is_no_utf8_is_asked_for_in_the_form_that_can_be_written_down(tmp_path):
    root = tmp_path / "corpus-\udcff"
    root.mkdir()
    (root / "a.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match=r"file:///.*corpus-%FF") as caught:
        list_inputs(str(root))
    (uri,) = list_inputs(str(caught.value).rpartition(" ")[2]).files
    assert Path(to_path(uri)).read_bytes() == b"x"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("../outside.mp4", "leads out of"),
        ("deep/../../outside.mp4", "leads out of"),
        ("link.mp4", "leads out of"),
        ("file://../outside.mp4", "leads out of"),
        ("http://127.0.0.1:9/a.mp4", "http:// is not read"),
        ("HTTPS://host/a.mp4", "https:// is not read"),
        ("ftp://host/a.mp4", "ftp:// is not read"),
        ("rtsp://host/a", "rtsp:// is not read"),
        ("a\0b.mp4", "NUL"),
        ("s3://bucket/../other/a.mp4", "without . and .."),
        ("s3:///a.mp4", "needs a bucket"),
    ],
)
@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_a_row_that_may_not_be_read_is_refused_and_the_others_stay(tree, name, uri, why):
    listing = list_inputs(str(manifest(tree / name, [{"uri": "b.mp4"}, {"uri": uri}])))
    assert listing.files == [str(tree.resolve() / "b.mp4")]
    ((_, said),) = listing.refused.items()
    assert why in said


@pytest.mark.parametrize(
    "uri",
    ["s3://AKIA:canary@bucket/a.mp4", "s3://bucket/a.mp4?secret_key=canary", "http://me:canary@host/a?token=canary"],
)
def test_credentials_in_a_uri_are_refused_and_never_repeated(tree, uri):
    listing = list_inputs(str(manifest(tree / "list.csv", [{"uri": "b.mp4"}, {"uri": uri}])))
    assert len(listing.refused) == 1
    assert "canary" not in str(listing)
    with pytest.raises(UserError) as caught:
        list_inputs(uri)
    assert "canary" not in str(caught.value)
    with pytest.raises(UserError) as caught:
        load(videos=uri)
    assert "canary" not in str(caught.value)
    assert "credentials" in str(caught.value)


def test_rows_that_are_no_utf8_are_refused_or_read_but_always_fit_a_table(tree):
    (tree / "\udcff.mp4").write_bytes(b"odd")
    names = [b"http://host/\xff.mp4", b"s3://corpus/\xff.mp4", b"file://" + os.fsencode(tree) + b"/\xff.mp4"]
    csv_file, parquet = tree / "list.csv", tree / "list.parquet"
    csv_file.write_bytes(b"uri\n" + b"\n".join(names))
    pq.write_table(pa.table({"uri": pa.array(names, pa.binary())}), parquet)
    for path in (csv_file, parquet):
        listing = list_inputs(str(path))
        pa.array([*listing.files, *listing.refused], pa.string())
        assert [Path(to_path(uri)).read_bytes() for uri in listing.files] == [b"odd"]
        assert len(listing.refused) == 2
    pq.write_table(pa.table({"uri": pa.array(names, pa.binary()).view(pa.string())}), parquet)
    with pytest.raises(UserError, match="this is not a valid Parquet file"):
        list_inputs(str(parquet))


def test_a_name_that_is_too_long_or_not_allowed_is_one_line(tmp_path):
    with pytest.raises(UserError, match="File name too long"):
        list_inputs(str(tmp_path / ("n" * 300)))


@pytest.mark.parametrize("content", [b"PAR1 is not enough", b"uri\n" + b'"' + b"x" * 200_000])
def test_a_damaged_manifest_is_a_usage_error(tmp_path, content):
    path = tmp_path / ("list.parquet" if content.startswith(b"PAR1") else "list.csv")
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"this is not a valid {'CSV' if path.suffix == '.csv' else 'Parquet'} file"):
        list_inputs(str(path))


def test_a_changed_file_changes_the_state_of_the_listing(tree):
    before = list_inputs(str(tree)).state()
    assert list_inputs(str(tree)).state() == before
    (tree / "b.mp4").write_bytes(b"xx")
    assert list_inputs(str(tree)).state() != before
    path = manifest(tree / "list.csv", [{"uri": "a.mp4"}, {"uri": "n" * 400 + ".mp4"}])
    assert [row[1:] for row in list_inputs(str(path)).state()] == [[0, 0], [0, 0]], "absent, and too long to exist"


OBJECTS = {
    "videos/a.mp4": b"a",
    "videos/deep/two words.MKV": b"bb",
    "videos/deep/x%20y.mp4": b"c",
    "videos/notes.txt": b"d",
    "videos2/other.mp4": b"e",
}


@pytest.mark.parametrize("root", ["s3://corpus", "gs://anonymous@corpus"])
def test_a_prefix_of_a_bucket_is_listed_like_a_folder(bucket, root):
    bucket.objects = OBJECTS
    listing = list_inputs(f"{root}/videos/")
    names = ["videos/a.mp4", "videos/deep/two words.MKV", "videos/deep/x%20y.mp4"]
    assert listing.files == [f"{root}/{name}" for name in names]
    assert listing.passed_over == 1
    assert [row[1] for row in listing.state()] == [1, 2, 1]
    assert len(list_inputs(root).files) == 4
    assert list_inputs(f"{root}/videos/a.mp4").files == [f"{root}/videos/a.mp4"]
    assert len(list_inputs(root.replace("s3:", "S3:")).files) == 4
    assert list_inputs(f"{root}/videos/*.MKV").files == [f"{root}/videos/deep/two words.MKV"]
    asked = [line for line in bucket.requests if line.startswith("GET /corpus/") or "alt=media" in line]
    assert asked == [], "nothing is read"


def test_a_manifest_names_objects_beside_files_and_lies_in_a_bucket_itself(bucket, tree):
    uris = ["b.mp4", "s3://corpus/videos/a.mp4"]
    listing = list_inputs(str(manifest(tree / "list.csv", [{"uri": uri} for uri in uris])))
    assert listing.files == [str(tree.resolve() / "b.mp4"), "s3://corpus/videos/a.mp4"]
    bucket.objects = {
        "videos/list.csv": b"uri\na.mp4\ns3://corpus/videos2/other.mp4\n/elsewhere/b.mp4\nfile:///elsewhere/b.mp4\n../up.mp4\n"
    }
    listing = list_inputs("s3://corpus/videos/list.csv")
    assert listing.files == ["s3://corpus/videos/a.mp4", "s3://corpus/videos2/other.mp4"]
    assert len(listing.refused) == 3


def test_a_bucket_that_says_no_is_one_line_without_its_words(bucket):
    with pytest.raises(UserError, match="no video there"):
        list_inputs("s3://corpus/nothing")
    bucket.denied = True
    with pytest.raises(UserError, match=r"AWS Error ACCESS_DENIED during .* credentials in the environment") as caught:
        list_inputs("s3://corpus/videos")
    assert "AKIACANARY" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "file://"])
def test_an_empty_name_is_not_the_current_folder(tree, monkeypatch, name):
    monkeypatch.chdir(tree)
    with pytest.raises(UserError, match="--videos: the name is empty; name a folder"):
        list_inputs(name)


def test_a_parquet_list_with_two_columns_uri_is_no_valid_list(tree):
    table = pa.table([pa.array(["a.mp4"]), pa.array(["b.mp4"])], names=["uri", "uri"])
    pq.write_table(table, tree / "two.parquet")
    with pytest.raises(UserError, match=r"two\.parquet: this is no valid list, it has 2 columns uri"):
        list_inputs(str(tree / "two.parquet"))


@pytest.mark.parametrize("name", ["two.csv", "two.tsv"])
def test_a_list_of_text_with_two_columns_uri_is_no_valid_list(tree, name):
    lines = ["uri,title,uri", "a.mp4,first,b.mp4"]
    (tree / name).write_text("\n".join(lines).replace(",", "\t" if name.endswith("tsv") else ","))
    with pytest.raises(UserError, match=r"this is no valid list, it has 2 columns uri; leave one of them"):
        list_inputs(str(tree / name))
