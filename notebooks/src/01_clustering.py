# %% [markdown] tags=["slide"]
# # Topics emerge from pictures
#
# Put two thousand postcards on the floor and ask a child to make heaps. Nobody says what the heaps should be, and
# still there will be one for the sea and one for the snow. A computer can do the same with nothing but pixels. You
# will watch it happen, check the heaps against the truth, and find out what they are *really* about. There is a
# catch.
#
# ![A map of postcards, placed by their pixels alone: deserts, nights, seas, streets and tables each form an island
# of their own.](figures/hook_01.png)
#
# *No word was read to make this map: each postcard lies near those that a small network finds similar.*

# %% [markdown] tags=["slide"]
# <!-- roadmap -->

# %% [markdown]
# ## What you will be able to do
#
# - **load** pictures with captions, yours included, and read why some were refused;
# - **turn** pictures into vectors, and look at thousands of vectors on a flat map that you know how to distrust;
# - **find** topics with k-means, choose how many, and measure how pure they are;
# - **sample** sets of pictures that belong together, and show with a number why random sets fail.

# %% [markdown]
# ## What you need
#
# Python and a little linear algebra: a vector, a length, a dot product. No files from earlier notebooks: this is the
# first. The pictures come from `pairs`: `postcards` are drawn here, `photos` are a dozen real photographs that
# other packages bring along, and any folder with a `captions.csv` or `captions.jsonl` will do as well.
#
# <!-- cost-card -->

# %% tags=["parameters"]
profile: str = "laptop"  # smoke | laptop | gpu
seed: int = 0  # every random stream derives from it
run_dir: str = "runs/laptop"  # where this chain keeps its files; a relative path starts at the project's root
refresh: bool = False  # True: redo work that is already done
pairs: str = "postcards"  # postcards | photos | a folder of yours

# %%
import tempfile
import zlib
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from tbcore.course import checks, figures, lesson, quizzes
from tbcore.course.maps import hover_map
from tbcore.course.places import project_root
from tbcore.data import cluster, embed, sample
from tbcore.data.pairs import load_picture, read_folder
from tbcore.data.photos import PHOTOS, write_photos
from tbcore.errors import InputError
from tbcore.manifest import digest_of_path
from tbcore.records import Pair, PictureGroup, Rejection
from tbcore.seeds import stream
from tbcore.store import write_jsonl, write_text
from tbcore.world.pairs import write_postcards

own = project_root() / Path(pairs).expanduser()
source = digest_of_path(own) if own.is_dir() else ""
step = lesson.open(
    "01_clustering",
    profile=profile,
    seed=seed,
    run_dir=run_dir,
    refresh=refresh,
    params={"pairs": pairs, "source": source},
)
p = step.profile

# %% [markdown]
# ## Pictures and what they show
#
# TextBind (Li et al., Findings of ACL 2024, arXiv 2309.08637) starts from almost nothing: pictures, each with one
# sentence. No questions, no answers, no labels. Everything else is made from these **pairs**. Whatever the source,
# we bring it into one form: a folder of PNG files with a `captions.jsonl` beside them.


# %%
def copy_own(folder):
    """A reader's own pictures as upright squares, with their captions; what cannot be read is left out."""
    rows = []
    for one in read_folder(own):
        if isinstance(one, Pair):
            name = f"{len(rows):05d}.png"
            Image.fromarray(load_picture(own / one.picture, size=256)).save(folder / name)
            rows.append({"id": one.id, "picture": name, "caption": one.caption, "topic": one.topic})
    write_jsonl(folder / "captions.jsonl", rows)


def collect(folder):
    known = {"postcards": lambda path: write_postcards(path, n=p.n_pairs, seed=seed), "photos": write_photos}
    known.get(pairs, copy_own)(folder)


pictures_folder = step.folder("pictures", collect)

# %%
found = list(read_folder(pictures_folder))
cards = [one for one in found if isinstance(one, Pair)]
refused = [one for one in (read_folder(own) if own.is_dir() else found) if isinstance(one, Rejection)]
step.make("pairs.jsonl", lambda: [replace(one, picture=f"pictures/{one.picture}").to_json() for one in cards])
reasons = step.make("rejections.jsonl", lambda: [one.to_json() for one in refused])

# %%
if len(cards) < 6:
    raise InputError(f"{pairs}: only {len(cards)} usable pictures; topics need six or more. See rejections.jsonl.")
