# %% [markdown] tags=["slide"]
# # How good is it, and whose fault is it when it fails?
#
# You have talked with your model. It was charming once and absurd twice, and after ten minutes you had an opinion.
# Opinions are cheap. In this notebook, conversations that nothing has trained on put the same questions to your
# model, to an oracle, and to assistants that cheat. Every answer is marked exactly, because we know every picture. And
# where an answer is wrong, we find out **who** got it wrong: the eyes, the pen or the brush.
#
# ![A wish in words, the caption that the model wrote for it, and the picture that the painter drew from that caption.
# The caption is not quite the wish.](figures/hook_08.png)
#
# *The first wish of notebook 06's exam that went wrong in one run. Who is to blame? You will not have to guess.*

# %% [markdown] tags=["slide"]
# <!-- roadmap -->

# %% [markdown]
# ## What you will be able to do
#
# - **measure** a picture-and-word assistant exactly, with an interval beside every number;
# - **place** a score between an oracle and a cheat, so that it means something;
# - **attribute** every missing point to viewer, writer or painter, so that the shares add up;
# - **compare** two checkpoints on the same conversations and say whether the difference is real;
# - **show** what n-gram scores cannot see.

# %% [markdown]
# ## What you need
#
# Notebook 06 left three checkpoints in its folder; we use the one after stage 1 and the last. If 06 has not run here,
# a small trained model that ships stands in, and a banner says so. After a run with the profile `smoke` the model
# knows nothing and only a handful of conversations are held: every cell works, and no number means anything.
#
# <!-- cost-card -->

# %% tags=["parameters"]
profile: str = "laptop"  # smoke | laptop | gpu
seed: int = 0  # every random stream derives from it
run_dir: str = "runs/laptop"  # where this chain keeps its files; a relative path starts at the project's root
refresh: bool = False  # True: redo work that is already done

# %%
from collections import Counter
from fractions import Fraction
from itertools import permutations

import numpy as np

from tbcore.bench import paper
from tbcore.bench.attribution import MODULES, combos, shares, turns_right
from tbcore.bench.audit import audit
from tbcore.bench.controls import Blind, ExactPainter, Oracle, Told
from tbcore.bench.items import SPLITS, load_items
from tbcore.bench.metrics.intervals import difference, f1, share
from tbcore.bench.metrics.survival import half_life, survival
from tbcore.bench.metrics.table import METRICS
from tbcore.bench.mim import MIMContestant, shipped_painter
from tbcore.bench.outcomes import read_outcomes

# %%
from tbcore.bench.runner import Row, read_replies, run, run_rows
from tbcore.bench.suite import reference_rows
from tbcore.course import checks, figures, lesson, quizzes
from tbcore.model.decode import DecodeSettings
from tbcore.seeds import stream
from tbcore.store import read_json
from tbcore.train.build import load_model
from tbcore.world.captions import caption
from tbcore.world.render import render

# %%
# conversations: the suite, all rows, controls and faults, in other words, recorded ones
SIZES = {"smoke": ("lite", 4, 3, 2, 1), "laptop": ("lite", 60, 20, 24, 8), "gpu": ("full", 500, 120, 60, 46)}
suite, n_items, n_few, n_other, n_recorded = SIZES[profile]

step = lesson.open(
    "08_evaluation",
    profile=profile,
    seed=seed,
    run_dir=run_dir,
    refresh=refresh,
    params={"suite": suite, "items": n_items, "few": n_few, "other words": n_other, "recorded": n_recorded},
)
p = step.profile
trained = step.upstream("06_training")

# %%
room = min(p.max_new_tokens, 48)  # tokens of one reply, its caption included


