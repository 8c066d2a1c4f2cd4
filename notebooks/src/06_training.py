# %% [markdown] tags=["slide"]
# # Learning to look
#
# At the start of this notebook the model describes pictures it has never looked at. At the end it names the
# tiger, the apple and the beach of postcards that nobody has shown it before, and when you ask for a picture it
# decides to draw. In between lies less training than you may think, because almost nothing has to be learned.
# And at one moment, before the language model has been trained *at all*, it begins to see. We will stop there
# and look.
#
# ![A postcard that training never saw, and beside it four answers of the same model: before any training, after step 0,
# after stage 1 and after stage 2. The first has nothing to do with the picture; the last names the things and the
# place.](figures/hook_06.png)
#
# *Four moments of one model, from a run like yours. Which step taught it most?*

# %% [markdown] tags=["slide"]
# <!-- roadmap -->

# %% [markdown]
# ## What you will be able to do
#
# - **train** the seam between a frozen tower and a language model in three steps, and say what each is for;
# - **watch** training as it runs, and **resume** it after an interrupt, bit by bit the same;
# - **check** the signals that separate learning from luck: loss, blank pictures, wrong pictures, frozen parts;
# - **measure** on held-out pictures with intervals, and put chance beside every number;
# - **switch off** one thing at a time, and see what it was good for;
# - **tell** what the training cost the model's plain text.

# %% [markdown]
# ## What you need
#
# The parts of notebook 05. The conversations of notebook 04 (`dialogues.jsonl` and `pictures/`), which we read;
# if 04 has not run here, small starter files stand in and a banner says so. The word *loss* should mean
# something to you: the surprise, in nats per token, at what really comes next.
#
# <!-- cost-card -->

# %% tags=["parameters"]
profile: str = "laptop"  # smoke | laptop | gpu
seed: int = 0  # every random stream derives from it
run_dir: str = "runs/laptop"  # where this chain keeps its files; a relative path starts at the project's root
refresh: bool = False  # True: redo work that is already done

# %%
import tempfile
from collections import Counter
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from tbcore.course import checks, figures, lesson, quizzes
from tbcore.course.watch import watched
from tbcore.model.decode import DecodeSettings, Prompt
from tbcore.model.language import EVERY_MATRIX
from tbcore.model.painter.pipeline import PostcardPainter, load_painter
from tbcore.model.query_head import save_query_head
from tbcore.records import Dialogue, Pair, Turn
from tbcore.seeds import stream
from tbcore.store import read_json, read_jsonl, write_json, write_jsonl

# %%
from tbcore.train import corpus as training_data
from tbcore.train import evaluate, scores
from tbcore.train.ablations import compare_readings
from tbcore.train.build import assemble, load_shipped_qformer
from tbcore.train.checkpoint import delta_tensors, frozen_hashes, load_delta, save_delta
from tbcore.train.compare import compare_connectors
from tbcore.train.corpus import Corpus, dialogue_source
from tbcore.train.examination import examine
from tbcore.train.features import FeatureBank
from tbcore.train.kept import CURVE, train_in
from tbcore.train.loop import Training, train
from tbcore.train.prealign import WORDS, caption_words, prealign, word_accuracy
from tbcore.train.pretrain_qformer import long_words
from tbcore.train.query_training import compare_interfaces
from tbcore.train.stages import ALIGN, INSTRUCT, Budget
from tbcore.world.captions import caption
from tbcore.world.dialogues import simulate
from tbcore.world.render import render_many
from tbcore.world.scenes import sample_scene

# %%
step = lesson.open("06_training", profile=profile, seed=seed, run_dir=run_dir, refresh=refresh)
p = step.profile
filtered = step.upstream("04_filtering")
model, processor = assemble(seed=seed)
painter = PostcardPainter(load_painter(), steps=p.painter_steps)
untrained = {name: value.clone() for name, value in model.connector.state_dict().items()}
print("the language model computes in", str(model.language.dtype).removeprefix("torch."))

# %% [markdown]
# ## What may be learned from, and what may not
#
# We need two heaps of postcards that share nothing. From the first we learn. The second, the **held-out** heap,
# is for the examination, and nothing that trains ever looks at it. Each scene belongs to one heap by a fixed
# rule, so the two cannot mix, whatever the seed.

# %%
rng = stream(seed, "practice scenes")
practice = [sample_scene(rng, split="train") for _ in range(p.n_captions)]
held_out = scores.held_out_scenes(stream(seed, "held-out scenes"), p.n_eval_pictures)
assert not set(practice) & set(held_out)
print(f"{len(practice)} postcards to learn from, {len(held_out)} held out, none in both")
shown = held_out[:4]
checks.show(
    figures.gallery(render_many(shown), [caption(scene) for scene in shown]),
    alt=f"Four of the held-out postcards with their captions: {'; '.join(caption(scene) for scene in shown)}.",
)

# %% [markdown]
# The tower is frozen, so it gives the same features for the same picture every time. Looking once is enough: a
# **bank** keeps what it saw. That alone saves a good part of the training time, and it is only legal *because*
# the tower never changes.

