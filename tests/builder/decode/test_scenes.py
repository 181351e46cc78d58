"""Scene cuts equal PySceneDetect's; ranges, keyframes and caps hold."""

from itertools import pairwise

import av
import numpy as np
import pytest

from builder.help.media_samples import write_video
from dataset_builder.decode.content_type import MP4
from dataset_builder.decode.scenes import (
    adaptive_cuts,
    content_cuts,
    cut_frames,
    dominant_frame,
    pick_frames,
    scan,
    scene_ranges,
)
from dataset_builder.decode.videos import open_video, video_stream
from dataset_builder.sections import Scenes
from places import SHARED, needs_shared

RULES = Scenes(3.0, 20.0, 15, 10, 256)
ADS = SHARED / "data/ads"


def changes_like_a_video(seed: int, frames: int = 400) -> list[float]:
    rng = np.random.default_rng(seed)
    changes = rng.gamma(1.5, 1.0, frames)
    for at in rng.integers(1, frames, 25):
        changes[at] = rng.uniform(10, 80)
        if rng.random() < 0.3 and at + 1 < frames:
            changes[at + 1] = rng.uniform(10, 80)
    if seed % 3 == 0:
        changes[100:140] = 0.0
    changes[0] = 0.0
    return [float(c) for c in changes]


@pytest.mark.parametrize("seed", range(30))
def test_cut_rules_equal_pyscenedetect(seed):
    detectors = pytest.importorskip("scenedetect.detectors")
    timecode = pytest.importorskip("scenedetect").FrameTimecode
    changes = changes_like_a_video(seed)

    def package_cuts(detector):
        scores = iter(changes)
        detector._calculate_frame_score = lambda *_, **__: next(scores)
        found = []
        for at in range(len(changes)):
            found += detector.process_frame(timecode(at, 24.0), np.zeros((2, 2, 3), np.uint8))
        return [cut.frame_num for cut in found]

    assert adaptive_cuts(changes, 3.0, 15) == package_cuts(detectors.AdaptiveDetector())
    assert content_cuts(changes, 20.0, 15) == package_cuts(detectors.ContentDetector(20.0))


def test_frame_changes_equal_pyscenedetect(tmp_path):
    detectors = pytest.importorskip("scenedetect.detectors")
    timecode = pytest.importorskip("scenedetect").FrameTimecode
    path = write_video(tmp_path / "v.mp4", [1, 2, 3])
    with open_video(path, MP4) as container:
        mine = scan(container, video_stream(container), 3.0, RULES)
    detector = detectors.ContentDetector()
    with av.open(str(path)) as container:
        for at, frame in enumerate(container.decode(video=0)):
            detector.process_frame(timecode(at, 24.0), frame.to_ndarray(format="bgr24"))
            assert mine.changes[at] == pytest.approx(detector._frame_score, abs=0.5)


def test_a_video_of_three_pictures_has_three_scenes(tmp_path):
    path = write_video(tmp_path / "v.mp4", [1, 2, 3])
    with open_video(path, MP4) as container:
        result = scan(container, video_stream(container), 3.0, RULES)
    assert cut_frames(result.changes, RULES) == [24, 48]
    assert len(result.signature_frames) == 8


def test_a_slow_video_is_one_scene(tmp_path):
    path = write_video(tmp_path / "v.mp4", [1])
    with open_video(path, MP4) as container:
        result = scan(container, video_stream(container), 1.0, RULES)
    assert scene_ranges(cut_frames(result.changes, RULES), 24, RULES) == [(0, 24)]


def test_scenes_cover_the_video_and_stay_below_the_cap():
    cuts = list(range(20, 600, 20))
    ranges = scene_ranges(cuts, 600, RULES)
    assert len(ranges) == 10
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 600
    assert all(a[1] == b[0] for a, b in pairwise(ranges))


def test_a_cut_in_the_last_frames_is_no_scene():
    assert scene_ranges([50, 98], 100, RULES) == [(0, 50), (50, 100)]


def test_the_keyframe_is_the_stillest_of_the_middle():
    changes = [0.0] * 10 + [5.0] * 30 + [1.0] + [5.0] * 19
    assert dominant_frame(changes, 0, 60) == 40
    assert dominant_frame([3.0], 0, 1) == 0


def test_frames_come_from_their_scenes(tmp_path):
    path = write_video(tmp_path / "v.mp4", [1, 2, 3], g="250")
    with open_video(path, MP4) as container:
        stream = video_stream(container)
        found = [f.time for f in pick_frames(container, stream, [0.5, 1.5, 2.9583])]
    assert found == pytest.approx([0.5, 1.5, 2.9583], abs=0.045)


@needs_shared("data/ads")
@pytest.mark.parametrize("name", ["ZBLkTALi1CI", "YRX0RN47jts", "Lh5n4HcLvCU"])
def test_cuts_of_real_advertisements_equal_pyscenedetect(name):
    package = pytest.importorskip("scenedetect")
    path = ADS / f"{name}.mp4"
    theirs = [a.frame_num for a, _ in package.detect(str(path), package.AdaptiveDetector())][1:]
    with open_video(path, MP4) as container:
        result = scan(container, video_stream(container), 40.0, RULES)
    assert cut_frames(result.changes, RULES) == theirs
