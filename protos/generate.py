"""Write what of `protos/` is written by a program, and compile all into `xds/`: `python protos/generate.py`.

With `--check`, only say whether that is due.
"""

import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
ROOT = PROTOS.parent
VERSION = re.compile(r"^# Protobuf Python Version: .*$|^    \d+,$", re.MULTILINE)


def compile_protos(out: Path) -> list[Path]:
    """Write a `_pb2.py` and a `_pb2.pyi` under `out` for each proto; return their paths, relative to `out`."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    include = str(files("grpc_tools").joinpath("_proto"))
    arguments = ["protoc", f"-I{PROTOS}", f"-I{include}", f"--python_out={out}", f"--pyi_out={out}", *sources]
    if protoc.main(arguments) != 0:
        sys.exit("protoc refused the protos; its message stands above")
    return [
        Path(source).with_suffix("").with_name(Path(source).stem + "_pb2" + suffix)
        for source in sources
        for suffix in (".py", ".pyi")
    ]


def find_stale() -> list[Path]:
    """Name the generated files that differ from what the protos give, whatever the compiler's own version."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        return [
            path
            for path in compile_protos(out)
            if not (ROOT / path).is_file()
            or VERSION.sub("", (ROOT / path).read_text()) != VERSION.sub("", (out / path).read_text())
        ]


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        compile_protos(ROOT)
    elif stale := find_stale():
        sys.exit("stale, run `python protos/generate.py`: " + ", ".join(map(str, stale)))
