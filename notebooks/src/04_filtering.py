# %% [markdown] tags=["slide"]
# # Reasons to say no
#
# A strong teacher wrote our conversations, and most of them are lovely. A few would do harm: no picture in them, two
# people speaking with one mouth, a caption that was changed on the way. Eight short rules find such faults, and each
# can say exactly where. One of them also lets a *left* become a *right*. We catch it in the act.
#
# ![Two postcards: a monkey to the left of a badminton racket, and a monkey to the right of it. Their captions differ in
# one word only.](figures/hook_04.png)

# %% [markdown] tags=["slide"]
# <!-- roadmap -->

# %% [markdown]
# ## What you will be able to do
#
# - **name** the eight filter rules in their order, and the harm that each prevents;
# - **prove** that a rule works: plant its fault into a real conversation, and watch which rule objects first;
# - **read** a verdict down to the character, and a funnel without being misled by its order;
# - **measure** what is left: turns, pictures, words, and a diversity score with its pool sizes;
# - **write** a dataset that others can trust: pictures attached, split by group, with a card.

# %% [markdown]
# ## What you need
#
# `candidates.jsonl` from notebook 03. If that has not run here, small starter files stand in and a banner says so.
# The tags of notebook 02 should look familiar.
#
# <!-- cost-card -->

# %% tags=["parameters"]
profile: str = "laptop"  # smoke | laptop | gpu
seed: int = 0  # every random stream derives from it
run_dir: str = "runs/laptop"  # where this chain keeps its files; a relative path starts at the project's root
refresh: bool = False  # True: redo work that is already done
pairs: str = "postcards"  # postcards | photos | a folder, as in notebook 03

# %%
import re
import textwrap
from collections import Counter
from dataclasses import replace

import numpy as np

from tbcore.candidates import Candidate
from tbcore.course import checks, figures, lesson, quizzes, recordings
from tbcore.course.labels import recorded_candidates
from tbcore.data import provenance, stats
from tbcore.data.export import Card, split_by_group, to_official
from tbcore.data.filter import (
    CAPTION_THRESHOLD,
    OUR_RULES,
    PAPER_RULES,
    RULES,
    Draft,
    counterfactual,
    first_objection,
    funnel,
    judge,
    judge_all,
    refilter,
)
from tbcore.data.filter import VERSION as FILTER_VERSION
from tbcore.data.pairs import load_picture
from tbcore.data.prompt import CANARY
from tbcore.dialogue import read_reply
from tbcore.records import Dialogue, Picture
from tbcore.seeds import stream
from tbcore.store import read_json, read_jsonl, write_text

# %%
step = lesson.open(
    "04_filtering", profile=profile, seed=seed, run_dir=run_dir, refresh=refresh, params={"pairs": pairs}
)
generated = step.upstream("03_dialogue_generation")
candidates = [Candidate.from_json(row) for row in read_jsonl(generated / "candidates.jsonl")]
if not any(one.dialogue for one in judge_all(candidates, canary=CANARY)):
    print("Not one of these candidates passes the filter, so the lesson goes on with the recorded conversations.")
    candidates = recorded_candidates(pairs if pairs in recordings.PAIRS else "postcards")
unanswered = read_json(generated / "answers.json")["unanswered"]
sets = {group.id: group for group in recordings.load_groups().values()}
missing = sorted({one.group for one in candidates} - set(sets))
root = step.upstream("01_clustering") if missing else None
sets |= {group.id: group for group in recordings.sampled_groups(root)} if root else {}
print(len(candidates), "candidates about", len({one.group for one in candidates}), "picture groups")

# %% [markdown]
# ## Eight rules, in order
#
# The released code of TextBind (Li et al., Findings of ACL 2024) filters replies with eight rules. Order matters: the
# first rule that objects decides what is written down. We keep that order and append three rules of our own.
#
# | no. | rule | rejects when | otherwise a model would learn |
# |---|---|---|---|
# | 1 | `repeat_image` | a picture is opened twice | to show the same picture again and again |
# | 2 | `unseen_image` | the number of a picture does not exist | to show what nobody gave it |
# | 3 | `no_image` | no well-paired tag stands in the reply | plain chat, which is no lesson about pictures |
# | 4 | `repeat_response` | the very same reply was seen before | one conversation, twice as hard |
# | 5 | `wrong_role` | the word `Human:` is absent | to speak with nobody |
# | 6 | `invalid_turns` | speakers do not alternate, Human first | to answer itself |
# | 7 | `too_short` | fewer than 3 messages | to stop before it has begun |
# | 8 | `changed_caption` | more than 10 % of a caption's characters were changed | pictures and words that disagree |
#
# Between 7 and 8 there is one small repair: a tag that opens and never closes is deleted, and doubled commas go with
# it. Ours are `canary` (the reply holds a word it was told never to write), `tag_confusable` (something only *looks*
# like a tag) and `empty_turn`.