def spread(ones, n):
    """n of them, evenly from all over the list."""
    n = min(n, len(ones))
    return [ones[k * len(ones) // n] for k in range(n)]


everyone = load_items(suite)
items = spread(everyone, n_items)
few = spread(items, n_few)
other_words = spread(load_items("paraphrase"), n_other)
print(f"{len(items)} conversations, {sum(len(item.exchanges) for item in items)} replies; {len(few)} for the controls")

# %% [markdown]
# ## Frozen conversations
#
# The conversations are a file with a checksum. Two people who compare numbers must compare them on the same questions,
# or they compare nothing. Here is one of them: what the user says, and below each line what every right answer must
# contain, a scene to draw or some facts to state.

# %%
item = next(one for one in everyone if len(one.exchanges) >= 3 and any(e.expect.draws for e in one.exchanges))
shown = list(item.scenes)
for exchange in item.exchanges:
    asked = "".join(part if isinstance(part, str) else "[picture]" for part in exchange.asked)
    wanted = exchange.expect.scene
    print(f"user: {asked}\n   {exchange.expect.kind}: {caption(wanted) if wanted else exchange.expect.facts}")

# %%
checks.show(
    figures.gallery([render(scene) for scene in shown], [caption(scene) for scene in shown]),
    alt=f"The pictures of one conversation, shown by the user or to be drawn: {'; '.join(map(caption, shown))}.",
)

# %%
for split, what in SPLITS.items():
    print(f"{sum(one.split == split for one in [*everyone, *other_words]):4}  {split:10} {what}")
kinds = Counter(e.expect.kind for one in everyone for e in one.exchanges)
print(dict(kinds.most_common()))

# %% [markdown]
# A reply is **right** if everything is: where a picture is wanted, exactly one is drawn and an exact reader finds
# exactly the wanted scene in it; where words are wanted, they state the facts, and nothing is drawn. No second model
# judges, and nobody is asked for an opinion.
#
# ## First the people who cheat
#
# A score of your model alone says nothing. So before it may speak, we ask assistants that need no model. The oracle
# knows all answers; if it does not reach the top, the *benchmark* is broken. The others know nothing, each in its own
# way: one gives the most frequent answer to each kind of question, one draws the last caption again, one never draws,
# one always does.

# %%
cheats = {row.name: read_outcomes(everyone, run(everyone, row)) for row in reference_rows(everyone, None)}
columns = ("turn_em", "when_to_draw_f1", "picture_em", "perception_uploads", "limits_f1")


def line(name, outcomes):
    """One row of the table: percent, with 95 % intervals."""
    cells = []
    for metric in columns:
        one = METRICS[metric](outcomes)
        cells.append("-" if one.value is None else f"{one.value:.0%} ({one.low:.0%}..{one.high:.0%})")
    print(f"{name:20}" + "".join(f"{cell:>20}" for cell in cells))


print(" " * 20 + "".join(f"{metric:>20}" for metric in columns))
for name, outcomes in cheats.items():
    line(name, outcomes)

# %%
oracle = share("right", cheats["all oracle"], lambda one: one.right)
step.result("08.oracle", oracle.value)
assert checks.within("08.oracle", oracle.value)

# %% [markdown]
# Look at *always draw* in the second column. It never understands a word, and still its F1 is not small. And *best
# guess* answers some of the questions about pictures without seeing one. Whatever your model gets, subtract that in
# your mind.
#
# **Exercise 08.1 (warm-up, 2 minutes).** How is that F1 computed? You get, for each reply, whether a picture was
# wanted and whether one was drawn. F1 is twice what was found, divided by twice what was found plus what was drawn for
# nothing plus what was missed.


# %% tags=["exercise"]
def draw_f1(wanted, drew):
    """F1 of drawing where a picture is wanted."""
    answer = None
    # solution
    found = sum(w and d for w, d in zip(wanted, drew, strict=True))
    answer = 2 * found / (sum(wanted) + sum(drew))
    # end solution
    return answer


# %% tags=["check"]
checks.check("08.1", draw_f1)

# %% [markdown]
# <details><summary>A hint</summary>
#
# What was wanted is what was found plus what was missed. So the denominator is simply: how many were wanted plus how
# many were drawn.
#
# </details>
#
# ## How sure is a number?
#
# With so few conversations, luck plays along. How much? Draw the conversations again, with repetition, compute the
# score again, and see how it moves. That is the **bootstrap**. One thing must not be overlooked: *whole conversations*
# are drawn, not replies. A picture that goes wrong in the first exchange spoils the second and the third, so three
# replies are not three independent witnesses.


# %%
def bootstrap(outcomes, draws=4000):
    """The 95 % interval of the share of right replies."""
    rights = {}
    for one in outcomes:
        rights.setdefault(one.item, []).append(one.right)
    counts = np.array([(sum(verdicts), len(verdicts)) for verdicts in rights.values()])
    picks = stream(seed, "bootstrap by hand").integers(len(counts), size=(draws, len(counts)))
    sums = counts[picks].sum(axis=1)
    return np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])


