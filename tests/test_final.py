"""The final study: it learns from what can be compared, and goes on from its own results."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from presets.language import error_text, say, stored
from rounds import bayesian, final, insights, launching, pairs, phases, planning, reviewing, untried
from rounds import listed as by_hand
from rounds.finding import Finding
from rounds.outlook import outlook
from rounds.slots import Machine
from rounds.space import Domain
from rounds.standing import standing
from state import launches, trial_progress, trials
from state.database import Store
from state.errors import Refusal
from state.hyperparameters import OwnHyperparameter
from state.project import Settings, change, create
from state.store import open_store
from tests import own_pipelines, small_project
from tests.test_cli import tunebook
from tui import designing
from tui.say import trouble

LR = "sgd.learning_rate"
FIXED_DECAY: Any = {"optimizer.weight_decay": "fixed"}
FIXED: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": "fixed"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A project with a round of 18 trials over the learning rate, one diverged, one out of memory, one with a bug."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        batch = planning.save(opened, planning.propose(opened, trials=18, roles=FIXED))
        for place, entry in enumerate(trials.trials(opened, batch.name)):
            status, reason = {0: ("infeasible", "diverged"), 1: ("infeasible", "out_of_memory")}.get(
                place, ("complete", "")
            )
            best = 0.1 + (entry.u[LR] - 0.6) ** 2 if status == "complete" else None
            small_project.end(opened, entry.id, best, status, reason=reason)
        reviewing.review_batch(opened, batch.name)
        yield opened


def test_the_history_is_what_can_be_compared(store: Store) -> None:
    """Diverged trials as infeasible ones; out of memory, another number of steps and checks of stability not at all."""
    roles = FIXED
    longer = planning.save(store, planning.propose(store, trials=2, steps=60, roles=roles))
    for entry in trials.trials(store, longer.name):
        small_project.end(store, entry.id, 0.01)
    known = final.history(store, planning.propose(store, "minimise", trials=4, roles=roles))
    assert len(known) == 17
    assert sum(trial.cost is None for trial in known) == 1
    assert not any(trial.running for trial in known)
    # What is planned will run; what was stopped, as a round or alone, may never.
    planned = planning.save(store, planning.propose(store, "minimise", trials=4, roles=roles))

    def running() -> int:
        plan = planning.propose(store, "minimise", trials=4, roles=roles)
        return sum(trial.running for trial in final.history(store, plan))

    assert running() == 4
    trials.ask(store, trials.trials(store, planned.name)[0].id, "stop")
    assert running() == 3
    trials.ask(store, planned.name, "stop")
    assert running() == 0


def test_the_study_begins_from_the_history_and_goes_on_from_its_own_results(store: Store) -> None:
    """Points near the optimum; the added ones are kept with the trials, and the review works as for any round."""
    batch = final.start(store, 2, wanted="")
    first = trials.trials(store, batch.name)
    assert len(first) == 2
    assert batch.goal == "minimise"
    assert any(abs(entry.u[LR] - 0.6) < 0.2 for entry in first)
    for entry in first:
        small_project.end(store, entry.id, 0.1 + (entry.u[LR] - 0.6) ** 2)
    final.extend(store, batch.name, 1)
    entries = trials.trials(store, batch.name)
    plan = planning.plan_of(store, batch.name)
    assert [dimension.key for dimension in plan.studies[0].dimensions] == ["optimizer.learning_rate"]
    assert [trial.u for trial in plan.trials] == [entry.u for entry in entries]
    assert len({entry.overrides["optimizer.learning_rate"] for entry in entries}) == 3
    small_project.end(store, entries[-1].id, 0.1)
    assert reviewing.review_batch(store, batch.name)[0].verdict == "pass"


def test_too_small_a_history_is_refused(tmp_path: Path) -> None:
    """First an even spread, then a model."""
    with open_store(small_project.project(tmp_path / "p", tmp_path / "data")) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        with pytest.raises(Refusal, match="begins with 16 trials"):
            final.start(opened)


def test_what_the_rounds_varied_is_searched_and_the_rest_stays_as_it_is(store: Store) -> None:
    """In the refined ranges, and also where sixteen trials would not open it; a person's word goes before."""

    def searched(**asked: Any) -> dict[str, Domain]:
        return {d.name: d.domain for d in final.plan(store, 1, **asked).studies[0].dimensions}

    assert list(searched()) == [LR]
    assert list(searched(roles={"optimizer.momentum": "nuisance"})) == [LR, "sgd.momentum"]
    with pytest.raises(Refusal) as refused:
        searched(roles={"optimizer.learning_rate": "fixed"})
    assert trouble(refused.value).startswith("All hyperparameters of search are fixed")
    wider = Domain("float", 1e-4, 10.0, "log")
    assert searched(ranges={LR: wider}) == {LR: wider}
    assert list(searched(ranges={"optimizer.momentum": Domain("float", 0.8, 0.95)})) == [LR, "sgd.momentum"]
    # A round with the weight decay, which sixteen trials would leave fixed: it counts once it has results.
    decay, wide = "optimizer.weight_decay", Domain("float", 0.0, 1e-2)
    roles: Any = {"optimizer.momentum": "fixed"}
    batch = planning.save(store, planning.propose(store, "minimise", trials=4, roles=roles, ranges={decay: wide}))
    assert list(searched()) == [LR]
    for entry in trials.trials(store, batch.name):
        small_project.end(store, entry.id, 0.1)
    assert searched() == {LR: searched()[LR], "sgd.weight_decay": wide}
    # What was confirmed to matter little stays fixed.
    evidence = {"key": "little/round-2/search/sgd.weight_decay", "about": ["sgd.weight_decay"], "status": "confirmed"}
    launches.learn(store, stored(say("so")), batch=batch.name, evidence=evidence)
    assert list(searched()) == [LR]