# %%
print("theirs:", ", ".join(PAPER_RULES))
print("ours:  ", ", ".join(OUR_RULES), "| filter version", FILTER_VERSION)

# %% [markdown]
# ## Two rules by hand
#
# A rule is a few lines over the raw reply. Here is the first. `read_reply` made one pass over the text and lists every
# opening tag with its place. The rule returns the offset of the fault, or None.


# %%
def my_repeat_image(reply, codec):
    """Offset of the first picture that is opened for the second time; None when there is none."""
    seen = set()
    for index, offset in read_reply(reply, codec).opens:
        if index in seen:
            return offset
        seen.add(index)
    return None


# %% [markdown]
# The eighth needs a distance between two texts: how many characters must be inserted, deleted or replaced to turn one
# into the other. Levenshtein's table does it, row by row.


# %%
def my_distance(one, other):
    """Levenshtein distance of two texts."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


print("left → right:", my_distance("left", "right"), "| tiger → liger:", my_distance("tiger", "liger"))

# %% [markdown]
# ### Exercise 04.1: how much is kept (warm-up)
#
# A funnel counts candidates by their first objection, and `kept` comes last. What share was kept? Think of an empty
# funnel before you divide.


# %% tags=["exercise"]
def kept_share(funnel):
    """Kept candidates per candidate, 0 to 1; 0 when there is none."""
    answer = None
    # solution
    total = sum(funnel.values())
    answer = funnel.get("kept", 0) / total if total else 0.0
    # end solution
    return answer


# %% tags=["check"]
checks.check("04.1", kept_share)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. Candidates are the kept ones *and* all rejected ones: the sum of all values.
# 2. If that sum is 0, there is nothing to divide: answer 0.
#
# </details>
#
# ### Exercise 04.2: has the caption changed?
#
# Write rule 8 for one caption. `distance` is given. Three traps: the limit belongs to the length of the **true**
# caption; exactly at the limit is still allowed; and a true caption can be empty, so do not divide by its length.


# %% tags=["exercise"]
def is_changed(true, copy, distance=my_distance, threshold=0.1):
    """Whether more than `threshold` of the true caption's characters were changed."""
    answer = None
    # solution
    answer = distance(true, copy) > threshold * len(true)
    # end solution
    return answer


# %% tags=["check"]
checks.check("04.2", is_changed)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. Compare two numbers of characters: how many changed, and how many *may* change. No division is needed.
# 2. *More than* the limit is `>`, and the limit is the threshold times the length of the true caption.
#
# </details>

# %% [markdown] tags=["slide"]
# ## Plant a fault, catch it
#
# Who filters the filter? A rule that never fires may be perfect, or broken. So we take a real conversation that passes
# all rules and damage it on purpose, in eleven ways. Each damage should be met by *its* rule first.


# %%
def fit_for_damage(judgement):
    """Whether a kept candidate copies two captions or more exactly, and has two exchanges."""
    one, talk = judgement.candidate, judgement.dialogue
    exact = [one.codec.tagged(index, caption) in one.reply for index, caption in enumerate(one.captions)]
    return talk and len(talk.turns) > 3 and len(exact) > 1 and all(exact)


judged = list(judge_all(candidates, canary=CANARY))
pool = [*judged, *judge_all(recorded_candidates(), canary=CANARY)]
specimen = next(one for one in pool if fit_for_damage(one)).candidate
reply, codec = specimen.reply, specimen.codec
tag = [codec.tagged(index, caption) for index, caption in enumerate(specimen.captions)]
print(reply)

