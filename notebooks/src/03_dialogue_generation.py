# %% [markdown] tags=["slide"]
# # A teacher writes dialogues
#
# Two people talk about postcards. They compare them, joke about them, ask for a new one. The author of the
# conversation never saw a picture: it got a few captions and some rules. Here you watch that happen, you pull the
# plug in the middle, and you decide which conversations are good enough to teach the next ones.
#
# ![A strip of four panels: somebody shows a postcard and asks who is closer to the skateboard, the assistant answers
# rightly; then a new card is wished for, and the assistant shows one.](figures/hook_03.png)

# %% [markdown] tags=["slide"]
# <!-- roadmap -->

# %% [markdown]
# ## What you will be able to do
#
# - **ask** a teacher for conversations: a recorded one, your own endpoint, or a small model in this process;
# - **explain** why every call is written down before it is made, and show that a second run pays nothing;
# - **recover** from a crash without losing an answer and without hiding a bill;
# - **say** from examples why the paper needed a strong teacher;
# - **rate** conversations, measure how far two raters agree, and promote good ones to in-context examples.

# %% [markdown]
# ## What you need
#
# Notebook 02, where you built the prompt. No file of it is read: the recorded replies belong to picture groups that
# ship with the course, and their prompts are rendered again here, byte by byte. Only with your own folder and a live
# teacher do we read the picture sets of notebook 01.
#
# <!-- cost-card -->

# %% tags=["parameters"]
profile: str = "laptop"  # smoke | laptop | gpu
seed: int = 0  # every random stream derives from it
run_dir: str = "runs/laptop"  # where this chain keeps its files; a relative path starts at the project's root
refresh: bool = False  # True: redo work that is already done
pairs: str = "postcards"  # postcards | photos | a folder
teacher: str = "recorded"  # recorded | local | api
api_model: str = ""  # for teacher api: the endpoint's name for the model
base_url: str = ""  # for teacher api: where it listens, or empty for the client's default; keys stay outside
n_live: int = 4  # conversations to ask a live teacher for; it may cost money

# %%
import hashlib
import io
import json
import tempfile
import textwrap
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from tbcore.candidates import Candidate
from tbcore.chat.endpoint import OpenAICompatible
from tbcore.chat.local import LocalTeacher
from tbcore.chat.messages import Params, Reply
from tbcore.chat.recorded import RecordedTeacher
from tbcore.chat.scripted import ScriptedTeacher
from tbcore.course import checks, figures, lesson, quizzes, recordings
from tbcore.course.labels import recorded_candidates
from tbcore.data import refine
from tbcore.data.examples import load_seed_examples
from tbcore.data.filter import Draft, first_objection, judge_all
from tbcore.data.generate import generate
from tbcore.data.prompt import CANARY
from tbcore.dialogue import read_reply
from tbcore.errors import InputError
from tbcore.ledger.budget import Budget, worst_case
from tbcore.ledger.caller import Caller
from tbcore.ledger.journal import Journal, call_key
from tbcore.records import Rejection

# %%
chosen = {"pairs": pairs, "teacher": teacher, "api_model": api_model, "base_url": base_url, "n_live": n_live}
step = lesson.open(
    "03_dialogue_generation", profile=profile, seed=seed, run_dir=run_dir, refresh=refresh, params=chosen
)
p = step.profile
shipped = pairs in recordings.PAIRS
if not shipped:
    with checks.expect_error(InputError):
        recordings.groups_for(pairs)

# %% [markdown]
# If you named a folder of your own, the line above says it plainly: nobody has written conversations for your
# pictures yet. A live teacher can. Until you choose one, the lesson goes on with the postcards.

# %%
if shipped or teacher == "recorded":
    groups = recordings.groups_for(pairs if shipped else "postcards")
    root = None
else:
    root = step.upstream("01_clustering")
    groups = recordings.sampled_groups(root)
replies = recordings.load_recordings()
print(len(groups), "picture groups;", len(replies), "recorded conversations ship with the course")