pictures = np.stack([load_picture(pictures_folder / one.picture, size=64) for one in cards])
captions = [one.caption for one in cards]
n = len(cards)
print(f"{n} pairs, {len(reasons)} refused; pictures: {pictures.dtype}{list(pictures.shape)}")

# %%
some = stream(seed, "look").permutation(n)[:8]
figure = figures.gallery(pictures[some], [captions[k] for k in some])
checks.show(figure, alt=f"Eight of the pictures. The first: {captions[some[0]]}. The second: {captions[some[1]]}.")

# %% [markdown]
# The things on the postcards are [Twemoji](https://github.com/jdecked/twemoji) artwork (CC-BY 4.0); the places behind
# them are painted by a short program. The photographs name their makers:

# %%
for photo in PHOTOS if pairs == "photos" else PHOTOS[:2]:
    print(f"{photo.name:12} {photo.credit}")

# %% [markdown]
# ## Nothing is trusted
#
# Your own folder will contain surprises. Ours too: let us build a nasty one, and read it. A good loader neither
# crashes nor stays silent. It says which line is bad and why, and goes on with the rest.


# %%
def nasty_folder(folder):
    """Two good pictures among lines that are not."""
    Image.fromarray(pictures[0]).save(folder / "good.png")
    Image.fromarray(pictures[1]).save(folder / "fine.png")
    text_as_picture = folder / "notes.png"
    write_text(text_as_picture, "I am no picture.")
    bomb = bytearray((folder / "good.png").read_bytes())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # the header now claims 60,000 x 60,000 pixels
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")  # and its checksum agrees
    (folder / "bomb.png").write_bytes(bytes(bomb))
    names = ["good.png,a good picture", "good.png,the same one again", "fine.png,", "notes.png,a letter"]
    names += ["bomb.png,a very large square", "../../secret.png,a secret", "gone.png,it was here yesterday"]
    write_text(folder / "captions.csv", "\n".join(["picture,caption", *names]) + "\n")


with tempfile.TemporaryDirectory() as place:
    nasty_folder(Path(place))
    for one in read_folder(place):
        print(f"{one.where}: {one.code:20} {one.detail[:70]}" if isinstance(one, Rejection) else f"kept: {one.caption}")

# %% [markdown]
# The picture that claims sixty thousand pixels on each side was refused from its *header*. Decoding it first would
# have asked for ten gigabytes, and that is how a folder can take a computer down.
#
# ## From pixels to vectors
#
# To make heaps we need a distance: how different are two pictures? Comparing pixel by pixel is hopeless, because a
# tiger moved by one step would be a new tiger. So a network looks at each picture and writes down numbers that
# describe what it sees: a **vector**. Our network is a small open_clip tower that was trained on postcards with
# their captions, and it is frozen now. It cuts a picture into 64 patches and gives a vector for each.
#
# How do 64 patch vectors become one? The mean says what is *everywhere* in the picture. The maximum, number by
# number, says what is *somewhere* in it, and a small tiger is only somewhere. We take the maximum.


# %%
class PatchMaximum:
    """For each number, the strongest answer of any patch."""

    name = "tower:patch-maximum"

    def __init__(self):
        from tbcore.model.vision import OpenClipTower
        from tbcore.weights.zoo import TOWER_MEAN, TOWER_STD, load_tower

        self.tower = OpenClipTower.from_clip(load_tower(), config={}, mean=TOWER_MEAN, std=TOWER_STD)

    def encode(self, pictures):
        return self.tower.patches(np.stack(pictures)).amax(dim=1).numpy()


def standardised(vectors):
    """Every number with mean 0 and deviation 1 over all pictures, then every vector of length one."""
    plain = vectors.astype(np.float32)
    plain = (plain - plain.mean(axis=0)) / (plain.std(axis=0) + 1e-6)
    return plain / np.linalg.norm(plain, axis=1, keepdims=True)


# %%
vectors = step.make(
    "vectors.npy",
    lambda: standardised(embed.embed(checks.progress(pictures, "embedding"), PatchMaximum())).astype(np.float16),
).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
print(f"vectors: {vectors.dtype}{list(vectors.shape)}, lengths {np.linalg.norm(vectors, axis=1).min():.3f} and more")