# %%
planted = {
    "repeat_image": f"{reply}\nHuman: Show me that again. {tag[0]}\nAssistant: There it is.",
    "unseen_image": reply.replace(tag[0], codec.tagged(7, specimen.captions[0])),
    "no_image": re.sub(r"<[^>]*>", "", reply),
    "repeat_response": reply,
    "wrong_role": reply.replace("Human:", "User:"),
    "invalid_turns": f"{reply}\nAssistant: And another thing.",
    "too_short": f"Human: {tag[0]}\nAssistant: Nice.",
    "changed_caption": reply.replace(tag[0], codec.tagged(0, "something nice")),
    "canary": f"{reply} {CANARY}",
    "tag_confusable": f"{reply} ‹img1›",
    "empty_turn": f"{reply}\nHuman:\nAssistant: Hello?",
}
damaged = [replace(specimen, id=name, reply=text) for name, text in planted.items()]

# %%
clean, *caught = judge_all([specimen, *damaged], canary=CANARY)
for one in caught:
    verdict = one.objection
    at = verdict.offset
    around = "" if at is None else repr(one.candidate.reply[at : at + 24])
    print(f"{one.candidate.id:16} {verdict.code:16} {at if at is not None else '-':>5}  {around:28} {verdict.detail}")
assert clean.objection is None
assert [one.objection.rule for one in caught] == list(RULES)

# %% [markdown]
# Eleven faults, eleven rules, and the undamaged conversation passes. Read one line with care: code, offset, and the
# text at that offset. An objection without a place is hard to argue with. Where there is no offset, the fault is an
# absence, or the whole reply.
#
# Our two hand-made rules must agree with the package on every reply we have, damaged ones included.

# %%
for one in [*judged, *caught]:
    draft = Draft(one.candidate)
    theirs = first_objection(draft, ["repeat_image"])
    assert my_repeat_image(one.candidate.reply, one.candidate.codec) == (theirs.offset if theirs else None)
    changed = any(
        my_distance(one.candidate.captions[mark.index], mark.caption) > 0.1 * len(one.candidate.captions[mark.index])
        for mark in draft.reading.marks
        if mark.index < len(one.candidate.captions)
    )
    assert changed == (first_objection(draft, ["changed_caption"]) is not None)
print(len(judged) + len(caught), "replies: the small versions and tbcore agree")

# %% [markdown]
# ## The funnel
#
# Now the real candidates. Every rule judges every reply; the funnel then counts who objected *first*.

# %%
counts = funnel(judged)
report = step.make("funnel.json", lambda: {"first": funnel(judged), "alone": counterfactual(judged)})
rejected = len(judged) - counts["kept"]
for one in judged:
    if one.objection:
        print(f"{one.candidate.id:28} {one.objection.code:14} {one.objection.offset!s:>5}  {one.objection.detail}")
step.result("04.kept", counts["kept"])
step.result("04.rejected", rejected)
for name, number in (("04.kept", counts["kept"]), ("04.rejected", rejected)):
    checks.within(name, number)

# %% tags=["slide"]
lost = np.array([0, *(counts[rule] for rule in RULES)])
left = len(judged) - np.cumsum(lost)
figure, grid = figures.axes(1, 2, width=10, height=4.6)
for axis, numbers, name, colour in zip(
    grid[0], (left, lost), ("still in the funnel", "taken out here"), figures.PALETTE, strict=False
):
    bars = axis.barh(range(len(numbers)), numbers, color=colour)
    axis.bar_label(bars, labels=[str(number) if number else "" for number in numbers], padding=3)
    axis.set(xlabel=f"candidates {name}", yticks=range(len(numbers)), xlim=(0, 1.2 * max(1, *numbers)))
    axis.set_yticklabels(["asked and answered", *RULES] if axis is grid[0, 0] else [])
    axis.invert_yaxis()
taken = max(counts, key=lambda rule: counts[rule] if rule in RULES else -1)
most = f"{taken} takes out the most, {counts[taken]}" if rejected else "no rule takes out any"
checks.show(figure, alt=f"{left[-1]} of {len(judged)} candidates pass all rules; {most}.")

# %% [markdown] tags=["slide"]
# Where do the losses come from? Some recordings about postcards answer a prompt with instructions left out. Here is
# what survives, by prompt. Remember from notebook 03 that replies to the barest prompts were *asked* for in varied
# layouts. The list shows what can go wrong when the form is not prescribed. It does not measure how often.

# %%
by_prompt = {}
for one in judged:
    by_prompt.setdefault(one.candidate.origin.get("prompt", "?"), []).append(one)
