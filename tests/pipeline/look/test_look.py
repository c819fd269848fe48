from pipeline.look.look import Look, look_settings
from pipeline.settings.config import load


def test_the_settings_of_a_look_name_the_rendering_only_where_it_is_unusual(tmp_path):
    look = Look(tmp_path / "observed", None, {}, {}, tmp_path / "clips")
    usual = look_settings(look, load())
    woven = look_settings(look, load(overrides=["corpus.interlaced=weave"]))
    assert "rendering" not in usual["sample"] | usual["copies"]
    assert woven["sample"]["rendering"] == woven["copies"]["rendering"] == {"hdr": "tonemap", "interlaced": "weave"}
