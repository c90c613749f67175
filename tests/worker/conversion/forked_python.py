"""Runs a Python program as `subprocess.run` does, in a process forked from that of the tests.

To import torch and transformers takes three seconds of each new process; this one has them already.
"""

import gc
import logging
import os
import runpy
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryFile
from typing import NoReturn, TextIO

import torch
from huggingface_hub import constants


def run(words: Sequence[str], env: Mapping[str, str], **_: object) -> "CompletedProcess[str]":
    """Run a program offline, and return its exit code with all that it has written.

    Args:
        words: the command of Python, whose options end with ``-m`` and a module, or with a path.
    """
    with TemporaryFile("w+") as output, warnings.catch_warnings():
        # Newer versions of Python warn of the threads of xdist, which hold no lock that counts.
        warnings.simplefilter("ignore", DeprecationWarning)
        if (process := os.fork()) == 0:
            _become(words, env, output)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        output.seek(0)
        return CompletedProcess(words, code, output.read())


def _become(words: Sequence[str], env: Mapping[str, str], output: TextIO) -> NoReturn:
    code: object = 1
    gc.freeze()  # what the tests have left, such as a model of llama.cpp, needs threads to be freed
    try:
        os.environ.clear()
        os.environ.update(env)
        for standard in (1, 2):
            os.dup2(output.fileno(), standard)
        sys.stdout = sys.stderr = output
        logging.root.handlers.clear()  # those of pytest
        warnings.resetwarnings()
        constants.HF_HUB_OFFLINE = True
        torch.set_num_threads(1)  # the threads of OpenMP are not in a forked process
        _program(words)
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        if isinstance(code, str):
            output.write(code)
        output.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def _program(words: Sequence[str]) -> None:
    if "-m" in words:
        sys.argv = [*words[words.index("-m") + 1 :]]
        sys.modules.pop(sys.argv[0], None)
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        is_option = [word.startswith("-") for word in words[1:]]
        sys.argv = [*words[1 + is_option.index(False) :]]
        sys.path.insert(0, str(Path(sys.argv[0]).parent))
        runpy.run_path(sys.argv[0], run_name="__main__")
