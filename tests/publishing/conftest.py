"""One loopback Hub per mode and session; folders that are staged once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from places import SHARED
from publishing.hubs import LoopbackHub
from publishing.made import make_build
from release.staging.dataset import DatasetOptions, stage_dataset


@pytest.fixture(scope="session")
def hub_xet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackHub]:
    """A server that speaks Xet."""
    yield from running(tmp_path_factory.mktemp("hub-xet"), xet=True)


@pytest.fixture(scope="session")
def hub_lfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackHub]:
    """A server that speaks Git LFS only."""
    yield from running(tmp_path_factory.mktemp("hub-lfs"), xet=False)


def running(root: Path, xet: bool) -> Iterator[LoopbackHub]:
    if not (SHARED / "tools/hubserver").is_dir():
        pytest.skip("no loopback Hub in ../shared")
    server = LoopbackHub(root, xet).start()
    yield server
    server.stop()


@pytest.fixture(params=["xet", pytest.param("lfs", marks=pytest.mark.slow)])
def hub(request: pytest.FixtureRequest) -> LoopbackHub:
    """Each test runs in both modes; the older one when there is time."""
    found: LoopbackHub = request.getfixturevalue(f"hub_{request.param}")
    found.faults()
    found.clear_log()
    return found


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two staged versions: the second has one shard fewer and another sample."""
    home = tmp_path_factory.mktemp("versions")
    for number, shards in ((1, 2), (2, 1)):
        build = make_build(home / f"build{number}", samples=4, shards=shards, first=number)
        stage_dataset(build, home / f"v{number}", DatasetOptions(version=f"1.{number}"))
    return home / "v1", home / "v2"


@pytest.fixture
def staged(versions: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Copies of the two versions, so that their journals begin empty."""
    return tuple(Path(shutil.copytree(v, tmp_path / v.name)) for v in versions)  # type: ignore[return-value]
