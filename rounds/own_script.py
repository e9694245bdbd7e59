"""What a review proposes to a script of the user's own: only what its command is given."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from presets.language import Message, say
from rounds.finding import Action, Finding
from rounds.plan import DesignError, RoundPlan
from rounds.roles import is_length
from rounds.steps import STEPS
from state import declared, pipeline, usual_names
from state.pipeline import BATCH_SIZE, Pipeline
from state.project import Project
from state.usual_names import BATCH_SIZES, CLIPS, DECAYS, RATES, SHARES, WARMUPS, called, leaf, names_optimizer

# What the built-in training can do by settings that another script need not have.
OF_THE_BUILT_IN = ("regularise", "stabilise", "steady", "validate_more", "stability_check")
# The parameters that help, by what is proposed.
HELPS = {
    "regularise": (*DECAYS, *SHARES),
    "stabilise": (*WARMUPS, *CLIPS, *RATES),
    "steady": BATCH_SIZES,
    "validate_more": BATCH_SIZES,
}
OF_LENGTH = ("more_steps", "fewer_steps")
# Names that mean nothing to optimizers with this in theirs.
WITHOUT = (
    (("momentum", "nesterov", "dampening"), "adam"),
    (("beta1", "beta2", "betas", "adam_beta1", "adam_beta2", "adam_epsilon", "eps", "epsilon", "amsgrad"), "sgd"),
)
# A range of learning rates that is so wide holds those of any optimizer (our judgement).
WIDE = 1e4


def possible(
    findings: Iterable[Finding],
    base: Mapping[str, Any],
    searched: Collection[str] = (),
    own: Pipeline | None = None,
    folder: str = ".",
) -> tuple[Finding, ...]:
    """The findings, of which none proposes what a command with these settings could not be told; what would help is
    said all the same. `searched`: what the round has searched; `own`: the command; `folder`:
    the project, as a command line names it."""
    beyond = OF_THE_BUILT_IN if STEPS in base else (*OF_THE_BUILT_IN, *OF_LENGTH)
    return tuple(
        finding
        if finding.action is None or finding.action.code not in beyond
        else replace(finding, message=_said(finding, finding.action, base, searched, own, folder), action=None)
        for finding in findings
    )


def refuse_ungiven(project: Project, base: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise DesignError for what the script takes and the command does not give it yet."""
    own = pipeline.of(project)
    unknown = [name for name in names if name not in base] if own else []
    taken = {argument.name for argument in declared.arguments(own)} if own and unknown else set()
    for name in unknown:
        if name in taken:
            raise DesignError(
                "Your script has the option {name}, and the command does not give it yet: tunebook new {folder} --set "
                "{name}=VALUE puts it in, or {name}=LOW..HIGH with a range; then comes the baseline again.",
                name=name,
                folder=shlex.quote(str(project.root)),
            )


def fixed_length(own: Pipeline | None, folder: str) -> Message | None:
    """How the length of a run is changed that the command says by a value of its own; None where it says none."""
    found = pipeline.fixed(own, (*usual_names.EPOCHS, *usual_names.STEPS)) if own else None
    if found is None:
        return None
    written, value, placed = found
    return say(
        "The command says it by {written}: change that in tunebook.toml (pipeline.command), or write {placed} there, "
        "and tunebook new {folder} --set {name}={value} gives it a value; then comes the baseline again.",
        written=written,
        placed=placed,
        name=placed.rpartition("{")[2].rstrip("}"),
        value=value,
        folder=folder,
    )


def said_by(base: Mapping[str, Any], folder: str) -> Message | None:
    """How the length of a run is changed that a placeholder of the command says, by another name than steps; None where
    none does."""
    lengths = [key for key in base if is_length(key)]
    if not lengths:
        return None
    return say(
        "How long a run is, {name} says in your command, and it is the same within a round: tunebook new {folder} "
        "--set {name}=VALUE gives another one; then comes the baseline again.",
        name=lengths[0],
        folder=folder,
    )