# %% [markdown]
# ## One conversation, whole
#
# Start at the end. These are the pictures of one group:

# %% tags=["slide"]
group = groups[0]
pictures = recordings.pictures_of(group, size=128, root=root)
checks.show(
    figures.gallery(pictures, group.captions, size=3),
    alt=f"The pictures of group {group.id}, each with the caption that the teacher reads instead of it.",
)

# %% [markdown]
# And this is what the teacher wrote about them. We print raw text, exactly as it came. Long lines are folded.


# %% tags=["slide"]
def folded(text, width=100):
    """Each line of a text, wrapped, later lines indented."""
    return "\n".join(textwrap.fill(line, width, subsequent_indent="    ") for line in text.split("\n"))


first_reply = next((one.reply for one in replies if one.group == group.id), replies[0].reply)
print(folded(first_reply))

# %% [markdown] tags=["slide"]
# Each numbered tag holds a caption, copied. Later the caption is swapped for its picture, and we have a conversation
# with pictures on both sides. This trick is the heart of TextBind (Li et al., Findings of ACL 2024): a model that
# reads only text can write data for a model that sees, because captions bind the two.
#
# What did the teacher read? First the rules and three example conversations from notebook 02. Then, last, this:

# %%
requests = recordings.requests_for(groups, replies)
if teacher != "recorded":
    requests = recordings.live_requests(groups, seed=seed, most=n_live)
for message in requests[0].messages:
    print(f"{message.role:>10}  {len(message.text):5d} characters")
print("\nthe last message:\n" + requests[0].messages[-1].text)

# %% [markdown]
# The captions come last for a reason. All that stands before them is the same in call after call, and many endpoints
# read a repeated beginning faster and cheaper.
#
# ## Who is the teacher?
#
# One port, three teachers. All of them have a single method, `complete(messages, params)`.
#
# | `teacher` | who answers | cost | needs |
# |---|---|---|---|
# | `recorded` | replies that a large language model once wrote for these prompts | none | nothing |
# | `api` | any endpoint that speaks the OpenAI chat format, also on your computer | yours | a key or a server |
# | `local` | SmolLM2-135M in this process | none | patience |
#
# The recorded replies were written by Claude, a large language model by Anthropic. Most answer the full prompt.
# Some answer a prompt with instructions left out, because we want faults to study in notebook 04. Every recording
# names its prompt and its writer, and the list says how many there are of each. Beside the prompts the writer was also
# asked for variety, and for true answers to plain questions; `tbcore/recorded/README.md` tells the whole story.

# %%
for (prompt, writer), count in Counter((one.prompt, one.writer) for one in replies).most_common():
    print(f"{count:4d}  {prompt}\n" + textwrap.fill(writer, 96, initial_indent="      ", subsequent_indent="      "))

# %% [markdown] tags=["slide"]
# Read the writer's lines with care. Replies to the barest prompts were asked for "in varied layouts". They are
# honest examples of faults. They are not a measurement of how often such faults happen.
#
# ## A ledger for calls that cost money
#
# A call to a paid teacher has an awkward property: if your program dies between the question and the answer, you
# cannot know whether you will be billed. So the course writes every call down *before* it leaves, in one SQLite file:
#
# ```text
# reserved ──written──► sent ──network──► done | failed | ambiguous
# ```
#
# The name of a call is a hash of everything that changes its answer: teacher, messages, parameters. Same name, same
# call, so an answer is never bought twice. Here is that name, made by hand.


# %%
def my_call_key(teacher_name, messages, params):
    """SHA-256 of the canonical JSON of a call."""
    asked = {"teacher": teacher_name, "messages": [one.to_json() for one in messages], "params": params.to_json()}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


how = Params(max_tokens=1024 if teacher != "local" else 4 * p.max_new_tokens)
mine = my_call_key("recorded", requests[0].messages, how)
assert mine == call_key("recorded", requests[0].messages, how)[0]
other, _ = call_key("recorded", requests[0].messages, how.with_sample(1))
print("call", mine[:12], "| sample 1 of the same prompt:", other[:12])

