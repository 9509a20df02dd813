"""Reads the steps of both pipelines from their files, and runs them as Jenkins and GitHub do.

Neither system is available here. This module does what they do around the commands: a fresh checkout for each job, and
artifacts from one job to the next. The commands are exactly those of the files.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "compose" / "ci"
WORKFLOW = FOLDER / "github-workflow.yml"
JENKINSFILE = FOLDER / "Jenkinsfile"
SCRIPTS = ("check", "diff", "publish", "roll-out")

PULL_REQUEST, MAIN = "pull_request", "push"
"""The event in the repository: a pull request from another branch, or a commit on main."""


@dataclass(frozen=True)
class Step:
    """One step.

    `kind` is checkout, run, put (store an artifact) or get (fetch it). `ready` marks the setup of an agent.
    """

    job: str
    kind: str
    text: str = ""


CONDITIONS = {
    None: {PULL_REQUEST, MAIN},
    "github.event_name == 'push'": {MAIN},
    "github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == github.repository": {
        PULL_REQUEST
    },
    "changeRequest()": {PULL_REQUEST},
    "branch 'main'": {MAIN},
}
"""The events for which each condition of the files holds. A new condition needs a line here."""


def read_workflow() -> Any:
    """Return GitHub's workflow. YAML 1.1 reads its key `on` as true."""
    workflow = yaml.safe_load(WORKFLOW.read_text())
    return {"on": workflow.pop(True), **workflow}


def find_workflow_steps(event: str) -> Iterator[Step]:
    """Return the steps that GitHub runs at an event, job after job."""
    jobs: dict[str, Any] = read_workflow()["jobs"]
    assert [job.get("needs") for job in jobs.values()] == [None, "check", "check"]
    for name, job in jobs.items():
        for step in job["steps"]:
            if event not in CONDITIONS[job.get("if")] & CONDITIONS[step.get("if")]:
                continue
            action = step.get("uses", "").partition("@")[0]
            if action == "actions/checkout":
                yield Step(name, "checkout")
            elif action == "actions/upload-artifact":
                yield Step(name, "put", step["with"]["path"])
            elif action == "actions/download-artifact":
                yield Step(name, "get", step["with"]["path"])
            elif action != "actions/setup-python":
                yield Step(name, "run", step["run"])


@dataclass
class Block:
    """A block of a Jenkinsfile: its head, such as `stage('Check')`, and the statements and blocks in it."""

    head: str
    statements: list[str] = field(default_factory=list)
    blocks: list["Block"] = field(default_factory=list)

    def block(self, head: str) -> "Block":
        """Return the only block with this head, or an empty block if there is none."""
        found = [block for block in self.blocks if block.head == head]
        assert len(found) <= 1, head
        return found[0] if found else Block(head)


def read_jenkinsfile() -> Block:
    """Return the blocks of the Jenkinsfile.

    Of Groovy, this reads only single-quoted strings, and nothing that computes.
    """
    text = re.sub(r"^\s*//.*$", "", JENKINSFILE.read_text(), flags=re.MULTILINE)
    stack, statement = [Block("")], ""
    for part in re.findall(r"'[^'\n]*'|[{}\n]|[^'{}\n]+", text):
        if part not in ("{", "}", "\n"):
            statement += part
            continue
        statement = statement.strip()
        if part == "{":
            assert statement, "a block without a head"
            stack.append(Block(statement))
            stack[-2].blocks.append(stack[-1])
        elif statement:
            stack[-1].statements.append(statement)
        if part == "}":
            stack.pop()
        statement = ""
    [root] = stack
    assert not root.statements
    [pipeline] = root.blocks
    return pipeline


def find_jenkins_steps(event: str) -> Iterator[Step]:
    """Return the steps that Jenkins runs, stage after stage."""
    for stage in read_jenkinsfile().block("stages").blocks:
        conditions = [statement for statement in stage.block("when").statements if statement != "beforeAgent true"]
        if not all(event in CONDITIONS[condition] for condition in conditions):
            continue
        for statement in stage.block("steps").statements:
            name, _, rest = statement.partition(" ")
            if name == "checkout":
                yield Step(stage.head, "checkout")
            elif name == "sh":
                yield Step(stage.head, "run", rest.strip("'"))
            elif name == "stash":
                yield Step(stage.head, "put", re.findall(r"includes: '([^']*)/catalog-\*'", rest)[0])
            elif name == "unstash":
                yield Step(stage.head, "get", "dist")
            else:
                assert name == "archiveArtifacts"