for prompt, members in by_prompt.items():
    print(f"{len(members):4d} replies to {prompt!r}")
    for rule, number in funnel(members).items():
        if number:
            print(f"       {number:4d} {rule}")

# %% [markdown]
# Look at one that was thrown out. What is wrong with it is visible at once, and it is a pity: the talk itself is fine.

# %%
lost = next((one for one in judged if one.objection and one.objection.rule == "invalid_turns"), caught[5])
print(lost.candidate.reply[:420])
print("...\n", lost.objection.detail, "| offset", lost.objection.offset)

# %% [markdown]
# ## What each rule does alone
#
# The funnel hides something. A late rule looks idle when early rules take its prey. So ask two other questions. How
# many replies does a rule *object* to, whoever came first? And how many are rejected by *only* this rule, so that they
# would pass if it were switched off?

# %% tags=["slide"]
alone = counterfactual([*judged, *caught])
figure, grid = figures.axes(1, 1, width=8.5, height=4.4)
axis = grid[0, 0]
places = np.arange(len(RULES))
axis.barh(places - 0.2, [alone[r]["objects"] for r in RULES], 0.38, label="objects", color=figures.PALETTE[0])
axis.barh(places + 0.2, [alone[r]["only"] for r in RULES], 0.38, label="is alone", color=figures.PALETTE[1], hatch="//")
axis.set(yticks=places, yticklabels=list(RULES), xlabel="replies, the planted ones included")
axis.invert_yaxis()
axis.legend()
checks.show(figure, alt="Several rules object to the same replies; only some replies are rejected by one rule alone.")

# %% [markdown]
# Where the two bars differ, rules overlap. A reply without speakers has no valid turns and is too short as well. That
# is a comfort: one broken rule would not open the gate.
#
# ### Exercise 04.3: who is indispensable?
#
# For each reply you get the list of rules that object to it. Count, for each rule, the replies that **only** this rule
# rejects. Rules that are never alone may be left out or be 0.


# %% tags=["exercise"]
def only_by(objections):
    """Rule -> number of replies that no other rule rejects; `objections` holds one list of rules per reply."""
    answer = None
    # solution
    answer = dict(Counter(rules[0] for rules in objections if len(rules) == 1))
    # end solution
    return answer


# %% tags=["check"]
checks.check("04.3", only_by)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. A reply counts only if its list holds exactly one rule.
# 2. `Counter` counts whatever names you hand it.
#
# </details>
#
# ### Switch a rule off
#
# `refilter` judges again without reading or asking anything anew. Switch rule 6 off and see who walks in.

# %%
loose = refilter(caught, off=["invalid_turns"])
walked_in = [now for then, now in zip(caught, loose, strict=True) if now.dialogue and not then.dialogue]
for one in walked_in:
    print(one.candidate.id, "passes now; it ends:")
    print("   ", "\n    ".join(f"{turn.role}: {turn.text.strip()[:70]}" for turn in one.dialogue.turns[-2:]))

# %% [markdown]
# The assistant speaks twice in a row. A model trained on that learns to answer itself.
#
# ## A rule that looks away
#
# Rule 8 counts characters, not meaning. The limit is ten per cent of the caption, so a long caption may change a lot.
# Let us swap *left* and *right* in every caption that holds both, and ask the rule.


# %%
def mirrored(caption):
    """The caption with left and right exchanged."""
    return re.sub("left|right", lambda found: {"left": "right", "right": "left"}[found.group()], caption)


kept = [one for one in judged if one.dialogue]
captions = sorted({caption for one in kept for caption in one.candidate.captions})
swapped = [(caption, mirrored(caption)) for caption in captions if mirrored(caption) != caption]
missed = [(a, b) for a, b in swapped if my_distance(a, b) <= CAPTION_THRESHOLD * len(a)]
print(f"{len(missed)} of {len(swapped)} mirrored captions pass rule 8")
if missed:
    print("for example\n   ", missed[0][0], "\n   ", missed[0][1])

# %% [markdown]
# A picture of the opposite thing, and the rule nods. How large is this hole? We damage captions bit by bit, and count
# rejections at three limits.

