"""The guided tour: on each page a few sentences on what it is and why, where the person wants them.

The demonstration begins with it. A file in the project's folder says that it is on, so that it goes on where it was
left.
"""

from __future__ import annotations

from presets.language import Message, say
from state import files
from state.project import Project

FILE = "tour"

TEXTS: dict[str, Message] = {
    "home set-up": say(
        "A project begins with nine questions. Each shows what is known, what is recommended and why, and can be "
        "decided anew later: so enter, and enter again, is a good way to begin."
    ),
    "home goal": say(
        "Something works: the baseline. From here on four steps come again and again, small ones: a goal, a run, "
        "what is learnt, a launch. Enter plans the next round."
    ),
    "home run": say(
        "Trials are processes of their own: close the terminal if you like, and come back here later. Enter "
        "watches them."
    ),
    "home learn": say(
        "A round is over. Before any conclusion comes its review: whether its ranges and its points were enough "
        "to tell anything. Enter opens it."
    ),
    "home launch": say(
        "The best of many runs was also the luckiest. A launch runs it and the best configuration again with "
        "fresh seeds; only then may the best configuration change. Enter goes on."
    ),
    "setup data": say(
        "First the data are looked through: classes, splits, duplicates. A fault here would spoil whatever is "
        "built on it."
    ),
    "setup metric": say("One number decides what is better. It should be the one closest to what matters in the end."),
    "setup architecture": say(
        "Start from what is proven, and small: then you tune, and test no new idea of somebody, and a trial takes "
        "seconds."
    ),
    "setup weights": say(
        "Weights from elsewhere save training, where the images or texts they come from are like yours."
    ),
    "setup optimizer": say("Take the usual optimizer of the field, and tune few of its hyperparameters at first."),
    "setup batch_size": say(
        "The batch size decides how fast training is, and hardly how good it gets. So it is measured on this "
        "machine, and then left as it is."
    ),
    "setup initial": say("The first configuration is simple on purpose: what is added later must prove its worth."),
    "setup steps": say("As long as needed and as short as possible: many short trials teach more than few long ones."),
    "setup baseline": say("Whether it is any better than chance: without that, a search would only compare noise."),
    "design": say(
        "A round asks one question. Scientific: what it asks about. Nuisance: tuned along, or the comparison "
        "would not be fair. Fixed: what is found holds for this value only. s starts the round; w says why it is "
        "designed so."
    ),
    "round": say(
        "A line is a trial: a point of a quasi-random sequence, which covers the ranges evenly and can be gone on "
        "with. Tab leads to the curves; when all trials have ended, v reviews them."
    ),
    "review": say(
        "Ranges wide enough, points enough, few infeasible, curves that behave: what does not pass is mended "
        "first (a). What passes may be launched (l)."
    ),
    "insights": say(
        "This is what rounds are for: what they show beyond chance, in a sentence. What you keep shapes the next "
        "round: what matters is tuned along, what matters little is fixed."
    ),
    "launch": say(
        "The winner of a round was chosen for its luck as well. So both sides run with seeds that were never used "
        "(s); the verdict comes from these runs alone, and the decision (a, r or n) from you."
    ),
    "look": say(
        "Whatever helped to choose is no test any more. So the test split is kept for the end, and every look at it "
        "is counted."
    ),
    "decisions": say(
        "Every decision with its reason: in a month nobody remembers them. c decides one of the set-up anew."
    ),
    "export": say("What you leave with: each value with its reason, and the very code that trained it."),
}


def on(project: Project) -> bool:
    """Whether the tour is wanted in this project."""
    return (project.folder / FILE).exists()


def begin(project: Project) -> None:
    """Have the tour from now on."""
    files.write_atomically(project.folder / FILE, "on\n")


def end(project: Project) -> None:
    """Leave the tour; it can be taken up again."""
    (project.folder / FILE).unlink(missing_ok=True)
