"""One tiny model folder for all tests of the processor."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoProcessor

from model.fixtures import assembled_tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assembled_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def processor(tiny_folder: Path) -> Any:
    return AutoProcessor.from_pretrained(tiny_folder, trust_remote_code=True)
