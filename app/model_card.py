"""The model card: what a success model is, what it learned from, and how far it can be trusted. Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from podhand.app.results import wilson_ci95
from podhand.planning.success import CATEGORIES, FEATURES
from podhand.planning.success_training import BAND, FOLDS, Interval, Judgement, Training


def model_card(name: str, digest: str, body: Mapping[str, Any], training: Training) -> str:
    """Return the card of a model file.

    Args:
        name: of the file.
        digest: SHA-256 by which the file vouches for itself.
        body: what the file says.
        training: how good it is.
    """
    return "\n".join(
        [*_about(name, digest, body, training), *_data(body), *_worth(training), *_reliability(body, training),
         *_inputs(body, training), *_limits(body)]
    ) + "\n"  # fmt: skip


def _about(name: str, digest: str, body: Mapping[str, Any], training: Training) -> Iterator[str]:
    use = "boosted trees (LightGBM, log-loss)" if body["use"] == "learned" else "counted rates (Beta-binomial)"
    yield f"# Model card: {name}"
    yield ""
    yield f"Predicts whether a stow succeeds, from what is known before anything moves. It answers with {use}"
    yield "and, where a stow is unlike all that it was trained on, with counted rates by way and shape."
    yield ""
    yield f"* Model: `{body['features_schema']}`, SHA-256 `{digest}`"
    yield f"* Data: SHA-256 `{body['data']['sha256']}`"
    yield f"* Trained {body['trained']} by podhand {body['podhand']}"
    if training.note:
        yield f"* No trees: {training.note}."
    yield ""


def _data(body: Mapping[str, Any]) -> Iterator[str]:
    data = body["data"]
    yield "## Data"
    yield f"{data['trials']} stows that were accepted, in {data['worlds']} simulated worlds:"
    yield ""
    yield "| folder | worlds of | code | stows | features from plan and catalogue | also in another folder, left out |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for source in body["sources"]:
        cells = (source[key] for key in ("folder", "world", "code", "accepted", "reconstructed", "duplicates"))
        yield f"| {' | '.join(map(str, cells))} |"
    yield ""
    yield "| way | shape | successes of stows |"
    yield "| --- | --- | --- |"
    for cell in body["counts"]:
        yield (
            f"| {cell['way']} | {cell['shape']} | {cell['successes']} of {cell['trials']}, "
            f"{rate_in_words(cell['successes'], cell['trials'])} |"
        )
    yield ""


def _worth(training: Training) -> Iterator[str]:
    yield "## Worth"
    yield "Every stow was predicted by a predictor that had not seen its world"
    yield f"({FOLDS}-fold cross-validation by world). 95 % intervals: bootstrap over worlds."
    yield ""
    yield f"| predictor | log-loss | Brier score | predicted {BAND[0]:.2f}–{BAND[1]:.2f} | calibration error there |"
    yield "| --- | --- | --- | --- | --- |"
    for name, judgement in training.judged.items():
        yield f"| {name} | {' | '.join(judgement_cells(judgement))} |"
    if training.gain:
        yield ""
        yield f"Log-loss of the counts less that of the trees: {in_words(training.gain)}; more than 0 is better."
    yield ""


def _reliability(body: Mapping[str, Any], training: Training) -> Iterator[str]:
    name = body["use"]
    yield f"## Reliability of {name}"
    yield "| predicted | stows | mean prediction | success (95 % Wilson interval) |"
    yield "| --- | --- | --- | --- |"
    for row in training.judged[name].table:
        yield (
            f"| {row['from']:.2f}–{row['to']:.2f} | {row['trials']} | {100 * row['mean_prediction']:.1f} % "
            f"| {rate_in_words(row['successes'], row['trials'])} |"
        )
    yield ""


def _inputs(body: Mapping[str, Any], training: Training) -> Iterator[str]:
    yield "## Inputs"
    yield "A stow outside of these ranges gets a counted rate."
    yield ""
    yield "| feature | in training | may be missing | share of the trees' gain |"
    yield "| --- | --- | --- | --- |"
    for feature in FEATURES:
        found = body["ranges"][feature]
        share = f"{100 * training.importance[feature]:.0f} %" if feature in training.importance else "–"
        yield f"| {feature} | {_range(feature, found)} | {'yes' if found['missing'] else 'no'} | {share} |"
    yield ""


def _range(feature: str, found: Mapping[str, Any]) -> str:
    if feature in CATEGORIES:
        return ", ".join(found["seen"]) or "none often enough"
    if found["low"] is None:
        return "never known"
    return f"{found['low']:.3g} … {found['high']:.3g}"


def _limits(body: Mapping[str, Any]) -> Iterator[str]:
    yield "## Limits"
    yield "* Simulated stows alone: no outcome of a real robot is in the data."
    yield "* It learned from stows that the rules had accepted, so it knows little of those that they refuse."
    yield "* When a behaviour of the stow changes, the data are of the past: record episodes and train anew."
    if any(source["reconstructed"] for source in body["sources"]):
        yield "* Older episodes recorded less; what they do not tell is missing in their features."


def judgement_cells(judgement: Judgement) -> tuple[str, str, str, str]:
    """Return log-loss, Brier score, number in the band and its calibration error, in words."""
    error = in_words(judgement.band_error) if judgement.band_error else "–"
    return (in_words(judgement.log_loss), in_words(judgement.brier), str(judgement.band_trials), error)


def in_words(interval: Interval) -> str:
    """Return a figure with its interval."""
    return f"{interval.value:.3f} ({interval.low:.3f} … {interval.high:.3f})"


def rate_in_words(successes: int, trials: int) -> str:
    """Return a success rate with its 95 % Wilson interval."""
    low, high = wilson_ci95(successes, trials)
    return f"{100 * successes / trials:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