def test_one_that_begins_while_rounds_still_fit_says_so(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    small_project.end(store, trials.trials(store, "round-1")[-1].id, 0.2, seconds=60)
    words = ("round", "final", "--lot", "1", "--project", store.project.root)
    store.project = change(store.project, budget_hours=1.0)
    assert tunebook(*words) == 0
    told = capsys.readouterr().out
    assert "warning: It begins before its time. Rounds of 20 trials that fit" in told
    # As it goes on it is no news.
    small_project.end(store, trials.trials(store, "round-2")[0].id, 0.1)
    assert tunebook(*words) == 0
    assert "before its time" not in capsys.readouterr().out


def test_by_command_roles_and_ranges_are_given_when_it_begins(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("round", "final", "--lot", "1", "--project", store.project.root)
    given = ("--role", "optimizer.momentum=nuisance", "--range", "optimizer.learning_rate=0.0001..10")
    assert tunebook(*words, "--range", "adamw.beta1=0.5..0.9") == 2
    assert "adamw.beta1 is a hyperparameter of adamw" in capsys.readouterr().err
    assert tunebook(*words, *given) == 0
    domains = {d.name: d.domain for d in planning.plan_of(store, "round-2").studies[0].dimensions}
    assert list(domains) == [LR, "sgd.momentum"]
    assert domains[LR] == Domain("float", 1e-4, 10.0, "log")
    small_project.end(store, trials.trials(store, "round-2")[0].id, 0.1)
    assert tunebook(*words, *given) == 2
    assert "round-2 goes on as it began" in capsys.readouterr().err
    assert tunebook(*words) == 0
    assert len(trials.trials(store, "round-2")) == 2


def test_what_is_off_in_the_best_configuration_or_outside_its_range_is_not_searched(store: Store) -> None:
    """An improvement that was not adopted, a value that a log range cannot hold, another optimizer, another length."""
    smoothing = "regularization.label_smoothing"
    for plan in (
        planning.propose(store, "improve", scientific={smoothing: None}, trials=4, roles=FIXED),
        planning.propose(store, "minimise", trials=4, roles={**FIXED, "optimizer.weight_decay": "nuisance"}),
        planning.propose(store, "compare", optimizers=("sgd", "adamw"), trials=4, roles=FIXED),
        planning.propose(store, "minimise", trials=4, steps=60, roles={"optimizer.weight_decay": "fixed"}),
    ):
        batch = planning.save(store, plan)
        for entry in trials.trials(store, batch.name):
            small_project.end(store, entry.id, 0.1)
    assert [d.name for d in final.plan(store, 1).studies[0].dimensions] == [LR]


def test_a_log_range_that_cannot_hold_the_best_value_is_searched_where_the_trials_are(store: Store) -> None:
    """A round of twenty trials opens SGD's weight decay, which begins at 0: such a round leads into the final study,
    which says that it leaves 0 out. Fewer trials that varied it do not outweigh those that kept it."""
    decay = "sgd.weight_decay"
    best = launches.best(store)
    assert best is not None
    assert best.settings["optimizer.weight_decay"] == 0

    def run(count: int, role: str) -> None:
        roles: Any = {"optimizer.momentum": "fixed", "optimizer.weight_decay": role}
        batch = planning.save(store, planning.propose(store, "minimise", trials=count, roles=roles))
        for entry in trials.trials(store, batch.name):
            small_project.end(store, entry.id, 0.1 + (entry.u[LR] - 0.6) ** 2)

    run(12, "nuisance")
    plan = final.plan(store, 1)
    assert [d.name for d in plan.studies[0].dimensions] == [LR]
    assert not any("does not try it" in note.text() for note in plan.notes)
    run(12, "nuisance")
    plan = final.plan(store, 1)
    assert [d.name for d in plan.studies[0].dimensions] == [LR, decay]
    (note,) = plan.notes
    assert "sgd.weight_decay is searched in 1e-07 .. 0.001 (log), as in 24 trials so far." in note.text()
    assert "The best value so far, 0, lies outside" in note.text()
    assert len(final.history(store, plan)) == 24
    kept: Any = {decay: "fixed"}
    assert [d.name for d in final.plan(store, 1, roles=kept).studies[0].dimensions] == [LR]


def test_the_rounds_of_an_optimizer_without_weight_decay_lead_into_the_final_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As planned by default: twenty trials to minimise, then the final study by command, which says what it leaves."""
    project = small_project.project(tmp_path / "p", tmp_path / "data")
    with open_store(project) as opened:
        small_project.adopt(opened, small_project.settings(tmp_path / "data"))
        batch = planning.save(opened, planning.propose(opened, "minimise", trials=20))
        for entry in trials.trials(opened, batch.name):
            small_project.end(opened, entry.id, 0.1 + (entry.u[LR] - 0.6) ** 2)
    assert tunebook("round", "final", "--lot", "1", "--project", project.root) == 0
    assert "the final study does not try it" in capsys.readouterr().out


def test_momentum_down_to_zero_can_be_trained_with_nesterov(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A review may widen the momentum to 0, where Nesterov's variant is the plain step and training refuses it: such a
    trial goes without it, in a final study, in an ordinary round and by hand; and it is compared as any other."""
    wide = Domain("float", 0.0, 0.995, "one-minus-log")

    def overrides(name: str) -> dict[str, Any]:
        return trials.trials(store, name)[0].overrides

    corner = {LR: 0.5, "sgd.momentum": 0.0}
    monkeypatch.setattr(bayesian, "propose", lambda *_: [corner])
    study = final.start(store, 1, wanted="", ranges={"optimizer.momentum": wide})
    assert (overrides(study.name)["optimizer.momentum"], overrides(study.name)["optimizer.nesterov"]) == (0.0, False)
    small_project.end(store, trials.trials(store, study.name)[0].id, 0.1)
    known = final.history(store, planning.plan_of(store, study.name))
    assert corner in [trial.u for trial in known]
    listed = by_hand.save(store, by_hand.propose(store, [{"momentum": 0}, {"momentum": 0.5}]))
    assert overrides(listed.name)["optimizer.nesterov"] is False
    assert "optimizer.nesterov" not in trials.trials(store, listed.name)[1].overrides
    values = Domain("list", choices=(0.0, 0.9))
    asked: Any = {"optimizer.momentum": values}
    compared = planning.save(store, planning.propose(store, "compare", scientific=asked, trials=4, roles=FIXED_DECAY))
    assert overrides(compared.name)["optimizer.nesterov"] is False
    # Another optimizer has a momentum, but no such variant.
    assert pairs.idle({"optimizer.momentum": 0.0, "optimizer.nesterov": None}) == {}


BASE = {"lr": 0.5, "l2": 0.1, "style": "jsonl", "training.batch_size": 32, "training.steps": 50}


def own_store(folder: Path, *assignments: str) -> Store:
    """A project on a command, whose best configuration is BASE."""
    own_pipelines.write_script(folder / "code")
    store = open_store(own_pipelines.project(folder / "p", folder / "code", *assignments))
    small_project.adopt(store, BASE)
    return store


def run_round(store: Store, count: int, **asked: Any) -> str:
    """A round that has run and is reviewed; its best trial is in the middle of what it searched."""
    name = planning.save(store, planning.propose(store, "minimise", trials=count, **asked)).name
    for entry in trials.trials(store, name):
        small_project.end(store, entry.id, 0.9 - sum((u - 0.5) ** 2 for u in entry.u.values()))
    reviewing.review_batch(store, name)
    return name


def without_range(store: Store, *names: str) -> None:
    """Take ranges out of tunebook.toml."""
    listed = store.project.settings.hyperparameters
    changed = (OwnHyperparameter(entry.name, entry.default) if entry.name in names else entry for entry in listed)
    store.project = change(store.project, hyperparameters=tuple(changed))


def test_what_has_no_range_any_more_stays_as_it_is(tmp_path: Path) -> None:
    """A range that a person takes out of tunebook.toml is not searched, whatever the rounds searched before."""
    kept: Any = {"l2": "fixed"}
    with own_store(tmp_path, "lr=0.05..5", "l2=0.001..1") as opened:
        run_round(opened, 12)
        run_round(opened, 16, roles=kept)
        assert [d.name for d in final.plan(opened, 1).studies[0].dimensions] == ["lr", "l2"]
        without_range(opened, "l2")
        assert [d.name for d in final.plan(opened, 1).studies[0].dimensions] == ["lr"]
        without_range(opened, "lr", "l2")
        with pytest.raises(Refusal, match="what the rounds varied has no range any more"):
            final.plan(opened, 1)


def test_ranges_that_only_the_rounds_have_are_those_of_the_final_study(tmp_path: Path) -> None:
    """tunebook.toml has none: they were given with --range, and need not be given again."""
    given = {"lr": Domain("float", 0.05, 5.0, "log")}
    with own_store(tmp_path) as opened:
        without_range(opened, *(entry.name for entry in opened.project.settings.hyperparameters))
        run_round(opened, 20, ranges=given)
        plan = final.plan(opened, 1)
        assert {d.name: d.domain for d in plan.studies[0].dimensions} == given
        assert plan.origins["lr"].source.text() == "carried from round-1"


SMALL = (
    OwnHyperparameter("lr", 0.1, choices=(0.01, 0.03, 0.1, 0.3, 1.0), searched=True),
    OwnHyperparameter("depth", 2, "int", low=1, high=4, searched=True),
)


def small_space(folder: Path) -> Store:
    """A project of twenty configurations, the best of which is the baseline so far."""
    command = "true {lr} {depth} {seed} {folder}"
    settings = Settings(command=command, hyperparameters=SMALL, seed="seed", metric="accuracy", direction="max")
    store = open_store(create(folder, settings))
    small_project.adopt(store, {"lr": 0.1, "depth": 2})
    ended(store, "baseline-1")
    return store


def tried(store: Store, batch: str) -> list[tuple[float, int]]:
    """The configurations of a batch of the small space."""
    found = [trials.trial_settings(store, entry) for entry in trials.trials(store, batch)]
    return [(values["lr"], values["depth"]) for values in found]


def ended(store: Store, batch: str, data: str = "old", lower: float = 0.0) -> None:
    """All trials of a batch of the small space have ended."""
    for entry, (rate, depth) in zip(trials.trials(store, batch), tried(store, batch), strict=True):
        value = {"step": 1, "val/accuracy": 0.9 - 0.1 * abs(rate - 0.3) - 0.05 * abs(depth - 3) - lower}
        result = {"status": "complete", "best": value, "final": value, "data": data}
        trial_progress.mark_ended(store, entry.id, result | {"steps_done": 1, "code": "c", "versions": {}})


def test_of_a_small_space_nothing_is_tried_twice_and_there_the_study_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty configurations, of which a round has tried some: each of the others comes once, and no more come after
    them; what ran on other data is to be tried again."""
    with small_space(tmp_path / "p") as store:
        batch = planning.save(store, planning.propose(store, "minimise", trials=16))
        ended(store, batch.name)
        reviewing.review_batch(store, batch.name)
        before = {*tried(store, batch.name), *tried(store, "baseline-1")}
        study = final.start(store, 4, wanted="").name
        # What waits counts as well.
        told = final.extend(store, study, 20 - len(before))
        assert told is not None
        assert told.text().endswith(f"that were left to be tried: {16 - len(before)}. With these it ends.")
        assert len(tried(store, study)) == len(set(tried(store, study))) == 20 - len(before)
        assert not before & set(tried(store, study))
        ended(store, study)
        reviewing.review_batch(store, study)
        exhausted = "All 20 configurations of the final space have been tried."
        (found,) = [one for one in reviewing.review_batch(store, study) if one.check == "boundary"]
        assert found.message.text().endswith(exhausted)
        assert found.action is None
        for again in (lambda: final.extend(store, study), lambda: final.start(store)):
            with pytest.raises(Refusal) as refused:
                again()
            assert error_text(refused.value).startswith(f"{exhausted} There is nothing left to search: launch the best")
        capsys.readouterr()
        assert tunebook("round", "final", "--trials", "30", "--project", store.project.root) == 0
        assert capsys.readouterr().out.startswith(exhausted)
        ended(store, batch.name, "new")
        assert final.exhausted(store, study) is None


def test_where_the_rounds_have_exhausted_a_small_space_no_final_study_is_proposed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was the next step in every place, and its command refused it: all twenty configurations had been tried."""
    monkeypatch.setattr(reviewing, "noise", lambda *_: 0.01)
    monkeypatch.setattr(reviewing, "freedom", lambda *_: 30)
    monkeypatch.setattr("rounds.cost.now", lambda: "2026-03-01T12:00:00+00:00")
    rows = [{"lr": rate, "depth": depth} for rate in SMALL[0].choices for depth in (1, 2, 3, 4)]

    def a_round(values: list[dict[str, Any]], lower: float) -> None:
        name = by_hand.save(store, by_hand.propose(store, values)).name
        ended(store, name, lower=lower)
        reviewing.review_batch(store, name)
        with store.transaction():
            store.database.execute(
                "UPDATE trials SET started_at = ?, ended_at = ? WHERE batch = ?",
                ["2026-03-01T10:00:00+00:00", "2026-03-01T10:01:00+00:00", name],
            )

    with small_space(tmp_path / "p") as store:
        for values, lower in ((rows[:16], 0.0), (rows[:2], 0.1), (rows[2:4], 0.1)):
            a_round(values, lower)
        insights.confirm(store, "saturated/round-1")
        store.project = change(store.project, budget_hours=0.5)
        assert (phases.ending(store), standing(store).command) == ("final", "tunebook round final")
        a_round(rows[16:], 0.1)
        assert final.nothing_left(store) is not None
        assert phases.ending(store) == "exhausted"
        phase = phases.next_phase(store)
        assert phase is not None
        words = "nor has a final study. All 20 configurations of the final space have been tried. Launch the best of"
        assert words in phase.text()
        now = standing(store)
        assert (now.horizon.phase, now.command) == ("exhausted", "tunebook export DIR")
        assert "So there is no final study to begin. What is left is enough for" in now.next.text()
        capsys.readouterr()
        assert tunebook("status", "--project", store.project.root) == 0
        assert "All 20 configurations" in capsys.readouterr().out
        plan = planning.propose(store, "minimise", trials=20)
        assert [message.text() for message in outlook(store, plan, Machine(2)).short] == []
        # On other data all of it is to be tried again, and a wider range has more in it.
        ended(store, "round-4", "new")
        assert final.nothing_left(store) is None


def test_what_the_machine_killed_was_not_tried(tmp_path: Path) -> None:
    """That all had been tried was said with one that had never come to a result, and nothing proposed it any more."""
    with small_space(tmp_path / "p") as store:
        rows = [{"lr": rate, "depth": depth} for rate in SMALL[0].choices for depth in (1, 2, 3, 4)]
        name = by_hand.save(store, by_hand.propose(store, rows)).name
        ended(store, name)
        (study,) = planning.plan_of(store, name).studies
        assert untried.left(store, planning.propose(store, "minimise", trials=4)) == 0
        assert untried.everything(study, reviewing.records(store, name)) == 20
        last = {"best": {}, "final": {}, "steps_done": 0, "code": "c", "versions": {}, "data": "old"}
        for reason, left in (("out_of_memory", 0), ("killed", 1)):
            trial_progress.mark_ended(
                store, trials.trials(store, name)[-1].id, {"status": "failed", "reason": reason, **last}
            )
            assert untried.left(store, planning.propose(store, "minimise", trials=4)) == left
        assert untried.everything(study, reviewing.records(store, name)) is None


def test_a_round_in_a_small_space_is_told_what_it_repeats_and_its_review_asks_for_no_more_trials(
    tmp_path: Path,
) -> None:
    """Fifty trials of twenty configurations: the review proposed as many again, for a gain that was luck."""
    with small_space(tmp_path / "p") as store:

        def warned(goal: Any = "minimise", **asked: Any) -> list[str]:
            plan = planning.propose(store, goal, **asked)
            return [message.text() for message in plan.warnings if "configurations" in message.text()]

        assert warned(trials=19) == []
        # It was as dense as a grid of 7.1 each.
        told = designing.spread(planning.propose(store, "minimise", trials=50))
        assert list(told) == ["Study search: 50 trials in a space of 20 configurations"]
        assert warned(trials=50) == [
            "Of the 20 configurations of this space 19 have not been tried: at least 31 of the 50 trials repeat one."
        ]
        depths: Any = {"depth": Domain("list", choices=(1, 2))}
        assert warned("compare", scientific=depths, trials=10) == []
        repeated = (
            "Some studies have more trials than configurations, as depth=1 has 6 of 5: such trials repeat one another."
        )
        assert warned("compare", scientific=depths, trials=12) == [repeated]
        # Numbers with a fraction come to an end nowhere.
        assert warned(trials=50, ranges={"lr": Domain("float", 0.01, 1.0, "log")}) == []
        batch = planning.save(store, planning.propose(store, "minimise", trials=50))
        for place, entry in enumerate(trials.trials(store, batch.name)):
            value = {"step": 1, "val/accuracy": 0.5 + 0.01 * (place % 7) + 0.001 * place}
            trial_progress.mark_ended(
                store, entry.id, {"status": "complete", "best": value, "final": value, "steps_done": 1}
            )
        assert len({*tried(store, batch.name)}) == 20
        (found,) = [one for one in reviewing.review_batch(store, batch.name) if one.check == "points"]
        assert (found.verdict, found.action) == ("pass", None)
        words = "Study search: its 20 configurations have all been tried, in 50 trials. More would only repeat them"
        assert found.message.text().startswith(words)
        assert warned(trials=4)[0].startswith("All 20 configurations of this space have been tried: the round can only")


@pytest.mark.parametrize(("lead", "verdict"), [(0.5, "pass"), (0.05, "cannot tell")])
def test_values_of_one_run_each_are_told_apart_by_two_runs_of_what_is_in_use(
    tmp_path: Path, lead: float, verdict: str
) -> None:
    """Before any launch, and with few evaluations, the review said that only repeated runs could tell, however large
    the lead was: but the baseline and the trial of the value in use are such runs."""
    with small_space(tmp_path / "p") as store:
        depths: Any = {"depth": Domain("list", choices=(1, 2))}
        name = planning.save(
            store, planning.propose(store, "compare", scientific=depths, trials=2, roles={"lr": "fixed"})
        ).name
        for entry in trials.trials(store, name):
            # The baseline, of depth 2, came to 0.83.
            value = 0.81 if trials.trial_settings(store, entry)["depth"] == 2 else 0.83 - lead
            point = {"step": 1, "val/accuracy": value}
            result = {"status": "complete", "best": point, "final": point, "steps_done": 1}
            trial_progress.mark_ended(store, entry.id, result | {"data": "old", "code": "c", "versions": {}})
        found = {finding.check: finding for finding in reviewing.review_batch(store, name)}
        assert found["isolation"].verdict == verdict
        assert found["chance"].figures["launches"] == ["baseline-1", name]
        assert found["chance"].figures["unit"] == pytest.approx(0.02 / math.sqrt(2))
        # What goes by the noise alone does not go by so few runs.
        assert found["points"].figures.get("unit") is None


def test_a_trial_that_tries_once_more_what_the_round_began_with_is_no_candidate(tmp_path: Path) -> None:
    """It was ahead of its own former run, and its launch proposed and then refused: it is a run of what it tries."""
    with small_space(tmp_path / "p") as store:
        rows: list[dict[str, Any]] = [{"lr": 0.1, "depth": 2}, {"lr": 0.3, "depth": 2}, {"lr": 0.03, "depth": 1}]
        name = by_hand.save(store, by_hand.propose(store, rows)).name
        again, other, _last = (entry.id for entry in trials.trials(store, name))

        def gained(*values: float) -> Finding:
            for entry, value in zip(trials.trials(store, name), values, strict=True):
                point = {"step": 1, "val/accuracy": value}
                result = {"status": "complete", "best": point, "final": point, "steps_done": 1}
                trial_progress.mark_ended(store, entry.id, result | {"data": "old", "code": "c", "versions": {}})
            (found,) = [one for one in reviewing.review_batch(store, name) if one.check == "gain"]
            return found

        # The baseline came to 0.83: nobody chose either run for its result, and both count.
        found = gained(0.99, 0.95, 0.5)
        assert (found.action and found.action.payload["trial"], found.figures["runs"]) == (other, 2)
        assert found.figures["base"] == pytest.approx((0.83 + 0.99) / 2)
        assert launching.propose(store, name).trial == other
        assert standing(store).command == ""
        found = gained(0.99, 0.9, 0.5)
        assert (found.verdict, found.action and found.action.code) == ("warn", "narrow")
        assert found.message.text().startswith(f"No trial beats what the round began with: the best of 2, {other}")
        assert standing(store).now.text() == f"{name} has been reviewed: no trial beats the best configuration."
        with pytest.raises(Refusal, match=f"{again} is the best configuration itself"):
            launching.propose(store, name, again)
        alone = by_hand.save(store, by_hand.propose(store, rows[:1])).name
        ended(store, alone)
        reviewing.review_batch(store, alone)
        assert standing(store).next.text() == "Choose the goal of the next round."