# %% [markdown]
# A second, wanted sample of the same prompt gets another name. Otherwise asking twice on purpose would be impossible.
#
# A budget is checked before each call, against the worst case. No tokenizer makes more than one token of a byte, so
# the bytes of a prompt bound its tokens from above.

# %%
worst = worst_case(requests[0].messages, how)
prices = Budget(money=1.0, price_in=2.0, price_out=8.0)  # per million tokens; put your teacher's prices here
print(f"one call: at most {worst.prompt_tokens} tokens read, {worst.completion_tokens} written,")
print(f"so at most {prices.cost(worst):.4f} in your currency; {int(1 / prices.cost(worst))} such calls fit under 1.00")

# %% [markdown]
# ### Exercise 03.1: the bill (warm-up)
#
# Somebody asked for calls in this order, by name: `["a", "b", "a", "c", "b"]`. With a ledger, how many are paid?
# Write it for any list. `known` holds names that an earlier run has already paid for.


# %% tags=["exercise"]
def paid_calls(asked, known=()):
    """How many calls leave this computer."""
    answer = None
    # solution
    answer = len(set(asked) - set(known))
    # end solution
    return answer


# %% tags=["check"]
checks.check("03.1", paid_calls)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. How many *different* names are in the list?
# 2. A name that stands in `known` costs nothing now. Sets can be subtracted from each other.
#
# </details>
#
# ## Ask for everything
#
# Now the real thing. `generate` sends one request after the other through the ledger. It returns a *candidate* for
# each reply and a *rejection* for each call that brought none. There is no third way out, so nothing gets lost.

# %%
ledger = step.path / "ledger.sqlite"
recorded = RecordedTeacher(replies)


def client():
    """The teacher named in the parameters; the local one takes seconds to load, so it is made only when asked."""
    if teacher == "api":
        return OpenAICompatible(api_model, base_url=base_url)
    return LocalTeacher() if teacher == "local" else recorded


def ask_everything():
    """Candidates and rejections as JSON values; the ledger keeps every answer."""
    with Journal(ledger, Budget(calls=4 * len(requests))) as journal:
        results = list(generate(requests, client(), journal, how))
    kept = [one.to_json() for one in results if isinstance(one, Candidate)]
    return {"candidates": kept, "unanswered": [one.to_json() for one in results if isinstance(one, Rejection)]}


# %%
answers = step.make("answers.json", ask_everything)
rows = step.make("candidates.jsonl", lambda: answers["candidates"])
candidates = [Candidate.from_json(row) for row in rows]
print(len(requests), "asked,", len(candidates), "answered,", len(answers["unanswered"]), "without an answer")
step.result("03.recorded", sum(one.source == "recorded" for one in candidates))
if teacher == "recorded":
    checks.within("03.recorded", len(candidates))

# %% [markdown]
# Now run it again, on the same ledger, and count the attempts before and after. A number above zero would worry us.

# %%
with Journal(ledger) as journal:
    before = sum(journal.counts().values())
    again = [one for one in generate(requests, client(), journal, how) if isinstance(one, Candidate)]
    new_calls = sum(journal.counts().values()) - before
print(f"attempts in the ledger: {before}; new ones in the second run: {new_calls}")
assert teacher != "recorded" or [one.reply for one in again] == [one.reply for one in candidates]

# %% [markdown]
# Same candidates, no new call. That is why you can close the lid of your laptop at any time. (If the ledger holds
# more attempts than were asked for above: it also remembers the calls that earlier runs in this folder have made.)
#
# ## Pull the plug
#
# Believe nothing. A *scripted* teacher says what we tell it to say, so we can make it fail on cue: two answers, then
# a power cut in the middle of the third call.

