import pytest


def test_the_list_says_licence_source_and_place_of_each(call, tmp_path):
    output = call("weights", "list", "--weights", tmp_path)
    assert output.code == 0, output.err
    assert "S-Lab 1.0 (NON-COMMERCIAL)" in output.out
    assert f"looked for at {tmp_path}/DOVER.pth" in output.out
    assert "not published" in output.out, "a digest that nobody publishes is not made up"
    rows = {row["name"]: row for row in call("weights", "list", "--json", "--weights", tmp_path).json()}
    assert rows["dover"]["size"] is None
    assert not rows["dover"]["there"]


def test_non_commercial_weights_need_a_word(call, tmp_path):
    output = call("weights", "fetch", "fastvqa", "dover", "--weights", tmp_path / "w")
    assert output.code == 2
    assert "NON-COMMERCIAL" in output.err
    assert "--accept-licence" in output.err
    assert not (tmp_path / "w").exists(), "nothing is fetched, not even the others"


def test_what_needs_a_browser_says_so(call, tmp_path):
    output = call("weights", "fetch", "minimalistic_ix", "--weights", tmp_path)
    assert output.code == 2
    assert "by hand: https://drive.google.com/" in output.err


def test_a_check_fails_where_something_is_missing(call, tmp_path):
    output = call("weights", "check", "fastvqa", "--weights", tmp_path)
    assert output.code == 1
    assert "missing" in output.out
    (tmp_path / "FAST_VQA_B_1_4.pth").write_bytes(b"x")
    tree = call("weights", "check", "fastvqa", "--weights", tmp_path, "--json").json()
    assert tree[0]["ok"]


@pytest.mark.parametrize(
    ("words", "message"),
    [(["fetch"], "name what to fetch"), (["fetch", "none"], "known:"), (["throw"], "invalid choice")],
)
def test_wrong_usage_is_told(call, words, message):
    output = call("weights", *words)
    assert output.code == 2
    assert message in output.err
