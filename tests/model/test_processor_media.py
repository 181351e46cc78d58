"""Pictures and videos of every source and kind, and errors that name the row."""

import base64
import io
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from model.conversations import IMAGE, VIDEO, error, picture, run, user, video_bytes
from model.fixtures import code


def test_images_come_from_every_source(processor: Any, tmp_path: Path) -> None:
    image = picture(3)
    image.save(tmp_path / "a.png")
    array = np.asarray(image)
    data = (tmp_path / "a.png").read_bytes()
    sources = [
        {"image": image},
        {"image": tmp_path / "a.png"},
        {"path": str(tmp_path / "a.png")},
        {"image": data},
        {"image": io.BytesIO(data)},
        {"image": {"bytes": data, "path": None}},
        {"image": {"bytes": None, "path": str(tmp_path / "a.png")}},
        {"base64": base64.b64encode(data).decode()},
        {"image": array},
        {"image": torch.from_numpy(array.copy()).permute(2, 0, 1)},
    ]
    expected = run(processor, [user("x", {**IMAGE, "image": image})])["pixel_values"]
    for source in sources:
        assert torch.equal(
            run(processor, [user("x", {**IMAGE, **source})])["pixel_values"], expected
        )
    listed = run(processor, [user("x", IMAGE)], images=[image])
    assert torch.equal(listed["pixel_values"], expected)
    modes = [image.convert(mode) for mode in ("L", "RGBA", "P", "CMYK")]
    for other in modes:
        assert run(processor, [user(IMAGE)], images=[other])["pixel_values"].shape == expected.shape


def test_pictures_are_squared_with_the_mean_colour_and_videos_never(processor: Any) -> None:
    wide = Image.new("RGB", (120, 60), (255, 0, 0))
    padded = run(processor, [user(IMAGE)], images=[wide])["pixel_values"][0]
    assert padded[:, 2, 28].abs().max() < 0.03  # the mean colour is zero after normalisation
    assert padded[0, 28, 28] > 1
    frames = run(processor, [user({**VIDEO, "video": [wide, wide]})])["pixel_values_videos"]
    assert frames[0, 0].min() > 1
    processor.image_aspect_ratio = "square"
    cropped = run(processor, [user(IMAGE)], images=[wide])["pixel_values"][0]
    assert torch.equal(cropped, frames[0])


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_videos_are_sampled_at_the_asked_rate(
    processor: Any, container: str, tmp_path: Path
) -> None:
    data = video_bytes(20, fps=4, container=container)
    (tmp_path / "v").write_bytes(data)
    batch = run(processor, [user({**VIDEO, "video": data})])
    assert batch["video_num_frames"].tolist() == [5]  # frames 0, 4, 8, 12, 16
    first = batch["pixel_values_videos"][:, 0, 28, 28] * 0.26862954 + 0.48145466
    assert torch.allclose(first, torch.tensor([0, 40, 80, 120, 160]) / 255, atol=0.03)
    count = int((batch["input_ids"] == processor.video_token_id).sum())
    assert count == 5 * processor.tokens_per_frame
    for source in (tmp_path / "v", str(tmp_path / "v"), {"bytes": data}, io.BytesIO(data)):
        again = run(processor, [user({**VIDEO, "video": source})])
        assert torch.equal(again["pixel_values_videos"], batch["pixel_values_videos"])
    halved = run(processor, [user({**VIDEO, "video": data})], video_fps=2)
    assert halved["video_num_frames"].tolist() == [8]  # ten sampled, thinned to the cap of eight
    assert run(processor, [user({**VIDEO, "video": data})], fps=0.5)["video_num_frames"] == 3
    assert run(processor, [user({**VIDEO, "video": data})], max_frames=2)["video_num_frames"] == 2


@pytest.mark.parametrize(
    ("average", "asked", "step"),
    [(25, 1, 25), (12.5, 1, 12), (13.5, 1, 14), (29.97, 1, 30), (25, 2, 12), (27, 2, 14),
     (0.4, 1, 1), (0.5, 1, 1), (1.5, 1, 2), (30, 0.5, 60), (23.976, 1, 24)],
)  # fmt: skip
def test_the_frame_step_rounds_half_to_even_and_is_never_zero(
    average: float, asked: float, step: int
) -> None:
    assert code("media_llava_vid.frame_step")(average, asked) == step
    indices = code("media_llava_vid.sample_frame_indices")(100, average, asked)
    assert indices == list(range(0, 100, step))


def test_the_cap_thins_uniformly() -> None:
    sample = code("media_llava_vid.sample_frame_indices")
    assert sample(100, 10, 1, 5) == [0, 20, 40, 60, 80]
    assert sample(30, 10, 1, 5) == [0, 10, 20]
    assert sample(70, 10, 1, 3) == [0, 20, 40]
    with pytest.raises(ValueError, match="0 frames"):
        sample(0, 10, 1)