def one_rate_for_all(plan: RoundPlan) -> tuple[Message, ...]:
    """That optimizers which are compared search the learning rate in one narrow range: under the same name it is not
    the same hyperparameter (P3), and the best of one may lie far outside what suits another."""
    if not any(map(names_optimizer, plan.scientific)):
        return ()
    # Those of the catalogue have a range, and a name, for each optimizer.
    searched = [dimension for study in plan.studies for dimension in study.dimensions if leaf(dimension.key) in RATES]
    shared = {one.name: one.domain for one in searched if sum(one.name == other.name for other in searched) > 1}
    return tuple(
        say(
            "{name} has one range for all optimizers, {range}, where the rates of SGD are often a hundred times those "
            "of Adam: an optimizer whose best rate lies outside loses for that. Let the range hold what suits each of "
            "them (e on the page of the design, --range {name}=LOW..HIGH), or give each its own in tunebook.toml "
            "(stands_for).",
            name=name,
            range=str(domain),
        )
        for name, domain in shared.items()
        if domain.is_range and domain.low > 0 and domain.high / domain.low < WIDE
    )


def of_another_optimizer(plan: RoundPlan) -> tuple[Message, ...]:
    """That a hyperparameter is searched in the study of an optimizer to which it means nothing by its usual name: it
    takes of that study's trials, and chance gives it a part in the result."""
    found = []
    for key in filter(names_optimizer, plan.scientific):
        named = [(str(study.setting.get(key)), study) for study in plan.studies]
        for names, without in WITHOUT:
            lacking = {value for value, _study in named if without in value.lower()}
            having = ",".join(value for value, _study in named if value not in lacking)
            searched = {d.name for value, study in named if value in lacking for d in study.dimensions}
            found += [
                say(
                    "{name} is searched with {lacking} too, to which it means nothing in most scripts: trials and the "
                    "conclusion lose by that. If so in yours, write only_with = {condition} in tunebook.toml, where it "
                    "has {name}.",
                    name=name,
                    lacking=sorted(lacking),
                    condition=f'"{key}={having}"',
                )
                for name in sorted(searched)
                if having and leaf(name) in names
            ]
    return tuple(found)


def _about_length(finding: Finding, base: Mapping[str, Any], own: Pipeline | None, folder: str) -> Message:
    """How the length of a run is changed, which no round can do: by another name than steps, or not by the command."""
    if told := said_by(base, folder):
        return say("{first} {second}", first=finding.message, second=told)
    if how := fixed_length(own, folder):
        return say(
            "{finding} How long a run is, is fixed in your command. {how}",
            finding=finding.message,
            how=how,
        )
    declares = (argument.name for argument in declared.arguments(own)) if own else ()
    if option := next((name for name in declares if leaf(name) in (*usual_names.EPOCHS, *usual_names.STEPS)), None):
        return say(
            "{finding} How long a run is, your command does not say. Its script has the option {name}: tunebook new "
            "{folder} --set {name}=VALUE puts it in; then comes the baseline again.",
            finding=finding.message,
            name=option,
            folder=folder,
        )
    return say(
        "{finding} How long a run is, your command does not say. If its script has an option for it, tunebook new "
        "{folder} --set epochs=VALUE puts it in, by the name it has there; then comes the baseline again.",
        finding=finding.message,
        folder=folder,
    )


def _said(
    finding: Finding,
    action: Action,
    base: Mapping[str, Any],
    searched: Collection[str],
    own: Pipeline | None,
    folder: str,
) -> Message:
    if action.code in OF_LENGTH:
        return _about_length(finding, base, own, folder)
    helps = HELPS.get(action.code, ())
    known = sorted((key for key in base if called(key, helps)), key=lambda key: helps.index(called(key, helps)))
    told = {"finding": finding.message, "what": action.message}
    if sizes := [key for key in known if key == BATCH_SIZE]:
        return say(
            "{finding} What may help: {what} The batch size is decided, not searched: tunebook new {folder} "
            "--set {name}=VALUE gives another one; then comes the baseline again.",
            name=own.theirs(sizes[0]) if own else sizes[0],
            folder=folder,
            **told,
        )
    if left := [key for key in known if key not in searched]:
        return say(
            "{finding} What may help: {what} Your command takes {names}: search it in the next round, tunebook round "
            "plan --about {name}.",
            names=left,
            name=left[0],
            **told,
        )
    if known:
        return say(
            "{finding} What may help: {what} Of this your command takes {names} alone, which this round has searched; "
            "anything else is yours to change in the script.",
            names=known,
            **told,
        )
    return say(
        "{finding} The command has no parameter for what would help, so it is yours to change in the script: {what}",
        **told,
    )
