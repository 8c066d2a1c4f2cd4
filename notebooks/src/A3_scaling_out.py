# %% [markdown] tags=["slide"]
# # From one laptop to many
#
# Two thousand postcards fit on a laptop. Three million photographs do not. Most people now write their code again for
# a cluster, and the second version has other bugs than the first. You will not. In this appendix
# the functions of notebooks 01 to 04 run on two workers, then you kill one of them, and the file that comes out has
# the *same bytes* as before. At the end you hold a plan with hours and money in it, and every number names its source.
#
# ![Twelve records are cut into four shards by a hash and given to two workers; one worker is crossed out, and still one
# file comes out in the old order, with the same bytes.](figures/hook_A3.png)
#
# *Four colours, four shards. Worker 2 dies in the middle. What would have to go wrong for the last column to change?*

# %% [markdown] tags=["slide"]
# <!-- roadmap -->

# %% [markdown]
# ## What you will be able to do
#
# - **cut** a list into shards by a hash, and say why Python's own `hash` would ruin it;
# - **run** a stage on Ray workers, and **prove** that the result is the one of a plain loop;
# - **kill** a worker and show that nothing is lost and nothing is done twice;
# - **read** a curve of throughput against workers, and name what bends it;
# - **weigh** gradients of several processes so that they equal those of one;
# - **write** a plan for millions of pairs before anything is paid.

# %% [markdown]
# ## What you need
#
# Notebooks 01 (clusters), 03 (the ledger) and 04 (the filter). No file of another step is read: the conversations are
# simulated here. The workers are programs of [Ray](https://docs.ray.io), which starts on this machine and ends with
# the notebook. Install it with `pip install -e '.[scale]'`. Without it everything still runs in one program, and a
# line says so.
#
# <!-- cost-card -->

# %% tags=["parameters"]
profile: str = "laptop"  # smoke | laptop | gpu
seed: int = 0  # every random stream derives from it
run_dir: str = "runs/laptop"  # where this chain keeps its files; a relative path starts at the project's root
refresh: bool = False  # True: redo work that is already done

# %%
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np

# %%
from tbcore.candidates import Candidate
from tbcore.course import checks, figures, lesson, quizzes
from tbcore.data.cluster import assign
from tbcore.data.filter import judge_all
from tbcore.dialogue import Codec, render_turns
from tbcore.errors import TbcoreError
from tbcore.ledger.budget import Budget, Spent
from tbcore.scale.assign import assign_table, fit_part
from tbcore.scale.ledgers import share_budget
from tbcore.scale.plan import Rates, cost, markdown
from tbcore.scale.runner import run_stage
from tbcore.scale.session import ray_session
from tbcore.scale.shards import shard_of
from tbcore.scale.stages import JudgeStage, judged_row
from tbcore.scale.work import CC3M
from tbcore.seeds import stream
from tbcore.store import read_jsonl, sha256_of, write_jsonl
from tbcore.world.dialogues import simulate

# %%
step = lesson.open("A3_scaling_out", profile=profile, seed=seed, run_dir=run_dir, refresh=refresh)
p = step.profile
open_things = ExitStack()
lab = Path(open_things.enter_context(tempfile.TemporaryDirectory()))
have_ray = find_spec("ray") is not None
print("Ray is here." if have_ray else "Ray is not installed: everything runs in this one program (workers = 0).")

# %% [markdown]
# ## Something to work on
#
# We need replies to judge, many of them. Simulated conversations are real enough: pictures, tags, turns. Each one is
# copied with a number at its end, so that no two are equal.