def test_frames_arrays_and_features_are_videos_too(processor: Any) -> None:
    array = np.random.default_rng(0).integers(0, 255, (3, 40, 50, 3), dtype=np.uint8)
    whole = run(processor, [user(VIDEO)], videos=[array])
    listed = run(processor, [user({**VIDEO, "video": [Image.fromarray(f) for f in array]})])
    assert torch.equal(whole["pixel_values_videos"], listed["pixel_values_videos"])
    features = np.random.default_rng(0).standard_normal((6, 16, 64)).astype(np.float16)
    batch = run(processor, [user({**VIDEO, "features": features})])
    assert batch["video_features"].shape == (6, 16, 64)
    assert int((batch["input_ids"] == processor.video_token_id).sum()) == 12
    with_cls = np.concatenate([features[:, :1], features], 1)
    dropped = run(processor, [user({**VIDEO, "video": with_cls})])
    assert torch.equal(dropped["video_features"], batch["video_features"])


def test_the_same_media_is_loaded_once_per_batch(processor: Any, tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    chats = [[user(f"Question {i}", {**IMAGE, "image": path})] for i in range(3)]
    batch = run(processor, chats)
    assert batch["pixel_values"].shape[0] == 1
    assert batch["image_slots"].tolist() == [[0, 0, 0], [1, 0, 1], [2, 0, 2]]


def test_urls_are_read_only_when_asked(processor: Any, tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/a.png"
        chat = [user({"type": "image_url", "image_url": {"url": url}})]
        with pytest.raises(ValueError, match="allow_urls=True"):
            run(processor, chat)
        fetched = run(processor, chat, allow_urls=True)["pixel_values"]
    finally:
        server.shutdown()
        server.server_close()
    local = run(processor, [user({**IMAGE, "image": tmp_path / "a.png"})])["pixel_values"]
    assert torch.equal(fetched, local)


def test_bad_media_are_named_with_row_and_remedy(processor: Any, tmp_path: Path) -> None:
    video = video_bytes(40)
    (tmp_path / "cut.mp4").write_bytes(video[: len(video) // 2])
    (tmp_path / "noise.jpg").write_bytes(b"not a picture")
    (tmp_path / "empty").write_bytes(b"")
    told = error(processor, {**VIDEO, "video": tmp_path / "cut.mp4"})
    assert "row 1: video 0" in told
    assert "cut.mp4" in told
    assert "complete video file" in told
    told = error(processor, {**IMAGE, "image": str(tmp_path / "noise.jpg")})
    assert "row 1: image 0" in told
    assert "complete image file" in told
    assert "cannot be decoded" in error(processor, {**VIDEO, "video": tmp_path / "empty"})
    assert "is not a file" in error(processor, {**IMAGE, "path": "/no/such/file.png"})
    assert "0 frames" in error(processor, {**VIDEO, "video": []})
    assert "0 frames" in error(processor, {**VIDEO, "features": np.zeros((0, 16, 64), np.float32)})
    assert "allow_urls" in error(processor, {**IMAGE, "url": "https://example.org/a.png"})
    assert "uint8" in error(processor, {**IMAGE, "image": np.zeros((8, 8, 3), np.float32)})
    assert "uint8" in error(processor, {**VIDEO, "video": np.zeros((2, 8, 8, 3), np.float64)})
    assert "expected a path" in error(processor, {**VIDEO, "video": 5})


def test_open_containers_and_decoded_frames_are_videos_too(processor: Any, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(video_bytes(20, fps=4))
    for options in ({}, {"max_frames": 2}):
        film = tmp_path / "film.mp4"
        expected = run(processor, [user({**VIDEO, "video": film})], **options)
        with av.open(str(film)) as container:
            for _ in range(2):  # also where it was read before
                batch = run(processor, [user({**VIDEO, "video": container})], **options)
                assert torch.equal(batch["pixel_values_videos"], expected["pixel_values_videos"])
    with av.open(str(tmp_path / "film.mp4")) as container:
        frames = list(container.decode(video=0))[::4]
    batch = run(processor, [user({**VIDEO, "video": frames})])
    whole = run(processor, [user({**VIDEO, "video": tmp_path / "film.mp4"})])
    assert torch.equal(batch["pixel_values_videos"], whole["pixel_values_videos"])
    assert run(processor, [user({**IMAGE, "image": frames[0]})])["pixel_values"].shape[0] == 1
    with av.open(str(tmp_path / "new.mp4"), "w") as container:
        container.add_stream("mpeg4", rate=4)
        assert "PyAV container opened for reading" in error(
            processor, {**VIDEO, "video": container}
        )
    assert "list of frames" in error(processor, {**VIDEO, "video": frames[0]})


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("size", [30, 300, 100_000])
def test_bare_base64_is_told_in_one_line(processor: Any, kind: str, size: int) -> None:
    text = base64.encodebytes(bytes(range(256)) * 400).decode()[:size]  # with its line breaks
    told = error(processor, {"type": kind, kind: text})
    assert "row 1" in told
    assert "base64" in told
    assert len(told.splitlines()) == 1
    assert len(told) < 400


def test_a_file_that_ends_early_is_not_shortened_in_silence(processor: Any, tmp_path: Path) -> None:
    path = tmp_path / "faststart.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        rng = np.random.default_rng(0)
        for _ in range(40):
            noise = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(noise, "rgb24")))
        file.mux(stream.encode())
    data = path.read_bytes()
    assert len(run(processor, [user({**VIDEO, "video": data})])["pixel_values_videos"]) == 8
    told = error(processor, {**VIDEO, "video": data[: len(data) // 2]})
    assert "complete video file" in told


def test_counts_of_media_and_placeholders_must_fit(processor: Any) -> None:
    assert "has no media" in error(processor, IMAGE)
    assert "more image placeholders" in error(processor, IMAGE, IMAGE, images=[picture()])
    assert "1 more items" in error(processor, IMAGE, images=[picture(), picture(1)])
    features = {**VIDEO, "features": np.zeros((2, 16, 64), np.float32)}
    assert "separate batches" in error(processor, features, {**VIDEO, "video": [picture()]})
    with pytest.raises(ValueError, match="belong to user messages"):
        run(processor, [{"role": "system", "content": [{**IMAGE, "image": picture()}]}])
    with pytest.raises(ValueError, match="type 'text', 'image' or 'video'"):
        run(processor, [user({"type": "audio"})])
    with pytest.raises(ValueError, match="empty"):
        run(processor, [[]])
    with pytest.raises(ValueError, match="0 conversations"):
        run(processor, [])


@pytest.mark.parametrize("reader", ["bytes", "path"])
@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile '{film}'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{film}\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9999 RTP/AVP 96\n",
    ],
    ids=["concat", "m3u8", "sdp"],
)
def test_a_video_cannot_name_another_file(
    processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reader: str
) -> None:
    """FFmpeg takes such texts for videos and opens what they name."""
    (tmp_path / "film.mp4").write_bytes(video_bytes(8))
    monkeypatch.chdir(tmp_path)
    for film in ("film.mp4", str(tmp_path / "film.mp4")):
        listing = tmp_path / "list.mp4"
        listing.write_text(text.format(film=film))
        source = listing.read_bytes() if reader == "bytes" else listing
        assert "cannot be decoded as a video" in error(processor, {**VIDEO, "video": source})


@pytest.mark.parametrize("container", ["mov", "gif", "mpegts", "flv", "asf", "matroska"])
def test_video_files_of_many_kinds(processor: Any, container: str, tmp_path: Path) -> None:
    codec = {"gif": ("gif", "rgb8"), "flv": ("flv", "yuv420p")}.get(container)
    name, pixels = codec or ("mpeg4", "yuv420p")
    path = tmp_path / "film"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(name, rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for _ in range(8):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    assert run(processor, [user({**VIDEO, "video": path})])["video_num_frames"].tolist() == [2]


def test_grey_of_16_bits_keeps_its_shades(processor: Any) -> None:
    eight = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    deep = Image.fromarray(eight.astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    pixels = [
        run(processor, [user({**IMAGE, "image": image})])["pixel_values"]
        for image in (Image.fromarray(eight), deep, deep.convert("I"))
    ]
    assert torch.equal(pixels[0], pixels[1])
    assert torch.equal(pixels[0], pixels[2])
    assert "floating point" in error(processor, {**IMAGE, "image": deep.convert("F")})


def test_a_picture_stands_upright(processor: Any) -> None:
    """As the library's own loader and `datasets` turn it."""
    image = picture(3)
    image.getexif()[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "PNG", exif=image.getexif())
    turned = image.transpose(Image.Transpose.ROTATE_270)
    turned.getexif().clear()
    pixels = [
        run(processor, [user({**IMAGE, "image": one})])["pixel_values"]
        for one in (file.getvalue(), turned)
    ]
    assert torch.equal(*pixels)


def test_absurd_pictures_are_named_too(
    processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    file = io.BytesIO()
    picture().save(file, "PNG")
    told = error(processor, {**IMAGE, "image": file.getvalue()})
    assert "row 1: image 0" in told
    assert "0, 50, 3" in error(processor, {**IMAGE, "image": np.zeros((0, 50, 3), np.uint8)})
    told = error(processor, {**IMAGE, "image": "http://127.0.0.1:9/x.png"}, allow_urls=True)
    assert "row 1: image 0" in told


@pytest.mark.parametrize(
    "option", [{"video_fps": 0}, {"video_fps": -1.0}, {"video_fps": float("inf")},
               {"max_frames": 0}, {"max_frames": -1}, {"max_frames": 2.5}],
)  # fmt: skip
def test_frames_cannot_be_sampled_at_no_rate(
    processor: Any, tiny_folder: Path, option: dict[str, Any]
) -> None:
    name, value = next(iter(option.items()))
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        run(processor, [user({**VIDEO, "video": video_bytes(8)})], **option)
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        AutoProcessor.from_pretrained(tiny_folder, trust_remote_code=True, **option)