# %% [markdown]
# All vectors have length one, so only their direction counts. Two pictures are alike when their vectors point the
# same way, and the **cosine** of the angle says how much: 1 the same, 0 unrelated, below 0 opposite.
#
# **Exercise 01.1 (warm-up, 2 minutes).** Write the cosine of two vectors of *any* length.


# %% tags=["exercise"]
def cosine(a, b):
    """Cosine of the angle between two vectors."""
    answer = None
    # solution
    answer = float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
    # end solution
    return answer


# %% tags=["check"]
checks.check("01.1", cosine)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. The dot product of two vectors is their cosine times both lengths.
# 2. `np.linalg.norm(a)` is the length of `a`. Divide by both.
#
# </details>
#
# Does it work? Take one picture, and ask for those whose vectors point in the most similar direction:

# %%
query = int(some[0])
nearest = np.argsort(-(vectors @ vectors[query]))[:8]
titles = [f"{vectors[k] @ vectors[query]:.2f}  {captions[k]}" for k in nearest]
figure = figures.gallery(pictures[nearest], titles)
checks.show(figure, alt=f"The picture '{captions[query]}' and its seven nearest neighbours, most alike first.")

# %% [markdown]
# The first is the picture itself, with cosine 1. Look at the others: do they share the things, the place, or just the
# number of things? Keep your impression. We will measure it.
#
# ## Two maps, and how far to trust them
#
# A vector here has almost two hundred numbers. A map has two. **PCA** is a shadow: it turns the cloud of points so
# that its shadow is as wide as possible. It is a dozen lines of linear algebra, and distances in it mean something.


# %%
def shadow(vectors, d=2):
    """The d directions in which the cloud is widest, and the share of its spread that they keep."""
    centred = vectors - vectors.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    return u[:, :d] * s[:d], float((s[:d] ** 2).sum() / (s**2).sum())


flat_pca, kept = shadow(vectors)
print(f"two directions keep {kept:.0%} of the spread")

# %% [markdown]
# **UMAP** is a rubber sheet: it tries to keep *neighbours* together and lets everything else stretch. Islands become
# visible, but the distance between two islands says little, and their size says nothing.


# %%
def rubber_sheet(vectors):
    """A two-dimensional UMAP of the vectors."""
    import umap

    state = int(stream(seed, "umap").integers(2**31))
    near = min(15, len(vectors) - 1)
    maker = umap.UMAP(n_neighbors=near, min_dist=0.2, metric="cosine", init="pca", random_state=state, n_jobs=1)
    return maker.fit_transform(vectors)