# %%
by_hand = bootstrap(cheats["copy last caption"])
packaged = share("right", cheats["copy last caption"], lambda one: one.right)
print(f"by hand {by_hand[0]:.3f}..{by_hand[1]:.3f}, tbcore {packaged.low:.3f}..{packaged.high:.3f}")
assert np.allclose(by_hand, [packaged.low, packaged.high], atol=0.02)

# %% [markdown]
# Two sets of random draws, nearly the same ends. From here on `tbcore.bench` does it, for every measure.
#
# **Exercise 08.2.** Write it yourself, for verdicts in lists, one list per conversation. Mind the lengths: a long
# conversation carries more replies.


# %% tags=["exercise"]
def interval(right, rng):
    """Low and high end of 95 %: of the share of right replies, whole conversations drawn again."""
    answer = None
    # solution
    counts = np.array([(sum(verdicts), len(verdicts)) for verdicts in right])
    sums = counts[rng.integers(len(counts), size=(1000, len(counts)))].sum(axis=1)
    answer = tuple(np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975]))
    # end solution
    return answer


# %% tags=["check"]
checks.check("08.2", interval)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. `rng.integers(n, size=n)` draws n conversations with repetition.
# 2. Add up right replies and all replies of what you drew, and divide at the very end.
#
# </details>
#
# ## Your model, please
#
# Writing is slow, token after token. But a computer that multiplies one row by a matrix can multiply sixty for not much
# more. So all conversations go **in step**: the first question of everybody, then the second of everybody, each after
# the assistant's *own* first answer. It must live with what it has drawn. And whatever asks the *same* model, seeing or
# blind, goes in the same step: `run_rows` takes several rows of our table at once.
#
# Nothing is read twice. What was read stays in memory (keys and values, column by column), and is found again by
# what stands in the columns. So the second question costs only itself. Two rows that begin alike share their
# beginning, and a caption that was written once is not written again for another brush.
#
# Every reply goes to disk at once. Interrupt the cell, run it again, and it goes on where it stopped.

# %%
loaded = {}


def painter():
    """The shipped painter, loaded once."""
    if "painter" not in loaded:
        loaded["painter"] = shipped_painter(p.painter_steps)
    return loaded["painter"]


def assistant(checkpoint):
    """A model of notebook 06, ready to be asked."""
    if checkpoint not in loaded:
        model, processor = load_model(trained / checkpoint)
        if model.config.lora is not None:
            model.merge_lora()  # the same numbers, fewer multiplications
        settings = DecodeSettings(max_tokens=room, max_pictures=p.max_pictures, seed=seed)
        loaded[checkpoint] = MIMContestant(model, processor, painter(), settings=settings)
    return loaded[checkpoint]


# %%
def hold(path):
    """All conversations that need a model or the painter; each row keeps its replies in its own folder."""
    model = assistant("checkpoint")
    exact = model.drawing_with(ExactPainter())
    together = {
        "the model": (items, model),
        "other words": (other_words, model),
        "blind": (few, Blind(model)),
        "pictures told": (few, Told(model, few)),
        "exact painter": (items, exact),
        "told, exact painter": (few, Told(exact, few)),
    }

    def tell(name, done, total):
        if done == total:
            print(f"{name}: all {total} replies", flush=True)

    run_rows([Row(chosen, row, path / name) for name, (chosen, row) in together.items()], watch=tell)
    run(items, Oracle(items, painter()), path / "oracle words")
    run(few, assistant("aligned"), path / "after stage 1")


# %%
replies = step.folder("replies", hold)
held = dict.fromkeys(("the model", "exact painter", "oracle words"), items) | {"other words": other_words}
held |= dict.fromkeys(("blind", "pictures told", "told, exact painter", "after stage 1"), few)
rows = {name: read_outcomes(chosen, read_replies(replies / name)) for name, chosen in held.items()}
mine = rows["the model"]

print(" " * 20 + "".join(f"{metric:>20}" for metric in columns))
for name, outcomes in {**cheats, **rows}.items():
    line(name, outcomes)

