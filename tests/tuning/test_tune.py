"""``sb3-isr tune``, as a user runs it."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import optuna
import psutil
import pytest
import yaml
from optuna.trial import TrialState

from sb3_isr.cli import main
from sb3_isr.tuning.storage import open_storage
from sb3_isr.tuning.study import finished, open_study
from tests.tuning.small import ENTRY, SETTINGS, place, space_file, waiting_trials
from tests.zoo.zoo_process import train

DEADLINE = 300


def command(out: Path, *more: str) -> list[str]:
    config = out.parent / "ppo.yml"
    config.write_text(yaml.safe_dump({"sb3_isr/CoinGame-v0": ENTRY}))
    options = ["--algo", "ppo", "--config", str(config), "--seeds", "1", "--out", str(out), "--sampler", "random"]
    return ["tune", "sb3_isr/CoinGame-v0", *options, *more]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study, from beginning to end; its worker is a process."""
    out = tmp_path_factory.mktemp("tune") / "out"
    small = ["--timesteps", "1280", "--n-trials", "6", "--parts", "presence", "--confirm", "1"]
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(command(out, *small)) == 0
    (out / "printed.txt").write_text(printed.getvalue())
    return out


@pytest.mark.xdist_group("tune")
@pytest.mark.slow
def test_what_a_study_leaves_behind(whole: Path) -> None:
    printed = (whole / "printed.txt").read_text()
    rows = list(csv.DictReader((whole / "trials.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["COMPLETE"] * 6
    assert [int(row["number"]) for row in rows] == list(range(6))
    study = json.loads((whole / "study.json").read_text())
    assert str(study["chosen"]) in {row["number"] for row in rows}
    assert set(study["importances"]["return"]) >= {"presence", "departure"}
    for name in ("front", "importances", "slices"):
        assert (whole / f"{name}.png").stat().st_size > 10_000
        assert str(whole / f"{name}.png") in printed
    assert f"optuna-dashboard {whole / 'journal.log'}" in printed
    runs = json.loads((whole / "confirmed.json").read_text())["runs"]
    chosen = f"trial {study['chosen']}"
    assert [(run["name"], run["seed"]) for run in runs] == [("always", 1), ("entry", 1), (chosen, 1)]
    assert [run["labels"] for run in runs[:2]] == [1280, 640]
    assert re.search(r"a caregiver who stays +1 ", printed)


@pytest.mark.xdist_group("tune")
@pytest.mark.slow
def test_rl_zoo_runs_the_best_entry(whole: Path, tmp_path: Path) -> None:
    best = json.loads((whole / "study.json").read_text())["chosen"]
    (row,) = (r for r in csv.DictReader((whole / "trials.csv").read_text().splitlines()) if int(r["number"]) == best)
    entry = yaml.safe_load((whole / "ppo.yml").read_text())["sb3_isr/CoinGame-v0"]
    (callback,) = entry["callback"]
    assert callback["sb3_isr.ZooISRCallback"]["presence"] == row["presence as run"]
    train(whole / "ppo.yml", "sb3_isr/CoinGame-v0", cwd=tmp_path)
    (progress,) = tmp_path.glob("logs/ppo/*/sb3_isr-CoinGame-v0.isr/progress.json")
    assert json.loads(progress.read_text())["steps"] == 1280


@pytest.mark.xdist_group("tune")
@pytest.mark.slow
def test_an_existing_study_continues_with_the_same_settings_only(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = command(whole, "--timesteps", "1280", "--n-trials", "6", "--parts", "presence")
    before = (whole / "trials.csv").read_text()
    assert main(again) == 0
    assert (whole / "trials.csv").read_text() == before
    assert main([*again, "--seeds", "2"]) == 2
    assert "seeds: 1 there, 2 here" in capsys.readouterr().err
    assert main([*again, "--trial", "99"]) == 2
    assert "--trial must be the number of a trial" in capsys.readouterr().err


#: A terminal's child handles SIGINT; a background process inherits that it is ignored.
INTERRUPTIBLE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from sb3_isr.cli import main; sys.exit(main())"
)


@pytest.mark.slow
def test_ctrl_c_puts_the_trial_in_flight_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--timesteps", "1280", "--n-trials", "2", "--parts", "presence"]
    options += ["--space", str(space_file(tmp_path / "gate"))]
    program = [sys.executable, "-c", INTERRUPTIBLE, *command(out, *options)]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
    study = wait_for_trial(out, process)
    workers = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert "Interrupted; what was finished before is unchanged" in printed
    assert "Traceback" not in printed
    assert psutil.wait_procs(workers, DEADLINE)[1] == []
    interrupted, waiting = study.trials
    assert (interrupted.state, waiting.state) == (TrialState.FAIL, TrialState.WAITING)
    assert waiting.params == interrupted.params
    assert finished(study) == []
    assert os.listdir(out / "journal.log.leases") == []


def wait_for_trial(out: Path, process: subprocess.Popen[str]) -> optuna.Study:
    """The study, as soon as a trial waits."""
    start = time.monotonic()
    study: optuna.Study | None = None
    while study is None or not waiting_trials(study):
        assert process.poll() is None
        assert time.monotonic() - start < DEADLINE
        if study is None and (out / "journal.log").exists() and "settings" in (out / "journal.log").read_text():
            storage = open_storage(str(out / "journal.log"))
            study = optuna.load_study(study_name="sb3_isr/CoinGame-v0 ppo", storage=storage)
        time.sleep(0.02)
    return study


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--parts", "prescence"], "--parts must be some of presence"),
        (["--n-trials", "0"], "--n-trials must be at least 1"),
        (["--sampler", "grid"], "--sampler must be one of tpe, random"),
        (["--fix", "departure"], "--fix takes NAME=VALUE"),
        (["--fix", "departur=0.25"], "--fix must name parameters that are searched, some of ['budget'"),
        (["--search", "learning_rate=0:1:log"], "with LOW below HIGH, and above 0 if log"),
        (["--search", "learning_rat=0.1:1"], "must be arguments of the algorithm, or of ISRCallback"),
        (["--search", "isr.gradient_step=1:9"], "must be arguments of the algorithm, or of ISRCallback"),
        (["--lease", "1"], "--lease must be at least 6 seconds"),
        (["--config", "nowhere.yml"], "--config must be a YAML file of entries, got nowhere.yml"),
        (["--repair", "nowhere.log"], "--repair must be a journal, got nowhere.log"),
    ],
)
def test_wrong_arguments_are_named_before_anything_runs(
    wrong: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path / "out", *wrong)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_only_existing_studies_can_be_drawn_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(tmp_path / "out", "--beside", "nobody")) == 2
    assert "--beside must name studies of the same storage, some of ['sb3_isr/CoinGame-v0 ppo'], got ['nobody']" in (
        capsys.readouterr().err
    )


def test_repairing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal.log"
    open_study(SETTINGS, place(str(path), 1))
    whole = path.read_bytes()
    path.write_bytes(whole[:30] + b"\n" + whole)
    assert main(["tune", "--repair", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 1 torn lines removed.\n"
    assert path.read_bytes() == whole
