"""The service of the tests itself."""

from pathlib import Path

import pytest

from tests.e2e.embedded import serving
from tests.suite.starts import StartError

pytestmark = pytest.mark.e2e


def test_a_service_that_does_not_start_is_an_error_with_its_log(
    data_dir: Path, tmp_path: Path
) -> None:
    refused = serving(data_dir, tmp_path, ZPRUNER_API_WORKERS="0")
    with pytest.raises(StartError, match="ZPRUNER_API_WORKERS=0"), refused:
        pass