def neighbours_kept(flat):
    """Share of each picture's nearest neighbours that are its nearest neighbours on the map, too."""
    few, near = vectors[:2000], max(2, min(10, n // 4))
    flat = flat[: len(few)]
    on_map = -((flat[:, None] - flat[None]) ** 2).sum(axis=-1)
    closest = [np.argsort(-scores, axis=1)[:, 1 : near + 1] for scores in (few @ few.T, on_map)]
    return float(np.mean([len(set(a) & set(b)) / near for a, b in zip(*closest, strict=True)]))


flat_umap = step.make("umap.npy", lambda: rubber_sheet(vectors))

# %% tags=["slide"]
maps = {"PCA": flat_pca, "UMAP": flat_umap}
figure, grid = figures.axes(1, 2, width=10)
for place, (name, flat) in zip(grid[0], maps.items(), strict=True):
    place.scatter(*flat.T, s=6, alpha=0.6)
    place.set(title=name, xlabel="first direction", ylabel="second direction", xticks=[], yticks=[])
honest = ", ".join(f"{name} keeps {neighbours_kept(flat):.0%} of neighbours" for name, flat in maps.items())
checks.show(figure, alt=f"The same vectors on two maps, a wide shadow and islands; {honest}.")
print(honest)

# %% [markdown] tags=["slide"]
# The numbers say how honest each map is about neighbours. With many pictures UMAP wins clearly. But neither comes
# near 100 %: a map is for *looking*. All computing below happens in the full space.
#
# ## Making heaps: k-means
#
# Choose k centres. Repeat two moves: give each point to its nearest centre; move each centre to the middle of its
# points. That is all. Here it runs on the flat PCA map, so that you can watch.


# %%
def lloyd(points, centres, rounds):
    """The centres and the labels after so many rounds of the two moves."""
    for _ in range(rounds):
        labels = np.argmin(((points[:, None] - centres[None]) ** 2).sum(axis=-1), axis=1)
        centres = np.stack([points[labels == c].mean(axis=0) for c in range(len(centres))])
    labels = np.argmin(((points[:, None] - centres[None]) ** 2).sum(axis=-1), axis=1)
    return centres, labels


start = flat_pca[stream(seed, "start").permutation(n)[:4]]
figure, grid = figures.axes(1, 4, width=12, height=3.2)
for place, rounds in zip(grid[0], (0, 1, 3, 30), strict=True):
    centres, labels = lloyd(flat_pca, start, rounds)
    for c in range(4):
        place.scatter(*flat_pca[labels == c].T, s=5, color=figures.PALETTE[c], marker=figures.MARKERS[c])
    place.scatter(*centres.T, s=90, color="black", marker="X")
    place.set(title=f"rounds: {rounds}", xticks=[], yticks=[])
checks.show(figure, alt="The four centres wander from random pictures to the middles of four heaps.")

# %% [markdown]
# Our eight lines and scikit-learn's, from the same start, must make the same heaps:

# %%
from sklearn.cluster import KMeans

theirs = KMeans(n_clusters=4, init=start, n_init=1, max_iter=300, tol=0).fit(flat_pca)
ours = lloyd(flat_pca, start, 300)[1]
print(f"{np.mean(ours == theirs.labels_):.1%} of the labels agree")
assert np.mean(ours == theirs.labels_) > 0.99

# %% [markdown]
# From here on `tbcore` does it: in the full space, from several starts, keeping the best. It is *spherical*, which
# means that centres have length one, too, and nearness is the cosine.
#
# ## How many heaps?
#
# Nobody knows k. Two numbers help, and neither decides. **Inertia** is the spread left inside the heaps. It always
# falls, so we look for a bend. The **silhouette** asks of every picture whether it is closer to its own heap than
# to the next one: 1 is perfect, 0 is "on the border". We take its maximum, and then we *look*.

# %%
ks = range(max(2, min(p.k_min, n // 4)), max(3, min(p.k_max, n // 2)) + 1)
table = step.make("choose_k.json", lambda: [asdict(one) for one in cluster.choose_k(vectors, ks, seed=seed)])
best_k = int(max(table, key=lambda row: row["silhouette"])["k"])
figure, grid = figures.axes(1, 2, width=10, height=3.4)
for place, name in zip(grid[0], ("silhouette", "inertia"), strict=True):
    place.plot([row["k"] for row in table], [row[name] for row in table], marker="o")
    place.axvline(best_k, color="black", linestyle="--")
    place.set(xlabel="k, number of heaps", ylabel=name)
fall = -np.diff([row["inertia"] for row in table])
bend = table[1 + int(np.argmax(-np.diff(fall)))]["k"] if len(fall) > 1 else best_k
found_at = f"the silhouette is highest at k = {best_k}; inertia always falls, with its sharpest bend at k = {bend}"
checks.show(figure, alt=f"Two curves over k: {found_at}.")

# %%
heaps = cluster.cluster(vectors, best_k, seed=seed)
print(f"k = {best_k}; pictures per heap: {heaps.sizes}")
nearest_centre = np.argmax(vectors @ heaps.centroids.T, axis=1)
print(f"{np.mean(nearest_centre == heaps.labels):.1%} of pictures are nearest to the centre of their own heap")


# %% [markdown] tags=["slide"]
# What are the heaps about? We give each a name: the words that occur in its captions much more often than
# elsewhere. The words come *after* the heaps. Not a single one was used to make them.


# %% tags=["slide"]
def typical_words(label, most=3):
    """Words whose share of captions inside the heap exceeds their share outside the most."""
    inside, outside = Counter(), Counter()
    for caption, own_label in zip(captions, heaps.labels, strict=True):
        words = {word.strip(",.:;").lower() for word in caption.split() if len(word) > 3}
        (inside if own_label == label else outside).update(words)
    total = heaps.sizes[label]
    excess = {word: inside[word] / total - outside[word] / max(n - total, 1) for word in inside}
    return " ".join(sorted(excess, key=lambda word: (-excess[word], word))[:most])


names = {label: typical_words(label) for label in range(best_k)}
sheet = {f"{label}: {name}": pictures[heaps.labels == label][:8] for label, name in names.items()}
checks.show(figures.contact_sheet(sheet), alt=f"One row per heap, with its typical words: {'; '.join(names.values())}.")

# %%
step.make("centroids.npy", lambda: heaps.centroids)
step.make(
    "clusters.json",
    lambda: {
        "k": best_k,
        "labels": heaps.labels.tolist(),
        "sizes": list(heaps.sizes),
        "names": [names[label] for label in range(best_k)],
        "similarity": heaps.similarity,
        "digest": heaps.digest,
    },
)
print("saved; the digest of the centroids names this clustering:", heaps.digest[:12])
report = cluster.quality(vectors, heaps)
print(f"made by {report.engine}; sizes: Gini {report.gini:.2f} (0 is all equal)")
for label, name in names.items():
    print(f"{name:36} cohesion {report.cohesion[label]:.2f}   neighbour {report.separation[label]:.2f}")

# %% [markdown]
# The last lines say what one cannot see on a map. **Cohesion** is the mean cosine of a heap's pictures to its
# centre. The
# **neighbour** column is the cosine between two centres: when it comes near the cohesion, two heaps may be one
# topic.
#
# ## A map you can touch
#
# Move the pointer over a dot, or reach it with the Tab key: the picture appears with its caption. The number in the
# dot is its heap. Hunt for strangers: dots of one number in the middle of another's island.

# %% tags=["widget"]
from IPython.display import HTML, display

shown = stream(seed, "map").permutation(n)[:240]
display(HTML(hover_map(flat_umap[shown], pictures[shown], [captions[k] for k in shown], heaps.labels[shown])))

# %% [markdown]
# The same on paper. Colours and marks say the heap:

# %%
figure, grid = figures.axes(width=10, height=6)
for label in range(best_k):
    dots = flat_umap[heaps.labels == label]
    style = {"color": figures.PALETTE[label % 8], "marker": figures.MARKERS[(label + label // 8) % 8]}
    grid[0, 0].scatter(*dots.T, s=14, alpha=0.7, label=f"{label}: {names[label]}", **style)
grid[0, 0].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
grid[0, 0].set(xticks=[], yticks=[], xlabel="UMAP, first direction", ylabel="second direction")
checks.show(
    figure, alt=f"The UMAP with the {best_k} heaps: dots of one heap mostly lie together, a few on foreign islands."
)

# %% [markdown]
# ## How pure are the heaps?
#
# For postcards and photographs we know the true topic of each picture. The computer did not. Now we may compare. The
# **purity** of a clustering is the share of pictures whose topic is the commonest one of their heap.
#
# **Exercise 01.2 (the real one).** Write it. Labels are numbers, topics are words. Try it on paper first: heap 0
# holds *sea, sea, sea, food*, heap 1 holds *food*. Four of five pictures belong to the commonest topic of their
# heap.


# %% tags=["exercise"]
def heap_purity(labels, topics):
    """Share of pictures whose topic is the commonest one of their heap."""
    answer = None
    # solution
    right = 0
    for label in set(labels):
        inside = [topic for own_label, topic in zip(labels, topics, strict=True) if own_label == label]
        right += Counter(inside).most_common(1)[0][1]
    answer = right / len(topics)
    # end solution
    return answer


# %% tags=["check"]
checks.check("01.2", heap_purity)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. Count for each heap how many pictures have its commonest topic. `Counter(...).most_common(1)` helps.
# 2. Add those counts first and divide once, by the number of *all* pictures. The mean of the heaps' own purities lets a
#    tiny pure heap weigh as much as a huge mixed one.
#
# </details>
#
# A purity means nothing without its **chance level**: the purity of the same heaps when topics are dealt out at
# random.

# %%
topics = [one.topic for one in cards]
has_topics = all(topics)
if has_topics:
    value = cluster.purity(heaps.labels, topics)
    rng = stream(seed, "chance")
    chance = float(np.mean([cluster.purity(heaps.labels, rng.permutation(topics)) for _ in range(20)]))
    print(f"purity {value:.3f}; by chance it would be {chance:.3f}")
    step.result("01.purity", value)
    step.result("01.chance", chance)
    checks.within("01.purity", value)
    assert value > chance, "heaps must know more about topics than a shuffled deck"
else:
    print("these pictures come without topics: look at the contact sheet and judge by eye")

# %% [markdown]
# Worry if purity were close to chance: then heaps and topics have nothing to do with each other, and nothing that
# follows makes sense. Next, the whole table behind that one number:

# %%
if has_topics:
    kinds = sorted(set(topics))
    counts = np.zeros((len(kinds), best_k), int)
    np.add.at(counts, ([kinds.index(topic) for topic in topics], heaps.labels), 1)
    figure, grid = figures.axes(width=9, height=4)
    grid[0, 0].imshow(counts, cmap="cividis", aspect="auto")
    grid[0, 0].grid(visible=False)
    grid[0, 0].set(xlabel="heap", ylabel="true topic", xticks=range(best_k))
    grid[0, 0].set_yticks(range(len(kinds)), kinds)
    for (row, column), count in np.ndenumerate(counts):
        ink = "white" if count < counts.max() / 2 else "black"
        grid[0, 0].text(column, row, count, ha="center", va="center", color=ink)
    checks.show(
        figure, alt=f"Pictures per topic and heap: {value:.0%} of them belong to the commonest topic of their heap."
    )

# %% [markdown]
# ## The catch: is it a topic, or a place?
#
# In this collection each topic has its usual place: sea life is mostly at sea. So a heap of blue pictures *is* a heap
# of sea animals, without anybody having recognised a fish. To tell the two apart we look at the **exceptions**:
# pictures whose place is not the usual one of their topic, such as a shark on a city street. If the heaps were about
# things, exceptions would be sorted as well as the rest. If they are about places, an exception sits where
# its *place* is usual. Guess first: which of the two shares below will be the larger one?


# %%
def commonest(values, keys):
    """The commonest value for each key."""
    groups = {}
    for value, key in zip(values, keys, strict=True):
        groups.setdefault(key, Counter())[value] += 1
    return {key: counts.most_common(1)[0][0] for key, counts in groups.items()}


places = [str((one.scene or {}).get("backdrop", "")) for one in cards]
has_places = has_topics and all(places)
usual = commonest(places, topics)
odd = np.array([has_places and usual[topic] != place for topic, place in zip(topics, places, strict=True)])


def sorted_right(labels):
    """For each picture, whether its heap's commonest topic is its own topic."""
    main = commonest(topics[: len(labels)], labels)
    return np.array([main[label] == topic for label, topic in zip(labels, topics, strict=False)])


# %% tags=["slide"]
right = sorted_right(heaps.labels)
if has_places:
    main_place = commonest(places, heaps.labels)
    with_place = np.array([main_place[label] == place for label, place in zip(heaps.labels, places, strict=True)])
    print(f"usual place:    {np.mean(~odd):.0%} of pictures; {right[~odd].mean():.0%} of them in a heap of their topic")
    print(f"somewhere else: {np.mean(odd):.0%} of pictures; {right[odd].mean():.0%} of them in a heap of their topic,")
    print(f"{'':15} and {with_place[odd].mean():.0%} of them in a heap where their place is the commonest")
    step.result("01.exceptions_right", float(right[odd].mean()))
    main_topic = commonest(topics, heaps.labels)
    strangers = np.flatnonzero(odd & ~right)[:8]
    mains = [(main_topic[label], main_place[label]) for label in heaps.labels[strangers]]
    titles = [f"{topics[k]}; its heap: {topic}, {place}" for k, (topic, place) in zip(strangers, mains, strict=True)]
    figure = figures.gallery(pictures[strangers], titles)
    shares = f"{right[odd].mean():.0%} of exceptions lie in a heap of their topic, {with_place[odd].mean():.0%} in one"
    checks.show(figure, alt=f"Eight exceptions that went elsewhere. {shares} of their place.")

# %% [markdown] tags=["slide"]
# Compare the last two shares: an exception rather follows its *place* than its things. Where it follows neither,
# look at the colours: a sunset is dark like the night, the sand of a beach is yellow like the desert. Purity looks
# good because place and topic go together here, as they often do in real life: ski pictures are white. So, a fair
# warning for every clustering you will ever see:
# **purity says that heaps agree with topics, not that they are made of them.**
#
# Do the heaps know *anything* about things? Compare with a view that cannot recognise anything at all, the mean
# colours of a coarse grid, and with the tower's own one-vector summary of a picture.


# %%
def compare_views():
    """Purity of three kinds of vectors on the same pictures, and the share of exceptions sorted right."""
    few = min(n, 600)
    views = {
        "colours of a 4 x 4 grid": embed.embed(pictures[:few], embed.HashingEncoder()),
        "the tower's own summary": embed.embed(pictures[:few], embed.TowerEncoder()),
        "maximum over patches": vectors[:few],
    }
    rows = {}
    for name, view in views.items():
        labels = cluster.cluster(view, min(best_k, few // 2), seed=seed).labels
        exceptions = sorted_right(labels)[odd[:few]]
        share = float(exceptions.mean()) if len(exceptions) else 0.0
        rows[name] = [cluster.purity(labels, topics[:few]), share]
    return rows


views = step.make("views.json", compare_views) if has_topics else {}
for name, (value, share) in views.items():
    print(f"{name:26} purity {value:.2f}   exceptions sorted right {share:.2f}")

# %% [markdown]
# Plain colours are as pure as our heaps or purer, for the reason you now know. The second column unmasks them: a
# shark on a city street is a street to them. The patch vectors get some exceptions right, so they have seen
# *something* of the things. The tower's summary was trained to match captions. It also encodes how many things
# there are and where they stand, and k-means takes that for topics. What a vector is good for depends on what it
# was made for.
#
# And real photographs? The tower has never seen one. All it can offer is colour and texture: try `pairs="photos"` and
# expect little. For our purpose heaps by place will do: a common place is common ground for a conversation.
#
# ## Sets that belong together
#
# Now the point of it all. A conversation needs two to four pictures. If they are drawn at random, the writer must
# connect a lobster in the sea with a drum at night, and gets a list instead of a conversation. TextBind's answer is
# **topic-aware sampling**: all pictures of one conversation come from *one* cluster.
#
# **Exercise 01.3 (open).** Write your own: draw `size` different pictures from one heap. `rng` is a NumPy
# generator. Any fair way counts, but every heap that is large enough must have a chance, and too small ones must
# not crash you.


# %% tags=["exercise"]
def draw_set(labels, rng, size):
    """Indices of `size` different pictures of one heap."""
    answer = None
    # solution
    counts = np.bincount(labels)
    heap = rng.choice(np.flatnonzero(counts >= size))
    answer = rng.permutation(np.flatnonzero(np.asarray(labels) == heap))[:size]
    # end solution
    return answer


# %% tags=["check"]
checks.check("01.3", draw_set)

# %% [markdown]
# <details><summary>Two hints</summary>
#
# 1. First choose a heap among those with enough pictures, then pictures in it.
# 2. `rng.permutation(indices)[:size]` draws without repeating.
#
# </details>
#
# `tbcore` adds three rules: pictures that are nearly the same are not put together, no picture is used too often,
# and the least used go first. Draw number *i* never changes when you ask for more. The control uses the same rules
# without heaps.

# %%
rules = sample.SamplingRules(smallest=2, largest=min(4, max(heaps.sizes)))
aware = sample.sample_groups(heaps.labels, vectors, p.n_picture_sets, seed=seed, rules=rules, clustering=heaps.digest)
control = sample.sample_random(vectors, p.n_picture_sets, seed=seed, rules=rules)
print(f"{len(aware.samples)} topic-aware sets, {len(control.samples)} random ones", aware.exhausted)

# %%
rows = {}
for name, sampling in (("from one heap", aware), ("random", control)):
    large = sorted(sampling.samples[:8], key=lambda one: -len(one.members))[:3]
    for number, one in enumerate(large, start=1):
        rows[f"{name}, {number}"] = pictures[list(one.members)]
figure = figures.contact_sheet(rows, columns=4, size=1.4)
checks.show(figure, alt="Above, sets from one heap, which mostly share a place; below, random sets that share nothing.")


# %% [markdown]
# Cover the names and guess which is which. Easy? Then a number should see it, too. The **coherence** of a set is
# the mean cosine of all its pairs.


# %%
def set_coherence(members):
    """Mean cosine between different pictures of one set."""
    among = vectors[list(members)] @ vectors[list(members)].T
    pairs_of_set = among[np.triu_indices(len(members), k=1)]
    return float(pairs_of_set.mean())


found = {
    "topic-aware": [set_coherence(one.members) for one in aware.samples],
    "random": [set_coherence(one.members) for one in control.samples],
}
assert np.isclose(np.mean(found["topic-aware"]), sample.coherence(aware.samples, vectors), atol=1e-4)
assert np.isclose(np.mean(found["random"]), sample.coherence(control.samples, vectors), atol=1e-4)

# %% tags=["slide"]
figure, grid = figures.axes(height=3.2)
for (name, values), hatch, colour in zip(found.items(), ("", "//"), figures.PALETTE, strict=False):
    grid[0, 0].hist(values, bins=np.linspace(-0.5, 1, 46), alpha=0.6, hatch=hatch, color=colour, label=name)
grid[0, 0].set(xlabel="coherence of a set", ylabel="sets")
grid[0, 0].legend()
checks.show(figure, alt="Topic-aware sets have a higher coherence than random ones, which lie around zero.")
for name, values in zip(("01.topic_coherence", "01.random_coherence"), found.values(), strict=True):
    step.result(name, float(np.mean(values)))
    checks.within(name, float(np.mean(values)))
assert np.mean(found["topic-aware"]) > np.mean(found["random"]), "sets from one heap must hang together better"

# %% [markdown]
# Random sets sit around zero: their pictures have nothing to do with each other. If the two heaps of bars lay on
# top of each other, sampling by topic would be a waste of time.
#
# Is more coherence always better? Then we would need no heaps: take a picture and its nearest neighbours. `tbcore`
# has that control, too. Look at its number, and then ask what one could talk about with such pictures.
#
# Last, we write the sets down in the form that the following notebooks read: captions in order, scenes if they are
# known, and where the files lie.


# %%
closest = sample.sample_nearest(vectors, p.n_picture_sets, seed=seed, rules=rules)
print(f"coherence of nearest neighbours: {sample.coherence(closest.samples, vectors):.2f}")
for name, sampling in (("topic-aware", aware), ("random", control), ("nearest", closest)):
    ledger = sample.Coverage.of(sampling.samples, n)
    print(f"{name:12} used {ledger.share:.0%} of the pictures; pairs met again: {ledger.repeated_pairs}")


def as_group(one):
    members = [cards[k] for k in one.members]
    scenes = tuple(card.scene for card in members)
    return PictureGroup(
        id=f"set-{one.draw:04d}",
        version=heaps.digest[:12],
        topic=names[one.cluster],
        captions=tuple(card.caption for card in members),
        scenes=scenes if all(scenes) else None,
        files=tuple(f"pictures/{card.picture}" for card in members),
    )


sets = step.make("samples.jsonl", lambda: [as_group(one).to_json() for one in aware.samples])
print(sets[0]["topic"], *sets[0]["captions"], sep="\n  ")

# %% [markdown] tags=["slide"]
# ## What you have done
#
# You read pictures without trusting them, turned them into vectors, and looked at the vectors on two maps of known
# honesty. You found heaps, chose their number, measured their purity, and then found out that they were about
# places. And you sampled sets that belong together, with a number that proves it.

# %%
step.close()

# %% [markdown]
# ## Quiz

# %% tags=["quiz"]
quizzes.show("01")

# %% [markdown]
# ## If something goes wrong
#
# <details><summary>MissingFileError: ...: neither captions.jsonl nor captions.csv is there.</summary>
#
# Your folder needs a captions file: one line per picture, with the columns `picture` and `caption`. The message names
# the folder that was looked at; a relative path starts at the project's root.
#
# </details>
#
# <details><summary>InputError: ... only 3 usable pictures; topics need six or more.</summary>
#
# Open `rejections.jsonl` in this step's folder. Each line names a line of your captions file and the reason.
#
# </details>
#
# <details><summary>MissingFileError: ... hashes.json: the list of shipped weights is missing.</summary>
#
# The tower's weights were not copied with the project. The message names two remedies.
#
# </details>
#
# ## Further reading
#
# - Li et al., *TextBind*, [arXiv 2309.08637](https://arxiv.org/abs/2309.08637): the section on generating data
#   describes topic-aware image sampling.
# - McInnes et al., *UMAP*, [arXiv 1802.03426](https://arxiv.org/abs/1802.03426), and Radford et al., *CLIP*,
#   [arXiv 2103.00020](https://arxiv.org/abs/2103.00020).
#
# **Next:** notebook 02 turns the captions of such a set into a prompt: the only thing a text-only teacher will ever
# see of your pictures.
