"""yt-dlp and U2-Net run for real, on what a machine without network can offer.

yt-dlp's own generic extractor downloads from a server of this machine; an ONNX model made here has
U2-Net's inputs and outputs, with a foreground that is known: everything red.
"""

import http.server
import threading
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from builder.help.media_samples import post, write_text, write_video
from dataset_builder.annotate.colors import SIDE, Colors, describe, u2net_mask
from dataset_builder.fetch.safe_http import FetchError
from dataset_builder.fetch.store import Wanted
from dataset_builder.fetch.youtube_download import download_youtube, run_downloader
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / "site", f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_yt_dlp_downloads_a_clip(site, tmp_path):
    pytest.importorskip("yt_dlp", reason="extra `youtube` is missing")
    folder, address = site
    clip = write_video(folder / "clip.mp4", [1, 2], sound=True)
    out = tmp_path / "store" / "clip.partial"
    out.parent.mkdir()
    run_downloader(f"{address}/clip.mp4", out, 1 << 20, 60)
    assert out.read_bytes() == clip.read_bytes()
    assert [path.name for path in out.parent.iterdir()] == ["clip.partial"]


def test_yt_dlp_says_why_there_is_no_clip(site, tmp_path):
    pytest.importorskip("yt_dlp", reason="extra `youtube` is missing")
    folder, address = site
    write_video(folder / "clip.mp4", [1, 2])
    out = tmp_path / "clip.partial"
    for path, most, seconds, reason in (
        ("gone.mp4", 1 << 20, 60, "unavailable"),
        ("clip.mp4", 100, 60, "too_large"),
        ("clip.mp4", 1 << 20, 0.05, "too_slow"),
    ):
        with pytest.raises(FetchError) as caught:
            run_downloader(f"{address}/{path}", out, most, seconds)
        assert caught.value.reason == reason, caught.value
        assert not out.exists()


def test_only_an_id_reaches_yt_dlp(tmp_path):
    pytest.importorskip("yt_dlp", reason="extra `youtube` is missing")
    for url in ("https://youtu.be/--exec=rm", "https://www.youtube.com/watch?v=a%20b;c"):
        with pytest.raises(FetchError) as caught:
            download_youtube(Wanted("youtube-x", url), tmp_path / "x.partial", 1 << 20, 20)
        assert caught.value.reason == "forbidden_url"


def red_finder(path):
    """An ONNX file with U2-Net's signature: (1, 3, 320, 320) -> seven maps (1, 1, 320, 320)."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    weight = helper.make_tensor("weight", real, (1, 3, 1, 1), [4.0, -2.0, -2.0])
    nodes = [helper.make_node("Conv", ["input.1", "weight"], ["raw"], kernel_shape=[1, 1])]
    nodes += [helper.make_node("Sigmoid", ["raw"], [f"d{at}"]) for at in range(7)]
    inputs = [helper.make_tensor_value_info("input.1", real, (1, 3, 320, 320))]
    outputs = [helper.make_tensor_value_info(f"d{at}", real, (1, 1, 320, 320)) for at in range(7)]
    graph = helper.make_graph(nodes, "u2net", inputs, outputs, [weight])
    opset = helper.make_opsetid("", 13)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
    return path


def red_square(size=(400, 300)):
    """A red square on the left of a light blue picture, far from the centre."""
    image = Image.new("RGB", size, (173, 216, 230))
    ImageDraw.Draw(image).rectangle((20, 60, 139, 239), fill=(200, 10, 20))
    return image


def test_the_mask_is_what_the_model_sees(tmp_path):
    mask = u2net_mask(red_finder(tmp_path / "u2net.onnx"))
    found = mask(red_square())
    assert found.shape == (SIDE, SIDE)
    expected = np.zeros((SIDE, SIDE), bool)
    expected[60 * SIDE // 300 : 240 * SIDE // 300, 20 * SIDE // 400 : 140 * SIDE // 400] = True
    assert (found != expected).mean() < 0.02
    colors = describe(red_square(), mask)
    assert "Red" in colors["foreground"][0]
    assert not any("Red" in name for name in colors["background"])


def test_a_build_takes_the_model_and_names_its_weights(tmp_path):
    model = red_finder(tmp_path / "u2net.onnx")
    media = tmp_path / "media"
    media.mkdir()
    red_square().save(media / "one.png")
    write_text(tmp_path, [post("reddit-one", "image")], {"reddit-one": ["first one", "second"]})
    settings = load_settings("seed", ["annotate.tags=null", f"annotate.colors={model}"])
    media_stage(tmp_path, media, settings, [], 1)
    (row,) = pq.read_table(tmp_path / "release" / "metadata").to_pylist()
    assert "Red" in row["scenes"][0]["foreground_colors"][0]
    assert any(
        "U2-Net" in annotator["name"] and Colors.title(str(model)) == annotator["name"]
        for annotator in row["annotators"]
    )
    other = model.with_name("other.onnx")
    other.write_bytes(model.read_bytes() + b"\0")
    assert Colors.title(str(other)) != Colors.title(str(model))