# %%
codec = Codec.from_seed(seed)
talks = [one.dialogue for one in simulate(seed, p.n_simulated)]
copies = max(4, p.n_simulated // 50)


def candidates():
    """Every talk, several times, as a teacher's raw replies."""
    for copy in range(copies):
        for talk in talks:
            reply = f"{render_turns(talk, codec)} That was number {copy}."
            yield Candidate(f"{talk.id}-{copy}", talk.id, talk.captions, reply, codec)


write_jsonl(lab / "candidates.jsonl", (one.to_json() for one in candidates()))
n_replies = copies * len(talks)
print(f"{n_replies:,} replies, {(lab / 'candidates.jsonl').stat().st_size / 1e6:.1f} MB")

# %% [markdown] tags=["slide"]
# ## First, the plain loop
#
# This is notebook 04 in four lines: read, judge, write. It is short, right, and uses one core. Whatever we build next
# must give *this* result. A faster program that answers something else is no faster program.

# %%
begun = time.perf_counter()
rows = [judged_row(one) for one in judge_all(map(Candidate.from_json, read_jsonl(lab / "candidates.jsonl")))]
for name in ("dialogues", "rejections"):
    write_jsonl(lab / f"{name}.jsonl", (row[name] for row in rows if name in row))
plain_seconds = time.perf_counter() - begun
wanted = {name: sha256_of(lab / f"{name}.jsonl") for name in ("dialogues", "rejections")}
print(f"{n_replies / plain_seconds:,.0f} replies a second")

# %%
codes = Counter(row["rejections"]["code"] for row in rows if "rejections" in row)
kept = sum("dialogues" in row for row in rows)
print(f"kept {kept:,} of {n_replies:,}")
for code, n in codes.most_common():
    print(f"{n:8,}  {code}")

# %% [markdown] tags=["slide"]
# ## Who works on what: shards
#
# Two workers need two heaps. The obvious way is to deal the list out like cards: first, second, first, second. It works
# until somebody adds one reply at the top: then every reply moves, and finished work belongs to nobody.
#
# So a reply's heap must depend on the reply *alone*. A hash does that: it turns any string into a number that looks
# random and never changes. Take the remainder, and you have the number of the **shard**.

# %%
names = [talk.id for talk in talks]
longer = ["a new one", *names]
heap = {name: number % 4 for number, name in enumerate(names)}
heap_after = {name: number % 4 for number, name in enumerate(longer)}
shard = {name: shard_of(name, 4) for name in names}
shard_after = {name: shard_of(name, 4) for name in longer}
for way, old, new in (("dealt", heap, heap_after), ("by hash", shard, shard_after)):
    moved = sum(old[name] != new[name] for name in names)
    print(f"{way}: {moved} of {len(names)} changed heaps")

# %% [markdown]
# One new line at the top, and every row that was done lies in another heap. By hash, nobody moves. Write it yourself.
#
# ### Exercise A3.1: the shard of a key (warm-up)
#
# Take the SHA-256 of the key (as UTF-8), read its first 8 bytes as one big-endian number, and take the remainder by
# the number of shards. Python's own `hash("a")` will not do: look at the next cell but one to see why.


# %% tags=["exercise"]
def my_shard(key, shards):
    """The number of the shard that a key belongs to, from 0 to shards - 1."""
    answer = None
    # solution
    answer = int.from_bytes(hashlib.sha256(key.encode("utf-8")).digest()[:8], "big") % shards
    # end solution
    return answer


# %% tags=["check"]
checks.check("A3.1", my_shard)

# %%
for _ in range(2):
    told = subprocess.run([sys.executable, "-c", "print(hash('a kite') % 4)"], capture_output=True, text=True)
    print("hash('a kite') % 4 in a new program:", told.stdout.strip(), "| shard_of:", shard_of("a kite", 4))

# %% [markdown]
# Python salts `hash` anew in every program, as a guard against attackers. Start it twice and "a kite" may live in two
# places. On a cluster each worker *is* a new program. `shard_of` answers the same today, tomorrow and elsewhere.
#
# Are the heaps about equal? Look, and do not believe it before you have.

# %%
sizes = {n: Counter(shard_of(talk.id, n) for talk in talks) for n in (2, 4, 8)}
figure, grid = figures.axes(1, 3, height=2.6)
for place, (n, count) in zip(grid[0], sizes.items(), strict=True):
    place.bar(range(n), [count[k] for k in range(n)], color=figures.PALETTE[0])
    place.axhline(len(talks) / n, color="black", linestyle="--")
    place.set(xlabel=f"shard of {n}", ylabel="talks")
spread = max(max(count.values()) / (len(talks) / n) for n, count in sizes.items())
checks.show(figure, alt=f"Shards by hash are about equally full; the fullest holds {spread:.2f} times its share.")

# %% [markdown]
# About equal, not exactly. The slowest heap sets the end, so one makes *more shards than workers*: whoever is done
# takes the next.
#
# Which key do we hash? Mostly the id. But one rule of the filter remembers replies and rejects the second of two equal
# ones. Both must meet in the same shard, so this stage hashes the *reply*. For every stage you have to ask: which rows
# must meet?
#
# ## The same functions, in shards
#
# `run_stage` cuts the list, runs a stage over each shard, and merges the results by the place each row had. With
# `workers=0` all happens in this program. Compare the fingerprints.

# %%
report = run_stage(JudgeStage(), lab / "candidates.jsonl", lab / "shards-4", shards=4)
print(report)


def fingerprints(folder):
    """The SHA-256 of both results."""
    return {name: sha256_of(folder / f"{name}.jsonl") for name in ("dialogues", "rejections")}


assert fingerprints(lab / "shards-4") == wanted
print("same bytes as the plain loop:", wanted["dialogues"][:16], "…")

# %% [markdown] tags=["slide"]
# ## Workers
#
# Now Ray. A worker is a program of its own that loads what the stage needs *once* (here the rules, elsewhere a model
# of gigabytes) and then takes one shard after the other. What is in flight is bounded by the number of workers, so
# memory is too, however long the list.

# %%
if have_ray:
    try:
        open_things.enter_context(ray_session(2))
    except TbcoreError as error:
        print(f"{error} The notebook goes on in this one program.")
        have_ray = False
taken = {}
for workers in (1, 2) if have_ray else (0,):
    run_stage(JudgeStage(), lab / "candidates.jsonl", lab / f"first-{workers}", workers=workers)  # wakes the workers
    told = run_stage(JudgeStage(), lab / "candidates.jsonl", lab / f"on-{workers}", shards=8, workers=workers)
    taken[workers] = told.seconds
    assert fingerprints(lab / f"on-{workers}") == wanted
    print(f"{workers} workers: {n_replies / told.seconds:,.0f} replies a second, same bytes")

# %%
figure, grid = figures.axes(1, 1, width=5, height=3)
speeds = {"plain loop": n_replies / plain_seconds}
speeds |= {f"{workers} workers" if workers else "shards": n_replies / taken[workers] for workers in taken}
grid[0, 0].bar(list(speeds), list(speeds.values()), color=figures.PALETTE[: len(speeds)])
grid[0, 0].set(ylabel="replies per second")
best = max(speeds, key=speeds.get)
checks.show(figure, alt=f"Throughput of the plain loop and of Ray's workers; the fastest here is: {best}.")

# %% [markdown]
# Read the bars before you celebrate. A worker is told about its shard and writes its results, and those are merged. On
# a short list this costs more than it brings. The rule of thumb is old: **first make one machine fast, then buy the
# second.**
#
# Amdahl put it in a line. If a share `s` of the work cannot be split, then `n` workers are `1 / (s + (1 - s) / n)`
# times as fast as one, and never faster than `1 / s`. With a tenth unsplit, a thousand workers give less than ten.

# %%
figure, grid = figures.axes(1, 1, width=6, height=3)
many = np.array([1, 2, 4, 8, 16, 32, 64])
for share, mark, colour in zip((0.0, 0.02, 0.1, 0.3), figures.MARKERS, figures.PALETTE, strict=False):
    grid[0, 0].plot(many, 1 / (share + (1 - share) / many), marker=mark, color=colour, label=f"{share:.0%} unsplit")
grid[0, 0].set(xlabel="workers", ylabel="times as fast", xscale="log", yscale="log")
grid[0, 0].legend()
checks.show(figure, alt="Amdahl's law: with ten per cent unsplit, 64 workers are less than nine times as fast as one.")

# %% [markdown] tags=["slide"]
# ## Kill one
#
# On a thousand machines one dies every day. So we break one on purpose. This stage is the real one with a murderer
# inside: the first worker that reaches the fortieth row kills itself the hard way, as if the plug had been pulled. No
# `except`, no farewell.


# %%
@dataclass(frozen=True, kw_only=True)
class Stumbling(JudgeStage):
    """Judges, but the first worker to reach the given row dies without a word."""

    marker: Path
    at: int = 40

    def ready(self):
        """The usual work, with a trap in it."""
        work = super().ready()

        def trapped(rows, desk):
            for number, found in enumerate(work(rows, desk)):
                if number == self.at and not self.marker.exists():
                    self.marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                yield found

        return trapped


# %%
if have_ray:
    stumble = Stumbling(marker=lab / "died-once", at=min(40, n_replies // 8))
    survived = run_stage(stumble, lab / "candidates.jsonl", lab / "killed", shards=4, workers=2)
    print("a worker died:", stumble.marker.exists(), "| shards taken up again:", survived.taken_up_again)
    assert fingerprints(lab / "killed") == wanted
    print("same bytes:", fingerprints(lab / "killed")["dialogues"][:16], "…")

# %% [markdown]
# A worker died in the middle of a shard, and the result is the same to the last byte. Three plain decisions do it:
#
# 1. A shard's folder **appears when it is whole**. Half a folder has another name and is swept away.
# 2. A stage is a **function of its rows**. Doing it again gives the same.
# 3. Results are merged **by place**, not in the order in which workers finish.
#
# Break the third rule on purpose: append results as they come. Here are two runs in which workers finish in another
# order, and what a merge by place makes of both.

# %%
rng = stream(seed, "who is first")
finished = {one: [(number, name) for number, name in enumerate(names) if shard[name] == one] for one in range(4)}
for run in range(2):
    order = rng.permutation(4)
    appended = [pair for one in order for pair in finished[one]]
    merged = sorted(appended)
    as_they_came = hashlib.sha256(repr(appended).encode()).hexdigest()[:8]
    by_place = hashlib.sha256(repr(merged).encode()).hexdigest()[:8]
    print(f"run {run}: shards ended as {order}; appended {as_they_came}, merged by place {by_place}")

# %% [markdown]
# Appended results get another fingerprint in every run, so no two runs can be compared, and a real difference hides
# among harmless ones.
#
# ## When doing it again costs money
#
# Judging is free, so a shard may be judged twice. Asking a teacher is not. There every shard has a **ledger** of its
# own, on the disk, outside the folder that vanishes: an answer is in it before anything else happens. Who takes the
# shard up again finds it there. And the cap? It holds for all shards *together*, so it is dealt out.

# %%
cap = Budget(money=10.0, price_in=2.5, price_out=10.0)
spent = [Spent(calls=40, prompt_tokens=60_000, completion_tokens=8_000), Spent(), Spent()]
for number, part in enumerate(share_budget(cap, spent, weights=[10, 50, 0])):
    print(f"shard {number}: may have spent {part.money:.2f} in all; has spent {cap.cost(spent[number]):.2f}")

# %% [markdown]
# Shard 0 spent some already and has ten rows left. Shard 1 has fifty, so most of the rest is for it. Shard 2 is done
# and gets nothing more. Add the column: it never exceeds the cap. When a shard leaves something over, the next round
# deals it out again.
#
# ## k-means for millions
#
# In notebook 01 all vectors were in memory. Three million of them, 768 numbers each, are 4.6 GB in half precision,
# and k-means reads them twenty times. Two ideas make it small. The *centroids* are fitted on a seeded part: forty
# vectors per centroid are plenty, as more only moves them by a hair. Then every vector goes to its nearest centroid
# once, chunk by chunk, and a chunk is forgotten before the next one is read.

# %%
n_vectors, width, k = 50 * p.n_pairs, 64, 32
rng = stream(seed, "vectors")
hills = rng.normal(size=(k, width))
table = hills[rng.integers(k, size=n_vectors)] + 0.7 * rng.normal(size=(n_vectors, width))
table /= np.linalg.norm(table, axis=1, keepdims=True)
np.save(lab / "vectors.npy", table.astype(np.float16))

fitted = fit_part(lab / "vectors.npy", k, seed=seed)
np.save(lab / "centroids.npy", fitted.centroids)
print(f"fitted on {len(fitted.labels):,} of {n_vectors:,} vectors")

# %%
assigned = assign_table(lab / "vectors.npy", lab / "centroids.npy", lab / "assigned", chunk=4096)
labels = np.load(lab / "assigned" / "labels.npy")
whole, _ = assign(np.load(lab / "vectors.npy").astype(np.float32), fitted.centroids)
print(assigned)
print(f"equal to the assignment in one piece: {(labels == whole).mean():.4%}")
assert (labels == whole).all()
flops = 2 * n_vectors * k * width

# %% [markdown]
# Chunks change nothing, because a vector's nearest centroid does not depend on its neighbours. That is the whole
# secret of work that scales: **look for the step in which rows do not need each other**. And where they do need each
# other, as in the fit, make that step small.
#
# ### Exercise A3.2: count before you rent
#
# For one vector and one centroid of `d` numbers the product costs `2 d` operations (a multiplication and an addition
# each). How many *hours* does it take to assign `n` vectors to `k` centroids, on `workers` that do `rate` operations
# per second each?


# %% tags=["exercise"]
def hours_to_assign(n, k, d, rate, workers=1):
    """Hours of wall clock, when the work splits evenly."""
    answer = None
    # solution
    answer = 2 * n * k * d / rate / workers / 3600
    # end solution
    return answer


# %% tags=["check"]
checks.check("A3.2", hours_to_assign)

# %% [markdown] tags=["slide"]
# ## Training on many processes
#
# Data stages split because rows are strangers. In training they meet in one place: the gradient. Each process reads
# its part of the batch, and before the step all gradients are averaged. One line, and a famous trap in it.
#
# Our loss is a mean **over tokens**. Process 0 may hold a long conversation and process 1 a short one. The mean of
# their two means is *not* the mean over all tokens: each token of the short conversation counts for more.

# %%
tokens = np.array([300, 20])  # tokens with a loss, in each process
losses = np.array([2.0, 4.0])  # mean loss of each process
naive = losses.mean()
right = (losses * tokens).sum() / tokens.sum()
print(f"mean of the means {naive:.3f}, mean over all tokens {right:.3f}")

# %% [markdown]
# Twenty tokens out of three hundred and twenty pulled half of the weight. Nothing crashes, the curve even falls; the
# run on eight processes is simply another run than the one on your laptop. Large projects carried this bug for years.
#
# The mending: every process divides its *sum* by the number of tokens of **all** processes, and multiplies by the
# number of processes, because the averaging will divide by it again.
#
# ### Exercise A3.3: the weight of a process
#
# Write the factor that each process multiplies its own *mean* loss with, so that after averaging over the processes
# the result is the mean over all tokens. Then argue, in a sentence for yourself, what happens in a process that got
# no token at all.


# %% tags=["exercise"]
def process_weights(tokens):
    """One factor per process, from the numbers of its tokens; they average to 1."""
    answer = None
    # solution
    counts = np.asarray(tokens, dtype=float)
    answer = counts / counts.sum() * len(counts)
    # end solution
    return answer


# %% tags=["check"]
checks.check("A3.3", process_weights)

# %%
rng = stream(seed, "gradients")
features, targets = rng.normal(size=(320, 5)), rng.normal(size=320)
weights = np.zeros(5)


def gradient(some):
    """Gradient of the mean squared error over these rows."""
    return 2 * features[some].T @ (features[some] @ weights - targets[some]) / len(some)


parts = np.split(np.arange(320), [300])
factors = np.array([len(part) for part in parts]) / 320 * len(parts)
averaged = np.mean([factor * gradient(part) for factor, part in zip(factors, parts, strict=True)], axis=0)
careless = np.mean([gradient(part) for part in parts], axis=0)
print("weighted by tokens, off by", np.abs(averaged - gradient(np.arange(320))).max().round(12))
print("mean of the means, off by ", np.abs(careless - gradient(np.arange(320))).max().round(3))
assert np.allclose(averaged, gradient(np.arange(320)))

# %% [markdown]
# The course's training loop weighs like this already, so the same loop runs under `accelerate launch`. A config file
# says how many processes there are and what each holds:

# %%
configs = resources.files("tbcore.scale") / "configs"
for place in sorted(configs.iterdir(), key=lambda one: one.name):
    first = place.read_text("utf-8").splitlines()[0].lstrip("# ")
    print(f"{place.name:32}{first[:86] if place.name.endswith('.yaml') else ''}")

# %% [markdown]
# ```
# accelerate launch --config_file tbcore/scale/configs/ddp_gpu.yaml -m tbcore.scale.launch \
#     --stage 1 --data shards/captions --out runs/align
# ```
#
# **DDP** keeps a whole copy of the model in each process and averages gradients: right while the model fits. **FSDP**
# and **DeepSpeed ZeRO** keep only a slice of weights, gradients and optimizer state in each, and fetch the rest when a
# layer needs it: more talk, less memory. `docs/scaling` has the recipes, each marked as tried or not.
#
# ## The plan
#
# Before anything is paid: a plan. Work is *counted* from the shapes of the run. Rates are *measured* or *given*, and
# each line says which. Where there is no rate, hours stay open. An honest gap is better than a guess that looks like a
# number.

# %%
measured = {"conversations": n_replies / plain_seconds, "matrix_flops": flops / assigned.seconds}
source = dict.fromkeys(measured, "measured in this notebook")
given = Rates(
    per_s={**measured, "tower_flops": 5e13, "pictures_read": 500.0},
    source={**source, "tower_flops": "given: an accelerator", "pictures_read": "given: a guess to be replaced"},
    prices={"read_tokens": 2.5, "written_tokens": 10.0, "worker_hour": 1.0},
    workers=8,
)
print(markdown(CC3M, given))

# %%
lines = [one for one in cost(CC3M, given) if one.money is not None]
figure, grid = figures.axes(1, 1, width=6, height=3)
grid[0, 0].barh([one.stint.stage for one in lines], [one.money for one in lines], color=figures.PALETTE[1])
grid[0, 0].set(xlabel="money, in the currency of the prices")
dearest = max(lines, key=lambda one: one.money)
checks.show(figure, alt=f"Of the stages with a known price, {dearest.stint.stage!r} costs most.")

# %% [markdown]
# The prices above are *ours for the exercise*, not anybody's offer. Put yours in a file and run
# `python -m tbcore.scale.plan --given rates.toml`. One thing hardly changes with the prices: topics come from
# embedding everything once, and the teacher is asked only for the conversations you want. The paper asked for some
# tens of thousands, not for three million.
#
# Now close what is open. Ray's programs end, and its folder goes.

# %%
open_things.close()
again = survived.taken_up_again if have_ray else 0
step.result("A3.taken_up_again", again)
step.close()

# %% [markdown] tags=["slide"]
# ## Recap
#
# - A shard is a hash of what must meet; it never depends on the list's order or on the program.
# - The plain loop is the measure: 1, 2 and 4 shards, one worker or two, gave its very bytes.
# - A folder that appears when it is whole, a stage that is a function of its rows, a merge by place: a killed worker
#   costs time and nothing else. Where an answer costs money, a ledger per shard keeps it.
# - Rows that do not need each other split freely. Make the step where they do need each other small.
# - Gradients of several processes are weighted by their tokens, or it is another run.
# - Plan with counted work and named rates. Leave gaps where you know nothing.

# %% tags=["quiz"]
quizzes.show("A3")

# %% [markdown]
# ## Troubleshooting
#
# <details><summary><code>ray_session needs Ray</code></summary>
# The library is not installed. <code>pip install -e '.[scale]'</code>, or pass <code>workers=0</code>: the result is
# the same, in one program.</details>
#
# <details><summary><code>ray_session: Ray did not start</code></summary>
# The machine was too busy for Ray's own programs to report in time. Close what you do not need and run the cell
# again.</details>
#
# <details><summary><code>belongs to stage</code></summary>
# The folder holds the results of another stage. Name another folder, or delete this one.</details>
#
# ## Further reading
#
# - Moritz et al., *Ray: A Distributed Framework for Emerging AI Applications*, arXiv 1712.05889.
# - Dean and Ghemawat, *MapReduce: Simplified Data Processing on Large Clusters* (2004): tasks that can be done again.
# - Amdahl, *Validity of the single processor approach to achieving large scale computing capabilities* (1967).
# - Rajbhandari et al., *ZeRO*, arXiv 1910.02054, and Zhao et al., *PyTorch FSDP*, arXiv 2304.11277.
# - Johnson, Douze and Jégou, *Billion-scale similarity search with GPUs*, arXiv 1702.08734: k-means and faiss.
#
# **Next.** Take `docs/scaling`, your own rates, and your own pictures.
