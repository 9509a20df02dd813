"""The structure of the pipelines' files, and what they must not contain."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ci.pipelines import (
    FOLDER,
    JENKINSFILE,
    MAIN,
    PIPELINES,
    PULL_REQUEST,
    SCRIPTS,
    WORKFLOW,
    read_jenkinsfile,
    read_workflow,
)

BIN = Path(sys.executable).parent


def commands(pipeline: str, event: str) -> list[str]:
    """Return the commands that a pipeline runs, without those that set up its machine."""
    steps = [step.text for step in PIPELINES[pipeline](event) if step.kind == "run"]
    return [text for text in steps if text.startswith("ci/")]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_both_pipelines_run_the_same_commands(pipeline: str) -> None:
    """For a pull request they check and show the change. For main they check, publish, show and roll out."""
    assert commands(pipeline, PULL_REQUEST) == ["ci/check catalog", "ci/diff catalog"]
    assert commands(pipeline, MAIN) == [
        "ci/check catalog",
        "ci/publish catalog dist",
        "ci/diff catalog",
        "ci/roll-out dist/catalog-*.tar",
    ]
    assert {text.split()[0] for text in commands(pipeline, MAIN)} == {f"ci/{script}" for script in SCRIPTS}


def test_the_workflow_fits_githubs_schema() -> None:
    """check-jsonschema has GitHub's JSON Schema of workflows."""
    command: list[str | Path] = [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_zizmor_finds_no_weakness_in_the_workflow() -> None:
    """No title can reach a shell, every action is pinned, and the permissions are minimal."""
    if not (BIN / "zizmor").exists():
        pytest.skip("zizmor has no wheel for this machine")
    command: list[str | Path] = [BIN / "zizmor", "--offline", "--no-progress", "--persona", "pedantic", WORKFLOW]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_workflow_rolls_out_main_alone_and_one_at_a_time() -> None:
    """Only a push to main rolls out. Runs of one branch wait for each other, and every job has a time limit."""
    workflow = read_workflow()
    assert workflow["on"] == {"pull_request": None, "push": {"branches": ["main"]}}
    assert workflow["concurrency"] == {
        "group": "catalog-${{ github.ref }}",
        "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
    }
    assert workflow["permissions"] == {}
    jobs = workflow["jobs"]
    assert {job["permissions"]["contents"] for job in jobs.values()} == {"read"}
    assert all(job["timeout-minutes"] <= 15 for job in jobs.values())
    assert jobs["roll-out"]["environment"] == "mesh"
    assert "secrets." not in WORKFLOW.read_text()
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert not any("${{" in run for run in runs)
    pins = re.findall(r"uses: (\S+)", WORKFLOW.read_text())
    assert len(pins) == 6
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", pin) for pin in pins)


def test_the_jenkinsfile_has_the_shape_of_a_declarative_pipeline() -> None:
    """Jenkins knows its sections, and each is in its place. This does not run Jenkins, which is not available here."""
    pipeline = read_jenkinsfile()
    assert pipeline.head == "pipeline"
    assert pipeline.statements == ["agent none"]
    assert [block.head for block in pipeline.blocks] == ["options", "environment", "stages"]
    options = {text.partition("(")[0] for text in pipeline.block("options").statements}
    assert options == {"disableConcurrentBuilds", "skipDefaultCheckout", "buildDiscarder", "timeout"}
    settings = [text.partition(" = ") for text in pipeline.block("environment").statements]
    assert [name for name, _, _ in settings] == ["XDS_ADMIN", "XDS_CATALOGS", "XDS_WAIT", "XDS_CLIENTS"]
    assert all(re.fullmatch(r"'[^']+'", value) for _, _, value in settings)
    stages = pipeline.block("stages").blocks
    assert [stage.head for stage in stages] == [f"stage('{name}')" for name in ("Check", "Diff", "Publish", "Roll out")]
    for stage in stages:
        assert {block.head for block in stage.blocks} <= {"when", "agent", "steps"}
        assert stage.statements == []
        [agent] = stage.block("agent").statements
        assert agent.startswith("label '")
        steps = stage.block("steps").statements
        assert steps[0] == "checkout scm"
        assert {text.split()[0] for text in steps} <= {"checkout", "sh", "archiveArtifacts", "stash", "unstash"}
    code = re.sub(r"^\s*//.*$", "", JENKINSFILE.read_text(), flags=re.MULTILINE)
    assert '"' not in code  # in which Groovy would insert the name of a branch or a title


@pytest.mark.parametrize("script", SCRIPTS)
def test_wrong_usage_exits_with_2(script: str) -> None:
    """One line shows the correct usage."""
    answer = subprocess.run([FOLDER / script], capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"usage: {script} ")


def test_the_readme_places_every_file() -> None:
    """Its section names each file of the folder, and every command in it is such a file."""
    text = (FOLDER.parent / "README.md").read_text()
    section = text[text.index("## From a commit to the mesh") : text.index("## How it is made")]
    assert {path.name for path in FOLDER.iterdir()} == {*SCRIPTS, JENKINSFILE.name, WORKFLOW.name}
    assert set(re.findall(r"\bci/([a-z-]+)(?![a-z.-])", section)) == set(SCRIPTS)
    assert all(f"](ci/{path.name})" in section for path in (JENKINSFILE, WORKFLOW))