# %% tags=["slide"]
lab = Path(tempfile.mkdtemp(prefix="ledger-"))
three = requests[:3] if len(requests) > 2 else requests * 3
fragile = ScriptedTeacher("Human: one", "Human: two", RuntimeError("the power went out"))
with checks.expect_error(RuntimeError), Journal(lab / "calls.sqlite") as journal:
    print([result.id for result in generate(three, fragile, journal, how)])
with Journal(lab / "calls.sqlite") as journal:
    print({state: count for state, count in journal.counts().items() if count})

# %% [markdown] tags=["slide"]
# Two answers are safe. The third call is *ambiguous*: it left, and nobody knows what it cost. Now the power is back.
# This teacher's script has one line only. If the ledger asked for anything else again, the script would run out.

# %%
awake = ScriptedTeacher("Human: three")
with Journal(lab / "calls.sqlite") as journal:
    resumed = list(generate(three, awake, journal, how))
    print([one.reply for one in resumed], "| asked this time:", len(awake.asked))
    print({state: count for state, count in journal.counts().items() if count})

# %% [markdown]
# One call instead of three, and the ambiguous attempt still stands in the file beside the good one. A ledger that
# tidied it away would hide a possible bill.
#
# A harder crash: the process itself dies, so no line of Python can clean up. We imitate what such a crash leaves
# behind, and open the file again.

# %%
with Journal(lab / "crash.sqlite") as journal:
    for number, request in enumerate(three[:2]):
        key, payload = call_key("scripted", request.messages, how.with_sample(number))
        attempt = journal.reserve(key, draw=number, payload=payload, worst=worst)
        if number == 0:
            journal.mark_sent(key, attempt)
with Journal(lab / "crash.sqlite") as journal:
    print({state: count for state, count in journal.counts().items() if count}, "| may be billed:", journal.recovered)

# %% [markdown]
# ### Exercise 03.2: after the crash
#
# Write down what opening a ledger does. It reads the state each attempt was left in, and gives the state it has from
# then on. The question behind each: *may this call have been billed?*


# %% tags=["exercise"]
def after_crash(states):
    """The states of attempts after the ledger has been opened again, in the same order."""
    answer = None
    # solution
    becomes = {"reserved": "failed", "sent": "ambiguous"}
    answer = [becomes.get(state, state) for state in states]
    # end solution
    return answer


# %% tags=["check"]
checks.check("03.2", after_crash)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. Look at the two crashes above: which call had left, which had not?
# 2. Only two of the five states change; a dictionary of two entries says it all.
#
# </details>
#
# ## A teacher that says nothing
#
# Sometimes a call succeeds and brings an empty reply, or a refusal, or half a conversation. None of these is an
# exception, and none may vanish. Each becomes a rejection with a code, the record's name and the call.

# %%
moods = [Reply("", "empty"), Reply("I would rather not.", "refusal"), *[Reply("Human: and th", "length")] * 2]
with Journal(lab / "moods.sqlite") as journal:
    silent = list(generate(three, ScriptedTeacher(*moods), journal, how))
for one in silent:
    print(f"{one.code:12} {one.record}  ({one.detail}; {one.where})")

# %% [markdown]
# The last one was asked twice: a reply that is cut off gets one more chance with twice the room. Then it is given up.
#
# ## Why not a small teacher?
#
# The paper's teacher was GPT-4, one of the strongest models of its time. Was that needed? SmolLM2 has 135 million
# parameters, runs in this process and costs nothing. It reads exactly the prompt the big one read.

# %%
n_local = min(p.n_local_prompts, len(requests))
local_how = Params(max_tokens=2 * p.max_new_tokens, temperature=0.0)


def ask_the_small_model():
    """What the language model in this process writes about the first prompts."""
    small = LocalTeacher()
    with Journal(ledger) as journal:
        asked = checks.progress(requests[:n_local], "SmolLM2 answers")
        found = [Caller(small, journal).ask(one.messages, local_how) for one in asked]
    return [{"reply": one.reply.text if one.reply else "", "written": local_how.max_tokens} for one in found]