# %% [markdown]
# Most of the new rows are your model with one thing exchanged. *Exact painter*: your model writes, and a perfect brush
# draws what it writes. *Oracle words*: the true caption, your real painter. *Blind*: your model behind grey cards.
# *Pictures told*: it gets every picture in true words, in brackets. *After stage 1* is the same model before it learned
# manners. And *other words* is your model as it is, asked what it knows in a language that it does not: of that below.

# %% tags=["slide"]
measures = {"whole reply": "turn_em", "when to draw": "when_to_draw_f1", "caption": "caption_em"}
measures |= {"picture": "picture_em", "picture = caption": "faithfulness", "seen": "perception_uploads"}
compared = {"the model": mine, "exact painter": rows["exact painter"], "oracle words": rows["oracle words"]}
figure, grid = figures.axes(width=9, height=4)
for k, (name, outcomes) in enumerate(compared.items()):
    found = [METRICS[metric](outcomes) for metric in measures.values()]
    values = np.array([np.nan if one.value is None else one.value for one in found])
    ends = np.array([(0, 0) if one.value is None else (one.value - one.low, one.high - one.value) for one in found]).T
    at = np.arange(len(measures)) + 0.27 * (k - 1)
    grid[0, 0].bar(at, values, 0.25, color=figures.PALETTE[k], hatch=("", "//", "..")[k], edgecolor="white", label=name)
    grid[0, 0].errorbar(at, values, yerr=ends.clip(0), fmt="none", ecolor="black", capsize=3)
grid[0, 0].set_xticks(range(len(measures)), list(measures), rotation=15)
grid[0, 0].set(ylabel="share right, 95 % interval", ylim=(0, 1.05))
grid[0, 0].legend()
told = "; ".join(f"{name} {METRICS['turn_em'](outcomes).value:.0%}" for name, outcomes in compared.items())
checks.show(figure, alt=f"Six measures with intervals for the model and its repaired versions. Whole replies: {told}.")

# %% [markdown] tags=["slide"]
# Read the figure from right to left. *Seen* is what it says about your pictures. *Picture = caption* asks only the
# painter: does the drawing show what its own caption says? *Picture* asks for the whole chain. Where two error bars
# overlap widely, say "I do not know which is better", and mean it.
#
# Does it look at all? The same conversations with eyes and without:


# %%
def seen_right(one):
    """Whether words about a picture are right; None where no picture is meant, or one is to be drawn."""
    return None if one.exchange.reference is None or one.draws else (float(one.text_right), 1.0)


some = [one for one in mine if one.item in {item.id for item in few}]
looking = difference("seeing minus blind", some, rows["blind"], seen_right)
if looking.value is not None:
    print(f"{looking.metric}: {looking.value:+.1%} ({looking.low:+.1%}..{looking.high:+.1%}), {looking.n} replies")

# %% [markdown]
# ## The same tasks in other words
#
# The conversations so far speak like those of training. Ours teach "Where is this?"; a guest may ask "If I stepped into
# this card, where would I end up?". The split *paraphrase* asks for the same things, about unseen scenes, and **no
# wording of it occurs in training**. To compare like with like, we take from the other rows only the conversations in
# training's words, and of both only what both ask: describe, ask, draw, edit.

# %%
known = [one for one in mine if one.split == "iid" and one.kind in {other.kind for other in rows["other words"]}]
for kind in sorted({one.kind for one in known}):
    for name, outcomes in (("training's words", known), ("other words", rows["other words"])):
        one = share("right", [each for each in outcomes if each.kind == kind], lambda one: one.right)
        if one.value is not None:
            print(f"{kind:10} {name:18} {one.value:5.0%} ({one.low:.0%}..{one.high:.0%}), {one.n} replies")

# %% [markdown]
# Where the second line of a pair is clearly lower, the model has learned *phrases* along with pictures. That is no
# surprise: its two thousand conversations come from one simulator. It is also the cheapest thing to cure, for other
# wordings can be written without a single new picture, and that is what the paper's teacher was for.
#
# ## Words, or vectors: the other interface
#
# Every row above draws by *writing*. Notebook 06 also taught a **query head**, which tells the same painter in vectors
# what to draw, and let both draw the same held-out requests. Here is the comparison as a row of our table, with
# intervals:

