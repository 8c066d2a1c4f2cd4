"""MIM: a model that reads and writes conversations with pictures.

Pictures enter as vectors and leave as words: the language model writes a caption between `<start>` and `<end>`,
and a frozen painter draws it (TextBind, arXiv:2309.08637).

    picture ─► vision tower ─► connector (Q-Former, projection) ─┐
    text    ─► tokens ───────► embeddings ───────────────────────┴─► language model ─► text
                                                                          └─► <start> caption <end> ─► painter

    config, vision, towers, connectors, blip2, language, mim   the parts and their sum
    tokens, masks, pack, batch, processor                      from a dialogue to tensors
    history, writer, memory, decode, replies                   writing replies
    hub, tiny, query_head    parts by name or folder; all of it in miniature; drawing without words

Axes, used in signatures, comments, notebooks and figures:

    b  dialogues in a batch              q       query vectors per picture
    s  positions in the sequence         d_vis, d_lm  width of vision / language features
    i  pictures in a batch, flattened    h       attention heads
    c y x  channels, rows, columns       v       vocabulary
    p  patches per picture               n, k    items in the corpus, clusters
"""

__all__ = []