small_replies = step.make("small_teacher.jsonl", ask_the_small_model)
print(folded(small_replies[0]["reply"][:1200] or "(nothing at all)"))

# %% [markdown]
# Fluent? Perhaps. But put it beside the rules it was given. We read both teachers' replies to the same prompts with
# the reader of notebook 02 and count what a dataset needs.


# %% tags=["slide"]
def inventory(reply, request):
    """What one reply holds, from one pass of the codec's reader."""
    reading = read_reply(reply, request.codec)
    true = [m for m in reading.marks if m.index < len(request.group.captions)]
    exact = sum(mark.caption == request.group.captions[mark.index] for mark in true)
    return [len(reading.spans), len(reading.marks), exact, len(reading.problems)]


big = np.array([inventory(one.reply, request) for one, request in zip(candidates[:n_local], requests, strict=False)])
small = np.array([inventory(row["reply"], one) for row, one in zip(small_replies, requests, strict=False)])
print(f"{'mean per reply':>22}  {teacher:>9}    SmolLM2")
for name, one, other in zip(("turns", "pictures", "exact captions", "tag problems"), big.T, small.T, strict=True):
    print(f"{name:>22}  {one.mean():9.1f}  {other.mean():9.1f}")

# %% [markdown] tags=["slide"]
# Copying a tag is the easy part, and small models often manage it. So look at *turns* first: a conversation needs two
# people who answer each other. Then compare *pictures* with *exact captions*: a picture beyond those was changed, or
# invented. What would the filter of the next notebook say?

# %%
for row, ask in zip(small_replies, requests, strict=False):
    draft = Draft(Candidate("small", ask.group.id, ask.group.captions, row["reply"], ask.codec))
    verdict = first_objection(draft)
    print(ask.group.id, "→", f"{verdict.rule}: {verdict.detail}" if verdict else "passes every rule")

# %% [markdown]
# A rule can only find broken form. If a reply of the small model passes, read it before you rejoice: a conversation may
# be well formed and still say nothing. Form is for rules, sense is for people, and people come next.
#
# ## People in the loop
#
# TextBind does not trust its teacher blindly either. People read conversations, mark the good ones, and those become
# in-context examples for the next round (the paper's human-in-the-loop refinement). Whoever writes the examples steers
# everything that comes after.
#
# Why three labels and not stars from one to ten? Because each label has to *decide* something, and three things can
# be decided about a conversation: it may teach the teacher, as an **example** (Excellent); it may teach the model, as
# **training** data (Satisfactory); or it may teach nobody (Poor). A finer scale would ask raters for distinctions from
# which nothing follows, and about those they would disagree.
#
# A rating needs definitions before it needs a widget. Here are ours:

# %%
guide = refine.rating_guide()
print(guide[guide.index("## Labels") : guide.index("## Character")])

# %% [markdown]
# The labels that ship with the course were **not** given by people. Two simulated raters start from a rule of thumb
# that counts pictures and words and understands nothing, and each errs at its own known rate. They let you practise
# the machinery. They cannot tell you which conversation is good.

# %%
rated = candidates if teacher == "recorded" else recorded_candidates()  # the labels are about recorded replies
ids = {one.id for one in rated}
label_rows = step.make(
    "labels.jsonl", lambda: [one.to_json() for one in refine.read_labels(recordings.LABELS_FILE) if one.record in ids]
)
labels = [refine.Label.from_json(row) for row in label_rows]
for (rater, quality), count in sorted(Counter((one.rater, one.quality) for one in labels).items()):
    print(f"{rater:14} {quality:14} {count}")

# %% [markdown]
# Now you. Read, choose a label, save. Your labels go into a file of their own beside the steps, and nothing later in
# the course depends on them. The file only grows: change your mind, and a new line is added.

# %%
sets = {one.id: one for one in [*recordings.load_groups().values(), *groups]}


def seen_in(candidate):
    """The pictures behind a candidate's captions."""
    return recordings.pictures_of(sets[candidate.group], size=128, root=root)


