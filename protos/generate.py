"""Writes the protos that are derived from envoy-data-plane (`subset.py`), and compiles all of `protos/` into `xds/`.

`python protos/generate.py` does both. With `--check` it writes nothing, and fails if a file is not up to date.
"""

import re
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc
from subset import FOLDER, write_protos

PROTOS = Path(__file__).parent
ROOT = PROTOS.parent
VERSION = re.compile(r"^# Protobuf Python Version: .*$|^    \d+,$", re.MULTILINE)


def generate(protos: Path, out: Path) -> list[tuple[Path, Path]]:
    """Write the derived protos into `protos`, and compile all protos into `out`; return each file's root and path."""
    shutil.rmtree(protos / FOLDER, ignore_errors=True)
    (protos / FOLDER).mkdir()
    for path, text in write_protos(ROOT).items():
        (protos / path).write_text(text)
    written = [(protos, path.relative_to(protos)) for path in sorted(protos.glob(f"{FOLDER}/*.proto"))]
    return [*written, *((out, path) for path in compile_protos(protos, out))]


def compile_protos(protos: Path, out: Path) -> list[Path]:
    """Write a `_pb2.py` and a `_pb2.pyi` under `out` for each proto; return their paths, relative to `out`."""
    sources = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    include = str(files("grpc_tools").joinpath("_proto"))
    arguments = ["protoc", f"-I{protos}", f"-I{include}", f"--python_out={out}", f"--pyi_out={out}", *sources]
    if protoc.main(arguments) != 0:
        sys.exit("protoc refused the protos; see its message above")
    return [
        Path(source).with_suffix("").with_name(Path(source).stem + "_pb2" + suffix)
        for source in sources
        for suffix in (".py", ".pyi")
    ]


def list_written() -> set[Path]:
    """Return the generated files, relative to the project's root."""
    compiled = [path for suffix in ("py", "pyi") for path in ROOT.glob(f"xds/**/*_pb2.{suffix}")]
    return {path.relative_to(ROOT) for path in [*compiled, *(PROTOS / FOLDER).glob("*.proto")]}


def find_stale() -> list[Path]:
    """Return the files that differ from what would be generated, apart from the compiler's version in them."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        shutil.copytree(PROTOS, out / PROTOS.name)
        due = {
            root.relative_to(out) / path: (root / path).read_text() for root, path in generate(out / PROTOS.name, out)
        }
        return sorted(
            path
            for path in due.keys() | list_written()
            if path not in due
            or not (ROOT / path).is_file()
            or VERSION.sub("", (ROOT / path).read_text()) != VERSION.sub("", due[path])
        )


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        made = {(root / path).relative_to(ROOT) for root, path in generate(PROTOS, ROOT)}
        for left_over in list_written() - made:
            (ROOT / left_over).unlink()
    elif stale_files := find_stale():
        sys.exit("stale, run `python protos/generate.py`: " + ", ".join(map(str, stale_files)))
