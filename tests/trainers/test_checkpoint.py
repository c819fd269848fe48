from trainers.checkpoint import checkpoint_name, checkpoint_names, newest_intact


def test_a_name_that_is_taken_is_never_given_again_and_names_sort_by_step():
    names = [checkpoint_name(10)]
    for _ in range(3):
        names.append(checkpoint_name(20, names))
    names.append(checkpoint_name(30, names))
    assert len(set(names)) == 5
    assert names == sorted(names)
    assert names[1] == "step-000000020"


def test_no_intact_checkpoint_is_no_start(tmp_path):
    for step in (10, 20):
        (tmp_path / checkpoint_name(step)).mkdir()
    assert checkpoint_names(tmp_path) == {"step-000000010", "step-000000020"}
    with newest_intact(tmp_path / checkpoint_name(20), workers=1) as found:
        assert found is None