# %%
bank = FeatureBank(model.vision)
exam_rows = bank.add(render_many(held_out))
exam = bank[exam_rows]
print("features of the held-out pictures:", list(exam.shape), exam.dtype)

# %% [markdown]
# ## What would a blind model score?
#
# Before any score, the score of somebody who does not look. The best blind strategy is to say the *most frequent*
# answer every time.
#
# **Exercise 06.1 (warm-up, 2 minutes).** Which share does that get right?


# %% tags=["exercise"]
def blind_share(answers):
    """The share of right answers of somebody who always gives the most frequent one."""
    answer = None
    # solution
    answer = Counter(answers).most_common(1)[0][1] / len(answers)
    # end solution
    return answer


# %% tags=["check"]
checks.check("06.1", blind_share)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. One divided by the number of *different* answers is right only if all are equally frequent.
# 2. `collections.Counter(answers).most_common(1)` gives the winner and its count.
#
# </details>

# %%
luck = scores.chance(held_out)
print(f"by chance on these pictures: backdrop {luck['backdrop']:.1%}, all things in their places {luck['things']:.1%}")

# %% [markdown]
# And this is what the untrained model says. We keep its answers to a part of the held-out pictures; after each
# step of the training it will answer the same ones again.

# %% tags=["slide"]
some = slice(0, max(4, p.n_eval_pictures // 5))
longest = min(40, p.max_new_tokens)


def look_again():
    """What the model says of the first held-out pictures, as it is now."""
    return evaluate.describe(model, processor, exam[some], max_tokens=longest)


def show_answers(texts, stage):
    """Four pictures with what is said of them, and the score of all answers."""
    seen = scores.score_texts(texts, held_out[some])
    alt = f"Held-out postcards and what the model says {stage}: {' / '.join(texts[:4])}"
    checks.show(figures.gallery(render_many(shown), texts[:4]), alt=alt)
    print(f"{stage}: {seen}")


said = {"untrained": step.make("said_untrained.json", look_again)}
show_answers(said["untrained"], "untrained")
base_hashes = frozen_hashes(model)

# %% [markdown] tags=["slide"]
# Fluent, and about nothing. One more thing to write down *before* we touch anything: how the model does in
# plain chat without pictures, which we would like to keep.

# %%
PLAIN = ("What is the capital of France?", "Give me a tip for a good night's sleep.")


def chat_plainly():
    """Answers to questions without pictures."""
    prompts = [Prompt((Turn("user", (text,)),)) for text in PLAIN]
    replies = evaluate.answer_all(model, processor, prompts, settings=DecodeSettings(max_tokens=p.max_new_tokens))
    return [reply.text for reply in replies]


plain_before = step.make("plain_before.json", chat_plainly)
print(*(f"{question}\n    {answer}" for question, answer in zip(PLAIN, plain_before, strict=True)), sep="\n")

# %% [markdown]
# ## Step 0: borrow the words
#
# The paper does not start from nothing: its Q-Former comes from BLIP-2, which had trained it on 129 million pictures
# (TextBind, Li et al., Findings of ACL 2024, arXiv 2309.08637, the section on training; BLIP-2, arXiv 2301.12597).
# No such Q-Former fits our small tower, so we make one. **Pre-alignment** is our way to do it, and it does not run
# the language model at all. First you do it yourself, for a minute.
#
# The idea: a word, for the language model, is a row of its embedding table. If query *k* of the connector gives
# a vector close to the row of one of the caption's words, then the language model ought to read it *as that
# word*, and nobody has to teach it anything. So we train the connector alone to name words, with the language
# model's own table as the list of possible answers.
#
# Which words? Only the **telling** ones: for each caption the seven that stand in the fewest other captions, in
# their order. "A", "on" and "the" are in nearly all of them and say nothing about this picture. Worse, they push
# the others about: with every word of the sentence on the list, the place of "beach" depends on how many pieces
# all the words before it have.

# %%
texts = [caption(scene) for scene in [*practice, *held_out]]
words = caption_words(texts, processor.layout.text, most=WORDS)
words, exam_words = words[: len(practice)], words[len(practice) :]
pieces = [processor.layout.text.decode([word]) for word in words[0]]
print(caption(practice[0]), "\n->", pieces)


def prealign_into(path):
    """Train the connector to name words, and keep it with its curve."""
    rows = bank.add(render_many(practice))
    budget = Budget(steps=p.prealign_steps, seconds=p.prealign_seconds)
    steps = prealign(model, bank, rows, words, budget=budget, batch=p.prealign_batch, seed=seed)
    curve = [asdict(one) for one in watched(steps, "pre-alignment")]
    save_delta(model, path, notes={"step": "prealign", "seed": seed})
    write_jsonl(path / CURVE, curve)


# %% tags=["slide"]
folders = {"a minute": step.folder("prealigned_here", prealign_into)}
load_delta(model, folders["a minute"])


def curve_of(stage, name="loss"):
    """One column of a stage's curve."""
    return np.array([row[name] for row in read_jsonl(folders[stage] / CURVE)])


figure, grid = figures.axes(1, 2, height=3.2)
grid[0, 0].plot(*figures.smooth(curve_of("a minute")), color=figures.PALETTE[0])
grid[0, 0].set(xlabel="update", ylabel="loss")
grid[0, 1].plot(*figures.smooth(curve_of("a minute", "words_right")), color=figures.PALETTE[2], linestyle="--")
grid[0, 1].set(xlabel="update", ylabel="share of words named", ylim=(0, 1))
rise, fall = curve_of("a minute", "words_right"), curve_of("a minute")
checks.show(
    figure,
    alt=f"Pre-alignment: words named rightly go from {rise[0]:.0%} to {rise[-1]:.0%}, the loss from {fall[0]:.1f} "
    f"to {fall[-1]:.1f}.",
)

# %% [markdown] tags=["slide"]
# That was the *practice* heap. Now held-out pictures, and still no language model: for each query we look up
# the word whose row is nearest. By hand it is three lines:

# %%
vocabulary = sorted({word for row in words for word in row})
table = model.language.embed(torch.tensor([vocabulary]))[0].detach().float()


def read_words():
    """What the queries alone read on four held-out pictures."""
    for scene, features in zip(shown, exam, strict=False):
        named = (model.connector(features[None].float())[0] @ table.T).argmax(dim=-1)
        reads = [processor.layout.text.decode([vocabulary[k]]).strip() for k in named.tolist()]
        print(f"{caption(scene)}\n    reads: {' '.join(reads)}")


read_words()

# %% [markdown]
# A minute gives the flavour: places and colours come first, things later. From here more of the same is needed, and
# waiting teaches nothing. So a Q-Former **ships with the course**: this very step, on more postcards and for longer,
# with twelve telling words of each caption instead of seven (`tbcore/train/pretrain_qformer.py`; `make pretrain` makes
# it again). Of the two, the one that reads more of *your* held-out captions goes on:


# %%
def prealigned_into(path):
    """The shipped Q-Former, or the one just trained if that reads more held-out captions; with both scores."""
    marks = {"a minute": word_accuracy(model, bank, exam_rows, exam_words)}
    made = load_shipped_qformer(model)
    twelve = long_words([caption(scene) for scene in held_out], processor.layout.text)
    marks["shipped"] = word_accuracy(model, bank, exam_rows, twelve)
    if marks["a minute"][1] > marks["shipped"][1]:
        load_delta(model, folders["a minute"])
    save_delta(model, path, notes={"step": "prealign", "seed": seed, "marks": marks, "shipped": made})


folders["pre-aligned"] = step.folder("prealigned", prealigned_into)
made = load_delta(model, folders["pre-aligned"])
for name, (share, whole) in made["marks"].items():
    print(f"{name:9} held out: {share:.1%} of words, {whole:.1%} of captions with all their telling words")
print(f"shipped: {made['shipped']['updates']} updates on {made['shipped']['scenes']:,} postcards")
read_words()

# %% [markdown]
# Is a Q-Former worth its trouble? The plainest rival has no queries: **pixel shuffle** folds each square of
# neighbouring patches into one long vector, and one linear layer does the rest. Both get the same features and
# the same seconds *of the processor*, so the cheaper one may take more updates:


# %%
def contest():
    """Both connectors from scratch, for a short time each."""
    heaps = (bank.add(render_many(practice)), words), (exam_rows, exam_words)
    found = compare_connectors(model, bank, *heaps, seconds=max(0.3, p.prealign_steps / 10), seed=seed)
    return [one.to_json() for one in found]


figure, grid = figures.axes(height=3)
for one, line in zip(step.make("connectors.json", contest), ("-", "--"), strict=True):
    print(f"{one['kind']}: {one['parameters']:,} numbers, {one['updates']} updates in {one['cpu_seconds']:.1f} s")
    print(f"    held out: words {one['words']:.1%}, whole captions {one['captions']:.1%}")
    grid[0, 0].plot(*np.transpose(one["curve"]), line, label=one["kind"])
grid[0, 0].set(xlabel="seconds of the processor", ylabel="loss")
grid[0, 0].legend()
checks.show(figure, alt="Loss of both connectors over the same seconds of the processor; their scores stand above.")

# %% [markdown]
# Read it with care. Pixel shuffle has no way to carry a word from one place to another: its vector *k* comes from
# region *k*, and ours is a test of *order*. And the race is short; a longer one may end otherwise.

# %% [markdown]
# ## The moment before
#
# Now please stop and think. The language model has not been trained. Not one of its weights has changed since
# somebody else finished it. It has never met a vector that was not the row of a word. What will it say when we
# hand it sixteen vectors that only *resemble* rows of words?

# %%
said["pre-aligned"] = step.make("said_prealigned.json", look_again)
show_answers(said["pre-aligned"], "pre-aligned")

# %% [markdown]
# Compare with the same four pictures above. Whatever is right here, the language model read it *as if it were
# text*. Where it is wrong, it often has the right words in an odd sentence, or chats about them instead of
# describing. It can see a little, and nobody has told it *what to do* with what it sees. That is what the two
# stages are for.
#
# ## Resuming, shown on a few steps
#
# Training gets interrupted: a lid is closed, a battery dies. A run that has to start again from zero is a run
# people do not start. Ours saves model, optimizer and the number of the step; and each batch is a function of
# that number, so the order of the data comes back too. Claim: stopping and resuming changes *nothing*. Test:
# four steps straight, then two steps, a "crash", and two more.


# %%
sources = {}


def caption_source(n):
    """One question and one answer for each of the first n postcards: what is in this picture?"""
    if n in sources:
        return sources[n]
    pairs = [Pair(f"practice-{k}", "", caption(scene), "postcards") for k, scene in enumerate(practice[:n])]
    shown_each = ([picture] for picture in render_many(practice[:n]))
    told = zip(training_data.caption_dialogues(pairs, seed=seed), shown_each, strict=True)
    sources[n] = dialogue_source("captions", told, processor=processor, bank=bank, share=0.2)
    return sources[n]


few = caption_source(24)
tiny_stage = replace(ALIGN, name="align, tiny", columns=96, row=96)
tiny_corpus = Corpus([few], bank, tiny_stage, seed=seed)


def fresh_run():
    """The tiny run from its very beginning."""
    load_delta(model, folders["pre-aligned"])
    model.slice_head(training_data.kept_ids([few], vocab_size=processor.vocab_size))
    return Training(model, tiny_stage, Budget(steps=4), data=tiny_corpus.digest)


straight = [one.loss for one in train(fresh_run(), tiny_corpus.batch)]

with tempfile.TemporaryDirectory() as place:
    run = fresh_run()
    steps = train(run, tiny_corpus.batch)
    halted = [next(steps).loss, next(steps).loss]
    run.save(Path(place) / "state")
    run = fresh_run()  # the crash: everything in memory is as before the first step
    run.resume(Path(place) / "state")
    halted += [one.loss for one in train(run, tiny_corpus.batch)]
print("straight:   ", [f"{loss:.6f}" for loss in straight])
print("interrupted:", [f"{loss:.6f}" for loss in halted])
assert np.allclose(straight, halted, rtol=1e-4)

# %% [markdown]
# The same numbers. If the third differed, the optimizer's memory would be missing; if all differed, the order of
# the data. And which parts did these steps move?

# %%
before = load_file(folders["pre-aligned"] / "delta.safetensors")
moved = {name for name, value in delta_tensors(model).items() if not value.equal(before[name])}
print("moved:", {name.split(".")[0] for name in moved}, f"({len(moved)} tensors); woken numbers: {run.woken}")
assert frozen_hashes(model) == base_hashes
assert all(name.startswith("connector.") for name in moved)
load_delta(model, folders["pre-aligned"])

# %% [markdown]
# Only the connector. The hashes of the tower and of the language model are what they were when we loaded them.
# A frozen part that moves is the most expensive silent fault in this trade, because the result still looks like
# learning.
#
# ## Stage 1: alignment
#
# Now the language model runs, frozen, and the gradient flows *through* it into the connector. The task is
# plain: a picture and a question, and the caption as the answer. One cross-entropy over the words of the
# answer.


# %%
aligning = replace(ALIGN, columns=48 * p.stage1_batch), Budget(steps=p.stage1_steps, seconds=p.stage1_seconds)


def align_corpus():
    """What stage 1 reads; the head is cut to the words that occur in it."""
    corpus = Corpus([caption_source(min(5000, len(practice)))], bank, aligning[0], seed=seed)
    model.slice_head(training_data.kept_ids(corpus.sources, vocab_size=processor.vocab_size))
    return corpus


def align_into(path):
    """Stage 1; `train_in` keeps curve and state in the folder on the way, so an interrupt costs little."""
    list(watched(train_in(path, model, aligning[0], align_corpus(), aligning[1]), "stage 1"))


def without_step_0():
    """The same first updates on the same batches, but from an untrained connector."""
    model.connector.load_state_dict(untrained)
    corpus = align_corpus()
    run = Training(model, *aligning, data=corpus.digest, seed=seed)
    return [one.loss for one in islice(train(run, corpus.batch), max(1, p.stage1_steps // 12))]


folders["stage 1"] = step.folder("aligned", align_into)
cold = step.make("without_prealign.json", without_step_0)
load_delta(model, folders["stage 1"])
said["stage 1"] = step.make("said_aligned.json", look_again)
show_answers(said["stage 1"], "after stage 1")
for number, (without, own) in enumerate(zip(cold, curve_of("stage 1"), strict=False)):
    print(f"update {number}: loss {without:.2f} without step 0, {own:.2f} with it")

# %% [markdown]
# The last lines are an **ablation**: one thing is taken away, all else is equal. The same batches and the same
# updates, but a connector that never learned words. What step 0 was worth is the gap between the columns.
#
# It stopped chatting and started describing. Look at *which* mistakes are left: a place that is never mentioned, a
# thing too many, the right things in the wrong order. A model that does the last has learned *what* before *where*.
#
# ## Stage 2: manners
#
# A describing machine is not a partner in a conversation. Stage 2 trains on whole conversations: questions,
# comparisons, refusals, small talk, and drawings, each packed with its caption branches as in notebook 05. Four
# sources are mixed:
#
# | source | what it teaches |
# |---|---|
# | simulated conversations | every kind of turn, with a known right answer |
# | recorded conversations (notebook 04) | livelier talk: a large language model wrote them, from captions |
# | captions | not to forget stage 1 |
# | plain chat | not to forget the world without pictures |


# %%
def recorded_talks():
    """The conversations that survived the filters; those to be tested on stay out."""
    kept = set(read_json(filtered / "splits.json")["train"])
    return [Dialogue.from_json(row) for row in read_jsonl(filtered / "dialogues.jsonl") if row["id"] in kept]


def recorded_source():
    """The same with their pictures, as columns."""
    told = [(one, training_data.folder_pictures(one, filtered, processor=processor)) for one in recorded_talks()]
    return dialogue_source("recorded", told, processor=processor, bank=bank, share=0.06)


def pictures_of(simulated):
    """The pictures of a simulated conversation; small talk has none."""
    return list(render_many(simulated.scenes)) if simulated.scenes else []


def conversations():
    """All sources of stage 2 with their shares."""
    walks = simulate(seed, p.n_simulated, split="train")
    simulated = [(one.dialogue, pictures_of(one)) for one in walks]
    return (
        dialogue_source("simulated", simulated, processor=processor, bank=bank, share=0.7),
        recorded_source(),
        caption_source(min(5000, len(practice))),
        dialogue_source(
            "chat", [(one, ()) for one in training_data.plain_chat()], processor=processor, bank=bank, share=0.05
        ),
    )


def as_text(dialogue):
    """A conversation in plain lines; pictures as their captions."""
    for turn in dialogue.turns:
        parts = (part if isinstance(part, str) else f"[{dialogue.captions[part.index]}]" for part in turn.parts)
        print(f"{turn.role:>10}: {''.join(parts)}")


as_text(simulate(seed, 3, split="train", exchanges=(3, 3))[0].dialogue)

# %%
recorded = recorded_source()
print(
    f"recorded: {len(recorded.examples)} conversations fit, {len(recorded.skipped)} are too long even for one exchange"
)
for one in recorded_talks()[:1]:
    as_text(one)

# %% [markdown]
# The language model now has to *say* new things, such as `<start>`, so a little of it must learn too: low-rank
# adapters beside every matrix of every layer, and the rows of the three control tokens. Its own weights stay frozen.
# (The paper trains the whole language model at this point; on two cores we cannot. Many recipes adapt queries and
# values only. Try it, `targets=("q_proj", "v_proj")`: an update gets cheaper, and teaches less about when to draw.)

# %%
if model.config.lora is None:
    print(f"adapters added: {model.add_lora(rank=8, alpha=16, targets=EVERY_MATRIX):,} numbers")


def instruct_into(path):
    """Stage 2, on the mixture."""
    stage = replace(INSTRUCT, columns=96 * p.stage2_batch, row=max(INSTRUCT.row, p.max_positions // 2))
    corpus = Corpus(conversations(), bank, stage, seed=seed)
    for source in corpus.sources:
        print(f"{source.name:10} {len(source.examples):5} conversations, share {source.share:.2f}")
    model.slice_head(training_data.kept_ids(corpus.sources, vocab_size=processor.vocab_size))
    budget = Budget(steps=p.stage2_steps, seconds=p.stage2_seconds)
    list(watched(train_in(path, model, stage, corpus, budget), "stage 2"))


folders["stage 2"] = step.folder("checkpoint", instruct_into)
load_delta(model, folders["stage 2"])
said["stage 2"] = step.make("said_instructed.json", look_again)
show_answers(said["stage 2"], "after stage 2")

# %% tags=["slide"]
figure, grid = figures.axes(1, 2, height=3.2)
for place, stage, color in ((grid[0, 0], "stage 1", 0), (grid[0, 1], "stage 2", 2)):
    place.plot(curve_of(stage), color=figures.PALETTE[color], alpha=0.35, label="each update")
    place.plot(*figures.smooth(curve_of(stage)), color=figures.PALETTE[color], linewidth=2.5, label="mean")
    place.set(title=stage, xlabel="update", ylabel="loss")
    place.legend()
ends = {stage: (curve_of(stage)[:5].mean(), curve_of(stage)[-5:].mean()) for stage in ("stage 1", "stage 2")}
checks.show(figure, alt="Loss: " + "; ".join(f"{stage} {a:.2f} to {b:.2f}" for stage, (a, b) in ends.items()))

# %% [markdown]
# The two curves cannot be compared with each other: stage 2 predicts other things. Within one curve, three
# shapes should worry you: one that does not fall, one that falls and then jumps, and one that ends in a number
# that is not finite. For the last our loop stops by itself and names the step and its conversations.
#
# **Exercise 06.2.** Large batches are often computed in pieces. Each piece reports the *mean* loss of its
# supervised tokens. What is the mean over all? (It is a fault found in many training scripts.)


# %% tags=["exercise"]
def joined_mean(means, counts):
    """The mean loss over all tokens, from the mean and the number of tokens of each piece."""
    answer = None
    # solution
    answer = sum(mean * count for mean, count in zip(means, counts, strict=True)) / sum(counts)
    # end solution
    return answer


# %% tags=["check"]
checks.check("06.2", joined_mean)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. A piece with one token must not weigh as much as a piece with a hundred.
# 2. Undo each mean first: mean times count is the piece's sum.
#
# </details>
#
# ## The examination
#
# All scores in one go, on held-out material only:
#
# - **backdrop, things**: what it says of held-out pictures. "All things" counts only if every thing is named in
#   its place.
# - **blank**: the same questions about grey squares, scored as if the pictures had been there.
# - **talk or draw**: turns of held-out conversations, the reply written freely; does it open a picture where one is
#   due, and only there?
# - **drawn scene**: it is asked for a picture, writes a caption, the painter paints, and an exact reader says
#   what is on the picture. All of it must be right.
# - **probe**: a linear reader on the tower's features. What it finds is there for the taking.

# %%
held_out_talks = simulate(seed, max(4, p.n_eval_turns // 2), split="test")
talks = [(one.dialogue, pictures_of(one)) for one in held_out_talks]


def exam_sheet():
    """Every score as a share with its interval, and what was said and drawn; see `tbcore.train.examination`."""
    sizes = {"n_turns": p.n_eval_turns, "n_drawings": p.n_eval_drawings, "max_tokens": p.max_new_tokens}
    heaps = {"scenes": held_out, "known": practice[:2000], "talks": talks, "longest": longest, "seed": seed}
    return examine(model, processor, bank, painter, **heaps, **sizes)


marks = step.make("scores.json", exam_sheet)

# %%
turns = [expected for one in held_out_talks for expected in one.expects][: p.n_eval_turns]
draws = np.mean([expected.draws for expected in turns])
guess = {"backdrop, seen": luck["backdrop"], "things, seen": luck["things"], "talk or draw": max(draws, 1 - draws)}
for name, one in marks["shares"].items():
    chance = f"   by chance {guess[name]:.1%}" if name in guess else ""
    print(f"{name:26}{evaluate.Share(**one)}{chance}")

# %% tags=["slide"]
stages = {stage: scores.score_texts(texts, held_out[some]) for stage, texts in said.items()}
for stage, seen in stages.items():
    print(f"{stage:12} backdrop {seen.backdrop!s:44} all things {seen.things}")
print(f"{'chance':12} backdrop {format(luck['backdrop'], '.1%'):44} all things {luck['things']:.1%}")
figure, grid = figures.axes(1, 2, height=3.6)
for place, field, name in ((grid[0, 0], "backdrop", "backdrop"), (grid[0, 1], "things", "all things in place")):
    values = [getattr(seen, field) for seen in stages.values()]
    spread = np.array([[one.value - one.low for one in values], [one.high - one.value for one in values]])
    place.errorbar(range(len(values)), [one.value for one in values], yerr=spread.clip(0), fmt="o", capsize=5)
    place.axhline(luck[field], linestyle="--", color=figures.PALETTE[1], label="chance")
    place.set(title=name, xticks=range(len(values)), ylim=(-0.03, 1.03), ylabel="share right, 95 % interval")
    place.set_xticklabels(list(stages), rotation=20)
    place.legend(loc="upper left")
told = "; ".join(
    f"{stage}: backdrop {seen.backdrop.value:.0%}, things {seen.things.value:.0%}" for stage, seen in stages.items()
)
checks.show(figure, alt=f"Before and after on the same {len(held_out[some])} held-out pictures. {told}.")

# %% [markdown]
# How to read this. The bars are **Wilson intervals**: with so many pictures, the true share lies inside them
# nineteen times out of twenty. Two stages whose intervals overlap widely are not proven different. The rows
# *blank* and *other picture* must sit at chance; if *blank* is high, the model has learned the habits of the
# world instead of looking. The *probe* says what the tower offers. When the model stays far below it, the seam
# is the weak place; when the probe itself is low, no amount of training in this notebook will help, and the
# tower must get better.
#
# Some of the drawings on request, with the caption the model wrote. When a picture is wrong, its caption tells
# who is to blame, the writer or the painter:

# %% tags=["slide"]
first = marks["drawn"][:4] or [["(it drew nothing)", "a postcard nobody asked for", 0]]
drawn = painter.paint([written for _, written, _ in first], [number for _, _, number in first])
titles = [f"{asked} -> {written}" for asked, written, _ in first]
checks.show(figures.gallery(drawn, titles, columns=2, size=3.2), alt=f"Drawn on request. {' | '.join(titles)}")

# %% [markdown]
# And pictures that it misread: the truth first, then what was said. Is it the thing, its place, or its number?

# %%
pairs = list(zip(held_out, marks["told"], strict=True))
failed = [one for one in pairs if scores.read_scene(one[1]) != (one[0].backdrop, one[0].things)][:4]
titles = [f"{caption(scene)} -> {text}" for scene, text in failed] or ["(nothing was misread)"]
misread = render_many([scene for scene, _ in failed or pairs[:1]])
checks.show(figures.gallery(misread, titles, columns=2, size=3.2), alt=f"Misread, truth first. {' | '.join(titles)}")

# %% [markdown]
# ## Words, or vectors?
#
# Our model tells the painter in *words*. GILL (arXiv 2305.17216) tells it in *vectors*: a few output tokens
# stand where the caption would, and a small net turns what the language model makes of them into what the
# painter's text encoder would have said. We teach such a **query head** for a few seconds, and ask it for the
# same held-out pictures. *Error* counts in variances: 0 is perfect, 1 is as good as no request at all.


# %%
def teach_head(path):
    """A query head, its pictures, and both scores."""
    written = {asked: text for asked, text, _ in marks["drawn"]}
    sizes = {"n_practice": p.n_eval_turns, "n_exam": p.n_eval_drawings, "seed": seed}
    budget = Budget(steps=max(2, p.prealign_steps // 2))
    head, found = compare_interfaces(model, processor, painter, written=written, budget=budget, **sizes)
    save_query_head(head, path)
    write_json(path / "scores.json", {name: one.to_json() for name, one in found.items()})


for name, one in read_json(step.folder("query_head", teach_head) / "scores.json").items():
    print(f"{name:12} error {one['error']:.2f}   pictures exact {one['exact']['right']} of {one['exact']['total']}")

# %% [markdown]
# The race is not quite even: captions had all of stage 2, the head has seconds. But look at what each
# *starts* with. Captions begin with a painter that reads words and a model that writes them. The head must
# learn a foreign code from nothing, and when it errs, nobody can read why.
#
# ## What may a caption read?
#
# Notebook 05 showed that the released mask lets a caption read earlier ones. What does it do? On held-out
# conversations with edits, we measure the loss of *later* captions under three rules. Then two copies practise
# for a few updates, one with each mask, and both are read *honestly*, as it will be when they talk:


# %%
def readings():
    """Loss of later captions, by what they may read."""
    edits = {"draw": 1, "edit": 8}
    talks = {
        split: [
            (one.dialogue, pictures_of(one)) for one in simulate(seed, n, split=split, weights=edits, exchanges=(3, 4))
        ]
        for split, n in (("train", max(1, p.stage2_steps // 64)), ("test", max(2, p.n_eval_turns // 16)))
    }
    found = compare_readings(model, processor, bank, practice=talks["train"], test=talks["test"])
    return {name: one.to_json() for name, one in found.items()}


for name, one in step.make("readings.json", readings).items():
    print(
        f"{name:18} first captions {one['first']:.3f}   later captions {one['later']:.3f}   ({one['n_later']} tokens)"
    )

# %% [markdown]
# *Honest* is how we train and talk. *Leaking* and *kept* (captions stay in the text) show more at the exam; only
# *kept* could be had when talking, at the price of longer conversations. The last two rows are the real test: a
# few updates are little, so read the direction, not the digits. If practice under the leak costs honest
# captions anything, that is what the released code pays, thousands of times over.

# %% [markdown]
# ## Who decides to draw?
#
# *Talk or draw* sounds like a deep question. First, which kinds of turns are hard?

# %%
right = Counter(expected.kind for expected, fine in zip(turns, marks["verdicts"], strict=True) if fine)
for kind, count in Counter(expected.kind for expected in turns).most_common():
    print(f"{kind:16}{right[kind]:4} of {count}")

# %% [markdown]
# Now the harder question: how deep is it really? Perhaps a few words give the answer away, and nobody has to
# understand anything. Whoever reports such a number should know what a simple rule gets.
#
# **Exercise 06.3 (open).** Write a rule that decides from the user's *words alone* whether the assistant should
# draw. At least 80 % of 200 held-out turns must be right. There are many ways; look at conversations first,
# with `as_text`.


# %% tags=["exercise"]
def should_draw(text):
    """True where the user's words ask for a picture."""
    answer = None
    # solution
    talk = "what which who where why how is are does describe tell name count compare write caption say list hello"
    answer = text.lower().replace(",", " ").strip().partition(" ")[0] not in talk.split()
    # end solution
    return answer


# %% tags=["check"]
checks.check("06.3", should_draw)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. There are a hundred ways to ask for a change, and few ways to begin a question. Look at the first word.
# 2. Print the turns where your rule is wrong; three or four of them show the next word to add.
#
# </details>
#
# ## Signals, not luck
#
# Four checks that would fail if the model had not learned, or had learned the wrong way:

# %%
shares = {name: one["value"] for name, one in marks["shares"].items()}
different = len(set(marks["told"])) / len(marks["told"])
for stage, (first, last) in ends.items():
    print(f"1. loss of {stage}: {first:.2f} -> {last:.2f}")
print(f"2. {different:.0%} of the held-out pictures got an answer of their own")
print(f"3. backdrop: {shares['backdrop, seen']:.0%}; with another picture: {shares['backdrop, other picture']:.0%}")
print(f"4. frozen parts as they were: {frozen_hashes(model) == base_hashes}")
assert frozen_hashes(model) == base_hashes
assert all(np.isfinite(curve_of(stage)).all() for stage in ends)


def moved_between(before, after):
    """Which learned parts differ between two kept stages."""
    old, new = (load_file(folders[stage] / "delta.safetensors") for stage in (before, after))
    parts = {name: "adapters" if "lora_" in name else name.split(".")[0] for name in new}
    return Counter(parts[name] for name, value in new.items() if name not in old or not value.equal(old[name]))


print("stage 1 moved:", dict(moved_between("pre-aligned", "stage 1")))
print("stage 2 moved:", dict(moved_between("stage 1", "stage 2")))
assert set(moved_between("pre-aligned", "stage 1")) == {"connector"}

# %% [markdown]
# ("language" in the last line is the little table of control tokens. The language model's own weights are
# covered by check 4.)
#
# ## What did it cost?
#
# We trained a language model on postcards. Does it still know the rest of the world? The **perplexity** on
# ordinary paragraphs says how many words it hesitates between, on average. Its ratio, after to before, should
# stay near one.


# %%
def text_cost():
    """Perplexity on plain paragraphs, without and with what was learned; and the plain questions again."""
    texts = training_data.plain_text()[: p.n_eval_turns]
    before = evaluate.text_perplexity(model, processor, texts, with_adapters=False)
    return {"before": before, "after": evaluate.text_perplexity(model, processor, texts), "answers": chat_plainly()}


cost = step.make("text.json", text_cost)
ratio = cost["after"] / cost["before"]
print(f"perplexity before {cost['before']:.2f}, after {cost['after']:.2f}, ratio {ratio:.3f}")
for question, before, after in zip(PLAIN, plain_before, cost["answers"], strict=True):
    print(f"{question}\n    before: {before}\n    after:  {after}")

# %% [markdown]
# The perplexity looks at text that the model *reads*. Its *manner* may change more: shorter answers, because
# all our conversations are short. That is no damage by this measure, and still something you would want to
# know.
#
# ## The numbers that go on

# %%
results = {
    "06.backdrop_exact": shares["backdrop, seen"],
    "06.things_exact": shares["things, seen"],
    "06.things_probe": shares["things, probe"],
    "06.blank_backdrop_exact": shares["backdrop, blank"],
    "06.blank_things_exact": shares["things, blank"],
    "06.talk_or_draw": shares["talk or draw"],
    "06.drawn_scene_exact": shares["drawn picture"],
    "06.text_perplexity_ratio": ratio,
    "06.other_backdrop": shares["backdrop, other picture"],
    "06.loss_ratio": float(ends["stage 1"][1] / ends["stage 1"][0]),
}
for name, value in results.items():
    step.result(name, value)
    checks.within(name, value)
step.close()

# %% [markdown] tags=["slide"]
# ## What this model cannot know
#
# It knows ten backdrops, six colours of frames and the things of the postcards, because that is all its tower
# has ever seen. Show it a photograph and it will describe a postcard. Notebook 07 lets you try. Its language
# model is small, too: it writes well and reasons little. Nothing here is a limit of the *method*: a larger
# tower and a larger language model go through the same cells.
#
# ## Recap
#
# - You trained three times: the seam alone, the seam through a frozen language model, then manners with thin
#   adapters.
# - You saw an untouched language model read vectors as if they were words.
# - You interrupted a run, resumed it, and got the same numbers.
# - You examined the model on held-out pictures with intervals, blanks, wrong pictures and chance.
# - You took things away one at a time: pre-alignment, the Q-Former, words as the interface, the honest mask.
# - You measured what the training did to plain text.
#
# ## Quiz

# %% tags=["quiz"]
quizzes.show("06")

# %% [markdown]
# ## Troubleshooting
#
# <details><summary>DivergedError: step ... of stage ...: loss nan, gradient norm nan, on dialogues ...</summary>
#
# The loss is not finite. The message names the step and its conversations. Look at them first. If they are
# fine, lower the learning rates: `replace(INSTRUCT, learns={...})`.
#
# </details>
#
# <details><summary>CheckpointError: ... its data is ..., this run's is ...</summary>
#
# A half-trained state belongs to other data, for example because notebook 04 was run again. Delete the folder
# named in the message, or run with `refresh=True`.
#
# </details>
#
# <details><summary>CheckpointError: ... tensor ... has shape missing, wanted ...</summary>
#
# A cell of stage 1 was run again after the adapters had been added. Restart the kernel and run from the top:
# what is finished is loaded, not trained again.
#
# </details>
#
# <details><summary>Training is much slower than the cost card says</summary>
#
# Something else is using the processor, or the laptop saves power. Nothing is lost by stopping: run the cell
# again and it goes on where it was.
#
# </details>
#
# ## Further reading
#
# - Li et al., *TextBind*, [arXiv 2309.08637](https://arxiv.org/abs/2309.08637): the section on training.
# - Li et al., *BLIP-2*, [arXiv 2301.12597](https://arxiv.org/abs/2301.12597): aligning a Q-Former in two stages.
# - Hu et al., *LoRA*, [arXiv 2106.09685](https://arxiv.org/abs/2106.09685): low-rank adapters.
# - The modules `tbcore/train/prealign.py`, `loop.py` and `evaluate.py`.
#
# **Next:** notebook 07 loads `checkpoint/` and talks with it. You will show it postcards, and it will draw.