def png_of(picture):
    """A picture as the bytes of a PNG file."""
    with io.BytesIO() as buffer:
        Image.fromarray(picture).save(buffer, "png")
        return buffer.getvalue()


# %% tags=["widget"]
import ipywidgets as widgets

own_labels = step.run_dir / "my_labels.jsonl"
to_rate = candidates or rated  # a weak live teacher may bring nothing
which = widgets.Dropdown(options=[one.id for one in to_rate], description="record")
quality = widgets.RadioButtons(options=list(reversed(refine.QUALITIES)), description="label")
tags = widgets.SelectMultiple(options=refine.CHARACTER_TAGS + refine.ERROR_TAGS, description="tags", rows=8)
said = widgets.Textarea(layout=widgets.Layout(width="95%", height="14em"), disabled=True)
strip = widgets.HBox()
save, told = widgets.Button(description="Save label"), widgets.Label()


def show_record(_=None):
    """Show the chosen conversation: its text is a value of the text area, so markup in it stays text."""
    one = next(one for one in to_rate if one.id == which.value)
    said.value = folded(one.reply)
    strip.children = [widgets.Image(value=png_of(picture), width=128) for picture in seen_in(one)]


def save_label(_):
    """Append one label, or say why it does not fit the guide."""
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        mine = refine.Label(which.value, "me", quality.value, tuple(tags.value), f"teacher {teacher}", now)
        refine.add_label(own_labels, mine)
        told.value = f"saved: {which.value} is {quality.value}; {len(refine.read_labels(own_labels))} labels in all"
    except InputError as error:
        told.value = str(error)


which.observe(show_record, names="value")
save.on_click(save_label)
show_record()
widgets.VBox([which, strip, said, quality, tags, save, told])

# %% [markdown]
# The static twin of the widget: one conversation with the two labels it has.

# %%
shown = rated[min(7, len(rated) - 1)]
checks.show(
    figures.gallery(seen_in(shown), [f"({n})" for n in range(len(shown.captions))]),
    alt="The pictures of the conversation below: " + "; ".join(shown.captions),
)
print(folded(shown.reply), "\n")
for one in labels:
    if one.record == shown.id:
        print(f"{one.rater}: {one.quality} {', '.join(one.tags)}")
with checks.expect_error(InputError):
    refine.Label(shown.id, "me", "Poor")

# %% [markdown]
# *Poor* without a reason is refused. Nobody learns from a bare thumbs-down.
#
# ### Do the raters agree?
#
# If two raters disagree at random, a label says more about the rater than about the conversation. Raw agreement
# flatters: two people who call nearly everything *Excellent* agree often by luck. Cohen's kappa takes the luck out.
# We weight it, so *Excellent* against *Poor* counts double.

# %%
raters = sorted({one.rater for one in labels}) or ["simulated-1", "simulated-2"]
names = refine.QUALITIES
given = refine.latest(labels)
table = np.zeros((3, 3), int)
for record in sorted({one.record for one in labels}):
    table[tuple(names.index(given[record, rater].quality) for rater in raters)] += 1


def weighted_kappa(table):
    """Cohen's kappa with linear weights, of a square table of counts; nan when it is undefined."""
    share = table / max(table.sum(), 1)
    distance = np.abs(np.subtract.outer(np.arange(len(table)), np.arange(len(table))))
    by_luck = (distance * np.outer(share.sum(1), share.sum(0))).sum()
    return float(1 - (distance * share).sum() / by_luck) if by_luck else float("nan")


print(f"kappa from the table: {weighted_kappa(table):.3f}")
if labels:
    measured = refine.agreement(labels, *raters, seed=seed)
    assert measured.kappa is None or abs(measured.kappa - weighted_kappa(table)) < 1e-9
    low, high = measured.interval or (float("nan"), float("nan"))
    print(f"{measured.n} conversations, {measured.raw:.0%} equal labels, kappa {weighted_kappa(table):.2f}")
    print(f"95 % interval of kappa by bootstrap: {low:.2f} to {high:.2f}")