PIPELINES = {"github": find_workflow_steps, "jenkins": find_jenkins_steps}
SHELLS = {"github": ["bash", "-e", "-c"], "jenkins": ["sh", "-xe", "-c"]}
"""The default shell command of each system."""


@dataclass(frozen=True)
class Run:
    """The result of a pipeline: its exit code, the commands that ran, all output, and the summary."""

    code: int
    commands: list[str]
    output: str
    summary: str


class Repository:
    """An operator's repository, with the commands and both pipelines where the README puts them."""

    def __init__(self, folder: Path, catalog: Mapping[str, str]) -> None:
        self.folder = folder / "repository"
        self._scratch = folder
        (self.folder / "ci").mkdir(parents=True)
        for script in SCRIPTS:
            shutil.copy(FOLDER / script, self.folder / "ci")
        shutil.copy(JENKINSFILE, self.folder)
        (self.folder / ".github" / "workflows").mkdir(parents=True)
        shutil.copy(WORKFLOW, self.folder / ".github" / "workflows" / "catalog.yml")
        self._git("init", "-q", "-b", "main")
        self.commit(catalog)

    def commit(self, catalog: Mapping[str, str]) -> str:
        """Save files of the catalog and commit them. Return the commit."""
        (self.folder / "catalog").mkdir(exist_ok=True)
        for name, text in catalog.items():
            (self.folder / "catalog" / name).write_text(text)
        self._git("add", "-A")
        author = ["-c", "user.name=An operator", "-c", "user.email=operator@example.com"]
        self._git(*author, "commit", "-q", "--allow-empty", "-m", "An edit")
        return self._git("rev-parse", "HEAD").strip()

    def run(self, pipeline: str, event: str, environment: Mapping[str, str]) -> Run:
        """Run a pipeline's steps until one fails."""
        summary = self._scratch / "summary.md"
        summary.write_text("")
        environment = {**make_environment(environment), "XDS_PACKAGE": "xds-control-plane", "PIP_NO_INDEX": "1"}
        if pipeline == "github":
            environment["GITHUB_STEP_SUMMARY"] = str(summary)
        store, place = self._scratch / "store", self._scratch / "workspace"
        shutil.rmtree(store, ignore_errors=True)
        commands: list[str] = []
        output, code = "", 0
        for step in PIPELINES[pipeline](event):
            if step.kind == "checkout":
                shutil.rmtree(place, ignore_errors=True)
                self._git("clone", "-q", "--depth", "1", f"file://{self.folder}", str(place))
            elif step.kind == "put":
                shutil.copytree(place / step.text, store)
            elif step.kind == "get":
                shutil.copytree(store, place / step.text)
            else:
                commands.append(step.text)
                answer = subprocess.run(
                    [*SHELLS[pipeline], step.text],
                    cwd=place,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                    timeout=120,
                )
                output, code = output + answer.stdout, answer.returncode
                if code:
                    break
        print(output)
        return Run(code, commands, output, summary.read_text())

    def start(self, *command: str, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Start one of the commands in the repository."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=make_environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def publish(self, folder: Path) -> Path:
        """Publish the committed catalog with the command alone. Return the artifact."""
        self.call("ci/publish", "catalog", str(folder), check=True)
        [artifact] = folder.glob("catalog-*.tar")
        return artifact

    def call(self, *command: str, check: bool = False, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run a command in the repository as a person does. Return its exit code and its output."""
        running = self.start(*command, environment=environment or {})
        output, _ = running.communicate(timeout=60)
        print(output)
        assert not check or running.returncode == 0
        return running.returncode, output

    def _git(self, *arguments: str) -> str:
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        ).stdout


def make_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a machine with `xds` on its path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDS_", "GITHUB_"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}
