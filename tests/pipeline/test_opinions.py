import numpy as np

from pipeline.opinions import human_scores

COUNT = 40


def mos_file_of(tmp_path, values):
    file = tmp_path / "mos.csv"
    file.write_text("video,mos\n" + "".join(f"part/v{k:02d}.mp4,{value}\n" for k, value in enumerate(values)))
    return file


def test_degraded_copies_have_no_human_score(tables, configured, tmp_path):
    quality = np.random.default_rng(1).uniform(20, 80, COUNT)
    tables.videos([{"video_id": f"v{k:02d}", "uri": f"/part/v{k:02d}.mp4", "copy": k % 2} for k in range(COUNT)])
    config = configured(f"teachers.mos={mos_file_of(tmp_path, quality)}")
    target = human_scores(config, tables.layout, [f"v{k:02d}" for k in range(COUNT)])
    assert np.isnan(target[1::2]).all()
    np.testing.assert_allclose(target[::2], quality[::2])
