"""The plugin for users' own tests, used as a user would."""

import subprocess
import sys
import textwrap
from pathlib import Path


def test_plugin_hands_out_a_cloud_and_things(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        textwrap.dedent(
            """
            import pytest
            from urllib.error import HTTPError
            from urllib.request import urlopen
            from thing_operator_local.errors import LocalError
            from thing_operator_local.cloud.seeded_random import SeededRandom
            from thing_operator_local.cloud.faults import Action


            @pytest.fixture(scope="session")
            def local_cloud_seed():
                return 7


            def test_seed(local_cloud):
                assert local_cloud.info.api_key == SeededRandom("7").text("apiKey", 30)


            def test_shadow(local_cloud, local_things):
                first, second = local_things(2)
                local_cloud.update_shadow(first, {"reported": {"temperature": 4.5}})
                assert local_cloud.get_shadow(first)["state"] == {"reported": {"temperature": 4.5}}
                assert local_cloud.get_shadow(second) is None


            def test_a_thing_speaks_for_itself(local_cloud, local_things, tmp_path):
                (thing,) = local_things(1)
                files = thing.files(tmp_path)
                assert files.certificate.read_bytes() == thing.certificate_pem
                assert files.private_key.stat().st_mode & 0o777 == 0o600
                assert files.ca == local_cloud.info.ca
                url = f"{local_cloud.info.data_plane}/things/{thing.name}/shadow"
                with pytest.raises(HTTPError, match="404"):
                    urlopen(url, context=thing.ssl_context())


            def test_trouble(local_cloud, local_things, local_cloud_control):
                (thing,) = local_things(1)
                local_cloud_control.fault(Action.REJECT, code=500)
                with pytest.raises(LocalError, match="500"):
                    local_cloud.update_shadow(thing, {"reported": {}})


            def test_trouble_is_over(local_cloud, local_things):
                (thing,) = local_things(1)
                local_cloud.update_shadow(thing, {"reported": {}})
            """
        )
    )
    # Found by itself; naming it, as was needed once, does no harm.
    for named in ([], ["-p", "thing_operator_local.pytest_plugin"]):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *named, "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "5 passed" in done.stdout


def test_nothing_is_loaded_for_tests_that_ask_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import sys\n\n\ndef test_it():\n"
        "    mine = {name for name in sys.modules if name.startswith('thing_operator')}\n"
        "    assert mine == {'thing_operator_local', 'thing_operator_local.pytest_plugin'}\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