# %% tags=["slide"]
figure, grid = figures.axes(1, 1, width=5.5, height=4.2)
axis = grid[0, 0]
axis.imshow(table, cmap="cividis")
axis.grid(visible=False)
for (row, column), count in np.ndenumerate(table):
    light = count < table.max() / 2
    axis.text(column, row, str(count), ha="center", va="center", color="white" if light else "black")
axis.set(xticks=range(3), yticks=range(3), xticklabels=names, yticklabels=names)
axis.set(xlabel=raters[-1], ylabel=raters[0], title="Labels of two simulated raters (counts)")
checks.show(figure, alt="Most conversations lie on the diagonal, where both simulated raters give the same label.")

# %% [markdown]
# Read the corners first: *Excellent* for one rater, *Poor* for the other. Our simulated raters err by one step only,
# so their corners stay nearly empty. With people they fill up, and usually that means the guide has a hole.
#
# ### A round whose errors are known
#
# How many wrong promotions should we expect? With people nobody can say. With simulated raters we put the errors in
# ourselves, so we can count them on the way out.

# %%
judged_once = [one.dialogue for one in judge_all(rated, canary=CANARY) if one.dialogue]
for error_rate in (0.0, 0.1, 0.3):
    panel = [refine.SimulatedRater(f"simulated-{n}", error_rate, seed + n) for n in (1, 2, 3)]
    one_round = refine.simulated_round(judged_once, panel)
    everybody = refine.alpha(one_round.labels, resamples=100)
    print(
        f"error {error_rate:.0%}: equal labels {one_round.agreement.raw:.0%}, expected {one_round.expected_raw:.0%},",
        end=" ",
    )
    print(
        f"alpha {everybody.alpha or 0:.2f}; wrongly promoted {len(one_round.wrongly)}, missed {len(one_round.missed)}"
    )

# %% [markdown]
# Read each line from left to right. The equal labels should lie near what the known errors predict; if they did not,
# our counting would be wrong. **Alpha** (Krippendorff's) is kappa's relative for any number of raters: again 1 is
# perfect and 0 is luck. And the last two numbers are the price of careless rating: good conversations lost, others
# let in.
#
# ### Exercise 03.3: who is promoted?
#
# A conversation joins the examples if at least two raters call it *Excellent* and nobody calls it *Poor*. Labels come
# as `(record, rater, quality)` in the order they were given, and a rater's **last** label counts. Return the ids,
# sorted.


# %% tags=["exercise"]
def promoted_ids(labels):
    """Records with two raters for Excellent and none for Poor."""
    answer = None
    # solution
    last = {(record, rater): quality for record, rater, quality in labels}
    votes = {}
    for (record, _), quality in last.items():
        votes.setdefault(record, []).append(quality)
    answer = sorted(r for r, given in votes.items() if given.count("Excellent") >= 2 and "Poor" not in given)
    # end solution
    return answer


# %% tags=["check"]
checks.check("03.3", promoted_ids)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. First find the last label of each rater for each record: a dictionary keyed by `(record, rater)` forgets
#    the earlier ones by itself.
# 2. Then gather what is left by record, and ask two questions of each: how many *Excellent*? any *Poor*?
#
# </details>
#
# ### Promotion
#
# Only a reply that passes the filter of notebook 04 can be an example at all: its tags must be right. The new set
# remembers the set it grew from, and its name is a hash of its content. A prompt that says "examples 55b9…" can be
# rendered again, whatever happens to the set later.

# %%
seeds = load_seed_examples()
judged = judge_all(rated, canary=CANARY)
good = refine.promoted(labels, [one.dialogue for one in judged if one.dialogue])
grown = seeds.with_promoted(good[:4])
examples = step.make(
    "examples.json",
    lambda: {"version": grown.version, "parent": grown.parent, "examples": [one.to_json() for one in grown.examples]},
)
print(f"{len(good)} conversations qualify; we take {len(grown.examples) - len(seeds.examples)}")
print(f"examples {seeds.version} ({len(seeds.examples)}) → {grown.version} ({len(grown.examples)})")

