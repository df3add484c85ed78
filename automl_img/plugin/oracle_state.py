"""What is saved of an oracle of keras-tuner: an entry for each of its trials, and one for all else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

REST, TRIAL = "oracle", "trial "  # an entry's name, and the beginning of the others'
#: Of an oracle's own state, what never changes here, and what each trial's entry holds of that trial.
CONSTANT = ("hyperparameters", "display")
OF_TRIALS = ("start_order", "end_order", "run_times", "tried_so_far", "id_to_hash")


class OracleState:
    """The state of an oracle in entries. A trial that has ended never changes again, so that only the last few are looked at.

    Args:
        oracle: A ``keras_tuner.Oracle``.
    """

    def __init__(self, oracle: Any) -> None:
        self._oracle = oracle
        self._seen = self._ended = 0
        self._open: list[str] = []

    def whole(self) -> dict[str, Any]:
        """Return all entries."""
        return self._entries(self._oracle.trials, 0)

    def changes(self) -> dict[str, Any]:
        """Return the entries that are new or others than at the last call."""
        trials = self._oracle.trials
        new = list(islice(reversed(trials), len(trials) - self._seen))[::-1]
        entries = self._entries([*self._open, *new], self._ended)
        self._open = [one for one in (*self._open, *new) if trials[one].status not in ("COMPLETED", "FAILED")]
        self._seen, self._ended = len(trials), len(self._oracle.end_order)
        return entries

    def _entries(self, trials: Iterable[str], ended: int) -> dict[str, Any]:
        oracle = self._oracle
        rest = {key: value for key, value in oracle.get_state().items() if key not in CONSTANT + OF_TRIALS}
        places = {trial: ended + place for place, trial in enumerate(oracle.end_order[ended:])}
        return {REST: rest, **{f"{TRIAL}{trial}": self._entry(trial, places.get(trial)) for trial in trials}}

    def _entry(self, trial_id: str, ended: int | None) -> dict[str, Any]:
        trial, oracle = self._oracle.trials[trial_id], self._oracle
        return {
            "values": trial.hyperparameters.values,
            "status": trial.status,
            "score": trial.score,
            "message": trial.message,
            "hash": oracle._id_to_hash.get(trial_id),
            "runs": oracle._run_times.get(trial_id, 0),
            "ended": ended,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Bring the oracle, which has its trials again, to where :meth:`whole` was taken."""
        trials = trials_of(state)
        ended = {saved["ended"]: trial for trial, saved in trials.items() if saved["ended"] is not None}
        hashes = {trial: saved["hash"] for trial, saved in trials.items() if saved["hash"] is not None}
        self._oracle.set_state(
            {
                **state[REST],
                "hyperparameters": self._oracle.hyperparameters.get_config(),
                "display": self._oracle._display.get_state(),
                "start_order": list(hashes),
                "end_order": [ended[place] for place in sorted(ended)],
                "run_times": {trial: saved["runs"] for trial, saved in trials.items() if saved["runs"]},
                "tried_so_far": hashes.values(),
                "id_to_hash": hashes,
            }
        )


def trials_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of trials, by the trials' names, in the order in which they were made."""
    return {name.removeprefix(TRIAL): entry for name, entry in state.items() if name.startswith(TRIAL)}