# %%
rng = stream(seed, "damage")
sample = captions[:: max(1, len(captions) // 60)]
steps = range(0, 17, 2)


def damage(caption, n):
    """The caption with n of its characters replaced."""
    letters = list(caption)
    for place in rng.permutation(len(letters))[:n]:
        letters[place] = "#"
    return "".join(letters)


spoilt = [[(caption, damage(caption, n)) for caption in sample] for n in steps]
distances = [[my_distance(a, b) / max(len(a), 1) for a, b in row] for row in spoilt]

# %% tags=["slide"]
figure, grid = figures.axes(1, 1, width=7.5, height=4)
for limit, marker, colour in zip((0.0, CAPTION_THRESHOLD, 0.3), figures.MARKERS, figures.PALETTE, strict=False):
    share = [np.mean([value > limit for value in row]) for row in distances]
    grid[0, 0].plot(steps, share, marker=marker, color=colour, label=f"limit {limit:g}")
grid[0, 0].set(xlabel="characters replaced in each caption", ylabel="share of captions rejected", ylim=(-0.05, 1.05))
grid[0, 0].legend()
checks.show(figure, alt="A stricter limit rejects at fewer changed characters; at limit 0.1 small damage passes.")

# %% [markdown] tags=["slide"]
# With limit 0 every slip is caught, and every harmless one too. The released code chose 0.1. We keep that, and lower
# the risk in another way: a record never stores the teacher's copy, but always the true caption, found by its number.
# A slip can then confuse the talk, but never the picture.

# %% [markdown]
# ### Beyond form
#
# Further rules look at what is *said*: does somebody speak of captions, confess to be blind, repeat an example, or
# never mention a picture? They count words and understand nothing, so here they only point. A person reads the place.

# %%
from tbcore.data.examples import load_seed_examples
from tbcore.data.filter import Further, further_rules

more = {**RULES, **further_rules(Further(examples=load_seed_examples().examples))}
pointed = [one.objection for one in judge_all((one.candidate for one in kept), canary=CANARY, rules=more)]
print(Counter(verdict.rule if verdict else "nothing to say" for verdict in pointed))
for one, verdict in [(one, verdict) for one, verdict in zip(kept, pointed, strict=True) if verdict][:4]:
    at = verdict.offset or 0
    print(f"{one.candidate.id}: {verdict.rule}, {verdict.detail} | {one.candidate.reply[at : at + 40]!r}")

# %% [markdown]
# Not every finger points at a fault. A talk in another language, or one that says only *this*, refers to its picture
# well enough. Such rules choose what people should read first. They should not decide alone.
#
# Can you say where a conversation came from? A record of its own brings everything together. Where it says *unknown*,
# nobody handed it that file: here, neither the pixels nor the clusters of notebook 01.

# %%
sources = provenance.Sources(
    candidates={one.candidate.id: one.candidate for one in judged},
    verdicts={one.candidate.id: one.verdicts for one in judged},
)
for line in provenance.explain(kept[0].candidate.id, sources).text().splitlines()[:6]:
    print(textwrap.shorten(line, 110, placeholder=" ..."))

# %% [markdown]
# ## What stays
#
# The kept conversations, in numbers. An exchange is a user's turn and what follows it.

# %%
dialogues = [one.dialogue for one in kept]
numbers = stats.summary(dialogues)
for name, value in numbers.items():
    print(f"{name:22} {value:8.2f}")

# %%
figure, grid = figures.axes(1, 3, width=10, height=3.4)
words = [sum(len(stats.words(turn.text)) for turn in one.turns) for one in dialogues]
shown = [sum(len(turn.pictures) for turn in one.turns) for one in dialogues]
for axis, values, name in zip(
    grid[0], ([len(one.turns) for one in dialogues], shown, words), ("turns", "pictures", "words"), strict=True
):
    bins = np.arange(min(values), max(values) + 2) - 0.5 if name != "words" else 12
    axis.hist(values, bins=bins, color=figures.PALETTE[2], edgecolor="white")
    axis.set(xlabel=f"{name} in a conversation", ylabel="conversations")
extent = f"{min(words)} to {max(words)} words and show {min(shown)} to {max(shown)} pictures"
checks.show(figure, alt=f"Three histograms: conversations have {extent}.")

# %% [markdown]
# ### Is it varied?
#
# The official diversity score pools all turns at the same place of the conversation: all first questions, all second
# questions. In each pool it divides different n-grams by all n-grams, for n = 2, 3, 4, and adds the three. Then it
# averages over places. Nothing repeated at all would give 3.


# %%
def my_distinct(texts, n):
    """Different n-grams per n-gram."""
    grams = [tuple(text[place : place + n]) for text in texts for place in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


openings = [stats.words(one.turns[0].text) for one in dialogues]
assert my_distinct(openings, 3) == stats.distinct_n(openings, 3)
variety = {side: stats.diversity(dialogues, side) for side in ("user", "assistant", "both")}
for side, found in variety.items():
    print(f"{side:10} {found.score:.3f}   words pooled at each exchange: {found.pools}")

# %% [markdown]
# Never quote such a score without its pools. The more text you pool, the more often a phrase comes back, so the score
# falls although nobody writes worse. See it fall:

# %%
order = stream(seed, "subsets").permutation(len(dialogues))
sizes = sorted({max(2, round(len(dialogues) * share)) for share in (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1)})
figure, grid = figures.axes(1, 1, width=7.5, height=3.8)
for side, marker, colour in zip(("user", "assistant"), figures.MARKERS, figures.PALETTE, strict=False):
    scores = [stats.diversity([dialogues[i] for i in order[:size]], side).score for size in sizes]
    grid[0, 0].plot(sizes, scores, marker=marker, color=colour, label=side)
grid[0, 0].set(xlabel="conversations pooled", ylabel="diversity score (at most 3)")
grid[0, 0].legend()
checks.show(figure, alt="The diversity score falls as more conversations are pooled, for both sides.")

# %% [markdown]
# Compare sets of equal size only. And note that our words are split by a simple rule, not by the tokeniser of the
# paper's code, so a score from elsewhere is not comparable at all.
#
# ## Captions become pictures again
#
# All this time nobody saw a picture. Now each caption is replaced by the picture it came from: postcards are drawn
# from their scenes, photographs are read from disk.

# %% tags=["slide"]
folder = step.folder(
    "pictures", lambda path: [recordings.with_pictures(d, sets[d.group], path.parent, root=root) for d in dialogues]
)
rows = step.make(
    "dialogues.jsonl",
    lambda: [recordings.with_pictures(d, sets[d.group], step.path, root=root).to_json() for d in dialogues],
)
dataset = [Dialogue.from_json(row) for row in rows]
print(len(rows), "dialogues,", len(list(folder.glob("*.png"))), "pictures")
talk = dataset[0]
files = [load_picture(step.path / name) for name in talk.pictures]
checks.show(
    figures.gallery(files, [f"({index})" for index in range(len(files))], size=2.2),
    alt="The pictures of one conversation, numbered as its turns show them: " + "; ".join(talk.captions),
)
for turn in talk.turns:
    print(f"{turn.role:>9}:", "".join(f"({part.index})" if isinstance(part, Picture) else part for part in turn.parts))

# %% [markdown]
# Read it with the pictures beside you. This is what a person would see, and what the model of notebook 06 learns from.
#
# ## Write the dataset
#
# One more trap waits: the split. Two conversations can share their pictures. If one is for training and the other for
# testing, the test is known by heart. So whole *groups* are split, never conversations.

# %%
fixed = {sets[one.group].split for one in dialogues}
if len(fixed) > 1:
    parts = {part: [d for d in dialogues if sets[d.group].split == part] for part in ("train", "val", "test")}
else:
    parts = split_by_group(dialogues, seed=seed)
groups_of = {part: {d.group for d in members} for part, members in parts.items()}
assert not groups_of["train"] & (groups_of["val"] | groups_of["test"])
print({part: len(members) for part, members in parts.items()})

# %%
step.make("splits.json", lambda: {part: [d.id for d in members] for part, members in parts.items()})
official = step.make("official.jsonl", lambda: [to_official(one) for one in dataset])
objections = [one.rejection("04_filtering").to_json() for one in judged if one.objection]
step.make("rejections.jsonl", lambda: objections + unanswered)
first_message = official[0]["conversation"][0]
print({key: str(value)[:60] for key, value in first_message.items()})

# %% [markdown]
# The second format is the one of the paper's code, for anybody who has tools for it. Every rejected reply is in
# `rejections.jsonl`, with its reason. A dataset without its rejects cannot be questioned.
#
# Last, the card. It says what is inside, what was thrown out and why, where all came from, and what is wrong with it.

# %%
writers = sorted({one.writer for one in recordings.load_recordings()}) if kept[0].candidate.source == "recorded" else []
card = Card(
    title=f"TextBind Workshop dialogues ({pairs})",
    text="Multi-turn conversations with pictures on both sides, written by a language model that read captions only.",
    parts={part: len(members) for part, members in parts.items()},
    funnel=counts,
    alone={rule: row["only"] for rule, row in report["alone"].items()},
    numbers={**numbers, **{f"diversity_{side}": found.score for side, found in variety.items()}},
    provenance={"filter": FILTER_VERSION, "teacher": kept[0].candidate.source, "writers": "; ".join(writers)},
    licences=("Postcards use Twemoji artwork (CC-BY 4.0).", "Photographs: see tbcore.data.photos for each credit."),
    limits=(
        "No person has checked every sentence against its picture.",
        "Rule 8 lets short but important changes pass, such as left for right.",
        "Diversity depends on the pool sizes and on our way to split words.",
    ),
)
write_text(step.path / "card.md", card.markdown())
print(card.markdown()[:700])

# %% [markdown]
# ### Exercise 04.4: rescue them (open)
#
# Some replies are rejected for their layout alone: the speaker's name in bold, a remark above the conversation. Write a
# repair that makes such a reply pass. It may not change a reply that is already fine, and it may not touch what is
# said between the names. The check tries several layouts.


# %% tags=["exercise"]
def repair(reply):
    """The reply with every speaker at the start of a line, in plain letters."""
    answer = None
    # solution
    answer = re.sub(r"^[*_#\s]*(Human|Assistant)[*_]*:[*_]*", r"\1:", reply, flags=re.MULTILINE)
    # end solution
    return answer


# %% tags=["check"]
checks.check("04.4", repair)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. Look for a speaker at the beginning of a line, with any stars around the name or the colon, and write it plainly.
# 2. `re.sub` with `flags=re.MULTILINE` lets `^` match at every line. Keep the name as a group: `(Human|Assistant)`.
#
# </details>

# %% tags=["solution"]
mended = [replace(one.candidate, reply=repair(one.candidate.reply)) for one in judged if one.objection]
saved = [one for one in mended if judge(Draft(one, canary=CANARY)).dialogue]
print(f"our repair would save {len(saved)} of {len(mended)} rejected replies")

# %% [markdown] tags=["slide"]
# Why is such a repair not in the filter? Because each repair is a guess about what the teacher meant. One guess more,
# and the reasons in `rejections.jsonl` begin to blur. It is cleaner to ask better, as notebook 02 did.
#
# ## Recap
#
# - Eight rules in the paper's order, three of our own; each verdict has a code and, where it can, an offset.
# - We planted each fault and saw its own rule catch it. Clean conversations pass.
# - A funnel shows who objects first. The counterfactual shows who is indispensable.
# - Rule 8 counts characters: a mirrored caption can pass. Records therefore store the true caption.
# - The dataset has pictures, a split by group, its rejects and a card.

# %%
step.close()

# %% [markdown]
# ## Quiz

# %% tags=["quiz"]
quizzes.show("04")

# %% [markdown]
# ## Troubleshooting
#
# <details><summary><code>step 03_dialogue_generation has not been run here</code></summary>
# Run notebook 03 first, with the same <code>run_dir</code>. To go on without it, use the starter files: a banner says
# when they stand in.</details>
#
# <details><summary><code>03_dialogue_generation/candidates.jsonl: was changed after the step wrote it</code></summary>
# Somebody edited the file. Run notebook 03 again with <code>refresh=True</code>; the ledger answers, so nothing is
# paid twice.</details>
#
# <details><summary><code>refilter: rule 'repeat_image' is unknown or cannot be off</code></summary>
# Without rules 1 and 2 a reply may not be a dialogue at all: a picture would be shown twice, or not exist. All others
# can be switched off.</details>
#
# ## Further reading
#
# - Li et al., *TextBind*, Findings of ACL 2024, arXiv 2309.08637, and its released code (the cleaning of generated
#   conversations), where the eight rules come from.
# - Levenshtein, *Binary codes capable of correcting deletions, insertions, and reversals* (1966).
# - Gebru et al., *Datasheets for Datasets* (2021): what a card should answer.
#
# **Next.** Notebook 05 builds the model that will read `dialogues.jsonl`.