# %%
both = read_json(trained / "query_head" / "scores.json") if (trained / "query_head" / "scores.json").is_file() else {}
for name, one in both.items():
    e = one["exact"]
    share_of = f"{e['value']:.0%} ({e['low']:.0%}..{e['high']:.0%}) of {e['total']}"
    print(f"{name:12} pictures exact {share_of:24} error of what the painter is told: {one['error']:.2f}")
if not both:
    print("notebook 06 left no query head here: run it to its end")

# %% [markdown]
# What the error says: 0 is telling the painter exactly what the true caption tells it, 1 is telling it the same for
# every picture. The head had seconds of practice where captions had all of stage 2, so the gap is no verdict on vectors
# as such. The lesson is another. When the caption row fails, you *read* the caption and know whether to blame the
# writer or the painter; when the head fails, there is nothing to read. The whole next part of this notebook works for
# the first row only.
#
# ## Failures, with pictures
#
# Numbers say how much; only examples say *what*. We sort every wrong reply by the first link of the chain that broke:


# %%
def culprit(one):
    """The first link that broke."""
    if one.right:
        return "right"
    if not one.draws:
        return "drew for nothing" if one.seen else "wrong words"
    if not one.seen:
        return "drew nothing"
    if not one.source_right:
        return "built on an earlier mistake"
    if not one.caption_right:
        return "wrong caption"
    return "right caption, wrong picture" if not one.picture_right else "wrong words"


# %%
blame = Counter(culprit(one) for one in mine)
for name, n in blame.most_common():
    print(f"{n:4}  {name}")

