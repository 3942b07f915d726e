"""Scripts in forked processes: ``python SCRIPT ARGUMENTS`` without the seconds that imports take.

That the scripts start in a new interpreter too is for the tests that use ``subprocess``.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import IO

from runs import like_a_new_process


class ForkedScript:
    """Running script, with the part of ``subprocess.Popen`` that our tools use."""

    def __init__(
        self,
        command: Sequence[str],
        log: IO[bytes],
        errors: IO[bytes] | None = None,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        arguments = (command[1:], log.fileno(), (errors or log).fileno(), folder, env or {})
        self._command = command
        self._process = get_context('fork').Process(target=_run, args=arguments)
        self._process.start()
        self.pid = self._process.pid

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raise ``subprocess.TimeoutExpired`` while it runs."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(list(self._command), timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def run_script(
    script: Path, *arguments: str, folder: Path, timeout: float = 300, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a script to its end in a folder; its output as text."""
    command = [sys.executable, str(script), *arguments]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = ForkedScript(command, output, errors, folder, env)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(command, code, *texts)


def _run(
    command: Sequence[str], output: int, errors: int, folder: Path | None, env: Mapping[str, str]
) -> None:
    """Become the script and end as the interpreter would."""
    os.dup2(output, 1)
    os.dup2(errors, 2)
    sys.stdout, sys.stderr = open(1, 'w', closefd=False), open(2, 'w', closefd=False)  # noqa: SIM115
    os.environ.update(env)
    if folder is not None:
        os.chdir(folder)
    like_a_new_process()
    sys.argv = list(command)
    sys.path.insert(0, str(Path(command[0]).parent))
    code: int | str | None = 0
    try:
        runpy.run_path(command[0], run_name='__main__')
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f'{code}\n')
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)