# %% [markdown]
# We take few on purpose. If the teacher reads mostly its own best work, the next batch will resemble it, and variety
# shrinks with each round. Notebook 04 measures variety.
#
# ### Exercise 03.4: be the teacher (open)
#
# Now write one yourself. The two captions are below, with the tags you must use. Let Human and Assistant alternate,
# let at least two exchanges happen, and let **Assistant** show one of the pictures. The check runs the real filter on
# your text. What you say is up to you.

# %%
MY_CAPTIONS = ("a fox on a snowy hill", "a fox and an umbrella on a rainy day")
print("<img0>a fox on a snowy hill</img0>\n<img1>a fox and an umbrella on a rainy day</img1>")

# %% tags=["exercise"]
my_conversation = None
# solution
my_conversation = """Human: <img0>a fox on a snowy hill</img0> My scarf has the same orange. Is he cold, do you think?
Assistant: Hardly. A fox wears his winter coat all day, and wraps his tail around his nose when he sleeps.
Human: It is pouring outside now. What would he say to that?
Assistant: He would borrow this and not return it: <img1>a fox and an umbrella on a rainy day</img1>"""
# end solution

# %% tags=["check"]
checks.check("03.4", my_conversation)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. Begin with `Human:`, start every turn on a new line, and let the two alternate.
# 2. Put the second tag, copied whole, into a turn of Assistant: as an answer to a wish, for example.
#
# </details>

# %% [markdown] tags=["slide"]
# ## Recap
#
# - One port, three teachers. The recorded one is free and always answers the same.
# - A call is written down before it leaves. Its name is a hash of all that changes the answer. A second run pays
#   nothing.
# - After a crash, a call that may have been billed stays visible as *ambiguous*.
# - No answer, a refusal, half an answer: each is a recorded rejection.
# - Labels are appended, agreement is measured, and promotion makes a new, named set of examples.

# %%
with Journal(ledger) as journal:
    spent = journal.committed()
    print(f"calls in the ledger: {spent.calls}; tokens read {spent.prompt_tokens}, written {spent.completion_tokens}")
    print("(replayed calls count no tokens: nothing was paid for them here)")
step.close()

# %% [markdown]
# ## Quiz

# %% tags=["quiz"]
quizzes.show("03")

# %% [markdown]
# ## Troubleshooting
#
# <details><summary><code>no recorded reply; its captions or their order differ from the recorded ones</code></summary>
# A recording is found by codec, group and the exact captions in order. You changed a caption. Change it back, or take
# a live teacher. To go on without solving it: leave that group out.</details>
#
# <details><summary><code>the environment variable OPENAI_API_KEY holds no key, and no base_url is
# given</code></summary>
# Set the variable before you start Jupyter, or name a server that needs no key:
# <code>teacher="api"</code>, <code>base_url="http://localhost:8080/v1"</code>. A key is never a parameter.</details>
#
# <details><summary><code>cannot be used as a journal (database is locked)</code></summary>
# Another notebook or program has this ledger open. Close it. One writer at a time keeps the count of calls
# true.</details>
#
# <details><summary><code>was not sent; with it this run would stand at …</code></summary>
# The budget stopped the next call. What you have is kept; raise the cap and run again, and only the rest is
# asked.</details>
#
# ## Further reading
#
# - Li et al., *TextBind: Multi-turn Interleaved Multimodal Instruction-following in the Wild*, Findings of ACL 2024,
#   arXiv 2309.08637: how captions, in-context examples and people make the data.
# - Cohen, *Weighted kappa*, Psychological Bulletin 70 (1968): why disagreement should have sizes.
# - The journal's states follow the idea of a write-ahead log, as in any database textbook.
#
# **Next.** Notebook 04 reads `candidates.jsonl` and looks for reasons to say no.