# %% tags=["slide"]
answers = read_replies(replies / "the model")
missed = [one for one in mine if one.draws and one.seen and not one.right] or [one for one in mine if one.draws]
chosen, pictures, titles = missed[:: max(1, len(missed) // 6)][:6], [], []
for one in chosen:
    drawings = answers[one.item, one.turn].drawings
    pictures += [render(one.wanted), drawings[0].picture if drawings else np.full((64, 64, 3), 128, np.uint8)]
    titles += [f"wanted: {caption(one.wanted)}", f"{culprit(one)}: {one.captions[0] if drawings else '-'}"]
checks.show(
    figures.gallery(pictures, titles, columns=4, size=2.4),
    alt=f"Wanted and drawn, side by side, where they differ. {' | '.join(titles[1::2])}",
)

# %% [markdown] tags=["slide"]
# If the same culprit stands below most pictures, you know where to work. If a caption is nearly right, with one thing
# in the wrong place, that is another lesson than a caption of another world.
#
# ## How long does it last?
#
# A conversation is only as good as its worst reply. What share of them is still without a mistake after the first
# exchange, the second, the third? This is a survival curve (Kaplan and Meier): a conversation that ends before its
# first mistake leaves the count, and is held against nobody.

# %% tags=["slide"]
figure, grid = figures.axes(width=7, height=3.5)
for k, name in enumerate(compared):
    curve = survival(compared[name])
    turns = np.arange(len(curve) + 1)
    low, high = ([1.0, *(getattr(one, end) for one in curve)] for end in ("low", "high"))
    values = [1.0, *(one.value for one in curve)]
    grid[0, 0].step(turns, values, where="post", color=figures.PALETTE[k], linestyle=("-", "--", ":")[k], label=name)
    grid[0, 0].fill_between(turns, low, high, step="post", color=figures.PALETTE[k], alpha=0.12)
grid[0, 0].set(xlabel="exchanges", ylabel="share without a mistake", ylim=(0, 1.05))
grid[0, 0].legend()
lives = {name: half_life(outcomes).value for name, outcomes in compared.items()}
told = "; ".join(f"{name}: half are gone after {value:.1f} exchanges" for name, value in lives.items())
checks.show(figure, alt=f"Share of conversations without a mistake, by exchange. {told}.")

# %% [markdown]
# ## Whose fault is it?
#
# The list of culprits above blames the *first* broken link and acquits all later ones. That is unfair: a bad painter
# hides behind a bad writer. So we repair the three modules, one by one and together, and look what each repair gains:
#
# | module | replaced by |
# |---|---|
# | viewer | the true state of each picture, in words |
# | writer | the true reply and caption |
# | painter | an exact renderer |
#
# There are eight combinations, and each of them has been held above: whoever knows what to write needs no eyes, so
# with the writer repaired, the viewer's repair changes nothing. The gain of a repair depends on what was repaired
# before, so take the **mean over all six orders** (Shapley, 1953). Then the three shares add up to exactly what is
# missing from perfection. This can only be done because writer and painter meet in *words*; in a model that paints from
# hidden vectors, such as the query head, nobody can stand between the two.


# %%
already = {
    (): mine,
    ("painter",): rows["exact painter"],
    ("viewer",): rows["pictures told"],
    ("painter", "viewer"): rows["told, exact painter"],
    ("writer",): rows["oracle words"],
    ("painter", "writer"): cheats["all oracle"],
}
asked, scores = {item.id for item in few}, {}
for repaired in combos():
    idle = {"viewer"} if "writer" in repaired else set()
    outcomes = already[tuple(sorted(repaired - idle))]
    scores[repaired] = turns_right([one for one in outcomes if one.item in asked])
for repaired in combos():
    print(f"{'+'.join(sorted(repaired)) or 'nothing repaired':24} {float(scores[repaired]):6.1%}")

# %%
orders = list(permutations(MODULES))
gains = dict.fromkeys(MODULES, Fraction(0))
for order in orders:
    for k, module in enumerate(order):
        before, after = frozenset(order[:k]), frozenset(order[: k + 1])
        gains[module] += (scores[after] - scores[before]) / len(orders)

assert gains == shares(scores)
missing = 1 - scores[frozenset()]
assert sum(gains.values()) == missing
print(f"missing from perfection: {float(missing):.1%} =", {module: f"{float(g):.1%}" for module, g in gains.items()})

# %% tags=["slide"]
figure, grid = figures.axes(width=7, height=2.4)
grid[0, 0].barh(list(gains), [float(gain) for gain in gains.values()], color=figures.PALETTE[:3])
grid[0, 0].axvline(0, color="black", linewidth=1)
grid[0, 0].set_xlabel("share of all replies lost through it")
grid[0, 0].invert_yaxis()
worst = max(gains, key=gains.get)
checks.show(figure, alt=f"The {worst} loses most: {float(gains[worst]):.0%} of all replies, of {float(missing):.0%}.")

# %% [markdown] tags=["slide"]
# Exact fractions, so the sum is equal, not nearly equal. The counts behind them are still a sample: on so few
# conversations some points are luck. And one caution. A repaired viewer gives the model **words in brackets** where
# it used to get vectors, a shape it never met in training. If the viewer's share is small or even negative, this may
# be why: the cure is a medicine the patient cannot swallow.
#
# ## Two checkpoints
#
# Did stage 2 help? Both checkpoints answered the same conversations, so we compare them **pairwise**: draw
# conversations again, and compute the *difference* each time. Hard conversations are hard for both, and that part of
# the luck cancels.


# %%
def wins(outcomes):
    """Share of right replies, each conversation alone."""
    return share("right", outcomes, lambda one: one.right)


now, before = wins(some), wins(rows["after stage 1"])
gain = difference("stage 2 minus stage 1", some, rows["after stage 1"], lambda one: (float(one.right), 1.0))
print(f"after stage 2: {now.value:.1%} ({now.low:.1%}..{now.high:.1%})")
print(f"after stage 1: {before.value:.1%} ({before.low:.1%}..{before.high:.1%})")
print(f"difference:    {gain.value:+.1%} ({gain.low:+.1%}..{gain.high:+.1%})")
print("real" if gain.low > 0 else "not proven on so few conversations")

# %% [markdown]
# If the interval of the difference holds zero, the honest sentence is "not proven", even if the mean looks fine. More
# conversations would narrow it: four times as many for half the width.
#
# But ask what stage 2 was *for*. It taught manners, above all to open a picture where one is due, and stage 1 never saw
# a drawing of its own. So compare what should have changed:


# %%
def drawn(one):
    """Found, drawn for nothing, missed: the three counts of F1."""
    drew = bool(one.seen)
    return float(drew and one.draws), float(drew and not one.draws), float(one.draws and not drew)


manners = difference("F1 of when to draw", some, rows["after stage 1"], drawn, f1)
signal = manners.low is not None and manners.low > 0
print(f"{manners.metric}: {manners.value:+.1%} ({manners.low:+.1%}..{manners.high:+.1%})")
print("stage 2 taught it when to draw" if signal else "not proven: was stage 2 long enough?")

# %% [markdown]
# This is the signal of training that this notebook looks for. One number can stand still while another leaps; choose
# *before* you look which one answers your question, or you will always find one that pleases you.
#
# ## What the paper measured
#
# The paper had no world with known states. It compared replies with recorded ones: BLEU and ROUGE count common word
# groups, CLIP similarity compares pictures (TextBind, Li et al., Findings of ACL 2024, arXiv 2309.08637, the section on
# evaluation). Let us do the same, on recorded conversations that nothing trained on. As a yardstick, a cheat: the
# recorded reply of *somebody else's* conversation.


# %%
def compare_recorded():
    """Replies after recorded histories, and the scores."""
    pairs = paper.ask_recorded(spread(paper.held_out_recordings(), n_recorded), assistant("checkpoint"))
    given, recorded = [one.given.text for one in pairs], [one.recorded for one in pairs]
    likeness = [one.to_json() for one in paper.picture_similarity(pairs, paper.tower_embedding(), seed=seed)]
    scored = {"the model": paper.text_scores(given, recorded)}
    scored["somebody else's reply"] = paper.text_scores(recorded[1:] + recorded[:1], recorded)
    return {"given": given, "recorded": recorded, "scores": scored, "likeness": likeness}


# %%
written = step.make("recorded.json", compare_recorded)
for name, found in written["scores"].items():
    print(f"{name:24}" + "".join(f"{metric:>10} {value:6.2f}" for metric, value in found.items()))
for one in written["likeness"]:
    if one["value"] is not None:
        print(f"{one['metric']:24} {one['value']:.2f} ({one['low']:.2f}..{one['high']:.2f}), n={one['n']}")
print(f"recorded: {written['recorded'][0]}\ngiven:    {written['given'][0]}")

# %% [markdown]
# Is that good? Nobody can say. There are many ways to answer well, and only one of them was recorded. And it is worse
# than imprecise. Here is a question, "Where is the fox?", one reference, and three replies:

# %%
missed_by = paper.what_they_miss()
print(f"reference: {missed_by[0]['reference']}")
for one in missed_by:
    print(f"BLEU-2 {one['bleu_2']:5.1f}  ROUGE-L {one['rouge_l']:.2f}  right: {one['right']!s:6} {one['reply']}")
assert missed_by[0]["bleu_2"] == missed_by[1]["bleu_2"]
assert missed_by[0]["right"] != missed_by[1]["right"]

# %% [markdown]
# The first two have *the same* score in every n-gram measure. One is right, the other speaks of an apple. The third is
# right in its own words, and scores worst. No amount of averaging repairs this: it is not noise, it is another
# question. N-grams ask "does it sound like the record?", and we wanted to know "is it true?".
#
# ## Could it have been known before?
#
# A benchmark leaks in three ways: its pictures were trained on, its answers can be guessed from the question, or one
# answer is right most of the time. So we test the *test*. The guesser below is a small model of words alone, trained
# on the benchmark's own questions in folds, which is as unfair as one can be.

# %%
report = step.make("audit.json", lambda: audit(load_items("full"), dialogues=400, pictures=400, seed=seed))
guess = report["guessable from words"]
print("scenes that occur in training:", report["scenes that occur in training"], "of", report["distinct scenes"])
print("pictures nearly as in training:", report["near-duplicate pictures"])
print({name: round(value, 2) for name, value in report["balance"].items()})
print(f"guessed from words: {guess['accuracy']:.1%}; best fixed answers: {guess['chance']:.1%}; n={guess['n']}")
step.result("08.leaked_scenes", report["scenes that occur in training"])
assert checks.within("08.leaked_scenes", report["scenes that occur in training"])

# %% [markdown]
# Scenes that occur in training must be none, and are none. The guesser should not beat the best fixed answers. "Yes" is
# rarer than "no" in the conversations; only the pairs of probes are balanced. Keep that in mind for the last exercise.
#
# **Exercise 08.3 (open).** Cheat! Write an assistant that never sees a picture: it gets the user's words, with
# `[picture]` where a picture stands, and answers with a sentence. It is asked where *no drawing* is wanted, in the
# conversations outside the small suite. At least one reply in five must be right. What you find is the floor that
# every honest model has to rise from.


# %% tags=["exercise"]
def cheat(text):
    """A sentence that is right as often as possible, without looking."""
    answer = None
    # solution
    opening = text.strip().lower().split()[0]
    asks = opening in ("draw", "make", "paint", "show", "can", "please", "could", "would")
    answer = "I cannot draw that." if asks and "[picture]" not in text else "No."
    # end solution
    return answer


# %% tags=["check"]
checks.check("08.3", cheat)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. Print `exchange.asked` and `exchange.expect.kind` for everything in `everyone` that wants no drawing.
# 2. Small talk is forgiving, yes/no questions have a favourite, and some requests cannot be granted at all.
#
# </details>
#
# ## The numbers that go on

# %%
numbers = {name: METRICS[metric](mine) for name, metric in {
    "08.turn_right": "turn_em", "08.when_to_draw": "when_to_draw_f1", "08.caption_right": "caption_em",
    "08.picture_right": "picture_em", "08.faithful": "faithfulness", "08.seen": "perception_uploads",
}.items()}  # fmt: skip
numbers["08.painter_alone"] = METRICS["picture_em"](rows["oracle words"])
numbers |= {"08.training_words": wins(known), "08.other_words": wins(rows["other words"])}
numbers |= {
    "08.seeing_minus_blind": looking,
    "08.stage_gain": gain,
    "08.draw_gain": manners,
    "08.half_life": half_life(mine),
}
for name, one in numbers.items():
    if one.value is not None:
        step.result(name, one.value)
        checks.within(name, one.value)
for module in MODULES:
    step.result(f"08.fault_{module}", float(gains[module]))
for metric, value in written["scores"]["the model"].items():
    step.result(f"08.{metric}", value)
if both:
    step.result("08.query_head", both["query head"]["exact"]["value"])
step.close()

# %% [markdown] tags=["slide"]
# ## What these numbers do not say
#
# The world is closed, its vocabulary small and its art flat. A high score here says that the *method* works: that the
# seam carries, that captions travel, that a picture can be drawn where it is wanted. It says nothing about
# photographs. And one training run is one training run: with another seed the numbers move, so `make bench` with three
# seeds is what a table in a paper would rest on.
#
# ## Recap
#
# - You held frozen conversations in step, and marked each reply exactly.
# - You placed your model between an oracle and four cheats.
# - You drew whole conversations again, because replies of one conversation stand or fall together.
# - You asked for the same things in other words, and compared like with like.
# - You shared the blame among viewer, writer and painter, and the shares added up.
# - You compared two checkpoints in pairs, and you know when to say "not proven".
# - You saw two replies with equal BLEU, one of them wrong.
#
# ## Quiz

# %% tags=["quiz"]
quizzes.show("08")

# %% [markdown]
# ## Troubleshooting
#
# <details><summary><code>run.json: settings must be ... to go on with this run</code></summary>
#
# The folder holds replies of another contestant, other items or other settings. Run with `refresh=True`, or delete
# the folder that the message names.
#
# </details>
#
# <details><summary><code>.../mim.json: there is no checkpoint here. Train a model first (notebook 06).</code></summary>
#
# Notebook 06 has not finished in this run folder. Run it, or `make run`, which takes up where it stopped. The
# cheats, the bootstrap and the n-gram page need no model.
#
# </details>
#
# <details><summary>It takes much longer than the cost card says</summary>
#
# Something else uses the processor. Nothing is lost by stopping: replies are on disk, and the cell goes on.
#
# </details>
#
# ## Further reading
#
# - Li et al., *TextBind*, [arXiv 2309.08637](https://arxiv.org/abs/2309.08637): the section on evaluation.
# - Efron and Tibshirani, *An Introduction to the Bootstrap* (1993): the chapter on what to draw again.
# - Rohrbach et al., *Object Hallucination in Image Captioning*, [arXiv 1809.02156](https://arxiv.org/abs/1809.02156).
# - Post, *A Call for Clarity in Reporting BLEU Scores*, [arXiv 1804.08771](https://arxiv.org/abs/1804.08771).
# - The package `tbcore/bench/`: ten measures, each a function of what was wanted, said and drawn.
#
# **Next:** you know the weakest link. Go back to the notebook that made it, change one thing, and come here again.
